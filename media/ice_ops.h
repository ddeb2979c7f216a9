/*
 * media/ice_ops.h - what an implementation of media/ice.h supplies
 *
 * An agent is one worker's.
 */
#ifndef GW_MEDIA_ICE_OPS_H
#define GW_MEDIA_ICE_OPS_H

#include "media/ice.h"

/* As the functions of media/ice.h say. */
struct gw_ice_ops {
	void (*free)(struct gw_ice *ice);
	void (*local)(struct gw_ice *ice, struct gw_end *end);
	int (*configure)(struct gw_ice *ice, const struct gw_end *remote);
	bool (*is_peer)(const struct gw_ice *ice, const struct gw_end *remote);
	int (*restart)(struct gw_ice *ice);
	void (*forget_peer)(struct gw_ice *ice);
	bool (*is_connected)(const struct gw_ice *ice);
	bool (*accepts)(struct gw_ice *ice, const struct gw_addr *from);
	int (*send)(struct gw_ice *ice, const struct gw_addr *to, int tos,
		    const void *data, size_t len);
	/* May be NULL: its packets come for all sessions on one socket. */
	void (*set_hot)(struct gw_ice *ice, const struct gw_hot *hot);
	void (*add_hot)(const struct gw_ice *ice, struct gw_hot *hot);
	void (*set_dscp)(struct gw_ice *ice, uint8_t dscp);
};

/* The first member of each. */
struct gw_ice {
	const struct gw_ice_ops *ops;
};

int gw_ice_full_new(struct gw_ice **out, const struct gw_ice_options *opt,
		    const struct gw_ice_handlers *h);
int gw_ice_lite_new(struct gw_ice **out, const struct gw_ice_options *opt,
		    const struct gw_ice_handlers *h);

#endif
