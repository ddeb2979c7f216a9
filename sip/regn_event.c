/*
 * The reg event package (RFC 3680, TS 24.229 5.2.3): the core tells when it
 * ends what it has registered.  One subscription a registration, from its
 * first 200 on; it refreshes itself at half of what the core grants.
 */
#include "sip/regn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sofia-sip/sip_header.h>

#include "gateway/base/ids.h"
#include "gateway/base/loop.h"
#include "gateway/base/metrics.h"
#include "sip/reginfo.h"

/* Two events that make us register anew are not followed faster than that:
 * a core may be of two minds. */
#define ANEW_US    30000000ull
#define AGAIN_MS   60000 /* after a SUBSCRIBE that failed */
#define RETRY_S    60    /* probation without retry-after */
#define SHORTEST_S 10    /* of a subscription; less is not asked more often */
#define LONGEST_S  (60 * 86400u)

#define SUB      "isthmus_ims_subscribes_total"
#define SUB_HELP "SUBSCRIBEs to the reg event package, by how they ended"
#define NOT      "isthmus_ims_notifies_total"
#define NOT_HELP "NOTIFYs of the reg event package, by what they made us do"

/* clang-format off */
GW_COUNTER(m_sub_ok, SUB, SUB_HELP, "result=\"ok\"");
GW_COUNTER(m_sub_refused, SUB, SUB_HELP, "result=\"refused\"");
GW_COUNTER(m_sub_failed, SUB, SUB_HELP, "result=\"failed\"");
GW_COUNTER(m_none, NOT, NOT_HELP, "action=\"none\"");
GW_COUNTER(m_anew, NOT, NOT_HELP, "action=\"anew\"");
GW_COUNTER(m_ended, NOT, NOT_HELP, "action=\"ended\"");
GW_COUNTER(m_old, NOT, NOT_HELP, "action=\"old\"");
GW_COUNTER(m_bad, NOT, NOT_HELP, "action=\"malformed\"");
/* clang-format on */

/* ---- SUBSCRIBE ---- */

static void again_in(struct gw_regn *r, uint64_t ms)
{
	(void)gw_timer_start_ms(gw_loop_timers(r->all->sip->loop),
				&r->sub.again, ms);
}

static void drop_subscription(struct gw_regn *r)
{
	gw_timer_stop(&r->sub.again);
	gw_regn_nta_drop(&r->sub.orq);
	gw_regn_nta_drop_leg(&r->sub.leg);
	r->sub.seen = false;
}

static uint32_t wanted_s(const struct gw_regn *r)
{
	/* Longer than the registration (TS 24.229 5.2.3). */
	uint32_t s = 2 * r->granted_s;

	return r->sub.min_s > s ? r->sub.min_s : s;
}

static int send_subscribe(struct gw_regn *r)
{
	const char *core = r->all->core[r->core].uri;
	char ours[160], us[128], contact[260], charging[400], headers[1024];
	char uri[256], to[GW_REGN_URI + 2];
	const struct gw_regn_rq rq = {
		.uri = gw_regn_default_impu(r),
		.next_hop = core,
		.from = us,
		.to = to,
		.contact = contact,
		.headers = headers,
	};

	if (gw_stack_contact(r->all->sip, ours, sizeof(ours), core, NULL,
			     false) ||
	    gw_regn_uri(r, uri, sizeof(uri), core))
		return -1;
	/* As in Path, where a core looks for it: without parameters. */
	(void)snprintf(us, sizeof(us), "%.*s>", (int)strcspn(ours, ";>"), ours);
	(void)snprintf(to, sizeof(to), "<%s>", rq.uri);
	(void)snprintf(contact, sizeof(contact), "<%s>", uri);
	gw_regn_charging(r->all->sip, charging, sizeof(charging), NULL, 0);
	(void)snprintf(headers, sizeof(headers),
		       "Event: reg\r\nAccept: " GW_REGINFO_TYPE "\r\n"
		       "Expires: %u\r\nP-Asserted-Identity: %s\r\n%s",
		       wanted_s(r), us, charging);
	return gw_regn_nta_subscribe(r, &rq);
}

void gw_regn_subscribe(struct gw_regn *r)
{
	if (!gw_regn_set(r)->reg_event || r->sub.refused || r->sub.orq ||
	    r->sub.leg || r->ended)
		return;
	if (send_subscribe(r)) {
		gw_metric_add(&m_sub_failed, 1);
		drop_subscription(r);
		again_in(r, gw_regn_jitter_ms(AGAIN_MS));
	}
}

