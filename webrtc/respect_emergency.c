/*
 * What a client wants of the emergency services (RFC 5031, TS 24.229 5.2.10):
 * recognised before rates, extensions, log-in, limits and draining, so that it
 * is called, or is told at once to call another way.
 */
#include <string.h>

#include "gateway/base/emergency.h"
#include "webrtc/respect_priv.h"

/* Of one connection, while all it sends is too much. */
#define OVERDRAFT_MAX 4

GW_COUNTER(m_refused, "isthmus_emergency_calls_total",
	   "Calls to emergency services, by what became of them",
	   "result=\"refused\"");
GW_COUNTER(m_no_call, "isthmus_emergency_calls_total",
	   "Calls to emergency services, by what became of them",
	   "result=\"not_a_call\"");

static bool wanted(char urn[GW_EMERGENCY_URN_SIZE], const struct gw_web *web,
		   const struct gw_rmsg *m)
{
	const struct gw_set_emergency *set = &web->set->emergency;

	return gw_rmsg_has(m, GW_K_RESOURCE_ID) &&
	       gw_emergency_find(urn, set->number, set->nnumber,
				 m->str[GW_K_RESOURCE_ID]);
}

static void refuse(struct gw_rconn *c, const struct gw_rmsg *m, unsigned status,
		   const char *urn, const char *detail,
		   struct gw_metric *metric)
{
	struct gw_rout o = {
		.problem = {.status = status,
                            .detail = detail,
                            .emergency = true}
	};

	gw_respect_count(GW_RJ_EMERGENCY);
	gw_metric_add(metric, 1);
	gw_warn(&c->log, "%s to %s refused with %u, from %s", m->method_name,
		urn, status, c->reg ? c->reg->id : "one who is not logged in");
	gw_rconn_respond(c, m->txn, m->method_name, &o);
}

/* May calls of this client go to the emergency services? */
static bool routed(const struct gw_rconn *c)
{
	const struct gw_set_emergency *set = &c->web->set->emergency;
	const struct gw_reg *reg = gw_rconn_reg(c);

	return !strcmp(set->policy, "route") && reg &&
	       (set->anonymous || !reg->anonymous);
}

bool gw_remerg_request(struct gw_rconn *c, const struct gw_rmsg *m)
{
	char urn[GW_EMERGENCY_URN_SIZE];

	if (!wanted(urn, c->web, m))
		return false;
	if (m->method == GW_RM_MESSAGE)
		refuse(c, m, 403, urn,
		       "the emergency services read no messages: call them",
		       &m_no_call);
	else if (m->method != GW_RM_MSETUP)
		refuse(c, m, 403, urn,
		       "a call cannot be handed to the emergency services: "
		       "call them",
		       &m_no_call);
	else if (!routed(c) || !gw_rleg_emergency(c, m, urn))
		refuse(c, m, 380, urn, c->web->set->emergency.text, &m_refused);
	return true;
}

bool gw_remerg_overdraft(struct gw_rconn *c, const char *text, size_t len)
{
	char urn[GW_EMERGENCY_URN_SIZE];
	struct gw_rmsg m;
	bool may;

	if (c->overdrawn >= OVERDRAFT_MAX || !memmem(text, len, "msetup", 6))
		return false;
	c->overdrawn++;
	may = gw_respect_parse(&m, text, len) == GW_RF_OK && !m.response &&
	      m.method == GW_RM_MSETUP && wanted(urn, c->web, &m);
	gw_respect_parse_end(&m);
	return may;
}
