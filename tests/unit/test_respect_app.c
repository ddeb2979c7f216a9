/*
 * The application-specific methods of the gateway's own: messages of text from
 * and to a client, and its reports on the quality of a session.
 */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whole, so that its server goes before the library's. */
#include "tests/unit/respect_peer.c"
#include "gateway/base/check.h"
#include "webrtc/respect_priv.h"

#define REQ(method, id)                                                        \
	"{\"messageType\":\"request\",\"method\":\"" method                    \
	"\",\"transactionId\":" id ","
#define TO_BOB "\"resourceId\":\"" BOB "\","

#define has(text, part)                                                        \
	do {                                                                   \
		if (!strstr((text), (part)))                                   \
			fail_msg("%s is not in %s", (part), (text));           \
	} while (0)

static void answered(uint16_t status)
{
	const struct gw_cause cause = { .status = status,
					.sip = status >= 300 };

	gw_web_message_answer(peer.web, peer.message_ask, &cause);
}

static int send_to(const char *uri, uint64_t id, const char *text)
{
	const struct gw_message m = {
		.from = {BOB, "Bob"},
		.to = uri,
		.text = text,
		.len = strlen(text),
	};

	int n = gw_web_message_send(peer.web, id, &m);

	return n > 0 ? 0 : n;
}

/* ---- from a client ---- */

static void a_message_is_answered_when_it_was_taken(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	client_say(c, REQ("message.isthmus", "2") TO_BOB
		   "\"content\":\"h\\u00e9llo\"}");
	assert_int_equal(1, peer.nmessage);
	assert_string_equal(BOB, peer.message_to);
	assert_string_equal(ALICE " User of alice@example.net",
			    peer.message_from);
	assert_string_equal("h\xc3\xa9llo", peer.message_text);
	assert_int_equal(1, client_count(c)); /* not yet */
	answered(200);
	has(client_last(c), "\"method\":\"message.isthmus\"");
	has(client_last(c), "\"transactionId\":2,\"success\":true");
	answered(200); /* once */
	assert_int_equal(2, client_count(c));
}

static void what_the_far_side_said_is_passed_on(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	client_say(c, REQ("message.isthmus", "2") TO_BOB "\"content\":\"a\"}");
	answered(404);
	has(client_last(c), "\"success\":false");
	has(client_last(c), "urn:ietf:params:sip:response:404");
	client_say(c, REQ("message.isthmus", "4") TO_BOB "\"content\":\"a\"}");
	answered(407); /* no challenge of the core's is a client's to answer */
	has(client_last(c), "\"status\":403");
}

static void what_the_operator_lets_through_is_carried(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);
	const struct gw_message m = {
		.from = {BOB, NULL},
		.to = ALICE,
		.type = "message/cpim",
		.text = "a",
		.len = 1
	};

	(void)state;
	peer.set.messages.ntype = 1;
	(void)snprintf(peer.set.messages.type[0], 64, "message/cpim");
	client_say(c, REQ("message.isthmus", "2") TO_BOB
		   "\"content\":\"<x/>\",\"contentType\":"
		   "\"Message/CPIM; charset=utf-8\\r\\nX: y\"}");
	assert_string_equal("<x/>", peer.message_text);
	/* What goes on is what the operator wrote. */
	assert_string_equal("message/cpim", peer.message_type);
	answered(200);
	client_say(c, REQ("message.isthmus", "4") TO_BOB
		   "\"content\":\"a\",\"contentType\":\"message/cpi\"}");
	has(client_last(c), "\"status\":415");
	client_say(c, REQ("message.isthmus", "6") TO_BOB "\"content\":\"b\"}");
	assert_string_equal("text/plain", peer.message_type);
	answered(200);
	assert_int_equal(gw_web_message_send(peer.web, 9, &m), 1);
	has(client_last(c), "\"contentType\":\"message/cpim\"");
}

