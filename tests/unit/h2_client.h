/*
 * tests/unit/h2_client.h - a client of HTTP/2, in one thread with the server
 *
 * nghttp2 frames what a well-behaved client says; the tests write WebSocket
 * frames themselves, and raw HTTP/2 where a client misbehaves.
 */
#ifndef GW_TEST_H2_CLIENT_H
#define GW_TEST_H2_CLIENT_H

#include "tests/unit/ws_client.h"

#include <nghttp2/nghttp2.h>

#define H2_PLAIN   27000
#define H2_TLS     27001
#define H2_STREAMS 128

struct h2_stream {
	int32_t id;
	int status;
	char head[4096]; /* "name: value\n" lines */
	char in[300000], out[140000];
	size_t len, out_len, out_off;
	bool eof, closed, out_end;
	uint32_t error;
};

struct h2 {
	struct rig *rig;
	struct client *c;
	nghttp2_session *ng;
	struct h2_stream *streams[H2_STREAMS];
	size_t n;
	bool goaway, hold; /* hold: windows are not opened again */
	bool raw;          /* streams that nghttp2 knows nothing of */
	uint32_t error;    /* of GOAWAY */
	bool connect_protocol;
};

static inline struct h2_stream *h2_find(struct h2 *h, int32_t id)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->streams[i]->id == id)
			return h->streams[i];
	return NULL;
}

static inline int h2_on_header(nghttp2_session *ng, const nghttp2_frame *frame,
			       const uint8_t *name, size_t nlen,
			       const uint8_t *value, size_t vlen, uint8_t flags,
			       void *arg)
{
	struct h2_stream *s = h2_find(arg, frame->hd.stream_id);
	size_t used = s ? strlen(s->head) : 0;

	(void)ng;
	(void)flags;
	if (!s)
		return 0;
	if (nlen == 7 && !memcmp(name, ":status", 7))
		s->status = atoi((const char *)value);
	(void)snprintf(s->head + used, sizeof(s->head) - used, "%.*s: %.*s\n",
		       (int)nlen, (const char *)name, (int)vlen,
		       (const char *)value);
	return 0;
}

static inline int h2_on_data(nghttp2_session *ng, uint8_t flags, int32_t id,
			     const uint8_t *data, size_t len, void *arg)
{
	struct h2 *h = arg;
	struct h2_stream *s = h2_find(h, id);

	(void)flags;
	if (s) {
		assert_true(s->len + len < sizeof(s->in));
		memcpy(s->in + s->len, data, len);
		s->len += len;
		s->in[s->len] = '\0';
	}
	if (!h->hold)
		(void)nghttp2_session_consume(ng, id, len);
	return 0;
}

static inline int h2_on_frame(nghttp2_session *ng, const nghttp2_frame *frame,
			      void *arg)
{
	struct h2 *h = arg;
	struct h2_stream *s = h2_find(h, frame->hd.stream_id);

	(void)ng;
	if (s && frame->hd.type != NGHTTP2_RST_STREAM &&
	    frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		s->eof = true;
	if (frame->hd.type == NGHTTP2_GOAWAY) {
		h->goaway = true;
		h->error = frame->goaway.error_code;
	}
	if (frame->hd.type == NGHTTP2_SETTINGS &&
	    !(frame->hd.flags & NGHTTP2_FLAG_ACK))
		for (size_t i = 0; i < frame->settings.niv; i++)
			if (frame->settings.iv[i].settings_id ==
			    NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL)
				h->connect_protocol =
					frame->settings.iv[i].value == 1;
	return 0;
}

static inline int h2_on_close(nghttp2_session *ng, int32_t id, uint32_t error,
			      void *arg)
{
	struct h2_stream *s = h2_find(arg, id);

	(void)ng;
	if (s) {
		s->closed = true;
		s->error = error;
	}
	return 0;
}

static inline ssize_t h2_on_read(nghttp2_session *ng, int32_t id, uint8_t *buf,
				 size_t size, uint32_t *flags,
				 nghttp2_data_source *src, void *arg)
{
	struct h2_stream *s = src->ptr;
	size_t n = s->out_len - s->out_off;

	(void)ng;
	(void)id;
	(void)arg;
	if (n > size)
		n = size;
	memcpy(buf, s->out + s->out_off, n);
	s->out_off += n;
	if (s->out_off == s->out_len) {
		s->out_off = s->out_len = 0;
		if (s->out_end)
			*flags |= NGHTTP2_DATA_FLAG_EOF;
		else if (!n)
			return NGHTTP2_ERR_DEFERRED;
	}
	return (ssize_t)n;
}

/* Looks for GOAWAY only. */
static inline void h2_scan(struct h2 *h)
{
	const unsigned char *p = (unsigned char *)h->c->in;

	while (h->c->len >= 9) {
		size_t n = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];

		if (h->c->len < 9 + n)
			return;
		if (p[3] == NGHTTP2_GOAWAY) {
			h->goaway = true;
			h->error = p[16];
		}
		drop(h->c, 9 + n);
	}
}

