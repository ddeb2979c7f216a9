#include "gateway/call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/ids.h"
#include "gateway/base/metrics.h"
#include "gateway/call_priv.h"
#include "gateway/cdr.h"

#define RESERVE_MS       5000
#define CLEARED_MS       3000
#define RELEASE_AGAIN_MS 20
#define RELEASE_TRIES    100

GW_COUNTER(m_info_lost, "isthmus_calls_info_lost_total",
	   "Digits and other information that the other leg did not take", "");
GW_GAUGE(m_live, "isthmus_calls_live", "Calls that hold legs or media", "");
GW_COUNTER(m_answered, "isthmus_calls_total", "Calls that ended, by result",
	   "result=\"answered\"");
GW_COUNTER(m_cancelled, "isthmus_calls_total", "Calls that ended, by result",
	   "result=\"cancelled\"");
GW_COUNTER(m_refused, "isthmus_calls_total", "Calls that ended, by result",
	   "result=\"refused\"");
GW_COUNTER(m_failed, "isthmus_calls_total", "Calls that ended, by result",
	   "result=\"failed\"");

GW_COUNTER(m_emergency, "isthmus_emergency_calls_total",
	   "Calls to emergency services, by what became of them",
	   "result=\"routed\"");

int gw_call_because(struct gw_call *call, uint16_t status, const char *text)
{
	if (!call->cause.status) {
		if (text && text != call->cause_text)
			(void)snprintf(call->cause_text,
				       sizeof(call->cause_text), "%s", text);
		call->cause.status = status;
		call->cause.text = text ? call->cause_text : NULL;
	}
	return -EPROTO;
}

int gw_call_blame(struct gw_call *call, struct side *s, uint16_t status,
		  const char *text)
{
	(void)snprintf(call->blame_text, sizeof(call->blame_text), "%s",
		       text ? text : "the description cannot be used");
	call->blamed = s;
	call->blame =
		(struct gw_cause){ .status = status, .text = call->blame_text };
	gw_info(&call->log, "%s leg: %s", s->kind, call->blame_text);
	return gw_call_because(call, status == 488 ? 488 : 502,
			       "the other side's description is unusable");
}

static struct gw_timers *timers(const struct gw_call *call)
{
	return gw_loop_timers(call->core->loop);
}

/* ---- the end ---- */

static void free_leg(struct gw_call *call, struct side *s)
{
	if (s->leg->charging_id[0])
		memcpy(call->charging_id, s->leg->charging_id,
		       sizeof(call->charging_id));
	gw_leg_free(s->leg);
	s->leg = NULL;
}

static void release_leg(struct gw_call *call, struct side *s)
{
	struct gw_msg msg = {
		.verb = GW_V_RELEASE,
		.cause = s == call->blamed ? call->blame : call->cause,
	};

	if (!s->leg)
		return;
	(void)gw_leg_send(s->leg, &msg);
	free_leg(call, s);
}

/*
 * A full mailbox is tried again for a while: a shutdown releases all calls at
 * once.  What then is left is found by its events (gw_core_media_event).
 */
static void release_media(struct gw_call *call)
{
	const struct gw_media_cmd cmd = { .verb = GW_M_RELEASE,
					  .ctx = call->ctx };
	uint64_t ms = 0;

	if (!call->gone && !gw_media_post(call->core->media, &cmd)) {
		call->released = true;
		ms = CLEARED_MS;
	} else if (!call->gone && call->release_tries++ < RELEASE_TRIES) {
		ms = RELEASE_AGAIN_MS;
	} else {
		call->gone = true;
	}
	gw_timer_start_ms(timers(call), &call->watch, ms);
}

static int release(struct gw_call *call)
{
	gw_call_because(call, 500, "internal error");
	call->ended_us = gw_timers_now_us(timers(call));
	gw_info(&call->log, "released by %s, status %u%s%s", call->released_by,
		call->cause.status, call->cause.text ? ": " : "",
		call->cause.text ? call->cause.text : "");
	gw_timer_stop(&call->path);
	gw_timer_stop(&call->lost);
	gw_call_update_fini(call);
	gw_call_transfer_fini(call);
	gw_call_early_fini(call);
	release_leg(call, &call->a);
	release_leg(call, &call->b);

	release_media(call);
	return 0;
}

static void count_result(const struct gw_call *call)
{
	if (call->answered_us)
		gw_metric_add(&m_answered, 1);
	else if (!strcmp(call->released_by, "a"))
		gw_metric_add(&m_cancelled, 1);
	else if (!strcmp(call->released_by, "b"))
		gw_metric_add(&m_refused, 1);
	else
		gw_metric_add(&m_failed, 1);
}

