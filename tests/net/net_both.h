/*
 * tests/net/net_both.h - a wire for each test, which runs with full ICE and
 * with ICE-lite
 */
#ifndef NET_BOTH_H
#define NET_BOTH_H

#include "tests/net/net_call.h"

static struct net n;

static inline int start_mtu(void **state, unsigned mtu)
{
	bench_lite = *state != NULL;
	net_start(&n, mtu);
	return 0;
}

static inline int start(void **state)
{
	return start_mtu(state, 1500);
}

static inline int stop(void **state)
{
	(void)state;
	net_stop(&n);
	bench_lite = false;
	return 0;
}

static int net_lite = 1; /* any address: the state of those with ICE-lite */

/* @f, begun by @s. */
#define BOTH(f, s)                                                             \
	cmocka_unit_test_prestate_setup_teardown(f, s, stop, NULL),            \
		cmocka_unit_test_prestate_setup_teardown(f, s, stop,           \
							 &net_lite)

#endif
