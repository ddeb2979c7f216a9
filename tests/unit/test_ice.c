/* Two of our agents on one loop: the kernel's path, the fall-back path, and
 * any mixture. */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stun/stunagent.h>
#include <stun/usages/ice.h>

#include "gateway/base/metrics.h"
#include "media/ice.h"
#include "media/stun.h"
#include "tests/unit/metric.h"
#include "tests/unit/udp.h"

struct side {
	struct gw_ice *ice;
	struct gw_end local;
	bool gathered;
	unsigned connected, changed, failed;
	unsigned got;
	size_t len;
	uint8_t data[2048];
	struct gw_addr from;
	bool accepted;
};

static const struct gw_logctx ilog = { .module = "media" };
static const char loopback[4][46] = { "127.0.0.1" };
static const char loopback6[4][46] = { "::1" };
static const char *stun_server = "";
static struct gw_poller *poller;
static struct gw_timers *timers;
static struct gw_stun *stun;
static uint64_t ahead_us; /* of the real clock */
static struct side a, z;

static void on_gathered(void *arg)
{
	struct side *s = arg;

	s->gathered = true;
	gw_ice_local(s->ice, &s->local);
}

static void on_state(enum gw_ice_state state, void *arg)
{
	struct side *s = arg;

	s->connected += state == GW_ICE_CONNECTED;
	s->changed += state == GW_ICE_PAIR_CHANGED;
	s->failed += state == GW_ICE_FAILED;
}

static void on_packet(const struct gw_addr *from, uint8_t *data, size_t len,
		      size_t cap, void *arg)
{
	struct side *s = arg;

	assert_true(cap >= len + 148);
	s->got++;
	s->len = len;
	s->from = *from;
	s->accepted = gw_ice_accepts(s->ice, from);
	memcpy(s->data, data, len);
}

static uint64_t clock_us(void *unused)
{
	return gw_clock_monotonic_us(unused) + ahead_us;
}

