/*
 * Paths that change under a call: a NAT that forgets, a browser that changes
 * its network; and paths that are narrow or long.  Each with full ICE and lite.
 */
#include "tests/net/net_both.h"

#include <string.h>

static int start_narrow(void **state)
{
	return start_mtu(state, 1280);
}

/* Both hear the other, and no keys but the first were needed. */
static void talk(struct net_call *c, const char *when)
{
	net_talk(&n, c, 600);
	net_say("%s, %s: phone heard %.2f (tone %.3f), browser %.2f (tone "
		"%.3f)",
		bench_lite ? "lite" : "full ICE", when, net_heard(&c->at_phone),
		net_tone(&c->at_phone, NET_BROWSER_HZ),
		net_heard(&c->at_browser),
		net_tone(&c->at_browser, NET_PHONE_HZ));
	assert_true(net_tone(&c->at_phone, NET_BROWSER_HZ) > 0.95);
	assert_true(net_tone(&c->at_browser, NET_PHONE_HZ) > 0.95);
	assert_true(net_heard(&c->at_phone) > 0.95);
	assert_true(net_heard(&c->at_browser) > 0.95);
	assert_int_equal(bench_count(&n.bench, c->ctx, GW_E_DTLS, -1), 1);
	assert_int_equal(media_peer_bad(c->peer), 0);
}

static unsigned changes(const struct net_call *c)
{
	return bench_count(&n.bench, c->ctx, GW_E_ICE, GW_ICE_PAIR_CHANGED);
}

static unsigned failures(const struct net_call *c)
{
	return bench_count(&n.bench, c->ctx, GW_E_ICE, GW_ICE_FAILED);
}

static void move(struct net_call *c, const char *address)
{
	wire_enter(n.wire, WIRE_BROWSER);
	media_peer_move(c->peer, address);
	wire_enter(n.wire, WIRE_GATEWAY);
}

/* ---- NAT ---- */

static void nat_is_crossed_and_its_new_port_is_followed(void **state)
{
	static struct net_call c;

	(void)state;
	wire_nat(n.wire, true);
	net_call_make(&n, &c, WIRE_BROWSER_ADDR);
	talk(&c, "behind a NAT");
	for (unsigned i = 1; i <= 2; i++) {
		wire_rebind(n.wire);
		bench_until(&n.bench, changes(&c) == i);
		talk(&c, "another port");
	}
	assert_int_equal(failures(&c), 0);
	net_call_end(&n, &c);
}

/* ---- another network ---- */

static void new_address_keeps_the_call_without_a_restart(void **state)
{
	static struct net_call c;

	(void)state;
	net_call_make(&n, &c, WIRE_BROWSER_ADDR);
	talk(&c, "first network");
	wire_cut_first_network(n.wire, true);
	move(&c, WIRE_BROWSER_ADDR2);
	bench_until(&n.bench, changes(&c) == 1);
	talk(&c, "second network");
	wire_cut_first_network(n.wire, false);
	move(&c, WIRE_BROWSER_ADDR);
	bench_until(&n.bench, changes(&c) == 2);
	talk(&c, "first network again");
	assert_int_equal(failures(&c), 0);
	net_call_end(&n, &c);
}

static void new_address_keeps_the_call_by_a_restart(void **state)
{
	struct gw_media_cmd cmd = { .verb = GW_M_RESTART, .term = GW_TERM_A };
	static struct net_call c;
	const struct gw_media_event *ev;

	(void)state;
	net_call_make(&n, &c, WIRE_BROWSER_ADDR);
	talk(&c, "first network");
	wire_cut_first_network(n.wire, true);
	move(&c, WIRE_BROWSER_ADDR2);
	media_peer_restart(c.peer);
	cmd.ctx = c.ctx;
	ev = bench_do(&n.bench, &cmd);
	assert_int_equal(ev->type, GW_E_RESERVED);
	media_peer_set_remote(c.peer, &ev->end);
	assert_int_equal(
		bench_configure_peer(&n.bench, c.ctx, GW_TERM_A, c.peer)->type,
		GW_E_CONFIGURED);
	bench_until(&n.bench, changes(&c) == 1 && media_peer_ice_up(c.peer));
	talk(&c, "second network, restarted");
	assert_int_equal(failures(&c), 0);
	net_call_end(&n, &c);
}

/* ---- narrow and long ---- */

static void wide_packets(struct net_call *c)
{
	const struct media_peer_packet *got = NULL;
	uint8_t pkt[1200];

	(void)bench_rtp(pkt, 96, ++c->seq, 160, 0x42524f57, 0);
	memset(pkt + 12, 0x33, sizeof(pkt) - 12);
	media_peer_send(c->peer, pkt, sizeof(pkt));
	bench_until(&n.bench, phone_hear(&c->phone));
	assert_int_equal(c->phone.len, sizeof(pkt));
	assert_int_equal(c->phone.last[sizeof(pkt) - 1], 0x33);

	(void)bench_rtp(pkt, 0, ++c->phone.seq, 160, c->phone.ssrc, 0);
	memset(pkt + 12, 0x44, sizeof(pkt) - 12);
	phone_send(&c->phone, pkt, sizeof(pkt));
	bench_until(&n.bench, (got = media_peer_rtp(c->peer)) != NULL);
	assert_int_equal(got->len, sizeof(pkt));
	assert_int_equal(got->data[sizeof(pkt) - 1], 0x44);
}

/* No IP fragment either way, and nothing too long: the wire carries neither. */
static void narrow_call(bool active)
{
	struct wire_counts gateway, browser;
	static struct net_call c;

	net_call_begin_as(
		&n, &c,
		&(struct media_peer_options){ .address = WIRE_BROWSER_ADDR,
					      .active = active,
					      .rsa = true });
	bench_until(&n.bench, net_call_up(&n, &c));
	wide_packets(&c);
	talk(&c, active ? "narrow, browser begins" : "narrow, gateway begins");
	wire_count(n.wire, WIRE_GATEWAY, &gateway);
	wire_count(n.wire, WIRE_BROWSER, &browser);
	assert_int_equal(gateway.too_long + browser.too_long, 0);
	assert_int_equal(gateway.fragments + browser.fragments, 0);
	assert_true(gateway.carried > 30 && browser.carried > 30);
	net_call_end(&n, &c);
}

static void mtu_of_1280_holds_large_certificates_and_media(void **state)
{
	(void)state;
	narrow_call(true);
	narrow_call(false);
}

static void set_up_and_audio_stand_300_ms_each_way(void **state)
{
	static struct net_call c;

	(void)state;
	wire_set_both(n.wire, &(struct wire_terms){ .delay_ms = 300 });
	for (int active = 0; active < 2; active++) {
		net_call_begin_as(&n, &c,
				  &(struct media_peer_options){
					  .address = WIRE_BROWSER_ADDR,
					  .active = active });
		bench_until(&n.bench, net_call_up(&n, &c));
		net_say("300 ms each way: up after %llu ms",
			(unsigned long long)(c.up_us - c.began_us) / 1000);
		assert_true(c.up_us - c.began_us < 5000000);
		/* What is under way has 300 ms to come. */
		talk(&c, "300 ms");
		net_call_end(&n, &c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(nat_is_crossed_and_its_new_port_is_followed, start),
		BOTH(new_address_keeps_the_call_without_a_restart, start),
		BOTH(new_address_keeps_the_call_by_a_restart, start),
		BOTH(mtu_of_1280_holds_large_certificates_and_media,
		     start_narrow),
		BOTH(set_up_and_audio_stand_300_ms_each_way, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
