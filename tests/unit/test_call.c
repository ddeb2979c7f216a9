/* A call between two legs that say what the test tells them to, from its
 * set-up to its end, and what happens in between. */
#include "tests/unit/call_fakes.h"

/* ---- set-up ---- */

static void a_browser_calls_a_phone(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	assert_true(told(called, GW_V_SETUP));
	assert_non_null(strstr(called->text, "RTP/AVP"));
	assert_null(strstr(called->text, "fingerprint"));
	assert_null(strstr(called->text, "candidate"));
	says(called, GW_V_PROGRESS, GW_DESC_NONE, NULL);
	assert_true(told(caller, GW_V_PROGRESS));
	assert_int_equal(GW_GATE_CLOSED, gate(GW_TERM_A));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	assert_true(told(caller, GW_V_ANSWER));
	assert_int_equal(GW_DESC_ANSWER, caller->last.desc.role);
	assert_non_null(strstr(caller->text, "a=setup:passive"));
	assert_non_null(strstr(caller->text, "PCMU/8000"));
	assert_null(strstr(caller->text, "opus"));
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_A));
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
	assert_int_equal(GW_DTLS_ACTIVE, configured(GW_TERM_A)->end.setup);
	assert_int_equal(4000, configured(GW_TERM_B)->end.stream[0].rtp.port);
}

static void a_phone_calls_a_browser(void **s)
{
	(void)s;
	call_from(&core_ops, "sip:alice@home", sip_sdp);
	assert_true(told(called, GW_V_SETUP));
	assert_non_null(strstr(called->text, "a=setup:actpass"));
	assert_non_null(strstr(called->text, "a=fingerprint:sha-256"));
	says(called, GW_V_PROGRESS, GW_DESC_NONE, NULL);
	/* The browser answers with what it was offered. */
	says(called, GW_V_ANSWER, GW_DESC_ANSWER,
	     "v=0\r\no=- 5 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
	     "a=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0 101\r\n"
	     "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n"
	     "a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 "
	     "8A:8B:8C:8D:8E:8F:90:91:92:93:94:95:96:97:98:99:9A:9B:9C:9D:9E:"
	     "9F:A0:A1:A2:A3:A4:A5:A6:A7:A8:A9\r\na=setup:active\r\na=mid:0\r\n"
	     "a=sendrecv\r\na=rtcp-mux\r\na=rtpmap:0 PCMU/8000\r\n"
	     "a=rtpmap:101 telephone-event/8000\r\n");
	assert_true(told(caller, GW_V_ANSWER));
	assert_null(strstr(caller->text, "ice-"));
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
	releases(caller, 200);
	assert_true(told(called, GW_V_RELEASE));
	assert_int_equal(200, called->last.cause.status);
}

static void a_browser_without_an_offer_is_asked_first(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", NULL);
	assert_true(told(caller, GW_V_OFFER));
	assert_null(called->nsaid ? "set up too early" : NULL);
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	assert_true(told(called, GW_V_SETUP));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	/* It had agreed to Opus, the phone has PCMU: it is offered fewer. */
	assert_int_equal(1, times_told(caller, GW_V_ANSWER));
	assert_true(told(caller, GW_V_OFFER));
	assert_null(strstr(caller->text, "opus"));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
}

static void an_invite_without_sdp_gets_the_offer_in_its_200(void **s)
{
	(void)s;
	call_from(&core_ops, "sip:alice@home", NULL);
	assert_true(told(called, GW_V_SETUP));
	assert_non_null(strstr(called->text, "opus"));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_answer);
	assert_true(told(caller, GW_V_ANSWER));
	assert_int_equal(GW_DESC_OFFER, caller->last.desc.role);
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, sip_sdp);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
	assert_true(told(called, GW_V_OFFER)); /* narrowed to PCMU */
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_A));
}

static void a_late_offer_passes_through_when_configured(void **s)
{
	(void)s;
	(void)snprintf(set.calls.no_offer, 16, "late_offer");
	call_from(&web_ops, "sip:phone@far", NULL);
	assert_true(told(called, GW_V_SETUP));
	assert_int_equal(GW_DESC_NONE, called->last.desc.role);
	says(called, GW_V_ANSWER, GW_DESC_OFFER, sip_sdp);
	assert_true(told(caller, GW_V_OFFER));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	assert_true(told(called, GW_V_ACCEPT));
	assert_non_null(strstr(called->text, "m=audio 30100 RTP/AVP 0"));
	assert_true(told(caller, GW_V_ANSWER));
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
}

