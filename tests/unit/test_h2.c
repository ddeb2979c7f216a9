/* HTTP/2: its first bytes, TLS, requests, floods, and bytes of any kind. */
#include "tests/unit/h2_rig.h"

/* ---- first bytes ---- */

static SSL *hello_of(SSL_CTX *ctx, const char *alpn, size_t alpn_len,
		     unsigned char *out, size_t *len)
{
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *wire = BIO_new(BIO_s_mem());

	assert_true(ssl && in && wire);
	if (alpn_len)
		assert_int_equal(
			0, SSL_set_alpn_protos(ssl, (const unsigned char *)alpn,
					       (unsigned)alpn_len));
	SSL_set_bio(ssl, in, wire);
	SSL_set_connect_state(ssl);
	assert_int_equal(-1, SSL_do_handshake(ssl));
	*len = (size_t)BIO_read(wire, out, 4096);
	return ssl;
}

static void alpn_is_found_in_a_whole_hello_only(void **state)
{
	static const struct {
		const char *alpn;
		size_t len;
		enum gw_h2_hello want;
	} cases[] = {
		{"\2h2",              3,  GW_H2_HELLO_YES},
		{ "\2h2\x08http/1.1", 12, GW_H2_HELLO_YES},
		{ "\x08http/1.1\2h2", 12, GW_H2_HELLO_YES},
		{ "\x08http/1.1",     9,  GW_H2_HELLO_NO },
		{ "\3h2c\2h3\2hq",    10, GW_H2_HELLO_NO },
		{ "",                 0,  GW_H2_HELLO_NO },
	};
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	unsigned char hello[4096], cut[8192];
	size_t len;

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(cases); i++) {
		SSL_free(hello_of(ctx, cases[i].alpn, cases[i].len, hello,
				  &len));
		for (size_t n = 0; n < len; n++)
			assert_int_equal(GW_H2_HELLO_MORE,
					 gw_h2_hello_tls(hello, n));
		assert_int_equal(cases[i].want, gw_h2_hello_tls(hello, len));
		/* spread over records of 7 bytes */
		size_t k = 0;
		for (size_t at = 5; at < len; at += 7) {
			size_t n = len - at < 7 ? len - at : 7;

			memcpy(cut + k, "\x16\x03\x01\x00", 4);
			cut[k + 4] = (unsigned char)n;
			memcpy(cut + k + 5, hello + at, n);
			k += 5 + n;
		}
		assert_int_equal(cases[i].want, gw_h2_hello_tls(cut, k));
		assert_int_equal(GW_H2_HELLO_MORE, gw_h2_hello_tls(cut, k - 1));
	}
	SSL_CTX_free(ctx);
}

static void a_broken_hello_is_left_to_tls(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	unsigned char hello[4096], bad[4096];
	size_t len;

	(void)state;
	assert_int_equal(GW_H2_HELLO_NO,
			 gw_h2_hello_tls((const uint8_t *)"GET / HT", 8));
	assert_int_equal(GW_H2_HELLO_NO,
			 gw_h2_hello_tls((const uint8_t *)"\x15\3\1\0\2..", 7));
	assert_int_equal(GW_H2_HELLO_NO,
			 gw_h2_hello_tls((const uint8_t *)"\x16\3\1\0\0", 5));
	SSL_free(hello_of(ctx, "\2h2", 3, hello, &len));
	SSL_CTX_free(ctx);
	/* every byte changed once: any verdict, no step outside */
	for (size_t i = 0; i < len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			uint8_t *exact = malloc(len);

			memcpy(bad, hello, len);
			bad[i] ^= (unsigned char)(1u << bit);
			memcpy(exact, bad, len);
			assert_true(gw_h2_hello_tls(exact, len) <=
				    GW_H2_HELLO_NO);
			free(exact);
		}
	}
	assert_int_equal(GW_H2_HELLO_MORE,
			 gw_h2_hello_plain((const uint8_t *)"PRI * ", 6));
	assert_int_equal(GW_H2_HELLO_NO,
			 gw_h2_hello_plain((const uint8_t *)"PUT", 3));
}

/* ---- TLS ---- */

