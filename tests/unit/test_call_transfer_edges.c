/* Transfers at their edges: who may not be named, who would be left talking to
 * nobody, and what comes while the parties change. */
#include "tests/unit/call_transfer.h"

static const char other_sdp[] = SIP_SDP("9", "198.51.100.99", "sendrecv");
static const char secret[] = "sip:secret@far";

static void hears(struct fake_leg *f, struct gw_msg *msg)
{
	f->leg.handler(&f->leg, msg, f->leg.arg);
}

static void ask(struct fake_leg *f, bool stays, const char *target)
{
	struct gw_msg msg = {
		.verb = GW_V_TRANSFER,
		.target = {target, NULL},
		.stays = stays,
	};

	hears(f, &msg);
	media_works();
}

static void ask_join(struct fake_leg *f, struct fake_leg *other)
{
	struct gw_msg msg = { .verb = GW_V_TRANSFER, .joins = &other->leg };

	hears(f, &msg);
	media_works();
}

static void refuses(struct fake_leg *f, uint16_t status)
{
	struct gw_msg msg = { .verb = GW_V_REFUSE,
			      .cause = { .status = status } };

	hears(f, &msg);
	media_works();
}

static struct fake_leg *old;

/* The browser and the phone talk. */
static void web_and_phone(void)
{
	browser_calls_phone();
	if (told(caller, GW_V_OFFER))
		says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	old = set_aside(&called);
}

/* ---- nobody is left ---- */

static void two_echoes_are_not_joined(void **state)
{
	struct fake_leg *first;

	(void)state;
	call_from(&web_ops, "echo", web_offer);
	settle();
	first = set_aside(&caller);
	call_from(&web_ops, "echo", web_offer);
	settle();
	assert_int_equal(1, times_told(caller, GW_V_ANSWER));
	ask_join(caller, first);
	settle();
	assert_true(told(caller, GW_V_TRANSFER));
	assert_int_equal(488, caller->last.cause.status);
	assert_int_equal(0, times_told(first, GW_V_RELEASE));
	/* Both go on, and end. */
	releases(caller, 200);
	releases(first, 200);
	assert_int_equal(0, core.ncalls);
}

/* Who has both ends of two calls that were joined would leave a ring. */
static void who_is_both_parties_cannot_leave_both(void **state)
{
	struct fake_leg *first, *second, *second_phone;

	(void)state;
	web_and_phone();
	first = caller;
	call_from(&web_ops, "sip:third@far", web_offer);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_sdp);
	if (told(caller, GW_V_OFFER))
		says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	second = set_aside(&caller);
	second_phone = set_aside(&called);
	caller = first;
	ask_join(caller, second);
	settle();
	assert_true(told(second, GW_V_RELEASE));
	says(old, GW_V_ACCEPT, GW_DESC_ANSWER, sip_sdp);
	says(second_phone, GW_V_ACCEPT, GW_DESC_ANSWER, other_sdp);
	settle();
	ask_join(old, second_phone);
	settle();
	assert_true(told(old, GW_V_TRANSFER));
	assert_int_equal(488, old->last.cause.status);
	/* An echo where one leaves is one party; a second would be none. */
	ask(old, false, "echo");
	settle();
	assert_true(told(old, GW_V_RELEASE));
	assert_int_equal(0, times_told(second_phone, GW_V_RELEASE));
	if (told(second_phone, GW_V_OFFER))
		says(second_phone, GW_V_ACCEPT, GW_DESC_ANSWER, other_sdp);
	settle();
	ask(second_phone, false, "echo");
	assert_int_equal(488, second_phone->last.cause.status);
	releases(second_phone, 200);
	settle();
	media_works();
	assert_int_equal(0, core.ncalls);
}

/* ---- who withholds his name ---- */

static void secret_caller(void)
{
	struct gw_msg msg = {
		.verb = GW_V_SETUP,
		.asserted = {secret,               NULL},
		.target = {             "sip:alice@home",                NULL   },
		.privacy = true,
		.desc = { GW_DESC_OFFER, sip_sdp,    sizeof(sip_sdp) - 1 },
	};

	caller = fake_leg(&core_ops);
	gw_core_incoming(&caller->leg, &msg, &core);
	media_works();
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_answer);
}

static void a_caller_in_place_of_another_may_be_anonymous(void **state)
{
	struct gw_msg msg = {
		.verb = GW_V_SETUP,
		.asserted = {secret,     "Agent X"            },
		.privacy = true,
		.desc = { GW_DESC_OFFER, other_sdp, sizeof(other_sdp) - 1 },
	};
	struct fake_leg *hidden;

	(void)state;
	web_and_phone();
	called = fake_leg(&core_ops);
	hidden = set_aside(&called);
	msg.instead_of = &old->leg;
	gw_core_incoming(&hidden->leg, &msg, &core);
	assert_true(told(hidden, GW_V_ANSWER));
	assert_true(told(caller, GW_V_TRANSFER));
	assert_null(caller->last.asserted.uri);
	assert_string_equal("", caller->target);
	settle();
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	/* Nor is he named when he is handed on, outside of the trust domain. */
	ask(caller, false, "sip:alice@home");
	assert_true(called->last.privacy);
	assert_string_equal(secret, called->last.asserted.uri);
}

