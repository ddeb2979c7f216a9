/*
 * Another party in place of one: asked for by the one that leaves (REFER), by
 * the one that stays (RESPECT, another resourceId), or by the new one (INVITE
 * with Replaces).
 *
 * A new leg is made towards the new party while the old one goes on.  What the
 * new party answers takes over the termination of the one that leaves: the
 * same port, another far end, so that the one that stays keeps its ICE, its
 * keys and its SSRC, and is only offered what the new party has.  Then the old
 * leg is released.  When it fails, nothing has changed.
 *
 * So what leaves and what comes must both be of the SIP side: a browser's
 * termination cannot become a port, nor the other way round.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/metrics.h"
#include "gateway/call_priv.h"
#include "gateway/route.h"

#define TOTAL "isthmus_transfers_total"
#define HELP  "Parties of calls replaced by others, by what became of it"
GW_COUNTER(m_done, TOTAL, HELP, "result=\"done\"");
GW_COUNTER(m_failed, TOTAL, HELP, "result=\"failed\"");
GW_COUNTER(m_refused, TOTAL, HELP, "result=\"refused\"");

bool gw_call_transferring(const struct gw_call *call)
{
	return call->transfer.out != NULL;
}

static void reset(struct gw_call *call)
{
	gw_call_keep(&call->transfer.offer, NULL);
	gw_call_keep(&call->transfer.early, NULL);
	call->transfer.out = NULL;
	call->transfer.leg = NULL;
}

void gw_call_transfer_fini(struct gw_call *call)
{
	gw_leg_free(call->transfer.leg);
	reset(call);
}

bool gw_call_transfer_waits(struct gw_call *call, const struct side *s)
{
	return call->transfer.out == s && call->transfer.leg;
}

/* ---- who is told ---- */

static void tell(struct gw_call *call, struct side *s, uint16_t status,
		 const struct gw_cause *cause, const struct gw_party *who)
{
	struct gw_msg msg = {
		.verb = GW_V_TRANSFER,
		.target = {call->transfer.target, NULL },
		.cause = cause ? *cause : (struct gw_cause){ .status = status                   },
	};

	if (who)
		msg.asserted = *who;
	if (s->leg && gw_leg_send(s->leg, &msg))
		gw_debug(&call->log, "%s leg is not told of the transfer",
			 s->kind);
}

static struct side *asker(struct gw_call *call)
{
	struct side *out = call->transfer.out;

	return call->transfer.asked_by_out ? out : call_other(call, out);
}

static void refuse(struct gw_call *call, struct side *x, uint16_t status,
		   const char *text)
{
	const struct gw_cause cause = { .status = status, .text = text };

	gw_metric_add(&m_refused, 1);
	gw_info(&call->log, "transfer asked for by the %s leg refused, %u: %s",
		x->kind, status, text);
	tell(call, x, 0, &cause, NULL);
}

/* May free the call: who left before has left for good. */
static void failed(struct gw_call *call, const struct gw_cause *cause)
{
	struct side *out = call->transfer.out;
	bool gone = !out->leg;
	char text[160];

	gw_metric_add(&m_failed, 1);
	gw_info(&call->log, "transfer to %s failed, %u%s%s",
		call->transfer.target, cause->status, cause->text ? ": " : "",
		cause->text ? cause->text : "");
	(void)snprintf(text, sizeof(text), "%s",
		       cause->text ? cause->text : "the transfer failed");
	tell(call, asker(call), 0, cause, NULL);
	reset(call);
	if (gone)
		gw_call_end(call, "gateway", cause->status, text);
}

/* ---- the new party takes over ---- */

/* Both descriptions are known: @local is ours to the new party. */
static int take_over(struct gw_call *call, struct side *out, char *local_text,
		     char *remote_text, const struct gw_sess *local,
		     const struct gw_sess *remote)
{
	int err = gw_call_configure(call, out, local, remote);

	if (err)
		return err;
	gw_call_keep(&out->local, local_text);
	gw_call_keep(&out->remote, remote_text);
	gw_call_set_gates(call, out, local, remote, GW_GATE_BOTH);
	return 0;
}

static void change_legs(struct gw_call *call, struct side *out,
			struct gw_leg *leg)
{
	struct gw_msg bye = { .verb = GW_V_RELEASE,
			      .cause = { .status = 200 } };

