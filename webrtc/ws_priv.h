/*
 * webrtc/ws_priv.h - what the files of the WebSocket server share
 *
 *	gw_ws            the server: one libwebsockets context, one vhost
 *	gw_ws_listener   a listening socket; ours, not libwebsockets'
 *	gw_ws_net        an accepted socket, until it is closed
 *	gw_ws_session    one HTTP/1.1 request, or one WebSocket
 *	gw_ws_conn       an open WebSocket, what the rest of the gateway sees
 *	gw_h2            everything of HTTP/2 (h2_priv.h)
 *
 * Why we accept ourselves: the address is counted before TLS costs anything,
 * and a request belongs to the listener it came in by.  libwebsockets would
 * choose among vhosts of a port by the Host header, which the peer writes.
 * And the first bytes tell whose it is: HTTP/2 never reaches libwebsockets,
 * whose parser of it can be made to leave its buffer (4.1.6).
 *
 * What is served, to whom, and what is refused is decided in ws_http.c, and
 * what a WebSocket does in ws_conn.c; ws_lws_*.c and h2_*.c carry it.
 * Signalling thread only.
 */
#ifndef GW_WS_PRIV_H
#define GW_WS_PRIV_H

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/timers.h"
#include "webrtc/utf8.h"
#include "webrtc/ws_limits.h"
#include "webrtc/ws_pages.h"
#include "webrtc/ws_server.h"

struct gw_h2;
struct lws;
struct lws_context;
struct lws_vhost;

#define GW_WS_SUBPROTOCOL "3gpp.RESPECT.v1"
#define GW_WS_MAGIC       0x77732121u
#define GW_WS_CONN_MAGIC  0x77736363u

/* What a reply may take: a bad peer is not waited for longer. */
#define GW_WS_IO_TIMEOUT_S 10

enum gw_ws_kind { GW_WS_TLS, GW_WS_PLAIN, GW_WS_ADMIN };

struct gw_ws_listener {
	struct gw_ws *ws;
	enum gw_ws_kind kind;
	struct gw_addr addr;
	char text[GW_ADDR_STRLEN + 8]; /* for the log */
	int fd;
	bool watched;
	struct gw_timer again; /* accept() had no descriptor left */
};

struct gw_ws_net {
	struct gw_ws *ws;
	const struct gw_ws_listener *listener;
	struct lws *wsi; /* NULL until libwebsockets has made one */
	struct gw_addr peer;
	struct gw_ws_ip *ip;
	bool over; /* above max_connections_ip: answered with 429 only */
};

/* An answer to a request, of whichever version: fields, and where the body is.
 * Only those fields that are set are sent. */
struct gw_ws_reply {
	unsigned status;
	const char *type, *etag, *allow;
	unsigned retry_after_s;
	bool page, close, version;
	size_t full;      /* content-length; of HEAD too */
	const char *body; /* NULL: none is sent */
	size_t len;
	char *own;                 /* body, when it is ours to free */
	struct gw_ws_app *app;     /* further fields, and the body; ours */
	struct gw_ws_pages *pages; /* held, when body is in there */
};

/* The per-session memory that libwebsockets keeps, zeroed, for us. */
struct gw_ws_session {
	struct gw_ws_conn *conn;  /* a WebSocket */
	struct gw_ws_reply reply; /* a reply being sent */
	size_t off;
	struct gw_ws_app *app; /* its form is coming in, or it is worked on */
	bool ready;            /* app has been answered */
	bool form_ended;       /* libwebsockets said so once */
};

enum gw_ws_state {
	GW_WS_ST_OPEN,
	GW_WS_ST_DRAINING, /* close wanted: the queue goes first */
	GW_WS_ST_CLOSING,  /* close frame handed over, or peer's seen */
	GW_WS_ST_DEAD      /* no frame can be sent: waiting for its burial */
};

/* Free bytes that libwebsockets wants before what it sends. */
#define GW_WS_HEADROOM 16

struct gw_ws_msg {
	struct gw_ws_msg *next;
	size_t len, off;
	bool begun; /* part of it may be with the peer: not to be dropped */
	unsigned char data[]; /* the headroom, then the text */
};

/* What carries a WebSocket.  None of these may call back at once. */
struct gw_ws_conn_ops {
	bool h2;
	/* There is something to send: a message, a ping, a close frame. */
	void (*want_write)(struct gw_ws_conn *c);
	/* Ends it without a word; gw_ws_conn_bury() comes from the loop. */
	void (*kill)(struct gw_ws_conn *c);
	/* Received so far: that is life, too. */
	uint64_t (*bytes)(const struct gw_ws_conn *c);
};

