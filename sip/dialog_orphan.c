/*
 * 2xx to INVITEs of ours that no session waits for: of another fork than the
 * one that answered, of a call that has ended, of a re-INVITE that a BYE has
 * overtaken.  RFC 3261 13.2.2.4: each gets its ACK, and what it has begun a BYE.
 */
#include "sip/dialog_priv.h"

#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/su_tag.h>
#include <sofia-sip/tport_tag.h>

#include "gateway/base/check.h"
#include "gateway/base/metrics.h"

/* BYEs of this file that wait for their answer: each is a transaction, of up to
 * 64*T1.  A peer that sends more answers is not served until some have ended. */
#define BYES_MAX 1024

GW_COUNTER(m_late, "isthmus_sip_late_answers_total",
	   "2xx after another branch had answered, or after CANCEL", "");

void gw_dialog_count_late(void)
{
	gw_metric_add(&m_late, 1);
}

/* With what the INVITE was authorized by (RFC 3261 13.2.2.4).  NTA keeps it,
 * and sends it again for each repetition of the 2xx. */
static bool send_ack(nta_leg_t *leg, const sip_t *response, const sip_t *invite)
{
	const char *ident = gw_dialog_leg_ident(leg);
	su_home_t home[1] = { SU_HOME_INIT(home) };
	nta_outgoing_t *ack;
	sip_cseq_t *cseq;

	su_home_init(home);
	cseq = sip_cseq_create(home, response->sip_cseq->cs_seq,
			       SIP_METHOD_ACK);
	ack = nta_outgoing_tcreate(
		leg, NULL, NULL, NULL, SIP_METHOD_ACK, NULL, SIPTAG_CSEQ(cseq),
		NTATAG_ACK_BRANCH(response->sip_via->v_branch),
		TAG_IF(ident, TPTAG_IDENT(ident)),
		TAG_IF(invite,
		       SIPTAG_AUTHORIZATION(invite ? invite->sip_authorization
						   : NULL)),
		TAG_IF(invite, SIPTAG_PROXY_AUTHORIZATION(
				       invite ? invite->sip_proxy_authorization
					      : NULL)),
		TAG_END());
	su_home_deinit(home);
	if (!ack)
		return false;
	gw_stack_count_request(true, sip_method_ack);
	nta_outgoing_destroy(ack);
	return true;
}

/* ---- a re-INVITE whose dialog is over ---- */

static bool ack_over(nta_agent_t *agent, nta_outgoing_t *re_invite,
		     const sip_t *response)
{
	msg_t *msg = nta_outgoing_getrequest(re_invite);
	const sip_t *invite = msg ? sip_object(msg) : NULL;
	sip_contact_t target[1];
	nta_leg_t *leg = NULL;
	bool ok = false;

	if (!invite || !response->sip_via || !response->sip_via->v_branch)
		goto out;
	sip_contact_init(target);
	*target->m_url = response->sip_contact ? *response->sip_contact->m_url
					       : *invite->sip_request->rq_url;
	leg = nta_leg_tcreate(agent, NULL, NULL,
			      SIPTAG_CALL_ID(invite->sip_call_id),
			      SIPTAG_FROM(invite->sip_from),
			      SIPTAG_TO(invite->sip_to), TAG_END());
	if (!leg)
		goto out;
	/* As who was called: not reversed. */
	(void)nta_leg_server_route(leg, invite->sip_route, target);
	ok = send_ack(leg, response, invite);
out:
	if (leg)
		nta_leg_destroy(leg);
	msg_destroy(msg);
	return ok;
}

static int on_left_invite(void *ref, nta_outgoing_t *orq, const sip_t *response)
{
	struct gw_sip *sip = ref;
	int status = nta_outgoing_status(orq);

	GW_CHECK(sip, GW_SIP_MAGIC);
	if (status < 200)
		return 0;
	if (response && !nta_sip_is_internal(response))
		gw_stack_count_response(false, status);
	/* NTA acknowledges the others. */
	if (status < 300 && !ack_over(sip->agent, orq, response))
		gw_warn(&sip->log, "answer to an old re-INVITE without ACK");
	nta_outgoing_destroy(orq);
	return 0;
}

