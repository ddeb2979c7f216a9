/*
 * The application-specific methods that the gateway itself serves:
 * message.isthmus, text outside of calls, quality.isthmus, what a client counts
 * of a session, and transfer.isthmus, by which it leaves one to others.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "webrtc/respect_leg.h"

#define ASKS_MAX     4096      /* messages of clients that are under way */
#define UNANSWERED   16        /* messages that a client has not answered yet */
#define REPORT_EVERY 900000ull /* microseconds, of one session */
#define QUALITY_MAX  16384     /* bytes of the answer: eight m-lines of video */

GW_COUNTER(m_taken, "isthmus_respect_text_messages_total",
	   "Messages of text of clients, and to them, by what became of them",
	   "from=\"client\",result=\"accepted\"");
GW_COUNTER(m_refused, "isthmus_respect_text_messages_total",
	   "Messages of text of clients, and to them, by what became of them",
	   "from=\"client\",result=\"refused\"");
GW_COUNTER(m_delivered, "isthmus_respect_text_messages_total",
	   "Messages of text of clients, and to them, by what became of them",
	   "from=\"gateway\",result=\"accepted\"");
GW_COUNTER(m_declined, "isthmus_respect_text_messages_total",
	   "Messages of text of clients, and to them, by what became of them",
	   "from=\"gateway\",result=\"refused\"");

/* A message of a client that waits for its answer. */
struct gw_rask {
	LIST_ENTRY(gw_rask) link;
	uint64_t id;
	struct gw_rconn *conn; /* NULL: gone */
	uint64_t txn;
};

/* ---- messages of clients ---- */

/* One message of @b's; 0, or the seconds until there is one. */
static uint32_t take(struct gw_web *web, struct gw_reg_bucket *b)
{
	uint32_t rate = web->set->messages.per_minute;
	uint64_t now = gw_timers_now_us(web->timers);
	uint64_t back = (now - b->at_us) * rate / 60000;

	/* What the division dropped must not be lost. */
	if (back) {
		b->at_us = now;
		b->spent_m -= back < b->spent_m ? (uint32_t)back : b->spent_m;
	}
	if (b->spent_m + 1000 > rate * 1000)
		return 60 / rate + 1;
	b->spent_m += 1000;
	return 0;
}

/* NULL: one that is not taken. */
static const char *type_of(const struct gw_set_messages *set,
			   const struct gw_rmsg *m)
{
	return gw_rmsg_has(m, GW_K_CONTENT_TYPE)
		       ? gw_message_type(set, m->str[GW_K_CONTENT_TYPE])
		       : GW_MESSAGE_TYPE;
}

/* False: it was refused. */
static bool may_send(struct gw_rconn *c, const struct gw_rmsg *m)
{
	const struct gw_set_messages *set = &c->web->set->messages;
	struct gw_rout o = {
		.problem = {.status = 429, .detail = "too many messages"},
		.has_retry_after = true,
	};

	if (!c->web->h.message || !set->per_minute) {
		gw_rconn_reject(c, m, GW_RJ_APP_METHOD, 501,
				"there are no messages here");
		return false;
	}
	if (!type_of(set, m)) {
		gw_rconn_reject(c, m, GW_RJ_UNSUPPORTED, 415,
				"contentType must be text/plain, or one of "
				"messages.types");
		return false;
	}
	if (m->len[GW_K_CONTENT] > set->max_bytes) {
		gw_rconn_reject(c, m, GW_RJ_LIMIT, 413,
				"content is longer than messages.max_bytes");
		return false;
	}
	o.retry_after_s = take(c->web, &c->reg->sent);
	if (o.retry_after_s) {
		gw_rconn_reject_out(c, m, GW_RJ_LIMIT, &o);
		return false;
	}
	return true;
}

static struct gw_rask *new_ask(struct gw_rconn *c, uint64_t txn)
{
	struct gw_web *web = c->web;
	struct gw_rask *ask;

	if (web->nmessage >= ASKS_MAX)
		return NULL;
	ask = calloc(1, sizeof(*ask));
	if (!ask)
		return NULL;
	ask->id = ++web->last_message;
	ask->conn = c;
	ask->txn = txn;
	LIST_INSERT_HEAD(&web->messages, ask, link);
	web->nmessage++;
	return ask;
}

