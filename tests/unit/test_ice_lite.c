/* The ICE-lite agent and its port, against STUN messages made here: what each
 * is answered, who is heard, who is sent to, and for how long. */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stun/stunagent.h>

#include "gateway/base/buf.h"
#include "gateway/base/metrics.h"
#include "media/ice.h"
#include "media/lite_port.h"

#define PORT 20970

#define STUN(result)   "isthmus_ice_lite_stun_total{result=\"" result "\"}"
#define DISCARDED(why) "isthmus_media_discarded_total{reason=\"" why "\"}"

struct side {
	struct gw_ice *ice;
	struct gw_end local;
	unsigned gathered, connected, changed, failed, got;
	struct gw_addr from;
	bool accepted;
	unsigned peer; /* who it was told is there */
};

struct client {
	int fd;
	struct gw_addr addr;
};

static const struct gw_logctx ilog = { .module = "media" };
static const char both[4][46] = { "127.0.0.1", "::1" };
static struct gw_poller *poller;
static struct gw_timers *timers;
static struct gw_lite_port *port;
static struct side a, z;
static uint64_t now_us;
static StunAgent agent;

static int64_t metric(const char *line)
{
	struct gw_buf out;
	char want[200];
	const char *at;
	int64_t value;

	gw_buf_init(&out, 1 << 20);
	gw_metrics_print(&out);
	(void)snprintf(want, sizeof(want), "\n%s ", line);
	at = strstr(out.data, want);
	assert_non_null(at);
	value = atoll(at + strlen(want));
	gw_buf_fini(&out);
	return value;
}

static uint64_t clock_us(void *arg)
{
	(void)arg;
	return now_us;
}

static void on_gathered(void *arg)
{
	struct side *s = arg;

	s->gathered++;
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

	(void)data;
	assert_true(cap >= len + 148);
	s->got++;
	s->from = *from;
	s->accepted = gw_ice_accepts(s->ice, from);
}

static void turn(void)
{
	gw_poller_wait(poller, 0);
	(void)gw_timers_run(timers);
}

/* The clock stands still but for this. */
static void pass(uint64_t us)
{
	now_us += us;
	turn();
}

static void make(struct side *s)
{
	const struct gw_ice_options opt = { .timers = timers,
					    .log = &ilog,
					    .lite = port };
	const struct gw_ice_handlers h = { .gathered = on_gathered,
					   .state = on_state,
					   .packet = on_packet,
					   .arg = s };

	assert_int_equal(gw_ice_new(&s->ice, &opt, &h), 0);
	assert_int_equal(s->gathered, 0); /* never from inside a call */
	turn();
	assert_int_equal(s->gathered, 1);
}

static struct gw_end peer_of(unsigned i)
{
	struct gw_end end;

	memset(&end, 0, sizeof(end));
	(void)snprintf(end.ufrag, sizeof(end.ufrag), "peer%u", i);
	(void)snprintf(end.pwd, sizeof(end.pwd), "peers-password-number-%u", i);
	return end;
}

static void configure(struct side *s, unsigned i)
{
	const struct gw_end end = peer_of(i);

	assert_int_equal(gw_ice_configure(s->ice, &end), 0);
	s->peer = i;
	turn();
}

static int setup(void **state)
{
	const struct gw_lite_port_options opt = { .address = both,
						  .port = PORT };
	struct gw_lite_port_options o = opt;

	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&z, 0, sizeof(z));
	now_us = 1000000;
	assert_int_equal(gw_poller_new(&poller), 0);
	assert_int_equal(gw_timers_new(&timers, clock_us, NULL), 0);
	o.poller = poller;
	o.timers = timers;
	assert_int_equal(gw_lite_port_new(&port, &o), 0);
	stun_agent_init(&agent, STUN_ALL_KNOWN_ATTRIBUTES,
			STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS |
				STUN_AGENT_USAGE_USE_FINGERPRINT);
	make(&a);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gw_ice_free(a.ice);
	gw_ice_free(z.ice);
	gw_lite_port_free(port);
	assert_int_equal(gw_timers_count(timers), 0);
	gw_timers_free(timers);
	gw_poller_free(poller);
	return 0;
}

/* ---- the other end ---- */

static struct client open_client(const char *ip)
{
	struct sockaddr_storage ss;
	struct client c;
	socklen_t len;

