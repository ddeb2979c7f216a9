/*
 * Log-ins that a core has a say in: what the web side tells of them, what the
 * client hears of the core's answers, and tokens that name identities.
 */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/timers.h"
#include "tests/unit/jwt_sign.h"
/* Whole, so that its server goes before the library's. */
#include "tests/unit/respect_peer.c"

#define IMPI   "dan@ims.example"
#define IMPU   "sip:dan@ims.example"
#define NUMBER "tel:+15550100"
#define NOBODY "sip:anonymous@anonymous.invalid"
#define DAN    "sip:dan@example.net"
#define LEASED "sip:pool1@ims.example"
#define ASK    "Digest realm=\"ims.example\",nonce=\"n1\""
#define ASK2   "Digest realm=\"ims.example\",nonce=\"n2\""
#define ANSWER "Digest username=dan"

#define has(text, part)                                                        \
	do {                                                                   \
		if (!strstr((text), (part)))                                   \
			fail_msg("%s is not in %s", (part), (text));           \
	} while (0)

static EVP_PKEY *key;
static struct gw_settings with_key;

static int setup(void **state)
{
	int rc = peer_setup_core(state);

	with_key = peer.set;
	with_key.auth.nkey = 1;
	strcpy(with_key.auth.key[0].alg, "EdDSA");
	key = key_make("ED25519", NULL, with_key.auth.key[0].file);
	gw_web_reload(peer.web, &with_key);
	return rc;
}

static int teardown(void **state)
{
	gw_web_reload(peer.web, &peer.set);
	(void)unlink(with_key.auth.key[0].file);
	EVP_PKEY_free(key);
	return peer_teardown(state);
}

/* ---- words ---- */

static void say_auth(struct gw_ws_conn *c, unsigned txn, const char *type,
		     const char *id, const char *more)
{
	client_say(c,
		   "{\"messageType\":\"request\",\"method\":\"auth\","
		   "\"transactionId\":%u,\"authType\":\"%s\","
		   "\"webrtcId\":\"%s\",\"disconnectionTtl\":30%s}",
		   txn, type, id, more);
}

/* @more: further claims, each with a comma before it. */
static void say_token(struct gw_ws_conn *c, unsigned txn, const char *id,
		      const char *sub, const char *more)
{
	char claims[1024], value[2048], *token;

	(void)snprintf(claims, sizeof(claims),
		       "{\"iss\":\"https://issuer.example\",\"aud\":"
		       "\"isthmus\",\"sub\":\"%s\",\"exp\":%lld%s}",
		       sub, (long long)gw_clock_wall_s() + 100, more);
	token = token_make(key, "{\"alg\":\"EdDSA\"}", claims);
	(void)snprintf(value, sizeof(value), ",\"authorization\":\"Bearer %s\"",
		       token);
	say_auth(c, txn, "bearer", id, value);
	free(token);
}

static void step_until_enrolled(unsigned n)
{
	for (int i = 0; i < 500 && peer.nenrol < n; i++)
		gw_loop_step(peer.loop, 20);
	assert_int_equal(n, peer.nenrol);
}

/* The store knows nobody, unless the test says so. */
static void unknown(void)
{
	gw_web_user_found(peer.web, peer.ask, -ENOENT, NULL);
}

static void found(const char *id, const char *subject)
{
	struct gw_set_user u = { .nidentity = 0 };

	strcpy(u.id, id);
	strcpy(u.subject, subject);
	gw_web_user_found(peer.web, peer.ask, 0, &u);
}

static void core_says(const struct gw_web_enrolled *res)
{
	gw_web_enrolled(peer.web, peer.key, res);
}

static void core_registers(const char *impi, const char *a, const char *b)
{
	char impu[2][128] = { "" };
	struct gw_web_enrolled res = {
		.status = 200,
		.impi = impi,
		.nimpu = b ? 2 : 1,
		.impu = (const char(*)[128])impu,
	};

	strcpy(impu[0], a);
	if (b)
		strcpy(impu[1], b);
	core_says(&res);
}

