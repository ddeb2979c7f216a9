/*
 * sip/tls.h - what Sofia's TLS leaves out: names, refusals told, new
 * certificates, memory
 *
 * Sofia gives no access to its TLS contexts.  OpenSSL tells of each context as
 * it is made (the "new" callback of an ex_data index), so those that Sofia
 * makes between gw_tls_watch() and gw_tls_adopt() are known here.  Into them
 * go callbacks that
 *
 * - show the certificate and its chain as last read;
 * - verify a peer's certificate: chain, dates, purpose, and its name (RFC
 *   5922 7.2: subjectAltName of kind DNS, URI "sip:name" or IP; the common
 *   name only where there is none of DNS);
 * - log and count each refusal, ours and the peer's, with who and why;
 * - free the SSL object when Sofia is done with it, which it never does itself.
 *
 * Signalling thread only.
 */
#ifndef GW_SIP_TLS_H
#define GW_SIP_TLS_H

#include "gateway/base/addr.h"
#include "gateway/base/loop.h"
#include "gateway/settings.h"

struct gw_tls;

/* A connection that we wanted to @peer did not come about. */
typedef void(gw_tls_refused_h)(const struct gw_addr *peer, void *arg);

/* @set as for gw_sip_new().  0 or -ENOMEM. */
int gw_tls_new(struct gw_tls **out, struct gw_loop *loop,
	       const struct gw_settings *set, gw_tls_refused_h *refused_h,
	       void *arg);
/* After the agent is gone. */
void gw_tls_free(struct gw_tls *tls);

/* Around Sofia's making of a listener.  Watch: 0, or -errno after logging
 * which file is wrong.  Adopt: whether or not the listener came up. */
int gw_tls_watch(struct gw_tls *tls);
void gw_tls_adopt(struct gw_tls *tls);

/* Reads the files again, for connections from now on, and follows @set.  A
 * file that is wrong is logged, and everything stays.  0 or -errno. */
int gw_tls_reload(struct gw_tls *tls, const struct gw_settings *set);

unsigned gw_tls_connections(const struct gw_tls *tls);

#endif
