#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "webrtc/registry.h"

static uint64_t clock_us;
static struct gw_timers *timers;
static struct gw_registry *registry;
static unsigned nlost, nexpired;
static struct gw_rconn *const one = (struct gw_rconn *)0x10;
static struct gw_rconn *const two = (struct gw_rconn *)0x20;

static uint64_t fake_clock(void *arg)
{
	(void)arg;
	return clock_us;
}

static void on_end(struct gw_reg *reg, enum gw_reg_end why, void *arg)
{
	assert_ptr_equal(&clock_us, arg);
	*(why == GW_REG_LOST ? &nlost : &nexpired) += 1;
	gw_registry_remove(reg);
}

static int setup(void **state)
{
	(void)state;
	clock_us = 5000000;
	nlost = nexpired = 0;
	assert_int_equal(0, gw_timers_new(&timers, fake_clock, NULL));
	return gw_registry_new(&registry, timers, on_end, &clock_us);
}

static int teardown(void **state)
{
	struct gw_reg *reg;

	(void)state;
	while ((reg = gw_registry_first(registry)))
		gw_registry_remove(reg);
	assert_int_equal(0, gw_timers_count(timers));
	gw_registry_free(registry);
	gw_timers_free(timers);
	return 0;
}

static void advance_s(uint64_t s)
{
	clock_us += s * 1000000;
	(void)gw_timers_run(timers);
}

static struct gw_reg *add(const char *id, struct gw_rconn *conn)
{
	struct gw_reg *reg = NULL;

	assert_int_equal(0, gw_registry_add(registry, &reg, id, NULL, conn));
	gw_reg_renew(reg, 100, 10);
	return reg;
}

static void identities_are_compared_as_uris(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{"sip:alice@Example.NET",                "SIP:alice@example.net",   true },
		{ "sip:Alice@x",                         "sip:alice@x",             false},
		{ "sip:alice@x;user=phone",              "sip:alice@x",             true },
		{ "sip:alice@x?a=b",                     "sip:alice@x",             true },
		{ "sip:alice@x",                         "sips:alice@x",            false},
		{ "sip:alice@x:5060",                    "sip:alice@x",             false},
		{ "tel:+1-555.123(0001)",                "tel:+15551230001",        true },
		{ "tel:+1555;isub=1",                    "tel:+1555",               true },
		{ "tel:100;phone-context=a",             "tel:100;phone-context=b", false},
		{ "tel:100;phone-context=a",             "tel:100",                 false},
		{ "tel:1.00;isub=1;Phone-Context=A.b;x",
                 "tel:100;phone-context=a.B",                                       true },
		{ "tel:+1;phone-context=a",              "tel:+1",                  true },
		{ "sip:a@x;b=\r\nc: d",                  "sip:a@x",                 false},
		{ "sip:a@x;b>",                          "sip:a@x",                 false},
		{ "sip:\"a@x",                           "sip:\"a@x",               false},
		{ "sip:\xc3\xa4@x",                      "sip:\xc3\xa4@x",          false},
		{ "tel:",				"tel:",                    false},
		{ "alice",			       "alice",                   false},
		{ "sip:",				"sip:",                    false},
		{ "sip:a@",			      "sip:a@",                  false},
		{ "sip:a b@x",                           "sip:a b@x",               false},
		{ "http://x",                            "http://x",                false},
	};
	char big[300] = "sip:";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (gw_identity_equal(cases[i].a, cases[i].b) != cases[i].same)
			fail_msg("%s and %s", cases[i].a, cases[i].b);
	}
	memset(big + 4, 'a', 250);
	assert_false(gw_identity_equal(big, big));
	memset(big, '1', 250);
	memcpy(big, "tel:", 4);
	assert_false(gw_identity_equal(big, big));
}

static void each_identity_of_a_user_finds_the_registration(void **state)
{
	struct gw_set_user *user = calloc(1, sizeof(*user));
	struct gw_reg *reg = NULL;

	(void)state;
	assert_non_null(user);
	strcpy(user->id, "sip:alice@x");
	user->nidentity = 2;
	strcpy(user->identity[0], "tel:+1555");
	strcpy(user->identity[1], "sip:alice@X"); /* the same again */
	assert_int_equal(
		0, gw_registry_add(registry, &reg, "tel:+1-555", user, one));
	assert_int_equal(2, reg->nidentity);
	assert_ptr_equal(reg, gw_registry_find(registry, "sip:alice@x"));
	assert_ptr_equal(reg, gw_registry_find(registry, "tel:+1555"));
	assert_string_equal("sip:alice@x", gw_reg_identity(reg, "sip:alice@X"));
	assert_null(gw_reg_identity(reg, "sip:bob@x"));
	gw_registry_remove(reg);
	assert_null(gw_registry_find(registry, "tel:+1555"));
	assert_int_equal(-EINVAL,
			 gw_registry_add(registry, &reg, "alice", user, one));
	free(user);
}

