/*
 * media/ice_loop.h - a small GMainContext inside the worker's loop
 *
 * libnice lives on GLib.  Each agent has a context of its own, whose
 * descriptors sit in the worker's epoll and whose next timeout is one timer of
 * the worker; it is iterated only when one of them is due.  One context for
 * all agents would poll every descriptor at every packet.
 */
#ifndef GW_MEDIA_ICE_LOOP_H
#define GW_MEDIA_ICE_LOOP_H

#include <stdbool.h>

#include "gateway/base/log.h"
#include "gateway/base/timers.h"
#include "media/worker_poll.h"

#define GW_ICE_LOOP_FDS 32 /* sockets, and the context's own wake-up */

typedef void(gw_ice_loop_h)(void *arg);
/* @fd may be readable, and is one of GLib's, which is about to read it.  True:
 * what was there has been read, and GLib need not be woken for it. */
typedef bool(gw_ice_loop_take_h)(int fd, void *arg);

/* Embedded in the agent; one thread. */
struct gw_ice_loop {
	struct _GMainContext *gctx; /* GLib's; its header stays in the .c */
	struct gw_poller *poller;
	struct gw_timers *timers;
	const struct gw_logctx *log;
	struct gw_poll fd[GW_ICE_LOOP_FDS];
	struct gw_timer wake;
	gw_ice_loop_take_h *take;
	gw_ice_loop_h *after;
	void *arg;
};

/* @take is asked first; @after runs when the context has been iterated, outside
 * of GLib. */
void gw_ice_loop_init(struct gw_ice_loop *l, struct gw_poller *poller,
		      struct gw_timers *timers, const struct gw_logctx *log,
		      gw_ice_loop_take_h *take, gw_ice_loop_h *after,
		      void *arg);
/* No descriptor is watched any more; the context is still there. */
void gw_ice_loop_stop(struct gw_ice_loop *l);
void gw_ice_loop_fini(struct gw_ice_loop *l);

/* After every call into libnice from outside: what GLib waits for now becomes
 * what the worker waits for. */
void gw_ice_loop_sync(struct gw_ice_loop *l);
/* Iterate in the worker's next pass. */
void gw_ice_loop_poke(struct gw_ice_loop *l);

#endif
