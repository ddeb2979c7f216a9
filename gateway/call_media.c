/*
 * What media tells a call: what was reserved, how ICE and DTLS fare, digits,
 * silence, and the counters of its end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/dtmf_relay.h"
#include "gateway/base/metrics.h"
#include "gateway/call_priv.h"

GW_COUNTER(m_dtls_fingerprint, "isthmus_calls_media_failed_total",
	   "Calls whose web media could not be secured, by reason",
	   "reason=\"fingerprint\"");
GW_COUNTER(m_dtls_handshake, "isthmus_calls_media_failed_total",
	   "Calls whose web media could not be secured, by reason",
	   "reason=\"handshake\"");
GW_COUNTER(m_dtls_timeout, "isthmus_calls_media_failed_total",
	   "Calls whose web media could not be secured, by reason",
	   "reason=\"timeout\"");
GW_COUNTER(m_no_path, "isthmus_calls_media_failed_total",
	   "Calls whose web media could not be secured, by reason",
	   "reason=\"no_path\"");
GW_COUNTER(m_lost_path, "isthmus_calls_media_failed_total",
	   "Calls whose web media could not be secured, by reason",
	   "reason=\"path_lost\"");
GW_COUNTER(m_inactive, "isthmus_calls_media_inactive_total",
	   "Times a leg was not heard though its gate was open", "");

int gw_call_keep_end(struct side *s, const struct gw_end *from)
{
	const size_t candidates = from->ncandidate * sizeof(from->candidate[0]);
	struct own_end *end = calloc(1, sizeof(*end) + candidates);

	if (!end)
		return -ENOMEM;
	end->family = from->family;
	end->nstream = from->nstream;
	end->ncandidate = from->ncandidate;
	end->ice_lite = from->ice_lite;
	memcpy(end->sha256, from->sha256, sizeof(end->sha256));
	memcpy(end->ufrag, from->ufrag, sizeof(end->ufrag));
	memcpy(end->pwd, from->pwd, sizeof(end->pwd));
	for (unsigned i = 0; i < from->nstream && i < GW_MAX_STREAMS; i++) {
		end->stream[i].rtp = from->stream[i].rtp;
		end->stream[i].rtcp = from->stream[i].rtcp;
		end->stream[i].ssrc = from->stream[i].ssrc;
	}
	memcpy(end->candidate, from->candidate, candidates);
	free(s->end);
	s->end = end;
	return 0;
}

static void on_reserved(struct gw_call *call, struct side *s,
			const struct gw_media_event *ev)
{
	bool ask;

	if (!s->serial || ev->serial != s->serial)
		return;
	s->serial = 0;
	if (gw_call_keep_end(s, &ev->end)) {
		gw_call_end(call, "gateway", 500, "out of memory");
		return;
	}

	if (call->fsm.state == GW_CALL_UP) {
		gw_call_update_reserved(call, s);
		return;
	}
	if (call->fsm.state != GW_CALL_NEW || call->a.serial || call->b.serial)
		return;

	/* A browser that did not offer is offered to; a SIP caller gets the
	 * offer in its 200. */
	ask = !call->a.pending &&
	      (call->may_ask ||
	       (call->a.profile == GW_PROFILE_WEB &&
		(call->b.profile != GW_PROFILE_CORE ||
		 strcmp(call->core->set->calls.no_offer, "late_offer") != 0)));
	if (call->prepare)
		gw_call_fsm_event(&call->fsm, GW_EV_READY_TO_PREPARE);
	else
		gw_call_fsm_event(&call->fsm,
				  ask ? GW_EV_READY_TO_ASK : GW_EV_READY);
}

static void on_failed(struct gw_call *call, struct side *s,
		      const struct gw_media_event *ev)
{
	gw_warn(&call->log, "media of the %s leg failed: %s", s->kind,
		strerror(-ev->error));
	/* The call goes on without the m-lines that were to come. */
	if (s->serial == ev->serial && gw_call_update_not_reserved(call))
		return;
	gw_call_end(call, "gateway", s->serial == ev->serial ? 503 : 500,
		    "no media resources");
}

static void on_dtls(struct gw_call *call, struct side *s, uint8_t state)
{
	switch (state) {
	case GW_DTLS_UP:
		gw_info(&call->log, "%s leg: media is secured", s->kind);
		return;
	case GW_DTLS_CLOSED:
		/* A page that reloads says goodbye too, and comes back. */
		gw_info(&call->log, "%s leg: the peer closed its DTLS",
			s->kind);
		return;
	case GW_DTLS_BAD_FINGERPRINT:
		gw_metric_add(&m_dtls_fingerprint, 1);
		gw_warn(&call->log,
			"%s leg: certificate and fingerprint "
			"differ",
			s->kind);
		gw_call_end(call, "gateway", 488, "DTLS fingerprint mismatch");
		return;
	case GW_DTLS_TIMEOUT:
		gw_metric_add(&m_dtls_timeout, 1);
		gw_call_end(call, "gateway", 408, "DTLS handshake timed out");
		return;
	default:
		gw_metric_add(&m_dtls_handshake, 1);
		gw_call_end(call, "gateway", 488, "DTLS handshake failed");
	}
}

