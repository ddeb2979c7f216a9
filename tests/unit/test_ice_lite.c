/* The ICE-lite agent and its port, against STUN messages made here: what each
 * is answered, and who is heard. */
#include "tests/unit/ice_lite_peer.h"

static void description_has_one_host_candidate_a_family(void **state)
{
	char text[GW_ADDR_STRLEN];

	(void)state;
	assert_true(a.local.ice_lite);
	assert_int_equal(a.local.ncandidate, 2);
	assert_string_equal(
		gw_addr_print(&a.local.candidate[0].addr, text, sizeof(text)),
		"127.0.0.1:20970");
	assert_string_equal(
		gw_addr_print(&a.local.candidate[1].addr, text, sizeof(text)),
		"[::1]:20970");
	assert_int_equal(a.local.candidate[0].type, 0);
	assert_true(a.local.candidate[0].priority >
		    a.local.candidate[1].priority);
	assert_string_not_equal(a.local.candidate[0].foundation,
				a.local.candidate[1].foundation);
	make(&z);
	assert_string_not_equal(a.local.ufrag, z.local.ufrag);
	assert_string_not_equal(a.local.pwd, z.local.pwd);
}

static void valid_pair_is_heard_once_it_is_nominated(void **state)
{
	struct client c = open_client("127.0.0.1");

	(void)state;
	configure(&a, 1);
	assert_false(heard(&c, &a));
	assert_int_equal(check(&c, &a, false), 0);
	assert_int_equal(a.connected, 0);
	assert_int_equal(gw_ice_send(a.ice, NULL, rtp, sizeof(rtp)), -ENOTCONN);
	assert_int_equal(check(&c, &a, true), 0);
	assert_int_equal(a.connected, 1);
	assert_true(heard(&c, &a));
	assert_true(reaches(&a, &c));
	assert_int_equal(check(&c, &a, true), 0);
	assert_int_equal(a.connected + a.changed + a.failed, 1);
	(void)close(c.fd);
}

/* As Chromium does: the nomination is up to a second behind, or lost. */
static void who_sends_from_a_checked_address_has_chosen_it(void **state)
{
	struct client c = open_client("127.0.0.1");
	struct client d = open_client("127.0.0.1");

	(void)state;
	configure(&a, 1);
	assert_int_equal(check(&c, &a, false), 0);
	assert_false(heard(&d, &a)); /* unchecked */
	assert_int_equal(a.connected, 0);
	assert_true(heard(&c, &a));
	assert_int_equal(a.connected, 1);
	assert_true(reaches(&a, &c));
	assert_int_equal(check(&d, &a, true), 0);
	assert_true(reaches(&a, &d));
	(void)close(c.fd);
	(void)close(d.fd);
}

static void
checked_address_is_sent_to_without_a_nomination_in_the_end(void **state)
{
	struct client c = open_client("127.0.0.1");
	struct client d = open_client("::1");

	(void)state;
	assert_int_equal(check(&c, &a, false), 0); /* too early to count */
	pass(1000000);
	assert_int_equal(a.connected, 0);
	configure(&a, 1);
	pass(1);
	assert_int_equal(a.connected, 1);
	assert_true(reaches(&a, &c));
	assert_int_equal(check(&d, &a, true), 0);
	assert_true(reaches(&a, &d));

	make(&z);
	configure(&z, 2);
	pass(1000000); /* nothing has come */
	assert_int_equal(z.connected, 0);
	(void)close(c.fd);
	c = open_client("127.0.0.1");
	assert_int_equal(check(&c, &z, false), 0);
	pass(150000);
	assert_int_equal(z.connected, 0);
	pass(60000);
	assert_int_equal(z.connected, 1);
	assert_true(reaches(&z, &c));
	(void)close(c.fd);
	(void)close(d.fd);
}

static void ipv6_is_served_by_the_other_socket(void **state)
{
	struct client c = open_client("::1");

	(void)state;
	configure(&a, 1);
	assert_int_equal(check(&c, &a, true), 0);
	assert_true(heard(&c, &a));
	assert_true(reaches(&a, &c));
	(void)close(c.fd);
}

static void checks_before_the_description_count_when_it_is_there(void **state)
{
	struct client c = open_client("127.0.0.1");

	(void)state;
	assert_int_equal(check(&c, &a, true), 0);
	assert_int_equal(a.connected, 0);
	assert_false(heard(&c, &a));
	configure(&a, 1);
	assert_int_equal(a.connected, 1);
	assert_true(heard(&c, &a));
	(void)close(c.fd);
}

/* An offer that several endpoints of a user have answered: they all have our
 * password, and one of them is the peer. */
static void checks_of_who_is_not_the_peer_do_not_count(void **state)
{
	int64_t before = metric(STUN("another_peer"));
	struct client c = open_client("127.0.0.1");
	struct client d = open_client("127.0.0.1");

	(void)state;
	configure(&a, 1);
	assert_int_equal(check_by(9, &d, &a), -1);
	pass(1000000);
	assert_int_equal(a.connected, 0);
	assert_int_equal(check(&c, &a, true), 0);
	assert_int_equal(check_by(9, &d, &a), -1);
	assert_int_equal(check_by(11, &d, &a), -1);
	assert_int_equal(a.changed, 0);
	assert_true(reaches(&a, &c));
	assert_false(heard(&d, &a));
	/* Nor from the peer's own address. */
	assert_int_equal(check_by(9, &c, &a), -1);
	assert_int_equal(metric(STUN("another_peer")), before + 4);
	(void)close(c.fd);
	(void)close(d.fd);
}

