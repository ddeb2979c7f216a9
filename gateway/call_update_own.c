/*
 * Our own offers within the session: what x asks for, what it must have after
 * a change that failed, and fewer codecs where its own do not suit the other
 * side.  x is the side that is offered to, y the other.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/call_priv.h"
#include "gateway/call_update_priv.h"

#define NARROW_RETRY_MS 1000
#define NARROW_TRIES    5

/* ---- x asks for our offer (re-INVITE without SDP, or a refresh) ---- */

static const char *behind_origin(const char *text)
{
	const char *at = strstr(text, "\no=");

	at = at ? strchr(at + 1, '\n') : NULL;
	return at ? at : text;
}

/* RFC 3264 8: what says nothing new has the version that it had. */
static char *unchanged(struct side *x, char *text)
{
	char *again;

	if (strcmp(behind_origin(text), behind_origin(x->local)) != 0)
		return text;
	again = strdup(x->local);
	if (!again)
		return text;
	free(text);
	x->o_version--;
	return again;
}

void gw_call_update_late(struct gw_call *call, struct side *x)
{
	struct update *u = &call->upd;
	struct side *y = call_other(call, x);
	struct gw_sess from, previous, content;
	struct gw_msg msg = { .verb = GW_V_ACCEPT };
	struct gw_cause cause = { .status = 500, .text = "no offer possible" };
	char *text = NULL;
	int err;

	gw_call_reread(x, x->local, &previous);
	if (y->profile == GW_PROFILE_RESOURCE) {
		from = previous;
		for (unsigned i = 0; i < from.nstream; i++)
			from.stream[i].dir = GW_DIR_SENDRECV;
	} else {
		gw_call_wish(y, &from);
	}
	err = gw_call_relay_offer(x, &content, &from, &previous);
	if (!err)
		text = gw_call_print(call, x, &content, NULL);
	if (text && previous.version + 1 == x->o_version)
		text = unchanged(x, text);
	if (!text || gw_oa_event(&x->oa, GW_OA_WE_OFFER)) {
		free(text);
		gw_call_update_deny(call, x, &cause);
		return;
	}
	msg.desc = (struct gw_desc){ GW_DESC_OFFER, text, strlen(text) };
	if (!x->leg || gw_leg_send(x->leg, &msg)) {
		(void)gw_oa_event(&x->oa, GW_OA_PEER_REFUSES);
		free(text);
		gw_call_update_deny(call, x, &cause);
		return;
	}
	u->state = UPD_LATE;
	u->x = x;
	u->y = y;
	gw_call_keep(&x->pending, text);
}

/* ---- whose turn it is ---- */

static void want(struct gw_call *call, struct side *s)
{
	struct update *u = &call->upd;

	u->wanted = true;
	u->narrow = s;
	u->tries = 0;
	gw_timer_start_us(gw_loop_timers(call->core->loop), &u->retry, 0);
}

/* One of ours is done with: the other side may wait for one, too. */
static void next_owed(struct gw_call *call)
{
	if (call->upd.wanted)
		return;
	if (call->a.owed)
		want(call, &call->a);
	else if (call->b.owed)
		want(call, &call->b);
}

static void give_up(struct gw_call *call)
{
	call->upd.wanted = false;
	call->upd.narrow->owed = false;
	next_owed(call);
}

static void wait_and_retry(struct gw_call *call)
{
	call->upd.wanted = true;
	gw_timer_start_ms(gw_loop_timers(call->core->loop), &call->upd.retry,
			  NARROW_RETRY_MS);
}

static void retry_own(struct gw_call *call)
{
	if (++call->upd.tries <= NARROW_TRIES) {
		wait_and_retry(call);
		return;
	}
	gw_warn(&call->log, "%s leg never took our offer",
		call->upd.narrow->kind);
	give_up(call);
}

/* ---- what x says to it ---- */

void gw_call_update_own_accept(struct gw_call *call, const struct gw_msg *msg)
{
	struct update *u = &call->upd;
	struct side *x = u->x, *y = u->y;
	struct gw_sess answer, before, local;
	bool late = u->state == UPD_LATE, dir_changed;
	char *text;

	if (!gw_call_update_fits(call, x, x->pending, &msg->desc, &answer)) {
		(void)gw_oa_event(&x->oa, GW_OA_PEER_REFUSES);
		gw_call_keep(&x->pending, NULL);
		gw_call_update_reset(u);
		/* An ACK cannot be refused: both ends would go on in different
		 * sessions. */
		if (late && x->profile == GW_PROFILE_CORE)
			gw_call_end(call, "gateway", 488,
				    "the answer to our offer is unusable");
		else
			next_owed(call);
		return;
	}
	(void)gw_oa_event(&x->oa, GW_OA_PEER_ANSWERS);
	gw_call_reread(x, x->remote, &before);
	dir_changed = false;
	for (unsigned i = 0; i < answer.nstream && i < before.nstream; i++)
		dir_changed |= answer.stream[i].dir != before.stream[i].dir ||
			       call_live(&answer, i) != call_live(&before, i);
	text = gw_call_dup(&msg->desc);
	if (text) {
		gw_call_keep(&x->remote, text);
		x->answered = true;
	}
	gw_call_keep(&x->local, x->pending);
	x->pending = NULL;
	gw_call_qos_told(call, x);
	gw_call_update_reset(u);

	gw_call_reread(x, x->local, &local);
	if (gw_call_configure(call, x, &local, &answer))
		gw_warn(&call->log,
			"media worker overloaded: the update of "
			"the %s leg is not in force",
			x->kind);
	gw_call_set_gates(call, x, &local, &answer, GW_GATE_BOTH);
	gw_call_note_codec(call);
	if (y->profile == GW_PROFILE_RESOURCE) {
		/* An echo has no peer to be told: it follows. */
		(void)gw_call_configure_resource(call, y, &local, &answer);
		gw_call_set_gates(call, y, &answer, &local, GW_GATE_BOTH);
		return;
	}
	gw_call_update_narrow(call);

	/* A party that came back, or left, in answer to our offer: the other
	 * one must hear of it. */
	if (late && dir_changed)
		gw_call_update_restore(call, y);
	next_owed(call);
}

