/*
 * One transaction a batch, and what can be wrong with it.  A fault is one of
 * the file or the machine, not of a command; a batch that meets one while it
 * writes is lost whole, and says so to each of its writers, while its readers
 * are still answered.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/base/timers.h"
#include "gateway/store_priv.h"

#define TELL_US 60000000 /* a fault that lasts is told again */

static const struct gw_logctx lc = { .module = "store" };

#define ERRORS      "isthmus_store_errors_total"
#define ERRORS_HELP "Commands that the store failed, by reason"
#define US_HELP     "Microseconds that commits took"

/* clang-format off */
GW_COUNTER(m_locked, ERRORS, ERRORS_HELP, "reason=\"locked\"");
GW_COUNTER(m_readonly, ERRORS, ERRORS_HELP, "reason=\"readonly\"");
GW_COUNTER(m_full, ERRORS, ERRORS_HELP, "reason=\"full\"");
GW_COUNTER(m_corrupt, ERRORS, ERRORS_HELP, "reason=\"corrupt\"");
GW_COUNTER(m_io, ERRORS, ERRORS_HELP, "reason=\"io\"");
GW_COUNTER(m_memory, ERRORS, ERRORS_HELP, "reason=\"memory\"");
GW_COUNTER(m_commits, "isthmus_store_commits_total",
	   "Commits, each of which is one sync", "");
GW_COUNTER(m_commit_us, "isthmus_store_commit_us_total", US_HELP, "");
GW_GAUGE(m_longest, "isthmus_store_longest_commit_us",
	 "Longest commit since the start", "");

static const struct {
	struct gw_metric *metric;
	int error;
	const char *say;
} faults[GW_NSF] = {
	[GW_SF_LOCKED] = { &m_locked, -ETIMEDOUT,
			   "another process has it locked" },
	[GW_SF_READONLY] = { &m_readonly, -EROFS, "it cannot be written" },
	[GW_SF_FULL] = { &m_full, -ENOSPC, "the disk is full" },
	[GW_SF_CORRUPT] = { &m_corrupt, -EIO,
			    "the file is damaged; restore it from a copy" },
	[GW_SF_IO] = { &m_io, -EIO, "the disk fails" },
	[GW_SF_MEMORY] = { &m_memory, -ENOMEM, "no memory" },
};

