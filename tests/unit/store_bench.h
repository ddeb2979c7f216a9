/*
 * What the store's tests share: a store in a folder of its own, commands that
 * are waited for, and the system calls of SQLite, which are counted and made
 * to fail by being defined here.
 */
#ifndef STORE_BENCH_H
#define STORE_BENCH_H

#include "cm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/store.h"
#include "tests/unit/metric.h"

static atomic_uint bench_syncs, bench_writes;
static atomic_uint bench_unsynced; /* writes since the last sync */
static atomic_int bench_fail;      /* errno of the next writes; 0: none */
static atomic_uint bench_sync_us;  /* a disk that is as slow as this */

ssize_t pwrite64(int fd, const void *buf, size_t n, off64_t at)
{
	int err = atomic_load(&bench_fail);

	if (err) {
		errno = err;
		return -1;
	}
	atomic_fetch_add(&bench_writes, 1);
	atomic_fetch_add(&bench_unsynced, 1);
	return syscall(SYS_pwrite64, fd, buf, n, at);
}

int fdatasync(int fd)
{
	int rc = (int)syscall(SYS_fdatasync, fd);
	unsigned us = atomic_load(&bench_sync_us);

	if (us)
		(void)usleep(us);
	atomic_fetch_add(&bench_syncs, 1);
	atomic_store(&bench_unsynced, 0);
	return rc;
}

struct bench {
	char dir[64];
	char file[96];
	struct gw_loop *loop;
	struct gw_store *store;
	int log; /* what was logged */
	uint32_t lock_ms;
};

/* The answer of the last command that was waited for. */
struct bench_answer {
	bool done;
	int error;
	size_t n;
	unsigned unsynced;
	union {
		struct gw_subscriber subscriber[GW_STORE_PAGE];
		struct gw_pool_entry pool[GW_STORE_PAGE];
		struct gw_stored_reg reg[GW_STORE_PAGE];
	};
};
static struct bench_answer got;

static inline void bench_open(struct bench *b)
{
	assert_int_equal(0, gw_loop_new(&b->loop, NULL, NULL));
	assert_int_equal(
		0, gw_store_open(&b->store, b->loop, b->file, b->lock_ms));
}

static inline void bench_close(struct bench *b)
{
	gw_store_close(b->store);
	b->store = NULL;
	gw_loop_free(b->loop);
	b->loop = NULL;
}

/* A folder, a name in it, nothing open. */
static inline struct bench *bench_new(void)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	(void)snprintf(b->dir, sizeof(b->dir), "/tmp/gw-store-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	(void)snprintf(b->file, sizeof(b->file), "%s/isthmus.db", b->dir);
	b->lock_ms = 200;
	b->log = memfd_create("log", MFD_CLOEXEC);
	assert_true(b->log >= 0);
	gw_log_setup(GW_LOG_TEXT, GW_DEBUG, b->log);
	atomic_store(&bench_fail, 0);
	atomic_store(&bench_sync_us, 0);
	return b;
}

static inline void bench_remove(const char *file, const char *suffix)
{
	char name[128];

	(void)snprintf(name, sizeof(name), "%s%s", file, suffix);
	(void)unlink(name);
}

static inline void bench_free(struct bench *b)
{
	if (b->store)
		bench_close(b);
	bench_remove(b->file, "");
	bench_remove(b->file, "-wal");
	bench_remove(b->file, "-shm");
	bench_remove(b->file, "-journal");
	assert_int_equal(0, rmdir(b->dir));
	gw_log_setup(GW_LOG_TEXT, GW_INFO, STDERR_FILENO);
	(void)close(b->log);
	free(b);
}

/* How often @text is in the log. */
static inline unsigned bench_logged(struct bench *b, const char *text)
{
	struct stat st;
	unsigned n = 0;
	char *all, *p;

	assert_int_equal(0, fstat(b->log, &st));
	all = calloc(1, (size_t)st.st_size + 1);
	assert_non_null(all);
	assert_int_equal(st.st_size, pread(b->log, all, (size_t)st.st_size, 0));
	for (p = strstr(all, text); p; p = strstr(p + 1, text))
		n++;
	free(all);
	return n;
}

static inline void bench_answered(const struct gw_store_answer *a, void *arg)
{
	struct bench_answer *out = arg;

	assert_false(out->done);
	out->done = true;
	out->error = a->error;
	out->n = a->n;
	out->unsynced = atomic_load(&bench_unsynced);
	assert_true(a->n <= GW_STORE_PAGE);
}

/* The rows are copied by the kind that the verb answers with. */
static inline void bench_keep(const struct gw_store_answer *a, void *arg)
{
	enum gw_store_verb verb = *(enum gw_store_verb *)arg;

	bench_answered(a, &got);
	if (!a->n)
		return;
	if (verb <= GW_ST_SUBSCRIBER_LIST)
		memcpy(got.subscriber, a->subscriber,
		       a->n * sizeof(*a->subscriber));
	else if (verb <= GW_ST_POOL_RELEASE)
		memcpy(got.pool, a->pool, a->n * sizeof(*a->pool));
	else
		memcpy(got.reg, a->reg, a->n * sizeof(*a->reg));
}

/* Waits for the answer and returns its error; the rest is in got. */
static inline int bench_do(struct bench *b, const struct gw_store_cmd *cmd)
{
	enum gw_store_verb verb = cmd->verb;

	memset(&got, 0, sizeof(got));
	assert_int_equal(0,
			 gw_store_do(NULL, b->store, cmd, bench_keep, &verb));
	/* An answer never comes from inside a call. */
	assert_false(got.done);
	for (unsigned i = 0; i < 1000 && !got.done; i++)
		gw_loop_step(b->loop, 10);
	assert_true(got.done);
	return got.error;
}

/* A command with a key and a number. */
static inline int bench_key(struct bench *b, enum gw_store_verb verb,
			    const char *key, int64_t number)
{
	struct gw_store_cmd cmd = { .verb = verb, .number = number };

	(void)snprintf(cmd.key, sizeof(cmd.key), "%s", key);
	return bench_do(b, &cmd);
}

static inline struct gw_store_cmd bench_subscriber(const char *id)
{
	struct gw_store_cmd cmd = { .verb = GW_ST_SUBSCRIBER_PUT };

	(void)snprintf(cmd.subscriber.id, sizeof(cmd.subscriber.id), "%s", id);
	return cmd;
}

static inline struct gw_store_cmd bench_pool(const char *impi, const char *impu)
{
	struct gw_store_cmd cmd = { .verb = GW_ST_POOL_PUT };

	(void)snprintf(cmd.pool.impi, sizeof(cmd.pool.impi), "%s", impi);
	(void)snprintf(cmd.pool.impu, sizeof(cmd.pool.impu), "%s", impu);
	return cmd;
}

static inline struct gw_store_cmd bench_reg(const char *key, const char *id)
{
	struct gw_store_cmd cmd = { .verb = GW_ST_REG_PUT };

	(void)snprintf(cmd.reg.key, sizeof(cmd.reg.key), "%s", key);
	(void)snprintf(cmd.reg.id, sizeof(cmd.reg.id), "%s", id);
	return cmd;
}

#endif
