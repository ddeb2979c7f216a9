/* Two associations joined by a wire that can lose, on a clock that we turn.
 * OpenSSL's own timers run on the real clock: what waits, waits for real. */
#include "tests/unit/cm.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/metrics.h"
#include "media/dtls_priv.h"
#include "tests/unit/metric.h"

#define MAX_WIRE 256

struct end {
	struct gw_dtls *dtls;
	struct end *peer;
	unsigned up, ended;
	enum gw_dtls_state last;
	struct gw_srtp_keys keys;
	unsigned sent;
	uint64_t lose; /* bit n: the n-th datagram is lost */
};

struct datagram {
	struct end *to;
	size_t len;
	uint8_t data[2048];
};

static const struct gw_logctx dlog = { .module = "media" };
static struct gw_dtls_cert *cert;
static struct gw_dtls_ctx *ctx;
static struct gw_timers *timers;
static uint64_t ahead_us; /* of the real clock */
static struct end client, server;
static struct datagram wire[MAX_WIRE];
static unsigned nwire, taken;
static size_t longest;

static void on_send(const void *data, size_t len, void *arg)
{
	struct end *e = arg;
	struct datagram *d;

	if (len > longest)
		longest = len;
	if (e->sent < 64 && e->lose & 1ull << e->sent++)
		return;
	assert_true(nwire < MAX_WIRE && len <= sizeof(d->data));
	d = &wire[nwire++];
	d->to = e->peer;
	d->len = len;
	memcpy(d->data, data, len);
}

static void on_state(enum gw_dtls_state state, const struct gw_srtp_keys *keys,
		     void *arg)
{
	struct end *e = arg;

	e->last = state;
	if (state == GW_DTLS_UP) {
		e->up++;
		e->keys = *keys;
	} else {
		e->ended++;
	}
}

static uint64_t clock_h(void *arg)
{
	(void)arg;
	return gw_clock_monotonic_us(NULL) + ahead_us;
}

