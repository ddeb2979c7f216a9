/*
 * Each command of the store, their order, how many syncs they cost, and what
 * a kill -9 leaves.
 */
#include "store_bench.h"

#include <signal.h>
#include <sys/wait.h>

#define ALICE "sip:alice@example.org"
#define BOB   "sip:bob@example.org"

static int setup(void **state)
{
	struct bench *b = bench_new();

	bench_open(b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

static void reopen(struct bench *b)
{
	bench_close(b);
	bench_open(b);
}

/* ---- subscribers ---- */

static struct gw_store_cmd alice(void)
{
	struct gw_store_cmd cmd = bench_subscriber(ALICE);
	struct gw_subscriber *s = &cmd.subscriber;

	strcpy(s->subject, "user-4711");
	strcpy(s->password, "$y$j9T$salt$hash");
	strcpy(s->name, "Alice 'O\"; DROP TABLE");
	s->enrol = GW_ENROL_HELD;
	strcpy(s->impi, "alice@ims.example.org");
	strcpy(s->impu[0], "sip:alice@ims.example.org");
	strcpy(s->impu[1], "tel:+15551000");
	s->nimpu = 2;
	s->secret.aka = true;
	s->secret.opc = true;
	memset(s->secret.k, 0x5b, sizeof(s->secret.k));
	memset(s->secret.op, 0x00, sizeof(s->secret.op));
	s->secret.amf[0] = 0x80;
	s->secret.sqn[5] = 0x20;
	return cmd;
}

static void a_subscriber_comes_back_as_it_was_put(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd cmd = alice();

	assert_int_equal(0, bench_do(b, &cmd));
	reopen(b);
	assert_int_equal(0, bench_key(b, GW_ST_SUBSCRIBER_GET, ALICE, 0));
	assert_int_equal(1, got.n);
	assert_memory_equal(&cmd.subscriber, &got.subscriber[0],
			    sizeof(cmd.subscriber));
	assert_int_equal(-ENOENT, bench_key(b, GW_ST_SUBSCRIBER_GET, BOB, 0));
	assert_int_equal(0, got.n);
	/* Names are names: no pattern, no other case. */
	assert_int_equal(-ENOENT, bench_key(b, GW_ST_SUBSCRIBER_GET, "%", 0));
	assert_int_equal(-ENOENT, bench_key(b, GW_ST_SUBSCRIBER_GET, "", 0));
}

static void a_subject_finds_its_subscriber_and_an_id_does_not(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd cmd = alice(),
			    by = { .verb = GW_ST_SUBSCRIBER_GET, .flag = true };

	assert_int_equal(0, bench_do(b, &cmd));
	strcpy(by.key, "user-4711");
	assert_int_equal(0, bench_do(b, &by));
	assert_string_equal(ALICE, got.subscriber[0].id);
	strcpy(by.key, ALICE);
	assert_int_equal(-ENOENT, bench_do(b, &by));
	by.key[0] = '\0';
	assert_int_equal(-ENOENT, bench_do(b, &by));
	assert_int_equal(-ENOENT,
			 bench_key(b, GW_ST_SUBSCRIBER_GET, "user-4711", 0));
}

static void what_exists_is_replaced_only_when_told(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd cmd = alice();

	assert_int_equal(0, bench_do(b, &cmd));
	strcpy(cmd.subscriber.name, "Other");
	cmd.subscriber.nimpu = 1;
	assert_int_equal(-EEXIST, bench_do(b, &cmd));
	cmd.flag = true;
	assert_int_equal(0, bench_do(b, &cmd));
	assert_int_equal(0, bench_key(b, GW_ST_SUBSCRIBER_GET, ALICE, 0));
	assert_string_equal("Other", got.subscriber[0].name);
	assert_int_equal(1, got.subscriber[0].nimpu);
}

static void no_two_subscribers_share_an_identity(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd cmd = alice(), other = bench_subscriber(BOB);

	assert_int_equal(0, bench_do(b, &cmd));
	strcpy(other.subscriber.subject, "user-4711");
	assert_int_equal(-EEXIST, bench_do(b, &other));
	strcpy(other.subscriber.subject, ALICE);
	assert_int_equal(-EEXIST, bench_do(b, &other));
	other.subscriber.subject[0] = '\0';
	other.subscriber.nimpu = 2;
	strcpy(other.subscriber.impu[0], "sip:bob@ims.example.org");
	strcpy(other.subscriber.impu[1], "tel:+15551000");
	assert_int_equal(-EEXIST, bench_do(b, &other));
	strcpy(other.subscriber.impu[1], ALICE);
	assert_int_equal(-EEXIST, bench_do(b, &other));
	strcpy(other.subscriber.impu[1], "sip:bob@ims.example.org");
	assert_int_equal(-EINVAL, bench_do(b, &other));
	/* Nothing is left of what was refused half-way. */
	assert_int_equal(-ENOENT, bench_key(b, GW_ST_SUBSCRIBER_GET, BOB, 0));
	other.subscriber.nimpu = 1;
	assert_int_equal(0, bench_do(b, &other));
	/* An id that is an identity of another. */
	other = bench_subscriber("tel:+15551000");
	assert_int_equal(-EEXIST, bench_do(b, &other));
	other = bench_subscriber("user-4711");
	assert_int_equal(-EEXIST, bench_do(b, &other));
	/* One's own id may be one's identity. */
	other = bench_subscriber("sip:carol@example.org");
	other.subscriber.nimpu = 1;
	strcpy(other.subscriber.impu[0], "sip:carol@example.org");
	assert_int_equal(0, bench_do(b, &other));
}

static void a_password_is_changed_alone(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd cmd = alice();

	assert_int_equal(0, bench_do(b, &cmd));
	cmd.verb = GW_ST_SUBSCRIBER_PASSWD;
	strcpy(cmd.subscriber.password, "$y$j9T$other$hash");
	strcpy(cmd.subscriber.name, "not this");
	assert_int_equal(0, bench_do(b, &cmd));
	assert_int_equal(0, bench_key(b, GW_ST_SUBSCRIBER_GET, ALICE, 0));
	assert_string_equal("$y$j9T$other$hash", got.subscriber[0].password);
	assert_string_equal("Alice 'O\"; DROP TABLE", got.subscriber[0].name);
	strcpy(cmd.subscriber.id, BOB);
	assert_int_equal(-ENOENT, bench_do(b, &cmd));
}

static void a_deleted_subscriber_leaves_nothing(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd cmd = alice();

	assert_int_equal(0, bench_do(b, &cmd));
	assert_int_equal(0, bench_key(b, GW_ST_SUBSCRIBER_DELETE, ALICE, 0));
	assert_int_equal(-ENOENT,
			 bench_key(b, GW_ST_SUBSCRIBER_DELETE, ALICE, 0));
	assert_int_equal(-ENOENT, bench_key(b, GW_ST_SUBSCRIBER_GET, ALICE, 0));
	/* Its identities are free. */
	strcpy(cmd.subscriber.id, BOB);
	memset(cmd.subscriber.secret.sqn, 0, 6);
	assert_int_equal(0, bench_do(b, &cmd));
	assert_int_equal(0, bench_key(b, GW_ST_SUBSCRIBER_GET, BOB, 0));
	assert_int_equal(0, got.subscriber[0].secret.sqn[5]);
}

static void a_list_comes_in_pages_and_in_order(void **state)
{
	struct bench *b = *state;
	unsigned total = 0;
	char after[128] = "";

	for (unsigned i = 0; i < 2 * GW_STORE_PAGE + 3; i++) {
		char id[64];
		struct gw_store_cmd cmd;

		(void)snprintf(id, sizeof(id), "sip:n%03u@example.org",
			       (i * 37) % (2 * GW_STORE_PAGE + 3));
		cmd = bench_subscriber(id);
		assert_int_equal(0,
				 gw_store_do(NULL, b->store, &cmd, NULL, NULL));
	}
	do {
		assert_int_equal(0,
				 bench_key(b, GW_ST_SUBSCRIBER_LIST, after, 0));
		for (size_t i = 0; i < got.n; i++) {
			assert_true(strcmp(after, got.subscriber[i].id) < 0);
			strcpy(after, got.subscriber[i].id);
			total++;
		}
	} while (got.n == GW_STORE_PAGE);
	assert_int_equal(2 * GW_STORE_PAGE + 3, total);
}

static void a_sequence_number_never_goes_back(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd cmd = alice();
	static const uint8_t expected[6] = { 0x12, 0x34, 0, 0, 0, 0x56 };

	assert_int_equal(0, bench_do(b, &cmd));
	assert_int_equal(0, bench_key(b, GW_ST_SQN_PUT, cmd.subscriber.impi,
				      0x123400000056));
	assert_int_equal(0,
			 bench_key(b, GW_ST_SQN_PUT, cmd.subscriber.impi, 7));
	/* Not by provisioning the same key again either. */
	cmd.flag = true;
	assert_int_equal(0, bench_do(b, &cmd));
	assert_int_equal(0, bench_key(b, GW_ST_SUBSCRIBER_GET, ALICE, 0));
	assert_memory_equal(expected, got.subscriber[0].secret.sqn, 6);
	/* Another key counts anew. */
	cmd.subscriber.secret.k[3] ^= 1;
	assert_int_equal(0, bench_do(b, &cmd));
	assert_int_equal(0, bench_key(b, GW_ST_SUBSCRIBER_GET, ALICE, 0));
	assert_int_equal(0x20, got.subscriber[0].secret.sqn[5]);
	assert_int_equal(0, got.subscriber[0].secret.sqn[0]);
	assert_int_equal(-EINVAL, bench_key(b, GW_ST_SQN_PUT, "x", -1));
	assert_int_equal(-EINVAL, bench_key(b, GW_ST_SQN_PUT, "x", 1ll << 48));
	assert_int_equal(-EINVAL, bench_key(b, GW_ST_SQN_PUT, "", 1));
}

/* ---- the pool ---- */

static void put_pool(struct bench *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char impi[32], impu[32];
		struct gw_store_cmd cmd;

		(void)snprintf(impi, sizeof(impi), "p%u@example.org", i);
		(void)snprintf(impu, sizeof(impu), "sip:p%u@example.org", i);
		cmd = bench_pool(impi, impu);
		assert_int_equal(0, bench_do(b, &cmd));
	}
}

static void a_lease_is_the_same_for_the_same_holder(void **state)
{
	struct bench *b = *state;
	struct gw_pool_entry first;
	char longest[sizeof(first.holder)];

	put_pool(b, 2);
	assert_int_equal(0, bench_key(b, GW_ST_POOL_LEASE, "h1", 0));
	first = got.pool[0];
	assert_int_equal(GW_POOL_LEASED, first.state);
	assert_string_equal("h1", first.holder);
	assert_int_equal(0, bench_key(b, GW_ST_POOL_LEASE, "h1", 0));
	assert_string_equal(first.impi, got.pool[0].impi);
	assert_int_equal(0, bench_key(b, GW_ST_POOL_LEASE, "h2", 0));
	assert_string_not_equal(first.impi, got.pool[0].impi);
	assert_int_equal(-ENODATA, bench_key(b, GW_ST_POOL_LEASE, "h3", 0));
	/* Also when it is opened again. */
	reopen(b);
	assert_int_equal(0, bench_key(b, GW_ST_POOL_LEASE, "h1", 0));
	assert_memory_equal(&first, &got.pool[0], sizeof(first));
	assert_int_equal(-ENODATA, bench_key(b, GW_ST_POOL_LEASE, "h3", 0));
	assert_int_equal(-EINVAL, bench_key(b, GW_ST_POOL_LEASE, "", 0));
	/* A holder is as long as a WebRTC ID may be. */
	memset(longest, 'h', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(0, bench_key(b, GW_ST_POOL_RELEASE, "h1", 0));
	assert_int_equal(0, bench_key(b, GW_ST_POOL_LEASE, longest, 0));
	assert_string_equal(longest, got.pool[0].holder);
}

static void a_released_entry_cools_before_it_is_leased_again(void **state)
{
	struct bench *b = *state;
	uint64_t until = gw_clock_monotonic_us(NULL) + 20000000;
	int err;

	put_pool(b, 1);
	assert_int_equal(0, bench_key(b, GW_ST_POOL_LEASE, "h1", 0));
	assert_int_equal(0, bench_key(b, GW_ST_POOL_RELEASE, "h1", 2));
	assert_int_equal(-ENOENT, bench_key(b, GW_ST_POOL_RELEASE, "h1", 2));
	assert_int_equal(0, bench_key(b, GW_ST_POOL_LIST, "", 0));
	assert_int_equal(GW_POOL_COOLING, got.pool[0].state);
	assert_true(got.pool[0].until_s >= gw_clock_wall_s());
	assert_int_equal(-ENODATA, bench_key(b, GW_ST_POOL_LEASE, "h1", 0));
	while ((err = bench_key(b, GW_ST_POOL_LEASE, "h2", 0)) == -ENODATA &&
	       gw_clock_monotonic_us(NULL) < until)
		gw_loop_step(b->loop, 10);
	assert_int_equal(0, err);
	assert_int_equal(-EINVAL, bench_key(b, GW_ST_POOL_RELEASE, "h2", -1));
}

static void the_entry_that_is_free_for_longest_is_leased(void **state)
{
	struct bench *b = *state;
	char order[4][128];

	put_pool(b, 4);
	for (unsigned i = 0; i < 4; i++) {
		char h[8];

		(void)snprintf(h, sizeof(h), "h%u", i);
		assert_int_equal(0, bench_key(b, GW_ST_POOL_LEASE, h, 0));
		strcpy(order[i], got.pool[0].impi);
	}
	/* Milliseconds apart, as the store counts. */
	for (unsigned i = 4; i-- > 0;) {
		char h[8];

		(void)snprintf(h, sizeof(h), "h%u", i);
		assert_int_equal(0, bench_key(b, GW_ST_POOL_RELEASE, h, 0));
		(void)usleep(3000);
	}
	for (unsigned i = 4; i-- > 0;) {
		char h[8];

		(void)snprintf(h, sizeof(h), "k%u", i);
		assert_int_equal(0, bench_key(b, GW_ST_POOL_LEASE, h, 0));
		assert_string_equal(order[i], got.pool[0].impi);
	}
}

static void a_leased_entry_is_neither_deleted_nor_changed(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd cmd = bench_pool("p0@example.org", "sip:x@y");

	put_pool(b, 2);
	assert_int_equal(-EEXIST, bench_do(b, &cmd));
	cmd.flag = true;
	assert_int_equal(0, bench_do(b, &cmd));
	/* p1's */
	strcpy(cmd.pool.impu, "sip:p1@example.org");
	assert_int_equal(-EEXIST, bench_do(b, &cmd));
	assert_int_equal(0, bench_key(b, GW_ST_POOL_LEASE, "h1", 0));
	strcpy(cmd.pool.impi, got.pool[0].impi);
	strcpy(cmd.pool.impu, "sip:z@y");
	assert_int_equal(-EBUSY, bench_do(b, &cmd));
	assert_int_equal(-EBUSY,
			 bench_key(b, GW_ST_POOL_DELETE, cmd.pool.impi, 0));
	assert_int_equal(0, bench_key(b, GW_ST_POOL_RELEASE, "h1", 60));
	assert_int_equal(0, bench_key(b, GW_ST_POOL_DELETE, cmd.pool.impi, 0));
	assert_int_equal(-ENOENT,
			 bench_key(b, GW_ST_POOL_DELETE, cmd.pool.impi, 0));
	cmd.pool.impu[0] = '\0';
	assert_int_equal(-EINVAL, bench_do(b, &cmd));
}

/* ---- registrations ---- */

static void a_registration_comes_back_as_it_was_put(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd cmd = bench_reg("k1", ALICE);
	struct gw_stored_reg *r = &cmd.reg;

	for (unsigned i = 0; i < 32; i++)
		r->credential_sha256[i] = (uint8_t)(i * 9);
	r->expires_s = 1800000000;
	r->lost_s = 1700000000;
	r->ttl_s = UINT32_MAX;
	r->enrol = GW_ENROL_POOL;
	r->nimpu = GW_STORE_IMPUS;
	for (unsigned i = 0; i < GW_STORE_IMPUS; i++)
		(void)snprintf(r->impu[i], sizeof(r->impu[i]), "sip:%0120u", i);
	strcpy(r->impi, "alice@example.org");
	strcpy(r->contact, "c0ntact");
	strcpy(r->call_id, "abc@def");
	r->cseq = 4000000000;
	memset(r->service_route, 'r', sizeof(r->service_route) - 1);
	r->core_expires_s = -1;
	strcpy(r->name, "Alice");
	strcpy(r->peer, "2001:db8::9");
	r->configured = true;
	assert_int_equal(0, bench_do(b, &cmd));
	reopen(b);
	assert_int_equal(0, bench_key(b, GW_ST_REG_LIST, "", 0));
	assert_int_equal(1, got.n);
	assert_memory_equal(r, &got.reg[0], sizeof(*r));
	/* The one with that key. */
	r->cseq++;
	assert_int_equal(0, bench_do(b, &cmd));
	assert_int_equal(0, bench_key(b, GW_ST_REG_LIST, "", 0));
	assert_int_equal(1, got.n);
	assert_int_equal(r->cseq, got.reg[0].cseq);
	assert_int_equal(0, bench_key(b, GW_ST_REG_LIST, "k1", 0));
	assert_int_equal(0, got.n);
	assert_int_equal(0, bench_key(b, GW_ST_REG_DELETE, "k1", 0));
	assert_int_equal(-ENOENT, bench_key(b, GW_ST_REG_DELETE, "k1", 0));
	r->key[0] = '\0';
	assert_int_equal(-EINVAL, bench_do(b, &cmd));
}

static void all_registrations_are_forgotten_at_once(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd all = { .verb = GW_ST_REG_DELETE, .flag = true };

	for (unsigned i = 0; i < GW_STORE_PAGE + 3; i++) {
		struct gw_store_cmd cmd = bench_reg("", ALICE);

		(void)snprintf(cmd.reg.key, sizeof(cmd.reg.key), "k%03u", i);
		assert_int_equal(0, bench_do(b, &cmd));
	}
	assert_int_equal(0, bench_key(b, GW_ST_REG_LIST, "", 0));
	assert_int_equal(GW_STORE_PAGE, got.n);
	assert_int_equal(0, bench_do(b, &all));
	reopen(b);
	assert_int_equal(0, bench_key(b, GW_ST_REG_LIST, "", 0));
	assert_int_equal(0, got.n);
	/* Nothing to forget is no failure. */
	assert_int_equal(0, bench_do(b, &all));
}

/* ---- queue ---- */

struct seen {
	unsigned n, next;
	unsigned unsynced;
	unsigned failed;
};
static struct seen seen;

static void in_order(const struct gw_store_answer *a, void *arg)
{
	seen.unsynced += atomic_load(&bench_unsynced);
	seen.failed += a->error != 0;
	assert_int_equal(seen.next++, (unsigned)(uintptr_t)arg);
	seen.n++;
}

static void a_storm_costs_few_syncs_and_is_answered_in_order(void **state)
{
	struct bench *b = *state;
	unsigned before = atomic_load(&bench_syncs), syncs;
	long long commits = metric("isthmus_store_commits_total");

	/* Time to wait for each other. */
	atomic_store(&bench_sync_us, 20000);
	seen = (struct seen){ 0 };
	for (unsigned i = 0; i < 1000; i++) {
		char key[24];
		struct gw_store_cmd cmd;

		(void)snprintf(key, sizeof(key), "key%u", i);
		cmd = bench_reg(key, ALICE);
		assert_int_equal(0, gw_store_do(NULL, b->store, &cmd, in_order,
						(void *)(uintptr_t)i));
	}
	while (seen.n < 1000)
		gw_loop_step(b->loop, 10);
	syncs = atomic_load(&bench_syncs) - before;
	commits = metric("isthmus_store_commits_total") - commits;
	assert_int_equal(0, seen.failed);
	assert_true(commits >= 4 && commits <= 40);
	assert_true(syncs >= (unsigned)commits && syncs <= 60);
	print_message("1000 commands: %lld commits, %u syncs\n", commits,
		      syncs);
}

static void an_answer_waits_for_the_sync(void **state)
{
	struct bench *b = *state;

	/* One at a time: nothing else is on its way at the answer. */
	for (unsigned i = 0; i < 50; i++) {
		char key[24];
		struct gw_store_cmd cmd;
		unsigned before = atomic_load(&bench_writes);

		(void)snprintf(key, sizeof(key), "key%u", i);
		cmd = bench_reg(key, ALICE);
		assert_int_equal(0, bench_do(b, &cmd));
		assert_int_equal(0, got.unsynced);
		assert_true(atomic_load(&bench_writes) > before);
	}
}

static void a_refused_command_takes_no_other_along(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd twice = bench_subscriber(ALICE);
	struct gw_store_cmd other = bench_subscriber(BOB);

	/* One batch, most likely: they are given before any answer. */
	assert_int_equal(0, gw_store_do(NULL, b->store, &twice, NULL, NULL));
	assert_int_equal(0, gw_store_do(NULL, b->store, &other, NULL, NULL));
	assert_int_equal(-EEXIST, bench_do(b, &twice));
	assert_int_equal(0, bench_key(b, GW_ST_SUBSCRIBER_GET, ALICE, 0));
	assert_int_equal(0, bench_key(b, GW_ST_SUBSCRIBER_GET, BOB, 0));
}

static void must_not_run(const struct gw_store_answer *a, void *arg)
{
	(void)a;
	(void)arg;
	fail_msg("a handler ran");
}

static void a_cancelled_command_is_performed_all_the_same(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd cmd = bench_subscriber(ALICE);
	struct gw_store_req *req;

	assert_int_equal(0,
			 gw_store_do(&req, b->store, &cmd, must_not_run, NULL));
	gw_store_cancel(req);
	gw_store_cancel(NULL);
	assert_int_equal(0, bench_key(b, GW_ST_SUBSCRIBER_GET, ALICE, 0));
}

static void what_waits_at_the_close_is_performed(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i < 300; i++) {
		char key[24];
		struct gw_store_cmd cmd;

		(void)snprintf(key, sizeof(key), "key%u", i);
		cmd = bench_reg(key, ALICE);
		assert_int_equal(0, gw_store_do(NULL, b->store, &cmd,
						must_not_run, NULL));
	}
	reopen(b);
	for (unsigned i = 0; i < 300; i++) {
		char key[24];

		(void)snprintf(key, sizeof(key), "key%u", i);
		assert_int_equal(0, bench_key(b, GW_ST_REG_DELETE, key, 0));
	}
}

static void closes(const struct gw_store_answer *a, void *arg)
{
	struct bench *b = arg;

	assert_int_equal(0, a->error);
	gw_store_close(b->store);
	b->store = NULL;
}

static void a_handler_may_close_the_store(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd cmd = bench_subscriber(ALICE);

	assert_int_equal(0, gw_store_do(NULL, b->store, &cmd, closes, b));
	cmd = bench_subscriber(BOB);
	assert_int_equal(0,
			 gw_store_do(NULL, b->store, &cmd, must_not_run, NULL));
	while (b->store)
		gw_loop_step(b->loop, 10);
	assert_int_equal(0, gw_store_open(&b->store, b->loop, b->file, 200));
	assert_int_equal(0, bench_key(b, GW_ST_SUBSCRIBER_GET, BOB, 0));
}

static void counted(const struct gw_store_answer *a, void *arg)
{
	assert_int_equal(0, a->error);
	++*(unsigned *)arg;
}

static void more_than_may_wait_are_refused_at_once(void **state)
{
	struct bench *b = *state;
	struct gw_store_cmd cmd = bench_reg("k", ALICE);
	unsigned taken = 0, answers = 0;
	int err;

	while (!(err = gw_store_do(NULL, b->store, &cmd, counted, &answers)))
		taken++;
	assert_int_equal(-EAGAIN, err);
	assert_int_equal(GW_STORE_QUEUE, taken);
	assert_int_equal(-EAGAIN,
			 gw_store_do(NULL, b->store, &cmd, counted, &answers));
	assert_int_equal(1, bench_logged(b, "the next are refused"));
	assert_int_equal(GW_STORE_QUEUE, metric("isthmus_store_queue"));
	while (answers < taken)
		gw_loop_step(b->loop, 10);
	assert_int_equal(0, metric("isthmus_store_queue"));
	assert_int_equal(1, bench_logged(b, "takes commands again"));
	assert_int_equal(0, bench_do(b, &cmd));
}

static void nothing_secret_is_logged_and_the_files_are_ours_alone(void **state)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	struct bench *b = *state;
	struct gw_store_cmd cmd = alice();
	struct stat st;

	assert_int_equal(0, bench_do(b, &cmd));
	for (unsigned i = 0; i < 3; i++) {
		char name[128];

		(void)snprintf(name, sizeof(name), "%s%s", b->file,
			       suffixes[i]);
		assert_int_equal(0, stat(name, &st));
		assert_int_equal(0600, st.st_mode & 07777);
	}
	assert_int_equal(0, bench_logged(b, "$y$"));
	assert_int_equal(0, bench_logged(b, "alice"));
	/* A file that others could read is closed to them. */
	bench_close(b);
	assert_int_equal(0, chmod(b->file, 0644));
	bench_open(b);
	assert_int_equal(0, stat(b->file, &st));
	assert_int_equal(0600, st.st_mode & 07777);
}

