/* Consent to send (RFC 7675): two ends over a wire of the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/metrics.h"
#include "media/consent.h"

#define S 1000000u

struct end {
	struct gw_consent c;
	struct end *peer;
	bool deaf; /* what is sent to it does not arrive */
	unsigned sent, taken, lost;
	uint8_t last[GW_STUN_REQUEST]; /* what it sent */
	size_t len;
};

static struct gw_stun *stun;
static struct gw_timers *timers;
static uint64_t now_us;
static struct gw_addr addr;
static const struct gw_logctx test_log = { .module = "test" };

static const struct gw_consent_keys left = {
	.ufrag = "left",
	.pwd = "leftleftleftleftleftle",
	.remote_ufrag = "rightright",
	.remote_pwd = "rightrightrightrightri",
	.controlling = true,
};

static const struct gw_consent_keys right = {
	.ufrag = "rightright",
	.pwd = "rightrightrightrightri",
	.remote_ufrag = "left",
	.remote_pwd = "leftleftleftleftleftle",
};

static uint64_t clock_us(void *unused)
{
	(void)unused;
	return now_us;
}

static bool deliver(struct end *to, const uint8_t *data, size_t len)
{
	uint8_t copy[GW_STUN_REQUEST];

	memcpy(copy, data, len);
	return gw_consent_take(&to->c, &addr, copy, len);
}

static void on_send(const void *data, size_t len, void *arg)
{
	struct end *e = arg;

	assert_true(len <= sizeof(e->last));
	memcpy(e->last, data, len);
	e->len = len;
	e->sent++;
	if (e->peer && !e->peer->deaf && deliver(e->peer, data, len))
		e->peer->taken++;
}

static void on_lost(void *arg)
{
	struct end *e = arg;

	e->lost++;
}

static void make(struct end *e, struct end *peer)
{
	memset(e, 0, sizeof(*e));
	e->peer = peer;
	gw_consent_init(&e->c, stun, timers, &test_log,
			&(struct gw_consent_handlers){
				.send = on_send,
				.lost = on_lost,
				.arg = e,
			});
}

static void pass(uint64_t us)
{
	for (uint64_t end = now_us + us; now_us < end; now_us += 100000)
		(void)gw_timers_run(timers);
}

static int setup(void **state)
{
	(void)state;
	now_us = 7 * S;
	assert_int_equal(gw_addr_parse_hostport(&addr, "192.0.2.1:1000"), 0);
	return gw_timers_new(&timers, clock_us, NULL) | gw_stun_new(&stun);
}

static int teardown(void **state)
{
	(void)state;
	gw_timers_free(timers);
	gw_stun_free(stun);
	return 0;
}

static void answered_checks_keep_it(void **state)
{
	struct end a;
	struct end b;

	(void)state;
	make(&a, &b);
	make(&b, &a);
	assert_int_equal(gw_consent_start(&a.c, &left), 0);
	assert_int_equal(gw_consent_start(&b.c, &right), 0);
	pass(600 * S);
	assert_int_equal(a.lost + b.lost, 0);
	/* 100 to 150 checks of its own, and as many answers. */
	assert_in_range(a.sent, 200, 300);
	assert_int_equal(a.taken, b.sent);
	assert_int_equal(b.taken, a.sent);
	gw_consent_stop(&a.c);
	gw_consent_stop(&b.c);
	pass(60 * S);
	assert_int_equal(gw_timers_count(timers), 0);
	assert_int_equal(a.lost + b.lost, 0);
}

static void silence_of_30_seconds_ends_it(void **state)
{
	struct end a;
	struct end b;

	(void)state;
	make(&a, &b);
	make(&b, &a);
	assert_int_equal(gw_consent_start(&a.c, &left), 0);
	b.deaf = true;
	pass(29900000);
	assert_int_equal(a.lost, 0);
	assert_in_range(a.sent, 16, 28);
	pass(200000);
	assert_int_equal(a.lost, 1);
	assert_int_equal(gw_timers_count(timers), 0);
}

