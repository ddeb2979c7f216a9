/*
 * gateway/enrol_held.h - held credentials, read anew after a crash
 *
 * All that the last run has left are taken over at once, and the store takes no
 * more than GW_STORE_QUEUE commands: so their subscribers are read a few at a
 * time, and whoever logs in meanwhile finds room.
 * Signalling thread only.
 */
#ifndef GW_ENROL_HELD_H
#define GW_ENROL_HELD_H

#include "gateway/core.h"
#include "gateway/store.h"

struct gw_held;
struct gw_held_read;

int gw_held_new(struct gw_held **out, struct gw_core *core); /* or -ENOMEM */
void gw_held_free(struct gw_held *held); /* no read is left */

/*
 * Reads the subscriber @id when its turn comes; the answer is as the store's,
 * and never comes from inside this call.  NULL: no memory.  What is returned is
 * good for gw_held_cancel() until the handler runs.
 */
struct gw_held_read *gw_held_read(struct gw_held *held, const char *id,
				  gw_store_h *handler, void *arg);
void gw_held_cancel(struct gw_held_read *read); /* NULL: nothing */

#endif
