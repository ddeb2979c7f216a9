/* Media sessions between a client and a call: each direction, offers and their
 * glare, DTMF, release. */
#include "tests/unit/respect_calls.h"

static void msetup_is_answered_at_once_and_becomes_a_setup(void **state)
{
	struct gw_ws_conn *c = calling();

	(void)state;
	has(client_last(c), "\"success\":true");
	has(client_last(c), "\"mediaSessionState\":\"proceeding\"");
	assert_string_equal("tel:+15551230002", peer.target);
	assert_string_equal(ALICE, peer.asserted);
	assert_int_equal(GW_DESC_PRE_OFFER, peer.setup_role);
	assert_string_equal("pre", peer.setup_text);
}

static void progress_and_answer_are_told_by_mupdate(void **state)
{
	struct gw_ws_conn *c = calling();
	struct gw_msg ring = { .verb = GW_V_PROGRESS,
			       .alert = GW_ALERT_RINGING };
	struct gw_msg answer = {
		.verb = GW_V_ANSWER,
		.desc = {GW_DESC_ANSWER, "v=0\r\n", 5 },
		.asserted = { "tel:+15551230002",             NULL   },
	};

	(void)state;
	assert_int_equal(0, gw_leg_send(peer.leg, &ring));
	has(client_last(c), "\"transactionId\":1,");
	has(client_last(c), "\"mediaSessionState\":\"alerting\"");
	lacks(client_last(c), "sdp");
	assert_int_equal(0, gw_leg_send(peer.leg, &ring)); /* nothing new */
	assert_int_equal(3, client_count(c));
	assert_int_equal(0, gw_leg_send(peer.leg, &answer));
	has(client_last(c), "\"transactionId\":3,");
	has(client_last(c), "\"sdpAnswer\":\"v=0\\r\\n\"");
	has(client_last(c), "\"mediaSessionState\":\"connected\"");
	has(client_last(c), "\"assertedTerminatingId\":\"tel:+15551230002\"");
	/* Twice has no place. */
	assert_int_equal(-EPROTO, gw_leg_send(peer.leg, &answer));
}

static void an_early_answer_is_the_only_one_a_client_sees(void **state)
{
	struct gw_ws_conn *c = calling();
	struct gw_msg early = {
		.verb = GW_V_PROGRESS,
		.desc = {GW_DESC_EARLY_ANSWER, "one", 3},
		.early_media = true
	};

	(void)state;
	assert_int_equal(0, gw_leg_send(peer.leg, &early));
	has(client_last(c), "\"mediaSessionState\":\"early\"");
	has(client_last(c), "\"sdpAnswer\":\"one\"");
	assert_int_equal(
		0, call_send(peer.leg, GW_V_ANSWER, GW_DESC_ANSWER, "two"));
	has(client_last(c), "\"mediaSessionState\":\"connected\"");
	lacks(client_last(c), "sdpAnswer");
}

static void without_pre_offer_the_gateway_offers(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	client_say(c, REQ("msetup", "2") "\"resourceId\":\"sip:echo@x\"}");
	remember_session(client_last(c));
	assert_int_equal(GW_DESC_NONE, peer.setup_role);
	/* An answer to nothing has no place. */
	assert_int_equal(-EPROTO,
			 call_send(peer.leg, GW_V_ANSWER, GW_DESC_ANSWER, "a"));
	assert_int_equal(
		0, call_send(peer.leg, GW_V_OFFER, GW_DESC_OFFER, "ours"));
	has(client_last(c), "\"sdpOffer\":\"ours\"");
	client_say(c,
		   REQ("mupdate", "4") "\"mediaSessionId\":\"%s\","
				       "\"sdpAnswer\":\"theirs\"}",
		   session);
	has(client_last(c), "\"success\":true");
	assert_int_equal(GW_V_ACCEPT, call_last()->verb);
	assert_string_equal("theirs", call_last()->text);
	assert_int_equal(0,
			 call_send(peer.leg, GW_V_ANSWER, GW_DESC_NONE, NULL));
	has(client_last(c), "\"mediaSessionState\":\"connected\"");
}

