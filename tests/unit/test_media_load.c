/* Many contexts come and go, and nothing of them stays. */
#include "tests/unit/media_bench.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define CALLS 500

static struct bench b;

static void raise_fd_limit(void)
{
	struct rlimit r;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
	r.rlim_cur = r.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &r);
	if (r.rlim_cur < CALLS * 12) {
		print_message("file limit of %lu is too low\n",
			      (unsigned long)r.rlim_cur);
		skip();
	}
}

static void post_reserve(gw_ctx_id ctx, enum gw_term term, enum gw_transport tp)
{
	struct gw_media_cmd cmd = { .verb = GW_M_RESERVE,
				    .term = term,
				    .ctx = ctx };

	cmd.end.transport = tp;
	cmd.end.family = AF_INET;
	cmd.end.nstream = 1;
	cmd.end.stream[0].ncodec = 1;
	(void)bench_post(&b, &cmd);
}

static unsigned count(enum gw_media_event_type type)
{
	unsigned n = 0;

	for (size_t i = 0; i < b.nevent; i++)
		if (b.event[i].type == type)
			n++;
	return n;
}

static void all_up_and_down(unsigned calls)
{
	static gw_ctx_id ctx[CALLS];

	for (int i = 0; i < (int)calls; i++) {
		ctx[i] = gw_media_new_id(b.media);
		post_reserve(ctx[i], GW_TERM_A, GW_TP_DTLS);
		post_reserve(ctx[i], GW_TERM_B, GW_TP_RTP);
	}
	bench_until(&b, count(GW_E_RESERVED) + count(GW_E_FAILED) == 2 * calls);
	assert_int_equal(count(GW_E_FAILED), 0);
	assert_int_equal(bench_metric("isthmus_media_contexts"), calls);
	assert_int_equal(bench_metric("isthmus_media_agents"), calls);
	assert_int_equal(bench_metric("isthmus_media_sockets{kind=\"rtp\"}"),
			 2 * calls);
	for (int i = 0; i < (int)calls; i++) {
		struct gw_media_cmd cmd = { .verb = GW_M_RELEASE,
					    .ctx = ctx[i] };

		(void)bench_post(&b, &cmd);
	}
	bench_until(&b, count(GW_E_RELEASED) == calls);
	b.nevent = 0;
}

static void nothing_is_left(int fds)
{
	assert_int_equal(bench_open_fds(), fds);
	assert_int_equal(bench_metric("isthmus_media_contexts"), 0);
	assert_int_equal(bench_metric("isthmus_media_agents"), 0);
	assert_int_equal(bench_metric("isthmus_media_sockets{kind=\"rtp\"}"),
			 0);
	assert_int_equal(bench_metric("isthmus_media_sockets{kind=\"ice\"}"),
			 0);
}

static void five_hundred_contexts_leave_no_trace(void **state)
{
	struct gw_media_config cfg;
	size_t first;
	size_t last;
	int fds;

	(void)state;
	raise_fd_limit();
	bench_config(&cfg);
	bench_start(&b, &cfg);
	all_up_and_down(1); /* GLib keeps what it makes the first time */
	fds = bench_open_fds();
	all_up_and_down(CALLS);
	nothing_is_left(fds);
	first = mallinfo2().uordblks;
	all_up_and_down(CALLS);
	all_up_and_down(CALLS);
	nothing_is_left(fds);
	last = mallinfo2().uordblks;
	/* A kilobyte a context would be a megabyte. */
	assert_true(last < first + 256 * 1024);
	bench_stop(&b);
}

static long rss_kb(void)
{
	long pages[2] = { 0, 0 };
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld", &pages[0], &pages[1]), 2);
	(void)fclose(f);
	return pages[1] * (sysconf(_SC_PAGESIZE) / 1024);
}

