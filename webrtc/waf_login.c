/*
 * The authorization endpoint (RFC 6749 3.1): a log-in page, and its form.
 *
 * Who the client is, and where its answer goes, is settled first: a fault there
 * is shown, never redirected (RFC 6749 4.1.2.1).  The form is tied to the
 * browser by a cookie of which it carries a keyed hash, together with all that
 * was asked for; another site has neither.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/ids.h"
#include "webrtc/waf_priv.h"

#define COOKIE       "isthmus-login"
#define COOKIE_CHARS 22
#define COOKIE_AGE_S 600
#define CSRF_SIZE    44
#define MAX_LOGINS   64
#define BUSY_S       2
#define FORM_TYPE    "application/x-www-form-urlencoded"

#define LOGINS      "isthmus_waf_logins_total"
#define LOGINS_HELP "Log-ins at the account page, by result"
GW_COUNTER(m_ok, LOGINS, LOGINS_HELP, "result=\"ok\"");
GW_COUNTER(m_failed, LOGINS, LOGINS_HELP, "result=\"failed\"");
GW_COUNTER(m_paused, LOGINS, LOGINS_HELP, "result=\"paused\"");
GW_COUNTER(m_busy, LOGINS, LOGINS_HELP, "result=\"busy\"");
GW_COUNTER(m_forged, LOGINS, LOGINS_HELP, "result=\"forged\"");
GW_COUNTER(m_bad, "isthmus_waf_bad_requests_total",
	   "Authorization requests that cannot be right", "");

struct gw_waf_login {
	LIST_ENTRY(gw_waf_login) link;
	struct gw_waf *waf; /* NULL: it has gone */
	struct gw_ws_app *app;
	uint64_t ask;    /* not 0: its user is being looked up elsewhere */
	bool configured; /* a user of the configuration, else from elsewhere */
	struct gw_auth_job *check;
	char client[64], user[128]; /* the client may be gone at the end */
	struct gw_waf_request req;
	char csrf[CSRF_SIZE];
};

static enum gw_ws_app_result refuse(struct gw_ws_app *a, const char *fault)
{
	gw_metric_add(&m_bad, 1);
	gw_waf_page_fault(a, 400, fault);
	return GW_WS_APP_ANSWERED;
}

/* ---- what is asked for ---- */

static bool is_redirect_of(const struct gw_set_waf_client *c, const char *uri)
{
	for (size_t i = 0; i < c->nredirect; i++)
		if (!strcmp(c->redirect[i], uri))
			return true;
	return false;
}

/* NULL: fine; else what is shown. */
static const char *read_client(const struct gw_waf *waf, const char *form,
			       struct gw_waf_request *req)
{
	char id[sizeof(req->client->id)];

	if (gw_form_get(form, "client_id", id, sizeof(id)) != GW_FORM_FOUND)
		return "client_id is missing or wrong.";
	req->client = gw_waf_client(waf, id);
	if (!req->client)
		return "This client is not known here.";
	if (gw_form_get(form, "redirect_uri", req->redirect,
			sizeof(req->redirect)) != GW_FORM_FOUND ||
	    !is_redirect_of(req->client, req->redirect))
		return "This redirect_uri is not one of the client's.";
	return NULL;
}

/* NULL: fine; else an error code of RFC 6749 4.1.2.1. */
static const char *read_rest(const char *form, struct gw_waf_request *req)
{
	char text[64];

	if (gw_form_get(form, "state", req->state, sizeof(req->state)) ==
	    GW_FORM_BROKEN)
		return "invalid_request";
	if (gw_form_get(form, "response_type", text, sizeof(text)) !=
	    GW_FORM_FOUND)
		return "invalid_request";
	if (strcmp(text, "code") != 0)
		return "unsupported_response_type";
	/* RFC 7636 4.4.1: required, and "plain" (the default) is not enough. */
	if (gw_form_get(form, "code_challenge_method", text, sizeof(text)) !=
		    GW_FORM_FOUND ||
	    strcmp(text, "S256") != 0 ||
	    gw_form_get(form, "code_challenge", req->challenge,
			sizeof(req->challenge)) != GW_FORM_FOUND ||
	    !gw_waf_challenge_valid(req->challenge))
		return "invalid_request";
	return NULL;
}

static void parameter(struct gw_buf *b, const char *name, const char *value)
{
	if (!value[0])
		return;
	gw_buf_printf(b, "&%s=", name);
	gw_form_escape(b, value);
}

