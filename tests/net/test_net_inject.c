/*
 * What somebody on the way puts into a call: nothing of it is heard, each packet
 * is counted for what it is, and the call goes on.  With full ICE and lite.
 */
#include "tests/net/net_both.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SSRC  0x42524f57
#define GROUP 4 /* sent at once: no queue runs over */

static struct net_call c;

static int64_t discarded(const char *why)
{
	char line[120];

	(void)snprintf(line, sizeof(line),
		       "isthmus_media_discarded_total{reason=\"%s\"}", why);
	return bench_metric(line);
}

static int64_t all_discarded(void)
{
	int64_t sum = bench_metric("isthmus_rtcp_rejected_total");

	if (bench_lite)
		sum += discarded("unknown_source");
	for (int i = 0; i < GW_NDISCARDS; i++)
		sum += discarded(gw_discard_name((enum gw_discard)i));
	return sum;
}

/* Where nothing counts what came, after the @i-th. */
static void pace(unsigned i)
{
	if (i % GROUP == GROUP - 1)
		bench_turn(&n.bench, 2);
}

/* The same, until those sent have been counted as @want. */
#define pace_until(i, count, want)                                             \
	do {                                                                   \
		if ((i) % GROUP == GROUP - 1)                                  \
			bench_until(&n.bench, (count) == (want));              \
	} while (0)

/* What was said before has been heard. */
static void settle(void)
{
	unsigned had;

	do {
		had = c.phone.got + media_peer_rtp_count(c.peer);
		bench_turn(&n.bench, 60);
		(void)phone_hear(&c.phone);
		while (media_peer_rtp(c.peer))
			continue;
	} while (c.phone.got + media_peer_rtp_count(c.peer) != had);
}

static void talk(void)
{
	net_talk(&n, &c, 300);
	assert_true(net_tone(&c.at_phone, NET_BROWSER_HZ) > 0.95);
	assert_true(net_tone(&c.at_browser, NET_PHONE_HZ) > 0.95);
	assert_true(net_heard(&c.at_phone) > 0.95);
	assert_true(net_heard(&c.at_browser) > 0.95);
}

/* A call that was heard; what follows must not be. */
static unsigned phone_had, browser_had;

static void quiet_call(void)
{
	net_call_make(&n, &c, WIRE_BROWSER_ADDR);
	talk();
	settle();
	phone_had = c.phone.got;
	browser_had = media_peer_rtp_count(c.peer);
}

static void nothing_was_heard(void)
{
	settle();
	assert_int_equal(c.phone.got, phone_had);
	assert_int_equal(media_peer_rtp_count(c.peer), browser_had);
	assert_int_equal(media_peer_bad(c.peer), 0);
}

static void end_call(void)
{
	talk();
	assert_int_equal(bench_count(&n.bench, c.ctx, GW_E_DTLS, -1), 1);
	assert_int_equal(bench_count(&n.bench, c.ctx, GW_E_ICE, GW_ICE_FAILED),
			 0);
	net_call_end(&n, &c);
}

/* ---- strangers ---- */

static int stranger(enum wire_end end, const char *address)
{
	struct sockaddr_storage ss;
	struct gw_addr a;
	socklen_t len;
	int fd;

	wire_enter(n.wire, end);
	assert_int_equal(gw_addr_parse(&a, address, 0), 0);
	len = gw_addr_to_sockaddr(&a, &ss);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	wire_enter(n.wire, WIRE_GATEWAY);
	return fd;
}

static void say(int fd, const struct gw_addr *to, const void *data, size_t len)
{
	struct sockaddr_storage ss;
	socklen_t n_ss = gw_addr_to_sockaddr(to, &ss);

	/* A refusal by ICMP is an answer too. */
	(void)sendto(fd, data, len, 0, (struct sockaddr *)&ss, n_ss);
}

static void strangers_are_not_heard(void **state)
{
	const char *why = bench_lite ? "unknown_source" : "not_validated";
	const struct gw_addr *web = &c.local.candidate[0].addr;
	uint8_t pkt[172], rtcp[28] = { 0x80, 200, 0, 6 };
	int64_t before;
	int at_web, at_core;

	(void)state;
	quiet_call();
	at_web = stranger(WIRE_BROWSER, WIRE_BROWSER_ADDR2);
	at_core = stranger(WIRE_GATEWAY, "127.0.0.1");
	before = discarded(why);
	for (unsigned i = 0; i < 50; i++) {
		(void)bench_rtp(pkt, 96, (uint16_t)(c.seq + i), i * 160, SSRC,
				0x55);
		say(at_web, web, pkt, sizeof(pkt));
		say(at_web, web, rtcp, sizeof(rtcp));
		(void)bench_rtp(pkt, 0, (uint16_t)(c.phone.seq + i), i * 160,
				c.phone.ssrc, 0x55);
		say(at_core, &c.phone.gw_rtp, pkt, sizeof(pkt));
		say(at_core, &c.phone.gw_rtcp, rtcp, sizeof(rtcp));
		pace_until(i, discarded(why), before + 2 * (i + 1));
	}
	bench_until(&n.bench, discarded(why) == before + 100);
	nothing_was_heard();
	(void)close(at_web);
	(void)close(at_core);
	end_call();
}