static void core_refuses(uint16_t status, const char *text)
{
	const struct gw_web_enrolled res = { .status = status, .text = text };

	core_says(&res);
}

static void core_asks(const char *challenge)
{
	const struct gw_web_enrolled res = { .status = 401,
					     .challenge = challenge };

	core_says(&res);
}

/* ---- tokens ---- */

static void what_a_token_says_reaches_the_core(void **state)
{
	struct gw_ws_conn *c = client_open();

	(void)state;
	say_token(c, 0, DAN, DAN,
		  ",\"name\":\"Dan\",\"impi\":\"" IMPI "\",\"impus\":[\"" IMPU
		  "\",\"" NUMBER "\"]");
	unknown();
	step_until_enrolled(1);
	assert_int_equal(GW_WEB_TOKEN, peer.proof);
	assert_string_equal(DAN, peer.enrol_id);
	assert_string_equal(IMPI, peer.impi);
	assert_int_equal(2, peer.nimpu);
	assert_string_equal(NUMBER, peer.impu[1]);
	assert_int_equal(0, client_count(c));
	assert_false(gw_web_is_registered(peer.web, DAN));
	core_registers(IMPI, IMPU, NUMBER);
	has(client_last(c), "\"success\":true");
	assert_true(gw_web_is_registered(peer.web, DAN));
	assert_true(gw_web_is_registered(peer.web, IMPU));
	assert_true(gw_web_is_registered(peer.web, NUMBER));
}

static void a_bearer_is_known_by_subject_or_public_identity_too(void **state)
{
	struct gw_ws_conn *c;

	(void)state;
	/* The provider's own name for the subscriber. */
	c = client_open();
	say_token(c, 0, DAN, "user-4711", "");
	found(DAN, "user-4711");
	step_until_enrolled(1);
	core_says(&(struct gw_web_enrolled){ .status = 0 });
	has(client_last(c), "\"webrtcId\":\"" DAN "\"");
	/* One of the identities that the token names. */
	c = client_open();
	say_token(c, 0, IMPU, "user-4711", ",\"impus\":\"" IMPU "\"");
	unknown();
	step_until_enrolled(2);
	core_registers(IMPI, IMPU, NULL);
	has(client_last(c), "\"webrtcId\":\"" IMPU "\"");
	/* Neither. */
	c = client_open();
	say_token(c, 0, DAN, "user-4712", ",\"impus\":\"" IMPU "\"");
	found(DAN, "user-4711");
	client_wait(c, 1);
	has(client_last(c), "\"status\":403");
	assert_int_equal(1008, client_code(c));
	c = client_open();
	say_token(c, 0, DAN, "", "");
	found(DAN, "");
	client_wait(c, 1);
	has(client_last(c), "\"status\":403");
	assert_int_equal(2, peer.nenrol);
}

static void a_token_that_the_core_refuses_costs_the_websocket(void **state)
{
	struct gw_ws_conn *c;

	(void)state;
	for (uint16_t status = 403; status <= 404; status++) {
		c = client_open();
		say_token(c, 0, DAN, DAN, ",\"impi\":\"" IMPI "\"");
		unknown();
		step_until_enrolled(status - 402u);
		core_refuses(status, "another's");
		has(client_last(c), "\"success\":false");
		assert_int_equal(1008, client_code(c));
	}
	assert_int_equal(0, peer.nleave); /* the other side has let go */
	/* Not the token's fault. */
	c = client_open();
	say_token(c, 0, DAN, DAN, "");
	unknown();
	step_until_enrolled(3);
	core_refuses(503, "no identity is free");
	has(client_last(c), "\"status\":503");
	assert_int_equal(0, client_code(c));
	/* Nor is a password one. */
	c = client_open();
	client_say(c,
		   "{\"messageType\":\"request\",\"method\":\"auth\","
		   "\"transactionId\":0,\"authType\":\"basic\","
		   "\"webrtcId\":\"%s\",\"authorization\":\"%s\"}",
		   ALICE, basic_value(ALICE, PASSWORD));
	unknown();
	step_until_enrolled(4);
	assert_int_equal(GW_WEB_PASSWORD, peer.proof);
	core_refuses(403, "logs in in another way");
	has(client_last(c), "\"status\":403");
	assert_int_equal(0, client_code(c));
}

