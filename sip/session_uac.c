/* The calls we make: INVITE, its forks, its challenges, CANCEL. */
#include "sip/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/metrics.h"
#include "sip/credentials.h"
#include "sip/dialog.h"
#include "sip/ims_cause.h"
#include "sip/regn.h"

GW_COUNTER(m_crowded, "isthmus_sip_forks_ignored_total",
	   "Provisional responses of more forks than an INVITE may have", "");

/* Dialogs that begin with a BYE: they must not use up what forks need. */
#define STRANGERS_MAX 4

int gw_session_call(struct gw_session *s)
{
	int r = gw_dialog_open(s);

	if (!r)
		r = gw_dialog_invite(s);
	if (r)
		return r;
	(void)gw_session_event(s, GW_SEV_START);
	gw_session_start_timer(
		s, &s->ring, (uint64_t)s->sip->set->sip.ring_timeout_s * 1000);
	return 0;
}

void gw_session_cancel(struct gw_session *s, const struct gw_cause *cause)
{
	char reason[160], line[180];
	const char *headers = NULL;

	if (gw_ims_cause_reason(reason, sizeof(reason), cause, true)) {
		(void)snprintf(line, sizeof(line), "Reason: %s\r\n", reason);
		headers = line;
	}
	/* Nothing to cancel: its final response is on the way to us. */
	if (gw_dialog_cancel(s->invite, headers))
		gw_info(&s->log, "CANCEL sent");
	gw_session_start_timer(s, &s->guard, gw_session_t1x64(s));
}

void gw_session_drop_branches(struct gw_session *s)
{
	unsigned i;

	for (i = 0; i < s->nbranch; i++) {
		if (i != s->won)
			gw_dialog_drop_branch(s, &s->branch[i]);
	}
	if (s->nbranch)
		gw_dialog_drop(&s->branch[s->won].tagged);
	gw_dialog_drop(&s->invite);
	if (s->won) {
		struct gw_branch won = s->branch[s->won];

		s->branch[s->won] = (struct gw_branch){ 0 };
		s->branch[0] = won;
		s->won = 0;
	}
	s->nbranch = s->nbranch ? 1 : 0;
}

bool gw_session_challenged(struct gw_session *s, const sip_t *response,
			   unsigned before)
{
	bool stale;
	bool fits = gw_credentials_take(&s->digest, &s->sip->set->sip, response,
					&stale);

	/* A first challenge, and one more when only the nonce was too old. */
	if (!fits || before > 1 || (before && !stale)) {
		gw_credentials_count(false);
		gw_warn(&s->log, "%d that we cannot answer%s",
			response->sip_status->st_status,
			before && fits ? ": credentials refused" : "");
		return false;
	}
	gw_credentials_count(true);
	return true;
}

nta_outgoing_t *gw_session_repeat(struct gw_session *s, nta_leg_t *leg,
				  nta_outgoing_t *orq, int status,
				  const sip_t *response, unsigned *challenges)
{
	if (status < 300)
		*challenges = 0;
	if ((status != 401 && status != 407) || !response ||
	    nta_sip_is_internal(response) ||
	    !gw_session_challenged(s, response, (*challenges)++))
		return NULL;
	return gw_dialog_again(s, leg, orq);
}

/* 401 or 407: the same call again, with credentials; 422: with a longer
 * interval.  True when it is on its way. */
static bool try_again(struct gw_session *s, const sip_t *response)
{
	unsigned i;

	if (response->sip_status->st_status == 422
		    ? !gw_session_timer_raised(s, response)
		    : !gw_session_challenged(s, response, s->challenges++))
		return false;
	for (i = 0; i < s->nbranch; i++)
		gw_dialog_drop_branch(s, &s->branch[i]);
	gw_dialog_drop(&s->invite);
	s->nbranch = 0;
	return gw_dialog_invite(s) == 0;
}

