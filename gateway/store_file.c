/*
 * The store's file: made, opened, its lock and its mode, and closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/timers.h"
#include "gateway/store_priv.h"

#define LOCK_NAP_MS 5

static const struct gw_logctx lc = { .module = "store" };

static int on_locked(void *arg, int times)
{
	struct gw_store_db *db = arg;
	uint64_t now = gw_clock_monotonic_us(NULL);

	(void)times;
	if (atomic_load_explicit(db->closing, memory_order_relaxed) &&
	    db->patience_us > now + GW_STORE_HURRY_US)
		db->patience_us = now + GW_STORE_HURRY_US;
	if (now >= db->patience_us)
		return 0;
	(void)sqlite3_sleep(LOCK_NAP_MS);
	return 1;
}

/*
 * Made here, and not by SQLite, so that it is nobody else's from the start
 * (-wal and -shm take its mode).  Its lock says which daemon has it.  This
 * descriptor must outlive SQLite's: closing it would end their locks (POSIX).
 */
static int take_file(struct gw_store_db *db, const char *file)
{
	struct stat st;
	int err;

	db->lock_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK,
			   S_IRUSR | S_IWUSR);
	if (db->lock_fd < 0 || fstat(db->lock_fd, &st) < 0) {
		err = -errno;
		gw_error(&lc, "%s: %s", file, strerror(-err));
		return err;
	}
	if (!S_ISREG(st.st_mode)) {
		gw_error(&lc, "%s: is no regular file", file);
		return -EINVAL;
	}
	if (flock(db->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		gw_error(&lc, "%s: another isthmus uses it", file);
		return -EBUSY;
	}
	return 0;
}

/* Once it is known to be ours. */
static int hide_file(struct gw_store_db *db, char *why, size_t why_size)
{
	struct stat st;

	if (fstat(db->lock_fd, &st) == 0 &&
	    (!(st.st_mode & 077) ||
	     fchmod(db->lock_fd, S_IRUSR | S_IWUSR) == 0))
		return 0;
	(void)snprintf(why, why_size,
		       "others can read it, and its mode cannot be changed");
	return -EPERM;
}

static int pragma(sqlite3 *sql, const char *text)
{
	return sqlite3_exec(sql, text, NULL, NULL, NULL);
}

static bool is_wal(sqlite3 *sql)
{
	sqlite3_stmt *s;
	bool yes = false;

	if (sqlite3_prepare_v2(sql, "PRAGMA journal_mode = WAL", -1, &s,
			       NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW)
		yes = !strcmp((const char *)sqlite3_column_text(s, 0), "wal");
	(void)sqlite3_finalize(s);
	return yes;
}

/* With what is wrong in @why.  FULL: a commit is one sync of the log, and on
 * the disk before it is acknowledged. */
static int set_up(struct gw_store_db *db, char *why, size_t why_size)
{
	enum gw_store_fault fault;
	const char *say;
	int err;

	/* First: a file that is not ours is left as it is. */
	err = gw_store_migrate(db->sql, GW_STORE_SCHEMA, why, why_size);
	if (!err)
		err = hide_file(db, why, why_size);
	if (err)
		return err;
	errno = 0;
	if (is_wal(db->sql) &&
	    pragma(db->sql, "PRAGMA synchronous = FULL;"
			    "PRAGMA secure_delete = ON;"
			    "PRAGMA cell_size_check = ON;"
			    "PRAGMA trusted_schema = OFF;"
			    "PRAGMA journal_size_limit = 4194304") == SQLITE_OK)
		return 0;
	fault = sqlite3_errcode(db->sql) == SQLITE_OK
			? GW_SF_IO
			: gw_store_fault_of(db->sql, sqlite3_errcode(db->sql));
	err = gw_store_fault_error(fault, &say);
	(void)snprintf(why, why_size, "%s (%s)", say, sqlite3_errmsg(db->sql));
	return err;
}

int gw_store_db_open(struct gw_store_db *db, const char *file, uint32_t lock_ms,
		     const atomic_bool *closing)
{
	char why[256];
	int rc, err;

	memset(db, 0, sizeof(*db));
	db->lock_ms = lock_ms;
	db->closing = closing;
	err = take_file(db, file);
	if (err)
		goto out;
	rc = sqlite3_open_v2(file, &db->sql,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
				     SQLITE_OPEN_EXRESCODE,
			     NULL);
	if (rc != SQLITE_OK) {
		gw_error(&lc, "%s: %s", file, sqlite3_errstr(rc));
		err = rc == SQLITE_NOMEM ? -ENOMEM : -EIO;
		goto out;
	}
	(void)sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_busy_handler(db->sql, on_locked, db);
	db->patience_us = gw_clock_monotonic_us(NULL) + 1000ull * lock_ms;
	err = set_up(db, why, sizeof(why));
	if (!err)
		return 0;
	gw_error(&lc, "%s: %s", file, why);
out:
	gw_store_db_close(db);
	return err;
}

void gw_store_db_close(struct gw_store_db *db)
{
	for (size_t i = 0; i < GW_NSQL; i++)
		(void)sqlite3_finalize(db->stmt[i]);
	(void)sqlite3_close(db->sql);
	if (db->lock_fd >= 0)
		(void)close(db->lock_fd);
	db->sql = NULL;
	db->lock_fd = -1;
}
