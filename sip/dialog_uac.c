/*
 * The INVITE transactions of ours, as NTA wants them: the initial one, the
 * dialogs of its forks, ACK and CANCEL.
 */
#include "sip/dialog_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/su_tag.h>
#include <sofia-sip/tport_tag.h>

static const char *core_ident(su_home_t *home, const char *core)
{
	const url_t *url = url_make(home, core);

	return url ? gw_stack_ident(url->url_host) : NULL;
}

int gw_dialog_open(struct gw_session *s)
{
	s->caller = nta_leg_tcreate(s->sip->agent, gw_dialog_on_request,
				    gw_session_ref(s), SIPTAG_FROM_STR(s->from),
				    SIPTAG_TO_STR(s->to), TAG_END());
	if (!s->caller)
		return -ENOMEM;
	/* now, so that a retry after 401 has the same one */
	if (!nta_leg_tag(s->caller, NULL))
		return -ENOMEM;
	return 0;
}

/* With the Call-ID, so that a call can be found in a packet trace. */
static void log_invite(struct gw_session *s)
{
	msg_t *msg = nta_outgoing_getrequest(s->invite);
	const sip_t *sip = msg ? sip_object(msg) : NULL;

	if (sip && sip->sip_call_id)
		gw_info(&s->log, "INVITE sent to %s, Call-ID %.80s",
			s->request_uri, sip->sip_call_id->i_id);
	msg_destroy(msg);
}

int gw_dialog_invite(struct gw_session *s)
{
	const struct gw_set_sip *set = &s->sip->set->sip;
	const struct gw_dialog_msg m = { .body = s->sdp.data,
					 .len = s->sdp.len };
	su_home_t home[1] = { SU_HOME_INIT(home) };
	char lines[GW_TIMER_LINES];
	const char *timer = gw_session_timer_ask(s, lines);
	bool loose = strstr(s->next_hop, ";lr") != NULL;
	const char *route = s->route;
	sip_payload_t *pl;
	char *auth, hop[sizeof(s->next_hop) + 3];
	const char *ident;

	su_home_init(home);
	auth = gw_dialog_credentials(s, home, "INVITE", s->request_uri);
	pl = gw_dialog_payload(home, &m);
	(void)snprintf(hop, sizeof(hop), "<%s>", s->next_hop);
	if (!route && loose)
		route = hop;
	ident = core_ident(home, s->next_hop);
	s->invite = nta_outgoing_tcreate(
		s->caller, gw_dialog_on_response, gw_session_ref(s),
		loose ? NULL : URL_STRING_MAKE(s->next_hop), SIP_METHOD_INVITE,
		URL_STRING_MAKE(s->request_uri),
		TAG_IF(ident, TPTAG_IDENT(ident)),
		TAG_IF(route, SIPTAG_ROUTE_STR(route)),
		SIPTAG_CONTACT_STR(s->contact), SIPTAG_ALLOW_STR(GW_SIP_ALLOW),
		SIPTAG_HEADER_STR(GW_DIALOG_RECV_INFO),
		TAG_IF(*set->user_agent,
		       SIPTAG_USER_AGENT_STR(set->user_agent)),
		TAG_IF(s->headers, SIPTAG_HEADER_STR(s->headers)),
		TAG_IF(timer, SIPTAG_HEADER_STR(timer)),
		TAG_IF(s->charging, SIPTAG_HEADER_STR(s->charging)),
		TAG_IF(auth, SIPTAG_HEADER_STR(auth)),
		TAG_IF(pl, SIPTAG_CONTENT_TYPE_STR("application/sdp")),
		TAG_IF(pl, SIPTAG_PAYLOAD(pl)), TAG_END());
	gw_dialog_keep_auth(s, auth);
	su_home_deinit(home);
	if (!s->invite)
		return -ENOMEM;
	gw_stack_count_request(true, sip_method_invite);
	log_invite(s);
	return 0;
}

static struct gw_branch *find_branch(struct gw_session *s, const char *tag)
{
	for (unsigned i = 0; i < s->nbranch; i++) {
		const char *have = nta_leg_get_rtag(s->branch[i].leg);

		if (have && !strcasecmp(have, tag))
			return &s->branch[i];
	}
	return NULL;
}

/* For one more, @most in all; as a rule a call has one. */
static bool make_room(struct gw_session *s, unsigned most)
{
	unsigned room = s->branch_room ? 2 * s->branch_room : 1;
	struct gw_branch *more;

	if (s->nbranch >= most)
		return false;
	if (s->nbranch < s->branch_room)
		return true;
	more = realloc(s->branch, room * sizeof(*more));
	if (!more)
		return false;
	s->branch = more;
	s->branch_room = room;
	return true;
}

