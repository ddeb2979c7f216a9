/*
 * Authentication, and what a connection refuses: every rule of bad input, the
 * transactions on the wire, getinfo, and limits.
 */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/timers.h"
#include "tests/unit/jwt_sign.h"
/* Whole, so that its server goes before the library's. */
#include "tests/unit/respect_peer.c"
#include "webrtc/auth_check.h"

#define REQ(method, id)                                                        \
	"{\"messageType\":\"request\",\"method\":\"" method                    \
	"\",\"transactionId\":" id
#define AUTH(id, type, who)                                                    \
	REQ("auth", id)                                                        \
	",\"authType\":\"" type "\",\"webrtcId\":\"" who "\""
#define REJECTED(reason)                                                       \
	metric("isthmus_respect_rejected_total{reason=\"" reason "\"}")

#define has(text, part)                                                        \
	do {                                                                   \
		if (!strstr((text), (part)))                                   \
			fail_msg("%s is not in %s", (part), (text));           \
	} while (0)

static char credential[64];

static const char *credential_in(const char *json)
{
	const char *v = json_value(json, "reauthCredential");

	assert_non_null(v);
	(void)snprintf(credential, sizeof(credential), "%s", v);
	return credential;
}

static void password_of(struct gw_ws_conn *c, const char *id, const char *who,
			const char *user, const char *password)
{
	unsigned n = client_count(c);

	client_say(c,
		   "{\"messageType\":\"request\",\"method\":\"auth\","
		   "\"transactionId\":%s,\"authType\":\"basic\","
		   "\"webrtcId\":\"%s\",\"authorization\":\"%s\"}",
		   id, who, basic_value(user, password));
	client_wait(c, n + 1);
}

/* ---- basic ---- */

static void basic_is_challenged_then_granted(void **state)
{
	struct gw_ws_conn *c = client_open();

	(void)state;
	client_say(c, AUTH("0", "basic", ALICE) "}");
	has(client_last(c), "\"success\":false");
	has(client_last(c), "\"status\":401");
	has(client_last(c), "\"wwwAuthenticate\":\"Basic realm=\\\"test.example"
			    "\\\", charset=\\\"UTF-8\\\"\"");
	password_of(c, "2", ALICE, ALICE, PASSWORD);
	has(client_last(c), "\"success\":true");
	has(client_last(c), "\"expiration\":3600");
	has(client_last(c), "\"disconnectionTtl\":60");
	assert_true(strlen(credential_in(client_last(c))) >= 22);
	assert_true(gw_web_is_registered(peer.web, ALICE));
	assert_true(gw_web_is_registered(peer.web, "tel:+1-555-123-0001"));
	assert_false(gw_web_is_registered(peer.web, BOB));
	assert_true(gw_web_is_user(peer.web, BOB));
	assert_false(gw_web_is_user(peer.web, "sip:carol@example.net"));
	assert_int_equal(0, client_punished()); /* a challenge is no failure */
}

static void the_user_id_may_lack_the_scheme(void **state)
{
	struct gw_ws_conn *c = client_open();

	(void)state;
	password_of(c, "0", ALICE, "alice@example.net", PASSWORD);
	has(client_last(c), "\"success\":true");
}

static void failures_look_alike_and_are_punished(void **state)
{
	struct gw_ws_conn *c = client_open();
	char first[1024];
	long before = REJECTED("auth_failed");

	(void)state;
	password_of(c, "0", ALICE, ALICE, "wrong");
	has(client_last(c), "\"status\":403");
	(void)snprintf(first, sizeof(first), "%s",
		       strstr(client_last(c), "\"success\""));
	password_of(c, "2", "sip:nobody@example.net", "nobody@example.net",
		    PASSWORD);
	assert_string_equal(first, strstr(client_last(c), "\"success\""));
	assert_int_equal(0, client_code(c));
	/* Right, but of another user. */
	password_of(c, "4", ALICE, BOB, PASSWORD);
	assert_string_equal(first, strstr(client_last(c), "\"success\""));
	assert_int_equal(3, client_punished());
	assert_int_equal(1008, client_code(c));
	assert_int_equal(before + 3, REJECTED("auth_failed"));
}

