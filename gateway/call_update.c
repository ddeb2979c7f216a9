/*
 * Offers within the session: hold and resume, m-lines that come and go, ICE
 * restart, a reloaded page.  One at a time a call; a second one meets 491 (RFC
 * 3261 14.1).  x is the side whose offer is being answered, y the other.  What
 * we offer ourselves is in call_update_own.c.
 *
 * y is asked only when its own description would change: streams, direction,
 * or a codec in use that x no longer has.  What is x's transport alone (ICE,
 * DTLS, address) and a refresh are answered here, so that IMS never sees a
 * browser change networks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/metrics.h"
#include "gateway/call_priv.h"
#include "gateway/call_update_priv.h"

GW_COUNTER(m_forwarded, "isthmus_offers_total",
	   "Offers within a session, by what became of them",
	   "result=\"forwarded\"");
GW_COUNTER(m_local, "isthmus_offers_total",
	   "Offers within a session, by what became of them",
	   "result=\"answered_here\"");
GW_COUNTER(m_refused, "isthmus_offers_total",
	   "Offers within a session, by what became of them",
	   "result=\"refused\"");
GW_COUNTER(m_glare, "isthmus_offers_total",
	   "Offers within a session, by what became of them",
	   "result=\"glare\"");

void gw_call_update_reset(struct update *u)
{
	gw_call_keep(&u->offer_x, NULL);
	gw_call_keep(&u->answer_y, NULL);
	gw_call_keep(&u->offer_y, NULL);
	u->state = UPD_IDLE;
	u->forwarded = false;
	u->waits = u->held = 0;
	u->may_wait = u->waited = false;
	u->x = u->y = NULL;
}

void gw_call_update_fini(struct gw_call *call)
{
	gw_timer_stop(&call->upd.retry);
	gw_call_update_reset(&call->upd);
	call->upd.wanted = false;
}

static void tell(struct gw_call *call, struct side *s, const struct gw_msg *msg)
{
	int err = s->leg ? gw_leg_send(s->leg, msg) : 0;

	if (err)
		gw_warn(&call->log, "%s leg did not take verb %d: %s", s->kind,
			(int)msg->verb, strerror(-err));
}

void gw_call_update_deny(struct gw_call *call, struct side *x,
			 const struct gw_cause *cause)
{
	struct gw_msg msg = { .verb = GW_V_REFUSE, .cause = *cause };

	gw_metric_add(cause->status == 491 ? &m_glare : &m_refused, 1);
	gw_info(&call->log, "offer of the %s leg refused, %u%s%s", x->kind,
		cause->status, cause->text ? ": " : "",
		cause->text ? cause->text : "");
	tell(call, x, &msg);
}

/* What y agreed to is what it now believes, whatever becomes of x. */
static void keep_y(struct gw_call *call)
{
	struct update *u = &call->upd;

	if (!u->answer_y)
		return;
	gw_call_keep(&u->y->local, u->offer_y);
	u->offer_y = NULL;
	gw_call_keep(&u->y->remote, u->answer_y);
	u->answer_y = NULL;
	u->y->answered = true;
	gw_call_qos_told(call, u->y);
}

/* Media of @s as its descriptions are. */
static void follow(struct gw_call *call, struct side *s)
{
	struct gw_sess local, remote;

	gw_call_reread(s, s->local, &local);
	gw_call_reread(s, s->remote, &remote);
	(void)gw_call_configure(call, s, &local, &remote);
	gw_call_set_gates(call, s, &local, &remote, GW_GATE_BOTH);
}

static void refuse_because(struct gw_call *call, const struct gw_cause *cause)
{
	struct update *u = &call->upd;
	struct side *x = u->x, *y = u->y;
	bool in_vain = u->answer_y != NULL;
	/* Its resources came for what the other side does not want. */
	bool spare = x->shut_in & ~u->waits && cause->status != 491;

	(void)gw_oa_event(&x->oa, GW_OA_WE_REFUSE);
	keep_y(call);
	gw_call_update_reset(u);
	gw_call_update_deny(call, x, cause);
	if (in_vain) {
		follow(call, y);
		gw_call_update_restore(call, y);
	}
	if (spare)
		gw_call_update_restore(call, x);
}

