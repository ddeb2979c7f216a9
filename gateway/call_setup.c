/*
 * What a call does on its way up: each function here is one effect of
 * gateway/call_fsm.h.  Four patterns of offer and answer meet in them:
 *
 *   A offers, B answers                       the usual one
 *   A does not offer, the gateway offers A    RESPECT without preOffer
 *   A does not offer, the gateway offers B    INVITE without SDP to a browser
 *   A does not offer, nor do we: B offers     late offer passed through
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/call_priv.h"

void gw_call_say(struct gw_call *call, const struct side *s,
		 const struct gw_msg *msg)
{
	int err = s->leg ? gw_leg_send(s->leg, msg) : 0;

	if (err)
		gw_warn(&call->log, "%s leg did not take verb %d: %s", s->kind,
			(int)msg->verb, strerror(-err));
}

static struct gw_desc desc_of(enum gw_desc_role role, const char *text)
{
	return (struct gw_desc){
		.role = role,
		.text = text,
		.len = text ? strlen(text) : 0,
	};
}

/* Print @content as our offer to @s and keep it until it is answered. */
static int offer_to(struct gw_call *call, struct side *s,
		    struct gw_sess *content, enum gw_oa_event ev)
{
	char *text = gw_call_print(call, s, content, NULL);

	if (!text)
		return gw_call_because(call, 500, "out of memory");
	gw_call_keep(&s->pending, text);
	return gw_oa_event(&s->oa, ev);
}

int gw_call_ask(struct gw_call *call)
{
	struct gw_sess content;
	struct gw_msg msg = { .verb = GW_V_OFFER };
	int err;

	if (gw_call_default_offer(call, &content))
		return gw_call_because(call, 500, "no codecs configured");
	err = offer_to(call, &call->a, &content, GW_OA_WE_OFFER);
	if (err)
		return err;
	msg.desc = desc_of(GW_DESC_OFFER, call->a.pending);
	/* Somebody may have to allow the microphone first. */
	gw_timer_start_ms(gw_loop_timers(call->core->loop), &call->watch,
			  1000ull * call->core->set->sip.ring_timeout_s);
	return gw_leg_send(call->a.leg, &msg);
}

int gw_call_fits(struct gw_call *call, struct side *s, const char *offer_text,
		 const struct gw_desc *desc, struct gw_sess *answer)
{
	struct gw_sess offer;
	struct gw_sdp_error err = { 0 };
	struct gw_cause cause;

	if (!offer_text || !desc->text)
		return gw_call_blame(call, s, 488, "an answer was expected");
	if (gw_call_read(call, s, desc, answer, &cause))
		return gw_call_blame(call, s, cause.status, cause.text);
	gw_call_reread(s, offer_text, &offer);
	if (gw_sess_check_answer(&offer, answer, &err))
		return gw_call_blame(call, s, 488, err.text);
	if (!gw_call_reachable(s, answer))
		return gw_call_blame(call, s, 488, "another IP version");
	return 0;
}

/*
 * @s' peer answered s->pending with @desc: read it, see that it fits, and keep
 * both.  @answer is filled.  The cause is set on failure.
 */
static int take_answer(struct gw_call *call, struct side *s,
		       const struct gw_desc *desc, struct gw_sess *answer)
{
	int err = gw_call_fits(call, s, s->pending, desc, answer);
	char *text;

	if (err)
		return err;
	if (gw_oa_event(&s->oa, GW_OA_PEER_ANSWERS))
		return gw_call_because(call, 500, "answer out of place");
	text = gw_call_dup(desc);
	if (!text)
		return gw_call_because(call, 500, "out of memory");
	gw_call_keep(&s->remote, text);
	s->answered = true;
	gw_call_keep(&s->local, s->pending);
	s->pending = NULL;
	s->described = true;
	return 0;
}

int gw_call_asked(struct gw_call *call, const struct gw_msg *msg)
{
	struct gw_sess local, answer;
	int err = take_answer(call, &call->a, &msg->desc, &answer);

	if (err)
		return err;
	/* ICE and DTLS may begin while the other side still rings. */
	gw_call_reread(&call->a, call->a.local, &local);
	return gw_call_configure(call, &call->a, &local, &answer);
}

