/*
 * gateway/route.h - which kind of leg serves a target
 *
 * Order: the configured routes, then users of this gateway, then the SIP core.
 * A call that came from the core never goes back to it.
 * Signalling thread only.
 */
#ifndef GW_ROUTE_H
#define GW_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/settings.h"
#include "webrtc/web.h"

enum gw_route_leg {
	GW_ROUTE_REFUSE,
	GW_ROUTE_USER,
	GW_ROUTE_CORE,
	GW_ROUTE_ECHO
};

struct gw_route {
	enum gw_route_leg leg;
	uint16_t status; /* REFUSE */
	const char *why; /* REFUSE: for the peer */
};

/* @registration: the key of the registration in the core that is called
 * (@from_core), or through which is called; NULL: none.  What goes through one
 * goes to the core, where its owner's services are. */
struct gw_route gw_route_find(const struct gw_settings *set, struct gw_web *web,
			      const char *target, bool from_core,
			      const char *registration);

/* Does @uri match @pattern: the whole URI, its user part, or either with '*'
 * for any ending?  URI parameters are not compared. */
bool gw_route_matches(const char *pattern, const char *uri);

#endif