static void refuse_pending(struct gw_call *call, uint16_t status,
			   const char *text)
{
	const struct gw_cause cause = { .status = status, .text = text };

	refuse_because(call, &cause);
}

/* ---- the answer to x ---- */

/* What x will be told, without transport.  0 or -ENOENT. */
static int compose_answer(struct gw_call *call, struct gw_sess *out,
			  const struct gw_sess *offer)
{
	struct update *u = &call->upd;
	struct gw_sess theirs;

	if (u->y->profile == GW_PROFILE_RESOURCE) {
		gw_call_reread(u->x, u->x->local, &theirs);
		return gw_sess_local_answer(out, offer, GW_DIR_SENDRECV,
					    &theirs);
	}
	gw_call_reread(u->y, u->answer_y ? u->answer_y : u->y->remote, &theirs);
	gw_call_qos_stand_in(u, offer, &theirs);
	return gw_sess_relay_answer(out, offer, &theirs);
}

static void apply_y(struct gw_call *call)
{
	struct update *u = &call->upd;
	struct gw_sess local, remote;

	if (u->y->profile == GW_PROFILE_RESOURCE) {
		gw_call_reread(u->x, u->x->local, &local);
		gw_call_reread(u->x, u->x->remote, &remote);
		(void)gw_call_configure_resource(call, u->y, &local, &remote);
		gw_call_set_gates(call, u->y, &remote, &local, GW_GATE_BOTH);
		return;
	}
	keep_y(call);
	follow(call, u->y);
}

/* x cannot be answered any more: the session stays as it was, for y too. */
static void given_up(struct gw_call *call)
{
	struct update *u = &call->upd;
	struct side *x = u->x, *y = u->y;
	bool asked = u->forwarded;

	gw_info(&call->log, "%s leg gave its offer up", x->kind);
	(void)gw_oa_event(&x->oa, GW_OA_WE_REFUSE);
	gw_call_update_reset(u);
	if (asked) {
		follow(call, y);
		gw_call_update_restore(call, y);
	}
}

/* Everything is known: commit both sides, answer x. */
static void complete(struct gw_call *call)
{
	struct update *u = &call->upd;
	struct side *x = u->x, *y = u->y;
	struct gw_sess offer, content, before, theirs;
	struct gw_msg msg = { .verb = GW_V_ACCEPT };
	char *text;

	gw_call_reread(x, u->offer_x, &offer);
	gw_call_reread(x, x->remote, &before);
	if (compose_answer(call, &content, &offer)) {
		refuse_pending(call, 488, "no codec in common");
		return;
	}
	/* RFC 8842 5.5: a new association chooses its roles anew. */
	if (gw_sess_changes(&before, &offer) & GW_CHANGE_DTLS) {
		x->peer_is_dtls_client = true;
		x->tls_id[0] = '\0';
	}
	text = gw_call_qos_answer(call, x, u->offer_x,
				  gw_call_print(call, x, &content, &offer));
	if (!text) {
		refuse_pending(call, 500, "out of memory");
		return;
	}
	/* Nothing is in force before x was told: it may have given up
	 * meanwhile (CANCEL of a re-INVITE). */
	keep_y(call);
	msg.desc = (struct gw_desc){ GW_DESC_ANSWER, text, strlen(text) };
	if (y->profile != GW_PROFILE_RESOURCE) {
		gw_call_reread(y, y->remote, &theirs);
		msg.held = gw_call_holds(&theirs);
	}
	if (!x->leg || gw_leg_send(x->leg, &msg)) {
		free(text);
		given_up(call);
		return;
	}
	gw_call_keep(&x->local, text);
	gw_call_keep(&x->remote, u->offer_x);
	x->answered = false;
	u->offer_x = NULL;
	(void)gw_oa_event(&x->oa, GW_OA_WE_ANSWER);

	/* A refresh touches no media: to configure what is there changes
	 * nothing, which the worker sees. */
	if (gw_call_configure(call, x, &content, &offer))
		gw_warn(&call->log,
			"media worker overloaded: the update of "
			"the %s leg is not in force",
			x->kind);
	gw_call_qos_resumed(call);
	gw_call_qos_shut(call, x, u->waits);
	gw_call_set_gates(call, x, &content, &offer, GW_GATE_BOTH);
	apply_y(call);
	gw_call_note_codec(call);
	gw_call_update_reset(u);

	gw_call_update_narrow(call);
}

