/* One direction of a stream: what goes in broken comes out whole. */
#include "tests/unit/flow_rig.h"

static void output_starts_where_we_say(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	assert_int_equal(audio(&r, PHONE, 60000, 123456), GW_FLOW_SEND);
	sent(&r, SEQ0, TS0, true);
	assert_int_equal(r.res.len, GW_RTP_HEADER + 160);
	assert_int_equal(r.data[GW_RTP_HEADER], 0x55);
	r.now_us += PTIME_US;
	assert_int_equal(audio(&r, PHONE, 60001, 123616), GW_FLOW_SEND);
	sent(&r, SEQ0 + 1, TS0 + 160, false);
}

static void a_random_start_leaves_room_before_the_wrap(void **state)
{
	struct gw_flow a, b;
	unsigned i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		gw_flow_init(&a);
		assert_true((uint16_t)(a.out_highest + 1) < 0x8000);
		assert_int_not_equal(gw_flow_ssrc(&a), 0);
	}
	gw_flow_init(&b);
	assert_int_not_equal(gw_flow_ssrc(&a), gw_flow_ssrc(&b));
}

static void payload_types_are_those_of_the_to_end(void **state)
{
	static const struct {
		uint8_t in;
		int out; /* -1: not taken */
	} map[] = {
		{0,   0  },
                { 8,  -1 },
                { 97, 111},
                { 96, -1 },
                { 13, -1 }
	};
	struct rig r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
		rig_init(&r, &phone, &browser);
		pack(&r, map[i].in, true, PHONE, 5, 5);
		if (map[i].out < 0) {
			assert_int_equal(put(&r), GW_FLOW_NO_CODEC);
			continue;
		}
		assert_int_equal(put(&r), GW_FLOW_SEND);
		assert_int_equal(r.out.pt, map[i].out);
	}
}

static void equal_numbers_decide_between_equal_names(void **state)
{
	struct gw_stream two = { .kind = GW_MEDIA_VIDEO, .ncodec = 2 };
	struct rig r;

	(void)state;
	two.codec[0] = (struct gw_codec){
		.pt = 98, .rx_pt = 98, .clock_hz = 90000, .name = "h264"
	};
	two.codec[1] = two.codec[0];
	two.codec[1].pt = two.codec[1].rx_pt = 99;
	rig_init(&r, &two, &two);
	pack(&r, 99, false, PHONE, 1, 1);
	assert_int_equal(put(&r), GW_FLOW_SEND);
	assert_int_equal(r.out.pt, 99);
	/* The marker of video ends a frame: a start is none. */
	assert_false(r.out.marker);
}

static void agreed_extensions_go_on_under_the_to_ends_numbers(void **state)
{
	struct gw_stream from = phone, to = phone;
	struct rig r;

	(void)state;
	from.ext[GW_HDREXT_LEVEL] = 1;
	from.ext[GW_HDREXT_MID] = 4;
	to.ext[GW_HDREXT_LEVEL] = 7;
	to.ext[GW_HDREXT_MID] = 4;
	rig_init(&r, &from, &to);
	pack(&r, 0, false, PHONE, 1, 1);
	r.data[0] = 0x90;
	/* An m-line's name, and 5 below the loudest. */
	memcpy(r.data + 12, "\xbe\xde\0\2\x41v0\x10\x85\0\0\0", 12);
	assert_int_equal(gw_flow_packet(&r.f, r.data, r.len, r.now_us, &r.res),
			 GW_FLOW_SEND);
	assert_int_equal(r.res.len, 12 + 8 + 160 - 12);
	assert_int_equal(r.res.ext_bytes, 8);
	assert_memory_equal(r.data + 12, "\xbe\xde\0\1\x70\x85\0\0", 8);
	/* What counts as sent is the payload; taken back, nothing is. */
	assert_true(r.f.tx_octets == 148);
	gw_flow_unsent(&r.f, &r.res);
	assert_true(r.f.tx_octets == 0 && r.f.tx_bytes == 0);

	/* An event is made anew, and has none. */
	pack(&r, 100, true, PHONE, 2, 1);
	r.data[0] = 0x90;
	memcpy(r.data + 12, "\xbe\xde\0\1\x10\x85\0\0\7\x0a\0\xa0", 12);
	r.len = 24;
	assert_int_equal(put(&r), GW_FLOW_SEND);
	assert_int_equal(r.res.len, 16);
	assert_int_equal(r.data[12], 7);
}

