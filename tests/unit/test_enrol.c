/*
 * Log-ins between the web side, the store and the core: a real store, and both
 * neighbours faked.  Who is registered as whom, and what becomes of identities
 * of the pool.
 */
#include "store_bench.h"

#include "gateway/enrol.h"
#include "gateway/reg_keep.h"
#include "gateway/registration.h"
#include "webrtc/registry_map.h"

#define DAN     "sip:dan@web.example"
#define EVE     "sip:eve@web.example"
#define GUEST   "sip:xyz@anonymous.invalid"
#define IMPI    "dan@ims.example"
#define IMPU    "sip:dan@ims.example"
#define RESULTS "isthmus_enrolments_total"

/* ---- the core, faked ---- */

#define NREGN 16

struct gw_regn {
	bool live;
	char key[GW_REGN_KEY_SIZE];
	enum gw_regn_how how;
	char impi[128], impu[128];
	gw_regn_h *handler;
	void *arg;
};

static struct gw_regn regns[NREGN];
static unsigned nregn, nended, nquit;
static int start_error;

int gw_regn_start(struct gw_regn **out, struct gw_sip *sip,
		  const struct gw_regn_request *req, gw_regn_h *handler,
		  void *arg)
{
	struct gw_regn *r = &regns[nregn];

	(void)sip;
	if (start_error)
		return start_error;
	assert_true(nregn++ < NREGN);
	*r = (struct gw_regn){
		.live = true, .how = req->how, .handler = handler, .arg = arg
	};
	(void)snprintf(r->key, sizeof(r->key), "%s", req->key);
	(void)snprintf(r->impi, sizeof(r->impi), "%s", req->impi);
	(void)snprintf(r->impu, sizeof(r->impu), "%s", req->impu);
	*out = r;
	return 0;
}

int gw_regn_answer(struct gw_regn *r, const char *authorization)
{
	(void)authorization;
	return r->live ? 0 : -EALREADY;
}

int gw_regn_quit(struct gw_regn *r)
{
	nquit++;
	return r->how == GW_REGN_CLIENT ? 0 : -EALREADY;
}

void gw_regn_end(struct gw_regn *r)
{
	assert_true(r->live);
	r->live = false;
	nended++;
}

void gw_regn_describe(const struct gw_regn *r, struct gw_regn_state *out)
{
	(void)r;
	memset(out, 0, sizeof(*out));
}

struct gw_regn *gw_regn_find(struct gw_sip *sip, const char *key)
{
	(void)sip;
	for (unsigned i = 0; i < nregn; i++) {
		if (regns[i].live && !strcmp(regns[i].key, key))
			return &regns[i];
	}
	return NULL;
}

static void core_grants(struct gw_regn *r, const char *first,
			const char *second)
{
	char impu[2][128] = { "" };
	struct gw_regn_event ev = { .type = GW_RE_REGISTERED,
				    .nimpu = second ? 2 : 1,
				    .impu = (const char(*)[128])impu };

	strcpy(impu[0], first);
	if (second)
		strcpy(impu[1], second);
	r->handler(r, &ev, r->arg);
}

static void core_ends(struct gw_regn *r, uint16_t status, bool by_network)
{
	const struct gw_regn_event ev = { .type = GW_RE_ENDED,
					  .cause = { .status = status },
					  .by_network = by_network };

	r->live = false;
	r->handler(r, &ev, r->arg);
}

/* ---- the web side, faked ---- */

static struct told {
	unsigned n;
	uint16_t status, retry_after_s;
	char key[24], impi[128], text[64], registration[24];
	size_t nimpu;
} told;

/* Nothing is remembered here. */
void gw_keep_refresh(struct gw_keep *keep, const char *key)
{
	(void)keep;
	(void)key;
}

void gw_web_enrolled(struct gw_web *web, const char *key,
		     const struct gw_web_enrolled *res)
{
	(void)web;
	told.n++;
	told.status = res->status;
	told.retry_after_s = res->retry_after_s;
	told.nimpu = res->nimpu;
	(void)snprintf(told.key, sizeof(told.key), "%s", key);
	(void)snprintf(told.impi, sizeof(told.impi), "%s",
		       res->impi ? res->impi : "");
	(void)snprintf(told.registration, sizeof(told.registration), "%s",
		       res->registration ? res->registration : "");
	(void)snprintf(told.text, sizeof(told.text), "%s",
		       res->text ? res->text : "");
}

bool gw_web_identity(char out[GW_WEB_IDENTITY], const char *uri)
{
	return gw_identity_norm(out, uri);
}

