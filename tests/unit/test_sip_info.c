/* Subject, Alert-Info, Call-Info, History-Info: of the core, and ours. */
#include "tests/unit/test_sip_call.h"

#include "gateway/base/check.h"
#include "sip/ims_info.h"

/* ---- the parsers ---- */

static struct gw_call_info info;

static void pages_and_pictures_are_found_by_their_purpose(void **state)
{
	(void)state;
	memset(&info, 0, sizeof(info));
	gw_ims_info_call(&info, "javascript:alert(1)", "icon");
	gw_ims_info_call(&info, "https://a.example/0", NULL);
	gw_ims_info_call(&info, NULL, "icon");
	gw_ims_info_call(&info, "https://a.example/0", "impp");
	assert_true(gw_call_info_empty(&info));
	gw_ims_info_call(&info, "http://a.example/p.jpg", "Icon");
	gw_ims_info_call(&info, "https://a.example/alice/", "info");
	gw_ims_info_call(&info, "https://a.example/alice.vcf", "card");
	/* The first of a kind counts. */
	gw_ims_info_call(&info, "https://a.example/2", "icon");
	assert_string_equal("http://a.example/p.jpg", info.icon);
	assert_string_equal("https://a.example/alice/", info.page);
	assert_string_equal("https://a.example/alice.vcf", info.card);
}

static void what_is_no_list_says_nothing(void **state)
{
	static const char *const bad[] = {
		"",
		",",
		"<",
		"<https://a/1",
		"https://a/1",
		"\"<https://a/1>",
		"<>",
		"<https://a/1\">\"",
	};

	(void)state;
	memset(&info, 0, sizeof(info));
	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++) {
		gw_ims_info_alert(&info, bad[i]);
		if (!gw_call_info_empty(&info))
			fail_msg("%s", bad[i]);
	}
}

static void an_alert_is_a_urn_or_a_url(void **state)
{
	(void)state;
	memset(&info, 0, sizeof(info));
	gw_ims_info_alert(&info, "<file:///x>, <urn:alert:source:external>, "
				 "<https://a/ring>");
	assert_string_equal("urn:alert:source:external", info.alert);
}

static void read_history(const char *value, bool moved)
{
	struct gw_ims_history h = { .n = 0 };

	memset(&info, 0, sizeof(info));
	gw_ims_info_history(&h, value);
	gw_ims_info_forwards(&info, &h, moved);
}

static void who_forwarded_is_told_with_the_reason(void **state)
{
	(void)state;
	/* RFC 7044, appendix: busy, then moved */
	read_history("<sip:office@ims.test?Reason=SIP%3Bcause%3D302>;index=1, "
		     "\"Bob \\\"B\\\"\" <sip:bob@ims.test;user=phone?Reason="
		     "SIP%3bcause%3d486%3btext%3d%22Busy%20Here%22>;"
		     "index=1.1;mp=1, <sip:alice@ims.test>;index=1.1.1;mp=1.1",
		     false);
	assert_int_equal(2, info.nforward);
	assert_string_equal("sip:office@ims.test", info.forward[0].uri);
	assert_int_equal(302, info.forward[0].status);
	assert_string_equal("sip:bob@ims.test", info.forward[1].uri);
	assert_string_equal("Bob \"B\"", info.forward[1].display);
	assert_int_equal(486, info.forward[1].status);
	assert_string_equal("", info.forwarded_to);

	/* TS 24.604: the cause is in the URI that was forwarded to. */
	read_history("<tel:+1555;phone-context=x>;index=1,"
		     "<sip:alice@ims.test;cause=408>;index=1.1",
		     true);
	assert_int_equal(1, info.nforward);
	assert_string_equal("tel:+1555;phone-context=x", info.forward[0].uri);
	assert_int_equal(408, info.forward[0].status);
	assert_string_equal("sip:alice@ims.test", info.forwarded_to);

	/* Only "mp". */
	read_history("<sip:a@b>;index=1, <sip:c@d>;index=1.1;mp=1", false);
	assert_int_equal(1, info.nforward);
	assert_int_equal(0, info.forward[0].status);
}

