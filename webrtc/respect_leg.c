/* A media session as the call drives it: verbs in, requests to the client. */
#include "webrtc/respect_leg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/dtmf_relay.h"
#include "gateway/base/ids.h"

#define SESSION_ID_CHARS 22    /* 131 bits */
#define ANSWER_MS        20000 /* for the answer to an offer in a session */

GW_GAUGE(m_sessions, "isthmus_respect_sessions", "Media sessions that live",
	 "");

struct gw_rleg *gw_rleg_of(struct gw_leg *leg)
{
	struct gw_rleg *l = (struct gw_rleg *)(void *)leg;

	GW_CHECK(l, GW_RLEG_MAGIC);
	return l;
}

enum gw_rstate gw_rleg_shown(const struct gw_rleg *l)
{
	switch (l->state) {
	case GW_RL_UP:
		if (l->oa == GW_OA_THEIRS)
			return GW_RS_UPDATING;
		return l->held ? GW_RS_HELD : GW_RS_CONNECTED;
	case GW_RL_CALLING:
		if (l->early_media)
			return GW_RS_EARLY;
		if (l->alerted)
			return GW_RS_ALERTING;
		return l->early_answered ? GW_RS_EARLY : GW_RS_PROCEEDING;
	case GW_RL_RINGING:
		return l->alerted ? GW_RS_ALERTING : GW_RS_PROCEEDING;
	case GW_RL_DEAD:
		return GW_RS_DISCONNECTED;
	default:
		return GW_RS_PROCEEDING;
	}
}

/* ---- descriptions ---- */

void gw_rleg_sdp_done(struct gw_rleg *l)
{
	free(l->sdp);
	l->sdp = NULL;
	l->sdp_len = 0;
	l->sdp_unacked = false;
}

static int keep_sdp(struct gw_rleg *l, const struct gw_desc *desc, bool offer)
{
	char *copy = malloc(desc->len + 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, desc->text, desc->len);
	copy[desc->len] = '\0';
	free(l->sdp);
	l->sdp = copy;
	l->sdp_len = desc->len;
	l->sdp_is_offer = offer;
	return 0;
}

/*
 * A description that comes with PROGRESS, ANSWER or ACCEPT.  The client's
 * transport has one answer for its life: what further branches and the final
 * answer say changes the far side only, and is not shown.
 */
static int take_desc(struct gw_rleg *l, const struct gw_msg *msg,
		     uint32_t *flags)
{
	bool offer = msg->desc.role == GW_DESC_OFFER;
	bool pre = l->oa == GW_OA_PRE;
	enum gw_rleg_oa was = l->oa;
	int err;

	if (msg->desc.role == GW_DESC_NONE)
		return pre && msg->verb == GW_V_ANSWER ? -EPROTO : 0;
	if (msg->desc.role == GW_DESC_PRE_OFFER || !msg->desc.text)
		return -EPROTO;
	if (!offer && l->oa == GW_OA_IDLE && l->early_answered)
		return 0;
	err = gw_rleg_oa_event(l, offer ? GW_OA_EV_OUR_OFFER
					: GW_OA_EV_OUR_ANSWER);
	if (err)
		return offer ? -EAGAIN : err;
	err = keep_sdp(l, &msg->desc, offer);
	if (err) {
		l->oa = was;
		return err;
	}
	*flags |= offer ? GW_RT_OFFER : GW_RT_ANSWER;
	if (pre && !offer) {
		*flags |= GW_RT_INITIAL;
		l->early_answered = true;
	}
	return 0;
}

/* ---- requests to the client ---- */

static struct gw_rconn *conn_of(const struct gw_rleg *l)
{
	return l->reg ? l->reg->conn : NULL;
}

