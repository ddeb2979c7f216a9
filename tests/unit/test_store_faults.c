/*
 * What can be wrong with the store's file: each has its error, is told once,
 * is counted, and what can still be answered is.
 */
#include "store_bench.h"

#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "gateway/store_priv.h"

#define ALICE "sip:alice@example.org"
#define BOB   "sip:bob@example.org"

static int setup(void **state)
{
	*state = bench_new();
	return 0;
}

static int teardown(void **state)
{
	atomic_store(&bench_fail, 0);
	bench_free(*state);
	return 0;
}

static long long errors(const char *reason)
{
	char name[96];

	(void)snprintf(name, sizeof(name),
		       "isthmus_store_errors_total{reason=\"%s\"}", reason);
	return metric(name);
}

/* What opening says. */
static int opened(struct bench *b)
{
	struct gw_loop *loop;
	struct gw_store *st = NULL;
	int err;

	assert_int_equal(0, gw_loop_new(&loop, NULL, NULL));
	err = gw_store_open(&st, loop, b->file, 100);
	gw_store_close(st);
	gw_loop_free(loop);
	return err;
}

static sqlite3 *raw(struct bench *b)
{
	sqlite3 *sql;

	assert_int_equal(SQLITE_OK, sqlite3_open(b->file, &sql));
	return sql;
}

static void raw_exec(sqlite3 *sql, const char *text)
{
	assert_int_equal(SQLITE_OK, sqlite3_exec(sql, text, NULL, NULL, NULL));
}

static int raw_number(sqlite3 *sql, const char *query)
{
	sqlite3_stmt *s;
	int n;

	assert_int_equal(SQLITE_OK,
			 sqlite3_prepare_v2(sql, query, -1, &s, NULL));
	assert_int_equal(SQLITE_ROW, sqlite3_step(s));
	n = sqlite3_column_int(s, 0);
	(void)sqlite3_finalize(s);
	return n;
}

/* ---- versions ---- */

static void an_older_schema_is_brought_up_to_date(void **state)
{
	struct bench *b = *state;

	for (int version = 1; version < GW_STORE_SCHEMA; version++) {
		sqlite3 *sql = raw(b);
		char why[128];

		assert_int_equal(
			0, gw_store_migrate(sql, version, why, sizeof(why)));
		assert_int_equal(version,
				 raw_number(sql, "PRAGMA user_version"));
		raw_exec(sql, "INSERT INTO subscriber VALUES('" ALICE
			      "','','hash','Alice',3,'',0,0,'',x'','',x'')");
		(void)sqlite3_close(sql);

		bench_open(b);
		assert_int_equal(0,
				 bench_key(b, GW_ST_SUBSCRIBER_GET, ALICE, 0));
		assert_string_equal("hash", got.subscriber[0].password);
		assert_int_equal(GW_ENROL_WEB, got.subscriber[0].enrol);
		assert_int_equal(0, bench_key(b, GW_ST_POOL_LIST, "", 0));
		assert_int_equal(0, bench_key(b, GW_ST_REG_LIST, "", 0));
		bench_close(b);

		sql = raw(b);
		assert_int_equal(GW_STORE_SCHEMA,
				 raw_number(sql, "PRAGMA user_version"));
		(void)sqlite3_close(sql);
		assert_int_equal(0, unlink(b->file));
	}
}

static void a_step_that_fails_leaves_the_version_before(void **state)
{
	struct bench *b = *state;
	sqlite3 *sql = raw(b);
	char why[128];

	assert_int_equal(0, gw_store_migrate(sql, 1, why, sizeof(why)));
	raw_exec(sql, "CREATE TABLE pool(x)");
	(void)sqlite3_close(sql);
	assert_int_equal(-EIO, opened(b));
	assert_int_equal(1, bench_logged(b, "table pool already exists"));
	sql = raw(b);
	assert_int_equal(1, raw_number(sql, "PRAGMA user_version"));
	assert_int_equal(0, raw_number(sql, "SELECT count(*) FROM sqlite_master"
					    " WHERE name = 'registration'"));
	raw_exec(sql, "DROP TABLE pool");
	(void)sqlite3_close(sql);
	assert_int_equal(0, opened(b));
}

static void a_newer_schema_is_refused(void **state)
{
	struct bench *b = *state;
	sqlite3 *sql;

	assert_int_equal(0, opened(b));
	sql = raw(b);
	raw_exec(sql, "PRAGMA user_version = 99");
	(void)sqlite3_close(sql);
	assert_int_equal(-EPROTO, opened(b));
	assert_int_equal(1, bench_logged(b, "schema is version 99"));
	sql = raw(b);
	assert_int_equal(99, raw_number(sql, "PRAGMA user_version"));
	(void)sqlite3_close(sql);
}