static int setup(void **state)
{
	(void)state;
	ahead_us = 0;
	memset(&client, 0, sizeof(client));
	memset(&server, 0, sizeof(server));
	client.peer = &server;
	server.peer = &client;
	nwire = 0;
	taken = 0;
	longest = 0;
	assert_int_equal(gw_dtls_cert_get(&cert, 0), 0);
	assert_int_equal(gw_dtls_ctx_new(&ctx, cert, true), 0);
	assert_int_equal(gw_timers_new(&timers, clock_h, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gw_dtls_free(client.dtls);
	gw_dtls_free(server.dtls);
	gw_dtls_ctx_unref(ctx);
	gw_dtls_cert_unref(cert);
	gw_timers_free(timers);
	return 0;
}

static int64_t objects(void)
{
	return metric("isthmus_dtls_objects");
}

static void make(struct end *e, bool active, const uint8_t *sha256)
{
	assert_int_equal(gw_dtls_new(&e->dtls, ctx, timers, &dlog, active,
				     sha256, on_send, on_state, e),
			 0);
	assert_int_equal(gw_dtls_is_active(e->dtls), active);
}

static void make_both(void)
{
	make(&client, true, gw_dtls_cert_sha256(cert));
	make(&server, false, gw_dtls_cert_sha256(cert));
}

static void deliver(void)
{
	while (taken < nwire) {
		struct datagram *d = &wire[taken++];

		gw_dtls_receive(d->to->dtls, d->data, d->len);
	}
}

/* Until both have come to an end, or @ms have passed. */
static void run(unsigned ms)
{
	uint64_t end = gw_clock_monotonic_us(NULL) + ms * 1000ull;

	gw_dtls_start(client.dtls);
	gw_dtls_start(server.dtls);
	deliver();
	while ((!client.up || !server.up) && !client.ended && !server.ended &&
	       gw_clock_monotonic_us(NULL) < end) {
		(void)usleep(1000);
		(void)gw_timers_run(timers);
		deliver();
	}
}

static void both_ends_derive_the_same_keys(void **state)
{
	(void)state;
	make_both();
	run(1000);
	assert_int_equal(client.up, 1);
	assert_int_equal(server.up, 1);
	assert_int_equal(client.keys.profile, GW_SRTP_AEAD_AES_128_GCM);
	assert_memory_equal(client.keys.local, server.keys.remote, 28);
	assert_memory_equal(client.keys.remote, server.keys.local, 28);
	assert_memory_not_equal(client.keys.local, client.keys.remote, 16);
	assert_true(longest <= GW_DTLS_MTU);
	/* Nothing runs once it is done and media came, but for the end of what
	 * is kept. */
	assert_int_equal(gw_timers_count(timers), 3);
	gw_dtls_heard(server.dtls);
	gw_dtls_heard(client.dtls);
	assert_int_equal(gw_timers_count(timers), 2);
}

static void server_refuses_another_certificate(void **state)
{
	uint8_t wrong[32] = { 1 };

	(void)state;
	make(&client, true, gw_dtls_cert_sha256(cert));
	make(&server, false, wrong);
	run(1000);
	assert_int_equal(server.up, 0);
	assert_int_equal(server.last, GW_DTLS_BAD_FINGERPRINT);
	deliver();
	assert_int_equal(client.up, 0);
	assert_int_equal(client.last, GW_DTLS_HANDSHAKE_FAILED);
}

static void client_refuses_another_certificate(void **state)
{
	uint8_t wrong[32];

	(void)state;
	memcpy(wrong, gw_dtls_cert_sha256(cert), sizeof(wrong));
	wrong[31] ^= 0x80;
	make(&client, true, wrong);
	make(&server, false, gw_dtls_cert_sha256(cert));
	run(1000);
	assert_int_equal(client.up, 0);
	assert_int_equal(client.last, GW_DTLS_BAD_FINGERPRINT);
	deliver();
	assert_int_equal(server.up, 0);
}

static void any_one_lost_datagram_is_survived(void **state)
{
	(void)state;
	for (unsigned who = 0; who < 2; who++)
		for (unsigned n = 0; n < 5; n++) {
			struct end *e = who ? &server : &client;

			make_both();
			e->lose = 1ull << n;
			run(4000);
			assert_int_equal(client.up, 1);
			assert_int_equal(server.up, 1);
			gw_dtls_free(client.dtls);
			gw_dtls_free(server.dtls);
			client = (struct end){ .peer = &server };
			server = (struct end){ .peer = &client };
			nwire = 0;
			taken = 0;
		}
}

/* Each of its messages has a record; lost together they come together, not in
 * five datagrams that each may be lost. */
static void a_flight_sent_again_takes_no_more_datagrams(void **state)
{
	uint64_t end = gw_clock_monotonic_us(NULL) + 2000000;
	unsigned first;

	(void)state;
	make_both();
	server.lose = ~0ull;
	gw_dtls_start(client.dtls);
	gw_dtls_start(server.dtls);
	deliver();
	first = server.sent;
	assert_in_range(first, 1, 2);
	server.lose = 0;
	longest = 0;
	while (server.sent == first && gw_clock_monotonic_us(NULL) < end) {
		(void)usleep(1000);
		(void)gw_timers_run(timers);
	}
	assert_int_equal(server.sent, 2 * first);
	assert_true(longest <= GW_DTLS_MTU);
	run(2000);
	assert_int_equal(client.up, 1);
	assert_int_equal(server.up, 1);
}

/* The server is up, and everything of its last flight is lost. */
static void lose_last_flight(void)
{
	make_both();
	gw_dtls_start(client.dtls);
	gw_dtls_start(server.dtls);
	while (taken < nwire && !server.up) {
		struct datagram *d = &wire[taken++];

		gw_dtls_receive(d->to->dtls, d->data, d->len);
	}
	assert_int_equal(server.up, 1);
	assert_int_equal(client.up, 0);
	taken = nwire;
}

/* OpenSSL sends again what is due from inside the step that completes the
 * handshake, when we come late: the last flight is what follows. */
static void
last_flight_is_known_where_the_one_before_went_out_again(void **state)
{
	unsigned sent;

	(void)state;
	make_both();
	gw_dtls_start(client.dtls);
	gw_dtls_start(server.dtls);
	while (taken < nwire && client.sent < 2) {
		struct datagram *d = &wire[taken++];

		gw_dtls_receive(d->to->dtls, d->data, d->len);
	}
	assert_int_equal(client.sent, 2);
	(void)usleep(120000); /* nothing runs our timers */
	server.lose = ~0ull;
	sent = server.sent;
	deliver();
	assert_int_equal(server.up, 1);
	assert_int_equal(client.up, 0);
	assert_true(server.sent > sent + 1); /* it did */
	server.lose = 0;
	sent = server.sent;
	ahead_us = 60000;
	(void)gw_timers_run(timers);
	assert_int_equal(server.sent, sent + 1);
	deliver();
	assert_int_equal(client.up, 1);
}

/* The client's own timers are too slow, or have none left. */
static void lost_last_flight_is_repeated_unasked(void **state)
{
	unsigned sent, all;

	(void)state;
	lose_last_flight();
	sent = server.sent;
	ahead_us = 50000;
	for (int i = 0; i < 20 && server.sent == sent; i++) {
		(void)usleep(1000);
		(void)gw_timers_run(timers);
	}
	assert_true(server.sent > sent);
	assert_int_equal(client.up, 0);
	deliver();
	assert_int_equal(client.up, 1);

	/* The client, which has it, says nothing to more of it; and there is
	 * an end to it. */
	all = client.sent;
	for (int i = 0; i < 20; i++) {
		ahead_us += 1000000;
		(void)gw_timers_run(timers);
		deliver();
	}
	assert_int_equal(client.sent, all);
	assert_int_equal(client.ended + server.ended, 0);
	sent = server.sent;
	ahead_us += 10000000;
	(void)gw_timers_run(timers);
	assert_int_equal(server.sent, sent);
}

static void last_flight_is_not_repeated_once_media_came(void **state)
{
	unsigned sent;

	(void)state;
	lose_last_flight();
	sent = server.sent;
	gw_dtls_heard(server.dtls);
	ahead_us = 100000;
	(void)gw_timers_run(timers);
	/* Nobody has asked yet, by OpenSSL's clock. */
	assert_int_equal(server.sent, sent);
}

/* Its Finished is lost: the client asks again, and only the finished side can
 * answer. */
static void lost_last_flight_is_sent_again_when_asked(void **state)
{
	unsigned sent;

	(void)state;
	lose_last_flight();
	gw_dtls_heard(server.dtls);
	sent = server.sent;
	for (int i = 0; i < 3000 && !client.up; i++) {
		(void)usleep(1000);
		(void)gw_timers_run(timers);
		deliver();
	}
	assert_int_equal(client.up, 1);
	assert_true(server.sent > sent);
	assert_int_equal(server.up, 1);
	assert_int_equal(server.ended, 0);
	assert_memory_equal(client.keys.local, server.keys.remote, 28);
}

static void thirty_percent_loss_is_survived(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		make_both();
		srand(round + 1);
		for (unsigned i = 0; i < 64; i++) {
			if (rand() % 10 < 3)
				client.lose |= 1ull << i;
			if (rand() % 10 < 3)
				server.lose |= 1ull << i;
		}
		run(9000);
		assert_int_equal(client.up, 1);
		assert_int_equal(server.up, 1);
		gw_dtls_free(client.dtls);
		gw_dtls_free(server.dtls);
		client = (struct end){ .peer = &server };
		server = (struct end){ .peer = &client };
		nwire = 0;
		taken = 0;
	}
}

static void freeing_says_close_notify(void **state)
{
	(void)state;
	make_both();
	run(1000);
	gw_dtls_free(client.dtls);
	client.dtls = NULL;
	deliver();
	assert_int_equal(server.ended, 1);
	assert_int_equal(server.last, GW_DTLS_CLOSED);
	/* And what comes after is not looked at. */
	gw_dtls_receive(server.dtls, "\x16\xfe\xfd junk", 8);
	assert_int_equal(server.ended, 1);
}

/* Half a minute later OpenSSL's part is gone. */
static void let_go(void)
{
	int64_t before = objects();

	gw_dtls_heard(server.dtls);
	ahead_us += 31000000;
	(void)gw_timers_run(timers);
	assert_int_equal(objects(), before - 2);
	assert_true(gw_dtls_is_up(client.dtls));
	assert_true(gw_dtls_is_up(server.dtls));
	assert_int_equal(client.ended + server.ended, 0);
	assert_int_equal(taken, nwire);
}

static void memory_goes_when_the_keys_are_out(void **state)
{
	int64_t before = objects();

	(void)state;
	make_both();
	assert_int_equal(objects(), before + 2);
	run(1000);
	assert_int_equal(client.up + server.up, 2);
	assert_int_equal(objects(), before + 2);
	let_go();
	assert_int_equal(objects(), before);
}

/* The last datagrams of the client's flight, which hold its Finished, come
 * again; what the server answers is what it said the first time. */
static void last_flight_is_sent_again_without_openssl(void **state)
{
	struct datagram *finished = NULL;
	struct datagram *last = NULL;
	unsigned sent;

	(void)state;
	make_both();
	run(1000);
	assert_int_equal(client.up + server.up, 2);
	for (unsigned i = 0; i < nwire; i++) {
		if (wire[i].to == &server)
			finished = &wire[i];
		else
			last = &wire[i];
	}
	assert_non_null(finished);
	assert_non_null(last);
	let_go();

	sent = server.sent;
	for (unsigned i = 0; i < 100; i++)
		gw_dtls_receive(server.dtls, finished->data, finished->len);
	/* Not without end: the asking is not authenticated. */
	assert_in_range(server.sent - sent, 16, 32);
	assert_int_equal(wire[nwire - 1].len, last->len);
	assert_memory_equal(wire[nwire - 1].data, last->data, last->len);
	taken = nwire;

	/* The client owes nothing. */
	sent = client.sent;
	gw_dtls_receive(client.dtls, last->data, last->len);
	assert_int_equal(client.sent, sent);
}

static void last_flight_is_forgotten_in_the_end(void **state)
{
	struct datagram *finished = NULL;
	unsigned sent;

	(void)state;
	make_both();
	run(1000);
	for (unsigned i = 0; i < nwire; i++)
		if (wire[i].to == &server)
			finished = &wire[i];
	let_go();
	ahead_us += 240000000;
	(void)gw_timers_run(timers);
	sent = server.sent;
	gw_dtls_receive(server.dtls, finished->data, finished->len);
	assert_int_equal(server.sent, sent);
	assert_int_equal(gw_timers_count(timers), 0);
}

/* One end only lets go; the other still tells a true goodbye. */
static void goodbye_is_said_without_openssl(void **state)
{
	struct gw_timers *all = timers;
	struct gw_timers *own;

	(void)state;
	assert_int_equal(gw_timers_new(&own, clock_h, NULL), 0);
	make(&client, true, gw_dtls_cert_sha256(cert));
	timers = own;
	make(&server, false, gw_dtls_cert_sha256(cert));
	timers = all;
	run(1000);
	assert_int_equal(client.up + server.up, 2);
	gw_dtls_heard(server.dtls);
	ahead_us += 31000000;
	(void)gw_timers_run(own);
	assert_int_equal(nwire, taken);
	assert_int_equal(client.ended, 0);
	gw_dtls_free(server.dtls);
	server.dtls = NULL;
	assert_int_equal(nwire, taken + 1);
	deliver();
	assert_int_equal(client.ended, 1);
	assert_int_equal(client.last, GW_DTLS_CLOSED);
	gw_timers_free(own);
}

/* Nobody can tell any more who sent them. */
static void late_records_end_nothing(void **state)
{
	static const uint8_t alert[] = { 21, 0xfe, 0xfd, 0, 1, 0, 0, 0,
					 0,  0,    9,    0, 2, 1, 0 };
	uint8_t junk[64];

	(void)state;
	make_both();
	run(1000);
	let_go();
	gw_dtls_receive(server.dtls, alert, sizeof(alert));
	gw_dtls_receive(client.dtls, alert, sizeof(alert));
	for (unsigned type = 20; type < 64; type++) {
		for (size_t len = 1; len < sizeof(junk); len++) {
			memset(junk, 0xff, sizeof(junk));
			junk[0] = (uint8_t)type;
			gw_dtls_receive(server.dtls, junk, len);
		}
	}
	assert_true(gw_dtls_is_up(server.dtls));
	assert_true(gw_dtls_is_up(client.dtls));
	assert_int_equal(client.ended + server.ended, 0);
}

/* The named curve (RFC 8422 5.4) of the first ServerKeyExchange that went over
 * the wire; 0: none. */
static unsigned agreed_group(void)
{
	for (unsigned i = 0; i < nwire; i++) {
		const uint8_t *p = wire[i].data;
		size_t left = wire[i].len;

		while (left > 28) {
			size_t record = 13 + (size_t)(p[11] << 8 | p[12]);

			/* Handshake, server_key_exchange, named_curve. */
			if (p[0] == 22 && p[13] == 12 && p[25] == 3)
				return (unsigned)(p[26] << 8 | p[27]);
			if (record >= left)
				break;
			p += record;
			left -= record;
		}
	}
	return 0;
}

static void keys_are_agreed_on_x25519(void **state)
{
	(void)state;
	make_both();
	run(1000);
	assert_int_equal(client.up + server.up, 2);
	assert_int_equal(agreed_group(), 29);
}

static void keys_are_agreed_on_p256_where_it_is_preferred(void **state)
{
	(void)state;
	gw_dtls_ctx_unref(ctx);
	assert_int_equal(gw_dtls_ctx_new(&ctx, cert, false), 0);
	make_both();
	run(1000);
	assert_int_equal(client.up + server.up, 2);
	assert_int_equal(agreed_group(), 23);
}

static void garbage_does_not_disturb_a_handshake(void **state)
{
	static const uint8_t junk[][16] = {
		{22},
		{   22, 0xfe, 0xfd, 0,      0,  0,  0, 0, 0,  0, 9, 0xff, 0xff, 1 },
		{  21, 0xfe, 0xfd, 0,      1,  0,  0, 0, 0,  0, 1, 0,    2, 2, 40 },
		{ 63,  0xfe,    0xfd,   0,  0, 0, 0, 0, 0,  0,  1, 0,   1, 1 },
		{  20,   0xfe,    0xfd,  0, 0, 0,  0,  0, 0, 0, 1, 0,  1, 1 },
	};

	(void)state;
	make_both();
	gw_dtls_start(client.dtls);
	gw_dtls_start(server.dtls);
	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < 5; i++) {
			gw_dtls_receive(client.dtls, junk[i], sizeof(junk[i]));
			gw_dtls_receive(server.dtls, junk[i], 1 + i * 3);
		}
		if (taken < nwire) {
			struct datagram *d = &wire[taken++];

			gw_dtls_receive(d->to->dtls, d->data, d->len);
		}
	}
	run(3000);
	assert_int_equal(client.up, 1);
	assert_int_equal(server.up, 1);
}

