#include "tests/unit/h2_client.h"

#include <openssl/x509v3.h>

#include "webrtc/h2_hello.h"
#include "webrtc/selfsigned.h"

#define PAGE "<!doctype html><title>x</title>"
#define BIG  (1 << 20)

static struct rig rig;
static uint64_t skew_us; /* deadlines come when a test says so */

static uint64_t skewed_clock(void *unused)
{
	return gw_clock_monotonic_us(unused) + skew_us;
}

static int setup(void **state)
{
	struct gw_ws_handlers h = { .opened = on_opened,
				    .message = on_message,
				    .closed = on_closed,
				    .admin = on_admin,
				    .arg = &rig };
	struct gw_set_web *web = &rig.set.web;
	static char big[BIG + 1];

	rig_defaults(&rig);
	(void)snprintf(web->listen[0], sizeof(web->listen[0]),
		       "ws://127.0.0.1:%d", H2_PLAIN);
	(void)snprintf(web->listen[1], sizeof(web->listen[1]),
		       "wss://127.0.0.1:%d", H2_TLS);
	web->nlisten = 2;
	put_file(web->root, "index.html", PAGE);
	put_file(web->root, "empty.json", "");
	memset(big, 'b', BIG);
	put_file(web->root, "big.txt", big);
	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	skew_us = 0;
	assert_int_equal(0, gw_loop_new(&rig.loop, skewed_clock, NULL));
	assert_int_equal(0, gw_ws_new(&rig.ws, rig.loop, &rig.set, &h));
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	rig_stop(*state);
	assert_int_equal(0, counted("isthmus_ws_sockets", NULL));
	assert_int_equal(0, counted("isthmus_ws_connections", NULL));
	assert_int_equal(0, counted("isthmus_ws_h2_sockets", NULL));
	assert_int_equal(0, counted("isthmus_ws_h2_streams", NULL));
	return 0;
}

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

static bool shake_with(struct client *c, const char *alpn, size_t len)
{
	uint64_t end = test_ms() + WAIT_MS;
	int n;

	c->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_NONE, NULL);
	c->ssl = SSL_new(c->ctx);
	SSL_set_fd(c->ssl, c->fd);
	(void)SSL_set_alpn_protos(c->ssl, (const unsigned char *)alpn,
				  (unsigned)len);
	while ((n = SSL_connect(c->ssl)) != 1) {
		int e = SSL_get_error(c->ssl, n);

		if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
			return false;
		assert_true(test_ms() < end);
		gw_loop_step(c->rig->loop, 2);
	}
	return true;
}

static struct h2 *tls_dial(struct rig *r)
{
	struct client *c = dial(r, H2_TLS);
	struct h2 *h;

	assert_true(shake_with(c, "\2h2\x08http/1.1", 12));
	h = h2_over(c);
	h2_until(h, h->connect_protocol);
	return h;
}

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

/* ---- WebSockets ---- */

static void a_websocket_is_a_stream_among_others(void **state)
{
	static const size_t sizes[] = { 0, 1, 125, 126, 16384, 65535, 65536 };
	static char text[65536], back[70000];
	struct rig *r = *state;
	int64_t before = counted("isthmus_ws_opened_h2_total", NULL);

	memset(text, 'm', sizeof(text));
	r->echo = true;
	for (int tls = 0; tls < 2; tls++) {
		struct h2 *h = tls ? tls_dial(r) : h2_dial(r);
		struct h2_stream *a = h2_open_ws(h), *b = h2_open_ws(h);
		size_t n = 0;

		assert_non_null(strstr(a->head, "sec-websocket-protocol: "
						"3gpp.RESPECT.v1\n"));
		assert_null(strstr(a->head, "sec-websocket-accept"));
		assert_int_equal(2, gw_ws_connections(r->ws));
		assert_true(gw_addr_is_loopback(gw_ws_peer(r->last)));
		for (size_t i = 0; i < GW_ARRAY_LEN(sizes); i++) {
			h2_frame(h, i & 1 ? a : b, TEXT, text, sizes[i], 0);
			assert_int_equal(TEXT,
					 h2_next(h, i & 1 ? a : b, back, &n));
			assert_int_equal(sizes[i], n);
			assert_memory_equal(text, back, n);
		}
		assert_int_equal(200, h2_get(h, "GET", "/")->status);
		h2_hang_up(h);
		until(r, r->closed == (tls ? 4 : 2));
		assert_int_equal(1006, r->code);
	}
	assert_int_equal(before + 4,
			 counted("isthmus_ws_opened_h2_total", NULL));
}

