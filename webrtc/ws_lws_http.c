/*
 * HTTP of the web listeners: pages, discovery, the admin listener, and every
 * refusal, as problem details (RFC 9457).  Replies are written piece by piece
 * as the peer takes them.  Signalling thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libwebsockets.h>

#include "gateway/base/metrics.h"
#include "webrtc/ws_origin.h"
#include "webrtc/ws_priv.h"
#include "webrtc/ws_tls.h"

#define HEAD_ROOM  2048
#define CHUNK      8192
#define BODY_LIMIT (16u << 20)
#define BUSY_S     5
#define HSTS       "max-age=31536000"
#define CSP_COMMON                                                             \
	"default-src 'self'; style-src 'self'; "                               \
	"media-src 'self' blob: mediastream:; img-src 'self' data:; "          \
	"object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "         \
	"form-action 'self'; "
#define PROBLEM_TYPE "application/problem+json"

static const struct gw_logctx lg = { .module = "ws" };

#define REFUSED(sym, why)                                                      \
	GW_COUNTER(sym, "isthmus_ws_refused_total",                            \
		   "Requests refused by the web listeners, by reason",         \
		   "reason=\"" why "\"")
REFUSED(m_not_found, "not_found");
REFUSED(m_method, "method");
REFUSED(m_host, "host");
REFUSED(m_handshake, "handshake");
REFUSED(m_version, "version");
REFUSED(m_subprotocol, "subprotocol");
REFUSED(m_origin, "origin");
REFUSED(m_limit, "max_connections");
REFUSED(m_limit_ip, "max_connections_ip");
REFUSED(m_paused, "paused");
REFUSED(m_internal, "internal");
GW_COUNTER(m_answered, "isthmus_ws_http_answered_total",
	   "HTTP requests answered by the web listeners", "");

struct refusal {
	unsigned status;
	const char *title, *detail;
	struct gw_metric *count;
};

/* clang-format off */
static const struct refusal refusals[GW_WS_NREFUSALS] = {
	[GW_WS_OK] = { 200, "OK", "", NULL },
	[GW_WS_REF_NOT_FOUND] = { 404, "Not Found",
		"there is nothing here", &m_not_found },
	[GW_WS_REF_METHOD] = { 405, "Method Not Allowed",
		"only GET and HEAD are served", &m_method },
	[GW_WS_REF_HOST] = { 400, "Bad Request",
		"Host is missing or bad", &m_host },
	[GW_WS_REF_HANDSHAKE] = { 400, "Bad Request",
		"not a WebSocket handshake", &m_handshake },
	[GW_WS_REF_VERSION] = { 426, "Upgrade Required",
		"only version 13 of WebSocket is spoken", &m_version },
	[GW_WS_REF_SUBPROTOCOL] = { 400, "Bad Request",
		"sub-protocol " GW_WS_SUBPROTOCOL " is required",
		&m_subprotocol },
	[GW_WS_REF_ORIGIN] = { 403, "Forbidden",
		"this origin is not allowed", &m_origin },
	[GW_WS_REF_LIMIT] = { 503, "Service Unavailable",
		"too many connections", &m_limit },
	[GW_WS_REF_LIMIT_IP] = { 429, "Too Many Requests",
		"too many connections from this address", &m_limit_ip },
	[GW_WS_REF_PAUSED] = { 429, "Too Many Requests",
		"too many failures from this address", &m_paused },
	[GW_WS_REF_INTERNAL] = { 500, "Internal Server Error",
		"the request cannot be served", &m_internal },
};
/* clang-format on */

/* Header fields of one reply: only those that are set are sent. */
struct head {
	unsigned status;
	const char *type, *etag, *allow;
	unsigned retry_after_s;
	size_t len;
	bool page, close, version;
};

