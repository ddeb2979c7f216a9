#include "media/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "media/context.h"
#include "media/lag.h"
#include "media/lite_port.h"
#include "media/worker_poll.h"

#define WORKER_MAGIC     0x303ce701
#define COMMANDS         1024 /* mailbox */
#define BUSY_US          500  /* of commands, and of handshakes, a pass */
#define PENDING_COMMANDS 256  /* events owed, above which none is taken */
#define PENDING_MAX      4096 /* ... above which news are dropped */
#define PENDING_RETRY_MS 5
#define INSIST_MS        1
#define CATCH_UP_US      1000000 /* after a stall: queues are empty by then */
#define TICK_PASSES      64      /* one packet a socket each */

struct entry {
	gw_ctx_id id;
	struct gw_context *ctx;
	UT_hash_handle hh;
};

/* An event that found the signalling mailbox full. */
struct owed {
	struct owed *next;
	struct gw_media_event ev;
};

struct gw_worker {
	uint32_t magic;
	pthread_t thread;
	bool started;
	unsigned index;
	struct gw_mailbox *commands;
	struct gw_mailbox *events; /* not owned */
	int stop_fd;
	_Atomic bool stop;
	_Atomic unsigned load;
	_Atomic uint64_t handled; /* commands */
	uint64_t posted;          /* the signalling thread's own */

	/* The thread's own from here on. */
	struct gw_media_env env;
	struct gw_poll mailbox_poll, stop_poll;
	struct gw_timer renew; /* of the DTLS certificate */
	struct entry *contexts;
	bool more_commands;
	bool took; /* commands, in this pass */
	struct owed *first, **last;
	size_t nowed;
};

GW_COUNTER(m_lost, "isthmus_media_events_lost_total",
	   "Events dropped because the signalling thread is behind", "");
GW_COUNTER(m_late, "isthmus_media_events_delayed_total",
	   "Events that had to wait for the signalling thread", "");
GW_COUNTER(m_stood, "isthmus_media_out_of_memory_total",
	   "Times that a media loop stood still for want of memory", "");
GW_COUNTER(m_gone, "isthmus_media_gone_total",
	   "Commands for a context that is not there", "");

GW_COUNTER(m_put_off, "isthmus_media_handshakes_put_off_total",
	   "Passes that left DTLS handshakes for later, for media's sake", "");

static const struct gw_logctx wlog = { .module = "media" };

/* ---- events ---- */

/* What the call waits for.  Their number is bounded by commands, which are
 * not taken while too many are owed; the rest is news, and may be lost. */
static bool must_arrive(const struct gw_media_event *ev)
{
	switch (ev->type) {
	case GW_E_RESERVED:
	case GW_E_CONFIGURED:
	case GW_E_FAILED:
	case GW_E_TAKEN:
	case GW_E_RELEASED:
	case GW_E_GONE:
		return true;
	default:
		return false;
	}
}

/* False: there is no memory for it. */
static bool owe(struct gw_worker *w, const struct gw_media_event *ev)
{
	struct owed *o = malloc(sizeof(*o));

	if (!o)
		return false;
	o->ev = *ev;
	o->next = NULL;
	*w->last = o;
	w->last = &o->next;
	w->nowed++;
	return true;
}

static void pay(struct gw_worker *w)
{
	while (w->first && !gw_mailbox_post(w->events, &w->first->ev)) {
		struct owed *o = w->first;

		w->first = o->next;
		if (!w->first)
			w->last = &w->first;
		w->nowed--;
		free(o);
	}
}

static bool post(struct gw_worker *w, const struct gw_media_event *ev)
{
	/* In order: what is owed goes first. */
	return !w->first && !gw_mailbox_post(w->events, ev);
}

/* There is no memory: media stands still until the signalling thread, which
 * waits for no worker, has taken what it has.  Else a call, which has no timer
 * for this answer, would wait for ever. */
static void insist(struct gw_worker *w, const struct gw_media_event *ev)
{
	const struct timespec ts = { .tv_nsec = INSIST_MS * 1000000 };

	while (!atomic_load(&w->stop)) {
		pay(w);
		if (post(w, ev) || owe(w, ev))
			return;
		(void)nanosleep(&ts, NULL);
	}
}

