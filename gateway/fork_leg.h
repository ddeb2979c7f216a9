/*
 * gateway/fork_leg.h - a leg to all endpoints of a user
 *
 *	            SETUP to all                first ANSWER
 *	NEW ----------------------> RINGING ---------------------> UP: one leg,
 *	                               |                               the others
 *	                               | a 6xx, or the last one        are told
 *	                               v gives up                      "elsewhere"
 *	                              DEAD
 *
 * To the call it is one leg, with one description of ours: no endpoint uses it
 * before it answers, so they can all be offered the same.
 * Signalling thread only.
 */
#ifndef GW_FORK_LEG_H
#define GW_FORK_LEG_H

#include "gateway/leg.h"
#include "webrtc/web.h"

/*
 * To whoever is reached under @uri, or (@key) by that registration in the
 * core: as gw_respect_leg_new() where that is one endpoint.  0, -ENOENT (not
 * registered), -EBUSY (none may have another session), -ENOMEM.
 */
int gw_fork_leg_new(struct gw_leg **out, struct gw_web *web, const char *uri,
		    const char *key);

/* Is @fork such a leg, and @leg the endpoint of it that answered? */
bool gw_fork_leg_is_up(const struct gw_leg *fork, const struct gw_leg *leg);

#endif
