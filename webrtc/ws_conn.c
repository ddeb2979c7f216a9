/*
 * One open WebSocket, whatever carries it: whole messages, a bounded queue,
 * keep-alive and the closing handshake.
 *
 *	OPEN --close wanted--> DRAINING --queue empty--> CLOSING --echo--> buried
 *	  |                        |                      |   ^ |
 *	  |                        +--5 s--> DEAD <--5 s--+   |
 *	  +--peer closes--------------------------------------+
 *	  +--two pings missed------> DEAD ---------------------------> buried
 *
 * closed() comes from gw_ws_conn_bury() only, which the carrier calls from the
 * loop, never from inside send or close.  Signalling thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/metrics.h"
#include "webrtc/ws_priv.h"

#define CLOSE_MS 5000
#define RX_KEEP  4096 /* a larger buffer is given back between messages */

GW_GAUGE(m_conns, "isthmus_ws_connections", "Open WebSockets", "");
GW_COUNTER(m_opened, "isthmus_ws_opened_total", "WebSockets opened", "");
GW_COUNTER(m_opened_h2, "isthmus_ws_opened_h2_total",
	   "WebSockets opened that are a stream of HTTP/2", "");
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
CLOSED(m_protocol, "protocol");
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

/* A message that has begun stays: the peer would take what comes next for the
 * rest of it. */
static void drop_queue(struct gw_ws_conn *c, bool all)
{
	struct gw_ws_msg *keep = NULL;

	if (c->tx_head && c->tx_head->begun && !all) {
		keep = c->tx_head;
		c->tx_head = keep->next;
		keep->next = NULL;
	}
	while (c->tx_head) {
		struct gw_ws_msg *m = c->tx_head;

		c->tx_head = m->next;
		free(m);
	}
	c->tx_head = keep;
	c->tx_tail = keep ? &keep->next : &c->tx_head;
	c->tx_bytes = keep ? keep->len : 0;
}

/* One reason each: the first. */
static void count_close(struct gw_ws_conn *c, struct gw_metric *m)
{
	if (!c->counted)
		gw_metric_add(m, 1);
	c->counted = true;
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
	c->ops->kill(c);
}

static void on_close_timer(struct gw_timer *t, void *arg)
{
	struct gw_ws_conn *c = arg;

	(void)t;
	GW_CHECK(c, GW_WS_CONN_MAGIC);
	count_close(c, &m_stuck);
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
	c->ops->want_write(c);
}

/* RFC 6455 5.5.2.  Anything that was read is life: a Pong, a message, or a
 * piece of a long one on a slow link, of which no callback tells. */
static void on_ping_timer(struct gw_timer *t, void *arg)
{
	struct gw_ws_conn *c = arg;
	uint64_t bytes;

	GW_CHECK(c, GW_WS_CONN_MAGIC);
	bytes = c->ops->bytes(c);
	if (c->heard || bytes != c->bytes_seen)
		c->missed = 0;
	else
		c->missed++;
	c->heard = false;
	c->bytes_seen = bytes;
	if (c->missed >= 2) {
		count_close(c, &m_silent);
		gw_info(&c->log, "two pings unanswered: gone");
		c->code = 1006;
		kill_conn(c);
		return;
	}
	c->ping_due = true;
	c->ops->want_write(c);
	(void)gw_timer_start_ms(c->ws->timers, t, c->ws->set->web.ping_ms);
}

static void link_conn(struct gw_ws_conn *c)
{
	struct gw_ws *ws = c->ws;

	c->next = ws->conns;
	if (c->next)
		c->next->prev = c;
	ws->conns = c;
	ws->nconn++;
	c->ip->websockets++;
	gw_metric_add(&m_conns, 1);
	gw_metric_add(&m_opened, 1);
	if (c->ops->h2)
		gw_metric_add(&m_opened_h2, 1);
}

int gw_ws_conn_new(struct gw_ws_conn **out, struct gw_ws_net *net,
		   const struct gw_ws_conn_ops *ops, void *io)
{
	struct gw_ws_conn *c = calloc(1, sizeof(*c));
	struct gw_ws *ws = net->ws;
	char peer[GW_ADDR_STRLEN];

	if (!c)
		return -ENOMEM;
	c->magic = GW_WS_CONN_MAGIC;
	c->ws = ws;
	c->ops = ops;
	c->io = io;
	c->ip = net->ip;
	c->peer = net->peer;
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
		return -ENOMEM;
	}
	c->heard = true; /* the first tick has no Ping behind it */
	c->bytes_seen = ops->bytes(c);
	link_conn(c);
	*out = c;
	gw_info(&c->log, "open from %s%s",
		gw_addr_print(&c->peer, peer, sizeof(peer)),
		ops->h2 ? " (HTTP/2)" : "");
	ws->h.opened(c, ws->h.arg);
	return 0;
}

