/*
 * Sockets that may speak HTTP/2: their first bytes, TLS, reading, writing and
 * deadlines.
 *
 *	PEEK --HTTP/1.1--> given to libwebsockets
 *	  |--h2--> SHAKE --TLS done--> UP --GOAWAY sent, error, EOF--> DEAD
 *	  |--preface, no TLS---------> UP
 *
 * All of them are in one epoll set, whose descriptor is readable for the loop
 * when there is something to do: handles of libuv would outlive their sockets,
 * and the loop takes few descriptors of its own.  Signalling thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/metrics.h"
#include "webrtc/h2_hello.h"
#include "webrtc/h2_priv.h"

#define BATCH    32 /* sockets a pass: others have their turn */
#define READS    4  /* of one socket at a time */
#define WRITES   4
#define OUT_ROOM 65536
#define LOOK_MS  5 /* doubled: a first flight in pieces */
#define LOOK_MAX 7
#define IDLE_S   30 /* without a request or a WebSocket */

struct gw_h2 {
	struct gw_ws *ws;
	void *ssl_ctx;
	int epfd;
	bool watched;
	struct gw_h2_sock *socks, *graves;
	unsigned busy; /* nested passes; graves are emptied at 0 */
	uint64_t next_name;
	uint8_t in[GW_H2_READ];
	uint8_t out[OUT_ROOM];
};

_Static_assert(GW_H2_READ >= GW_H2_HELLO_MAX, "first bytes are read there");

GW_GAUGE(m_socks, "isthmus_ws_h2_sockets",
	 "Network connections that speak HTTP/2 now", "");
GW_COUNTER(m_served, "isthmus_ws_h2_sockets_total",
	   "Network connections that spoke HTTP/2", "");
#define ENDED(sym, why)                                                        \
	GW_COUNTER(sym, "isthmus_ws_h2_ended_total",                           \
		   "Network connections ended before or in HTTP/2, by reason", \
		   "reason=\"" why "\"")
ENDED(m_slow_start, "slow_start");
ENDED(m_tls, "tls");
ENDED(m_idle, "idle");
ENDED(m_stalled, "not_reading");
ENDED(m_broken, "error");
ENDED(m_memory, "no_memory");

static void reap(struct gw_h2 *h2)
{
	while (h2->graves) {
		struct gw_h2_sock *s = h2->graves;

		h2->graves = s->next;
		s->magic = 0;
		free(s);
	}
}

static void enter(struct gw_h2 *h2)
{
	h2->busy++;
}

static void leave(struct gw_h2 *h2)
{
	if (--h2->busy == 0)
		reap(h2);
}

/* Everything but the descriptor and its entry in the books. */
static void forget(struct gw_h2_sock *s)
{
	struct gw_h2 *h2 = s->h2;
	bool up = s->state == GW_H2_UP;

	s->state = GW_H2_DEAD; /* first: those who are told may kick it */
	(void)epoll_ctl(h2->epfd, EPOLL_CTL_DEL, s->fd, NULL);
	gw_timer_stop(&s->kick);
	gw_timer_stop(&s->deadline);
	if (up) {
		gw_h2_session_free(s);
		gw_metric_add(&m_socks, -1);
	}
	gw_h2_tls_free(s->ssl);
	s->ssl = NULL;
	free(s->out);
	s->out = NULL;
	if (s->prev)
		s->prev->next = s->next;
	else
		h2->socks = s->next;
	if (s->next)
		s->next->prev = s->prev;
	s->next = h2->graves;
	h2->graves = s;
}

/* @s stays until the pass is over.  @m NULL: nothing to be counted. */
static void drop(struct gw_h2_sock *s, struct gw_metric *m, const char *why)
{
	if (m)
		gw_metric_add(m, 1);
	gw_debug(&s->log, "closed: %s", why);
	forget(s);
	/* What we said last is not lost to what the peer says meanwhile. */
	(void)shutdown(s->fd, SHUT_WR);
	close(s->fd);
	gw_ws_net_free(s->net);
}

static void watch(struct gw_h2_sock *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data = { .ptr = s } };

	if (s->events == events)
		return;
	s->events = events;
	(void)epoll_ctl(s->h2->epfd, EPOLL_CTL_MOD, s->fd, &ev);
}

