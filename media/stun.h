/*
 * media/lite_stun.h - what an ICE-lite agent does with one STUN message
 *
 * Reads a connectivity check (RFC 8445 7.3) and writes its answer, by the
 * public stun/ API of libnice.  Knows no socket and no session: who it is for
 * is asked of the caller between the two, so that a rate can be held before
 * MESSAGE-INTEGRITY costs an HMAC.
 *
 * Owner: one worker thread.
 */
#ifndef GW_MEDIA_LITE_STUN_H
#define GW_MEDIA_LITE_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"

#define GW_LITE_STUN_MAX 1280 /* a longer one is no check */
#define GW_LITE_ANSWER   256  /* room that every answer fits in */

enum gw_lite_kind {
	GW_LITE_NOT_STUN,  /* broken, or without FINGERPRINT: no word */
	GW_LITE_NO_ANSWER, /* indication, response, another method: likewise */
	GW_LITE_NO_USER,   /* to be refused with 400 */
	GW_LITE_CHECK
};

enum gw_lite_result {
	GW_LITE_VALID,
	GW_LITE_FORGED,   /* answered 401 */
	GW_LITE_UNKNOWN,  /* answered 420: what it demands we do not know */
	GW_LITE_CONFLICT, /* answered 487: it thinks that we control */
	GW_LITE_BROKEN    /* its FINGERPRINT is wrong: not answered */
};

/* Into the datagram, which must stay. */
struct gw_lite_check {
	uint8_t *data;
	size_t len;
	const char *ufrag; /* ours: what stands before the colon */
	size_t ufrag_len;
};

struct gw_lite_stun;

int gw_lite_stun_new(struct gw_lite_stun **out); /* 0 or -ENOMEM */
void gw_lite_stun_free(struct gw_lite_stun *s);

/* @out is set for GW_LITE_NO_USER and GW_LITE_CHECK. */
enum gw_lite_kind gw_lite_stun_read(struct gw_lite_stun *s,
				    struct gw_lite_check *out, uint8_t *data,
				    size_t len);

/* The answer to a check under @pwd into @out of GW_LITE_ANSWER bytes; @out_len
 * 0: none.  @nominates: it has USE-CANDIDATE; only of a valid one. */
enum gw_lite_result
gw_lite_stun_answer(struct gw_lite_stun *s, const struct gw_lite_check *check,
		    const char *pwd, const struct gw_addr *from, uint8_t *out,
		    size_t *out_len, bool *nominates);

/* An error without MESSAGE-INTEGRITY (RFC 8489 9.1.3): 400 or 401.  The length
 * in @out of GW_LITE_ANSWER bytes. */
size_t gw_lite_stun_refuse(struct gw_lite_stun *s,
			   const struct gw_lite_check *check, int code,
			   uint8_t *out);

#endif