	if (out->leg) {
		(void)gw_leg_send(out->leg, &bye);
		gw_leg_free(out->leg);
	}
	out->leg = leg;
	gw_call_take_leg(call, out);
	gw_call_note_codec(call);
}

/* The one who stays hears who is there now, and what that one has. */
static void introduce(struct gw_call *call, struct side *stays,
		      const struct gw_party *who)
{
	tell(call, stays, 200, NULL, who);
	gw_call_offer_again(call, stays);
}

static const char *unfit(struct gw_call *call, const struct gw_desc *desc,
			 const struct gw_sess *offer, struct gw_sess *answer)
{
	static char text[160];
	struct side *out = call->transfer.out;
	struct gw_sdp_error err = { 0 };
	struct gw_cause cause;

	if (!desc->text || desc->role != GW_DESC_ANSWER)
		return "an answer was expected";
	if (gw_call_read(call, out, desc, answer, &cause)) {
		(void)snprintf(text, sizeof(text), "%s", cause.text);
		return text;
	}
	if (gw_sess_check_answer(offer, answer, &err)) {
		(void)snprintf(text, sizeof(text), "%s", err.text);
		return text;
	}
	return gw_call_reachable(out, answer) ? NULL : "another IP version";
}

/* Its answer is not heard yet, but where it came reliably the 200 brings none
 * (RFC 3262 5). */
static void on_progress(struct gw_call *call, const struct gw_msg *msg)
{
	struct transfer *t = &call->transfer;
	char *text;

	if (msg->firm && msg->desc.role == GW_DESC_EARLY_ANSWER) {
		text = gw_call_dup(&msg->desc);
		if (text)
			gw_call_keep(&t->early, text);
		t->branch = msg->branch;
	}
	tell(call, asker(call), msg->alert == GW_ALERT_RINGING ? 180 : 183,
	     NULL, NULL);
}

static struct gw_desc answer_of(const struct transfer *t,
				const struct gw_msg *msg)
{
	if (msg->desc.text || !t->early || t->branch != msg->branch)
		return msg->desc;
	return (struct gw_desc){ GW_DESC_ANSWER, t->early, strlen(t->early) };
}

static void on_answer(struct gw_call *call, const struct gw_msg *msg)
{
	struct side *out = call->transfer.out;
	struct gw_leg *leg = call->transfer.leg;
	const struct gw_desc desc = answer_of(&call->transfer, msg);
	struct gw_msg no = { .verb = GW_V_RELEASE };
	struct gw_party who = { call->transfer.target, NULL };
	struct gw_sess offer, answer;
	const char *why;
	char *text = NULL;

	gw_call_reread(out, call->transfer.offer, &offer);
	why = unfit(call, &desc, &offer, &answer);
	if (!why) {
		text = gw_call_dup(&desc);
		if (!text || take_over(call, out, call->transfer.offer, text,
				       &offer, &answer)) {
			free(text);
			why = "no resources for it";
		}
	}
	if (why) {
		no.cause = (struct gw_cause){ .status = 488, .text = why };
		(void)gw_leg_send(leg, &no);
		gw_leg_free(leg);
		failed(call, &no.cause);
		return;
	}
	call->transfer.offer = NULL; /* it is out->local now */
	out->answered = true;
	if (msg->asserted.uri)
		who = msg->asserted;
	gw_metric_add(&m_done, 1);
	gw_info(&call->log, "%s leg is replaced by %s", out->kind,
		call->transfer.target);
	(void)snprintf(call->transfer.done, sizeof(call->transfer.done), "%s",
		       call->transfer.target);
	if (call->transfer.asked_by_out)
		tell(call, out, 200, NULL, NULL);
	change_legs(call, out, leg);
	reset(call);
	introduce(call, call_other(call, out), &who);
}

/* May free the call. */
static void on_new_leg(struct gw_leg *leg, const struct gw_msg *msg, void *arg)
{
	struct gw_call *call = arg;
	struct gw_cause cause = msg->cause;
	struct gw_msg later = { .verb = GW_V_REFUSE,
				.cause = { .status = 491 } };

	GW_CHECK(call, CALL_MAGIC);
	assert(call->transfer.leg == leg);
	switch (msg->verb) {
	case GW_V_PROGRESS:
		on_progress(call, msg);
		return;
	case GW_V_OFFER: /* nobody could answer it yet */
		later.branch = msg->branch;
		(void)gw_leg_send(leg, &later);
		return;
	case GW_V_ANSWER:
		on_answer(call, msg);
		return;
	case GW_V_RELEASE:
		gw_leg_free(leg);
		if (cause.status < 300)
			cause.status = 480;
		failed(call, &cause);
		return;
	default:
		gw_debug(&call->log, "the new party said verb %d too early",
			 (int)msg->verb);
	}
}

