/* RTCP compounds: golden packets out, friendly and hostile ones in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "media/rtcp.h"

#define OURS 0x11223344u
#define PEER 0xaabbccddu

/* clang-format off */
static const uint8_t golden_sr[] = {
	0x81, 200, 0, 12, 0x11, 0x22, 0x33, 0x44,
	0xe8, 0xb2, 0xe1, 0x80, 0x80, 0, 0, 0,    /* NTP */
	0, 0, 0x3e, 0x80, 0, 0, 0, 100, 0, 0, 0x3e, 0x80,
	0xaa, 0xbb, 0xcc, 0xdd, 0x40, 0xff, 0xff, 0xfe, /* 1/4, -2 lost */
	0, 1, 0, 5, 0, 0, 0, 80, 0xe1, 0x80, 0x80, 0, 0, 1, 0, 0,
	0x81, 202, 0, 3, 0x11, 0x22, 0x33, 0x44, 1, 4, 'a', '@', 'b', 'c', 0, 0,
	0x81, 203, 0, 1, 0x11, 0x22, 0x33, 0x44,
};
static const uint8_t golden_rr[] = {
	0x80, 201, 0, 1, 0x11, 0x22, 0x33, 0x44,
	0x81, 202, 0, 4, 0x11, 0x22, 0x33, 0x44,
	1, 6, 'a', '@', 'b', 'c', 'd', 'e', 0, 0, 0, 0,
};
/* clang-format on */

static const struct gw_rtcp_sender sender = {
	.ssrc = OURS,
	.active = true,
	.ntp = 0xe8b2e18080000000u,
	.rtp_ts = 16000,
	.packets = 100,
	.octets = 16000,
};
static const struct gw_rtcp_block block = {
	.ssrc = PEER,
	.fraction = 64,
	.lost = -2,
	.ext_seq = 65541,
	.jitter = 80,
	.lsr = 0xe1808000,
	.dlsr = 65536,
};

static void a_sender_report_is_printed_byte_for_byte(void **state)
{
	uint8_t out[sizeof(golden_sr)];

	(void)state;
	assert_int_equal(
		gw_rtcp_print(out, sizeof(out), &sender, &block, "a@bc", true),
		sizeof(golden_sr));
	assert_memory_equal(out, golden_sr, sizeof(golden_sr));
	assert_int_equal(gw_rtcp_print(out, sizeof(out) - 1, &sender, &block,
				       "a@bc", true),
			 -ENOSPC);
}

static void a_silent_end_sends_a_receiver_report(void **state)
{
	struct gw_rtcp_sender s = sender;
	uint8_t out[sizeof(golden_rr)];

	(void)state;
	s.active = false;
	assert_int_equal(
		gw_rtcp_print(out, sizeof(out), &s, NULL, "a@bcde", false),
		sizeof(golden_rr));
	assert_memory_equal(out, golden_rr, sizeof(golden_rr));
}

static void every_cname_length_parses_back(void **state)
{
	uint8_t out[GW_RTCP_REPORT_MAX];
	struct gw_rtcp_info info;
	char name[258] = "";
	size_t n;
	int len;

	(void)state;
	for (n = 0; n <= 255; n++) {
		len = gw_rtcp_print(out, sizeof(out), &sender, &block, name,
				    true);
		assert_true(len > 0 && len % 4 == 0);
		assert_int_equal(out[len - 8 - 1], 0); /* list ended */
		assert_int_equal(gw_rtcp_parse(&info, out, (size_t)len, 1, 0),
				 0);
		assert_int_equal(info.nsr, 1);
		assert_int_equal(info.nsdes, 1);
		assert_int_equal(info.nbye, 1);
		name[n] = 'x';
	}
	assert_int_equal(len, GW_RTCP_REPORT_MAX);
	assert_int_equal(
		gw_rtcp_print(out, sizeof(out), &sender, NULL, name, false),
		-EINVAL);
}

static void a_report_reads_back_from_the_other_side(void **state)
{
	struct gw_rtcp_info info;

	(void)state;
	/* Seen by the peer: it is PEER, and OURS is the one it hears. */
	assert_int_equal(
		gw_rtcp_parse(&info, golden_sr, sizeof(golden_sr), PEER, OURS),
		0);
	assert_true(info.has_sr);
	assert_int_equal(info.sr.ssrc, OURS);
	assert_true(info.sr.ntp == sender.ntp);
	assert_int_equal(info.sr.rtp_ts, 16000);
	assert_int_equal(info.sr.packets, 100);
	assert_int_equal(info.sr.octets, 16000);
	assert_true(info.has_block);
	assert_int_equal(info.block_from, OURS);
	assert_memory_equal(&info.block, &block, sizeof(block));
	assert_true(info.bye);
}

