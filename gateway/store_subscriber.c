/*
 * Subscribers, and the sequence numbers of those whose credentials are held
 * here.
 */
#include <errno.h>
#include <string.h>

#include "gateway/store_priv.h"

static uint64_t sqn_number(const uint8_t sqn[6])
{
	uint64_t v = 0;

	for (size_t i = 0; i < 6; i++)
		v = v << 8 | sqn[i];
	return v;
}

static void sqn_bytes(uint8_t out[6], uint64_t v)
{
	for (size_t i = 6; i-- > 0; v >>= 8)
		out[i] = (uint8_t)v;
}

/* ---- reading ---- */

static int read_impus(struct gw_store_db *db, struct gw_subscriber *sub)
{
	sqlite3_stmt *s = gw_store_stmt(db, GW_SQL_SUB_IMPUS);
	int rc;

	if (!s)
		return -EIO;
	gw_store_bind_text(s, 1, sub->id);
	while ((rc = gw_store_step(db, s)) > 0 && sub->nimpu < GW_STORE_IMPUS) {
		gw_store_column_text(sub->impu[sub->nimpu],
				     sizeof(sub->impu[0]), s, 0);
		sub->nimpu++;
	}
	(void)sqlite3_reset(s);
	(void)sqlite3_clear_bindings(s);
	return rc < 0 ? rc : 0;
}

static int read_row(struct gw_store_db *db, sqlite3_stmt *s,
		    struct gw_subscriber *sub)
{
	struct gw_ims_secret *secret = &sub->secret;

	memset(sub, 0, sizeof(*sub));
	gw_store_column_text(sub->id, sizeof(sub->id), s, 0);
	gw_store_column_text(sub->subject, sizeof(sub->subject), s, 1);
	gw_store_column_text(sub->password, sizeof(sub->password), s, 2);
	gw_store_column_text(sub->name, sizeof(sub->name), s, 3);
	sub->enrol = (uint8_t)sqlite3_column_int(s, 4);
	gw_store_column_text(sub->impi, sizeof(sub->impi), s, 5);
	secret->aka = sqlite3_column_int(s, 6) != 0;
	secret->opc = sqlite3_column_int(s, 7) != 0;
	gw_store_column_text(secret->password, sizeof(secret->password), s, 8);
	gw_store_column_blob(secret->k, sizeof(secret->k), s, 9);
	gw_store_column_blob(secret->op, sizeof(secret->op), s, 10);
	gw_store_column_blob(secret->amf, sizeof(secret->amf), s, 11);
	sqn_bytes(secret->sqn, (uint64_t)sqlite3_column_int64(s, 12));
	/* A number that this version does not know: it must not become one
	 * that it does. */
	if (sub->enrol >= GW_NENROL)
		sub->enrol = GW_ENROL_NONE;
	return read_impus(db, sub);
}

static int get(struct gw_store_db *db, enum gw_store_sql by, const char *key,
	       struct gw_subscriber *out)
{
	sqlite3_stmt *s = gw_store_stmt(db, by);
	int rc;

	if (!s)
		return -EIO;
	gw_store_bind_text(s, 1, key);
	rc = gw_store_step(db, s);
	if (rc > 0)
		rc = read_row(db, s, out);
	else if (!rc)
		rc = -ENOENT;
	(void)sqlite3_reset(s);
	(void)sqlite3_clear_bindings(s);
	return rc;
}

int gw_store_subscriber_get(struct gw_store_db *db, struct gw_store_job *job)
{
	struct gw_subscriber *row = gw_store_row(db, job, sizeof(*row));
	int err;

	if (!row)
		return -ENOMEM;
	err = get(db, job->cmd.flag ? GW_SQL_SUB_BY_SUBJECT : GW_SQL_SUB_BY_ID,
		  job->cmd.key, row);
	if (err)
		job->n = 0;
	return err;
}

static int page_row(struct gw_store_db *db, sqlite3_stmt *s, void *row)
{
	return read_row(db, s, row);
}

int gw_store_subscriber_list(struct gw_store_db *db, struct gw_store_job *job)
{
	return gw_store_page(db, job, GW_SQL_SUB_PAGE,
			     sizeof(struct gw_subscriber), page_row);
}

/* ---- writing ---- */

/* Is there a row?  1, 0 or -errno. */
static int any(struct gw_store_db *db, enum gw_store_sql which, const char *a,
	       const char *b)
{
	sqlite3_stmt *s = gw_store_stmt(db, which);
	int rc;

	if (!s)
		return -EIO;
	gw_store_bind_text(s, 1, a);
	gw_store_bind_text(s, 2, b);
	rc = gw_store_step(db, s);
	(void)sqlite3_reset(s);
	(void)sqlite3_clear_bindings(s);
	return rc;
}

static int put_row(struct gw_store_db *db, const struct gw_subscriber *sub)
{
	const struct gw_ims_secret *secret = &sub->secret;
	sqlite3_stmt *s = gw_store_stmt(db, GW_SQL_SUB_PUT);
	int rc;

	if (!s)
		return -EIO;
	gw_store_bind_text(s, 1, sub->id);
	gw_store_bind_text(s, 2, sub->subject);
	gw_store_bind_text(s, 3, sub->password);
	gw_store_bind_text(s, 4, sub->name);
	(void)sqlite3_bind_int(s, 5, sub->enrol);
	gw_store_bind_text(s, 6, sub->impi);
	(void)sqlite3_bind_int(s, 7, secret->aka);
	(void)sqlite3_bind_int(s, 8, secret->opc);
	gw_store_bind_text(s, 9, secret->password);
	(void)sqlite3_bind_blob(s, 10, secret->k, sizeof(secret->k),
				SQLITE_STATIC);
	(void)sqlite3_bind_blob(s, 11, secret->op, sizeof(secret->op),
				SQLITE_STATIC);
	(void)sqlite3_bind_blob(s, 12, secret->amf, sizeof(secret->amf),
				SQLITE_STATIC);
	rc = gw_store_run(db, s);
	return rc < 0 ? rc : 0;
}

