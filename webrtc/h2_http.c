/*
 * Requests over HTTP/2: fields out of header blocks, replies into them, and
 * bodies as the peer takes them.  What is answered is decided in ws_http.c.
 * Signalling thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "webrtc/h2_priv.h"

#define FIELDS_OUT 20
#define OUT_TEXT   6144
#define FIELD_COST 32 /* RFC 9113 6.5.2: of each, beside its text */
#define MIN(a, b)  ((a) < (b) ? (a) : (b))

struct gw_h2_fields {
	size_t total;
	uint32_t seen, too_long; /* bits by place in the table below */
	char method[16], protocol[32], path[4096], authority[256], host[256];
	char origin[300], subprotocol[256], version[16], known[256];
	char type[128], cookie[2048];
};

enum {
	F_METHOD,
	F_PROTOCOL,
	F_PATH,
	F_AUTHORITY,
	F_HOST,
	F_ORIGIN,
	F_SUBPROTOCOL,
	F_VERSION,
	F_KNOWN,
	F_TYPE,
	F_COOKIE
};

#define FIELD(member)                                                          \
	offsetof(struct gw_h2_fields, member),                                 \
		sizeof(((struct gw_h2_fields *)NULL)->member)

static const struct {
	const char *name;
	size_t at, size;
} table[] = {
	[F_METHOD] = {":method",                 FIELD(method)     },
	[F_PROTOCOL] = { ":protocol",              FIELD(protocol)   }, /* RFC 8441 4 */
	[F_PATH] = { ":path",                  FIELD(path)       },
	[F_AUTHORITY] = { ":authority",             FIELD(authority)  },
	[F_HOST] = { "host",                   FIELD(host)       },
	[F_ORIGIN] = { "origin",                 FIELD(origin)     },
	[F_SUBPROTOCOL] = { "sec-websocket-protocol", FIELD(subprotocol)},
	[F_VERSION] = { "sec-websocket-version",  FIELD(version)    },
	[F_KNOWN] = { "if-none-match",          FIELD(known)      },
	[F_TYPE] = { "content-type",           FIELD(type)       },
	[F_COOKIE] = { "cookie",                 FIELD(cookie)     },
};

int gw_h2_fields_begin(struct gw_h2_sock *s)
{
	if (!s->fields)
		s->fields = malloc(sizeof(*s->fields));
	if (!s->fields)
		return -ENOMEM;
	memset(s->fields, 0, sizeof(*s->fields));
	return 0;
}

void gw_h2_fields_end(struct gw_h2_sock *s)
{
	free(s->fields);
	s->fields = NULL;
}

/* RFC 9110 5.3: lines of one name are a list; of cookies, RFC 9113 8.2.3. */
static void append(struct gw_h2_fields *f, unsigned i, const char *value,
		   size_t len)
{
	char *to = (char *)f + table[i].at;
	size_t have = strlen(to), comma = f->seen >> i & 1 ? 1 : 0;

	f->seen |= 1u << i;
	if (have + comma + len >= table[i].size) {
		f->too_long |= 1u << i;
		return;
	}
	if (comma)
		to[have++] = i == F_COOKIE ? ';' : ',';
	memcpy(to + have, value, len); /* the library lets no NUL through */
	to[have + len] = '\0';
}

void gw_h2_fields_add(struct gw_h2_sock *s, const char *name, size_t name_len,
		      const char *value, size_t value_len)
{
	struct gw_h2_fields *f = s->fields;

	if (!f)
		return;
	if (f->total <= GW_H2_FIELDS)
		f->total += name_len + value_len + FIELD_COST;
	if (f->total > GW_H2_FIELDS)
		return;
	for (unsigned i = 0; i < GW_ARRAY_LEN(table); i++) {
		if (name_len == strlen(table[i].name) &&
		    !memcmp(name, table[i].name, name_len)) {
			append(f, i, value, value_len);
			return;
		}
	}
}

static bool seen(const struct gw_h2_fields *f, unsigned i)
{
	return f->seen >> i & 1;
}