static int setup(void **state)
{
	(void)state;
	ahead_us = 0;
	assert_int_equal(gw_stun_new(&stun), 0);
	memset(&a, 0, sizeof(a));
	memset(&z, 0, sizeof(z));
	assert_int_equal(gw_poller_new(&poller), 0);
	assert_int_equal(gw_timers_new(&timers, clock_us, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gw_ice_free(a.ice);
	gw_ice_free(z.ice);
	assert_int_equal(gw_timers_count(timers), 0);
	gw_timers_free(timers);
	gw_poller_free(poller);
	gw_stun_free(stun);
	return 0;
}

static int make(struct side *s, bool controlling, bool no_split,
		const char (*address)[46])
{
	const struct gw_ice_options opt = { .poller = poller,
					    .timers = timers,
					    .log = &ilog,
					    .address = address,
					    .stun = stun,
					    .stun_server = stun_server,
					    .controlling = controlling,
					    .no_split = no_split };
	const struct gw_ice_handlers h = { .gathered = on_gathered,
					   .state = on_state,
					   .packet = on_packet,
					   .arg = s };

	return gw_ice_new(&s->ice, &opt, &h);
}

static void turn(void)
{
	uint64_t due = gw_timers_next_us(timers);
	uint64_t now = gw_timers_now_us(timers);

	gw_poller_wait(poller, due <= now ? 0 : 1);
	(void)gw_timers_run(timers);
}

#define until(cond)                                                            \
	do {                                                                   \
		uint64_t end_ = gw_clock_monotonic_us(NULL) + 10000000;        \
		while (!(cond)) {                                              \
			turn();                                                \
			if (gw_clock_monotonic_us(NULL) > end_)                \
				fail_msg("never: %s", #cond);                  \
		}                                                              \
	} while (0)

static void gather_both(bool a_no_split, bool z_no_split,
			const char (*address)[46])
{
	assert_int_equal(make(&a, true, a_no_split, address), 0);
	assert_int_equal(make(&z, false, z_no_split, address), 0);
	assert_false(a.gathered); /* never from inside a call */
	until(a.gathered && z.gathered);
	assert_true(a.local.ncandidate >= 1);
	assert_true(strlen(a.local.ufrag) >= 4);
	assert_true(strlen(a.local.pwd) >= 22);
	assert_int_equal(a.local.candidate[0].type, 0);
	assert_true(a.local.candidate[0].foundation[0] != '\0');
}

static void connect_both(void)
{
	assert_int_equal(gw_ice_configure(a.ice, &z.local), 0);
	assert_int_equal(gw_ice_configure(z.ice, &a.local), 0);
	until(a.connected && z.connected);
}

static void exchange(void)
{
	uint8_t rtp[172] = { 0x80, 111 };
	uint8_t dtls[40] = { 22 };
	unsigned before_a = a.got;
	unsigned before_z = z.got;

	for (int i = 0; i < 5; i++) {
		rtp[100] = (uint8_t)i;
		assert_int_equal(gw_ice_send(a.ice, NULL, rtp, sizeof(rtp)), 0);
		until(z.got == before_z + 2 * (unsigned)i + 1);
		assert_int_equal(z.len, sizeof(rtp));
		assert_memory_equal(z.data, rtp, sizeof(rtp));
		assert_true(z.accepted);
		assert_int_equal(gw_ice_send(a.ice, NULL, dtls, sizeof(dtls)),
				 0);
		until(z.got == before_z + 2 * (unsigned)i + 2);
		assert_int_equal(gw_ice_send(z.ice, NULL, rtp, sizeof(rtp)), 0);
		until(a.got == before_a + (unsigned)i + 1);
		assert_memory_equal(a.data, rtp, sizeof(rtp));
		assert_true(a.accepted);
	}
}

static void kernel_splits_packets_from_checks(void **state)
{
	(void)state;
	gather_both(false, false, loopback);
	assert_int_equal(gw_ice_send(a.ice, NULL, "x", 1), -ENOTCONN);
	assert_false(gw_ice_is_connected(a.ice));
	connect_both();
	assert_true(gw_ice_is_connected(a.ice));
	exchange();
	assert_int_equal(a.failed + z.failed, 0);
}

static void fall_back_path_carries_packets_too(void **state)
{
	(void)state;
	gather_both(true, true, loopback);
	connect_both();
	exchange();
}

static void both_paths_meet(void **state)
{
	(void)state;
	gather_both(true, false, loopback);
	connect_both();
	exchange();
}

#define CONSENT(what) metric("isthmus_ice_consent_total{what=\"" what "\"}")

/* RFC 7675, on the path of packets and on the fall-back path; by either role:
 * a wrong one would be refused. */
static void consent_is_asked_and_given(void **state)
{
	int64_t confirmed = CONSENT("confirmed");
	int64_t answered = CONSENT("answered");
	int64_t refused = CONSENT("refused");

	(void)state;
	gather_both(true, false, loopback);
	connect_both();
	for (int i = 1; i <= 10; i++) {
		ahead_us += 6000000;
		until(CONSENT("confirmed") >= confirmed + 2 * i);
	}
	assert_true(CONSENT("answered") >= answered + 20);
	assert_true(CONSENT("refused") == refused);
	assert_int_equal(a.failed + z.failed, 0);
	exchange();
}

static void without_consent_nothing_is_sent(void **state)
{
	int64_t lost = CONSENT("lost");

	(void)state;
	gather_both(false, false, loopback);
	connect_both();
	gw_ice_free(z.ice);
	z.ice = NULL;
	for (int i = 0; i < 5; i++) {
		ahead_us += 5900000;
		turn();
	}
	assert_int_equal(a.failed, 0);
	ahead_us += 600000;
	until(a.failed);
	assert_int_equal(a.failed, 1);
	assert_true(CONSENT("lost") == lost + 1);
	assert_false(gw_ice_is_connected(a.ice));
	assert_int_equal(gw_ice_send(a.ice, NULL, "x", 1), -ENOTCONN);
}

static void ipv6_connects(void **state)
{
	(void)state;
	gather_both(false, false, loopback6);
	assert_int_equal(a.local.candidate[0].addr.family, AF_INET6);
	connect_both();
	exchange();
}

static void same_description_again_changes_nothing(void **state)
{
	(void)state;
	gather_both(false, false, loopback);
	connect_both();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(gw_ice_configure(a.ice, &z.local), 0);
		assert_int_equal(gw_ice_configure(z.ice, &a.local), 0);
	}
	for (int i = 0; i < 50; i++)
		turn();
	exchange();
	assert_int_equal(a.changed + z.changed, 0);
}

static void restart_makes_new_credentials_and_keeps_the_pair(void **state)
{
	struct gw_end old;

	(void)state;
	gather_both(false, false, loopback);
	connect_both();
	old = a.local;
	assert_int_equal(gw_ice_restart(a.ice), 0);
	assert_false(gw_ice_is_peer(a.ice, &z.local));
	gw_ice_local(a.ice, &a.local);
	assert_string_not_equal(a.local.ufrag, old.ufrag);
	assert_true(gw_addr_equal(&a.local.candidate[0].addr,
				  &old.candidate[0].addr));
	exchange(); /* meanwhile */
	assert_int_equal(gw_ice_restart(z.ice), 0);
	gw_ice_local(z.ice, &z.local);
	assert_int_equal(gw_ice_configure(a.ice, &z.local), 0);
	assert_int_equal(gw_ice_configure(z.ice, &a.local), 0);
	assert_true(gw_ice_is_peer(a.ice, &z.local));
	for (int i = 0; i < 300; i++)
		turn();
	exchange();
	assert_int_equal(a.failed + z.failed, 0);
}

static void
forgotten_peer_is_not_accepted_until_a_pair_is_selected(void **state)
{
	(void)state;
	gather_both(false, false, loopback);
	connect_both();
	gw_ice_forget_peer(a.ice);
	assert_false(gw_ice_accepts(a.ice, &z.local.candidate[0].addr));
	assert_int_equal(gw_ice_send(a.ice, NULL, "\x80x", 2), -ENOTCONN);
	assert_int_equal(gw_ice_restart(a.ice), 0);
	assert_int_equal(gw_ice_restart(z.ice), 0);
	gw_ice_local(a.ice, &a.local);
	gw_ice_local(z.ice, &z.local);
	assert_int_equal(gw_ice_configure(a.ice, &z.local), 0);
	assert_int_equal(gw_ice_configure(z.ice, &a.local), 0);
	until(a.changed);
	exchange();
}

static void strangers_and_garbage_are_not_accepted(void **state)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned got;
	uint8_t junk[600];

	(void)state;
	gather_both(false, false, loopback);
	connect_both();
	len = gw_addr_to_sockaddr(&a.local.candidate[0].addr, &ss);
	got = a.got;
	memset(junk, 0x80, sizeof(junk));
	(void)sendto(fd, junk, 100, 0, (struct sockaddr *)&ss, len);
	until(a.got == got + 1);
	assert_false(a.accepted);
	/* To libnice: empty, short and broken STUN. */
	(void)sendto(fd, "", 0, 0, (struct sockaddr *)&ss, len);
	srand(7);
	for (int i = 0; i < 300; i++) {
		for (size_t k = 0; k < sizeof(junk); k++)
			junk[k] = (uint8_t)rand();
		junk[0] &= 1;
		junk[2] = 0;
		if (i & 1)
			memcpy(junk + 4, "\x21\x12\xa4\x42", 4);
		(void)sendto(fd, junk, (size_t)(rand() % 600), 0,
			     (struct sockaddr *)&ss, len);
		turn();
	}
	assert_int_equal(a.got, got + 1);
	exchange();
	(void)close(fd);
}

static void hear_from(int fd, bool accepted)
{
	static const uint8_t rtp[172] = { 0x80, 111 };
	struct sockaddr_storage ss;
	socklen_t len = gw_addr_to_sockaddr(&a.local.candidate[0].addr, &ss);
	unsigned got = a.got;

	assert_int_equal(
		sendto(fd, rtp, sizeof(rtp), 0, (struct sockaddr *)&ss, len),
		sizeof(rtp));
	until(a.got == got + 1);
	assert_int_equal(a.accepted, accepted);
}

/* RFC 8445 12: the peer sends on the valid pair that it chooses. */
static void any_candidate_of_the_peer_is_heard_and_no_stranger(void **state)
{
	struct gw_end with_other;
	struct gw_addr other;
	struct gw_addr stranger;
	int other_fd = udp_open("127.0.0.1", &other);
	int stranger_fd = udp_open("127.0.0.1", &stranger);

	(void)state;
	gather_both(false, false, loopback);
	with_other = z.local;
	with_other.candidate[0].addr = other;
	with_other.ncandidate = 1;
	assert_int_equal(gw_ice_configure(a.ice, &with_other), 0);
	hear_from(other_fd, false); /* it does not answer: no pair yet */
	with_other.candidate[1] = z.local.candidate[0];
	with_other.ncandidate = 2;
	assert_int_equal(gw_ice_configure(a.ice, &with_other), 0);
	assert_int_equal(gw_ice_configure(z.ice, &a.local), 0);
	until(a.connected && z.connected);
	hear_from(stranger_fd, false);
	hear_from(other_fd, true);
	hear_from(stranger_fd, false);

	/* Its description goes; its packets may still be under way. */
	assert_int_equal(gw_ice_restart(a.ice), 0);
	hear_from(other_fd, true);
	assert_int_equal(gw_ice_restart(z.ice), 0);
	gw_ice_local(a.ice, &a.local);
	gw_ice_local(z.ice, &z.local);
	assert_int_equal(gw_ice_configure(a.ice, &z.local), 0);
	assert_int_equal(gw_ice_configure(z.ice, &a.local), 0);
	hear_from(other_fd, true);
	gw_ice_forget_peer(a.ice);
	hear_from(other_fd, false);
	(void)close(other_fd);
	(void)close(stranger_fd);
}

/* What z would send from another address of its own. */
static void send_check(int fd, const char *pwd)
{
	char user[600];
	uint8_t buf[600];
	struct sockaddr_storage ss;
	socklen_t len = gw_addr_to_sockaddr(&a.local.candidate[0].addr, &ss);
	StunAgent agent;
	StunMessage msg;
	size_t n;

	stun_agent_init(&agent, STUN_ALL_KNOWN_ATTRIBUTES,
			STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS |
				STUN_AGENT_USAGE_USE_FINGERPRINT);
	(void)snprintf(user, sizeof(user), "%s:%s", a.local.ufrag,
		       z.local.ufrag);
	n = stun_usage_ice_conncheck_create(
		&agent, &msg, buf, sizeof(buf), (uint8_t *)user, strlen(user),
		(const uint8_t *)pwd, strlen(pwd), false, false, 1, 1, NULL,
		STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
	assert_true(n > 0);
	assert_int_equal(sendto(fd, buf, n, 0, (struct sockaddr *)&ss, len),
			 (ssize_t)n);
}

static void candidate_learnt_from_a_check_is_heard(void **state)
{
	struct gw_addr other;
	int fd = udp_open("127.0.0.1", &other);

	(void)state;
	gather_both(false, false, loopback);
	connect_both();
	hear_from(fd, false);
	send_check(fd, "of-somebody-else-entirely");
	for (int i = 0; i < 50; i++)
		turn();
	hear_from(fd, false);
	send_check(fd, a.local.pwd);
	until(gw_ice_accepts(a.ice, &other));
	hear_from(fd, true);
	exchange(); /* on the pair that was selected */
	(void)close(fd);
}

/* A peer with z's names on @fd: answers a check that has come @times before;
 * true when it did. */
static bool answer_check(int fd, unsigned times)
{
	static struct {
		uint8_t id[12];
		unsigned times;
	} seen[64];
	static unsigned next;
	struct sockaddr_storage ss;
	socklen_t slen = sizeof(ss);
	struct gw_stun_check check;
	struct gw_addr from;
	uint8_t out[GW_STUN_ANSWER];
	uint8_t buf[1500];
	size_t len;
	bool nominated;
	unsigned i;
	ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT,
			     (struct sockaddr *)&ss, &slen);

	if (n < 20 ||
	    gw_stun_read(stun, &check, buf, (size_t)n) != GW_STUN_CHECK)
		return false;
	for (i = 0; i < 64 && memcmp(seen[i].id, buf + 8, 12) != 0; i++)
		;
	if (i == 64) {
		i = next++ % 64;
		memcpy(seen[i].id, buf + 8, 12);
		seen[i].times = 0;
	}
	if (seen[i].times++ < times)
		return false;
	assert_int_equal(gw_addr_from_sockaddr(&from, (struct sockaddr *)&ss),
			 0);
	assert_int_equal(gw_stun_answer(stun, &check, z.local.pwd, false, &from,
					out, &len, &nominated),
			 GW_STUN_VALID);
	assert_int_equal(sendto(fd, out, len, 0, (struct sockaddr *)&ss, slen),
			 (ssize_t)len);
	return true;
}

#define PROBES(what) metric("isthmus_ice_probes_total{what=\"" what "\"}")

/* libnice sends none of its checks three times within a second, we do.  It
 * selects later, and nothing changes. */
static void way_is_found_before_libnice_selects(void **state)
{
	int64_t found = PROBES("found");
	int64_t confirmed = CONSENT("confirmed");
	struct gw_addr peer;
	struct gw_end end;
	uint8_t buf[1500];
	uint64_t next = 0;
	int fd = udp_open("127.0.0.1", &peer);

	(void)state;
	gather_both(false, false, loopback);
	end = z.local;
	end.ncandidate = 0; /* found by its checks alone */
	assert_int_equal(gw_ice_configure(a.ice, &end), 0);
	until(({
		if (gw_clock_monotonic_us(NULL) >= next) {
			send_check(fd, a.local.pwd);
			next = gw_clock_monotonic_us(NULL) + 50000;
		}
		(void)answer_check(fd, 2);
		a.connected;
	}));
	assert_true(PROBES("found") == found + 1);
	assert_int_equal(a.connected, 1);
	hear_from(fd, true);
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(gw_ice_send(a.ice, NULL, "\x80x", 2), 0);
	until(recv(fd, buf, sizeof(buf), MSG_DONTWAIT) == 2);
	/* Consent is kept, and its answer comes to our own socket. */
	ahead_us += 6000000;
	until(({
		(void)answer_check(fd, 0);
		CONSENT("confirmed") > confirmed;
	}));
	send_check(fd, a.local.pwd);
	for (int i = 0; i < 300; i++) {
		turn();
		(void)answer_check(fd, 0);
	}
	hear_from(fd, true);
	assert_int_equal(a.connected, 1);
	assert_int_equal(a.changed + a.failed, 0);
	assert_true(PROBES("found") == found + 1);
	(void)close(fd);
}

static void flood_of_strangers_costs_little_and_deafens_nobody(void **state)
{
	struct gw_addr from;
	uint64_t begin;

	(void)state;
	gather_both(false, false, loopback);
	connect_both();
	assert_int_equal(gw_addr_parse(&from, "192.0.2.1", 1), 0);
	begin = gw_clock_monotonic_us(NULL);
	for (unsigned i = 0; i < 100000; i++) {
		from.port = (uint16_t)i;
		assert_false(gw_ice_accepts(a.ice, &from));
	}
	/* Under 5 us each, also with sanitizers; measured 0.1. */
	assert_true(gw_clock_monotonic_us(NULL) - begin < 500000);
	assert_true(gw_ice_accepts(a.ice, &z.local.candidate[0].addr));
}

/* RFC 8489 6.3.1, as small as a server can be. */
static void answer_stun(int fd)
{
	static const uint8_t cookie[4] = { 0x21, 0x12, 0xa4, 0x42 };
	uint8_t req[600];
	uint8_t rsp[32] = { 0x01, 0x01, 0, 12 };
	/* XOR-MAPPED-ADDRESS 198.51.100.7:40000 */
	uint8_t mapped[12] = { 0x00,       0x20,        0,   8,  0,   1,
			       40000 >> 8, 40000 & 255, 198, 51, 100, 7 };
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	ssize_t n =
		recvfrom(fd, req, sizeof(req), 0, (struct sockaddr *)&ss, &len);

	if (n < 20 || req[0] || req[1] != 1)
		return;
	memcpy(rsp + 4, req + 4, 16);
	for (int i = 0; i < 2; i++)
		mapped[6 + i] ^= cookie[i];
	for (int i = 0; i < 4; i++)
		mapped[8 + i] ^= cookie[i];
	memcpy(rsp + 20, mapped, sizeof(mapped));
	(void)sendto(fd, rsp, sizeof(rsp), 0, (struct sockaddr *)&ss, len);
}

static void gather_with_stun(bool answers)
{
	char text[GW_ADDR_STRLEN];
	struct gw_addr addr;
	int fd = udp_open("127.0.0.1", &addr);
	uint64_t begin = gw_clock_monotonic_us(NULL);

	stun_server = gw_addr_print(&addr, text, sizeof(text));
	assert_int_equal(make(&a, true, false, loopback), 0);
	assert_false(a.gathered);
	until(((answers ? answer_stun(fd) : (void)0), a.gathered));
	stun_server = "";
	assert_int_equal(a.local.candidate[0].type, 0);
	if (answers) {
		const struct gw_candidate *c = &a.local.candidate[1];

		assert_int_equal(a.local.ncandidate, 2);
		assert_int_equal(c->type, 1);
		assert_string_equal(gw_addr_print(&c->addr, text, sizeof(text)),
				    "198.51.100.7:40000");
		assert_true(
			gw_addr_equal(&c->related, &a.local.candidate[0].addr));
		assert_true(c->priority < a.local.candidate[0].priority);
	} else {
		assert_int_equal(a.local.ncandidate, 1);
		/* Not longer than a caller would wait. */
		assert_true(gw_clock_monotonic_us(NULL) - begin < 3000000);
	}
	/* And it works. */
	assert_int_equal(make(&z, false, false, loopback), 0);
	until(z.gathered);
	connect_both();
	exchange();
	(void)close(fd);
}

static void stun_server_tells_the_public_address(void **state)
{
	(void)state;
	gather_with_stun(true);
}

static void silent_stun_server_delays_and_no_more(void **state)
{
	(void)state;
	gather_with_stun(false);
}

/* Every socket of ours at the candidate's port: libnice's and our own. */
static unsigned sockets_with_tos(uint16_t port, int tos)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct gw_addr addr;
		int value = -1;

		if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0 ||
		    gw_addr_from_sockaddr(&addr, (struct sockaddr *)&ss) ||
		    addr.port != port)
			continue;
		len = sizeof(value);
		assert_int_equal(
			getsockopt(fd, IPPROTO_IP, IP_TOS, &value, &len), 0);
		n += value == tos;
	}
	return n;
}

