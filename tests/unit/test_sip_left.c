/*
 * What peers leave behind that answer too much, or nothing: forks without
 * number, INVITEs without a final response; and challenges to what no session,
 * or no call, waits for.
 */
#include "sip/stack.h"

#include <sofia-sip/nta_tag.h>

#include "tests/unit/test_sip_call.h"

#define CHALLENGE(n)                                                           \
	"Proxy-Authenticate: Digest realm=\"r\",nonce=\"" n "\"\r\n"
#define FORKS      16    /* early dialogs that an INVITE may have */
#define TIMER_D_MS 32000 /* NTA keeps what has ended so long */

static int setup(void **state)
{
	struct fix *f = fix_new(22971);

	(void)snprintf(f->set.sip.username, sizeof(f->set.sip.username), "gw");
	(void)snprintf(f->set.sip.password, sizeof(f->set.sip.password), "pw");
	f->set.sip.session_expires_s = 2;
	f->set.sip.min_se_s = 1;
	f->set.sip.t1x64_ms = 1500; /* forks live so long */
	return fix_run(f, state);
}

/* The next of the kind @start; what else comes is repeated, or nobody's. */
static void skip_to(struct fix *f, struct packet *p, const char *start)
{
	do
		get_packet(f, p);
	while (strncmp(p->text, start, strlen(start)) != 0);
}

/* A call whose INVITE comes among what is repeated. */
static void dial_to_silence(struct fix *f, struct packet *inv)
{
	struct gw_msg m = { .verb = GW_V_SETUP };

	m.desc = desc_of(GW_DESC_OFFER, OFFER);
	m.asserted.uri = "sip:alice@ims.test";
	m.target.uri = "sip:bob@far.test";
	call_out(f, &m);
	skip_to(f, inv, "INVITE ");
}

static void forget_told(struct fix *f)
{
	f->ntold = f->taken = 0;
}

static const char *branch_tag(unsigned n)
{
	static char tag[16];

	(void)snprintf(tag, sizeof(tag), "fork%u", n);
	return tag;
}

/* @inv rings at as many as there may be, and at two more. */
static void crowd(struct fix *f, const struct packet *inv)
{
	int64_t ignored = metric("isthmus_sip_forks_ignored_total");

	for (unsigned i = 0; i < FORKS; i++) {
		reply(f, inv, 180, branch_tag(i), NULL, NULL);
		assert_int_equal(expect_told(f, GW_V_PROGRESS)->branch, i + 1);
	}
	reply(f, inv, 183, branch_tag(FORKS), NULL, ANSWER);
	reply(f, inv, 180, branch_tag(FORKS + 1), NULL, NULL);
	expect_silence(f, 50);
	nothing_told(f);
	assert_int_equal(metric("isthmus_sip_forks_ignored_total"),
			 ignored + 2);
}

static void hung_up(struct fix *f, const char *tag)
{
	char want[32];
	struct packet p;

	(void)snprintf(want, sizeof(want), ";tag=%s", tag);
	expect(f, &p, "ACK ");
	assert_non_null(strstr(header(&p, "To"), want));
	expect(f, &p, "BYE ");
	assert_non_null(strstr(header(&p, "To"), want));
	reply(f, &p, 200, NULL, NULL, NULL);
}

static void one_fork_too_many_that_answers_late_is_hung_up(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;
	int64_t late = metric("isthmus_sip_late_answers_total");

	dial(f, &inv, OFFER);
	crowd(f, &inv);
	reply(f, &inv, 200, branch_tag(3), NULL, ANSWER);
	expect(f, &p, "ACK ");
	assert_int_equal(expect_told(f, GW_V_ANSWER)->branch, 4);
	reply(f, &inv, 200, branch_tag(FORKS), NULL, ANSWER);
	hung_up(f, branch_tag(FORKS));
	/* its ACK was lost */
	reply(f, &inv, 200, branch_tag(FORKS), NULL, ANSWER);
	expect_silence(f, 50);
	reply(f, &inv, 200, "unheard", NULL, ANSWER);
	skip_to(f, &p, "BYE ");
	reply(f, &p, 200, NULL, NULL, NULL);
	assert_int_equal(metric("isthmus_sip_late_answers_total"), late + 2);
	nothing_told(f);
	hang_up(f);
}

