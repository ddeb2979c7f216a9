/*
 * Preconditions while a call is made: whoever waits for a peer's resources
 * waits for so long and no longer, and sends nothing there meanwhile (RFC 3312
 * 6, 8).
 */
#include "tests/unit/call_fakes.h"
#include "tests/unit/metric.h"

#define PATIENCE_MS 20000 /* as call_fakes.h sets it */

#define PHONE(v, more)                                                         \
	"v=0\r\no=- 7 " v " IN IP4 198.51.100.1\r\ns=-\r\n"                    \
	"c=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 4001 RTP/AVP 0 101\r\n"     \
	"a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n" more
#define QOS(local, remote)                                                     \
	"a=curr:qos local " local "\r\na=curr:qos remote " remote "\r\n"       \
	"a=des:qos mandatory local sendrecv\r\n"                               \
	"a=des:qos mandatory remote sendrecv\r\n"
#define CONF "a=conf:qos remote sendrecv\r\n"

static const char plain[] = PHONE("1", "");
static const char not_yet[] = PHONE("1", QOS("none", "sendrecv"));
static const char nothing_yet[] = PHONE("1", QOS("none", "none") CONF);
static const char ready[] = PHONE("2", QOS("sendrecv", "sendrecv"));
static const char end_to_end[] =
	PHONE("2", "a=curr:qos e2e none\r\n"
		   "a=des:qos mandatory e2e sendrecv\r\n");

static void tells(struct fake_leg *f, struct gw_msg msg, const char *text)
{
	if (text) {
		msg.desc.text = text;
		msg.desc.len = strlen(text);
	}
	f->leg.handler(&f->leg, &msg, f->leg.arg);
	media_works();
}

/* A reliable 183 of the fork @branch, whose network lets both ways through. */
static void progress(uint32_t branch, const char *text)
{
	tells(called,
	      (struct gw_msg){ .verb = GW_V_PROGRESS,
			       .branch = branch,
			       .firm = true,
			       .early_media = true,
			       .early_both = true,
			       .desc = { GW_DESC_EARLY_ANSWER } },
	      text);
}

static void alert(uint32_t branch, enum gw_alert alert)
{
	tells(called,
	      (struct gw_msg){
		      .verb = GW_V_PROGRESS, .branch = branch, .alert = alert },
	      NULL);
}

static void offers(struct fake_leg *f, uint32_t branch, const char *text)
{
	tells(f,
	      (struct gw_msg){ .verb = GW_V_OFFER,
			       .branch = branch,
			       .desc = { GW_DESC_OFFER } },
	      text);
}

static void takes(struct fake_leg *f, uint32_t branch, const char *text)
{
	tells(f,
	      (struct gw_msg){ .verb = GW_V_ACCEPT,
			       .branch = branch,
			       .desc = { GW_DESC_ANSWER } },
	      text);
}

static void browser_calls(void)
{
	set.sip.ring_timeout_s = 300;
	(void)snprintf(set.sip.precondition, 12, "supported");
	call_from(&web_ops, "sip:phone@far", web_offer);
}

#define QOS_METRIC "isthmus_calls_preconditions_total"

static void is_over_with_580(uint64_t failed)
{
	assert_true(told(caller, GW_V_RELEASE));
	assert_true(told(called, GW_V_RELEASE));
	assert_int_equal(580, caller->last.cause.status);
	assert_int_equal(580, called->last.cause.status);
	assert_string_equal(called->cause_text,
			    "the called side's resources never came");
	assert_int_equal(failed + 1, metric(QOS_METRIC "{result=\"failed\"}"));
}

static void goes_on(void)
{
	pass_ms(2 * PATIENCE_MS);
	assert_false(told(caller, GW_V_RELEASE));
	assert_int_equal(0, times_told(called, GW_V_RELEASE));
}

/* ---- a call to the core: how long ---- */

static void a_phone_whose_resources_never_come_is_not_waited_for(void **s)
{
	uint64_t failed = metric(QOS_METRIC "{result=\"failed\"}");

	(void)s;
	browser_calls();
	progress(1, not_yet);
	pass_ms(PATIENCE_MS - 1);
	assert_false(told(caller, GW_V_RELEASE));
	/* what brings none does not prolong it */
	offers(called, 1, PHONE("2", QOS("none", "sendrecv")));
	assert_true(told(called, GW_V_ACCEPT));
	pass_ms(1);
	is_over_with_580(failed);
}

