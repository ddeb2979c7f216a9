/*
 * The new party of a transfer: its leg, its termination, and the moment when
 * it takes over.
 *
 * Where both the old party and the new are of the SIP side, the same port goes
 * on with another far end.  Else the new one has a termination of its own, the
 * spare of the media context, which takes the place of the old one's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/call_transfer_priv.h"

/* The side that the new party is described in until it takes over. */
static struct side *newcomer(struct gw_call *call)
{
	struct transfer *t = &call->transfer;

	return t->in ? t->in : t->out;
}

const char *gw_call_who(const struct gw_call *call, const struct side *s)
{
	if (s->who)
		return s->who;
	return s == &call->a ? call->from : call->to;
}

bool gw_call_withheld(const struct gw_call *call, const struct side *s)
{
	return s->who ? s->withheld : s == &call->a && call->privacy;
}

bool gw_call_newcomer_fits(const struct side *out, enum gw_profile profile)
{
	return out->profile == GW_PROFILE_CORE && profile == GW_PROFILE_CORE;
}

int gw_call_newcomer_leg(struct gw_call *call, enum gw_route_leg kind)
{
	struct transfer *t = &call->transfer;

	return gw_call_make_leg(call, &t->leg, kind, t->target, NULL);
}

/* ---- its termination ---- */

/* What the one that stays has, or would have if it were free to. */
static void wish_of(struct gw_call *call, struct gw_sess *wish)
{
	struct side *out = call->transfer.out;
	struct side *stays = call_other(call, out);

	if (stays->profile == GW_PROFILE_RESOURCE)
		gw_call_reread(out, out->local, wish);
	else
		gw_call_wish(stays, wish);
}

int gw_call_newcomer_reserve(struct gw_call *call)
{
	struct transfer *t = &call->transfer;
	struct side *in = calloc(1, sizeof(*in));
	struct gw_sess wish;
	int err;

	if (!in)
		return -ENOMEM;
	in->term = GW_TERM_SPARE;
	in->profile = t->leg->ops->profile;
	in->kind = t->leg->ops->kind;
	in->peer_is_dtls_client = true;
	t->in = in;
	if (t->incoming)
		gw_call_reread(in, t->offer, &wish);
	else
		wish_of(call, &wish);
	err = gw_call_reserve(call, in, &wish, !t->incoming);
	if (err)
		gw_call_spare_drop(call);
	return err;
}

void gw_call_spare_drop(struct gw_call *call)
{
	struct transfer *t = &call->transfer;

	if (!t->in)
		return;
	gw_call_side_fini(t->in);
	free(t->in);
	t->in = NULL;
	/* An ended context takes it along. */
	if (call->fsm.state == GW_CALL_UP && gw_call_drop_spare(call))
		gw_warn(&call->log, "media worker overloaded: a termination "
				    "is kept for nobody");
}

static void give_up(struct gw_call *call, uint16_t status, const char *why)
{
	const struct gw_cause cause = { .status = status, .text = why };
	struct gw_msg no = { .verb = GW_V_RELEASE, .cause = cause };
	struct gw_leg *leg = call->transfer.leg;

	(void)gw_leg_send(leg, &no);
	gw_leg_free(leg);
	gw_call_transfer_failed(call, &cause);
}

static void on_spare(struct gw_call *call, const struct gw_media_event *ev)
{
	struct transfer *t = &call->transfer;

	if (!t->in->serial || ev->serial != t->in->serial)
		return; /* of one that was dropped */
	t->in->serial = 0;
	if (ev->type == GW_E_FAILED || gw_call_keep_end(t->in, &ev->end)) {
		give_up(call, 503, "no media resources");
		return;
	}
	if (t->incoming) {
		gw_call_replace_reserved(call);
		return;
	}
	if (gw_call_newcomer_offer(call))
		give_up(call, 488, "no media in common");
	else if (gw_call_newcomer_call(call))
		give_up(call, 500, "no leg could be made");
}

static void on_taken(struct gw_call *call, const struct gw_media_event *ev)
{
	struct transfer *t = &call->transfer;

	if (!t->taking || ev->serial != t->take_serial)
		return;
	t->taking = NULL;
	gw_call_carry_stats(call, ev);
}

bool gw_call_transfer_event(struct gw_call *call,
			    const struct gw_media_event *ev, struct side **s)
{
	struct transfer *t = &call->transfer;
	bool last = ev->type == GW_E_RELEASED || ev->type == GW_E_GONE;

	if (ev->type == GW_E_TAKEN) {
		on_taken(call, ev);
		return true;
	}
	if (last)
		return false;
	if (ev->term == GW_TERM_SPARE) {
		*s = t->in ? t->in : t->taking;
		if (t->in &&
		    (ev->type == GW_E_RESERVED || ev->type == GW_E_FAILED)) {
			on_spare(call, ev);
			return true;
		}
		return !*s;
	}
	if (!t->taking)
		return false;
	if (ev->type == GW_E_FAILED && ev->serial == t->take_serial) {
		gw_call_end(call, "gateway", 500, "no media resources");
		return true;
	}
	/* The old one's last words, and counters that are neither's. */
	return ev->type == GW_E_QUALITY || ev->term == t->taking->term;
}

