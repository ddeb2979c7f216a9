/* What a worker that was held up does: it tells, and does not deliver what has
 * waited for too long.  A context on a clock that the test turns. */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/metrics.h"
#include "media/context.h"
#include "media/lag.h"
#include "tests/unit/metric.h"

#define BUCKET "isthmus_media_loop_lag_seconds_bucket"

static struct gw_media_config cfg;
static struct gw_media_env env;
static struct gw_context *ctx;
static struct gw_media_event last;
static uint64_t now_us;
static int phone[GW_NTERMS];
static struct gw_addr phone_addr[GW_NTERMS], gw_addr[GW_NTERMS];

static uint64_t clock_h(void *arg)
{
	(void)arg;
	return now_us;
}

static void emit(const struct gw_media_event *ev, void *arg)
{
	(void)arg;
	last = *ev;
}

static void open_phone(int side)
{
	struct sockaddr_storage ss;
	socklen_t len;

	assert_int_equal(gw_addr_parse(&phone_addr[side], "127.0.0.1", 0), 0);
	len = gw_addr_to_sockaddr(&phone_addr[side], &ss);
	phone[side] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(phone[side], (struct sockaddr *)&ss, len), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(phone[side], (struct sockaddr *)&ss, &len),
			 0);
	assert_int_equal(gw_addr_from_sockaddr(&phone_addr[side],
					       (struct sockaddr *)&ss),
			 0);
}

static void command(enum gw_media_verb verb, uint8_t side)
{
	static struct gw_media_cmd cmd;
	struct gw_stream *s = &cmd.end.stream[0];

	memset(&cmd, 0, sizeof(cmd));
	cmd.verb = (uint8_t)verb;
	cmd.term = side;
	cmd.gate = GW_GATE_BOTH;
	cmd.end.transport = GW_TP_RTP;
	cmd.end.family = AF_INET;
	cmd.end.nstream = 1;
	s->ncodec = 1;
	s->codec[0].clock_hz = 8000;
	(void)snprintf(s->codec[0].name, sizeof(s->codec[0].name), "pcmu");
	s->rtp = phone_addr[side];
	s->rtcp = phone_addr[side];
	memset(&last, 0, sizeof(last));
	assert_true(gw_context_command(ctx, &cmd));
	assert_int_not_equal(last.type, GW_E_FAILED);
	if (verb == GW_M_RESERVE)
		gw_addr[side] = last.end.stream[0].rtp;
}

