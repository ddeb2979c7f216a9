/*
 * Requests that belong to no dialog: who may ask at all, what an INVITE must
 * have before it becomes a session, and the refusals.
 */
#include "sip/stack.h"

#include <stdio.h>
#include <string.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/su_tag.h>

#include "gateway/base/addr.h"
#include "gateway/base/check.h"
#include "gateway/base/metrics.h"
#include "sip/extension.h"
#include "sip/ims_cause.h"
#include "sip/regn.h"
#include "sip/session.h"

#define OPTIONS_HEADERS                                                        \
	"Allow: " GW_SIP_ALLOW "\r\nAccept: " GW_SIP_ACCEPT "\r\n"

#define REJ      "isthmus_sip_rejected_total"
#define REJ_HELP "Calls and requests refused here, by reason"

/* clang-format off */
GW_COUNTER(m_source, REJ, REJ_HELP, "reason=\"source\"");
GW_COUNTER(m_hops, REJ, REJ_HELP, "reason=\"hops\"");
GW_COUNTER(m_extension, REJ, REJ_HELP, "reason=\"extension\"");
GW_COUNTER(m_timer, REJ, REJ_HELP, "reason=\"timer\"");
GW_COUNTER(m_draining, REJ, REJ_HELP, "reason=\"draining\"");
GW_COUNTER(m_malformed, REJ, REJ_HELP, "reason=\"malformed\"");
GW_COUNTER(m_contact, REJ, REJ_HELP, "reason=\"contact\"");
GW_COUNTER(m_dialogless, REJ, REJ_HELP, "reason=\"dialog\"");
GW_COUNTER(m_method, REJ, REJ_HELP, "reason=\"method\"");
GW_COUNTER(m_event, REJ, REJ_HELP, "reason=\"event\"");
GW_COUNTER(m_memory, REJ, REJ_HELP, "reason=\"memory\"");
/* clang-format on */

int gw_stack_check(struct gw_sip *sip, nta_incoming_t *irq,
		   const sip_t *request)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	static const char quiet[] = ", norefersub"; /* RFC 4488 */
	char tags[GW_EXT_SIZE + sizeof(quiet)];
	sip_supported_t *ours;
	int status;

	if (!request->sip_require)
		return 0;
	su_home_init(home);
	(void)gw_ext_print(tags, gw_ext_ours(&sip->set->sip));
	if (request->sip_request->rq_method == sip_method_refer)
		strcat(tags, *tags ? quiet : quiet + 2);
	ours = *tags ? sip_supported_make(home, tags) : NULL;
	status = nta_check_required(irq, request, ours, TAG_END());
	su_home_deinit(home);
	if (status) {
		gw_metric_add(&m_extension, 1);
		gw_stack_count_response(true, status);
	}
	return status;
}

static bool source_allowed(const struct gw_sip *sip, nta_incoming_t *irq)
{
	const struct gw_set_sip *set = &sip->set->sip;
	struct gw_addr from = { 0 }, allowed;
	bool any = true, ok = false;
	msg_t *msg;
	size_t i;

	msg = nta_incoming_getrequest(irq);
	if (msg) {
		(void)gw_addr_from_sockaddr(&from, &msg_addr(msg)->su_sa);
		msg_destroy(msg);
	}
	for (i = 0; i < GW_ARRAY_LEN(set->allow_from); i++) {
		if (!*set->allow_from[i])
			continue;
		any = false;
		if (!gw_addr_parse(&allowed, set->allow_from[i], 0) &&
		    gw_addr_same_ip(&allowed, &from))
			ok = true;
	}
	return any || ok;
}

/* A final response to what has no session; returned for NTA, which then
 * forgets the transaction. */
static int refuse(struct gw_sip *sip, nta_incoming_t *irq, int status,
		  const char *headers, struct gw_metric *why)
{
	const char *ua = sip->set->sip.user_agent;

	(void)nta_incoming_treply(
		irq, status, gw_ims_cause_phrase((unsigned)status),
		TAG_IF(*ua, SIPTAG_SERVER_STR(ua)),
		TAG_IF(headers, SIPTAG_HEADER_STR(headers)), TAG_END());
	gw_stack_count_response(true, status);
	if (why)
		gw_metric_add(why, 1);
	if (why)
		gw_info(&sip->log, "%s refused: %d",
			nta_incoming_method_name(irq), status);
	return status;
}

int gw_stack_refuse(struct gw_sip *sip, nta_incoming_t *irq, int status,
		    const char *headers, struct gw_metric *why)
{
	return refuse(sip, irq, status, headers, why);
}

int gw_stack_refuse_method(struct gw_sip *sip, nta_incoming_t *irq,
			   const sip_t *request)
{
	switch (request->sip_request->rq_method) {
	case sip_method_subscribe:
	case sip_method_publish:
		return refuse(sip, irq, 489, NULL, &m_event);
	case sip_method_notify:
		return refuse(sip, irq, 481, NULL, &m_event);
	default:
		return refuse(sip, irq, 405, "Allow: " GW_SIP_ALLOW "\r\n",
			      &m_method);
	}
}

/* What the configuration demands of a caller (RFC 3261 21.4.16), and a timer
 * that is too short (RFC 4028 9). */