static void memory_of_ended_calls_is_given_back(void **state)
{
	static const char trims[] = "isthmus_media_memory_returned_total";
	struct gw_media_config cfg;
	int64_t trims_before;
	long before;

	(void)state;
	raise_fd_limit();
	bench_config(&cfg);
	bench_start(&b, &cfg);
	all_up_and_down(CALLS);
	trims_before = bench_metric(trims);
	before = rss_kb();
	all_up_and_down(CALLS);
	/* Once for each halving, not for each call. */
	assert_in_range(bench_metric(trims) - trims_before, 1, 5);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	/* 500 contexts hold 14 MB and more. */
	assert_true(rss_kb() < before + 4096);
#else
	(void)before;
#endif
	bench_stop(&b);
}

static void contexts_on_two_workers_leave_no_trace(void **state)
{
	struct gw_media_config cfg;
	int fds;

	(void)state;
	raise_fd_limit();
	bench_config(&cfg);
	cfg.workers = 2;
	bench_start(&b, &cfg);
	fds = bench_open_fds();
	/* Each worker has half of the ports: room for some unevenness. */
	all_up_and_down(400);
	nothing_is_left(fds);
	bench_stop(&b);
}

static void ports_that_run_out_refuse_one_call_only(void **state)
{
	struct gw_media_config cfg;
	const struct gw_media_event *ev;
	gw_ctx_id id[3];

	(void)state;
	bench_config(&cfg);
	cfg.port_min = 21000;
	cfg.port_max = 21003;
	bench_start(&b, &cfg);
	for (int i = 0; i < 3; i++)
		id[i] = gw_media_new_id(b.media);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			bench_reserve(&b, id[i], GW_TERM_B, GW_TP_RTP, AF_INET)
				->type,
			GW_E_RESERVED);
	ev = bench_reserve(&b, id[2], GW_TERM_B, GW_TP_RTP, AF_INET);
	assert_int_equal(ev->type, GW_E_FAILED);
	assert_int_equal(ev->error, -EADDRINUSE);
	bench_until(&b, bench_metric("isthmus_media_contexts") == 2);
	assert_int_equal(bench_release(&b, id[0])->type, GW_E_RELEASED);
	ev = bench_reserve(&b, id[2], GW_TERM_B, GW_TP_RTP, AF_INET);
	assert_int_equal(ev->type, GW_E_RESERVED);
	assert_int_equal(ev->end.stream[0].rtp.port % 2, 0);
	assert_int_equal(ev->end.stream[0].rtcp.port,
			 ev->end.stream[0].rtp.port + 1);
	/* Freed with contexts alive. */
	bench_stop(&b);
	assert_int_equal(bench_metric("isthmus_media_contexts"), 0);
}

static void new_ids_spread_over_the_workers(void **state)
{
	struct gw_media_config cfg;
	unsigned share[3] = { 0 };

	(void)state;
	bench_config(&cfg);
	cfg.workers = 3;
	bench_start(&b, &cfg);
	for (int i = 0; i < 30; i++) {
		gw_ctx_id id = gw_media_new_id(b.media);

		assert_true(id >> 56 < 3);
		share[id >> 56]++;
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(share[i], 10);
	bench_stop(&b);
}

/* The signalling thread does not look for a while; what it must know waits. */
static void answers_outlast_a_full_mailbox(void **state)
{
	struct gw_media_config cfg;
	struct gw_media_cmd cmd = { .verb = GW_M_CONFIGURE };
	unsigned posted = 0;

	(void)state;
	bench_config(&cfg);
	bench_start(&b, &cfg);
	cmd.ctx = gw_media_new_id(b.media);
	while (posted < 3000) {
		/* As many as go without a single event taken, then some. */
		if (!gw_media_post(b.media, &cmd))
			posted++;
		else
			gw_loop_step(b.loop, 1);
	}
	bench_until(&b, count(GW_E_GONE) == 3000);
	bench_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(five_hundred_contexts_leave_no_trace),
		cmocka_unit_test(memory_of_ended_calls_is_given_back),
		cmocka_unit_test(contexts_on_two_workers_leave_no_trace),
		cmocka_unit_test(ports_that_run_out_refuse_one_call_only),
		cmocka_unit_test(new_ids_spread_over_the_workers),
		cmocka_unit_test(answers_outlast_a_full_mailbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
