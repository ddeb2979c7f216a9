/*
 * gateway/reg_keep.h - registrations survive a crash
 *
 * What a client was told of its registration is in the store before it is told
 * (h.keep of the web side), with what takes over its binding in the core, and
 * is not there any more when it is told that it has logged out (h.forget); at
 * the next start what is found there is put back, on the web side and in the
 * core.  Clients come back with their re-authentication credential; those that
 * do not, within their time, are deregistered.
 *
 *	  start                 stored            ended
 *	(none) ---> asked to be ------> remembered ------> being forgotten
 *	            remembered           |  ^ changed            |
 *	                 | fault         +--+                    v
 *	                 +--> tried again until the store works  (none)
 *
 * A fault of the store fails nobody's log-in: it is counted, told once, and
 * what was not stored is stored when it can be.  A process that ends well
 * deregisters everybody, and leaves nothing to put back.
 * Signalling thread only.
 */
#ifndef GW_REG_KEEP_H
#define GW_REG_KEEP_H

#include "gateway/core.h"

struct gw_keep;

/*
 * Reads what the last run has left, turning the loop until the store has
 * answered: before anything listens, so that nobody finds half of it.  0 or
 * -ENOMEM; what cannot be read is told, and not put back.
 */
int gw_keep_new(struct gw_keep **out, struct gw_core *core);
/* Puts it back; the web side and the core's registrations are there. */
void gw_keep_restore(struct gw_keep *keep);
/* This process ends well: all are forgotten, and nothing is kept any more. */
void gw_keep_end(struct gw_keep *keep);
void gw_keep_free(struct gw_keep *keep);

/* The binding of the one with @key in the core is another, or lasts longer. */
void gw_keep_refresh(struct gw_keep *keep, const char *key);

/* The web side's handlers; @arg is the core. */
gw_web_keep_h gw_keep_put;
gw_web_forget_h gw_keep_forget;

#endif