void gw_ws_note_refusal(const struct gw_ws_net *net, enum gw_ws_refusal why)
{
	char peer[GW_ADDR_STRLEN];

	gw_metric_add(refusals[why].count, 1);
	gw_info(&lg, "%s refused %s: %u %s", net->listener->text,
		gw_addr_print(&net->peer, peer, sizeof(peer)),
		refusals[why].status, refusals[why].detail);
}

unsigned gw_ws_retry_after_s(struct gw_ws *ws, const struct gw_ws_net *net,
			     enum gw_ws_refusal why)
{
	uint64_t ms;

	if (why == GW_WS_REF_LIMIT || why == GW_WS_REF_LIMIT_IP)
		return BUSY_S;
	if (why != GW_WS_REF_PAUSED || !net)
		return 0;
	ms = gw_ws_limits_wait_ms(net->ip, gw_timers_now_us(ws->timers));
	return (unsigned)(ms / 1000) + 1;
}

static int add(struct lws *wsi, unsigned char **p, unsigned char *end,
	       const char *name, const char *value)
{
	return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
					   (const unsigned char *)value,
					   (int)strlen(value), p, end);
}

static int add_number(struct lws *wsi, unsigned char **p, unsigned char *end,
		      const char *name, unsigned value)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", value);
	return add(wsi, p, end, name, text);
}

/* A page may load what is its own, play what it made of its microphone, and
 * open our WebSocket; 'self' means that one too, except to older browsers. */
static int add_page_policy(struct lws *wsi, unsigned char **p,
			   unsigned char *end, bool tls)
{
	return add(wsi, p, end, "content-security-policy:",
		   tls ? CSP_COMMON "connect-src 'self' wss:"
		       : CSP_COMMON "connect-src 'self' ws: wss:") ||
	       add(wsi, p, end,
		   "permissions-policy:", "microphone=(self), camera=(self)") ||
	       add(wsi, p, end, "cross-origin-opener-policy:", "same-origin");
}

static const char *status_title(unsigned status)
{
	if (status == 304)
		return "Not Modified";
	for (size_t i = GW_WS_OK; i < GW_WS_NREFUSALS; i++) {
		if (refusals[i].status == status)
			return refusals[i].title;
	}
	return "Error";
}

/* libwebsockets would say HTTP/1.0 where it has not looked at the version yet,
 * and has no words for 429. */
static int add_status(struct lws *wsi, unsigned char **p, unsigned char *end,
		      unsigned status)
{
	char line[64];
	int n;

	if (lws_get_network_wsi(wsi) != wsi)
		return lws_add_http_header_status(wsi, status, p, end);
	n = snprintf(line, sizeof(line), "HTTP/1.1 %u %s", status,
		     status_title(status));
	return lws_add_http_header_by_name(wsi, NULL, (unsigned char *)line, n,
					   p, end);
}

static int write_head(const struct gw_ws_net *net, struct lws *wsi,
		      const struct head *h, unsigned char **p,
		      unsigned char *end)
{
	bool tls = net && net->listener->kind == GW_WS_TLS;
	bool h1 = lws_get_network_wsi(wsi) == wsi;

	if (add_status(wsi, p, end, h->status) ||
	    (h->type && add(wsi, p, end, "content-type:", h->type)) ||
	    (h->status != 304 &&
	     lws_add_http_header_content_length(wsi, h->len, p, end)) ||
	    add(wsi, p, end, "x-content-type-options:", "nosniff") ||
	    add(wsi, p, end, "referrer-policy:", "no-referrer") ||
	    add(wsi, p, end,
		"cache-control:", h->etag ? "no-cache" : "no-store"))
		return -1;
	if ((h->etag && add(wsi, p, end, "etag:", h->etag)) ||
	    (h->allow && add(wsi, p, end, "allow:", h->allow)) ||
	    (h->version && add(wsi, p, end, "sec-websocket-version:", "13")) ||
	    (h->retry_after_s &&
	     add_number(wsi, p, end, "retry-after:", h->retry_after_s)) ||
	    (h->page && add_page_policy(wsi, p, end, tls)))
		return -1;
	/* Not with our own certificate: a browser would remember, and then
	 * refuse everything else on "localhost" that has no TLS. */
	if (tls && !gw_ws_tls_selfmade(net->ws->set) &&
	    add(wsi, p, end, "strict-transport-security:", HSTS))
		return -1;
	if (h1 && h->close && add(wsi, p, end, "connection:", "close"))
		return -1;
	return lws_finalize_http_header(wsi, p, end);
}