/* ---- the world ---- */

static struct bench *b;
static struct gw_core core;
static struct gw_settings set;

static void begin_life(void)
{
	bench_open(b);
	core = (struct gw_core){ .loop = b->loop,
				 .set = &set,
				 .store = b->store };
	assert_int_equal(0, gw_enrols_new(&core.enrols, &core));
}

static int setup(void **state)
{
	(void)state;
	memset(&set, 0, sizeof(set));
	memset(&told, 0, sizeof(told));
	nregn = nended = nquit = 0;
	start_error = 0;
	set.ims.expires_s = 600;
	b = bench_new();
	begin_life();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gw_enrols_free(core.enrols);
	assert_int_equal(0, metric("isthmus_enrolments"));
	assert_int_equal(0, metric("isthmus_pool_lent"));
	bench_free(b);
	return 0;
}

static void put(const char *id, enum gw_enrol enrol)
{
	struct gw_store_cmd cmd = bench_subscriber(id);
	struct gw_subscriber *s = &cmd.subscriber;

	s->enrol = (uint8_t)enrol;
	if (enrol != GW_ENROL_POOL && enrol != GW_ENROL_NONE) {
		strcpy(s->impi, IMPI);
		strcpy(s->impu[0], IMPU);
		s->nimpu = 1;
	}
	assert_int_equal(0, bench_do(b, &cmd));
}

static void fill_pool(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct gw_store_cmd cmd = { .verb = GW_ST_POOL_PUT };

		(void)snprintf(cmd.pool.impi, sizeof(cmd.pool.impi),
			       "p%u@ims.example", i);
		(void)snprintf(cmd.pool.impu, sizeof(cmd.pool.impu),
			       "sip:p%u@ims.example", i);
		assert_int_equal(0, bench_do(b, &cmd));
	}
}

static void begin(const char *key, const char *id, enum gw_web_proof proof,
		  const char *impi)
{
	const struct gw_web_enrolment who = { .key = key,
					      .id = id,
					      .peer = "192.0.2.1",
					      .proof = proof,
					      .impi = impi };
	unsigned n = told.n, r = nregn;

	assert_int_equal(0, gw_enrol_begin(&who, &core));
	assert_int_equal(n, told.n);
	/* One of both comes of it, unless there is an error to come. */
	for (int i = 0; i < 500 && told.n == n && nregn == r; i++)
		gw_loop_step(b->loop, 10);
	assert_true(told.n > n || nregn > r);
}

/* The store has done all that it was given. */
static void settle(void)
{
	(void)bench_key(b, GW_ST_POOL_LIST, "", 0);
}

static unsigned in_state(enum gw_pool_state state)
{
	unsigned n = 0;

	settle();
	for (size_t i = 0; i < got.n; i++)
		n += got.pool[i].state == state;
	return n;
}

/* ---- who as whom ---- */

static void a_token_is_registered_as_whom_it_names(void **state)
{
	(void)state;
	begin("k1", DAN, GW_WEB_TOKEN, IMPI);
	assert_int_equal(1, nregn);
	assert_int_equal(GW_REGN_TRUSTED, regns[0].how);
	assert_string_equal(IMPI, regns[0].impi);
	assert_string_equal(IMPU, regns[0].impu);
	assert_string_equal("k1", regns[0].key);
	core_grants(&regns[0], IMPU, NULL);
	assert_int_equal(200, told.status);
	assert_string_equal(IMPI, told.impi);
	gw_enrol_leave("k1", &core);
	assert_int_equal(1, nended);
}

static void a_subscriber_binds_what_a_token_may_name(void **state)
{
	long long before = metric(RESULTS "{result=\"refused\"}");

	(void)state;
	put(DAN, GW_ENROL_WEB);
	begin("k1", DAN, GW_WEB_TOKEN, "eve@ims.example");
	assert_int_equal(403, told.status);
	assert_int_equal(0, nregn);
	assert_int_equal(before + 1, metric(RESULTS "{result=\"refused\"}"));
	begin("k2", DAN, GW_WEB_TOKEN, IMPI);
	assert_int_equal(1, nregn);
	assert_string_equal(IMPU, regns[0].impu);
}

