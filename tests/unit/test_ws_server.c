#include "tests/unit/ws_client.h"

static struct rig rig;

static int setup(void **state)
{
	rig_defaults(&rig);
	rig_start(&rig);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	rig_stop(*state);
	return 0;
}

static void a_respect_upgrade_is_accepted(void **state)
{
	struct rig *r = *state;
	struct client *c = dial(r, 23100);

	assert_int_equal(101, upgrade(c, "http://localhost"));
	assert_non_null(strstr(c->in, ACCEPT));
	assert_non_null(
		strcasestr(c->in, "sec-websocket-protocol: 3gpp.RESPECT.v1"));
	assert_null(strcasestr(c->in, "sec-websocket-extensions"));
	until(r, r->opened == 1);
	assert_int_equal(1, gw_ws_connections(r->ws));
	assert_true(gw_addr_is_loopback(gw_ws_peer(r->last)));
	gw_ws_set_user(r->last, c);
	assert_ptr_equal(c, gw_ws_user(r->last));
	hang_up(c);
	until(r, r->closed == 1);
	assert_int_equal(1006, r->code);
	assert_int_equal(0, gw_ws_connections(r->ws));
}

struct refused {
	const char *request; /* between the method and the empty line */
	int status;
	const char *reason; /* label of the counter */
};

#define GOOD "/3gpp-respect/v1 HTTP/1.1\r\n"
#define MINE "Origin: https://ok.example\r\n"

static void what_is_not_a_respect_upgrade_is_refused(void **state)
{
	static const struct refused cases[] = {
		{GOOD HANDSHAKE RESPECT "Origin: https://evil.example\r\n",
                 403,										 "origin"     },
		{ GOOD HANDSHAKE RESPECT "Origin: null\r\n",                                     403, "origin"     },
		{ GOOD HANDSHAKE RESPECT,							403, "origin"     },
		{ GOOD HANDSHAKE MINE,							   400, "subprotocol"},
		{ GOOD HANDSHAKE MINE "Sec-WebSocket-Protocol: x\r\n",                           400,
                 "subprotocol"										     },
		{ GOOD HANDSHAKE MINE
		  "Sec-WebSocket-Protocol: 3gpp.RESPECT.v11\r\n",               400, "subprotocol"},
		{ GOOD HANDSHAKE MINE "Sec-WebSocket-Protocol: http\r\n",                        400,
                 "subprotocol"										     },
		{ "/ HTTP/1.1\r\n" HANDSHAKE RESPECT MINE,                                       404, "not_found"  },
		{ "/3gpp-respect/v1/x HTTP/1.1\r\n" HANDSHAKE RESPECT MINE,                      404,
                 "not_found"										       },
		{ GOOD "Host: localhost\r\nUpgrade: websocket\r\nConnection: "
		       "Upgrade\r\nSec-WebSocket-Version: 8\r\n"
		       "Sec-WebSocket-Key: " KEY "\r\n" RESPECT MINE,
                 426,										 "version"    },
		{ GOOD "Host: localhost\r\nUpgrade: websocket\r\nConnection: "
		       "Upgrade\r\nSec-WebSocket-Version: 13\r\n" RESPECT MINE,
                 400,										 "handshake"  },
		{ GOOD "Host: localhost\r\nUpgrade: websocket\r\nConnection: "
		       "keep-alive\r\nSec-WebSocket-Version: 13\r\n"
		       "Sec-WebSocket-Key: " KEY "\r\n" RESPECT MINE,
                 400,										 "handshake"  },
		{ GOOD "Host: a\"b\r\nUpgrade: websocket\r\nConnection: "
		       "Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		       "Sec-WebSocket-Key: " KEY "\r\n" RESPECT MINE,
                 400,										 "host"       },
		{ "/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\n"
		  "Connection: Upgrade, HTTP2-Settings\r\n"
		  "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",               400, "handshake"  },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < GW_ARRAY_LEN(cases); i++) {
		struct client *c = dial(r, 23100);
		char labels[64];
		int64_t before;

		(void)snprintf(labels, sizeof(labels), "reason=\"%s\"",
			       cases[i].reason);
		before = counted("isthmus_ws_refused_total", labels);
		put_str(c, "GET ");
		put_str(c, cases[i].request);
		put_str(c, "\r\n");
		if (response(c) != cases[i].status)
			fail_msg("case %zu: %s", i, c->in);
		assert_non_null(strstr(c->in, "application/problem+json"));
		assert_non_null(strstr(c->in, "\"type\":\"about:blank\""));
		until(r, ended(c));
		assert_int_equal(before + 1,
				 counted("isthmus_ws_refused_total", labels));
		hang_up(c);
	}
	assert_int_equal(0, r->opened);
}

