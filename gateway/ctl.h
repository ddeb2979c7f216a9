/*
 * gateway/ctl.h - the control socket, which isthmusctl speaks to
 *
 * A Unix socket of mode 600.  A connection carries one request and one
 * response, a line of JSON each (docs/isthmusctl.md), and is closed.
 * Signalling thread only.
 */
#ifndef GW_CTL_H
#define GW_CTL_H

#include "gateway/core.h"

struct gw_ctl;

/* 0, or -errno after logging what is wrong.  @core->store may be NULL. */
int gw_ctl_new(struct gw_ctl **out, struct gw_core *core, const char *path);
/* Before the store is closed; open requests get no response. */
void gw_ctl_free(struct gw_ctl *ctl);

#endif
