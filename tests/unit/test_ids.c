#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <ctype.h>
#include <errno.h>

#include "gateway/base/ids.h"

/* RFC 4648 10 */
static const char *const vectors[][2] = {
	{"",        ""        },
	{ "f",      "Zg=="    },
	{ "fo",     "Zm8="    },
	{ "foo",    "Zm9v"    },
	{ "foob",   "Zm9vYg=="},
	{ "fooba",  "Zm9vYmE="},
	{ "foobar", "Zm9vYmFy"},
};

static void base64_is_that_of_rfc_4648(void **state)
{
	char text[32], back[32];

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		size_t n = strlen(vectors[i][0]);
		char *pad;

		gw_base64_encode(text, vectors[i][0], n);
		assert_string_equal(vectors[i][1], text);
		assert_int_equal(n, gw_base64_decode(back, sizeof(back), text,
						     strlen(text)));
		assert_memory_equal(vectors[i][0], back, n);

		gw_base64url_encode(text, vectors[i][0], n);
		pad = strchr(text, '=');
		assert_null(pad);
		assert_memory_equal(vectors[i][1], text, strlen(text));
		assert_int_equal(n, gw_base64url_decode(back, sizeof(back),
							text, strlen(text)));
	}
	gw_base64_encode(text, "\xfb\xff\xfe", 3);
	assert_string_equal("+//+", text);
	gw_base64url_encode(text, "\xfb\xff\xfe", 3);
	assert_string_equal("-__-", text);
}

static void every_byte_survives_the_way_there_and_back(void **state)
{
	unsigned char in[256], out[256];
	char text[400];

	(void)state;
	for (int i = 0; i < 256; i++)
		in[i] = (unsigned char)(i * 167);
	for (size_t n = 0; n <= 256; n++) {
		gw_base64url_encode(text, in, n);
		assert_int_equal(
			n, gw_base64url_decode(out, n, text, strlen(text)));
		assert_memory_equal(in, out, n);
		gw_base64_encode(text, in, n);
		assert_int_equal(n,
				 gw_base64_decode(out, n, text, strlen(text)));
		assert_memory_equal(in, out, n);
	}
}

static void other_spellings_are_refused(void **state)
{
	static const char *const bad[] = {
		"Z",    "Zg=",  "Zg",   "Zg==Zg==", "Z===", "====", "Zh==",
		"Zm9=", "Zg= ", "Z g=", "Zm9v\n",   "Zm-v", "=Zg=", "Zm9vYg=a",
	};
	static const char *const bad_url[] = {
		"Z", "Zg==", "Zm+v", "Zm/v", "Zh", "Zm9", "Zm8=", "Zm8 ",
	};
	char out[16];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(-EINVAL,
				 gw_base64_decode(out, sizeof(out), bad[i],
						  strlen(bad[i])));
	for (size_t i = 0; i < sizeof(bad_url) / sizeof(bad_url[0]); i++)
		assert_int_equal(-EINVAL, gw_base64url_decode(
						  out, sizeof(out), bad_url[i],
						  strlen(bad_url[i])));
}

static void a_value_too_long_is_refused_before_it_is_written(void **state)
{
	char out[4] = "abc";

	(void)state;
	assert_int_equal(-ENOSPC, gw_base64_decode(out, 3, "Zm9vYg==", 8));
	assert_int_equal(-ENOSPC, gw_base64url_decode(out, 3, "Zm9vYg", 6));
	assert_string_equal("abc", out);
	assert_int_equal(0, gw_base64_decode(out, 0, "", 0));
}

static void tokens_are_of_letters_and_digits_and_differ(void **state)
{
	char t[64][23];
	unsigned seen[128] = { 0 };
	char big[6201];

	(void)state;
	for (int i = 0; i < 64; i++) {
		gw_random_token(t[i], sizeof(t[i]), 22);
		assert_int_equal(22, strlen(t[i]));
		for (int k = 0; k < 22; k++)
			assert_true(isalnum((unsigned char)t[i][k]));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(t[i], t[k]);
	}
	/* Each of the 62 about 100 times: far outside 40..200 is a bias. */
	gw_random_token(big, sizeof(big), 6200);
	for (int i = 0; i < 6200; i++)
		seen[(unsigned char)big[i] & 127]++;
	for (int c = 0; c < 128; c++)
		if (isalnum(c))
			assert_in_range(seen[c], 40, 200);
}

static void numbers_are_not_constant(void **state)
{
	uint64_t or64 = 0, and64 = UINT64_MAX;
	uint32_t or32 = 0, and32 = UINT32_MAX;

	(void)state;
	for (int i = 0; i < 64; i++) {
		uint64_t a = gw_random_u64();
		uint32_t b = gw_random_u32();

		or64 |= a;
		and64 &= a;
		or32 |= b;
		and32 &= b;
	}
	assert_true(or64 == UINT64_MAX && and64 == 0);
	assert_true(or32 == UINT32_MAX && and32 == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_is_that_of_rfc_4648),
		cmocka_unit_test(every_byte_survives_the_way_there_and_back),
		cmocka_unit_test(other_spellings_are_refused),
		cmocka_unit_test(
			a_value_too_long_is_refused_before_it_is_written),
		cmocka_unit_test(tokens_are_of_letters_and_digits_and_differ),
		cmocka_unit_test(numbers_are_not_constant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
