/*
 * What is written of registrations, when its writer hears of it, what happens
 * where the store fails, and what the next run makes of it.  The store is the
 * real one; the web side and the core's registrations are faked.
 */
#include "store_bench.h"

#include <sqlite3.h>

#include "gateway/enrol.h"
#include "gateway/reg_keep.h"
#include "gateway/settings.h"
#include "webrtc/registry_map.h"

#define KEPT(result)                                                           \
	metric("isthmus_registrations_kept_total{result=\"" result "\""        \
	       "}")
#define RESTORED(result)                                                       \
	metric("isthmus_registrations_restored_total{result=\"" result "\"}")
#define DUE metric("isthmus_registrations_unkept")

/* ---- the web side ---- */

static struct {
	unsigned nkept; /* answers */
	unsigned unsynced;
	char key[24];
	bool there; /* gw_web_describe() finds it */
	struct gw_web_kept now;
	unsigned nrestored;
	int restore_error;
	struct gw_web_kept restored[4];
	uint32_t wait_s[4];
} web;

void gw_web_kept(struct gw_web *w, const char *key)
{
	assert_ptr_equal(&web, w);
	web.nkept++;
	web.unsynced += atomic_load(&bench_unsynced);
	(void)snprintf(web.key, sizeof(web.key), "%s", key);
}

bool gw_web_describe(const struct gw_web *w, const char *key,
		     struct gw_web_kept *out)
{
	assert_ptr_equal(&web, w);
	if (!web.there || strcmp(key, web.now.key) != 0)
		return false;
	*out = web.now;
	return true;
}

bool gw_web_identity(char out[GW_WEB_IDENTITY], const char *uri)
{
	return gw_identity_norm(out, uri);
}

int gw_web_restore(struct gw_web *w, const struct gw_web_kept *kept,
		   uint32_t wait_s)
{
	unsigned i = web.nrestored++;

	assert_ptr_equal(&web, w);
	assert_true(i < 4);
	web.restored[i] = *kept;
	web.wait_s[i] = wait_s;
	return web.restore_error;
}

/* ---- the core's registrations ---- */

static struct {
	bool known;
	struct gw_stored_reg row;
	unsigned nresumed, nunwanted, nreclaimed;
	char resumed[4][24];
} enrols;

void gw_enrol_describe(const struct gw_enrols *all, const char *key,
		       struct gw_stored_reg *row)
{
	assert_ptr_equal(&enrols, all);
	assert_string_equal(row->key, key);
	if (!enrols.known)
		return;
	row->enrol = enrols.row.enrol;
	row->nimpu = 1;
	memcpy(row->impi, enrols.row.impi, sizeof(row->impi));
	memcpy(row->impu[0], enrols.row.impu[0], sizeof(row->impu[0]));
	memcpy(row->contact, enrols.row.contact, sizeof(row->contact));
	row->cseq = enrols.row.cseq;
	row->core_expires_s = enrols.row.core_expires_s;
	strcpy(row->peer, "192.0.2.7");
}

void gw_enrol_resume(struct gw_enrols *all, const struct gw_stored_reg *row,
		     bool unwanted)
{
	assert_ptr_equal(&enrols, all);
	assert_int_equal(0, enrols.nreclaimed);
	assert_true(enrols.nresumed < 4);
	memcpy(enrols.resumed[enrols.nresumed++], row->key, 24);
	enrols.nunwanted += unwanted;
}

void gw_enrols_reclaim(struct gw_enrols *all)
{
	assert_ptr_equal(&enrols, all);
	enrols.nreclaimed++;
}

/* ---- the fixture ---- */

struct fix {
	struct bench *b;
	struct gw_settings set;
	struct gw_core core;
};

static void start(struct fix *f)
{
	bench_open(f->b);
	f->core = (struct gw_core){
		.loop = f->b->loop,
		.set = &f->set,
		.web = (struct gw_web *)&web,
		.store = f->b->store,
		.enrols = (struct gw_enrols *)&enrols,
	};
	assert_int_equal(0, gw_keep_new(&f->core.keep, &f->core));
}

static void stop(struct fix *f)
{
	gw_keep_free(f->core.keep);
	f->core.keep = NULL;
	bench_close(f->b);
}

/* As after a kill -9: what was acknowledged is all there is. */
static void crash(struct fix *f)
{
	stop(f);
	memset(&web, 0, sizeof(web));
	memset(&enrols, 0, sizeof(enrols));
	start(f);
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	memset(&web, 0, sizeof(web));
	memset(&enrols, 0, sizeof(enrols));
	f->set.store.resume_s = 60;
	f->b = bench_new();
	start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	atomic_store(&bench_fail, 0);
	stop(f);
	bench_free(f->b);
	free(f);
	return 0;
}