static void extensions_and_padding_stay_behind(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	pack(&r, 0, false, PHONE, 1, 1);
	r.data[0] = 0xb1; /* one CSRC, extension of one word, padding */
	memset(r.data + 12, 0, 12);
	r.data[19] = 1;
	memcpy(r.data + 24, "voice", 5);
	r.data[31] = 3;
	r.len = 32;
	assert_int_equal(put(&r), GW_FLOW_SEND);
	assert_int_equal(r.res.len, 17);
	assert_memory_equal(r.data + 12, "voice", 5);
	assert_int_equal(r.data[0], 0x80);
	assert_int_equal(r.f.tx_octets, 5);
}

/* 70,000 packets with everything that happens on the way, against a model
 * that keeps the rules of the header by itself. */
static void a_long_call_with_accidents_is_one_stream(void **state)
{
	uint8_t *used = calloc(1, 200000);
	uint64_t out_ext = 0x10000 + SEQ0 - 1, highest = out_ext;
	uint32_t lost = 0, sent_n = 0, late_n = 0, dup_n = 0;
	uint16_t seq = 65000;
	uint32_t ts = 5, rnd = 1, ssrc = PHONE, last_ts = TS0;
	struct rig r;
	unsigned i;

	(void)state;
	assert_non_null(used);
	rig_init(&r, &phone, &browser);
	for (i = 0; i < 70000; i++) {
		bool marker = i == 0;
		unsigned what;

		rnd = rnd * 1664525 + 1013904223;
		what = rnd >> 16 & 0x3ff;
		r.now_us += PTIME_US;
		if (i && i % 9973 == 0) { /* another SSRC, anywhere */
			ssrc++;
			seq = (uint16_t)rnd;
			ts = rnd ^ 0x5a5a5a5a;
			marker = true;
			out_ext = highest + 1;
		} else if (i && i % 7001 == 0) { /* hold for 3 s */
			gw_flow_gate(&r.f, false);
			assert_int_equal(audio(&r, ssrc, seq, ts),
					 GW_FLOW_GATED);
			gw_flow_gate(&r.f, true);
			r.now_us += 3000000;
			seq = (uint16_t)(seq + 151);
			ts += 151 * 160;
			marker = true;
			out_ext = highest + 1;
		} else if (i && what < 10) { /* 1 to 4 lost */
			unsigned n = 1 + (rnd & 3);

			lost += n;
			seq = (uint16_t)(seq + n);
			ts += 160 * n;
			r.now_us += PTIME_US * n;
			out_ext += n + 1;
		} else {
			out_ext++;
		}

		assert_int_equal(audio(&r, ssrc, seq, ts), GW_FLOW_SEND);
		assert_int_equal(r.out.seq, (uint16_t)out_ext);
		assert_int_equal(r.out.marker, marker);
		/* The time line moves on, never by more than the clock. */
		assert_in_range(r.out.timestamp - last_ts, i ? 1 : 0,
				8 * 3021 + 160 * 4);
		last_ts = r.out.timestamp;
		assert_true(out_ext < 200000);
		assert_int_equal(used[out_ext], 0);
		used[out_ext] = 1;
		highest = out_ext;
		sent_n++;

		if (what >= 1000) { /* the same again */
			assert_int_equal(audio(&r, ssrc, seq, ts),
					 GW_FLOW_DUPLICATE);
			dup_n++;
		}
		if (what == 500) { /* the next overtakes this place */
			r.now_us += PTIME_US;
			assert_int_equal(
				audio(&r, ssrc, (uint16_t)(seq + 2), ts + 320),
				GW_FLOW_SEND);
			assert_int_equal(r.out.seq, (uint16_t)(out_ext + 2));
			assert_int_equal(
				audio(&r, ssrc, (uint16_t)(seq + 1), ts + 160),
				GW_FLOW_SEND);
			assert_int_equal(r.out.seq, (uint16_t)(out_ext + 1));
			assert_int_equal(r.out.timestamp, last_ts + 160);
			last_ts += 320;
			used[out_ext + 1] = used[out_ext + 2] = 1;
			highest = out_ext += 2;
			seq = (uint16_t)(seq + 2);
			ts += 320;
			sent_n += 2;
			late_n++;
		}
		seq++;
		ts += 160;
	}
	assert_true(dup_n > 500 && late_n > 20 && lost > 500);
	assert_int_equal(r.f.tx_packets, sent_n);
	/* What is missing in the output is what was lost before us. */
	assert_int_equal(highest - (0x10000 + SEQ0) + 1 - sent_n, lost);
	free(used);
}