/* One step: what we have to say, the loop, what it says. */
static inline void h2_step(struct h2 *h)
{
	const uint8_t *p;
	ssize_t n;

	while (!h->raw && (n = nghttp2_session_mem_send(h->ng, &p)) > 0)
		if (!put(h->c, p, (size_t)n))
			break;
	gw_loop_step(h->rig->loop, 2);
	take(h->c);
	if (h->raw) {
		h2_scan(h);
	} else if (h->c->len) {
		(void)nghttp2_session_mem_recv(h->ng, (uint8_t *)h->c->in,
					       h->c->len);
		h->c->len = 0;
	}
}

#define h2_until(h, cond)                                                      \
	do {                                                                   \
		uint64_t end_ = test_ms() + WAIT_MS;                           \
		while (!(cond)) {                                              \
			if (test_ms() > end_)                                  \
				fail_msg("never: %s", #cond);                  \
			h2_step(h);                                            \
		}                                                              \
	} while (0)

static inline struct h2 *h2_over(struct client *c)
{
	struct h2 *h = calloc(1, sizeof(*h));
	nghttp2_session_callbacks *cb;
	nghttp2_option *opt;

	assert_non_null(h);
	h->rig = c->rig;
	h->c = c;
	assert_int_equal(0, nghttp2_session_callbacks_new(&cb));
	assert_int_equal(0, nghttp2_option_new(&opt));
	nghttp2_option_set_no_auto_window_update(opt, 1);
	nghttp2_session_callbacks_set_on_header_callback(cb, h2_on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb,
								  h2_on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, h2_on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, h2_on_close);
	assert_int_equal(0, nghttp2_session_client_new2(&h->ng, cb, h, opt));
	nghttp2_option_del(opt);
	nghttp2_session_callbacks_del(cb);
	assert_int_equal(0, nghttp2_submit_settings(h->ng, 0, NULL, 0));
	return h;
}

/* Plain, by prior knowledge. */
static inline struct h2 *h2_dial(struct rig *r)
{
	struct h2 *h = h2_over(dial(r, H2_PLAIN));

	h2_until(h, h->connect_protocol);
	return h;
}

static inline void h2_hang_up(struct h2 *h)
{
	nghttp2_session_del(h->ng);
	for (size_t i = 0; i < h->n; i++)
		free(h->streams[i]);
	hang_up(h->c);
	free(h);
}

struct h2_field {
	const char *name, *value;
};

#define H2_FIELDS_MAX 120

/* @fields end with a NULL name; @body: the stream stays open for DATA. */
static inline struct h2_stream *h2_ask(struct h2 *h,
				       const struct h2_field *fields, bool body)
{
	struct h2_stream *s = calloc(1, sizeof(*s));
	nghttp2_data_provider from = { .source = { .ptr = s },
				       .read_callback = h2_on_read };
	nghttp2_nv nv[H2_FIELDS_MAX];
	size_t n = 0;

	assert_non_null(s);
	for (; fields[n].name; n++)
		nv[n] = (nghttp2_nv){ (uint8_t *)fields[n].name,
				      (uint8_t *)fields[n].value,
				      strlen(fields[n].name),
				      strlen(fields[n].value), 0 };
	assert_true(h->n < H2_STREAMS);
	h->streams[h->n++] = s;
	s->id = nghttp2_submit_request(h->ng, NULL, nv, n, body ? &from : NULL,
				       NULL);
	assert_true(s->id > 0);
	return s;
}

static inline struct h2_stream *h2_get(struct h2 *h, const char *method,
				       const char *path)
{
	const struct h2_field f[] = {
		{":method",     method     },
		{ ":scheme",    "https"    },
		{ ":authority", "localhost"},
		{ ":path",      path       },
		{ NULL,         NULL       }
	};
	struct h2_stream *s = h2_ask(h, f, false);

	h2_until(h, s->closed);
	return s;
}

static inline struct h2_stream *h2_connect(struct h2 *h, const char *origin)
{
	const struct h2_field f[] = {
		{":method",                 "CONNECT"         },
		{ ":protocol",              "websocket"       },
		{ ":scheme",                "https"           },
		{ ":authority",             "localhost"       },
		{ ":path",                  "/3gpp-respect/v1"},
		{ "sec-websocket-version",  "13"              },
		{ "sec-websocket-protocol", "3gpp.RESPECT.v1" },
		{ "origin",                 origin            },
		{ NULL,                     NULL              }
	};
	struct h2_stream *s = h2_ask(h, f, true);

	h2_until(h, s->status || s->closed);
	return s;
}

static inline struct h2_stream *h2_open_ws(struct h2 *h)
{
	unsigned opened = h->rig->opened;
	struct h2_stream *s = h2_connect(h, "https://ok.example");

	assert_int_equal(200, s->status);
	h2_until(h, h->rig->opened == opened + 1);
	return s;
}

static inline void h2_put(struct h2 *h, struct h2_stream *s, const void *data,
			  size_t len)
{
	assert_true(s->out_len + len <= sizeof(s->out));
	memcpy(s->out + s->out_len, data, len);
	s->out_len += len;
	(void)nghttp2_session_resume_data(h->ng, s->id);
}

/* A masked frame; @announce: what its length says, when that is not so. */
static inline void h2_frame(struct h2 *h, struct h2_stream *s, unsigned first,
			    const void *data, size_t len, uint64_t announce)
{
	static const unsigned char mask[4] = { 0x5a, 0x01, 0xfe, 0x80 };
	unsigned char head[14], *body = malloc(len + 1);
	uint64_t n = announce ? announce : len;
	size_t k = 2;

	assert_non_null(body);
	head[0] = (unsigned char)first;
	if (n < 126) {
		head[1] = (unsigned char)(0x80 | n);
	} else if (n < 65536) {
		head[1] = 0x80 | 126;
		head[k++] = (unsigned char)(n >> 8);
		head[k++] = (unsigned char)n;
	} else {
		head[1] = 0x80 | 127;
		for (int i = 56; i >= 0; i -= 8)
			head[k++] = (unsigned char)(n >> i);
	}
	memcpy(head + k, mask, 4);
	for (size_t i = 0; i < len; i++)
		body[i] = ((const unsigned char *)data)[i] ^ mask[i & 3];
	h2_put(h, s, head, k + 4);
	h2_put(h, s, body, len);
	free(body);
}

static inline bool h2_whole(struct h2_stream *s, size_t *head, size_t *len)
{
	const unsigned char *p = (unsigned char *)s->in;

	if (s->len < 2)
		return false;
	assert_int_equal(0, p[1] & 0x80);
	*head = p[1] < 126 ? 2 : p[1] == 126 ? 4 : 10;
	if (s->len < *head)
		return false;
	*len = p[1];
	if (p[1] >= 126) {
		*len = 0;
		for (size_t i = 2; i < *head; i++)
			*len = *len << 8 | p[i];
	}
	return s->len >= *head + *len;
}

/* The next frame's first byte, 0 when the stream ended without one. */
static inline unsigned h2_next(struct h2 *h, struct h2_stream *s, char *out,
			       size_t *len)
{
	size_t head = 0, n = 0;
	unsigned first;

	h2_until(h, h2_whole(s, &head, &n) || s->closed);
	if (!h2_whole(s, &head, &n))
		return 0;
	first = (unsigned char)s->in[0];
	memcpy(out, s->in + head, n);
	*len = n;
	memmove(s->in, s->in + head + n, s->len - head - n);
	s->len -= head + n;
	return first;
}

static inline unsigned h2_close_code(struct h2 *h, struct h2_stream *s)
{
	static char buf[300000];
	unsigned first;
	size_t n = 0;

	while ((first = h2_next(h, s, buf, &n)) && first != CLOSE)
		;
	if (!first)
		return 0;
	return n < 2 ? 1005
		     : (unsigned)((unsigned char)buf[0] << 8 |
				  (unsigned char)buf[1]);
}

#endif
