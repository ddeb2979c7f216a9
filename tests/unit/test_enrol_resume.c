/*
 * Registrations in the core that the last run has left: whose binding is taken
 * over with what, what is stored of them when, and what becomes of identities
 * of the pool.  The store is the real one, both neighbours are faked.
 */
#include "store_bench.h"

#include "gateway/enrol.h"
#include "gateway/reg_keep.h"
#include "gateway/registration.h"
#include "gateway/settings.h"
#include "webrtc/registry_map.h"

/* ---- the core ---- */

struct gw_regn {
	bool live;
	struct gw_regn_request req;
	struct gw_regn_state was;
	char impi[128], impu[128], peer[48], password[64];
	gw_regn_h *handler;
	void *arg;
};

static struct gw_regn regn;
static unsigned nended;
static struct gw_regn_state now;

int gw_regn_start(struct gw_regn **out, struct gw_sip *sip,
		  const struct gw_regn_request *req, gw_regn_h *handler,
		  void *arg)
{
	(void)sip;
	assert_false(regn.live);
	memset(&regn, 0, sizeof(regn));
	regn.live = true;
	regn.req = *req;
	if (req->resume)
		regn.was = now = *req->resume;
	(void)snprintf(regn.impi, sizeof(regn.impi), "%s", req->impi);
	(void)snprintf(regn.impu, sizeof(regn.impu), "%s", req->impu);
	if (req->client_addr)
		(void)snprintf(regn.peer, sizeof(regn.peer), "%s",
			       req->client_addr);
	if (req->secret)
		memcpy(regn.password, req->secret->password,
		       sizeof(regn.password));
	regn.handler = handler;
	regn.arg = arg;
	*out = &regn;
	return 0;
}

int gw_regn_answer(struct gw_regn *r, const char *authorization)
{
	(void)r;
	(void)authorization;
	return 0;
}

void gw_regn_end(struct gw_regn *r)
{
	assert_true(r->live);
	r->live = false;
	nended++;
}

int gw_regn_quit(struct gw_regn *r)
{
	assert_true(r->live);
	return 0;
}

void gw_regn_describe(const struct gw_regn *r, struct gw_regn_state *out)
{
	assert_true(r->live);
	*out = now;
}

struct gw_regn *gw_regn_find(struct gw_sip *sip, const char *key)
{
	(void)sip;
	return regn.live && !strcmp(regn.req.key, key) ? &regn : NULL;
}

static void core_says(enum gw_regn_event_type type)
{
	static const char impu[1][128] = { "sip:pool1@ims.test" };
	const struct gw_regn_event ev = {
		.type = type,
		.nimpu = 1,
		.impu = impu,
		.cause = {.status = 403, .text = "no"},
	};

	if (type == GW_RE_ENDED)
		regn.live = false;
	regn.handler(&regn, &ev, regn.arg);
}

/* ---- the web side, and who keeps registrations ---- */

static unsigned ntold, nrefreshed;
static uint16_t told;
static char told_key[24], told_registration[24];

void gw_web_enrolled(struct gw_web *web, const char *key,
		     const struct gw_web_enrolled *res)
{
	(void)web;
	ntold++;
	told = res->status;
	(void)snprintf(told_key, sizeof(told_key), "%s", key);
	(void)snprintf(told_registration, sizeof(told_registration), "%s",
		       res->registration ? res->registration : "");
}

bool gw_web_identity(char out[GW_WEB_IDENTITY], const char *uri)
{
	return gw_identity_norm(out, uri);
}

void gw_keep_refresh(struct gw_keep *keep, const char *key)
{
	(void)keep;
	assert_int_equal('k', key[0]);
	nrefreshed++;
}

/* ---- the fixture ---- */

