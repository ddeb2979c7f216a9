/*
 * gateway/enrol.h - who logs in is registered in the core
 *
 * Joins three: the web side, which knows who has logged in; the store, which
 * knows how a subscriber is registered (enum gw_enrol), and leases identities
 * of the pool; and gateway/registration.h, which does it.  A log-in is answered
 * when the core has answered.
 * Signalling thread only.
 */
#ifndef GW_ENROL_H
#define GW_ENROL_H

#include "gateway/core.h"

struct gw_enrols;
struct gw_stored_reg;

int gw_enrols_new(struct gw_enrols **out,
		  struct gw_core *core); /* or -ENOMEM */
/* After the web side, before the store. */
void gw_enrols_free(struct gw_enrols *all);

/* Fills in what the core has of the one with @key; known here only: nothing. */
void gw_enrol_describe(const struct gw_enrols *all, const char *key,
		       struct gw_stored_reg *row);
/*
 * Takes over the binding in the core of one that the last run has left; what
 * comes of it is told to the web side as ever.  @unwanted: nobody waits for it,
 * it is ended there.
 */
void gw_enrol_resume(struct gw_enrols *all, const struct gw_stored_reg *row,
		     bool unwanted);
/* Leases of the last run that nobody has resumed are given back, to cool down
 * for as long as the core may still know their registrations. */
void gw_enrols_reclaim(struct gw_enrols *all);

/* The web side's handlers; @arg is the core. */
gw_web_enrol_h gw_enrol_begin;
gw_web_enrol_answer_h gw_enrol_answer;
gw_web_quit_h gw_enrol_quit;
gw_web_leave_h gw_enrol_leave;

#endif
