/*
 * webrtc/registry.h - who is registered here, under which identities
 *
 * A registration is one endpoint of a subscriber.  It outlives its WebSocket:
 *
 *	           add               conn lost              ttl over
 *	  (none) -------> REGISTERED --------> SUSPENDED ------------> LOST
 *	                   |   ^                |   |
 *	                   |   +--- reauth -----+   |
 *	                   +--- expiration over ----+----------------> EXPIRED
 *
 * One that the process did not live to end is put back as SUSPENDED, and is
 * awaited until its client has come back.
 *
 * LOST and EXPIRED are told to the owner, who then removes it.
 * Signalling thread only.
 */
#ifndef GW_REGISTRY_H
#define GW_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uthash.h>

#include "gateway/base/addr.h"
#include "gateway/base/timers.h"
#include "gateway/settings.h"
#include "webrtc/claims.h"
#include "webrtc/registry_map.h"

struct gw_registry;
struct gw_rconn;
struct gw_rleg;

#define GW_REG_MAX_IDENTITIES  (GW_SET_IDENTITIES + 1)
#define GW_REG_CREDENTIAL_SIZE 40
#define GW_REG_HASH_SIZE       32 /* SHA-256 of a credential */

enum gw_reg_end { GW_REG_LOST, GW_REG_EXPIRED };

/* A minute's worth of something, spent one by one. */
struct gw_reg_bucket {
	uint64_t at_us;   /* when it was looked at */
	uint32_t spent_m; /* thousandths */
};

struct gw_reg {
	uint32_t magic;
	LIST_ENTRY(gw_reg) link;
	UT_hash_handle of_key;
	struct gw_registry *registry;
	uint64_t serial;
	char key[23];      /* random, of this registration for its life */
	char core_key[24]; /* of its registration in the core; "": the same */
	bool pending;      /* the core has not answered: nobody finds it */
	bool enrolled;     /* in the core */
	bool asked;        /* the core's challenge is with the client */
	bool told;         /* an auth of it has been answered */
	bool keeping;      /* the auth's answer waits until it is remembered;
			    * the first one's: nobody finds it yet */
	bool leaving;      /* a log-out's answer waits until it is forgotten;
			    * nobody finds it any more */
	/* ... and for the answer, its sessions and the core's challenge. */
	bool rejoins, reminds;
	bool kept;    /* asked to be remembered */
	bool awaited; /* put back, and its client has not come yet */
	bool token;   /* it was a token that logged it in */
	bool client;  /* it answers the core's challenges itself */
	/* An auth waits for the core: to an answer at a refresh, or to a
	 * log-out. */
	bool answering, quitting;
	bool anonymous; /* nobody knows who it is; of this network address */
	struct gw_addr peer;
	char *challenge; /* of a refresh, that waits for an answer; owned */
	uint64_t txn;    /* pending, keeping, leaving: of what waits ... */
	uint32_t asked_expiration_s, asked_ttl_s; /* ... and what it wants */
	char id[GW_IDENTITY_SIZE];                /* webrtcId */
	char name[64];
	bool configured;  /* a user of the configuration, not only of a token */
	size_t nidentity; /* id is the first */
	char identity[GW_REG_MAX_IDENTITIES][GW_IDENTITY_SIZE];
	char *impi; /* who it is in the core; NULL: nobody.  Owned */
	char credential[GW_REG_CREDENTIAL_SIZE]; /* until it has been told */
	uint8_t credential_hash[GW_REG_HASH_SIZE];
	uint32_t ttl_s;
	uint64_t expires_us; /* on the timers' clock */
	struct gw_timer expiry, ttl;

	struct gw_rconn *conn; /* NULL: suspended */
	bool suspended;        /* counted as such */
	LIST_HEAD(gw_rleg_list, gw_rleg) legs;
	unsigned nleg;
	struct gw_reg_bucket sent, received; /* messages of text */
	unsigned unanswered;                 /* that were sent to it */
};

/* What its registration in the core is known by. */
static inline const char *gw_reg_core_key(const struct gw_reg *reg)
{
	return reg->core_key[0] ? reg->core_key : reg->key;
}

typedef void(gw_reg_end_h)(struct gw_reg *reg, enum gw_reg_end why, void *arg);

