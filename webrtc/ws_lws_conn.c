/*
 * One open WebSocket: messages out of frames, a bounded queue, keep-alive and
 * the closing handshake.
 *
 *	OPEN --close wanted--> DRAINING --queue empty--> CLOSING --echo-->
 *buried |                        |                      |   ^ | +--5 s--> DEAD
 *<--5 s--+   |
 *	  +--peer closes---------------------------------------+
 *	  +--two pings missed------> DEAD -----------------------------> buried
 *
 * closed() comes from gw_ws_conn_bury() only, which is called by
 * libwebsockets' loop, never from inside send or close.  Signalling thread.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/tcp.h>

#include <libwebsockets.h>

#include "gateway/base/metrics.h"
#include "webrtc/ws_priv.h"

#define CLOSE_MS   5000
#define RX_KEEP    4096 /* a larger buffer is given back between messages */
#define WRITES     16   /* a pass, then others have their turn */
#define H2_PIECE   8192
#define H2_FRAMING 16 /* RFC 6455 5.2 header of a piece, and some */

/* The gap in the public enum: a close frame, whose use lws_close_reason() hides
 * (all versions up to 4.4). */
#define WRITE_CLOSE 4
_Static_assert((int)LWS_WRITE_PING == WRITE_CLOSE + 1, "enum has moved");

GW_GAUGE(m_conns, "isthmus_ws_connections", "Open WebSockets", "");
GW_COUNTER(m_opened, "isthmus_ws_opened_total", "WebSockets opened", "");
GW_COUNTER(m_rx, "isthmus_ws_messages_total", "Text messages",
	   "direction=\"received\"");
GW_COUNTER(m_tx, "isthmus_ws_messages_total", "Text messages",
	   "direction=\"sent\"");
#define CLOSED(sym, why)                                                       \
	GW_COUNTER(sym, "isthmus_ws_closed_total",                             \
		   "WebSockets closed, by reason", "reason=\"" why "\"")
CLOSED(m_binary, "binary");
CLOSED(m_utf8, "not_utf8");
CLOSED(m_too_long, "too_long");
CLOSED(m_slow, "not_reading");
CLOSED(m_memory, "no_memory");
CLOSED(m_silent, "ping_timeout");
CLOSED(m_stuck, "close_timeout");
CLOSED(m_peer, "by_peer");
CLOSED(m_vanished, "vanished");
CLOSED(m_ours, "by_gateway");

static const char *state_name(enum gw_ws_state st)
{
	static const char *const names[] = { "OPEN", "DRAINING", "CLOSING",
					     "DEAD" };

	return names[st];
}

static void set_state(struct gw_ws_conn *c, enum gw_ws_state st)
{
	gw_debug(&c->log, "%s -> %s", state_name(c->state), state_name(st));
	c->state = st;
}

static void drop_queue(struct gw_ws_conn *c)
{
	while (c->tx_head) {
		struct gw_ws_msg *m = c->tx_head;

		c->tx_head = m->next;
		free(m);
	}
	c->tx_tail = &c->tx_head;
	c->tx_bytes = 0;
}

static void drop_rx(struct gw_ws_conn *c)
{
	free(c->rx);
	c->rx = NULL;
	c->rx_len = c->rx_cap = 0;
	c->rx_active = false;
}

static void kill_conn(struct gw_ws_conn *c)
{
	set_state(c, GW_WS_ST_DEAD);
	gw_timer_stop(&c->close_timer);
	gw_timer_stop(&c->ping_timer);
	gw_ws_kill(c->ws, c->wsi);
}

static void on_close_timer(struct gw_timer *t, void *arg)
{
	struct gw_ws_conn *c = arg;

	(void)t;
	GW_CHECK(c, GW_WS_CONN_MAGIC);
	gw_metric_add(&m_stuck, 1);
	gw_info(&c->log, "does not take the close frame: dropped");
	kill_conn(c);
}

