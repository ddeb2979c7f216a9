/*
 * HTTP/1.1 by libwebsockets: requests are read out of it, and replies written
 * piece by piece as the peer takes them.  Signalling thread.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <libwebsockets.h>

#include "webrtc/ws_priv.h"

#define HEAD_ROOM 2048
#define CHUNK     8192

struct head {
	struct lws *wsi;
	unsigned char *p, *end;
};

static int add_field(const char *name, const char *value, void *arg)
{
	struct head *h = arg;
	char colon[48];
	int n = snprintf(colon, sizeof(colon), "%s:", name);

	if (n < 0 || (size_t)n >= sizeof(colon))
		return -1;
	return lws_add_http_header_by_name(h->wsi, (unsigned char *)colon,
					   (const unsigned char *)value,
					   (int)strlen(value), &h->p, h->end);
}

/* libwebsockets would say HTTP/1.0 where it has not looked at the version yet,
 * and has no words for 429. */
static int add_status(struct head *h, unsigned status)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "HTTP/1.1 %u %s", status,
			 gw_ws_status_title(status));

	return lws_add_http_header_by_name(h->wsi, NULL, (unsigned char *)line,
					   n, &h->p, h->end);
}

static int write_head(const struct gw_ws_net *net, const struct gw_ws_reply *r,
		      struct head *h)
{
	if (add_status(h, r->status) ||
	    (r->status != 304 && lws_add_http_header_content_length(
					 h->wsi, r->full, &h->p, h->end)) ||
	    gw_ws_reply_fields(net, r, add_field, h) ||
	    (r->close && add_field("connection", "close", h)))
		return -1;
	return lws_finalize_http_header(h->wsi, &h->p, h->end);
}

static int send_head(const struct gw_ws_net *net, struct lws *wsi,
		     const struct gw_ws_reply *r)
{
	unsigned char buf[LWS_PRE + HEAD_ROOM];
	struct head h = { wsi, buf + LWS_PRE, buf + sizeof(buf) };
	int n;

	if (write_head(net, r, &h))
		return -1;
	n = (int)(h.p - (buf + LWS_PRE));
	return lws_write(wsi, buf + LWS_PRE, (size_t)n,
			 LWS_WRITE_HTTP_HEADERS) == n
		       ? 0
		       : -1;
}

void gw_ws_session_fini(struct gw_ws_session *s)
{
	gw_ws_reply_fini(&s->reply);
	s->off = 0;
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
		 struct gw_ws_session *s)
{
	if (send_head(net, wsi, &s->reply))
		return finish(wsi, s, true);
	if (!s->reply.len)
		return finish(wsi, s, s->reply.close);
	lws_callback_on_writable(wsi);
	return 0;
}

int gw_ws_lws_writeable(struct lws *wsi, struct gw_ws_session *s)
{
	unsigned char buf[LWS_PRE + CHUNK];
	enum lws_write_protocol how = LWS_WRITE_HTTP;
	size_t n;

	if (!s || !s->reply.body)
		return 0;
	n = s->reply.len - s->off;
	if (n > CHUNK)
		n = CHUNK;
	if (s->off + n == s->reply.len)
		how = LWS_WRITE_HTTP_FINAL;
	memcpy(buf + LWS_PRE, s->reply.body + s->off, n);
	if (lws_write(wsi, buf + LWS_PRE, n, how) != (int)n)
		return finish(wsi, s, true);
	s->off += n;
	if (s->off == s->reply.len)
		return finish(wsi, s, false);
	/* Whoever takes something is given more time. */
	lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, GW_WS_IO_TIMEOUT_S);
	lws_callback_on_writable(wsi);
	return 0;
}

/* Its path, and whether the method is one that we serve. */
static bool read_request(struct lws *wsi, char *path, size_t size, bool *head)
{
	enum lws_token_indexes h;

	*head = false;
	if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI)) {
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
	return true;
}