static void a_database_of_another_program_is_left_alone(void **state)
{
	struct bench *b = *state;
	sqlite3 *sql = raw(b);
	struct stat st;

	raw_exec(sql, "CREATE TABLE theirs(x)");
	(void)sqlite3_close(sql);
	assert_int_equal(0, chmod(b->file, 0644));
	assert_int_equal(-EINVAL, opened(b));
	assert_int_equal(1, bench_logged(b, "of another program"));
	sql = raw(b);
	assert_int_equal(0, raw_number(sql, "PRAGMA application_id"));
	assert_int_equal(1,
			 raw_number(sql, "SELECT count(*) FROM sqlite_master"));
	(void)sqlite3_close(sql);
	assert_int_equal(0, stat(b->file, &st));
	assert_int_equal(0644, st.st_mode & 07777);
}

/* ---- the file cannot be had ---- */

static void what_cannot_be_opened_is_told_with_its_name(void **state)
{
	struct bench *b = *state;
	char file[96];
	int fd;

	strcpy(file, b->file);
	(void)snprintf(b->file, sizeof(b->file), "%s/none/isthmus.db", b->dir);
	assert_int_equal(-ENOENT, opened(b));
	assert_int_equal(1, bench_logged(b, "No such file or directory"));
	assert_int_equal(1, bench_logged(b, "/none/isthmus.db"));

	strcpy(b->file, "/dev/null");
	assert_int_equal(-EINVAL, opened(b));
	assert_int_equal(1, bench_logged(b, "is no regular file"));

	strcpy(b->file, file);
	fd = open(file, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(9, write(fd, "not a db\n", 9));
	(void)close(fd);
	assert_int_equal(-EIO, opened(b));
	assert_int_equal(1, bench_logged(b, "file is not a database"));
}

static void one_daemon_has_it_at_a_time(void **state)
{
	struct bench *b = *state;

	bench_open(b);
	assert_int_equal(-EBUSY, opened(b));
	assert_int_equal(1, bench_logged(b, "another isthmus uses it"));
	assert_int_equal(0, bench_key(b, GW_ST_POOL_LIST, "", 0));
}

/* Runs @what in a process of its own, which may give up being root or mount
 * something; its exit status. */
static int in_child(struct bench *b, int (*what)(struct bench *b))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(what(b));
	assert_int_equal(pid, waitpid(pid, &status, 0));
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_as_nobody(struct bench *b)
{
	if (!geteuid() && (setgid(65534) || setuid(65534)))
		return 100;
	return -opened(b);
}

static void a_file_that_we_may_not_write_is_told(void **state)
{
	struct bench *b = *state;

	assert_int_equal(0, opened(b));
	assert_int_equal(0, chmod(b->file, 0400));
	assert_int_equal(EACCES, in_child(b, open_as_nobody));
	assert_int_equal(1, bench_logged(b, "Permission denied"));
}

/* ---- faults while it runs ---- */

static void two_subscribers(struct bench *b)
{
	struct gw_store_cmd cmd = bench_subscriber(ALICE);

	assert_int_equal(0, bench_do(b, &cmd));
	cmd = bench_subscriber(BOB);
	assert_int_equal(0, bench_do(b, &cmd));
}

/* The disk says @err to each write. */
static void disk_fails(struct bench *b, int err, int expected,
		       const char *reason, const char *said)
{
	struct gw_store_cmd cmd = bench_reg("key", ALICE);
	long long before = errors(reason);

	bench_open(b);
	two_subscribers(b);
	atomic_store(&bench_fail, err);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(expected, bench_do(b, &cmd));
	assert_int_equal(0, bench_key(b, GW_ST_SUBSCRIBER_GET, ALICE, 0));
	assert_true(gw_store_is_fault(expected));
	assert_int_equal(5, errors(reason) - before);
	assert_int_equal(1, bench_logged(b, said));
	atomic_store(&bench_fail, 0);
	assert_int_equal(0, bench_do(b, &cmd));
	assert_int_equal(1, bench_logged(b, "works again; 5 commands"));
	assert_int_equal(0, bench_key(b, GW_ST_REG_LIST, "", 0));
	assert_int_equal(1, got.n);
}

static void a_full_disk_fails_writes_and_not_reads(void **state)
{
	disk_fails(*state, ENOSPC, -ENOSPC, "full", "the disk is full");
}

static void a_quota_is_a_full_disk_too(void **state)
{
	disk_fails(*state, EDQUOT, -ENOSPC, "full", "the disk is full");
}

static void a_disk_that_became_read_only_is_told(void **state)
{
	disk_fails(*state, EROFS, -EROFS, "readonly", "cannot be written");
}

static void a_broken_disk_is_told(void **state)
{
	disk_fails(*state, EIO, -EIO, "io", "the disk fails");
}

/* In a file system of 200 kB of its own. */
static int fill_disk(struct bench *b)
{
	struct gw_store_cmd cmd;
	unsigned n = 0, kept = 0;
	char key[24];
	int err;

	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("store", b->dir, "tmpfs", 0, "size=200k"))
		return 77;
	bench_open(b);
	do {
		(void)snprintf(key, sizeof(key), "k%u", n++);
		cmd = bench_reg(key, ALICE);
		memset(cmd.reg.service_route, 'r', 500);
		err = bench_do(b, &cmd);
	} while (!err && n < 2000);
	assert_int_equal(-ENOSPC, err);
	assert_int_equal(-ENOSPC, bench_do(b, &cmd));
	key[0] = '\0';
	do {
		assert_int_equal(0, bench_key(b, GW_ST_REG_LIST, key, 0));
		kept += (unsigned)got.n;
		if (got.n)
			strcpy(key, got.reg[got.n - 1].key);
	} while (got.n == GW_STORE_PAGE);
	assert_int_equal(n - 1, kept);
	/* Room again. */
	if (mount("store", b->dir, "tmpfs", MS_REMOUNT, "size=2m"))
		return 78;
	assert_int_equal(0, bench_do(b, &cmd));
	bench_close(b);
	return n > 10 ? 0 : 79;
}

