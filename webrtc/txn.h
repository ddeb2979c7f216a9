/*
 * webrtc/txn.h - the transactions of one RESPECT connection
 *
 * Pure rules, no I/O and no clock of its own.  Ids are 64-bit and unique for
 * the life of a WebSocket: who opened it counts 0, 2, 4 ..., who accepted it
 * 1, 3, 5 ...  A request with an id that was seen is a retransmission and gets
 * the response that its first copy got (seed TR 26.930 6.3.2.5, "Transaction
 * management principle").  Signalling thread only.
 */
#ifndef GW_TXN_H
#define GW_TXN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_txn;

#define GW_TXN_KEEP_MS   32000 /* a response can be repeated that long */
#define GW_TXN_MAX_KEPT  1024  /* ... while neither bound is reached */
#define GW_TXN_MAX_BYTES 262144
#define GW_TXN_MAX_OUR   256 /* our own requests without response */

enum gw_txn_verdict {
	GW_TXN_NEW,     /* handle it, then gw_txn_answer() */
	GW_TXN_REPEAT,  /* send *@response again */
	GW_TXN_PENDING, /* the first copy is being worked on: say nothing */
	GW_TXN_GONE,    /* seen, its response is no longer kept */
	GW_TXN_PARITY,  /* a number of our own side */
	GW_TXN_SKIPPED  /* never seen, and not the next one */
};

/* What a request of ours was about; ids, resolved when the response comes. */
struct gw_txn_our {
	uint64_t id;
	uint64_t subject; /* the leg's serial; 0 none */
	uint32_t what;    /* the caller's own flags */
	uint64_t due_ms;
};

/* @we_opened: we are the WebSocket's client.  0 or -ENOMEM. */
int gw_txn_new(struct gw_txn **out, bool we_opened);
void gw_txn_free(struct gw_txn *t);

enum gw_txn_verdict gw_txn_request(struct gw_txn *t, uint64_t id,
				   uint64_t now_ms, const char **response,
				   size_t *len);
/* Keeps a copy of the response to @id for retransmissions.  0 or -ENOMEM
 * (then a retransmission is answered as GONE). */
int gw_txn_answer(struct gw_txn *t, uint64_t id, const char *response,
		  size_t len, uint64_t now_ms);

/* A number for a request of ours.  0; -ENOSPC: too many without response;
 * -EOVERFLOW: numbers are used up; -ENOMEM. */
int gw_txn_open(struct gw_txn *t, uint64_t subject, uint32_t what,
		uint64_t due_ms, uint64_t *id);
/* The response to @id came.  0, or -ENOENT: not one of ours, or too late. */
int gw_txn_close(struct gw_txn *t, uint64_t id, struct gw_txn_our *out);
/* Takes out one request that nobody answered in time; false: none. */
bool gw_txn_expired(struct gw_txn *t, uint64_t now_ms, struct gw_txn_our *out);
/* UINT64_MAX: nothing is waited for. */
uint64_t gw_txn_next_due_ms(const struct gw_txn *t);

size_t gw_txn_kept(const struct gw_txn *t, size_t *bytes); /* for tests */

#endif
