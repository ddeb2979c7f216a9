/* RTP headers and the numbers of one source. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "media/rtp.h"

static void first_byte_tells_the_protocol(void **state)
{
	static const struct {
		int from, to;
		enum gw_pkt_class is;
	} ranges[] = {
		{0,    3,   GW_PKT_STUN   },
                { 4,   15,  GW_PKT_UNKNOWN},
		{ 16,  19,  GW_PKT_ZRTP   },
                { 20,  63,  GW_PKT_DTLS   },
		{ 64,  79,  GW_PKT_TURN   },
                { 80,  127, GW_PKT_UNKNOWN},
		{ 128, 191, GW_PKT_RTP    },
                { 192, 255, GW_PKT_UNKNOWN},
	};
	int b, next = 0;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		assert_int_equal(ranges[i].from, next);
		for (b = ranges[i].from; b <= ranges[i].to; b++) {
			uint8_t p[2] = { (uint8_t)b, 0 };

			assert_int_equal(gw_pkt_classify(p, 2), ranges[i].is);
		}
		next = ranges[i].to + 1;
	}
	assert_int_equal(next, 256);
}

static void second_byte_tells_rtcp(void **state)
{
	int b;

	(void)state;
	for (b = 0; b < 256; b++) {
		uint8_t p[2] = { 0x80, (uint8_t)b };

		assert_int_equal(gw_pkt_classify(p, 2), b >= 192 && b <= 223
								? GW_PKT_RTCP
								: GW_PKT_RTP);
	}
}

static void short_datagrams_are_nothing(void **state)
{
	uint8_t p[1] = { 0x80 };

	(void)state;
	assert_int_equal(gw_pkt_classify(p, 0), GW_PKT_UNKNOWN);
	assert_int_equal(gw_pkt_classify(p, 1), GW_PKT_UNKNOWN);
}

/* Two CSRCs, an extension of one word, payload "abcde", three of padding. */
static const uint8_t full[] = {
	0xb2, 0xef, 0x12, 0x34, 0x01, 0x02, 0x03, 0x04, 0xde, 0xad, 0xbe, 0xef,
	0,    0,    0,    1,    0,    0,    0,    2,    0xbe, 0xde, 0,    1,
	0x10, 0x7f, 0,    0,    'a',  'b',  'c',  'd',  'e',  0,    0,    3,
};

static void a_full_header_is_read(void **state)
{
	struct gw_rtp h;

	(void)state;
	assert_int_equal(gw_rtp_parse(&h, full, sizeof(full)), 0);
	assert_int_equal(h.pt, 111);
	assert_true(h.marker);
	assert_true(h.extension);
	assert_int_equal(h.ncsrc, 2);
	assert_int_equal(h.padding_bytes, 3);
	assert_int_equal(h.seq, 0x1234);
	assert_int_equal(h.timestamp, 0x01020304);
	assert_int_equal(h.ssrc, 0xdeadbeef);
	assert_int_equal(h.payload_at, 28);
	assert_int_equal(h.payload_bytes, 5);
}

static void a_stripped_packet_is_header_and_payload(void **state)
{
	static const uint8_t want[] = {
		0x80, 0x60, 0,   7,   0,   0,   0,   9,   0,
		0,    0,    0xa, 'a', 'b', 'c', 'd', 'e',
	};
	uint8_t p[sizeof(full)];
	struct gw_rtp h;

	(void)state;
	memcpy(p, full, sizeof(p));
	assert_int_equal(gw_rtp_parse(&h, p, sizeof(p)), 0);
	assert_int_equal(gw_rtp_strip(p, &h), sizeof(want));
	h.marker = false;
	h.pt = 96;
	h.seq = 7;
	h.timestamp = 9;
	h.ssrc = 10;
	gw_rtp_rewrite(p, &h);
	assert_memory_equal(p, want, sizeof(want));
	/* And it reads back as what @h says. */
	assert_int_equal(gw_rtp_parse(&h, p, sizeof(want)), 0);
	assert_int_equal(h.payload_at, GW_RTP_HEADER);
	assert_int_equal(h.payload_bytes, 5);
	assert_false(h.extension);
}

static void every_truncation_is_refused_or_fits(void **state)
{
	uint8_t p[sizeof(full)];
	struct gw_rtp h;
	size_t len;

	(void)state;
	memcpy(p, full, sizeof(p));
	for (len = 0; len < 28; len++)
		assert_int_equal(gw_rtp_parse(&h, p, len), -EBADMSG);
	/* Without the padding bit, what is left of the payload is one. */
	p[0] &= (uint8_t)~0x20;
	for (; len <= sizeof(p); len++) {
		assert_int_equal(gw_rtp_parse(&h, p, len), 0);
		assert_int_equal(h.payload_at + h.payload_bytes, len);
	}
}

