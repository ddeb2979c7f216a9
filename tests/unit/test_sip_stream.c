/* TCP: what is no message, and how long what has come is there. */
#include <fcntl.h>

#include "tests/unit/test_sip_call.h"

#define TCP_PORT 22261

static const char options[] =
	"OPTIONS sip:x@y SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:22269;"
	"branch=z9hG4bKt\r\nFrom: <sip:p@x>;tag=1\r\nTo: <sip:x@y>\r\n"
	"Call-ID: t\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

static int setup(void **state)
{
	struct fix *f = fix_new(22263);

	fix_listen(f, "sip:127.0.0.1:22261;transport=tcp");
	return fix_run(f, state);
}

static int open_stream(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(TCP_PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

/* What comes until there is @until, or until the gateway closes: then true. */
static bool closed_after(struct fix *f, int fd, const char *until, char *got,
			 size_t size)
{
	uint64_t end = gw_clock_monotonic_us(NULL) + WAIT_MS * 1000;
	size_t have = 0;
	ssize_t n;

	for (;;) {
		n = recv(fd, got + have, size - 1 - have, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return true;
		have += n > 0 ? (size_t)n : 0;
		got[have] = '\0';
		if (until && strstr(got, until))
			return false;
		if (gw_clock_monotonic_us(NULL) > end)
			fail_msg("neither closed nor answered: %s", got);
		gw_loop_step(f->loop, 5);
	}
}

static void bad_message_closes(struct fix *f, const char *text, size_t len)
{
	int64_t broken = metric("isthmus_sip_streams_broken_total");
	int fd = open_stream();
	char got[4096] = "";

	while (len) {
		ssize_t n = send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			break; /* it has had enough */
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
		gw_loop_step(f->loop, 1);
	}
	assert_true(closed_after(f, fd, NULL, got, sizeof(got)));
	assert_int_equal(metric("isthmus_sip_streams_broken_total"),
			 broken + 1);
	(void)close(fd);
}

static void connection_is_closed_behind_what_cannot_be_read(void **state)
{
	static const char bad[] = "INVITE sip: SIP/2.0\r\n\r\n";

	bad_message_closes(*state, bad, sizeof(bad) - 1);
}

static void connection_is_closed_behind_what_is_too_long(void **state)
{
	static const char head[] =
		"MESSAGE sip:x@y SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:22269;"
		"branch=z9hG4bKl\r\nFrom: <sip:p@x>;tag=1\r\nTo: <sip:x@y>\r\n"
		"Call-ID: l\r\nCSeq: 1 MESSAGE\r\n"
		"Content-Length: 200000\r\n\r\n";
	size_t len = sizeof(head) - 1 + 200000;
	char *text = malloc(len);

	memcpy(text, head, sizeof(head) - 1);
	memset(text + sizeof(head) - 1, 'x', 200000);
	bad_message_closes(*state, text, len);
	free(text);
}

/* Half closed by the peer in the middle of a message. */
static void connection_that_ends_within_a_message_is_closed(void **state)
{
	struct fix *f = *state;
	int fd = open_stream();
	char got[4096] = "";

	assert_int_equal(send(fd, options, 60, 0), 60);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_true(closed_after(f, fd, NULL, got, sizeof(got)));
	(void)close(fd);
}

static void others_are_served_meanwhile_and_afterwards(void **state)
{
	struct fix *f = *state;
	char got[4096] = "";
	int fd = open_stream();
	static const char bad[] = "INVITE sip: SIP/2.0\r\n\r\n";

	bad_message_closes(f, bad, sizeof(bad) - 1);
	assert_true(send(fd, options, sizeof(options) - 1, 0) > 0);
	assert_false(closed_after(f, fd, "\r\n\r\n", got, sizeof(got)));
	assert_memory_equal(got, "SIP/2.0 200", 11);
	(void)close(fd);
}

/* ---- calls ---- */

#define ROUTE "Record-Route: <sip:127.0.0.1:22263;transport=tcp;lr>\r\n"
#define TIMER "Require: timer\r\nSession-Expires: 2;refresher=uac\r\n"

static int setup_call(void **state)
{
	struct fix *f = fix_new(22263);

	fix_listen(f, "sip:127.0.0.1:22261;transport=tcp");
	(void)snprintf(f->set.sip.core, sizeof(f->set.sip.core),
		       "sip:127.0.0.1:22263;transport=tcp");
	f->set.sip.session_expires_s = 2;
	f->set.sip.min_se_s = 1;
	return fix_run(f, state);
}

/* The peer takes the connection of a call of ours, and speaks on it. */
static void dial_by_tcp(struct fix *f, struct packet *inv)
{
	const struct gw_msg m = {
		.verb = GW_V_SETUP,
		.asserted = {"sip:alice@ims.test", NULL},
		.target = { "sip:bob@far.test",  NULL},
		.desc = desc_of(GW_DESC_OFFER, OFFER),
	};
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(22263) };
	int on = 1, fd, listener = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(listener, (struct sockaddr *)&sin, sizeof(sin)),
			 0);
	assert_int_equal(listen(listener, 1), 0);
	call_out(f, &m);
	gw_loop_step(f->loop, 5);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	(void)close(listener);
	(void)close(f->fd);
	f->fd = fd;
	expect(f, inv, "INVITE ");
}

/* Nothing is repeated over TCP, so NTA forgets a request, and the response with
 * it, as soon as a session drops it: also while that is still read. */
static void response_outlives_its_request(void **state)
{
	struct fix *f = *state;
	struct packet p;

	dial_by_tcp(f, &p);
	pick_up(f, &p, ROUTE TIMER "Allow: INVITE, ACK, BYE, UPDATE\r\n");
	for (unsigned i = 0; i < 2; i++) {
		expect(f, &p, "UPDATE ");
		reply(f, &p, 200, NULL, TIMER, NULL);
	}
	reinvite(f, &p);
	reply(f, &p, 488, NULL, "Warning: 304 x \"no\"\r\n", NULL);
	expect(f, &p, "ACK ");
	assert_int_equal(expect_told(f, GW_V_REFUSE)->status, 488);
	release(f, 200);
	expect(f, &p, "BYE ");
	reply(f, &p, 407, NULL,
	      "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n", NULL);
	wait_live(f, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(connection_is_closed_behind_what_cannot_be_read),
		T(connection_is_closed_behind_what_is_too_long),
		T(connection_that_ends_within_a_message_is_closed),
		T(others_are_served_meanwhile_and_afterwards),
		cmocka_unit_test_setup_teardown(response_outlives_its_request,
						setup_call, fix_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
