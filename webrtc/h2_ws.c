/*
 * A WebSocket that is a stream of HTTP/2 (RFC 8441): its frames are read and
 * written here, and what they mean is ws_conn.c's.  END_STREAM stands for the
 * end of the TCP connection, RST_STREAM for its reset (RFC 8441 5).
 * Signalling thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "webrtc/h2_priv.h"

#define COST_CONTROL 1 /* see h2_session.c: a ping asks for a pong */

/* ---- what ws_conn.c asks for ---- */

static void want_write(struct gw_ws_conn *c)
{
	struct gw_h2_stream *st = c->io;

	(void)nghttp2_session_resume_data(st->sock->session, st->id);
	gw_h2_kick(st->sock);
}

static void kill_stream(struct gw_ws_conn *c)
{
	struct gw_h2_stream *st = c->io;

	st->w->dead = true;
	gw_h2_stream_reset(st, NGHTTP2_CANCEL);
}

static uint64_t bytes_received(const struct gw_ws_conn *c)
{
	const struct gw_h2_stream *st = c->io;

	return st->w->bytes;
}

static const struct gw_ws_conn_ops ops = {
	.h2 = true,
	.want_write = want_write,
	.kill = kill_stream,
	.bytes = bytes_received,
};

/* ---- life ---- */

int gw_h2_ws_open(struct gw_h2_stream *st)
{
	st->w = calloc(1, sizeof(*st->w));
	if (!st->w)
		return -ENOMEM;
	gw_wsframe_rx_init(&st->w->rx);
	st->kind = GW_H2_WEBSOCKET;
	return 0;
}

/* After its response is on the way: opened() may already want to send. */
void gw_h2_ws_opened(struct gw_h2_stream *st)
{
	if (gw_ws_conn_new(&st->w->conn, st->sock->net, &ops, st))
		gw_h2_stream_reset(st, NGHTTP2_INTERNAL_ERROR);
}

void gw_h2_ws_bury(struct gw_h2_stream *st)
{
	struct gw_ws_conn *c = st->w->conn;

	st->w->conn = NULL;
	st->w->dead = false;
	if (c)
		gw_ws_conn_bury(c);
}

void gw_h2_ws_free(struct gw_h2_stream *st)
{
	if (!st->w)
		return;
	gw_h2_ws_bury(st);
	free(st->w);
	st->w = NULL;
}

/* ---- received ---- */

static void on_message(const uint8_t *data, size_t len, bool last, bool binary,
		       uint64_t coming, void *arg)
{
	struct gw_h2_stream *st = arg;

	gw_ws_conn_rx(st->w->conn, data, len, last, binary, coming);
}

static void on_close(struct gw_h2_stream *st, const uint8_t *data, size_t len)
{
	struct gw_h2_ws *w = st->w;
	uint16_t fail, code = gw_wsframe_close_code(data, len, &fail);

	if (fail && w->conn->state == GW_WS_ST_OPEN) {
		w->hang_up = true;
		gw_ws_conn_violated(w->conn, (enum gw_ws_close)fail,
				    "bad close frame");
		return;
	}
	/* Ours may be on its way: then this is no answer to it, but the end
	 * all the same. */
	if (!fail && gw_ws_conn_peer_close(w->conn, code)) {
		w->echo_due = true;
		w->echo_code = code;
	}
	w->end = true;
	want_write(w->conn);
}

static void on_control(enum gw_wsframe_op op, const uint8_t *data, size_t len,
		       void *arg)
{
	struct gw_h2_stream *st = arg;
	struct gw_h2_ws *w = st->w;

	gw_h2_session_charge(st->sock, COST_CONTROL);
	gw_ws_conn_heard(w->conn);
	if (op == GW_WSF_CLOSE) {
		on_close(st, data, len);
	} else if (op == GW_WSF_PING) {
		/* RFC 6455 5.5.3: of several, the last needs a pong. */
		memcpy(w->pong, data, len);
		w->pong_len = (uint8_t)len;
		w->pong_due = true;
		want_write(w->conn);
	}
}

