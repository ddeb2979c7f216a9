#include "tests/unit/cm.h"

#include <errno.h>

#include "tests/unit/jwt_sign.h"
#include "webrtc/jwt.h"

#define NOW 1700000000
#define CLAIMS                                                                 \
	"\"iss\":\"https://i\",\"aud\":\"gw\",\"sub\":\"sip:alice@x\","        \
	"\"exp\":1700000100"

enum { K_RSA, K_EC, K_ED, K_OTHER, NKEYS };

static struct gw_set_auth set;
static struct gw_jwt_keys *keys;
static EVP_PKEY *pkey[NKEYS];
static struct gw_jwt_claims claims;

static void use_key(size_t i, const char *kid, const char *alg,
		    const char *type, const char *param)
{
	pkey[i] = key_make(type, param, set.key[i].file);
	strcpy(set.key[i].kid, kid);
	strcpy(set.key[i].alg, alg);
}

static int setup(void **state)
{
	char err[256] = "";

	(void)state;
	strcpy(set.issuer, "https://i");
	strcpy(set.audience, "gw");
	strcpy(set.claims.webrtc_id, "webrtcId");
	strcpy(set.claims.impi, "impi");
	strcpy(set.claims.impus, "impus");
	strcpy(set.claims.name, "name");
	set.leeway_s = 10;
	set.nkey = NKEYS;
	use_key(K_RSA, "rsa", "RS256", "RSA", "2048");
	use_key(K_EC, "ec", "ES256", "EC", "P-256");
	use_key(K_ED, "", "EdDSA", "ED25519", NULL);
	use_key(K_OTHER, "", "EdDSA", "ED25519", NULL);
	if (gw_jwt_keys_new(&keys, &set, err, sizeof(err)))
		fail_msg("%s", err);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gw_jwt_keys_free(keys);
	for (int i = 0; i < NKEYS; i++) {
		EVP_PKEY_free(pkey[i]);
		(void)unlink(set.key[i].file);
	}
	return 0;
}

static enum gw_jwt_fault check(const char *token)
{
	return gw_jwt_verify(keys, token, strlen(token), NOW, &claims);
}

static enum gw_jwt_fault check_new(int k, const char *header,
				   const char *payload)
{
	char *token = token_make(pkey[k], header, payload);
	enum gw_jwt_fault fault = check(token);

	free(token);
	return fault;
}

static void each_algorithm_is_verified(void **state)
{
	(void)state;
	assert_int_equal(GW_JWT_OK,
			 check_new(K_RSA, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}",
				   "{" CLAIMS "}"));
	assert_string_equal("sip:alice@x", claims.subject);
	assert_int_equal(NOW + 100, claims.exp_s);
	assert_int_equal(GW_JWT_OK,
			 check_new(K_EC, "{\"alg\":\"ES256\",\"kid\":\"ec\"}",
				   "{" CLAIMS "}"));
	assert_int_equal(GW_JWT_OK, check_new(K_ED, "{\"alg\":\"EdDSA\"}",
					      "{" CLAIMS "}"));
}

static void without_kid_every_key_without_kid_is_tried(void **state)
{
	(void)state;
	assert_int_equal(GW_JWT_OK, check_new(K_OTHER, "{\"alg\":\"EdDSA\"}",
					      "{" CLAIMS "}"));
	/* The key is there, but under a name that the token does not give. */
	assert_int_equal(
		GW_JWT_ALGORITHM,
		check_new(K_EC, "{\"alg\":\"ES256\"}", "{" CLAIMS "}"));
	assert_int_equal(GW_JWT_NO_KEY,
			 check_new(K_EC, "{\"alg\":\"ES256\",\"kid\":\"no\"}",
				   "{" CLAIMS "}"));
}

