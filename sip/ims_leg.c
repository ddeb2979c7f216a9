/*
 * The leg of a SIP session: what the call says, in the verbs of gateway/leg.h,
 * as headers and bodies, and the leg of an INVITE that comes.  What is sent
 * when is the session's business; what the peer says is read by ims_read.c and
 * told by ims_tell.c.
 */
#include "sip/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/check.h"
#include "gateway/base/emergency.h"
#include "gateway/base/metrics.h"
#include "sip/extension.h"
#include "sip/ims_cause.h"
#include "sip/ims_info.h"
#include "sip/ims_read.h"
#include "sip/regn.h"

#define LEG_MAGIC   0x494d534c /* "IMSL" */
#define HEADERS_MAX 4096
#define INFO_MAX    4096
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

/* ---- what the call says ---- */

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

/* TS 24.229 5.1.3.1, 5.2.6.3: what a core wants of a registered caller; a call
 * for help asks for no service (5.1.6.8.3). */
static void add_core_headers(struct gw_session *s, struct gw_buf *b,
			     bool emergency)
{
	const struct gw_regn *r = gw_regn_find(s->sip, s->registration);
	char access[256] = "";

	if (r)
		gw_regn_access(r, access, sizeof(access));
	if (!emergency)
		gw_buf_printf(b,
			      "P-Preferred-Service: %s\r\n"
			      "Accept-Contact: *;+g.3gpp.icsi-ref=\"%s\"\r\n",
			      MMTEL, MMTEL_ESCAPED);
	gw_buf_str(b, access);
}

static void add_extensions(const struct gw_session *s, struct gw_buf *b)
{
	const struct gw_set_sip *set = &s->sip->set->sip;
	unsigned ours = gw_ext_ours(set) | GW_EXT_199;
	unsigned demanded = gw_ext_demanded(set);
	char tags[GW_EXT_SIZE];

	/* RFC 3312 4: whoever offers says what it wants. */
	if (s->late)
		demanded &= ~(unsigned)GW_EXT_PRECONDITION;
	if (demanded)
		gw_buf_printf(b, "Require: %s\r\n",
			      gw_ext_print(tags, demanded));
	if (ours & ~demanded)
		gw_buf_printf(b, "Supported: %s\r\n",
			      gw_ext_print(tags, ours & ~demanded));
}

/* RFC 3261 20.26; RFC 4412 where the operator wants it (RFC 7135: esnet).  And
 * where the caller is, as far as we know: nobody else says so of a caller who
 * is not registered (TS 24.229 5.1.6.8.3). */
static void add_urgency(struct gw_session *s, struct gw_buf *b)
{
	const struct gw_settings *set = s->sip->set;

	gw_buf_str(b, "Priority: emergency\r\n");
	if (*set->emergency.resource_priority)
		gw_buf_printf(b, "Resource-Priority: %s\r\n",
			      set->emergency.resource_priority);
	if (!*s->registration && *set->ims.access_network_info)
		gw_buf_printf(b,
			      "P-Access-Network-Info: %s;network-provided\r\n",
			      set->ims.access_network_info);
}

static int setup_headers(struct gw_session *s, const struct gw_msg *msg,
			 const struct gw_party *who)
{
	struct gw_buf b;
	int err;

	gw_buf_init(&b, HEADERS_MAX);
	gw_buf_str(&b, "Accept: " GW_SIP_ACCEPT "\r\n"
		       "P-Early-Media: supported\r\n");
	add_extensions(s, &b);
	if (*s->registration)
		add_core_headers(s, &b, msg->emergency);
	add_asserted(&b, who, msg->privacy);
	if (msg->emergency)
		add_urgency(s, &b);
	if (msg->call_info && msg->call_info->subject[0])
		gw_buf_printf(&b, "Subject: %s\r\n", msg->call_info->subject);
	if (msg->replaces)
		gw_buf_printf(&b, "Replaces: %s\r\n", msg->replaces);
	if (gw_ident_uri_ok(msg->referred_by))
		gw_buf_printf(&b, "Referred-By: <%s>\r\n", msg->referred_by);
	err = gw_buf_error(&b);
	s->headers = take(&b);
	return err;
}

