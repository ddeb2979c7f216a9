/* WebSockets over HTTP/2 (RFC 8441). */
#include "tests/unit/h2_rig.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
