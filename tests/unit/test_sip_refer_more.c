/* REFER: who is told how it goes, and who is named. */
#include "tests/unit/test_sip_call.h"

static int setup(void **state)
{
	struct fix *f = fix_new(22843);

	fix_credentials(f);
	return fix_run(f, state);
}

static char named[256];
static const struct gw_leg *joined;

static void on_asked(struct gw_leg *leg, const struct gw_msg *m, void *arg)
{
	struct fix *f = arg;

	on_leg(leg, m, arg);
	if (m->verb != GW_V_TRANSFER)
		return;
	(void)snprintf(named, sizeof(named), "%s",
		       m->referred_by ? m->referred_by : "nobody");
	joined = m->joins;
	becomes(f, 100);
}

static void refer(struct fix *f, const char *more)
{
	char headers[512];
	struct packet p;

	(void)snprintf(headers, sizeof(headers),
		       "Refer-To: <sip:third@ims.test>\r\n%s", more);
	f->leg->handler = on_asked;
	request(f, "REFER", headers, NULL, NULL);
	expect(f, &p, "SIP/2.0 202");
	(void)expect_told(f, GW_V_TRANSFER);
}

#define CHALLENGE                                                              \
	"WWW-Authenticate: Digest realm=\"ims.test\",nonce=\"n1\","            \
	"algorithm=MD5,qop=\"auth\"\r\n"

static void a_challenged_notify_is_repeated_with_credentials(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_in(f);
	refer(f, "");
	expect(f, &p, "NOTIFY ");
	assert_string_equal(header(&p, "Authorization"), "");
	reply(f, &p, 401, NULL, CHALLENGE, NULL);
	expect(f, &p, "NOTIFY ");
	assert_non_null(strstr(header(&p, "Authorization"), "username=\"gw\""));
	assert_non_null(strstr(header(&p, "Authorization"), "nonce=\"n1\""));
	assert_int_equal(strncmp(body(&p), "SIP/2.0 100", 11), 0);
	reply(f, &p, 200, NULL, NULL, NULL);
	/* Those that follow have them at once. */
	becomes(f, 180);
	expect(f, &p, "NOTIFY ");
	assert_non_null(strstr(header(&p, "Authorization"), "gw"));
	reply(f, &p, 200, NULL, NULL, NULL);
	becomes(f, 486);
	expect(f, &p, "NOTIFY ");
	assert_int_equal(strncmp(body(&p), "SIP/2.0 486", 11), 0);
	reply(f, &p, 200, NULL, NULL, NULL);
}

/* Neither does the call suffer, nor is anybody asked again. */
static void who_takes_no_notify_is_told_no_more(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_in(f);
	refer(f, "");
	expect(f, &p, "NOTIFY ");
	reply(f, &p, 401, NULL, CHALLENGE, NULL);
	expect(f, &p, "NOTIFY ");
	reply(f, &p, 401, NULL, CHALLENGE, NULL); /* they are refused */
	expect_silence(f, 50);
	becomes(f, 180);
	expect_silence(f, 50);
	becomes(f, 486);
	expect_silence(f, 50);
	nothing_told(f);
	/* The next REFER is another subscription. */
	refer(f, "");
	expect(f, &p, "NOTIFY ");
	reply(f, &p, 481, NULL, NULL, NULL);
	expect_silence(f, 50);
	becomes(f, 200);
	expect_silence(f, 50);
	nothing_told(f);
}

static void quiet_may_be_required(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_in(f);
	refer(f, "Require: norefersub\r\nRefer-Sub: false\r\n");
	becomes(f, 200);
	expect_silence(f, 50);
	/* Of REFER alone (RFC 4488 6). */
	request(f, "INFO", "Require: norefersub\r\n", NULL, NULL);
	expect(f, &p, "SIP/2.0 420");
}

static void the_referrer_is_named(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_in(f);
	refer(f, "Referred-By: \"Boss\" <sip:boss@ims.test?X=y>;cid=1\r\n");
	assert_string_equal(named, "sip:boss@ims.test");
	expect(f, &p, "NOTIFY ");
	reply(f, &p, 200, NULL, NULL, NULL);
	becomes(f, 486);
	expect(f, &p, "NOTIFY ");
	reply(f, &p, 200, NULL, NULL, NULL);
	refer(f, "Referred-By: <http://x/>\r\n");
	assert_string_equal(named, "nobody");
}

static void a_call_of_ours_goes_on_in_the_referrers_name(void **state)
{
	struct fix *f = *state;
	struct gw_msg m = {
		.verb = GW_V_SETUP,
		.target = {"sip:bob@ims.test", NULL},
		.referred_by = "sip:boss@ims.test",
		.desc = desc_of(GW_DESC_OFFER, OFFER)
	};
	struct packet p;

	call_out(f, &m);
	expect(f, &p, "INVITE sip:bob@ims.test");
	assert_string_equal(header(&p, "Referred-By"), "<sip:boss@ims.test>");
}

/* Itself is no other call. */
static void only_another_dialog_is_joined(void **state)
{
	struct fix *f = *state;
	char headers[512];
	struct packet p;

	connect_in(f);
	(void)snprintf(headers, sizeof(headers),
		       "Refer-To: <sip:third@ims.test?Replaces=%.*s%%40peer%%3B"
		       "to-tag%%3D%s%%3Bfrom-tag%%3Dpeer>\r\n",
		       (int)strcspn(f->call_id, "@"), f->call_id,
		       f->remote_tag);
	f->leg->handler = on_asked;
	joined = f->leg;
	request(f, "REFER", headers, NULL, NULL);
	expect(f, &p, "SIP/2.0 202");
	(void)expect_told(f, GW_V_TRANSFER);
	assert_null(joined);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_challenged_notify_is_repeated_with_credentials),
		T(who_takes_no_notify_is_told_no_more),
		T(quiet_may_be_required),
		T(the_referrer_is_named),
		T(a_call_of_ours_goes_on_in_the_referrers_name),
		T(only_another_dialog_is_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