/* ---- the beginning ---- */

/* What the new party is offered; NULL: nothing can be. */
static char *make_offer(struct gw_call *call, struct side *out)
{
	struct side *stays = call_other(call, out);
	uint64_t id = out->o_id, version = out->o_version;
	struct gw_sess wish, content;
	char *text = NULL;

	if (stays->profile == GW_PROFILE_RESOURCE)
		gw_call_reread(out, out->local, &wish);
	else
		gw_call_wish(stays, &wish);
	/* Another dialog: a session description of its own (RFC 3264 5). */
	out->o_id = out->o_version = 0;
	if (!gw_call_relay_offer(out, &content, &wish, NULL))
		text = gw_call_print(call, out, &content, NULL);
	out->o_id = id;
	out->o_version = version;
	return text;
}

static int dial(struct gw_call *call, struct side *out,
		const struct gw_msg *asked)
{
	struct side *stays = call_other(call, out);
	struct transfer *t = &call->transfer;
	bool caller = stays == &call->a;
	struct gw_msg setup = {
		.verb = GW_V_SETUP,
		.target = {t->target,                       NULL},
		.asserted = {             caller ? call->from : call->to,
                           caller ? call->from_name : NULL   },
		.privacy = caller && call->privacy,
		.replaces = asked->replaces,
		.desc = { GW_DESC_OFFER,               t->offer,                  strlen(t->offer) },
	};
	int err = gw_ims_leg_new(&t->leg, call->core->sip);

	if (err)
		return err;
	if (!*setup.asserted.uri)
		setup.asserted.uri = NULL;
	if (setup.asserted.display && !*setup.asserted.display)
		setup.asserted.display = NULL;
	if (call->registration[0])
		setup.registration = call->registration;
	t->leg->handler = on_new_leg;
	t->leg->arg = call;
	(void)snprintf(t->leg->call_id, sizeof(t->leg->call_id), "%s",
		       call->id);
	err = gw_leg_send(t->leg, &setup);
	if (err) {
		gw_leg_free(t->leg);
		t->leg = NULL;
	}
	return err;
}

/* Neither to the emergency services nor, unless they ask for it, away from
 * them. */
static bool is_emergency(const struct gw_call *call, bool stays)
{
	const struct gw_set_emergency *set = &call->core->set->emergency;
	char urn[GW_EMERGENCY_URN_SIZE];

	return (call->emergency && stays) ||
	       gw_emergency_find(urn, set->number, set->nnumber,
				 call->transfer.target);
}

/* The status that the transfer is refused with; 0: it may be tried. */
static uint16_t check(struct gw_call *call, const struct side *out,
		      const struct gw_msg *asked, const char **why)
{
	struct gw_core *core = call->core;
	struct side *stays = call_other(call, out);
	struct gw_route route;

	*why = "emergency calls are not handed over";
	if (is_emergency(call, asked->stays))
		return 403;
	*why = "another change is under way";
	if (call->fsm.state != GW_CALL_UP || call->upd.state != UPD_IDLE ||
	    gw_call_transferring(call))
		return 491;
	*why = "the gateway is going down";
	if (core->draining)
		return 503;
	*why = "this party cannot be replaced";
	if (out->profile != GW_PROFILE_CORE || !core->sip)
		return 488;
	route = gw_route_find(core->set, core->web, call->transfer.target,
			      stays->profile != GW_PROFILE_WEB,
			      call->registration[0] ? call->registration
						    : NULL);
	*why = route.why;
	if (route.leg == GW_ROUTE_REFUSE)
		return route.status;
	*why = "no party of that kind can take its place";
	return route.leg == GW_ROUTE_CORE ? 0 : 488;
}

