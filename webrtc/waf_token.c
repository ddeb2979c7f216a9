/*
 * The token endpoint (RFC 6749 3.2) for public clients: a code and its verifier
 * (RFC 7636 4.5), or a refresh token, become an access token and the next
 * refresh token.  Faults are those of RFC 6749 5.2.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/ids.h"
#include "webrtc/waf_priv.h"

#define FORM_TYPE "application/x-www-form-urlencoded"
#define MAX_TOKEN 4096
#define JTI_CHARS 22
#define VERIFIER  129 /* RFC 7636 4.1, and the NUL */
#define MAX_ISSUE 64
#define BUSY_S    2

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

/* Who the user is in the core: what the gateway registers by this token. */
static void add_ims(struct json_object *obj, const struct gw_set_claims *names,
		    const struct gw_set_user *user)
{
	struct json_object *list;

	add_text(obj, names->impi, user->impi);
	if (!user->impi[0] || !user->nidentity)
		return;
	list = json_object_new_array();
	for (size_t i = 0; i < user->nidentity; i++)
		json_object_array_add(
			list, json_object_new_string(user->identity[i]));
	json_object_object_add(obj, names->impus, list);
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
	add_ims(obj, &set->auth.claims, user);
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
		   const struct gw_set_user *user,
		   const struct gw_waf_grant *grant, const char *refresh,
		   struct gw_metric *ok, struct gw_metric *bad)
{
	struct gw_buf token;

	if (!user) { /* a reload, or an operator, has taken it away */
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

static void by_code(struct gw_waf *waf, struct gw_ws_app *a, const char *client,
		    const struct gw_set_user *user)
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
		answer(waf, a, user, &grant, refresh, &m_code_ok, &m_code_bad);
	else
		not_granted(waf, a, v, &m_code_bad);
	explicit_bzero(refresh, sizeof(refresh));
}

static void by_refresh(struct gw_waf *waf, struct gw_ws_app *a,
		       const char *client, const struct gw_set_user *user)
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
		answer(waf, a, user, &grant, fresh, &m_refresh_ok,
		       &m_refresh_bad);
	else
		not_granted(waf, a, v, &m_refresh_bad);
	explicit_bzero(fresh, sizeof(fresh));
}

/* ---- whose it is ---- */

/* A user that is not of the configuration is looked up before its code or
 * token is used: where that fails, it can come again with the same. */
struct gw_waf_issue {
	LIST_ENTRY(gw_waf_issue) link;
	struct gw_ws_app *app;
	uint64_t ask;
};

/* "grant_type" is one of these; false: of another. */
static bool is_code(const char *form, bool *code)
{
	char text[64];

	if (gw_form_get(form, "grant_type", text, sizeof(text)) !=
	    GW_FORM_FOUND)
		return false;
	*code = !strcmp(text, "authorization_code");
	return *code || !strcmp(text, "refresh_token");
}

static void redeem(struct gw_waf *waf, struct gw_ws_app *a,
		   const struct gw_set_user *user)
{
	char client[64] = "";
	bool code = false;

	/* A reload may have taken both away. */
	if (gw_form_get(a->form.data, "client_id", client, sizeof(client)) !=
		    GW_FORM_FOUND ||
	    !waf->enabled || !gw_waf_client(waf, client))
		fault(a, 401, "invalid_client", &m_malformed);
	else if (!is_code(a->form.data, &code))
		fault(a, 400, "unsupported_grant_type", &m_malformed);
	else if (code)
		by_code(waf, a, client, user);
	else
		by_refresh(waf, a, client, user);
	gw_metric_set(&m_grants, (int64_t)gw_waf_grants_count(waf->grants));
}

static void unavailable(struct gw_ws_app *a)
{
	a->retry_after_s = BUSY_S;
	fault(a, 503, "temporarily_unavailable", &m_malformed);
}

static void issue_end(struct gw_waf *waf, struct gw_waf_issue *i)
{
	LIST_REMOVE(i, link);
	waf->nissue--;
	gw_ws_app_answer(i->app);
	free(i);
}

bool gw_waf_token_found(struct gw_waf *waf, uint64_t ask, int error,
			const struct gw_set_user *user)
{
	struct gw_waf_issue *i;

	LIST_FOREACH(i, &waf->issues, link)
	{
		if (i->ask == ask)
			break;
	}
	if (!i)
		return false;
	if (!i->app->io)
		; /* the client has gone: no token for nobody */
	else if (error && error != -ENOENT)
		unavailable(i->app);
	else
		redeem(waf, i->app, error ? NULL : user);
	issue_end(waf, i);
	return true;
}

void gw_waf_token_orphan(struct gw_waf *waf)
{
	struct gw_waf_issue *i;

	while ((i = LIST_FIRST(&waf->issues))) {
		unavailable(i->app);
		issue_end(waf, i);
	}
}

static enum gw_ws_app_result look_up(struct gw_waf *waf, struct gw_ws_app *a,
				     const char *user)
{
	struct gw_waf_issue *i =
		waf->nissue < MAX_ISSUE ? calloc(1, sizeof(*i)) : NULL;
	int err = -EAGAIN;

	if (i && waf->h.ask)
		err = waf->h.ask(&i->ask, user, waf->h.arg);
	else if (i)
		err = -ENOENT;
	if (!err) {
		i->app = a;
		LIST_INSERT_HEAD(&waf->issues, i, link);
		waf->nissue++;
		return GW_WS_APP_LATER;
	}
	free(i);
	if (err == -ENOENT)
		redeem(waf, a, NULL);
	else
		unavailable(a);
	return GW_WS_APP_ANSWERED;
}

/* Codes and refresh tokens begin alike. */
static const char *user_of(struct gw_waf *waf, const char *form,
			   const char *client, bool code)
{
	char token[GW_WAF_TOKEN_SIZE];
	const char *user = NULL;

	if (gw_form_get(form, code ? "code" : "refresh_token", token,
			sizeof(token)) == GW_FORM_FOUND)
		user = gw_waf_grants_user(waf->grants, token, client,
					  gw_clock_wall_s());
	explicit_bzero(token, sizeof(token));
	return user;
}

static enum gw_ws_app_result serve(struct gw_waf *waf, struct gw_ws_app *a,
				   const char *client, bool code)
{
	const char *id = user_of(waf, a->form.data, client, code);
	const struct gw_set_user *user =
		id ? waf->h.user(id, waf->h.arg) : NULL;

	if (id && !user)
		return look_up(waf, a, id);
	redeem(waf, a, user);
	return GW_WS_APP_ANSWERED;
}

enum gw_ws_app_result gw_waf_token_request(struct gw_waf *waf,
					   struct gw_ws_app *a)
{
	const char *form = a->form.data;
	char grant_type[64], client[64];
	bool code;

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
	} else if (!is_code(form, &code)) {
		fault(a, 400, "unsupported_grant_type", &m_malformed);
	} else {
		return serve(waf, a, client, code);
	}
	return GW_WS_APP_ANSWERED;
}