int gw_ws_lws_request(struct lws *wsi, struct gw_ws_session *s)
{
	struct gw_ws_net *net = gw_ws_net_of(wsi);
	struct gw_ws_request req = { .path = NULL };
	char path[512] = "", host[256], known[256];
	int rc;

	if (!net || !s)
		return -1;
	gw_ws_session_fini(s);
	if (!read_request(wsi, path, sizeof(path), &req.head)) {
		rc = gw_ws_http_refuse(net, GW_WS_REF_METHOD, false, &s->reply);
		return rc ? -1 : reply(net, wsi, s);
	}
	req.path = path;
	if (lws_hdr_copy(wsi, host, sizeof(host), WSI_TOKEN_HOST) > 0)
		req.host = host;
	if (lws_hdr_copy(wsi, known, sizeof(known),
			 WSI_TOKEN_HTTP_IF_NONE_MATCH) > 0)
		req.known = known;
	rc = gw_ws_http_answer(net, &req, &s->reply);
	/* a refusal ends the connection, as it always did; a page goes on */
	return rc ? -1 : reply(net, wsi, s);
}

/* ---- upgrade ---- */

/* The whole refusal in one go, where no WRITEABLE will come. */
static void refuse_now(const struct gw_ws_net *net, struct lws *wsi,
		       enum gw_ws_refusal why)
{
	unsigned char text[LWS_PRE + 512];
	struct gw_ws_reply r;

	if (gw_ws_http_refuse(net, why, false, &r))
		return;
	r.close = true;
	if (r.len <= sizeof(text) - LWS_PRE && !send_head(net, wsi, &r)) {
		memcpy(text + LWS_PRE, r.body, r.len);
		(void)lws_write(wsi, text + LWS_PRE, r.len,
				LWS_WRITE_HTTP_FINAL);
	}
	gw_ws_reply_fini(&r);
}

/* Copied header, "" when absent; false when it does not fit. */
static bool header(struct lws *wsi, enum lws_token_indexes h, char *out,
		   size_t size)
{
	out[0] = '\0';
	return lws_hdr_copy(wsi, out, (int)size, h) >= 0;
}

static enum gw_ws_refusal check(const struct gw_ws_net *net, struct lws *wsi)
{
	struct gw_ws_handshake hs = { .h2 = false };
	char path[256], host[256], origin[300], version[16];
	/* libwebsockets copies the list of protocols into 128 bytes and hangs
	 * up when it is longer: say why. */
	char protocols[127];

	hs.no_path = !header(wsi, WSI_TOKEN_GET_URI, path, sizeof(path));
	hs.no_host = !header(wsi, WSI_TOKEN_HOST, host, sizeof(host));
	hs.no_origin = !header(wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin));
	hs.no_subprotocol =
		!header(wsi, WSI_TOKEN_PROTOCOL, protocols, sizeof(protocols));
	if (!header(wsi, WSI_TOKEN_VERSION, version, sizeof(version)))
		version[0] = '\0';
	hs.path = path;
	hs.host = host;
	hs.origin =
		lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) > 0 ? origin : NULL;
	hs.subprotocol = protocols;
	hs.version = version;
	return gw_ws_http_check(net, &hs);
}

/*
 * The header's text, which the callback is given, must not be read: after an
 * Upgrade to something unknown 4.1.6 has already answered and let go of the
 * headers when it calls us (CVE-2025-11677).  No header left tells that.
 */
int gw_ws_lws_upgrade(struct lws *wsi)
{
	struct gw_ws_net *net = gw_ws_net_of(wsi);
	enum gw_ws_refusal why;
	char value[127];

	if (!net || !lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE))
		return -1;
	if (!header(wsi, WSI_TOKEN_UPGRADE, value, sizeof(value)) ||
	    strcasecmp(value, "websocket") != 0)
		why = GW_WS_REF_HANDSHAKE; /* h2c: by its preface, if at all */
	else
		why = check(net, wsi);
	if (why == GW_WS_OK &&
	    (!header(wsi, WSI_TOKEN_CONNECTION, value, sizeof(value)) ||
	     !gw_ws_has_token(value, "upgrade", true) ||
	     !header(wsi, WSI_TOKEN_KEY, value, sizeof(value)) ||
	     strlen(value) != 24))
		why = GW_WS_REF_HANDSHAKE;
	if (why == GW_WS_OK)
		return 0;
	refuse_now(net, wsi, why);
	return -1;
}
