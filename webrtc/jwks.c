#include "webrtc/jwks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/ids.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "webrtc/jwk.h"

#define JWKS_MAGIC   0x6a776b73u
#define MIN_AGE_S    30  /* whatever the provider says */
#define NORMAL_AGE_S 300 /* where it says nothing */
#define MAX_RETRY_S  60
#define STATUS_OK    200

static const struct gw_logctx lg = { .module = "jwks" };

#define FETCHES "isthmus_jwks_fetches_total"
#define HELP    "Key sets fetched from the token provider, by result"
GW_COUNTER(m_ok, FETCHES, HELP, "result=\"ok\"");
GW_COUNTER(m_unreachable, FETCHES, HELP, "result=\"unreachable\"");
GW_COUNTER(m_status, FETCHES, HELP, "result=\"status\"");
GW_COUNTER(m_unusable, FETCHES, HELP, "result=\"unusable\"");
GW_COUNTER(m_unknown, "isthmus_jwks_unknown_kid_total",
	   "Tokens signed with a key that was not known when they came", "");
GW_GAUGE(m_keys, "isthmus_jwks_keys",
	 "Keys of the token provider that are in force", "");

struct gw_jwks {
	uint32_t magic;
	struct gw_timers *timers;
	struct gw_fetch *fetch;
	gw_jwks_h *handler;
	void *arg;

	char url[256], ca_file[256];
	uint32_t max_age_s, refetch_s, timeout_ms;
	uint64_t generation; /* answers about another URL are not for us */

	struct gw_jwt_keys *keys;
	bool fetching, failed; /* the last one that ended */
	unsigned failures;     /* in a row */
	uint64_t asked_us;     /* when the last fetch began */
	struct gw_timer timer;
};

/* So that an answer finds out whether it is still wanted. */
struct ticket {
	struct gw_jwks *jwks;
	uint64_t generation;
};

static void start(struct gw_jwks *j);

static void again_in_s(struct gw_jwks *j, uint64_t s)
{
	/* Gateways of one provider do not all ask at the same moment. */
	uint64_t ms = s * 1000 - gw_random_u32() % (s * 100 + 1);

	if (gw_timer_start_ms(j->timers, &j->timer, ms))
		gw_error(&lg, "no memory for a timer: the keys are not "
			      "renewed");
}

static void failed(struct gw_jwks *j, struct gw_metric *m, const char *why)
{
	uint64_t wait = 1ull << (j->failures < 6 ? j->failures : 6);

	gw_metric_add(m, 1);
	/* Once; what follows is in the counter. */
	if (!j->failures)
		gw_warn(&lg, "%s: %s; %s", j->url, why,
			j->keys ? "the keys before stay in force"
				: "tokens of unknown keys are refused");
	j->failures++;
	j->failed = true;
	again_in_s(j, wait < MAX_RETRY_S ? wait : MAX_RETRY_S);
}

static void renewed(struct gw_jwks *j, struct gw_jwt_keys *keys, int n,
		    unsigned ignored, int64_t age)
{
	if (j->failures || !j->keys)
		gw_info(&lg, "%s: %d keys, %u left out", j->url, n, ignored);
	gw_metric_add(&m_ok, 1);
	gw_metric_set(&m_keys, n);
	gw_jwt_keys_free(j->keys);
	j->keys = keys;
	j->failures = 0;
	j->failed = false;
	if (age < 0)
		age = NORMAL_AGE_S;
	if (age < MIN_AGE_S)
		age = MIN_AGE_S;
	if (age > j->max_age_s)
		age = j->max_age_s;
	again_in_s(j, (uint64_t)age);
}

static int parse(struct gw_jwt_keys **out, const struct gw_fetch_result *r,
		 unsigned *ignored)
{
	static const struct gw_set_auth none;
	struct gw_jwt_keys *keys;
	char err[128];
	int n;

	n = gw_jwt_keys_new(&keys, &none, err, sizeof(err));
	if (n)
		return n;
	n = gw_jwk_parse(keys, r->body, r->len, ignored);
	if (n > 0)
		*out = keys;
	else
		gw_jwt_keys_free(keys);
	return n;
}

