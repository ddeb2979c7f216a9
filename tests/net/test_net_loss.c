/* Calls through a network that loses, repeats, reorders and delays. */
#include "tests/net/net_call.h"

#include <stdlib.h>
#include <string.h>

static struct net n;

static int start(void **state)
{
	(void)state;
	net_start(&n, 1500);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	net_stop(&n);
	return 0;
}

/* ---- set-ups ---- */

#define BATCH  25
#define SETUPS 100

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void print_times(const char *what, uint64_t *took_us)
{
	qsort(took_us, SETUPS, sizeof(took_us[0]), by_value);
	net_say("  %-10s p50 %4llu ms, p90 %4llu ms, p99 %4llu ms, max %4llu "
		"ms",
		what, (unsigned long long)took_us[SETUPS / 2 - 1] / 1000,
		(unsigned long long)took_us[SETUPS * 9 / 10 - 1] / 1000,
		(unsigned long long)took_us[SETUPS * 99 / 100 - 1] / 1000,
		(unsigned long long)took_us[SETUPS - 1] / 1000);
}

static void batch(uint64_t *ice_us, uint64_t *dtls_us, uint64_t *took_us)
{
	static struct net_call call[BATCH];
	unsigned up = 0;

	for (int i = 0; i < BATCH; i++)
		net_call_begin(&n, &call[i], WIRE_BROWSER_ADDR);
	bench_until(&n.bench, ({
		up = 0;
		for (int i = 0; i < BATCH; i++)
			up += net_call_up(&n, &call[i]);
		up == BATCH;
	}));
	for (int i = 0; i < BATCH; i++) {
		ice_us[i] = call[i].ice_us - call[i].began_us;
		dtls_us[i] = call[i].up_us - call[i].ice_us;
		took_us[i] = call[i].up_us - call[i].began_us;
		net_call_end(&n, &call[i]);
	}
	n.bench.nevent = 0;
}

static void set_ups(unsigned loss)
{
	const struct wire_terms t = { .loss = loss, .delay_ms = 20 };
	uint64_t ice_us[SETUPS], dtls_us[SETUPS], took_us[SETUPS];

	wire_set_both(n.wire, &t);
	for (int i = 0; i < SETUPS; i += BATCH)
		batch(ice_us + i, dtls_us + i, took_us + i);
	net_say("%d set-ups at %u %% loss:", SETUPS, loss / 10);
	print_times("ICE", ice_us);
	print_times("then DTLS", dtls_us);
	print_times("together", took_us);
	assert_true(took_us[SETUPS - 1] < 5000000);
}

static void all_set_ups_succeed_without_loss(void **state)
{
	(void)state;
	set_ups(0);
}

static void all_set_ups_succeed_within_5_s_at_10_percent(void **state)
{
	(void)state;
	set_ups(100);
}

/* ---- audio ---- */

static void talk_through(const char *name, const struct wire_terms *t,
			 double heard)
{
	static struct net_call c;

	wire_set_both(n.wire, &(struct wire_terms){ .loss = 0 });
	net_call_make(&n, &c, WIRE_BROWSER_ADDR);
	wire_set_both(n.wire, t);
	net_talk(&n, &c, 4000);
	net_say("%s: phone heard %.2f (tone %.3f, %u twice), browser %.2f "
		"(tone %.3f, %u twice)",
		name, net_heard(&c.at_phone),
		net_tone(&c.at_phone, NET_BROWSER_HZ), c.at_phone.doubles,
		net_heard(&c.at_browser), net_tone(&c.at_browser, NET_PHONE_HZ),
		c.at_browser.doubles);
	assert_true(net_tone(&c.at_phone, NET_BROWSER_HZ) > 0.95);
	assert_true(net_tone(&c.at_browser, NET_PHONE_HZ) > 0.95);
	assert_true(net_heard(&c.at_phone) > heard);
	assert_true(net_heard(&c.at_browser) > heard);
	/* What the network repeats, SRTP's replay window takes out. */
	assert_int_equal(c.at_phone.doubles, 0);
	assert_int_equal(c.at_browser.doubles, 0);
	net_call_end(&n, &c);
}

static void tones_are_heard_without_impairment(void **state)
{
	(void)state;
	talk_through("clean", &(struct wire_terms){ .delay_ms = 1 }, 0.99);
}

static void tones_are_heard_at_5_percent_loss(void **state)
{
	(void)state;
	talk_through("5 % loss", &(struct wire_terms){ .loss = 50 }, 0.85);
}

static void tones_are_heard_at_30_percent_loss(void **state)
{
	(void)state;
	talk_through("30 % loss", &(struct wire_terms){ .loss = 300 }, 0.55);
}

static void tones_are_heard_when_packets_overtake_each_other(void **state)
{
	(void)state;
	talk_through("10 % reordered",
		     &(struct wire_terms){ .reorder = 100, .delay_ms = 5 },
		     0.99);
}

static void packets_that_come_twice_are_relayed_once(void **state)
{
	(void)state;
	talk_through("20 % twice", &(struct wire_terms){ .repeat = 200 }, 0.99);
}

static void tones_are_heard_300_ms_later(void **state)
{
	(void)state;
	talk_through("300 ms, 40 ms jitter",
		     &(struct wire_terms){ .delay_ms = 300, .jitter_ms = 40 },
		     0.99);
}

static void tones_are_heard_through_all_of_it(void **state)
{
	(void)state;
	talk_through("all of it",
		     &(struct wire_terms){ .loss = 100,
					   .repeat = 50,
					   .reorder = 50,
					   .delay_ms = 150,
					   .jitter_ms = 60 },
		     0.8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_set_ups_succeed_without_loss),
		cmocka_unit_test(all_set_ups_succeed_within_5_s_at_10_percent),
		cmocka_unit_test(tones_are_heard_without_impairment),
		cmocka_unit_test(tones_are_heard_at_5_percent_loss),
		cmocka_unit_test(tones_are_heard_at_30_percent_loss),
		cmocka_unit_test(
			tones_are_heard_when_packets_overtake_each_other),
		cmocka_unit_test(packets_that_come_twice_are_relayed_once),
		cmocka_unit_test(tones_are_heard_300_ms_later),
		cmocka_unit_test(tones_are_heard_through_all_of_it),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
