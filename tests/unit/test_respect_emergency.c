/* A client that calls the emergency services: before anything else. */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whole, so that its server goes before the library's. */
#include "tests/unit/respect_peer.c"
#include "webrtc/respect_priv.h"

#define REQ(method, id)                                                        \
	"{\"messageType\":\"request\",\"method\":\"" method                    \
	"\",\"transactionId\":" id ","
#define SETUP(id, to)                                                          \
	REQ("msetup", id) "\"resourceId\":\"" to "\",\"preOffer\":\"v=0\"}"
#define TEXT "Use your own telephone."

#define has(text, part)                                                        \
	do {                                                                   \
		if (!strstr((text), (part)))                                   \
			fail_msg("%s is not in %s", (part), (text));           \
	} while (0)

static void over(struct gw_leg *leg)
{
	gw_leg_free(leg);
	peer.leg = NULL;
}

static void policy(const char *name)
{
	(void)snprintf(peer.set.emergency.policy,
		       sizeof(peer.set.emergency.policy), "%s", name);
	(void)snprintf(peer.set.emergency.text, sizeof(peer.set.emergency.text),
		       "%s", TEXT);
}

static void is_told_to_call(const struct gw_ws_conn *c, const char *status)
{
	has(client_last(c), "\"success\":false");
	assert_string_equal(status, json_value(client_last(c), "status"));
	assert_string_equal("Call the emergency services by telephone",
			    json_value(client_last(c), "title"));
	has(client_last(c), "\"emergency\":true");
}

static void by_policy_a_client_is_told_to_call_another_way(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	policy("refuse");
	client_say(c, SETUP("2", "1-1-2"));
	is_told_to_call(c, "380");
	assert_string_equal(TEXT, json_value(client_last(c), "detail"));
	assert_string_equal("urn:ietf:params:sip:response:380",
			    json_value(client_last(c), "type"));
	assert_null(peer.leg);
	client_say(c, SETUP("4", "urn:service:sos.fire"));
	is_told_to_call(c, "380");
	client_say(c, SETUP("6", "sip:911@anywhere.example"));
	is_told_to_call(c, "380");
	assert_null(peer.leg);
	assert_int_equal(0, client_code(c));
}

static void one_who_is_not_logged_in_is_told_the_same(void **state)
{
	struct gw_ws_conn *c = client_open();

	(void)state;
	policy("route");
	client_say(c, SETUP("0", "tel:112"));
	is_told_to_call(c, "380");
	client_say(c, SETUP("2", "tel:113"));
	assert_string_equal("401", json_value(client_last(c), "status"));
}

static void a_routed_call_has_the_service_as_its_target(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	policy("route");
	client_say(c, SETUP("2", "112"));
	has(client_last(c), "\"success\":true");
	assert_string_equal("urn:service:sos", peer.target);
	assert_true(peer.emergency);
	assert_int_equal(GW_DESC_PRE_OFFER, peer.setup_role);
	over(peer.leg);
	client_say(c, SETUP("4", "sip:bob@example.net"));
	assert_false(peer.emergency);
	over(peer.leg);
}

static void no_limit_holds_a_routed_call_up(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);
	struct gw_leg *leg[3];
	char id[8];

	(void)state;
	policy("route");
	for (unsigned i = 0; i < 3; i++) { /* max_sessions */
		(void)snprintf(id, sizeof(id), "%u", 2 + 2 * i);
		client_say(c, SETUP("%s", BOB), id);
		leg[i] = peer.leg;
	}
	client_say(c, SETUP("8", BOB));
	assert_string_equal("429", json_value(client_last(c), "status"));
	gw_web_set_draining(peer.web, 30);
	/* A wrong identity, an extension and an empty offer neither. */
	client_say(c, REQ("msetup", "10") "\"resourceId\":\"112\","
					  "\"preferredOriginatingId\":\"" BOB
					  "\",\"preOffer\":\"\","
					  "\"requiredExtension\":[\"x\"]}");
	has(client_last(c), "\"success\":true");
	assert_true(peer.emergency);
	assert_string_equal(ALICE, peer.asserted);
	assert_int_equal(GW_DESC_NONE, peer.setup_role);
	over(peer.leg);
	for (unsigned i = 0; i < 3; i++)
		over(leg[i]);
}

static void a_client_has_four_of_them_at_most(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);
	struct gw_leg *leg[4];
	char id[8];

	(void)state;
	policy("route");
	for (unsigned i = 0; i < 4; i++) {
		(void)snprintf(id, sizeof(id), "%u", 2 + 2 * i);
		client_say(c, SETUP("%s", "112"), id);
		has(client_last(c), "\"success\":true");
		leg[i] = peer.leg;
	}
	client_say(c, SETUP("10", "112"));
	is_told_to_call(c, "380");
	for (unsigned i = 0; i < 4; i++)
		over(leg[i]);
}

