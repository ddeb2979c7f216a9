/*
 * The legs and transactions of a session: what NTA reports, requests inside
 * dialogs, responses, the end.  INVITEs of ours are in dialog_uac.c.
 */
#include "sip/dialog_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/su_tag.h>
#include <sofia-sip/tport_tag.h>

#include "sip/credentials.h"
#include "sip/extension.h"
#include "sip/ims_cause.h"

static const char *method_name(sip_method_t method)
{
	switch (method) {
	case sip_method_invite:
		return "INVITE";
	case sip_method_ack:
		return "ACK";
	case sip_method_bye:
		return "BYE";
	case sip_method_info:
		return "INFO";
	case sip_method_notify:
		return "NOTIFY";
	case sip_method_update:
		return "UPDATE";
	case sip_method_prack:
		return "PRACK";
	default:
		assert(!"a method that sessions send");
		return NULL;
	}
}

/* ---- what NTA calls ---- */

int gw_dialog_on_response(void *ref, nta_outgoing_t *orq, const sip_t *response)
{
	struct gw_session *s = gw_session_find(ref);
	int status = nta_outgoing_status(orq);
	sip_method_t method = nta_outgoing_method(orq);
	msg_t *held;
	bool kept;

	if (!s || s->state == GW_SES_DEAD) {
		/* A request whose end nobody waits for any more. */
		if (status >= 200)
			nta_outgoing_destroy(orq);
		return 0;
	}
	if (response && !nta_sip_is_internal(response))
		gw_stack_count_response(false, status);
	kept = orq == s->bye || orq == s->re_invite ||
	       method == sip_method_invite || method == sip_method_update;
	/* A session drops the request when it likes.  Over TCP, where nothing
	 * is repeated, NTA frees it at once, and its response with it. */
	held = nta_outgoing_getresponse(orq);
	gw_session_enter(s);
	if (method == sip_method_invite && orq != s->re_invite)
		gw_session_on_invite_response(s, orq, status, response);
	else
		gw_session_on_response(s, orq, method, status, response);
	gw_session_leave(s);
	if (!kept && status >= 200)
		nta_outgoing_destroy(orq);
	msg_destroy(held);
	return 0;
}

int gw_dialog_on_request(void *ref, nta_leg_t *leg, nta_incoming_t *irq,
			 const sip_t *request)
{
	struct gw_session *s = gw_session_find(ref);
	msg_t *held;

	/* A core that forks says the same to each registration here (RFC 3261
	 * 8.2.2.2): NTA takes what has no tag for the first one's. */
	if (s && s->sip->set->ims.enabled && !request->sip_to->a_tag &&
	    request->sip_request->rq_method == sip_method_invite)
		return gw_stack_on_request(s->sip, leg, irq, request);
	gw_stack_count_request(false, request->sip_request->rq_method);
	if (!s)
		return 481;
	held = nta_incoming_getrequest(irq); /* as above */
	gw_session_enter(s);
	gw_session_on_request(s, leg, irq, request);
	gw_session_leave(s);
	msg_destroy(held);
	return 0;
}

static int on_ack_cancel(void *ref, nta_incoming_t *irq, const sip_t *request)
{
	struct gw_session *s = gw_session_find(ref);

	if (!s)
		return 0;
	if (request)
		gw_stack_count_request(false, request->sip_request->rq_method);
	gw_session_enter(s);
	if (request && request->sip_request->rq_method == sip_method_cancel)
		gw_session_on_cancel(s, irq, request);
	else
		gw_session_on_ack(s, irq, request);
	gw_session_leave(s);
	return 0;
}

struct gw_session *gw_dialog_find(struct gw_sip *sip,
				  const sip_replaces_t *replaces)
{
	nta_leg_t *leg =
		nta_leg_by_replaces(sip->agent, (sip_replaces_t *)replaces);
	const char *remote = leg ? nta_leg_get_rtag(leg) : NULL;

	/* The leg that an INVITE of ours went out by has no remote tag, and NTA
	 * takes it for any: both tags have to match (RFC 3891 3). */
	if (!remote || !replaces->rp_from_tag ||
	    strcasecmp(remote, replaces->rp_from_tag) != 0)
		return NULL;
	return gw_session_find(nta_leg_magic(leg, gw_dialog_on_request));
}

