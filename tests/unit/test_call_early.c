/*
 * What a call does before it is answered: early dialogs of a forked call,
 * offers in them, preconditions.  The browser sees one description.
 */
#include "tests/unit/call_fakes.h"

#define PHONE(v, addr, port, more)                                             \
	"v=0\r\no=- 7 " v " IN IP4 " addr "\r\ns=-\r\nc=IN IP4 " addr          \
	"\r\nt=0 0\r\nm=audio " port " RTP/AVP 0 101\r\n"                      \
	"a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"        \
	"a=sendrecv\r\n" more
#define QOS(local, remote)                                                     \
	"a=curr:qos local " local "\r\na=curr:qos remote " remote "\r\n"       \
	"a=des:qos mandatory local sendrecv\r\n"                               \
	"a=des:qos mandatory remote sendrecv\r\n"

static const char one[] = PHONE("1", "198.51.100.1", "4001", "");
static const char two[] = PHONE("1", "198.51.100.2", "4002", "");
static const char moved[] = PHONE("2", "198.51.100.1", "4011", "");
static const char foreign[] =
	"v=0\r\no=- 7 2 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\n"
	"t=0 0\r\nm=audio 4011 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n";

/* What one leg's peer says in an early dialog; fields as gw_msg has them. */
static void tells(struct fake_leg *f, struct gw_msg msg, const char *text)
{
	if (text) {
		if (!msg.desc.role)
			msg.desc.role = GW_DESC_EARLY_ANSWER;
		msg.desc.text = text;
		msg.desc.len = strlen(text);
	}
	f->leg.handler(&f->leg, &msg, f->leg.arg);
	media_works();
}

#define FIRM(b, text)                                                          \
	tells(called,                                                          \
	      (struct gw_msg){ .verb = GW_V_PROGRESS,                          \
			       .branch = (b),                                  \
			       .firm = true,                                   \
			       .early_media = true },                          \
	      text)
#define ANSWERED(b, text)                                                      \
	tells(called,                                                          \
	      (struct gw_msg){ .verb = GW_V_ANSWER,                            \
			       .branch = (b),                                  \
			       .desc = { GW_DESC_ANSWER } },                   \
	      text)
#define OFFERED(f, b, text)                                                    \
	tells(f,                                                               \
	      (struct gw_msg){ .verb = GW_V_OFFER,                             \
			       .branch = (b),                                  \
			       .desc = { GW_DESC_OFFER } },                    \
	      text)
#define ENDED(b)                                                               \
	tells(called,                                                          \
	      (struct gw_msg){ .verb = GW_V_PROGRESS,                          \
			       .branch = (b),                                  \
			       .alert = GW_ALERT_ENDED },                      \
	      NULL)

/* Where B's media goes. */
static uint16_t heads_for(void)
{
	return configured(GW_TERM_B)->end.stream[0].rtp.port;
}

static unsigned version_of(const char *text)
{
	const char *o = strstr(text, "o=- ");
	unsigned long long id;
	unsigned v;

	assert_non_null(o);
	assert_int_equal(2, sscanf(o, "o=- %llu %u", &id, &v));
	return v;
}

static void each_fork_is_heard_in_its_turn_and_the_winner_in_the_end(void **s)
{
	char answer[4096];

	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	FIRM(1, one);
	assert_int_equal(4001, heads_for());
	assert_int_equal(GW_DESC_EARLY_ANSWER, caller->last.desc.role);
	assert_true(caller->last.early_media);
	assert_int_equal(GW_GATE_OUT, gate(GW_TERM_A));
	assert_int_equal(GW_GATE_IN, gate(GW_TERM_B));
	(void)snprintf(answer, sizeof(answer), "%s", caller->text);
	FIRM(2, two);
	assert_int_equal(4002, heads_for());
	assert_int_equal(GW_DESC_NONE, caller->last.desc.role);
	/* a 200 without description, of the first */
	ANSWERED(1, NULL);
	assert_true(told(caller, GW_V_ANSWER));
	assert_int_equal(4001, heads_for());
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_A));
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
	/* one description, whatever happened */
	assert_string_equal(answer, caller->text);
}

