/*
 * Log-ins that a core has a say in: the auth is answered when it has answered,
 * its challenge goes to the client (TS 24.371 6.1, extension digest), and what
 * it ends, ends here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/ids.h"
#include "webrtc/respect_priv.h"

#define ANONYMOUS_CHARS 22 /* 131 bits: it is the client's for its life */

_Static_assert(GW_WEB_IMPUS == GW_CLAIMS_IMPUS, "all of a token's fit");

GW_COUNTER(m_ok, "isthmus_respect_auth_total",
	   "Authentications, by type and result",
	   "type=\"digest\",result=\"ok\"");
GW_COUNTER(m_bad, "isthmus_respect_auth_total",
	   "Authentications, by type and result",
	   "type=\"digest\",result=\"failed\"");

const char *const *gw_rconn_extensions(const struct gw_web *web)
{
	return gw_wire_extensions(web->h.enrol != NULL,
				  web->set->ims.pool_anonymous);
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
		 uint32_t ttl_s, enum gw_web_proof proof,
		 const struct gw_jwt_claims *claims)
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
		.proof = proof,
		.impi = claims ? claims->impi : NULL,
		.nimpu = claims ? claims->nimpu : 0,
		.impu = claims ? claims->impu : NULL,
	};
	char id[GW_IDENTITY_SIZE];

	(void)gw_addr_ip(gw_ws_peer(c->ws), peer, sizeof(peer));
	if (!web->h.enrol || !gw_identity_norm(id, reg->id))
		return -ENOENT;
	who.id = id;
	reg->pending = true;
	reg->token = proof == GW_WEB_TOKEN;
	reg->client = proof == GW_WEB_DIGEST;
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

static void keep_challenge(struct gw_reg *reg, const char *value)
{
	free(reg->challenge);
	reg->challenge = value ? strdup(value) : NULL;
}

void gw_enrol_remind(struct gw_reg *reg)
{
	struct gw_rout o = { .auth_type = "digest" };

	if (!reg->challenge || !reg->conn)
		return;
	o.webrtc_id = reg->id;
	o.www_authenticate = reg->challenge;
	gw_rconn_request(reg->conn, GW_RM_AUTH, &o, 0, 0);
}

static void show_challenge(struct gw_rconn *c, uint64_t txn, const char *value)
{
	struct gw_rout o = { .problem = { .status = 401 },
			     .supported = gw_rconn_extensions(c->web),
			     .www_authenticate = value };

	gw_rconn_respond(c, txn, gw_wire_method(GW_RM_AUTH), &o);
}

static void on_challenge(struct gw_reg *reg, const char *value)
{
	bool waits = reg->pending || reg->answering || reg->quitting;

	reg->asked = reg->pending;
	reg->answering = false;
	/* A refresh: the client is asked, now or when it is back. */
	if (!reg->pending)
		keep_challenge(reg, value);
	if (waits && reg->conn)
		show_challenge(reg->conn, reg->txn, value);
	else if (!reg->pending)
		gw_enrol_remind(reg);
}

/* It is registered, so what else it was thought to be is settled. */
static void take_identities(struct gw_reg *reg,
			    const struct gw_web_enrolled *res)
{
	if (res->status != 200)
		return;
	if (res->registration)
		(void)snprintf(reg->core_key, sizeof(reg->core_key), "%s",
			       res->registration);
	if (res->impi && !reg->impi)
		reg->impi = strdup(res->impi);
	if (res->impu)
		gw_registry_set_identities(reg, res->nimpu, res->impu);
}

static void on_success(struct gw_web *web, struct gw_reg *reg,
		       const struct gw_web_enrolled *res)
{
	bool first = reg->pending || reg->answering;

	take_identities(reg, res);
	keep_challenge(reg, NULL);
	reg->answering = false;
	reg->pending = false;
	reg->enrolled = res->status == 200;
	if (!first)
		return;
	if (reg->client)
		gw_metric_add(&m_ok, 1);
	reg->asked = false;
	if (reg->conn)
		gw_rauth_granted(reg->conn, reg->txn, reg->asked_expiration_s,
				 reg->asked_ttl_s);
	else
		drop(web, reg);
}

void gw_enrol_left(struct gw_reg *reg)
{
	struct gw_web *web = reg->conn->web;

	reg->conn->reg = NULL;
	reg->conn = NULL;
	gw_rauth_end(web, reg, GW_WS_NORMAL, "deregistered");
}

