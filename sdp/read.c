/*
 * A description as a plain value.  What cannot be served keeps its place but
 * loses its codecs, so that everyone downstream refuses it by one rule.
 */
#include "sdp/read.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sdp/codec.h"

struct reader {
	const struct gw_sdp *sdp;
	struct gw_sess *out;
	bool web;
	struct gw_sdp_error *err;
	struct gw_str bundle;
	struct gw_sdp_error why; /* why the first m-line of ours is of no use */
	unsigned line[GW_SESS_MAX_STREAMS]; /* of each m= */
};

static enum gw_sess_fault broken(struct reader *r, unsigned line,
				 const char *text)
{
	gw_sdp_fail(r->err, line, text);
	return GW_SESS_BROKEN;
}

/* o=<user> <id> <version> IN IP4 <address>.  The numbers of some phones are
 * longer than 64 bits; equality is all that is ever asked of them. */
static bool read_origin(struct gw_sess *out, struct gw_str v)
{
	struct gw_str user = gw_str_token(&v, ' ');
	struct gw_str id = gw_str_token(&v, ' ');
	struct gw_str version = gw_str_token(&v, ' ');
	struct gw_str net = gw_str_token(&v, ' ');
	struct gw_str type = gw_str_token(&v, ' ');
	struct gw_str host = gw_str_token(&v, ' ');
	char text[64];

	if (user.len == 0 || net.len == 0 || type.len == 0 || host.len == 0 ||
	    !gw_str_u64_wrap(id, &out->id) ||
	    !gw_str_u64_wrap(version, &out->version))
		return false;
	if (!gw_str_copy(text, sizeof(text), host) ||
	    gw_addr_parse(&out->origin, text, 0))
		out->origin = (struct gw_addr){ 0 };
	return true;
}

/* ---- one m-line ---- */

static enum gw_kind kind_of(const struct gw_sdp_media *m)
{
	if (gw_str_ieq(m->media, "audio"))
		return GW_KIND_AUDIO;
	if (gw_str_ieq(m->media, "video"))
		return GW_KIND_VIDEO;
	if (gw_str_ieq(m->media, "application") &&
	    (gw_str_ieq(m->proto, "UDP/DTLS/SCTP") ||
	     gw_str_ieq(m->proto, "TCP/DTLS/SCTP") ||
	     gw_str_ieq(m->proto, "DTLS/SCTP")))
		return GW_KIND_DATA;
	return GW_KIND_OTHER;
}

static bool is_rtp(const char *proto)
{
	return strcasestr(proto, "RTP/") != NULL;
}

static bool proto_served(const char *proto, bool web)
{
	/* RFC 8829 5.1.2 lists more; these are the ones that were ever sent.
	 * Which keys are used is said by a=fingerprint, not by the name. */
	static const char *const of_web[] = {
		"UDP/TLS/RTP/SAVPF",
		"UDP/TLS/RTP/SAVP",
		"TCP/TLS/RTP/SAVPF",
		"TCP/TLS/RTP/SAVP",
		"RTP/SAVPF",
		"RTP/SAVP",
		NULL,
	};
	static const char *const of_core[] = { "RTP/AVP", "RTP/AVPF", NULL };
	const char *const *p;

	for (p = web ? of_web : of_core; *p; p++) {
		if (strcasecmp(proto, *p) == 0)
			return true;
	}
	return false;
}

/* The text as written, cut behind the last format that fits. */
static void copy_formats(char *dst, size_t size, struct gw_str formats)
{
	size_t used = 0;

	dst[0] = '\0';
	while (formats.len > 0) {
		struct gw_str f = gw_str_token(&formats, ' ');

		if (f.len == 0 || used + f.len + 2 > size)
			break;
		if (used > 0)
			dst[used++] = ' ';
		memcpy(dst + used, f.p, f.len);
		used += f.len;
		dst[used] = '\0';
	}
}

/* name/clock[/channels] */
static bool parse_rtpmap(struct gw_sess_codec *c, struct gw_str v)
{
	struct gw_str name = gw_str_token(&v, '/');
	struct gw_str clock = gw_str_token(&v, '/');
	struct gw_str channels = gw_str_token(&v, '/');
	uint32_t n = 1;

	if (!gw_str_is_token(name) ||
	    !gw_str_copy(c->name, sizeof(c->name), name))
		return false;
	if (!gw_str_u32(clock, 1000000, &c->clock_hz) || c->clock_hz == 0)
		return false;
	if (channels.len > 0 && (!gw_str_u32(channels, 255, &n) || n == 0))
		return false;
	c->channels = (uint8_t)n;
	return true;
}

/* Parameter sets (RFC 6184 8.1, RFC 7798 7.1) may be long, and come in the
 * stream as well: the rest of an fmtp is kept without them. */
