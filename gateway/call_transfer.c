/*
 * Another party in place of one: asked for by the one that leaves (REFER;
 * RESPECT, leaves or joins), by the one that stays (RESPECT, another
 * resourceId), or by the new one (INVITE with Replaces, call_replace.c).
 *
 * A new leg is made towards the new party while the old one goes on
 * (call_newcomer.c).  What the new party answers takes over from the one that
 * leaves; the one that stays keeps its ICE, its keys and its SSRC, and is only
 * offered what the new party has.  Then the old leg is released.  When it
 * fails, nothing has changed.
 *
 * Where both of two parties are in calls of this gateway, one's new party is
 * the other call, by way of a link (link_leg.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/metrics.h"
#include "gateway/call_transfer_priv.h"
#include "gateway/fork_leg.h"
#include "gateway/link_leg.h"

#define TOTAL "isthmus_transfers_total"
#define HELP  "Parties of calls replaced by others, by what became of it"
GW_COUNTER(m_done, TOTAL, HELP, "result=\"done\"");
GW_COUNTER(m_failed, TOTAL, HELP, "result=\"failed\"");
GW_COUNTER(m_refused, TOTAL, HELP, "result=\"refused\"");

bool gw_call_transferring(const struct gw_call *call)
{
	return call->transfer.out != NULL || call->transfer.taking != NULL;
}

void gw_call_transfer_reset(struct gw_call *call)
{
	struct transfer *t = &call->transfer;

	gw_call_keep(&t->offer, NULL);
	gw_call_keep(&t->early, NULL);
	gw_call_keep(&t->replaces, NULL);
	gw_call_keep(&t->referred_by, NULL);
	gw_timer_stop(&t->ring);
	gw_call_spare_drop(call);
	t->out = NULL;
	t->leg = NULL;
	t->incoming = false;
}

void gw_call_transfer_fini(struct gw_call *call)
{
	gw_leg_free(call->transfer.leg);
	/* Not what media was told: TAKEN has counters that the record needs. */
	gw_call_transfer_reset(call);
}

bool gw_call_transfer_waits(struct gw_call *call, const struct side *s)
{
	return call->transfer.out == s && call->transfer.leg;
}

/* ---- who is told ---- */

void gw_call_transfer_tell(struct gw_call *call, struct side *s,
			   uint16_t status, const struct gw_cause *cause,
			   const struct gw_party *who)
{
	const struct transfer *t = &call->transfer;
	struct gw_msg msg = {
		.verb = GW_V_TRANSFER,
		.cause = cause ? *cause : (struct gw_cause){ .status = status },
	};

	msg.target.uri = t->withheld ? "" : t->target;
	if (who && !t->withheld)
		msg.asserted = *who;
	if (s->leg && gw_leg_send(s->leg, &msg))
		gw_debug(&call->log, "%s leg is not told of the transfer",
			 s->kind);
}

/* NULL: the new one itself. */
static struct side *asker(struct gw_call *call)
{
	struct transfer *t = &call->transfer;

	if (t->incoming)
		return NULL;
	return t->asked_by_out ? t->out : call_other(call, t->out);
}

void gw_call_transfer_told(struct gw_call *call, uint16_t status)
{
	struct side *s = asker(call);

	if (s)
		gw_call_transfer_tell(call, s, status, NULL, NULL);
}

void gw_call_transfer_refused(void)
{
	gw_metric_add(&m_refused, 1);
}

static void refuse(struct gw_call *call, struct side *x, const char *target,
		   uint16_t status, const char *text)
{
	const struct gw_msg msg = {
		.verb = GW_V_TRANSFER,
		.target = {target,            NULL        },
		.cause = { .status = status, .text = text},
	};

	gw_call_transfer_refused();
	gw_info(&call->log, "transfer asked for by the %s leg refused, %u: %s",
		x->kind, status, text);
	if (x->leg && gw_leg_send(x->leg, &msg))
		gw_debug(&call->log, "%s leg is not told of the refusal",
			 x->kind);
}

void gw_call_transfer_failed(struct gw_call *call, const struct gw_cause *cause)
{
	struct side *who = asker(call);
	bool gone = !call->transfer.out->leg;
	uint16_t status = cause->status;
	char text[160];

	gw_metric_add(&m_failed, 1);
	gw_info(&call->log, "transfer to %s failed, %u%s%s",
		call->transfer.target, status, cause->text ? ": " : "",
		cause->text ? cause->text : "");
	(void)snprintf(text, sizeof(text), "%s",
		       cause->text ? cause->text : "the transfer failed");
	if (who)
		gw_call_transfer_tell(call, who, 0, cause, NULL);
	gw_call_transfer_reset(call);
	if (gone)
		gw_call_end(call, "gateway", status, text);
}

