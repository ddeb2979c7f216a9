/*
 * The verbs of gateway/leg.h as SIP says them, both ways: headers, bodies,
 * identities.  What is sent when is the session's business.
 */
#include "sip/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/url.h>

#include "gateway/base/buf.h"
#include "gateway/base/check.h"
#include "gateway/base/metrics.h"
#include "sip/extension.h"
#include "sip/ims_cause.h"
#include "sip/regn.h"

#define LEG_MAGIC     0x494d534c /* "IMSL" */
#define HEADERS_MAX   4096
#define INFO_MAX      4096
#define RETRY_AFTER_S 30
/* The communication service of TS 24.173, and as a feature tag has it. */
#define MMTEL         "urn:urn-7:3gpp-service.ims.icsi.mmtel"
#define MMTEL_ESCAPED "urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"

GW_COUNTER(m_out, "isthmus_sip_calls_total", "INVITE sessions, by direction",
	   "direction=\"out\"");
GW_COUNTER(m_in, "isthmus_sip_calls_total", "INVITE sessions, by direction",
	   "direction=\"in\"");
GW_COUNTER(m_bad_target, "isthmus_sip_rejected_total",
	   "Calls and requests refused here, by reason", "reason=\"target\"");

struct ims_leg {
	struct gw_leg base;
	uint32_t magic;
	struct gw_session *session;
};

/* ---- what the peer says ---- */

bool gw_ims_has_sdp(const sip_t *m)
{
	return m && m->sip_payload && m->sip_payload->pl_len &&
	       m->sip_content_type && m->sip_content_type->c_type &&
	       !strcasecmp(m->sip_content_type->c_type, "application/sdp");
}

static const char *header(const sip_t *m, const char *name)
{
	const sip_unknown_t *u;

	for (u = m->sip_unknown; u; u = u->un_next) {
		if (u->un_name && !strcasecmp(u->un_name, name))
			return u->un_value;
	}
	return NULL;
}

/* Text of a peer's message, checked and bounded, for the time of one tell. */
struct who {
	char uri[GW_IDENT_URI_MAX + 1];
	char name[GW_IDENT_NAME_MAX + 1];
};

static bool take_url(char *out, size_t size, const url_t *url)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	url_t bare = *url;
	const char *text;
	bool ok;

	bare.url_headers = NULL;
	/* Of a SIP URI its parameters say how to get there, not who it is. */
	if (bare.url_type == url_sip || bare.url_type == url_sips)
		bare.url_params = NULL;
	su_home_init(home);
	text = url_as_string(home, &bare);
	ok = gw_ident_uri_ok(text) && strlen(text) < size;
	if (ok)
		memcpy(out, text, strlen(text) + 1);
	su_home_deinit(home);
	return ok;
}

static struct gw_party party(struct who *w, const url_t *url,
			     const char *display)
{
	struct gw_party p = { NULL, NULL };

	if (take_url(w->uri, sizeof(w->uri), url))
		p.uri = w->uri;
	if (p.uri && gw_ident_unquote(w->name, sizeof(w->name), display))
		p.display = w->name;
	return p;
}

/* P-Asserted-Identity (RFC 3325 9.1: one or two values, the first counts), or
 * NULL URI. */
static struct gw_party asserted(struct who *w, const sip_t *m)
{
	const char *value = header(m, "P-Asserted-Identity");
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct gw_party p = { NULL, NULL };
	sip_contact_t *c;

	if (!value)
		return p;
	su_home_init(home);
	c = sip_contact_make(home, value);
	if (c)
		p = party(w, c->m_url, c->m_display);
	su_home_deinit(home);
	return p;
}

static bool has_token(const char *list, const char *token)
{
	size_t n, want = strlen(token);

	for (; list && *list; list += n) {
		list += strspn(list, " \t,;");
		n = strcspn(list, " \t,;");
		if (n == want && !strncasecmp(list, token, n))
			return true;
	}
	return false;
}

