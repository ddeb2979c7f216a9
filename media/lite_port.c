#include "media/lite_port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/sock_diag.h>
#include <netinet/ip.h>

#include "gateway/base/check.h"
#include "gateway/base/ids.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "media/discard.h"
#include "media/stun.h"
#include "media/tos.h"

/* More are left for the next turn, so that other sockets have theirs. */
#define PACKETS_A_TURN 64
#define PACKET_MAX     2048
#define PACKET_ROOM    (PACKET_MAX + 256) /* protecting adds */

/* About 100 ms of audio each: five packets, as the kernel counts the buffers
 * that hold them.  It doubles the number. */
#define RCVBUF_EACH (4 * 1024)
#define RCVBUF_MIN  (208 * 1024) /* what Linux gives without asking */
#define RCVBUF_MAX  (32 * 1024 * 1024)
#define DROPS_MS    5000

/* RFC 8445 14.2: Ta is 50 ms or, as libnice has it, 20.  Several addresses of
 * one peer share the first of a session; consent is one in 5 s. */
#define STRANGER_PER_S 10
#define STRANGER_BURST 20
#define CHECKS_PER_S   100
#define CHECKS_BURST   200
#define STRANGERS      4096 /* power of two; they share places by address */

/* An address that its session was heard from no longer ago than this is not
 * given to another: consent is asked for in half of it (RFC 7675 5.1). */
#define LIVING_US 12000000u

struct port_socket {
	struct gw_lite_port *port;
	struct gw_poll poll;
	struct gw_addr local;
	int fd;
	uint32_t drops; /* of the kernel's, counted so far */
};

struct gw_lite_port {
	struct gw_poller *poller;
	struct gw_timers *timers;
	struct gw_stun *stun;
	unsigned nsocket;
	struct port_socket socket[2];
	unsigned nclient;
	int rcvbuf;
	int tos;
	struct gw_timer drops;
	struct gw_lite_user *users;
	struct gw_lite_pair *pairs;
	uint64_t seed; /* places of strangers cannot be foreseen */
	struct gw_lite_bucket stranger[STRANGERS];
};

#define PACKETS      "isthmus_media_ice_packets_total"
#define PACKETS_HELP "Packets of ICE transports, by the path they took"
#define DROPPED      "isthmus_media_discarded_total"
#define DROPPED_HELP "Packets not relayed, by reason"
#define STUN         "isthmus_ice_lite_stun_total"
#define STUN_HELP    "STUN messages at the ICE-lite port, by what became of them"

GW_COUNTER(m_rx, PACKETS, PACKETS_HELP, "direction=\"in\",path=\"lite\"");
GW_COUNTER(m_tx, PACKETS, PACKETS_HELP, "direction=\"out\",path=\"lite\"");
GW_COUNTER(m_stranger, DROPPED, DROPPED_HELP, "reason=\"unknown_source\"");
GW_COUNTER(m_queue, DROPPED, DROPPED_HELP, "reason=\"lite_queue_full\"");
GW_COUNTER(m_valid, STUN, STUN_HELP, "result=\"answered\"");
GW_COUNTER(m_broken, STUN, STUN_HELP, "result=\"malformed\"");
GW_COUNTER(m_silent, STUN, STUN_HELP, "result=\"not_a_request\"");
GW_COUNTER(m_bad, STUN, STUN_HELP, "result=\"400\"");
GW_COUNTER(m_nobody, STUN, STUN_HELP, "result=\"401_unknown_user\"");
GW_COUNTER(m_forged, STUN, STUN_HELP, "result=\"401_integrity\"");
GW_COUNTER(m_unknown, STUN, STUN_HELP, "result=\"420\"");
GW_COUNTER(m_conflict, STUN, STUN_HELP, "result=\"487\"");
GW_COUNTER(m_rate, STUN, STUN_HELP, "result=\"rate_of_session\"");
GW_COUNTER(m_strange_rate, STUN, STUN_HELP, "result=\"rate_of_strangers\"");
GW_COUNTER(m_other, STUN, STUN_HELP, "result=\"another_peer\"");
GW_COUNTER(m_living, STUN, STUN_HELP, "result=\"address_in_use\"");
GW_GAUGE(m_sockets, "isthmus_media_sockets", "Open media sockets",
	 "kind=\"ice_lite\"");

