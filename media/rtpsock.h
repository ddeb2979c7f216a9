/*
 * media/rtpsock.h - an RTP/RTCP socket pair towards the core (RFC 3550 11)
 *
 * Decides whose packets are taken: those of the signalled address, or, when a
 * NAT or a media proxy stands between, of the one source that was first heard
 * within the learning window.  Then the door is locked: a stranger on the
 * Internet who finds the port is counted and dropped.
 *
 * Owner: one worker thread.  The handler must not free the socket.
 */
#ifndef GW_MEDIA_RTPSOCK_H
#define GW_MEDIA_RTPSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/timers.h"
#include "media/worker_poll.h"

/*
 * The even ports of one worker.  A released pair is used again after all the
 * others, so that what is still under way to a call that ended does not meet
 * the next one.
 */
struct gw_ports;

/* Share @index of @shares of [min, max].  0, -EINVAL (no pair in it),
 * -ENOMEM. */
int gw_ports_new(struct gw_ports **out, uint16_t min, uint16_t max,
		 unsigned index, unsigned shares);
void gw_ports_free(struct gw_ports *ports);
size_t gw_ports_available(const struct gw_ports *ports);

struct gw_rtpsock;

/* A packet from the accepted source; @data may be changed, up to @cap. */
typedef void(gw_rtpsock_h)(bool rtcp, uint8_t *data, size_t len, size_t cap,
			   void *arg);

struct gw_rtpsock_options {
	struct gw_poller *poller;
	struct gw_timers *timers;
	struct gw_ports *ports;
	const char *address; /* literal, of this machine */
	uint8_t dscp;
	bool video;          /* a deeper queue */
	uint32_t learn_ms;   /* 0: the signalled address only */
	uint32_t *discarded; /* GW_NDISCARDS counts, the owner's; or NULL */
};

/* 0, -EINVAL, -ENOMEM, -EADDRINUSE: no pair is free. */
int gw_rtpsock_new(struct gw_rtpsock **out,
		   const struct gw_rtpsock_options *opt, gw_rtpsock_h *handler,
		   void *arg);
void gw_rtpsock_free(struct gw_rtpsock *s);

void gw_rtpsock_local(const struct gw_rtpsock *s, struct gw_addr *rtp,
		      struct gw_addr *rtcp);

/* Where the peer says it is; family 0: not known, 0.0.0.0 or port 0: hold.  The
 * same as before, also before a hold, changes nothing; another one opens the
 * learning window anew. */
void gw_rtpsock_remote(struct gw_rtpsock *s, const struct gw_addr *rtp,
		       const struct gw_addr *rtcp);

/* Another peer is to come: where this one sends from is not learned again, as it
 * may go on for a while.  Before gw_rtpsock_remote(). */
void gw_rtpsock_forsake(struct gw_rtpsock *s);

/* 0 or -errno; -ENOTCONN while there is no address to send to. */
int gw_rtpsock_send(struct gw_rtpsock *s, bool rtcp, const void *data,
		    size_t len);

void gw_rtpsock_set_dscp(struct gw_rtpsock *s, uint8_t dscp);

/* What the handler of RTP will need (worker_poll.h); outlives the socket. */
void gw_rtpsock_set_hot(struct gw_rtpsock *s, const struct gw_hot *hot);
/* What sending needs. */
void gw_rtpsock_add_hot(const struct gw_rtpsock *s, struct gw_hot *hot);

#endif
