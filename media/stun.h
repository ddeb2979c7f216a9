/*
 * media/stun.h - what an ICE-lite agent does with one STUN message
 *
 * Reads a connectivity check (RFC 8445 7.3) and writes its answer, by the
 * public stun/ API of libnice.  Knows no socket and no session: who it is for
 * is asked of the caller between the two, so that a rate can be held before
 * MESSAGE-INTEGRITY costs an HMAC.
 *
 * Owner: one worker thread.
 */
#ifndef GW_MEDIA_STUN_H
#define GW_MEDIA_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"

#define GW_STUN_MAX    1280 /* a longer one is no check */
#define GW_STUN_ANSWER 256  /* room that every answer fits in */

enum gw_stun_kind {
	GW_STUN_NOT,       /* broken, or without FINGERPRINT: no word */
	GW_STUN_NO_ANSWER, /* indication, response, another method: likewise */
	GW_STUN_NO_USER,   /* to be refused with 400 */
	GW_STUN_CHECK
};

enum gw_stun_result {
	GW_STUN_VALID,
	GW_STUN_FORGED,   /* answered 401 */
	GW_STUN_UNKNOWN,  /* answered 420: what it demands we do not know */
	GW_STUN_CONFLICT, /* answered 487: it thinks that we control */
	GW_STUN_BROKEN    /* its FINGERPRINT is wrong: not answered */
};

/* Into the datagram, which must stay. */
struct gw_stun_check {
	uint8_t *data;
	size_t len;
	const char *ufrag; /* ours: what stands before the colon */
	size_t ufrag_len;
};

struct gw_stun;

int gw_stun_new(struct gw_stun **out); /* 0 or -ENOMEM */
void gw_stun_free(struct gw_stun *s);

/* @out is set for GW_STUN_NO_USER and GW_STUN_CHECK. */
enum gw_stun_kind gw_stun_read(struct gw_stun *s, struct gw_stun_check *out,
			       uint8_t *data, size_t len);

/* The answer to a check under @pwd into @out of GW_STUN_ANSWER bytes; @out_len
 * 0: none.  @nominates: it has USE-CANDIDATE; only of a valid one. */
enum gw_stun_result gw_stun_answer(struct gw_stun *s,
				   const struct gw_stun_check *check,
				   const char *pwd, const struct gw_addr *from,
				   uint8_t *out, size_t *out_len,
				   bool *nominates);

/* An error without MESSAGE-INTEGRITY (RFC 8489 9.1.3): 400 or 401.  The length
 * in @out of GW_STUN_ANSWER bytes. */
size_t gw_stun_refuse(struct gw_stun *s, const struct gw_stun_check *check,
		      int code, uint8_t *out);

#endif