static void the_key_decides_on_the_algorithm(void **state)
{
	static const char *const algs[] = { "none",  "None",  "HS256",
					    "RS512", "ES256", "" };
	char header[128];

	(void)state;
	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		(void)snprintf(header, sizeof(header),
			       "{\"alg\":\"%s\",\"kid\":\"rsa\"}", algs[i]);
		assert_int_equal(GW_JWT_ALGORITHM,
				 check_new(K_RSA, header, "{" CLAIMS "}"));
	}
	assert_int_equal(GW_JWT_ALGORITHM,
			 check_new(K_RSA, "{\"kid\":\"rsa\"}", "{" CLAIMS "}"));
	/* Unsigned, as the classic attack has it. */
	assert_int_equal(GW_JWT_ALGORITHM, check("eyJhbGciOiJub25lIn0.e30."));
}

static void a_changed_token_is_refused(void **state)
{
	char *token =
		token_make(pkey[K_ED], "{\"alg\":\"EdDSA\"}", "{" CLAIMS "}");
	char *dot = strchr(token, '.');
	char *sig = strrchr(token, '.') + 1;

	(void)state;
	assert_int_equal(GW_JWT_OK, check(token));
	dot[3] = dot[3] == 'x' ? 'y' : 'x';
	assert_int_equal(GW_JWT_SIGNATURE, check(token));
	free(token);
	token = token_make(pkey[K_ED], "{\"alg\":\"EdDSA\"}", "{" CLAIMS "}");
	sig = strrchr(token, '.') + 1;
	sig[0] = sig[0] == 'x' ? 'y' : 'x';
	assert_int_equal(GW_JWT_SIGNATURE, check(token));
	sig[0] = '\0';
	assert_int_equal(GW_JWT_SIGNATURE, check(token));
	free(token);
	/* An ECDSA signature in DER, or cut short, is no JWS signature. */
	token = token_make(pkey[K_EC], "{\"alg\":\"ES256\",\"kid\":\"ec\"}",
			   "{" CLAIMS "}");
	token[strlen(token) - 4] = '\0';
	assert_true(check(token) == GW_JWT_SIGNATURE ||
		    check(token) == GW_JWT_BROKEN); /* by the spare bits */
	free(token);
}

static void malformed_tokens_are_told_apart(void **state)
{
	static const char *const bad[] = {
		"",        ".",       "..",       "a.b",        "a.b.c",
		"a.b.c.d", "e30.e30", "!!.e30.x", "e30=.e30.x",
	};
	char *big = calloc(1, GW_JWT_MAX + 2);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(GW_JWT_BROKEN, check(bad[i]));
	assert_non_null(big);
	memset(big, 'a', GW_JWT_MAX + 1);
	assert_int_equal(GW_JWT_BROKEN, check(big));
	free(big);
	assert_int_equal(GW_JWT_BROKEN,
			 check_new(K_ED, "{\"alg\":\"EdDSA\"}", "[1]"));
	assert_int_equal(GW_JWT_BROKEN, check_new(K_ED, "{\"alg\":\"EdDSA\"}",
						  "{\"exp\":\"soon\"}"));
	assert_int_equal(GW_JWT_CRITICAL,
			 check_new(K_ED,
				   "{\"alg\":\"EdDSA\",\"crit\":[\"b64\"]}",
				   "{" CLAIMS "}"));
}