void gw_h2_ws_rx(struct gw_h2_stream *st, const uint8_t *data, size_t len)
{
	static const struct gw_wsframe_handlers handlers = {
		.data = on_message,
		.control = on_control,
	};
	struct gw_h2_ws *w = st->w;

	/* The conn is buried from the loop only: it stays while this runs. */
	if (!w->conn || w->dead)
		return;
	w->bytes += len;
	if (!gw_wsframe_feed(&w->rx, data, len, &handlers, st))
		return;
	/* RFC 6455 7.1.7: say why, and do not wait for an answer. */
	w->hang_up = true;
	if (w->conn->state == GW_WS_ST_CLOSING)
		w->end = true;
	gw_ws_conn_violated(w->conn, GW_WS_PROTOCOL, w->rx.fault);
	want_write(w->conn);
}

void gw_h2_ws_eof(struct gw_h2_stream *st)
{
	struct gw_h2_ws *w = st->w;

	/* An orderly end: what is left to say is still said. */
	if (!w->conn || w->end || w->hang_up)
		return;
	w->dead = true;
	gw_h2_stream_reset(st, NGHTTP2_CANCEL);
}

/* ---- sent ---- */

static void put_control(struct gw_h2_ws *w, enum gw_wsframe_op op,
			const void *data, size_t len)
{
	size_t n = gw_wsframe_head(w->raw, op, len);

	memcpy(w->raw + n, data, len);
	w->raw_len = (uint8_t)(n + len);
	w->raw_off = 0;
}

static void put_close(struct gw_h2_ws *w, uint16_t code, const char *reason,
		      size_t len)
{
	uint8_t data[GW_WSFRAME_CTL_MAX];

	data[0] = (uint8_t)(code >> 8);
	data[1] = (uint8_t)code;
	memcpy(data + 2, reason, len);
	put_control(w, GW_WSF_CLOSE, data, 2 + len);
}

/* Chooses what goes next, and puts its first bytes.  False: nothing. */
static bool next_frame(struct gw_h2_ws *w)
{
	struct gw_ws_conn *c = w->conn;
	bool open = c->state == GW_WS_ST_OPEN || c->state == GW_WS_ST_DRAINING;

	if (open && w->pong_due) {
		w->pong_due = false;
		put_control(w, GW_WSF_PONG, w->pong, w->pong_len);
	} else if (open && c->ping_due) {
		c->ping_due = false;
		put_control(w, GW_WSF_PING, "ping", 4);
	} else if (open && c->tx_head) {
		c->tx_head->begun = true;
		w->raw_len = (uint8_t)gw_wsframe_head(w->raw, GW_WSF_TEXT,
						      c->tx_head->len);
		w->raw_off = 0;
	} else if (c->state == GW_WS_ST_DRAINING) {
		put_close(w, c->code, c->reason, c->reason_len);
		gw_ws_conn_close_sent(c);
		w->end |= w->hang_up;
	} else if (w->echo_due) {
		w->echo_due = false;
		if (w->echo_code == 1005)
			put_control(w, GW_WSF_CLOSE, "", 0);
		else
			put_close(w, w->echo_code, "", 0);
	} else {
		return false;
	}
	return true;
}

static size_t copy(uint8_t *to, size_t room, const uint8_t *from, size_t left)
{
	size_t n = left < room ? left : room;

	memcpy(to, from, n);
	return n;
}

/* The rest of the frame under way; how much of it. */
static size_t fill_frame(struct gw_h2_ws *w, uint8_t *buf, size_t size)
{
	struct gw_ws_msg *m = w->conn->tx_head;
	size_t n;

	if (w->raw_off < w->raw_len) {
		n = copy(buf, size, w->raw + w->raw_off,
			 (size_t)(w->raw_len - w->raw_off));
		w->raw_off = (uint8_t)(w->raw_off + n);
		return n;
	}
	if (!m || !m->begun)
		return 0;
	n = copy(buf, size, m->data + GW_WS_HEADROOM + m->off, m->len - m->off);
	m->off += n;
	if (m->off == m->len)
		gw_ws_conn_sent(w->conn);
	return n;
}

size_t gw_h2_ws_fill(struct gw_h2_stream *st, uint8_t *buf, size_t size,
		     bool *end)
{
	struct gw_h2_ws *w = st->w;
	size_t n = 0;

	*end = false;
	if (!w->conn || w->dead)
		return 0;
	while (n < size) {
		size_t k = fill_frame(w, buf + n, size - n);

		n += k;
		if (!k && !next_frame(w))
			break;
	}
	*end = n < size && w->end;
	return n;
}

void gw_h2_ws_ended(struct gw_h2_stream *st)
{
	/* Both have said what they had to: the end of the connection. */
	st->w->dead = true;
	gw_h2_kick(st->sock);
}