static void bad_messages_are_refused(void **state)
{
	static const struct {
		const char *members, *status;
	} row[] = {
		{TO_BOB "\"x\":1",					     "400"},
		{ "\"content\":\"a\"",					 "400"},
		{ TO_BOB "\"content\":7",                                      "400"},
		{ TO_BOB "\"content\":\"123456789012345678901\"",              "413"},
		{ TO_BOB "\"content\":\"a\",\"contentType\":\"text/html\"",
                 "415"							      },
		{ TO_BOB "\"content\":\"a\",\"contentType\":\"text/plainer\"",
                 "415"							      },
		{ TO_BOB "\"content\":\"a\",\"preferredOriginatingId\":\"" BOB
			 "\"",				"403"},
		{ "\"resourceId\":\"a b\",\"content\":\"a\"",                  "400"},
	};
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	for (unsigned i = 0; i < GW_ARRAY_LEN(row); i++) {
		client_say(c,
			   "{\"messageType\":\"request\",\"method\":"
			   "\"message.isthmus\",\"transactionId\":%u,%s}",
			   2 * i + 2, row[i].members);
		has(client_last(c), "\"success\":false");
		has(client_last(c), row[i].status);
	}
	assert_int_equal(0, peer.nmessage);
	client_say(c, REQ("message.isthmus", "18") TO_BOB
		   "\"content\":\"12345678901234567890\","
		   "\"contentType\":\"text/plain;charset=UTF-8\","
		   "\"preferredOriginatingId\":\"" ALICE2 "\"}");
	assert_int_equal(1, peer.nmessage);
	has(peer.message_from, ALICE2);
}

static void a_minute_has_so_many_messages(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		client_say(c,
			   "{\"messageType\":\"request\",\"method\":"
			   "\"message.isthmus\",\"transactionId\":%u," TO_BOB
			   "\"content\":\"a\"}",
			   2 * i + 2);
		answered(200);
		has(client_last(c), "\"success\":true");
	}
	client_say(c,
		   REQ("message.isthmus", "122") TO_BOB "\"content\":\"a\"}");
	has(client_last(c), "\"status\":429");
	has(client_last(c), "\"retryAfter\":2");
	peer_advance_ms(1000);
	client_say(c,
		   REQ("message.isthmus", "124") TO_BOB "\"content\":\"a\"}");
	answered(200);
	has(client_last(c), "\"success\":true");
	assert_int_equal(61, peer.nmessage);
}

static void an_answer_to_a_client_that_is_gone_is_dropped(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	client_say(c, REQ("message.isthmus", "2") TO_BOB "\"content\":\"a\"}");
	client_lose(&c, 1006);
	answered(200);
	/* And one that is never answered is forgotten at the end. */
	c = client_login(ALICE);
	client_say(c, REQ("message.isthmus", "2") TO_BOB "\"content\":\"a\"}");
	assert_int_equal(2, peer.nmessage);
}

static void without_messages_there_is_no_such_method(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	client_say(c, REQ("getinfo", "2") "\"resources\":[\"capabilities\"]}");
	has(client_last(c), "message.isthmus");
	has(client_last(c), "quality.isthmus");
	peer.set.messages.per_minute = 0;
	client_say(c, REQ("message.isthmus", "4") TO_BOB "\"content\":\"a\"}");
	has(client_last(c), "\"status\":501");
	client_say(c, REQ("getinfo", "6") "\"resources\":[\"capabilities\"]}");
	assert_null(strstr(client_last(c), "message.isthmus"));
	assert_int_equal(-ENOENT, send_to(ALICE, 9, "a"));
}

/* ---- to a client ---- */

