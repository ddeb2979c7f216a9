#include "sip/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/loop.h"
#include "gateway/base/metrics.h"
#include "sip/dialog.h"
#include "sip/ims_cause.h"

#define SESSION_MAGIC 0x53495053 /* "SIPS" */

GW_GAUGE(m_dialogs, "isthmus_sip_dialogs",
	 "SIP sessions alive, those that only finish their end included", "");
GW_COUNTER(m_ring, "isthmus_sip_timeouts_total", "Waits that ended unanswered",
	   "what=\"ring\"");
GW_COUNTER(m_guard, "isthmus_sip_timeouts_total", "Waits that ended unanswered",
	   "what=\"cancel\"");

/* ---- names of sessions ---- */

/*
 * One table for the process: NTA's callbacks bring nothing but the id.  An id
 * is a slot and how often the slot was used, so that an old one never names a
 * new session.
 */
static struct {
	struct slot {
		struct gw_session *session;
		uint32_t uses;
		uint32_t next_free;
	} * slot;
	uint32_t count, free; /* free: index + 1 of the first free slot */
} ids;

static int id_take(struct gw_session *s)
{
	uint32_t i, n;

	if (!ids.free) {
		n = ids.count ? 2 * ids.count : 64;
		struct slot *grown = realloc(ids.slot, n * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		ids.slot = grown;
		for (i = ids.count; i < n; i++)
			grown[i] = (struct slot){ .next_free = i + 1 < n ? i + 2
									 : 0 };
		ids.free = ids.count + 1;
		ids.count = n;
	}
	i = ids.free - 1;
	ids.free = ids.slot[i].next_free;
	ids.slot[i].session = s;
	ids.slot[i].uses++;
	s->id = (uint64_t)ids.slot[i].uses << 32 | (i + 1);
	return 0;
}

static void id_return(struct gw_session *s)
{
	uint32_t i = (uint32_t)s->id - 1;

	ids.slot[i].session = NULL;
	ids.slot[i].next_free = ids.free;
	ids.free = i + 1;
}

void *gw_session_ref(const struct gw_session *s)
{
	_Static_assert(sizeof(void *) >= sizeof(uint64_t), "an id in a magic");
	return (void *)(uintptr_t)s->id;
}

struct gw_session *gw_session_find(const void *id)
{
	uint64_t v = (uint64_t)(uintptr_t)id;
	uint32_t i = (uint32_t)v;
	struct gw_session *s;

	if (!i || i > ids.count)
		return NULL;
	s = ids.slot[i - 1].session;
	return s && s->id == v ? s : NULL;
}

bool gw_session_answered_elsewhere(const struct gw_session *s)
{
	for (uint32_t i = 0; s->fork && i < ids.count; i++) {
		const struct gw_session *other = ids.slot[i].session;

		if (other && other != s && other->fork == s->fork &&
		    other->sip == s->sip &&
		    (other->state == GW_SES_ANSWERED ||
		     other->state == GW_SES_UP))
			return true;
	}
	return false;
}

/* ---- state ---- */

bool gw_session_event(struct gw_session *s, enum gw_ses_event ev)
{
	enum gw_ses_state next;

	if (!gw_session_fsm_row(s->state, ev, &next)) {
		gw_debug(&s->log, "%s ignored in %s", gw_session_event_name(ev),
			 gw_session_state_name(s->state));
		return false;
	}
	gw_debug(&s->log, "%s: %s -> %s", gw_session_event_name(ev),
		 gw_session_state_name(s->state), gw_session_state_name(next));
	s->state = next;
	if (s->state != GW_SES_CALLING && s->state != GW_SES_INCOMING)
		gw_timer_stop(&s->ring);
	if (s->state >= GW_SES_BYE_WAIT)
		gw_timer_stop(&s->timer.timer);
	return true;
}

/* ---- life ---- */

int gw_body_set(struct gw_body *b, const void *data, size_t len)
{
	char *copy;

	gw_body_clear(b);
	if (!data)
		return 0;
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, len);
	copy[len] = '\0';
	b->data = copy;
	b->len = len;
	return 0;
}

void gw_body_clear(struct gw_body *b)
{
	free(b->data);
	*b = (struct gw_body){ NULL, 0 };
}

static void destroy(struct gw_session *s)
{
	gw_timer_stop(&s->ring);
	gw_timer_stop(&s->guard);
	gw_timer_stop(&s->glare);
	gw_timer_stop(&s->overdue);
	gw_timer_stop(&s->later);
	gw_timer_stop(&s->timer.timer);
	gw_dialog_drop_all(s);
	id_return(s);
	*s->prev = s->next;
	if (s->next)
		s->next->prev = s->prev;
	s->sip->nsession--;
	gw_metric_add(&m_dialogs, -1);
	gw_body_clear(&s->queued);
	gw_body_clear(&s->early);
	gw_body_clear(&s->sdp);
	free(s->branch);
	free(s->request_uri);
	free(s->from);
	free(s->to);
	free(s->headers);
	free(s->invite_auth);
	free(s->route);
	free(s->charging);
	gw_session_drop_held(s);
	s->magic = 0;
	free(s);
}

