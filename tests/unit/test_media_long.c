/* A long call, faster than in life: what a phone says, through the flow and
 * SRTP to a browser that decodes it.  Whatever happens on the phone's side, the
 * browser's receiver, which keeps the roll-over counter, never slips. */
#include "tests/unit/cm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "media/flow.h"
#include "media/srtp.h"

#define PTIME_US 20000
#define SAMPLES  160
#define RATE     8000
#define TONE_HZ  440
#define PACKETS  70000

struct line {
	struct gw_flow flow;
	struct gw_srtp *gateway, *browser;
	struct gw_stream phone, web;
	uint64_t now_us;
	/* the phone */
	uint32_t ssrc, timestamp;
	uint16_t seq;
	uint32_t at; /* sample of the tone */
	/* the browser */
	bool heard;
	uint32_t got, last_ts, roll_over;
	uint16_t last_seq;
	uint32_t web_ssrc;
	double last_sample;
};

/* G.711, both ways, by its definition. */
static uint8_t encode(int v)
{
	int sign = v < 0 ? 0x80 : 0;
	int exponent = 7;

	v = (v < 0 ? -v : v) + 132;
	if (v > 32767)
		v = 32767;
	for (int mask = 0x4000; !(v & mask) && exponent > 0; mask >>= 1)
		exponent--;
	return (uint8_t) ~(sign | exponent << 4 | (v >> (exponent + 3) & 15));
}

static int decode(uint8_t u)
{
	int v;

	u = (uint8_t)~u;
	v = (((u & 15) << 3) + 132) << (u >> 4 & 7);
	return u & 0x80 ? 132 - v : v - 132;
}

static double tone(uint32_t at)
{
	return 8000 * sin(2 * M_PI * TONE_HZ * at / RATE);
}

static void codec(struct gw_stream *s, uint8_t pt)
{
	s->kind = GW_MEDIA_AUDIO;
	s->ncodec = 1;
	s->codec[0] =
		(struct gw_codec){ .pt = pt, .rx_pt = pt, .clock_hz = RATE };
	(void)snprintf(s->codec[0].name, sizeof(s->codec[0].name), "pcmu");
}

static void open_line(struct line *l, enum gw_srtp_profile profile)
{
	struct gw_srtp_keys k = { .profile = profile };
	struct gw_srtp_keys r;

	memset(l, 0, sizeof(*l));
	for (unsigned i = 0; i < sizeof(k.local); i++) {
		k.local[i] = (uint8_t)(i * 7 + 1);
		k.remote[i] = (uint8_t)(i * 5 + 2);
	}
	r = k;
	memcpy(r.local, k.remote, sizeof(r.local));
	memcpy(r.remote, k.local, sizeof(r.remote));
	assert_int_equal(gw_srtp_init(), 0);
	assert_int_equal(gw_srtp_new(&l->gateway, &k), 0);
	assert_int_equal(gw_srtp_new(&l->browser, &r), 0);
	codec(&l->phone, 0);
	codec(&l->web, 96);
	gw_flow_init(&l->flow);
	gw_flow_configure(&l->flow, &l->phone, &l->web);
	gw_flow_gate(&l->flow, true);
	l->now_us = 1000000;
	l->ssrc = 0x11111111;
	l->seq = 65000; /* its own wrap comes early, and at another time */
	l->timestamp = 0xfffff000;
}

static void close_line(struct line *l)
{
	gw_srtp_free(l->gateway);
	gw_srtp_free(l->browser);
}

/* What the browser gets: under one SSRC, in order, on one time line, and the
 * tone that was sent. */
