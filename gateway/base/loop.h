/*
 * gateway/base/loop.h - the signalling thread's loop
 *
 * Sofia's su_root (epoll) outermost, a libuv loop embedded in it for
 * libwebsockets and for work off the thread, our own timers, and readable
 * descriptors (mailboxes, signals).  Everything of signalling runs on it.
 * Recipe and traps: docs/architecture.md "Threads".
 */
#ifndef GW_BASE_LOOP_H
#define GW_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/timers.h"

struct gw_loop;

/* @clock NULL: the real one.  0 or -errno. */
int gw_loop_new(struct gw_loop **out, gw_clock_h *clock, void *clock_arg);
/* After everything on it has been freed.  Waits, 2 s at most, for work still
 * on the pool, and runs its @done. */
void gw_loop_free(struct gw_loop *loop);

void gw_loop_run(struct gw_loop *loop);  /* until gw_loop_stop() */
void gw_loop_stop(struct gw_loop *loop); /* from the loop's thread */
/* One pass, waiting at most @ms.  For tests and for shutdown. */
void gw_loop_step(struct gw_loop *loop, uint32_t ms);

struct gw_timers *gw_loop_timers(struct gw_loop *loop);

/* For sip/ and webrtc/ to hand to their libraries: su_root_t *, uv_loop_t *. */
void *gw_loop_su_root(struct gw_loop *loop);
void *gw_loop_uv(struct gw_loop *loop);

/* @handler runs while @fd is readable.  Not owned.  At most 32.  0/-errno */
typedef void(gw_loop_fd_h)(int fd, void *arg);
int gw_loop_add_fd(struct gw_loop *loop, int fd, gw_loop_fd_h *handler,
		   void *arg);
void gw_loop_del_fd(struct gw_loop *loop, int fd);

/*
 * @work runs on a pool thread (4 of them), then @done on the loop's thread.
 * For what takes milliseconds of CPU: password hashes, signatures.  @arg is
 * the callers' plain data: no live object in it.  0 or -ENOMEM.
 */
typedef void(gw_work_h)(void *arg);
int gw_loop_work(struct gw_loop *loop, gw_work_h *work, gw_work_h *done,
		 void *arg);

#endif
