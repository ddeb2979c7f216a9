/*
 * Set-ups at 30 % loss each way, whichever ICE the gateway does, whichever end
 * controls it and whichever begins DTLS: all are up within 5 s.
 *
 * The browser checks as Chromium does.  Its DTLS does not wait twice as long
 * each time without a bound: what is measured is the gateway.  With the waits of
 * today's browsers (NET_PATIENT=1: 50, 100 ... 3200 ms) one of its two flights is
 * lost seven times in a row in one call of 2,300, which then takes over 6 s, and
 * nothing that we send makes it repeat them.
 *
 * In the environment: NET_SETUPS of each kind, NET_KIND (0 to 5: only that
 * one), NET_SEED.
 */
#include "tests/net/net_call.h"

#include <stdlib.h>
#include <string.h>

#define BATCH   25
#define MOST    5000
#define GOAL_US 5000000u
/* Later ones are not waited for. */
#define NEVER_US 10000000u

struct kind {
	bool lite;
	bool controls; /* the gateway */
	bool active;   /* the browser */
};

static struct net n;
static unsigned nsetup = 50;
static uint64_t browser_us[MOST], gateway_us[MOST], took_us[MOST];

static int start(void **state)
{
	const struct kind *kind = *state;

	bench_lite = kind->lite;
	bench_controls = kind->controls;
	net_start(&n, 1500);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	net_stop(&n);
	bench_lite = false;
	bench_controls = false;
	return 0;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void print_times(const char *what, uint64_t *us)
{
	qsort(us, nsetup, sizeof(us[0]), by_value);
	net_say("  %-10s p50 %4llu ms, p90 %4llu ms, p99 %4llu ms, max %4llu "
		"ms",
		what, (unsigned long long)us[nsetup / 2] / 1000,
		(unsigned long long)us[nsetup * 9 / 10] / 1000,
		(unsigned long long)us[nsetup * 99 / 100] / 1000,
		(unsigned long long)us[nsetup - 1] / 1000);
}

static unsigned count_up(struct net_call *call)
{
	unsigned up = 0;

	for (int i = 0; i < BATCH; i++)
		up += net_call_up(&n, &call[i]);
	return up;
}

/* Where one that is late stands. */
static void tell_late(const struct net_call *c)
{
	const struct gw_media_event *e =
		bench_find(&n.bench, c->ctx, GW_E_DTLS, 0);

	net_say("  late: the browser's ICE is %s, its DTLS %s; the gateway's "
		"ICE is %s, its DTLS event %d, %d of it up",
		media_peer_ice_up(c->peer) ? "up" : "down",
		media_peer_dtls_up(c->peer)       ? "up"
		: media_peer_dtls_failed(c->peer) ? "failed"
						  : "under way",
		bench_count(&n.bench, c->ctx, GW_E_ICE, GW_ICE_CONNECTED)
			? "up"
			: "down",
		e ? (int)e->state : -1,
		(int)bench_count(&n.bench, c->ctx, GW_E_DTLS, GW_DTLS_UP));
}

static uint64_t since(uint64_t us, const struct net_call *c)
{
	return us ? us - c->began_us : NEVER_US;
}

static void batch(const struct kind *kind, unsigned from)
{
	static struct net_call call[BATCH];
	uint64_t until = gw_clock_monotonic_us(NULL) + NEVER_US;

	for (int i = 0; i < BATCH; i++)
		net_call_begin_as(&n, &call[i],
				  &(struct media_peer_options){
					  .address = WIRE_BROWSER_ADDR,
					  .active = kind->active,
					  .dtls_wait_ms = getenv("NET_PATIENT")
								  ? 0
								  : 400 });
	while (count_up(call) < BATCH && gw_clock_monotonic_us(NULL) < until)
		bench_step(&n.bench);
	for (int i = 0; i < BATCH; i++) {
		const struct net_call *c = &call[i];

		/* DTLS may be done before the browser's check is answered. */
		browser_us[from + i] = since(c->browser_us, c);
		gateway_us[from + i] = since(c->gateway_us, c);
		took_us[from + i] = since(c->up_us, c);
		if (took_us[from + i] > GOAL_US)
			tell_late(c);
		net_call_end(&n, &call[i]);
	}
	n.bench.nevent = 0;
}

static void all_are_up_within_5_s(void **state)
{
	const struct wire_terms t = { .loss = 300, .delay_ms = 20 };
	const struct kind *kind = *state;
	unsigned late = 0;

	wire_set_both(n.wire, &t);
	for (unsigned i = 0; i < nsetup; i += BATCH)
		batch(kind, i);
	for (unsigned i = 0; i < nsetup; i++)
		late += took_us[i] > GOAL_US;
	net_say("%u set-ups at 30 %% loss, %s, %s controls, %s begins DTLS, "
		"%u late:",
		nsetup, kind->lite ? "lite" : "full ICE",
		kind->controls ? "gateway" : "browser",
		kind->active ? "browser" : "gateway", late);
	print_times("its ICE", browser_us);
	print_times("our ICE", gateway_us);
	print_times("with DTLS", took_us);
	assert_int_equal(late, 0);
}

int main(void)
{
	static struct kind kind[] = {
		{.active = true},
		{                .active = false            },
		{ .controls = true,             .active = true },
		{            .controls = true,             .active = false },
		{                .lite = true,             .active = true },
		{                .lite = true,             .active = false },
	};
	const char *want = getenv("NET_SETUPS");
	const char *which = getenv("NET_KIND");
#define T(i)                                                                   \
	cmocka_unit_test_prestate_setup_teardown(all_are_up_within_5_s, start, \
						 stop, &kind[i])
	const struct CMUnitTest tests[] = {
		T(0), T(1), T(2), T(3), T(4), T(5)
	};

	if (want)
		nsetup = ((unsigned)strtoul(want, NULL, 10) + BATCH - 1) /
			 BATCH * BATCH;
	if (!nsetup || nsetup > MOST)
		nsetup = MOST;
	if (which) {
		const struct CMUnitTest one[] = {
			tests[strtoul(which, NULL, 10) %
			      (sizeof(tests) / sizeof(tests[0]))],
		};

		return cmocka_run_group_tests(one, NULL, NULL);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
