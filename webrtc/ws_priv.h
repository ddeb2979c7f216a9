/*
 * webrtc/ws_priv.h - what the files of the WebSocket server share
 *
 *	gw_ws            the server: one libwebsockets context, one vhost
 *	gw_ws_listener   a listening socket; ours, not libwebsockets'
 *	gw_ws_net        an accepted socket, from accept to its last callback
 *	gw_ws_session    one HTTP request, or one WebSocket (h2: one stream)
 *	gw_ws_conn       an open WebSocket, what the rest of the gateway sees
 *
 * Why we accept ourselves: the address is counted before TLS costs anything,
 * and a request belongs to the listener it came in by.  libwebsockets would
 * choose among vhosts of a port by the Host header, which the peer writes.
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

/* The per-session memory that libwebsockets keeps, zeroed, for us. */
struct gw_ws_session {
	struct gw_ws_conn *conn; /* a WebSocket */
	const char *body;        /* a reply being sent */
	size_t len, off;
	char *own;                 /* body, when it is ours to free */
	struct gw_ws_pages *pages; /* held, when body is in there */
};

enum gw_ws_state {
	GW_WS_ST_OPEN,
	GW_WS_ST_DRAINING, /* close wanted: the queue goes first */
	GW_WS_ST_CLOSING,  /* close frame handed over, or peer's seen */
	GW_WS_ST_DEAD      /* no frame can be sent: waiting for its burial */
};

struct gw_ws_msg {
	struct gw_ws_msg *next;
	size_t len, off;
	/* what libwebsockets wants free before the text, then the text */
	unsigned char data[];
};

struct gw_ws_conn {
	uint32_t magic;
	struct gw_ws *ws;
	struct lws *wsi;
	struct gw_ws_conn *prev, *next;
	struct gw_ws_ip *ip;
	struct gw_addr peer;
	int fd; /* for bytes received; -1 on a stream of HTTP/2 */
	char name[16];
	struct gw_logctx log;
	void *user;

	enum gw_ws_state state;
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
	GW_WS_REF_HOST,
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

/* ws_server.c: hand an accepted socket over; @net->fd is libwebsockets' then,
 * whatever happens. */
void gw_ws_adopt(struct gw_ws *ws, struct gw_ws_net *net, int fd);
/* The socket that @wsi, maybe a stream of HTTP/2, travels on. */
struct gw_ws_net *gw_ws_net_of(struct lws *wsi);
/* Closes without a word, from the loop, never at once. */
void gw_ws_kill(struct gw_ws *ws, struct lws *wsi);

/* ws_lws_http.c */
int gw_ws_http_request(struct gw_ws *ws, struct lws *wsi,
		       struct gw_ws_session *s);
int gw_ws_http_writeable(struct lws *wsi, struct gw_ws_session *s);
void gw_ws_session_fini(struct gw_ws_session *s);
/* The whole refusal in one go, where no WRITEABLE will come. */
void gw_ws_http_refuse_now(struct gw_ws *ws, struct lws *wsi,
			   enum gw_ws_refusal why);
/* Retry-After, in seconds. */
unsigned gw_ws_retry_after_s(struct gw_ws *ws, const struct gw_ws_net *net,
			     enum gw_ws_refusal why);
/* Counts, logs. */
void gw_ws_note_refusal(const struct gw_ws_net *net, enum gw_ws_refusal why);

/* ws_lws_upgrade.c */
void gw_ws_upgrade_init(void);
void gw_ws_upgrade_fini(void);
int gw_ws_upgrade_h1(struct gw_ws *ws, struct lws *wsi);
int gw_ws_upgrade_h2(struct gw_ws *ws, struct lws *wsi);

/* ws_lws_conn.c */
int gw_ws_conn_new(struct gw_ws *ws, struct lws *wsi, struct gw_ws_session *s);
int gw_ws_conn_rx(struct gw_ws_conn *c, const void *data, size_t len);
void gw_ws_conn_pong(struct gw_ws_conn *c);
int gw_ws_conn_peer_close(struct gw_ws_conn *c, const uint8_t *data,
			  size_t len);
int gw_ws_conn_writeable(struct gw_ws_conn *c);
/* closed(), then freed. */
void gw_ws_conn_bury(struct gw_ws_conn *c);

#endif
