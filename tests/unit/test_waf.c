/*
 * The WAF without a server: PKCE, codes and refresh tokens in time, the key's
 * file, and the token endpoint's rules.
 */
#include "tests/unit/cm.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/timers.h"
#include "tests/unit/jwt_sign.h"
#include "webrtc/waf.h"
#include "webrtc/waf_grant.h"
#include "webrtc/waf_key.h"

/* RFC 7636 appendix B */
#define VERIFIER  "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define CHALLENGE "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
#define BACK      "https://app.example/"
#define DAY_S     86400

static struct gw_waf_grants *grants;
static char code[GW_WAF_TOKEN_SIZE], refresh[GW_WAF_TOKEN_SIZE];
static struct gw_waf_grant got;
static char dir[] = "/tmp/isthmus-waf-XXXXXX";

static int setup(void **state)
{
	(void)state;
	return gw_waf_grants_new(&grants);
}

static int teardown(void **state)
{
	(void)state;
	gw_waf_grants_free(grants);
	return 0;
}

static void grant_to(const char *user, int64_t now_s)
{
	struct gw_waf_grant what = { .client = "c",
				     .redirect = BACK,
				     .challenge = CHALLENGE };

	(void)snprintf(what.user, sizeof(what.user), "%s", user);
	assert_int_equal(0, gw_waf_grants_code(grants, &what, now_s, code));
}

static enum gw_waf_verdict redeem(const char *which, int64_t now_s)
{
	return gw_waf_grants_redeem(grants, which, "c", BACK, VERIFIER, now_s,
				    100, &got, refresh);
}

/* ---- PKCE ---- */

static void the_example_of_the_rfc_holds(void **state)
{
	(void)state;
	assert_true(gw_waf_pkce_holds(VERIFIER, CHALLENGE));
	assert_true(gw_waf_challenge_valid(CHALLENGE));
}

static void other_verifiers_do_not(void **state)
{
	static const char *const bad[] = {
		"",
		CHALLENGE,
		VERIFIER "A",
		"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjX",
		"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjX ",
	};
	char longest[130];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(gw_waf_pkce_holds(bad[i], CHALLENGE));
	memset(longest, 'a', sizeof(longest) - 1);
	longest[129] = '\0';
	assert_false(gw_waf_pkce_holds(longest, CHALLENGE));
	assert_false(gw_waf_challenge_valid("x"));
	assert_false(gw_waf_challenge_valid(CHALLENGE "A"));
	assert_false(gw_waf_challenge_valid(
		"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"));
}

/* ---- codes and refresh tokens ---- */

static void a_code_lives_for_a_minute(void **state)
{
	(void)state;
	grant_to("sip:a@x", 1000);
	assert_int_equal(GW_WAF_UNKNOWN, redeem(code, 1000 + GW_WAF_CODE_S));
	grant_to("sip:a@x", 1000);
	assert_int_equal(GW_WAF_GOOD, redeem(code, 999 + GW_WAF_CODE_S));
	assert_string_equal("sip:a@x", got.user);
}

static void a_code_works_once_and_its_replay_ends_all(void **state)
{
	(void)state;
	grant_to("sip:a@x", 1000);
	assert_int_equal(GW_WAF_GOOD, redeem(code, 1000));
	assert_int_equal(GW_WAF_REPLAYED, redeem(code, 1001));
	assert_int_equal(GW_WAF_UNKNOWN, redeem(code, 1002));
	assert_int_equal(GW_WAF_UNKNOWN,
			 gw_waf_grants_refresh(grants, refresh, "c", 1002, 100,
					       &got, code));
	assert_int_equal(0, gw_waf_grants_count(grants));
}

static void a_wrong_verifier_uses_it_up(void **state)
{
	(void)state;
	grant_to("sip:a@x", 1000);
	assert_int_equal(GW_WAF_VERIFIER,
			 gw_waf_grants_redeem(grants, code, "c", BACK,
					      CHALLENGE, 1000, 100, &got,
					      refresh));
	assert_int_equal(GW_WAF_UNKNOWN, redeem(code, 1000));
}

