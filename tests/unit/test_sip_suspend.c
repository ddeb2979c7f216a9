/* A re-INVITE that waits for resources of the peer (RFC 3312 6): answered in a
 * reliable 183, accepted once an offer within it was. */
#include "tests/unit/test_sip_call.h"

#define KNOWS "Supported: 100rel, precondition\r\n"
#define FINAL "v=0\r\no=- 2 2 IN IP4 192.0.2.2\r\ns=final\r\n"

#define COUNTED(result)                                                        \
	metric("isthmus_sip_suspended_total{result=\"" result "\"}")

static int start(void **state, const char *reliable, uint32_t patience_s)
{
	struct fix *f = fix_new(22571);

	(void)snprintf(f->set.sip.reliable, 12, "%s", reliable);
	(void)snprintf(f->set.sip.precondition, 12, "supported");
	f->set.sip.precondition_timeout_s = patience_s;
	f->set.sip.t1x64_ms = 2000;
	return fix_run(f, state);
}

static int setup(void **state)
{
	return start(state, "supported", 30);
}

static int hasty(void **state)
{
	return start(state, "supported", 1);
}

static int without(void **state)
{
	return start(state, "off", 30);
}

/* What the peer's ACK and CANCEL go back to. */
struct re {
	struct packet p; /* the 183 */
	unsigned cseq;
};

static int waits(struct fix *f)
{
	const struct gw_msg m = { .verb = GW_V_ACCEPT,
				  .waits = true,
				  .conditions = true,
				  .desc = desc_of(GW_DESC_ANSWER, ANSWER) };

	return gw_leg_send(f->leg, &m);
}

static const struct told *re_invited(struct fix *f, const char *headers)
{
	struct packet p;

	request_sdp(f, "INVITE", headers, OFFER);
	expect(f, &p, "SIP/2.0 100");
	return expect_told(f, GW_V_OFFER);
}

static void gets_183(struct fix *f, struct re *re)
{
	const struct told *t = re_invited(f, KNOWS);

	assert_true(t->reliable);
	assert_false(t->waits);
	re->cseq = f->cseq;
	assert_int_equal(waits(f), 0);
	expect(f, &re->p, "SIP/2.0 183");
	assert_string_equal(body(&re->p), ANSWER);
	assert_non_null(strstr(re->p.text, "\r\nRequire: 100rel"));
	assert_non_null(strstr(re->p.text, "precondition\r\n"));
}

static void suspended(struct fix *f, struct re *re)
{
	struct packet p;

	gets_183(f, re);
	prack(f, &re->p, NULL);
	expect(f, &p, "SIP/2.0 200");
	assert_non_null(strstr(header(&p, "CSeq"), "PRACK"));
	nothing_told(f);
}

static void acknowledges(struct fix *f, const struct re *re)
{
	unsigned now = f->cseq;

	f->cseq = re->cseq;
	ack(f);
	f->cseq = now;
}

static const struct told *updated(struct fix *f)
{
	request_sdp(f, "UPDATE", NULL, OFFER);
	return expect_told(f, GW_V_OFFER);
}

static void is_200(struct fix *f, struct packet *p, const char *of,
		   const char *sdp)
{
	expect(f, p, "SIP/2.0 200");
	assert_non_null(strstr(header(p, "CSeq"), of));
	assert_string_equal(body(p), sdp);
}

static void an_update_resumes_it(void **state)
{
	struct fix *f = *state;
	int64_t resumed = COUNTED("resumed");
	const struct told *t;
	struct packet p;
	struct re re;

	connect_in(f);
	suspended(f, &re);
	/* one that brings nothing */
	t = updated(f);
	assert_true(t->reliable && t->waits);
	assert_int_equal(waits(f), 0);
	is_200(f, &p, "UPDATE", ANSWER);
	expect_silence(f, 100);
	/* and one that does */
	assert_true(updated(f)->waits);
	assert_int_equal(say(f, GW_V_ACCEPT, GW_DESC_ANSWER, FINAL), 0);
	is_200(f, &p, "UPDATE", FINAL);
	is_200(f, &p, "INVITE", "");
	assert_int_equal(resumed + 1, COUNTED("resumed"));
	acknowledges(f, &re);
	/* later ones are like others */
	t = updated(f);
	assert_false(t->reliable || t->waits);
	accept_offer(f);
	is_200(f, &p, "UPDATE", ANSWER);
	hang_up(f);
}