/* ---- kill -9 ---- */

#define POOL   24
#define ROUNDS 40

enum kind { K_PUT, K_LEASED, K_RELEASING, K_RELEASED, K_REG };

struct report {
	enum kind kind;
	unsigned number;
	char impi[40];
};

struct child {
	struct bench *b;
	int pipe;
	unsigned next; /* the next number */
	unsigned live; /* commands that wait */
};

static void report(struct child *c, enum kind kind, unsigned number,
		   const char *impi)
{
	struct report r = { .kind = kind, .number = number };

	(void)snprintf(r.impi, sizeof(r.impi), "%s", impi);
	if (write(c->pipe, &r, sizeof(r)) != (ssize_t)sizeof(r))
		_exit(3);
}

struct step {
	struct child *c;
	enum kind kind;
	unsigned number;
};

static void give(struct child *c, enum kind kind, unsigned number);

static void acknowledged(const struct gw_store_answer *a, void *arg)
{
	struct step s = *(struct step *)arg;

	free(arg);
	s.c->live--;
	if (a->error == -ENODATA)
		return;
	if (a->error)
		_exit(4);
	report(s.c, s.kind, s.number,
	       s.kind == K_LEASED ? a->pool[0].impi : "");
	/* Half of the leases are given back soon. */
	if (s.kind == K_LEASED && s.number % 2) {
		report(s.c, K_RELEASING, s.number, "");
		give(s.c, K_RELEASED, s.number);
	}
}