static void claims_beyond_what_the_core_grants_end_it(void **state)
{
	const char list[2][128] = { IMPU, "sip:boss@ims.example" };
	const struct gw_web_enrolment who = { .key = "k1",
					      .id = DAN,
					      .peer = "",
					      .proof = GW_WEB_TOKEN,
					      .impi = IMPI,
					      .nimpu = 2,
					      .impu = list };

	(void)state;
	assert_int_equal(0, gw_enrol_begin(&who, &core));
	for (int i = 0; i < 500 && !nregn; i++)
		gw_loop_step(b->loop, 10);
	core_grants(&regns[0], IMPU, "tel:+15550100");
	assert_int_equal(403, told.status);
	assert_int_equal(1, nended);
	assert_int_equal(0, metric("isthmus_enrolments"));
	/* With both it is well; what comes later is the core's business. */
	assert_int_equal(0, gw_enrol_begin(&who, &core));
	for (int i = 0; i < 500 && nregn < 2; i++)
		gw_loop_step(b->loop, 10);
	core_grants(&regns[1], list[1], list[0]);
	assert_int_equal(200, told.status);
	core_grants(&regns[1], list[0], NULL);
	assert_int_equal(200, told.status);
	assert_int_equal(1, told.nimpu);
}

static void users_of_no_list_are_known_here_only(void **state)
{
	(void)state;
	begin("k1", DAN, GW_WEB_PASSWORD, NULL);
	assert_int_equal(0, told.status);
	assert_int_equal(0, nregn);
	begin("k2", GUEST, GW_WEB_ANONYMOUS, NULL);
	assert_int_equal(403, told.status);
}

static void who_answers_for_itself_is_asked_when_it_leaves(void **state)
{
	struct gw_regn_event ask = { .type = GW_RE_CHALLENGE,
				     .challenge = "Digest realm=\"x\"" };

	(void)state;
	put(DAN, GW_ENROL_CLIENT);
	assert_int_equal(-EALREADY, gw_enrol_quit("k1", &core));
	begin("k1", DAN, GW_WEB_DIGEST, NULL);
	assert_int_equal(GW_REGN_CLIENT, regns[0].how);
	core_grants(&regns[0], IMPU, NULL);
	assert_int_equal(0, gw_enrol_quit("k1", &core));
	regns[0].handler(&regns[0], &ask, regns[0].arg);
	assert_int_equal(401, told.status);
	assert_int_equal(0, gw_enrol_answer("k1", "Digest x", &core));
	core_ends(&regns[0], 200, false);
	assert_int_equal(410, told.status);
	assert_int_equal(0, metric("isthmus_enrolments"));
	assert_int_equal(-EALREADY, gw_enrol_answer("k1", "Digest x", &core));
}

/* ---- the pool ---- */

static void guests_are_lent_an_identity_each(void **state)
{
	(void)state;
	set.ims.pool_anonymous = true;
	fill_pool(2);
	begin("k1", GUEST, GW_WEB_ANONYMOUS, NULL);
	begin("k2", "sip:abc@anonymous.invalid", GW_WEB_ANONYMOUS, NULL);
	assert_int_equal(2, nregn);
	assert_string_not_equal(regns[0].impi, regns[1].impi);
	assert_int_equal(2, metric("isthmus_pool_lent"));
	core_grants(&regns[0], regns[0].impu, NULL);
	assert_string_equal(regns[0].impi, told.impi);
	/* The third has to come again. */
	begin("k3", "sip:def@anonymous.invalid", GW_WEB_ANONYMOUS, NULL);
	assert_int_equal(503, told.status);
	assert_true(told.retry_after_s > 0);
	gw_enrol_leave("k1", &core);
	assert_int_equal(1, in_state(GW_POOL_LEASED));
	begin("k4", "sip:ghi@anonymous.invalid", GW_WEB_ANONYMOUS, NULL);
	assert_int_equal(3, nregn); /* nothing cools: pool_cool_s is 0 */
	assert_string_equal(regns[0].impi, regns[2].impi);
}

static void endpoints_of_one_user_share_it_until_the_last_has_gone(void **state)
{
	(void)state;
	set.ims.pool_cool_s = 100;
	put(DAN, GW_ENROL_POOL);
	put(EVE, GW_ENROL_POOL);
	fill_pool(2);
	begin("k1", DAN, GW_WEB_PASSWORD, NULL);
	begin("k2", DAN, GW_WEB_PASSWORD, NULL);
	begin("k3", EVE, GW_WEB_PASSWORD, NULL);
	assert_int_equal(3, nregn);
	assert_string_equal(regns[0].impi, regns[1].impi);
	assert_string_not_equal(regns[0].impi, regns[2].impi);
	assert_int_equal(2, in_state(GW_POOL_LEASED));
	for (size_t i = 0; i < got.n; i++)
		assert_string_equal(
			strcmp(got.pool[i].impi, regns[0].impi) ? EVE : DAN,
			got.pool[i].holder);
	gw_enrol_leave("k1", &core);
	assert_int_equal(2, in_state(GW_POOL_LEASED));
	core_ends(&regns[1], 200, true); /* the network's wish */
	assert_int_equal(480, told.status);
	assert_int_equal(1, in_state(GW_POOL_LEASED));
	assert_int_equal(1, in_state(GW_POOL_COOLING));
}

