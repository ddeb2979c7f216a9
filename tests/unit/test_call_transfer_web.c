/* Another party in place of one, where one of them is a web client or the echo;
 * and two calls joined. */
#include "tests/unit/call_transfer.h"
#include "gateway/link_leg.h"

static const char other_sdp[] = SIP_SDP("9", "198.51.100.99", "sendrecv");
/* Another browser: an answer of its own. */
static const char other_web[] = WEB_HEAD(
	"1", "zzzz", "77") "a=setup:active\r\na=sendrecv\r\n" WEB_CODECS;

static struct fake_leg *old;

/* The browser and the phone talk. */
static void web_and_phone(void)
{
	browser_calls_phone();
	if (told(caller, GW_V_OFFER))
		says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	old = set_aside(&called);
}

/* Two browsers do. */
static void web_and_web(void)
{
	call_from(&web_ops, "sip:alice@home", web_offer);
	assert_true(told(called, GW_V_SETUP));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_answer);
	assert_true(told(caller, GW_V_ANSWER));
	old = set_aside(&called);
}

static void ask(struct fake_leg *f, bool stays, const char *target)
{
	const struct gw_msg msg = {
		.verb = GW_V_TRANSFER,
		.target = {target, NULL},
		.stays = stays,
	};

	f->leg.handler(&f->leg, &msg, f->leg.arg);
	media_works();
}

static void ask_join(struct fake_leg *f, struct fake_leg *other)
{
	const struct gw_msg msg = { .verb = GW_V_TRANSFER,
				    .joins = &other->leg };

	f->leg.handler(&f->leg, &msg, f->leg.arg);
	media_works();
}

static unsigned outcome(const struct fake_leg *f)
{
	unsigned n = times_told(f, GW_V_TRANSFER);

	assert_true(n > 0);
	return told(f, GW_V_TRANSFER) ? f->last.cause.status : 0;
}

static unsigned posted(enum gw_media_verb verb, enum gw_term term)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ncmd; i++)
		n += cmds[i].verb == verb && cmds[i].term == term;
	return n;
}

/* ---- one party moves ---- */

static void a_phone_hands_the_browser_to_a_browser(void **state)
{
	(void)state;
	web_and_phone();
	ask(old, false, "sip:alice@home");
	assert_int_equal(100, old->last.cause.status);
	assert_non_null(called);
	assert_true(called->leg.ops == &web_ops);
	assert_true(told(called, GW_V_SETUP));
	assert_string_equal("sip:a@b", called->last.asserted.uri);
	/* Its own transport. */
	assert_non_null(strstr(called->text, "a=ice-ufrag:uf2"));
	assert_int_equal(1, posted(GW_M_RESERVE, GW_TERM_SPARE));
	says(called, GW_V_PROGRESS, GW_DESC_NONE, NULL);
	assert_int_equal(183, outcome(old));
	assert_int_equal(0, posted(GW_M_TAKE, GW_TERM_B));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_web);
	assert_int_equal(1, posted(GW_M_TAKE, GW_TERM_B));
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
	assert_string_equal("zzzz", configured(GW_TERM_SPARE)->end.ufrag);
	assert_int_equal(GW_V_TRANSFER, old->said[old->nsaid - 2]);
	assert_true(told(old, GW_V_RELEASE));
	assert_null(old->leg.ops);
	/* The one that stays is told, and offered what there is now. */
	assert_int_equal(1, times_told(caller, GW_V_TRANSFER));
	settle();
	assert_true(told(caller, GW_V_OFFER));
	assert_non_null(strstr(caller->text, "opus"));
	assert_non_null(strstr(caller->text, "a=ice-ufrag:uf0"));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	/* It is a call of two browsers: what one offers, the other hears. */
	says(called, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(caller, GW_V_OFFER));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	assert_true(told(called, GW_V_ACCEPT));
	releases(called, 200);
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(0, core.ncalls);
}