static void a_refresh_token_turns_and_lives_on(void **state)
{
	char first[GW_WAF_TOKEN_SIZE], next[GW_WAF_TOKEN_SIZE];

	(void)state;
	grant_to("sip:a@x", 1000);
	assert_int_equal(GW_WAF_GOOD, redeem(code, 1000));
	strcpy(first, refresh);
	assert_int_equal(GW_WAF_UNKNOWN,
			 gw_waf_grants_refresh(grants, first, "other", 1050,
					       100, &got, next));
	assert_int_equal(GW_WAF_GOOD,
			 gw_waf_grants_refresh(grants, first, "c", 1099, 100,
					       &got, next));
	assert_string_not_equal(first, next);
	assert_int_equal(GW_WAF_GOOD,
			 gw_waf_grants_refresh(grants, next, "c", 1198, 100,
					       &got, refresh));
	assert_int_equal(GW_WAF_UNKNOWN,
			 gw_waf_grants_refresh(grants, refresh, "c", 1298, 100,
					       &got, next));
	/* The first was of the same grant: who shows it has stolen it. */
	grant_to("sip:b@x", 2000);
	assert_int_equal(GW_WAF_GOOD, redeem(code, 2000));
	strcpy(first, refresh);
	assert_int_equal(GW_WAF_GOOD,
			 gw_waf_grants_refresh(grants, first, "c", 2001, 100,
					       &got, next));
	assert_int_equal(GW_WAF_REPLAYED,
			 gw_waf_grants_refresh(grants, first, "c", 2002, 100,
					       &got, refresh));
	assert_int_equal(GW_WAF_UNKNOWN,
			 gw_waf_grants_refresh(grants, next, "c", 2003, 100,
					       &got, refresh));
}

static void a_code_is_no_refresh_token(void **state)
{
	(void)state;
	grant_to("sip:a@x", 1000);
	assert_int_equal(GW_WAF_UNKNOWN,
			 gw_waf_grants_refresh(grants, code, "c", 1000, 100,
					       &got, refresh));
	assert_int_equal(GW_WAF_GOOD, redeem(code, 1000));
}

static void memory_is_bounded(void **state)
{
	char user[64], first[GW_WAF_TOKEN_SIZE];

	(void)state;
	gw_waf_grants_free(grants);
	assert_int_equal(0, gw_waf_grants_new(&grants));
	for (int i = 0; i < GW_WAF_USER_GRANTS + 5; i++) {
		grant_to("sip:a@x", 1000);
		if (!i)
			strcpy(first, code);
	}
	assert_int_equal(GW_WAF_USER_GRANTS, gw_waf_grants_count(grants));
	assert_int_equal(GW_WAF_UNKNOWN, redeem(first, 1000));
	assert_int_equal(GW_WAF_GOOD, redeem(code, 1000));
	/* What is over makes room by itself. */
	grant_to("sip:b@x", 5000);
	assert_int_equal(1, gw_waf_grants_count(grants));
	for (int i = 0; i < 2000; i++) {
		(void)snprintf(user, sizeof(user), "sip:u%d@x", i);
		grant_to(user, 5000);
	}
	assert_int_equal(2001, gw_waf_grants_count(grants));
}

/* ---- keys ---- */

static struct gw_set_waf key_set(void)
{
	struct gw_set_waf set = { .key_days = 1, .access_token_s = 60 };

	(void)snprintf(set.key_file, sizeof(set.key_file), "%s/key.pem", dir);
	return set;
}

static char *published(struct gw_waf_keys *k)
{
	struct gw_buf b;

	gw_buf_init(&b, 4096);
	gw_waf_keys_publish(k, &b);
	return gw_buf_take(&b);
}

static char *keys_at(int64_t now_s)
{
	struct gw_set_waf set = key_set();
	struct gw_waf_keys *k;
	char err[384] = "", *text;

	if (gw_waf_keys_new(&k, &set, now_s, err, sizeof(err)))
		fail_msg("%s", err);
	text = published(k);
	gw_waf_keys_free(k);
	return text;
}

