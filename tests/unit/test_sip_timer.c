/* Session timers (RFC 4028): both roles, in calls of both directions. */
#include "tests/unit/test_sip_call.h"

#define ALLOW "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n"

static int setup(void **state)
{
	struct fix *f = fix_new(22151);

	/* The least that whole seconds allow; the settings have 90. */
	f->set.sip.session_expires_s = 2;
	f->set.sip.min_se_s = 1;
	return fix_run(f, state);
}

/* A call of ours that is up; its INVITE asks for a timer. */
static void timed(struct fix *f, const char *headers)
{
	struct packet inv;

	dial(f, &inv, OFFER);
	assert_string_equal(header(&inv, "Supported"), "timer, replaces, 199");
	assert_string_equal(header(&inv, "Session-Expires"), "2");
	assert_string_equal(header(&inv, "Min-SE"), "1");
	pick_up(f, &inv, headers);
}

static void we_refresh_by_update_and_the_call_hears_nothing(void **state)
{
	struct fix *f = *state;
	struct packet p;
	uint64_t at = gw_clock_monotonic_us(NULL);

	timed(f, ALLOW "Require: timer\r\n"
		       "Session-Expires: 2;refresher=uac\r\n");
	expect(f, &p, "UPDATE sip:peer@");
	assert_in_range((gw_clock_monotonic_us(NULL) - at) / 1000, 900, 1900);
	assert_string_equal(body(&p), "");
	assert_string_equal(header(&p, "Session-Expires"), "2;refresher=uac");
	reply(f, &p, 200, NULL, "Session-Expires: 2;refresher=uac\r\n", NULL);
	expect(f, &p, "UPDATE ");
	reply(f, &p, 200, NULL, "Session-Expires: 2;refresher=uac\r\n", NULL);
	nothing_told(f);
	hang_up(f);
}

static void we_refresh_by_reinvite_where_update_is_unknown(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet p;

	f->answers = OFFER;
	timed(f, "Session-Expires: 2;refresher=uac\r\n");
	t = expect_told(f, GW_V_OFFER);
	assert_int_equal(t->role, GW_DESC_NONE);
	expect(f, &p, "INVITE sip:peer@");
	assert_string_equal(body(&p), OFFER);
	assert_string_equal(header(&p, "Session-Expires"), "2;refresher=uac");
	reply(f, &p, 200, NULL, "Session-Expires: 2;refresher=uac\r\n", ANSWER);
	expect(f, &p, "ACK ");
	assert_int_equal(expect_told(f, GW_V_ACCEPT)->role, GW_DESC_ANSWER);
	hang_up(f);
}

static void session_that_the_peer_does_not_refresh_ends(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet p;

	timed(f, "Session-Expires: 2;refresher=uas\r\n");
	request(f, "UPDATE",
		"Session-Expires: 1;refresher=uac\r\n"
		"Supported: timer\r\n",
		NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	assert_string_equal(header(&p, "Session-Expires"), "1;refresher=uac");
	assert_string_equal(header(&p, "Require"), "timer");
	t = expect_told(f, GW_V_RELEASE);
	assert_int_equal(t->status, 408);
	assert_string_equal(t->text, "session timer expired");
	expect_bye(f, &p);
	assert_non_null(strstr(header(&p, "Reason"), "cause=408"));
	wait_live(f, 0);
}

static void refresh_that_fails_is_repeated_until_the_end(void **state)
{
	struct fix *f = *state;
	struct packet p;

	timed(f, ALLOW "Session-Expires: 2;refresher=uac\r\n");
	expect(f, &p, "UPDATE ");
	reply(f, &p, 500, NULL, NULL, NULL);
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 408);
	expect_bye(f, &p);
	wait_live(f, 0);
}

static void refresh_answered_481_ends_the_session(void **state)
{
	struct fix *f = *state;
	struct packet p;

	timed(f, ALLOW "Session-Expires: 2;refresher=uac\r\n");
	expect(f, &p, "UPDATE ");
	reply(f, &p, 481, NULL, NULL, NULL);
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 481);
	wait_live(f, 0);
}