static void on_again(struct gw_timer *t, void *arg)
{
	struct gw_regn *r = arg;

	(void)t;
	gw_regn_enter(r);
	if (r->ended || r->sub.orq || r->sub.refused || !r->bound)
		; /* it is not the time, or no longer */
	else if (!r->sub.leg)
		gw_regn_subscribe(r);
	else if (send_subscribe(r))
		again_in(r, gw_regn_jitter_ms(AGAIN_MS));
	gw_regn_leave(r);
}

void gw_regn_ask_subscription(struct gw_regn *r)
{
	if (!r->sub.leg || r->sub.orq)
		return;
	r->sub.doubted = true;
	again_in(r, 0);
}

void gw_regn_sub_init(struct gw_regn *r)
{
	gw_timer_init(&r->sub.again, on_again, r);
}

void gw_regn_sub_free(struct gw_regn *r)
{
	drop_subscription(r);
}

static void subscribed(struct gw_regn *r, const sip_t *ok)
{
	uint32_t s = wanted_s(r);

	if (ok->sip_expires && ok->sip_expires->ex_delta < s)
		s = (uint32_t)ok->sip_expires->ex_delta;
	if (s < SHORTEST_S)
		s = SHORTEST_S;
	r->sub.doubted = false;
	gw_metric_add(&m_sub_ok, 1);
	gw_debug(&r->log, "subscribed to reg events for %u s", s);
	gw_regn_nta_confirm(r, ok);
	again_in(r, gw_regn_jitter_ms(s * 500ull));
}

/* 423 (RFC 6665 4.1.2.1) is followed once; its wish is remembered. */
static bool longer(struct gw_regn *r, const sip_t *response)
{
	const sip_min_expires_t *me = response->sip_min_expires;

	if (!me || me->me_delta <= wanted_s(r) || me->me_delta > LONGEST_S)
		return false;
	r->sub.min_s = (uint32_t)me->me_delta;
	return true;
}

void gw_regn_on_subscribed(struct gw_regn *r, int status, const sip_t *response)
{
	if (response && status < 300) {
		subscribed(r, response);
		return;
	}
	drop_subscription(r);
	/* 481 says it; of a core that has just refused a registered user's
	 * call, any refusal does. */
	if (response && (r->sub.doubted || (status == 481 && !r->sub.lost)))
		gw_regns_forgotten(r);
	r->sub.doubted = false;
	if (response && status == 423 && longer(r, response)) {
		gw_regn_subscribe(r);
	} else if (response && status == 481 && !r->sub.lost) {
		/* It had been there: a new one. */
		r->sub.lost = true;
		gw_regn_subscribe(r);
	} else if (!response || status == 408 || status == 480 ||
		   status == 481 || status >= 500) {
		gw_metric_add(&m_sub_failed, 1);
		gw_info(&r->log, "SUBSCRIBE failed: %d", status);
		again_in(r, gw_regn_jitter_ms(AGAIN_MS));
	} else {
		gw_metric_add(&m_sub_refused, 1);
		gw_warn(&r->log,
			"the core refuses to tell of its registrations: %d",
			status);
		r->sub.refused = true;
	}
}

/* ---- NOTIFY ---- */

/* The core has let go of the binding, not of the user. */
static void anew(struct gw_regn *r, enum gw_reginfo_event event, uint32_t in_s)
{
	uint64_t ms = in_s * 1000ull, now = gw_regn_now_us(r);

	if (r->renewed_us && now < r->renewed_us + ANEW_US)
		ms += gw_regn_jitter_ms(ANEW_US / 1000);
	r->renewed_us = now;
	gw_metric_add(&m_anew, 1);
	gw_info(&r->log, "the network says %s: registering anew in %u s",
		gw_reginfo_event_name(event), (unsigned)(ms / 1000));
	drop_subscription(r);
	gw_regn_forget_binding(r);
	gw_regn_new_binding(r);
	(void)gw_regn_move(r, GW_REV_RETRY);
	gw_regn_later(r, ms);
}

static void over(struct gw_regn *r, enum gw_reginfo_event event)
{
	char text[64];
	const struct gw_cause cause = { .status = 200,
					.text = text,
					.sip = true };

	(void)snprintf(text, sizeof(text), "ended by the network%s%s",
		       event ? ": " : "",
		       event ? gw_reginfo_event_name(event) : "");
	gw_metric_add(&m_ended, 1);
	gw_regn_forget_binding(r);
	gw_regn_over(r, &cause, true);
}