static void what_is_not_a_respect_connect_is_refused(void **state)
{
#define P                                                                      \
	{ ":method", "CONNECT" },                                              \
	{                                                                      \
		":protocol", "websocket"                                       \
	}
#define WHO                                                                    \
	{ ":scheme", "https" },                                                \
	{                                                                      \
		":authority", "localhost"                                      \
	}
#define PATH                                                                   \
	{                                                                      \
		":path", "/3gpp-respect/v1"                                    \
	}
#define SUB                                                                    \
	{                                                                      \
		"sec-websocket-protocol", "3gpp.RESPECT.v1"                    \
	}
#define OK                                                                     \
	{                                                                      \
		"origin", "https://ok.example"                                 \
	}
	static const struct {
		struct h2_field f[10];
		int status;
		const char *reason;
	} cases[] = {
		{{ P, WHO, PATH, SUB, { "origin", "https://evil.example" } },
                 403,							       "origin"     },
		{ { P, WHO, PATH, SUB, { "origin", "null" } },                 403, "origin"     },
		{ { P, WHO, PATH, SUB },                                       403, "origin"     },
		{ { P, WHO, PATH, SUB, OK, OK },                               403, "origin"     },
		{ { P, WHO, PATH, OK },					400, "subprotocol"},
		{ { P, WHO, PATH, OK, { "sec-websocket-protocol", "x,y" } },
                 400,							       "subprotocol"},
		{ { P, WHO, { ":path", "/" }, SUB, OK },                       404, "not_found"  },
		{ { P,
		    { ":scheme", "https" },
		    { ":authority", "a\"b" },
		    PATH,
		    SUB,
		    OK },
                 400,							       "host"       },
		{ { P, WHO, PATH, SUB, OK, { "sec-websocket-version", "8" } },
                 426,							       "version"    },
		{ { { ":method", "CONNECT" },
		    { ":protocol", "connect-udp" },
		    WHO,
		    PATH,
		    SUB,
		    OK },
                 400,							       "handshake"  },
		{ { { ":method", "CONNECT" }, { ":authority", "x:1" } },
                 405,							       "method"     },
	};
	struct rig *r = *state;
	struct h2 *h = h2_dial(r);

	for (size_t i = 0; i < GW_ARRAY_LEN(cases); i++) {
		char label[64];
		int64_t before;
		struct h2_stream *s;

		(void)snprintf(label, sizeof(label), "reason=\"%s\"",
			       cases[i].reason);
		before = counted("isthmus_ws_refused_total", label);
		s = h2_ask(h, cases[i].f, true);
		h2_until(h, s->closed);
		/* nghttp2 itself resets what has a bad :authority */
		if (s->status != cases[i].status &&
		    !(s->status == 0 && !strcmp(cases[i].reason, "host")))
			fail_msg("case %zu: %d", i, s->status);
		if (!s->status)
			continue;
		assert_non_null(strstr(s->head, "application/problem+json"));
		assert_non_null(strstr(s->in, "\"type\":\"about:blank\""));
		assert_int_equal(before + 1,
				 counted("isthmus_ws_refused_total", label));
	}
	/* and a CONNECT that has already ended */
	struct h2_stream *s = h2_ask(
		h, (const struct h2_field[]){ P, WHO, PATH, SUB, OK, { 0 } },
		false);
	h2_until(h, s->closed);
	assert_int_equal(400, s->status);
	assert_int_equal(0, r->opened);
	(void)h2_open_ws(h);
	h2_hang_up(h);
}

