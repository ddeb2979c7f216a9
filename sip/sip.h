/*
 * sip/sip.h - the SIP side as the gateway sees it: one agent, many legs
 *
 * One Sofia NTA agent with all listeners on the signalling loop.  A body is
 * opaque bytes here.  Signalling thread only.
 */
#ifndef GW_SIP_H
#define GW_SIP_H

#include "gateway/base/loop.h"
#include "gateway/leg.h"
#include "gateway/message.h"
#include "gateway/settings.h"

struct gw_sip;

/*
 * @set must outlive the agent, or be replaced by gw_sip_reload().  @incoming
 * gets a leg for each initial INVITE.  0, or -errno after logging which
 * listener or file failed and why.
 */
int gw_sip_new(struct gw_sip **out, struct gw_loop *loop,
	       const struct gw_settings *set, gw_leg_incoming_h *incoming,
	       void *arg);

/* Legs must be gone.  What is still owed to peers is dropped. */
void gw_sip_free(struct gw_sip *sip);

/* Credentials, peer, allow-list and timers of new calls follow @set;
 * listeners stay. */
void gw_sip_reload(struct gw_sip *sip, const struct gw_settings *set);

/* While draining, initial INVITEs get 503 with this Retry-After; 0: serve. */
void gw_sip_set_draining(struct gw_sip *sip, uint16_t retry_after_s);

/* A leg that will call out: the caller sets handler, arg, call_id, and sends
 * SETUP.  0 or -ENOMEM. */
int gw_ims_leg_new(struct gw_leg **out, struct gw_sip *sip);

/*
 * Messages of text (RFC 3428).  @received gets those for users here, and is
 * answered by gw_sip_message_answer(); @done tells the fate of what was sent,
 * never from inside gw_sip_message_send().  Without this call they get 405.
 */
void gw_sip_serve_messages(struct gw_sip *sip, gw_message_h *received,
			   gw_message_done_h *done, void *arg);
void gw_sip_message_answer(struct gw_sip *sip, uint64_t ask,
			   const struct gw_cause *cause);
/* Through m->registration where there is one, else to sip.core.  0, -ENOENT
 * (not registered there), or -errno. */
int gw_sip_message_send(struct gw_sip *sip, uint64_t id,
			const struct gw_message *m);

/* Dialogs and transactions still known to the stack; for metrics and tests. */
unsigned gw_sip_live_legs(const struct gw_sip *sip);

#endif
