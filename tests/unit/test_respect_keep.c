/*
 * Registrations that outlive the process: who is told when, what is remembered
 * of them, and how a client finds its own again.
 */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/timers.h"
#include "webrtc/auth_check.h"
/* Whole, so that its server goes before the library's. */
#include "tests/unit/respect_peer.c"

#define KEY     "0123456789abcdefghijkl"
#define AWAITED metric("isthmus_respect_registrations{state=\"awaited\"}")
#define BACK    "isthmus_registrations_returned_total"

#define has(text, part)                                                        \
	do {                                                                   \
		if (!strstr((text), (part)))                                   \
			fail_msg("%s is not in %s", (part), (text));           \
	} while (0)

static void say_basic(struct gw_ws_conn *c, const char *txn, const char *id)
{
	client_say(c,
		   "{\"messageType\":\"request\",\"method\":\"auth\","
		   "\"transactionId\":%s,\"authType\":\"basic\","
		   "\"webrtcId\":\"%s\",\"authorization\":\"%s\","
		   "\"disconnectionTtl\":30}",
		   txn, id, basic_value(id, PASSWORD));
}

static void say_reauth(struct gw_ws_conn *c, const char *id,
		       const char *credential)
{
	client_say(c,
		   "{\"messageType\":\"request\",\"method\":\"auth\","
		   "\"transactionId\":0,\"authType\":\"reauth\","
		   "\"webrtcId\":\"%s\",\"authorization\":\"%s\"}",
		   id, credential);
}

/* Logs in; the password is checked in a thread. */
static struct gw_ws_conn *begin(const char *id)
{
	struct gw_ws_conn *c = client_open();
	unsigned before = peer.nkept;

	say_basic(c, "0", id);
	for (int i = 0; i < 500 && peer.nkept == before; i++)
		gw_loop_step(peer.loop, 20);
	assert_int_equal(before + 1, peer.nkept);
	return c;
}

static void credential_of(const struct gw_ws_conn *c, char out[64])
{
	const char *value = json_value(client_last(c), "reauthCredential");

	assert_non_null(value);
	(void)snprintf(out, 64, "%s", value);
}

static void assert_is_hash_of(const uint8_t *hash, const char *credential)
{
	uint8_t own[32];

	assert_int_equal(0, gw_auth_hash(own, credential));
	assert_memory_equal(own, hash, sizeof(own));
}

/* What the last run may have left of Alice. */
static struct gw_web_kept left_of_alice(const char *credential)
{
	struct gw_web_kept k = {
		.configured = true,
		.expires_s = gw_clock_wall_s() + 100,
		.ttl_s = 30,
	};

	strcpy(k.key, KEY);
	strcpy(k.id, ALICE);
	assert_int_equal(0, gw_auth_hash(k.credential_hash, credential));
	return k;
}

static void a_client_is_told_when_it_is_remembered(void **state)
{
	struct gw_ws_conn *c = begin(ALICE);
	char credential[64];

	(void)state;
	assert_int_equal(0, client_count(c));
	assert_string_equal(ALICE, peer.kept.id);
	assert_true(peer.kept.configured && !peer.kept.enrolled);
	assert_int_equal(1, peer.kept.nidentity);
	assert_string_equal(ALICE2, peer.kept.identity[0]);
	assert_int_equal(30, peer.kept.ttl_s);
	assert_int_equal(0, peer.kept.lost_s);
	assert_true(peer.kept.expires_s > gw_clock_wall_s() + 3590);
	/* Nobody calls who does not know yet that he is there. */
	assert_false(gw_web_is_registered(peer.web, ALICE));
	gw_web_kept(peer.web, "of nobody");
	assert_int_equal(0, client_count(c));
	gw_web_kept(peer.web, peer.kept.key);
	assert_int_equal(1, client_count(c));
	has(client_last(c), "\"success\":true");
	credential_of(c, credential);
	assert_is_hash_of(peer.kept.credential_hash, credential);
	assert_true(gw_web_is_registered(peer.web, ALICE));
	/* Told once. */
	gw_web_kept(peer.web, peer.kept.key);
	assert_int_equal(1, client_count(c));
}

