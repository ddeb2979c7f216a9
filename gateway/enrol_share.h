/*
 * gateway/enrol_share.h - one registration in the core for several endpoints
 *
 * With ims.contact_shared the endpoints of one IMPI and IMPU go by one
 * contact: the first of them registers it, and the last to leave deregisters.
 * The core sees one user agent; who of them rings is this gateway's business
 * (gateway/fork_leg.h).  Not for those who answer the core's challenges
 * themselves: each of them has to.
 * Signalling thread only.
 */
#ifndef GW_ENROL_SHARE_H
#define GW_ENROL_SHARE_H

#include <stdbool.h>
#include <sys/queue.h>

#include "gateway/registration.h"

struct gw_share;
struct gw_shares;

/* As gw_regn_h; of the last event ENDED the use is over. */
typedef void(gw_share_h)(const struct gw_regn_event *ev, void *arg);

/* One endpoint's; the owner embeds it, zeroed. */
struct gw_share_use {
	LIST_ENTRY(gw_share_use) link;
	struct gw_share *share; /* NULL: none */
	gw_share_h *handler;
	void *arg;
	unsigned heard; /* rounds of events */
};

int gw_shares_new(struct gw_shares **out);  /* 0 or -ENOMEM */
void gw_shares_free(struct gw_shares *all); /* no use is left */

/*
 * As gw_regn_start(), for @req's IMPI and IMPU.  1: it is registered already,
 * and gw_share_tell() says as what; 0: events come; or -errno of that.
 */
int gw_share_join(struct gw_shares *all, struct gw_share_use *use,
		  struct gw_sip *sip, const struct gw_regn_request *req,
		  gw_share_h *handler, void *arg);
void gw_share_tell(struct gw_share_use *use);
/* Legal when there is none, and from inside a handler. */
void gw_share_leave(struct gw_share_use *use);

/* What it uses; NULL: there is no use. */
const struct gw_regn *gw_share_regn(const struct gw_share_use *use);
/* The key that the core's registration has; NULL: there is no use. */
const char *gw_share_key(const struct gw_share_use *use);

#endif
