/*
 * media/lite_port.h - the one UDP port of a worker, for all its ICE-lite
 * sessions
 *
 * A socket a family.  A check finds its session by the ufrag in USERNAME; once
 * it has proved to know the password, its address is the session's, and what
 * comes from there and is not STUN goes to it (RFC 7983) by one look into a
 * hash table, without lock or allocation.  Rates are held before any HMAC is
 * computed, for strangers by address, for sessions by session, and for their
 * known addresses apart, so that who has read a ufrag on the wire can neither
 * make us work nor silence a call.
 *
 * Owner: one worker thread.
 */
#ifndef GW_MEDIA_LITE_PORT_H
#define GW_MEDIA_LITE_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "gateway/base/addr.h"
#include "gateway/base/timers.h"
#include "media/worker_poll.h"

/* RFC 8445 15.4 asks for 24 and 128 bits of randomness; these have 47 and 142,
 * and we are found by the first. */
#define GW_LITE_UFRAG 8
#define GW_LITE_PWD   24

struct gw_lite_port;
struct gw_lite_client;

/* Checks that may be verified: tokens in thousandths. */
struct gw_lite_bucket {
	uint64_t last_us;
	uint32_t tokens;
};

/* Credentials of a session; two while a restart is under way. */
struct gw_lite_user {
	struct gw_lite_client *client; /* NULL: not in the table */
	uint32_t generation;
	uint64_t sender; /* whose checks count (stun.h); 0: anybody's yet */
	char ufrag[GW_LITE_UFRAG + 1];
	char pwd[GW_LITE_PWD + 1];
	UT_hash_handle hh;
};

struct gw_lite_key {
	uint64_t ip[2];
	uint32_t family, port;
};

/* An address that a check with our password came from. */
struct gw_lite_pair {
	struct gw_lite_client *client; /* NULL: a free place */
	struct gw_lite_key key;
	struct gw_addr addr;
	uint32_t generation;   /* of the user that it was last checked with */
	uint64_t sender;       /* who checked from it last (stun.h) */
	uint64_t heard_us;     /* the last valid check */
	uint64_t nominated_us; /* the last one with USE-CANDIDATE; 0: none */
	struct gw_lite_bucket bucket;
	UT_hash_handle hh;
};

/* What a check says. */
struct gw_lite_news {
	uint64_t sender;
	bool nominates;
};

/* A session's face to its port; embedded. */
struct gw_lite_client {
	struct gw_lite_bucket bucket; /* for addresses not known yet */
	/* A valid check under @user; @pair: where from, NULL: an address that
	 * is not the session's yet.  False: it is not to be answered. */
	bool (*check)(struct gw_lite_user *user, struct gw_lite_pair *pair,
		      const struct gw_addr *from,
		      const struct gw_lite_news *news, void *arg);
	/* Not STUN.  None of these may free the client. */
	void (*packet)(const struct gw_addr *from, uint8_t *data, size_t len,
		       size_t cap, void *arg);
	/* The address serves another session now; @pair is out of the table. */
	void (*taken)(struct gw_lite_pair *pair, void *arg);
	void *arg;
};

struct gw_lite_port_options {
	struct gw_poller *poller;
	struct gw_timers *timers;
	const char (*address)[46]; /* four, "" ends; one a family at most */
	uint16_t port;
};

/* 0, -EINVAL (no address, or two of a family), -ENOMEM, or why a socket
 * cannot be bound. */
int gw_lite_port_new(struct gw_lite_port **out,
		     const struct gw_lite_port_options *opt);
/* After its clients. */
void gw_lite_port_free(struct gw_lite_port *port);

/* Where it listens, the preferred one first; their number. */
unsigned gw_lite_port_local(const struct gw_lite_port *port,
			    struct gw_addr out[2]);

/* A client more, or less: the kernel's queue grows with their number. */
void gw_lite_port_join(struct gw_lite_port *port);
void gw_lite_port_leave(struct gw_lite_port *port);

/* New credentials of @client, in the table.  0 or -ENOMEM. */
int gw_lite_port_add_user(struct gw_lite_port *port, struct gw_lite_user *user,
			  struct gw_lite_client *client);
void gw_lite_port_del_user(struct gw_lite_port *port,
			   struct gw_lite_user *user);

/* @from, which no session has, is @client's.  0 or -ENOMEM. */
int gw_lite_port_add_pair(struct gw_lite_port *port, struct gw_lite_pair *pair,
			  struct gw_lite_client *client,
			  const struct gw_addr *from);
void gw_lite_port_del_pair(struct gw_lite_port *port,
			   struct gw_lite_pair *pair);

/* 0 or -errno. */
int gw_lite_port_send(struct gw_lite_port *port, const struct gw_addr *to,
		      int tos, const void *data, size_t len);
/* Of the sockets, and so of all clients. */
void gw_lite_port_set_tos(struct gw_lite_port *port, int tos);

/* One datagram as if it had come: for tests.  @data may be changed, up to
 * @cap. */
void gw_lite_port_datagram(struct gw_lite_port *port,
			   const struct gw_addr *from, uint8_t *data,
			   size_t len, size_t cap);

#endif
