#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "gateway/base/addr.h"

static const char *shown(const struct gw_addr *a)
{
	static char buf[GW_ADDR_STRLEN];

	return gw_addr_print(a, buf, sizeof(buf));
}

static void literals_are_read_and_printed_back(void **state)
{
	static const char *const same[] = {
		"192.0.2.1:5060",
		"0.0.0.0:0",
		"[2001:db8::1]:65535",
		"[::]:1",
	};
	struct gw_addr a;

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		assert_int_equal(0, gw_addr_parse_hostport(&a, same[i]));
		assert_string_equal(same[i], shown(&a));
	}
	assert_int_equal(0, gw_addr_parse(&a, "2001:DB8:0::1", 5061));
	assert_string_equal("[2001:db8::1]:5061", shown(&a));
	assert_int_equal(0, gw_addr_parse(&a, "[::1]", 80));
	assert_string_equal("[::1]:80", shown(&a));
}

static void the_longest_address_fits(void **state)
{
	const char *text = "[1111:2222:3333:4444:5555:6666:7777:8888]:65535";
	char ip[8];
	struct gw_addr a;

	(void)state;
	assert_int_equal(0, gw_addr_parse_hostport(&a, text));
	assert_string_equal(text, shown(&a));
	assert_string_equal("1111:22", gw_addr_ip(&a, ip, sizeof(ip)));
}

static void what_is_no_literal_is_refused(void **state)
{
	static const char *const bad[] = {
		"",          "localhost",  "1.2.3",      "1.2.3.4.5",
		"256.1.1.1", "01.2.3.4 ",  "fe80::1%lo", "[1.2.3.4]",
		"[::1",      "::1]",       "[]",         "[",
		":::",       "1.2.3.4:80", " 1.2.3.4",
	};
	static const char *const bad_ports[] = {
		"",
		"1.2.3.4",
		"1.2.3.4:",
		"1.2.3.4:x",
		"1.2.3.4:-1",
		"1.2.3.4:65536",
		"1.2.3.4:000080",
		"::1:80",
		"[::1]",
		"[::1]80",
		":80",
		"h:80",
		"1.2.3.4: 80",
	};
	struct gw_addr a = { .port = 77 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(-EINVAL, gw_addr_parse(&a, bad[i], 1));
	for (size_t i = 0; i < sizeof(bad_ports) / sizeof(bad_ports[0]); i++)
		assert_int_equal(-EINVAL,
				 gw_addr_parse_hostport(&a, bad_ports[i]));
	assert_int_equal(77, a.port); /* untouched */
}

static void a_mapped_address_is_the_ipv4_one(void **state)
{
	struct gw_addr a, b;
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons(99) };
	static const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff, 192,
					    0,           2,           7 };

	(void)state;
	memcpy(&sin6.sin6_addr, mapped, 16);
	assert_int_equal(0, gw_addr_from_sockaddr(&a, (void *)&sin6));
	assert_string_equal("192.0.2.7:99", shown(&a));
	assert_int_equal(0, gw_addr_parse(&b, "::ffff:192.0.2.7", 99));
	assert_true(gw_addr_equal(&a, &b));
}

static void it_goes_into_a_socket_address_and_back(void **state)
{
	static const char *const texts[] = { "198.51.100.9:1234",
					     "[2001:db8:1::9]:4321" };
	struct sockaddr_storage ss;
	struct gw_addr a, b, none = { 0 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(0, gw_addr_parse_hostport(&a, texts[i]));
		assert_int_equal(i ? sizeof(struct sockaddr_in6)
				   : sizeof(struct sockaddr_in),
				 gw_addr_to_sockaddr(&a, &ss));
		assert_int_equal(0, gw_addr_from_sockaddr(&b, (void *)&ss));
		assert_true(gw_addr_equal(&a, &b));
	}
	assert_int_equal(0, gw_addr_to_sockaddr(&none, &ss));
	ss.ss_family = AF_UNIX;
	assert_int_equal(-EAFNOSUPPORT, gw_addr_from_sockaddr(&b, (void *)&ss));
	assert_string_equal("-:0", shown(&none));
}

static void equality_looks_at_what_it_should(void **state)
{
	struct gw_addr a, b;

	(void)state;
	assert_int_equal(0, gw_addr_parse(&a, "10.0.0.1", 1));
	b = a;
	b.ip[9] = 1; /* beyond the four that count */
	assert_true(gw_addr_equal(&a, &b));
	b.port = 2;
	assert_false(gw_addr_equal(&a, &b));
	assert_true(gw_addr_same_ip(&a, &b));
	b.ip[3] = 2;
	assert_false(gw_addr_same_ip(&a, &b));
	assert_int_equal(0, gw_addr_parse(&b, "a00:1::", 1));
	assert_false(gw_addr_same_ip(&a, &b));
}

static void loopback_and_any_are_known(void **state)
{
	static const struct {
		const char *ip;
		bool loopback, any;
	} rows[] = {
		{"127.0.0.1",         true,  false},
		{ "127.255.0.9",      true,  false},
		{ "128.0.0.1",        false, false},
		{ "::1",              true,  false},
		{ "::2",              false, false},
		{ "0.0.0.0",          false, true },
		{ "::",               false, true },
		{ "0.0.0.1",          false, false},
		{ "::ffff:127.0.0.1", true,  false},
	};
	struct gw_addr a, none = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(0, gw_addr_parse(&a, rows[i].ip, 1));
		assert_int_equal(rows[i].loopback, gw_addr_is_loopback(&a));
		assert_int_equal(rows[i].any, gw_addr_is_any(&a));
	}
	assert_false(gw_addr_is_any(&none));
	assert_false(gw_addr_is_loopback(&none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_are_read_and_printed_back),
		cmocka_unit_test(the_longest_address_fits),
		cmocka_unit_test(what_is_no_literal_is_refused),
		cmocka_unit_test(a_mapped_address_is_the_ipv4_one),
		cmocka_unit_test(it_goes_into_a_socket_address_and_back),
		cmocka_unit_test(equality_looks_at_what_it_should),
		cmocka_unit_test(loopback_and_any_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
