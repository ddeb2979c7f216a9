#include "gateway/enrol_held.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "gateway/base/check.h"

#define AT_ONCE  64  /* of GW_STORE_QUEUE */
#define AGAIN_MS 100 /* where others have filled the store's queue */

struct gw_held_read {
	TAILQ_ENTRY(gw_held_read) link; /* while it waits */
	struct gw_held *held;
	struct gw_store_req *asked; /* NULL: it waits */
	gw_store_h *handler;
	void *arg;
	char id[128];
};

struct gw_held {
	struct gw_core *core;
	TAILQ_HEAD(, gw_held_read) waiting;
	unsigned nasked;
	struct gw_timer again;
};

static void ask_again(struct gw_held *h)
{
	if (!TAILQ_EMPTY(&h->waiting) && !gw_timer_running(&h->again))
		(void)gw_timer_start_ms(gw_loop_timers(h->core->loop),
					&h->again, AGAIN_MS);
}

static void ask_next(struct gw_held *h);

static void on_row(const struct gw_store_answer *a, void *arg)
{
	struct gw_held_read *r = arg;
	struct gw_held *h = r->held;
	gw_store_h *handler = r->handler;
	void *to = r->arg;

	h->nasked--;
	free(r);
	handler(a, to);
	ask_next(h);
}

static void ask_next(struct gw_held *h)
{
	struct gw_store_cmd cmd = { .verb = GW_ST_SUBSCRIBER_GET };
	struct gw_held_read *r;

	while (h->nasked < AT_ONCE && (r = TAILQ_FIRST(&h->waiting))) {
		(void)snprintf(cmd.key, sizeof(cmd.key), "%s", r->id);
		if (gw_store_do(&r->asked, h->core->store, &cmd, on_row, r)) {
			ask_again(h);
			return;
		}
		TAILQ_REMOVE(&h->waiting, r, link);
		h->nasked++;
	}
}

static void on_again(struct gw_timer *t, void *arg)
{
	(void)t;
	ask_next(arg);
}

struct gw_held_read *gw_held_read(struct gw_held *held, const char *id,
				  gw_store_h *handler, void *arg)
{
	struct gw_held_read *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->held = held;
	r->handler = handler;
	r->arg = arg;
	(void)snprintf(r->id, sizeof(r->id), "%s", id);
	TAILQ_INSERT_TAIL(&held->waiting, r, link);
	ask_next(held);
	return r;
}

void gw_held_cancel(struct gw_held_read *read)
{
	struct gw_held *h;

	if (!read)
		return;
	h = read->held;
	if (read->asked) {
		gw_store_cancel(read->asked);
		h->nasked--;
		/* It may have been the last that would go on with the rest. */
		ask_again(h);
	} else {
		TAILQ_REMOVE(&h->waiting, read, link);
	}
	free(read);
}

int gw_held_new(struct gw_held **out, struct gw_core *core)
{
	struct gw_held *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->core = core;
	TAILQ_INIT(&h->waiting);
	gw_timer_init(&h->again, on_again, h);
	*out = h;
	return 0;
}

void gw_held_free(struct gw_held *held)
{
	if (!held)
		return;
	assert(TAILQ_EMPTY(&held->waiting) && !held->nasked);
	gw_timer_stop(&held->again);
	free(held);
}
