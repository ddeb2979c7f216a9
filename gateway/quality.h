/*
 * gateway/quality.h - how a call sounds, segment by segment
 *
 * Two segments: A and the gateway, the gateway and B; two directions each.
 * What comes in is counted by media itself, what goes out by the peer, who says
 * so in RTCP or, a browser, by quality.isthmus.  MOS is the E-model's (ITU-T
 * G.107, simplified: echo, noise and loudness as by default).
 * Signalling thread only; the functions on values are pure.
 */
#ifndef GW_QUALITY_H
#define GW_QUALITY_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/leg.h"
#include "media/media.h"

struct json_object;

/* One direction of one segment. */
struct gw_quality_path {
	/* the last interval */
	bool known;
	uint32_t loss_ppm, jitter_us;
	uint16_t mos_m; /* thousandths */
	/* the whole call */
	uint64_t expected, lost;
	uint64_t mos_sum_m;
	uint32_t mos_n;
	uint16_t mos_min_m;
	uint32_t jitter_max_us;
};

struct gw_quality_side {
	struct gw_quality_path to, from; /* the gateway */
	uint32_t round_trip_us;          /* 0: not known */
	uint16_t heard_m; /* by this side's peer, over both segments; 0: not
			     known */
	uint64_t heard_sum_m;
	uint32_t heard_n;
	/* what was counted by the last interval */
	struct gw_stream_stats before;
	/* of its client, where it has one that reports */
	struct gw_leg_report report, report_before;
	uint8_t report_age; /* intervals; UINT8_MAX: never */
};

struct gw_quality {
	struct gw_quality_side side[GW_NTERMS];
};

/*
 * MOS in thousandths, 1000 to 4500, of @codec ("opus", "PCMU" ..; NULL or
 * unknown: as G.711) with @loss_ppm, and @delay_us from mouth to ear.
 */
uint16_t gw_quality_mos(const char *codec, uint32_t loss_ppm,
			uint64_t delay_us);

void gw_quality_init(struct gw_quality *q);
/* An interval is over: @now are the counters of both terminations. */
void gw_quality_take(struct gw_quality *q,
		     const struct gw_stream_stats now[GW_NTERMS],
		     const char *codec);
/* The client at @term has counted; may be anything that fits a number. */
void gw_quality_report(struct gw_quality *q, enum gw_term term,
		       const struct gw_leg_report *report);
/* For the client at @term: a JSON object with near, far, heardHere and
 * heardThere (docs/protocol.md). */
void gw_quality_print(const struct gw_quality *q, enum gw_term term,
		      struct gw_buf *out);
/* The call is over: into the histograms.  @kind: of the legs. */
void gw_quality_observe(const struct gw_quality *q,
			const char *const kind[GW_NTERMS]);

#endif
