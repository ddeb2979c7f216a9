/*
 * media/context_feedback.c - what receivers of video ask for
 *
 * RTCP ends at each termination, and so does feedback.  A packet that a peer
 * misses is sent again from here; a key frame that it wants is asked of the
 * peer that makes them, by the means that one has: PLI, FIR, or the call is
 * told, which knows SIP INFO.  Of transport-wide feedback and REMB we give
 * REMB: what bounds a browser is what the other end said it takes, which is
 * known and rarely changes, not what our line to it bears; an estimator that
 * needs a report every 100 ms would tell it no more.
 */
#include "media/context_priv.h"

#include <stdlib.h>

#include "gateway/base/metrics.h"

/* An encoder answers a PLI within a frame or two, and its key frame takes some
 * time to arrive; phones asked by SIP are slower. */
#define RTCP_GAP_US 300000u
#define SIP_GAP_US  1000000u
/* A peer is not asked for packets more often, whatever gaps it makes. */
#define NACK_GAP_US 10000u
/* Of one compound; a receiver that misses more is better off with a key frame,
 * which it then asks for. */
#define NACK_MAX 64
/* REMB bounds all that the browser sends on the bundle; sound is on top. */
#define REMB_AUDIO_BPS 64000u

GW_COUNTER(m_resent, "isthmus_rtp_retransmitted_total",
	   "RTP packets sent once more because a browser missed them", "");
GW_COUNTER(m_gone, "isthmus_rtp_retransmit_missed_total",
	   "RTP packets asked for again that were not there any more", "");
GW_COUNTER(m_nacks, "isthmus_rtcp_nacks_sent_total",
	   "Times that browsers were asked for packets that did not come", "");
#define ASKED      "isthmus_video_keyframe_requests_total"
#define ASKED_HELP "Key frames asked for, by the way"
GW_COUNTER(m_pli, ASKED, ASKED_HELP, "by=\"pli\"");
GW_COUNTER(m_fir, ASKED, ASKED_HELP, "by=\"fir\"");
GW_COUNTER(m_sip, ASKED, ASKED_HELP, "by=\"signalling\"");
GW_COUNTER(m_wanted, "isthmus_video_keyframe_wanted_total",
	   "PLI and FIR received, and asked for at the start of video", "");

static bool is_video(const struct gw_ctx_stream *st)
{
	return st->video && st->remote.kind == GW_MEDIA_VIDEO &&
	       st->remote.ncodec;
}

/* ---- lost packets ---- */

static unsigned resend(struct gw_ctx_stream *st, uint16_t seq, uint64_t now_us)
{
	size_t len;
	const uint8_t *data = gw_rtx_take(st->video->rtx, seq, now_us, &len);

	if (!data) {
		gw_metric_add(&m_gone, 1);
		st->video->stats.missed++;
		return 0;
	}
	if (!gw_ice_send_marked(st->term->ice, st->dscp, data, len)) {
		gw_metric_add(&m_resent, 1);
		st->video->stats.resent++;
	}
	return 1;
}

static void answer_nacks(struct gw_ctx_stream *st,
			 const struct gw_rtcp_info *info, uint64_t now_us)
{
	unsigned sent = 0;

	for (unsigned i = 0; i < info->nmissing && sent < NACK_MAX; i++) {
		uint16_t seq = info->missing[i].seq;
		unsigned behind = info->missing[i].behind;

		sent += resend(st, seq, now_us);
		for (; behind && sent < NACK_MAX; behind >>= 1) {
			seq++;
			if (behind & 1)
				sent += resend(st, seq, now_us);
		}
	}
}

/* What the peer sent and we did not get: there is nobody behind us who could
 * ask for it. */
