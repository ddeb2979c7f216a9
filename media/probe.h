/*
 * media/probe.h - the first way to a peer, found by checks of our own
 *
 * libnice sends a check again after 500 ms, then after twice that and so on,
 * and selects a pair only when one of its own is answered: at 30 % loss one
 * call in two hundred so takes over 5 s.  Here every address that a valid check
 * of the peer came from is checked every 50 ms (triggered checks, RFC 8445
 * 7.3.1.4), and the first that answers, and that the controlling side has
 * nominated, is told.  What was offered may have been answered by several
 * endpoints of a user; only whose description we have is the peer (RFC 8445 7.3
 * looks at our half of the name alone, and leaves us the other).  Everything else of ICE stays libnice's, which sees and
 * answers the peer's checks as before: a pair of its own that it selects later
 * replaces what was found here.
 *
 * Roles are settled before anything is sent: a check of the peer that claims
 * ours counts only when libnice has yielded.
 *
 * Owner: one worker thread.
 */
#ifndef GW_MEDIA_PROBE_H
#define GW_MEDIA_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/timers.h"
#include "media/stun.h"

/* Addresses of one peer; further ones are libnice's alone. */
#define GW_PROBE_WAYS 4
/* Checks of the peer that are looked at; so many come in 20 s, or from who
 * has read our names on the wire. */
#define GW_PROBE_LOOKS 400

struct gw_probe_options {
	struct gw_stun *stun; /* both outlive it */
	struct gw_timers *timers;
	const char *ufrag, *pwd; /* ours; copied */
	uint32_t mark;           /* of our transactions (stun.h) */
};

struct gw_probe_handlers {
	/* From our address number @local. */
	void (*send)(unsigned local, const struct gw_addr *to, const void *data,
		     size_t len, void *arg);
	/* Checks under our name came from there, before the peer's was known,
	 * and were another's: what was learnt of it is void.  May not free
	 * the probe. */
	void (*other)(const struct gw_addr *from, void *arg);
	/* It answers, and is nominated.  Comes once, and may free the probe. */
	void (*found)(unsigned local, const struct gw_addr *peer, void *arg);
	void *arg;
};

struct gw_probe;

/* 0 or -ENOMEM. */
int gw_probe_new(struct gw_probe **out, const struct gw_probe_options *opt,
		 const struct gw_probe_handlers *h);
void gw_probe_free(struct gw_probe *p); /* may be NULL */

/* The peer's names, copied: nothing is sent before.  Those of before, and what
 * was learnt under them, are forgotten.  0 or -ENOMEM. */
int gw_probe_set_remote(struct gw_probe *p, const char *ufrag, const char *pwd);

/* A datagram that libnice is about to read, by one who is @controlling or
 * not.  False: nobody shall hear it, for it is a check under our name by who
 * is not the peer.  May be gone on return. */
bool gw_probe_look(struct gw_probe *p, unsigned local, bool controlling,
		   const struct gw_addr *from, uint8_t *data, size_t len);

/* False: not the answer to a check of ours.  May be gone on return. */
bool gw_probe_reply(struct gw_probe *p, unsigned local,
		    const struct gw_addr *from, uint8_t *data, size_t len);

#endif
