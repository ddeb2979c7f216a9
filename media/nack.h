/*
 * media/nack.h - packets of a source that did not come, to be asked for
 *
 * What a sender is told by generic NACKs (RFC 4585 6.2.1): each missing packet
 * at once, again while it may still help, and then no more.  Bounded; pure:
 * no I/O, no allocation, time is an argument.  Owner: one media worker.
 */
#ifndef GW_MEDIA_NACK_H
#define GW_MEDIA_NACK_H

#include <stdbool.h>
#include <stdint.h>

#include "media/rtcp.h"

#define GW_NACK_MAX    64    /* missing at a time; more is no case for it */
#define GW_NACK_TIMES  3     /* asked for, each ... */
#define GW_NACK_GAP_US 80000 /* ... so long after the last time */

struct gw_nack {
	bool started;
	uint16_t highest;
	uint8_t n;
	struct {
		uint16_t seq;
		uint8_t times;
		uint64_t asked_us;
	} missing[GW_NACK_MAX]; /* in order */
};

enum gw_nack_verdict {
	GW_NACK_NOTHING, /* nothing is to be asked for now */
	GW_NACK_ASK,     /* gw_nack_due() has some */
	GW_NACK_LOST     /* too much is missing: a key frame is what helps */
};

/* Packet @seq came. */
enum gw_nack_verdict gw_nack_heard(struct gw_nack *k, uint16_t seq);

/* Into @out, which has room for @max, what is to be asked for now; how many.
 * *@lost: something was given up, and its picture with it. */
unsigned gw_nack_due(struct gw_nack *k, uint64_t now_us,
		     struct gw_rtcp_missing *out, unsigned max, bool *lost);

/* When to look again; UINT64_MAX: nothing is missing. */
uint64_t gw_nack_next_us(const struct gw_nack *k);

#endif
