/*
 * sip/digest.h - answers to a peer's digest challenges
 *
 * RFC 7616 and RFC 2617: MD5 and SHA-256, qop "auth" or none, nonce counts,
 * stale; RFC 3310: AKAv1-MD5.  For a lab peer, and for registrations whose
 * credentials are held here; the IMS core never challenges a trusted neighbour.
 * No thread of its own.
 */
#ifndef GW_SIP_DIGEST_H
#define GW_SIP_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is known of one protection space: the last challenge and how often its
 * nonce was used. */
struct gw_digest {
	bool valid; /* there is a challenge to answer */
	bool proxy; /* 407: Proxy-Authorization; else Authorization */
	bool sha256;
	bool aka; /* AKAv1-MD5: the nonce is RAND and AUTN */
	bool qop_auth;
	bool has_algorithm, has_opaque; /* said, so repeated */
	uint32_t nc;
	char realm[128];
	char nonce[256];
	char opaque[256];
};

/*
 * Take a challenge: its scheme and its parameters ("realm=\"x\"", ...).
 * 0; -ENOTSUP when we cannot answer it (scheme, algorithm, qop);
 * -EINVAL when it is malformed or too long.  @stale (may be NULL) gets whether
 * only the nonce was too old.  On error @d is unchanged.
 */
int gw_digest_challenge(struct gw_digest *d, bool proxy, const char *scheme,
			const char *const *params, bool *stale);

/* The same of AKAv1-MD5 (RFC 3310), and of nothing else. */
int gw_digest_challenge_aka(struct gw_digest *d, const char *scheme,
			    const char *const *params, bool *stale);

struct gw_digest_who {
	const char *username, *password;
	const void *secret; /* AKA: RES, in the password's place; may be NULL */
	size_t secret_len;
	const char *auts; /* AKA: RFC 3310 3.4, or NULL */
};

/*
 * The value of the Authorization or Proxy-Authorization header for one
 * request; counts the nonce's use.  @cnonce NULL: a random one.  0, or
 * -ENOSPC, -EIO (the library failed).
 */
int gw_digest_answer(struct gw_digest *d, char *buf, size_t size,
		     const struct gw_digest_who *who, const char *method,
		     const char *uri, const char *cnonce);

#endif
