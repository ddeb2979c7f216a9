/*
 * The pool of identities.  An entry has one holder at most, and a holder one
 * entry; both are unique indices of the file, so that no mistake of ours and
 * no crash can give one twice.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "gateway/store_priv.h"

#define MOST_COOLING_S 31536000 /* a year */

static int64_t wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void read_row(sqlite3_stmt *s, struct gw_pool_entry *e)
{
	int64_t free_ms = sqlite3_column_int64(s, 3);

	memset(e, 0, sizeof(*e));
	gw_store_column_text(e->impi, sizeof(e->impi), s, 0);
	gw_store_column_text(e->impu, sizeof(e->impu), s, 1);
	gw_store_column_text(e->holder, sizeof(e->holder), s, 2);
	if (e->holder[0]) {
		e->state = GW_POOL_LEASED;
	} else if (free_ms > wall_ms()) {
		e->state = GW_POOL_COOLING;
		e->until_s = (free_ms + 999) / 1000;
	}
}

/* The first row of @which with ?1 and ?2; 1, 0 or -errno. */
static int first(struct gw_store_db *db, enum gw_store_sql which, const char *a,
		 const char *b, struct gw_pool_entry *out)
{
	sqlite3_stmt *s = gw_store_stmt(db, which);
	int rc;

	if (!s)
		return -EIO;
	gw_store_bind_text(s, 1, a);
	if (b)
		gw_store_bind_text(s, 2, b);
	rc = gw_store_step(db, s);
	if (rc > 0)
		read_row(s, out);
	(void)sqlite3_reset(s);
	(void)sqlite3_clear_bindings(s);
	return rc;
}

int gw_store_pool_put(struct gw_store_db *db, struct gw_store_job *job)
{
	const struct gw_pool_entry *e = &job->cmd.pool;
	struct gw_pool_entry old;
	sqlite3_stmt *s;
	int rc;

	if (!e->impi[0] || !e->impu[0])
		return -EINVAL;
	rc = first(db, GW_SQL_POOL_GET, e->impi, NULL, &old);
	if (rc > 0 && !job->cmd.flag)
		return -EEXIST;
	if (rc > 0 && old.state == GW_POOL_LEASED)
		return -EBUSY;
	if (rc >= 0)
		rc = first(db, GW_SQL_POOL_CLASH, e->impi, e->impu, &old);
	if (rc)
		return rc < 0 ? rc : -EEXIST;
	s = gw_store_stmt(db, GW_SQL_POOL_PUT);
	if (!s)
		return -EIO;
	gw_store_bind_text(s, 1, e->impi);
	gw_store_bind_text(s, 2, e->impu);
	rc = gw_store_run(db, s);
	return rc < 0 ? rc : 0;
}

int gw_store_pool_delete(struct gw_store_db *db, struct gw_store_job *job)
{
	struct gw_pool_entry old;
	sqlite3_stmt *s;
	int rc = first(db, GW_SQL_POOL_GET, job->cmd.key, NULL, &old);

	if (rc <= 0)
		return rc ? rc : -ENOENT;
	if (old.state == GW_POOL_LEASED)
		return -EBUSY;
	s = gw_store_stmt(db, GW_SQL_POOL_DELETE);
	if (!s)
		return -EIO;
	gw_store_bind_text(s, 1, job->cmd.key);
	rc = gw_store_run(db, s);
	return rc < 0 ? rc : 0;
}

static int page_row(struct gw_store_db *db, sqlite3_stmt *s, void *row)
{
	(void)db;
	read_row(s, row);
	return 0;
}

int gw_store_pool_list(struct gw_store_db *db, struct gw_store_job *job)
{
	return gw_store_page(db, job, GW_SQL_POOL_PAGE,
			     sizeof(struct gw_pool_entry), page_row);
}

/* 1 with the entry that is free for longest, 0 when there is none. */
static int next_free(struct gw_store_db *db, struct gw_pool_entry *out)
{
	sqlite3_stmt *s = gw_store_stmt(db, GW_SQL_POOL_NEXT);
	int rc;

	if (!s)
		return -EIO;
	(void)sqlite3_bind_int64(s, 1, wall_ms());
	rc = gw_store_step(db, s);
	if (rc > 0)
		read_row(s, out);
	(void)sqlite3_reset(s);
	return rc;
}

static bool is_holder(const char *key)
{
	return key[0] &&
	       strlen(key) < sizeof(((struct gw_pool_entry *)0)->holder);
}

int gw_store_pool_lease(struct gw_store_db *db, struct gw_store_job *job)
{
	struct gw_pool_entry *row;
	const char *holder = job->cmd.key;
	sqlite3_stmt *s;
	int rc;

	if (!is_holder(holder))
		return -EINVAL;
	row = gw_store_row(db, job, sizeof(*row));
	if (!row)
		return -ENOMEM;
	rc = first(db, GW_SQL_POOL_HELD, holder, NULL, row);
	if (rc)
		return rc < 0 ? rc : 0;
	rc = next_free(db, row);
	if (rc <= 0)
		return rc ? rc : -ENODATA;
	s = gw_store_stmt(db, GW_SQL_POOL_LEASE);
	if (!s)
		return -EIO;
	gw_store_bind_text(s, 1, row->impi);
	gw_store_bind_text(s, 2, holder);
	rc = gw_store_run(db, s);
	if (rc < 0)
		return rc;
	row->state = GW_POOL_LEASED;
	memcpy(row->holder, holder, strlen(holder) + 1);
	return 0;
}

int gw_store_pool_release(struct gw_store_db *db, struct gw_store_job *job)
{
	int64_t cool_s = job->cmd.number;
	sqlite3_stmt *s;
	int n;

	if (!is_holder(job->cmd.key) || cool_s < 0 || cool_s > MOST_COOLING_S)
		return -EINVAL;
	s = gw_store_stmt(db, GW_SQL_POOL_RELEASE);
	if (!s)
		return -EIO;
	gw_store_bind_text(s, 1, job->cmd.key);
	(void)sqlite3_bind_int64(s, 2, wall_ms() + cool_s * 1000);
	n = gw_store_run(db, s);
	return n < 0 ? n : n ? 0 : -ENOENT;
}
