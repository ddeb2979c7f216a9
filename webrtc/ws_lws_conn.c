/*
 * What carries a WebSocket over HTTP/1.1: libwebsockets reads and writes its
 * frames.  Signalling thread.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/tcp.h>

#include <libwebsockets.h>

#include "webrtc/ws_priv.h"

#define WRITES 16 /* a pass, then others have their turn */

/* The gap in the public enum: a close frame, whose use lws_close_reason() hides
 * (all versions up to 4.4). */
#define WRITE_CLOSE 4
_Static_assert((int)LWS_WRITE_PING == WRITE_CLOSE + 1, "enum has moved");
_Static_assert(LWS_PRE <= GW_WS_HEADROOM, "messages need more room");

static void want_write(struct gw_ws_conn *c)
{
	lws_callback_on_writable(c->io);
}

static void kill_wsi(struct gw_ws_conn *c)
{
	gw_ws_kill(c->ws, c->io);
}

/* Of a long message on a slow link no callback tells. */
static uint64_t bytes_received(const struct gw_ws_conn *c)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(lws_get_socket_fd(c->io), IPPROTO_TCP, TCP_INFO, &info,
		       &len))
		return 0;
	return info.tcpi_bytes_received;
}

static const struct gw_ws_conn_ops ops = {
	.want_write = want_write,
	.kill = kill_wsi,
	.bytes = bytes_received,
};

int gw_ws_lws_opened(struct lws *wsi, struct gw_ws_session *s)
{
	struct gw_ws_net *net = gw_ws_net_of(wsi);

	return net && !gw_ws_conn_new(&s->conn, net, &ops, wsi) ? 0 : -1;
}

void gw_ws_lws_rx(struct gw_ws_conn *c, const void *data, size_t len)
{
	gw_ws_conn_rx(c, data, len, lws_is_final_fragment(c->io),
		      lws_frame_is_binary(c->io),
		      lws_remaining_packet_payload(c->io));
}

/* 0: libwebsockets echoes the close frame and ends the connection. -1: ours
 * has been sent, so this is its echo. */
int gw_ws_lws_peer_close(struct gw_ws_conn *c, const uint8_t *data, size_t len)
{
	/* RFC 6455 7.1.5: none given is 1005 */
	unsigned code = len >= 2 ? data[0] * 256u + data[1] : 1005;

	return gw_ws_conn_peer_close(c, (uint16_t)code) ? 0 : -1;
}

/* A frame that breaks the protocol is answered by libwebsockets (1002). */
static void learn_code(struct gw_ws_conn *c)
{
	const unsigned char *p;

	if (c->state != GW_WS_ST_OPEN || lws_get_close_length(c->io) < 2)
		return;
	p = lws_get_close_payload(c->io);
	c->code = (uint16_t)(p[0] * 256u + p[1]);
}

void gw_ws_lws_closed(struct gw_ws_conn *c)
{
	GW_CHECK(c, GW_WS_CONN_MAGIC);
	learn_code(c);
	gw_ws_conn_bury(c);
}

static int send_ping(struct gw_ws_conn *c)
{
	/* Not empty: an empty Pong is not passed on to us. */
	unsigned char buf[LWS_PRE + 4] = { 0 };

	memcpy(buf + LWS_PRE, "ping", 4);
	c->ping_due = false;
	return lws_write(c->io, buf + LWS_PRE, 4, LWS_WRITE_PING) < 4 ? -1 : 0;
}

/* The first message, whole: libwebsockets keeps what the socket leaves. */
static int send_message(struct gw_ws_conn *c)
{
	struct gw_ws_msg *m = c->tx_head;

	if (lws_write(c->io, m->data + GW_WS_HEADROOM, m->len, LWS_WRITE_TEXT) <
	    (int)m->len)
		return -1;
	gw_ws_conn_sent(c);
	return 0;
}

/* RFC 6455 7.1.2.  Not by lws_close_reason() and -1: in Debian's build of 4.1.6
 * a self-test closes once more at once, and nothing is ever sent. */
static int send_close(struct gw_ws_conn *c)
{
	unsigned char buf[LWS_PRE + 2 + sizeof(c->reason)];
	unsigned char *p = buf + LWS_PRE;
	int n = 2 + c->reason_len;

	p[0] = (unsigned char)(c->code >> 8);
	p[1] = (unsigned char)(c->code & 0xff);
	memcpy(p + 2, c->reason, c->reason_len);
	gw_ws_conn_close_sent(c);
	return lws_write(c->io, p, (size_t)n,
			 (enum lws_write_protocol)WRITE_CLOSE) < n
		       ? -1
		       : 0;
}

int gw_ws_lws_conn_writeable(struct gw_ws_conn *c)
{
	GW_CHECK(c, GW_WS_CONN_MAGIC);
	if (c->state != GW_WS_ST_OPEN && c->state != GW_WS_ST_DRAINING)
		return 0;
	if (c->ping_due && send_ping(c))
		return -1;
	/* A hint, not a promise: it also comes when nothing is queued. */
	for (int i = 0; c->tx_head && i < WRITES; i++) {
		if (lws_send_pipe_choked(c->io))
			break;
		if (send_message(c))
			return -1;
	}
	if (c->tx_head) {
		lws_callback_on_writable(c->io);
		return 0;
	}
	return c->state == GW_WS_ST_DRAINING ? send_close(c) : 0;
}
