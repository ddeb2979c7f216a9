/*
 * Consent (RFC 7675): a browser that is gone is missed in time.  One that is
 * there, behind a lossy network, is not: with full ICE, where both ask, and
 * with ICE-lite, where only the browser does.
 */
#include "tests/net/net_both.h"

#include <string.h>

#define EXPIRY_MS 30000 /* RFC 7675 5.1 */
#define SLACK_MS  6000
#define OTHERS    8

static unsigned failures(const struct net_call *c)
{
	return bench_count(&n.bench, c->ctx, GW_E_ICE, GW_ICE_FAILED);
}

/* The phone talks on, and nothing of it goes out. */
static void nothing_is_sent_to(struct net_call *c)
{
	unsigned had;

	bench_turn(&n.bench, 50);
	had = media_peer_rtp_count(c->peer) + media_peer_bad(c->peer);
	for (int i = 0; i < 25; i++) {
		(void)phone_talk(&c->phone);
		bench_turn(&n.bench, 10);
	}
	assert_int_equal(
		media_peer_rtp_count(c->peer) + media_peer_bad(c->peer), had);
}

/* It neither checks nor answers any more. */
static void goes(struct net_call *c)
{
	uint64_t gone_us = gw_clock_monotonic_us(NULL);
	uint64_t ms = 0;

	media_peer_silence(c->peer);
	while (!failures(c) && ms < EXPIRY_MS + SLACK_MS) {
		bench_turn(&n.bench, 50);
		ms = (gw_clock_monotonic_us(NULL) - gone_us) / 1000;
	}
	net_say("%s: missed after %llu ms", bench_lite ? "lite" : "full ICE",
		(unsigned long long)ms);
	assert_int_equal(failures(c), 1);
	nothing_is_sent_to(c);
	assert_int_equal(failures(c), 1);
	assert_int_equal(bench_count(&n.bench, c->ctx, GW_E_DTLS, -1), 1);
}

static void one_that_is_gone_is_missed_and_others_are_kept(void **state)
{
	static struct net_call c, other[OTHERS];

	(void)state;
	net_call_make(&n, &c, WIRE_BROWSER_ADDR);
	net_talk(&n, &c, 300);
	for (int i = 0; i < OTHERS; i++)
		net_call_make(&n, &other[i], WIRE_BROWSER_ADDR);
	wire_set_both(n.wire, &(struct wire_terms){ .loss = 300 });
	goes(&c);
	for (int i = 0; i < OTHERS; i++) {
		assert_int_equal(failures(&other[i]), 0);
		net_call_end(&n, &other[i]);
	}
	net_call_end(&n, &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(one_that_is_gone_is_missed_and_others_are_kept, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