static void a_later_token_of_somebody_else_is_refused(void **state)
{
	struct gw_ws_conn *c = client_open();

	(void)state;
	say_token(c, 0, DAN, DAN, ",\"impi\":\"" IMPI "\"");
	unknown();
	step_until_enrolled(1);
	core_registers(IMPI, IMPU, NUMBER);
	say_token(c, 2, DAN, DAN, ",\"impi\":\"eve@ims.example\"");
	unknown();
	client_wait(c, 2);
	has(client_last(c), "\"status\":403");
	say_token(c, 4, DAN, DAN, ",\"impus\":\"sip:eve@ims.example\"");
	unknown();
	client_wait(c, 3);
	has(client_last(c), "\"status\":403");
	/* What the token of before gave stays. */
	assert_int_equal(0, client_code(c));
	assert_true(gw_web_is_registered(peer.web, IMPU));
	client_forget_punishment();
	say_token(c, 6, DAN, DAN, ",\"impus\":[\"" NUMBER "\"]");
	unknown();
	client_wait(c, 4);
	has(client_last(c), "\"success\":true");
	assert_int_equal(1, peer.nenrol);
}

static void an_identity_that_the_core_takes_back_is_gone(void **state)
{
	struct gw_ws_conn *c = client_open();

	(void)state;
	say_token(c, 0, DAN, DAN, ",\"impi\":\"" IMPI "\"");
	unknown();
	step_until_enrolled(1);
	core_registers(IMPI, IMPU, NUMBER);
	core_registers(IMPI, IMPU, NULL);
	assert_true(gw_web_is_registered(peer.web, IMPU));
	assert_false(gw_web_is_registered(peer.web, NUMBER));
	assert_int_equal(1, client_count(c));
	client_say(c, "{\"messageType\":\"request\",\"method\":\"msetup\","
		      "\"transactionId\":2,\"resourceId\":\"sip:x@y\","
		      "\"preferredOriginatingId\":\"" NUMBER "\"}");
	has(client_last(c), "\"status\":403");
}

/* ---- who does not say who it is ---- */

static void anonymous_users_are_taken_where_that_is_allowed(void **state)
{
	struct gw_ws_conn *c = client_open(), *d;
	char id[128], first[64];

	(void)state;
	say_auth(c, 0, "anonymous", NOBODY, "");
	has(client_last(c), "\"status\":403");
	assert_int_equal(0, peer.nenrol);
	with_key.ims.pool_anonymous = true;

	say_auth(c, 2, "anonymous", NOBODY, "");
	assert_int_equal(1, peer.nenrol);
	assert_int_equal(GW_WEB_ANONYMOUS, peer.proof);
	core_registers("pool1@ims.example", LEASED, NULL);
	has(client_last(c), "\"success\":true");
	has(client_last(c), "\"anonymous\"");
	(void)snprintf(id, sizeof(id), "%s",
		       json_value(client_last(c), "webrtcId"));
	assert_string_equal(peer.enrol_id, id);
	has(id, "@anonymous.invalid");
	assert_string_not_equal(NOBODY, id);
	assert_true(gw_web_is_registered(peer.web, LEASED));
	assert_false(gw_web_is_registered(peer.web, NOBODY));

	/* It is found again by its credential, and by nothing else. */
	(void)snprintf(first, sizeof(first), ",\"authorization\":\"%s\"",
		       json_value(client_last(c), "reauthCredential"));
	client_lose(&c, 1006);
	d = client_open();
	say_auth(d, 0, "reauth", id, first);
	has(client_last(d), "\"success\":true");
	say_auth(d, 2, "anonymous", NOBODY, "");
	has(client_last(d), "\"status\":409");
	say_auth(d, 4, "anonymous", id, "");
	has(client_last(d), "\"success\":true");
	assert_int_equal(1, peer.nenrol);
	say_auth(d, 6, "anonymous", id, ",\"expiration\":0");
	assert_int_equal(1000, client_code(d));
	assert_string_equal(peer.key, peer.left);
	assert_int_equal(1, peer.nleave);
}

