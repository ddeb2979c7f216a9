/*
 * gateway/store.h - what a node must remember
 *
 * Subscribers, the pool of identities, and registrations that are worth
 * resuming.  Commands and results are plain values, as in media/media.h: behind
 * this page is SQLite on a thread of its own, and may be a cluster's store
 * later.  What was answered with 0 survives a power cut: it was committed and
 * synced before the answer.  Commands that wait together are committed
 * together, so a storm costs few syncs.
 *
 * Calls and answers: signalling thread.  An answer never comes from inside a
 * call.  Commands are performed, and answered, in the order they were given.
 */
#ifndef GW_STORE_H
#define GW_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/loop.h"

#define GW_STORE_IMPUS 8
#define GW_STORE_PAGE  64   /* rows of a LIST */
#define GW_STORE_QUEUE 1024 /* commands that may wait */

/* How a subscriber is registered in the core (TS 24.371 6.1, TS 33.203 annex
 * X). */
enum gw_enrol {
	GW_ENROL_NONE,   /* known here only */
	GW_ENROL_CLIENT, /* 1: the client answers the core's challenge */
	GW_ENROL_HELD,   /* 1: the gateway holds the credentials (labs) */
	GW_ENROL_WEB,    /* 2: web credentials; trusted node authentication */
	GW_ENROL_POOL,   /* 3: as 2, with an identity leased from the pool */
	GW_NENROL
};

/* Credentials held here.  Wiped by whoever is done with them. */
struct gw_ims_secret {
	bool aka;          /* k, op and amf count, not the password */
	bool opc;          /* @op is OPc */
	char password[64]; /* SIP Digest; "": none */
	uint8_t k[16], op[16], amf[2];
	/* Highest that was accepted (TS 33.102 annex C).  A PUT never lowers
	 * it, unless it brings another @k. */
	uint8_t sqn[6];
};

struct gw_subscriber {
	char id[128];       /* WebRTC ID, as gw_web_identity() makes it */
	char subject[128];  /* of its tokens; "": the id */
	char password[160]; /* crypt(5) hash; "": no password log-in */
	char name[64];
	uint8_t enrol; /* enum gw_enrol */
	uint8_t nimpu;
	char impi[128];
	/* The first is the one registered.  No two subscribers have one in
	 * common, nor one that is the id of another. */
	char impu[GW_STORE_IMPUS][128];
	struct gw_ims_secret secret; /* GW_ENROL_HELD */
};

enum gw_pool_state { GW_POOL_FREE, GW_POOL_LEASED, GW_POOL_COOLING };

struct gw_pool_entry {
	char impi[128], impu[128];
	/* These are the store's to say; a PUT does not read them. */
	uint8_t state;    /* enum gw_pool_state */
	char holder[128]; /* WebRTC ID of the user that has it */
	int64_t until_s;  /* wall clock: COOLING ends */
};

/* Enough to know a client by its re-authentication credential, and the core's
 * binding, after a crash. */
struct gw_stored_reg {
	char key[24];                  /* random, never reused */
	char id[128];                  /* WebRTC ID */
	uint8_t credential_sha256[32]; /* the credential itself is not kept */
	int64_t expires_s;             /* wall clock: registration over */
	int64_t lost_s; /* time to live over; 0: connected at the crash */
	uint32_t ttl_s;
	uint8_t enrol;
	uint8_t nimpu;
	char impi[128];
	/* Identities beside the id; in the core, the first is the one that is
	 * registered there, which may be the id. */
	char impu[GW_STORE_IMPUS][128];
	char contact[64]; /* token: user part of Contact and Path */
	char call_id[64]; /* of the REGISTERs */
	uint32_t cseq;
	char service_route[512];
	int64_t core_expires_s; /* of the binding in the core; 0: none */
	char name[64];          /* shown to others */
	char peer[48];          /* the client's IP address */
	bool configured;        /* a user of the configuration */
};

enum gw_store_verb {
	GW_ST_SUBSCRIBER_GET,    /* key: id; flag: subject of its tokens */
	GW_ST_SUBSCRIBER_PUT,    /* flag: replace, else -EEXIST */
	GW_ST_SUBSCRIBER_PASSWD, /* subscriber.id, subscriber.password */
	GW_ST_SUBSCRIBER_DELETE, /* key */
	GW_ST_SUBSCRIBER_LIST,   /* key: after this id, "" from the start */
	/* key: impi; number: the 48 bits.  Only ever upwards. */
	GW_ST_SQN_PUT,
	GW_ST_POOL_PUT,    /* flag: replace, else -EEXIST; -EBUSY leased */
	GW_ST_POOL_DELETE, /* key: impi; -EBUSY while it is leased */
	GW_ST_POOL_LIST,   /* key: after this impi */
	/* key: the holder.  The entry free for longest, -ENODATA when there is
	 * none.  A holder that has one already gets the same again. */
	GW_ST_POOL_LEASE,
	GW_ST_POOL_RELEASE, /* key: the holder; number: seconds to cool */
	GW_ST_REG_PUT,      /* new, or instead of the one with that key */
	GW_ST_REG_DELETE,   /* key, or with flag all; releases no lease */
	GW_ST_REG_LIST,     /* key: after this key */
	GW_NST
};

struct gw_store_cmd {
	enum gw_store_verb verb;
	bool flag;
	int64_t number;
	char key[128];
	union {
		struct gw_subscriber subscriber;
		struct gw_pool_entry pool;
		struct gw_stored_reg reg;
	};
};

/* Valid during the answer's handler.  A GET and a LEASE have one row, a LIST
 * has @n; its last page has fewer than GW_STORE_PAGE. */
struct gw_store_answer {
	/* 0; -ENOENT -EEXIST -EBUSY -ENODATA as above; -EINVAL (not to be
	 * stored: an empty key); of the store itself: -ETIMEDOUT (locked by
	 * another process), -EROFS, -ENOSPC, -EIO, -ENOMEM */
	int error;
	size_t n;
	union {
		const void *rows;
		const struct gw_subscriber *subscriber;
		const struct gw_pool_entry *pool;
		const struct gw_stored_reg *reg;
	};
};

struct gw_store;
struct gw_store_req;

typedef void(gw_store_h)(const struct gw_store_answer *a, void *arg);

/*
 * Opens @file (made, and brought to this version's schema, where it needs it;
 * a newer schema is refused).  @lock_ms is how long a lock of another process
 * is waited for; once one has lasted longer, 100 ms until it ends.  One daemon has the file at a time.  0, or -errno after
 * logging what is wrong.
 */
int gw_store_open(struct gw_store **out, struct gw_loop *loop, const char *file,
		  uint32_t lock_ms);
/* Performs what was given, then closes; no handler runs any more. */
void gw_store_close(struct gw_store *st);

/*
 * Copies @cmd.  0; -EAGAIN (too many wait) and -ENOMEM: nothing was taken, the
 * handler will not run.  @out (may be NULL) is good for gw_store_cancel() until
 * the handler has run.  @handler may be NULL, and may give commands.
 */
int gw_store_do(struct gw_store_req **out, struct gw_store *st,
		const struct gw_store_cmd *cmd, gw_store_h *handler, void *arg);
/* The command is performed all the same, but its handler does not run. */
void gw_store_cancel(struct gw_store_req *req);

/* Is @error the store's own trouble, not the answer to what was asked? */
bool gw_store_is_fault(int error);

#endif
