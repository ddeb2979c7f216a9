#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/route.h"
#include "tests/unit/cm.h"

/* The web side, as far as routing asks it. */
bool gw_web_is_registered(struct gw_web *web, const char *uri)
{
	(void)web;
	return !strcmp(uri, "sip:alice@home");
}

bool gw_web_is_user(struct gw_web *web, const char *uri)
{
	(void)web;
	return !strcmp(uri, "sip:bob@home");
}

static struct gw_settings set;

static void add(const char *match, const char *leg, uint16_t status)
{
	struct gw_set_route *r = &set.route[set.nroute++];

	(void)snprintf(r->match, sizeof(r->match), "%s", match);
	(void)snprintf(r->leg, sizeof(r->leg), "%s", leg);
	r->status = status;
}

static int setup(void **s)
{
	(void)s;
	memset(&set, 0, sizeof(set));
	(void)snprintf(set.sip.core, sizeof(set.sip.core), "sip:core");
	add("echo", "echo", 0);
	add("tel:+1900*", "refuse", 403);
	add("00*", "refuse", 0);
	return 0;
}

static const char *registration;

static struct gw_route to(const char *uri, bool from_core)
{
	return gw_route_find(&set, NULL, uri, from_core, registration);
}

static void users_come_before_the_core(void **s)
{
	(void)s;
	assert_int_equal(GW_ROUTE_USER, to("sip:alice@home", false).leg);
	assert_int_equal(GW_ROUTE_CORE, to("sip:carol@far", false).leg);
	assert_int_equal(GW_ROUTE_CORE, to("tel:+15551230", false).leg);
}

/* Its owner's services are there; and who is called there, is called here. */
static void through_a_registration_comes_before_users(void **s)
{
	(void)s;
	registration = "key";
	assert_int_equal(GW_ROUTE_CORE, to("sip:alice@home", false).leg);
	assert_int_equal(GW_ROUTE_ECHO, to("echo", false).leg);
	assert_int_equal(GW_ROUTE_USER, to("sip:any@far", true).leg);
	registration = NULL;
}

static void a_user_who_is_away_is_not_sought_in_the_core(void **s)
{
	struct gw_route r = to("sip:bob@home", false);

	(void)s;
	assert_int_equal(GW_ROUTE_REFUSE, r.leg);
	assert_int_equal(480, r.status);
}

static void what_came_from_the_core_does_not_return(void **s)
{
	(void)s;
	assert_int_equal(GW_ROUTE_USER, to("sip:alice@home", true).leg);
	assert_int_equal(404, to("sip:carol@far", true).status);
}

static void configured_routes_match_users_uris_and_beginnings(void **s)
{
	(void)s;
	assert_int_equal(GW_ROUTE_ECHO, to("sip:echo@anywhere", false).leg);
	assert_int_equal(GW_ROUTE_ECHO,
			 to("sip:echo@x;transport=tcp", true).leg);
	assert_int_equal(GW_ROUTE_CORE, to("sip:echoes@x", false).leg);
	assert_int_equal(403, to("tel:+19005550", false).status);
	assert_int_equal(403, to("sip:0049123@x", false).status);
	assert_true(gw_route_matches("*", "sip:any@where"));
	assert_false(gw_route_matches("", "sip:any@where"));
}

/* RFC 3261 19.1.4, RFC 3966 5.1.1 */
static void a_number_is_the_same_however_it_is_written(void **s)
{
	static const char *const barred[] = {
		"sip:0049@x",      "sip:%300%34@x",
		"sip:0-0-49@x",    "sip:(00)49;a=b@x",
		"tel:0-049",       "tel:%30049;phone-context=x",
		"tel:+1-900-555",  "tel:%2B1.900",
		"sip:00:secret@x",
	};

	(void)s;
	for (size_t i = 0; i < GW_ARRAY_LEN(barred); i++)
		assert_int_equal(GW_ROUTE_REFUSE, to(barred[i], false).leg);
	/* A name with hyphens is no number, and half an escape is none. */
	assert_false(gw_route_matches("annalee", "sip:anna-lee@x"));
	assert_true(gw_route_matches("anna-lee", "sip:Anna%2Dlee@x"));
	assert_false(gw_route_matches("00*", "sip:%3@x"));
	assert_false(gw_route_matches("00*", "sip:%@x"));
	assert_false(gw_route_matches("0", "sip:0%00@x"));
}

static void without_a_core_nothing_leads_there(void **s)
{
	(void)s;
	set.sip.core[0] = '\0';
	assert_int_equal(404, to("sip:carol@far", false).status);
	assert_int_equal(404, to("", false).status);
	assert_int_equal(404, to(NULL, false).status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(users_come_before_the_core, setup),
		cmocka_unit_test_setup(
			through_a_registration_comes_before_users, setup),
		cmocka_unit_test_setup(
			a_user_who_is_away_is_not_sought_in_the_core, setup),
		cmocka_unit_test_setup(what_came_from_the_core_does_not_return,
				       setup),
		cmocka_unit_test_setup(
			configured_routes_match_users_uris_and_beginnings,
			setup),
		cmocka_unit_test_setup(
			a_number_is_the_same_however_it_is_written, setup),
		cmocka_unit_test_setup(without_a_core_nothing_leads_there,
				       setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
