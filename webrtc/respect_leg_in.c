/* A media session as the client drives it: requests, responses, resumption. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/dtmf_relay.h"
#include "gateway/base/ids.h"
#include "webrtc/respect_leg.h"

/* Of one client at once: nobody needs more, and each takes memory. */
#define EMERGENCIES_MAX 4

struct gw_rleg *gw_rleg_find(struct gw_reg *reg, const char *session_id)
{
	struct gw_rleg *l;

	LIST_FOREACH(l, &reg->legs, link)
	{
		if (!strcmp(l->id, session_id))
			return l;
	}
	return NULL;
}

static struct gw_rleg *session_of(struct gw_rconn *c, const struct gw_rmsg *m)
{
	struct gw_rleg *l = gw_rleg_find(c->reg, m->str[GW_K_SESSION_ID]);

	if (!l || l->state == GW_RL_NEW) {
		gw_rconn_reject(c, m, GW_RJ_SESSION, 481,
				"there is no such mediaSessionId");
		return NULL;
	}
	return l;
}

static struct gw_desc desc_of(const struct gw_rmsg *m, enum gw_key k,
			      enum gw_desc_role role)
{
	struct gw_desc d = { .role = GW_DESC_NONE };

	if (gw_rmsg_has(m, k))
		d = (struct gw_desc){ role, m->str[k], m->len[k] };
	return d;
}

/* ---- msetup ---- */

static bool may_set_up(struct gw_rconn *c, const struct gw_rmsg *m,
		       char target[GW_TARGET_SIZE])
{
	struct gw_rout o = {
		.problem = {.status = 503, .detail = "going out of service"},
		.has_retry_after = true,
		.retry_after_s = c->web->draining_s
	};

	if (c->web->draining_s) {
		gw_rconn_reject_out(c, m, GW_RJ_DRAINING, &o);
		return false;
	}
	if (c->reg->nleg >= c->web->set->web.max_sessions) {
		gw_rconn_reject(c, m, GW_RJ_LIMIT, 429,
				"too many media sessions");
		return false;
	}
	if (!gw_respect_target(target, c->web, c->reg,
			       m->str[GW_K_RESOURCE_ID])) {
		gw_rconn_reject(c, m, GW_RJ_MEMBER, 400,
				"resourceId must be a URI or a number");
		return false;
	}
	if (gw_rmsg_has(m, GW_K_PRE_OFFER) && !m->len[GW_K_PRE_OFFER]) {
		gw_rconn_reject(c, m, GW_RJ_MEMBER, 400, "preOffer is empty");
		return false;
	}
	return true;
}

/* A name of its own choice only where the operator lets clients have one. */
static const struct gw_call_info *said_of_it(struct gw_call_info *info,
					     const struct gw_rconn *c,
					     const struct gw_rmsg *m)
{
	const char *name =
		c->web->set->calls.client_names ? m->display_name : NULL;

	memset(info, 0, sizeof(*info));
	(void)snprintf(info->subject, sizeof(info->subject), "%s",
		       m->subject ? m->subject : "");
	(void)snprintf(info->name, sizeof(info->name), "%s", name ? name : "");
	return gw_call_info_empty(info) ? NULL : info;
}

static void set_up(struct gw_rconn *c, const struct gw_rmsg *m, const char *own,
		   const char *target, bool emergency)
{
	struct gw_web *web = c->web;
	struct gw_rout o = { .has_state = true, .state = GW_RS_PROCEEDING };
	struct gw_msg setup = { .verb = GW_V_SETUP, .emergency = emergency };
	bool offers = m->len[GW_K_PRE_OFFER] > 0;
	struct gw_call_info info;
	struct gw_rleg *l;

	if (gw_rleg_new(&l, web, c->reg, true)) {
		gw_rconn_reject(c, m, GW_RJ_LIMIT, 503, "no memory");
		return;
	}
	/* As the core knows it. */
	if (c->reg->enrolled)
		setup.registration = gw_reg_core_key(c->reg);
	if (offers)
		l->oa = GW_OA_PRE;
	l->emergency = emergency;
	(void)snprintf(l->peer, sizeof(l->peer), "%s",
		       m->str[GW_K_RESOURCE_ID]);
	gw_info(&c->log, "%s: msetup from %s to %s", l->id, own, target);

	/* At once, whatever becomes of it (seed 6.3.2.6, set up, step 2). */
	o.session_id = l->id;
	gw_rconn_accept(c, m, &o);

	if (offers)
		setup.desc = desc_of(m, GW_K_PRE_OFFER, GW_DESC_PRE_OFFER);
	setup.target.uri = target;
	setup.asserted.uri = own;
	setup.asserted.display = c->reg->name[0] ? c->reg->name : NULL;
	setup.call_info = said_of_it(&info, c, m);
	web->h.incoming(&l->leg, &setup, web->h.arg); /* l may be gone */
}