static void unknown_users_take_as_long_as_known_ones(void **state)
{
	char dummy[GW_AUTH_HASH_SIZE];
	struct gw_settings nobody = { .nuser = 0 };

	(void)state;
	/* The same method and cost as the users have ... */
	gw_auth_dummy_hash(dummy, &peer.set);
	assert_memory_equal("$5$rounds=1000$", dummy, 15);
	/* ... and with no users, a hash that libcrypt really computes. */
	gw_auth_dummy_hash(dummy, &nobody);
	assert_memory_equal("$y$", dummy, 3);
	assert_false(gw_auth_password_holds(dummy, "demo"));
}

static void yescrypt_hashes_are_checked(void **state)
{
	static const char hash[] =
		"$y$j9T$BUBPUPyQjwxj0veom2nL5/$"
		"SWVaulQSDh.UVh1AVB.mKCGZIpULaDFmI//4qopRgh.";

	(void)state;
	assert_true(gw_auth_password_holds(hash, "demo"));
	assert_false(gw_auth_password_holds(hash, "demo2"));
	assert_false(gw_auth_password_holds("", "demo"));
	assert_false(gw_auth_password_holds("plain", "plain"));
}

static void malformed_credentials_are_400(void **state)
{
	static const char *const bad[] = {
		"", "Basic", "Basic ", "Digest x", "Basic !!", "Basic YQ=="
	};
	struct gw_ws_conn *c = client_open();

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		client_say(c,
			   "{\"messageType\":\"request\",\"method\":\"auth\","
			   "\"transactionId\":%u,\"authType\":\"basic\","
			   "\"webrtcId\":\"" ALICE "\",\"authorization\":"
			   "\"%s\"}",
			   i * 2, bad[i]);
		has(client_last(c), "\"status\":400");
	}
	client_say(c, AUTH("12", "digest", ALICE) "}");
	has(client_last(c), "there is no core");
	client_say(c, AUTH("14", "negotiate", ALICE) "}");
	has(client_last(c), "authType");
	client_say(c, AUTH("16", "basic", "alice") "}");
	has(client_last(c), "webrtcId");
	client_say(c, AUTH("18", "bearer", ALICE) "}");
	has(client_last(c), "authorization");
	assert_int_equal(0, client_punished());
}

static void one_auth_at_a_time_and_its_copy_is_answered_once(void **state)
{
	struct gw_ws_conn *c = client_open();
	const char *value = basic_value(ALICE, PASSWORD);

	(void)state;
	for (int i = 0; i < 3; i++)
		client_say(c,
			   AUTH("0", "basic", ALICE) ",\"authorization\":"
						     "\"%s\"}",
			   value);
	client_say(c, AUTH("2", "basic", ALICE) ",\"authorization\":\"%s\"}",
		   value);
	assert_int_equal(1, client_count(c));
	has(client_last(c), "\"transactionId\":2");
	has(client_last(c), "\"status\":409");
	client_wait(c, 2);
	has(client_last(c), "\"transactionId\":0");
	has(client_last(c), "\"success\":true");
	/* From now on a copy gets the same answer again, once each. */
	client_say(c, AUTH("0", "basic", ALICE) "}");
	assert_int_equal(3, client_count(c));
	assert_string_equal(client_got(c, 1), client_got(c, 2));
}

static void a_client_that_leaves_meanwhile_is_forgotten(void **state)
{
	struct gw_ws_conn *c = client_open();

	(void)state;
	client_say(c, AUTH("0", "basic", ALICE) ",\"authorization\":\"%s\"}",
		   basic_value(ALICE, PASSWORD));
	client_lose(&c, 1006);
	c = client_login(BOB); /* the same worker pool has come round */
	has(client_last(c), "\"webrtcId\":\"" BOB "\"");
	assert_false(gw_web_is_registered(peer.web, ALICE));
}