/* ---- from the right address ---- */

static void replays_are_not_heard(void **state)
{
	int64_t srtp = discarded("srtp_replay"), rtp;
	uint8_t pkt[172], first[400];
	size_t len;

	(void)state;
	quiet_call();
	(void)bench_rtp(pkt, 96, ++c.seq, c.timestamp += 160, SSRC, 0x55);
	len = media_peer_protect(c.peer, pkt, sizeof(pkt), first);
	media_peer_send_raw(c.peer, first, len);
	for (unsigned i = 0; i < 200; i++) {
		(void)bench_rtp(pkt, 96, ++c.seq, c.timestamp += 160, SSRC,
				0x55);
		media_peer_send(c.peer, pkt, sizeof(pkt));
		media_peer_replay(c.peer);
		pace_until(i, discarded("srtp_replay"), srtp + i + 1);
	}
	media_peer_send_raw(c.peer, first, len); /* out of the window by now */
	bench_until(&n.bench, discarded("srtp_replay") == srtp + 201);
	settle();
	assert_int_equal(c.phone.got, phone_had + 201);
	phone_had = c.phone.got;

	rtp = discarded("duplicate");
	for (unsigned i = 0; i < 50; i++) {
		(void)bench_rtp(pkt, 0, ++c.phone.seq, c.phone.timestamp += 160,
				c.phone.ssrc, 0x55);
		phone_send(&c.phone, pkt, sizeof(pkt));
		phone_send(&c.phone, pkt, sizeof(pkt));
		pace_until(i, discarded("duplicate"), rtp + i + 1);
	}
	bench_until(&n.bench, discarded("duplicate") == rtp + 50);
	settle();
	assert_int_equal(media_peer_rtp_count(c.peer), browser_had + 50);
	assert_int_equal(c.phone.got, phone_had);
	end_call();
}

/* Without the keys another SSRC costs the real one nothing: not its place, not
 * its window. */
static void forged_ssrcs_take_no_place(void **state)
{
	int64_t auth = discarded("srtp_auth");
	uint8_t pkt[188];

	(void)state;
	quiet_call();
	memset(pkt, 0, sizeof(pkt));
	for (unsigned i = 0; i < 200; i++) {
		(void)bench_rtp(pkt, 96, (uint16_t)(i * 331), i * 160,
				i % 2 ? SSRC : 0xbad00000 + i, 0x55);
		media_peer_send_raw(c.peer, pkt, sizeof(pkt));
		pace_until(i, discarded("srtp_auth"), auth + i + 1);
	}
	bench_until(&n.bench, discarded("srtp_auth") == auth + 200);
	assert_int_equal(discarded("too_many_ssrcs"), 0);
	nothing_was_heard();
	end_call();
}

static void media_before_the_keys_is_not_heard(void **state)
{
	int64_t before = discarded("before_dtls");
	uint8_t pkt[188] = { 0 };

	(void)state;
	/* Each is told that the other begins DTLS. */
	net_call_begin_as(
		&n, &c,
		&(struct media_peer_options){ .address = WIRE_BROWSER_ADDR,
					      .active = false,
					      .waits = true });
	bench_until(&n.bench, media_peer_ice_up(c.peer) &&
				      bench_count(&n.bench, c.ctx, GW_E_ICE,
						  GW_ICE_CONNECTED));
	for (unsigned i = 0; i < 50; i++) {
		(void)bench_rtp(pkt, 96, (uint16_t)i, i * 160, SSRC, 0x55);
		media_peer_send_raw(c.peer, pkt, sizeof(pkt));
		pkt[1] = 200;
		media_peer_send_raw(c.peer, pkt, 60);
		(void)phone_talk(&c.phone);
		pace_until(i, discarded("before_dtls"), before + 3 * (i + 1));
	}
	bench_until(&n.bench, discarded("before_dtls") == before + 150);
	settle();
	assert_int_equal(c.phone.got, 0);
	assert_int_equal(media_peer_rtp_count(c.peer), 0);
	assert_int_equal(media_peer_bad(c.peer), 0); /* nothing in clear */
	net_call_end(&n, &c);
}

/* ---- floods ---- */

static unsigned take_all(int fd)
{
	uint8_t buf[2048];
	unsigned got = 0;

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		got++;
	return got;
}

