/*
 * One RESPECT connection: messages, transactions, limits.  What a method does
 * is in respect_auth.c, respect_info.c and respect_leg_in.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "webrtc/respect_priv.h"

#define CONN_MAGIC 0x52434f31u

#define REJECTED      "isthmus_respect_rejected_total"
#define REJECTED_HELP "RESPECT messages refused, by reason"

/* clang-format off */
GW_COUNTER(m_json, REJECTED, REJECTED_HELP, "reason=\"not_json\"");
GW_COUNTER(m_no_id, REJECTED, REJECTED_HELP, "reason=\"no_transaction_id\"");
GW_COUNTER(m_depth, REJECTED, REJECTED_HELP, "reason=\"depth\"");
GW_COUNTER(m_member, REJECTED, REJECTED_HELP, "reason=\"member\"");
GW_COUNTER(m_method, REJECTED, REJECTED_HELP, "reason=\"method\"");
GW_COUNTER(m_app, REJECTED, REJECTED_HELP, "reason=\"application_method\"");
GW_COUNTER(m_order, REJECTED, REJECTED_HELP, "reason=\"transaction_order\"");
GW_COUNTER(m_gone, REJECTED, REJECTED_HELP, "reason=\"transaction_gone\"");
GW_COUNTER(m_response, REJECTED, REJECTED_HELP, "reason=\"response\"");
GW_COUNTER(m_extension, REJECTED, REJECTED_HELP, "reason=\"extension\"");
GW_COUNTER(m_unauth, REJECTED, REJECTED_HELP, "reason=\"unauthenticated\"");
GW_COUNTER(m_auth, REJECTED, REJECTED_HELP, "reason=\"auth_failed\"");
GW_COUNTER(m_session, REJECTED, REJECTED_HELP, "reason=\"session\"");
GW_COUNTER(m_state, REJECTED, REJECTED_HELP, "reason=\"state\"");
GW_COUNTER(m_glare, REJECTED, REJECTED_HELP, "reason=\"glare\"");
GW_COUNTER(m_identity, REJECTED, REJECTED_HELP, "reason=\"identity\"");
GW_COUNTER(m_limit, REJECTED, REJECTED_HELP, "reason=\"limit\"");
GW_COUNTER(m_draining, REJECTED, REJECTED_HELP, "reason=\"draining\"");
GW_COUNTER(m_unsupported, REJECTED, REJECTED_HELP, "reason=\"unsupported\"");
GW_COUNTER(m_rate, REJECTED, REJECTED_HELP, "reason=\"rate\"");
GW_COUNTER(m_auth_timeout, REJECTED, REJECTED_HELP, "reason=\"auth_timeout\"");
GW_COUNTER(m_store, REJECTED, REJECTED_HELP, "reason=\"store\"");
GW_COUNTER(m_core, REJECTED, REJECTED_HELP, "reason=\"core\"");
GW_COUNTER(m_unanswered, REJECTED, REJECTED_HELP, "reason=\"unanswered\"");
GW_COUNTER(m_emergency, REJECTED, REJECTED_HELP, "reason=\"emergency\"");

