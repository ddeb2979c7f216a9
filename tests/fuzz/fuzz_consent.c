/* What a peer may send on a selected pair, and before there is one: raw
 * datagrams, and checks and answers whose attributes are anything but which are
 * signed.  A record of the
 * input is a byte that says what to do, a length, and that many bytes. */
#include <assert.h>
#include <string.h>

#include <stun/stunagent.h>

#include "media/consent.h"
#include "media/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROOM 1400

static const struct gw_consent_keys keys = {
	.ufrag = "ours",
	.pwd = "oursoursoursoursoursou",
	.remote_ufrag = "peer",
	.remote_pwd = "peerpeerpeerpeerpeerpe",
	.controlling = true,
};

static struct gw_stun *stun;
static struct gw_timers *timers;
static struct gw_probe *probe;
static uint64_t now_us = 1000000;
static unsigned lost;
static uint8_t asked[GW_STUN_REQUEST];
static size_t asked_len;

static uint64_t clock_us(void *arg)
{
	(void)arg;
	return now_us;
}

static void on_send(const void *data, size_t len, void *arg)
{
	const uint8_t *p = data;

	(void)arg;
	assert(len >= 20 && len <= sizeof(asked));
	if (p[0] || p[1] != 1)
		return; /* an answer */
	memcpy(asked, data, len);
	asked_len = len;
}

static void on_lost(void *arg)
{
	(void)arg;
	lost++;
}

static void on_probe(unsigned local, const struct gw_addr *to, const void *data,
		     size_t len, void *arg)
{
	assert(local < 2 && to->family);
	on_send(data, len, arg);
}

static void on_other(const struct gw_addr *from, void *arg)
{
	(void)arg;
	assert(from->family);
}

static void on_found(unsigned local, const struct gw_addr *peer, void *arg)
{
	(void)arg;
	assert(local < 2 && peer->family);
	gw_probe_free(probe);
	probe = NULL;
}

static void new_probe(void)
{
	const struct gw_probe_options opt = { .stun = stun,
					      .timers = timers,
					      .ufrag = keys.ufrag,
					      .pwd = keys.pwd,
					      .mark = 0x01020304 };
	const struct gw_probe_handlers h = { .send = on_probe,
					     .other = on_other,
					     .found = on_found };
	int err =
		gw_probe_new(&probe, &opt, &h) ||
		gw_probe_set_remote(probe, keys.remote_ufrag, keys.remote_pwd);

	assert(!err);
}

static bool password(StunAgent *agent, StunMessage *msg, uint8_t *user,
		     uint16_t user_len, uint8_t **pwd, size_t *len, void *arg)
{
	(void)agent;
	(void)msg;
	(void)user;
	(void)user_len;
	(void)arg;
	*pwd = (uint8_t *)(uintptr_t)keys.remote_pwd;
	*len = strlen(keys.remote_pwd);
	return true;
}

/* A check under our password, or an answer to ours under the peer's. */
static bool begin(StunAgent *agent, StunMessage *msg, uint8_t *out, uint8_t how)
{
	StunMessage req;

	if (how == 1)
		return stun_agent_init_request(agent, msg, out, ROOM,
					       STUN_BINDING) &&
		       !stun_message_append_string(msg, STUN_ATTRIBUTE_USERNAME,
						   "ours:peer");
	if (!asked_len ||
	    stun_agent_validate(agent, &req, asked, asked_len, password,
				NULL) != STUN_VALIDATION_SUCCESS)
		return false;
	if (how == 2)
		return stun_agent_init_response(agent, msg, out, ROOM, &req);
	return stun_agent_init_error(agent, msg, out, ROOM, &req,
				     how == 3 ? STUN_ERROR_ROLE_CONFLICT
					      : STUN_ERROR_BAD_REQUEST);
}

/* Attributes: type (2), length (1), bytes. */
static size_t make(uint8_t *out, uint8_t how, const uint8_t *in, size_t len)
{
	static const uint16_t known[] = {
		STUN_ATTRIBUTE_USERNAME,
		STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
		STUN_ATTRIBUTE_PRIORITY,
		0,
	};
	StunAgent agent;
	StunMessage msg;
	const char *key = how == 1 ? keys.pwd : keys.remote_pwd;

	stun_agent_init(&agent, known, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS |
				STUN_AGENT_USAGE_USE_FINGERPRINT);
	if (!begin(&agent, &msg, out, how))
		return 0;
	while (len >= 3) {
		size_t n = in[2] < len - 3 ? in[2] : len - 3;
		uint16_t type = (uint16_t)(in[0] << 8 | in[1]);

		if (stun_message_append_bytes(&msg, (StunAttribute)type, in + 3,
					      n))
			break;
		in += 3 + n;
		len -= 3 + n;
	}
	return stun_agent_finish_message(&agent, &msg, (const uint8_t *)key,
					 strlen(key));
}

static void receive(struct gw_consent *c, uint8_t how, const uint8_t *in,
		    size_t len)
{
	uint8_t buf[ROOM];
	uint8_t copy[ROOM];
	struct gw_addr from;
	bool is_other;
	bool taken;
	int err = gw_addr_parse(&from, "192.0.2.1", 1000);

	assert(!err);
	if (how) {
		len = make(buf, how, in, len);
	} else {
		len = len < sizeof(buf) ? len : sizeof(buf);
		memcpy(buf, in, len);
		/* As an answer to what was asked. */
		if (len >= 20 && asked_len && buf[0] == 1)
			memcpy(buf + 4, asked + 4, 16);
	}
	if (!len)
		return;
	/* Each may change what it reads. */
	memcpy(copy, buf, len);
	if (!gw_probe_reply(probe, 0, &from, copy, len)) {
		memcpy(copy, buf, len);
		(void)gw_probe_look(probe, 0, how != 1, &from, copy, len);
	}
	if (!probe)
		new_probe();
	/* What is another's is not taken for the peer's, by neither. */
	memcpy(copy, buf, len);
	is_other = gw_consent_is_of_other(c, copy, len);
	taken = gw_consent_take(c, &from, buf, len);
	assert(!is_other || !taken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct gw_consent_handlers h = { .send = on_send,
					       .lost = on_lost };
	static const struct gw_logctx log = { .module = "media" };
	struct gw_consent c;
	int err = 0;

	if (!stun)
		err = gw_stun_new(&stun) ||
		      gw_timers_new(&timers, clock_us, NULL);
	assert(!err);
	lost = 0;
	asked_len = 0;
	new_probe();
	gw_consent_init(&c, stun, timers, &log, &h);
	err = gw_consent_start(&c, &keys);
	assert(!err);
	while (size >= 2) {
		uint8_t what = data[0];
		size_t len = data[1] < size - 2 ? data[1] : size - 2;

		if (what >= 200) {
			now_us += 100000u * (uint64_t)(what - 199);
			(void)gw_timers_run(timers);
		} else {
			receive(&c, what % 5, data + 2, len);
		}
		data += 2 + len;
		size -= 2 + len;
		/* Lost is lost, once. */
		assert(lost <= 1 && (lost == 0 || !c.names));
	}
	gw_consent_stop(&c);
	gw_probe_free(probe);
	probe = NULL;
	assert(gw_timers_count(timers) == 0);
	return 0;
}