static void on_final_failure(struct gw_session *s, int status,
			     const sip_t *response)
{
	bool internal = !response || nta_sip_is_internal(response);

	if (s->state == GW_SES_CALLING && !internal &&
	    (status == 401 || status == 407 || status == 422) &&
	    try_again(s, response))
		return;
	/* A losing fork's end, or what came after our own. */
	if (!gw_session_event(s, GW_SEV_FAIL))
		return;
	gw_timer_stop(&s->guard);
	if (*s->registration)
		gw_regn_doubt(s->sip, s->registration,
			      internal ? 504 : (unsigned)status);
	gw_info(&s->log, "INVITE failed: %d %s%s", status,
		gw_ims_cause_phrase((unsigned)status),
		internal ? " (no response)" : "");
	gw_ims_tell_release(s, (unsigned)status, response);
}

/* What other early dialogs still ask for has no more use. */
static void end_early_offers(struct gw_session *s)
{
	if (s->upd_irq)
		(void)gw_dialog_reply(s, s->upd_irq, 487, NULL, false);
	s->upd_irq = NULL;
	if (s->offer == GW_OFF_PEER || s->offer == GW_OFF_PEER_GONE)
		s->offer = GW_OFF_NONE;
}

/* The 200 was lost, and its BYE came before its repetition: a peer that did not
 * wait for our ACK (RFC 3261 15).  It has forgotten the call that this 200 would
 * make. */
static void on_ended_ok(struct gw_session *s, struct gw_branch *b, bool offer)
{
	const struct gw_cause cause = { .status = 480, .text = "hung up" };

	gw_info(&s->log, "200 of a dialog that had BYE: hung up");
	if (!offer)
		(void)gw_dialog_ack(s, b, NULL);
	gw_session_release(s, &cause);
	gw_ims_tell_release(s, 480, NULL);
}

/* BYE of a dialog that we have seen no 200 of.  Who was called may send it only
 * after its 200 (RFC 3261 15), which is lost or on its way; and then whoever
 * forks has cancelled the others. */
static void on_early_bye(struct gw_session *s, const sip_t *bye,
			 struct gw_branch *b, bool known)
{
	const struct gw_cause cause = { .status = 480, .text = "hung up" };
	bool first = !b->ended;
	unsigned i;

	b->bye = b->ended = true;
	if (s->state != GW_SES_CALLING)
		return;
	for (i = 0; i < s->nbranch && s->branch[i].ended; i++)
		;
	if (i == s->nbranch) {
		gw_info(&s->log, "BYE before the 200: hung up");
		gw_session_release(s, &cause);
		gw_ims_tell_release(s, 480, NULL);
	} else if (first && known) {
		gw_info(&s->log, "BYE of one of several forks");
		gw_ims_tell_progress(s, 199, b, bye, false);
	}
}

void gw_session_fork_gone(struct gw_session *s, struct gw_branch *b,
			  const sip_t *bye)
{
	on_early_bye(s, bye, b, true);
}

void gw_session_stranger_gone(struct gw_session *s, const sip_t *bye)
{
	struct gw_branch *b;

	if (s->state != GW_SES_CALLING || s->byes == STRANGERS_MAX)
		return;
	b = gw_dialog_branch_of_bye(s, bye);
	if (!b)
		return;
	s->byes++;
	on_early_bye(s, bye, b, false);
}

static void on_first_ok(struct gw_session *s, struct gw_branch *b,
			const sip_t *response)
{
	bool offer = s->late && !b->firm;

	s->won = (unsigned)(b - s->branch);
	s->dialog = b->leg;
	gw_dialog_confirm(b, response);
	gw_session_start_timer(s, &s->guard, gw_session_t1x64(s));
	end_early_offers(s);
	gw_session_timer_answered(s, response);
	(void)gw_session_event(s, offer ? GW_SEV_OK_OFFER : GW_SEV_OK);
	if (b->bye) {
		on_ended_ok(s, b, offer);
		return;
	}
	gw_info(&s->log, "answered");
	if (!offer) {
		(void)gw_dialog_ack(s, b, NULL);
		gw_ims_tell_answer(s, s->won + 1, response,
				   b->firm ? GW_DESC_NONE : GW_DESC_ANSWER);
	} else if (!gw_ims_has_sdp(response)) {
		const struct gw_cause cause = { .status = 488,
						.text = "no offer in the 200" };

		/* RFC 3261 13.2.1: it had to be there. */
		gw_session_release(s, &cause);
		gw_ims_tell_release(s, 488, NULL);
	} else {
		gw_ims_tell_answer(s, s->won + 1, response, GW_DESC_OFFER);
	}
}