/* ---- it takes over ---- */

/* The spare is out's termination from now, and what it is described by. */
static int move_in(struct gw_call *call)
{
	struct transfer *t = &call->transfer;
	struct side *out = t->out, *in = t->in;
	enum gw_term term = out->term;
	struct gw_leg *leg = out->leg;
	int err = gw_call_take_spare(call, out, &t->take_serial);

	if (err)
		return err;
	gw_call_side_fini(out);
	*out = *in;
	free(in);
	out->term = term;
	out->leg = leg;
	t->in = NULL;
	t->taking = out;
	return 0;
}

/* Of an echo: it has what the one that stays has. */
static int echo_takes_over(struct gw_call *call)
{
	struct transfer *t = &call->transfer;
	struct side *out = t->out, *stays = call_other(call, out);
	struct gw_sess local, remote;
	int err;

	gw_call_reread(stays, stays->local, &local);
	gw_call_reread(stays, stays->remote, &remote);
	err = gw_call_configure_resource(call, t->in, &local, &remote);
	if (!err)
		err = move_in(call);
	if (!err)
		gw_call_set_gates(call, out, &remote, &local, GW_GATE_BOTH);
	return err;
}

int gw_call_newcomer_takes_over(struct gw_call *call, char *local_text,
				char *remote_text, const struct gw_sess *local,
				const struct gw_sess *remote)
{
	struct side *out = call->transfer.out, *s = newcomer(call);
	int err;

	s->newcomer = true;
	err = gw_call_configure(call, s, local, remote);
	s->newcomer = false;
	if (!err && call->transfer.in)
		err = move_in(call);
	if (err)
		return err;
	gw_call_keep(&out->local, local_text);
	gw_call_keep(&out->remote, remote_text);
	out->described = true;
	out->oa.state = GW_OA_STABLE;
	gw_call_qos_up(out);
	gw_call_set_gates(call, out, local, remote, GW_GATE_BOTH);
	return 0;
}

/* The one who stays hears who is there now, and what that one has. */
static void introduce(struct gw_call *call, struct side *stays,
		      const struct side *newcomer, const struct gw_party *who)
{
	gw_call_transfer_tell(call, stays, 200, NULL, who);
	if (newcomer->profile != GW_PROFILE_RESOURCE)
		gw_call_offer_again(call, stays);
	/* The pictures that it sends began before the new one was there. */
	if (stays->profile != GW_PROFILE_RESOURCE)
		(void)gw_call_keyframe(call, stays);
}

void gw_call_newcomer_seated(struct gw_call *call, const struct gw_party *who)
{
	struct transfer *t = &call->transfer;
	struct side *out = t->out;
	struct gw_leg *leg = t->leg;
	struct gw_msg bye = { .verb = GW_V_RELEASE,
			      .cause = { .status = 200 } };

	gw_call_transfer_done(call);
	if (out->leg) {
		(void)gw_leg_send(out->leg, &bye);
		gw_leg_free(out->leg);
	}
	out->leg = leg;
	gw_call_take_leg(call, out);
	gw_call_keep(&out->who, strdup(who->uri ? who->uri : ""));
	out->withheld = t->withheld;
	gw_call_update_left(call, out);
	gw_call_note_codec(call);
	gw_call_transfer_reset(call);
	/* A browser has to find its path; another one is not missed. */
	gw_call_watch_lost(call);
	gw_call_expect_media(call);
	introduce(call, call_other(call, out), out, who);
}

/* ---- what it answers ---- */

static const char *unfit(struct gw_call *call, const struct gw_desc *desc,
			 const struct gw_sess *offer, struct gw_sess *answer)
{
	static char text[160];
	struct side *s = newcomer(call);
	struct gw_sdp_error err = { 0 };
	struct gw_cause cause;

	if (!desc->text || desc->role != GW_DESC_ANSWER)
		return "an answer was expected";
	if (gw_call_read(call, s, desc, answer, &cause)) {
		(void)snprintf(text, sizeof(text), "%s", cause.text);
		return text;
	}
	if (gw_sess_check_answer(offer, answer, &err)) {
		(void)snprintf(text, sizeof(text), "%s", err.text);
		return text;
	}
	return gw_call_reachable(s, answer) ? NULL : "another IP version";
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
	gw_call_transfer_told(call, msg->alert == GW_ALERT_RINGING ? 180 : 183);
}