static void give(struct child *c, enum kind kind, unsigned number)
{
	struct gw_store_cmd cmd = { .verb = GW_ST_POOL_LEASE };
	struct step *s = malloc(sizeof(*s));
	char name[20];

	if (!s)
		_exit(5);
	*s = (struct step){ c, kind, number };
	(void)snprintf(name, sizeof(name), "n%u", number);
	if (kind == K_PUT)
		cmd = bench_subscriber(name);
	else if (kind == K_REG)
		cmd = bench_reg(name, ALICE);
	else if (kind == K_RELEASED)
		cmd.verb = GW_ST_POOL_RELEASE;
	if (kind == K_LEASED || kind == K_RELEASED)
		strcpy(cmd.key, name);
	if (gw_store_do(NULL, c->b->store, &cmd, acknowledged, s))
		_exit(6);
	c->live++;
}

/* Writes until it is killed. */
static void child_main(struct bench *b, int fd, unsigned next)
{
	static const enum kind kinds[] = { K_PUT, K_LEASED, K_REG, K_LEASED };
	struct child c = { .b = b, .pipe = fd, .next = next };

	bench_open(b);
	for (;;) {
		while (c.live < 8) {
			give(&c, kinds[c.next % 4], c.next);
			c.next++;
		}
		gw_loop_step(b->loop, 10);
	}
}

