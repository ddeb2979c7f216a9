/*
 * Key sets (RFC 7517): which keys are taken, and what is left out; what a
 * provider's other answers are worth.
 */
#include "tests/unit/cm.h"

#include <errno.h>

#include "gateway/base/check.h"
#include "tests/unit/jwt_sign.h"
#include "webrtc/form.h"
#include "webrtc/http_fetch.h"
#include "webrtc/introspect.h"
#include "webrtc/jwk.h"

/* Made for this test; nobody has their private halves. */
#define N2048                                                                  \
	"qq75PkJNoR3JMJYBJI-GMqr3-ZcGYxVaV1ZCCTc_DwOoU9hzaLJy6qHqGa"           \
	"z2wPh-h-QqzYkHiTAzgy5Bi7PDnbsjNf3OpuE3gwsdTls_nsigvasNSOES"           \
	"LE1iF37GCuTcrP3ar3iz3rtGiXsD0ehnHV0Iitt2ZZTWOYZU8FK0-VfwFd"           \
	"PXmloyY_N8lRtOWP2lRzJTJLvM6MkwXDvr7MCbdtFmdLDr9H8oxX3j_jBa"           \
	"Zmc9GbrP5czh8ivtLfBmc0xFlXD80P-HOKZKqgI3e-EhJ1OMawzOgbhTJ1"           \
	"Xa8gkXzaoltKSxNxY3E6lRyC2doAp7YQpkUt2W3IIqXeN0Mc2pjw"
#define N1024                                                                  \
	"1FqGTaj18d2AABl7RDuk2DZ3f3C6oYM7xx-DkR_eDX9S0ex9SncJJNchGB"           \
	"KHfCx8XidIfCo7YkURm-G_N3ELZu7bkefs9KGLK-648x_QD4Hag_O-lREQ"           \
	"HgVInvMz1sD8jwiQlokNNuWL9Fp0wYm_1BGqRojRUVK-2BmAxbiqOGM"
#define X  "cOEf5TVqXQWT6d5267kRMlnodoWKptdYzBAEOB2zSwg"
#define Y  "mEK1qKfqU-D5H3Ay6bQBm2fTfthAP8Z2zAhjPwr5RgY"
#define ED "DcBNirWNB_KeVoSMJ7F6042Hgo8njhX6LCvz7gX6Dn0"

#define RSA(more) "{\"kty\":\"RSA\",\"n\":\"" N2048 "\",\"e\":\"AQAB\"" more "}"
#define EC(more)                                                               \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y         \
	"\"" more "}"
#define OKP(more)                                                              \
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED "\"" more "}"
#define SET(list) "{\"keys\":[" list "]}"

static struct gw_jwt_keys *keys;
static unsigned ignored;

static struct gw_jwt_keys *no_keys(void)
{
	static const struct gw_set_auth none;
	struct gw_jwt_keys *k;
	char err[64];

	assert_int_equal(0, gw_jwt_keys_new(&k, &none, err, sizeof(err)));
	return k;
}

static int parse(const char *text)
{
	gw_jwt_keys_free(keys);
	keys = no_keys();
	return gw_jwk_parse(keys, text, strlen(text), &ignored);
}

static int teardown(void **state)
{
	(void)state;
	gw_jwt_keys_free(keys);
	keys = NULL;
	return 0;
}

static void each_kind_of_key_is_taken(void **state)
{
	(void)state;
	assert_int_equal(3, parse(SET(RSA("") "," EC("") "," OKP(""))));
	assert_int_equal(0, ignored);
	assert_int_equal(3, gw_jwt_keys_count(keys));
	assert_int_equal(
		3, parse(SET(RSA(
			   ",\"alg\":\"RS256\",\"use\":\"sig\",\"kid\":"
			   "\"a\"") "," EC(",\"alg\":\"ES256\",\"key_ops\":"
					   "[\"verify\"]") "," OKP(",\"alg\":"
								   "\"EdDSA\","
								   "\"x5t\":"
								   "\"unknown"
								   "\""))));
}