void gw_rleg_tell(struct gw_rleg *l, struct gw_rout *o, uint32_t flags)
{
	l->gen = (l->gen + 1) & GW_RLEG_GENS;
	o->session_id = l->id;
	if (flags & GW_RT_STATE) {
		o->has_state = true;
		o->state = gw_rleg_shown(l);
		l->state_unacked = true;
	}
	if (flags & (GW_RT_OFFER | GW_RT_ANSWER)) {
		o->sdp = l->sdp;
		o->sdp_len = l->sdp_len;
		o->sdp_is_offer = flags & GW_RT_OFFER;
		l->sdp_unacked = true;
		l->sdp_gen = l->gen;
	}
	if (conn_of(l))
		gw_rconn_request(conn_of(l), GW_RM_MUPDATE, o, l->serial,
				 flags | GW_RT_GEN(l->gen));
}

void gw_rleg_send_setup(struct gw_rleg *l)
{
	struct gw_rout o = {
		.supported = gw_rconn_extensions(l->web),
		.resource_id = l->resource,
		.session_id = l->id,
		.sdp = l->sdp,
		.sdp_len = l->sdp_len,
		.sdp_is_offer = true,
		.asserted_orig = l->peer[0] ? l->peer : NULL,
		.asserted_orig_name = l->peer_name[0] ? l->peer_name : NULL,
		.call_info = l->call_info,
	};

	if (conn_of(l))
		gw_rconn_request(conn_of(l), GW_RM_MSETUP, &o, l->serial,
				 GW_RT_SETUP);
}

void gw_rleg_send_disc(struct gw_rleg *l, const struct gw_cause *cause)
{
	struct gw_rout o = { .session_id = l->id,
			     .has_state = true,
			     .state = GW_RS_DISCONNECTED };
	unsigned status = cause->status;

	if (l->state == GW_RL_NEW || l->state == GW_RL_DEAD || !conn_of(l))
		return;
	/* The client cannot answer the far side's challenges. */
	if (status == 401 || status == 407)
		status = 403;
	/* Not a failure, and not the caller's change of mind. */
	if (cause->elsewhere)
		status = 200;
	if (status != 200 || cause->elsewhere || cause->text) {
		o.problem.status = status ? status : 500;
		o.problem.sip = cause->sip;
		o.problem.detail =
			cause->elsewhere ? "answered elsewhere" : cause->text;
	}
	if (o.problem.status && (cause->emergency || l->emergency)) {
		o.problem.emergency = true;
		if (!o.problem.detail)
			o.problem.detail = l->web->set->emergency.text;
	}
	if (cause->retry_after_s) {
		o.has_retry_after = true;
		o.retry_after_s = cause->retry_after_s;
	}
	gw_rconn_request(conn_of(l), GW_RM_MDISC, &o, 0, 0);
}

/* ---- verbs ---- */

static int send_setup(struct gw_rleg *l, const struct gw_msg *msg)
{
	int err;

	if (!gw_rleg_expects(l, GW_RL_EV_SETUP) || !msg->desc.text ||
	    msg->desc.role != GW_DESC_OFFER)
		return -EPROTO;
	err = keep_sdp(l, &msg->desc, true);
	if (err)
		return err;
	l->call_info = gw_respect_call_info(msg->call_info, GW_ALERT_NO);
	if (!msg->privacy) {
		(void)snprintf(l->peer, sizeof(l->peer), "%s",
			       msg->asserted.uri ? msg->asserted.uri : "");
		(void)snprintf(l->peer_name, sizeof(l->peer_name), "%s",
			       msg->asserted.display ? msg->asserted.display
						     : "");
	}
	(void)gw_rleg_oa_event(l, GW_OA_EV_OUR_OFFER);
	(void)gw_rleg_event(l, GW_RL_EV_SETUP);
	gw_rleg_send_setup(l);
	return 0;
}

/* What @msg says of the call, unless it was said before. */
static const char *news(struct gw_rleg *l, const struct gw_msg *msg)
{
	char *text = gw_respect_call_info(msg->call_info, msg->alert);

	if (!text || (l->call_info && !strcmp(text, l->call_info))) {
		free(text);
		return NULL;
	}
	free(l->call_info);
	l->call_info = text;
	return text;
}

