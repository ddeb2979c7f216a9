/* What a peer may send to the port of an ICE-lite worker: raw datagrams, and
 * checks whose attributes are anything but which are signed, in any order with
 * restarts and the passing of time.  A record of the input is a byte that says
 * what to do, a length, and that many bytes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <stun/stunagent.h>

#include "media/ice.h"
#include "media/lite_port.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SESSIONS 2
#define ROOM     2304

struct session {
	struct gw_ice *ice;
	struct gw_end local;
};

static struct gw_poller *poller;
static struct gw_timers *timers;
static uint64_t now_us = 1000000;

static uint64_t clock_us(void *arg)
{
	(void)arg;
	return now_us;
}

static void on_gathered(void *arg)
{
	struct session *s = arg;

	gw_ice_local(s->ice, &s->local);
}

static void on_state(enum gw_ice_state state, void *arg)
{
	const struct session *s = arg;

	assert(gw_ice_is_connected(s->ice) == (state != GW_ICE_FAILED));
}

static void on_packet(const struct gw_addr *from, uint8_t *data, size_t len,
		      size_t cap, void *arg)
{
	const struct session *s = arg;

	assert(len > 0 && len <= cap && data[0] > 3);
	assert(gw_ice_accepts(s->ice, from) || !gw_ice_is_connected(s->ice));
}

static struct gw_lite_port *open_port(void)
{
	static const char address[4][46] = { "127.0.0.1" };
	struct gw_lite_port_options opt = { .address = address };
	struct gw_lite_port *port;
	int err = 0;

	if (!poller)
		err = gw_poller_new(&poller) ||
		      gw_timers_new(&timers, clock_us, NULL);
	opt.poller = poller;
	opt.timers = timers;
	assert(!err);
	err = gw_lite_port_new(&port, &opt);
	assert(!err);
	return port;
}

static void open_session(struct session *s, struct gw_lite_port *port)
{
	static const struct gw_logctx log = { .module = "media" };
	const struct gw_ice_options opt = { .timers = timers,
					    .log = &log,
					    .lite = port };
	const struct gw_ice_handlers h = { .gathered = on_gathered,
					   .state = on_state,
					   .packet = on_packet,
					   .arg = s };
	int err = gw_ice_new(&s->ice, &opt, &h);

	assert(!err);
	(void)gw_timers_run(timers);
}

static void configure(struct session *s, uint8_t who)
{
	struct gw_end end;

	memset(&end, 0, sizeof(end));
	memcpy(end.ufrag, "peer", 4);
	memset(end.pwd, 'a' + who % 4, 22);
	(void)gw_ice_configure(s->ice, &end);
}

/* "uuuuuuuu" in it becomes the ufrag, so that a corpus outlives its run. */
static void name_user(uint8_t *p, size_t len, const struct session *s)
{
	uint8_t *at = memmem(p, len, "uuuuuuuu", GW_LITE_UFRAG);

	if (at)
		memcpy(at, s->local.ufrag, GW_LITE_UFRAG);
}

/* @in as the attributes of a check that is what it should be otherwise. */
static size_t sign(uint8_t *out, const struct session *s, const uint8_t *in,
		   size_t len)
{
	char user[32];
	StunMessage msg;
	StunAgent agent;
	size_t at;

	stun_agent_init(&agent, STUN_ALL_KNOWN_ATTRIBUTES,
			STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS |
				STUN_AGENT_USAGE_USE_FINGERPRINT);
	assert(stun_agent_init_request(&agent, &msg, out, ROOM, STUN_BINDING));
	memcpy(user, s->local.ufrag, GW_LITE_UFRAG);
	memcpy(user + GW_LITE_UFRAG, ":peer", 6);
	stun_message_append_string(&msg, STUN_ATTRIBUTE_USERNAME, user);
	for (at = 0; at + 3 <= len;) {
		uint16_t type = (uint16_t)(in[at] << 8 | in[at + 1]);
		size_t n = in[at + 2] & 63;

		at += 3;
		if (n > len - at)
			n = len - at;
		/* Those two only at their place. */
		if (type != STUN_ATTRIBUTE_MESSAGE_INTEGRITY &&
		    type != STUN_ATTRIBUTE_FINGERPRINT)
			stun_message_append_bytes(&msg, (StunAttribute)type,
						  in + at, n);
		at += n;
	}
	return stun_agent_finish_message(&agent, &msg,
					 (const uint8_t *)s->local.pwd,
					 strlen(s->local.pwd));
}

static void act(struct gw_lite_port *port, struct session *s, uint8_t what,
		const uint8_t *in, size_t len)
{
	struct gw_addr from = {
		.family = AF_INET, .ip = {127, 0, 0, 1}
	};
	/* As large as it is, so that a step beyond it shows. */
	uint8_t *exact;
	uint8_t buf[ROOM];
	size_t n = len;

	from.port = (uint16_t)(9 + (what >> 3 & 15));
	switch (what & 3) {
	case 0:
		memcpy(buf, in, len);
		name_user(buf, len, s);
		break;
	case 1:
		n = sign(buf, s, in, len);
		break;
	case 2:
		now_us += (uint64_t)(what >> 3) * 700000u;
		(void)gw_timers_run(timers);
		return;
	default:
		if (what & 8)
			(void)gw_ice_restart(s->ice);
		if (what & 16)
			gw_ice_forget_peer(s->ice);
		if (what & 32)
			configure(s, what >> 6);
		gw_ice_local(s->ice, &s->local);
		(void)gw_timers_run(timers);
		return;
	}
	exact = malloc(n ? n : 1);
	assert(exact);
	memcpy(exact, buf, n);
	gw_lite_port_datagram(port, &from, exact, n, n);
	free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_lite_port *port = open_port();
	struct session s[SESSIONS] = { 0 };

	for (int i = 0; i < SESSIONS; i++)
		open_session(&s[i], port);
	while (size >= 2) {
		uint8_t what = data[0];
		size_t len = data[1];

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		act(port, &s[what >> 2 & 1], what, data, len);
		data += len;
		size -= len;
	}
	for (int i = 0; i < SESSIONS; i++)
		gw_ice_free(s[i].ice);
	gw_lite_port_free(port);
	assert(!gw_timers_count(timers));
	return 0;
}
