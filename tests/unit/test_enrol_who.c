/*
 * Who somebody is to be in the core: every way to log in, by every kind of
 * subscriber and by none, with tokens that say something and such that lie.
 */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/enrol_who.h"

#define DAN   "sip:dan@web.example"
#define IMPU  "sip:dan@ims.example"
#define IMPI  "dan@ims.example"
#define OTHER "sip:eve@ims.example"

static struct gw_set_ims set;
static struct gw_enrol_who who;
static const char *why;

static struct gw_enrol_wish wish_of(enum gw_web_proof proof)
{
	struct gw_enrol_wish w = { .proof = proof };

	strcpy(w.id, DAN);
	return w;
}

/* Up to three public identities, NULL ends. */
static struct gw_enrol_wish token(const char *impi, const char *a,
				  const char *b)
{
	struct gw_enrol_wish w = wish_of(GW_WEB_TOKEN);

	if (impi)
		strcpy(w.impi, impi);
	if (a)
		strcpy(w.impu[w.nimpu++], a);
	if (b)
		strcpy(w.impu[w.nimpu++], b);
	return w;
}

static struct gw_subscriber subscriber(enum gw_enrol enrol)
{
	struct gw_subscriber s = { .enrol = (uint8_t)enrol };

	strcpy(s.id, DAN);
	if (enrol == GW_ENROL_NONE || enrol == GW_ENROL_POOL)
		return s;
	strcpy(s.impi, IMPI);
	strcpy(s.impu[0], IMPU);
	strcpy(s.impu[1], "tel:+15550100");
	s.nimpu = 2;
	return s;
}

static uint16_t decide(const struct gw_enrol_wish *w,
		       const struct gw_subscriber *s)
{
	why = NULL;
	return gw_enrol_decide(&who, w, s, &set, &why);
}

static void assert_is(enum gw_enrol how, const char *impi, const char *impu)
{
	assert_int_equal(how, who.how);
	assert_string_equal(impi, who.impi);
	assert_string_equal(impu, who.impu);
}

static int reset(void **state)
{
	(void)state;
	memset(&set, 0, sizeof(set));
	return 0;
}

static void a_subscriber_is_registered_as_the_store_says(void **state)
{
	static const struct {
		enum gw_enrol enrol;
		bool own; /* identities */
	} row[] = {
		{GW_ENROL_NONE,  false},
		{ GW_ENROL_HELD, true },
		{ GW_ENROL_WEB,  true },
		{ GW_ENROL_POOL, false}
	};
	struct gw_enrol_wish w = wish_of(GW_WEB_PASSWORD);

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(row); i++) {
		struct gw_subscriber s = subscriber(row[i].enrol);

		assert_int_equal(0, decide(&w, &s));
		assert_is(row[i].enrol, row[i].own ? IMPI : "",
			  row[i].own ? IMPU : "");
	}
}

static void a_challenge_is_for_those_who_are_to_answer_one(void **state)
{
	struct gw_enrol_wish digest = wish_of(GW_WEB_DIGEST);
	struct gw_enrol_wish password = wish_of(GW_WEB_PASSWORD);
	struct gw_enrol_wish bearer = token(NULL, NULL, NULL);

	(void)state;
	for (int enrol = 0; enrol < GW_NENROL; enrol++) {
		struct gw_subscriber s = subscriber((enum gw_enrol)enrol);
		bool own = enrol == GW_ENROL_CLIENT;

		assert_int_equal(own ? 0 : 403, decide(&digest, &s));
		assert_true(own || why);
		assert_int_equal(own ? 403 : 0, decide(&password, &s));
		assert_int_equal(own ? 403 : 0, decide(&bearer, &s));
	}
	assert_int_equal(403, decide(&digest, NULL));
	assert_int_equal(0, decide(&password, NULL));
	assert_is(GW_ENROL_NONE, "", "");
}

static void a_token_chooses_among_the_identities_of_its_subscriber(void **state)
{
	struct gw_subscriber s = subscriber(GW_ENROL_WEB);
	struct gw_enrol_wish w;

	(void)state;
	strcpy(s.impu[2], "sip:desk@ims.example");
	s.nimpu = 3;
	w = token(IMPI, NULL, NULL);
	assert_int_equal(0, decide(&w, &s));
	assert_is(GW_ENROL_WEB, IMPI, IMPU);
	/* In any spelling. */
	w = token(NULL, "tel:+1-555-0100", "SIP:desk@IMS.example;user=phone");
	assert_int_equal(0, decide(&w, &s));
	assert_string_equal(IMPI, who.impi);
	assert_string_equal("sip:desk@ims.example", who.impu);
	/* What it was asked for wins over the order. */
	strcpy(w.impu[1], IMPU);
	strcpy(w.impu[2], "sip:desk@ims.example");
	w.nimpu = 3;
	strcpy(w.id, "sip:desk@ims.example");
	assert_int_equal(0, decide(&w, &s));
	assert_string_equal("sip:desk@ims.example", who.impu);
}

static void a_token_that_claims_somebody_else_is_refused(void **state)
{
	struct gw_enrol_wish lies[] = { token("eve@ims.example", NULL, NULL),
					token(NULL, OTHER, NULL),
					token(IMPI, IMPU, OTHER),
					token("DAN@ims.example", IMPU, NULL) };

	(void)state;
	for (int enrol = 0; enrol < GW_NENROL; enrol++) {
		struct gw_subscriber s = subscriber((enum gw_enrol)enrol);

		for (size_t i = 0; i < GW_ARRAY_LEN(lies); i++) {
			assert_int_equal(403, decide(&lies[i], &s));
			assert_non_null(why);
		}
	}
}

