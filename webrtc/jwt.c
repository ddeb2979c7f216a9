#include "webrtc/jwt.h"

#include <errno.h>
#include <json-c/json.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/ids.h"

#define JSON_DEPTH   16
#define MIN_RSA_BITS 2048 /* RFC 7518 3.3 */
#define MAX_RSA_BITS 8192 /* a signature costs no more than that */
#define P256_BYTES   32

struct key {
	char kid[GW_JWT_KID_SIZE];
	char alg[8];
	EVP_PKEY *pkey;
	enum gw_jwt_whose whose;
};

struct gw_jwt_keys {
	atomic_uint owners; /* the loop, and each verification under way */
	char issuer[GW_JWT_NWHOSE][256], audience[GW_JWT_NWHOSE][256];
	struct gw_set_claims claims;
	int64_t leeway_s;
	size_t n;
	struct key key[GW_JWT_KEYS];
};

struct part {
	const char *p;
	size_t len;
};

/* ---- keys ---- */

static EVP_PKEY *read_pem(FILE *f)
{
	EVP_PKEY *pkey = PEM_read_PUBKEY(f, NULL, NULL, NULL);
	X509 *cert;

	if (pkey)
		return pkey;
	rewind(f);
	cert = PEM_read_X509(f, NULL, NULL, NULL);
	if (cert)
		pkey = X509_get_pubkey(cert);
	X509_free(cert);
	return pkey;
}

static bool is_p256(const EVP_PKEY *pkey)
{
	char group[32] = "";
	size_t len;

	return EVP_PKEY_is_a(pkey, "EC") &&
	       EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) &&
	       !strcmp(group, "prime256v1");
}

static const char *key_fault(const char *alg, const EVP_PKEY *pkey)
{
	if (!strcmp(alg, "RS256")) {
		if (!EVP_PKEY_is_a(pkey, "RSA"))
			return "is not an RSA key";
		if (EVP_PKEY_get_bits(pkey) < MIN_RSA_BITS)
			return "is shorter than 2048 bits";
		if (EVP_PKEY_get_bits(pkey) > MAX_RSA_BITS)
			return "is longer than 8192 bits";
	} else if (!strcmp(alg, "ES256")) {
		if (!is_p256(pkey))
			return "is not a P-256 key";
	} else if (!strcmp(alg, "EdDSA")) {
		if (!EVP_PKEY_is_a(pkey, "ED25519"))
			return "is not an Ed25519 key";
	} else {
		return "has an algorithm other than RS256, ES256, EdDSA";
	}
	return NULL;
}

/* What a key that names no algorithm is for. */
static const char *natural_alg(const EVP_PKEY *pkey)
{
	if (EVP_PKEY_is_a(pkey, "RSA"))
		return "RS256";
	return EVP_PKEY_is_a(pkey, "EC") ? "ES256" : "EdDSA";
}

const char *gw_jwt_keys_add(struct gw_jwt_keys *keys, const char *kid,
			    const char *alg, EVP_PKEY *pkey,
			    enum gw_jwt_whose whose)
{
	struct key *k = &keys->key[keys->n];
	const char *fault;

	if (!alg)
		alg = natural_alg(pkey);
	fault = key_fault(alg, pkey);
	if (fault)
		return fault;
	if (keys->n == GW_JWT_KEYS)
		return "is one too many";
	if (strlen(kid) >= sizeof(k->kid))
		return "has too long a name";
	if (EVP_PKEY_up_ref(pkey) != 1)
		return "cannot be kept";
	(void)snprintf(k->kid, sizeof(k->kid), "%s", kid);
	(void)snprintf(k->alg, sizeof(k->alg), "%s", alg);
	k->pkey = pkey;
	k->whose = whose;
	keys->n++;
	return NULL;
}

static int load_key(struct gw_jwt_keys *keys, const struct gw_set_key *set,
		    char *err, size_t err_size)
{
	FILE *f = fopen(set->file, "re");
	const char *fault;
	EVP_PKEY *pkey;

	if (!f) {
		(void)snprintf(err, err_size, "%s: %s", set->file,
			       strerror(errno));
		return -EINVAL;
	}
	pkey = read_pem(f);
	(void)fclose(f);
	fault = pkey ? gw_jwt_keys_add(keys, set->kid, set->alg, pkey,
				       GW_JWT_PROVIDER)
		     : "holds no public key or certificate";
	EVP_PKEY_free(pkey);
	if (!fault)
		return 0;
	(void)snprintf(err, err_size, "%s %s", set->file, fault);
	return -EINVAL;
}

