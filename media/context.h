/*
 * media/context.h - one call's media on its worker: two terminations, and the
 * streams between them
 *
 * Carries out the commands of media/media.h and reports in its events.  Owner:
 * one worker thread, which finds it by id; no pointer to it leaves the thread.
 */
#ifndef GW_MEDIA_CONTEXT_H
#define GW_MEDIA_CONTEXT_H

#include <stdbool.h>
#include <sys/queue.h>

#include "gateway/base/timers.h"
#include "media/dtls.h"
#include "media/media.h"
#include "media/rtpsock.h"
#include "media/stun.h"
#include "media/worker_poll.h"

struct gw_term_side;
TAILQ_HEAD(gw_turns, gw_term_side);

/* What the contexts of one worker stand on.  Outlives them. */
struct gw_media_env {
	const struct gw_media_config *cfg;
	struct gw_poller *poller;
	struct gw_timers *timers;
	struct gw_ports *ports;    /* NULL: no IMS side is configured */
	struct gw_lite_port *lite; /* NULL: full ICE */
	struct gw_stun *stun;
	struct gw_dtls_ctx *dtls; /* for new calls; may be renewed */
	/* Until then packets may be read that waited while the worker was held
	 * up (gw_lag_pass). */
	uint64_t catching_up_until_us;
	struct gw_turns turns; /* those with DTLS to do: gw_context_turn() */
	/* Takes an event on its way to the signalling thread. */
	void (*emit)(const struct gw_media_event *ev, void *arg);
	void *arg;
};

struct gw_context;

int gw_context_new(struct gw_context **out, struct gw_media_env *env,
		   gw_ctx_id id, const char *call_id);

/* RESERVE, CONFIGURE, GATE, RESTART.  Answers by events; false: there is no
 * termination, and the context is of no use. */
bool gw_context_command(struct gw_context *ctx, const struct gw_media_cmd *cmd);

/*
 * Does the DTLS of the termination that has waited longest: a step of a
 * handshake takes a third of a millisecond, so they are not done as they come,
 * but after the media that is ready, a bounded number a pass.  False: there
 * was none.
 */
bool gw_context_turn(struct gw_media_env *env);

/* BYE to the peers, everything closed, then RELEASED with @serial.  The
 * context is gone. */
void gw_context_release(struct gw_context *ctx, uint32_t serial);

/* The same without a word to the signalling side. */
void gw_context_free(struct gw_context *ctx);

gw_ctx_id gw_context_id(const struct gw_context *ctx);

#endif
