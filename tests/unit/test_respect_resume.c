/* Media sessions whose WebSocket is lost, or ends, and their resumption. */
#include "tests/unit/respect_calls.h"

static char credential[64];

static void remember_credential(const char *json)
{
	const char *v = json_value(json, "reauthCredential");

	assert_non_null(v);
	(void)snprintf(credential, sizeof(credential), "%s", v);
}

static struct gw_ws_conn *reauth(void)
{
	struct gw_ws_conn *c = client_open();

	client_say(c,
		   REQ("auth", "0") "\"authType\":\"reauth\",\"webrtcId\":"
				    "\"" ALICE "\",\"authorization\":\"%s\","
				    "\"disconnectionTtl\":20}",
		   credential);
	has(client_got(c, 0), "\"success\":true");
	return c;
}

static void a_lost_client_keeps_its_calls_for_the_time_to_live(void **state)
{
	struct gw_ws_conn *c = connected();
	struct gw_web_counts n;

	(void)state;
	client_lose(&c, 1006);
	gw_web_count(peer.web, &n);
	assert_int_equal(1, n.registrations);
	assert_int_equal(1, n.suspended);
	assert_int_equal(1, n.sessions);
	assert_true(gw_web_is_registered(peer.web, ALICE2));
	/* The call goes on: its side can say what it likes. */
	assert_int_equal(0,
			 call_send(peer.leg, GW_V_OFFER, GW_DESC_OFFER, "re"));
	peer_advance_ms(29000);
	assert_int_equal(GW_V_REFUSE, call_last()->verb); /* 20 s over */
	peer_advance_ms(1001);
	assert_int_equal(GW_V_RELEASE, call_last()->verb);
	assert_int_equal(480, call_last()->cause.status);
	assert_string_equal("client lost", call_last()->text);
	assert_false(gw_web_is_registered(peer.web, ALICE2));
}

static void reauth_takes_calls_over_and_lists_them(void **state)
{
	struct gw_ws_conn *c = connected(), *d;

	(void)state;
	remember_credential(client_got(c, 0));
	client_lose(&c, 1001);
	peer_advance_ms(5000);
	d = reauth();
	assert_int_equal(1, client_count(d)); /* nothing was left unsaid */
	client_say(d, REQ("getinfo", "2") "\"resources\":[\"mediaSessions\"]}");
	has(client_last(d), session);
	has(client_last(d), "\"mediaSessionState\":\"connected\"");
	has(client_last(d), "\"direction\":\"originating\"");
	has(client_last(d), "\"peer\":\"tel:+15551230002\"");
	peer_advance_ms(60000);
	assert_int_equal(0, peer.nheard); /* the old time to live is off */
	/* Ids begin anew on each connection. */
	assert_int_equal(0,
			 call_send(peer.leg, GW_V_OFFER, GW_DESC_OFFER, "re"));
	has(client_last(d), "\"transactionId\":1,");
}

static void what_was_not_acknowledged_is_said_again(void **state)
{
	struct gw_ws_conn *c = calling(), *d;

	(void)state;
	remember_credential(client_got(c, 0));
	client_lose(&c, 1006);
	assert_int_equal(
		0, call_send(peer.leg, GW_V_ANSWER, GW_DESC_ANSWER, "late"));
	d = reauth();
	assert_int_equal(2, client_count(d));
	has(client_last(d), "\"sdpAnswer\":\"late\"");
	has(client_last(d), "\"mediaSessionState\":\"connected\"");
	client_say(d, OK("1"));
	remember_credential(client_got(d, 0));
	/* An offer of ours that waits for its answer, likewise. */
	assert_int_equal(0,
			 call_send(peer.leg, GW_V_OFFER, GW_DESC_OFFER, "re"));
	client_say(d, OK("3"));
	client_lose(&d, 1006);
	d = reauth();
	has(client_last(d), "\"sdpOffer\":\"re\"");
}

static void transferred(uint16_t status, const char *text)
{
	const struct gw_msg msg = {
		.verb = GW_V_TRANSFER,
		.target = {"sip:carol@x", NULL},
		.asserted = {                status < 300 ? "sip:carol@home" : NULL,      "Carol"   },
		.cause = { .status = status,  .text = text,     .sip = true }
	};

	assert_int_equal(0, gw_leg_send(peer.leg, &msg));
}

