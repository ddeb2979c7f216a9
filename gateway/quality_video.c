/* Pictures: what is lost, repaired and asked for, and what is seen of them. */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/metrics.h"
#include "gateway/quality_priv.h"

/* What is shorter says nothing of a bit rate. */
#define RATE_MIN_US 500000u
/* A client tells every few seconds; what it did not watch longer than this,
 * because its page was asleep, counts for nothing. */
#define WATCHED_MAX_US 60000000u

#define LOSS_LIMITS   1000, 3000, 10000, 20000, 50000, 100000, 200000
#define JITTER_LIMITS 2000, 5000, 10000, 20000, 40000, 80000, 160000

/* Sums and limits count in millionths, as in quality.c. */
GW_HISTOGRAM(m_loss_web, "isthmus_call_video_loss_web_ratio",
	     "Video packets lost between browser and gateway, of ended calls",
	     LOSS_LIMITS);
GW_HISTOGRAM(m_loss_core, "isthmus_call_video_loss_core_ratio",
	     "Video packets lost between gateway and SIP side, of ended calls",
	     LOSS_LIMITS);
GW_HISTOGRAM(m_jitter_web, "isthmus_call_video_jitter_web_seconds",
	     "Highest jitter of video between browser and gateway, of ended "
	     "calls",
	     JITTER_LIMITS);
GW_HISTOGRAM(m_jitter_core, "isthmus_call_video_jitter_core_seconds",
	     "Highest jitter of video between gateway and SIP side, of ended "
	     "calls",
	     JITTER_LIMITS);
GW_HISTOGRAM(m_frozen, "isthmus_call_video_frozen_ratio",
	     "Share of the time that a browser's picture stood still, of ended "
	     "calls",
	     1000, 10000, 20000, 50000, 100000, 200000, 500000);
GW_HISTOGRAM(m_dropped, "isthmus_call_video_dropped_ratio",
	     "Frames that a browser received and did not show, of ended calls",
	     1000, 10000, 20000, 50000, 100000, 200000, 500000);

/* ---- one interval ---- */

static struct gw_quality_video *begin(struct gw_quality *q, unsigned i)
{
	struct gw_quality_video *v = calloc(1, sizeof(*v));

	for (unsigned t = 0; v && t < GW_NTERMS; t++)
		v->at[t].side.report_age = UINT8_MAX;
	q->video[i] = v;
	return v;
}

bool gw_quality_is_video(const struct gw_quality *q, unsigned i,
			 const struct gw_stream_stats *const now[GW_NTERMS])
{
	bool video = false, packets = false;

	if (q->video[i])
		return true;
	for (unsigned t = 0; t < GW_NTERMS; t++) {
		video |= now[t]->kind == GW_MEDIA_VIDEO;
		packets |= now[t]->rx.packets || now[t]->tx.packets;
	}
	return video && packets;
}

/* What is no character of a token (RFC 8866 9) could break JSON. */
static void copy_token(char *to, size_t size, const char *from)
{
	size_t i;

	for (i = 0; i + 1 < size && from[i]; i++) {
		bool fits = from[i] > ' ' && from[i] < 0x7f &&
			    !strchr("\"\\", from[i]);

		to[i] = fits ? from[i] : '_';
	}
	to[i] = '\0';
}