static void the_key_stays_until_its_time_is_over(void **state)
{
	int64_t now = gw_clock_wall_s();
	char *first = keys_at(now), *same = keys_at(now + 10);
	struct timespec ago[2] = { { .tv_sec = now - DAY_S - 10 },
				   { .tv_sec = now - DAY_S - 10 } };
	char *both, *one, *kid;
	struct stat st;
	char path[128];

	(void)state;
	assert_string_equal(first, same);
	(void)snprintf(path, sizeof(path), "%s/key.pem", dir);
	assert_int_equal(0, stat(path, &st));
	assert_int_equal(0600, st.st_mode & 0777);
	assert_int_equal(0, utimensat(AT_FDCWD, path, ago, 0));
	both = keys_at(now);
	/* The old one is second, for as long as its tokens live. */
	kid = strstr(first, "\"kid\"");
	kid[strcspn(kid, "}")] = '\0';
	assert_non_null(strstr(both, kid));
	assert_true(strstr(both, kid) > strstr(both, "\"kid\""));
	one = keys_at(now + 3600);
	assert_null(strstr(one, kid));
	free(first);
	free(same);
	free(both);
	free(one);
}

static void what_it_signs_is_believed(void **state)
{
	struct gw_set_waf set = key_set();
	static const struct gw_set_auth none;
	struct gw_jwt_claims claims;
	struct gw_jwt_keys *keys;
	struct gw_waf_keys *k;
	struct gw_buf token;
	char err[384];

	(void)state;
	assert_int_equal(0, gw_waf_keys_new(&k, &set, gw_clock_wall_s(), err,
					    sizeof(err)));
	assert_int_equal(0, gw_jwt_keys_new(&keys, &none, err, sizeof(err)));
	gw_jwt_keys_waf(keys, "https://w");
	gw_waf_keys_trust(k, keys);
	gw_buf_init(&token, 4096);
	assert_int_equal(0,
			 gw_waf_keys_sign(k,
					  "{\"iss\":\"https://w\",\"aud\":"
					  "\"https://w\",\"sub\":\"sip:a@x\","
					  "\"exp\":2000}",
					  &token));
	assert_int_equal(GW_JWT_OK, gw_jwt_verify(keys, token.data, token.len,
						  1000, &claims));
	assert_string_equal("sip:a@x", claims.subject);
	gw_buf_fini(&token);
	gw_jwt_keys_free(keys);
	gw_waf_keys_free(k);
}

