/*
 * Before a call is answered: reliable provisional responses both ways (RFC
 * 3262), and offers in early dialogs, by UPDATE or the peer's PRACK (RFC 3311,
 * RFC 6337 2.2).
 */
#include "sip/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/metrics.h"
#include "sip/dialog.h"
#include "sip/extension.h"
#include "sip/ims_cause.h"

#define REL      "isthmus_sip_reliable_total"
#define REL_HELP "Reliable provisional responses, by what became of them"
GW_COUNTER(m_in, REL, REL_HELP, "direction=\"in\",result=\"acknowledged\"");
GW_COUNTER(m_in_odd, REL, REL_HELP, "direction=\"in\",result=\"ignored\"");
GW_COUNTER(m_out, REL, REL_HELP, "direction=\"out\",result=\"acknowledged\"");
GW_COUNTER(m_out_lost, REL, REL_HELP, "direction=\"out\",result=\"timeout\"");
GW_COUNTER(m_refused, "isthmus_sip_updates_refused_total",
	   "Our UPDATEs that got another final response than 2xx", "");

/* ---- UAC ---- */

unsigned gw_session_branch_of(const struct gw_session *s, const nta_leg_t *leg)
{
	for (unsigned i = 0; i < s->nbranch; i++) {
		if (s->branch[i].leg == leg)
			return i + 1;
	}
	return 0;
}

/* RFC 3262 4: in order; NTA repeats a PRACK that is lost by itself. */
static bool acknowledge(struct gw_session *s, struct gw_branch *b,
			const sip_t *response)
{
	unsigned long rseq = response->sip_rseq->rs_response;

	if (rseq == 0 || rseq > UINT32_MAX || b->asks ||
	    (b->rseq && rseq != (unsigned long)b->rseq + 1)) {
		gw_metric_add(&m_in_odd, 1);
		gw_debug(&s->log, "reliable response %lu out of order", rseq);
		return false;
	}
	b->rseq = (uint32_t)rseq;
	gw_dialog_saw_rseq(b);
	if (s->late && gw_ims_has_sdp(response) && !b->firm) {
		b->asks = true; /* the call answers, and that acknowledges */
		return true;
	}
	if (gw_dialog_prack(s, b, NULL, 0)) {
		gw_warn(&s->log, "PRACK could not be sent");
		return false;
	}
	gw_metric_add(&m_in, 1);
	return true;
}

bool gw_session_early_response(struct gw_session *s, struct gw_branch *b,
			       const sip_t *response)
{
	bool first = !b->firm;

	if (gw_ims_allows_update(response))
		b->may_update = true;
	if (response->sip_status->st_status == 199)
		b->ended = true;
	if (!response->sip_rseq ||
	    !(gw_ext_read(response->sip_require) & GW_EXT_100REL))
		return first && !b->asks;
	if (!acknowledge(s, b, response))
		return false;
	/* An offer of ours is answered by it for good; what later responses
	 * describe only repeats it (RFC 6337 3.1.1). */
	if (gw_ims_has_sdp(response) && !s->late)
		b->firm = true;
	return first;
}

bool gw_session_asks(const struct gw_session *s, unsigned branch)
{
	return branch && branch <= s->nbranch && s->branch[branch - 1].asks;
}

int gw_session_answer_early(struct gw_session *s, unsigned branch,
			    const void *sdp, size_t len)
{
	struct gw_branch *b = &s->branch[branch - 1];

	if (!sdp)
		return -EPROTO;
	if (gw_dialog_prack(s, b, sdp, len))
		return -ENOMEM;
	gw_metric_add(&m_in, 1);
	b->asks = false;
	b->firm = true;
	return 0;
}

static int send_update(struct gw_session *s, struct gw_branch *b,
		       const void *sdp, size_t len)
{
	const struct gw_dialog_msg m = {
		.headers = b->conditions ? GW_SIP_CONDITIONS : NULL,
		.body = sdp,
		.len = len,
	};

	b->update = gw_dialog_request_in(s, b->leg, sip_method_update, &m);
	if (!b->update)
		return -ENOMEM;
	gw_info(&s->log, "UPDATE sent");
	return 0;
}

int gw_session_offer_early(struct gw_session *s, unsigned branch,
			   const void *sdp, size_t len, bool conditions)
{
	struct gw_branch *b;

	if (s->state != GW_SES_CALLING || !branch || branch > s->nbranch ||
	    !sdp)
		return -EPROTO;
	b = &s->branch[branch - 1];
	if (!b->firm || !b->may_update || b->ended)
		return -EPROTO;
	if (b->update || b->offer || s->offer == GW_OFF_PEER)
		return -EAGAIN;
	b->conditions = conditions;
	if (!b->prack)
		return send_update(s, b, sdp, len);
	/* One that overtook the PRACK would meet an answer which, to the peer,
	 * nobody has seen: 500. */
	b->offer = strndup(sdp, len);
	return b->offer ? 0 : -ENOMEM;
}