/* Sends something bad; the close code that it brings, and the stream's end. */
static unsigned fails(struct rig *r, struct h2 *h, struct h2_stream *s)
{
	unsigned closed = r->closed, code = h2_close_code(h, s);
	unsigned char echo[2] = { (unsigned char)(code >> 8),
				  (unsigned char)code };

	h2_frame(h, s, CLOSE, echo, 2, 0);
	h2_until(h, s->eof && r->closed == closed + 1);
	assert_int_equal(code, r->code);
	return code;
}

static void bad_messages_close_with_their_code(void **state)
{
	static char text[65537];
	struct rig *r = *state;
	struct h2 *h = h2_dial(r);
	struct h2_stream *s = h2_open_ws(h);

	memset(text, 'm', sizeof(text));
	h2_frame(h, s, BIN, "\1\2", 2, 0);
	assert_int_equal(1003, fails(r, h, s));
	s = h2_open_ws(h);
	h2_frame(h, s, TEXT, "a\xff", 2, 0);
	assert_int_equal(1007, fails(r, h, s));
	s = h2_open_ws(h);
	h2_frame(h, s, FIRST, "\xe2\x82", 2, 0);
	h2_frame(h, s, LAST, "", 0, 0);
	assert_int_equal(1007, fails(r, h, s));
	s = h2_open_ws(h);
	h2_frame(h, s, FIRST, text, 60000, 0);
	h2_frame(h, s, MORE, text, 5536, 0);
	h2_frame(h, s, LAST, text, 1, 0);
	assert_int_equal(1009, fails(r, h, s));
	/* by what its header says, before it comes */
	s = h2_open_ws(h);
	h2_frame(h, s, TEXT, text, 100, UINT64_MAX >> 1);
	assert_int_equal(1009, h2_close_code(h, s));
	assert_int_equal(0, r->messages);
	h2_hang_up(h);
}

static void a_frame_that_breaks_the_protocol_closes_1002(void **state)
{
	static const unsigned bad[] = { 0x83, 0x8b, 0xc1, 0x80, 0x09 };
	struct rig *r = *state;
	struct h2 *h = h2_dial(r);
	int64_t before =
		counted("isthmus_ws_closed_total", "reason=\"protocol\"");

	for (unsigned i = 0; i <= GW_ARRAY_LEN(bad); i++) {
		struct h2_stream *s = h2_open_ws(h);

		if (i < GW_ARRAY_LEN(bad))
			h2_frame(h, s, bad[i], "x", 1, 0);
		else
			h2_put(h, s, "\x81\5hello", 7); /* not masked */
		assert_int_equal(1002, h2_close_code(h, s));
		h2_until(h, s->eof && s->closed && r->closed == i + 1);
		assert_int_equal(1002, r->code);
	}
	assert_int_equal(before + 6, counted("isthmus_ws_closed_total",
					     "reason=\"protocol\""));
	/* the connection is none the worse for it */
	assert_int_equal(200, h2_get(h, "GET", "/")->status);
	h2_hang_up(h);
}

/* What makes the HTTP/2 parser of libwebsockets 4.1.6 step past its buffer:
 * a frame with a bad opcode in a DATA frame of which only a part has come. */
static void a_bad_opcode_in_half_a_data_frame_does_no_harm(void **state)
{
	struct rig *r = *state;

	for (int i = 0; i < 50; i++) {
		struct h2 *h = i & 1 ? tls_dial(r) : h2_dial(r);
		struct h2_stream *s = h2_open_ws(h);
		unsigned closed = r->closed;
		unsigned char data[9 + 200] = { 0, 0x40, 0, 0, 0, 0, 0, 0, 0 };
		size_t n = 9 + 7 + (size_t)i * 3;

		data[8] = (unsigned char)s->id;
		memcpy(data + 9, "\x83\xfe\x10\x00\1\2\3\4", 8);
		assert_true(put(h->c, data, n));
		run_for(r, 5);
		if (i % 3)
			assert_true(put(h->c, data + n, sizeof(data) - n));
		h2_until(h, r->closed == closed + 1);
		assert_int_equal(1002, r->code);
		h2_hang_up(h);
	}
}

