#include "sip/stack.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/su_tag.h>
#include <sofia-sip/tport.h>
#include <sofia-sip/tport_tag.h>

#include "gateway/base/addr.h"
#include "gateway/base/check.h"
#include "gateway/base/loop.h"
#include "gateway/base/metrics.h"
#include "sip/extension.h"
#include "sip/ims_cause.h"
#include "sip/regn.h"
#include "sip/session.h"
#include "sip/tls.h"

#define SIP_MAGIC   0x4e544131 /* "NTA1" */
#define MESSAGE_MAX 65536
#define UDP_BUFFER  (4 << 20)
/* Unanswered INVITEs at most, above which NTA says 503 by itself. */
#define PROCEEDING_MAX 20000

#define OPTIONS_HEADERS "Allow: " GW_SIP_ALLOW "\r\nAccept: application/sdp\r\n"

/* No listener yet: each is added by itself, so that a failure has a name. */
#define NO_URL ((url_string_t *)(intptr_t)-1)

#define REQ      "isthmus_sip_requests_total"
#define REQ_HELP "SIP requests, by direction and method"
#define RES      "isthmus_sip_responses_total"
#define RES_HELP "SIP responses to and from sessions, by direction and class"
#define REJ      "isthmus_sip_rejected_total"
#define REJ_HELP "Calls and requests refused here, by reason"

#define AGAIN      "isthmus_sip_retransmissions_total"
#define AGAIN_HELP "SIP messages sent or received again"
#define STATS_MS   1000

/* clang-format off */
GW_COUNTER(m_in_invite, REQ, REQ_HELP, "direction=\"in\",method=\"INVITE\"");
GW_COUNTER(m_in_bye, REQ, REQ_HELP, "direction=\"in\",method=\"BYE\"");
GW_COUNTER(m_in_other, REQ, REQ_HELP, "direction=\"in\",method=\"other\"");
GW_COUNTER(m_out_invite, REQ, REQ_HELP, "direction=\"out\",method=\"INVITE\"");
GW_COUNTER(m_out_bye, REQ, REQ_HELP, "direction=\"out\",method=\"BYE\"");
GW_COUNTER(m_out_other, REQ, REQ_HELP, "direction=\"out\",method=\"other\"");
GW_COUNTER(m_in_1xx, RES, RES_HELP, "direction=\"in\",class=\"1xx\"");
GW_COUNTER(m_in_2xx, RES, RES_HELP, "direction=\"in\",class=\"2xx\"");
GW_COUNTER(m_in_3xx, RES, RES_HELP, "direction=\"in\",class=\"3xx\"");
GW_COUNTER(m_in_4xx, RES, RES_HELP, "direction=\"in\",class=\"4xx\"");
GW_COUNTER(m_in_5xx, RES, RES_HELP, "direction=\"in\",class=\"5xx\"");
GW_COUNTER(m_in_6xx, RES, RES_HELP, "direction=\"in\",class=\"6xx\"");
GW_COUNTER(m_out_1xx, RES, RES_HELP, "direction=\"out\",class=\"1xx\"");
GW_COUNTER(m_out_2xx, RES, RES_HELP, "direction=\"out\",class=\"2xx\"");
GW_COUNTER(m_out_3xx, RES, RES_HELP, "direction=\"out\",class=\"3xx\"");
GW_COUNTER(m_out_4xx, RES, RES_HELP, "direction=\"out\",class=\"4xx\"");
GW_COUNTER(m_out_5xx, RES, RES_HELP, "direction=\"out\",class=\"5xx\"");
GW_COUNTER(m_out_6xx, RES, RES_HELP, "direction=\"out\",class=\"6xx\"");
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
GW_COUNTER(m_again_rq, AGAIN, AGAIN_HELP, "what=\"request\"");
GW_COUNTER(m_again_rs, AGAIN, AGAIN_HELP, "what=\"response\"");
GW_COUNTER(m_again_in, AGAIN, AGAIN_HELP, "what=\"received\"");
GW_COUNTER(m_garbage, REJ, REJ_HELP, "reason=\"garbage\"");
GW_COUNTER(m_silent, "isthmus_sip_timeouts_total",
	   "Waits that ended unanswered", "what=\"request\"");
