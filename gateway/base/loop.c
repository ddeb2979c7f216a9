#include "gateway/base/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <sofia-sip/su.h>
#include <sofia-sip/su_wait.h>
#include <uv.h>

#include "gateway/base/check.h"
#include "gateway/base/epoll_shim.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"

#define MAGIC         0x10091009
#define MAX_FDS       32
#define NEVER         UINT64_MAX
#define SLOW_US       20000   /* a pass that delays every call audibly */
#define SLOW_QUIET_US 1000000 /* one complaint a second at most */
#define CLOSE_STEPS   400     /* of 5 ms: what libuv may take to end */

struct fd_slot {
	int fd;    /* -1: free */
	int index; /* Sofia's number of the registration */
	gw_loop_fd_h *handler;
	void *arg;
};

struct gw_loop {
	uint32_t magic;
	su_root_t *root;
	uv_loop_t uv;
	struct gw_timers *timers;
	bool real_clock;
	bool stopping;
	/*
	 * One timerfd wakes the loop for libuv's timers and for ours.  Not a
	 * su_timer: those count in whole milliseconds and on the wall clock,
	 * so they would be late, busy-wait, and stop when the clock is set.
	 */
	int timer_fd;
	int timer_index;
	int uv_index;
	uint64_t armed_us; /* what timer_fd is set to; NEVER: nothing */
	struct fd_slot fds[MAX_FDS];
	/* watchdog */
	uint64_t woke_us; /* 0: not in a pass */
	uint64_t complained_us;
	uint32_t slow;
};

struct work {
	uv_work_t req;
	gw_work_h *work;
	gw_work_h *done;
	void *arg;
};

static const struct gw_logctx lc = { .module = "loop" };

GW_COUNTER(m_passes, "isthmus_loop_passes_total",
	   "Passes of the signalling loop", "");
GW_COUNTER(m_busy, "isthmus_loop_busy_us_total",
	   "Microseconds the signalling loop was not asleep", "");
GW_COUNTER(m_slow, "isthmus_loop_slow_passes_total",
	   "Passes of the signalling loop over 20 ms", "");
GW_GAUGE(m_longest, "isthmus_loop_longest_pass_us",
	 "Longest pass of the signalling loop since the start", "");

/* ---- watchdog ---- */

static void pass_ended(struct gw_loop *loop, uint64_t now)
{
	uint64_t took = now - loop->woke_us;

	loop->woke_us = 0;
	gw_metric_add(&m_passes, 1);
	gw_metric_add(&m_busy, (int64_t)took);
	if ((int64_t)took > gw_metric_get(&m_longest))
		gw_metric_set(&m_longest, (int64_t)took);
	if (took < SLOW_US)
		return;

	gw_metric_add(&m_slow, 1);
	loop->slow++;
	if (loop->complained_us && now - loop->complained_us < SLOW_QUIET_US)
		return;
	gw_warn(&lc, "a pass took %u ms; %u slow ones since the last word",
		(unsigned)(took / 1000), loop->slow);
	loop->complained_us = now;
	loop->slow = 0;
}

static void watch_sleep(bool asleep, void *arg)
{
	struct gw_loop *loop = arg;
	uint64_t now = gw_clock_monotonic_us(NULL);

	if (!asleep) {
		loop->woke_us = now;
		/* For callbacks of Sofia's sockets too. */
		uv_update_time(&loop->uv);
	} else if (loop->woke_us) {
		pass_ended(loop, now);
	}
}

/* ---- the pass ---- */

static void arm(struct gw_loop *loop, uint64_t due_us)
{
	struct itimerspec it = { 0 };

	if (due_us == loop->armed_us)
		return;
	loop->armed_us = due_us;
	if (due_us != NEVER) {
		/* All zero would disarm. */
		if (!due_us)
			due_us = 1;
		it.it_value.tv_sec = (time_t)(due_us / 1000000);
		it.it_value.tv_nsec = (long)(due_us % 1000000 * 1000);
	}
	if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &it, NULL))
		gw_error(&lc, "timerfd_settime: %s", strerror(errno));
}

/*
 * libuv's next deadline in our microseconds: its clock is the same
 * CLOCK_MONOTONIC, cut to milliseconds.
 */
static uint64_t uv_due_us(struct gw_loop *loop)
{
	int ms;

	/* A loop without handles says 0, which would mean "at once". */
	if (!uv_loop_alive(&loop->uv))
		return NEVER;
	ms = uv_backend_timeout(&loop->uv);
	if (ms < 0)
		return NEVER;
	return ms ? (uv_now(&loop->uv) + (uint64_t)ms) * 1000 : 0;
}