/* libwebsockets answers these itself and then comes to us (see
 * gw_ws_upgrade_h1); pipelined or not, nothing of ours is harmed. */
static void an_upgrade_to_something_unknown_is_hung_up_on(void **state)
{
	struct rig *r = *state;
	struct client *c;

	for (int i = 0; i < 20; i++) {
		c = dial(r, 23100);
		put_str(c, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: foo\r\n"
			   "Connection: Upgrade\r\n\r\n");
		if (i & 1)
			(void)put(c, "GET / HTTP/1.1\r\n", 16);
		until(r, ended(c));
		hang_up(c);
		c = dial(r, 23100);
		put_str(c, "CONNECT localhost:1 HTTP/1.1\r\nHost: x\r\n\r\n");
		until(r, ended(c));
		hang_up(c);
	}
	c = open_ws(r);
	hang_up(c);
}

static void messages_up_to_the_limit_come_back_whole(void **state)
{
	static const size_t sizes[] = { 0,    1,    125,   126,  127,
					2047, 2048, 65535, 65536 };
	static char text[65536], back[70000];
	struct rig *r = *state;
	struct client *c;
	size_t n = 0;

	r->echo = true;
	memset(text, 'm', sizeof(text));
	c = open_ws(r);
	for (size_t i = 0; i < GW_ARRAY_LEN(sizes); i++) {
		assert_true(put_frame(c, TEXT, text, sizes[i], 0));
		assert_int_equal(TEXT, frame(c, back, &n));
		assert_int_equal(sizes[i], n);
		assert_memory_equal(text, back, n);
	}
	assert_int_equal(GW_ARRAY_LEN(sizes), r->messages);
	hang_up(c);
	until(r, r->closed == 1);
}

static void a_longer_message_closes_1009(void **state)
{
	static char text[65537];
	struct rig *r = *state;
	struct client *c = open_ws(r);

	memset(text, 'm', sizeof(text));
	/* by what its header says, before it comes */
	assert_true(put_frame(c, TEXT, text, 100, 65537));
	assert_int_equal(1009, close_code(c));
	hang_up(c);
	until(r, r->closed == 1);
	assert_int_equal(1009, r->code);

	c = open_ws(r); /* more than there is memory */
	assert_true(put_frame(c, TEXT, text, 10, UINT64_MAX >> 1));
	assert_int_equal(1009, close_code(c));
	hang_up(c);

	c = open_ws(r); /* piece by piece */
	assert_true(put_frame(c, FIRST, text, 60000, 0));
	assert_true(put_frame(c, MORE, text, 5536, 0));
	assert_true(put_frame(c, LAST, text, 1, 0));
	assert_int_equal(1009, close_code(c));
	finish_close(c, 1009);
	hang_up(c);
	until(r, r->closed == 3);
	assert_int_equal(0, r->messages);
}

static void a_binary_message_closes_1003(void **state)
{
	struct rig *r = *state;
	struct client *c = open_ws(r);

	assert_true(put_frame(c, BIN, "\1\2", 2, 0));
	assert_int_equal(1003, close_code(c));
	finish_close(c, 1003);
	hang_up(c);
	until(r, r->closed == 1);
	assert_int_equal(1003, r->code);
}

static void text_that_is_not_utf8_closes_1007(void **state)
{
	struct rig *r = *state;
	struct client *c = open_ws(r);

	assert_true(put_frame(c, TEXT, "a\xff", 2, 0));
	assert_int_equal(1007, close_code(c));
	hang_up(c);
	c = open_ws(r); /* ends inside a character */
	assert_true(put_frame(c, TEXT, "\xe2\x82", 2, 0));
	assert_int_equal(1007, close_code(c));
	hang_up(c);
	c = open_ws(r); /* the other half is not one */
	assert_true(put_frame(c, FIRST, "\xe2\x82", 2, 0));
	assert_true(put_frame(c, LAST, "x", 1, 0));
	assert_int_equal(1007, close_code(c));
	hang_up(c);
	c = open_ws(r); /* ends inside one, by an empty last frame */
	assert_true(put_frame(c, FIRST, "\xe2\x82", 2, 0));
	assert_true(put_frame(c, LAST, "", 0, 0));
	assert_int_equal(1007, close_code(c));
	hang_up(c);
	until(r, r->closed == 4);
	assert_int_equal(0, r->messages);
}