static struct gw_web_kept guest(const char *key)
{
	struct gw_web_kept k = {
		.name = "A guest",
		.enrolled = true,
		.expires_s = gw_clock_wall_s() + 1000,
		.ttl_s = 100,
		.nidentity = 2,
	};

	(void)snprintf(k.key, sizeof(k.key), "%s", key);
	strcpy(k.id, "sip:guest@web.example");
	memset(k.credential_hash, 0xa5, sizeof(k.credential_hash));
	strcpy(k.identity[0], "tel:+15551");
	strcpy(k.identity[1], "sip:pool1@ims.test");
	return k;
}

static void core_knows(enum gw_enrol how)
{
	enrols.known = true;
	enrols.row.enrol = (uint8_t)how;
	strcpy(enrols.row.impi, "pool1@ims.test");
	strcpy(enrols.row.impu[0], "sip:pool1@ims.test");
	strcpy(enrols.row.contact, "c0ffee");
	enrols.row.cseq = 17;
	enrols.row.core_expires_s = gw_clock_wall_s() + 500;
}

static void put(struct fix *f, const struct gw_web_kept *k)
{
	unsigned before = web.nkept;

	assert_int_equal(0, gw_keep_put(k, &f->core));
	assert_int_equal(before, web.nkept);
	for (unsigned i = 0; i < 1000 && web.nkept == before; i++)
		gw_loop_step(f->b->loop, 10);
	assert_int_equal(before + 1, web.nkept);
	assert_string_equal(k->key, web.key);
}

static unsigned nrows(struct fix *f)
{
	assert_int_equal(0, bench_key(f->b, GW_ST_REG_LIST, "", 0));
	return (unsigned)got.n;
}

/* Lends pool1 to @holder. */
static void lend(struct fix *f, const char *holder)
{
	struct gw_store_cmd cmd =
		bench_pool("pool1@ims.test", "sip:pool1@ims.test");

	assert_int_equal(0, bench_do(f->b, &cmd));
	assert_int_equal(0, bench_key(f->b, GW_ST_POOL_LEASE, holder, 0));
}

/* ---- what is written ---- */

static void it_is_on_the_disk_before_anybody_is_told(void **state)
{
	struct fix *f = *state;
	struct gw_web_kept k = guest("k1");
	const struct gw_stored_reg *row = &got.reg[0];
	long long before = KEPT("stored");

	core_knows(GW_ENROL_WEB);
	put(f, &k);
	assert_int_equal(0, web.unsynced);
	assert_int_equal(before + 1, KEPT("stored"));
	assert_int_equal(1, nrows(f));
	assert_string_equal("k1", row->key);
	assert_string_equal(k.id, row->id);
	assert_string_equal(k.name, row->name);
	assert_memory_equal(k.credential_hash, row->credential_sha256, 32);
	assert_int_equal(k.expires_s, row->expires_s);
	assert_int_equal(100, row->ttl_s);
	assert_int_equal(GW_ENROL_WEB, row->enrol);
	assert_string_equal("c0ffee", row->contact);
	assert_int_equal(17, row->cseq);
	/* The one that is registered first, and none twice. */
	assert_int_equal(2, row->nimpu);
	assert_string_equal("sip:pool1@ims.test", row->impu[0]);
	assert_string_equal("tel:+15551", row->impu[1]);
}

static void a_refresh_changes_the_row_and_nobody_waits(void **state)
{
	struct fix *f = *state;
	struct gw_web_kept k = guest("k1");

	core_knows(GW_ENROL_WEB);
	put(f, &k);
	enrols.row.cseq = 18;
	gw_keep_refresh(f->core.keep, "k1"); /* the web side has none such */
	assert_int_equal(17, (nrows(f), got.reg[0].cseq));
	web.now = k;
	web.there = true;
	gw_keep_refresh(f->core.keep, "k1");
	assert_int_equal(18, (nrows(f), got.reg[0].cseq));
	assert_int_equal(1, web.nkept);
	assert_int_equal(0, gw_keep_forget("k1", &f->core));
	assert_int_equal(0, nrows(f));
	/* Who logs out is told then. */
	assert_int_equal(2, web.nkept);
	assert_int_equal(0, web.unsynced);
	assert_string_equal("k1", web.key);
	/* Not there, not wrong. */
	assert_int_equal(0, gw_keep_forget("k1", &f->core));
	assert_int_equal(1, DUE); /* until the store has answered */
	assert_int_equal(0, nrows(f));
	assert_int_equal(0, DUE);
}

/* ---- faults ---- */

