/* Calls that the gateway makes towards the core. */
#include "tests/unit/test_sip_call.h"

static int setup(void **state)
{
	struct fix *f = fix_new(22101);

	f->set.sip.ring_timeout_s = 1;
	(void)snprintf(f->set.sip.username, 64, "gw");
	(void)snprintf(f->set.sip.password, 64, "secret");
	return fix_run(f, state);
}

static void call_is_made_answered_and_hung_up_by_the_peer(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	assert_non_null(strstr(inv.text, "INVITE sip:bob@far.test;user=phone"));
	assert_string_equal(body(&inv), OFFER);
	assert_string_equal(header(&inv, "P-Asserted-Identity"),
			    "\"Alice \\\"A\\\" \\\\\" <sip:alice@ims.test>");
	assert_non_null(strstr(header(&inv, "Contact"), "127.0.0.1:22100"));
	reply(f, &inv, 100, NULL, NULL, NULL);
	reply(f, &inv, 180, "b",
	      "P-Asserted-Identity: \"Bob\" <sip:bob@far.test>\r\n"
	      "P-Early-Media: sendonly\r\n",
	      ANSWER);
	t = expect_told(f, GW_V_PROGRESS);
	assert_int_equal(t->alert, GW_ALERT_RINGING);
	assert_int_equal(t->role, GW_DESC_EARLY_ANSWER);
	assert_true(t->early_media);
	assert_string_equal(t->asserted, "sip:bob@far.test");
	assert_string_equal(t->display, "Bob");
	reply(f, &inv, 200, "b", NULL, ANSWER);
	expect(f, &p, "ACK sip:peer@127.0.0.1:22101");
	t = expect_told(f, GW_V_ANSWER);
	assert_int_equal(t->role, GW_DESC_ANSWER);
	assert_string_equal(t->sdp, ANSWER);
	dialog_from_invite(f, &inv, "b");
	request(f, "BYE", "Reason: Q.850;cause=16;text=\"bye bye\"\r\n", NULL,
		NULL);
	expect(f, &p, "SIP/2.0 200");
	t = expect_told(f, GW_V_RELEASE);
	assert_int_equal(t->status, 200);
	assert_string_equal(t->text, "bye bye");
	wait_live(f, 0);
}

static void repeated_200_is_acknowledged_again(void **state)
{
	struct fix *f = *state;
	struct packet inv;

	dial(f, &inv, OFFER);
	pick_up(f, &inv, NULL);
	reply(f, &inv, 200, "b", NULL, ANSWER);
	expect_copies(f, "ACK ", 1);
	nothing_told(f);
	release(f, 200);
}

static void privacy_makes_from_anonymous(void **state)
{
	struct fix *f = *state;
	struct gw_msg m = { .verb = GW_V_SETUP, .privacy = true };
	struct packet inv;

	m.desc = desc_of(GW_DESC_OFFER, OFFER);
	m.asserted.uri = "sip:alice@ims.test";
	m.target.uri = "tel:+15550100";
	call_out(f, &m);
	expect(f, &inv, "INVITE tel:+15550100 ");
	assert_non_null(strstr(header(&inv, "From"), "anonymous.invalid"));
	assert_null(strstr(header(&inv, "From"), "alice"));
	assert_string_equal(header(&inv, "Privacy"), "id");
	assert_string_equal(header(&inv, "P-Asserted-Identity"),
			    "<sip:alice@ims.test>");
	reply(f, &inv, 404, "x", NULL, NULL);
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 404);
}

static void target_with_headers_is_refused(void **state)
{
	struct fix *f = *state;
	struct gw_msg m = { .verb = GW_V_SETUP };

	m.target.uri = "sip:bob@far.test?P-Asserted-Identity=%3csip:eve%3e";
	call_out(f, &m);
	nothing_told(f); /* never from inside send() */
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 484);
	expect_silence(f, 50);
	wait_live(f, 0);
}

static void secure_target_does_not_go_out_in_clear(void **state)
{
	struct fix *f = *state;
	struct gw_msg m = { .verb = GW_V_SETUP };
	const struct told *t;

	m.target.uri = "sips:bob@far.test";
	call_out(f, &m);
	t = expect_told(f, GW_V_RELEASE);
	assert_int_equal(t->status, 480);
	assert_string_equal(t->text, "SIPS Not Allowed");
	expect_silence(f, 50);
	wait_live(f, 0);
}

