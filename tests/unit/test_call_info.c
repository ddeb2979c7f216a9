/* What may be said of a call. */
#include "tests/unit/cm.h"

#include <string.h>

#include "gateway/base/call_info.h"
#include "gateway/base/check.h"

static void texts_are_printable_and_bounded(void **state)
{
	static const char *const good[] = {
		"",
		"Lunch?",
		"Gr\xc3\xbc\xc3\x9f"
		"e \xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x93\x9e",
		"\"quoted\" \\ <angle>",
	};
	static const char *const bad[] = {
		"a\r\nInjected: 1",
		"a\nb",
		"\t",
		"\x1b[31m",
		"\x7f",
		"\xc2\x85",     /* next line */
		"\xc0\xaf",     /* overlong */
		"\xe0\x80\xaf", /* overlong */
		"\xed\xa0\x80", /* surrogate */
		"\xf5\x80\x80\x80",
		"\xf4\x90\x80\x80",
		"\xc3",
		"\xe4\xbd",
		"\xff",
	};
	char text[GW_CALL_INFO_TEXT + 1];

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(good); i++)
		if (!gw_call_info_text_ok(good[i]))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++)
		if (gw_call_info_text_ok(bad[i]))
			fail_msg("%zu: %s", i, bad[i]);
	memset(text, 'a', sizeof(text));
	text[GW_CALL_INFO_TEXT - 1] = '\0';
	assert_true(gw_call_info_text_ok(text));
	text[GW_CALL_INFO_TEXT - 1] = 'a';
	text[GW_CALL_INFO_TEXT] = '\0';
	assert_false(gw_call_info_text_ok(text));
}

static void only_the_web_is_linked_to(void **state)
{
	static const char *const good[] = {
		"https://example.org/a.png",
		"HTTP://example.org:8080/?a=b&c=d#e",
		"https://[2001:db8::1]/x",
		"https://example.org/u@b",
	};
	static const char *const bad[] = {
		"",
		"https://",
		"https:///x",
		"ftp://example.org/",
		"javascript:alert(1)",
		"data:text/html,x",
		"file:///etc/passwd",
		"//example.org/",
		"sip:a@b",
		"https://bank.example@evil.example/",
		"https://a b/",
		"https://a/\"onload=x",
		"https://a/<b>",
		"https://a/\r\nx",
		"https://a/\xc3\xbc",
	};
	char url[400] = "https://example.org/";

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(good); i++)
		if (!gw_call_info_url_ok(good[i]))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++)
		if (gw_call_info_url_ok(bad[i]) ||
		    gw_call_info_alert_ok(bad[i]))
			fail_msg("%s", bad[i]);
	memset(url + 20, 'a', 300);
	assert_false(gw_call_info_url_ok(url));
	assert_true(gw_call_info_alert_ok("urn:alert:service:call-waiting"));
	assert_true(gw_call_info_alert_ok("https://example.org/ring.wav"));
	assert_false(gw_call_info_alert_ok("urn:alert:"));
	assert_false(gw_call_info_alert_ok("urn:service:sos"));
}

static void of_many_forwards_the_first_and_the_last_are_kept(void **state)
{
	struct gw_call_info info = { .nforward = 0 };
	struct gw_call_forward f = { .status = 302 };

	(void)state;
	assert_true(gw_call_info_empty(&info));
	for (char c = 'a'; c < 'h'; c++) {
		f.uri[0] = c;
		gw_call_info_add(&info, &f);
		assert_false(gw_call_info_empty(&info));
	}
	assert_int_equal(4, info.nforward);
	assert_string_equal("a", info.forward[0].uri);
	assert_string_equal("e", info.forward[1].uri);
	assert_string_equal("f", info.forward[2].uri);
	assert_string_equal("g", info.forward[3].uri);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_printable_and_bounded),
		cmocka_unit_test(only_the_web_is_linked_to),
		cmocka_unit_test(
			of_many_forwards_the_first_and_the_last_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
