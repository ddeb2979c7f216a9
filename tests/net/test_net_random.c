/*
 * A network that changes all the time, at random; and one that is gone for
 * good.  With full ICE and lite.
 */
#include "tests/net/net_both.h"

#include <stdlib.h>
#include <string.h>

/* ---- at random ---- */

#define CALLS   4
#define CHANGES 6

static unsigned below(uint64_t *random, unsigned n_values)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*random >> 33) % n_values;
}

static struct wire_terms any_terms(uint64_t *random)
{
	return (struct wire_terms){ .loss = below(random, 300),
				    .repeat = below(random, 200),
				    .reorder = below(random, 200),
				    .delay_ms = below(random, 250),
				    .jitter_ms = below(random, 80) };
}

static void impair(uint64_t *random)
{
	const struct wire_terms up = any_terms(random);
	const struct wire_terms down = any_terms(random);

	wire_set(n.wire, WIRE_BROWSER, &up);
	wire_set(n.wire, WIRE_GATEWAY, &down);
	net_say("  up: loss %u, twice %u, reordered %u, %u+%u ms; down: loss "
		"%u, twice %u, reordered %u, %u+%u ms",
		up.loss, up.repeat, up.reorder, up.delay_ms, up.jitter_ms,
		down.loss, down.repeat, down.reorder, down.delay_ms,
		down.jitter_ms);
}

static void random_call(uint64_t *random)
{
	static struct net_call c;

	wire_nat(n.wire, true);
	impair(random);
	net_call_make(&n, &c, WIRE_BROWSER_ADDR);
	for (int i = 0; i < CHANGES; i++) {
		impair(random);
		if (below(random, 3) == 0)
			wire_rebind(n.wire);
		net_talk(&n, &c, 300);
		/* What the network repeats is not heard twice. */
		assert_int_equal(c.at_phone.doubles, 0);
		assert_int_equal(c.at_browser.doubles, 0);
	}
	wire_set_both(n.wire, &(struct wire_terms){ .delay_ms = 5 });
	/* A rebinding is seen by the browser's next check, and followed. */
	bench_turn(&n.bench, 1500);
	net_talk(&n, &c, 600);
	net_say("in the end: phone heard %.2f (tone %.3f), browser %.2f (tone "
		"%.3f)",
		net_heard(&c.at_phone), net_tone(&c.at_phone, NET_BROWSER_HZ),
		net_heard(&c.at_browser),
		net_tone(&c.at_browser, NET_PHONE_HZ));
	assert_true(net_tone(&c.at_phone, NET_BROWSER_HZ) > 0.95);
	assert_true(net_tone(&c.at_browser, NET_PHONE_HZ) > 0.95);
	assert_true(net_heard(&c.at_phone) > 0.95);
	assert_true(net_heard(&c.at_browser) > 0.95);
	assert_int_equal(bench_count(&n.bench, c.ctx, GW_E_DTLS, -1), 1);
	net_call_end(&n, &c);
}

static void audio_comes_back_after_all_that_can_happen(void **state)
{
	uint64_t random = n.seed;

	(void)state;
	for (int i = 0; i < CALLS; i++)
		random_call(&random);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(audio_comes_back_after_all_that_can_happen, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