static const char *const texts[GW_NSQL] = {
	[GW_SQL_BEGIN] = "BEGIN IMMEDIATE",
	[GW_SQL_COMMIT] = "COMMIT",
	[GW_SQL_ROLLBACK] = "ROLLBACK",
	[GW_SQL_SAVE] = "SAVEPOINT one",
	[GW_SQL_UNSAVE] = "ROLLBACK TO one",
	[GW_SQL_RELEASE] = "RELEASE one",
#define SUB_COLUMNS \
	"s.id, s.subject, s.password, s.name, s.enrol, s.impi, s.aka, s.opc," \
	" s.digest, s.k, s.op, s.amf, q.sqn" \
	" FROM subscriber s LEFT JOIN sqn q ON q.impi = s.impi "
	[GW_SQL_SUB_BY_ID] = "SELECT " SUB_COLUMNS "WHERE s.id = ?1",
	[GW_SQL_SUB_BY_SUBJECT] = "SELECT " SUB_COLUMNS
		"WHERE s.subject = ?1 AND s.subject <> ''",
	[GW_SQL_SUB_PAGE] = "SELECT " SUB_COLUMNS
		"WHERE s.id > ?1 ORDER BY s.id LIMIT ?2",
	[GW_SQL_SUB_IMPUS] = "SELECT uri FROM impu WHERE subscriber = ?1"
		" ORDER BY place",
	[GW_SQL_SUB_PUT] = "INSERT OR REPLACE INTO subscriber VALUES"
		"(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
	[GW_SQL_SUB_PASSWD] = "UPDATE subscriber SET password = ?2"
		" WHERE id = ?1",
	[GW_SQL_SUB_DELETE] = "DELETE FROM subscriber WHERE id = ?1",
	/* The subject, or the id as an identity, is another one's: a token's
	 * subject and an identity each mean one subscriber. */
	[GW_SQL_SUB_CLASH] = "SELECT 1 FROM subscriber WHERE id <> ?1 AND"
		" subject IN (?1, ?2) AND subject <> ''"
		" UNION ALL SELECT 1 FROM subscriber WHERE id = ?2 AND"
		" id <> ?1"
		" UNION ALL SELECT 1 FROM impu WHERE uri = ?1 AND"
		" subscriber <> ?1",
	[GW_SQL_IMPU_CLEAR] = "DELETE FROM impu WHERE subscriber = ?1",
	[GW_SQL_IMPU_PUT] = "INSERT INTO impu VALUES(?1, ?2, ?3)",
	[GW_SQL_IMPU_CLASH] = "SELECT 1 FROM subscriber WHERE id = ?1 AND"
		" id <> ?2 UNION ALL SELECT 1 FROM impu WHERE uri = ?1 AND"
		" subscriber <> ?2",
	[GW_SQL_SQN_PUT] = "INSERT INTO sqn VALUES(?1, ?2) ON CONFLICT(impi)"
		" DO UPDATE SET sqn = max(sqn, excluded.sqn)",
	[GW_SQL_SQN_DELETE] = "DELETE FROM sqn WHERE impi = ?1",
#define POOL_COLUMNS "SELECT impi, impu, holder, free_ms FROM pool "
	[GW_SQL_POOL_GET] = POOL_COLUMNS "WHERE impi = ?1",
	[GW_SQL_POOL_CLASH] = POOL_COLUMNS "WHERE impu = ?2 AND impi <> ?1",
	[GW_SQL_POOL_PUT] = "INSERT INTO pool VALUES(?1, ?2, '', 0)"
		" ON CONFLICT(impi) DO UPDATE SET impu = excluded.impu",
	[GW_SQL_POOL_DELETE] = "DELETE FROM pool WHERE impi = ?1",
	[GW_SQL_POOL_PAGE] = POOL_COLUMNS
		"WHERE impi > ?1 ORDER BY impi LIMIT ?2",
	[GW_SQL_POOL_HELD] = POOL_COLUMNS "WHERE holder = ?1 AND holder <> ''",
	[GW_SQL_POOL_NEXT] = POOL_COLUMNS "WHERE holder = '' AND free_ms <= ?1"
		" ORDER BY free_ms LIMIT 1",
	[GW_SQL_POOL_LEASE] = "UPDATE pool SET holder = ?2 WHERE impi = ?1",
	[GW_SQL_POOL_RELEASE] = "UPDATE pool SET holder = '', free_ms = ?2"
		" WHERE holder = ?1 AND holder <> ''",
	[GW_SQL_REG_PUT] = "INSERT OR REPLACE INTO registration VALUES"
		"(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
		" ?15, ?16, ?17)",
	[GW_SQL_REG_CLEAR] = "DELETE FROM registration",
	[GW_SQL_REG_DELETE] = "DELETE FROM registration WHERE key = ?1",
	[GW_SQL_REG_PAGE] = "SELECT * FROM registration WHERE key > ?1"
		" ORDER BY key LIMIT ?2",
};