static void a_full_disk_holds_nobody_up_and_is_made_good(void **state)
{
	struct fix *f = *state;
	struct gw_web_kept k = guest("k1"), gone = guest("k2");
	long long failed = KEPT("failed");

	put(f, &gone);
	atomic_store(&bench_fail, ENOSPC);
	put(f, &k); /* it is told all the same */
	put(f, &k);
	assert_int_equal(0, gw_keep_forget("k2", &f->core));
	for (unsigned i = 0; i < 1000 && KEPT("failed") < failed + 3; i++)
		gw_loop_step(f->b->loop, 10);
	assert_int_equal(failed + 3, KEPT("failed"));
	assert_int_equal(2, DUE);
	assert_int_equal(1, bench_logged(f->b, "registrations are not stored"));
	atomic_store(&bench_fail, 0);
	web.now = k;
	web.there = true;
	for (unsigned i = 0; i < 1000 && DUE; i++)
		gw_loop_step(f->b->loop, 10);
	assert_int_equal(0, DUE);
	/* One is there and one is not, as it should be. */
	assert_int_equal(1, nrows(f));
	assert_string_equal("k1", got.reg[0].key);
	assert_int_equal(1,
			 bench_logged(f->b, "registrations are stored again"));
}

static void a_full_queue_is_made_good_too(void **state)
{
	struct fix *f = *state;
	struct gw_web_kept k = guest("k1");
	struct gw_store_cmd none = { .verb = GW_ST_REG_LIST };
	int err = 0;

	while (!(err = gw_store_do(NULL, f->b->store, &none, NULL, NULL)))
		;
	assert_int_equal(-EAGAIN, err);
	/* The web side answers at once, as it would without a store. */
	assert_int_equal(-EAGAIN, gw_keep_put(&k, &f->core));
	assert_int_equal(-EAGAIN, gw_keep_forget("k2", &f->core));
	assert_int_equal(2, DUE);
	web.now = k;
	web.there = true;
	for (unsigned i = 0; i < 1000 && DUE; i++)
		gw_loop_step(f->b->loop, 10);
	assert_int_equal(1, nrows(f));
	assert_int_equal(0, web.nkept);
}

/* ---- the next run ---- */

static void what_was_told_is_put_back(void **state)
{
	struct fix *f = *state;
	struct gw_web_kept k = guest("k1"), here = guest("k2");
	long long before = RESTORED("restored");

	core_knows(GW_ENROL_POOL);
	lend(f, k.id);
	put(f, &k);
	enrols.known = false;
	here.enrolled = false;
	here.ttl_s = 5;
	here.configured = true;
	put(f, &here);
	crash(f);
	gw_keep_restore(f->core.keep);
	assert_int_equal(2, web.nrestored);
	assert_string_equal("k1", web.restored[0].key);
	assert_string_equal(k.id, web.restored[0].id);
	assert_string_equal(k.name, web.restored[0].name);
	assert_memory_equal(k.credential_hash, web.restored[0].credential_hash,
			    32);
	assert_int_equal(k.expires_s, web.restored[0].expires_s);
	assert_true(web.restored[0].enrolled && !web.restored[0].configured);
	assert_int_equal(2, web.restored[0].nidentity);
	assert_string_equal("192.0.2.7", web.restored[0].peer);
	assert_int_equal(100, web.wait_s[0]);
	assert_true(!web.restored[1].enrolled && web.restored[1].configured);
	/* It asked for less, but the crash is none of its doing. */
	assert_int_equal(60, web.wait_s[1]);
	/* Only one of them has to do with the core. */
	assert_int_equal(1, enrols.nresumed);
	assert_string_equal("k1", enrols.resumed[0]);
	assert_int_equal(0, enrols.nunwanted);
	assert_int_equal(1, enrols.nreclaimed);
	assert_int_equal(before + 2, RESTORED("restored"));
	assert_int_equal(2, nrows(f));
}

static void what_is_over_is_ended_in_the_core(void **state)
{
	struct fix *f = *state;
	struct gw_web_kept k = guest("k1"), lost = guest("k2"),
			   short_of = guest("k3");

	core_knows(GW_ENROL_WEB);
	k.expires_s = gw_clock_wall_s() - 1;
	put(f, &k);
	lost.lost_s = gw_clock_wall_s() - 1;
	put(f, &lost);
	short_of.lost_s = gw_clock_wall_s() + 30;
	put(f, &short_of);
	crash(f);
	gw_keep_restore(f->core.keep);
	assert_int_equal(1, web.nrestored);
	assert_string_equal("k3", web.restored[0].key);
	/* It had been lost before the crash. */
	assert_true(web.wait_s[0] <= 30 && web.wait_s[0] >= 25);
	assert_int_equal(3, enrols.nresumed);
	assert_int_equal(2, enrols.nunwanted);
	assert_int_equal(1, nrows(f));
	assert_string_equal("k3", got.reg[0].key);
}

