/* Telephone-events: digits heard once, durations and times converted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "media/dtmf.h"

#define FIVE 5
#define HASH 11

/* Feeds one packet of an 8 kHz event; returns how many digits came out. */
struct ear {
	struct gw_dtmf_rx rx;
	struct gw_dtmf_track *t;
	struct gw_dtmf_digit digit[2];
	uint64_t now_us;
};

static unsigned hear(struct ear *e, uint8_t code, uint32_t ts, uint16_t dur,
		     bool end, bool late)
{
	struct gw_dtmf_packet p = {
		.d = {.code = code, .end = end, .duration = dur},
		.late = late,
		.timestamp = ts,
		.clock_hz = 8000,
		.ts_clock_hz = 8000,
	};
	unsigned n = 99;

	e->now_us += 20000;
	e->t = gw_dtmf_track(&e->rx, &p, e->now_us, e->digit, &n);
	return n;
}

static void a_payload_reads_back_as_written(void **state)
{
	static const uint8_t wire[] = { 11, 0x8a, 0x12, 0x34 };
	uint8_t out[GW_DTMF_PAYLOAD];
	struct gw_dtmf d;

	(void)state;
	assert_int_equal(gw_dtmf_parse(&d, wire, 4), 0);
	assert_int_equal(d.code, HASH);
	assert_true(d.end);
	assert_int_equal(d.volume, 10);
	assert_int_equal(d.duration, 0x1234);
	gw_dtmf_write(out, &d);
	assert_memory_equal(out, wire, 4);
	assert_int_equal(gw_dtmf_parse(&d, wire, 3), -EBADMSG);
	assert_int_equal(gw_dtmf_parse(&d, wire, 0), -EBADMSG);
}

static void a_digit_is_reported_once_by_its_first_end(void **state)
{
	struct ear e = { 0 };

	(void)state;
	assert_int_equal(hear(&e, FIVE, 1000, 160, false, false), 0);
	assert_int_equal(hear(&e, FIVE, 1000, 320, false, false), 0);
	assert_int_equal(hear(&e, FIVE, 1000, 800, true, false), 1);
	assert_int_equal(e.digit[0].code, FIVE);
	assert_int_equal(e.digit[0].duration_ms, 100);
	assert_int_equal(hear(&e, FIVE, 1000, 800, true, false), 0);
	assert_int_equal(hear(&e, FIVE, 1000, 800, true, false), 0);
	assert_int_equal(hear(&e, FIVE, 1000, 480, false, true), 0);
	assert_true(gw_dtmf_due_us(&e.rx) == UINT64_MAX);
	assert_false(gw_dtmf_poll(&e.rx, UINT64_MAX, e.digit));
}

static void only_the_last_end_packet_suffices(void **state)
{
	struct ear e = { 0 };

	(void)state;
	assert_int_equal(hear(&e, FIVE, 1000, 800, true, false), 1);
	assert_int_equal(e.digit[0].duration_ms, 100);
}

static void a_lost_end_is_made_up_by_the_next_event(void **state)
{
	struct ear e = { 0 };

	(void)state;
	assert_int_equal(hear(&e, FIVE, 1000, 400, false, false), 0);
	/* And the next comes with all but its end lost: both at once. */
	assert_int_equal(hear(&e, HASH, 3000, 640, true, false), 2);
	assert_int_equal(e.digit[0].code, FIVE);
	assert_int_equal(e.digit[0].duration_ms, 50);
	assert_int_equal(e.digit[1].code, HASH);
	assert_int_equal(e.digit[1].duration_ms, 80);
	/* Stragglers of the first belong to it, and add nothing. */
	assert_int_equal(hear(&e, FIVE, 1000, 480, true, true), 0);
	assert_non_null(e.t);
	/* Those of an event before that are no one's. */
	assert_int_equal(hear(&e, FIVE, 5000, 480, true, false), 1);
	assert_int_equal(hear(&e, FIVE, 1000, 480, true, true), 0);
	assert_null(e.t);
}

