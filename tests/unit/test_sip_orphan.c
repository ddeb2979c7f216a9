/*
 * What still comes of INVITEs of ours when the call has another end: 2xx of
 * losing forks, of dialogs that are over, and BYEs that overtake their 200.
 */
#include "tests/unit/test_sip_call.h"

static int setup(void **state)
{
	struct fix *f = fix_new(22251);

	f->set.sip.t1x64_ms = 1500;
	(void)snprintf(f->set.sip.reliable, 12, "supported");
	return fix_run(f, state);
}

/* Answered by the fork "b". */
static void established(struct fix *f, struct packet *inv)
{
	dial(f, inv, OFFER);
	pick_up(f, inv, NULL);
}

/* @p comes once more, byte for byte, whatever else does. */
static void expect_again(struct fix *f, const struct packet *p)
{
	uint64_t end = gw_clock_monotonic_us(NULL) + WAIT_MS * 1000;
	char text[sizeof(p->text)];
	ssize_t n;

	for (;;) {
		n = recv(f->fd, text, sizeof(text) - 1, 0);
		if (n > 0) {
			text[n] = '\0';
			if (!strcmp(text, p->text))
				return;
			continue;
		}
		if (gw_clock_monotonic_us(NULL) > end)
			fail_msg("was not repeated: %s", p->text);
		gw_loop_step(f->loop, 5);
	}
}

/* A 200 in the dialog "c", where the last request of ours was @cseq: ACK and
 * BYE, which go on until answered. */
static void hung_up_behind(struct fix *f, const struct packet *inv, int cseq)
{
	static const char rr[] =
		"Record-Route: <sip:p1@127.0.0.1:22251;lr>\r\n";
	struct packet ack, bye;

	reply(f, inv, 200, "c", rr, ANSWER);
	expect(f, &ack, "ACK sip:peer@127.0.0.1:22251 ");
	assert_int_equal(atoi(header(&ack, "CSeq")), atoi(header(inv, "CSeq")));
	assert_non_null(strstr(header(&ack, "To"), ";tag=c"));
	assert_string_equal(header(&ack, "Route"),
			    "<sip:p1@127.0.0.1:22251;lr>");
	expect(f, &bye, "BYE sip:peer@127.0.0.1:22251 ");
	assert_int_equal(atoi(header(&bye, "CSeq")), cseq + 1);
	assert_non_null(strstr(header(&bye, "To"), ";tag=c"));
	assert_string_equal(header(&bye, "Route"),
			    "<sip:p1@127.0.0.1:22251;lr>");
	/* both lost */
	reply(f, inv, 200, "c", rr, ANSWER);
	expect_again(f, &ack);
	expect_again(f, &bye);
	expect_again(f, &bye);
	reply(f, &bye, 200, NULL, NULL, NULL);
	expect_silence(f, 200);
}

static void fork_is_hung_up(struct fix *f, const struct packet *inv)
{
	hung_up_behind(f, inv, atoi(header(inv, "CSeq")));
}

static void bye_of_an_unknown_fork_is_repeated(void **state)
{
	struct fix *f = *state;
	struct packet inv;
	int64_t late = metric("isthmus_sip_late_answers_total");

	established(f, &inv);
	fork_is_hung_up(f, &inv);
	assert_int_equal(metric("isthmus_sip_late_answers_total"), late + 1);
	nothing_told(f);
	hang_up(f);
}

static void fork_that_answers_after_the_call_is_hung_up(void **state)
{
	struct fix *f = *state;
	struct packet inv;

	established(f, &inv);
	hang_up(f);
	fork_is_hung_up(f, &inv);
}

static void fork_that_answers_after_cancel_is_hung_up(void **state)
{
	struct fix *f = *state;
	struct packet inv, cancel, p;

	dial(f, &inv, OFFER);
	ring(f, &inv);
	release(f, 200);
	expect(f, &cancel, "CANCEL ");
	reply(f, &cancel, 200, NULL, NULL, NULL);
	reply(f, &inv, 487, "b", NULL, NULL);
	expect(f, &p, "ACK ");
	wait_live(f, 0);
	fork_is_hung_up(f, &inv);
}

/* An early dialog "c", in which our last request is the PRACK @p. */
static void ring_reliably(struct fix *f, const struct packet *inv,
			  struct packet *p)
{
	reply(f, inv, 180, "c", RELIABLE "7\r\n", NULL);
	(void)expect_told(f, GW_V_PROGRESS);
	expect_prack(f, p, 7, inv);
}

/* Its first 200, and what repeats it, were lost while the call lasted. */
static void early_fork_that_answers_after_the_call_is_hung_up(void **state)
{
	struct fix *f = *state;
	int64_t late = metric("isthmus_sip_late_answers_total");
	struct packet inv, p;

	dial(f, &inv, OFFER);
	ring_reliably(f, &inv, &p);
	pick_up(f, &inv, NULL);
	hang_up(f);
	hung_up_behind(f, &inv, atoi(header(&p, "CSeq")));
	assert_int_equal(metric("isthmus_sip_late_answers_total"), late + 1);
}

