#include "sdp/print.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/check.h"

const char *const gw_sess_ext_uri[GW_SESS_NEXT] = {
	[GW_SESS_EXT_MID] = "urn:ietf:params:rtp-hdrext:sdes:mid",
	[GW_SESS_EXT_LEVEL] = "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
	[GW_SESS_EXT_CVO] = "urn:3gpp:video-orientation",
};

void gw_print_formats(struct gw_buf *b, const struct gw_sess_stream *s)
{
	unsigned i;

	for (i = 0; i < s->ncodec; i++)
		gw_buf_printf(b, " %u", s->codec[i].pt);
}

/* rtpmap is written for static types too: RFC 3264 5.1 recommends it. */
void gw_print_codecs(struct gw_buf *b, const struct gw_sess_stream *s)
{
	unsigned i;

	for (i = 0; i < s->ncodec; i++) {
		const struct gw_sess_codec *c = &s->codec[i];

		gw_buf_printf(b, "a=rtpmap:%u %s/%" PRIu32, c->pt, c->name,
			      c->clock_hz);
		if (c->channels > 1)
			gw_buf_printf(b, "/%u", c->channels);
		gw_buf_str(b, "\r\n");
		if (c->fmtp[0])
			gw_buf_printf(b, "a=fmtp:%u %s\r\n", c->pt, c->fmtp);
	}
	if (s->ptime_ms)
		gw_buf_printf(b, "a=ptime:%u\r\n", s->ptime_ms);
	if (s->maxptime_ms)
		gw_buf_printf(b, "a=maxptime:%u\r\n", s->maxptime_ms);
}

void gw_print_feedback(struct gw_buf *b, const struct gw_sess_stream *s,
		       uint8_t mask)
{
	static const struct {
		uint8_t fb;
		const char *text;
	} kinds[] = {
		{GW_FB_NACK,  "nack"     },
		{ GW_FB_PLI,  "nack pli" },
		{ GW_FB_FIR,  "ccm fir"  },
		{ GW_FB_REMB, "goog-remb"},
	};
	unsigned i;
	size_t k;

	for (i = 0; i < s->ncodec; i++) {
		for (k = 0; k < GW_ARRAY_LEN(kinds); k++) {
			if (s->codec[i].fb & mask & kinds[k].fb)
				gw_buf_printf(b, "a=rtcp-fb:%u %s\r\n",
					      s->codec[i].pt, kinds[k].text);
		}
	}
}

void gw_print_ext(struct gw_buf *b, const struct gw_sess_stream *s,
		  enum gw_sess_ext ext)
{
	if (s->ext[ext])
		gw_buf_printf(b, "a=extmap:%u %s\r\n", s->ext[ext],
			      gw_sess_ext_uri[ext]);
}

static void print_ip(struct gw_buf *b, const struct gw_addr *a)
{
	char ip[GW_ADDR_STRLEN];

	if (a->family == 0)
		gw_buf_str(b, "IN IP4 0.0.0.0");
	else
		gw_buf_printf(b, "IN IP%c %s",
			      a->family == AF_INET6 ? '6' : '4',
			      gw_addr_ip(a, ip, sizeof(ip)));
}

void gw_print_origin(struct gw_buf *b, const struct gw_sess *s,
		     const struct gw_addr *fallback)
{
	gw_buf_printf(b, "v=0\r\no=- %" PRIu64 " %" PRIu64 " ", s->id,
		      s->version);
	print_ip(b, s->origin.family ? &s->origin : fallback);
	gw_buf_str(b, "\r\ns=-\r\n");
}

void gw_print_conn(struct gw_buf *b, const struct gw_addr *a)
{
	gw_buf_str(b, "c=");
	print_ip(b, a);
	gw_buf_str(b, "\r\n");
}

const char *gw_print_media(const struct gw_sess_stream *s)
{
	static const char *const names[] = {
		[GW_KIND_AUDIO] = "audio",
		[GW_KIND_VIDEO] = "video",
		[GW_KIND_DATA] = "application",
		[GW_KIND_OTHER] = "application",
	};

	return s->media[0] ? s->media : names[s->kind];
}

const char *gw_print_refused_formats(const struct gw_sess_stream *s)
{
	return s->formats[0] ? s->formats : "0";
}