static void fragments_may_come_in_any_pieces(void **state)
{
	struct rig *r = *state;
	struct h2 *h = h2_dial(r);
	struct h2_stream *s = h2_open_ws(h);
	char all[300], buf[200];
	size_t n = 0;

	h2_frame(h, s, FIRST, "a\xe2", 2, 0);
	h2_frame(h, s, PING, "now", 3, 0);
	h2_frame(h, s, MORE, "\x82", 1, 0);
	h2_frame(h, s, MORE, "", 0, 0);
	h2_frame(h, s, LAST, "\xac", 1, 0);
	n = s->out_len;
	memcpy(all, s->out, n);
	s->out_len = 0;
	for (size_t i = 0; i < n; i++) {
		h2_put(h, s, all + i, 1);
		h2_until(h, !s->out_len);
	}
	h2_until(h, r->messages == 1);
	assert_int_equal(4, r->len);
	assert_memory_equal("a\xe2\x82\xac", r->text, 4);
	assert_int_equal(PONG, h2_next(h, s, buf, &n));
	assert_int_equal(3, n);
	assert_memory_equal("now", buf, 3);
	h2_hang_up(h);
}

static void the_code_of_a_peers_close_is_told(void **state)
{
	struct rig *r = *state;
	struct h2 *h = h2_dial(r);
	struct h2_stream *s = h2_open_ws(h);

	h2_frame(h, s, CLOSE, "\x0b\xb9 bye", 6, 0);
	assert_int_equal(3001, h2_close_code(h, s)); /* echoed */
	h2_until(h, s->eof && r->closed == 1);
	assert_int_equal(3001, r->code);
	s = h2_open_ws(h);
	h2_frame(h, s, CLOSE, "", 0, 0);
	assert_int_equal(1005, h2_close_code(h, s));
	h2_until(h, s->eof && r->closed == 2);
	assert_int_equal(1005, r->code);
	s = h2_open_ws(h);
	h2_frame(h, s, CLOSE, "\x03\xee", 2, 0); /* 1006 is never sent */
	assert_int_equal(1002, h2_close_code(h, s));
	h2_until(h, s->eof && r->closed == 3);
	h2_hang_up(h);
}

static void a_stream_that_ends_is_a_connection_that_ends(void **state)
{
	struct rig *r = *state;
	struct h2 *h = h2_dial(r);
	struct h2_stream *s = h2_open_ws(h);

	s->out_end = true; /* END_STREAM without a close frame */
	(void)nghttp2_session_resume_data(h->ng, s->id);
	h2_until(h, s->closed && r->closed == 1);
	assert_int_equal(1006, r->code);
	s = h2_open_ws(h);
	(void)nghttp2_submit_rst_stream(h->ng, 0, s->id, NGHTTP2_CANCEL);
	h2_until(h, r->closed == 2);
	assert_int_equal(1006, r->code);
	/* and after one, nothing is missing */
	s = h2_open_ws(h);
	h2_frame(h, s, CLOSE, "\x03\xe8", 2, 0);
	s->out_end = true;
	assert_int_equal(1000, h2_close_code(h, s));
	h2_until(h, s->closed && r->closed == 3);
	assert_int_equal(1000, r->code);
	h2_hang_up(h);
}

static void closing_sends_what_is_queued_first(void **state)
{
	struct rig *r = *state;
	struct h2 *h = h2_dial(r);
	struct h2_stream *s = h2_open_ws(h);
	char back[200];
	size_t n = 0;

	r->busy = true;
	for (int i = 0; i < 5; i++)
		assert_int_equal(0, gw_ws_send(r->last, "queued", 6));
	gw_ws_close(r->last, GW_WS_EXPIRED, "registration expired");
	gw_ws_close(r->last, GW_WS_NORMAL, "twice is harmless");
	assert_int_equal(-EPIPE, gw_ws_send(r->last, "late", 4));
	r->busy = false;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(TEXT, h2_next(h, s, back, &n));
		assert_memory_equal("queued", back, 6);
	}
	assert_int_equal(CLOSE, h2_next(h, s, back, &n));
	assert_memory_equal("\x0f\xa1registration expired", back, 22);
	h2_frame(h, s, TEXT, "deaf", 4, 0);
	run_for(r, 20);
	assert_int_equal(0, r->closed);
	assert_false(s->eof); /* it waits for the echo */
	h2_frame(h, s, CLOSE, "\x0f\xa1", 2, 0);
	h2_until(h, s->eof && r->closed == 1);
	assert_int_equal(4001, r->code);
	assert_int_equal(0, r->messages);
	/* who does not answer is not waited for long */
	s = h2_open_ws(h);
	gw_ws_close(r->last, GW_WS_NORMAL, NULL);
	assert_int_equal(1000, h2_close_code(h, s));
	skew_us += 6000000;
	h2_until(h, s->closed && r->closed == 2);
	h2_hang_up(h);
}