void gw_call_side_fini(struct side *s)
{
	free(s->local);
	free(s->remote);
	free(s->pending);
	free(s->end);
	free(s->who);
}

static void bury(struct gw_call *call)
{
	struct gw_cdr_record rec = {
		.id = call->id,
		.from = call->from,
		.to = call->to,
		.kind = {call->a.kind, call->b.kind},
		.began_wall_s = call->began_wall_s,
		.began_us = call->began_us,
		.answered_us = call->answered_us,
		.ended_us = call->ended_us,
		.status = call->cause.status,
		.text = call->cause.text,
		.released_by = call->released_by,
		.codec = call->codec,
		.charging_id = call->charging_id,
		.transferred_to = call->transfer.done,
		.emergency = call->emergency,
		.stats = call->stats,
		.quality = &call->quality,
	};

	gw_cdr_write(call->core->cdr, &rec);
	gw_quality_observe(&call->quality, rec.kind);
	count_result(call);
	gw_metric_add(&m_live, -1);
	gw_timer_stop(&call->watch);
	gw_timer_stop(&call->path);
	gw_timer_stop(&call->lost);
	gw_call_update_fini(call);
	gw_call_early_fini(call);
	gw_leg_free(call->a.leg);
	gw_leg_free(call->b.leg);
	gw_call_side_fini(&call->a);
	gw_call_side_fini(&call->b);
	free(call->carried);
	free(call->info);
	gw_quality_fini(&call->quality);
	call->magic = 0;
	gw_core_bury(call->core, call);
}

static int effect(enum gw_call_effect fx, void *arg)
{
	struct gw_call *call = arg;

	GW_CHECK(call, CALL_MAGIC);
	switch (fx) {
	case GW_FX_NONE:
		return 0;
	case GW_FX_PREPARE:
		return gw_call_prepare(call);
	case GW_FX_ASK:
		return gw_call_ask(call);
	case GW_FX_CALL:
		return gw_call_call(call);
	case GW_FX_PROGRESS:
		return gw_call_progress(call);
	case GW_FX_CONNECT:
		return gw_call_connect(call);
	case GW_FX_OPEN:
		return gw_call_open(call);
	case GW_FX_FINISH:
		return gw_call_finish(call);
	case GW_FX_RELEASE:
		return release(call);
	case GW_FX_BURY:
		bury(call);
		return 0;
	case GW_NEFFECTS:
		break;
	}
	return -EINVAL;
}

void gw_call_end(struct gw_call *call, const char *by, uint16_t status,
		 const char *text)
{
	if (call->fsm.state >= GW_CALL_ENDING)
		return;
	call->released_by = by;
	gw_call_because(call, status, text);
	gw_call_fsm_event(&call->fsm, GW_EV_HANGUP);
}

void gw_call_release(struct gw_call *call, uint16_t status, const char *text)
{
	gw_call_end(call, "gateway", status, text);
}

static void on_watch(struct gw_timer *t, void *arg)
{
	struct gw_call *call = arg;

	(void)t;
	GW_CHECK(call, CALL_MAGIC);
	switch (call->fsm.state) {
	case GW_CALL_NEW:
		gw_call_end(call, "gateway", 503, "media is not ready");
		return;
	case GW_CALL_ENDING:
		if (call->gone || call->released)
			gw_call_fsm_event(&call->fsm, GW_EV_CLEARED);
		else
			release_media(call);
		return;
	case GW_CALL_PREPARING:
		gw_call_qos_failed(call);
		return;
	default:
		gw_call_end(call, "gateway", 408, "no answer in time");
	}
}

/* ---- what the legs say ---- */

static void on_b_answer(struct gw_call *call, const struct gw_msg *msg)
{
	bool a_open = !call->a.pending && !call->a.described;

	call->b_open = msg->desc.role == GW_DESC_OFFER;
	gw_call_fsm_event(&call->fsm, call->b_open || a_open ? GW_EV_ANSWER_OPEN
							     : GW_EV_ANSWER);
}

/* Offers of now are of early dialogs. */
static bool is_early(const struct gw_call *call)
{
	return call->fsm.state == GW_CALL_PREPARING ||
	       call->fsm.state == GW_CALL_CALLING ||
	       call->fsm.state == GW_CALL_RINGING;
}

