/*
 * gateway/quality.h - how a call sounds and looks, segment by segment
 *
 * Two segments: A and the gateway, the gateway and B; two directions each.
 * What comes in is counted by media itself, what goes out by the peer, who says
 * so in RTCP or, a browser, by quality.isthmus.  MOS is the E-model's (ITU-T
 * G.107, simplified: echo, noise and loudness as by default).  Of video, each
 * m-line by itself (quality_video.c), there are the same figures but no MOS,
 * what was asked for by RTCP, and what a browser says that it shows.
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

/* Pictures of one m-line at one side. */
struct gw_quality_sight {
	struct gw_quality_side side; /* but for MOS and what is heard */
	uint32_t to_bps, from_bps;   /* the gateway; the last interval */
	uint32_t to_bps_max, from_bps_max;
	uint32_t asked;           /* for key frames, by SIP INFO */
	struct gw_leg_video seen; /* what its client said last */
	uint64_t seen_us;         /* when; 0: never */
	/* what it shows, of the whole call */
	uint64_t decoded, dropped, key_frames, freezes, frozen_ms, watched_ms;
};

struct gw_quality_video {
	char codec[16];                       /* "": not known */
	char mid[GW_NTERMS][GW_LEG_MID_SIZE]; /* likewise */
	uint64_t taken_us;
	struct gw_quality_sight at[GW_NTERMS];
};

struct gw_quality {
	struct gw_quality_side side[GW_NTERMS];
	/* by m-line; NULL: no pictures so far */
	struct gw_quality_video *video[GW_MAX_STREAMS];
};

/*
 * MOS in thousandths, 1000 to 4500, of @codec ("opus", "PCMU" ..; NULL or
 * unknown: as G.711) with @loss_ppm, and @delay_us from mouth to ear.
 */
uint16_t gw_quality_mos(const char *codec, uint32_t loss_ppm,
			uint64_t delay_us);

void gw_quality_init(struct gw_quality *q);
void gw_quality_fini(struct gw_quality *q);
/* An interval is over: @now are the counters of both terminations. */
void gw_quality_take(struct gw_quality *q,
		     const struct gw_stream_stats now[GW_NTERMS],
		     const char *codec);
/* The client at @term has counted; may be anything that fits a number. */
void gw_quality_report(struct gw_quality *q, enum gw_term term,
		       const struct gw_leg_report *report);

/* Does m-line @i carry pictures, by its counters, or did it once? */
bool gw_quality_is_video(const struct gw_quality *q, unsigned i,
			 const struct gw_stream_stats *const now[GW_NTERMS]);
/* What a peer wrote may be in it. */
struct gw_quality_line {
	const char *codec;
	char mid[GW_NTERMS][GW_LEG_MID_SIZE];
};
/* The same for the pictures of m-line @i.  Without memory there are no
 * figures. */
void gw_quality_video_take(struct gw_quality *q, unsigned i,
			   const struct gw_stream_stats *const now[GW_NTERMS],
			   const struct gw_quality_line *line, uint64_t now_us);
/* Of an m-line without pictures, nothing. */
void gw_quality_video_report(struct gw_quality *q, enum gw_term term,
			     unsigned i, const struct gw_leg_video *report,
			     uint64_t now_us);
/* The peer at @term wants a key frame, and said so by SIP. */
void gw_quality_video_asked(struct gw_quality *q, enum gw_term term);

/* For the client at @term: a JSON object with near, far, heardHere, heardThere
 * and, where there are pictures, video (docs/protocol.md). */
void gw_quality_print(const struct gw_quality *q, enum gw_term term,
		      struct gw_buf *out);
/* The call is over: into the histograms.  @kind: of the legs. */
void gw_quality_observe(const struct gw_quality *q,
			const char *const kind[GW_NTERMS]);

#endif
