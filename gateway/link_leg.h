/*
 * gateway/link_leg.h - two calls of this gateway joined by a leg at each
 *
 * What one call tells its end, the other hears from its own: as if the gateway
 * called itself by SIP, without SIP.  Media goes between two ports of ours.  So
 * both parties keep their ICE, keys and SSRC, whatever worker they are on.
 * Signalling thread only.
 */
#ifndef GW_LINK_LEG_H
#define GW_LINK_LEG_H

#include "gateway/core.h"

/*
 * One end; SETUP to it makes the other one a caller that takes the place of the
 * leg at @term of the call with media context @ctx, where that is still there.
 * 0 or -ENOMEM.
 */
int gw_link_leg_new(struct gw_leg **out, struct gw_core *core, gw_ctx_id ctx,
		    enum gw_term term);

/* The other end of what @leg is an end of; NULL: @leg is of another kind, or no
 * call has the other one. */
struct gw_leg *gw_link_leg_other(struct gw_leg *leg);

#endif