static void a_browser_gets_a_phone_in_place_of_a_browser(void **state)
{
	(void)state;
	web_and_web();
	ask(caller, true, "sip:third@far");
	assert_int_equal(100, outcome(caller));
	assert_true(called->leg.ops == &core_ops);
	assert_string_equal("sip:third@far", called->target);
	assert_non_null(strstr(called->text, "m=audio 30200 RTP/AVP"));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_sdp);
	assert_true(told(old, GW_V_RELEASE));
	assert_int_equal(2, times_told(caller, GW_V_TRANSFER));
	settle();
	assert_true(told(caller, GW_V_OFFER));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	/* And from there on to another phone: the same port now. */
	(void)set_aside(&called);
	ask(caller, true, "sip:fourth@far");
	assert_non_null(strstr(called->text, "m=audio 30200 RTP/AVP"));
	assert_int_equal(1, posted(GW_M_RESERVE, GW_TERM_SPARE));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	assert_int_equal(4, times_told(caller, GW_V_TRANSFER));
}

static void a_browser_leaves_its_call_to_another(void **state)
{
	(void)state;
	/* The phone stays: it keeps its port, and hears by re-INVITE. */
	web_and_phone();
	ask(caller, false, "sip:third@far");
	assert_int_equal(100, outcome(caller));
	assert_string_equal("sip:phone@far", called->last.asserted.uri);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_sdp);
	assert_int_equal(1, posted(GW_M_TAKE, GW_TERM_A));
	assert_int_equal(GW_V_TRANSFER, caller->said[caller->nsaid - 2]);
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(200, caller->last.cause.status);
	assert_null(caller->leg.ops);
	settle();
	assert_true(told(old, GW_V_OFFER));
	assert_non_null(strstr(old->text, "m=audio 30100 "));
	says(old, GW_V_ACCEPT, GW_DESC_ANSWER, sip_sdp);
	/* Who called is who took the caller's place. */
	(void)set_aside(&called);
	ask(old, false, "sip:alice@home");
	assert_string_equal("sip:third@far", called->last.asserted.uri);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_web);
	assert_int_equal(1, core.ncalls);
}

static void who_leaves_need_not_wait(void **state)
{
	(void)state;
	web_and_web();
	ask(caller, false, "sip:third@far");
	releases(caller, 200);
	assert_int_equal(0, times_told(old, GW_V_RELEASE));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_sdp);
	settle();
	assert_true(told(old, GW_V_OFFER));
	releases(old, 200);
	assert_true(told(called, GW_V_RELEASE));
	assert_int_equal(0, core.ncalls);
}

static void the_echo_is_a_party_too(void **state)
{
	(void)state;
	web_and_phone();
	ask(caller, true, "echo");
	settle();
	assert_true(told(old, GW_V_RELEASE));
	assert_int_equal(1, posted(GW_M_TAKE, GW_TERM_B));
	assert_int_equal(GW_TP_RESOURCE,
			 configured(GW_TERM_SPARE)->end.transport);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
	/* Offers go on, and back to a party of flesh. */
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(caller, GW_V_ACCEPT));
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_offer);
	ask(caller, true, "sip:third@far");
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_sdp);
	assert_int_equal(2, posted(GW_M_TAKE, GW_TERM_B));
	settle();
	assert_true(told(caller, GW_V_OFFER));
}

static void an_echo_in_the_callers_place(void **state)
{
	(void)state;
	web_and_phone();
	ask(caller, false, "echo");
	settle();
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(1, times_told(old, GW_V_TRANSFER));
	says(old, GW_V_OFFER, GW_DESC_OFFER, sip_hold);
	assert_true(told(old, GW_V_ACCEPT));
	/* Nobody is left to talk to it but it. */
	ask(old, false, "echo");
	assert_int_equal(488, outcome(old));
	releases(old, 200);
	assert_int_equal(0, core.ncalls);
}

/* ---- it fails ---- */

