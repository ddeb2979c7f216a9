/* media/ice.c - which of the two it is */
#include "media/ice_ops.h"

#include "media/tos.h"

int gw_ice_new(struct gw_ice **out, const struct gw_ice_options *opt,
	       const struct gw_ice_handlers *h)
{
	return opt->lite ? gw_ice_lite_new(out, opt, h)
			 : gw_ice_full_new(out, opt, h);
}

void gw_ice_free(struct gw_ice *ice)
{
	if (ice)
		ice->ops->free(ice);
}

void gw_ice_local(struct gw_ice *ice, struct gw_end *end)
{
	ice->ops->local(ice, end);
}

int gw_ice_configure(struct gw_ice *ice, const struct gw_end *remote)
{
	return ice->ops->configure(ice, remote);
}

bool gw_ice_is_peer(const struct gw_ice *ice, const struct gw_end *remote)
{
	return ice->ops->is_peer(ice, remote);
}

int gw_ice_restart(struct gw_ice *ice)
{
	return ice->ops->restart(ice);
}

void gw_ice_forget_peer(struct gw_ice *ice)
{
	ice->ops->forget_peer(ice);
}

bool gw_ice_is_connected(const struct gw_ice *ice)
{
	return ice->ops->is_connected(ice);
}

bool gw_ice_accepts(struct gw_ice *ice, const struct gw_addr *from)
{
	return ice->ops->accepts(ice, from);
}

int gw_ice_send(struct gw_ice *ice, const struct gw_addr *to, const void *data,
		size_t len)
{
	return ice->ops->send(ice, to, GW_TOS_SOCKETS, data, len);
}

int gw_ice_send_marked(struct gw_ice *ice, uint8_t dscp, const void *data,
		       size_t len)
{
	return ice->ops->send(ice, NULL, dscp << 2, data, len);
}

void gw_ice_set_hot(struct gw_ice *ice, const struct gw_hot *hot)
{
	if (ice->ops->set_hot)
		ice->ops->set_hot(ice, hot);
}

void gw_ice_add_hot(const struct gw_ice *ice, struct gw_hot *hot)
{
	ice->ops->add_hot(ice, hot);
}

void gw_ice_set_dscp(struct gw_ice *ice, uint8_t dscp)
{
	ice->ops->set_dscp(ice, dscp);
}