static void two_anonymous_users_are_two(void **state)
{
	struct gw_ws_conn *c = client_open(), *d = client_open();
	char first[128];

	(void)state;
	with_key.ims.pool_anonymous = true;
	say_auth(c, 0, "anonymous", NOBODY, "");
	(void)snprintf(first, sizeof(first), "%s", peer.enrol_id);
	core_refuses(503, "no identity is free");
	has(client_last(c), "\"status\":503");
	assert_int_equal(0, client_code(c));
	say_auth(d, 0, "anonymous", NOBODY, "");
	assert_string_not_equal(first, peer.enrol_id);
	client_lose(&d, 1006);
	assert_int_equal(1, peer.nleave);
}

static void one_address_does_not_empty_the_pool(void **state)
{
	struct gw_ws_conn *c[4];

	(void)state;
	with_key.ims.pool_anonymous = true;
	with_key.ims.pool_anonymous_ip = 3;
	for (unsigned i = 0; i < 4; i++) {
		c[i] = client_open();
		say_auth(c[i], 0, "anonymous", NOBODY, "");
		if (i < 3)
			core_registers("pool1@ims.example", LEASED, NULL);
	}
	assert_int_equal(3, peer.nenrol);
	has(client_last(c[3]), "\"status\":429");
	/* Of another address, or when one has left. */
	c[3]->addr.ip[3] = 7;
	say_auth(c[3], 2, "anonymous", NOBODY, "");
	assert_int_equal(4, peer.nenrol);
	core_registers("pool1@ims.example", LEASED, NULL);
	/* Who is away counts until its time is over. */
	client_lose(&c[0], 1006);
	c[0] = client_open();
	say_auth(c[0], 0, "anonymous", NOBODY, "");
	has(client_last(c[0]), "\"status\":429");
	peer_advance_ms(30001);
	client_lose(&c[0], 1000);
	c[0] = client_open();
	say_auth(c[0], 0, "anonymous", NOBODY, "");
	assert_int_equal(5, peer.nenrol);
}

/* ---- time ---- */

static void log_out_expiry_and_time_to_live_leave_the_core(void **state)
{
	static const char *const how[] = { "log-out", "expiry", "ttl",
					   "operator" };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct gw_ws_conn *c = client_open();

		say_token(c, 0, DAN, DAN, ",\"impi\":\"" IMPI "\"");
		unknown();
		step_until_enrolled(i + 1);
		core_registers(IMPI, IMPU, NULL);
		assert_int_equal(i, peer.nleave);
		if (i == 0)
			say_auth(c, 2, "bearer", DAN, ",\"expiration\":0");
		else if (i == 1)
			peer_advance_ms(101000); /* the token's */
		else if (i == 2)
			client_lose(&c, 1006);
		else
			assert_int_equal(
				1, gw_web_deregister(peer.web, DAN, 0, how[i]));
		if (i == 2) {
			peer_advance_ms(29999);
			assert_int_equal(i, peer.nleave);
			peer_advance_ms(2);
		}
		if (peer.nleave != i + 1)
			fail_msg("%s does not leave", how[i]);
		assert_string_equal(peer.key, peer.left);
		assert_false(gw_web_is_registered(peer.web, IMPU));
	}
}

/* ---- the client's own credentials ---- */

