/* media/ice_full.c - full ICE by libnice; ice_loop.h says how it runs here. */
#include "media/ice_ops.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <nice/agent.h>

#include "gateway/base/check.h"
#include "gateway/base/metrics.h"
#include "media/consent.h"
#include "media/discard.h"
#include "media/ice_loop.h"
#include "media/ice_split.h"

/* RFC 5389 7.2.1, Rc; libnice's own are 3, with which every eighth check fails
 * at 30 % loss. */
#define MAX_RETRANSMISSIONS 7u
#define IDLE_MS             50u
#define ICE_MAGIC           0x1ce1ce1c
#define MAX_ROUNDS          64
#define GATHER_MS           1500 /* a STUN server that does not answer */
#define COMPONENT           1
#define MAX_OTHERS          8

struct full {
	struct gw_ice base; /* first */

	/* What a packet needs, together: gw_ice_add_hot(). */
	uint32_t magic;
	bool connected;
	uint8_t ncandidate;
	int out; /* index of the split of the selected pair; -1: libnice */
	struct gw_addr peer; /* of the selected pair */
	struct gw_ice_handlers h;
	/* Further addresses that it sends from: RFC 8445 12 lets each side use
	 * any valid pair, and browsers do choose another one than libnice. */
	struct gw_addr other[MAX_OTHERS];
	struct gw_ice_splits splits;

	NiceAgent *agent;
	guint stream;
	struct gw_ice_loop loop;
	struct gw_poller *poller;
	struct gw_timers *timers;
	const struct gw_logctx *log;

	struct gw_timer gather; /* patience with the STUN server */
	bool gathered;
	bool told_gathered;
	bool no_split;
	bool closed; /* nice_agent_close_async() is done */

	struct gw_consent consent;
	int nice_fd; /* libnice's socket of the selected pair; -1: none */

	bool was_connected;
	bool news_pair; /* to be told when libnice is left */
	bool news_failed;
	/* An address that the peer has begun to check from in mid-call, to be
	 * preferred when libnice is left; family 0: none. */
	struct gw_addr moved;
	uint32_t top_priority; /* of the candidates that libnice knows */
	struct gw_addr local;
	unsigned next_other;

	/* What the peer was last told to be. */
	bool told; /* since the last restart */
	char ufrag[257], pwd[257];
	struct gw_candidate *candidate; /* @ncandidate of them */
};

GW_GAUGE(m_agents, "isthmus_media_agents", "Live ICE agents", "");
GW_COUNTER(m_connected, "isthmus_ice_total", "ICE results",
	   "result=\"connected\"");
GW_COUNTER(m_changed, "isthmus_ice_total", "ICE results",
	   "result=\"pair_changed\"");
GW_COUNTER(m_failed, "isthmus_ice_total", "ICE results", "result=\"failed\"");
GW_COUNTER(m_rx_nice, "isthmus_media_ice_packets_total",
	   "Packets of ICE transports, by the path they took",
	   "direction=\"in\",path=\"libnice\"");
GW_COUNTER(m_tx_nice, "isthmus_media_ice_packets_total",
	   "Packets of ICE transports, by the path they took",
	   "direction=\"out\",path=\"libnice\"");
GW_COUNTER(m_no_split, "isthmus_media_split_failed_total",
	   "Local addresses whose packets go through libnice", "");

/* ---- addresses ---- */

static void from_nice(struct gw_addr *out, const NiceAddress *a)
{
	struct sockaddr_storage ss;

	memset(out, 0, sizeof(*out));
	memset(&ss, 0, sizeof(ss));
	nice_address_copy_to_sockaddr(a, (struct sockaddr *)&ss);
	if (gw_addr_from_sockaddr(out, (struct sockaddr *)&ss))
		memset(out, 0, sizeof(*out));
}

static void to_nice(NiceAddress *out, const struct gw_addr *a)
{
	struct sockaddr_storage ss;

	(void)gw_addr_to_sockaddr(a, &ss);
	nice_address_init(out);
	nice_address_set_from_sockaddr(out, (struct sockaddr *)&ss);
}