static void an_echo_answers_by_itself(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:echo@home", web_offer);
	pass_ms(0);
	media_works();
	assert_true(told(caller, GW_V_ANSWER));
	assert_non_null(strstr(caller->text, "opus/48000/2"));
	assert_int_equal(GW_TP_RESOURCE, configured(GW_TERM_B)->end.transport);
	assert_true(configured(GW_TERM_B)->end.stream[0].ncodec > 0);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
}

static void two_browsers_are_joined(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:alice@home", web_offer);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_answer);
	assert_non_null(strstr(caller->text, "opus/48000/2"));
	assert_int_equal(GW_TP_DTLS, configured(GW_TERM_B)->end.transport);
}

/* ---- failure ---- */

static void a_refusal_reaches_the_caller_as_it_is(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	releases(called, 486);
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(486, caller->last.cause.status);
}

static void a_caller_who_gives_up_ends_the_called_leg(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	releases(caller, 487);
	assert_true(told(called, GW_V_RELEASE));
	assert_int_equal(0, core.ncalls);
}

static void nonsense_is_refused_before_anyone_rings(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", "garbage");
	assert_null(called);
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(400, caller->last.cause.status);
	assert_non_null(strstr(caller->cause_text, "SDP"));
}

static void an_unknown_target_is_refused(void **s)
{
	(void)s;
	set.sip.core[0] = '\0';
	call_from(&web_ops, "sip:nobody@far", web_offer);
	assert_int_equal(404, caller->last.cause.status);
}

static void who_is_not_back_after_a_crash_is_tried_later(void **s)
{
	(void)s;
	respect_error = -EHOSTDOWN;
	call_from(&core_ops, "sip:alice@home", sip_sdp);
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(480, caller->last.cause.status);
	assert_true(caller->last.cause.retry_after_s > 0);
	assert_null(called);
}

static void an_answer_without_a_common_codec_ends_both(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER,
	     "v=0\r\no=- 7 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\n"
	     "t=0 0\r\nm=audio 4000 RTP/AVP 3\r\n");
	assert_int_equal(488, caller->last.cause.status);
	assert_true(told(called, GW_V_RELEASE));
}

static void overloaded_media_is_503(void **s)
{
	(void)s;
	overloaded = true;
	call_from(&web_ops, "sip:phone@far", web_offer);
	assert_int_equal(503, caller->last.cause.status);
	pass_ms(1);
	assert_int_equal(0, core.ncalls);
}

static void nobody_answers_and_the_call_ends(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	pass_ms(63000);
	assert_int_equal(408, caller->last.cause.status);
	assert_true(told(called, GW_V_RELEASE));
}

static unsigned empty;

static void when_empty(void *arg)
{
	(void)arg;
	empty++;
}

static void draining_refuses_and_tells_when_empty(void **s)
{
	struct fake_leg *first_caller, *first;

	(void)s;
	empty = 0;
	browser_calls_phone();
	first_caller = caller;
	first = called;
	gw_core_drain(&core, 30, when_empty, NULL);
	call_from(&web_ops, "sip:phone@far", web_offer);
	assert_int_equal(503, caller->last.cause.status);
	assert_int_equal(30, caller->last.cause.retry_after_s);
	pass_ms(1);
	assert_int_equal(0, empty);
	releases(first, 200);
	assert_int_equal(0, core.ncalls);
	assert_int_equal(1, empty);
	free(first_caller);
}

/* ---- early media ---- */

static void progress(const char *sdp, bool authorised)
{
	struct gw_msg msg = {
		.verb = GW_V_PROGRESS,
		.early_media = authorised,
		.desc = {GW_DESC_EARLY_ANSWER, sdp, strlen(sdp)},
	};

	called->leg.handler(&called->leg, &msg, called->leg.arg);
	media_works();
}

static void early_media_waits_for_its_authorisation(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	progress(sip_sdp, false);
	assert_int_equal(GW_DESC_NONE, caller->last.desc.role);
	assert_int_equal(GW_GATE_CLOSED, gate(GW_TERM_A));
	progress(sip_sdp, true);
	assert_int_equal(GW_DESC_EARLY_ANSWER, caller->last.desc.role);
	assert_int_equal(GW_GATE_OUT, gate(GW_TERM_A));
	assert_int_equal(GW_GATE_IN, gate(GW_TERM_B));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	assert_true(told(caller, GW_V_ANSWER));
	assert_int_equal(GW_DESC_NONE, caller->last.desc.role);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_A));
}