/* Back to the client: @name is "code" or "error". */
static void redirect(const struct gw_waf *waf, struct gw_ws_app *a,
		     const struct gw_waf_request *req, const char *name,
		     const char *value)
{
	struct gw_buf b;

	gw_buf_init(&b, sizeof(a->location) - 1);
	gw_buf_printf(&b, "%s%s%s=", req->redirect,
		      strchr(req->redirect, '?') ? "&" : "?", name);
	gw_form_escape(&b, value);
	parameter(&b, "state", req->state);
	parameter(&b, "iss", waf->set->waf.issuer); /* RFC 9207 */
	if (gw_buf_error(&b)) {
		gw_waf_page_fault(a, 500, "The answer cannot be made.");
	} else {
		a->status = 303;
		(void)snprintf(a->location, sizeof(a->location), "%s", b.data);
	}
	gw_form_wipe(&b);
}

/* ---- the form is from our page, in this browser ---- */

/* The value of our cookie, "" when there is none that could be ours. */
static void read_cookie(const char *text, char out[COOKIE_CHARS + 1])
{
	size_t name = strlen(COOKIE), n;

	out[0] = '\0';
	for (; text && *text; text += strspn(text, "; ")) {
		n = strcspn(text, ";");
		if (n == name + 1 + COOKIE_CHARS &&
		    !strncmp(text, COOKIE "=", name + 1)) {
			memcpy(out, text + name + 1, COOKIE_CHARS);
			out[COOKIE_CHARS] = '\0';
		}
		text += n;
	}
}

static void make_csrf(const struct gw_waf *waf, const char *cookie,
		      const struct gw_waf_request *req, char out[CSRF_SIZE])
{
	unsigned char mac[EVP_MAX_MD_SIZE] = { 0 };
	char text[1024];
	unsigned n = 0;
	int len = snprintf(text, sizeof(text), "csrf\n%s\n%s\n%s\n%s\n%s",
			   cookie, req->client->id, req->redirect,
			   req->challenge, req->state);

	(void)HMAC(EVP_sha256(), waf->secret, sizeof(waf->secret),
		   (unsigned char *)text, (size_t)len, mac, &n);
	gw_base64url_encode(out, mac, 32);
}

static bool is_ours(const struct gw_waf *waf, const struct gw_ws_app *a,
		    const struct gw_waf_request *req, char csrf[CSRF_SIZE])
{
	char cookie[COOKIE_CHARS + 1], given[CSRF_SIZE];

	if (a->origin && strcmp(a->origin, waf->set->waf.issuer) != 0)
		return false;
	read_cookie(a->cookie, cookie);
	if (!cookie[0] || gw_form_get(a->form.data, "csrf", given,
				      sizeof(given)) != GW_FORM_FOUND)
		return false;
	make_csrf(waf, cookie, req, csrf);
	return strlen(given) == CSRF_SIZE - 1 &&
	       !CRYPTO_memcmp(given, csrf, CSRF_SIZE - 1);
}

static void show_form(const struct gw_waf *waf, struct gw_ws_app *a,
		      const struct gw_waf_request *req)
{
	char cookie[COOKIE_CHARS + 1], csrf[CSRF_SIZE];

	/* Another window may be at it, with the same cookie. */
	read_cookie(a->cookie, cookie);
	if (!cookie[0])
		gw_random_token(cookie, sizeof(cookie), COOKIE_CHARS);
	(void)snprintf(a->set_cookie, sizeof(a->set_cookie),
		       COOKIE "=%s; Path=/oauth; Max-Age=%d; HttpOnly; "
			      "SameSite=Strict%s",
		       cookie, COOKIE_AGE_S, a->tls ? "; Secure" : "");
	make_csrf(waf, cookie, req, csrf);
	gw_waf_page_form(a, req, csrf, "", 200, NULL);
}

/* ---- the password ---- */

static void work(void *arg)
{
	struct gw_waf_login *l = arg;

	gw_auth_job_work(l->check);
}

static void login_free(struct gw_waf_login *l)
{
	gw_auth_job_free(l->check);
	free(l);
}

