/*
 * sdp/print.h - lines that both printers write alike
 *
 * Private to sdp/.  Pure functions.
 */
#ifndef GW_SDP_PRINT_H
#define GW_SDP_PRINT_H

#include "gateway/base/buf.h"
#include "sdp/session.h"

/* " 111 0 8" of a live m-line. */
void gw_print_formats(struct gw_buf *b, const struct gw_sess_stream *s);
/* a=rtpmap and a=fmtp of each, then a=ptime and a=maxptime. */
void gw_print_codecs(struct gw_buf *b, const struct gw_sess_stream *s);
/* a=rtcp-fb of each codec, as far as @mask (GW_FB_) goes. */
void gw_print_feedback(struct gw_buf *b, const struct gw_sess_stream *s,
		       uint8_t mask);
/* a=extmap of one extension, where it is in use. */
void gw_print_ext(struct gw_buf *b, const struct gw_sess_stream *s,
		  enum gw_sess_ext ext);
/* v=0 and o=, with @fallback where the session has no origin. */
void gw_print_origin(struct gw_buf *b, const struct gw_sess *s,
		     const struct gw_addr *fallback);
/* c=IN IP4 192.0.2.1; 0.0.0.0 where @a is none. */
void gw_print_conn(struct gw_buf *b, const struct gw_addr *a);

const char *gw_print_media(const struct gw_sess_stream *s);
/* The formats of a refused m-line: as written, or something in their place. */
const char *gw_print_refused_formats(const struct gw_sess_stream *s);

#endif
