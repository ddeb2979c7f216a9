#include "gateway/base/mailbox.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CACHE_LINE   64
#define MAX_CAPACITY ((size_t)1 << 20)
#define MAX_MESSAGE  ((size_t)1 << 20)

/*
 * A place in the ring.  @turn says whose it is: equal to the position that
 * may write it, position + 1 once it may be read, position + capacity when
 * it is free for the next lap.
 */
struct cell {
	_Atomic size_t turn;
	alignas(max_align_t) unsigned char msg[];
};

struct gw_mailbox {
	size_t msg_size;
	size_t stride;
	size_t mask;
	unsigned char *cells;
	int fd;
	/* Apart, so that posters do not fight the owner for one line. */
	alignas(CACHE_LINE) _Atomic size_t post_at;
	alignas(CACHE_LINE) size_t take_at; /* owner only */
	/* A wake-up is on its way: the next posters save the system call. */
	alignas(CACHE_LINE) atomic_bool signalled;
};

static struct cell *cell_at(const struct gw_mailbox *mb, size_t position)
{
	return (struct cell *)(void *)(mb->cells +
				       (position & mb->mask) * mb->stride);
}

int gw_mailbox_new(struct gw_mailbox **out, size_t msg_size, size_t capacity)
{
	struct gw_mailbox *mb;
	size_t n = 2;

	if (!msg_size || msg_size > MAX_MESSAGE || !capacity ||
	    capacity > MAX_CAPACITY)
		return -EINVAL;
	while (n < capacity)
		n *= 2;

	mb = aligned_alloc(CACHE_LINE, sizeof(*mb));
	if (!mb)
		return -ENOMEM;
	memset(mb, 0, sizeof(*mb));
	mb->msg_size = msg_size;
	mb->stride =
		(sizeof(struct cell) + msg_size + alignof(struct cell) - 1) &
		~(alignof(struct cell) - 1);
	mb->mask = n - 1;
	mb->fd = -1;
	mb->cells = calloc(n, mb->stride);
	if (!mb->cells) {
		gw_mailbox_free(mb);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		atomic_init(&cell_at(mb, i)->turn, i);

	mb->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mb->fd < 0) {
		int err = -errno;

		gw_mailbox_free(mb);
		return err;
	}
	*out = mb;
	return 0;
}

void gw_mailbox_free(struct gw_mailbox *mb)
{
	if (!mb)
		return;
	if (mb->fd >= 0)
		(void)close(mb->fd);
	free(mb->cells);
	free(mb);
}

int gw_mailbox_fd(const struct gw_mailbox *mb)
{
	return mb->fd;
}

/* Takes the next position, or NULL when the ring is full. */
static struct cell *claim(struct gw_mailbox *mb, size_t *position)
{
	size_t at = atomic_load_explicit(&mb->post_at, memory_order_relaxed);

	for (;;) {
		struct cell *c = cell_at(mb, at);
		size_t turn =
			atomic_load_explicit(&c->turn, memory_order_acquire);
		intptr_t lead = (intptr_t)(turn - at);

		if (lead < 0)
			return NULL;
		if (lead > 0) {
			/* Another poster was faster. */
			at = atomic_load_explicit(&mb->post_at,
						  memory_order_relaxed);
		} else if (atomic_compare_exchange_weak_explicit(
				   &mb->post_at, &at, at + 1,
				   memory_order_relaxed,
				   memory_order_relaxed)) {
			*position = at;
			return c;
		}
	}
}

int gw_mailbox_post(struct gw_mailbox *mb, const void *msg)
{
	size_t at;
	struct cell *c = claim(mb, &at);

	if (!c)
		return -EAGAIN;
	memcpy(c->msg, msg, mb->msg_size);
	atomic_store_explicit(&c->turn, at + 1, memory_order_release);

	/* Read-modify-write on both sides: if this one finds the flag still
	 * up, the owner's later one in gw_mailbox_quiet() reads from it, and
	 * so sees the message above. */
	if (!atomic_exchange_explicit(&mb->signalled, true,
				      memory_order_acq_rel)) {
		const uint64_t one = 1;
		ssize_t n;

		do
			n = write(mb->fd, &one, sizeof(one));
		while (n < 0 && errno == EINTR);
	}
	return 0;
}

void gw_mailbox_quiet(struct gw_mailbox *mb)
{
	uint64_t count;
	ssize_t n;

	/* In this order: a poster that comes between the two finds the flag up
	 * and stays silent, but then its message is seen by the takes that
	 * follow.  The other way round its wake-up could be swallowed. */
	do
		n = read(mb->fd, &count, sizeof(count));
	while (n < 0 && errno == EINTR);
	(void)atomic_exchange_explicit(&mb->signalled, false,
				       memory_order_acq_rel);
}

bool gw_mailbox_take(struct gw_mailbox *mb, void *msg)
{
	struct cell *c = cell_at(mb, mb->take_at);
	size_t turn = atomic_load_explicit(&c->turn, memory_order_acquire);

	/* Empty, or claimed by a poster that has not finished copying: that
	 * one signals after it has. */
	if (turn != mb->take_at + 1)
		return false;
	memcpy(msg, c->msg, mb->msg_size);
	atomic_store_explicit(&c->turn, mb->take_at + mb->mask + 1,
			      memory_order_release);
	mb->take_at++;
	return true;
}
