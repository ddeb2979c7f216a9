/* The whole media module between a browser and a phone, on loopback. */
#include "tests/unit/media_webrtc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void audio_passes_both_ways_when_the_browser_begins_dtls(void **state)
{
	struct bench_call c;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	assert_string_equal(media_peer_profile(c.peer),
			    "SRTP_AEAD_AES_128_GCM");
	bench_hang_up(&b, &c);
}

static void audio_passes_both_ways_when_the_gateway_begins_dtls(void **state)
{
	struct bench_call c;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = false,
						 .controlling = true });
	bench_talk(&b, &c);
	bench_hang_up(&b, &c);
}

static void sha1_profile_is_used_with_a_peer_that_has_no_other(void **state)
{
	struct bench_call c;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){
			   .active = true,
			   .controlling = true,
			   .profiles = "SRTP_AES128_CM_SHA1_80" });
	assert_string_equal(media_peer_profile(c.peer),
			    "SRTP_AES128_CM_SHA1_80");
	bench_talk(&b, &c);
	bench_hang_up(&b, &c);
}

static void peer_without_candidates_is_found_by_its_checks(void **state)
{
	struct bench_call c;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true,
						 .no_candidates = true });
	bench_talk(&b, &c);
	bench_hang_up(&b, &c);
}

static void packets_of_ice_never_enter_libnice(void **state)
{
	static const char in[] = "isthmus_media_ice_packets_total{"
				 "direction=\"in\",path=\"libnice\"}";
	static const char out[] = "isthmus_media_ice_packets_total{"
				  "direction=\"out\",path=\"libnice\"}";
	int64_t in_before = bench_metric(in);
	int64_t out_before = bench_metric(out);
	struct bench_call c;

	(void)state;
	assert_true(in_before >= 0 && out_before >= 0);
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	bench_hang_up(&b, &c);
	assert_int_equal(bench_metric(in), in_before);
	assert_int_equal(bench_metric(out), out_before);
}

/* Where the kernel cannot split, libnice carries them: the same call. */
static void fall_back_path_carries_the_call_and_is_counted(void **state)
{
	static const char nice_in[] = "isthmus_media_ice_packets_total{"
				      "direction=\"in\",path=\"libnice\"}";
	static const char nice_out[] = "isthmus_media_ice_packets_total{"
				       "direction=\"out\",path=\"libnice\"}";
	static const char kernel_in[] = "isthmus_media_ice_packets_total{"
					"direction=\"in\",path=\"kernel\"}";
	static const char kernel_out[] = "isthmus_media_ice_packets_total{"
					 "direction=\"out\",path=\"kernel\"}";
	int64_t in = bench_metric(nice_in);
	int64_t out = bench_metric(nice_out);
	int64_t in_kernel = bench_metric(kernel_in);
	int64_t out_kernel = bench_metric(kernel_out);
	struct gw_media_config cfg;
	struct bench_call c;

	(void)state;
	bench_stop(&b);
	bench_config(&cfg);
	cfg.no_split = true;
	bench_start(&b, &cfg);
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	bench_hang_up(&b, &c);
	/* Five of audio each way, and the handshake. */
	assert_true(bench_metric(nice_in) >= in + 7);
	assert_true(bench_metric(nice_out) >= out + 7);
	assert_int_equal(bench_metric(kernel_in), in_kernel);
	assert_int_equal(bench_metric(kernel_out), out_kernel);
}

static void closed_gate_lets_nothing_through(void **state)
{
	struct bench_call c;
	uint8_t pkt[172];
	unsigned heard;
	const struct gw_media_event *ev;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	bench_gate(&b, c.ctx, GW_TERM_A, GW_GATE_CLOSED);
	bench_turn(&b, 20);
	heard = media_peer_rtp_count(c.peer);
	c.phone.got = 0;
	for (int i = 0; i < 5; i++) {
		(void)phone_talk(&c.phone);
		(void)bench_rtp(pkt, 96, ++c.seq, c.timestamp += 160,
				0x42524f57, 1);
		media_peer_send(c.peer, pkt, sizeof(pkt));
	}
	bench_turn(&b, 100);
	assert_false(phone_hear(&c.phone));
	assert_int_equal(media_peer_rtp_count(c.peer), heard);

	/* One way only: held by the phone. */
	bench_gate(&b, c.ctx, GW_TERM_A, GW_GATE_OUT);
	(void)phone_talk(&c.phone);
	bench_until(&b, media_peer_rtp_count(c.peer) > heard);
	(void)bench_rtp(pkt, 96, ++c.seq, c.timestamp += 160, 0x42524f57, 1);
	media_peer_send(c.peer, pkt, sizeof(pkt));
	bench_turn(&b, 50);
	assert_false(phone_hear(&c.phone));

	ev = bench_release(&b, c.ctx);
	assert_int_equal(ev->type, GW_E_RELEASED);
	assert_int_equal(ev->stats[GW_TERM_A][0].rx.packets, 11);
	assert_int_equal(ev->stats[GW_TERM_A][0].rx.discarded[GW_DISCARD_GATED],
			 6);
	assert_int_equal(gw_discard_sum(ev->stats[GW_TERM_A][0].rx.discarded),
			 6);
	assert_int_equal(ev->stats[GW_TERM_B][0].tx.packets, 5);
	b.peer[0] = NULL;
	media_peer_free(c.peer);
	phone_close(&c.phone);
}