int gw_registry_new(struct gw_registry **out, struct gw_timers *timers,
		    gw_reg_end_h *end_h, void *arg); /* 0 or -ENOMEM */
void gw_registry_free(struct gw_registry *r);        /* when it is empty */

/*
 * A new registration of @id; @user (may be NULL) gives further identities and
 * the name.  It is REGISTERED on @conn.  0, -EINVAL (@id is no identity),
 * -ENOMEM.
 */
int gw_registry_add(struct gw_registry *r, struct gw_reg **out, const char *id,
		    const struct gw_set_user *user, struct gw_rconn *conn);
/*
 * Puts one back that was there before the process died: @key and the hash of
 * its credential are as they were.  It is SUSPENDED, and awaited.  Those told
 * by @user (may be NULL) are its identities, as above.  0, -EINVAL (@id is no
 * identity, or @key is none, or not free), -ENOMEM.
 */
int gw_registry_restore(struct gw_registry *r, struct gw_reg **out,
			const char *key, const char *id,
			const struct gw_set_user *user);
/* The identities that the core grants: beside the id there are no others from
 * now on.  What does not fit is left out. */
void gw_registry_set_identities(struct gw_reg *reg, size_t n,
				const char (*uri)[GW_IDENTITY_SIZE]);
/* The one with @key, NULL: none. */
struct gw_reg *gw_registry_find_key(const struct gw_registry *r,
				    const char *key);
/* Nobody finds it any more; its legs may still be there. */
void gw_registry_hide(struct gw_reg *reg);
void gw_registry_remove(struct gw_reg *reg); /* its legs are gone */

/* The one to call under @uri: connected before suspended, those before awaited,
 * then newest. */
struct gw_reg *gw_registry_find(const struct gw_registry *r, const char *uri);
/* All that are to be called under @uri: connected ones, newest first; when there
 * is none, suspended ones, else awaited ones.  How many, @max at most. */
size_t gw_registry_find_all(const struct gw_registry *r, const char *uri,
			    struct gw_reg **out, size_t max);
/* The same of those that are registered in the core by @key. */
size_t gw_registry_find_in_core(const struct gw_registry *r, const char *key,
				struct gw_reg **out, size_t max);
/* The one of @id that was given @credential; NULL: none. */
struct gw_reg *gw_registry_find_credential(const struct gw_registry *r,
					   const char *id,
					   const char *credential);
/* Of those that have @reg's id, when they are more than @max: the oldest,
 * suspended before connected, but not @reg; NULL while there is room. */
struct gw_reg *gw_registry_surplus(const struct gw_reg *reg, unsigned max);
/* Anonymous ones of @peer: of its IPv4 address, or its IPv6 network. */
unsigned gw_registry_anonymous(const struct gw_registry *r,
			       const struct gw_addr *peer);
struct gw_reg *gw_registry_first(const struct gw_registry *r);

/* Runs @expiration_s and @ttl_s anew and makes a new credential: the one
 * before is of no use any more. */
void gw_reg_renew(struct gw_reg *reg, uint32_t expiration_s, uint32_t ttl_s);
/* One put back: it ends in @expiration_s, or in @wait_s if nobody comes. */
void gw_reg_await(struct gw_reg *reg, uint32_t expiration_s, uint32_t ttl_s,
		  uint32_t wait_s);
/* Is what a token says of its bearer in the core true of @reg? */
bool gw_reg_suits(const struct gw_reg *reg, const struct gw_jwt_claims *claims);
/* The connection is lost, and with it what waited for an answer there. */
void gw_reg_suspend(struct gw_reg *reg);
void gw_reg_resume(struct gw_reg *reg, struct gw_rconn *conn);
/* Until a suspended one is over. */
uint32_t gw_reg_ttl_left_s(const struct gw_reg *reg);
uint32_t gw_reg_remaining_s(const struct gw_reg *reg);
/* One of its own identities, as configured; NULL: not its own. */
const char *gw_reg_identity(const struct gw_reg *reg, const char *uri);

/* @suspended counts those that are awaited too. */
unsigned gw_registry_count(const struct gw_registry *r, unsigned *suspended);
unsigned gw_registry_awaited(const struct gw_registry *r);

#endif
