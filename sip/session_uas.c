/* The calls that come in, and the requests inside every dialog. */
#include "sip/session.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/media_control.h"
#include "gateway/base/metrics.h"
#include "sip/dialog.h"
#include "sip/extension.h"
#include "sip/ims_cause.h"

GW_COUNTER(m_bad_info, "isthmus_sip_rejected_total",
	   "Calls and requests refused here, by reason", "reason=\"info\"");
GW_COUNTER(m_no_ack, "isthmus_sip_timeouts_total",
	   "Waits that ended unanswered", "what=\"ack\"");

/* FNV-1a: who makes two that collide only misinforms his own call. */
static uint64_t name_of_call(const sip_t *request)
{
	const char *part[] = { request->sip_call_id->i_id,
			       request->sip_from->a_tag };
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < 2; i++)
		for (const char *p = part[i]; p && *p; p++)
			h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	return h;
}

int gw_session_accept_invite(struct gw_session *s, nta_incoming_t *irq,
			     const sip_t *request)
{
	int r;

	s->uas = true;
	s->fork = name_of_call(request);
	r = gw_dialog_accept(s, irq, request);
	if (r)
		return r;
	s->late = !gw_ims_has_sdp(request);
	s->peer_demands = gw_ext_read(request->sip_require);
	gw_session_timer_asked(s, request);
	s->peer_knows = s->peer_demands | gw_ext_read(request->sip_supported);
	(void)gw_session_event(s, GW_SEV_INVITE);
	(void)gw_dialog_reply(s, irq, 100, NULL, true);
	gw_session_start_timer(
		s, &s->ring, (uint64_t)s->sip->set->sip.ring_timeout_s * 1000);
	return 0;
}

int gw_session_progress(struct gw_session *s, int status, const char *headers,
			const void *sdp, size_t len)
{
	struct gw_dialog_msg m = { .headers = headers,
				   .body = sdp,
				   .len = len };

	if (s->state != GW_SES_INCOMING)
		return -EPROTO;
	if (s->sdp_sent)
		m.body = NULL; /* once, when it cannot get lost */
	else if (sdp && gw_body_set(&s->early, sdp, len))
		return -ENOMEM;
	return gw_session_provisional(s, status, &m);
}

int gw_session_answer(struct gw_session *s, const char *headers,
		      const void *sdp, size_t len)
{
	struct gw_dialog_msg m = { .headers = headers,
				   .body = sdp,
				   .len = len };
	int r;

	if (s->state != GW_SES_INCOMING)
		return -EPROTO;
	/* An answer in a 18x that was not reliable is only given by the 200
	 * (RFC 3261 13.2.1): it is repeated there. */
	if (s->sdp_sent) {
		m.body = NULL;
	} else if (!m.body) {
		m.body = s->early.data;
		m.len = s->early.len;
	}
	(void)gw_session_event(s, GW_SEV_ANSWER);
	s->inv_answered = true;
	if (gw_session_must_hold(s))
		return gw_session_hold_answer(s, headers);
	gw_info(&s->log, "200 sent");
	r = gw_dialog_reply(s, s->inv_irq, 200, &m, true);
	gw_session_timer_replied(s);
	return r;
}

/* The ACK never came, 64*T1 long (RFC 3261 13.3.1.4): hang up. */
static void on_no_ack(struct gw_session *s)
{
	enum gw_ses_state was = s->state;

	gw_metric_add(&m_no_ack, 1);
	if (!gw_session_event(s, GW_SEV_NO_ACK))
		return;
	s->offer = GW_OFF_NONE;
	gw_warn(&s->log, "no ACK: BYE");
	gw_session_bye(s);
	if (was != GW_SES_BYE_WAIT)
		gw_ims_tell_release(s, 408, NULL);
}

/*
 * A reliable response of ours was never acknowledged (RFC 3262 3): the INVITE
 * fails, answered or not, for NTA has kept a 200 back.
 */
static void on_unpracked(struct gw_session *s)
{
	bool told = s->state == GW_SES_BYE_WAIT;

	gw_warn(&s->log, "no PRACK: 504");
	gw_dialog_reply_given_up(s, s->inv_irq, 504);
	s->inv_irq = NULL;
	s->inv_answered = s->answer_held = false;
	if (gw_session_event(s, GW_SEV_PEER_ENDS) && !told)
		gw_ims_tell_release(s, 504, NULL);
}