static void begin_close(struct gw_ws_conn *c, enum gw_ws_close code,
			const char *reason)
{
	struct gw_utf8 u;
	size_t n = reason ? strlen(reason) : 0;

	if (c->state != GW_WS_ST_OPEN)
		return;
	set_state(c, GW_WS_ST_DRAINING);
	c->code = (uint16_t)code;
	if (n >= sizeof(c->reason))
		n = sizeof(c->reason) - 1;
	/* Cut where a character ends, or the peer has to call it 1007. */
	for (; n; n--) {
		gw_utf8_init(&u);
		if (gw_utf8_feed(&u, reason, n) && gw_utf8_complete(&u))
			break;
	}
	if (n)
		memcpy(c->reason, reason, n);
	c->reason_len = (uint16_t)n;
	drop_rx(c);
	gw_timer_stop(&c->ping_timer);
	if (gw_timer_start_ms(c->ws->timers, &c->close_timer, CLOSE_MS)) {
		kill_conn(c);
		return;
	}
	lws_callback_on_writable(c->wsi);
}

static uint64_t bytes_received(const struct gw_ws_conn *c)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (c->fd < 0)
		return 0;
	memset(&info, 0, sizeof(info));
	if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return 0;
	return info.tcpi_bytes_received;
}

/* RFC 6455 5.5.2.  Anything that was read is life: a Pong, a message, or a
 * piece of a long one on a slow link, of which no callback tells. */
static void on_ping_timer(struct gw_timer *t, void *arg)
{
	struct gw_ws_conn *c = arg;
	uint64_t bytes;

	GW_CHECK(c, GW_WS_CONN_MAGIC);
	bytes = bytes_received(c);
	if (c->heard || bytes != c->bytes_seen)
		c->missed = 0;
	else
		c->missed++;
	c->heard = false;
	c->bytes_seen = bytes;
	if (c->missed >= 2) {
		gw_metric_add(&m_silent, 1);
		gw_info(&c->log, "two pings unanswered: gone");
		c->code = 1006;
		kill_conn(c);
		return;
	}
	c->ping_due = true;
	lws_callback_on_writable(c->wsi);
	(void)gw_timer_start_ms(c->ws->timers, t, c->ws->set->web.ping_ms);
}

int gw_ws_conn_new(struct gw_ws *ws, struct lws *wsi, struct gw_ws_session *s)
{
	struct gw_ws_net *net = gw_ws_net_of(wsi);
	struct gw_ws_conn *c = calloc(1, sizeof(*c));
	char peer[GW_ADDR_STRLEN];
	bool h2 = lws_get_network_wsi(wsi) != wsi;

	if (!c || !net) {
		free(c);
		return -1;
	}
	c->magic = GW_WS_CONN_MAGIC;
	c->ws = ws;
	c->wsi = wsi;
	c->ip = net->ip;
	c->peer = net->peer;
	c->fd = h2 ? -1 : lws_get_socket_fd(wsi);
	c->code = 1006;
	c->tx_tail = &c->tx_head;
	(void)snprintf(c->name, sizeof(c->name), "ws%llu",
		       (unsigned long long)++ws->next_name);
	c->log = (struct gw_logctx){ .module = "ws", .id = c->name };
	gw_timer_init(&c->close_timer, on_close_timer, c);
	gw_timer_init(&c->ping_timer, on_ping_timer, c);
	if (ws->set->web.ping_ms &&
	    gw_timer_start_ms(ws->timers, &c->ping_timer,
			      ws->set->web.ping_ms)) {
		free(c);
		return -1;
	}
	c->heard = true; /* the first tick has no Ping behind it */
	c->bytes_seen = bytes_received(c);
	c->next = ws->conns;
	if (c->next)
		c->next->prev = c;
	ws->conns = c;
	ws->nconn++;
	c->ip->websockets++;
	s->conn = c;
	gw_metric_add(&m_conns, 1);
	gw_metric_add(&m_opened, 1);
	gw_info(&c->log, "open from %s%s",
		gw_addr_print(&c->peer, peer, sizeof(peer)),
		h2 ? " (HTTP/2)" : "");
	ws->h.opened(c, ws->h.arg);
	return 0;
}