static void a_repetition_in_the_200_does_not_count(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	FIRM(1, one);
	ANSWERED(1, moved);
	assert_int_equal(4001, heads_for());
}

static void a_dialog_that_ends_gives_way_to_another(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	FIRM(1, one);
	FIRM(2, two);
	ENDED(1); /* not the one that is heard */
	assert_int_equal(4002, heads_for());
	FIRM(3, moved);
	assert_int_equal(4011, heads_for());
	ENDED(3);
	assert_int_equal(4002, heads_for());
	assert_true(caller->last.early_media);
	ENDED(2);
	assert_int_equal(GW_GATE_CLOSED, gate(GW_TERM_A));
	assert_false(caller->last.early_media);
	ANSWERED(4, one);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_A));
	assert_int_equal(4001, heads_for());
}

static void authorisation_may_come_later_and_go(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	tells(called,
	      (struct gw_msg){
		      .verb = GW_V_PROGRESS, .branch = 1, .firm = true },
	      one);
	assert_false(caller->last.early_media);
	assert_int_equal(GW_DESC_NONE, caller->last.desc.role);
	assert_int_equal(GW_GATE_CLOSED, gate(GW_TERM_A));
	tells(called,
	      (struct gw_msg){ .verb = GW_V_PROGRESS,
			       .branch = 1,
			       .early_media = true,
			       .alert = GW_ALERT_RINGING },
	      NULL);
	assert_true(caller->last.early_media);
	assert_int_equal(GW_DESC_EARLY_ANSWER, caller->last.desc.role);
	assert_int_equal(GW_GATE_OUT, gate(GW_TERM_A));
	tells(called,
	      (struct gw_msg){ .verb = GW_V_PROGRESS,
			       .branch = 1,
			       .no_early_media = true },
	      NULL);
	assert_false(caller->last.early_media);
	assert_int_equal(GW_GATE_CLOSED, gate(GW_TERM_A));
	ANSWERED(1, NULL);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
}

static void an_unheard_answer_is_kept_for_the_200(void **s)
{
	(void)s;
	(void)snprintf(set.calls.early_media, 8, "never");
	call_from(&web_ops, "sip:phone@far", web_offer);
	FIRM(1, one);
	assert_int_equal(GW_GATE_CLOSED, gate(GW_TERM_A));
	ANSWERED(1, NULL);
	assert_int_equal(GW_DESC_ANSWER, caller->last.desc.role);
	assert_int_equal(4001, heads_for());
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_A));
}

static void a_fork_that_never_spoke_must_describe_itself(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	FIRM(1, one);
	ANSWERED(2, NULL);
	assert_true(told(caller, GW_V_RELEASE));
}

static void an_early_dialog_may_move(void **s)
{
	unsigned before;

	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	before = version_of(called->text);
	FIRM(1, one);
	OFFERED(called, 1, moved);
	assert_true(told(called, GW_V_ACCEPT));
	assert_int_equal(1, called->last.branch);
	assert_int_equal(before + 1, version_of(called->text));
	assert_int_equal(4011, heads_for());
	assert_int_equal(GW_GATE_OUT, gate(GW_TERM_A));
	/* what cannot be taken changes nothing */
	OFFERED(called, 1, foreign);
	assert_true(told(called, GW_V_REFUSE));
	assert_int_equal(488, called->last.cause.status);
	assert_int_equal(4011, heads_for());
	/* of a dialog that has no answer */
	OFFERED(called, 2, two);
	assert_true(told(called, GW_V_REFUSE));
	assert_int_equal(491, called->last.cause.status);
	ANSWERED(1, NULL);
	assert_int_equal(4011, heads_for());
	assert_int_equal(1, times_told(caller, GW_V_ANSWER));
}

