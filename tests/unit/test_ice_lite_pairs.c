/* Pairs of the ICE-lite agent: which of them is sent to, for how long, how many
 * there may be, and what floods cost. */
#include "tests/unit/ice_lite_peer.h"

static void latest_nomination_is_followed(void **state)
{
	struct client c = open_client("127.0.0.1");
	struct client d = open_client("127.0.0.1");
	struct client e = open_client("::1");

	(void)state;
	configure(&a, 1);
	assert_int_equal(check(&c, &a, true), 0);
	pass(2000000);
	assert_int_equal(check(&d, &a, false), 0);
	assert_true(reaches(&a, &c)); /* not nominated */
	assert_true(heard(&d, &a));   /* but valid */
	assert_int_equal(check(&d, &a, true), 0);
	assert_true(reaches(&a, &d));
	assert_int_equal(a.changed, 1);
	pass(2000000);
	assert_int_equal(check(&e, &a, true), 0); /* another network */
	assert_true(reaches(&a, &e));
	assert_int_equal(a.changed, 2);
	assert_true(heard(&c, &a)); /* still under way */
	pass(2000000);
	assert_int_equal(check(&c, &a, true), 0); /* and back */
	assert_true(reaches(&a, &c));
	assert_int_equal(a.changed, 3);
	assert_int_equal(a.connected, 1);
	(void)close(c.fd);
	(void)close(d.fd);
	(void)close(e.fd);
}

static void
pairs_that_alternate_are_followed_and_told_once_a_second(void **state)
{
	struct client c = open_client("127.0.0.1");
	struct client d = open_client("127.0.0.1");

	(void)state;
	configure(&a, 1);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(check(&c, &a, true), 0);
		assert_true(reaches(&a, &c));
		pass(50000);
		assert_int_equal(check(&d, &a, true), 0);
		assert_true(reaches(&a, &d));
		pass(50000);
	}
	assert_true(a.changed >= 2 && a.changed <= 3);
	(void)close(c.fd);
	(void)close(d.fd);
}

static void stranger_is_counted_and_dropped(void **state)
{
	int64_t before = metric(DISCARDED("unknown_source"));
	struct client c = open_client("127.0.0.1");
	struct client d = open_client("127.0.0.1");

	(void)state;
	configure(&a, 1);
	assert_int_equal(check(&c, &a, true), 0);
	for (int i = 0; i < 5; i++)
		assert_false(heard(&d, &a));
	assert_int_equal(metric(DISCARDED("unknown_source")), before + 5);
	assert_true(heard(&c, &a));
	(void)close(c.fd);
	(void)close(d.fd);
}

static void sessions_share_the_port_and_not_the_packets(void **state)
{
	struct client c = open_client("127.0.0.1");
	struct client d = open_client("127.0.0.1");

	(void)state;
	make(&z);
	configure(&a, 1);
	configure(&z, 2);
	assert_int_equal(check(&c, &a, true), 0);
	assert_int_equal(check(&d, &z, true), 0);
	assert_true(heard(&c, &a) && heard(&d, &z));
	assert_false(heard(&c, &z) || heard(&d, &a));
	assert_true(reaches(&a, &c) && reaches(&z, &d));
	gw_ice_free(a.ice);
	a.ice = NULL;
	assert_int_equal(check(&c, &a, true), 401);
	assert_true(heard(&d, &z));
	(void)close(c.fd);
	(void)close(d.fd);
}

/* Whoever has a session of its own must not take another's packets by sending
 * checks under its address. */
static void address_of_a_living_session_is_not_taken(void **state)
{
	int64_t before = metric(STUN("address_in_use"));
	struct client c = open_client("127.0.0.1");

	(void)state;
	make(&z);
	configure(&a, 1);
	configure(&z, 2);
	assert_int_equal(check(&c, &a, true), 0);
	assert_int_equal(check(&c, &z, true), -1);
	assert_int_equal(metric(STUN("address_in_use")), before + 1);
	assert_true(heard(&c, &a));
	pass(13000000); /* nobody is there any more */
	assert_int_equal(check(&c, &z, true), 0);
	assert_true(heard(&c, &z));
	turn();
	assert_int_equal(a.failed, 1);
	assert_false(gw_ice_is_connected(a.ice));
	(void)close(c.fd);
}

static void silence_ends_consent_after_thirty_seconds(void **state)
{
	struct client c = open_client("127.0.0.1");

	(void)state;
	configure(&a, 1);
	assert_int_equal(check(&c, &a, true), 0);
	for (int i = 0; i < 20; i++) {
		pass(5000000);
		assert_int_equal(check(&c, &a, i & 1), 0);
	}
	assert_int_equal(a.failed, 0);
	pass(29000000);
	assert_true(reaches(&a, &c));
	/* Media is no consent, nor is a check that proves nothing. */
	assert_true(heard(&c, &a));
	assert_int_equal(
		check_with(&c, &(struct ask){ .to = &a.local,
					      .pwd = "guessed-0000000" }),
		401);
	pass(1000001);
	assert_int_equal(a.failed, 1);
	assert_false(gw_ice_is_connected(a.ice));
	assert_int_equal(gw_ice_send(a.ice, NULL, rtp, sizeof(rtp)), -ENOTCONN);
	assert_false(heard(&c, &a));
	pass(60000000);
	assert_int_equal(a.failed, 1);
	/* And back it is: it knows the password, and asks. */
	assert_int_equal(check(&c, &a, true), 0);
	assert_int_equal(a.changed, 1);
	assert_true(heard(&c, &a) && reaches(&a, &c));
	pass(31000000);
	assert_int_equal(a.failed, 2);
	(void)close(c.fd);
}

