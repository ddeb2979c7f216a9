/*
 * 2xx to INVITEs of ours that no session waits for: of another fork than the
 * one that answered, of a call that has ended, of a re-INVITE that a BYE has
 * overtaken.  RFC 3261 13.2.2.4: each gets its ACK, and what it has begun a BYE.
 */
#include "sip/dialog_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/su_tag.h>
#include <sofia-sip/tport_tag.h>

#include "gateway/base/check.h"
#include "gateway/base/loop.h"
#include "gateway/base/metrics.h"
#include "sip/credentials.h"

/* BYEs of this file that wait for their answer: each is a transaction, of up to
 * 64*T1.  A peer that sends more answers is not served until some have ended. */
#define BYES_MAX 1024

GW_COUNTER(m_late, "isthmus_sip_late_answers_total",
	   "2xx after another branch had answered, or after CANCEL", "");
GW_COUNTER(m_overdue, "isthmus_sip_timeouts_total",
	   "Waits that ended unanswered", "what=\"reinvite\"");

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

/* ---- INVITEs that outlive their session ---- */

/* One that waits for its final response: in gw_sip.left, owned by it. */
struct gw_left {
	struct gw_left *next, **prev;
	struct gw_sip *sip;
	nta_outgoing_t *invite; /* a re-INVITE, or what is a fork's */
	uint32_t cseq;          /* a fork: the last of ours in its dialog */
	struct gw_timer timer;  /* a re-INVITE */
};

static void on_left_overdue(struct gw_timer *t, void *arg);

static void forget(struct gw_left *l)
{
	gw_timer_stop(&l->timer);
	*l->prev = l->next;
	if (l->next)
		l->next->prev = l->prev;
	nta_outgoing_destroy(l->invite);
	free(l);
}

void gw_dialog_forget_left(struct gw_sip *sip)
{
	while (sip->left)
		forget(sip->left);
}

