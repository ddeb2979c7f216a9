/*
 * A re-INVITE whose m-lines wait for resources of the peer (RFC 3312 6, RFC
 * 6141 3): its offer is answered in a reliable 183, and the session stays as it
 * is until an offer within it (UPDATE, or PRACK) says that they are there.
 * That offer's answer ends the matter: the 200 has no description (RFC 3262 5).
 * If none comes, or it is cancelled or refused, nothing has changed.
 */
#include "sip/session.h"

#include <errno.h>

#include "gateway/base/metrics.h"
#include "sip/dialog.h"
#include "sip/extension.h"

#define SUSPENDED "isthmus_sip_suspended_total"
#define SUSPENDED_HELP                                                         \
	"re-INVITEs that waited for resources, by what came of them"
GW_COUNTER(m_resumed, SUSPENDED, SUSPENDED_HELP, "result=\"resumed\"");
GW_COUNTER(m_failed, SUSPENDED, SUSPENDED_HELP, "result=\"failed\"");
GW_COUNTER(m_cancelled, SUSPENDED, SUSPENDED_HELP, "result=\"cancelled\"");

bool gw_session_may_suspend(const struct gw_session *s)
{
	if (!s->inv_irq || s->inv_answered || s->state != GW_SES_UP)
		return false;
	return s->suspended || s->re_reliable;
}

void gw_session_suspend_asked(struct gw_session *s, const sip_t *request)
{
	unsigned theirs = gw_ext_read(request->sip_require) |
			  gw_ext_read(request->sip_supported);

	s->re_reliable =
		!s->peer_late &&
		theirs & gw_ext_ours(&s->sip->set->sip) & GW_EXT_100REL;
}

/* What is kept back is not kept back any more. */
static void leave(struct gw_session *s)
{
	s->suspended = false;
	gw_timer_stop(&s->ring);
}

static void fail(struct gw_session *s, int status)
{
	nta_incoming_t *irq = s->inv_irq;

	gw_metric_add(&m_failed, 1);
	gw_info(&s->log, "re-INVITE answered %d", status);
	leave(s);
	s->inv_irq = NULL;
	(void)gw_dialog_reply(s, irq, status, NULL, false);
	gw_session_flush_offer(s);
}

static int answer_again(struct gw_session *s, const struct gw_dialog_msg *m)
{
	int r = gw_dialog_reply(s, s->upd_irq, 200, m, false);

	s->upd_irq = NULL;
	s->offer = GW_OFF_NONE;
	gw_session_timer_replied(s);
	/* Time was up while the call thought of it. */
	if (!gw_timer_running(&s->ring))
		fail(s, 580);
	return r;
}

int gw_session_suspend(struct gw_session *s, const void *sdp, size_t len)
{
	const struct gw_dialog_msg m = { .headers = GW_SIP_CONDITIONS,
					 .body = sdp,
					 .len = len };

	if (s->offer == GW_OFF_PEER_GONE) {
		s->offer = GW_OFF_NONE;
		return -EPROTO;
	}
	if (s->offer != GW_OFF_PEER || !sdp)
		return -EPROTO;
	if (!gw_session_may_suspend(s)) {
		/* The re-INVITE was cancelled, and its UPDATE is left alone. */
		gw_session_reply_later(s, s->upd_irq);
		s->upd_irq = NULL;
		s->offer = GW_OFF_NONE;
		return -EPROTO;
	}
	gw_dialog_refresh_by(s, s->upd_irq ? s->upd_irq : s->inv_irq);
	if (s->upd_irq) {
		const struct gw_dialog_msg ok = { .body = sdp, .len = len };

		return answer_again(s, &ok);
	}
	s->reliable = gw_dialog_reply_reliably(s, s->inv_irq, 183, &m);
	if (!s->reliable) {
		gw_session_reply_later(s, s->inv_irq);
		s->inv_irq = NULL;
		s->offer = GW_OFF_NONE;
		return -ENOMEM;
	}
	s->describes = true;
	s->suspended = true;
	s->offer = GW_OFF_NONE;
	gw_info(&s->log, "re-INVITE: 183 sent, waiting for resources");
	gw_session_start_timer(
		s, &s->ring, 1000ull * s->sip->set->sip.precondition_timeout_s);
	return 0;
}

void gw_session_resume(struct gw_session *s)
{
	if (!s->suspended)
		return;
	gw_metric_add(&m_resumed, 1);
	gw_info(&s->log, "re-INVITE resumed: 200 sent");
	leave(s);
	s->inv_answered = true;
	(void)gw_dialog_reply(s, s->inv_irq, 200, NULL, true);
}

void gw_session_suspend_refused(struct gw_session *s, unsigned status)
{
	/* 491 and 500 are of the moment. */
	if (s->suspended && status != 491 && status != 500)
		fail(s, (int)status);
}

void gw_session_suspend_over(struct gw_session *s)
{
	/* It is too late if this one brings nothing: answer_again(). */
	if (s->upd_irq)
		return;
	gw_warn(&s->log, "re-INVITE: the peer's resources never came");
	fail(s, 580);
}

void gw_session_suspend_cancelled(struct gw_session *s)
{
	if (!s->suspended)
		return;
	gw_metric_add(&m_cancelled, 1);
	leave(s);
	gw_session_flush_offer(s);
}