/* At the RTP port the kernel knows the phone by now; RTCP is not locked yet. */
static void stranger_is_not_heard_once_the_source_is_locked(void **state)
{
	static const char metric[] =
		"isthmus_media_discarded_total{reason=\"stranger\"}";
	int64_t before = bench_metric(metric);
	struct bench_call c;
	const struct gw_media_event *ev;
	struct phone stranger;
	struct sockaddr_storage ss;
	socklen_t len;
	unsigned heard;
	char buf[16];

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	phone_open(&stranger, "127.0.0.2");
	stranger.gw_rtp = c.phone.gw_rtp;
	len = gw_addr_to_sockaddr(&stranger.gw_rtp, &ss);
	assert_int_equal(connect(stranger.rtp, (struct sockaddr *)&ss, len), 0);
	heard = media_peer_rtp_count(c.peer);
	for (int i = 0; i < 5; i++) {
		(void)phone_talk(&stranger);
		assert_int_equal(recv(stranger.rtp, buf, sizeof(buf), 0), -1);
		assert_int_equal(errno, ECONNREFUSED);
	}
	phone_close(&stranger);
	phone_open(&stranger, "127.0.0.2");
	stranger.gw_rtp = c.phone.gw_rtcp;
	for (int i = 0; i < 5; i++)
		(void)phone_talk(&stranger);
	bench_until(&b, bench_metric(metric) == before + 5);
	assert_int_equal(media_peer_rtp_count(c.peer), heard);
	assert_false(phone_hear(&stranger));
	bench_talk(&b, &c);
	phone_close(&stranger);
	ev = bench_release(&b, c.ctx);
	assert_int_equal(
		ev->stats[GW_TERM_B][0].rx.discarded[GW_DISCARD_STRANGER], 5);
	assert_int_equal(gw_discard_sum(ev->stats[GW_TERM_A][0].rx.discarded),
			 0);
	b.peer[0] = NULL;
	media_peer_free(c.peer);
	phone_close(&c.phone);
}

static void phone_behind_nat_is_learned_and_answered(void **state)
{
	struct bench_call c;
	struct phone inside;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	/* It signals an address that nothing comes from. */
	phone_open(&inside, "127.0.0.1");
	assert_int_equal(
		bench_configure_phone(&b, c.ctx, GW_TERM_B, &inside)->type,
		GW_E_CONFIGURED);
	(void)phone_talk(&c.phone);
	bench_until(&b, media_peer_rtp(c.peer) != NULL);
	bench_talk(&b, &c);
	assert_false(phone_hear(&inside));
	phone_close(&inside);
	bench_hang_up(&b, &c);
}

static void refreshed_description_keeps_the_learned_source(void **state)
{
	struct bench_call c;
	struct phone inside;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	phone_open(&inside, "127.0.0.1");
	(void)bench_configure_phone(&b, c.ctx, GW_TERM_B, &inside);
	(void)phone_talk(&c.phone);
	bench_until(&b, media_peer_rtp(c.peer) != NULL);
	(void)bench_configure_phone(&b, c.ctx, GW_TERM_B, &inside);
	(void)bench_configure_peer(&b, c.ctx, GW_TERM_A, c.peer);
	bench_talk(&b, &c);
	assert_int_equal(bench_count(&b, c.ctx, GW_E_DTLS, GW_DTLS_UP), 1);
	phone_close(&inside);
	bench_hang_up(&b, &c);
}

