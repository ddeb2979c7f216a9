#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "gateway/base/timers.h"

static uint64_t now_us;

static uint64_t fake_clock(void *arg)
{
	(void)arg;
	return now_us;
}

static struct gw_timers *ts;

static int set_up(void **state)
{
	(void)state;
	now_us = 1000000;
	return gw_timers_new(&ts, fake_clock, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	gw_timers_free(ts);
	return 0;
}

static int log_of[4096];
static size_t nlog;

static void note(struct gw_timer *t, void *arg)
{
	assert_false(gw_timer_running(t));
	log_of[nlog++ % 4096] = (int)(intptr_t)arg;
}

static void a_timer_runs_once_and_not_before_its_time(void **state)
{
	struct gw_timer t;

	(void)state;
	nlog = 0;
	gw_timer_init(&t, note, (void *)7);
	assert_false(gw_timer_running(&t));
	assert_int_equal(0, gw_timer_start_ms(ts, &t, 5));
	assert_true(gw_timer_running(&t));
	assert_int_equal(1005000, gw_timers_next_us(ts));
	now_us += 4999;
	assert_int_equal(0, gw_timers_run(ts));
	now_us += 1;
	assert_int_equal(1, gw_timers_run(ts));
	assert_int_equal(7, log_of[0]);
	assert_int_equal(0, gw_timers_run(ts));
	assert_true(gw_timers_next_us(ts) == UINT64_MAX);
}

static void lazy_ones_run_together(void **state)
{
	struct gw_timer t, u, far;

	(void)state;
	now_us = 1000001;
	gw_timer_init(&t, note, NULL);
	gw_timer_init(&u, note, NULL);
	gw_timer_init(&far, note, NULL);
	assert_int_equal(0, gw_timer_start_lazy_us(ts, &t, 10000));
	assert_int_equal(0, gw_timer_start_lazy_us(ts, &u, 199999));
	assert_int_equal(0, gw_timer_start_lazy_us(ts, &far, UINT64_MAX));
	now_us = 1199999;
	assert_int_equal(0, gw_timers_run(ts));
	now_us++;
	assert_int_equal(2, gw_timers_run(ts));
	/* Never early. */
	assert_int_equal(0, gw_timer_start_lazy_us(ts, &t, 200001));
	now_us += 200001;
	assert_int_equal(0, gw_timers_run(ts));
	now_us += 199999;
	assert_int_equal(1, gw_timers_run(ts));
	assert_true(gw_timer_running(&far));
}

/* Else they would be due by the hundred, and packets would wait for them. */
static void many_lazy_ones_are_spread(void **state)
{
	static struct gw_timer t[GW_TIMER_MANY + 1];

	(void)state;
	now_us = 1000001;
	for (unsigned i = 0; i < GW_TIMER_MANY; i++) {
		gw_timer_init(&t[i], note, NULL);
		assert_int_equal(0, gw_timer_start_ms(ts, &t[i], 1000));
	}
	gw_timer_init(&t[GW_TIMER_MANY], note, NULL);
	assert_int_equal(0,
			 gw_timer_start_lazy_us(ts, &t[GW_TIMER_MANY], 49999));
	assert_int_equal(1050000, gw_timers_next_us(ts));
	for (unsigned i = 0; i <= GW_TIMER_MANY; i++)
		gw_timer_stop(&t[i]);
}

static void starting_again_moves_it(void **state)
{
	struct gw_timer t;

	(void)state;
	nlog = 0;
	gw_timer_init(&t, note, NULL);
	assert_int_equal(0, gw_timer_start_us(ts, &t, 10));
	assert_int_equal(0, gw_timer_start_us(ts, &t, 100));
	assert_int_equal(1, gw_timers_count(ts));
	now_us += 50;
	assert_int_equal(0, gw_timers_run(ts));
	assert_int_equal(0, gw_timer_start_us(ts, &t, 1));
	now_us += 1;
	assert_int_equal(1, gw_timers_run(ts));
}

static void stopping_twice_is_legal(void **state)
{
	struct gw_timer t;

	(void)state;
	gw_timer_init(&t, note, NULL);
	gw_timer_stop(&t);
	assert_int_equal(0, gw_timer_start_us(ts, &t, 10));
	gw_timer_stop(&t);
	gw_timer_stop(&t);
	assert_int_equal(0, gw_timers_count(ts));
	now_us += 100;
	assert_int_equal(0, gw_timers_run(ts));
}

static void a_time_beyond_the_clock_is_far_and_not_past(void **state)
{
	struct gw_timer t, u;

	(void)state;
	gw_timer_init(&t, note, NULL);
	gw_timer_init(&u, note, NULL);
	assert_int_equal(0, gw_timer_start_ms(ts, &t, UINT64_MAX));
	assert_int_equal(0, gw_timer_start_us(ts, &u, UINT64_MAX));
	assert_int_equal(0, gw_timers_run(ts));
	assert_int_equal(2, gw_timers_count(ts));
	assert_true(gw_timers_next_us(ts) < UINT64_MAX);
}

/* Random starts, moves and stops against a plain list. */
static void they_run_in_order_of_their_times(void **state)
{
	enum { N = 500 };
	struct gw_timer t[N];
	uint64_t due[N];

	(void)state;
	srand(4711);
	for (int i = 0; i < N; i++) {
		gw_timer_init(&t[i], note, (void *)(intptr_t)i);
		due[i] = 0;
	}
	for (int step = 0; step < 20000; step++) {
		int i = rand() % N;

		if (rand() % 3) {
			uint64_t in = 1 + (uint64_t)(rand() % 5000);

			assert_int_equal(0, gw_timer_start_us(ts, &t[i], in));
			due[i] = now_us + in;
		} else {
			gw_timer_stop(&t[i]);
			due[i] = 0;
		}
		if (step % 10)
			continue;
		now_us += (uint64_t)(rand() % 300);
		nlog = 0;
		(void)gw_timers_run(ts);
		for (size_t k = 0; k < nlog; k++) {
			assert_in_range(due[log_of[k]], 1, now_us);
			if (k)
				assert_true(due[log_of[k - 1]] <=
					    due[log_of[k]]);
		}
		for (size_t k = 0; k < nlog; k++)
			due[log_of[k]] = 0;
		for (int k = 0; k < N; k++) {
			assert_true(!due[k] || due[k] > now_us);
			assert_int_equal(due[k] != 0, gw_timer_running(&t[k]));
		}
	}
}

static void restart(struct gw_timer *t, void *arg)
{
	(void)arg;
	nlog++;
	assert_int_equal(0, gw_timer_start_us(ts, t, 0));
}

static void one_restarting_itself_with_0_does_not_hold_the_thread(void **state)
{
	struct gw_timer t;

	(void)state;
	nlog = 0;
	gw_timer_init(&t, restart, NULL);
	assert_int_equal(0, gw_timer_start_us(ts, &t, 0));
	assert_int_equal(1, gw_timers_run(ts));
	assert_int_equal(1, nlog);
	now_us += 1;
	assert_int_equal(1, gw_timers_run(ts));
}

static struct gw_timer *victim;

static void kill_victim(struct gw_timer *t, void *arg)
{
	(void)arg;
	gw_timer_stop(victim);
	free(victim);
	victim = NULL;
	free(t);
}

static void a_handler_may_free_itself_and_another_that_is_due(void **state)
{
	struct gw_timer *killer = malloc(sizeof(*killer));

	(void)state;
	nlog = 0;
	victim = malloc(sizeof(*victim));
	gw_timer_init(killer, kill_victim, NULL);
	gw_timer_init(victim, note, NULL);
	assert_int_equal(0, gw_timer_start_us(ts, killer, 1));
	assert_int_equal(0, gw_timer_start_us(ts, victim, 2));
	now_us += 10;
	assert_int_equal(1, gw_timers_run(ts));
	assert_int_equal(0, nlog);
	assert_null(victim);
}

static void freeing_the_heap_forgets_what_runs(void **state)
{
	struct gw_timers *other;
	struct gw_timer t;

	(void)state;
	assert_int_equal(0, gw_timers_new(&other, NULL, NULL));
	gw_timer_init(&t, note, NULL);
	assert_int_equal(0, gw_timer_start_ms(other, &t, 1));
	gw_timers_free(other);
	assert_false(gw_timer_running(&t));
	gw_timer_stop(&t);
	gw_timers_free(NULL);
}

static void a_timer_may_move_to_another_heap(void **state)
{
	struct gw_timers *other;
	struct gw_timer t;

	(void)state;
	assert_int_equal(0, gw_timers_new(&other, fake_clock, NULL));
	gw_timer_init(&t, note, NULL);
	assert_int_equal(0, gw_timer_start_us(ts, &t, 1));
	assert_int_equal(0, gw_timer_start_us(other, &t, 1));
	assert_int_equal(0, gw_timers_count(ts));
	assert_int_equal(1, gw_timers_count(other));
	gw_timers_free(other);
}

static void the_real_clock_goes_forward(void **state)
{
	uint64_t a = gw_clock_monotonic_us(NULL);
	uint64_t b = gw_clock_monotonic_us(NULL);

	(void)state;
	assert_true(a > 0 && b >= a);
	assert_true(gw_clock_wall_s() > 1700000000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_timer_runs_once_and_not_before_its_time),
		T(lazy_ones_run_together),
		T(many_lazy_ones_are_spread),
		T(starting_again_moves_it),
		T(stopping_twice_is_legal),
		T(a_time_beyond_the_clock_is_far_and_not_past),
		T(they_run_in_order_of_their_times),
		T(one_restarting_itself_with_0_does_not_hold_the_thread),
		T(a_handler_may_free_itself_and_another_that_is_due),
		T(freeing_the_heap_forgets_what_runs),
		T(a_timer_may_move_to_another_heap),
		T(the_real_clock_goes_forward),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