static void log_ins_beyond_what_can_be_checked_are_sent_away(void **state)
{
	enum { MANY = 300, ROOM = 256 };
	struct gw_ws_conn *c[MANY];
	unsigned busy = 0, granted = 0;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		c[i] = client_open();
		client_say(c[i],
			   AUTH("0", "basic", BOB) ",\"authorization\":\"%s\"}",
			   basic_value(BOB, PASSWORD));
		if (client_count(c[i])) {
			busy++;
			has(client_last(c[i]), "\"status\":503");
			has(client_last(c[i]), "\"retryAfter\":");
		}
	}
	assert_int_equal(MANY - ROOM, busy);
	assert_int_equal(ROOM, metric("isthmus_respect_auth_jobs"));
	for (unsigned i = 0; i < MANY; i++) {
		client_wait(c[i], 1);
		granted +=
			strstr(client_got(c[i], 0), "\"success\":true") != NULL;
	}
	assert_int_equal(ROOM, granted);
	assert_int_equal(0, metric("isthmus_respect_auth_jobs"));
	assert_int_equal(0, client_punished());
}

static void who_left_is_not_computed_for(void **state)
{
	struct gw_auth_job *job = NULL;

	(void)state;
	assert_int_equal(0, gw_auth_job_new(&job, GW_AUTH_BASIC, PASSWORD,
					    strlen(PASSWORD)));
	(void)snprintf(job->hash, sizeof(job->hash), "%s",
		       peer.set.user[0].password);
	job->known = true;
	gw_auth_job_work(job);
	assert_true(job->good);
	job->good = false;
	atomic_store(&job->abandoned, true);
	gw_auth_job_work(job);
	assert_false(job->good);
	gw_auth_job_free(job);
}

static void a_user_removed_meanwhile_is_not_let_in(void **state)
{
	static struct gw_settings less;
	struct gw_ws_conn *c = client_open();

	(void)state;
	client_say(c, AUTH("0", "basic", ALICE) ",\"authorization\":\"%s\"}",
		   basic_value(ALICE, PASSWORD));
	less = peer.set;
	less.nuser = 0;
	gw_web_reload(peer.web, &less);
	client_wait(c, 1);
	has(client_last(c), "\"status\":403");
	assert_false(gw_web_is_registered(peer.web, ALICE));
}

static void an_identity_cannot_carry_more_than_itself(void **state)
{
	struct gw_ws_conn *c = client_open();

	(void)state;
	password_of(c, "0", "sip:alice@example.net;a=\\r\\nVia: b",
		    "alice@example.net", PASSWORD);
	has(client_last(c), "\"status\":400");
	password_of(c, "2", "sip:alice@example.net;maddr=evil.example",
		    "sip:alice@example.net;maddr=evil.example", PASSWORD);
	has(client_last(c), "\"webrtcId\":\"" ALICE "\"");
}

/* ---- time ---- */

static void a_connection_must_authenticate_in_time(void **state)
{
	struct gw_ws_conn *c = client_open();
	long before = REJECTED("auth_timeout");

	(void)state;
	client_say(c, AUTH("0", "basic", ALICE) "}");
	peer_advance_ms(9999);
	assert_int_equal(0, client_code(c));
	peer_advance_ms(2);
	assert_int_equal(1008, client_code(c));
	assert_int_equal(before + 1, REJECTED("auth_timeout"));
	client_say(c, REQ("getinfo", "2") "}"); /* falls on deaf ears */
	assert_int_equal(1, client_count(c));
}

static void a_registration_expires_with_4001_unless_refreshed(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	peer_advance_ms(3599000);
	password_of(c, "2", ALICE, ALICE, PASSWORD);
	has(client_last(c), "\"expiration\":3600");
	peer_advance_ms(3599000);
	assert_int_equal(0, client_code(c));
	peer_advance_ms(1001);
	assert_int_equal(4001, client_code(c));
	assert_false(gw_web_is_registered(peer.web, ALICE));
}

