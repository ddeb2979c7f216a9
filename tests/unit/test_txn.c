#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "webrtc/txn.h"

static const char *text;
static size_t len;

static int setup(void **state)
{
	struct gw_txn *t;

	text = NULL;
	len = 0;
	assert_int_equal(0, gw_txn_new(&t, false));
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	gw_txn_free(*state);
	return 0;
}

static enum gw_txn_verdict ask(struct gw_txn *t, uint64_t id, uint64_t now)
{
	return gw_txn_request(t, id, now, &text, &len);
}

static void a_client_counts_even_from_zero(void **state)
{
	struct gw_txn *t = *state;

	assert_int_equal(GW_TXN_SKIPPED, ask(t, 2, 0));
	assert_int_equal(GW_TXN_NEW, ask(t, 0, 0));
	assert_int_equal(GW_TXN_NEW, ask(t, 2, 0));
	assert_int_equal(GW_TXN_SKIPPED, ask(t, 6, 0));
	assert_int_equal(GW_TXN_NEW, ask(t, 4, 0));
}

static void the_wrong_parity_is_told_from_the_wrong_number(void **state)
{
	struct gw_txn *t = *state, *opener;

	assert_int_equal(GW_TXN_PARITY, ask(t, 1, 0));
	assert_int_equal(GW_TXN_PARITY, ask(t, UINT64_MAX, 0));
	assert_int_equal(0, gw_txn_new(&opener, true));
	assert_int_equal(GW_TXN_PARITY, ask(opener, 0, 0));
	assert_int_equal(GW_TXN_NEW, ask(opener, 1, 0));
	gw_txn_free(opener);
}

static void we_count_odd_when_the_client_opened(void **state)
{
	struct gw_txn *t = *state, *opener;
	uint64_t id;

	assert_int_equal(0, gw_txn_open(t, 0, 0, 10, &id));
	assert_int_equal(1, id);
	assert_int_equal(0, gw_txn_open(t, 0, 0, 10, &id));
	assert_int_equal(3, id);
	assert_int_equal(0, gw_txn_new(&opener, true));
	assert_int_equal(0, gw_txn_open(opener, 0, 0, 10, &id));
	assert_int_equal(0, id);
	gw_txn_free(opener);
}

static void a_retransmission_gets_the_cached_response(void **state)
{
	struct gw_txn *t = *state;

	assert_int_equal(GW_TXN_NEW, ask(t, 0, 0));
	assert_int_equal(GW_TXN_PENDING, ask(t, 0, 1));
	assert_int_equal(0, gw_txn_answer(t, 0, "zero", 4, 2));
	assert_int_equal(GW_TXN_REPEAT, ask(t, 0, 3));
	assert_int_equal(4, len);
	assert_memory_equal("zero", text, 4);
	assert_int_equal(GW_TXN_REPEAT, ask(t, 0, 2 + GW_TXN_KEEP_MS - 1));
}

static void responses_are_forgotten_after_32_s_but_ids_never(void **state)
{
	struct gw_txn *t = *state;
	size_t bytes;

	assert_int_equal(GW_TXN_NEW, ask(t, 0, 0));
	assert_int_equal(0, gw_txn_answer(t, 0, "zero", 4, 0));
	assert_int_equal(GW_TXN_GONE, ask(t, 0, GW_TXN_KEEP_MS));
	assert_int_equal(0, gw_txn_kept(t, &bytes));
	assert_int_equal(0, bytes);
	assert_int_equal(GW_TXN_GONE, ask(t, 0, UINT32_MAX));
}

static void transactions_in_parallel_do_not_disturb_each_other(void **state)
{
	struct gw_txn *t = *state;

	for (uint64_t id = 0; id < 10; id += 2)
		assert_int_equal(GW_TXN_NEW, ask(t, id, 0));
	assert_int_equal(0, gw_txn_answer(t, 6, "six", 3, 0));
	assert_int_equal(GW_TXN_PENDING, ask(t, 4, 0));
	assert_int_equal(GW_TXN_REPEAT, ask(t, 6, 0));
	assert_memory_equal("six", text, 3);
	/* One that takes long is not lost behind those that were quick. */
	assert_int_equal(GW_TXN_PENDING, ask(t, 0, 10 * GW_TXN_KEEP_MS));
	assert_int_equal(GW_TXN_GONE, ask(t, 6, 10 * GW_TXN_KEEP_MS));
}