void gw_call_transfer_done(struct gw_call *call)
{
	struct transfer *t = &call->transfer;

	gw_metric_add(&m_done, 1);
	gw_info(&call->log, "%s takes the %s party's place",
		t->target[0] ? t->target : "a caller",
		t->out == &call->a ? "calling" : "called");
	(void)snprintf(t->done, sizeof(t->done), "%s", t->target);
	if (!t->incoming && t->asked_by_out)
		gw_call_transfer_tell(call, t->out, 200, NULL, NULL);
}

/* ---- the beginning ---- */

/* The status that it is refused with whoever the new party is; 0: none. */
static uint16_t check(struct gw_call *call, const char **why)
{
	*why = "another change is under way";
	if (call->fsm.state != GW_CALL_UP || call->upd.state != UPD_IDLE ||
	    gw_call_transferring(call))
		return 491;
	*why = "the gateway is going down";
	return call->core->draining ? 503 : 0;
}

/* Who @s' party hears in the end, over whatever calls are joined. */
static const struct side *behind(const struct side *s)
{
	struct gw_leg *leg;

	while (s->leg && (leg = gw_link_leg_other(s->leg))) {
		struct gw_call *call = leg->arg;

		GW_CHECK(call, CALL_MAGIC);
		if (leg == call->a.leg)
			s = &call->b;
		else if (leg == call->b.leg)
			s = &call->a;
		else
			break; /* still on its way there */
	}
	return s;
}

/* Who may be called is the business of the web user: two parties of the core
 * are no reason to call a third there (RFC 3261 16.3). */
static uint16_t find_target(struct gw_call *call, const struct side *x,
			    const struct side *out, enum gw_route_leg *kind,
			    const char **why)
{
	struct gw_core *core = call->core;
	struct side *stays = call_other(call, out);
	bool web = x->profile == GW_PROFILE_WEB ||
		   stays->profile == GW_PROFILE_WEB;
	struct gw_route route = gw_route_find(
		core->set, core->web, call->transfer.target, !web,
		call->registration[0] && web ? call->registration : NULL);

	*why = route.why;
	*kind = route.leg;
	if (route.leg == GW_ROUTE_REFUSE)
		return route.status;
	if (route.leg == GW_ROUTE_ECHO &&
	    behind(stays)->profile == GW_PROFILE_RESOURCE) {
		*why = "an echo of an echo";
		return 488;
	}
	if (route.leg == GW_ROUTE_CORE && !core->sip) {
		*why = "there is no SIP side";
		return 488;
	}
	return 0;
}

static uint16_t status_of(int err, const char **why)
{
	switch (err) {
	case -ENOENT:
	case -EHOSTDOWN:
		*why = "the user is not there";
		return 480;
	case -EBUSY:
		*why = "all sessions are in use";
		return 486;
	case -EAGAIN:
		*why = "media workers are overloaded";
		return 503;
	case -EDOM:
		*why = "no media in common";
		return 488;
	default:
		*why = "no leg could be made";
		return 500;
	}
}

/* The call, and the side of it, that @leg is of; false: none. */
static bool find_leg(struct gw_core *core, const struct gw_leg *leg,
		     struct gw_call **call, struct side **side)
{
	struct gw_call *c, *next;

	HASH_ITER(hh, core->calls, c, next)
	{
		struct side *of[] = { &c->a, &c->b };

		for (unsigned i = 0; i < 2; i++) {
			if (!of[i]->leg ||
			    (of[i]->leg != leg &&
			     !gw_fork_leg_is_up(of[i]->leg, leg)))
				continue;
			*call = c;
			*side = of[i];
			return true;
		}
	}
	return false;
}

/* Packets would go round for ever between calls that nobody ends any more.
 * @place and @party: the two sides of the other call. */
static const char *goes_round(const struct side *stays,
			      const struct side *place,
			      const struct side *party)
{
	const struct side *end = behind(stays);

	if (end == place)
		return "who leaves is both parties";
	if (end->profile == GW_PROFILE_RESOURCE &&
	    behind(party)->profile == GW_PROFILE_RESOURCE)
		return "an echo of an echo";
	return NULL;
}

/* The new party of @call is who talks to msg->joins. */
static uint16_t join(struct gw_call *call, const struct side *out,
		     const struct gw_msg *msg, const char **why)
{
	struct transfer *t = &call->transfer;
	const struct side *stays = call_other(call, out);
	struct gw_call *other;
	struct side *place, *party;

	t->target[0] = '\0';
	*why = "there is no such call";
	if (!find_leg(call->core, msg->joins, &other, &place))
		return 481;
	*why = "it is this call";
	if (other == call)
		return 488;
	*why = "emergency calls are not handed over";
	if (other->emergency)
		return 403;
	*why = "another change of the other call is under way";
	if (other->fsm.state != GW_CALL_UP || other->upd.state != UPD_IDLE ||
	    gw_call_transferring(other))
		return 491;
	party = call_other(other, place);
	*why = goes_round(stays, place, party);
	if (*why)
		return 488;
	t->withheld = gw_call_withheld(other, party);
	(void)snprintf(t->target, sizeof(t->target), "%s",
		       gw_call_who(other, party));
	if (gw_link_leg_new(&t->leg, call->core, other->ctx, place->term))
		return status_of(-ENOMEM, why);
	return 0;
}

