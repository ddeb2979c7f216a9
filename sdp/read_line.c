/*
 * What single lines mean: a table of the attributes that a call uses, with
 * who defines each.  Anything else is ignored, as RFC 8866 5.13 asks.
 */
#include "sdp/read.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/check.h"

enum { AT_SESSION = 1, AT_MEDIA = 2, AT_BOTH = 3, AT_WEB = 4 };

typedef const char *(attr_h)(struct gw_read_part *p, struct gw_str v);

/* A literal unicast address, else family 0: names are not looked up (mDNS
 * ones could not be), and media is never sent to a group. */
static struct gw_addr literal(struct gw_str s, uint32_t port)
{
	struct gw_addr a = { 0 }, none = { 0 };
	char text[64];

	if (!gw_str_copy(text, sizeof(text), s) ||
	    gw_addr_parse(&a, text, (uint16_t)port))
		return none;
	if (a.family == AF_INET && a.ip[0] >= 224)
		return none;
	if (a.family == AF_INET6 && a.ip[0] == 0xff)
		return none;
	return a;
}

/* c=IN IP4 192.0.2.1[/ttl] (RFC 8866 5.7).  Several in one part are layers of
 * a multicast session: the first is used. */
static const char *read_conn(struct gw_read_part *p, struct gw_str v)
{
	struct gw_str net = gw_str_token(&v, ' ');
	struct gw_str type = gw_str_token(&v, ' ');
	struct gw_str host = gw_str_token(&v, ' ');
	struct gw_str ip = gw_str_token(&host, '/');

	if (net.len == 0 || type.len == 0 || ip.len == 0)
		return "c= is not of the form network, type, address";
	if (p->own_conn)
		return NULL;
	p->own_conn = true;
	p->have_conn = true;
	p->conn = literal(ip, 0);
	return NULL;
}

/* b=AS:64, b=TIAS:64000 (RFC 8866 5.8, RFC 3890): the latter is exact. */
static const char *read_bandwidth(struct gw_read_part *p, struct gw_str v)
{
	struct gw_str type = gw_str_token(&v, ':');
	uint32_t n;

	v = gw_str_token(&v, ':');
	if (gw_str_ieq(type, "TIAS") && gw_str_u32(v, UINT32_MAX, &n)) {
		p->s->bandwidth_bps = n;
		p->have_tias = true;
	} else if (gw_str_ieq(type, "AS") && !p->have_tias &&
		   gw_str_u32(v, UINT32_MAX / 1000, &n)) {
		p->s->bandwidth_bps = n * 1000;
	}
	return NULL;
}

static const char *at_sendrecv(struct gw_read_part *p, struct gw_str v)
{
	(void)v;
	p->s->dir = GW_DIR_SENDRECV;
	return NULL;
}

static const char *at_sendonly(struct gw_read_part *p, struct gw_str v)
{
	(void)v;
	p->s->dir = GW_DIR_SENDONLY;
	return NULL;
}

static const char *at_recvonly(struct gw_read_part *p, struct gw_str v)
{
	(void)v;
	p->s->dir = GW_DIR_RECVONLY;
	return NULL;
}

static const char *at_inactive(struct gw_read_part *p, struct gw_str v)
{
	(void)v;
	p->s->dir = GW_DIR_INACTIVE;
	return NULL;
}

/* The first line for a payload type counts: a second one would be a second
 * meaning, and peers that repeat one repeat it unchanged. */
static const char *at_rtpmap(struct gw_read_part *p, struct gw_str v)
{
	struct gw_str pt = gw_str_token(&v, ' ');
	uint32_t n;

	if (!gw_str_u32(pt, UINT32_MAX, &n))
		return "a=rtpmap names no payload type";
	if (n >= GW_READ_NPT || p->rtpmap[n].len > 0)
		return NULL;
	p->rtpmap[n] = gw_str_token(&v, ' ');
	return NULL;
}

static const char *at_fmtp(struct gw_read_part *p, struct gw_str v)
{
	struct gw_str pt = gw_str_token(&v, ' ');
	uint32_t n;

	/* Formats that are no payload types have an fmtp too (RFC 4583). */
	if (!gw_str_u32(pt, GW_READ_NPT - 1, &n) || p->fmtp[n].len > 0)
		return NULL;
	while (v.len > 0 && *v.p == ' ') {
		v.p++;
		v.len--;
	}
	while (v.len > 0 && v.p[v.len - 1] == ' ')
		v.len--;
	p->fmtp[n] = v;
	return NULL;
}