void gw_call_update_own_refuse(struct gw_call *call, const struct gw_msg *msg)
{
	struct update *u = &call->upd;
	struct side *x = u->x;
	bool own = u->state == UPD_OWN;

	(void)gw_oa_event(&x->oa, GW_OA_PEER_REFUSES);
	gw_call_keep(&x->pending, NULL);
	gw_call_update_reset(u);
	/* A client that was away when it was offered may be back. */
	if (own && (msg->cause.status == 491 ||
		    (call_is_web(x) && msg->cause.status == 504)))
		retry_own(call);
	else if (own)
		gw_warn(&call->log, "%s leg refused our offer: %u", x->kind,
			msg->cause.status);
	next_owed(call);
}

/* ---- on our own account ---- */

/* Offer to u->narrow what the other side has. */
static void own_offer(struct gw_call *call)
{
	struct update *u = &call->upd;
	struct side *x = u->narrow, *y = call_other(call, x);
	struct gw_sess from, previous, content;
	struct gw_msg msg = { .verb = GW_V_OFFER };
	char *text;

	if (call->fsm.state != GW_CALL_UP || !u->wanted)
		return;
	/* Somebody else's, which ends; or its party is being replaced: it would
	 * be gone before it answers, or has gone already. */
	if (u->state != UPD_IDLE || x == call->transfer.out) {
		wait_and_retry(call);
		return;
	}
	if (!x->leg)
		return;
	if (y->profile == GW_PROFILE_RESOURCE) {
		u->wanted = false; /* it takes whatever comes */
		return;
	}
	gw_call_reread(x, x->local, &previous);
	gw_call_reread(y, y->remote, &from);
	if (gw_call_relay_offer(x, &content, &from, &previous)) {
		give_up(call);
		return;
	}
	text = gw_call_print(call, x, &content, NULL);
	if (!text || gw_oa_event(&x->oa, GW_OA_WE_OFFER)) {
		free(text);
		retry_own(call);
		return;
	}
	gw_call_keep(&x->pending, text);
	msg.desc = (struct gw_desc){ GW_DESC_OFFER, text, strlen(text) };
	msg.held = y->held;
	if (gw_leg_send(x->leg, &msg)) {
		(void)gw_oa_event(&x->oa, GW_OA_PEER_REFUSES);
		gw_call_keep(&x->pending, NULL);
		retry_own(call);
		return;
	}
	u->wanted = x->owed = false;
	u->state = UPD_OWN;
	u->x = x;
	u->y = y;
}

static void on_retry(struct gw_timer *t, void *arg)
{
	struct gw_call *call = arg;

	(void)t;
	GW_CHECK(call, CALL_MAGIC);
	own_offer(call);
}

void gw_call_update_restore(struct gw_call *call, struct side *s)
{
	s->owed = true;
	next_owed(call);
}

void gw_call_update_left(struct gw_call *call, struct side *s)
{
	struct update *u = &call->upd;

	s->owed = false;
	if (!u->wanted || u->narrow != s)
		return;
	u->wanted = false;
	gw_timer_stop(&u->retry);
}

void gw_call_update_narrow(struct gw_call *call)
{
	struct update *u = &call->upd;

	if (call->a.profile == GW_PROFILE_RESOURCE ||
	    call->b.profile == GW_PROFILE_RESOURCE || u->wanted ||
	    u->state != UPD_IDLE)
		return;
	if (gw_call_too_wide(call, &call->a))
		u->narrow = &call->a;
	else if (gw_call_too_wide(call, &call->b))
		u->narrow = &call->b;
	else
		return;
	u->wanted = true;
	u->tries = 0;
	own_offer(call);
}

void gw_call_offer_again(struct gw_call *call, struct side *s)
{
	struct side *o = call_other(call, s);
	struct gw_sess local, remote;

	if (s->profile != GW_PROFILE_RESOURCE) {
		gw_call_update_restore(call, s);
		return;
	}
	gw_call_reread(o, o->local, &local);
	gw_call_reread(o, o->remote, &remote);
	(void)gw_call_configure_resource(call, s, &local, &remote);
	gw_call_set_gates(call, s, &remote, &local, GW_GATE_BOTH);
}

void gw_call_update_init(struct gw_call *call)
{
	gw_timer_init(&call->upd.retry, on_retry, call);
}
