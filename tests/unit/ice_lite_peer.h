/*
 * tests/unit/ice_lite_peer.h - ICE-lite agents at one port, and who checks them
 *
 * The clock stands still but for pass(); the other end makes its STUN messages
 * with libnice, not with the gateway.  One test binary includes it.
 */
#ifndef ICE_LITE_PEER_H
#define ICE_LITE_PEER_H

#include "tests/unit/cm.h"

#include <errno.h>
#include <poll.h>
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
#include "tests/unit/metric.h"
#include "tests/unit/udp.h"

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

static inline uint64_t clock_us(void *arg)
{
	(void)arg;
	return now_us;
}

static inline void on_gathered(void *arg)
{
	struct side *s = arg;

	s->gathered++;
	gw_ice_local(s->ice, &s->local);
}

static inline void on_state(enum gw_ice_state state, void *arg)
{
	struct side *s = arg;

	s->connected += state == GW_ICE_CONNECTED;
	s->changed += state == GW_ICE_PAIR_CHANGED;
	s->failed += state == GW_ICE_FAILED;
}

static inline void on_packet(const struct gw_addr *from, uint8_t *data,
			     size_t len, size_t cap, void *arg)
{
	struct side *s = arg;

	(void)data;
	assert_true(cap >= len + 148);
	s->got++;
	s->from = *from;
	s->accepted = gw_ice_accepts(s->ice, from);
}

static inline void turn(void)
{
	gw_poller_wait(poller, 0);
	(void)gw_timers_run(timers);
}

/* What @c sent is on its way for a while where the machine is busy; so may its
 * answer be, which need not come. */
static inline void await_datagrams(const struct client *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	gw_poller_wait(poller, 100);
	(void)gw_timers_run(timers);
	(void)poll(&p, 1, 2);
}

/* The clock stands still but for this. */
static inline void pass(uint64_t us)
{
	now_us += us;
	turn();
}

static inline void make(struct side *s)
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

static inline struct gw_end peer_of(unsigned i)
{
	struct gw_end end;

	memset(&end, 0, sizeof(end));
	(void)snprintf(end.ufrag, sizeof(end.ufrag), "peer%u", i);
	(void)snprintf(end.pwd, sizeof(end.pwd), "peers-password-number-%u", i);
	return end;
}

static inline void configure(struct side *s, unsigned i)
{
	const struct gw_end end = peer_of(i);

	assert_int_equal(gw_ice_configure(s->ice, &end), 0);
	s->peer = i;
	turn();
}

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

static inline struct client open_client(const char *ip)
{
	struct client c;

	c.fd = udp_open(ip, &c.addr);
	return c;
}

static inline void say(const struct client *c, const void *data, size_t len)
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
static inline size_t hear(const struct client *c, uint8_t *buf, size_t size)
{
	ssize_t n = recv(c->fd, buf, size, 0);

	return n > 0 ? (size_t)n : 0;
}

/* The TOS or traffic class of what is heard. */
static inline int hear_tos(const struct client *c)
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

static inline size_t make_check(uint8_t *buf, size_t size,
				const struct ask *ask, StunMessage *msg)
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
static inline int check_with(const struct client *c, const struct ask *ask)
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
	await_datagrams(c);
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

static inline int check(const struct client *c, const struct side *s,
			bool nominate)
{
	return check_with(c, &(struct ask){ .to = &s->local,
					    .by = s->peer,
					    .nominate = nominate });
}

static inline int check_by(unsigned by, const struct client *c,
			   const struct side *s)
{
	return check_with(
		c,
		&(struct ask){ .to = &s->local, .by = by, .nominate = true });
}

static const uint8_t rtp[172] = { 0x80, 111 };

/* Is what @c says heard by @s, and accepted? */
static inline bool heard(const struct client *c, struct side *s)
{
	unsigned got = s->got;

	s->accepted = false;
	say(c, rtp, sizeof(rtp));
	gw_poller_wait(poller, 100);
	turn();
	return s->got == got + 1 && s->accepted &&
	       gw_addr_equal(&s->from, &c->addr);
}

static inline bool reaches(struct side *s, const struct client *c)
{
	uint8_t buf[600];

	while (hear(c, buf, sizeof(buf)))
		;
	return !gw_ice_send(s->ice, NULL, rtp, sizeof(rtp)) &&
	       hear(c, buf, sizeof(buf)) == sizeof(rtp);
}

#endif