/* A frame that breaks the protocol is answered by libwebsockets (1002). */
static void learn_code(struct gw_ws_conn *c)
{
	const unsigned char *p;

	if (c->state != GW_WS_ST_OPEN || lws_get_close_length(c->wsi) < 2)
		return;
	p = lws_get_close_payload(c->wsi);
	c->code = (uint16_t)(p[0] * 256u + p[1]);
}

static void count_end(const struct gw_ws_conn *c)
{
	if (c->state == GW_WS_ST_OPEN)
		gw_metric_add(&m_vanished, 1);
	else if (c->state == GW_WS_ST_DRAINING)
		gw_metric_add(&m_ours, 1);
}

void gw_ws_conn_bury(struct gw_ws_conn *c)
{
	struct gw_ws *ws = c->ws;

	GW_CHECK(c, GW_WS_CONN_MAGIC);
	learn_code(c);
	count_end(c);
	gw_info(&c->log, "closed, %u", c->code);
	set_state(c, GW_WS_ST_DEAD);
	gw_timer_stop(&c->close_timer);
	gw_timer_stop(&c->ping_timer);
	if (c->prev)
		c->prev->next = c->next;
	else
		ws->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	ws->nconn--;
	c->ip->websockets--;
	gw_metric_add(&m_conns, -1);
	ws->h.closed(c, c->code, ws->h.arg);
	drop_queue(c);
	drop_rx(c);
	c->magic = 0;
	free(c);
}

static void violate(struct gw_ws_conn *c, struct gw_metric *m,
		    enum gw_ws_close code, const char *why)
{
	gw_metric_add(m, 1);
	gw_info(&c->log, "%s: closing with %d", why, code);
	begin_close(c, code, why);
}

/* False: no memory.  The limit has been checked. */
static bool append(struct gw_ws_conn *c, const void *data, size_t len)
{
	if (c->rx_len + len > c->rx_cap) {
		size_t cap = c->rx_cap ? c->rx_cap : RX_KEEP;
		char *p;

		while (cap < c->rx_len + len)
			cap *= 2;
		p = realloc(c->rx, cap);
		if (!p)
			return false;
		c->rx = p;
		c->rx_cap = cap;
	}
	memcpy(c->rx + c->rx_len, data, len);
	c->rx_len += len;
	return true;
}

static void deliver(struct gw_ws_conn *c, const char *text, size_t len)
{
	gw_metric_add(&m_rx, 1);
	if (!c->ws->freeing)
		c->ws->h.message(c, text, len, c->ws->h.arg);
}

/* @c lives on: burial waits for the loop.  But it may be closing, and its
 * buffer gone, when the handler returns. */
static void end_of_message(struct gw_ws_conn *c, const void *data, size_t len)
{
	char *text = c->rx;
	size_t cap = c->rx_cap;

	c->rx_active = false;
	if (!c->rx_len) {
		deliver(c, data, len);
		return;
	}
	if (!append(c, data, len)) {
		violate(c, &m_memory, GW_WS_INTERNAL, "no memory");
		return;
	}
	text = c->rx;
	cap = c->rx_cap;
	len = c->rx_len;
	c->rx = NULL;
	c->rx_len = c->rx_cap = 0;
	deliver(c, text, len);
	if (cap <= RX_KEEP && c->state == GW_WS_ST_OPEN) {
		c->rx = text;
		c->rx_cap = cap;
	} else {
		free(text);
	}
}

