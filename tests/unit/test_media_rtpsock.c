/* Ports, and whose packets are taken (media/rtpsock.h), on a clock that the
 * test turns. */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/metrics.h"
#include "media/media.h"
#include "media/rtpsock.h"
#include "tests/unit/metric.h"

static struct gw_poller *poller;
static struct gw_timers *timers;
static struct gw_ports *ports;
static struct gw_rtpsock *sock;
static uint64_t now_us;
static unsigned rtp, rtcp;
static uint8_t first_byte;
static uint32_t discarded[GW_NDISCARDS];

struct source {
	int fd;
	struct gw_addr addr;
};

static uint64_t clock_h(void *arg)
{
	(void)arg;
	return now_us;
}

static void on_packet(bool is_rtcp, uint8_t *data, size_t len, size_t cap,
		      void *arg)
{
	(void)arg;
	assert_true(cap >= len + 148);
	first_byte = data[0];
	if (is_rtcp)
		rtcp++;
	else
		rtp++;
}

static int make(const char *address, uint32_t learn_ms)
{
	struct gw_rtpsock_options opt = { .poller = poller,
					  .timers = timers,
					  .ports = ports,
					  .address = address,
					  .dscp = 46,
					  .learn_ms = learn_ms,
					  .discarded = discarded };

	return gw_rtpsock_new(&sock, &opt, on_packet, NULL);
}

static int setup(void **state)
{
	(void)state;
	now_us = 1000000;
	rtp = 0;
	rtcp = 0;
	memset(discarded, 0, sizeof(discarded));
	assert_int_equal(gw_poller_new(&poller), 0);
	assert_int_equal(gw_timers_new(&timers, clock_h, NULL), 0);
	assert_int_equal(gw_ports_new(&ports, 21900, 21999, 0, 1), 0);
	sock = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gw_rtpsock_free(sock);
	gw_ports_free(ports);
	gw_timers_free(timers);
	gw_poller_free(poller);
	return 0;
}

static void open_source(struct source *s, const char *address)
{
	struct sockaddr_storage ss;
	socklen_t len;

	assert_int_equal(gw_addr_parse(&s->addr, address, 0), 0);
	len = gw_addr_to_sockaddr(&s->addr, &ss);
	s->fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&ss, len), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(
		gw_addr_from_sockaddr(&s->addr, (struct sockaddr *)&ss), 0);
}

static void queue_from(const struct source *s, bool to_rtcp)
{
	struct gw_addr a[2];
	struct sockaddr_storage ss;
	socklen_t len;

	gw_rtpsock_local(sock, &a[0], &a[1]);
	len = gw_addr_to_sockaddr(&a[to_rtcp], &ss);
	assert_int_equal(
		sendto(s->fd, "\x80packet", 7, 0, (struct sockaddr *)&ss, len),
		7);
}

/* Loopback delivers before sendto() returns: one pass is enough, and one that
 * finds nothing need not wait. */
static void send_from(const struct source *s, bool to_rtcp)
{
	queue_from(s, to_rtcp);
	gw_poller_wait(poller, 0);
}

static void close_source(struct source *s)
{
	(void)close(s->fd);
	s->fd = -1;
}

static bool heard(const struct source *s)
{
	char buf[100];

	return recv(s->fd, buf, sizeof(buf), 0) > 0;
}

static void pairs_are_even_and_odd_and_used_in_turn(void **state)
{
	struct gw_addr a;
	struct gw_addr c;
	uint16_t before = 0;

	(void)state;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(make("127.0.0.1", 0), 0);
		gw_rtpsock_local(sock, &a, &c);
		assert_int_equal(a.port % 2, 0);
		assert_int_equal(c.port, a.port + 1);
		assert_true(a.port > before);
		before = a.port;
		gw_rtpsock_free(sock);
		sock = NULL;
	}
	/* All have had their turn. */
	assert_int_equal(make("127.0.0.1", 0), 0);
	gw_rtpsock_local(sock, &a, &c);
	assert_int_equal(a.port, 21900);
	assert_int_equal(gw_ports_available(ports), 49);
}

