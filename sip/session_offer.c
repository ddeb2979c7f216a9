/*
 * Offers inside an established session (RFC 3261 14, 3264, 3311), and INFO.
 *
 * Glare, our rule: an OFFER that cannot go out yet, or was refused with 491,
 * is kept and sent by us when its time comes.  If the peer's offer comes
 * first, ours is given back to the call as REFUSE 491, and then the peer's is
 * reported: the call never has two offers open on one leg.
 */
#include "sip/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/ids.h"
#include "gateway/base/metrics.h"
#include "sip/dialog.h"
#include "sip/extension.h"
#include "sip/ims_cause.h"

#define GLARES_MAX 5

GW_COUNTER(m_glare_in, "isthmus_sip_glare_total", "491, by who sent it",
	   "by=\"peer\"");
GW_COUNTER(m_glare_out, "isthmus_sip_glare_total", "491, by who sent it",
	   "by=\"us\"");
GW_COUNTER(m_retries, "isthmus_sip_offer_retries_total",
	   "Offers sent again after 491", "");

/* ---- ours ---- */

static bool may_send(const struct gw_session *s)
{
	return s->state == GW_SES_UP && s->offer == GW_OFF_QUEUED &&
	       !gw_timer_running(&s->glare) && !s->inv_irq && !s->upd_irq &&
	       !s->re_invite && !gw_session_early_offers(s);
}

static int send_offer(struct gw_session *s)
{
	char lines[GW_TIMER_LINES];
	struct gw_dialog_msg m = {
		.body = s->queued.data,
		.len = s->queued.len,
	};

	if (!may_send(s))
		return 0;
	(void)gw_session_timer_ask(s, lines);
	m.headers = *lines ? lines : NULL;
	s->re_invite = gw_dialog_request(s, sip_method_invite, &m, false);
	if (!s->re_invite) {
		s->offer = GW_OFF_NONE;
		return -ENOMEM;
	}
	s->offer = GW_OFF_SENT;
	s->re_cancelled = false;
	gw_session_start_timer(s, &s->overdue, gw_session_t1x64(s));
	gw_info(&s->log, "re-INVITE sent");
	return 0;
}

/* To an INVITE without one, whose sender acknowledges a 18x (RFC 3262 5). */
static int offer_in_18x(struct gw_session *s, const void *sdp, size_t len)
{
	const struct gw_dialog_msg m = { .body = sdp, .len = len };
	int r;

	if (!s->late || !sdp || s->sdp_sent ||
	    !(s->peer_knows & GW_EXT_100REL) ||
	    !(gw_ext_ours(&s->sip->set->sip) & GW_EXT_100REL))
		return -EPROTO;
	r = gw_session_provisional(s, 183, &m);
	if (r)
		return r;
	s->offer = GW_OFF_EARLY;
	gw_info(&s->log, "183 sent with an offer");
	return 0;
}

int gw_session_offer(struct gw_session *s, const void *sdp, size_t len)
{
	if (s->state == GW_SES_INCOMING)
		return offer_in_18x(s, sdp, len);
	if (s->state != GW_SES_UP && s->state != GW_SES_ANSWERED)
		return -EPROTO;
	if (s->offer == GW_OFF_PEER || s->offer == GW_OFF_PEER_LATE ||
	    s->offer == GW_OFF_PEER_GONE)
		return -EAGAIN;
	if (s->offer != GW_OFF_NONE)
		return -EPROTO;
	if (gw_body_set(&s->queued, sdp, len))
		return -ENOMEM;
	s->queued_late = !sdp;
	s->glares = 0;
	s->re_challenged = false;
	s->offer = GW_OFF_QUEUED;
	return send_offer(s);
}

void gw_session_flush_offer(struct gw_session *s)
{
	if (send_offer(s))
		gw_ims_tell_refuse(s, 0, 500, NULL);
}

void gw_session_glare_over(struct gw_session *s)
{
	if (!may_send(s))
		return; /* whatever is in the way flushes when it ends */
	gw_metric_add(&m_retries, 1);
	gw_session_flush_offer(s);
}

