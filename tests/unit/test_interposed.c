/* The functions of ours that stand before those of Sofia-SIP. */
#include <dlfcn.h>

#include "sip/interposed.h"
#include "tests/unit/cm.h"

#define SOFIA "libsofia-sip-ua.so"

/* A failure here says that the Sofia-SIP of this machine cannot be used:
 * docs/architecture.md. */
static void sofia_calls_ours(void **state)
{
	(void)state;
	assert_null(gw_interposed_not());
}

static void a_function_that_it_does_not_call_by_name_is_told(void **state)
{
	(void)state;
	assert_true(gw_interposed_may(SOFIA, "nta_msg_ackbye"));
	assert_true(gw_interposed_may(SOFIA, "tport_stall"));
	/* As is each one of a library that was linked with -Bsymbolic: it is
	 * there, and no relocation has its name. */
	assert_non_null(dlsym(RTLD_DEFAULT, "nta_agent_get_stats"));
	assert_false(gw_interposed_may(SOFIA, "nta_agent_get_stats"));
	assert_false(gw_interposed_may(SOFIA, "gw_no_such_function"));
	assert_false(gw_interposed_may(SOFIA, "tport_stal"));
	assert_false(gw_interposed_may("libnowhere.so", "tport_stall"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sofia_calls_ours),
		cmocka_unit_test(
			a_function_that_it_does_not_call_by_name_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