int gw_ws_conn_rx(struct gw_ws_conn *c, const void *data, size_t len)
{
	bool last = lws_is_final_fragment(c->wsi);
	/* What the frame's header announces is refused before it comes. */
	uint64_t coming = lws_remaining_packet_payload(c->wsi);

	GW_CHECK(c, GW_WS_CONN_MAGIC);
	c->heard = true;
	if (c->state != GW_WS_ST_OPEN)
		return 0; /* until the peer has seen our close frame */
	if (!c->rx_active) {
		c->rx_active = true;
		c->rx_len = 0;
		gw_utf8_init(&c->utf8);
	}
	if (lws_frame_is_binary(c->wsi))
		violate(c, &m_binary, GW_WS_BINARY, "binary message");
	else if (coming > GW_WS_MAX_MESSAGE ||
		 c->rx_len + len + coming > GW_WS_MAX_MESSAGE)
		violate(c, &m_too_long, GW_WS_TOO_LONG, "message too long");
	else if (!gw_utf8_feed(&c->utf8, data, len) ||
		 (last && !gw_utf8_complete(&c->utf8)))
		violate(c, &m_utf8, GW_WS_NOT_TEXT, "not UTF-8");
	else if (last)
		end_of_message(c, data, len);
	else if (len && !append(c, data, len))
		violate(c, &m_memory, GW_WS_INTERNAL, "no memory");
	return 0;
}

void gw_ws_conn_pong(struct gw_ws_conn *c)
{
	c->heard = true;
}

/* 0: libwebsockets echoes the close frame and ends the connection. -1: ours
 * has been sent, so this is its echo. */
int gw_ws_conn_peer_close(struct gw_ws_conn *c, const uint8_t *data, size_t len)
{
	GW_CHECK(c, GW_WS_CONN_MAGIC);
	if (c->state != GW_WS_ST_OPEN && c->state != GW_WS_ST_DRAINING)
		return -1;
	if (c->state == GW_WS_ST_OPEN) {
		/* RFC 6455 7.1.5: none given is 1005 */
		unsigned code = len >= 2 ? data[0] * 256u + data[1] : 1005;

		c->code = (uint16_t)code;
		gw_metric_add(&m_peer, 1);
	} else {
		gw_metric_add(&m_ours, 1);
	}
	set_state(c, GW_WS_ST_CLOSING);
	gw_timer_stop(&c->ping_timer);
	drop_queue(c);
	drop_rx(c);
	/* Its echo may find no reader. */
	if (gw_timer_start_ms(c->ws->timers, &c->close_timer, CLOSE_MS))
		kill_conn(c);
	return 0;
}

static int send_ping(struct gw_ws_conn *c)
{
	/* Not empty: an empty Pong is not passed on to us. */
	unsigned char buf[LWS_PRE + 4] = { 0 };

	memcpy(buf + LWS_PRE, "ping", 4);
	c->ping_due = false;
	return lws_write(c->wsi, buf + LWS_PRE, 4, LWS_WRITE_PING) < 4 ? -1 : 0;
}

/* How much of the first message may go now: all of it on a socket of its own;
 * on HTTP/2 what the connection's window takes (4.1.6 does not tell that of a
 * stream which carries a WebSocket).  0: wait for WINDOW_UPDATE. */
static size_t allowance(const struct gw_ws_conn *c, size_t left)
{
	struct lws *net = lws_get_network_wsi(c->wsi);
	lws_fileofs_t room;
	size_t n;

	if (net == c->wsi)
		return left;
	room = lws_get_peer_write_allowance(net);
	if (room <= H2_FRAMING)
		return 0;
	n = (size_t)room - H2_FRAMING;
	if (n > H2_PIECE)
		n = H2_PIECE;
	return n < left ? n : left;
}

/* 1: sent something; 0: blocked; -1: broken. */
static int send_piece(struct gw_ws_conn *c)
{
	struct gw_ws_msg *m = c->tx_head;
	size_t left = m->len - m->off;
	size_t n = allowance(c, left);
	int how;

	if (!n && left)
		return 0;
	how = lws_write_ws_flags(LWS_WRITE_TEXT, m->off == 0, n == left);
	if (lws_write(c->wsi, m->data + LWS_PRE + m->off, n,
		      (enum lws_write_protocol)how) < (int)n)
		return -1;
	m->off += n;
	if (m->off < m->len)
		return 1;
	c->tx_head = m->next;
	if (!c->tx_head)
		c->tx_tail = &c->tx_head;
	c->tx_bytes -= m->len;
	free(m);
	gw_metric_add(&m_tx, 1);
	return 1;
}