static int send_progress(struct gw_rleg *l, const struct gw_msg *msg)
{
	struct gw_rout o = { .asserted_term = msg->asserted.uri,
			     .asserted_term_name = msg->asserted.display };
	enum gw_rstate before = gw_rleg_shown(l);
	uint32_t flags = GW_RT_STATE;
	int err;

	if (!gw_rleg_expects(l, GW_RL_EV_PROGRESS))
		return -EPROTO;
	err = take_desc(l, msg, &flags);
	if (err)
		return err;
	(void)gw_rleg_event(l, GW_RL_EV_PROGRESS);
	l->alerted = l->alerted || msg->alert == GW_ALERT_RINGING;
	l->early_media = msg->early_media; /* its dialog may end */
	o.call_info = news(l, msg);
	if (gw_rleg_shown(l) != before || flags != GW_RT_STATE || o.call_info)
		gw_rleg_tell(l, &o, flags);
	return 0;
}

static int send_answer(struct gw_rleg *l, const struct gw_msg *msg)
{
	struct gw_rout o = { .asserted_term = msg->asserted.uri,
			     .asserted_term_name = msg->asserted.display };
	uint32_t flags = GW_RT_STATE;
	int err;

	if (!gw_rleg_expects(l, GW_RL_EV_ANSWER))
		return -EPROTO;
	err = take_desc(l, msg, &flags);
	if (err)
		return err;
	(void)gw_rleg_event(l, GW_RL_EV_ANSWER);
	l->held = l->held_before = msg->held;
	l->since_s = gw_clock_wall_s();
	gw_rleg_tell(l, &o, flags);
	return 0;
}

static int send_offer(struct gw_rleg *l, const struct gw_msg *msg)
{
	struct gw_rout o = { .asserted_term = msg->asserted.uri,
			     .asserted_term_name = msg->asserted.display };
	uint32_t flags = GW_RT_STATE;
	uint64_t now = gw_timers_now_us(l->web->timers);
	int err;

	/* An offer has to be there: a client cannot be asked for one. */
	if ((l->state != GW_RL_CALLING && l->state != GW_RL_UP) ||
	    msg->desc.role != GW_DESC_OFFER)
		return -EPROTO;
	if (now < l->glare_until_us)
		return -EAGAIN;
	err = take_desc(l, msg, &flags);
	if (err)
		return err;
	if (l->state == GW_RL_UP) {
		l->held_before = l->held;
		l->held = msg->held;
		(void)gw_timer_start_ms(l->web->timers, &l->answer_timer,
					ANSWER_MS);
	}
	gw_rleg_tell(l, &o, flags);
	return 0;
}

static int send_accept(struct gw_rleg *l, const struct gw_msg *msg)
{
	struct gw_rout o = { 0 };
	uint32_t flags = GW_RT_STATE;
	int err;

	if (l->oa != GW_OA_THEIRS || msg->desc.role != GW_DESC_ANSWER)
		return -EPROTO;
	err = take_desc(l, msg, &flags);
	if (err)
		return err;
	l->held = l->held_before = msg->held;
	gw_rleg_tell(l, &o, flags);
	return 0;
}

static int send_refuse(struct gw_rleg *l, const struct gw_msg *msg)
{
	const struct gw_cause *cause = &msg->cause;
	struct gw_rout o = {
		.problem = {.status = cause->status,
                            .sip = cause->sip,
                            .detail = cause->text}
	};

	if (gw_rleg_oa_event(l, GW_OA_EV_OUR_REFUSAL))
		return -EPROTO;
	if (cause->retry_after_s || cause->status == 491) {
		o.has_retry_after = true;
		o.retry_after_s = cause->retry_after_s ? cause->retry_after_s
						       : gw_random_u32() % 3;
	}
	gw_rleg_tell(l, &o, GW_RT_STATE);
	return 0;
}

