/*
 * media/ice_split.h - one UDP port, two sockets: STUN to libnice, the rest to us
 *
 * SO_REUSEPORT makes a group of both; a classic BPF program on it looks at the
 * first payload byte (RFC 7983 7: below 20 is STUN) and names the member: 0 is
 * libnice's, which was there first, 1 is ours.  Ours are also the answers to
 * checks of our own (probe.h, consent.h): the ids of their transactions begin
 * with a mark, the other 64 bits are random.  When a member leaves, the last
 * one takes its number: ours must be closed first.  Ours must not be
 * connected: the kernel prefers a connected socket to the program's choice,
 * and STUN would be lost.
 *
 * Owner: one worker thread.
 */
#ifndef GW_MEDIA_ICE_SPLIT_H
#define GW_MEDIA_ICE_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "media/worker_poll.h"

#define GW_ICE_SPLITS 16 /* local addresses of one agent */

#define GW_ICE_PACKET_MAX  2048
#define GW_ICE_PACKET_ROOM (GW_ICE_PACKET_MAX + 256) /* protecting adds */

/* At local address number @at. */
typedef void(gw_ice_split_h)(unsigned at, const struct gw_addr *from,
			     uint8_t *data, size_t len, size_t cap, void *arg);

struct gw_ice_splits;

struct gw_ice_split {
	struct gw_poll poll;
	struct gw_ice_splits *all;
	struct gw_addr local;
	int fd;
	int nice_fd;
};

/* Embedded in the agent; zeroed, but for handler, arg and mark, at first. */
struct gw_ice_splits {
	gw_ice_split_h *handler;
	void *arg;
	uint32_t mark; /* stun.h */
	int tos;
	size_t n;
	struct gw_ice_split split[GW_ICE_SPLITS];
};

/* Joins libnice's UDP socket @nice_fd.  0 or -errno: its packets come by way
 * of libnice. */
int gw_ice_split_add(struct gw_ice_splits *s, struct gw_poller *poller,
		     int nice_fd);
/* Before libnice closes its own. */
void gw_ice_split_close(struct gw_ice_splits *s);

/* The one at @local, or -1. */
int gw_ice_split_find(const struct gw_ice_splits *s,
		      const struct gw_addr *local);
/* The one that shares its port with @nice_fd, or -1. */
int gw_ice_split_of(const struct gw_ice_splits *s, int nice_fd);
/* @tos: of this one; GW_TOS_SOCKETS: what was set for all. */
int gw_ice_split_send(struct gw_ice_splits *s, int i, const struct gw_addr *to,
		      int tos, const void *data, size_t len);
void gw_ice_split_set_tos(struct gw_ice_splits *s, int tos);

#endif
