/*
 * gateway/cdr.h - one charging record a call, one JSON object a line
 *
 * To a file of its own (opened for appending, reopened by gw_cdr_reopen() for
 * log rotation) or, without one, to the log.  Signalling thread only.
 */
#ifndef GW_CDR_H
#define GW_CDR_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/quality.h"
#include "media/media.h"

struct gw_cdr;

struct gw_cdr_record {
	const char *id, *from, *to;
	const char *kind[GW_NTERMS];
	int64_t began_wall_s;
	uint64_t began_us, answered_us, ended_us; /* answered 0: never */
	uint16_t status;
	const char *text; /* may be NULL */
	const char *released_by;
	const char *codec;
	const char *charging_id;             /* icid-value; may be NULL */
	const char *transferred_to;          /* may be NULL */
	bool emergency;                      /* to is a service URN */
	const struct gw_stream_stats *stats; /* [GW_NTERMS] */
	const struct gw_quality *quality;    /* may be NULL */
};

/* @file "": the log.  0, or -errno when the file cannot be opened. */
int gw_cdr_new(struct gw_cdr **out, const char *file);
void gw_cdr_free(struct gw_cdr *cdr);
/* The file by its (perhaps new) name; the old one stays on failure. */
int gw_cdr_reopen(struct gw_cdr *cdr, const char *file);
/* One leg's media, as in the record; the caller's to put. */
struct json_object;
struct json_object *gw_cdr_side(const char *kind,
				const struct gw_stream_stats *st);
/* Adds "video" to that: each m-line of pictures at @term. */
void gw_cdr_add_video(struct json_object *side, const struct gw_quality *q,
		      enum gw_term term);

void gw_cdr_write(struct gw_cdr *cdr, const struct gw_cdr_record *rec);

#endif
