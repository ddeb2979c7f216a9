/* Calls that the core makes towards the gateway. */
#include "tests/unit/test_sip_call.h"

static int setup(void **state)
{
	struct fix *f = fix_new(22111);

	f->set.sip.ring_timeout_s = 1;
	return fix_run(f, state);
}

static void call_is_rung_answered_and_hung_up(void **state)
{
	struct fix *f = *state;
	struct gw_msg m = { .verb = GW_V_PROGRESS, .alert = GW_ALERT_RINGING };
	const struct told *t;
	struct packet p;

	t = invite(
		f,
		"P-Asserted-Identity: \"Al \\\"X\\\"\" <sip:al@ims.test;p=1>, "
		"<tel:+1>\r\nRecord-Route: <sip:127.0.0.1:22111;lr;id=1>\r\n",
		OFFER);
	assert_int_equal(t->role, GW_DESC_OFFER);
	assert_string_equal(t->sdp, OFFER);
	assert_string_equal(t->asserted, "sip:al@ims.test");
	assert_string_equal(t->display, "Al \"X\"");
	assert_string_equal(t->target, "sip:alice@ims.test");
	assert_false(t->privacy);
	m.asserted.uri = "sip:alice@ims.test";
	assert_int_equal(gw_leg_send(f->leg, &m), 0);
	expect(f, &p, "SIP/2.0 180");
	assert_string_equal(header(&p, "P-Asserted-Identity"),
			    "<sip:alice@ims.test>");
	assert_string_equal(header(&p, "Record-Route"),
			    "<sip:127.0.0.1:22111;lr;id=1>");
	answer(f, &p, GW_DESC_ANSWER, ANSWER);
	assert_string_equal(body(&p), ANSWER);
	assert_non_null(strstr(header(&p, "Contact"), "127.0.0.1:22110"));
	ack(f);
	release(f, 200);
	expect(f, &p, "BYE sip:peer@127.0.0.1:22111");
	assert_string_equal(header(&p, "Route"),
			    "<sip:127.0.0.1:22111;lr;id=1>");
	reply(f, &p, 200, NULL, NULL, NULL);
	wait_live(f, 0);
}

static void caller_without_assertion_is_from_or_nobody(void **state)
{
	struct fix *f = *state;
	const struct told *t;

	t = invite(f, "Privacy: id\r\nP-Called-Party-ID: <sip:al@ims.test>\r\n",
		   OFFER);
	assert_string_equal(t->asserted, "sip:peer@ims.test");
	assert_string_equal(t->display, "Peer \"P\"");
	assert_string_equal(t->target, "sip:al@ims.test");
	assert_true(t->privacy);
	release(f, 480);
	wait_live(f, 0);
}

static void early_description_is_repeated_in_the_200(void **state)
{
	struct fix *f = *state;
	struct gw_msg m = { .verb = GW_V_PROGRESS, .early_media = true };
	struct packet p;

	(void)invite(f, "P-Early-Media: supported\r\n", OFFER);
	m.desc = desc_of(GW_DESC_EARLY_ANSWER, ANSWER);
	assert_int_equal(gw_leg_send(f->leg, &m), 0);
	expect(f, &p, "SIP/2.0 183");
	assert_string_equal(body(&p), ANSWER);
	assert_string_equal(header(&p, "P-Early-Media"), "sendrecv");
	answer(f, &p, GW_DESC_NONE, NULL);
	assert_string_equal(body(&p), ANSWER);
	ack(f);
	hang_up(f);
}

static void refusal_carries_its_cause(void **state)
{
	struct fix *f = *state;
	struct packet p;

	f->refuse_at_once = true;
	new_dialog(f);
	request_sdp(f, "INVITE", NULL, OFFER);
	expect(f, &p, "SIP/2.0 100");
	expect(f, &p, "SIP/2.0 486");
	assert_string_equal(header(&p, "Warning"),
			    "399 isthmus \"the \\\"line\\\" is busy\"");
	dialog_from_response(f, &p);
	ack(f);
	wait_live(f, 0);
}