/* ---- bodies and credentials ---- */

sip_payload_t *gw_dialog_payload(su_home_t *home, const struct gw_dialog_msg *m)
{
	if (!m || !m->body)
		return NULL;
	return sip_payload_create(home, m->body, (isize_t)m->len);
}

static const char *body_type(const struct gw_dialog_msg *m)
{
	return m && m->content_type ? m->content_type : "application/sdp";
}

char *gw_dialog_credentials(struct gw_session *s, su_home_t *home,
			    const char *method, const char *uri)
{
	return gw_credentials_line(&s->digest, &s->sip->set->sip, home, method,
				   uri);
}

/* The Request-URI of requests in @leg. */
static char *target_uri(su_home_t *home, nta_leg_t *leg)
{
	const sip_route_t *route = NULL;
	const sip_contact_t *target = NULL;

	if (nta_leg_get_route(leg, &route, &target) < 0 || !target)
		return NULL;
	return url_as_string(home, target->m_url);
}

const char *gw_dialog_leg_ident(nta_leg_t *leg)
{
	const sip_route_t *route = NULL;
	const sip_contact_t *target = NULL;

	if (nta_leg_get_route(leg, &route, &target) < 0)
		return NULL;
	if (route)
		return gw_stack_ident(route->r_url->url_host);
	return target ? gw_stack_ident(target->m_url->url_host) : NULL;
}

void gw_dialog_keep_auth(struct gw_session *s, const char *line)
{
	free(s->invite_auth);
	s->invite_auth = line ? strdup(line) : NULL;
}

/* ---- UAS ---- */

int gw_dialog_accept(struct gw_session *s, nta_incoming_t *irq,
		     const sip_t *request)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	sip_from_t *local = sip_from_dup(home, request->sip_to);
	const char *tag = nta_agent_newtag(home, "%s", s->sip->agent);

	/* Tagged from the beginning: of a call that is forked to several
	 * registrations here NTA could not tell the legs otherwise. */
	if (local && tag && !sip_from_tag(home, local, tag))
		s->dialog = nta_leg_tcreate(
			s->sip->agent, gw_dialog_on_request, gw_session_ref(s),
			SIPTAG_CALL_ID(request->sip_call_id),
			SIPTAG_FROM(local), SIPTAG_TO(request->sip_from),
			NTATAG_REMOTE_CSEQ(request->sip_cseq->cs_seq),
			TAG_END());
	su_home_deinit(home);
	if (!s->dialog)
		return -ENOMEM;
	if (!nta_incoming_tag(irq, nta_leg_tag(s->dialog, NULL)))
		return -ENOMEM;
	if (nta_leg_server_route(s->dialog, request->sip_record_route,
				 request->sip_contact) < 0)
		return -ENOMEM;
	s->inv_irq = irq;
	gw_dialog_watch(s, irq);
	return 0;
}

void gw_dialog_watch(struct gw_session *s, nta_incoming_t *irq)
{
	nta_incoming_bind(irq, on_ack_cancel, gw_session_ref(s));
}

/* ---- inside a dialog ---- */

