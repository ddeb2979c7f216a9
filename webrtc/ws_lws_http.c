/*
 * HTTP/1.1 by libwebsockets: requests are read out of it, and replies written
 * piece by piece as the peer takes them.  Signalling thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <libwebsockets.h>

#include "webrtc/form.h"
#include "webrtc/ws_priv.h"

#define HEAD_ROOM 6144 /* a Location with its state is 2 KB */
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
	gw_ws_app_abandon(s->app);
	s->app = NULL;
	s->ready = false;
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

static int reply_app(struct lws *wsi, struct gw_ws_session *s)
{
	struct gw_ws_net *net = gw_ws_net_of(wsi);

	if (!net)
		return -1;
	gw_ws_app_reply(s->app, &s->reply);
	s->app = NULL;
	s->ready = false;
	return reply(net, wsi, s);
}

/* The reply goes out from WRITEABLE, which may hang up. */
static void on_ready(struct gw_ws_app *a)
{
	struct gw_ws_session *s = lws_wsi_user(a->io);

	s->ready = true;
	lws_callback_on_writable(a->io);
}

/* The whole form of s->app is there. */
static int run_app(struct lws *wsi, struct gw_ws_session *s)
{
	struct gw_ws_net *net = gw_ws_net_of(wsi);
	int rc;

	if (!net)
		return -1;
	s->app->io = wsi;
	s->app->ready = on_ready;
	rc = gw_ws_app_run(net, s->app, &s->reply);
	if (rc == -EINPROGRESS) {
		lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT,
				GW_WS_IO_TIMEOUT_S);
		return 0;
	}
	s->app = NULL;
	return reply(net, wsi, s);
}

static int refuse(struct gw_ws_net *net, struct lws *wsi,
		  struct gw_ws_session *s, enum gw_ws_refusal why)
{
	gw_ws_session_fini(s);
	return gw_ws_http_refuse(net, why, false, &s->reply)
		       ? -1
		       : reply(net, wsi, s);
}

/* libwebsockets reads bodies of a known length only. */
static int await_form(struct gw_ws_net *net, struct lws *wsi,
		      struct gw_ws_session *s)
{
	char text[16];
	int n = lws_hdr_copy(wsi, text, sizeof(text),
			     WSI_TOKEN_HTTP_CONTENT_LENGTH);

	if (n <= 0 || strspn(text, "0123456789") != (size_t)n)
		return refuse(net, wsi, s,
			      n < 0 ? GW_WS_REF_FORM : GW_WS_REF_LENGTH);
	if (atoll(text) > GW_WS_FORM_MAX)
		return refuse(net, wsi, s, GW_WS_REF_FORM);
	return atoll(text) ? 0 : run_app(wsi, s);
}

int gw_ws_lws_form(struct lws *wsi, struct gw_ws_session *s, const void *data,
		   size_t len)
{
	(void)wsi;
	/* A refused request's is read, and not kept. */
	if (!s || !s->app || s->app->io)
		return 0;
	return gw_ws_app_form(s->app, data, len) ? -1 : 0;
}

/*
 * Of a body that came behind another request in one packet, 4.1.6 tells the
 * end again and again, in a loop that it does not leave before we hang up.
 */
int gw_ws_lws_form_end(struct lws *wsi, struct gw_ws_session *s)
{
	if (!s || s->form_ended)
		return -1;
	s->form_ended = true;
	return s->app && !s->app->io ? run_app(wsi, s) : 0;
}

int gw_ws_lws_writeable(struct lws *wsi, struct gw_ws_session *s)
{
	unsigned char buf[LWS_PRE + CHUNK];
	enum lws_write_protocol how = LWS_WRITE_HTTP;
	size_t n;

	if (s && s->ready)
		return reply_app(wsi, s);
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
static bool read_request(struct lws *wsi, char *path, size_t size,
			 struct gw_ws_request *req)
{
	enum lws_token_indexes h;

	if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI)) {
		h = WSI_TOKEN_GET_URI;
	} else if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI)) {
		h = WSI_TOKEN_POST_URI;
		req->post = true;
	} else if (lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI)) {
		h = WSI_TOKEN_HEAD_URI;
		req->head = true;
	} else {
		return false;
	}
	/* Too long a path is one that we do not have. */
	if (lws_hdr_copy(wsi, path, (int)size, h) < 0)
		(void)snprintf(path, size, "?");
	return true;
}

/* libwebsockets has taken the query apart and its escapes off: as it was. */
static void read_query(struct lws *wsi, struct gw_buf *query)
{
	char part[2048];
	int n;

	for (int i = 0;
	     (n = lws_hdr_copy_fragment(wsi, part, sizeof(part),
					WSI_TOKEN_HTTP_URI_ARGS, i)) > 0;
	     i++) {
		char *value = memchr(part, '=', (size_t)n);

		gw_buf_str(query, i ? "&" : "");
		if (value)
			*value++ = '\0';
		if (value &&
		    memchr(value, '\0', (size_t)n - (size_t)(value - part)))
			continue; /* no value of ours */
		gw_form_escape(query, part);
		gw_buf_str(query, "=");
		if (value)
			gw_form_escape(query, value);
	}
}

static const char *field(struct lws *wsi, enum lws_token_indexes h, char *out,
			 size_t size)
{
	return lws_hdr_copy(wsi, out, (int)size, h) > 0 ? out : NULL;
}

int gw_ws_lws_request(struct lws *wsi, struct gw_ws_session *s)
{
	struct gw_ws_net *net = gw_ws_net_of(wsi);
	struct gw_ws_request req = { .path = NULL };
	char path[512] = "", host[256], known[256], type[128], origin[300];
	char cookie[2048];
	struct gw_buf query;
	int rc;

	if (!net || !s)
		return -1;
	gw_ws_session_fini(s);
	s->form_ended = false;
	if (!read_request(wsi, path, sizeof(path), &req))
		return refuse(net, wsi, s, GW_WS_REF_METHOD);
	gw_buf_init(&query, GW_WS_FORM_MAX);
	read_query(wsi, &query);
	req.path = path;
	req.query = query.data;
	req.host = field(wsi, WSI_TOKEN_HOST, host, sizeof(host));
	req.known =
		field(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, known, sizeof(known));
	req.type = field(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, type, sizeof(type));
	req.origin = field(wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin));
	req.cookie = field(wsi, WSI_TOKEN_HTTP_COOKIE, cookie, sizeof(cookie));
	rc = gw_ws_http_answer(net, &req, &s->reply, &s->app);
	gw_buf_fini(&query);
	if (rc == -EINPROGRESS)
		return req.post ? await_form(net, wsi, s) : run_app(wsi, s);
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