static void cancel_is_told_as_487(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet p;

	(void)invite(f, NULL, OFFER);
	request(f, "CANCEL",
		"Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n",
		NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	expect(f, &p, "SIP/2.0 487");
	t = expect_told(f, GW_V_RELEASE);
	assert_int_equal(t->status, 487);
	assert_true(t->elsewhere);
	wait_live(f, 0);
}

static void cancel_after_the_answer_changes_nothing(void **state)
{
	struct fix *f = *state;
	struct packet p;

	(void)invite(f, NULL, OFFER);
	assert_int_equal(say(f, GW_V_ANSWER, GW_DESC_ANSWER, ANSWER), 0);
	expect(f, &p, "SIP/2.0 200");
	request(f, "CANCEL", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 481");
	nothing_told(f);
	dialog_from_response(f, &p);
	hang_up(f);
}

static void unanswered_call_ends_with_408(void **state)
{
	struct fix *f = *state;
	struct packet p;

	(void)invite(f, NULL, OFFER);
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 408);
	expect(f, &p, "SIP/2.0 408");
	wait_live(f, 0);
}

static void late_offer_is_ours_and_its_answer_is_in_the_ack(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet p;

	assert_int_equal(invite(f, NULL, NULL)->role, GW_DESC_NONE);
	answer(f, &p, GW_DESC_OFFER, OFFER);
	assert_string_equal(body(&p), OFFER);
	request_sdp(f, "UPDATE", NULL, OFFER);
	expect(f, &p, "SIP/2.0 491");
	f->cseq--;
	request_sdp(f, "ACK", NULL, ANSWER);
	t = expect_told(f, GW_V_ACCEPT);
	assert_int_equal(t->role, GW_DESC_ANSWER);
	assert_string_equal(t->sdp, ANSWER);
	f->cseq++;
	hang_up(f);
}

static void ack_without_the_answer_ends_the_call(void **state)
{
	struct fix *f = *state;
	struct packet p;

	(void)invite(f, NULL, NULL);
	answer(f, &p, GW_DESC_OFFER, OFFER);
	ack(f);
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 488);
	expect_bye(f, &p);
	wait_live(f, 0);
}

static void missing_ack_repeats_the_200_and_then_hangs_up(void **state)
{
	struct fix *f = *state;
	struct packet p;

	(void)invite(f, NULL, OFFER);
	assert_int_equal(say(f, GW_V_ANSWER, GW_DESC_ANSWER, ANSWER), 0);
	expect(f, &p, "SIP/2.0 200");
	expect_copies(f, "SIP/2.0 200", 2);
	nothing_told(f);
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 408);
	wait_live(f, 0); /* the BYE's own end */
}

static void release_before_the_ack_waits_for_it(void **state)
{
	struct fix *f = *state;
	struct packet p;

	(void)invite(f, NULL, OFFER);
	answer(f, &p, GW_DESC_ANSWER, ANSWER);
	release(f, 500);
	expect_silence(f, 100);
	ack(f);
	expect_bye(f, &p);
	assert_non_null(strstr(header(&p, "Reason"), "cause=500"));
	wait_live(f, 0);
}

static void peers_offer_is_accepted_or_refused(void **state)
{
	struct fix *f = *state;
	struct gw_msg no = { .verb = GW_V_REFUSE };
	struct packet p;

	connect_in(f);
	assert_string_equal(offered(f, OFFER)->sdp, OFFER);
	accept_offer(f);
	expect(f, &p, "SIP/2.0 200");
	assert_string_equal(body(&p), ANSWER);
	ack(f);

	(void)offered(f, OFFER);
	no.cause.status = 481; /* would end the dialog */
	assert_int_equal(gw_leg_send(f->leg, &no), 0);
	expect(f, &p, "SIP/2.0 488");
	ack(f);
	assert_int_equal(say(f, GW_V_ACCEPT, GW_DESC_ANSWER, ANSWER), -EPROTO);
	hang_up(f);
}

static void reinvite_without_offer_gets_ours(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_in(f);
	assert_int_equal(offered(f, NULL)->role, GW_DESC_NONE);
	assert_int_equal(say(f, GW_V_ACCEPT, GW_DESC_OFFER, OFFER), 0);
	expect(f, &p, "SIP/2.0 200");
	assert_string_equal(body(&p), OFFER);
	assert_int_equal(say(f, GW_V_OFFER, GW_DESC_OFFER, OFFER), -EAGAIN);
	request_sdp(f, "ACK", NULL, ANSWER);
	assert_int_equal(expect_told(f, GW_V_ACCEPT)->role, GW_DESC_ANSWER);
	hang_up(f);
}