/* One good key beside it shows that it alone is left out. */
static void what_cannot_be_used_is_left_out(void **state)
{
	static const char *const bad[] = {
		/* for encryption, or for signing only */
		RSA(",\"use\":\"enc\""),
		EC(",\"use\":7"),
		EC(",\"key_ops\":[\"sign\"]"),
		EC(",\"key_ops\":\"verify\""),
		/* algorithm and key do not fit, or it is none of ours */
		RSA(",\"alg\":\"ES256\""),
		EC(",\"alg\":\"RS256\""),
		OKP(",\"alg\":\"ES256\""),
		RSA(",\"alg\":\"HS256\""),
		RSA(",\"alg\":\"none\""),
		RSA(",\"alg\":\"RSA-OAEP\""),
		RSA(",\"alg\":null"),
		"{\"kty\":\"oct\",\"k\":\"AAAA\",\"alg\":\"HS256\"}",
		/* weak, or no key at all */
		"{\"kty\":\"RSA\",\"n\":\"" N1024 "\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"n\":\"" N2048 "\",\"e\":\"AQ\"}",
		"{\"kty\":\"RSA\",\"n\":\"" N2048 "\",\"e\":\"Ag\"}",
		"{\"kty\":\"RSA\",\"n\":\"" N2048
		"\",\"e\":\"AQABAQABAQABAQAB\"}",
		"{\"kty\":\"RSA\",\"n\":\"!\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"e\":\"AQAB\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" X
		"\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X "\",\"y\":\"" Y
		"\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\"}",
		"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" ED "\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
		"{\"crv\":\"P-256\"}",
		RSA(",\"kid\":7"),
		"7",
		"null",
		"[]",
	};
	char text[4096];

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++) {
		(void)snprintf(text, sizeof(text), SET("%s," EC("")), bad[i]);
		if (parse(text) != 1 || ignored != 1)
			fail_msg("%s", bad[i]);
	}
}

static void a_kid_that_is_too_long_is_left_out(void **state)
{
	char text[1024];

	(void)state;
	(void)snprintf(text, sizeof(text), SET(EC(",\"kid\":\"%0200d\"")), 0);
	assert_int_equal(0, parse(text));
	assert_int_equal(1, ignored);
}

static void what_is_no_key_set_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{}",
		"<html>",
		"{\"keys\":{}}",
		"{\"keys\":[]",
		"{\"keys\":[]}x",
	};

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++)
		assert_int_equal(-EINVAL, parse(bad[i]));
	assert_int_equal(0, parse("{\"keys\":[]}"));
}

static void there_is_an_end_to_the_keys(void **state)
{
	static char text[GW_JWK_SET_MAX + 100];
	size_t n;

	(void)state;
	strcpy(text, "{\"keys\":[");
	for (int i = 0; i < 200; i++) {
		strcat(text, i ? "," : "");
		strcat(text, OKP(""));
	}
	strcat(text, "]}");
	assert_int_equal(GW_JWT_KEYS, parse(text));
	assert_int_equal(200 - GW_JWT_KEYS, ignored);
	n = strlen(text);
	memset(text + n, ' ', GW_JWK_SET_MAX + 1 - n);
	text[GW_JWK_SET_MAX + 1] = '\0';
	assert_int_equal(-EINVAL, parse(text));
}

/* A public RSA key taken for an HMAC secret, or for another algorithm. */
static void a_token_cannot_choose_its_algorithm(void **state)
{
	static const char *const headers[] = {
		"{\"alg\":\"none\",\"kid\":\"r\"}",
		"{\"alg\":\"HS256\",\"kid\":\"r\"}",
		"{\"alg\":\"ES256\",\"kid\":\"r\"}",
		"{\"alg\":\"RS512\",\"kid\":\"r\"}",
	};
	struct gw_jwt_claims claims;
	char token[1024];

	(void)state;
	assert_int_equal(1, parse(SET(RSA(",\"kid\":\"r\""))));
	for (size_t i = 0; i < GW_ARRAY_LEN(headers); i++) {
		gw_base64url_encode(token, headers[i], strlen(headers[i]));
		strcat(token, ".e30.AAAA");
		assert_int_equal(
			GW_JWT_ALGORITHM,
			gw_jwt_verify(keys, token, strlen(token), 0, &claims));
	}
	strcpy(token, "");
	gw_base64url_encode(token, "{\"alg\":\"RS256\",\"kid\":\"s\"}",
			    strlen("{\"alg\":\"RS256\",\"kid\":\"s\"}"));
	strcat(token, ".e30.AAAA");
	assert_int_equal(GW_JWT_NO_KEY,
			 gw_jwt_verify(keys, token, strlen(token), 0, &claims));
}

/* ---- Cache-Control ---- */

static void the_age_is_what_cache_control_says(void **state)
{
	static const struct {
		const char *field;
		int64_t age;
	} cases[] = {
		{"",					    -1      },
		{ " public",				    -1      },
		{ " max-age=60",                                60      },
		{ " public, max-age=3600, must-revalidate\r\n", 3600    },
		{ " MAX-AGE=5",				 5       },
		{ " max-age=5, max-age=9",                      5       },
		{ " max-age=",				  -1      },
		{ " max-age=x",				 -1      },
		{ " max-age=-1",                                -1      },
		{ " max-age=99999999999999999999",              31536000},
		{ " max-age=60, no-store",                      0       },
		{ " no-cache",				  0       },
		{ " x-max-age=60",                              -1      },
	};

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(cases); i++)
		if (gw_fetch_max_age(cases[i].field, strlen(cases[i].field)) !=
		    cases[i].age)
			fail_msg("%s", cases[i].field);
}

