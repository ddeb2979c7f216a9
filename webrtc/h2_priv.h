/*
 * webrtc/h2_priv.h - HTTP/2 of the web listeners (RFC 9113), and WebSockets
 * that are streams of it (RFC 8441)
 *
 *	gw_h2         the server: an epoll set of its own, one TLS context
 *	gw_h2_sock    a socket, from accept: its first bytes are looked at, and
 *	              it is either given to libwebsockets or served here
 *	gw_h2_stream  one request, or one WebSocket
 *
 *	h2_sock.c     reading, writing, deadlines    h2_hello.c  first bytes
 *	h2_tls.c      OpenSSL                        h2_http.c   requests
 *	h2_session.c  nghttp2, and what a peer may   h2_ws.c     WebSockets
 *	              cost us
 *
 * Nothing here grows with what a peer sends: no more is read from a socket
 * while what we said is not taken, streams and their fields are limited, and
 * frames that only make work are paid for from a budget.
 * Signalling thread only.
 */
#ifndef GW_H2_PRIV_H
#define GW_H2_PRIV_H

#include <sys/types.h>

#include "webrtc/ws_priv.h"
#include "webrtc/wsframe.h"

struct gw_h2;
struct nghttp2_session;

#define GW_H2_SOCK_MAGIC 0x68327373u
#define GW_H2_STREAMS    100  /* RFC 9113 6.5.2: no less is recommended */
#define GW_H2_FIELDS     8192 /* of one request, as RFC 9113 6.5.2 counts */
#define GW_H2_READ       16384

enum gw_h2_state {
	GW_H2_PEEK,  /* whose is it? */
	GW_H2_SHAKE, /* TLS */
	GW_H2_UP,
	GW_H2_DEAD /* freed when the pass is over */
};

/* What its deadline is for. */
enum gw_h2_wait { GW_H2_NO_WAIT, GW_H2_START, GW_H2_IDLE, GW_H2_STALL };

enum gw_h2_kind {
	GW_H2_NEW, /* its header block is coming in, or it was reset */
	GW_H2_REPLY,
	GW_H2_WEBSOCKET
};

struct gw_h2_ws {
	struct gw_ws_conn *conn; /* NULL: buried */
	struct gw_wsframe_rx rx;
	uint64_t bytes;
	bool dead;    /* to be buried from the loop */
	bool hang_up; /* do not wait for an echo of our close frame */
	bool end;     /* END_STREAM when all of this has been sent */
	bool pong_due, echo_due;
	uint8_t pong[GW_WSFRAME_CTL_MAX], pong_len;
	uint16_t echo_code;
	/* Header of the message under way, or a whole control frame. */
	uint8_t raw[GW_WSFRAME_HEAD_MAX + GW_WSFRAME_CTL_MAX];
	uint8_t raw_len, raw_off;
};

struct gw_h2_stream {
	struct gw_h2_sock *sock;
	struct gw_h2_stream *prev, *next;
	int32_t id;
	enum gw_h2_kind kind;
	struct gw_timer timer; /* nothing moves; not for a WebSocket */
	struct gw_ws_reply reply;
	size_t off;
	struct gw_ws_app *app; /* its form is coming in, or it is worked on */
	struct gw_h2_ws *w;
};

struct gw_h2_fields; /* of the one request whose header block is coming in */

struct gw_h2_sock {
	uint32_t magic;
	struct gw_h2 *h2;
	struct gw_h2_sock *prev, *next;
	struct gw_ws_net *net;
	struct gw_logctx log;
	char name[16];
	enum gw_h2_state state;
	int fd;
	void *ssl; /* NULL: plain, on loopback */
	uint32_t events;
	unsigned looks;
	struct gw_timer kick; /* to be run before the loop sleeps */
	struct gw_timer deadline;
	enum gw_h2_wait waiting;
	uint8_t *out; /* what the socket did not take */
	size_t out_len, out_off;

	struct nghttp2_session *session;
	struct gw_h2_stream *streams;
	unsigned nstream;
	uint32_t opened, idle_since; /* streams so far; when it went idle */
	struct gw_h2_fields *fields;
	bool ending;        /* GOAWAY: send it, then close */
	int64_t budget;     /* see h2_session.c */
	uint64_t budget_us; /* as of then */
	unsigned window_credit;
};

