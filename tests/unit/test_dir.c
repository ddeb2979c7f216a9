/* The direction algebra over all of its values, against tables from the RFC. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "sdp/session.h"

#define INACT GW_DIR_INACTIVE
#define SEND  GW_DIR_SENDONLY
#define RECV  GW_DIR_RECVONLY
#define BOTH  GW_DIR_SENDRECV

/* Rows: the offer; columns: what the answerer wants; in the order of the
 * enum.  Written from the sentences of RFC 3264 6.1, not from the code. */
static const enum gw_dir answers[4][4] = {
  /* wants   INACT  SEND   RECV   BOTH */
	[INACT] = {INACT,  INACT, INACT, INACT},
	[SEND] = { INACT, INACT, RECV,  RECV },
	[RECV] = { INACT, SEND,  INACT, SEND },
	[BOTH] = { INACT, SEND,  RECV,  BOTH },
};

static void every_answer_is_the_one_of_rfc_3264(void **state)
{
	int offer, want;

	(void)state;
	for (offer = 0; offer < 4; offer++) {
		for (want = 0; want < 4; want++)
			assert_int_equal(gw_dir_answer((enum gw_dir)offer,
						       (enum gw_dir)want),
					 answers[offer][want]);
	}
}

static void reversing_swaps_sending_and_receiving(void **state)
{
	int d;

	(void)state;
	assert_int_equal(gw_dir_reverse(INACT), INACT);
	assert_int_equal(gw_dir_reverse(SEND), RECV);
	assert_int_equal(gw_dir_reverse(RECV), SEND);
	assert_int_equal(gw_dir_reverse(BOTH), BOTH);
	for (d = 0; d < 4; d++)
		assert_int_equal(gw_dir_reverse(gw_dir_reverse((enum gw_dir)d)),
				 d);
}

static void an_answer_never_sends_what_the_offer_does_not_receive(void **state)
{
	int offer, want;

	(void)state;
	for (offer = 0; offer < 4; offer++) {
		for (want = 0; want < 4; want++) {
			int a = (int)gw_dir_answer((enum gw_dir)offer,
						   (enum gw_dir)want);

			assert_true(!(a & SEND) || (offer & RECV));
			assert_true(!(a & RECV) || (offer & SEND));
			assert_int_equal(a & ~want, 0);
		}
	}
}

static void names_are_those_of_the_attributes(void **state)
{
	(void)state;
	assert_string_equal(gw_dir_name(INACT), "inactive");
	assert_string_equal(gw_dir_name(SEND), "sendonly");
	assert_string_equal(gw_dir_name(RECV), "recvonly");
	assert_string_equal(gw_dir_name(BOTH), "sendrecv");
}

static struct gw_sess audio(enum gw_dir dir)
{
	struct gw_sess s = { .nstream = 1 };
	struct gw_sess_stream *m = &s.stream[0];

	m->kind = GW_KIND_AUDIO;
	m->dir = dir;
	m->ncodec = 1;
	m->codec[0] = (struct gw_sess_codec){ 0, 1, 8000, "PCMU", "", 0 };
	return s;
}

/*
 * Through us: A offers, B is offered the same, B answers, A is answered.  For
 * each offer and each thing B may say (also what it must not), both ends
 * agree on who sends, and nobody is sent what they did not ask for.
 */
static void both_legs_agree_for_every_offer_and_answer(void **state)
{
	static struct gw_sess a, to_b, b, to_a;
	int offer, theirs;

	(void)state;
	for (offer = 0; offer < 4; offer++) {
		for (theirs = 0; theirs < 4; theirs++) {
			a = audio((enum gw_dir)offer);
			b = audio((enum gw_dir)theirs);
			assert_int_equal(gw_sess_relay_offer(&to_b, &a, NULL),
					 0);
			assert_int_equal(to_b.stream[0].dir, offer);
			assert_int_equal(gw_sess_relay_answer(&to_a, &a, &b),
					 0);
			assert_int_equal(to_a.stream[0].dir,
					 answers[offer][theirs]);
		}
	}
}

static void our_own_answer_is_legal_for_every_offer_and_wish(void **state)
{
	static struct gw_sess o, a;
	int offer, want;

	(void)state;
	for (offer = 0; offer < 4; offer++) {
		for (want = 0; want < 4; want++) {
			o = audio((enum gw_dir)offer);
			assert_int_equal(gw_sess_local_answer(&a, &o,
							      (enum gw_dir)want,
							      NULL),
					 0);
			assert_int_equal(a.stream[0].dir, answers[offer][want]);
		}
	}
}

/* One side holds, then the other too, then each lets go: RFC 3264 8.4. */
static void hold_from_both_sides_ends_only_when_both_resume(void **state)
{
	static const struct {
		bool a_holds, b_holds;
		enum gw_dir at_a, at_b; /* what each ends up with */
	} steps[] = {
		{false,  false, BOTH,  BOTH },
                { true,  false, SEND,  RECV },
		{ true,  true,  INACT, INACT},
                { false, true,  RECV,  SEND },
		{ false, false, BOTH,  BOTH },
	};
	static struct gw_sess a, to_b, b, to_a;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		enum gw_dir offer = steps[i].a_holds ? SEND : BOTH;
		enum gw_dir want = steps[i].b_holds ? SEND : BOTH;

		a = audio(offer);
		assert_int_equal(gw_sess_relay_offer(&to_b, &a, NULL), 0);
		assert_int_equal(gw_sess_local_answer(&b, &to_b, want, NULL),
				 0);
		assert_int_equal(gw_sess_relay_answer(&to_a, &a, &b), 0);
		assert_int_equal(b.stream[0].dir, steps[i].at_b);
		/* What A has is what it was told, seen from its side. */
		assert_int_equal(gw_dir_reverse(to_a.stream[0].dir),
				 steps[i].at_a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_answer_is_the_one_of_rfc_3264),
		cmocka_unit_test(reversing_swaps_sending_and_receiving),
		cmocka_unit_test(
			an_answer_never_sends_what_the_offer_does_not_receive),
		cmocka_unit_test(names_are_those_of_the_attributes),
		cmocka_unit_test(both_legs_agree_for_every_offer_and_answer),
		cmocka_unit_test(
			our_own_answer_is_legal_for_every_offer_and_wish),
		cmocka_unit_test(
			hold_from_both_sides_ends_only_when_both_resume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