static void rtcp_floods_are_ended_here(void **state)
{
	/* A receiver report that asks for nothing, and one block of it. */
	uint8_t rr[32] = { 0x81, 201, 0, 7, 0x42, 0x52, 0x4f, 0x57 };
	int64_t auth = discarded("srtp_auth");
	unsigned had;

	(void)state;
	/* In clear, its end is read as an SRTCP index to come (RFC 3711 3.4);
	 * one that has been would be a replay. */
	rr[28] = 0x80;
	rr[29] = 0x40;
	quiet_call();
	had = media_peer_rtcp_count(c.peer);
	(void)take_all(c.phone.rtcp);
	for (unsigned i = 0; i < 1000; i++) {
		rr[9] = (uint8_t)i;
		media_peer_send(c.peer, rr, sizeof(rr));
		media_peer_send_raw(c.peer, rr, sizeof(rr));
		say(c.phone.rtcp, &c.phone.gw_rtcp, rr, sizeof(rr));
		pace_until(i, discarded("srtp_auth"), auth + i + 1);
	}
	bench_until(&n.bench, discarded("srtp_auth") == auth + 1000);
	nothing_was_heard();
	/* Reports go by our own clock, not by theirs. */
	assert_true(media_peer_rtcp_count(c.peer) - had < 10);
	assert_true(take_all(c.phone.rtcp) < 10);
	end_call();
}

/* ---- cut short ---- */

static size_t forge_check(uint8_t *out)
{
	static const uint8_t head[20] = { 0,    1,    0, 0, 0x21, 0x12,
					  0xa4, 0x42, 1, 2, 3,    4 };
	size_t name = strlen(c.local.ufrag) + 5;
	size_t len = 24 + (name + 3) / 4 * 4;

	memset(out, 0, len);
	memcpy(out, head, sizeof(head));
	out[3] = (uint8_t)(len - 20);
	out[21] = 6; /* USERNAME */
	out[23] = (uint8_t)name;
	(void)snprintf((char *)out + 24, name + 1, "%s:abcd", c.local.ufrag);
	return len;
}

/* As sent by the browser, which may be anybody on its way. */
static void cut_at_every_length(const uint8_t *pkt, size_t len, bool media)
{
	int64_t before = all_discarded();
	unsigned sent = 0;

	for (size_t i = 1; i < len; i++) {
		media_peer_send_raw(c.peer, pkt, i);
		sent++;
		if (media)
			pace_until(i, all_discarded(), before + sent);
		else
			pace(sent);
	}
	settle();
	if (media)
		bench_until(&n.bench, all_discarded() == before + sent);
}

static void what_is_cut_short_is_not_heard(void **state)
{
	uint8_t pkt[172], rr[32] = { 0x81, 201, 0, 7 }, buf[2048];
	size_t len;
	unsigned sent = 0;
	int64_t before;

	(void)state;
	quiet_call();
	(void)bench_rtp(pkt, 96, ++c.seq, c.timestamp += 160, SSRC, 1);
	len = media_peer_protect(c.peer, pkt, sizeof(pkt), buf);
	cut_at_every_length(buf, len, true);
	len = media_peer_protect(c.peer, rr, sizeof(rr), buf);
	cut_at_every_length(buf, len, true);
	len = media_peer_forge_hello(buf, sizeof(buf));
	cut_at_every_length(buf, len, false);
	/* Of the association's own epoch. */
	buf[4] = 1;
	cut_at_every_length(buf, len, false);
	cut_at_every_length(buf, forge_check(buf), false);
	nothing_was_heard();

	/* RTP in clear is whole with any payload: what is shorter is not. */
	before = all_discarded();
	for (size_t i = 1; i < 12; i++) {
		phone_send(&c.phone, pkt, i);
		sent++;
		pace_until(i, all_discarded(), before + sent);
	}
	bench_until(&n.bench, all_discarded() == before + sent);
	for (size_t i = 1; i < sizeof(rr); i++) {
		say(c.phone.rtcp, &c.phone.gw_rtcp, rr, i);
		sent++;
		pace_until(i, all_discarded(), before + sent);
	}
	bench_until(&n.bench, all_discarded() == before + sent);
	nothing_was_heard();
	end_call();
}

static void any_first_byte_is_stood(void **state)
{
	uint8_t junk[200];

	(void)state;
	quiet_call();
	for (unsigned i = 0; i < 512; i++) {
		memset(junk, (int)(i * 7), sizeof(junk));
		junk[0] = (uint8_t)i;
		junk[1] = (uint8_t)(i < 256 ? 96 : 201);
		media_peer_send_raw(c.peer, junk, sizeof(junk));
		pace(i);
	}
	nothing_was_heard();
	end_call();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(strangers_are_not_heard, start),
		BOTH(replays_are_not_heard, start),
		BOTH(forged_ssrcs_take_no_place, start),
		BOTH(media_before_the_keys_is_not_heard, start),
		BOTH(rtcp_floods_are_ended_here, start),
		BOTH(what_is_cut_short_is_not_heard, start),
		BOTH(any_first_byte_is_stood, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
