/*
 * Tokens that the keys at hand do not settle: they wait for the provider's key
 * set, or its introspection endpoint is asked.  A bounded number of them; the
 * rest of their connections' traffic goes on.  Signalling thread.
 */
#include <string.h>

#include "webrtc/respect_priv.h"

#define MAX_WAITING 64

GW_GAUGE(m_waiting, "isthmus_respect_auth_waiting",
	 "Tokens that wait for the key set of their provider", "");

bool gw_rtoken_possible(const struct gw_web *web)
{
	return gw_jwt_keys_count(web->keys) || web->set->auth.jwks_url[0] ||
	       gw_introspect_configured(web->introspect);
}

int gw_rtoken_gather_keys(struct gw_web *web)
{
	struct gw_jwt_keys *keys;
	int err =
		gw_jwt_keys_join(&keys, web->set_keys, gw_jwks_keys(web->jwks));

	if (err)
		return err;
	gw_waf_trust(web->waf, keys);
	gw_jwt_keys_free(web->keys);
	web->keys = keys;
	return 0;
}

static void on_introspected(enum gw_introspect_result result, const char *why,
			    const struct gw_jwt_claims *claims, void *arg)
{
	struct gw_auth_job *job = arg;

	job->why = why;
	job->good = result == GW_INTROSPECT_GOOD;
	job->unavailable = result == GW_INTROSPECT_UNREACHABLE;
	if (claims)
		job->claims = *claims;
	gw_rauth_finish(job);
}

static void wait_for_keys(struct gw_auth_job *job)
{
	struct gw_web *web = job->web;

	job->waited = true;
	LIST_INSERT_HEAD(&web->waiting, job, wait_link);
	gw_metric_set(&m_waiting, ++web->nwaiting);
}

/* No key has its kid.  True: it waits. */
static bool hope_for_key(struct gw_auth_job *job)
{
	switch (gw_jwks_ask(job->web->jwks)) {
	case GW_JWKS_WAIT:
		/* It has waited once, and is not to wait for ever. */
		if (!job->waited && job->web->nwaiting < MAX_WAITING) {
			wait_for_keys(job);
			return true;
		}
		job->unavailable = true;
		return false;
	case GW_JWKS_UNREACHABLE:
		job->unavailable = true;
		return false;
	case GW_JWKS_NONE:
	case GW_JWKS_UNKNOWN:
		break;
	}
	return false;
}

static void checked_again(void *arg)
{
	struct gw_auth_job *job = arg;

	if (!gw_rtoken_goes_on(job))
		gw_rauth_finish(job);
}

/* False: it cannot be checked. */
static bool check_again(struct gw_auth_job *job)
{
	struct gw_web *web = job->web;

	gw_jwt_keys_free(job->keys);
	job->keys = gw_jwt_keys_share(web->keys);
	job->unavailable = gw_loop_work(web->loop, gw_auth_job_work,
					checked_again, job) != 0;
	return !job->unavailable;
}

bool gw_rtoken_goes_on(struct gw_auth_job *job)
{
	struct gw_rconn *c = job->owner;
	struct gw_introspect *in;

	if (!c || c->closing || job->kind != GW_AUTH_BEARER || job->good)
		return false;
	/* The set may have come while the one before was being tried. */
	if (job->fault == GW_JWT_NO_KEY && job->keys != job->web->keys)
		return check_again(job);
	if (job->fault == GW_JWT_NO_KEY && hope_for_key(job))
		return true;
	/* A token of ours, or of a key we know, that is wrong, is wrong. */
	in = job->web->introspect;
	if ((job->fault != GW_JWT_NO_KEY && job->fault != GW_JWT_BROKEN) ||
	    !gw_introspect_configured(in))
		return false;
	job->unavailable = false;
	if (!gw_introspect_ask(in, job->secret, on_introspected, job))
		return true;
	job->unavailable = true;
	return false;
}

void gw_rtoken_keys_changed(struct gw_web *web)
{
	struct gw_auth_job *job;
	bool gathered = !web->ending && !gw_rtoken_gather_keys(web);

	if (!web->ending && !gathered)
		gw_error(&(struct gw_logctx){ .module = "web" },
			 "no memory for keys: those before stay in force");
	while ((job = LIST_FIRST(&web->waiting))) {
		LIST_REMOVE(job, wait_link);
		gw_metric_set(&m_waiting, --web->nwaiting);
		job->unavailable = true; /* unless it can be checked */
		if (!job->owner || web->ending || !check_again(job))
			gw_rauth_finish(job);
	}
}
