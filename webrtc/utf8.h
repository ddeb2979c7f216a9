/*
 * webrtc/utf8.h - is a stream of bytes UTF-8 (RFC 3629)?
 *
 * Fed piece by piece, because a character may be split between two WebSocket
 * frames (RFC 6455 5.6).  Overlong forms, surrogates and everything above
 * U+10FFFF are refused.  No allocation, no thread.
 */
#ifndef GW_UTF8_H
#define GW_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_utf8 {
	uint8_t need;   /* continuation bytes still owed by this character */
	uint8_t lo, hi; /* range that the next one must be in */
	bool bad;       /* sticky */
};

void gw_utf8_init(struct gw_utf8 *u);

/* False as soon as the bytes so far cannot begin valid text. */
bool gw_utf8_feed(struct gw_utf8 *u, const void *data, size_t len);

/* May the text end here: nothing bad and no character cut short? */
bool gw_utf8_complete(const struct gw_utf8 *u);

#endif