void gw_rleg_msetup(struct gw_rconn *c, const struct gw_rmsg *m)
{
	char target[GW_TARGET_SIZE];
	const char *own;

	own = may_set_up(c, m, target) ? gw_respect_own(c, m) : NULL;
	if (own)
		set_up(c, m, own, target, false);
}

bool gw_rleg_emergency(struct gw_rconn *c, const struct gw_rmsg *m,
		       const char *urn)
{
	const char *own = NULL;
	const struct gw_rleg *l;
	unsigned n = 0;

	LIST_FOREACH(l, &c->reg->legs, link)
	{
		n += l->emergency;
	}
	if (n >= EMERGENCIES_MAX)
		return false;
	/* Not worth a refusal that it is somebody else's. */
	if (gw_rmsg_has(m, GW_K_PREFERRED_ID))
		own = gw_reg_identity(c->reg, m->str[GW_K_PREFERRED_ID]);
	set_up(c, m, own ? own : c->reg->identity[0], urn, true);
	return true;
}

/* ---- offer/answer of the client ---- */

static void accept_update(struct gw_rconn *c, const struct gw_rmsg *m,
			  const struct gw_rleg *l)
{
	struct gw_rout o = { .session_id = l->id,
			     .has_state = true,
			     .state = gw_rleg_shown(l) };

	gw_rconn_accept(c, m, &o);
}

static void client_offer(struct gw_rconn *c, const struct gw_rmsg *m,
			 struct gw_rleg *l)
{
	struct gw_msg msg = { .verb = GW_V_OFFER };
	struct gw_rout o = {
		.session_id = l->id,
		.problem = {.status = 491,
                            .detail = "another offer is pending"},
		.has_retry_after = true,
		.retry_after_s = gw_random_u32() % 3
	};

	if (l->state != GW_RL_UP) {
		gw_rconn_reject(c, m, GW_RJ_STATE, 409,
				"sdpOffer before the session is connected");
		return;
	}
	if (gw_rleg_oa_event(l, GW_OA_EV_THEIR_OFFER)) {
		gw_rconn_reject_out(c, m, GW_RJ_GLARE, &o);
		return;
	}
	gw_rleg_sdp_done(l);
	accept_update(c, m, l);
	msg.desc = desc_of(m, GW_K_SDP_OFFER, GW_DESC_OFFER);
	gw_rleg_deliver(l, &msg);
}

/* The answer to our offer; @m is a request, or the response to our request. */
static void apply_answer(struct gw_rleg *l, const struct gw_rmsg *m)
{
	struct gw_msg msg = { .verb = GW_V_ACCEPT };

	if (gw_rleg_expects(l, GW_RL_EV_ANSWERED)) {
		(void)gw_rleg_event(l, GW_RL_EV_ANSWERED);
		l->since_s = gw_clock_wall_s();
		msg.verb = GW_V_ANSWER;
	}
	gw_timer_stop(&l->answer_timer);
	gw_rleg_sdp_done(l);
	l->held_before = l->held;
	msg.desc = desc_of(m, GW_K_SDP_ANSWER, GW_DESC_ANSWER);
	if (!m->response)
		accept_update(l->reg->conn, m, l);
	gw_rleg_deliver(l, &msg); /* l may be gone */
}

static void client_answer(struct gw_rconn *c, const struct gw_rmsg *m,
			  struct gw_rleg *l)
{
	if (gw_rleg_oa_event(l, GW_OA_EV_THEIR_ANSWER)) {
		gw_rconn_reject(c, m, GW_RJ_STATE, 409,
				"there is no sdpOffer to answer");
		return;
	}
	apply_answer(l, m);
}