struct fix {
	struct bench *b;
	struct gw_settings set;
	struct gw_core core;
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	memset(&regn, 0, sizeof(regn));
	nended = ntold = nrefreshed = told = 0;
	f->set.ims.expires_s = 600;
	f->set.ims.pool_cool_s = 60;
	f->b = bench_new();
	bench_open(f->b);
	f->core = (struct gw_core){ .loop = f->b->loop,
				    .set = &f->set,
				    .store = f->b->store };
	assert_int_equal(0, gw_enrols_new(&f->core.enrols, &f->core));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	gw_enrols_free(f->core.enrols);
	bench_free(f->b);
	free(f);
	return 0;
}

static struct gw_stored_reg left(enum gw_enrol how)
{
	struct gw_stored_reg row = {
		.enrol = (uint8_t)how,
		.nimpu = 1,
		.cseq = 7,
		.core_expires_s = gw_clock_wall_s() + 300,
	};

	strcpy(row.key, "k1");
	strcpy(row.id, "sip:guest@web.example");
	strcpy(row.impi, "pool1@ims.test");
	strcpy(row.impu[0], "sip:pool1@ims.test");
	strcpy(row.contact, "0123456789abcdef0123456789abcdef");
	strcpy(row.call_id, "of-before");
	strcpy(row.service_route, "<sip:orig@scscf;lr>");
	strcpy(row.peer, "192.0.2.7");
	return row;
}

static void lend_two(struct fix *f)
{
	struct gw_store_cmd one =
		bench_pool("pool1@ims.test", "sip:pool1@ims.test");
	struct gw_store_cmd two =
		bench_pool("pool2@ims.test", "sip:pool2@ims.test");

	assert_int_equal(0, bench_do(f->b, &one));
	assert_int_equal(0, bench_key(f->b, GW_ST_POOL_LEASE,
				      "sip:guest@web.example", 0));
	assert_int_equal(0, bench_do(f->b, &two));
	assert_int_equal(0, bench_key(f->b, GW_ST_POOL_LEASE,
				      "sip:other@web.example", 0));
}

static enum gw_pool_state state_of(struct fix *f, unsigned i)
{
	assert_int_equal(0, bench_key(f->b, GW_ST_POOL_LIST, "", 0));
	assert_true(i < got.n);
	return (enum gw_pool_state)got.pool[i].state;
}

static void a_binding_is_taken_over_as_it_was(void **state)
{
	struct fix *f = *state;
	struct gw_stored_reg row = left(GW_ENROL_WEB), again = { 0 };

	gw_enrol_resume(f->core.enrols, &row, false);
	assert_true(regn.live);
	assert_int_equal(GW_REGN_TRUSTED, regn.req.how);
	assert_string_equal("k1", regn.req.key);
	assert_string_equal(row.impi, regn.impi);
	assert_string_equal(row.impu[0], regn.impu);
	assert_string_equal(row.peer, regn.peer);
	assert_int_equal(600, regn.req.expires_s);
	assert_string_equal(row.contact, regn.was.contact);
	assert_string_equal(row.call_id, regn.was.call_id);
	assert_string_equal(row.service_route, regn.was.service_route);
	assert_int_equal(7, regn.was.cseq);
	assert_int_equal(row.core_expires_s, regn.was.core_expires_s);
	/* Nobody is told before the core has spoken. */
	assert_int_equal(0, ntold);
	/* And it could be put back again. */
	strcpy(again.key, "k1");
	gw_enrol_describe(f->core.enrols, "k1", &again);
	strcpy(again.id, row.id);
	assert_memory_equal(&row, &again, sizeof(row));
	/* The same twice is a mistake. */
	gw_enrol_resume(f->core.enrols, &row, false);
	assert_int_equal(503, told);
}

static void the_core_takes_it_or_not(void **state)
{
	struct fix *f = *state;
	struct gw_stored_reg row = left(GW_ENROL_WEB);

	gw_enrol_resume(f->core.enrols, &row, false);
	now.core_expires_s = gw_clock_wall_s() + 540;
	core_says(GW_RE_REGISTERED);
	assert_int_equal(200, told);
	assert_string_equal("k1", told_key);
	assert_int_equal(1, nrefreshed); /* its binding lasts longer */
	assert_int_equal(1, metric("isthmus_enrolments"));
	core_says(GW_RE_ENDED);
	assert_int_equal(403, told);
	assert_int_equal(0, metric("isthmus_enrolments"));
	assert_null(gw_regn_find(NULL, "k1"));
}