struct gw_ws_conn {
	uint32_t magic;
	struct gw_ws *ws;
	const struct gw_ws_conn_ops *ops;
	void *io; /* struct lws, or a stream of HTTP/2 */
	struct gw_ws_conn *prev, *next;
	struct gw_ws_ip *ip;
	struct gw_addr peer;
	char name[16];
	struct gw_logctx log;
	void *user;

	enum gw_ws_state state;
	bool counted;  /* why it closed, in a metric */
	uint16_t code; /* for closed(): what was sent or received */
	uint16_t reason_len;
	char reason[124]; /* RFC 6455 5.5: 125 with the code */
	struct gw_timer close_timer;

	char *rx; /* a message in several pieces */
	size_t rx_len, rx_cap;
	bool rx_active;
	struct gw_utf8 utf8;

	struct gw_ws_msg *tx_head, **tx_tail;
	size_t tx_bytes;

	struct gw_timer ping_timer;
	bool ping_due, heard;
	unsigned missed;
	uint64_t bytes_seen;
};

struct gw_ws {
	uint32_t magic;
	struct gw_loop *loop;
	struct gw_timers *timers;
	const struct gw_settings *set;
	struct gw_ws_handlers h;
	struct gw_ws_limits *limits;
	struct gw_ws_pages *pages;
	struct lws_context *lws;
	struct lws_vhost *vhost;
	struct gw_h2 *h2;
	void *ssl_ctx;   /* libwebsockets' own; NULL without a TLS listener */
	void *no_client; /* ours, see ws_tls.h */
	struct gw_ws_listener listener[GW_SET_LISTEN + 1];
	size_t nlistener;
	unsigned nsocket, nconn;
	struct gw_ws_conn *conns;
	uint64_t next_name;
	bool draining, freeing;
	struct gw_ws_net *adopting; /* while libwebsockets makes its wsi */
};

/* Why a request is refused: HTTP status, words for the peer, a counter. */
enum gw_ws_refusal {
	GW_WS_OK,
	GW_WS_REF_NOT_FOUND,
	GW_WS_REF_METHOD,
	GW_WS_REF_LENGTH,
	GW_WS_REF_FORM,
	GW_WS_REF_HOST,
	GW_WS_REF_TOO_LARGE,
	GW_WS_REF_HANDSHAKE,
	GW_WS_REF_VERSION,
	GW_WS_REF_SUBPROTOCOL,
	GW_WS_REF_ORIGIN,
	GW_WS_REF_LIMIT,
	GW_WS_REF_LIMIT_IP,
	GW_WS_REF_PAUSED,
	GW_WS_REF_INTERNAL,
	GW_WS_NREFUSALS
};

/* ws_listen.c */
int gw_ws_listen_start(struct gw_ws *ws);
void gw_ws_listen_stop(struct gw_ws *ws);

/* ws_server.c: hand an accepted socket over; @fd is libwebsockets' then,
 * whatever happens. */
void gw_ws_adopt(struct gw_ws *ws, struct gw_ws_net *net, int fd);
/* The socket that @wsi travels on. */
struct gw_ws_net *gw_ws_net_of(struct lws *wsi);
/* Closes without a word, from the loop, never at once. */
void gw_ws_kill(struct gw_ws *ws, struct lws *wsi);

/* ws_net.c: @ip becomes the net's.  NULL: no memory. */
struct gw_ws_net *gw_ws_net_new(struct gw_ws *ws,
				const struct gw_ws_listener *l,
				const struct gw_addr *peer,
				struct gw_ws_ip *ip);
/* The socket has been closed. */
void gw_ws_net_free(struct gw_ws_net *net);

/* ws_http.c: what is asked for.  Strings: NULL is "not there". */
struct gw_ws_request {
	const char *path;  /* as sent; a query is ignored */
	const char *host;  /* Host or :authority */
	const char *known; /* If-None-Match */
	const char *query; /* behind the "?", when path has none */
	const char *type, *origin, *cookie;
	bool head; /* HEAD instead of GET */
	bool post; /* POST instead of GET */
};

/* A handshake.  Fields too long to be read are passed as @unreadable. */
struct gw_ws_handshake {
	const char *path, *host, *origin, *subprotocol, *version;
	bool no_path, no_host, no_origin, no_subprotocol; /* unreadable */
	bool h2;
};