/* RFC 3261 14.1: multiples of 10 ms; the owner of the Call-ID waits longer. */
static void wait_after_glare(struct gw_session *s)
{
	uint32_t ms = s->uas ? 10 * (gw_random_u32() % 201)
			     : 2100 + 10 * (gw_random_u32() % 191);

	s->offer = GW_OFF_QUEUED;
	gw_info(&s->log, "glare: offer again in %u ms", ms);
	gw_session_start_timer(s, &s->glare, ms);
}

void gw_session_lost(struct gw_session *s, int status)
{
	const struct gw_cause cause = { .status = (uint16_t)status };

	gw_warn(&s->log, "dialog lost: %d", status);
	/* RFC 3261 12.2.1.2: a silent peer still gets a BYE. */
	if (status == 408)
		gw_session_release(s, &cause);
	else
		(void)gw_session_event(s, GW_SEV_PEER_ENDS);
	gw_ims_tell_release(s, (unsigned)status, NULL);
}

static void on_offer_taken(struct gw_session *s, const sip_t *response)
{
	bool has_sdp = gw_ims_has_sdp(response);

	gw_timer_stop(&s->overdue);
	gw_dialog_refresh(s, s->dialog, false, response);
	gw_session_timer_reinvited(s, response);
	if (s->state == GW_SES_UP && s->queued_late && has_sdp) {
		s->offer = GW_OFF_LATE;
		gw_ims_tell_accept(s, 0, response, GW_DESC_OFFER);
		return;
	}
	(void)gw_dialog_ack_re(s, s->re_invite, NULL);
	gw_dialog_drop(&s->re_invite);
	if (s->state != GW_SES_UP)
		return;
	s->offer = GW_OFF_NONE;
	if (has_sdp)
		gw_ims_tell_accept(s, 0, response, GW_DESC_ANSWER);
	else
		gw_ims_tell_refuse(s, 0, 488, NULL);
}

static void on_offer_refused(struct gw_session *s, int status,
			     const sip_t *response)
{
	bool internal = !response || nta_sip_is_internal(response);

	gw_timer_stop(&s->overdue);
	gw_dialog_drop(&s->re_invite);
	if (s->state != GW_SES_UP)
		return;
	if (status == 487 && s->re_cancelled)
		status = 504; /* not the peer's doing */
	if ((status == 401 || status == 407) && !internal &&
	    !s->re_challenged) {
		s->re_challenged = true;
		if (gw_session_challenged(s, response, 0)) {
			s->offer = GW_OFF_QUEUED;
			gw_session_flush_offer(s);
			return;
		}
	}
	if (status == 422 && !internal &&
	    gw_session_timer_raised(s, response)) {
		s->offer = GW_OFF_QUEUED;
		gw_session_flush_offer(s);
		return;
	}
	if (status == 491 && ++s->glares <= GLARES_MAX) {
		gw_metric_add(&m_glare_in, 1);
		wait_after_glare(s);
		return;
	}
	s->offer = GW_OFF_NONE;
	if (gw_ims_cause_ends_dialog((unsigned)status)) {
		gw_session_lost(s, status);
		return;
	}
	gw_info(&s->log, "re-INVITE refused: %d", status);
	gw_ims_tell_refuse(s, 0, (unsigned)status, response);
}

/*
 * A peer that answers 100 and then nothing (NTA has no timer C): CANCEL, and
 * when even that brings no final response the dialog counts as lost.
 */
void gw_session_offer_overdue(struct gw_session *s)
{
	if (!s->re_invite || s->offer != GW_OFF_SENT)
		return;
	if (s->re_cancelled || !gw_dialog_cancel(s->re_invite, NULL)) {
		on_offer_refused(s, 408, NULL);
		return;
	}
	s->re_cancelled = true;
	gw_info(&s->log, "no answer to our re-INVITE: cancelled");
	gw_session_start_timer(s, &s->overdue, gw_session_t1x64(s));
}

static void on_bye_response(struct gw_session *s, int status,
			    const sip_t *response)
{
	if (status < 200)
		return;
	gw_dialog_drop(&s->bye);
	if ((status == 401 || status == 407) && response &&
	    !s->bye_challenged) {
		s->bye_challenged = true;
		if (gw_session_challenged(s, response, 0)) {
			gw_session_bye(s);
			return;
		}
	}
	gw_debug(&s->log, "BYE answered %d", status);
	(void)gw_session_event(s, GW_SEV_ENDED);
}