static void ask_missing(struct gw_ctx_stream *st, uint64_t now_us)
{
	struct gw_timers *timers = st->term->ctx->env->timers;
	const struct gw_flow *f = gw_context_from(st->term, st->index);
	struct gw_ask ask = { 0 };
	uint64_t next;
	bool lost;

	ask.nmissing = gw_nack_due(st->video->nack, now_us, ask.missing,
				   GW_RTCP_MAX_NACKS, &lost);
	if (ask.nmissing && f && gw_flow_source(f, &ask.media)) {
		gw_metric_add(&m_nacks, 1);
		st->video->stats.nacks_out++;
		st->video->nack_us = now_us;
		gw_context_report_asking(st, &ask);
	}
	if (lost)
		gw_context_feedback_ask(st);
	next = gw_nack_next_us(st->video->nack);
	if (next != UINT64_MAX)
		(void)gw_timer_start_us(timers, &st->video->missing,
					next > now_us ? next - now_us : 0);
}

static void missing_due(struct gw_timer *timer, void *arg)
{
	struct gw_ctx_stream *st = arg;

	(void)timer;
	GW_CHECK(st->term->ctx, GW_CTX_MAGIC);
	if (st->video->nack)
		ask_missing(st, gw_timers_now_us(st->term->ctx->env->timers));
}

void gw_context_feedback_heard(struct gw_ctx_stream *st, const uint8_t *data,
			       size_t len, uint64_t now_us)
{
	if (len < GW_RTP_HEADER)
		return;
	switch (gw_nack_heard(st->video->nack,
			      (uint16_t)(data[2] << 8 | data[3]))) {
	case GW_NACK_NOTHING:
		return;
	case GW_NACK_ASK:
		if (now_us >= st->video->nack_us + NACK_GAP_US)
			ask_missing(st, now_us);
		else
			(void)gw_timer_start_us(
				st->term->ctx->env->timers, &st->video->missing,
				st->video->nack_us + NACK_GAP_US - now_us);
		return;
	case GW_NACK_LOST:
		gw_context_feedback_ask(st);
		return;
	}
}

/* ---- key frames ---- */

static void tell_call(struct gw_ctx_stream *st)
{
	struct gw_media_event ev = {
		.type = GW_E_KEYFRAME,
		.term = st->term->side,
		.stream = st->index,
	};

	gw_context_emit(st->term->ctx, &ev);
}

static void ask_now(struct gw_ctx_stream *st, uint64_t now_us)
{
	const struct gw_flow *f = gw_context_from(st->term, st->index);
	uint8_t fb = st->remote.feedback;
	uint32_t ssrc;

	/* Who has sent nothing begins with a key frame. */
	if (!f || !gw_flow_is_open(f) || !gw_flow_source(f, &ssrc))
		return;
	st->video->keyframe_us = now_us ? now_us : 1;
	if (fb & (GW_MEDIA_FB_PLI | GW_MEDIA_FB_FIR)) {
		const struct gw_ask ask = {
			.media = ssrc,
			.pli = fb & GW_MEDIA_FB_PLI,
			.fir = !(fb & GW_MEDIA_FB_PLI),
		};

		gw_metric_add(ask.pli ? &m_pli : &m_fir, 1);
		st->video->stats.plis_out += ask.pli;
		st->video->stats.firs_out += ask.fir;
		gw_context_report_asking(st, &ask);
	} else if (st->term->transport == GW_TP_RTP) {
		gw_metric_add(&m_sip, 1);
		st->video->stats.told_out++;
		tell_call(st);
	}
}

static void keyframe_due(struct gw_timer *timer, void *arg)
{
	struct gw_ctx_stream *st = arg;

	(void)timer;
	GW_CHECK(st->term->ctx, GW_CTX_MAGIC);
	ask_now(st, gw_timers_now_us(st->term->ctx->env->timers));
}

void gw_context_feedback_ask(struct gw_ctx_stream *st)
{
	struct gw_timers *timers = st->term->ctx->env->timers;
	uint64_t now = gw_timers_now_us(timers);
	bool rtcp = st->remote.feedback & (GW_MEDIA_FB_PLI | GW_MEDIA_FB_FIR);
	uint64_t next;

	if (!is_video(st) || gw_timer_running(&st->video->keyframe))
		return;
	next = st->video->keyframe_us + (rtcp ? RTCP_GAP_US : SIP_GAP_US);
	if (!st->video->keyframe_us || now >= next)
		ask_now(st, now);
	else
		(void)gw_timer_start_us(timers, &st->video->keyframe,
					next - now);
}