static void good(struct gw_waf *waf, struct gw_waf_login *l)
{
	struct gw_waf_grant grant = { .user = "" };
	char code[GW_WAF_TOKEN_SIZE];

	(void)snprintf(grant.user, sizeof(grant.user), "%s",
		       l->check->webrtc_id);
	(void)snprintf(grant.client, sizeof(grant.client), "%s", l->client);
	memcpy(grant.redirect, l->req.redirect, sizeof(grant.redirect));
	memcpy(grant.challenge, l->req.challenge, sizeof(grant.challenge));
	if (gw_waf_grants_code(waf->grants, &grant, gw_clock_wall_s(), code)) {
		gw_warn(&gw_waf_log, "no memory for a grant");
		redirect(waf, l->app, &l->req, "error",
			 "temporarily_unavailable");
		return;
	}
	gw_metric_add(&m_ok, 1);
	gw_waf_throttle_good(waf, l->user);
	gw_info(&gw_waf_log, "%s logged in for client %s", grant.user,
		grant.client);
	redirect(waf, l->app, &l->req, "code", code);
	explicit_bzero(code, sizeof(code));
}

static void bad(struct gw_waf *waf, struct gw_waf_login *l)
{
	gw_metric_add(&m_failed, 1);
	/* What an unknown user typed may be a password. */
	gw_info(&gw_waf_log, "%s: log-in failed",
		l->check->known ? l->check->webrtc_id : "unknown user");
	waf->h.punish(&l->app->peer, waf->h.arg);
	gw_waf_page_form(l->app, &l->req, l->csrf, l->user, 403,
			 "Address or password is not right.");
}

static void done(void *arg)
{
	struct gw_waf_login *l = arg;
	struct gw_waf *waf = l->waf;

	if (waf) {
		LIST_REMOVE(l, link);
		waf->nlogin--;
		/* A reload may have changed everything meanwhile. */
		l->req.client =
			waf->enabled ? gw_waf_client(waf, l->client) : NULL;
		if (l->check->good && !waf->h.user(l->check->webrtc_id,
						   waf->h.arg) == l->configured)
			l->check->good = false;
	}
	if (!waf || !l->req.client)
		gw_waf_page_fault(l->app, 503, "Come again later.");
	else if (!l->app->io)
		; /* the browser has gone: no code for nobody */
	else if (l->check->good)
		good(waf, l);
	else
		bad(waf, l);
	gw_ws_app_answer(l->app);
	login_free(l);
}

/* One that the pool does not have. */
static void drop(struct gw_waf_login *l, unsigned status)
{
	LIST_REMOVE(l, link);
	l->waf->nlogin--;
	gw_metric_add(&m_busy, 1);
	l->app->retry_after_s = BUSY_S;
	gw_waf_page_fault(l->app, status, "Come again later.");
	gw_ws_app_answer(l->app);
	login_free(l);
}

void gw_waf_login_orphan(struct gw_waf *waf)
{
	struct gw_waf_login *l;

	while ((l = LIST_FIRST(&waf->logins))) {
		if (l->ask) {
			drop(l, 503);
			continue;
		}
		LIST_REMOVE(l, link);
		l->waf = NULL;
		atomic_store_explicit(&l->check->abandoned, true,
				      memory_order_relaxed);
	}
}

static enum gw_ws_app_result busy(struct gw_ws_app *a, struct gw_metric *m,
				  unsigned status, uint32_t wait_s)
{
	gw_metric_add(m, 1);
	a->retry_after_s = wait_s;
	gw_waf_page_fault(a, status, "Too many attempts. Come again later.");
	return GW_WS_APP_ANSWERED;
}

/* "alice@demo.example" is an address, too. */
static bool read_user(const char *form, char out[128])
{
	char text[120];

	if (gw_form_get(form, "username", text, sizeof(text)) != GW_FORM_FOUND)
		return false;
	(void)snprintf(out, 128, "%s%s",
		       !strncasecmp(text, "sip:", 4) ||
				       !strncasecmp(text, "sips:", 5) ||
				       !strncasecmp(text, "tel:", 4)
			       ? ""
			       : "sip:",
		       text);
	return true;
}

/* Whose password it is; NULL: nobody's, and it takes as long. */
static void take_user(struct gw_waf_login *l, const struct gw_set_user *user)
{
	struct gw_auth_job *check = l->check;

	check->known = user && user->password[0];
	(void)snprintf(check->webrtc_id, sizeof(check->webrtc_id), "%s",
		       user ? user->id : "");
	(void)snprintf(check->hash, sizeof(check->hash), "%s",
		       check->known ? user->password : l->waf->dummy_hash);
}