static void on_info_response(struct gw_session *s, nta_outgoing_t *orq,
			     int status, const sip_t *response)
{
	if (s->state == GW_SES_UP &&
	    gw_session_repeat(s, s->dialog, orq, status, response,
			      &s->info_challenges))
		return;
	if (status < 300)
		return;
	gw_info(&s->log, "INFO refused: %d", status);
	if (s->state == GW_SES_UP && (status == 408 || status == 481))
		gw_session_lost(s, status);
}

void gw_session_on_response(struct gw_session *s, nta_outgoing_t *orq,
			    sip_method_t method, int status,
			    const sip_t *response)
{
	if (method == sip_method_bye && orq == s->bye) {
		on_bye_response(s, status, response);
	} else if (method == sip_method_invite && orq == s->re_invite) {
		if (status >= 300 || (!response && status >= 200))
			on_offer_refused(s, status, response);
		else if (status >= 200 && s->offer != GW_OFF_LATE)
			on_offer_taken(s, response);
	} else if (gw_session_timer_response(s, orq, status, response)) {
		return;
	} else if (method == sip_method_update) {
		gw_session_on_update_response(s, orq, status, response);
	} else if (method == sip_method_prack) {
		gw_session_on_prack_response(s, orq, status, response);
	} else if (method == sip_method_notify) {
		gw_refer_notified(s, orq, status, response);
	} else if (method == sip_method_info && status >= 200) {
		on_info_response(s, orq, status, response);
	}
}

/* ---- the peer's ---- */

void gw_session_reply_later(struct gw_session *s, nta_incoming_t *irq)
{
	char line[32];
	struct gw_dialog_msg m = { .headers = line };

	/* RFC 3261 14.2: between 0 and 10 seconds, at random. */
	(void)snprintf(line, sizeof(line), "Retry-After: %u\r\n",
		       gw_random_u32() % 11);
	(void)gw_dialog_reply(s, irq, 500, &m, false);
}

static void reply_glare(struct gw_session *s, nta_incoming_t *irq)
{
	gw_metric_add(&m_glare_out, 1);
	gw_info(&s->log, "glare: 491");
	(void)gw_dialog_reply(s, irq, 491, NULL, false);
}

/* May the peer offer now?  If not, it has been told. */
static bool peer_may_offer(struct gw_session *s, nta_leg_t *leg,
			   nta_incoming_t *irq)
{
	enum gw_ses_state st = s->state;

	if (gw_session_early_may_offer(s, leg))
		return true;
	/* RFC 3311 5.2: its own last one comes first, early or not. */
	if (s->upd_irq) {
		gw_session_reply_later(s, irq);
		return false;
	}
	if (st == GW_SES_CALLING || st == GW_SES_ACKING ||
	    (st == GW_SES_ANSWERED && s->late) || s->offer == GW_OFF_SENT ||
	    s->offer == GW_OFF_LATE || s->offer == GW_OFF_PEER_LATE ||
	    gw_session_early_offers(s)) {
		reply_glare(s, irq);
	} else if (st == GW_SES_INCOMING || st == GW_SES_ANSWERED ||
		   s->offer == GW_OFF_PEER || s->offer == GW_OFF_PEER_GONE) {
		gw_session_reply_later(s, irq);
	} else if (st != GW_SES_UP || leg != s->dialog) {
		(void)gw_dialog_reply(s, irq, 481, NULL, false);
	} else {
		return true;
	}
	return false;
}

bool gw_session_body_understood(struct gw_session *s, nta_incoming_t *irq,
				const sip_t *request)
{
	const struct gw_dialog_msg m = { .headers = GW_SIP_ACCEPTED };

	if (!gw_ims_body_is_foreign(request))
		return true;
	(void)gw_dialog_reply(s, irq, 415, &m, false);
	return false;
}

/* Ours was waiting; the peer was faster. */
static void give_back(struct gw_session *s)
{
	if (s->offer != GW_OFF_QUEUED)
		return;
	gw_timer_stop(&s->glare);
	s->offer = GW_OFF_NONE;
	gw_ims_tell_refuse(s, 0, 491, NULL);
}