static void take(struct gw_jwks *j, const struct gw_fetch_result *r)
{
	struct gw_jwt_keys *keys = NULL;
	unsigned ignored = 0;
	char why[96];
	int n;

	if (r->fault) {
		failed(j, &m_unreachable, r->fault);
		return;
	}
	if (r->status != STATUS_OK) {
		(void)snprintf(why, sizeof(why), "answers %ld", r->status);
		failed(j, &m_status, why);
		return;
	}
	n = parse(&keys, r, &ignored);
	if (n > 0) {
		renewed(j, keys, n, ignored, r->max_age_s);
		return;
	}
	(void)snprintf(why, sizeof(why),
		       n < 0 ? "not a key set"
			     : "a key set without a key that can be used "
			       "(%u left out)",
		       ignored);
	failed(j, &m_unusable, why);
}

static void on_answer(const struct gw_fetch_result *r, void *arg)
{
	struct ticket *t = arg;
	struct gw_jwks *j = t->jwks;

	GW_CHECK(j, JWKS_MAGIC);
	if (t->generation == j->generation) {
		j->fetching = false;
		take(j, r);
		j->handler(j->arg);
	}
	free(t);
}

static void start(struct gw_jwks *j)
{
	struct gw_fetch_request req = {
		.url = j->url,
		.ca_file = j->ca_file,
		.timeout_ms = j->timeout_ms,
		.max_bytes = GW_JWK_SET_MAX,
	};
	struct ticket *t = malloc(sizeof(*t));

	gw_timer_stop(&j->timer);
	j->asked_us = gw_timers_now_us(j->timers);
	if (t) {
		*t = (struct ticket){ j, j->generation };
		if (!gw_fetch_start(j->fetch, &req, on_answer, t)) {
			j->fetching = true;
			return;
		}
	}
	free(t);
	failed(j, &m_unreachable, "no memory, or too many requests");
}

static void on_timer(struct gw_timer *t, void *arg)
{
	struct gw_jwks *j = arg;

	(void)t;
	GW_CHECK(j, JWKS_MAGIC);
	if (!j->fetching)
		start(j);
}

int gw_jwks_new(struct gw_jwks **out, struct gw_timers *timers,
		struct gw_fetch *fetch, gw_jwks_h *handler, void *arg)
{
	struct gw_jwks *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->magic = JWKS_MAGIC;
	j->timers = timers;
	j->fetch = fetch;
	j->handler = handler;
	j->arg = arg;
	gw_timer_init(&j->timer, on_timer, j);
	*out = j;
	return 0;
}

void gw_jwks_free(struct gw_jwks *j)
{
	if (!j)
		return;
	GW_CHECK(j, JWKS_MAGIC);
	gw_timer_stop(&j->timer);
	gw_jwt_keys_free(j->keys);
	j->magic = 0;
	free(j);
}

void gw_jwks_use(struct gw_jwks *j, const struct gw_set_auth *set)
{
	bool other = strcmp(j->url, set->jwks_url) != 0;

	GW_CHECK(j, JWKS_MAGIC);
	(void)snprintf(j->url, sizeof(j->url), "%s", set->jwks_url);
	(void)snprintf(j->ca_file, sizeof(j->ca_file), "%s", set->ca_file);
	j->max_age_s = set->jwks_max_age_s;
	j->refetch_s = set->jwks_refetch_s;
	j->timeout_ms = set->fetch_timeout_ms;
	if (!other)
		return;
	j->generation++;
	j->fetching = false;
	j->failed = false;
	j->failures = 0;
	gw_jwt_keys_free(j->keys);
	j->keys = NULL;
	gw_metric_set(&m_keys, 0);
	gw_timer_stop(&j->timer);
	if (j->url[0])
		start(j);
}

const struct gw_jwt_keys *gw_jwks_keys(const struct gw_jwks *j)
{
	return j->keys;
}

enum gw_jwks_hope gw_jwks_ask(struct gw_jwks *j)
{
	uint64_t now = gw_timers_now_us(j->timers);

	GW_CHECK(j, JWKS_MAGIC);
	if (!j->url[0])
		return GW_JWKS_NONE;
	gw_metric_add(&m_unknown, 1);
	if (!j->fetching && now - j->asked_us >= j->refetch_s * 1000000ull)
		start(j);
	if (j->fetching)
		return GW_JWKS_WAIT;
	return j->failed ? GW_JWKS_UNREACHABLE : GW_JWKS_UNKNOWN;
}
