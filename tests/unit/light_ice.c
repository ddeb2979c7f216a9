#include "tests/unit/light_ice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stun/usages/ice.h>

#include "gateway/base/addr.h"
#include "gateway/base/check.h"
#include "gateway/base/timers.h"

/* Chromium's, while there is no answer or but few checks, and after. */
#define CHECK_US   50000u
#define CHECKS_MIN 3
#define CONSENT_US 900000u

#define PRIORITY  0x7e7f1effu
#define IN_FLIGHT 64

struct light_ice {
	StunAgent stun;
	light_ice_recv_h *recv_h;
	void *arg;
	int fd;
	struct gw_addr local;
	bool controlling, silent, up;
	bool to_lite;
	unsigned pairs, checks; /* checks: since it was last moved */
	uint64_t tie, next_us;

	char ufrag[8], pwd[32];
	char remote_ufrag[257], remote_pwd[257];
	struct gw_addr remote;

	StunTransactionId flight[IN_FLIGHT];
	unsigned nflight;
};

static void secrets(struct light_ice *ice)
{
	static unsigned n;

	(void)snprintf(ice->ufrag, sizeof(ice->ufrag), "L%05u", ++n % 100000);
	(void)snprintf(ice->pwd, sizeof(ice->pwd), "password-of-%012u", n);
}