static const struct {
	struct gw_metric *metric;
	const char *name;
} rejects[GW_NRREJECTS] = {
	[GW_RJ_JSON]            = { &m_json, "not JSON" },
	[GW_RJ_NO_ID]           = { &m_no_id, "no transaction id" },
	[GW_RJ_DEPTH]           = { &m_depth, "too deep" },
	[GW_RJ_MEMBER]          = { &m_member, "member" },
	[GW_RJ_METHOD]          = { &m_method, "unknown method" },
	[GW_RJ_APP_METHOD]      = { &m_app, "unknown application method" },
	[GW_RJ_TXN_ORDER]       = { &m_order, "transaction id out of order" },
	[GW_RJ_TXN_GONE]        = { &m_gone, "transaction id used before" },
	[GW_RJ_RESPONSE]        = { &m_response, "response to nothing" },
	[GW_RJ_EXTENSION]       = { &m_extension, "extension" },
	[GW_RJ_UNAUTHENTICATED] = { &m_unauth, "not authenticated" },
	[GW_RJ_AUTH_FAILED]     = { &m_auth, "authentication failed" },
	[GW_RJ_SESSION]         = { &m_session, "unknown session" },
	[GW_RJ_STATE]           = { &m_state, "wrong state" },
	[GW_RJ_GLARE]           = { &m_glare, "offers cross" },
	[GW_RJ_IDENTITY]        = { &m_identity, "identity of someone else" },
	[GW_RJ_LIMIT]           = { &m_limit, "limit" },
	[GW_RJ_DRAINING]        = { &m_draining, "draining" },
	[GW_RJ_UNSUPPORTED]     = { &m_unsupported, "not supported" },
	[GW_RJ_RATE]            = { &m_rate, "too many messages" },
	[GW_RJ_AUTH_TIMEOUT]    = { &m_auth_timeout, "no authentication" },
	[GW_RJ_STORE]           = { &m_store, "users cannot be looked up" },
	[GW_RJ_CORE]            = { &m_core, "not registered in the core" },
	[GW_RJ_UNANSWERED]      = { &m_unanswered, "requests unanswered" },
	[GW_RJ_EMERGENCY]       = { &m_emergency, "emergency services" },
};

#define MESSAGES "isthmus_respect_requests_total"
#define MESSAGES_HELP "RESPECT requests, by method and sender"
GW_COUNTER(m_c_auth, MESSAGES, MESSAGES_HELP, "method=\"auth\",from=\"client\"");
GW_COUNTER(m_c_msetup, MESSAGES, MESSAGES_HELP, "method=\"msetup\",from=\"client\"");
GW_COUNTER(m_c_mupdate, MESSAGES, MESSAGES_HELP, "method=\"mupdate\",from=\"client\"");
GW_COUNTER(m_c_mdisc, MESSAGES, MESSAGES_HELP, "method=\"mdisc\",from=\"client\"");
GW_COUNTER(m_c_getinfo, MESSAGES, MESSAGES_HELP, "method=\"getinfo\",from=\"client\"");
GW_COUNTER(m_c_message, MESSAGES, MESSAGES_HELP, "method=\"message\",from=\"client\"");
GW_COUNTER(m_c_transfer, MESSAGES, MESSAGES_HELP, "method=\"transfer\",from=\"client\"");
GW_COUNTER(m_c_quality, MESSAGES, MESSAGES_HELP, "method=\"quality\",from=\"client\"");
GW_COUNTER(m_g_message, MESSAGES, MESSAGES_HELP, "method=\"message\",from=\"gateway\"");
GW_COUNTER(m_g_auth, MESSAGES, MESSAGES_HELP, "method=\"auth\",from=\"gateway\"");
GW_COUNTER(m_g_msetup, MESSAGES, MESSAGES_HELP, "method=\"msetup\",from=\"gateway\"");
GW_COUNTER(m_g_mupdate, MESSAGES, MESSAGES_HELP, "method=\"mupdate\",from=\"gateway\"");
GW_COUNTER(m_g_mdisc, MESSAGES, MESSAGES_HELP, "method=\"mdisc\",from=\"gateway\"");
GW_COUNTER(m_repeat, "isthmus_respect_retransmissions_total",
	   "Requests received again and answered from memory", "");
GW_COUNTER(m_timeout, "isthmus_respect_request_timeouts_total",
	   "Requests of the gateway that no client answered in time", "");
GW_COUNTER(m_user_data, "isthmus_respect_user_data_dropped_total",
	   "Messages whose userData could not be passed on", "");
GW_COUNTER(m_name, "isthmus_respect_names_dropped_total",
	   "Calls whose displayName clients may not choose", "");
GW_GAUGE(m_conns, "isthmus_respect_connections",
	 "RESPECT connections that are open", "");

