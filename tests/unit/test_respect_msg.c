#include "tests/unit/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "webrtc/respect_msg.h"

static struct gw_rmsg m;

static enum gw_rfault read_text(const char *text)
{
	gw_respect_parse_end(&m);
	return gw_respect_parse(&m, text, strlen(text));
}

static int teardown(void **state)
{
	(void)state;
	gw_respect_parse_end(&m);
	return 0;
}

#define HEAD "{\"messageType\":\"request\",\"method\":"

static void a_whole_request_is_read(void **state)
{
	(void)state;
	assert_int_equal(
		GW_RF_OK,
		read_text(HEAD
			  "\"auth\",\"transactionId\":4,"
			  "\"authType\":\"basic\",\"webrtcId\":\"sip:a@b\","
			  "\"disconnectionTtl\":30,\"nobody\":[1],"
			  "\"requiredExtension\":[\"a\",\"b\"]}"));
	assert_false(m.response);
	assert_int_equal(GW_RM_AUTH, m.method);
	assert_int_equal(4, m.txn);
	assert_string_equal("basic", m.str[GW_K_AUTH_TYPE]);
	assert_int_equal(30, m.num[GW_K_TTL]);
	assert_int_equal(2, m.required.n);
	assert_string_equal("b", m.required.item[1]);
	assert_false(gw_rmsg_has(&m, GW_K_AUTHORIZATION));
}

static void aliases_are_understood_but_the_right_name_wins(void **state)
{
	(void)state;
	assert_int_equal(GW_RF_OK,
			 read_text("{\"type\":\"request\",\"methodName\":"
				   "\"mdisc\",\"transactionID\":\"6\","
				   "\"mediaSessionID\":\"x\"}"));
	assert_int_equal(6, m.txn);
	assert_string_equal("x", m.str[GW_K_SESSION_ID]);
	assert_int_equal(GW_RF_OK,
			 read_text(HEAD "\"mdisc\",\"transactionId\":8,"
					"\"transactionID\":6,"
					"\"mediaSessionId\":\"x\"}"));
	assert_int_equal(8, m.txn);
}

static void transaction_ids_have_64_bits(void **state)
{
	static const struct {
		const char *json;
		uint64_t id;
	} good[] = {
		{"0",			 0			    },
		{ "9223372036854775808",      UINT64_C(9223372036854775808)},
		{ "18446744073709551614",     UINT64_MAX - 1               },
		{ "\"18446744073709551614\"", UINT64_MAX - 1               },
		{ "\"007\"",                  7                            },
	};
	static const char *const bad[] = {
		"-1",
		"1.5",
		"null",
		"\"\"",
		"\"-1\"",
		"\"1x\"",
		"true",
		"\"18446744073709551616\"",
		"\"999999999999999999999\"",
		"{}",
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		(void)snprintf(text, sizeof(text),
			       HEAD "\"getinfo\",\"transactionId\":%s}",
			       good[i].json);
		assert_int_equal(GW_RF_OK, read_text(text));
		assert_true(m.txn == good[i].id);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(text, sizeof(text),
			       HEAD "\"getinfo\",\"transactionId\":%s}",
			       bad[i]);
		assert_int_equal(GW_RF_NO_ID, read_text(text));
	}
	assert_int_equal(GW_RF_NO_ID, read_text(HEAD "\"getinfo\"}"));
}

static void text_that_is_no_json_object_is_told_apart(void **state)
{
	static const char *const not_json[] = {
		"",           " ",       "{",          "hello",
		"{\"a\":1}x", "{'a':1}", "{\"a\":1,}", "{\"a\":\"\xff\"}",
		"{/* */}",    "[1,2",
	};
	static const char *const not_object[] = { "1", "[]", "null", "\"a\"",
						  "true" };

	(void)state;
	for (size_t i = 0; i < sizeof(not_json) / sizeof(not_json[0]); i++) {
		enum gw_rfault fault = read_text(not_json[i]);

		if (fault != GW_RF_NOT_JSON)
			fail_msg("%s: %d", not_json[i], fault);
	}
	for (size_t i = 0; i < 5; i++) {
		enum gw_rfault fault = read_text(not_object[i]);

		if (fault != GW_RF_NOT_OBJECT && fault != GW_RF_NOT_JSON)
			fail_msg("%s: %d", not_object[i], fault);
	}
}

