/*
 * webrtc/claims.h - what a token says about its bearer
 *
 * Reads the claims of a JWT (RFC 7519 4), or of an introspection response
 * (RFC 7662 2.2), which has the same names, into an identity.  Pure functions
 * on bounded input, any thread.
 */
#ifndef GW_CLAIMS_H
#define GW_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/settings.h"

#define GW_CLAIMS_IMPUS 8

struct json_object;

struct gw_jwt_claims {
	char subject[128]; /* the WebRTC ID, or sub where there is none */
	bool ours;         /* a token of our own account page */
	int64_t exp_s;     /* since 1970 */
	/* What the bearer is to be registered as in the core; "" and 0: the
	 * token does not say. */
	char impi[128];
	size_t nimpu;
	char impu[GW_CLAIMS_IMPUS][128];
	char name[64];
};

/* Strict JSON of at most @depth levels, an object; NULL: it is not.  The
 * caller puts it. */
struct json_object *gw_claims_parse(const char *text, size_t len, int depth);

/* A string without NUL; NULL: absent, or something else. */
const char *gw_claims_string(struct json_object *obj, const char *name);

/* NumericDate (RFC 7519 2) may have a fraction. */
#define GW_CLAIMS_ABSENT (-1)
#define GW_CLAIMS_BROKEN (-2)
int64_t gw_claims_time(struct json_object *obj, const char *name);

/* Is @wanted the audience, or one of them (RFC 7519 4.1.3)? */
bool gw_claims_audience(struct json_object *obj, const char *wanted);

/*
 * Subject, IMPI, IMPUs and name, by the names of @set.  False: there is no
 * subject, or one of them is not what it must be: half an identity is none.
 */
bool gw_claims_identity(struct json_object *obj,
			const struct gw_set_claims *set,
			struct gw_jwt_claims *out);

#endif
