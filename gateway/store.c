/*
 * The queue to the store and back.  A command goes to the store's thread as a
 * value that is handed over whole: from gw_store_do() until its answer has come
 * back the thread owns the job in it, and the signalling thread the rest.
 */
#include "gateway/store.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/metrics.h"
#include "gateway/store_priv.h"

#define MAGIC 0x5704e001
#define BATCH 256 /* commands of one commit */

struct gw_store_req {
	struct gw_store_job job; /* first: the thread's */
	struct gw_store *store;
	gw_store_h *handler;
	void *arg;
};

struct gw_store {
	uint32_t magic;
	struct gw_loop *loop;
	bool watched;
	struct gw_mailbox *commands; /* of struct gw_store_job *; NULL: end */
	struct gw_mailbox *answers;  /* of the same */
	unsigned nwaiting;
	bool full; /* told so */
	pthread_t thread;
	bool running;
	bool *gone; /* set when a handler closes us */
	atomic_bool closing;
	struct gw_store_db db; /* the thread's */
};

static const struct gw_logctx lc = { .module = "store" };

#define COMMANDS      "isthmus_store_commands_total"
#define COMMANDS_HELP "Commands to the store, by verb"

/* clang-format off */
GW_COUNTER(m_sub_get, COMMANDS, COMMANDS_HELP, "verb=\"subscriber_get\"");
GW_COUNTER(m_sub_put, COMMANDS, COMMANDS_HELP, "verb=\"subscriber_put\"");
GW_COUNTER(m_sub_passwd, COMMANDS, COMMANDS_HELP, "verb=\"subscriber_passwd\"");
GW_COUNTER(m_sub_delete, COMMANDS, COMMANDS_HELP, "verb=\"subscriber_delete\"");
GW_COUNTER(m_sub_list, COMMANDS, COMMANDS_HELP, "verb=\"subscriber_list\"");
GW_COUNTER(m_sqn_put, COMMANDS, COMMANDS_HELP, "verb=\"sqn_put\"");
GW_COUNTER(m_pool_put, COMMANDS, COMMANDS_HELP, "verb=\"pool_put\"");
GW_COUNTER(m_pool_delete, COMMANDS, COMMANDS_HELP, "verb=\"pool_delete\"");
GW_COUNTER(m_pool_list, COMMANDS, COMMANDS_HELP, "verb=\"pool_list\"");
GW_COUNTER(m_pool_lease, COMMANDS, COMMANDS_HELP, "verb=\"pool_lease\"");
GW_COUNTER(m_pool_release, COMMANDS, COMMANDS_HELP, "verb=\"pool_release\"");
GW_COUNTER(m_reg_put, COMMANDS, COMMANDS_HELP, "verb=\"reg_put\"");
GW_COUNTER(m_reg_delete, COMMANDS, COMMANDS_HELP, "verb=\"reg_delete\"");
GW_COUNTER(m_reg_list, COMMANDS, COMMANDS_HELP, "verb=\"reg_list\"");
GW_COUNTER(m_refused, "isthmus_store_errors_total",
	   "Commands that the store failed, by reason", "reason=\"queue_full\"");
GW_GAUGE(m_queue, "isthmus_store_queue",
	 "Commands that wait for the store's answer", "");

static struct gw_metric *const counters[GW_NST] = {
	[GW_ST_SUBSCRIBER_GET] = &m_sub_get,
	[GW_ST_SUBSCRIBER_PUT] = &m_sub_put,
	[GW_ST_SUBSCRIBER_PASSWD] = &m_sub_passwd,
	[GW_ST_SUBSCRIBER_DELETE] = &m_sub_delete,
	[GW_ST_SUBSCRIBER_LIST] = &m_sub_list,
	[GW_ST_SQN_PUT] = &m_sqn_put,
	[GW_ST_POOL_PUT] = &m_pool_put,
	[GW_ST_POOL_DELETE] = &m_pool_delete,
	[GW_ST_POOL_LIST] = &m_pool_list,
	[GW_ST_POOL_LEASE] = &m_pool_lease,
	[GW_ST_POOL_RELEASE] = &m_pool_release,
	[GW_ST_REG_PUT] = &m_reg_put,
	[GW_ST_REG_DELETE] = &m_reg_delete,
	[GW_ST_REG_LIST] = &m_reg_list,
};
/* clang-format on */

/* ---- the store's thread ---- */

static void *serve(void *arg)
{
	struct gw_store *st = arg;
	struct gw_store_job *batch[BATCH];
	struct pollfd p = { .fd = gw_mailbox_fd(st->commands),
			    .events = POLLIN };
	bool end = false;
	size_t n;

	while (!end) {
		if (poll(&p, 1, -1) < 0)
			continue;
		gw_mailbox_quiet(st->commands);
		do {
			for (n = 0; n < BATCH && !end;) {
				if (!gw_mailbox_take(st->commands, &batch[n]))
					break;
				if (!batch[n])
					end = true;
				else
					n++;
			}
			if (n)
				gw_store_db_perform(&st->db, batch, n);
			for (size_t i = 0; i < n; i++) {
				int err =
					gw_mailbox_post(st->answers, &batch[i]);

				/* It has room for all that may wait. */
				assert(!err);
			}
		} while (n && !end);
	}
	return NULL;
}

