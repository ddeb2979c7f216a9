#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "sip/ident.h"
#include "sip/ims_cause.h"

static void every_status_has_a_phrase(void **state)
{
	(void)state;
	for (unsigned s = 0; s < 1200; s++)
		assert_true(*gw_ims_cause_phrase(s) != '\0');
	assert_string_equal(gw_ims_cause_phrase(180), "Ringing");
	assert_string_equal(gw_ims_cause_phrase(608), "Rejected");
	assert_string_equal(gw_ims_cause_phrase(499), "Request Failure");
}

static void failures_keep_their_number_but_for_few(void **state)
{
	(void)state;
	for (unsigned s = 400; s < 700; s++) {
		unsigned want = s == 401 || s == 407 ? 403 : s;

		assert_int_equal(gw_ims_cause_from_sip(s), want);
	}
	for (unsigned s = 300; s < 400; s++)
		assert_int_equal(gw_ims_cause_from_sip(s), 480);
	assert_int_equal(gw_ims_cause_from_sip(0), 500);
	assert_int_equal(gw_ims_cause_from_sip(1000), 500);
}

static void an_invite_is_never_refused_with_a_success(void **state)
{
	struct gw_cause c = { 0 };

	(void)state;
	for (unsigned s = 0; s < 1000; s++) {
		c.status = (uint16_t)s;
		assert_in_range(gw_ims_cause_reject(&c), 400, 699);
		assert_in_range(gw_ims_cause_refuse(&c), 400, 699);
		assert_false(gw_ims_cause_ends_dialog(gw_ims_cause_refuse(&c)));
	}
	c.status = 200;
	assert_int_equal(gw_ims_cause_reject(&c), 480);
	c.elsewhere = true;
	assert_int_equal(gw_ims_cause_reject(&c), 487);
	c = (struct gw_cause){ .status = 603 };
	assert_int_equal(gw_ims_cause_reject(&c), 603);
	c.status = 491;
	assert_int_equal(gw_ims_cause_refuse(&c), 491);
	c.status = 481;
	assert_int_equal(gw_ims_cause_refuse(&c), 488);
}

static void only_the_statuses_of_rfc5057_end_a_dialog(void **state)
{
	(void)state;
	assert_true(gw_ims_cause_ends_dialog(481));
	assert_true(gw_ims_cause_ends_dialog(408));
	assert_true(gw_ims_cause_ends_dialog(404));
	assert_false(gw_ims_cause_ends_dialog(488));
	assert_false(gw_ims_cause_ends_dialog(491));
	assert_false(gw_ims_cause_ends_dialog(500));
	assert_false(gw_ims_cause_ends_dialog(503));
}

static void reason_says_why_and_is_quoted(void **state)
{
	struct gw_cause c = { .status = 200 };
	char buf[160];

	(void)state;
	assert_false(gw_ims_cause_reason(buf, sizeof(buf), &c, false));
	c.elsewhere = true;
	assert_true(gw_ims_cause_reason(buf, sizeof(buf), &c, true));
	assert_string_equal(buf,
			    "SIP;cause=200;text=\"Call completed elsewhere\"");
	c = (struct gw_cause){ .status = 487 };
	assert_false(gw_ims_cause_reason(buf, sizeof(buf), &c, true));
	c = (struct gw_cause){ .status = 408, .text = "a\"b\r\nX: y" };
	assert_true(gw_ims_cause_reason(buf, sizeof(buf), &c, false));
	assert_string_equal(buf, "SIP;cause=408;text=\"a\\\"b??X: y\"");
	assert_true(gw_ims_cause_elsewhere("sip", "200"));
	assert_false(gw_ims_cause_elsewhere("Q.850", "200"));
	assert_false(gw_ims_cause_elsewhere(NULL, NULL));
}

static void uris_that_could_break_out_are_refused(void **state)
{
	static const char *const good[] = {
		"sip:a@b",
		"SIPS:a@b:5061;transport=tls",
		"tel:+15550100",
		"sip:a%20b@[2001:db8::1]:5060",
		"tel:110;phone-context=+49",
	};
	static const char *const bad[] = {
		"",
		"a@b",
		"http://x",
		"sip:",
		"sip:a@b>",
		"sip:a b@c",
		"sip:a@b\r\n",
		"sip:a@b?X=y",
		"sip:\"a\"@b",
		"sip:a@b,c",
		"mailto:a@b",
		"sip:\xc3\xa4@b",
	};
	char longer[GW_IDENT_URI_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(gw_ident_uri_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(gw_ident_uri_ok(bad[i]));
	assert_false(gw_ident_uri_ok(NULL));
	memset(longer, 'a', sizeof(longer));
	memcpy(longer, "sip:", 4);
	longer[sizeof(longer) - 1] = '\0';
	assert_false(gw_ident_uri_ok(longer));
	longer[GW_IDENT_URI_MAX] = '\0';
	assert_true(gw_ident_uri_ok(longer));
}

static void names_are_quoted_and_unquoted(void **state)
{
	char addr[GW_IDENT_ADDR_SIZE], name[GW_IDENT_NAME_MAX + 1], five[6];

	(void)state;
	assert_int_equal(gw_ident_addr(addr, sizeof(addr),
				       "A \"B\" \\ \xc3\xa4", "sip:a@b"),
			 0);
	assert_string_equal(addr, "\"A \\\"B\\\" \\\\ \xc3\xa4\" <sip:a@b>");
	assert_int_equal(gw_ident_addr(addr, sizeof(addr), NULL, "sip:a@b"), 0);
	assert_string_equal(addr, "<sip:a@b>");
	assert_true(gw_ident_addr(addr, sizeof(addr), NULL, "bad") < 0);
	gw_ident_quote(addr, sizeof(addr), "bad \xff\xc3 utf\x01");
	assert_string_equal(addr, "\"bad ?? utf?\"");
	/* cut, but never inside an escape, and always closed */
	gw_ident_quote(five, sizeof(five), "ab\"cd");
	assert_string_equal(five, "\"ab\"");
	assert_true(gw_ident_unquote(name, sizeof(name), "\"A \\\"B\\\"\" "));
	assert_string_equal(name, "A \"B\"");
	assert_true(gw_ident_unquote(name, sizeof(name), "Bob  "));
	assert_string_equal(name, "Bob");
	assert_false(gw_ident_unquote(name, sizeof(name), "\"\""));
	assert_false(gw_ident_unquote(name, sizeof(name), NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_status_has_a_phrase),
		cmocka_unit_test(failures_keep_their_number_but_for_few),
		cmocka_unit_test(an_invite_is_never_refused_with_a_success),
		cmocka_unit_test(only_the_statuses_of_rfc5057_end_a_dialog),
		cmocka_unit_test(reason_says_why_and_is_quoted),
		cmocka_unit_test(uris_that_could_break_out_are_refused),
		cmocka_unit_test(names_are_quoted_and_unquoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