#define MOST 200000
static struct {
	bool put, reg;
	bool leased, releasing, released;
	char impi[40];
} known[MOST];

/* Kills the child @us after its first word; what it said is in known. */
static unsigned run_and_kill(struct bench *b, unsigned next, unsigned us)
{
	unsigned last = next, reports = 0;
	struct report r;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(0, pipe(fds));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		(void)close(fds[0]);
		child_main(b, fds[1], next);
		_exit(7);
	}
	(void)close(fds[1]);
	while (read(fds[0], &r, sizeof(r)) == (ssize_t)sizeof(r)) {
		if (!reports++) {
			(void)usleep(us);
			assert_int_equal(0, kill(pid, SIGKILL));
		}
		assert_true(r.number < MOST);
		if (r.number >= last)
			last = r.number + 1;
		known[r.number].put |= r.kind == K_PUT;
		known[r.number].reg |= r.kind == K_REG;
		known[r.number].leased |= r.kind == K_LEASED;
		known[r.number].releasing |= r.kind == K_RELEASING;
		known[r.number].released |= r.kind == K_RELEASED;
		if (r.kind == K_LEASED)
			strcpy(known[r.number].impi, r.impi);
	}
	(void)close(fds[0]);
	assert_int_equal(pid, waitpid(pid, &status, 0));
	assert_true(reports > 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	/* Numbers that were given and not acknowledged are not used again. */
	return last + 16;
}