static void a_client_that_does_not_read_is_closed_1013(void **state)
{
	static char text[60000];
	struct rig *r = *state;
	struct h2 *h = h2_dial(r);
	struct h2_stream *s = h2_open_ws(h);
	int err = 0, small = 4096;

	memset(text, 'q', sizeof(text));
	h->hold = true;
	(void)setsockopt(h->c->fd, SOL_SOCKET, SO_RCVBUF, &small,
			 sizeof(small));
	for (int i = 0; i < 100 && !err; i++) {
		r->busy = true;
		err = gw_ws_send(r->last, text, sizeof(text));
		r->busy = false;
		if (!err)
			h2_step(h);
	}
	assert_int_equal(-ENOBUFS, err);
	assert_int_equal(-EPIPE, gw_ws_send(r->last, text, 1));
	skew_us += 6000000;
	h2_until(h, r->closed == 1);
	assert_int_equal(1013, r->code);
	h2_until(h, s->closed);
	/* its neighbours on the connection go on */
	(void)nghttp2_session_consume_connection(h->ng, s->len);
	h->hold = false;
	assert_int_equal(200, h2_get(h, "GET", "/")->status);
	h2_hang_up(h);
}

static void who_reads_again_gets_whole_frames_and_1013(void **state)
{
	static char text[60000], back[70000];
	struct rig *r = *state;
	struct h2 *h = h2_dial(r);
	struct h2_stream *s = h2_open_ws(h);
	size_t n = 0, whole = 0;
	unsigned first;
	int err = 0;

	memset(text, 'q', sizeof(text));
	h->hold = true;
	for (int i = 0; i < 100 && !err; i++) {
		err = gw_ws_send(r->last, text, sizeof(text));
		if (!err)
			h2_step(h);
	}
	assert_int_equal(-ENOBUFS, err);
	h->hold = false;
	(void)nghttp2_session_consume(h->ng, s->id, 65535);
	while ((first = h2_next(h, s, back, &n)) == TEXT) {
		assert_int_equal(sizeof(text), n);
		assert_memory_equal(text, back, n);
		whole++;
	}
	assert_int_equal(CLOSE, first);
	assert_memory_equal("\x03\xf5", back, 2);
	assert_true(whole >= 1); /* the one that had begun */
	h2_frame(h, s, CLOSE, "\x03\xf5", 2, 0);
	h2_until(h, s->closed && r->closed == 1);
	h2_hang_up(h);
}

static void only_a_stream_that_is_silent_is_given_up(void **state)
{
	struct rig *r = *state;
	struct h2_stream *quiet, *pongs;
	struct h2 *h;
	char buf[200];
	size_t n;

	r->set.web.ping_ms = 100;
	h = h2_dial(r);
	quiet = h2_open_ws(h);
	pongs = h2_open_ws(h);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(PING, h2_next(h, pongs, buf, &n));
		h2_frame(h, pongs, PONG, buf, n, 0);
	}
	h2_until(h, r->closed == 1);
	assert_int_equal(1006, r->code);
	h2_until(h, quiet->closed);
	assert_false(pongs->closed);
	assert_int_equal(1, gw_ws_connections(r->ws));
	h2_hang_up(h);
}