/* The call has ended before it answered the offer in this 2xx. */
static void ack_late_offer(struct gw_sip *sip, nta_outgoing_t *re_invite)
{
	msg_t *msg = nta_outgoing_getresponse(re_invite);
	const sip_t *response = msg ? sip_object(msg) : NULL;

	if (!response || !ack_over(sip->agent, re_invite, response))
		gw_warn(&sip->log, "offer in a 2xx without ACK");
	msg_destroy(msg);
}

/* NTA sends the ACK of a failure (RFC 3261 17.1.1.3) only for a transaction that
 * it still has, and without one the peer repeats itself for 64*T1. */
void gw_dialog_leave_invite(struct gw_sip *sip, nta_outgoing_t **re_invite)
{
	nta_outgoing_t *o = *re_invite;
	int status = nta_outgoing_status(o);

	*re_invite = NULL;
	if (!o)
		return;
	if (status < 200 && !nta_outgoing_bind(o, on_left_invite, (void *)sip))
		return;
	if (status >= 200 && status < 300)
		ack_late_offer(sip, o);
	nta_outgoing_destroy(o);
}

/* ---- dialogs that nobody wants ---- */

static int on_bye_response(void *ref, nta_outgoing_t *orq,
			   const sip_t *response)
{
	struct gw_sip *sip = ref;

	GW_CHECK(sip, GW_SIP_MAGIC);
	if (nta_outgoing_status(orq) < 200)
		return 0;
	if (response && !nta_sip_is_internal(response))
		gw_stack_count_response(false, nta_outgoing_status(orq));
	sip->orphans--;
	nta_outgoing_destroy(orq);
	return 0;
}

static bool hang_up(struct gw_sip *sip, const sip_t *response,
		    const sip_t *invite)
{
	nta_leg_t *leg = nta_leg_tcreate(
		sip->agent, NULL, NULL, SIPTAG_CALL_ID(response->sip_call_id),
		SIPTAG_FROM(response->sip_from), SIPTAG_TO(response->sip_to),
		SIPTAG_CSEQ(response->sip_cseq), TAG_END());
	nta_outgoing_t *bye = NULL;
	const char *ident;

	if (!leg)
		return false;
	(void)nta_leg_client_route(leg, response->sip_record_route,
				   response->sip_contact);
	ident = gw_dialog_leg_ident(leg);
	if (send_ack(leg, response, invite))
		bye = nta_outgoing_tcreate(
			leg, on_bye_response, (void *)sip, NULL, SIP_METHOD_BYE,
			NULL, TAG_IF(ident, TPTAG_IDENT(ident)), TAG_END());
	nta_leg_destroy(leg);
	if (!bye)
		return false;
	gw_stack_count_request(true, sip_method_bye);
	sip->orphans++;
	return true;
}

/*
 * Instead of NTA's function of this name, which it calls through the PLT for
 * each 2xx to an INVITE that it has, and that nobody has made a fork of: its own
 * sends the BYE without a transaction, so that one that is lost leaves the
 * callee in a call for ever.  0: taken, with @msg; -1: NTA drops it.
 */
int nta_msg_ackbye(nta_agent_t *agent, msg_t *msg)
{
	struct gw_sip *sip = (struct gw_sip *)nta_agent_magic(agent);
	const sip_t *response = sip_object(msg);
	nta_outgoing_t *orq;
	msg_t *request;
	bool done;

	GW_CHECK(sip, GW_SIP_MAGIC);
	if (!response || !response->sip_to || !response->sip_to->a_tag ||
	    !response->sip_via || !response->sip_via->v_branch)
		return -1;
	gw_stack_count_response(false, response->sip_status->st_status);
	if (sip->orphans == BYES_MAX) {
		gw_debug(&sip->log, "too many late answers: dropped");
		return -1;
	}
	orq = nta_outgoing_find(agent, msg, response, response->sip_via);
	request = orq ? nta_outgoing_getrequest(orq) : NULL;
	done = hang_up(sip, response, request ? sip_object(request) : NULL);
	msg_destroy(request);
	if (!done) {
		gw_warn(&sip->log, "late answer without ACK: no memory");
		return -1;
	}
	gw_metric_add(&m_late, 1);
	gw_info(&sip->log, "late %d of another fork: BYE, Call-ID %.80s",
		response->sip_status->st_status, response->sip_call_id->i_id);
	msg_destroy(msg);
	return 0;
}
