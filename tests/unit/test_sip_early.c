/* Before the call is answered: reliable responses, PRACK and UPDATE, in both
 * directions. */
#include "tests/unit/test_sip_call.h"

#define ALLOW "Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE\r\n"

static int setup(void **state)
{
	struct fix *f = fix_new(22141);

	f->set.sip.ring_timeout_s = 5;
	(void)snprintf(f->set.sip.reliable, 12, "supported");
	return fix_run(f, state);
}

static int offer_in(struct fix *f, uint32_t branch, const char *sdp)
{
	const struct gw_msg m = { .verb = GW_V_OFFER,
				  .branch = branch,
				  .desc = desc_of(GW_DESC_OFFER, sdp) };

	return gw_leg_send(f->leg, &m);
}

/* ---- calls that we make ---- */

static void reliable_answer_is_acknowledged_and_counts(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	assert_string_equal(header(&inv, "Supported"), "100rel, replaces, 199");
	assert_non_null(strstr(header(&inv, "Allow"), "PRACK"));
	reply(f, &inv, 183, "b", RELIABLE "7\r\n", ANSWER);
	expect(f, &p, "PRACK sip:peer@127.0.0.1:22141");
	assert_rack(&p, 7, &inv);
	assert_non_null(strstr(header(&p, "To"), "tag=b"));
	assert_string_equal(header(&p, "Route"), "");
	reply(f, &p, 200, NULL, NULL, NULL);
	t = expect_told(f, GW_V_PROGRESS);
	assert_int_equal(t->role, GW_DESC_EARLY_ANSWER);
	assert_true(t->firm);
	/* what comes later only repeats it */
	reply(f, &inv, 180, "b", RELIABLE "8\r\n", OTHER);
	expect_prack(f, &p, 8, &inv);
	t = expect_told(f, GW_V_PROGRESS);
	assert_int_equal(t->alert, GW_ALERT_RINGING);
	assert_int_equal(t->role, GW_DESC_NONE);
	reply(f, &inv, 200, "b", NULL, OTHER);
	expect(f, &p, "ACK ");
	t = expect_told(f, GW_V_ANSWER);
	assert_int_equal(t->role, GW_DESC_NONE);
	assert_int_equal(t->branch, 1);
	hang_up(f);
}

static void repeated_and_skipped_responses_are_not_acknowledged(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	reply(f, &inv, 183, "b", RELIABLE "1\r\n", ANSWER);
	expect_prack(f, &p, 1, &inv);
	(void)expect_told(f, GW_V_PROGRESS);
	reply(f, &inv, 183, "b", RELIABLE "1\r\nX-Again: 1\r\n", ANSWER);
	reply(f, &inv, 180, "b", RELIABLE "3\r\n", NULL);
	expect_silence(f, 60);
	nothing_told(f);
	reply(f, &inv, 180, "b", RELIABLE "2\r\n", NULL);
	expect_prack(f, &p, 2, &inv);
	(void)expect_told(f, GW_V_PROGRESS);
	refuse(f, &inv, 486, "b", NULL);
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 486);
	wait_live(f, 0);
}

static void prack_is_repeated_until_it_is_answered(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	reply(f, &inv, 183, "b", RELIABLE "1\r\n", ANSWER);
	expect(f, &p, "PRACK ");
	/* the peer's 183 comes again as well, and makes no PRACK of its own */
	reply(f, &inv, 183, "b", RELIABLE "1\r\n", ANSWER);
	expect_copies(f, "PRACK ", 2);
	reply(f, &p, 200, NULL, NULL, NULL);
	(void)expect_told(f, GW_V_PROGRESS);
	nothing_told(f);
	reply(f, &inv, 200, "b", NULL, NULL);
	expect(f, &p, "ACK ");
	(void)expect_told(f, GW_V_ANSWER);
	hang_up(f);
}