void gw_rapp_message(struct gw_rconn *c, const struct gw_rmsg *m)
{
	struct gw_message msg = { .text = m->str[GW_K_CONTENT],
				  .len = m->len[GW_K_CONTENT] };
	char target[GW_TARGET_SIZE];
	struct gw_rask *ask;

	if (!may_send(c, m))
		return;
	msg.from.uri = gw_respect_own(c, m);
	if (!msg.from.uri)
		return;
	if (!gw_respect_target(target, c->web, c->reg,
			       m->str[GW_K_RESOURCE_ID])) {
		gw_rconn_reject(c, m, GW_RJ_MEMBER, 400,
				"resourceId must be a URI or a number");
		return;
	}
	ask = new_ask(c, m->txn);
	if (!ask) {
		gw_rconn_reject(c, m, GW_RJ_LIMIT, 503, "too many messages");
		return;
	}
	if (c->reg->name[0])
		msg.from.display = c->reg->name;
	msg.to = target;
	msg.type = type_of(&c->web->set->messages, m);
	if (c->reg->enrolled)
		msg.registration = gw_reg_core_key(c->reg);
	gw_debug(&c->log, "message of %zu bytes from %s to %s", msg.len,
		 msg.from.uri, target);
	c->web->h.message(ask->id, &msg, c->web->h.arg);
}

static void answer(struct gw_rask *ask, const struct gw_cause *cause)
{
	struct gw_rout o = { .success = cause->status < 300 };
	bool busy = cause->status == 401 || cause->status == 407;

	if (!o.success) {
		/* The client cannot answer the far side's challenges. */
		o.problem.status = busy ? 403 : cause->status;
		o.problem.sip = cause->sip;
		o.problem.detail = cause->text;
		o.has_retry_after = cause->retry_after_s;
		o.retry_after_s = cause->retry_after_s;
	}
	gw_metric_add(o.success ? &m_taken : &m_refused, 1);
	gw_rconn_respond(ask->conn, ask->txn, gw_wire_method(GW_RM_MESSAGE),
			 &o);
}

static void drop(struct gw_web *web, struct gw_rask *ask)
{
	LIST_REMOVE(ask, link);
	web->nmessage--;
	free(ask);
}

void gw_web_message_answer(struct gw_web *web, uint64_t id,
			   const struct gw_cause *cause)
{
	struct gw_rask *ask;

	LIST_FOREACH(ask, &web->messages, link)
	{
		if (ask->id == id)
			break;
	}
	if (!ask)
		return;
	if (ask->conn)
		answer(ask, cause);
	drop(web, ask);
}

void gw_rapp_conn_gone(struct gw_rconn *c)
{
	struct gw_rask *ask;

	LIST_FOREACH(ask, &c->web->messages, link)
	{
		if (ask->conn == c)
			ask->conn = NULL;
	}
	/* What it has not answered, nobody asks for on the next one. */
	if (c->reg)
		c->reg->unanswered = 0;
}

void gw_rapp_fini(struct gw_web *web)
{
	while (!LIST_EMPTY(&web->messages))
		drop(web, LIST_FIRST(&web->messages));
}

/* ---- messages to clients ---- */

/* 0, or why this endpoint does not get it. */
static int send_to(struct gw_web *web, struct gw_reg *reg, uint64_t id,
		   const struct gw_message *m)
{
	struct gw_rout o = { .content_type =
				     m->type ? m->type : GW_MESSAGE_TYPE,
			     .content = m->text ? m->text : "",
			     .content_len = m->len };
	const char *own;

	/* Nothing is kept for one who is away (RFC 3428 is no mailbox). */
	if (!reg->conn || reg->pending)
		return -ENOENT;
	if (reg->unanswered >= UNANSWERED || take(web, &reg->received))
		return -EBUSY;
	own = gw_reg_identity(reg, m->to);
	o.resource_id = own ? own : reg->id;
	if (!m->privacy) {
		o.asserted_orig = m->from.uri;
		o.asserted_orig_name = m->from.display;
	}
	reg->unanswered++;
	gw_rconn_request(reg->conn, GW_RM_MESSAGE, &o, id, GW_RT_MESSAGE);
	return 0;
}

int gw_web_message_send(struct gw_web *web, uint64_t id,
			const struct gw_message *m)
{
	struct gw_reg *reg[GW_WEB_ENDPOINTS];
	int copies = 0, err = -ENOENT;
	size_t n;

	if (!web->set->messages.per_minute)
		return -ENOENT;
	n = m->registration
		    ? gw_registry_find_in_core(web->registry, m->registration,
					       reg, GW_WEB_ENDPOINTS)
		    : gw_registry_find_all(web->registry, m->to, reg,
					   GW_WEB_ENDPOINTS);
	for (size_t i = 0; i < n; i++) {
		int rc = send_to(web, reg[i], id, m);

		if (!rc)
			copies++;
		else if (rc == -EBUSY)
			err = rc;
	}
	return copies ? copies : err;
}