int gw_call_ask_for(struct gw_call *call, const struct gw_sess *theirs)
{
	struct gw_sess content;
	struct gw_msg msg = { .verb = GW_V_OFFER };
	int err;

	if (gw_call_relay_offer(&call->a, &content, theirs, NULL))
		return gw_call_because(call, 488, "no media in common");
	err = offer_to(call, &call->a, &content, GW_OA_WE_OFFER);
	if (err)
		return err;
	msg.desc = desc_of(GW_DESC_OFFER, call->a.pending);
	return gw_leg_send(call->a.leg, &msg);
}

/* What B shall be offered; false: nothing, B offers (late offer). */
static bool offer_for_b(struct gw_call *call, struct gw_sess *out, int *err)
{
	struct side *a = &call->a;
	struct gw_sess from;

	*err = 0;
	if (a->pending || a->remote) {
		gw_call_reread(a, a->pending ? a->pending : a->remote, &from);
		gw_call_qos_restrict(call, &from);
		*err = gw_call_relay_offer(&call->b, out, &from, NULL);
		if (*err)
			gw_call_because(call, 488, "no media in common");
		return true;
	}
	if (call->b.profile == GW_PROFILE_CORE)
		return false;
	*err = gw_call_default_offer(call, out);
	return true;
}

int gw_call_call(struct gw_call *call)
{
	struct gw_sess content;
	struct gw_msg msg = {
		.verb = GW_V_SETUP,
		.asserted = {call->from[0] ? call->from : NULL,
                             call->from_name[0] ? call->from_name : NULL},
		.target = { call->to,                         NULL    },
		.privacy = call->privacy,
		.emergency = call->emergency,
		.call_info = call->info,
	};
	int err = 0;

	/* A call that comes from the core for a registration does not go back
	 * there in its name. */
	if (call->registration[0] && call->a.profile != call->b.profile)
		msg.registration = call->registration;

	if (call->b.profile != GW_PROFILE_RESOURCE &&
	    offer_for_b(call, &content, &err)) {
		gw_call_qos_invite(call);
		if (!err)
			err = offer_to(call, &call->b, &content,
				       GW_OA_WE_OFFER);
		if (err)
			return err;
		call->invite_version = call->b.o_version;
		msg.desc = desc_of(GW_DESC_OFFER, call->b.pending);
	}
	gw_timer_start_ms(gw_loop_timers(call->core->loop), &call->watch,
			  1000ull * call->core->set->sip.ring_timeout_s + 2000);
	err = gw_leg_send(call->b.leg, &msg);
	free(call->info);
	call->info = NULL;
	return err;
}

/*
 * A's offer answered with what B (@theirs; NULL: a resource, or nothing heard
 * yet that would bind us) accepted.  Sets A's local and remote.
 */
int gw_call_answer_a(struct gw_call *call, const struct gw_sess *theirs,
		     bool early)
{
	struct side *a = &call->a;
	struct gw_sess offer, content;
	char *text;
	int err;

	gw_call_reread(a, a->pending, &offer);
	if (theirs)
		err = gw_sess_relay_answer(&content, &offer, theirs);
	else
		err = gw_sess_local_answer(&content, &offer, GW_DIR_SENDRECV,
					   NULL);
	if (err)
		return gw_call_because(call, 488, "no codec in common");
	text = gw_call_print(call, a, &content, &offer);
	if (!text)
		return gw_call_because(call, 500, "out of memory");
	gw_call_keep(&a->local, text);
	text = strdup(a->pending);
	if (!text)
		return gw_call_because(call, 500, "out of memory");
	gw_call_keep(&a->remote, text);

	err = gw_oa_event(&a->oa,
			  early ? GW_OA_WE_ANSWER_EARLY : GW_OA_WE_ANSWER);
	if (err)
		return err;
	return gw_call_configure(call, a, &content, &offer);
}