int gw_jwt_keys_new(struct gw_jwt_keys **out, const struct gw_set_auth *set,
		    char *err, size_t err_size)
{
	struct gw_jwt_keys *keys;
	int ret;

	if ((set->nkey || set->jwks_url[0]) &&
	    (!set->issuer[0] || !set->audience[0])) {
		(void)snprintf(err, err_size,
			       "keys need both an issuer and an audience");
		return -EINVAL;
	}
	keys = calloc(1, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	atomic_init(&keys->owners, 1);
	(void)snprintf(keys->issuer[0], sizeof(keys->issuer[0]), "%s",
		       set->issuer);
	(void)snprintf(keys->audience[0], sizeof(keys->audience[0]), "%s",
		       set->audience);
	keys->claims = set->claims;
	keys->leeway_s = set->leeway_s;
	for (size_t i = 0; i < set->nkey && i < GW_SET_KEYS; i++) {
		ret = load_key(keys, &set->key[i], err, err_size);
		if (ret) {
			gw_jwt_keys_free(keys);
			return ret;
		}
	}
	*out = keys;
	return 0;
}

struct gw_jwt_keys *gw_jwt_keys_share(struct gw_jwt_keys *keys)
{
	atomic_fetch_add(&keys->owners, 1);
	return keys;
}

void gw_jwt_keys_free(struct gw_jwt_keys *keys)
{
	if (!keys || atomic_fetch_sub(&keys->owners, 1) > 1)
		return;
	for (size_t i = 0; i < keys->n; i++)
		EVP_PKEY_free(keys->key[i].pkey);
	free(keys);
}

size_t gw_jwt_keys_count(const struct gw_jwt_keys *keys)
{
	return keys->n;
}

void gw_jwt_keys_waf(struct gw_jwt_keys *keys, const char *issuer)
{
	(void)snprintf(keys->issuer[GW_JWT_WAF], sizeof(keys->issuer[0]), "%s",
		       issuer);
	(void)snprintf(keys->audience[GW_JWT_WAF], sizeof(keys->audience[0]),
		       "%s", issuer);
}

static void append(struct gw_jwt_keys *to, const struct gw_jwt_keys *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct key *k = &from->key[i];

		(void)gw_jwt_keys_add(to, k->kid, k->alg, k->pkey, k->whose);
	}
}

int gw_jwt_keys_join(struct gw_jwt_keys **out, const struct gw_jwt_keys *base,
		     const struct gw_jwt_keys *more)
{
	struct gw_jwt_keys *keys = calloc(1, sizeof(*keys));

	if (!keys)
		return -ENOMEM;
	atomic_init(&keys->owners, 1);
	memcpy(keys->issuer, base->issuer, sizeof(keys->issuer));
	memcpy(keys->audience, base->audience, sizeof(keys->audience));
	keys->claims = base->claims;
	keys->leeway_s = base->leeway_s;
	append(keys, base);
	if (more)
		append(keys, more);
	*out = keys;
	return 0;
}

/* ---- signature ---- */

/* JWS carries r and s side by side (RFC 7518 3.4), OpenSSL wants DER. */
static int es256_der(unsigned char **der, const unsigned char *raw, size_t len)
{
	ECDSA_SIG *sig;
	BIGNUM *r, *s;
	int n = -1;

	if (len != 2 * P256_BYTES)
		return -1;
	sig = ECDSA_SIG_new();
	r = BN_bin2bn(raw, P256_BYTES, NULL);
	s = BN_bin2bn(raw + P256_BYTES, P256_BYTES, NULL);
	if (sig && r && s && ECDSA_SIG_set0(sig, r, s)) {
		n = i2d_ECDSA_SIG(sig, der);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(sig);
	return n;
}

static bool signature_holds(const struct key *k, struct part signed_text,
			    const unsigned char *sig, size_t sig_len)
{
	bool ecdsa = !strcmp(k->alg, "ES256");
	const EVP_MD *md = strcmp(k->alg, "EdDSA") != 0 ? EVP_sha256() : NULL;
	unsigned char *der = NULL;
	EVP_MD_CTX *ctx;
	bool ok = false;
	int n;

	if (ecdsa) {
		n = es256_der(&der, sig, sig_len);
		if (n <= 0)
			return false;
		sig = der;
		sig_len = (size_t)n;
	}
	ctx = EVP_MD_CTX_new();
	if (ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, k->pkey) == 1)
		ok = EVP_DigestVerify(ctx, sig, sig_len,
				      (const unsigned char *)signed_text.p,
				      signed_text.len) == 1;
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(der);
	return ok;
}

/* ---- JSON ---- */

static struct json_object *decode_json(struct part part)
{
	struct json_object *obj = NULL;
	char *text;
	int n;

	text = malloc(part.len + 1);
	if (!text)
		return NULL;
	n = gw_base64url_decode(text, part.len + 1, part.p, part.len);
	if (n > 0)
		obj = gw_claims_parse(text, (size_t)n, JSON_DEPTH);
	free(text);
	return obj;
}

/* ---- the token ---- */

static bool split(const char *token, size_t len, struct part part[3])
{
	const char *end = token + len, *dot;

	for (int i = 0; i < 3; i++) {
		dot = memchr(token, '.', (size_t)(end - token));
		if (!dot != (i == 2)) /* exactly two dots */
			return false;
		part[i].p = token;
		part[i].len = (size_t)((dot ? dot : end) - token);
		token = dot ? dot + 1 : end;
	}
	return part[0].len && part[1].len;
}