/* RFC 6455 7.1.2.  Not by lws_close_reason() and -1: in Debian's build of 4.1.6
 * a self-test closes once more at once, and nothing is ever sent. */
static int send_close(struct gw_ws_conn *c)
{
	unsigned char buf[LWS_PRE + 2 + sizeof(c->reason)];
	unsigned char *p = buf + LWS_PRE;
	int n = 2 + c->reason_len;
	int how = WRITE_CLOSE;

	p[0] = (unsigned char)(c->code >> 8);
	p[1] = (unsigned char)(c->code & 0xff);
	memcpy(p + 2, c->reason, c->reason_len);
	if (lws_get_network_wsi(c->wsi) != c->wsi)
		how |= LWS_WRITE_H2_STREAM_END;
	gw_metric_add(&m_ours, 1);
	set_state(c, GW_WS_ST_CLOSING);
	if (lws_write(c->wsi, p, (size_t)n, (enum lws_write_protocol)how) < n)
		return -1;
	/* and now for its echo */
	if (gw_timer_start_ms(c->ws->timers, &c->close_timer, CLOSE_MS))
		kill_conn(c);
	return 0;
}

int gw_ws_conn_writeable(struct gw_ws_conn *c)
{
	GW_CHECK(c, GW_WS_CONN_MAGIC);
	if (c->state != GW_WS_ST_OPEN && c->state != GW_WS_ST_DRAINING)
		return 0;
	if (c->ping_due && send_ping(c))
		return -1;
	/* A hint, not a promise: it also comes when nothing is queued. */
	for (int i = 0; c->tx_head && i < WRITES; i++) {
		int n;

		if (lws_send_pipe_choked(c->wsi))
			break;
		n = send_piece(c);
		if (n < 0)
			return -1;
		if (n == 0)
			return 0;
	}
	if (c->tx_head) {
		lws_callback_on_writable(c->wsi);
		return 0;
	}
	return c->state == GW_WS_ST_DRAINING ? send_close(c) : 0;
}

int gw_ws_send(struct gw_ws_conn *c, const char *text, size_t len)
{
	struct gw_ws_msg *m;

	GW_CHECK(c, GW_WS_CONN_MAGIC);
	if (c->state != GW_WS_ST_OPEN)
		return -EPIPE;
	if (c->tx_bytes + len > c->ws->set->web.queue_bytes) {
		/* What it did not read so far it will not read now. */
		drop_queue(c);
		violate(c, &m_slow, GW_WS_OVERLOAD, "does not read");
		return -ENOBUFS;
	}
	m = malloc(sizeof(*m) + LWS_PRE + len);
	if (!m)
		return -ENOMEM;
	m->next = NULL;
	m->len = len;
	m->off = 0;
	memcpy(m->data + LWS_PRE, text, len);
	*c->tx_tail = m;
	c->tx_tail = &m->next;
	c->tx_bytes += len;
	lws_callback_on_writable(c->wsi);
	return 0;
}

void gw_ws_close(struct gw_ws_conn *c, enum gw_ws_close code,
		 const char *reason)
{
	GW_CHECK(c, GW_WS_CONN_MAGIC);
	begin_close(c, code, reason);
}

void gw_ws_set_user(struct gw_ws_conn *c, void *user)
{
	c->user = user;
}

void *gw_ws_user(const struct gw_ws_conn *c)
{
	return c->user;
}

const struct gw_addr *gw_ws_peer(const struct gw_ws_conn *c)
{
	return &c->peer;
}

const char *gw_ws_name(const struct gw_ws_conn *c)
{
	return c->name;
}
