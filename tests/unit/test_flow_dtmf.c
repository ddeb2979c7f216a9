/* DTMF through a flow (RFC 4733). */
#include "tests/unit/flow_rig.h"

static void a_browser_digit_reaches_the_phone(void **state)
{
	/* Opus with telephone-event/48000 to Opus with /8000: durations are
	 * divided, times stay on the clock of Opus. */
	struct rig r;
	unsigned i;

	(void)state;
	rig_init(&r, &browser, &phone);
	pack(&r, 111, false, PHONE, 50, 96000);
	assert_int_equal(put(&r), GW_FLOW_SEND);
	assert_int_equal(r.out.pt, 96);
	for (i = 0; i < 7; i++) {
		bool end = i >= 4;
		uint16_t dur = (uint16_t)(960 * (end ? 5 : i + 1));
		uint8_t want[4] = { 7, (uint8_t)(end ? 0x8a : 0x0a),
				    (uint8_t)(dur / 6 >> 8),
				    (uint8_t)(dur / 6) };

		r.now_us += PTIME_US;
		assert_int_equal(
			event(&r, 110, (uint16_t)(51 + i), 96960, dur, end),
			GW_FLOW_SEND);
		sent(&r, SEQ0 + 1 + i, TS0 + 960, i == 0);
		assert_int_equal(r.out.pt, 101);
		assert_int_equal(r.res.len, GW_RTP_HEADER + 4);
		assert_memory_equal(r.data + GW_RTP_HEADER, want, 4);
		assert_int_equal(r.res.ndigit, i == 4);
	}
	assert_int_equal(r.res.digit[0].code, 7);
	assert_int_equal(r.res.digit[0].duration_ms, 100);
	/* Audio goes on, on its own time line. */
	r.now_us += PTIME_US;
	pack(&r, 111, false, PHONE, 58, 96000 + 960 * 8);
	assert_int_equal(put(&r), GW_FLOW_SEND);
	sent(&r, SEQ0 + 8, TS0 + 960 * 8, false);
}

static void
a_phone_digit_takes_the_browsers_event_of_its_audio_clock(void **state)
{
	struct rig r;

	(void)state;
	/* PCMU: the browser's event at 8000 it is. */
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 10, 1000);
	r.now_us += PTIME_US;
	assert_int_equal(event(&r, 100, 11, 1160, 160, false), GW_FLOW_SEND);
	sent(&r, SEQ0 + 1, TS0 + 160, true);
	assert_int_equal(r.out.pt, 126);
	assert_int_equal(r.data[15], 160);

	/* Opus: its event at 48000, times six; the phone's timestamp may be
	 * on the clock of its audio (RFC 4733 2.1) ... */
	rig_init(&r, &phone, &browser);
	pack(&r, 97, false, PHONE, 10, 96000);
	put(&r);
	r.now_us += PTIME_US;
	assert_int_equal(event(&r, 100, 11, 96960, 160, false), GW_FLOW_SEND);
	sent(&r, SEQ0 + 1, TS0 + 960, true);
	assert_int_equal(r.out.pt, 110);
	assert_int_equal(r.data[14] << 8 | r.data[15], 960);
	r.now_us += PTIME_US;
	assert_int_equal(event(&r, 100, 12, 96960, 320, true), GW_FLOW_SEND);
	sent(&r, SEQ0 + 2, TS0 + 960, false);

	/* ... or on one of its own: then it starts when it comes. */
	r.now_us += 10 * PTIME_US;
	assert_int_equal(event(&r, 100, 13, 5, 160, false), GW_FLOW_SEND);
	sent(&r, SEQ0 + 3, TS0 + 960 * 12, true);
	assert_int_equal(event(&r, 100, 14, 5, 320, true), GW_FLOW_SEND);
	sent(&r, SEQ0 + 4, TS0 + 960 * 12, false);
}

static void without_an_event_of_its_clock_the_first_one_serves(void **state)
{
	struct gw_stream opus8 = browser;
	struct rig r;

	(void)state;
	opus8.codec[2] = opus8.codec[3]; /* Chrome with /8000 alone */
	opus8.ncodec = 3;
	rig_init(&r, &phone, &opus8);
	pack(&r, 97, false, PHONE, 10, 96000);
	put(&r);
	r.now_us += PTIME_US;
	assert_int_equal(event(&r, 100, 11, 96960, 160, false), GW_FLOW_SEND);
	sent(&r, SEQ0 + 1, TS0 + 960, true); /* time: the audio's clock */
	assert_int_equal(r.out.pt, 126);
	assert_int_equal(r.data[15], 160); /* duration: its own */
}