static void a_new_party_that_declines_changes_nothing(void **state)
{
	unsigned configured_before;

	(void)state;
	web_and_web();
	ask(caller, true, "sip:third@far");
	configured_before = posted(GW_M_CONFIGURE, GW_TERM_B);
	releases(called, 486);
	(void)set_aside(&called);
	assert_int_equal(486, outcome(caller));
	assert_int_equal(0, times_told(old, GW_V_RELEASE));
	assert_int_equal(1, posted(GW_M_DROP, GW_TERM_SPARE));
	assert_int_equal(configured_before, posted(GW_M_CONFIGURE, GW_TERM_B));
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(old, GW_V_OFFER));
	says(old, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	/* And again. */
	ask(caller, true, "sip:third@far");
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_sdp);
	assert_int_equal(1, posted(GW_M_TAKE, GW_TERM_B));
}

static void no_resources_are_told_at_once_or_later(void **state)
{
	const struct gw_msg msg = {
		.verb = GW_V_TRANSFER,
		.target = {"sip:third@far", NULL},
		.stays = true
	};
	struct gw_media_event ev = { .type = GW_E_FAILED,
				     .term = GW_TERM_SPARE,
				     .error = -EMFILE };

	(void)state;
	web_and_web();
	overloaded = true;
	ask(caller, true, "sip:third@far");
	overloaded = false;
	assert_int_equal(503, outcome(caller));
	assert_null(called->leg.ops);
	(void)set_aside(&called);
	caller->leg.handler(&caller->leg, &msg, caller->leg.arg);
	assert_int_equal(100, outcome(caller));
	nserved = ncmd;
	ev.ctx = cmds[ncmd - 1].ctx;
	ev.serial = cmds[ncmd - 1].serial + 1;
	gw_core_media_event(&ev, &core); /* another one's */
	assert_int_equal(100, outcome(caller));
	ev.serial--;
	gw_core_media_event(&ev, &core);
	assert_int_equal(503, outcome(caller));
	assert_int_equal(0, times_told(old, GW_V_RELEASE));
	assert_int_equal(1, core.ncalls);
}

static void an_answer_that_does_not_fit_is_no_party(void **state)
{
	(void)state;
	web_and_phone();
	ask(old, false, "sip:alice@home");
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_sdp);
	assert_int_equal(488, called->last.cause.status);
	assert_int_equal(488, outcome(old));
	assert_int_equal(0, times_told(old, GW_V_RELEASE));
	assert_int_equal(1, posted(GW_M_DROP, GW_TERM_SPARE));
}

static void nobody_rings_for_ever(void **state)
{
	(void)state;
	set.calls.no_path_s = 600; /* nobody has a path here */
	web_and_phone();
	ask(old, false, "sip:alice@home");
	says(called, GW_V_PROGRESS, GW_DESC_NONE, NULL);
	pass_ms(61000);
	assert_int_equal(183, outcome(old));
	pass_ms(2000);
	assert_int_equal(408, outcome(old));
	assert_true(told(called, GW_V_RELEASE));
	assert_null(called->leg.ops);
	assert_int_equal(1, posted(GW_M_DROP, GW_TERM_SPARE));
	assert_int_equal(0, times_told(old, GW_V_RELEASE));
	assert_int_equal(1, core.ncalls);
}

static void the_end_of_the_call_ends_the_transfer(void **state)
{
	(void)state;
	web_and_web();
	ask(caller, false, "sip:third@far");
	releases(old, 200);
	assert_null(called->leg.ops);
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(0, core.ncalls);
}

static void a_phone_may_not_send_a_phone_to_a_phone(void **state)
{
	(void)state;
	web_and_phone();
	ask(caller, false, "sip:third@far");
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_sdp);
	settle();
	says(old, GW_V_ACCEPT, GW_DESC_ANSWER, sip_sdp);
	(void)set_aside(&called);
	ask(old, false, "sip:premium@far");
	assert_int_equal(404, outcome(old));
	assert_null(called);
}