static void new_client_hello_after_the_handshake_changes_nothing(void **state)
{
	struct datagram hello;

	(void)state;
	make_both();
	gw_dtls_start(client.dtls);
	hello = wire[0];
	run(1000);
	assert_int_equal(server.up, 1);
	gw_dtls_receive(server.dtls, hello.data, hello.len);
	assert_int_equal(server.up, 1);
	assert_int_equal(server.ended, 0);
}

static void handshake_without_an_answer_times_out(void **state)
{
	uint64_t begin = gw_clock_monotonic_us(NULL);

	(void)state;
	make(&client, true, gw_dtls_cert_sha256(cert));
	client.lose = UINT64_MAX;
	gw_dtls_start(client.dtls);
	while (!client.ended &&
	       gw_clock_monotonic_us(NULL) - begin < 15000000) {
		(void)usleep(2000);
		(void)gw_timers_run(timers);
	}
	assert_int_equal(client.ended, 1);
	assert_int_equal(client.last, GW_DTLS_TIMEOUT);
	assert_true(client.sent >= 8);
	assert_true(gw_clock_monotonic_us(NULL) - begin > 5000000);
	assert_int_equal(gw_timers_count(timers), 0);
}

static void certificate_is_one_for_the_process(void **state)
{
	struct gw_dtls_cert *again;

	(void)state;
	assert_int_equal(gw_dtls_cert_get(&again, 3600000000), 0);
	assert_ptr_equal(again, cert);
	gw_dtls_cert_unref(again);
}

