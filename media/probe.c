#include "media/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/ids.h"
#include "gateway/base/metrics.h"

#define PROBE_MAGIC 0x940be940

/* libnice paces its checks by 20 ms: where nothing is lost its own is answered
 * before ours is sent. */
#define FIRST_MS 40
/* RFC 8445 14.3 wants 500 ms, and doubles them, for paths that are shared with
 * thousands; browsers send one every 48 ms, and so do we to those who do. */
#define OFTEN_MS   50
#define OFTEN      40 /* checks, in 2 s */
#define SELDOM_MS  200
#define CHECKS_MAX 80 /* in 10 s; then it is left to libnice */

/* Of a peer-reflexive candidate (RFC 8445 5.1.2), as nothing is told to the
 * peer that its own candidates do not say. */
#define PRIORITY (110u << 24 | 65535u << 8 | 255u)

struct way {
	struct gw_addr peer; /* family 0: free */
	unsigned local;
	bool controlling;
	bool nominated; /* by the peer; only where we do not control */
	bool answers;
	uint64_t sender; /* whose checks came from there (stun.h) */
	uint8_t sent;
	uint8_t id[GW_STUN_ID];
	/* One transaction, sent again and again: whichever gets there is
	 * answered, and late answers count too. */
	uint16_t len;
	uint8_t msg[GW_STUN_REQUEST];
};

struct gw_probe {
	uint32_t magic;
	struct gw_stun *stun;
	struct gw_timers *timers;
	struct gw_probe_handlers h;
	struct gw_timer timer;
	uint32_t mark;
	uint64_t tie;
	unsigned looks;
	char *ufrag, *pwd;
	char *user, *expected; /* "theirs:ours", and back; NULL: not known */
	char *remote_pwd;
	struct way way[GW_PROBE_WAYS];
};

#define NAME "isthmus_ice_probes_total"
#define HELP "Checks of ours before libnice has selected a pair"

GW_COUNTER(m_sent, NAME, HELP, "what=\"sent\"");
GW_COUNTER(m_answered, NAME, HELP, "what=\"answered\"");
GW_COUNTER(m_refused, NAME, HELP, "what=\"refused\"");
GW_COUNTER(m_forged, NAME, HELP, "what=\"forged\"");
GW_COUNTER(m_found, NAME, HELP, "what=\"found\"");
GW_COUNTER(m_other, NAME, HELP, "what=\"another_peer\"");

/* ---- what is sent ---- */

static bool wants_checks(const struct way *w)
{
	return w->peer.family && !w->answers && w->sent < CHECKS_MAX;
}

static void make_check(struct gw_probe *p, struct way *w)
{
	const struct gw_stun_ask ask = {
		.user = p->user,
		.pwd = p->remote_pwd,
		.controlling = w->controlling,
		/* As libnice does: whatever answers may be used. */
		.nominates = w->controlling,
		.tie = p->tie,
		.priority = PRIORITY,
		.mark = p->mark,
	};

	w->len = (uint16_t)gw_stun_ask(p->stun, &ask, w->msg, w->id);
}

static void check(struct gw_probe *p, struct way *w)
{
	if (!w->len)
		make_check(p, w);
	w->sent++;
	if (!w->len)
		return; /* names too long for a check: libnice has them too */
	gw_metric_add(&m_sent, 1);
	p->h.send(w->local, &w->peer, w->msg, w->len, p->h.arg);
}

/* The soonest that any of them wants. */
static void arm(struct gw_probe *p)
{
	unsigned ms = 0;

	for (unsigned i = 0; i < GW_PROBE_WAYS; i++) {
		const struct way *w = &p->way[i];

		if (!wants_checks(w))
			continue;
		if (w->sent < OFTEN)
			ms = OFTEN_MS;
		else if (!ms)
			ms = SELDOM_MS;
	}
	if (ms)
		(void)gw_timer_start_ms(p->timers, &p->timer, ms);
}

static void due(struct gw_timer *t, void *arg)
{
	struct gw_probe *p = arg;

	(void)t;
	GW_CHECK(p, PROBE_MAGIC);
	if (!p->user)
		return;
	for (unsigned i = 0; i < GW_PROBE_WAYS; i++)
		if (wants_checks(&p->way[i]))
			check(p, &p->way[i]);
	arm(p);
}

static void begin(struct gw_probe *p)
{
	if (p->user && !gw_timer_running(&p->timer))
		(void)gw_timer_start_ms(p->timers, &p->timer, FIRST_MS);
}

/* RFC 8445 12.1: a valid pair that is nominated.  The probe may be gone. */
static void review(struct gw_probe *p, const struct way *w)
{
	struct gw_addr peer = w->peer;

	if (!w->answers || !(w->controlling || w->nominated))
		return;
	gw_metric_add(&m_found, 1);
	gw_timer_stop(&p->timer);
	p->h.found(w->local, &peer, p->h.arg);
}

/* ---- life ---- */

static void forget_remote(struct gw_probe *p)
{
	if (p->remote_pwd)
		explicit_bzero(p->remote_pwd, strlen(p->remote_pwd));
	free(p->remote_pwd);
	free(p->user);
	free(p->expected);
	p->remote_pwd = NULL;
	p->user = NULL;
	p->expected = NULL;
}