static void two_that_ask_at_once_get_one(void **state)
{
	const struct gw_web_enrolment one = { .key = "k1",
					      .id = DAN,
					      .peer = "" };
	const struct gw_web_enrolment two = { .key = "k2",
					      .id = DAN,
					      .peer = "" };

	(void)state;
	put(DAN, GW_ENROL_POOL);
	assert_int_equal(0, gw_enrol_begin(&one, &core));
	assert_int_equal(0, gw_enrol_begin(&two, &core));
	for (int i = 0; i < 500 && told.n < 2; i++)
		gw_loop_step(b->loop, 10);
	assert_int_equal(2, told.n); /* the pool is empty for both */
	assert_int_equal(503, told.status);
	fill_pool(1);
	assert_int_equal(0, gw_enrol_begin(&one, &core));
	assert_int_equal(0, gw_enrol_begin(&two, &core));
	for (int i = 0; i < 500 && nregn < 2; i++)
		gw_loop_step(b->loop, 10);
	assert_int_equal(2, nregn);
	assert_string_equal(regns[0].impi, regns[1].impi);
}

static void who_leaves_while_asking_leaves_nothing_behind(void **state)
{
	const struct gw_web_enrolment one = { .key = "k1",
					      .id = DAN,
					      .peer = "" };

	(void)state;
	put(DAN, GW_ENROL_POOL);
	fill_pool(1);
	/* At each moment of it. */
	for (int steps = 0; steps < 8 && !nregn; steps++) {
		assert_int_equal(0, gw_enrol_begin(&one, &core));
		for (int i = 0; i < steps; i++)
			gw_loop_step(b->loop, 1);
		gw_enrol_leave("k1", &core);
		assert_int_equal(1, in_state(GW_POOL_FREE));
	}
}

static void a_core_that_cannot_be_asked_costs_no_identity(void **state)
{
	(void)state;
	put(DAN, GW_ENROL_POOL);
	fill_pool(1);
	start_error = -EAGAIN;
	begin("k1", DAN, GW_WEB_PASSWORD, NULL);
	assert_int_equal(503, told.status);
	assert_int_equal(1, in_state(GW_POOL_FREE));
}

static void
what_a_crash_left_leased_cools_for_as_long_as_the_core_may_know(void **state)
{
	(void)state;
	put(DAN, GW_ENROL_POOL);
	fill_pool(1);
	assert_int_equal(0, bench_key(b, GW_ST_POOL_LEASE, DAN, 0));
	gw_enrols_free(core.enrols);
	bench_close(b);
	begin_life();
	gw_enrols_reclaim(core.enrols);
	settle();
	settle();
	assert_int_equal(1, in_state(GW_POOL_COOLING));
	assert_true(got.pool[0].until_s > gw_clock_wall_s() + 590);
	begin("k2", DAN, GW_WEB_PASSWORD, NULL);
	assert_int_equal(503, told.status);
}

/* ---- one contact for several endpoints ---- */

static void endpoints_may_share_a_registration(void **state)
{
	(void)state;
	set.ims.contact_shared = true;
	put(DAN, GW_ENROL_WEB);
	begin("k1", DAN, GW_WEB_PASSWORD, NULL);
	/* The second comes while the first waits, the third when it is there. */
	assert_int_equal(
		0, gw_enrol_begin(&(struct gw_web_enrolment){ .key = "k2",
							      .id = DAN,
							      .peer = "" },
				  &core));
	settle();
	assert_int_equal(1, nregn);
	assert_int_equal(0, told.n);
	core_grants(&regns[0], IMPU, "tel:+15550100");
	assert_int_equal(2, told.n);
	assert_int_equal(200, told.status);
	assert_string_equal("k1", told.registration);
	begin("k3", DAN, GW_WEB_PASSWORD, NULL);
	assert_int_equal(1, nregn);
	assert_int_equal(3, told.n);
	assert_int_equal(200, told.status);
	assert_int_equal(2, told.nimpu);
	assert_string_equal("k3", told.key);
	assert_string_equal("k1", told.registration);
	assert_int_equal(3, metric("isthmus_enrolments"));
	/* It outlives the one that began it. */
	gw_enrol_leave("k1", &core);
	gw_enrol_leave("k3", &core);
	assert_int_equal(0, nended);
	core_grants(&regns[0], IMPU, NULL);
	assert_string_equal("k2", told.key);
	assert_int_equal(1, told.nimpu);
	gw_enrol_leave("k2", &core);
	assert_int_equal(1, nended);
	/* The next begins anew. */
	begin("k4", DAN, GW_WEB_PASSWORD, NULL);
	assert_int_equal(2, nregn);
}

