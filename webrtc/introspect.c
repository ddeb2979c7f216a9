#include "webrtc/introspect.h"

#include <errno.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "webrtc/form.h"

#define INTROSPECT_MAGIC 0x696e7472u
#define MAX_PENDING      64
#define MAX_ANSWER       16384
#define MAX_FORM         32768 /* a token of 8192, escaped */
#define JSON_DEPTH       16
#define STATUS_OK        200

static const struct gw_logctx lg = { .module = "introspect" };

#define NAME "isthmus_introspections_total"
#define HELP "Tokens the authorization server was asked about, by result"
GW_COUNTER(m_active, NAME, HELP, "result=\"active\"");
GW_COUNTER(m_inactive, NAME, HELP, "result=\"inactive\"");
GW_COUNTER(m_cached, NAME, HELP, "result=\"cached\"");
GW_COUNTER(m_failed, NAME, HELP, "result=\"unreachable\"");
GW_COUNTER(m_refused, NAME, HELP, "result=\"too_many\"");

struct entry {
	unsigned char hash[SHA256_DIGEST_LENGTH];
	uint64_t until_us; /* 0: empty */
	bool active;
	const char *why;
	struct gw_jwt_claims claims;
};

struct gw_introspect {
	uint32_t magic;
	struct gw_timers *timers;
	struct gw_fetch *fetch;
	const struct gw_set_auth *set;
	unsigned pending;
	bool failing; /* said so */
	uint64_t generation;
	struct entry *cache; /* by the hash's first bytes; the newer stays */
};

struct question {
	struct gw_introspect *in;
	uint64_t generation;
	gw_introspect_h *handler;
	void *arg;
	unsigned char hash[SHA256_DIGEST_LENGTH];
};

int gw_introspect_new(struct gw_introspect **out, struct gw_timers *timers,
		      struct gw_fetch *fetch)
{
	struct gw_introspect *in = calloc(1, sizeof(*in));

	if (!in)
		return -ENOMEM;
	in->magic = INTROSPECT_MAGIC;
	in->timers = timers;
	in->fetch = fetch;
	*out = in;
	return 0;
}

void gw_introspect_free(struct gw_introspect *in)
{
	if (!in)
		return;
	GW_CHECK(in, INTROSPECT_MAGIC);
	free(in->cache);
	in->magic = 0;
	free(in);
}

void gw_introspect_use(struct gw_introspect *in, const struct gw_set_auth *set)
{
	GW_CHECK(in, INTROSPECT_MAGIC);
	/* What claims are called may have changed, too. */
	free(in->cache);
	in->cache = NULL;
	in->generation++;
	in->set = set;
	in->failing = false;
}

bool gw_introspect_configured(const struct gw_introspect *in)
{
	return in->set && in->set->introspection_url[0];
}

enum gw_introspect_result
gw_introspect_read(const struct gw_set_auth *set, const char *body, size_t len,
		   int64_t now_s, struct gw_jwt_claims *out, const char **why)
{
	struct json_object *obj = gw_claims_parse(body, len, JSON_DEPTH), *v;
	int64_t exp, nbf;
	const char *iss;

	*why = "its introspection response cannot be read";
	if (!obj || !json_object_object_get_ex(obj, "active", &v) ||
	    !json_object_is_type(v, json_type_boolean)) {
		json_object_put(obj);
		return GW_INTROSPECT_UNREACHABLE;
	}
	exp = gw_claims_time(obj, "exp");
	nbf = gw_claims_time(obj, "nbf");
	iss = gw_claims_string(obj, "iss");
	*why = NULL;
	if (!json_object_get_boolean(v))
		*why = "not active";
	else if (exp == GW_CLAIMS_BROKEN || nbf == GW_CLAIMS_BROKEN)
		*why = "malformed times";
	else if (exp >= 0 && now_s >= exp + set->leeway_s)
		*why = "expired";
	else if (nbf > now_s + set->leeway_s)
		*why = "not valid yet";
	/* RFC 7662 2.2: both are optional; what is said must be right. */
	else if (set->issuer[0] && iss && strcmp(iss, set->issuer) != 0)
		*why = "of another issuer";
	else if (set->audience[0] &&
		 json_object_object_get_ex(obj, "aud", &v) &&
		 !gw_claims_audience(obj, set->audience))
		*why = "for another audience";
	else if (!gw_claims_identity(obj, &set->claims, out))
		*why = "without a usable identity";
	else
		out->exp_s = exp > 0 ? exp : 0;
	json_object_put(obj);
	return *why ? GW_INTROSPECT_INACTIVE : GW_INTROSPECT_GOOD;
}

static struct entry *place_of(struct gw_introspect *in,
			      const unsigned char *hash)
{
	uint32_t at;

	memcpy(&at, hash, sizeof(at));
	return &in->cache[at % GW_INTROSPECT_CACHE];
}