static const struct {
	gw_store_verb_h *perform;
	bool writes;
} verbs[GW_NST] = {
	[GW_ST_SUBSCRIBER_GET] = { gw_store_subscriber_get, false },
	[GW_ST_SUBSCRIBER_PUT] = { gw_store_subscriber_put, true },
	[GW_ST_SUBSCRIBER_PASSWD] = { gw_store_subscriber_passwd, true },
	[GW_ST_SUBSCRIBER_DELETE] = { gw_store_subscriber_delete, true },
	[GW_ST_SUBSCRIBER_LIST] = { gw_store_subscriber_list, false },
	[GW_ST_SQN_PUT] = { gw_store_sqn_put, true },
	[GW_ST_POOL_PUT] = { gw_store_pool_put, true },
	[GW_ST_POOL_DELETE] = { gw_store_pool_delete, true },
	[GW_ST_POOL_LIST] = { gw_store_pool_list, false },
	[GW_ST_POOL_LEASE] = { gw_store_pool_lease, true },
	[GW_ST_POOL_RELEASE] = { gw_store_pool_release, true },
	[GW_ST_REG_PUT] = { gw_store_reg_put, true },
	[GW_ST_REG_DELETE] = { gw_store_reg_delete, true },
	[GW_ST_REG_LIST] = { gw_store_reg_list, false },
};
/* clang-format on */

int gw_store_fault_error(enum gw_store_fault fault, const char **say)
{
	*say = faults[fault].say;
	return faults[fault].error;
}

bool gw_store_is_fault(int error)
{
	for (size_t i = GW_SF_NONE + 1; i < GW_NSF; i++) {
		if (faults[i].error == error)
			return true;
	}
	return false;
}

/* ---- faults ---- */

enum gw_store_fault gw_store_fault_of(sqlite3 *sql, int rc)
{
	int sys = errno ? errno : sqlite3_system_errno(sql);

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return GW_SF_LOCKED;
	case SQLITE_FULL:
		return GW_SF_FULL;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return GW_SF_READONLY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return GW_SF_CORRUPT;
	case SQLITE_NOMEM:
		return GW_SF_MEMORY;
	default:
		break;
	}
	/* Of these SQLite itself knows ENOSPC alone. */
	if (sys == ENOSPC || sys == EDQUOT || sys == EFBIG)
		return GW_SF_FULL;
	return sys == EROFS || sys == EACCES ? GW_SF_READONLY : GW_SF_IO;
}

int gw_store_fault(struct gw_store_db *db, int rc)
{
	/* The first one is the cause of those after it. */
	if (!db->fault)
		db->fault = gw_store_fault_of(db->sql, rc);
	return faults[db->fault].error;
}

/* Once when it begins, once a minute while it lasts, once when it is over. */
static void tell(struct gw_store_db *db, enum gw_store_fault fault, size_t n)
{
	uint64_t now = gw_clock_monotonic_us(NULL);

	gw_metric_add(faults[fault].metric, (int64_t)n);
	db->nfailed += n;
	if (db->told == fault && now - db->told_us < TELL_US)
		return;
	db->told = fault;
	db->told_us = now;
	gw_error(&lc, "%s; %llu commands have failed", faults[fault].say,
		 (unsigned long long)db->nfailed);
}

static void tell_well(struct gw_store_db *db)
{
	if (!db->told)
		return;
	gw_info(&lc, "works again; %llu commands had failed",
		(unsigned long long)db->nfailed);
	db->told = GW_SF_NONE;
	db->nfailed = 0;
}

/* ---- statements ---- */

sqlite3_stmt *gw_store_stmt(struct gw_store_db *db, enum gw_store_sql which)
{
	sqlite3_stmt *s = db->stmt[which];
	int rc;

	if (s) {
		(void)sqlite3_reset(s);
		(void)sqlite3_clear_bindings(s);
		return s;
	}
	errno = 0;
	rc = sqlite3_prepare_v3(db->sql, texts[which], -1,
				SQLITE_PREPARE_PERSISTENT, &s, NULL);
	if (rc != SQLITE_OK) {
		(void)gw_store_fault(db, rc);
		return NULL;
	}
	db->stmt[which] = s;
	return s;
}

int gw_store_step(struct gw_store_db *db, sqlite3_stmt *s)
{
	int rc, err = 0;

	/* What a system call said is kept by SQLite of some and not of others
	 * (3.40: not of a commit's), so it is read here, at once. */
	errno = 0;
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		err = gw_store_fault(db, rc);
	/* Also ends the read that a statement left half-way keeps open. */
	(void)sqlite3_reset(s);
	return err;
}