static void blocks_and_bye_about_others_do_not_count(void **state)
{
	struct gw_rtcp_info info;

	(void)state;
	assert_int_equal(gw_rtcp_parse(&info, golden_sr, sizeof(golden_sr),
				       PEER + 1, OURS + 1),
			 0);
	assert_false(info.has_sr);
	assert_false(info.has_block);
	assert_false(info.bye);
	/* Not known yet: the SR is taken, the BYE is not. */
	assert_int_equal(
		gw_rtcp_parse(&info, golden_sr, sizeof(golden_sr), PEER + 1, 0),
		0);
	assert_true(info.has_sr);
	assert_false(info.bye);
}

static void every_type_is_recognised(void **state)
{
	/* clang-format off */
	static const uint8_t in[] = {
		0x81, 205, 0, 3, 1, 1, 1, 1, 0x11, 0x22, 0x33, 0x44, 0, 5, 0, 0,
		0x8f, 205, 0, 2, 1, 1, 1, 1, 0x11, 0x22, 0x33, 0x44,
		0x81, 206, 0, 2, 1, 1, 1, 1, 0x11, 0x22, 0x33, 0x44,
		0x81, 206, 0, 2, 1, 1, 1, 1, 9, 9, 9, 9,
		0x84, 206, 0, 6, 1, 1, 1, 1, 0, 0, 0, 0,
		9, 9, 9, 9, 1, 0, 0, 0, 0x11, 0x22, 0x33, 0x44, 7, 0, 0, 0,
		0x80, 204, 0, 2, 1, 1, 1, 1, 'n', 'a', 'm', 'e',
		0x80, 207, 0, 1, 1, 1, 1, 1,
		0x80, 192, 0, 0,
		0x80, 223, 0, 0,
		0xa0, 201, 0, 2, 1, 1, 1, 1, 0, 0, 0, 4, /* padded, last */
	};
	/* clang-format on */
	struct gw_rtcp_info info;

	(void)state;
	assert_int_equal(gw_rtcp_parse(&info, in, sizeof(in), OURS, 0), 0);
	assert_int_equal(info.nrtpfb, 2);
	assert_int_equal(info.nnack, 1);
	assert_int_equal(info.npsfb, 3);
	assert_int_equal(info.npli, 1);
	assert_int_equal(info.nfir, 1);
	assert_int_equal(info.napp, 1);
	assert_int_equal(info.nxr, 1);
	assert_int_equal(info.nother, 2);
	assert_int_equal(info.nrr, 1);
}

static void feedback_that_we_give_is_read_as_such(void **state)
{
	static const struct gw_rtcp_missing missing[] = {
		{65535, 0x8001},
		{ 300,  0     },
	};
	struct gw_rtcp_info info;
	uint8_t out[200];
	int n, whole;

	(void)state;
	n = gw_rtcp_print(out, sizeof(out), &sender, NULL, "a@bc", false);
	assert_true(n > 0);
	n = gw_rtcp_add_pli(out, sizeof(out), (size_t)n, OURS, PEER);
	n = gw_rtcp_add_fir(out, sizeof(out), (size_t)n, OURS, PEER, 7);
	n = gw_rtcp_add_nack(out, sizeof(out), (size_t)n, OURS, PEER, missing,
			     1);
	n = gw_rtcp_add_nack(out, sizeof(out), (size_t)n, OURS, PEER,
			     missing + 1, 1);
	whole = gw_rtcp_add_remb(out, sizeof(out), (size_t)n, OURS, PEER,
				 2500000);
	assert_int_equal(whole, n + 24);
	assert_int_equal(gw_rtcp_parse(&info, out, (size_t)whole, PEER, 0), 0);
	assert_int_equal(info.npli, 1);
	assert_int_equal(info.nfir, 1);
	assert_int_equal(info.nnack, 2);
	assert_int_equal(info.nmissing, 2);
	assert_int_equal(info.missing[0].seq, 65535);
	assert_int_equal(info.missing[0].behind, 0x8001);
	assert_int_equal(info.missing[1].seq, 300);
	assert_int_equal(info.npsfb, 3);
	/* About somebody else: counted, and nothing more. */
	assert_int_equal(gw_rtcp_parse(&info, out, (size_t)whole, OURS, 0), 0);
	assert_int_equal(info.npli + info.nfir + info.nnack + info.nmissing, 0);
	assert_int_equal(gw_rtcp_add_remb(out, (size_t)whole - 1, (size_t)n,
					  OURS, PEER, 1),
			 -ENOSPC);
	assert_int_equal(gw_rtcp_add_pli(out, 11, 0, OURS, PEER), -ENOSPC);
}