static void an_identity_is_spelled_as_configured_or_bare(void **state)
{
	static const struct gw_set_user user = {
		.id = "sip:alice@Example.net",
		.nidentity = 1,
		.identity = { "tel:+1-555-0001" },
	};
	struct gw_reg *reg = NULL;

	(void)state;
	assert_int_equal(0, gw_registry_add(registry, &reg,
					    "SIP:alice@example.NET;lr", &user,
					    NULL));
	assert_string_equal("sip:alice@Example.net", reg->id);
	assert_string_equal(reg->id, reg->identity[0]);
	assert_int_equal(2, reg->nidentity);
	gw_registry_remove(reg);
	assert_int_equal(0, gw_registry_add(registry, &reg, "tel:+15550001",
					    &user, NULL));
	assert_string_equal("tel:+1-555-0001", reg->id);
	gw_registry_remove(reg);
	assert_int_equal(0, gw_registry_add(registry, &reg,
					    "sip:Bob@Example.net;maddr=x?y=z",
					    NULL, NULL));
	assert_string_equal("sip:Bob@example.net", reg->id);
	gw_registry_remove(reg);
}

static void connected_goes_before_suspended_and_new_before_old(void **state)
{
	struct gw_reg *a = add("sip:a@x", one), *b = add("sip:a@x", two);

	(void)state;
	assert_ptr_equal(b, gw_registry_find(registry, "sip:a@x"));
	gw_reg_suspend(b);
	assert_ptr_equal(a, gw_registry_find(registry, "sip:a@x"));
	gw_reg_suspend(a);
	assert_ptr_equal(b, gw_registry_find(registry, "sip:a@x"));
	gw_reg_resume(a, one);
	gw_reg_resume(b, two);
	gw_reg_resume(a, one); /* the latest to come back */
	assert_ptr_equal(a, gw_registry_find(registry, "sip:a@x"));
}

static void a_suspended_one_lasts_its_time_to_live(void **state)
{
	struct gw_reg *a = add("sip:a@x", one);
	unsigned suspended;

	(void)state;
	gw_reg_suspend(a);
	advance_s(9);
	assert_int_equal(1, gw_registry_count(registry, &suspended));
	assert_int_equal(1, suspended);
	gw_reg_resume(a, two);
	assert_int_equal(1, gw_registry_count(registry, &suspended));
	assert_int_equal(0, suspended);
	advance_s(20);
	assert_int_equal(0, nlost);
	gw_reg_suspend(a);
	advance_s(11);
	assert_int_equal(1, nlost);
	assert_null(gw_registry_find(registry, "sip:a@x"));
	assert_int_equal(0, gw_registry_count(registry, &suspended));
	assert_int_equal(0, suspended);
}

static void an_expired_one_ends_suspended_or_not(void **state)
{
	struct gw_reg *a = add("sip:a@x", one), *b = add("sip:b@x", two);

	(void)state;
	gw_reg_renew(b, 100, 1000);
	gw_reg_suspend(b);
	advance_s(99);
	assert_int_equal(1, gw_reg_remaining_s(a));
	gw_reg_renew(a, 100, 10);
	advance_s(2);
	assert_int_equal(1, nexpired);
	assert_null(gw_registry_find(registry, "sip:b@x"));
	advance_s(99);
	assert_int_equal(2, nexpired);
}

static void a_credential_is_bound_to_its_identity_and_replaced(void **state)
{
	struct gw_reg *a = add("sip:a@x", one), *b = add("sip:b@x", one);
	char old[GW_REG_CREDENTIAL_SIZE];

	(void)state;
	assert_true(strlen(a->credential) >= 22); /* 128 bits and more */
	assert_string_not_equal(a->credential, b->credential);
	assert_ptr_equal(a, gw_registry_find_credential(registry, "sip:a@x",
							a->credential));
	assert_null(gw_registry_find_credential(registry, "sip:b@x",
						a->credential));
	assert_null(gw_registry_find_credential(registry, "sip:a@x", ""));
	strcpy(old, a->credential);
	gw_reg_renew(a, 100, 10);
	assert_null(gw_registry_find_credential(registry, "sip:a@x", old));
}

static void endpoints_of_a_subscriber_are_bounded(void **state)
{
	struct gw_reg *reg[4], *waits;

	(void)state;
	for (int i = 0; i < 4; i++)
		reg[i] = add("sip:a@x", one);
	assert_null(gw_registry_surplus(reg[3], 4));
	assert_ptr_equal(reg[0], gw_registry_surplus(reg[3], 3));
	/* Not the one that it is asked for. */
	assert_ptr_equal(reg[1], gw_registry_surplus(reg[0], 1));
	gw_reg_suspend(reg[2]);
	assert_ptr_equal(reg[2], gw_registry_surplus(reg[3], 3));
	/* Anybody may say that it is this user. */
	waits = add("sip:a@x", one);
	waits->pending = true;
	assert_null(gw_registry_surplus(reg[3], 4));
	assert_null(gw_registry_surplus(add("sip:b@x", one), 1));
}

