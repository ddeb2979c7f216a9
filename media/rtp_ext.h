/*
 * media/rtp_ext.h - header extensions of RTP packets (RFC 8285)
 *
 * Both forms are read, the one-byte form is written.  Pure; takes packets that
 * gw_rtp_parse() accepted, whose extension may hold anything.
 */
#ifndef GW_MEDIA_RTP_EXT_H
#define GW_MEDIA_RTP_EXT_H

#include "media/rtp.h"

#define GW_RTP_EXT_MAX_ID 14 /* of the one-byte form */
/* Elements that are carried on are of a byte or two (RFC 6464, CVO); a longer
 * one is none of them. */
#define GW_RTP_EXT_MAX_BYTES 4

struct gw_rtp_ext {
	uint8_t id, len;
	const uint8_t *data;
};

/* The next element; ends at what does not fit, and at id 15
 * (RFC 8285 4.2).  *@at is where to go on; 0 to begin. */
bool gw_rtp_ext_next(const uint8_t *data, const struct gw_rtp *h, size_t *at,
		     struct gw_rtp_ext *out);

/* The element @id; false: it is not there. */
bool gw_rtp_ext_find(const uint8_t *data, const struct gw_rtp *h, uint8_t id,
		     struct gw_rtp_ext *out);

/*
 * As gw_rtp_strip(), but keeps the elements for whose id @map has another than
 * 0, under that one.  Never longer than before.
 */
size_t gw_rtp_ext_map(uint8_t *data, struct gw_rtp *h,
		      const uint8_t map[GW_RTP_EXT_MAX_ID + 1]);

#endif