/* A dialog between @local and @remote; NULL: one too many, or no memory. */
static struct gw_branch *new_branch(struct gw_session *s, unsigned most,
				    const sip_t *message,
				    const sip_from_t *local,
				    const sip_to_t *remote, uint32_t cseq)
{
	struct gw_branch *b;
	char number[24];

	if (!make_room(s, most))
		return NULL;
	b = &s->branch[s->nbranch];
	*b = (struct gw_branch){ 0 };
	(void)snprintf(number, sizeof(number), "%u INVITE", cseq);
	b->leg = nta_leg_tcreate(
		s->sip->agent, gw_dialog_on_request, gw_session_ref(s),
		SIPTAG_CALL_ID(message->sip_call_id), SIPTAG_FROM(local),
		SIPTAG_TO(remote), SIPTAG_CSEQ_STR(number), TAG_END());
	if (!b->leg)
		return NULL;
	s->nbranch++;
	return b;
}

struct gw_branch *gw_dialog_branch(struct gw_session *s, nta_outgoing_t *orq,
				   const sip_t *response)
{
	const char *tag = response->sip_to->a_tag;
	struct gw_branch *b = tag ? find_branch(s, tag) : NULL;
	bool answer =
		response->sip_status->st_status >= 200 &&
		(s->state == GW_SES_CALLING || s->state == GW_SES_CANCELLING);

	if (!tag || b)
		return b;
	b = new_branch(s, GW_SESSION_BRANCHES + answer, response,
		       response->sip_from, response->sip_to,
		       response->sip_cseq->cs_seq);
	if (!b)
		return NULL;
	(void)nta_leg_client_route(b->leg, response->sip_record_route,
				   response->sip_contact);
	/* A first 2xx completes the original, which then serves. */
	if (response->sip_status->st_status < 200)
		b->tagged = nta_outgoing_tagged(orq, gw_dialog_on_response,
						gw_session_ref(s), tag,
						response->sip_rseq);
	return b;
}

struct gw_branch *gw_dialog_branch_of_bye(struct gw_session *s,
					  const sip_t *bye)
{
	const char *tag = bye->sip_from->a_tag;
	struct gw_branch *b = tag ? find_branch(s, tag) : NULL;

	if (!tag || b)
		return b;
	return new_branch(s, GW_SESSION_BRANCHES, bye, bye->sip_to,
			  bye->sip_from, nta_outgoing_cseq(s->invite));
}

void gw_dialog_confirm(struct gw_branch *b, const sip_t *response)
{
	(void)nta_leg_client_reroute(b->leg, response->sip_record_route,
				     response->sip_contact, 1);
}

static int send_ack(struct gw_session *s, nta_leg_t *leg, nta_outgoing_t *orq,
		    const struct gw_dialog_msg *m)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	const char *ident = gw_dialog_leg_ident(leg);
	nta_outgoing_t *ack;
	sip_payload_t *pl;
	sip_cseq_t *cseq;

	su_home_init(home);
	pl = gw_dialog_payload(home, m);
	cseq = sip_cseq_create(home, nta_outgoing_cseq(orq), SIP_METHOD_ACK);
	ack = nta_outgoing_tcreate(
		leg, NULL, NULL, NULL, SIP_METHOD_ACK, NULL, SIPTAG_CSEQ(cseq),
		NTATAG_ACK_BRANCH(nta_outgoing_branch(orq)),
		TAG_IF(ident, TPTAG_IDENT(ident)),
		TAG_IF(s->invite_auth, SIPTAG_HEADER_STR(s->invite_auth)),
		TAG_IF(pl, SIPTAG_CONTENT_TYPE_STR("application/sdp")),
		TAG_IF(pl, SIPTAG_PAYLOAD(pl)), TAG_END());
	su_home_deinit(home);
	if (!ack)
		return -ENOMEM;
	gw_stack_count_request(true, sip_method_ack);
	/* NTA keeps it, and repeats it for each repeated 2xx. */
	nta_outgoing_destroy(ack);
	return 0;
}

int gw_dialog_ack(struct gw_session *s, struct gw_branch *b,
		  const struct gw_dialog_msg *m)
{
	if (b->acked)
		return 0;
	b->acked = true;
	return send_ack(s, b->leg, b->tagged ? b->tagged : s->invite, m);
}

int gw_dialog_ack_re(struct gw_session *s, nta_outgoing_t *re_invite,
		     const struct gw_dialog_msg *m)
{
	return send_ack(s, s->dialog, re_invite, m);
}

void gw_dialog_ack_bye(struct gw_session *s, struct gw_branch *b)
{
	nta_outgoing_t *bye;

	(void)gw_dialog_ack(s, b, NULL);
	bye = gw_dialog_request_in(s, b->leg, sip_method_bye, NULL);
	gw_dialog_leave_bye(s->sip, &bye);
}

bool gw_dialog_unheard(nta_outgoing_t *orq)
{
	return orq && nta_outgoing_status(orq) < 100;
}

bool gw_dialog_cancel(nta_outgoing_t *invite, const char *headers)
{
	nta_outgoing_t *cancel;

	if (!invite || nta_outgoing_status(invite) >= 200)
		return false;
	cancel = nta_outgoing_tcancel(
		invite, NULL, NULL, TAG_IF(headers, SIPTAG_HEADER_STR(headers)),
		TAG_END());
	gw_stack_count_request(true, sip_method_cancel);
	nta_outgoing_destroy(cancel);
	return true;
}