/* h2_sock.c: -errno, or 0 with *@out */
int gw_h2_new(struct gw_h2 **out, struct gw_ws *ws);
/* Says GOAWAY where it can; every socket is closed. */
void gw_h2_free(struct gw_h2 *h2);
/* @net and @fd are its own then, whatever happens. */
void gw_h2_accept(struct gw_h2 *h2, struct gw_ws_net *net, int fd);
void *gw_h2_ssl_ctx(struct gw_h2 *h2);
/* Something is to be sent, or buried: from the loop, not at once. */
void gw_h2_kick(struct gw_h2_sock *s);

/* h2_tls.c: @fd of @ssl, or NULL for a plain one.  Bytes, 0 at the end of the
 * stream, -EAGAIN with *@for_write set, or another -errno. */
void *gw_h2_tls_ctx_new(void);
void gw_h2_tls_ctx_free(void *ssl_ctx);
void *gw_h2_tls_new(void *ssl_ctx, int fd);
void gw_h2_tls_free(void *ssl);                   /* says goodbye when it can */
int gw_h2_tls_accept(void *ssl, bool *for_write); /* 0: shaken */
ssize_t gw_h2_tls_read(void *ssl, int fd, void *buf, size_t len,
		       bool *for_write);
ssize_t gw_h2_tls_write(void *ssl, int fd, const void *buf, size_t len,
			bool *for_write);

/* h2_session.c */
int gw_h2_session_new(struct gw_h2_sock *s);
void gw_h2_session_free(struct gw_h2_sock *s);
/* -errno: cannot go on; what is queued may still be sent. */
int gw_h2_session_recv(struct gw_h2_sock *s, const uint8_t *data, size_t len);
/* The next frame to be sent, valid until the next call; 0: none. */
ssize_t gw_h2_session_pull(struct gw_h2_sock *s, const uint8_t **data);
bool gw_h2_session_over(struct gw_h2_sock *s);
void gw_h2_session_goaway(struct gw_h2_sock *s);
/* WebSockets that have ended are buried. */
void gw_h2_session_bury(struct gw_h2_sock *s);
/* A frame, or what it made us do, costs so much. */
void gw_h2_session_charge(struct gw_h2_sock *s, int64_t cost);
/* Another 10 s for a stream of which something moves. */
void gw_h2_stream_moved(struct gw_h2_stream *st);
void gw_h2_stream_reset(struct gw_h2_stream *st, uint32_t error);

/* h2_http.c */
int gw_h2_fields_begin(struct gw_h2_sock *s);
void gw_h2_fields_add(struct gw_h2_sock *s, const char *name, size_t name_len,
		      const char *value, size_t value_len);
void gw_h2_fields_end(struct gw_h2_sock *s);
/* The header block is complete.  0, or -errno: the stream is to be reset. */
int gw_h2_http_request(struct gw_h2_stream *st, bool ended);

/* A piece of its body, and the end of that.  As above. */
int gw_h2_http_form(struct gw_h2_stream *st, const uint8_t *data, size_t len);
int gw_h2_http_form_end(struct gw_h2_stream *st);

/* h2_ws.c */
int gw_h2_ws_open(struct gw_h2_stream *st);
void gw_h2_ws_opened(struct gw_h2_stream *st);
void gw_h2_ws_rx(struct gw_h2_stream *st, const uint8_t *data, size_t len);
/* The peer's END_STREAM. */
void gw_h2_ws_eof(struct gw_h2_stream *st);
/* Ours has been sent. */
void gw_h2_ws_ended(struct gw_h2_stream *st);
/* What is to be sent, @size at most.  *@end: nothing follows. */
size_t gw_h2_ws_fill(struct gw_h2_stream *st, uint8_t *buf, size_t size,
		     bool *end);
void gw_h2_ws_bury(struct gw_h2_stream *st);
void gw_h2_ws_free(struct gw_h2_stream *st);

#endif
