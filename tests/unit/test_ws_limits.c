#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/check.h"
#include "webrtc/ws_limits.h"
#include "webrtc/ws_origin.h"

#define S 1000000u

static struct gw_addr addr(const char *ip)
{
	struct gw_addr a;

	assert_int_equal(0, gw_addr_parse(&a, ip, 1));
	return a;
}

static struct gw_ws_limits *new_limits(size_t idle_max)
{
	struct gw_ws_limits *l = NULL;

	assert_int_equal(0, gw_ws_limits_new(&l, idle_max));
	return l;
}

static void sockets_of_one_address_are_counted_together(void **state)
{
	struct gw_ws_limits *l = new_limits(4);
	struct gw_addr a = addr("192.0.2.1"), b = addr("192.0.2.2");
	struct gw_ws_ip *one = gw_ws_limits_open(l, &a);

	(void)state;
	a.port = 99;
	assert_ptr_equal(one, gw_ws_limits_open(l, &a));
	assert_int_equal(2, one->sockets);
	assert_ptr_not_equal(one, gw_ws_limits_open(l, &b));
	assert_int_equal(2, gw_ws_limits_count(l));
	gw_ws_limits_close(l, one);
	assert_int_equal(2, gw_ws_limits_count(l));
	gw_ws_limits_close(l, one);
	assert_int_equal(1, gw_ws_limits_count(l));
	gw_ws_limits_free(l);
}

static void an_ipv6_subscriber_is_one_address(void **state)
{
	struct gw_ws_limits *l = new_limits(4);
	struct gw_addr a = addr("2001:db8:1:2::1");
	struct gw_addr b = addr("2001:db8:1:2:ffff::9");
	struct gw_addr c = addr("2001:db8:1:3::1");
	struct gw_ws_ip *one = gw_ws_limits_open(l, &a);

	(void)state;
	assert_ptr_equal(one, gw_ws_limits_open(l, &b));
	assert_ptr_not_equal(one, gw_ws_limits_open(l, &c));
	gw_ws_limits_free(l);
}

static void failures_within_a_minute_pause_an_address(void **state)
{
	struct gw_ws_limits *l = new_limits(4);
	struct gw_addr a = addr("192.0.2.1");
	struct gw_ws_ip *ip = gw_ws_limits_open(l, &a);
	uint64_t t = 1000 * S;

	(void)state;
	assert_false(gw_ws_limits_fail(l, &a, t, 3, 5000));
	assert_false(gw_ws_limits_fail(l, &a, t + S, 3, 5000));
	assert_int_equal(0, gw_ws_limits_wait_ms(ip, t + S));
	assert_true(gw_ws_limits_fail(l, &a, t + 2 * S, 3, 5000));
	assert_int_equal(5000, gw_ws_limits_wait_ms(ip, t + 2 * S));
	assert_int_equal(1, gw_ws_limits_wait_ms(ip, t + 7 * S - 1));
	assert_int_equal(0, gw_ws_limits_wait_ms(ip, t + 7 * S));
	/* the pause outlives the connections */
	gw_ws_limits_close(l, ip);
	ip = gw_ws_limits_open(l, &a);
	assert_int_equal(4000, gw_ws_limits_wait_ms(ip, t + 3 * S));
	gw_ws_limits_free(l);
}

static void old_failures_are_forgiven(void **state)
{
	struct gw_ws_limits *l = new_limits(4);
	struct gw_addr a = addr("192.0.2.1");

	(void)state;
	assert_false(gw_ws_limits_fail(l, &a, S, 2, 5000));
	assert_false(gw_ws_limits_fail(l, &a, 62 * S, 2, 5000));
	assert_true(gw_ws_limits_fail(l, &a, 63 * S, 2, 5000));
	gw_ws_limits_free(l);
}

static void a_million_addresses_take_no_more_room_than_allowed(void **state)
{
	struct gw_ws_limits *l = new_limits(100);
	struct gw_addr open_one = addr("198.51.100.1");
	struct gw_ws_ip *ip = gw_ws_limits_open(l, &open_one);

	(void)state;
	for (uint32_t i = 0; i < 1000000; i++) {
		struct gw_addr a = addr("10.0.0.0");

		memcpy(a.ip + 1, &i, 3);
		(void)gw_ws_limits_fail(l, &a, S, 5, 5000);
	}
	assert_int_equal(101, gw_ws_limits_count(l));
	/* what is open is never forgotten */
	assert_ptr_equal(ip, gw_ws_limits_open(l, &open_one));
	gw_ws_limits_free(l);
}