static void a_pre_offer_can_be_replaced_by_an_offer(void **state)
{
	struct gw_ws_conn *c = calling();

	(void)state;
	assert_int_equal(
		0, call_send(peer.leg, GW_V_OFFER, GW_DESC_OFFER, "ours"));
	has(client_last(c), "\"sdpOffer\":\"ours\"");
	assert_int_equal(-EAGAIN, call_send(peer.leg, GW_V_OFFER, GW_DESC_OFFER,
					    "again"));
}

static void a_failed_offer_before_the_answer_is_refused(void **state)
{
	struct gw_ws_conn *c = calling();

	(void)state;
	assert_int_equal(
		0, call_send(peer.leg, GW_V_OFFER, GW_DESC_OFFER, "ours"));
	client_say(c, "{\"messageType\":\"response\",\"method\":\"mupdate\","
		      "\"transactionId\":1,\"success\":false,"
		      "\"problemDetails\":{\"status\":488}}");
	assert_int_equal(GW_V_REFUSE, call_last()->verb);
	assert_int_equal(488, call_last()->cause.status);
}

static void a_call_that_cannot_be_made_ends_with_mdisc(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	peer.refuse_at_once = true;
	client_say(c, REQ("msetup", "2") "\"resourceId\":\"sip:nobody@x\"}");
	assert_int_equal(3, client_count(c));
	has(client_got(c, 1), "\"success\":true");
	has(client_got(c, 2), "\"method\":\"mdisc\"");
	has(client_got(c, 2), "\"type\":\"about:blank\"");
	has(client_got(c, 2), "\"status\":404");
	assert_int_equal(0, metric("isthmus_respect_sessions"));
}

static void only_own_identities_can_be_preferred(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	client_say(c, REQ("msetup", "2") "\"resourceId\":\"sip:x@y\","
					 "\"preferredOriginatingId\":\"" BOB
					 "\"}");
	has(client_last(c), "\"status\":403");
	assert_null(peer.leg);
	client_say(
		c,
		REQ("msetup",
		    "4") "\"resourceId\":\"sip:x@y\","
			 "\"preferredOriginatingId\":\"tel:+1-555-123-0001\"}");
	has(client_last(c), "\"success\":true");
	assert_string_equal(ALICE2, peer.asserted);
}

static void msetup_rings_and_an_mupdate_answers(void **state)
{
	struct gw_ws_conn *c = ringing();

	(void)state;
	has(client_last(c), "\"method\":\"msetup\"");
	has(client_last(c), "\"sdpOffer\":\"offer1\"");
	has(client_last(c), "\"resourceId\":\"" ALICE2 "\"");
	has(client_last(c), "\"assertedOriginatingId\":\"tel:+15551230009\"");
	/* What is no UTF-8 would make the browser close the socket. */
	has(client_last(c),
	    "\"assertedOriginatingName\":\"Carol \xef\xbf\xbd\"");
	client_say(c, "{\"messageType\":\"response\",\"method\":\"msetup\","
		      "\"transactionId\":1,\"success\":true}");
	assert_int_equal(GW_V_PROGRESS, call_last()->verb);
	assert_int_equal(GW_ALERT_RINGING, call_last()->alert);
	client_say(c,
		   REQ("mupdate", "2") "\"mediaSessionId\":\"%s\","
				       "\"sdpAnswer\":\"yes\"}",
		   session);
	has(client_last(c), "\"mediaSessionState\":\"connected\"");
	assert_int_equal(GW_V_ANSWER, call_last()->verb);
	assert_string_equal("yes", call_last()->text);
	/* A second one answers nothing. */
	client_say(c,
		   REQ("mupdate", "4") "\"mediaSessionId\":\"%s\","
				       "\"sdpAnswer\":\"yes\"}",
		   session);
	has(client_last(c), "\"status\":409");
	assert_int_equal(2, peer.nheard);
}

static void an_answer_within_the_msetup_response_counts(void **state)
{
	struct gw_ws_conn *c = ringing();

	(void)state;
	client_say(c, "{\"messageType\":\"response\",\"method\":\"msetup\","
		      "\"transactionId\":1,\"success\":true,"
		      "\"sdpAnswer\":\"quick\"}");
	assert_int_equal(1, peer.nheard);
	assert_int_equal(GW_V_ANSWER, call_last()->verb);
	assert_string_equal("quick", call_last()->text);
}