/* clang-format on */

void gw_stack_count_request(bool sent, sip_method_t method)
{
	switch (method) {
	case sip_method_invite:
		gw_metric_add(sent ? &m_out_invite : &m_in_invite, 1);
		break;
	case sip_method_bye:
		gw_metric_add(sent ? &m_out_bye : &m_in_bye, 1);
		break;
	default:
		gw_metric_add(sent ? &m_out_other : &m_in_other, 1);
		break;
	}
}

void gw_stack_count_response(bool sent, int status)
{
	static struct gw_metric *const table[2][6] = {
		{&m_in_1xx,   &m_in_2xx,  &m_in_3xx,  &m_in_4xx,  &m_in_5xx,
                 &m_in_6xx },
		{ &m_out_1xx, &m_out_2xx, &m_out_3xx, &m_out_4xx, &m_out_5xx,
                 &m_out_6xx},
	};

	if (status >= 100 && status <= 699)
		gw_metric_add(table[sent][status / 100 - 1], 1);
}

/* ---- Sofia's own log ---- */

/* Exported by the library, declared by none of its public headers. */
extern su_log_t nta_log[];

static const struct gw_logctx sofia_log = { .module = "sofia" };
static const struct gw_logctx garbage_log = { .module = "sip" };

/* Of what cannot be answered, or only by NTA itself: so many lines a second,
 * the others are counted. */
#define GARBAGE_LINES 5
static unsigned garbage_lines;

/* NTA refuses, or drops, what it cannot read, and says so only here. */
static bool is_garbage(const char *line)
{
	const char *p = line + 5;

	if (!strncmp(line, "nta_agent: received garbage from ", 33))
		return true;
	if (strncmp(line, "nta: ", 5) != 0)
		return false;
	/* "nta: METHOD has bad ...", "nta: STATUS has bad ...": nothing else
	 * that a peer writes stands there. */
	while (isalnum((unsigned char)*p))
		p++;
	return p > line + 5 && !strncmp(p, " has bad ", 9);
}

static void say_sofia(const char *line)
{
	const char *bad = strstr(line, " has bad ");

	if (!is_garbage(line)) {
		gw_debug(&sofia_log, "%s", line);
	} else if (garbage_lines++ < GARBAGE_LINES) {
		/* Which header, it does not know for sure. */
		gw_info(&garbage_log, "malformed message: %.*s%s",
			bad ? (int)(bad - line) : (int)strlen(line), line,
			bad ? ", a header is bad or missing" : "");
	}
}

/* Sofia prints a line in pieces. */
static void on_sofia_log(void *unused, const char *fmt, va_list ap)
{
	static char line[512];
	static size_t at;
	char *nl;
	int n;

	(void)unused;
	n = vsnprintf(line + at, sizeof(line) - at, fmt, ap);
	if (n < 0)
		return;
	at += (size_t)n;
	if (at >= sizeof(line))
		at = sizeof(line) - 1;
	nl = strchr(line, '\n');
	if (!nl && at < sizeof(line) - 1)
		return;
	if (nl)
		*nl = '\0';
	say_sofia(line);
	at = 0;
}

static void redirect_log(void)
{
	su_log_redirect(su_log_default, on_sofia_log, NULL);
	su_log_redirect(nta_log, on_sofia_log, NULL);
	su_log_set_level(su_log_default,
			 gw_log_enabled(GW_DEBUG, &sofia_log) ? 3 : 1);
	/* A line for each message sent and received, and for what is wrong in
	 * one, which is wanted at any level of ours. */
	su_log_set_level(nta_log, 5);
}

/* ---- addresses ---- */

static int contact_print(char *buf, size_t size, const char *proto,
			 const char *host, const char *port, bool sips)
{
	bool v6 = strchr(host, ':') && *host != '[';
	const char *how = "";
	int n;

	if (strstr(proto, "TLS") || strstr(proto, "tls"))
		how = sips ? "" : ";transport=tls";
	else if (strstr(proto, "TCP") || strstr(proto, "tcp"))
		how = ";transport=tcp";
	n = snprintf(buf, size, "<%s:%s%s%s%s%s%s>", sips ? "sips" : "sip",
		     v6 ? "[" : "", host, v6 ? "]" : "", port ? ":" : "",
		     port ? port : "", how);
	return n < 0 || (size_t)n >= size ? -ENOENT : 0;
}