static void claims_are_held_to(void **state)
{
	static const struct {
		const char *claims;
		enum gw_jwt_fault fault;
	} cases[] = {
		{"{\"iss\":\"https://i\",\"aud\":\"gw\",\"sub\":\"s\"}",
                 GW_JWT_EXPIRED							   },
		{ "{" CLAIMS ",\"exp\":1699999991}",                     GW_JWT_OK        }, /* leeway */
		{ "{" CLAIMS ",\"exp\":1699999990}",                     GW_JWT_EXPIRED   },
		{ "{" CLAIMS ",\"exp\":1e400}",                          GW_JWT_BROKEN    },
		{ "{" CLAIMS ",\"exp\":-5}",                             GW_JWT_BROKEN    },
		{ "{" CLAIMS ",\"nbf\":1700000010}",                     GW_JWT_OK        },
		{ "{" CLAIMS ",\"nbf\":1700000011}",                     GW_JWT_NOT_YET   },
		{ "{" CLAIMS ",\"iat\":1700000011}",                     GW_JWT_NOT_YET   },
		{ "{" CLAIMS ",\"iss\":\"https://j\"}",                  GW_JWT_ISSUER    },
		{ "{" CLAIMS ",\"iss\":7}",                              GW_JWT_ISSUER    },
		{ "{" CLAIMS ",\"aud\":\"gw2\"}",                        GW_JWT_AUDIENCE  },
		{ "{" CLAIMS ",\"aud\":[\"x\",\"gw\"]}",                 GW_JWT_OK        },
		{ "{" CLAIMS ",\"aud\":[\"x\",7]}",                      GW_JWT_AUDIENCE  },
		{ "{" CLAIMS ",\"sub\":\"\"}",                           GW_JWT_NO_SUBJECT},
		{ "{" CLAIMS ",\"webrtcId\":7}",                         GW_JWT_NO_SUBJECT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum gw_jwt_fault fault =
			check_new(K_ED, "{\"alg\":\"EdDSA\"}", cases[i].claims);

		if (fault != cases[i].fault)
			fail_msg("%s: %s", cases[i].claims,
				 gw_jwt_fault_name(fault));
	}
	assert_int_equal(GW_JWT_OK,
			 check_new(K_ED, "{\"alg\":\"EdDSA\"}",
				   "{" CLAIMS ",\"webrtcId\":\"tel:+1555\"}"));
	assert_string_equal("tel:+1555", claims.subject);
}

static void nothing_unsigned_is_believed(void **state)
{
	(void)state;
	/* Right in every claim, signed by someone else. */
	EVP_PKEY *mallory = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	char *token =
		token_make(mallory, "{\"alg\":\"EdDSA\"}", "{" CLAIMS "}");

	memset(&claims, 0, sizeof(claims));
	assert_int_equal(GW_JWT_SIGNATURE, check(token));
	assert_string_equal("", claims.subject);
	free(token);
	EVP_PKEY_free(mallory);
}

static void unusable_keys_are_refused_at_start(void **state)
{
	struct gw_set_auth s = { .issuer = "i", .audience = "a", .nkey = 1 };
	struct gw_jwt_keys *none = NULL;
	char err[256] = "";
	EVP_PKEY *weak = key_make("RSA", "1024", s.key[0].file);

	(void)state;
	strcpy(s.key[0].alg, "RS256");
	assert_int_equal(-EINVAL, gw_jwt_keys_new(&none, &s, err, sizeof(err)));
	assert_non_null(strstr(err, "shorter than 2048"));
	strcpy(s.key[0].alg, "ES256");
	assert_int_equal(-EINVAL, gw_jwt_keys_new(&none, &s, err, sizeof(err)));
	strcpy(s.key[0].alg, "HS256");
	assert_int_equal(-EINVAL, gw_jwt_keys_new(&none, &s, err, sizeof(err)));
	(void)unlink(s.key[0].file);
	assert_int_equal(-EINVAL, gw_jwt_keys_new(&none, &s, err, sizeof(err)));
	assert_non_null(strstr(err, s.key[0].file));
	s.issuer[0] = '\0';
	assert_int_equal(-EINVAL, gw_jwt_keys_new(&none, &s, err, sizeof(err)));
	assert_null(none);
	EVP_PKEY_free(weak);
}

static void the_identity_for_the_core_is_read(void **state)
{
	static const char header[] = "{\"alg\":\"RS256\",\"kid\":\"rsa\"}";

	(void)state;
	assert_int_equal(GW_JWT_OK,
			 check_new(K_RSA, header,
				   "{" CLAIMS ",\"impi\":\"alice@ims.example\","
				   "\"impus\":[\"sip:alice@ims.example\","
				   "\"tel:+1555\"],\"name\":\"Alice\"}"));
	assert_string_equal("alice@ims.example", claims.impi);
	assert_int_equal(2, claims.nimpu);
	assert_string_equal("tel:+1555", claims.impu[1]);
	assert_string_equal("Alice", claims.name);
	assert_int_equal(GW_JWT_OK, check_new(K_RSA, header,
					      "{" CLAIMS ",\"impus\":"
					      "\"sip:a@x\"}"));
	assert_int_equal(1, claims.nimpu);
	assert_string_equal("", claims.impi);
}

static void half_an_identity_is_none(void **state)
{
	static const char *const bad[] = {
		",\"impi\":7",
		",\"impi\":\"\"",
		",\"impi\":\"a b@x\"",
		",\"impi\":\"a@x\\r\\nVia: x\"",
		",\"impus\":[]x",
		",\"impus\":{}",
		",\"impus\":[1]",
		",\"impus\":[\"alice\"]",
		",\"impus\":[\"sip:<a>@x\"]",
		",\"impus\":[\"tel:1\",\"tel:2\",\"tel:3\",\"tel:4\","
		"\"tel:5\",\"tel:6\",\"tel:7\",\"tel:8\",\"tel:9\"]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[512];

		(void)snprintf(text, sizeof(text), "{" CLAIMS "%s}", bad[i]);
		if (check_new(K_RSA, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}",
			      text) == GW_JWT_OK)
			fail_msg("%s", bad[i]);
	}
}

