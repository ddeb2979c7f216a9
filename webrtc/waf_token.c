/*
 * The token endpoint (RFC 6749 3.2) for public clients: a code and its verifier
 * (RFC 7636 4.5), or a refresh token, become an access token and the next
 * refresh token.  Faults are those of RFC 6749 5.2.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/ids.h"
#include "webrtc/waf_priv.h"

#define FORM_TYPE "application/x-www-form-urlencoded"
#define MAX_TOKEN 4096
#define JTI_CHARS 22
#define VERIFIER  129 /* RFC 7636 4.1, and the NUL */

#define TOKENS      "isthmus_waf_tokens_total"
#define TOKENS_HELP "Requests to the token endpoint, by grant and result"
GW_COUNTER(m_code_ok, TOKENS, TOKENS_HELP, "grant=\"code\",result=\"ok\"");
GW_COUNTER(m_code_bad, TOKENS, TOKENS_HELP,
	   "grant=\"code\",result=\"refused\"");
GW_COUNTER(m_refresh_ok, TOKENS, TOKENS_HELP,
	   "grant=\"refresh\",result=\"ok\"");
GW_COUNTER(m_refresh_bad, TOKENS, TOKENS_HELP,
	   "grant=\"refresh\",result=\"refused\"");
GW_COUNTER(m_malformed, TOKENS, TOKENS_HELP,
	   "grant=\"none\",result=\"refused\"");
GW_COUNTER(m_replayed, "isthmus_waf_replays_total",
	   "Codes and refresh tokens that came twice: their grant is revoked",
	   "");
GW_GAUGE(m_grants, "isthmus_waf_grants", "Codes and refresh tokens out", "");

static void fault(struct gw_ws_app *a, unsigned status, const char *error,
		  struct gw_metric *m)
{
	gw_metric_add(m, 1);
	a->status = status;
	gw_buf_printf(&a->body, "{\"error\":\"%s\"}", error);
}

/* The name of the claim is the configuration's, the value the user's. */
static void add_text(struct json_object *obj, const char *name,
		     const char *value)
{
	if (value[0])
		json_object_object_add(obj, name,
				       json_object_new_string(value));
}

static int sign(const struct gw_waf *waf, const struct gw_set_user *user,
		const char *client, struct gw_buf *out)
{
	const struct gw_settings *set = waf->set;
	struct json_object *obj = json_object_new_object();
	int64_t now = gw_clock_wall_s();
	char jti[JTI_CHARS + 1];
	int rc;

	if (!obj)
		return -1;
	gw_random_token(jti, sizeof(jti), JTI_CHARS);
	/* First, so that no name of a claim takes the place of what follows. */
	add_text(obj, set->auth.claims.name, user->name);
	/* RFC 9068 2.2 */
	add_text(obj, "iss", set->waf.issuer);
	add_text(obj, "aud", set->waf.issuer);
	add_text(obj, "sub", user->id);
	add_text(obj, "client_id", client);
	add_text(obj, "jti", jti);
	json_object_object_add(obj, "iat", json_object_new_int64(now));
	json_object_object_add(
		obj, "exp",
		json_object_new_int64(now + set->waf.access_token_s));
	rc = gw_waf_keys_sign(
		waf->keys,
		json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN),
		out);
	json_object_put(obj);
	return rc;
}

static void answer(const struct gw_waf *waf, struct gw_ws_app *a,
		   const struct gw_waf_grant *grant, const char *refresh,
		   struct gw_metric *ok, struct gw_metric *bad)
{
	const struct gw_set_user *user = waf->h.user(grant->user, waf->h.arg);
	struct gw_buf token;

	if (!user) { /* a reload has taken it away */
		fault(a, 400, "invalid_grant", bad);
		return;
	}
	gw_buf_init(&token, MAX_TOKEN);
	if (sign(waf, user, grant->client, &token)) {
		gw_error(&gw_waf_log, "a token cannot be signed");
		fault(a, 500, "server_error", bad);
	} else {
		gw_metric_add(ok, 1);
		a->status = 200;
		/* An identity has no character that JSON would escape
		 * (gw_settings_check_identity). */
		gw_buf_printf(&a->body,
			      "{\"access_token\":\"%s\",\"token_type\":"
			      "\"Bearer\",\"expires_in\":%u,"
			      "\"refresh_token\":\"%s\",\"webrtcId\":\"%s\"}",
			      token.data, waf->set->waf.access_token_s, refresh,
			      user->id);
	}
	gw_form_wipe(&token);
}