static void a_call_rings_all_that_are_connected_or_else_all(void **state)
{
	struct gw_reg *reg[3], *got[4], *other;

	(void)state;
	for (int i = 0; i < 3; i++)
		reg[i] = add("sip:a@x", one);
	assert_int_equal(3, gw_registry_find_all(registry, "sip:a@x", got, 4));
	assert_ptr_equal(reg[2], got[0]);
	assert_int_equal(2, gw_registry_find_all(registry, "sip:a@x", got, 2));
	gw_reg_suspend(reg[2]);
	assert_int_equal(2, gw_registry_find_all(registry, "sip:a@x", got, 4));
	assert_ptr_equal(reg[1], got[0]);
	reg[1]->pending = true;
	assert_int_equal(1, gw_registry_find_all(registry, "sip:a@x", got, 4));
	assert_ptr_equal(reg[0], got[0]);
	gw_reg_suspend(reg[0]);
	assert_int_equal(2, gw_registry_find_all(registry, "sip:a@x", got, 4));
	assert_int_equal(0, gw_registry_find_all(registry, "sip:b@x", got, 4));

	/* By the core's registration: an own one, or a shared one. */
	reg[1]->pending = false;
	other = add("sip:c@x", one);
	assert_int_equal(
		1, gw_registry_find_in_core(registry, other->key, got, 4));
	assert_ptr_equal(other, got[0]);
	strcpy(reg[0]->core_key, "shared");
	strcpy(reg[1]->core_key, "shared");
	strcpy(other->core_key, "shared");
	assert_int_equal(2,
			 gw_registry_find_in_core(registry, "shared", got, 4));
	assert_int_equal(
		0, gw_registry_find_in_core(registry, other->key, got, 4));
	/* By the key of the one that began it, which is one of them. */
	strcpy(reg[0]->core_key, reg[1]->key);
	strcpy(reg[1]->core_key, reg[1]->key);
	assert_int_equal(
		1, gw_registry_find_in_core(registry, reg[1]->key, got, 4));
	assert_ptr_equal(reg[1], got[0]);
	gw_reg_suspend(reg[1]);
	assert_int_equal(
		2, gw_registry_find_in_core(registry, reg[1]->key, got, 4));
}

static void what_the_core_grants_is_all_that_it_has(void **state)
{
	static const char granted[][GW_IDENTITY_SIZE] = {
		"sip:alice@ims.example", "tel:+1555", "TEL:+1-555"
	};
	struct gw_reg *reg = add("sip:alice@example.net", one);

	(void)state;
	gw_registry_set_identities(reg, 1, granted);
	assert_int_equal(2, reg->nidentity);
	gw_registry_set_identities(reg, 3, granted);
	assert_int_equal(3, reg->nidentity);
	assert_ptr_equal(reg, gw_registry_find(registry, "tel:+1-555"));
	/* Less than before: it is not called by that any more. */
	gw_registry_set_identities(reg, 1, granted + 1);
	assert_int_equal(2, reg->nidentity);
	assert_null(gw_registry_find(registry, "sip:alice@ims.example"));
	assert_ptr_equal(reg, gw_registry_find(registry, "tel:+1555"));
	assert_ptr_equal(reg,
			 gw_registry_find(registry, "sip:alice@example.net"));
	gw_registry_set_identities(reg, 0, NULL);
	assert_int_equal(1, reg->nidentity);
	assert_null(gw_registry_find(registry, "tel:+1555"));
}

static void a_later_token_must_be_of_the_same_bearer(void **state)
{
	static const char granted[][GW_IDENTITY_SIZE] = {
		"sip:alice@ims.example", "tel:+1555"
	};
	struct gw_jwt_claims same = { .impi = "alice@ims.example",
				      .nimpu = 1,
				      .impu = { "tel:+1-555" } };
	struct gw_jwt_claims nothing = { .nimpu = 0 };
	struct gw_jwt_claims impi = { .impi = "eve@ims.example" };
	struct gw_jwt_claims impu = {
		.nimpu = 2, .impu = {"tel:+1555", "tel:+1556"}
	};
	struct gw_reg *reg = add("sip:alice@example.net", one);

	(void)state;
	/* In no core it does not matter. */
	assert_true(gw_reg_suits(reg, &impi));
	reg->impi = strdup("alice@ims.example");
	gw_registry_set_identities(reg, 2, granted);
	assert_true(gw_reg_suits(reg, &same));
	assert_true(gw_reg_suits(reg, &nothing));
	assert_false(gw_reg_suits(reg, &impi));
	assert_false(gw_reg_suits(reg, &impu));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(identities_are_compared_as_uris),
		T(each_identity_of_a_user_finds_the_registration),
		T(an_identity_is_spelled_as_configured_or_bare),
		T(connected_goes_before_suspended_and_new_before_old),
		T(a_suspended_one_lasts_its_time_to_live),
		T(an_expired_one_ends_suspended_or_not),
		T(a_credential_is_bound_to_its_identity_and_replaced),
		T(endpoints_of_a_subscriber_are_bounded),
		T(a_call_rings_all_that_are_connected_or_else_all),
		T(what_the_core_grants_is_all_that_it_has),
		T(a_later_token_must_be_of_the_same_bearer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
