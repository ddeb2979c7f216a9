/*
 * webrtc/auth_check.h - is this password, or this token, good?
 *
 * The part of authentication that takes milliseconds of CPU, as plain data
 * that a pool thread can work on.  It knows no connection: whoever made the
 * job finds out by itself what to do with the result.
 */
#ifndef GW_AUTH_CHECK_H
#define GW_AUTH_CHECK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "gateway/settings.h"
#include "webrtc/jwt.h"

#define GW_AUTH_MAX_PASSWORD 512
#define GW_AUTH_HASH_SIZE    160

enum gw_auth_kind { GW_AUTH_BASIC, GW_AUTH_BEARER };

struct gw_rconn;
struct gw_web;

struct gw_auth_job {
	/* Loop's thread only; NULL once the connection is gone. */
	struct gw_rconn *owner;
	LIST_ENTRY(gw_auth_job) link; /* of the web's jobs */
	struct gw_web *web;           /* NULL: gone */
	uint64_t ask;                 /* not 0: its user is being looked up */
	bool configured;              /* the hash is of the configuration */
	bool revoked; /* the user was removed since it was looked up */
	struct gw_set_user *user; /* from elsewhere; owned, without password */
	LIST_ENTRY(gw_auth_job) wait_link; /* waiting for a key */
	bool waited;
	bool unavailable; /* who could tell does not answer */
	uint64_t txn;
	uint32_t expiration_s, ttl_s; /* as asked for, within our bounds */
	char webrtc_id[128];
	char subject[128]; /* of its user's tokens; "": the WebRTC ID */

	/* Set by the loop when nobody waits for the result any more, so that
	 * those who leave do not hold up those who stay. */
	atomic_bool abandoned;

	/* Read by the worker. */
	enum gw_auth_kind kind;
	char *secret; /* password or token; wiped when the job is freed */
	char hash[GW_AUTH_HASH_SIZE];
	bool known; /* false: the hash is a dummy, nothing can be right */
	struct gw_jwt_keys *keys;
	int64_t now_s;

	/* Written by the worker. */
	bool good;
	enum gw_jwt_fault fault;
	struct gw_jwt_claims claims;
	const char *why; /* a constant; NULL: fault's name */
};

/* 0 or -ENOMEM. */
int gw_auth_job_new(struct gw_auth_job **out, enum gw_auth_kind kind,
		    const char *secret, size_t len);
void gw_auth_job_free(struct gw_auth_job *job);
void gw_auth_job_work(void *job); /* any thread */

/*
 * The password in the value of an HTTP Authorization header (RFC 7617).  A
 * webrtcId has a colon in it, which a user-id must not: it is understood whole,
 * and without its scheme.  Length, or -EINVAL (malformed), -EACCES (of another
 * user).
 */
int gw_auth_basic_parse(char out[GW_AUTH_MAX_PASSWORD + 1], const char *value,
			size_t len, const char *webrtc_id);
/* The token in "Bearer ..." (RFC 6750 2.1), or NULL. */
const char *gw_auth_bearer_parse(const char *value, size_t len, size_t *n);

/* crypt(5), any method of libcrypt: yescrypt, bcrypt, sha512crypt ... */
bool gw_auth_password_holds(const char *hash, const char *password);

/* SHA-256 of a credential of ours: it is random, and needs no salt.  0 or
 * -ENOMEM. */
int gw_auth_hash(uint8_t out[32], const char *credential);

/* A hash that costs as much as those of @set's users, for unknown users. */
void gw_auth_dummy_hash(char out[GW_AUTH_HASH_SIZE],
			const struct gw_settings *set);

/* TURN REST: username "<expiry>:<id>" and its base64 HMAC-SHA1. */
#define GW_AUTH_TURN_CREDENTIAL 32
void gw_auth_turn(char *username, size_t size,
		  char credential[GW_AUTH_TURN_CREDENTIAL], const char *secret,
		  const char *id, int64_t expiry_s);

#endif