static void a_withheld_caller_is_not_named(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);
	struct gw_msg setup = {
		.verb = GW_V_SETUP,
		.desc = {GW_DESC_OFFER, "offer1", 6 },
		.asserted = { "tel:+15551230009",            "Carol" },
		.privacy = true,
	};

	(void)state;
	assert_int_equal(0, gw_leg_send(call_new_leg(ALICE), &setup));
	lacks(client_last(c), "assertedOriginating");
	lacks(client_last(c), "Carol");
}

static void a_refused_msetup_releases_with_the_clients_status(void **state)
{
	struct gw_ws_conn *c = ringing();

	(void)state;
	client_say(c, "{\"messageType\":\"response\",\"method\":\"msetup\","
		      "\"transactionId\":1,\"success\":false,"
		      "\"problemDetails\":{\"status\":600}}");
	assert_int_equal(GW_V_RELEASE, call_last()->verb);
	assert_int_equal(600, call_last()->cause.status);
}

static void a_refusal_without_status_is_busy_and_mdisc_declines(void **state)
{
	struct gw_ws_conn *c = ringing();

	(void)state;
	client_say(c, "{\"messageType\":\"response\",\"method\":\"msetup\","
		      "\"transactionId\":1,\"success\":false}");
	assert_int_equal(486, call_last()->cause.status);
	gw_leg_free(peer.leg);
	client_lose(&c, 1006);
	c = ringing();
	client_say(c, REQ("mdisc", "2") "\"mediaSessionId\":\"%s\"}", session);
	has(client_last(c), "\"mediaSessionState\":\"disconnected\"");
	assert_int_equal(GW_V_RELEASE, call_last()->verb);
	assert_int_equal(603, call_last()->cause.status);
}

static void an_msetup_that_nobody_answers_is_released(void **state)
{
	struct gw_ws_conn *c = ringing();

	(void)state;
	peer_advance_ms(9999);
	assert_int_equal(0, peer.nheard);
	peer_advance_ms(2);
	assert_int_equal(GW_V_RELEASE, call_last()->verb);
	assert_int_equal(480, call_last()->cause.status);
	has(client_last(c), "\"method\":\"mdisc\"");
}

static void a_clients_offer_is_accepted_or_refused_by_mupdate(void **state)
{
	struct gw_ws_conn *c = connected();
	struct gw_msg no = {
		.verb = GW_V_REFUSE,
		.cause = {.status = 488, .text = "no codec"}
	};
	struct gw_msg yes = {
		.verb = GW_V_ACCEPT,
		.desc = {GW_DESC_ANSWER, "fine", 4},
		.held = true
	};

	(void)state;
	client_say(c,
		   REQ("mupdate", "4") "\"mediaSessionId\":\"%s\","
				       "\"sdpOffer\":\"re\"}",
		   session);
	has(client_last(c), "\"success\":true");
	has(client_last(c), "\"mediaSessionState\":\"updating\"");
	assert_int_equal(GW_V_OFFER, call_last()->verb);
	assert_string_equal("re", call_last()->text);
	assert_int_equal(0, gw_leg_send(peer.leg, &no));
	has(client_last(c), "\"method\":\"mupdate\"");
	has(client_last(c), "\"status\":488");
	has(client_last(c), "\"detail\":\"no codec\"");
	has(client_last(c), "\"mediaSessionState\":\"connected\"");
	assert_int_equal(-EPROTO, gw_leg_send(peer.leg, &yes));

	client_say(c,
		   REQ("mupdate", "6") "\"mediaSessionId\":\"%s\","
				       "\"sdpOffer\":\"re2\"}",
		   session);
	assert_int_equal(0, gw_leg_send(peer.leg, &yes));
	has(client_last(c), "\"sdpAnswer\":\"fine\"");
	has(client_last(c), "\"mediaSessionState\":\"held\"");
}

