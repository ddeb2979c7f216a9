/*
 * media/lag.h - how long packets wait for a worker that is busy
 *
 * A worker tells of each pass of its loop; the metrics show the waits as a
 * histogram, so that a machine at its limit is seen before it is heard.
 * Owner: one worker thread.
 */
#ifndef GW_MEDIA_LAG_H
#define GW_MEDIA_LAG_H

#include <stdbool.h>
#include <stdint.h>

/* A pass of @us: so long what came during it may have waited.  True when that
 * is long enough for packets to have become stale. */
bool gw_lag_pass(uint64_t us);

#endif