static void what_ends_a_shared_registration_ends_all(void **state)
{
	(void)state;
	set.ims.contact_shared = true;
	put(DAN, GW_ENROL_WEB);
	begin("k1", DAN, GW_WEB_PASSWORD, NULL);
	core_grants(&regns[0], IMPU, NULL);
	begin("k2", DAN, GW_WEB_PASSWORD, NULL);
	assert_int_equal(2, told.n);
	core_ends(&regns[0], 200, true);
	assert_int_equal(4, told.n);
	assert_int_equal(480, told.status);
	assert_int_equal(0, nended);
	assert_int_equal(0, metric("isthmus_enrolments"));
}

static void one_that_claims_too_much_does_not_end_the_others(void **state)
{
	const char list[2][128] = { IMPU, "sip:boss@ims.example" };
	const struct gw_web_enrolment greedy = { .key = "k2",
						 .id = EVE,
						 .peer = "",
						 .proof = GW_WEB_TOKEN,
						 .impi = IMPI,
						 .nimpu = 2,
						 .impu = list };

	(void)state;
	set.ims.contact_shared = true;
	put(DAN, GW_ENROL_WEB);
	begin("k1", DAN, GW_WEB_PASSWORD, NULL);
	assert_int_equal(0, gw_enrol_begin(&greedy, &core));
	settle();
	assert_int_equal(1, nregn);
	core_grants(&regns[0], IMPU, NULL);
	assert_int_equal(2, told.n);
	assert_int_equal(1, metric("isthmus_enrolments"));
	assert_int_equal(0, nended);
	/* Nor does it when it comes alone, and late. */
	assert_int_equal(0, gw_enrol_begin(&greedy, &core));
	settle();
	assert_int_equal(3, told.n);
	assert_int_equal(403, told.status);
	assert_int_equal(0, nended);
	gw_enrol_leave("k1", &core);
	assert_int_equal(1, nended);
}

static void who_answers_for_itself_shares_nothing(void **state)
{
	(void)state;
	set.ims.contact_shared = true;
	put(DAN, GW_ENROL_CLIENT);
	begin("k1", DAN, GW_WEB_DIGEST, NULL);
	begin("k2", DAN, GW_WEB_DIGEST, NULL);
	assert_int_equal(2, nregn);
	core_grants(&regns[0], IMPU, NULL);
	assert_string_equal("", told.registration);
}

/* ---- a store in trouble ---- */

static void a_store_that_fails_is_told_and_counted(void **state)
{
	long long before = metric(RESULTS "{result=\"store_fault\"}");

	(void)state;
	put(DAN, GW_ENROL_POOL);
	fill_pool(1);
	atomic_store(&bench_fail, ENOSPC);
	begin("k1", DAN, GW_WEB_PASSWORD, NULL);
	atomic_store(&bench_fail, 0);
	assert_int_equal(503, told.status);
	assert_true(told.retry_after_s > 0);
	assert_int_equal(before + 1,
			 metric(RESULTS "{result=\"store_fault\"}"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_token_is_registered_as_whom_it_names),
		T(a_subscriber_binds_what_a_token_may_name),
		T(claims_beyond_what_the_core_grants_end_it),
		T(users_of_no_list_are_known_here_only),
		T(who_answers_for_itself_is_asked_when_it_leaves),
		T(guests_are_lent_an_identity_each),
		T(endpoints_of_one_user_share_it_until_the_last_has_gone),
		T(two_that_ask_at_once_get_one),
		T(who_leaves_while_asking_leaves_nothing_behind),
		T(a_core_that_cannot_be_asked_costs_no_identity),
		T(what_a_crash_left_leased_cools_for_as_long_as_the_core_may_know),
		T(endpoints_may_share_a_registration),
		T(what_ends_a_shared_registration_ends_all),
		T(one_that_claims_too_much_does_not_end_the_others),
		T(who_answers_for_itself_shares_nothing),
		T(a_store_that_fails_is_told_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
