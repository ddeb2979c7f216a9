/*
 * An INVITE of the core for an emergency service: it has come the wrong way,
 * for nobody here answers such calls, and what comes from the core does not go
 * back there.  Its sender is told as TS 24.229 5.2.10 tells a UE.
 */
#include "sip/stack.h"

#include <stdio.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/su_tag.h>
#include <sofia-sip/url.h>

#include "gateway/base/emergency.h"
#include "gateway/base/metrics.h"
#include "sip/ims_cause.h"

/* TS 24.229 7.6.2 */
#define XML_TYPE "application/3gpp-ims+xml"
#define XML                                                                    \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"                       \
	"<ims-3gpp version=\"1\"><alternative-service>"                        \
	"<type>emergency</type><reason>%s</reason>"                            \
	"</alternative-service></ims-3gpp>\r\n"

GW_COUNTER(m_refused, "isthmus_emergency_calls_total",
	   "Calls to emergency services, by what became of them",
	   "result=\"from_core\"");

bool gw_stack_is_emergency(const struct gw_sip *sip, const sip_t *request)
{
	const struct gw_set_emergency *set = &sip->set->emergency;
	su_home_t home[1] = { SU_HOME_INIT(home) };
	char urn[GW_EMERGENCY_URN_SIZE];
	const char *target;
	bool is;

	su_home_init(home);
	target = url_as_string(home, request->sip_request->rq_url);
	is = target &&
	     gw_emergency_find(urn, set->number, set->nnumber, target);
	su_home_deinit(home);
	return is;
}

int gw_stack_refuse_emergency(struct gw_sip *sip, nta_incoming_t *irq)
{
	const struct gw_settings *set = sip->set;
	const char *ua = set->sip.user_agent;
	char body[sizeof(XML) + sizeof(set->emergency.text)];

	(void)snprintf(body, sizeof(body), XML, set->emergency.text);
	(void)nta_incoming_treply(irq, 380, gw_ims_cause_phrase(380),
				  TAG_IF(*ua, SIPTAG_SERVER_STR(ua)),
				  SIPTAG_CONTENT_TYPE_STR(XML_TYPE),
				  SIPTAG_PAYLOAD_STR(body), TAG_END());
	gw_stack_count_response(true, 380);
	gw_metric_add(&m_refused, 1);
	gw_warn(&sip->log, "INVITE for an emergency service refused: 380");
	return 380;
}