static void who_waits_for_it_is_nobody_yet(void **state)
{
	struct gw_ws_conn *c = begin(ALICE);

	(void)state;
	client_say(c, "{\"messageType\":\"request\",\"method\":\"msetup\","
		      "\"transactionId\":2,\"resourceId\":\"echo\"}");
	assert_int_equal(1, client_count(c));
	has(client_last(c), "\"status\":401");
	client_say(c, "{\"messageType\":\"request\",\"method\":\"getinfo\","
		      "\"transactionId\":4,\"resources\":[\"iceServers\","
		      "\"registration\",\"mediaSessions\"]}");
	has(client_last(c), "\"iceServers\":null");
	has(client_last(c), "\"registration\":null");
	has(client_last(c), "\"mediaSessions\":null");
	say_basic(c, "6", ALICE);
	has(client_last(c), "\"status\":409");
	gw_web_kept(peer.web, peer.kept.key);
	has(client_last(c), "\"transactionId\":0");
	has(client_last(c), "\"success\":true");
}

static void one_that_cannot_be_remembered_is_told_at_once(void **state)
{
	struct gw_ws_conn *c = client_open();

	(void)state;
	peer.keep_error = -EAGAIN;
	say_basic(c, "0", ALICE);
	client_wait(c, 1);
	has(client_last(c), "\"success\":true");
	assert_true(gw_web_is_registered(peer.web, ALICE));
}

static void who_leaves_before_is_forgotten_without_a_word(void **state)
{
	struct gw_ws_conn *c = begin(ALICE);
	char key[32];

	(void)state;
	strcpy(key, peer.kept.key);
	client_lose(&c, 1006);
	assert_int_equal(1, peer.nforgot);
	assert_string_equal(key, peer.forgot);
	gw_web_kept(peer.web, key);
	assert_false(gw_web_is_registered(peer.web, ALICE));
}

static void the_end_of_a_registration_is_told(void **state)
{
	struct gw_ws_conn *c = begin(ALICE), *d = begin(BOB);
	char bob[32];

	(void)state;
	strcpy(bob, peer.kept.key);
	gw_web_kept(peer.web, bob);
	client_say(d, "{\"messageType\":\"request\",\"method\":\"auth\","
		      "\"transactionId\":2,\"authType\":\"basic\","
		      "\"webrtcId\":\"" BOB "\",\"expiration\":0}");
	assert_int_equal(1, peer.nforgot);
	assert_string_equal(bob, peer.forgot);
	/* Of one that waits, too. */
	assert_int_equal(1, gw_web_deregister(peer.web, ALICE, 0, "test"));
	assert_int_equal(2, peer.nforgot);
	assert_int_equal(4003, client_code(c));
}

static void say_log_out(struct gw_ws_conn *c, const char *txn)
{
	client_say(c,
		   "{\"messageType\":\"request\",\"method\":\"auth\","
		   "\"transactionId\":%s,\"authType\":\"basic\","
		   "\"webrtcId\":\"" ALICE "\",\"expiration\":0}",
		   txn);
}

static void a_log_out_is_answered_when_it_is_forgotten(void **state)
{
	struct gw_ws_conn *c = begin(ALICE), *d;
	char key[32], credential[64];
	struct gw_web_kept now;

	(void)state;
	strcpy(key, peer.kept.key);
	gw_web_kept(peer.web, key);
	credential_of(c, credential);
	say_log_out(c, "2");
	assert_int_equal(1, peer.nforgot);
	assert_string_equal(key, peer.forgot);
	assert_int_equal(1, client_count(c));
	/* Nobody finds it meanwhile, and it is not written again. */
	assert_false(gw_web_is_registered(peer.web, ALICE));
	assert_false(gw_web_describe(peer.web, key, &now));
	d = client_open();
	say_reauth(d, ALICE, credential);
	has(client_last(d), "\"status\":403");
	say_basic(c, "4", ALICE);
	has(client_last(c), "\"status\":409");
	gw_web_kept(peer.web, key);
	has(client_last(c), "\"transactionId\":2");
	has(client_last(c), "\"success\":true");
	has(client_last(c), "\"expiration\":0");
	assert_int_equal(1000, client_code(c));
	assert_int_equal(1, peer.nforgot);
	gw_web_kept(peer.web, key);
}

static void a_log_out_that_cannot_be_stored_is_one_all_the_same(void **state)
{
	struct gw_ws_conn *c = begin(ALICE);

	(void)state;
	gw_web_kept(peer.web, peer.kept.key);
	peer.forget_error = -EAGAIN;
	say_log_out(c, "2");
	has(client_last(c), "\"success\":true");
	assert_int_equal(1000, client_code(c));
	assert_int_equal(1, peer.nforgot);
}

