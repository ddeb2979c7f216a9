/*
 * media/rtx.h - packets that were sent, to be sent once more (RFC 4585 6.2.1)
 *
 * The last part of a second or so of one video stream, as it went out: still
 * under SRTP, so that a packet asked for again is the same bytes under the
 * same index, and the key stream is used for nothing else (RFC 3711 9.1).
 * What is older than the room, or was repeated often enough, is not there.
 *
 * Owner: one media worker.  No allocation but by new.
 */
#ifndef GW_MEDIA_RTX_H
#define GW_MEDIA_RTX_H

#include <stddef.h>
#include <stdint.h>

struct gw_rtx;

/* The memory of one stream, all in all: half a second at 2 Mbit/s. */
#define GW_RTX_BYTES   (128 * 1024)
#define GW_RTX_PACKETS 256
#define GW_RTX_TIMES   4     /* one packet is repeated so often at most ... */
#define GW_RTX_GAP_US  15000 /* ... and not sooner than this after the last */

/* 0 or -ENOMEM. */
int gw_rtx_new(struct gw_rtx **out);
void gw_rtx_free(struct gw_rtx *x);

/* New keys: what was sent under the old ones is of no use. */
void gw_rtx_reset(struct gw_rtx *x);

/* A packet that was just sent; one too large for the room is not kept. */
void gw_rtx_put(struct gw_rtx *x, const uint8_t *data, size_t len,
		uint64_t now_us);

/* The packet of that number, to be sent now; NULL: not there, or not yet.
 * Valid until the next put. */
const uint8_t *gw_rtx_take(struct gw_rtx *x, uint16_t seq, uint64_t now_us,
			   size_t *len);

#endif
