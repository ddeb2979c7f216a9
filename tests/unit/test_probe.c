/* Checks of our own: a peer made of STUN messages, a wire and a clock of the
 * test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/metrics.h"
#include "media/probe.h"

#define MARK 0xa1b2c3d4u
#define MS   1000u

static const char our_ufrag[] = "ours";
static const char our_pwd[] = "oursoursoursoursoursou";
static const char peer_ufrag[] = "peer";
static const char peer_pwd[] = "peerpeerpeerpeerpeerpe";

static struct gw_stun *stun;
static struct gw_timers *timers;
static struct gw_probe *probe;
static uint64_t now_us;
static struct gw_addr here, there;

static unsigned sent, nfound, found_local, nother;
static struct gw_addr sent_to, found_peer, other;
static uint8_t last[GW_STUN_REQUEST];
static size_t last_len;

static uint64_t clock_us(void *unused)
{
	(void)unused;
	return now_us;
}

static void on_send(unsigned local, const struct gw_addr *to, const void *data,
		    size_t len, void *arg)
{
	(void)arg;
	assert_int_equal(local, 1);
	assert_true(len <= sizeof(last));
	memcpy(last, data, len);
	last_len = len;
	sent_to = *to;
	sent++;
}

static void on_other(const struct gw_addr *from, void *arg)
{
	(void)arg;
	other = *from;
	nother++;
}

/* As its owner does it. */
static void on_found(unsigned local, const struct gw_addr *peer, void *arg)
{
	(void)arg;
	nfound++;
	found_local = local;
	found_peer = *peer;
	gw_probe_free(probe);
	probe = NULL;
}

static void pass(unsigned ms)
{
	for (unsigned i = 0; i < ms; i++) {
		now_us += MS;
		(void)gw_timers_run(timers);
	}
}

static int setup(void **state)
{
	const struct gw_probe_handlers h = { .send = on_send,
					     .other = on_other,
					     .found = on_found };

	(void)state;
	now_us = 7000 * MS;
	sent = 0;
	nfound = 0;
	nother = 0;
	last_len = 0;
	assert_int_equal(gw_addr_parse_hostport(&here, "192.0.2.1:1000"), 0);
	assert_int_equal(gw_addr_parse_hostport(&there, "192.0.2.9:9"), 0);
	assert_int_equal(gw_timers_new(&timers, clock_us, NULL), 0);
	assert_int_equal(gw_stun_new(&stun), 0);
	return gw_probe_new(&probe,
			    &(struct gw_probe_options){ .stun = stun,
							.timers = timers,
							.ufrag = our_ufrag,
							.pwd = our_pwd,
							.mark = MARK },
			    &h);
}

static int teardown(void **state)
{
	(void)state;
	gw_probe_free(probe);
	probe = NULL;
	assert_int_equal(gw_timers_count(timers), 0);
	gw_timers_free(timers);
	gw_stun_free(stun);
	return 0;
}

static void set_remote(void)
{
	assert_int_equal(gw_probe_set_remote(probe, peer_ufrag, peer_pwd), 0);
}

/* A check of the peer's, which controls if we do not.  Is it libnice's to
 * hear? */
static bool hear(const struct gw_addr *from, const char *user, const char *pwd,
		 bool we_control, bool nominates)
{
	uint8_t buf[GW_STUN_REQUEST];
	uint8_t id[GW_STUN_ID];
	size_t len = gw_stun_ask(stun,
				 &(struct gw_stun_ask){
					 .user = user,
					 .pwd = pwd,
					 .controlling = !we_control,
					 .nominates = nominates,
					 .tie = 1,
					 .priority = 1,
				 },
				 buf, id);

	assert_true(len > 0);
	return gw_probe_look(probe, 1, we_control, from, buf, len);
}

static void hear_nomination(void)
{
	assert_true(hear(&there, "ours:peer", our_pwd, false, true));
}

/* The peer's answer to the last check; it @controls. */
static size_t answer(uint8_t out[GW_STUN_ANSWER], bool controls,
		     bool *nominated, enum gw_stun_result *result)
{
	struct gw_stun_check check;
	uint8_t copy[GW_STUN_REQUEST];
	size_t len = 0;

	assert_true(last_len > 0);
	memcpy(copy, last, last_len);
	assert_int_equal(gw_stun_read(stun, &check, copy, last_len),
			 GW_STUN_CHECK);
	assert_int_equal(check.user_len, 9);
	assert_memory_equal(check.ufrag, "peer:ours", 9);
	*result = gw_stun_answer(stun, &check, peer_pwd, controls, &here, out,
				 &len, nominated);
	return len;
}

static void answer_it(void)
{
	uint8_t out[GW_STUN_ANSWER];
	enum gw_stun_result r;
	bool nominated;
	size_t len = answer(out, true, &nominated, &r);

	assert_int_equal(r, GW_STUN_VALID);
	assert_false(nominated);
	assert_true(gw_probe_reply(probe, 1, &there, out, len));
}

