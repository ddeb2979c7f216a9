/*
 * The WAF without a server: PKCE, codes and refresh tokens in time, the key's
 * file, and the token endpoint's rules.
 */
#include "tests/unit/cm.h"

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
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