static void a_lost_end_is_made_up_by_silence(void **state)
{
	struct ear e = { 0 };
	uint64_t due;

	(void)state;
	hear(&e, FIVE, 1000, 400, false, false);
	due = gw_dtmf_due_us(&e.rx);
	assert_true(due == e.now_us + GW_DTMF_LOST_US);
	assert_false(gw_dtmf_poll(&e.rx, due - 1, e.digit));
	assert_true(gw_dtmf_poll(&e.rx, due, e.digit));
	assert_int_equal(e.digit[0].code, FIVE);
	assert_int_equal(e.digit[0].duration_ms, 50);
	assert_false(gw_dtmf_poll(&e.rx, due, e.digit));
	/* It was not over after all: still one digit. */
	assert_int_equal(hear(&e, FIVE, 1000, 4000, true, false), 0);
}

static void the_same_digit_twice_is_two_digits(void **state)
{
	struct ear e = { 0 };

	(void)state;
	assert_int_equal(hear(&e, FIVE, 1000, 400, true, false), 1);
	assert_int_equal(hear(&e, FIVE, 1800, 400, true, false), 1);
}

static void a_clock_that_stands_still_does_not_hide_digits(void **state)
{
	struct gw_dtmf_packet p = {
		.d = {.code = FIVE, .duration = 160},
		.marker = true,
		.timestamp = 1000,
		.clock_hz = 8000,
	};
	struct ear e = { 0 };
	unsigned n;

	(void)state;
	assert_int_equal(hear(&e, FIVE, 1000, 400, true, false), 1);
	/* Another code, or a marker: another event, not a late packet. */
	assert_int_equal(hear(&e, HASH, 1000, 400, true, false), 1);
	assert_int_equal(hear(&e, FIVE, 1000, 400, true, true), 0);
	assert_int_equal(hear(&e, FIVE, 1000, 400, true, false), 1);
	assert_non_null(gw_dtmf_track(&e.rx, &p, e.now_us, e.digit, &n));
	assert_int_equal(n, 0);
	assert_int_equal(hear(&e, FIVE, 1000, 400, true, false), 1);
}

static void events_that_are_no_digits_are_not_reported(void **state)
{
	struct ear e = { 0 };

	(void)state;
	assert_int_equal(hear(&e, 16, 1000, 400, true, false), 0);
	assert_non_null(e.t); /* but relayed */
	assert_int_equal(hear(&e, 15, 2000, 400, true, false), 1);
}

static void a_very_long_digit_is_one_digit(void **state)
{
	struct ear e = { 0 };
	uint32_t ts = 0xffffff00u;
	unsigned i;

	(void)state;
	for (i = 0; i < 10; i++) {
		assert_int_equal(hear(&e, FIVE, ts, 30000, false, false), 0);
		assert_int_equal(hear(&e, FIVE, ts, 0xffff, false, false), 0);
		ts += 0xffff;
	}
	assert_int_equal(hear(&e, FIVE, ts, 8000, true, false), 1);
	assert_int_equal(e.digit[0].duration_ms, UINT16_MAX);

	memset(&e, 0, sizeof(e));
	hear(&e, FIVE, 5, 0xffff, false, false);
	assert_int_equal(hear(&e, FIVE, 5 + 0xffff, 14465, true, false), 1);
	assert_int_equal(e.digit[0].duration_ms, 10000);
}

static void a_segment_on_the_audio_clock_continues_too(void **state)
{
	struct gw_dtmf_packet p = {
		.d = {.code = FIVE, .duration = 0xffff},
		.timestamp = 7,
		.clock_hz = 8000,
		.ts_clock_hz = 48000,
	};
	struct ear e = { 0 };
	unsigned n;

	(void)state;
	gw_dtmf_track(&e.rx, &p, 1, e.digit, &n);
	p.timestamp += 6 * 0xffff;
	p.d.duration = 8000;
	p.d.end = true;
	assert_ptr_equal(gw_dtmf_track(&e.rx, &p, 2, e.digit, &n), &e.rx.ev[0]);
	assert_int_equal(n, 1);
	assert_int_equal(e.digit[0].duration_ms, (0xffff + 8000) / 8);
}