static int try_file(const char *name, const char *text, mode_t mode)
{
	struct gw_set_waf set = { .key_days = 1, .access_token_s = 60 };
	struct gw_waf_keys *k = NULL;
	char err[384] = "";
	FILE *f;
	int rc;

	(void)snprintf(set.key_file, sizeof(set.key_file), "%s/%s", dir, name);
	f = fopen(set.key_file, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(0, fclose(f));
	assert_int_equal(0, chmod(set.key_file, mode));
	rc = gw_waf_keys_new(&k, &set, gw_clock_wall_s(), err, sizeof(err));
	assert_true(rc ? err[0] != '\0' : !k);
	assert_null(k);
	return rc;
}

/* An operator's mistake is told, and his file not written over. */
static void a_file_that_is_no_key_is_refused(void **state)
{
	struct gw_set_waf set = { .access_token_s = 60 };
	struct gw_waf_keys *k;
	char err[384];

	(void)state;
	assert_int_equal(-EINVAL, try_file("empty", "", 0600));
	assert_int_equal(-EINVAL, try_file("text", "hello", 0600));
	assert_int_equal(-EPERM, try_file("open", "hello", 0640));
	(void)snprintf(set.key_file, sizeof(set.key_file), "%s/no/such/dir",
		       dir);
	assert_int_equal(-ENOENT,
			 gw_waf_keys_new(&k, &set, 0, err, sizeof(err)));
}

/* ---- users that are found elsewhere ---- */

#define DAN      "sip:dan@web.example"
#define PASSWORD "open sesame"
#define FORM     "application/x-www-form-urlencoded"
#define QUERY                                                                  \
	"client_id=c&redirect_uri=https%3A%2F%2Fapp.example%2F&"               \
	"response_type=code&code_challenge_method=S256&code_"                  \
	"challenge=" CHALLENGE
#define REDEEM                                                                 \
	"grant_type=authorization_code&client_id=c&redirect_uri="              \
	"https%3A%2F%2Fapp.example%2F&code_verifier=" VERIFIER "&code="

static struct gw_loop *loop;
static struct gw_waf *waf;
static struct gw_settings set;
static struct gw_set_user dan;
static uint64_t last_ask;
static unsigned nask, npunished, nready;
static int ask_error;
static char asked[128], cookie[64], csrf[64];

static const struct gw_set_user *nobody(const char *uri, void *arg)
{
	(void)uri;
	(void)arg;
	return NULL;
}

static int on_ask(uint64_t *ask, const char *uri, void *arg)
{
	(void)arg;
	(void)snprintf(asked, sizeof(asked), "%s", uri);
	nask++;
	*ask = ++last_ask;
	return ask_error;
}

static void on_punish(const struct gw_addr *peer, void *arg)
{
	(void)peer;
	(void)arg;
	npunished++;
}

static void on_keys(void *arg)
{
	(void)arg;
}

static void on_ready(struct gw_ws_app *a)
{
	(void)a;
	nready++;
}

static int setup_waf(void **state)
{
	const struct gw_waf_handlers h = { .user = nobody,
					   .ask = on_ask,
					   .punish = on_punish,
					   .keys_changed = on_keys };
	struct gw_set_waf *w = &set.waf;

	(void)state;
	memset(&set, 0, sizeof(set));
	w->enabled = true;
	w->access_token_s = w->refresh_token_s = 60;
	w->user_failures = 10;
	strcpy(w->issuer, "https://w");
	(void)snprintf(w->key_file, sizeof(w->key_file), "%s/waf.pem", dir);
	w->nclient = 1;
	strcpy(w->client[0].id, "c");
	w->client[0].nredirect = 1;
	strcpy(w->client[0].redirect[0], BACK);
	strcpy(set.auth.claims.impi, "impi");
	strcpy(set.auth.claims.impus, "impus");
	strcpy(set.auth.claims.name, "name");
	memset(&dan, 0, sizeof(dan));
	strcpy(dan.id, DAN);
	strcpy(dan.password, crypt(PASSWORD, "$5$rounds=1000$dansalt"));
	strcpy(dan.name, "Dan");
	strcpy(dan.impi, "dan@ims.example");
	strcpy(dan.identity[0], "sip:dan@ims.example");
	strcpy(dan.identity[1], "tel:+15550100");
	dan.nidentity = 2;
	nask = npunished = nready = 0;
	ask_error = 0;
	assert_int_equal(0, gw_loop_new(&loop, NULL, NULL));
	assert_int_equal(0, gw_waf_new(&waf, loop, &h));
	return gw_waf_use(waf, &set);
}

static int teardown_waf(void **state)
{
	(void)state;
	gw_waf_free(waf);
	gw_loop_free(loop);
	return 0;
}

static struct gw_ws_app *request(const char *path, const char *query,
				 const char *form)
{
	struct gw_ws_app *a = calloc(1, sizeof(*a));

	assert_non_null(a);
	a->tls = true;
	a->post = form != NULL;
	a->path = strdup(path);
	a->query = query ? strdup(query) : NULL;
	a->type = form ? strdup(FORM) : NULL;
	a->cookie = cookie[0] ? strdup(cookie) : NULL;
	a->ready = on_ready;
	a->io = &loop;
	gw_buf_init(&a->form, GW_WS_FORM_MAX);
	gw_buf_init(&a->body, GW_WS_PAGE_MAX);
	if (form)
		gw_buf_str(&a->form, form);
	return a;
}

static void done_with(struct gw_ws_app *a)
{
	free(a->path);
	free(a->query);
	free(a->type);
	free(a->cookie);
	gw_buf_fini(&a->form);
	gw_buf_fini(&a->body);
	free(a);
}

/* The page: it gives the cookie and the form's hash. */
static void open_page(void)
{
	struct gw_ws_app *a;
	const char *p;

	cookie[0] = '\0';
	a = request("/oauth/authorize", QUERY, NULL);
	assert_int_equal(GW_WS_APP_ANSWERED, gw_waf_request(waf, a));
	assert_int_equal(200, a->status);
	(void)snprintf(cookie, sizeof(cookie), "%.*s",
		       (int)strcspn(a->set_cookie, ";"), a->set_cookie);
	p = strstr(a->body.data, "name=\"csrf\" value=\"");
	assert_non_null(p);
	(void)snprintf(csrf, sizeof(csrf), "%.43s", p + 19);
	done_with(a);
}

/* The form, up to where its user is asked for. */
static struct gw_ws_app *log_in(const char *password)
{
	char form[1024];
	struct gw_ws_app *a;

	open_page();
	(void)snprintf(form, sizeof(form),
		       "%s&csrf=%s&username=dan%%40web.example&password=%s",
		       QUERY, csrf, password);
	a = request("/oauth/authorize", NULL, form);
	if (!ask_error) {
		assert_int_equal(GW_WS_APP_LATER, gw_waf_request(waf, a));
		assert_string_equal(DAN, asked);
		assert_int_equal(0, nready);
	}
	return a;
}

static void wait_ready(unsigned n)
{
	for (int i = 0; i < 500 && nready < n; i++)
		gw_loop_step(loop, 20);
	assert_int_equal(n, nready);
}

/* A code for Dan. */
static void get_code(void)
{
	struct gw_ws_app *a = log_in(PASSWORD);
	const char *p;

	assert_true(gw_waf_user_found(waf, last_ask, 0, &dan));
	wait_ready(1);
	nready = 0;
	assert_int_equal(303, a->status);
	p = strstr(a->location, "code=");
	assert_non_null(p);
	(void)snprintf(code, sizeof(code), "%.44s", p + 5);
	done_with(a);
}

static struct gw_ws_app *redeem_code(void)
{
	struct gw_ws_app *a;
	char form[512];

	(void)snprintf(form, sizeof(form), "%s%s", REDEEM, code);
	a = request("/oauth/token", NULL, form);
	if (!ask_error)
		assert_int_equal(GW_WS_APP_LATER, gw_waf_request(waf, a));
	return a;
}

static void a_user_from_elsewhere_gets_a_token_with_its_identities(void **state)
{
	static const char *const wanted[] = {
		"\"sub\":\"" DAN "\"", "\"name\":\"Dan\"",
		"\"impi\":\"dan@ims.example\"",
		"\"impus\":[\"sip:dan@ims.example\",\"tel:+15550100\"]"
	};
	char claims[1024] = "";
	struct gw_ws_app *a;
	const char *p;
	int n;

	(void)state;
	get_code();
	a = redeem_code();
	assert_string_equal(DAN, asked);
	assert_true(gw_waf_user_found(waf, last_ask, 0, &dan));
	assert_int_equal(1, nready);
	assert_int_equal(200, a->status);
	p = strchr(strstr(a->body.data, "access_token"), '.');
	assert_non_null(p);
	n = gw_base64url_decode(claims, sizeof(claims) - 1, p + 1,
				strcspn(p + 1, "."));
	assert_true(n > 0);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (!strstr(claims, wanted[i]))
			fail_msg("%s lacks %s", claims, wanted[i]);
	}
	done_with(a);
}

