/* tests/unit/flow_rig.h - a flow, the packet at hand, and what came of it */
#ifndef FLOW_RIG_H
#define FLOW_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "media/flow.h"

#define SSRC     0x0badcafeu
#define SEQ0     1000
#define TS0      0xfffff000u /* the time line wraps early */
#define PHONE    0x70000001u
#define PHONE2   0x70000002u
#define PTIME_US 20000

static const struct gw_stream phone = {
	.ncodec = 4,
	.codec = {
		{ .pt = 0, .rx_pt = 0, .clock_hz = 8000, .name = "pcmu" },
		{ .pt = 8, .rx_pt = 8, .clock_hz = 8000, .name = "pcma" },
		{ .pt = 96, .rx_pt = 97, .clock_hz = 48000, .channels = 2,
		  .name = "opus" },
		{ .pt = 101, .rx_pt = 100, .clock_hz = 8000,
		  .name = "telephone-event" },
	},
};
static const struct gw_stream browser = {
	.ncodec = 4,
	.codec = {
		{ .pt = 111, .rx_pt = 111, .clock_hz = 48000, .channels = 2,
		  .name = "opus" },
		{ .pt = 0, .rx_pt = 0, .clock_hz = 8000, .channels = 1,
		  .name = "PCMU" },
		{ .pt = 110, .rx_pt = 110, .clock_hz = 48000,
		  .name = "telephone-event" },
		{ .pt = 126, .rx_pt = 126, .clock_hz = 8000,
		  .name = "telephone-event" },
	},
};

/* A flow, the packet at hand, and what came of it. */
struct rig {
	struct gw_flow f;
	uint64_t now_us;
	uint8_t data[256];
	size_t len;
	struct gw_flow_result res;
	struct gw_rtp out; /* of the last packet sent */
};

static inline void rig_init(struct rig *r, const struct gw_stream *from,
			    const struct gw_stream *to)
{
	memset(r, 0, sizeof(*r));
	gw_flow_init_with(&r->f, SSRC, SEQ0, TS0);
	gw_flow_configure(&r->f, from, to);
	gw_flow_gate(&r->f, true);
	r->now_us = 1000000;
}

static inline void pack(struct rig *r, uint8_t pt, bool marker, uint32_t ssrc,
			uint16_t seq, uint32_t ts)
{
	struct gw_rtp h = { .pt = pt,
			    .marker = marker,
			    .ssrc = ssrc,
			    .seq = seq,
			    .timestamp = ts };

	memset(r->data, 0x55, sizeof(r->data));
	r->data[0] = 0x80;
	gw_rtp_rewrite(r->data, &h);
	r->len = GW_RTP_HEADER + 160;
}

static inline enum gw_flow_verdict put(struct rig *r)
{
	enum gw_flow_verdict v;

	v = gw_flow_packet(&r->f, r->data, r->len, r->now_us, &r->res);
	if (v != GW_FLOW_SEND) {
		assert_int_equal(r->res.len, 0);
		return v;
	}
	assert_true(r->res.len <= r->len);
	assert_int_equal(gw_rtp_parse(&r->out, r->data, r->res.len), 0);
	assert_int_equal(r->out.ssrc, SSRC);
	assert_int_equal(r->out.payload_at, GW_RTP_HEADER);
	return v;
}

static inline enum gw_flow_verdict audio(struct rig *r, uint32_t ssrc,
					 uint16_t seq, uint32_t ts)
{
	pack(r, 0, false, ssrc, seq, ts);
	return put(r);
}

static inline enum gw_flow_verdict event(struct rig *r, uint8_t pt,
					 uint16_t seq, uint32_t ts,
					 uint16_t dur, bool end)
{
	struct gw_dtmf d = {
		.code = 7, .end = end, .volume = 10, .duration = dur
	};

	pack(r, pt, false, PHONE, seq, ts);
	gw_dtmf_write(r->data + GW_RTP_HEADER, &d);
	r->len = GW_RTP_HEADER + GW_DTMF_PAYLOAD;
	return put(r);
}

#define sent(r, seq_, ts_, marker_)                                            \
	do {                                                                   \
		assert_int_equal((r)->out.seq, (uint16_t)(seq_));              \
		assert_int_equal((r)->out.timestamp, (uint32_t)(ts_));         \
		assert_int_equal((r)->out.marker, marker_);                    \
	} while (0)

#endif