static int full_send(struct gw_ice *base, const struct gw_addr *to,
		     const void *data, size_t len);

/* libnice signals from inside its own functions, also those that we call:
 * what it said is kept and told from here. */
static void tell_news(struct full *ice)
{
	if (ice->news_pair) {
		ice->news_pair = false;
		if (!ice->was_connected) {
			ice->was_connected = true;
			gw_metric_add(&m_connected, 1);
			ice->h.state(GW_ICE_CONNECTED, ice->h.arg);
		} else {
			gw_metric_add(&m_changed, 1);
			ice->h.state(GW_ICE_PAIR_CHANGED, ice->h.arg);
		}
	}
	if (ice->news_failed) {
		ice->news_failed = false;
		gw_metric_add(&m_failed, 1);
		ice->h.state(GW_ICE_FAILED, ice->h.arg);
	}
}

/* A NAT's new mapping, or another network, without a restart (RFC 8445 7.3.1.3).
 * libnice stays with the selected pair until its consent is lost if the new one
 * is not of higher priority, and peer-reflexive never is: so it gets one.  It
 * is selected once it is valid and the browser has nominated it, not before. */
static void prefer_moved(struct full *ice)
{
	NiceCandidate *c = nice_candidate_new(NICE_CANDIDATE_TYPE_HOST);
	GSList *list = g_slist_append(NULL, c);

	to_nice(&c->addr, &ice->moved);
	c->base_addr = c->addr;
	c->transport = NICE_CANDIDATE_TRANSPORT_UDP;
	c->stream_id = ice->stream;
	c->component_id = COMPONENT;
	if (ice->top_priority < UINT32_MAX)
		ice->top_priority++;
	c->priority = ice->top_priority;
	(void)g_strlcpy(c->foundation, "moved", sizeof(c->foundation));
	memset(&ice->moved, 0, sizeof(ice->moved));
	(void)nice_agent_set_remote_candidates(ice->agent, ice->stream,
					       COMPONENT, list);
	g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
	gw_ice_loop_sync(&ice->loop);
}

/* libnice has been left. */
static void after_loop(void *arg)
{
	struct full *ice = arg;

	GW_CHECK(ice, ICE_MAGIC);
	if (ice->moved.family)
		prefer_moved(ice);
	tell_news(ice);
	if (ice->gathered && !ice->told_gathered) {
		ice->told_gathered = true;
		gw_timer_stop(&ice->gather);
		ice->h.gathered(ice->h.arg);
	}
}

static void sync_loop(struct full *ice)
{
	gw_ice_loop_sync(&ice->loop);
	if (ice->news_pair || ice->news_failed)
		gw_ice_loop_poke(&ice->loop);
}

static void gather_due(struct gw_timer *t, void *arg)
{
	struct full *ice = arg;

	(void)t;
	GW_CHECK(ice, ICE_MAGIC);
	if (ice->told_gathered)
		return;
	if (!ice->gathered)
		gw_info(ice->log, "ICE: the STUN server did not answer in "
				  "time; going on without");
	ice->gathered = true;
	ice->told_gathered = true;
	ice->h.gathered(ice->h.arg);
}

/* ---- signals of libnice, from inside run_context() or a call of ours ---- */

static void on_gathered(NiceAgent *agent, guint stream, gpointer arg)
{
	struct full *ice = arg;

	(void)agent;
	(void)stream;
	GW_CHECK(ice, ICE_MAGIC);
	ice->gathered = true;
}

static void on_state(NiceAgent *agent, guint stream, guint component,
		     guint state, gpointer arg)
{
	struct full *ice = arg;

	(void)agent;
	(void)stream;
	(void)component;
	GW_CHECK(ice, ICE_MAGIC);
	gw_debug(ice->log, "ICE: %s",
		 nice_component_state_to_string((NiceComponentState)state));
	if (state != NICE_COMPONENT_STATE_FAILED)
		return;
	/* RFC 7675 5.1: without consent nothing may be sent. */
	ice->connected = false;
	gw_consent_stop(&ice->consent);
	ice->news_failed = true;
}

