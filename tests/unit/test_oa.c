#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/oa.h"
#include "tests/unit/cm.h"

static enum gw_oa_state after(enum gw_oa_state st, enum gw_oa_event ev, int rc)
{
	struct gw_oa oa = { st };

	assert_int_equal(rc, gw_oa_event(&oa, ev));
	return oa.state;
}

static void an_offer_and_its_answer_make_it_stable(void **s)
{
	(void)s;
	assert_int_equal(GW_OA_REMOTE, after(GW_OA_IDLE, GW_OA_PEER_OFFERS, 0));
	assert_int_equal(GW_OA_STABLE, after(GW_OA_REMOTE, GW_OA_WE_ANSWER, 0));
	assert_int_equal(GW_OA_LOCAL, after(GW_OA_IDLE, GW_OA_WE_OFFER, 0));
	assert_int_equal(GW_OA_STABLE,
			 after(GW_OA_LOCAL, GW_OA_PEER_ANSWERS, 0));
}

static void crossing_offers_are_glare(void **s)
{
	(void)s;
	assert_int_equal(GW_OA_LOCAL_AGAIN,
			 after(GW_OA_LOCAL_AGAIN, GW_OA_PEER_OFFERS, -EPROTO));
	assert_int_equal(GW_OA_REMOTE_AGAIN,
			 after(GW_OA_REMOTE_AGAIN, GW_OA_WE_OFFER, -EPROTO));
}

static void an_early_dialog_takes_offers_of_both_one_at_a_time(void **s)
{
	(void)s;
	assert_int_equal(GW_OA_LOCAL,
			 after(GW_OA_LOCAL, GW_OA_PEER_OFFERS, -EPROTO));
	assert_int_equal(GW_OA_LOCAL_EARLY_ASKED,
			 after(GW_OA_LOCAL_EARLY, GW_OA_PEER_OFFERS, 0));
	assert_int_equal(
		GW_OA_LOCAL_EARLY_ASKED,
		after(GW_OA_LOCAL_EARLY_ASKED, GW_OA_WE_OFFER, -EPROTO));
	assert_int_equal(GW_OA_LOCAL_EARLY,
			 after(GW_OA_LOCAL_EARLY_ASKED, GW_OA_WE_REFUSE, 0));
	assert_int_equal(GW_OA_REMOTE_EARLY_AGAIN,
			 after(GW_OA_REMOTE_EARLY, GW_OA_WE_OFFER, 0));
	assert_int_equal(GW_OA_REMOTE_EARLY, after(GW_OA_REMOTE_EARLY_AGAIN,
						   GW_OA_PEER_REFUSES, 0));
}

static void a_refused_change_leaves_the_session(void **s)
{
	(void)s;
	assert_int_equal(GW_OA_STABLE,
			 after(GW_OA_LOCAL_AGAIN, GW_OA_PEER_REFUSES, 0));
	assert_int_equal(GW_OA_STABLE,
			 after(GW_OA_REMOTE_AGAIN, GW_OA_WE_REFUSE, 0));
}

static void an_answer_nobody_asked_for_moves_nothing(void **s)
{
	static const enum gw_oa_event answers[] = {
		GW_OA_PEER_ANSWERS,
		GW_OA_PEER_ANSWERS_EARLY,
		GW_OA_WE_ANSWER,
		GW_OA_WE_ANSWER_EARLY,
	};

	(void)s;
	for (size_t i = 0; i < 4; i++) {
		after(GW_OA_IDLE, answers[i], -EPROTO);
		after(GW_OA_STABLE, answers[i], -EPROTO);
	}
}

/* Offers that the 200 or somebody else has still to answer: an early answer
 * leaves the first one open, and one more may stand in its early dialog. */
static int open_offers(enum gw_oa_state st)
{
	switch (st) {
	case GW_OA_IDLE:
	case GW_OA_STABLE:
		return 0;
	case GW_OA_LOCAL_EARLY_AGAIN:
	case GW_OA_LOCAL_EARLY_ASKED:
	case GW_OA_REMOTE_EARLY_AGAIN:
	case GW_OA_REMOTE_EARLY_ASKED:
		return 2;
	default:
		return 1;
	}
}

/* Each walk of six events: nothing is offered while an offer in the same place
 * is unanswered, and each answer has its offer. */
static void every_walk_of_six_keeps_one_offer_at_most(void **s)
{
	unsigned legal = 0;

	(void)s;
	for (unsigned walk = 0; walk < 531441; walk++) { /* 9^6 */
		struct gw_oa oa = { GW_OA_IDLE };
		int out = 0;
		unsigned w = walk;

		for (int i = 0; i < 6; i++, w /= GW_OA_NEVENTS) {
			enum gw_oa_event ev = w % GW_OA_NEVENTS;

			if (gw_oa_event(&oa, ev))
				continue;
			legal++;
			if (ev == GW_OA_PEER_OFFERS || ev == GW_OA_WE_OFFER)
				out++;
			else if (ev == GW_OA_PEER_ANSWERS ||
				 ev == GW_OA_WE_ANSWER ||
				 ev == GW_OA_PEER_REFUSES ||
				 ev == GW_OA_WE_REFUSE)
				out--;
			assert_int_equal(out, open_offers(oa.state));
		}
	}
	assert_true(legal > 0);
}

static void the_diagram_shows_the_table(void **s)
{
	static char doc[16384];
	FILE *f = fopen("docs/offer-answer.md", "r");
	size_t n;

	(void)s;
	assert_non_null(f);
	n = fread(doc, 1, sizeof(doc) - 1, f);
	doc[n] = '\0';
	(void)fclose(f);
	for (int st = 0; st < GW_OA_NSTATES; st++) {
		for (int ev = 0; ev < GW_OA_NEVENTS; ev++) {
			struct gw_oa oa = { st };
			char row[128];

			if (gw_oa_event(&oa, ev))
				continue;
			(void)snprintf(row, sizeof(row), "| %s | %s | %s |",
				       gw_oa_state_name(st),
				       gw_oa_event_name(ev),
				       gw_oa_state_name(oa.state));
			if (!strstr(doc, row))
				fail_msg("docs/offer-answer.md lacks %s", row);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_offer_and_its_answer_make_it_stable),
		cmocka_unit_test(crossing_offers_are_glare),
		cmocka_unit_test(
			an_early_dialog_takes_offers_of_both_one_at_a_time),
		cmocka_unit_test(a_refused_change_leaves_the_session),
		cmocka_unit_test(an_answer_nobody_asked_for_moves_nothing),
		cmocka_unit_test(every_walk_of_six_keeps_one_offer_at_most),
		cmocka_unit_test(the_diagram_shows_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