int gw_store_run(struct gw_store_db *db, sqlite3_stmt *s)
{
	int rc = gw_store_step(db, s);

	(void)sqlite3_reset(s);
	(void)sqlite3_clear_bindings(s);
	return rc < 0 ? rc : sqlite3_changes(db->sql);
}

static int run(struct gw_store_db *db, enum gw_store_sql which)
{
	sqlite3_stmt *s = gw_store_stmt(db, which);

	return s ? gw_store_run(db, s) : faults[db->fault].error;
}

void gw_store_bind_text(sqlite3_stmt *s, int at, const char *text)
{
	(void)sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

void gw_store_column_text(char *out, size_t size, sqlite3_stmt *s, int at)
{
	const char *text = (const char *)sqlite3_column_text(s, at);

	(void)snprintf(out, size, "%s", text ? text : "");
}

void gw_store_column_blob(void *out, size_t size, sqlite3_stmt *s, int at)
{
	const void *blob = sqlite3_column_blob(s, at);
	int n = sqlite3_column_bytes(s, at);

	memset(out, 0, size);
	if (blob && n > 0)
		memcpy(out, blob, (size_t)n < size ? (size_t)n : size);
}

void *gw_store_row(struct gw_store_db *db, struct gw_store_job *job,
		   size_t size)
{
	size_t most = job->cmd.verb == GW_ST_SUBSCRIBER_LIST ||
				      job->cmd.verb == GW_ST_POOL_LIST ||
				      job->cmd.verb == GW_ST_REG_LIST
			      ? GW_STORE_PAGE
			      : 1;

	if (!job->rows) {
		job->rows = calloc(most, size);
		job->row_size = size;
	}
	if (!job->rows) {
		db->fault = GW_SF_MEMORY;
		return NULL;
	}
	assert(job->n < most && job->row_size == size);
	return job->rows + size * job->n++;
}

/* ---- a batch ---- */

static bool verb_of(const struct gw_store_job *job, gw_store_verb_h **out)
{
	assert((unsigned)job->cmd.verb < GW_NST);
	*out = verbs[job->cmd.verb].perform;
	return verbs[job->cmd.verb].writes;
}

static void forget_rows(struct gw_store_job *job)
{
	if (job->rows)
		explicit_bzero(job->rows, job->n * job->row_size);
	free(job->rows);
	job->rows = NULL;
	job->n = 0;
}

static void read_one(struct gw_store_db *db, struct gw_store_job *job)
{
	gw_store_verb_h *perform;

	(void)verb_of(job, &perform);
	forget_rows(job);
	db->fault = GW_SF_NONE;
	job->error = perform(db, job);
	if (db->fault) {
		job->error = faults[db->fault].error;
		forget_rows(job);
		tell(db, db->fault, 1);
		db->fault = GW_SF_NONE;
	}
}

/* What one command did is undone when it is refused; what others of the
 * transaction did is not. */
static void write_one(struct gw_store_db *db, struct gw_store_job *job)
{
	gw_store_verb_h *perform;

	(void)verb_of(job, &perform);
	if (run(db, GW_SQL_SAVE) < 0)
		return;
	job->error = perform(db, job);
	if (db->fault)
		return;
	if (job->error) {
		forget_rows(job);
		(void)run(db, GW_SQL_UNSAVE);
	}
	(void)run(db, GW_SQL_RELEASE);
}

static void commit(struct gw_store_db *db)
{
	uint64_t began = gw_clock_monotonic_us(NULL);
	int64_t took;

	if (run(db, GW_SQL_COMMIT) < 0)
		return;
	took = (int64_t)(gw_clock_monotonic_us(NULL) - began);
	gw_metric_add(&m_commits, 1);
	gw_metric_add(&m_commit_us, took);
	if (took > gw_metric_get(&m_longest))
		gw_metric_set(&m_longest, took);
}

/* In their order; true when every write is on the disk. */
static bool transaction(struct gw_store_db *db, struct gw_store_job **jobs,
			size_t n)
{
	gw_store_verb_h *perform;

	db->fault = GW_SF_NONE;
	if (run(db, GW_SQL_BEGIN) < 0)
		return false;
	for (size_t i = 0; i < n && !db->fault; i++) {
		if (verb_of(jobs[i], &perform))
			write_one(db, jobs[i]);
		else
			read_one(db, jobs[i]);
		/* A bad enough error, also of a reader, ends the transaction:
		 * what comes then would not be part of it. */
		if (!db->fault && sqlite3_get_autocommit(db->sql))
			db->fault = GW_SF_IO;
	}
	if (!db->fault)
		commit(db);
	return !db->fault;
}

static void fail_writes(struct gw_store_db *db, struct gw_store_job **jobs,
			size_t n, enum gw_store_fault fault)
{
	gw_store_verb_h *perform;
	size_t nwrite = 0;

	for (size_t i = 0; i < n; i++) {
		if (verb_of(jobs[i], &perform)) {
			forget_rows(jobs[i]);
			jobs[i]->error = faults[fault].error;
			nwrite++;
		}
	}
	tell(db, fault, nwrite);
	/* Again: they may have seen what is undone now. */
	for (size_t i = 0; i < n; i++) {
		if (!verb_of(jobs[i], &perform))
			read_one(db, jobs[i]);
	}
}

/* Somebody waits for the end; or a lock has outlasted the whole patience, and
 * those who only read should not wait for each writer's anew. */
static uint64_t patience(const struct gw_store_db *db)
{
	uint64_t us = 1000ull * db->lock_ms;

	if (us > GW_STORE_HURRY_US &&
	    (db->told == GW_SF_LOCKED ||
	     atomic_load_explicit(db->closing, memory_order_relaxed)))
		return GW_STORE_HURRY_US;
	return us;
}

void gw_store_db_perform(struct gw_store_db *db, struct gw_store_job **jobs,
			 size_t n)
{
	gw_store_verb_h *perform;
	enum gw_store_fault fault;
	size_t nwrite = 0;

	db->patience_us = gw_clock_monotonic_us(NULL) + patience(db);
	for (size_t i = 0; i < n; i++)
		nwrite += verb_of(jobs[i], &perform);
	if (!nwrite) {
		for (size_t i = 0; i < n; i++)
			read_one(db, jobs[i]);
		return;
	}
	if (transaction(db, jobs, n)) {
		tell_well(db);
		return;
	}
	fault = db->fault;
	if (!sqlite3_get_autocommit(db->sql))
		(void)run(db, GW_SQL_ROLLBACK);
	/* One that met a damaged page does not take the others along. */
	if (n > 1 && fault == GW_SF_CORRUPT) {
		for (size_t i = 0; i < n; i++)
			gw_store_db_perform(db, &jobs[i], 1);
		return;
	}
	fail_writes(db, jobs, n, fault);
}

int gw_store_page(struct gw_store_db *db, struct gw_store_job *job,
		  enum gw_store_sql which, size_t size, gw_store_read_h *read)
{
	sqlite3_stmt *s = gw_store_stmt(db, which);
	void *row;
	int rc;

	if (!s)
		return -EIO;
	gw_store_bind_text(s, 1, job->cmd.key);
	(void)sqlite3_bind_int(s, 2, GW_STORE_PAGE);
	while ((rc = gw_store_step(db, s)) > 0) {
		row = gw_store_row(db, job, size);
		rc = row ? read(db, s, row) : -ENOMEM;
		if (rc < 0)
			break;
	}
	(void)sqlite3_reset(s);
	(void)sqlite3_clear_bindings(s);
	return rc;
}