static bool is_any(const char *host)
{
	return !strcmp(host, "*") || !strcmp(host, "0.0.0.0") ||
	       !strcmp(host, "::") || !strcmp(host, "[::]");
}

/* The listener of @proto ("UDP", "TCP", "TLS"), of the right family if there
 * is one. */
static const sip_via_t *listener(const struct gw_sip *sip, const char *proto,
				 bool v6)
{
	const sip_via_t *v, *other = NULL;

	for (v = nta_agent_via(sip->agent); v; v = v->v_next) {
		const char *p = strrchr(v->v_protocol, '/');

		if (!p || strcasecmp(p + 1, proto) != 0)
			continue;
		if ((*v->v_host == '[') == v6)
			return v;
		other = v;
	}
	return other;
}

static int contact_for_uri(struct gw_sip *sip, char *buf, size_t size,
			   const char *uri, bool sips)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	const char *proto = "UDP";
	const sip_via_t *v = NULL;
	char transport[8] = "";
	url_t *url;

	su_home_init(home);
	url = url_make(home, uri);
	if (url && url->url_host) {
		(void)url_param(url->url_params, "transport", transport,
				sizeof(transport));
		if (url->url_type == url_sips || !strcasecmp(transport, "tls"))
			proto = "TLS";
		else if (!strcasecmp(transport, "tcp"))
			proto = "TCP";
		v = listener(sip, proto, *url->url_host == '[');
	}
	su_home_deinit(home);
	return v ? contact_print(buf, size, proto, v->v_host, v->v_port, sips)
		 : -ENOENT;
}

static int contact_for_request(struct gw_sip *sip, char *buf, size_t size,
			       nta_incoming_t *irq, bool sips)
{
	tport_t *tp = nta_incoming_transport(sip->agent, irq, NULL);
	const tp_name_t *name;
	const sip_via_t *v;
	int r = -ENOENT;

	if (!tp)
		return -ENOENT;
	name = tport_name(tport_parent(tp));
	if (name && name->tpn_host && !is_any(name->tpn_host)) {
		r = contact_print(buf, size, name->tpn_proto, name->tpn_host,
				  name->tpn_port, sips);
	} else if (name) {
		v = listener(sip, name->tpn_proto,
			     tport_name(tp)->tpn_host &&
				     strchr(tport_name(tp)->tpn_host, ':'));
		if (v)
			r = contact_print(buf, size, name->tpn_proto, v->v_host,
					  v->v_port, sips);
	}
	tport_unref(tp);
	return r;
}

int gw_stack_contact(struct gw_sip *sip, char *buf, size_t size,
		     const char *uri, nta_incoming_t *irq, bool sips)
{
	return irq ? contact_for_request(sip, buf, size, irq, sips)
		   : contact_for_uri(sip, buf, size, uri, sips);
}

bool gw_stack_core_is_tls(const struct gw_sip *sip)
{
	const char *core = sip->set->sip.core;

	return !strncasecmp(core, "sips:", 5) ||
	       strcasestr(core, ";transport=tls");
}

const char *gw_stack_ident(const char *host)
{
	if (!host || !*host)
		return NULL;
	if (*host == '[' || strchr(host, ':'))
		return "ip6";
	return strspn(host, "0123456789.") == strlen(host) ? "ip4" : NULL;
}

bool gw_stack_is_ours(const struct gw_sip *sip, const char *host)
{
	const sip_via_t *v;

	if (!host)
		return false;
	for (v = nta_agent_via(sip->agent); v; v = v->v_next) {
		if (!strcasecmp(v->v_host, host))
			return true;
	}
	return false;
}

/* ---- requests outside dialogs ---- */