static void a_fork_that_is_not_heard_moves_for_itself(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	FIRM(1, one);
	FIRM(2, two);
	OFFERED(called, 1, moved);
	assert_true(told(called, GW_V_ACCEPT));
	assert_int_equal(4002, heads_for());
	ANSWERED(1, NULL);
	assert_int_equal(4011, heads_for());
}

static void a_silent_invite_is_offered_to_before_anybody_rings(void **s)
{
	struct gw_msg setup = {
		.verb = GW_V_SETUP,
		.may_ask = true,
		.asserted = {"sip:a@b",         NULL},
		.target = { "sip:alice@home", NULL}
	};

	(void)s;
	caller = fake_leg(&core_ops);
	gw_core_incoming(&caller->leg, &setup, &core);
	media_works();
	assert_true(told(caller, GW_V_OFFER));
	assert_int_equal(0, called->nsaid);
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, sip_sdp);
	assert_true(told(called, GW_V_SETUP));
	assert_non_null(strstr(called->text, "PCMU"));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_answer);
	assert_true(told(caller, GW_V_ANSWER));
	assert_int_equal(GW_DESC_NONE, caller->last.desc.role);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_A));
}

#define ASKS(b, text)                                                          \
	tells(called,                                                          \
	      (struct gw_msg){ .verb = GW_V_PROGRESS,                          \
			       .branch = (b),                                  \
			       .early_media = true,                            \
			       .desc = { GW_DESC_OFFER } },                    \
	      text)

static void a_phone_may_offer_while_it_rings(void **s)
{
	(void)s;
	(void)snprintf(set.calls.no_offer, 16, "late_offer");
	call_from(&web_ops, "sip:phone@far", NULL);
	assert_int_equal(GW_DESC_NONE, called->last.desc.role);
	ASKS(1, one);
	assert_int_equal(1, times_told(caller, GW_V_OFFER));
	/* another phone, while the browser thinks; one that repeats itself */
	ASKS(2, two);
	ASKS(1, one);
	assert_int_equal(1, times_told(caller, GW_V_OFFER));
	assert_int_equal(0, times_told(called, GW_V_ACCEPT));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	assert_int_equal(2, times_told(called, GW_V_ACCEPT));
	assert_int_equal(GW_GATE_OUT, gate(GW_TERM_A));
	/* a third one is answered at once */
	ASKS(3, moved);
	assert_int_equal(3, times_told(called, GW_V_ACCEPT));
	assert_int_equal(3, called->last.branch);
	OFFERED(called, 1, moved);
	assert_int_equal(4, times_told(called, GW_V_ACCEPT));
	ANSWERED(2, NULL);
	assert_true(told(caller, GW_V_ANSWER));
	assert_int_equal(1, times_told(caller, GW_V_OFFER));
	assert_int_equal(4002, heads_for());
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_A));
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(called, GW_V_OFFER));
}

static void what_a_ringing_phone_offers_must_be_usable(void **s)
{
	(void)s;
	(void)snprintf(set.calls.no_offer, 16, "late_offer");
	call_from(&web_ops, "sip:phone@far", NULL);
	ASKS(1, "nonsense");
	assert_true(told(called, GW_V_REFUSE));
	assert_int_equal(400, called->last.cause.status);
	ASKS(2, foreign);
	assert_true(told(called, GW_V_REFUSE));
	assert_int_equal(2, called->last.branch);
	assert_int_equal(488, called->last.cause.status);
	assert_int_equal(0, times_told(caller, GW_V_OFFER));
}

/* ---- preconditions ---- */

