/*
 * A description for a browser, as JSEP wants it (RFC 8829 5.2.1, 5.3.1): one
 * bundled transport with rtcp-mux, ICE and DTLS-SRTP.  Every line is made
 * here from the value, so that nothing of IMS can be among them.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/check.h"
#include "sdp/codec.h"
#include "sdp/print.h"

#define PROTO "UDP/TLS/RTP/SAVPF"

static const struct gw_sess_stream *first_bundled(const struct gw_sess *s)
{
	unsigned i;

	for (i = 0; i < s->nstream; i++) {
		if (!s->stream[i].refused && s->stream[i].bundled)
			return &s->stream[i];
	}
	return NULL;
}

/* Whose transport @s uses. */
static const struct gw_sess_stream *
transport_of(const struct gw_sess_stream *s,
	     const struct gw_sess_stream *tagged)
{
	return s->bundled && tagged ? tagged : s;
}

static void print_group(struct gw_buf *b, const struct gw_sess *s)
{
	unsigned i;

	if (!s->bundle || !first_bundled(s))
		return;
	gw_buf_str(b, "a=group:BUNDLE");
	for (i = 0; i < s->nstream; i++) {
		if (!s->stream[i].refused && s->stream[i].bundled)
			gw_buf_printf(b, " %s", s->stream[i].mid);
	}
	gw_buf_str(b, "\r\n");
}

static void print_candidate(struct gw_buf *b, const struct gw_sess_candidate *c)
{
	static const char *const types[] = { "host", "srflx", "prflx",
					     "relay" };
	char ip[GW_ADDR_STRLEN];

	gw_buf_printf(b, "a=candidate:%s %u udp %" PRIu32 " %s %u typ %s",
		      c->foundation[0] ? c->foundation : "1", c->component,
		      c->priority, gw_addr_ip(&c->addr, ip, sizeof(ip)),
		      c->addr.port, types[c->type]);
	if (c->related.family)
		gw_buf_printf(b, " raddr %s rport %u",
			      gw_addr_ip(&c->related, ip, sizeof(ip)),
			      c->related.port);
	gw_buf_str(b, "\r\n");
}

static void print_dtls(struct gw_buf *b, const struct gw_sess_stream *t)
{
	static const char *const setups[] = {
		[GW_SETUP_ACTPASS] = "actpass",
		[GW_SETUP_ACTIVE] = "active",
		[GW_SETUP_PASSIVE] = "passive",
		[GW_SETUP_HOLDCONN] = "holdconn",
	};
	size_t i;

	if (t->has_fingerprint) {
		gw_buf_str(b, "a=fingerprint:sha-256 ");
		for (i = 0; i < sizeof(t->sha256); i++)
			gw_buf_printf(b, "%s%02X", i ? ":" : "", t->sha256[i]);
		gw_buf_str(b, "\r\n");
	}
	if (t->setup != GW_SETUP_NONE)
		gw_buf_printf(b, "a=setup:%s\r\n", setups[t->setup]);
	if (t->tls_id[0])
		gw_buf_printf(b, "a=tls-id:%s\r\n", t->tls_id);
}

/* Candidates only where the group's transport is described; the rest is
 * repeated with each m-line, as browsers themselves do. */
static void print_transport(struct gw_buf *b, const struct gw_sess_stream *s,
			    const struct gw_sess_stream *t)
{
	unsigned i;

	if (t->ufrag[0])
		gw_buf_printf(b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", t->ufrag,
			      t->pwd);
	print_dtls(b, t);
	gw_buf_str(b, "a=rtcp-mux\r\n");
	if (s != t || t->ncandidate == 0)
		return;
	for (i = 0; i < t->ncandidate; i++)
		print_candidate(b, &t->candidate[i]);
	gw_buf_str(b, "a=end-of-candidates\r\n");
}

static void print_labels(struct gw_buf *b, const struct gw_sess_stream *s)
{
	if (s->msid_stream[0])
		gw_buf_printf(b, "a=msid:%s%s%s\r\n", s->msid_stream,
			      s->msid_track[0] ? " " : "", s->msid_track);
	if (s->ssrc)
		gw_buf_printf(b, "a=ssrc:%" PRIu32 " cname:%s\r\n", s->ssrc,
			      s->cname[0] ? s->cname : "-");
}

static void print_live(struct gw_buf *b, const struct gw_sess_stream *s,
		       const struct gw_sess_stream *t)
{
	/* RFC 8829 5.2.1: the default candidate, or the filler of port 9. */
	const struct gw_addr *addr = &t->rtp;

	if (!addr->family && t->ncandidate > 0)
		addr = &t->candidate[0].addr;
	gw_buf_printf(b, "m=%s %u " PROTO, gw_print_media(s),
		      addr->family && addr->port ? addr->port : 9);
	gw_print_formats(b, s);
	gw_buf_str(b, "\r\n");
	gw_print_conn(b, addr);
	if (s->bandwidth_bps)
		gw_buf_printf(b, "b=AS:%" PRIu32 "\r\nb=TIAS:%" PRIu32 "\r\n",
			      (s->bandwidth_bps - 1) / 1000 + 1,
			      s->bandwidth_bps);
	if (s->mid[0])
		gw_buf_printf(b, "a=mid:%s\r\n", s->mid);
	gw_buf_printf(b, "a=%s\r\n", gw_dir_name(s->dir));
	gw_print_codecs(b, s);
	gw_print_feedback(b, s, GW_FB_ALL);
	if (s->bundled)
		gw_print_ext(b, s, GW_SESS_EXT_MID);
	gw_print_ext(b, s, GW_SESS_EXT_LEVEL);
	gw_print_ext(b, s, GW_SESS_EXT_CVO);
	print_transport(b, s, t);
	print_labels(b, s);
}

/* With c= and a direction: some browsers want both wherever m= is. */
static void print_refused(struct gw_buf *b, const struct gw_sess_stream *s)
{
	const char *proto = s->proto;

	if (proto[0] == '\0' || strcasecmp(proto, "RTP/AVP") == 0 ||
	    strcasecmp(proto, "RTP/AVPF") == 0)
		proto = PROTO;
	gw_buf_printf(b, "m=%s 0 %s %s\r\nc=IN IP4 0.0.0.0\r\n",
		      gw_print_media(s), proto, gw_print_refused_formats(s));
	if (s->mid[0])
		gw_buf_printf(b, "a=mid:%s\r\n", s->mid);
	gw_buf_str(b, "a=inactive\r\n");
}

char *gw_sess_print_web(const struct gw_sess *s)
{
	static const struct gw_addr none;
	const struct gw_sess_stream *tagged = first_bundled(s);
	bool lite = false;
	struct gw_buf b;
	char *text;
	unsigned i;

	for (i = 0; i < s->nstream; i++)
		lite = lite || (!s->stream[i].refused && s->stream[i].ice_lite);

	gw_buf_init(&b, GW_SDP_MAX_BYTES);
	gw_print_origin(&b, s, &none);
	gw_buf_str(&b, "t=0 0\r\n");
	print_group(&b, s);
	if (lite)
		gw_buf_str(&b, "a=ice-lite\r\n");
	gw_buf_str(&b, "a=msid-semantic: WMS *\r\n");
	for (i = 0; i < s->nstream; i++) {
		const struct gw_sess_stream *m = &s->stream[i];

		if (m->refused)
			print_refused(&b, m);
		else
			print_live(&b, m, transport_of(m, tagged));
	}
	text = gw_buf_take(&b);
	gw_buf_fini(&b);
	return text;
}