static void early_fork_that_answers_after_cancel_is_hung_up(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	ring(f, &inv);
	reply(f, &inv, 180, "c", NULL, NULL);
	(void)expect_told(f, GW_V_PROGRESS);
	release(f, 200);
	expect(f, &p, "CANCEL ");
	reply(f, &p, 200, NULL, NULL, NULL);
	reply(f, &inv, 487, "b", NULL, NULL);
	expect(f, &p, "ACK ");
	wait_live(f, 0);
	fork_is_hung_up(f, &inv);
}

/* 64*T1 behind the first 2xx no more are to be expected (RFC 3261 13.2.2.4);
 * who sends one all the same is in a call until it is hung up. */
static void early_fork_that_answers_after_its_time_is_hung_up(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	ring_reliably(f, &inv, &p);
	pick_up(f, &inv, NULL);
	expect_silence(f, f->set.sip.t1x64_ms + 200);
	hung_up_behind(f, &inv, atoi(header(&p, "CSeq")));
	nothing_told(f);
	hang_up(f);
}

/* The winner's 200 is no other fork's, however late it is repeated. */
static void winner_is_acknowledged_again_and_never_hung_up(void **state)
{
	struct fix *f = *state;
	int64_t late = metric("isthmus_sip_late_answers_total");
	struct packet inv, p, ack;

	for (int over = 0; over < 2; over++) {
		dial(f, &inv, OFFER);
		ring_reliably(f, &inv, &p);
		dialog_from_invite(f, &inv, "c");
		reply(f, &inv, 200, "c", NULL, ANSWER);
		expect(f, &ack, "ACK ");
		(void)expect_told(f, GW_V_ANSWER);
		if (over)
			hang_up(f);
		reply(f, &inv, 200, "c", NULL, ANSWER);
		expect_again(f, &ack);
		/* whoever answers repeats itself for 64*T1, and no longer */
		expect_silence(f, f->set.sip.t1x64_ms + 200);
		reply(f, &inv, 200, "c", NULL, ANSWER);
		expect_silence(f, 100);
		if (!over)
			hang_up(f);
	}
	assert_int_equal(metric("isthmus_sip_late_answers_total"), late);
}