static void resources_that_are_there_need_no_update(void **s)
{
	(void)s;
	(void)snprintf(set.sip.precondition, 12, "supported");
	call_from(&web_ops, "sip:phone@far", web_offer);
	assert_non_null(strstr(called->text, "a=curr:qos local sendrecv\r\n"
					     "a=curr:qos remote none\r\n"));
	assert_non_null(
		strstr(called->text, "a=des:qos optional remote sendrecv\r\n"));
	FIRM(1, PHONE("1", "198.51.100.1", "4001", QOS("none", "sendrecv")));
	assert_int_equal(0, times_told(called, GW_V_OFFER));
	/* nothing of it reaches a browser */
	assert_null(strstr(caller->text, "qos"));
	OFFERED(called, 1,
		PHONE("2", "198.51.100.1", "4001",
		      QOS("sendrecv", "sendrecv")));
	assert_true(told(called, GW_V_ACCEPT));
	assert_non_null(strstr(called->text, "a=curr:qos remote sendrecv"));
	ANSWERED(1, NULL);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
}

static void our_resources_are_confirmed_where_that_is_wanted(void **s)
{
	static const char early[] =
		PHONE("1", "198.51.100.1", "4001",
		      QOS("none", "none") "a=conf:qos remote sendrecv\r\n");
	static const char confirmed[] =
		PHONE("2", "198.51.100.1", "4001", QOS("sendrecv", "sendrecv"));
	unsigned before;

	(void)s;
	(void)snprintf(set.sip.precondition, 12, "supported");
	set.sip.precondition_confirm = true;
	call_from(&web_ops, "sip:phone@far", web_offer);
	assert_non_null(strstr(called->text, "a=curr:qos local none"));
	before = version_of(called->text);
	/* an answer that may be replaced binds nobody */
	tells(called, (struct gw_msg){ .verb = GW_V_PROGRESS, .branch = 1 },
	      early);
	assert_int_equal(0, times_told(called, GW_V_OFFER));
	FIRM(1, early);
	assert_true(told(called, GW_V_OFFER));
	assert_int_equal(1, called->last.branch);
	assert_non_null(strstr(called->text, "a=curr:qos local sendrecv"));
	assert_int_equal(before + 1, version_of(called->text));
	/* glare: the other end's status came first */
	tells(called,
	      (struct gw_msg){ .verb = GW_V_REFUSE,
			       .branch = 1,
			       .cause = { .status = 491 } },
	      NULL);
	pass_ms(2100);
	assert_int_equal(2, times_told(called, GW_V_OFFER));
	tells(called,
	      (struct gw_msg){ .verb = GW_V_ACCEPT,
			       .branch = 1,
			       .desc = { GW_DESC_ANSWER } },
	      confirmed);
	ANSWERED(1, NULL);
	assert_true(told(caller, GW_V_ANSWER));
	/* no more of it in the session */
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(called, GW_V_OFFER));
	assert_null(strstr(called->text, "qos"));
	assert_int_equal(before + 3, version_of(called->text));
}

static void a_peer_without_preconditions_is_not_bothered(void **s)
{
	(void)s;
	(void)snprintf(set.sip.precondition, 12, "supported");
	set.sip.precondition_confirm = true;
	call_from(&web_ops, "sip:phone@far", web_offer);
	FIRM(1, one);
	assert_int_equal(0, times_told(called, GW_V_OFFER));
	ANSWERED(1, NULL);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
}

static const char not_yet[] = PHONE("1", "198.51.100.1", "4001",
				    "a=curr:qos local none\r\n"
				    "a=curr:qos remote none\r\n"
				    "a=des:qos mandatory local sendrecv\r\n"
				    "a=des:qos none remote sendrecv\r\n");
static const char ready[] =
	PHONE("2", "198.51.100.1", "4021", QOS("sendrecv", "sendrecv"));