void gw_session_on_prack_response(struct gw_session *s, nta_outgoing_t *orq,
				  int status, const sip_t *response)
{
	char *offer = NULL;
	struct gw_branch *b;
	unsigned i;

	if (status < 200)
		return;
	for (i = 0; i < s->nbranch && s->branch[i].prack != orq; i++)
		;
	b = i < s->nbranch ? &s->branch[i] : NULL;
	if (b && s->state == GW_SES_CALLING) {
		b->prack = gw_session_repeat(s, b->leg, orq, status, response,
					     &b->challenges);
		if (b->prack)
			return;
	}
	/* The peer repeats its response, or gives the call up. */
	if (status >= 300)
		gw_info(&s->log, "PRACK refused: %d", status);
	if (!b)
		return;
	b->prack = NULL;
	offer = s->branch[i].offer;
	s->branch[i].offer = NULL;
	if (offer && s->state == GW_SES_CALLING &&
	    send_update(s, &s->branch[i], offer, strlen(offer)))
		gw_ims_tell_refuse(s, i + 1, 500, NULL);
	free(offer);
}

static struct gw_branch *branch_updated_by(struct gw_session *s,
					   const nta_outgoing_t *orq)
{
	for (unsigned i = 0; i < s->nbranch; i++) {
		if (s->branch[i].update == orq)
			return &s->branch[i];
	}
	return NULL;
}

void gw_session_on_update_response(struct gw_session *s, nta_outgoing_t *orq,
				   int status, const sip_t *response)
{
	struct gw_branch *b = branch_updated_by(s, orq);
	unsigned n = b ? (unsigned)(b - s->branch) + 1 : 0;

	if (status < 200)
		return;
	if (b)
		b->update =
			s->state != GW_SES_CALLING
				? NULL
				: gw_session_repeat(s, b->leg, orq, status,
						    response, &b->challenges);
	gw_dialog_drop(&orq);
	if (b && b->update)
		return;
	if (!b)
		return;
	if (s->state != GW_SES_CALLING) {
		gw_session_flush_offer(s); /* which waited for this one */
		return;
	}
	if (status < 300 && gw_ims_has_sdp(response)) {
		gw_dialog_refresh(s, b->leg, false, response);
		gw_ims_tell_accept(s, n, response, GW_DESC_ANSWER);
		return;
	}
	gw_metric_add(&m_refused, 1);
	gw_info(&s->log, "UPDATE refused: %d", status);
	gw_ims_tell_refuse(s, n, status < 300 ? 488 : (unsigned)status,
			   response);
}

/* ---- UAS ---- */

/* RFC 3262 3: all of them for who demands it; else those that describe
 * something, because they must not get lost. */
static bool reliably(const struct gw_session *s, bool sdp)
{
	if (!(gw_ext_ours(&s->sip->set->sip) & GW_EXT_100REL))
		return false;
	return s->peer_demands & GW_EXT_100REL ||
	       (s->peer_knows & GW_EXT_100REL && sdp);
}

static void forget(struct gw_held *h)
{
	free(h->headers);
	gw_body_clear(&h->body);
	*h = (struct gw_held){ 0 };
}

void gw_session_drop_held(struct gw_session *s)
{
	for (unsigned i = 0; i < s->nheld; i++)
		forget(&s->held[i]);
	s->nheld = 0;
	free(s->answer_headers);
	s->answer_headers = NULL;
}

static int hold(struct gw_session *s, int status, const struct gw_dialog_msg *m)
{
	struct gw_held *h = &s->held[s->nheld];

	if (s->nheld == GW_SESSION_HELD)
		return m->body ? -ENOMEM : 0; /* one of many ringings */
	h->status = status;
	h->headers = m->headers ? strdup(m->headers) : NULL;
	if ((m->headers && !h->headers) ||
	    gw_body_set(&h->body, m->body, m->len)) {
		forget(h);
		return -ENOMEM;
	}
	s->nheld++;
	s->sdp_sent |= m->body != NULL;
	return 0;
}

static int send_provisional(struct gw_session *s, int status,
			    const struct gw_dialog_msg *m)
{
	if (!reliably(s, m->body != NULL))
		return gw_dialog_reply(s, s->inv_irq, status, m, true);
	s->reliable = gw_dialog_reply_reliably(s, s->inv_irq, status, m);
	if (!s->reliable)
		return -ENOMEM;
	s->describes = m->body != NULL;
	s->sdp_sent |= s->describes;
	return 0;
}

/*
 * One at a time, and nothing behind one that waits: NTA would stop repeating
 * it when another provisional response is sent, and sends a 2xx that it holds
 * back too early when several are queued (RFC 3262 3 forbids that).
 */