static const struct gw_logctx plog = { .module = "media" };

/* ---- rates ---- */

static bool take_token(struct gw_lite_bucket *b, uint64_t now_us,
		       uint32_t per_s, uint32_t burst)
{
	uint64_t gap = now_us - b->last_us;
	uint64_t tokens = burst * 1000u;

	/* A zeroed bucket is a full one. */
	if (b->last_us && gap < 60000000u)
		tokens = b->tokens + gap * per_s / 1000u;
	if (tokens > burst * 1000u)
		tokens = burst * 1000u;
	b->last_us = now_us;
	if (tokens < 1000u) {
		b->tokens = (uint32_t)tokens;
		return false;
	}
	b->tokens = (uint32_t)tokens - 1000u;
	return true;
}

static void make_key(struct gw_lite_key *key, const struct gw_addr *a)
{
	memset(key, 0, sizeof(*key));
	memcpy(key->ip, a->ip, a->family == AF_INET ? 4 : 16);
	key->family = a->family;
	key->port = a->port;
}

/* By address alone, of IPv6 the network: who has one has all its hosts. */
static bool stranger_may(struct gw_lite_port *port, const struct gw_addr *from)
{
	uint64_t net = port->seed;
	uint64_t ip = 0;
	bool ok;

	memcpy(&ip, from->ip, from->family == AF_INET ? 4 : 8);
	net = (net ^ ip) * 0x9e3779b97f4a7c15u;
	net ^= net >> 32;
	net *= 0xd6e8feb86659fd93u;
	ok = take_token(&port->stranger[(net >> 32) & (STRANGERS - 1)],
			gw_timers_now_us(port->timers), STRANGER_PER_S,
			STRANGER_BURST);
	if (!ok)
		gw_metric_add(&m_strange_rate, 1);
	return ok;
}

/* ---- checks ---- */

static void refuse(struct gw_lite_port *port, const struct gw_stun_check *check,
		   int code, const struct gw_addr *from)
{
	uint8_t out[GW_STUN_ANSWER];
	size_t len;

	if (!stranger_may(port, from))
		return;
	gw_metric_add(code == 400 ? &m_bad : &m_nobody, 1);
	len = gw_stun_refuse(port->stun, check, code, out);
	if (len)
		(void)gw_lite_port_send(port, from, GW_TOS_SOCKETS, out, len);
}

static struct gw_lite_pair *find_pair(struct gw_lite_port *port,
				      const struct gw_addr *from)
{
	struct gw_lite_key key;
	struct gw_lite_pair *pair;

	make_key(&key, from);
	HASH_FIND(hh, port->pairs, &key, sizeof(key), pair);
	return pair;
}

static struct gw_lite_user *find_user(struct gw_lite_port *port,
				      const struct gw_stun_check *check)
{
	struct gw_lite_user *user = NULL;

	if (check->ufrag_len == GW_LITE_UFRAG)
		HASH_FIND(hh, port->users, check->ufrag, GW_LITE_UFRAG, user);
	return user;
}

/* A valid check of @user: may it be answered? */
static bool admit(struct gw_lite_port *port, struct gw_lite_user *user,
		  struct gw_lite_pair *pair, const struct gw_addr *from,
		  const struct gw_lite_news *news)
{
	struct gw_lite_client *client = user->client;

	if (pair && pair->client != client) {
		struct gw_lite_client *other = pair->client;

		if (gw_timers_now_us(port->timers) - pair->heard_us <
		    LIVING_US) {
			gw_metric_add(&m_living, 1);
			return false;
		}
		gw_lite_port_del_pair(port, pair);
		other->taken(pair, other->arg);
		pair = NULL;
	}
	return client->check(user, pair, from, news, client->arg);
}