static void alpn_decides_who_serves(void **state)
{
	struct rig *r = *state;
	int64_t before = counted("isthmus_ws_h2_sockets_total", NULL);
	const unsigned char *proto;
	struct client *c = dial(r, H2_TLS);
	struct h2 *h;
	unsigned n;

	assert_true(shake_with(c, "\x08http/1.1", 9));
	put_str(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(200, response(c));
	hang_up(c);
	assert_int_equal(before, counted("isthmus_ws_h2_sockets_total", NULL));

	h = tls_dial(r);
	SSL_get0_alpn_selected(h->c->ssl, &proto, &n);
	assert_int_equal(2, n);
	assert_memory_equal("h2", proto, 2);
	assert_int_equal(200, h2_get(h, "GET", "/")->status);
	assert_int_equal(before + 1,
			 counted("isthmus_ws_h2_sockets_total", NULL));
	h2_hang_up(h);
}

static void without_http2_everyone_gets_http_1(void **state)
{
	struct rig *r = *state;
	const unsigned char *proto;
	struct client *c;
	unsigned n;

	r->set.web.http2 = false;
	c = dial(r, H2_TLS);
	assert_true(shake_with(c, "\2h2\x08http/1.1", 12));
	SSL_get0_alpn_selected(c->ssl, &proto, &n);
	assert_int_equal(8, n);
	put_str(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(200, response(c));
	hang_up(c);
}

static void a_hello_in_pieces_is_waited_for(void **state)
{
	struct rig *r = *state;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	unsigned char hello[4096];
	size_t len;

	for (int h2 = 0; h2 < 2; h2++) {
		struct client *c = dial(r, H2_TLS);

		SSL_free(hello_of(ctx, h2 ? "\2h2" : "\x08http/1.1", h2 ? 3 : 9,
				  hello, &len));
		for (size_t at = 0; at < len; at += 100) {
			(void)put(c, hello + at,
				  len - at < 100 ? len - at : 100);
			run_for(r, 10);
		}
		/* ServerHello: a handshake record */
		until(r, has(c, 5));
		assert_int_equal(0x16, c->in[0]);
		hang_up(c);
	}
	SSL_CTX_free(ctx);
}

static void who_says_nothing_is_hung_up_on(void **state)
{
	struct rig *r = *state;
	const char *label = "reason=\"slow_start\"";
	int64_t before = counted("isthmus_ws_h2_ended_total", label);
	struct client *a = dial(r, H2_TLS), *b = dial(r, H2_TLS);
	struct client *c = dial(r, H2_PLAIN);

	(void)put(b, "\x16\3\1", 3);
	(void)put(c, "PRI", 3);
	run_for(r, 50);
	skew_us += 11000000;
	until(r, ended(a) && ended(b) && ended(c));
	assert_int_equal(before + 3,
			 counted("isthmus_ws_h2_ended_total", label));
	hang_up(a);
	hang_up(b);
	hang_up(c);
}

static void a_new_certificate_serves_new_connections(void **state)
{
	static const char *const names[] = { "new.example" };
	struct rig *r = *state;
	struct h2 *old = tls_dial(r), *young;
	struct gw_selfsigned s;
	char err[200], dir[128];
	X509 *x;

	(void)snprintf(dir, sizeof(dir), "%s/other", r->dir);
	assert_int_equal(
		0, gw_selfsigned_ensure(&s, dir, names, 1, err, sizeof(err)));
	(void)strcpy(r->set.web.certificate, s.certificate);
	(void)strcpy(r->set.web.key, s.key);
	gw_ws_reload(r->ws, &r->set);
	young = tls_dial(r);
	x = SSL_get1_peer_certificate(young->c->ssl);
	assert_int_equal(1, X509_check_host(x, "new.example", 0, 0, NULL));
	X509_free(x);
	assert_non_null(strstr(h2_get(young, "GET", "/")->head,
			       "strict-transport-security: "));
	assert_int_equal(200, h2_get(old, "GET", "/")->status);
	h2_hang_up(old);
	h2_hang_up(young);
}

/* ---- requests ---- */

/* Each field of HTTP/1.1 but those that HTTP/2 has no use for. */
static void same_fields(const char *h1, const char *h2)
{
	char *copy = strdup(h1), *save = NULL;
	unsigned n = 0;

	for (char *line = strtok_r(copy, "\r\n", &save); line;
	     line = strtok_r(NULL, "\r\n", &save)) {
		if (!strncmp(line, "HTTP/1.1", 8) ||
		    !strncmp(line, "connection:", 11) || !strchr(line, ':'))
			continue;
		if (!strstr(h2, line))
			fail_msg("%s is not in\n%s", line, h2);
		n++;
	}
	assert_true(n >= 4);
	free(copy);
}

static void answers_are_those_of_http_1(void **state)
{
	static const struct {
		const char *method, *path;
		int status;
	} cases[] = {
		{"GET",     "/",                         200},
		{ "GET",    "/index.html?x=1",           200},
		{ "HEAD",   "/",                         200},
		{ "GET",    "/empty.json",               200},
		{ "GET",    "/none",                     404},
		{ "GET",    "/../index.html",            404},
		{ "GET",    "/.well-known/3gpp-respect", 200},
		{ "POST",   "/",                         405},
		{ "DELETE", "/",                         405},
		{ "GET",    "/metrics",                  404},
	};
	struct rig *r = *state;
	struct h2 *h = h2_dial(r);

	for (size_t i = 0; i < GW_ARRAY_LEN(cases); i++) {
		struct h2_stream *s = h2_get(h, cases[i].method, cases[i].path);
		struct client *c = dial(r, H2_PLAIN);
		char req[200], *body;

		if (s->status != cases[i].status)
			fail_msg("%s %s: %d", cases[i].method, cases[i].path,
				 s->status);
		assert_true(s->eof);
		assert_int_equal(NGHTTP2_NO_ERROR, s->error);
		if (strstr(cases[i].path, "/..")) {
			hang_up(c); /* normalised by libwebsockets */
			continue;
		}
		(void)snprintf(req, sizeof(req),
			       "%s %s HTTP/1.1\r\nHost: localhost\r\n"
			       "Connection: close\r\n\r\n",
			       cases[i].method, cases[i].path);
		put_str(c, req);
		until(r, (take(c), (body = strstr(c->in, "\r\n\r\n"))));
		if (strcmp(cases[i].method, "HEAD") != 0) {
			assert_int_equal(cases[i].status, response(c));
			assert_string_equal(strstr(c->in, "\r\n\r\n") + 4,
					    s->in);
		} else {
			assert_int_equal(0, s->len);
		}
		*strstr(c->in, "\r\n\r\n") = '\0';
		same_fields(c->in, s->head);
		hang_up(c);
	}
	h2_hang_up(h);
}

static void a_page_that_is_known_is_not_sent_again(void **state)
{
	struct rig *r = *state;
	struct h2 *h = h2_dial(r);
	struct h2_stream *s = h2_get(h, "GET", "/");
	char etag[32];
	struct h2_field f[] = {
		{":method",        "GET"      },
                { ":scheme",       "https"    },
		{ "host",          "localhost"},
                { ":path",         "/"        },
		{ "if-none-match", etag       },
                { NULL,            NULL       }
	};

	assert_int_equal(1,
			 sscanf(strstr(s->head, "etag: "), "etag: %31s", etag));
	/* pseudo fields come first */
	f[2] = (struct h2_field){ ":authority", "localhost" };
	s = h2_ask(h, f, false);
	h2_until(h, s->closed);
	assert_int_equal(304, s->status);
	assert_int_equal(0, s->len);
	assert_null(strstr(s->head, "content-length"));
	h2_hang_up(h);
}

static void a_large_page_waits_for_its_reader(void **state)
{
	struct rig *r = *state;
	struct h2 *h = h2_dial(r);
	const struct h2_field f[] = {
		{":method",     "GET"      },
		{ ":scheme",    "https"    },
		{ ":authority", "localhost"},
		{ ":path",      "/big.txt" },
		{ NULL,         NULL       }
	};
	struct h2_stream *s, *ws;
	size_t got = 0;

	r->echo = true;
	ws = h2_open_ws(h);
	h->hold = true;
	s = h2_ask(h, f, false);
	h2_until(h, s->len >= 65535);
	gw_ws_reload(r->ws, &r->set); /* other pages from now on */
	run_for(r, 20);
	assert_int_equal(65535, s->len);
	assert_false(s->eof);
	/* the connection's window is used up: its reader opens it */
	h->hold = false;
	h2_frame(h, ws, TEXT, "not kept waiting", 16, 0);
	while (!s->closed || s->len) {
		for (size_t i = 0; i < s->len; i++)
			assert_int_equal('b', s->in[i]);
		got += s->len;
		(void)nghttp2_session_consume(h->ng, s->id,
					      got == 65535 ? s->len : 0);
		s->len = 0;
		h2_step(h);
	}
	assert_int_equal(BIG, got);
	assert_true(s->eof);
	h2_until(h, ws->len == 18);
	h2_hang_up(h);
}

static void a_stream_that_nobody_reads_is_given_up(void **state)
{
	struct rig *r = *state;
	const char *label = "kind=\"stream_stuck\"";
	int64_t before = counted("isthmus_ws_h2_bad_total", label);
	struct h2 *h = h2_dial(r);
	const struct h2_field f[] = {
		{":method",     "GET"      },
		{ ":scheme",    "https"    },
		{ ":authority", "localhost"},
		{ ":path",      "/big.txt" },
		{ NULL,         NULL       }
	};
	struct h2_stream *s;

	h->hold = true;
	s = h2_ask(h, f, false);
	h2_until(h, s->len == 65535);
	skew_us += 11000000;
	h2_until(h, s->closed);
	assert_int_equal(NGHTTP2_CANCEL, s->error);
	assert_int_equal(before + 1, counted("isthmus_ws_h2_bad_total", label));
	h2_hang_up(h);
}

static void a_socket_that_nobody_reads_is_closed(void **state)
{
	static char text[60000];
	struct rig *r = *state;
	const char *label = "reason=\"not_reading\"";
	int64_t before = counted("isthmus_ws_h2_ended_total", label);
	struct h2 *h = h2_dial(r);
	int err = 0;

	memset(text, 'q', sizeof(text));
	r->set.web.queue_bytes = 64 << 20;
	(void)nghttp2_session_set_local_window_size(h->ng, 0, 0, 1 << 30);
	(void)h2_open_ws(h);
	(void)nghttp2_session_set_local_window_size(h->ng, 0, 1, 1 << 30);
	h2_step(h);
	for (int i = 0; i < 800 && !err; i++)
		err = gw_ws_send(r->last, text, sizeof(text));
	assert_int_equal(0, err);
	run_for(r, 500); /* the kernel's buffers fill */
	skew_us += 11000000;
	until(r, r->closed == 1);
	assert_int_equal(1006, r->code);
	assert_int_equal(before + 1,
			 counted("isthmus_ws_h2_ended_total", label));
	h2_hang_up(h);
}

static void an_idle_connection_is_told_and_closed(void **state)
{
	struct rig *r = *state;
	struct h2 *h = h2_dial(r), *busy = h2_dial(r);

	(void)h2_open_ws(busy);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(200, h2_get(h, "GET", "/")->status);
		skew_us += 20000000;
		run_for(r, 20);
	}
	h2_step(h);
	assert_false(h->goaway);
	skew_us += 11000000;
	h2_until(h, h->goaway && h->c->eof);
	assert_int_equal(NGHTTP2_NO_ERROR, h->error);
	h2_step(busy);
	assert_false(busy->goaway);
	h2_hang_up(h);
	h2_hang_up(busy);
}

static void fields_beyond_the_limit_are_refused(void **state)
{
	static char cookie[1000];
	struct rig *r = *state;
	struct h2 *h = h2_dial(r);
	struct h2_field f[16] = {
		{":method",     "GET"      },
		{ ":scheme",    "https"    },
		{ ":authority", "localhost"},
		{ ":path",      "/"        }
	};
	struct h2_stream *s;

	memset(cookie, 'c', sizeof(cookie) - 1);
	for (int i = 4; i < 10; i++)
		f[i] = (struct h2_field){ "cookie", cookie };
	s = h2_ask(h, f, false);
	h2_until(h, s->closed);
	assert_int_equal(200, s->status);
	for (int i = 10; i < 15; i++)
		f[i] = (struct h2_field){ "cookie", cookie };
	s = h2_ask(h, f, false);
	h2_until(h, s->closed);
	assert_int_equal(431, s->status);
	assert_int_equal(200, h2_get(h, "GET", "/")->status);
	h2_hang_up(h);
}

/* ---- floods ---- */

static void put_raw(struct h2 *h, unsigned type, unsigned flags, uint32_t id,
		    const void *data, size_t len)
{
	unsigned char f[9 + 64] = { 0, 0, (unsigned char)len,
				    (unsigned char)type, (unsigned char)flags };

	f[5] = (unsigned char)(id >> 24);
	f[6] = (unsigned char)(id >> 16);
	f[7] = (unsigned char)(id >> 8);
	f[8] = (unsigned char)id;
	memcpy(f + 9, data, len);
	(void)put(h->c, f, 9 + len);
}

/* GET / of nothing but the static table of HPACK (RFC 7541 A). */
static const char get_root[] = "\x82\x84\x87\x41\x01x";

static void expect_calm(struct rig *r, struct h2 *h, int64_t before)
{
	h2_until(h, h->goaway && h->c->eof);
	assert_int_equal(NGHTTP2_ENHANCE_YOUR_CALM, h->error);
	assert_int_equal(before + 1,
			 counted("isthmus_ws_h2_bad_total", "kind=\"flood\""));
	h2_hang_up(h);
	/* others are served as before */
	h = h2_dial(r);
	assert_int_equal(200, h2_get(h, "GET", "/")->status);
	h2_hang_up(h);
}

static void floods_are_told_to_calm_down(void **state)
{
	struct rig *r = *state;

	for (int kind = 0; kind < 7; kind++) {
		int64_t before =
			counted("isthmus_ws_h2_bad_total", "kind=\"flood\"");
		struct h2 *h = h2_dial(r);
		struct h2_stream *ws = h2_open_ws(h);
		uint32_t id = 3;

		h->raw = kind != 6;
		for (int i = 0; i < 3000 && !h->goaway; i++) {
			switch (kind) {
			case 0: /* CVE-2023-44487: rapid reset */
				put_raw(h, 1, 5, id, get_root, 6);
				put_raw(h, 3, 0, id, "\0\0\0\x08", 4);
				id += 2;
				break;
			case 1: /* CVE-2019-9512 */
				put_raw(h, 6, 0, 0, "12345678", 8);
				break;
			case 2: /* CVE-2019-9515 */
				put_raw(h, 4, 0, 0, "\0\3\0\0\0\x64", 6);
				break;
			case 3: /* CVE-2019-9518 */
				put_raw(h, 0, 0, (uint32_t)ws->id, "", 0);
				break;
			case 4: /* CVE-2025-8671: we are made to reset */
				put_raw(h, 1, 4, id, get_root, 6);
				put_raw(h, 8, 0, id, "\x7f\xff\xff\xff", 4);
				id += 2;
				break;
			case 5:
				put_raw(h, 8, 0, 0, "\0\0\0\1", 4);
				break;
			case 6: /* WebSocket pings: each asks for a pong */
				h2_frame(h, ws, PING, "p", 1, 0);
				h2_step(h);
				break;
			}
			if (i % 50 == 49)
				h2_step(h);
		}
		expect_calm(r, h, before);
	}
}

static void more_streams_than_allowed_end_the_connection(void **state)
{
	struct rig *r = *state;
	struct h2 *h = h2_dial(r);
	struct h2_stream *s;

	for (int i = 0; i < 100; i++)
		s = h2_open_ws(h);
	assert_int_equal(100, gw_ws_connections(r->ws));
	/* nghttp2 keeps to our SETTINGS: go round it */
	put_raw(h, 1, 5, (uint32_t)s->id + 2, get_root, 6);
	h2_until(h, h->goaway && r->closed == 100);
	assert_int_equal(NGHTTP2_PROTOCOL_ERROR, h->error);
	h2_hang_up(h);
}

static void what_is_not_http2_ends_the_connection(void **state)
{
	struct rig *r = *state;
	int64_t before =
		counted("isthmus_ws_h2_bad_total", "kind=\"protocol\"");

	for (int kind = 0; kind < 4; kind++) {
		struct h2 *h = h2_dial(r);

		if (kind == 0)
			put_raw(h, 1, 4, 2, get_root, 6); /* even stream */
		else if (kind == 1)
			put_raw(h, 0, 0, 0, "x", 1); /* DATA on stream 0 */
		else if (kind == 2)
			put_raw(h, 1, 4, 1, "\xff\xff\xff\xff\xff\xff", 6);
		else
			(void)put(h->c, "\xff\xff\xff\0\0\0\0\0\1xx", 11);
		h2_until(h, h->goaway && h->c->eof);
		assert_true(h->error == NGHTTP2_PROTOCOL_ERROR ||
			    h->error == NGHTTP2_COMPRESSION_ERROR ||
			    h->error == NGHTTP2_FRAME_SIZE_ERROR);
		h2_hang_up(h);
	}
	assert_int_equal(before + 4, counted("isthmus_ws_h2_bad_total",
					     "kind=\"protocol\""));
}

/* ---- any bytes ---- */

static uint32_t dice(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

static size_t a_clients_bytes(uint8_t *out)
{
	static const char connect[] =
		"\x02\7CONNECT\x40\x09:protocol\x09websocket\x87\x41\1x"
		"\x44\x10/3gpp-respect/v1\x40\6origin\x12https://ok.example"
		"\x40\x16sec-websocket-protocol\x0f"
		"3gpp.RESPECT.v1";
	static const char frames[] = "\x81\x85\1\2\3\4igohn"
				     "\x89\x81\0\0\0\0p"
				     "\x01\x81\0\0\0\0a\x80\x81\0\0\0\0b"
				     "\x88\x82\0\0\0\0\x03\xe8";
	size_t n = 0, len = sizeof(connect) - 1;

	memcpy(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
	n = 33;
	memcpy(out + n, "\0\0\0\1\4\0\0\0\1", 9);
	out[n + 2] = (uint8_t)len;
	memcpy(out + n + 9, connect, len);
	n += 9 + len;
	for (size_t i = 0; i < 2; i++) {
		memcpy(out + n, "\0\0\0\0\0\0\0\0\1", 9);
		out[n + 2] = sizeof(frames) - 1;
		memcpy(out + n + 9, frames, sizeof(frames) - 1);
		n += 9 + sizeof(frames) - 1;
	}
	memcpy(out + n, "\0\0\6\1\5\0\0\0\3\x82\x84\x87\x41\1x", 15);
	return n + 15;
}

static void changed_bytes_do_no_harm(void **state)
{
	struct rig *r = *state;
	const char *s = getenv("GW_MUTATE_S");
	uint64_t end = test_ms() + (s ? strtoull(s, NULL, 10) : 3) * 1000;
	uint64_t seed = 1;
	uint8_t good[1024], bad[1024];
	size_t len = a_clients_bytes(good);
	unsigned runs = 0;
	struct client *c = dial(r, H2_PLAIN);

	/* unchanged, it is a session: one WebSocket, closed by its peer */
	assert_true(put(c, good, len));
	until(r, r->closed == 1);
	assert_int_equal(1, r->opened);
	assert_int_equal(2, r->messages);
	hang_up(c);
	for (; test_ms() < end; runs++) {
		unsigned changes = 1 + dice(&seed) % 6;
		size_t n = dice(&seed) % 4 ? len : 33 + dice(&seed) % len;

		memcpy(bad, good, len);
		while (changes--)
			bad[24 + dice(&seed) % (len - 24)] =
				(uint8_t)dice(&seed);
		c = dial(r, H2_PLAIN);
		if (n > len)
			n = len;
		(void)put(c, bad, n);
		if (dice(&seed) % 2)
			gw_loop_step(r->loop, 1);
		take(c);
		hang_up(c);
		for (int i = 0; i < 4; i++)
			gw_loop_step(r->loop, 0);
	}
	until(r, counted("isthmus_ws_sockets", NULL) == 0);
	assert_int_equal(r->opened, r->closed);
	assert_true(runs > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alpn_is_found_in_a_whole_hello_only),
		cmocka_unit_test(a_broken_hello_is_left_to_tls),
		with_rig(alpn_decides_who_serves),
		with_rig(without_http2_everyone_gets_http_1),
		with_rig(a_hello_in_pieces_is_waited_for),
		with_rig(who_says_nothing_is_hung_up_on),
		with_rig(a_new_certificate_serves_new_connections),
		with_rig(answers_are_those_of_http_1),
		with_rig(a_page_that_is_known_is_not_sent_again),
		with_rig(a_large_page_waits_for_its_reader),
		with_rig(a_stream_that_nobody_reads_is_given_up),
		with_rig(a_socket_that_nobody_reads_is_closed),
		with_rig(an_idle_connection_is_told_and_closed),
		with_rig(fields_beyond_the_limit_are_refused),
		with_rig(floods_are_told_to_calm_down),
		with_rig(more_streams_than_allowed_end_the_connection),
		with_rig(what_is_not_http2_ends_the_connection),
		with_rig(changed_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
