/*
 * A description for a SIP peer: RTP/AVP with one port pair an m-line, and the
 * bandwidth lines of TS 24.229 6.1.  Every line is made here from the value,
 * so that no attribute of the browser's side can be among them.
 */
#include <stdlib.h>
#include <inttypes.h>

#include "sdp/codec.h"
#include "sdp/print.h"

/*
 * b=RS and b=RR (RFC 3556), bit/s: 600 for the one who sends, 2000 for who
 * only receives.  TS 26.114 7.3.1 wants RTCP on, because it is what still
 * flows on hold; a report every five seconds with SDES is some 200 bit/s.
 * With video receivers also ask for key frames, a few times a second at most.
 */
#define RTCP_RS_BPS       600
#define RTCP_RR_BPS       2000
#define RTCP_RR_VIDEO_BPS 6000

static const struct gw_addr *first_address(const struct gw_sess *s)
{
	unsigned i;

	for (i = 0; i < s->nstream; i++) {
		if (!s->stream[i].refused && s->stream[i].rtp.family)
			return &s->stream[i].rtp;
	}
	return &s->origin;
}

/* Our own transport needs no more than the hungriest codec; a figure taken
 * over from the browser's side may be of other headers, but is its wish. */
static unsigned as_kbps(const struct gw_sess_stream *s)
{
	bool ipv6 = s->rtp.family == AF_INET6;
	unsigned i, max = 0;

	if (s->bandwidth_bps)
		return (s->bandwidth_bps - 1) / 1000 + 1;
	for (i = 0; i < s->ncodec; i++) {
		unsigned kbps;

		if (!gw_codec_carries_media(&s->codec[i]))
			continue;
		kbps = gw_codec_as_kbps(&s->codec[i], s->ptime_ms, ipv6);
		if (kbps > max)
			max = kbps;
	}
	return max ? max : 80;
}

/* Only where it is not the port after RTP's, at its address (RFC 3605). */
static void print_rtcp(struct gw_buf *b, const struct gw_sess_stream *s)
{
	char ip[GW_ADDR_STRLEN];

	if (!s->rtcp.family || !s->rtp.family)
		return;
	if (!gw_addr_same_ip(&s->rtp, &s->rtcp))
		gw_buf_printf(b, "a=rtcp:%u IN IP%c %s\r\n", s->rtcp.port,
			      s->rtcp.family == AF_INET6 ? '6' : '4',
			      gw_addr_ip(&s->rtcp, ip, sizeof(ip)));
	else if (s->rtcp.port != s->rtp.port + 1)
		gw_buf_printf(b, "a=rtcp:%u\r\n", s->rtcp.port);
}

/* RFC 5939: in an offer a choice, in an answer what was chosen. */
static void print_profile(struct gw_buf *b, const struct gw_sess_stream *s)
{
	if (!s->pcfg)
		return;
	if (s->avpf)
		gw_buf_printf(b, "a=acfg:%u t=%u\r\n", s->pcfg, s->tcap);
	else
		gw_buf_printf(b, "a=tcap:%u RTP/AVPF\r\na=pcfg:%u t=%u\r\n",
			      s->tcap, s->pcfg, s->tcap);
}

static void print_live(struct gw_buf *b, const struct gw_sess_stream *s,
		       const struct gw_addr *session)
{
	gw_buf_printf(b, "m=%s %u RTP/%s", gw_print_media(s), s->rtp.port,
		      s->avpf ? "AVPF" : "AVP");
	gw_print_formats(b, s);
	gw_buf_str(b, "\r\n");
	if (s->rtp.family && !gw_addr_same_ip(&s->rtp, session))
		gw_print_conn(b, &s->rtp);
	gw_buf_printf(
		b, "b=AS:%u\r\nb=RS:%d\r\nb=RR:%d\r\n", as_kbps(s), RTCP_RS_BPS,
		s->kind == GW_KIND_VIDEO ? RTCP_RR_VIDEO_BPS : RTCP_RR_BPS);
	print_profile(b, s);
	gw_print_codecs(b, s);
	/* A lost packet is asked for where it was lost, on the web leg. */
	gw_print_feedback(b, s, GW_FB_PLI | GW_FB_FIR);
	gw_print_ext(b, s, GW_SESS_EXT_CVO);
	print_rtcp(b, s);
	gw_buf_printf(b, "a=%s\r\n", gw_dir_name(s->dir));
}

static void print_refused(struct gw_buf *b, const struct gw_sess_stream *s)
{
	gw_buf_printf(b, "m=%s 0 %s %s\r\n", gw_print_media(s),
		      s->proto[0] ? s->proto : "RTP/AVP",
		      gw_print_refused_formats(s));
}

char *gw_sess_print_core(const struct gw_sess *s)
{
	const struct gw_addr *session = first_address(s);
	struct gw_buf b;
	char *text;
	unsigned i;

	gw_buf_init(&b, GW_SDP_MAX_BYTES);
	gw_print_origin(&b, s, session);
	gw_print_conn(&b, session);
	gw_buf_str(&b, "t=0 0\r\n");
	for (i = 0; i < s->nstream; i++) {
		if (s->stream[i].refused)
			print_refused(&b, &s->stream[i]);
		else
			print_live(&b, &s->stream[i], session);
	}
	text = gw_buf_take(&b);
	gw_buf_fini(&b);
	return text;
}