static void what_became_of_a_transfer_is_said_again(void **state)
{
	struct gw_ws_conn *c = connected(), *d;
	unsigned n;

	(void)state;
	remember_credential(client_got(c, 0));
	client_lose(&c, 1006);
	transferred(486, "busy there");
	d = reauth();
	assert_int_equal(2, client_count(d));
	has(client_last(d), "\"resourceId\":\"sip:carol@x\"");
	has(client_last(d), "\"status\":486");
	has(client_last(d), "\"detail\":\"busy there\"");
	has(client_last(d), "\"mediaSessionState\":\"connected\"");
	/* Not acknowledged, and overtaken by another one. */
	remember_credential(client_got(d, 0));
	client_lose(&d, 1006);
	transferred(200, NULL);
	assert_int_equal(0,
			 call_send(peer.leg, GW_V_OFFER, GW_DESC_OFFER, "re"));
	c = reauth();
	n = client_count(c);
	has(client_got(c, n - 2), "\"sdpOffer\":\"re\"");
	has(client_last(c), "\"resourceId\":\"sip:carol@x\"");
	has(client_last(c), "\"assertedTerminatingId\":\"sip:carol@home\"");
	has(client_last(c), "\"assertedTerminatingName\":\"Carol\"");
	assert_null(strstr(client_last(c), "problemDetails"));
	client_say(c, OK("1"));
	client_say(c, OK("3"));
	/* Once it has it, that is over. */
	remember_credential(client_got(c, 0));
	client_lose(&c, 1006);
	d = reauth();
	for (n = 0; n < client_count(d); n++)
		assert_null(strstr(client_got(d, n), "resourceId"));
}

static void a_ringing_call_rings_again_on_the_new_connection(void **state)
{
	struct gw_ws_conn *c = ringing(), *d;

	(void)state;
	remember_credential(client_got(c, 0));
	client_say(c, "{\"messageType\":\"response\",\"method\":\"msetup\","
		      "\"transactionId\":1,\"success\":true}");
	client_lose(&c, 1006);
	d = reauth();
	has(client_last(d), "\"method\":\"msetup\"");
	has(client_last(d), "\"sdpOffer\":\"offer1\"");
	has(client_last(d), session);
	client_say(d, "{\"messageType\":\"response\",\"method\":\"msetup\","
		      "\"transactionId\":1,\"success\":true}");
	assert_int_equal(1, peer.nheard); /* ringing is reported once */
	client_say(d,
		   REQ("mupdate", "2") "\"mediaSessionId\":\"%s\","
				       "\"sdpAnswer\":\"yes\"}",
		   session);
	assert_int_equal(GW_V_ANSWER, call_last()->verb);
}

static void a_newer_connection_closes_the_older_with_4002(void **state)
{
	struct gw_ws_conn *c = connected(), *d;

	(void)state;
	remember_credential(client_got(c, 0));
	d = reauth();
	assert_int_equal(4002, client_code(c));
	client_lose(&c, 4002);
	peer_advance_ms(61000);
	assert_int_equal(0, peer.nheard); /* it took nothing with it */
	client_say(d, REQ("mdisc", "2") "\"mediaSessionId\":\"%s\"}", session);
	has(client_last(d), "\"success\":true");
}

static void a_call_for_a_lost_client_waits_for_its_return(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE), *d;
	struct gw_msg setup = {
		.verb = GW_V_SETUP, .desc = {GW_DESC_OFFER, "offer1", 6}
	};

	(void)state;
	remember_credential(client_got(c, 0));
	client_lose(&c, 1006);
	assert_int_equal(0, gw_leg_send(call_new_leg(ALICE), &setup));
	d = reauth();
	has(client_last(d), "\"method\":\"msetup\"");
}

static void a_handler_may_free_every_leg_of_the_client(void **state)
{
	struct gw_ws_conn *c = connected();

	(void)state;
	peer.free_on_release = true;
	client_say(c, REQ("auth", "4") "\"authType\":\"basic\",\"webrtcId\":"
				       "\"" ALICE "\",\"expiration\":0}");
	has(client_last(c), "\"expiration\":0");
	assert_int_equal(1000, client_code(c));
	assert_int_equal(GW_V_RELEASE, call_last()->verb);
	assert_null(peer.leg);
	assert_false(gw_web_is_registered(peer.web, ALICE));
}

static void an_ended_session_at_the_client_releases(void **state)
{
	struct gw_ws_conn *c = connected();

	(void)state;
	assert_int_equal(0,
			 call_send(peer.leg, GW_V_OFFER, GW_DESC_OFFER, "re"));
	client_say(c, "{\"messageType\":\"response\",\"method\":\"mupdate\","
		      "\"transactionId\":3,\"success\":false,"
		      "\"problemDetails\":{\"status\":481}}");
	assert_int_equal(GW_V_RELEASE, call_last()->verb);
	assert_int_equal(481, call_last()->cause.status);
}

#define T(f) cmocka_unit_test_setup_teardown(f, peer_setup, peer_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_lost_client_keeps_its_calls_for_the_time_to_live),
		T(reauth_takes_calls_over_and_lists_them),
		T(what_was_not_acknowledged_is_said_again),
		T(what_became_of_a_transfer_is_said_again),
		T(a_ringing_call_rings_again_on_the_new_connection),
		T(a_newer_connection_closes_the_older_with_4002),
		T(a_call_for_a_lost_client_waits_for_its_return),
		T(a_handler_may_free_every_leg_of_the_client),
		T(an_ended_session_at_the_client_releases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
