/*
 * webrtc/ws_origin.h - may a page of this origin talk to us?
 *
 * RFC 6454 origins against the allow-list of web.origin.  Pure functions.
 */
#ifndef GW_WS_ORIGIN_H
#define GW_WS_ORIGIN_H

#include <stdbool.h>

#include "gateway/settings.h"

/* "host[:port]" of nothing but characters that a host can have: safe to be
 * put into JSON and into a URL. */
bool gw_ws_host_valid(const char *host);

/*
 * @origin: the Origin header, NULL when there was none (not a browser).
 * @host: Host header or :authority.  @tls: of the connection.
 * An empty list means "self".  A missing Origin needs "none" or "*".
 */
bool gw_ws_origin_allowed(const struct gw_set_web *web, const char *origin,
			  const char *host, bool tls);

#endif