static void who_hangs_up_at_the_log_out_is_out(void **state)
{
	struct gw_ws_conn *c = begin(ALICE);
	char key[32];

	(void)state;
	strcpy(key, peer.kept.key);
	gw_web_kept(peer.web, key);
	say_log_out(c, "2");
	client_lose(&c, 1006);
	assert_int_equal(0, metric("isthmus_respect_registrations{"
				   "state=\"suspended\"}"));
	assert_int_equal(1, peer.nforgot);
	gw_web_kept(peer.web, key);
}

/* Those of before the crash count for their address, too. */
static void anonymous_users_of_before_are_not_more_than_allowed(void **state)
{
	struct gw_web_kept k = left_of_alice("x");
	struct gw_ws_conn *c = client_open();

	(void)state;
	peer.set.ims.pool_anonymous = true;
	peer.set.ims.pool_anonymous_ip = 1;
	k.configured = false;
	k.enrolled = true;
	strcpy(k.id, "sip:0123456789abcdefghijkl@anonymous.invalid");
	(void)gw_addr_ip(gw_ws_peer(c), k.peer, sizeof(k.peer));
	assert_int_equal(0, gw_web_restore(peer.web, &k, 20));
	client_say(c, "{\"messageType\":\"request\",\"method\":\"auth\","
		      "\"transactionId\":0,\"authType\":\"anonymous\","
		      "\"webrtcId\":\"sip:anonymous@anonymous.invalid\"}");
	has(client_last(c), "\"status\":429");
	assert_int_equal(0, peer.nenrol);
	/* It is over, and there is room. */
	peer_advance_ms(20001);
	client_lose(&c, 1006);
	c = client_open();
	client_say(c, "{\"messageType\":\"request\",\"method\":\"auth\","
		      "\"transactionId\":0,\"authType\":\"anonymous\","
		      "\"webrtcId\":\"sip:anonymous@anonymous.invalid\"}");
	assert_int_equal(1, peer.nenrol);
}

static void a_change_is_remembered_with_the_next_credential(void **state)
{
	struct gw_ws_conn *c = begin(ALICE), *d;
	char key[32], first[64], second[64];
	struct gw_web_kept now;

	(void)state;
	strcpy(key, peer.kept.key);
	gw_web_kept(peer.web, key);
	credential_of(c, first);
	client_lose(&c, 1006);
	/* What would be written now. */
	assert_true(gw_web_describe(peer.web, key, &now));
	assert_true(now.lost_s >= gw_clock_wall_s() + 29);
	d = client_open();
	say_reauth(d, ALICE, first);
	assert_int_equal(2, peer.nkept);
	assert_int_equal(0, client_count(d));
	assert_string_equal(key, peer.kept.key);
	/* It is not to be had twice, whatever the store says later. */
	c = client_open();
	say_reauth(c, ALICE, first);
	has(client_last(c), "\"status\":403");
	gw_web_kept(peer.web, key);
	credential_of(d, second);
	assert_is_hash_of(peer.kept.credential_hash, second);
	assert_int_equal(0, peer.nforgot);
	assert_false(gw_web_describe(peer.web, "another", &now));
}

/* A ringing session is told of again, after the answer. */
static void sessions_follow_the_answer(void **state)
{
	struct gw_ws_conn *c = begin(ALICE), *d;
	char credential[64];
	struct gw_leg *leg;

	(void)state;
	gw_web_kept(peer.web, peer.kept.key);
	credential_of(c, credential);
	leg = call_new_leg(ALICE);
	assert_int_equal(0, call_send(leg, GW_V_SETUP, GW_DESC_OFFER, "v=0"));
	client_lose(&c, 1006);
	d = client_open();
	say_reauth(d, ALICE, credential);
	assert_int_equal(0, client_count(d));
	gw_web_kept(peer.web, peer.kept.key);
	assert_int_equal(2, client_count(d));
	has(client_got(d, 0), "\"method\":\"auth\"");
	has(client_got(d, 1), "\"method\":\"msetup\"");
}