static void a_message_in_fragments_arrives_once_and_whole(void **state)
{
	struct rig *r = *state;
	struct client *c = open_ws(r);
	char buf[200];
	size_t n = 0;

	assert_true(put_frame(c, FIRST, "a\xe2", 2, 0));
	assert_true(put_frame(c, PING, "now", 3, 0));
	assert_int_equal(PONG, frame(c, buf, &n));
	assert_memory_equal("now", buf, n);
	assert_true(put_frame(c, MORE, "\x82", 1, 0));
	assert_true(put_frame(c, MORE, "", 0, 0));
	assert_true(put_frame(c, LAST, "\xac", 1, 0));
	until(r, r->messages == 1);
	assert_int_equal(4, r->len);
	assert_memory_equal("a\xe2\x82\xac", r->text, 4);
	assert_true(put_frame(c, FIRST, "b", 1, 0));
	assert_true(put_frame(c, LAST, "", 0, 0));
	until(r, r->messages == 2);
	assert_int_equal(1, r->len);
	hang_up(c);
}

static void a_frame_that_breaks_the_protocol_closes_1002(void **state)
{
	static const unsigned bad[] = {
		0x83, /* reserved opcode */
		0x8b, /* reserved control opcode */
		0xc1, /* RSV1 without an extension */
		0x80, /* continues nothing */
		0x09, /* a control frame in fragments */
	};
	struct rig *r = *state;

	for (unsigned i = 0; i < GW_ARRAY_LEN(bad); i++) {
		struct client *c = open_ws(r);

		assert_true(put_frame(c, bad[i], "x", 1, 0));
		assert_int_equal(1002, close_code(c));
		hang_up(c);
		until(r, r->closed == i + 1);
		assert_int_equal(1002, r->code);
	}
}

static void the_code_of_a_peers_close_is_told(void **state)
{
	struct rig *r = *state;
	struct client *c = open_ws(r);

	assert_true(put_frame(c, CLOSE, "\x0b\xb9 bye", 6, 0));
	assert_int_equal(3001, close_code(c)); /* echoed */
	until(r, ended(c));
	until(r, r->closed == 1);
	assert_int_equal(3001, r->code);
	hang_up(c);
	c = open_ws(r);
	assert_true(put_frame(c, CLOSE, "", 0, 0));
	until(r, ended(c));
	until(r, r->closed == 2);
	assert_int_equal(1005, r->code);
	hang_up(c);
}

static void closing_sends_what_is_queued_first(void **state)
{
	static char back[400000];
	struct rig *r = *state;
	struct client *c = open_ws(r);
	size_t n = 0;

	r->busy = true;
	for (int i = 0; i < 5; i++)
		assert_int_equal(0, gw_ws_send(r->last, "queued", 6));
	gw_ws_close(r->last, GW_WS_EXPIRED, "registration expired");
	gw_ws_close(r->last, GW_WS_NORMAL, "twice is harmless");
	assert_int_equal(-EPIPE, gw_ws_send(r->last, "late", 4));
	assert_int_equal(0, r->closed);
	r->busy = false;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(TEXT, frame(c, back, &n));
		assert_memory_equal("queued", back, 6);
	}
	assert_int_equal(CLOSE, frame(c, back, &n));
	assert_int_equal(22, n);
	assert_memory_equal("\x0f\xa1registration expired", back, 22);
	/* what it says meanwhile is not heard any more */
	assert_true(put_frame(c, TEXT, "deaf", 4, 0));
	finish_close(c, 4001);
	until(r, r->closed == 1);
	assert_int_equal(4001, r->code);
	assert_int_equal(0, r->messages);
	hang_up(c);
}

static void a_long_reason_is_cut_between_characters(void **state)
{
	struct rig *r = *state;
	struct client *c = open_ws(r);
	char reason[200], back[200];
	size_t n = 0;

	for (size_t i = 0; i + 2 < sizeof(reason); i += 2)
		memcpy(reason + i, "\xc3\xa9", 3);
	gw_ws_close(r->last, GW_WS_POLICY, reason);
	assert_int_equal(CLOSE, frame(c, back, &n));
	assert_int_equal(2 + 122, n);
	hang_up(c);
}