/* Asked for as many times in the shorter time. */
static void shorter_consent_is_kept_and_lost_alike(void **state)
{
	struct gw_consent_keys l = left;
	struct gw_consent_keys r = right;
	struct end a;
	struct end b;

	(void)state;
	l.patience_ms = 6000;
	r.patience_ms = 6000;
	make(&a, &b);
	make(&b, &a);
	assert_int_equal(gw_consent_start(&a.c, &l), 0);
	assert_int_equal(gw_consent_start(&b.c, &r), 0);
	pass(120 * S);
	assert_int_equal(a.lost + b.lost, 0);
	assert_in_range(a.sent, 180, 320);
	a.sent = 0;
	b.deaf = true;
	/* The last answer was 1.4 s ago at most: 1.2 s between two checks, and
	 * the step that timers in no hurry fall on. */
	pass(4500000);
	assert_int_equal(a.lost, 0);
	pass(2700000);
	assert_int_equal(a.lost, 1);
	assert_in_range(a.sent, 10, 60);
	gw_consent_stop(&b.c);
}

static void a_late_answer_counts(void **state)
{
	struct end a;
	struct end b;

	(void)state;
	make(&a, NULL);
	make(&b, NULL);
	assert_int_equal(gw_consent_start(&a.c, &left), 0);
	assert_int_equal(gw_consent_start(&b.c, &right), 0);
	while (!a.sent)
		pass(100000);
	b.sent = 0;
	assert_true(deliver(&b, a.last, a.len)); /* makes the answer */
	gw_consent_stop(&b.c);
	pass(6 * S);
	assert_in_range(a.sent, 4, 7);
	assert_true(deliver(&a, b.last, b.len));
	pass(29 * S);
	assert_int_equal(a.lost, 0);
	pass(2 * S);
	assert_int_equal(a.lost, 1);
}

static void an_answer_under_another_password_does_not(void **state)
{
	struct gw_consent_keys wrong = right;
	struct end a;
	struct end b;

	(void)state;
	wrong.pwd = "wrongwrongwrongwrongwr";
	make(&a, &b);
	make(&b, &a);
	assert_int_equal(gw_consent_start(&a.c, &left), 0);
	assert_int_equal(gw_consent_start(&b.c, &wrong), 0);
	pass(31 * S);
	assert_int_equal(a.lost, 1);
	gw_consent_stop(&b.c);
}

static void a_check_of_another_user_is_left_alone(void **state)
{
	struct gw_consent_keys other = left;
	struct end a;
	struct end b;

	(void)state;
	other.ufrag = "renewed";
	make(&a, NULL);
	make(&b, NULL);
	assert_int_equal(gw_consent_start(&a.c, &other), 0);
	assert_int_equal(gw_consent_start(&b.c, &right), 0);
	while (!a.sent)
		pass(100000);
	b.sent = 0;
	assert_false(deliver(&b, a.last, a.len));
	assert_int_equal(b.sent, 0);
	gw_consent_stop(&a.c);
	gw_consent_stop(&b.c);
}

/* Another endpoint that was offered the same session. */
static void a_check_under_our_name_by_another_is_told_apart(void **state)
{
	struct gw_consent_keys other = left;
	struct end a;
	struct end b;

	(void)state;
	make(&a, NULL);
	make(&b, NULL);
	assert_int_equal(gw_consent_start(&b.c, &right), 0);
	assert_int_equal(gw_consent_start(&a.c, &other), 0);
	while (!a.sent)
		pass(100000);
	assert_false(gw_consent_is_of_other(&b.c, a.last, a.len));
	other.ufrag = "another";
	assert_int_equal(gw_consent_start(&a.c, &other), 0);
	a.sent = 0;
	while (!a.sent)
		pass(100000);
	b.sent = 0;
	assert_true(gw_consent_is_of_other(&b.c, a.last, a.len));
	assert_false(deliver(&b, a.last, a.len));
	assert_int_equal(b.sent, 0);
	gw_consent_stop(&b.c);
	assert_false(gw_consent_is_of_other(&b.c, a.last, a.len));
	gw_consent_stop(&a.c);
}