static void nothing_is_sent_before_both_are_known(void **state)
{
	(void)state;
	hear_nomination();
	pass(1000);
	assert_int_equal(sent, 0);
	set_remote();
	pass(100);
	assert_in_range(sent, 1, 2);
	assert_true(gw_addr_equal(&sent_to, &there));
	/* The mark is what the kernel tells its answer by. */
	assert_memory_equal(last + 8, "\xa1\xb2\xc3\xd4", 4);
	answer_it();
	assert_int_equal(nfound, 1);
	assert_int_equal(found_local, 1);
	assert_true(gw_addr_equal(&found_peer, &there));
}

static void nothing_is_sent_where_no_check_came_from(void **state)
{
	(void)state;
	set_remote();
	pass(1000);
	assert_int_equal(sent, 0);
}

static void first_check_leaves_libnice_its_turn(void **state)
{
	(void)state;
	set_remote();
	hear_nomination();
	pass(39);
	assert_int_equal(sent, 0);
	pass(2);
	assert_int_equal(sent, 1);
}

static void checks_come_often_and_end(void **state)
{
	uint8_t first[GW_STUN_REQUEST];

	(void)state;
	set_remote();
	hear_nomination();
	pass(50);
	memcpy(first, last, last_len);
	pass(950);
	assert_in_range(sent, 19, 21);
	/* One transaction: an answer to any of them will do. */
	assert_memory_equal(first, last, last_len);
	pass(20000);
	assert_in_range(sent, 60, 100);
	sent = 0;
	pass(20000);
	assert_int_equal(sent, 0);
	assert_int_equal(gw_timers_count(timers), 0);
	answer_it(); /* late, and yet */
	assert_int_equal(nfound, 1);
}

static void valid_pair_waits_for_its_nomination(void **state)
{
	(void)state;
	set_remote();
	(void)hear(&there, "ours:peer", our_pwd, false, false);
	pass(50);
	assert_int_equal(sent, 1);
	answer_it();
	assert_int_equal(nfound, 0);
	pass(1000);
	assert_int_equal(sent, 1); /* it is valid already */
	hear_nomination();
	assert_int_equal(nfound, 1);
}

static void who_controls_nominates(void **state)
{
	uint8_t out[GW_STUN_ANSWER];
	enum gw_stun_result r;
	bool nominated;
	size_t len;

	(void)state;
	set_remote();
	(void)hear(&there, "ours:peer", our_pwd, true, false);
	pass(50);
	len = answer(out, false, &nominated, &r);
	assert_int_equal(r, GW_STUN_VALID);
	assert_true(nominated);
	assert_true(gw_probe_reply(probe, 1, &there, out, len));
	assert_int_equal(nfound, 1);
}

/* Another's names, another password, our own role: libnice's to deal with. */
static void invalid_checks_begin_nothing(void **state)
{
	uint8_t buf[GW_STUN_REQUEST];
	uint8_t id[GW_STUN_ID];
	size_t len;

	(void)state;
	set_remote();
	assert_false(hear(&there, "ours:another", our_pwd, false, true));
	assert_false(hear(&there, "ours:pee", our_pwd, false, true));
	assert_false(hear(&there, "ours:", our_pwd, false, true));
	assert_true(hear(&there, "our:peer", our_pwd, false, true));
	assert_true(hear(&there, "theirs:peer", our_pwd, false, true));
	assert_true(hear(&there, ":peer", our_pwd, false, true));
	assert_true(hear(&there, "ours", our_pwd, false, true));
	assert_true(hear(&there, "ours:peer", "wrongwrongwrongwrongwr", false,
			 true));
	len = gw_stun_ask(stun,
			  &(struct gw_stun_ask){ .user = "ours:peer",
						 .pwd = our_pwd,
						 .controlling = true,
						 .priority = 1 },
			  buf, id);
	gw_probe_look(probe, 1, true, &there, buf, len);
	for (size_t n = 0; n < len; n++) {
		/* In memory of its own size, for the sanitizers. */
		uint8_t *cut = malloc(n ? n : 1);

		assert_non_null(cut);
		memcpy(cut, buf, n);
		gw_probe_look(probe, 1, false, &there, cut, n);
		free(cut);
	}
	pass(1000);
	assert_int_equal(sent, 0);
	assert_int_equal(gw_timers_count(timers), 0);
}