static void a_client_that_does_not_read_is_closed_1013(void **state)
{
	static char text[60000];
	struct rig *r = *state;
	struct client *c;
	int err = 0, small = 4096;
	int64_t before =
		counted("isthmus_ws_closed_total", "reason=\"not_reading\"");

	memset(text, 'q', sizeof(text));
	c = open_ws(r);
	assert_int_equal(0, setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small,
				       sizeof(small)));
	for (int i = 0; i < 2000 && !err; i++) {
		r->busy = true;
		err = gw_ws_send(r->last, text, sizeof(text));
		r->busy = false;
		if (!err)
			gw_loop_step(r->loop, 0);
	}
	assert_int_equal(-ENOBUFS, err);
	assert_int_equal(-EPIPE, gw_ws_send(r->last, text, 1));
	until(r, r->closed == 1); /* after 5 s: it takes no close frame */
	assert_int_equal(1013, r->code);
	assert_int_equal(before + 1, counted("isthmus_ws_closed_total",
					     "reason=\"not_reading\""));
	hang_up(c);
}

static void only_a_client_that_is_silent_is_given_up(void **state)
{
	struct rig *r = *state;
	struct client *quiet, *pongs, *talks;
	char buf[200];
	size_t n;

	r->set.web.ping_ms = 100;
	quiet = open_ws(r);
	pongs = open_ws(r);
	talks = open_ws(r);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(PING, frame(pongs, buf, &n));
		assert_true(n > 0);
		assert_true(put_frame(pongs, PONG, buf, n, 0));
		assert_true(put_frame(talks, TEXT, "hi", 2, 0));
	}
	until(r, r->closed == 1);
	assert_int_equal(1006, r->code);
	assert_int_equal(2, gw_ws_connections(r->ws));
	until(r, ended(quiet));
	hang_up(quiet);
	/* a message that takes its time is life as well */
	assert_true(put_frame(talks, TEXT, "x", 1, 20));
	for (int i = 0; i < 10; i++) {
		assert_int_equal(PING, frame(pongs, buf, &n));
		assert_true(put_frame(pongs, PONG, buf, n, 0));
		assert_true(put(talks, "y", 1));
	}
	assert_int_equal(2, gw_ws_connections(r->ws));
	hang_up(pongs);
	hang_up(talks);
	until(r, r->closed == 3);
}

static void an_address_has_so_many_connections(void **state)
{
	struct rig *r = *state;
	struct client *c[4], *more;

	r->set.web.max_connections_ip = 4;
	for (int i = 0; i < 4; i++)
		c[i] = open_ws(r);
	more = dial(r, 23100);
	assert_int_equal(429, upgrade(more, "https://ok.example"));
	assert_non_null(strcasestr(more->in, "\r\nretry-after: "));
	until(r, ended(more));
	hang_up(more);
	hang_up(c[0]);
	until(r, r->closed == 1);
	more = open_ws(r);
	hang_up(more);
	for (int i = 1; i < 4; i++)
		hang_up(c[i]);
}

static void a_flood_of_sockets_is_closed_unheard(void **state)
{
	struct rig *r = *state;
	struct client *c[20];
	unsigned shut = 0;

	r->set.web.max_connections_ip = 4;
	for (int i = 0; i < 20; i++)
		c[i] = dial(r, 23100);
	run_for(r, 100);
	for (int i = 0; i < 20; i++)
		shut += ended(c[i]);
	assert_int_equal(8, shut); /* 4 served, 8 would be told */
	for (int i = 0; i < 20; i++)
		hang_up(c[i]);
	until(r, counted("isthmus_ws_sockets", NULL) == 0);
}

static void the_server_has_so_many_connections(void **state)
{
	struct rig *r = *state;
	struct client *one, *more;

	r->set.web.max_connections = 1;
	one = open_ws(r);
	more = dial(r, 23100);
	assert_int_equal(503, upgrade(more, "https://ok.example"));
	assert_non_null(strcasestr(more->in, "\r\nretry-after: "));
	hang_up(more);
	hang_up(one);
}