void gw_ws_session_fini(struct gw_ws_session *s)
{
	gw_ws_pages_put(s->pages);
	free(s->own);
	s->pages = NULL;
	s->own = NULL;
	s->body = NULL;
	s->len = s->off = 0;
}

static int finish(struct lws *wsi, struct gw_ws_session *s, bool close)
{
	gw_ws_session_fini(s);
	if (close)
		return -1;
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* Sends the head; the body in @s follows from WRITEABLE. */
static int reply(const struct gw_ws_net *net, struct lws *wsi,
		 struct gw_ws_session *s, const struct head *h)
{
	unsigned char buf[LWS_PRE + HEAD_ROOM];
	unsigned char *start = buf + LWS_PRE, *p = start;
	int flags = LWS_WRITE_HTTP_HEADERS;
	int n;

	gw_metric_add(&m_answered, 1);
	if (write_head(net, wsi, h, &p, buf + sizeof(buf)))
		return finish(wsi, s, true);
	if (!s->len)
		flags |= LWS_WRITE_H2_STREAM_END;
	n = (int)(p - start);
	if (lws_write(wsi, start, (size_t)n, (enum lws_write_protocol)flags) !=
	    n)
		return finish(wsi, s, true);
	if (!s->len)
		return finish(wsi, s, h->close);
	lws_callback_on_writable(wsi);
	return 0;
}

int gw_ws_http_writeable(struct lws *wsi, struct gw_ws_session *s)
{
	unsigned char buf[LWS_PRE + CHUNK];
	enum lws_write_protocol how = LWS_WRITE_HTTP;
	lws_fileofs_t room;
	size_t n;

	if (!s || !s->body)
		return 0;
	n = s->len - s->off;
	if (n > CHUNK)
		n = CHUNK;
	room = lws_get_peer_write_allowance(wsi); /* HTTP/2 flow control */
	if (room == 0)
		return 0; /* WINDOW_UPDATE brings us back */
	if (room > 0 && n > (size_t)room)
		n = (size_t)room;
	if (s->off + n == s->len)
		how = LWS_WRITE_HTTP_FINAL;
	memcpy(buf + LWS_PRE, s->body + s->off, n);
	if (lws_write(wsi, buf + LWS_PRE, n, how) != (int)n)
		return finish(wsi, s, true);
	s->off += n;
	if (s->off == s->len)
		return finish(wsi, s, false);
	/* Whoever takes something is given more time. */
	lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, GW_WS_IO_TIMEOUT_S);
	lws_callback_on_writable(wsi);
	return 0;
}

static int print_problem(char *out, size_t size, unsigned status,
			 const char *title, const char *detail)
{
	return snprintf(out, size,
			"{\"type\":\"about:blank\",\"title\":\"%s\","
			"\"status\":%u,\"detail\":\"%s\"}",
			title, status, detail);
}

static struct head refusal_head(struct gw_ws *ws, const struct gw_ws_net *net,
				enum gw_ws_refusal why)
{
	return (struct head){
		.status = refusals[why].status,
		.type = PROBLEM_TYPE,
		.allow = why == GW_WS_REF_METHOD ? "GET, HEAD" : NULL,
		.version = why == GW_WS_REF_VERSION,
		.retry_after_s = gw_ws_retry_after_s(ws, net, why),
		.close = true,
	};
}