static const char *at_ptime(struct gw_read_part *p, struct gw_str v)
{
	uint32_t n;

	if (gw_str_u32(v, 1000, &n))
		p->s->ptime_ms = (uint16_t)n;
	return NULL;
}

static const char *at_maxptime(struct gw_read_part *p, struct gw_str v)
{
	uint32_t n;

	if (gw_str_u32(v, 1000, &n))
		p->s->maxptime_ms = (uint16_t)n;
	return NULL;
}

/* a=rtcp:53020 [IN IP4 126.16.64.4] */
static const char *at_rtcp(struct gw_read_part *p, struct gw_str v)
{
	struct gw_str port = gw_str_token(&v, ' ');
	struct gw_str host;
	uint32_t n;

	if (!gw_str_u32(port, UINT16_MAX, &n))
		return "a=rtcp has no valid port";
	(void)gw_str_token(&v, ' ');
	(void)gw_str_token(&v, ' ');
	host = gw_str_token(&v, ' ');
	p->have_rtcp = true;
	p->rtcp = (struct gw_addr){ 0 };
	if (host.len > 0)
		p->rtcp = literal(host, n);
	p->rtcp.port = (uint16_t)n;
	return NULL;
}

static const char *at_rtcp_mux(struct gw_read_part *p, struct gw_str v)
{
	(void)v;
	p->s->rtcp_mux = true;
	return NULL;
}

static const char *at_group(struct gw_read_part *p, struct gw_str v)
{
	struct gw_str semantics = gw_str_token(&v, ' ');

	/* One BUNDLE group is all that one transport can be. */
	if (gw_str_eq(semantics, "BUNDLE") && !p->bundle.p)
		p->bundle = v;
	return NULL;
}

static const char *at_mid(struct gw_read_part *p, struct gw_str v)
{
	if (!gw_str_is_token(v) ||
	    !gw_str_copy(p->s->mid, sizeof(p->s->mid), v))
		return "a=mid is no token of at most 32 characters";
	return NULL;
}

static const char *at_bundle_only(struct gw_read_part *p, struct gw_str v)
{
	(void)v;
	p->bundle_only = true;
	return NULL;
}

/* Peers use more than ice-char (some "-" and "="): what matters here is the
 * length, and that it can be printed. */
static bool ice_text(char *dst, size_t size, struct gw_str v, size_t min)
{
	return v.len >= min && gw_str_is_print(v) && !memchr(v.p, ' ', v.len) &&
	       gw_str_copy(dst, size, v);
}

static const char *at_ufrag(struct gw_read_part *p, struct gw_str v)
{
	if (!ice_text(p->s->ufrag, sizeof(p->s->ufrag), v, 4))
		return "a=ice-ufrag is not of 4 to 256 characters";
	return NULL;
}

static const char *at_pwd(struct gw_read_part *p, struct gw_str v)
{
	if (!ice_text(p->s->pwd, sizeof(p->s->pwd), v, 22))
		return "a=ice-pwd is not of 22 to 256 characters";
	return NULL;
}