static void the_same_role_on_both_sides_is_left_alone(void **state)
{
	struct gw_consent_keys same = right;
	struct end a;
	struct end b;

	(void)state;
	same.controlling = true;
	make(&a, NULL);
	make(&b, NULL);
	assert_int_equal(gw_consent_start(&a.c, &left), 0);
	assert_int_equal(gw_consent_start(&b.c, &same), 0);
	while (!a.sent)
		pass(100000);
	assert_false(deliver(&b, a.last, a.len));
	gw_consent_stop(&a.c);
	gw_consent_stop(&b.c);
}

/* An error response of 487 under the right password, as a peer writes it. */
static void a_role_conflict_turns_the_role(void **state)
{
	struct gw_stun_check check;
	uint8_t req[GW_STUN_REQUEST];
	uint8_t out[GW_STUN_ANSWER];
	struct end a;
	size_t len;
	bool nominates;

	(void)state;
	make(&a, NULL);
	assert_int_equal(gw_consent_start(&a.c, &left), 0);
	while (!a.sent)
		pass(100000);
	memcpy(req, a.last, a.len);
	assert_int_equal(gw_stun_read(stun, &check, req, a.len), GW_STUN_CHECK);
	assert_int_equal(gw_stun_answer(stun, &check, right.pwd, true, &addr,
					out, &len, &nominates),
			 GW_STUN_CONFLICT);
	assert_true(deliver(&a, out, len));
	/* The next one is accepted by who controls. */
	a.sent = 0;
	while (!a.sent)
		pass(100000);
	memcpy(req, a.last, a.len);
	assert_int_equal(gw_stun_read(stun, &check, req, a.len), GW_STUN_CHECK);
	assert_int_equal(gw_stun_answer(stun, &check, right.pwd, true, &addr,
					out, &len, &nominates),
			 GW_STUN_VALID);
	assert_false(nominates);
	gw_consent_stop(&a.c);
}

static void broken_messages_do_no_harm(void **state)
{
	struct end a;
	struct end b;

	(void)state;
	make(&a, NULL);
	make(&b, NULL);
	assert_int_equal(gw_consent_start(&a.c, &left), 0);
	assert_int_equal(gw_consent_start(&b.c, &right), 0);
	while (!a.sent)
		pass(100000);
	assert_true(deliver(&b, a.last, a.len));
	for (size_t n = 0; n < a.len; n++) {
		/* In memory of their own size, for the sanitizers. */
		uint8_t *cut = malloc(n ? n : 1);

		assert_non_null(cut);
		memcpy(cut, a.last, n);
		assert_false(gw_consent_take(&b.c, &addr, cut, n));
		free(cut);
	}
	for (size_t n = 0; n < b.len; n++) {
		uint8_t *cut = malloc(n ? n : 1);
		uint64_t heard = a.c.heard_us;

		assert_non_null(cut);
		memcpy(cut, b.last, n);
		now_us += 1;
		(void)gw_consent_take(&a.c, &addr, cut, n);
		assert_true(a.c.heard_us == heard);
		free(cut);
	}
	gw_consent_stop(&a.c);
	gw_consent_stop(&b.c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(answered_checks_keep_it),
		T(silence_of_30_seconds_ends_it),
		T(shorter_consent_is_kept_and_lost_alike),
		T(a_late_answer_counts),
		T(an_answer_under_another_password_does_not),
		T(a_check_of_another_user_is_left_alone),
		T(a_check_under_our_name_by_another_is_told_apart),
		T(the_same_role_on_both_sides_is_left_alone),
		T(a_role_conflict_turns_the_role),
		T(broken_messages_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