/* ---- introspection ---- */

static enum gw_introspect_result verdict(const char *body)
{
	static const struct gw_set_auth set = {
		.issuer = "https://i",
		.audience = "gw",
		.leeway_s = 10,
		.claims = {"webrtcId", "impi", "impus", "name"},
	};
	struct gw_jwt_claims claims;
	const char *why;
	enum gw_introspect_result r = gw_introspect_read(
		&set, body, strlen(body), 1000, &claims, &why);

	if (r == GW_INTROSPECT_GOOD)
		assert_string_equal("sip:a@x", claims.subject);
	else
		assert_non_null(why);
	return r;
}

#define SUB "\"active\":true,\"sub\":\"sip:a@x\""

static void only_an_active_token_for_us_is_good(void **state)
{
	(void)state;
	assert_int_equal(GW_INTROSPECT_GOOD, verdict("{" SUB "}"));
	assert_int_equal(GW_INTROSPECT_GOOD,
			 verdict("{" SUB ",\"exp\":995,\"aud\":[\"gw\"],"
				 "\"iss\":\"https://i\"}"));
	assert_int_equal(GW_INTROSPECT_INACTIVE, verdict("{\"active\":false}"));
	assert_int_equal(GW_INTROSPECT_INACTIVE,
			 verdict("{" SUB ",\"exp\":990}"));
	assert_int_equal(GW_INTROSPECT_INACTIVE,
			 verdict("{" SUB ",\"exp\":\"2000\"}"));
	assert_int_equal(GW_INTROSPECT_INACTIVE,
			 verdict("{" SUB ",\"nbf\":1011}"));
	assert_int_equal(GW_INTROSPECT_INACTIVE,
			 verdict("{" SUB ",\"aud\":\"other\"}"));
	assert_int_equal(GW_INTROSPECT_INACTIVE,
			 verdict("{" SUB ",\"iss\":\"https://o\"}"));
	assert_int_equal(GW_INTROSPECT_INACTIVE, verdict("{\"active\":true}"));
}

static void an_unreadable_answer_decides_nothing(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"{\"active\":\"true\"}",
		"{\"active\":1}",
		"{\"active\":true",
		"<html>",
	};

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++)
		assert_int_equal(GW_INTROSPECT_UNREACHABLE, verdict(bad[i]));
}

/* ---- forms ---- */

static void form_values_are_found_once(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(GW_FORM_FOUND,
			 gw_form_get("a=1&b=x%20y+z&c", "b", out, 8));
	assert_string_equal("x y z", out);
	assert_int_equal(GW_FORM_ABSENT, gw_form_get("ab=1", "a", out, 8));
	assert_int_equal(GW_FORM_ABSENT, gw_form_get("a=&b=1", "a", out, 8));
	assert_int_equal(GW_FORM_ABSENT, gw_form_get("", "a", out, 8));
	assert_int_equal(GW_FORM_BROKEN, gw_form_get("a=1&a=1", "a", out, 8));
	assert_int_equal(GW_FORM_BROKEN,
			 gw_form_get("a=12345678", "a", out, 8));
	assert_int_equal(GW_FORM_BROKEN, gw_form_get("a=%", "a", out, 8));
	assert_int_equal(GW_FORM_BROKEN, gw_form_get("a=%0", "a", out, 8));
	assert_int_equal(GW_FORM_BROKEN, gw_form_get("a=%0g", "a", out, 8));
	assert_int_equal(GW_FORM_BROKEN, gw_form_get("a=x%00", "a", out, 8));
	assert_int_equal(GW_FORM_BROKEN, gw_form_get("a=x%0d%0a", "a", out, 8));
	assert_string_equal("", out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_key_is_taken),
		cmocka_unit_test(what_cannot_be_used_is_left_out),
		cmocka_unit_test(a_kid_that_is_too_long_is_left_out),
		cmocka_unit_test(what_is_no_key_set_is_refused),
		cmocka_unit_test(there_is_an_end_to_the_keys),
		cmocka_unit_test(a_token_cannot_choose_its_algorithm),
		cmocka_unit_test(the_age_is_what_cache_control_says),
		cmocka_unit_test(only_an_active_token_for_us_is_good),
		cmocka_unit_test(an_unreadable_answer_decides_nothing),
		cmocka_unit_test(form_values_are_found_once),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
