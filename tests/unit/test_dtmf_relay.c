/* What stands in an INFO of a phone, and what does not. */
#include "tests/unit/cm.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/dtmf_relay.h"

static void digits_and_durations_are_read(void **state)
{
	static const struct {
		const char *text;
		char signal;
		uint32_t ms;
	} row[] = {
		{"Signal=5\r\nDuration=160\r\n",           '5', 160},
		{ "Signal= 7\r\nDuration= 250\r\n",        '7', 250},
		{ "signal=#\nduration=100",                '#', 100},
		{ "Duration=100\r\nSignal=*",              '*', 100},
		{ "Signal=d",			      'D', 160},
		{ "\r\n\r\nSignal=1\r\n\r\n",              '1', 160},
		{ "Signal=1\r\nDuration=1\r\n",            '1', 160},
		{ "Signal=1\r\nDuration=99999\r\n",        '1', 160},
		{ "Signal=1\r\nVolume=10\r\nnonsense\r\n", '1', 160},
	};
	struct gw_dtmf_relay d;

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		assert_int_equal(gw_dtmf_relay_parse(&d, row[i].text,
						     strlen(row[i].text)),
				 0);
		assert_int_equal(d.signal, row[i].signal);
		assert_int_equal(d.duration_ms, row[i].ms);
	}
}

static void what_is_no_digit_is_refused(void **state)
{
	static const char *const row[] = {
		"",
		"\r\n",
		"Signal",
		"Signal=",
		"Signal=zz",
		"Signal=55",
		"Signal=E",
		"Signals=5",
		"Duration=160\r\n",
		"Signal=5\r\nDuration=long",
		"Signal=5\r\nDuration=",
		"Signal=5\r\nDuration=-1",
		"Signal=5\r\nDuration=99999999999999999999",
		"Signal=5\r\nSignal=zz",
	};
	struct gw_dtmf_relay d;

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_int_equal(
			gw_dtmf_relay_parse(&d, row[i], strlen(row[i])),
			-EINVAL);
	/* A NUL is no digit and ends nothing. */
	assert_int_equal(gw_dtmf_relay_parse(&d, "Signal=\0", 8), -EINVAL);
	assert_int_equal(gw_dtmf_relay_parse(&d, "\0\nSignal=5", 10), 0);
}

static void plain_digit_stands_alone(void **state)
{
	struct gw_dtmf_relay d;

	(void)state;
	assert_int_equal(gw_dtmf_digit_parse(&d, "5", 1), 0);
	assert_int_equal(d.signal, '5');
	assert_int_equal(d.duration_ms, 160);
	assert_int_equal(gw_dtmf_digit_parse(&d, " a\r\n", 4), 0);
	assert_int_equal(d.signal, 'A');
	assert_int_equal(gw_dtmf_digit_parse(&d, "", 0), -EINVAL);
	assert_int_equal(gw_dtmf_digit_parse(&d, "55", 2), -EINVAL);
	assert_int_equal(gw_dtmf_digit_parse(&d, "x", 1), -EINVAL);
	assert_int_equal(gw_dtmf_digit_parse(&d, "\0", 1), -EINVAL);
}

static void printed_digit_is_read_back(void **state)
{
	const struct gw_dtmf_relay max = { 'D', UINT32_MAX };
	char text[GW_DTMF_RELAY_SIZE];
	struct gw_dtmf_relay d = { '#', 240 }, back;
	size_t len = gw_dtmf_relay_print(text, &d);

	(void)state;
	assert_string_equal(text, "Signal=#\r\nDuration=240\r\n");
	assert_int_equal(gw_dtmf_relay_parse(&back, text, len), 0);
	assert_int_equal(back.signal, '#');
	assert_int_equal(back.duration_ms, 240);
	assert_true(gw_dtmf_relay_print(text, &max) < GW_DTMF_RELAY_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digits_and_durations_are_read),
		cmocka_unit_test(what_is_no_digit_is_refused),
		cmocka_unit_test(plain_digit_stands_alone),
		cmocka_unit_test(printed_digit_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
