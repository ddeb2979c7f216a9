/*
 * gateway/store_priv.h - what the store's files share
 *
 * store.c has the queue and the thread; store_file.c the file; store_db.c
 * transactions and faults; store_schema.c the tables; the others a few verbs
 * each.  All of a gw_store_db is the store's thread's, but before it starts and
 * after it ends.
 */
#ifndef GW_STORE_PRIV_H
#define GW_STORE_PRIV_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "gateway/store.h"

/* One command on its way there and back; one thread has it at a time. */
struct gw_store_job {
	struct gw_store_cmd cmd;
	int error;
	size_t n;
	size_t row_size;
	unsigned char *rows; /* owned */
};

enum gw_store_fault {
	GW_SF_NONE,
	GW_SF_LOCKED,
	GW_SF_READONLY,
	GW_SF_FULL,
	GW_SF_CORRUPT,
	GW_SF_IO,
	GW_SF_MEMORY,
	GW_NSF
};

/* Statements, prepared when they are first needed. */
enum gw_store_sql {
	GW_SQL_BEGIN,
	GW_SQL_COMMIT,
	GW_SQL_ROLLBACK,
	GW_SQL_SAVE,
	GW_SQL_UNSAVE,
	GW_SQL_RELEASE,
	GW_SQL_SUB_BY_ID,
	GW_SQL_SUB_BY_SUBJECT,
	GW_SQL_SUB_PAGE,
	GW_SQL_SUB_IMPUS,
	GW_SQL_SUB_PUT,
	GW_SQL_SUB_PASSWD,
	GW_SQL_SUB_DELETE,
	GW_SQL_SUB_CLASH,
	GW_SQL_IMPU_CLEAR,
	GW_SQL_IMPU_PUT,
	GW_SQL_IMPU_CLASH,
	GW_SQL_SQN_PUT,
	GW_SQL_SQN_DELETE,
	GW_SQL_POOL_GET,
	GW_SQL_POOL_CLASH,
	GW_SQL_POOL_PUT,
	GW_SQL_POOL_DELETE,
	GW_SQL_POOL_PAGE,
	GW_SQL_POOL_HELD,
	GW_SQL_POOL_NEXT,
	GW_SQL_POOL_LEASE,
	GW_SQL_POOL_RELEASE,
	GW_SQL_REG_PUT,
	GW_SQL_REG_DELETE,
	GW_SQL_REG_CLEAR,
	GW_SQL_REG_PAGE,
	GW_NSQL
};

struct gw_store_db {
	sqlite3 *sql;
	sqlite3_stmt *stmt[GW_NSQL];
	int lock_fd;
	uint32_t lock_ms;
	uint64_t patience_us;       /* the wait for a lock ends here */
	const atomic_bool *closing; /* somebody waits for the end */
	enum gw_store_fault fault;  /* of the command being performed */
	/* The log has said so; what has failed since. */
	enum gw_store_fault told;
	uint64_t told_us;
	uint64_t nfailed;
};

/* Patience with a lock, when it must be short. */
#define GW_STORE_HURRY_US 100000

/* ---- store_file.c ---- */

int gw_store_db_open(struct gw_store_db *db, const char *file, uint32_t lock_ms,
		     const atomic_bool *closing);
void gw_store_db_close(struct gw_store_db *db);

/* ---- store_db.c ---- */

/* Performs them in order and commits once; fills in their answers. */
void gw_store_db_perform(struct gw_store_db *db, struct gw_store_job **jobs,
			 size_t n);

/* For the verbs.  Ready to be bound; NULL after noting a fault. */
sqlite3_stmt *gw_store_stmt(struct gw_store_db *db, enum gw_store_sql which);
/* 1: a row; 0: done; -errno after noting a fault. */
int gw_store_step(struct gw_store_db *db, sqlite3_stmt *s);
/* For statements without rows: steps, and the statement holds nothing of the
 * caller's any more.  The rows it changed, or -errno. */
int gw_store_run(struct gw_store_db *db, sqlite3_stmt *s);
int gw_store_fault(struct gw_store_db *db, int rc);
/* What SQLite's @rc means; errno is that of the call that failed, or 0. */
enum gw_store_fault gw_store_fault_of(sqlite3 *sql, int rc);
int gw_store_fault_error(enum gw_store_fault fault, const char **say);

void gw_store_bind_text(sqlite3_stmt *s, int at, const char *text);
/* Cut to @size, NUL-terminated, whatever the file holds. */
void gw_store_column_text(char *out, size_t size, sqlite3_stmt *s, int at);
void gw_store_column_blob(void *out, size_t size, sqlite3_stmt *s, int at);
/* Room for one more row; NULL after noting a fault. */
void *gw_store_row(struct gw_store_db *db, struct gw_store_job *job,
		   size_t size);
/* Reads one row; 0 or -errno. */
typedef int(gw_store_read_h)(struct gw_store_db *db, sqlite3_stmt *s,
			     void *row);
/* The answer's page: the rows of @which after the command's key. */
int gw_store_page(struct gw_store_db *db, struct gw_store_job *job,
		  enum gw_store_sql which, size_t size, gw_store_read_h *read);

/* ---- store_schema.c ---- */

#define GW_STORE_SCHEMA 4 /* PRAGMA user_version of this code */

/* From whatever @sql is at to @version, a step a transaction.  0, or -errno
 * with what is wrong in @why. */
int gw_store_migrate(sqlite3 *sql, int version, char *why, size_t why_size);

/* ---- the verbs: 0 or -errno ---- */

typedef int(gw_store_verb_h)(struct gw_store_db *db, struct gw_store_job *job);

gw_store_verb_h gw_store_subscriber_get;
gw_store_verb_h gw_store_subscriber_put;
gw_store_verb_h gw_store_subscriber_passwd;
gw_store_verb_h gw_store_subscriber_delete;
gw_store_verb_h gw_store_subscriber_list;
gw_store_verb_h gw_store_sqn_put;
gw_store_verb_h gw_store_pool_put;
gw_store_verb_h gw_store_pool_delete;
gw_store_verb_h gw_store_pool_list;
gw_store_verb_h gw_store_pool_lease;
gw_store_verb_h gw_store_pool_release;
gw_store_verb_h gw_store_reg_put;
gw_store_verb_h gw_store_reg_delete;
gw_store_verb_h gw_store_reg_list;

#endif