static int setup_identity(struct gw_session *s, const struct gw_msg *msg,
			  const struct gw_party *who)
{
	char addr[GW_IDENT_ADDR_SIZE];
	const char *name = msg->call_info && msg->call_info->name[0]
				   ? msg->call_info->name
				   : who->display;

	if (msg->privacy || !who->uri ||
	    gw_ident_addr(addr, sizeof(addr), name, who->uri))
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

/*
 * An emergency call goes to the E-CSCF, or where its caller's other calls go;
 * where that is nowhere any more (nobody registers him), to the first core
 * that could be meant.
 */
static unsigned choose_emergency_way(struct gw_session *s,
				     const struct gw_msg *msg)
{
	const struct gw_settings *set = s->sip->set;
	const char *target = set->emergency.target;
	bool known =
		msg->registration &&
		!gw_session_originate(s, msg->registration, msg->asserted.uri);

	if (known && !*target)
		return 0;
	/* Nor half a way through a registration that could not be gone. */
	free(s->route);
	s->route = NULL;
	if (*target) {
		s->route = malloc(strlen(target) + sizeof("<;lr>"));
		if (!s->route)
			return 503;
		/* TS 24.229 5.2.10.4: the topmost Route is the E-CSCF. */
		(void)sprintf(s->route, "<%s;lr>", target);
	} else {
		target = *set->sip.core ? set->sip.core : set->ims.core[0];
	}
	(void)snprintf(s->next_hop, sizeof(s->next_hop), "%s%s", target,
		       s->route ? ";lr" : "");
	if (*target &&
	    (known || !gw_stack_contact(s->sip, s->contact, sizeof(s->contact),
					target, NULL, false)))
		return 0;
	gw_error(&s->log, "emergency call: no way to %s",
		 *target ? target : "any core");
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
	if (msg->emergency ? !gw_emergency_is_urn(msg->target.uri)
			   : !gw_ident_uri_ok(msg->target.uri)) {
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
	status = msg->emergency ? choose_emergency_way(s, msg)
				: choose_way(s, msg, sips);
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
	if (sdp && msg->conditions)
		gw_buf_str(&b, GW_SIP_CONDITIONS);
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
					      msg->desc.len, msg->conditions);
	return gw_session_offer(s, text_of(msg), msg->desc.len);
}

static int send_accept(struct gw_session *s, const struct gw_msg *msg)
{
	if (s->state == GW_SES_CALLING && msg->branch &&
	    gw_session_asks(s, msg->branch))
		return gw_session_answer_early(s, msg->branch, text_of(msg),
					       msg->desc.len);
	return msg->waits ? gw_session_suspend(s, text_of(msg), msg->desc.len)
			  : gw_session_accept_offer(s, text_of(msg),
						    msg->desc.len);
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
	return gw_session_info(s, msg->branch, type, msg->content,
			       msg->content_len);
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

/* ---- the leg ---- */

typedef int(verb_h)(struct gw_session *s, const struct gw_msg *msg);

static verb_h *const verbs[GW_NVERBS] = {
	[GW_V_SETUP] = send_setup,     [GW_V_PROGRESS] = send_progress,
	[GW_V_ANSWER] = send_answer,   [GW_V_OFFER] = send_offer,
	[GW_V_ACCEPT] = send_accept,   [GW_V_REFUSE] = send_refuse,
	[GW_V_INFO] = send_info,       [GW_V_TRANSFER] = send_transfer,
	[GW_V_RELEASE] = send_release,
};

static void sync_log_id(struct gw_session *s)
{
	if (s->leg)
		memcpy(s->log_id, s->leg->call_id, sizeof(s->log_id));
	s->log_id[sizeof(s->log_id) - 1] = '\0';
}

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

int gw_ims_leg_incoming(struct gw_session *s, const sip_t *request)
{
	struct gw_msg setup = { .verb = GW_V_SETUP };
	struct gw_ims_who calling, dialled;
	struct gw_call_info info;
	struct ims_leg *l;

	if (leg_new(&l, s))
		return -ENOMEM;
	setup.instead_of = s->instead_of;
	setup.desc = gw_ims_desc(request, GW_DESC_OFFER);
	setup.privacy = gw_ims_wants_privacy(request);
	setup.call_info = gw_ims_info(&info, request);
	setup.asserted = gw_ims_originator(&calling, request);
	setup.target = gw_ims_called(s->sip, &dialled, request);
	gw_session_charge(s, request);
	gw_session_terminate(s, request,
			     gw_ims_header(request, "P-Called-Party-ID")
				     ? setup.target.uri
				     : NULL);
	setup.may_ask = s->late && s->peer_demands & GW_EXT_100REL;
	setup.reliable =
		s->peer_knows & gw_ext_ours(&s->sip->set->sip) & GW_EXT_100REL;
	if (*s->registration) {
		setup.registration = s->registration;
		/* The token is nobody's name. */
		setup.target = (struct gw_party){ .uri = s->identity };
	}
	s->knows_pem = gw_ims_has_token(gw_ims_header(request, "P-Early-Media"),
					"supported");
	gw_metric_add(&m_in, 1);
	s->sip->incoming(&l->base, &setup, s->sip->arg);
	sync_log_id(s);
	gw_info(&s->log, "INVITE received, Call-ID %.80s",
		request->sip_call_id->i_id);
	return 0;
}