static void one_fork_too_many_that_alone_answers_has_the_call(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	crowd(f, &inv);
	dialog_from_invite(f, &inv, branch_tag(FORKS));
	reply(f, &inv, 200, branch_tag(FORKS), NULL, ANSWER);
	expect(f, &p, "ACK ");
	t = expect_told(f, GW_V_ANSWER);
	assert_int_equal(t->branch, FORKS + 1);
	assert_string_equal(t->sdp, ANSWER);
	reply(f, &inv, 200, branch_tag(FORKS + 1), NULL, ANSWER);
	hung_up(f, branch_tag(FORKS + 1));
	reply(f, &inv, 200, branch_tag(0), NULL, ANSWER);
	hung_up(f, branch_tag(0));
	nothing_told(f);
	release(f, 200);
	expect(f, &p, "BYE ");
	assert_non_null(strstr(header(&p, "To"), branch_tag(FORKS)));
	reply(f, &p, 200, NULL, NULL, NULL);
	wait_live(f, 0);
}

static void one_fork_too_many_that_crosses_cancel_is_hung_up(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	crowd(f, &inv);
	release(f, 487);
	expect(f, &p, "CANCEL ");
	reply(f, &p, 200, NULL, NULL, NULL);
	reply(f, &inv, 200, branch_tag(FORKS), NULL, ANSWER);
	hung_up(f, branch_tag(FORKS));
	wait_live(f, 0);
}

static size_t transactions(const struct fix *f)
{
	usize_t used = 0;

	(void)nta_agent_get_stats(f->sip->agent,
				  NTATAG_S_ORQ_HASH_USED_REF(used), TAG_END());
	return used;
}

/* Callees that ring, and answer neither the CANCEL nor the INVITE then; and one
 * that answers a change of the call with 100, and no more. */
static void silent_peers_leave_no_transaction(void **state)
{
	uint64_t end;
	struct fix *f = *state;
	struct packet inv, p;

	for (unsigned i = 0; i < 200; i++) {
		dial_to_silence(f, &inv);
		for (unsigned n = 0; n <= i % 3; n++) {
			reply(f, &inv, 180, branch_tag(n), NULL, NULL);
			(void)expect_told(f, GW_V_PROGRESS);
		}
		release(f, 487);
		forget_told(f);
	}
	for (unsigned i = 0; i < 20; i++) {
		dial_to_silence(f, &inv);
		reply(f, &inv, 200, "b", NULL, ANSWER);
		skip_to(f, &p, "ACK ");
		(void)expect_told(f, GW_V_ANSWER);
		assert_int_equal(say(f, GW_V_OFFER, GW_DESC_OFFER, OFFER), 0);
		skip_to(f, &inv, "INVITE ");
		reply(f, &inv, 100, NULL, NULL, NULL);
		release(f, 200);
		skip_to(f, &p, "BYE ");
		reply(f, &p, 200, NULL, NULL, NULL);
		forget_told(f);
	}
	wait_live(f, 0);
	assert_true(transactions(f) > 200);
	end = gw_clock_monotonic_us(NULL) + 2000 * TIMER_D_MS;
	while (transactions(f)) {
		if (gw_clock_monotonic_us(NULL) > end)
			fail_msg("%zu transactions are left", transactions(f));
		gw_loop_step(f->loop, 50);
		(void)poll_packet(f, &p);
	}
}