static bool is_other(const struct full *ice, const struct gw_addr *a)
{
	for (unsigned i = 0; i < MAX_OTHERS; i++)
		if (gw_addr_equal(a, &ice->other[i]))
			return true;
	return false;
}

static void remember(struct full *ice, const struct gw_addr *a)
{
	if (a->family && !is_other(ice, a))
		ice->other[ice->next_other++ % MAX_OTHERS] = *a;
}

/* Peer-reflexive: learnt from a check that carried our password. */
static void on_remote_candidate(NiceAgent *agent, NiceCandidate *c,
				gpointer arg)
{
	struct full *ice = arg;
	struct gw_addr addr;

	(void)agent;
	GW_CHECK(ice, ICE_MAGIC);
	from_nice(&addr, &c->addr);
	remember(ice, &addr);
	if (c->priority > ice->top_priority)
		ice->top_priority = c->priority;
	if (ice->connected)
		ice->moved = addr;
}

/* libnice's socket at @local, or -1. */
static int find_socket(struct full *ice, const struct gw_addr *local)
{
	GPtrArray *socks =
		nice_agent_get_sockets(ice->agent, ice->stream, COMPONENT);
	int found = -1;

	for (guint i = 0; socks && i < socks->len && found < 0; i++) {
		int fd = g_socket_get_fd(g_ptr_array_index(socks, i));
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct gw_addr a;

		if (!getsockname(fd, (struct sockaddr *)&ss, &len) &&
		    !gw_addr_from_sockaddr(&a, (struct sockaddr *)&ss) &&
		    gw_addr_equal(&a, local))
			found = fd;
	}
	if (socks)
		g_ptr_array_unref(socks);
	return found;
}

static void start_consent(struct full *ice, const struct gw_addr *local)
{
	gboolean controlling = FALSE;
	gchar *ufrag = NULL;
	gchar *pwd = NULL;

	ice->nice_fd = find_socket(ice, local);
	g_object_get(ice->agent, "controlling-mode", &controlling, NULL);
	if (nice_agent_get_local_credentials(ice->agent, ice->stream, &ufrag,
					     &pwd)) {
		const struct gw_consent_keys keys = {
			.ufrag = ufrag,
			.pwd = pwd,
			.remote_ufrag = ice->ufrag,
			.remote_pwd = ice->pwd,
			.controlling = controlling,
		};

		if (gw_consent_start(&ice->consent, &keys))
			gw_warn(ice->log, "ICE: no memory for consent");
		g_free(ufrag);
		g_free(pwd);
	}
}

static void on_pair(NiceAgent *agent, guint stream, guint component,
		    NiceCandidate *l, NiceCandidate *r, gpointer arg)
{
	struct full *ice = arg;
	struct gw_addr local;
	struct gw_addr peer;
	bool same;

	(void)stream;
	(void)component;
	GW_CHECK(ice, ICE_MAGIC);
	/* The socket is that of the base: a reflexive candidate has none. */
	from_nice(&local, &l->base_addr);
	from_nice(&peer, &r->addr);
	same = ice->connected && gw_addr_equal(&local, &ice->local) &&
	       gw_addr_equal(&peer, &ice->peer);
	/* Also of the same pair: it may be that of a restart. */
	start_consent(ice, &local);
	if (same)
		return;

	if (!gw_addr_equal(&ice->peer, &peer))
		remember(ice, &ice->peer);
	ice->local = local;
	ice->peer = peer;
	ice->out = l->type == NICE_CANDIDATE_TYPE_RELAYED
			   ? -1
			   : gw_ice_split_find(&ice->splits, &local);
	/* Until this much is over without a check, libnice looks every 20 ms
	 * for something to do: 5 s by default, which costs more than the whole
	 * set-up.  Before there is a pair it waits for the browser's checks. */
	g_object_set(agent, "idle-timeout", IDLE_MS, NULL);
	ice->connected = true;
	ice->news_pair = true;
	ice->news_failed = false;
}

