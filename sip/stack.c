/*
 * The agent: its listeners, its timers, its counters, its life.  Requests
 * outside dialogs are in stack_request.c, addresses in stack_addr.c, Sofia's
 * log in stack_log.c.
 */
#include "sip/stack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/su_tag.h>
#include <sofia-sip/tport.h>
#include <sofia-sip/tport_tag.h>

#include "gateway/base/addr.h"
#include "gateway/base/check.h"
#include "gateway/base/loop.h"
#include "gateway/base/metrics.h"
#include "sip/dialog.h"
#include "sip/interposed.h"
#include "sip/regn.h"
#include "sip/session.h"
#include "sip/tls.h"

#define MESSAGE_MAX 65536
#define UDP_BUFFER  (4 << 20)
/* Unanswered INVITEs at most, above which NTA says 503 by itself. */
#define PROCEEDING_MAX 20000

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
GW_COUNTER(m_again_rq, AGAIN, AGAIN_HELP, "what=\"request\"");
GW_COUNTER(m_again_rs, AGAIN, AGAIN_HELP, "what=\"response\"");
GW_COUNTER(m_again_in, AGAIN, AGAIN_HELP, "what=\"received\"");
GW_COUNTER(m_garbage, REJ, REJ_HELP, "reason=\"garbage\"");
GW_COUNTER(m_silent, "isthmus_sip_timeouts_total",
	   "Waits that ended unanswered", "what=\"request\"");
GW_COUNTER(m_broken, "isthmus_sip_streams_broken_total",
	   "TCP and TLS connections closed behind a message that could not be read", "");
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

/* ---- life ---- */

/* Who waits for the core waits for nothing.  The INVITE is not NTA's to fail:
 * to it the connection is only closed. */
static void on_tls_refused(const struct gw_addr *peer, void *arg)
{
	struct gw_sip *sip = arg;
	struct gw_session *s;

	(void)peer;
	GW_CHECK(sip, GW_SIP_MAGIC);
	if (!gw_stack_core_is_tls(sip))
		return;
	for (s = sip->sessions; s; s = s->next)
		gw_session_unreachable(s);
}

/*
 * Instead of Sofia's function of this name, which it calls through the PLT when
 * a message on a stream could not be read, or was too long.  Its own stops
 * reading for good and keeps the connection, as it cannot tell where the next
 * message begins: one that the peer closes then stays with us for ever, and a
 * core that goes on using it is never heard again.  RFC 3261 18.3: it is closed.
 */
int tport_stall(tport_t *self)
{
	gw_metric_add(&m_broken, 1);
	return tport_shutdown(self, 2);
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
	gw_stack_log_second(&sip->log);
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

static void check_sofia(const struct gw_sip *sip)
{
	const char *not = gw_interposed_not();

	if (not )
		gw_error(&sip->log,
			 "this build of Sofia-SIP does not call our %s: "
			 "install one that is not linked with -Bsymbolic",
			 not );
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
	sip->magic = GW_SIP_MAGIC;
	sip->loop = loop;
	sip->set = set;
	sip->incoming = incoming;
	sip->arg = arg;
	sip->log = (struct gw_logctx){ .module = "sip" };
	gw_timer_init(&sip->stats, on_stats, sip);
	gw_stack_log_start();
	check_sofia(sip);
	/* RFC 3261 8.2.2.2, but a core forks to several registrations here, and
	 * each of them is a user agent of its own. */
	sip->agent = nta_agent_create(
		gw_loop_su_root(loop), NO_URL, NULL, (nta_agent_magic_t *)sip,
		NTATAG_UA(1), NTATAG_MAXSIZE(MESSAGE_MAX),
		NTATAG_MERGE_482(!set->ims.enabled),
		NTATAG_MAX_PROCEEDING(PROCEEDING_MAX), TAG_END());
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
	GW_CHECK(sip, GW_SIP_MAGIC);
	gw_timer_stop(&sip->stats);
	gw_session_free_all(sip);
	gw_dialog_forget_left(sip);
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
	gw_stack_log_redirect();
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