static void change_that_is_never_answered_is_cancelled_in_the_end(void **state)
{
	struct fix *f = *state;
	struct packet mine, bye, p;
	const char *what = "isthmus_sip_timeouts_total{what=\"reinvite\"}";
	int64_t before = metric(what);

	connect_out(f);
	reinvite(f, &mine);
	reply(f, &mine, 100, NULL, NULL, NULL);
	release(f, 200);
	expect_bye(f, &bye);
	wait_live(f, 0);
	expect(f, &p, "CANCEL ");
	assert_int_equal(atoi(header(&p, "CSeq")), atoi(header(&mine, "CSeq")));
	assert_string_equal(header(&p, "Via"), header(&mine, "Via"));
	assert_int_equal(metric(what), before + 1);
	reply(f, &p, 200, NULL, NULL, NULL);
	reply(f, &mine, 487, NULL, NULL, NULL);
	expect(f, &p, "ACK ");
	expect_silence(f, 50);
}

/* The BYE in @p wants credentials: it has them then, once. */
static void challenge_bye(struct fix *f, struct packet *p, const char *route)
{
	int64_t no = metric("isthmus_sip_challenges_total{answered=\"no\"}");
	struct packet again;

	assert_string_equal(header(p, "Proxy-Authorization"), "");
	assert_string_equal(header(p, "Route"), route);
	reply(f, p, 407, NULL, CHALLENGE("n1"), NULL);
	expect(f, &again, "BYE sip:peer@");
	assert_non_null(strstr(header(&again, "Proxy-Authorization"),
			       "username=\"gw\""));
	assert_non_null(
		strstr(header(&again, "Proxy-Authorization"), "nonce=\"n1\""));
	assert_string_equal(header(&again, "To"), header(p, "To"));
	assert_string_equal(header(&again, "From"), header(p, "From"));
	assert_string_equal(header(&again, "Call-ID"), header(p, "Call-ID"));
	assert_string_equal(header(&again, "Route"), route);
	assert_int_equal(atoi(header(&again, "CSeq")),
			 atoi(header(p, "CSeq")) + 1);
	reply(f, &again, 407, NULL, CHALLENGE("n2"), NULL); /* refused */
	expect_silence(f, 50);
	assert_int_equal(
		metric("isthmus_sip_challenges_total{answered=\"no\"}"), no);
	assert_int_equal(f->sip->orphans, 0);
}

static void bye_of_a_late_fork_has_credentials_where_asked(void **state)
{
	static const char rr[] =
		"Record-Route: <sip:p1@127.0.0.1:22971;lr>\r\n",
			  route[] = "<sip:p1@127.0.0.1:22971;lr>";
	struct fix *f = *state;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	reply(f, &inv, 180, "known", NULL, NULL);
	(void)expect_told(f, GW_V_PROGRESS);
	reply(f, &inv, 200, "b", NULL, ANSWER);
	expect(f, &p, "ACK ");
	(void)expect_told(f, GW_V_ANSWER);

	reply(f, &inv, 200, "known", rr, ANSWER);
	skip_to(f, &p, "BYE ");
	challenge_bye(f, &p, route);

	reply(f, &inv, 200, "unknown", rr, ANSWER);
	skip_to(f, &p, "BYE ");
	challenge_bye(f, &p, route);

	/* of a call that is over */
	hang_up(f);
	reply(f, &inv, 200, "last", rr, ANSWER);
	skip_to(f, &p, "BYE ");
	challenge_bye(f, &p, route);
}

static void bye_of_a_late_fork_is_not_repeated_without_credentials(void **state)
{
	struct fix *f = *state;
	struct packet inv, p;
	int64_t no = metric("isthmus_sip_challenges_total{answered=\"no\"}");

	f->set.sip.username[0] = '\0';
	dial(f, &inv, OFFER);
	pick_up(f, &inv, NULL);
	reply(f, &inv, 200, "late", NULL, ANSWER);
	expect(f, &p, "ACK ");
	expect(f, &p, "BYE ");
	reply(f, &p, 407, NULL, CHALLENGE("n1"), NULL);
	expect_silence(f, 50);
	assert_int_equal(
		metric("isthmus_sip_challenges_total{answered=\"no\"}"),
		no + 1);
	assert_int_equal(f->sip->orphans, 0);
	hang_up(f);
}