static bool copy_without_sprop(char *dst, size_t size, struct gw_str fmtp)
{
	size_t used = 0;

	dst[0] = '\0';
	while (fmtp.len > 0) {
		struct gw_str pair = gw_str_token(&fmtp, ';');

		while (pair.len > 0 && *pair.p == ' ') {
			pair.p++;
			pair.len--;
		}
		if (pair.len == 0 || gw_str_has_prefix(pair, "sprop-"))
			continue;
		if (used + pair.len + 2 > size)
			return false;
		if (used > 0)
			dst[used++] = ';';
		memcpy(dst + used, pair.p, pair.len);
		used += pair.len;
		dst[used] = '\0';
	}
	return true;
}

/*
 * False: the format is of no use to us.  An fmtp that we could not repeat in
 * full takes its codec with it, since half of it may mean something else.
 */
static bool resolve_codec(const struct gw_read_part *p, uint8_t pt,
			  struct gw_sess_codec *c)
{
	if (p->rtpmap[pt].len > 0) {
		memset(c, 0, sizeof(*c));
		if (!parse_rtpmap(c, p->rtpmap[pt]))
			return false;
	} else if (!gw_codec_static(c, pt)) {
		return false;
	}
	c->pt = pt;
	gw_codec_normalise(c);
	if (p->s->kind == GW_KIND_VIDEO)
		c->fb = p->fb[pt] | p->fb_all;
	if (!gw_str_is_print(p->fmtp[pt]))
		return false;
	return gw_str_copy(c->fmtp, sizeof(c->fmtp), p->fmtp[pt]) ||
	       (p->s->kind == GW_KIND_VIDEO &&
		copy_without_sprop(c->fmtp, sizeof(c->fmtp), p->fmtp[pt]));
}

/* Into the last free place; DTMF pushes out the least wanted codec, because a
 * call can do without the twelfth codec but not without its keypad. */
static void add_codec(struct gw_sess_stream *s, const struct gw_sess_codec *c)
{
	unsigned i;

	if (s->ncodec < GW_SESS_MAX_CODECS) {
		s->codec[s->ncodec++] = *c;
		return;
	}
	if (!gw_codec_is_event(c))
		return;
	for (i = s->ncodec - 1; i > 0; i--) {
		if (gw_codec_is_event(&s->codec[i]))
			continue;
		memmove(&s->codec[i], &s->codec[i + 1],
			(s->ncodec - i - 1) * sizeof(s->codec[0]));
		s->codec[s->ncodec - 1] = *c;
		return;
	}
}

/* NULL, or what is wrong with the m-line. */
static const char *read_codecs(const struct gw_read_part *p,
			       const struct gw_sdp_media *m)
{
	struct gw_sess_stream *s = p->s;
	bool seen[GW_READ_NPT] = { false };
	uint8_t order[GW_READ_NPT];
	struct gw_str rest = m->formats;
	struct gw_sess_codec c;
	unsigned i, n = 0;
	uint32_t pt;

	while (rest.len > 0) {
		struct gw_str f = gw_str_token(&rest, ' ');

		if (f.len == 0)
			break;
		if (!gw_str_u32(f, GW_READ_NPT - 1, &pt))
			return "m= has a format that is no payload type";
		if (!seen[pt])
			order[n++] = (uint8_t)pt;
		seen[pt] = true;
	}
	for (i = 0; i < n; i++) {
		if (!resolve_codec(p, order[i], &c))
			continue;
		/* When not all fit, those that are never relayed go first. */
		if (n > GW_SESS_MAX_CODECS && !gw_codec_supported(&c))
			continue;
		add_codec(s, &c);
	}
	return NULL;
}

/* Where to send, from c=, the port of m=, and a=rtcp. */
static void read_addresses(struct gw_read_part *p, const struct gw_sdp_media *m)
{
	struct gw_sess_stream *s = p->s;

	/*
	 * RFC 3264 8.4: 0.0.0.0 is how RFC 2543 put on hold, "send me
	 * nothing".  The address is then none at all.  In the web profile it
	 * is the usual filler next to ICE and says nothing.
	 */
	if (p->conn.family && gw_addr_is_any(&p->conn)) {
		if (!p->web)
			s->dir = (enum gw_dir)((unsigned)s->dir &
					       GW_DIR_SENDONLY);
		return;
	}
	/* Port 9 is the same filler with a real address beside it. */
	if (!p->conn.family || (p->web && m->port == 9))
		return;
	s->rtp = p->conn;
	s->rtp.port = m->port;
	if (p->have_rtcp) {
		s->rtcp = p->rtcp.family ? p->rtcp : p->conn;
		s->rtcp.port = p->rtcp.port;
		if (gw_addr_is_any(&s->rtcp) || s->rtcp.port == 0)
			s->rtcp = (struct gw_addr){ 0 };
	} else if (m->port < UINT16_MAX) {
		s->rtcp = s->rtp;
		s->rtcp.port++;
	}
}