static void echo_sends_the_browsers_audio_back(void **state)
{
	struct gw_media_cmd cmd = { .verb = GW_M_CONFIGURE, .term = GW_TERM_B };
	gw_ctx_id ctx = gw_media_new_id(b.media);
	const struct media_peer_packet *got = NULL;
	const struct gw_media_event *ev;
	struct media_peer *p;
	uint8_t pkt[172];
	struct gw_end local;

	(void)state;
	p = media_peer_new(&(struct media_peer_options){ .active = true,
							 .controlling = true });
	b.peer[0] = p;
	ev = bench_reserve(&b, ctx, GW_TERM_A, GW_TP_DTLS, 0);
	assert_int_equal(ev->type, GW_E_RESERVED);
	local = ev->end;
	media_peer_set_remote(p, &local);
	ev = bench_reserve(&b, ctx, GW_TERM_B, GW_TP_RESOURCE, 0);
	assert_int_equal(ev->type, GW_E_RESERVED);
	(void)bench_configure_peer(&b, ctx, GW_TERM_A, p);
	cmd.ctx = ctx;
	cmd.end.transport = GW_TP_RESOURCE;
	assert_int_equal(bench_do(&b, &cmd)->type, GW_E_CONFIGURED);
	bench_gate(&b, ctx, GW_TERM_A, GW_GATE_BOTH);
	bench_until(&b, media_peer_dtls_up(p) &&
				bench_count(&b, ctx, GW_E_DTLS, GW_DTLS_UP));

	(void)bench_rtp(pkt, 96, 1, 160, 0x1111, 0xe0);
	media_peer_send(p, pkt, sizeof(pkt));
	bench_until(&b, (got = media_peer_rtp(p)) != NULL);
	assert_int_equal(got->len, sizeof(pkt));
	assert_int_equal(got->data[12], 0xe0);
	assert_int_not_equal(memcmp(got->data + 8, pkt + 8, 4), 0);
	assert_int_equal((uint32_t)got->data[8] << 24 |
				 (uint32_t)got->data[9] << 16 |
				 (uint32_t)got->data[10] << 8 | got->data[11],
			 local.stream[0].ssrc);
	assert_int_equal(bench_release(&b, ctx)->type, GW_E_RELEASED);
	b.peer[0] = NULL;
	media_peer_free(p);
}

static void ipv6_carries_audio_on_both_sides(void **state)
{
	struct gw_media_config cfg;
	struct bench_call c;

	(void)state;
	bench_stop(&b);
	bench_config(&cfg);
	(void)snprintf(cfg.web_address[0], sizeof(cfg.web_address[0]), "::1");
	bench_start(&b, &cfg);
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true,
						 .address = "::1" });
	assert_int_equal(c.local.candidate[0].addr.family, AF_INET6);
	bench_talk(&b, &c);
	bench_hang_up(&b, &c);
}

/* Ticks are multiples of 20 ms of the clock: what comes between two of them
 * comes out together, and all of it, though a pass takes one packet. */
static void with_a_tick_packets_are_relayed_together(void **state)
{
	static const char passes[] =
		"isthmus_media_loop_lag_seconds_bucket{le=\"+Inf\"}";
	struct gw_media_config cfg;
	struct bench_call c;
	unsigned heard;
	int64_t before;

	(void)state;
	bench_stop(&b);
	bench_config(&cfg);
	cfg.tick_ms = 20;
	bench_start(&b, &cfg);
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	heard = media_peer_rtp_count(c.peer);
	before = bench_metric(passes);
	assert_true(before > 0);
	for (int i = 0; i < 8; i++)
		(void)phone_talk(&c.phone);
	bench_until(&b, media_peer_rtp_count(c.peer) == heard + 8);
	/* A pass is counted behind its packets; STUN and timers may have woken
	 * it too. */
	bench_until(&b, bench_metric(passes) > before);
	assert_in_range(bench_metric(passes) - before, 1, 6);
	bench_hang_up(&b, &c);
}

static void command_for_an_unknown_context_is_answered_gone(void **state)
{
	struct gw_media_cmd cmd = { .verb = GW_M_CONFIGURE };

	(void)state;
	cmd.ctx = gw_media_new_id(b.media);
	assert_int_equal(bench_do(&b, &cmd)->type, GW_E_GONE);
	cmd.verb = GW_M_RELEASE;
	assert_int_equal(bench_do(&b, &cmd)->type, GW_E_GONE);
	cmd.ctx = UINT64_MAX;
	assert_int_equal(bench_do(&b, &cmd)->type, GW_E_GONE);
}