/* @n containers, the message itself being the first. */
static enum gw_rfault read_nested(unsigned n)
{
	char text[8192] = "{\"a\":";
	unsigned i;

	for (i = 1; i < n; i++)
		strcat(text, "[");
	strcat(text, "1");
	for (i = 1; i < n; i++)
		strcat(text, "]");
	strcat(text, ",\"messageType\":\"request\",\"method\":\"getinfo\","
		     "\"transactionId\":12}");
	return read_text(text);
}

static void sixteen_levels_are_read_and_deeper_is_still_answered(void **state)
{
	(void)state;
	assert_int_equal(GW_RF_OK, read_nested(16));
	assert_int_equal(GW_RF_DEPTH, read_nested(17));
	assert_int_equal(12, m.txn);
	assert_int_equal(400, m.status);
	assert_int_equal(GW_RF_DEPTH, read_nested(2000));
	/* Deep, and without an id among the outermost members. */
	assert_int_equal(GW_RF_NO_ID, read_text("{\"a\":[[[[[[[[[[[[[[[[[[[["
						"{\"transactionId\":2}]"));
}

static void an_empty_container_is_a_level_too(void **state)
{
	(void)state;
	assert_int_equal(GW_RF_OK,
			 read_text("{\"messageType\":\"request\",\"method\":"
				   "\"getinfo\",\"transactionId\":12,\"a\":"
				   "[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}"));
	assert_int_equal(GW_RF_DEPTH,
			 read_text("{\"messageType\":\"request\",\"method\":"
				   "\"getinfo\",\"transactionId\":12,\"a\":"
				   "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}"));
}

static void an_id_beyond_64_bits_cannot_be_answered(void **state)
{
	(void)state;
	assert_int_equal(GW_RF_NO_ID,
			 read_text("{\"messageType\":\"request\",\"method\":"
				   "\"getinfo\",\"transactionId\":"
				   "18446744073709551616}"));
	assert_int_equal(GW_RF_NO_ID,
			 read_text("{\"messageType\":\"request\",\"method\":"
				   "\"getinfo\",\"transactionId\":"
				   "\"18446744073709551616\"}"));
}

