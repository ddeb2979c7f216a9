/*
 * gateway/admin.h - what the admin listener answers
 *
 * /livez      200 while the loop turns
 * /readyz     200 when calls are taken, 503 while draining
 * /metrics    Prometheus text
 * /calls      live calls, JSON
 * /status     counts of everything that lives, JSON
 *
 * Read only; bound to loopback by default.  Signalling thread only.
 */
#ifndef GW_ADMIN_H
#define GW_ADMIN_H

#include "gateway/core.h"

/* The handler of webrtc/web.h; @arg is the core. */
gw_admin_h gw_admin_get;

#endif
