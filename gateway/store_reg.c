/*
 * Registrations that are worth resuming after a crash.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/store_priv.h"

#define IMPUS_SIZE (GW_STORE_IMPUS * 128)

static bool join(char out[IMPUS_SIZE], const struct gw_stored_reg *reg)
{
	size_t n = 0;

	out[0] = '\0';
	for (uint8_t i = 0; i < reg->nimpu; i++) {
		if (!reg->impu[i][0] || strchr(reg->impu[i], '\n'))
			return false;
		n += (size_t)snprintf(out + n, IMPUS_SIZE - n, "%s%s",
				      i ? "\n" : "", reg->impu[i]);
	}
	return true;
}

static void split(struct gw_stored_reg *reg, const char *text)
{
	while (*text && reg->nimpu < GW_STORE_IMPUS) {
		size_t n = strcspn(text, "\n");

		(void)snprintf(reg->impu[reg->nimpu++], sizeof(reg->impu[0]),
			       "%.*s", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

int gw_store_reg_put(struct gw_store_db *db, struct gw_store_job *job)
{
	const struct gw_stored_reg *reg = &job->cmd.reg;
	char impus[IMPUS_SIZE];
	sqlite3_stmt *s;
	int rc;

	if (!reg->key[0] || reg->nimpu > GW_STORE_IMPUS || !join(impus, reg))
		return -EINVAL;
	s = gw_store_stmt(db, GW_SQL_REG_PUT);
	if (!s)
		return -EIO;
	gw_store_bind_text(s, 1, reg->key);
	gw_store_bind_text(s, 2, reg->id);
	(void)sqlite3_bind_blob(s, 3, reg->credential_sha256,
				sizeof(reg->credential_sha256), SQLITE_STATIC);
	(void)sqlite3_bind_int64(s, 4, reg->expires_s);
	(void)sqlite3_bind_int64(s, 5, reg->lost_s);
	(void)sqlite3_bind_int64(s, 6, reg->ttl_s);
	(void)sqlite3_bind_int(s, 7, reg->enrol);
	gw_store_bind_text(s, 8, reg->impi);
	gw_store_bind_text(s, 9, impus);
	gw_store_bind_text(s, 10, reg->contact);
	gw_store_bind_text(s, 11, reg->call_id);
	(void)sqlite3_bind_int64(s, 12, reg->cseq);
	gw_store_bind_text(s, 13, reg->service_route);
	(void)sqlite3_bind_int64(s, 14, reg->core_expires_s);
	gw_store_bind_text(s, 15, reg->name);
	gw_store_bind_text(s, 16, reg->peer);
	(void)sqlite3_bind_int(s, 17, reg->configured);
	rc = gw_store_run(db, s);
	return rc < 0 ? rc : 0;
}

int gw_store_reg_delete(struct gw_store_db *db, struct gw_store_job *job)
{
	bool all = job->cmd.flag;
	sqlite3_stmt *s =
		gw_store_stmt(db, all ? GW_SQL_REG_CLEAR : GW_SQL_REG_DELETE);
	int n;

	if (!s)
		return -EIO;
	if (!all)
		gw_store_bind_text(s, 1, job->cmd.key);
	n = gw_store_run(db, s);
	return n < 0 ? n : n || all ? 0 : -ENOENT;
}

static void read_row(sqlite3_stmt *s, struct gw_stored_reg *reg)
{
	char impus[IMPUS_SIZE];

	memset(reg, 0, sizeof(*reg));
	gw_store_column_text(reg->key, sizeof(reg->key), s, 0);
	gw_store_column_text(reg->id, sizeof(reg->id), s, 1);
	gw_store_column_blob(reg->credential_sha256,
			     sizeof(reg->credential_sha256), s, 2);
	reg->expires_s = sqlite3_column_int64(s, 3);
	reg->lost_s = sqlite3_column_int64(s, 4);
	reg->ttl_s = (uint32_t)sqlite3_column_int64(s, 5);
	reg->enrol = (uint8_t)sqlite3_column_int(s, 6);
	gw_store_column_text(reg->impi, sizeof(reg->impi), s, 7);
	gw_store_column_text(impus, sizeof(impus), s, 8);
	split(reg, impus);
	gw_store_column_text(reg->contact, sizeof(reg->contact), s, 9);
	gw_store_column_text(reg->call_id, sizeof(reg->call_id), s, 10);
	reg->cseq = (uint32_t)sqlite3_column_int64(s, 11);
	gw_store_column_text(reg->service_route, sizeof(reg->service_route), s,
			     12);
	reg->core_expires_s = sqlite3_column_int64(s, 13);
	gw_store_column_text(reg->name, sizeof(reg->name), s, 14);
	gw_store_column_text(reg->peer, sizeof(reg->peer), s, 15);
	reg->configured = sqlite3_column_int(s, 16) != 0;
}

static int page_row(struct gw_store_db *db, sqlite3_stmt *s, void *row)
{
	(void)db;
	read_row(s, row);
	return 0;
}

int gw_store_reg_list(struct gw_store_db *db, struct gw_store_job *job)
{
	return gw_store_page(db, job, GW_SQL_REG_PAGE,
			     sizeof(struct gw_stored_reg), page_row);
}
