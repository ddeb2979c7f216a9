/*
 * What became of a transfer, as a client is told: it waits for that, and gets
 * it once more on a new connection when the old one may have taken it along.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "webrtc/respect_leg.h"

void gw_rleg_outcome_done(struct gw_rleg *l)
{
	if (!l->outcome)
		return;
	free(l->outcome->target);
	free(l->outcome->detail);
	free(l->outcome);
	l->outcome = NULL;
}

int gw_rleg_keep_outcome(struct gw_rleg *l, const struct gw_msg *msg)
{
	const char *target = msg->target.uri;
	const struct gw_cause *cause = &msg->cause;
	struct gw_rleg_outcome *o = calloc(1, sizeof(*o));

	gw_rleg_outcome_done(l);
	l->outcome = o;
	if (!o)
		return -ENOMEM;
	o->target = strdup(target && *target ? target : GW_ANONYMOUS);
	if (cause->status >= 300) {
		o->status = cause->status;
		o->sip = cause->sip;
		o->detail = cause->text ? strdup(cause->text) : NULL;
	}
	if (o->target)
		return 0;
	gw_rleg_outcome_done(l);
	return -ENOMEM;
}

void gw_rleg_tell_outcome(struct gw_rleg *l)
{
	const struct gw_rleg_outcome *done = l->outcome;
	struct gw_rout o = { 0 };

	if (!done)
		return;
	o.resource_id = done->target;
	o.problem.status = done->status;
	o.problem.sip = done->sip;
	o.problem.detail = done->detail;
	if (!done->status) {
		o.asserted_term = l->peer[0] ? l->peer : NULL;
		o.asserted_term_name = l->peer_name[0] ? l->peer_name : NULL;
	}
	l->outcome->gen = (l->gen + 1) & GW_RLEG_GENS;
	gw_rleg_tell(l, &o, GW_RT_STATE);
}
