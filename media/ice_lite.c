/*
 * media/ice_lite.c - ICE-lite (RFC 8445 2.5): the peer checks, we answer
 *
 * The session's part; the sockets, and who is meant by a check, are in
 * lite_port.c.  A pair is the peer's address, as we have one of each family.
 * An address is accepted once a check with our password came from it, and sent
 * to once the peer has nominated it, or has begun to use it; the latest
 * nomination counts, for a browser moves from one network to another by just
 * that.
 *
 * Consent (RFC 7675) of a lite agent is that it is asked for it: as long as
 * valid checks come, the peer is there and wants what it gets.
 */
#include "media/ice_ops.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "media/lite_port.h"
#include "media/stun.h"

#define LITE_MAGIC 0x11ce11ce
/* Addresses of one peer: what is heard least gives way. */
#define MAX_PAIRS 8
/* RFC 7675 5.1: "consent expires 30 seconds" after the last one. */
#define CONSENT_MS 30000u
/* Chromium nominates a pair of a lite agent's once it has chosen it, by the
 * next check that is due: 900 ms later, and later still where that is lost.
 * Its data does not wait for that; and ours goes, after this long, where it
 * was last checked from.  That the nomination then moves it is no harm: who
 * checks with our password hears us on any of its addresses. */
#define UNNOMINATED_US 200000u
/* A peer that nominates this and that in turn is followed, and not echoed in
 * the log. */
#define NEWS_US 1000000u

struct lite {
	struct gw_ice base; /* first */
	uint32_t magic;
	struct gw_lite_port *port;
	struct gw_timers *timers;
	const struct gw_logctx *log;
	struct gw_ice_handlers h;
	struct gw_lite_client client;

	/* Ours; the ones before a restart are heard until the peer nominates
	 * under the new ones (RFC 8445 9). */
	struct gw_lite_user user[2];
	uint8_t current;
	uint32_t generation;

	struct gw_lite_pair pair[MAX_PAIRS];
	struct gw_lite_pair *selected;
	bool connected;
	bool was_connected;
	bool told_gathered;
	bool told_failed;
	bool news_pair;
	uint64_t news_us;  /* when PAIR_CHANGED was last told */
	uint64_t begun_us; /* of waiting for the first check */
	/* The first check under our credentials, while no pair is selected; 0:
	 * none, or it has been waited for long enough. */
	uint64_t checked_us;
	struct gw_timer wake;
	uint64_t consent_us; /* what it lasts */

	bool told; /* who the peer is, since the last restart */
	char ufrag[257], pwd[257];
};

GW_GAUGE(m_agents, "isthmus_media_agents", "Live ICE agents", "mode=\"lite\"");
GW_COUNTER(m_connected, "isthmus_ice_total", "ICE results",
	   "result=\"connected\",mode=\"lite\"");
GW_COUNTER(m_changed, "isthmus_ice_total", "ICE results",
	   "result=\"pair_changed\",mode=\"lite\"");
GW_COUNTER(m_failed, "isthmus_ice_total", "ICE results",
	   "result=\"failed\",mode=\"lite\"");

static struct lite *lite_of(struct gw_ice *base)
{
	struct lite *ice = (struct lite *)base;

	GW_CHECK(ice, LITE_MAGIC);
	return ice;
}

/* ---- news ---- */

static void wake_in(struct lite *ice, uint64_t us)
{
	(void)gw_timer_start_us(ice->timers, &ice->wake, us);
}

/* When consent would be lost, if nothing is heard. */
static void watch(struct lite *ice, uint64_t now)
{
	uint64_t since =
		ice->selected ? ice->selected->heard_us : ice->begun_us;
	uint64_t due = since + ice->consent_us;

	if (!ice->connected && ice->told_failed) {
		gw_timer_stop(&ice->wake);
		return;
	}
	if (ice->news_pair && ice->news_us + NEWS_US < due)
		due = ice->news_us + NEWS_US;
	if (ice->checked_us && ice->checked_us + UNNOMINATED_US < due)
		due = ice->checked_us + UNNOMINATED_US;
	wake_in(ice, due > now ? due - now : 0);
}