static void an_event_may_come_before_any_audio(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser); /* line: Opus; event: 8000 */
	assert_int_equal(event(&r, 100, 10, 77, 160, false), GW_FLOW_SEND);
	sent(&r, SEQ0, TS0, true);
	assert_int_equal(r.out.pt, 110);
	r.now_us += PTIME_US;
	assert_int_equal(event(&r, 100, 11, 77, 320, true), GW_FLOW_SEND);
	sent(&r, SEQ0 + 1, TS0, false);
	r.now_us += PTIME_US;
	pack(&r, 97, false, PHONE, 12, 123);
	assert_int_equal(put(&r), GW_FLOW_SEND);
	sent(&r, SEQ0 + 2, TS0 + 1920, true);
}

static void a_digit_is_heard_where_events_cannot_go(void **state)
{
	struct gw_stream deaf = browser;
	struct rig r;

	(void)state;
	deaf.ncodec = 2;
	rig_init(&r, &phone, &deaf);
	audio(&r, PHONE, 10, 1000);
	assert_int_equal(event(&r, 100, 11, 1160, 160, false),
			 GW_FLOW_NO_CODEC);
	assert_int_equal(event(&r, 100, 12, 1160, 800, true), GW_FLOW_NO_CODEC);
	assert_int_equal(r.res.ndigit, 1);
	assert_int_equal(event(&r, 100, 13, 1160, 800, true), GW_FLOW_NO_CODEC);
	assert_int_equal(r.res.ndigit, 0);
	r.now_us += 4 * PTIME_US;
	audio(&r, PHONE, 14, 1640);
	sent(&r, SEQ0 + 1, TS0 + 640, false); /* and leaves no gap */
	/* Taken over in the middle of an event, it starts there. */
	event(&r, 100, 15, 1800, 160, false);
	gw_flow_configure(&r.f, &phone, &browser);
	assert_int_equal(event(&r, 100, 16, 1800, 320, false), GW_FLOW_SEND);
	sent(&r, SEQ0 + 2, TS0 + 800, true);
}

static void reordered_event_packets_keep_their_places(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 10, 1000);
	event(&r, 100, 11, 1160, 160, false);
	event(&r, 100, 13, 1160, 480, true);
	sent(&r, SEQ0 + 3, TS0 + 160, false);
	assert_int_equal(r.res.ndigit, 1);
	assert_int_equal(event(&r, 100, 12, 1160, 320, false), GW_FLOW_SEND);
	sent(&r, SEQ0 + 2, TS0 + 160, false);
	assert_int_equal(event(&r, 100, 12, 1160, 320, false),
			 GW_FLOW_DUPLICATE);
	/* Late and of an event nobody knows. */
	assert_int_equal(event(&r, 100, 9, 40, 320, true), GW_FLOW_TOO_OLD);
	assert_int_equal(r.res.ndigit, 0);
}

static void a_lost_end_is_found_by_the_clock_or_the_switch(void **state)
{
	struct gw_dtmf_digit d;
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 10, 1000);
	event(&r, 100, 11, 1160, 400, false);
	assert_false(gw_flow_poll_digit(&r.f, r.now_us, &d));
	assert_true(gw_flow_digit_due_us(&r.f) == r.now_us + GW_DTMF_LOST_US);
	assert_true(gw_flow_poll_digit(&r.f, r.now_us + GW_DTMF_LOST_US, &d));
	assert_int_equal(d.code, 7);
	assert_int_equal(d.duration_ms, 50);
	assert_true(gw_flow_digit_due_us(&r.f) == UINT64_MAX);

	event(&r, 100, 12, 3000, 800, false);
	assert_int_equal(audio(&r, PHONE2, 500, 77), GW_FLOW_SEND);
	assert_int_equal(r.res.ndigit, 1);
	assert_int_equal(r.res.digit[0].duration_ms, 100);
	assert_int_equal(audio(&r, PHONE2, 501, 237), GW_FLOW_SEND);
	assert_int_equal(r.res.ndigit, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_browser_digit_reaches_the_phone),
		cmocka_unit_test(
			a_phone_digit_takes_the_browsers_event_of_its_audio_clock),
		cmocka_unit_test(
			without_an_event_of_its_clock_the_first_one_serves),
		cmocka_unit_test(an_event_may_come_before_any_audio),
		cmocka_unit_test(a_digit_is_heard_where_events_cannot_go),
		cmocka_unit_test(reordered_event_packets_keep_their_places),
		cmocka_unit_test(
			a_lost_end_is_found_by_the_clock_or_the_switch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