void gw_session_peer_invite(struct gw_session *s, nta_leg_t *leg,
			    nta_incoming_t *irq, const sip_t *request)
{
	/* RFC 3261 14.2: while the first one is unanswered. */
	if (s->state == GW_SES_INCOMING || s->suspended) {
		gw_session_reply_later(s, irq);
		return;
	}
	if (s->state == GW_SES_CALLING) {
		reply_glare(s, irq);
		return;
	}
	if (!peer_may_offer(s, leg, irq) ||
	    !gw_session_body_understood(s, irq, request) ||
	    gw_session_timer_too_short(s, irq, request))
		return;
	give_back(s);
	if (s->state != GW_SES_UP) {
		(void)gw_dialog_reply(s, irq, 481, NULL, false);
		return;
	}
	/* An older one whose ACK is still to come: NTA waits for it alone. */
	gw_dialog_drop_incoming(&s->inv_irq);
	s->inv_irq = irq;
	s->inv_answered = false;
	gw_session_timer_asked(s, request);
	gw_dialog_watch(s, irq);
	(void)gw_dialog_reply(s, irq, 100, NULL, true);
	s->peer_late = !gw_ims_has_sdp(request);
	gw_session_suspend_asked(s, request);
	s->offer = GW_OFF_PEER;
	gw_info(&s->log, "re-INVITE received%s",
		s->peer_late ? " without offer" : "");
	gw_ims_tell_offer(s, 0, request);
}

void gw_session_peer_update(struct gw_session *s, nta_leg_t *leg,
			    nta_incoming_t *irq, const sip_t *request)
{
	bool early = s->state == GW_SES_CALLING || s->state == GW_SES_INCOMING;
	unsigned branch =
		s->state == GW_SES_CALLING ? gw_session_branch_of(s, leg) : 0;

	if (!gw_session_body_understood(s, irq, request) ||
	    gw_session_timer_too_short(s, irq, request))
		return;
	if (!gw_ims_has_sdp(request)) {
		/* A target or session refresh: nothing for the call. */
		gw_dialog_refresh(s, leg, true, request);
		if (!early)
			gw_session_timer_asked(s, request);
		(void)gw_dialog_reply(s, irq, 200, NULL, false);
		if (!early)
			gw_session_timer_replied(s);
		if (branch)
			gw_ims_tell_early_media(s, branch, request);
		return;
	}
	/* RFC 3262 5: the 183's answer is one when it is acknowledged. */
	if (s->suspended && s->reliable) {
		gw_session_reply_later(s, irq);
		return;
	}
	if (!peer_may_offer(s, leg, irq))
		return;
	give_back(s);
	if (s->state != GW_SES_UP && !early) {
		(void)gw_dialog_reply(s, irq, 481, NULL, false);
		return;
	}
	if (early)
		gw_dialog_refresh(s, leg, true, request);
	s->upd_irq = irq;
	s->peer_late = false;
	s->offer = GW_OFF_PEER;
	if (!early)
		gw_session_timer_asked(s, request);
	gw_info(&s->log, "UPDATE received with an offer");
	gw_ims_tell_offer(s, branch, request);
	/* What it authorises, it does with what it describes. */
	if (branch && s->state == GW_SES_CALLING)
		gw_ims_tell_early_media(s, branch, request);
}

/* ---- the call's replies ---- */

static int accept_peer_offer(struct gw_session *s, const void *sdp, size_t len)
{
	const struct gw_dialog_msg m = { .body = sdp, .len = len };
	int r;

	if (!sdp)
		return -EPROTO;
	/* RFC 6141 4: not before, so that a refused one changes nothing. */
	if (s->state == GW_SES_UP)
		gw_dialog_refresh_by(s, s->upd_irq ? s->upd_irq : s->inv_irq);
	if (s->upd_irq) {
		s->offer = GW_OFF_NONE;
		r = gw_dialog_reply(s, s->upd_irq, 200, &m, false);
		s->upd_irq = NULL;
	} else {
		s->inv_answered = true;
		s->offer = s->peer_late ? GW_OFF_PEER_LATE : GW_OFF_NONE;
		r = gw_dialog_reply(s, s->inv_irq, 200, &m, true);
	}
	if (s->state == GW_SES_UP) {
		gw_session_resume(s);
		gw_session_timer_replied(s);
	}
	return r;
}