static void cancelled_reinvite_leaves_the_session_up(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_in(f);
	(void)offered(f, OFFER);
	request(f, "CANCEL", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 ");
	expect(f, &p, "SIP/2.0 ");
	ack(f);
	assert_int_equal(say(f, GW_V_ACCEPT, GW_DESC_ANSWER, ANSWER), -EPROTO);
	nothing_told(f);
	hang_up(f);
}

static void update_is_offered_up_or_answered_here(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_in(f);
	request(f, "UPDATE", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	nothing_told(f);
	request_sdp(f, "UPDATE", NULL, OFFER);
	assert_int_equal(expect_told(f, GW_V_OFFER)->role, GW_DESC_OFFER);
	request_sdp(f, "UPDATE", NULL, OFFER);
	expect(f, &p, "SIP/2.0 500");
	assert_true(*header(&p, "Retry-After") != '\0');
	accept_offer(f);
	expect(f, &p, "SIP/2.0 200");
	assert_string_equal(body(&p), ANSWER);
	hang_up(f);
}

static void second_invite_before_the_answer_gets_500(void **state)
{
	struct fix *f = *state;
	struct packet p;

	(void)invite(f, NULL, OFFER);
	assert_int_equal(say(f, GW_V_PROGRESS, GW_DESC_NONE, NULL), 0);
	expect(f, &p, "SIP/2.0 183");
	dialog_from_response(f, &p);
	request_sdp(f, "INVITE", NULL, OFFER);
	expect(f, &p, "SIP/2.0 500");
	assert_true(*header(&p, "Retry-After") != '\0');
	ack(f);
	request_sdp(f, "UPDATE", NULL, OFFER);
	expect(f, &p, "SIP/2.0 500");
	nothing_told(f);
	request(f, "BYE", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 ");
	expect(f, &p, "SIP/2.0 ");
	(void)expect_told(f, GW_V_RELEASE);
	wait_live(f, 0);
}

static void offer_made_before_the_ack_goes_out_after_it(void **state)
{
	struct fix *f = *state;
	struct packet p;

	(void)invite(f, NULL, OFFER);
	answer(f, &p, GW_DESC_ANSWER, ANSWER);
	assert_int_equal(say(f, GW_V_OFFER, GW_DESC_OFFER, OFFER), 0);
	expect_silence(f, 60);
	ack(f);
	expect(f, &p, "INVITE ");
	accepted(f, &p);
	hang_up(f);
}

static void callee_repeats_a_refused_offer_sooner(void **state)
{
	struct fix *f = *state;
	struct packet p;
	uint64_t at;

	connect_in(f);
	reinvite(f, &p);
	refuse(f, &p, 491, NULL, NULL);
	at = gw_clock_monotonic_us(NULL);
	expect(f, &p, "INVITE ");
	assert_in_range((gw_clock_monotonic_us(NULL) - at) / 1000, 0, 2100);
	accepted(f, &p);
	hang_up(f);
}

static void info_carries_dtmf_both_ways(void **state)
{
	static const char digit[] = "Signal=5\r\nDuration=160\r\n";
	struct fix *f = *state;
	struct gw_msg m = { .verb = GW_V_INFO,
			    .content_type = "application/dtmf-relay",
			    .content = digit,
			    .content_len = sizeof(digit) - 1 };
	const struct told *t;
	struct packet p;

	connect_in(f);
	request(f, "INFO", NULL, "application/dtmf-relay", digit);
	expect(f, &p, "SIP/2.0 200");
	t = expect_told(f, GW_V_INFO);
	assert_string_equal(t->type, "application/dtmf-relay");
	assert_string_equal(t->content, digit);
	/* RFC 6086, and the digit alone, come to the same. */
	request(f, "INFO",
		"Info-Package: infoDtmf;x=y\r\n"
		"Content-Disposition: Info-Package\r\n",
		"application/dtmf-relay", digit);
	expect(f, &p, "SIP/2.0 200");
	assert_string_equal(expect_told(f, GW_V_INFO)->content, digit);
	request(f, "INFO", NULL, "application/dtmf", "5");
	expect(f, &p, "SIP/2.0 200");
	assert_string_equal(expect_told(f, GW_V_INFO)->content, digit);

	request(f, "INFO", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	nothing_told(f);
	assert_int_equal(gw_leg_send(f->leg, &m), 0);
	expect(f, &p, "INFO ");
	assert_string_equal(header(&p, "Content-Type"),
			    "application/dtmf-relay");
	assert_string_equal(body(&p), digit);
	reply(f, &p, 200, NULL, NULL, NULL);
	hang_up(f);
}

/* RFC 5168: what a picture's receiver asks of its sender, as it came. */
static void info_asks_for_a_key_frame_both_ways(void **state)
{
	static const char ask[] = "<media_control><vc_primitive><to_encoder>"
				  "<picture_fast_update/></to_encoder>"
				  "</vc_primitive></media_control>";
	struct fix *f = *state;
	struct gw_msg m = { .verb = GW_V_INFO,
			    .content_type = "application/media_control+xml",
			    .content = ask,
			    .content_len = sizeof(ask) - 1 };
	const struct told *t;
	struct packet p;

	connect_in(f);
	request(f, "INFO", NULL, "application/media_control+xml", ask);
	expect(f, &p, "SIP/2.0 200");
	t = expect_told(f, GW_V_INFO);
	assert_string_equal(t->type, "application/media_control+xml");
	assert_string_equal(t->content, ask);
	assert_int_equal(gw_leg_send(f->leg, &m), 0);
	expect(f, &p, "INFO ");
	assert_string_equal(header(&p, "Content-Type"),
			    "application/media_control+xml");
	assert_string_equal(body(&p), ask);
	reply(f, &p, 200, NULL, NULL, NULL);
	hang_up(f);
}

static void info_that_makes_no_sense_is_refused_and_counted(void **state)
{
	static const struct {
		const char *headers, *type, *body, *start;
	} row[] = {
		{NULL,				 "text/plain",             "hello",                     "SIP/2.0 415"},
		{ NULL,				"application/dtmf-relay", "Signal=zz",                 "SIP/2.0 400"},
		{ NULL,				"application/dtmf-relay", "Duration=160",
                 "SIP/2.0 400"											     },
		{ NULL,				"application/dtmf-relay", "Signal=1\r\nDuration=ever",
                 "SIP/2.0 400"											     },
		{ NULL,				"application/dtmf",       "55",                        "SIP/2.0 400"},
		{ "Info-Package: g.3gpp.mid-call\r\n", "application/dtmf-relay",
                 "Signal=5",										  "SIP/2.0 469"},
	};
	struct fix *f = *state;
	struct packet p;
	int64_t before = metric("isthmus_sip_rejected_total{reason=\"info\"}");

	connect_in(f);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		request(f, "INFO", row[i].headers, row[i].type, row[i].body);
		expect(f, &p, row[i].start);
		if (!strncmp(row[i].start, "SIP/2.0 469", 11))
			assert_string_equal(header(&p, "Recv-Info"),
					    "infoDtmf");
	}
	nothing_told(f);
	assert_int_equal(metric("isthmus_sip_rejected_total{reason=\"info\"}"),
			 before + 6);
	hang_up(f);
}

static void methods_without_a_place_get_405(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_in(f);
	request(f, "REGISTER", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 405");
	assert_true(*header(&p, "Allow") != '\0');
	request(f, "PRACK", "RAck: 1 1 INVITE\r\n", NULL, NULL);
	expect(f, &p, "SIP/2.0 481");
	request(f, "UPDATE", "Require: precondition\r\n", NULL, NULL);
	expect(f, &p, "SIP/2.0 420");
	assert_string_equal(header(&p, "Unsupported"), "precondition");
	hang_up(f);
}

static void bye_ends_what_is_pending(void **state)
{
	struct fix *f = *state;
	struct packet p, q;

	connect_in(f);
	(void)offered(f, OFFER);
	request(f, "BYE", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	expect(f, &q, "SIP/2.0 487");
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 200);
	wait_live(f, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(call_is_rung_answered_and_hung_up),
		T(caller_without_assertion_is_from_or_nobody),
		T(early_description_is_repeated_in_the_200),
		T(refusal_carries_its_cause),
		T(cancel_is_told_as_487),
		T(cancel_after_the_answer_changes_nothing),
		T(unanswered_call_ends_with_408),
		T(late_offer_is_ours_and_its_answer_is_in_the_ack),
		T(ack_without_the_answer_ends_the_call),
		T(missing_ack_repeats_the_200_and_then_hangs_up),
		T(release_before_the_ack_waits_for_it),
		T(peers_offer_is_accepted_or_refused),
		T(reinvite_without_offer_gets_ours),
		T(cancelled_reinvite_leaves_the_session_up),
		T(update_is_offered_up_or_answered_here),
		T(second_invite_before_the_answer_gets_500),
		T(offer_made_before_the_ack_goes_out_after_it),
		T(callee_repeats_a_refused_offer_sooner),
		T(info_carries_dtmf_both_ways),
		T(info_asks_for_a_key_frame_both_ways),
		T(info_that_makes_no_sense_is_refused_and_counted),
		T(methods_without_a_place_get_405),
		T(bye_ends_what_is_pending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