static void on_accept(struct gw_call *call, struct side *s,
		      const struct gw_msg *msg)
{
	if (call->fsm.state == GW_CALL_UP) {
		gw_call_update_accept(call, s, msg);
		return;
	}
	if (s != &call->a) {
		if (is_early(call))
			gw_call_qos_accepted(call, msg);
		return;
	}
	if (is_early(call)) {
		gw_call_early_answered(call, msg);
		return;
	}
	if (call->fsm.state == GW_CALL_ASKING)
		gw_call_fsm_event(&call->fsm, gw_call_asked(call, msg)
						      ? GW_EV_FAILED
						      : GW_EV_ASKED);
	else
		gw_call_fsm_event(&call->fsm, GW_EV_COMPLETE);
}

static void on_refuse(struct gw_call *call, struct side *s,
		      const struct gw_msg *msg)
{
	if (call->fsm.state == GW_CALL_UP)
		gw_call_update_refuse(call, s, msg);
	else if (s == &call->b && is_early(call))
		gw_call_qos_refused(call, msg);
	else
		gw_call_end(call, s == &call->a ? "a" : "b", msg->cause.status,
			    msg->cause.text);
}

static void on_info(struct gw_call *call, struct side *s,
		    const struct gw_msg *msg)
{
	struct side *to = call_other(call, s);
	struct gw_msg out = {
		.verb = GW_V_INFO,
		.content_type = msg->content_type,
		.content = msg->content,
		.content_len = msg->content_len,
	};

	if (gw_call_video_info(call, s, msg))
		return;
	if (!gw_call_inform(call, to, &out))
		return;
	gw_metric_add(&m_info_lost, 1);
	gw_info(&call->log, "information from the %s leg was not passed on",
		s->kind);
}

static void on_release(struct gw_call *call, struct side *s,
		       const struct gw_msg *msg)
{
	free_leg(call, s);
	if (call->fsm.state >= GW_CALL_ENDING ||
	    gw_call_transfer_waits(call, s))
		return;
	if (!call->cause.status) {
		call->cause = msg->cause;
		if (!call->cause.status)
			call->cause.status = 200;
		if (msg->cause.text) {
			(void)snprintf(call->cause_text,
				       sizeof(call->cause_text), "%s",
				       msg->cause.text);
			call->cause.text = call->cause_text;
		}
	}
	gw_call_end(call, s == &call->a ? "a" : "b", call->cause.status,
		    call->cause.text);
}

/* May free the call. */
static void on_leg(struct gw_leg *leg, const struct gw_msg *msg, void *arg)
{
	struct gw_call *call = arg;
	struct side *s;

	GW_CHECK(call, CALL_MAGIC);
	s = leg == call->a.leg ? &call->a : &call->b;
	assert(s->leg == leg);
	call->said = msg;

	switch (msg->verb) {
	case GW_V_PROGRESS:
		if (s == &call->b)
			gw_call_fsm_event(&call->fsm, GW_EV_PROGRESS);
		return;
	case GW_V_ANSWER:
		if (s == &call->b)
			on_b_answer(call, msg);
		return;
	case GW_V_OFFER:
		if (is_early(call))
			gw_call_early_offer(call, s, msg);
		else
			gw_call_update_offer(call, s, msg);
		return;
	case GW_V_ACCEPT:
		on_accept(call, s, msg);
		return;
	case GW_V_REFUSE:
		on_refuse(call, s, msg);
		return;
	case GW_V_INFO:
		on_info(call, s, msg);
		return;
	case GW_V_TRANSFER:
		gw_call_transfer(call, s, msg);
		return;
	case GW_V_REPORT:
		gw_quality_report(&call->quality, s->term, msg->report);
		gw_call_video_report(call, s, msg);
		gw_quality_print(&call->quality, s->term, msg->quality);
		return;
	case GW_V_RELEASE:
		on_release(call, s, msg);
		return;
	case GW_V_SETUP:
	case GW_NVERBS:
		break;
	}
	gw_warn(&call->log, "%s leg said verb %d, which has no place here",
		s->kind, (int)msg->verb);
}

/* ---- the beginning ---- */

void gw_call_take_leg(struct gw_call *call, struct side *s)
{
	s->profile = s->leg->ops->profile;
	s->kind = s->leg->ops->kind;
	s->leg->handler = on_leg;
	s->leg->arg = call;
	(void)snprintf(s->leg->call_id, sizeof(s->leg->call_id), "%s",
		       call->id);
}