void gw_session_ask_offer(struct gw_session *s)
{
	if (s->state != GW_SES_UP)
		return;
	s->offer = GW_OFF_ASKED;
	gw_ims_tell_refresh(s);
	if (s->offer == GW_OFF_ASKED)
		s->offer = GW_OFF_NONE;
}

/* What the call would offer, for a refresh by re-INVITE. */
static int offer_asked(struct gw_session *s, const void *sdp, size_t len)
{
	if (!sdp)
		return -EPROTO;
	s->offer = GW_OFF_NONE;
	return gw_session_offer(s, sdp, len);
}

static int accept_late_offer(struct gw_session *s, const void *sdp, size_t len)
{
	const struct gw_dialog_msg m = { .body = sdp, .len = len };
	int r;

	if (!sdp)
		return -EPROTO;
	s->offer = GW_OFF_NONE;
	r = gw_dialog_ack_re(s, s->re_invite, &m);
	gw_dialog_drop(&s->re_invite);
	return r;
}

int gw_session_accept_offer(struct gw_session *s, const void *sdp, size_t len)
{
	if (s->state == GW_SES_ACKING)
		return sdp ? gw_session_ack_answer(s, sdp, len) : -EPROTO;
	switch (s->offer) {
	case GW_OFF_PEER:
		return accept_peer_offer(s, sdp, len);
	case GW_OFF_LATE:
		return accept_late_offer(s, sdp, len);
	case GW_OFF_ASKED:
		return offer_asked(s, sdp, len);
	case GW_OFF_PEER_GONE:
		/* Cancelled: the peer still has the session as it was. */
		s->offer = GW_OFF_NONE;
		return -EPROTO;
	default:
		return -EPROTO;
	}
}

static void refuse_peer_offer(struct gw_session *s,
			      const struct gw_cause *cause)
{
	unsigned status = gw_ims_cause_refuse(cause);
	nta_incoming_t *irq = s->upd_irq ? s->upd_irq : s->inv_irq;
	char lines[224], text[128];
	struct gw_dialog_msg m = { .headers = lines };
	size_t at = 0;

	lines[0] = '\0';
	if (cause->retry_after_s)
		at = (size_t)snprintf(lines, sizeof(lines),
				      "Retry-After: %u\r\n",
				      cause->retry_after_s);
	if (cause->text) {
		gw_ident_quote(text, sizeof(text), cause->text);
		(void)snprintf(lines + at, sizeof(lines) - at,
			       "Warning: 399 isthmus %s\r\n", text);
	}
	if (!*lines)
		m.headers = NULL;
	(void)gw_dialog_reply(s, irq, (int)status, &m, false);
	if (s->upd_irq)
		s->upd_irq = NULL;
	else
		s->inv_irq = NULL;
}

int gw_session_refuse_offer(struct gw_session *s, const struct gw_cause *cause)
{
	struct gw_cause end = { .status = 488, .text = cause->text };

	if (s->state == GW_SES_ACKING || s->offer == GW_OFF_LATE) {
		/* RFC 3261 14.1: an offer in a 2xx cannot be refused; the ACK
		 * goes out, and then the session ends. */
		gw_session_release(s, &end);
		gw_session_fail_later(s, 488, NULL);
		return 0;
	}
	if (s->offer == GW_OFF_PEER)
		refuse_peer_offer(s, cause);
	else if (s->offer != GW_OFF_PEER_GONE && s->offer != GW_OFF_ASKED)
		return -EPROTO;
	s->offer = GW_OFF_NONE;
	gw_session_suspend_refused(s, gw_ims_cause_refuse(cause));
	return 0;
}

int gw_session_info(struct gw_session *s, unsigned branch, const char *type,
		    const void *body, size_t len)
{
	const struct gw_dialog_msg m = { .content_type = type,
					 .body = body,
					 .len = len };

	if (s->state == GW_SES_CALLING && branch && branch <= s->nbranch &&
	    !s->branch[branch - 1].ended)
		return gw_dialog_request_in(s, s->branch[branch - 1].leg,
					    sip_method_info, &m)
			       ? 0
			       : -ENOMEM;
	if (s->state != GW_SES_UP &&
	    (s->state != GW_SES_ANSWERED || s->answer_held))
		return -EPROTO;
	return gw_dialog_request(s, sip_method_info, &m, false) ? 0 : -ENOMEM;
}