static void nobody_is_alerted_before_the_caller_has_its_resources(void **s)
{
	unsigned first;

	(void)s;
	phone_waits(not_yet);
	assert_true(told(caller, GW_V_PROGRESS));
	assert_int_equal(GW_DESC_EARLY_ANSWER, caller->last.desc.role);
	assert_int_equal(GW_ALERT_NO, caller->last.alert);
	assert_non_null(strstr(caller->text, "a=curr:qos local sendrecv"));
	assert_non_null(strstr(caller->text, "a=conf:qos remote sendrecv"));
	first = version_of(caller->text);
	assert_int_equal(0, called->nsaid);
	/* a change that brings no resources */
	OFFERED(caller, 0, not_yet);
	assert_true(told(caller, GW_V_ACCEPT));
	assert_int_equal(0, called->nsaid);
	OFFERED(caller, 0, ready);
	assert_true(told(caller, GW_V_ACCEPT));
	assert_int_equal(first + 2, version_of(caller->text));
	assert_non_null(strstr(caller->text, "a=curr:qos remote sendrecv"));
	assert_null(strstr(caller->text, "a=conf"));
	assert_true(told(called, GW_V_SETUP));
	assert_null(strstr(called->text, "qos"));
	tells(called,
	      (struct gw_msg){ .verb = GW_V_PROGRESS,
			       .alert = GW_ALERT_RINGING },
	      NULL);
	assert_int_equal(GW_ALERT_RINGING, caller->last.alert);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_answer);
	assert_true(told(caller, GW_V_ANSWER));
	assert_int_equal(4021, configured(GW_TERM_A)->end.stream[0].rtp.port);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_A));
}

static void resources_that_never_come_are_580(void **s)
{
	(void)s;
	phone_waits(not_yet);
	pass_ms(19999);
	assert_int_equal(0, times_told(caller, GW_V_RELEASE));
	pass_ms(1);
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(580, caller->last.cause.status);
	assert_int_equal(0, times_told(called, GW_V_SETUP));
}

static void what_nobody_can_meet_is_580_at_once(void **s)
{
	(void)s;
	phone_waits(PHONE("1", "198.51.100.1", "4001",
			  "a=des:qos mandatory e2e sendrecv\r\n"));
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(580, caller->last.cause.status);
}

static void a_caller_that_is_ready_rings_at_once(void **s)
{
	(void)s;
	phone_waits(ready);
	assert_true(told(called, GW_V_SETUP));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_answer);
	assert_non_null(strstr(caller->text, "a=curr:qos local sendrecv"));
}

static void a_caller_that_gives_up_while_it_waits_leaves_nothing(void **s)
{
	(void)s;
	phone_waits(not_yet);
	releases(caller, 487);
	assert_true(told(called, GW_V_RELEASE));
}

/* ---- every sequence ---- */

enum event {
	E_RINGS,  /* unreliable description, nobody may hear it */
	E_FIRM_1, /* reliable ones of two forks */
	E_FIRM_2,
	E_OFFER_1,  /* UPDATE in the first */
	E_ENDED_1,  /* 199 */
	E_ANSWER_1, /* 200s; the first one's is empty */
	E_ANSWER_2,
	E_CANCEL,
	E_NEVENTS
};

static void happens(enum event ev)
{
	switch (ev) {
	case E_RINGS:
		tells(called,
		      (struct gw_msg){ .verb = GW_V_PROGRESS,
				       .branch = 1,
				       .alert = GW_ALERT_RINGING },
		      one);
		return;
	case E_FIRM_1:
		FIRM(1, one);
		return;
	case E_FIRM_2:
		FIRM(2, two);
		return;
	case E_OFFER_1:
		OFFERED(called, 1, moved);
		return;
	case E_ENDED_1:
		ENDED(1);
		return;
	case E_ANSWER_1:
		ANSWERED(1, NULL);
		return;
	case E_ANSWER_2:
		ANSWERED(2, two);
		return;
	default:
		releases(caller, 487);
	}
}

/* Each offer of a peer has one reply; what the browser gets is one description;
 * nobody is told anything after his end. */