void gw_rleg_refused(struct gw_rleg *l, unsigned status, const char *text)
{
	struct gw_msg msg = {
		.verb = GW_V_REFUSE,
		.cause = {.status = (uint16_t)status, .text = text}
	};

	if (gw_rleg_oa_event(l, GW_OA_EV_THEIR_REFUSAL))
		return;
	if (status == 491) /* RFC 3261 14.1: 2.1 to 4 s for this side */
		l->glare_until_us =
			gw_timers_now_us(l->web->timers) +
			(2100 + gw_random_u32() % 1900) * UINT64_C(1000);
	gw_timer_stop(&l->answer_timer);
	gw_rleg_sdp_done(l);
	l->held = l->held_before;
	gw_rleg_deliver(l, &msg);
}

void gw_rleg_answer_timeout(struct gw_timer *t, void *arg)
{
	struct gw_rleg *l = arg;

	(void)t;
	GW_CHECK(l, GW_RLEG_MAGIC);
	gw_info(&l->log, "%s: our offer was not answered", l->id);
	gw_rleg_refused(l, 504, "the client did not answer the offer");
}

static void client_refusal(struct gw_rconn *c, const struct gw_rmsg *m,
			   struct gw_rleg *l)
{
	unsigned status = m->problem_status >= 400 ? m->problem_status : 488;

	if (l->oa != GW_OA_OURS || l->state == GW_RL_RINGING) {
		gw_rconn_reject(c, m, GW_RJ_STATE, 409,
				"there is no sdpOffer to refuse");
		return;
	}
	accept_update(c, m, l);
	gw_rleg_refused(l, status, m->problem_detail);
}

/* ---- mupdate, mdisc ---- */

/* DTMF for SIP INFO (application/dtmf-relay), one digit each. */
static void client_dtmf(struct gw_rconn *c, const struct gw_rmsg *m,
			struct gw_rleg *l)
{
	struct gw_reg *reg = c->reg;
	uint64_t serial = l->serial;
	char content[GW_DTMF_RELAY_SIZE];
	struct gw_msg msg = { .verb = GW_V_INFO,
			      .content_type = GW_DTMF_RELAY_TYPE,
			      .content = content };

	/* Also to a service that asks before it answers. */
	if (l->state != GW_RL_UP && !l->early_media) {
		gw_rconn_reject(
			c, m, GW_RJ_STATE, 409,
			"userData.dtmf before the session is connected");
		return;
	}
	accept_update(c, m, l);
	for (size_t i = 0; i < m->ndtmf; i++) {
		const struct gw_dtmf_relay d = { m->dtmf[i], m->dtmf_ms };

		msg.content_len = gw_dtmf_relay_print(content, &d);
		gw_rleg_deliver(l, &msg);
		/* A digit may have ended the session. */
		if (c->reg != reg)
			return;
		LIST_FOREACH(l, &reg->legs, link)
		{
			if (l->serial == serial)
				break;
		}
		if (!l)
			return;
	}
}

/* Of an application, for that of the other party. */
static void client_user_data(struct gw_rconn *c, const struct gw_rmsg *m,
			     struct gw_rleg *l)
{
	struct gw_msg msg = { .verb = GW_V_INFO,
			      .content_type = GW_WIRE_USER_DATA_TYPE,
			      .content = m->user_data,
			      .content_len = strlen(m->user_data) };
	struct gw_rout o = { .session_id = l->id,
			     .has_state = true,
			     .state = gw_rleg_shown(l),
			     .user_data_taken = l->state == GW_RL_UP };

	if (msg.content_len > GW_WIRE_USER_DATA_MAX) {
		gw_rconn_reject(c, m, GW_RJ_LIMIT, 413,
				"userData is longer than 4096 bytes");
		return;
	}
	gw_rconn_accept(c, m, &o);
	if (l->state == GW_RL_UP)
		gw_rleg_deliver(l, &msg); /* l may be gone */
}

/* Another resource for this session (seed, media resource modification): the
 * client stays.  What becomes of it is told by an mupdate with resourceId. */
static void client_transfer(struct gw_rconn *c, const struct gw_rmsg *m,
			    struct gw_rleg *l)
{
	struct gw_msg msg = { .verb = GW_V_TRANSFER, .stays = true };
	char target[GW_TARGET_SIZE];