static void our_offer_is_answered_or_times_out(void **state)
{
	struct gw_ws_conn *c = connected();
	struct gw_msg hold = {
		.verb = GW_V_OFFER,
		.desc = {GW_DESC_OFFER, "hold", 4},
		.held = true
	};

	(void)state;
	assert_int_equal(0, gw_leg_send(peer.leg, &hold));
	has(client_last(c), "\"sdpOffer\":\"hold\"");
	has(client_last(c), "\"mediaSessionState\":\"held\"");
	client_say(c, OK("3"));
	client_say(c,
		   REQ("mupdate", "4") "\"mediaSessionId\":\"%s\","
				       "\"sdpAnswer\":\"held\"}",
		   session);
	assert_int_equal(GW_V_ACCEPT, call_last()->verb);
	hold.held = false;
	assert_int_equal(0, gw_leg_send(peer.leg, &hold));
	client_say(c, OK("5")); /* heard, but never answered */
	peer_advance_ms(20001);
	assert_int_equal(GW_V_REFUSE, call_last()->verb);
	assert_int_equal(504, call_last()->cause.status);
	assert_int_equal(2, peer.nheard);
}

static void an_answer_in_the_response_is_taken(void **state)
{
	struct gw_ws_conn *c = connected();

	(void)state;
	assert_int_equal(0,
			 call_send(peer.leg, GW_V_OFFER, GW_DESC_OFFER, "re"));
	client_say(c, "{\"messageType\":\"response\",\"method\":\"mupdate\","
		      "\"transactionId\":3,\"success\":true,"
		      "\"sdpAnswer\":\"now\"}");
	assert_int_equal(GW_V_ACCEPT, call_last()->verb);
	assert_string_equal("now", call_last()->text);
}

static void crossing_offers_get_491_and_a_pause(void **state)
{
	struct gw_ws_conn *c = connected();
	int64_t before = metric("isthmus_respect_rejected_total{"
				"reason=\"glare\"}");

	(void)state;
	assert_int_equal(
		0, call_send(peer.leg, GW_V_OFFER, GW_DESC_OFFER, "ours"));
	client_say(c,
		   REQ("mupdate", "4") "\"mediaSessionId\":\"%s\","
				       "\"sdpOffer\":\"theirs\"}",
		   session);
	has(client_last(c), "\"status\":491");
	assert_in_range(atoi(json_value(client_last(c), "retryAfter")), 0, 2);
	assert_int_equal(before + 1, metric("isthmus_respect_rejected_total{"
					    "reason=\"glare\"}"));
	client_say(c, "{\"messageType\":\"response\",\"method\":\"mupdate\","
		      "\"transactionId\":3,\"success\":false,"
		      "\"problemDetails\":{\"status\":491}}");
	assert_int_equal(GW_V_REFUSE, call_last()->verb);
	assert_int_equal(491, call_last()->cause.status);
	/* RFC 3261 14.1: this side waits 2.1 to 4 s, the client 0 to 2. */
	peer_advance_ms(2099);
	assert_int_equal(-EAGAIN, call_send(peer.leg, GW_V_OFFER, GW_DESC_OFFER,
					    "ours"));
	peer_advance_ms(1902);
	assert_int_equal(
		0, call_send(peer.leg, GW_V_OFFER, GW_DESC_OFFER, "ours"));
}

static void dtmf_travels_both_ways(void **state)
{
	struct gw_ws_conn *c = connected();
	static const char relay[] = "Signal= 7\r\nDuration= 250\r\n";
	struct gw_msg info = { .verb = GW_V_INFO,
			       .content_type = "application/dtmf-relay",
			       .content = relay,
			       .content_len = sizeof(relay) - 1 };

	(void)state;
	client_say(c,
		   REQ("mupdate", "4") "\"mediaSessionId\":\"%s\",\"userData\":"
				       "{\"dtmf\":{\"signal\":\"5\","
				       "\"duration\":200}}}",
		   session);
	has(client_last(c), "\"success\":true");
	assert_int_equal(GW_V_INFO, call_last()->verb);
	assert_string_equal("Signal=5\r\nDuration=200\r\n", call_last()->text);
	client_say(c,
		   REQ("mupdate", "6") "\"mediaSessionId\":\"%s\","
				       "\"userData\":{\"dtmf\":\"1#a\"}}",
		   session);
	assert_int_equal(4, peer.nheard);
	assert_string_equal("Signal=A\r\nDuration=160\r\n", call_last()->text);
	client_say(c,
		   REQ("mupdate", "8") "\"mediaSessionId\":\"%s\","
				       "\"userData\":{\"dtmf\":\"1;2\"}}",
		   session);
	has(client_last(c), "\"status\":400");

	assert_int_equal(0, gw_leg_send(peer.leg, &info));
	has(client_last(c), "\"userData\":{\"dtmf\":{\"signal\":\"7\","
			    "\"duration\":250}}");
	info.content_type = "text/plain";
	assert_int_equal(-EPROTO, gw_leg_send(peer.leg, &info));
}

