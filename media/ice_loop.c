#include "media/ice_loop.h"

#include <string.h>

#include <glib.h>

#define MAX_ROUNDS 64 /* of one context in one turn */

/* GLib reads whatever has come by now, wherever, and not only from the socket
 * that woke us: the rest is asked about first. */
static void take_others(struct gw_ice_loop *l, int but_fd)
{
	for (size_t i = 0; i < GW_ICE_LOOP_FDS; i++)
		if (l->fd[i].poller && l->fd[i].fd != but_fd)
			(void)l->take(l->fd[i].fd, l->arg);
}

static void run(struct gw_ice_loop *l)
{
	for (int i = 0; i < MAX_ROUNDS; i++)
		if (!g_main_context_iteration(l->gctx, FALSE))
			break;
	gw_ice_loop_sync(l);
	l->after(l->arg);
}

static void readable(struct gw_poll *p, void *arg)
{
	struct gw_ice_loop *l = arg;

	if (l->take(p->fd, l->arg))
		return;
	take_others(l, p->fd);
	run(l);
}

static void due(struct gw_timer *t, void *arg)
{
	(void)t;
	take_others(arg, -1);
	run(arg);
}

static bool has_fd(const GPollFD *fds, gint n, int fd)
{
	for (gint i = 0; i < n; i++)
		if (fds[i].fd == fd)
			return true;
	return false;
}

static bool is_watched(const struct gw_ice_loop *l, int fd)
{
	for (size_t i = 0; i < GW_ICE_LOOP_FDS; i++)
		if (l->fd[i].poller && l->fd[i].fd == fd)
			return true;
	return false;
}

static void watch(struct gw_ice_loop *l, int fd)
{
	for (size_t i = 0; i < GW_ICE_LOOP_FDS; i++) {
		struct gw_poll *p = &l->fd[i];

		if (p->poller)
			continue;
		if (gw_poller_add(l->poller, p, fd, readable, l))
			gw_warn(l->log, "ICE: a socket is not watched");
		return;
	}
}

static void sync_fds(struct gw_ice_loop *l, const GPollFD *fds, gint n)
{
	for (size_t i = 0; i < GW_ICE_LOOP_FDS; i++)
		if (l->fd[i].poller && !has_fd(fds, n, l->fd[i].fd))
			gw_poller_del(&l->fd[i]);
	for (gint i = 0; i < n; i++)
		if (fds[i].fd >= 0 && !is_watched(l, fds[i].fd))
			watch(l, fds[i].fd);
}

void gw_ice_loop_init(struct gw_ice_loop *l, struct gw_poller *poller,
		      struct gw_timers *timers, const struct gw_logctx *log,
		      gw_ice_loop_take_h *take, gw_ice_loop_h *after, void *arg)
{
	memset(l, 0, sizeof(*l));
	l->gctx = g_main_context_new();
	l->poller = poller;
	l->timers = timers;
	l->log = log;
	l->take = take;
	l->after = after;
	l->arg = arg;
	gw_timer_init(&l->wake, due, l);
}

void gw_ice_loop_stop(struct gw_ice_loop *l)
{
	gw_timer_stop(&l->wake);
	for (size_t i = 0; i < GW_ICE_LOOP_FDS; i++)
		gw_poller_del(&l->fd[i]);
}

void gw_ice_loop_fini(struct gw_ice_loop *l)
{
	gw_ice_loop_stop(l);
	g_main_context_unref(l->gctx);
	l->gctx = NULL;
}

void gw_ice_loop_sync(struct gw_ice_loop *l)
{
	GPollFD fds[GW_ICE_LOOP_FDS];
	gint timeout = -1;
	gint priority;
	gboolean ready;
	gint n;

	if (!g_main_context_acquire(l->gctx))
		return;
	ready = g_main_context_prepare(l->gctx, &priority);
	n = g_main_context_query(l->gctx, G_MAXINT, &timeout, fds,
				 GW_ICE_LOOP_FDS);
	g_main_context_release(l->gctx);

	sync_fds(l, fds, n < GW_ICE_LOOP_FDS ? n : GW_ICE_LOOP_FDS);
	if (ready)
		timeout = 0;
	if (timeout < 0)
		gw_timer_stop(&l->wake);
	else
		(void)gw_timer_start_ms(l->timers, &l->wake, (uint64_t)timeout);
}

void gw_ice_loop_poke(struct gw_ice_loop *l)
{
	(void)gw_timer_start_us(l->timers, &l->wake, 0);
}
