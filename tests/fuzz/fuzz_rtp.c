/*
 * A source that sends what it likes: a series of packets through one flow.
 * Input: [time step in ms][length][that many bytes] and so on; a length of
 * 255 moves the gate instead.  What must hold: what is sent fits, is well
 * formed and ours, holds no header extension but those agreed to, and no output
 * number is used twice.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "media/flow.h"

#define SSRC    0x11223344u
#define NUMBERS (1u << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct gw_stream from = {
	.ncodec = 4,
	.codec = {
		{ .pt = 0, .rx_pt = 0, .clock_hz = 8000, .name = "pcmu" },
		{ .pt = 96, .rx_pt = 97, .clock_hz = 48000, .channels = 2,
		  .name = "opus" },
		{ .pt = 101, .rx_pt = 101, .clock_hz = 8000,
		  .name = "telephone-event" },
		{ .pt = 110, .rx_pt = 110, .clock_hz = 48000,
		  .name = "telephone-event" },
	},
	.ext = { [GW_HDREXT_MID] = 4, [GW_HDREXT_LEVEL] = 1,
		 [GW_HDREXT_CVO] = 13 },
};
static const struct gw_stream to = {
	.ncodec = 4,
	.codec = {
		{ .pt = 0, .rx_pt = 0, .clock_hz = 8000, .name = "pcmu" },
		{ .pt = 96, .rx_pt = 97, .clock_hz = 48000, .channels = 2,
		  .name = "opus" },
		{ .pt = 101, .rx_pt = 101, .clock_hz = 8000,
		  .name = "telephone-event" },
		{ .pt = 110, .rx_pt = 110, .clock_hz = 48000,
		  .name = "telephone-event" },
	},
	.ext = { [GW_HDREXT_MID] = 4, [GW_HDREXT_LEVEL] = 2,
		 [GW_HDREXT_CVO] = 14 },
};

static void check_extensions(const uint8_t *p, const struct gw_rtp *h)
{
	struct gw_rtp_ext e;
	uint32_t seen = 0;
	size_t at = 0;

	assert(h->extension == (h->payload_at > GW_RTP_HEADER));
	assert(h->payload_at <= GW_RTP_HEADER + 4 + 12);
	while (gw_rtp_ext_next(p, h, &at, &e)) {
		assert(e.id == 2 || e.id == 14);
		assert(e.len >= 1 && e.len <= GW_RTP_EXT_MAX_BYTES);
		assert(e.data + e.len <= p + h->payload_at);
		assert(!(seen >> e.id & 1));
		seen |= 1u << e.id;
	}
}

/* One input holds too few packets for the numbers to come round: each gap is
 * below 3000, and what would wrap is not tracked further. */
static void check_sent(const struct gw_flow *f, const uint8_t *p, size_t len,
		       uint8_t *used)
{
	uint64_t place = f->out_highest;
	struct gw_rtp h;

	assert(!gw_rtp_parse(&h, p, len));
	assert(h.ssrc == SSRC && !h.ncsrc && !h.padding_bytes);
	check_extensions(p, &h);
	assert(h.pt == 0 || h.pt == 96 || h.pt == 101 || h.pt == 110);
	place += (uint64_t)(int64_t)(int16_t)(h.seq - (uint16_t)place);
	place -= GW_RTP_CYCLE;
	if (place >= NUMBERS)
		return;
	assert(!used[place]);
	used[place] = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t used[NUMBERS];
	uint8_t packet[255];
	uint64_t now_us = 1000000;
	struct gw_flow_result res;
	struct gw_dtmf_digit digit;
	struct gw_flow f;
	size_t len;

	memset(used, 0, sizeof(used));
	gw_flow_init_with(&f, SSRC, 1, 0xfffffff0u);
	gw_flow_configure(&f, &from, &to);
	gw_flow_gate(&f, true);

	while (size >= 2) {
		now_us += (uint64_t)data[0] * 1000;
		len = data[1];
		data += 2;
		size -= 2;
		if (len == 255) {
			gw_flow_gate(&f, !f.open);
			continue;
		}
		if (len > size)
			len = size;
		memcpy(packet, data, len);
		data += len;
		size -= len;
		if (gw_flow_packet(&f, packet, len, now_us, &res) ==
		    GW_FLOW_SEND) {
			assert(res.len <= len);
			assert(res.len >= GW_RTP_HEADER + res.ext_bytes);
			check_sent(&f, packet, res.len, used);
		}
		assert(res.ndigit <= 2);
		(void)gw_flow_poll_digit(&f, now_us, &digit);
	}
	return 0;
}