static void prack_that_nobody_answers_is_the_peers_to_judge(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	reply(f, &inv, 183, "b", ALLOW RELIABLE "1\r\n", ANSWER);
	expect(f, &p, "PRACK ");
	(void)expect_told(f, GW_V_PROGRESS);
	assert_int_equal(offer_in(f, 1, OTHER), 0);
	reply(f, &p, 481, NULL, NULL, NULL);
	expect(f, &p, "UPDATE ");
	/* and it dies with its call */
	refuse(f, &inv, 503, "b", NULL);
	(void)expect_told(f, GW_V_RELEASE);
	wait_live(f, 0);
}

static void forks_count_for_themselves(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	reply(f, &inv, 183, "one", RELIABLE "100\r\n", ANSWER);
	expect(f, &p, "PRACK ");
	assert_non_null(strstr(header(&p, "To"), "tag=one"));
	reply(f, &p, 200, NULL, NULL, NULL);
	assert_int_equal(expect_told(f, GW_V_PROGRESS)->branch, 1);
	reply(f, &inv, 183, "two", RELIABLE "5\r\n", OTHER);
	expect(f, &p, "PRACK ");
	assert_non_null(strstr(header(&p, "To"), "tag=two"));
	assert_rack(&p, 5, &inv);
	reply(f, &p, 200, NULL, NULL, NULL);
	t = expect_told(f, GW_V_PROGRESS);
	assert_int_equal(t->branch, 2);
	assert_string_equal(t->sdp, OTHER);
	reply(f, &inv, 199, "two", NULL, NULL);
	t = expect_told(f, GW_V_PROGRESS);
	assert_int_equal(t->alert, GW_ALERT_ENDED);
	assert_int_equal(t->branch, 2);
	reply(f, &inv, 200, "one", NULL, NULL);
	expect(f, &p, "ACK ");
	assert_int_equal(expect_told(f, GW_V_ANSWER)->branch, 1);
	hang_up(f);
}

static void forwarding_and_queueing_are_told(void **state)
{
	struct fix *f = *state;
	struct packet inv;

	dial(f, &inv, OFFER);
	reply(f, &inv, 181, "b", NULL, NULL);
	assert_int_equal(expect_told(f, GW_V_PROGRESS)->alert,
			 GW_ALERT_FORWARDED);
	reply(f, &inv, 182, "b", NULL, NULL);
	assert_int_equal(expect_told(f, GW_V_PROGRESS)->alert, GW_ALERT_QUEUED);
	reply(f, &inv, 180, "c", NULL, ANSWER);
	assert_int_equal(expect_told(f, GW_V_PROGRESS)->alert,
			 GW_ALERT_RINGING);
	refuse(f, &inv, 404, "b", NULL);
	(void)expect_told(f, GW_V_RELEASE);
}

