/*
 * media/context_bundle.c - which m-line of a bundle a packet belongs to
 *
 * RFC 9143 9.2.  As a rule the payload type tells, because it is of one m-line
 * only.  Two m-lines of one kind share theirs in what browsers offer: then the
 * packet's MID tells (RFC 8843 15), and what it said of an SSRC, or the
 * description did (RFC 5576), holds for packets without.
 */
#include "media/context_priv.h"

#include <string.h>

#include "gateway/base/metrics.h"

GW_COUNTER(m_mid, "isthmus_media_bundle_mid_total",
	   "Packets of bundles that were told apart by their MID", "");

static bool has_type(const struct gw_stream *s, uint8_t pt)
{
	for (unsigned c = 0; c < s->ncodec && c < GW_MAX_CODECS; c++)
		if (s->codec[c].rx_pt == pt)
			return true;
	return false;
}

/* The oldest gives way: a peer that sends ever new ones gains nothing. */
static void learn(struct gw_term_side *t, uint32_t ssrc, uint8_t stream)
{
	unsigned i;

	for (i = 0; i < t->nsource; i++) {
		if (t->source[i].ssrc == ssrc) {
			t->source[i].stream = stream;
			return;
		}
	}
	if (t->nsource < GW_CTX_SOURCES) {
		i = t->nsource++;
	} else {
		i = t->next_source;
		t->next_source = (uint8_t)((i + 1) % GW_CTX_SOURCES);
	}
	t->source[i].ssrc = ssrc;
	t->source[i].stream = stream;
}

/* What was learned stays: who was told apart once may say no MID any more. */
void gw_context_bundle_configure(struct gw_term_side *t,
				 const struct gw_end *remote)
{
	memset(t->stream_of, GW_CTX_NO_STREAM, sizeof(t->stream_of));
	for (uint8_t i = 0; i < t->nstream && i < remote->nstream; i++) {
		const struct gw_stream *s = &remote->stream[i];

		for (unsigned c = 0; c < s->ncodec && c < GW_MAX_CODECS; c++) {
			uint8_t *of = &t->stream_of[s->codec[c].rx_pt & 0x7f];

			*of = *of == GW_CTX_NO_STREAM || *of == i
				      ? i
				      : GW_CTX_ANY_STREAM;
		}
		if (s->ncodec && s->ssrc)
			learn(t, s->ssrc, i);
	}
}

/* The m-line that @e names, if it has @pt; GW_CTX_NO_STREAM. */
static uint8_t by_mid(const struct gw_term_side *t, const struct gw_rtp_ext *e,
		      uint8_t pt)
{
	for (uint8_t i = 0; i < t->nstream; i++) {
		const struct gw_stream *s = &t->stream[i]->remote;

		if (strlen(s->mid) == e->len &&
		    memcmp(s->mid, e->data, e->len) == 0 && has_type(s, pt))
			return i;
	}
	return GW_CTX_NO_STREAM;
}

/* One number in the whole bundle (RFC 8285 6). */
static uint8_t mid_id(const struct gw_term_side *t)
{
	for (unsigned i = 0; i < t->nstream; i++)
		if (t->stream[i]->remote.ext[GW_HDREXT_MID])
			return t->stream[i]->remote.ext[GW_HDREXT_MID];
	return 0;
}

uint8_t gw_context_bundle_find(struct gw_term_side *t, const uint8_t *data,
			       size_t len)
{
	uint8_t id = mid_id(t), found;
	struct gw_rtp_ext e;
	struct gw_rtp h;

	if (gw_rtp_parse(&h, data, len))
		return GW_CTX_NO_STREAM;
	if (id && gw_rtp_ext_find(data, &h, id, &e)) {
		found = by_mid(t, &e, h.pt);
		if (found != GW_CTX_NO_STREAM) {
			learn(t, h.ssrc, found);
			gw_metric_add(&m_mid, 1);
		}
		return found;
	}
	for (unsigned i = 0; i < t->nsource; i++) {
		if (t->source[i].ssrc == h.ssrc &&
		    has_type(&t->stream[t->source[i].stream]->remote, h.pt))
			return t->source[i].stream;
	}
	return GW_CTX_NO_STREAM;
}