static void on_initial_ack(struct gw_session *s, const sip_t *request)
{
	static const struct gw_cause no_answer = {
		.status = 488, .text = "no answer in the ACK"
	};
	enum gw_ses_state was = s->state;

	if (!gw_session_event(s, GW_SEV_ACK))
		return;
	if (was == GW_SES_BYE_WAIT) {
		gw_session_bye(s);
		return;
	}
	if (!s->late)
		return;
	if (gw_ims_has_sdp(request)) {
		gw_ims_tell_accept(s, 0, request, GW_DESC_ANSWER);
		return;
	}
	gw_session_release(s, &no_answer);
	gw_ims_tell_release(s, 488, NULL);
}

static void on_re_ack(struct gw_session *s, const sip_t *request)
{
	static const struct gw_cause no_answer = {
		.status = 488, .text = "no answer in the ACK"
	};

	if (s->offer != GW_OFF_PEER_LATE)
		return;
	s->offer = GW_OFF_NONE;
	if (gw_ims_has_sdp(request)) {
		gw_ims_tell_accept(s, 0, request, GW_DESC_ANSWER);
		return;
	}
	/* Both sides now believe in different sessions. */
	gw_session_release(s, &no_answer);
	gw_ims_tell_release(s, 488, NULL);
}

void gw_session_on_ack(struct gw_session *s, nta_incoming_t *irq,
		       const sip_t *request)
{
	bool initial =
		s->state == GW_SES_ANSWERED || s->state == GW_SES_BYE_WAIT;

	if (irq == s->upd_irq || irq != s->inv_irq)
		return;
	if (!request && s->unpracked) {
		on_unpracked(s);
		return;
	}
	if (!request && !s->inv_answered) {
		/* NTA gave up the transaction before any final response. */
		gw_session_on_cancel(s, irq, NULL);
		return;
	}
	gw_dialog_drop_incoming(&s->inv_irq);
	s->inv_answered = false;
	if (!request)
		on_no_ack(s);
	else if (initial)
		on_initial_ack(s, request);
	else
		on_re_ack(s, request);
	gw_session_flush_offer(s);
}

void gw_session_on_cancel(struct gw_session *s, nta_incoming_t *irq,
			  const sip_t *request)
{
	bool initial = s->state == GW_SES_INCOMING || s->answer_held;

	if (irq != s->inv_irq || (s->inv_answered && !s->answer_held))
		return;
	s->inv_irq = NULL;
	s->inv_answered = s->answer_held = false;
	if (request)
		(void)gw_dialog_reply(s, irq, 487, NULL, false);
	else
		gw_dialog_reply_given_up(s, irq, s->suspended ? 504 : 487);
	if (initial) {
		(void)gw_session_event(s, GW_SEV_PEER_ENDS);
		gw_info(&s->log, "cancelled by the peer");
		gw_ims_tell_release(s, 487, request);
		return;
	}
	/* A re-INVITE: the session stays as it was.  An UPDATE within it is one
	 * for itself then. */
	if (s->offer == GW_OFF_PEER && !s->upd_irq)
		s->offer = GW_OFF_PEER_GONE;
	gw_session_suspend_cancelled(s);
}

static void on_bye(struct gw_session *s, nta_leg_t *leg, nta_incoming_t *irq,
		   const sip_t *request)
{
	enum gw_ses_state was = s->state;
	unsigned fork = gw_session_branch_of(s, leg);

	(void)gw_dialog_reply(s, irq, 200, NULL, false);
	/* RFC 3261 15.1.2: what is pending gets 487. */
	if (s->inv_irq && (!s->inv_answered || s->answer_held)) {
		nta_incoming_t *invite = s->inv_irq;

		s->inv_irq = NULL;
		s->answer_held = false;
		(void)gw_dialog_reply(s, invite, 487, NULL, false);
	}
	if (s->upd_irq) {
		(void)gw_dialog_reply(s, s->upd_irq, 487, NULL, false);
		s->upd_irq = NULL;
		/* other forks may go on while the call thinks of it */
		if (s->offer == GW_OFF_PEER)
			s->offer = GW_OFF_PEER_GONE;
	}
	/* One early dialog of several, or a fork that lost: not the call. */
	if (leg != s->dialog) {
		if (fork)
			gw_session_fork_gone(s, &s->branch[fork - 1], request);
		return;
	}
	if (!gw_session_event(s, GW_SEV_PEER_ENDS))
		return;
	if (was == GW_SES_ACKING)
		(void)gw_dialog_ack(s, &s->branch[s->won], NULL);
	if (was != GW_SES_ENDING && was != GW_SES_BYE_WAIT) {
		gw_info(&s->log, "BYE received");
		gw_ims_tell_release(s, 200, request);
	}
}

/* A package that was not agreed on is refused by name (RFC 6086 4.2.2); Sofia
 * does not know the header. */