/* ---- conversion ---- */

struct step {
	uint32_t in_ts;
	uint16_t in;
	bool end;
	uint16_t out;
	uint32_t out_ts;
	bool marker;
};

static void convert(const struct step *step, size_t n, uint32_t from_hz,
		    uint32_t to_hz, uint32_t to_ts_hz)
{
	struct gw_dtmf_rx rx = { 0 };
	struct gw_dtmf_digit digit[2];
	struct gw_dtmf_track *t;
	unsigned ndigit;
	uint32_t ts;
	bool marker;
	size_t i;

	for (i = 0; i < n; i++) {
		struct gw_dtmf_packet p = {
			.d = {FIVE, step[i].end, 10, step[i].in},
			.timestamp = step[i].in_ts,
			.clock_hz = from_hz,
		};

		t = gw_dtmf_track(&rx, &p, i * 20000, digit, &ndigit);
		assert_non_null(t);
		if (!t->opened)
			t->out_ts = 9000;
		gw_dtmf_convert(t, &p.d, to_hz, to_ts_hz, &ts, &marker);
		assert_int_equal(p.d.duration, step[i].out);
		assert_int_equal(ts, step[i].out_ts);
		assert_int_equal(marker, step[i].marker);
		assert_int_equal(p.d.end, step[i].end);
		assert_int_equal(p.d.volume, 10);
		assert_int_equal(p.d.code, FIVE);
	}
}

#define CONVERT(steps, from, to, line)                                         \
	convert(steps, sizeof(steps) / sizeof((steps)[0]), from, to, line)

static void browser_durations_become_phone_durations(void **state)
{
	static const struct step steps[] = {
		{100,  960,  false, 160, 9000, true },
		{ 100, 1920, false, 320, 9000, false},
		{ 100, 4800, true,  800, 9000, false},
		{ 100, 4800, true,  800, 9000, false},
		{ 100, 4800, true,  800, 9000, false},
	};

	(void)state;
	CONVERT(steps, 48000, 8000, 8000);
}

static void phone_durations_become_browser_durations(void **state)
{
	static const struct step steps[] = {
		{100,  0,   false, 0,    9000, true },
		{ 100, 1,   false, 6,    9000, false},
		{ 100, 160, false, 960,  9000, false},
		{ 100, 800, true,  4800, 9000, false},
		{ 100, 800, true,  4800, 9000, false},
		{ 100, 800, true,  4800, 9000, false},
	};

	(void)state;
	CONVERT(steps, 8000, 48000, 48000);
}

static void odd_durations_round_and_never_vanish(void **state)
{
	static const struct step steps[] = {
		{100,  1,     false, 1,     9000, true },
		{ 100, 9,     false, 2,     9000, false},
		{ 100, 14,    false, 2,     9000, false},
		{ 100, 65535, true,  10923, 9000, false},
	};

	(void)state;
	CONVERT(steps, 48000, 8000, 8000);
}

static void a_long_phone_event_is_split_for_the_browser(void **state)
{
	/* 65535 / 6 = 10922.5: the packet that crosses it reports the full
	 * segment, the next opens the new one without M bit. */
	static const struct step steps[] = {
		{100,  10880, false, 65280, 9000,             true },
		{ 100, 11040, false, 65535, 9000,             false},
		{ 100, 11200, false, 1665,  9000 + 65535,     false},
		{ 100, 21760, false, 65025, 9000 + 65535,     false},
		{ 100, 21920, true,  450,   9000 + 2 * 65535, false},
		{ 100, 21920, true,  450,   9000 + 2 * 65535, false},
		{ 100, 21920, true,  450,   9000 + 2 * 65535, false},
	};

	(void)state;
	CONVERT(steps, 8000, 48000, 48000);
}

