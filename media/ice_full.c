/* media/ice_full.c - full ICE by libnice: the agent's life */
#include "media/ice_full.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <nice/agent.h>

#include "gateway/base/metrics.h"
#include "media/ice_addrs.h"

/* RFC 5389 7.2.1, Rc; libnice's own are 3, with which every eighth check fails
 * at 30 % loss. */
#define MAX_RETRANSMISSIONS 7u
#define MAX_ROUNDS          64
#define GATHER_MS           1500 /* a STUN server that does not answer */

GW_GAUGE(m_agents, "isthmus_media_agents", "Live ICE agents", "");

/* ---- the loop ---- */

/* libnice has been left. */
static void after_loop(void *arg)
{
	struct gw_ice_full *ice = arg;

	GW_CHECK(ice, GW_ICE_FULL_MAGIC);
	gw_ice_full_tell(ice);
	if (ice->gathered && !ice->told_gathered) {
		ice->told_gathered = true;
		gw_timer_stop(&ice->gather);
		ice->h.gathered(ice->h.arg);
	}
}

void gw_ice_full_sync(struct gw_ice_full *ice)
{
	gw_ice_loop_sync(&ice->loop);
	if (ice->news_pair || ice->news_failed)
		gw_ice_loop_poke(&ice->loop);
}

/* ---- gathering ---- */

static void gather_due(struct gw_timer *t, void *arg)
{
	struct gw_ice_full *ice = arg;

	(void)t;
	GW_CHECK(ice, GW_ICE_FULL_MAGIC);
	if (ice->told_gathered)
		return;
	if (!ice->gathered)
		gw_info(ice->log, "ICE: the STUN server did not answer in "
				  "time; going on without");
	ice->gathered = true;
	ice->told_gathered = true;
	ice->h.gathered(ice->h.arg);
}

static void on_gathered(NiceAgent *agent, guint stream, gpointer arg)
{
	struct gw_ice_full *ice = arg;

	(void)agent;
	(void)stream;
	GW_CHECK(ice, GW_ICE_FULL_MAGIC);
	ice->gathered = true;
}

/* ---- life ---- */

static int add_addresses(struct gw_ice_full *ice, const char (*address)[46])
{
	NiceAddress a;
	char ip[NICE_ADDRESS_STRING_LEN];

	for (int i = 0; i < 4 && address[i][0]; i++) {
		nice_address_init(&a);
		if (!nice_address_set_from_string(&a, address[i]) ||
		    !nice_agent_add_local_address(ice->agent, &a))
			return -EINVAL;
		nice_address_to_string(&a, ip); /* as libnice writes it */
		gw_ice_addrs_add(ip);
	}
	return 0;
}

static int make_agent(struct gw_ice_full *ice, const struct gw_ice_options *opt)
{
	struct gw_addr stun;

	/* Consent is ours (consent.h). */
	ice->agent =
		nice_agent_new_full(ice->loop.gctx, NICE_COMPATIBILITY_RFC5245,
				    NICE_AGENT_OPTION_NONE);
	if (!ice->agent)
		return -ENOMEM;
	g_object_set(ice->agent, "controlling-mode", (gboolean)opt->controlling,
		     "upnp", FALSE, "ice-tcp", FALSE,
		     "stun-max-retransmissions", MAX_RETRANSMISSIONS, NULL);
	if (opt->stun_server && opt->stun_server[0]) {
		char ip[GW_ADDR_STRLEN];

		if (gw_addr_parse_hostport(&stun, opt->stun_server))
			return -EINVAL;
		g_object_set(ice->agent, "stun-server",
			     gw_addr_ip(&stun, ip, sizeof(ip)),
			     "stun-server-port", (guint)stun.port, NULL);
	}

	g_signal_connect(ice->agent, "candidate-gathering-done",
			 G_CALLBACK(on_gathered), ice);
	ice->stream = nice_agent_add_stream(ice->agent, 1);
	if (!ice->stream)
		return -ENOMEM;
	if (opt->port_min)
		nice_agent_set_port_range(ice->agent, ice->stream,
					  GW_ICE_COMPONENT, opt->port_min,
					  opt->port_max);
	return add_addresses(ice, opt->address);
}

static int start_gathering(struct gw_ice_full *ice,
			   const struct gw_ice_options *opt)
{
	int err = gw_ice_full_watch(ice);

	if (err)
		return err;
	/* Fails when no port can be bound, or no address is there. */
	if (!nice_agent_gather_candidates(ice->agent, ice->stream))
		return -EADDRINUSE;
	if (!opt->no_split)
		gw_ice_full_split(ice);
	gw_ice_full_probe(ice);
	gw_ice_full_sync(ice);
	/* Without a STUN server it is done already, and this only takes the
	 * news out of this call. */
	return gw_timer_start_ms(ice->timers, &ice->gather,
				 ice->gathered ? 0 : GATHER_MS);
}