static void impossible_commands_fail_and_the_context_lives(void **state)
{
	struct gw_media_cmd cmd = { .verb = GW_M_RESERVE, .term = GW_TERM_A };
	const struct gw_media_event *ev;
	gw_ctx_id ctx = gw_media_new_id(b.media);

	(void)state;
	/* No transport: nothing is kept of it. */
	cmd.ctx = ctx;
	ev = bench_do(&b, &cmd);
	assert_int_equal(ev->type, GW_E_FAILED);
	assert_int_equal(ev->error, -EINVAL);
	assert_int_equal(bench_release(&b, ctx)->type, GW_E_GONE);

	assert_int_equal(
		bench_reserve(&b, ctx, GW_TERM_A, GW_TP_RTP, AF_INET)->type,
		GW_E_RESERVED);
	cmd.verb = GW_M_RESTART;
	assert_int_equal(bench_do(&b, &cmd)->error, -EOPNOTSUPP);
	cmd.verb = GW_M_GATE;
	cmd.stream = 3;
	cmd.gate = GW_GATE_IN;
	assert_int_equal(bench_do(&b, &cmd)->error, -EINVAL);
	cmd.verb = GW_M_CONFIGURE;
	cmd.term = GW_TERM_B;
	assert_int_equal(bench_do(&b, &cmd)->error, -EINVAL);
	cmd.term = 7;
	assert_int_equal(bench_do(&b, &cmd)->error, -EINVAL);
	cmd.verb = 77;
	cmd.term = GW_TERM_A;
	assert_int_equal(bench_do(&b, &cmd)->error, -EINVAL);
	assert_int_equal(bench_release(&b, ctx)->type, GW_E_RELEASED);
}

static void refused_m_line_takes_no_port_until_it_comes_alive(void **state)
{
	struct gw_media_cmd cmd = { .verb = GW_M_RESERVE, .term = GW_TERM_B };
	const struct gw_media_event *ev;
	struct gw_addr first;

	(void)state;
	cmd.ctx = gw_media_new_id(b.media);
	cmd.end.transport = GW_TP_RTP;
	cmd.end.family = AF_INET;
	cmd.end.nstream = 2;
	cmd.end.stream[0].ncodec = 1;
	ev = bench_do(&b, &cmd);
	assert_int_equal(ev->type, GW_E_RESERVED);
	first = ev->end.stream[0].rtp;
	assert_int_not_equal(first.port, 0);
	assert_int_equal(ev->end.stream[1].rtp.family, 0);
	assert_int_equal(bench_metric("isthmus_media_sockets{kind=\"rtp\"}"),
			 2);

	/* A gate for an m-line that is not there: closing it is nothing. */
	cmd.verb = GW_M_GATE;
	cmd.stream = 2;
	(void)bench_post(&b, &cmd);
	cmd.verb = GW_M_RESERVE;
	cmd.end.nstream = 3;
	cmd.end.stream[1].ncodec = 1;
	ev = bench_do(&b, &cmd);
	assert_int_equal(ev->type, GW_E_RESERVED);
	assert_true(gw_addr_equal(&ev->end.stream[0].rtp, &first));
	assert_int_not_equal(ev->end.stream[1].rtp.port, 0);
	assert_int_equal(ev->end.stream[2].rtp.family, 0);
	assert_int_equal(bench_count(&b, cmd.ctx, GW_E_FAILED, -1), 0);
	assert_int_equal(bench_release(&b, cmd.ctx)->type, GW_E_RELEASED);
	assert_int_equal(bench_metric("isthmus_media_sockets{kind=\"rtp\"}"),
			 0);
}

/* ---- the dialog that answers takes over from the one heard early ---- */

#define TICK_US    20000u
#define GAP_MAX_US 100000u
#define FIRST      0x11
#define SECOND     0x22

struct heard {
	unsigned first, second; /* packets of each phone */
	uint64_t last_us, gap_us;
	uint16_t seq;
	uint32_t ssrc;
};

static void fork_talks(struct phone *ph, uint8_t fill)
{
	uint8_t pkt[172];

	ph->timestamp += 160;
	phone_send(ph, pkt,
		   bench_rtp(pkt, 0, ++ph->seq, ph->timestamp, ph->ssrc, fill));
}

