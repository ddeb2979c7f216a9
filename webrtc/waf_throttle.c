/*
 * How often the password of one user may be tried, whoever tries: a table of
 * fixed size whose places an outsider cannot predict.  That of one address is
 * gw_ws_punish().  Unknown users are counted like known ones, or the pause
 * would tell them apart.
 */
#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "webrtc/waf_priv.h"

#define WINDOW_US (60 * UINT64_C(1000000))

static struct gw_waf_throttle *place_of(struct gw_waf *waf, const char *user,
					unsigned char key[16])
{
	unsigned char mac[EVP_MAX_MD_SIZE] = { 0 };
	unsigned n = 0;
	char lower[128];
	uint32_t at;
	size_t i;

	for (i = 0; i < sizeof(lower) - 1 && user[i]; i++)
		lower[i] = (char)tolower((unsigned char)user[i]);
	(void)HMAC(EVP_sha256(), waf->secret, sizeof(waf->secret),
		   (unsigned char *)lower, i, mac, &n);
	memcpy(key, mac, 16);
	memcpy(&at, mac + 16, sizeof(at));
	return &waf->throttle[at % GW_WAF_THROTTLES];
}

uint32_t gw_waf_throttle_try(struct gw_waf *waf, const char *user)
{
	const struct gw_set_waf *set = &waf->set->waf;
	uint64_t now = gw_timers_now_us(waf->timers);
	unsigned char key[16];
	struct gw_waf_throttle *t = place_of(waf, user, key);

	if (t->paused_until_us > now) {
		/* Another's place: one try more is better than a pause that
		 * anybody could cause. */
		if (memcmp(t->user, key, sizeof(key)) != 0)
			return 0;
		return (uint32_t)((t->paused_until_us - now) / 1000000) + 1;
	}
	if (memcmp(t->user, key, sizeof(key)) != 0 || t->paused_until_us ||
	    now - t->window_us > WINDOW_US) {
		memset(t, 0, sizeof(*t));
		memcpy(t->user, key, sizeof(key));
		t->window_us = now;
	}
	/* Counted before it is known whether it is right: many at once would
	 * all be the first. */
	if (++t->failures >= set->user_failures)
		t->paused_until_us = now + set->user_pause_s * 1000000ull;
	return 0;
}

void gw_waf_throttle_good(struct gw_waf *waf, const char *user)
{
	unsigned char key[16];
	struct gw_waf_throttle *t = place_of(waf, user, key);

	if (!memcmp(t->user, key, sizeof(key)))
		memset(t, 0, sizeof(*t));
}
