/*
 * gateway/base/media_control.h - "send a key frame" as text (RFC 5168)
 *
 * application/media_control+xml, as it stands in a SIP INFO and as the legs
 * pass it to each other.  Pure functions.
 */
#ifndef GW_BASE_MEDIA_CONTROL_H
#define GW_BASE_MEDIA_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#define GW_MEDIA_CONTROL_TYPE "application/media_control+xml"

#define GW_MEDIA_CONTROL_ASK                                                   \
	"<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n"                       \
	"<media_control><vc_primitive><to_encoder><picture_fast_update/>"      \
	"</to_encoder></vc_primitive></media_control>\r\n"

/* Is there a picture_fast_update in it?  Other words of RFC 5168 do not
 * exist for an encoder, and its schema is one element deep in another, so that
 * a search does what a parser would. */
bool gw_media_control_asks(const void *text, size_t len);

#endif