void gw_call_transfer(struct gw_call *call, struct side *x,
		      const struct gw_msg *msg)
{
	struct side *out = msg->stays ? call_other(call, x) : x;
	struct transfer *t = &call->transfer;
	const char *why;
	uint16_t status;

	if (gw_call_transferring(call)) {
		refuse(call, x, 491, "a transfer is under way");
		return;
	}
	(void)snprintf(t->target, sizeof(t->target), "%s", msg->target.uri);
	status = strlen(msg->target.uri) >= sizeof(t->target) ? 414 : 0;
	why = "the target is too long";
	if (!status)
		status = check(call, out, msg, &why);
	if (status) {
		refuse(call, x, status, why);
		return;
	}
	t->offer = make_offer(call, out);
	if (!t->offer) {
		refuse(call, x, 488, "no media in common");
		return;
	}
	t->asked_by_out = out == x;
	t->out = out;
	gw_info(&call->log, "%s leg asks for %s in place of the %s leg",
		x->kind, t->target, out->kind);
	tell(call, x, 100, NULL, NULL);
	if (dial(call, out, msg)) {
		const struct gw_cause cause = {
			.status = 500, .text = "no leg could be made"
		};

		failed(call, &cause);
	}
}

/* ---- INVITE with Replaces ---- */

/* Our answer to the new party's offer; 0, or the status that refuses it. */
static uint16_t answer_new(struct gw_call *call, struct side *out,
			   const struct gw_msg *setup, char **answer,
			   struct gw_sess *content, struct gw_sess *offer)
{
	struct side *stays = call_other(call, out);
	struct gw_sess wish;
	struct gw_cause cause;
	int err;

	if (!setup->desc.text)
		return 488; /* the offer would have to be ours */
	if (gw_call_read(call, out, &setup->desc, offer, &cause))
		return cause.status;
	if (!gw_call_reachable(out, offer))
		return 488;
	if (stays->profile == GW_PROFILE_RESOURCE) {
		err = gw_sess_local_answer(content, offer, GW_DIR_SENDRECV,
					   NULL);
	} else {
		gw_call_wish(stays, &wish);
		err = gw_sess_relay_answer(content, offer, &wish);
	}
	if (err)
		return 488;
	*answer = gw_call_print(call, out, content, offer);
	return *answer ? 0 : 500;
}

static uint16_t replace(struct gw_call *call, struct side *out,
			struct gw_leg *leg, const struct gw_msg *setup)
{
	struct gw_msg answer = { .verb = GW_V_ANSWER };
	uint64_t id = out->o_id, version = out->o_version;
	struct gw_sess content, offer;
	char *local = NULL, *remote;
	uint16_t status;

	if (call->fsm.state != GW_CALL_UP || call->upd.state != UPD_IDLE ||
	    gw_call_transferring(call) || out->profile != GW_PROFILE_CORE)
		return 486;
	out->o_id = out->o_version = 0;
	status = answer_new(call, out, setup, &local, &content, &offer);
	remote = status ? NULL : gw_call_dup(&setup->desc);
	if (!status &&
	    (!remote || take_over(call, out, local, remote, &content, &offer)))
		status = 503;
	if (status) {
		out->o_id = id;
		out->o_version = version;
		free(local);
		free(remote);
		return status;
	}
	out->answered = false;
	answer.desc = (struct gw_desc){ GW_DESC_ANSWER, out->local,
					strlen(out->local) };
	gw_metric_add(&m_done, 1);
	gw_info(&call->log, "%s leg is replaced by a caller with Replaces",
		out->kind);
	/* The new one before the old is released (RFC 3891 3). */
	if (gw_leg_send(leg, &answer))
		gw_warn(&call->log, "the new party was not answered");
	(void)snprintf(call->transfer.done, sizeof(call->transfer.done), "%s",
		       call->transfer.target);
	change_legs(call, out, leg);
	introduce(call, call_other(call, out), &setup->asserted);
	return 0;
}

void gw_call_replace(struct gw_leg *leg, const struct gw_msg *setup)
{
	struct gw_leg *old = setup->instead_of;
	struct gw_call *call = old->arg;
	struct gw_msg no = { .verb = GW_V_RELEASE };
	struct side *out;

	GW_CHECK(call, CALL_MAGIC);
	out = old == call->a.leg ? &call->a : &call->b;
	(void)snprintf(call->transfer.target, sizeof(call->transfer.target),
		       "%s", setup->asserted.uri ? setup->asserted.uri : "");
	no.cause.status =
		out->leg == old ? replace(call, out, leg, setup) : 486;
	if (!no.cause.status)
		return;
	gw_metric_add(&m_refused, 1);
	gw_info(&call->log, "INVITE with Replaces refused, %u",
		no.cause.status);
	(void)gw_leg_send(leg, &no);
	gw_leg_free(leg);
}