static void a_client_gets_a_message_and_its_answer_goes_back(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	assert_int_equal(0, send_to(ALICE2, 77, "hi \"there\""));
	has(client_last(c), "\"messageType\":\"request\","
			    "\"method\":\"message.isthmus\"");
	has(client_last(c), "\"resourceId\":\"" ALICE2 "\"");
	has(client_last(c), "\"assertedOriginatingId\":\"" BOB "\"");
	has(client_last(c), "\"assertedOriginatingName\":\"Bob\"");
	has(client_last(c), "\"contentType\":\"text/plain\"");
	has(client_last(c), "\"content\":\"hi \\\"there\\\"\"");
	client_say(c, "{\"messageType\":\"response\",\"method\":"
		      "\"message.isthmus\",\"transactionId\":1,"
		      "\"success\":true}");
	assert_int_equal(77, peer.message_id);
	assert_int_equal(200, peer.message_status);
	/* A client that has no messages is not reachable by them. */
	assert_int_equal(0, send_to(ALICE, 78, "a"));
	client_say(c, "{\"messageType\":\"response\",\"method\":"
		      "\"message.isthmus\",\"transactionId\":3,\"success\":"
		      "false,\"problemDetails\":{\"status\":501}}");
	assert_int_equal(78, peer.message_id);
	assert_int_equal(480, peer.message_status);
	assert_int_equal(0, send_to(ALICE, 79, "a"));
	peer_advance_ms(GW_RESPECT_TIMEOUT_MS + 100);
	assert_int_equal(79, peer.message_id);
	assert_int_equal(408, peer.message_status);
}

static void every_endpoint_of_the_user_gets_it(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);
	struct gw_ws_conn *d = client_login(ALICE);
	const struct gw_message m = { .to = ALICE2, .text = "a", .len = 1 };

	(void)state;
	assert_int_equal(2, gw_web_message_send(peer.web, 5, &m));
	has(client_last(c), "message.isthmus");
	has(client_last(d), "message.isthmus");
	client_say(d, "{\"messageType\":\"response\",\"method\":"
		      "\"message.isthmus\",\"transactionId\":1,"
		      "\"success\":true}");
	assert_int_equal(5, peer.message_id);
	assert_int_equal(200, peer.message_status);
	client_say(c, "{\"messageType\":\"response\",\"method\":"
		      "\"message.isthmus\",\"transactionId\":1,\"success\":"
		      "false,\"problemDetails\":{\"status\":603}}");
	assert_int_equal(603, peer.message_status);
	assert_int_equal(2, peer.nmessage_done);
	client_lose(&d, 1006);
	assert_int_equal(1, gw_web_message_send(peer.web, 6, &m));
}

static void who_is_away_gets_no_message(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	assert_int_equal(-ENOENT, send_to("sip:nobody@example.net", 1, "a"));
	client_lose(&c, 1006);
	assert_int_equal(-ENOENT, send_to(ALICE, 2, "a"));
}

static void a_client_that_does_not_answer_gets_no_more(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);
	unsigned n = 0;

	(void)state;
	while (!send_to(ALICE, n + 1, "a"))
		n++;
	assert_int_equal(16, n);
	assert_int_equal(-EBUSY, send_to(ALICE, 99, "a"));
	client_say(c, "{\"messageType\":\"response\",\"method\":"
		      "\"message.isthmus\",\"transactionId\":1,"
		      "\"success\":true}");
	assert_int_equal(0, send_to(ALICE, 100, "a"));
	assert_int_equal(0, client_code(c));
}

static void the_identity_of_a_private_sender_is_withheld(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);
	const struct gw_message m = {
		.from = {BOB, "Bob"},
		.to = ALICE,
		.privacy = true,
		.text = "a",
		.len = 1,
	};

	(void)state;
	assert_int_equal(1, gw_web_message_send(peer.web, 1, &m));
	assert_null(strstr(client_last(c), "bob"));
	assert_null(strstr(client_last(c), "Bob"));
}

/* ---- reports ---- */

static char session[64];

static struct gw_ws_conn *connected(void)
{
	struct gw_ws_conn *c = client_login(ALICE);

	client_say(c, REQ("msetup", "2") TO_BOB "\"preOffer\":\"pre\"}");
	(void)snprintf(session, sizeof(session), "%s",
		       json_value(client_last(c), "mediaSessionId"));
	assert_int_equal(
		0, call_send(peer.leg, GW_V_ANSWER, GW_DESC_ANSWER, "answer"));
	return c;
}