/* y has agreed, or was not asked: ICE first, if x restarts it. */
static void proceed(struct gw_call *call)
{
	struct update *u = &call->upd;
	struct gw_sess offer, before, content;

	gw_call_reread(u->x, u->offer_x, &offer);
	gw_call_reread(u->x, u->x->remote, &before);
	if (compose_answer(call, &content, &offer)) {
		refuse_pending(call, 488, "no codec in common");
		return;
	}
	if (u->x->profile == GW_PROFILE_WEB &&
	    (gw_sess_changes(&before, &offer) & GW_CHANGE_ICE)) {
		if (gw_call_restart(call, u->x)) {
			refuse_pending(call, 503, "media overloaded");
			return;
		}
		u->state = UPD_RESTARTING;
		return;
	}
	complete(call);
}

/* ---- must y be asked? ---- */

/* What y sends now must be in what x will be told: an order of preference that
 * changes is no reason to disturb y. */
static bool codec_lost(struct gw_call *call, const struct gw_sess *offer)
{
	struct update *u = &call->upd;
	struct gw_sess content, local, remote;

	if (compose_answer(call, &content, offer))
		return true;
	gw_call_reread(u->y, u->y->local, &local);
	gw_call_reread(u->y, u->y->remote, &remote);
	for (unsigned i = 0; i < content.nstream; i++) {
		const struct gw_sess_codec *was;
		bool found = false;

		if (!call_live(&content, i) || !call_live(&local, i) ||
		    !call_live(&remote, i))
			continue;
		was = gw_call_agreed(&local, &remote, i);
		for (unsigned c = 0; was && c < content.stream[i].ncodec; c++)
			found |=
				gw_codec_same(was, &content.stream[i].codec[c]);
		if (was && !found)
			return true;
	}
	return false;
}

/* m-line @i comes, goes, or is tried again after y had refused it: then the
 * description is a new one, and no refresh (RFC 3264 8). */
static bool stream_changes(const struct gw_sess *fwd,
			   const struct gw_sess *before,
			   const struct gw_sess *y_local,
			   const struct gw_sess *y_remote, unsigned i,
			   bool says_anew)
{
	bool was = call_live(y_local, i) && call_live(y_remote, i);

	if (!call_live(fwd, i))
		return was;
	return !was &&
	       (says_anew || !call_live(y_local, i) || !call_live(before, i));
}

static bool y_must_be_asked(struct gw_call *call, const struct gw_sess *offer,
			    const struct gw_sess *fwd)
{
	struct update *u = &call->upd;
	struct gw_sess before, y_local, y_remote;
	unsigned n = offer->nstream;
	bool says_anew;

	if (u->y->profile == GW_PROFILE_RESOURCE)
		return false;
	gw_call_reread(u->x, u->x->remote, &before);
	says_anew = offer->id != before.id || offer->version != before.version;
	gw_call_reread(u->y, u->y->local, &y_local);
	gw_call_reread(u->y, u->y->remote, &y_remote);
	for (unsigned i = 0; i < n; i++) {
		if (stream_changes(fwd, &before, &y_local, &y_remote, i,
				   says_anew))
			return true;
		if (call_live(fwd, i) && call_live(&before, i) &&
		    offer->stream[i].dir != before.stream[i].dir)
			return true;
	}
	return codec_lost(call, offer);
}

