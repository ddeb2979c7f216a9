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
		cmocka_unit_test(many_may_post_in_order_and_no_wake_up_is_lost),
		cmocka_unit_test(each_single_letter_wakes_its_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
