#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/check.h"
#include "webrtc/utf8.h"

static bool valid(const char *text, size_t len)
{
	struct gw_utf8 u;

	gw_utf8_init(&u);
	return gw_utf8_feed(&u, text, len) && gw_utf8_complete(&u);
}

/* However it is cut, the verdict is the same. */
static bool valid_in_pieces(const char *text, size_t len)
{
	bool whole = valid(text, len);

	for (size_t cut = 0; cut <= len; cut++) {
		struct gw_utf8 u;
		bool ok;

		gw_utf8_init(&u);
		ok = gw_utf8_feed(&u, text, cut) &&
		     gw_utf8_feed(&u, text + cut, len - cut) &&
		     gw_utf8_complete(&u);
		assert_int_equal(whole, ok);
	}
	return whole;
}

static void every_code_point_is_valid_but_surrogates(void **state)
{
	(void)state;
	for (uint32_t c = 0; c < 0x120000; c++) {
		char t[4];
		size_t n;

		if (c < 0x80) {
			t[0] = (char)c;
			n = 1;
		} else if (c < 0x800) {
			t[0] = (char)(0xc0 | c >> 6);
			t[1] = (char)(0x80 | (c & 0x3f));
			n = 2;
		} else if (c < 0x10000) {
			t[0] = (char)(0xe0 | c >> 12);
			t[1] = (char)(0x80 | (c >> 6 & 0x3f));
			t[2] = (char)(0x80 | (c & 0x3f));
			n = 3;
		} else {
			t[0] = (char)(0xf0 | c >> 18);
			t[1] = (char)(0x80 | (c >> 12 & 0x3f));
			t[2] = (char)(0x80 | (c >> 6 & 0x3f));
			t[3] = (char)(0x80 | (c & 0x3f));
			n = 4;
		}
		assert_int_equal(valid(t, n),
				 !(c >= 0xd800 && c < 0xe000) && c < 0x110000);
		if (n > 1)
			assert_false(valid(t, n - 1));
	}
}

static void what_is_not_utf8_is_refused_however_it_is_cut(void **state)
{
	static const char *const bad[] = {
		"\x80",             /* continuation without a start */
		"\xbf\x80",         /* twice */
		"a\xc3",            /* cut short */
		"\xc3(",            /* start without continuation */
		"\xc0\xaf",         /* overlong '/', in two */
		"\xc1\xbf",         /* overlong */
		"\xe0\x80\xaf",     /* in three */
		"\xe0\x9f\xbf",     /* the largest such */
		"\xf0\x80\x80\xaf", /* in four */
		"\xf0\x8f\xbf\xbf", /* the largest such */
		"\xed\xa0\x80",     /* surrogate */
		"\xed\xbf\xbf",     /* surrogate */
		"\xf4\x90\x80\x80", /* above U+10FFFF */
		"\xf5\x80\x80\x80", /* no such start */
		"\xf8\x88\x80\x80\x80",
		"\xfe",
		"\xff",
		"ok\xe2\x82",
		"\xe2\x82x",
	};

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++)
		assert_false(valid_in_pieces(bad[i], strlen(bad[i])));
}

static void text_is_valid_however_it_is_cut(void **state)
{
	static const char text[] = "sip:\xc3\xa9\xe2\x82\xac\xf0\x9f\x93\x9e@x";

	(void)state;
	assert_true(valid_in_pieces(text, sizeof(text))); /* with a NUL */
	assert_true(valid_in_pieces("", 0));
}

static void a_bad_byte_is_not_forgotten(void **state)
{
	struct gw_utf8 u;

	(void)state;
	gw_utf8_init(&u);
	assert_false(gw_utf8_feed(&u, "\xff", 1));
	assert_false(gw_utf8_feed(&u, "fine", 4));
	assert_false(gw_utf8_complete(&u));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point_is_valid_but_surrogates),
		cmocka_unit_test(what_is_not_utf8_is_refused_however_it_is_cut),
		cmocka_unit_test(text_is_valid_however_it_is_cut),
		cmocka_unit_test(a_bad_byte_is_not_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
