/* Packets that did not come: what is asked for, how often, and when not. */
#include "tests/unit/cm.h"

#include <string.h>

#include "media/nack.h"

static struct gw_rtcp_missing out[32];
static bool lost;

static unsigned due(struct gw_nack *k, uint64_t now_us)
{
	return gw_nack_due(k, now_us, out, 32, &lost);
}

static void a_gap_is_asked_for_at_once_and_in_one(void **state)
{
	struct gw_nack k = { 0 };

	(void)state;
	assert_int_equal(gw_nack_heard(&k, 65530), GW_NACK_NOTHING);
	assert_int_equal(gw_nack_heard(&k, 65531), GW_NACK_NOTHING);
	assert_true(gw_nack_next_us(&k) == UINT64_MAX);
	assert_int_equal(gw_nack_heard(&k, 3), GW_NACK_ASK);
	assert_true(gw_nack_next_us(&k) == 0);
	assert_int_equal(due(&k, 1000), 1);
	assert_int_equal(out[0].seq, 65532);
	assert_int_equal(out[0].behind, 0x003f); /* ...33 to 2 */
	assert_false(lost);
	assert_int_equal(due(&k, 1001), 0);
	/* One that is too far behind for the same word. */
	assert_int_equal(gw_nack_heard(&k, 5), GW_NACK_ASK);
	assert_int_equal(gw_nack_heard(&k, 30), GW_NACK_ASK);
	assert_int_equal(due(&k, 1002), 2);
	assert_int_equal(out[0].seq, 4);
	assert_int_equal(out[0].behind, 0xfffe); /* 6 to 20 */
	assert_int_equal(out[1].seq, 21);
	assert_int_equal(out[1].behind, 0x00ff);
}

static void what_comes_late_is_asked_for_no_more(void **state)
{
	struct gw_nack k = { 0 };

	(void)state;
	(void)gw_nack_heard(&k, 10);
	assert_int_equal(gw_nack_heard(&k, 13), GW_NACK_ASK);
	assert_int_equal(gw_nack_heard(&k, 11), GW_NACK_NOTHING);
	assert_int_equal(gw_nack_heard(&k, 11), GW_NACK_NOTHING);
	assert_int_equal(due(&k, 1), 1);
	assert_int_equal(out[0].seq, 12);
	assert_int_equal(out[0].behind, 0);
	assert_int_equal(gw_nack_heard(&k, 12), GW_NACK_NOTHING);
	assert_true(gw_nack_next_us(&k) == UINT64_MAX);
	assert_int_equal(due(&k, 1000000), 0);
}

static void it_is_asked_for_some_times_and_then_given_up(void **state)
{
	struct gw_nack k = { 0 };
	uint64_t now = 5000;

	(void)state;
	(void)gw_nack_heard(&k, 1);
	(void)gw_nack_heard(&k, 3);
	for (int i = 0; i < GW_NACK_TIMES; i++) {
		assert_int_equal(due(&k, now), 1);
		assert_false(lost);
		assert_true(gw_nack_next_us(&k) == now + GW_NACK_GAP_US);
		assert_int_equal(due(&k, now + GW_NACK_GAP_US - 1), 0);
		now += GW_NACK_GAP_US;
	}
	assert_int_equal(due(&k, now), 0);
	assert_true(lost);
	assert_true(gw_nack_next_us(&k) == UINT64_MAX);
}

static void a_leap_is_no_case_for_it(void **state)
{
	struct gw_nack k = { 0 };

	(void)state;
	(void)gw_nack_heard(&k, 1);
	assert_int_equal(gw_nack_heard(&k, 2 + GW_NACK_MAX), GW_NACK_ASK);
	assert_int_equal(gw_nack_heard(&k, 4 + GW_NACK_MAX), GW_NACK_LOST);
	assert_true(gw_nack_next_us(&k) == UINT64_MAX);
	assert_int_equal(gw_nack_heard(&k, 5 + GW_NACK_MAX), GW_NACK_NOTHING);
	assert_int_equal(gw_nack_heard(&k, 30000), GW_NACK_LOST);
	assert_int_equal(gw_nack_heard(&k, 30001), GW_NACK_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gap_is_asked_for_at_once_and_in_one),
		cmocka_unit_test(what_comes_late_is_asked_for_no_more),
		cmocka_unit_test(it_is_asked_for_some_times_and_then_given_up),
		cmocka_unit_test(a_leap_is_no_case_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
