/*
 * media/stun.h - STUN messages of ICE, read and written (RFC 8445 7, RFC 8489)
 *
 * By the public stun/ API of libnice: the connectivity checks of a peer and
 * their answers, our own checks and what comes back.  Knows
 * no socket and no session: who a check is for is asked of the caller between
 * reading and answering, so that a rate can be held before MESSAGE-INTEGRITY
 * costs an HMAC.
 *
 * Owner: one worker thread, which shares one of these between its sessions.
 */
#ifndef GW_MEDIA_STUN_H
#define GW_MEDIA_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"

#define GW_STUN_MAX     1280 /* a longer one is no check */
#define GW_STUN_ANSWER  256  /* room that every answer fits in */
#define GW_STUN_REQUEST 640  /* ... that every check of ours fits in */
#define GW_STUN_ID      12   /* of a transaction; at byte 8 of a message */

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
	GW_STUN_CONFLICT, /* answered 487: it claims the role that is ours */
	GW_STUN_BROKEN    /* its FINGERPRINT is wrong: not answered */
};

/* Into the datagram, which must stay. */
struct gw_stun_check {
	uint8_t *data;
	size_t len;
	const char *ufrag; /* ours: what stands before the colon */
	size_t ufrag_len;
	size_t user_len; /* all of USERNAME, from @ufrag on */
};

/* Whose check it says it is: nothing is proved before gw_stun_vet(). */
enum gw_stun_whose {
	GW_STUN_OF_PEER,   /* ours, and the peer's */
	GW_STUN_OF_OTHER,  /* ours, and not the peer's: an offer may have been
			      answered by several (forking) */
	GW_STUN_OF_NOBODY, /* not ours */
};

struct gw_stun;

int gw_stun_new(struct gw_stun **out); /* 0 or -ENOMEM */
void gw_stun_free(struct gw_stun *s);

/* @out is set for GW_STUN_NO_USER and GW_STUN_CHECK. */
enum gw_stun_kind gw_stun_read(struct gw_stun *s, struct gw_stun_check *out,
			       uint8_t *data, size_t len);

/* @expected: "ours:theirs". */
enum gw_stun_whose gw_stun_whose(const struct gw_stun_check *check,
				 const char *expected);

/* The half of USERNAME that names who sends the check, and the same of a ufrag
 * that was signalled, as a number, never 0: a check may be there long before
 * its description.  Who could find another name of the same number could as
 * well send that name, for it has our password. */
uint64_t gw_stun_sender(const struct gw_stun_check *check);
uint64_t gw_stun_sender_of(const char *ufrag);

/* The answer to a check under @pwd, by one who is @controlling or not, into
 * @out of GW_STUN_ANSWER bytes; @out_len 0: none.  @nominates: it has
 * USE-CANDIDATE; only of a valid one. */
enum gw_stun_result gw_stun_answer(struct gw_stun *s,
				   const struct gw_stun_check *check,
				   const char *pwd, bool controlling,
				   const struct gw_addr *from, uint8_t *out,
				   size_t *out_len, bool *nominates);

/* The same without an answer: it is another's to give. */
enum gw_stun_result gw_stun_vet(struct gw_stun *s,
				const struct gw_stun_check *check,
				const char *pwd, bool controlling,
				bool *nominates);

/* An error without MESSAGE-INTEGRITY (RFC 8489 9.1.3): 400 or 401.  The length
 * in @out of GW_STUN_ANSWER bytes. */
size_t gw_stun_refuse(struct gw_stun *s, const struct gw_stun_check *check,
		      int code, uint8_t *out);

struct gw_stun_ask {
	const char *user; /* "theirs:ours" */
	const char *pwd;  /* theirs */
	bool controlling;
	bool nominates; /* USE-CANDIDATE */
	uint64_t tie;
	uint32_t priority;
	uint32_t mark; /* what the transaction's id begins with; 0: anything */
};

/* A check of ours.  The length in @out of GW_STUN_REQUEST bytes, 0: a name too
 * long; @id: its transaction. */
size_t gw_stun_ask(struct gw_stun *s, const struct gw_stun_ask *ask,
		   uint8_t *out, uint8_t id[GW_STUN_ID]);

enum gw_stun_reply {
	GW_STUN_NO_REPLY, /* none, or not under that password */
	GW_STUN_SUCCESS,
	GW_STUN_ROLE_CONFLICT, /* 487 */
	GW_STUN_FORBIDDEN,     /* 403 */
	GW_STUN_ERROR
};

/* What came back to the check @id under @pwd. */
enum gw_stun_reply gw_stun_reply(struct gw_stun *s, uint8_t *data, size_t len,
				 const uint8_t id[GW_STUN_ID], const char *pwd);

#endif