void gw_session_enter(struct gw_session *s)
{
	GW_CHECK(s, SESSION_MAGIC);
	s->busy++;
}

/* Requests of the peer that will not be served any more. */
static void reject_pending(struct gw_session *s)
{
	if (s->inv_irq && !s->inv_answered) {
		(void)gw_dialog_reply(s, s->inv_irq, 487, NULL, false);
		s->inv_irq = NULL;
	}
	if (s->upd_irq) {
		(void)gw_dialog_reply(s, s->upd_irq, 487, NULL, false);
		s->upd_irq = NULL;
	}
}

void gw_session_leave(struct gw_session *s)
{
	GW_CHECK(s, SESSION_MAGIC);
	if (--s->busy || s->state != GW_SES_DEAD)
		return;
	reject_pending(s);
	gw_dialog_drop_all(s);
	if (!s->leg && !gw_timer_running(&s->later))
		destroy(s);
}

void gw_session_detach(struct gw_session *s)
{
	s->leg = NULL;
	gw_timer_stop(&s->later);
	s->released = true;
}

void gw_session_free_all(struct gw_sip *sip)
{
	while (sip->sessions)
		destroy(sip->sessions);
	if (!ids.count)
		return;
	/* another agent of this process may still have sessions */
	for (uint32_t i = 0; i < ids.count; i++) {
		if (ids.slot[i].session)
			return;
	}
	free(ids.slot);
	ids.slot = NULL;
	ids.count = ids.free = 0;
}

/* ---- timers ---- */

uint32_t gw_session_t1x64(const struct gw_session *s)
{
	uint32_t ms = s->sip->set->sip.t1x64_ms;

	return ms ? ms : 64 * NTA_SIP_T1;
}

void gw_session_start_timer(struct gw_session *s, struct gw_timer *t,
			    uint64_t ms)
{
	if (gw_timer_start_ms(gw_loop_timers(s->sip->loop), t, ms))
		gw_warn(&s->log, "no memory for a timer");
}

static void on_ring(struct gw_timer *t, void *arg)
{
	struct gw_session *s = arg;
	struct gw_cause cause = { .status = 408, .text = "no answer" };

	(void)t;
	gw_session_enter(s);
	if (s->suspended) {
		gw_session_suspend_over(s);
		gw_session_leave(s);
		return;
	}
	gw_metric_add(&m_ring, 1);
	gw_info(&s->log, "no answer in %u s", s->sip->set->sip.ring_timeout_s);
	gw_session_release(s, &cause);
	gw_ims_tell_release(s, 408, NULL);
	gw_session_leave(s);
}

/*
 * CANCELLING: the CANCEL was answered, the INVITE never will be (RFC 3261 9.1;
 * NTA has no timer C).  Later: losing forks have had their time.
 */
static void on_guard(struct gw_timer *t, void *arg)
{
	struct gw_session *s = arg;

	(void)t;
	gw_session_enter(s);
	if (s->state == GW_SES_CANCELLING) {
		gw_metric_add(&m_guard, 1);
		gw_info(&s->log, "no final response after CANCEL");
		(void)gw_session_event(s, GW_SEV_FAIL);
	} else if (s->state == GW_SES_ACKING) {
		/* Nobody answers the offer of the peer's 200. */
		struct gw_cause cause = { .status = 504 };

		gw_session_release(s, &cause);
		gw_ims_tell_release(s, 504, NULL);
	} else {
		gw_session_drop_branches(s);
	}
	gw_session_leave(s);
}

static void on_glare(struct gw_timer *t, void *arg)
{
	struct gw_session *s = arg;

	(void)t;
	gw_session_enter(s);
	gw_session_glare_over(s);
	gw_session_leave(s);
}

static void on_overdue(struct gw_timer *t, void *arg)
{
	struct gw_session *s = arg;

	(void)t;
	gw_session_enter(s);
	gw_session_offer_overdue(s);
	gw_session_leave(s);
}

static void on_session_timer(struct gw_timer *t, void *arg)
{
	struct gw_session *s = arg;

	(void)t;
	gw_session_enter(s);
	gw_session_timer_due(s);
	gw_session_leave(s);
}

static void on_later(struct gw_timer *t, void *arg)
{
	struct gw_session *s = arg;

	(void)t;
	gw_session_enter(s);
	if (s->state == GW_SES_CALLING) {
		gw_session_uac_failed(s, s->later_status);
	} else {
		if (s->state == GW_SES_IDLE)
			(void)gw_session_event(s, GW_SEV_RELEASE);
		gw_ims_tell_failure(s, s->later_status, s->later_text);
	}
	gw_session_leave(s);
}

