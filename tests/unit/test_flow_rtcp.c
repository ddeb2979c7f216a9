/* RTCP over two flows: what each end learns of the other. */
#include "tests/unit/flow_rig.h"

static void two_ends_measure_each_other(void **state)
{
	/* X is the phone: @up carries what it sends, @down what it gets; the
	 * phone itself is two flows the other way round. */
	struct gw_stream_stats st;
	struct gw_rtcp_info info;
	struct rig up, down;
	uint8_t out[GW_RTCP_REPORT_MAX];
	uint64_t ntp = gw_rtcp_ntp(1700000000000000u);
	unsigned i;
	int n;

	(void)state;
	rig_init(&up, &phone, &browser);
	rig_init(&down, &browser, &phone);
	for (i = 0; i < 100; i++) {
		if (i % 10 != 5)
			audio(&up, PHONE, (uint16_t)i, 160 * i);
		pack(&down, 0, false, 9, (uint16_t)i, 160 * i);
		put(&down);
		up.now_us += PTIME_US;
		down.now_us += PTIME_US;
	}
	/* 20 ms after the last packet: time stamp of that moment. */
	n = gw_flow_rtcp_out(&up.f, &down.f, out, sizeof(out), up.now_us, ntp,
			     "gw@example", true);
	assert_int_equal(gw_rtcp_parse(&info, out, (size_t)n, PHONE, SSRC), 0);
	assert_true(info.has_sr && info.has_block && info.bye);
	assert_int_equal(info.sr.packets, 100);
	assert_int_equal(info.sr.octets, 16000);
	assert_true(info.sr.ntp == ntp);
	assert_int_equal(info.sr.rtp_ts, TS0 + 16000);
	assert_int_equal(info.block.lost, 10);
	assert_int_equal(info.block.fraction, 10 * 256 / 100);
	assert_int_equal(info.block.ext_seq, 99);
	assert_int_equal(info.block.lsr, 0);

	/* The phone answers with a report about us, 0.5 s after our SR
	 * reached it, and with an SR of its own. */
	struct gw_rtcp_sender s = { .ssrc = PHONE,
				    .active = true,
				    .ntp = 0x0000123456780000 };
	struct gw_rtcp_block b = { .ssrc = SSRC,
				   .lost = 3,
				   .jitter = 80,
				   .lsr = (uint32_t)(ntp >> 16),
				   .dlsr = 0x8000 };

	n = gw_rtcp_print(out, sizeof(out), &s, &b, "phone", false);
	up.now_us += 600000;
	assert_int_equal(gw_flow_rtcp_in(&up.f, &down.f, out, (size_t)n,
					 up.now_us,
					 gw_rtcp_ntp(1700000000600000u), &info),
			 0);
	gw_flow_stats(&up.f, &down.f, &st);
	assert_in_range(st.rtt_us, 99980, 100020);
	assert_int_equal(st.remote_lost, 3);
	assert_int_equal(st.remote_jitter_us, 10000);
	assert_int_equal(st.rx.packets, 90);
	assert_int_equal(st.rx.lost, 10);
	assert_int_equal(st.rx.jitter_us, 0);
	assert_int_equal(st.tx.packets, 100);
	assert_int_equal(st.tx.bytes, 17200);

	/* Its SR comes back in our next block. */
	n = gw_flow_rtcp_out(&up.f, &down.f, out, sizeof(out),
			     up.now_us + 2000000, ntp, "gw@example", false);
	assert_int_equal(gw_rtcp_parse(&info, out, (size_t)n, PHONE, SSRC), 0);
	assert_int_equal(info.block.lsr, 0x12345678);
	assert_int_equal(info.block.dlsr, 2 * 65536);
	assert_int_equal(info.block.fraction, 0);
}