static void hear(struct bench_call *c, struct heard *h)
{
	const struct media_peer_packet *p;

	while ((p = media_peer_rtp(c->peer))) {
		uint64_t now = gw_clock_monotonic_us(NULL);
		uint16_t seq = (uint16_t)(p->data[2] << 8 | p->data[3]);
		uint32_t ssrc = (uint32_t)p->data[8] << 24 |
				(uint32_t)p->data[9] << 16 |
				(uint32_t)p->data[10] << 8 | p->data[11];

		assert_int_equal(172, p->len);
		if (h->last_us) {
			/* one source, without a hole, whoever speaks */
			assert_int_equal(h->ssrc, ssrc);
			assert_int_equal((uint16_t)(h->seq + 1), seq);
			if (now - h->last_us > h->gap_us)
				h->gap_us = now - h->last_us;
		}
		h->seq = seq;
		h->ssrc = ssrc;
		h->last_us = now;
		h->first += p->data[171] == FIRST;
		h->second += p->data[171] == SECOND;
	}
}

/* Both phones talk for @ms; when they last did is in @next_us. */
static void go_on(struct bench_call *c, struct phone *second, struct heard *h,
		  uint64_t *next_us, unsigned ms)
{
	uint64_t end = gw_clock_monotonic_us(NULL) + ms * 1000u;

	while (gw_clock_monotonic_us(NULL) < end) {
		if (gw_clock_monotonic_us(NULL) >= *next_us) {
			fork_talks(&c->phone, FIRST);
			fork_talks(second, SECOND);
			*next_us += TICK_US;
		}
		bench_step(&b);
		hear(c, h);
	}
}

/* The core says that it is @heard from now on; both go on talking. */
static void switch_to(struct bench_call *c, struct phone *second,
		      const struct phone *heard, struct heard *h,
		      uint64_t *next_us)
{
	h->first = 0;
	h->second = 0;
	h->gap_us = 0;
	assert_int_equal(
		GW_E_CONFIGURED,
		bench_configure_phone(&b, c->ctx, GW_TERM_B, heard)->type);
	go_on(c, second, h, next_us, 300);
	print_message("takeover: longest gap %llu us\n",
		      (unsigned long long)h->gap_us);
	assert_true(h->gap_us < GAP_MAX_US);
}

static void the_winner_is_heard_without_a_gap(void **state)
{
	struct heard h = { 0 };
	struct phone second = { 0 };
	struct bench_call c;
	uint64_t next_us;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	phone_open(&second, "127.0.0.1");
	second.gw_rtp = c.phone.gw_rtp;
	second.gw_rtcp = c.phone.gw_rtcp;
	second.ssrc = 0x22222222;
	bench_gate(&b, c.ctx, GW_TERM_A, GW_GATE_OUT);
	bench_gate(&b, c.ctx, GW_TERM_B, GW_GATE_IN);

	next_us = gw_clock_monotonic_us(NULL);
	go_on(&c, &second, &h, &next_us, 300);
	assert_true(h.first >= 10);
	assert_int_equal(0, h.second);

	/* the early media of the other one: what of the first was under way,
	 * and no more */
	switch_to(&c, &second, &second, &h, &next_us);
	assert_true(h.second >= 10);
	assert_true(h.first <= 2);

	/* which gives up (199): the first, though heard before, is no
	 * straggler */
	switch_to(&c, &second, &c.phone, &h, &next_us);
	assert_true(h.first >= 10);
	assert_true(h.second <= 2);

	/* and the 200 of the other one after all */
	switch_to(&c, &second, &second, &h, &next_us);
	bench_gate(&b, c.ctx, GW_TERM_A, GW_GATE_BOTH);
	bench_gate(&b, c.ctx, GW_TERM_B, GW_GATE_BOTH);
	go_on(&c, &second, &h, &next_us, 300);
	assert_true(h.second >= 10);
	assert_true(h.gap_us < GAP_MAX_US);

	phone_close(&second);
	bench_hang_up(&b, &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
		T(audio_passes_both_ways_when_the_browser_begins_dtls),
		T(audio_passes_both_ways_when_the_gateway_begins_dtls),
		T(sha1_profile_is_used_with_a_peer_that_has_no_other),
		T(peer_without_candidates_is_found_by_its_checks),
		T(packets_of_ice_never_enter_libnice),
		T(fall_back_path_carries_the_call_and_is_counted),
		T(closed_gate_lets_nothing_through),
		T(stranger_is_not_heard_once_the_source_is_locked),
		T(phone_behind_nat_is_learned_and_answered),
		T(refreshed_description_keeps_the_learned_source),
		T(echo_sends_the_browsers_audio_back),
		T(ipv6_carries_audio_on_both_sides),
		T(the_winner_is_heard_without_a_gap),
		T(refused_m_line_takes_no_port_until_it_comes_alive),
		T(with_a_tick_packets_are_relayed_together),
		T(command_for_an_unknown_context_is_answered_gone),
		T(impossible_commands_fail_and_the_context_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