/* Who has the old one goes on with it. */
static void an_old_certificate_is_replaced(void **state)
{
	struct gw_dtls_cert *renewed;
	struct gw_dtls_cert *again;

	(void)state;
	(void)usleep(2000);
	assert_int_equal(gw_dtls_cert_get(&renewed, 1000), 0);
	assert_ptr_not_equal(renewed, cert);
	assert_memory_not_equal(gw_dtls_cert_sha256(renewed),
				gw_dtls_cert_sha256(cert), 32);
	assert_int_equal(gw_dtls_cert_get(&again, 0), 0);
	assert_ptr_equal(again, renewed);
	assert_ptr_equal(gw_dtls_ctx_cert(ctx), cert);
	make(&client, true, gw_dtls_cert_sha256(cert));
	make(&server, false, gw_dtls_cert_sha256(cert));
	run(1000);
	assert_int_equal(client.up, 1);
	gw_dtls_cert_unref(again);
	gw_dtls_cert_unref(renewed);
}

/* A gateway that runs for years is no stranger to peers that look at dates. */
static void certificate_outlives_the_process(void **state)
{
	time_t far = time(NULL) + 50L * 365 * 24 * 3600;

	(void)state;
	assert_int_equal(X509_cmp_current_time(X509_get0_notBefore(cert->x509)),
			 -1);
	assert_int_equal(X509_cmp_time(X509_get0_notAfter(cert->x509), &far),
			 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(both_ends_derive_the_same_keys),
		T(server_refuses_another_certificate),
		T(client_refuses_another_certificate),
		T(any_one_lost_datagram_is_survived),
		T(a_flight_sent_again_takes_no_more_datagrams),
		T(last_flight_is_known_where_the_one_before_went_out_again),
		T(lost_last_flight_is_repeated_unasked),
		T(last_flight_is_not_repeated_once_media_came),
		T(lost_last_flight_is_sent_again_when_asked),
		T(thirty_percent_loss_is_survived),
		T(freeing_says_close_notify),
		T(memory_goes_when_the_keys_are_out),
		T(last_flight_is_sent_again_without_openssl),
		T(last_flight_is_forgotten_in_the_end),
		T(goodbye_is_said_without_openssl),
		T(late_records_end_nothing),
		T(keys_are_agreed_on_x25519),
		T(keys_are_agreed_on_p256_where_it_is_preferred),
		T(garbage_does_not_disturb_a_handshake),
		T(new_client_hello_after_the_handshake_changes_nothing),
		T(handshake_without_an_answer_times_out),
		T(certificate_is_one_for_the_process),
		T(an_old_certificate_is_replaced),
		T(certificate_outlives_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
