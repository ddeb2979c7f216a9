/*
 * webrtc/ws_server.h - HTTP(S) and WebSocket server; only ws_server.c and
 * ws_lws_*.c know libwebsockets
 *
 * Listeners with TLS (certificate reloadable), HTTP/1.1 and HTTP/2 (RFC 8441),
 * static pages, WebSocket connections with whole text messages, bounded send
 * queues, keep-alive, and per-address limits.  It knows no JSON.
 * Signalling thread only.
 */
#ifndef GW_WS_SERVER_H
#define GW_WS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/buf.h"
#include "gateway/base/loop.h"
#include "gateway/settings.h"

struct gw_ws;
struct gw_ws_conn;

#define GW_WS_MAX_MESSAGE 65536 /* longer: close 1009 */

/* RFC 6455 7.4.1, and ours (docs/protocol.md) */
enum gw_ws_close {
	GW_WS_NORMAL = 1000,
	GW_WS_GOING_AWAY = 1001,
	GW_WS_PROTOCOL = 1002,
	GW_WS_BINARY = 1003,
	GW_WS_NOT_TEXT = 1007,
	GW_WS_POLICY = 1008,
	GW_WS_TOO_LONG = 1009,
	GW_WS_INTERNAL = 1011,
	GW_WS_RESTART = 1012,
	GW_WS_OVERLOAD = 1013,
	GW_WS_EXPIRED = 4001,
	GW_WS_SUPERSEDED = 4002,
	GW_WS_DEREGISTERED = 4003
};

/* What a form may be, and a page made for one request. */
#define GW_WS_FORM_MAX 8192
#define GW_WS_PAGE_MAX 65536

/*
 * A request that is not answered from a file: its fields and form are read by
 * the server, the rest is filled in by the application.  Strings: NULL is "not
 * there"; all of them live until gw_ws_app_answer().
 */
struct gw_ws_app {
	bool post, head, tls;
	char *path, *query, *type, *origin, *cookie;
	struct gw_buf form;
	struct gw_addr peer;

	unsigned status;
	const char *content_type; /* a constant */
	struct gw_buf body;
	char location[2048], set_cookie[256], policy[640];
	char allow_origin[300]; /* RFC 6454 origin that may read it, or "*" */
	const char *allow;      /* of a 405 */
	unsigned retry_after_s;
	unsigned max_age_s; /* 0: no-store */

	/* The server's own. */
	void (*ready)(struct gw_ws_app *a);
	void *io; /* NULL: the client has gone */
	bool over_long, answered;
};

enum gw_ws_app_result { GW_WS_APP_ANSWERED, GW_WS_APP_LATER };

struct gw_ws_handlers {
	/* A WebSocket of sub-protocol 3gpp.RESPECT.v1 is open: Origin, path and
	 * limits have been checked. */
	void (*opened)(struct gw_ws_conn *c, void *arg);
	/* One whole text message, valid UTF-8, at most GW_WS_MAX_MESSAGE, not
	 * NUL-terminated.  @c may be closed from inside. */
	void (*message)(struct gw_ws_conn *c, const char *text, size_t len,
			void *arg);
	/* Exactly once for each opened, last; @c is gone on return.  @code is
	 * what was sent or received; 1006 when it just vanished. */
	void (*closed)(struct gw_ws_conn *c, uint16_t code, void *arg);
	/* GET on the admin listener: fill @body, set @content_type to a
	 * constant, return the HTTP status. */
	unsigned (*admin)(const char *path, struct gw_buf *body,
			  const char **content_type, void *arg);
	/* Is @path the application's?  Then app() gets its requests, and
	 * either fills in the answer, or says LATER and calls
	 * gw_ws_app_answer() exactly once.  Both NULL: there is none. */
	bool (*app_has)(const char *path, void *arg);
	enum gw_ws_app_result (*app)(struct gw_ws_app *a, void *arg);
	void *arg;
};

/* The answer to @a, for which the application said LATER, is filled in.  @a
 * may be gone on return. */
void gw_ws_app_answer(struct gw_ws_app *a);

/* @set must live until gw_ws_reload() or gw_ws_free().  0 or -errno, logged:
 * which listener, file or key failed, and why. */
int gw_ws_new(struct gw_ws **out, struct gw_loop *loop,
	      const struct gw_settings *set,
	      const struct gw_ws_handlers *handlers);
/* Closes every connection (1012 while draining, else 1001), calls closed.
 * Steps the loop for at most a second, so that the close frames get out: not
 * from inside a handler. */
void gw_ws_free(struct gw_ws *ws);
/* The server is going away to come back: see gw_ws_free(). */
void gw_ws_set_draining(struct gw_ws *ws, bool draining);
/* Certificates, origins, limits, page root; listeners and connections stay. */
void gw_ws_reload(struct gw_ws *ws, const struct gw_settings *set);

/* Queue a text message.  0; -ENOBUFS when the client does not read and the
 * queue is full: the connection then closes (1013).  -EPIPE: closing. */
int gw_ws_send(struct gw_ws_conn *c, const char *text, size_t len);
/* Send what is queued, then the close frame.  closed() follows, never from
 * inside this call. */
void gw_ws_close(struct gw_ws_conn *c, enum gw_ws_close code,
		 const char *reason);

void gw_ws_set_user(struct gw_ws_conn *c, void *user);
void *gw_ws_user(const struct gw_ws_conn *c);
const struct gw_addr *gw_ws_peer(const struct gw_ws_conn *c);
/* Short name for log lines, unique in this process: "ws17". */
const char *gw_ws_name(const struct gw_ws_conn *c);

/* This address failed to authenticate, or broke the rules: after
 * web.auth_failures in a minute, or now when @at_once (a flood), it is refused
 * (HTTP 429) for web.pause_ms.  True when the pause begins now. */
bool gw_ws_punish(struct gw_ws *ws, const struct gw_addr *peer, bool at_once);

unsigned gw_ws_connections(const struct gw_ws *ws);

#endif
