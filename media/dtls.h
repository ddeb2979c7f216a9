/*
 * media/dtls.h - one DTLS 1.2 association that yields SRTP keys (RFC 5764)
 *
 * Decides whether the peer is who its signalling said (RFC 8122 fingerprint)
 * and agrees keys; knows no socket: datagrams come and go by handlers.
 * Everything belongs to one worker thread, but for the certificate, which the
 * process makes once.
 */
#ifndef GW_MEDIA_DTLS_H
#define GW_MEDIA_DTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/log.h"
#include "gateway/base/timers.h"
#include "media/media.h"
#include "media/srtp.h"

#define GW_DTLS_MTU 1200

/* A self-made ECDSA P-256 certificate (RFC 8827 6.5), one for the process. */
struct gw_dtls_cert;

/* A reference to the process's, or to a new one that takes its place from now
 * on, if it is older than @max_age_us (0: never).  Any thread.  0 or -EIO. */
int gw_dtls_cert_get(struct gw_dtls_cert **out, uint64_t max_age_us);
void gw_dtls_cert_unref(struct gw_dtls_cert *cert); /* may be NULL */
/* SHA-256 over its DER form (RFC 8122 5). */
const uint8_t *gw_dtls_cert_sha256(const struct gw_dtls_cert *cert);

/* What the associations of one worker share. */
struct gw_dtls_ctx;

/* Takes a reference to @cert.  A call keeps one to this for as long as it
 * lives: its certificate has been told to its peer. */
int gw_dtls_ctx_new(struct gw_dtls_ctx **out, struct gw_dtls_cert *cert,
		    bool prefer_x25519);
struct gw_dtls_ctx *gw_dtls_ctx_ref(struct gw_dtls_ctx *ctx);
void gw_dtls_ctx_unref(struct gw_dtls_ctx *ctx); /* may be NULL */
const struct gw_dtls_cert *gw_dtls_ctx_cert(const struct gw_dtls_ctx *ctx);

struct gw_dtls;

/* Send one datagram to the peer.  Must not free the association. */
typedef void(gw_dtls_send_h)(const void *data, size_t len, void *arg);

/*
 * The association moved; UP comes at most once and carries the keys, which
 * are wiped after the call; anything else is the end, and comes once.  The
 * association must not be freed inside.
 */
typedef void(gw_dtls_state_h)(enum gw_dtls_state state,
			      const struct gw_srtp_keys *keys, void *arg);

/*
 * @active: we send the ClientHello, when gw_dtls_start() is called.
 * @sha256: the fingerprint the peer's certificate must have.  @log must
 * outlive the association.  The clock of the 10 s that a handshake may take
 * runs from gw_dtls_start().  0 or -ENOMEM.
 */
int gw_dtls_new(struct gw_dtls **out, struct gw_dtls_ctx *ctx,
		struct gw_timers *timers, const struct gw_logctx *log,
		bool active, const uint8_t sha256[32], gw_dtls_send_h *send_h,
		gw_dtls_state_h *state_h, void *arg);

/*
 * A moment after UP the memory of OpenSSL goes; what the peer may still be
 * owed stays as datagrams: our last flight, for four minutes from UP, and the
 * close_notify of gw_dtls_free().  What the peer sends from then on cannot be
 * authenticated: its close_notify is counted and no longer ends the
 * association, as anyone could have sent it; that the peer has gone is then
 * known by its signalling, by consent (RFC 7675) or by silence.  A peer that
 * begins anew is another association's (context_assoc.c).
 *
 * Says close_notify if the association is up.
 */
void gw_dtls_free(struct gw_dtls *d);

/* The way to the peer is open.  Legal more than once. */
void gw_dtls_start(struct gw_dtls *d);

/* A datagram of the peer (first byte 20..63, RFC 7983 7). */
void gw_dtls_receive(struct gw_dtls *d, const void *data, size_t len);

/* The peer has shown that it has the keys: our last flight came through, and
 * is no longer repeated.  Legal more than once. */
void gw_dtls_heard(struct gw_dtls *d);

bool gw_dtls_is_active(const struct gw_dtls *d);
bool gw_dtls_is_up(const struct gw_dtls *d);
bool gw_dtls_is_over(const struct gw_dtls *d);

/* Does the datagram begin with a ClientHello in clear? */
bool gw_dtls_is_client_hello(const void *data, size_t len);

#endif