static void peers_update_is_offered_up_once_its_dialog_is_settled(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	reply(f, &inv, 183, "b", NULL, ANSWER);
	(void)expect_told(f, GW_V_PROGRESS);
	dialog_from_invite(f, &inv, "b");
	/* RFC 3311 5.2: our own offer has no answer that counts */
	request_sdp(f, "UPDATE", NULL, OTHER);
	expect(f, &p, "SIP/2.0 491");
	reply(f, &inv, 183, "b", RELIABLE "1\r\n", ANSWER);
	expect_prack(f, &p, 1, &inv);
	assert_true(expect_told(f, GW_V_PROGRESS)->firm);
	request_sdp(f, "UPDATE", NULL, OTHER);
	t = expect_told(f, GW_V_OFFER);
	assert_int_equal(t->branch, 1);
	assert_string_equal(t->sdp, OTHER);
	/* while that one waits (RFC 3311 5.2) */
	request_sdp(f, "UPDATE", NULL, OTHER);
	expect(f, &p, "SIP/2.0 500");
	assert_true(*header(&p, "Retry-After"));
	accept_offer(f);
	expect(f, &p, "SIP/2.0 200");
	assert_string_equal(body(&p), ANSWER);
	assert_non_null(strstr(header(&p, "CSeq"), "UPDATE"));
	request(f, "UPDATE", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	reply(f, &inv, 200, "b", NULL, NULL);
	expect(f, &p, "ACK ");
	(void)expect_told(f, GW_V_ANSWER);
	hang_up(f);
}

static void our_update_goes_out_in_a_settled_early_dialog(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	reply(f, &inv, 183, "b", ALLOW, ANSWER);
	(void)expect_told(f, GW_V_PROGRESS);
	assert_int_equal(offer_in(f, 1, OTHER), -EPROTO);
	assert_int_equal(offer_in(f, 2, OTHER), -EPROTO);
	reply(f, &inv, 183, "b", ALLOW RELIABLE "1\r\n", ANSWER);
	expect(f, &p, "PRACK ");
	(void)expect_told(f, GW_V_PROGRESS);
	dialog_from_invite(f, &inv, "b");

	/* it does not overtake the PRACK */
	assert_int_equal(offer_in(f, 1, OTHER), 0);
	assert_int_equal(offer_in(f, 1, OTHER), -EAGAIN);
	expect_silence(f, 30);
	reply(f, &p, 200, NULL, NULL, NULL);
	expect(f, &p, "UPDATE sip:peer@127.0.0.1:22141");
	assert_string_equal(body(&p), OTHER);
	assert_true(*header(&p, "Contact") != '\0');
	/* glare */
	request_sdp(f, "UPDATE", NULL, OFFER);
	{
		struct packet q;

		expect(f, &q, "SIP/2.0 491");
	}
	reply(f, &p, 200, NULL, NULL, ANSWER);
	t = expect_told(f, GW_V_ACCEPT);
	assert_int_equal(t->branch, 1);
	assert_int_equal(t->role, GW_DESC_ANSWER);
	assert_int_equal(offer_in(f, 1, OTHER), 0);
	expect(f, &p, "UPDATE ");
	reply(f, &p, 488, NULL, NULL, NULL);
	t = expect_told(f, GW_V_REFUSE);
	assert_int_equal(t->branch, 1);
	assert_int_equal(t->status, 488);
	reply(f, &inv, 200, "b", NULL, NULL);
	expect(f, &p, "ACK ");
	(void)expect_told(f, GW_V_ANSWER);
	hang_up(f);
}

static int in_branch(struct fix *f, enum gw_verb verb, uint32_t branch,
		     const char *sdp)
{
	struct gw_msg m = { .verb = verb, .branch = branch };

	m.desc = desc_of(sdp ? GW_DESC_ANSWER : GW_DESC_NONE, sdp);
	m.cause.status = 488;
	return gw_leg_send(f->leg, &m);
}

static void offer_in_a_response_is_answered_in_its_prack(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet inv, p;

	dial(f, &inv, NULL);
	assert_string_equal(header(&inv, "Supported"), "100rel, replaces, 199");
	reply(f, &inv, 183, "b", RELIABLE "1\r\n", OFFER);
	t = expect_told(f, GW_V_PROGRESS);
	assert_int_equal(t->role, GW_DESC_OFFER);
	assert_int_equal(t->branch, 1);
	/* the call thinks; the peer repeats, and rings */
	reply(f, &inv, 183, "b", RELIABLE "1\r\nX-Again: 1\r\n", OFFER);
	reply(f, &inv, 180, "b", NULL, OFFER);
	assert_int_equal(expect_told(f, GW_V_PROGRESS)->role, GW_DESC_NONE);
	expect_silence(f, 30);
	assert_int_equal(in_branch(f, GW_V_ACCEPT, 1, ANSWER), 0);
	expect(f, &p, "PRACK ");
	assert_rack(&p, 1, &inv);
	assert_string_equal(body(&p), ANSWER);
	reply(f, &p, 200, NULL, NULL, NULL);
	assert_int_equal(in_branch(f, GW_V_ACCEPT, 1, ANSWER), -EPROTO);
	reply(f, &inv, 200, "b", NULL, NULL);
	expect(f, &p, "ACK ");
	assert_string_equal(body(&p), "");
	assert_int_equal(expect_told(f, GW_V_ANSWER)->role, GW_DESC_NONE);
	hang_up(f);
}

static void offer_in_a_response_that_is_refused_ends_the_call(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, NULL);
	reply(f, &inv, 183, "b", RELIABLE "1\r\n", OFFER);
	(void)expect_told(f, GW_V_PROGRESS);
	assert_int_equal(in_branch(f, GW_V_REFUSE, 1, NULL), 0);
	expect(f, &p, "CANCEL ");
	reply(f, &p, 200, "b", NULL, NULL);
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 488);
	refuse(f, &inv, 487, "b", NULL);
	wait_live(f, 0);
}