static void emit(const struct gw_media_event *ev, void *arg)
{
	struct gw_worker *w = arg;
	bool must = must_arrive(ev);

	if (atomic_load(&w->stop))
		return; /* nobody will read it */
	if (post(w, ev))
		return;
	if ((must || (ev->type != GW_E_QUALITY && w->nowed < PENDING_MAX)) &&
	    owe(w, ev)) {
		gw_metric_add(&m_late, 1);
	} else if (must) {
		gw_metric_add(&m_late, 1);
		gw_metric_add(&m_stood, 1);
		insist(w, ev);
	} else {
		gw_metric_add(&m_lost, 1);
	}
}

/* ---- contexts ---- */

static struct entry *find(struct gw_worker *w, gw_ctx_id id)
{
	struct entry *e;

	HASH_FIND(hh, w->contexts, &id, sizeof(id), e);
	return e;
}

static struct entry *add(struct gw_worker *w, const struct gw_media_cmd *cmd)
{
	struct entry *e = calloc(1, sizeof(*e));
	char call_id[sizeof(cmd->call_id)];

	if (!e)
		return NULL;
	(void)snprintf(call_id, sizeof(call_id), "%.*s",
		       (int)sizeof(call_id) - 1, cmd->call_id);
	if (gw_context_new(&e->ctx, &w->env, cmd->ctx, call_id)) {
		free(e);
		return NULL;
	}
	e->id = cmd->ctx;
	HASH_ADD(hh, w->contexts, id, sizeof(e->id), e);
	if (!e->hh.tbl) {
		gw_context_free(e->ctx);
		free(e);
		return NULL;
	}
	atomic_fetch_add_explicit(&w->load, 1, memory_order_relaxed);
	return e;
}

/* Leaves the context to the caller. */
static struct gw_context *take_out(struct gw_worker *w, struct entry *e)
{
	struct gw_context *ctx = e->ctx;

	HASH_DEL(w->contexts, e);
	free(e);
	atomic_fetch_sub_explicit(&w->load, 1, memory_order_relaxed);
	return ctx;
}

static void answer(struct gw_worker *w, const struct gw_media_cmd *cmd,
		   enum gw_media_event_type type, int error)
{
	struct gw_media_event ev;

	memset(&ev, 0, sizeof(ev));
	ev.type = (uint8_t)type;
	ev.term = cmd->term;
	ev.serial = cmd->serial;
	ev.ctx = cmd->ctx;
	ev.error = error;
	emit(&ev, w);
}

static void handle(struct gw_worker *w, const struct gw_media_cmd *cmd)
{
	struct entry *e = find(w, cmd->ctx);

	if (!e && cmd->verb == GW_M_RESERVE) {
		e = add(w, cmd);
		if (!e) {
			answer(w, cmd, GW_E_FAILED, -ENOMEM);
			return;
		}
	}
	if (!e) {
		gw_metric_add(&m_gone, 1);
		answer(w, cmd, GW_E_GONE, -ENOENT);
	} else if (cmd->verb == GW_M_RELEASE) {
		gw_context_release(take_out(w, e), cmd->serial);
	} else if (!gw_context_command(e->ctx, cmd)) {
		/* Its only RESERVE failed, and was answered so. */
		gw_context_free(take_out(w, e));
	}
}

static void take_commands(struct gw_worker *w)
{
	uint64_t end = gw_timers_now_us(w->env.timers) + BUSY_US;
	struct gw_media_cmd cmd;

	gw_mailbox_quiet(w->commands);
	w->took = true;
	w->more_commands = true;
	do {
		if (w->nowed >= PENDING_COMMANDS)
			return;
		if (!gw_mailbox_take(w->commands, &cmd)) {
			w->more_commands = false;
			return;
		}
		handle(w, &cmd);
		atomic_fetch_add_explicit(&w->handled, 1, memory_order_relaxed);
		/* Gathering takes 0.2 ms, and packets wait. */
	} while (gw_timers_now_us(w->env.timers) < end);
}

static void take_turns(struct gw_worker *w)
{
	uint64_t end = gw_timers_now_us(w->env.timers) + BUSY_US;

	while (gw_context_turn(&w->env))
		if (gw_timers_now_us(w->env.timers) >= end)
			break;
	if (!TAILQ_EMPTY(&w->env.turns))
		gw_metric_add(&m_put_off, 1);
}