void gw_session_fail_later(struct gw_session *s, uint16_t status,
			   const char *text)
{
	s->later_text = text;
	s->later_status = status;
	gw_session_start_timer(s, &s->later, 0);
}

int gw_session_new(struct gw_session **out, struct gw_sip *sip)
{
	struct gw_session *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->magic = SESSION_MAGIC;
	if (id_take(s)) {
		free(s);
		return -ENOMEM;
	}
	s->sip = sip;
	s->log = (struct gw_logctx){ .module = "sip", .id = s->log_id };
	gw_timer_init(&s->ring, on_ring, s);
	gw_timer_init(&s->guard, on_guard, s);
	gw_timer_init(&s->glare, on_glare, s);
	gw_timer_init(&s->overdue, on_overdue, s);
	gw_timer_init(&s->later, on_later, s);
	gw_timer_init(&s->timer.timer, on_session_timer, s);
	s->next = sip->sessions;
	s->prev = &sip->sessions;
	if (s->next)
		s->next->prev = &s->next;
	sip->sessions = s;
	sip->nsession++;
	gw_metric_add(&m_dialogs, 1);
	*out = s;
	return 0;
}

/* ---- the end, from our side ---- */

void gw_session_bye(struct gw_session *s)
{
	struct gw_dialog_msg m = { .headers = *s->reason ? s->reason : NULL };

	s->bye = gw_dialog_request(s, sip_method_bye, &m, false);
	if (!s->bye) {
		gw_warn(&s->log, "BYE could not be sent");
		(void)gw_session_event(s, GW_SEV_ENDED);
	}
}

static void reject_invite(struct gw_session *s, const struct gw_cause *cause)
{
	struct gw_dialog_msg m = { 0 };
	unsigned status = gw_ims_cause_reject(cause);
	char lines[320], text[128];
	size_t at = 0;

	if (cause->retry_after_s)
		at += (size_t)snprintf(lines, sizeof(lines),
				       "Retry-After: %u\r\n",
				       cause->retry_after_s);
	if (cause->elsewhere)
		at += (size_t)snprintf(lines + at, sizeof(lines) - at,
				       "Reason: SIP;cause=200;"
				       "text=\"Call completed elsewhere\"\r\n");
	if (cause->text && !cause->elsewhere) {
		gw_ident_quote(text, sizeof(text), cause->text);
		at += (size_t)snprintf(lines + at, sizeof(lines) - at,
				       "Warning: 399 isthmus %s\r\n", text);
	}
	m.headers = at ? lines : NULL;
	(void)gw_dialog_reply(s, s->inv_irq, (int)status, &m, false);
	s->inv_irq = NULL;
	gw_info(&s->log, "INVITE answered %u", status);
}

static void keep_reason(struct gw_session *s, const struct gw_cause *cause)
{
	char reason[sizeof(s->reason) - 12];

	if (gw_ims_cause_reason(reason, sizeof(reason), cause, false))
		(void)snprintf(s->reason, sizeof(s->reason), "Reason: %s\r\n",
			       reason);
}

void gw_session_release(struct gw_session *s, const struct gw_cause *cause)
{
	enum gw_ses_state was = s->state;

	if (s->answer_held) {
		/* The peer knows nothing of the answer yet. */
		s->answer_held = s->inv_answered = false;
		(void)gw_session_event(s, GW_SEV_PEER_ENDS);
		reject_invite(s, cause);
		return;
	}
	if (!gw_session_event(s, GW_SEV_RELEASE))
		return;
	gw_timer_stop(&s->glare);
	gw_timer_stop(&s->overdue);
	switch (was) {
	case GW_SES_CALLING:
		gw_session_cancel(s, cause);
		break;
	case GW_SES_INCOMING:
		reject_invite(s, cause);
		break;
	case GW_SES_ANSWERED:
		keep_reason(s, cause);
		break;
	case GW_SES_ACKING:
		(void)gw_dialog_ack(s, &s->branch[s->won], NULL);
		/* fallthrough */
	case GW_SES_UP:
		keep_reason(s, cause);
		reject_pending(s);
		/* A 2xx to our re-INVITE that waits for its answer must be
		 * acknowledged all the same. */
		if (s->offer == GW_OFF_LATE) {
			(void)gw_dialog_ack_re(s, s->re_invite, NULL);
			gw_dialog_drop(&s->re_invite);
		}
		s->offer = GW_OFF_NONE;
		gw_session_bye(s);
		gw_info(&s->log, "BYE sent");
		break;
	default:
		break;
	}
}