static void not_granted(struct gw_waf *waf, struct gw_ws_app *a,
			enum gw_waf_verdict verdict, struct gw_metric *bad)
{
	if (verdict == GW_WAF_REPLAYED) {
		gw_metric_add(&m_replayed, 1);
		gw_warn(&gw_waf_log, "a code or refresh token came a second "
				     "time: what it granted is revoked");
	} else {
		gw_info(&gw_waf_log, "token request refused: %s",
			verdict == GW_WAF_VERIFIER ? "wrong code_verifier"
						   : "unknown or expired");
	}
	waf->h.punish(&a->peer, waf->h.arg);
	fault(a, 400, "invalid_grant", bad);
}

static void by_code(struct gw_waf *waf, struct gw_ws_app *a, const char *client)
{
	char code[GW_WAF_TOKEN_SIZE], verifier[VERIFIER], redirect[256];
	char refresh[GW_WAF_TOKEN_SIZE];
	struct gw_waf_grant grant;
	enum gw_waf_verdict v;

	if (gw_form_get(a->form.data, "code", code, sizeof(code)) !=
		    GW_FORM_FOUND ||
	    gw_form_get(a->form.data, "redirect_uri", redirect,
			sizeof(redirect)) != GW_FORM_FOUND ||
	    gw_form_get(a->form.data, "code_verifier", verifier,
			sizeof(verifier)) != GW_FORM_FOUND) {
		fault(a, 400, "invalid_request", &m_code_bad);
		return;
	}
	v = gw_waf_grants_redeem(waf->grants, code, client, redirect, verifier,
				 gw_clock_wall_s(),
				 waf->set->waf.refresh_token_s, &grant,
				 refresh);
	if (v == GW_WAF_GOOD)
		answer(waf, a, &grant, refresh, &m_code_ok, &m_code_bad);
	else
		not_granted(waf, a, v, &m_code_bad);
	explicit_bzero(refresh, sizeof(refresh));
}

static void by_refresh(struct gw_waf *waf, struct gw_ws_app *a,
		       const char *client)
{
	char old[GW_WAF_TOKEN_SIZE], fresh[GW_WAF_TOKEN_SIZE];
	struct gw_waf_grant grant;
	enum gw_waf_verdict v;

	if (gw_form_get(a->form.data, "refresh_token", old, sizeof(old)) !=
	    GW_FORM_FOUND) {
		fault(a, 400, "invalid_request", &m_refresh_bad);
		return;
	}
	v = gw_waf_grants_refresh(waf->grants, old, client, gw_clock_wall_s(),
				  waf->set->waf.refresh_token_s, &grant, fresh);
	if (v == GW_WAF_GOOD)
		answer(waf, a, &grant, fresh, &m_refresh_ok, &m_refresh_bad);
	else
		not_granted(waf, a, v, &m_refresh_bad);
	explicit_bzero(fresh, sizeof(fresh));
}

void gw_waf_token_request(struct gw_waf *waf, struct gw_ws_app *a)
{
	const char *form = a->form.data;
	char grant_type[64], client[64];

	a->content_type = "application/json";
	if (a->origin && gw_waf_origin_known(waf, a->origin))
		(void)snprintf(a->allow_origin, sizeof(a->allow_origin), "%s",
			       a->origin);
	if (!a->post) {
		a->allow = "POST";
		fault(a, 405, "invalid_request", &m_malformed);
	} else if (!a->type ||
		   strncasecmp(a->type, FORM_TYPE, strlen(FORM_TYPE)) != 0) {
		fault(a, 400, "invalid_request", &m_malformed);
	} else if (gw_form_get(form, "grant_type", grant_type,
			       sizeof(grant_type)) != GW_FORM_FOUND) {
		fault(a, 400, "invalid_request", &m_malformed);
	} else if (gw_form_get(form, "client_id", client, sizeof(client)) !=
			   GW_FORM_FOUND ||
		   !gw_waf_client(waf, client)) {
		fault(a, 401, "invalid_client", &m_malformed);
	} else if (!strcmp(grant_type, "authorization_code")) {
		by_code(waf, a, client);
	} else if (!strcmp(grant_type, "refresh_token")) {
		by_refresh(waf, a, client);
	} else {
		fault(a, 400, "unsupported_grant_type", &m_malformed);
	}
	gw_metric_set(&m_grants, (int64_t)gw_waf_grants_count(waf->grants));
}