static uint32_t rate_bps(uint64_t now, uint64_t before, uint64_t elapsed_us)
{
	uint64_t bps = (uint64_t)gw_quality_grown(now, before) * 8 * 1000000 /
		       elapsed_us;

	return bps > UINT32_MAX ? UINT32_MAX : (uint32_t)bps;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

void gw_quality_video_take(struct gw_quality *q, unsigned i,
			   const struct gw_stream_stats *const now[GW_NTERMS],
			   const struct gw_quality_line *line, uint64_t now_us)
{
	struct gw_quality_video *v = q->video[i];
	uint64_t elapsed;

	if (!v && !(v = begin(q, i)))
		return;
	copy_token(v->codec, sizeof(v->codec), line->codec);
	elapsed = v->taken_us ? now_us - v->taken_us : 0;
	for (unsigned t = 0; t < GW_NTERMS; t++) {
		struct gw_quality_sight *s = &v->at[t];
		const struct gw_stream_stats *old = &s->side.before;

		copy_token(v->mid[t], sizeof(v->mid[t]), line->mid[t]);
		if (elapsed >= RATE_MIN_US) {
			s->to_bps = rate_bps(now[t]->rx.bytes, old->rx.bytes,
					     elapsed);
			s->from_bps = rate_bps(now[t]->tx.bytes, old->tx.bytes,
					       elapsed);
			s->to_bps_max = larger(s->to_bps_max, s->to_bps);
			s->from_bps_max = larger(s->from_bps_max, s->from_bps);
		}
		gw_quality_measure(&s->side, now[t]);
	}
	v->taken_us = now_us;
}

/* What may not be known counts as nothing. */
static uint32_t more(uint32_t now, uint32_t before)
{
	if (now == GW_LEG_UNKNOWN)
		return 0;
	return before == GW_LEG_UNKNOWN ? now : gw_quality_grown(now, before);
}

void gw_quality_video_report(struct gw_quality *q, enum gw_term term,
			     unsigned i, const struct gw_leg_video *report,
			     uint64_t now_us)
{
	struct gw_quality_sight *s;
	uint64_t watched_us;
	uint32_t decoded;

	if (i >= GW_MAX_STREAMS || !q->video[i])
		return;
	s = &q->video[i]->at[term];
	decoded = more(report->decoded, s->seen.decoded);
	s->decoded += decoded;
	s->dropped += more(report->dropped, s->seen.dropped);
	s->key_frames += more(report->key_frames, s->seen.key_frames);
	s->freezes += more(report->freezes, s->seen.freezes);
	watched_us = s->seen_us ? now_us - s->seen_us : 0;
	if (decoded && watched_us && watched_us <= WATCHED_MAX_US) {
		uint32_t frozen = more(report->frozen_ms, s->seen.frozen_ms);
		uint32_t watched = (uint32_t)(watched_us / 1000);

		s->watched_ms += watched;
		s->frozen_ms += frozen < watched ? frozen : watched;
	}
	s->seen = *report;
	s->seen_us = now_us ? now_us : 1;
	gw_quality_hear(&s->side, &report->packets);
}

void gw_quality_video_asked(struct gw_quality *q, enum gw_term term)
{
	for (unsigned i = 0; i < GW_MAX_STREAMS; i++) {
		if (q->video[i])
			q->video[i]->at[term].asked++;
	}
}

/* ---- the client's view ---- */

static void print_path(struct gw_buf *out, const char *name,
		       const struct gw_quality_path *p, uint32_t bps)
{
	gw_buf_printf(out, "\"%s\":{", name);
	gw_quality_number(out, "lossPercent", p->known, p->loss_ppm / 1e4);
	gw_buf_str(out, ",");
	gw_quality_number(out, "jitterMs", p->known, p->jitter_us / 1e3);
	gw_buf_printf(out, ",\"kbps\":%u}", bps / 1000);
}

static void print_count(struct gw_buf *out, const char *name, uint32_t n)
{
	if (n == GW_LEG_UNKNOWN)
		gw_buf_printf(out, "\"%s\":null", name);
	else
		gw_buf_printf(out, "\"%s\":%u", name, n);
}

static void print_seen(struct gw_buf *out, const struct gw_quality_sight *s)
{
	const struct gw_leg_video *v = &s->seen;

	if (!s->seen_us) {
		gw_buf_str(out, ",\"seen\":null");
		return;
	}
	gw_buf_str(out, ",\"seen\":{");
	print_count(out, "width", v->width);
	gw_buf_str(out, ",");
	print_count(out, "height", v->height);
	gw_buf_str(out, ",");
	print_count(out, "framesPerSecond", v->fps);
	gw_buf_str(out, ",");
	print_count(out, "framesDecoded", v->decoded);
	gw_buf_str(out, ",");
	print_count(out, "framesDropped", v->dropped);
	gw_buf_str(out, ",");
	print_count(out, "freezes", v->freezes);
	gw_buf_str(out, ",");
	print_count(out, "frozenMs", v->frozen_ms);
	gw_buf_str(out, "}");
}

static void print_sight(struct gw_buf *out, const char *name,
			const struct gw_quality_sight *s)
{
	const struct gw_feedback_stats *fb = &s->side.before.feedback;

	gw_buf_printf(out, ",\"%s\":{", name);
	print_path(out, "toGateway", &s->side.to, s->to_bps);
	gw_buf_str(out, ",");
	print_path(out, "fromGateway", &s->side.from, s->from_bps);
	gw_buf_str(out, ",");
	gw_quality_number(out, "roundTripMs", s->side.round_trip_us,
			  s->side.round_trip_us / 1e3);
	gw_buf_printf(out,
		      ",\"nacks\":%u,\"packetsResent\":%u,"
		      "\"keyFrameRequests\":%u",
		      fb->nacks_in, fb->resent,
		      fb->plis_in + fb->firs_in + s->asked);
	print_seen(out, s);
	gw_buf_str(out, "}");
}

void gw_quality_video_print(const struct gw_quality *q, enum gw_term term,
			    struct gw_buf *out)
{
	enum gw_term other = term == GW_TERM_A ? GW_TERM_B : GW_TERM_A;
	bool any = false;

	for (unsigned i = 0; i < GW_MAX_STREAMS; i++) {
		const struct gw_quality_video *v = q->video[i];

		if (!v)
			continue;
		gw_buf_printf(out, "%s{\"mid\":\"%s\",\"codec\":\"%s\"",
			      any ? "," : ",\"video\":[", v->mid[term],
			      v->codec);
		any = true;
		print_sight(out, "near", &v->at[term]);
		print_sight(out, "far", &v->at[other]);
		gw_buf_str(out, "}");
	}
	if (any)
		gw_buf_str(out, "]");
}

/* ---- the end ---- */

static void observe_paths(const struct gw_quality_side *s, bool web)
{
	uint64_t expected = s->to.expected + s->from.expected;
	uint32_t jitter = s->to.jitter_max_us > s->from.jitter_max_us
				  ? s->to.jitter_max_us
				  : s->from.jitter_max_us;

	if (!expected)
		return;
	gw_histogram_add(web ? &m_loss_web : &m_loss_core,
			 (s->to.lost + s->from.lost) * 1000000 / expected);
	gw_histogram_add(web ? &m_jitter_web : &m_jitter_core, jitter);
}

static void observe_sight(const struct gw_quality_sight *s, const char *kind)
{
	bool web = !strcmp(kind, "respect");

	if (!web && strcmp(kind, "ims") != 0)
		return;
	observe_paths(&s->side, web);
	if (s->watched_ms)
		gw_histogram_add(&m_frozen,
				 s->frozen_ms * 1000000 / s->watched_ms);
	if (s->decoded + s->dropped)
		gw_histogram_add(&m_dropped, s->dropped * 1000000 /
						     (s->decoded + s->dropped));
}

void gw_quality_video_observe(const struct gw_quality *q,
			      const char *const kind[GW_NTERMS])
{
	for (unsigned i = 0; i < GW_MAX_STREAMS; i++) {
		for (unsigned t = 0; q->video[i] && t < GW_NTERMS; t++)
			observe_sight(&q->video[i]->at[t], kind[t]);
	}
}