static nta_outgoing_t *request_in(struct gw_session *s, nta_leg_t *leg,
				  sip_method_t method,
				  const struct gw_dialog_msg *m, bool forget)
{
	const struct gw_set_sip *set = &s->sip->set->sip;
	su_home_t home[1] = { SU_HOME_INIT(home) };
	const char *name = method_name(method);
	bool invite = method == sip_method_invite;
	bool refresh = invite || method == sip_method_update;
	char tags[GW_EXT_SIZE];
	sip_payload_t *pl;
	nta_outgoing_t *orq;
	const char *ident;
	char *auth;

	if (!leg)
		return NULL;
	/* No 100rel: what answers this is not acknowledged by PRACK. */
	(void)gw_ext_print(tags,
			   gw_ext_ours(set) & (GW_EXT_TIMER | GW_EXT_REPLACES));
	su_home_init(home);
	ident = gw_dialog_leg_ident(leg);
	auth = gw_dialog_credentials(s, home, name, target_uri(home, leg));
	pl = gw_dialog_payload(home, m);
	orq = nta_outgoing_tcreate(
		leg, forget ? NULL : gw_dialog_on_response,
		forget ? NULL : gw_session_ref(s), NULL, method, name, NULL,
		TAG_IF(ident, TPTAG_IDENT(ident)),
		/* a target refresh must say where we are */
		TAG_IF(refresh, SIPTAG_CONTACT_STR(s->contact)),
		TAG_IF(refresh, SIPTAG_ALLOW_STR(GW_SIP_ALLOW)),
		/* RFC 4028 7.1, with each Session-Expires */
		TAG_IF(refresh, SIPTAG_SUPPORTED_STR(tags)),
		TAG_IF(*set->user_agent,
		       SIPTAG_USER_AGENT_STR(set->user_agent)),
		TAG_IF(m && m->headers,
		       SIPTAG_HEADER_STR(m ? m->headers : NULL)),
		TAG_IF(s->charging, SIPTAG_HEADER_STR(s->charging)),
		TAG_IF(auth, SIPTAG_HEADER_STR(auth)),
		TAG_IF(pl, SIPTAG_CONTENT_TYPE_STR(body_type(m))),
		TAG_IF(pl, SIPTAG_PAYLOAD(pl)), TAG_END());
	if (invite)
		gw_dialog_keep_auth(s, auth);
	su_home_deinit(home);
	if (!orq)
		return NULL;
	gw_stack_count_request(true, method);
	if (forget)
		nta_outgoing_destroy(orq);
	return orq;
}

nta_outgoing_t *gw_dialog_request(struct gw_session *s, sip_method_t method,
				  const struct gw_dialog_msg *m, bool forget)
{
	return request_in(s, s->dialog, method, m, forget);
}

nta_outgoing_t *gw_dialog_request_in(struct gw_session *s, nta_leg_t *leg,
				     sip_method_t method,
				     const struct gw_dialog_msg *m)
{
	return request_in(s, leg, method, m, false);
}

nta_outgoing_t *gw_dialog_again(struct gw_session *s, nta_leg_t *leg,
				nta_outgoing_t *orq)
{
	msg_t *msg = nta_outgoing_getrequest(orq);
	const sip_t *was = msg ? sip_object(msg) : NULL;
	struct gw_dialog_msg m = { 0 };
	nta_outgoing_t *again = NULL;
	char rack[64];

	if (was && was->sip_payload) {
		m.body = was->sip_payload->pl_data;
		m.len = was->sip_payload->pl_len;
	}
	if (was && was->sip_content_type)
		m.content_type = was->sip_content_type->c_type;
	if (was && gw_ext_read(was->sip_require) & GW_EXT_PRECONDITION)
		m.headers = GW_SIP_CONDITIONS;
	if (was && was->sip_rack) {
		(void)snprintf(rack, sizeof(rack), "RAck: %lu %lu INVITE\r\n",
			       (unsigned long)was->sip_rack->ra_response,
			       (unsigned long)was->sip_rack->ra_cseq);
		m.headers = rack;
	}
	if (was)
		again = request_in(s, leg, nta_outgoing_method(orq), &m, false);
	msg_destroy(msg);
	return again;
}

bool gw_dialog_authorized(nta_outgoing_t *orq)
{
	msg_t *msg = nta_outgoing_getrequest(orq);
	const sip_t *sip = msg ? sip_object(msg) : NULL;
	bool had =
		sip && (sip->sip_authorization || sip->sip_proxy_authorization);

	msg_destroy(msg);
	return had;
}