void gw_rapp_response(struct gw_rconn *c, const struct gw_txn_our *our,
		      const struct gw_rmsg *m)
{
	struct gw_web *web = c->web;
	struct gw_cause cause = { .status = 200 };

	if (c->reg && c->reg->unanswered)
		c->reg->unanswered--;
	if (!m) {
		cause.status = 408;
		cause.text = "no response of the client";
	} else if (!m->success) {
		cause.status =
			(uint16_t)(m->problem_status >= 400 ? m->problem_status
							    : 480);
		cause.text = m->problem_detail;
		/* Of a client that never heard of messages. */
		if (cause.status == 501 || cause.status == 405)
			cause.status = 480;
	}
	gw_metric_add(cause.status < 300 ? &m_delivered : &m_declined, 1);
	if (web->h.message_done)
		web->h.message_done(our->subject, &cause, web->h.arg);
}

/* ---- reports ---- */

void gw_rapp_quality(struct gw_rconn *c, const struct gw_rmsg *m)
{
	struct gw_rleg *l = gw_rleg_find(c->reg, m->str[GW_K_SESSION_ID]);
	uint64_t now = gw_timers_now_us(c->web->timers);
	struct gw_rout o = { 0 }, later = {
		.problem = {.status = 429, .detail = "one report a second"},
		.has_retry_after = true,
		.retry_after_s = 1,
	};
	struct gw_msg msg = { .verb = GW_V_REPORT };
	struct gw_buf b;

	if (!l || l->state != GW_RL_UP) {
		gw_rconn_reject(c, m, GW_RJ_SESSION, 481,
				"there is no such mediaSessionId");
		return;
	}
	if (l->reported_us && now < l->reported_us + REPORT_EVERY) {
		gw_rconn_reject_out(c, m, GW_RJ_LIMIT, &later);
		return;
	}
	l->reported_us = now;
	gw_buf_init(&b, QUALITY_MAX);
	msg.report = &m->report;
	msg.video = m->video;
	msg.nvideo = (unsigned)m->nvideo;
	msg.quality = &b;
	gw_rleg_deliver(l, &msg);
	o.session_id = m->str[GW_K_SESSION_ID]; /* l may be gone */
	o.quality = gw_buf_error(&b) || !b.len ? NULL : b.data;
	gw_rconn_accept(c, m, &o);
	gw_buf_fini(&b);
}

/* ---- transfer ---- */

/* The session whose other party becomes the new one here; NULL: refused, or
 * (with true) not asked for. */
static struct gw_rleg *joined(struct gw_rconn *c, const struct gw_rmsg *m,
			      bool *asked)
{
	struct gw_rleg *l;

	*asked = gw_rmsg_has(m, GW_K_JOIN_ID);
	if (*asked == gw_rmsg_has(m, GW_K_RESOURCE_ID)) {
		gw_rconn_reject(c, m, GW_RJ_MEMBER, 400,
				"either resourceId or joinSessionId");
		*asked = true;
		return NULL;
	}
	l = *asked ? gw_rleg_find(c->reg, m->str[GW_K_JOIN_ID]) : NULL;
	if (*asked && (!l || l->state != GW_RL_UP)) {
		gw_rconn_reject(c, m, GW_RJ_SESSION, 481,
				"joinSessionId is no connected session");
		return NULL;
	}
	return l;
}

void gw_rapp_transfer(struct gw_rconn *c, const struct gw_rmsg *m)
{
	struct gw_rleg *l = gw_rleg_find(c->reg, m->str[GW_K_SESSION_ID]);
	struct gw_msg msg = { .verb = GW_V_TRANSFER };
	struct gw_rout o = { .has_state = true };
	struct gw_rleg *other;
	char target[GW_TARGET_SIZE];
	bool join;

	if (!l || l->state != GW_RL_UP) {
		gw_rconn_reject(c, m, GW_RJ_SESSION, 481,
				"mediaSessionId is no connected session");
		return;
	}
	other = joined(c, m, &join);
	if (join && !other)
		return;
	if (!join && !gw_respect_target(target, c->web, c->reg,
					m->str[GW_K_RESOURCE_ID])) {
		gw_rconn_reject(c, m, GW_RJ_MEMBER, 400,
				"resourceId must be a URI or a number");
		return;
	}
	gw_info(&c->log, "%s: left to %s", l->id, join ? other->id : target);
	o.session_id = l->id;
	o.state = gw_rleg_shown(l);
	gw_rconn_accept(c, m, &o);
	msg.target.uri = join ? NULL : target;
	msg.joins = join ? &other->leg : NULL;
	gw_rleg_deliver(l, &msg); /* both may be gone */
}
