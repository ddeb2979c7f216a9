/* callInfo: what is said of a call, to a client and by one. */
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
#define DROPPED "isthmus_respect_names_dropped_total"
#define SETUP(id, info)                                                        \
	REQ("msetup", id) "\"resourceId\":\"" BOB "\",\"callInfo\":" info "}"

#define has(text, part)                                                        \
	do {                                                                   \
		if (!strstr((text), (part)))                                   \
			fail_msg("%s is not in %s", (part), (text));           \
	} while (0)

static void over(void)
{
	if (peer.leg)
		gw_leg_free(peer.leg);
	peer.leg = NULL;
}

static const struct gw_call_info all = {
	.subject = "\"Lunch\" \xe2\x98\x95",
	.alert = "urn:alert:priority:high",
	.icon = "https://a.example/p.png",
	.page = "https://a.example/",
	.card = "https://a.example/a.vcf",
	.nforward = 2,
	.forward = {{ "sip:office@a.example", "The Office", 302 },
                    { "", "", 486 }},
};

#define ALL                                                                    \
	"\"callInfo\":{\"subject\":\"\\\"Lunch\\\" \xe2\x98\x95\","            \
	"\"alert\":\"urn:alert:priority:high\","                               \
	"\"icon\":\"https://a.example/p.png\",\"info\":\"https://a.example/"   \
	"\","                                                                  \
	"\"card\":\"https://a.example/a.vcf\",\"forwardedBy\":[{\"uri\":"      \
	"\"sip:office@a.example\",\"displayName\":\"The Office\",\"status\":"  \
	"302},{\"uri\":null,\"status\":486}]}"

static void ring(const struct gw_call_info *info)
{
	struct gw_msg msg = {
		.verb = GW_V_SETUP,
		.asserted = {BOB,    "Bob"},
		.call_info = info,
		.desc = { GW_DESC_OFFER, "v=0",     3 }
	};

	assert_int_equal(0, gw_leg_send(call_new_leg(ALICE), &msg));
}

static void a_client_that_is_called_is_told(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE), *d;
	char credential[256];

	(void)state;
	(void)snprintf(credential, sizeof(credential), "%s",
		       json_value(client_got(c, client_count(c) - 1),
				  "reauthCredential"));
	ring(&all);
	has(client_last(c), "\"method\":\"msetup\"");
	has(client_last(c), ALL);
	/* And again, when it has lost its connection. */
	client_lose(&c, 1006);
	d = client_open();
	client_say(
		d,
		REQ("auth", "0") "\"authType\":\"reauth\",\"webrtcId\":\"" ALICE
				 "\",\"authorization\":\"%s\"}",
		credential);
	has(client_last(d), "\"method\":\"msetup\"");
	has(client_last(d), ALL);
	over();
}

static void where_nothing_is_said_nothing_is_told(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);

	(void)state;
	ring(NULL);
	assert_null(strstr(client_last(c), "\"callInfo\":"));
	over();
}

static void progress(enum gw_alert alert, const struct gw_call_info *info)
{
	const struct gw_msg msg = { .verb = GW_V_PROGRESS,
				    .alert = alert,
				    .call_info = info };

	assert_int_equal(0, gw_leg_send(peer.leg, &msg));
}

static void a_caller_hears_where_its_call_is(void **state)
{
	static const struct gw_call_info moved = {
		.nforward = 1,
		.forward = { { BOB, "", 302 } },
		.forwarded_to = "sip:carol@example.net",
	};
	struct gw_ws_conn *c = client_login(ALICE);
	unsigned n;

	(void)state;
	client_say(c, SETUP("2", "{}"));
	progress(GW_ALERT_QUEUED, NULL);
	has(client_last(c), "\"callInfo\":{\"queued\":true}");
	has(client_last(c), "\"mediaSessionState\":\"proceeding\"");
	progress(GW_ALERT_FORWARDED, &moved);
	has(client_last(c), "\"callInfo\":{\"forwardedBy\":[{\"uri\":\"" BOB
			    "\",\"status\":302}],\"forwardedTo\":\"sip:carol@"
			    "example.net\",\"forwarded\":true}");
	/* What is said again is not news. */
	n = client_count(c);
	progress(GW_ALERT_FORWARDED, &moved);
	assert_int_equal(n, client_count(c));
	progress(GW_ALERT_RINGING, NULL);
	has(client_last(c), "\"mediaSessionState\":\"alerting\"");
	assert_null(strstr(client_last(c), "callInfo"));
	over();
}

static void the_name_of_who_answers_is_told(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);
	const struct gw_msg msg = {
		.verb = GW_V_ANSWER,
		.asserted = {BOB,    "Bob \"B\""},
		.desc = { GW_DESC_ANSWER, "v=0",           3 }
	};

	(void)state;
	client_say(c, REQ("msetup", "2") "\"resourceId\":\"" BOB
					 "\",\"preOffer\":\"v=0\"}");
	assert_int_equal(0, gw_leg_send(peer.leg, &msg));
	has(client_last(c), "\"assertedTerminatingName\":\"Bob \\\"B\\\"\"");
	over();
}

static void a_client_says_subject_and_where_it_may_its_name(void **state)
{
	struct gw_ws_conn *c = client_login(ALICE);
	long before = metric(DROPPED);

	(void)state;
	client_say(c, SETUP("2", "{\"subject\":\"caf\\u00e9\",\"displayName\":"
				 "\"Boss\",\"icon\":\"https://x/\","
				 "\"forwardedBy\":[{\"uri\":\"sip:x@y\"}]}"));
	has(client_last(c), "\"success\":true");
	assert_string_equal("caf\xc3\xa9", peer.subject);
	assert_string_equal("", peer.name);
	has(client_last(c), "\"unsupportedExtension\":[\"displayName\"]");
	assert_int_equal(before + 1, metric(DROPPED));
	over();
	client_say(c, REQ("msetup", "4") "\"resourceId\":\"" BOB
					 "\",\"userData\":{\"a\":1},"
					 "\"callInfo\":{\"displayName\":"
					 "\"Boss\"}}");
	has(client_last(c),
	    "\"unsupportedExtension\":[\"userData\",\"displayName\"]");
	over();
	peer.set.calls.client_names = true;
	client_say(c, SETUP("6", "{\"displayName\":\"Boss\"}"));
	assert_null(strstr(client_last(c), "unsupportedExtension"));
	assert_int_equal(before + 2, metric(DROPPED));
	assert_string_equal("Boss", peer.name);
	assert_string_equal("", peer.subject);
	over();
}

static void what_would_become_a_header_is_refused(void **state)
{
	static const char *const bad[] = {
		"{\"subject\":\"a\\r\\nInjected: 1\"}",
		"{\"subject\":\"\\u0085\"}",
		"{\"displayName\":\"\\u001b[31m\"}",
		"{\"displayName\":\"a\\u0000b\"}",
		"{\"subject\":7}",
		"{\"displayName\":null}",
		"{\"subject\":"
		"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
		"\"lunch\"",
		"[]",
	};
	struct gw_ws_conn *c = client_login(ALICE);
	unsigned id = 2;

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++, id += 2) {
		client_say(c, SETUP("%u", "%s"), id, bad[i]);
		has(client_last(c), "\"status\":400");
		has(client_last(c), "callInfo");
		assert_null(peer.leg);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, peer_setup, peer_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_client_that_is_called_is_told),
		T(where_nothing_is_said_nothing_is_told),
		T(a_caller_hears_where_its_call_is),
		T(the_name_of_who_answers_is_told),
		T(a_client_says_subject_and_where_it_may_its_name),
		T(what_would_become_a_header_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