static void who_is_wrong_or_unknown_there_is_refused_alike(void **state)
{
	struct gw_ws_app *a = log_in("guess");
	char first[8192];

	(void)state;
	assert_true(gw_waf_user_found(waf, last_ask, 0, &dan));
	wait_ready(1);
	assert_int_equal(403, a->status);
	(void)snprintf(first, sizeof(first), "%s",
		       strstr(a->body.data, "id=\"fault\""));
	done_with(a);
	nready = 0;
	a = log_in(PASSWORD);
	assert_true(gw_waf_user_found(waf, last_ask, -ENOENT, NULL));
	wait_ready(1);
	assert_int_equal(403, a->status);
	/* Up to the form, whose hash differs. */
	assert_memory_equal(first, strstr(a->body.data, "id=\"fault\""), 60);
	done_with(a);
	assert_int_equal(2, npunished);
}

static void where_nobody_can_tell_it_is_tried_again(void **state)
{
	struct gw_ws_app *a = log_in(PASSWORD);

	(void)state;
	assert_true(gw_waf_user_found(waf, last_ask, -EIO, NULL));
	assert_int_equal(1, nready);
	assert_int_equal(503, a->status);
	assert_true(a->retry_after_s > 0);
	done_with(a);
	ask_error = -EAGAIN;
	nready = 0;
	a = log_in(PASSWORD);
	assert_int_equal(GW_WS_APP_ANSWERED, gw_waf_request(waf, a));
	assert_int_equal(503, a->status);
	done_with(a);
	ask_error = 0;
	/* The code is not used up by it. */
	get_code();
	a = redeem_code();
	assert_true(gw_waf_user_found(waf, last_ask, -ETIMEDOUT, NULL));
	assert_int_equal(503, a->status);
	done_with(a);
	ask_error = -EAGAIN;
	a = redeem_code();
	assert_int_equal(GW_WS_APP_ANSWERED, gw_waf_request(waf, a));
	assert_int_equal(503, a->status);
	done_with(a);
	ask_error = 0;
	a = redeem_code();
	assert_true(gw_waf_user_found(waf, last_ask, 0, &dan));
	assert_int_equal(200, a->status);
	done_with(a);
	assert_int_equal(0, npunished);
}

