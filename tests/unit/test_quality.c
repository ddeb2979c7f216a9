/* Figures of a call: the E-model, intervals, and who is believed. */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/quality.h"

static struct gw_quality q;
static struct gw_stream_stats now[GW_NTERMS];

static int setup(void **state)
{
	(void)state;
	gw_quality_init(&q);
	memset(now, 0, sizeof(now));
	return 0;
}

/* ITU-T G.107 annex B, table B.1 for R; G.113 for the equipment. */
static void mos_follows_the_e_model(void **state)
{
	static const struct {
		const char *codec;
		uint32_t loss_ppm, delay_ms;
		double least, most;
	} row[] = {
		{"PCMU",     0,       0,    4.40, 4.42},
		{ "PCMU",    0,       150,  4.30, 4.35},
		{ "pcma",    10000,   0,    4.28, 4.36}, /* Ie-eff 3.6 */
		{ "PCMU",    50000,   0,    3.70, 3.95}, /* Ie-eff 15.8 */
		{ "PCMU",    200000,  0,    2.00, 2.70},
		{ "PCMU",    0,       400,  3.00, 3.35},
		{ "opus",    0,       0,    4.40, 4.42},
		{ "opus",    10000,   50,   4.20, 4.35},
		{ "G722",    0,       0,    4.00, 4.10},
		{ "G722",    30000,   0,    2.00, 2.75},
		{ "AMR-WB",  0,       0,    4.20, 4.30},
		{ "unknown", 0,       0,    4.40, 4.42},
		{ NULL,      0,       0,    4.40, 4.42},
		{ "opus",    1000000, 0,    1.00, 1.50},
		{ "opus",    2000000, 9000, 1.00, 1.00},
	};

	(void)state;
	for (unsigned i = 0; i < GW_ARRAY_LEN(row); i++) {
		double mos = gw_quality_mos(row[i].codec, row[i].loss_ppm,
					    row[i].delay_ms * 1000ull) /
			     1e3;

		if (mos < row[i].least || mos > row[i].most)
			fail_msg("row %u: %.3f", i, mos);
	}
}

static void more_loss_and_more_delay_never_sound_better(void **state)
{
	uint16_t last = 4500, mos;

	(void)state;
	for (uint32_t ppm = 0; ppm <= 1000000; ppm += 5000) {
		mos = gw_quality_mos("opus", ppm, 0);
		assert_true(mos <= last && mos >= 1000);
		last = mos;
	}
	last = 4500;
	for (uint64_t us = 0; us <= 5000000; us += 10000) {
		mos = gw_quality_mos("PCMU", 0, us);
		assert_true(mos <= last && mos >= 1000);
		last = mos;
	}
}

static void pass(enum gw_term t, uint32_t received, uint32_t lost)
{
	now[t].rx.packets += received;
	now[t].rx.lost += lost;
}

static void each_interval_is_judged_by_itself(void **state)
{
	const struct gw_quality_path *to = &q.side[GW_TERM_A].to;

	(void)state;
	pass(GW_TERM_A, 250, 0);
	gw_quality_take(&q, now, "opus");
	assert_true(to->known);
	assert_int_equal(0, to->loss_ppm);
	assert_true(to->mos_m > 4300);
	pass(GW_TERM_A, 200, 50);
	gw_quality_take(&q, now, "opus");
	assert_int_equal(200000, to->loss_ppm);
	assert_true(to->mos_m < 2500);
	pass(GW_TERM_A, 250, 0);
	gw_quality_take(&q, now, "opus");
	assert_int_equal(0, to->loss_ppm);
	/* The call as a whole keeps all of it. */
	assert_int_equal(750, to->expected);
	assert_int_equal(50, to->lost);
	assert_int_equal(3, to->mos_n);
	assert_true(to->mos_min_m < 2500);
	/* A held call says nothing. */
	gw_quality_take(&q, now, "opus");
	assert_false(to->known);
	assert_int_equal(3, to->mos_n);
}

static void counters_that_run_backwards_are_no_loss(void **state)
{
	(void)state;
	now[GW_TERM_B].rx.packets = 1000;
	now[GW_TERM_B].rx.lost = 90;
	gw_quality_take(&q, now, "PCMU");
	now[GW_TERM_B].rx.packets = 1250;
	now[GW_TERM_B].rx.lost = 10; /* another source */
	gw_quality_take(&q, now, "PCMU");
	assert_int_equal(0, q.side[GW_TERM_B].to.loss_ppm);
}

static void rtcp_tells_what_we_sent(void **state)
{
	const struct gw_quality_path *from = &q.side[GW_TERM_B].from;

	(void)state;
	now[GW_TERM_B].tx.packets = 250;
	gw_quality_take(&q, now, "PCMU");
	assert_false(from->known); /* no RTCP yet */
	now[GW_TERM_B].tx.packets = 500;
	now[GW_TERM_B].remote_lost = 25;
	now[GW_TERM_B].remote_jitter_us = 4000;
	now[GW_TERM_B].rtt_us = 30000;
	gw_quality_take(&q, now, "PCMU");
	assert_int_equal(100000, from->loss_ppm);
	assert_int_equal(4000, from->jitter_us);
	assert_int_equal(30000, q.side[GW_TERM_B].round_trip_us);
	/* More than was sent cannot be lost. */
	now[GW_TERM_B].tx.packets = 750;
	now[GW_TERM_B].remote_lost = 4000000;
	gw_quality_take(&q, now, "PCMU");
	assert_int_equal(1000000, from->loss_ppm);
	assert_int_equal(1000, from->mos_m / 500 * 500);
}