static void another_ssrc_goes_on_in_the_same_stream(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 10, 1000);
	r.now_us += PTIME_US;
	audio(&r, PHONE, 11, 1160);
	r.now_us += 50000; /* 50 ms later: 400 ticks */
	assert_int_equal(audio(&r, PHONE2, 500, 77), GW_FLOW_SEND);
	sent(&r, SEQ0 + 2, TS0 + 160 + 400, true);
	r.now_us += PTIME_US;
	assert_int_equal(audio(&r, PHONE2, 501, 77 + 160), GW_FLOW_SEND);
	sent(&r, SEQ0 + 3, TS0 + 160 + 400 + 160, false);
	assert_int_equal(r.f.switches, 1);
}

static void a_switch_in_the_same_instant_still_moves_time(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 10, 1000);
	audio(&r, PHONE2, 10, 1000);
	sent(&r, SEQ0 + 1, TS0 + 160, true);
}

static void stragglers_of_the_old_source_do_not_switch_back(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 10, 1000);
	audio(&r, PHONE2, 500, 77);
	assert_int_equal(audio(&r, PHONE, 11, 1160), GW_FLOW_OLD_SOURCE);
	r.now_us += GW_FLOW_SOURCE_HOLD_US - 1;
	assert_int_equal(audio(&r, PHONE, 12, 1320), GW_FLOW_OLD_SOURCE);
	assert_int_equal(r.f.switches, 1);
	/* But when the new one is silent, the old one may come back. */
	r.now_us += 1;
	assert_int_equal(audio(&r, PHONE, 13, 1480), GW_FLOW_SEND);
	sent(&r, SEQ0 + 2, TS0 + 160 + 4000, true);
}

static void what_is_not_negotiated_makes_no_source(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 10, 1000);
	pack(&r, 77, false, PHONE2, 9, 9);
	assert_int_equal(put(&r), GW_FLOW_NO_CODEC);
	assert_int_equal(r.f.switches, 0);
	assert_int_equal(audio(&r, PHONE, 11, 1160), GW_FLOW_SEND);
}

static void a_new_numbering_costs_one_packet_and_no_gap(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 10, 1000);
	r.now_us += PTIME_US;
	assert_int_equal(audio(&r, PHONE, 40000, 9), GW_FLOW_JUMP);
	r.now_us += PTIME_US;
	assert_int_equal(audio(&r, PHONE, 40001, 169), GW_FLOW_SEND);
	sent(&r, SEQ0 + 1, TS0 + 320, true);
	/* What comes late from before is gone. */
	assert_int_equal(audio(&r, PHONE, 40000, 9), GW_FLOW_TOO_OLD);
}

static void a_time_line_that_jumps_is_straightened(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 10, 1000);
	r.now_us += PTIME_US;
	assert_int_equal(audio(&r, PHONE, 12, 0x80000000u), GW_FLOW_SEND);
	sent(&r, SEQ0 + 2, TS0 + 160, true); /* the gap is a loss, and stays */
	r.now_us += PTIME_US;
	assert_int_equal(audio(&r, PHONE, 13, 0x80000000u + 160), GW_FLOW_SEND);
	sent(&r, SEQ0 + 3, TS0 + 320, false);
	/* A late one of before the jump is on the old time line. */
	assert_int_equal(audio(&r, PHONE, 11, 1080), GW_FLOW_SEND);
	sent(&r, SEQ0 + 1, TS0 + 80, false);
	/* Back to the start again. */
	r.now_us += PTIME_US;
	assert_int_equal(audio(&r, PHONE, 14, 1000), GW_FLOW_SEND);
	sent(&r, SEQ0 + 4, TS0 + 480, true);
}

static void silence_is_not_a_jump(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 10, 1000);
	r.now_us += 600000000; /* ten minutes of discontinuous transmission */
	assert_int_equal(audio(&r, PHONE, 11, 1000 + 4800000), GW_FLOW_SEND);
	sent(&r, SEQ0 + 1, TS0 + 4800000, false);
	/* A burst after a stall keeps the source's times. */
	r.now_us += 1000000;
	audio(&r, PHONE, 12, 1000 + 4800160);
	audio(&r, PHONE, 13, 1000 + 4800320);
	sent(&r, SEQ0 + 3, TS0 + 4800320, false);
}