static void the_rate_of_messages_does_not_either(void **state)
{
	struct gw_ws_conn *c;
	char id[16];
	unsigned i;

	(void)state;
	policy("route");
	peer.set.web.messages_per_s = 1;
	peer.set.web.messages_burst = 4;
	c = client_login(ALICE);
	for (i = 2; i < 8; i += 2) {
		(void)snprintf(id, sizeof(id), "%u", i);
		client_say(c, REQ("getinfo", "%s") "\"resources\":[]}", id);
	}
	(void)snprintf(id, sizeof(id), "%u", i);
	client_say(c, SETUP("%s", "112"), id);
	has(client_last(c), "\"success\":true");
	assert_true(peer.emergency);
	assert_int_equal(0, client_code(c));
	over(peer.leg);
	/* Others break it. */
	(void)snprintf(id, sizeof(id), "%u", i + 2);
	client_say(c, SETUP("%s", BOB), id);
	assert_int_equal(1008, client_code(c));
}

static void who_logged_in_as_nobody_calls_where_that_is_allowed(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);
	struct gw_reg *reg = gw_registry_find(peer.web->registry, ALICE);

	(void)state;
	policy("route");
	reg->anonymous = true;
	client_say(c, SETUP("2", "112"));
	is_told_to_call(c, "380");
	peer.set.emergency.anonymous = true;
	client_say(c, SETUP("4", "112"));
	has(client_last(c), "\"success\":true");
	over(peer.leg);
	reg->anonymous = false;
}

static void neither_texts_nor_transfers_go_there(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	policy("route");
	client_say(c, REQ("message.isthmus", "2") "\"resourceId\":\"112\","
						  "\"content\":\"help\"}");
	is_told_to_call(c, "403");
	client_say(c, SETUP("4", BOB));
	client_say(c, REQ("mupdate", "6") "\"resourceId\":\"tel:112\","
					  "\"mediaSessionId\":\"x\"}");
	is_told_to_call(c, "403");
	client_say(c, REQ("transfer.isthmus", "8") "\"resourceId\":\"112\","
						   "\"mediaSessionId\":\"x\"}");
	is_told_to_call(c, "403");
	assert_false(peer.emergency);
	assert_int_equal(0, peer.nheard);
	over(peer.leg);
}

static void a_call_that_fails_says_that_help_is_called_otherwise(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);
	const struct gw_msg gone = { .verb = GW_V_RELEASE,
				     .cause = { .status = 503 } };
	const struct gw_msg said = {
		.verb = GW_V_RELEASE,
		.cause = {.status = 380, .emergency = true, .sip = true}
	};
	const struct gw_msg ended = { .verb = GW_V_RELEASE,
				      .cause = { .status = 200 } };

	(void)state;
	policy("route");
	client_say(c, SETUP("2", "112"));
	assert_int_equal(0, gw_leg_send(peer.leg, &gone));
	has(client_last(c), "\"method\":\"mdisc\"");
	has(client_last(c), "\"emergency\":true");
	has(client_last(c), TEXT);
	assert_string_equal("503", json_value(client_last(c), "status"));
	over(peer.leg);

	/* The network has recognised what our list has not. */
	client_say(c, SETUP("4", BOB));
	assert_int_equal(0, gw_leg_send(peer.leg, &said));
	has(client_last(c), "\"emergency\":true");
	has(client_last(c), TEXT);
	assert_string_equal("380", json_value(client_last(c), "status"));
	over(peer.leg);

	client_say(c, SETUP("6", "112"));
	assert_int_equal(0, gw_leg_send(peer.leg, &ended));
	assert_null(strstr(client_last(c), "problemDetails"));
	over(peer.leg);
}

#define T(name) cmocka_unit_test_setup_teardown(name, peer_setup, peer_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(by_policy_a_client_is_told_to_call_another_way),
		T(one_who_is_not_logged_in_is_told_the_same),
		T(a_routed_call_has_the_service_as_its_target),
		T(no_limit_holds_a_routed_call_up),
		T(a_client_has_four_of_them_at_most),
		T(the_rate_of_messages_does_not_either),
		T(who_logged_in_as_nobody_calls_where_that_is_allowed),
		cmocka_unit_test_setup_teardown(
			neither_texts_nor_transfers_go_there, peer_setup_apps,
			peer_teardown),
		T(a_call_that_fails_says_that_help_is_called_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
