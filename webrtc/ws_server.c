/*
 * The libwebsockets context on the signalling loop, and where its callbacks
 * are told apart.  Written for 4.1.6 (Debian 12); its traps are noted where
 * they bite.  Signalling thread.
 */
#include "webrtc/ws_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "gateway/base/metrics.h"
#include "webrtc/h2_priv.h"
#include "webrtc/ws_priv.h"
#include "webrtc/ws_tls.h"

/* 16 KB instead of 2 costs 15 KB a connection; messages are put together from
 * such pieces in ws_lws_conn.c. */
#define RX_BUFFER 2048
/* A whole message in one write, or libwebsockets copies the rest of it. */
#define TX_PACKET (GW_WS_MAX_MESSAGE + 4096)
/* Request headers: cookies of other applications on this host come along. */
#define HEADER_BYTES   8192
#define IDLE_ADDRESSES 4096
#define KEEPALIVE_S    30
#define FREE_MS        1000

static const struct gw_logctx lg = { .module = "ws" };
static const struct gw_logctx lg_lws = { .module = "lws" };
static bool starting; /* libwebsockets' errors are ours to report then */

/* Most of what it calls an error is a peer's doing, which we count and log
 * ourselves; only while we start is it about us. */
static void on_lws_log(int level, const char *line)
{
	size_t n = strcspn(line, "\n");

	gw_log(!starting          ? GW_DEBUG
	       : level == LLL_ERR ? GW_ERROR
				  : GW_INFO,
	       &lg_lws, "%.*s", (int)n, line);
}

struct gw_ws_net *gw_ws_net_of(struct lws *wsi)
{
	return lws_get_opaque_user_data(lws_get_network_wsi(wsi));
}

void gw_ws_kill(struct gw_ws *ws, struct lws *wsi)
{
	lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	/* Its timers run after I/O: make some, this call may come from ours. */
	lws_cancel_service(ws->lws);
}

void gw_ws_adopt(struct gw_ws *ws, struct gw_ws_net *net, int fd)
{
	lws_adopt_desc_t desc = {
		.vh = ws->vhost,
		.type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP,
		.fd = { .sockfd = fd },
		.opaque = net,
	};
	struct lws *wsi;

	if (net->listener->kind == GW_WS_TLS)
		desc.type |= LWS_ADOPT_ALLOW_SSL;
	ws->adopting = net;
	wsi = lws_adopt_descriptor_vhost_via_info(&desc);
	ws->adopting = NULL;
	/* On failure the descriptor is closed.  When there was a wsi, its
	 * destruction frees net, perhaps in a later pass. */
	if (!wsi && !net->wsi) {
		gw_ws_net_free(net);
		return;
	}
	/* TLS sets its own; a plain socket would be let to say nothing. */
	if (wsi && net->listener->kind != GW_WS_TLS)
		lws_set_timeout(wsi, PENDING_TIMEOUT_ESTABLISH_WITH_SERVER,
				GW_WS_IO_TIMEOUT_S);
}

static void on_wsi_destroy(struct lws *wsi, struct gw_ws_session *s)
{
	struct gw_ws_net *net = lws_get_opaque_user_data(wsi);

	if (s) {
		gw_ws_session_fini(s);
		/* Normally gone since LWS_CALLBACK_CLOSED. */
		if (s->conn) {
			gw_ws_lws_closed(s->conn);
			s->conn = NULL;
		}
	}
	if (!net || net->wsi != wsi)
		return; /* libwebsockets' own */
	lws_set_opaque_user_data(wsi, NULL);
	gw_ws_net_free(net);
}

static int on_http(struct lws *wsi, enum lws_callback_reasons reason,
		   struct gw_ws_session *s, const void *in, size_t len)
{
	switch (reason) {
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return gw_ws_lws_upgrade(wsi);
	case LWS_CALLBACK_HTTP:
		return gw_ws_lws_request(wsi, s);
	case LWS_CALLBACK_HTTP_BODY:
		return gw_ws_lws_form(wsi, s, in, len);
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return gw_ws_lws_form_end(wsi, s);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return gw_ws_lws_writeable(wsi, s);
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
		if (s)
			gw_ws_session_fini(s);
		return 0;
	case LWS_CALLBACK_RAW_ADOPT:
	case LWS_CALLBACK_RAW_RX:
		return -1; /* a CONNECT of HTTP/1.1 would become a raw pipe */
	default:
		return 0;
	}
}

static int on_websocket(struct lws *wsi, enum lws_callback_reasons reason,
			struct gw_ws_session *s, void *in, size_t len)
{
	struct gw_ws_conn *c = s ? s->conn : NULL;