static void tell_pair(struct lite *ice, uint64_t now)
{
	if (!ice->was_connected) {
		ice->was_connected = true;
		ice->news_pair = false;
		gw_metric_add(&m_connected, 1);
		ice->h.state(GW_ICE_CONNECTED, ice->h.arg);
		return;
	}
	if (ice->news_us && now - ice->news_us < NEWS_US)
		return; /* the timer will */
	ice->news_pair = false;
	ice->news_us = now;
	gw_metric_add(&m_changed, 1);
	ice->h.state(GW_ICE_PAIR_CHANGED, ice->h.arg);
}

static void select_pair(struct lite *ice, struct gw_lite_pair *pair,
			uint64_t now)
{
	if (ice->connected && ice->selected == pair)
		return;
	ice->selected = pair;
	ice->connected = true;
	ice->checked_us = 0;
	ice->told_failed = false;
	ice->news_pair = true;
	tell_pair(ice, now);
	watch(ice, now);
}

static void forget_pair(struct lite *ice, struct gw_lite_pair *pair)
{
	gw_lite_port_del_pair(ice->port, pair);
	if (ice->selected == pair)
		ice->selected = NULL;
}

static void fail(struct lite *ice)
{
	ice->connected = false;
	ice->news_pair = false;
	ice->told_failed = true;
	for (unsigned i = 0; i < MAX_PAIRS; i++)
		forget_pair(ice, &ice->pair[i]);
	gw_metric_add(&m_failed, 1);
	ice->h.state(GW_ICE_FAILED, ice->h.arg);
}

static uint64_t age(const struct gw_lite_pair *pair, uint64_t now)
{
	return now - pair->heard_us;
}

/* The last nominated one; of those, unless @any, that are checked with our
 * current credentials. */
static struct gw_lite_pair *nominee(struct lite *ice, bool any)
{
	struct gw_lite_pair *best = NULL;

	for (unsigned i = 0; i < MAX_PAIRS; i++) {
		struct gw_lite_pair *p = &ice->pair[i];

		if (!p->client || !p->nominated_us ||
		    (!any && p->generation != ice->generation))
			continue;
		if (!best || p->nominated_us > best->nominated_us)
			best = p;
	}
	return best;
}

/* Checked, but not nominated for too long; NULL: not yet, or none. */
static struct gw_lite_pair *unnominated(struct lite *ice, uint64_t now)
{
	struct gw_lite_pair *best = NULL;

	if (!ice->checked_us || now - ice->checked_us < UNNOMINATED_US)
		return NULL;
	ice->checked_us = 0;
	for (unsigned i = 0; i < MAX_PAIRS; i++) {
		struct gw_lite_pair *p = &ice->pair[i];

		if (p->client && p->generation == ice->generation &&
		    (!best || p->heard_us > best->heard_us))
			best = p;
	}
	return best;
}

static void expire_pairs(struct lite *ice, uint64_t now)
{
	for (unsigned i = 0; i < MAX_PAIRS; i++)
		if (ice->pair[i].client &&
		    age(&ice->pair[i], now) >= ice->consent_us)
			forget_pair(ice, &ice->pair[i]);
}

static void review(struct lite *ice)
{
	uint64_t now = gw_timers_now_us(ice->timers);
	struct gw_lite_pair *pair;

	expire_pairs(ice, now);
	if (ice->connected && !ice->selected) {
		pair = nominee(ice, true);
		if (pair)
			select_pair(ice, pair, now);
		else
			fail(ice);
	} else if (!ice->connected && ice->told && !ice->told_failed) {
		/* Nominated before we knew whose checks they were. */
		pair = nominee(ice, false);
		if (!pair)
			pair = unnominated(ice, now);
		if (pair)
			select_pair(ice, pair, now);
		else if (now - ice->begun_us >= ice->consent_us)
			fail(ice);
	}
	if (ice->news_pair)
		tell_pair(ice, now);
	if (ice->connected || ice->told)
		watch(ice, now);
}