int gw_stack_check(struct gw_sip *sip, nta_incoming_t *irq,
		   const sip_t *request)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	char tags[GW_EXT_SIZE];
	sip_supported_t *ours;
	int status;

	if (!request->sip_require)
		return 0;
	su_home_init(home);
	(void)gw_ext_print(tags, gw_ext_ours(&sip->set->sip));
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
	if (request->sip_payload && request->sip_payload->pl_len &&
	    !gw_ims_has_sdp(request))
		return refuse(sip, irq, 415, "Accept: application/sdp\r\n",
			      &m_malformed);
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
	GW_CHECK(sip, SIP_MAGIC);
	gw_stack_count_request(false, method);
	if (method == sip_method_ack) {
		nta_incoming_destroy(irq);
		return 0;
	}
	/* NTA cannot stay silent: 403 is no longer than what came. */
	if (!source_allowed(sip, irq))
		return refuse(sip, irq, 403, NULL, &m_source);
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

/* ---- life ---- */

/* Who waits for the core waits for nothing.  The INVITE is not NTA's to fail:
 * to it the connection is only closed. */
static void on_tls_refused(const struct gw_addr *peer, void *arg)
{
	struct gw_sip *sip = arg;
	struct gw_session *s;

	(void)peer;
	GW_CHECK(sip, SIP_MAGIC);
	if (!gw_stack_core_is_tls(sip))
		return;
	for (s = sip->sessions; s; s = s->next)
		gw_session_unreachable(s);
}

static int add_listener(struct gw_sip *sip, const char *uri)
{
	const struct gw_set_sip *set = &sip->set->sip;
	bool tls = !strncasecmp(uri, "sips:", 5) || strcasestr(uri, "=tls");
	int r = 0;

	if (tls && !sip->tls)
		r = gw_tls_new(&sip->tls, sip->loop, sip->set, on_tls_refused,
			       sip);
	if (tls && !r)
		r = gw_tls_watch(sip->tls);
	if (r) {
		gw_error(&sip->log, "cannot listen on %s", uri);
		return r;
	}
	errno = 0;
	r = nta_agent_add_tport(
		sip->agent, URL_STRING_MAKE(uri), TPTAG_UDP_RMEM(UDP_BUFFER),
		TPTAG_UDP_WMEM(UDP_BUFFER), TPTAG_PONG2PING(1),
		TPTAG_IDENT(strchr(uri, '[') ? "ip6" : "ip4"),
		TAG_IF(tls, TPTAG_CERTIFICATE(set->tls_dir)),
		/* gw_tls decides, and follows a reload. */
		TAG_IF(tls, TPTAG_TLS_VERIFY_POLICY(TPTLS_VERIFY_NONE)),
		TAG_END());
	if (tls) {
		int err = errno;

		gw_tls_adopt(sip->tls);
		errno = err;
	}
	if (!r) {
		gw_info(&sip->log, "listening on %s", uri);
		return 0;
	}
	r = errno ? errno : EADDRNOTAVAIL;
	gw_error(&sip->log, "cannot listen on %s: %s", uri, strerror(r));
	return -r;
}

/* NTA only counts; once a second its counts become ours. */
static void on_stats(struct gw_timer *t, void *arg)
{
	struct gw_sip *sip = arg;
	struct gw_stack_stats now = { 0 }, *old = &sip->stats_seen;

	(void)nta_agent_get_stats(
		sip->agent, NTATAG_S_RETRY_REQUEST_REF(now.sent_request),
		NTATAG_S_RETRY_RESPONSE_REF(now.sent_response),
		NTATAG_S_RECV_RETRY_REF(now.received),
		NTATAG_S_BAD_MESSAGE_REF(now.bad),
		NTATAG_S_TOUT_REQUEST_REF(now.timeout), TAG_END());
	gw_metric_add(&m_again_rq,
		      (int64_t)(now.sent_request - old->sent_request));
	gw_metric_add(&m_again_rs,
		      (int64_t)(now.sent_response - old->sent_response));
	gw_metric_add(&m_again_in, (int64_t)(now.received - old->received));
	gw_metric_add(&m_garbage, (int64_t)(now.bad - old->bad));
	gw_metric_add(&m_silent, (int64_t)(now.timeout - old->timeout));
	*old = now;
	if (garbage_lines > GARBAGE_LINES)
		gw_info(&sip->log, "%u more malformed messages",
			garbage_lines - GARBAGE_LINES);
	garbage_lines = 0;
	(void)gw_timer_start_ms(gw_loop_timers(sip->loop), t, STATS_MS);
}