static int setup(void **state)
{
	(void)state;
	now_us = 1000000;
	memset(&cfg, 0, sizeof(cfg));
	memset(&env, 0, sizeof(env));
	(void)snprintf(cfg.core_address, sizeof(cfg.core_address), "127.0.0.1");
	env.cfg = &cfg;
	env.emit = emit;
	assert_int_equal(gw_poller_new(&env.poller), 0);
	assert_int_equal(gw_timers_new(&env.timers, clock_h, NULL), 0);
	assert_int_equal(gw_ports_new(&env.ports, 20900, 20999, 0, 1), 0);
	assert_int_equal(gw_context_new(&ctx, &env, 1, "stale"), 0);
	for (uint8_t side = 0; side < GW_NTERMS; side++) {
		open_phone(side);
		command(GW_M_RESERVE, side);
		command(GW_M_CONFIGURE, side);
		command(GW_M_GATE, side);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gw_context_free(ctx);
	gw_ports_free(env.ports);
	gw_timers_free(env.timers);
	gw_poller_free(env.poller);
	for (int i = 0; i < GW_NTERMS; i++)
		(void)close(phone[i]);
	return 0;
}

/* Packet @n of a stream of 20 ms; it waits in the socket. */
static void say(uint8_t n)
{
	uint8_t pkt[172] = { 0x80, 0 };
	uint32_t ts = n * 160u;
	struct sockaddr_storage ss;
	socklen_t len = gw_addr_to_sockaddr(&gw_addr[0], &ss);

	pkt[3] = n;
	pkt[6] = (uint8_t)(ts >> 8);
	pkt[7] = (uint8_t)ts;
	pkt[11] = 1;
	pkt[12] = n;
	assert_int_equal(sendto(phone[0], pkt, sizeof(pkt), 0,
				(struct sockaddr *)&ss, len),
			 sizeof(pkt));
}

/* What the other phone gets next, or -1. */
static int hear(void)
{
	uint8_t pkt[200];

	return recv(phone[1], pkt, sizeof(pkt), 0) == 172 ? pkt[12] : -1;
}

static uint32_t stale(void)
{
	gw_context_release(ctx, 0);
	assert_int_equal(last.type, GW_E_RELEASED);
	ctx = NULL;
	return last.stats[0][0].rx.discarded[GW_DISCARD_STALE];
}

/* 300 ms: packet n was sent at 20 ms times n.  Those of the first 100 ms are
 * too late, the rest is in time. */
static void what_waited_too_long_is_not_delivered(void **state)
{
	(void)state;
	say(0);
	gw_poller_wait(env.poller, 0);
	assert_int_equal(hear(), 0);

	for (uint8_t n = 1; n <= 15; n++)
		say(n);
	now_us += 300000;
	env.catching_up_until_us = now_us + 1000000;
	for (int i = 0; i < 16; i++)
		gw_poller_wait(env.poller, 0);
	for (int n = 5; n <= 15; n++)
		assert_int_equal(hear(), n);
	assert_int_equal(hear(), -1);
	assert_int_equal(stale(), 4);
}

/* What the network held up is for the listener to judge. */
static void what_came_late_is_delivered(void **state)
{
	(void)state;
	say(0);
	gw_poller_wait(env.poller, 0);
	assert_int_equal(hear(), 0);
	now_us += 2000000;
	say(1);
	gw_poller_wait(env.poller, 0);
	assert_int_equal(hear(), 1);
	assert_int_equal(stale(), 0);
}

/* A worker that was held up does not take a pause for a delay, nor the first
 * packet of a source. */
static void silence_is_not_stale(void **state)
{
	(void)state;
	env.catching_up_until_us = now_us + 5000000;
	say(0);
	gw_poller_wait(env.poller, 0);
	assert_int_equal(hear(), 0);
	now_us += 1000000;
	say(50);
	gw_poller_wait(env.poller, 0);
	assert_int_equal(hear(), 50);
	assert_int_equal(stale(), 0);
}

static void long_queue_is_not_kept(void **state)
{
	int n = 0;

	(void)state;
	say(0);
	gw_poller_wait(env.poller, 0);
	assert_int_equal(hear(), 0);
	/* Two seconds of audio, unread. */
	for (uint8_t i = 1; i <= 100; i++)
		say(i);
	for (int i = 0; i < 101; i++)
		gw_poller_wait(env.poller, 0);
	while (hear() >= 0)
		n++;
	/* The kernel charges a small packet on loopback a third of what it
	 * charges one from a network card. */
	assert_in_range(n, 8, 45);
}

static void passes_are_counted_by_their_length(void **state)
{
	static const char *const le[] = {
		BUCKET "{le=\"0.001\"}", BUCKET "{le=\"0.005\"}",
		BUCKET "{le=\"0.02\"}",  BUCKET "{le=\"0.05\"}",
		BUCKET "{le=\"0.2\"}",   BUCKET "{le=\"+Inf\"}"
	};
	static const int64_t want[] = { 1, 2, 2, 3, 3, 4 };
	static const char slow[] = "isthmus_media_slow_passes_total";
	int64_t before[6];
	int64_t slow_before = metric(slow);

	(void)state;
	for (int i = 0; i < 6; i++)
		before[i] = metric(le[i]);
	assert_false(gw_lag_pass(1000));
	assert_false(gw_lag_pass(1001));
	assert_false(gw_lag_pass(30000));
	assert_true(gw_lag_pass(300000));
	for (int i = 0; i < 6; i++)
		assert_int_equal(metric(le[i]), before[i] + want[i]);
	assert_int_equal(metric(slow), slow_before + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(what_waited_too_long_is_not_delivered),
		T(what_came_late_is_delivered),
		T(silence_is_not_stale),
		T(long_queue_is_not_kept),
		cmocka_unit_test(passes_are_counted_by_their_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