/* The fall-back path; libnice has checked that the source is validated. */
static void on_packet(NiceAgent *agent, guint stream, guint component,
		      guint len, gchar *data, gpointer arg)
{
	struct full *ice = arg;
	uint8_t buf[GW_ICE_PACKET_ROOM];

	(void)agent;
	(void)stream;
	(void)component;
	GW_CHECK(ice, ICE_MAGIC);
	gw_metric_add(&m_rx_nice, 1);
	if (len > GW_ICE_PACKET_MAX) {
		gw_discard(NULL, GW_DISCARD_OVERSIZED);
		return;
	}
	/* libnice's buffer has no room for what protecting adds. */
	memcpy(buf, data, len);
	ice->h.packet(&ice->peer, buf, len, sizeof(buf), ice->h.arg);
}

static void split_packet(const struct gw_addr *from, uint8_t *data, size_t len,
			 size_t cap, void *arg)
{
	struct full *ice = arg;

	GW_CHECK(ice, ICE_MAGIC);
	ice->h.packet(from, data, len, cap, ice->h.arg);
}

/* A look at what has come for libnice: what concerns only the consent to a
 * selected pair is dealt with here. */
static bool take_stun(int fd, void *arg)
{
	struct full *ice = arg;
	uint8_t buf[GW_STUN_MAX];
	struct sockaddr_storage ss;
	socklen_t slen = sizeof(ss);
	struct gw_addr from;
	ssize_t n;

	GW_CHECK(ice, ICE_MAGIC);
	if (fd != ice->nice_fd || !ice->connected)
		return false;
	n = recvfrom(fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC,
		     (struct sockaddr *)&ss, &slen);
	if (n < 0 || (size_t)n > sizeof(buf) ||
	    gw_addr_from_sockaddr(&from, (struct sockaddr *)&ss) ||
	    !gw_addr_equal(&from, &ice->peer) ||
	    !gw_consent_take(&ice->consent, &from, buf, (size_t)n))
		return false;
	(void)recv(fd, buf, 0, MSG_DONTWAIT); /* the rest of it goes too */
	return true;
}

static void send_consent(const void *data, size_t len, void *arg)
{
	struct full *ice = arg;

	GW_CHECK(ice, ICE_MAGIC);
	/* A datagram that is lost here is as good as one lost on the way. */
	(void)full_send(&ice->base, NULL, data, len);
}

static void consent_lost(void *arg)
{
	struct full *ice = arg;

	GW_CHECK(ice, ICE_MAGIC);
	ice->connected = false;
	ice->news_failed = true;
	tell_news(ice);
}

static void split_socket(struct full *ice, int nice_fd)
{
	int err = gw_ice_split_add(&ice->splits, ice->poller, nice_fd);

	if (!err)
		return;
	gw_metric_add(&m_no_split, 1);
	gw_info(ice->log, "ICE: packets of one address go through libnice: %s",
		strerror(-err));
}

static void split_all(struct full *ice)
{
	GPtrArray *socks =
		nice_agent_get_sockets(ice->agent, ice->stream, COMPONENT);

	if (!socks)
		return;
	for (guint i = 0; i < socks->len; i++) {
		int fd = g_socket_get_fd(g_ptr_array_index(socks, i));
		int type = 0;
		socklen_t len = sizeof(type);

		if (!getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) &&
		    type == SOCK_DGRAM)
			split_socket(ice, fd);
	}
	g_ptr_array_unref(socks);
}

/* ---- life ---- */

static int add_addresses(struct full *ice, const char (*address)[46])
{
	NiceAddress a;

	for (int i = 0; i < 4 && address[i][0]; i++) {
		nice_address_init(&a);
		if (!nice_address_set_from_string(&a, address[i]) ||
		    !nice_agent_add_local_address(ice->agent, &a))
			return -EINVAL;
	}
	return 0;
}

