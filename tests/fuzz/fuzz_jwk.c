/* What a token provider answers: a key set, an introspection response; and
 * forms, and Cache-Control. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "webrtc/form.h"
#include "webrtc/http_fetch.h"
#include "webrtc/introspect.h"
#include "webrtc/jwk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void key_set(const char *text, size_t size)
{
	static const struct gw_set_auth none;
	struct gw_jwt_keys *keys;
	unsigned ignored;
	char err[64];
	int n;

	assert(gw_jwt_keys_new(&keys, &none, err, sizeof(err)) == 0);
	n = gw_jwk_parse(keys, text, size, &ignored);
	assert(n <= GW_JWT_KEYS);
	assert((n > 0 ? (size_t)n : 0) == gw_jwt_keys_count(keys));
	gw_jwt_keys_free(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct gw_set_auth set = {
		.audience = "gw",
		.claims = {"webrtcId", "impi", "impus", "name"},
	};
	struct gw_jwt_claims claims;
	const char *why;
	char *text, out[64];

	text = malloc(size + 1);
	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	key_set(text, size);
	if (gw_introspect_read(&set, text, size, 1700000000, &claims, &why) ==
	    GW_INTROSPECT_GOOD)
		assert(claims.subject[0] && claims.nimpu <= GW_CLAIMS_IMPUS);
	else
		assert(why);
	assert(gw_fetch_max_age(text, size) >= -1);
	if (gw_form_get(text, "a", out, sizeof(out)) == GW_FORM_FOUND)
		assert(out[0] && strlen(out) < sizeof(out));
	free(text);
	return 0;
}