static void both_sockets_carry_the_dscp(void **state)
{
	(void)state;
	gather_both(false, false, loopback);
	gw_ice_set_dscp(a.ice, 46);
	assert_int_equal(
		sockets_with_tos(a.local.candidate[0].addr.port, 46 << 2), 2);
	connect_both();
	exchange();
}

static void larger_than_a_packet_is_dropped(void **state)
{
	static uint8_t big[4000] = { 0x80 };
	unsigned got;

	(void)state;
	gather_both(false, false, loopback);
	connect_both();
	got = z.got;
	assert_int_equal(gw_ice_send(a.ice, NULL, big, sizeof(big)), 0);
	exchange();
	assert_int_equal(z.got, got + 10);
}

static void bad_descriptions_are_refused(void **state)
{
	static const char nowhere[4][46] = { "not an address" };
	static const char foreign[4][46] = { "192.0.2.77" };
	struct side bad = { 0 };
	struct gw_end end;

	(void)state;
	assert_int_equal(make(&bad, true, false, nowhere), -EINVAL);
	assert_int_equal(make(&bad, true, false, foreign), -EADDRINUSE);
	gather_both(false, false, loopback);
	end = z.local;
	(void)strcpy(end.ufrag, "abc");
	assert_int_equal(gw_ice_configure(a.ice, &end), -EINVAL);
	end = z.local;
	(void)strcpy(end.pwd, "short");
	assert_int_equal(gw_ice_configure(a.ice, &end), -EINVAL);
	end = z.local;
	end.candidate[0].addr.family = 0;
	end.candidate[1].type = 99;
	end.ncandidate = 2;
	assert_int_equal(gw_ice_configure(a.ice, &end), 0);
	connect_both();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(kernel_splits_packets_from_checks),
		T(fall_back_path_carries_packets_too),
		T(both_paths_meet),
		T(consent_is_asked_and_given),
		T(without_consent_nothing_is_sent),
		T(ipv6_connects),
		T(same_description_again_changes_nothing),
		T(restart_makes_new_credentials_and_keeps_the_pair),
		T(forgotten_peer_is_not_accepted_until_a_pair_is_selected),
		T(strangers_and_garbage_are_not_accepted),
		T(any_candidate_of_the_peer_is_heard_and_no_stranger),
		T(candidate_learnt_from_a_check_is_heard),
		T(way_is_found_before_libnice_selects),
		T(flood_of_strangers_costs_little_and_deafens_nobody),
		T(stun_server_tells_the_public_address),
		T(silent_stun_server_delays_and_no_more),
		T(both_sockets_carry_the_dscp),
		T(larger_than_a_packet_is_dropped),
		T(bad_descriptions_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