static void port_that_another_holds_is_passed_over(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(21901) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct gw_addr a;
	struct gw_addr c;

	(void)state;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(make("127.0.0.1", 0), 0);
	gw_rtpsock_local(sock, &a, &c);
	assert_int_equal(a.port, 21902);
	(void)close(fd);
}

static void shares_of_workers_do_not_overlap(void **state)
{
	struct gw_ports *p[3];
	size_t total = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(gw_ports_new(&p[i], 21001, 21040, i, 3), 0);
		total += gw_ports_available(p[i]);
	}
	/* 21002..21039: the odd ends are no pairs. */
	assert_int_equal(total, 19);
	for (unsigned i = 0; i < 3; i++)
		gw_ports_free(p[i]);
	assert_int_equal(gw_ports_new(&p[0], 21000, 21000, 0, 1), -EINVAL);
	assert_int_equal(gw_ports_new(&p[0], 65535, 65535, 0, 1), -EINVAL);
	assert_int_equal(gw_ports_new(&p[0], 0, 21000, 0, 1), -EINVAL);
}

static void address_that_is_not_ours_is_refused(void **state)
{
	(void)state;
	assert_int_equal(make("192.0.2.77", 0), -EADDRNOTAVAIL);
	assert_int_equal(make("not an address", 0), -EINVAL);
	assert_int_equal(gw_ports_available(ports), 50);
}

static void nobody_is_heard_before_the_peer_is_known(void **state)
{
	struct source s;

	(void)state;
	assert_int_equal(make("127.0.0.1", 200), 0);
	open_source(&s, "127.0.0.1");
	send_from(&s, false);
	assert_int_equal(rtp, 0);
	assert_int_equal(gw_rtpsock_send(sock, false, "x", 1), -ENOTCONN);
	(void)close(s.fd);
}

static void without_a_window_only_the_signalled_source_is_heard(void **state)
{
	struct source peer;
	struct source other;

	(void)state;
	assert_int_equal(make("127.0.0.1", 0), 0);
	open_source(&peer, "127.0.0.1");
	open_source(&other, "127.0.0.1");
	gw_rtpsock_remote(sock, &peer.addr, &peer.addr);
	send_from(&other, false);
	assert_int_equal(rtp, 0);
	send_from(&peer, false);
	assert_int_equal(rtp, 1);
	assert_int_equal(first_byte, 0x80);
	assert_int_equal(gw_rtpsock_send(sock, false, "x", 1), 0);
	assert_true(heard(&peer));
	assert_false(heard(&other));
	(void)close(peer.fd);
	(void)close(other.fd);
}

static void first_source_in_the_window_is_learned_and_no_second(void **state)
{
	struct source peer;
	struct source nat;
	struct source other;

	(void)state;
	assert_int_equal(make("127.0.0.1", 200), 0);
	open_source(&peer, "127.0.0.1");
	open_source(&nat, "127.0.0.1");
	open_source(&other, "127.0.0.1");
	gw_rtpsock_remote(sock, &peer.addr, &peer.addr);
	send_from(&nat, false);
	assert_int_equal(rtp, 1);
	send_from(&other, false);
	assert_int_equal(rtp, 1);
	assert_int_equal(gw_rtpsock_send(sock, false, "x", 1), 0);
	assert_true(heard(&nat));
	now_us += 300000;
	send_from(&nat, false);
	assert_int_equal(rtp, 2);
	/* Locked now: even the signalled address is a stranger. */
	send_from(&peer, false);
	assert_int_equal(rtp, 2);
	(void)close(peer.fd);
	(void)close(nat.fd);
	(void)close(other.fd);
}

