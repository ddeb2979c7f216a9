/*
 * Log-ins of users that are looked up elsewhere than in the configuration, and
 * registrations as an operator sees and ends them.
 */
#include "tests/unit/cm.h"

#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/timers.h"
/* Whole, so that its server goes before the library's. */
#include "tests/unit/respect_peer.c"

#define CAROL "sip:carol@example.net"
#define JOBS  metric("isthmus_respect_auth_jobs")
#define REJECTED(reason)                                                       \
	metric("isthmus_respect_rejected_total{reason=\"" reason "\"}")

#define has(text, part)                                                        \
	do {                                                                   \
		if (!strstr((text), (part)))                                   \
			fail_msg("%s is not in %s", (part), (text));           \
	} while (0)

static struct gw_set_user carol(void)
{
	struct gw_set_user u = { .nidentity = 1 };

	add_user(&u, CAROL, crypt(PASSWORD, "$5$rounds=1000$carolsalt"));
	strcpy(u.identity[0], "tel:+15551230003");
	return u;
}

/* Says it; the answer waits for the user. */
static void begin(struct gw_ws_conn *c, const char *txn, const char *who,
		  const char *password)
{
	unsigned n = client_count(c), asked = peer.nask;

	client_say(c,
		   "{\"messageType\":\"request\",\"method\":\"auth\","
		   "\"transactionId\":%s,\"authType\":\"basic\","
		   "\"webrtcId\":\"%s\",\"authorization\":\"%s\"}",
		   txn, who, basic_value(who, password));
	assert_int_equal(asked + 1, peer.nask);
	if (!peer.ask_error)
		assert_int_equal(n, client_count(c));
}

static void found(struct gw_ws_conn *c, int error,
		  const struct gw_set_user *user)
{
	unsigned n = client_count(c);

	gw_web_user_found(peer.web, peer.ask, error, user);
	client_wait(c, n + 1);
}

static void a_user_from_elsewhere_logs_in(void **state)
{
	struct gw_ws_conn *c = client_open();
	struct gw_set_user u = carol();

	(void)state;
	begin(c, "0", "sip:carol@EXAMPLE.net;user=phone", PASSWORD);
	/* Asked for as it is kept. */
	assert_string_equal(CAROL, peer.ask_id);
	assert_int_equal(1, JOBS);
	found(c, 0, &u);
	has(client_last(c), "\"success\":true");
	has(client_last(c), CAROL);
	assert_int_equal(0, JOBS);
	assert_true(gw_web_is_registered(peer.web, CAROL));
	assert_true(gw_web_is_registered(peer.web, "tel:+15551230003"));
	/* A reload is about the configuration's users. */
	gw_web_reload(peer.web, &peer.set);
	assert_int_equal(0, client_code(c));
	assert_true(gw_web_is_registered(peer.web, CAROL));
}

static void failures_look_alike_wherever_the_user_is(void **state)
{
	struct gw_ws_conn *c;
	struct gw_set_user u = carol();
	char first[1024];

	(void)state;
	punish_limit = 100;
	c = client_open();
	begin(c, "0", CAROL, "wrong");
	found(c, 0, &u);
	has(client_last(c), "\"status\":403");
	(void)snprintf(first, sizeof(first), "%s",
		       strstr(client_last(c), "\"success\""));
	/* Nobody's; of the configuration, which is asked for all the same; and
	 * one that has no password. */
	begin(c, "2", "sip:nobody@example.net", PASSWORD);
	found(c, -ENOENT, NULL);
	assert_string_equal(first, strstr(client_last(c), "\"success\""));
	begin(c, "4", ALICE, "wrong");
	found(c, -ENOENT, NULL);
	assert_string_equal(first, strstr(client_last(c), "\"success\""));
	u.password[0] = '\0';
	begin(c, "6", CAROL, PASSWORD);
	found(c, 0, &u);
	assert_string_equal(first, strstr(client_last(c), "\"success\""));
	assert_int_equal(4, client_punished());
	assert_int_equal(0, JOBS);
}

static void users_of_the_configuration_win(void **state)
{
	struct gw_ws_conn *c = client_open(), *d = client_open();
	struct gw_set_user u = carol();

	(void)state;
	strcpy(u.id, ALICE);
	strcpy(u.password, crypt("another", "$5$rounds=1000$carolsalt"));
	begin(c, "0", ALICE, "another");
	found(c, 0, &u);
	has(client_last(c), "\"status\":403");
	begin(c, "2", ALICE, PASSWORD);
	found(c, 0, &u);
	has(client_last(c), "\"success\":true");
	assert_true(gw_web_is_registered(peer.web, ALICE2));
	assert_false(gw_web_is_registered(peer.web, "tel:+15551230003"));
	/* They need nobody else. */
	begin(d, "0", BOB, PASSWORD);
	found(d, -ETIMEDOUT, NULL);
	has(client_last(d), "\"success\":true");
}

static void who_cannot_be_looked_up_is_told_to_come_again(void **state)
{
	struct gw_ws_conn *c = client_open(), *d = client_open();
	long before = REJECTED("store");

	(void)state;
	begin(c, "0", CAROL, PASSWORD);
	found(c, -EIO, NULL);
	has(client_last(c), "\"status\":503");
	has(client_last(c), "\"retryAfter\":");
	/* It cannot even be asked. */
	peer.ask_error = -EAGAIN;
	begin(c, "2", CAROL, PASSWORD);
	client_wait(c, 2);
	has(client_last(c), "\"status\":503");
	assert_int_equal(before + 2, REJECTED("store"));
	assert_int_equal(0, client_punished());
	assert_int_equal(0, client_code(c));
	begin(d, "0", ALICE, PASSWORD);
	client_wait(d, 1);
	has(client_last(d), "\"success\":true");
	assert_int_equal(0, JOBS);
}