static void streams_count_against_the_limits(void **state)
{
	struct rig *r = *state;
	struct gw_addr peer;
	struct h2_stream *s[4];
	struct h2 *h;

	r->set.web.max_connections_ip = 4;
	h = h2_dial(r);
	for (int i = 0; i < 4; i++)
		s[i] = h2_open_ws(h);
	peer = *gw_ws_peer(r->last);
	assert_int_equal(429, h2_connect(h, "https://ok.example")->status);
	h2_frame(h, s[0], CLOSE, "", 0, 0);
	h2_until(h, r->closed == 1);
	(void)h2_open_ws(h);
	r->set.web.max_connections_ip = 0;
	r->set.web.max_connections = 4;
	assert_int_equal(503, h2_connect(h, "https://ok.example")->status);
	r->set.web.max_connections = 100;
	for (int i = 0; i < 3; i++)
		(void)gw_ws_punish(r->ws, &peer, false);
	assert_int_equal(429, h2_connect(h, "https://ok.example")->status);
	assert_int_equal(429, h2_get(h, "GET", "/")->status);
	assert_int_equal(4, gw_ws_connections(r->ws));
	h2_hang_up(h);
}

static void a_connection_that_vanishes_takes_its_websockets(void **state)
{
	enum { N = 60 };
	struct rig *r = *state;
	struct linger rst = { .l_onoff = 1 };
	struct h2 *h = tls_dial(r);

	for (int i = 0; i < N; i++)
		(void)h2_open_ws(h);
	assert_int_equal(N, gw_ws_connections(r->ws));
	(void)setsockopt(h->c->fd, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst));
	h2_hang_up(h);
	until(r, r->closed == N);
	until(r, counted("isthmus_ws_sockets", NULL) == 0);
}

static void a_neighbour_may_be_spoken_to_when_one_is_closed(void **state)
{
	struct rig *r = *state;
	struct h2 *h = h2_dial(r);
	struct h2_stream *a = h2_open_ws(h), *b;
	struct gw_ws_conn *first = r->last;
	char back[100];
	size_t n;

	b = h2_open_ws(h);
	gw_ws_close(first, GW_WS_SUPERSEDED, "by another");
	assert_int_equal(0, gw_ws_send(r->last, "you took over", 13));
	assert_int_equal(4002, h2_close_code(h, a));
	assert_int_equal(TEXT, h2_next(h, b, back, &n));
	assert_int_equal(13, n);
	h2_hang_up(h);
}

static void ending_the_server_tells_every_stream(void **state)
{
	struct rig *r = *state;
	struct h2 *h = h2_dial(r);
	struct h2_stream *s[3];

	for (int i = 0; i < 3; i++)
		s[i] = h2_open_ws(h);
	gw_ws_set_draining(r->ws, true);
	gw_ws_free(r->ws);
	r->ws = NULL;
	assert_int_equal(3, r->closed);
	assert_int_equal(1012, r->code);
	for (int i = 0; i < 3; i++)
		assert_int_equal(1012, h2_close_code(h, s[i]));
	h2_until(h, h->goaway);
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

#define with_rig(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

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
		with_rig(a_websocket_is_a_stream_among_others),
		with_rig(what_is_not_a_respect_connect_is_refused),
		with_rig(bad_messages_close_with_their_code),
		with_rig(a_frame_that_breaks_the_protocol_closes_1002),
		with_rig(a_bad_opcode_in_half_a_data_frame_does_no_harm),
		with_rig(fragments_may_come_in_any_pieces),
		with_rig(the_code_of_a_peers_close_is_told),
		with_rig(a_stream_that_ends_is_a_connection_that_ends),
		with_rig(closing_sends_what_is_queued_first),
		with_rig(a_client_that_does_not_read_is_closed_1013),
		with_rig(who_reads_again_gets_whole_frames_and_1013),
		with_rig(only_a_stream_that_is_silent_is_given_up),
		with_rig(streams_count_against_the_limits),
		with_rig(a_connection_that_vanishes_takes_its_websockets),
		with_rig(a_neighbour_may_be_spoken_to_when_one_is_closed),
		with_rig(ending_the_server_tells_every_stream),
		with_rig(floods_are_told_to_calm_down),
		with_rig(more_streams_than_allowed_end_the_connection),
		with_rig(what_is_not_http2_ends_the_connection),
		with_rig(changed_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
