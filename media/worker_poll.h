/*
 * media/worker_poll.h - the epoll set of one worker
 *
 * Level-triggered.  A source may be deleted, and its memory freed, from any
 * handler, also when it is itself ready in the same pass.  One thread.
 */
#ifndef GW_MEDIA_WORKER_POLL_H
#define GW_MEDIA_WORKER_POLL_H

#include <stddef.h>
#include <stdint.h>

struct gw_poller;
struct gw_poll;
typedef void(gw_poll_h)(struct gw_poll *p, void *arg);

/*
 * Where the memory is that a handler works on.  It is fetched while those
 * before it in the pass are handled: of a thousand calls none is in the cache.
 * Only a hint; an address may be stale.
 */
#define GW_HOT_LINES 28
struct gw_hot {
	unsigned n;
	const void *line[GW_HOT_LINES];
};

/* @bytes from @at; what does not fit is left out.  @at may be NULL. */
void gw_hot_add(struct gw_hot *hot, const void *at, size_t bytes);

/* Embedded in its owner; zeroed when not in a set. */
struct gw_poll {
	int fd;
	const struct gw_hot *hot; /* NULL: nothing is known */
	struct gw_poller *poller;
	gw_poll_h *handler;
	void *arg;
};

int gw_poller_new(struct gw_poller **out);
void gw_poller_free(struct gw_poller *poller);

/* @handler runs while @fd is readable or in error.  0 or -errno. */
int gw_poller_add(struct gw_poller *poller, struct gw_poll *p, int fd,
		  gw_poll_h *handler, void *arg);
/* Before the fd is closed.  Legal when not in a set. */
void gw_poller_del(struct gw_poll *p);

/* The two halves of a pass: how many are ready, @timeout_ms as in
 * epoll_wait(2); and their handlers. */
int gw_poller_poll(struct gw_poller *poller, int timeout_ms);
void gw_poller_dispatch(struct gw_poller *poller);
/* Both. */
void gw_poller_wait(struct gw_poller *poller, int timeout_ms);

#endif