/* A 2xx that crossed our CANCEL: acknowledged and hung up. */
static void on_crossing_ok(struct gw_session *s, struct gw_branch *b,
			   const sip_t *response)
{
	gw_dialog_count_late();
	s->won = (unsigned)(b - s->branch);
	s->dialog = b->leg;
	gw_dialog_confirm(b, response);
	(void)gw_dialog_ack(s, b, NULL);
	(void)gw_session_event(s, GW_SEV_OK);
	gw_timer_stop(&s->guard);
	gw_info(&s->log, "200 crossed our CANCEL: BYE");
	gw_session_bye(s);
}

static void on_ok(struct gw_session *s, nta_outgoing_t *orq,
		  const sip_t *response)
{
	struct gw_branch *b = gw_dialog_branch(s, orq, response);

	if (!b) {
		gw_dialog_refuse_answer(s, orq, response);
		return;
	}
	if (b->acked)
		return;
	if (s->state == GW_SES_CALLING) {
		on_first_ok(s, b, response);
	} else if (s->state == GW_SES_CANCELLING) {
		on_crossing_ok(s, b, response);
	} else if (b != &s->branch[s->won]) {
		gw_dialog_count_late();
		gw_info(&s->log, "late 200 of another fork: BYE");
		gw_dialog_confirm(b, response);
		gw_dialog_ack_bye(s, b);
	}
}

/* What one dialog too many says is nobody's: the call could not answer it, nor
 * tell it from what a response without a dialog says. */
static void on_crowd(struct gw_session *s)
{
	gw_metric_add(&m_crowded, 1);
	if (!s->crowded)
		gw_warn(&s->log, "more than %d forks: the others are ignored",
			GW_SESSION_BRANCHES);
	s->crowded = true;
}

void gw_session_on_invite_response(struct gw_session *s, nta_outgoing_t *orq,
				   int status, const sip_t *response)
{
	struct gw_branch *b;
	bool fresh = true;

	if (!response || status >= 300) {
		on_final_failure(s, status, response);
		return;
	}
	if (status >= 200) {
		on_ok(s, orq, response);
		return;
	}
	if (status == 100 || s->state != GW_SES_CALLING)
		return;
	/* Without a To tag it is progress all the same, of no dialog. */
	b = gw_dialog_branch(s, orq, response);
	if (!b && response->sip_to->a_tag) {
		on_crowd(s);
		return;
	}
	gw_info(&s->log, "%d %s", status,
		gw_ims_cause_phrase((unsigned)status));
	if (b)
		fresh = gw_session_early_response(s, b, response);
	gw_ims_tell_progress(s, status, b, response, fresh);
}

void gw_session_uac_failed(struct gw_session *s, int status)
{
	on_final_failure(s, status, NULL);
}

void gw_session_unreachable(struct gw_session *s)
{
	if (s->state == GW_SES_CALLING && gw_dialog_unheard(s->invite))
		gw_session_fail_later(s, 503, NULL);
}

int gw_session_ack_answer(struct gw_session *s, const void *sdp, size_t len)
{
	const struct gw_dialog_msg m = { .body = sdp, .len = len };

	if (!gw_session_event(s, GW_SEV_ACK))
		return -EPROTO;
	return gw_dialog_ack(s, &s->branch[s->won], &m);
}