static void signalled_source_wins_within_the_window(void **state)
{
	struct source peer;
	struct source thief;

	(void)state;
	assert_int_equal(make("127.0.0.1", 200), 0);
	open_source(&peer, "127.0.0.1");
	open_source(&thief, "127.0.0.1");
	gw_rtpsock_remote(sock, &peer.addr, &peer.addr);
	send_from(&thief, false);
	now_us += 100000;
	send_from(&peer, false);
	assert_int_equal(rtp, 2);
	send_from(&thief, false);
	assert_int_equal(rtp, 2);
	assert_int_equal(gw_rtpsock_send(sock, false, "x", 1), 0);
	assert_true(heard(&peer));
	(void)close(peer.fd);
	(void)close(thief.fd);
}

static void another_description_opens_the_window_anew(void **state)
{
	struct source a;
	struct source c;

	(void)state;
	assert_int_equal(make("127.0.0.1", 200), 0);
	open_source(&a, "127.0.0.1");
	open_source(&c, "127.0.0.1");
	gw_rtpsock_remote(sock, &a.addr, &a.addr);
	send_from(&a, false);
	send_from(&c, false);
	assert_int_equal(rtp, 1);
	gw_rtpsock_remote(sock, &a.addr, &a.addr); /* a refresh */
	send_from(&c, false);
	assert_int_equal(rtp, 1);
	gw_rtpsock_remote(sock, &c.addr, &c.addr);
	send_from(&c, false);
	assert_int_equal(rtp, 2);
	send_from(&a, false);
	assert_int_equal(rtp, 2);
	(void)close(a.fd);
	(void)close(c.fd);
}

static void rtcp_is_learned_from_the_rtp_sources_machine_only(void **state)
{
	struct source peer;
	struct source stranger;
	struct source nat;
	struct gw_addr far;

	(void)state;
	assert_int_equal(make("127.0.0.1", 200), 0);
	open_source(&peer, "127.0.0.1");
	open_source(&stranger, "127.0.0.2");
	open_source(&nat, "127.0.0.3");
	assert_int_equal(gw_addr_parse(&far, "127.0.0.9", 4000), 0);
	gw_rtpsock_remote(sock, &far, &far);
	send_from(&nat, false);
	assert_int_equal(rtp, 1);
	send_from(&stranger, true);
	assert_int_equal(rtcp, 0);
	send_from(&nat, true);
	assert_int_equal(rtcp, 1);
	(void)close(peer.fd);
	(void)close(stranger.fd);
	(void)close(nat.fd);
}

static void each_pass_takes_one_packet_of_a_socket(void **state)
{
	struct source peer;

	(void)state;
	assert_int_equal(make("127.0.0.1", 0), 0);
	open_source(&peer, "127.0.0.1");
	gw_rtpsock_remote(sock, &peer.addr, &peer.addr);
	for (int i = 0; i < 3; i++)
		queue_from(&peer, false);
	queue_from(&peer, true);
	for (unsigned i = 1; i <= 3; i++) {
		gw_poller_wait(poller, 0);
		assert_int_equal(rtp, i);
		assert_int_equal(rtcp, 1);
	}
	close_source(&peer);
}