static void forward(struct gw_call *call, struct gw_sess *fwd,
		    const struct gw_sess *offer)
{
	struct update *u = &call->upd;
	struct gw_msg msg = { .verb = GW_V_OFFER };
	int err;

	u->offer_y = gw_call_print(call, u->y, fwd, NULL);
	if (!u->offer_y) {
		refuse_pending(call, 500, "out of memory");
		return;
	}
	if (gw_oa_event(&u->y->oa, GW_OA_WE_OFFER)) {
		refuse_pending(call, 491, "the other side is being changed");
		return;
	}
	msg.desc = (struct gw_desc){ GW_DESC_OFFER, u->offer_y,
				     strlen(u->offer_y) };
	msg.held = gw_call_holds(offer);
	err = gw_leg_send(u->y->leg, &msg);
	if (err) {
		(void)gw_oa_event(&u->y->oa, GW_OA_PEER_REFUSES);
		refuse_pending(call, err == -EAGAIN ? 491 : 500,
			       "the other side cannot be changed now");
		return;
	}
	u->state = UPD_FORWARDED;
	u->forwarded = true;
	gw_metric_add(&m_forwarded, 1);
}

/* x hears what it would get; both sides go on with what they have (RFC 3312
 * 6), so that nothing is to be undone where its resources never come. */
static void suspend(struct gw_call *call, const struct gw_sess *offer)
{
	struct update *u = &call->upd;
	struct gw_msg msg = { .verb = GW_V_ACCEPT,
			      .waits = true,
			      .conditions = true };
	struct side *x = u->x;
	struct gw_sess content;
	char *text = NULL;

	if (compose_answer(call, &content, offer)) {
		refuse_pending(call, 488, "no codec in common");
		return;
	}
	text = gw_call_qos_answer(call, x, u->offer_x,
				  gw_call_print(call, x, &content, offer));
	if (!text) {
		refuse_pending(call, 500, "out of memory");
		return;
	}
	msg.desc = (struct gw_desc){ GW_DESC_ANSWER, text, strlen(text) };
	if (!x->leg || gw_leg_send(x->leg, &msg)) {
		given_up(call);
	} else {
		(void)gw_oa_event(&x->oa, GW_OA_WE_ANSWER);
		gw_call_qos_suspended(call);
		gw_call_update_reset(u);
	}
	free(text);
}

/* Every m-line of x's @offer has its media. */
static void consider(struct gw_call *call, const struct gw_sess *offer)
{
	struct update *u = &call->upd;
	struct gw_sess y_local, fwd;
	bool have_fwd;

	if (u->waits && u->may_wait) {
		suspend(call, offer);
		return;
	}
	have_fwd = u->y->profile != GW_PROFILE_RESOURCE;
	if (have_fwd) {
		gw_call_reread(u->y, u->y->local, &y_local);
		if (gw_call_relay_offer(u->y, &fwd, offer, &y_local)) {
			refuse_pending(call, 488, "no media in common");
			return;
		}
		gw_call_qos_hold_back(u, &fwd);
	}
	if (have_fwd && y_must_be_asked(call, offer, &fwd)) {
		forward(call, &fwd, offer);
		return;
	}
	gw_metric_add(&m_local, 1);
	proceed(call);
}

/* m-lines that are new, or come back from the dead (RFC 3264 8.1). */
static void reserve(struct gw_call *call, const struct gw_sess *offer)
{
	struct update *u = &call->upd;

	u->state = UPD_RESERVING;
	if (gw_call_reserve(call, u->x, offer, false) ||
	    gw_call_reserve(call, u->y, offer, true)) {
		u->x->serial = u->y->serial = 0;
		refuse_pending(call, 503, "media workers are overloaded");
	}
}

void gw_call_update_reserved(struct gw_call *call, struct side *s)
{
	struct update *u = &call->upd;
	struct gw_sess offer;

	if (u->state == UPD_RESTARTING && u->x == s) {
		complete(call);
	} else if (u->state == UPD_RESERVING && !u->x->serial &&
		   !u->y->serial) {
		gw_call_reread(u->x, u->offer_x, &offer);
		consider(call, &offer);
	}
}

bool gw_call_update_not_reserved(struct gw_call *call)
{
	if (call->upd.state != UPD_RESERVING)
		return false;
	call->a.serial = call->b.serial = 0;
	refuse_pending(call, 503, "no media resources");
	return true;
}