static void open_socket(struct light_ice *ice, const char *address)
{
	struct sockaddr_storage ss;
	socklen_t len;

	assert(!gw_addr_parse(&ice->local, address, 0));
	len = gw_addr_to_sockaddr(&ice->local, &ss);
	ice->fd = socket(ss.ss_family,
			 SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert(ice->fd >= 0);
	assert(!bind(ice->fd, (struct sockaddr *)&ss, len));
	len = sizeof(ss);
	assert(!getsockname(ice->fd, (struct sockaddr *)&ss, &len));
	assert(!gw_addr_from_sockaddr(&ice->local, (struct sockaddr *)&ss));
}

struct light_ice *light_ice_new(const char *address, bool controlling,
				light_ice_recv_h *recv_h, void *arg)
{
	struct light_ice *ice = calloc(1, sizeof(*ice));

	assert(ice);
	ice->recv_h = recv_h;
	ice->arg = arg;
	ice->controlling = controlling;
	secrets(ice);
	ice->tie = gw_clock_monotonic_us(NULL) * 2654435761u;
	open_socket(ice, address);
	stun_agent_init(&ice->stun, STUN_ALL_KNOWN_ATTRIBUTES,
			STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS |
				STUN_AGENT_USAGE_USE_FINGERPRINT);
	return ice;
}

void light_ice_free(struct light_ice *ice)
{
	(void)close(ice->fd);
	free(ice);
}

void light_ice_describe(const struct light_ice *ice, struct gw_end *end,
			bool no_candidates)
{
	struct gw_candidate *c = &end->candidate[0];

	(void)snprintf(end->ufrag, sizeof(end->ufrag), "%s", ice->ufrag);
	(void)snprintf(end->pwd, sizeof(end->pwd), "%s", ice->pwd);
	end->ncandidate = no_candidates ? 0 : 1;
	memset(c, 0, sizeof(*c));
	c->addr = ice->local;
	c->priority = PRIORITY;
	(void)snprintf(c->foundation, sizeof(c->foundation), "1");
}

void light_ice_set_remote(struct light_ice *ice, const struct gw_end *end)
{
	(void)snprintf(ice->remote_ufrag, sizeof(ice->remote_ufrag), "%s",
		       end->ufrag);
	(void)snprintf(ice->remote_pwd, sizeof(ice->remote_pwd), "%s",
		       end->pwd);
	for (unsigned i = 0; i < end->ncandidate; i++)
		if (end->candidate[i].addr.family == ice->local.family)
			ice->remote = end->candidate[i].addr;
	assert(ice->remote.family);
	ice->to_lite = end->ice_lite;
	ice->next_us = 0;
	ice->checks = 0;
	ice->up = false;
}

void light_ice_restart(struct light_ice *ice)
{
	secrets(ice);
}

void light_ice_move(struct light_ice *ice, const char *address)
{
	(void)close(ice->fd);
	open_socket(ice, address);
	ice->next_us = 0;
	ice->checks = 0;
	ice->up = false;
}

void light_ice_silence(struct light_ice *ice)
{
	ice->silent = true;
}

bool light_ice_up(const struct light_ice *ice)
{
	return ice->up;
}

unsigned light_ice_pairs(const struct light_ice *ice)
{
	return ice->pairs;
}

void light_ice_send(struct light_ice *ice, const void *data, size_t len)
{
	struct sockaddr_storage ss;
	socklen_t n = gw_addr_to_sockaddr(&ice->remote, &ss);

	(void)sendto(ice->fd, data, len, 0, (struct sockaddr *)&ss, n);
}

static void check(struct light_ice *ice)
{
	StunTransactionId *id = &ice->flight[ice->nflight++ % IN_FLIGHT];
	uint8_t buf[1024];
	char name[600];
	/* Chromium nominates whatever it checks until one is valid; to a lite
	 * agent, what it has chosen. */
	bool nominates = ice->controlling && (!ice->to_lite || ice->up);
	StunMessage msg;
	size_t len;

	/* The agent remembers what it sent until it is answered. */
	if (ice->nflight > IN_FLIGHT)
		(void)stun_agent_forget_transaction(&ice->stun, *id);
	(void)snprintf(name, sizeof(name), "%s:%s", ice->remote_ufrag,
		       ice->ufrag);
	len = stun_usage_ice_conncheck_create(
		&ice->stun, &msg, buf, sizeof(buf), (uint8_t *)name,
		strlen(name), (uint8_t *)ice->remote_pwd,
		strlen(ice->remote_pwd), nominates, ice->controlling, PRIORITY,
		ice->tie, NULL, STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
	assert(len);
	stun_message_id(&msg, *id);
	light_ice_send(ice, buf, len);
}

static bool credentials(StunAgent *agent, StunMessage *msg, uint8_t *username,
			uint16_t username_len, uint8_t **password,
			size_t *password_len, void *arg)
{
	struct light_ice *ice = arg;

	(void)agent;
	(void)msg;
	if (username_len < strlen(ice->ufrag) ||
	    memcmp(username, ice->ufrag, strlen(ice->ufrag)) != 0)
		return false;
	*password = (uint8_t *)ice->pwd;
	*password_len = strlen(ice->pwd);
	return true;
}

static void on_stun(struct light_ice *ice, const uint8_t *data, size_t len,
		    const struct sockaddr_storage *from, socklen_t from_len)
{
	uint8_t buf[1024];
	size_t n = sizeof(buf);
	StunMessage msg, reply;
	bool control = ice->controlling;

	if (stun_agent_validate(&ice->stun, &msg, data, len, credentials,
				ice) != STUN_VALIDATION_SUCCESS)
		return;
	switch (stun_message_get_class(&msg)) {
	case STUN_REQUEST:
		if (stun_usage_ice_conncheck_create_reply(
			    &ice->stun, &msg, &reply, buf, &n, from, from_len,
			    &control, ice->tie,
			    STUN_USAGE_ICE_COMPATIBILITY_RFC5245) ==
		    STUN_USAGE_ICE_RETURN_SUCCESS)
			(void)sendto(ice->fd, buf, n, 0,
				     (const struct sockaddr *)from, from_len);
		break;
	case STUN_RESPONSE:
		if (!ice->up)
			ice->pairs++;
		ice->up = true;
		break;
	default:
		break;
	}
}

void light_ice_step(struct light_ice *ice)
{
	uint8_t buf[2048];
	struct sockaddr_storage ss;
	socklen_t sl = sizeof(ss);
	uint64_t now = gw_clock_monotonic_us(NULL);
	ssize_t n;

	if (ice->remote.family && !ice->silent && now >= ice->next_us) {
		check(ice);
		ice->next_us = now + (++ice->checks >= CHECKS_MIN && ice->up
					      ? CONSENT_US
					      : CHECK_US);
	}
	while ((n = recvfrom(ice->fd, buf, sizeof(buf), 0,
			     (struct sockaddr *)&ss, &sl)) > 0) {
		if (buf[0] >= 20)
			ice->recv_h(buf, (size_t)n, ice->arg);
		else if (!ice->silent)
			on_stun(ice, buf, (size_t)n, &ss, sl);
		sl = sizeof(ss);
	}
}