static void who_is_silent_reports_as_receiver(void **state)
{
	uint8_t out[GW_RTCP_REPORT_MAX];
	struct gw_rtcp_info info;
	struct rig up, down;
	int n;

	(void)state;
	rig_init(&up, &phone, &browser);
	rig_init(&down, &browser, &phone);
	n = gw_flow_rtcp_out(&up.f, &down.f, out, sizeof(out), up.now_us, 1,
			     "a", false);
	assert_int_equal(n, 8 + 12);
	assert_int_equal(gw_rtcp_parse(&info, out, (size_t)n, PHONE, SSRC), 0);
	assert_int_equal(info.nrr, 1);
	assert_int_equal(info.nsr, 0);
	n = gw_flow_rtcp_out(NULL, &down.f, out, 19, up.now_us, 1, "a", false);
	assert_int_equal(n, -ENOSPC);

	pack(&down, 0, false, 9, 1, 1);
	put(&down);
	audio(&up, PHONE, 1, 1);
	n = gw_flow_rtcp_out(&up.f, &down.f, out, sizeof(out),
			     up.now_us + 15000000, 1, "a", false);
	assert_int_equal(gw_rtcp_parse(&info, out, (size_t)n, PHONE, SSRC), 0);
	assert_int_equal(info.nsr, 1);
	assert_true(info.has_block);
	n = gw_flow_rtcp_out(&up.f, &down.f, out, sizeof(out),
			     up.now_us + 15000001, 1, "a", false);
	assert_int_equal(n, 8 + 12);
}

static void rtcp_of_strangers_changes_nothing(void **state)
{
	struct gw_rtcp_sender s = { .ssrc = PHONE2,
				    .active = true,
				    .ntp = 0x0000123456780000 };
	struct gw_rtcp_block b = { .ssrc = SSRC + 1, .lost = 3 };
	uint8_t out[GW_RTCP_REPORT_MAX];
	struct gw_stream_stats st;
	struct rig up, down;
	int n;

	(void)state;
	rig_init(&up, &phone, &browser);
	rig_init(&down, &browser, &phone);
	audio(&up, PHONE, 1, 1);
	pack(&down, 0, false, 9, 1, 1);
	put(&down);
	n = gw_rtcp_print(out, sizeof(out), &s, &b, "x", true);
	assert_int_equal(
		gw_flow_rtcp_in(&up.f, &down.f, out, (size_t)n, 5, 5, NULL), 0);
	assert_int_equal(up.f.last_sr, 0);
	gw_flow_stats(&up.f, &down.f, &st);
	assert_int_equal(st.remote_lost, 0);
	assert_int_equal(
		gw_flow_rtcp_in(&up.f, &down.f, out, (size_t)n - 1, 5, 5, NULL),
		-EBADMSG);
	assert_int_equal(
		gw_flow_rtcp_in(NULL, NULL, out, (size_t)n, 5, 5, NULL), 0);
	gw_flow_stats(NULL, NULL, &st);
	assert_int_equal(st.rx.packets + st.tx.packets, 0);
}

static void feedback_and_bye_of_the_peer_reach_the_caller(void **state)
{
	/* clang-format off */
	static const uint8_t in[] = {
		0x81, 206, 0, 2, 0x70, 0, 0, 1, 0x0b, 0xad, 0xca, 0xfe,
		0x81, 203, 0, 1, 0x70, 0, 0, 1, /* PHONE leaves */
	};
	/* clang-format on */
	struct gw_rtcp_info info;
	struct rig up, down;

	(void)state;
	rig_init(&up, &phone, &browser);
	rig_init(&down, &browser, &phone);
	audio(&up, PHONE, 1, 1);
	assert_int_equal(
		gw_flow_rtcp_in(&up.f, &down.f, in, sizeof(in), 5, 5, &info),
		0);
	assert_int_equal(info.npli, 1);
	assert_true(info.bye);
}

static void loss_of_all_sources_adds_up(void **state)
{
	struct gw_stream_stats st;
	struct rig r;

	(void)state;
	rig_init(&r, &phone, &browser);
	audio(&r, PHONE, 1, 160);
	audio(&r, PHONE, 3, 480);
	audio(&r, PHONE2, 10, 160);
	audio(&r, PHONE2, 14, 800);
	audio(&r, PHONE2, 40000, 160);
	audio(&r, PHONE2, 40001, 320);
	audio(&r, PHONE2, 40003, 640);
	gw_flow_stats(&r.f, NULL, &st);
	assert_int_equal(st.rx.lost, 1 + 3 + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_ends_measure_each_other),
		cmocka_unit_test(who_is_silent_reports_as_receiver),
		cmocka_unit_test(rtcp_of_strangers_changes_nothing),
		cmocka_unit_test(feedback_and_bye_of_the_peer_reach_the_caller),
		cmocka_unit_test(loss_of_all_sources_adds_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