static void act(struct gw_regn *r, const struct gw_reginfo *info)
{
	bool gone = info->contact == GW_REGINFO_TERMINATED ||
		    info->identity == GW_REGINFO_TERMINATED;

	/* While a REGISTER is out its answer decides, unless the user is not
	 * wanted any more. */
	if (!gone || r->ended ||
	    (r->state != GW_RST_UP && r->state != GW_RST_REFRESHING &&
	     r->state != GW_RST_REASKED)) {
		gw_metric_add(&m_none, 1);
		return;
	}
	switch (info->event) {
	case GW_REGINFO_DEACTIVATED:
	case GW_REGINFO_EXPIRED:
	case GW_REGINFO_PROBATION:
		if (r->state != GW_RST_UP)
			gw_metric_add(&m_none, 1);
		else if (info->event == GW_REGINFO_PROBATION)
			anew(r, info->event,
			     info->retry_after_s && info->retry_after_s < 86400
				     ? info->retry_after_s
				     : RETRY_S);
		else
			anew(r, info->event, 0);
		break;
	case GW_REGINFO_OTHER:
	case GW_REGINFO_UNREGISTERED:
	case GW_REGINFO_REJECTED:
	case GW_REGINFO_NEVENTS:
		over(r, info->event);
		break;
	}
}

/* RFC 3680 5.1: documents are numbered.  False: an old one. */
static bool in_order(struct gw_regn *r, const struct gw_reginfo *info)
{
	bool gap = !info->full &&
		   (!r->sub.seen || info->version != r->sub.version + 1);

	if (r->sub.seen && info->version <= r->sub.version)
		return false;
	r->sub.seen = true;
	r->sub.version = info->version;
	/* A SUBSCRIBE gets the whole state. */
	if (gap)
		again_in(r, 0);
	return true;
}

static int read_document(struct gw_regn *r, const sip_t *request)
{
	const sip_payload_t *pl = request->sip_payload;
	const sip_content_type_t *type = request->sip_content_type;
	const struct gw_reginfo_who who = {
		.contact_user = r->token,
		.impu = (const char(*)[GW_REGN_URI])r->impu_set,
		.nimpu = r->nimpu,
	};
	struct gw_reginfo info;
	int err;

	if (!pl || !pl->pl_len)
		return 200;
	if (!type || !type->c_type ||
	    strcasecmp(type->c_type, GW_REGINFO_TYPE) != 0) {
		gw_metric_add(&m_bad, 1);
		return 415;
	}
	err = gw_reginfo_read(&info, &who, pl->pl_data, pl->pl_len);
	if (err) {
		gw_metric_add(&m_bad, 1);
		gw_warn(&r->log,
			"NOTIFY with a document that cannot be read: "
			"%s",
			strerror(-err));
		return 400;
	}
	if (!in_order(r, &info)) {
		gw_metric_add(&m_old, 1);
		return 200;
	}
	act(r, &info);
	return 200;
}

/* RFC 6665 4.1.3: the subscription itself is over. */
static void on_terminated(struct gw_regn *r, const sip_subscription_state_t *ss)
{
	const char *why = ss->ss_reason ? ss->ss_reason : "";
	unsigned long wait_s =
		ss->ss_retry_after ? strtoul(ss->ss_retry_after, NULL, 10) : 0;

	drop_subscription(r);
	if (!strcasecmp(why, "rejected") || !strcasecmp(why, "noresource") ||
	    !strcasecmp(why, "invariant")) {
		r->sub.refused = true;
		return;
	}
	if (wait_s > 86400)
		wait_s = 86400;
	again_in(r, wait_s ? wait_s * 1000 : gw_regn_jitter_ms(AGAIN_MS / 10));
}

int gw_regn_on_notify(struct gw_regn *r, const sip_t *request)
{
	const sip_subscription_state_t *ss = request->sip_subscription_state;
	int status;

	if (!request->sip_event || !request->sip_event->o_type ||
	    strcasecmp(request->sip_event->o_type, "reg") != 0)
		return 489;
	if (!ss || !ss->ss_substate)
		return 400;
	r->sub.lost = false;
	status = read_document(r, request);
	if (!strcasecmp(ss->ss_substate, "terminated") && r->sub.leg &&
	    r->state != GW_RST_DEAD)
		on_terminated(r, ss);
	return status;
}
