#include "media/stun.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stun/stunagent.h>
#include <stun/stunmessage.h>

#include "gateway/base/bytes.h"
#include "gateway/base/check.h"

struct gw_stun {
	StunAgent agent;
};

struct secret {
	const char *pwd;
};

/* What a check or an answer may demand that we understand it (RFC 8445 16.1,
 * RFC 8489).  Attributes from 0x8000 on may be ignored, and are no part of
 * this. */
static const uint16_t known[] = {
	STUN_ATTRIBUTE_USERNAME,
	STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
	STUN_ATTRIBUTE_PRIORITY,
	STUN_ATTRIBUTE_USE_CANDIDATE,
	STUN_ATTRIBUTE_MAPPED_ADDRESS,
	STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS,
	STUN_ATTRIBUTE_ERROR_CODE,
	STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES,
	0,
};

int gw_stun_new(struct gw_stun **out)
{
	struct gw_stun *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	stun_agent_init(&s->agent, known, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS |
				STUN_AGENT_USAGE_USE_FINGERPRINT);
	*out = s;
	return 0;
}

void gw_stun_free(struct gw_stun *s)
{
	free(s);
}

/* A message that stun_message_find() can be asked about before it is
 * authenticated. */
static StunMessage message(struct gw_stun *s, uint8_t *data, size_t len)
{
	return (StunMessage){
		.agent = &s->agent,
		.buffer = data,
		.buffer_len = len,
	};
}

static bool has(const StunMessage *msg, StunAttribute type)
{
	uint16_t len;

	return stun_message_find(msg, type, &len) != NULL;
}

/* libnice reads these two without a look at their length. */
static bool has_of(const StunMessage *msg, StunAttribute type, uint16_t size)
{
	uint16_t len;

	return stun_message_find(msg, type, &len) && len == size;
}

/* RFC 8445 7.3: "our ufrag:theirs". */
static bool read_user(struct gw_stun_check *out, const StunMessage *msg)
{
	uint16_t len = 0;
	const char *user =
		stun_message_find(msg, STUN_ATTRIBUTE_USERNAME, &len);
	const char *colon;

	out->ufrag = NULL;
	out->ufrag_len = 0;
	out->user_len = 0;
	if (!user || !has_of(msg, STUN_ATTRIBUTE_MESSAGE_INTEGRITY, 20))
		return false;
	/* Without a colon it is nobody's: an unknown user, not a bad one. */
	colon = memchr(user, ':', len);
	out->ufrag = user;
	out->user_len = len;
	out->ufrag_len = colon ? (size_t)(colon - user) : 0;
	return true;
}

enum gw_stun_kind gw_stun_read(struct gw_stun *s, struct gw_stun_check *out,
			       uint8_t *data, size_t len)
{
	StunMessage msg = message(s, data, len);

	if (len > GW_STUN_MAX ||
	    stun_message_validate_buffer_length(data, len, true) != (int)len ||
	    !stun_message_has_cookie(&msg))
		return GW_STUN_NOT;
	if (stun_message_get_class(&msg) != STUN_REQUEST ||
	    stun_message_get_method(&msg) != STUN_BINDING)
		return GW_STUN_NO_ANSWER;
	/* RFC 8445 7.1: a check has it.  It costs little, and what lacks it is
	 * not ours to answer (RFC 8489 6.3). */
	if (!has_of(&msg, STUN_ATTRIBUTE_FINGERPRINT, 4))
		return GW_STUN_NOT;
	out->data = data;
	out->len = len;
	return read_user(out, &msg) ? GW_STUN_CHECK : GW_STUN_NO_USER;
}

enum gw_stun_whose gw_stun_whose(const struct gw_stun_check *check,
				 const char *expected)
{
	/* With the colon: no ufrag is the beginning of another. */
	size_t ours = check->ufrag_len + 1;

	if (!check->ufrag_len || strlen(expected) < ours ||
	    memcmp(check->ufrag, expected, ours) != 0)
		return GW_STUN_OF_NOBODY;
	return check->user_len == strlen(expected) &&
			       !memcmp(check->ufrag, expected, check->user_len)
		       ? GW_STUN_OF_PEER
		       : GW_STUN_OF_OTHER;
}

/* FNV-1a */
static uint64_t number(const char *name, size_t len)
{
	uint64_t n = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		n = (n ^ (uint8_t)name[i]) * 0x100000001b3u;
	return n ? n : 1;
}

uint64_t gw_stun_sender(const struct gw_stun_check *check)
{
	/* Without a colon there is none, and its name is empty. */
	size_t ours = check->ufrag_len + 1;

	if (!check->ufrag_len || check->user_len < ours)
		return number("", 0);
	return number(check->ufrag + ours, check->user_len - ours);
}

uint64_t gw_stun_sender_of(const char *ufrag)
{
	return number(ufrag, strlen(ufrag));
}

static size_t finish(struct gw_stun *s, StunMessage *msg, const char *pwd)
{
	size_t len = stun_agent_finish_message(
		&s->agent, msg, (const uint8_t *)pwd, pwd ? strlen(pwd) : 0);

	assert(len <= GW_STUN_ANSWER);
	return len;
}