	if (gw_rmsg_has(m, GW_K_SDP_OFFER) || gw_rmsg_has(m, GW_K_SDP_ANSWER)) {
		gw_rconn_reject(c, m, GW_RJ_MEMBER, 400,
				"resourceId comes without a description");
		return;
	}
	if (l->state != GW_RL_UP) {
		gw_rconn_reject(c, m, GW_RJ_STATE, 409,
				"resourceId before the session is connected");
		return;
	}
	if (!gw_respect_target(target, c->web, c->reg,
			       m->str[GW_K_RESOURCE_ID])) {
		gw_rconn_reject(c, m, GW_RJ_MEMBER, 400,
				"resourceId must be a URI or a number");
		return;
	}
	gw_info(&c->log, "%s: mupdate to %s", l->id, target);
	accept_update(c, m, l);
	msg.target.uri = target;
	gw_rleg_deliver(l, &msg); /* l may be gone */
}

void gw_rleg_mupdate(struct gw_rconn *c, const struct gw_rmsg *m)
{
	struct gw_rleg *l = session_of(c, m);

	if (!l)
		return;
	if (gw_rmsg_has(m, GW_K_SDP_OFFER) && gw_rmsg_has(m, GW_K_SDP_ANSWER)) {
		gw_rconn_reject(c, m, GW_RJ_MEMBER, 400,
				"sdpOffer and sdpAnswer exclude each other");
		return;
	}
	if (!gw_respect_own(c, m))
		return;
	if (gw_rmsg_has(m, GW_K_RESOURCE_ID))
		client_transfer(c, m, l);
	else if (gw_rmsg_has(m, GW_K_SDP_OFFER))
		client_offer(c, m, l);
	else if (gw_rmsg_has(m, GW_K_SDP_ANSWER))
		client_answer(c, m, l);
	else if (gw_rmsg_has(m, GW_K_PROBLEM))
		client_refusal(c, m, l);
	else if (m->ndtmf)
		client_dtmf(c, m, l);
	else if (m->user_data)
		client_user_data(c, m, l);
	else
		accept_update(c, m, l);
}

void gw_rleg_mdisc(struct gw_rconn *c, const struct gw_rmsg *m)
{
	struct gw_rout o = { .has_state = true, .state = GW_RS_DISCONNECTED };
	struct gw_rleg *l = session_of(c, m);
	unsigned status = m->problem_status;

	if (!l)
		return;
	o.session_id = l->id;
	gw_rconn_accept(c, m, &o);
	if (l->state == GW_RL_UP)
		status = status >= 400 ? status : 200;
	else if (l->state == GW_RL_CALLING)
		status = 487;
	else if (status < 400)
		status = 603;
	gw_info(&c->log, "%s: mdisc, %u", l->id, status);
	gw_rleg_deliver_release(l, status, m->problem_detail);
}

/* ---- responses ---- */

static unsigned failure(const struct gw_rmsg *m, unsigned otherwise)
{
	return m->problem_status >= 400 ? m->problem_status : otherwise;
}

static void setup_response(struct gw_rleg *l, const struct gw_rmsg *m)
{
	static const struct gw_cause gone = { .status = 408 };
	struct gw_cause overruled = { 0 };
	struct gw_msg msg = { .verb = GW_V_PROGRESS,
			      .alert = GW_ALERT_RINGING };

	if (l->state != GW_RL_RINGING)
		return; /* the answer came first */
	if (!m) {
		gw_rleg_send_disc(l, &gone);
		gw_rleg_deliver_release(l, 480, "no response of the client");
	} else if (m->overruled) { /* it rings there: not for this call */
		overruled.status = (uint16_t)m->problem_status;
		overruled.text = m->problem_detail;
		gw_rleg_send_disc(l, &overruled);
		gw_rleg_deliver_release(l, 480, m->problem_detail);
	} else if (!m->success) {
		gw_rleg_deliver_release(l, failure(m, 486), m->problem_detail);
	} else if (gw_rmsg_has(m, GW_K_SDP_ANSWER)) {
		if (!gw_rleg_oa_event(l, GW_OA_EV_THEIR_ANSWER))
			apply_answer(l, m);
	} else if (!l->alerted) { /* once, however many connections rang */
		l->alerted = true;
		gw_rleg_deliver(l, &msg);
	}
}

static void update_done(struct gw_rleg *l, const struct gw_rmsg *m,
			uint32_t what)
{
	if ((what & ~GW_RT_FLAGS) == GW_RT_GEN(l->gen))
		l->state_unacked = false;
	if ((what & ~GW_RT_FLAGS) != GW_RT_GEN(l->sdp_gen))
		return;
	if (what & GW_RT_ANSWER) {
		gw_rleg_sdp_done(l);
	} else if (what & GW_RT_OFFER) {
		l->sdp_unacked = false; /* kept: its answer is still due */
		if (gw_rmsg_has(m, GW_K_SDP_ANSWER) &&
		    !gw_rleg_oa_event(l, GW_OA_EV_THEIR_ANSWER))
			apply_answer(l, m);
	}
}