static void routing_is_no_forwarding(void **state)
{
	(void)state;
	read_history("<sip:alice@ims.test>;index=1", true);
	assert_true(gw_call_info_empty(&info));
	read_history("<sip:alice@ims.test>;index=1;np=1, "
		     "<sip:alice@192.0.2.1>;index=1.1;rc=1",
		     false);
	assert_int_equal(0, info.nforward);
	read_history("<sip:a@b?Reason=SIP%3Bcause%3D200>;index=1, "
		     "<sip:a@c?Reason=Q.850%3Bcause%3D302>;index=1.1, "
		     "<sip:a@d>;index=1.2",
		     false);
	assert_int_equal(0, info.nforward);
}

static void who_wants_privacy_is_counted_and_not_named(void **state)
{
	(void)state;
	read_history("\"Boss\" <sip:boss@ims.test?Privacy=history&Reason=SIP%3B"
		     "cause%3D302>;index=1,"
		     "<sip:bob@ims.test?Privacy=none&Reason=SIP%3Bcause%3D486>"
		     ";index=1.1,<sip:x@ims.test?Privacy=history>;index=1.2",
		     true);
	assert_int_equal(2, info.nforward);
	assert_string_equal("", info.forward[0].uri);
	assert_string_equal("", info.forward[0].display);
	assert_int_equal(302, info.forward[0].status);
	assert_string_equal("sip:bob@ims.test", info.forward[1].uri);
	assert_string_equal("", info.forwarded_to);
}

static void hostile_histories_end(void **state)
{
	char text[9000] = "";
	size_t n = 0;

	(void)state;
	while (n < 8900)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "<sip:a@b?Reason=SIP%%3Bcause%%3D302>,");
	read_history(text, true);
	assert_int_equal(4, info.nforward);
	memset(text, '<', sizeof(text) - 1);
	read_history(text, true);
	memset(text, '"', sizeof(text) - 1);
	read_history(text, true);
	memset(text, '%', sizeof(text) - 1);
	memcpy(text, "<sip:a@b?Reason=", 16);
	read_history(text, true);
	assert_true(gw_call_info_empty(&info));
	read_history("<sip:a@b?Reason=SIP%3Bcause%3D302%0d%0aX: 1>;index=1,"
		     "<sip:c@d>;index=1.1",
		     false);
	assert_int_equal(1, info.nforward);
}

/* ---- on the wire ---- */

static struct gw_call_info heard;
static bool said;

static void on_call(struct gw_leg *leg, const struct gw_msg *m, void *arg)
{
	said = m->call_info != NULL;
	if (said)
		heard = *m->call_info;
	if (m->verb == GW_V_SETUP)
		on_incoming(leg, m, arg);
	else
		on_leg(leg, m, arg);
}

static int setup(void **state)
{
	struct fix *f = fix_new(22471);

	f->incoming = on_call;
	said = false;
	return fix_run(f, state);
}

#define ALL                                                                    \
	"Subject: Gr\xc3\xbc\xc3\x9f"                                          \
	"e & <b>more</b>\r\n"                                                  \
	"Alert-Info: <urn:alert:priority:high>\r\n"                            \
	"Call-Info: <ftp://a.example/>;purpose=icon,"                          \
	" <https://a.example/p.png>;purpose=icon\r\n"                          \
	"History-Info: "                                                       \
	"<sip:bob@ims.test?Reason=SIP%3Bcause%3D302>;index=1\r\n"              \
	"History-Info: <sip:alice@ims.test>;index=1.1;mp=1\r\n"

static void called(struct fix *f, const char *headers)
{
	struct packet p;

	(void)invite(f, headers, OFFER);
	release(f, 486);
	expect(f, &p, "SIP/2.0 486");
	ack(f);
}

