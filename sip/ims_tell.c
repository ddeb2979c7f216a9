/*
 * What the peer did, told to the leg's owner in the verbs of gateway/leg.h.
 * The leg may be gone when its owner has heard it; the session stays, for who
 * tells has entered it.
 */
#include "sip/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/emergency.h"
#include "sip/ims_cause.h"
#include "sip/ims_info.h"
#include "sip/ims_read.h"
#include "sip/regn.h"

#define RETRY_AFTER_S 30

static void tell(struct gw_session *s, const struct gw_msg *msg)
{
	struct gw_leg *leg = s->leg;

	if (!leg || s->released)
		return;
	if (msg->verb == GW_V_RELEASE)
		s->released = true;
	leg->handler(leg, msg, leg->arg);
}

static enum gw_alert alert_of(int status)
{
	switch (status) {
	case 180:
		return GW_ALERT_RINGING;
	case 181:
		return GW_ALERT_FORWARDED;
	case 182:
		return GW_ALERT_QUEUED;
	case 199:
		return GW_ALERT_ENDED;
	default:
		return GW_ALERT_NO;
	}
}

/* RFC 5009 8: the direction is that of the network's media.  False: nothing is
 * said of it. */
static bool read_early_media(struct gw_msg *msg, const sip_t *m)
{
	uint32_t sends, takes;

	if (!gw_ims_early_media(m, &sends, &takes))
		return false;
	msg->early_media = sends != 0;
	msg->no_early_media = !sends;
	msg->early_both = sends && takes;
	msg->early_mute = ~sends;
	msg->early_deaf = ~takes;
	return true;
}

void gw_ims_tell_early_media(struct gw_session *s, unsigned branch,
			     const sip_t *update)
{
	struct gw_msg msg = { .verb = GW_V_PROGRESS, .branch = branch };

	msg.firm = s->branch[branch - 1].firm;
	if (read_early_media(&msg, update))
		tell(s, &msg);
}

void gw_ims_tell_progress(struct gw_session *s, int status,
			  const struct gw_branch *b, const sip_t *response,
			  bool fresh)
{
	struct gw_msg msg = { .verb = GW_V_PROGRESS };
	struct gw_call_info info;
	struct gw_ims_who w;

	/* Without a dialog there is nothing that could end. */
	if (status == 199 && !b)
		return;
	msg.branch = b ? (unsigned)(b - s->branch) + 1 : 0;
	msg.firm = b && b->firm;
	msg.asserted = gw_ims_connected(&w, response);
	msg.call_info = gw_ims_info(&info, response);
	msg.alert = alert_of(status);
	/* An offer in an unreliable response does not exist (RFC 3262 5). */
	if (!s->late && fresh)
		msg.desc = gw_ims_desc(response, GW_DESC_EARLY_ANSWER);
	else if (s->late && fresh && b && b->asks)
		msg.desc = gw_ims_desc(response, GW_DESC_OFFER);
	(void)read_early_media(&msg, response);
	tell(s, &msg);
}

void gw_ims_tell_answer(struct gw_session *s, unsigned branch,
			const sip_t *response, enum gw_desc_role role)
{
	struct gw_msg msg = { .verb = GW_V_ANSWER, .branch = branch };
	struct gw_ims_who w;

	msg.asserted = gw_ims_connected(&w, response);
	if (role != GW_DESC_NONE)
		msg.desc = gw_ims_desc(response, role);
	tell(s, &msg);
}

void gw_ims_tell_offer(struct gw_session *s, unsigned branch,
		       const sip_t *request)
{
	const struct gw_msg msg = { .verb = GW_V_OFFER,
				    .branch = branch,
				    .reliable = gw_session_may_suspend(s),
				    .waits = s->suspended,
				    .desc = gw_ims_desc(request,
							GW_DESC_OFFER) };

	tell(s, &msg);
}

void gw_ims_tell_refresh(struct gw_session *s)
{
	const struct gw_msg msg = { .verb = GW_V_OFFER };

	tell(s, &msg);
}

void gw_ims_tell_accept(struct gw_session *s, unsigned branch,
			const sip_t *message, enum gw_desc_role role)
{
	const struct gw_msg msg = { .verb = GW_V_ACCEPT,
				    .branch = branch,
				    .desc = gw_ims_desc(message, role) };

	tell(s, &msg);
}

void gw_ims_tell_transfer(struct gw_session *s, const char *target,
			  const char *replaces, const char *by,
			  struct gw_leg *joins)
{
	const struct gw_msg msg = {
		.verb = GW_V_TRANSFER,
		.target = {target, NULL},
		.replaces = replaces,
		.joins = joins,
		.referred_by = by,
	};

	tell(s, &msg);
}

void gw_ims_tell_digit(struct gw_session *s, const struct gw_dtmf_relay *d)
{
	char text[GW_DTMF_RELAY_SIZE];
	const struct gw_msg msg = {
		.verb = GW_V_INFO,
		.content_type = GW_DTMF_RELAY_TYPE,
		.content_len = gw_dtmf_relay_print(text, d),
		.content = text,
	};

	tell(s, &msg);
}

void gw_ims_tell_info(struct gw_session *s, const char *type, const void *body,
		      size_t len)
{
	const struct gw_msg msg = {
		.verb = GW_V_INFO,
		.content_type = type,
		.content = body,
		.content_len = len,
	};

	tell(s, &msg);
}

/*
 * A BYE or CANCEL tells why only in Reason (RFC 3326): the SIP status, or the
 * ISUP cause, of which those are mapped that say more than "it is over"
 * (RFC 3398 7.2.4.1).
 */
