/* What is said of preconditions in headers (RFC 3312 11). */
#include "tests/unit/test_sip_call.h"

#define ALLOW       "Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE\r\n"
#define CONDITIONAL "Require: 100rel, precondition\r\nRSeq: "

static int setup(void **state)
{
	struct fix *f = fix_new(22501);

	(void)snprintf(f->set.sip.reliable, 12, "supported");
	(void)snprintf(f->set.sip.precondition, 12, "supported");
	fix_credentials(f);
	return fix_run(f, state);
}

static int demand(void **state)
{
	struct fix *f = fix_new(22501);

	(void)snprintf(f->set.sip.reliable, 12, "supported");
	(void)snprintf(f->set.sip.precondition, 12, "required");
	return fix_run(f, state);
}

/* RFC 3312 4, 11: whoever offers demands, who lets the other one offer tells
 * that he may. */
static void a_call_without_an_offer_demands_nothing(void **state)
{
	struct fix *f = *state;
	struct packet inv;

	dial(f, &inv, NULL);
	assert_string_equal(header(&inv, "Require"), "100rel");
	assert_string_equal(header(&inv, "Supported"),
			    "precondition, replaces, 199");
	ring(f, &inv);
	give_up(f, &inv);
}

static int offers(struct fix *f, bool conditions)
{
	const struct gw_msg m = { .verb = GW_V_OFFER,
				  .branch = 1,
				  .conditions = conditions,
				  .desc = desc_of(GW_DESC_OFFER, OFFER) };

	return gw_leg_send(f->leg, &m);
}

static void our_update_requires_what_it_describes(void **state)
{
	struct fix *f = *state;
	struct packet inv, prack, p;

	dial(f, &inv, OFFER);
	assert_string_equal(header(&inv, "Require"), "");
	assert_string_equal(header(&inv, "Supported"),
			    "100rel, precondition, replaces, 199");
	reply(f, &inv, 183, "b", ALLOW CONDITIONAL "1\r\n", ANSWER);
	expect(f, &prack, "PRACK ");
	(void)expect_told(f, GW_V_PROGRESS);
	/* also where it had to wait */
	assert_int_equal(offers(f, true), 0);
	reply(f, &prack, 200, NULL, NULL, NULL);
	expect(f, &p, "UPDATE ");
	assert_string_equal(header(&p, "Require"), "precondition");
	/* and again, with credentials */
	reply(f, &p, 407, NULL,
	      "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n", NULL);
	expect(f, &p, "UPDATE ");
	assert_non_null(
		strstr(header(&p, "Proxy-Authorization"), "nonce=\"n\""));
	assert_string_equal(header(&p, "Require"), "precondition");
	reply(f, &p, 200, NULL, NULL, ANSWER);
	(void)expect_told(f, GW_V_ACCEPT);
	assert_int_equal(offers(f, false), 0);
	expect(f, &p, "UPDATE ");
	assert_string_equal(header(&p, "Require"), "");
	reply(f, &p, 200, NULL, NULL, ANSWER);
	(void)expect_told(f, GW_V_ACCEPT);
	give_up(f, &inv);
}

/* Each in the one header or in a line of its own. */
static bool requires(const struct packet *p, const char *tag)
{
	const char *line = p->text;

	while ((line = strstr(line, "\r\nRequire:"))) {
		const char *end = strstr(line + 2, "\r\n");
		const char *at = strstr(line, tag);

		if (at && at < end)
			return true;
		line = end;
	}
	return false;
}

static void our_answer_requires_what_it_describes(void **state)
{
	struct gw_msg m = { .verb = GW_V_PROGRESS, .conditions = true };
	struct fix *f = *state;
	struct packet p;

	for (unsigned i = 0; i < 2; i++) {
		(void)snprintf(f->call_id, sizeof(f->call_id), "answer%u", i);
		(void)invite(f, "Supported: 100rel, precondition\r\n", OFFER);
		m.desc = desc_of(GW_DESC_EARLY_ANSWER, ANSWER);
		m.conditions = i == 0;
		assert_int_equal(gw_leg_send(f->leg, &m), 0);
		expect(f, &p, "SIP/2.0 183");
		assert_true(requires(&p, "100rel"));
		assert_int_equal(requires(&p, "precondition"), i == 0);
		release(f, 480);
		expect(f, &p, "SIP/2.0 480");
		ack(f);
		wait_live(f, 0);
	}
}

/* The PRACK that says that the caller's resources are there comes again, for
 * its 200 was lost. */
static void an_offer_in_a_prack_whose_200_is_lost_counts_once(void **state)
{
	struct gw_msg m = { .verb = GW_V_PROGRESS,
			    .conditions = true,
			    .desc = desc_of(GW_DESC_EARLY_ANSWER, ANSWER) };
	struct fix *f = *state;
	char text[1024], first[sizeof(((struct packet *)0)->text)];
	struct packet p;

	(void)invite(f, "Supported: 100rel, precondition\r\n", OFFER);
	assert_int_equal(gw_leg_send(f->leg, &m), 0);
	expect(f, &p, "SIP/2.0 183");
	dialog_from_response(f, &p);
	(void)snprintf(text, sizeof(text),
		       "PRACK %s SIP/2.0\r\n"
		       "Via: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKlost;rport"
		       "\r\nFrom: <sip:peer@ims.test>;tag=%s\r\n"
		       "To: <sip:alice@ims.test>;tag=%s\r\nCall-ID: %s\r\n"
		       "CSeq: %u PRACK\r\nRAck: %s %s\r\nMax-Forwards: 70\r\n"
		       "Require: precondition\r\n" SDP_TYPE
		       "Content-Length: %zu\r\n\r\n" OFFER,
		       f->target, f->port, f->local_tag, f->remote_tag,
		       f->call_id, ++f->cseq, header(&p, "RSeq"),
		       header(&p, "CSeq"), strlen(OFFER));
	send_text(f, text);
	assert_int_equal(expect_told(f, GW_V_OFFER)->role, GW_DESC_OFFER);
	/* again before it is answered, and after that */
	send_text(f, text);
	expect_silence(f, 50);
	accept_offer(f);
	expect(f, &p, "SIP/2.0 200");
	assert_string_equal(body(&p), ANSWER);
	(void)snprintf(first, sizeof(first), "%s", p.text);
	send_text(f, text);
	expect_copies(f, first, 1);
	nothing_told(f);
	/* the call goes on */
	assert_int_equal(say(f, GW_V_ANSWER, GW_DESC_ANSWER, ANSWER), 0);
	expect(f, &p, "SIP/2.0 200");
	assert_string_equal(body(&p), "");
	f->cseq--;
	ack(f);
	f->cseq++;
	hang_up(f);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(our_update_requires_what_it_describes),
		cmocka_unit_test_setup_teardown(
			a_call_without_an_offer_demands_nothing, demand,
			fix_end),
		T(our_answer_requires_what_it_describes),
		T(an_offer_in_a_prack_whose_200_is_lost_counts_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