static void a_missing_or_mistyped_member_is_named(void **state)
{
	static const struct {
		const char *json, *named;
	} bad[] = {
		{"\"auth\",\"authType\":\"basic\"",                                "webrtcId"              },
		{ "\"auth\",\"authType\":1,\"webrtcId\":\"sip:a@b\"",
                 "authType"										},
		{ "\"auth\",\"authType\":\"basic\",\"webrtcId\":\"sip:a@b\","
		  "\"expiration\":-1",			    "expiration"            },
		{ "\"auth\",\"authType\":\"basic\",\"webrtcId\":\"a\\u0000b\"",
                 "webrtcId"										},
		{ "\"msetup\"",						    "resourceId"            },
		{ "\"msetup\",\"resourceId\":null",                                "resourceId"            },
		{ "\"msetup\",\"resourceId\":\"sip:a\",\"preOffer\":{}",
                 "preOffer"										},
		{ "\"mupdate\",\"mediaSessionId\":\"x\",\"sdpOffer\":1",
                 "sdpOffer"										},
		{ "\"mupdate\",\"mediaSessionId\":\"x\",\"userData\":[]",
                 "userData"										},
		{ "\"mupdate\",\"mediaSessionId\":\"x\",\"userData\":"
		  "{\"dtmf\":{}}",				"userData.dtmf.signal"  },
		{ "\"mupdate\",\"mediaSessionId\":\"x\",\"userData\":"
		  "{\"dtmf\":\"x\"}",			     "userData.dtmf"         },
		{ "\"mupdate\",\"mediaSessionId\":\"x\",\"userData\":"
		  "{\"dtmf\":{\"signal\":\"1\",\"duration\":5}}", "userData.dtmf.duration"},
		{ "\"mupdate\",\"mediaSessionId\":\"x\",\"problemDetails\":1",
                 "problemDetails"									  },
		{ "\"mdisc\"",						     "mediaSessionId"        },
		{ "\"getinfo\",\"resources\":\"all\"",                             "resources"             },
		{ "\"getinfo\",\"resources\":[1]",                                 "resources"             },
		{ "\"getinfo\",\"supportedExtension\":{}",
                 "supportedExtension"								      },
		{ "17",							    "method"                },
		{ "\"\"",							  "method"                },
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(text, sizeof(text),
			       HEAD "%s,\"transactionId\":2}", bad[i].json);
		if (read_text(text) != GW_RF_MEMBER)
			fail_msg("%s was taken", text);
		assert_int_equal(400, m.status);
		assert_int_equal(2, m.txn);
		if (!strstr(m.detail, bad[i].named))
			fail_msg("%s: %s", text, m.detail);
	}
}

static void an_unknown_kind_of_message_is_named_too(void **state)
{
	(void)state;
	assert_int_equal(
		GW_RF_MEMBER,
		read_text("{\"method\":\"mdisc\",\"transactionId\":2}"));
	assert_non_null(strstr(m.detail, "messageType"));
	assert_string_equal("mdisc", m.method_name);
	assert_int_equal(GW_RF_MEMBER,
			 read_text("{\"messageType\":\"event\",\"method\":1,"
				   "\"transactionId\":2}"));
	assert_non_null(strstr(m.detail, "messageType"));
}

static void methods_of_applications_have_a_dot(void **state)
{
	(void)state;
	assert_int_equal(GW_RF_METHOD,
			 read_text(HEAD "\"dance\",\"transactionId\":2}"));
	assert_int_equal(405, m.status);
	assert_int_equal(GW_RF_APP_METHOD,
			 read_text(HEAD "\"dance.example.net\","
					"\"transactionId\":2}"));
	assert_int_equal(501, m.status);
	assert_int_equal(GW_RF_METHOD,
			 read_text(HEAD "\".x\",\"transactionId\":2}"));
	assert_int_equal(GW_RF_METHOD,
			 read_text(HEAD "\"x.\",\"transactionId\":2}"));
}

static void a_response_needs_success_only(void **state)
{
	(void)state;
	assert_int_equal(GW_RF_OK,
			 read_text("{\"messageType\":\"response\",\"method\":"
				   "\"msetup\",\"transactionId\":1,"
				   "\"success\":false,\"problemDetails\":"
				   "{\"status\":486,\"detail\":\"no\"}}"));
	assert_true(m.response);
	assert_false(m.success);
	assert_int_equal(486, m.problem_status);
	assert_string_equal("no", m.problem_detail);
	assert_int_equal(GW_RF_MEMBER,
			 read_text("{\"messageType\":\"response\",\"method\":"
				   "\"msetup\",\"transactionId\":1}"));
	assert_int_equal(GW_RF_MEMBER,
			 read_text("{\"messageType\":\"response\",\"method\":"
				   "\"msetup\",\"transactionId\":1,"
				   "\"success\":1}"));
	/* RFC 9457 3.1: a member of a wrong type is as if it were absent. */
	assert_int_equal(GW_RF_OK,
			 read_text("{\"messageType\":\"response\",\"method\":"
				   "\"msetup\",\"transactionId\":1,"
				   "\"success\":false,\"problemDetails\":"
				   "{\"status\":\"x\",\"detail\":5}}"));
	assert_int_equal(0, m.problem_status);
}