static void what_was_learnt_of_another_is_forgotten(void **state)
{
	struct client c = open_client("127.0.0.1");
	struct client d = open_client("127.0.0.1");
	struct client e = open_client("127.0.0.1");

	(void)state;
	assert_int_equal(check_by(1, &c, &a), 0);
	assert_int_equal(check_by(9, &d, &a), 0);
	/* The last that checked from there is not the one that nominated. */
	assert_int_equal(check_by(9, &e, &a), 0);
	assert_int_equal(
		check_with(&e, &(struct ask){ .to = &a.local, .by = 1 }), 0);
	configure(&a, 1);
	assert_int_equal(a.connected, 1);
	assert_true(reaches(&a, &c));
	assert_true(heard(&c, &a));
	assert_false(heard(&d, &a));
	assert_int_equal(a.changed, 0);
	(void)close(c.fd);
	(void)close(d.fd);
	(void)close(e.fd);
}

static void who_only_another_checked_is_waited_for(void **state)
{
	struct client c = open_client("127.0.0.1");
	struct client d = open_client("127.0.0.1");

	(void)state;
	assert_int_equal(check_by(9, &d, &a), 0);
	configure(&a, 1);
	/* Longer than what is not nominated is waited for. */
	pass(1000000);
	assert_int_equal(a.connected, 0);
	assert_false(heard(&d, &a));
	assert_int_equal(check(&c, &a, true), 0);
	assert_int_equal(a.connected, 1);
	assert_true(reaches(&a, &c));
	(void)close(c.fd);
	(void)close(d.fd);
}

static void names_before_a_restart_are_their_own(void **state)
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
	assert_int_equal(check_by(2, &c, &old), -1);
	assert_int_equal(check_by(1, &c, &old), 0);
	assert_int_equal(check_by(9, &d, &a), 0);
	configure(&a, 2);
	pass(1000000);
	assert_true(reaches(&a, &c));
	assert_false(heard(&d, &a));
	assert_int_equal(check_by(1, &c, &a), -1);
	assert_int_equal(check_by(2, &c, &a), 0);
	assert_true(reaches(&a, &c));
	assert_int_equal(a.failed, 0);
	(void)close(c.fd);
	(void)close(d.fd);
}

static void each_mistake_has_its_answer(void **state)
{
	struct client c = open_client("127.0.0.1");
	const struct {
		int code;
		const char *counter;
		struct ask ask;
	} row[] = {
		{400,  STUN("400"),              { .no_integrity = true }  },
		{ 400, STUN("400"),              { .no_user = true }       },
		{ 401, STUN("401_unknown_user"), { .ufrag = "nobodyXX" }   },
		{ 401, STUN("401_unknown_user"), { .ufrag = "" }           },
		{ 401,
                 STUN("401_integrity"),
                 { .pwd = "another-password-000" }                         },
		{ 420, STUN("420"),              { .attribute = 0x7ffe }   },
		{ 487, STUN("487"),              { .controlled = true }    },
		{ -1,  STUN("malformed"),        { .spoil = true }         },
		{ -1,  STUN("malformed"),        { .no_fingerprint = true }},
 /* It may be ignored: RFC 8489 14. */
		{ 0,   STUN("answered"),         { .attribute = 0xc057 }   },
	};

	(void)state;
	configure(&a, 1);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		int64_t before = metric(row[i].counter);
		struct ask ask = row[i].ask;

		ask.to = &a.local;
		ask.nominate = row[i].code != 0;
		assert_int_equal(check_with(&c, &ask), row[i].code);
		assert_int_equal(metric(row[i].counter), before + 1);
	}
	assert_int_equal(a.connected, 0);
	(void)close(c.fd);
}

/* A 420 names what was not understood, and is signed. */
static void unknown_attribute_is_named(void **state)
{
	struct client c = open_client("127.0.0.1");
	uint8_t buf[600];
	StunMessage msg = { .agent = &agent, .buffer = buf };
	uint16_t len = 0;
	const uint8_t *list;
	StunMessage req;
	uint8_t data[600];
	size_t n = make_check(
		data, sizeof(data),
		&(struct ask){ .to = &a.local, .attribute = 0x7ffe }, &req);

	(void)state;
	say(&c, data, n);
	turn();
	msg.buffer_len = hear(&c, buf, sizeof(buf));
	assert_true(msg.buffer_len > 20);
	list = stun_message_find(&msg, STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES, &len);
	assert_non_null(list);
	assert_int_equal(len, 2);
	assert_int_equal(list[0] << 8 | list[1], 0x7ffe);
	assert_true(stun_message_has_attribute(
		&msg, STUN_ATTRIBUTE_MESSAGE_INTEGRITY));
	(void)close(c.fd);
}