static void wishes_are_granted_up_to_the_limits(void **state)
{
	struct gw_ws_conn *c = client_open();

	(void)state;
	client_say(c,
		   AUTH("0", "basic", ALICE) ",\"authorization\":\"%s\","
					     "\"expiration\":120,"
					     "\"disconnectionTtl\":86400}",
		   basic_value(ALICE, PASSWORD));
	client_wait(c, 1);
	has(client_last(c), "\"expiration\":120");
	has(client_last(c), "\"disconnectionTtl\":60");
}

static void expiration_zero_deregisters_and_closes_1000(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE), *d = client_open();

	(void)state;
	client_say(d, AUTH("0", "basic", ALICE) ",\"expiration\":0}");
	has(client_last(d), "\"status\":401");
	assert_true(gw_web_is_registered(peer.web, ALICE));
	client_say(c, AUTH("2", "basic", ALICE) ",\"expiration\":0}");
	has(client_last(c), "\"success\":true");
	has(client_last(c), "\"expiration\":0");
	assert_int_equal(1000, client_code(c));
	assert_false(gw_web_is_registered(peer.web, ALICE));
}

static void a_connection_belongs_to_one_identity(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	client_say(c, AUTH("2", "basic", BOB) ",\"authorization\":\"%s\"}",
		   basic_value(BOB, PASSWORD));
	has(client_last(c), "\"status\":409");
	assert_false(gw_web_is_registered(peer.web, BOB));
}

static void a_removed_subscriber_is_closed_with_4003(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE), *d = client_login(BOB);
	struct gw_settings fewer = peer.set;

	(void)state;
	fewer.nuser = 1;
	gw_web_reload(peer.web, &fewer);
	assert_int_equal(4003, client_code(d));
	assert_int_equal(0, client_code(c));
	assert_false(gw_web_is_user(peer.web, BOB));
	gw_web_reload(peer.web, &peer.set);
}

/* ---- reauth ---- */

static void reauth(struct gw_ws_conn *c, const char *id, const char *who,
		   const char *value)
{
	client_say(c,
		   "{\"messageType\":\"request\",\"method\":\"auth\","
		   "\"transactionId\":%s,\"authType\":\"reauth\","
		   "\"webrtcId\":\"%s\",\"authorization\":\"%s\"}",
		   id, who, value);
}

static void a_credential_works_once_and_for_its_owner(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE), *d;
	char first[64];

	(void)state;
	strcpy(first, credential_in(client_last(c)));
	client_lose(&c, 1006);
	peer_advance_ms(10000);
	d = client_open();
	reauth(d, "0", BOB, first);
	has(client_last(d), "\"status\":403");
	reauth(d, "2", ALICE, first);
	has(client_last(d), "\"success\":true");
	/* It continues the registration, it does not make a longer one. */
	has(client_last(d), "\"expiration\":3590");
	assert_string_not_equal(first, credential_in(client_last(d)));
	c = client_open();
	reauth(c, "0", ALICE, first);
	has(client_last(c), "\"status\":403");
	assert_int_equal(0, client_code(d));
	client_forget_punishment();
	reauth(c, "2", ALICE, credential);
	has(client_last(c), "\"success\":true");
	assert_int_equal(4002, client_code(d));
}

static void two_logins_are_two_endpoints(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE), *d = client_login(ALICE);
	struct gw_web_counts n;
	struct gw_msg setup = {
		.verb = GW_V_SETUP, .desc = {GW_DESC_OFFER, "o", 1}
	};

	(void)state;
	gw_web_count(peer.web, &n);
	assert_int_equal(2, n.registrations);
	assert_int_equal(2, n.connections);
	assert_int_equal(0, gw_leg_send(call_new_leg(ALICE), &setup));
	has(client_last(d), "\"method\":\"msetup\""); /* the latest */
	assert_int_equal(1, client_count(c));
	/* A credential of one does not fit the other's connection. */
	reauth(c, "2", ALICE, credential_in(client_got(d, 0)));
	has(client_last(c), "\"status\":409");
}

/* ---- bearer ---- */