static void bad_headers_are_refused(void **state)
{
	uint8_t p[sizeof(full)];
	struct gw_rtp h = { .pt = 77 };

	(void)state;
	memcpy(p, full, sizeof(p));
	p[0] = 0x72; /* version 1 */
	assert_int_equal(gw_rtp_parse(&h, p, sizeof(p)), -EBADMSG);
	memcpy(p, full, sizeof(p));
	p[sizeof(p) - 1] = 0; /* padding that does not count itself */
	assert_int_equal(gw_rtp_parse(&h, p, sizeof(p)), -EBADMSG);
	p[sizeof(p) - 1] = 9; /* padding into the extension */
	assert_int_equal(gw_rtp_parse(&h, p, sizeof(p)), -EBADMSG);
	p[sizeof(p) - 1] = 8; /* nothing but padding is legal */
	assert_int_equal(gw_rtp_parse(&h, p, sizeof(p)), 0);
	assert_int_equal(h.payload_bytes, 0);
	h.pt = 77;
	p[22] = 0xff; /* extension of 65281 words */
	assert_int_equal(gw_rtp_parse(&h, p, sizeof(p)), -EBADMSG);
	assert_int_equal(h.pt, 77); /* and nothing was written */
}

static void order_follows_rfc3550_a1(void **state)
{
	struct gw_rtp_source s;
	uint64_t ext;

	(void)state;
	gw_rtp_source_init(&s, 1, 65534);
	assert_int_equal(gw_rtp_source_seq(&s, 65534, &ext), GW_RTP_NEWEST);
	assert_int_equal(gw_rtp_source_seq(&s, 65534, &ext), GW_RTP_LATE);
	assert_int_equal(gw_rtp_source_seq(&s, 1, &ext), GW_RTP_NEWEST);
	assert_int_equal(ext, GW_RTP_CYCLE + 65537);
	assert_int_equal(gw_rtp_source_ext_seq(&s), 65537);
	assert_int_equal(gw_rtp_source_seq(&s, 65535, &ext), GW_RTP_LATE);
	assert_int_equal(ext, GW_RTP_CYCLE + 65535);
	/* The edges: 2999 ahead, 99 behind; beyond them a jump. */
	assert_int_equal(gw_rtp_source_seq(&s, 3000, &ext), GW_RTP_NEWEST);
	assert_int_equal(gw_rtp_source_seq(&s, 2901, &ext), GW_RTP_LATE);
	assert_int_equal(gw_rtp_source_seq(&s, 2900, &ext), GW_RTP_JUMP);
	assert_int_equal(gw_rtp_source_seq(&s, 6000, &ext), GW_RTP_JUMP);
}

static void a_jump_is_believed_when_it_goes_on(void **state)
{
	struct gw_rtp_source s;
	uint64_t ext;

	(void)state;
	gw_rtp_source_init(&s, 1, 10);
	assert_int_equal(gw_rtp_source_seq(&s, 10, &ext), GW_RTP_NEWEST);
	assert_int_equal(gw_rtp_source_seq(&s, 12, &ext), GW_RTP_NEWEST);
	assert_int_equal(gw_rtp_source_seq(&s, 40000, &ext), GW_RTP_JUMP);
	/* A stray one: the old numbering goes on, and forgets it. */
	assert_int_equal(gw_rtp_source_seq(&s, 13, &ext), GW_RTP_NEWEST);
	assert_int_equal(gw_rtp_source_seq(&s, 40001, &ext), GW_RTP_JUMP);
	assert_int_equal(gw_rtp_source_seq(&s, 40002, &ext), GW_RTP_RESTART);
	assert_int_equal(ext, GW_RTP_CYCLE + 40002);
	assert_int_equal(s.ssrc, 1);
	assert_int_equal(gw_rtp_source_lost(&s), 0);
	assert_int_equal(gw_rtp_source_lost_total(&s), 1);
}