static void an_offer_in_the_prack_resumes_it(void **state)
{
	struct fix *f = *state;
	struct packet p;
	struct re re;

	connect_in(f);
	gets_183(f, &re);
	prack(f, &re.p, OFFER);
	assert_true(expect_told(f, GW_V_OFFER)->waits);
	assert_int_equal(say(f, GW_V_ACCEPT, GW_DESC_ANSWER, FINAL), 0);
	is_200(f, &p, "PRACK", FINAL);
	is_200(f, &p, "INVITE", "");
	acknowledges(f, &re);
	hang_up(f);
}

static void resources_that_never_come_are_580(void **state)
{
	struct fix *f = *state;
	int64_t failed = COUNTED("failed");
	struct packet p;
	struct re re;

	connect_in(f);
	suspended(f, &re);
	expect(f, &p, "SIP/2.0 580");
	assert_non_null(strstr(header(&p, "CSeq"), "INVITE"));
	acknowledges(f, &re);
	assert_int_equal(failed + 1, COUNTED("failed"));
	nothing_told(f);
	/* the session stands, and may be changed */
	(void)re_invited(f, NULL);
	accept_offer(f);
	expect(f, &p, "SIP/2.0 200");
	ack(f);
	hang_up(f);
}

/* The call was asking the other party when the time was up. */
static void what_came_in_time_is_waited_for(void **state)
{
	struct fix *f = *state;
	struct packet p;
	struct re re;

	connect_in(f);
	suspended(f, &re);
	(void)updated(f);
	expect_silence(f, 1300);
	accept_offer(f);
	is_200(f, &p, "UPDATE", ANSWER);
	is_200(f, &p, "INVITE", "");
	acknowledges(f, &re);
	hang_up(f);
}

static void what_came_in_time_and_brings_nothing_is_580(void **state)
{
	struct fix *f = *state;
	struct packet p;
	struct re re;

	connect_in(f);
	suspended(f, &re);
	(void)updated(f);
	expect_silence(f, 1300);
	assert_int_equal(waits(f), 0);
	is_200(f, &p, "UPDATE", ANSWER);
	expect(f, &p, "SIP/2.0 580");
	acknowledges(f, &re);
	hang_up(f);
}

static void one_that_is_refused_ends_it(void **state)
{
	struct fix *f = *state;
	struct packet p;
	struct re re;

	connect_in(f);
	suspended(f, &re);
	(void)updated(f);
	decline(f);
	expect(f, &p, "SIP/2.0 488");
	assert_non_null(strstr(header(&p, "CSeq"), "UPDATE"));
	expect(f, &p, "SIP/2.0 488");
	assert_non_null(strstr(header(&p, "CSeq"), "INVITE"));
	acknowledges(f, &re);
	hang_up(f);
}

static void glare_does_not(void **state)
{
	const struct gw_msg later = { .verb = GW_V_REFUSE,
				      .cause = { .status = 491 } };
	struct fix *f = *state;
	struct packet p;
	struct re re;

	connect_in(f);
	suspended(f, &re);
	(void)updated(f);
	assert_int_equal(gw_leg_send(f->leg, &later), 0);
	expect(f, &p, "SIP/2.0 491");
	expect_silence(f, 100);
	(void)updated(f);
	accept_offer(f);
	is_200(f, &p, "UPDATE", ANSWER);
	is_200(f, &p, "INVITE", "");
	acknowledges(f, &re);
	hang_up(f);
}

/* CANCEL of the re-INVITE, behind which other requests were sent. */
static void cancels(struct fix *f, const struct re *re)
{
	char text[2048];

	(void)snprintf(text, sizeof(text),
		       "CANCEL %s SIP/2.0\r\nVia: %s\r\nFrom: %s\r\n"
		       "To: %s\r\nCall-ID: %s\r\nCSeq: %u CANCEL\r\n"
		       "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		       f->target, header(&re->p, "Via"), header(&re->p, "From"),
		       header(&re->p, "To"), f->call_id, re->cseq);
	send_text(f, text);
}

static void a_cancelled_one_leaves_the_session_up(void **state)
{
	struct fix *f = *state;
	int64_t cancelled = COUNTED("cancelled");
	struct packet p;
	struct re re;

	connect_in(f);
	suspended(f, &re);
	/* ours has to wait for its end */
	assert_int_equal(say(f, GW_V_OFFER, GW_DESC_OFFER, OFFER), 0);
	expect_silence(f, 50);
	cancels(f, &re);
	expect(f, &p, "SIP/2.0 ");
	expect(f, &p, "SIP/2.0 ");
	acknowledges(f, &re);
	assert_int_equal(cancelled + 1, COUNTED("cancelled"));
	expect(f, &p, "INVITE ");
	accepted(f, &p);
	nothing_told(f);
	hang_up(f);
}

