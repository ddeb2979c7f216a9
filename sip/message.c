/*
 * MESSAGE (RFC 3428), out and in: text outside of calls.  Each is one
 * transaction; nothing is kept beyond it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/su_tag.h>
#include <sofia-sip/tport_tag.h>

#include "gateway/base/buf.h"
#include "gateway/base/ids.h"
#include "gateway/base/metrics.h"
#include "sip/credentials.h"
#include "sip/ident.h"
#include "sip/ims_cause.h"
#include "sip/regn.h"
#include "sip/session.h"

#define SENT_MAX     8192
#define RECEIVED_MAX 1024 /* that wait for their users here */
#define TEXT         "text/"
#define CHARSET      ";charset=UTF-8"
#define CHALLENGES   2

GW_COUNTER(m_type, "isthmus_sip_rejected_total",
	   "Calls and requests refused here, by reason",
	   "reason=\"message_unusable\"");
GW_COUNTER(m_long, "isthmus_sip_rejected_total",
	   "Calls and requests refused here, by reason",
	   "reason=\"message_size\"");
GW_COUNTER(m_many, "isthmus_sip_rejected_total",
	   "Calls and requests refused here, by reason",
	   "reason=\"message_rate\"");
GW_COUNTER(m_contact, "isthmus_sip_rejected_total",
	   "Calls and requests refused here, by reason",
	   "reason=\"message_contact\"");

/* One that was sent.  NTA carries the pointer: a transaction that is destroyed
 * reports nothing, and this one is destroyed with it. */
struct sent {
	LIST_ENTRY(sent) link;
	struct gw_messages *all;
	uint64_t id;
	nta_outgoing_t *orq;
	char *uri, *from, *to, *route, *headers, *text; /* owned */
	size_t len;
	char hop[256], call_id[33], type[96];
	uint32_t cseq;
	struct gw_digest digest;
	unsigned challenges;
};

/* One that was received. */
struct received {
	LIST_ENTRY(received) link;
	uint64_t ask;
	nta_incoming_t *irq;
};

struct gw_messages {
	struct gw_sip *sip;
	gw_message_h *handler;
	gw_message_done_h *done;
	void *arg;
	LIST_HEAD(, sent) sent;
	LIST_HEAD(, received) received;
	unsigned nsent, nreceived;
	uint64_t last;
};

void gw_sip_serve_messages(struct gw_sip *sip, gw_message_h *handler,
			   gw_message_done_h *done, void *arg)
{
	struct gw_messages *all = calloc(1, sizeof(*all));

	if (!all) {
		gw_error(&sip->log, "no memory: messages are refused");
		return;
	}
	*all = (struct gw_messages){
		.sip = sip, .handler = handler, .done = done, .arg = arg
	};
	sip->messages = all;
}

/* ---- sent ---- */

static void drop_sent(struct sent *s)
{
	LIST_REMOVE(s, link);
	s->all->nsent--;
	if (s->orq)
		nta_outgoing_destroy(s->orq);
	free(s->uri);
	free(s->from);
	free(s->to);
	free(s->route);
	free(s->headers);
	free(s->text);
	free(s);
}

static int transmit(struct sent *s);

/* 401 or 407: the same again, with credentials.  True when it is on its way. */
static bool try_again(struct sent *s, const sip_t *response)
{
	bool stale;

	if (!gw_credentials_take(&s->digest, &s->all->sip->set->sip, response,
				 &stale) ||
	    s->challenges >= CHALLENGES || (s->challenges && !stale))
		return false;
	s->challenges++;
	nta_outgoing_destroy(s->orq);
	s->orq = NULL;
	return transmit(s) == 0;
}

