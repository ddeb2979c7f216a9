/*
 * What is around a SIP session in test_sip_session_walk.c: the clock, the rest
 * of sip/ as it is without registrations and transfers, and the messages of the
 * peer, which are parsed once.
 */
#ifndef TEST_SIP_WALK_H
#define TEST_SIP_WALK_H

#include "tests/unit/test_sip_wire.h"

#define OFFER  "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=offer\r\n"
#define ANSWER "v=0\r\no=- 2 1 IN IP4 192.0.2.2\r\ns=answer\r\n"

/* ---- the world around ---- */

struct gw_loop {
	struct gw_timers *timers;
};

static struct gw_loop loop;
static uint64_t now_us;

static uint64_t fake_clock(void *arg)
{
	(void)arg;
	return now_us;
}

struct gw_timers *gw_loop_timers(struct gw_loop *l)
{
	return l->timers;
}

void gw_stack_count_request(bool sent, sip_method_t method)
{
	(void)sent;
	(void)method;
}

void gw_stack_count_response(bool sent, int status)
{
	(void)sent;
	(void)status;
}

int gw_stack_contact(struct gw_sip *s, char *buf, size_t size, const char *uri,
		     nta_incoming_t *irq, bool sips)
{
	(void)s;
	(void)uri;
	(void)irq;
	(void)sips;
	(void)snprintf(buf, size, "<sip:192.0.2.9>");
	return 0;
}

bool gw_stack_is_ours(const struct gw_sip *s, const char *host)
{
	(void)s;
	(void)host;
	return false;
}

bool gw_stack_core_is_tls(const struct gw_sip *s)
{
	(void)s;
	return false;
}

int gw_stack_check(struct gw_sip *s, nta_incoming_t *irq, const sip_t *request)
{
	(void)s;
	(void)irq;
	(void)request;
	return 0;
}

int gw_stack_refuse_method(struct gw_sip *s, nta_incoming_t *irq,
			   const sip_t *request)
{
	(void)s;
	(void)irq;
	(void)request;
	return 405;
}

int gw_message_incoming(struct gw_sip *s, nta_incoming_t *irq,
			const sip_t *request)
{
	(void)s;
	(void)irq;
	(void)request;
	return 405;
}

void gw_refer_incoming(struct gw_session *s, nta_leg_t *l, nta_incoming_t *irq,
		       const sip_t *request)
{
	(void)s;
	(void)l;
	(void)irq;
	(void)request;
}

int gw_refer_told(struct gw_session *s, const struct gw_cause *cause)
{
	(void)s;
	(void)cause;
	return -EPROTO;
}

void gw_refer_notified(struct gw_session *s, nta_outgoing_t *notify, int status,
		       const sip_t *response)
{
	(void)s;
	(void)notify;
	(void)status;
	(void)response;
}

struct gw_regn *gw_regn_find(struct gw_sip *s, const char *key)
{
	(void)s;
	(void)key;
	return NULL;
}

const char *gw_regn_default_impu(const struct gw_regn *r)
{
	(void)r;
	return "sip:alice@ims.test";
}

void gw_regn_access(const struct gw_regn *r, char *buf, size_t size)
{
	(void)r;
	(void)snprintf(buf, size, "%s", "");
}

void gw_regn_doubt(struct gw_sip *s, const char *key, unsigned status)
{
	(void)s;
	(void)key;
	(void)status;
}

int gw_session_originate(struct gw_session *s, const char *key,
			 const char *wanted)
{
	(void)s;
	(void)key;
	(void)wanted;
	return -ENOENT;
}

void gw_session_terminate(struct gw_session *s, const sip_t *request,
			  const char *dialled)
{
	(void)s;
	(void)request;
	(void)dialled;
}

void gw_session_charge(struct gw_session *s, const sip_t *request)
{
	(void)s;
	(void)request;
}

/* ---- messages ---- */

enum text {
	INVITE_SDP,
	INVITE_BARE,
	UPDATE_SDP,
	PRACK_SDP,
	PRACK_BARE,
	ACK_SDP,
	ACK_BARE,
	CANCEL,
	BYE,
	R_180,
	R_183,
	R_183_SDP,
	R_200,
	R_200_SDP,
	R_486,
	R_487,
	R_488,
	R_491,
	NTEXTS
};

static msg_t *texts[NTEXTS];

static void parse(enum text t, const char *start, const char *method,
		  const char *more, const char *sdp)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
		       "%s\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
		       "From: <sip:peer@ims.test>;tag=peer\r\n"
		       "To: <sip:alice@ims.test>;tag=us\r\nCall-ID: walk\r\n"
		       "CSeq: 1 %s\r\nContact: <sip:peer@192.0.2.1>\r\n"
		       "Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE\r\n"
		       "%s%sContent-Length: %zu\r\n\r\n%s",
		       start, method, more,
		       *sdp ? "Content-Type: application/sdp\r\n" : "",
		       strlen(sdp), sdp);
	texts[t] =
		msg_make(sip_default_mclass(), 0, text, (issize_t)strlen(text));
	assert_non_null(texts[t]);
	assert_non_null(sip_object(texts[t])->sip_call_id);
}

#define REQUEST(t, method, more, sdp)                                          \
	parse(t, method " sip:alice@192.0.2.9 SIP/2.0", method, more, sdp)
#define RELIABLE "Require: 100rel\r\nRSeq: 1\r\n"

static int parse_all(void **state)
{
	(void)state;
	REQUEST(INVITE_SDP, "INVITE", "Supported: 100rel\r\n", OFFER);
	REQUEST(INVITE_BARE, "INVITE", "Require: 100rel\r\n", "");
	REQUEST(UPDATE_SDP, "UPDATE", "", OFFER);
	REQUEST(PRACK_SDP, "PRACK", "RAck: 1 1 INVITE\r\n", OFFER);
	REQUEST(PRACK_BARE, "PRACK", "RAck: 1 1 INVITE\r\n", "");
	REQUEST(ACK_SDP, "ACK", "", ANSWER);
	REQUEST(ACK_BARE, "ACK", "", "");
	REQUEST(CANCEL, "CANCEL", "", "");
	REQUEST(BYE, "BYE", "", "");
	parse(R_180, "SIP/2.0 180 R", "INVITE", "", "");
	parse(R_183, "SIP/2.0 183 P", "INVITE", RELIABLE, "");
	parse(R_183_SDP, "SIP/2.0 183 P", "INVITE", RELIABLE, ANSWER);
	parse(R_200, "SIP/2.0 200 OK", "INVITE", "", "");
	parse(R_200_SDP, "SIP/2.0 200 OK", "INVITE", "", ANSWER);
	parse(R_486, "SIP/2.0 486 B", "INVITE", "", "");
	parse(R_487, "SIP/2.0 487 T", "INVITE", "", "");
	parse(R_488, "SIP/2.0 488 N", "INVITE", "", "");
	parse(R_491, "SIP/2.0 491 P", "INVITE", "", "");
	return 0;
}

static int free_all(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NTEXTS; i++)
		msg_destroy(texts[i]);
	return 0;
}

static const sip_t *text_of(enum text t)
{
	return sip_object(texts[t]);
}

#endif