static void interval_too_small_for_the_peer_is_raised(void **state)
{
	struct fix *f = *state;
	struct packet inv, again;

	dial(f, &inv, OFFER);
	refuse(f, &inv, 422, "x", "Min-SE: 30\r\n");
	expect(f, &again, "INVITE ");
	assert_string_equal(header(&again, "Session-Expires"), "30");
	assert_string_equal(header(&again, "Min-SE"), "30");
	assert_string_equal(header(&again, "Call-ID"), header(&inv, "Call-ID"));
	assert_string_equal(body(&again), OFFER);
	/* the same again is nonsense */
	refuse(f, &again, 422, "y", "Min-SE: 30\r\n");
	assert_int_equal(expect_told(f, GW_V_RELEASE)->status, 422);
	wait_live(f, 0);
}

static void called_side_names_the_refresher(void **state)
{
	static const struct {
		const char *asked, *told;
		bool require;
	} row[] = {
		{"Supported: timer\r\n",                                       "2;refresher=uac", true },
		{ "Supported: timer\r\nSession-Expires: 90\r\n",
                 "2;refresher=uac",							       true },
		{ "Supported: timer\r\nSession-Expires: 90\r\nMin-SE: 60\r\n",
                 "60;refresher=uac",							      true },
		{ "Supported: timer\r\nSession-Expires: 1;refresher=uas\r\n",
                 "1;refresher=uas",							       false},
		{ "Session-Expires: 90\r\n",                                   "2;refresher=uas", false},
		{ NULL,							"2;refresher=uas", false},
	};
	struct fix *f = *state;
	struct packet p;

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		(void)snprintf(f->call_id, sizeof(f->call_id), "role%zu", i);
		(void)invite(f, row[i].asked, OFFER);
		answer(f, &p, GW_DESC_ANSWER, ANSWER);
		assert_string_equal(header(&p, "Session-Expires"), row[i].told);
		assert_string_equal(header(&p, "Require"),
				    row[i].require ? "timer" : "");
		ack(f);
		hang_up(f);
	}
}

static void called_side_refreshes_for_who_cannot(void **state)
{
	struct fix *f = *state;
	struct packet p;

	(void)invite(f, ALLOW, OFFER);
	answer(f, &p, GW_DESC_ANSWER, ANSWER);
	ack(f);
	expect(f, &p, "UPDATE ");
	/* now our request, so that uac is us */
	assert_string_equal(header(&p, "Session-Expires"), "2;refresher=uac");
	reply(f, &p, 200, NULL, NULL, NULL);
	nothing_told(f);
	hang_up(f);
}

static void interval_too_small_for_us_is_422(void **state)
{
	struct fix *f = *state;
	struct packet p;

	f->set.sip.min_se_s = 90;
	new_dialog(f);
	request_sdp(f, "INVITE", "Supported: timer\r\nSession-Expires: 30\r\n",
		    OFFER);
	expect(f, &p, "SIP/2.0 422");
	assert_string_equal(header(&p, "Min-SE"), "90");
	nothing_told(f);
	(void)snprintf(f->call_id, sizeof(f->call_id), "good");
	(void)invite(f, "Supported: timer\r\nSession-Expires: 90\r\n", OFFER);
	answer(f, &p, GW_DESC_ANSWER, ANSWER);
	ack(f);
	request(f, "UPDATE", "Supported: timer\r\nSession-Expires: 30\r\n",
		NULL, NULL);
	expect(f, &p, "SIP/2.0 422");
	request_sdp(f, "INVITE", "Supported: timer\r\nSession-Expires: 30\r\n",
		    OFFER);
	expect(f, &p, "SIP/2.0 422");
	ack(f);
	hang_up(f);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(we_refresh_by_update_and_the_call_hears_nothing),
		T(we_refresh_by_reinvite_where_update_is_unknown),
		T(session_that_the_peer_does_not_refresh_ends),
		T(refresh_that_fails_is_repeated_until_the_end),
		T(refresh_answered_481_ends_the_session),
		T(interval_too_small_for_the_peer_is_raised),
		T(called_side_names_the_refresher),
		T(called_side_refreshes_for_who_cannot),
		T(interval_too_small_for_us_is_422),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