static void an_identity_that_another_has_is_left_to_it(void **state)
{
	struct fix *f = *state;
	struct gw_web_kept k = guest("k1");
	long long before = RESTORED("unusable");

	core_knows(GW_ENROL_POOL);
	lend(f, "somebody else");
	put(f, &k);
	crash(f);
	gw_keep_restore(f->core.keep);
	assert_int_equal(0, web.nrestored);
	assert_int_equal(0, enrols.nresumed);
	assert_int_equal(before + 1, RESTORED("unusable"));
	assert_int_equal(0, nrows(f));
}

static void whom_the_web_side_does_not_want_is_forgotten(void **state)
{
	struct fix *f = *state;
	struct gw_web_kept k = guest("k1");

	core_knows(GW_ENROL_WEB);
	put(f, &k);
	crash(f);
	web.restore_error = -ESRCH;
	gw_keep_restore(f->core.keep);
	assert_int_equal(1, enrols.nunwanted);
	assert_int_equal(0, nrows(f));
}

static void without_a_core_nobody_of_it_is_put_back(void **state)
{
	struct fix *f = *state;
	struct gw_web_kept k = guest("k1");

	core_knows(GW_ENROL_WEB);
	put(f, &k);
	crash(f);
	f->core.enrols = NULL;
	gw_keep_restore(f->core.keep);
	assert_int_equal(0, web.nrestored);
	assert_int_equal(0, nrows(f));
}

static void many_are_read_in_pages(void **state)
{
	struct fix *f = *state;
	struct gw_web_kept k = guest("");

	k.expires_s = gw_clock_wall_s() - 1; /* so that they are all counted */
	for (unsigned i = 0; i < 2 * GW_STORE_PAGE; i++) {
		(void)snprintf(k.key, sizeof(k.key), "k%04u", i);
		assert_int_equal(0, gw_keep_put(&k, &f->core));
	}
	for (unsigned i = 0; i < 1000 && web.nkept < 2 * GW_STORE_PAGE; i++)
		gw_loop_step(f->b->loop, 10);
	crash(f);
	long long before = RESTORED("expired");

	gw_keep_restore(f->core.keep);
	assert_int_equal(before + 2 * GW_STORE_PAGE, RESTORED("expired"));
	assert_int_equal(0, nrows(f));
}

static void a_good_end_leaves_nothing(void **state)
{
	struct fix *f = *state;
	struct gw_web_kept k = guest("k1");

	put(f, &k);
	gw_keep_end(f->core.keep);
	/* The web side ends them one by one; none is written any more. */
	assert_int_equal(-ESHUTDOWN, gw_keep_put(&k, &f->core));
	assert_int_equal(-ESHUTDOWN, gw_keep_forget("k1", &f->core));
	crash(f);
	assert_int_equal(0, nrows(f));
	gw_keep_restore(f->core.keep);
	assert_int_equal(0, web.nrestored);
}

/* Where the registrations are in @file. */
static off_t root_page(const char *file)
{
	sqlite3 *sql;
	sqlite3_stmt *s;
	off_t at;

	assert_int_equal(SQLITE_OK, sqlite3_open(file, &sql));
	assert_int_equal(SQLITE_OK,
			 sqlite3_prepare_v2(sql,
					    "SELECT (rootpage - 1) * page_size "
					    "FROM sqlite_master, "
					    "pragma_page_size WHERE name = "
					    "'registration'",
					    -1, &s, NULL));
	assert_int_equal(SQLITE_ROW, sqlite3_step(s));
	at = sqlite3_column_int64(s, 0);
	(void)sqlite3_finalize(s);
	(void)sqlite3_close(sql);
	return at;
}

static void what_cannot_be_read_is_told_and_left(void **state)
{
	struct fix *f = *state;
	struct gw_web_kept k = guest("k1");
	char damage[256];
	off_t at;
	int fd;

	put(f, &k);
	stop(f);
	at = root_page(f->b->file);
	memset(damage, 0xff, sizeof(damage));
	fd = open(f->b->file, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(sizeof(damage),
			 syscall(SYS_pwrite64, fd, damage, sizeof(damage), at));
	(void)close(fd);
	memset(&web, 0, sizeof(web));
	start(f);
	assert_int_equal(1, bench_logged(f->b, "of the last run cannot be "
					       "read"));
	gw_keep_restore(f->core.keep);
	assert_int_equal(0, web.nrestored);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_is_on_the_disk_before_anybody_is_told),
		T(a_refresh_changes_the_row_and_nobody_waits),
		T(a_full_disk_holds_nobody_up_and_is_made_good),
		T(a_full_queue_is_made_good_too),
		T(what_was_told_is_put_back),
		T(what_is_over_is_ended_in_the_core),
		T(an_identity_that_another_has_is_left_to_it),
		T(whom_the_web_side_does_not_want_is_forgotten),
		T(without_a_core_nobody_of_it_is_put_back),
		T(many_are_read_in_pages),
		T(a_good_end_leaves_nothing),
		T(what_cannot_be_read_is_told_and_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