/* draft-alvestrand-rmcat-remb-03 2.2 */
static void a_bound_is_written_as_mantissa_and_exponent(void **state)
{
	static const struct {
		uint64_t bps;
		uint8_t bytes[4]; /* sources, exponent and mantissa */
	} rows[] = {
		{0,        { 1, 0x00, 0x00, 0x00 }},
		{ 262143,  { 1, 0x03, 0xff, 0xff }},
		{ 262144,  { 1, 0x06, 0x00, 0x00 }},
		{ 2564000, { 1, 0x12, 0x71, 0xf9 }},
	};
	uint8_t out[24];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t mantissa, exponent;

		assert_int_equal(gw_rtcp_add_remb(out, sizeof(out), 0, OURS,
						  PEER, rows[i].bps),
				 24);
		assert_memory_equal(out + 12, "REMB", 4);
		exponent = out[17] >> 2;
		mantissa =
			(out[17] & 3u) << 16 | (uint32_t)out[18] << 8 | out[19];
		assert_in_range(((uint64_t)mantissa << exponent),
				rows[i].bps - rows[i].bps / 100000,
				rows[i].bps);
		assert_int_equal(out[16], rows[i].bytes[0]);
		assert_int_equal(out[17], rows[i].bytes[1]);
	}
}

/* A compound has room for more than is looked at. */
static void more_missing_than_there_is_room_for_wait(void **state)
{
	uint8_t in[12 + 4 * 100] = { 0x81, 205, 0,    102,  1,    1,
				     1,    1,   0x11, 0x22, 0x33, 0x44 };
	struct gw_rtcp_info info;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		in[13 + 4 * i] = (uint8_t)i;
	assert_int_equal(gw_rtcp_parse(&info, in, sizeof(in), OURS, 0), 0);
	assert_int_equal(info.nmissing, GW_RTCP_MAX_NACKS);
	assert_int_equal(info.missing[GW_RTCP_MAX_NACKS - 1].seq,
			 GW_RTCP_MAX_NACKS - 1);
}

static void every_truncation_is_refused_whole(void **state)
{
	struct gw_rtcp_info info;
	size_t len, whole = 52; /* the SR; 68: and the SDES */

	(void)state;
	memset(&info, 0x5a, sizeof(info));
	for (len = 0; len < sizeof(golden_sr); len++) {
		if (len == whole || len == 68)
			continue;
		assert_int_equal(
			gw_rtcp_parse(&info, golden_sr, len, PEER, OURS),
			-EBADMSG);
		assert_int_equal(info.nsr, 0x5a); /* not written */
	}
}

static void broken_compounds_are_refused(void **state)
{
	static const struct {
		const char *what;
		size_t len;
		uint8_t p[16];
	} bad[] = {
		{"version 1",              8,  { 0x40, 201, 0, 1 }                             },
		{ "SR too short",          8,  { 0x80, 200, 0, 1 }                             },
		{ "block missing",         8,  { 0x81, 201, 0, 1 }                             },
		{ "31 blocks missing",     8,  { 0x9f, 201, 0, 1 }                             },
		{ "BYE of two, one there", 8,  { 0x82, 203, 0, 1 }                             },
		{ "feedback too short",    8,  { 0x81, 205, 0, 1 }                             },
		{ "padding of zero",       8,  { 0xa0, 201, 0, 1 }                             },
		{ "padding over all",      8,  { 0xa0, 201, 0, 1, 0, 0, 0, 8 }                 },
		{ "odd padding",           8,  { 0xa0, 201, 0, 1, 0, 0, 0, 3 }                 },
		{ "padding eats SSRC",     8,  { 0xa0, 201, 0, 1, 0, 0, 0, 4 }                 },
		{ "padding not last",
                 16,			   { 0xa0, 204, 0, 1, 0, 0, 0, 4, 0x80, 201, 0, 1 }},
		{ "three bytes more",      11, { 0x80, 201, 0, 1 }                             },
	};
	struct gw_rtcp_info info;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (gw_rtcp_parse(&info, bad[i].p, bad[i].len, OURS, PEER) !=
		    -EBADMSG)
			fail_msg("%s was accepted", bad[i].what);
	}
}