static void wake_due(struct gw_timer *t, void *arg)
{
	struct lite *ice = arg;

	(void)t;
	GW_CHECK(ice, LITE_MAGIC);
	if (!ice->told_gathered) {
		ice->told_gathered = true;
		ice->h.gathered(ice->h.arg);
	}
	review(ice);
}

/* ---- what the port brings ---- */

static struct gw_lite_pair *place_for_pair(struct lite *ice)
{
	struct gw_lite_pair *oldest = NULL;

	for (unsigned i = 0; i < MAX_PAIRS; i++) {
		struct gw_lite_pair *p = &ice->pair[i];

		if (!p->client)
			return p;
		if (p != ice->selected &&
		    (!oldest || p->heard_us < oldest->heard_us))
			oldest = p;
	}
	forget_pair(ice, oldest);
	return oldest;
}

static bool on_check(struct gw_lite_user *user, struct gw_lite_pair *pair,
		     const struct gw_addr *from,
		     const struct gw_lite_news *news, void *arg)
{
	struct lite *ice = arg;
	uint64_t now = gw_timers_now_us(ice->timers);
	bool is_current;

	GW_CHECK(ice, LITE_MAGIC);
	is_current = user == &ice->user[ice->current];
	if (!pair) {
		pair = place_for_pair(ice);
		if (gw_lite_port_add_pair(ice->port, pair, &ice->client, from))
			return false; /* no memory: it will be sent again */
	}
	/* Another's nomination says nothing of who is there now. */
	if (pair->sender != news->sender && is_current && !ice->told)
		pair->nominated_us = 0;
	pair->sender = news->sender;
	pair->heard_us = now;
	pair->generation = user->generation;
	if (!ice->connected && is_current && !ice->checked_us) {
		ice->checked_us = now;
		if (ice->told)
			watch(ice, now);
	}
	if (!news->nominates)
		return true;
	pair->nominated_us = now;
	/* RFC 8445 7.3: checks may come before the description of who sends
	 * them; they are answered, and count when it is there. */
	if (is_current && !ice->told)
		return true;
	if (is_current)
		gw_lite_port_del_user(ice->port, &ice->user[!ice->current]);
	select_pair(ice, pair, now);
	return true;
}

/* Who sends data has a valid pair and has chosen it (RFC 8445 12.1.1), though
 * the check that says so was lost or is still to come. */
static void select_speaker(struct lite *ice, const struct gw_addr *from)
{
	for (unsigned i = 0; i < MAX_PAIRS; i++) {
		struct gw_lite_pair *p = &ice->pair[i];

		if (p->client && p->generation == ice->generation &&
		    gw_addr_equal(from, &p->addr)) {
			select_pair(ice, p, gw_timers_now_us(ice->timers));
			return;
		}
	}
}

static void on_packet(const struct gw_addr *from, uint8_t *data, size_t len,
		      size_t cap, void *arg)
{
	struct lite *ice = arg;

	GW_CHECK(ice, LITE_MAGIC);
	if (!ice->connected && ice->told)
		select_speaker(ice, from);
	ice->h.packet(from, data, len, cap, ice->h.arg);
}

static void on_taken(struct gw_lite_pair *pair, void *arg)
{
	struct lite *ice = arg;

	GW_CHECK(ice, LITE_MAGIC);
	if (ice->selected == pair)
		ice->selected = NULL;
	/* Not from here: this is inside another session's check. */
	wake_in(ice, 0);
}

/* ---- media/ice.h ---- */

