/* Two of our agents on one loop: the kernel's path, the fall-back path, and
 * any mixture. */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "media/ice.h"

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
static struct gw_poller *poller;
static struct gw_timers *timers;
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

static int setup(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&z, 0, sizeof(z));
	assert_int_equal(gw_poller_new(&poller), 0);
	assert_int_equal(gw_timers_new(&timers, NULL, NULL), 0);
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
	return 0;
}

static int make(struct side *s, bool controlling, bool no_split,
		const char (*address)[46])
{
	const struct gw_ice_options opt = { .poller = poller,
					    .timers = timers,
					    .log = &ilog,
					    .address = address,
					    .stun_server = "",
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
		T(ipv6_connects),
		T(same_description_again_changes_nothing),
		T(restart_makes_new_credentials_and_keeps_the_pair),
		T(forgotten_peer_is_not_accepted_until_a_pair_is_selected),
		T(strangers_and_garbage_are_not_accepted),
		T(larger_than_a_packet_is_dropped),
		T(bad_descriptions_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