/* What the other party's application says to this one's. */
static int send_user_data(struct gw_rleg *l, const struct gw_msg *msg)
{
	struct gw_rout o = { 0 };
	char *json = gw_respect_user_data(msg->content, msg->content_len);

	if (!json)
		return -EPROTO;
	o.user_data = json;
	gw_rleg_tell(l, &o, 0);
	free(json);
	return 0;
}

static int send_info(struct gw_rleg *l, const struct gw_msg *msg)
{
	struct gw_rout o = { 0 };
	struct gw_dtmf_relay d;
	char signal[2] = "";

	if ((l->state != GW_RL_UP && l->state != GW_RL_CALLING) ||
	    !msg->content_type || !msg->content)
		return -EPROTO;
	if (!strcasecmp(msg->content_type, GW_WIRE_USER_DATA_TYPE))
		return send_user_data(l, msg);
	if (strcasecmp(msg->content_type, GW_DTMF_RELAY_TYPE) != 0 ||
	    gw_dtmf_relay_parse(&d, msg->content, msg->content_len))
		return -EPROTO;
	signal[0] = d.signal;
	o.dtmf_signal = signal;
	o.dtmf_ms = d.duration_ms;
	gw_rleg_tell(l, &o, 0);
	return 0;
}

/* Of one that goes on: what the new party does, once. */
static void tell_transfer(struct gw_rleg *l, uint16_t status)
{
	struct gw_rout o = {
		.transfer_state = gw_wire_state(
			status == 180 ? GW_RS_ALERTING : GW_RS_PROCEEDING),
	};
	bool known = status == l->transfer || status == 100;

	l->transfer = status;
	if (!known)
		gw_rleg_tell(l, &o, GW_RT_STATE);
}

/* The party is another one at the end. */
static int send_transfer(struct gw_rleg *l, const struct gw_msg *msg)
{
	const struct gw_cause *cause = &msg->cause;
	int err;

	if (l->state != GW_RL_UP)
		return -EPROTO;
	if (cause->status < 200) {
		tell_transfer(l, cause->status);
		return 0;
	}
	err = gw_rleg_keep_outcome(l, msg);
	if (err)
		return err;
	if (cause->status < 300) {
		(void)snprintf(l->peer, sizeof(l->peer), "%s",
			       msg->asserted.uri ? msg->asserted.uri : "");
		(void)snprintf(l->peer_name, sizeof(l->peer_name), "%s",
			       msg->asserted.display ? msg->asserted.display
						     : "");
	}
	gw_rleg_tell_outcome(l);
	return 0;
}

static int send_release(struct gw_rleg *l, const struct gw_msg *msg)
{
	if (l->state == GW_RL_DEAD)
		return 0;
	gw_rleg_send_disc(l, &msg->cause);
	(void)gw_rleg_event(l, GW_RL_EV_END);
	gw_rleg_detach(l);
	return 0;
}

static int leg_send(struct gw_leg *leg, const struct gw_msg *msg)
{
	static int (*const verbs[GW_NVERBS])(struct gw_rleg *,
					     const struct gw_msg *) = {
		[GW_V_SETUP] = send_setup,     [GW_V_PROGRESS] = send_progress,
		[GW_V_ANSWER] = send_answer,   [GW_V_OFFER] = send_offer,
		[GW_V_ACCEPT] = send_accept,   [GW_V_REFUSE] = send_refuse,
		[GW_V_INFO] = send_info,       [GW_V_TRANSFER] = send_transfer,
		[GW_V_RELEASE] = send_release,
	};
	struct gw_rleg *l = gw_rleg_of(leg);

	if (!verbs[msg->verb] ||
	    (l->state == GW_RL_DEAD && msg->verb != GW_V_RELEASE))
		return -EPROTO;
	return verbs[msg->verb](l, msg);
}

