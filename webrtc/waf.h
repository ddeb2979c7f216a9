/*
 * webrtc/waf.h - the gateway's own log-in page and token endpoint
 *
 * TS 24.371's WWSF and WAF in small: OAuth 2.0 authorization code grant with
 * PKCE (RFC 6749, 7636; S256 only) for public clients, refresh tokens that
 * rotate, access tokens that are ES256 JWTs (RFC 9068), their key set (RFC
 * 7517) and metadata (RFC 8414).  Its users are those of the configuration,
 * and who is found elsewhere (the subscribers of the store).
 *
 *	/oauth/authorize   log-in page, and its form     waf_login.c, waf_page.c
 *	/oauth/token       codes and refresh tokens      waf_token.c
 *	/oauth/jwks.json, /.well-known/oauth-authorization-server      waf.c
 *
 * What is out (codes, refresh tokens) is in memory: a restart asks for
 * passwords again.  Signalling thread only; passwords are hashed off it.
 */
#ifndef GW_WAF_H
#define GW_WAF_H

#include "gateway/base/loop.h"
#include "gateway/settings.h"
#include "webrtc/jwt.h"
#include "webrtc/ws_server.h"

struct gw_waf;

struct gw_waf_handlers {
	/* NULL: there is no such user. */
	const struct gw_set_user *(*user)(const char *uri, void *arg);
	/* Asks for that user elsewhere.  0 with *@ask, and
	 * gw_waf_user_found() comes, never from inside this call; or -errno:
	 * -ENOENT when there is nowhere to ask. */
	int (*ask)(uint64_t *ask, const char *uri, void *arg);
	/* This address failed. */
	void (*punish)(const struct gw_addr *peer, void *arg);
	/* Other keys sign now: gw_waf_trust() again. */
	void (*keys_changed)(void *arg);
	void *arg;
};

/* Disabled until gw_waf_use().  0 or -ENOMEM. */
int gw_waf_new(struct gw_waf **out, struct gw_loop *loop,
	       const struct gw_waf_handlers *handlers);
/* After the server: nobody waits for an answer any more. */
void gw_waf_free(struct gw_waf *waf);

/* Reads or makes the key.  0, or -errno, logged: it stays as it was, or
 * disabled.  @set must live until the next call. */
int gw_waf_use(struct gw_waf *waf, const struct gw_settings *set);

/* @error: 0 with @user, which is copied; -ENOENT; or why nobody can tell.
 * False: nobody here has asked that. */
bool gw_waf_user_found(struct gw_waf *waf, uint64_t ask, int error,
		       const struct gw_set_user *user);

/* Our tokens are believed by those who check with @keys. */
void gw_waf_trust(const struct gw_waf *waf, struct gw_jwt_keys *keys);

/* For gw_ws_handlers. */
bool gw_waf_has(const struct gw_waf *waf, const char *path);
enum gw_ws_app_result gw_waf_request(struct gw_waf *waf, struct gw_ws_app *a);

#endif
