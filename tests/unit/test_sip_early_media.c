/* What the network authorises before a call is answered (RFC 5009). */
#include "tests/unit/test_sip_call.h"

#define PEM   "P-Early-Media: "
#define ALLOW "Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE\r\n"

static int setup(void **state)
{
	struct fix *f = fix_new(22511);

	(void)snprintf(f->set.sip.reliable, 12, "supported");
	return fix_run(f, state);
}

/* Of several m-lines the first that may be heard is enough. */
static void a_response_says_who_may_be_heard(void **state)
{
	static const struct {
		const char *said;
		bool may, both;
	} row[] = {
		{PEM "sendrecv\r\n",            true,  true },
		{ PEM "sendonly\r\n",           true,  false},
		{ PEM "sendonly, inactive\r\n", true,  false},
		{ PEM "SendRecv,gated\r\n",     true,  true },
		{ PEM "recvonly\r\n",           false, false},
		{ PEM "inactive\r\n",           false, false},
		{ PEM "supported\r\n",          false, false},
		{ NULL,			 false, false},
	};
	struct fix *f = *state;
	const struct told *t;
	struct packet inv;

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		dial(f, &inv, OFFER);
		reply(f, &inv, 183, "b", row[i].said, ANSWER);
		t = expect_told(f, GW_V_PROGRESS);
		assert_int_equal(t->early_media, row[i].may);
		assert_int_equal(t->early_both, row[i].both);
		give_up(f, &inv);
	}
}

/* RFC 5009 8: also in UPDATE, with a description or without. */
static void an_update_says_it_as_well(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	reply(f, &inv, 183, "b", ALLOW RELIABLE "1\r\n", ANSWER);
	expect_prack(f, &p, 1, &inv);
	assert_false(expect_told(f, GW_V_PROGRESS)->early_media);
	dialog_from_invite(f, &inv, "b");

	request(f, "UPDATE", PEM "sendonly\r\n", NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	t = expect_told(f, GW_V_PROGRESS);
	assert_int_equal(t->branch, 1);
	assert_true(t->early_media);
	assert_false(t->early_both);
	assert_int_equal(t->role, GW_DESC_NONE);
	assert_int_equal(t->alert, GW_ALERT_NO);

	request(f, "UPDATE", PEM "inactive\r\n", "application/sdp", OFFER);
	assert_int_equal(expect_told(f, GW_V_OFFER)->branch, 1);
	t = expect_told(f, GW_V_PROGRESS);
	assert_false(t->early_media);
	assert_true(t->no_early_media);
	{
		const struct gw_msg yes = { .verb = GW_V_ACCEPT,
					    .branch = 1,
					    .desc = desc_of(GW_DESC_ANSWER,
							    ANSWER) };

		assert_int_equal(gw_leg_send(f->leg, &yes), 0);
	}
	expect(f, &p, "SIP/2.0 200");

	/* one that says nothing of it is nothing for the call */
	request(f, "UPDATE", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	nothing_told(f);
	give_up(f, &inv);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_response_says_who_may_be_heard),
		T(an_update_says_it_as_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