/* ---- the signalling thread ---- */

static void req_free(struct gw_store_req *req)
{
	if (req->job.rows)
		explicit_bzero(req->job.rows, req->job.n * req->job.row_size);
	free(req->job.rows);
	/* Hashes and keys of subscribers. */
	explicit_bzero(req, sizeof(*req));
	free(req);
}

static void answered(struct gw_store *st, struct gw_store_req *req)
{
	struct gw_store_answer a = { .error = req->job.error,
				     .n = req->job.error ? 0 : req->job.n,
				     .rows = req->job.rows };

	gw_metric_set(&m_queue, --st->nwaiting);
	if (st->full && st->nwaiting < GW_STORE_QUEUE / 2) {
		st->full = false;
		gw_info(&lc, "takes commands again");
	}
	if (req->handler)
		req->handler(&a, req->arg);
	req_free(req);
}

static void answers_ready(int fd, void *arg)
{
	struct gw_store *st = arg;
	struct gw_store_job *job;
	bool gone = false;

	(void)fd;
	GW_CHECK(st, MAGIC);
	st->gone = &gone;
	gw_mailbox_quiet(st->answers);
	while (!gone && gw_mailbox_take(st->answers, &job))
		answered(st, (struct gw_store_req *)(void *)job);
	if (!gone)
		st->gone = NULL;
}

int gw_store_do(struct gw_store_req **out, struct gw_store *st,
		const struct gw_store_cmd *cmd, gw_store_h *handler, void *arg)
{
	struct gw_store_req *req;
	struct gw_store_job *job;
	int err;

	GW_CHECK(st, MAGIC);
	assert((unsigned)cmd->verb < GW_NST);
	if (st->nwaiting >= GW_STORE_QUEUE) {
		gw_metric_add(&m_refused, 1);
		if (!st->full)
			gw_warn(&lc, "%u commands wait; the next are refused",
				st->nwaiting);
		st->full = true;
		return -EAGAIN;
	}
	req = calloc(1, sizeof(*req));
	if (!req)
		return -ENOMEM;
	req->job.cmd = *cmd;
	req->store = st;
	req->handler = handler;
	req->arg = arg;
	job = &req->job;
	err = gw_mailbox_post(st->commands, &job);
	/* It holds more than may wait. */
	assert(!err);
	gw_metric_add(counters[cmd->verb], 1);
	gw_metric_set(&m_queue, ++st->nwaiting);
	if (out)
		*out = req;
	return 0;
}

void gw_store_cancel(struct gw_store_req *req)
{
	if (req)
		req->handler = NULL;
}

static int start(struct gw_store *st)
{
	sigset_t all, old;
	int err;

	err = gw_mailbox_new(&st->commands, sizeof(struct gw_store_job *),
			     GW_STORE_QUEUE + 1);
	if (!err)
		err = gw_mailbox_new(&st->answers,
				     sizeof(struct gw_store_job *),
				     GW_STORE_QUEUE + 1);
	if (!err)
		err = gw_loop_add_fd(st->loop, gw_mailbox_fd(st->answers),
				     answers_ready, st);
	st->watched = !err;
	if (err)
		return err;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&st->thread, NULL, serve, st);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	st->running = !err;
	if (!err)
		(void)pthread_setname_np(st->thread, "store");
	return err;
}

int gw_store_open(struct gw_store **out, struct gw_loop *loop, const char *file,
		  uint32_t lock_ms)
{
	struct gw_store *st = calloc(1, sizeof(*st));
	int err;

	if (!st)
		return -ENOMEM;
	st->magic = MAGIC;
	st->loop = loop;
	atomic_init(&st->closing, false);
	err = gw_store_db_open(&st->db, file, lock_ms, &st->closing);
	if (err) {
		free(st);
		return err;
	}
	err = start(st);
	if (err) {
		gw_error(&lc, "no thread for the store: %s", strerror(-err));
		gw_store_close(st);
		return err;
	}
	gw_info(&lc, "%s is open, schema version %d", file, GW_STORE_SCHEMA);
	*out = st;
	return 0;
}

void gw_store_close(struct gw_store *st)
{
	struct gw_store_job *job = NULL;

	if (!st)
		return;
	GW_CHECK(st, MAGIC);
	if (st->gone)
		*st->gone = true;
	atomic_store_explicit(&st->closing, true, memory_order_relaxed);
	if (st->running) {
		int err = gw_mailbox_post(st->commands, &job);

		assert(!err);
		(void)pthread_join(st->thread, NULL);
	}
	if (st->watched)
		gw_loop_del_fd(st->loop, gw_mailbox_fd(st->answers));
	while (st->running && gw_mailbox_take(st->answers, &job)) {
		st->nwaiting--;
		req_free((struct gw_store_req *)(void *)job);
	}
	gw_metric_set(&m_queue, 0);
	gw_store_db_close(&st->db);
	gw_mailbox_free(st->commands);
	gw_mailbox_free(st->answers);
	st->magic = 0;
	free(st);
}
