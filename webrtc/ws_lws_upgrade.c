/*
 * From an HTTP request to a WebSocket: RFC 6455 4.2 over HTTP/1.1, RFC 8441
 * over HTTP/2, and everything that is checked before a connection exists for
 * the rest of the gateway.  Signalling thread.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <libwebsockets.h>

#include "webrtc/ws_origin.h"
#include "webrtc/ws_priv.h"

/*
 * libwebsockets 4.1.6 forgets to free its "ws struct" when a WebSocket over
 * HTTP/2 is denied: the stream's role is still h2 then, and only the ws role
 * frees it.  Any client could make us leak that way, so we note the pointer
 * (allocations carry their purpose) and free it ourselves at the next denial,
 * by when the stream is long gone.  Should a version free it, we see that too.
 */
static void *last_ws;
static void *orphan;

static void *on_realloc(void *ptr, size_t size, const char *reason)
{
	void *p;

	if (ptr && ptr == last_ws)
		last_ws = NULL;
	if (ptr && ptr == orphan)
		orphan = NULL;
	if (!size) {
		free(ptr);
		return NULL;
	}
	p = realloc(ptr, size);
	if (!ptr && p && reason && !strcmp(reason, "ws struct"))
		last_ws = p;
	return p;
}

void gw_ws_upgrade_init(void)
{
	lws_set_allocator(on_realloc);
}

void gw_ws_upgrade_fini(void)
{
	free(orphan);
	orphan = last_ws = NULL;
}

static void adopt_orphan(void)
{
	free(orphan);
	orphan = last_ws;
	last_ws = NULL;
}

/* Copied header, "" when absent; false when it does not fit. */
static bool header(struct lws *wsi, enum lws_token_indexes h, char *out,
		   size_t size)
{
	out[0] = '\0';
	return lws_hdr_copy(wsi, out, (int)size, h) >= 0;
}

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

/* Is @token in a comma separated list? */
static bool has_token(const char *list, const char *token, bool fold)
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

static enum gw_ws_refusal check_limits(const struct gw_ws *ws,
				       const struct gw_ws_net *net)
{
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

/* Sec-WebSocket-*, and who asks.  libwebsockets copies the list of protocols
 * into 128 bytes (HTTP/2: 64) and hangs up when it is longer: say why. */
static enum gw_ws_refusal check_request(const struct gw_ws *ws,
					const struct gw_ws_net *net,
					struct lws *wsi, bool h2)
{
	char value[127];
	char host[256], origin[300];
	bool has_origin = lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) > 0;

	if (!header(wsi, WSI_TOKEN_PROTOCOL, value, h2 ? 65 : sizeof(value)) ||
	    !has_token(value, GW_WS_SUBPROTOCOL, false))
		return GW_WS_REF_SUBPROTOCOL;
	/* RFC 6455 4.4; HTTP/2 may leave it out (RFC 8441 5 does not say) */
	if (!header(wsi, WSI_TOKEN_VERSION, value, sizeof(value)) ||
	    (strcmp(value, "13") != 0 && !(h2 && !value[0])))
		return GW_WS_REF_VERSION;
	if (!header(wsi, h2 ? WSI_TOKEN_HTTP_COLON_AUTHORITY : WSI_TOKEN_HOST,
		    host, sizeof(host)) ||
	    !gw_ws_host_valid(host))
		return GW_WS_REF_HOST;
	if (!header(wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin)) ||
	    !gw_ws_origin_allowed(&ws->set->web, has_origin ? origin : NULL,
				  host, net->listener->kind == GW_WS_TLS))
		return GW_WS_REF_ORIGIN;
	return GW_WS_OK;
}

static enum gw_ws_refusal check(const struct gw_ws *ws,
				const struct gw_ws_net *net, struct lws *wsi,
				bool h2)
{
	enum gw_ws_refusal why = check_limits(ws, net);
	char path[256];

	if (why != GW_WS_OK)
		return why;
	if (net->listener->kind == GW_WS_ADMIN ||
	    !header(wsi, h2 ? WSI_TOKEN_HTTP_COLON_PATH : WSI_TOKEN_GET_URI,
		    path, sizeof(path)) ||
	    !is_path(ws, path))
		return GW_WS_REF_NOT_FOUND;
	return check_request(ws, net, wsi, h2);
}

/*
 * LWS_CALLBACK_HTTP_CONFIRM_UPGRADE.  0 goes on, -1 hangs up.
 *
 * The header's text, which the callback is given, must not be read: after an
 * Upgrade to something unknown 4.1.6 has already answered and let go of the
 * headers when it calls us (CVE-2025-11677).  No header left tells that.
 */
int gw_ws_upgrade_h1(struct gw_ws *ws, struct lws *wsi)
{
	struct gw_ws_net *net = gw_ws_net_of(wsi);
	enum gw_ws_refusal why;
	char value[127];

	if (!net || !lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE))
		return -1;
	if (!header(wsi, WSI_TOKEN_UPGRADE, value, sizeof(value)) ||
	    strcasecmp(value, "websocket") != 0)
		why = GW_WS_REF_HANDSHAKE; /* h2c: TLS has ALPN for that */
	else
		why = check(ws, net, wsi, false);
	if (why == GW_WS_OK &&
	    (!header(wsi, WSI_TOKEN_CONNECTION, value, sizeof(value)) ||
	     !has_token(value, "upgrade", true) ||
	     !header(wsi, WSI_TOKEN_KEY, value, sizeof(value)) ||
	     strlen(value) != 24))
		why = GW_WS_REF_HANDSHAKE;
	if (why == GW_WS_OK)
		return 0;
	gw_ws_note_refusal(net, why);
	gw_ws_http_refuse_now(ws, wsi, why);
	return -1;
}

/* LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION comes for both; HTTP/1.1 has been
 * through the above. */
int gw_ws_upgrade_h2(struct gw_ws *ws, struct lws *wsi)
{
	struct gw_ws_net *net = gw_ws_net_of(wsi);
	enum gw_ws_refusal why;

	if (lws_get_network_wsi(wsi) == wsi)
		return 0;
	why = net ? check(ws, net, wsi, true) : GW_WS_REF_INTERNAL;
	if (why == GW_WS_OK)
		return 0;
	if (net)
		gw_ws_note_refusal(net, why);
	gw_ws_http_refuse_now(ws, wsi, why);
	adopt_orphan();
	return -1;
}