static struct gw_metric *const requests[GW_NRMETHODS][2] = {
	[GW_RM_AUTH]    = { &m_g_auth, &m_c_auth },
	[GW_RM_MSETUP]  = { &m_g_msetup, &m_c_msetup },
	[GW_RM_MUPDATE] = { &m_g_mupdate, &m_c_mupdate },
	[GW_RM_MDISC]   = { &m_g_mdisc, &m_c_mdisc },
	[GW_RM_GETINFO] = { NULL, &m_c_getinfo },
	[GW_RM_MESSAGE] = { &m_g_message, &m_c_message },
	[GW_RM_QUALITY] = { NULL, &m_c_quality },
	[GW_RM_TRANSFER] = { NULL, &m_c_transfer },
};
/* clang-format on */

void gw_respect_count(enum gw_rreject why)
{
	gw_metric_add(rejects[why].metric, 1);
}

void gw_respect_count_request(enum gw_rmethod method, bool from_client)
{
	if (requests[method][from_client])
		gw_metric_add(requests[method][from_client], 1);
}

static uint64_t now_ms(const struct gw_rconn *c)
{
	return gw_timers_now_us(c->web->timers) / 1000;
}

void gw_rconn_close(struct gw_rconn *c, enum gw_ws_close code,
		    const char *reason)
{
	if (c->closing)
		return;
	c->closing = true;
	gw_timer_stop(&c->auth_timer);
	gw_timer_stop(&c->txn_timer);
	gw_ws_close(c->ws, code, reason);
}

/* ---- sending ---- */

static void transmit(struct gw_rconn *c, const char *text, size_t len)
{
	/* A client that does not read is closed by the server, and comes back
	 * here as closed; one that is closing needs nothing any more. */
	(void)gw_ws_send(c->ws, text, len);
}

void gw_rconn_respond(struct gw_rconn *c, uint64_t txn, const char *method,
		      struct gw_rout *o)
{
	size_t len;
	char *text;

	if (c->closing)
		return;
	o->response = true;
	o->txn = txn;
	o->method = method && *method ? method : NULL;
	text = gw_respect_print(o, &len);
	if (!text) {
		gw_warn(&c->log, "no memory for a response");
		gw_rconn_close(c, GW_WS_INTERNAL, "out of memory");
		return;
	}
	(void)gw_txn_answer(c->txn, txn, text, len, now_ms(c));
	transmit(c, text, len);
	free(text);
}

void gw_rconn_accept(struct gw_rconn *c, const struct gw_rmsg *m,
		     struct gw_rout *o)
{
	const char *dropped[3] = { NULL };
	unsigned n = 0;

	if (m->user_data && !o->user_data_taken) {
		gw_metric_add(&m_user_data, 1);
		gw_info(&c->log, "userData in %s is not passed on",
			m->method_name);
		dropped[n++] = "userData";
	}
	if (m->method == GW_RM_MSETUP && m->display_name &&
	    !c->web->set->calls.client_names) {
		gw_metric_add(&m_name, 1);
		gw_info(&c->log, "a displayName of the client's own is not "
				 "passed on");
		dropped[n++] = GW_WIRE_C_NAME;
	}
	if (n)
		o->unsupported = dropped;
	o->success = true;
	gw_rconn_respond(c, m->txn, m->method_name, o);
	o->unsupported = NULL;
}

void gw_rconn_reject_out(struct gw_rconn *c, const struct gw_rmsg *m,
			 enum gw_rreject why, struct gw_rout *o)
{
	gw_respect_count(why);
	gw_info(&c->log, "%s refused with %u: %s%s%s",
		m->method == GW_RM_UNKNOWN ? "message" : m->method_name,
		o->problem.status, rejects[why].name,
		o->problem.detail ? ": " : "",
		o->problem.detail ? o->problem.detail : "");
	o->success = false;
	gw_rconn_respond(c, m->txn, m->method_name, o);
}

void gw_rconn_reject(struct gw_rconn *c, const struct gw_rmsg *m,
		     enum gw_rreject why, unsigned status, const char *detail)
{
	struct gw_rout o = {
		.problem = {.status = status, .detail = detail}
	};

	gw_rconn_reject_out(c, m, why, &o);
}

/* Breaking the limits costs the connection, and the address a black mark. */
static void punish(struct gw_rconn *c, enum gw_rreject why, const char *reason)
{
	gw_respect_count(why);
	gw_warn(&c->log, "closed: %s", rejects[why].name);
	(void)gw_ws_punish(c->web->ws, gw_ws_peer(c->ws), why == GW_RJ_RATE);
	gw_rconn_close(c, GW_WS_POLICY, reason);
}