bool gw_enrol_log_out(struct gw_rconn *c, const struct gw_rmsg *m)
{
	struct gw_web *web = c->web;
	struct gw_reg *reg = c->reg;
	int err;

	if (!reg->client || !reg->enrolled || !web->h.quit)
		return false;
	if (!reg->quitting)
		err = web->h.quit(reg->key, web->h.arg);
	else if (gw_rmsg_has(m, GW_K_AUTHORIZATION))
		err = web->h.enrol_answer(reg->key, m->str[GW_K_AUTHORIZATION],
					  web->h.arg);
	else
		err = -EALREADY;
	/* It is not kept from leaving: the core's binding then expires. */
	if (err)
		return false;
	keep_challenge(reg, NULL);
	reg->quitting = true;
	reg->txn = m->txn;
	return true;
}

static void on_failure(struct gw_web *web, struct gw_reg *reg,
		       const struct gw_web_enrolled *res)
{
	struct gw_rconn *c = reg->conn;
	bool digest = reg->asked, token = reg->token;
	uint64_t txn = reg->txn;

	/* The other side has let go already. */
	reg->enrolled = false;
	if (reg->quitting) {
		/* Out of the core, whatever it said; and out of here. */
		gw_rkeep_log_out(web, reg);
		return;
	}
	if (!reg->pending) {
		if (reg->answering && c)
			respond_problem(c, txn, res);
		/* Its client is to hear first that it had begun: nothing is
		 * left to be remembered. */
		gw_web_kept(web, reg->key);
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
	/* TS 24.371 6.1: a token that is wrong in any respect costs the
	 * WebSocket. */
	if (c && token && (res->status == 403 || res->status == 404))
		gw_rconn_close(c, GW_WS_POLICY, "token refused");
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

static void answer(struct gw_rconn *c, const struct gw_rmsg *m,
		   uint32_t expiration_s, uint32_t ttl_s)
{
	struct gw_web *web = c->web;
	struct gw_reg *reg = c->reg;

	if (!gw_rmsg_has(m, GW_K_AUTHORIZATION)) {
		if (reg->challenge)
			show_challenge(c, m->txn, reg->challenge);
		else
			gw_rconn_reject(c, m, GW_RJ_MEMBER, 400,
					"authorization is missing");
		return;
	}
	if (web->h.enrol_answer(reg->key, m->str[GW_K_AUTHORIZATION],
				web->h.arg)) {
		gw_rauth_deny(c, m->txn, &m_bad, reg->id,
			      "no answer to the challenge");
		return;
	}
	reg->txn = m->txn;
	if (reg->pending)
		return;
	keep_challenge(reg, NULL);
	reg->answering = true;
	reg->asked_expiration_s = expiration_s;
	reg->asked_ttl_s = ttl_s;
}

void gw_enrol_digest(struct gw_rconn *c, const struct gw_rmsg *m,
		     uint32_t expiration_s, uint32_t ttl_s)
{
	if (!c->web->h.enrol) {
		gw_rconn_reject(c, m, GW_RJ_MEMBER, 400,
				"there is no core to ask for a challenge");
		return;
	}
	if (c->reg && (c->reg->pending || c->reg->challenge)) {
		answer(c, m, expiration_s, ttl_s);
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
	(void)gw_enrol_new(c, m->txn, expiration_s, ttl_s, GW_WEB_DIGEST, NULL);
}

/* ---- who does not say who it is ---- */

void gw_enrol_anonymous(struct gw_rconn *c, const struct gw_rmsg *m,
			uint32_t expiration_s, uint32_t ttl_s)
{
	char id[GW_IDENTITY_SIZE], word[ANONYMOUS_CHARS + 1];

	if (!c->web->h.enrol || !c->web->set->ims.pool_anonymous) {
		gw_rconn_reject(c, m, GW_RJ_AUTH_FAILED, 403,
				"anonymous users are not taken");
		return;
	}
	/* It is who it was before. */
	if (c->reg) {
		gw_rauth_granted(c, m->txn, expiration_s, ttl_s);
		return;
	}
	if (gw_registry_anonymous(c->web->registry, gw_ws_peer(c->ws)) >=
	    c->web->set->ims.pool_anonymous_ip) {
		gw_rconn_reject(c, m, GW_RJ_LIMIT, 429,
				"too many anonymous users of one address");
		return;
	}
	gw_random_token(word, sizeof(word), ANONYMOUS_CHARS);
	(void)snprintf(id, sizeof(id), "sip:%s@" GW_RESPECT_NOBODY, word);
	if (gw_registry_add(c->web->registry, &c->reg, id, NULL, c)) {
		gw_rconn_reject(c, m, GW_RJ_LIMIT, 503, "no memory");
		return;
	}
	c->reg->anonymous = true;
	c->reg->peer = *gw_ws_peer(c->ws);
	(void)gw_enrol_new(c, m->txn, expiration_s, ttl_s, GW_WEB_ANONYMOUS,
			   NULL);
}