/* Both sides are described: let media through, as far as @a_mask and @b_mask.
 */
void gw_call_open_gates(struct gw_call *call, enum gw_gate a_mask,
			enum gw_gate b_mask)
{
	struct gw_sess local, remote;

	gw_call_reread(&call->a, call->a.local, &local);
	gw_call_reread(&call->a, call->a.remote, &remote);
	gw_call_set_gates(call, &call->a, &local, &remote, a_mask);
	if (call->b.profile == GW_PROFILE_RESOURCE) {
		/* An echo sends just what it hears. */
		(void)gw_call_configure_resource(call, &call->b, &local,
						 &remote);
		gw_call_set_gates(call, &call->b, &remote, &local, b_mask);
		return;
	}
	gw_call_reread(&call->b, call->b.local, &local);
	gw_call_reread(&call->b, call->b.remote, &remote);
	gw_call_set_gates(call, &call->b, &local, &remote, b_mask);
}

/* The dialog that answered is the one that B is described by from now on. */
static int take_b_answer(struct gw_call *call, struct gw_sess *answer)
{
	struct side *b = &call->b;
	const struct gw_desc *desc = &call->said->desc;
	struct early *e = gw_call_early_find(call, call->said->branch);
	struct gw_sess local;
	int err;

	if (e && e->oa.state == GW_OA_REMOTE_EARLY &&
	    b->oa.state == GW_OA_IDLE) {
		(void)gw_oa_event(&b->oa, GW_OA_PEER_OFFERS);
		(void)gw_oa_event(&b->oa, GW_OA_WE_ANSWER);
		b->described = true;
		return gw_call_early_adopt(call, e, answer);
	}
	if (e && e->remote && (e->firm || !desc->text)) {
		if (gw_oa_event(&b->oa, GW_OA_PEER_ANSWERS))
			return gw_call_because(call, 500,
					       "answer out of place");
		gw_call_keep(&b->pending, NULL);
		b->described = true;
		return gw_call_early_adopt(call, e, answer);
	}
	/* Other dialogs may have heard more of us than this one. */
	b->o_version = call->invite_version;
	err = take_answer(call, b, desc, answer);
	if (err)
		return err;
	gw_call_reread(b, b->local, &local);
	return gw_call_configure(call, b, &local, answer);
}

static void up(struct gw_call *call)
{
	gw_timer_stop(&call->watch);
	gw_call_early_fini(call);
	gw_call_qos_up(&call->a);
	gw_call_qos_up(&call->b);
	call->answered_us = gw_timers_now_us(gw_loop_timers(call->core->loop));
	gw_call_open_gates(call, GW_GATE_BOTH, GW_GATE_BOTH);

	gw_call_expect_media(call);
	gw_call_note_codec(call);
	gw_info(&call->log, "connected, %s", call->codec);
}

int gw_call_connect(struct gw_call *call)
{
	struct side *a = &call->a, *b = &call->b;
	bool resource = b->profile == GW_PROFILE_RESOURCE;
	bool asked = !a->pending && !call->a_early; /* before B was */
	struct gw_msg msg = { .verb = GW_V_ANSWER,
			      .asserted = call->said->asserted };
	struct gw_sess answer;
	int err;

	if (!resource) {
		err = take_b_answer(call, &answer);
		if (err)
			return err;
	}

	if (a->pending && !call->a_early) {
		err = gw_call_answer_a(call, resource ? NULL : &answer, false);
		if (err)
			return err;
		msg.desc = desc_of(GW_DESC_ANSWER, a->local);
	} else if (call->a_early) {
		/* A browser has its answer (JSEP: one description); SIP
		 * repeats it in the 200. */
		err = gw_oa_event(&a->oa, GW_OA_WE_ANSWER);
		if (err)
			return err;
		if (a->profile == GW_PROFILE_CORE)
			msg.desc = desc_of(GW_DESC_ANSWER, a->local);
	}
	gw_call_keep(&a->pending, NULL);
	a->described = true;

	up(call);
	msg.held = b->held;
	gw_call_say(call, a, &msg);
	if (asked && gw_call_is_misled(call, a))
		gw_call_offer_again(call, a);
	gw_call_update_narrow(call);
	return 0;
}