static struct gw_desc answer_of(const struct transfer *t,
				const struct gw_msg *msg)
{
	if (msg->desc.text || !t->early || t->branch != msg->branch)
		return msg->desc;
	return (struct gw_desc){ GW_DESC_ANSWER, t->early, strlen(t->early) };
}

/* Why it cannot be; NULL: it has taken over. */
static const char *take_answer(struct gw_call *call, const struct gw_msg *msg)
{
	struct transfer *t = &call->transfer;
	const struct gw_desc desc = answer_of(t, msg);
	struct gw_sess offer, answer;
	const char *why;
	char *text;

	if (newcomer(call)->profile == GW_PROFILE_RESOURCE)
		return echo_takes_over(call) ? "no resources for it" : NULL;
	gw_call_reread(newcomer(call), t->offer, &offer);
	why = unfit(call, &desc, &offer, &answer);
	if (why)
		return why;
	text = gw_call_dup(&desc);
	if (!text || gw_call_newcomer_takes_over(call, t->offer, text, &offer,
						 &answer)) {
		free(text);
		return "no resources for it";
	}
	t->offer = NULL; /* it is out->local now */
	t->out->answered = true;
	return NULL;
}

static void on_answer(struct gw_call *call, const struct gw_msg *msg)
{
	struct gw_party who = { call->transfer.target, NULL };
	const char *why = take_answer(call, msg);

	if (why) {
		give_up(call, 488, why);
		return;
	}
	if (msg->asserted.uri)
		who = msg->asserted;
	gw_call_newcomer_seated(call, &who);
}

/* May free the call. */
void gw_call_newcomer_says(struct gw_leg *leg, const struct gw_msg *msg,
			   void *arg)
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
		call->transfer.leg = NULL;
		if (cause.status < 300)
			cause.status = 480;
		gw_call_transfer_failed(call, &cause);
		gw_leg_free(leg); /* the cause was its own */
		return;
	default:
		gw_debug(&call->log, "the new party said verb %d too early",
			 (int)msg->verb);
	}
}

/* ---- how it is called ---- */

int gw_call_newcomer_offer(struct gw_call *call)
{
	struct transfer *t = &call->transfer;
	struct side *s = newcomer(call);
	uint64_t id = s->o_id, version = s->o_version;
	struct gw_sess wish, content;
	char *text = NULL;

	if (s->profile == GW_PROFILE_RESOURCE)
		return 0;
	wish_of(call, &wish);
	/* Another dialog: a session description of its own (RFC 3264 5). */
	s->o_id = s->o_version = 0;
	if (!gw_call_relay_offer(s, &content, &wish, NULL))
		text = gw_call_print(call, s, &content, NULL);
	if (s == t->out) {
		s->o_id = id;
		s->o_version = version;
	}
	gw_call_keep(&t->offer, text);
	return text ? 0 : -EDOM;
}

static void set_up_of(struct gw_call *call, struct gw_msg *setup)
{
	struct transfer *t = &call->transfer;
	struct side *stays = call_other(call, t->out);
	bool caller = stays == &call->a && !stays->who;
	const char *who = gw_call_who(call, stays);

	*setup = (struct gw_msg){
		.verb = GW_V_SETUP,
		.target = {t->target,          NULL},
		.asserted = { *who ? who : NULL, NULL},
		.privacy = gw_call_withheld(call, stays),
		.replaces = t->replaces,
		.referred_by = t->referred_by,
	};
	if (caller && call->from_name[0])
		setup->asserted.display = call->from_name;
	if (t->offer)
		setup->desc = (struct gw_desc){ GW_DESC_OFFER, t->offer,
						strlen(t->offer) };
	if (call->registration[0] && t->leg->ops->profile == GW_PROFILE_CORE)
		setup->registration = call->registration;
}

/* A browser rings for as long as nobody says otherwise. */
static void on_ring(struct gw_timer *timer, void *arg)
{
	struct gw_call *call = arg;

	(void)timer;
	GW_CHECK(call, CALL_MAGIC);
	give_up(call, 408, "no answer in time");
}

int gw_call_newcomer_call(struct gw_call *call)
{
	struct transfer *t = &call->transfer;
	struct gw_msg setup;

	set_up_of(call, &setup);
	t->leg->handler = gw_call_newcomer_says;
	t->leg->arg = call;
	(void)snprintf(t->leg->call_id, sizeof(t->leg->call_id), "%s",
		       call->id);
	gw_timer_init(&t->ring, on_ring, call);
	gw_timer_start_ms(gw_loop_timers(call->core->loop), &t->ring,
			  1000ull * call->core->set->sip.ring_timeout_s + 2000);
	return gw_leg_send(t->leg, &setup);
}