static void a_phone_that_rings_has_what_it_needs(void **s)
{
	uint64_t met = metric(QOS_METRIC "{result=\"met\"}");

	(void)s;
	browser_calls();
	progress(1, not_yet);
	alert(1, GW_ALERT_RINGING);
	assert_int_equal(met + 1, metric(QOS_METRIC "{result=\"met\"}"));
	goes_on();
	/* the patience with somebody who rings is another one */
	pass_ms(302000);
	assert_int_equal(408, caller->last.cause.status);
}

static void a_phone_that_says_that_it_is_ready_is_not_cut_off(void **s)
{
	(void)s;
	browser_calls();
	progress(1, not_yet);
	offers(called, 1, ready);
	assert_true(told(called, GW_V_ACCEPT));
	goes_on();
}

static void a_phone_of_which_nothing_is_known_is_not_cut_off(void **s)
{
	(void)s;
	browser_calls();
	progress(1, plain);
	goes_on();
}

static void our_resources_that_it_never_takes_end_it_too(void **s)
{
	uint64_t failed = metric(QOS_METRIC "{result=\"failed\"}");

	(void)s;
	set.sip.precondition_confirm = true;
	browser_calls();
	progress(1, PHONE("1", QOS("sendrecv", "none") CONF));
	assert_true(told(called, GW_V_OFFER));
	tells(called,
	      (struct gw_msg){ .verb = GW_V_REFUSE,
			       .branch = 1,
			       .cause = { .status = 488 } },
	      NULL);
	pass_ms(PATIENCE_MS);
	is_over_with_580(failed);
}

static void our_resources_that_it_takes_do_not(void **s)
{
	(void)s;
	set.sip.precondition_confirm = true;
	browser_calls();
	progress(1, PHONE("1", QOS("sendrecv", "none") CONF));
	takes(called, 1, ready);
	goes_on();
}

static void what_nobody_can_meet_in_its_answer_ends_it_too(void **s)
{
	uint64_t failed = metric(QOS_METRIC "{result=\"failed\"}");

	(void)s;
	browser_calls();
	progress(1, end_to_end);
	pass_ms(PATIENCE_MS);
	is_over_with_580(failed);
}

/* ---- of forks ---- */

static void another_fork_that_does_not_wait_keeps_the_call(void **s)
{
	uint64_t failed = metric(QOS_METRIC "{result=\"failed\"}");

	(void)s;
	browser_calls();
	progress(1, not_yet);
	pass_ms(PATIENCE_MS - 1);
	progress(2, plain); /* an announcement */
	goes_on();
	/* it ends, and the first one has all its time again */
	alert(2, GW_ALERT_ENDED);
	pass_ms(PATIENCE_MS - 1);
	assert_int_equal(0, times_told(called, GW_V_RELEASE));
	pass_ms(1);
	is_over_with_580(failed);
}

static void a_fork_that_only_rings_keeps_the_call(void **s)
{
	(void)s;
	browser_calls();
	progress(1, not_yet);
	alert(2, GW_ALERT_RINGING);
	goes_on();
}

static void who_is_called_in_its_place_has_his_own_time(void **s)
{
	uint64_t failed = metric(QOS_METRIC "{result=\"failed\"}");

	(void)s;
	browser_calls();
	progress(1, not_yet);
	pass_ms(PATIENCE_MS - 1);
	alert(1, GW_ALERT_FORWARDED);
	pass_ms(PATIENCE_MS - 1);
	assert_int_equal(0, times_told(called, GW_V_RELEASE));
	pass_ms(1);
	is_over_with_580(failed);
}

/* ---- what is sent there meanwhile ---- */

static void nothing_is_sent_before_the_resources_are_there(void **s)
{
	(void)s;
	browser_calls();
	progress(1, not_yet);
	/* an announcement of its network is heard */
	assert_int_equal(GW_GATE_IN, gate(GW_TERM_B));
	offers(called, 1, ready);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
}