	assert_int_equal(gw_addr_parse(&c.addr, ip, 0), 0);
	len = gw_addr_to_sockaddr(&c.addr, &ss);
	c.fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_true(c.fd >= 0);
	assert_int_equal(bind(c.fd, (struct sockaddr *)&ss, len), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(c.fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(gw_addr_from_sockaddr(&c.addr, (struct sockaddr *)&ss),
			 0);
	return c;
}

static void say(const struct client *c, const void *data, size_t len)
{
	struct sockaddr_storage ss;
	struct gw_addr to;
	socklen_t slen;

	assert_int_equal(
		gw_addr_parse(&to,
			      c->addr.family == AF_INET ? both[0] : both[1],
			      PORT),
		0);
	slen = gw_addr_to_sockaddr(&to, &ss);
	assert_int_equal(
		sendto(c->fd, data, len, 0, (struct sockaddr *)&ss, slen),
		(ssize_t)len);
}

/* What is heard, or 0. */
static size_t hear(const struct client *c, uint8_t *buf, size_t size)
{
	ssize_t n = recv(c->fd, buf, size, 0);

	return n > 0 ? (size_t)n : 0;
}

/* The TOS or traffic class of what is heard. */
static int hear_tos(const struct client *c)
{
	_Alignas(struct cmsghdr) char control[256];
	char buf[600];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *h;
	int tos;

	assert_true(recvmsg(c->fd, &msg, 0) > 0);
	h = CMSG_FIRSTHDR(&msg);
	assert_non_null(h);
	if (h->cmsg_level == IPPROTO_IP)
		return *(uint8_t *)CMSG_DATA(h);
	memcpy(&tos, CMSG_DATA(h), sizeof(tos));
	return tos;
}

struct ask {
	const struct gw_end *to;
	unsigned by;             /* which peer; 0 is 1 */
	const char *ufrag, *pwd; /* NULL: those of @to */
	bool nominate, controlled;
	uint16_t attribute; /* one more, without a value */
	bool spoil;         /* the FINGERPRINT */
	bool no_user, no_integrity, no_fingerprint;
};

static size_t make_check(uint8_t *buf, size_t size, const struct ask *ask,
			 StunMessage *msg)
{
	const char *ufrag = ask->ufrag ? ask->ufrag : ask->to->ufrag;
	const char *pwd = ask->pwd ? ask->pwd : ask->to->pwd;
	char user[600];
	StunAgent plain;
	size_t len;

	(void)snprintf(user, sizeof(user), "%s:%s", ufrag,
		       peer_of(ask->by ? ask->by : 1).ufrag);
	stun_agent_init(&plain, STUN_ALL_KNOWN_ATTRIBUTES,
			STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS |
				(ask->no_fingerprint
					 ? 0
					 : STUN_AGENT_USAGE_USE_FINGERPRINT));
	assert_true(
		stun_agent_init_request(&plain, msg, buf, size, STUN_BINDING));
	if (!ask->no_user)
		stun_message_append_string(msg, STUN_ATTRIBUTE_USERNAME, user);
	stun_message_append32(msg, STUN_ATTRIBUTE_PRIORITY, 1);
	if (ask->attribute)
		stun_message_append_flag(msg, (StunAttribute)ask->attribute);
	if (ask->nominate)
		stun_message_append_flag(msg, STUN_ATTRIBUTE_USE_CANDIDATE);
	stun_message_append64(msg,
			      ask->controlled ? STUN_ATTRIBUTE_ICE_CONTROLLED
					      : STUN_ATTRIBUTE_ICE_CONTROLLING,
			      7);
	len = stun_agent_finish_message(
		&plain, msg, ask->no_integrity ? NULL : (const uint8_t *)pwd,
		ask->no_integrity ? 0 : strlen(pwd));
	assert_true(len > 0);
	if (ask->spoil)
		buf[len - 1] ^= 1;
	return len;
}

/* The code of the error that answers; 0: success, which is looked at; -1:
 * silence. */
static int check_with(const struct client *c, const struct ask *ask)
{
	uint8_t req[600];
	uint8_t rsp[600];
	struct sockaddr_storage ss;
	socklen_t slen = sizeof(ss);
	struct gw_addr mapped;
	StunMessage msg;
	StunMessage answer = { .agent = &agent, .buffer = rsp };
	size_t len = make_check(req, sizeof(req), ask, &msg);
	int code = 0;

	while (hear(c, rsp, sizeof(rsp)))
		; /* of before */
	say(c, req, len);
	turn();
	answer.buffer_len = hear(c, rsp, sizeof(rsp));
	if (!answer.buffer_len)
		return -1;
	assert_memory_equal(req + 4, rsp + 4, 16); /* the transaction */
	assert_int_equal(stun_message_validate_buffer_length(
				 rsp, answer.buffer_len, true),
			 answer.buffer_len);
	if (!stun_message_find_error(&answer, &code))
		return code;
	/* The answer is under our password, and says who is seen. */
	agent.sent_ids[0] = (StunAgentSavedIds){
		.method = STUN_BINDING,
		.key = (uint8_t *)(uintptr_t)ask->to->pwd,
		.key_len = strlen(ask->to->pwd),
		.valid = true,
	};
	memcpy(agent.sent_ids[0].id, req + 4, 16);
	assert_int_equal(stun_agent_validate(&agent, &answer, rsp,
					     answer.buffer_len, NULL, NULL),
			 STUN_VALIDATION_SUCCESS);
	assert_int_equal(
		stun_message_find_xor_addr(
			&answer, STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS, &ss, &slen),
		STUN_MESSAGE_RETURN_SUCCESS);
	assert_int_equal(gw_addr_from_sockaddr(&mapped, (struct sockaddr *)&ss),
			 0);
	assert_true(gw_addr_equal(&mapped, &c->addr));
	return 0;
}

static int check(const struct client *c, const struct side *s, bool nominate)
{
	return check_with(c, &(struct ask){ .to = &s->local,
					    .by = s->peer,
					    .nominate = nominate });
}

static int check_by(unsigned by, const struct client *c, const struct side *s)
{
	return check_with(
		c,
		&(struct ask){ .to = &s->local, .by = by, .nominate = true });
}

static const uint8_t rtp[172] = { 0x80, 111 };

/* Is what @c says heard by @s, and accepted? */
static bool heard(const struct client *c, struct side *s)
{
	unsigned got = s->got;

	s->accepted = false;
	say(c, rtp, sizeof(rtp));
	turn();
	return s->got == got + 1 && s->accepted &&
	       gw_addr_equal(&s->from, &c->addr);
}

static bool reaches(struct side *s, const struct client *c)
{
	uint8_t buf[600];

	while (hear(c, buf, sizeof(buf)))
		;
	return !gw_ice_send(s->ice, NULL, rtp, sizeof(rtp)) &&
	       hear(c, buf, sizeof(buf)) == sizeof(rtp);
}

/* ---- tests ---- */

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
		T(bad_descriptions_are_refused),
		T(port_needs_one_free_address_a_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