static unsigned check_pool(struct bench *b)
{
	unsigned nleased = 0;
	char holder[GW_STORE_PAGE][128];
	struct gw_pool_entry pool[GW_STORE_PAGE];
	size_t n;

	assert_int_equal(0, bench_key(b, GW_ST_POOL_LIST, "", 0));
	n = got.n;
	assert_int_equal(POOL, n);
	memcpy(pool, got.pool, sizeof(pool));
	for (size_t i = 0; i < n; i++) {
		unsigned number;

		if (pool[i].state != GW_POOL_LEASED)
			continue;
		for (unsigned k = 0; k < nleased; k++)
			assert_string_not_equal(holder[k], pool[i].holder);
		strcpy(holder[nleased++], pool[i].holder);
		number = (unsigned)strtoul(pool[i].holder + 1, NULL, 10);
		assert_false(known[number].released);
		if (known[number].leased)
			assert_string_equal(known[number].impi, pool[i].impi);
	}
	return nleased;
}

static void check_acknowledged(struct bench *b, unsigned from, unsigned to)
{
	char name[20];

	for (unsigned i = from; i < to; i++) {
		(void)snprintf(name, sizeof(name), "n%u", i);
		if (known[i].put)
			assert_int_equal(
				0, bench_key(b, GW_ST_SUBSCRIBER_GET, name, 0));
		if (known[i].reg)
			assert_int_equal(
				0, bench_key(b, GW_ST_REG_DELETE, name, 0));
		/* A lease that nobody gave back: the same again. */
		if (known[i].leased && !known[i].releasing) {
			assert_int_equal(
				0, bench_key(b, GW_ST_POOL_LEASE, name, 0));
			assert_string_equal(known[i].impi, got.pool[0].impi);
		}
	}
}