static void a_really_full_disk_loses_nothing(void **state)
{
	int status = in_child(*state, fill_disk);

	if (status == 77) {
		print_message("no right to mount: not tried\n");
		skip();
	}
	assert_int_equal(0, status);
}

/*
 * Another process, which takes the write lock when told, and lets it go when
 * told.  It is made before this one has a store: a child gets only one of the
 * threads, and all of their locks.
 */
struct locker {
	pid_t pid;
	int tell, hear;
};

static int hold_lock(struct bench *b, int hear, int tell)
{
	sqlite3 *sql;
	char c;

	if (read(hear, &c, 1) != 1 || sqlite3_open(b->file, &sql) ||
	    sqlite3_exec(sql, "BEGIN IMMEDIATE", NULL, NULL, NULL))
		return 1;
	if (write(tell, "r", 1) != 1)
		return 2;
	(void)!read(hear, &c, 1);
	return 0;
}

static struct locker locker_new(struct bench *b)
{
	struct locker l;
	int down[2], up[2];

	assert_int_equal(0, pipe(down));
	assert_int_equal(0, pipe(up));
	l.pid = fork();
	assert_true(l.pid >= 0);
	if (!l.pid) {
		(void)close(down[1]);
		(void)close(up[0]);
		_exit(hold_lock(b, down[0], up[1]));
	}
	(void)close(down[0]);
	(void)close(up[1]);
	l.tell = down[1];
	l.hear = up[0];
	return l;
}

static void lock_outside(struct locker *l)
{
	char c;

	assert_int_equal(1, write(l->tell, "x", 1));
	assert_int_equal(1, read(l->hear, &c, 1));
}

static void unlock_outside(struct locker *l)
{
	int status;

	assert_int_equal(1, write(l->tell, "x", 1));
	assert_int_equal(l->pid, waitpid(l->pid, &status, 0));
	assert_int_equal(0, status);
	(void)close(l->tell);
	(void)close(l->hear);
}

static void a_store_that_is_locked_is_not_opened(void **state)
{
	struct bench *b = *state;
	struct locker l;

	assert_int_equal(0, opened(b));
	l = locker_new(b);
	lock_outside(&l);
	assert_int_equal(-ETIMEDOUT, opened(b));
	assert_int_equal(1, bench_logged(b, "database is locked"));
	unlock_outside(&l);
	assert_int_equal(0, opened(b));
}

static void done(const struct gw_store_answer *a, void *arg)
{
	*(int *)arg = a->error;
}

static void a_lock_that_ends_in_time_is_only_waited_for(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd cmd = bench_reg("key", ALICE);
	long long before = errors("locked");
	struct locker l;
	int err = 1;

	b->lock_ms = 30000;
	l = locker_new(b);
	bench_open(b);
	lock_outside(&l);
	assert_int_equal(0, gw_store_do(NULL, b->store, &cmd, done, &err));
	for (unsigned i = 0; i < 10; i++)
		gw_loop_step(b->loop, 10);
	assert_int_equal(1, err); /* and the loop goes on meanwhile */
	unlock_outside(&l);
	for (unsigned i = 0; i < 3000 && err == 1; i++)
		gw_loop_step(b->loop, 10);
	assert_int_equal(0, err);
	assert_int_equal(before, errors("locked"));
}

