#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/mailbox.h"

struct letter {
	uint32_t from;
	uint32_t number;
	char filler[41]; /* an odd size, so that places need rounding */
};

static bool readable(const struct gw_mailbox *mb, int ms)
{
	struct pollfd p = { .fd = gw_mailbox_fd(mb), .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static void letters_come_out_as_they_went_in(void **state)
{
	struct gw_mailbox *mb;
	struct letter in = { .from = 1 }, out;

	(void)state;
	assert_int_equal(0, gw_mailbox_new(&mb, sizeof(in), 4));
	assert_false(gw_mailbox_take(mb, &out));
	assert_false(readable(mb, 0));
	for (uint32_t lap = 0; lap < 100; lap++) {
		for (uint32_t i = 0; i < 3; i++) {
			in.number = lap * 3 + i;
			memset(in.filler, (int)i, sizeof(in.filler));
			assert_int_equal(0, gw_mailbox_post(mb, &in));
		}
		assert_true(readable(mb, 0));
		gw_mailbox_quiet(mb);
		assert_false(readable(mb, 0));
		for (uint32_t i = 0; i < 3; i++) {
			assert_true(gw_mailbox_take(mb, &out));
			assert_int_equal(lap * 3 + i, out.number);
			assert_int_equal((char)i, out.filler[40]);
		}
		assert_false(gw_mailbox_take(mb, &out));
	}
	gw_mailbox_free(mb);
}

static void a_full_one_refuses_and_loses_nothing(void **state)
{
	struct gw_mailbox *mb;
	struct letter in = { 0 }, out;

	(void)state;
	/* 5 is rounded up to 8 */
	assert_int_equal(0, gw_mailbox_new(&mb, sizeof(in), 5));
	for (in.number = 0; in.number < 8; in.number++)
		assert_int_equal(0, gw_mailbox_post(mb, &in));
	assert_int_equal(-EAGAIN, gw_mailbox_post(mb, &in));
	assert_true(gw_mailbox_take(mb, &out));
	assert_int_equal(0, out.number);
	assert_int_equal(0, gw_mailbox_post(mb, &in));
	assert_int_equal(-EAGAIN, gw_mailbox_post(mb, &in));
	for (uint32_t i = 1; i <= 8; i++) {
		assert_true(gw_mailbox_take(mb, &out));
		assert_int_equal(i, out.number);
	}
	assert_false(gw_mailbox_take(mb, &out));
	gw_mailbox_free(mb);
}

static void sizes_that_make_no_sense_are_refused(void **state)
{
	struct gw_mailbox *mb = NULL;

	(void)state;
	assert_int_equal(-EINVAL, gw_mailbox_new(&mb, 0, 8));
	assert_int_equal(-EINVAL, gw_mailbox_new(&mb, 8, 0));
	assert_int_equal(-EINVAL, gw_mailbox_new(&mb, 8, SIZE_MAX));
	assert_int_equal(-EINVAL, gw_mailbox_new(&mb, SIZE_MAX, 8));
	assert_null(mb);
	gw_mailbox_free(NULL);
}

/* Whatever is posted and taken in between. */
static void order_and_capacity_stay_what_they_are(void **state)
{
	static const size_t capacities[] = { 2, 32, 64, 128, 1024 };
	struct letter in = { 0 }, out;

	(void)state;
	for (size_t c = 0; c < sizeof(capacities) / sizeof(*capacities); c++) {
		struct gw_mailbox *mb;
		uint32_t put = 0, got = 0, dice = 1;

		assert_int_equal(
			0, gw_mailbox_new(&mb, sizeof(in), capacities[c]));
		for (int i = 0; i < 50000; i++) {
			/* Posts win in one half of the time, takes after. */
			bool post = (dice = dice * 1103515245u + 12345u) >> 16 &
				    (i & 4096 ? 1 : 3);

			in.number = put;
			if (post && put - got < capacities[c]) {
				assert_int_equal(0, gw_mailbox_post(mb, &in));
				put++;
			} else if (post) {
				assert_int_equal(-EAGAIN,
						 gw_mailbox_post(mb, &in));
			} else {
				assert_int_equal(put != got,
						 gw_mailbox_take(mb, &out));
				if (put != got)
					assert_int_equal(got++, out.number);
			}
		}
		assert_true(got > 10000);
		gw_mailbox_free(mb);
	}
}

static long resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = -1;

	assert_non_null(f);
	assert_int_equal(1, fscanf(f, "%*d %ld", &pages));
	(void)fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

static void what_is_never_under_way_at_once_is_not_resident(void **state)
{
	static unsigned char page[8192], out[8192];
	struct gw_mailbox *mb;
	long before;

	(void)state;
	assert_int_equal(0, gw_mailbox_new(&mb, sizeof(page), 4096));
	memset(page, 1, sizeof(page));
	memset(out, 0, sizeof(out));
	before = resident_bytes();
	for (int i = 0; i < 3 * 4096; i++) {
		assert_int_equal(0, gw_mailbox_post(mb, page));
		if (i)
			assert_true(gw_mailbox_take(mb, out));
	}
	/* A lap is 32 MB. */
	assert_true(resident_bytes() - before < 4 << 20);
	gw_mailbox_free(mb);
}

#define POSTERS 4
#define LETTERS 20000

struct poster {
	struct gw_mailbox *mb;
	uint32_t id;
	unsigned refused;
};

static void *post_all(void *arg)
{
	struct poster *p = arg;
	struct letter l = { .from = p->id };

	for (l.number = 0; l.number < LETTERS; l.number++) {
		memset(l.filler, (int)(l.number & 0x7f), sizeof(l.filler));
		while (gw_mailbox_post(p->mb, &l)) {
			p->refused++;
			(void)sched_yield();
		}
	}
	return NULL;
}

/* The owner sleeps between wake-ups: were one lost, poll would time out. */
static void many_may_post_in_order_and_no_wake_up_is_lost(void **state)
{
	struct poster posters[POSTERS];
	pthread_t threads[POSTERS];
	uint32_t next[POSTERS] = { 0 }, got = 0;
	struct gw_mailbox *mb;
	struct letter l;

	(void)state;
	assert_int_equal(0, gw_mailbox_new(&mb, sizeof(l), 16));
	for (uint32_t i = 0; i < POSTERS; i++) {
		posters[i] = (struct poster){ .mb = mb, .id = i };
		assert_int_equal(0, pthread_create(&threads[i], NULL, post_all,
						   &posters[i]));
	}
	while (got < POSTERS * LETTERS) {
		assert_true(readable(mb, 30000));
		gw_mailbox_quiet(mb);
		while (gw_mailbox_take(mb, &l)) {
			assert_in_range(l.from, 0, POSTERS - 1);
			assert_int_equal(next[l.from], l.number);
			assert_int_equal(l.number & 0x7f, l.filler[0]);
			assert_int_equal(l.number & 0x7f, l.filler[40]);
			next[l.from]++;
			got++;
		}
	}
	for (int i = 0; i < POSTERS; i++)
		assert_int_equal(0, pthread_join(threads[i], NULL));
	assert_false(gw_mailbox_take(mb, &l));
	gw_mailbox_free(mb);
}

static void *post_one_by_one(void *arg)
{
	struct gw_mailbox **mb = arg;
	uint32_t n;

	/* Answers each letter: one in flight, each needs its own wake-up. */
	for (uint32_t i = 0; i < 5000; i++) {
		while (gw_mailbox_post(mb[0], &i))
			(void)sched_yield();
		if (!readable(mb[1], 30000))
			return (void *)1;
		gw_mailbox_quiet(mb[1]);
		if (!gw_mailbox_take(mb[1], &n) || n != i)
			return (void *)1;
	}
	return NULL;
}

static void each_single_letter_wakes_its_owner(void **state)
{
	struct gw_mailbox *mb[2];
	pthread_t thread;
	void *failed;
	uint32_t n;

	(void)state;
	assert_int_equal(0, gw_mailbox_new(&mb[0], sizeof(n), 2));
	assert_int_equal(0, gw_mailbox_new(&mb[1], sizeof(n), 2));
	assert_int_equal(0, pthread_create(&thread, NULL, post_one_by_one, mb));
	for (uint32_t i = 0; i < 5000;) {
		assert_true(readable(mb[0], 30000));
		gw_mailbox_quiet(mb[0]);
		while (gw_mailbox_take(mb[0], &n)) {
			assert_int_equal(i++, n);
			assert_int_equal(0, gw_mailbox_post(mb[1], &n));
		}
	}
	assert_int_equal(0, pthread_join(thread, &failed));
	assert_null(failed);
	gw_mailbox_free(mb[0]);
	gw_mailbox_free(mb[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_come_out_as_they_went_in),
		cmocka_unit_test(a_full_one_refuses_and_loses_nothing),
		cmocka_unit_test(sizes_that_make_no_sense_are_refused),
		cmocka_unit_test(order_and_capacity_stay_what_they_are),
		cmocka_unit_test(
			what_is_never_under_way_at_once_is_not_resident),
		cmocka_unit_test(many_may_post_in_order_and_no_wake_up_is_lost),
		cmocka_unit_test(each_single_letter_wakes_its_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