static void what_is_kept_is_bounded_in_number_and_bytes(void **state)
{
	struct gw_txn *t = *state;
	char *big = calloc(1, 10000);
	size_t bytes;

	assert_non_null(big);
	for (uint64_t id = 0; id < 2 * 3000; id += 2) {
		assert_int_equal(GW_TXN_NEW, ask(t, id, 0));
		assert_int_equal(0, gw_txn_answer(t, id, "x", 1, 0));
	}
	assert_true(gw_txn_kept(t, &bytes) <= GW_TXN_MAX_KEPT);
	assert_int_equal(GW_TXN_GONE, ask(t, 0, 0));
	assert_int_equal(GW_TXN_REPEAT, ask(t, 2 * 2999, 0));
	for (uint64_t id = 2 * 3000; id < 2 * 3100; id += 2) {
		assert_int_equal(GW_TXN_NEW, ask(t, id, 0));
		assert_int_equal(0, gw_txn_answer(t, id, big, 10000, 0));
	}
	(void)gw_txn_kept(t, &bytes);
	assert_true(bytes <= GW_TXN_MAX_BYTES);
	assert_int_equal(GW_TXN_REPEAT, ask(t, 2 * 3099, 0));
	free(big);
}

static void a_response_finds_its_request_once(void **state)
{
	struct gw_txn *t = *state;
	struct gw_txn_our our;
	uint64_t a, b;

	assert_int_equal(0, gw_txn_open(t, 7, 1, 100, &a));
	assert_int_equal(0, gw_txn_open(t, 8, 2, 50, &b));
	assert_int_equal(50, gw_txn_next_due_ms(t));
	assert_int_equal(0, gw_txn_close(t, b, &our));
	assert_int_equal(8, our.subject);
	assert_int_equal(2, our.what);
	assert_int_equal(-ENOENT, gw_txn_close(t, b, &our));
	assert_int_equal(-ENOENT, gw_txn_close(t, 99, &our));
	assert_int_equal(100, gw_txn_next_due_ms(t));
}

static void requests_without_response_expire(void **state)
{
	struct gw_txn *t = *state;
	struct gw_txn_our our;
	uint64_t id;

	assert_int_equal(0, gw_txn_open(t, 7, 1, 100, &id));
	assert_false(gw_txn_expired(t, 99, &our));
	assert_true(gw_txn_expired(t, 100, &our));
	assert_int_equal(id, our.id);
	assert_false(gw_txn_expired(t, 100, &our));
	assert_true(gw_txn_next_due_ms(t) == UINT64_MAX);
	assert_int_equal(-ENOENT, gw_txn_close(t, id, &our)); /* too late */
}

static void requests_without_response_are_bounded(void **state)
{
	struct gw_txn *t = *state;
	struct gw_txn_our our;
	uint64_t id;

	for (int i = 0; i < GW_TXN_MAX_OUR; i++)
		assert_int_equal(0, gw_txn_open(t, 0, 0, 1, &id));
	assert_int_equal(-ENOSPC, gw_txn_open(t, 0, 0, 1, &id));
	assert_int_equal(0, gw_txn_close(t, 1, &our));
	assert_int_equal(0, gw_txn_open(t, 0, 0, 1, &id));
	assert_int_equal(2 * GW_TXN_MAX_OUR + 1, id); /* never reused */
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_client_counts_even_from_zero),
		T(the_wrong_parity_is_told_from_the_wrong_number),
		T(we_count_odd_when_the_client_opened),
		T(a_retransmission_gets_the_cached_response),
		T(responses_are_forgotten_after_32_s_but_ids_never),
		T(transactions_in_parallel_do_not_disturb_each_other),
		T(what_is_kept_is_bounded_in_number_and_bytes),
		T(a_response_finds_its_request_once),
		T(requests_without_response_expire),
		T(requests_without_response_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