static void one_put_back_is_awaited(void **state)
{
	struct gw_web_kept k = left_of_alice("the old one");
	struct gw_web_reg seen;
	struct gw_ws_conn *c;
	struct gw_leg *leg;
	int64_t back = metric(BACK "{result=\"resumed\"}");

	(void)state;
	assert_int_equal(0, gw_web_restore(peer.web, &k, 20));
	assert_int_equal(1, AWAITED);
	assert_int_equal(1, gw_web_registrations(peer.web, 0, &seen, 1));
	assert_true(seen.awaited && !seen.connected);
	assert_string_equal("User of alice@example.net", seen.name);
	/* A clear answer, not silence. */
	assert_true(gw_web_is_registered(peer.web, ALICE2));
	assert_int_equal(-EHOSTDOWN,
			 gw_respect_leg_new(&leg, peer.web, ALICE2, NULL));
	assert_int_equal(-EHOSTDOWN,
			 gw_respect_leg_new(&leg, peer.web, ALICE, KEY));
	c = client_open();
	say_reauth(c, ALICE, "another");
	has(client_last(c), "\"status\":403");
	assert_int_equal(1, AWAITED);
	client_lose(&c, 1006);

	c = client_open();
	say_reauth(c, ALICE, "the old one");
	gw_web_kept(peer.web, KEY);
	has(client_last(c), "\"success\":true");
	assert_true(atoi(json_value(client_last(c), "expiration")) <= 100);
	assert_int_equal(0, AWAITED);
	assert_int_equal(back + 1, metric(BACK "{result=\"resumed\"}"));
	(void)call_new_leg(ALICE2);
	gw_leg_free(peer.leg);
	peer.leg = NULL;
	/* One endpoint more is called before it, as ever. */
	peer_advance_ms(25000);
	assert_int_equal(0, client_code(c));
}

static void one_that_nobody_comes_back_for_is_over(void **state)
{
	struct gw_web_kept k = left_of_alice("x");
	int64_t lost = metric(BACK "{result=\"lost\"}");

	(void)state;
	k.enrolled = true;
	assert_int_equal(0, gw_web_restore(peer.web, &k, 20));
	peer_advance_ms(19000);
	assert_int_equal(1, AWAITED);
	peer_advance_ms(1001);
	assert_int_equal(0, AWAITED);
	assert_int_equal(lost + 1, metric(BACK "{result=\"lost\"}"));
	assert_string_equal(KEY, peer.forgot);
	assert_string_equal(KEY, peer.left); /* the core */
	assert_false(gw_web_is_registered(peer.web, ALICE));
}

static void one_put_back_expires_when_it_would_have(void **state)
{
	struct gw_web_kept k = left_of_alice("x");

	(void)state;
	k.expires_s = gw_clock_wall_s() + 5;
	assert_int_equal(0, gw_web_restore(peer.web, &k, 20));
	peer_advance_ms(6000);
	assert_int_equal(0, AWAITED);
	assert_int_equal(1, peer.nforgot);
}

static void what_makes_no_sense_is_not_put_back(void **state)
{
	struct gw_web_kept k = left_of_alice("x"), bad = k;

	(void)state;
	bad.expires_s = gw_clock_wall_s();
	assert_int_equal(-ETIME, gw_web_restore(peer.web, &bad, 20));
	bad = k;
	strcpy(bad.id, "sip:removed@example.net");
	assert_int_equal(-ESRCH, gw_web_restore(peer.web, &bad, 20));
	/* In the configuration there is one by this name now. */
	bad = k;
	bad.configured = false;
	assert_int_equal(-ESRCH, gw_web_restore(peer.web, &bad, 20));
	bad = k;
	bad.configured = false;
	strcpy(bad.id, "nobody");
	assert_int_equal(-EINVAL, gw_web_restore(peer.web, &bad, 20));
	bad = k;
	bad.key[0] = '\0';
	assert_int_equal(-EINVAL, gw_web_restore(peer.web, &bad, 20));
	assert_int_equal(0, AWAITED);
	assert_int_equal(0, gw_web_restore(peer.web, &k, 20));
	assert_int_equal(-EINVAL, gw_web_restore(peer.web, &k, 20));
	assert_int_equal(1, AWAITED);
}

static void identities_come_back_with_it(void **state)
{
	struct gw_web_kept k = left_of_alice("x");
	struct gw_web_reg seen;

	(void)state;
	k.configured = false;
	strcpy(k.id, "sip:guest@web.example");
	strcpy(k.name, "A guest");
	k.nidentity = 2;
	strcpy(k.identity[0], "sip:pool1@ims.test");
	strcpy(k.identity[1], "tel:+15551");
	assert_int_equal(0, gw_web_restore(peer.web, &k, 20));
	assert_int_equal(1, gw_web_registrations(peer.web, 0, &seen, 1));
	assert_string_equal("A guest", seen.name);
	assert_int_equal(2, seen.nidentity);
	assert_true(gw_web_is_registered(peer.web, "tel:+15551"));
	/* Of a user of the configuration it says who has which. */
	k = left_of_alice("y");
	k.key[0] = 'z';
	k.nidentity = 1;
	strcpy(k.identity[0], "tel:+15559");
	assert_int_equal(0, gw_web_restore(peer.web, &k, 20));
	assert_false(gw_web_is_registered(peer.web, "tel:+15559"));
	assert_true(gw_web_is_registered(peer.web, ALICE2));
}