static void the_cores_challenge_is_answered_by_the_client(void **state)
{
	struct gw_ws_conn *c = client_open();

	(void)state;
	say_auth(c, 0, "digest", DAN, "");
	assert_int_equal(GW_WEB_DIGEST, peer.proof);
	assert_int_equal(0, client_count(c));
	core_asks(ASK);
	has(client_last(c), "\"status\":401");
	has(client_last(c), "nonce=\\\"n1\\\"");
	say_auth(c, 2, "digest", DAN,
		 ",\"authorization\":\"Digest username=dan\"");
	assert_int_equal(1, peer.nanswer);
	core_registers(IMPI, IMPU, NULL);
	has(client_last(c), "\"success\":true");
	assert_true(gw_web_is_registered(peer.web, IMPU));
}

static void say_answer(struct gw_ws_conn *c, unsigned txn, const char *more)
{
	char text[512];

	(void)snprintf(text, sizeof(text),
		       ",\"authorization\":\"" ANSWER "\"%s", more);
	say_auth(c, txn, "digest", DAN, text);
}

static struct gw_ws_conn *log_in_by_digest(void)
{
	struct gw_ws_conn *c = client_open();

	say_auth(c, 0, "digest", DAN, "");
	core_asks(ASK);
	say_answer(c, 2, "");
	core_registers(IMPI, IMPU, NULL);
	has(client_last(c), "\"success\":true");
	assert_int_equal(2, client_count(c));
	return c;
}

static void a_challenge_of_a_refresh_is_asked_of_the_client(void **state)
{
	struct gw_ws_conn *c = log_in_by_digest();

	(void)state;
	peer_advance_ms(1000000);
	core_asks(ASK);
	assert_int_equal(3, client_count(c));
	has(client_last(c), "\"messageType\":\"request\",\"method\":\"auth\"");
	has(client_last(c), "\"authType\":\"digest\"");
	has(client_last(c), "\"webrtcId\":\"" DAN "\"");
	has(client_last(c), "nonce=\\\"n1\\\"");
	client_say(c, "{\"messageType\":\"response\",\"method\":\"auth\","
		      "\"transactionId\":1,\"success\":true}");
	/* It may ask what the question was. */
	say_auth(c, 4, "digest", DAN, "");
	has(client_last(c), "\"status\":401");
	has(client_last(c), "nonce=\\\"n1\\\"");
	say_answer(c, 6, "");
	assert_int_equal(2, peer.nanswer);
	assert_int_equal(4, client_count(c));
	say_answer(c, 8, "");
	has(client_last(c), "\"status\":409");
	/* The nonce was too old: another, in the answer. */
	core_asks(ASK2);
	has(client_last(c), "\"transactionId\":6");
	has(client_last(c), "\"status\":401");
	has(client_last(c), "nonce=\\\"n2\\\"");
	say_answer(c, 10, "");
	core_registers(IMPI, IMPU, NULL);
	has(client_last(c), "\"transactionId\":10");
	has(client_last(c), "\"success\":true");
	/* As long as from anew. */
	has(client_last(c), "\"expiration\":3600");
	assert_int_equal(7, client_count(c));
	/* Nobody waits when the core changes something by itself. */
	core_registers(IMPI, IMPU, NUMBER);
	assert_int_equal(7, client_count(c));
}

static void a_client_that_comes_back_is_asked_again(void **state)
{
	struct gw_ws_conn *c = log_in_by_digest();
	char credential[96];

	(void)state;
	(void)snprintf(credential, sizeof(credential),
		       ",\"authorization\":\"%s\"",
		       json_value(client_last(c), "reauthCredential"));
	client_lose(&c, 1006);
	core_asks(ASK);
	c = client_open();
	say_auth(c, 0, "reauth", DAN, credential);
	assert_int_equal(2, client_count(c));
	has(client_got(c, 0), "\"success\":true");
	has(client_last(c), "nonce=\\\"n1\\\"");
	say_answer(c, 2, "");
	client_lose(&c, 1006); /* what comes of it is nobody's */
	core_registers(IMPI, IMPU, NULL);
	assert_true(gw_web_is_registered(peer.web, DAN));
	peer_advance_ms(30001);
	assert_int_equal(1, peer.nleave);
}

