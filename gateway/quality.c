#include "gateway/quality_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/metrics.h"
#include "gateway/base/check.h"

/* What says less is chance. */
#define INTERVAL_MIN 20 /* packets */
/* A client that reported so many intervals ago has stopped. */
#define REPORT_STALE 2
/* Packetisation and look-ahead, and the least of a jitter buffer. */
#define CODEC_US  26500
#define BUFFER_US 20000

#define MOS_LIMITS                                                             \
	2000000, 2500000, 3000000, 3500000, 3800000, 4000000, 4200000, 4350000
#define MOS_HELP "Mean opinion score (G.107) of ended calls"

/* Sums and limits count in millionths: of MOS, of a second, and of one. */
GW_HISTOGRAM(m_mos_web, "isthmus_call_mos_web",
	     MOS_HELP ", worse direction between browser and gateway",
	     MOS_LIMITS);
GW_HISTOGRAM(m_mos_core, "isthmus_call_mos_core",
	     MOS_HELP ", worse direction between gateway and SIP side",
	     MOS_LIMITS);
GW_HISTOGRAM(m_mos_heard, "isthmus_call_mos_heard",
	     MOS_HELP ", as heard at each end, over both segments", MOS_LIMITS);
GW_HISTOGRAM(m_loss_web, "isthmus_call_loss_web_ratio",
	     "Packets lost between browser and gateway, of ended calls", 1000,
	     3000, 10000, 20000, 50000, 100000, 200000);
GW_HISTOGRAM(m_loss_core, "isthmus_call_loss_core_ratio",
	     "Packets lost between gateway and SIP side, of ended calls", 1000,
	     3000, 10000, 20000, 50000, 100000, 200000);
GW_HISTOGRAM(m_jitter_web, "isthmus_call_jitter_web_seconds",
	     "Highest jitter between browser and gateway, of ended calls", 2000,
	     5000, 10000, 20000, 40000, 80000, 160000);
GW_HISTOGRAM(m_jitter_core, "isthmus_call_jitter_core_seconds",
	     "Highest jitter between gateway and SIP side, of ended calls",
	     2000, 5000, 10000, 20000, 40000, 80000, 160000);
GW_HISTOGRAM(m_rtt_web, "isthmus_call_round_trip_web_seconds",
	     "Round trip between browser and gateway, of ended calls", 10000,
	     30000, 60000, 100000, 200000, 400000, 800000);
GW_HISTOGRAM(m_rtt_core, "isthmus_call_round_trip_core_seconds",
	     "Round trip between gateway and SIP side, of ended calls", 10000,
	     30000, 60000, 100000, 200000, 400000, 800000);

/* ---- the E-model ---- */

/*
 * Equipment impairment and robustness to random loss (ITU-T G.113 appendix I):
 * G.711 with concealment, G.722, AMR at 12.2 and AMR-WB at 12.65 kbit/s on the
 * narrowband scale.  G.113 has no values for Opus: 0, and a robustness that
 * published tests with in-band FEC agree with.
 */
static const struct {
	const char *name;
	double ie, bpl;
} codecs[] = {
	{"PCMU",    0,  25.1},
        { "PCMA",   0,  25.1},
        { "opus",   0,  20  },
	{ "G722",   13, 4.3 },
        { "AMR",    5,  10  },
        { "AMR-WB", 7,  10  },
};

uint16_t gw_quality_mos(const char *codec, uint32_t loss_ppm, uint64_t delay_us)
{
	double ie = codecs[0].ie, bpl = codecs[0].bpl;
	double ppl = (loss_ppm > 1000000 ? 1000000 : loss_ppm) / 1e4;
	double d = (double)delay_us / 1e3, r, mos;

	for (size_t i = 0; codec && i < GW_ARRAY_LEN(codecs); i++) {
		if (!strcasecmp(codecs[i].name, codec)) {
			ie = codecs[i].ie;
			bpl = codecs[i].bpl;
		}
	}
	/* G.107 7.5, with BurstR 1; the delay as its approximation by Cole and
	 * Rosenbluth. */
	r = 93.2 - (ie + (95 - ie) * ppl / (ppl + bpl)) - 0.024 * d;
	if (d > 177.3)
		r -= 0.11 * (d - 177.3);
	/* G.107 annex B */
	if (r <= 0)
		return 1000;
	mos = 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6;
	if (mos < 1)
		mos = 1;
	return mos > 4.5 ? 4500 : (uint16_t)lround(mos * 1000);
}

/* ---- one interval ---- */

uint32_t gw_quality_grown(uint64_t now, uint64_t before)
{
	return now < before || now - before > UINT32_MAX
		       ? 0
		       : (uint32_t)(now - before);
}