/* Nothing is proved before the core's challenge is answered. */
static void who_is_being_challenged_is_nobody_yet(void **state)
{
	struct gw_ws_conn *c = client_open();
	const struct gw_web_enrolled ask = { .status = 401,
					     .challenge = "Digest x" };

	(void)state;
	client_say(c, "{\"messageType\":\"request\",\"method\":\"auth\","
		      "\"transactionId\":0,\"authType\":\"digest\","
		      "\"webrtcId\":\"" ALICE "\"}");
	assert_int_equal(1, peer.nenrol);
	gw_web_enrolled(peer.web, peer.key, &ask);
	has(client_last(c), "\"status\":401");
	client_say(c, "{\"messageType\":\"request\",\"method\":\"msetup\","
		      "\"transactionId\":2,\"resourceId\":\"" BOB "\"}");
	has(client_last(c), "\"status\":401");
	assert_null(peer.leg);
	client_say(c, "{\"messageType\":\"request\",\"method\":\"getinfo\","
		      "\"transactionId\":4,\"resources\":[\"iceServers\"]}");
	has(client_last(c), "\"iceServers\":null");
}

/* The core's word, then the store's, then the client hears of it. */
static void who_is_registered_in_the_core_is_told_last(void **state)
{
	struct gw_ws_conn *c = client_open();
	static const char impu[2][128] = { ALICE, "tel:+15557" };
	const struct gw_web_enrolled yes = { .status = 200,
					     .nimpu = 2,
					     .impu = impu };
	const struct gw_web_enrolled over = { .status = 480 };
	char key[32];

	(void)state;
	say_basic(c, "0", ALICE);
	for (int i = 0; i < 500 && !peer.nenrol; i++)
		gw_loop_step(peer.loop, 20);
	strcpy(key, peer.key);
	assert_int_equal(0, peer.nkept);
	gw_web_enrolled(peer.web, key, &yes);
	assert_int_equal(1, peer.nkept);
	assert_true(peer.kept.enrolled);
	/* As the core grants them. */
	assert_int_equal(1, peer.kept.nidentity);
	assert_string_equal("tel:+15557", peer.kept.identity[0]);
	assert_int_equal(0, client_count(c));
	/* A refresh in between changes nothing. */
	gw_web_enrolled(peer.web, key, &yes);
	assert_int_equal(1, peer.nkept);
	gw_web_kept(peer.web, key);
	assert_int_equal(1, client_count(c));
	has(client_last(c), "\"success\":true");
	/* The core ends it. */
	gw_web_enrolled(peer.web, key, &over);
	assert_int_equal(4003, client_code(c));
	assert_string_equal(key, peer.forgot);
}

#define KEEPING(f)                                                             \
	cmocka_unit_test_setup_teardown(f, peer_setup_keeping, peer_teardown)
#define CORE(f)                                                                \
	cmocka_unit_test_setup_teardown(f, peer_setup_keeping_core,            \
					peer_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEEPING(a_client_is_told_when_it_is_remembered),
		KEEPING(who_waits_for_it_is_nobody_yet),
		KEEPING(one_that_cannot_be_remembered_is_told_at_once),
		KEEPING(who_leaves_before_is_forgotten_without_a_word),
		KEEPING(the_end_of_a_registration_is_told),
		KEEPING(a_log_out_is_answered_when_it_is_forgotten),
		KEEPING(a_log_out_that_cannot_be_stored_is_one_all_the_same),
		KEEPING(who_hangs_up_at_the_log_out_is_out),
		CORE(anonymous_users_of_before_are_not_more_than_allowed),
		KEEPING(a_change_is_remembered_with_the_next_credential),
		KEEPING(sessions_follow_the_answer),
		KEEPING(one_put_back_is_awaited),
		CORE(one_that_nobody_comes_back_for_is_over),
		KEEPING(one_put_back_expires_when_it_would_have),
		KEEPING(what_makes_no_sense_is_not_put_back),
		KEEPING(identities_come_back_with_it),
		CORE(who_is_being_challenged_is_nobody_yet),
		CORE(who_is_registered_in_the_core_is_told_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