static void answers_must_be_the_peers_and_come_back_the_same_way(void **state)
{
	uint8_t out[GW_STUN_ANSWER];
	uint8_t spoilt[GW_STUN_ANSWER];
	enum gw_stun_result r;
	bool nominated;
	size_t len;

	(void)state;
	set_remote();
	hear_nomination();
	pass(50);
	len = answer(out, true, &nominated, &r);
	memcpy(spoilt, out, len);
	assert_true(gw_probe_reply(probe, 1, &here, spoilt, len));
	memcpy(spoilt, out, len);
	assert_true(gw_probe_reply(probe, 0, &there, spoilt, len));
	memcpy(spoilt, out, len);
	spoilt[30] ^= 1; /* in XOR-MAPPED-ADDRESS */
	assert_true(gw_probe_reply(probe, 1, &there, spoilt, len));
	memcpy(spoilt, out, len);
	spoilt[19] ^= 1; /* another transaction's */
	assert_false(gw_probe_reply(probe, 1, &there, spoilt, len));
	for (size_t n = 0; n < len; n++) {
		uint8_t *cut = malloc(n ? n : 1);

		assert_non_null(cut);
		memcpy(cut, out, n);
		(void)gw_probe_reply(probe, 1, &there, cut, n);
		free(cut);
	}
	assert_int_equal(nfound, 0);
	assert_true(gw_probe_reply(probe, 1, &there, out, len));
	assert_int_equal(nfound, 1);
}

/* The peer has taken our role meanwhile: what it checks next tells. */
static void a_role_conflict_begins_anew(void **state)
{
	uint8_t out[GW_STUN_ANSWER];
	enum gw_stun_result r;
	bool nominated;
	size_t len;

	(void)state;
	set_remote();
	hear_nomination();
	pass(50);
	len = answer(out, false, &nominated, &r);
	assert_int_equal(r, GW_STUN_CONFLICT);
	assert_true(gw_probe_reply(probe, 1, &there, out, len));
	sent = 0;
	pass(1000);
	assert_int_equal(sent, 0);
	(void)hear(&there, "ours:peer", our_pwd, true, false);
	pass(50);
	assert_int_equal(sent, 1);
	len = answer(out, false, &nominated, &r);
	assert_int_equal(r, GW_STUN_VALID);
	assert_true(gw_probe_reply(probe, 1, &there, out, len));
	assert_int_equal(nfound, 1);
}

static void flood_costs_a_bounded_number_of_looks_and_checks(void **state)
{
	(void)state;
	set_remote();
	for (unsigned i = 0; i < 50; i++) {
		struct gw_addr from = there;

		from.port = (uint16_t)(2000 + i);
		(void)hear(&from, "ours:peer", our_pwd, false, false);
	}
	pass(50);
	assert_int_equal(sent, GW_PROBE_WAYS);
	for (unsigned i = 0; i < GW_PROBE_LOOKS; i++)
		(void)hear(&there, "ours:peer", "wrongwrongwrongwrongwr", false,
			   true);
	pass(30000);
	assert_in_range(sent, 200, 400);
	sent = 0;
	pass(30000);
	assert_int_equal(sent, 0);
}

/* Of several endpoints that answered one offer, the peer is one. */
static void what_was_learnt_of_another_is_forgotten(void **state)
{
	struct gw_addr its = there;

	(void)state;
	its.port++;
	assert_true(hear(&its, "ours:another", our_pwd, false, true));
	/* One address, two who checked from it. */
	assert_true(hear(&there, "ours:another", our_pwd, false, true));
	assert_true(hear(&there, "ours:peer", our_pwd, false, false));
	set_remote();
	assert_int_equal(nother, 1);
	assert_true(gw_addr_equal(&other, &its));
	pass(50);
	assert_int_equal(sent, 1);
	assert_true(gw_addr_equal(&sent_to, &there));
	answer_it();
	assert_int_equal(nfound, 0); /* the nomination was the other's */
	assert_false(hear(&its, "ours:another", our_pwd, false, true));
	hear_nomination();
	assert_int_equal(nfound, 1);
	assert_true(gw_addr_equal(&found_peer, &there));
}

static void another_peer_is_found_anew(void **state)
{
	(void)state;
	set_remote();
	hear_nomination();
	pass(50);
	assert_int_equal(sent, 1);
	assert_int_equal(
		gw_probe_set_remote(probe, "next", "nextnextnextnextnextne"),
		0);
	pass(1000);
	assert_int_equal(sent, 1);
	/* Of the one before. */
	assert_false(hear(&there, "ours:peer", our_pwd, false, true));
	pass(1000);
	assert_int_equal(sent, 1);
	(void)hear(&there, "ours:next", our_pwd, false, true);
	pass(50);
	assert_int_equal(sent, 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(nothing_is_sent_before_both_are_known),
		T(nothing_is_sent_where_no_check_came_from),
		T(first_check_leaves_libnice_its_turn),
		T(checks_come_often_and_end),
		T(valid_pair_waits_for_its_nomination),
		T(who_controls_nominates),
		T(invalid_checks_begin_nothing),
		T(answers_must_be_the_peers_and_come_back_the_same_way),
		T(a_role_conflict_begins_anew),
		T(flood_costs_a_bounded_number_of_looks_and_checks),
		T(what_was_learnt_of_another_is_forgotten),
		T(another_peer_is_found_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