static void limits_hold(void **state)
{
	uint8_t in[GW_RTCP_MAX_BYTES + 4] = { 0 };
	struct gw_rtcp_info info;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(in); i += 4) {
		in[i] = 0x80;
		in[i + 1] = 204;
	}
	assert_int_equal(
		gw_rtcp_parse(&info, in, 4 * GW_RTCP_MAX_PACKETS, 1, 2), 0);
	assert_int_equal(info.napp, GW_RTCP_MAX_PACKETS);
	assert_int_equal(
		gw_rtcp_parse(&info, in, 4 * (GW_RTCP_MAX_PACKETS + 1), 1, 2),
		-EBADMSG);
	in[2] = (uint8_t)((sizeof(in) / 4 - 1) >> 8);
	in[3] = (uint8_t)(sizeof(in) / 4 - 1);
	assert_int_equal(gw_rtcp_parse(&info, in, sizeof(in), 1, 2), -EBADMSG);
	in[2] = (uint8_t)((sizeof(in) / 4 - 2) >> 8);
	in[3] = (uint8_t)(sizeof(in) / 4 - 2);
	assert_int_equal(gw_rtcp_parse(&info, in, sizeof(in) - 4, 1, 2), 0);
}

static void ntp_time_counts_from_1900(void **state)
{
	(void)state;
	assert_true(gw_rtcp_ntp(0) == (uint64_t)2208988800u << 32);
	assert_true(gw_rtcp_ntp(500000) ==
		    (((uint64_t)2208988800u << 32) | 0x80000000u));
	/* 2036-02-07 06:28:16: era 1 begins. */
	assert_true(gw_rtcp_ntp(2085978496000000u) == 0);
}

static void round_trip_is_now_less_lsr_less_dlsr(void **state)
{
	/* The example of RFC 3550 6.4.1, figure 2: 6.125 s. */
	struct gw_rtcp_block b = { .lsr = 0xb7052000, .dlsr = 0x00054000 };
	uint64_t now = (uint64_t)0xb7108000 << 16;

	(void)state;
	assert_int_equal(gw_rtcp_rtt_us(&b, now), 6125000);
	/* Just below zero is rounding; far below, or above, is nonsense. */
	now = (uint64_t)(0xb7052000u + 0x54000u) << 16;
	assert_int_equal(gw_rtcp_rtt_us(&b, now), 1);
	assert_int_equal(gw_rtcp_rtt_us(&b, now - 0x10000), 1);
	assert_int_equal(gw_rtcp_rtt_us(&b, now - 0x20000), 0);
	assert_int_equal(gw_rtcp_rtt_us(&b, now + ((uint64_t)61 << 32)), 0);
	b.lsr = 0; /* no SR of ours has arrived there */
	assert_int_equal(gw_rtcp_rtt_us(&b, now), 0);
}

static void intervals_are_between_half_and_three_halves(void **state)
{
	(void)state;
	assert_int_equal(gw_rtcp_interval_us(false, 0), 2500000);
	assert_int_equal(gw_rtcp_interval_us(false, 0x80000000u), 5000000);
	assert_int_equal(gw_rtcp_interval_us(false, UINT32_MAX), 7499999);
	assert_int_equal(gw_rtcp_interval_us(true, 0), 1250000);
	assert_in_range(gw_rtcp_interval_us(true, UINT32_MAX), 3749998,
			3750000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sender_report_is_printed_byte_for_byte),
		cmocka_unit_test(a_silent_end_sends_a_receiver_report),
		cmocka_unit_test(every_cname_length_parses_back),
		cmocka_unit_test(a_report_reads_back_from_the_other_side),
		cmocka_unit_test(blocks_and_bye_about_others_do_not_count),
		cmocka_unit_test(every_type_is_recognised),
		cmocka_unit_test(feedback_that_we_give_is_read_as_such),
		cmocka_unit_test(a_bound_is_written_as_mantissa_and_exponent),
		cmocka_unit_test(more_missing_than_there_is_room_for_wait),
		cmocka_unit_test(every_truncation_is_refused_whole),
		cmocka_unit_test(broken_compounds_are_refused),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(ntp_time_counts_from_1900),
		cmocka_unit_test(round_trip_is_now_less_lsr_less_dlsr),
		cmocka_unit_test(intervals_are_between_half_and_three_halves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
