#include "media/rtp.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "gateway/base/bytes.h"

/* A difference in transit time beyond this is a new time line, not jitter. */
#define TRANSIT_MAX_US 2000000

#define NO_BAD_SEQ 0x10000u

enum gw_pkt_class gw_pkt_classify(const uint8_t *data, size_t len)
{
	uint8_t b;

	if (len < 2)
		return GW_PKT_UNKNOWN;
	b = data[0];
	if (b <= 3)
		return GW_PKT_STUN;
	if (b >= 16 && b <= 19)
		return GW_PKT_ZRTP;
	if (b >= 20 && b <= 63)
		return GW_PKT_DTLS;
	if (b >= 64 && b <= 79)
		return GW_PKT_TURN;
	if (b < 128 || b > 191)
		return GW_PKT_UNKNOWN;
	if (data[1] >= 192 && data[1] <= 223)
		return GW_PKT_RTCP;
	return GW_PKT_RTP;
}

int gw_rtp_parse(struct gw_rtp *out, const uint8_t *data, size_t len)
{
	struct gw_rtp h = { 0 };
	size_t at = GW_RTP_HEADER;

	if (len < GW_RTP_HEADER || data[0] >> 6 != 2)
		return -EBADMSG;

	h.ncsrc = data[0] & 0x0f;
	at += 4 * (size_t)h.ncsrc;
	h.extension = data[0] & 0x10;
	if (h.extension) {
		if (at + 4 > len)
			return -EBADMSG;
		at += 4 + 4 * (size_t)gw_get16(data + at + 2);
	}
	if (at > len)
		return -EBADMSG;

	if (data[0] & 0x20) {
		h.padding_bytes = data[len - 1];
		if (!h.padding_bytes || h.padding_bytes > len - at)
			return -EBADMSG;
	}

	h.marker = data[1] & 0x80;
	h.pt = data[1] & 0x7f;
	h.seq = gw_get16(data + 2);
	h.timestamp = gw_get32(data + 4);
	h.ssrc = gw_get32(data + 8);
	h.payload_at = at;
	h.payload_bytes = len - at - h.padding_bytes;
	*out = h;
	return 0;
}

size_t gw_rtp_strip(uint8_t *data, struct gw_rtp *h)
{
	if (h->payload_at > GW_RTP_HEADER)
		memmove(data + GW_RTP_HEADER, data + h->payload_at,
			h->payload_bytes);
	data[0] = 0x80;
	h->payload_at = GW_RTP_HEADER;
	h->ncsrc = 0;
	h->extension = false;
	h->padding_bytes = 0;
	return GW_RTP_HEADER + h->payload_bytes;
}

void gw_rtp_rewrite(uint8_t *data, const struct gw_rtp *h)
{
	data[1] = (uint8_t)((h->marker ? 0x80 : 0) | (h->pt & 0x7f));
	gw_put16(data + 2, h->seq);
	gw_put32(data + 4, h->timestamp);
	gw_put32(data + 8, h->ssrc);
}

/*
 * The extended number starts one cycle up, so that a packet from before the
 * first one does not underflow; reports take the cycle off again.
 */
void gw_rtp_source_init(struct gw_rtp_source *s, uint32_t ssrc, uint16_t seq)
{
	*s = (struct gw_rtp_source){
		.started = true,
		.ssrc = ssrc,
		.highest = GW_RTP_CYCLE + seq,
		.base = GW_RTP_CYCLE + seq,
		.bad_seq = NO_BAD_SEQ,
	};
}

static int64_t source_lost(const struct gw_rtp_source *s)
{
	if (!s->received)
		return 0;
	return (int64_t)(s->highest - s->base + 1) - (int64_t)s->received;
}

static void source_restart(struct gw_rtp_source *s, uint16_t seq)
{
	int64_t lost = s->lost_before + source_lost(s);

	/* Jitter begins anew as well: the clock most likely did. */
	gw_rtp_source_init(s, s->ssrc, seq);
	s->lost_before = lost;
	s->received = 1;
}

enum gw_rtp_order gw_rtp_source_seq(struct gw_rtp_source *s, uint16_t seq,
				    uint64_t *ext)
{
	uint16_t ahead = (uint16_t)(seq - (uint16_t)s->highest);

	assert(s->started);

	if (ahead < GW_RTP_MAX_DROPOUT) {
		enum gw_rtp_order order = GW_RTP_NEWEST;

		if (!ahead && s->received)
			order = GW_RTP_LATE;
		s->highest += ahead;
		s->bad_seq = NO_BAD_SEQ;
		s->received++;
		*ext = s->highest;
		return order;
	}
	if (ahead <= 0x10000 - GW_RTP_MAX_MISORDER) {
		if (seq != s->bad_seq) {
			s->bad_seq = (seq + 1u) & 0xffff;
			return GW_RTP_JUMP;
		}
		source_restart(s, seq);
		*ext = s->highest;
		return GW_RTP_RESTART;
	}
	s->received++;
	*ext = s->highest - (0x10000u - ahead);
	return GW_RTP_LATE;
}

void gw_rtp_source_time(struct gw_rtp_source *s, uint32_t timestamp,
			uint32_t clock_hz, uint64_t now_us)
{
	bool same = s->has_transit && s->last_clock_hz == clock_hz;
	int64_t d_us;

	if (!clock_hz)
		return;
	d_us = (int64_t)(now_us - s->last_us) -
	       (int64_t)(int32_t)(timestamp - s->last_ts) * 1000000 /
		       (int64_t)clock_hz;

	s->has_transit = true;
	s->last_clock_hz = clock_hz;
	s->last_ts = timestamp;
	s->last_us = now_us;

	if (!same || d_us > TRANSIT_MAX_US || d_us < -TRANSIT_MAX_US)
		return;
	if (d_us < 0)
		d_us = -d_us;
	/* A.8: J += (|D| - J) / 16, with J kept times 16 and rounded. */
	s->jitter_q4_us += (uint64_t)d_us;
	s->jitter_q4_us -= (s->jitter_q4_us - (uint64_t)d_us + 8) >> 4;
}

int64_t gw_rtp_source_lost_total(const struct gw_rtp_source *s)
{
	return s->lost_before + source_lost(s);
}

int32_t gw_rtp_source_lost(const struct gw_rtp_source *s)
{
	int64_t lost = source_lost(s);

	if (lost > 0x7fffff)
		return 0x7fffff;
	if (lost < -0x800000)
		return -0x800000;
	return (int32_t)lost;
}

uint8_t gw_rtp_source_fraction(struct gw_rtp_source *s)
{
	uint64_t total = s->received ? s->highest - s->base + 1 : 0;
	uint64_t expected = total - s->expected_prior;
	uint64_t received = s->received - s->received_prior;
	uint64_t share;

	s->expected_prior = total;
	s->received_prior = s->received;
	if (received >= expected)
		return 0;
	share = (expected - received) * 256 / expected;
	return share > 255 ? 255 : (uint8_t)share;
}

uint32_t gw_rtp_source_ext_seq(const struct gw_rtp_source *s)
{
	return (uint32_t)(s->highest - GW_RTP_CYCLE);
}

uint32_t gw_rtp_source_jitter_us(const struct gw_rtp_source *s)
{
	return (uint32_t)(s->jitter_q4_us >> 4);
}
