/*
 * media/srtp.h - SRTP and SRTCP of one DTLS association (RFC 3711, RFC 7714)
 *
 * libsrtp2 keeps sessions, replay windows and roll-over counters; OpenSSL does
 * the arithmetic (srtp_openssl.c says why).  A session belongs to the worker
 * thread of its context.
 */
#ifndef GW_MEDIA_SRTP_H
#define GW_MEDIA_SRTP_H

#include <stddef.h>
#include <stdint.h>

/* RFC 5764 4.1.2 and RFC 7714 14.2: the numbers of use_srtp. */
enum gw_srtp_profile {
	GW_SRTP_AES128_CM_SHA1_80 = 1,
	GW_SRTP_AEAD_AES_128_GCM = 7
};

#define GW_SRTP_KEY_MAX 30 /* key and salt */

/* What protecting may add: tag, and for SRTCP the index (libsrtp2 wants room
 * for its longest). */
#define GW_SRTP_OVERHEAD 148

struct gw_srtp_keys {
	enum gw_srtp_profile profile;
	uint8_t local[GW_SRTP_KEY_MAX];  /* what we protect with */
	uint8_t remote[GW_SRTP_KEY_MAX]; /* what the peer protects with */
};

struct gw_srtp;

/* Once a process, before any other call here; later calls return the first
 * one's result.  0, or -EIO when a self-test of the library fails. */
int gw_srtp_init(void);

/* Bytes of key and of salt that a profile takes; 0 or -EINVAL. */
int gw_srtp_key_bytes(enum gw_srtp_profile profile, size_t *key, size_t *salt);

/* 0, -EINVAL, -ENOMEM.  The keys are copied. */
int gw_srtp_new(struct gw_srtp **out, const struct gw_srtp_keys *keys);
void gw_srtp_free(struct gw_srtp *s);

/*
 * In place.  0 and the new length in @len, or
 * -EBADMSG (authentication failed), -EALREADY (replayed or older than the
 * window), -ENOSPC (the peer uses more SSRCs than we keep state for),
 * -EINVAL (malformed, or no room: @cap must hold len + GW_SRTP_OVERHEAD).
 */
int gw_srtp_protect(struct gw_srtp *s, uint8_t *pkt, size_t *len, size_t cap);
int gw_srtp_protect_rtcp(struct gw_srtp *s, uint8_t *pkt, size_t *len,
			 size_t cap);
int gw_srtp_unprotect(struct gw_srtp *s, uint8_t *pkt, size_t *len);
int gw_srtp_unprotect_rtcp(struct gw_srtp *s, uint8_t *pkt, size_t *len);

/* The memory that protecting and unprotecting begin with (worker_poll.h). */
struct gw_hot;
void gw_srtp_add_hot(const struct gw_srtp *s, struct gw_hot *hot);

/* srtp_openssl.c: puts our cipher and auth types in libsrtp2's place. */
int gw_srtp_openssl_register(void);

#endif
