/*
 * webrtc/introspect.h - asks the authorization server about a token (RFC 7662)
 *
 * For tokens that say nothing by themselves, or that no key is known for.
 * What it answered is believed for auth.introspection_cache_s, never longer
 * than the token's own exp; a token is kept as its SHA-256 only.
 * Signalling thread only.
 */
#ifndef GW_INTROSPECT_H
#define GW_INTROSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/settings.h"
#include "gateway/base/timers.h"
#include "webrtc/claims.h"
#include "webrtc/http_fetch.h"

#define GW_INTROSPECT_CACHE 1024 /* answers kept */

struct gw_introspect;

enum gw_introspect_result {
	GW_INTROSPECT_GOOD,
	GW_INTROSPECT_INACTIVE,   /* or not for us, or over */
	GW_INTROSPECT_UNREACHABLE /* nobody knows: come again */
};

/* @why: for the log; @claims only when GOOD, exp_s 0 where it has none. */
typedef void(gw_introspect_h)(enum gw_introspect_result result, const char *why,
			      const struct gw_jwt_claims *claims, void *arg);

/* 0 or -ENOMEM */
int gw_introspect_new(struct gw_introspect **out, struct gw_timers *timers,
		      struct gw_fetch *fetch);
void gw_introspect_free(struct gw_introspect *in); /* after gw_fetch_free() */

/* Forgets what another server, or other limits, said.  @set must live until
 * the next call. */
void gw_introspect_use(struct gw_introspect *in, const struct gw_set_auth *set);
bool gw_introspect_configured(const struct gw_introspect *in);

/* @handler runs exactly once; from inside this call when the answer is known.
 * 0, -EBUSY (too many at once) or -ENOMEM: it does not run. */
int gw_introspect_ask(struct gw_introspect *in, const char *token,
		      gw_introspect_h *handler, void *arg);

/* The verdict of one response body, on its own for tests and fuzzing. */
enum gw_introspect_result
gw_introspect_read(const struct gw_set_auth *set, const char *body, size_t len,
		   int64_t now_s, struct gw_jwt_claims *out, const char **why);

#endif