static void user_data_of_applications_travels_both_ways(void **state)
{
	struct gw_ws_conn *c = connected();
	static const char data[] = "{ \"x\": [1, \"a\\nb\"] }";
	struct gw_msg info = { .verb = GW_V_INFO,
			       .content_type = GW_WIRE_USER_DATA_TYPE,
			       .content = data,
			       .content_len = sizeof(data) - 1 };
	char big[5000];

	(void)state;
	client_say(c,
		   REQ("mupdate", "4") "\"mediaSessionId\":\"%s\","
				       "\"userData\":{\"chat\":\"hi\"}}",
		   session);
	has(client_last(c), "\"success\":true");
	lacks(client_last(c), "unsupportedExtension");
	assert_int_equal(GW_V_INFO, call_last()->verb);
	assert_string_equal("{\"chat\":\"hi\"}", call_last()->text);
	assert_int_equal(1, peer.nheard);
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	client_say(c,
		   REQ("mupdate", "6") "\"mediaSessionId\":\"%s\","
				       "\"userData\":{\"chat\":\"%s\"}}",
		   session, big);
	has(client_last(c), "\"status\":413");

	assert_int_equal(0, gw_leg_send(peer.leg, &info));
	has(client_last(c), "\"userData\":{\"x\":[1,\"a\\nb\"]}");
	/* What a SIP peer may send under this name. */
	info.content = "{\"a\":1},\"method\":\"mdisc\"";
	info.content_len = strlen(info.content);
	assert_int_equal(-EPROTO, gw_leg_send(peer.leg, &info));
	info.content = "{\"dtmf\":\"1\"}";
	info.content_len = strlen(info.content);
	assert_int_equal(-EPROTO, gw_leg_send(peer.leg, &info));
	info.content_len = 5;
	assert_int_equal(-EPROTO, gw_leg_send(peer.leg, &info));
}

static void user_data_that_goes_nowhere_is_said_to(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);
	int64_t before = metric("isthmus_respect_user_data_dropped_total");

	(void)state;
	client_say(c, REQ("msetup", "2") "\"resourceId\":\"sip:a@b\","
					 "\"userData\":{\"a\":1}}");
	has(client_last(c), "\"success\":true");
	has(client_last(c), "\"unsupportedExtension\":[\"userData\"]");
	remember_session(client_last(c));
	client_say(c,
		   REQ("mupdate", "4") "\"mediaSessionId\":\"%s\","
				       "\"userData\":{\"a\":1}}",
		   session);
	has(client_last(c), "\"unsupportedExtension\":[\"userData\"]");
	client_say(c,
		   REQ("mdisc", "6") "\"mediaSessionId\":\"%s\","
				     "\"userData\":{\"a\":1}}",
		   session);
	has(client_last(c), "\"unsupportedExtension\":[\"userData\"]");
	assert_int_equal(before + 3,
			 metric("isthmus_respect_user_data_dropped_total"));
}

static void numbers_become_tel_uris(void **state)
{
	static const struct {
		const char *said, *target;
	} cases[] = {
		{"100",                       "tel:100;phone-context=example.net"   },
		{ "1 (00)-2.3",               "tel:10023;phone-context=example.net" },
		{ "*21#",                     "tel:*21%23;phone-context=example.net"},
		{ "+1 555-123",               "tel:+1555123"                        },
		{ "tel:100",                  "tel:100;phone-context=example.net"   },
		{ "tel:100;isub=1",
                 "tel:100;phone-context=example.net;isub=1"                         },
		{ "tel:100;phone-context=+1", "tel:100;phone-context=+1"            },
		{ "tel:+1-555",               "tel:+1-555"                          },
		{ "sip:100@b",                "sip:100@b"                           },
		{ "urn:service:counselling",  "urn:service:counselling"             },
	};
	static const char *const bad[] = { "",
					   "+",
					   "bob",
					   "()",
					   "1+2",
					   "tel:",
					   "sip:",
					   "sip:a@b\\r\\nVia: x",
					   "sip:a@b>;x",
					   "12\\n3",
					   "tel:1;x\\r\\ny: z" };
	struct gw_ws_conn *c = client_login(ALICE);
	unsigned id = 2;

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(cases); i++, id += 2) {
		client_say(c, REQ("msetup", "%u") "\"resourceId\":\"%s\"}", id,
			   cases[i].said);
		has(client_last(c), "\"success\":true");
		assert_string_equal(cases[i].target, peer.target);
		gw_leg_free(peer.leg);
		peer.leg = NULL;
	}
	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++, id += 2) {
		client_say(c, REQ("msetup", "%u") "\"resourceId\":\"%s\"}", id,
			   bad[i]);
		has(client_last(c), "\"status\":400");
	}
}