static void wait_for(struct gw_h2_sock *s, enum gw_h2_wait what, bool anew)
{
	if (s->waiting == what && !anew)
		return;
	s->waiting = what;
	if (what == GW_H2_NO_WAIT) {
		gw_timer_stop(&s->deadline);
		return;
	}
	(void)gw_timer_start_ms(
		s->h2->ws->timers, &s->deadline,
		(what == GW_H2_IDLE ? IDLE_S : GW_WS_IO_TIMEOUT_S) * 1000u);
}

void gw_h2_kick(struct gw_h2_sock *s)
{
	if (s->state == GW_H2_DEAD || gw_timer_running(&s->kick))
		return;
	/* Without memory for a timer, the end of it is an event as well. */
	if (gw_timer_start_us(s->h2->ws->timers, &s->kick, 0))
		(void)shutdown(s->fd, SHUT_RDWR);
}

/* ---- writing ---- */

/* True: all of it is with the kernel.  False: blocked, or dropped. */
static bool write_out(struct gw_h2_sock *s, const uint8_t *data, size_t len,
		      size_t *taken)
{
	bool for_write = true;

	for (*taken = 0; *taken < len;) {
		ssize_t n = gw_h2_tls_write(s->ssl, s->fd, data + *taken,
					    len - *taken, &for_write);

		if (n > 0) {
			*taken += (size_t)n;
			continue;
		}
		if (n != -EAGAIN) {
			drop(s, NULL, n ? strerror((int)-n) : "gone");
			return false;
		}
		watch(s, for_write ? EPOLLOUT : EPOLLIN);
		wait_for(s, GW_H2_STALL, *taken != 0);
		return false;
	}
	return true;
}

static bool write_rest(struct gw_h2_sock *s)
{
	size_t n;
	bool all;

	if (!s->out)
		return true;
	all = write_out(s, s->out + s->out_off, s->out_len - s->out_off, &n);
	if (s->state == GW_H2_DEAD)
		return false;
	s->out_off += n;
	if (!all)
		return false;
	free(s->out);
	s->out = NULL;
	return true;
}