static void arm_txn_timer(struct gw_rconn *c)
{
	uint64_t due = gw_txn_next_due_ms(c->txn), now = now_ms(c);

	if (due == UINT64_MAX)
		gw_timer_stop(&c->txn_timer);
	else
		(void)gw_timer_start_ms(c->web->timers, &c->txn_timer,
					due > now ? due - now : 0);
}

void gw_rconn_request(struct gw_rconn *c, enum gw_rmethod method,
		      struct gw_rout *o, uint64_t subject, uint32_t what)
{
	size_t len;
	char *text;
	int err;

	if (c->closing)
		return;
	err = gw_txn_open(c->txn, subject, what,
			  now_ms(c) + GW_RESPECT_TIMEOUT_MS, &o->txn);
	if (err == -ENOSPC) {
		punish(c, GW_RJ_UNANSWERED, "requests unanswered");
		return;
	}
	o->response = false;
	o->method = gw_wire_method(method);
	text = err ? NULL : gw_respect_print(o, &len);
	if (!text) {
		gw_warn(&c->log, "no memory for a request");
		gw_rconn_close(c, GW_WS_INTERNAL, "out of memory");
		return;
	}
	gw_respect_count_request(method, false);
	transmit(c, text, len);
	free(text);
	arm_txn_timer(c);
}

/* ---- timers ---- */

static void on_auth_timer(struct gw_timer *t, void *arg)
{
	struct gw_rconn *c = arg;

	(void)t;
	GW_CHECK(c, CONN_MAGIC);
	gw_respect_count(GW_RJ_AUTH_TIMEOUT);
	gw_info(&c->log, "closed: not authenticated in time");
	gw_rconn_close(c, GW_WS_POLICY, "authentication timeout");
}

static void on_txn_timer(struct gw_timer *t, void *arg)
{
	struct gw_rconn *c = arg;
	struct gw_txn_our our;

	(void)t;
	GW_CHECK(c, CONN_MAGIC);
	while (!c->closing && gw_txn_expired(c->txn, now_ms(c), &our)) {
		gw_metric_add(&m_timeout, 1);
		gw_info(&c->log, "request %llu was not answered",
			(unsigned long long)our.id);
		gw_rleg_response(c, &our, NULL);
	}
	if (!c->closing)
		arm_txn_timer(c);
}

/* ---- receiving ---- */

static bool within_rate(struct gw_rconn *c)
{
	const struct gw_set_web *set = &c->web->set->web;
	uint64_t now = gw_timers_now_us(c->web->timers);
	uint64_t full = (uint64_t)set->messages_burst * 1000;

	if (!set->messages_per_s)
		return true;
	c->tokens_m += (now - c->filled_us) * set->messages_per_s / 1000;
	if (c->tokens_m > full)
		c->tokens_m = full;
	/* What the division dropped must not be lost to a steady sender. */
	if ((now - c->filled_us) * set->messages_per_s >= 1000)
		c->filled_us = now;
	if (c->tokens_m < 1000)
		return false;
	c->tokens_m -= 1000;
	return true;
}

static bool known_extension(const struct gw_rconn *c, const char *name)
{
	for (size_t i = 0; gw_rconn_extensions(c->web)[i]; i++) {
		if (!strcmp(gw_rconn_extensions(c->web)[i], name))
			return true;
	}
	return false;
}

/* What the client takes for done, but we cannot. */
static void overrule(struct gw_rconn *c, struct gw_rmsg *m, enum gw_rreject why,
		     unsigned status, const char *detail)
{
	gw_respect_count(why);
	gw_info(&c->log, "response refused: %s", detail);
	m->overruled = m->success;
	if (m->overruled) {
		m->problem_status = status;
		m->problem_detail = detail;
	}
	m->success = false;
}

static void on_response(struct gw_rconn *c, struct gw_rmsg *m,
			enum gw_rfault fault)
{
	struct gw_txn_our our;
	size_t known = 0;

