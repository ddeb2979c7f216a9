#include "gateway/base/timers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

struct gw_timers {
	gw_clock_h *clock;
	void *clock_arg;
	struct gw_timer **heap;
	size_t count;
	size_t cap;
	bool running;       /* inside gw_timers_run() */
	uint64_t run_at_us; /* the one "now" of that run */
};

uint64_t gw_clock_monotonic_us(void *unused)
{
	struct timespec ts;

	(void)unused;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int64_t gw_clock_wall_s(void)
{
	return (int64_t)time(NULL);
}

int gw_timers_new(struct gw_timers **out, gw_clock_h *clock, void *arg)
{
	struct gw_timers *ts = calloc(1, sizeof(*ts));

	if (!ts)
		return -ENOMEM;
	ts->clock = clock ? clock : gw_clock_monotonic_us;
	ts->clock_arg = arg;
	*out = ts;
	return 0;
}

void gw_timers_free(struct gw_timers *ts)
{
	if (!ts)
		return;
	assert(!ts->running);
	for (size_t i = 0; i < ts->count; i++) {
		ts->heap[i]->slot = 0;
		ts->heap[i]->owner = NULL;
	}
	free(ts->heap);
	free(ts);
}

uint64_t gw_timers_now_us(const struct gw_timers *ts)
{
	return ts->clock(ts->clock_arg);
}

uint64_t gw_timers_next_us(const struct gw_timers *ts)
{
	return ts->count ? ts->heap[0]->due_us : UINT64_MAX;
}

size_t gw_timers_count(const struct gw_timers *ts)
{
	return ts->count;
}

static void place(struct gw_timers *ts, struct gw_timer *t, size_t i)
{
	ts->heap[i] = t;
	t->slot = i + 1;
}

static void sift_up(struct gw_timers *ts, size_t i)
{
	struct gw_timer *t = ts->heap[i];

	while (i > 0) {
		size_t parent = (i - 1) / 2;

		if (ts->heap[parent]->due_us <= t->due_us)
			break;
		place(ts, ts->heap[parent], i);
		i = parent;
	}
	place(ts, t, i);
}

static void sift_down(struct gw_timers *ts, size_t i)
{
	struct gw_timer *t = ts->heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= ts->count)
			break;
		if (child + 1 < ts->count &&
		    ts->heap[child + 1]->due_us < ts->heap[child]->due_us)
			child++;
		if (t->due_us <= ts->heap[child]->due_us)
			break;
		place(ts, ts->heap[child], i);
		i = child;
	}
	place(ts, t, i);
}

static void settle(struct gw_timers *ts, size_t i)
{
	if (i > 0 && ts->heap[i]->due_us < ts->heap[(i - 1) / 2]->due_us)
		sift_up(ts, i);
	else
		sift_down(ts, i);
}

static int make_room(struct gw_timers *ts)
{
	struct gw_timer **heap;
	size_t cap = ts->cap ? ts->cap * 2 : 64;

	if (ts->count < ts->cap)
		return 0;
	heap = realloc(ts->heap, cap * sizeof(struct gw_timer *));
	if (!heap)
		return -ENOMEM;
	ts->heap = heap;
	ts->cap = cap;
	return 0;
}

void gw_timer_init(struct gw_timer *t, gw_timer_h *handler, void *arg)
{
	*t = (struct gw_timer){ .handler = handler, .arg = arg };
}

int gw_timer_start_us(struct gw_timers *ts, struct gw_timer *t, uint64_t us)
{
	uint64_t now = gw_timers_now_us(ts);
	uint64_t due = us < UINT64_MAX - 1 - now ? now + us : UINT64_MAX - 1;
	int err;

	assert(t->handler);

	/* A timer started by a handler waits for the next run, so that one
	 * restarting itself with 0 cannot hold the thread for ever. */
	if (ts->running && due <= ts->run_at_us)
		due = ts->run_at_us + 1;

	if (t->slot && t->owner == ts) {
		t->due_us = due;
		settle(ts, t->slot - 1);
		return 0;
	}

	gw_timer_stop(t);
	err = make_room(ts);
	if (err)
		return err;
	t->owner = ts;
	t->due_us = due;
	place(ts, t, ts->count++);
	sift_up(ts, ts->count - 1);
	return 0;
}

int gw_timer_start_ms(struct gw_timers *ts, struct gw_timer *t, uint64_t ms)
{
	return gw_timer_start_us(
		ts, t, ms < UINT64_MAX / 1000 ? ms * 1000 : UINT64_MAX);
}

int gw_timer_start_lazy_us(struct gw_timers *ts, struct gw_timer *t,
			   uint64_t us)
{
	const uint64_t step = ts->count < GW_TIMER_MANY ? GW_TIMER_LAZY_FEW_US
							: GW_TIMER_LAZY_US;
	uint64_t over = (gw_timers_now_us(ts) + us) % step;

	if (over && us < UINT64_MAX / 2)
		us += step - over;
	return gw_timer_start_us(ts, t, us);
}

void gw_timer_stop(struct gw_timer *t)
{
	struct gw_timers *ts = t->owner;
	size_t i;

	if (!t->slot)
		return;
	i = t->slot - 1;
	assert(i < ts->count && ts->heap[i] == t);
	t->slot = 0;
	ts->count--;
	if (i < ts->count) {
		place(ts, ts->heap[ts->count], i);
		settle(ts, i);
	}
}

bool gw_timer_running(const struct gw_timer *t)
{
	return t->slot != 0;
}

size_t gw_timers_run(struct gw_timers *ts)
{
	size_t ran = 0;

	/* From inside a handler: the outer run goes on with the rest. */
	if (ts->running)
		return 0;

	ts->running = true;
	ts->run_at_us = gw_timers_now_us(ts);
	while (ts->count && ts->heap[0]->due_us <= ts->run_at_us) {
		struct gw_timer *t = ts->heap[0];

		gw_timer_stop(t);
		ran++;
		t->handler(t, t->arg); /* t may be gone */
	}
	ts->running = false;
	return ran;
}
