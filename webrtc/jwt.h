/*
 * webrtc/jwt.h - bearer tokens: signed JWTs (RFC 7519) checked as RFC 8725 asks
 *
 * RS256, ES256 and EdDSA (Ed25519) with public keys of the configuration.  The
 * key says which algorithm is legal, never the token; "none", encrypted tokens
 * and critical extensions are refused.  OpenSSL is used here and
 * in auth_turn.c only.  Keys are made on the signalling thread; gw_jwt_verify()
 * runs on any thread, on a snapshot of them.
 */
#ifndef GW_JWT_H
#define GW_JWT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/settings.h"

#define GW_JWT_MAX 8192 /* characters of a token */

struct gw_jwt_keys;

/* The keys, issuer, audience and leeway of @set.  0, -ENOMEM, or -EINVAL with
 * @err saying which file, and why.  No key at all is legal. */
int gw_jwt_keys_new(struct gw_jwt_keys **out, const struct gw_set_auth *set,
		    char *err, size_t err_size);
/* A second owner, for work off the thread; both free it. */
struct gw_jwt_keys *gw_jwt_keys_share(struct gw_jwt_keys *keys);
void gw_jwt_keys_free(struct gw_jwt_keys *keys); /* any thread */
size_t gw_jwt_keys_count(const struct gw_jwt_keys *keys);

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

struct gw_jwt_claims {
	char subject[128]; /* webrtcId, or sub where there is none */
	int64_t exp_s;     /* since 1970 */
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
