/*
 * sdp/read.h - one part of a description while it is being read
 *
 * Private to sdp/read*.c.  Pure functions.
 */
#ifndef GW_SDP_READ_H
#define GW_SDP_READ_H

#include "sdp/scan.h"
#include "sdp/session.h"

#define GW_READ_NPT 128 /* RFC 3550 5.1: seven bits */

/* The session part, or one m-line's; a media part begins as a copy of the
 * session part's values, which is how levels inherit. */
struct gw_read_part {
	struct gw_sess_stream *s;
	bool session, web;

	bool have_conn;      /* a c= line was seen */
	bool own_conn;       /* ... in this very part: the first one counts */
	struct gw_addr conn; /* family 0: a name, or nothing usable */
	bool have_rtcp;
	struct gw_addr rtcp; /* of a=rtcp; family 0: only its port is known */
	bool own_fingerprint;
	bool bundle_only;
	bool have_tias;
	struct gw_str bundle; /* session: the tags of the BUNDLE group */

	struct gw_str rtpmap[GW_READ_NPT], fmtp[GW_READ_NPT];
	uint8_t fb[GW_READ_NPT], fb_all; /* GW_FB_, of one and of any */
	uint8_t tcap_avpf;               /* a=tcap that is RTP/AVPF; 0: none */
	uint8_t pcfg, pcfg_tcap;         /* a=pcfg that asks for just that */
};

/* Takes in one c=, b= or a= line.  NULL, or why the description is broken. */
const char *gw_read_line(struct gw_read_part *p, const struct gw_sdp_line *l);

#endif