void gw_call_update_offer(struct gw_call *call, struct side *x,
			  const struct gw_msg *msg)
{
	struct update *u = &call->upd;
	struct gw_cause cause = { .status = 491,
				  .text = "another change is under way" };
	struct gw_sess offer;

	if (call->fsm.state != GW_CALL_UP || u->state != UPD_IDLE ||
	    gw_call_transferring(call)) {
		gw_call_update_deny(call, x, &cause);
		return;
	}
	if (!msg->desc.text) {
		gw_call_update_late(call, x);
		return;
	}
	if (gw_call_read(call, x, &msg->desc, &offer, &cause)) {
		gw_call_update_deny(call, x, &cause);
		return;
	}
	if (gw_oa_event(&x->oa, GW_OA_PEER_OFFERS)) {
		gw_call_update_deny(call, x, &cause);
		return;
	}

	u->x = x;
	u->y = call_other(call, x);
	u->may_wait = msg->reliable;
	u->waited = msg->waits;
	u->offer_x = gw_call_dup(&msg->desc);
	if (!u->offer_x) {
		refuse_pending(call, 500, "out of memory");
		return;
	}
	if (gw_call_qos_judge(call, &offer)) {
		refuse_pending(call, 580, "a precondition that is not of ours");
		return;
	}
	if (gw_call_lacks_streams(u->x, &offer) ||
	    gw_call_lacks_streams(u->y, &offer))
		reserve(call, &offer);
	else
		consider(call, &offer);
}

/* ---- answers to what we offered ---- */

bool gw_call_update_fits(struct gw_call *call, struct side *s,
			 const char *offer_text, const struct gw_desc *desc,
			 struct gw_sess *answer)
{
	struct gw_sess offer;
	struct gw_sdp_error err = { 0 };
	struct gw_cause cause;

	if (!desc->text || gw_call_read(call, s, desc, answer, &cause) ||
	    !gw_call_reachable(s, answer)) {
		gw_warn(&call->log, "%s leg: unusable answer", s->kind);
		return false;
	}
	gw_call_reread(s, offer_text, &offer);
	if (gw_sess_check_answer(&offer, answer, &err)) {
		gw_warn(&call->log, "%s leg: the answer does not fit: %s",
			s->kind, err.text);
		return false;
	}
	return true;
}

static void forwarded_accept(struct gw_call *call, const struct gw_msg *msg)
{
	struct update *u = &call->upd;
	struct side *y = u->y;
	struct gw_sess answer;

	if (!gw_call_update_fits(call, y, u->offer_y, &msg->desc, &answer)) {
		(void)gw_oa_event(&y->oa, GW_OA_PEER_REFUSES);
		refuse_pending(call, 488,
			       "the other side's answer is unusable");
		gw_call_update_restore(call, y);
		return;
	}
	(void)gw_oa_event(&u->y->oa, GW_OA_PEER_ANSWERS);
	u->answer_y = gw_call_dup(&msg->desc);
	if (!u->answer_y) {
		refuse_pending(call, 500, "out of memory");
		return;
	}
	proceed(call);
}

void gw_call_update_accept(struct gw_call *call, struct side *s,
			   const struct gw_msg *msg)
{
	struct update *u = &call->upd;

	if (u->state == UPD_FORWARDED && s == u->y)
		forwarded_accept(call, msg);
	else if ((u->state == UPD_LATE || u->state == UPD_OWN) && s == u->x)
		gw_call_update_own_accept(call, msg);
	else
		gw_warn(&call->log, "%s leg: an answer nobody asked for",
			s->kind);
}

void gw_call_update_refuse(struct gw_call *call, struct side *s,
			   const struct gw_msg *msg)
{
	struct update *u = &call->upd;

	if (u->state == UPD_FORWARDED && s == u->y) {
		(void)gw_oa_event(&s->oa, GW_OA_PEER_REFUSES);
		refuse_because(call, &msg->cause);
	} else if ((u->state == UPD_OWN || u->state == UPD_LATE) && s == u->x) {
		gw_call_update_own_refuse(call, msg);
	}
}
