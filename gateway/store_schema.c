/*
 * The tables, and how a file of an older version becomes one of this: a step
 * for each version, each in a transaction with its number, so that a power cut
 * leaves it at one version or the next.  A step is never edited once released;
 * a new one follows.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/store_priv.h"

#define APPLICATION_ID 0x49535448 /* "ISTH": no other program's file */

/* clang-format off */
static const char *const steps[] = {
	/* 1: subscribers */
	"CREATE TABLE subscriber("
	"  id TEXT NOT NULL PRIMARY KEY,"
	"  subject TEXT NOT NULL,"
	"  password TEXT NOT NULL,"
	"  name TEXT NOT NULL,"
	"  enrol INTEGER NOT NULL,"
	"  impi TEXT NOT NULL,"
	"  aka INTEGER NOT NULL,"
	"  opc INTEGER NOT NULL,"
	"  digest TEXT NOT NULL,"
	"  k BLOB NOT NULL,"
	"  op BLOB NOT NULL,"
	"  amf BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE UNIQUE INDEX subscriber_subject ON subscriber(subject)"
	"  WHERE subject <> '';"
	"CREATE TABLE impu("
	"  uri TEXT NOT NULL PRIMARY KEY,"
	"  subscriber TEXT NOT NULL,"
	"  place INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX impu_subscriber ON impu(subscriber, place);"
	/* Apart: it changes at each log-in in the core. */
	"CREATE TABLE sqn("
	"  impi TEXT NOT NULL PRIMARY KEY,"
	"  sqn INTEGER NOT NULL) WITHOUT ROWID;",

	/* 2: the pool.  Leased: it has a holder.  Cooling: free_ms is to come.
	 * The holder's index is what keeps a lease from being given twice. */
	"CREATE TABLE pool("
	"  impi TEXT NOT NULL PRIMARY KEY,"
	"  impu TEXT NOT NULL UNIQUE,"
	"  holder TEXT NOT NULL,"
	"  free_ms INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE UNIQUE INDEX pool_holder ON pool(holder) WHERE holder <> '';"
	"CREATE INDEX pool_free ON pool(free_ms) WHERE holder = '';",

	/* 3: registrations.  No identity holds a line break. */
	"CREATE TABLE registration("
	"  key TEXT NOT NULL PRIMARY KEY,"
	"  id TEXT NOT NULL,"
	"  credential BLOB NOT NULL,"
	"  expires_s INTEGER NOT NULL,"
	"  lost_s INTEGER NOT NULL,"
	"  ttl_s INTEGER NOT NULL,"
	"  enrol INTEGER NOT NULL,"
	"  impi TEXT NOT NULL,"
	"  impus TEXT NOT NULL,"
	"  contact TEXT NOT NULL,"
	"  call_id TEXT NOT NULL,"
	"  cseq INTEGER NOT NULL,"
	"  service_route TEXT NOT NULL,"
	"  core_expires_s INTEGER NOT NULL) WITHOUT ROWID;",

	/* 4: what else a registration is resumed with */
	"ALTER TABLE registration ADD COLUMN name TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE registration ADD COLUMN peer TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE registration ADD COLUMN"
	"  configured INTEGER NOT NULL DEFAULT 0;",
};
/* clang-format on */
_Static_assert(GW_ARRAY_LEN(steps) == GW_STORE_SCHEMA, "a step a version");

static int failed(sqlite3 *sql, char *why, size_t why_size)
{
	int rc = sqlite3_errcode(sql);

	(void)snprintf(why, why_size, "%s", sqlite3_errmsg(sql));
	switch (rc) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -ETIMEDOUT;
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return -EROFS;
	case SQLITE_FULL:
		return -ENOSPC;
	default:
		return -EIO;
	}
}

static int number(sqlite3 *sql, const char *query, int *out)
{
	sqlite3_stmt *s;
	int rc = sqlite3_prepare_v2(sql, query, -1, &s, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int(s, 0);
	/* The connection keeps the error of the step. */
	(void)sqlite3_finalize(s);
	return rc == SQLITE_ROW ? 0 : -EIO;
}

static int step(sqlite3 *sql, int to, char *why, size_t why_size)
{
	char tail[128];
	int err;

	(void)snprintf(tail, sizeof(tail),
		       "PRAGMA application_id = %d; PRAGMA user_version = %d;"
		       "COMMIT",
		       APPLICATION_ID, to);
	if (sqlite3_exec(sql, steps[to - 1], NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_exec(sql, tail, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	err = failed(sql, why, why_size);
	(void)sqlite3_exec(sql, "ROLLBACK", NULL, NULL, NULL);
	return err;
}

/* Within the transaction, so that nobody changes it in between. */
static int look(sqlite3 *sql, int *at, char *why, size_t why_size)
{
	int app = 0, tables = 0;

	if (number(sql, "PRAGMA user_version", at) ||
	    number(sql, "PRAGMA application_id", &app) ||
	    number(sql, "SELECT count(*) FROM sqlite_master", &tables))
		return failed(sql, why, why_size);
	if (app != APPLICATION_ID && (app || *at || tables)) {
		(void)snprintf(why, why_size,
			       "it is a database of another program");
		return -EINVAL;
	}
	if (*at < 0 || *at > GW_STORE_SCHEMA) {
		(void)snprintf(why, why_size,
			       "its schema is version %d, made by a newer "
			       "isthmus; this one knows up to %d",
			       *at, GW_STORE_SCHEMA);
		return -EPROTO;
	}
	return 0;
}

int gw_store_migrate(sqlite3 *sql, int version, char *why, size_t why_size)
{
	int at = 0, err;

	do {
		if (sqlite3_exec(sql, "BEGIN IMMEDIATE", NULL, NULL, NULL) !=
		    SQLITE_OK)
			return failed(sql, why, why_size);
		err = look(sql, &at, why, why_size);
		if (err || at >= version) {
			(void)sqlite3_exec(sql, "ROLLBACK", NULL, NULL, NULL);
			return err;
		}
		err = step(sql, at + 1, why, why_size);
	} while (!err);
	return err;
}
