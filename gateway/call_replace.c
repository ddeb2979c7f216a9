/*
 * A caller in place of one of the two parties: INVITE with Replaces (RFC 3891),
 * or another call of this gateway by way of a link.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/call_transfer_priv.h"

/* Our answer to what the new party offers; 0, or the status that refuses it. */
static uint16_t answer_new(struct gw_call *call, struct side *s,
			   const struct gw_desc *desc, char **answer,
			   struct gw_sess *content, struct gw_sess *offer)
{
	struct side *stays = call_other(call, call->transfer.out);
	struct gw_sess wish;
	struct gw_cause cause;
	int err;

	if (gw_call_read(call, s, desc, offer, &cause))
		return cause.status;
	if (!gw_call_reachable(s, offer))
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
	*answer = gw_call_print(call, s, content, offer);
	return *answer ? 0 : 500;
}

/* 0, or the status that refuses it: the leg is still there then. */
static uint16_t seat(struct gw_call *call)
{
	struct transfer *t = &call->transfer;
	struct side *out = t->out, *s = t->in ? t->in : out;
	const struct gw_desc desc = { GW_DESC_OFFER, t->offer,
				      strlen(t->offer) };
	struct gw_msg answer = { .verb = GW_V_ANSWER };
	struct gw_party who = { t->target[0] ? t->target : NULL, NULL };
	uint64_t id = s->o_id, version = s->o_version;
	struct gw_sess content, offer;
	char *local = NULL;
	uint16_t status;

	s->o_id = s->o_version = 0;
	status = answer_new(call, s, &desc, &local, &content, &offer);
	if (!status && gw_call_newcomer_takes_over(call, local, t->offer,
						   &content, &offer))
		status = 503;
	if (status) {
		if (s == out) {
			s->o_id = id;
			s->o_version = version;
		}
		free(local);
		return status;
	}
	t->offer = NULL; /* it is out->remote now */
	out->answered = false;
	answer.desc = (struct gw_desc){ GW_DESC_ANSWER, out->local,
					strlen(out->local) };
	/* The new one before the old is released (RFC 3891 3). */
	if (gw_leg_send(t->leg, &answer))
		gw_warn(&call->log, "the new party was not answered");
	gw_call_newcomer_seated(call, &who);
	return 0;
}

void gw_call_replace_reserved(struct gw_call *call)
{
	struct gw_leg *leg = call->transfer.leg;
	struct gw_msg no = { .verb = GW_V_RELEASE };

	no.cause.status = seat(call);
	if (!no.cause.status)
		return;
	(void)gw_leg_send(leg, &no);
	gw_leg_free(leg);
	gw_call_transfer_failed(call, &no.cause);
}

static uint16_t replace(struct gw_call *call, struct side *out,
			struct gw_leg *leg, const struct gw_msg *setup)
{
	struct transfer *t = &call->transfer;
	struct side its = { .profile = leg->ops->profile };
	struct gw_sess offer;
	struct gw_cause cause;
	uint16_t status = 0;

	if (call->fsm.state != GW_CALL_UP || call->upd.state != UPD_IDLE ||
	    gw_call_transferring(call))
		return 486;
	if (!setup->desc.text)
		return 488; /* the offer would have to be ours */
	if (gw_call_read(call, &its, &setup->desc, &offer, &cause))
		return cause.status;
	(void)snprintf(t->target, sizeof(t->target), "%s",
		       setup->asserted.uri ? setup->asserted.uri : "");
	t->withheld = setup->privacy;
	t->out = out;
	t->leg = leg;
	t->incoming = true;
	t->offer = gw_call_dup(&setup->desc);
	leg->handler = gw_call_newcomer_says;
	leg->arg = call;
	(void)snprintf(leg->call_id, sizeof(leg->call_id), "%s", call->id);
	if (!t->offer)
		status = 500;
	else if (gw_call_newcomer_fits(out, leg->ops->profile))
		status = seat(call);
	else if (gw_call_newcomer_reserve(call))
		status = 503;
	if (status)
		gw_call_transfer_reset(call);
	return status;
}

static void try_replace(struct gw_call *call, struct side *out,
			struct gw_leg *leg, const struct gw_msg *setup)
{
	struct gw_msg no = { .verb = GW_V_RELEASE };

	no.cause.status =
		out && out->leg ? replace(call, out, leg, setup) : 486;
	if (!no.cause.status)
		return;
	gw_call_transfer_refused();
	gw_info(&call->log, "a caller in place of another refused, %u",
		no.cause.status);
	(void)gw_leg_send(leg, &no);
	gw_leg_free(leg);
}

void gw_call_replace(struct gw_leg *leg, const struct gw_msg *setup)
{
	struct gw_leg *old = setup->instead_of;
	struct gw_call *call = old->arg;
	struct side *out = NULL;

	GW_CHECK(call, CALL_MAGIC);
	if (old == call->a.leg)
		out = &call->a;
	else if (old == call->b.leg)
		out = &call->b;
	try_replace(call, out, leg, setup);
}

int gw_call_replace_at(struct gw_core *core, gw_ctx_id ctx, enum gw_term term,
		       struct gw_leg *leg, const struct gw_msg *setup)
{
	struct gw_call *call;

	HASH_FIND(hh, core->calls, &ctx, sizeof(ctx), call);
	if (!call)
		return -ENOENT;
	try_replace(call, term == GW_TERM_A ? &call->a : &call->b, leg, setup);
	return 0;
}
