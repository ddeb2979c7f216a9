#include "media/worker_poll.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Sockets of one pass: a burst of all calls at once costs few of them. */
#define BATCH 512
#define LINE  64 /* of the cache */

struct gw_poller {
	int fd;
	int n;  /* events of the pass under way */
	int at; /* the one being handled */
	struct epoll_event event[BATCH];
};

int gw_poller_new(struct gw_poller **out)
{
	struct gw_poller *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->fd < 0) {
		err = -errno;
		free(p);
		return err;
	}
	*out = p;
	return 0;
}

void gw_poller_free(struct gw_poller *p)
{
	if (!p)
		return;
	(void)close(p->fd);
	free(p);
}

int gw_poller_add(struct gw_poller *poller, struct gw_poll *p, int fd,
		  gw_poll_h *handler, void *arg)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = p };

	if (epoll_ctl(poller->fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	p->fd = fd;
	p->poller = poller;
	p->handler = handler;
	p->arg = arg;
	return 0;
}

void gw_poller_del(struct gw_poll *p)
{
	struct gw_poller *poller = p->poller;

	if (!poller)
		return;
	(void)epoll_ctl(poller->fd, EPOLL_CTL_DEL, p->fd, NULL);
	/* What this pass still holds of it must not be delivered. */
	for (int i = poller->at + 1; i < poller->n; i++)
		if (poller->event[i].data.ptr == p)
			poller->event[i].data.ptr = NULL;
	p->poller = NULL;
	p->hot = NULL;
	p->fd = -1;
}

int gw_poller_poll(struct gw_poller *poller, int timeout_ms)
{
	int n = epoll_wait(poller->fd, poller->event, BATCH, timeout_ms);

	/* EINTR is a pass without events. */
	poller->n = n > 0 ? n : 0;
	return poller->n;
}

void gw_hot_add(struct gw_hot *hot, const void *at, size_t bytes)
{
	uintptr_t line = (uintptr_t)at & ~(uintptr_t)(LINE - 1);
	uintptr_t end = (uintptr_t)at + bytes;

	for (; at && line < end && hot->n < GW_HOT_LINES; line += LINE)
		hot->line[hot->n++] = (const void *)line;
}

/* The next but two: that it is; the next but one: what it needs; the next: that
 * too.  Each step reads what the one before has fetched. */
static void fetch_ahead(const struct gw_poller *poller)
{
	const struct epoll_event *ev = poller->event + poller->at;
	int left = poller->n - poller->at;
	const struct gw_poll *p;

	if (left > 3 && ev[3].data.ptr)
		__builtin_prefetch(ev[3].data.ptr);
	p = left > 2 ? ev[2].data.ptr : NULL;
	if (p && p->hot)
		for (size_t at = 0; at < sizeof(*p->hot); at += LINE)
			__builtin_prefetch((const char *)p->hot + at);
	p = left > 1 ? ev[1].data.ptr : NULL;
	for (unsigned i = 0; p && p->hot && i < p->hot->n; i++)
		__builtin_prefetch(p->hot->line[i]);
}

void gw_poller_dispatch(struct gw_poller *poller)
{
	for (poller->at = 0; poller->at < poller->n; poller->at++) {
		struct gw_poll *p = poller->event[poller->at].data.ptr;

		fetch_ahead(poller);
		if (p)
			p->handler(p, p->arg);
	}
	poller->n = 0;
	poller->at = 0;
}

void gw_poller_wait(struct gw_poller *poller, int timeout_ms)
{
	(void)gw_poller_poll(poller, timeout_ms);
	gw_poller_dispatch(poller);
}