static void bearer_tokens_are_checked_and_bound(void **state)
{
	struct gw_ws_conn *c = client_open();
	struct gw_settings with_key = peer.set;
	char claims[512], *token;
	EVP_PKEY *key = key_make("ED25519", NULL, with_key.auth.key[0].file);

	(void)state;
	strcpy(with_key.auth.key[0].alg, "EdDSA");
	client_say(c, AUTH("0", "bearer", ALICE) ",\"authorization\":"
						 "\"Bearer a.b.c\"}");
	has(client_last(c), "\"status\":403"); /* no keys yet */
	assert_int_equal(1008, client_code(c));
	with_key.auth.nkey = 1;
	gw_web_reload(peer.web, &with_key);

	(void)snprintf(claims, sizeof(claims),
		       "{\"iss\":\"https://issuer.example\",\"aud\":"
		       "\"isthmus\",\"sub\":\"" ALICE "\",\"exp\":%lld}",
		       (long long)gw_clock_wall_s() + 100);
	token = token_make(key, "{\"alg\":\"EdDSA\"}", claims);
	c = client_open();
	client_say(c,
		   AUTH("0", "bearer", BOB) ",\"authorization\":"
					    "\"Bearer %s\"}",
		   token);
	client_wait(c, 1);
	has(client_last(c), "\"status\":403"); /* somebody else's */
	assert_int_equal(1008, client_code(c));
	client_forget_punishment();
	c = client_open();
	client_say(c,
		   AUTH("0", "bearer", ALICE) ",\"authorization\":"
					      "\"Bearer %s\"}",
		   token);
	client_wait(c, 1);
	has(client_last(c), "\"success\":true");
	/* No longer than the token. */
	assert_in_range(atoi(json_value(client_last(c), "expiration")), 95,
			100);
	/* A refresh that fails leaves what the token of before gave. */
	token[strlen(token) - 5] ^= 1;
	client_say(c,
		   AUTH("2", "bearer", ALICE) ",\"authorization\":"
					      "\"Bearer %s\"}",
		   token);
	client_wait(c, 2);
	has(client_last(c), "\"status\":403");
	assert_int_equal(0, client_code(c));
	assert_true(gw_web_is_registered(peer.web, ALICE));
	client_forget_punishment();
	gw_web_reload(peer.web, &peer.set);
	free(token);
	(void)unlink(with_key.auth.key[0].file);
	EVP_PKEY_free(key);
}

/* ---- bad input ---- */

static void what_cannot_be_read_closes_1007(void **state)
{
	static const char *const bad[] = {
		"hello",
		"[]",
		"{\"messageType\":\"request\"}",
		"{\"messageType\":\"request\",\"method\":\"getinfo\","
		"\"transactionId\":\"x\"}",
	};
	struct gw_ws_conn *c;
	long json = REJECTED("not_json"), id = REJECTED("no_transaction_id");

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		c = client_open();
		client_say(c, "%s", bad[i]);
		assert_int_equal(1007, client_code(c));
		assert_int_equal(0, client_count(c));
	}
	assert_int_equal(json + 2, REJECTED("not_json"));
	assert_int_equal(id + 2, REJECTED("no_transaction_id"));
}

static void everything_else_is_answered_and_the_connection_lives(void **state)
{
	static const struct {
		const char *text, *status;
	} bad[] = {
		{REQ("mdisc",					 "0") "}",                              "\"status\":400"},
		{ REQ("dance",					"2") "}",                              "\"status\":405"},
		{ REQ("dance.x.org",                                  "4") "}",                              "\"status\":501"},
		{ REQ("msetup",				       "6") ",\"resourceId\":\"sip:x@y\"}",
                 "\"status\":401"											    },
		{ REQ("mupdate",				      "8") ",\"mediaSessionId\":\"x\"}",
                 "\"status\":401"											    },
		{ REQ("mdisc",					"10") ",\"mediaSessionId\":\"x\"}",
                 "\"status\":401"											    },
		{ "{\"messageType\":\"x\",\"method\":\"getinfo\","
		  "\"transactionId\":12}",           "\"status\":400"                     },
		{ REQ("getinfo",      "14") ",\"a\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]"
				       "]]]]}",			   "\"status\":400"                },
		{ REQ("getinfo", "16") ",\"requiredExtension\":[\"dtmf\","
				       "\"warp\"]}", "\"unsupportedExtension\":[\"warp\"]"},
		{ REQ("getinfo",					   "1") "}",                      "\"status\":400"                },
		{ REQ("getinfo",					  "20") "}",                      "\"status\":400"},
		{ REQ("getinfo",         "18") ",\"requiredExtension\":[\"dtmf\"]}",
                 "\"success\":true"                },
	};
	struct gw_ws_conn *c = client_open();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		client_say(c, "%s", bad[i].text);
		assert_int_equal(i + 1, client_count(c));
		has(client_last(c), bad[i].status);
		has(client_last(c), "\"messageType\":\"response\"");
		if (!strstr(bad[i].status, "true"))
			has(client_last(c), "\"problemDetails\":{\"type\":"
					    "\"about:blank\",\"title\":");
	}
	assert_int_equal(0, client_code(c));
}