static void on_final(struct sent *s, int status, const sip_t *response)
{
	bool internal = !response || nta_sip_is_internal(response);
	struct gw_messages *all = s->all;
	struct gw_cause cause = { .sip = !internal };
	char text[GW_IDENT_NAME_MAX + 1] = "";
	uint64_t id = s->id;

	if (!internal && (status == 401 || status == 407) &&
	    try_again(s, response))
		return;
	/* 202: somebody stores it (RFC 3428 7). */
	cause.status =
		status < 300
			? 200
			: (uint16_t)gw_ims_cause_from_sip((unsigned)status);
	if (!internal && response->sip_retry_after &&
	    response->sip_retry_after->af_delta <= UINT16_MAX)
		cause.retry_after_s =
			(uint16_t)response->sip_retry_after->af_delta;
	if (!internal && response->sip_warning &&
	    response->sip_warning->w_text &&
	    gw_ident_unquote(text, sizeof(text), response->sip_warning->w_text))
		cause.text = text;
	all->done(id, &cause, all->arg);
	drop_sent(s);
}

static int on_response(void *ref, nta_outgoing_t *orq, const sip_t *response)
{
	int status = nta_outgoing_status(orq);
	msg_t *held;

	if (response && !nta_sip_is_internal(response))
		gw_stack_count_response(false, status);
	if (status < 200)
		return 0;
	/* It may go with the request, which is made anew or dropped. */
	held = nta_outgoing_getresponse(orq);
	on_final(ref, status, response);
	msg_destroy(held);
	return 0;
}

static int transmit(struct sent *s)
{
	struct gw_sip *sip = s->all->sip;
	const char *ua = sip->set->sip.user_agent, *ident;
	su_home_t home[1] = { SU_HOME_INIT(home) };
	bool loose = strstr(s->hop, ";lr") != NULL;
	const char *route = s->route;
	const url_t *hop;
	char *auth;

	su_home_init(home);
	hop = url_make(home, s->hop);
	ident = hop ? gw_stack_ident(hop->url_host) : NULL;
	if (!route && loose)
		route = su_sprintf(home, "<%s>", s->hop);
	auth = gw_credentials_line(&s->digest, &sip->set->sip, home, "MESSAGE",
				   s->uri);
	/* RFC 3428 4: no Contact. */
	s->orq = nta_outgoing_tcreate(
		sip->default_leg, on_response, s,
		loose ? NULL : URL_STRING_MAKE(s->hop), SIP_METHOD_MESSAGE,
		URL_STRING_MAKE(s->uri), SIPTAG_FROM_STR(s->from),
		SIPTAG_TO_STR(s->to), SIPTAG_CALL_ID_STR(s->call_id),
		SIPTAG_CSEQ(
			sip_cseq_create(home, ++s->cseq, SIP_METHOD_MESSAGE)),
		TAG_IF(ident, TPTAG_IDENT(ident)),
		TAG_IF(route, SIPTAG_ROUTE_STR(route)),
		TAG_IF(*ua, SIPTAG_USER_AGENT_STR(ua)),
		TAG_IF(s->headers, SIPTAG_HEADER_STR(s->headers)),
		TAG_IF(auth, SIPTAG_HEADER_STR(auth)),
		SIPTAG_CONTENT_TYPE_STR(s->type),
		SIPTAG_PAYLOAD(
			sip_payload_create(home, s->text, (isize_t)s->len)),
		TAG_END());
	su_home_deinit(home);
	if (!s->orq)
		return -ENOMEM;
	gw_stack_count_request(true, sip_method_message);
	return 0;
}

/* The way through the registration, and what goes with it. */
static int by_registration(struct sent *s, const struct gw_message *m,
			   struct gw_buf *b, const char **identity)
{
	struct gw_sip *sip = s->all->sip;
	struct gw_regn *r = gw_regn_find(sip, m->registration);
	char line[400];

	if (!r || !r->bound)
		return -ENOENT;
	if (r->service_route) {
		(void)snprintf(s->hop, sizeof(s->hop), "%.*s",
			       (int)strcspn(r->service_route + 1, ">"),
			       r->service_route + 1);
		s->route = strdup(r->service_route);
		if (!s->route)
			return -ENOMEM;
	} else {
		(void)snprintf(s->hop, sizeof(s->hop), "%s",
			       r->all->core[r->core].uri);
	}
	*identity = gw_regn_default_impu(r);
	for (size_t i = 0; m->from.uri && i < r->nimpu; i++)
		if (!strcmp(r->impu_set[i], m->from.uri))
			*identity = r->impu_set[i];
	gw_regn_charging(sip, line, sizeof(line), NULL, 0);
	gw_buf_str(b, line);
	gw_regn_access(r, line, sizeof(line));
	gw_buf_str(b, line);
	return 0;
}