static void leg_free(struct gw_leg *leg)
{
	struct gw_rleg *l = gw_rleg_of(leg);
	struct gw_msg bye = {
		.verb = GW_V_RELEASE,
		.cause = { .status = l->state == GW_RL_UP ? 200 : 503 }
	};

	(void)send_release(l, &bye);
	gw_rleg_detach(l);
	gw_timer_stop(&l->answer_timer);
	gw_rleg_sdp_done(l);
	gw_rleg_outcome_done(l);
	free(l->call_info);
	l->magic = 0;
	free(l);
}

static const struct gw_leg_ops ops = {
	.kind = "respect",
	.profile = GW_PROFILE_WEB,
	.send = leg_send,
	.free = leg_free,
};

/* ---- life ---- */

int gw_rleg_new(struct gw_rleg **out, struct gw_web *web, struct gw_reg *reg,
		bool originating)
{
	struct gw_rleg *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->magic = GW_RLEG_MAGIC;
	l->leg.ops = &ops;
	l->web = web;
	l->reg = reg;
	l->serial = ++web->leg_serial;
	l->originating = originating;
	l->state = originating ? GW_RL_CALLING : GW_RL_NEW;
	l->since_s = gw_clock_wall_s();
	memcpy(l->id, "ms-", 3);
	gw_random_token(l->id + 3, sizeof(l->id) - 3, SESSION_ID_CHARS);
	l->log =
		(struct gw_logctx){ .module = "respect", .id = l->leg.call_id };
	gw_timer_init(&l->answer_timer, gw_rleg_answer_timeout, l);
	LIST_INSERT_HEAD(&reg->legs, l, link);
	reg->nleg++;
	web->nleg++;
	gw_metric_add(&m_sessions, 1);
	*out = l;
	return 0;
}

int gw_respect_leg_new(struct gw_leg **out, struct gw_web *web, const char *uri,
		       const char *key)
{
	struct gw_reg *reg = key ? gw_registry_find_key(web->registry, key)
				 : gw_registry_find(web->registry, uri);
	const char *own;
	struct gw_rleg *l;
	int err;

	if (!reg)
		return -ENOENT;
	/* Not silence: nobody knows whether its client comes at all. */
	if (reg->awaited)
		return -EHOSTDOWN;
	if (reg->nleg >= web->set->web.max_sessions)
		return -EBUSY;
	err = gw_rleg_new(&l, web, reg, false);
	if (err)
		return err;
	own = gw_reg_identity(reg, uri);
	(void)snprintf(l->resource, sizeof(l->resource), "%s",
		       own ? own : reg->id);
	*out = &l->leg;
	return 0;
}

void gw_rleg_detach(struct gw_rleg *l)
{
	if (!l->reg)
		return;
	LIST_REMOVE(l, link);
	l->reg->nleg--;
	l->reg = NULL;
	l->web->nleg--;
	gw_timer_stop(&l->answer_timer);
	gw_metric_add(&m_sessions, -1);
}

void gw_rleg_deliver(struct gw_rleg *l, const struct gw_msg *msg)
{
	if (l->leg.handler)
		l->leg.handler(&l->leg, msg, l->leg.arg);
}

void gw_rleg_deliver_release(struct gw_rleg *l, unsigned status,
			     const char *text)
{
	struct gw_msg msg = {
		.verb = GW_V_RELEASE,
		.cause = {.status = (uint16_t)status, .text = text}
	};

	(void)gw_rleg_event(l, GW_RL_EV_END);
	gw_rleg_detach(l);
	gw_rleg_deliver(l, &msg);
}

void gw_rleg_release_all(struct gw_reg *reg, unsigned status, const char *text)
{
	struct gw_rleg *l;

	/* One release may end other sessions of the same endpoint, so each
	 * round begins anew. */
	while ((l = LIST_FIRST(&reg->legs)))
		gw_rleg_deliver_release(l, status, text);
}
