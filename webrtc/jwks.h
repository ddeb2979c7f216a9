/*
 * webrtc/jwks.h - the key set of a token provider: fetched, kept, renewed
 *
 *	            start            keys came            Cache-Control over
 *	  (no keys) -----> fetching ----------> keys, age --------> fetching
 *	                     |  ^                  |
 *	                     |  +- after a pause --+-- kid unknown, at most once
 *	                     v                         in auth.jwks_refetch_s
 *	                  failed: the keys before stay in force
 *
 * Who meets a token that no key is known for asks gw_jwks_ask(), and waits
 * where that says so.  Signalling thread only.
 */
#ifndef GW_JWKS_H
#define GW_JWKS_H

#include <stdbool.h>

#include "gateway/base/loop.h"
#include "gateway/settings.h"
#include "webrtc/http_fetch.h"
#include "webrtc/jwt.h"

struct gw_jwks;

/* A fetch has ended: the keys may be others now. */
typedef void(gw_jwks_h)(void *arg);

/* Nothing is fetched before gw_jwks_use().  0 or -ENOMEM. */
int gw_jwks_new(struct gw_jwks **out, struct gw_timers *timers,
		struct gw_fetch *fetch, gw_jwks_h *handler, void *arg);
/* After gw_fetch_free(), which ends what is under way. */
void gw_jwks_free(struct gw_jwks *jwks);

/* @set's URL and limits; another URL forgets the keys.  "": none. */
void gw_jwks_use(struct gw_jwks *jwks, const struct gw_set_auth *set);

/* NULL: none came yet.  Valid until the handler runs, or gw_jwks_use(). */
const struct gw_jwt_keys *gw_jwks_keys(const struct gw_jwks *jwks);

enum gw_jwks_hope {
	GW_JWKS_NONE,        /* not configured */
	GW_JWKS_WAIT,        /* a fetch is under way: ask again after it */
	GW_JWKS_UNKNOWN,     /* the provider does not have that key */
	GW_JWKS_UNREACHABLE, /* nobody knows */
};

/* A token was signed with a key that is not among ours: is there hope? */
enum gw_jwks_hope gw_jwks_ask(struct gw_jwks *jwks);

#endif