static void another_fork_wins_and_the_browser_keeps_its_description(void **s)
{
	static const char pcma[] =
		"v=0\r\no=- 9 1 IN IP4 198.51.100.8\r\ns=-\r\nc=IN IP4 "
		"198.51.100.8\r\nt=0 0\r\nm=audio 5000 RTP/AVP 8 101\r\n"
		"a=rtpmap:101 telephone-event/8000\r\n";

	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	progress(sip_sdp, true);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, pcma);
	assert_int_equal(5000, configured(GW_TERM_B)->end.stream[0].rtp.port);
	assert_int_equal(1, times_told(caller, GW_V_ANSWER));
	/* PCMU was agreed with the browser; the winner has PCMA. */
	assert_true(told(caller, GW_V_OFFER));
	assert_non_null(strstr(caller->text, "PCMA"));
	assert_non_null(strstr(caller->text, "a=ice-ufrag:uf00"));
}

/* ---- offers within the session ---- */

static void hold_is_forwarded_and_answered(void **s)
{
	(void)s;
	browser_calls_phone();
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(called, GW_V_OFFER));
	assert_true(called->last.held);
	assert_non_null(strstr(called->text, "a=sendonly"));
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, sip_recvonly);
	assert_true(told(caller, GW_V_ACCEPT));
	assert_non_null(strstr(caller->text, "a=recvonly"));
	assert_int_equal(GW_GATE_IN, gate(GW_TERM_A));
	assert_int_equal(GW_GATE_OUT, gate(GW_TERM_B));
}

static void a_phone_that_holds_is_shown_to_the_browser(void **s)
{
	(void)s;
	browser_calls_phone();
	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_hold);
	assert_true(told(caller, GW_V_OFFER));
	assert_true(caller->last.held);
	assert_non_null(strstr(caller->text, "a=sendonly"));
	assert_non_null(strstr(caller->text, "a=mid:0"));
}

static void an_ice_restart_stays_on_the_web_side(void **s)
{
	(void)s;
	browser_calls_phone();
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_restart);
	assert_int_equal(0, times_told(called, GW_V_OFFER));
	assert_int_equal(1, restarts);
	assert_true(told(caller, GW_V_ACCEPT));
	assert_non_null(strstr(caller->text, "a=ice-ufrag:uf01"));
	assert_string_equal("wxyz", configured(GW_TERM_A)->end.ufrag);
}

static void a_reloaded_page_gets_a_new_association(void **s)
{
	(void)s;
	browser_calls_phone();
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_reload);
	assert_int_equal(0, times_told(called, GW_V_OFFER));
	assert_true(told(caller, GW_V_ACCEPT));
	assert_int_equal(0x01, configured(GW_TERM_A)->end.sha256[0]);
	assert_non_null(strstr(caller->text, "a=setup:passive"));
}

static void a_refresh_is_answered_here(void **s)
{
	(void)s;
	browser_calls_phone();
	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_sdp);
	assert_true(told(called, GW_V_ACCEPT));
	assert_int_equal(0, times_told(caller, GW_V_OFFER));
}

static void a_refused_change_changes_nothing(void **s)
{
	struct gw_msg no = { .verb = GW_V_REFUSE, .cause = { .status = 488 } };

	(void)s;
	browser_calls_phone();
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	called->leg.handler(&called->leg, &no, called->leg.arg);
	media_works();
	assert_true(told(caller, GW_V_REFUSE));
	assert_int_equal(488, caller->last.cause.status);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_A));
	assert_int_equal(GW_OA_STABLE, core.calls->a.oa.state);
	assert_int_equal(GW_OA_STABLE, core.calls->b.oa.state);
	/* And the next one works. */
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(called, GW_V_OFFER));
}

static void crossing_offers_get_491(void **s)
{
	(void)s;
	browser_calls_phone();
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_hold);
	assert_true(told(called, GW_V_REFUSE));
	assert_int_equal(491, called->last.cause.status);
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, sip_recvonly);
	assert_true(told(caller, GW_V_ACCEPT));
}

static void a_leg_busy_with_its_own_offer_refuses_ours(void **s)
{
	(void)s;
	browser_calls_phone();
	called->refuse = -EAGAIN;
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(caller, GW_V_REFUSE));
	assert_int_equal(491, caller->last.cause.status);
	assert_int_equal(GW_OA_STABLE, core.calls->b.oa.state);
}

