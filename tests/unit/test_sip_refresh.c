/* Session timers (RFC 4028) when other things happen as well: changes that are
 * refused, challenges, and what our side says that it supports. */
#include "tests/unit/test_sip_call.h"

#define ALLOW "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n"
#define BY_US "Session-Expires: 2;refresher=uac\r\n"

static int setup(void **state)
{
	struct fix *f = fix_new(22481);

	/* The least that whole seconds allow. */
	f->set.sip.session_expires_s = 2;
	f->set.sip.min_se_s = 1;
	fix_credentials(f);
	return fix_run(f, state);
}

/* A call of ours that is up, and that we refresh. */
static void up_and_ours(struct fix *f)
{
	struct packet inv;

	dial(f, &inv, OFFER);
	pick_up(f, &inv, ALLOW "Require: timer\r\n" BY_US);
}

/* RFC 3311 5.2, RFC 3261 14.2: the session is as if it had not been asked. */
static void refused_change_leaves_the_refresher(void **state)
{
	struct fix *f = *state;
	struct packet p;

	up_and_ours(f);
	request_sdp(f, "INVITE",
		    "Supported: timer\r\n"
		    "Session-Expires: 9;refresher=uac\r\n",
		    OFFER);
	expect(f, &p, "SIP/2.0 100");
	(void)expect_told(f, GW_V_OFFER);
	decline(f);
	expect(f, &p, "SIP/2.0 488");
	ack(f);
	expect(f, &p, "UPDATE ");
	assert_string_equal(header(&p, "Session-Expires"), "2;refresher=uac");
	reply(f, &p, 200, NULL, BY_US, NULL);
	nothing_told(f);
	hang_up(f);
}

/* An offer of the peer that moves to another user part of its address. */
static void move(struct fix *f, const char *method)
{
	static unsigned n;
	char text[2048];

	(void)snprintf(text, sizeof(text),
		       "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u"
		       ";branch=z9hG4bKmove%u\r\n"
		       "From: <sip:bob@far.test>;tag=%s\r\n"
		       "To: <sip:alice@ims.test>;tag=%s\r\nCall-ID: %s\r\n"
		       "CSeq: %u %s\r\n"
		       "Contact: <sip:moved@127.0.0.1:%u>\r\n" SDP_TYPE
		       "Content-Length: %zu\r\n\r\n%s",
		       method, f->target, f->port, ++n, f->local_tag,
		       f->remote_tag, f->call_id, ++f->cseq, method, f->port,
		       strlen(OFFER), OFFER);
	send_text(f, text);
}

/* The peer moves by what it was granted, not by what it asked for. */
static void refused_change_leaves_the_target(void **state)
{
	static const char *const methods[] = { "INVITE", "UPDATE" };
	struct fix *f = *state;
	struct packet p;

	f->set.sip.session_expires_s = 90;
	for (unsigned i = 0; i < 4; i++) {
		bool invite = i % 2 == 0, taken = i > 1;
		const char *to = taken ? "BYE sip:moved@" : "BYE sip:peer@";

		up_and_ours(f);
		move(f, methods[i % 2]);
		if (invite)
			expect(f, &p, "SIP/2.0 100");
		(void)expect_told(f, GW_V_OFFER);
		if (taken)
			accept_offer(f);
		else
			decline(f);
		expect(f, &p, taken ? "SIP/2.0 200" : "SIP/2.0 488");
		if (invite)
			ack(f);
		release(f, 200);
		expect(f, &p, to);
		reply(f, &p, 200, NULL, NULL, NULL);
		wait_live(f, 0);
	}
}

/* RFC 4028 7.1: without the option tag the peer would have to take us for one
 * that knows no timer, and refresh itself (table 2). */
static void our_refresh_says_that_we_know_timers(void **state)
{
	struct fix *f = *state;
	struct packet p;

	up_and_ours(f);
	expect(f, &p, "UPDATE ");
	assert_string_equal(header(&p, "Supported"), "timer, replaces");
	reply(f, &p, 200, NULL, BY_US, NULL);
	reinvite(f, &p);
	assert_string_equal(header(&p, "Supported"), "timer, replaces");
	reply(f, &p, 200, NULL, BY_US, ANSWER);
	expect(f, &p, "ACK ");
	(void)expect_told(f, GW_V_ACCEPT);
	hang_up(f);
}

/* RFC 3261 13.3.1.4, RFC 3891 5: or nobody learns what may be asked of us. */
static void our_answer_says_what_we_support(void **state)
{
	struct fix *f = *state;
	struct packet p;

	(void)invite(f, NULL, OFFER);
	answer(f, &p, GW_DESC_ANSWER, ANSWER);
	assert_string_equal(header(&p, "Supported"), "timer, replaces");
	ack(f);
	hang_up(f);
}

/* A core whose nonces live shorter than a call: each refresh is challenged. */
static void each_refresh_may_be_challenged(void **state)
{
	struct fix *f = *state;
	struct packet p;
	char line[160];

	up_and_ours(f);
	for (unsigned i = 0; i < 4; i++) {
		expect(f, &p, "UPDATE ");
		(void)snprintf(line, sizeof(line),
			       "Proxy-Authenticate: Digest realm=\"r\", "
			       "nonce=\"n%u\", stale=TRUE\r\n",
			       i);
		reply(f, &p, 407, NULL, line, NULL);
		expect(f, &p, "UPDATE ");
		(void)snprintf(line, sizeof(line), "nonce=\"n%u\"", i);
		assert_non_null(
			strstr(header(&p, "Proxy-Authorization"), line));
		reply(f, &p, 200, NULL, BY_US, NULL);
	}
	nothing_told(f);
	hang_up(f);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(refused_change_leaves_the_refresher),
		T(refused_change_leaves_the_target),
		T(our_refresh_says_that_we_know_timers),
		T(our_answer_says_what_we_support),
		T(each_refresh_may_be_challenged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
