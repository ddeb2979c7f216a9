#include "media/worker_poll.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Sockets of one pass: a burst of all calls at once costs few of them. */
#define BATCH 512

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
	p->fd = -1;
}

int gw_poller_poll(struct gw_poller *poller, int timeout_ms)
{
	int n = epoll_wait(poller->fd, poller->event, BATCH, timeout_ms);

	/* EINTR is a pass without events. */
	poller->n = n > 0 ? n : 0;
	return poller->n;
}

void gw_poller_dispatch(struct gw_poller *poller)
{
	for (poller->at = 0; poller->at < poller->n; poller->at++) {
		struct gw_poll *p = poller->event[poller->at].data.ptr;

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