/* RFC 3323 4.2, RFC 3325 9.3: is the identity for the trust domain only? */
static bool wants_privacy(const sip_t *m)
{
	const msg_param_t *v;

	if (!m->sip_privacy)
		return false;
	for (v = m->sip_privacy->priv_values; v && *v; v++) {
		if (!strcasecmp(*v, "id") || !strcasecmp(*v, "user") ||
		    !strcasecmp(*v, "header"))
			return true;
	}
	return false;
}

/* Who answers, unless for the trust domain only: a browser is outside it. */
static struct gw_party connected(struct who *w, const sip_t *response)
{
	if (wants_privacy(response))
		return (struct gw_party){ NULL, NULL };
	return asserted(w, response);
}

static struct gw_desc desc(const sip_t *m, enum gw_desc_role role)
{
	struct gw_desc d = { GW_DESC_NONE, NULL, 0 };

	if (gw_ims_has_sdp(m)) {
		d.role = role;
		d.text = m->sip_payload->pl_data;
		d.len = m->sip_payload->pl_len;
	}
	return d;
}

/* ---- telling the leg's owner ---- */

static void sync_log_id(struct gw_session *s)
{
	if (s->leg)
		memcpy(s->log_id, s->leg->call_id, sizeof(s->log_id));
	s->log_id[sizeof(s->log_id) - 1] = '\0';
}

static void tell(struct gw_session *s, const struct gw_msg *msg)
{
	struct gw_leg *leg = s->leg;

	if (!leg || s->released)
		return;
	if (msg->verb == GW_V_RELEASE)
		s->released = true;
	leg->handler(leg, msg, leg->arg);
}

bool gw_ims_allows_update(const sip_t *m)
{
	return m->sip_allow &&
	       sip_is_allowed(m->sip_allow, sip_method_update, "UPDATE");
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

static int status_of(enum gw_alert alert)
{
	switch (alert) {
	case GW_ALERT_RINGING:
		return 180;
	case GW_ALERT_FORWARDED:
		return 181;
	case GW_ALERT_QUEUED:
		return 182;
	default:
		return 183;
	}
}

void gw_ims_tell_progress(struct gw_session *s, int status,
			  const struct gw_branch *b, const sip_t *response,
			  bool fresh)
{
	const char *early = header(response, "P-Early-Media");
	struct gw_msg msg = { .verb = GW_V_PROGRESS };
	struct who w;

	/* Without a dialog there is nothing that could end. */
	if (status == 199 && !b)
		return;
	msg.branch = b ? (unsigned)(b - s->branch) + 1 : 0;
	msg.firm = b && b->firm;
	msg.asserted = connected(&w, response);
	msg.alert = alert_of(status);
	/* An offer in an unreliable response does not exist (RFC 3262 5). */
	if (!s->late && fresh)
		msg.desc = desc(response, GW_DESC_EARLY_ANSWER);
	else if (s->late && fresh && b && b->asks)
		msg.desc = desc(response, GW_DESC_OFFER);
	msg.no_early_media =
		has_token(early, "inactive") || has_token(early, "recvonly");
	/* RFC 5009 8: the direction is that of the network's media. */
	msg.early_media =
		has_token(early, "sendrecv") || has_token(early, "sendonly");
	tell(s, &msg);
}

void gw_ims_tell_answer(struct gw_session *s, unsigned branch,
			const sip_t *response, enum gw_desc_role role)
{
	struct gw_msg msg = { .verb = GW_V_ANSWER, .branch = branch };
	struct who w;

	msg.asserted = connected(&w, response);
	if (role != GW_DESC_NONE)
		msg.desc = desc(response, role);
	tell(s, &msg);
}

void gw_ims_tell_offer(struct gw_session *s, unsigned branch,
		       const sip_t *request)
{
	const struct gw_msg msg = { .verb = GW_V_OFFER,
				    .branch = branch,
				    .desc = desc(request, GW_DESC_OFFER) };

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
				    .desc = desc(message, role) };

	tell(s, &msg);
}