static void lite_local(struct gw_ice *base, struct gw_end *end)
{
	struct lite *ice = lite_of(base);
	const struct gw_lite_user *user = &ice->user[ice->current];
	struct gw_addr local[2];
	unsigned n = gw_lite_port_local(ice->port, local);

	memset(end->ufrag, 0, sizeof(end->ufrag));
	memset(end->pwd, 0, sizeof(end->pwd));
	memcpy(end->ufrag, user->ufrag, sizeof(user->ufrag));
	memcpy(end->pwd, user->pwd, sizeof(user->pwd));
	end->ice_lite = true;
	end->ncandidate = (uint8_t)n;
	for (unsigned i = 0; i < n; i++) {
		struct gw_candidate *c = &end->candidate[i];

		memset(c, 0, sizeof(*c));
		c->addr = local[i];
		/* RFC 8445 5.1.2.1: type, local and component preference. */
		c->priority = 126u << 24 | (65535u - i) << 8 | 255u;
		c->foundation[0] = (char)('1' + i);
	}
}

static bool lite_is_peer(const struct gw_ice *base, const struct gw_end *remote)
{
	const struct lite *ice = (const struct lite *)base;

	return !strcmp(ice->ufrag, remote->ufrag) &&
	       !strcmp(ice->pwd, remote->pwd);
}

/* Its name is known now: whoever else checked with our password before, as
 * another endpoint that was offered the same session, is forgotten. */
static void expect(struct lite *ice, const char *ufrag)
{
	uint64_t sender = gw_stun_sender_of(ufrag);
	bool checked = false;
	unsigned n = 0;

	ice->user[ice->current].sender = sender;
	for (unsigned i = 0; i < MAX_PAIRS && !ice->told; i++) {
		struct gw_lite_pair *p = &ice->pair[i];

		if (!p->client || p->generation != ice->generation)
			continue;
		if (p->sender == sender) {
			checked = true;
			continue;
		}
		if (p == ice->selected)
			ice->connected = false;
		forget_pair(ice, p);
		n++;
	}
	if (n)
		gw_info(ice->log,
			"ICE: forgot what %u addresses of another endpoint "
			"said",
			n);
	if (!checked)
		ice->checked_us = 0;
}

/* The peer's candidates say nothing to us: we never send where no check came
 * from. */
static int lite_configure(struct gw_ice *base, const struct gw_end *remote)
{
	struct lite *ice = lite_of(base);

	/* RFC 8839 5.4: at least 4 and 22 characters. */
	if (strlen(remote->ufrag) < 4 || strlen(remote->pwd) < 22)
		return -EINVAL;
	if (remote->ice_lite)
		return -EOPNOTSUPP;
	if (lite_is_peer(base, remote) && ice->told)
		return 0;
	memcpy(ice->ufrag, remote->ufrag, sizeof(ice->ufrag));
	memcpy(ice->pwd, remote->pwd, sizeof(ice->pwd));
	expect(ice, ice->ufrag);
	ice->told = true;
	ice->told_failed = false;
	ice->begun_us = gw_timers_now_us(ice->timers);
	/* Checks may have been there before. */
	wake_in(ice, 0);
	return 0;
}

static int lite_restart(struct gw_ice *base)
{
	struct lite *ice = lite_of(base);
	uint8_t next = !ice->current;

	gw_lite_port_del_user(ice->port, &ice->user[next]);
	if (gw_lite_port_add_user(ice->port, &ice->user[next], &ice->client))
		return -EIO;
	ice->current = next;
	ice->user[next].generation = ++ice->generation;
	memset(ice->ufrag, 0, sizeof(ice->ufrag));
	memset(ice->pwd, 0, sizeof(ice->pwd));
	ice->told = false;
	ice->checked_us = 0;
	return 0;
}

/* Checks of the new peer may have come between the restart and its
 * description: they stay. */
static void lite_forget_peer(struct gw_ice *base)
{
	struct lite *ice = lite_of(base);

	for (unsigned i = 0; i < MAX_PAIRS; i++)
		if (ice->told || ice->pair[i].generation != ice->generation)
			forget_pair(ice, &ice->pair[i]);
	gw_lite_port_del_user(ice->port, &ice->user[!ice->current]);
	ice->user[ice->current].sender = 0;
	ice->selected = NULL;
	ice->connected = false;
	ice->checked_us = 0;
	ice->news_pair = false;
	ice->told = false;
}