static const char *read_lines(struct reader *r, struct gw_read_part *p,
			      size_t first, size_t count, unsigned *line)
{
	const char *fault;
	size_t i;

	for (i = first; i < first + count; i++) {
		fault = gw_read_line(p, &r->sdp->line[i]);
		if (fault) {
			*line = r->sdp->line[i].number;
			return fault;
		}
	}
	return NULL;
}

static const char *read_stream(struct reader *r,
			       const struct gw_read_part *session,
			       const struct gw_sdp_media *m, unsigned *line)
{
	struct gw_sess_stream *s = &r->out->stream[r->out->nstream];
	struct gw_read_part part = *session;
	const char *fault;

	*line = r->sdp->line[m->first].number;
	r->line[r->out->nstream] = *line;
	*s = *session->s;
	s->bandwidth_bps = 0; /* the session's b= is for all m-lines together */
	s->kind = kind_of(m);
	if (!gw_str_copy(s->media, sizeof(s->media), m->media) ||
	    !gw_str_copy(s->proto, sizeof(s->proto), m->proto))
		return "m= has an overlong media type or protocol";
	copy_formats(s->formats, sizeof(s->formats), m->formats);

	part.s = s;
	part.session = false;
	part.own_conn = false;
	part.own_fingerprint = false;
	part.have_tias = false;
	fault = read_lines(r, &part, m->first + 1, m->count - 1, line);
	if (fault)
		return fault;
	*line = r->line[r->out->nstream];

	/* RFC 9143 6: port 0 with bundle-only is no refusal. */
	s->refused = m->port == 0 && !part.bundle_only;
	r->out->nstream++;
	if (s->refused) {
		s->ncandidate = 0;
		return NULL;
	}
	if (!part.have_conn && !r->web)
		return "m= has no c= line, nor has the session";
	read_addresses(&part, m);
	s->avpf = gw_str_ieq(m->proto, "RTP/AVPF");
	if (!s->avpf && part.pcfg && part.pcfg_tcap == part.tcap_avpf) {
		s->pcfg = part.pcfg;
		s->tcap = part.tcap_avpf;
	}
	return is_rtp(s->proto) ? read_codecs(&part, m) : NULL;
}

/* ---- all of them ---- */

static struct gw_sess_stream *by_mid(struct gw_sess *out, struct gw_str mid)
{
	unsigned i;

	for (i = 0; i < out->nstream; i++) {
		if (out->stream[i].mid[0] && gw_str_eq(mid, out->stream[i].mid))
			return &out->stream[i];
	}
	return NULL;
}

static bool has_equal_mids(const struct gw_sess *s, unsigned *which)
{
	unsigned i, j;

	for (i = 0; i < s->nstream; i++) {
		for (j = 0; j < i; j++) {
			if (s->stream[i].mid[0] &&
			    strcmp(s->stream[i].mid, s->stream[j].mid) == 0) {
				*which = i;
				return true;
			}
		}
	}
	return false;
}

/* RFC 8859: in an answer, and in an offer's bundle-only parts, the transport
 * is only described where the group's first tag points. */
static void inherit_transport(struct gw_sess_stream *s,
			      const struct gw_sess_stream *tagged)
{
	if (s->ufrag[0] == '\0' && s->pwd[0] == '\0') {
		memcpy(s->ufrag, tagged->ufrag, sizeof(s->ufrag));
		memcpy(s->pwd, tagged->pwd, sizeof(s->pwd));
	}
	if (!s->has_fingerprint) {
		s->has_fingerprint = tagged->has_fingerprint;
		memcpy(s->sha256, tagged->sha256, sizeof(s->sha256));
	}
	if (s->setup == GW_SETUP_NONE)
		s->setup = tagged->setup;
	if (s->tls_id[0] == '\0')
		memcpy(s->tls_id, tagged->tls_id, sizeof(s->tls_id));
	s->rtcp_mux = s->rtcp_mux || tagged->rtcp_mux;
	if (s->ncandidate == 0) {
		s->ncandidate = tagged->ncandidate;
		memcpy(s->candidate, tagged->candidate, sizeof(s->candidate));
	}
}

static void read_bundle(struct reader *r)
{
	struct gw_str rest = r->bundle;
	struct gw_sess_stream *tagged = NULL;

	if (!rest.p)
		return;
	r->out->bundle = true;
	while (rest.len > 0) {
		struct gw_str mid = gw_str_token(&rest, ' ');
		struct gw_sess_stream *s = by_mid(r->out, mid);

		if (!s || s->refused || s->bundled)
			continue;
		s->bundled = true;
		if (!tagged)
			tagged = s;
		else
			inherit_transport(s, tagged);
	}
}