static void hear(struct line *l, uint8_t *pkt, size_t len)
{
	struct gw_rtp h;

	assert_int_equal(gw_srtp_unprotect(l->browser, pkt, &len), 0);
	assert_int_equal(gw_rtp_parse(&h, pkt, len), 0);
	assert_int_equal(h.pt, 96);
	assert_int_equal(h.payload_bytes, SAMPLES);
	if (!l->heard) {
		l->web_ssrc = h.ssrc;
	} else {
		assert_int_equal(h.ssrc, l->web_ssrc);
		assert_int_equal(h.seq, (uint16_t)(l->last_seq + 1));
		assert_true((int32_t)(h.timestamp - l->last_ts) >= SAMPLES);
		if (h.seq < l->last_seq)
			l->roll_over++;
	}
	for (uint32_t i = 0; i < SAMPLES; i++) {
		double want = tone(l->at + i);

		/* Half a step of the coarsest segment that 8000 needs. */
		assert_true(fabs(decode(pkt[h.payload_at + i]) - want) < 260);
	}
	l->heard = true;
	l->last_seq = h.seq;
	l->last_ts = h.timestamp;
	l->got++;
}

/* 20 ms; what became of them. */
static enum gw_flow_verdict say(struct line *l)
{
	uint8_t pkt[GW_RTP_HEADER + SAMPLES + GW_SRTP_OVERHEAD] = { 0x80 };
	struct gw_rtp h = { .pt = 0,
			    .ssrc = l->ssrc,
			    .seq = l->seq++,
			    .timestamp = l->timestamp };
	struct gw_flow_result res;
	enum gw_flow_verdict v;

	gw_rtp_rewrite(pkt, &h);
	for (uint32_t i = 0; i < SAMPLES; i++)
		pkt[GW_RTP_HEADER + i] = encode((int)lrint(tone(l->at + i)));
	v = gw_flow_packet(&l->flow, pkt, GW_RTP_HEADER + SAMPLES, l->now_us,
			   &res);
	if (v == GW_FLOW_SEND) {
		assert_int_equal(
			gw_srtp_protect(l->gateway, pkt, &res.len, sizeof(pkt)),
			0);
		hear(l, pkt, res.len);
	}
	l->timestamp += SAMPLES;
	l->at += SAMPLES;
	l->now_us += PTIME_US;
	return v;
}

static void hold(struct line *l)
{
	gw_flow_gate(&l->flow, false);
	for (int i = 0; i < 50; i++)
		assert_int_equal(say(l), GW_FLOW_GATED);
	gw_flow_gate(&l->flow, true);
}

/* Music on hold, a transfer: another sender, with numbers of its own. */
static void another_source(struct line *l)
{
	l->ssrc += 0x01010101;
	l->seq = (uint16_t)(l->seq * 31u + 17);
	l->timestamp = l->timestamp * 2654435761u + 99;
}

/* The phone's stack starts its numbers anew under the same SSRC: that costs the
 * one packet that could be a stray. */
static void new_numbers(struct line *l)
{
	l->seq = (uint16_t)(l->seq + 20000);
	assert_int_equal(say(l), GW_FLOW_JUMP);
}

static void long_call(enum gw_srtp_profile profile)
{
	static struct line l;
	uint32_t sent = 0;
	uint32_t events = 0;

	open_line(&l, profile);
	while (sent < PACKETS) {
		if (sent % 1000 == 999) {
			switch (events++ % 5) {
			case 0:
				hold(&l);
				break;
			case 1: /* re-INVITE with the same codecs */
				gw_flow_configure(&l.flow, &l.phone, &l.web);
				break;
			case 2:
				another_source(&l);
				break;
			case 3:
				new_numbers(&l);
				break;
			default: /* silence suppression: 3 s */
				l.now_us += 3000000;
				l.timestamp += 3 * RATE;
			}
		}
		assert_int_equal(say(&l), GW_FLOW_SEND);
		sent++;
	}
	assert_int_equal(l.got, PACKETS);
	/* 70,000 is more than a cycle: the counter moved on once at least. */
	assert_in_range(l.roll_over, 1, 2);
	assert_int_equal(events, 70);
	close_line(&l);
}

static void audio_goes_on_over_the_wrap_with_gcm(void **state)
{
	(void)state;
	long_call(GW_SRTP_AEAD_AES_128_GCM);
}

static void audio_goes_on_over_the_wrap_with_sha1(void **state)
{
	(void)state;
	long_call(GW_SRTP_AES128_CM_SHA1_80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(audio_goes_on_over_the_wrap_with_gcm),
		cmocka_unit_test(audio_goes_on_over_the_wrap_with_sha1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
