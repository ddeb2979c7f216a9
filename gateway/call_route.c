/* Where a call goes: the leg that reaches whom it is for. */
#include <errno.h>

#include "gateway/call_priv.h"
#include "gateway/echo_leg.h"
#include "gateway/fork_leg.h"

/* Whose client is awaited after a crash comes soon or not at all. */
#define RESUME_RETRY_S 10

/* The one called, or through which is called; NULL: none. */
static const char *registration_of(const struct gw_call *call)
{
	return call->registration[0] ? call->registration : NULL;
}

int gw_call_make_leg(struct gw_call *call, struct gw_leg **out,
		     enum gw_route_leg kind, const char *target,
		     const char *registration)
{
	struct gw_core *core = call->core;

	switch (kind) {
	case GW_ROUTE_ECHO:
		return gw_echo_leg_new(out, core->loop);
	case GW_ROUTE_USER:
		return gw_fork_leg_new(out, core->web, target, registration);
	case GW_ROUTE_CORE:
		return core->sip ? gw_ims_leg_new(out, core->sip) : -ENOENT;
	case GW_ROUTE_REFUSE:
		break;
	}
	return -EACCES;
}

int gw_call_find_b(struct gw_call *call)
{
	bool from_core = call->a.profile == GW_PROFILE_CORE;
	struct gw_route route = { .leg = GW_ROUTE_CORE };
	int err;

	/* No route of the configuration bars an emergency call. */
	if (!call->emergency)
		route = gw_route_find(call->core->set, call->core->web,
				      call->to, from_core,
				      registration_of(call));
	if (route.leg == GW_ROUTE_REFUSE)
		return gw_call_because(call, route.status, route.why);
	err = gw_call_make_leg(call, &call->b.leg, route.leg, call->to,
			       from_core ? registration_of(call) : NULL);
	switch (err) {
	case 0:
		gw_call_take_leg(call, &call->b);
		return 0;
	case -ENOENT:
		return gw_call_because(call, 480, "not registered");
	case -EHOSTDOWN:
		call->cause.retry_after_s = RESUME_RETRY_S;
		return gw_call_because(call, 480, "not back yet");
	case -EBUSY:
		return gw_call_because(call, 486, "all sessions are in use");
	default:
		return gw_call_because(call, 500, "no leg could be made");
	}
}