static void drop_component_2(struct gw_sess_stream *s)
{
	unsigned i, n = 0;

	for (i = 0; i < s->ncandidate; i++) {
		if (s->candidate[i].component == 1)
			s->candidate[n++] = s->candidate[i];
	}
	s->ncandidate = (uint8_t)n;
}

/* NULL: this profile can serve the m-line; else what it "is" or "has". */
static const char *unusable(const struct reader *r,
			    const struct gw_sess_stream *s,
			    const struct gw_sess_stream *first)
{
	if (!proto_served(s->proto, r->web))
		return r->web ? "is not of RTP/SAVPF over DTLS"
			      : "is not of RTP/AVP";
	if (!gw_sess_main_codec(s))
		return "has no codec that can be relayed";
	if (!r->web)
		return NULL;
	if (s->ufrag[0] == '\0' || s->pwd[0] == '\0')
		return "has no ICE credentials";
	if (!s->has_fingerprint)
		return "has no sha-256 fingerprint";
	if (!s->rtcp_mux)
		return "has no rtcp-mux";
	if (first && !(first->bundled && s->bundled))
		return "is outside of the first one's BUNDLE group";
	return NULL;
}

static enum gw_sess_fault judge(struct reader *r)
{
	const struct gw_sess_stream *first = NULL;
	unsigned i;

	for (i = 0; i < r->out->nstream; i++) {
		struct gw_sess_stream *s = &r->out->stream[i];
		const char *why;

		if (r->web && s->rtcp_mux)
			drop_component_2(s);
		if ((s->kind != GW_KIND_AUDIO && s->kind != GW_KIND_VIDEO) ||
		    s->refused)
			continue;
		why = unusable(r, s, first);
		if (!why && !first)
			first = s;
		if (!why)
			continue;
		s->ncodec = 0;
		if (r->why.text[0] != '\0')
			continue;
		r->why.line = r->line[i];
		(void)snprintf(r->why.text, sizeof(r->why.text), "%s %s",
			       s->kind == GW_KIND_AUDIO ? "audio" : "video",
			       why);
	}
	if (first)
		return GW_SESS_OK;
	if (r->why.text[0] == '\0')
		gw_sdp_fail(&r->why, 0,
			    "no m-line with audio or video is alive");
	if (r->err)
		*r->err = r->why;
	return GW_SESS_UNUSABLE;
}

static enum gw_sess_fault read_parsed(struct reader *r)
{
	const struct gw_sdp *sdp = r->sdp;
	struct gw_sess_stream base = { .dir = GW_DIR_SENDRECV };
	struct gw_read_part session = { .s = &base,
					.session = true,
					.web = r->web };
	size_t i, nsession = sdp->nmedia ? sdp->media[0].first : sdp->nline;
	const char *fault;
	unsigned line = 0;

	for (i = 0; i < nsession; i++) {
		if (sdp->line[i].type == 'o' &&
		    !read_origin(r->out, sdp->line[i].value))
			return broken(r, sdp->line[i].number,
				      "o= is not of its six fields");
	}
	fault = read_lines(r, &session, 0, nsession, &line);
	if (fault)
		return broken(r, line, fault);
	r->bundle = session.bundle;

	if (sdp->nmedia > GW_SESS_MAX_STREAMS) {
		gw_sdp_fail(
			r->err,
			sdp->line[sdp->media[GW_SESS_MAX_STREAMS].first].number,
			"more m= lines than a call may have");
		return GW_SESS_UNUSABLE;
	}
	for (i = 0; i < sdp->nmedia; i++) {
		fault = read_stream(r, &session, &sdp->media[i], &line);
		if (fault)
			return broken(r, line, fault);
	}
	if (has_equal_mids(r->out, &line))
		return broken(r, r->line[line], "two m-lines have one mid");
	read_bundle(r);
	return judge(r);
}

enum gw_sess_fault gw_sess_read(struct gw_sess *out, const char *text,
				size_t len, bool web, struct gw_sdp_error *err)
{
	struct reader r = { .out = out, .web = web, .err = err };
	enum gw_sess_fault fault;
	struct gw_sdp *sdp;

	memset(out, 0, sizeof(*out));
	if (gw_sdp_parse(&sdp, text, len, err))
		return GW_SESS_BROKEN;
	r.sdp = sdp;
	fault = read_parsed(&r);
	gw_sdp_free(sdp);
	if (fault == GW_SESS_BROKEN)
		memset(out, 0, sizeof(*out));
	return fault;
}