/* RFC 8445 7.3 looks at our half of the name alone.  But what was offered may
 * have been answered by several endpoints of a user, and those that lost have
 * our password, too.  They are not answered, as if it had been lost: a peer
 * that restarts checks under its new name before we know that. */
static bool is_of_another(const struct gw_lite_user *user,
			  const struct gw_lite_news *news)
{
	if (!user->sender || user->sender == news->sender)
		return false;
	gw_metric_add(&m_other, 1);
	return true;
}

static void on_check(struct gw_lite_port *port, struct gw_stun_check *check,
		     const struct gw_addr *from)
{
	static struct gw_metric *const metric[] = {
		[GW_STUN_VALID] = &m_valid,
		[GW_STUN_FORGED] = &m_forged,
		[GW_STUN_UNKNOWN] = &m_unknown,
		[GW_STUN_CONFLICT] = &m_conflict,
		[GW_STUN_BROKEN] = &m_broken,
	};
	struct gw_lite_user *user = find_user(port, check);
	struct gw_lite_pair *pair;
	enum gw_stun_result result;
	struct gw_lite_bucket *bucket;
	uint8_t out[GW_STUN_ANSWER];
	struct gw_lite_news news = { .sender = gw_stun_sender(check) };
	size_t len;

	if (!user) {
		refuse(port, check, 401, from);
		return;
	}
	pair = find_pair(port, from);
	bucket = pair && pair->client == user->client ? &pair->bucket
						      : &user->client->bucket;
	if (!take_token(bucket, gw_timers_now_us(port->timers), CHECKS_PER_S,
			CHECKS_BURST)) {
		gw_metric_add(&m_rate, 1);
		return;
	}
	if (is_of_another(user, &news))
		return;
	result = gw_stun_answer(port->stun, check, user->pwd, false, from, out,
				&len, &news.nominates);
	if (result == GW_STUN_VALID && !admit(port, user, pair, from, &news))
		return;
	gw_metric_add(metric[result], 1);
	if (len)
		(void)gw_lite_port_send(port, from, GW_TOS_SOCKETS, out, len);
}

static void on_stun(struct gw_lite_port *port, const struct gw_addr *from,
		    uint8_t *data, size_t len)
{
	struct gw_stun_check check;

	switch (gw_stun_read(port->stun, &check, data, len)) {
	case GW_STUN_CHECK:
		on_check(port, &check, from);
		return;
	case GW_STUN_NO_USER:
		refuse(port, &check, 400, from);
		return;
	case GW_STUN_NO_ANSWER:
		gw_metric_add(&m_silent, 1);
		return;
	case GW_STUN_NOT:
		gw_metric_add(&m_broken, 1);
		return;
	}
}

/* ---- datagrams ---- */

void gw_lite_port_datagram(struct gw_lite_port *port,
			   const struct gw_addr *from, uint8_t *data,
			   size_t len, size_t cap)
{
	struct gw_lite_pair *pair;

	/* RFC 7983 7: 0 to 3 is STUN, and nothing else is for us. */
	if (!len || data[0] <= 3) {
		on_stun(port, from, data, len);
		return;
	}
	pair = find_pair(port, from);
	if (!pair) {
		gw_metric_add(&m_stranger, 1);
		return;
	}
	pair->client->packet(from, data, len, cap, pair->client->arg);
}

static void readable(struct gw_poll *p, void *arg)
{
	struct port_socket *s = arg;
	uint8_t buf[PACKET_ROOM];
	struct sockaddr_storage ss;
	struct gw_addr from;

	for (int i = 0; i < PACKETS_A_TURN; i++) {
		socklen_t slen = sizeof(ss);
		ssize_t n = recvfrom(p->fd, buf, PACKET_MAX,
				     MSG_TRUNC | MSG_DONTWAIT,
				     (struct sockaddr *)&ss, &slen);

		if (n < 0)
			break;
		gw_metric_add(&m_rx, 1);
		if (n > PACKET_MAX)
			gw_discard(NULL, GW_DISCARD_OVERSIZED);
		else if (!gw_addr_from_sockaddr(&from, (struct sockaddr *)&ss))
			gw_lite_port_datagram(s->port, &from, buf, (size_t)n,
					      sizeof(buf));
	}
}