static void writes_are_fewer_than_refreshes_of_short_bindings(void **state)
{
	struct fix *f = *state;
	struct gw_stored_reg row = left(GW_ENROL_WEB), out = { 0 };
	int64_t began = gw_clock_wall_s() + 100;

	strcpy(out.key, "k1");
	gw_enrol_resume(f->core.enrols, &row, false);
	now.core_expires_s = began;
	core_says(GW_RE_REGISTERED);
	assert_int_equal(1, nrefreshed);
	gw_enrol_describe(f->core.enrols, "k1", &out); /* it is written */
	for (unsigned i = 1; i <= 9; i++) {
		now.core_expires_s = began + i;
		now.cseq++;
		core_says(GW_RE_REFRESHED);
	}
	assert_int_equal(1, nrefreshed);
	now.core_expires_s = began + 10;
	core_says(GW_RE_REFRESHED);
	assert_int_equal(2, nrefreshed);
	gw_enrol_describe(f->core.enrols, "k1", &out);
	/* Another Call-ID begins at a low CSeq: at once. */
	now.cseq = 1;
	core_says(GW_RE_REFRESHED);
	assert_int_equal(3, nrefreshed);
}

static void what_nobody_wants_is_ended(void **state)
{
	struct fix *f = *state;
	struct gw_stored_reg row = left(GW_ENROL_POOL);

	lend_two(f);
	gw_enrol_resume(f->core.enrols, &row, true);
	assert_string_equal("of-before", regn.was.call_id);
	assert_int_equal(1, nended);
	assert_int_equal(0, ntold);
	assert_int_equal(GW_POOL_COOLING, state_of(f, 0));
}

static void leases_stay_with_who_is_there_and_with_nobody_else(void **state)
{
	struct fix *f = *state;
	struct gw_stored_reg row = left(GW_ENROL_POOL);

	lend_two(f);
	gw_enrol_resume(f->core.enrols, &row, false);
	assert_int_equal(GW_REGN_TRUSTED, regn.req.how);
	gw_enrols_reclaim(f->core.enrols);
	for (unsigned i = 0; i < 100 && state_of(f, 1) == GW_POOL_LEASED; i++)
		gw_loop_step(f->b->loop, 10);
	assert_int_equal(GW_POOL_LEASED, state_of(f, 0));
	assert_string_equal(row.id, got.pool[0].holder);
	/* As long as the core may know it. */
	assert_int_equal(GW_POOL_COOLING, state_of(f, 1));
	assert_true(got.pool[1].until_s >= gw_clock_wall_s() + 590);
	gw_enrol_leave("k1", &f->core);
	assert_int_equal(GW_POOL_COOLING, state_of(f, 0));
}

/* One contact for all endpoints of an identity (ims.contact_shared). */
static void endpoints_that_share_a_binding_take_it_over_together(void **state)
{
	struct fix *f = *state;
	struct gw_stored_reg one = left(GW_ENROL_WEB), two = one, out = { 0 };

	f->set.ims.contact_shared = true;
	strcpy(two.key, "k2");
	gw_enrol_resume(f->core.enrols, &one, false);
	assert_string_equal("k1", told_registration);
	told_registration[0] = '\0';
	gw_enrol_resume(f->core.enrols, &two, false); /* starts no other */
	/* Calls find them before the core is asked again. */
	assert_int_equal(2, ntold);
	assert_string_equal("k2", told_key);
	assert_string_equal("k1", told_registration);
	strcpy(out.key, "k2");
	gw_enrol_describe(f->core.enrols, "k2", &out);
	assert_string_equal(one.contact, out.contact);
	assert_string_equal(one.call_id, out.call_id);
	core_says(GW_RE_REGISTERED);
	assert_int_equal(4, ntold);
	/* The core's registration goes with the last of them. */
	gw_enrol_leave("k1", &f->core);
	assert_int_equal(0, nended);
	gw_enrol_leave("k2", &f->core);
	assert_int_equal(1, nended);
}

