/* What a browser sends: how much of it is let through, what its reports and its
 * silence tell, and how it ends. */
#include "tests/unit/media_webrtc.h"

#include <pthread.h>

static void ssrcs_of_a_browser_are_bounded(void **state)
{
	int64_t before = bench_metric(DISCARDED("too_many_ssrcs"));
	struct bench_call c;
	uint8_t pkt[172];

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	for (uint32_t i = 0; i < 50; i++) {
		(void)bench_rtp(pkt, 96, 1, 160, 0xabcd0000 + i, 1);
		media_peer_send(c.peer, pkt, sizeof(pkt));
		bench_step(&b);
	}
	bench_until(&b, bench_metric(DISCARDED("too_many_ssrcs")) > before);
	bench_hang_up(&b, &c);
}

static void say_bandwidth(struct bench_call *c, bool phone, uint32_t bps)
{
	struct gw_media_cmd cmd = { .verb = GW_M_CONFIGURE,
				    .term = phone ? GW_TERM_B : GW_TERM_A,
				    .ctx = c->ctx };

	if (phone) {
		cmd.end.transport = GW_TP_RTP;
		cmd.end.family = AF_INET;
	} else {
		media_peer_describe(c->peer, &cmd.end);
	}
	bench_audio(&cmd.end, phone);
	if (phone) {
		cmd.end.stream[0].rtp = c->phone.rtp_addr;
		cmd.end.stream[0].rtcp = c->phone.rtcp_addr;
	}
	cmd.end.stream[0].bandwidth_bps = bps;
	assert_int_equal(bench_do(&b, &cmd)->type, GW_E_CONFIGURED);
}

/* Of a flood of 100 packets since @began_us at 64 kbit/s: a quarter more than
 * announced goes through, half a second of it at once, and what has become of
 * it since.  A packet has 1376 bits. */
static void assert_policed(unsigned dropped, uint64_t began_us)
{
	uint64_t us = gw_clock_monotonic_us(NULL) - began_us;
	unsigned since = (unsigned)(us * 80000 / 1376 / 1000000) + 1;

	assert_true(dropped <= 63 && dropped + since >= 62);
}

static void flood_is_cut_to_what_the_other_end_takes(void **state)
{
	int64_t before = bench_metric(DISCARDED("bandwidth"));
	struct bench_call c;
	uint64_t began;
	unsigned dropped;
	unsigned got;
	uint8_t pkt[172];

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	/* What the browser takes says nothing of what it sends. */
	say_bandwidth(&c, false, 8000);
	for (int i = 0; i < 100; i++) {
		(void)bench_rtp(pkt, 96, ++c.seq, c.timestamp += 160, c.ssrc,
				1);
		media_peer_send(c.peer, pkt, sizeof(pkt));
		bench_until(&b, phone_hear(&c.phone));
	}
	assert_int_equal(bench_metric(DISCARDED("bandwidth")), before);

	say_bandwidth(&c, true, 64000);
	bench_turn(&b, 20);
	got = c.phone.got;
	began = gw_clock_monotonic_us(NULL);
	for (int i = 0; i < 100; i++) {
		(void)bench_rtp(pkt, 96, ++c.seq, c.timestamp += 160, c.ssrc,
				1);
		media_peer_send(c.peer, pkt, sizeof(pkt));
		(void)phone_hear(&c.phone);
	}
	bench_until(&b, (phone_hear(&c.phone), c.phone.got - got) +
					bench_metric(DISCARDED("bandwidth")) -
					before ==
				100);
	dropped = (unsigned)(bench_metric(DISCARDED("bandwidth")) - before);
	assert_policed(dropped, began);
	bench_hang_up(&b, &c);
}

static void flood_of_a_phone_is_cut_to_what_the_browser_takes(void **state)
{
	int64_t before = bench_metric(DISCARDED("bandwidth"));
	uint64_t began;
	unsigned dropped;
	struct bench_call c;
	unsigned heard;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	say_bandwidth(&c, false, 64000);
	bench_turn(&b, 20);
	heard = media_peer_rtp_count(c.peer);
	began = gw_clock_monotonic_us(NULL);
	/* In pairs: the queue of a socket has room for no flood. */
	for (int i = 0; i < 50; i++) {
		(void)phone_talk(&c.phone);
		(void)phone_talk(&c.phone);
		bench_until(&b, media_peer_rtp_count(c.peer) - heard +
						bench_metric(DISCARDED(
							"bandwidth")) -
						before >=
					2 * (unsigned)i + 2);
	}
	dropped = (unsigned)(bench_metric(DISCARDED("bandwidth")) - before);
	assert_int_equal(media_peer_rtp_count(c.peer) - heard + dropped, 100);
	assert_policed(dropped, began);
	bench_hang_up(&b, &c);
}

