#include "media/consent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/ids.h"
#include "gateway/base/metrics.h"

/* RFC 7675 5.1: consent lasts 30 s and is asked for every 5 s, each time by a
 * factor of 0.8 to 1.2.  Shorter consent is asked for as many times. */
#define PATIENCE_MS     30000u
#define INTERVAL(of_ms) ((of_ms) / 30 * 4)
#define SPREAD(of_ms)   ((of_ms) / 30 * 2)
/* Where no answer has come, like a browser: at 30 % loss each way half of the
 * checks have none, and six in a row would end a call in fifty. */
#define AGAIN(of_ms)        ((of_ms) / 30)
#define AGAIN_SPREAD(of_ms) ((of_ms) / 60)

/* What the peer would rank the pair by, could it still be selected: of a
 * peer-reflexive candidate (RFC 8445 5.1.2). */
#define PRIORITY (110u << 24 | 65535u << 8 | 255u)

#define NAME "isthmus_ice_consent_total"
#define HELP "Checks of selected pairs (RFC 7675)"

GW_COUNTER(m_asked, NAME, HELP, "what=\"asked\"");
GW_COUNTER(m_confirmed, NAME, HELP, "what=\"confirmed\"");
GW_COUNTER(m_answered, NAME, HELP, "what=\"answered\"");
GW_COUNTER(m_forged, NAME, HELP, "what=\"forged\"");
GW_COUNTER(m_refused, NAME, HELP, "what=\"refused\"");
GW_COUNTER(m_lost, NAME, HELP, "what=\"lost\"");

static void ask(struct gw_consent *c)
{
	const struct gw_stun_ask what = {
		.user = c->user,
		.pwd = c->remote_pwd,
		.controlling = c->controlling,
		.tie = c->tie,
		.priority = PRIORITY,
		.mark = c->mark,
	};
	uint8_t out[GW_STUN_REQUEST];
	size_t len = gw_stun_ask(c->stun, &what, out,
				 c->asked[c->next++ % GW_CONSENT_ASKED]);

	if (!len)
		return;
	gw_metric_add(&m_asked, 1);
	c->waits = true;
	c->h.send(out, len, c->h.arg);
}

static void arm(struct gw_consent *c)
{
	const uint32_t all = c->patience_ms;
	uint64_t us =
		1000u *
		(c->waits ? AGAIN(all) + gw_random_u32() % AGAIN_SPREAD(all)
			  : INTERVAL(all) + gw_random_u32() % SPREAD(all));
	uint64_t over = c->heard_us + all * 1000ull;
	uint64_t now = gw_timers_now_us(c->timers);

	if (now + us < over)
		(void)gw_timer_start_lazy_us(c->timers, &c->timer, us);
	else
		(void)gw_timer_start_us(c->timers, &c->timer, over - now);
}

static void lose(struct gw_consent *c, const char *why)
{
	gw_metric_add(&m_lost, 1);
	gw_info(c->log, "ICE: %s (RFC 7675)", why);
	gw_consent_stop(c);
	c->h.lost(c->h.arg);
}

static void due(struct gw_timer *t, void *arg)
{
	struct gw_consent *c = arg;
	char why[32];

	(void)t;
	if (gw_timers_now_us(c->timers) - c->heard_us <
	    c->patience_ms * 1000ull) {
		ask(c);
		/* Else it was answered at once, or is gone. */
		if (c->waits && c->names)
			arm(c);
		return;
	}
	(void)snprintf(why, sizeof(why), "no consent for %u s",
		       c->patience_ms / 1000);
	lose(c, why);
}

void gw_consent_init(struct gw_consent *c, struct gw_stun *stun,
		     struct gw_timers *timers, const struct gw_logctx *log,
		     const struct gw_consent_handlers *h)
{
	memset(c, 0, sizeof(*c));
	c->stun = stun;
	c->timers = timers;
	c->log = log;
	c->h = *h;
	c->tie = gw_random_u64();
	gw_timer_init(&c->timer, due, c);
}

/* Four strings in one piece of memory: a call on hold has few bytes. */
static int set_names(struct gw_consent *c, const struct gw_consent_keys *k)
{
	size_t user = strlen(k->ufrag) + strlen(k->remote_ufrag) + 2;
	size_t size = 2 * user + strlen(k->pwd) + strlen(k->remote_pwd) + 2;
	char *names = calloc(1, size);
	char *at = names;

	if (!names)
		return -ENOMEM;
	c->names = names;
	c->user = at;
	at += snprintf(at, user, "%s:%s", k->remote_ufrag, k->ufrag) + 1;
	c->expected = at;
	at += snprintf(at, user, "%s:%s", k->ufrag, k->remote_ufrag) + 1;
	c->pwd = at;
	at = stpcpy(at, k->pwd) + 1;
	c->remote_pwd = at;
	(void)stpcpy(at, k->remote_pwd);
	return 0;
}