struct origin_case {
	const char *list[3]; /* web.origin */
	const char *origin, *host;
	bool tls, allowed;
};

static void origins_are_compared_as_rfc_6454_says(void **state)
{
	static const struct origin_case cases[] = {
		{{ NULL },                         "https://a.example",     "a.example",     true,  true },
		{ { NULL },                        "https://a.example:443", "a.example",     true,  true },
		{ { NULL },                        "https://A.Example",     "a.example:443", true,  true },
		{ { NULL },
                 "https://a.example:8443",				  "a.example",
                 true,									      false},
		{ { NULL },                        "http://a.example",      "a.example",     true,  false},
		{ { NULL },                        "http://a.example",      "a.example",     false, true },
		{ { NULL },                        "https://a.example",     "a.example",     false, true },
		{ { NULL },                        "https://evil",          "a.example",     true,  false},
		{ { NULL },
                 "https://a.example.evil",				  "a.example",
                 true,									      false},
		{ { NULL },                        "null",                  "a.example",     true,  false},
		{ { NULL },                        "",                      "a.example",     true,  false},
		{ { NULL },                        NULL,                    "a.example",     true,  false},
		{ { "self" },                      NULL,                    "a.example",     true,  false},
		{ { "self", "none" },              NULL,                    "a.example",     true,  true },
		{ { "*" },                         NULL,                    "a.example",     true,  true },
		{ { "*" },                         "https://evil",          "a.example",     true,  true },
		{ { "*" },                         "null",                  "a.example",     true,  true },
		{ { "none" },                      "https://evil",          "a.example",     true,  false},
		{ { "https://b.example" },
                 "https://b.example",				       "a",
                 true,									      true },
		{ { "https://b.example" },
                 "https://b.example:443",				   "a",
                 true,									      true },
		{ { "https://b.example" },
                 "http://b.example",					"a",
                 true,									      false},
		{ { "https://b.example" },         "https://a",             "a",             true,  false},
		{ { "https://b.example", "self" },
                 "https://a",					       "a",
                 true,									      true },
		{ { "http://[::1]:80" },           "http://[::1]",          "a",             true,  true },
		{ { "none" },                      "none",                  "none",          true,  false},
	};

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(cases); i++) {
		const struct origin_case *c = &cases[i];
		struct gw_set_web web = { 0 };

		while (web.norigin < 3 && c->list[web.norigin]) {
			(void)snprintf(web.origin[web.norigin],
				       sizeof(web.origin[0]), "%s",
				       c->list[web.norigin]);
			web.norigin++;
		}
		if (gw_ws_origin_allowed(&web, c->origin, c->host, c->tls) !=
		    c->allowed)
			fail_msg("case %zu: %s", i,
				 c->origin ? c->origin : "(none)");
	}
}

static void a_host_holds_only_what_a_host_can(void **state)
{
	(void)state;
	assert_true(gw_ws_host_valid("a.example:8443"));
	assert_true(gw_ws_host_valid("[2001:db8::1]:8443"));
	assert_false(gw_ws_host_valid(""));
	assert_false(gw_ws_host_valid(NULL));
	assert_false(gw_ws_host_valid("a\",\"x\":\"y"));
	assert_false(gw_ws_host_valid("a/b"));
	assert_false(gw_ws_host_valid("user@a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_of_one_address_are_counted_together),
		cmocka_unit_test(an_ipv6_subscriber_is_one_address),
		cmocka_unit_test(failures_within_a_minute_pause_an_address),
		cmocka_unit_test(old_failures_are_forgiven),
		cmocka_unit_test(
			a_million_addresses_take_no_more_room_than_allowed),
		cmocka_unit_test(origins_are_compared_as_rfc_6454_says),
		cmocka_unit_test(a_host_holds_only_what_a_host_can),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
