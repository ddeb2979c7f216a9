/* Requests within a dialog, early or not, that the core wants credentials for:
 * each goes out again with them, and no more than once for one nonce. */
#include "tests/unit/test_sip_call.h"

#define ALLOW  "Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE\r\n"
#define WWW(n) "WWW-Authenticate: Digest realm=\"r\",nonce=\"" n "\"\r\n"
#define STALE(n)                                                               \
	"WWW-Authenticate: Digest realm=\"r\",stale=true,nonce=\"" n "\"\r\n"
#define PROXY(n) "Proxy-Authenticate: Digest realm=\"r\",nonce=\"" n "\"\r\n"

static int setup(void **state)
{
	struct fix *f = fix_new(22171);

	(void)snprintf(f->set.sip.reliable, 12, "supported");
	fix_credentials(f);
	return fix_run(f, state);
}

static int in_branch(struct fix *f, enum gw_verb verb, const char *sdp)
{
	struct gw_msg m = { .verb = verb, .branch = 1 };

	m.desc = desc_of(verb == GW_V_OFFER ? GW_DESC_OFFER : GW_DESC_ANSWER,
			 sdp);
	return gw_leg_send(f->leg, &m);
}

static void has_credentials(const struct packet *p, const char *name,
			    const char *nonce)
{
	char want[64];

	(void)snprintf(want, sizeof(want), "nonce=\"%s\"", nonce);
	assert_non_null(strstr(header(p, name), "username=\"gw\""));
	assert_non_null(strstr(header(p, name), want));
}

static void early(struct fix *f, struct packet *inv)
{
	struct packet p;

	dial(f, inv, OFFER);
	reply(f, inv, 183, "b", RELIABLE "1\r\n" ALLOW, ANSWER);
	(void)expect_told(f, GW_V_PROGRESS);
	expect_prack(f, &p, 1, inv);
	/* its answer is taken: no offer waits for it any more */
	for (int i = 0; i < 20; i++)
		gw_loop_step(f->loop, 1);
}

static void up(struct fix *f)
{
	struct packet inv;

	dial(f, &inv, OFFER);
	pick_up(f, &inv, ALLOW);
}

static void a_prack_goes_out_again_with_what_it_says(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;
	char rack[64];

	dial(f, &inv, NULL);
	reply(f, &inv, 183, "b", RELIABLE "7\r\n" ALLOW, OFFER);
	(void)expect_told(f, GW_V_PROGRESS);
	assert_int_equal(in_branch(f, GW_V_ACCEPT, ANSWER), 0);
	expect(f, &p, "PRACK ");
	(void)snprintf(rack, sizeof(rack), "7 %s", header(&inv, "CSeq"));
	assert_string_equal(header(&p, "RAck"), rack);
	reply(f, &p, 407, NULL, PROXY("p1"), NULL);
	expect(f, &p, "PRACK ");
	has_credentials(&p, "Proxy-Authorization", "p1");
	assert_string_equal(header(&p, "RAck"), rack);
	assert_string_equal(body(&p), ANSWER);
	reply(f, &p, 200, NULL, NULL, NULL);
	nothing_told(f);
}

static void an_offer_waits_for_a_prack_that_is_challenged(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	reply(f, &inv, 183, "b", RELIABLE "1\r\n" ALLOW, ANSWER);
	(void)expect_told(f, GW_V_PROGRESS);
	expect(f, &p, "PRACK ");
	assert_int_equal(in_branch(f, GW_V_OFFER, OTHER), 0);
	reply(f, &p, 401, NULL, WWW("n1"), NULL);
	expect(f, &p, "PRACK ");
	expect_silence(f, 30);
	reply(f, &p, 200, NULL, NULL, NULL);
	expect(f, &p, "UPDATE ");
	has_credentials(&p, "Authorization", "n1");
	reply(f, &p, 200, NULL, NULL, ANSWER);
	assert_int_equal(expect_told(f, GW_V_ACCEPT)->branch, 1);
}

