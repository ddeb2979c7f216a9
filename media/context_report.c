/*
 * media/context_report.c - what a context says of itself: RTCP to its peers,
 * statistics and silence to the call
 */
#include "media/context_priv.h"

#include <string.h>
#include <time.h>

#include "gateway/base/ids.h"
#include "gateway/base/metrics.h"

GW_COUNTER(m_rtcp_out, "isthmus_rtcp_sent_total", "RTCP compounds sent", "");
#define INACTIVE "isthmus_media_inactive_total"
#define INACTIVE_HELP                                                          \
	"Terminations that fell silent with an open gate, by what is missing"
GW_COUNTER(m_no_rtp, INACTIVE, INACTIVE_HELP, "missing=\"rtp\"");
GW_COUNTER(m_no_rtcp, INACTIVE, INACTIVE_HELP, "missing=\"rtcp\"");
GW_COUNTER(m_nothing, INACTIVE, INACTIVE_HELP, "missing=\"all\"");

uint64_t gw_context_ntp(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return gw_rtcp_ntp((uint64_t)ts.tv_sec * 1000000u +
			   (uint64_t)ts.tv_nsec / 1000u);
}

/* ---- RTCP ---- */

#define ROOM (GW_RTCP_REPORT_MAX + GW_CTX_FEEDBACK_MAX)

/* What is asked for, behind @len bytes; the new length. */
static int add_ask(struct gw_ctx_stream *st, uint8_t *buf, int len,
		   const struct gw_ask *ask)
{
	uint32_t ssrc = gw_flow_ssrc(st->to_peer);
	int n = len;

	if (ask->pli)
		n = gw_rtcp_add_pli(buf, ROOM, (size_t)n, ssrc, ask->media);
	if (n > 0 && ask->fir)
		n = gw_rtcp_add_fir(buf, ROOM, (size_t)n, ssrc, ask->media,
				    st->video->fir_seq++);
	if (n > 0 && ask->nmissing)
		n = gw_rtcp_add_nack(buf, ROOM, (size_t)n, ssrc, ask->media,
				     ask->missing, ask->nmissing);
	return n < 0 ? len : n;
}

static void report(struct gw_term_side *t, struct gw_ctx_stream *st, bool bye,
		   const struct gw_ask *ask)
{
	uint8_t buf[ROOM + GW_SRTP_OVERHEAD];
	int n;

	/* RFC 8827: nothing before consent; a peer whose gate never opened
	 * has not been answered yet. */
	if (!st->was_open || !st->remote.ncodec)
		return;
	n = gw_flow_rtcp_out(gw_context_from(t, st->index), st->to_peer, buf,
			     GW_RTCP_REPORT_MAX,
			     gw_timers_now_us(t->ctx->env->timers),
			     gw_context_ntp(), t->ctx->cname, bye);
	if (n > 0 && !bye) {
		if (ask)
			n = add_ask(st, buf, n, ask);
		n = gw_context_feedback_add(st, buf, ROOM, n);
	}
	if (n > 0 && !gw_context_send(t, st, true, buf, (size_t)n, sizeof(buf)))
		gw_metric_add(&m_rtcp_out, 1);
}

static void arm_rtcp(struct gw_term_side *t)
{
	(void)gw_timer_start_lazy_us(
		t->ctx->env->timers, &t->rtcp,
		gw_rtcp_interval_us(!t->rtcp_before, gw_random_u32()));
}

static void rtcp_due(struct gw_timer *timer, void *arg)
{
	struct gw_term_side *t = arg;

	(void)timer;
	GW_CHECK(t->ctx, GW_CTX_MAGIC);
	t->rtcp_before = true;
	for (unsigned i = 0; i < t->nstream; i++)
		report(t, t->stream[i], false, NULL);
	arm_rtcp(t);
}

/* RFC 3550 6.6: we leave. */
void gw_context_bye(struct gw_term_side *t)
{
	if (!t->configured)
		return;
	for (unsigned i = 0; i < t->nstream; i++)
		report(t, t->stream[i], true, NULL);
}

void gw_context_report_asking(struct gw_ctx_stream *st,
			      const struct gw_ask *ask)
{
	report(st->term, st, false, ask);
}

/* ---- silence ---- */

static bool listens(const struct gw_term_side *t)
{
	for (unsigned i = 0; i < t->nstream; i++)
		if ((t->stream[i]->gate & GW_GATE_IN) &&
		    t->stream[i]->remote.ncodec)
			return true;
	return false;
}

void gw_context_watch_inactivity(struct gw_term_side *t)
{
	struct gw_media_env *env = t->ctx->env;

	if (!env->cfg->inactivity_ms || t->transport == GW_TP_RESOURCE)
		return;
	if (!listens(t)) {
		gw_timer_stop(&t->inactive);
		t->silent = 0;
	} else if (!gw_timer_running(&t->inactive) &&
		   t->silent != GW_SILENCE_ALL) {
		t->heard_us[0] = gw_timers_now_us(env->timers);
		t->heard_us[1] = t->heard_us[0];
		(void)gw_timer_start_lazy_us(env->timers, &t->inactive,
					     env->cfg->inactivity_ms * 1000ull);
	}
}

