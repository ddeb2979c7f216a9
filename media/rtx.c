#include "media/rtx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/bytes.h"

/* Behind the index there is a ring of bytes.  A packet lies in one piece, at
 * its place modulo the ring; "at" counts all bytes ever, and so tells whether
 * it has been written over since. */
struct slot {
	uint64_t at;
	uint64_t sent_us;
	uint16_t len; /* 0: none */
	uint16_t seq;
	uint8_t times;
};

#define ROOM (GW_RTX_BYTES - GW_RTX_PACKETS * sizeof(struct slot) - 64)

struct gw_rtx {
	uint64_t end; /* of what was written */
	struct slot slot[GW_RTX_PACKETS];
	uint8_t ring[ROOM];
};

_Static_assert(sizeof(struct gw_rtx) <= GW_RTX_BYTES, "rtx.h says so");

int gw_rtx_new(struct gw_rtx **out)
{
	struct gw_rtx *x = malloc(sizeof(*x));

	if (!x)
		return -ENOMEM;
	gw_rtx_reset(x);
	*out = x;
	return 0;
}

void gw_rtx_free(struct gw_rtx *x)
{
	free(x);
}

void gw_rtx_reset(struct gw_rtx *x)
{
	x->end = 0;
	memset(x->slot, 0, sizeof(x->slot));
}

void gw_rtx_put(struct gw_rtx *x, const uint8_t *data, size_t len,
		uint64_t now_us)
{
	size_t at = x->end % ROOM;
	struct slot *s;
	uint16_t seq;

	if (len < 12 || len > UINT16_MAX || len > ROOM)
		return;
	if (at + len > ROOM) {
		x->end += ROOM - at;
		at = 0;
	}
	seq = gw_get16(data + 2);
	s = &x->slot[seq % GW_RTX_PACKETS];
	*s = (struct slot){
		.at = x->end,
		.sent_us = now_us,
		.len = (uint16_t)len,
		.seq = seq,
	};
	memcpy(x->ring + at, data, len);
	x->end += len;
}

const uint8_t *gw_rtx_take(struct gw_rtx *x, uint16_t seq, uint64_t now_us,
			   size_t *len)
{
	struct slot *s = &x->slot[seq % GW_RTX_PACKETS];

	if (!s->len || s->seq != seq || x->end - s->at > ROOM)
		return NULL;
	if (s->times == GW_RTX_TIMES || now_us < s->sent_us + GW_RTX_GAP_US)
		return NULL;
	s->times++;
	s->sent_us = now_us;
	*len = s->len;
	return x->ring + s->at % ROOM;
}