static bool lite_is_connected(const struct gw_ice *base)
{
	return ((const struct lite *)base)->connected;
}

static bool lite_accepts(struct gw_ice *base, const struct gw_addr *from)
{
	const struct lite *ice = (const struct lite *)base;

	if (!ice->connected)
		return false;
	for (unsigned i = 0; i < MAX_PAIRS; i++)
		if (ice->pair[i].client &&
		    gw_addr_equal(from, &ice->pair[i].addr))
			return true;
	return false;
}

static int lite_send(struct gw_ice *base, const struct gw_addr *to, int tos,
		     const void *data, size_t len)
{
	struct lite *ice = (struct lite *)base;

	if (!ice->connected || !ice->selected)
		return -ENOTCONN;
	return gw_lite_port_send(ice->port, to ? to : &ice->selected->addr, tos,
				 data, len);
}

/* The sockets are everybody's, and so is their DSCP: the configuration has the
 * same for all calls. */
static void lite_set_dscp(struct gw_ice *base, uint8_t dscp)
{
	gw_lite_port_set_tos(lite_of(base)->port, dscp << 2);
}

static void lite_free(struct gw_ice *base)
{
	struct lite *ice = lite_of(base);

	gw_timer_stop(&ice->wake);
	for (unsigned i = 0; i < MAX_PAIRS; i++)
		forget_pair(ice, &ice->pair[i]);
	for (unsigned i = 0; i < 2; i++)
		gw_lite_port_del_user(ice->port, &ice->user[i]);
	gw_lite_port_leave(ice->port);
	gw_metric_add(&m_agents, -1);
	explicit_bzero(ice, sizeof(*ice)); /* the passwords too */
	free(ice);
}

static void lite_add_hot(const struct gw_ice *base, struct gw_hot *hot)
{
	const struct lite *ice = (const struct lite *)base;

	gw_hot_add(hot, ice, offsetof(struct lite, client));
	gw_hot_add(hot, &ice->selected, sizeof(ice->selected));
	gw_hot_add(hot, ice->selected, sizeof(*ice->selected));
}

static const struct gw_ice_ops ops = {
	.free = lite_free,
	.local = lite_local,
	.configure = lite_configure,
	.is_peer = lite_is_peer,
	.restart = lite_restart,
	.forget_peer = lite_forget_peer,
	.is_connected = lite_is_connected,
	.accepts = lite_accepts,
	.send = lite_send,
	.add_hot = lite_add_hot,
	.set_dscp = lite_set_dscp,
};

int gw_ice_lite_new(struct gw_ice **out, const struct gw_ice_options *opt,
		    const struct gw_ice_handlers *h)
{
	struct lite *ice = calloc(1, sizeof(*ice));
	int err;

	if (!ice)
		return -ENOMEM;
	ice->base.ops = &ops;
	ice->magic = LITE_MAGIC;
	ice->port = opt->lite;
	ice->timers = opt->timers;
	ice->log = opt->log;
	ice->consent_us =
		(opt->consent_ms ? opt->consent_ms : CONSENT_MS) * 1000ull;
	ice->h = *h;
	ice->client.check = on_check;
	ice->client.packet = on_packet;
	ice->client.taken = on_taken;
	ice->client.arg = ice;
	gw_timer_init(&ice->wake, wake_due, ice);
	gw_metric_add(&m_agents, 1);
	gw_lite_port_join(ice->port);

	err = gw_lite_port_add_user(ice->port, &ice->user[0], &ice->client);
	if (!err)
		/* Nothing to gather, and still not told from inside here. */
		err = gw_timer_start_us(ice->timers, &ice->wake, 0);
	if (err) {
		lite_free(&ice->base);
		return err;
	}
	*out = &ice->base;
	return 0;
}
