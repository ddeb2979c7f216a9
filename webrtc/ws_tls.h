/*
 * webrtc/ws_tls.h - the TLS policy of the web listeners, and their certificate
 *
 * TLS 1.2 and 1.3, forward secrecy and AEAD only (RFC 9325).  A certificate
 * can be replaced while connections live: they keep the one they began with.
 * Signalling thread only.
 */
#ifndef GW_WS_TLS_H
#define GW_WS_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/settings.h"

/* The library's SSL_CTX, opaque to everyone else. */
int gw_ws_tls_policy(void *ssl_ctx);

/*
 * The files of @set, or our own certificate when it names none.  Tried on the
 * side first: on any failure @ssl_ctx keeps what it had.  0, or -errno with
 * @err filled in.
 */
int gw_ws_tls_load(void *ssl_ctx, const struct gw_settings *set, char *err,
		   size_t err_size);

/* We connect to nobody.  Without this, libwebsockets makes a client context
 * with every root certificate of the system in it.  NULL: no memory. */
void *gw_ws_tls_no_client(void);
void gw_ws_tls_no_client_free(void *ssl_ctx);

bool gw_ws_tls_selfmade(const struct gw_settings *set);

#endif