static void count_end(struct gw_ws_conn *c)
{
	if (c->state == GW_WS_ST_OPEN)
		count_close(c, &m_vanished);
	else if (c->state == GW_WS_ST_DRAINING)
		count_close(c, &m_ours);
}

void gw_ws_conn_bury(struct gw_ws_conn *c)
{
	struct gw_ws *ws = c->ws;

	GW_CHECK(c, GW_WS_CONN_MAGIC);
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
	drop_queue(c, true);
	drop_rx(c);
	c->magic = 0;
	free(c);
}

static void violate(struct gw_ws_conn *c, struct gw_metric *m,
		    enum gw_ws_close code, const char *why)
{
	count_close(c, m);
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

void gw_ws_conn_violated(struct gw_ws_conn *c, enum gw_ws_close code,
			 const char *why)
{
	GW_CHECK(c, GW_WS_CONN_MAGIC);
	if (c->state == GW_WS_ST_OPEN)
		violate(c, code == GW_WS_NOT_TEXT ? &m_utf8 : &m_protocol, code,
			why);
}

void gw_ws_conn_rx(struct gw_ws_conn *c, const void *data, size_t len,
		   bool last, bool binary, uint64_t coming)
{
	GW_CHECK(c, GW_WS_CONN_MAGIC);
	c->heard = true;
	if (c->state != GW_WS_ST_OPEN)
		return; /* until the peer has seen our close frame */
	if (!c->rx_active) {
		c->rx_active = true;
		c->rx_len = 0;
		gw_utf8_init(&c->utf8);
	}
	if (binary)
		violate(c, &m_binary, GW_WS_BINARY, "binary message");
	/* What the frame's header announces is refused before it comes. */
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
}

void gw_ws_conn_heard(struct gw_ws_conn *c)
{
	c->heard = true;
}

bool gw_ws_conn_peer_close(struct gw_ws_conn *c, uint16_t code)
{
	GW_CHECK(c, GW_WS_CONN_MAGIC);
	if (c->state != GW_WS_ST_OPEN && c->state != GW_WS_ST_DRAINING)
		return false;
	if (c->state == GW_WS_ST_OPEN) {
		c->code = code;
		count_close(c, &m_peer);
	} else {
		count_close(c, &m_ours);
	}
	set_state(c, GW_WS_ST_CLOSING);
	gw_timer_stop(&c->ping_timer);
	drop_queue(c, false);
	drop_rx(c);
	/* Its echo may find no reader. */
	if (gw_timer_start_ms(c->ws->timers, &c->close_timer, CLOSE_MS))
		kill_conn(c);
	return true;
}

void gw_ws_conn_sent(struct gw_ws_conn *c)
{
	struct gw_ws_msg *m = c->tx_head;

	c->tx_head = m->next;
	if (!c->tx_head)
		c->tx_tail = &c->tx_head;
	c->tx_bytes -= m->len;
	free(m);
	gw_metric_add(&m_tx, 1);
}

void gw_ws_conn_close_sent(struct gw_ws_conn *c)
{
	count_close(c, &m_ours);
	set_state(c, GW_WS_ST_CLOSING);
	/* and now for its echo */
	if (gw_timer_start_ms(c->ws->timers, &c->close_timer, CLOSE_MS))
		kill_conn(c);
}

int gw_ws_send(struct gw_ws_conn *c, const char *text, size_t len)
{
	struct gw_ws_msg *m;

	GW_CHECK(c, GW_WS_CONN_MAGIC);
	if (c->state != GW_WS_ST_OPEN)
		return -EPIPE;
	if (c->tx_bytes + len > c->ws->set->web.queue_bytes) {
		/* What it did not read so far it will not read now. */
		drop_queue(c, false);
		violate(c, &m_slow, GW_WS_OVERLOAD, "does not read");
		return -ENOBUFS;
	}
	m = malloc(sizeof(*m) + GW_WS_HEADROOM + len);
	if (!m)
		return -ENOMEM;
	m->next = NULL;
	m->len = len;
	m->off = 0;
	m->begun = false;
	memcpy(m->data + GW_WS_HEADROOM, text, len);
	*c->tx_tail = m;
	c->tx_tail = &m->next;
	c->tx_bytes += len;
	c->ops->want_write(c);
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