static void hold_leaves_no_gap_and_time_goes_on(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 10, 1000);
	gw_flow_gate(&r.f, false);
	r.now_us += 10000000;
	assert_int_equal(audio(&r, PHONE, 510, 81000), GW_FLOW_GATED);
	r.now_us += PTIME_US;
	gw_flow_gate(&r.f, true);
	gw_flow_gate(&r.f, true); /* once is enough */
	/* Late, from the held time: no start for a stream. */
	assert_int_equal(audio(&r, PHONE, 509, 80840), GW_FLOW_TOO_OLD);
	assert_int_equal(audio(&r, PHONE, 511, 81160), GW_FLOW_SEND);
	sent(&r, SEQ0 + 1, TS0 + 80160, true);
	assert_int_equal(audio(&r, PHONE, 510, 81000), GW_FLOW_TOO_OLD);
	/* The receiver reports were right all along. */
	assert_int_equal(gw_rtp_source_lost(&r.f.src), 502 - 5);
}

static void a_codec_of_another_clock_goes_on_by_elapsed_time(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 10, 1000);
	r.now_us += PTIME_US;
	pack(&r, 97, false, PHONE, 12, 5555); /* Opus, at 48000 */
	assert_int_equal(put(&r), GW_FLOW_SEND);
	sent(&r, SEQ0 + 2, TS0 + 960, true);
	assert_int_equal(r.out.pt, 111);
	r.now_us += PTIME_US;
	pack(&r, 97, false, PHONE, 13, 5555 + 960);
	assert_int_equal(put(&r), GW_FLOW_SEND);
	sent(&r, SEQ0 + 3, TS0 + 1920, false);
	/* Late, on the clock of before: its place and time are known. */
	assert_int_equal(audio(&r, PHONE, 11, 1160), GW_FLOW_SEND);
	sent(&r, SEQ0 + 1, TS0 + 160, false);
	/* And a packet that says to be late and is of neither. */
	pack(&r, 97, false, PHONE, 9, 5);
	assert_int_equal(put(&r), GW_FLOW_TOO_OLD);
}

static void a_new_description_leaves_the_stream_alone(void **state)
{
	struct gw_stream moved = browser;
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 10, 1000);
	gw_flow_configure(&r.f, &phone, &browser);
	r.now_us += PTIME_US;
	audio(&r, PHONE, 11, 1160);
	sent(&r, SEQ0 + 1, TS0 + 160, false);
	moved.ncodec = 1; /* Opus only */
	gw_flow_configure(&r.f, &phone, &moved);
	assert_int_equal(audio(&r, PHONE, 12, 1320), GW_FLOW_NO_CODEC);
}

static void loss_stays_visible_up_to_the_limit(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 0, 0);
	r.now_us += (uint64_t)2999 * PTIME_US;
	assert_int_equal(audio(&r, PHONE, 2999, 2999 * 160), GW_FLOW_SEND);
	sent(&r, SEQ0 + 2999, TS0 + 2999 * 160, false);
}

static void reordering_is_kept_up_to_the_limit(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 10, 0);
	r.now_us += 200 * PTIME_US;
	audio(&r, PHONE, 210, 200 * 160);
	assert_int_equal(audio(&r, PHONE, 111, 101 * 160), GW_FLOW_SEND);
	sent(&r, SEQ0 + 101, TS0 + 101 * 160, false);
	assert_int_equal(audio(&r, PHONE, 111, 101 * 160), GW_FLOW_DUPLICATE);
	assert_int_equal(audio(&r, PHONE, 110, 100 * 160), GW_FLOW_JUMP);
}

