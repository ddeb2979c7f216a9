/*
 * gateway/enrol_pool.h - identities of the pool, lent to users
 *
 * One a user, whatever the number of its endpoints: leased from the store for
 * the first of them, under the user's WebRTC ID, and given back to cool down
 * when the last has gone (TS 24.371 6.1, scenario 3).  The store sees to it
 * that nobody else has it, also across a crash.
 * Signalling thread only.
 */
#ifndef GW_ENROL_POOL_H
#define GW_ENROL_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "gateway/core.h"

struct gw_loan;
struct gw_loans;

/* 0: @impi and @impu are the user's, for as long as this use lasts.  -ENODATA:
 * none is free; else the store fails.  The use is over then. */
typedef void(gw_loan_h)(int error, const char *impi, const char *impu,
			void *arg);

/* One endpoint's; the owner embeds it. */
struct gw_loan_use {
	LIST_ENTRY(gw_loan_use) link;
	struct gw_loan *loan; /* NULL: none */
	gw_loan_h *handler;
	void *arg;
	bool told;
};

int gw_loans_new(struct gw_loans **out, struct gw_core *core); /* or -ENOMEM */
void gw_loans_free(struct gw_loans *loans); /* no use is left */

/* 0 and @handler comes, perhaps from inside this call; -EAGAIN or -ENOMEM. */
int gw_loan_take(struct gw_loans *loans, struct gw_loan_use *use,
		 const char *id, gw_loan_h *handler, void *arg);
/* After a crash: the store has it that @impi is lent to @id.  0 or -ENOMEM; no
 * handler comes. */
int gw_loan_keep(struct gw_loans *loans, struct gw_loan_use *use,
		 const char *id, const char *impi, const char *impu);
/* Legal when there is none. */
void gw_loan_return(struct gw_loans *loans, struct gw_loan_use *use);

/* Has @holder an identity now, or has asked for one? */
bool gw_loans_has(const struct gw_loans *loans, const char *holder);

#endif