static void an_address_that_was_punished_has_to_wait(void **state)
{
	struct rig *r = *state;
	struct client *c = open_ws(r), *more;
	struct gw_addr peer = *gw_ws_peer(r->last);

	assert_false(gw_ws_punish(r->ws, &peer, false));
	assert_false(gw_ws_punish(r->ws, &peer, false));
	assert_true(gw_ws_punish(r->ws, &peer, false));
	more = dial(r, 23100);
	assert_int_equal(429, upgrade(more, "https://ok.example"));
	assert_non_null(strcasestr(more->in, "\r\nretry-after: 6"));
	hang_up(more);
	/* who is in stays in: its calls are none of this */
	assert_int_equal(1, gw_ws_connections(r->ws));
	hang_up(c);
}

static void reload_changes_origins_and_keeps_connections(void **state)
{
	struct rig *r = *state;
	struct client *c = open_ws(r), *more;
	struct gw_settings *set = malloc(sizeof(*set));

	assert_non_null(set);
	*set = r->set;
	(void)strcpy(set->web.origin[1], "https://new.example");
	gw_ws_reload(r->ws, set);
	more = dial(r, 23100);
	assert_int_equal(403, upgrade(more, "https://ok.example"));
	hang_up(more);
	more = dial(r, 23100);
	assert_int_equal(101, upgrade(more, "https://new.example"));
	hang_up(more);
	assert_true(put_frame(c, TEXT, "still", 5, 0));
	until(r, r->messages == 1);
	hang_up(c);
	gw_ws_reload(r->ws, &r->set);
	free(set);
}

static void a_thousand_clients_can_vanish_at_once(void **state)
{
	enum { N = 1000 };
	static struct client *c[N];
	struct rig *r = *state;
	struct rlimit lim;

	assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &lim));
	if (lim.rlim_cur < 2 * N + 100)
		skip(); /* main() has raised what could be raised */
	for (int i = 0; i < N; i++)
		c[i] = open_ws(r);
	assert_int_equal(N, gw_ws_connections(r->ws));
	for (int i = 0; i < N; i++) {
		struct linger rst = { .l_onoff = 1 };

		(void)setsockopt(c[i]->fd, SOL_SOCKET, SO_LINGER, &rst,
				 sizeof(rst));
		hang_up(c[i]);
	}
	until(r, r->closed == N);
	assert_int_equal(0, gw_ws_connections(r->ws));
	until(r, counted("isthmus_ws_sockets", NULL) == 0);
	assert_int_equal(0, counted("isthmus_ws_connections", NULL));
}

static void ending_the_server_tells_every_client(void **state)
{
	struct rig *r = *state;
	struct client *c[3];

	for (int i = 0; i < 3; i++)
		c[i] = open_ws(r);
	gw_ws_set_draining(r->ws, true);
	gw_ws_free(r->ws);
	r->ws = NULL;
	assert_int_equal(3, r->closed);
	assert_int_equal(1012, r->code);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(1012, close_code(c[i]));
		hang_up(c[i]);
	}
}

#define with_rig(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_rig(a_respect_upgrade_is_accepted),
		with_rig(what_is_not_a_respect_upgrade_is_refused),
		with_rig(an_upgrade_to_something_unknown_is_hung_up_on),
		with_rig(messages_up_to_the_limit_come_back_whole),
		with_rig(a_longer_message_closes_1009),
		with_rig(a_binary_message_closes_1003),
		with_rig(text_that_is_not_utf8_closes_1007),
		with_rig(a_message_in_fragments_arrives_once_and_whole),
		with_rig(a_frame_that_breaks_the_protocol_closes_1002),
		with_rig(the_code_of_a_peers_close_is_told),
		with_rig(closing_sends_what_is_queued_first),
		with_rig(a_long_reason_is_cut_between_characters),
		with_rig(a_client_that_does_not_read_is_closed_1013),
		with_rig(only_a_client_that_is_silent_is_given_up),
		with_rig(an_address_has_so_many_connections),
		with_rig(a_flood_of_sockets_is_closed_unheard),
		with_rig(the_server_has_so_many_connections),
		with_rig(an_address_that_was_punished_has_to_wait),
		with_rig(reload_changes_origins_and_keeps_connections),
		with_rig(a_thousand_clients_can_vanish_at_once),
		with_rig(ending_the_server_tells_every_client),
	};
	struct rlimit lim;

	if (!getrlimit(RLIMIT_NOFILE, &lim)) {
		lim.rlim_cur = lim.rlim_max < 8192 ? lim.rlim_max : 8192;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
