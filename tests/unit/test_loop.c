#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sofia-sip/su_wait.h>
#include <uv.h>

#include "gateway/base/loop.h"
#include "gateway/base/log.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/metrics.h"
#include "tests/unit/metric.h"

static uint64_t fake_us;

static uint64_t fake_clock(void *arg)
{
	(void)arg;
	return fake_us;
}

static int64_t cpu_us(void)
{
	struct rusage r;

	(void)getrusage(RUSAGE_SELF, &r);
	return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 +
	       r.ru_utime.tv_usec + r.ru_stime.tv_usec;
}

static struct gw_loop *new_loop(void)
{
	struct gw_loop *loop = NULL;

	assert_int_equal(0, gw_loop_new(&loop, NULL, NULL));
	return loop;
}

static void stop_at_timer(struct gw_timer *t, void *arg)
{
	(void)t;
	gw_loop_stop(arg);
}

static void run_for(struct gw_loop *loop, uint64_t ms)
{
	struct gw_timer t;

	gw_timer_init(&t, stop_at_timer, loop);
	assert_int_equal(0, gw_timer_start_ms(gw_loop_timers(loop), &t, ms));
	gw_loop_run(loop);
	gw_timer_stop(&t);
}

static void a_timer_fires_when_due_and_not_before(void **state)
{
	struct gw_loop *loop = new_loop();
	uint64_t t0 = gw_clock_monotonic_us(NULL), took;

	(void)state;
	run_for(loop, 30);
	took = gw_clock_monotonic_us(NULL) - t0;
	assert_in_range(took, 30000, 2000000);
	gw_loop_free(loop);
}

static void a_stop_before_the_run_is_not_forgotten(void **state)
{
	struct gw_loop *loop = new_loop();

	(void)state;
	gw_loop_stop(loop);
	gw_loop_run(loop); /* would never return */
	gw_loop_free(loop);
}

static void count_timer(struct gw_timer *t, void *arg)
{
	(void)t;
	(*(int *)arg)++;
}

static void a_faked_clock_decides_what_is_due(void **state)
{
	struct gw_loop *loop;
	struct gw_timer t;
	int fired = 0;

	(void)state;
	fake_us = 5000;
	assert_int_equal(0, gw_loop_new(&loop, fake_clock, NULL));
	gw_timer_init(&t, count_timer, &fired);
	assert_int_equal(0, gw_timer_start_ms(gw_loop_timers(loop), &t, 60000));
	gw_loop_step(loop, 2);
	assert_int_equal(0, fired);
	fake_us += 60000000;
	gw_loop_step(loop, 2);
	assert_int_equal(1, fired);
	gw_loop_free(loop);
}

/* ---- libuv inside ---- */

struct uv_probe {
	struct gw_loop *loop;
	uv_timer_t timer;
	uint64_t started_us, fired_us;
	bool closed;
};

static void on_probe_closed(uv_handle_t *h)
{
	struct uv_probe *p = h->data;

	p->closed = true;
}

static void on_probe_timer(uv_timer_t *h)
{
	struct uv_probe *p = h->data;

	p->fired_us = gw_clock_monotonic_us(NULL);
	uv_close((uv_handle_t *)h, on_probe_closed);
}

static void start_uv_timer(struct gw_timer *t, void *arg)
{
	struct uv_probe *p = arg;

	(void)t;
	p->started_us = gw_clock_monotonic_us(NULL);
	assert_int_equal(0, uv_timer_start(&p->timer, on_probe_timer, 20, 0));
}

static void a_uv_timer_started_from_our_timer_counts_from_now(void **state)
{
	struct uv_probe p = { .loop = new_loop() };
	struct gw_timer t;

	(void)state;
	assert_int_equal(0, uv_timer_init(gw_loop_uv(p.loop), &p.timer));
	p.timer.data = &p;
	gw_timer_init(&t, start_uv_timer, &p);
	assert_int_equal(0, gw_timer_start_ms(gw_loop_timers(p.loop), &t, 60));
	for (int i = 0; i < 200 && !p.closed; i++)
		gw_loop_step(p.loop, 50);
	assert_true(p.closed);
	/* libuv counts whole milliseconds: 19.x ms may look like 20. */
	assert_in_range(p.fired_us - p.started_us, 19000, 2000000);
	gw_loop_free(p.loop);
}