static const char *at_ice_lite(struct gw_read_part *p, struct gw_str v)
{
	(void)v;
	p->s->ice_lite = true;
	return NULL;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Several may be given (RFC 8122 5.1): the first sha-256 one is taken. */
static const char *at_fingerprint(struct gw_read_part *p, struct gw_str v)
{
	struct gw_str hash = gw_str_token(&v, ' ');
	struct gw_str hex = gw_str_token(&v, ' ');
	uint8_t sum[sizeof(p->s->sha256)];
	size_t i;

	if (!gw_str_ieq(hash, "sha-256") || p->own_fingerprint)
		return NULL;
	if (hex.len != sizeof(sum) * 3 - 1)
		return "a=fingerprint is no sha-256 value";
	for (i = 0; i < sizeof(sum); i++) {
		int hi = hex_value(hex.p[i * 3]);
		int lo = hex_value(hex.p[i * 3 + 1]);

		if (hi < 0 || lo < 0 ||
		    (i + 1 < sizeof(sum) && hex.p[i * 3 + 2] != ':'))
			return "a=fingerprint is no sha-256 value";
		sum[i] = (uint8_t)(hi << 4 | lo);
	}
	memcpy(p->s->sha256, sum, sizeof(sum));
	p->s->has_fingerprint = true;
	p->own_fingerprint = true;
	return NULL;
}

static const char *at_setup(struct gw_read_part *p, struct gw_str v)
{
	static const struct {
		const char *name;
		enum gw_setup setup;
	} names[] = {
		{"actpass",   GW_SETUP_ACTPASS },
		{ "active",   GW_SETUP_ACTIVE  },
		{ "passive",  GW_SETUP_PASSIVE },
		{ "holdconn", GW_SETUP_HOLDCONN},
	};
	size_t i;

	for (i = 0; i < GW_ARRAY_LEN(names); i++) {
		if (gw_str_ieq(v, names[i].name)) {
			p->s->setup = names[i].setup;
			return NULL;
		}
	}
	return "a=setup has an unknown value";
}

static const char *at_tls_id(struct gw_read_part *p, struct gw_str v)
{
	if (!gw_str_is_print(v) || v.len < 20 ||
	    !gw_str_copy(p->s->tls_id, sizeof(p->s->tls_id), v))
		return "a=tls-id is not of 20 to 255 characters";
	return NULL;
}

/* Only ever a label for the page's script: one that does not fit is left. */
static const char *at_msid(struct gw_read_part *p, struct gw_str v)
{
	struct gw_str stream = gw_str_token(&v, ' ');
	struct gw_str track = gw_str_token(&v, ' ');
	struct gw_sess_stream *s = p->s;

	if (!gw_str_is_print(stream) || !gw_str_is_print(track) ||
	    !gw_str_copy(s->msid_stream, sizeof(s->msid_stream), stream) ||
	    !gw_str_copy(s->msid_track, sizeof(s->msid_track), track)) {
		s->msid_stream[0] = '\0';
		s->msid_track[0] = '\0';
	}
	return NULL;
}

/* a=ssrc:1234 cname:abc (RFC 5576 6.1): the first is the stream's own. */
static const char *at_ssrc(struct gw_read_part *p, struct gw_str v)
{
	struct gw_str id = gw_str_token(&v, ' ');
	struct gw_str cname = gw_str_token(&v, ' ');
	struct gw_sess_stream *s = p->s;
	uint32_t n;

	if (s->ssrc != 0 || !gw_str_has_prefix(cname, "cname:") ||
	    !gw_str_is_print(cname) || !gw_str_u32(id, UINT32_MAX, &n))
		return NULL;
	cname.p += strlen("cname:");
	cname.len -= strlen("cname:");
	if (gw_str_copy(s->cname, sizeof(s->cname), cname))
		s->ssrc = n;
	return NULL;
}

/* a=rtcp-fb:96 nack pli (RFC 4585 4.2); "*" for every payload type. */
static const char *at_rtcp_fb(struct gw_read_part *p, struct gw_str v)
{
	static const struct {
		const char *type, *parameter;
		uint8_t fb;
	} known[] = {
		{"nack",       "",    GW_FB_NACK},
		{ "nack",      "pli", GW_FB_PLI },
		{ "ccm",       "fir", GW_FB_FIR },
		{ "goog-remb", "",    GW_FB_REMB},
	};
	struct gw_str pt = gw_str_token(&v, ' ');
	struct gw_str type = gw_str_token(&v, ' ');
	struct gw_str parameter = gw_str_token(&v, ' ');
	uint8_t *fb = &p->fb_all;
	uint32_t n;
	size_t i;

	if (!gw_str_eq(pt, "*")) {
		if (!gw_str_u32(pt, GW_READ_NPT - 1, &n))
			return NULL;
		fb = &p->fb[n];
	}
	for (i = 0; i < GW_ARRAY_LEN(known); i++) {
		if (gw_str_ieq(type, known[i].type) &&
		    gw_str_ieq(parameter, known[i].parameter))
			*fb |= known[i].fb;
	}
	return NULL;
}

/*
 * a=extmap:3[/direction] urn:... [attributes] (RFC 8285 5).  One that goes one
 * way only is left out, since what we relay goes both; so are the ids beyond
 * the one-byte form.
 */
static const char *at_extmap(struct gw_read_part *p, struct gw_str v)
{
	struct gw_str entry = gw_str_token(&v, ' ');
	struct gw_str uri = gw_str_token(&v, ' ');
	struct gw_str id = gw_str_token(&entry, '/');
	struct gw_str dir = gw_str_token(&entry, '/');
	uint32_t n;
	size_t i;

	if (!gw_str_u32(id, GW_SESS_EXT_MAX_ID, &n) || n == 0 ||
	    (dir.len > 0 && !gw_str_eq(dir, "sendrecv")))
		return NULL;
	for (i = 0; i < GW_SESS_NEXT; i++) {
		if (gw_str_eq(uri, gw_sess_ext_uri[i]) &&
		    (p->web || i == GW_SESS_EXT_CVO))
			p->s->ext[i] = (uint8_t)n;
	}
	return NULL;
}

/* a=tcap:1 RTP/SAVPF RTP/AVPF: numbered from the one given (RFC 5939 3.4.1). */
static const char *at_tcap(struct gw_read_part *p, struct gw_str v)
{
	struct gw_str number = gw_str_token(&v, ' ');
	uint32_t n;

	if (!gw_str_u32(number, 200, &n) || n == 0)
		return NULL;
	for (; v.len > 0; n++) {
		struct gw_str proto = gw_str_token(&v, ' ');

		if (gw_str_ieq(proto, "RTP/AVPF") && n < UINT8_MAX &&
		    p->tcap_avpf == 0)
			p->tcap_avpf = (uint8_t)n;
	}
	return NULL;
}

/* a=pcfg:1 t=1: one that wants more than another protocol is not for us.  The
 * lower the number the likelier (RFC 5939 3.5.1); "t=1|2" is a choice. */
static const char *at_pcfg(struct gw_read_part *p, struct gw_str v)
{
	struct gw_str number = gw_str_token(&v, ' ');
	struct gw_str t = gw_str_token(&v, ' ');
	uint32_t n, first;

	if (!gw_str_u32(number, UINT8_MAX, &n) || n == 0 || p->pcfg != 0 ||
	    !gw_str_has_prefix(t, "t=") || gw_str_token(&v, ' ').len > 0)
		return NULL;
	t.p += strlen("t=");
	t.len -= strlen("t=");
	if (gw_str_u32(gw_str_token(&t, '|'), UINT8_MAX, &first)) {
		p->pcfg = (uint8_t)n;
		p->pcfg_tcap = (uint8_t)first;
	}
	return NULL;
}

static bool candidate_type(struct gw_str v, struct gw_sess_candidate *c)
{
	if (gw_str_eq(v, "host"))
		c->type = GW_CAND_HOST;
	else if (gw_str_eq(v, "srflx"))
		c->type = GW_CAND_SRFLX;
	else if (gw_str_eq(v, "prflx"))
		c->type = GW_CAND_PRFLX;
	else if (gw_str_eq(v, "relay"))
		c->type = GW_CAND_RELAY;
	else
		return false;
	return true;
}

static void candidate_related(struct gw_str v, struct gw_sess_candidate *c)
{
	struct gw_str host = { NULL, 0 };
	uint32_t port = 0;

	for (;;) {
		struct gw_str key = gw_str_token(&v, ' ');
		struct gw_str value = gw_str_token(&v, ' ');

		if (value.len == 0)
			break;
		if (gw_str_eq(key, "raddr"))
			host = value;
		else if (gw_str_eq(key, "rport"))
			(void)gw_str_u32(value, UINT16_MAX, &port);
	}
	if (host.len > 0)
		c->related = literal(host, port);
}

/* False: not one that we could send a check to.  That is no fault of the
 * description: TCP, mDNS and unknown kinds are everyday (RFC 8839 5.1). */
static bool candidate_parse(struct gw_str v, struct gw_sess_candidate *c)
{
	struct gw_str foundation = gw_str_token(&v, ' ');
	struct gw_str component = gw_str_token(&v, ' ');
	struct gw_str transport = gw_str_token(&v, ' ');
	struct gw_str priority = gw_str_token(&v, ' ');
	struct gw_str host = gw_str_token(&v, ' ');
	struct gw_str port = gw_str_token(&v, ' ');
	struct gw_str typ = gw_str_token(&v, ' ');
	uint32_t n;

	memset(c, 0, sizeof(*c));
	if (!gw_str_is_print(foundation) || foundation.len == 0 ||
	    !gw_str_copy(c->foundation, sizeof(c->foundation), foundation))
		return false;
	if (!gw_str_u32(component, 2, &n) || n == 0)
		return false;
	c->component = (uint8_t)n;
	if (!gw_str_ieq(transport, "udp") ||
	    !gw_str_u32(priority, UINT32_MAX, &c->priority))
		return false;
	if (!gw_str_u32(port, UINT16_MAX, &n) || n == 0)
		return false;
	c->addr = literal(host, n);
	if (c->addr.family == 0 || gw_addr_is_any(&c->addr))
		return false;
	if (!gw_str_eq(typ, "typ") || !candidate_type(gw_str_token(&v, ' '), c))
		return false;
	candidate_related(v, c);
	return true;
}

/* When there are more than we keep, the best stay. */
static const char *at_candidate(struct gw_read_part *p, struct gw_str v)
{
	struct gw_sess_stream *s = p->s;
	struct gw_sess_candidate c;
	unsigned i, worst = 0;

	if (!candidate_parse(v, &c))
		return NULL;
	if (s->ncandidate < GW_SESS_MAX_CANDIDATES) {
		s->candidate[s->ncandidate++] = c;
		return NULL;
	}
	for (i = 1; i < s->ncandidate; i++) {
		if (s->candidate[i].priority < s->candidate[worst].priority)
			worst = i;
	}
	if (c.priority > s->candidate[worst].priority)
		s->candidate[worst] = c;
	return NULL;
}

/* clang-format off */
static const struct {
	const char *name;
	unsigned where;
	attr_h *handler;
} attrs[] = {
	{ "sendrecv",    AT_BOTH,  at_sendrecv },             /* RFC 8866 6.7  */
	{ "sendonly",    AT_BOTH,  at_sendonly },
	{ "recvonly",    AT_BOTH,  at_recvonly },
	{ "inactive",    AT_BOTH,  at_inactive },
	{ "rtpmap",      AT_MEDIA, at_rtpmap },               /* RFC 8866 6.6  */
	{ "fmtp",        AT_MEDIA, at_fmtp },                 /* RFC 8866 6.15 */
	{ "ptime",       AT_MEDIA, at_ptime },                /* RFC 8866 6.4  */
	{ "maxptime",    AT_MEDIA, at_maxptime },             /* RFC 8866 6.5  */
	{ "rtcp",        AT_MEDIA, at_rtcp },                 /* RFC 3605 2.1  */
	{ "rtcp-mux",    AT_MEDIA, at_rtcp_mux },             /* RFC 5761 5.1  */
	{ "rtcp-mux-only", AT_MEDIA | AT_WEB, at_rtcp_mux },  /* RFC 8858 3    */
	{ "rtcp-fb",     AT_MEDIA, at_rtcp_fb },              /* RFC 4585 4.2  */
	{ "extmap",      AT_BOTH,  at_extmap },               /* RFC 8285 5    */
	{ "tcap",        AT_BOTH,  at_tcap },                 /* RFC 5939 3.4  */
	{ "pcfg",        AT_MEDIA, at_pcfg },                 /* RFC 5939 3.5  */
	{ "group",       AT_SESSION | AT_WEB, at_group },     /* RFC 9143 6    */
	{ "mid",         AT_MEDIA | AT_WEB, at_mid },         /* RFC 5888 4    */
	{ "bundle-only", AT_MEDIA | AT_WEB, at_bundle_only }, /* RFC 9143 5    */
	{ "ice-ufrag",   AT_BOTH | AT_WEB, at_ufrag },        /* RFC 8839 5.4  */
	{ "ice-pwd",     AT_BOTH | AT_WEB, at_pwd },
	{ "ice-lite",    AT_SESSION | AT_WEB, at_ice_lite },  /* RFC 8839 5.3  */
	{ "fingerprint", AT_BOTH | AT_WEB, at_fingerprint },  /* RFC 8122 5    */
	{ "setup",       AT_BOTH | AT_WEB, at_setup },        /* RFC 4145 4    */
	{ "tls-id",      AT_BOTH | AT_WEB, at_tls_id },       /* RFC 8842 4    */
	{ "candidate",   AT_MEDIA | AT_WEB, at_candidate },   /* RFC 8839 5.1  */
	{ "msid",        AT_MEDIA | AT_WEB, at_msid },        /* RFC 8830 2    */
	{ "ssrc",        AT_MEDIA | AT_WEB, at_ssrc },        /* RFC 5576 4.1  */
};
/* clang-format on */

static const char *read_attr(struct gw_read_part *p, struct gw_str v)
{
	unsigned level = p->session ? AT_SESSION : AT_MEDIA;
	struct gw_str name = v;
	size_t i;

	name.len = 0;
	while (name.len < v.len && v.p[name.len] != ':')
		name.len++;
	v.p += name.len;
	v.len -= name.len;
	if (v.len > 0) { /* the colon */
		v.p++;
		v.len--;
	}
	while (v.len > 0 && v.p[v.len - 1] == ' ')
		v.len--;
	while (v.len > 0 && *v.p == ' ') {
		v.p++;
		v.len--;
	}
	for (i = 0; i < GW_ARRAY_LEN(attrs); i++) {
		if (!gw_str_eq(name, attrs[i].name))
			continue;
		if (!(attrs[i].where & level) ||
		    ((attrs[i].where & AT_WEB) && !p->web))
			return NULL;
		return attrs[i].handler(p, v);
	}
	return NULL;
}

const char *gw_read_line(struct gw_read_part *p, const struct gw_sdp_line *l)
{
	switch (l->type) {
	case 'c':
		return read_conn(p, l->value);
	case 'b':
		return read_bandwidth(p, l->value);
	case 'a':
		return read_attr(p, l->value);
	default:
		return NULL;
	}
}
