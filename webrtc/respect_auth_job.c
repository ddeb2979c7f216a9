/*
 * Passwords and tokens, from the auth that brings one to its answer: looked
 * up, checked off the thread, and refused where too many wait.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/ids.h"
#include "webrtc/respect_priv.h"

#define AUTH      "isthmus_respect_auth_total"
#define AUTH_HELP "Authentications, by type and result"

GW_COUNTER(m_basic_ok, AUTH, AUTH_HELP, "type=\"basic\",result=\"ok\"");
GW_COUNTER(m_basic_bad, AUTH, AUTH_HELP, "type=\"basic\",result=\"failed\"");
GW_COUNTER(m_bearer_ok, AUTH, AUTH_HELP, "type=\"bearer\",result=\"ok\"");
GW_COUNTER(m_bearer_bad, AUTH, AUTH_HELP, "type=\"bearer\",result=\"failed\"");
GW_COUNTER(m_bearer_none, AUTH, AUTH_HELP,
	   "type=\"bearer\",result=\"unavailable\"");
GW_GAUGE(m_jobs, "isthmus_respect_auth_jobs",
	 "Passwords and tokens that wait for, or are in, their check", "");

/* What the pool checks in a few seconds; who comes then is told to come again.
 * The pool is the process's, so is the count.  Signalling thread. */
#define MAX_JOBS 256
static unsigned njobs;

void gw_rauth_conn_gone(struct gw_rconn *c)
{
	if (c->job) {
		c->job->owner = NULL;
		atomic_store_explicit(&c->job->abandoned, true,
				      memory_order_relaxed);
	}
	c->job = NULL;
}

static void challenge(struct gw_rconn *c, const struct gw_rmsg *m)
{
	struct gw_rout o = { .problem = { .status = 401 },
			     .supported = gw_rconn_extensions(c->web) };
	char value[128];

	(void)snprintf(value, sizeof(value),
		       "Basic realm=\"%s\", charset=\"UTF-8\"",
		       c->web->set->auth.realm);
	o.www_authenticate = value;
	/* The usual first step (RFC 7617), not a failure: nothing counted. */
	gw_rconn_respond(c, m->txn, m->method_name, &o);
}

/* TS 24.371 6.1: refused, and the WebSocket goes.  One that is registered keeps
 * what its token of before gave it: its calls depend on it. */
static void deny_token(struct gw_rconn *c, uint64_t txn, const char *id,
		       const char *why)
{
	gw_rauth_deny(c, txn, &m_bearer_bad, id, why);
	if (!c->reg && !c->closing)
		gw_rconn_close(c, GW_WS_POLICY, "token refused");
}

/* Where nobody else gave it a name. */
static void name_by_token(struct gw_reg *reg, const struct gw_auth_job *job)
{
	if (!reg->name[0])
		(void)snprintf(reg->name, sizeof(reg->name), "%s",
			       job->claims.name);
}

static void register_new(struct gw_rconn *c, struct gw_auth_job *job,
			 uint32_t expiration_s)
{
	struct gw_set_user *configured = gw_rauth_user(c->web, job->webrtc_id);
	struct gw_rout o = { .problem = { .status = 503 } };

	if (!c->reg) {
		if (gw_registry_add(c->web->registry, &c->reg, job->webrtc_id,
				    configured ? configured : job->user, c)) {
			gw_warn(&c->log, "no memory for a registration");
			gw_rconn_respond(c, job->txn,
					 gw_wire_method(GW_RM_AUTH), &o);
			return;
		}
		c->reg->configured = configured != NULL;
		name_by_token(c->reg, job);
		if (!gw_enrol_new(c, job->txn, expiration_s, job->ttl_s,
				  job->kind == GW_AUTH_BASIC ? GW_WEB_PASSWORD
							     : GW_WEB_TOKEN,
				  &job->claims))
			return; /* when the core has answered */
	}
	gw_rauth_granted(c, job->txn, expiration_s, job->ttl_s);
}

/* Who waits for it, if anybody does; they wait no more. */
static struct gw_rconn *detach(struct gw_auth_job *job)
{
	struct gw_rconn *c = job->owner;

	job->owner = NULL;
	if (!c)
		return NULL;
	c->job = NULL;
	return c->closing ? NULL : c;
}

static void job_end(struct gw_auth_job *job)
{
	(void)detach(job);
	gw_metric_set(&m_jobs, --njobs);
	if (job->web)
		LIST_REMOVE(job, link);
	gw_auth_job_free(job);
}

/* What a reload or an operator did since the check began counts: the password
 * was another user's then, or nobody's. */
static bool is_outdated(const struct gw_auth_job *job)
{
	bool configured = gw_rauth_user(job->web, job->webrtc_id) != NULL;

	if (job->kind == GW_AUTH_BASIC && configured != job->configured)
		return true;
	return job->revoked;
}