static void a_token_alone_says_who_its_bearer_is(void **state)
{
	struct gw_enrol_wish w = token(IMPI, "tel:+15550100", IMPU);

	(void)state;
	assert_int_equal(0, decide(&w, NULL));
	assert_is(GW_ENROL_WEB, IMPI, IMPU);
	/* One is made of the other (TS 23.003 13.4B). */
	w = token(IMPI, NULL, NULL);
	assert_int_equal(0, decide(&w, NULL));
	assert_is(GW_ENROL_WEB, IMPI, IMPU);
	w = token(NULL, IMPU ";user=phone", NULL);
	assert_int_equal(0, decide(&w, NULL));
	assert_is(GW_ENROL_WEB, IMPI, IMPU);
	/* A password says nothing of the kind. */
	w = wish_of(GW_WEB_PASSWORD);
	assert_int_equal(0, decide(&w, NULL));
	assert_is(GW_ENROL_NONE, "", "");
}

static void half_an_identity_is_none(void **state)
{
	struct gw_enrol_wish bad[] = {
		token("dan", IMPU, NULL),
		token("@ims.example", NULL, NULL),
		token("dan@", NULL, NULL),
		token("d@n@ims.example", NULL, NULL),
		token("dan@ims.example,x", NULL, NULL),
		token("dan@ims.example;x=\"", NULL, NULL),
		token("d n@ims.example", NULL, NULL),
		token(NULL, "tel:+15550100", NULL),
		token(NULL, "sip:ims.example", NULL),
		token(IMPI, "sip:\x01@x", NULL),
	};

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++) {
		if (decide(&bad[i], NULL) != 403 || !why)
			fail_msg("row %zu is %s, %s", i, who.impi, who.impu);
	}
}

static void the_longest_identity_is_not_cut(void **state)
{
	struct gw_enrol_wish w = token(NULL, NULL, NULL);

	(void)state;
	memset(w.impi, 'a', 123);
	w.impi[60] = '@';
	assert_int_equal(0, decide(&w, NULL));
	assert_string_equal(w.impi, who.impu + 4);
	/* With "sip:" it is none any more. */
	memset(w.impi + 123, 'a', 4);
	assert_int_equal(403, decide(&w, NULL));
}

static void the_pool_is_for_those_it_is_open_to(void **state)
{
	struct gw_enrol_wish guest = wish_of(GW_WEB_ANONYMOUS);
	struct gw_enrol_wish w = wish_of(GW_WEB_PASSWORD);
	struct gw_subscriber s = subscriber(GW_ENROL_NONE);

	(void)state;
	assert_int_equal(403, decide(&guest, NULL));
	set.pool_anonymous = true;
	assert_int_equal(0, decide(&guest, NULL));
	assert_is(GW_ENROL_POOL, "", "");
	/* That is not for those who say who they are. */
	assert_int_equal(0, decide(&w, NULL));
	assert_is(GW_ENROL_NONE, "", "");

	strcpy(set.pool_user[0], "sip:*@guests.example");
	strcpy(set.pool_user[1], "SIP:d?n@web.*");
	set.npool_user = 2;
	assert_int_equal(0, decide(&w, NULL));
	assert_is(GW_ENROL_POOL, "", "");
	w = token(NULL, NULL, NULL);
	assert_int_equal(0, decide(&w, NULL));
	assert_is(GW_ENROL_POOL, "", "");
	/* Who brings an identity keeps it; of whom the store knows, it says. */
	w = token(IMPI, NULL, NULL);
	assert_int_equal(0, decide(&w, NULL));
	assert_is(GW_ENROL_WEB, IMPI, IMPU);
	w = wish_of(GW_WEB_PASSWORD);
	assert_int_equal(0, decide(&w, &s));
	assert_is(GW_ENROL_NONE, "", "");
	strcpy(w.id, "sip:frank@web.example");
	assert_int_equal(0, decide(&w, NULL));
	assert_is(GW_ENROL_NONE, "", "");
}

static void what_the_core_grants_is_compared_as_uris(void **state)
{
	static const char granted[3][128] = { IMPU, "tel:+15550100",
					      "sip:x@IMS.example" };
	struct gw_enrol_wish w = token(NULL, NULL, NULL);

	(void)state;
	assert_true(gw_enrol_is_granted(&w, 0, NULL));
	w = token(NULL, "tel:+1-555-0100", "sip:x@ims.example;user=phone");
	assert_true(gw_enrol_is_granted(&w, 3, granted));
	assert_false(gw_enrol_is_granted(&w, 2, granted));
	w = token(NULL, IMPU, OTHER);
	assert_false(gw_enrol_is_granted(&w, 3, granted));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, reset)
	const struct CMUnitTest tests[] = {
		T(a_subscriber_is_registered_as_the_store_says),
		T(a_challenge_is_for_those_who_are_to_answer_one),
		T(a_token_chooses_among_the_identities_of_its_subscriber),
		T(a_token_that_claims_somebody_else_is_refused),
		T(a_token_alone_says_who_its_bearer_is),
		T(half_an_identity_is_none),
		T(the_longest_identity_is_not_cut),
		T(the_pool_is_for_those_it_is_open_to),
		T(what_the_core_grants_is_compared_as_uris),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