static struct port_socket *socket_of(struct gw_lite_port *port, uint8_t family)
{
	for (unsigned i = 0; i < port->nsocket; i++)
		if (port->socket[i].local.family == family)
			return &port->socket[i];
	return NULL;
}

int gw_lite_port_send(struct gw_lite_port *port, const struct gw_addr *to,
		      int tos, const void *data, size_t len)
{
	struct port_socket *s = socket_of(port, to->family);
	int err;

	if (!s)
		return -EAFNOSUPPORT;
	err = gw_tos_send(s->fd, to, tos, port->tos, data, len);
	if (!err)
		gw_metric_add(&m_tx, 1);
	return err;
}

/* ---- the sockets ---- */

/* What the kernel had to drop, because we were late. */
static void count_drops(struct gw_lite_port *port)
{
	for (unsigned i = 0; i < port->nsocket; i++) {
		struct port_socket *s = &port->socket[i];
		uint32_t info[SK_MEMINFO_VARS] = { 0 };
		socklen_t len = sizeof(info);

		if (getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0 ||
		    len <= SK_MEMINFO_DROPS * sizeof(info[0]))
			continue;
		gw_metric_add(&m_queue,
			      (uint32_t)(info[SK_MEMINFO_DROPS] - s->drops));
		s->drops = info[SK_MEMINFO_DROPS];
	}
}

static void drops_due(struct gw_timer *t, void *arg)
{
	struct gw_lite_port *port = arg;

	count_drops(port);
	if (port->nclient)
		(void)gw_timer_start_ms(port->timers, t, DROPS_MS);
}

/* What the administrator allows, or more where we may ask for it. */
static void set_rcvbuf(struct gw_lite_port *port, int bytes)
{
	int got = 0;
	socklen_t len = sizeof(got);

	for (unsigned i = 0; i < port->nsocket; i++) {
		int fd = port->socket[i].fd;

		if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
			       sizeof(bytes)) < 0)
			(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes,
					 sizeof(bytes));
		(void)getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &len);
	}
	/* Said once for a size, and not for each session. */
	if (got < 2 * bytes)
		gw_warn(&plog,
			"the ICE-lite port queues %d bytes instead of %d: "
			"raise net.core.rmem_max",
			got / 2, bytes);
	port->rcvbuf = bytes;
}

static int open_socket(struct gw_lite_port *port, const struct gw_addr *local)
{
	struct port_socket *s = &port->socket[port->nsocket];
	const int one = 1;
	struct sockaddr_storage ss;
	socklen_t slen = gw_addr_to_sockaddr(local, &ss);
	int err;

	s->fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       0);
	if (s->fd < 0)
		return -errno;
	if (ss.ss_family == AF_INET6)
		(void)setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one,
				 sizeof(one));
	err = bind(s->fd, (struct sockaddr *)&ss, slen) < 0 ? -errno : 0;
	if (!err)
		err = gw_poller_add(port->poller, &s->poll, s->fd, readable, s);
	if (err) {
		(void)close(s->fd);
		return err;
	}
	s->port = port;
	s->local = *local;
	port->nsocket++;
	gw_metric_add(&m_sockets, 1);
	return 0;
}

static int open_sockets(struct gw_lite_port *port,
			const struct gw_lite_port_options *opt)
{
	for (int i = 0; i < 4 && opt->address[i][0]; i++) {
		struct gw_addr local;
		int err = gw_addr_parse(&local, opt->address[i], opt->port);

		if (!err && socket_of(port, local.family))
			err = -EINVAL;
		if (!err)
			err = open_socket(port, &local);
		if (err)
			return err;
	}
	return port->nsocket ? 0 : -EINVAL;
}

