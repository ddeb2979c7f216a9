/* A re-INVITE without description, and what its ACK may bring. */
#include "tests/unit/call_fakes.h"

static void asked_for_an_offer(void)
{
	call_from(&web_ops, "sip:phone@far", web_offer);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	assert_true(told(caller, GW_V_ANSWER));
	says(called, GW_V_OFFER, GW_DESC_NONE, NULL);
	assert_true(told(called, GW_V_ACCEPT));
	assert_int_equal(GW_DESC_OFFER, called->last.desc.role);
}

static void an_answer_that_fits_is_taken(void **s)
{
	(void)s;
	asked_for_an_offer();
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, sip_sdp);
	assert_int_equal(0, times_told(called, GW_V_RELEASE));
	assert_int_equal(0, times_told(caller, GW_V_RELEASE));
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
}

/* RFC 3261 14.2: it came in an ACK, which nothing can refuse. */
static void an_answer_that_does_not_fit_ends_the_call(void **s)
{
	(void)s;
	asked_for_an_offer();
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, "nonsense");
	assert_true(told(called, GW_V_RELEASE));
	assert_int_equal(488, called->last.cause.status);
	assert_true(told(caller, GW_V_RELEASE));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_answer_that_fits_is_taken),
		T(an_answer_that_does_not_fit_ends_the_call),
	};

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
