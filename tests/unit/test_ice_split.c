/* One port, two sockets: who gets what, and how what leaves is marked, on both
 * versions of IP. */
#include "tests/unit/cm.h"

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "media/ice_split.h"
#include "media/tos.h"
#include "tests/unit/udp.h"

#define MARK 0x11223344u

static struct gw_poller *poller;
static struct gw_ice_splits splits;
static int nice_fd, peer_fd;
static struct gw_addr peer;
static unsigned got;
static uint8_t got_first;
static size_t got_len;

static void on_packet(unsigned at, const struct gw_addr *from, uint8_t *data,
		      size_t len, size_t cap, void *arg)
{
	(void)arg;
	assert_int_equal(at, 0);
	assert_true(gw_addr_equal(from, &peer));
	assert_true(cap > len);
	got++;
	got_len = len;
	got_first = data[0];
}

/* As libnice does. */
static void pin(int fd, int family)
{
	const uint32_t to = htonl(if_nametoindex("lo"));

	if (family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_IF,
					    &to, sizeof(to)),
				 0);
	else
		assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &to,
					    sizeof(to)),
				 0);
}

static int setup(void **state)
{
	const char *address = *state;
	struct gw_addr local;

	got = 0;
	memset(&splits, 0, sizeof(splits));
	splits.handler = on_packet;
	splits.mark = MARK;
	assert_int_equal(gw_poller_new(&poller), 0);
	nice_fd = udp_open(address, &local);
	pin(nice_fd, local.family);
	peer_fd = udp_open(address, &peer);
	assert_int_equal(gw_ice_split_add(&splits, poller, nice_fd), 0);
	assert_int_equal(gw_ice_split_find(&splits, &local), 0);
	assert_int_equal(gw_ice_split_find(&splits, &peer), -1);
	assert_int_equal(gw_ice_split_of(&splits, nice_fd), 0);
	assert_int_equal(gw_ice_split_of(&splits, peer_fd), -1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gw_ice_split_close(&splits);
	(void)close(nice_fd);
	(void)close(peer_fd);
	gw_poller_free(poller);
	return 0;
}

/* Does @len bytes of @data come to us?  Else libnice has them. */
static bool is_ours(const void *data, size_t len)
{
	struct sockaddr_storage ss;
	socklen_t slen = gw_addr_to_sockaddr(&splits.split[0].local, &ss);
	uint8_t buf[64];
	unsigned before = got;
	ssize_t n;

	assert_int_equal(
		sendto(peer_fd, data, len, 0, (struct sockaddr *)&ss, slen),
		(ssize_t)len);
	gw_poller_wait(poller, 0);
	n = recv(nice_fd, buf, sizeof(buf), 0);
	if (got == before) {
		assert_int_equal(n, (ssize_t)len);
		return false;
	}
	assert_int_equal(n, -1);
	assert_int_equal(got, before + 1);
	assert_int_equal(got_len, len);
	assert_int_equal(got_first, *(const uint8_t *)data);
	return true;
}

static void stun_is_libnices_but_answers_to_us(void **state)
{
	uint8_t msg[20] = { 1,    1,    0,    0,    0x21, 0x12,
			    0xa4, 0x42, 0x11, 0x22, 0x33, 0x44 };

	(void)state;
	assert_true(is_ours("\x14", 1));
	assert_true(is_ours("\x16\xfe\xfd", 3));
	assert_true(is_ours("\x80\x60", 2));
	assert_false(is_ours("\x13", 1));
	assert_true(is_ours(msg, sizeof(msg)));
	msg[1] = 0x11; /* an error */
	assert_true(is_ours(msg, sizeof(msg)));
	for (size_t n = 1; n < 12; n++)
		assert_false(is_ours(msg, n));
	assert_true(is_ours(msg, 12));
	msg[0] = 0;
	msg[1] = 1; /* a request */
	assert_false(is_ours(msg, sizeof(msg)));
	msg[1] = 0x11; /* an indication */
	assert_false(is_ours(msg, sizeof(msg)));
	msg[0] = 1;
	msg[1] = 3; /* of Allocate */
	assert_false(is_ours(msg, sizeof(msg)));
	for (int i = 8; i < 12; i++) {
		msg[1] = 1;
		msg[i] ^= 1; /* libnice's transaction */
		assert_false(is_ours(msg, sizeof(msg)));
		msg[i] ^= 1;
	}
	assert_true(is_ours(msg, sizeof(msg)));
	assert_false(is_ours("", 0));
}

/* What the last datagram carried. */
static int heard_tos(void)
{
	_Alignas(struct cmsghdr) char control[256];
	char buf[64];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	int tos = 0;

	assert_int_equal(recvmsg(peer_fd, &msg, 0), 1);
	c = CMSG_FIRSTHDR(&msg);
	assert_non_null(c);
	if (c->cmsg_level == IPPROTO_IPV6)
		memcpy(&tos, CMSG_DATA(c), sizeof(tos));
	else
		tos = *(uint8_t *)CMSG_DATA(c);
	return tos;
}

static int sent_tos(int tos)
{
	assert_int_equal(gw_ice_split_send(&splits, 0, &peer, tos, "x", 1), 0);
	return heard_tos();
}

static void each_datagram_may_have_a_dscp_of_its_own(void **state)
{
	bool v6 = peer.family == AF_INET6;
	const int on = 1;

	(void)state;
	assert_int_equal(setsockopt(peer_fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
				    v6 ? IPV6_RECVTCLASS : IP_RECVTOS, &on,
				    sizeof(on)),
			 0);
	assert_int_equal(sent_tos(GW_TOS_SOCKETS), 0);
	gw_ice_split_set_tos(&splits, 46 << 2);
	assert_int_equal(sent_tos(GW_TOS_SOCKETS), 46 << 2);
	assert_int_equal(sent_tos(34 << 2), 34 << 2);
	assert_int_equal(sent_tos(0), 0);
	assert_int_equal(sent_tos(46 << 2), 46 << 2);
	assert_int_equal(sent_tos(GW_TOS_SOCKETS), 46 << 2);
}

static void libnice_sends_by_the_routes_not_by_an_interface(void **state)
{
	bool v6 = peer.family == AF_INET6;
	uint32_t to = 1;
	socklen_t len = sizeof(to);

	(void)state;
	assert_int_equal(getsockopt(nice_fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
				    v6 ? IPV6_UNICAST_IF : IP_UNICAST_IF, &to,
				    &len),
			 0);
	assert_int_equal(to, 0);
}

int main(void)
{
	static char v4[] = "127.0.0.1";
	static char v6[] = "::1";
#define T(f)                                                                   \
	cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, v4),      \
		cmocka_unit_test_prestate_setup_teardown(f, setup, teardown,   \
							 v6)
	const struct CMUnitTest tests[] = {
		T(stun_is_libnices_but_answers_to_us),
		T(each_datagram_may_have_a_dscp_of_its_own),
		T(libnice_sends_by_the_routes_not_by_an_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