void gw_ws_http_refuse_now(struct gw_ws *ws, struct lws *wsi,
			   enum gw_ws_refusal why)
{
	struct gw_ws_net *net = gw_ws_net_of(wsi);
	struct head h = refusal_head(ws, net, why);
	unsigned char buf[LWS_PRE + HEAD_ROOM], text[LWS_PRE + 512];
	unsigned char *start = buf + LWS_PRE, *p = start;
	int n, len = print_problem((char *)text + LWS_PRE, 512, h.status,
				   refusals[why].title, refusals[why].detail);

	gw_metric_add(&m_answered, 1);
	h.len = (size_t)len;
	if (write_head(net, wsi, &h, &p, buf + sizeof(buf)))
		return;
	n = (int)(p - start);
	if (lws_write(wsi, start, (size_t)n, LWS_WRITE_HTTP_HEADERS) == n)
		(void)lws_write(wsi, text + LWS_PRE, (size_t)len,
				LWS_WRITE_HTTP_FINAL);
}

/* @body is taken. */
static int reply_own(const struct gw_ws_net *net, struct lws *wsi,
		     struct gw_ws_session *s, struct head *h, char *body,
		     size_t len, bool head_only)
{
	h->len = len;
	gw_ws_session_fini(s);
	if (head_only || !len) {
		free(body);
	} else {
		s->own = body;
		s->body = body;
		s->len = len;
	}
	return reply(net, wsi, s, h);
}

static int refuse(struct gw_ws *ws, struct gw_ws_net *net, struct lws *wsi,
		  struct gw_ws_session *s, enum gw_ws_refusal why,
		  bool head_only)
{
	struct head h = refusal_head(ws, net, why);
	char *body = malloc(512);
	int len;

	gw_ws_note_refusal(net, why);
	if (!body)
		return -1;
	/* A browser may ask for what we do not have and go on. */
	h.close = why != GW_WS_REF_NOT_FOUND;
	len = print_problem(body, 512, h.status, refusals[why].title,
			    refusals[why].detail);
	return reply_own(net, wsi, s, &h, body, (size_t)len, head_only);
}

static int serve_page(struct gw_ws *ws, struct gw_ws_net *net, struct lws *wsi,
		      struct gw_ws_session *s, const struct gw_ws_page *pg,
		      bool head_only)
{
	struct head h = { .status = 200,
			  .type = pg->type,
			  .etag = pg->etag,
			  .len = pg->len,
			  .page = true };
	char known[256];

	gw_ws_session_fini(s);
	if (lws_hdr_copy(wsi, known, sizeof(known),
			 WSI_TOKEN_HTTP_IF_NONE_MATCH) > 0 &&
	    strstr(known, pg->etag)) {
		h.status = 304;
		return reply(net, wsi, s, &h);
	}
	if (!head_only && pg->len) {
		gw_ws_pages_hold(ws->pages);
		s->pages = ws->pages;
		s->body = pg->data;
		s->len = pg->len;
	}
	return reply(net, wsi, s, &h);
}

/* Where the WebSocket is, for a client that knows only our name. */
static int serve_discovery(struct gw_ws *ws, struct gw_ws_net *net,
			   struct lws *wsi, struct gw_ws_session *s,
			   bool head_only)
{
	struct head h = { .status = 200, .type = "application/json" };
	bool h2 = lws_get_network_wsi(wsi) != wsi;
	char host[256], *body;
	int len;

	if (lws_hdr_copy(wsi, host, sizeof(host),
			 h2 ? WSI_TOKEN_HTTP_COLON_AUTHORITY
			    : WSI_TOKEN_HOST) <= 0 ||
	    !gw_ws_host_valid(host))
		return refuse(ws, net, wsi, s, GW_WS_REF_HOST, head_only);
	body = malloc(512);
	if (!body)
		return -1;
	len = snprintf(body, 512,
		       "{\"endpoint\":\"%s://%s%s\",\"protocol\":\"%s\"}",
		       net->listener->kind == GW_WS_TLS ? "wss" : "ws", host,
		       ws->set->web.path, GW_WS_SUBPROTOCOL);
	return reply_own(net, wsi, s, &h, body, (size_t)len, head_only);
}