static void ringing_opens_what_was_shut(void **s)
{
	(void)s;
	browser_calls();
	progress(1, not_yet);
	alert(1, GW_ALERT_RINGING);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
}

static void ours_that_are_confirmed_open_it_as_well(void **s)
{
	(void)s;
	set.sip.precondition_confirm = true;
	browser_calls();
	progress(1, nothing_yet);
	assert_int_equal(GW_GATE_IN, gate(GW_TERM_B));
	takes(called, 1, PHONE("2", QOS("none", "sendrecv")));
	assert_int_equal(GW_GATE_IN, gate(GW_TERM_B));
	offers(called, 1, PHONE("3", QOS("sendrecv", "sendrecv")));
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
}

static void an_answer_ends_the_waiting(void **s)
{
	(void)s;
	browser_calls();
	progress(1, not_yet);
	tells(called, (struct gw_msg){ .verb = GW_V_ANSWER, .branch = 1 },
	      NULL);
	assert_true(told(caller, GW_V_ANSWER));
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
	goes_on();
}

/* ---- its offer is the first one ---- */

static void nobody_offers(const char *first)
{
	(void)snprintf(set.sip.precondition, 12, "supported");
	(void)snprintf(set.calls.no_offer, 16, "late_offer");
	call_from(&web_ops, "sip:phone@far", NULL);
	assert_true(told(called, GW_V_SETUP));
	tells(called,
	      (struct gw_msg){ .verb = GW_V_PROGRESS,
			       .branch = 1,
			       .early_media = true,
			       .early_both = true,
			       .desc = { GW_DESC_OFFER } },
	      first);
}

static void an_offer_in_a_18x_is_answered_with_our_status(void **s)
{
	(void)s;
	nobody_offers(nothing_yet);
	assert_int_equal(1, times_told(caller, GW_V_OFFER));
	assert_null(strstr(caller->text, "qos"));
	takes(caller, 0, web_answer);
	assert_true(told(called, GW_V_ACCEPT));
	assert_non_null(strstr(called->text, "a=curr:qos local sendrecv"));
	assert_non_null(strstr(called->text, "a=curr:qos remote none"));
	assert_non_null(strstr(called->text, "a=conf:qos remote sendrecv"));
	assert_int_equal(GW_GATE_IN, gate(GW_TERM_B));
	offers(called, 1, ready);
	assert_non_null(strstr(called->text, "a=curr:qos remote sendrecv"));
	assert_null(strstr(called->text, "a=conf"));
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
	goes_on();
}

static void an_offer_without_such_lines_is_answered_without(void **s)
{
	(void)s;
	nobody_offers(plain);
	takes(caller, 0, web_answer);
	assert_true(told(called, GW_V_ACCEPT));
	assert_null(strstr(called->text, "qos"));
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
}

static void its_resources_that_never_come_after_an_offer(void **s)
{
	uint64_t failed = metric(QOS_METRIC "{result=\"failed\"}");

	(void)s;
	nobody_offers(nothing_yet);
	takes(caller, 0, web_answer);
	pass_ms(PATIENCE_MS);
	is_over_with_580(failed);
}

static void an_offer_that_nobody_can_meet_is_580(void **s)
{
	(void)s;
	nobody_offers(end_to_end);
	assert_true(told(called, GW_V_REFUSE));
	assert_int_equal(580, called->last.cause.status);
}

/* ---- later offers ---- */

static void what_nobody_can_meet_leaves_the_early_dialog(void **s)
{
	(void)s;
	browser_calls();
	progress(1, not_yet);
	offers(called, 1, end_to_end);
	assert_true(told(called, GW_V_REFUSE));
	assert_int_equal(580, called->last.cause.status);
	offers(called, 1, ready);
	assert_true(told(called, GW_V_ACCEPT));
	goes_on();
}

/* ---- calls from the core ---- */