/* Whoever can sign for one issuer cannot do so for the other. */
static void a_key_signs_for_its_own_issuer_only(void **state)
{
	static const char header[] = "{\"alg\":\"ES256\",\"kid\":\"own\"}";
	struct gw_jwt_keys *both, *before = keys;
	EVP_PKEY *own = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");

	(void)state;
	assert_int_equal(0, gw_jwt_keys_join(&both, keys, NULL));
	assert_null(gw_jwt_keys_add(both, "own", NULL, own, GW_JWT_WAF));
	gw_jwt_keys_waf(both, "https://waf");
	assert_int_equal(NKEYS + 1, gw_jwt_keys_count(both));
	keys = both;
	pkey[K_EC] = (EVP_PKEY_free(pkey[K_EC]), own);
	assert_int_equal(GW_JWT_ISSUER,
			 check_new(K_EC, header, "{" CLAIMS "}"));
	assert_int_equal(GW_JWT_AUDIENCE,
			 check_new(K_EC, header,
				   "{\"iss\":\"https://waf\",\"aud\":\"gw\","
				   "\"sub\":\"sip:alice@x\","
				   "\"exp\":1700000100}"));
	assert_int_equal(
		GW_JWT_OK,
		check_new(K_EC, header,
			  "{\"iss\":\"https://waf\",\"aud\":\"https://waf\","
			  "\"sub\":\"sip:alice@x\",\"exp\":1700000100}"));
	assert_int_equal(
		GW_JWT_ISSUER,
		check_new(K_RSA, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}",
			  "{\"iss\":\"https://waf\",\"aud\":\"https://waf\","
			  "\"sub\":\"sip:alice@x\",\"exp\":1700000100}"));
	keys = before;
	gw_jwt_keys_free(both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_algorithm_is_verified),
		cmocka_unit_test(without_kid_every_key_without_kid_is_tried),
		cmocka_unit_test(the_key_decides_on_the_algorithm),
		cmocka_unit_test(a_changed_token_is_refused),
		cmocka_unit_test(malformed_tokens_are_told_apart),
		cmocka_unit_test(claims_are_held_to),
		cmocka_unit_test(nothing_unsigned_is_believed),
		cmocka_unit_test(unusable_keys_are_refused_at_start),
		cmocka_unit_test(the_identity_for_the_core_is_read),
		cmocka_unit_test(half_an_identity_is_none),
		cmocka_unit_test(a_key_signs_for_its_own_issuer_only),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
