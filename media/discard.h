/*
 * media/discard.h - a packet that goes no further, and why
 *
 * The names are those of the metric and of the charging record.
 * Any thread; the counts are their owner's.
 */
#ifndef GW_MEDIA_DISCARD_H
#define GW_MEDIA_DISCARD_H

#include "media/media.h"

/* One more of @why, in the metrics and in @counts (NULL: of no stream). */
void gw_discard(uint32_t counts[GW_NDISCARDS], enum gw_discard why);

#endif
