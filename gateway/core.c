#include "gateway/core.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/metrics.h"
#include "gateway/call_priv.h"
#include "gateway/cdr.h"

GW_COUNTER(m_stray, "isthmus_media_events_stray_total",
	   "Media events for a call that has ended", "");

static const struct gw_logctx log_ctx = { .module = "core" };

void gw_core_incoming(struct gw_leg *leg, const struct gw_msg *setup, void *arg)
{
	struct gw_core *core = arg;
	struct gw_msg no = {
		.verb = GW_V_RELEASE,
		.cause = {.status = 503, .text = "out of memory"},
	};

	if (setup->instead_of) {
		gw_call_replace(leg, setup);
		return;
	}
	if (!gw_call_new(core, leg, setup))
		return;
	gw_error(&log_ctx, "no memory for a call");
	(void)gw_leg_send(leg, &no);
	gw_leg_free(leg);
}

void gw_core_media_event(const struct gw_media_event *ev, void *arg)
{
	struct gw_core *core = arg;
	struct gw_call *call;

	HASH_FIND(hh, core->calls, &ev->ctx, sizeof(ev->ctx), call);
	if (call) {
		gw_call_media_event(call, ev);
		return;
	}
	gw_metric_add(&m_stray, 1);
	/* Its RELEASE met a full mailbox.  Full again: the next event tries. */
	if (ev->type != GW_E_RELEASED && ev->type != GW_E_GONE) {
		const struct gw_media_cmd cmd = { .verb = GW_M_RELEASE,
						  .ctx = ev->ctx };

		(void)gw_media_post(core->media, &cmd);
	}
}

static void check_drained(struct gw_core *core)
{
	if (core->draining && !core->ncalls && core->drained) {
		void (*done)(void *) = core->drained;

		core->drained = NULL;
		done(core->drained_arg);
	}
}

void gw_core_bury(struct gw_core *core, struct gw_call *call)
{
	HASH_DEL(core->calls, call);
	core->ncalls--;
	free(call);
	check_drained(core);
}

void gw_core_drain(struct gw_core *core, uint16_t retry_after_s,
		   void (*done)(void *), void *arg)
{
	core->draining = true;
	core->drained = done;
	core->drained_arg = arg;
	if (core->sip)
		gw_sip_set_draining(core->sip, retry_after_s);
	gw_web_set_draining(core->web, retry_after_s);
	check_drained(core);
}

void gw_core_release_all(struct gw_core *core, uint16_t status,
			 const char *text)
{
	struct gw_call *call, *next;

	HASH_ITER(hh, core->calls, call, next)
	gw_call_release(call, status, text);
}

static void add_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static struct json_object *media_of(const struct gw_call *call,
				    const struct side *s, enum gw_term term)
{
	struct json_object *o = gw_cdr_side(s->kind, &call->stats[term]);

	gw_cdr_add_video(o, &call->quality, term);
	return o;
}

static struct json_object *describe(struct gw_core *core, struct gw_call *call)
{
	uint64_t now = gw_timers_now_us(gw_loop_timers(core->loop));
	struct json_object *o = json_object_new_object();

	add_text(o, "call", call->id);
	add_text(o, "state", gw_call_state_name(call->fsm.state));
	add_text(o, "from", call->from);
	add_text(o, "to", call->to);
	add_text(o, "a", call->a.kind);
	add_text(o, "b", call->b.kind);
	add_text(o, "a_offer_answer", gw_oa_state_name(call->a.oa.state));
	add_text(o, "b_offer_answer", gw_oa_state_name(call->b.oa.state));
	add_text(o, "codec", call->codec);
	json_object_object_add(o, "emergency",
			       json_object_new_boolean(call->emergency));
	json_object_object_add(
		o, "age_ms",
		json_object_new_uint64((now - call->began_us) / 1000));
	json_object_object_add(o, "a_media",
			       media_of(call, &call->a, GW_TERM_A));
	json_object_object_add(o, "b_media",
			       media_of(call, &call->b, GW_TERM_B));
	return o;
}

void gw_core_print_calls(struct gw_core *core, struct gw_buf *out)
{
	struct json_object *all = json_object_new_array();
	struct gw_call *call, *next;

	HASH_ITER(hh, core->calls, call, next)
	json_object_array_add(all, describe(core, call));
	gw_buf_str(out, json_object_to_json_string_ext(
				all, JSON_C_TO_STRING_PRETTY |
					     JSON_C_TO_STRING_NOSLASHESCAPE));
	gw_buf_str(out, "\n");
	json_object_put(all);
}
