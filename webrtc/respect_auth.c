/*
 * The auth method, its answers, single-use re-authentication, and the end of a
 * registration.  What has to be checked off the thread: respect_auth_job.c.
 */
#include <string.h>

#include "webrtc/respect_priv.h"

#define AUTH      "isthmus_respect_auth_total"
#define AUTH_HELP "Authentications, by type and result"

GW_COUNTER(m_reauth_ok, AUTH, AUTH_HELP, "type=\"reauth\",result=\"ok\"");
GW_COUNTER(m_reauth_bad, AUTH, AUTH_HELP, "type=\"reauth\",result=\"failed\"");
GW_GAUGE(m_live, "isthmus_respect_registrations", "Registrations, by state",
	 "state=\"registered\"");
GW_GAUGE(m_suspended, "isthmus_respect_registrations",
	 "Registrations, by state", "state=\"suspended\"");
GW_GAUGE(m_awaited, "isthmus_respect_registrations", "Registrations, by state",
	 "state=\"awaited\"");

void gw_rauth_gauge(const struct gw_web *web)
{
	unsigned suspended, n = gw_registry_count(web->registry, &suspended);
	unsigned awaited = gw_registry_awaited(web->registry);

	gw_metric_set(&m_live, n - suspended);
	gw_metric_set(&m_suspended, suspended - awaited);
	gw_metric_set(&m_awaited, awaited);
}

struct gw_set_user *gw_rauth_user(const struct gw_web *web, const char *uri)
{
	const struct gw_idmap_node *iter = NULL;

	return gw_idmap_next(web->users, uri, &iter);
}

void gw_rauth_end(struct gw_web *web, struct gw_reg *reg, enum gw_ws_close code,
		  const char *why)
{
	struct gw_rconn *c = reg->conn;
	struct gw_logctx log = { .module = "respect",
				 .id = c ? c->name : NULL };

	gw_info(&log, "%s: registration ends: %s", reg->id, why);
	gw_registry_hide(reg); /* no call is routed here from now on */
	/* Before its identity of the pool is given back: a crash in between must
	 * not find it with one that somebody else may have by then. */
	gw_rkeep_forget(web, reg);
	gw_enrol_end(web, reg);
	/* Connection first: what the calls now send must not go out on it. */
	if (c) {
		c->reg = NULL;
		reg->conn = NULL;
		gw_rconn_close(c, code, why);
	}
	gw_rleg_release_all(reg, 480, why);
	gw_registry_remove(reg);
	gw_rauth_gauge(web);
}

/* ---- answers ---- */

/* One answer for a wrong user, password, token or credential: which it was is
 * for the log. */
void gw_rauth_deny(struct gw_rconn *c, uint64_t txn, struct gw_metric *metric,
		   const char *id, const char *why)
{
	struct gw_rout o = {
		.problem = {.status = 403, .detail = "authentication failed"}
	};

	gw_metric_add(metric, 1);
	gw_respect_count(GW_RJ_AUTH_FAILED);
	gw_info(&c->log, "%s: authentication failed: %s", id, why);
	gw_rconn_respond(c, txn, gw_wire_method(GW_RM_AUTH), &o);
	if (gw_ws_punish(c->web->ws, gw_ws_peer(c->ws), false))
		gw_rconn_close(c, GW_WS_POLICY, "too many failures");
}

/* It is known to be who it says: one endpoint too many, and the oldest goes. */
static void make_room(struct gw_web *web, const struct gw_reg *reg)
{
	unsigned max = web->set->auth.max_endpoints;
	struct gw_reg *surplus;

	while ((surplus = gw_registry_surplus(reg, max)))
		gw_rauth_end(web, surplus, GW_WS_SUPERSEDED,
			     "too many endpoints");
}

void gw_rauth_granted(struct gw_rconn *c, uint64_t txn, uint32_t expiration_s,
		      uint32_t ttl_s)
{
	struct gw_reg *reg = c->reg;

	gw_timer_stop(&c->auth_timer);
	make_room(c->web, reg);
	gw_reg_renew(reg, expiration_s, ttl_s);
	gw_rauth_gauge(c->web);
	reg->txn = txn;
	reg->asked_expiration_s = expiration_s;
	reg->asked_ttl_s = ttl_s;
	if (!gw_rkeep_ask(c->web, reg))
		gw_rauth_answer(c);
}

void gw_rauth_answer(struct gw_rconn *c)
{
	struct gw_reg *reg = c->reg;
	struct gw_rout o = { .success = true,
			     .has_expiration = true,
			     .expiration_s = reg->asked_expiration_s,
			     .has_ttl = true,
			     .ttl_s = reg->asked_ttl_s,
			     .supported = gw_rconn_extensions(c->web) };

	reg->told = true;
	o.webrtc_id = reg->id;
	o.reauth_credential = reg->credential;
	gw_info(&c->log, "%s registered for %u s", reg->id, o.expiration_s);
	gw_rconn_respond(c, reg->txn, gw_wire_method(GW_RM_AUTH), &o);
	explicit_bzero(reg->credential, sizeof(reg->credential));
	if (reg->reminds)
		gw_enrol_remind(reg);
	if (reg->rejoins)
		gw_rleg_resume(reg);
	reg->reminds = reg->rejoins = false;
}

