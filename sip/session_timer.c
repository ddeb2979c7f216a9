/*
 * Session timers (RFC 4028): who refreshes, how often, and the end of a session
 * that nobody refreshes.
 *
 * A refresh is an UPDATE without description, or a re-INVITE where the peer
 * does not know UPDATE, with the description that the call says holds; it
 * touches no media.
 */
#include "sip/session.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/loop.h"
#include "gateway/base/metrics.h"
#include "sip/dialog.h"
#include "sip/extension.h"
#include "sip/ims_cause.h"

/* After a refresh that failed, or found the session being changed. */
#define AGAIN_MS 2000
/* RFC 4028 10: so long before the end the other side's BYE goes out. */
#define BYE_EARLY_S 32
/* A longer one is as good as none. */
#define EXPIRES_MAX_S 86400

#define REF      "isthmus_sip_session_refreshes_total"
#define REF_HELP "Session refreshes (RFC 4028), by who made them"
GW_COUNTER(m_ours, REF, REF_HELP, "by=\"us\"");
GW_COUNTER(m_theirs, REF, REF_HELP, "by=\"peer\"");
GW_COUNTER(m_expired, "isthmus_sip_sessions_expired_total",
	   "Sessions that ended because nobody refreshed them", "");
GW_COUNTER(m_422, "isthmus_sip_session_interval_total",
	   "422 received: the interval was raised and the request repeated",
	   "");

static bool enabled(const struct gw_session *s)
{
	return gw_ext_ours(&s->sip->set->sip) & GW_EXT_TIMER;
}