static void an_update_that_it_leaves_behind_is_answered(void **state)
{
	struct fix *f = *state;
	struct packet p;
	struct re re;

	connect_in(f);
	suspended(f, &re);
	(void)updated(f);
	cancels(f, &re);
	expect(f, &p, "SIP/2.0 ");
	expect(f, &p, "SIP/2.0 ");
	acknowledges(f, &re);
	assert_int_equal(waits(f), -EPROTO);
	expect(f, &p, "SIP/2.0 500");
	assert_non_null(strstr(header(&p, "CSeq"), "UPDATE"));
	(void)updated(f);
	accept_offer(f);
	is_200(f, &p, "UPDATE", ANSWER);
	hang_up(f);
}

static void nobody_acknowledges_the_183(void **state)
{
	struct fix *f = *state;
	struct packet p;
	struct re re;

	connect_in(f);
	gets_183(f, &re);
	/* an offer that overtakes its PRACK comes too early */
	request_sdp(f, "UPDATE", NULL, OFFER);
	expect(f, &p, "SIP/2.0 500");
	expect(f, &p, "SIP/2.0 504");
	assert_non_null(strstr(header(&p, "CSeq"), "INVITE"));
	acknowledges(f, &re);
	nothing_told(f);
	(void)updated(f);
	accept_offer(f);
	is_200(f, &p, "UPDATE", ANSWER);
	hang_up(f);
}

static void a_second_one_comes_later(void **state)
{
	struct fix *f = *state;
	struct packet p;
	struct re re;

	connect_in(f);
	suspended(f, &re);
	request_sdp(f, "INVITE", KNOWS, OFFER);
	expect(f, &p, "SIP/2.0 500");
	assert_true(*header(&p, "Retry-After") != '\0');
	ack(f);
	nothing_told(f);
	(void)updated(f);
	accept_offer(f);
	is_200(f, &p, "UPDATE", ANSWER);
	is_200(f, &p, "INVITE", "");
	acknowledges(f, &re);
	hang_up(f);
}

static void the_end_of_the_call_ends_it(void **state)
{
	struct fix *f = *state;
	struct packet p;
	struct re re;

	connect_in(f);
	suspended(f, &re);
	release(f, 200);
	expect(f, &p, "SIP/2.0 487");
	acknowledges(f, &re);
	expect_bye(f, &p);
	wait_live(f, 0);

	(void)snprintf(f->call_id, sizeof(f->call_id), "second@peer");
	connect_in(f);
	suspended(f, &re);
	request(f, "BYE", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	expect(f, &p, "SIP/2.0 487");
	acknowledges(f, &re);
	(void)expect_told(f, GW_V_RELEASE);
	gw_leg_free(f->leg);
	f->leg = NULL;
	wait_live(f, 0);
}

static void who_does_not_know_of_it_is_not_suspended(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_in(f);
	assert_false(re_invited(f, NULL)->reliable);
	assert_int_equal(say(f, GW_V_ACCEPT, GW_DESC_ANSWER, ANSWER), 0);
	expect(f, &p, "SIP/2.0 200");
	ack(f);
	hang_up(f);
}

static void nobody_is_where_we_do_not_know_of_it(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_in(f);
	assert_false(re_invited(f, KNOWS)->reliable);
	accept_offer(f);
	expect(f, &p, "SIP/2.0 200");
	ack(f);
	hang_up(f);
}

#define T(name, setup) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_update_resumes_it, setup),
		T(an_offer_in_the_prack_resumes_it, setup),
		T(resources_that_never_come_are_580, hasty),
		T(what_came_in_time_is_waited_for, hasty),
		T(what_came_in_time_and_brings_nothing_is_580, hasty),
		T(one_that_is_refused_ends_it, setup),
		T(glare_does_not, setup),
		T(a_cancelled_one_leaves_the_session_up, setup),
		T(an_update_that_it_leaves_behind_is_answered, setup),
		T(nobody_acknowledges_the_183, setup),
		T(a_second_one_comes_later, setup),
		T(the_end_of_the_call_ends_it, setup),
		T(who_does_not_know_of_it_is_not_suspended, setup),
		T(nobody_is_where_we_do_not_know_of_it, without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
