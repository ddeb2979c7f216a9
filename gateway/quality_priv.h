/*
 * gateway/quality_priv.h - what quality.c and quality_video.c share
 *
 * Signalling thread only.
 */
#ifndef GW_QUALITY_PRIV_H
#define GW_QUALITY_PRIV_H

#include "gateway/quality.h"

/* Counters of a peer may run backwards: it began anew. */
uint32_t gw_quality_grown(uint64_t now, uint64_t before);
/* Loss, jitter and round trip of an interval; counted for the whole call. */
void gw_quality_measure(struct gw_quality_side *s,
			const struct gw_stream_stats *now);
void gw_quality_hear(struct gw_quality_side *s,
		     const struct gw_leg_report *report);
/* "name":value, or null. */
void gw_quality_number(struct gw_buf *out, const char *name, bool known,
		       double value);

/* ,"video":[...], as the client at @term knows its m-lines. */
void gw_quality_video_print(const struct gw_quality *q, enum gw_term term,
			    struct gw_buf *out);
void gw_quality_video_observe(const struct gw_quality *q,
			      const char *const kind[GW_NTERMS]);

#endif