static void a_caller_who_waits_is_neither_heard_nor_sent_to(void **s)
{
	(void)s;
	phone_waits(nothing_yet);
	assert_true(told(caller, GW_V_PROGRESS));
	assert_int_equal(GW_GATE_CLOSED, gate(GW_TERM_A));
	assert_int_equal(GW_GATE_CLOSED, gate(GW_TERM_B));
	/* 580 in between changes nothing */
	offers(caller, 0, end_to_end);
	assert_true(told(caller, GW_V_REFUSE));
	assert_int_equal(580, caller->last.cause.status);
	assert_int_equal(0, called->nsaid);
	offers(caller, 0, ready);
	assert_true(told(caller, GW_V_ACCEPT));
	assert_true(told(called, GW_V_SETUP));
}

#define PICTURE(port, more)                                                    \
	"m=video " port " RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n" more

static void a_picture_without_resources_is_waited_for_only_if_it_must(void **s)
{
	(void)s;
	phone_waits(PHONE("1", QOS("sendrecv", "none")
				       PICTURE("4003", QOS("none", "none"))));
	assert_int_equal(0, called->nsaid);
	releases(caller, 487);
	pass_ms(10000);
	media_works();
	free(caller);
	free(called);
	phone_waits(PHONE("1", QOS("sendrecv", "none") PICTURE(
				       "4003",
				       "a=curr:qos local none\r\n"
				       "a=curr:qos remote none\r\n"
				       "a=des:qos optional local sendrecv\r\n"
				       "a=des:qos optional remote "
				       "sendrecv\r\n")));
	assert_true(told(called, GW_V_SETUP));
}

/* ---- every sequence ---- */

enum event {
	E_WAITS_1, /* 183s of two forks */
	E_WAITS_2,
	E_PLAIN_2,
	E_STILL_1, /* UPDATEs of the first */
	E_READY_1,
	E_RINGS_1,
	E_RINGS_3, /* of which nothing else is known */
	E_ENDED_1,
	E_ENDED_2,
	E_ANSWERS_1,
	E_TIME,
	E_NEVENTS
};

#define FORK_EVENTS (LONGEST - 1) /* there are many kinds of them */

static struct {
	bool there, waits, rang, ended;
} fork_of[4];
static bool rings;
static char path[64];

static void describes(unsigned n, bool waits)
{
	if (!fork_of[n].there)
		fork_of[n].waits = waits && !fork_of[n].rang;
	fork_of[n].there = true;
	progress(n, waits ? not_yet : plain);
}

static void updates(bool ready_now)
{
	if (!fork_of[1].rang)
		fork_of[1].waits = !ready_now;
	offers(called, 1,
	       ready_now ? ready : PHONE("2", QOS("none", "sendrecv")));
	assert_true(told(called, GW_V_ACCEPT));
}

static void rings_in(unsigned n)
{
	rings = true;
	fork_of[n].rang = fork_of[n].there;
	fork_of[n].waits &= !fork_of[n].there;
	alert(n, GW_ALERT_RINGING);
}

static bool is_hopeless(void)
{
	bool any = false;

	for (unsigned n = 1; n < 3; n++) {
		if (!fork_of[n].there || fork_of[n].ended)
			continue;
		if (!fork_of[n].waits)
			return false;
		any = true;
	}
	return any && !rings;
}

static bool could(enum event ev)
{
	switch (ev) {
	case E_WAITS_1:
		return !fork_of[1].ended;
	case E_WAITS_2:
	case E_PLAIN_2:
		return !fork_of[2].ended;
	case E_STILL_1:
	case E_READY_1:
	case E_ENDED_1:
	case E_ANSWERS_1:
		return fork_of[1].there && !fork_of[1].ended;
	case E_ENDED_2:
		return fork_of[2].there && !fork_of[2].ended;
	default:
		return true;
	}
}

static void happens(enum event ev)
{
	switch (ev) {
	case E_WAITS_1:
	case E_WAITS_2:
		describes(ev - E_WAITS_1 + 1, true);
		return;
	case E_PLAIN_2:
		describes(2, false);
		return;
	case E_STILL_1:
	case E_READY_1:
		updates(ev == E_READY_1);
		return;
	case E_RINGS_1:
		rings_in(1);
		return;
	case E_RINGS_3:
		rings_in(3);
		return;
	case E_ENDED_1:
	case E_ENDED_2:
		fork_of[ev - E_ENDED_1 + 1].ended = true;
		alert(ev - E_ENDED_1 + 1, GW_ALERT_ENDED);
		return;
	case E_ANSWERS_1:
		tells(called,
		      (struct gw_msg){ .verb = GW_V_ANSWER, .branch = 1 },
		      NULL);
		return;
	default:
		pass_ms(PATIENCE_MS);
		media_works();
	}
}

