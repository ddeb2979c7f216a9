/*
 * NTA's words for what registrations send.  With dialog.c and stack.c the only
 * file that calls NTA; the traps are told in dialog.h.
 */
#include "sip/regn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/su_tag.h>
#include <sofia-sip/tport_tag.h>

#include "gateway/base/check.h"

void gw_regn_nta_drop(nta_outgoing_t **orq)
{
	nta_outgoing_t *o = *orq;

	*orq = NULL;
	if (o)
		nta_outgoing_destroy(o);
}

static bool from_network(const sip_t *response)
{
	return response && !nta_sip_is_internal(response);
}

static const char *ident_of(su_home_t *home, const char *uri)
{
	const url_t *url = uri ? url_make(home, uri) : NULL;

	return url ? gw_stack_ident(url->url_host) : NULL;
}

/* Outside of any dialog. */
static nta_outgoing_t *send_request(struct gw_sip *sip, nta_response_f *handler,
				    void *ref, sip_method_t method,
				    const char *name,
				    const struct gw_regn_rq *rq)
{
	const char *ua = sip->set->sip.user_agent;
	su_home_t home[1] = { SU_HOME_INIT(home) };
	nta_outgoing_t *orq;
	const char *ident;
	sip_cseq_t *cseq;

	su_home_init(home);
	ident = ident_of(home, rq->next_hop);
	cseq = sip_cseq_create(home, rq->cseq, method, name);
	orq = nta_outgoing_tcreate(
		sip->default_leg, handler, ref,
		rq->next_hop ? URL_STRING_MAKE(rq->next_hop) : NULL, method,
		name, URL_STRING_MAKE(rq->uri), SIPTAG_FROM_STR(rq->from),
		SIPTAG_TO_STR(rq->to), SIPTAG_CALL_ID_STR(rq->call_id),
		SIPTAG_CSEQ(cseq), TAG_IF(ident, TPTAG_IDENT(ident)),
		TAG_IF(rq->contact, SIPTAG_CONTACT_STR(rq->contact)),
		TAG_IF(*ua, SIPTAG_USER_AGENT_STR(ua)),
		TAG_IF(rq->headers, SIPTAG_HEADER_STR(rq->headers)), TAG_END());
	su_home_deinit(home);
	if (orq)
		gw_stack_count_request(true, method);
	return orq;
}

/* The end of the transaction @slot of @r, once its final response is there.
 * @r may be NULL, and may be gone on return. */
static void finish(struct gw_regn *r, nta_outgoing_t **slot,
		   nta_outgoing_t *orq, const sip_t *response,
		   void (*on_final)(struct gw_regn *r, int status,
				    const sip_t *response))
{
	int status = nta_outgoing_status(orq);

	if (!r || orq != *slot) {
		if (status >= 200)
			nta_outgoing_destroy(orq);
		return;
	}
	if (from_network(response))
		gw_stack_count_response(false, status);
	if (status < 200)
		return;
	*slot = NULL;
	gw_regn_enter(r);
	on_final(r, status, from_network(response) ? response : NULL);
	gw_regn_leave(r);
	nta_outgoing_destroy(orq);
}

/* ---- REGISTER ---- */

static int on_register_response(void *ref, nta_outgoing_t *orq,
				const sip_t *response)
{
	struct gw_regn *r = gw_regn_resolve(ref);

	finish(r, r ? &r->orq : NULL, orq, response, gw_regn_on_response);
	return 0;
}

int gw_regn_nta_register(struct gw_regn *r, const struct gw_regn_rq *rq)
{
	r->orq = send_request(r->all->sip, on_register_response, gw_regn_ref(r),
			      SIP_METHOD_REGISTER, rq);
	return r->orq ? 0 : -ENOMEM;
}

/* ---- OPTIONS ---- */

/* The probe dies with its core, so it carries the pointer. */
static int on_probe_response(void *ref, nta_outgoing_t *orq,
			     const sip_t *response)
{
	struct gw_core *core = ref;
	int status = nta_outgoing_status(orq);

	(void)response;
	if (status < 200 || orq != core->probe)
		return 0;
	core->probe = NULL;
	gw_core_on_probe(core, status);
	nta_outgoing_destroy(orq);
	return 0;
}