static void failure_is_told_and_acknowledged(void **state)
{
	static const struct {
		int status;
		const char *headers;
		unsigned told, retry;
		const char *text;
	} row[] = {
		{486,  NULL,			     486, 0, ""                     },
		{ 302, NULL,			     480, 0, "302 Moved Temporarily"},
		{ 503, "Retry-After: 7\r\n",             503, 7, ""                     },
		{ 603, "Warning: 399 x \"go away\"\r\n", 603, 0, "go away"              },
	};
	struct fix *f = *state;
	const struct told *t;
	struct packet inv, p;

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		dial(f, &inv, OFFER);
		reply(f, &inv, row[i].status, "x", row[i].headers, NULL);
		expect(f, &p, "ACK ");
		t = expect_told(f, GW_V_RELEASE);
		assert_int_equal(t->status, row[i].told);
		assert_int_equal(t->retry_after_s, row[i].retry);
		assert_string_equal(t->text, row[i].text);
	}
	wait_live(f, 0);
}

static void silence_of_the_peer_is_408(void **state)
{
	struct fix *f = *state;
	struct packet inv;

	dial(f, &inv, OFFER);
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 408);
	wait_live(f, 0);
}

static void release_while_ringing_cancels(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	ring(f, &inv);
	release(f, 200);
	expect(f, &p, "CANCEL sip:bob@far.test");
	assert_string_equal(header(&p, "Via"), header(&inv, "Via"));
	reply(f, &p, 200, "b", NULL, NULL);
	refuse(f, &inv, 487, "b", NULL);
	wait_live(f, 0);
}

static void cancel_waits_for_a_first_response(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	release(f, 200);
	expect_silence(f, 100);
	reply(f, &inv, 100, NULL, NULL, NULL);
	expect(f, &p, "CANCEL ");
	reply(f, &p, 200, "b", NULL, NULL);
	reply(f, &inv, 487, "b", NULL, NULL);
	wait_live(f, 0);
}

static void answer_crossing_cancel_is_acknowledged_and_hung_up(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	ring(f, &inv);
	release(f, 200);
	expect(f, &p, "CANCEL ");
	reply(f, &inv, 200, "b", NULL, ANSWER);
	reply(f, &p, 481, "b", NULL, NULL);
	expect(f, &p, "ACK ");
	expect(f, &p, "BYE sip:peer@");
	reply(f, &p, 200, NULL, NULL, NULL);
	nothing_told(f);
	wait_live(f, 0);
}

static void cancel_that_changes_nothing_ends_after_64_t1(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	ring(f, &inv);
	release(f, 200);
	expect(f, &p, "CANCEL ");
	reply(f, &p, 200, "b", NULL, NULL);
	wait_live(f, 0);
}

static void ring_timeout_cancels_with_408(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	ring(f, &inv);
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 408);
	expect(f, &p, "CANCEL ");
	assert_non_null(strstr(header(&p, "Reason"), "cause=408"));
	reply(f, &p, 200, "b", NULL, NULL);
	reply(f, &inv, 487, "b", NULL, NULL);
	wait_live(f, 0);
}

static void forks_have_branches_and_the_loser_is_hung_up(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet inv, p;
	uint32_t one, two;

	dial(f, &inv, OFFER);
	reply(f, &inv, 183, "one", NULL, ANSWER);
	one = expect_told(f, GW_V_PROGRESS)->branch;
	reply(f, &inv, 180, "two", NULL, NULL);
	two = expect_told(f, GW_V_PROGRESS)->branch;
	assert_int_not_equal(one, two);
	reply(f, &inv, 183, "one", NULL, ANSWER);
	assert_int_equal(expect_told(f, GW_V_PROGRESS)->branch, one);
	reply(f, &inv, 200, "two", NULL, ANSWER);
	expect(f, &p, "ACK ");
	assert_non_null(strstr(header(&p, "To"), "tag=two"));
	t = expect_told(f, GW_V_ANSWER);
	assert_int_equal(t->branch, two);
	reply(f, &inv, 200, "one", NULL, ANSWER);
	expect(f, &p, "ACK ");
	assert_non_null(strstr(header(&p, "To"), "tag=one"));
	expect_bye(f, &p);
	assert_non_null(strstr(header(&p, "To"), "tag=one"));
	reply(f, &inv, 200, "three", NULL, ANSWER);
	expect(f, &p, "ACK ");
	assert_non_null(strstr(header(&p, "To"), "tag=three"));
	expect_bye(f, &p);
	nothing_told(f);
	release(f, 200);
	expect_bye(f, &p);
	assert_non_null(strstr(header(&p, "To"), "tag=two"));
	wait_live(f, 0);
}