static void tell_silence(struct gw_term_side *t)
{
	struct gw_metric *m[] = {
		[GW_SILENCE_RTP] = &m_no_rtp,
		[GW_SILENCE_RTCP] = &m_no_rtcp,
		[GW_SILENCE_ALL] = &m_nothing,
	};
	struct gw_media_event ev;

	gw_metric_add(m[t->silent], 1);
	memset(&ev, 0, sizeof(ev));
	ev.type = GW_E_INACTIVE;
	ev.term = t->side;
	ev.state = t->silent;
	gw_context_emit(t->ctx, &ev);
}

/* A packet only leaves its time; the timer looks when it is due. */
static void inactive_due(struct gw_timer *timer, void *arg)
{
	struct gw_term_side *t = arg;
	struct gw_media_env *env;
	uint8_t before;
	uint64_t limit;
	uint64_t next;

	(void)timer;
	GW_CHECK(t->ctx, GW_CTX_MAGIC);
	env = t->ctx->env;
	before = t->silent;
	limit = (uint64_t)env->cfg->inactivity_ms * 1000;
	next = limit;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t quiet = gw_timers_now_us(env->timers) - t->heard_us[i];

		if (quiet >= limit)
			t->silent |= (uint8_t)(GW_SILENCE_RTP << i);
		else if (limit - quiet < next)
			next = limit - quiet;
	}
	if (t->silent != before)
		tell_silence(t);
	if (t->silent != GW_SILENCE_ALL)
		(void)gw_timer_start_lazy_us(env->timers, &t->inactive, next);
}

void gw_context_heard(struct gw_term_side *t, bool rtcp, uint64_t now_us)
{
	uint8_t before = t->silent;

	t->heard_us[rtcp] = now_us;
	if (!before)
		return;
	t->silent &= (uint8_t) ~(GW_SILENCE_RTP << rtcp);
	if (before == GW_SILENCE_ALL && listens(t))
		(void)gw_timer_start_lazy_us(t->ctx->env->timers, &t->inactive,
					     t->ctx->env->cfg->inactivity_ms *
						     1000ull);
}

/* ---- statistics ---- */

void gw_context_stats(struct gw_context *ctx, struct gw_media_event *ev)
{
	for (unsigned side = 0; side < GW_NTERMS; side++) {
		struct gw_term_side *t = ctx->term[side];

		for (unsigned i = 0; i < t->nstream; i++) {
			struct gw_stream_stats *out = &ev->stats[side][i];
			struct gw_ctx_stream *st = t->stream[i];

			gw_flow_stats(gw_context_from(t, i), st->to_peer, out);
			out->kind = st->remote.kind;
			if (st->video)
				out->feedback = st->video->stats;
			for (unsigned why = 0; why < GW_NDISCARDS; why++) {
				out->rx.discarded[why] += st->discarded[why];
				out->tx.discarded[why] += st->unsent[why];
			}
		}
	}
}

static uint64_t count(const struct gw_flow_stats *s)
{
	uint64_t n = s->packets;

	for (unsigned why = 0; why < GW_NDISCARDS; why++)
		n += s->discarded[why];
	return n;
}

/* It changes when there is something to tell of any stream. */
static uint64_t news(const struct gw_media_event *ev)
{
	uint64_t n = 0;

	for (unsigned side = 0; side < GW_NTERMS; side++)
		for (unsigned i = 0; i < GW_MAX_STREAMS; i++) {
			const struct gw_stream_stats *s = &ev->stats[side][i];

			n = 31 * n + count(&s->rx) + count(&s->tx);
			n = 31 * n + s->remote_lost + s->remote_jitter_us +
			    s->rtt_us;
		}
	return n;
}

void gw_context_quality_due(struct gw_timer *timer, void *arg)
{
	struct gw_context *ctx = arg;
	struct gw_media_event ev;

	GW_CHECK(ctx, GW_CTX_MAGIC);
	memset(&ev, 0, sizeof(ev));
	ev.type = GW_E_QUALITY;
	gw_context_stats(ctx, &ev);
	/* A call on hold does not wake the signalling thread. */
	if (news(&ev) != ctx->told_news) {
		ctx->told_news = news(&ev);
		gw_context_emit(ctx, &ev);
	}
	(void)gw_timer_start_lazy_us(ctx->env->timers, timer,
				     ctx->env->cfg->quality_ms * 1000ull);
}

/* ---- life ---- */

void gw_context_report_init(struct gw_term_side *t)
{
	gw_timer_init(&t->rtcp, rtcp_due, t);
	gw_timer_init(&t->inactive, inactive_due, t);
}

/* The peer is known: reports begin.  Legal more than once. */
void gw_context_report_start(struct gw_term_side *t)
{
	if (t->configured && t->transport != GW_TP_RESOURCE &&
	    !gw_timer_running(&t->rtcp))
		arm_rtcp(t);
	gw_context_watch_inactivity(t);
}

void gw_context_report_stop(struct gw_term_side *t)
{
	gw_timer_stop(&t->rtcp);
	gw_timer_stop(&t->inactive);
}
