#include "webrtc/jwk.h"

#include <errno.h>
#include <json-c/json.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/ids.h"

#define JSON_DEPTH    8
#define MAX_KEYS      64   /* that are looked at */
#define MAX_RSA_BYTES 1024 /* 8192 bits */
#define MAX_EXP_BYTES 8
#define P256_BYTES    32
#define ED25519_BYTES 32

/* The bytes of member @name, or -1. */
static int bytes_of(struct json_object *jwk, const char *name, void *out,
		    size_t size)
{
	const char *s = gw_claims_string(jwk, name);
	int n = s ? gw_base64url_decode(out, size, s, strlen(s)) : -1;

	return n > 0 ? n : -1;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *bld)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;

	if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return pkey;
}

/* RFC 7518 6.3.1.  An exponent that is even, 1, or huge is no key's. */
static EVP_PKEY *read_rsa(struct json_object *jwk)
{
	unsigned char n[MAX_RSA_BYTES + 1], e[MAX_EXP_BYTES];
	int nlen = bytes_of(jwk, "n", n, sizeof(n));
	int elen = bytes_of(jwk, "e", e, sizeof(e));
	OSSL_PARAM_BLD *bld;
	BIGNUM *bn, *be;
	EVP_PKEY *pkey = NULL;

	if (nlen < 0 || elen < 0)
		return NULL;
	bld = OSSL_PARAM_BLD_new();
	bn = BN_bin2bn(n, nlen, NULL);
	be = BN_bin2bn(e, elen, NULL);
	if (bld && bn && be && BN_is_odd(bn) && BN_is_odd(be) &&
	    !BN_is_one(be) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be))
		pkey = from_params("RSA", bld);
	OSSL_PARAM_BLD_free(bld);
	BN_free(bn);
	BN_free(be);
	return pkey;
}

/* RFC 7518 6.2.1; OpenSSL refuses a point that is not on the curve. */
static EVP_PKEY *read_ec(struct json_object *jwk)
{
	const char *crv = gw_claims_string(jwk, "crv");
	unsigned char point[1 + 2 * P256_BYTES] = { 4 }; /* uncompressed */
	OSSL_PARAM_BLD *bld;
	EVP_PKEY *pkey = NULL;

	if (!crv || strcmp(crv, "P-256") != 0 ||
	    bytes_of(jwk, "x", point + 1, P256_BYTES) != P256_BYTES ||
	    bytes_of(jwk, "y", point + 1 + P256_BYTES, P256_BYTES) !=
		    P256_BYTES)
		return NULL;
	bld = OSSL_PARAM_BLD_new();
	if (bld &&
	    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
					    "prime256v1", 0) &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
					     point, sizeof(point)))
		pkey = from_params("EC", bld);
	OSSL_PARAM_BLD_free(bld);
	return pkey;
}

/* RFC 8037 2. */
static EVP_PKEY *read_okp(struct json_object *jwk)
{
	const char *crv = gw_claims_string(jwk, "crv");
	unsigned char x[ED25519_BYTES];

	if (!crv || strcmp(crv, "Ed25519") != 0 ||
	    bytes_of(jwk, "x", x, sizeof(x)) != ED25519_BYTES)
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x,
					   sizeof(x));
}

static const struct {
	const char *kty;
	EVP_PKEY *(*read)(struct json_object *jwk);
} kinds[] = {
	{"RSA",  read_rsa}, /* RFC 7518 6.3 */
	{ "EC",  read_ec }, /* RFC 7518 6.2 */
	{ "OKP", read_okp}, /* RFC 8037 2 */
};

/* RFC 7517 4.2, 4.3: what is said about the use must be signatures. */
static bool is_for_signatures(struct json_object *jwk)
{
	struct json_object *v, *op;
	const char *use;

	if (json_object_object_get_ex(jwk, "use", &v)) {
		use = gw_claims_string(jwk, "use");
		if (!use || strcmp(use, "sig") != 0)
			return false;
	}
	if (!json_object_object_get_ex(jwk, "key_ops", &v))
		return true;
	if (!json_object_is_type(v, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(v); i++) {
		op = json_object_array_get_idx(v, i);
		if (json_object_is_type(op, json_type_string) &&
		    !strcmp(json_object_get_string(op), "verify"))
			return true;
	}
	return false;
}

static bool add(struct gw_jwt_keys *keys, struct json_object *jwk)
{
	const char *kty, *kid = "", *alg = NULL;
	struct json_object *v;
	EVP_PKEY *pkey = NULL;
	bool added;

	if (!json_object_is_type(jwk, json_type_object) ||
	    !is_for_signatures(jwk))
		return false;
	kty = gw_claims_string(jwk, "kty");
	if (!kty)
		return false;
	if (json_object_object_get_ex(jwk, "kid", &v)) {
		kid = gw_claims_string(jwk, "kid");
		if (!kid)
			return false;
	}
	if (json_object_object_get_ex(jwk, "alg", &v)) {
		alg = gw_claims_string(jwk, "alg");
		if (!alg)
			return false;
	}
	for (size_t i = 0; i < GW_ARRAY_LEN(kinds) && !pkey; i++)
		if (!strcmp(kinds[i].kty, kty))
			pkey = kinds[i].read(jwk);
	if (!pkey)
		return false;
	added = !gw_jwt_keys_add(keys, kid, alg, pkey, GW_JWT_PROVIDER);
	EVP_PKEY_free(pkey);
	return added;
}

int gw_jwk_parse(struct gw_jwt_keys *keys, const char *text, size_t len,
		 unsigned *ignored)
{
	struct json_object *set, *list;
	int n = -EINVAL;

	*ignored = 0;
	if (len > GW_JWK_SET_MAX)
		return -EINVAL;
	set = gw_claims_parse(text, len, JSON_DEPTH);
	if (set && json_object_object_get_ex(set, "keys", &list) &&
	    json_object_is_type(list, json_type_array)) {
		n = 0;
		for (size_t i = 0; i < json_object_array_length(list); i++) {
			if (i < MAX_KEYS &&
			    add(keys, json_object_array_get_idx(list, i)))
				n++;
			else
				++*ignored;
		}
	}
	json_object_put(set);
	return n;
}