static int by_peer(struct sent *s, const struct gw_message *m)
{
	struct gw_sip *sip = s->all->sip;
	const char *core = sip->set->sip.core;

	if (!*core)
		return -ENOENT;
	/* RFC 3261 26.2.2: never in clear. */
	if (!strncasecmp(m->to, "sips:", 5) && !gw_stack_core_is_tls(sip))
		return -ENOENT;
	(void)snprintf(s->hop, sizeof(s->hop), "%s", core);
	return 0;
}

static int fill(struct sent *s, const struct gw_message *m, const char *from,
		struct gw_buf *b)
{
	char addr[GW_IDENT_ADDR_SIZE];
	const char *type = m->type ? m->type : GW_MESSAGE_TYPE;
	const char *display = NULL;
	char tag[17];

	if (from && m->from.uri && !strcmp(from, m->from.uri))
		display = m->from.display;
	if (!from || gw_ident_addr(addr, sizeof(addr), display, from))
		return -EINVAL;
	gw_buf_printf(b, "P-Asserted-Identity: %s\r\n", addr);
	gw_random_token(tag, sizeof(tag), 16);
	if (asprintf(&s->from, "%s;tag=%s", addr, tag) < 0)
		s->from = NULL;
	(void)snprintf(addr, sizeof(addr), "<%s>", m->to);
	s->to = strdup(addr);
	s->uri = strdup(m->to);
	s->text = malloc(m->len + 1);
	if (!s->from || !s->to || !s->uri || !s->text)
		return -ENOMEM;
	if (m->len)
		memcpy(s->text, m->text, m->len);
	s->len = m->len;
	/* XML says by itself, and RFC 3862 wants none. */
	(void)snprintf(s->type, sizeof(s->type), "%s%s", type,
		       strncasecmp(type, TEXT, strlen(TEXT)) ? "" : CHARSET);
	gw_random_token(s->call_id, sizeof(s->call_id), 32);
	s->headers = gw_buf_take(b);
	return s->headers ? 0 : -ENOMEM;
}

int gw_sip_message_send(struct gw_sip *sip, uint64_t id,
			const struct gw_message *m)
{
	struct gw_messages *all = sip->messages;
	const char *from = m->from.uri;
	struct gw_buf b;
	struct sent *s;
	int err;

	if (!all || !gw_ident_uri_ok(m->to))
		return -ENOENT;
	if (all->nsent >= SENT_MAX)
		return -EBUSY;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->all = all;
	s->id = id;
	LIST_INSERT_HEAD(&all->sent, s, link);
	all->nsent++;
	gw_buf_init(&b, 2048);
	err = m->registration ? by_registration(s, m, &b, &from)
			      : by_peer(s, m);
	if (!err)
		err = fill(s, m, from, &b);
	if (!err)
		err = transmit(s);
	gw_buf_fini(&b);
	if (err)
		drop_sent(s);
	return err;
}

/* ---- received ---- */

/* NULL: one that is not taken. */
static const char *type_of(const struct gw_sip *sip, const sip_t *request)
{
	const sip_content_type_t *c = request->sip_content_type;
	const char *charset;

	if (!c || !c->c_type)
		return request->sip_payload && request->sip_payload->pl_len
			       ? NULL
			       : GW_MESSAGE_TYPE;
	charset = msg_header_find_param(c->c_common, "charset");
	if (request->sip_content_encoding ||
	    (charset && !strcasestr(charset, "utf-8") &&
	     !strcasestr(charset, "us-ascii")))
		return NULL;
	return gw_message_type(&sip->set->messages, c->c_type);
}

