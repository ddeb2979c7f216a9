/*
 * REFER inside a dialog (RFC 3515, 3891, 4488, 5589), the NOTIFYs of its
 * progress, and INVITEs that replace a dialog.  One REFER at a time; what
 * becomes of it is the call's business (GW_V_TRANSFER).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sofia-sip/sip_extra.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/url.h>

#include "gateway/base/metrics.h"
#include "sip/dialog.h"
#include "sip/ims_cause.h"
#include "sip/session.h"

#define SIPFRAG      "message/sipfrag;version=2.0"
#define REPLACES_MAX 256

GW_COUNTER(m_refer, "isthmus_sip_rejected_total",
	   "Calls and requests refused here, by reason", "reason=\"refer\"");
GW_COUNTER(m_notify, "isthmus_sip_notify_refused_total",
	   "NOTIFYs of transfers that their subscriber did not take", "");
GW_COUNTER(m_replaces, "isthmus_sip_rejected_total",
	   "Calls and requests refused here, by reason", "reason=\"replaces\"");

static const char *unknown_header(const sip_t *m, const char *name)
{
	const sip_unknown_t *u;

	for (u = m->sip_unknown; u; u = u->un_next) {
		if (u->un_name && !strcasecmp(u->un_name, name))
			return u->un_value;
	}
	return NULL;
}

static void refuse(struct gw_session *s, nta_incoming_t *irq, int status,
		   const char *why)
{
	gw_metric_add(&m_refer, 1);
	gw_info(&s->log, "REFER refused: %d, %s", status, why);
	(void)gw_dialog_reply(s, irq, status, NULL, false);
}

/* ---- Refer-To ---- */

/* Of "?Replaces=...&...", unescaped.  0 with "" when there is none. */
static int take_replaces(char *out, size_t size, const char *headers)
{
	size_t n;

	*out = '\0';
	for (; headers && *headers; headers += n + (headers[n] == '&')) {
		n = strcspn(headers, "&");
		if (strncasecmp(headers, "Replaces=", 9) != 0)
			continue;
		if (n - 9 >= size)
			return -1;
		(void)snprintf(out, size, "%.*s", (int)(n - 9), headers + 9);
		url_unescape(out, out);
		for (const char *p = out; *p; p++)
			if ((unsigned char)*p <= ' ' || *p == 0x7f)
				return -1;
		return 0;
	}
	return 0;
}

/* The URI alone: neither headers nor a method. */
static bool take_target(char *out, size_t size, const url_t *url)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	url_t *bare;
	const char *text = NULL;
	bool ok;

	su_home_init(home);
	bare = url_hdup(home, url);
	if (bare) {
		bare->url_headers = NULL;
		if (bare->url_params)
			bare->url_params = url_strip_param_string(
				(char *)bare->url_params, "method");
		text = url_as_string(home, bare);
	}
	ok = gw_ident_uri_ok(text) && strlen(text) < size;
	if (ok)
		memcpy(out, text, strlen(text) + 1);
	su_home_deinit(home);
	return ok;
}

static bool is_invite(const url_t *url)
{
	char method[16] = "INVITE";

	if (url->url_params)
		(void)url_param(url->url_params, "method", method,
				sizeof(method));
	return !strcasecmp(method, "INVITE");
}

/* ---- progress ---- */

static void notify(struct gw_session *s, unsigned status, bool last)
{
	char headers[320], body[96];
	const struct gw_dialog_msg m = {
		.headers = headers,
		.content_type = SIPFRAG,
		.body = body,
		.len = (size_t)snprintf(body, sizeof(body), "SIP/2.0 %u %s\r\n",
					status, gw_ims_cause_phrase(status)),
	};
	char active[32];

	(void)snprintf(active, sizeof(active), "active;expires=%u",
		       s->sip->set->sip.ring_timeout_s + 32);
	(void)snprintf(headers, sizeof(headers),
		       "Event: refer;id=%u\r\nSubscription-State: %s\r\n"
		       "Contact: %s\r\n",
		       s->refer_id,
		       last ? "terminated;reason=noresource" : active,
		       s->contact);
	s->refer_status = (uint16_t)status;
	if (!gw_dialog_request(s, sip_method_notify, &m, false))
		gw_warn(&s->log, "NOTIFY could not be sent");
}

/* What is said again after a challenge is what there is to say now. */
void gw_refer_notified(struct gw_session *s, nta_outgoing_t *sent, int status,
		       const sip_t *response)
{
	bool internal = !response || nta_sip_is_internal(response);

	if (status >= 200 && status < 300)
		s->refer_challenges = 0;
	/* A BYE of ours may be on its way already (RFC 5057 4.2). */
	if (status < 300 || s->refer_quiet ||
	    (s->state != GW_SES_UP && s->state != GW_SES_ENDING))
		return;
	if (!internal && (status == 401 || status == 407)) {
		/* Sent before the first challenge came: said again since. */
		if (s->refer_challenges && !gw_dialog_authorized(sent))
			return;
		if (gw_session_challenged(s, response, s->refer_challenges++)) {
			notify(s, s->refer_status, s->refer_status >= 200);
			return;
		}
	}
	/* RFC 6665 4.2.2: who does not take it is told no more. */
	gw_metric_add(&m_notify, 1);
	gw_info(&s->log, "NOTIFY of a transfer refused: %d", status);
	s->refer_quiet = true;
}