static bool too_long(const struct gw_h2_fields *f, unsigned i)
{
	return f->too_long >> i & 1;
}

static const char *value(const struct gw_h2_fields *f, unsigned i)
{
	return seen(f, i) && !too_long(f, i) ? (const char *)f + table[i].at
					     : NULL;
}

/* RFC 9113 8.3.1: without :authority, Host says it. */
static const char *host_of(const struct gw_h2_fields *f)
{
	return value(f, seen(f, F_AUTHORITY) ? F_AUTHORITY : F_HOST);
}

/* ---- replies ---- */

struct head {
	nghttp2_nv nv[FIELDS_OUT];
	size_t n;
	char text[OUT_TEXT];
	size_t used;
};

/* Copies @text, which may not outlive the caller. */
static uint8_t *keep(struct head *h, const char *text, size_t len)
{
	char *to = h->text + h->used;

	if (len > sizeof(h->text) - h->used)
		return NULL;
	memcpy(to, text, len);
	h->used += len;
	return (uint8_t *)to;
}

static int add_field(const char *name, const char *val, void *arg)
{
	struct head *h = arg;
	size_t nlen = strlen(name), vlen = strlen(val);
	nghttp2_nv *nv = h->n < FIELDS_OUT ? &h->nv[h->n] : NULL;

	if (!nv)
		return -ENOSPC;
	*nv = (nghttp2_nv){ .name = keep(h, name, nlen),
			    .value = keep(h, val, vlen),
			    .namelen = nlen,
			    .valuelen = vlen };
	if (!nv->name || !nv->value)
		return -ENOSPC;
	h->n++;
	return 0;
}

static int add_number(struct head *h, const char *name, size_t number)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%zu", number);
	return add_field(name, text, h);
}