/* Beyond 16 they are progress of the call, and of no dialog. */
static void forks_are_bounded_and_the_last_one_may_win(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet inv, p;
	char tag[8];

	dial(f, &inv, OFFER);
	for (unsigned i = 1; i <= 20; i++) {
		(void)snprintf(tag, sizeof(tag), "f%u", i);
		reply(f, &inv, 183, tag, NULL, ANSWER);
		if (i <= 16) /* the others are ignored */
			assert_int_equal(expect_told(f, GW_V_PROGRESS)->branch,
					 i);
	}
	reply(f, &inv, 180, "f3", NULL, NULL);
	assert_int_equal(expect_told(f, GW_V_PROGRESS)->branch, 3);
	nothing_told(f);
	reply(f, &inv, 200, "f16", NULL, ANSWER);
	expect(f, &p, "ACK ");
	assert_non_null(strstr(header(&p, "To"), "tag=f16"));
	t = expect_told(f, GW_V_ANSWER);
	assert_int_equal(t->branch, 16);
	dialog_from_invite(f, &inv, "f16");
	expect_silence(f, 700);
	request(f, "OPTIONS", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	hang_up(f);
}

static void losing_forks_are_forgotten_after_64_t1(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	reply(f, &inv, 180, "one", NULL, NULL);
	(void)expect_told(f, GW_V_PROGRESS);
	reply(f, &inv, 200, "two", NULL, ANSWER);
	expect(f, &p, "ACK ");
	(void)expect_told(f, GW_V_ANSWER);
	dialog_from_invite(f, &inv, "two");
	expect_silence(f, 700);
	/* the winner's dialog is what it was */
	request(f, "OPTIONS", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	release(f, 200);
	expect_bye(f, &p);
	assert_non_null(strstr(header(&p, "To"), "tag=two"));
	wait_live(f, 0);
}

static void late_offer_is_answered_in_the_ack(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet inv, p;

	dial(f, &inv, NULL);
	assert_string_equal(body(&inv), "");
	ring(f, &inv);
	reply(f, &inv, 200, "b", NULL, OFFER);
	t = expect_told(f, GW_V_ANSWER);
	assert_int_equal(t->role, GW_DESC_OFFER);
	expect_silence(f, 80);
	accept_offer(f);
	expect(f, &p, "ACK ");
	assert_string_equal(body(&p), ANSWER);
	hang_up(f);
}

static void late_call_released_before_its_answer_is_acknowledged(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, NULL);
	reply(f, &inv, 200, "b", NULL, OFFER);
	(void)expect_told(f, GW_V_ANSWER);
	release(f, 488);
	expect(f, &p, "ACK ");
	expect_bye(f, &p);
	assert_non_null(strstr(header(&p, "Reason"), "cause=488"));
	wait_live(f, 0);
}

#define CHALLENGE(name, nonce, more)                                           \
	name ": Digest realm=\"lab\", nonce=\"" nonce "\", qop=\"auth\"" more  \
	     "\r\n"

static void challenge_is_answered_once(void **state)
{
	struct fix *f = *state;
	struct packet inv, again, p;

	dial(f, &inv, OFFER);
	refuse(f, &inv, 401, "x", CHALLENGE("WWW-Authenticate", "n1", ""));
	expect(f, &again, "INVITE ");
	assert_string_equal(header(&again, "Call-ID"), header(&inv, "Call-ID"));
	assert_string_equal(header(&again, "From"), header(&inv, "From"));
	assert_int_equal(atoi(header(&again, "CSeq")),
			 atoi(header(&inv, "CSeq")) + 1);
	assert_non_null(
		strstr(header(&again, "Authorization"), "username=\"gw\""));
	assert_non_null(strstr(header(&again, "Authorization"), "nc=00000001"));
	assert_string_equal(body(&again), OFFER);
	reply(f, &again, 200, "b", NULL, ANSWER);
	expect(f, &p, "ACK ");
	assert_string_equal(header(&p, "Authorization"),
			    header(&again, "Authorization"));
	(void)expect_told(f, GW_V_ANSWER);
	release(f, 200);
	expect_bye(f, &p);
	assert_non_null(strstr(header(&p, "Authorization"), "nc=00000002"));
	wait_live(f, 0);
}

static void stale_nonce_is_tried_again_and_refusal_is_403(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	refuse(f, &inv, 407, "x", CHALLENGE("Proxy-Authenticate", "n1", ""));
	expect(f, &inv, "INVITE ");
	assert_non_null(strstr(header(&inv, "Proxy-Authorization"), "n1"));
	reply(f, &inv, 407, "y",
	      CHALLENGE("Proxy-Authenticate", "n2", ", stale=TRUE"), NULL);
	expect(f, &p, "ACK ");
	expect(f, &inv, "INVITE ");
	assert_non_null(strstr(header(&inv, "Proxy-Authorization"), "n2"));
	refuse(f, &inv, 407, "z", CHALLENGE("Proxy-Authenticate", "n3", ""));
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 403);
	wait_live(f, 0);
}