static enum gw_jwt_fault check_signature(const struct gw_jwt_keys *keys,
					 struct json_object *header,
					 const struct part part[3],
					 enum gw_jwt_whose *whose)
{
	const char *alg = gw_claims_string(header, "alg");
	const char *kid = gw_claims_string(header, "kid");
	enum gw_jwt_fault fault = GW_JWT_NO_KEY;
	struct json_object *crit;
	struct part text = { part[0].p, part[0].len + 1 + part[1].len };
	unsigned char sig[1024]; /* RSA of 8192 bits */
	int n;

	if (json_object_object_get_ex(header, "crit", &crit))
		return GW_JWT_CRITICAL; /* RFC 7515 4.1.11: we know none */
	if (!alg)
		return GW_JWT_ALGORITHM;
	n = gw_base64url_decode(sig, sizeof(sig), part[2].p, part[2].len);
	if (n < 0)
		return GW_JWT_BROKEN;

	for (size_t i = 0; i < keys->n; i++) {
		const struct key *k = &keys->key[i];

		if (strcmp(k->kid, kid ? kid : "") != 0)
			continue;
		/* RFC 8725 3.1: the key decides, the token must agree. */
		if (strcmp(k->alg, alg) != 0) {
			if (fault == GW_JWT_NO_KEY)
				fault = GW_JWT_ALGORITHM;
			continue;
		}
		if (signature_holds(k, text, sig, (size_t)n)) {
			*whose = k->whose;
			return GW_JWT_OK;
		}
		fault = GW_JWT_SIGNATURE;
	}
	return fault;
}

static enum gw_jwt_fault check_claims(const struct gw_jwt_keys *keys,
				      enum gw_jwt_whose whose,
				      struct json_object *claims, int64_t now_s,
				      struct gw_jwt_claims *out)
{
	int64_t exp = gw_claims_time(claims, "exp");
	int64_t nbf = gw_claims_time(claims, "nbf");
	int64_t iat = gw_claims_time(claims, "iat");
	const char *iss = gw_claims_string(claims, "iss");
	struct gw_jwt_claims found;

	if (exp == GW_CLAIMS_BROKEN || nbf == GW_CLAIMS_BROKEN ||
	    iat == GW_CLAIMS_BROKEN)
		return GW_JWT_BROKEN;
	if (exp < 0 || now_s >= exp + keys->leeway_s)
		return GW_JWT_EXPIRED;
	if (nbf > now_s + keys->leeway_s || iat > now_s + keys->leeway_s)
		return GW_JWT_NOT_YET;
	if (!iss || strcmp(iss, keys->issuer[whose]) != 0)
		return GW_JWT_ISSUER;
	if (!gw_claims_audience(claims, keys->audience[whose]))
		return GW_JWT_AUDIENCE;
	if (!gw_claims_identity(claims, &keys->claims, &found))
		return GW_JWT_NO_SUBJECT;
	found.exp_s = exp;
	found.ours = whose == GW_JWT_WAF;
	*out = found;
	return GW_JWT_OK;
}

enum gw_jwt_fault gw_jwt_verify(const struct gw_jwt_keys *keys,
				const char *token, size_t len, int64_t now_s,
				struct gw_jwt_claims *out)
{
	struct json_object *header, *claims = NULL;
	enum gw_jwt_fault fault = GW_JWT_BROKEN;
	enum gw_jwt_whose whose = GW_JWT_PROVIDER;
	struct part part[3];

	if (len > GW_JWT_MAX || !split(token, len, part))
		return GW_JWT_BROKEN;
	header = decode_json(part[0]);
	if (header)
		fault = check_signature(keys, header, part, &whose);
	if (header && !fault) { /* nothing of it is read before it is signed */
		claims = decode_json(part[1]);
		fault = claims ? check_claims(keys, whose, claims, now_s, out)
			       : GW_JWT_BROKEN;
	}
	json_object_put(header);
	json_object_put(claims);
	return fault;
}

void gw_jwt_thread_done(void)
{
	OPENSSL_thread_stop();
}

const char *gw_jwt_fault_name(enum gw_jwt_fault fault)
{
	static const char *const names[GW_JWT_NFAULTS] = {
		[GW_JWT_OK] = "good",
		[GW_JWT_BROKEN] = "malformed",
		[GW_JWT_ALGORITHM] = "algorithm refused",
		[GW_JWT_NO_KEY] = "signed with an unknown key",
		[GW_JWT_SIGNATURE] = "signature wrong",
		[GW_JWT_CRITICAL] = "critical extension unknown",
		[GW_JWT_EXPIRED] = "expired",
		[GW_JWT_NOT_YET] = "not valid yet",
		[GW_JWT_ISSUER] = "of another issuer",
		[GW_JWT_AUDIENCE] = "for another audience",
		[GW_JWT_NO_SUBJECT] = "without a usable identity",
	};

	return names[fault];
}
