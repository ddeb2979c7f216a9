/*
 * webrtc/jwt.h - bearer tokens: signed JWTs (RFC 7519) checked as RFC 8725 asks
 *
 * RS256, ES256 and EdDSA (Ed25519) with public keys of the configuration, of a
 * provider's key set (jwks.h) and of our own WAF (waf.h).  The key says which
 * algorithm is legal, never the token; "none", encrypted tokens
 * and critical extensions are refused.
 * Keys are made on the signalling thread; gw_jwt_verify() runs on any thread,
 * on a snapshot of them that nothing changes any more.
 */
#ifndef GW_JWT_H
#define GW_JWT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/settings.h"
#include "webrtc/claims.h"

#define GW_JWT_MAX      8192 /* characters of a token */
#define GW_JWT_KEYS     64   /* of a snapshot: more are left out */
#define GW_JWT_KID_SIZE 128

struct evp_pkey_st; /* OpenSSL's EVP_PKEY */
struct gw_jwt_keys;

/* Whose tokens a key signs: which issuer and audience they must name. */
enum gw_jwt_whose {
	GW_JWT_PROVIDER, /* auth.issuer, auth.audience */
	GW_JWT_WAF,      /* our own WAF */
	GW_JWT_NWHOSE
};

/* The keys, issuer, audience and leeway of @set.  0, -ENOMEM, or -EINVAL with
 * @err saying which file, and why.  No key at all is legal. */
int gw_jwt_keys_new(struct gw_jwt_keys **out, const struct gw_set_auth *set,
		    char *err, size_t err_size);
/* A second owner, for work off the thread; both free it. */
struct gw_jwt_keys *gw_jwt_keys_share(struct gw_jwt_keys *keys);
void gw_jwt_keys_free(struct gw_jwt_keys *keys); /* any thread */
size_t gw_jwt_keys_count(const struct gw_jwt_keys *keys);

/* Before it is shared: another key, of which a reference is kept.  @alg NULL:
 * the one that fits it.  NULL, or why it was left out: "is not a P-256 key". */
const char *gw_jwt_keys_add(struct gw_jwt_keys *keys, const char *kid,
			    const char *alg, struct evp_pkey_st *pkey,
			    enum gw_jwt_whose whose);
/* Both @issuer and @audience of our own WAF's tokens. */
void gw_jwt_keys_waf(struct gw_jwt_keys *keys, const char *issuer);
/* A snapshot of its own with the keys of @base and then those of @more (may be
 * NULL).  0 or -ENOMEM. */
int gw_jwt_keys_join(struct gw_jwt_keys **out, const struct gw_jwt_keys *base,
		     const struct gw_jwt_keys *more);

enum gw_jwt_fault {
	GW_JWT_OK,
	GW_JWT_BROKEN,    /* not three parts of base64url with JSON in them */
	GW_JWT_ALGORITHM, /* none, unknown, or not the key's */
	GW_JWT_NO_KEY,    /* no key of ours has its kid */
	GW_JWT_SIGNATURE,
	GW_JWT_CRITICAL, /* an extension that must be understood */
	GW_JWT_EXPIRED,
	GW_JWT_NOT_YET, /* nbf, iat */
	GW_JWT_ISSUER,
	GW_JWT_AUDIENCE,
	GW_JWT_NO_SUBJECT,
	GW_JWT_NFAULTS
};

/* Is @token one of ours at @now_s?  @out is filled only for OK. */
enum gw_jwt_fault gw_jwt_verify(const struct gw_jwt_keys *keys,
				const char *token, size_t len, int64_t now_s,
				struct gw_jwt_claims *out);
/* A pool thread did its work: OpenSSL forgets what it kept for it, which
 * nothing else would free when the thread ends. */
void gw_jwt_thread_done(void);
const char *gw_jwt_fault_name(enum gw_jwt_fault fault);

#endif
