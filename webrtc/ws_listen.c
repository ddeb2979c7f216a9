/*
 * Listening sockets of the web side: who is let in, before TLS costs us
 * anything.  Signalling thread.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/metrics.h"
#include "webrtc/h2_priv.h"
#include "webrtc/ws_priv.h"

#define BACKLOG 1024
/* Accepts a pass: calls in progress do not wait for a storm of browsers. */
#define ACCEPT_BATCH 32
/* Sockets above the limits that are kept to be told so (429, 503); beyond
 * that they are closed unheard. */
#define TOLD_IP    8
#define TOLD_TOTAL 64
#define AGAIN_MS   100

static const struct gw_logctx lg = { .module = "ws" };

GW_COUNTER(m_accepted, "isthmus_ws_sockets_total",
	   "Network connections of the web listeners, by outcome",
	   "outcome=\"accepted\"");
GW_COUNTER(m_shed_ip, "isthmus_ws_sockets_total",
	   "Network connections of the web listeners, by outcome",
	   "outcome=\"shed_ip\"");
GW_COUNTER(m_shed, "isthmus_ws_sockets_total",
	   "Network connections of the web listeners, by outcome",
	   "outcome=\"shed_total\"");
GW_COUNTER(m_failed, "isthmus_ws_sockets_total",
	   "Network connections of the web listeners, by outcome",
	   "outcome=\"error\"");

/* A page and its WebSocket may be two sockets of one client. */
static bool too_many(const struct gw_ws *ws)
{
	uint64_t max = ws->set->web.max_connections;

	return max && ws->nsocket >= 2 * max + TOLD_TOTAL;
}

/* Its first bytes tell whether HTTP/2 is spoken. */
static void hand_over(struct gw_ws *ws, struct gw_ws_net *net, int fd)
{
	if (ws->h2 && ws->set->web.http2 && net->listener->kind != GW_WS_ADMIN)
		gw_h2_accept(ws->h2, net, fd);
	else
		gw_ws_adopt(ws, net, fd);
}

static void accepted(struct gw_ws_listener *l, int fd,
		     const struct sockaddr_storage *ss)
{
	struct gw_ws *ws = l->ws;
	uint32_t max_ip = ws->set->web.max_connections_ip;
	struct gw_ws_net *net;
	struct gw_ws_ip *ip = NULL;
	struct gw_addr peer;
	int on = 1;

	if (gw_addr_from_sockaddr(&peer, (const struct sockaddr *)ss))
		goto refuse;
	if (l->kind != GW_WS_ADMIN && too_many(ws)) {
		gw_metric_add(&m_shed, 1);
		goto refuse;
	}
	ip = gw_ws_limits_open(ws->limits, &peer);
	if (!ip)
		goto refuse;
	if (l->kind != GW_WS_ADMIN && max_ip &&
	    ip->sockets > max_ip + TOLD_IP) {
		gw_metric_add(&m_shed_ip, 1);
		goto refuse;
	}
	net = gw_ws_net_new(ws, l, &peer, ip);
	if (!net)
		goto refuse;
	net->over = l->kind != GW_WS_ADMIN && max_ip && ip->sockets > max_ip;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	gw_metric_add(&m_accepted, 1);
	hand_over(ws, net, fd);
	return;
refuse:
	if (ip)
		gw_ws_limits_close(ws->limits, ip);
	close(fd);
}

static void unwatch(struct gw_ws_listener *l)
{
	if (l->watched)
		gw_loop_del_fd(l->ws->loop, l->fd);
	l->watched = false;
}

static void on_readable(int fd, void *arg)
{
	struct gw_ws_listener *l = arg;

	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		int s = accept4(fd, (struct sockaddr *)&ss, &len,
				SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (s >= 0) {
			accepted(l, s, &ss);
			continue;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			/* It stays readable: look away for a moment, or the
			 * loop spins. */
			gw_warn(&lg, "%s: accept: %s", l->text,
				strerror(errno));
			gw_metric_add(&m_failed, 1);
			unwatch(l);
			(void)gw_timer_start_ms(l->ws->timers, &l->again,
						AGAIN_MS);
			return;
		}
		/* ECONNABORTED and other errors of that one connection */
		gw_metric_add(&m_failed, 1);
	}
}

static int watch(struct gw_ws_listener *l)
{
	int err = gw_loop_add_fd(l->ws->loop, l->fd, on_readable, l);

	l->watched = !err;
	return err;
}

static void on_again(struct gw_timer *t, void *arg)
{
	struct gw_ws_listener *l = arg;

	if (watch(l))
		(void)gw_timer_start_ms(l->ws->timers, t, AGAIN_MS);
}

static int open_socket(const struct gw_addr *addr)
{
	struct sockaddr_storage ss;
	socklen_t len = gw_addr_to_sockaddr(addr, &ss);
	int on = 1, err;
	int fd = socket(addr->family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* 0.0.0.0 and [::] are two listeners that may share a port. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    (addr->family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on))) ||
	    bind(fd, (struct sockaddr *)&ss, len) || listen(fd, BACKLOG)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int add(struct gw_ws *ws, enum gw_ws_kind kind, const char *text,
	       const char *hostport)
{
	static const char *const scheme[] = { "wss://", "ws://", "http://" };
	struct gw_ws_listener *l = &ws->listener[ws->nlistener];
	char where[GW_ADDR_STRLEN];
	int err;

	*l = (struct gw_ws_listener){ .ws = ws, .kind = kind, .fd = -1 };
	if (gw_addr_parse_hostport(&l->addr, hostport)) {
		gw_error(&lg, "listener %s: not ADDRESS:PORT", text);
		return -EINVAL;
	}
	if (kind == GW_WS_PLAIN && !gw_addr_is_loopback(&l->addr)) {
		gw_error(&lg, "listener %s: ws: is for loopback only, use wss:",
			 text);
		return -EINVAL;
	}
	(void)snprintf(l->text, sizeof(l->text), "%s%s", scheme[kind],
		       gw_addr_print(&l->addr, where, sizeof(where)));
	gw_timer_init(&l->again, on_again, l);
	l->fd = open_socket(&l->addr);
	err = l->fd < 0 ? l->fd : watch(l);
	if (err) {
		gw_error(&lg, "listener %s: %s", l->text, strerror(-err));
		if (l->fd >= 0)
			close(l->fd);
		return err;
	}
	ws->nlistener++;
	gw_info(&lg, "listening on %s", l->text);
	return 0;
}

int gw_ws_listen_start(struct gw_ws *ws)
{
	const struct gw_settings *set = ws->set;
	int err = 0;

	for (size_t i = 0; !err && i < set->web.nlisten; i++) {
		const char *text = set->web.listen[i];

		if (!strncmp(text, "wss://", 6)) {
			err = add(ws, GW_WS_TLS, text, text + 6);
		} else if (!strncmp(text, "ws://", 5)) {
			err = add(ws, GW_WS_PLAIN, text, text + 5);
		} else {
			gw_error(&lg,
				 "listener %s: neither wss: nor ws:", text);
			err = -EINVAL;
		}
	}
	if (!err && set->admin_listen[0])
		err = add(ws, GW_WS_ADMIN, set->admin_listen,
			  set->admin_listen);
	return err;
}

void gw_ws_listen_stop(struct gw_ws *ws)
{
	for (size_t i = 0; i < ws->nlistener; i++) {
		struct gw_ws_listener *l = &ws->listener[i];

		unwatch(l);
		gw_timer_stop(&l->again);
		if (l->fd >= 0)
			close(l->fd);
		l->fd = -1;
	}
}