static int put_impus(struct gw_store_db *db, const struct gw_subscriber *sub)
{
	sqlite3_stmt *s = gw_store_stmt(db, GW_SQL_IMPU_CLEAR);
	int rc;

	if (!s)
		return -EIO;
	gw_store_bind_text(s, 1, sub->id);
	rc = gw_store_run(db, s);
	for (uint8_t i = 0; rc >= 0 && i < sub->nimpu; i++) {
		/* Also finds one that is given twice: it is there by now. */
		rc = any(db, GW_SQL_IMPU_CLASH, sub->impu[i], sub->id);
		if (rc > 0)
			return -EEXIST;
		for (uint8_t k = 0; !rc && k < i; k++) {
			if (!strcmp(sub->impu[k], sub->impu[i]))
				return -EINVAL;
		}
		s = rc ? NULL : gw_store_stmt(db, GW_SQL_IMPU_PUT);
		if (!s)
			return -EIO;
		gw_store_bind_text(s, 1, sub->impu[i]);
		gw_store_bind_text(s, 2, sub->id);
		(void)sqlite3_bind_int(s, 3, i);
		rc = gw_store_run(db, s);
	}
	return rc < 0 ? rc : 0;
}

static int delete_by(struct gw_store_db *db, enum gw_store_sql which,
		     const char *key)
{
	sqlite3_stmt *s = gw_store_stmt(db, which);

	if (!s)
		return -EIO;
	gw_store_bind_text(s, 1, key);
	return gw_store_run(db, s);
}

static int put_sqn(struct gw_store_db *db, const char *impi, uint64_t sqn)
{
	sqlite3_stmt *s = gw_store_stmt(db, GW_SQL_SQN_PUT);
	int rc;

	if (!s)
		return -EIO;
	gw_store_bind_text(s, 1, impi);
	(void)sqlite3_bind_int64(s, 2, (int64_t)sqn);
	rc = gw_store_run(db, s);
	return rc < 0 ? rc : 0;
}

/* With another key, or under another name, numbers begin anew. */
static int keep_sqn(struct gw_store_db *db, const struct gw_subscriber *old,
		    const struct gw_subscriber *sub)
{
	int rc = 0;

	if (old->impi[0] &&
	    (strcmp(old->impi, sub->impi) != 0 ||
	     memcmp(old->secret.k, sub->secret.k, sizeof(old->secret.k)) != 0))
		rc = delete_by(db, GW_SQL_SQN_DELETE, old->impi);
	if (rc >= 0 && sub->impi[0] && sub->secret.aka)
		rc = put_sqn(db, sub->impi, sqn_number(sub->secret.sqn));
	return rc < 0 ? rc : 0;
}

static bool is_sound(const struct gw_subscriber *sub)
{
	bool good = sub->id[0] && sub->nimpu <= GW_STORE_IMPUS &&
		    sub->enrol < GW_NENROL;

	for (uint8_t i = 0; good && i < sub->nimpu; i++)
		good = sub->impu[i][0] != '\0';
	return good;
}

int gw_store_subscriber_put(struct gw_store_db *db, struct gw_store_job *job)
{
	const struct gw_subscriber *sub = &job->cmd.subscriber;
	struct gw_subscriber old;
	int err;

	if (!is_sound(sub))
		return -EINVAL;
	err = get(db, GW_SQL_SUB_BY_ID, sub->id, &old);
	if (!err && !job->cmd.flag)
		err = -EEXIST;
	if (!err || err == -ENOENT) {
		if (err)
			memset(&old, 0, sizeof(old));
		err = any(db, GW_SQL_SUB_CLASH, sub->id, sub->subject);
		if (err > 0)
			err = -EEXIST;
	}
	if (!err)
		err = keep_sqn(db, &old, sub);
	if (!err)
		err = put_row(db, sub);
	if (!err)
		err = put_impus(db, sub);
	explicit_bzero(&old, sizeof(old));
	return err;
}

int gw_store_subscriber_passwd(struct gw_store_db *db, struct gw_store_job *job)
{
	sqlite3_stmt *s = gw_store_stmt(db, GW_SQL_SUB_PASSWD);
	int n;

	if (!s)
		return -EIO;
	gw_store_bind_text(s, 1, job->cmd.subscriber.id);
	gw_store_bind_text(s, 2, job->cmd.subscriber.password);
	n = gw_store_run(db, s);
	return n < 0 ? n : n ? 0 : -ENOENT;
}

int gw_store_subscriber_delete(struct gw_store_db *db, struct gw_store_job *job)
{
	struct gw_subscriber old;
	int rc = get(db, GW_SQL_SUB_BY_ID, job->cmd.key, &old);

	if (!rc && old.impi[0])
		rc = delete_by(db, GW_SQL_SQN_DELETE, old.impi);
	if (rc >= 0)
		rc = delete_by(db, GW_SQL_IMPU_CLEAR, job->cmd.key);
	if (rc >= 0)
		rc = delete_by(db, GW_SQL_SUB_DELETE, job->cmd.key);
	explicit_bzero(&old, sizeof(old));
	return rc < 0 ? rc : 0;
}

int gw_store_sqn_put(struct gw_store_db *db, struct gw_store_job *job)
{
	if (!job->cmd.key[0] || job->cmd.number < 0 ||
	    job->cmd.number >> 48 != 0)
		return -EINVAL;
	return put_sqn(db, job->cmd.key, (uint64_t)job->cmd.number);
}
