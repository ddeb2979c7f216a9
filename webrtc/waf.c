#include "webrtc/waf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/ids.h"
#include "webrtc/waf_priv.h"

#define WAF_MAGIC      0x77616621u
#define KEY_CHECK_MS   60000
#define KEYS_MAX_AGE_S 300

const struct gw_logctx gw_waf_log = { .module = "waf" };

static bool load_keys(struct gw_waf *waf, const struct gw_set_waf *set)
{
	struct gw_waf_keys *keys;
	char err[384] = "";

	if (gw_waf_keys_new(&keys, set, gw_clock_wall_s(), err, sizeof(err))) {
		gw_error(&gw_waf_log, "waf.key_file: %s", err);
		return false;
	}
	gw_waf_keys_free(waf->keys);
	waf->keys = keys;
	return true;
}

static void watch_keys(struct gw_waf *waf)
{
	if (gw_timer_start_ms(waf->timers, &waf->key_timer, KEY_CHECK_MS))
		gw_error(&gw_waf_log, "no memory for a timer: the key is not "
				      "renewed before a reload");
}

static void on_key_timer(struct gw_timer *t, void *arg)
{
	struct gw_waf *waf = arg;

	(void)t;
	GW_CHECK(waf, WAF_MAGIC);
	if (gw_waf_keys_due(waf->keys, gw_clock_wall_s()) &&
	    load_keys(waf, &waf->set->waf))
		waf->h.keys_changed(waf->h.arg);
	watch_keys(waf);
}

int gw_waf_new(struct gw_waf **out, struct gw_loop *loop,
	       const struct gw_waf_handlers *handlers)
{
	struct gw_waf *waf = calloc(1, sizeof(*waf));

	if (!waf)
		return -ENOMEM;
	if (gw_waf_grants_new(&waf->grants)) {
		free(waf);
		return -ENOMEM;
	}
	waf->magic = WAF_MAGIC;
	waf->loop = loop;
	waf->timers = gw_loop_timers(loop);
	waf->h = *handlers;
	LIST_INIT(&waf->logins);
	LIST_INIT(&waf->issues);
	gw_random(waf->secret, sizeof(waf->secret));
	gw_timer_init(&waf->key_timer, on_key_timer, waf);
	*out = waf;
	return 0;
}

void gw_waf_free(struct gw_waf *waf)
{
	if (!waf)
		return;
	GW_CHECK(waf, WAF_MAGIC);
	gw_waf_login_orphan(waf);
	gw_waf_token_orphan(waf);
	gw_timer_stop(&waf->key_timer);
	gw_waf_keys_free(waf->keys);
	gw_waf_grants_free(waf->grants);
	explicit_bzero(waf, sizeof(*waf));
	free(waf);
}

int gw_waf_use(struct gw_waf *waf, const struct gw_settings *set)
{
	bool good = true;

	GW_CHECK(waf, WAF_MAGIC);
	waf->set = set;
	gw_auth_dummy_hash(waf->dummy_hash, set);
	gw_timer_stop(&waf->key_timer);
	if (set->waf.enabled)
		good = load_keys(waf, &set->waf);
	waf->enabled = set->waf.enabled && waf->keys;
	if (waf->enabled)
		watch_keys(waf);
	return good ? 0 : -EINVAL;
}

void gw_waf_trust(const struct gw_waf *waf, struct gw_jwt_keys *keys)
{
	if (!waf->enabled)
		return;
	gw_jwt_keys_waf(keys, waf->set->waf.issuer);
	gw_waf_keys_trust(waf->keys, keys);
}

const struct gw_set_waf_client *gw_waf_client(const struct gw_waf *waf,
					      const char *id)
{
	const struct gw_set_waf *set = &waf->set->waf;

	for (size_t i = 0; i < set->nclient; i++)
		if (!strcmp(set->client[i].id, id))
			return &set->client[i];
	return NULL;
}

bool gw_waf_origin_known(const struct gw_waf *waf, const char *origin)
{
	const struct gw_set_waf *set = &waf->set->waf;
	size_t n = strlen(origin);

	for (size_t i = 0; i < set->nclient; i++) {
		for (size_t k = 0; k < set->client[i].nredirect; k++) {
			const char *uri = set->client[i].redirect[k];

			if (n && !strncmp(uri, origin, n) &&
			    (!uri[n] || uri[n] == '/' || uri[n] == '?'))
				return true;
		}
	}
	return false;
}

/* ---- what anybody may know ---- */

static void public_json(struct gw_ws_app *a)
{
	a->status = 200;
	a->content_type = "application/json";
	a->max_age_s = KEYS_MAX_AGE_S;
	strcpy(a->allow_origin, "*");
}

static void show_metadata(const struct gw_waf *waf, struct gw_ws_app *a)
{
	const char *iss = waf->set->waf.issuer;

	public_json(a);
	gw_buf_printf(&a->body,
		      "{\"issuer\":\"%s\","
		      "\"authorization_endpoint\":\"%s" GW_WAF_AUTHORIZE "\","
		      "\"token_endpoint\":\"%s" GW_WAF_TOKEN "\","
		      "\"jwks_uri\":\"%s" GW_WAF_JWKS "\",",
		      iss, iss, iss, iss);
	gw_buf_str(&a->body,
		   "\"response_types_supported\":[\"code\"],"
		   "\"response_modes_supported\":[\"query\"],"
		   "\"grant_types_supported\":[\"authorization_code\","
		   "\"refresh_token\"],"
		   "\"code_challenge_methods_supported\":[\"S256\"],"
		   "\"token_endpoint_auth_methods_supported\":[\"none\"],"
		   "\"authorization_response_iss_parameter_supported\":true}");
}

static void show_keys(const struct gw_waf *waf, struct gw_ws_app *a)
{
	public_json(a);
	a->content_type = "application/jwk-set+json";
	gw_waf_keys_publish(waf->keys, &a->body);
}

bool gw_waf_has(const struct gw_waf *waf, const char *path)
{
	return waf->enabled &&
	       (!strcmp(path, GW_WAF_AUTHORIZE) ||
		!strcmp(path, GW_WAF_TOKEN) || !strcmp(path, GW_WAF_JWKS) ||
		!strcmp(path, GW_WAF_METADATA));
}

bool gw_waf_user_found(struct gw_waf *waf, uint64_t ask, int error,
		       const struct gw_set_user *user)
{
	GW_CHECK(waf, WAF_MAGIC);
	return ask && (gw_waf_login_found(waf, ask, error, user) ||
		       gw_waf_token_found(waf, ask, error, user));
}

enum gw_ws_app_result gw_waf_request(struct gw_waf *waf, struct gw_ws_app *a)
{
	GW_CHECK(waf, WAF_MAGIC);
	if (!strcmp(a->path, GW_WAF_AUTHORIZE))
		return gw_waf_login_request(waf, a);
	if (!strcmp(a->path, GW_WAF_TOKEN))
		return gw_waf_token_request(waf, a);
	if (a->post) {
		a->allow = "GET, HEAD";
		gw_waf_page_fault(a, 405, "Only GET and HEAD are served here.");
	} else if (!strcmp(a->path, GW_WAF_JWKS)) {
		show_keys(waf, a);
	} else {
		show_metadata(waf, a);
	}
	return GW_WS_APP_ANSWERED;
}