/* What the old termination says last does not concern the new party. */
static void late_words_of_the_old_one_are_not_the_new_ones(void **state)
{
	struct gw_media_event ev = { .type = GW_E_DTLS,
				     .state = GW_DTLS_BAD_FINGERPRINT,
				     .term = GW_TERM_B };

	(void)state;
	web_and_web();
	ask(caller, true, "sip:third@far");
	{
		struct gw_msg msg = {
			.verb = GW_V_ANSWER,
			.desc = {GW_DESC_ANSWER, other_sdp,
                                 sizeof(other_sdp) - 1}
		};

		called->leg.handler(&called->leg, &msg, called->leg.arg);
	}
	ev.ctx = cmds[0].ctx;
	gw_core_media_event(&ev, &core);
	assert_int_equal(0, times_told(caller, GW_V_RELEASE));
	/* Nor are changes taken before media has followed. */
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(caller, GW_V_REFUSE));
	media_works();
	gw_core_media_event(&ev, &core);
	assert_true(told(caller, GW_V_RELEASE));
}

/* ---- two calls become one ---- */

static struct fake_leg *second, *second_phone;

/* The browser has the phone, and another call to @to. */
static void two_calls(const char *to)
{
	struct fake_leg *first = caller;

	call_from(&web_ops, to, web_offer);
	second = set_aside(&caller);
	if (!strcmp(to, "sip:alice@home"))
		says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_web);
	else
		says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_sdp);
	if (told(second, GW_V_OFFER))
		says(second, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	second_phone = set_aside(&called);
	caller = first;
	assert_int_equal(2, core.ncalls);
}

static void joined(struct fake_leg *a, struct fake_leg *b)
{
	settle();
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(200, caller->last.cause.status);
	assert_true(told(second, GW_V_RELEASE));
	assert_int_equal(200, second->last.cause.status);
	assert_int_equal(0, times_told(a, GW_V_RELEASE));
	assert_int_equal(0, times_told(b, GW_V_RELEASE));
	assert_int_equal(2, core.ncalls);
}

static void a_browser_joins_its_two_phones(void **state)
{
	(void)state;
	web_and_phone();
	two_calls("sip:third@far");
	ask_join(caller, second);
	assert_int_equal(100, outcome(caller));
	joined(old, second_phone);
	assert_int_equal(2, posted(GW_M_TAKE, GW_TERM_A));
	/* Each hears who the other is. */
	assert_int_equal(1, times_told(old, GW_V_TRANSFER));
	assert_int_equal(1, times_told(second_phone, GW_V_TRANSFER));
	says(old, GW_V_ACCEPT, GW_DESC_ANSWER, sip_sdp);
	says(second_phone, GW_V_ACCEPT, GW_DESC_ANSWER, other_sdp);
	settle();
	/* What one says goes to the other: hold, and the end. */
	says(old, GW_V_OFFER, GW_DESC_OFFER, sip_hold);
	settle();
	assert_true(told(second_phone, GW_V_OFFER));
	assert_non_null(strstr(second_phone->text, "a=sendonly"));
	says(second_phone, GW_V_ACCEPT, GW_DESC_ANSWER,
	     SIP_SDP("3", "198.51.100.99", "recvonly"));
	settle();
	assert_true(told(old, GW_V_ACCEPT));
	releases(old, 200);
	settle();
	assert_true(told(second_phone, GW_V_RELEASE));
	media_works();
	assert_int_equal(0, core.ncalls);
}

/* Of two that were joined one moves on: the other one hears to whom. */
static void who_moves_on_is_told_beyond_the_link(void **state)
{
	(void)state;
	web_and_phone();
	two_calls("sip:alice@home");
	ask_join(caller, second);
	joined(old, second_phone);
	says(second_phone, GW_V_ACCEPT, GW_DESC_ANSWER, other_web);
	settle();
	says(old, GW_V_ACCEPT, GW_DESC_ANSWER, sip_sdp);
	settle();
	assert_int_equal(1, times_told(second_phone, GW_V_TRANSFER));
	ask(old, false, "sip:alice@home");
	assert_true(told(called, GW_V_SETUP));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_web);
	settle();
	assert_true(told(old, GW_V_RELEASE));
	assert_int_equal(2, times_told(second_phone, GW_V_TRANSFER));
	assert_int_equal(0, times_told(second_phone, GW_V_RELEASE));
	assert_string_equal("sip:alice@home", second_phone->target);
}

