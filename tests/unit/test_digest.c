#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "sip/digest.h"

/* RFC 7616 3.9.1, where the values are those of the RFC. */
static const struct gw_digest_who mufasa = { .username = "Mufasa",
					     .password = "Circle of Life" };
#define REALM  "realm=\"http-auth@example.org\""
#define NONCE  "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\""
#define OPAQUE "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
#define CNONCE "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"

static void rfc7616_example(const char *algorithm, const char *response)
{
	const char *params[] = { REALM,     "qop=\"auth, auth-int\"",
				 algorithm, NONCE,
				 OPAQUE,    NULL };
	struct gw_digest d = { 0 };
	char buf[1024];

	assert_int_equal(gw_digest_challenge(&d, false, "Digest", params, NULL),
			 0);
	assert_int_equal(gw_digest_answer(&d, buf, sizeof(buf), &mufasa, "GET",
					  "/dir/index.html", CNONCE),
			 0);
	assert_non_null(strstr(buf, response));
	assert_non_null(strstr(buf, "nc=00000001"));
	assert_non_null(strstr(buf, "qop=auth,"));
	assert_non_null(strstr(buf, OPAQUE));
	assert_non_null(strstr(buf, algorithm));
}

static void md5_is_that_of_rfc7616(void **state)
{
	(void)state;
	rfc7616_example("algorithm=MD5",
			"response=\"8ca523f5e9506fed4657c9700eebdbec\"");
}

static void sha256_is_that_of_rfc7616(void **state)
{
	(void)state;
	rfc7616_example("algorithm=SHA-256",
			"response=\"753927fa0e85d155564e2e272a28d1802ca10daf449"
			"6794697cf8db5856cb6c1\"");
}

static void challenge_without_qop_is_answered_the_old_way(void **state)
{
	/* RFC 2069 2.4 with its errata's value */
	const struct gw_digest_who who = { .username = "Mufasa",
					   .password = "CircleOfLife" };
	const char *params[] = { "realm=\"testrealm@host.com\"",
				 "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"",
				 NULL };
	struct gw_digest d = { 0 };
	char buf[512];

	(void)state;
	assert_int_equal(gw_digest_challenge(&d, true, "digest", params, NULL),
			 0);
	assert_true(d.proxy);
	assert_int_equal(gw_digest_answer(&d, buf, sizeof(buf), &who, "GET",
					  "/dir/index.html", NULL),
			 0);
	assert_non_null(
		strstr(buf, "response=\"1949323746fe6a43ef61f9606e7febea\""));
	assert_null(strstr(buf, "cnonce"));
	assert_null(strstr(buf, "algorithm"));
}

static void nonce_count_rises_and_a_new_challenge_resets_it(void **state)
{
	const char *params[] = { REALM, NONCE, "qop=auth", "stale=TRUE", NULL };
	struct gw_digest d = { 0 };
	bool stale = false;
	char buf[1024];

	(void)state;
	assert_int_equal(
		gw_digest_challenge(&d, false, "Digest", params, &stale), 0);
	assert_true(stale);
	for (int i = 0; i < 17; i++)
		assert_int_equal(gw_digest_answer(&d, buf, sizeof(buf), &mufasa,
						  "INVITE", "sip:x", NULL),
				 0);
	assert_non_null(strstr(buf, "nc=00000011"));
	params[3] = NULL;
	assert_int_equal(
		gw_digest_challenge(&d, false, "Digest", params, &stale), 0);
	assert_false(stale);
	(void)gw_digest_answer(&d, buf, sizeof(buf), &mufasa, "INVITE", "sip:x",
			       NULL);
	assert_non_null(strstr(buf, "nc=00000001"));
}

static void what_cannot_be_answered_changes_nothing(void **state)
{
	static const struct {
		const char *scheme, *params[4];
		int err;
	} row[] = {
		{"Basic",   { REALM },                               -ENOTSUP},
		{ "Digest", { REALM, NONCE, "algorithm=AKAv1-MD5" }, -ENOTSUP},
		{ "Digest", { REALM, NONCE, "qop=\"auth-int\"" },    -ENOTSUP},
		{ "Digest", { REALM },                               -EINVAL },
		{ "Digest", { NONCE },                               -EINVAL },
		{ "Digest", { "realm=\"a\r\nX: y\"", NONCE },        -EINVAL },
		{ NULL,     { REALM, NONCE },                        -ENOTSUP},
	};
	struct gw_digest d = { .nonce = "old", .realm = "old", .nc = 3 };
	const struct gw_digest before = d;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		assert_int_equal(gw_digest_challenge(&d, false, row[i].scheme,
						     row[i].params, NULL),
				 row[i].err);
		assert_memory_equal(&d, &before, sizeof(d));
	}
	assert_int_equal(gw_digest_challenge(&d, false, "Digest", NULL, NULL),
			 -EINVAL);
}

static void too_long_values_and_buffers_are_refused(void **state)
{
	const char *ok[] = { REALM, NONCE, "qop=auth", OPAQUE, NULL };
	char nonce[400], buf[1024];
	const char *params[] = { REALM, nonce, NULL };
	struct gw_digest d = { 0 };

	(void)state;
	(void)snprintf(nonce, sizeof(nonce), "nonce=\"%0300d\"", 1);
	assert_int_equal(gw_digest_challenge(&d, false, "Digest", params, NULL),
			 -EINVAL);
	assert_int_equal(gw_digest_challenge(&d, false, "Digest", ok, NULL), 0);
	/* no size in between overruns or is taken for success */
	for (size_t size = 1; size < 420; size++) {
		struct gw_digest again = d;
		char *exact = test_malloc(size);
		int r = gw_digest_answer(&again, exact, size, &mufasa, "INVITE",
					 "sip:bob@far.test", "c");

		assert_true(r == 0 || r == -ENOSPC);
		if (!r)
			assert_true(strlen(exact) < size);
		test_free(exact);
	}
	assert_int_equal(gw_digest_answer(&d, buf, sizeof(buf), &mufasa,
					  "INVITE", "sip:bob@far.test", "c"),
			 0);
}

static void quotes_in_values_stay_inside_them(void **state)
{
	const char *params[] = { "realm=\"a \\\"b\\\" \\\\\"", NONCE, NULL };
	struct gw_digest d = { 0 };
	char buf[512];

	(void)state;
	assert_int_equal(gw_digest_challenge(&d, false, "Digest", params, NULL),
			 0);
	assert_string_equal(d.realm, "a \"b\" \\");
	assert_int_equal(gw_digest_answer(&d, buf, sizeof(buf), &mufasa,
					  "INVITE", "sip:x", NULL),
			 0);
	assert_non_null(strstr(buf, "realm=\"a \\\"b\\\" \\\\\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(md5_is_that_of_rfc7616),
		cmocka_unit_test(sha256_is_that_of_rfc7616),
		cmocka_unit_test(challenge_without_qop_is_answered_the_old_way),
		cmocka_unit_test(
			nonce_count_rises_and_a_new_challenge_resets_it),
		cmocka_unit_test(what_cannot_be_answered_changes_nothing),
		cmocka_unit_test(too_long_values_and_buffers_are_refused),
		cmocka_unit_test(quotes_in_values_stay_inside_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