/* 0: @r is filled in; -ENOMEM.  -EINPROGRESS: *@app is the carrier's; its form
 * is to be read, then gw_ws_app_run() called. */
int gw_ws_http_answer(const struct gw_ws_net *net,
		      const struct gw_ws_request *req, struct gw_ws_reply *r,
		      struct gw_ws_app **app);
/* The same for a refusal, which is counted and logged. */
int gw_ws_http_refuse(const struct gw_ws_net *net, enum gw_ws_refusal why,
		      bool head, struct gw_ws_reply *r);
void gw_ws_reply_fini(struct gw_ws_reply *r);
/* Every field but the status, content-length and connection; stops at the
 * first that @add does not take, and returns what it returned. */
typedef int(gw_ws_field_h)(const char *name, const char *value, void *arg);
int gw_ws_reply_fields(const struct gw_ws_net *net, const struct gw_ws_reply *r,
		       gw_ws_field_h *add, void *arg);
const char *gw_ws_status_title(unsigned status);

/* May this become a WebSocket? */
enum gw_ws_refusal gw_ws_http_check(const struct gw_ws_net *net,
				    const struct gw_ws_handshake *hs);
/* Is @token in a comma separated list? */
bool gw_ws_has_token(const char *list, const char *token, bool fold);

/* ws_app.c: fields of @req are copied.  NULL: no memory. */
struct gw_ws_app *gw_ws_app_new(const struct gw_ws_net *net,
				const struct gw_ws_request *req,
				const char *path);
/* A piece of the form; -EFBIG: too long. */
int gw_ws_app_form(struct gw_ws_app *a, const void *data, size_t len);
/* All of it is there.  0: @r is filled in, and has @a; -EINPROGRESS:
 * a->ready(), which is set before, comes later, then gw_ws_app_reply(). */
int gw_ws_app_run(const struct gw_ws_net *net, struct gw_ws_app *a,
		  struct gw_ws_reply *r);
void gw_ws_app_reply(struct gw_ws_app *a, struct gw_ws_reply *r);
/* The client has gone: @a is freed, now or when it is answered. */
void gw_ws_app_abandon(struct gw_ws_app *a);
void gw_ws_app_free(struct gw_ws_app *a);

/* ws_lws_http.c */
int gw_ws_lws_form(struct lws *wsi, struct gw_ws_session *s, const void *data,
		   size_t len);
int gw_ws_lws_form_end(struct lws *wsi, struct gw_ws_session *s);
int gw_ws_lws_request(struct lws *wsi, struct gw_ws_session *s);
int gw_ws_lws_writeable(struct lws *wsi, struct gw_ws_session *s);
void gw_ws_session_fini(struct gw_ws_session *s);
/* LWS_CALLBACK_HTTP_CONFIRM_UPGRADE.  0 goes on, -1 hangs up. */
int gw_ws_lws_upgrade(struct lws *wsi);

/* ws_lws_conn.c */
int gw_ws_lws_opened(struct lws *wsi, struct gw_ws_session *s);
void gw_ws_lws_rx(struct gw_ws_conn *c, const void *data, size_t len);
int gw_ws_lws_peer_close(struct gw_ws_conn *c, const uint8_t *data, size_t len);
int gw_ws_lws_conn_writeable(struct gw_ws_conn *c);
void gw_ws_lws_closed(struct gw_ws_conn *c);

/* ws_conn.c: *@out is set, then opened() is called.  0 or -ENOMEM. */
int gw_ws_conn_new(struct gw_ws_conn **out, struct gw_ws_net *net,
		   const struct gw_ws_conn_ops *ops, void *io);
/* A piece of a message; @coming: what its frame still owes. */
void gw_ws_conn_rx(struct gw_ws_conn *c, const void *data, size_t len,
		   bool last, bool binary, uint64_t coming);
void gw_ws_conn_heard(struct gw_ws_conn *c);
/* The peer's close frame.  True: it wants an echo; false: it is one. */
bool gw_ws_conn_peer_close(struct gw_ws_conn *c, uint16_t code);
/* A frame that breaks the protocol: close with @code. */
void gw_ws_conn_violated(struct gw_ws_conn *c, enum gw_ws_close code,
			 const char *why);
/* The first of the queue has been sent: it is freed. */
void gw_ws_conn_sent(struct gw_ws_conn *c);
/* Ours has been handed over: wait for its echo. */
void gw_ws_conn_close_sent(struct gw_ws_conn *c);
/* closed(), then freed. */
void gw_ws_conn_bury(struct gw_ws_conn *c);

#endif