static void a_browser_joins_a_phone_and_a_browser(void **state)
{
	(void)state;
	web_and_phone();
	two_calls("sip:alice@home");
	ask_join(caller, second);
	joined(old, second_phone);
	assert_true(times_told(second_phone, GW_V_OFFER) > 0);
	releases(second_phone, 200);
	settle();
	assert_true(told(old, GW_V_RELEASE));
	assert_int_equal(0, core.ncalls);
}

/* A REFER with Replaces that names a dialog of ours. */
static void a_phone_joins_its_two_browsers(void **state)
{
	struct fake_leg *first, *p2, *web2;

	(void)state;
	call_from(&core_ops, "sip:alice@home", sip_sdp);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_answer);
	first = caller;
	old = set_aside(&called);
	call_from(&core_ops, "sip:alice@home", other_sdp);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_web);
	p2 = set_aside(&caller);
	web2 = set_aside(&called);
	caller = first;
	second = p2;
	ask_join(caller, p2);
	joined(old, web2);
	/* Both were ports: they are ports still. */
	assert_int_equal(0, posted(GW_M_TAKE, GW_TERM_A));
	releases(web2, 200);
	settle();
	assert_true(told(old, GW_V_RELEASE));
	assert_int_equal(0, core.ncalls);
}

static void what_cannot_be_joined_goes_on(void **state)
{
	(void)state;
	web_and_phone();
	ask_join(caller, caller);
	assert_int_equal(488, outcome(caller));
	ask_join(caller, old);
	assert_int_equal(488, outcome(caller));
	two_calls("sip:third@far");
	/* The other one is being changed. */
	says(second, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	ask_join(caller, second);
	assert_int_equal(491, outcome(caller));
	says(second_phone, GW_V_ACCEPT, GW_DESC_ANSWER,
	     SIP_SDP("3", "198.51.100.99", "recvonly"));
	/* It ends while the first is on its way there. */
	ask_join(caller, second);
	releases(second_phone, 200);
	settle();
	assert_true(times_told(caller, GW_V_TRANSFER) >= 4);
	assert_true(outcome(caller) >= 480);
	assert_int_equal(0, times_told(caller, GW_V_RELEASE));
	assert_int_equal(0, times_told(old, GW_V_RELEASE));
	ask_join(caller, second_phone); /* a leg of no call */
	assert_int_equal(481, outcome(caller));
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(old, GW_V_OFFER));
}

static void the_caller_in_a_browsers_place_may_hang_up_at_once(void **state)
{
	(void)state;
	web_and_phone();
	two_calls("sip:third@far");
	{
		const struct gw_msg msg = { .verb = GW_V_TRANSFER,
					    .joins = &second->leg };

		caller->leg.handler(&caller->leg, &msg, caller->leg.arg);
	}
	media_works();
	releases(old, 200); /* while the other call reserves */
	settle();
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(0, times_told(second_phone, GW_V_RELEASE));
	assert_int_equal(1, core.ncalls);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, tidy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_phone_hands_the_browser_to_a_browser),
		T(a_browser_gets_a_phone_in_place_of_a_browser),
		T(a_browser_leaves_its_call_to_another),
		T(who_leaves_need_not_wait),
		T(the_echo_is_a_party_too),
		T(an_echo_in_the_callers_place),
		T(a_new_party_that_declines_changes_nothing),
		T(no_resources_are_told_at_once_or_later),
		T(an_answer_that_does_not_fit_is_no_party),
		T(nobody_rings_for_ever),
		T(the_end_of_the_call_ends_the_transfer),
		T(a_phone_may_not_send_a_phone_to_a_phone),
		T(late_words_of_the_old_one_are_not_the_new_ones),
		T(a_browser_joins_its_two_phones),
		T(who_moves_on_is_told_beyond_the_link),
		T(a_browser_joins_a_phone_and_a_browser),
		T(a_phone_joins_its_two_browsers),
		T(what_cannot_be_joined_goes_on),
		T(the_caller_in_a_browsers_place_may_hang_up_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
