#include "tests/net/net_call.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/bytes.h"
#include "gateway/base/log.h"

#define FRAME 160 /* samples of 20 ms */

/* ---- PCMU (G.711 mu-law) ---- */

static uint8_t to_mulaw(int16_t pcm)
{
	int v = pcm < 0 ? -pcm : pcm;
	int exponent = 7;

	v = (v > 32635 ? 32635 : v) + 132;
	while (exponent && !(v & (128 << exponent)))
		exponent--;
	return (uint8_t) ~((pcm < 0 ? 0x80 : 0) | exponent << 4 |
			   ((v >> (exponent + 3)) & 15));
}

static int16_t from_mulaw(uint8_t u)
{
	int v;

	u = (uint8_t)~u;
	v = (((u & 15) << 3) + 132) << ((u >> 4) & 7);
	v -= 132;
	return (int16_t)(u & 0x80 ? -v : v);
}

static void tone_frame(uint8_t out[FRAME], uint32_t timestamp, int hz)
{
	for (uint32_t i = 0; i < FRAME; i++)
		out[i] = to_mulaw(
			(int16_t)(8000 * sin(2 * M_PI * hz * (timestamp + i) /
					     8000.0)));
}

/* ---- ears ---- */

static void hear(struct net_ear *ear, const uint8_t *pkt, size_t len)
{
	uint32_t ts, at;

	if (len != 12 + FRAME)
		return;
	ts = gw_get32(pkt + 4);
	if (!ear->started) {
		ear->started = true;
		/* Room for what was overtaken by the first. */
		ear->first_ts = ts - 25 * FRAME;
	}
	at = ts - ear->first_ts;
	if (at % FRAME || at / FRAME >= NET_SECONDS * 50)
		return;
	ear->packets++;
	if (ear->seen[at / FRAME]++)
		ear->doubles++;
	for (uint32_t i = 0; i < FRAME; i++)
		ear->pcm[at + i] = from_mulaw(pkt[12 + i]);
}

/* Goertzel, frame by frame: the phase may jump where something is missing. */
double net_tone(const struct net_ear *ear, int hz)
{
	double coeff = 2 * cos(2 * M_PI * hz / 8000.0);
	double at = 0, all = 0;

	for (int f = 0; f < NET_SECONDS * 50; f++) {
		const int16_t *pcm = ear->pcm + f * FRAME;
		double s1 = 0, s2 = 0;

		if (!ear->seen[f])
			continue;
		for (int i = 0; i < FRAME; i++) {
			double s = pcm[i] + coeff * s1 - s2;

			s2 = s1;
			s1 = s;
			all += (double)pcm[i] * pcm[i];
		}
		at += (s1 * s1 + s2 * s2 - coeff * s1 * s2) * 2 / FRAME;
	}
	return all > 0 ? at / all : 0;
}

double net_heard(const struct net_ear *ear)
{
	int first = -1, last = 0, n = 0;

	for (int f = 0; f < NET_SECONDS * 50; f++) {
		if (!ear->seen[f])
			continue;
		if (first < 0)
			first = f;
		last = f;
		n++;
	}
	return first < 0 ? 0 : (double)n / (last - first + 1);
}

/* ---- the set-up ---- */

void net_say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vprintf(format, ap);
	va_end(ap);
	(void)printf("\n");
	(void)fflush(stdout);
}

void net_start(struct net *n, unsigned mtu)
{
	const char *seed = getenv("NET_SEED");
	struct gw_media_config cfg;

	gw_log_setup(GW_LOG_TEXT, GW_WARN, 2);
	memset(n, 0, sizeof(*n));
	n->seed = seed ? strtoull(seed, NULL, 10)
		       : gw_clock_monotonic_us(NULL) % 1000000;
	n->wire = wire_new(mtu, n->seed);
	wire_enter(n->wire, WIRE_GATEWAY);
	bench_config(&cfg);
	(void)snprintf(cfg.web_address[0], sizeof(cfg.web_address[0]), "%s",
		       WIRE_GATEWAY_ADDR);
	cfg.core_address6[0] = '\0';
	bench_start(&n->bench, &cfg);
}

void net_stop(struct net *n)
{
	bench_stop(&n->bench);
	wire_free(n->wire);
}

void net_call_begin(struct net *n, struct net_call *c, const char *address)
{
	net_call_begin_as(n, c,
			  &(struct media_peer_options){ .address = address,
							.active = true });
}

