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
struct slot {
	_Atomic size_t turn;
	size_t cell; /* where its message is; who has the turn has this, too */
};

/*
 * The order of messages is in the ring, their bytes are in cells apart: were
 * they in the ring, each lap would touch all of it, and 1,024 messages of 5 kB
 * would be resident where hardly ever ten are under way.  The lowest cell that
 * is free is taken, so what was never needed at one time is never touched.
 *
 * There are as many cells as slots, and the owner gives a message's cell back
 * before its slot: who has claimed a slot finds a cell.
 */
struct gw_mailbox {
	size_t msg_size;
	size_t stride;
	size_t mask;
	struct slot *ring;
	unsigned char *cells;
	_Atomic uint64_t *free_cells; /* a bit each */
	int fd;
	/* Apart, so that posters do not fight the owner for one line. */
	alignas(CACHE_LINE) _Atomic size_t post_at;
	alignas(CACHE_LINE) size_t take_at; /* owner only */
	/* A wake-up is on its way: the next posters save the system call. */
	alignas(CACHE_LINE) atomic_bool signalled;
};

#define CELLS_A_WORD 64

static struct slot *slot_at(const struct gw_mailbox *mb, size_t position)
{
	return &mb->ring[position & mb->mask];
}

static unsigned char *cell_at(const struct gw_mailbox *mb, size_t cell)
{
	return mb->cells + cell * mb->stride;
}

static size_t words_of(size_t ncell)
{
	return (ncell + CELLS_A_WORD - 1) / CELLS_A_WORD;
}

/* -ENOMEM leaves what there is to gw_mailbox_free(). */
static int make_cells(struct gw_mailbox *mb, size_t n)
{
	mb->ring = calloc(n, sizeof(*mb->ring));
	mb->free_cells = calloc(words_of(n), sizeof(*mb->free_cells));
	/* Not calloc(), which may have to touch it. */
	mb->cells = malloc(n * mb->stride);
	if (!mb->ring || !mb->free_cells || !mb->cells)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		atomic_init(&mb->ring[i].turn, i);
	for (size_t i = 0; i < words_of(n); i++)
		atomic_init(&mb->free_cells[i], n < CELLS_A_WORD
							? ((uint64_t)1 << n) - 1
							: UINT64_MAX);
	return 0;
}

int gw_mailbox_new(struct gw_mailbox **out, size_t msg_size, size_t capacity)
{
	struct gw_mailbox *mb;
	size_t n = 2;
	int err;

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
	mb->stride = (msg_size + alignof(max_align_t) - 1) &
		     ~(alignof(max_align_t) - 1);
	mb->mask = n - 1;
	mb->fd = -1;
	err = make_cells(mb, n);
	if (!err) {
		mb->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		err = mb->fd < 0 ? -errno : 0;
	}
	if (err) {
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
	free(mb->ring);
	free(mb->cells);
	free((void *)mb->free_cells);
	free(mb);
}

int gw_mailbox_fd(const struct gw_mailbox *mb)
{
	return mb->fd;
}

/* Takes the next position, or NULL when the ring is full. */
static struct slot *claim(struct gw_mailbox *mb, size_t *position)
{
	size_t at = atomic_load_explicit(&mb->post_at, memory_order_relaxed);

	for (;;) {
		struct slot *s = slot_at(mb, at);
		size_t turn =
			atomic_load_explicit(&s->turn, memory_order_acquire);
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
			return s;
		}
	}
}

/*
 * For who has claimed a slot: one is free, though another poster may be faster
 * to any that is seen.
 */
static size_t take_cell(struct gw_mailbox *mb)
{
	for (;;) {
		for (size_t i = 0; i < words_of(mb->mask + 1); i++) {
			_Atomic uint64_t *word = &mb->free_cells[i];
			uint64_t seen = atomic_load_explicit(
				word, memory_order_relaxed);

			while (seen) {
				uint64_t bit = seen & -seen;

				/* Acquire: the owner has read what was in. */
				seen = atomic_fetch_and_explicit(
					word, ~bit, memory_order_acquire);
				if (seen & bit)
					return i * CELLS_A_WORD +
					       (size_t)__builtin_ctzll(bit);
			}
		}
	}
}

static void give_cell(struct gw_mailbox *mb, size_t cell)
{
	(void)atomic_fetch_or_explicit(&mb->free_cells[cell / CELLS_A_WORD],
				       (uint64_t)1 << cell % CELLS_A_WORD,
				       memory_order_release);
}

int gw_mailbox_post(struct gw_mailbox *mb, const void *msg)
{
	size_t at;
	struct slot *s = claim(mb, &at);

	if (!s)
		return -EAGAIN;
	s->cell = take_cell(mb);
	memcpy(cell_at(mb, s->cell), msg, mb->msg_size);
	atomic_store_explicit(&s->turn, at + 1, memory_order_release);

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
	struct slot *s = slot_at(mb, mb->take_at);
	size_t turn = atomic_load_explicit(&s->turn, memory_order_acquire);

	/* Empty, or claimed by a poster that has not finished copying: that
	 * one signals after it has. */
	if (turn != mb->take_at + 1)
		return false;
	memcpy(msg, cell_at(mb, s->cell), mb->msg_size);
	give_cell(mb, s->cell);
	atomic_store_explicit(&s->turn, mb->take_at + mb->mask + 1,
			      memory_order_release);
	mb->take_at++;
	return true;
}