static uint32_t at_least(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t least(const struct gw_session *s)
{
	return at_least(s->sip->set->sip.min_se_s, s->timer.min_se_s);
}

static uint64_t now_us(const struct gw_session *s)
{
	return gw_timers_now_us(gw_loop_timers(s->sip->loop));
}

/* ---- what our requests say ---- */

const char *gw_session_timer_ask(const struct gw_session *s,
				 char buf[GW_TIMER_LINES])
{
	uint32_t expires = s->timer.expires_s;

	buf[0] = '\0';
	if (!enabled(s))
		return NULL;
	if (!expires)
		expires =
			at_least(s->sip->set->sip.session_expires_s, least(s));
	/* RFC 4028 7.4: the roles of a session stay what they are. */
	(void)snprintf(buf, GW_TIMER_LINES,
		       "Session-Expires: %u%s\r\nMin-SE: %u\r\n", expires,
		       !s->timer.expires_s ? ""
		       : s->timer.ours     ? ";refresher=uac"
					   : ";refresher=uas",
		       least(s));
	return buf;
}

bool gw_session_timer_raised(struct gw_session *s, const sip_t *response)
{
	const sip_min_se_t *min = response->sip_min_se;

	if (!enabled(s) || !min || min->min_delta <= least(s) ||
	    min->min_delta > EXPIRES_MAX_S || s->timer.raised++ > 2)
		return false;
	gw_metric_add(&m_422, 1);
	s->timer.min_se_s = (uint32_t)min->min_delta;
	if (s->timer.expires_s)
		s->timer.expires_s =
			at_least(s->timer.expires_s, s->timer.min_se_s);
	return true;
}

/* ---- the clock ---- */

static void run(struct gw_session *s)
{
	uint64_t ms = 1000ull * s->timer.expires_s;

	s->timer.ends_us = now_us(s) + 1000 * ms;
	if (s->timer.ours)
		ms /= 2;
	else
		ms -= s->timer.expires_s / 3 < BYE_EARLY_S ? ms / 3
							   : BYE_EARLY_S * 1000;
	gw_session_start_timer(s, &s->timer.timer, ms);
}

static void stop(struct gw_session *s)
{
	s->timer.expires_s = 0;
	gw_timer_stop(&s->timer.timer);
}

static void again(struct gw_session *s)
{
	uint64_t now = now_us(s), left = 0;

	if (s->timer.ends_us > now)
		left = (s->timer.ends_us - now) / 1000 + 1;
	gw_session_start_timer(s, &s->timer.timer,
			       left < AGAIN_MS ? left : AGAIN_MS);
}

static void expire(struct gw_session *s)
{
	const struct gw_cause cause = { .status = 408,
					.text = "session timer expired" };

	gw_metric_add(&m_expired, 1);
	gw_warn(&s->log, "nobody refreshed the session in %u s",
		s->timer.expires_s);
	stop(s);
	gw_session_release(s, &cause);
	gw_ims_tell_failure(s, 408, cause.text);
}

static void refresh(struct gw_session *s)
{
	char lines[GW_TIMER_LINES];
	struct gw_dialog_msg m = { 0 };

	if (s->timer.update || s->re_invite || s->inv_irq || s->upd_irq ||
	    s->offer != GW_OFF_NONE) {
		again(s); /* what is under way may refresh as well */
		return;
	}
	if (!s->timer.may_update) {
		gw_session_ask_offer(s);
		again(s);
		return;
	}
	m.headers = gw_session_timer_ask(s, lines);
	s->timer.update = gw_dialog_request(s, sip_method_update, &m, false);
	gw_debug(&s->log, "session refresh sent");
	again(s);
}

void gw_session_timer_due(struct gw_session *s)
{
	if (s->state != GW_SES_UP && s->state != GW_SES_ANSWERED)
		return;
	if (!s->timer.ours || now_us(s) >= s->timer.ends_us)
		expire(s);
	else
		refresh(s);
}

/* ---- answers to our requests ---- */

void gw_session_timer_answered(struct gw_session *s, const sip_t *response)
{
	const sip_session_expires_t *se = response->sip_session_expires;

	if (gw_ims_allows_update(response))
		s->timer.may_update = true;
	if (!enabled(s))
		return;
	/* RFC 4028 7.2: a peer that says nothing knows no timer. */
	if (!se || !se->x_delta) {
		stop(s);
		return;
	}
	s->timer.expires_s =
		(uint32_t)(se->x_delta > EXPIRES_MAX_S ? EXPIRES_MAX_S
						       : se->x_delta);
	s->timer.expires_s = at_least(s->timer.expires_s, least(s));
	s->timer.ours =
		!se->x_refresher || strcasecmp(se->x_refresher, "uas") != 0;
	run(s);
}

void gw_session_timer_reinvited(struct gw_session *s, const sip_t *response)
{
	gw_session_timer_answered(s, response);
	if (s->state == GW_SES_UP && s->timer.expires_s)
		gw_metric_add(&m_ours, 1);
}

bool gw_session_timer_response(struct gw_session *s, nta_outgoing_t *orq,
			       int status, const sip_t *response)
{
	bool internal = !response || nta_sip_is_internal(response);

	if (!orq || orq != s->timer.update)
		return false;
	if (status < 200)
		return true;
	gw_dialog_drop(&s->timer.update);
	if (s->state != GW_SES_UP && s->state != GW_SES_ANSWERED)
		return true;
	if (status < 300) {
		gw_metric_add(&m_ours, 1);
		s->timer.challenges = 0; /* each refresh may meet its own */
		gw_dialog_refresh(s, s->dialog, false, response);
		gw_session_timer_answered(s, response);
		return true;
	}
	gw_info(&s->log, "session refresh refused: %d", status);
	if (gw_ims_cause_ends_dialog((unsigned)status)) {
		gw_session_lost(s, status);
	} else if (!internal && (status == 405 || status == 501)) {
		s->timer.may_update = false;
		refresh(s);
	} else if (!internal && (status == 401 || status == 407) &&
		   gw_session_challenged(s, response, s->timer.challenges++)) {
		refresh(s);
	} else if (!internal && status == 422 &&
		   gw_session_timer_raised(s, response)) {
		refresh(s);
	}
	return true;
}

/* ---- the peer's requests ---- */

static bool knows(const sip_t *request)
{
	return (gw_ext_read(request->sip_supported) |
		gw_ext_read(request->sip_require)) &
	       GW_EXT_TIMER;
}

bool gw_session_timer_too_short(struct gw_session *s, nta_incoming_t *irq,
				const sip_t *request)
{
	char line[40];
	const struct gw_dialog_msg m = { .headers = line };

	if (!enabled(s) || !knows(request) || !request->sip_session_expires ||
	    request->sip_session_expires->x_delta >= s->sip->set->sip.min_se_s)
		return false;
	(void)snprintf(line, sizeof(line), "Min-SE: %u\r\n",
		       s->sip->set->sip.min_se_s);
	(void)gw_dialog_reply(s, irq, 422, &m, false);
	gw_info(&s->log, "session interval refused: 422");
	return true;
}

/* RFC 4028 9: the interval may be lowered, though not below the peer's Min-SE;
 * a refresher that was named is kept, unless it knows no timer. */
void gw_session_timer_asked(struct gw_session *s, const sip_t *request)
{
	const sip_session_expires_t *se = request->sip_session_expires;
	uint32_t min = least(s), want = s->sip->set->sip.session_expires_s;
	bool theirs = knows(request);

	s->timer.line[0] = '\0';
	s->timer.asked_s = 0;
	if (gw_ims_allows_update(request))
		s->timer.may_update = true;
	if (!enabled(s))
		return;
	if (request->sip_min_se && request->sip_min_se->min_delta > min &&
	    request->sip_min_se->min_delta <= EXPIRES_MAX_S)
		min = (uint32_t)request->sip_min_se->min_delta;
	want = at_least(want, min);
	if (se && se->x_delta < want)
		want = at_least((uint32_t)se->x_delta, min);
	if (theirs && se && se->x_refresher &&
	    !strcasecmp(se->x_refresher, "uas"))
		theirs = false;
	s->timer.asked_s = want;
	s->timer.asked_ours = !theirs;
	(void)snprintf(s->timer.line, sizeof(s->timer.line),
		       "%sSession-Expires: %u;refresher=%s\r\n",
		       theirs ? "Require: timer\r\n" : "", want,
		       theirs ? "uac" : "uas");
}

void gw_session_timer_replied(struct gw_session *s)
{
	if (!s->timer.asked_s)
		return;
	s->timer.expires_s = s->timer.asked_s;
	s->timer.ours = s->timer.asked_ours;
	if (s->state == GW_SES_UP)
		gw_metric_add(&m_theirs, 1);
	run(s);
}