static int check_extensions(struct gw_sip *sip, nta_incoming_t *irq,
			    const sip_t *request)
{
	const struct gw_set_sip *set = &sip->set->sip;
	unsigned theirs = gw_ext_read(request->sip_supported) |
			  gw_ext_read(request->sip_require);
	unsigned missing = gw_ext_demanded(set) & ~theirs;
	char line[GW_EXT_SIZE + 16], tags[GW_EXT_SIZE];

	if (missing) {
		(void)snprintf(line, sizeof(line), "Require: %s\r\n",
			       gw_ext_print(tags, missing));
		return refuse(sip, irq, 421, line, &m_extension);
	}
	if (gw_ext_ours(set) & theirs & GW_EXT_TIMER &&
	    request->sip_session_expires &&
	    request->sip_session_expires->x_delta < set->min_se_s) {
		(void)snprintf(line, sizeof(line), "Min-SE: %u\r\n",
			       set->min_se_s);
		return refuse(sip, irq, 422, line, &m_timer);
	}
	return 0;
}

static int check_invite(struct gw_sip *sip, nta_incoming_t *irq,
			const sip_t *request)
{
	const url_t *url = request->sip_request->rq_url;
	char line[40];
	int status;

	if (request->sip_max_forwards &&
	    request->sip_max_forwards->mf_count == 0)
		return refuse(sip, irq, 483, NULL, &m_hops);
	if (url->url_type != url_sip && url->url_type != url_sips &&
	    url->url_type != url_tel)
		return refuse(sip, irq, 416, NULL, &m_malformed);
	if (!request->sip_contact || !request->sip_contact->m_url->url_host ||
	    !request->sip_from->a_tag)
		return refuse(sip, irq, 400, NULL, &m_malformed);
	if (gw_ims_body_is_foreign(request))
		return refuse(sip, irq, 415, GW_SIP_ACCEPTED, &m_malformed);
	status = check_extensions(sip, irq, request);
	if (status)
		return status;
	if (sip->draining_s) {
		(void)snprintf(line, sizeof(line), "Retry-After: %u\r\n",
			       sip->draining_s);
		return refuse(sip, irq, 503, line, &m_draining);
	}
	return 0;
}

static int on_invite(struct gw_sip *sip, nta_incoming_t *irq,
		     const sip_t *request)
{
	bool sips = request->sip_request->rq_url->url_type == url_sips;
	struct gw_session *s;
	struct gw_regn *regn;
	struct gw_leg *instead_of;
	int r;

	r = check_invite(sip, irq, request);
	if (r)
		return r;
	r = gw_refer_replaces(sip, request, &instead_of);
	if (r)
		return refuse(sip, irq, r, NULL, NULL);
	/* A core that still believes in a contact that is gone is told so, and
	 * its caller, at once. */
	if (gw_regn_route(sip, request, &regn) < 0)
		return refuse(sip, irq, 404, NULL, &m_contact);
	if (gw_session_new(&s, sip))
		return refuse(sip, irq, 503, NULL, &m_memory);
	gw_session_enter(s);
	s->instead_of = instead_of;
	r = gw_stack_contact(sip, s->contact, sizeof(s->contact), NULL, irq,
			     sips);
	if (!r)
		r = gw_session_accept_invite(s, irq, request);
	if (!r)
		r = gw_ims_leg_incoming(s, request);
	if (r) {
		const struct gw_cause cause = { .status = 503 };
		bool mine = s->state == GW_SES_INCOMING;

		gw_session_release(s, &cause);
		gw_session_leave(s);
		return mine ? 0 : refuse(sip, irq, 503, NULL, &m_memory);
	}
	gw_session_leave(s);
	return 0;
}

int gw_stack_on_request(void *arg, nta_leg_t *leg, nta_incoming_t *irq,
			const sip_t *request)
{
	struct gw_sip *sip = arg;
	sip_method_t method = request->sip_request->rq_method;
	char supported[192], tags[GW_EXT_SIZE];
	int status;

	(void)leg;
	GW_CHECK(sip, GW_SIP_MAGIC);
	gw_stack_count_request(false, method);
	if (method == sip_method_ack) {
		nta_incoming_destroy(irq);
		return 0;
	}
	/* NTA cannot stay silent: 403 is no longer than what came. */
	if (!source_allowed(sip, irq))
		return refuse(sip, irq, 403, NULL, &m_source);
	/* Before anything else that could be wrong with it. */
	if (method == sip_method_invite && !request->sip_to->a_tag &&
	    gw_stack_is_emergency(sip, request))
		return gw_stack_refuse_emergency(sip, irq);
	status = gw_stack_check(sip, irq, request);
	if (status)
		return status;
	switch (method) {
	case sip_method_invite:
		if (!request->sip_to->a_tag)
			return on_invite(sip, irq, request);
		/* fallthrough */
	case sip_method_bye:
	case sip_method_info:
	case sip_method_update:
	case sip_method_prack:
	case sip_method_cancel:
		return refuse(sip, irq, 481, NULL, &m_dialogless);
	case sip_method_refer:
		/* RFC 4538: who is in no dialog with us tells us nothing. */
		return refuse(sip, irq, request->sip_to->a_tag ? 481 : 403,
			      NULL, &m_dialogless);
	case sip_method_message:
		return gw_message_incoming(sip, irq, request);
	case sip_method_options:
		/* RFC 3261 12.2.2: a peer that probes a dialog which we lost
		 * must learn it. */
		if (request->sip_to->a_tag)
			return refuse(sip, irq, 481, NULL, &m_dialogless);
		(void)snprintf(supported, sizeof(supported),
			       OPTIONS_HEADERS "Supported: %s\r\n",
			       gw_ext_print(tags, gw_ext_ours(&sip->set->sip)));
		return refuse(sip, irq, 200, supported, NULL);
	default:
		return gw_stack_refuse_method(sip, irq, request);
	}
}