static void credentials_held_here_are_read_again(void **state)
{
	struct fix *f = *state;
	struct gw_stored_reg row = left(GW_ENROL_HELD), out = { 0 };
	struct gw_store_cmd cmd = bench_subscriber(row.id);

	cmd.subscriber.enrol = GW_ENROL_HELD;
	strcpy(cmd.subscriber.impi, row.impi);
	cmd.subscriber.nimpu = 1;
	strcpy(cmd.subscriber.impu[0], row.impu[0]);
	strcpy(cmd.subscriber.secret.password, "secret");
	assert_int_equal(0, bench_do(f->b, &cmd));
	gw_enrol_resume(f->core.enrols, &row, false);
	assert_false(regn.live);
	/* A write in between loses nothing. */
	strcpy(out.key, "k1");
	gw_enrol_describe(f->core.enrols, "k1", &out);
	assert_string_equal("of-before", out.call_id);
	for (unsigned i = 0; i < 100 && !regn.live; i++)
		gw_loop_step(f->b->loop, 10);
	assert_int_equal(GW_REGN_HELD, regn.req.how);
	assert_string_equal("secret", regn.password);
	assert_string_equal("of-before", regn.was.call_id);
}

/* More than the store takes at once, and it has other work. */
static void many_with_held_credentials_wait_for_their_turn(void **state)
{
	struct fix *f = *state;
	struct gw_stored_reg row = left(GW_ENROL_HELD);
	struct gw_store_cmd none = { .verb = GW_ST_REG_LIST };
	const unsigned n = GW_STORE_QUEUE + 100;

	while (!gw_store_do(NULL, f->b->store, &none, NULL, NULL))
		;
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(row.key, sizeof(row.key), "k%u", i);
		gw_enrol_resume(f->core.enrols, &row, false);
	}
	assert_int_equal(0, ntold);
	/* Of those that wait, and that are asked for, any may leave. */
	gw_enrol_leave("k0", &f->core);
	gw_enrol_leave("k1000", &f->core);
	for (unsigned i = 0; i < 2000 && ntold < n - 2; i++) {
		gw_loop_step(f->b->loop, 10);
		assert_true(!ntold || told == 403); /* none of them is there */
	}
	assert_int_equal(n - 2, ntold);
	/* And some are asked for when one of them leaves. */
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(row.key, sizeof(row.key), "k%u", i);
		gw_enrol_resume(f->core.enrols, &row, false);
	}
	for (unsigned i = 0; i < 64; i++) {
		(void)snprintf(row.key, sizeof(row.key), "k%u", i);
		gw_enrol_leave(row.key, &f->core);
	}
	for (unsigned i = 0; i < 1000 && ntold < n - 2 + 36; i++)
		gw_loop_step(f->b->loop, 10);
	assert_int_equal(n - 2 + 36, ntold);
}

static void a_subscriber_that_was_removed_is_not_taken_over(void **state)
{
	struct fix *f = *state;
	struct gw_stored_reg row = left(GW_ENROL_HELD);

	gw_enrol_resume(f->core.enrols, &row, false);
	for (unsigned i = 0; i < 100 && !ntold; i++)
		gw_loop_step(f->b->loop, 10);
	assert_int_equal(403, told);
	assert_false(regn.live);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_binding_is_taken_over_as_it_was),
		T(the_core_takes_it_or_not),
		T(writes_are_fewer_than_refreshes_of_short_bindings),
		T(what_nobody_wants_is_ended),
		T(leases_stay_with_who_is_there_and_with_nobody_else),
		T(endpoints_that_share_a_binding_take_it_over_together),
		T(credentials_held_here_are_read_again),
		T(many_with_held_credentials_wait_for_their_turn),
		T(a_subscriber_that_was_removed_is_not_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