static void lawful(unsigned offers, const char *how)
{
	unsigned replies = times_told(called, GW_V_ACCEPT) +
			   times_told(called, GW_V_REFUSE);
	unsigned ends = times_told(caller, GW_V_RELEASE) +
			times_told(called, GW_V_RELEASE);

	if (replies != offers && called->leg.ops)
		fail_msg("%u offers, %u replies: %s", offers, replies, how);
	if (times_told(caller, GW_V_ANSWER) > 1 || ends > 2)
		fail_msg("answered or ended twice: %s", how);
	if (times_told(caller, GW_V_OFFER))
		fail_msg("the browser was offered to: %s", how);
	if (called->nsaid && ends && called->leg.ops == NULL &&
	    called->said[called->nsaid - 1] != GW_V_RELEASE &&
	    times_told(called, GW_V_RELEASE))
		fail_msg("told after the end: %s", how);
}

static bool answered_by(enum event ev)
{
	return ev == E_ANSWER_1 || ev == E_ANSWER_2;
}

static unsigned run_sequence(const enum event *ev, unsigned n)
{
	unsigned i, offers = 0;
	char how[64] = "";

	for (i = 0; i < n; i++)
		(void)snprintf(how + strlen(how), sizeof(how) - strlen(how),
			       " %d", ev[i]);
	assert_int_equal(0, setup(NULL));
	call_from(&web_ops, "sip:phone@far", web_offer);
	for (i = 0; i < n && called->leg.ops && caller->leg.ops; i++) {
		offers += ev[i] == E_OFFER_1;
		happens(ev[i]);
		lawful(offers, how);
		/* one more event after the answer, then it is over */
		if (i && times_told(caller, GW_V_ANSWER) && !answered_by(ev[i]))
			n = i + 1;
	}
	/* nothing is left, however it stands now */
	assert_int_equal(0, teardown(NULL));
	return i;
}

/* Sequences that go on after the call is over say nothing new: each is cut at
 * its last event that reached anybody. */
static void every_sequence_of_six_events_is_lawful(void **s)
{
	enum event ev[LONGEST] = { 0 };
	unsigned ran = 0;

	(void)s;
	for (;;) {
		unsigned last = run_sequence(ev, LONGEST), at;

		ran++;
		/* the next one that differs where it was still alive */
		for (at = last; at < LONGEST; at++)
			ev[at] = E_RINGS;
		at = last;
		while (at > 0 && ev[at - 1] + 1 == E_NEVENTS)
			ev[--at] = E_RINGS;
		if (!at)
			break;
		ev[at - 1]++;
	}
	assert_true(ran > (LONGEST == 6 ? 10000 : 100));
}

static int none(void **s)
{
	(void)s;
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_fork_is_heard_in_its_turn_and_the_winner_in_the_end),
		T(a_repetition_in_the_200_does_not_count),
		T(a_dialog_that_ends_gives_way_to_another),
		T(authorisation_may_come_later_and_go),
		T(an_unheard_answer_is_kept_for_the_200),
		T(a_fork_that_never_spoke_must_describe_itself),
		T(an_early_dialog_may_move),
		T(a_fork_that_is_not_heard_moves_for_itself),
		T(a_silent_invite_is_offered_to_before_anybody_rings),
		T(a_phone_may_offer_while_it_rings),
		T(what_a_ringing_phone_offers_must_be_usable),
		T(resources_that_are_there_need_no_update),
		T(our_resources_are_confirmed_where_that_is_wanted),
		T(a_peer_without_preconditions_is_not_bothered),
		T(nobody_is_alerted_before_the_caller_has_its_resources),
		T(resources_that_never_come_are_580),
		T(what_nobody_can_meet_is_580_at_once),
		T(a_caller_that_is_ready_rings_at_once),
		T(a_caller_that_gives_up_while_it_waits_leaves_nothing),
		cmocka_unit_test_setup_teardown(
			every_sequence_of_six_events_is_lawful, none, none),
	};

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