/* What is sent to the phone goes to one that has what it needs. */
static void is_lawful(void)
{
	const struct early *e = gw_call_early_heard(core.calls);
	bool open = gate(GW_TERM_B) & GW_GATE_OUT;

	if (e && open != !fork_of[e->branch].waits)
		fail_msg("%s sent to fork %u:%s", open ? "" : "not ", e->branch,
			 path);
	if (!e && open)
		fail_msg("sent to nobody:%s", path);
}

static unsigned run(enum event *ev)
{
	unsigned i;
	bool over = false;

	path[0] = '\0';
	rings = false;
	memset(fork_of, 0, sizeof(fork_of));
	assert_int_equal(0, setup(NULL));
	browser_calls();
	for (i = 0; i < FORK_EVENTS && !over; i++) {
		bool hopeless = is_hopeless();

		while (!could(ev[i]))
			ev[i]++;
		(void)snprintf(path + strlen(path), sizeof(path) - strlen(path),
			       " %d", ev[i]);
		happens(ev[i]);
		over = told(caller, GW_V_RELEASE);
		if (over != (hopeless && ev[i] == E_TIME))
			fail_msg("%s:%s", over ? "given up" : "kept", path);
		if (over && caller->last.cause.status != 580)
			fail_msg("for another reason:%s", path);
		if (ev[i] == E_ANSWERS_1)
			break;
		if (!over)
			is_lawful();
	}
	if (i < FORK_EVENTS && !over && gate(GW_TERM_B) != GW_GATE_BOTH)
		fail_msg("answered, and not heard:%s", path);
	assert_int_equal(0, teardown(NULL));
	return i < FORK_EVENTS ? i + 1 - over : FORK_EVENTS;
}

static void nobody_is_given_up_who_may_be_reached(void **s)
{
	enum event ev[FORK_EVENTS] = { 0 };
	unsigned ran = 0, used, at;

	(void)s;
	do {
		used = run(ev);
		ran++;
		for (at = used; at < FORK_EVENTS; at++)
			ev[at] = 0;
		for (at = used; at > 0 && ev[at - 1] + 1 == E_NEVENTS;)
			ev[--at] = 0;
		if (at)
			ev[at - 1]++;
	} while (at);
	assert_true(ran > (FORK_EVENTS == 5 ? 10000 : 100));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_phone_whose_resources_never_come_is_not_waited_for),
		T(a_phone_that_rings_has_what_it_needs),
		T(a_phone_that_says_that_it_is_ready_is_not_cut_off),
		T(a_phone_of_which_nothing_is_known_is_not_cut_off),
		T(our_resources_that_it_never_takes_end_it_too),
		T(our_resources_that_it_takes_do_not),
		T(what_nobody_can_meet_in_its_answer_ends_it_too),
		T(another_fork_that_does_not_wait_keeps_the_call),
		T(a_fork_that_only_rings_keeps_the_call),
		T(who_is_called_in_its_place_has_his_own_time),
		T(nothing_is_sent_before_the_resources_are_there),
		T(ringing_opens_what_was_shut),
		T(ours_that_are_confirmed_open_it_as_well),
		T(an_answer_ends_the_waiting),
		T(an_offer_in_a_18x_is_answered_with_our_status),
		T(an_offer_without_such_lines_is_answered_without),
		T(its_resources_that_never_come_after_an_offer),
		T(an_offer_that_nobody_can_meet_is_580),
		T(what_nobody_can_meet_leaves_the_early_dialog),
		T(a_caller_who_waits_is_neither_heard_nor_sent_to),
		T(a_picture_without_resources_is_waited_for_only_if_it_must),
		cmocka_unit_test(nobody_is_given_up_who_may_be_reached),
	};

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
