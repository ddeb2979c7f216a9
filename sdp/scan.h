/*
 * sdp/scan.h - pieces of text, for the readers in this folder only
 *
 * A gw_str is a view: nothing here allocates or needs a NUL.  Private to sdp/.
 * Pure functions.
 */
#ifndef GW_SDP_SCAN_H
#define GW_SDP_SCAN_H

#include "sdp/sdp.h"

/* The next piece of @rest up to @sep; runs of @sep count as one.  @rest moves
 * behind it.  Empty: nothing is left. */
struct gw_str gw_str_token(struct gw_str *rest, char sep);

/* Decimal digits only, nothing else, at most @max. */
bool gw_str_u32(struct gw_str s, uint32_t max, uint32_t *out);

/* Likewise, but of any length: what exceeds 64 bits wraps.  RFC 8866 5.2 sets
 * no bound on o= numbers, which are only ever compared. */
bool gw_str_u64_wrap(struct gw_str s, uint64_t *out);

/* Copies with a NUL.  False, and an empty @dst, when it does not fit. */
bool gw_str_copy(char *dst, size_t size, struct gw_str s);

bool gw_str_has_prefix(struct gw_str s, const char *prefix);

/* Printable ASCII only, so that it may be shown to any peer in any encoding. */
bool gw_str_is_print(struct gw_str s);

/* token of RFC 8866 9, at least one character. */
bool gw_str_is_token(struct gw_str s);

void gw_sdp_fail(struct gw_sdp_error *err, unsigned line, const char *text);

#endif