/* Consent has lasted media.consent_s by then.  As much again, as a rule, for a
 * page to be loaded anew, or to restart ICE on another network; the side that
 * was lost first sets the time. */
void gw_call_watch_lost(struct gw_call *call)
{
	if (!call->a.lost && !call->b.lost)
		gw_timer_stop(&call->lost);
	else if (!gw_timer_running(&call->lost))
		gw_timer_start_ms(gw_loop_timers(call->core->loop), &call->lost,
				  call->core->set->calls.path_lost_s * 1000ull);
}

static void on_lost(struct gw_timer *t, void *arg)
{
	struct gw_call *call = arg;

	(void)t;
	GW_CHECK(call, CALL_MAGIC);
	gw_metric_add(&m_lost_path, 1);
	gw_call_end(call, "gateway", 408, "media path to the browser lost");
}

static void on_ice(struct gw_call *call, struct side *s, uint8_t state)
{
	static const char *const text[] = {
		[GW_ICE_CONNECTED] = "ICE connected",
		[GW_ICE_PAIR_CHANGED] = "ICE uses another pair",
		[GW_ICE_FAILED] = "ICE failed or lost consent",
	};

	if (state != GW_ICE_FAILED)
		s->connected = true;
	s->lost = state == GW_ICE_FAILED && s->connected;
	gw_call_watch_lost(call);
	if (state == GW_ICE_FAILED)
		gw_warn(&call->log, "%s leg: %s", s->kind, text[state]);
	else if (state < GW_ARRAY_LEN(text))
		gw_info(&call->log, "%s leg: %s", s->kind, text[state]);
}

static bool has_events(const struct side *s, const char *text)
{
	struct gw_sess sess;

	if (!text)
		return false;
	gw_call_reread(s, text, &sess);
	for (unsigned i = 0; i < sess.nstream; i++) {
		for (unsigned c = 0; c < sess.stream[i].ncodec; c++) {
			if (!sess.stream[i].refused &&
			    gw_codec_is_event(&sess.stream[i].codec[c]))
				return true;
		}
	}
	return false;
}

/* Offered is not agreed: both descriptions must have it. */
static bool carries_events(const struct side *s)
{
	return has_events(s, s->local) && has_events(s, s->remote);
}

int gw_call_inform(struct gw_call *call, struct side *to, struct gw_msg *msg)
{
	const struct early *e = gw_call_early_heard(call);

	if (!to->leg)
		return -ENOTCONN;
	if (call->fsm.state != GW_CALL_UP) {
		if (to != &call->b || !e)
			return -ENOTCONN;
		msg->branch = e->branch;
	}
	return gw_leg_send(to->leg, msg);
}

/* A digit in media that the other side's media cannot carry becomes INFO. */
static void on_dtmf(struct gw_call *call, struct side *s,
		    const struct gw_media_event *ev)
{
	static const char digits[] = "0123456789*#ABCD";
	struct side *to = call_other(call, s);
	char text[GW_DTMF_RELAY_SIZE];
	struct gw_dtmf_relay d = { .duration_ms = ev->dtmf.duration_ms };
	struct gw_msg msg = {
		.verb = GW_V_INFO,
		.content_type = GW_DTMF_RELAY_TYPE,
		.content = text,
	};

	if (ev->dtmf.digit >= sizeof(digits) - 1)
		return;
	gw_info(&call->log, "%s leg: a digit, %u ms", s->kind,
		ev->dtmf.duration_ms);
	if (to->profile == GW_PROFILE_RESOURCE || carries_events(to))
		return;
	d.signal = digits[ev->dtmf.digit];
	msg.content_len = gw_dtmf_relay_print(text, &d);
	if (gw_call_inform(call, to, &msg))
		gw_info(&call->log, "%s leg did not take a digit", to->kind);
}

static void add_flow(struct gw_flow_stats *to, const struct gw_flow_stats *more)
{
	to->packets += more->packets;
	to->bytes += more->bytes;
	for (unsigned why = 0; why < GW_NDISCARDS; why++)
		to->discarded[why] += more->discarded[why];
	to->lost += more->lost;
}