static void offer_may_still_come_in_the_200(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, NULL);
	reply(f, &inv, 180, "b", RELIABLE "1\r\n", NULL);
	expect_prack(f, &p, 1, &inv);
	(void)expect_told(f, GW_V_PROGRESS);
	reply(f, &inv, 200, "b", NULL, OFFER);
	assert_int_equal(expect_told(f, GW_V_ANSWER)->role, GW_DESC_OFFER);
	accept_offer(f);
	expect(f, &p, "ACK ");
	assert_string_equal(body(&p), ANSWER);
	hang_up(f);
}

static void demanded_extension_is_required(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	(void)snprintf(f->set.sip.reliable, 12, "required");
	dial(f, &inv, OFFER);
	assert_string_equal(header(&inv, "Require"), "100rel");
	assert_string_equal(header(&inv, "Supported"), "replaces, 199");
	refuse(f, &inv, 420, "b", "Unsupported: 100rel\r\n");
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 420);
	new_dialog(f);
	request_sdp(f, "INVITE", NULL, OFFER);
	expect(f, &p, "SIP/2.0 421");
	assert_string_equal(header(&p, "Require"), "100rel");
}

/* ---- calls that come in ---- */

static void our_answer_is_sent_reliably_and_once(void **state)
{
	struct fix *f = *state;
	struct packet p, q;
	unsigned invite_cseq;

	(void)invite(f, "Supported: 100rel\r\n", OFFER);
	invite_cseq = f->cseq;
	assert_int_equal(progress(f, GW_ALERT_NO, ANSWER), 0);
	expect(f, &p, "SIP/2.0 183");
	assert_string_equal(header(&p, "Require"), "100rel");
	assert_string_equal(body(&p), ANSWER);
	dialog_from_response(f, &p);
	prack(f, &p, NULL);
	expect(f, &q, "SIP/2.0 200");
	assert_non_null(strstr(header(&q, "CSeq"), "PRACK"));
	/* nothing in it that must not get lost */
	assert_int_equal(progress(f, GW_ALERT_RINGING, NULL), 0);
	expect(f, &p, "SIP/2.0 180");
	assert_string_equal(header(&p, "RSeq"), "");
	assert_int_equal(say(f, GW_V_ANSWER, GW_DESC_ANSWER, ANSWER), 0);
	expect(f, &p, "SIP/2.0 200");
	assert_string_equal(body(&p), "");
	f->cseq = invite_cseq;
	ack(f);
	f->cseq += 10;
	hang_up(f);
}

static void our_response_is_repeated_until_it_is_acknowledged(void **state)
{
	struct fix *f = *state;
	struct packet p, q;

	(void)invite(f, "Supported: 100rel\r\n", OFFER);
	assert_int_equal(progress(f, GW_ALERT_NO, ANSWER), 0);
	expect(f, &p, "SIP/2.0 183");
	dialog_from_response(f, &p);
	expect_copies(f, "SIP/2.0 183", 2);
	/* another RSeq is not it */
	request(f, "PRACK", "RAck: 1 1 INVITE\r\n", NULL, NULL);
	expect(f, &q, "SIP/2.0 481");
	expect_copies(f, "SIP/2.0 183", 1);
	prack(f, &p, NULL);
	expect(f, &q, "SIP/2.0 200");
	release(f, 486);
	expect(f, &q, "SIP/2.0 486");
	wait_live(f, 0);
}

static int digit(struct fix *f)
{
	const struct gw_msg m = { .verb = GW_V_INFO,
				  .content_type = "application/dtmf-relay",
				  .content = "Signal=1\r\n",
				  .content_len = 10 };

	return gw_leg_send(f->leg, &m);
}