/* What the owner of the leases does at its start: none of these holders has a
 * registration that is worth resuming. */
static void reconcile(struct bench *b)
{
	struct gw_pool_entry pool[GW_STORE_PAGE];
	size_t n;

	assert_int_equal(0, bench_key(b, GW_ST_POOL_LIST, "", 0));
	n = got.n;
	memcpy(pool, got.pool, sizeof(pool));
	for (size_t i = 0; i < n; i++) {
		if (pool[i].state == GW_POOL_LEASED)
			assert_int_equal(0, bench_key(b, GW_ST_POOL_RELEASE,
						      pool[i].holder, 0));
	}
}

static void what_was_acknowledged_survives_kill_9(void **state)
{
	struct bench *b = *state;
	unsigned next = 0, leased = 0, from;

	put_pool(b, POOL);
	srand(20261121);
	for (unsigned round = 0; round < ROUNDS; round++) {
		bench_close(b);
		from = next;
		next = run_and_kill(b, next, (unsigned)rand() % 15000);
		bench_open(b);
		leased += check_pool(b);
		check_acknowledged(b, from, next);
		reconcile(b);
	}
	assert_true(leased > 0);
	print_message("%u rounds, %u commands, %u leases outlived a kill\n",
		      ROUNDS, next, leased);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_subscriber_comes_back_as_it_was_put),
		T(a_subject_finds_its_subscriber_and_an_id_does_not),
		T(what_exists_is_replaced_only_when_told),
		T(no_two_subscribers_share_an_identity),
		T(a_password_is_changed_alone),
		T(a_deleted_subscriber_leaves_nothing),
		T(a_list_comes_in_pages_and_in_order),
		T(a_sequence_number_never_goes_back),
		T(a_lease_is_the_same_for_the_same_holder),
		T(a_released_entry_cools_before_it_is_leased_again),
		T(the_entry_that_is_free_for_longest_is_leased),
		T(a_leased_entry_is_neither_deleted_nor_changed),
		T(a_registration_comes_back_as_it_was_put),
		T(all_registrations_are_forgotten_at_once),
		T(a_storm_costs_few_syncs_and_is_answered_in_order),
		T(an_answer_waits_for_the_sync),
		T(a_refused_command_takes_no_other_along),
		T(a_cancelled_command_is_performed_all_the_same),
		T(what_waits_at_the_close_is_performed),
		T(a_handler_may_close_the_store),
		T(more_than_may_wait_are_refused_at_once),
		T(nothing_secret_is_logged_and_the_files_are_ours_alone),
		T(what_was_acknowledged_survives_kill_9),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