/* @received and @lost packets more, and their jitter; false: too few. */
static bool measure(struct gw_quality_path *p, uint32_t received, uint32_t lost,
		    uint32_t jitter_us)
{
	uint64_t expected = (uint64_t)received + lost;

	p->known = expected >= INTERVAL_MIN;
	if (!p->known)
		return false;
	p->expected += expected;
	p->lost += lost;
	p->loss_ppm = (uint32_t)((uint64_t)lost * 1000000 / expected);
	p->jitter_us = jitter_us;
	if (jitter_us > p->jitter_max_us)
		p->jitter_max_us = jitter_us;
	return true;
}

static void rate(struct gw_quality_path *p, const char *codec, uint32_t rtt_us)
{
	if (!p->known)
		return;
	p->mos_m = gw_quality_mos(codec, p->loss_ppm,
				  rtt_us / 2 + 2ull * p->jitter_us + CODEC_US +
					  BUFFER_US);
	p->mos_sum_m += p->mos_m;
	if (!p->mos_n++ || p->mos_m < p->mos_min_m)
		p->mos_min_m = p->mos_m;
}

static bool reports(const struct gw_quality_side *s)
{
	return s->report_age <= REPORT_STALE &&
	       s->report.packets_received != GW_LEG_UNKNOWN &&
	       s->report.packets_lost != GW_LEG_UNKNOWN;
}

/* What the peer heard of us: its own count, else its RTCP's. */
static void measure_sent(struct gw_quality_side *s,
			 const struct gw_stream_stats *now)
{
	const struct gw_leg_report *r = &s->report, *rb = &s->report_before;
	uint32_t sent = gw_quality_grown(now->tx.packets, s->before.tx.packets);
	uint32_t lost =
		gw_quality_grown(now->remote_lost, s->before.remote_lost);

	if (reports(s)) {
		/* Nothing new since: the last figures stand. */
		if (s->report_age)
			return;
		(void)measure(
			&s->from,
			gw_quality_grown(r->packets_received,
					 rb->packets_received),
			gw_quality_grown(r->packets_lost, rb->packets_lost),
			r->jitter_ms == GW_LEG_UNKNOWN
				? 0
				: (r->jitter_ms < 60000 ? r->jitter_ms * 1000
							: 60000000));
		s->report_before = *r;
		return;
	}
	/* No RTCP of the peer: nobody knows. */
	if (!now->remote_lost && !now->remote_jitter_us && !now->rtt_us) {
		s->from.known = false;
		return;
	}
	if (lost > sent)
		lost = sent;
	(void)measure(&s->from, sent - lost, lost, now->remote_jitter_us);
}

void gw_quality_measure(struct gw_quality_side *s,
			const struct gw_stream_stats *now)
{
	(void)measure(&s->to,
		      gw_quality_grown(now->rx.packets, s->before.rx.packets),
		      gw_quality_grown(now->rx.lost, s->before.rx.lost),
		      now->rx.jitter_us);
	measure_sent(s, now);
	s->round_trip_us = now->rtt_us;
	if (!s->round_trip_us && reports(s) &&
	    s->report.round_trip_ms != GW_LEG_UNKNOWN)
		s->round_trip_us = s->report.round_trip_ms < 60000
					   ? s->report.round_trip_ms * 1000
					   : 60000000;
	s->before = *now;
	if (s->report_age < UINT8_MAX)
		s->report_age++;
}

/* What @s' peer hears: from the other end to the gateway, and on. */
static void hear(struct gw_quality_side *s, const struct gw_quality_side *other,
		 const char *codec)
{
	const struct gw_quality_path *first = &other->to, *then = &s->from;
	uint64_t kept = 1000000, delay = CODEC_US + BUFFER_US;

	s->heard_m = 0;
	if (!first->known && !then->known)
		return;
	if (first->known) {
		kept = kept * (1000000 - first->loss_ppm) / 1000000;
		delay += 2ull * first->jitter_us;
	}
	if (then->known) {
		kept = kept * (1000000 - then->loss_ppm) / 1000000;
		delay += 2ull * then->jitter_us;
	}
	delay += s->round_trip_us / 2 + other->round_trip_us / 2;
	s->heard_m = gw_quality_mos(codec, (uint32_t)(1000000 - kept), delay);
	s->heard_sum_m += s->heard_m;
	s->heard_n++;
}

void gw_quality_init(struct gw_quality *q)
{
	memset(q, 0, sizeof(*q));
	for (unsigned t = 0; t < GW_NTERMS; t++)
		q->side[t].report_age = UINT8_MAX;
}

void gw_quality_fini(struct gw_quality *q)
{
	for (unsigned i = 0; i < GW_MAX_STREAMS; i++) {
		free(q->video[i]);
		q->video[i] = NULL;
	}
}

