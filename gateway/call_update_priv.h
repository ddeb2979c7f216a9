/*
 * gateway/call_update_priv.h - what call_update.c and call_update_own.c share
 *
 * Signalling thread only.
 */
#ifndef GW_CALL_UPDATE_PRIV_H
#define GW_CALL_UPDATE_PRIV_H

#include "gateway/call_priv.h"

/* ---- call_update.c ---- */

/* No offer is on its way any more. */
void gw_call_update_reset(struct update *u);
/* x's offer is refused, and why: told, logged, counted. */
void gw_call_update_deny(struct gw_call *call, struct side *x,
			 const struct gw_cause *cause);
/* Is @desc an answer to @offer_text that @s can use?  If not, it is logged. */
bool gw_call_update_fits(struct gw_call *call, struct side *s,
			 const char *offer_text, const struct gw_desc *desc,
			 struct gw_sess *answer);

/* ---- call_update_own.c ---- */

/* x asks for our offer (re-INVITE without SDP, or a refresh). */
void gw_call_update_late(struct gw_call *call, struct side *x);
/* x answered an offer of ours, late or on our own account; or did not. */
void gw_call_update_own_accept(struct gw_call *call, const struct gw_msg *msg);
void gw_call_update_own_refuse(struct gw_call *call, const struct gw_msg *msg);
/* @s changed for an offer that failed: it is offered what the other side
 * still has. */
void gw_call_update_restore(struct gw_call *call, struct side *s);

#endif