static void on_asked(struct gw_leg *leg, const struct gw_msg *m, void *arg)
{
	on_leg(leg, m, arg);
	if (m->verb == GW_V_TRANSFER)
		becomes(arg, 100);
}

static void says(const struct packet *p, const char *status)
{
	char want[32];

	(void)snprintf(want, sizeof(want), "SIP/2.0 %s", status);
	assert_int_equal(strncmp(body(p), want, strlen(want)), 0);
}

/* Two that were out together when the first challenge came: what is said with
 * credentials is newer than either. */
static void notifies_that_are_challenged_together_lose_nothing(void **state)
{
	struct fix *f = *state;
	struct packet trying, ringing, p;

	connect_out(f);
	f->leg->handler = on_asked;
	request(f, "REFER", "Refer-To: <sip:third@ims.test>\r\n", NULL, NULL);
	expect(f, &p, "SIP/2.0 202");
	(void)expect_told(f, GW_V_TRANSFER);
	expect(f, &trying, "NOTIFY ");
	becomes(f, 180);
	expect(f, &ringing, "NOTIFY ");
	reply(f, &trying, 407, NULL, CHALLENGE("n1"), NULL);
	expect(f, &p, "NOTIFY ");
	says(&p, "180");
	assert_non_null(strstr(header(&p, "Proxy-Authorization"), "n1"));
	reply(f, &ringing, 407, NULL, CHALLENGE("n1"), NULL);
	expect_silence(f, 50);
	reply(f, &p, 200, NULL, NULL, NULL);
	/* a nonce that is too old by then, and the call is over */
	becomes(f, 200);
	release(f, 200);
	expect(f, &p, "NOTIFY ");
	says(&p, "200");
	skip_to(f, &ringing, "BYE ");
	reply(f, &p, 407, NULL, CHALLENGE("n2"), NULL);
	expect(f, &p, "NOTIFY ");
	says(&p, "200");
	assert_non_null(strstr(header(&p, "Proxy-Authorization"), "n2"));
	reply(f, &p, 200, NULL, NULL, NULL);
	reply(f, &ringing, 200, NULL, NULL, NULL);
	wait_live(f, 0);
}

static void refresh_by_reinvite_is_counted(void **state)
{
	struct fix *f = *state;
	const char *what = "isthmus_sip_session_refreshes_total{by=\"us\"}";
	int64_t before = metric(what);
	struct packet p;

	f->answers = OFFER;
	dial(f, &p, OFFER);
	pick_up(f, &p, "Session-Expires: 2;refresher=uac\r\n");
	assert_int_equal(metric(what), before);
	(void)expect_told(f, GW_V_OFFER);
	expect(f, &p, "INVITE sip:peer@");
	reply(f, &p, 200, NULL, "Session-Expires: 2;refresher=uac\r\n", ANSWER);
	expect(f, &p, "ACK ");
	(void)expect_told(f, GW_V_ACCEPT);
	assert_int_equal(metric(what), before + 1);
	hang_up(f);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_fork_too_many_that_answers_late_is_hung_up),
		T(one_fork_too_many_that_alone_answers_has_the_call),
		T(one_fork_too_many_that_crosses_cancel_is_hung_up),
		T(change_that_is_never_answered_is_cancelled_in_the_end),
		T(bye_of_a_late_fork_has_credentials_where_asked),
		T(bye_of_a_late_fork_is_not_repeated_without_credentials),
		T(notifies_that_are_challenged_together_lose_nothing),
		T(refresh_by_reinvite_is_counted),
		T(silent_peers_leave_no_transaction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
