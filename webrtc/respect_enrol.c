/*
 * Log-ins that a core has a say in: the auth is answered when it has answered,
 * its challenge goes to the client (TS 24.371 6.1, extension digest), and what
 * it ends, ends here.
 */
#include <errno.h>
#include <string.h>

#include "webrtc/respect_priv.h"

GW_COUNTER(m_ok, "isthmus_respect_auth_total",
	   "Authentications, by type and result",
	   "type=\"digest\",result=\"ok\"");
GW_COUNTER(m_bad, "isthmus_respect_auth_total",
	   "Authentications, by type and result",
	   "type=\"digest\",result=\"failed\"");

const char *const *gw_rconn_extensions(const struct gw_web *web)
{
	return gw_wire_extensions(web->h.enrol != NULL);
}

/* Nobody has seen it: it goes without a word. */
static void drop(struct gw_web *web, struct gw_reg *reg)
{
	if (reg->conn)
		reg->conn->reg = NULL;
	gw_rkeep_forget(web, reg);
	gw_enrol_end(web, reg);
	gw_registry_remove(reg);
	gw_rauth_gauge(web);
}

void gw_enrol_drop(struct gw_reg *reg)
{
	drop(reg->conn->web, reg);
}

static void respond_problem(struct gw_rconn *c, uint64_t txn,
			    const struct gw_web_enrolled *res)
{
	struct gw_rout o = {
		.problem = {.status = res->status, .detail = res->text},
		.has_retry_after = res->retry_after_s != 0,
		.retry_after_s = res->retry_after_s,
	};

	gw_respect_count(GW_RJ_CORE);
	gw_info(&c->log, "not registered in the core: %u %s", res->status,
		res->text ? res->text : "");
	gw_rconn_respond(c, txn, gw_wire_method(GW_RM_AUTH), &o);
}

int gw_enrol_new(struct gw_rconn *c, uint64_t txn, uint32_t expiration_s,
		 uint32_t ttl_s, bool digest)
{
	struct gw_web *web = c->web;
	struct gw_reg *reg = c->reg;
	char peer[GW_ADDR_STRLEN];
	struct gw_web_enrolled res = { .status = 503,
				       .retry_after_s = 5,
				       .text = "not now" };
	struct gw_web_enrolment who = {
		.key = reg->key,
		.peer = peer,
		.digest = digest,
	};
	char id[GW_IDENTITY_SIZE];

	(void)gw_addr_ip(gw_ws_peer(c->ws), peer, sizeof(peer));
	if (!web->h.enrol || !gw_identity_norm(id, reg->id))
		return -ENOENT;
	who.id = id;
	reg->pending = true;
	reg->txn = txn;
	reg->asked_expiration_s = expiration_s;
	reg->asked_ttl_s = ttl_s;
	if (web->h.enrol(&who, web->h.arg)) {
		respond_problem(c, txn, &res);
		drop(web, reg);
	}
	return 0;
}

void gw_enrol_end(struct gw_web *web, struct gw_reg *reg)
{
	if (!reg->pending && !reg->enrolled)
		return;
	reg->pending = false;
	reg->enrolled = false;
	web->h.leave(reg->key, web->h.arg);
}

/* ---- the core's answers ---- */

static void on_challenge(struct gw_reg *reg, const char *value)
{
	struct gw_rout o = { .problem = { .status = 401 } };
	struct gw_rconn *c = reg->conn;

	/* At a refresh nobody waits: the client's next auth will. */
	if (!reg->pending || !c)
		return;
	reg->asked = true;
	o.supported = gw_rconn_extensions(c->web);
	o.www_authenticate = value;
	gw_rconn_respond(c, reg->txn, gw_wire_method(GW_RM_AUTH), &o);
}

static void on_success(struct gw_web *web, struct gw_reg *reg,
		       const struct gw_web_enrolled *res)
{
	bool first = reg->pending;

	for (size_t i = 0; i < res->nimpu; i++)
		gw_registry_add_identity(reg, res->impu[i]);
	reg->pending = false;
	reg->enrolled = res->status == 200;
	if (!first)
		return;
	if (reg->asked)
		gw_metric_add(&m_ok, 1);
	reg->asked = false;
	if (reg->conn)
		gw_rauth_granted(reg->conn, reg->txn, reg->asked_expiration_s,
				 reg->asked_ttl_s);
	else
		drop(web, reg);
}

static void on_failure(struct gw_web *web, struct gw_reg *reg,
		       const struct gw_web_enrolled *res)
{
	struct gw_rconn *c = reg->conn;
	bool digest = reg->asked;
	uint64_t txn = reg->txn;

	/* The other side has let go already. */
	reg->enrolled = false;
	if (!reg->pending) {
		gw_rauth_end(web, reg, GW_WS_DEREGISTERED,
			     res->text ? res->text : "ended by the core");
		return;
	}
	reg->pending = false;
	drop(web, reg);
	if (c && digest && res->status == 403)
		gw_rauth_deny(c, txn, &m_bad, "digest", "refused by the core");
	else if (c)
		respond_problem(c, txn, res);
}

void gw_web_enrolled(struct gw_web *web, const char *key,
		     const struct gw_web_enrolled *res)
{
	struct gw_reg *reg = gw_registry_find_key(web->registry, key);

	if (!reg)
		return;
	if (res->status == 401)
		on_challenge(reg, res->challenge);
	else if (!res->status || res->status == 200)
		on_success(web, reg, res);
	else
		on_failure(web, reg, res);
}

/* ---- the client's answer ---- */

static void answer(struct gw_rconn *c, const struct gw_rmsg *m)
{
	struct gw_web *web = c->web;

	if (!gw_rmsg_has(m, GW_K_AUTHORIZATION)) {
		gw_rconn_reject(c, m, GW_RJ_MEMBER, 400,
				"authorization is missing");
		return;
	}
	c->reg->txn = m->txn;
	if (web->h.enrol_answer(c->reg->key, m->str[GW_K_AUTHORIZATION],
				web->h.arg))
		gw_rauth_deny(c, m->txn, &m_bad, c->reg->id,
			      "no answer to the challenge");
}

void gw_enrol_digest(struct gw_rconn *c, const struct gw_rmsg *m,
		     uint32_t expiration_s, uint32_t ttl_s)
{
	if (!c->web->h.enrol) {
		gw_rconn_reject(c, m, GW_RJ_MEMBER, 400,
				"there is no core to ask for a challenge");
		return;
	}
	if (c->reg && c->reg->pending) {
		answer(c, m);
		return;
	}
	/* The core's registration is refreshed by itself. */
	if (c->reg) {
		gw_rauth_granted(c, m->txn, expiration_s, ttl_s);
		return;
	}
	if (gw_registry_add(c->web->registry, &c->reg, m->str[GW_K_WEBRTC_ID],
			    NULL, c)) {
		gw_rconn_reject(c, m, GW_RJ_LIMIT, 503, "no memory");
		return;
	}
	(void)gw_enrol_new(c, m->txn, expiration_s, ttl_s, true);
}