int gw_lite_port_new(struct gw_lite_port **out,
		     const struct gw_lite_port_options *opt)
{
	struct gw_lite_port *port = calloc(1, sizeof(*port));
	int err;

	if (!port)
		return -ENOMEM;
	port->poller = opt->poller;
	port->timers = opt->timers;
	port->seed = gw_random_u64();
	gw_timer_init(&port->drops, drops_due, port);
	err = gw_stun_new(&port->stun);
	if (!err)
		err = open_sockets(port, opt);
	if (err) {
		gw_lite_port_free(port);
		return err;
	}
	set_rcvbuf(port, RCVBUF_MIN);
	*out = port;
	return 0;
}

void gw_lite_port_free(struct gw_lite_port *port)
{
	if (!port)
		return;
	assert(!port->users && !port->pairs);
	gw_timer_stop(&port->drops);
	count_drops(port);
	for (unsigned i = 0; i < port->nsocket; i++) {
		gw_poller_del(&port->socket[i].poll);
		(void)close(port->socket[i].fd);
		gw_metric_add(&m_sockets, -1);
	}
	gw_stun_free(port->stun);
	free(port);
}

unsigned gw_lite_port_local(const struct gw_lite_port *port,
			    struct gw_addr out[2])
{
	for (unsigned i = 0; i < port->nsocket; i++)
		out[i] = port->socket[i].local;
	return port->nsocket;
}

void gw_lite_port_set_tos(struct gw_lite_port *port, int tos)
{
	if (port->tos == tos)
		return;
	port->tos = tos;
	for (unsigned i = 0; i < port->nsocket; i++)
		gw_tos_set(port->socket[i].fd, port->socket[i].local.family,
			   tos);
}

/* ---- clients ---- */

void gw_lite_port_join(struct gw_lite_port *port)
{
	uint64_t want = (uint64_t)++port->nclient * RCVBUF_EACH;

	if (want > RCVBUF_MAX)
		want = RCVBUF_MAX;
	/* By doubling: one in many has to ask the kernel. */
	if (want > (uint64_t)port->rcvbuf)
		set_rcvbuf(port, port->rcvbuf * 2);
	if (!gw_timer_running(&port->drops))
		(void)gw_timer_start_ms(port->timers, &port->drops, DROPS_MS);
}

void gw_lite_port_leave(struct gw_lite_port *port)
{
	assert(port->nclient);
	/* The last one: nothing is left to wake up for. */
	if (!--port->nclient) {
		gw_timer_stop(&port->drops);
		count_drops(port);
	}
}

int gw_lite_port_add_user(struct gw_lite_port *port, struct gw_lite_user *user,
			  struct gw_lite_client *client)
{
	struct gw_lite_user *other;

	assert(!user->client);
	do {
		gw_random_token(user->ufrag, sizeof(user->ufrag),
				GW_LITE_UFRAG);
		HASH_FIND(hh, port->users, user->ufrag, GW_LITE_UFRAG, other);
	} while (other);
	gw_random_token(user->pwd, sizeof(user->pwd), GW_LITE_PWD);
	HASH_ADD(hh, port->users, ufrag, GW_LITE_UFRAG, user);
	if (!user->hh.tbl)
		return -ENOMEM;
	user->client = client;
	return 0;
}

void gw_lite_port_del_user(struct gw_lite_port *port, struct gw_lite_user *user)
{
	if (!user->client)
		return;
	HASH_DEL(port->users, user);
	explicit_bzero(user, sizeof(*user));
}

int gw_lite_port_add_pair(struct gw_lite_port *port, struct gw_lite_pair *pair,
			  struct gw_lite_client *client,
			  const struct gw_addr *from)
{
	assert(!pair->client);
	memset(pair, 0, sizeof(*pair));
	make_key(&pair->key, from);
	pair->addr = *from;
	HASH_ADD(hh, port->pairs, key, sizeof(pair->key), pair);
	if (!pair->hh.tbl)
		return -ENOMEM;
	pair->client = client;
	return 0;
}

void gw_lite_port_del_pair(struct gw_lite_port *port, struct gw_lite_pair *pair)
{
	if (!pair->client)
		return;
	HASH_DEL(port->pairs, pair);
	pair->client = NULL;
}