int gw_regn_nta_probe(struct gw_core *core, const struct gw_regn_rq *rq)
{
	core->probe = send_request(core->all->sip, on_probe_response, core,
				   SIP_METHOD_OPTIONS, rq);
	return core->probe ? 0 : -ENOMEM;
}

/* ---- SUBSCRIBE and NOTIFY ---- */

static int on_subscribe_response(void *ref, nta_outgoing_t *orq,
				 const sip_t *response)
{
	struct gw_regn *r = gw_regn_resolve(ref);

	finish(r, r ? &r->sub.orq : NULL, orq, response, gw_regn_on_subscribed);
	return 0;
}

/* The leg may be gone when this returns; NTA answers by what it returns. */
static int on_notify(void *ref, nta_leg_t *leg, nta_incoming_t *irq,
		     const sip_t *request)
{
	struct gw_regn *r = gw_regn_resolve(ref);
	int status;

	gw_stack_count_request(false, request->sip_request->rq_method);
	if (!r || r->sub.leg != leg)
		return 481;
	if (request->sip_request->rq_method != sip_method_notify)
		return gw_stack_refuse_method(r->all->sip, irq, request);
	status = gw_stack_check(r->all->sip, irq, request);
	if (status)
		return status;
	gw_regn_enter(r);
	status = gw_regn_on_notify(r, request);
	gw_regn_leave(r);
	gw_stack_count_response(true, status);
	/* Now: the leg that would do it may have been destroyed. */
	(void)nta_incoming_treply(irq, status, sip_status_phrase(status),
				  TAG_END());
	nta_incoming_destroy(irq);
	return 0;
}

static int open_dialog(struct gw_regn *r, const struct gw_regn_rq *rq)
{
	r->sub.leg = nta_leg_tcreate(r->all->sip->agent, on_notify,
				     gw_regn_ref(r), SIPTAG_FROM_STR(rq->from),
				     SIPTAG_TO_STR(rq->to), TAG_END());
	if (!r->sub.leg || !nta_leg_tag(r->sub.leg, NULL))
		return -ENOMEM;
	return 0;
}

int gw_regn_nta_subscribe(struct gw_regn *r, const struct gw_regn_rq *rq)
{
	const char *ua = r->all->sip->set->sip.user_agent;
	su_home_t home[1] = { SU_HOME_INIT(home) };
	const char *ident, *hop = NULL, *uri = NULL;

	if (!r->sub.leg && open_dialog(r, rq))
		return -ENOMEM;
	/* Inside the dialog its route set knows the way. */
	if (!nta_leg_get_rtag(r->sub.leg)) {
		hop = rq->next_hop;
		uri = rq->uri;
	}
	su_home_init(home);
	ident = ident_of(home, rq->next_hop);
	r->sub.orq = nta_outgoing_tcreate(
		r->sub.leg, on_subscribe_response, gw_regn_ref(r),
		hop ? URL_STRING_MAKE(hop) : NULL, SIP_METHOD_SUBSCRIBE,
		uri ? URL_STRING_MAKE(uri) : NULL,
		TAG_IF(ident, TPTAG_IDENT(ident)),
		SIPTAG_CONTACT_STR(rq->contact),
		TAG_IF(*ua, SIPTAG_USER_AGENT_STR(ua)),
		SIPTAG_HEADER_STR(rq->headers), TAG_END());
	su_home_deinit(home);
	if (!r->sub.orq)
		return -ENOMEM;
	gw_stack_count_request(true, sip_method_subscribe);
	return 0;
}

void gw_regn_nta_confirm(struct gw_regn *r, const sip_t *ok)
{
	if (!nta_leg_get_rtag(r->sub.leg) && ok->sip_to->a_tag)
		(void)nta_leg_rtag(r->sub.leg, ok->sip_to->a_tag);
	(void)nta_leg_client_route(r->sub.leg, ok->sip_record_route,
				   ok->sip_contact);
}

void gw_regn_nta_drop_leg(nta_leg_t **leg)
{
	nta_leg_t *l = *leg;

	*leg = NULL;
	if (l)
		nta_leg_destroy(l);
}