/* By hand: nta_outgoing_prack() makes up a Route for a dialog that has none. */
int gw_dialog_prack(struct gw_session *s, struct gw_branch *b, const void *sdp,
		    size_t len)
{
	char rack[64];
	const struct gw_dialog_msg m = { .headers = rack,
					 .body = sdp,
					 .len = len };

	(void)snprintf(rack, sizeof(rack), "RAck: %u %u INVITE\r\n", b->rseq,
		       nta_outgoing_cseq(s->invite));
	b->prack = request_in(s, b->leg, sip_method_prack, &m, false);
	return b->prack ? 0 : -ENOMEM;
}

int gw_dialog_reply(struct gw_session *s, nta_incoming_t *irq, int status,
		    const struct gw_dialog_msg *m, bool keep)
{
	const struct gw_set_sip *set = &s->sip->set->sip;
	su_home_t home[1] = { SU_HOME_INIT(home) };
	sip_method_t method = nta_incoming_method(irq);
	bool refresh =
		(method == sip_method_invite || method == sip_method_update) &&
		status > 100 && status < 300;
	bool timer = refresh && status >= 200 && *s->timer.line &&
		     (method == sip_method_invite || s->state == GW_SES_UP);
	char tags[GW_EXT_SIZE];
	sip_payload_t *pl;
	int r;

	su_home_init(home);
	pl = gw_dialog_payload(home, m);
	(void)gw_ext_print(tags, gw_ext_ours(set));
	r = nta_incoming_treply(
		irq, status, gw_ims_cause_phrase((unsigned)status),
		TAG_IF(refresh, SIPTAG_CONTACT_STR(s->contact)),
		TAG_IF(refresh, SIPTAG_ALLOW_STR(GW_SIP_ALLOW)),
		/* RFC 3261 13.3.1.4 */
		TAG_IF(refresh, SIPTAG_SUPPORTED_STR(tags)),
		TAG_IF(refresh, SIPTAG_HEADER_STR(GW_DIALOG_RECV_INFO)),
		TAG_IF(timer, SIPTAG_HEADER_STR(s->timer.line)),
		TAG_IF(*set->user_agent && status > 100,
		       SIPTAG_SERVER_STR(set->user_agent)),
		TAG_IF(s->charging && status > 100,
		       SIPTAG_HEADER_STR(s->charging)),
		TAG_IF(m && m->headers,
		       SIPTAG_HEADER_STR(m ? m->headers : NULL)),
		TAG_IF(pl, SIPTAG_CONTENT_TYPE_STR(body_type(m))),
		TAG_IF(pl, SIPTAG_PAYLOAD(pl)), TAG_END());
	su_home_deinit(home);
	gw_stack_count_response(true, status);
	if (status >= 200 && !keep)
		nta_incoming_destroy(irq);
	return r < 0 ? -ENOMEM : 0;
}

static int on_last_ack(void *ref, nta_incoming_t *irq, const sip_t *request)
{
	(void)ref;
	if (request)
		gw_stack_count_request(false, request->sip_request->rq_method);
	nta_incoming_destroy(irq);
	return 0;
}

void gw_dialog_reply_given_up(struct gw_session *s, nta_incoming_t *irq,
			      int status)
{
	(void)gw_dialog_reply(s, irq, status, NULL, true);
	nta_incoming_bind(irq, on_last_ack, NULL);
}

void gw_dialog_saw_rseq(struct gw_branch *b)
{
	if (b->tagged)
		(void)nta_outgoing_setrseq(b->tagged, b->rseq);
}

static int on_prack(void *ref, nta_reliable_t *rel, nta_incoming_t *prack,
		    const sip_t *request)
{
	struct gw_session *s = gw_session_find(ref);

	/* At once: one that is left stops all that come after it. */
	nta_reliable_destroy(rel);
	if (prack)
		gw_stack_count_request(false, sip_method_prack);
	if (!s)
		return prack ? 200 : 0;
	gw_session_enter(s);
	gw_session_on_prack(s, rel, prack, request);
	gw_session_leave(s);
	return 0;
}