static void an_answer_that_the_core_refuses_ends_it(void **state)
{
	struct gw_ws_conn *c = log_in_by_digest();

	(void)state;
	core_asks(ASK);
	say_answer(c, 4, "");
	core_refuses(403, "not authenticated");
	has(client_last(c), "\"transactionId\":4");
	has(client_last(c), "\"status\":403");
	assert_int_equal(4003, client_code(c));
	assert_false(gw_web_is_registered(peer.web, DAN));
}

static void an_answer_to_nothing_is_refused(void **state)
{
	struct gw_ws_conn *c = log_in_by_digest();

	(void)state;
	core_asks(ASK);
	peer.enrol_error = -EINVAL;
	say_answer(c, 4, "");
	has(client_last(c), "\"status\":403");
	peer.enrol_error = 0;
	assert_true(gw_web_is_registered(peer.web, DAN));
	say_answer(c, 6, "");
	core_registers(IMPI, IMPU, NULL);
	has(client_last(c), "\"success\":true");
}

static void a_log_out_waits_for_the_core(void **state)
{
	struct gw_ws_conn *c = log_in_by_digest();

	(void)state;
	say_auth(c, 4, "digest", DAN, ",\"expiration\":0");
	assert_int_equal(1, peer.nquit);
	assert_int_equal(2, client_count(c));
	core_asks(ASK2);
	has(client_last(c), "\"status\":401");
	has(client_last(c), "nonce=\\\"n2\\\"");
	say_answer(c, 6, ",\"expiration\":0");
	assert_int_equal(2, peer.nanswer);
	assert_int_equal(0, client_code(c));
	core_refuses(410, "deregistered");
	has(client_last(c), "\"success\":true");
	has(client_last(c), "\"expiration\":0");
	assert_int_equal(1000, client_code(c));
	assert_int_equal(0, peer.nleave); /* it has left */
	assert_false(gw_web_is_registered(peer.web, DAN));
}

static void who_does_not_answer_leaves_all_the_same(void **state)
{
	struct gw_ws_conn *c = log_in_by_digest();

	(void)state;
	say_auth(c, 4, "digest", DAN, ",\"expiration\":0");
	core_asks(ASK2);
	/* Twice without an answer. */
	say_auth(c, 6, "digest", DAN, ",\"expiration\":0");
	has(client_last(c), "\"success\":true");
	assert_int_equal(1000, client_code(c));
	assert_int_equal(1, peer.nleave);
	/* Or by going. */
	c = log_in_by_digest();
	say_auth(c, 4, "digest", DAN, ",\"expiration\":0");
	client_lose(&c, 1006);
	assert_int_equal(2, peer.nleave);
	assert_false(gw_web_is_registered(peer.web, DAN));
	/* Or because there is nothing to deregister. */
	c = log_in_by_digest();
	peer.enrol_error = -EALREADY;
	say_auth(c, 4, "digest", DAN, ",\"expiration\":0");
	assert_int_equal(1000, client_code(c));
	assert_int_equal(3, peer.nleave);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_a_token_says_reaches_the_core),
		T(a_bearer_is_known_by_subject_or_public_identity_too),
		T(a_token_that_the_core_refuses_costs_the_websocket),
		T(a_later_token_of_somebody_else_is_refused),
		T(an_identity_that_the_core_takes_back_is_gone),
		T(anonymous_users_are_taken_where_that_is_allowed),
		T(two_anonymous_users_are_two),
		T(one_address_does_not_empty_the_pool),
		T(log_out_expiry_and_time_to_live_leave_the_core),
		T(the_cores_challenge_is_answered_by_the_client),
		T(a_challenge_of_a_refresh_is_asked_of_the_client),
		T(a_client_that_comes_back_is_asked_again),
		T(an_answer_that_the_core_refuses_ends_it),
		T(an_answer_to_nothing_is_refused),
		T(a_log_out_waits_for_the_core),
		T(who_does_not_answer_leaves_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