static void a_report_is_read_and_answered(void **state)
{
	struct gw_ws_conn *c = connected();

	(void)state;
	client_say(
		c,
		REQ("quality.isthmus",
		    "4") "\"mediaSessionId\":\"%s\","
			 "\"report\":{\"packetsReceived\":250,\"packetsLost\":"
			 "3,"
			 "\"jitterMs\":4,\"rttMs\":\"21\",\"colour\":\"red\"}}",
		session);
	has(client_last(c), "\"success\":true");
	has(client_last(c), "\"quality\":{\"heardHere\":4.10}");
	assert_int_equal(1, peer.nreport);
	assert_int_equal(250, peer.report.packets_received);
	assert_int_equal(3, peer.report.packets_lost);
	assert_int_equal(4, peer.report.jitter_ms);
	assert_int_equal(21, peer.report.round_trip_ms);
	assert_true(peer.report.packets_sent == GW_LEG_UNKNOWN);
	assert_true(peer.report.buffer_ms == GW_LEG_UNKNOWN);
}

static void a_report_tells_of_each_picture(void **state)
{
	struct gw_ws_conn *c = connected();

	(void)state;
	client_say(
		c,
		REQ("quality.isthmus",
		    "4") "\"mediaSessionId\":\"%s\",\"report\":{\"video\":["
			 "{\"mid\":\"1\",\"packetsLost\":3,\"framesDecoded\":"
			 "75,"
			 "\"framesDropped\":2,\"freezes\":1,\"frozenMs\":400,"
			 "\"width\":640,\"height\":480,\"colour\":\"red\"},"
			 "{\"mid\":\"screen\"}]}}",
		session);
	has(client_last(c), "\"success\":true");
	assert_int_equal(2, peer.nvideo);
	assert_string_equal("1", peer.video[0].mid);
	assert_int_equal(3, peer.video[0].packets.packets_lost);
	assert_int_equal(75, peer.video[0].decoded);
	assert_int_equal(2, peer.video[0].dropped);
	assert_int_equal(1, peer.video[0].freezes);
	assert_int_equal(400, peer.video[0].frozen_ms);
	assert_int_equal(640, peer.video[0].width);
	assert_int_equal(480, peer.video[0].height);
	assert_true(peer.video[0].sent_width == GW_LEG_UNKNOWN);
	assert_string_equal("screen", peer.video[1].mid);
	assert_true(peer.video[1].decoded == GW_LEG_UNKNOWN);
}

#define MID   "{\"mid\":\"1\"}"
#define MID3  MID "," MID "," MID
#define MID33 "123456789012345678901234567890123"

static void reports_are_bounded(void **state)
{
	static const struct {
		const char *report, *status;
	} row[] = {
		{"[]",					  "400"},
		{ "{\"packetsLost\":-1}",                       "400"},
		{ "{\"jitterMs\":1.5}",                         "400"},
		{ "{\"rttMs\":\"long\"}",                       "400"},
		{ "{\"video\":{}}",                             "400"},
		{ "{\"video\":[1]}",                            "400"},
		{ "{\"video\":[{}]}",                           "400"},
		{ "{\"video\":[{\"mid\":\"\"}]}",               "400"},
		{ "{\"video\":[{\"mid\":7}]}",                  "400"},
		{ "{\"video\":[{\"mid\":\"" MID33 "\"}]}",      "400"},
		{ "{\"video\":[{\"mid\":\"1\",\"width\":-1}]}", "400"},
		{ "{\"video\":[" MID3 "," MID3 "," MID3 "]}",   "400"},
		{ "{\"packetsReceived\":9007199254740992}",     ""   },
		{ "{}",					 "429"},
	};
	struct gw_ws_conn *c = connected();
	unsigned txn = 4;

	(void)state;
	for (unsigned i = 0; i < GW_ARRAY_LEN(row); i++, txn += 2) {
		client_say(c,
			   "{\"messageType\":\"request\",\"method\":"
			   "\"quality.isthmus\",\"transactionId\":%u,"
			   "\"mediaSessionId\":\"%s\",\"report\":%s}",
			   txn, session, row[i].report);
		has(client_last(c), row[i].status);
	}
	assert_int_equal(1, peer.nreport);
	assert_true(peer.report.packets_received == GW_LEG_UNKNOWN - 1);
	peer_advance_ms(1000);
	client_say(
		c,
		"{\"messageType\":\"request\",\"method\":\"quality.isthmus\","
		"\"transactionId\":%u,\"mediaSessionId\":\"%s\","
		"\"report\":{}}",
		txn, session);
	has(client_last(c), "\"success\":true");
	client_say(
		c,
		"{\"messageType\":\"request\",\"method\":\"quality.isthmus\","
		"\"transactionId\":%u,\"mediaSessionId\":\"nobody\","
		"\"report\":{}}",
		txn + 2);
	has(client_last(c), "\"status\":481");
	assert_int_equal(2, peer.nreport);
}