static void answer_waits_for_its_prack(void **state)
{
	struct fix *f = *state;
	struct packet p, q;

	(void)invite(f, "Require: 100rel\r\n", OFFER);
	assert_int_equal(progress(f, GW_ALERT_RINGING, NULL), 0);
	expect(f, &p, "SIP/2.0 180");
	assert_true(*header(&p, "RSeq") != '\0');
	dialog_from_response(f, &p);
	prack(f, &p, NULL);
	expect(f, &q, "SIP/2.0 200");
	assert_int_equal(progress(f, GW_ALERT_NO, ANSWER), 0);
	expect(f, &p, "SIP/2.0 183");
	assert_int_equal(say(f, GW_V_ANSWER, GW_DESC_NONE, NULL), 0);
	assert_int_equal(digit(f), -EPROTO); /* no session for it yet */
	expect_silence(f, 30);
	prack(f, &p, NULL);
	expect(f, &q, "SIP/2.0 200");
	expect(f, &q, "SIP/2.0 200");
	assert_non_null(strstr(header(&q, "CSeq"), "INVITE"));
	assert_string_equal(body(&q), "");
	f->cseq = (unsigned)atoi(header(&q, "CSeq"));
	ack(f);
	f->cseq += 10;
	hang_up(f);
}

static void response_nobody_acknowledges_fails_the_call(void **state)
{
	struct fix *f = *state;
	int64_t before = metric("isthmus_sip_reliable_total{direction="
				"\"out\",result=\"timeout\"}");
	struct packet p;

	for (int held = 0; held < 2; held++) {
		(void)snprintf(f->call_id, sizeof(f->call_id), "lost%d", held);
		(void)invite(f, "Supported: 100rel\r\n", OFFER);
		assert_int_equal(progress(f, GW_ALERT_NO, ANSWER), 0);
		expect(f, &p, "SIP/2.0 183");
		if (held)
			assert_int_equal(
				say(f, GW_V_ANSWER, GW_DESC_ANSWER, ANSWER), 0);
		assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 504);
		expect(f, &p, "SIP/2.0 504");
		dialog_from_response(f, &p);
		ack(f);
		wait_live(f, 0);
	}
	assert_int_equal(metric("isthmus_sip_reliable_total{direction="
				"\"out\",result=\"timeout\"}"),
			 before + 2);
}

static void cancel_reaches_a_call_whose_answer_is_held(void **state)
{
	struct fix *f = *state;
	struct packet p;

	(void)invite(f, "Supported: 100rel\r\n", OFFER);
	assert_int_equal(progress(f, GW_ALERT_NO, ANSWER), 0);
	expect(f, &p, "SIP/2.0 183");
	assert_int_equal(say(f, GW_V_ANSWER, GW_DESC_ANSWER, ANSWER), 0);
	request(f, "CANCEL", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	expect(f, &p, "SIP/2.0 487");
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 487);
	wait_live(f, 0);
}

static void offers_come_in_update_and_prack(void **state)
{
	struct fix *f = *state;
	struct packet p, q;

	(void)invite(f, "Supported: 100rel\r\n", OFFER);
	assert_int_equal(progress(f, GW_ALERT_NO, ANSWER), 0);
	expect(f, &p, "SIP/2.0 183");
	dialog_from_response(f, &p);
	/* its own offer is not answered for good */
	request_sdp(f, "UPDATE", NULL, OTHER);
	expect(f, &q, "SIP/2.0 500");
	assert_true(*header(&q, "Retry-After") != '\0');
	prack(f, &p, OTHER);
	assert_string_equal(expect_told(f, GW_V_OFFER)->sdp, OTHER);
	accept_offer(f);
	expect(f, &q, "SIP/2.0 200");
	assert_non_null(strstr(header(&q, "CSeq"), "PRACK"));
	assert_string_equal(body(&q), ANSWER);
	request_sdp(f, "UPDATE", NULL, OFFER);
	(void)expect_told(f, GW_V_OFFER);
	{
		const struct gw_msg no = { .verb = GW_V_REFUSE,
					   .cause = { .status = 488 } };

		assert_int_equal(gw_leg_send(f->leg, &no), 0);
	}
	expect(f, &q, "SIP/2.0 488");
	request_sdp(f, "INVITE", NULL, OFFER);
	expect(f, &q, "SIP/2.0 500");
	release(f, 486);
	do
		get_packet(f, &q);
	while (!strstr(q.text, "SIP/2.0 486"));
	wait_live(f, 0);
}

