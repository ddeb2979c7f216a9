/*
 * gateway/base/timers.h - a clock that tests can hold still, and timers on it
 *
 * A heap of timers that belongs to one thread.  It knows no loop: the loop
 * asks when the next one is due, sleeps, and calls gw_timers_run().  Timers
 * are embedded in their objects and must be stopped before the object dies.
 */
#ifndef GW_BASE_TIMERS_H
#define GW_BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Monotonic microseconds. */
typedef uint64_t(gw_clock_h)(void *arg);

uint64_t gw_clock_monotonic_us(void *unused); /* the real one */
int64_t gw_clock_wall_s(void); /* seconds since 1970: tokens, CDRs */

struct gw_timers;
struct gw_timer;
typedef void(gw_timer_h)(struct gw_timer *t, void *arg);

struct gw_timer {
	uint64_t due_us;
	size_t slot; /* place in the heap + 1; 0: not running */
	struct gw_timers *owner;
	gw_timer_h *handler;
	void *arg;
};

/* @clock NULL: the real one.  0 or -ENOMEM. */
int gw_timers_new(struct gw_timers **out, gw_clock_h *clock, void *arg);
/* Timers still running are forgotten, not called. */
void gw_timers_free(struct gw_timers *ts);

uint64_t gw_timers_now_us(const struct gw_timers *ts);

/* Runs what is due; a handler may start, stop or free any timer.  Returns how
 * many ran. */
size_t gw_timers_run(struct gw_timers *ts);

/* Absolute due time of the earliest, UINT64_MAX when none runs. */
uint64_t gw_timers_next_us(const struct gw_timers *ts);
size_t gw_timers_count(const struct gw_timers *ts);

void gw_timer_init(struct gw_timer *t, gw_timer_h *handler, void *arg);
/* One shot.  Starting a running timer moves it.  0 or -ENOMEM. */
int gw_timer_start_us(struct gw_timers *ts, struct gw_timer *t, uint64_t us);
int gw_timer_start_ms(struct gw_timers *ts, struct gw_timer *t, uint64_t ms);
/* Later, together with others of the kind: a thousand calls that do little each
 * then wake the thread a few times a second.  By up to GW_TIMER_LAZY_FEW_US, or
 * GW_TIMER_LAZY_US from GW_TIMER_MANY running timers on: few are alone in a
 * short time, and many would hold up packets when they are all due at once. */
#define GW_TIMER_LAZY_US     50000
#define GW_TIMER_LAZY_FEW_US 200000
#define GW_TIMER_MANY        2000
int gw_timer_start_lazy_us(struct gw_timers *ts, struct gw_timer *t,
			   uint64_t us);
void gw_timer_stop(struct gw_timer *t); /* legal when not running */
bool gw_timer_running(const struct gw_timer *t);

#endif