static int make_agent(struct full *ice, const struct gw_ice_options *opt)
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
	g_signal_connect(ice->agent, "component-state-changed",
			 G_CALLBACK(on_state), ice);
	g_signal_connect(ice->agent, "new-selected-pair-full",
			 G_CALLBACK(on_pair), ice);

	g_signal_connect(ice->agent, "new-remote-candidate-full",
			 G_CALLBACK(on_remote_candidate), ice);

	ice->stream = nice_agent_add_stream(ice->agent, 1);
	if (!ice->stream)
		return -ENOMEM;
	if (opt->port_min)
		nice_agent_set_port_range(ice->agent, ice->stream, COMPONENT,
					  opt->port_min, opt->port_max);
	return add_addresses(ice, opt->address);
}

static int start_gathering(struct full *ice, const struct gw_ice_options *opt)
{
	if (!nice_agent_attach_recv(ice->agent, ice->stream, COMPONENT,
				    ice->loop.gctx, on_packet, ice))
		return -EINVAL;
	/* Fails when no port can be bound, or no address is there. */
	if (!nice_agent_gather_candidates(ice->agent, ice->stream))
		return -EADDRINUSE;
	if (!opt->no_split)
		split_all(ice);
	sync_loop(ice);
	/* Without a STUN server it is done already, and this only takes the
	 * news out of this call. */
	return gw_timer_start_ms(ice->timers, &ice->gather,
				 ice->gathered ? 0 : GATHER_MS);
}

static void on_closed(GObject *agent, GAsyncResult *result, gpointer arg)
{
	struct full *ice = arg;

	(void)agent;
	(void)result;
	ice->closed = true;
}

