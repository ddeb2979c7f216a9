/*
 * gateway/echo_leg.h - a leg whose peer is the gateway itself
 *
 * Answers each SETUP and each OFFER; its media termination plays the other
 * party's audio back (media.h GW_RES_ECHO).  Signalling thread only.
 */
#ifndef GW_ECHO_LEG_H
#define GW_ECHO_LEG_H

#include "gateway/base/loop.h"
#include "gateway/leg.h"

/* 0 or -ENOMEM. */
int gw_echo_leg_new(struct gw_leg **out, struct gw_loop *loop);

#endif