	if (reason == LWS_CALLBACK_ESTABLISHED)
		return s ? gw_ws_lws_opened(wsi, s) : -1;
	if (!c)
		return 0;
	switch (reason) {
	case LWS_CALLBACK_RECEIVE:
		gw_ws_lws_rx(c, in, len);
		return 0;
	case LWS_CALLBACK_RECEIVE_PONG:
		gw_ws_conn_heard(c);
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return gw_ws_lws_conn_writeable(c);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		return gw_ws_lws_peer_close(c, in, len);
	case LWS_CALLBACK_CLOSED:
		s->conn = NULL;
		gw_ws_lws_closed(c);
		return 0;
	default:
		return 0;
	}
}

static int on_callback(struct lws *wsi, enum lws_callback_reasons reason,
		       void *user, void *in, size_t len)
{
	struct gw_ws *ws = lws_context_user(lws_get_context(wsi));

	GW_CHECK(ws, GW_WS_MAGIC);
	switch (reason) {
	case LWS_CALLBACK_WSI_CREATE:
		if (ws->adopting && !ws->adopting->wsi)
			ws->adopting->wsi = wsi;
		return 0;
	case LWS_CALLBACK_WSI_DESTROY:
		on_wsi_destroy(wsi, user);
		return 0;
	case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
		ws->ssl_ctx = user; /* documented: the vhost's SSL_CTX */
		return gw_ws_tls_policy(user) ? 1 : 0;
	case LWS_CALLBACK_ESTABLISHED:
	case LWS_CALLBACK_RECEIVE:
	case LWS_CALLBACK_RECEIVE_PONG:
	case LWS_CALLBACK_SERVER_WRITEABLE:
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
	case LWS_CALLBACK_CLOSED:
		return on_websocket(wsi, reason, user, in, len);
	default:
		return on_http(wsi, reason, user, in, len);
	}
}

/* The first is what a connection is bound to until it asks for another. */
static const struct lws_protocols protocols[] = {
	{.name = "http",
         .callback = on_callback,
         .per_session_data_size = sizeof(struct gw_ws_session),
         .rx_buffer_size = RX_BUFFER,
         .tx_packet_size = TX_PACKET },
	{ .name = GW_WS_SUBPROTOCOL,
         .callback = on_callback,
         .per_session_data_size = sizeof(struct gw_ws_session),
         .rx_buffer_size = RX_BUFFER,
         .tx_packet_size = TX_PACKET },
	{ .name = NULL			  },
};

static bool wants_tls(const struct gw_settings *set)
{
	for (size_t i = 0; i < set->web.nlisten; i++) {
		if (!strncmp(set->web.listen[i], "wss://", 6))
			return true;
	}
	return false;
}

static int start_lws(struct gw_ws *ws)
{
	void *loops[1] = { gw_loop_uv(ws->loop) };
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.vhost_name = "isthmus",
		.protocols = protocols,
		.options = LWS_SERVER_OPTION_LIBUV |
			   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
		.foreign_loops = loops,
		.user = ws,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.alpn = "http/1.1", /* HTTP/2 is served by h2_*.c */
		.max_http_header_data2 = HEADER_BYTES,
		.timeout_secs = GW_WS_IO_TIMEOUT_S,
		.timeout_secs_ah_idle = GW_WS_IO_TIMEOUT_S,
		.keepalive_timeout = KEEPALIVE_S,
	};

	ws->no_client = gw_ws_tls_no_client();
	if (!ws->no_client)
		return -ENOMEM;
	info.provided_client_ssl_ctx = ws->no_client;
	if (wants_tls(ws->set))
		info.options |= LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
	lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
	starting = true;
	ws->lws = lws_create_context(&info);
	starting = false;
	if (!ws->lws)
		return -ENOMEM;
	ws->vhost = lws_get_vhost_by_name(ws->lws, "isthmus");
	return ws->vhost ? 0 : -ENOENT;
}

static int load_pages(struct gw_ws *ws, const struct gw_settings *set)
{
	struct gw_ws_pages *pages;
	char err[640] = "";
	int rc = gw_ws_pages_load(&pages, set->web.root, err, sizeof(err));

	if (rc) {
		gw_error(&lg, "pages: %s", err);
		return rc;
	}
	gw_ws_pages_put(ws->pages);
	ws->pages = pages;
	gw_info(&lg, "pages: %zu files from %s", gw_ws_pages_count(pages),
		set->web.root[0] ? set->web.root : "nowhere");
	return 0;
}