static void on_uv_readable(uv_poll_t *h, int status, int events)
{
	char c;

	assert_int_equal(0, status);
	assert_int_equal(UV_READABLE, events);
	assert_int_equal(1, read(*(int *)h->data, &c, 1));
	(void)uv_poll_stop(h);
	uv_close((uv_handle_t *)h, NULL);
	*(int *)h->data = -1;
}

static void a_descriptor_of_uv_wakes_the_loop(void **state)
{
	struct gw_loop *loop = new_loop();
	int fds[2], fd;
	uv_poll_t poll;

	(void)state;
	assert_int_equal(0, pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	fd = fds[0];
	assert_int_equal(0, uv_poll_init(gw_loop_uv(loop), &poll, fd));
	poll.data = &fd;
	assert_int_equal(0, uv_poll_start(&poll, UV_READABLE, on_uv_readable));
	gw_loop_step(loop, 5);
	assert_int_equal(1, write(fds[1], "x", 1));
	for (int i = 0; i < 100 && fd >= 0; i++)
		gw_loop_step(loop, 100);
	assert_int_equal(-1, fd);
	gw_loop_free(loop);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* ---- descriptors ---- */

static void read_one(int fd, void *arg)
{
	char c;

	assert_int_equal(1, read(fd, &c, 1));
	(*(int *)arg)++;
}

static void a_handler_runs_while_its_descriptor_is_readable(void **state)
{
	struct gw_loop *loop = new_loop();
	int fds[2], seen = 0;

	(void)state;
	assert_int_equal(0, pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	assert_int_equal(0, gw_loop_add_fd(loop, fds[0], read_one, &seen));
	assert_int_equal(-EEXIST,
			 gw_loop_add_fd(loop, fds[0], read_one, &seen));
	assert_int_equal(3, write(fds[1], "abc", 3));
	for (int i = 0; i < 50 && seen < 3; i++)
		gw_loop_step(loop, 100);
	assert_int_equal(3, seen);

	gw_loop_del_fd(loop, fds[0]);
	assert_int_equal(1, write(fds[1], "d", 1));
	gw_loop_step(loop, 5);
	assert_int_equal(3, seen);
	gw_loop_free(loop);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void the_33rd_descriptor_is_refused(void **state)
{
	struct gw_loop *loop = new_loop();
	int fds[33][2], seen = 0;

	(void)state;
	for (int i = 0; i < 33; i++) {
		assert_int_equal(0, pipe2(fds[i], O_CLOEXEC | O_NONBLOCK));
		assert_int_equal(
			i < 32 ? 0 : -ENOSPC,
			gw_loop_add_fd(loop, fds[i][0], read_one, &seen));
	}
	gw_loop_del_fd(loop, fds[4][0]);
	assert_int_equal(0, gw_loop_add_fd(loop, fds[32][0], read_one, &seen));
	gw_loop_free(loop);
	for (int i = 0; i < 33; i++) {
		(void)close(fds[i][0]);
		(void)close(fds[i][1]);
	}
}

static void a_descriptor_that_cannot_be_polled_is_an_error(void **state)
{
	struct gw_loop *loop = new_loop();
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), seen = 0;

	(void)state;
	assert_true(gw_loop_add_fd(loop, fd, read_one, &seen) < 0);
	(void)close(fd);
	gw_loop_free(loop);
}

struct wake {
	struct gw_mailbox *mb;
	struct gw_loop *loop;
	int got;
};

static void on_mail(int fd, void *arg)
{
	struct wake *w = arg;
	int v;

	(void)fd;
	gw_mailbox_quiet(w->mb);
	while (gw_mailbox_take(w->mb, &v))
		w->got += v;
	if (w->got == 100)
		gw_loop_stop(w->loop);
}

static void *poster(void *arg)
{
	const int one = 1;

	for (int i = 0; i < 100; i++) {
		while (gw_mailbox_post(arg, &one))
			(void)usleep(100);
		if (i % 10 == 0)
			(void)usleep(500);
	}
	return NULL;
}

static void a_mailbox_of_another_thread_wakes_the_loop(void **state)
{
	struct wake w = { .loop = new_loop() };
	pthread_t thread;

	(void)state;
	assert_int_equal(0, gw_mailbox_new(&w.mb, sizeof(int), 8));
	assert_int_equal(
		0, gw_loop_add_fd(w.loop, gw_mailbox_fd(w.mb), on_mail, &w));
	assert_int_equal(0, pthread_create(&thread, NULL, poster, w.mb));
	gw_loop_run(w.loop);
	assert_int_equal(0, pthread_join(thread, NULL));
	assert_int_equal(100, w.got);
	gw_loop_free(w.loop);
	gw_mailbox_free(w.mb);
}

/* ---- work off the thread ---- */

struct job {
	struct gw_loop *loop;
	pthread_t worked_on, done_on;
	int done;
};

static void do_job(void *arg)
{
	struct job *j = arg;

	(void)usleep(1000);
	j->worked_on = pthread_self();
}

static void job_done(void *arg)
{
	struct job *j = arg;

	j->done_on = pthread_self();
	j->done++;
}

static void work_runs_elsewhere_and_its_done_runs_here(void **state)
{
	struct job jobs[20] = { 0 };
	struct gw_loop *loop = new_loop();
	int done = 0;

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(
			0, gw_loop_work(loop, do_job, job_done, &jobs[i]));
	for (int i = 0; i < 500 && done < 20; i++) {
		gw_loop_step(loop, 100);
		done = 0;
		for (int k = 0; k < 20; k++)
			done += jobs[k].done;
	}
	assert_int_equal(20, done);
	for (int i = 0; i < 20; i++) {
		assert_false(pthread_equal(jobs[i].worked_on, pthread_self()));
		assert_true(pthread_equal(jobs[i].done_on, pthread_self()));
	}
	gw_loop_free(loop);
}

static void freeing_the_loop_waits_for_work(void **state)
{
	struct job j = { 0 };
	struct gw_loop *loop = new_loop();

	(void)state;
	assert_int_equal(0, gw_loop_work(loop, do_job, job_done, &j));
	gw_loop_free(loop);
	assert_int_equal(1, j.done);
}

/* ---- cost ---- */

static void an_idle_loop_costs_nothing(void **state)
{
	struct gw_loop *loop = new_loop();
	int64_t cpu;

	(void)state;
	cpu = cpu_us();
	run_for(loop, 500);
	cpu = cpu_us() - cpu;
	print_message("idle 500 ms: %d us of CPU\n", (int)cpu);
	assert_true(cpu < 10000);
	gw_loop_free(loop);
}

/*
 * The case that made Sofia spin: one of its own timers always less than 1 ms
 * away.
 */
struct rhythm {
	su_timer_t *timer;
	su_root_t *root;
	int ticks;
};

static void tick(su_root_magic_t *m, su_timer_t *t, su_timer_arg_t *arg)
{
	struct rhythm *r = (struct rhythm *)(void *)arg;
	su_time_t when = su_now();

	(void)m;
	r->ticks++;
	when.tv_usec += 900;
	if (when.tv_usec >= 1000000) {
		when.tv_usec -= 1000000;
		when.tv_sec++;
	}
	(void)su_timer_set_at(t, tick, arg, when);
}

static void a_sofia_timer_under_1_ms_away_does_not_spin(void **state)
{
	struct gw_loop *loop = new_loop();
	struct rhythm r = { .root = gw_loop_su_root(loop) };
	int64_t cpu;

	(void)state;
	r.timer = su_timer_create(su_root_task(r.root), 1);
	assert_non_null(r.timer);
	tick(NULL, r.timer, (su_timer_arg_t *)(void *)&r);
	cpu = cpu_us();
	run_for(loop, 500);
	cpu = cpu_us() - cpu;
	print_message("0.9 ms rhythm: %d ticks in 500 ms, %d us of CPU\n",
		      r.ticks, (int)cpu);
	assert_true(r.ticks > 50);
#if !defined(__SANITIZE_THREAD__)
	/* Spinning would be 450,000 and more. */
	assert_true(cpu < 150000);
#endif
	su_timer_destroy(r.timer);
	gw_loop_free(loop);
}

static void our_own_timers_of_0_9_ms_cost_little(void **state)
{
	struct gw_loop *loop = new_loop();
	struct gw_timer t;
	int fired = 0;
	uint64_t end = gw_clock_monotonic_us(NULL) + 300000;
	int64_t cpu = cpu_us();

	(void)state;
	gw_timer_init(&t, count_timer, &fired);
	while (gw_clock_monotonic_us(NULL) < end) {
		if (!gw_timer_running(&t))
			assert_int_equal(0,
					 gw_timer_start_us(gw_loop_timers(loop),
							   &t, 900));
		gw_loop_step(loop, 100);
	}
	cpu = cpu_us() - cpu;
	print_message("own 0.9 ms timers: %d in 300 ms, %d us of CPU\n", fired,
		      (int)cpu);
	assert_true(fired > 30);
	assert_true(cpu < 150000);
	gw_timer_stop(&t);
	gw_loop_free(loop);
}

#if !defined(__SANITIZE_THREAD__)

struct dawdler {
	struct gw_loop *loop;
	int64_t slow_before;
	int times;
};

/* Again in 20 ms, so that each time is in a pass of its own. */
static void dawdle(struct gw_timer *t, void *arg)
{
	struct dawdler *d = arg;

	(void)usleep(25000);
	if (metric("isthmus_loop_slow_passes_total") - d->slow_before >= 3 ||
	    ++d->times == 100)
		gw_loop_stop(d->loop);
	else
		assert_int_equal(
			0, gw_timer_start_ms(gw_loop_timers(d->loop), t, 20));
}

static void a_pass_over_20_ms_is_counted_and_told_once_a_second(void **state)
{
	struct dawdler d = { .loop = new_loop() };
	struct gw_timer t;
	uint64_t t0 = gw_clock_monotonic_us(NULL);
	int log_fds[2], lines = 0;
	char text[4096];
	ssize_t n;

	(void)state;
	assert_int_equal(0, pipe2(log_fds, O_CLOEXEC | O_NONBLOCK));
	gw_log_setup(GW_LOG_TEXT, GW_INFO, log_fds[1]);
	d.slow_before = metric("isthmus_loop_slow_passes_total");
	gw_timer_init(&t, dawdle, &d);
	assert_int_equal(0, gw_timer_start_ms(gw_loop_timers(d.loop), &t, 1));
	gw_loop_run(d.loop);
	gw_log_setup(GW_LOG_TEXT, GW_INFO, STDERR_FILENO);

	assert_true(metric("isthmus_loop_slow_passes_total") - d.slow_before >=
		    3);
	assert_true(metric("isthmus_loop_longest_pass_us") >= 25000);
	n = read(log_fds[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "a pass took"));
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	t0 = gw_clock_monotonic_us(NULL) - t0;
	assert_in_range(lines, 1, 1 + t0 / 1000000);
	(void)close(log_fds[0]);
	(void)close(log_fds[1]);
	gw_loop_free(d.loop);
}

static void sofia_calls_our_epoll_wait(void **state)
{
	Dl_info info;
	void *sym = dlsym(RTLD_DEFAULT, "epoll_wait");

	(void)state;
	assert_non_null(sym);
	assert_int_not_equal(0, dladdr(sym, &info));
	assert_null(strstr(info.dli_fname, "libc"));
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timer_fires_when_due_and_not_before),
		cmocka_unit_test(a_stop_before_the_run_is_not_forgotten),
		cmocka_unit_test(a_faked_clock_decides_what_is_due),
		cmocka_unit_test(
			a_uv_timer_started_from_our_timer_counts_from_now),
		cmocka_unit_test(a_descriptor_of_uv_wakes_the_loop),
		cmocka_unit_test(
			a_handler_runs_while_its_descriptor_is_readable),
		cmocka_unit_test(the_33rd_descriptor_is_refused),
		cmocka_unit_test(
			a_descriptor_that_cannot_be_polled_is_an_error),
		cmocka_unit_test(a_mailbox_of_another_thread_wakes_the_loop),
		cmocka_unit_test(work_runs_elsewhere_and_its_done_runs_here),
		cmocka_unit_test(freeing_the_loop_waits_for_work),
		cmocka_unit_test(an_idle_loop_costs_nothing),
		cmocka_unit_test(a_sofia_timer_under_1_ms_away_does_not_spin),
		cmocka_unit_test(our_own_timers_of_0_9_ms_cost_little),
#if !defined(__SANITIZE_THREAD__)
		cmocka_unit_test(
			a_pass_over_20_ms_is_counted_and_told_once_a_second),
		cmocka_unit_test(sofia_calls_our_epoll_wait),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