static void who_leaves_while_being_looked_up_is_forgotten(void **state)
{
	struct gw_ws_conn *c = client_open();
	struct gw_set_user u = carol();

	(void)state;
	begin(c, "0", CAROL, PASSWORD);
	client_lose(&c, 1001);
	gw_web_user_found(peer.web, peer.ask, 0, &u);
	/* Twice, and for nobody. */
	gw_web_user_found(peer.web, peer.ask, 0, &u);
	gw_web_user_found(peer.web, 0, 0, &u);
	gw_web_user_found(peer.web, 4711, -ENOENT, NULL);
	assert_int_equal(0, JOBS);
	assert_false(gw_web_is_registered(peer.web, CAROL));
}

static void two_at_once_get_their_own_answers(void **state)
{
	struct gw_ws_conn *c = client_open(), *d = client_open();
	struct gw_set_user u = carol();
	uint64_t first;

	(void)state;
	begin(c, "0", CAROL, PASSWORD);
	first = peer.ask;
	begin(d, "0", "sip:dan@example.net", PASSWORD);
	assert_int_not_equal(first, peer.ask);
	found(d, -ENOENT, NULL);
	has(client_last(d), "\"status\":403");
	assert_int_equal(0, client_count(c));
	peer.ask = first;
	found(c, 0, &u);
	has(client_last(c), "\"success\":true");
}

static void who_is_removed_meanwhile_is_not_let_in(void **state)
{
	struct gw_ws_conn *c = client_open();
	struct gw_set_user u = carol();

	(void)state;
	begin(c, "0", CAROL, PASSWORD);
	gw_web_user_found(peer.web, peer.ask, 0, &u);
	/* The pool has it. */
	assert_int_equal(0, gw_web_deregister(peer.web, CAROL, 0, "removed"));
	client_wait(c, 1);
	has(client_last(c), "\"status\":403");
	assert_false(gw_web_is_registered(peer.web, CAROL));
}

static void
who_came_into_the_configuration_meanwhile_is_checked_anew(void **state)
{
	struct gw_ws_conn *c = client_open();
	struct gw_settings more = peer.set;
	struct gw_set_user u = carol(), all[3];

	(void)state;
	memcpy(all, peer.set.user, 2 * sizeof(all[0]));
	all[2] = carol();
	strcpy(all[2].password, crypt("another", "$5$rounds=1000$carolsalt"));
	more.user = all;
	more.nuser = 3;
	begin(c, "0", CAROL, PASSWORD);
	gw_web_user_found(peer.web, peer.ask, 0, &u);
	gw_web_reload(peer.web, &more);
	client_wait(c, 1);
	has(client_last(c), "\"status\":403");
	gw_web_reload(peer.web, &peer.set);
}

static void nobody_waits_when_the_gateway_ends(void **state)
{
	struct gw_ws_conn *c = client_open();

	begin(c, "0", CAROL, PASSWORD);
	assert_int_equal(1, JOBS);
	(void)state; /* the teardown ends it */
}

static int teardown_without_jobs(void **state)
{
	int rc = peer_teardown(state);

	assert_int_equal(0, JOBS);
	return rc;
}

static void registrations_are_listed_by_page_and_ended(void **state)
{
	struct gw_ws_conn *c[5];
	struct gw_web_reg page[2];
	uint64_t after = 0, serial = 0;
	unsigned total = 0;
	size_t n;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		c[i] = client_login(i < 3 ? ALICE : BOB);
	while ((n = gw_web_registrations(peer.web, after, page, 2))) {
		for (size_t i = 0; i < n; i++) {
			assert_true(page[i].serial > after);
			after = page[i].serial;
			assert_true(page[i].connected);
			assert_string_equal(total < 3 ? ALICE : BOB,
					    page[i].id);
			assert_int_equal(total < 3, page[i].nidentity);
			if (total++ == 1)
				serial = after;
		}
	}
	assert_int_equal(5, total);
	assert_int_equal(0, gw_web_deregister(peer.web, BOB, serial, "no"));
	assert_int_equal(1, gw_web_deregister(peer.web, ALICE, serial, "one"));
	assert_int_equal(4003, client_code(c[1]));
	assert_int_equal(0, client_code(c[0]));
	assert_int_equal(2, gw_web_deregister(peer.web, ALICE, 0, "all"));
	assert_int_equal(0, gw_web_deregister(peer.web, ALICE, 0, "all"));
	assert_int_equal(4003, client_code(c[2]));
	assert_int_equal(0, client_code(c[3]));
}

int main(void)
{
#define T(f)                                                                   \
	cmocka_unit_test_setup_teardown(f, peer_setup_asking,                  \
					teardown_without_jobs)
	const struct CMUnitTest tests[] = {
		T(a_user_from_elsewhere_logs_in),
		T(failures_look_alike_wherever_the_user_is),
		T(users_of_the_configuration_win),
		T(who_cannot_be_looked_up_is_told_to_come_again),
		T(who_leaves_while_being_looked_up_is_forgotten),
		T(two_at_once_get_their_own_answers),
		T(who_is_removed_meanwhile_is_not_let_in),
		T(who_came_into_the_configuration_meanwhile_is_checked_anew),
		T(nobody_waits_when_the_gateway_ends),
		cmocka_unit_test_setup_teardown(
			registrations_are_listed_by_page_and_ended, peer_setup,
			teardown_without_jobs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