int gw_call_open(struct gw_call *call)
{
	struct side *a = &call->a, *b = &call->b;
	struct gw_sess theirs, content;
	struct gw_msg msg = { .asserted = call->said->asserted };
	struct gw_cause cause;
	int err;

	if (b->profile == GW_PROFILE_RESOURCE) {
		if (gw_call_default_offer(call, &content))
			return gw_call_because(call, 500,
					       "no codecs configured");
		err = 0;
	} else if (call->b_open) {
		char *text;

		if (gw_call_read(call, b, &call->said->desc, &theirs, &cause))
			return gw_call_blame(call, b, cause.status, cause.text);
		text = gw_call_dup(&call->said->desc);
		if (!text)
			return gw_call_because(call, 500, "out of memory");
		gw_call_keep(&b->pending, text);
		err = gw_oa_event(&b->oa, GW_OA_PEER_OFFERS);
	} else {
		err = take_b_answer(call, &theirs);
	}
	if (err)
		return err;

	gw_timer_start_ms(gw_loop_timers(call->core->loop), &call->watch,
			  call->core->set->sip.t1x64_ms);
	/* Another early dialog has asked, and A still thinks: what it answers
	 * is the answer to this offer, too. */
	if (a->oa.state == GW_OA_LOCAL)
		return 0;

	if (b->profile != GW_PROFILE_RESOURCE &&
	    gw_call_relay_offer(a, &content, &theirs, NULL))
		return gw_call_because(call, 488, "no media in common");
	err = offer_to(call, a, &content, GW_OA_WE_OFFER);
	if (err)
		return err;

	/* A SIP caller gets the offer in the 200 itself; a browser answers
	 * first and is then told that it is connected. */
	msg.verb = a->profile == GW_PROFILE_CORE ? GW_V_ANSWER : GW_V_OFFER;
	msg.desc = desc_of(GW_DESC_OFFER, a->pending);
	return gw_leg_send(a->leg, &msg);
}

/* B offered in its answer: now it gets ours. */
static int answer_b(struct gw_call *call, const struct gw_sess *theirs)
{
	struct side *b = &call->b;
	struct gw_sess offer, content;
	struct gw_msg msg = { .verb = GW_V_ACCEPT };
	char *text;
	int err;

	gw_call_reread(b, b->pending, &offer);
	if (gw_sess_relay_answer(&content, &offer, theirs))
		return gw_call_because(call, 488, "no codec in common");
	text = gw_call_print(call, b, &content, &offer);
	if (!text)
		return gw_call_because(call, 500, "out of memory");
	gw_call_keep(&b->local, text);
	gw_call_keep(&b->remote, b->pending);
	b->pending = NULL;
	b->described = true;
	err = gw_oa_event(&b->oa, GW_OA_WE_ANSWER);
	if (!err)
		err = gw_call_configure(call, b, &content, &offer);
	if (err)
		return err;
	msg.desc = desc_of(GW_DESC_ANSWER, b->local);
	return gw_leg_send(b->leg, &msg);
}

int gw_call_finish(struct gw_call *call)
{
	struct side *a = &call->a;
	struct gw_sess local, answer;
	struct gw_msg msg = { .verb = GW_V_ANSWER };
	int err;

	err = take_answer(call, a, &call->said->desc, &answer);
	if (err)
		return err;
	gw_call_reread(a, a->local, &local);
	err = gw_call_configure(call, a, &local, &answer);
	if (!err && call->b_open)
		err = answer_b(call, &answer);
	if (err)
		return err;

	up(call);
	if (a->profile != GW_PROFILE_CORE)
		gw_call_say(call, a, &msg);
	/* B answered before A had said what it takes. */
	if (!call->b_open && gw_call_is_misled(call, &call->b))
		gw_call_offer_again(call, &call->b);
	gw_call_update_narrow(call);
	return 0;
}