static void the_clients_own_count_goes_before_rtcp(void **state)
{
	struct gw_leg_report r = { .packets_sent = GW_LEG_UNKNOWN,
				   .packets_received = 240,
				   .packets_lost = 10,
				   .jitter_ms = 7,
				   .round_trip_ms = 42,
				   .buffer_ms = GW_LEG_UNKNOWN };
	const struct gw_quality_path *from = &q.side[GW_TERM_A].from;

	(void)state;
	now[GW_TERM_A].tx.packets = 250;
	now[GW_TERM_A].remote_lost = 200;
	now[GW_TERM_A].remote_jitter_us = 1;
	gw_quality_report(&q, GW_TERM_A, &r);
	gw_quality_take(&q, now, "opus");
	assert_int_equal(40000, from->loss_ppm);
	assert_int_equal(7000, from->jitter_us);
	assert_int_equal(42000, q.side[GW_TERM_A].round_trip_us);
	/* Without a new one its figures stand a while, uncounted ... */
	now[GW_TERM_A].tx.packets = 500;
	gw_quality_take(&q, now, "opus");
	assert_int_equal(40000, from->loss_ppm);
	assert_int_equal(250, from->expected);
	/* ... then it has stopped. */
	for (unsigned i = 0; i < 3; i++) {
		now[GW_TERM_A].tx.packets += 250;
		gw_quality_take(&q, now, "opus");
	}
	assert_int_equal(0, from->loss_ppm);
	assert_int_equal(1, from->jitter_us);
}

static void any_report_is_survived(void **state)
{
	struct gw_leg_report r = { UINT32_MAX - 1, UINT32_MAX - 1,
				   UINT32_MAX - 1, UINT32_MAX - 1,
				   UINT32_MAX - 1, UINT32_MAX - 1 };
	struct gw_buf b;

	(void)state;
	gw_quality_report(&q, GW_TERM_A, &r);
	gw_quality_take(&q, now, "opus");
	assert_int_equal(500000, q.side[GW_TERM_A].from.loss_ppm);
	memset(&r, 0, sizeof(r)); /* a reloaded page counts anew */
	gw_quality_report(&q, GW_TERM_A, &r);
	gw_quality_take(&q, now, "opus");
	assert_false(q.side[GW_TERM_A].from.known);
	gw_buf_init(&b, 4096);
	gw_quality_print(&q, GW_TERM_B, &b);
	assert_int_equal(0, gw_buf_error(&b));
	gw_buf_fini(&b);
}

static void both_segments_add_up_to_what_is_heard(void **state)
{
	const struct gw_quality_side *a = &q.side[GW_TERM_A];
	uint16_t clean;

	(void)state;
	for (unsigned t = 0; t < GW_NTERMS; t++) {
		pass(t, 250, 0);
		now[t].tx.packets = 250;
		now[t].remote_jitter_us = 1000;
		now[t].rtt_us = 20000;
	}
	gw_quality_take(&q, now, "opus");
	clean = a->heard_m;
	assert_true(clean > 4300);
	/* 10 % on the way to us from B, 10 % on to A: 19 % there. */
	for (unsigned t = 0; t < GW_NTERMS; t++) {
		pass(t, 225, 25);
		now[t].tx.packets += 250;
		now[t].remote_lost += 25;
	}
	gw_quality_take(&q, now, "opus");
	assert_true(a->heard_m < q.side[GW_TERM_B].to.mos_m);
	assert_true(a->heard_m < a->from.mos_m);
	assert_int_equal(gw_quality_mos("opus", 190000, 20000 + 48500),
			 a->heard_m);
}

static void the_client_sees_near_and_far_from_its_own_end(void **state)
{
	struct gw_buf b;

	(void)state;
	pass(GW_TERM_A, 250, 0);
	pass(GW_TERM_B, 200, 50);
	gw_quality_take(&q, now, "PCMU");
	gw_buf_init(&b, 4096);
	gw_quality_print(&q, GW_TERM_A, &b);
	assert_non_null(strstr(b.data, "\"near\":{\"toGateway\":{\"lossPercent"
				       "\":0.00,"));
	assert_non_null(strstr(b.data, "\"far\":{\"toGateway\":{\"lossPercent\""
				       ":20.00,"));
	assert_non_null(strstr(b.data, "\"fromGateway\":{\"lossPercent\":null,"
				       "\"jitterMs\":null,\"mos\":null}"));
	assert_non_null(strstr(b.data, "\"roundTripMs\":null"));
	gw_buf_reset(&b);
	gw_quality_print(&q, GW_TERM_B, &b);
	assert_non_null(strstr(b.data, "\"near\":{\"toGateway\":{\"lossPercent"
				       "\":20.00,"));
	gw_buf_fini(&b);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(mos_follows_the_e_model),
		T(more_loss_and_more_delay_never_sound_better),
		T(each_interval_is_judged_by_itself),
		T(counters_that_run_backwards_are_no_loss),
		T(rtcp_tells_what_we_sent),
		T(the_clients_own_count_goes_before_rtcp),
		T(any_report_is_survived),
		T(both_segments_add_up_to_what_is_heard),
		T(the_client_sees_near_and_far_from_its_own_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