static void lists_are_bounded(void **state)
{
	char text[1024] = HEAD "\"getinfo\",\"transactionId\":0,"
			       "\"resources\":[\"a\"";

	(void)state;
	for (int i = 0; i < GW_RESPECT_MAX_LIST; i++)
		strcat(text, ",\"b\"");
	strcat(text, "]}");
	assert_int_equal(GW_RF_MEMBER, read_text(text));
}

static void what_is_written_reads_back(void **state)
{
	static const char *const list[] = { "one", "t\"wo", NULL };
	struct gw_rout o = {
		.response = true,
		.method = "mupdate",
		.txn = UINT64_MAX - 1,
		.success = false,
		.problem = {.status = 488, .detail = "line 3: \x01\x7f\\"},
		.has_retry_after = true,
		.retry_after_s = 2,
		.unsupported = list,
		.session_id = "ms-1",
		.has_state = true,
		.state = GW_RS_HELD,
		.sdp = "v=0\r\ns=\xc3\xa4\r\n",
		.sdp_len = 11,
	};
	size_t len;
	char *text = gw_respect_print(&o, &len);

	(void)state;
	assert_non_null(text);
	assert_int_equal(len, strlen(text));
	assert_int_equal(GW_RF_OK, read_text(text));
	assert_true(m.txn == UINT64_MAX - 1);
	assert_int_equal(488, m.problem_status);
	assert_string_equal("line 3: \x01\x7f\\", m.problem_detail);
	assert_string_equal("v=0\r\ns=\xc3\xa4\r\n", m.str[GW_K_SDP_ANSWER]);
	assert_string_equal("held", m.str[GW_K_SESSION_STATE]);
	assert_non_null(strstr(text, "\"unsupportedExtension\":"
				     "[\"one\",\"t\\\"wo\"]"));
	assert_non_null(strstr(text, "\"type\":\"about:blank\","
				     "\"title\":\"Not Acceptable Here\""));
	free(text);
}

static void what_is_not_utf8_is_replaced(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"a\xff"
		  "b", "\"a\xef\xbf\xbd"
		  "b\""			     },
		{ "\xc0\x80",           "\"\xef\xbf\xbd\xef\xbf\xbd\""                     },
		{ "\xed\xa0\x80",
                 "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""                                }, /* surrogate */
		{ "\xf0\x9f\x98\x80",   "\"\xf0\x9f\x98\x80\""                             },
		{ "\xf4\x90\x80\x80",   "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
				      "\xef\xbf\xbd\""},
		{ "\xe2\x82",           "\"\xef\xbf\xbd\xef\xbf\xbd\""                     }, /* cut short */
		{ "\xe0\x9f\xbf",
                 "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""                                }, /* overlong */
		{ "\t\n\x1f",           "\"\\t\\n\\u001f\""                                },
	};
	struct gw_buf b;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		gw_buf_init(&b, 256);
		gw_json_string(&b, cases[i].in, strlen(cases[i].in));
		assert_string_equal(cases[i].out, b.data);
		gw_buf_fini(&b);
	}
}

#define T(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_whole_request_is_read),
		T(aliases_are_understood_but_the_right_name_wins),
		T(transaction_ids_have_64_bits),
		T(text_that_is_no_json_object_is_told_apart),
		T(sixteen_levels_are_read_and_deeper_is_still_answered),
		T(an_empty_container_is_a_level_too),
		T(an_id_beyond_64_bits_cannot_be_answered),
		T(a_missing_or_mistyped_member_is_named),
		T(an_unknown_kind_of_message_is_named_too),
		T(methods_of_applications_have_a_dot),
		T(a_response_needs_success_only),
		T(lists_are_bounded),
		T(what_is_written_reads_back),
		T(what_is_not_utf8_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