static struct gw_waf_login *new_login(struct gw_waf *waf, const char *user,
				      const char *password)
{
	const struct gw_set_user *known = waf->h.user(user, waf->h.arg);
	struct gw_waf_login *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	if (gw_auth_job_new(&l->check, GW_AUTH_BASIC, password,
			    strlen(password))) {
		free(l);
		return NULL;
	}
	l->waf = waf;
	l->configured = known != NULL;
	(void)snprintf(l->user, sizeof(l->user), "%s", user);
	take_user(l, known);
	return l;
}

/* Whether the configuration has it or not: nobody can tell by the time. */
static int look_up(struct gw_waf_login *l)
{
	struct gw_waf *waf = l->waf;
	int err =
		waf->h.ask ? waf->h.ask(&l->ask, l->user, waf->h.arg) : -ENOENT;

	if (!err)
		return 0; /* gw_waf_login_found() goes on */
	l->ask = 0;
	if (err != -ENOENT && !l->configured)
		return err;
	return gw_loop_work(waf->loop, work, done, l);
}

bool gw_waf_login_found(struct gw_waf *waf, uint64_t ask, int error,
			const struct gw_set_user *user)
{
	struct gw_waf_login *l;

	LIST_FOREACH(l, &waf->logins, link)
	{
		if (l->ask == ask)
			break;
	}
	if (!l)
		return false;
	l->ask = 0;
	if (!error && !l->configured)
		take_user(l, user);
	if (error && error != -ENOENT && !l->configured)
		drop(l, 503);
	else if (gw_loop_work(waf->loop, work, done, l))
		drop(l, 503);
	return true;
}

static enum gw_ws_app_result check_password(struct gw_waf *waf,
					    struct gw_ws_app *a,
					    const struct gw_waf_request *req,
					    const char *csrf)
{
	char user[128], password[GW_AUTH_MAX_PASSWORD + 1];
	struct gw_waf_login *l;
	uint32_t wait_s;

	if (!read_user(a->form.data, user) ||
	    gw_form_get(a->form.data, "password", password, sizeof(password)) !=
		    GW_FORM_FOUND) {
		explicit_bzero(password, sizeof(password));
		return refuse(a, "Address or password is missing.");
	}
	wait_s = gw_waf_throttle_try(waf, user);
	l = wait_s || waf->nlogin >= MAX_LOGINS
		    ? NULL
		    : new_login(waf, user, password);
	explicit_bzero(password, sizeof(password));
	if (wait_s)
		return busy(a, &m_paused, 429, wait_s);
	if (!l)
		return busy(a, &m_busy, 503, BUSY_S);
	l->app = a;
	l->req = *req;
	(void)snprintf(l->client, sizeof(l->client), "%s", req->client->id);
	(void)snprintf(l->csrf, sizeof(l->csrf), "%s", csrf);
	if (look_up(l)) {
		login_free(l);
		return busy(a, &m_busy, 503, BUSY_S);
	}
	LIST_INSERT_HEAD(&waf->logins, l, link);
	waf->nlogin++;
	return GW_WS_APP_LATER;
}

enum gw_ws_app_result gw_waf_login_request(struct gw_waf *waf,
					   struct gw_ws_app *a)
{
	struct gw_waf_request req = { .client = NULL };
	const char *form = a->post ? a->form.data : a->query, *fault;
	char csrf[CSRF_SIZE];

	if (a->post && (!a->type || strncasecmp(a->type, FORM_TYPE,
						strlen(FORM_TYPE)) != 0))
		return refuse(a, "This is not a form.");
	fault = read_client(waf, form, &req);
	if (fault)
		return refuse(a, fault);
	fault = read_rest(form, &req);
	if (fault) {
		gw_metric_add(&m_bad, 1);
		redirect(waf, a, &req, "error", fault);
		return GW_WS_APP_ANSWERED;
	}
	if (!a->post) {
		show_form(waf, a, &req);
		return GW_WS_APP_ANSWERED;
	}
	if (!is_ours(waf, a, &req, csrf)) {
		gw_metric_add(&m_forged, 1);
		gw_info(&gw_waf_log, "a log-in form that is not from our page "
				     "in this browser");
		gw_waf_page_fault(a, 403,
				  "This form is too old, or not from here. Go "
				  "back and begin again.");
		return GW_WS_APP_ANSWERED;
	}
	return check_password(waf, a, &req, csrf);
}