static size_t error(struct gw_stun *s, const StunMessage *req, StunError code,
		    const char *pwd, uint8_t *out)
{
	StunMessage rsp;

	if (!stun_agent_init_error(&s->agent, &rsp, out, GW_STUN_ANSWER, req,
				   code))
		return 0;
	return finish(s, &rsp, pwd);
}

/* stun_agent_build_unknown_attributes_error() would list as many as the
 * request holds, in a buffer of its own idea; ours is bounded, and tells the
 * first ones (RFC 8489 6.3.1 wants no more than that they be named). */
static size_t unknown_attributes(struct gw_stun *s, const StunMessage *req,
				 const char *pwd, uint8_t *out)
{
	uint8_t list[16];
	size_t n = 0;
	StunMessage rsp;
	size_t at = 20;

	while (at + 4 <= req->buffer_len && n + 2 <= sizeof(list)) {
		uint16_t type = gw_get16(req->buffer + at);
		size_t len = gw_get16(req->buffer + at + 2);
		bool is_known = type >= 0x8000;

		for (size_t i = 0; known[i]; i++)
			is_known |= known[i] == type;
		if (!is_known) {
			list[n++] = (uint8_t)(type >> 8);
			list[n++] = (uint8_t)type;
		}
		if (type == STUN_ATTRIBUTE_MESSAGE_INTEGRITY)
			break;
		at += 4 + ((len + 3) & ~(size_t)3);
	}
	if (!stun_agent_init_error(&s->agent, &rsp, out, GW_STUN_ANSWER, req,
				   STUN_ERROR_UNKNOWN_ATTRIBUTE) ||
	    stun_message_append_bytes(&rsp, STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES,
				      list, n) != STUN_MESSAGE_RETURN_SUCCESS)
		return 0;
	return finish(s, &rsp, pwd);
}

static size_t success(struct gw_stun *s, const StunMessage *req,
		      const char *pwd, const struct gw_addr *from, uint8_t *out)
{
	struct sockaddr_storage ss;
	socklen_t slen = gw_addr_to_sockaddr(from, &ss);
	StunMessage rsp;

	if (!stun_agent_init_response(&s->agent, &rsp, out, GW_STUN_ANSWER,
				      req) ||
	    stun_message_append_xor_addr(&rsp,
					 STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS, &ss,
					 slen) != STUN_MESSAGE_RETURN_SUCCESS)
		return 0;
	return finish(s, &rsp, pwd);
}

static bool password(StunAgent *agent, StunMessage *msg, uint8_t *user,
		     uint16_t user_len, uint8_t **pwd, size_t *pwd_len,
		     void *arg)
{
	const struct secret *secret = arg;

	(void)agent;
	(void)msg;
	(void)user;
	(void)user_len;
	*pwd = (uint8_t *)(uintptr_t)secret->pwd; /* it is only read */
	*pwd_len = strlen(secret->pwd);
	return true;
}

/* Into @req, which points into the check. */
static StunValidationStatus authenticate(struct gw_stun *s, StunMessage *req,
					 const struct gw_stun_check *check,
					 const char *pwd)
{
	struct secret secret = { .pwd = pwd };

	memset(req, 0, sizeof(*req));
	return stun_agent_validate(&s->agent, req, check->data, check->len,
				   password, &secret);
}

static enum gw_stun_result judge(const StunMessage *req,
				 StunValidationStatus status, bool controlling)
{
	switch (status) {
	case STUN_VALIDATION_SUCCESS:
		break;
	case STUN_VALIDATION_UNKNOWN_REQUEST_ATTRIBUTE:
		return GW_STUN_UNKNOWN;
	case STUN_VALIDATION_UNAUTHORIZED:
	case STUN_VALIDATION_UNAUTHORIZED_BAD_REQUEST:
		return GW_STUN_FORGED;
	default:
		/* All else was seen to before: it is the FINGERPRINT. */
		return GW_STUN_BROKEN;
	}
	/* RFC 8445 7.3.1.1.  Both agents that ask have settled their roles, by
	 * their tie-breakers or because one of them is lite: it yields. */
	if (has(req, controlling ? STUN_ATTRIBUTE_ICE_CONTROLLING
				 : STUN_ATTRIBUTE_ICE_CONTROLLED))
		return GW_STUN_CONFLICT;
	return GW_STUN_VALID;
}

enum gw_stun_result gw_stun_vet(struct gw_stun *s,
				const struct gw_stun_check *check,
				const char *pwd, bool controlling,
				bool *nominates)
{
	StunMessage req;
	StunValidationStatus status = authenticate(s, &req, check, pwd);
	enum gw_stun_result r = judge(&req, status, controlling);

	*nominates =
		r == GW_STUN_VALID && has(&req, STUN_ATTRIBUTE_USE_CANDIDATE);
	return r;
}