static ssize_t on_body(nghttp2_session *session, int32_t id, uint8_t *buf,
		       size_t size, uint32_t *flags, nghttp2_data_source *src,
		       void *arg)
{
	struct gw_h2_stream *st = src->ptr;
	size_t n;
	bool end = false;

	(void)session;
	(void)id;
	(void)arg;
	if (st->kind == GW_H2_WEBSOCKET) {
		n = gw_h2_ws_fill(st, buf, size, &end);
		if (!n && !end)
			return NGHTTP2_ERR_DEFERRED;
	} else {
		n = MIN(size, st->reply.len - st->off);
		memcpy(buf, st->reply.body + st->off, n);
		st->off += n;
		end = st->off == st->reply.len;
		/* Whoever takes something is given more time. */
		gw_h2_stream_moved(st);
	}
	if (end)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static int submit(struct gw_h2_stream *st, const struct head *h, bool body)
{
	nghttp2_data_provider from = { .source = { .ptr = st },
				       .read_callback = on_body };

	return nghttp2_submit_response(st->sock->session, st->id, h->nv, h->n,
				       body ? &from : NULL)
		       ? -ENOMEM
		       : 0;
}

static int reply(struct gw_h2_stream *st)
{
	const struct gw_ws_reply *r = &st->reply;
	struct head h = { .n = 0 };
	int err = add_number(&h, ":status", r->status);

	st->kind = GW_H2_REPLY;
	gw_h2_stream_moved(st);
	if (!err && r->status != 304)
		err = add_number(&h, "content-length", r->full);
	if (!err)
		err = gw_ws_reply_fields(st->sock->net, r, add_field, &h);
	return err ? err : submit(st, &h, r->len != 0);
}

static int refuse(struct gw_h2_stream *st, enum gw_ws_refusal why, bool head)
{
	int err = gw_ws_http_refuse(st->sock->net, why, head, &st->reply);

	return err ? err : reply(st);
}

/* ---- forms, and what is answered later ---- */

static void on_ready(struct gw_ws_app *a)
{
	struct gw_h2_stream *st = a->io;

	gw_ws_app_reply(a, &st->reply);
	st->app = NULL;
	if (reply(st))
		gw_h2_stream_reset(st, NGHTTP2_INTERNAL_ERROR);
	gw_h2_kick(st->sock);
}

int gw_h2_http_form_end(struct gw_h2_stream *st)
{
	int rc;

	if (!st->app || st->app->io)
		return 0;
	st->app->io = st;
	st->app->ready = on_ready;
	gw_h2_stream_moved(st);
	rc = gw_ws_app_run(st->sock->net, st->app, &st->reply);
	if (rc == -EINPROGRESS)
		return 0;
	st->app = NULL;
	return rc ? rc : reply(st);
}

int gw_h2_http_form(struct gw_h2_stream *st, const uint8_t *data, size_t len)
{
	if (!st->app || st->app->io)
		return 0; /* refused: the rest is not kept */
	if (!gw_ws_app_form(st->app, data, len))
		return 0;
	gw_ws_app_abandon(st->app);
	st->app = NULL;
	return refuse(st, GW_WS_REF_FORM, false);
}

/* ---- WebSockets (RFC 8441) ---- */

/* So that it is not kept waiting by a page that is being loaded. */
static void prefer(struct gw_h2_stream *st)
{
	const nghttp2_extpri first = { .urgency = NGHTTP2_EXTPRI_URGENCY_HIGH,
				       .inc = 1 };

	(void)nghttp2_session_change_extpri_stream_priority(st->sock->session,
							    st->id, &first, 1);
}

static int accept_websocket(struct gw_h2_stream *st)
{
	struct head h = { .n = 0 };
	int err = gw_h2_ws_open(st);

	if (!err)
		err = add_number(&h, ":status", 200);
	if (!err)
		err = add_field("sec-websocket-protocol", GW_WS_SUBPROTOCOL,
				&h);
	if (err)
		return err;
	gw_timer_stop(&st->timer);
	prefer(st);
	return submit(st, &h, true);
}

static int websocket(struct gw_h2_stream *st, const struct gw_h2_fields *f,
		     bool ended)
{
	const struct gw_ws_handshake hs = {
		.path = value(f, F_PATH),
		.host = host_of(f),
		.origin = value(f, F_ORIGIN),
		.subprotocol = value(f, F_SUBPROTOCOL),
		.version = value(f, F_VERSION),
		.no_origin = too_long(f, F_ORIGIN),
		.h2 = true,
	};
	enum gw_ws_refusal why;

	if (ended || !value(f, F_PROTOCOL) ||
	    strcmp(value(f, F_PROTOCOL), "websocket") != 0)
		why = GW_WS_REF_HANDSHAKE;
	else if (too_long(f, F_VERSION))
		why = GW_WS_REF_VERSION;
	else
		why = gw_ws_http_check(st->sock->net, &hs);
	return why == GW_WS_OK ? accept_websocket(st) : refuse(st, why, false);
}

/* ---- requests ---- */

int gw_h2_http_request(struct gw_h2_stream *st, bool ended)
{
	const struct gw_h2_fields *f = st->sock->fields;
	const char *method = f ? value(f, F_METHOD) : NULL;
	struct gw_ws_request req;
	int err;

	if (!f)
		return -EPROTO;
	if (f->total > GW_H2_FIELDS)
		return refuse(st, GW_WS_REF_TOO_LARGE, false);
	if (method && !strcmp(method, "CONNECT") && seen(f, F_PROTOCOL))
		return websocket(st, f, ended);
	req = (struct gw_ws_request){
		/* Too long a path is one that we do not have. */
		.path = value(f, F_PATH) ? value(f, F_PATH) : "",
		.host = host_of(f),
		.known = value(f, F_KNOWN),
		.type = value(f, F_TYPE),
		.origin = value(f, F_ORIGIN),
		.cookie = value(f, F_COOKIE),
		.head = method && !strcmp(method, "HEAD"),
		.post = method && !strcmp(method, "POST"),
	};
	if (!method || (!req.head && !req.post && strcmp(method, "GET") != 0))
		return refuse(st, GW_WS_REF_METHOD, false);
	err = gw_ws_http_answer(st->sock->net, &req, &st->reply, &st->app);
	if (err == -EINPROGRESS)
		return req.post && !ended ? 0 : gw_h2_http_form_end(st);
	return err ? err : reply(st);
}
