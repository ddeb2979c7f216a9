/* An agent comes into being without the kernel's list of addresses, and its
 * candidates are preferred in the order of the configuration. */
#include "tests/unit/cm.h"

#include <dlfcn.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <nice/nice.h>
#include <nice/interfaces.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "media/ice.h"
#include "media/ice_addrs.h"
#include "media/stun.h"

static const struct gw_logctx ilog = { .module = "media" };
static unsigned asked; /* for the kernel's list */
static struct gw_poller *poller;
static struct gw_timers *timers;
static struct gw_stun *stun;

int getifaddrs(struct ifaddrs **out)
{
	int (*own)(struct ifaddrs **);

	asked++;
	*(void **)&own = dlsym(RTLD_NEXT, "getifaddrs");
	assert_non_null(own);
	return own(out);
}

static int setup(void **state)
{
	(void)state;
	asked = 0;
	assert_int_equal(gw_poller_new(&poller), 0);
	assert_int_equal(gw_timers_new(&timers, gw_clock_monotonic_us, NULL),
			 0);
	return gw_stun_new(&stun);
}

static int teardown(void **state)
{
	(void)state;
	gw_timers_free(timers);
	gw_poller_free(poller);
	gw_stun_free(stun);
	return 0;
}

static void on_gathered(void *arg)
{
	*(bool *)arg = true;
}

static void on_state(enum gw_ice_state state, void *arg)
{
	(void)state;
	(void)arg;
}

static void on_packet(const struct gw_addr *from, uint8_t *data, size_t len,
		      size_t cap, void *arg)
{
	(void)from, (void)data, (void)len, (void)cap, (void)arg;
}

/* The candidates of an agent at @address. */
static void gather(const char (*address)[46], struct gw_end *end)
{
	struct gw_ice *ice;
	bool gathered = false;
	const struct gw_ice_options opt = {
		.poller = poller,
		.timers = timers,
		.log = &ilog,
		.address = address,
		.stun = stun,
		.stun_server = "",
	};
	const struct gw_ice_handlers h = {
		.gathered = on_gathered,
		.state = on_state,
		.packet = on_packet,
		.arg = &gathered,
	};

	assert_int_equal(gw_ice_new(&ice, &opt, &h), 0);
	while (!gathered) {
		gw_poller_wait(poller, 1);
		(void)gw_timers_run(timers);
	}
	gw_ice_local(ice, end);
	gw_ice_free(ice);
}

static void the_kernel_is_not_asked(void **state)
{
	static const char address[4][46] = { "127.0.0.3", "127.0.0.1",
					     "127.0.0.2" };
	struct gw_end end = { 0 };
	char ip[GW_ADDR_STRLEN];

	(void)state;
	gather(address, &end);
	assert_int_equal(end.ncandidate, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_string_equal(
			gw_addr_ip(&end.candidate[i].addr, ip, sizeof(ip)),
			address[i]);
		if (i)
			assert_true(end.candidate[i].priority <
				    end.candidate[i - 1].priority);
	}
	assert_int_equal(asked, 0);
}

static void a_text_of_another_form_is_the_same_address(void **state)
{
	static const char address[4][46] = { "127.0.0.1", "0:0:0:0::1" };
	struct gw_end end = { 0 };

	(void)state;
	gather(address, &end);
	assert_int_equal(end.ncandidate, 2);
	assert_int_not_equal(end.candidate[0].priority >> 8 & 0xffff,
			     end.candidate[1].priority >> 8 & 0xffff);
	assert_int_equal(asked, 0);
}

/* media.web_address is empty: all there are, each with a place. */
static void without_addresses_libnice_lists_them(void **state)
{
	GList *all, *known;

	(void)state;
	all = nice_interfaces_get_local_ips(FALSE);
	assert_int_equal(asked, 1);
	known = nice_interfaces_get_local_ips(TRUE);
	assert_int_equal(asked, 1);
	for (GList *l = all; l; l = l->next)
		assert_non_null(g_list_find_custom(known, l->data,
						   (GCompareFunc)strcmp));
	g_list_free_full(all, g_free);
	g_list_free_full(known, g_free);
}

static void the_list_is_bounded(void **state)
{
	GList *known;
	char ip[16];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(ip, sizeof(ip), "10.0.%u.%u", i / 250, i % 250);
		gw_ice_addrs_add(ip);
		gw_ice_addrs_add(ip);
	}
	known = nice_interfaces_get_local_ips(TRUE);
	assert_in_range(g_list_length(known), 1, 64);
	/* The newest is there, once. */
	assert_string_equal(known->data, "10.0.3.249");
	assert_null(g_list_find_custom(known->next, "10.0.3.249",
				       (GCompareFunc)strcmp));
	g_list_free_full(known, g_free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_kernel_is_not_asked, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_text_of_another_form_is_the_same_address, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			without_addresses_libnice_lists_them, setup, teardown),
		cmocka_unit_test_setup_teardown(the_list_is_bounded, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