static void what_an_invite_says_is_told(void **state)
{
	called(*state, ALL);
	assert_true(said);
	assert_string_equal("Gr\xc3\xbc\xc3\x9f"
			    "e & <b>more</b>",
			    heard.subject);
	assert_string_equal("urn:alert:priority:high", heard.alert);
	assert_string_equal("https://a.example/p.png", heard.icon);
	assert_int_equal(1, heard.nforward);
	assert_string_equal("sip:bob@ims.test", heard.forward[0].uri);
}

static void one_that_says_nothing_costs_nothing(void **state)
{
	called(*state, NULL);
	assert_false(said);
}

static void an_anonymous_caller_says_nothing_of_himself(void **state)
{
	called(*state, "Privacy: id;history\r\n" ALL);
	assert_true(said);
	assert_string_equal("", heard.subject);
	assert_string_equal("", heard.icon);
	assert_int_equal(1, heard.nforward);
	assert_string_equal("", heard.forward[0].uri);
	assert_string_equal("urn:alert:priority:high", heard.alert);
}

static void call(struct fix *f, const struct gw_call_info *about)
{
	struct gw_msg m = {
		.verb = GW_V_SETUP,
		.asserted = {"sip:alice@ims.test", "Alice"},
		.target = { "sip:bob@ims.test",  NULL   },
		.call_info = about,
		.desc = desc_of(GW_DESC_OFFER, OFFER)
	};

	call_out(f, &m);
	f->leg->handler = on_call;
}

static void a_181_says_where_the_call_is_now(void **state)
{
	struct fix *f = *state;
	struct packet inv;

	call(f, NULL);
	expect(f, &inv, "INVITE ");
	assert_string_equal("", header(&inv, "Subject"));
	reply(f, &inv, 181, "x",
	      "History-Info: <sip:bob@ims.test?Reason=SIP%3Bcause%3D302>"
	      ";index=1,<sip:carol@ims.test>;index=1.1;mp=1\r\n",
	      NULL);
	assert_int_equal(GW_ALERT_FORWARDED,
			 expect_told(f, GW_V_PROGRESS)->alert);
	assert_true(said);
	assert_string_equal("sip:bob@ims.test", heard.forward[0].uri);
	assert_string_equal("sip:carol@ims.test", heard.forwarded_to);
	refuse(f, &inv, 486, "x", NULL);
	(void)expect_told(f, GW_V_RELEASE);
}

static void subject_and_name_of_a_caller_are_sent(void **state)
{
	static const struct gw_call_info about = {
		.subject = "Lunch \xe2\x98\x95 \"today\"?",
		.name = "The \"boss\" \\",
		/* never from this side */
		.icon = "https://a.example/p.png",
		.nforward = 1,
		.forward = { { .uri = "sip:liar@ims.test" } },
	};
	struct fix *f = *state;
	struct packet p;

	call(f, &about);
	expect(f, &p, "INVITE ");
	assert_string_equal(about.subject, header(&p, "Subject"));
	assert_non_null(strstr(header(&p, "From"),
			       "\"The \\\"boss\\\" \\\\\" <sip:alice@"));
	assert_string_equal("\"Alice\" <sip:alice@ims.test>",
			    header(&p, "P-Asserted-Identity"));
	assert_string_equal("", header(&p, "Call-Info"));
	assert_string_equal("", header(&p, "History-Info"));
	refuse(f, &p, 486, "x", NULL);
	(void)expect_told(f, GW_V_RELEASE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_and_pictures_are_found_by_their_purpose),
		cmocka_unit_test(what_is_no_list_says_nothing),
		cmocka_unit_test(an_alert_is_a_urn_or_a_url),
		cmocka_unit_test(who_forwarded_is_told_with_the_reason),
		cmocka_unit_test(routing_is_no_forwarding),
		cmocka_unit_test(who_wants_privacy_is_counted_and_not_named),
		cmocka_unit_test(hostile_histories_end),
		T(what_an_invite_says_is_told),
		T(one_that_says_nothing_costs_nothing),
		T(an_anonymous_caller_says_nothing_of_himself),
		T(a_181_says_where_the_call_is_now),
		T(subject_and_name_of_a_caller_are_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
