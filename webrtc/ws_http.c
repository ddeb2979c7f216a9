/*
 * What HTTP on the web listeners is answered with: pages, discovery, the admin
 * listener, and every refusal, as problem details (RFC 9457); and what is
 * checked before a WebSocket exists for the rest of the gateway.  Decisions
 * only: ws_lws_http.c and h2_http.c read requests and write replies.
 * Signalling thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/metrics.h"
#include "webrtc/ws_origin.h"
#include "webrtc/ws_priv.h"
#include "webrtc/ws_tls.h"

#define BODY_LIMIT     (16u << 20)
#define BODY_SMALL     512
#define BODY_DISCOVERY 1024
#define BUSY_S         5
#define HSTS           "max-age=31536000"
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
REFUSED(m_length, "length");
REFUSED(m_form, "form");
REFUSED(m_host, "host");
REFUSED(m_too_large, "headers_too_large");
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
	[GW_WS_REF_LENGTH] = { 411, "Length Required",
		"a form needs its Content-Length", &m_length },
	[GW_WS_REF_FORM] = { 413, "Content Too Large",
		"the form is too long", &m_form },
	[GW_WS_REF_HOST] = { 400, "Bad Request",
		"Host is missing or bad", &m_host },
	[GW_WS_REF_TOO_LARGE] = { 431, "Request Header Fields Too Large",
		"the request's fields are too long", &m_too_large },
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

static void note_refusal(const struct gw_ws_net *net, enum gw_ws_refusal why)
{
	char peer[GW_ADDR_STRLEN];

	gw_metric_add(refusals[why].count, 1);
	gw_info(&lg, "%s refused %s: %u %s", net->listener->text,
		gw_addr_print(&net->peer, peer, sizeof(peer)),
		refusals[why].status, refusals[why].detail);
}

static unsigned retry_after_s(const struct gw_ws_net *net,
			      enum gw_ws_refusal why)
{
	uint64_t ms;

	if (why == GW_WS_REF_LIMIT || why == GW_WS_REF_LIMIT_IP)
		return BUSY_S;
	if (why != GW_WS_REF_PAUSED)
		return 0;
	ms = gw_ws_limits_wait_ms(net->ip, gw_timers_now_us(net->ws->timers));
	return (unsigned)(ms / 1000) + 1;
}

const char *gw_ws_status_title(unsigned status)
{
	if (status == 303)
		return "See Other";
	if (status == 304)
		return "Not Modified";
	if (status == 401)
		return "Unauthorized";
	for (size_t i = GW_WS_OK; i < GW_WS_NREFUSALS; i++) {
		if (refusals[i].status == status)
			return refusals[i].title;
	}
	return "Error";
}

/* A page may load what is its own, play what it made of its microphone, and
 * open our WebSocket; 'self' means that one too, except to older browsers. */
static int page_policy(bool tls, gw_ws_field_h *add, void *arg)
{
	int rc = add("content-security-policy",
		     tls ? CSP_COMMON "connect-src 'self' wss:"
			 : CSP_COMMON "connect-src 'self' ws: wss:",
		     arg);

	if (!rc)
		rc = add("permissions-policy",
			 "microphone=(self), camera=(self)", arg);
	if (!rc)
		rc = add("cross-origin-opener-policy", "same-origin", arg);
	return rc;
}

static int app_fields(const struct gw_ws_app *a, gw_ws_field_h *add, void *arg)
{
	const struct {
		const char *name, *value;
	} fields[] = {
		{"location",                     a->location                       },
		{ "set-cookie",                  a->set_cookie                     },
		{ "content-security-policy",     a->policy                         },
		{ "access-control-allow-origin", a->allow_origin                   },
		{ "vary",                        a->allow_origin[0] ? "origin" : ""},
		{ "pragma",                      a->max_age_s ? "" : "no-cache"    }, /* RFC 6749 5.1 */
	};
	int rc = 0;

	for (size_t i = 0; !rc && i < GW_ARRAY_LEN(fields); i++) {
		if (fields[i].value[0])
			rc = add(fields[i].name, fields[i].value, arg);
	}
	return rc;
}