static int serve_admin(struct gw_ws *ws, struct gw_ws_net *net, struct lws *wsi,
		       struct gw_ws_session *s, const char *path,
		       bool head_only)
{
	const char *type = "text/plain; charset=utf-8";
	struct head h = { .status = 404 };
	struct gw_buf body;
	char *text;
	size_t len;

	gw_buf_init(&body, BODY_LIMIT);
	if (ws->h.admin)
		h.status = ws->h.admin(path, &body, &type, ws->h.arg);
	if (gw_buf_error(&body) || h.status < 200 || h.status > 599)
		h.status = 500;
	if (h.status >= 400 && (gw_buf_error(&body) || !body.len)) {
		char problem[512];

		gw_buf_fini(&body);
		gw_buf_init(&body, BODY_LIMIT);
		(void)print_problem(problem, sizeof(problem), h.status,
				    status_title(h.status),
				    status_title(h.status));
		gw_buf_str(&body, problem);
		type = PROBLEM_TYPE;
	}
	h.type = type;
	len = body.len;
	text = len ? gw_buf_take(&body) : NULL;
	gw_buf_fini(&body);
	if (len && !text)
		return -1;
	return reply_own(net, wsi, s, &h, text, len, head_only);
}

/* Its path and whether the method is one that we serve. */
static bool read_request(struct lws *wsi, char *path, size_t size, bool *head)
{
	enum lws_token_indexes h;
	char method[8] = "";

	*head = false;
	path[0] = '\0';
	if (lws_get_network_wsi(wsi) != wsi) {
		if (lws_hdr_copy(wsi, method, sizeof(method),
				 WSI_TOKEN_HTTP_COLON_METHOD) <= 0)
			return false;
		*head = !strcmp(method, "HEAD");
		if (!*head && strcmp(method, "GET") != 0)
			return false;
		h = WSI_TOKEN_HTTP_COLON_PATH;
	} else if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI)) {
		h = WSI_TOKEN_GET_URI;
	} else if (lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI)) {
		h = WSI_TOKEN_HEAD_URI;
		*head = true;
	} else {
		return false;
	}
	/* Too long a path is one that we do not have. */
	if (lws_hdr_copy(wsi, path, (int)size, h) < 0)
		(void)snprintf(path, size, "?");
	if (path[0] != '?')
		path[strcspn(path, "?")] = '\0';
	return true;
}

int gw_ws_http_request(struct gw_ws *ws, struct lws *wsi,
		       struct gw_ws_session *s)
{
	struct gw_ws_net *net = gw_ws_net_of(wsi);
	const struct gw_ws_page *pg;
	char path[512];
	bool head;

	if (!net || !s)
		return -1;
	if (!read_request(wsi, path, sizeof(path), &head))
		return refuse(ws, net, wsi, s, GW_WS_REF_METHOD, false);
	if (net->listener->kind == GW_WS_ADMIN)
		return serve_admin(ws, net, wsi, s, path, head);
	if (gw_ws_limits_wait_ms(net->ip, gw_timers_now_us(ws->timers)))
		return refuse(ws, net, wsi, s, GW_WS_REF_PAUSED, head);
	if (net->over)
		return refuse(ws, net, wsi, s, GW_WS_REF_LIMIT_IP, head);
	if (!strcmp(path, "/.well-known/3gpp-respect"))
		return serve_discovery(ws, net, wsi, s, head);
	pg = gw_ws_pages_find(ws->pages, path);
	if (!pg)
		return refuse(ws, net, wsi, s, GW_WS_REF_NOT_FOUND, head);
	return serve_page(ws, net, wsi, s, pg, head);
}
