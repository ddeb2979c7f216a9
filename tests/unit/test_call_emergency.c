/* An emergency call within the gateway: what does not stop it, and transfers. */
#include "tests/unit/call_fakes.h"

static void emergency_from_browser(void)
{
	struct gw_msg msg = {
		.verb = GW_V_SETUP,
		.asserted = {"sip:a@b",          "A B"},
		.target = {             "urn:service:sos",              NULL    },
		.emergency = true,
		.desc = { GW_DESC_OFFER, web_offer,     strlen(web_offer) },
	};

	caller = fake_leg(&web_ops);
	gw_core_incoming(&caller->leg, &msg, &core);
	media_works();
}

static void nothing_bars_it(void **state)
{
	(void)state;
	set.calls.max = 0;
	core.draining = true;
	(void)snprintf(set.route[1].match, 128, "*");
	(void)snprintf(set.route[1].leg, 16, "refuse");
	set.nroute = 2;
	emergency_from_browser();
	assert_non_null(called);
	assert_true(called->last.emergency);
	assert_string_equal("urn:service:sos", called->target);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	assert_true(times_told(caller, GW_V_ANSWER) == 1);
}

static void the_admin_view_shows_it(void **state)
{
	struct gw_buf b;

	(void)state;
	emergency_from_browser();
	gw_buf_init(&b, 65536);
	gw_core_print_calls(&core, &b);
	assert_non_null(strstr(b.data, "\"emergency\":true"));
	assert_non_null(strstr(b.data, "\"to\":\"urn:service:sos\""));
	gw_buf_fini(&b);
}

static unsigned asks(struct fake_leg *f, bool stays, const char *target)
{
	const struct gw_msg msg = {
		.verb = GW_V_TRANSFER,
		.target = {target, NULL},
		.stays = stays,
	};

	f->leg.handler(&f->leg, &msg, f->leg.arg);
	media_works();
	return told(f, GW_V_TRANSFER) ? f->last.cause.status : 0;
}

static void nobody_is_handed_to_the_services(void **state)
{
	struct fake_leg *phone;

	(void)state;
	browser_calls_phone();
	if (told(caller, GW_V_OFFER))
		says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	phone = called;
	assert_int_equal(403, asks(phone, false, "tel:112"));
	assert_int_equal(403, asks(phone, false, "sip:911@far"));
	assert_int_equal(403, asks(caller, true, "tel:911"));
	assert_ptr_equal(phone, called);
}

static void only_the_services_hand_a_caller_on(void **state)
{
	struct fake_leg *psap;

	(void)state;
	emergency_from_browser();
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	if (told(caller, GW_V_OFFER))
		says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	psap = called;
	assert_int_equal(403, asks(caller, true, "sip:friend@far"));
	assert_ptr_equal(psap, called);
	assert_int_equal(100, asks(psap, false, "sip:otherpsap@far"));
	assert_ptr_not_equal(psap, called);
	releases(called, 486);
	free(called);
	called = psap;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_bars_it),
		T(the_admin_view_shows_it),
		T(nobody_is_handed_to_the_services),
		T(only_the_services_hand_a_caller_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
