/*
 * webrtc/waf_priv.h - what the files of the WAF share among themselves
 *
 * Signalling thread only.
 */
#ifndef GW_WAF_PRIV_H
#define GW_WAF_PRIV_H

#include <sys/queue.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "webrtc/auth_check.h"
#include "webrtc/form.h"
#include "webrtc/waf.h"
#include "webrtc/waf_grant.h"
#include "webrtc/waf_key.h"

#define GW_WAF_AUTHORIZE "/oauth/authorize"
#define GW_WAF_TOKEN     "/oauth/token"
#define GW_WAF_JWKS      "/oauth/jwks.json"
#define GW_WAF_METADATA  "/.well-known/oauth-authorization-server"
#define GW_WAF_THROTTLES 1024
#define GW_WAF_STATE     385

struct gw_waf_login; /* a password being checked */
struct gw_waf_issue; /* a token whose user is being looked up */

/* How often a user's password was tried. */
struct gw_waf_throttle {
	unsigned char user[16]; /* of its keyed hash */
	unsigned failures;
	uint64_t window_us, paused_until_us;
};

struct gw_waf {
	uint32_t magic;
	struct gw_loop *loop;
	struct gw_timers *timers;
	const struct gw_settings *set;
	struct gw_waf_handlers h;
	bool enabled;
	struct gw_waf_keys *keys;
	struct gw_timer key_timer;
	struct gw_waf_grants *grants;
	unsigned char secret[32]; /* of this process: forms, throttles */
	char dummy_hash[GW_AUTH_HASH_SIZE];
	struct gw_waf_throttle throttle[GW_WAF_THROTTLES];
	LIST_HEAD(gw_waf_logins, gw_waf_login) logins;
	unsigned nlogin;
	LIST_HEAD(gw_waf_issues, gw_waf_issue) issues;
	unsigned nissue;
};

/* What a client asks for (RFC 6749 4.1.1, RFC 7636 4.3). */
struct gw_waf_request {
	const struct gw_set_waf_client *client;
	char redirect[256];
	char challenge[GW_WAF_CHALLENGE];
	char state[GW_WAF_STATE];
};

extern const struct gw_logctx gw_waf_log;

/* waf.c */
const struct gw_set_waf_client *gw_waf_client(const struct gw_waf *waf,
					      const char *id);
/* "https://host:port" that one of our clients' redirect URIs begins with? */
bool gw_waf_origin_known(const struct gw_waf *waf, const char *origin);

/* waf_login.c */
enum gw_ws_app_result gw_waf_login_request(struct gw_waf *waf,
					   struct gw_ws_app *a);
/* Those under way answer by themselves, and touch the WAF no more. */
void gw_waf_login_orphan(struct gw_waf *waf);
/* As gw_waf_user_found(). */
bool gw_waf_login_found(struct gw_waf *waf, uint64_t ask, int error,
			const struct gw_set_user *user);

/* waf_throttle.c: one more try.  0, or the seconds until the next. */
uint32_t gw_waf_throttle_try(struct gw_waf *waf, const char *user);
void gw_waf_throttle_good(struct gw_waf *waf, const char *user);

/* waf_token.c */
enum gw_ws_app_result gw_waf_token_request(struct gw_waf *waf,
					   struct gw_ws_app *a);
void gw_waf_token_orphan(struct gw_waf *waf);
bool gw_waf_token_found(struct gw_waf *waf, uint64_t ask, int error,
			const struct gw_set_user *user);

/* waf_page.c */
void gw_waf_page_form(struct gw_ws_app *a, const struct gw_waf_request *req,
		      const char *csrf, const char *user, unsigned status,
		      const char *fault);
void gw_waf_page_fault(struct gw_ws_app *a, unsigned status, const char *fault);

#endif