int gw_probe_new(struct gw_probe **out, const struct gw_probe_options *opt,
		 const struct gw_probe_handlers *h)
{
	struct gw_probe *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->magic = PROBE_MAGIC;
	p->stun = opt->stun;
	p->timers = opt->timers;
	p->mark = opt->mark;
	p->h = *h;
	/* Not libnice's, which it does not tell; but who compares it has the
	 * role that is ours, and is heard only when that is settled. */
	p->tie = gw_random_u64();
	gw_timer_init(&p->timer, due, p);
	p->ufrag = strdup(opt->ufrag);
	p->pwd = strdup(opt->pwd);
	if (!p->ufrag || !p->pwd) {
		gw_probe_free(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

void gw_probe_free(struct gw_probe *p)
{
	if (!p)
		return;
	gw_timer_stop(&p->timer);
	forget_remote(p);
	if (p->pwd)
		explicit_bzero(p->pwd, strlen(p->pwd));
	free(p->pwd);
	free(p->ufrag);
	p->magic = 0;
	free(p);
}

/* Checks may come before the description of who sends them (RFC 8445 7.3):
 * what was learnt from those stays. */
static void forget_others(struct gw_probe *p, uint64_t sender)
{
	for (unsigned i = 0; i < GW_PROBE_WAYS; i++) {
		struct way *w = &p->way[i];
		struct gw_addr from = w->peer;

		if (!from.family || w->sender == sender)
			continue;
		memset(w, 0, sizeof(*w));
		gw_metric_add(&m_other, 1);
		p->h.other(&from, p->h.arg);
	}
}

int gw_probe_set_remote(struct gw_probe *p, const char *ufrag, const char *pwd)
{
	gw_timer_stop(&p->timer);
	if (p->user)
		memset(p->way, 0, sizeof(p->way));
	forget_remote(p);
	forget_others(p, gw_stun_sender_of(ufrag));
	p->remote_pwd = strdup(pwd);
	if (asprintf(&p->user, "%s:%s", ufrag, p->ufrag) < 0)
		p->user = NULL;
	if (asprintf(&p->expected, "%s:%s", p->ufrag, ufrag) < 0)
		p->expected = NULL;
	if (!p->remote_pwd || !p->user || !p->expected) {
		forget_remote(p);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < GW_PROBE_WAYS; i++)
		if (p->way[i].peer.family)
			begin(p);
	return 0;
}

/* ---- what comes ---- */

/* Its names are ours, and the peer's, as far as they are known. */
static bool is_for_us(const struct gw_probe *p,
		      const struct gw_stun_check *check)
{
	if (p->expected)
		return gw_stun_whose(check, p->expected) == GW_STUN_OF_PEER;
	return check->ufrag_len == strlen(p->ufrag) &&
	       !memcmp(check->ufrag, p->ufrag, check->ufrag_len);
}

static struct way *find(struct gw_probe *p, unsigned local,
			const struct gw_addr *peer)
{
	struct way *unused = NULL;

	for (unsigned i = 0; i < GW_PROBE_WAYS; i++) {
		struct way *w = &p->way[i];

		if (w->local == local && gw_addr_equal(&w->peer, peer))
			return w;
		if (!w->peer.family && !unused)
			unused = w;
	}
	if (unused)
		*unused = (struct way){ .peer = *peer, .local = local };
	return unused;
}

static bool is_of_other(const struct gw_probe *p,
			const struct gw_stun_check *check)
{
	return p->expected &&
	       gw_stun_whose(check, p->expected) == GW_STUN_OF_OTHER;
}

/* May be gone on return. */
static void learn(struct gw_probe *p, unsigned local, bool controlling,
		  const struct gw_addr *from, const struct gw_stun_check *check)
{
	struct way *w;
	bool nominates;

	p->looks++;
	if (gw_stun_vet(p->stun, check, p->pwd, controlling, &nominates) !=
	    GW_STUN_VALID)
		return;
	w = find(p, local, from);
	if (!w)
		return;
	/* Another's nomination says nothing of who is there now. */
	if (w->sender != gw_stun_sender(check))
		w->nominated = false;
	w->sender = gw_stun_sender(check);
	/* libnice has yielded since: the check has the wrong role. */
	if (w->controlling != controlling) {
		w->len = 0;
		w->answers = false;
	}
	w->controlling = controlling;
	w->nominated |= nominates;
	if (wants_checks(w))
		begin(p);
	review(p, w);
}

bool gw_probe_look(struct gw_probe *p, unsigned local, bool controlling,
		   const struct gw_addr *from, uint8_t *data, size_t len)
{
	struct gw_stun_check check;

	if (gw_stun_read(p->stun, &check, data, len) != GW_STUN_CHECK)
		return true;
	if (is_of_other(p, &check)) {
		gw_metric_add(&m_other, 1);
		return false;
	}
	if (p->looks < GW_PROBE_LOOKS && is_for_us(p, &check))
		learn(p, local, controlling, from, &check);
	return true;
}

bool gw_probe_reply(struct gw_probe *p, unsigned local,
		    const struct gw_addr *from, uint8_t *data, size_t len)
{
	for (unsigned i = 0; i < GW_PROBE_WAYS && len >= 20; i++) {
		struct way *w = &p->way[i];
		enum gw_stun_reply how;

		if (!w->len || memcmp(data + 8, w->id, GW_STUN_ID) != 0)
			continue;
		/* RFC 8445 7.2.5.2.1: it must come back the same way. */
		how = w->local == local && gw_addr_equal(&w->peer, from)
			      ? gw_stun_reply(p->stun, data, len, w->id,
					      p->remote_pwd)
			      : GW_STUN_NO_REPLY;
		if (how == GW_STUN_SUCCESS) {
			if (!w->answers)
				gw_metric_add(&m_answered, 1);
			w->answers = true;
			review(p, w);
		} else if (how == GW_STUN_NO_REPLY) {
			gw_metric_add(&m_forged, 1);
		} else {
			/* 487 above all: the peer's next check tells its role,
			 * and begins anew. */
			gw_metric_add(&m_refused, 1);
			memset(w, 0, sizeof(*w));
		}
		return true;
	}
	return false;
}