static void set_timers(struct gw_sip *sip)
{
	const struct gw_set_sip *set = &sip->set->sip;
	unsigned t1 = set->t1_ms ? set->t1_ms : NTA_SIP_T1;

	/* RFC 3261 17.1.1.1 and 17.1.2.2: T2 and T4 keep their ratio to T1. */
	(void)nta_agent_set_params(
		sip->agent, NTATAG_SIP_T1(t1),
		NTATAG_SIP_T1X64(set->t1x64_ms ? set->t1x64_ms : 64 * t1),
		NTATAG_SIP_T2(8 * t1), NTATAG_SIP_T4(10 * t1), TAG_END());
}

int gw_sip_new(struct gw_sip **out, struct gw_loop *loop,
	       const struct gw_settings *set, gw_leg_incoming_h *incoming,
	       void *arg)
{
	struct gw_sip *sip = calloc(1, sizeof(*sip));
	size_t i;
	int r = -ENOMEM;

	if (!sip)
		return -ENOMEM;
	sip->magic = SIP_MAGIC;
	sip->loop = loop;
	sip->set = set;
	sip->incoming = incoming;
	sip->arg = arg;
	sip->log = (struct gw_logctx){ .module = "sip" };
	gw_timer_init(&sip->stats, on_stats, sip);
	redirect_log();
	garbage_lines = 0;
	/* RFC 3261 8.2.2.2, but a core forks to several registrations here, and
	 * each of them is a user agent of its own. */
	sip->agent = nta_agent_create(gw_loop_su_root(loop), NO_URL, NULL, NULL,
				      NTATAG_UA(1), NTATAG_MAXSIZE(MESSAGE_MAX),
				      NTATAG_MERGE_482(!set->ims.enabled),
				      NTATAG_MAX_PROCEEDING(PROCEEDING_MAX),
				      TAG_END());
	if (!sip->agent)
		goto fail;
	set_timers(sip);
	for (i = 0; i < set->sip.nlisten; i++) {
		r = add_listener(sip, set->sip.listen[i]);
		if (r)
			goto fail;
	}
	r = -ENOMEM;
	sip->default_leg = nta_leg_tcreate(sip->agent, gw_stack_on_request, sip,
					   NTATAG_NO_DIALOG(1), TAG_END());
	if (!sip->default_leg ||
	    gw_timer_start_ms(gw_loop_timers(loop), &sip->stats, STATS_MS) ||
	    gw_regns_new(&sip->regns, sip))
		goto fail;
	*out = sip;
	return 0;
fail:
	if (r == -ENOMEM)
		gw_error(&sip->log, "the SIP stack did not start");
	gw_sip_free(sip);
	return r;
}

void gw_sip_free(struct gw_sip *sip)
{
	if (!sip)
		return;
	GW_CHECK(sip, SIP_MAGIC);
	gw_timer_stop(&sip->stats);
	gw_session_free_all(sip);
	gw_messages_free(sip->messages);
	gw_regns_free(sip->regns);
	if (sip->default_leg)
		nta_leg_destroy(sip->default_leg);
	if (sip->agent)
		nta_agent_destroy(sip->agent);
	gw_tls_free(sip->tls);
	sip->magic = 0;
	free(sip);
}

void gw_sip_reload(struct gw_sip *sip, const struct gw_settings *set)
{
	sip->set = set;
	redirect_log();
	set_timers(sip);
	gw_cores_stop(sip->regns);
	gw_cores_start(sip->regns);
	if (sip->tls)
		(void)gw_tls_reload(sip->tls, set);
}

void gw_sip_set_draining(struct gw_sip *sip, uint16_t retry_after_s)
{
	sip->draining_s = retry_after_s;
}

unsigned gw_sip_live_legs(const struct gw_sip *sip)
{
	return sip->nsession;
}