static void challenge_without_header_is_403(void **state)
{
	struct fix *f = *state;
	struct packet inv;

	dial(f, &inv, OFFER);
	refuse(f, &inv, 401, "x", NULL);
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 403);
	wait_live(f, 0);
}

static void record_route_is_followed_backwards(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	reply(f, &inv, 200, "b",
	      "Record-Route: <sip:127.0.0.2:5;lr>, "
	      "<sip:127.0.0.1:22101;lr>\r\n",
	      ANSWER);
	expect(f, &p, "ACK sip:peer@127.0.0.1:22101");
	assert_string_equal(header(&p, "Route"), "<sip:127.0.0.1:22101;lr>");
	(void)expect_told(f, GW_V_ANSWER);
	release(f, 200);
	expect(f, &p, "BYE sip:peer@127.0.0.1:22101");
	assert_string_equal(header(&p, "Route"), "<sip:127.0.0.1:22101;lr>");
	reply(f, &p, 200, NULL, NULL, NULL);
	wait_live(f, 0);
}

static void offer_refused_leaves_the_session_up(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet p;

	connect_out(f);
	assert_int_equal(say(f, GW_V_OFFER, GW_DESC_OFFER, OFFER), 0);
	assert_int_equal(say(f, GW_V_OFFER, GW_DESC_OFFER, OFFER), -EPROTO);
	expect(f, &p, "INVITE sip:peer@");
	assert_string_equal(body(&p), OFFER);
	refuse(f, &p, 488, NULL, "Warning: 305 x \"no codec\"\r\n");
	t = expect_told(f, GW_V_REFUSE);
	assert_int_equal(t->status, 488);
	assert_string_equal(t->text, "no codec");
	reinvite(f, &p);
	reply(f, &p, 200, NULL, NULL, ANSWER);
	expect(f, &p, "ACK ");
	t = expect_told(f, GW_V_ACCEPT);
	assert_int_equal(t->role, GW_DESC_ANSWER);
	release(f, 200);
}

static void offer_answered_481_or_408_ends_the_session(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_out(f);
	reinvite(f, &p);
	refuse(f, &p, 481, NULL, NULL);
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 481);
	wait_live(f, 0);

	connect_out(f);
	reinvite(f, &p);
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 408);
	expect(f, &p, "BYE ");
	reply(f, &p, 481, NULL, NULL, NULL);
	wait_live(f, 0);
}

static void late_offer_inside_the_session_is_answered_in_the_ack(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_out(f);
	assert_int_equal(say(f, GW_V_OFFER, GW_DESC_NONE, NULL), 0);
	expect(f, &p, "INVITE ");
	assert_string_equal(body(&p), "");
	reply(f, &p, 200, NULL, NULL, OFFER);
	assert_int_equal(expect_told(f, GW_V_ACCEPT)->role, GW_DESC_OFFER);
	expect_silence(f, 50);
	/* glare while the answer is thought about */
	request_sdp(f, "INVITE", NULL, OFFER);
	expect(f, &p, "SIP/2.0 491");
	ack(f);
	accept_offer(f);
	expect(f, &p, "ACK ");
	assert_string_equal(body(&p), ANSWER);
	release(f, 200);
}