static void update_failed(struct gw_rleg *l, const struct gw_rmsg *m,
			  uint32_t what)
{
	/* What we overrule is our doing, which the far side cannot mend. */
	unsigned status = !m ? 504 : m->overruled ? 488 : failure(m, 488);
	const char *text = m ? m->problem_detail : "no response of the client";
	struct gw_cause cause = { .status = (uint16_t)status, .text = text };

	gw_info(&l->log, "%s: the client refused our mupdate with %u", l->id,
		status);
	if (status == 481) { /* RFC 3261 12.2.1.2: the session is over there */
		gw_rleg_deliver_release(l, status, text);
	} else if ((what & GW_RT_OFFER) &&
		   (what & ~GW_RT_FLAGS) == GW_RT_GEN(l->sdp_gen)) {
		gw_rleg_refused(l, status, text);
	} else if (what & GW_RT_INITIAL) { /* no media without an answer */
		gw_rleg_send_disc(l, &cause);
		gw_rleg_deliver_release(l, status, text);
	}
}

void gw_rleg_response(struct gw_rconn *c, const struct gw_txn_our *our,
		      const struct gw_rmsg *m)
{
	struct gw_rleg *l = NULL;

	if (our->what == GW_RT_MESSAGE) {
		gw_rapp_response(c, our, m);
		return;
	}
	if (c->reg && our->subject) {
		LIST_FOREACH(l, &c->reg->legs, link)
		{
			if (l->serial == our->subject)
				break;
		}
	}
	if (!l)
		return; /* ended meanwhile */
	/* Also one that it refused. */
	if (m && l->outcome &&
	    (our->what & ~GW_RT_FLAGS) == GW_RT_GEN(l->outcome->gen))
		gw_rleg_outcome_done(l);
	if (our->what & GW_RT_SETUP)
		setup_response(l, m);
	else if (m && m->success)
		update_done(l, m, our->what);
	else
		update_failed(l, m, our->what);
}

/* ---- resumption ---- */

static void resume_one(struct gw_rleg *l)
{
	struct gw_rout o = { 0 };
	uint32_t flags = GW_RT_STATE;

	if (l->state == GW_RL_RINGING) {
		gw_rleg_send_setup(l);
		return;
	}
	if (l->sdp && (l->sdp_unacked || l->oa == GW_OA_OURS))
		flags |= l->sdp_is_offer ? GW_RT_OFFER : GW_RT_ANSWER;
	if (flags != GW_RT_STATE || (l->state_unacked && !l->outcome))
		gw_rleg_tell(l, &o, flags);
	/* In one of its own: a description is looked at before it. */
	gw_rleg_tell_outcome(l);
}

void gw_rleg_resume(struct gw_reg *reg)
{
	struct gw_rleg *l;

	/* Nothing here calls a handler, so the list stands still. */
	LIST_FOREACH(l, &reg->legs, link)
	{
		resume_one(l);
	}
}

void gw_rleg_info(const struct gw_reg *reg, struct gw_buf *out)
{
	const struct gw_rleg *l;
	bool first = true;
	char since[32];
	struct tm tm;
	time_t t;

	gw_buf_str(out, "[");
	LIST_FOREACH(l, &reg->legs, link)
	{
		const char *state = gw_wire_state(gw_rleg_shown(l));

		if (l->state == GW_RL_NEW)
			continue;
		t = (time_t)l->since_s;
		(void)gmtime_r(&t, &tm);
		(void)strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &tm);
		gw_buf_printf(out,
			      "%s{\"%s\":\"%s\",\"%s\":\"%s\","
			      "\"direction\":\"%s\",\"peer\":",
			      first ? "" : ",", gw_wire_key(GW_K_SESSION_ID),
			      l->id, gw_wire_key(GW_K_SESSION_STATE), state,
			      l->originating ? "originating" : "terminating");
		if (l->peer[0])
			gw_json_string(out, l->peer, strlen(l->peer));
		else
			gw_buf_str(out, "null"); /* withheld */
		gw_buf_printf(out, ",\"since\":\"%s\"}", since);
		first = false;
	}
	gw_buf_str(out, "]");
}
