/*
 * media/ice.h - the ICE agent of one termination (RFC 8445, RFC 7675)
 *
 * One stream, one component: everything is bundled and multiplexed.  Decides
 * which address of the peer is real; carries packets, and does not look into
 * them.  Two of a kind behind one face (ice_ops.h): full ICE by libnice
 * (ice_full.c), whose packets come on sockets of ours beside libnice's, split
 * in the kernel (ice_split.h); and ICE-lite (ice_lite.c), which answers checks
 * on the worker's one port (lite_port.h).
 *
 * Owner: one worker thread.  Handlers run from that thread's loop, never from
 * inside a function here, and must not free the agent.
 */
#ifndef GW_MEDIA_ICE_H
#define GW_MEDIA_ICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/log.h"
#include "gateway/base/timers.h"
#include "media/media.h"
#include "media/worker_poll.h"

struct gw_ice;
struct gw_lite_port;
struct gw_stun;

struct gw_ice_handlers {
	/* Local candidates are complete: gw_ice_local() tells them. */
	void (*gathered)(void *arg);
	void (*state)(enum gw_ice_state state, void *arg);
	/* Not STUN; from anyone: see gw_ice_accepts().  @data may be changed,
	 * up to @cap bytes. */
	void (*packet)(const struct gw_addr *from, uint8_t *data, size_t len,
		       size_t cap, void *arg);
	void *arg;
};

struct gw_ice_options {
	struct gw_poller *poller;
	struct gw_timers *timers;
	const struct gw_logctx *log; /* outlives the agent */
	const char (*address)[46];   /* four; "" ends; see gw_media_config */
	uint16_t port_min, port_max; /* 0: any */
	const char *stun_server;     /* "host:port", "" none */
	bool controlling;
	uint32_t consent_ms;  /* 0: RFC 7675's 30 s */
	struct gw_stun *stun; /* the worker's; full ICE; outlives the agent */
	bool no_split; /* all packets through libnice: the fall-back path */
	/* ICE-lite on this port, which outlives the agent; the rest but timers,
	 * log and consent_ms is not looked at.  NULL: full ICE. */
	struct gw_lite_port *lite;
};

/* Starts gathering.  0, -EINVAL (no usable address), -ENOMEM, -EADDRINUSE. */
int gw_ice_new(struct gw_ice **out, const struct gw_ice_options *opt,
	       const struct gw_ice_handlers *h);
void gw_ice_free(struct gw_ice *ice);

/* Our credentials and candidates into @end; the rest of it is not touched. */
void gw_ice_local(struct gw_ice *ice, struct gw_end *end);

/* The peer's.  What did not change is not touched.  0, -EINVAL, or
 * -EOPNOTSUPP: both ends are lite, and nobody would send checks. */
int gw_ice_configure(struct gw_ice *ice, const struct gw_end *remote);

/* Are @remote's credentials those that are set?  Not after a restart. */
bool gw_ice_is_peer(const struct gw_ice *ice, const struct gw_end *remote);

/* RFC 8445 9: new local credentials; the selected pair goes on carrying
 * packets until the new session has one.  0 or -EIO. */
int gw_ice_restart(struct gw_ice *ice);

/* The peer behind the selected pair is another one from now on (page reload):
 * no address is accepted before the next pair is selected. */
void gw_ice_forget_peer(struct gw_ice *ice);

/* Is there a selected pair to send on? */
bool gw_ice_is_connected(const struct gw_ice *ice);

/* May media come from @from?  The selected pair, the ones before it, and any
 * other candidate of the peer (RFC 8445 12): each side chooses for itself which
 * valid pair it sends on. */
bool gw_ice_accepts(struct gw_ice *ice, const struct gw_addr *from);

/* To the selected pair, or to @to, which gw_ice_accepts() holds for.  0 or
 * -errno; -ENOTCONN before a pair is selected. */
int gw_ice_send(struct gw_ice *ice, const struct gw_addr *to, const void *data,
		size_t len);

/* To the selected pair, with a DSCP of its own: bundled media have one transport
 * and may each have another (RFC 8837 5).  By way of libnice it has that of
 * gw_ice_set_dscp(). */
int gw_ice_send_marked(struct gw_ice *ice, uint8_t dscp, const void *data,
		       size_t len);

/* What the packet handler will need (worker_poll.h); outlives the agent. */
void gw_ice_set_hot(struct gw_ice *ice, const struct gw_hot *hot);
/* What accepting and sending need. */
void gw_ice_add_hot(const struct gw_ice *ice, struct gw_hot *hot);

/* Of all that is not marked: checks, DTLS. */
void gw_ice_set_dscp(struct gw_ice *ice, uint8_t dscp);

#endif
