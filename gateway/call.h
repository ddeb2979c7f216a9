/*
 * gateway/call.h - a call joins two legs and owns one media context
 *
 * The caller's leg is A, the called one B, and their terminations likewise.
 * The call answers every question of offer/answer by constructing both sides'
 * descriptions from values (sdp/session.h); it edits no text.
 * Signalling thread only.
 */
#ifndef GW_CALL_H
#define GW_CALL_H

#include "gateway/core.h"

/*
 * Takes leg @a with its @setup.  A call that cannot be made at all releases
 * @a by itself: the caller of this has nothing to do.  0, or -errno when even
 * that failed for lack of memory: then @a is still the caller's.
 */
int gw_call_new(struct gw_core *core, struct gw_leg *a,
		const struct gw_msg *setup);

/* A caller takes the place of the leg setup->instead_of; @leg is taken, and
 * refused where that cannot be. */
void gw_call_replace(struct gw_leg *leg, const struct gw_msg *setup);

/* The same at @term of the call with media context @ctx; -ENOENT: there is
 * none, and @leg is still the caller's. */
int gw_call_replace_at(struct gw_core *core, gw_ctx_id ctx, enum gw_term term,
		       struct gw_leg *leg, const struct gw_msg *setup);

/* May free @call. */
void gw_call_media_event(struct gw_call *call, const struct gw_media_event *ev);

/* Operator, drain or shutdown.  May free @call. */
void gw_call_release(struct gw_call *call, uint16_t status, const char *text);

#endif