static int reserve(struct gw_call *call, const struct gw_sess *offer)
{
	int err = gw_call_reserve(call, &call->a, offer, !offer);

	if (!err)
		err = gw_call_reserve(call, &call->b, offer, true);
	if (err)
		return gw_call_because(call, 503,
				       "media workers are overloaded");
	gw_timer_start_ms(timers(call), &call->watch, RESERVE_MS);
	return 0;
}

static int begin(struct gw_call *call, const struct gw_msg *setup)
{
	struct gw_sess offer;
	struct gw_cause cause;
	int err;

	if (call->core->draining && !call->emergency) {
		call->cause.retry_after_s = 30;
		return gw_call_because(call, 503, "the gateway is going down");
	}
	if (call->core->ncalls > call->core->set->calls.max &&
	    !call->emergency) {
		call->cause.retry_after_s = 5;
		return gw_call_because(call, 503, "too many calls");
	}
	if (setup->call_info) {
		call->info = malloc(sizeof(*call->info));
		if (!call->info)
			return gw_call_because(call, 500, "out of memory");
		*call->info = *setup->call_info;
	}
	/* A part of an address is another address. */
	if (setup->target.uri && strlen(setup->target.uri) >= sizeof(call->to))
		return gw_call_because(call, 414, "the target is too long");
	if (setup->desc.text) {
		if (gw_call_read(call, &call->a, &setup->desc, &offer, &cause))
			return gw_call_because(call, cause.status, cause.text);
		if (call->a.profile == GW_PROFILE_CORE &&
		    !gw_call_speaks(call, &offer))
			return gw_call_because(call, 488,
					       "no address of that IP version");
		call->a.pending = gw_call_dup(&setup->desc);
		if (!call->a.pending)
			return gw_call_because(call, 500, "out of memory");
		(void)gw_oa_event(&call->a.oa, GW_OA_PEER_OFFERS);
	}
	err = gw_call_find_b(call);
	if (!err)
		err = gw_call_qos_setup(call, setup);
	return err ? err : reserve(call, setup->desc.text ? &offer : NULL);
}

int gw_call_new(struct gw_core *core, struct gw_leg *a,
		const struct gw_msg *setup)
{
	struct gw_call *call = calloc(1, sizeof(*call));

	if (!call)
		return -ENOMEM;
	call->magic = CALL_MAGIC;
	call->core = core;
	gw_random_token(call->id, sizeof(call->id), 12);
	call->log = (struct gw_logctx){ .module = "call", .id = call->id };
	gw_call_fsm_init(&call->fsm, call->id, effect, call);
	gw_timer_init(&call->watch, on_watch, call);
	gw_call_media_init(call);
	gw_call_update_init(call);
	gw_call_qos_init(call);
	call->ctx = gw_media_new_id(core->media);
	call->began_us = gw_timers_now_us(timers(call));
	call->began_wall_s = gw_clock_wall_s();
	call->released_by = "gateway";

	call->a.term = GW_TERM_A;
	call->b.term = GW_TERM_B;
	call->a.kind = call->b.kind = "none";
	call->a.peer_is_dtls_client = call->b.peer_is_dtls_client = true;
	call->a.leg = a;
	gw_call_take_leg(call, &call->a);
	(void)snprintf(call->to, sizeof(call->to), "%s",
		       setup->target.uri ? setup->target.uri : "");
	(void)snprintf(call->from, sizeof(call->from), "%s",
		       setup->asserted.uri ? setup->asserted.uri : "");
	(void)snprintf(call->from_name, sizeof(call->from_name), "%s",
		       setup->asserted.display ? setup->asserted.display : "");
	call->privacy = setup->privacy;
	call->emergency = setup->emergency;
	call->may_ask = setup->may_ask;
	if (setup->registration)
		(void)snprintf(call->registration, sizeof(call->registration),
			       "%s", setup->registration);

	HASH_ADD(hh, core->calls, ctx, sizeof(call->ctx), call);
	core->ncalls++;
	gw_metric_add(&m_live, 1);
	gw_info(&call->log, "%s leg calls %s%s", call->a.kind, call->to,
		setup->desc.text ? "" : " without an offer");

	if (call->emergency) {
		gw_metric_add(&m_emergency, 1);
		gw_warn(&call->log, "emergency call from %s to %s", call->from,
			call->to);
	}

	if (begin(call, setup)) {
		call->gone = !call->a.serial && !call->b.serial;
		gw_call_fsm_event(&call->fsm, GW_EV_FAILED);
	}
	return 0;
}