static void a_reinvite_without_sdp_gets_an_offer(void **s)
{
	(void)s;
	browser_calls_phone();
	says(called, GW_V_OFFER, GW_DESC_NONE, NULL);
	assert_true(told(called, GW_V_ACCEPT));
	assert_int_equal(GW_DESC_OFFER, called->last.desc.role);
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, sip_sdp);
	assert_int_equal(GW_OA_STABLE, core.calls->b.oa.state);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
}

/* ---- everything at random ---- */

static uint32_t seed;

static unsigned roll(unsigned n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 10) % n;
}

static void random_event(void)
{
	static const char *const texts[] = {
		web_offer, web_answer, web_hold,     web_restart, web_reload,
		sip_sdp,   sip_hold,   sip_recvonly, "garbage",   NULL,
	};
	static const enum gw_verb verbs[] = {
		GW_V_PROGRESS, GW_V_ANSWER, GW_V_OFFER,
		GW_V_ACCEPT,   GW_V_REFUSE, GW_V_INFO,
	};
	struct fake_leg *f = roll(2) ? caller : called;
	struct gw_msg msg = { .verb = verbs[roll(6)] };
	const char *text = texts[roll(10)];

	if (!f || !f->leg.ops || !core.ncalls)
		return;
	if (roll(12) == 0)
		msg.verb = GW_V_RELEASE;
	if (text && msg.verb != GW_V_RELEASE) {
		msg.desc.text = text;
		msg.desc.len = strlen(text);
		msg.desc.role = roll(2) ? GW_DESC_OFFER : GW_DESC_ANSWER;
	}
	msg.cause.status = 491;
	f->refuse = roll(8) ? 0 : -EAGAIN;
	f->nsaid = 0;
	f->leg.handler(&f->leg, &msg, f->leg.arg);
	if (roll(3))
		media_works();
	if (roll(4) == 0)
		pass_ms(roll(5000));
}

static void random_scripts_leave_nothing_behind(void **s)
{
	(void)s;
	for (uint32_t n = 0; n < 3000; n++) {
		const struct gw_leg_ops *ops;
		static const char *const to[] = { "sip:phone@far",
						  "sip:alice@home",
						  "sip:echo@home" };

		seed = n + 1;
		free(caller);
		free(called);
		caller = called = NULL;
		ncmd = nserved = 0;
		(void)snprintf(set.calls.no_offer, 16, "%s",
			       roll(2) ? "late_offer" : "gateway_offer");
		ops = roll(2) ? &web_ops : &core_ops;
		call_from(ops, to[roll(3)],
			  roll(4) ? (ops == &web_ops ? web_offer : sip_sdp)
				  : NULL);
		for (unsigned i = 0; i < 12 && ncmd < 200; i++)
			random_event();
		gw_core_release_all(&core, 503, "over");
		media_works();
		pass_ms(5000);
		if (core.ncalls || legs_alive)
			fail_msg("script %u left %u calls, %u legs", n,
				 core.ncalls, legs_alive);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_browser_calls_a_phone),
		T(a_phone_calls_a_browser),
		T(a_browser_without_an_offer_is_asked_first),
		T(an_invite_without_sdp_gets_the_offer_in_its_200),
		T(a_late_offer_passes_through_when_configured),
		T(an_echo_answers_by_itself),
		T(two_browsers_are_joined),
		T(a_refusal_reaches_the_caller_as_it_is),
		T(a_caller_who_gives_up_ends_the_called_leg),
		T(nonsense_is_refused_before_anyone_rings),
		T(an_unknown_target_is_refused),
		T(an_answer_without_a_common_codec_ends_both),
		T(who_is_not_back_after_a_crash_is_tried_later),
		T(overloaded_media_is_503),
		T(nobody_answers_and_the_call_ends),
		T(draining_refuses_and_tells_when_empty),
		T(early_media_waits_for_its_authorisation),
		T(another_fork_wins_and_the_browser_keeps_its_description),
		T(hold_is_forwarded_and_answered),
		T(a_phone_that_holds_is_shown_to_the_browser),
		T(an_ice_restart_stays_on_the_web_side),
		T(a_reloaded_page_gets_a_new_association),
		T(a_refresh_is_answered_here),
		T(a_refused_change_changes_nothing),
		T(crossing_offers_get_491),
		T(a_leg_busy_with_its_own_offer_refuses_ours),
		T(a_reinvite_without_sdp_gets_an_offer),
		T(random_scripts_leave_nothing_behind),
	};

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