static void change_accepted_after_the_end_is_acknowledged(void **state)
{
	struct fix *f = *state;
	struct packet inv, mine, p;

	established(f, &inv);
	reinvite(f, &mine);
	request(f, "BYE", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	(void)expect_told(f, GW_V_RELEASE);
	wait_live(f, 0);
	reply(f, &mine, 200, NULL, NULL, ANSWER);
	expect(f, &p, "ACK sip:peer@127.0.0.1:22251 ");
	assert_int_equal(atoi(header(&p, "CSeq")), atoi(header(&mine, "CSeq")));
	assert_string_equal(header(&p, "To"), header(&mine, "To"));
	assert_string_equal(header(&p, "From"), header(&mine, "From"));
	reply(f, &mine, 200, NULL, NULL, ANSWER);
	expect_again(f, &p);
	/* it has ended: no BYE */
	expect_silence(f, 200);

	/* the same, hung up by us */
	established(f, &inv);
	reinvite(f, &mine);
	hang_up(f);
	reply(f, &mine, 200, NULL, NULL, ANSWER);
	expect(f, &p, "ACK ");
	assert_int_equal(atoi(header(&p, "CSeq")), atoi(header(&mine, "CSeq")));
	expect_silence(f, 200);
}

/* The ACK of what is over goes the way of its INVITE. */
static void late_ack_keeps_the_route(void **state)
{
	static const char rr[] =
		"Record-Route: <sip:p1@127.0.0.1:22251;lr>\r\n";
	struct fix *f = *state;
	struct packet inv, mine, p;

	dial(f, &inv, OFFER);
	pick_up(f, &inv, rr);
	reinvite(f, &mine);
	assert_string_equal(header(&mine, "Route"),
			    "<sip:p1@127.0.0.1:22251;lr>");
	request(f, "BYE", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	(void)expect_told(f, GW_V_RELEASE);
	wait_live(f, 0);
	reply(f, &mine, 200, NULL, NULL, ANSWER);
	expect(f, &p, "ACK ");
	assert_string_equal(header(&p, "Route"), "<sip:p1@127.0.0.1:22251;lr>");
}

/* An offer in the 200 to our re-INVITE, which the call has not answered when the
 * peer hangs up: no answer, but an ACK. */
static void late_offer_overtaken_by_a_bye_is_acknowledged(void **state)
{
	struct fix *f = *state;
	struct packet inv, mine, p;

	established(f, &inv);
	assert_int_equal(say(f, GW_V_OFFER, GW_DESC_NONE, NULL), 0);
	expect(f, &mine, "INVITE ");
	reply(f, &mine, 200, NULL, NULL, OFFER);
	assert_int_equal(expect_told(f, GW_V_ACCEPT)->role, GW_DESC_OFFER);
	request(f, "BYE", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	expect(f, &p, "ACK ");
	assert_int_equal(atoi(header(&p, "CSeq")), atoi(header(&mine, "CSeq")));
	(void)expect_told(f, GW_V_RELEASE);
	wait_live(f, 0);
	reply(f, &mine, 200, NULL, NULL, OFFER);
	expect_again(f, &p);
	expect_silence(f, 200);
}

/* The peer's BYE for "b" came before anything else of it: the call is over,
 * and its 200 makes none. */
static void bye_ends_the_call(struct fix *f, const struct packet *inv,
			      const char *answer)
{
	struct packet p;

	dialog_from_invite(f, inv, "b");
	request(f, "BYE", NULL, NULL, NULL);
	expect(f, &p, answer);
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 480);
	reply(f, inv, 200, "b", NULL, ANSWER);
	do
		get_packet(f, &p);
	while (!strncmp(p.text, "CANCEL ", 7));
	assert_memory_equal(p.text, "ACK ", 4);
	expect(f, &p, "BYE ");
	reply(f, &p, 481, NULL, NULL, NULL);
	wait_live(f, 0);
	nothing_told(f);
}

static void bye_in_an_early_dialog_ends_the_call(void **state)
{
	struct fix *f = *state;
	struct packet inv;

	dial(f, &inv, OFFER);
	ring(f, &inv);
	bye_ends_the_call(f, &inv, "SIP/2.0 200");
}

static void bye_of_a_dialog_never_heard_of_ends_the_call(void **state)
{
	struct fix *f = *state;
	struct packet inv;

	dial(f, &inv, OFFER);
	bye_ends_the_call(f, &inv, "SIP/2.0 481");
}

/* One fork hangs up, the other goes on. */
static void bye_of_one_fork_ends_it_alone(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	ring(f, &inv);
	reply(f, &inv, 180, "c", NULL, NULL);
	(void)expect_told(f, GW_V_PROGRESS);
	dialog_from_invite(f, &inv, "b");
	request(f, "BYE", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	assert_int_equal(expect_told(f, GW_V_PROGRESS)->alert, GW_ALERT_ENDED);
	(void)snprintf(f->local_tag, sizeof(f->local_tag), "d");
	request(f, "BYE", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 481");
	nothing_told(f);
	reply(f, &inv, 200, "c", NULL, ANSWER);
	expect(f, &p, "ACK ");
	(void)expect_told(f, GW_V_ANSWER);
	/* and the 200s that were overtaken make nothing */
	reply(f, &inv, 200, "b", NULL, ANSWER);
	expect(f, &p, "ACK ");
	expect(f, &p, "BYE ");
	reply(f, &p, 481, NULL, NULL, NULL);
	reply(f, &inv, 200, "d", NULL, ANSWER);
	expect(f, &p, "ACK ");
	expect(f, &p, "BYE ");
	reply(f, &p, 481, NULL, NULL, NULL);
	nothing_told(f);
	hang_up(f);
}

/* A flood of BYEs under ever new tags costs no more than forks may. */
static void byes_of_many_tags_are_bounded(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	ring(f, &inv);
	dialog_from_invite(f, &inv, "b");
	for (unsigned i = 0; i < 40; i++) {
		(void)snprintf(f->local_tag, sizeof(f->local_tag), "x%u", i);
		request(f, "BYE", NULL, NULL, NULL);
		expect(f, &p, "SIP/2.0 481");
	}
	nothing_told(f);
	pick_up(f, &inv, NULL);
	hang_up(f);
}

/* The peer called, and acknowledges nothing: its 504 comes until its ACK does. */
static void failure_for_want_of_a_prack_is_repeated(void **state)
{
	struct fix *f = *state;
	struct packet p;

	for (int acked = 0; acked < 2; acked++) {
		(void)snprintf(f->call_id, sizeof(f->call_id), "unp%d", acked);
		(void)invite(f, "Supported: 100rel\r\n", OFFER);
		assert_int_equal(progress(f, GW_ALERT_NO, ANSWER), 0);
		expect(f, &p, "SIP/2.0 183");
		(void)expect_told(f, GW_V_RELEASE);
		expect(f, &p, "SIP/2.0 504");
		wait_live(f, 0);
		expect_again(f, &p);
		expect_again(f, &p);
		if (!acked)
			continue; /* and ends by itself */
		dialog_from_response(f, &p);
		f->target[0] = '\0';
		ack(f);
		expect_silence(f, 100);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bye_of_an_unknown_fork_is_repeated),
		T(fork_that_answers_after_the_call_is_hung_up),
		T(fork_that_answers_after_cancel_is_hung_up),
		T(early_fork_that_answers_after_the_call_is_hung_up),
		T(early_fork_that_answers_after_cancel_is_hung_up),
		T(early_fork_that_answers_after_its_time_is_hung_up),
		T(winner_is_acknowledged_again_and_never_hung_up),
		T(change_accepted_after_the_end_is_acknowledged),
		T(late_ack_keeps_the_route),
		T(late_offer_overtaken_by_a_bye_is_acknowledged),
		T(bye_in_an_early_dialog_ends_the_call),
		T(bye_of_a_dialog_never_heard_of_ends_the_call),
		T(bye_of_one_fork_ends_it_alone),
		T(byes_of_many_tags_are_bounded),
		T(failure_for_want_of_a_prack_is_repeated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
