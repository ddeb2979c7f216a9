/*
 * gateway/call_transfer_priv.h - another party in place of one, shared by
 * call_transfer.c, call_newcomer.c and call_replace.c only
 *
 * Signalling thread only.
 */
#ifndef GW_CALL_TRANSFER_PRIV_H
#define GW_CALL_TRANSFER_PRIV_H

#include "gateway/call_priv.h"

/* ---- gateway/call_transfer.c: who is told ---- */

/* What became of it, to @s; @who is there now, or NULL. */
void gw_call_transfer_tell(struct gw_call *call, struct side *s,
			   uint16_t status, const struct gw_cause *cause,
			   const struct gw_party *who);
/* Counts one that could not be tried. */
void gw_call_transfer_refused(void);
/* To who asked, if anybody did. */
void gw_call_transfer_told(struct gw_call *call, uint16_t status);
/* Nothing has changed, unless who left has left for good: may free the call.
 * The new leg is gone by then. */
void gw_call_transfer_failed(struct gw_call *call,
			     const struct gw_cause *cause);
void gw_call_transfer_done(struct gw_call *call);
/* Nobody is on the way any more. */
void gw_call_transfer_reset(struct gw_call *call);

/* ---- gateway/call_newcomer.c: the new party ---- */

/* A leg towards @target; 0, or -errno as with the legs that calls have. */
int gw_call_newcomer_leg(struct gw_call *call, enum gw_route_leg kind);
/* What it shall be offered, into t->offer.  0, or -EDOM: nothing in common. */
int gw_call_newcomer_offer(struct gw_call *call);
/* It is called, once there is a termination for it.  0, or -errno: the leg is
 * still there. */
int gw_call_newcomer_call(struct gw_call *call);
/* Can what @out has serve a party of @profile? */
bool gw_call_newcomer_fits(const struct side *out, enum gw_profile profile);
/* One of its own for t->leg is asked for.  0 or -errno. */
int gw_call_newcomer_reserve(struct gw_call *call);
/* Both descriptions are known: media follows, and both texts are taken.  0, or
 * -errno: all is as it was. */
int gw_call_newcomer_takes_over(struct gw_call *call, char *local_text,
				char *remote_text, const struct gw_sess *local,
				const struct gw_sess *remote);
/* The old leg goes; the one that stays hears of the new one, @who. */
void gw_call_newcomer_seated(struct gw_call *call, const struct gw_party *who);
/* t->leg's handler until then.  May free the call. */
gw_leg_h gw_call_newcomer_says;

/* ---- gateway/call_replace.c: a caller in place of one ---- */

/* The termination for t->leg, a caller, is there.  May free the call. */
void gw_call_replace_reserved(struct gw_call *call);

#endif