void gw_ims_tell_transfer(struct gw_session *s, const char *target,
			  const char *replaces)
{
	const struct gw_msg msg = {
		.verb = GW_V_TRANSFER,
		.target = {target, NULL},
		.replaces = replaces
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

/* What a failure, BYE or CANCEL says beyond its number, into @text. */
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

/* ---- what the call says ---- */

static char *take(struct gw_buf *b)
{
	char *text = gw_buf_error(b) || b->len ? gw_buf_take(b) : NULL;

	gw_buf_fini(b);
	return text;
}

static void add_asserted(struct gw_buf *b, const struct gw_party *who,
			 bool privacy)
{
	char addr[GW_IDENT_ADDR_SIZE];

	if (!who->uri ||
	    gw_ident_addr(addr, sizeof(addr), who->display, who->uri))
		return;
	gw_buf_printf(b, "P-Asserted-Identity: %s\r\n", addr);
	if (privacy)
		gw_buf_str(b, "Privacy: id\r\n");
}

/* TS 24.229 5.1.3.1, 5.2.6.3: what a core wants of a registered caller. */
static void add_core_headers(struct gw_session *s, struct gw_buf *b)
{
	const struct gw_regn *r = gw_regn_find(s->sip, s->registration);
	char access[256] = "";

	if (r)
		gw_regn_access(r, access, sizeof(access));
	gw_buf_printf(b,
		      "P-Preferred-Service: %s\r\n"
		      "Accept-Contact: *;+g.3gpp.icsi-ref=\"%s\"\r\n%s",
		      MMTEL, MMTEL_ESCAPED, access);
}

static void add_extensions(const struct gw_session *s, struct gw_buf *b)
{
	const struct gw_set_sip *set = &s->sip->set->sip;
	unsigned ours = gw_ext_ours(set), demanded = gw_ext_demanded(set);
	char tags[GW_EXT_SIZE];

	/* RFC 3312 4: whoever offers says what it wants. */
	if (s->late) {
		ours &= ~(unsigned)GW_EXT_PRECONDITION;
		demanded &= ~(unsigned)GW_EXT_PRECONDITION;
	}
	if (demanded)
		gw_buf_printf(b, "Require: %s\r\n",
			      gw_ext_print(tags, demanded));
	if (ours & ~demanded)
		gw_buf_printf(b, "Supported: %s\r\n",
			      gw_ext_print(tags, ours & ~demanded));
}

static int setup_headers(struct gw_session *s, const struct gw_msg *msg,
			 const struct gw_party *who)
{
	struct gw_buf b;
	int err;

	gw_buf_init(&b, HEADERS_MAX);
	gw_buf_str(&b, "Accept: application/sdp\r\n"
		       "P-Early-Media: supported\r\n");
	add_extensions(s, &b);
	if (*s->registration)
		add_core_headers(s, &b);
	add_asserted(&b, who, msg->privacy);
	if (msg->replaces)
		gw_buf_printf(&b, "Replaces: %s\r\n", msg->replaces);
	err = gw_buf_error(&b);
	s->headers = take(&b);
	return err;
}

static int setup_identity(struct gw_session *s, const struct gw_msg *msg,
			  const struct gw_party *who)
{
	char addr[GW_IDENT_ADDR_SIZE];

	if (msg->privacy || !who->uri ||
	    gw_ident_addr(addr, sizeof(addr), who->display, who->uri))
		(void)snprintf(addr, sizeof(addr),
			       "\"Anonymous\" <sip:anonymous@anonymous."
			       "invalid>");
	s->from = strdup(addr);
	(void)snprintf(addr, sizeof(addr), "<%s>", msg->target.uri);
	s->to = strdup(addr);
	s->request_uri = strdup(msg->target.uri);
	return s->from && s->to && s->request_uri ? 0 : -ENOMEM;
}

/* Where the INVITE goes, and what our Contact is there.  0, or the status that
 * the call fails with. */
static unsigned choose_way(struct gw_session *s, const struct gw_msg *msg,
			   bool sips)
{
	const char *core = s->sip->set->sip.core;

	if (msg->registration) {
		switch (gw_session_originate(s, msg->registration,
					     msg->asserted.uri)) {
		case 0:
			return 0;
		case -ENOENT:
			gw_info(&s->log, "its caller is not registered");
			return 403;
		default:
			gw_warn(&s->log, "no listener for the transport of the "
					 "core");
			return 503;
		}
	}
	(void)snprintf(s->next_hop, sizeof(s->next_hop), "%s", core);
	if (*core && !gw_stack_contact(s->sip, s->contact, sizeof(s->contact),
				       core, NULL, sips))
		return 0;
	gw_warn(&s->log, "no listener for the transport of sip.core");
	return 503;
}

/* Who is here: of a registered set, the identity that the core knows for this
 * call; another's name would not fit it. */
static struct gw_party here(const struct gw_session *s,
			    const struct gw_msg *msg)
{
	if (!*s->registration ||
	    (msg->asserted.uri && !strcmp(msg->asserted.uri, s->identity)))
		return msg->asserted;
	return (struct gw_party){ .uri = s->identity };
}

static int send_setup(struct gw_session *s, const struct gw_msg *msg)
{
	const char *core = s->sip->set->sip.core;
	struct gw_party who;
	unsigned status;
	bool sips;
	int r;

	if (s->state != GW_SES_IDLE || s->released)
		return -EPROTO;
	if (!gw_ident_uri_ok(msg->target.uri)) {
		gw_metric_add(&m_bad_target, 1);
		gw_info(&s->log, "target cannot be called");
		gw_session_fail_later(s, 484, NULL);
		return 0;
	}
	sips = !strncasecmp(msg->target.uri, "sips:", 5);
	if (sips && !msg->registration && *core &&
	    !gw_stack_core_is_tls(s->sip)) {
		/* RFC 3261 26.2.2, RFC 5630 4: never in clear. */
		gw_metric_add(&m_bad_target, 1);
		gw_info(&s->log, "a sips: target, and sip.core is not TLS");
		gw_session_fail_later(s, 480, "SIPS Not Allowed");
		return 0;
	}
	status = choose_way(s, msg, sips);
	if (status) {
		gw_session_fail_later(s, (uint16_t)status,
				      status == 403 ? "not registered" : NULL);
		return 0;
	}
	who = here(s, msg);
	s->late = msg->desc.role == GW_DESC_NONE;
	r = gw_body_set(&s->sdp, s->late ? NULL : msg->desc.text,
			msg->desc.len);
	if (!r)
		r = setup_identity(s, msg, &who);
	if (!r)
		r = setup_headers(s, msg, &who);
	if (!r)
		r = gw_session_call(s);
	if (r)
		return r;
	gw_metric_add(&m_out, 1);
	return 0;
}

static const char *text_of(const struct gw_msg *msg)
{
	return msg->desc.role == GW_DESC_NONE ? NULL : msg->desc.text;
}

static int send_progress(struct gw_session *s, const struct gw_msg *msg)
{
	const struct gw_party who = here(s, msg);
	const char *sdp = s->late ? NULL : text_of(msg);
	int status = status_of(msg->alert);
	struct gw_buf b;
	char *lines;
	int r;

	gw_buf_init(&b, HEADERS_MAX);
	add_asserted(&b, &who, msg->privacy);
	if (sdp && msg->early_media && s->knows_pem)
		gw_buf_str(&b, "P-Early-Media: sendrecv\r\n");
	lines = take(&b);
	r = gw_session_progress(s, status, lines, sdp, msg->desc.len);
	free(lines);
	if (!r)
		gw_info(&s->log, "%d %s sent", status,
			gw_ims_cause_phrase((unsigned)status));
	return r;
}

static int send_answer(struct gw_session *s, const struct gw_msg *msg)
{
	const struct gw_party who = here(s, msg);
	const char *sdp = text_of(msg);
	struct gw_buf b;
	char *lines;
	int r;

	if (s->late && msg->desc.role != GW_DESC_OFFER)
		return -EPROTO;
	gw_buf_init(&b, HEADERS_MAX);
	add_asserted(&b, &who, msg->privacy);
	lines = take(&b);
	r = gw_session_answer(s, lines, sdp, msg->desc.len);
	free(lines);
	return r;
}

static int send_offer(struct gw_session *s, const struct gw_msg *msg)
{
	if (msg->branch)
		return gw_session_offer_early(s, msg->branch, text_of(msg),
					      msg->desc.len);
	return gw_session_offer(s, text_of(msg), msg->desc.len);
}

static int send_accept(struct gw_session *s, const struct gw_msg *msg)
{
	if (s->state == GW_SES_CALLING && msg->branch &&
	    gw_session_asks(s, msg->branch))
		return gw_session_answer_early(s, msg->branch, text_of(msg),
					       msg->desc.len);
	return gw_session_accept_offer(s, text_of(msg), msg->desc.len);
}

static int send_refuse(struct gw_session *s, const struct gw_msg *msg)
{
	if (s->state == GW_SES_CALLING && msg->branch &&
	    gw_session_asks(s, msg->branch)) {
		/* Its PRACK has no way to say no (RFC 6337 3.1.1). */
		gw_session_release(s, &msg->cause);
		gw_session_fail_later(s, 488, NULL);
		return 0;
	}
	return gw_session_refuse_offer(s, &msg->cause);
}

static int send_info(struct gw_session *s, const struct gw_msg *msg)
{
	const char *type = msg->content_type;

	if (!type || strlen(type) > 64 || strpbrk(type, "\r\n") ||
	    !msg->content || msg->content_len > INFO_MAX)
		return -EPROTO;
	return gw_session_info(s, type, msg->content, msg->content_len);
}

static int send_transfer(struct gw_session *s, const struct gw_msg *msg)
{
	return gw_refer_told(s, &msg->cause);
}

static int send_release(struct gw_session *s, const struct gw_msg *msg)
{
	gw_session_release(s, &msg->cause);
	s->released = true;
	return 0;
}

typedef int(verb_h)(struct gw_session *s, const struct gw_msg *msg);

static verb_h *const verbs[GW_NVERBS] = {
	[GW_V_SETUP] = send_setup,     [GW_V_PROGRESS] = send_progress,
	[GW_V_ANSWER] = send_answer,   [GW_V_OFFER] = send_offer,
	[GW_V_ACCEPT] = send_accept,   [GW_V_REFUSE] = send_refuse,
	[GW_V_INFO] = send_info,       [GW_V_TRANSFER] = send_transfer,
	[GW_V_RELEASE] = send_release,
};

static int ims_send(struct gw_leg *leg, const struct gw_msg *msg)
{
	struct ims_leg *l = (struct ims_leg *)leg;
	struct gw_session *s;
	int r;

	GW_CHECK(l, LEG_MAGIC);
	s = l->session;
	if (s->released || !verbs[msg->verb])
		return msg->verb == GW_V_RELEASE ? 0 : -EPROTO;
	gw_session_enter(s);
	sync_log_id(s);
	r = verbs[msg->verb](s, msg);
	gw_session_leave(s);
	return r;
}

static void ims_free(struct gw_leg *leg)
{
	struct ims_leg *l = (struct ims_leg *)leg;
	struct gw_session *s;
	struct gw_cause cause = { .status = 200 };

	GW_CHECK(l, LEG_MAGIC);
	s = l->session;
	gw_session_enter(s);
	sync_log_id(s);
	if (!s->released) {
		if (s->state == GW_SES_INCOMING)
			cause.status = 503;
		gw_session_release(s, &cause);
	}
	gw_session_detach(s);
	l->magic = 0;
	free(l);
	gw_session_leave(s);
}

static const struct gw_leg_ops ims_ops = {
	.kind = "ims",
	.profile = GW_PROFILE_CORE,
	.send = ims_send,
	.free = ims_free,
};

static void no_owner(struct gw_leg *leg, const struct gw_msg *msg, void *arg)
{
	(void)leg;
	(void)msg;
	(void)arg;
}

static int leg_new(struct ims_leg **out, struct gw_session *s)
{
	struct ims_leg *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->base.ops = &ims_ops;
	l->base.handler = no_owner;
	l->magic = LEG_MAGIC;
	l->session = s;
	s->leg = &l->base;
	*out = l;
	return 0;
}

int gw_ims_leg_new(struct gw_leg **out, struct gw_sip *sip)
{
	struct gw_session *s;
	struct ims_leg *l;

	if (gw_session_new(&s, sip))
		return -ENOMEM;
	gw_session_enter(s);
	if (leg_new(&l, s)) {
		const struct gw_cause cause = { .status = 500 };

		gw_session_release(s, &cause);
		gw_session_leave(s);
		return -ENOMEM;
	}
	gw_session_leave(s);
	*out = &l->base;
	return 0;
}

/* Whom the peer calls: P-Called-Party-ID where the core has put a contact into
 * the Request-URI (RFC 7315 4.2), else that. */
static struct gw_party called(const struct gw_sip *sip, struct who *w,
			      const sip_t *request)
{
	const char *value = header(request, "P-Called-Party-ID");
	const url_t *url = request->sip_request->rq_url;
	const char *domain = sip->set->sip.domain;
	struct gw_party p = { NULL, NULL };
	su_home_t home[1] = { SU_HOME_INIT(home) };
	sip_contact_t *c;
	url_t ours;

	su_home_init(home);
	c = value ? sip_contact_make(home, value) : NULL;
	if (c) {
		p = party(w, c->m_url, NULL);
	} else {
		ours = *url;
		/* A user at our address is a user of our domain. */
		if (*domain && url->url_user &&
		    gw_stack_is_ours(sip, url->url_host)) {
			ours.url_host = domain;
			ours.url_port = NULL;
		}
		p = party(w, &ours, NULL);
	}
	su_home_deinit(home);
	return p;
}

/* Whom the network asserts, or else who says that it is he; anonymous says
 * nothing. */
static struct gw_party originator(struct who *w, const sip_t *request)
{
	const url_t *from = request->sip_from->a_url;
	struct gw_party p = asserted(w, request);

	if (!p.uri && !(from->url_host &&
			!strcasecmp(from->url_host, "anonymous.invalid")))
		p = party(w, from, request->sip_from->a_display);
	return p;
}

void gw_ims_message(struct gw_sip *sip, const sip_t *request,
		    const struct gw_regn *regn, gw_message_h *handler,
		    uint64_t ask, void *arg)
{
	const char *dialled = header(request, "P-Called-Party-ID");
	struct gw_message m = { .privacy = wants_privacy(request) };
	struct who sender, receiver;

	m.from = originator(&sender, request);
	m.to = called(sip, &receiver, request).uri;
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

int gw_ims_leg_incoming(struct gw_session *s, const sip_t *request)
{
	struct gw_msg setup = { .verb = GW_V_SETUP };
	struct who calling, dialled;
	struct ims_leg *l;

	if (leg_new(&l, s))
		return -ENOMEM;
	setup.instead_of = s->instead_of;
	setup.desc = desc(request, GW_DESC_OFFER);
	setup.privacy = wants_privacy(request);
	setup.asserted = originator(&calling, request);
	setup.target = called(s->sip, &dialled, request);
	gw_session_charge(s, request);
	gw_session_terminate(
		s, request,
		header(request, "P-Called-Party-ID") ? setup.target.uri : NULL);
	setup.may_ask = s->late && s->peer_demands & GW_EXT_100REL;
	setup.reliable =
		s->peer_knows & gw_ext_ours(&s->sip->set->sip) & GW_EXT_100REL;
	if (*s->registration) {
		setup.registration = s->registration;
		/* The token is nobody's name. */
		setup.target = (struct gw_party){ .uri = s->identity };
	}
	s->knows_pem = has_token(header(request, "P-Early-Media"), "supported");
	gw_metric_add(&m_in, 1);
	s->sip->incoming(&l->base, &setup, s->sip->arg);
	sync_log_id(s);
	gw_info(&s->log, "INVITE received, Call-ID %.80s",
		request->sip_call_id->i_id);
	return 0;
}