	if (gw_txn_close(c->txn, m->txn, &our)) {
		gw_respect_count(GW_RJ_RESPONSE);
		gw_info(&c->log, "response to an unknown request ignored");
		return;
	}
	arm_txn_timer(c);
	/* A response may require only what its request said to be supported
	 * (TR 26.930, extensional capabilities). */
	while (known < m->required.n &&
	       known_extension(c, m->required.item[known]))
		known++;
	if (fault)
		overrule(c, m, GW_RJ_MEMBER, 400, m->detail);
	else if (known < m->required.n)
		overrule(c, m, GW_RJ_EXTENSION, 420,
			 "the response requires an unknown extension");
	if (m->user_data) {
		gw_metric_add(&m_user_data, 1);
		gw_info(&c->log, "userData in a response is not passed on");
	}
	gw_rleg_response(c, &our, m);
}

/* TR 26.930 6.4.5.5.4.3.4: what is required and not there is named. */
static bool extensions_held(struct gw_rconn *c, const struct gw_rmsg *m)
{
	const char *missing[GW_RESPECT_MAX_LIST + 1];
	struct gw_rout o = { .problem = { .status = 420 },
			     .supported = gw_rconn_extensions(c->web),
			     .unsupported = missing };
	size_t n = 0;

	for (size_t i = 0; i < m->required.n; i++) {
		if (!known_extension(c, m->required.item[i]))
			missing[n++] = m->required.item[i];
	}
	missing[n] = NULL;
	if (n)
		gw_rconn_reject_out(c, m, GW_RJ_EXTENSION, &o);
	return !n;
}

static bool is_new(struct gw_rconn *c, const struct gw_rmsg *m)
{
	struct gw_rout o = { .problem = { .status = 400 } };
	const char *text;
	size_t len;

	switch (gw_txn_request(c->txn, m->txn, now_ms(c), &text, &len)) {
	case GW_TXN_NEW:
		return true;
	case GW_TXN_REPEAT:
		gw_metric_add(&m_repeat, 1);
		gw_debug(&c->log, "%s %llu again", m->method_name,
			 (unsigned long long)m->txn);
		transmit(c, text, len);
		return false;
	case GW_TXN_PENDING:
		gw_metric_add(&m_repeat, 1);
		return false;
	case GW_TXN_GONE:
		o.problem.detail = "transactionId was used before";
		gw_rconn_reject_out(c, m, GW_RJ_TXN_GONE, &o);
		return false;
	case GW_TXN_PARITY:
		o.problem.detail = "transactionId must be even";
		break;
	case GW_TXN_SKIPPED:
		o.problem.detail = "transactionId must be the next even number";
		break;
	}
	gw_rconn_reject_out(c, m, GW_RJ_TXN_ORDER, &o);
	return false;
}

struct gw_reg *gw_rconn_reg(const struct gw_rconn *c)
{
	return c->reg && c->reg->told ? c->reg : NULL;
}

static void on_request(struct gw_rconn *c, const struct gw_rmsg *m,
		       enum gw_rfault fault)
{
	static void (*const handlers[GW_NRMETHODS])(struct gw_rconn *,
						    const struct gw_rmsg *) = {
		[GW_RM_AUTH] = gw_rauth_request,
		[GW_RM_MSETUP] = gw_rleg_msetup,
		[GW_RM_MUPDATE] = gw_rleg_mupdate,
		[GW_RM_MDISC] = gw_rleg_mdisc,
		[GW_RM_GETINFO] = gw_rinfo_request,
		[GW_RM_MESSAGE] = gw_rapp_message,
		[GW_RM_QUALITY] = gw_rapp_quality,
		[GW_RM_TRANSFER] = gw_rapp_transfer,
	};
	static const enum gw_rreject reasons[] = {
		[GW_RF_DEPTH] = GW_RJ_DEPTH,
		[GW_RF_MEMBER] = GW_RJ_MEMBER,
		[GW_RF_METHOD] = GW_RJ_METHOD,
		[GW_RF_APP_METHOD] = GW_RJ_APP_METHOD,
	};