/* Nobody can tell now whether the token is good: no failure of the client's. */
static void unavailable(struct gw_rconn *c, const struct gw_auth_job *job)
{
	struct gw_rout o = {
		.problem = {.status = 503,
                            .detail = "tokens cannot be checked now"},
		.has_retry_after = true,
		.retry_after_s = 2 + gw_random_u32() % 5
	};

	gw_metric_add(&m_bearer_none, 1);
	gw_info(&c->log, "%s: token not checked: its provider does not answer",
		job->webrtc_id);
	gw_rconn_respond(c, job->txn, gw_wire_method(GW_RM_AUTH), &o);
}

static void granted_token(struct gw_rconn *c, struct gw_auth_job *job)
{
	uint32_t expiration_s = job->expiration_s;
	int64_t left = job->claims.exp_s - job->now_s;

	/* A token never lasts beyond itself. */
	if (left < 1)
		left = 1;
	if (job->claims.exp_s && left < expiration_s)
		expiration_s = (uint32_t)left;
	gw_metric_add(&m_bearer_ok, 1);
	register_new(c, job, expiration_s);
}

/* Whose the token is: NULL, or what is wrong with that.  The bearer may ask to
 * be the user that it names, directly, by one of the public identities, or by
 * the name that its provider has for the subscriber. */
static const char *token_fault(const struct gw_rconn *c,
			       const struct gw_auth_job *job)
{
	const struct gw_jwt_claims *claims = &job->claims;
	bool own = gw_identity_equal(claims->subject, job->webrtc_id);

	/* Our own account page names users by their ids alone. */
	if (!own && !claims->ours)
		own = job->subject[0] && !strcmp(job->subject, claims->subject);
	for (size_t i = 0; !own && i < claims->nimpu; i++)
		own = gw_identity_equal(claims->impu[i], job->webrtc_id);
	if (!own)
		return "token of another subject";
	return c->reg && !gw_reg_suits(c->reg, claims)
		       ? "token of another identity in the core"
		       : NULL;
}

void gw_rauth_finish(struct gw_auth_job *job)
{
	struct gw_rconn *c = detach(job);
	bool basic = job->kind == GW_AUTH_BASIC;

	if (c && is_outdated(job))
		job->good = false;
	if (c && job->good && !basic) {
		job->why = token_fault(c, job);
		job->good = !job->why;
	}
	if (!c) {
		/* The client left meanwhile. */
	} else if (job->unavailable) {
		unavailable(c, job);
	} else if (!job->good && basic) {
		gw_rauth_deny(c, job->txn, &m_basic_bad, job->webrtc_id,
			      "wrong password or unknown");
	} else if (!job->good) {
		deny_token(c, job->txn, job->webrtc_id,
			   job->why ? job->why : gw_jwt_fault_name(job->fault));
	} else if (basic) {
		gw_metric_add(&m_basic_ok, 1);
		register_new(c, job, job->expiration_s);
	} else {
		granted_token(c, job);
	}
	job_end(job);
}

static void job_done(void *arg)
{
	struct gw_auth_job *job = arg;

	if (!gw_rtoken_goes_on(job))
		gw_rauth_finish(job);
}

static void refuse_job(struct gw_auth_job *job, enum gw_rreject why,
		       const char *detail)
{
	struct gw_rconn *c = detach(job);
	struct gw_rout o = {
		.problem = {.status = 503, .detail = detail},
		.has_retry_after = true,
		.retry_after_s = 1 + gw_random_u32() % 5
	};

	if (c) {
		gw_respect_count(why);
		gw_info(&c->log, "%s: not authenticated: %s", job->webrtc_id,
			detail);
		gw_rconn_respond(c, job->txn, gw_wire_method(GW_RM_AUTH), &o);
	}
	job_end(job);
}

/* Its user is known, or known not to be. */
static void check(struct gw_auth_job *job)
{
	job->ask = 0;
	if (!job->owner)
		job_end(job);
	else if (gw_loop_work(job->web->loop, gw_auth_job_work, job_done, job))
		refuse_job(job, GW_RJ_LIMIT, "no memory");
}

/* A user from elsewhere; the configuration's win. */
static int take_user(struct gw_auth_job *job, const struct gw_set_user *user)
{
	if (job->configured)
		return 0;
	memcpy(job->subject, user->subject, sizeof(job->subject));
	job->user = malloc(sizeof(*user));
	if (!job->user)
		return -ENOMEM;
	*job->user = *user;
	explicit_bzero(job->user->password, sizeof(job->user->password));
	job->known = user->password[0] != '\0';
	if (job->known)
		memcpy(job->hash, user->password, sizeof(job->hash));
	return 0;
}

static void looked_up(struct gw_auth_job *job, int error,
		      const struct gw_set_user *user)
{
	if (!error && user)
		error = take_user(job, user);
	if (!error || error == -ENOENT || job->configured)
		check(job);
	else
		refuse_job(job, GW_RJ_STORE, "users cannot be looked up");
}

void gw_web_user_found(struct gw_web *web, uint64_t ask, int error,
		       const struct gw_set_user *user)
{
	struct gw_auth_job *job = NULL;

	LIST_FOREACH(job, &web->jobs, link)
	{
		if (ask && job->ask == ask) {
			looked_up(job, error, user);
			return;
		}
	}
	if (web->waf)
		(void)gw_waf_user_found(web->waf, ask, error, user);
}

