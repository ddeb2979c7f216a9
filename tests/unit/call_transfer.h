/* What tests of transfers share: legs that end in mid-test, and time for all that
 * follows from one event. */
#ifndef CALL_TRANSFER_H
#define CALL_TRANSFER_H

#include "tests/unit/call_fakes.h"

/* Legs that are let go during a test; freed at its end. */
static struct fake_leg *gone[8];
static unsigned ngone;

static inline struct fake_leg *set_aside(struct fake_leg **f)
{
	struct fake_leg *was = *f;

	assert_true(ngone < 8);
	gone[ngone++] = was;
	*f = NULL;
	return was;
}

static inline int tidy(void **state)
{
	int r = teardown(state);

	while (ngone)
		free(gone[--ngone]);
	return r;
}

static inline void settle(void)
{
	for (int i = 0; i < 6; i++) {
		pass_ms(1);
		media_works();
	}
}

#endif