static void call_without_offer_gets_ours_in_a_reliable_183(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet p, q;

	t = invite(f, "Require: 100rel\r\n", NULL);
	assert_int_equal(t->role, GW_DESC_NONE);
	assert_true(t->may_ask);
	/* the first reliable one has to carry the offer */
	assert_int_equal(progress(f, GW_ALERT_RINGING, NULL), 0);
	expect_silence(f, 30);
	assert_int_equal(say(f, GW_V_OFFER, GW_DESC_OFFER, OFFER), 0);
	expect(f, &p, "SIP/2.0 183");
	assert_string_equal(body(&p), OFFER);
	dialog_from_response(f, &p);
	prack(f, &p, ANSWER);
	t = expect_told(f, GW_V_ACCEPT);
	assert_int_equal(t->role, GW_DESC_ANSWER);
	assert_string_equal(t->sdp, ANSWER);
	expect(f, &q, "SIP/2.0 200");
	assert_int_equal(say(f, GW_V_ANSWER, GW_DESC_NONE, NULL), 0);
	expect(f, &q, "SIP/2.0 200");
	assert_string_equal(body(&q), "");
	f->cseq = (unsigned)atoi(header(&q, "CSeq"));
	ack(f);
	f->cseq += 10;
	hang_up(f);
}

static void prack_without_the_answer_ends_the_call(void **state)
{
	struct fix *f = *state;
	struct packet p;

	(void)invite(f, "Require: 100rel\r\n", NULL);
	assert_int_equal(say(f, GW_V_OFFER, GW_DESC_OFFER, OFFER), 0);
	expect(f, &p, "SIP/2.0 183");
	dialog_from_response(f, &p);
	prack(f, &p, NULL);
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 488);
	do
		get_packet(f, &p);
	while (!strstr(p.text, "SIP/2.0 488"));
	wait_live(f, 0);
}

static void without_the_setting_nothing_is_reliable(void **state)
{
	struct fix *f = *state;
	struct packet p;

	(void)snprintf(f->set.sip.reliable, 12, "off");
	new_dialog(f);
	request_sdp(f, "INVITE", "Require: 100rel\r\n", OFFER);
	expect(f, &p, "SIP/2.0 420");
	assert_string_equal(header(&p, "Unsupported"), "100rel");
	(void)snprintf(f->call_id, sizeof(f->call_id), "second");
	(void)invite(f, "Supported: 100rel\r\n", OFFER);
	assert_int_equal(progress(f, GW_ALERT_NO, ANSWER), 0);
	expect(f, &p, "SIP/2.0 183");
	assert_string_equal(header(&p, "RSeq"), "");
	release(f, 486);
	wait_live(f, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(reliable_answer_is_acknowledged_and_counts),
		T(repeated_and_skipped_responses_are_not_acknowledged),
		T(prack_is_repeated_until_it_is_answered),
		T(prack_that_nobody_answers_is_the_peers_to_judge),
		T(forks_count_for_themselves),
		T(our_response_is_repeated_until_it_is_acknowledged),
		T(forwarding_and_queueing_are_told),
		T(peers_update_is_offered_up_once_its_dialog_is_settled),
		T(our_update_goes_out_in_a_settled_early_dialog),
		T(offer_in_a_response_is_answered_in_its_prack),
		T(offer_in_a_response_that_is_refused_ends_the_call),
		T(offer_may_still_come_in_the_200),
		T(demanded_extension_is_required),
		T(our_answer_is_sent_reliably_and_once),
		T(answer_waits_for_its_prack),
		T(response_nobody_acknowledges_fails_the_call),
		T(cancel_reaches_a_call_whose_answer_is_held),
		T(offers_come_in_update_and_prack),
		T(call_without_offer_gets_ours_in_a_reliable_183),
		T(prack_without_the_answer_ends_the_call),
		T(without_the_setting_nothing_is_reliable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