static void loss_is_counted_as_in_rfc3550_a3(void **state)
{
	struct gw_rtp_source s;
	uint64_t ext;
	uint16_t i;

	(void)state;
	gw_rtp_source_init(&s, 1, 65500);
	assert_int_equal(gw_rtp_source_fraction(&s), 0);
	for (i = 0; i < 100; i++) {
		if (i % 4 != 3)
			gw_rtp_source_seq(&s, (uint16_t)(65500 + i), &ext);
	}
	/* 65599 itself is among the lost, and not expected yet. */
	assert_int_equal(gw_rtp_source_lost(&s), 24);
	assert_int_equal(gw_rtp_source_fraction(&s), 24 * 256 / 99);
	assert_int_equal(gw_rtp_source_fraction(&s), 0);
	for (i = 100; i < 200; i++)
		gw_rtp_source_seq(&s, (uint16_t)(65500 + i), &ext);
	assert_int_equal(gw_rtp_source_fraction(&s), 1 * 256 / 101);
	assert_int_equal(gw_rtp_source_lost(&s), 25);
}

static void duplicates_make_loss_negative_and_clamped(void **state)
{
	struct gw_rtp_source s;
	uint64_t ext;
	int i;

	(void)state;
	gw_rtp_source_init(&s, 1, 5);
	for (i = 0; i < 4; i++)
		gw_rtp_source_seq(&s, 5, &ext);
	assert_int_equal(gw_rtp_source_lost(&s), -3);
	assert_int_equal(gw_rtp_source_fraction(&s), 0);
	s.received = 0x1000000;
	assert_int_equal(gw_rtp_source_lost(&s), -0x800000);
	s.received = 1;
	s.received_prior = s.expected_prior = 0;
	s.highest += 0x1000000;
	assert_int_equal(gw_rtp_source_lost(&s), 0x7fffff);
	assert_int_equal(gw_rtp_source_fraction(&s), 255);
}

static void jitter_is_zero_for_a_steady_source(void **state)
{
	struct gw_rtp_source s;
	unsigned i;

	(void)state;
	gw_rtp_source_init(&s, 1, 0);
	for (i = 0; i < 100; i++) /* over the wrap of the timestamp */
		gw_rtp_source_time(&s, 0xffffff00u + 160 * i, 8000,
				   5000 + 20000 * (uint64_t)i);
	assert_int_equal(gw_rtp_source_jitter_us(&s), 0);
}

static void jitter_follows_rfc3550_a8(void **state)
{
	struct gw_rtp_source s;
	uint32_t ref = 0; /* A.8 as printed, in microseconds */
	unsigned i;

	(void)state;
	gw_rtp_source_init(&s, 1, 0);
	for (i = 0; i < 200; i++) {
		/* Each second packet is 3 ms late: |D| is always 3 ms. */
		gw_rtp_source_time(&s, 960 * i, 48000,
				   20000 * (uint64_t)i + (i & 1 ? 3000 : 0));
		if (i)
			ref += 3000 - ((ref + 8) >> 4);
		assert_int_equal(gw_rtp_source_jitter_us(&s), ref >> 4);
	}
	assert_in_range(gw_rtp_source_jitter_us(&s), 2900, 3000);
}

static void new_time_line_is_no_jitter(void **state)
{
	struct gw_rtp_source s;

	(void)state;
	gw_rtp_source_init(&s, 1, 0);
	gw_rtp_source_time(&s, 0, 8000, 0);
	gw_rtp_source_time(&s, 0x40000000, 8000, 20000);
	assert_int_equal(gw_rtp_source_jitter_us(&s), 0);
	gw_rtp_source_time(&s, 77, 48000, 40000); /* another clock */
	assert_int_equal(gw_rtp_source_jitter_us(&s), 0);
	gw_rtp_source_time(&s, 77, 0, 60000); /* none: ignored */
	gw_rtp_source_time(&s, 77 + 1920, 48000, 80000);
	assert_int_equal(gw_rtp_source_jitter_us(&s), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_byte_tells_the_protocol),
		cmocka_unit_test(second_byte_tells_rtcp),
		cmocka_unit_test(short_datagrams_are_nothing),
		cmocka_unit_test(a_full_header_is_read),
		cmocka_unit_test(a_stripped_packet_is_header_and_payload),
		cmocka_unit_test(every_truncation_is_refused_or_fits),
		cmocka_unit_test(bad_headers_are_refused),
		cmocka_unit_test(order_follows_rfc3550_a1),
		cmocka_unit_test(a_jump_is_believed_when_it_goes_on),
		cmocka_unit_test(loss_is_counted_as_in_rfc3550_a3),
		cmocka_unit_test(duplicates_make_loss_negative_and_clamped),
		cmocka_unit_test(jitter_is_zero_for_a_steady_source),
		cmocka_unit_test(jitter_follows_rfc3550_a8),
		cmocka_unit_test(new_time_line_is_no_jitter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