/* On the agent's own thread, its sources run dry before it goes. */
static void free_agent(struct full *ice)
{
	g_signal_handlers_disconnect_by_data(ice->agent, ice);
	if (ice->stream)
		nice_agent_attach_recv(ice->agent, ice->stream, COMPONENT,
				       ice->loop.gctx, NULL, NULL);
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
	struct full *ice = (struct full *)base;

	gw_timer_stop(&ice->gather);
	gw_consent_stop(&ice->consent);
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

/* ---- descriptions ---- */

static void copy_candidate(struct gw_candidate *out, const NiceCandidate *c)
{
	memset(out, 0, sizeof(*out));
	from_nice(&out->addr, &c->addr);
	if (c->type != NICE_CANDIDATE_TYPE_HOST)
		from_nice(&out->related, &c->base_addr);
	out->priority = c->priority;
	out->type = (uint8_t)c->type;
	memcpy(out->foundation, c->foundation, sizeof(out->foundation));
	out->foundation[sizeof(out->foundation) - 1] = '\0';
}

static void full_local(struct gw_ice *base, struct gw_end *end)
{
	struct full *ice = (struct full *)base;
	gchar *ufrag = NULL;
	gchar *pwd = NULL;
	GSList *list;

	end->ice_lite = false;
	end->ncandidate = 0;
	memset(end->ufrag, 0, sizeof(end->ufrag));
	memset(end->pwd, 0, sizeof(end->pwd));
	if (nice_agent_get_local_credentials(ice->agent, ice->stream, &ufrag,
					     &pwd)) {
		(void)g_strlcpy(end->ufrag, ufrag, sizeof(end->ufrag));
		(void)g_strlcpy(end->pwd, pwd, sizeof(end->pwd));
		g_free(ufrag);
		g_free(pwd);
	}

	list = nice_agent_get_local_candidates(ice->agent, ice->stream,
					       COMPONENT);
	for (GSList *l = list; l; l = l->next) {
		const NiceCandidate *c = l->data;

		if (c->transport == NICE_CANDIDATE_TRANSPORT_UDP &&
		    end->ncandidate < GW_MAX_CANDIDATES)
			copy_candidate(&end->candidate[end->ncandidate++], c);
	}
	g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
}

static NiceCandidate *make_candidate(const struct full *ice,
				     const struct gw_candidate *in)
{
	NiceCandidate *c;

	if (!in->addr.family || !in->addr.port ||
	    in->type > NICE_CANDIDATE_TYPE_RELAYED)
		return NULL;
	c = nice_candidate_new((NiceCandidateType)in->type);
	c->transport = NICE_CANDIDATE_TRANSPORT_UDP;
	to_nice(&c->addr, &in->addr);
	to_nice(&c->base_addr, in->related.family ? &in->related : &in->addr);
	c->priority = in->priority;
	c->stream_id = ice->stream;
	c->component_id = COMPONENT;
	(void)g_strlcpy(c->foundation, in->foundation, sizeof(c->foundation));
	return c;
}

/* Without memory for them they are told to libnice again another time. */
static void keep_candidates(struct full *ice, const struct gw_candidate *from,
			    uint8_t n)
{
	free(ice->candidate);
	ice->ncandidate = 0;
	ice->candidate = n ? calloc(n, sizeof(*from)) : NULL;
	if (!ice->candidate)
		return;
	memcpy(ice->candidate, from, n * sizeof(*from));
	ice->ncandidate = n;
}

static void set_candidates(struct full *ice, const struct gw_end *remote)
{
	GSList *list = NULL;
	uint8_t n = remote->ncandidate < GW_MAX_CANDIDATES ? remote->ncandidate
							   : GW_MAX_CANDIDATES;

	for (uint8_t i = 0; i < n; i++) {
		NiceCandidate *c = make_candidate(ice, &remote->candidate[i]);

		if (!c)
			continue;
		list = g_slist_append(list, c);
		if (c->priority > ice->top_priority)
			ice->top_priority = c->priority;
	}
	if (list)
		(void)nice_agent_set_remote_candidates(ice->agent, ice->stream,
						       COMPONENT, list);
	g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
	ice->told = true;
	keep_candidates(ice, remote->candidate, n);
}

static bool full_is_peer(const struct gw_ice *base, const struct gw_end *remote)
{
	const struct full *ice = (const struct full *)base;

	return !strcmp(ice->ufrag, remote->ufrag) &&
	       !strcmp(ice->pwd, remote->pwd);
}

static int full_configure(struct gw_ice *base, const struct gw_end *remote)
{
	struct full *ice = (struct full *)base;
	bool creds = !full_is_peer(base, remote);
	bool cands = !ice->told || ice->ncandidate != remote->ncandidate ||
		     (ice->ncandidate &&
		      memcmp(ice->candidate, remote->candidate,
			     ice->ncandidate * sizeof(ice->candidate[0])) != 0);

	/* RFC 8839 5.4: at least 4 and 22 characters. */
	if (strlen(remote->ufrag) < 4 || strlen(remote->pwd) < 22)
		return -EINVAL;
	if (!creds && !cands)
		return 0;

	/* RFC 8445 6.1.1: a lite peer never controls. */
	if (remote->ice_lite)
		g_object_set(ice->agent, "controlling-mode", TRUE, NULL);
	if (creds) {
		if (!nice_agent_set_remote_credentials(ice->agent, ice->stream,
						       remote->ufrag,
						       remote->pwd))
			return -EINVAL;
		memcpy(ice->ufrag, remote->ufrag, sizeof(ice->ufrag));
		memcpy(ice->pwd, remote->pwd, sizeof(ice->pwd));
	}
	set_candidates(ice, remote);
	sync_loop(ice);
	return 0;
}

static int full_restart(struct gw_ice *base)
{
	struct full *ice = (struct full *)base;

	if (!nice_agent_restart(ice->agent))
		return -EIO;
	/* The peer must be told to libnice anew, even if it stays.  Until it
	 * is, it is heard from all its addresses. */
	memset(ice->ufrag, 0, sizeof(ice->ufrag));
	memset(ice->pwd, 0, sizeof(ice->pwd));
	ice->told = false;
	sync_loop(ice);
	return 0;
}

static void full_forget_peer(struct gw_ice *base)
{
	struct full *ice = (struct full *)base;

	ice->connected = false;
	gw_consent_stop(&ice->consent);
	memset(&ice->peer, 0, sizeof(ice->peer));
	memset(ice->other, 0, sizeof(ice->other));
	ice->ncandidate = 0;
	ice->told = false;
}

/* ---- packets ---- */

static bool full_is_connected(const struct gw_ice *base)
{
	const struct full *ice = (const struct full *)base;

	return ice->connected;
}

/* For each packet, so also for each of a flood: twenty comparisons, and no call
 * into libnice.  Signalled candidates came over TLS. */
static bool full_accepts(struct gw_ice *base, const struct gw_addr *from)
{
	struct full *ice = (struct full *)base;

	if (!ice->connected)
		return false;
	if (gw_addr_equal(from, &ice->peer) || is_other(ice, from))
		return true;
	for (unsigned i = 0; i < ice->ncandidate; i++) {
		if (!gw_addr_equal(from, &ice->candidate[i].addr))
			continue;
		/* Also when the next description leaves it out: its packets
		 * may still be under way. */
		remember(ice, from);
		return true;
	}
	return false;
}

static int full_send(struct gw_ice *base, const struct gw_addr *to,
		     const void *data, size_t len)
{
	struct full *ice = (struct full *)base;

	if (!ice->connected)
		return -ENOTCONN;
	if (ice->out >= 0)
		return gw_ice_split_send(&ice->splits, ice->out,
					 to ? to : &ice->peer, data, len);
	if (nice_agent_send(ice->agent, ice->stream, COMPONENT, (guint)len,
			    data) < 0)
		return -EIO;
	gw_metric_add(&m_tx_nice, 1);
	return 0;
}

static void full_set_dscp(struct gw_ice *base, uint8_t dscp)
{
	struct full *ice = (struct full *)base;
	const int tos = dscp << 2;

	gw_ice_split_set_tos(&ice->splits, tos);
	/* libnice's own sockets carry the checks, and the fall-back. */
	nice_agent_set_stream_tos(ice->agent, ice->stream, tos);
}

static void full_set_hot(struct gw_ice *base, const struct gw_hot *hot)
{
	struct full *ice = (struct full *)base;

	for (size_t i = 0; i < ice->splits.n; i++)
		ice->splits.split[i].poll.hot = hot;
}

static void full_add_hot(const struct gw_ice *base, struct gw_hot *hot)
{
	const struct full *ice = (const struct full *)base;

	gw_hot_add(hot, ice, offsetof(struct full, other));
	if (ice->out >= 0)
		gw_hot_add(hot, &ice->splits.split[ice->out],
			   sizeof(ice->splits.split[0]));
}

static const struct gw_ice_ops ops = {
	.free = full_free,
	.local = full_local,
	.configure = full_configure,
	.is_peer = full_is_peer,
	.restart = full_restart,
	.forget_peer = full_forget_peer,
	.is_connected = full_is_connected,
	.accepts = full_accepts,
	.send = full_send,
	.set_hot = full_set_hot,
	.add_hot = full_add_hot,
	.set_dscp = full_set_dscp,
};

int gw_ice_full_new(struct gw_ice **out, const struct gw_ice_options *opt,
		    const struct gw_ice_handlers *h)
{
	struct full *ice = calloc(1, sizeof(*ice));
	int err;

	if (!ice)
		return -ENOMEM;
	ice->base.ops = &ops;
	ice->magic = ICE_MAGIC;
	ice->poller = opt->poller;
	ice->timers = opt->timers;
	ice->log = opt->log;
	ice->h = *h;
	ice->out = -1;
	ice->splits.handler = split_packet;
	ice->splits.arg = ice;
	gw_ice_loop_init(&ice->loop, opt->poller, opt->timers, opt->log,
			 take_stun, after_loop, ice);
	gw_consent_init(&ice->consent, opt->stun, opt->timers, opt->log,
			&(struct gw_consent_handlers){
				.send = send_consent,
				.lost = consent_lost,
				.arg = ice,
			});
	ice->nice_fd = -1;
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