static void offer_refused_with_491_is_repeated_by_the_owner(void **state)
{
	struct fix *f = *state;
	struct packet p;
	uint64_t at;

	connect_out(f);
	reinvite(f, &p);
	refuse(f, &p, 491, NULL, NULL);
	at = gw_clock_monotonic_us(NULL);
	expect(f, &p, "INVITE ");
	/* RFC 3261 14.1: we own the Call-ID */
	assert_in_range((gw_clock_monotonic_us(NULL) - at) / 1000, 2050, 4200);
	assert_string_equal(body(&p), OFFER);
	accepted(f, &p);
	nothing_told(f);
	release(f, 200);
}

static void offer_never_answered_is_cancelled_and_refused(void **state)
{
	struct fix *f = *state;
	struct packet re, p;

	connect_out(f);
	reinvite(f, &re);
	reply(f, &re, 100, NULL, NULL, NULL);
	expect(f, &p, "CANCEL ");
	reply(f, &p, 200, NULL, NULL, NULL);
	refuse(f, &re, 487, NULL, NULL);
	assert_int_equal(expect_told(f, GW_V_REFUSE)->status, 504);
	/* The session goes on, and another offer may go out. */
	reinvite(f, &re);
	accepted(f, &re);
	release(f, 200);
}

static void offer_never_answered_even_when_cancelled_ends_it(void **state)
{
	struct fix *f = *state;
	struct packet re, p;

	connect_out(f);
	reinvite(f, &re);
	reply(f, &re, 100, NULL, NULL, NULL);
	expect(f, &p, "CANCEL ");
	reply(f, &p, 200, NULL, NULL, NULL);
	expect_bye(f, &p);
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 408);
}

static void peers_offer_gives_a_waiting_one_back(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_out(f);
	reinvite(f, &p);
	refuse(f, &p, 491, NULL, NULL);
	request_sdp(f, "INVITE", NULL, OFFER);
	assert_int_equal(expect_told(f, GW_V_REFUSE)->status, 491);
	assert_int_equal(expect_told(f, GW_V_OFFER)->role, GW_DESC_OFFER);
	assert_int_equal(say(f, GW_V_OFFER, GW_DESC_OFFER, OFFER), -EAGAIN);
	accept_offer(f);
	expect(f, &p, "SIP/2.0 100");
	expect(f, &p, "SIP/2.0 200");
	assert_string_equal(body(&p), ANSWER);
	ack(f);
	expect_silence(f, 50);
	release(f, 200);
}

static void offer_crossing_ours_gets_491(void **state)
{
	struct fix *f = *state;
	struct packet mine, p;

	connect_out(f);
	reinvite(f, &mine);
	request_sdp(f, "INVITE", NULL, OFFER);
	expect(f, &p, "SIP/2.0 491");
	ack(f);
	request_sdp(f, "UPDATE", NULL, OFFER);
	expect(f, &p, "SIP/2.0 491");
	nothing_told(f);
	accepted(f, &mine);
	release(f, 200);
}