static void a_retransmission_is_answered_from_memory(void **state)
{
	struct gw_ws_conn *c = client_open();

	(void)state;
	client_say(c, REQ("dance", "0") "}");
	client_say(c, REQ("getinfo", "0") "}"); /* whatever it now says */
	assert_int_equal(2, client_count(c));
	assert_string_equal(client_got(c, 0), client_got(c, 1));
	c = client_login(ALICE);
	client_say(c, REQ("getinfo", "2") "}");
	peer_advance_ms(33000);
	client_say(c, REQ("getinfo", "2") "}");
	has(client_last(c), "\"status\":400");
	client_say(c, REQ("getinfo", "4") "}");
	has(client_last(c), "\"success\":true");
}

static void responses_to_nothing_are_ignored(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);
	long before = REJECTED("response");

	(void)state;
	client_say(c, "{\"messageType\":\"response\",\"method\":\"msetup\","
		      "\"transactionId\":1,\"success\":true}");
	client_say(c, "{\"messageType\":\"response\",\"method\":\"msetup\","
		      "\"transactionId\":0}");
	assert_int_equal(1, client_count(c));
	assert_int_equal(0, client_code(c));
	assert_int_equal(before + 2, REJECTED("response"));
}

static void too_many_messages_close_1008(void **state)
{
	struct gw_ws_conn *c;
	unsigned id = 0;

	(void)state;
	peer.set.web.messages_per_s = 10;
	peer.set.web.messages_burst = 20;
	c = client_open();
	for (int i = 0; i < 20; i++, id += 2)
		client_say(c, REQ("getinfo", "%u") ",\"resources\":[]}", id);
	for (int i = 0; i < 20; i++, id += 2) { /* ten a second is fine */
		peer_advance_ms(100);
		client_say(c, REQ("getinfo", "%u") ",\"resources\":[]}", id);
	}
	assert_int_equal(40, client_count(c));
	assert_int_equal(0, client_code(c));
	client_say(c, REQ("getinfo", "%u") ",\"resources\":[]}", id);
	assert_int_equal(1008, client_code(c));
	assert_int_equal(1, client_punished());
	assert_int_equal(40, client_count(c));
}

static void a_client_that_never_responds_is_closed(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);
	struct gw_msg info = { .verb = GW_V_INFO,
			       .content_type = "application/dtmf-relay",
			       .content = "Signal=1",
			       .content_len = 8 };

	(void)state;
	client_say(c, REQ("msetup", "2") ",\"resourceId\":\"sip:x@y\"}");
	for (int i = 0; i < 256; i++)
		assert_int_equal(0, gw_leg_send(peer.leg, &info));
	assert_int_equal(0, client_code(c));
	assert_int_equal(0, gw_leg_send(peer.leg, &info));
	assert_int_equal(1008, client_code(c));
}

/* ---- getinfo ---- */

