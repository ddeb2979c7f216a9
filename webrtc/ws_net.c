/*
 * An accepted socket as an entry in the books: what it counts against, from
 * accept to close.  Signalling thread.
 */
#include <stdlib.h>

#include "gateway/base/metrics.h"
#include "webrtc/ws_priv.h"

GW_GAUGE(m_sockets, "isthmus_ws_sockets",
	 "Network connections of the web listeners now", "");

struct gw_ws_net *gw_ws_net_new(struct gw_ws *ws,
				const struct gw_ws_listener *l,
				const struct gw_addr *peer, struct gw_ws_ip *ip)
{
	struct gw_ws_net *net = calloc(1, sizeof(*net));

	if (!net)
		return NULL;
	net->ws = ws;
	net->listener = l;
	net->peer = *peer;
	net->ip = ip;
	ws->nsocket++;
	gw_metric_add(&m_sockets, 1);
	return net;
}

void gw_ws_net_free(struct gw_ws_net *net)
{
	net->ws->nsocket--;
	gw_metric_add(&m_sockets, -1);
	gw_ws_limits_close(net->ws->limits, net->ip);
	free(net);
}