static void take_on(struct gw_session *s)
{
	char headers[256];
	const struct gw_dialog_msg m = { .headers = headers };

	(void)snprintf(headers, sizeof(headers), "Contact: %s\r\n%s",
		       s->contact,
		       s->refer_quiet ? "Refer-Sub: false\r\n" : "");
	(void)gw_dialog_reply(s, s->refer_irq, 202, &m, false);
	s->refer_irq = NULL;
	s->refer_on = true;
}

int gw_refer_told(struct gw_session *s, const struct gw_cause *cause)
{
	unsigned status = cause->status;
	bool last = status >= 200;

	if (s->refer_irq && status >= 300) {
		refuse(s, s->refer_irq, gw_ims_cause_reject(cause),
		       cause->text ? cause->text : "by the call");
		s->refer_irq = NULL;
		return 0;
	}
	if (s->refer_irq)
		take_on(s);
	else if (!s->refer_on)
		return 0; /* not asked for here */
	if (!s->refer_quiet && s->state == GW_SES_UP)
		notify(s,
		       last && status >= 300 ? gw_ims_cause_reject(cause)
					     : status,
		       last);
	if (last)
		s->refer_on = false;
	return 0;
}

/* ---- REFER ---- */

/* Who the core says is behind it (RFC 3892); NULL: it does not. */
static const char *referrer(char *out, size_t size, const sip_t *request)
{
	const sip_referred_by_t *by = sip_referred_by(request);

	return by && take_target(out, size, by->b_url) ? out : NULL;
}

/* A dialog of ours that @replaces names: both calls are here, and no INVITE
 * needs to go round by the core.  NULL: it is another's. */
static struct gw_leg *joined(struct gw_session *s, const char *replaces)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct gw_session *other = NULL;
	sip_replaces_t *r;

	su_home_init(home);
	r = *replaces ? sip_replaces_make(home, replaces) : NULL;
	if (r)
		other = gw_dialog_find(s->sip, r);
	su_home_deinit(home);
	if (!other || other == s || other->state != GW_SES_UP ||
	    other->released)
		return NULL;
	return other->leg;
}

void gw_refer_incoming(struct gw_session *s, nta_leg_t *leg,
		       nta_incoming_t *irq, const sip_t *request)
{
	const sip_refer_to_t *to = request->sip_refer_to;
	const sip_refer_sub_t *sub = sip_refer_sub(request);
	char target[GW_IDENT_URI_MAX + 1], replaces[REPLACES_MAX];
	char by[GW_IDENT_URI_MAX + 1];

	if (s->state != GW_SES_UP || leg != s->dialog) {
		refuse(s, irq, 481, "the call is not up");
		return;
	}
	if (!strcmp(s->sip->set->calls.refer, "refuse")) {
		refuse(s, irq, 403, "calls.refer");
		return;
	}
	/* RFC 3515 2.4.2: exactly one. */
	if (!to || to->r_next) {
		refuse(s, irq, 400, "not one Refer-To");
		return;
	}
	if (!is_invite(to->r_url)) {
		refuse(s, irq, 501, "not an INVITE");
		return;
	}
	if (!take_target(target, sizeof(target), to->r_url)) {
		refuse(s, irq, 416, "an address that cannot be called");
		return;
	}
	if (take_replaces(replaces, sizeof(replaces), to->r_url->url_headers)) {
		refuse(s, irq, 400, "Replaces cannot be read");
		return;
	}
	if (s->refer_on || s->refer_irq) {
		refuse(s, irq, 491, "another one is under way");
		return;
	}
	s->refer_irq = irq;
	s->refer_id = request->sip_cseq->cs_seq;
	s->refer_challenges = 0;
	s->refer_quiet =
		sub && sub->rs_value && !strcasecmp(sub->rs_value, "false");
	gw_info(&s->log, "REFER received%s", *replaces ? " with Replaces" : "");
	gw_ims_tell_transfer(s, target, *replaces ? replaces : NULL,
			     referrer(by, sizeof(by), request),
			     joined(s, replaces));
	/* The call answers at once, or there is none. */
	if (s->refer_irq) {
		refuse(s, s->refer_irq, 480, "nobody is there");
		s->refer_irq = NULL;
	}
}

/* ---- INVITE that replaces ---- */

int gw_refer_replaces(struct gw_sip *sip, const sip_t *request,
		      struct gw_leg **instead_of)
{
	const sip_replaces_t *r = request->sip_replaces;
	const char *join = unknown_header(request, "Join");
	struct gw_session *s = r && !join ? gw_dialog_find(sip, r) : NULL;
	int status;

	*instead_of = NULL;
	if (!join && !r)
		return 0;
	if (join && r)
		status =
			400; /* RFC 3891 3, RFC 3911 4: it is one or the other */
	else if (join)
		status = 488; /* RFC 3911 4: nobody joins a call here */
	else if (!s)
		status = 481;
	/* RFC 3891 3: what has ended is declined, an early dialog is not
	 * replaced, a confirmed one not where an early one was meant. */
	else if (s->state == GW_SES_DEAD || s->state == GW_SES_ENDING)
		status = 603;
	else if (s->state != GW_SES_UP)
		status = 481;
	else if (r->rp_early_only || !s->leg || s->released)
		status = 486;
	else
		status = 0;
	if (status)
		gw_metric_add(&m_replaces, 1);
	else
		*instead_of = s->leg;
	return status;
}