int gw_ws_reply_fields(const struct gw_ws_net *net, const struct gw_ws_reply *r,
		       gw_ws_field_h *add, void *arg)
{
	bool tls = net->listener->kind == GW_WS_TLS;
	const struct gw_ws_app *a = r->app;
	char retry[16], age[48];
	bool cached = a && a->max_age_s;
	/* Strict transport security not with our own certificate: a browser
	 * would remember, and then refuse everything else on "localhost" that
	 * has no TLS. */
	const struct {
		const char *name, *value;
	} fields[] = {
		{"content-type",               r->type                                     },
		{ "x-content-type-options",    "nosniff"                                   },
 /* A form would be sent with "Origin: null" otherwise. */
		{ "referrer-policy",           a ? "same-origin" : "no-referrer"           },
		{ "cache-control",             cached    ? age
				   : r->etag ? "no-cache"
					     : "no-store"},
		{ "etag",                      r->etag				     },
		{ "allow",                     r->allow				    },
		{ "sec-websocket-version",     r->version ? "13" : NULL                    },
		{ "retry-after",               r->retry_after_s ? retry : NULL             },
		{ "strict-transport-security",
                 tls && !gw_ws_tls_selfmade(net->ws->set) ? HSTS : NULL                    },
	};
	int rc = r->page ? page_policy(tls, add, arg)
		 : a     ? app_fields(a, add, arg)
			 : 0;

	gw_metric_add(&m_answered, 1);
	(void)snprintf(retry, sizeof(retry), "%u", r->retry_after_s);
	(void)snprintf(age, sizeof(age), "public, max-age=%u",
		       cached ? a->max_age_s : 0);
	for (size_t i = 0; !rc && i < GW_ARRAY_LEN(fields); i++) {
		if (fields[i].value)
			rc = add(fields[i].name, fields[i].value, arg);
	}
	return rc;
}

void gw_ws_reply_fini(struct gw_ws_reply *r)
{
	gw_ws_pages_put(r->pages);
	gw_ws_app_free(r->app);
	free(r->own);
	memset(r, 0, sizeof(*r));
}

static int print_problem(char *out, size_t size, unsigned status,
			 const char *title, const char *detail)
{
	return snprintf(out, size,
			"{\"type\":\"about:blank\",\"title\":\"%s\","
			"\"status\":%u,\"detail\":\"%s\"}",
			title, status, detail);
}

/* @body is taken; HEAD leaves it out. */
static void set_own(struct gw_ws_reply *r, char *body, size_t len, bool head)
{
	r->full = len;
	if (head || !len) {
		free(body);
		return;
	}
	r->own = body;
	r->body = body;
	r->len = len;
}

int gw_ws_http_refuse(const struct gw_ws_net *net, enum gw_ws_refusal why,
		      bool head, struct gw_ws_reply *r)
{
	char *body = malloc(BODY_SMALL);
	int len;

	note_refusal(net, why);
	if (!body)
		return -ENOMEM;
	*r = (struct gw_ws_reply){
		.status = refusals[why].status,
		.type = PROBLEM_TYPE,
		.allow = why == GW_WS_REF_METHOD ? "GET, HEAD" : NULL,
		.version = why == GW_WS_REF_VERSION,
		.retry_after_s = retry_after_s(net, why),
		/* A browser may ask for what we do not have and go on. */
		.close = why != GW_WS_REF_NOT_FOUND,
	};
	len = print_problem(body, BODY_SMALL, r->status, refusals[why].title,
			    refusals[why].detail);
	set_own(r, body, (size_t)len, head);
	return 0;
}