static void mailbox_readable(struct gw_poll *p, void *arg)
{
	struct gw_worker *w = arg;

	(void)p;
	GW_CHECK(w, WORKER_MAGIC);
	take_commands(w);
}

static void stop_readable(struct gw_poll *p, void *arg)
{
	(void)p; /* the loop looks at the flag */
	(void)arg;
}

/* ---- the thread ---- */

static int next_timeout_ms(const struct gw_worker *w)
{
	uint64_t due = gw_timers_next_us(w->env.timers);
	uint64_t now = gw_timers_now_us(w->env.timers);
	int limit = w->first ? PENDING_RETRY_MS : 60000;
	uint64_t ms;

	if ((w->more_commands && w->nowed < PENDING_COMMANDS) ||
	    !TAILQ_EMPTY(&w->env.turns))
		return 0;
	if (due <= now)
		return 0;
	ms = (due - now + 999) / 1000;
	return ms < (uint64_t)limit ? (int)ms : limit;
}

/* Until the tick is over, when something has come before it is. */
static void sleep_out_tick(const struct gw_worker *w)
{
	uint64_t tick_us = (uint64_t)w->env.cfg->tick_ms * 1000;
	uint64_t now = gw_timers_now_us(w->env.timers);
	uint64_t due = (now / tick_us + 1) * tick_us;
	const struct timespec ts = {
		.tv_sec = (time_t)(due / 1000000),
		.tv_nsec = (long)(due % 1000000 * 1000),
	};

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* What has come since the last tick.  Bounded, so that a flood does not keep
 * timers and commands waiting. */
static void drain(struct gw_worker *w)
{
	gw_poller_dispatch(w->env.poller);
	for (int i = 1; w->env.cfg->tick_ms && i < TICK_PASSES; i++) {
		if (!gw_poller_poll(w->env.poller, 0))
			break;
		gw_poller_dispatch(w->env.poller);
	}
}

/* What came since @begin has waited for as long; what was due before, for
 * longer. */
static void mind_lag(struct gw_worker *w, uint64_t begin, uint64_t due)
{
	uint64_t now = gw_timers_now_us(w->env.timers);

	if (gw_lag_pass(now - (due < begin ? due : begin)))
		w->env.catching_up_until_us = now + CATCH_UP_US;
}

static void *run(void *arg)
{
	struct gw_worker *w = arg;
	uint64_t begin;
	uint64_t due;

	while (!atomic_load(&w->stop)) {
		int n = gw_poller_poll(w->env.poller, next_timeout_ms(w));

		if (n && w->env.cfg->tick_ms)
			sleep_out_tick(w);
		due = gw_timers_next_us(w->env.timers);
		begin = gw_timers_now_us(w->env.timers);
		w->took = false;
		drain(w);
		if (!TAILQ_EMPTY(&w->env.turns))
			take_turns(w);
		(void)gw_timers_run(w->env.timers);
		if (w->more_commands && !w->took)
			take_commands(w);
		pay(w);
		mind_lag(w, begin, due);
	}

	/* libnice and DTLS must go on the thread they lived on. */
	for (struct entry *e = w->contexts, *next; e; e = next) {
		next = e->hh.next;
		gw_context_release(take_out(w, e), 0);
	}
	return NULL;
}

static int start_thread(struct gw_worker *w)
{
	sigset_t all;
	sigset_t old;
	char name[16];
	int err;

	/* Signals are the signalling thread's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&w->thread, NULL, run, w);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return -err;
	w->started = true;
	(void)snprintf(name, sizeof(name), "media/%u", w->index);
	(void)pthread_setname_np(w->thread, name);
	return 0;
}

/* Calls that live keep what they have told their peers. */
static int renew_dtls(struct gw_media_env *env)
{
	struct gw_dtls_cert *cert;
	struct gw_dtls_ctx *dtls;
	int err = gw_dtls_cert_get(&cert,
				   (uint64_t)env->cfg->certificate_ms * 1000);

	if (err)
		return err;
	err = gw_dtls_ctx_new(&dtls, cert, env->cfg->prefer_x25519);
	gw_dtls_cert_unref(cert);
	if (err)
		return err;
	gw_dtls_ctx_unref(env->dtls);
	env->dtls = dtls;
	return 0;
}

static void renew_due(struct gw_timer *t, void *arg)
{
	struct gw_worker *w = arg;

	GW_CHECK(w, WORKER_MAGIC);
	if (renew_dtls(&w->env))
		gw_error(&wlog, "the DTLS certificate cannot be renewed; going "
				"on with the old one");
	else
		gw_info(&wlog, "new DTLS certificate for new calls");
	(void)gw_timer_start_ms(w->env.timers, t, w->env.cfg->certificate_ms);
}

static int make_env(struct gw_worker *w, const struct gw_media_config *cfg,
		    unsigned count)
{
	struct gw_media_env *env = &w->env;
	int err;

	TAILQ_INIT(&env->turns);
	env->cfg = cfg;
	env->emit = emit;
	env->arg = w;
	err = gw_poller_new(&env->poller);
	if (!err)
		err = gw_timers_new(&env->timers, NULL, NULL);
	if (!err)
		err = renew_dtls(env);
	if (!err && cfg->certificate_ms)
		err = gw_timer_start_ms(env->timers, &w->renew,
					cfg->certificate_ms);
	if (!err)
		err = gw_stun_new(&env->stun);
	if (!err && cfg->lite_port)
		err = gw_lite_port_new(
			&env->lite,
			&(struct gw_lite_port_options){
				.poller = env->poller,
				.timers = env->timers,
				.address = cfg->web_address,
				.port = (uint16_t)(cfg->lite_port + w->index),
			});
	if (!err && cfg->port_min)
		err = gw_ports_new(&env->ports, cfg->port_min, cfg->port_max,
				   w->index, count);
	return err;
}

static int watch(struct gw_worker *w)
{
	int err = gw_mailbox_new(&w->commands, sizeof(struct gw_media_cmd),
				 COMMANDS);

	if (err)
		return err;
	w->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->stop_fd < 0)
		return -errno;
	err = gw_poller_add(w->env.poller, &w->mailbox_poll,
			    gw_mailbox_fd(w->commands), mailbox_readable, w);
	if (!err)
		err = gw_poller_add(w->env.poller, &w->stop_poll, w->stop_fd,
				    stop_readable, w);
	return err;
}

int gw_worker_new(struct gw_worker **out, const struct gw_media_config *cfg,
		  struct gw_mailbox *events, unsigned index, unsigned count)
{
	struct gw_worker *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->magic = WORKER_MAGIC;
	w->index = index;
	w->events = events;
	w->stop_fd = -1;
	w->last = &w->first;
	gw_timer_init(&w->renew, renew_due, w);

	err = make_env(w, cfg, count);
	if (!err)
		err = watch(w);
	if (!err)
		err = start_thread(w);
	if (err) {
		gw_worker_free(w);
		return err;
	}
	*out = w;
	return 0;
}

void gw_worker_free(struct gw_worker *w)
{
	const uint64_t one = 1;

	if (!w)
		return;
	if (w->started) {
		atomic_store(&w->stop, true);
		if (write(w->stop_fd, &one, sizeof(one)) != sizeof(one))
			gw_error(&wlog, "a media worker cannot be woken: %s",
				 strerror(errno));
		(void)pthread_join(w->thread, NULL);
	}
	while (w->first) {
		struct owed *o = w->first;

		w->first = o->next;
		free(o);
	}
	gw_poller_del(&w->mailbox_poll);
	gw_poller_del(&w->stop_poll);
	gw_mailbox_free(w->commands);
	if (w->stop_fd >= 0)
		(void)close(w->stop_fd);
	gw_timer_stop(&w->renew);
	gw_dtls_ctx_unref(w->env.dtls);
	gw_lite_port_free(w->env.lite);
	gw_stun_free(w->env.stun);
	gw_ports_free(w->env.ports);
	gw_timers_free(w->env.timers);
	gw_poller_free(w->env.poller);
	w->magic = 0;
	free(w);
}

int gw_worker_post(struct gw_worker *w, const struct gw_media_cmd *cmd)
{
	int err = gw_mailbox_post(w->commands, cmd);

	if (!err)
		w->posted++;
	return err;
}

unsigned gw_worker_load(const struct gw_worker *w)
{
	uint64_t handled =
		atomic_load_explicit(&w->handled, memory_order_relaxed);

	/* What still waits in the mailbox counts: else the worker that is
	 * behind would look like the idle one, and get more. */
	return atomic_load_explicit(&w->load, memory_order_relaxed) +
	       (unsigned)(w->posted - handled);
}
