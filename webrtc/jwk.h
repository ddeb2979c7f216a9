/*
 * webrtc/jwk.h - JSON Web Key Sets (RFC 7517): parse one
 *
 * RSA, P-256 and Ed25519 public keys for signatures; what is of another kind,
 * for another use (`use: enc`), too weak, or contradicts itself (an `alg` that
 * does not fit its `kty`; symmetric keys, which must never be public) is left
 * out, as RFC 7517 5 asks.  Pure functions on bounded input, any thread.
 */
#ifndef GW_JWK_H
#define GW_JWK_H

#include <stddef.h>

#include "webrtc/jwt.h"

#define GW_JWK_SET_MAX 65536 /* bytes of a key set */

/* Adds to @keys what can be used of @text.  How many, with *@ignored what was
 * left out; -EINVAL: not a key set. */
int gw_jwk_parse(struct gw_jwt_keys *keys, const char *text, size_t len,
		 unsigned *ignored);

#endif