static void add_stats(struct gw_stream_stats *to,
		      const struct gw_stream_stats *more)
{
	add_flow(&to->rx, &more->rx);
	add_flow(&to->tx, &more->tx);
}

void gw_call_carry_stats(struct gw_call *call, const struct gw_media_event *ev)
{
	if (!call->carried)
		call->carried = calloc(GW_NTERMS, sizeof(*call->carried));
	/* Without memory the record counts from here. */
	for (unsigned t = 0; call->carried && t < GW_NTERMS; t++)
		for (unsigned i = 0; i < GW_MAX_STREAMS; i++)
			add_stats(&call->carried[t][i], &ev->stats[t][i]);
}

static void keep_stats(struct gw_call *call, const struct gw_media_event *ev)
{
	struct gw_stream_stats sum[GW_NTERMS][GW_MAX_STREAMS];

	memcpy(sum, ev->stats, sizeof(sum));
	for (unsigned t = 0; t < GW_NTERMS; t++) {
		for (unsigned i = 0; call->carried && i < GW_MAX_STREAMS; i++)
			add_stats(&sum[t][i], &call->carried[t][i]);
		call->stats[t] = sum[t][call->audio];
	}
	if (!call->answered_us)
		return;
	gw_quality_take(&call->quality, call->stats, call->codec);
	gw_call_video_take(call, sum);
}

static bool lacks_path(const struct side *s)
{
	return s->leg && s->profile == GW_PROFILE_WEB && !s->connected;
}

/*
 * A call that connected but never had media would last until somebody looks
 * at the screen.  Browsers give ICE up after 15 to 30 s; then the page may
 * restart it once.  A path that was there and is lost is another matter, of
 * on_lost(): the page may be loading again, or the network changing.
 */
static void on_path(struct gw_timer *t, void *arg)
{
	struct gw_call *call = arg;

	(void)t;
	GW_CHECK(call, CALL_MAGIC);
	if (!lacks_path(&call->a) && !lacks_path(&call->b))
		return;
	gw_metric_add(&m_no_path, 1);
	gw_call_end(call, "gateway", 408, "no media path to the browser");
}

void gw_call_media_init(struct gw_call *call)
{
	gw_timer_init(&call->path, on_path, call);
	gw_timer_init(&call->lost, on_lost, call);
	gw_quality_init(&call->quality);
}

void gw_call_expect_media(struct gw_call *call)
{
	if (lacks_path(&call->a) || lacks_path(&call->b))
		gw_timer_start_ms(gw_loop_timers(call->core->loop), &call->path,
				  call->core->set->calls.no_path_s * 1000ull);
}

void gw_call_media_event(struct gw_call *call, const struct gw_media_event *ev)
{
	struct side *s;

	GW_CHECK(call, CALL_MAGIC);
	s = ev->term == GW_TERM_A ? &call->a : &call->b;
	if (gw_call_transfer_event(call, ev, &s))
		return;
	switch ((enum gw_media_event_type)ev->type) {
	case GW_E_RESERVED:
		on_reserved(call, s, ev);
		return;
	case GW_E_CONFIGURED:
	case GW_E_TAKEN:
		return;
	case GW_E_FAILED:
		on_failed(call, s, ev);
		return;
	case GW_E_ICE:
		on_ice(call, s, ev->state);
		return;
	case GW_E_DTLS:
		on_dtls(call, s, ev->state);
		return;
	case GW_E_DTMF:
		on_dtmf(call, s, ev);
		return;
	case GW_E_KEYFRAME:
		gw_call_video_ask(call, s);
		return;
	case GW_E_INACTIVE:
		if (ev->state != GW_SILENCE_ALL) {
			/* Muted, or a phone without RTCP: no reason to end. */
			gw_info(&call->log, "%s leg: no %s is heard", s->kind,
				ev->state == GW_SILENCE_RTP ? "RTP" : "RTCP");
			return;
		}
		gw_metric_add(&m_inactive, 1);
		gw_info(&call->log, "%s leg: nothing is heard", s->kind);
		if (call->core->set->media.inactivity_release)
			gw_call_end(call, "gateway", 408, "media inactivity");
		return;
	case GW_E_QUALITY:
		keep_stats(call, ev);
		return;
	case GW_E_RELEASED:
		keep_stats(call, ev);
		call->gone = true;
		gw_call_fsm_event(&call->fsm, GW_EV_CLEARED);
		return;
	case GW_E_GONE:
		call->gone = true;
		if (call->fsm.state == GW_CALL_ENDING)
			gw_call_fsm_event(&call->fsm, GW_EV_CLEARED);
		else
			gw_call_end(call, "gateway", 500, "media context lost");
	}
}