/* Frames until there are none, or no room for another.  -1: broken. */
static ssize_t gather(struct gw_h2_sock *s, uint8_t *buf)
{
	size_t len = 0;

	while (len <= OUT_ROOM / 2) {
		const uint8_t *p;
		ssize_t n = gw_h2_session_pull(s, &p);

		if (n < 0 || (size_t)n > OUT_ROOM - len)
			return -1;
		if (n == 0)
			break;
		memcpy(buf + len, p, (size_t)n);
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* For the next time.  False: dropped. */
static bool keep(struct gw_h2_sock *s, const uint8_t *data, size_t len)
{
	s->out = malloc(len);
	if (!s->out) {
		drop(s, &m_memory, "no memory");
		return false;
	}
	memcpy(s->out, data, len);
	s->out_len = len;
	s->out_off = 0;
	return true;
}

/* All that the peer wants now.  False: blocked, to be continued, or dropped. */
static bool flush(struct gw_h2_sock *s)
{
	for (int i = 0; write_rest(s); i++) {
		uint8_t *buf = s->h2->out;
		ssize_t len = gather(s, buf);
		size_t n = 0;

		if (len < 0) {
			drop(s, &m_broken, "cannot go on");
			return false;
		}
		gw_h2_session_bury(s);
		if (len == 0)
			return true;
		if (i == WRITES) {
			/* A large page and a fast reader: not at a stretch. */
			if (!keep(s, buf, (size_t)len))
				return false;
			wait_for(s, GW_H2_STALL, true);
			gw_h2_kick(s);
			return false;
		}
		if (write_out(s, buf, (size_t)len, &n))
			continue;
		if (s->state != GW_H2_DEAD)
			(void)keep(s, buf + n, (size_t)len - n);
		return false;
	}
	return false;
}

/* ---- reading ---- */

/* @s may be DEAD on return. */
static void serve(struct gw_h2_sock *s)
{
	uint8_t *in = s->h2->in;
	bool for_write = false;
	ssize_t n = 1;

	gw_h2_session_bury(s);
	if (!flush(s))
		return;
	if (s->ending || gw_h2_session_over(s)) {
		drop(s, NULL, "ended by us");
		return;
	}
	for (int i = 0; i < READS; i++) {
		n = gw_h2_tls_read(s->ssl, s->fd, in, GW_H2_READ, &for_write);
		if (n == -EAGAIN)
			break;
		if (n <= 0) {
			drop(s, NULL, n ? strerror((int)-n) : "by peer");
			return;
		}
		if (gw_h2_session_recv(s, in, (size_t)n))
			s->ending = true;
		/* Blocked: nothing is read until the peer reads. */
		if (!flush(s)) {
			if (s->state != GW_H2_DEAD && s->ending)
				drop(s, NULL, "ended by us");
			return;
		}
		if (s->ending || gw_h2_session_over(s)) {
			drop(s, NULL, "ended by us");
			return;
		}
	}
	if (n > 0)
		gw_h2_kick(s);
	watch(s, for_write ? EPOLLIN | EPOLLOUT : EPOLLIN);
	wait_for(s, s->nstream ? GW_H2_NO_WAIT : GW_H2_IDLE,
		 s->opened != s->idle_since);
	s->idle_since = s->opened;
}

static void go_up(struct gw_h2_sock *s)
{
	char peer[GW_ADDR_STRLEN];

	if (gw_h2_session_new(s)) {
		drop(s, &m_memory, "no memory");
		return;
	}
	s->state = GW_H2_UP;
	gw_metric_add(&m_socks, 1);
	gw_metric_add(&m_served, 1);
	gw_debug(&s->log, "HTTP/2 with %s",
		 gw_addr_print(&s->net->peer, peer, sizeof(peer)));
	serve(s);
}

static void shake(struct gw_h2_sock *s)
{
	bool for_write = false;
	int rc = gw_h2_tls_accept(s->ssl, &for_write);

	if (rc == 0)
		go_up(s);
	else if (rc == -EAGAIN)
		watch(s, for_write ? EPOLLOUT : EPOLLIN);
	else
		drop(s, &m_tls, "TLS handshake");
}

/* ---- first bytes ---- */

static void begin_h2(struct gw_h2_sock *s, bool tls)
{
	if (!tls) {
		go_up(s);
		return;
	}
	s->ssl = gw_h2_tls_new(s->h2->ssl_ctx, s->fd);
	if (!s->ssl) {
		drop(s, &m_memory, "no memory");
		return;
	}
	s->state = GW_H2_SHAKE;
	shake(s);
}

/* Not told apart yet: look again in a while, not whenever it is readable,
 * which it is all the time. */
static void look_later(struct gw_h2_sock *s)
{
	watch(s, 0);
	if (gw_timer_start_ms(s->h2->ws->timers, &s->kick, LOOK_MS << s->looks))
		drop(s, &m_memory, "no memory");
	if (s->looks < LOOK_MAX)
		s->looks++;
}

static void look(struct gw_h2_sock *s)
{
	bool tls = s->net->listener->kind == GW_WS_TLS;
	uint8_t *in = s->h2->in;
	ssize_t n = recv(s->fd, in, GW_H2_HELLO_MAX, MSG_PEEK | MSG_DONTWAIT);
	enum gw_h2_hello what;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		watch(s, EPOLLIN);
		return;
	}
	if (n <= 0) {
		drop(s, NULL, "before a word");
		return;
	}
	what = tls ? gw_h2_hello_tls(in, (size_t)n)
		   : gw_h2_hello_plain(in, (size_t)n);
	if (what == GW_H2_HELLO_MORE && n < GW_H2_HELLO_MAX) {
		look_later(s);
	} else if (what == GW_H2_HELLO_YES) {
		begin_h2(s, tls);
	} else {
		struct gw_ws *ws = s->h2->ws;
		struct gw_ws_net *net = s->net;
		int fd = s->fd;

		forget(s);
		gw_ws_adopt(ws, net, fd);
	}
}

/* ---- events ---- */

static void run(struct gw_h2_sock *s)
{
	switch (s->state) {
	case GW_H2_PEEK:
		look(s);
		break;
	case GW_H2_SHAKE:
		shake(s);
		break;
	case GW_H2_UP:
		serve(s);
		break;
	case GW_H2_DEAD:
		break;
	}
}

static void on_ready(int fd, void *arg)
{
	struct epoll_event ev[BATCH];
	struct gw_h2 *h2 = arg;
	/* Not epoll_wait(): that one tells the loop's watchdog of sleep. */
	int n = epoll_pwait(fd, ev, BATCH, 0, NULL);

	enter(h2);
	for (int i = 0; i < n; i++) {
		struct gw_h2_sock *s = ev[i].data.ptr;

		GW_CHECK(s, GW_H2_SOCK_MAGIC);
		/* Reported whatever is watched for: while only a timer is
		 * waited for, it would be reported for ever. */
		if (!s->events && s->state != GW_H2_DEAD)
			drop(s, NULL, "reset");
		else
			run(s);
	}
	leave(h2);
}

static void on_kick(struct gw_timer *t, void *arg)
{
	struct gw_h2_sock *s = arg;
	struct gw_h2 *h2 = s->h2;

	(void)t;
	GW_CHECK(s, GW_H2_SOCK_MAGIC);
	enter(h2);
	run(s);
	leave(h2);
}

static void on_deadline(struct gw_timer *t, void *arg)
{
	struct gw_h2_sock *s = arg;
	struct gw_h2 *h2 = s->h2;

	(void)t;
	GW_CHECK(s, GW_H2_SOCK_MAGIC);
	enter(h2);
	if (s->waiting == GW_H2_START) {
		drop(s, &m_slow_start, "slow to start");
	} else if (s->waiting == GW_H2_STALL) {
		gw_info(&s->log, "does not read: closed");
		drop(s, &m_stalled, "does not read");
	} else {
		gw_metric_add(&m_idle, 1);
		gw_h2_session_goaway(s);
		(void)flush(s);
		if (s->state != GW_H2_DEAD)
			drop(s, NULL, "idle");
	}
	leave(h2);
}

/* ---- life ---- */

void gw_h2_accept(struct gw_h2 *h2, struct gw_ws_net *net, int fd)
{
	struct gw_h2_sock *s = calloc(1, sizeof(*s));
	struct epoll_event ev = { .events = EPOLLIN, .data = { .ptr = s } };

	if (!s || epoll_ctl(h2->epfd, EPOLL_CTL_ADD, fd, &ev)) {
		gw_metric_add(&m_memory, 1);
		free(s);
		close(fd);
		gw_ws_net_free(net);
		return;
	}
	s->magic = GW_H2_SOCK_MAGIC;
	s->h2 = h2;
	s->net = net;
	s->fd = fd;
	s->events = EPOLLIN;
	(void)snprintf(s->name, sizeof(s->name), "h2-%llu",
		       (unsigned long long)++h2->next_name);
	s->log = (struct gw_logctx){ .module = "ws", .id = s->name };
	gw_timer_init(&s->kick, on_kick, s);
	gw_timer_init(&s->deadline, on_deadline, s);
	s->next = h2->socks;
	if (s->next)
		s->next->prev = s;
	h2->socks = s;
	wait_for(s, GW_H2_START, true);
	if (!gw_timer_running(&s->deadline)) {
		enter(h2);
		drop(s, &m_memory, "no memory");
		leave(h2);
	}
}

int gw_h2_new(struct gw_h2 **out, struct gw_ws *ws)
{
	struct gw_h2 *h2 = calloc(1, sizeof(*h2));
	int err;

	if (!h2)
		return -ENOMEM;
	h2->ws = ws;
	h2->epfd = epoll_create1(EPOLL_CLOEXEC);
	err = h2->epfd < 0 ? -errno : 0;
	if (!err) {
		h2->ssl_ctx = gw_h2_tls_ctx_new();
		err = h2->ssl_ctx ? 0 : -ENOMEM;
	}
	if (!err) {
		err = gw_loop_add_fd(ws->loop, h2->epfd, on_ready, h2);
		h2->watched = !err;
	}
	if (err) {
		gw_h2_free(h2);
		return err;
	}
	*out = h2;
	return 0;
}

void gw_h2_free(struct gw_h2 *h2)
{
	if (!h2)
		return;
	enter(h2);
	while (h2->socks) {
		struct gw_h2_sock *s = h2->socks;

		if (s->state == GW_H2_UP) {
			gw_h2_session_goaway(s);
			(void)flush(s);
		}
		if (s->state != GW_H2_DEAD)
			drop(s, NULL, "server ends");
	}
	leave(h2);
	if (h2->watched)
		gw_loop_del_fd(h2->ws->loop, h2->epfd);
	if (h2->epfd >= 0)
		close(h2->epfd);
	gw_h2_tls_ctx_free(h2->ssl_ctx);
	free(h2);
}

void *gw_h2_ssl_ctx(struct gw_h2 *h2)
{
	return h2->ssl_ctx;
}