enum gw_stun_result gw_stun_answer(struct gw_stun *s,
				   const struct gw_stun_check *check,
				   const char *pwd, bool controlling,
				   const struct gw_addr *from, uint8_t *out,
				   size_t *out_len, bool *nominates)
{
	StunMessage req;
	StunValidationStatus status = authenticate(s, &req, check, pwd);
	enum gw_stun_result r = judge(&req, status, controlling);

	*out_len = 0;
	*nominates = false;
	switch (r) {
	case GW_STUN_VALID:
		*nominates = has(&req, STUN_ATTRIBUTE_USE_CANDIDATE);
		*out_len = success(s, &req, pwd, from, out);
		break;
	case GW_STUN_CONFLICT:
		*out_len = error(s, &req, STUN_ERROR_ROLE_CONFLICT, pwd, out);
		break;
	case GW_STUN_UNKNOWN:
		*out_len = unknown_attributes(s, &req, pwd, out);
		break;
	case GW_STUN_FORGED:
		*out_len = gw_stun_refuse(s, check, 401, out);
		break;
	case GW_STUN_BROKEN:
		break;
	}
	return r;
}

size_t gw_stun_refuse(struct gw_stun *s, const struct gw_stun_check *check,
		      int code, uint8_t *out)
{
	StunMessage req = message(s, check->data, check->len);

	return error(s, &req,
		     code == 400 ? STUN_ERROR_BAD_REQUEST
				 : STUN_ERROR_UNAUTHORIZED,
		     NULL, out);
}

static bool append(StunMessage *msg, const struct gw_stun_ask *ask)
{
	const StunAttribute role = ask->controlling
					   ? STUN_ATTRIBUTE_ICE_CONTROLLING
					   : STUN_ATTRIBUTE_ICE_CONTROLLED;

	/* RFC 8445 7.1: these, and the two that finishing adds. */
	return (!ask->nominates ||
		!stun_message_append_flag(msg, STUN_ATTRIBUTE_USE_CANDIDATE)) &&
	       !stun_message_append32(msg, STUN_ATTRIBUTE_PRIORITY,
				      ask->priority) &&
	       !stun_message_append64(msg, role, ask->tie) &&
	       !stun_message_append_bytes(msg, STUN_ATTRIBUTE_USERNAME,
					  ask->user, strlen(ask->user));
}

size_t gw_stun_ask(struct gw_stun *s, const struct gw_stun_ask *ask,
		   uint8_t *out, uint8_t id[GW_STUN_ID])
{
	const uint32_t mark = htonl(ask->mark);
	StunTransactionId tid;
	StunMessage msg;
	size_t len;

	if (!stun_agent_init_request(&s->agent, &msg, out, GW_STUN_REQUEST,
				     STUN_BINDING))
		return 0;
	if (ask->mark)
		memcpy(out + 8, &mark, sizeof(mark));
	if (!append(&msg, ask))
		return 0;
	len = stun_agent_finish_message(
		&s->agent, &msg, (const uint8_t *)ask->pwd, strlen(ask->pwd));
	if (!len)
		return 0;
	/* The agent has room for 200 open transactions, and is shared: who
	 * asked remembers. */
	stun_message_id(&msg, tid);
	(void)stun_agent_forget_transaction(&s->agent, tid);
	memcpy(id, tid + sizeof(tid) - GW_STUN_ID, GW_STUN_ID);
	return len;
}

/* As if the agent had asked just now. */
static void recall(struct gw_stun *s, const uint8_t *data, const char *pwd)
{
	StunAgentSavedIds *saved = &s->agent.sent_ids[0];

	memset(saved, 0, sizeof(*saved));
	memcpy(saved->id, data + 4, sizeof(saved->id));
	saved->method = STUN_BINDING;
	saved->key = (uint8_t *)(uintptr_t)pwd; /* it is only read */
	saved->key_len = strlen(pwd);
	saved->valid = true;
}

enum gw_stun_reply gw_stun_reply(struct gw_stun *s, uint8_t *data, size_t len,
				 const uint8_t id[GW_STUN_ID], const char *pwd)
{
	StunMessage msg = message(s, data, len);
	StunValidationStatus status;
	int code = 0;

	if (len > GW_STUN_MAX ||
	    stun_message_validate_buffer_length(data, len, true) != (int)len ||
	    !stun_message_has_cookie(&msg) ||
	    memcmp(data + 8, id, GW_STUN_ID) != 0 ||
	    !has_of(&msg, STUN_ATTRIBUTE_MESSAGE_INTEGRITY, 20))
		return GW_STUN_NO_REPLY;
	recall(s, data, pwd);
	memset(&msg, 0, sizeof(msg));
	status = stun_agent_validate(&s->agent, &msg, data, len, NULL, NULL);
	s->agent.sent_ids[0].valid = false; /* as it was */
	if (status != STUN_VALIDATION_SUCCESS)
		return GW_STUN_NO_REPLY;
	if (stun_message_get_class(&msg) == STUN_RESPONSE)
		return GW_STUN_SUCCESS;
	if (stun_message_find_error(&msg, &code) != STUN_MESSAGE_RETURN_SUCCESS)
		return GW_STUN_ERROR;
	if (code == STUN_ERROR_ROLE_CONFLICT)
		return GW_STUN_ROLE_CONFLICT;
	return code == STUN_ERROR_FORBIDDEN ? GW_STUN_FORBIDDEN : GW_STUN_ERROR;
}