static void getinfo_tells_what_was_asked(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);
	char username[128], cred[GW_AUTH_TURN_CREDENTIAL];
	const char *v;

	(void)state;
	client_say(c, REQ("getinfo", "2") ",\"resources\":[\"registration\","
					  "\"nonsense\",\"nonsense\"]}");
	has(client_last(c), "\"resources\":{\"registration\":{\"state\":"
			    "\"registered\",\"webrtcId\":\"" ALICE "\","
			    "\"identities\":[\"" ALICE "\",\"" ALICE2 "\"],"
			    "\"expiration\":3600,\"disconnectionTtl\":30},"
			    "\"nonsense\":null}");
	client_say(c, REQ("getinfo", "4") "}");
	has(client_last(c), "\"mediaSessions\":[]");
	has(client_last(c), "\"codecs\":[\"opus\"]");
	has(client_last(c),
	    "\"methods\":[\"auth\",\"msetup\",\"mupdate\","
	    "\"mdisc\",\"getinfo\",\"quality.isthmus\",\"transfer.isthmus\"]");
	has(client_last(c), "{\"urls\":[\"stun:stun.example.net:3478\"]}");
	v = json_value(client_last(c), "username");
	assert_non_null(v);
	(void)snprintf(username, sizeof(username), "%s", v);
	assert_in_range(atol(username), gw_clock_wall_s() + 595,
			gw_clock_wall_s() + 600);
	has(username, ":" ALICE);
	gw_auth_turn(username, sizeof(username), cred, "north", ALICE,
		     atol(username));
	assert_string_equal(cred, json_value(client_last(c), "credential"));
}

static void turn_credentials_are_the_usual_ones(void **state)
{
	char username[64], cred[GW_AUTH_TURN_CREDENTIAL];

	(void)state;
	/* printf 1433895918:alice | openssl dgst -sha1 -hmac north -binary |
	 * base64 */
	gw_auth_turn(username, sizeof(username), cred, "north", "alice",
		     1433895918);
	assert_string_equal("1433895918:alice", username);
	assert_string_equal("RqMvcGPYTJMGThVLSi4amT4zFtI=", cred);
}

static void before_auth_getinfo_gives_nothing_away(void **state)
{
	struct gw_ws_conn *c = client_open();

	(void)state;
	client_say(c, REQ("getinfo", "0") "}");
	has(client_last(c), "\"iceServers\":null");
	has(client_last(c), "\"registration\":null");
	has(client_last(c), "\"mediaSessions\":null");
	has(client_last(c), "\"capabilities\":{");
}

#define T(f) cmocka_unit_test_setup_teardown(f, peer_setup, peer_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(basic_is_challenged_then_granted),
		T(the_user_id_may_lack_the_scheme),
		T(failures_look_alike_and_are_punished),
		T(unknown_users_take_as_long_as_known_ones),
		cmocka_unit_test(yescrypt_hashes_are_checked),
		T(malformed_credentials_are_400),
		T(one_auth_at_a_time_and_its_copy_is_answered_once),
		T(a_client_that_leaves_meanwhile_is_forgotten),
		T(log_ins_beyond_what_can_be_checked_are_sent_away),
		T(who_left_is_not_computed_for),
		T(a_user_removed_meanwhile_is_not_let_in),
		T(an_identity_cannot_carry_more_than_itself),
		T(a_connection_must_authenticate_in_time),
		T(a_registration_expires_with_4001_unless_refreshed),
		T(wishes_are_granted_up_to_the_limits),
		T(expiration_zero_deregisters_and_closes_1000),
		T(a_connection_belongs_to_one_identity),
		T(a_removed_subscriber_is_closed_with_4003),
		T(a_credential_works_once_and_for_its_owner),
		T(two_logins_are_two_endpoints),
		T(bearer_tokens_are_checked_and_bound),
		T(what_cannot_be_read_closes_1007),
		T(everything_else_is_answered_and_the_connection_lives),
		T(a_retransmission_is_answered_from_memory),
		T(responses_to_nothing_are_ignored),
		T(too_many_messages_close_1008),
		T(a_client_that_never_responds_is_closed),
		T(getinfo_tells_what_was_asked),
		cmocka_unit_test(turn_credentials_are_the_usual_ones),
		T(before_auth_getinfo_gives_nothing_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
