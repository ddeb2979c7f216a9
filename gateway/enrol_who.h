/*
 * gateway/enrol_who.h - who somebody is to be in the core
 *
 * Scenarios 1 to 3 of TS 24.371 6.1, decided by three: how the client has
 * shown who it is, what its token says, and the subscriber that the store has.
 * Where there is a subscriber, a token can only choose among its identities.
 * Pure functions, any thread.
 */
#ifndef GW_ENROL_WHO_H
#define GW_ENROL_WHO_H

#include "gateway/settings.h"
#include "gateway/store.h"
#include "webrtc/web.h"

/* What a log-in brings. */
struct gw_enrol_wish {
	enum gw_web_proof proof;
	char id[GW_WEB_IDENTITY]; /* as gw_web_identity() makes it */
	/* What its token says; "" and 0: nothing. */
	char impi[128];
	size_t nimpu;
	char impu[GW_WEB_IMPUS][GW_WEB_IDENTITY];
};

struct gw_enrol_who {
	enum gw_enrol how; /* NONE: known here only */
	char impi[128], impu[128];
};

/*
 * @s NULL: the store has no such subscriber.  0 with @out; or the status to
 * refuse with, and @why for the client.
 */
uint16_t gw_enrol_decide(struct gw_enrol_who *out,
			 const struct gw_enrol_wish *wish,
			 const struct gw_subscriber *s,
			 const struct gw_set_ims *set, const char **why);

/* Are all public identities of @wish's token among those of the core's
 * implicit registration set? */
bool gw_enrol_is_granted(const struct gw_enrol_wish *wish, size_t n,
			 const char (*impu)[128]);

#endif