static void a_response_that_cannot_be_taken_is_a_failure(void **state)
{
	static const char *const broken[] = {
		"\"requiredExtension\":[\"dtmf\",\"x\"]",
		"\"sdpAnswer\":5",
	};

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(broken); i++) {
		struct gw_ws_conn *c = ringing();

		has(client_last(c),
		    "\"supportedExtension\":[\"callInfo\",\"dtmf\"]");
		client_say(
			c,
			"{\"messageType\":\"response\",\"method\":"
			"\"msetup\",\"transactionId\":1,\"success\":true,%s}",
			broken[i]);
		has(client_last(c), "\"method\":\"mdisc\"");
		has(client_last(c), i ? "\"status\":400" : "\"status\":420");
		assert_int_equal(GW_V_RELEASE, call_last()->verb);
		assert_int_equal(480, call_last()->cause.status);
		gw_leg_free(peer.leg);
		peer.leg = NULL;
		client_lose(&c, 1000);
	}
}

static void a_response_may_require_what_we_support(void **state)
{
	struct gw_ws_conn *c = ringing();

	(void)state;
	client_say(c, "{\"messageType\":\"response\",\"method\":\"msetup\","
		      "\"transactionId\":1,\"success\":true,"
		      "\"requiredExtension\":[\"dtmf\"]}");
	assert_int_equal(GW_V_PROGRESS, call_last()->verb);
}

static void release_is_told_by_mdisc_with_its_cause(void **state)
{
	struct gw_ws_conn *c = calling();
	struct gw_msg busy = {
		.verb = GW_V_RELEASE,
		.cause = {.status = 486, .retry_after_s = 5}
	};

	(void)state;
	assert_int_equal(0, gw_leg_send(peer.leg, &busy));
	has(client_last(c), "\"method\":\"mdisc\"");
	has(client_last(c), "\"title\":\"Busy Here\"");
	has(client_last(c), "\"retryAfter\":5");
	assert_int_equal(0, gw_leg_send(peer.leg, &busy)); /* always legal */
	assert_int_equal(3, client_count(c));
	client_say(c, REQ("mdisc", "4") "\"mediaSessionId\":\"%s\"}", session);
	has(client_last(c), "\"status\":481");
	assert_int_equal(0, peer.nheard);
}

static void a_leg_freed_alive_says_goodbye(void **state)
{
	struct gw_ws_conn *c = connected();

	(void)state;
	gw_leg_free(peer.leg);
	peer.leg = NULL;
	has(client_last(c), "\"method\":\"mdisc\"");
	lacks(client_last(c), "problemDetails"); /* a normal end */
}

static void mdisc_ends_a_call_normally_and_cancels_an_unanswered(void **state)
{
	struct gw_ws_conn *c = connected();

	(void)state;
	client_say(c, REQ("mdisc", "4") "\"mediaSessionId\":\"%s\"}", session);
	assert_int_equal(GW_V_RELEASE, call_last()->verb);
	assert_int_equal(200, call_last()->cause.status);
	gw_leg_free(peer.leg);
	peer.leg = NULL;
	client_say(c, REQ("msetup", "6") "\"resourceId\":\"sip:b@x\"}");
	remember_session(client_last(c));
	client_say(c, REQ("mdisc", "8") "\"mediaSessionId\":\"%s\"}", session);
	assert_int_equal(487, call_last()->cause.status);
}

static void a_session_of_another_is_unknown(void **state)
{
	struct gw_ws_conn *c = connected(), *bob = client_login(BOB);

	(void)state;
	(void)c;
	client_say(bob, REQ("mdisc", "2") "\"mediaSessionId\":\"%s\"}",
		   session);
	has(client_last(bob), "\"status\":481");
	assert_int_equal(0, peer.nheard);
}