static void on_closed(GObject *agent, GAsyncResult *result, gpointer arg)
{
	struct gw_ice_full *ice = arg;

	(void)agent;
	(void)result;
	ice->closed = true;
}

/* On the agent's own thread, its sources run dry before it goes. */
static void free_agent(struct gw_ice_full *ice)
{
	gw_ice_full_unwatch(ice);
	g_main_context_push_thread_default(ice->loop.gctx);
	nice_agent_close_async(ice->agent, on_closed, ice);
	/* No relay was allocated, so nothing of it waits for the network. */
	for (int i = 0; i < MAX_ROUNDS && !ice->closed; i++)
		(void)g_main_context_iteration(ice->loop.gctx, FALSE);
	g_main_context_pop_thread_default(ice->loop.gctx);
	if (ice->stream)
		nice_agent_remove_stream(ice->agent, ice->stream);
	g_object_unref(ice->agent);
}

static void full_free(struct gw_ice *base)
{
	struct gw_ice_full *ice = (struct gw_ice_full *)base;

	gw_timer_stop(&ice->gather);
	gw_consent_stop(&ice->consent);
	gw_ice_full_stop_probe(ice);
	gw_ice_loop_stop(&ice->loop);
	gw_ice_split_close(&ice->splits);
	if (ice->agent)
		free_agent(ice);
	gw_ice_loop_fini(&ice->loop);
	gw_metric_add(&m_agents, -1);
	free(ice->candidate);
	explicit_bzero(ice, sizeof(*ice)); /* the passwords too */
	free(ice);
}

static void full_set_dscp(struct gw_ice *base, uint8_t dscp)
{
	struct gw_ice_full *ice = (struct gw_ice_full *)base;
	const int tos = dscp << 2;

	gw_ice_split_set_tos(&ice->splits, tos);
	/* libnice's own sockets carry the checks, and the fall-back. */
	nice_agent_set_stream_tos(ice->agent, ice->stream, tos);
}

static void full_set_hot(struct gw_ice *base, const struct gw_hot *hot)
{
	struct gw_ice_full *ice = (struct gw_ice_full *)base;

	for (size_t i = 0; i < ice->splits.n; i++)
		ice->splits.split[i].poll.hot = hot;
}

static void full_add_hot(const struct gw_ice *base, struct gw_hot *hot)
{
	const struct gw_ice_full *ice = (const struct gw_ice_full *)base;

	gw_hot_add(hot, ice, offsetof(struct gw_ice_full, other));
	if (ice->out >= 0)
		gw_hot_add(hot, &ice->splits.split[ice->out],
			   sizeof(ice->splits.split[0]));
}

static const struct gw_ice_ops ops = {
	.free = full_free,
	.local = gw_ice_full_local,
	.configure = gw_ice_full_configure,
	.is_peer = gw_ice_full_is_peer,
	.restart = gw_ice_full_restart,
	.forget_peer = gw_ice_full_forget_peer,
	.is_connected = gw_ice_full_is_connected,
	.accepts = gw_ice_full_accepts,
	.send = gw_ice_full_send,
	.set_hot = full_set_hot,
	.add_hot = full_add_hot,
	.set_dscp = full_set_dscp,
};

int gw_ice_full_new(struct gw_ice **out, const struct gw_ice_options *opt,
		    const struct gw_ice_handlers *h)
{
	struct gw_ice_full *ice = calloc(1, sizeof(*ice));
	int err;

	if (!ice)
		return -ENOMEM;
	ice->base.ops = &ops;
	ice->magic = GW_ICE_FULL_MAGIC;
	ice->poller = opt->poller;
	ice->timers = opt->timers;
	ice->log = opt->log;
	ice->h = *h;
	ice->stun = opt->stun;
	ice->consent_ms = opt->consent_ms;
	gw_ice_loop_init(&ice->loop, opt->poller, opt->timers, opt->log,
			 gw_ice_full_take, after_loop, ice);
	gw_ice_full_path_init(ice);
	gw_timer_init(&ice->gather, gather_due, ice);
	gw_metric_add(&m_agents, 1);

	err = make_agent(ice, opt);
	if (!err)
		err = start_gathering(ice, opt);
	if (err) {
		full_free(&ice->base);
		return err;
	}
	*out = &ice->base;
	return 0;
}