static int refuse_type(struct gw_sip *sip, nta_incoming_t *irq)
{
	const struct gw_set_messages *set = &sip->set->messages;
	char lines[128 + GW_SET_MSG_TYPES * 68] = "Accept: text/plain";
	size_t n = strlen(lines);

	for (size_t i = 0; i < set->ntype; i++)
		n += (size_t)snprintf(lines + n, sizeof(lines) - n, ", %s",
				      set->type[i]);
	(void)snprintf(lines + n, sizeof(lines) - n,
		       "\r\nAccept-Encoding: identity\r\n");
	return gw_stack_refuse(sip, irq, 415, lines, &m_type);
}

static struct received *note(struct gw_messages *all, nta_incoming_t *irq)
{
	struct received *r;

	if (all->nreceived >= RECEIVED_MAX)
		return NULL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->ask = ++all->last;
	r->irq = irq;
	LIST_INSERT_HEAD(&all->received, r, link);
	all->nreceived++;
	return r;
}

static void drop_received(struct gw_messages *all, struct received *r)
{
	LIST_REMOVE(r, link);
	all->nreceived--;
	free(r);
}

/* The refusal of what cannot be taken at all; 0: it can. */
static int check(struct gw_sip *sip, nta_incoming_t *irq, const sip_t *request)
{
	size_t len = request->sip_payload ? request->sip_payload->pl_len : 0;

	if (request->sip_max_forwards &&
	    request->sip_max_forwards->mf_count == 0)
		return gw_stack_refuse(sip, irq, 483, NULL, &m_type);
	if (!type_of(sip, request))
		return refuse_type(sip, irq);
	if (len > GW_MESSAGE_MAX)
		return gw_stack_refuse(sip, irq, 413, NULL, &m_long);
	return 0;
}

int gw_message_incoming(struct gw_sip *sip, nta_incoming_t *irq,
			const sip_t *request)
{
	struct gw_messages *all = sip->messages;
	struct gw_regn *regn = NULL;
	struct received *r;
	int status;

	if (!all || !sip->set->messages.per_minute)
		return gw_stack_refuse_method(sip, irq, request);
	status = check(sip, irq, request);
	if (status)
		return status;
	if (gw_regn_route(sip, request, &regn) < 0)
		return gw_stack_refuse(sip, irq, 404, NULL, &m_contact);
	r = note(all, irq);
	if (!r)
		return gw_stack_refuse(sip, irq, 503, "Retry-After: 10\r\n",
				       &m_many);
	/* May answer at once: r is gone then. */
	gw_ims_message(sip, request, regn, type_of(sip, request), all->handler,
		       r->ask, all->arg);
	return 0;
}

void gw_sip_message_answer(struct gw_sip *sip, uint64_t ask,
			   const struct gw_cause *cause)
{
	struct gw_messages *all = sip->messages;
	struct received *r = NULL;
	char line[40], *headers = NULL;
	unsigned status;

	if (all)
		LIST_FOREACH(r, &all->received, link)
		{
			if (r->ask == ask)
				break;
		}
	if (!r)
		return;
	status = cause->status < 300 ? 200 : gw_ims_cause_reject(cause);
	if (status == 408) /* RFC 4320 4.2: never to a non-INVITE */
		status = 480;
	if (status >= 300 && cause->retry_after_s) {
		(void)snprintf(line, sizeof(line), "Retry-After: %u\r\n",
			       cause->retry_after_s);
		headers = line;
	}
	(void)gw_stack_refuse(sip, r->irq, (int)status, headers, NULL);
	nta_incoming_destroy(r->irq);
	drop_received(all, r);
}

void gw_messages_free(struct gw_messages *all)
{
	struct received *r;

	if (!all)
		return;
	while (!LIST_EMPTY(&all->sent))
		drop_sent(LIST_FIRST(&all->sent));
	while ((r = LIST_FIRST(&all->received))) {
		nta_incoming_destroy(r->irq);
		drop_received(all, r);
	}
	free(all);
}