	if (!is_new(c, m))
		return;
	if (fault) {
		gw_rconn_reject(c, m, reasons[fault], m->status, m->detail);
		return;
	}
	gw_respect_count_request(m->method, true);
	if (gw_remerg_request(c, m) || !extensions_held(c, m))
		return;
	if (!gw_rconn_reg(c) && m->method != GW_RM_AUTH &&
	    m->method != GW_RM_GETINFO) {
		gw_rconn_reject(c, m, GW_RJ_UNAUTHENTICATED, 401,
				"auth comes first");
		return;
	}
	handlers[m->method](c, m);
}

static void not_readable(struct gw_rconn *c, enum gw_rreject why)
{
	gw_respect_count(why);
	gw_info(&c->log, "closed: %s", rejects[why].name);
	gw_rconn_close(c, GW_WS_NOT_TEXT, rejects[why].name);
}

void gw_rconn_message(struct gw_rconn *c, const char *text, size_t len)
{
	struct gw_rmsg m;
	enum gw_rfault fault;

	GW_CHECK(c, CONN_MAGIC);
	if (c->closing)
		return;
	/* Before anything is allocated for it. */
	if (!within_rate(c) && !gw_remerg_overdraft(c, text, len)) {
		punish(c, GW_RJ_RATE, "too many messages");
		return;
	}
	fault = gw_respect_parse(&m, text, len);
	if (fault == GW_RF_NOT_JSON || fault == GW_RF_NOT_OBJECT)
		not_readable(c, GW_RJ_JSON);
	else if (fault == GW_RF_NO_ID)
		not_readable(c, GW_RJ_NO_ID);
	else if (m.response)
		on_response(c, &m, fault);
	else
		on_request(c, &m, fault);
	gw_respect_parse_end(&m);
}

/* ---- life ---- */

void gw_rconn_opened(struct gw_web *web, struct gw_ws_conn *ws)
{
	struct gw_rconn *c = calloc(1, sizeof(*c));

	if (!c || gw_txn_new(&c->txn, false)) {
		free(c);
		gw_ws_close(ws, GW_WS_OVERLOAD, "out of memory");
		return;
	}
	c->magic = CONN_MAGIC;
	c->web = web;
	c->ws = ws;
	(void)snprintf(c->name, sizeof(c->name), "%s", gw_ws_name(ws));
	c->log = (struct gw_logctx){ .module = "respect", .id = c->name };
	c->tokens_m = (uint64_t)web->set->web.messages_burst * 1000;
	c->filled_us = gw_timers_now_us(web->timers);
	gw_timer_init(&c->auth_timer, on_auth_timer, c);
	gw_timer_init(&c->txn_timer, on_txn_timer, c);
	(void)gw_timer_start_ms(web->timers, &c->auth_timer,
				web->set->web.auth_timeout_ms);
	LIST_INSERT_HEAD(&web->conns, c, link);
	gw_ws_set_user(ws, c);
	gw_metric_add(&m_conns, 1);
}

void gw_rconn_closed(struct gw_rconn *c, uint16_t code)
{
	GW_CHECK(c, CONN_MAGIC);
	gw_timer_stop(&c->auth_timer);
	gw_timer_stop(&c->txn_timer);
	gw_rauth_conn_gone(c);
	gw_rapp_conn_gone(c);
	if (c->reg && !c->reg->told) {
		gw_info(&c->log, "closed %u: %s had not registered yet", code,
			c->reg->id);
		gw_enrol_drop(c->reg);
	} else if (c->reg && (c->reg->quitting || c->reg->leaving)) {
		gw_info(&c->log, "closed %u: %s was about to leave", code,
			c->reg->id);
		gw_enrol_left(c->reg);
	} else if (c->reg) {
		gw_info(&c->log, "closed %u: %s stays for %u s, %u sessions",
			code, c->reg->id, c->reg->ttl_s, c->reg->nleg);
		gw_reg_suspend(c->reg);
		gw_rauth_gauge(c->web);
	} else {
		gw_debug(&c->log, "closed %u", code);
	}
	LIST_REMOVE(c, link);
	gw_metric_add(&m_conns, -1);
	gw_txn_free(c->txn);
	c->magic = 0;
	free(c);
}