static void offer_overtaken_by_a_bye_is_acknowledged(void **state)
{
	struct fix *f = *state;
	struct packet mine, p;

	connect_out(f);
	reinvite(f, &mine);
	request(f, "BYE", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	(void)expect_told(f, GW_V_RELEASE);
	wait_live(f, 0);
	reply(f, &mine, 487, NULL, NULL, NULL);
	expect(f, &p, "ACK ");
	assert_string_equal(header(&p, "CSeq") + strlen(header(&p, "CSeq")) - 4,
			    " ACK");
}

static void leg_freed_in_a_call_hangs_up(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_out(f);
	gw_leg_free(f->leg);
	f->leg = NULL;
	expect(f, &p, "BYE ");
	assert_int_equal(gw_sip_live_legs(f->sip), 1);
	reply(f, &p, 200, NULL, NULL, NULL);
	wait_live(f, 0);
}

static void bye_that_nobody_answers_ends_by_itself(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_out(f);
	release(f, 200);
	expect(f, &p, "BYE ");
	wait_live(f, 0);
}

static void bye_with_a_reason_tells_it(void **state)
{
	static const struct {
		const char *reason;
		unsigned status;
	} row[] = {
		{"Reason: SIP;cause=503;text=\"bearer lost\"\r\n",   503},
		{ "Reason: Q.850;cause=17;text=\"bearer lost\"\r\n", 486},
		{ "Reason: Q.850;cause=16;text=\"bearer lost\"\r\n", 200},
	};
	struct fix *f = *state;
	struct packet p;

	for (size_t i = 0; i < 3; i++) {
		const struct told *t;

		connect_out(f);
		request(f, "BYE", row[i].reason, NULL, NULL);
		expect(f, &p, "SIP/2.0 200");
		t = expect_told(f, GW_V_RELEASE);
		assert_int_equal(t->status, row[i].status);
		assert_string_equal(t->text, "bearer lost");
		assert_int_equal(t->sip, row[i].status != 200);
		gw_leg_free(f->leg);
		f->leg = NULL;
		wait_live(f, 0);
	}
}

static void private_callee_stays_in_the_trust_domain(void **state)
{
	static const char id[] = "P-Asserted-Identity: \"S\" <sip:s@x>\r\n"
				 "Privacy: id\r\n";
	struct fix *f = *state;
	struct packet inv, p;
	const struct told *t;

	dial(f, &inv, OFFER);
	reply(f, &inv, 180, "b", id, NULL);
	t = expect_told(f, GW_V_PROGRESS);
	assert_string_equal(t->asserted, "");
	assert_string_equal(t->display, "");
	reply(f, &inv, 200, "b", id, ANSWER);
	expect(f, &p, "ACK ");
	t = expect_told(f, GW_V_ANSWER);
	assert_string_equal(t->asserted, "");
	release(f, 200);
}

static void byes_that_cross_end_the_session(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_out(f);
	release(f, 200);
	expect(f, &p, "BYE ");
	request(f, "BYE", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	wait_live(f, 0);
}

static void unused_leg_leaves_nothing(void **state)
{
	struct fix *f = *state;

	assert_int_equal(gw_ims_leg_new(&f->leg, f->sip), 0);
	gw_leg_free(f->leg);
	f->leg = NULL;
	assert_int_equal(gw_sip_live_legs(f->sip), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(call_is_made_answered_and_hung_up_by_the_peer),
		T(repeated_200_is_acknowledged_again),
		T(privacy_makes_from_anonymous),
		T(target_with_headers_is_refused),
		T(secure_target_does_not_go_out_in_clear),
		T(failure_is_told_and_acknowledged),
		T(silence_of_the_peer_is_408),
		T(release_while_ringing_cancels),
		T(cancel_waits_for_a_first_response),
		T(answer_crossing_cancel_is_acknowledged_and_hung_up),
		T(cancel_that_changes_nothing_ends_after_64_t1),
		T(ring_timeout_cancels_with_408),
		T(forks_have_branches_and_the_loser_is_hung_up),
		T(forks_are_bounded_and_the_last_one_may_win),
		T(losing_forks_are_forgotten_after_64_t1),
		T(late_offer_is_answered_in_the_ack),
		T(late_call_released_before_its_answer_is_acknowledged),
		T(challenge_is_answered_once),
		T(stale_nonce_is_tried_again_and_refusal_is_403),
		T(challenge_without_header_is_403),
		T(record_route_is_followed_backwards),
		T(offer_refused_leaves_the_session_up),
		T(offer_answered_481_or_408_ends_the_session),
		T(late_offer_inside_the_session_is_answered_in_the_ack),
		T(offer_refused_with_491_is_repeated_by_the_owner),
		T(offer_never_answered_is_cancelled_and_refused),
		T(offer_never_answered_even_when_cancelled_ends_it),
		T(peers_offer_gives_a_waiting_one_back),
		T(offer_crossing_ours_gets_491),
		T(offer_overtaken_by_a_bye_is_acknowledged),
		T(leg_freed_in_a_call_hangs_up),
		T(bye_that_nobody_answers_ends_by_itself),
		T(bye_with_a_reason_tells_it),
		T(private_callee_stays_in_the_trust_domain),
		T(byes_that_cross_end_the_session),
		T(unused_leg_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