static int serve_page(const struct gw_ws_net *net,
		      const struct gw_ws_request *req,
		      const struct gw_ws_page *pg, struct gw_ws_reply *r)
{
	*r = (struct gw_ws_reply){ .status = 200,
				   .type = pg->type,
				   .etag = pg->etag,
				   .full = pg->len,
				   .page = true };
	/* The etag is in there, so the set of pages has to stay. */
	gw_ws_pages_hold(net->ws->pages);
	r->pages = net->ws->pages;
	if (req->known && strstr(req->known, pg->etag)) {
		r->status = 304;
	} else if (!req->head && pg->len) {
		r->body = pg->data;
		r->len = pg->len;
	}
	return 0;
}

/* Where the WebSocket is, for a client that knows only our name; and where its
 * user can log in. */
static int serve_discovery(const struct gw_ws_net *net,
			   const struct gw_ws_request *req,
			   struct gw_ws_reply *r)
{
	const struct gw_settings *set = net->ws->set;
	bool waf = set->waf.enabled;
	char *body;
	int len;

	if (!gw_ws_host_valid(req->host))
		return gw_ws_http_refuse(net, GW_WS_REF_HOST, req->head, r);
	body = malloc(BODY_DISCOVERY);
	if (!body)
		return -ENOMEM;
	*r = (struct gw_ws_reply){ .status = 200, .type = "application/json" };
	len = snprintf(body, BODY_DISCOVERY,
		       "{\"endpoint\":\"%s://%s%s\",\"protocol\":\"%s\"%s%s%s}",
		       net->listener->kind == GW_WS_TLS ? "wss" : "ws",
		       req->host, set->web.path, GW_WS_SUBPROTOCOL,
		       waf ? ",\"authorizationServer\":\"" : "",
		       waf ? set->waf.issuer : "", waf ? "\"" : "");
	if (len >= BODY_DISCOVERY) {
		free(body);
		return gw_ws_http_refuse(net, GW_WS_REF_HOST, req->head, r);
	}
	set_own(r, body, (size_t)len, req->head);
	return 0;
}

static int serve_admin(const struct gw_ws_net *net, const char *path, bool head,
		       struct gw_ws_reply *r)
{
	const struct gw_ws_handlers *h = &net->ws->h;
	const char *type = "text/plain; charset=utf-8";
	unsigned status = 404;
	struct gw_buf body;
	char *text;
	size_t len;

	gw_buf_init(&body, BODY_LIMIT);
	if (h->admin)
		status = h->admin(path, &body, &type, h->arg);
	if (gw_buf_error(&body) || status < 200 || status > 599)
		status = 500;
	if (status >= 400 && (gw_buf_error(&body) || !body.len)) {
		char problem[BODY_SMALL];

		gw_buf_fini(&body);
		gw_buf_init(&body, BODY_LIMIT);
		(void)print_problem(problem, sizeof(problem), status,
				    gw_ws_status_title(status),
				    gw_ws_status_title(status));
		gw_buf_str(&body, problem);
		type = PROBLEM_TYPE;
	}
	len = body.len;
	text = len ? gw_buf_take(&body) : NULL;
	gw_buf_fini(&body);
	if (len && !text)
		return -ENOMEM;
	*r = (struct gw_ws_reply){ .status = status, .type = type };
	set_own(r, text, len, head);
	return 0;
}

/* A form is waited for; anything else is answered now, or later. */
static int begin_app(const struct gw_ws_net *net,
		     const struct gw_ws_request *req, const char *path,
		     struct gw_ws_app **app)
{
	*app = gw_ws_app_new(net, req, path);
	return *app ? -EINPROGRESS : -ENOMEM;
}

int gw_ws_http_answer(const struct gw_ws_net *net,
		      const struct gw_ws_request *req, struct gw_ws_reply *r,
		      struct gw_ws_app **app)
{
	const struct gw_ws *ws = net->ws;
	const struct gw_ws_page *pg;
	char path[512] = "?";
	size_t n = strcspn(req->path, "?");