static void indications_and_answers_are_not_answered(void **state)
{
	struct client c = open_client("127.0.0.1");
	int64_t before = metric(STUN("not_a_request"));
	uint8_t buf[600];
	StunMessage msg;
	size_t len;

	(void)state;
	configure(&a, 1);
	assert_int_equal(check(&c, &a, true), 0);
	assert_true(stun_agent_init_indication(&agent, &msg, buf, sizeof(buf),
					       STUN_BINDING));
	len = stun_agent_finish_message(&agent, &msg, NULL, 0);
	assert_true(len > 0);
	say(&c, buf, len);
	buf[0] |= 1; /* a success response */
	say(&c, buf, len);
	turn();
	assert_int_equal(metric(STUN("not_a_request")), before + 2);
	assert_int_equal(hear(&c, buf, sizeof(buf)), 0);
	(void)close(c.fd);
}

static void garbage_is_counted_and_no_more(void **state)
{
	struct client c = open_client("127.0.0.1");
	uint8_t junk[2100];

	(void)state;
	configure(&a, 1);
	srand(11);
	for (int i = 0; i < 500; i++) {
		for (size_t k = 0; k < sizeof(junk); k++)
			junk[k] = (uint8_t)rand();
		junk[0] &= 3;
		if (i & 1)
			memcpy(junk + 4, "\x21\x12\xa4\x42", 4);
		say(&c, junk, (size_t)(rand() % 2100));
		turn();
	}
	assert_int_equal(hear(&c, junk, sizeof(junk)), 0);
	assert_int_equal(check(&c, &a, true), 0);
	assert_true(heard(&c, &a));
	(void)close(c.fd);
}

/* Bundled media share the port, on both versions of IP. */
static void each_datagram_may_have_a_dscp_of_its_own(void **state)
{
	struct client c[2] = { open_client("127.0.0.1"), open_client("::1") };
	const int on = 1;

	(void)state;
	configure(&a, 1);
	gw_ice_set_dscp(a.ice, 46);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(check(&c[i], &a, true), 0);
		assert_int_equal(setsockopt(c[i].fd,
					    i ? IPPROTO_IPV6 : IPPROTO_IP,
					    i ? IPV6_RECVTCLASS : IP_RECVTOS,
					    &on, sizeof(on)),
				 0);
		assert_int_equal(gw_ice_send(a.ice, NULL, rtp, sizeof(rtp)), 0);
		assert_int_equal(hear_tos(&c[i]), 46 << 2);
		assert_int_equal(
			gw_ice_send_marked(a.ice, 34, rtp, sizeof(rtp)), 0);
		assert_int_equal(hear_tos(&c[i]), 34 << 2);
		(void)close(c[i].fd);
	}
}

static void bad_descriptions_are_refused(void **state)
{
	struct gw_end end = peer_of(1);

	(void)state;
	(void)strcpy(end.ufrag, "abc");
	assert_int_equal(gw_ice_configure(a.ice, &end), -EINVAL);
	end = peer_of(1);
	(void)strcpy(end.pwd, "short");
	assert_int_equal(gw_ice_configure(a.ice, &end), -EINVAL);
	end = peer_of(1);
	end.ice_lite = true; /* nobody would check */
	assert_int_equal(gw_ice_configure(a.ice, &end), -EOPNOTSUPP);
}

static void port_needs_one_free_address_a_family(void **state)
{
	static const char none[4][46] = { "" };
	static const char two[4][46] = { "127.0.0.1", "127.0.0.2" };
	static const char foreign[4][46] = { "192.0.2.77" };
	struct gw_lite_port_options opt = { .poller = poller,
					    .timers = timers,
					    .port = PORT + 1 };
	struct gw_lite_port *other;

	(void)state;
	opt.address = none;
	assert_int_equal(gw_lite_port_new(&other, &opt), -EINVAL);
	opt.address = two;
	assert_int_equal(gw_lite_port_new(&other, &opt), -EINVAL);
	opt.address = foreign;
	assert_int_equal(gw_lite_port_new(&other, &opt), -EADDRNOTAVAIL);
	opt.address = both;
	opt.port = PORT;
	assert_int_equal(gw_lite_port_new(&other, &opt), -EADDRINUSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(description_has_one_host_candidate_a_family),
		T(valid_pair_is_heard_once_it_is_nominated),
		T(who_sends_from_a_checked_address_has_chosen_it),
		T(checked_address_is_sent_to_without_a_nomination_in_the_end),
		T(ipv6_is_served_by_the_other_socket),
		T(checks_before_the_description_count_when_it_is_there),
		T(checks_of_who_is_not_the_peer_do_not_count),
		T(what_was_learnt_of_another_is_forgotten),
		T(who_only_another_checked_is_waited_for),
		T(names_before_a_restart_are_their_own),
		T(each_mistake_has_its_answer),
		T(unknown_attribute_is_named),
		T(indications_and_answers_are_not_answered),
		T(garbage_is_counted_and_no_more),
		T(each_datagram_may_have_a_dscp_of_its_own),
		T(bad_descriptions_are_refused),
		T(port_needs_one_free_address_a_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