int gw_consent_start(struct gw_consent *c, const struct gw_consent_keys *keys)
{
	int err;

	gw_consent_stop(c);
	err = set_names(c, keys);
	if (err)
		return err;
	c->controlling = keys->controlling;
	c->mark = keys->mark;
	c->patience_ms = keys->patience_ms ? keys->patience_ms : PATIENCE_MS;
	c->refused = false;
	c->waits = false;
	c->heard_us = gw_timers_now_us(c->timers);
	memset(c->asked, 0, sizeof(c->asked));
	c->next = 0;
	arm(c);
	return 0;
}

void gw_consent_stop(struct gw_consent *c)
{
	gw_timer_stop(&c->timer);
	if (!c->names)
		return;
	explicit_bzero((void *)(uintptr_t)c->pwd, strlen(c->pwd));
	explicit_bzero((void *)(uintptr_t)c->remote_pwd, strlen(c->remote_pwd));
	free(c->names);
	c->names = NULL;
}

static bool take_check(struct gw_consent *c, const struct gw_addr *from,
		       struct gw_stun_check *check)
{
	uint8_t out[GW_STUN_ANSWER];
	size_t len;
	bool nominates;
	enum gw_stun_result r;

	if (gw_stun_whose(check, c->expected) != GW_STUN_OF_PEER)
		return false;
	r = gw_stun_answer(c->stun, check, c->pwd, c->controlling, from, out,
			   &len, &nominates);
	/* Roles are libnice's to settle. */
	if (r == GW_STUN_CONFLICT)
		return false;
	gw_metric_add(r == GW_STUN_VALID ? &m_answered : &m_forged, 1);
	if (len)
		c->h.send(out, len, c->h.arg);
	return true;
}

static void refused(struct gw_consent *c, enum gw_stun_reply how)
{
	gw_metric_add(&m_refused, 1);
	if (how == GW_STUN_FORBIDDEN) {
		lose(c, "the peer takes its consent back");
		return;
	}
	/* It is alive, but 5.1 wants a success: the next check has the other
	 * role. */
	if (how == GW_STUN_ROLE_CONFLICT)
		c->controlling = !c->controlling;
	else if (!c->refused)
		gw_info(c->log, "ICE: the peer refuses a consent check");
	c->refused = true;
}

static bool take_reply(struct gw_consent *c, uint8_t *data, size_t len)
{
	for (unsigned i = 0; i < GW_CONSENT_ASKED && i < c->next; i++) {
		enum gw_stun_reply how;

		if (memcmp(data + 8, c->asked[i], GW_STUN_ID) != 0)
			continue;
		how = gw_stun_reply(c->stun, data, len, c->asked[i],
				    c->remote_pwd);
		if (how == GW_STUN_SUCCESS) {
			gw_metric_add(&m_confirmed, 1);
			c->heard_us = gw_timers_now_us(c->timers);
			c->waits = false;
			arm(c);
		} else if (how == GW_STUN_NO_REPLY) {
			gw_metric_add(&m_forged, 1);
		} else {
			refused(c, how);
		}
		return true;
	}
	return false;
}

bool gw_consent_reply(struct gw_consent *c, uint8_t *data, size_t len)
{
	return c->names && len >= 20 && take_reply(c, data, len);
}

bool gw_consent_is_of_other(const struct gw_consent *c, uint8_t *data,
			    size_t len)
{
	struct gw_stun_check check;

	return c->names &&
	       gw_stun_read(c->stun, &check, data, len) == GW_STUN_CHECK &&
	       gw_stun_whose(&check, c->expected) == GW_STUN_OF_OTHER;
}

bool gw_consent_take(struct gw_consent *c, const struct gw_addr *from,
		     uint8_t *data, size_t len)
{
	struct gw_stun_check check;

	if (!c->names || len < 20)
		return false;
	/* Binding (RFC 8489 6): success and error, then a request. */
	if (data[0] == 1 && (data[1] == 1 || data[1] == 0x11))
		return take_reply(c, data, len);
	return gw_stun_read(c->stun, &check, data, len) == GW_STUN_CHECK &&
	       take_check(c, from, &check);
}