	*app = NULL;
	/* Too long a path is one that we do not have. */
	if (n < sizeof(path)) {
		memcpy(path, req->path, n);
		path[n] = '\0';
	}
	if (net->listener->kind == GW_WS_ADMIN && !req->post)
		return serve_admin(net, path, req->head, r);
	if (gw_ws_limits_wait_ms(net->ip, gw_timers_now_us(ws->timers)))
		return gw_ws_http_refuse(net, GW_WS_REF_PAUSED, req->head, r);
	if (net->over)
		return gw_ws_http_refuse(net, GW_WS_REF_LIMIT_IP, req->head, r);
	if (net->listener->kind != GW_WS_ADMIN && ws->h.app_has &&
	    ws->h.app_has(path, ws->h.arg))
		return begin_app(net, req, path, app);
	if (req->post)
		return gw_ws_http_refuse(net, GW_WS_REF_METHOD, false, r);
	if (!strcmp(path, "/.well-known/3gpp-respect"))
		return serve_discovery(net, req, r);
	pg = gw_ws_pages_find(ws->pages, path);
	if (!pg)
		return gw_ws_http_refuse(net, GW_WS_REF_NOT_FOUND, req->head,
					 r);
	return serve_page(net, req, pg, r);
}

/* ---- before a WebSocket ---- */

/* web.path, where a slash at the end makes no difference. */
static bool is_path(const struct gw_ws *ws, const char *path)
{
	const char *want = ws->set->web.path;
	size_t n = strcspn(path, "?"), w = strlen(want);

	while (n > 1 && path[n - 1] == '/')
		n--;
	while (w > 1 && want[w - 1] == '/')
		w--;
	return n == w && !memcmp(path, want, n);
}

bool gw_ws_has_token(const char *list, const char *token, bool fold)
{
	size_t t = strlen(token);

	while (*list) {
		size_t n;

		list += strspn(list, " \t,");
		n = strcspn(list, ",");
		while (n && (list[n - 1] == ' ' || list[n - 1] == '\t'))
			n--;
		if (n == t && !(fold ? strncasecmp(list, token, n)
				     : strncmp(list, token, n)))
			return true;
		list += n;
		list += strcspn(list, ",");
	}
	return false;
}

static enum gw_ws_refusal check_limits(const struct gw_ws_net *net)
{
	const struct gw_ws *ws = net->ws;
	const struct gw_set_web *web = &ws->set->web;

	if (gw_ws_limits_wait_ms(net->ip, gw_timers_now_us(ws->timers)))
		return GW_WS_REF_PAUSED;
	if (net->over || (web->max_connections_ip &&
			  net->ip->websockets >= web->max_connections_ip))
		return GW_WS_REF_LIMIT_IP;
	if (ws->freeing ||
	    (web->max_connections && ws->nconn >= web->max_connections))
		return GW_WS_REF_LIMIT;
	return GW_WS_OK;
}

enum gw_ws_refusal gw_ws_http_check(const struct gw_ws_net *net,
				    const struct gw_ws_handshake *hs)
{
	const struct gw_ws *ws = net->ws;
	enum gw_ws_refusal why = check_limits(net);

	if (why != GW_WS_OK)
		return why;
	if (net->listener->kind == GW_WS_ADMIN || hs->no_path || !hs->path ||
	    !is_path(ws, hs->path))
		return GW_WS_REF_NOT_FOUND;
	if (hs->no_subprotocol || !hs->subprotocol ||
	    !gw_ws_has_token(hs->subprotocol, GW_WS_SUBPROTOCOL, false))
		return GW_WS_REF_SUBPROTOCOL;
	/* RFC 6455 4.4; HTTP/2 may leave it out (RFC 8441 5 does not say) */
	if (hs->version ? strcmp(hs->version, "13") != 0 : !hs->h2)
		return GW_WS_REF_VERSION;
	if (hs->no_host || !gw_ws_host_valid(hs->host))
		return GW_WS_REF_HOST;
	if (hs->no_origin ||
	    !gw_ws_origin_allowed(&ws->set->web, hs->origin, hs->host,
				  net->listener->kind == GW_WS_TLS))
		return GW_WS_REF_ORIGIN;
	return GW_WS_OK;
}
