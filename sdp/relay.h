/*
 * sdp/relay.h - what relay.c and relay_ext.c share
 *
 * Private to sdp/.  Pure functions.
 */
#ifndef GW_SDP_RELAY_H
#define GW_SDP_RELAY_H

#include "sdp/session.h"

/* Header extensions of m-line @at of our offer @out, for what @src of the
 * other leg has. */
void gw_relay_offer_ext(struct gw_sess *out, unsigned at,
			const struct gw_sess_stream *src,
			const struct gw_sess *previous);
/* Those of @offer that the answer @theirs of the other leg took. */
void gw_relay_accept_ext(struct gw_sess_stream *s,
			 const struct gw_sess_stream *offer,
			 const struct gw_sess_stream *theirs);

/* @old: the m-line as that leg knows it, or NULL. */
void gw_relay_offer_profile(struct gw_sess_stream *s,
			    const struct gw_sess_stream *old);
void gw_relay_accept_profile(struct gw_sess_stream *s,
			     const struct gw_sess_stream *offer);

#endif