static void a_lock_that_lasts_is_told_and_not_waited_for_again(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd cmd = bench_reg("key", ALICE);
	long long before = errors("locked");
	struct locker l;
	uint64_t began;

	b->lock_ms = 3000;
	l = locker_new(b);
	bench_open(b);
	lock_outside(&l);
	began = gw_clock_monotonic_us(NULL);
	assert_int_equal(-ETIMEDOUT, bench_do(b, &cmd));
	assert_true(gw_clock_monotonic_us(NULL) - began >= 2900000);
	began = gw_clock_monotonic_us(NULL);
	assert_int_equal(-ETIMEDOUT, bench_do(b, &cmd));
	assert_true(gw_clock_monotonic_us(NULL) - began < 2900000);
	assert_int_equal(0, bench_key(b, GW_ST_REG_LIST, "", 0));
	assert_int_equal(0, got.n);
	assert_int_equal(2, errors("locked") - before);
	assert_int_equal(1, bench_logged(b, "another process has it locked"));
	unlock_outside(&l);
	assert_int_equal(0, bench_do(b, &cmd));
	assert_int_equal(1, bench_logged(b, "works again; 2 commands"));
}

/* With a lock that nobody ends, and a full queue. */
static void the_end_does_not_wait_for_a_lock(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd cmd = bench_reg("key", ALICE);
	struct locker l;
	uint64_t began;

	b->lock_ms = 60000;
	l = locker_new(b);
	bench_open(b);
	lock_outside(&l);
	for (unsigned i = 0; i < GW_STORE_QUEUE; i++)
		assert_int_equal(0,
				 gw_store_do(NULL, b->store, &cmd, NULL, NULL));
	for (unsigned i = 0; i < 5; i++)
		gw_loop_step(b->loop, 10);
	began = gw_clock_monotonic_us(NULL);
	bench_close(b);
	assert_true(gw_clock_monotonic_us(NULL) - began < 10000000);
	unlock_outside(&l);
	bench_open(b);
	assert_int_equal(0, bench_do(b, &cmd));
}

static void damage_fails_what_it_hit_and_nothing_else(void **state)
{
	struct bench *b = *state;
	long long before = errors("corrupt");
	unsigned good = 0, bad = 0;
	char name[40];
	struct stat st;
	int fd;

	bench_open(b);
	for (unsigned i = 0; i < 400; i++) {
		struct gw_store_cmd cmd;

		(void)snprintf(name, sizeof(name), "sip:n%03u@x", i);
		cmd = bench_subscriber(name);
		memset(cmd.subscriber.name, 'n', 60);
		assert_int_equal(0,
				 gw_store_do(NULL, b->store, &cmd, NULL, NULL));
	}
	bench_close(b);
	assert_int_equal(0, stat(b->file, &st));
	assert_true(st.st_size > 12 * 4096);
	fd = open(b->file, O_WRONLY);
	assert_true(fd >= 0);
	/* The last pages are leaves. */
	for (off_t at = st.st_size - 3 * 4096; at < st.st_size; at += 8)
		assert_int_equal(8, pwrite(fd,
					   "\xff\xff\xff\xff\xff\xff\xff"
					   "\xff",
					   8, at));
	(void)close(fd);

	bench_open(b);
	for (unsigned i = 0; i < 400; i++) {
		int err;

		(void)snprintf(name, sizeof(name), "sip:n%03u@x", i);
		err = bench_key(b, GW_ST_SUBSCRIBER_GET, name, 0);
		good += !err;
		bad += err == -EIO;
		assert_true(!err || err == -EIO);
	}
	assert_true(good > 200 && bad > 0);
	assert_int_equal(bad, errors("corrupt") - before);
	assert_int_equal(1, bench_logged(b, "the file is damaged"));
	for (unsigned i = 0; i < 3; i++) {
		struct gw_store_cmd cmd = bench_reg("key", ALICE);

		assert_int_equal(0, bench_do(b, &cmd));
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_older_schema_is_brought_up_to_date),
		T(a_step_that_fails_leaves_the_version_before),
		T(a_newer_schema_is_refused),
		T(a_database_of_another_program_is_left_alone),
		T(what_cannot_be_opened_is_told_with_its_name),
		T(one_daemon_has_it_at_a_time),
		T(a_file_that_we_may_not_write_is_told),
		T(a_full_disk_fails_writes_and_not_reads),
		T(a_quota_is_a_full_disk_too),
		T(a_disk_that_became_read_only_is_told),
		T(a_broken_disk_is_told),
		T(a_really_full_disk_loses_nothing),
		T(a_store_that_is_locked_is_not_opened),
		T(a_lock_that_ends_in_time_is_only_waited_for),
		T(a_lock_that_lasts_is_told_and_not_waited_for_again),
		T(the_end_does_not_wait_for_a_lock),
		T(damage_fails_what_it_hit_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