void net_call_begin_as(struct net *n, struct net_call *c,
		       const struct media_peer_options *browser)
{
	struct media_peer_options opt = *browser;
	struct bench *b = &n->bench;
	const struct gw_media_event *ev;
	int slot = 0;

	memset(c, 0, sizeof(*c));
	while (b->peer[slot])
		slot++;
	assert_true(slot < BENCH_PEERS);
	wire_enter(n->wire, WIRE_BROWSER);
	opt.controlling = !bench_controls;
	opt.light = true;
	c->peer = media_peer_new(&opt);
	wire_enter(n->wire, WIRE_GATEWAY);
	b->peer[slot] = c->peer;
	phone_open(&c->phone, "127.0.0.1");
	c->ctx = gw_media_new_id(b->media);

	ev = bench_reserve(b, c->ctx, GW_TERM_A, GW_TP_DTLS, 0);
	assert_int_equal(ev->type, GW_E_RESERVED);
	c->local = ev->end;
	ev = bench_reserve(b, c->ctx, GW_TERM_B, GW_TP_RTP, AF_INET);
	assert_int_equal(ev->type, GW_E_RESERVED);
	c->phone.gw_rtp = ev->end.stream[0].rtp;
	c->phone.gw_rtcp = ev->end.stream[0].rtcp;
	(void)bench_configure_phone(b, c->ctx, GW_TERM_B, &c->phone);
	bench_gate(b, c->ctx, GW_TERM_A, GW_GATE_BOTH);
	bench_gate(b, c->ctx, GW_TERM_B, GW_GATE_BOTH);

	c->began_us = gw_clock_monotonic_us(NULL);
	media_peer_set_remote(c->peer, &c->local);
	ev = bench_configure_peer(b, c->ctx, GW_TERM_A, c->peer);
	assert_int_equal(ev->type, GW_E_CONFIGURED);
}

bool net_call_up(struct net *n, struct net_call *c)
{
	if (!c->browser_us && media_peer_ice_up(c->peer))
		c->browser_us = gw_clock_monotonic_us(NULL);
	if (!c->gateway_us &&
	    bench_count(&n->bench, c->ctx, GW_E_ICE, GW_ICE_CONNECTED))
		c->gateway_us = gw_clock_monotonic_us(NULL);
	if (!c->ice_us && c->browser_us && c->gateway_us)
		c->ice_us = gw_clock_monotonic_us(NULL);
	if (!c->up_us && media_peer_dtls_up(c->peer) &&
	    bench_count(&n->bench, c->ctx, GW_E_DTLS, GW_DTLS_UP))
		c->up_us = gw_clock_monotonic_us(NULL);
	return c->up_us != 0;
}

void net_call_make(struct net *n, struct net_call *c, const char *address)
{
	net_call_begin(n, c, address);
	bench_until(&n->bench, net_call_up(n, c));
}

void net_call_end(struct net *n, struct net_call *c)
{
	assert_int_equal(bench_release(&n->bench, c->ctx)->type, GW_E_RELEASED);
	for (int i = 0; i < BENCH_PEERS; i++)
		if (n->bench.peer[i] == c->peer)
			n->bench.peer[i] = NULL;
	media_peer_free(c->peer);
	phone_close(&c->phone);
}

/* ---- talking ---- */

static void say(struct net_call *c)
{
	uint8_t pkt[12 + FRAME];

	c->timestamp += FRAME;
	(void)bench_rtp(pkt, 96, ++c->seq, c->timestamp, 0x42524f57, 0);
	tone_frame(pkt + 12, c->timestamp, NET_BROWSER_HZ);
	media_peer_send(c->peer, pkt, sizeof(pkt));

	c->phone.timestamp += FRAME;
	(void)bench_rtp(pkt, 0, ++c->phone.seq, c->phone.timestamp,
			c->phone.ssrc, 0);
	tone_frame(pkt + 12, c->phone.timestamp, NET_PHONE_HZ);
	phone_send(&c->phone, pkt, sizeof(pkt));
}

static void listen_both(struct net_call *c)
{
	const struct media_peer_packet *got;

	while (phone_take(&c->phone))
		hear(&c->at_phone, c->phone.last, c->phone.len);
	while ((got = media_peer_rtp(c->peer)))
		hear(&c->at_browser, got->data, got->len);
}

void net_talk(struct net *n, struct net_call *c, unsigned ms)
{
	uint64_t next = gw_clock_monotonic_us(NULL);
	uint64_t end = next + ms * 1000u;

	assert_true(ms <= (NET_SECONDS - 2) * 1000);
	listen_both(c); /* what has come since */
	memset(&c->at_phone, 0, sizeof(c->at_phone));
	memset(&c->at_browser, 0, sizeof(c->at_browser));
	while (next < end) {
		if (gw_clock_monotonic_us(NULL) >= next) {
			say(c);
			next += 20000;
		}
		bench_step(&n->bench);
		listen_both(c);
	}
	bench_turn(&n->bench, 50);
	listen_both(c);
}