nta_reliable_t *gw_dialog_reply_reliably(struct gw_session *s,
					 nta_incoming_t *irq, int status,
					 const struct gw_dialog_msg *m)
{
	const struct gw_set_sip *set = &s->sip->set->sip;
	su_home_t home[1] = { SU_HOME_INIT(home) };
	char tags[GW_EXT_SIZE];
	nta_reliable_t *rel;
	sip_payload_t *pl;

	su_home_init(home);
	pl = gw_dialog_payload(home, m);
	(void)gw_ext_print(tags, gw_ext_ours(set));
	rel = nta_reliable_treply(
		irq, on_prack, gw_session_ref(s), status,
		gw_ims_cause_phrase((unsigned)status),
		SIPTAG_CONTACT_STR(s->contact), SIPTAG_ALLOW_STR(GW_SIP_ALLOW),
		SIPTAG_REQUIRE_STR("100rel"), SIPTAG_SUPPORTED_STR(tags),
		SIPTAG_HEADER_STR(GW_DIALOG_RECV_INFO),
		TAG_IF(*set->user_agent, SIPTAG_SERVER_STR(set->user_agent)),
		TAG_IF(s->charging, SIPTAG_HEADER_STR(s->charging)),
		TAG_IF(m->headers, SIPTAG_HEADER_STR(m->headers)),
		TAG_IF(pl, SIPTAG_CONTENT_TYPE_STR(body_type(m))),
		TAG_IF(pl, SIPTAG_PAYLOAD(pl)), TAG_END());
	su_home_deinit(home);
	if (rel)
		gw_stack_count_response(true, status);
	return rel;
}

void gw_dialog_refresh(struct gw_session *s, nta_leg_t *leg, bool from_request,
		       const sip_t *message)
{
	(void)s;
	if (!message->sip_contact)
		return;
	if (from_request)
		(void)nta_leg_server_route(leg, NULL, message->sip_contact);
	else
		(void)nta_leg_client_reroute(leg, NULL, message->sip_contact,
					     0);
}

void gw_dialog_refresh_by(struct gw_session *s, nta_incoming_t *irq)
{
	msg_t *msg = nta_incoming_getrequest(irq);

	if (!msg)
		return;
	gw_dialog_refresh(s, s->dialog, true, sip_object(msg));
	msg_destroy(msg);
}

/* ---- ends ---- */

void gw_dialog_drop(nta_outgoing_t **orq)
{
	nta_outgoing_t *o = *orq;

	*orq = NULL;
	if (o)
		nta_outgoing_destroy(o);
}

void gw_dialog_drop_incoming(nta_incoming_t **irq)
{
	nta_incoming_t *i = *irq;

	*irq = NULL;
	if (i)
		nta_incoming_destroy(i);
}

void gw_dialog_drop_branch(struct gw_session *s, struct gw_branch *b)
{
	gw_dialog_drop(&b->update);
	free(b->offer);
	b->offer = NULL;
	b->prack = NULL;
	gw_dialog_leave_fork(s->sip, b);
	if (b->leg)
		nta_leg_destroy(b->leg);
	b->leg = NULL;
}

void gw_dialog_drop_all(struct gw_session *s)
{
	nta_leg_t *own = s->uas ? s->dialog : NULL;
	unsigned i;

	gw_dialog_drop_incoming(&s->inv_irq);
	gw_dialog_drop_incoming(&s->upd_irq);
	gw_dialog_drop_incoming(&s->refer_irq);
	gw_dialog_drop(&s->bye);
	gw_dialog_leave_invite(s->sip, &s->re_invite);
	gw_dialog_drop(&s->timer.update);
	for (i = 0; i < s->nbranch; i++)
		gw_dialog_leave_fork(s->sip, &s->branch[i]);
	gw_dialog_drop(&s->invite);
	s->dialog = NULL;
	s->reliable = NULL;
	for (i = 0; i < s->nbranch; i++)
		gw_dialog_drop_branch(s, &s->branch[i]);
	s->nbranch = 0;
	if (own)
		nta_leg_destroy(own);
	if (s->caller)
		nta_leg_destroy(s->caller);
	s->caller = NULL;
}