/* NULL: no memory, and @invite is its owner's still. */
static struct gw_left *leave(struct gw_sip *sip, nta_outgoing_t *invite,
			     nta_response_f *handler)
{
	struct gw_left *l = calloc(1, sizeof(*l));

	if (!l || nta_outgoing_bind(invite, handler, (void *)l)) {
		free(l);
		return NULL;
	}
	l->sip = sip;
	l->invite = invite;
	l->next = sip->left;
	l->prev = &sip->left;
	if (l->next)
		l->next->prev = &l->next;
	sip->left = l;
	gw_timer_init(&l->timer, on_left_overdue, l);
	return l;
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

/* A 100, and then nothing: NTA has no timer C here, but ends what has been
 * cancelled (RFC 3261 9.1) with a 408 of its own. */
static void on_left_overdue(struct gw_timer *t, void *arg)
{
	struct gw_left *l = arg;

	(void)t;
	gw_metric_add(&m_overdue, 1);
	gw_info(&l->sip->log, "no answer to an old re-INVITE: cancelled");
	(void)gw_dialog_cancel(l->invite, NULL);
}

static int on_left_invite(void *ref, nta_outgoing_t *orq, const sip_t *response)
{
	struct gw_left *l = ref;
	struct gw_sip *sip = l->sip;
	int status = nta_outgoing_status(orq);

	GW_CHECK(sip, GW_SIP_MAGIC);
	if (status < 200)
		return 0;
	if (response && !nta_sip_is_internal(response))
		gw_stack_count_response(false, status);
	/* NTA acknowledges the others. */
	if (status < 300 && !ack_over(sip->agent, orq, response))
		gw_warn(&sip->log, "answer to an old re-INVITE without ACK");
	forget(l);
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

static bool leave_re_invite(struct gw_sip *sip, nta_outgoing_t *re_invite)
{
	uint32_t ms = sip->set->sip.t1x64_ms;
	struct gw_left *l = leave(sip, re_invite, on_left_invite);

	if (l && gw_timer_start_ms(gw_loop_timers(sip->loop), &l->timer,
				   ms ? ms : 64 * NTA_SIP_T1))
		gw_warn(&sip->log, "no memory for a timer");
	return l;
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
	if (status < 200 && leave_re_invite(sip, o))
		return;
	if (status >= 200 && status < 300)
		ack_late_offer(sip, o);
	nta_outgoing_destroy(o);
}

/* ---- dialogs that nobody wants ---- */

static int on_last_response(void *ref, nta_outgoing_t *orq,
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

/* A header line that answers the challenge in @response to @bye, in @home;
 * NULL: it cannot be, or these were the credentials. */
static char *credentials(struct gw_sip *sip, su_home_t *home, const sip_t *bye,
			 const sip_t *response)
{
	const struct gw_set_sip *set = &sip->set->sip;
	const struct gw_digest_who who = { .username = set->username,
					   .password = set->password };
	bool proxy = response->sip_status->st_status == 407;
	const msg_auth_t *a = proxy ? response->sip_proxy_authenticate
				    : response->sip_www_authenticate;
	const char *uri = url_as_string(home, bye->sip_request->rq_url);
	struct gw_digest d = { 0 };
	char value[1536];
	bool stale = false;
	int r = -1;

	for (; *set->username && a && r; a = a->au_next)
		r = gw_digest_challenge(&d, proxy, a->au_scheme,
					(const char *const *)a->au_params,
					&stale);
	if (r || !uri ||
	    (!stale &&
	     (bye->sip_authorization || bye->sip_proxy_authorization)) ||
	    gw_digest_answer(&d, value, sizeof(value), &who, "BYE", uri, NULL))
		return NULL;
	return su_sprintf(home, "%s: %s\r\n",
			  proxy ? "Proxy-Authorization" : "Authorization",
			  value);
}

/* @bye once more, with the credentials @auth. */
static bool bye_again(struct gw_sip *sip, const sip_t *bye, const char *auth)
{
	nta_outgoing_t *again = NULL;
	sip_contact_t target[1];
	const char *ident;
	nta_leg_t *leg;

	sip_contact_init(target);
	*target->m_url = *bye->sip_request->rq_url;
	leg = nta_leg_tcreate(
		sip->agent, NULL, NULL, SIPTAG_CALL_ID(bye->sip_call_id),
		SIPTAG_FROM(bye->sip_from), SIPTAG_TO(bye->sip_to),
		SIPTAG_CSEQ(bye->sip_cseq), TAG_END());
	if (!leg)
		return false;
	(void)nta_leg_server_route(leg, bye->sip_route, target);
	ident = gw_dialog_leg_ident(leg);
	again = nta_outgoing_tcreate(leg, on_last_response, (void *)sip, NULL,
				     SIP_METHOD_BYE, NULL,
				     TAG_IF(ident, TPTAG_IDENT(ident)),
				     SIPTAG_HEADER_STR(auth), TAG_END());
	nta_leg_destroy(leg);
	if (!again)
		return false;
	gw_stack_count_request(true, sip_method_bye);
	sip->orphans++;
	return true;
}

/* 401 or 407 to a BYE that no session waits for. */
static void on_bye_challenged(struct gw_sip *sip, nta_outgoing_t *orq,
			      const sip_t *response)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	msg_t *msg = nta_outgoing_getrequest(orq);
	const sip_t *bye = msg ? sip_object(msg) : NULL;
	const char *auth = NULL;

	su_home_init(home);
	if (bye)
		auth = credentials(sip, home, bye, response);
	if (auth && bye_again(sip, bye, auth)) {
		gw_credentials_count(true);
	} else {
		gw_credentials_count(false);
		gw_warn(&sip->log, "BYE of no call: %d that we cannot answer",
			response->sip_status->st_status);
	}
	su_home_deinit(home);
	msg_destroy(msg);
}

static int on_bye_response(void *ref, nta_outgoing_t *orq,
			   const sip_t *response)
{
	int status = nta_outgoing_status(orq);

	if ((status == 401 || status == 407) && response &&
	    !nta_sip_is_internal(response))
		on_bye_challenged(ref, orq, response);
	return on_last_response(ref, orq, response);
}

void gw_dialog_leave_bye(struct gw_sip *sip, nta_outgoing_t **bye)
{
	nta_outgoing_t *o = *bye;

	*bye = NULL;
	if (!o)
		return;
	if (nta_outgoing_bind(o, on_bye_response, (void *)sip))
		nta_outgoing_destroy(o);
	else
		sip->orphans++;
}

/* @cseq: the last of ours in the dialog. */
static bool hang_up(struct gw_sip *sip, const sip_t *response,
		    const sip_t *invite, uint32_t cseq)
{
	nta_outgoing_t *bye = NULL;
	const char *ident;
	nta_leg_t *leg;
	char number[24];

	(void)snprintf(number, sizeof(number), "%u INVITE", cseq);
	leg = nta_leg_tcreate(
		sip->agent, NULL, NULL, SIPTAG_CALL_ID(response->sip_call_id),
		SIPTAG_FROM(response->sip_from), SIPTAG_TO(response->sip_to),
		SIPTAG_CSEQ_STR(number), TAG_END());
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

/* A 2xx to @orq (NULL: it is gone) that nobody wants, in a dialog where our last
 * request was @cseq.  False: it gets nothing, and that is logged. */
static bool take(struct gw_sip *sip, nta_outgoing_t *orq, const sip_t *response,
		 uint32_t cseq)
{
	msg_t *request;
	bool done;

	if (!response->sip_to || !response->sip_to->a_tag ||
	    !response->sip_via || !response->sip_via->v_branch) {
		gw_info(&sip->log, "2xx without a dialog ignored");
		return false;
	}
	if (sip->orphans >= BYES_MAX) {
		gw_debug(&sip->log, "too many late answers: dropped");
		return false;
	}
	request = orq ? nta_outgoing_getrequest(orq) : NULL;
	done = hang_up(sip, response, request ? sip_object(request) : NULL,
		       cseq);
	msg_destroy(request);
	if (!done) {
		gw_warn(&sip->log, "late answer without ACK: no memory");
		return false;
	}
	gw_metric_add(&m_late, 1);
	gw_info(&sip->log, "late %d of another fork: BYE, Call-ID %.80s",
		response->sip_status->st_status, response->sip_call_id->i_id);
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

	GW_CHECK(sip, GW_SIP_MAGIC);
	if (!response)
		return -1;
	gw_stack_count_response(false, response->sip_status->st_status);
	orq = response->sip_via ? nta_outgoing_find(agent, msg, response,
						    response->sip_via)
				: NULL;
	if (!take(sip, orq, response, response->sip_cseq->cs_seq))
		return -1;
	msg_destroy(msg);
	return 0;
}

void gw_dialog_refuse_answer(struct gw_session *s, nta_outgoing_t *orq,
			     const sip_t *response)
{
	(void)take(s->sip, orq, response, response->sip_cseq->cs_seq);
}

/* NTA tells a fork of ours that has been destroyed nothing, and drops its 2xx.
 * The fork ends with its INVITE at the latest, by a 408 of NTA's own. */
static int on_left_fork(void *ref, nta_outgoing_t *orq, const sip_t *response)
{
	struct gw_left *l = ref;
	struct gw_sip *sip = l->sip;
	int status = nta_outgoing_status(orq);

	GW_CHECK(sip, GW_SIP_MAGIC);
	if (response && !nta_sip_is_internal(response))
		gw_stack_count_response(false, status);
	if (status < 200)
		return 0;
	if (status < 300)
		(void)take(sip, orq, response, l->cseq);
	forget(l);
	return 0;
}

void gw_dialog_leave_fork(struct gw_sip *sip, struct gw_branch *b)
{
	nta_outgoing_t *o = b->tagged;
	struct gw_left *l = NULL;

	b->tagged = NULL;
	if (!o)
		return;
	if (nta_outgoing_status(o) < 200)
		l = leave(sip, o, on_left_fork);
	if (l)
		l->cseq = nta_leg_get_seq(b->leg);
	else
		nta_outgoing_destroy(o);
}