void gw_context_feedback_want(struct gw_ctx_stream *st)
{
	struct gw_term_side *from = gw_context_dest(st->term);

	if (!is_video(st) || st->index >= from->nstream)
		return;
	gw_metric_add(&m_wanted, 1);
	gw_context_feedback_ask(from->stream[st->index]);
}

void gw_context_feedback_in(struct gw_ctx_stream *st,
			    const struct gw_rtcp_info *info, uint64_t now_us)
{
	if (!is_video(st))
		return;
	st->video->stats.nacks_in += info->nnack;
	st->video->stats.plis_in += info->npli;
	st->video->stats.firs_in += info->nfir;
	if (info->nnack && st->video->rtx)
		answer_nacks(st, info, now_us);
	if (info->npli || info->nfir)
		gw_context_feedback_want(st);
}

/* ---- reports ---- */

/* What all video of the browser together may take. */
static uint64_t bound_bps(struct gw_term_side *t)
{
	const struct gw_term_side *to = gw_context_dest(t);
	uint64_t sum = 0;

	for (unsigned i = 0; i < t->nstream && i < to->nstream; i++) {
		if (is_video(t->stream[i]))
			sum += to->stream[i]->remote.bandwidth_bps;
	}
	return sum ? sum + REMB_AUDIO_BPS : 0;
}

int gw_context_feedback_add(struct gw_ctx_stream *st, uint8_t *out, size_t size,
			    int len)
{
	const struct gw_flow *f = gw_context_from(st->term, st->index);
	uint64_t bps;
	uint32_t ssrc;
	int n;

	if (!is_video(st) || !(st->remote.feedback & GW_MEDIA_FB_REMB) || !f ||
	    !gw_flow_source(f, &ssrc))
		return len;
	bps = bound_bps(st->term);
	if (!bps)
		return len;
	n = gw_rtcp_add_remb(out, size, (size_t)len, gw_flow_ssrc(st->to_peer),
			     ssrc, bps);
	return n < 0 ? len : n;
}

/* ---- life ---- */

/* Without memory it is as with a peer that knows no feedback. */
static void make_video(struct gw_ctx_stream *st)
{
	st->video = calloc(1, sizeof(*st->video));
	if (!st->video)
		return;
	gw_timer_init(&st->video->keyframe, keyframe_due, st);
	gw_timer_init(&st->video->missing, missing_due, st);
}

static void drop_repeats(struct gw_ctx_stream *st)
{
	gw_timer_stop(&st->video->missing);
	gw_rtx_free(st->video->rtx);
	st->video->rtx = NULL;
	free(st->video->nack);
	st->video->nack = NULL;
}

void gw_context_feedback_configure(struct gw_ctx_stream *st)
{
	bool repeats;

	if (!st->video && st->remote.kind == GW_MEDIA_VIDEO &&
	    st->remote.ncodec)
		make_video(st);
	if (!st->video)
		return;
	repeats = is_video(st) && st->term->transport == GW_TP_DTLS &&
		  (st->remote.feedback & GW_MEDIA_FB_NACK);
	if (repeats) {
		/* Without memory it is as without NACK: key frames help. */
		if (!st->video->rtx)
			(void)gw_rtx_new(&st->video->rtx);
		if (!st->video->nack)
			st->video->nack = calloc(1, sizeof(*st->video->nack));
	} else {
		drop_repeats(st);
	}
	if (!is_video(st))
		gw_timer_stop(&st->video->keyframe);
}

void gw_context_feedback_fini(struct gw_ctx_stream *st)
{
	if (!st->video)
		return;
	gw_timer_stop(&st->video->keyframe);
	drop_repeats(st);
	free(st->video);
	st->video = NULL;
}

void gw_context_feedback_keys(struct gw_term_side *t)
{
	for (unsigned i = 0; i < t->nstream; i++) {
		struct gw_ctx_stream *st = t->stream[i];

		if (!st->video)
			continue;
		if (st->video->rtx)
			gw_rtx_reset(st->video->rtx);
		if (st->video->nack)
			st->video->nack->started = false;
		gw_context_feedback_want(st);
	}
}