static int load_certificate(struct gw_ws *ws, const struct gw_settings *set)
{
	char err[640] = "";
	int rc;

	if (!ws->ssl_ctx)
		return 0;
	rc = gw_ws_tls_load(ws->ssl_ctx, set, err, sizeof(err));
	if (!rc)
		rc = gw_ws_tls_load(gw_h2_ssl_ctx(ws->h2), set, err,
				    sizeof(err));
	if (rc)
		gw_error(&lg, "certificate: %s", err);
	else
		gw_info(&lg, "certificate: %s",
			gw_ws_tls_selfmade(set) ? "self-made"
						: set->web.certificate);
	return rc;
}

int gw_ws_new(struct gw_ws **out, struct gw_loop *loop,
	      const struct gw_settings *set,
	      const struct gw_ws_handlers *handlers)
{
	struct gw_ws *ws = calloc(1, sizeof(*ws));
	int err;

	if (!ws)
		return -ENOMEM;
	ws->magic = GW_WS_MAGIC;
	ws->loop = loop;
	ws->timers = gw_loop_timers(loop);
	ws->set = set;
	ws->h = *handlers;
	err = gw_ws_limits_new(&ws->limits, IDLE_ADDRESSES);
	if (!err)
		err = load_pages(ws, set);
	if (!err) {
		err = start_lws(ws);
		if (err)
			gw_error(&lg, "libwebsockets does not start");
	}
	if (!err) {
		err = gw_h2_new(&ws->h2, ws);
		if (err)
			gw_error(&lg, "HTTP/2: %s", strerror(-err));
	}
	if (!err)
		err = load_certificate(ws, set);
	if (!err)
		err = gw_ws_listen_start(ws);
	if (err) {
		gw_ws_free(ws);
		return err;
	}
	*out = ws;
	return 0;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Real time, whatever clock the loop was given. */
static void step_until_gone(struct gw_ws *ws, const unsigned *left)
{
	uint64_t end = now_ms() + FREE_MS;

	while (*left && now_ms() < end)
		gw_loop_step(ws->loop, 10);
}

/* On a loop that is not its own, the first destroy only begins to close
 * handles; the loop must run until they are closed; the second one frees. */
static void stop_lws(struct gw_ws *ws)
{
	lws_context_destroy(ws->lws);
	step_until_gone(ws, &ws->nsocket);
	for (int i = 0; i < 20; i++)
		gw_loop_step(ws->loop, 0);
	lws_context_destroy(ws->lws);
	ws->lws = NULL;
}

void gw_ws_free(struct gw_ws *ws)
{
	struct gw_ws_conn *c, *next;

	if (!ws)
		return;
	GW_CHECK(ws, GW_WS_MAGIC);
	ws->freeing = true;
	gw_ws_listen_stop(ws);
	for (c = ws->conns; c; c = next) {
		next = c->next;
		gw_ws_close(c, ws->draining ? GW_WS_RESTART : GW_WS_GOING_AWAY,
			    ws->draining ? "restart" : "going away");
	}
	if (ws->lws) {
		step_until_gone(ws, &ws->nconn);
		gw_h2_free(ws->h2);
		ws->h2 = NULL;
		stop_lws(ws);
	}
	while (ws->conns)
		gw_ws_conn_bury(ws->conns);
	gw_ws_tls_no_client_free(ws->no_client);
	gw_ws_pages_put(ws->pages);
	gw_ws_limits_free(ws->limits);
	ws->magic = 0;
	free(ws);
}

void gw_ws_reload(struct gw_ws *ws, const struct gw_settings *set)
{
	GW_CHECK(ws, GW_WS_MAGIC);
	/* What cannot be loaded stays as it was, which is in the log. */
	(void)load_certificate(ws, set);
	(void)load_pages(ws, set);
	ws->set = set;
}

void gw_ws_set_draining(struct gw_ws *ws, bool draining)
{
	ws->draining = draining;
}

bool gw_ws_punish(struct gw_ws *ws, const struct gw_addr *peer, bool at_once)
{
	char ip[GW_ADDR_STRLEN];

	if (!gw_ws_limits_fail(ws->limits, peer, gw_timers_now_us(ws->timers),
			       at_once ? 1 : ws->set->web.auth_failures,
			       ws->set->web.pause_ms))
		return false;
	gw_warn(&lg, "%s: too many failures, refused for %u ms",
		gw_addr_ip(peer, ip, sizeof(ip)), ws->set->web.pause_ms);
	return true;
}

unsigned gw_ws_connections(const struct gw_ws *ws)
{
	return ws->nconn;
}