static void sessions_of_an_endpoint_are_limited(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);
	struct gw_leg *first, *second, *third, *none = NULL;

	(void)state;
	client_say(c, REQ("msetup", "2") "\"resourceId\":\"sip:b@x\"}");
	first = peer.leg;
	client_say(c, REQ("msetup", "4") "\"resourceId\":\"sip:b@x\"}");
	second = peer.leg;
	client_say(c, REQ("msetup", "6") "\"resourceId\":\"sip:b@x\"}");
	third = peer.leg;
	client_say(c, REQ("msetup", "8") "\"resourceId\":\"sip:b@x\"}");
	has(client_last(c), "\"status\":429");
	assert_int_equal(-EBUSY,
			 gw_respect_leg_new(&none, peer.web, ALICE, NULL));
	assert_int_equal(-ENOENT,
			 gw_respect_leg_new(&none, peer.web, BOB, NULL));
	gw_leg_free(first);
	gw_leg_free(second);
	gw_leg_free(third);
	peer.leg = NULL;
}

static void draining_refuses_new_sessions_only(void **state)
{
	struct gw_ws_conn *c = connected();

	(void)state;
	gw_web_set_draining(peer.web, 30);
	client_say(c, REQ("msetup", "4") "\"resourceId\":\"sip:b@x\"}");
	has(client_last(c), "\"status\":503");
	has(client_last(c), "\"retryAfter\":30");
	client_say(c, REQ("mdisc", "6") "\"mediaSessionId\":\"%s\"}", session);
	has(client_last(c), "\"success\":true");
}

static void transfer_told(uint16_t status, const char *who)
{
	const struct gw_msg msg = {
		.verb = GW_V_TRANSFER,
		.target = {"sip:carol@x", NULL },
		.asserted = { who,            NULL },
		.cause = { .status = status}
	};

	assert_int_equal(0, gw_leg_send(peer.leg, &msg));
}

static void another_resource_is_asked_for_and_told(void **state)
{
	struct gw_ws_conn *c = connected();
	unsigned n;

	(void)state;
	client_say(c,
		   REQ("mupdate", "4") "\"mediaSessionId\":\"%s\","
				       "\"resourceId\":\"sip:carol@x\","
				       "\"sdpOffer\":\"o\"}",
		   session);
	has(client_last(c), "\"status\":400");
	client_say(c,
		   REQ("mupdate", "6") "\"mediaSessionId\":\"%s\","
				       "\"resourceId\":\"no uri\"}",
		   session);
	has(client_last(c), "\"status\":400");
	assert_int_equal(0, peer.nheard);
	client_say(c,
		   REQ("mupdate", "8") "\"mediaSessionId\":\"%s\","
				       "\"resourceId\":\"sip:carol@x\"}",
		   session);
	has(client_last(c), "\"success\":true");
	assert_int_equal(GW_V_TRANSFER, call_last()->verb);
	assert_string_equal("sip:carol@x", call_last()->text);
	n = client_count(c);
	transfer_told(100, NULL);
	assert_int_equal(n, client_count(c)); /* nothing to see yet */
	transfer_told(180, NULL);
	has(client_last(c), "\"transferState\":\"alerting\"");
	assert_null(strstr(client_last(c), "resourceId"));
	n = client_count(c);
	transfer_told(180, NULL); /* once is enough */
	assert_int_equal(n, client_count(c));
	transfer_told(486, NULL);
	has(client_last(c), "\"resourceId\":\"sip:carol@x\"");
	has(client_last(c), "\"status\":486");
	has(client_last(c), "\"mediaSessionState\":\"connected\"");
	transfer_told(200, "sip:carol@home");
	has(client_last(c), "\"resourceId\":\"sip:carol@x\"");
	has(client_last(c), "\"assertedTerminatingId\":\"sip:carol@home\"");
	assert_null(strstr(client_last(c), "problemDetails"));
	client_say(c,
		   REQ("getinfo", "10") "\"resources\":[\"mediaSessions\"]}");
	has(client_last(c), "\"peer\":\"sip:carol@home\"");
}

