/*
 * media/consent.h - consent to go on sending on a selected pair (RFC 7675)
 *
 * When a pair is selected ICE has nothing left to decide: from then on there is
 * a check of ours every five seconds (every one, while they are not answered;
 * more often where consent is given less time), the peer's answers, and its own
 * checks.
 * They are done here and not by libnice, because a turn of a GMainContext costs
 * ten times what the messages do, and calls on hold are many.  What is not
 * known here (other users, as after a restart; nominations of other pairs)
 * is libnice's.
 *
 * Owner: one worker thread.
 */
#ifndef GW_MEDIA_CONSENT_H
#define GW_MEDIA_CONSENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/log.h"
#include "gateway/base/timers.h"
#include "media/stun.h"

/* Checks that may still be answered. */
#define GW_CONSENT_ASKED 8

struct gw_consent_keys {
	const char *ufrag, *pwd;               /* ours */
	const char *remote_ufrag, *remote_pwd; /* theirs */
	bool controlling;
	uint32_t mark;        /* of our transactions (stun.h) */
	uint32_t patience_ms; /* 0: RFC 7675's 30 s */
};

struct gw_consent_handlers {
	void (*send)(const void *data, size_t len, void *arg);
	/* So long without an answer, or one of 403: nothing may be sent any more
	 * (5.1).  It has stopped; may start it anew. */
	void (*lost)(void *arg);
	void *arg;
};

/* Embedded in the agent. */
struct gw_consent {
	struct gw_stun *stun;
	struct gw_timers *timers;
	const struct gw_logctx *log;
	struct gw_consent_handlers h;
	struct gw_timer timer;
	char *names; /* NULL: stopped; what the next four point into */
	const char *user, *expected;
	const char *pwd, *remote_pwd;
	bool controlling;
	bool refused; /* said once */
	bool waits;   /* the last check has not been answered */
	uint32_t mark;
	uint32_t patience_ms;
	uint64_t tie;
	uint64_t heard_us;
	uint8_t asked[GW_CONSENT_ASKED][GW_STUN_ID];
	unsigned next;
};

/* @stun and @timers outlive it. */
void gw_consent_init(struct gw_consent *c, struct gw_stun *stun,
		     struct gw_timers *timers, const struct gw_logctx *log,
		     const struct gw_consent_handlers *h);

/* The pair has just proved itself under @keys, which are copied.  Legal when
 * running.  0 or -ENOMEM. */
int gw_consent_start(struct gw_consent *c, const struct gw_consent_keys *keys);
void gw_consent_stop(struct gw_consent *c); /* legal when stopped */

/* A datagram from the address of the selected pair that begins like STUN.
 * False: it is libnice's. */
bool gw_consent_take(struct gw_consent *c, const struct gw_addr *from,
		     uint8_t *data, size_t len);
/* The same of what can only be an answer to a check of ours. */
bool gw_consent_reply(struct gw_consent *c, uint8_t *data, size_t len);
/* A check under our name by who is not the peer: nobody shall hear it. */
bool gw_consent_is_of_other(const struct gw_consent *c, uint8_t *data,
			    size_t len);

#endif
