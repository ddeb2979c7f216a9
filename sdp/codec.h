/*
 * sdp/codec.h - what the folder's own files know of codecs
 *
 * Private to sdp/: the public half is in session.h.  Pure functions.
 */
#ifndef GW_SDP_CODEC_H
#define GW_SDP_CODEC_H

#include "sdp/session.h"

/* The assignment of RFC 3551 6 for @pt; false where it has none. */
bool gw_codec_static(struct gw_sess_codec *out, uint8_t pt);

/* Spell @c's name as IANA does, and repair the two well-known slips: Opus
 * without "/2", G722 at its sampling rate (RFC 3551 4.5.2). */
void gw_codec_normalise(struct gw_sess_codec *c);

/* The value of @key in an fmtp ("a=1;b=2"), compared without case.  False when
 * absent. */
bool gw_codec_param(const struct gw_sess_codec *c, const char *key,
		    struct gw_str *value);

/* Codecs that some browser has, telephone-event at its clocks included: what
 * an offer to a browser is cut down to. */
bool gw_codec_in_browsers(const struct gw_sess_codec *c);

/* IP bandwidth of @c for b=AS, in kbit/s (RFC 8866 5.8: with headers). */
unsigned gw_codec_as_kbps(const struct gw_sess_codec *c, unsigned ptime_ms,
			  bool ipv6);

/* Sound or pictures, and not what only goes with them. */
bool gw_codec_carries_media(const struct gw_sess_codec *c);

/* Audio or video, not refused, with a codec that we relay. */
bool gw_sess_servable(const struct gw_sess_stream *s);

const struct gw_sess_codec *gw_sess_find_same(const struct gw_sess_stream *s,
					      const struct gw_sess_codec *c);

#endif