static void browser_segments_become_one_phone_event(void **state)
{
	static const struct step steps[] = {
		{100,              65280, false, 10880, 9000, true },
		{ 100,             65535, false, 10923, 9000, false},
		{ 100 + 65535,     705,   false, 11040, 9000, false},
		{ 100 + 65535,     65535, false, 21845, 9000, false},
		{ 65535 * 2 + 100, 930,   true,  22000, 9000, false},
	};

	(void)state;
	CONVERT(steps, 48000, 8000, 8000);
}

static void equal_clocks_pass_segments_through(void **state)
{
	static const struct step steps[] = {
		{100,          65400, false, 65400, 9000,         true },
		{ 100,         65535, false, 65535, 9000,         false},
		{ 100 + 65535, 160,   false, 160,   9000 + 65535, false},
		{ 100 + 65535, 320,   true,  320,   9000 + 65535, false},
	};

	(void)state;
	CONVERT(steps, 8000, 8000, 8000);
}

static void segments_advance_on_the_clock_of_the_audio(void **state)
{
	/* Event at 8000 beside Opus: durations in 8 kHz, times in 48 kHz. */
	static const struct step steps[] = {
		{100,          65535, false, 65535, 9000,             true },
		{ 100 + 65535, 160,   true,  160,   9000 + 65535 * 6, false},
	};

	(void)state;
	CONVERT(steps, 8000, 8000, 48000);
}

static void an_endless_hostile_event_stays_in_bounds(void **state)
{
	struct gw_dtmf_rx rx = { 0 };
	struct gw_dtmf_packet p = {
		.d = {.code = FIVE, .duration = 0xffff},
		.clock_hz = 1,
	};
	struct gw_dtmf_digit digit[2];
	unsigned i, n;
	uint32_t ts;
	bool marker;

	(void)state;
	for (i = 0; i < 200000; i++) {
		struct gw_dtmf d = p.d;
		struct gw_dtmf_track *t = gw_dtmf_track(&rx, &p, i, digit, &n);

		assert_non_null(t);
		assert_int_equal(n, 0);
		gw_dtmf_convert(t, &d, 48000, 48000, &ts, &marker);
		assert_int_equal(d.duration, 0xffff);
		p.timestamp += 0xffff;
	}
	assert_true(gw_dtmf_poll(&rx, UINT64_MAX - 1, digit));
	assert_int_equal(digit[0].duration_ms, UINT16_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_payload_reads_back_as_written),
		cmocka_unit_test(a_digit_is_reported_once_by_its_first_end),
		cmocka_unit_test(only_the_last_end_packet_suffices),
		cmocka_unit_test(a_lost_end_is_made_up_by_the_next_event),
		cmocka_unit_test(a_lost_end_is_made_up_by_silence),
		cmocka_unit_test(the_same_digit_twice_is_two_digits),
		cmocka_unit_test(
			a_clock_that_stands_still_does_not_hide_digits),
		cmocka_unit_test(events_that_are_no_digits_are_not_reported),
		cmocka_unit_test(a_very_long_digit_is_one_digit),
		cmocka_unit_test(a_segment_on_the_audio_clock_continues_too),
		cmocka_unit_test(browser_durations_become_phone_durations),
		cmocka_unit_test(phone_durations_become_browser_durations),
		cmocka_unit_test(odd_durations_round_and_never_vanish),
		cmocka_unit_test(a_long_phone_event_is_split_for_the_browser),
		cmocka_unit_test(browser_segments_become_one_phone_event),
		cmocka_unit_test(equal_clocks_pass_segments_through),
		cmocka_unit_test(segments_advance_on_the_clock_of_the_audio),
		cmocka_unit_test(an_endless_hostile_event_stays_in_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
