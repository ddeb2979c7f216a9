/*
 * Sofia cuts the time to its next timer down to whole milliseconds, and so
 * polls with time-out 0 up to a million times a second while a timer is less
 * than 1 ms away: a fifth of a core at 200 calls/s.  It calls epoll_wait
 * through the PLT, so the executable's definition is the one that runs
 * (libuv calls epoll_pwait and is not touched).
 */
#include "gateway/base/epoll_shim.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

#define NAP_NS 200000

/* Thread sanitizer has its own epoll_wait, which carries happens-before from
 * epoll_ctl to the waiter: replacing it would make it blind. */
#if defined(__SANITIZE_THREAD__)
#define WITH_SHIM 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_SHIM 0
#endif
#endif
#ifndef WITH_SHIM
#define WITH_SHIM 1
#endif

static _Thread_local gw_epoll_watch_h *watch;
static _Thread_local void *watch_arg;

void gw_epoll_shim_set(gw_epoll_watch_h *w, void *arg)
{
	watch = w;
	watch_arg = arg;
}

#if WITH_SHIM

static _Thread_local bool empty; /* the last poll with 0 found nothing */

static int nap(int epfd, struct epoll_event *ev, int max)
{
	const struct timespec ts = { .tv_nsec = NAP_NS };
	int n = epoll_pwait2(epfd, ev, max, &ts, NULL);

	/* Linux 5.11; older kernels and some container filters lack it. */
	if (n < 0 && (errno == ENOSYS || errno == EPERM)) {
		struct pollfd pfd = { .fd = epfd, .events = POLLIN };

		(void)ppoll(&pfd, 1, &ts, NULL);
		n = epoll_pwait(epfd, ev, max, 0, NULL);
	}
	return n;
}

int epoll_wait(int epfd, struct epoll_event *ev, int max, int timeout)
{
	int n, err;

	if (!watch)
		return epoll_pwait(epfd, ev, max, timeout, NULL);

	watch(true, watch_arg);
	if (timeout == 0 && empty)
		n = nap(epfd, ev, max);
	else
		n = epoll_pwait(epfd, ev, max, timeout, NULL);
	err = errno;
	empty = timeout == 0 && n == 0;
	watch(false, watch_arg);
	errno = err;
	return n;
}

#endif