int gw_session_provisional(struct gw_session *s, int status,
			   const struct gw_dialog_msg *m)
{
	/* RFC 3261 13.2.1: the first reliable one would have to carry the offer
	 * that the INVITE lacks, and the 200 will. */
	if (s->late && !m->body && reliably(s, false))
		return 0;
	return s->reliable ? hold(s, status, m)
			   : send_provisional(s, status, m);
}

bool gw_session_must_hold(const struct gw_session *s)
{
	return s->sdp_sent && !s->firm;
}

int gw_session_hold_answer(struct gw_session *s, const char *headers)
{
	s->answer_headers = headers ? strdup(headers) : NULL;
	if (headers && !s->answer_headers)
		return -ENOMEM;
	s->answer_held = true;
	return 0;
}

/* What waited for a PRACK. */
static void send_held(struct gw_session *s)
{
	while (s->nheld && !s->reliable && s->inv_irq) {
		struct gw_held h = s->held[0];
		const struct gw_dialog_msg m = { .headers = h.headers,
						 .body = h.body.data,
						 .len = h.body.len };

		s->nheld--;
		memmove(s->held, s->held + 1, s->nheld * sizeof(h));
		s->held[s->nheld] = (struct gw_held){ 0 };
		/* Ringing is over when somebody has answered. */
		if ((m.body || !s->answer_held) &&
		    send_provisional(s, h.status, &m))
			gw_warn(&s->log, "%d could not be sent", h.status);
		forget(&h);
	}
	if (s->answer_held && !gw_session_must_hold(s)) {
		const struct gw_dialog_msg m = { .headers = s->answer_headers };

		s->answer_held = false;
		gw_info(&s->log, "200 sent");
		(void)gw_dialog_reply(s, s->inv_irq, 200, &m, true);
		gw_session_timer_replied(s);
	}
}

/* The answer to what our 18x offered. */
static void on_early_answer(struct gw_session *s, nta_incoming_t *prack,
			    const sip_t *request)
{
	static const struct gw_cause no_answer = {
		.status = 488, .text = "no answer in the PRACK"
	};

	(void)gw_dialog_reply(s, prack, 200, NULL, false);
	s->offer = GW_OFF_NONE;
	if (gw_ims_has_sdp(request)) {
		s->late = false;
		gw_ims_tell_accept(s, 0, request, GW_DESC_ANSWER);
		return;
	}
	gw_session_release(s, &no_answer);
	gw_ims_tell_release(s, 488, NULL);
}

/* An offer in a PRACK is one as in UPDATE. */
static void on_prack_offer(struct gw_session *s, nta_incoming_t *prack,
			   const sip_t *request)
{
	if (s->suspended ? s->offer != GW_OFF_NONE || s->upd_irq != NULL
			 : s->state != GW_SES_INCOMING ||
				   !gw_session_early_may_offer(s, s->dialog)) {
		gw_session_reply_later(s, prack);
		return;
	}
	s->upd_irq = prack;
	s->peer_late = false;
	s->offer = GW_OFF_PEER;
	gw_info(&s->log, "PRACK received with an offer");
	gw_ims_tell_offer(s, 0, request);
}

void gw_session_on_prack(struct gw_session *s, nta_reliable_t *rel,
			 nta_incoming_t *prack, const sip_t *request)
{
	bool described = rel == s->reliable && s->describes;

	if (rel == s->reliable)
		s->reliable = NULL;
	if (!prack) {
		/* Time is up, which NTA says of the INVITE too; or a final
		 * response has made it needless. */
		s->unpracked = s->inv_irq &&
			       (s->state == GW_SES_INCOMING || s->answer_held);
		if (s->unpracked)
			gw_metric_add(&m_out_lost, 1);
		return;
	}
	gw_metric_add(&m_out, 1);
	s->firm |= described;
	if (gw_session_body_understood(s, prack, request)) {
		if (described && s->offer == GW_OFF_EARLY)
			on_early_answer(s, prack, request);
		else if (gw_ims_has_sdp(request))
			on_prack_offer(s, prack, request);
		else
			(void)gw_dialog_reply(s, prack, 200, NULL, false);
	}
	send_held(s);
}

bool gw_session_early_offers(const struct gw_session *s)
{
	return s->nbranch && s->branch[s->won].update;
}

bool gw_session_early_may_offer(const struct gw_session *s,
				const nta_leg_t *leg)
{
	unsigned n;

	if (s->offer != GW_OFF_NONE || s->upd_irq)
		return false;
	if (s->state == GW_SES_INCOMING)
		return s->firm;
	n = gw_session_branch_of(s, leg);
	return s->state == GW_SES_CALLING && n && s->branch[n - 1].firm &&
	       !s->branch[n - 1].update && !s->branch[n - 1].offer;
}