void gw_rauth_revoke(struct gw_web *web, const char *id)
{
	struct gw_auth_job *job = NULL;

	LIST_FOREACH(job, &web->jobs, link)
	{
		if (gw_identity_equal(job->webrtc_id, id))
			job->revoked = true;
	}
}

void gw_rauth_forget_jobs(struct gw_web *web)
{
	struct gw_auth_job *job;

	while ((job = LIST_FIRST(&web->jobs))) {
		/* The others are the pool's until it has done them. */
		if (job->ask) {
			job_end(job);
		} else {
			LIST_REMOVE(job, link);
			job->web = NULL;
		}
	}
}

static void look_up(struct gw_auth_job *job)
{
	struct gw_web *web = job->web;
	char norm[GW_IDENTITY_SIZE];
	int err = -ENOENT;

	if (web->h.user && gw_identity_norm(norm, job->webrtc_id)) {
		job->ask = ++web->last_ask;
		err = web->h.user(job->ask, norm, web->h.arg);
		if (!err)
			return; /* gw_web_user_found() goes on */
	}
	looked_up(job, err, NULL);
}

static void start_job(struct gw_rconn *c, const struct gw_rmsg *m,
		      enum gw_auth_kind kind, const char *secret, size_t len,
		      uint32_t expiration_s, uint32_t ttl_s)
{
	struct gw_web *web = c->web;
	const struct gw_set_user *user =
		gw_rauth_user(web, m->str[GW_K_WEBRTC_ID]);
	struct gw_auth_job *job = NULL;
	struct gw_rout busy = {
		.problem = {.status = 503,
                            .detail = "too many log-ins at once"},
		.has_retry_after = true,
		.retry_after_s = 1 + gw_random_u32() % 5
	};

	if (njobs >= MAX_JOBS) {
		gw_rconn_reject_out(c, m, GW_RJ_LIMIT, &busy);
		return;
	}
	if (gw_auth_job_new(&job, kind, secret, len)) {
		gw_rconn_reject(c, m, GW_RJ_LIMIT, 503, "no memory");
		return;
	}
	job->txn = m->txn;
	job->expiration_s = expiration_s;
	job->ttl_s = ttl_s;
	job->now_s = gw_clock_wall_s();
	job->keys = gw_jwt_keys_share(web->keys);
	job->configured = user != NULL;
	job->known = user && user->password[0];
	(void)snprintf(job->webrtc_id, sizeof(job->webrtc_id), "%s",
		       m->str[GW_K_WEBRTC_ID]);
	(void)snprintf(job->hash, sizeof(job->hash), "%s",
		       job->known ? user->password : web->dummy_hash);
	if (user)
		memcpy(job->subject, user->subject, sizeof(job->subject));
	job->owner = c;
	c->job = job;
	job->web = web;
	LIST_INSERT_HEAD(&web->jobs, job, link);
	gw_metric_set(&m_jobs, ++njobs);
	look_up(job);
}

void gw_rauth_basic(struct gw_rconn *c, const struct gw_rmsg *m,
		    uint32_t expiration_s, uint32_t ttl_s)
{
	char password[GW_AUTH_MAX_PASSWORD + 1];
	int n;

	if (!gw_rmsg_has(m, GW_K_AUTHORIZATION)) {
		challenge(c, m);
		return;
	}
	n = gw_auth_basic_parse(password, m->str[GW_K_AUTHORIZATION],
				m->len[GW_K_AUTHORIZATION],
				m->str[GW_K_WEBRTC_ID]);
	if (n >= 0)
		start_job(c, m, GW_AUTH_BASIC, password, (size_t)n,
			  expiration_s, ttl_s);
	else if (n == -EACCES)
		gw_rauth_deny(c, m->txn, &m_basic_bad, m->str[GW_K_WEBRTC_ID],
			      "credentials of another user");
	else
		gw_rconn_reject(c, m, GW_RJ_MEMBER, 400,
				"authorization must be Basic credentials");
	explicit_bzero(password, sizeof(password));
}

void gw_rauth_bearer(struct gw_rconn *c, const struct gw_rmsg *m,
		     uint32_t expiration_s, uint32_t ttl_s)
{
	const char *token = NULL;
	size_t len = 0;

	if (gw_rmsg_has(m, GW_K_AUTHORIZATION))
		token = gw_auth_bearer_parse(m->str[GW_K_AUTHORIZATION],
					     m->len[GW_K_AUTHORIZATION], &len);
	if (!token)
		gw_rconn_reject(c, m, GW_RJ_MEMBER, 400,
				"authorization must be a Bearer token");
	else if (!gw_rtoken_possible(c->web))
		deny_token(c, m->txn, m->str[GW_K_WEBRTC_ID],
			   "no keys are configured");
	else
		start_job(c, m, GW_AUTH_BEARER, token, len, expiration_s,
			  ttl_s);
}
