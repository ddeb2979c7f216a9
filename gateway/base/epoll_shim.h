/*
 * gateway/base/epoll_shim.h - our epoll_wait in front of the C library's
 *
 * Private to gateway/base.  On a thread that asked for it, a second empty
 * poll with time-out 0 in a row sleeps 0.2 ms, and a watcher hears when the
 * thread goes to sleep and when it wakes.  Other threads see epoll_wait(2).
 */
#ifndef GW_BASE_EPOLL_SHIM_H
#define GW_BASE_EPOLL_SHIM_H

#include <stdbool.h>

/* @asleep true: about to wait; false: back from it. */
typedef void(gw_epoll_watch_h)(bool asleep, void *arg);

/* For the calling thread; @watch NULL: as if there were no shim. */
void gw_epoll_shim_set(gw_epoll_watch_h *watch, void *arg);

#endif