static void a_gap_of_any_size_may_be_filled_late_once(void **state)
{
	static const uint16_t gaps[] = { 2, 63, 64, 65, 99, 127, 128, 129 };
	struct rig r;
	uint16_t n, back;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
		n = gaps[i];
		rig_init(&r, &phone, &browser);
		audio(&r, PHONE, 10, 0);
		assert_int_equal(audio(&r, PHONE, (uint16_t)(10 + n), n),
				 GW_FLOW_SEND);
		for (back = 1; back < n && back < 100; back++) {
			uint16_t seq = (uint16_t)(10 + n - back);

			assert_int_equal(audio(&r, PHONE, seq, n - back),
					 GW_FLOW_SEND);
			sent(&r, SEQ0 + n - back, TS0 + n - back, false);
			assert_int_equal(audio(&r, PHONE, seq, n - back),
					 GW_FLOW_DUPLICATE);
		}
		if (n < 100)
			assert_int_equal(audio(&r, PHONE, 10, 0),
					 GW_FLOW_DUPLICATE);
	}
}

static void holes_stay_open_however_the_stream_goes_on(void **state)
{
	uint16_t seq = 1, hole;
	uint8_t got[1000];
	struct rig r;
	unsigned step;

	(void)state;
	/* Each third and each seventh is missing; the stream moves on in steps
	 * of one or two, across both halves of the window. */
	memset(got, 0, sizeof(got));
	rig_init(&r, &phone, &browser);
	for (; seq < 900; seq++) {
		if (seq > 1 && (seq % 3 == 0 || seq % 7 == 0))
			continue;
		assert_int_equal(audio(&r, PHONE, seq, seq), GW_FLOW_SEND);
		got[seq] = 1;
		for (step = 60; step < 99 && seq % 50 == 0; step++) {
			if (seq <= step)
				continue;
			hole = (uint16_t)(seq - step);
			assert_int_equal(audio(&r, PHONE, hole, hole),
					 got[hole] ? GW_FLOW_DUPLICATE
						   : GW_FLOW_SEND);
			got[hole] = 1;
		}
	}
	assert_int_equal(r.f.switches, 0);
}

static void packets_from_before_the_first_are_too_old(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 3, 480);
	assert_int_equal(audio(&r, PHONE, 2, 320), GW_FLOW_TOO_OLD);
	assert_int_equal(audio(&r, PHONE, 65535, 0), GW_FLOW_TOO_OLD);
	assert_int_equal(audio(&r, PHONE, 4, 640), GW_FLOW_SEND);
	sent(&r, SEQ0 + 1, TS0 + 160, false);
}

static void what_is_dropped_on_purpose_leaves_no_gap(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 10, 1000);
	pack(&r, 13, false, PHONE, 11, 1160); /* CN, not negotiated */
	assert_int_equal(put(&r), GW_FLOW_NO_CODEC);
	pack(&r, 0, false, PHONE, 12, 1320);
	r.len = GW_RTP_HEADER;
	assert_int_equal(put(&r), GW_FLOW_EMPTY);
	r.now_us += 3 * PTIME_US;
	assert_int_equal(audio(&r, PHONE, 14, 1640), GW_FLOW_SEND);
	sent(&r, SEQ0 + 2, TS0 + 640, false); /* 13 is lost, or late */
	assert_int_equal(audio(&r, PHONE, 13, 1480), GW_FLOW_SEND);
	sent(&r, SEQ0 + 1, TS0 + 480, false);
	/* The number of a dropped one is not free for something else. */
	assert_int_equal(audio(&r, PHONE, 12, 1320), GW_FLOW_DUPLICATE);
	/* Late ones of before the drop keep their place too. */
	r.now_us += 3 * PTIME_US;
	audio(&r, PHONE, 16, 1960);
	sent(&r, SEQ0 + 4, TS0 + 960, false);
	pack(&r, 13, false, PHONE, 17, 2120);
	assert_int_equal(put(&r), GW_FLOW_NO_CODEC);
	assert_int_equal(audio(&r, PHONE, 15, 1800), GW_FLOW_SEND);
	sent(&r, SEQ0 + 3, TS0 + 800, false);
	assert_int_equal(audio(&r, PHONE, 18, 2280), GW_FLOW_SEND);
	sent(&r, SEQ0 + 5, TS0 + 1280, false);
}