static bool foreign_package(const sip_t *request)
{
	const msg_header_t *h = (const msg_header_t *)request->sip_unknown;

	for (; h; h = h->sh_next) {
		const sip_unknown_t *u = (const sip_unknown_t *)h;

		if (u->un_name && !strcasecmp(u->un_name, "Info-Package") &&
		    u->un_value) {
			size_t n = strcspn(u->un_value, "; \t");

			return n != strlen(GW_SIP_INFO_PACKAGE) ||
			       strncasecmp(u->un_value, GW_SIP_INFO_PACKAGE,
					   n) != 0;
		}
	}
	return false;
}

static void refuse_info(struct gw_session *s, nta_incoming_t *irq, int status,
			const char *headers, const char *why)
{
	const struct gw_dialog_msg m = { .headers = headers };

	gw_metric_add(&m_bad_info, 1);
	gw_info(&s->log, "INFO refused: %d, %s", status, why);
	(void)gw_dialog_reply(s, irq, status, &m, false);
}

static void on_info(struct gw_session *s, nta_incoming_t *irq,
		    const sip_t *request)
{
	const sip_payload_t *body = request->sip_payload;
	const char *type = request->sip_content_type
				   ? request->sip_content_type->c_type
				   : NULL;
	struct gw_dtmf_relay d;
	int bad;

	if (foreign_package(request)) {
		refuse_info(s, irq, 469,
			    "Recv-Info: " GW_SIP_INFO_PACKAGE "\r\n",
			    "another package");
		return;
	}
	if (!body || !body->pl_len) {
		/* RFC 6086 4.2.2: an empty INFO is a legacy keep-alive. */
		(void)gw_dialog_reply(s, irq, 200, NULL, false);
		return;
	}
	if (type && !strcasecmp(type, GW_MEDIA_CONTROL_TYPE)) {
		(void)gw_dialog_reply(s, irq, 200, NULL, false);
		if (s->state == GW_SES_UP || s->state == GW_SES_ANSWERED)
			gw_ims_tell_info(s, GW_MEDIA_CONTROL_TYPE,
					 body->pl_data, body->pl_len);
		return;
	}
	if (type && !strcasecmp(type, GW_DTMF_RELAY_TYPE)) {
		bad = gw_dtmf_relay_parse(&d, body->pl_data, body->pl_len);
	} else if (type && !strcasecmp(type, "application/dtmf")) {
		bad = gw_dtmf_digit_parse(&d, body->pl_data, body->pl_len);
	} else {
		refuse_info(s, irq, 415,
			    "Accept: " GW_DTMF_RELAY_TYPE ", "
			    "application/dtmf, " GW_MEDIA_CONTROL_TYPE "\r\n",
			    "none of the types that are taken");
		return;
	}
	if (bad) {
		refuse_info(s, irq, 400, NULL, "no digit in it");
		return;
	}
	(void)gw_dialog_reply(s, irq, 200, NULL, false);
	if (s->state == GW_SES_UP || s->state == GW_SES_ANSWERED)
		gw_ims_tell_digit(s, &d);
}

void gw_session_on_request(struct gw_session *s, nta_leg_t *leg,
			   nta_incoming_t *irq, const sip_t *request)
{
	sip_method_t method = request->sip_request->rq_method;

	if (method == sip_method_ack) {
		/* Of a 2xx whose transaction we have let go. */
		gw_dialog_drop_incoming(&irq);
		return;
	}
	if (leg == s->caller || s->state == GW_SES_DEAD) {
		/* No dialog of ours: the peer's tag is not known. */
		(void)gw_dialog_reply(s, irq, 481, NULL, false);
		if (method == sip_method_bye)
			gw_session_stranger_gone(s, request);
		return;
	}
	if (method != sip_method_bye && gw_stack_check(s->sip, irq, request)) {
		gw_dialog_drop_incoming(&irq);
		return;
	}
	switch (method) {
	case sip_method_bye:
		on_bye(s, leg, irq, request);
		break;
	case sip_method_invite:
		gw_session_peer_invite(s, leg, irq, request);
		break;
	case sip_method_update:
		gw_session_peer_update(s, leg, irq, request);
		break;
	case sip_method_info:
		on_info(s, irq, request);
		break;
	case sip_method_refer:
		gw_refer_incoming(s, leg, irq, request);
		break;
	case sip_method_message:
		if (gw_message_incoming(s->sip, irq, request))
			gw_dialog_drop_incoming(&irq);
		break;
	case sip_method_options: {
		const struct gw_dialog_msg m = {
			.headers = "Accept: " GW_SIP_ACCEPT "\r\n"
				   "Allow: " GW_SIP_ALLOW "\r\n"
		};

		(void)gw_dialog_reply(s, irq, 200, &m, false);
		break;
	}
	default:
		gw_stack_refuse_method(s->sip, irq, request);
		gw_dialog_drop_incoming(&irq);
		break;
	}
}