static void who_joins_does_not_learn_who_called_anonymously(void **state)
{
	struct fake_leg *hidden, *first, *second;

	(void)state;
	secret_caller();
	hidden = set_aside(&caller);
	first = set_aside(&called);
	call_from(&web_ops, "sip:alice@home", web_offer);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_answer);
	second = caller;
	/* The new party of the second call is the anonymous one. */
	ask_join(second, first);
	assert_string_equal("", second->target);
	settle();
	assert_true(told(second, GW_V_RELEASE));
	assert_true(told(first, GW_V_RELEASE));
	assert_int_equal(0, times_told(first, GW_V_TRANSFER));
	assert_int_equal(1, times_told(called, GW_V_TRANSFER));
	assert_string_equal("", called->target);
	assert_int_equal(0, times_told(hidden, GW_V_RELEASE));
}

static void nor_who_is_joined_to_him(void **state)
{
	struct fake_leg *first;

	(void)state;
	secret_caller();
	(void)set_aside(&caller);
	first = set_aside(&called);
	call_from(&web_ops, "sip:alice@home", web_offer);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_answer);
	/* And the other way round: he is the one that stays. */
	ask_join(first, caller);
	settle();
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(1, times_told(called, GW_V_TRANSFER));
	assert_string_equal("", called->target);
}

/* ---- what comes meanwhile ---- */

/* The phone has changed in vain, and does not take our offer yet. */
static void phone_is_owed_an_offer(void)
{
	web_and_phone();
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(old, GW_V_OFFER));
	old->refuse = -EAGAIN;
	says(old, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	assert_true(told(caller, GW_V_REFUSE));
	settle();
	old->refuse = 0;
}

static void changes_go_on_with_the_new_party(void)
{
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_sdp);
	assert_int_equal(1, times_told(caller, GW_V_TRANSFER));
	settle();
	assert_true(told(caller, GW_V_OFFER));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(called, GW_V_OFFER));
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER,
	     SIP_SDP("10", "198.51.100.99", "recvonly"));
	assert_true(told(caller, GW_V_ACCEPT));
}

static void who_leaves_is_offered_nothing(void **state)
{
	unsigned offers;

	(void)state;
	phone_is_owed_an_offer();
	offers = times_told(old, GW_V_OFFER);
	ask(old, false, "sip:third@far");
	pass_ms(1500);
	assert_int_equal(offers, times_told(old, GW_V_OFFER));
	changes_go_on_with_the_new_party();
}

static void what_was_owed_to_who_has_left_is_forgotten(void **state)
{
	(void)state;
	phone_is_owed_an_offer();
	ask(old, false, "sip:third@far");
	releases(old, 200);
	pass_ms(1500);
	changes_go_on_with_the_new_party();
}

static void what_is_owed_to_who_stays_after_all_is_paid(void **state)
{
	unsigned offers;

	(void)state;
	phone_is_owed_an_offer();
	offers = times_told(old, GW_V_OFFER);
	ask(old, false, "sip:third@far");
	pass_ms(1500);
	releases(called, 486);
	pass_ms(1500);
	assert_int_equal(offers + 1, times_told(old, GW_V_OFFER));
}

/* Its connection was lost when the new party came. */
static void a_client_that_was_away_is_offered_again(void **state)
{
	(void)state;
	web_and_phone();
	ask(old, false, "sip:third@far");
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_sdp);
	settle();
	assert_int_equal(1, times_told(caller, GW_V_OFFER));
	refuses(caller, 504);
	pass_ms(1500);
	assert_int_equal(2, times_told(caller, GW_V_OFFER));
	refuses(caller, 488);
	pass_ms(10000);
	assert_int_equal(2, times_told(caller, GW_V_OFFER));
}

static const struct gw_media_cmd *last_take(void)
{
	for (unsigned i = ncmd; i-- > 0;) {
		if (cmds[i].verb == GW_M_TAKE)
			return &cmds[i];
	}
	fail_msg("nothing was taken");
	return NULL;
}

/* What the old party had is in the record, though the call ended at once. */
static void counters_of_who_left_are_kept_to_the_end(void **state)
{
	struct gw_msg answer = {
		.verb = GW_V_ANSWER,
		.desc = {GW_DESC_ANSWER, web_answer, sizeof(web_answer) - 1}
	}, bye = { .verb = GW_V_RELEASE, .cause = { .status = 200 } };
	struct gw_media_event *ev = calloc(1, sizeof(*ev));

	(void)state;
	assert_non_null(ev);
	web_and_phone();
	ask(caller, true, "sip:alice@home");
	hears(called, &answer);
	hears(called, &bye); /* before media has done anything */
	assert_true(told(caller, GW_V_RELEASE));
	ev->type = GW_E_TAKEN;
	ev->term = GW_TERM_B;
	ev->ctx = last_take()->ctx;
	ev->serial = last_take()->serial;
	ev->stats[GW_TERM_B][0].rx.packets = 500;
	gw_core_media_event(ev, &core);
	free(ev);
	assert_int_equal(1, core.ncalls);
	assert_non_null(core.calls->carried);
	assert_int_equal(500, core.calls->carried[GW_TERM_B][0].rx.packets);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, tidy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(two_echoes_are_not_joined),
		T(who_is_both_parties_cannot_leave_both),
		T(a_caller_in_place_of_another_may_be_anonymous),
		T(who_joins_does_not_learn_who_called_anonymously),
		T(nor_who_is_joined_to_him),
		T(who_leaves_is_offered_nothing),
		T(what_was_owed_to_who_has_left_is_forgotten),
		T(what_is_owed_to_who_stays_after_all_is_paid),
		T(a_client_that_was_away_is_offered_again),
		T(counters_of_who_left_are_kept_to_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