/* It is told "port unreachable", as by a machine without such a port. */
static void kernel_keeps_strangers_from_a_locked_socket(void **state)
{
	struct source peer;
	struct source stranger;
	struct sockaddr_storage ss;
	struct gw_addr a[2];
	socklen_t len;
	char buf[16];

	(void)state;
	assert_int_equal(make("127.0.0.1", 200), 0);
	open_source(&peer, "127.0.0.1");
	open_source(&stranger, "127.0.0.1");
	gw_rtpsock_remote(sock, &peer.addr, &peer.addr);
	send_from(&peer, false);
	assert_int_equal(rtp, 1);
	gw_rtpsock_local(sock, &a[0], &a[1]);
	len = gw_addr_to_sockaddr(&a[0], &ss);
	assert_int_equal(connect(stranger.fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(send(stranger.fd, "\x80packet", 7, 0), 7);
	assert_int_equal(recv(stranger.fd, buf, sizeof(buf), 0), -1);
	assert_int_equal(errno, ECONNREFUSED);
	/* The other port is not locked by this one. */
	assert_int_equal(gw_rtpsock_send(sock, false, "x", 1), 0);
	assert_true(heard(&peer));
	send_from(&peer, true);
	assert_int_equal(rtcp, 1);

	/* Signalled itself it is let in, at the same port, and answered. */
	gw_rtpsock_remote(sock, &stranger.addr, &stranger.addr);
	assert_int_equal(send(stranger.fd, "\x80packet", 7, 0), 7);
	gw_poller_wait(poller, 0);
	assert_int_equal(rtp, 2);
	assert_int_equal(gw_rtpsock_send(sock, false, "x", 1), 0);
	assert_true(heard(&stranger));
	assert_false(heard(&peer));
	close_source(&peer);
	close_source(&stranger);
}

static void stranger_in_the_queue_before_the_lock_is_refused(void **state)
{
	struct source peer;
	struct source stranger;

	(void)state;
	assert_int_equal(make("127.0.0.1", 200), 0);
	open_source(&peer, "127.0.0.1");
	open_source(&stranger, "127.0.0.1");
	gw_rtpsock_remote(sock, &peer.addr, &peer.addr);
	queue_from(&peer, false);
	queue_from(&stranger, false);
	queue_from(&peer, false);
	for (int i = 0; i < 3; i++)
		gw_poller_wait(poller, 0);
	assert_int_equal(rtp, 2);
	assert_int_equal(discarded[GW_DISCARD_STRANGER], 1);
	close_source(&peer);
	close_source(&stranger);
}

/* A phone that restarts: its port is closed for a moment. */
static void closed_port_of_the_peer_costs_no_packet_after_it(void **state)
{
	static const char line[] = "isthmus_media_unreachable_total";
	struct sockaddr_storage ss;
	struct source peer;
	int64_t before = metric(line);
	socklen_t len;

	(void)state;
	assert_true(before >= 0);
	assert_int_equal(make("127.0.0.1", 0), 0);
	open_source(&peer, "127.0.0.1");
	gw_rtpsock_remote(sock, &peer.addr, &peer.addr);
	send_from(&peer, false);
	assert_int_equal(rtp, 1);
	close_source(&peer);
	assert_int_equal(gw_rtpsock_send(sock, false, "x", 1), 0);

	peer.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	len = gw_addr_to_sockaddr(&peer.addr, &ss);
	assert_int_equal(bind(peer.fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(gw_rtpsock_send(sock, false, "x", 1), 0);
	assert_true(heard(&peer));
	assert_int_equal(metric(line), before + 1);

	/* The other way to learn of it: by listening. */
	close_source(&peer);
	assert_int_equal(gw_rtpsock_send(sock, false, "x", 1), 0);
	gw_poller_wait(poller, 0);
	assert_int_equal(metric(line), before + 2);
	assert_int_equal(rtp, 1);
}

static void hold_by_the_any_address_sends_nothing(void **state)
{
	struct gw_addr any;

	(void)state;
	assert_int_equal(make("127.0.0.1", 200), 0);
	assert_int_equal(gw_addr_parse(&any, "0.0.0.0", 4000), 0);
	gw_rtpsock_remote(sock, &any, &any);
	assert_int_equal(gw_rtpsock_send(sock, false, "x", 1), -ENOTCONN);
	assert_int_equal(gw_rtpsock_send(sock, true, "x", 1), -ENOTCONN);
}

static void hold_and_resume_keep_the_source(void **state)
{
	struct source nat;
	struct source stranger;
	struct gw_addr inside;
	struct gw_addr any;
	struct gw_addr none = { 0 };

	(void)state;
	assert_int_equal(make("127.0.0.1", 200), 0);
	open_source(&nat, "127.0.0.1");
	open_source(&stranger, "127.0.0.2");
	assert_int_equal(gw_addr_parse(&inside, "127.0.0.9", 4000), 0);
	assert_int_equal(gw_addr_parse(&any, "0.0.0.0", 4000), 0);
	gw_rtpsock_remote(sock, &inside, &inside);
	send_from(&nat, false);
	assert_int_equal(rtp, 1);
	now_us += 300000;

	/* RFC 3264 8.4: it gets nothing, and may play music. */
	gw_rtpsock_remote(sock, &any, &any);
	assert_int_equal(gw_rtpsock_send(sock, false, "x", 1), -ENOTCONN);
	send_from(&stranger, false);
	assert_int_equal(rtp, 1);
	send_from(&nat, false);
	assert_int_equal(rtp, 2);

	gw_rtpsock_remote(sock, &none, &none);
	assert_int_equal(gw_rtpsock_send(sock, false, "x", 1), -ENOTCONN);
	gw_rtpsock_remote(sock, &inside, &inside);
	send_from(&stranger, false);
	assert_int_equal(rtp, 2);
	send_from(&nat, false);
	assert_int_equal(rtp, 3);
	assert_int_equal(gw_rtpsock_send(sock, false, "x", 1), 0);
	assert_true(heard(&nat));
	(void)close(nat.fd);
	(void)close(stranger.fd);
}

static void packets_carry_the_dscp(void **state)
{
	struct source peer;
	int on = 1;
	char buf[64];
	char control[256];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;

	(void)state;
	assert_int_equal(make("127.0.0.1", 0), 0);
	open_source(&peer, "127.0.0.1");
	assert_int_equal(
		setsockopt(peer.fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)),
		0);
	gw_rtpsock_remote(sock, &peer.addr, &peer.addr);
	for (int i = 0; i < 2; i++) { /* RTP, RTCP */
		msg.msg_controllen = sizeof(control);
		assert_int_equal(gw_rtpsock_send(sock, i, "x", 1), 0);
		assert_int_equal(recvmsg(peer.fd, &msg, 0), 1);
		c = CMSG_FIRSTHDR(&msg);
		assert_non_null(c);
		assert_int_equal(*(uint8_t *)CMSG_DATA(c), 46 << 2);
	}
	(void)close(peer.fd);
}

static void ipv6_packets_come_and_go(void **state)
{
	struct source peer;

	(void)state;
	assert_int_equal(make("::1", 0), 0);
	open_source(&peer, "::1");
	gw_rtpsock_remote(sock, &peer.addr, &peer.addr);
	send_from(&peer, false);
	send_from(&peer, true);
	assert_int_equal(rtp, 1);
	assert_int_equal(rtcp, 1);
	assert_int_equal(gw_rtpsock_send(sock, false, "x", 1), 0);
	assert_true(heard(&peer));
	(void)close(peer.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(pairs_are_even_and_odd_and_used_in_turn),
		T(port_that_another_holds_is_passed_over),
		T(shares_of_workers_do_not_overlap),
		T(address_that_is_not_ours_is_refused),
		T(nobody_is_heard_before_the_peer_is_known),
		T(without_a_window_only_the_signalled_source_is_heard),
		T(first_source_in_the_window_is_learned_and_no_second),
		T(signalled_source_wins_within_the_window),
		T(another_description_opens_the_window_anew),
		T(rtcp_is_learned_from_the_rtp_sources_machine_only),
		T(each_pass_takes_one_packet_of_a_socket),
		T(kernel_keeps_strangers_from_a_locked_socket),
		T(stranger_in_the_queue_before_the_lock_is_refused),
		T(closed_port_of_the_peer_costs_no_packet_after_it),
		T(hold_by_the_any_address_sends_nothing),
		T(hold_and_resume_keep_the_source),
		T(packets_carry_the_dscp),
		T(ipv6_packets_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