/* RTCP ends at the gateway: however much of it comes, what leaves is paced by
 * RFC 3550 6.2, and the audio goes on. */
static void rtcp_floods_stay_outside(void **state)
{
	uint8_t sr[28] = { 0x80, 200, 0, 6, 0x42, 0x52, 0x4f, 0x57 };
	uint8_t junk[40] = { 0x9f, 201, 0xff, 0xff };
	unsigned reports = 0;
	struct bench_call c;
	uint8_t buf[1500];
	uint64_t began;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	began = gw_clock_monotonic_us(NULL);
	for (int i = 0; i < 1000; i++) {
		sr[19] = (uint8_t)i;
		media_peer_send(c.peer, sr, sizeof(sr));
		media_peer_send(c.peer, junk, sizeof(junk));
		phone_reports(&c.phone, sr, sizeof(sr));
		phone_reports(&c.phone, junk, sizeof(junk));
		if (i % 50 == 0) {
			bench_step(&b);
			bench_talk(&b, &c);
		}
		while (recv(c.phone.rtcp, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			reports++;
	}
	/* Not more than one in two seconds, after the first. */
	assert_in_range(reports, 0,
			3 + (gw_clock_monotonic_us(NULL) - began) / 2000000);
	bench_talk(&b, &c);
	bench_hang_up(&b, &c);
}

static void reports_reach_both_sides_and_theirs_are_read(void **state)
{
	struct gw_media_config cfg;
	struct bench_call c;
	const struct gw_media_event *ev;
	const struct media_peer_packet *sr = NULL;
	uint8_t report[1500];
	/* RR of the browser about our stream: 10 % lost, jitter 80 (10 ms). */
	uint8_t rr[32] = { 0x81, 201, 0, 7, 0x42, 0x52, 0x4f, 0x57 };
	ssize_t n = -1;

	(void)state;
	bench_config(&cfg);
	cfg.quality_ms = 300;
	restart_bench(&cfg);
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	bench_until(&b, (sr = media_peer_rtcp(c.peer)) != NULL);
	assert_int_equal(sr->data[1], 200);
	assert_memory_equal(
		sr->data + 4,
		((uint8_t[]){ (uint8_t)(c.local.stream[0].ssrc >> 24),
			      (uint8_t)(c.local.stream[0].ssrc >> 16),
			      (uint8_t)(c.local.stream[0].ssrc >> 8),
			      (uint8_t)c.local.stream[0].ssrc }),
		4);
	bench_until(&b,
		    (n = recv(c.phone.rtcp, report, sizeof(report), 0)) > 0);
	assert_int_equal(report[1], 200);

	memcpy(rr + 8, sr->data + 4, 4); /* about us */
	rr[12] = 25;
	rr[15] = 3;
	rr[27] = 80 - 56;
	rr[23] = 80;
	rr[27] = 0;
	media_peer_send(c.peer, rr, sizeof(rr));
	bench_until(&b, (ev = bench_find(&b, c.ctx, GW_E_QUALITY, 0)) != NULL &&
				ev->stats[GW_TERM_A][0].remote_lost == 3);
	assert_int_equal(ev->stats[GW_TERM_A][0].remote_jitter_us, 10000);
	assert_int_equal(ev->stats[GW_TERM_A][0].rx.packets, 5);
	assert_int_equal(ev->stats[GW_TERM_A][0].tx.packets, 5);
	assert_int_equal(ev->stats[GW_TERM_B][0].rx.packets, 5);
	bench_hang_up(&b, &c);
}

static void silence_is_told_once_until_it_is_broken(void **state)
{
	struct gw_media_config cfg;
	struct bench_call c;
	unsigned both;

	(void)state;
	bench_config(&cfg);
	cfg.inactivity_ms = 200;
	restart_bench(&cfg);
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_until(&b, bench_count(&b, c.ctx, GW_E_INACTIVE, -1) == 2);
	bench_turn(&b, 500);
	both = bench_count(&b, c.ctx, GW_E_INACTIVE, -1);
	assert_int_equal(both, 2);
	(void)phone_talk(&c.phone);
	bench_until(&b, bench_count(&b, c.ctx, GW_E_INACTIVE, -1) == 3);
	assert_int_equal(bench_find(&b, c.ctx, GW_E_INACTIVE, 0)->term,
			 GW_TERM_B);
	/* With a closed gate nobody is waited for. */
	bench_gate(&b, c.ctx, GW_TERM_B, GW_GATE_OUT);
	say_bandwidth(&c, false, 64000); /* answered when that is done */
	both = bench_count(&b, c.ctx, GW_E_INACTIVE, -1);
	(void)phone_talk(&c.phone);
	bench_turn(&b, 400);
	assert_int_equal(bench_count(&b, c.ctx, GW_E_INACTIVE, -1), both);
	bench_hang_up(&b, &c);
}

/* Of the last INACTIVE of the phone's side; 0: none. */
static unsigned silence_of_phone(gw_ctx_id ctx)
{
	for (size_t i = b.nevent; i-- > 0;)
		if (b.event[i].ctx == ctx && b.event[i].type == GW_E_INACTIVE &&
		    b.event[i].term == GW_TERM_B)
			return b.event[i].state;
	return 0;
}

/* TS 23.334 5.10: muted is not gone. */
static void rtp_and_rtcp_are_missed_apart(void **state)
{
	static const uint8_t rr[] = { 0x80, 201, 0, 1, 0x50, 0x48, 0x4f, 0x4e };
	struct gw_media_config cfg;
	struct bench_call c;

	(void)state;
	bench_config(&cfg);
	cfg.inactivity_ms = 300;
	restart_bench(&cfg);
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	/* The phone speaks, and has no RTCP.  Where we are held up it is missed
	 * altogether, until it speaks again. */
	bench_until(&b, ((void)phone_talk(&c.phone), bench_turn(&b, 20),
			 silence_of_phone(c.ctx) == GW_SILENCE_RTCP));
	/* It is muted, and reports. */
	bench_until(&b, (phone_reports(&c.phone, rr, sizeof(rr)),
			 bench_turn(&b, 20),
			 silence_of_phone(c.ctx) == GW_SILENCE_RTP));
	/* It is gone. */
	bench_until(&b, silence_of_phone(c.ctx) == GW_SILENCE_ALL);
	bench_hang_up(&b, &c);
}

static void digit_of_the_browser_is_told_and_relayed(void **state)
{
	struct bench_call c;
	uint8_t pkt[16];
	uint8_t full[172];
	const struct gw_media_event *ev;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	for (unsigned i = 0; i < 6; i++) {
		bool end = i >= 3;
		unsigned dur = end ? 1280 : 320 * (i + 1);

		(void)bench_rtp(full, (uint8_t)(110 | (i ? 0 : 0x80)), ++c.seq,
				c.timestamp + 160, 0x42524f57, 0);
		memcpy(pkt, full, 12);
		pkt[12] = 11; /* # */
		pkt[13] = (uint8_t)(10 | (end ? 0x80 : 0));
		pkt[14] = (uint8_t)(dur >> 8);
		pkt[15] = (uint8_t)dur;
		media_peer_send(c.peer, pkt, sizeof(pkt));
		bench_until(&b, phone_hear(&c.phone));
		assert_int_equal(c.phone.len, 16);
		assert_int_equal(c.phone.last[1] & 0x7f, 101);
		assert_int_equal(c.phone.last[12], 11);
	}
	bench_until(&b, bench_count(&b, c.ctx, GW_E_DTMF, -1));
	ev = bench_find(&b, c.ctx, GW_E_DTMF, 0);
	assert_int_equal(ev->term, GW_TERM_A);
	assert_int_equal(ev->dtmf.digit, 11);
	assert_int_equal(ev->dtmf.duration_ms, 160);
	bench_turn(&b, 400);
	assert_int_equal(bench_count(&b, c.ctx, GW_E_DTMF, -1), 1);
	bench_hang_up(&b, &c);
}

static void answer_and_immediate_hang_up_leave_nothing(void **state)
{
	int64_t agents = bench_metric("isthmus_media_agents");
	int fds = bench_open_fds();

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct media_peer_options opt = { .active = i & 1,
						  .controlling = true };
		gw_ctx_id ctx = gw_media_new_id(b.media);
		struct media_peer *p = media_peer_new(&opt);
		const struct gw_media_event *ev;

		b.peer[0] = p;
		ev = bench_reserve(&b, ctx, GW_TERM_A, GW_TP_DTLS, 0);
		media_peer_set_remote(p, &ev->end);
		(void)bench_configure_peer(&b, ctx, GW_TERM_A, p);
		/* In the middle of ICE, or of DTLS, or after. */
		bench_turn(&b, (uint32_t)i * 3);
		assert_int_equal(bench_release(&b, ctx)->type, GW_E_RELEASED);
		b.peer[0] = NULL;
		media_peer_free(p);
	}
	assert_int_equal(bench_metric("isthmus_media_agents"), agents);
	assert_int_equal(bench_metric("isthmus_media_contexts"), 0);
	assert_int_equal(bench_open_fds(), fds);
}

static void *flood(void *arg)
{
	const struct bench_call *c = arg;
	uint8_t junk[3][172] = {
		{0x80, 0   },
                { 22,  0xfe, 0xfd },
                { 0x80,   96  }
	};
	struct sockaddr_storage ss;
	struct phone source;

	phone_open(&source, "127.0.0.1");
	for (int i = 0; i < 3000; i++) {
		const struct gw_addr *to =
			i % 3 ? &c->local.candidate[0].addr : &c->phone.gw_rtp;

		(void)sendto(i % 3 ? source.rtp : c->phone.rtp, junk[i % 3],
			     sizeof(junk[0]), 0, (struct sockaddr *)&ss,
			     gw_addr_to_sockaddr(to, &ss));
	}
	phone_close(&source);
	return NULL;
}

static void end_of_the_process_while_packets_flow_is_clean(void **state)
{
	struct gw_media_config cfg;
	struct bench_call c;
	pthread_t thread;
	int fds;

	(void)state;
	bench_config(&cfg);
	bench_stop(&b);
	fds = bench_open_fds();
	bench_start(&b, &cfg);
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	assert_int_equal(pthread_create(&thread, NULL, flood, &c), 0);
	bench_turn(&b, 5);
	bench_stop(&b);
	assert_int_equal(pthread_join(thread, NULL), 0);
	media_peer_free(c.peer);
	phone_close(&c.phone);
	assert_int_equal(bench_open_fds(), fds);
	assert_int_equal(bench_metric("isthmus_media_contexts"), 0);
	assert_int_equal(bench_metric("isthmus_media_agents"), 0);
	bench_start(&b, &cfg); /* for the teardown */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
		T(ssrcs_of_a_browser_are_bounded),
		T(flood_is_cut_to_what_the_other_end_takes),
		T(flood_of_a_phone_is_cut_to_what_the_browser_takes),
		T(rtcp_floods_stay_outside),
		T(reports_reach_both_sides_and_theirs_are_read),
		T(silence_is_told_once_until_it_is_broken),
		T(rtp_and_rtcp_are_missed_apart),
		T(digit_of_the_browser_is_told_and_relayed),
		T(answer_and_immediate_hang_up_leave_nothing),
		T(end_of_the_process_while_packets_flow_is_clean),
	};

	/* Again with ICE-lite, but for floods that ICE has no part in. */
	const struct CMUnitTest lite[] = {
		T(ssrcs_of_a_browser_are_bounded),
		T(flood_is_cut_to_what_the_other_end_takes),
		T(reports_reach_both_sides_and_theirs_are_read),
		T(silence_is_told_once_until_it_is_broken),
		T(rtp_and_rtcp_are_missed_apart),
		T(digit_of_the_browser_is_told_and_relayed),
		T(answer_and_immediate_hang_up_leave_nothing),
		T(end_of_the_process_while_packets_flow_is_clean),
	};
	int failed = cmocka_run_group_tests_name("full", tests, NULL, NULL);

	bench_lite = true;
	return failed + cmocka_run_group_tests_name("lite", lite, NULL, NULL);
}