static void who_never_checks_has_failed(void **state)
{
	(void)state;
	pass(100000000); /* not described: nobody is expected */
	assert_int_equal(a.failed, 0);
	configure(&a, 1);
	pass(29000000);
	assert_int_equal(a.failed, 0);
	pass(1000001);
	assert_int_equal(a.failed, 1);
	pass(60000000);
	assert_int_equal(a.failed, 1);
}

static void lost_pair_leaves_another_nominated_one(void **state)
{
	struct client c = open_client("127.0.0.1");
	struct client d = open_client("127.0.0.1");

	(void)state;
	configure(&a, 1);
	assert_int_equal(check(&d, &a, true), 0);
	pass(2000000);
	assert_int_equal(check(&c, &a, true), 0);
	for (int i = 0; i < 7; i++) {
		pass(4500000);
		assert_int_equal(check(&d, &a, false), 0);
	}
	turn();
	assert_true(reaches(&a, &d));
	assert_false(heard(&c, &a));
	assert_int_equal(a.failed, 0);
	(void)close(c.fd);
	(void)close(d.fd);
}

static void restart_keeps_the_old_until_the_new_is_nominated(void **state)
{
	struct client c = open_client("127.0.0.1");
	struct client d = open_client("127.0.0.1");
	struct side old;

	(void)state;
	configure(&a, 1);
	assert_int_equal(check(&c, &a, true), 0);
	old = a;
	assert_int_equal(gw_ice_restart(a.ice), 0);
	gw_ice_local(a.ice, &a.local);
	assert_string_not_equal(a.local.ufrag, old.local.ufrag);
	assert_string_not_equal(a.local.pwd, old.local.pwd);
	pass(20000000);
	assert_int_equal(check(&c, &old, true), 0); /* consent goes on */
	pass(20000000);
	assert_true(heard(&c, &a) && reaches(&a, &c));
	configure(&a, 2);
	assert_true(heard(&c, &a) && reaches(&a, &c));
	assert_int_equal(check(&d, &a, false), 0);
	assert_true(reaches(&a, &c));
	assert_int_equal(check(&d, &a, true), 0);
	assert_true(heard(&d, &a) && reaches(&a, &d));
	assert_true(heard(&c, &a)); /* still under way */
	assert_int_equal(check(&c, &old, true), 401);
	assert_int_equal(a.failed, 0);
	assert_int_equal(a.changed, 1);
	(void)close(c.fd);
	(void)close(d.fd);
}

static void forgotten_peer_is_not_heard_and_its_successor_is(void **state)
{
	struct client c = open_client("127.0.0.1");
	struct client d = open_client("127.0.0.1");
	struct side old;

	(void)state;
	configure(&a, 1);
	assert_int_equal(check(&c, &a, true), 0);
	old = a;
	assert_int_equal(gw_ice_restart(a.ice), 0);
	gw_ice_local(a.ice, &a.local);
	/* The new page is faster than its description. */
	assert_int_equal(check_by(2, &d, &a), 0);
	assert_true(reaches(&a, &c));
	gw_ice_forget_peer(a.ice);
	assert_false(gw_ice_is_connected(a.ice));
	assert_int_equal(check(&c, &old, true), 401);
	configure(&a, 2);
	pass(1000000);
	assert_true(gw_ice_is_connected(a.ice));
	assert_true(heard(&d, &a) && reaches(&a, &d));
	assert_false(heard(&c, &a));
	(void)close(c.fd);
	(void)close(d.fd);
}

static void pairs_of_a_session_are_bounded(void **state)
{
	struct client c = open_client("127.0.0.1");
	struct client d[20];
	unsigned n = 0;

	(void)state;
	configure(&a, 1);
	assert_int_equal(check(&c, &a, true), 0);
	for (int i = 0; i < 20; i++) {
		pass(1000);
		d[i] = open_client("127.0.0.1");
		assert_int_equal(check(&d[i], &a, false), 0);
	}
	for (int i = 0; i < 20; i++) {
		n += heard(&d[i], &a);
		(void)close(d[i].fd);
	}
	assert_int_equal(n, 7);
	assert_true(heard(&c, &a) && reaches(&a, &c));
	(void)close(c.fd);
}

/* Who has read a ufrag on the wire costs us a bounded number of HMACs, and the
 * call nothing. */