void gw_quality_take(struct gw_quality *q,
		     const struct gw_stream_stats now[GW_NTERMS],
		     const char *codec)
{
	for (unsigned t = 0; t < GW_NTERMS; t++) {
		struct gw_quality_side *s = &q->side[t];

		gw_quality_measure(s, &now[t]);
		rate(&s->to, codec, s->round_trip_us);
		rate(&s->from, codec, s->round_trip_us);
	}
	hear(&q->side[GW_TERM_A], &q->side[GW_TERM_B], codec);
	hear(&q->side[GW_TERM_B], &q->side[GW_TERM_A], codec);
}

void gw_quality_hear(struct gw_quality_side *s,
		     const struct gw_leg_report *report)
{
	if (s->report_age == UINT8_MAX)
		s->report_before = (struct gw_leg_report){ 0 };
	s->report = *report;
	s->report_age = 0;
}

void gw_quality_report(struct gw_quality *q, enum gw_term term,
		       const struct gw_leg_report *report)
{
	gw_quality_hear(&q->side[term], report);
}

/* ---- the client's view ---- */

static void print_path(struct gw_buf *out, const char *name,
		       const struct gw_quality_path *p)
{
	if (!p->known) {
		gw_buf_printf(out,
			      "\"%s\":{\"lossPercent\":null,\"jitterMs\":null,"
			      "\"mos\":null}",
			      name);
		return;
	}
	gw_buf_printf(out,
		      "\"%s\":{\"lossPercent\":%.2f,\"jitterMs\":%.1f,"
		      "\"mos\":%.2f}",
		      name, p->loss_ppm / 1e4, p->jitter_us / 1e3,
		      p->mos_m / 1e3);
}

void gw_quality_number(struct gw_buf *out, const char *name, bool known,
		       double value)
{
	if (known)
		gw_buf_printf(out, "\"%s\":%.2f", name, value);
	else
		gw_buf_printf(out, "\"%s\":null", name);
}

static void print_side(struct gw_buf *out, const char *name,
		       const struct gw_quality_side *s)
{
	gw_buf_printf(out, "\"%s\":{", name);
	print_path(out, "toGateway", &s->to);
	gw_buf_str(out, ",");
	print_path(out, "fromGateway", &s->from);
	gw_buf_str(out, ",");
	gw_quality_number(out, "roundTripMs", s->round_trip_us,
			  s->round_trip_us / 1e3);
	gw_buf_str(out, "}");
}

void gw_quality_print(const struct gw_quality *q, enum gw_term term,
		      struct gw_buf *out)
{
	const struct gw_quality_side *near = &q->side[term];
	const struct gw_quality_side *far =
		&q->side[term == GW_TERM_A ? GW_TERM_B : GW_TERM_A];

	gw_buf_str(out, "{");
	print_side(out, "near", near);
	gw_buf_str(out, ",");
	print_side(out, "far", far);
	gw_buf_str(out, ",");
	gw_quality_number(out, "heardHere", near->heard_m, near->heard_m / 1e3);
	gw_buf_str(out, ",");
	gw_quality_number(out, "heardThere", far->heard_m, far->heard_m / 1e3);
	gw_quality_video_print(q, term, out);
	gw_buf_str(out, "}");
}

/* ---- the end ---- */

static uint64_t worse(const struct gw_quality_side *s)
{
	uint64_t to = s->to.mos_n ? s->to.mos_sum_m / s->to.mos_n : UINT64_MAX;
	uint64_t from =
		s->from.mos_n ? s->from.mos_sum_m / s->from.mos_n : UINT64_MAX;

	return to < from ? to : from;
}

static void observe_side(const struct gw_quality_side *s, bool web)
{
	uint64_t expected = s->to.expected + s->from.expected;
	uint32_t jitter = s->to.jitter_max_us > s->from.jitter_max_us
				  ? s->to.jitter_max_us
				  : s->from.jitter_max_us;

	if (!expected)
		return;
	gw_histogram_add(web ? &m_mos_web : &m_mos_core, worse(s) * 1000);
	gw_histogram_add(web ? &m_loss_web : &m_loss_core,
			 (s->to.lost + s->from.lost) * 1000000 / expected);
	gw_histogram_add(web ? &m_jitter_web : &m_jitter_core, jitter);
	if (s->round_trip_us)
		gw_histogram_add(web ? &m_rtt_web : &m_rtt_core,
				 s->round_trip_us);
}

void gw_quality_observe(const struct gw_quality *q,
			const char *const kind[GW_NTERMS])
{
	for (unsigned t = 0; t < GW_NTERMS; t++) {
		const struct gw_quality_side *s = &q->side[t];

		if (!strcmp(kind[t], "respect"))
			observe_side(s, true);
		else if (!strcmp(kind[t], "ims"))
			observe_side(s, false);
		if (s->heard_n)
			gw_histogram_add(&m_mos_heard,
					 s->heard_sum_m / s->heard_n * 1000);
	}
	gw_quality_video_observe(q, kind);
}