void gw_rauth_left(struct gw_web *web, struct gw_reg *reg)
{
	struct gw_rout o = { .success = true, .has_expiration = true };

	if (reg->conn)
		gw_rconn_respond(reg->conn, reg->txn,
				 gw_wire_method(GW_RM_AUTH), &o);
	gw_rauth_end(web, reg, GW_WS_NORMAL, "deregistered");
}

/* ---- reauth ---- */

static void reauth(struct gw_rconn *c, const struct gw_rmsg *m, uint32_t ttl_s)
{
	const char *id = m->str[GW_K_WEBRTC_ID];
	struct gw_reg *reg = NULL;
	struct gw_rconn *old;

	if (!gw_rmsg_has(m, GW_K_AUTHORIZATION)) {
		gw_rconn_reject(c, m, GW_RJ_MEMBER, 400,
				"authorization is missing");
		return;
	}
	reg = gw_registry_find_credential(c->web->registry, id,
					  m->str[GW_K_AUTHORIZATION]);
	if (!reg) {
		gw_rauth_deny(c, m->txn, &m_reauth_bad, id,
			      "unknown credential");
		return;
	}
	if (c->reg && c->reg != reg) {
		gw_rconn_reject(c, m, GW_RJ_STATE, 409,
				"this connection is registered already");
		return;
	}
	gw_metric_add(&m_reauth_ok, 1);
	gw_rkeep_returned(reg);
	reg->told = true;
	old = reg->conn;
	if (old && old != c) {
		old->reg = NULL;
		gw_rconn_close(old, GW_WS_SUPERSEDED, "superseded");
	}
	gw_reg_resume(reg, c);
	c->reg = reg;
	reg->rejoins = old != c;
	reg->reminds = true;
	/* What was proved is that it is the same endpoint, not its password:
	 * the registration does not get longer. */
	gw_rauth_granted(c, m->txn, gw_reg_remaining_s(reg), ttl_s);
}

/* ---- the method ---- */

static void deregister(struct gw_rconn *c, const struct gw_rmsg *m)
{
	if (!c->reg) {
		gw_rconn_reject(c, m, GW_RJ_UNAUTHENTICATED, 401,
				"there is no registration to end");
		return;
	}
	if (gw_enrol_log_out(c, m))
		return; /* when the core has answered */
	c->reg->txn = m->txn;
	gw_rkeep_log_out(c->web, c->reg);
}

static uint32_t bounded(const struct gw_rmsg *m, enum gw_key k, uint32_t max)
{
	return gw_rmsg_has(m, k) && m->num[k] < max ? m->num[k] : max;
}

void gw_rauth_request(struct gw_rconn *c, const struct gw_rmsg *m)
{
	const struct gw_set_auth *set = &c->web->set->auth;
	const char *type = m->str[GW_K_AUTH_TYPE];
	const char *id = m->str[GW_K_WEBRTC_ID];
	uint32_t expiration_s, ttl_s;
	char norm[GW_IDENTITY_SIZE];

	expiration_s = bounded(m, GW_K_EXPIRATION, set->expiration_s);
	ttl_s = bounded(m, GW_K_TTL, set->ttl_max_s);
	if (c->job || (c->reg && (c->reg->answering || c->reg->keeping ||
				  c->reg->leaving ||
				  (c->reg->pending && !c->reg->asked))))
		gw_rconn_reject(c, m, GW_RJ_STATE, 409,
				"an auth is being worked on");
	else if (!gw_identity_norm(norm, id))
		gw_rconn_reject(c, m, GW_RJ_MEMBER, 400,
				"webrtcId must be a sip: or tel: URI");
	else if (c->reg && !gw_identity_equal(c->reg->id, id))
		gw_rconn_reject(c, m, GW_RJ_STATE, 409,
				"this connection is registered as another");
	else if (!expiration_s)
		deregister(c, m);
	else if (!strcmp(type, "digest"))
		gw_enrol_digest(c, m, expiration_s, ttl_s);
	else if (c->reg && c->reg->pending)
		gw_rconn_reject(c, m, GW_RJ_STATE, 409,
				"the core's challenge is not answered");
	else if (!strcmp(type, "basic"))
		gw_rauth_basic(c, m, expiration_s, ttl_s);
	else if (!strcmp(type, "bearer"))
		gw_rauth_bearer(c, m, expiration_s, ttl_s);
	else if (!strcmp(type, "reauth"))
		reauth(c, m, ttl_s);
	else if (!strcmp(type, "anonymous"))
		gw_enrol_anonymous(c, m, expiration_s, ttl_s);
	else
		gw_rconn_reject(c, m, GW_RJ_MEMBER, 400,
				"authType must be basic, bearer, digest, "
				"reauth or anonymous");
}