/* Before each sleep: run what is due, then set the alarm for what is not. */
static void prepoll(su_prepoll_magic_t *magic, su_root_t *root)
{
	struct gw_loop *loop = (struct gw_loop *)(void *)magic;
	uint64_t uv_due, due;

	(void)root;
	uv_update_time(&loop->uv);
	(void)gw_timers_run(loop->timers);
	uv_update_time(&loop->uv);
	uv_due = uv_due_us(loop);
	if (!uv_due) {
		/* Something to close, to call or to tell the kernel. */
		(void)uv_run(&loop->uv, UV_RUN_NOWAIT);
		uv_due = uv_due_us(loop);
	}

	/* A clock held by a test says nothing about when to wake up. */
	due = loop->real_clock ? gw_timers_next_us(loop->timers) : NEVER;
	arm(loop, uv_due < due ? uv_due : due);
}

static int on_uv(su_root_magic_t *magic, su_wait_t *w, su_wakeup_arg_t *arg)
{
	struct gw_loop *loop = (struct gw_loop *)(void *)arg;

	(void)magic;
	(void)w;
	(void)uv_run(&loop->uv, UV_RUN_NOWAIT);
	return 0;
}

static int on_timer(su_root_magic_t *magic, su_wait_t *w, su_wakeup_arg_t *arg)
{
	struct gw_loop *loop = (struct gw_loop *)(void *)arg;
	uint64_t count;

	(void)magic;
	(void)w;
	if (read(loop->timer_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		gw_error(&lc, "timerfd: %s", strerror(errno));
	loop->armed_us = NEVER;
	/* Or what handlers start on libuv would count from the last pass. */
	uv_update_time(&loop->uv);
	(void)gw_timers_run(loop->timers);
	(void)uv_run(&loop->uv, UV_RUN_NOWAIT);
	return 0;
}

/* Sofia's number of the registration, or -errno. */
static int watch_fd(struct gw_loop *loop, int fd, su_wakeup_f handler,
		    void *arg)
{
	su_wait_t wait[1];
	int index;

	su_wait_init(wait);
	if (su_wait_create(wait, fd, SU_WAIT_IN) < 0)
		return errno ? -errno : -EINVAL;
	errno = 0;
	index = su_root_register(loop->root, wait, handler,
				 (su_wakeup_arg_t *)arg, 0);
	if (index < 0)
		return errno ? -errno : -ENOMEM;
	return index;
}

/* ---- life ---- */

static int set_up(struct gw_loop *loop)
{
	int err;

	err = uv_loop_init(&loop->uv);
	if (err)
		return err; /* libuv's codes are -errno */
	loop->root = su_root_create(NULL);
	if (!loop->root) {
		err = -ENOMEM;
		goto fail_uv;
	}
	(void)su_root_threading(loop->root, 0);

	loop->timer_fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->timer_fd < 0) {
		err = -errno;
		goto fail_root;
	}
	err = watch_fd(loop, loop->timer_fd, on_timer, loop);
	if (err < 0)
		goto fail_timer;
	loop->timer_index = err;
	err = watch_fd(loop, uv_backend_fd(&loop->uv), on_uv, loop);
	if (err < 0)
		goto fail_timer;
	loop->uv_index = err;
	if (su_root_add_prepoll(loop->root, prepoll,
				(su_prepoll_magic_t *)(void *)loop) < 0) {
		err = -ENOMEM;
		goto fail_timer;
	}
	return 0;

fail_timer:
	(void)close(loop->timer_fd);
fail_root:
	su_root_destroy(loop->root);
fail_uv:
	(void)uv_loop_close(&loop->uv);
	return err;
}

int gw_loop_new(struct gw_loop **out, gw_clock_h *clock, void *clock_arg)
{
	struct gw_loop *loop = calloc(1, sizeof(*loop));
	int err;

	if (!loop)
		return -ENOMEM;
	loop->magic = MAGIC;
	loop->armed_us = NEVER;
	loop->real_clock = !clock;
	for (size_t i = 0; i < MAX_FDS; i++)
		loop->fds[i].fd = -1;

	err = gw_timers_new(&loop->timers, clock, clock_arg);
	if (err)
		goto fail;
	(void)su_init();
	err = set_up(loop);
	if (err)
		goto fail;
	*out = loop;
	return 0;

fail:
	gw_timers_free(loop->timers);
	free(loop);
	return err;
}

void gw_loop_free(struct gw_loop *loop)
{
	if (!loop)
		return;
	GW_CHECK(loop, MAGIC);

	for (size_t i = 0; i < MAX_FDS; i++)
		if (loop->fds[i].fd >= 0)
			gw_loop_del_fd(loop, loop->fds[i].fd);

	/* Handles being closed and work still on the pool come to their end
	 * here; a handle that its owner forgot must not hold us for ever. */
	for (int i = 0; i < CLOSE_STEPS && uv_loop_alive(&loop->uv); i++) {
		if (i)
			(void)usleep(5000);
		(void)uv_run(&loop->uv, UV_RUN_NOWAIT);
	}
	(void)su_root_remove_prepoll(loop->root);
	(void)su_root_deregister(loop->root, loop->uv_index);
	(void)su_root_deregister(loop->root, loop->timer_index);
	(void)close(loop->timer_fd);
	su_root_destroy(loop->root);
	su_deinit();
	gw_timers_free(loop->timers);
	loop->magic = 0;
	if (uv_loop_close(&loop->uv)) {
		/* Leaked on purpose: something may still point into it. */
		gw_error(&lc, "a libuv handle outlived the loop");
		return;
	}
	free(loop);
}

void gw_loop_run(struct gw_loop *loop)
{
	GW_CHECK(loop, MAGIC);
	gw_epoll_shim_set(watch_sleep, loop);
	/* Sofia forgets a break from before its run. */
	if (!loop->stopping)
		su_root_run(loop->root);
	loop->stopping = false;
	loop->woke_us = 0;
	gw_epoll_shim_set(NULL, NULL);
}

void gw_loop_stop(struct gw_loop *loop)
{
	GW_CHECK(loop, MAGIC);
	loop->stopping = true;
	su_root_break(loop->root);
}

void gw_loop_step(struct gw_loop *loop, uint32_t ms)
{
	GW_CHECK(loop, MAGIC);
	gw_epoll_shim_set(watch_sleep, loop);
	(void)su_root_step(loop->root, (su_duration_t)ms);
	loop->woke_us = 0;
	gw_epoll_shim_set(NULL, NULL);
}

struct gw_timers *gw_loop_timers(struct gw_loop *loop)
{
	return loop->timers;
}

void *gw_loop_su_root(struct gw_loop *loop)
{
	return loop->root;
}

void *gw_loop_uv(struct gw_loop *loop)
{
	return &loop->uv;
}

/* ---- descriptors ---- */

static int on_fd(su_root_magic_t *magic, su_wait_t *w, su_wakeup_arg_t *arg)
{
	struct fd_slot *slot = (struct fd_slot *)(void *)arg;

	(void)magic;
	(void)w;
	if (slot->fd >= 0)
		slot->handler(slot->fd, slot->arg);
	return 0;
}

static struct fd_slot *find_slot(struct gw_loop *loop, int fd)
{
	for (size_t i = 0; i < MAX_FDS; i++)
		if (loop->fds[i].fd == fd)
			return &loop->fds[i];
	return NULL;
}

int gw_loop_add_fd(struct gw_loop *loop, int fd, gw_loop_fd_h *handler,
		   void *arg)
{
	struct fd_slot *slot;
	int index;

	GW_CHECK(loop, MAGIC);
	if (fd < 0 || !handler)
		return -EINVAL;
	if (find_slot(loop, fd))
		return -EEXIST;
	slot = find_slot(loop, -1);
	if (!slot)
		return -ENOSPC;
	index = watch_fd(loop, fd, on_fd, slot);
	if (index < 0)
		return index;
	*slot = (struct fd_slot){
		.fd = fd, .index = index, .handler = handler, .arg = arg
	};
	return 0;
}

void gw_loop_del_fd(struct gw_loop *loop, int fd)
{
	struct fd_slot *slot;

	GW_CHECK(loop, MAGIC);
	slot = fd >= 0 ? find_slot(loop, fd) : NULL;
	if (!slot)
		return;
	slot->fd = -1;
	(void)su_root_deregister(loop->root, slot->index);
}

/* ---- work off the thread ---- */

static void on_work(uv_work_t *req)
{
	struct work *w = (struct work *)(void *)req;

	w->work(w->arg);
}

static void on_done(uv_work_t *req, int status)
{
	struct work *w = (struct work *)(void *)req;

	/* Nothing here is ever cancelled. */
	assert(status == 0);
	w->done(w->arg);
	free(w);
}

/*
 * libuv joins its pool in a destructor of the library, which comes after
 * thread sanitizer's end and then waits for ever: ask for it before.
 */
static void end_pool_at_exit(void)
{
	static bool asked;

	if (!asked)
		asked = !atexit(uv_library_shutdown);
}

int gw_loop_work(struct gw_loop *loop, gw_work_h *work, gw_work_h *done,
		 void *arg)
{
	struct work *w;
	int err;

	GW_CHECK(loop, MAGIC);
	end_pool_at_exit();
	w = malloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->work = work;
	w->done = done;
	w->arg = arg;
	err = uv_queue_work(&loop->uv, &w->req, on_work, on_done);
	if (err)
		free(w);
	return err;
}
