/*
 * gateway/enrol_priv.h - one log-in, shared by enrol.c and enrol_resume.c only
 *
 * Signalling thread only.
 */
#ifndef GW_ENROL_PRIV_H
#define GW_ENROL_PRIV_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "gateway/enrol.h"
#include "gateway/enrol_held.h"
#include "gateway/enrol_pool.h"
#include "gateway/enrol_share.h"
#include "gateway/enrol_who.h"
#include "gateway/registration.h"
#include "gateway/store.h"

/* One log-in. */
struct enrol {
	char key[GW_REGN_KEY_SIZE];
	UT_hash_handle hh;
	struct gw_enrols *all;
	struct gw_store_req *asked;   /* of the store; NULL: nothing */
	struct gw_held_read *reading; /* its secret, anew; NULL: it is not */
	struct gw_regn *regn;
	struct gw_share_use share; /* instead of regn: with other endpoints */
	bool registered;
	struct gw_loan_use loan;    /* its identity is of the pool */
	struct gw_enrol_wish *wish; /* until it is registered; owned */
	char peer[48];
	struct gw_enrol_who who;
	struct gw_regn_secret *secret; /* HELD; wiped */
	/* Of before a crash, until it is taken over; owned. */
	struct gw_regn_state *was;
	bool unwanted; /* taken over to be ended */
	/* What the store has of it. */
	int64_t kept_until_s;
	uint32_t kept_cseq;
};

struct gw_enrols {
	struct gw_core *core;
	struct gw_loans *loans;
	struct gw_shares *shares;
	struct gw_held *held;
	struct enrol *by_key;
	struct gw_store_req *listing; /* the pool, at the beginning */
};

/* NULL: there is none. */
struct enrol *gw_enrol_find(const struct gw_enrols *all, const char *key);
/* Its own registration, or the one that it shares; NULL: none. */
const struct gw_regn *gw_enrol_regn(const struct enrol *e);

/* The core is asked; @e may be gone on return. */
void gw_enrol_start(struct enrol *e);
/* What the core's challenges are answered with; 0 or -ENOMEM. */
int gw_enrol_take_secret(struct enrol *e, const struct gw_ims_secret *s);

/* Tells the web side; the enrolment is over when it is not good news, and @e
 * gone. */
void gw_enrol_tell(struct enrol *e, const struct gw_web_enrolled *res);
/* Bad news, counted: @e is gone. */
void gw_enrol_refuse(struct enrol *e, uint16_t status, uint16_t retry_after_s,
		     const char *text);
/* The same, because the store or memory failed. */
void gw_enrol_fault(struct enrol *e);
/* Nobody is told. */
void gw_enrol_bury(struct enrol *e);

#endif
