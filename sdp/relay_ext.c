/*
 * What an m-line is carried with, beside its codecs: the numbers of header
 * extensions, and RTP/AVPF or RTP/AVP.
 */
#include "sdp/relay.h"

/* ---- header extensions ---- */

/* A number is one extension's in the whole bundle and for the life of the
 * session (RFC 8285 6, RFC 9143 9.2).  0: not in use yet. */
static uint8_t ext_known(const struct gw_sess *s, unsigned ext)
{
	unsigned i;

	for (i = 0; s && i < s->nstream; i++) {
		if (s->stream[i].ext[ext])
			return s->stream[i].ext[ext];
	}
	return 0;
}

static bool ext_taken(const struct gw_sess *s, uint8_t id)
{
	unsigned e;

	for (e = 0; e < GW_SESS_NEXT; e++) {
		if (ext_known(s, e) == id)
			return true;
	}
	return false;
}

static uint8_t ext_id(const struct gw_sess *out, const struct gw_sess *previous,
		      unsigned ext)
{
	/* As Chromium numbers them, so that most packets keep theirs. */
	static const uint8_t usual[GW_SESS_NEXT] = {
		[GW_SESS_EXT_MID] = 4,
		[GW_SESS_EXT_LEVEL] = 1,
		[GW_SESS_EXT_CVO] = 13,
	};
	uint8_t id = ext_known(previous, ext);

	if (!id)
		id = ext_known(out, ext);
	if (id)
		return id;
	id = usual[ext];
	if (!ext_taken(previous, id) && !ext_taken(out, id))
		return id;
	for (id = 1; id <= GW_SESS_EXT_MAX_ID; id++) {
		if (!ext_taken(previous, id) && !ext_taken(out, id))
			return id;
	}
	return 0;
}

/* The m-line's name is ours to ask for; the rest passes between the legs. */
void gw_relay_offer_ext(struct gw_sess *out, unsigned at,
			const struct gw_sess_stream *src,
			const struct gw_sess *previous)
{
	struct gw_sess_stream *s = &out->stream[at];

	s->ext[GW_SESS_EXT_MID] = ext_id(out, previous, GW_SESS_EXT_MID);
	if (s->kind == GW_KIND_AUDIO && src->ext[GW_SESS_EXT_LEVEL])
		s->ext[GW_SESS_EXT_LEVEL] =
			ext_id(out, previous, GW_SESS_EXT_LEVEL);
	if (s->kind == GW_KIND_VIDEO && src->ext[GW_SESS_EXT_CVO])
		s->ext[GW_SESS_EXT_CVO] =
			ext_id(out, previous, GW_SESS_EXT_CVO);
}

void gw_relay_accept_ext(struct gw_sess_stream *s,
			 const struct gw_sess_stream *offer,
			 const struct gw_sess_stream *theirs)
{
	unsigned e;

	for (e = 0; e < GW_SESS_NEXT; e++) {
		if (e == GW_SESS_EXT_MID || theirs->ext[e])
			s->ext[e] = offer->ext[e];
	}
}

/* ---- RTP/AVPF ---- */

/* TS 26.114 6.2.3: video wants RTP/AVPF, and a peer that may not know it is
 * given the choice; who took it once keeps it. */
void gw_relay_offer_profile(struct gw_sess_stream *s,
			    const struct gw_sess_stream *old)
{
	s->avpf = old && !old->refused && old->avpf;
	if (s->kind == GW_KIND_VIDEO && !s->avpf)
		s->pcfg = s->tcap = 1;
}

/* An answer takes up RTP/AVPF where it is offered, alone or as a choice. */
void gw_relay_accept_profile(struct gw_sess_stream *s,
			     const struct gw_sess_stream *offer)
{
	s->avpf = offer->avpf || offer->pcfg;
	s->pcfg = offer->pcfg;
	s->tcap = offer->tcap;
}