static void who_was_removed_gets_no_token(void **state)
{
	struct gw_ws_app *a;

	(void)state;
	get_code();
	a = redeem_code();
	assert_true(gw_waf_user_found(waf, last_ask, -ENOENT, NULL));
	assert_int_equal(400, a->status);
	assert_string_equal("{\"error\":\"invalid_grant\"}", a->body.data);
	done_with(a);
	/* What is nobody's is not asked about. */
	nask = 0;
	code[3] ^= 1;
	ask_error = -1;
	a = redeem_code();
	assert_int_equal(GW_WS_APP_ANSWERED, gw_waf_request(waf, a));
	assert_int_equal(400, a->status);
	assert_int_equal(0, nask);
	done_with(a);
}

/* The server has let go of both; they are freed by their answers. */
static void who_waits_when_it_ends_is_answered(void **state)
{
	struct gw_ws_app *a;

	(void)state;
	get_code();
	a = log_in(PASSWORD);
	a->io = NULL;
	a = redeem_code();
	a->io = NULL;
	assert_false(gw_waf_user_found(waf, 4711, 0, &dan));
	assert_false(gw_waf_user_found(waf, 0, 0, &dan));
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char cmd[128];

	(void)state;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

int main(void)
{
#define W(f) cmocka_unit_test_setup_teardown(f, setup_waf, teardown_waf)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_rfc_holds),
		cmocka_unit_test(other_verifiers_do_not),
		cmocka_unit_test_setup_teardown(a_code_lives_for_a_minute,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_code_works_once_and_its_replay_ends_all, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_wrong_verifier_uses_it_up,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_refresh_token_turns_and_lives_on, setup, teardown),
		cmocka_unit_test_setup_teardown(a_code_is_no_refresh_token,
						setup, teardown),
		cmocka_unit_test_setup_teardown(memory_is_bounded, setup,
						teardown),
		cmocka_unit_test(the_key_stays_until_its_time_is_over),
		cmocka_unit_test(what_it_signs_is_believed),
		cmocka_unit_test(a_file_that_is_no_key_is_refused),
		W(a_user_from_elsewhere_gets_a_token_with_its_identities),
		W(who_is_wrong_or_unknown_there_is_refused_alike),
		W(where_nobody_can_tell_it_is_tried_again),
		W(who_was_removed_gets_no_token),
		W(who_waits_when_it_ends_is_answered),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