static void an_early_update_goes_out_again(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;
	const struct told *t;

	early(f, &inv);
	assert_int_equal(in_branch(f, GW_V_OFFER, OTHER), 0);
	expect(f, &p, "UPDATE ");
	reply(f, &p, 401, NULL, WWW("n1"), NULL);
	expect(f, &p, "UPDATE ");
	has_credentials(&p, "Authorization", "n1");
	assert_string_equal(body(&p), OTHER);
	/* still ours that waits: another of ours, or of the peer, is glare */
	assert_int_equal(in_branch(f, GW_V_OFFER, OTHER), -EAGAIN);
	reply(f, &p, 401, NULL, STALE("n2"), NULL);
	expect(f, &p, "UPDATE ");
	has_credentials(&p, "Authorization", "n2");
	reply(f, &p, 200, NULL, NULL, ANSWER);
	t = expect_told(f, GW_V_ACCEPT);
	assert_int_equal(t->branch, 1);
	assert_string_equal(t->sdp, ANSWER);
	/* the next one may be challenged, too */
	assert_int_equal(in_branch(f, GW_V_OFFER, OTHER), 0);
	expect(f, &p, "UPDATE ");
	reply(f, &p, 401, NULL, WWW("n3"), NULL);
	expect(f, &p, "UPDATE ");
	/* credentials that are not taken are not sent for ever */
	reply(f, &p, 401, NULL, WWW("n4"), NULL);
	assert_int_equal(expect_told(f, GW_V_REFUSE)->status, 403);
	expect_silence(f, 30);
}

static void an_update_challenged_when_the_call_is_answered_is_left(void **state)
{
	struct fix *f = *state;
	struct packet inv, p, update;

	early(f, &inv);
	assert_int_equal(in_branch(f, GW_V_OFFER, OTHER), 0);
	expect(f, &update, "UPDATE ");
	reply(f, &inv, 200, "b", ALLOW, NULL);
	expect(f, &p, "ACK ");
	(void)expect_told(f, GW_V_ANSWER);
	reply(f, &update, 401, NULL, WWW("n1"), NULL);
	expect_silence(f, 30);
	nothing_told(f);
}

static void an_info_goes_out_again(void **state)
{
	struct fix *f = *state;
	struct packet p;
	const struct gw_msg digit = {
		.verb = GW_V_INFO,
		.content_type = "application/dtmf-relay",
		.content = "Signal=5\r\nDuration=160\r\n",
		.content_len = 24,
	};

	up(f);
	assert_int_equal(gw_leg_send(f->leg, &digit), 0);
	expect(f, &p, "INFO ");
	assert_string_equal(header(&p, "Authorization"), "");
	reply(f, &p, 401, NULL, WWW("n1"), NULL);
	expect(f, &p, "INFO ");
	has_credentials(&p, "Authorization", "n1");
	assert_string_equal(header(&p, "Content-Type"),
			    "application/dtmf-relay");
	assert_string_equal(body(&p), "Signal=5\r\nDuration=160\r\n");
	reply(f, &p, 401, NULL, WWW("n2"), NULL);
	expect_silence(f, 30);
	nothing_told(f);
}

static void who_has_no_credentials_is_refused(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	f->set.sip.username[0] = '\0';
	early(f, &inv);
	assert_int_equal(in_branch(f, GW_V_OFFER, OTHER), 0);
	expect(f, &p, "UPDATE ");
	reply(f, &p, 401, NULL, WWW("n1"), NULL);
	assert_int_equal(expect_told(f, GW_V_REFUSE)->status, 403);
	expect_silence(f, 30);
}

static void the_bye_of_a_fork_that_lost_has_credentials(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	reply(f, &inv, 401, "x", WWW("n1"), NULL);
	expect(f, &p, "ACK ");
	expect(f, &inv, "INVITE ");
	reply(f, &inv, 180, "one", NULL, NULL);
	(void)expect_told(f, GW_V_PROGRESS);
	reply(f, &inv, 200, "two", NULL, ANSWER);
	expect(f, &p, "ACK ");
	(void)expect_told(f, GW_V_ANSWER);
	reply(f, &inv, 200, "one", NULL, ANSWER);
	expect(f, &p, "ACK ");
	expect(f, &p, "BYE ");
	has_credentials(&p, "Authorization", "n1");
	reply(f, &p, 200, NULL, NULL, NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_prack_goes_out_again_with_what_it_says),
		T(an_offer_waits_for_a_prack_that_is_challenged),
		T(an_early_update_goes_out_again),
		T(an_update_challenged_when_the_call_is_answered_is_left),
		T(an_info_goes_out_again),
		T(who_has_no_credentials_is_refused),
		T(the_bye_of_a_fork_that_lost_has_credentials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