static void no_output_number_is_ever_used_twice(void **state)
{
	/* A hostile source: numbers, types and SSRCs as it likes. */
	uint64_t highest = 0x10000 + SEQ0 - 1, ext;
	uint8_t *used = calloc(1, 1 << 22);
	uint32_t rnd = 7;
	uint16_t seq = 0;
	struct rig r;
	unsigned i, n = 0;

	(void)state;
	assert_non_null(used);
	rig_init(&r, &phone, &browser);
	for (i = 0; i < 300000; i++) {
		static const uint8_t pts[] = { 0, 97, 100, 13 };

		rnd = rnd * 1664525 + 1013904223;
		r.now_us += rnd >> 12 & 0x3fff;
		seq = (uint16_t)(seq + (int)(rnd >> 8 & 7) - 2);
		if ((rnd >> 20 & 0xff) == 0)
			seq = (uint16_t)rnd;
		if ((rnd & 0xfff) == 0)
			gw_flow_gate(&r.f, !r.f.open);
		pack(&r, pts[rnd >> 28 & 3], rnd >> 27 & 1,
		     (rnd >> 16 & 0x1ff) ? PHONE : rnd, seq,
		     (rnd >> 4 & 0x1f) ? i * 160 : rnd);
		if (put(&r) != GW_FLOW_SEND)
			continue;
		ext = highest +
		      (int64_t)(int16_t)(r.out.seq - (uint16_t)highest);
		assert_true(ext < 1 << 22);
		assert_int_equal(used[ext], 0);
		used[ext] = 1;
		if (ext > highest)
			highest = ext;
		n++;
	}
	assert_true(n > 50000);
	free(used);
}

static void malformed_packets_are_dropped_and_counted(void **state)
{
	struct gw_stream_stats st;
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	r.len = 11;
	assert_int_equal(put(&r), GW_FLOW_MALFORMED);
	r.len = 0;
	assert_int_equal(put(&r), GW_FLOW_MALFORMED);
	audio(&r, PHONE, 1, 1);
	pack(&r, 100, false, PHONE, 2, 1); /* an event of three bytes */
	r.len = GW_RTP_HEADER + 3;
	assert_int_equal(put(&r), GW_FLOW_MALFORMED);
	gw_flow_stats(&r.f, NULL, &st);
	assert_int_equal(st.rx.packets, 4);
	assert_int_equal(st.rx.bytes, 11 + 172 + 15);
	assert_int_equal(st.rx.discarded[GW_DISCARD_MALFORMED], 3);
	assert_int_equal(gw_discard_sum(st.rx.discarded), 3);
	assert_int_equal(st.tx.packets, 0);
}

static void every_verdict_has_a_name(void **state)
{
	unsigned v;

	(void)state;
	for (v = 0; v < GW_FLOW_NVERDICTS; v++)
		assert_true(strlen(gw_flow_verdict_name(v)) > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_starts_where_we_say),
		cmocka_unit_test(a_random_start_leaves_room_before_the_wrap),
		cmocka_unit_test(payload_types_are_those_of_the_to_end),
		cmocka_unit_test(equal_numbers_decide_between_equal_names),
		cmocka_unit_test(
			agreed_extensions_go_on_under_the_to_ends_numbers),
		cmocka_unit_test(extensions_and_padding_stay_behind),
		cmocka_unit_test(a_long_call_with_accidents_is_one_stream),
		cmocka_unit_test(another_ssrc_goes_on_in_the_same_stream),
		cmocka_unit_test(a_switch_in_the_same_instant_still_moves_time),
		cmocka_unit_test(
			stragglers_of_the_old_source_do_not_switch_back),
		cmocka_unit_test(what_is_not_negotiated_makes_no_source),
		cmocka_unit_test(a_new_numbering_costs_one_packet_and_no_gap),
		cmocka_unit_test(a_time_line_that_jumps_is_straightened),
		cmocka_unit_test(silence_is_not_a_jump),
		cmocka_unit_test(hold_leaves_no_gap_and_time_goes_on),
		cmocka_unit_test(
			a_codec_of_another_clock_goes_on_by_elapsed_time),
		cmocka_unit_test(a_new_description_leaves_the_stream_alone),
		cmocka_unit_test(loss_stays_visible_up_to_the_limit),
		cmocka_unit_test(reordering_is_kept_up_to_the_limit),
		cmocka_unit_test(a_gap_of_any_size_may_be_filled_late_once),
		cmocka_unit_test(holes_stay_open_however_the_stream_goes_on),
		cmocka_unit_test(packets_from_before_the_first_are_too_old),
		cmocka_unit_test(what_is_dropped_on_purpose_leaves_no_gap),
		cmocka_unit_test(no_output_number_is_ever_used_twice),
		cmocka_unit_test(malformed_packets_are_dropped_and_counted),
		cmocka_unit_test(every_verdict_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