static void flood_of_forged_checks_silences_nobody(void **state)
{
	int64_t rate = metric(STUN("rate_of_session"));
	int64_t forged = metric(STUN("401_integrity"));
	struct client c = open_client("127.0.0.1");
	struct client d = open_client("127.0.0.1");
	struct client e = open_client("127.0.0.1");

	(void)state;
	configure(&a, 1);
	assert_int_equal(check(&c, &a, true), 0);
	for (int i = 0; i < 500; i++)
		(void)check_with(&d, &(struct ask){ .to = &a.local,
						    .pwd = "guessed-0000000" });
	/* 200 of a session, less the one that was valid. */
	assert_int_equal(metric(STUN("401_integrity")), forged + 199);
	assert_int_equal(metric(STUN("rate_of_session")), rate + 301);
	assert_int_equal(check(&c, &a, true), 0);
	assert_int_equal(check(&e, &a, true), -1);
	pass(100000);
	assert_int_equal(check(&e, &a, true), 0);
	(void)close(c.fd);
	(void)close(d.fd);
	(void)close(e.fd);
}

static void flood_for_unknown_users_is_bounded_by_address(void **state)
{
	int64_t rate = metric(STUN("rate_of_strangers"));
	struct client c = open_client("127.0.0.1");
	struct client d = open_client("127.0.0.2");
	const struct ask ask = { .to = &a.local, .ufrag = "nobodyXX" };
	unsigned answered = 0;

	(void)state;
	configure(&a, 1);
	for (int i = 0; i < 100; i++)
		answered += check_with(&c, &ask) == 401;
	assert_int_equal(answered, 20);
	assert_int_equal(metric(STUN("rate_of_strangers")), rate + 80);
	assert_int_equal(check(&c, &a, true), 0); /* no stranger */
	assert_int_equal(check_with(&d, &ask), 401);
	pass(100000);
	assert_int_equal(check_with(&c, &ask), 401);
	(void)close(c.fd);
	(void)close(d.fd);
}

static void one_turn_takes_a_bounded_number_of_packets(void **state)
{
	struct client c = open_client("127.0.0.1");

	(void)state;
	configure(&a, 1);
	assert_int_equal(check(&c, &a, true), 0);
	for (int i = 0; i < 150; i++)
		say(&c, rtp, sizeof(rtp));
	turn();
	assert_int_equal(a.got, 64);
	turn();
	turn();
	assert_int_equal(a.got, 150);
	(void)close(c.fd);
}

/* The IPv4 socket's queue, and how many sockets there are at the port. */
static int queue_bytes(unsigned *sockets)
{
	int bytes = 0;

	*sockets = 0;
	for (int fd = 0; fd < 256; fd++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct gw_addr addr;

		if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0 ||
		    gw_addr_from_sockaddr(&addr, (struct sockaddr *)&ss) ||
		    addr.port != PORT)
			continue;
		++*sockets;
		len = sizeof(bytes);
		assert_int_equal(
			getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &len), 0);
	}
	return bytes;
}

static void sessions_cost_no_socket_and_widen_the_queue(void **state)
{
	static struct side many[200];
	struct client c = open_client("127.0.0.1");
	unsigned sockets;
	int before = queue_bytes(&sockets);

	(void)state;
	assert_int_equal(sockets, 2);
	memset(many, 0, sizeof(many));
	for (int i = 0; i < 200; i++) {
		make(&many[i]);
		configure(&many[i], 1);
	}
	/* As far as we may: net.core.rmem_max binds who lacks CAP_NET_ADMIN. */
	assert_true(queue_bytes(&sockets) >= before);
	if (!setsockopt(c.fd, SOL_SOCKET, SO_RCVBUFFORCE, &before,
			sizeof(before)))
		assert_true(queue_bytes(&sockets) >= 2 * 200 * 4096);
	assert_int_equal(sockets, 2);
	for (int i = 0; i < 200; i++) {
		pass(13000000 / 50);
		if (i % 50 == 0) {
			pass(13000000); /* the address is free again */
			assert_int_equal(check(&c, &many[i], true), 0);
			assert_true(heard(&c, &many[i]));
		}
	}
	for (int i = 0; i < 200; i++)
		gw_ice_free(many[i].ice);
	assert_int_equal(check(&c, &many[0], true), 401);
	(void)close(c.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(latest_nomination_is_followed),
		T(pairs_that_alternate_are_followed_and_told_once_a_second),
		T(stranger_is_counted_and_dropped),
		T(sessions_share_the_port_and_not_the_packets),
		T(address_of_a_living_session_is_not_taken),
		T(silence_ends_consent_after_thirty_seconds),
		T(who_never_checks_has_failed),
		T(lost_pair_leaves_another_nominated_one),
		T(restart_keeps_the_old_until_the_new_is_nominated),
		T(forgotten_peer_is_not_heard_and_its_successor_is),
		T(pairs_of_a_session_are_bounded),
		T(flood_of_forged_checks_silences_nobody),
		T(flood_for_unknown_users_is_bounded_by_address),
		T(one_turn_takes_a_bounded_number_of_packets),
		T(sessions_cost_no_socket_and_widen_the_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