static void keep(struct gw_introspect *in, const struct question *q,
		 bool active, const char *why,
		 const struct gw_jwt_claims *claims)
{
	int64_t s = in->set->introspection_cache_s, left;
	struct entry *e;

	if (active && claims->exp_s) {
		left = claims->exp_s - gw_clock_wall_s();
		if (left < s)
			s = left;
	}
	if (s <= 0)
		return;
	if (!in->cache)
		in->cache = calloc(GW_INTROSPECT_CACHE, sizeof(*in->cache));
	if (!in->cache)
		return; /* it is asked again, that is all */
	e = place_of(in, q->hash);
	memcpy(e->hash, q->hash, sizeof(e->hash));
	e->until_us = gw_timers_now_us(in->timers) + (uint64_t)s * 1000000;
	e->active = active;
	e->why = why;
	memset(&e->claims, 0, sizeof(e->claims));
	if (active)
		e->claims = *claims;
}

static void unreachable(struct gw_introspect *in, const char *why)
{
	gw_metric_add(&m_failed, 1);
	if (!in->failing)
		gw_warn(&lg, "%s: %s; tokens that depend on it are refused",
			in->set->introspection_url, why);
	in->failing = true;
}

static void on_answer(const struct gw_fetch_result *r, void *arg)
{
	struct question *q = arg;
	struct gw_introspect *in = q->in;
	enum gw_introspect_result result = GW_INTROSPECT_UNREACHABLE;
	struct gw_jwt_claims claims;
	char status[32];
	const char *why = r->fault;

	GW_CHECK(in, INTROSPECT_MAGIC);
	in->pending--;
	(void)snprintf(status, sizeof(status), "answers %ld", r->status);
	if (q->generation != in->generation)
		why = "the configuration has changed";
	else if (!why && r->status != STATUS_OK)
		why = status;
	else if (!why)
		result = gw_introspect_read(in->set, r->body, r->len,
					    gw_clock_wall_s(), &claims, &why);
	if (result != GW_INTROSPECT_UNREACHABLE) {
		in->failing = false;
		gw_metric_add(result ? &m_inactive : &m_active, 1);
		keep(in, q, !result, why, &claims);
	} else if (q->generation == in->generation) {
		unreachable(in, why);
	}
	q->handler(result, why, result ? NULL : &claims, q->arg);
	free(q);
}

static int send(struct gw_introspect *in, const char *token, struct question *q)
{
	const struct gw_set_auth *set = in->set;
	struct gw_buf form, user, password;
	struct gw_fetch_request req = {
		.url = set->introspection_url,
		.ca_file = set->ca_file,
		.timeout_ms = set->fetch_timeout_ms,
		.max_bytes = MAX_ANSWER,
	};
	int err;

	gw_buf_init(&form, MAX_FORM);
	gw_buf_init(&user, 1024);
	gw_buf_init(&password, 1024);
	gw_buf_str(&form, "token_type_hint=access_token&token=");
	gw_form_escape(&form, token);
	/* RFC 6749 2.3.1: both escaped, then Basic. */
	gw_form_escape(&user, set->introspection_client);
	gw_form_escape(&password, set->introspection_secret);
	req.form = form.data;
	req.user = user.data;
	req.password = password.data;
	err = gw_buf_error(&form) || gw_buf_error(&user) ||
			      gw_buf_error(&password)
		      ? -ENOMEM
		      : gw_fetch_start(in->fetch, &req, on_answer, q);
	gw_form_wipe(&form);
	gw_form_wipe(&user);
	gw_form_wipe(&password);
	return err;
}

int gw_introspect_ask(struct gw_introspect *in, const char *token,
		      gw_introspect_h *handler, void *arg)
{
	struct question *q;
	struct entry *e;
	int err;

	GW_CHECK(in, INTROSPECT_MAGIC);
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	SHA256((const unsigned char *)token, strlen(token), q->hash);
	e = in->cache ? place_of(in, q->hash) : NULL;
	if (e && e->until_us > gw_timers_now_us(in->timers) &&
	    !memcmp(e->hash, q->hash, sizeof(e->hash))) {
		free(q);
		gw_metric_add(&m_cached, 1);
		handler(e->active ? GW_INTROSPECT_GOOD : GW_INTROSPECT_INACTIVE,
			e->why, e->active ? &e->claims : NULL, arg);
		return 0;
	}
	q->in = in;
	q->generation = in->generation;
	q->handler = handler;
	q->arg = arg;
	err = in->pending >= MAX_PENDING ? -EBUSY : send(in, token, q);
	if (err) {
		gw_metric_add(&m_refused, 1);
		free(q);
		return err;
	}
	in->pending++;
	return 0;
}