static void wrong_times_and_shapes_are_refused(void **state)
{
	struct gw_ws_conn *c = calling();

	(void)state;
	client_say(c,
		   REQ("mupdate", "4") "\"mediaSessionId\":\"%s\","
				       "\"sdpOffer\":\"a\"}",
		   session);
	has(client_last(c), "\"status\":409");
	client_say(c,
		   REQ("mupdate", "6") "\"mediaSessionId\":\"%s\",\"sdpOffer\":"
				       "\"a\",\"sdpAnswer\":\"b\"}",
		   session);
	has(client_last(c), "\"status\":400");
	client_say(c,
		   REQ("mupdate", "8") "\"mediaSessionId\":\"%s\","
				       "\"resourceId\":\"sip:z@z\"}",
		   session);
	has(client_last(c), "\"status\":409");
	client_say(
		c,
		REQ("mupdate", "10") "\"mediaSessionId\":\"%s\",\"userData\":"
				     "{\"dtmf\":\"1\"}}",
		session);
	has(client_last(c), "\"status\":409");
	client_say(c, REQ("msetup", "12") "\"resourceId\":\"no uri\"}");
	has(client_last(c), "\"status\":400");
	client_say(c, REQ("msetup", "14") "\"resourceId\":\"sip:a@b\","
					  "\"preOffer\":\"\"}");
	has(client_last(c), "\"status\":400");
	client_say(c, REQ("mdisc", "16") "\"mediaSessionId\":\"ms-none\"}");
	has(client_last(c), "\"status\":481");
	assert_int_equal(0, peer.nheard);
}

static void the_tables_are_the_documented_ones(void **state)
{
	struct gw_buf b;
	char line[256], *doc;
	FILE *f = fopen("docs/protocol.md", "re");
	size_t n;

	(void)state;
	assert_non_null(f);
	doc = calloc(1, 1 << 20);
	assert_non_null(doc);
	n = fread(doc, 1, (1 << 20) - 1, f);
	(void)fclose(f);
	assert_true(n > 0);
	gw_buf_init(&b, 1 << 16);
	gw_rleg_print_tables(&b);
	for (const char *p = b.data; *p; p += strcspn(p, "\n") + 1) {
		(void)snprintf(line, sizeof(line), "%.*s",
			       (int)strcspn(p, "\n"), p);
		has(doc, line);
	}
	gw_buf_fini(&b);
	free(doc);
}

#define T(f) cmocka_unit_test_setup_teardown(f, peer_setup, peer_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(msetup_is_answered_at_once_and_becomes_a_setup),
		T(progress_and_answer_are_told_by_mupdate),
		T(an_early_answer_is_the_only_one_a_client_sees),
		T(without_pre_offer_the_gateway_offers),
		T(a_pre_offer_can_be_replaced_by_an_offer),
		T(a_failed_offer_before_the_answer_is_refused),
		T(a_call_that_cannot_be_made_ends_with_mdisc),
		T(only_own_identities_can_be_preferred),
		T(msetup_rings_and_an_mupdate_answers),
		T(an_answer_within_the_msetup_response_counts),
		T(a_withheld_caller_is_not_named),
		T(a_refused_msetup_releases_with_the_clients_status),
		T(a_refusal_without_status_is_busy_and_mdisc_declines),
		T(an_msetup_that_nobody_answers_is_released),
		T(a_clients_offer_is_accepted_or_refused_by_mupdate),
		T(our_offer_is_answered_or_times_out),
		T(an_answer_in_the_response_is_taken),
		T(crossing_offers_get_491_and_a_pause),
		T(dtmf_travels_both_ways),
		T(user_data_of_applications_travels_both_ways),
		T(user_data_that_goes_nowhere_is_said_to),
		T(numbers_become_tel_uris),
		T(a_response_that_cannot_be_taken_is_a_failure),
		T(a_response_may_require_what_we_support),
		T(release_is_told_by_mdisc_with_its_cause),
		T(a_leg_freed_alive_says_goodbye),
		T(mdisc_ends_a_call_normally_and_cancels_an_unanswered),
		T(a_session_of_another_is_unknown),
		T(sessions_of_an_endpoint_are_limited),
		T(draining_refuses_new_sessions_only),
		T(wrong_times_and_shapes_are_refused),
		T(another_resource_is_asked_for_and_told),
		T(the_tables_are_the_documented_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
