/*
 * webrtc/ws_limits.h - what each client address has open, and how it behaved
 *
 * One entry an address (IPv6: a /64, which is what one subscriber has).  An
 * entry with something open is never forgotten; of the others the least
 * recently used go first, so memory is bounded by what is open plus a fixed
 * number.  Signalling thread only.
 */
#ifndef GW_WS_LIMITS_H
#define GW_WS_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"

struct gw_ws_limits;

struct gw_ws_ip {
	struct gw_ws_ip *hash_next;
	struct gw_ws_ip *lru_prev, *lru_next; /* in use: not on the list */
	uint8_t key[16];
	uint8_t family;
	unsigned sockets;    /* network connections */
	unsigned websockets; /* one socket carries many with HTTP/2 */
	unsigned failures;   /* since window_us */
	uint64_t window_us;
	uint64_t paused_until_us;
};

/* @idle_max: how many addresses with nothing open are remembered. */
int gw_ws_limits_new(struct gw_ws_limits **out, size_t idle_max);
void gw_ws_limits_free(struct gw_ws_limits *l);

/* Another socket of @addr: its entry, or NULL for want of memory. */
struct gw_ws_ip *gw_ws_limits_open(struct gw_ws_limits *l,
				   const struct gw_addr *addr);
/* That socket is gone; the entry must not be used after. */
void gw_ws_limits_close(struct gw_ws_limits *l, struct gw_ws_ip *ip);

/* One more failure of @addr.  True when it is the @max-th within a minute:
 * the address is then paused for @pause_ms. */
bool gw_ws_limits_fail(struct gw_ws_limits *l, const struct gw_addr *addr,
		       uint64_t now_us, unsigned max, uint32_t pause_ms);

/* Milliseconds that @ip must still wait, 0: none. */
uint64_t gw_ws_limits_wait_ms(const struct gw_ws_ip *ip, uint64_t now_us);

size_t gw_ws_limits_count(const struct gw_ws_limits *l);

#endif