/* A SIP user is who the core says; a web client is known here.  0 or -ENOMEM. */
static int note_request(struct gw_call *call, const struct side *x,
			const struct gw_msg *msg)
{
	struct transfer *t = &call->transfer;
	bool withheld = gw_call_withheld(call, x);
	const char *by = msg->referred_by;

	if (!by && x->profile == GW_PROFILE_WEB && !withheld)
		by = gw_call_who(call, x);
	if (msg->replaces && !msg->joins) {
		t->replaces = strdup(msg->replaces);
		if (!t->replaces)
			return -ENOMEM; /* without it another phone would ring */
	}
	if (by && *by)
		t->referred_by = strdup(by);
	return 0;
}

/* Who calls for help hands nobody on, and nobody is handed on for help; those
 * who answer may. */
static bool is_emergency(const struct gw_call *call, const struct side *x,
			 const struct gw_msg *msg)
{
	const struct gw_set_emergency *set = &call->core->set->emergency;
	char urn[GW_EMERGENCY_URN_SIZE];

	return (call->emergency && x == &call->a) ||
	       (!msg->joins && gw_emergency_find(urn, set->number, set->nnumber,
						 msg->target.uri));
}

static uint16_t begin(struct gw_call *call, struct side *x, struct side *out,
		      const struct gw_msg *msg, const char **why)
{
	struct transfer *t = &call->transfer;
	enum gw_route_leg kind;
	uint16_t status;
	int err;

	*why = "emergency calls are not handed over";
	if (is_emergency(call, x, msg))
		return 403;
	status = check(call, why);
	if (status)
		return status;
	t->withheld = false;
	if (msg->joins) {
		status = join(call, out, msg, why);
	} else if (strlen(msg->target.uri) >= sizeof(t->target)) {
		*why = "the target is too long";
		status = 414;
	} else {
		(void)snprintf(t->target, sizeof(t->target), "%s",
			       msg->target.uri);
		status = find_target(call, x, out, &kind, why);
		/* RFC 3891 3: of ours it would be joined. */
		if (!status && msg->replaces && kind != GW_ROUTE_CORE) {
			*why = "there is no such dialog";
			status = 481;
		}
		err = status ? 0 : gw_call_newcomer_leg(call, kind);
		if (err)
			status = status_of(err, why);
	}
	if (status)
		return status;
	t->out = out;
	t->asked_by_out = out == x;
	err = note_request(call, x, msg);
	if (!err)
		err = gw_call_newcomer_fits(out, t->leg->ops->profile)
			      ? gw_call_newcomer_offer(call)
			      : gw_call_newcomer_reserve(call);
	if (err) {
		gw_leg_free(t->leg);
		gw_call_transfer_reset(call);
		return status_of(err, why);
	}
	return 0;
}

/* Behind a link another party is there than was. */
static void heard(struct gw_call *call, struct side *x,
		  const struct gw_msg *msg)
{
	const struct gw_msg told = {
		.verb = GW_V_TRANSFER,
		.target = msg->target,
		.asserted = msg->asserted,
		.cause = { .status = 200 },
	};
	struct side *to = call_other(call, x);

	if (call->fsm.state != GW_CALL_UP)
		return;
	/* Without a name it is withheld, see gw_call_transfer_tell(). */
	gw_call_keep(&x->who,
		     strdup(msg->asserted.uri ? msg->asserted.uri : ""));
	x->withheld = !msg->asserted.uri;
	gw_info(&call->log, "another party is behind the %s leg", x->kind);
	gw_call_say(call, to, &told);
}

void gw_call_transfer(struct gw_call *call, struct side *x,
		      const struct gw_msg *msg)
{
	struct side *out = msg->stays ? call_other(call, x) : x;
	struct transfer *t = &call->transfer;
	const char *why;
	uint16_t status;

	if (msg->cause.status) {
		heard(call, x, msg);
		return;
	}
	status = begin(call, x, out, msg, &why);
	if (status) {
		refuse(call, x, msg->target.uri ? msg->target.uri : "", status,
		       why);
		return;
	}
	gw_info(&call->log, "%s leg asks for %s in place of the %s leg",
		x->kind, t->target, out->kind);
	gw_call_transfer_tell(call, x, 100, NULL, NULL);
	if (t->in)
		return; /* called when it has a termination */
	if (gw_call_newcomer_call(call)) {
		const struct gw_cause cause = {
			.status = 500, .text = "no leg could be made"
		};

		gw_leg_free(t->leg);
		gw_call_transfer_failed(call, &cause);
	}
}