/* ---- transfer ---- */

static unsigned next_txn;

static void leave(struct gw_ws_conn *c, const char *id, const char *more)
{
	client_say(c,
		   "{\"messageType\":\"request\",\"method\":"
		   "\"transfer.isthmus\",\"transactionId\":%u,"
		   "\"mediaSessionId\":\"%s\"%s}",
		   next_txn, id, more);
	next_txn += 2;
}

static void a_session_is_left_to_another_party(void **state)
{
	static const char carol[] = ",\"resourceId\":\"sip:carol@x\"";
	struct gw_ws_conn *c = connected();

	(void)state;
	next_txn = 4;
	leave(c, session, "");
	has(client_last(c), "\"status\":400");
	leave(c, session, ",\"resourceId\":\"no uri\"");
	has(client_last(c), "\"status\":400");
	leave(c, "ms-nobody", carol);
	has(client_last(c), "\"status\":481");
	assert_int_equal(0, peer.nheard);
	leave(c, session, carol);
	has(client_last(c), "\"success\":true");
	has(client_last(c), "\"mediaSessionState\":\"connected\"");
	assert_int_equal(GW_V_TRANSFER, call_last()->verb);
	assert_string_equal("sip:carol@x", call_last()->text);
	assert_false(call_last()->stays);
	assert_null(call_last()->joins);
}

static void a_session_is_joined_with_another(void **state)
{
	struct gw_ws_conn *c = connected();
	struct gw_leg *first = peer.leg, *second;
	char other[64], join[128], both[256];

	(void)state;
	client_say(c, REQ("msetup", "4") TO_BOB "\"preOffer\":\"pre\"}");
	(void)snprintf(other, sizeof(other), "%s",
		       json_value(client_last(c), "mediaSessionId"));
	(void)snprintf(join, sizeof(join), ",\"joinSessionId\":\"%s\"", other);
	(void)snprintf(both, sizeof(both), "%s,\"resourceId\":\"sip:c@x\"",
		       join);
	second = peer.leg;
	next_txn = 6;
	leave(c, session, join); /* it only rings */
	has(client_last(c), "\"status\":481");
	assert_int_equal(
		0, call_send(second, GW_V_ANSWER, GW_DESC_ANSWER, "answer"));
	leave(c, session, both);
	has(client_last(c), "\"status\":400");
	leave(c, session, ",\"joinSessionId\":\"ms-nobody\"");
	has(client_last(c), "\"status\":481");
	assert_int_equal(0, peer.nheard);
	leave(c, session, join);
	has(client_last(c), "\"success\":true");
	assert_int_equal(GW_V_TRANSFER, call_last()->verb);
	assert_ptr_equal(second, call_last()->joins);
	assert_string_equal("", call_last()->text);
	gw_leg_free(first);
}

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, peer_setup_apps, peer_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_message_is_answered_when_it_was_taken),
		T(what_the_far_side_said_is_passed_on),
		T(what_the_operator_lets_through_is_carried),
		T(bad_messages_are_refused),
		T(a_minute_has_so_many_messages),
		T(an_answer_to_a_client_that_is_gone_is_dropped),
		T(without_messages_there_is_no_such_method),
		T(a_client_gets_a_message_and_its_answer_goes_back),
		T(every_endpoint_of_the_user_gets_it),
		T(who_is_away_gets_no_message),
		T(a_client_that_does_not_answer_gets_no_more),
		T(the_identity_of_a_private_sender_is_withheld),
		T(a_report_is_read_and_answered),
		T(a_report_tells_of_each_picture),
		T(reports_are_bounded),
		T(a_session_is_left_to_another_party),
		T(a_session_is_joined_with_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