static unsigned reason_status(const sip_reason_t *r)
{
	static const struct {
		unsigned q850, status;
	} map[] = {
		{1,    404},
                { 17,  486},
                { 18,  408},
                { 19,  480},
		{ 21,  403},
                { 27,  502},
                { 34,  503},
                { 38,  503},
		{ 41,  503},
                { 42,  503},
                { 47,  503},
                { 102, 504},
	};
	unsigned cause;

	if (!r->re_protocol || !r->re_cause)
		return 0;
	cause = (unsigned)strtoul(r->re_cause, NULL, 10);
	if (!strcasecmp(r->re_protocol, "SIP"))
		return cause >= 300 && cause <= 699 ? cause : 0;
	if (strcasecmp(r->re_protocol, "Q.850") != 0)
		return 0;
	for (size_t i = 0; i < GW_ARRAY_LEN(map); i++) {
		if (map[i].q850 == cause)
			return map[i].status;
	}
	return 0;
}

static void read_reasons(struct gw_cause *c, const sip_t *m, const char **said)
{
	const sip_reason_t *r;

	for (r = m->sip_reason; r; r = r->re_next) {
		unsigned status = reason_status(r);

		if (r->re_text)
			*said = r->re_text;
		if (gw_ims_cause_elsewhere(r->re_protocol, r->re_cause))
			c->elsewhere = true;
		else if (status && c->status == 200)
			c->status = (uint16_t)gw_ims_cause_from_sip(status);
	}
}

static bool is_emergency_xml(const sip_t *m)
{
	return m->sip_payload && m->sip_content_type &&
	       m->sip_content_type->c_type &&
	       !strcasecmp(m->sip_content_type->c_type,
			   "application/3gpp-ims+xml") &&
	       gw_emergency_said(m->sip_payload->pl_data,
				 m->sip_payload->pl_len);
}

/* What a failure, BYE or CANCEL says beyond its number, into @text. */
static void read_cause(struct gw_cause *c, char *text, size_t size,
		       unsigned status, const sip_t *m)
{
	char plain[GW_IDENT_NAME_MAX + 1] = "";
	const char *said = NULL;

	c->status = status == 200 ? 200 : gw_ims_cause_from_sip(status);
	if (m && !nta_sip_is_internal(m)) {
		c->sip = status >= 300;
		read_reasons(c, m, &said);
		if (m->sip_request && c->status >= 300)
			c->sip = true;
		if (m->sip_warning && m->sip_warning->w_text)
			said = m->sip_warning->w_text;
		if (m->sip_retry_after &&
		    m->sip_retry_after->af_delta <= UINT16_MAX)
			c->retry_after_s =
				(uint16_t)m->sip_retry_after->af_delta;
	} else if (status == 408 || status == 503) {
		/* Nobody answered, or nobody was reached: worth another try. */
		c->retry_after_s = RETRY_AFTER_S;
	}
	/* The network recognises a number that our list has not (TS 24.229
	 * 5.1.3.1). */
	if (status == 380 && m && is_emergency_xml(m)) {
		c->status = 380;
		c->emergency = true;
	}
	if (said && !gw_ident_unquote(plain, sizeof(plain), said))
		plain[0] = '\0';
	/* The number that was not passed on is kept for people. */
	if (status != 200 && status != c->status)
		(void)snprintf(text, size, "%u %.*s", status, (int)size - 8,
			       plain[0] ? plain : gw_ims_cause_phrase(status));
	else
		(void)snprintf(text, size, "%s", plain);
	if (text[0])
		c->text = text;
}

void gw_ims_tell_refuse(struct gw_session *s, unsigned branch, unsigned status,
			const sip_t *response)
{
	struct gw_msg msg = { .verb = GW_V_REFUSE, .branch = branch };
	char text[GW_IDENT_NAME_MAX + 1];

	read_cause(&msg.cause, text, sizeof(text), status, response);
	tell(s, &msg);
}

void gw_ims_tell_release(struct gw_session *s, unsigned status,
			 const sip_t *message)
{
	struct gw_msg msg = { .verb = GW_V_RELEASE };
	char text[GW_IDENT_NAME_MAX + 1];

	read_cause(&msg.cause, text, sizeof(text), status, message);
	/* Proxies that cancel the other branches need not say why (RFC 3326). */
	if (status == 487 && gw_session_answered_elsewhere(s))
		msg.cause.elsewhere = true;
	tell(s, &msg);
}

/* Of our own making. */
void gw_ims_tell_failure(struct gw_session *s, unsigned status,
			 const char *text)
{
	const struct gw_msg msg = {
		.verb = GW_V_RELEASE,
		.cause = {.status = (uint16_t)status, .text = text},
	};

	tell(s, &msg);
}

void gw_ims_message(struct gw_sip *sip, const sip_t *request,
		    const struct gw_regn *regn, const char *type,
		    gw_message_h *handler, uint64_t ask, void *arg)
{
	const char *dialled = gw_ims_header(request, "P-Called-Party-ID");
	struct gw_message m = { .privacy = gw_ims_wants_privacy(request),
				.type = type };
	struct gw_ims_who sender, receiver;

	m.from = gw_ims_originator(&sender, request);
	m.to = gw_ims_called(sip, &receiver, request).uri;
	if (regn) {
		m.registration = regn->key;
		/* The token is nobody's name. */
		if (!dialled || !m.to)
			m.to = gw_regn_default_impu(regn);
	}
	if (request->sip_payload) {
		m.text = request->sip_payload->pl_data;
		m.len = request->sip_payload->pl_len;
	}
	handler(ask, &m, arg);
}
