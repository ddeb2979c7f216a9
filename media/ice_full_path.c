/*
 * media/ice_full_path.c - which pair carries packets, and the packets
 *
 * The pair is libnice's, once it has selected one; before, the first that
 * answers checks of our own (probe.h).  Either way consent keeps it
 * (consent.h): what libnice thinks of a pair that it has not selected ends
 * nothing.
 */
#include "media/ice_full.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <nice/agent.h>

#include "gateway/base/ids.h"
#include "gateway/base/metrics.h"
#include "media/discard.h"
#include "media/tos.h"

#define IDLE_MS 50u

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

/* ---- news ---- */

static void tell_news(struct gw_ice_full *ice)
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
static void prefer_moved(struct gw_ice_full *ice)
{
	NiceCandidate *c = nice_candidate_new(NICE_CANDIDATE_TYPE_HOST);
	GSList *list = g_slist_append(NULL, c);

	gw_ice_to_nice(&c->addr, &ice->moved);
	c->base_addr = c->addr;
	c->transport = NICE_CANDIDATE_TRANSPORT_UDP;
	c->stream_id = ice->stream;
	c->component_id = GW_ICE_COMPONENT;
	if (ice->top_priority < UINT32_MAX)
		ice->top_priority++;
	c->priority = ice->top_priority;
	(void)g_strlcpy(c->foundation, "moved", sizeof(c->foundation));
	memset(&ice->moved, 0, sizeof(ice->moved));
	(void)nice_agent_set_remote_candidates(ice->agent, ice->stream,
					       GW_ICE_COMPONENT, list);
	g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
	gw_ice_loop_sync(&ice->loop);
}

void gw_ice_full_tell(struct gw_ice_full *ice)
{
	if (ice->moved.family)
		prefer_moved(ice);
	tell_news(ice);
}

/* ---- the peer's addresses ---- */

static bool is_other(const struct gw_ice_full *ice, const struct gw_addr *a)
{
	for (unsigned i = 0; i < GW_ICE_FULL_OTHERS; i++)
		if (gw_addr_equal(a, &ice->other[i]))
			return true;
	return false;
}

static void remember(struct gw_ice_full *ice, const struct gw_addr *a)
{
	if (a->family && !is_other(ice, a))
		ice->other[ice->next_other++ % GW_ICE_FULL_OTHERS] = *a;
}

/* libnice learns addresses by our half of a check's name alone, so also those
 * of another endpoint that was offered the same session. */
static void forget(const struct gw_addr *a, void *arg)
{
	struct gw_ice_full *ice = arg;

	GW_CHECK(ice, GW_ICE_FULL_MAGIC);
	for (unsigned i = 0; i < GW_ICE_FULL_OTHERS; i++)
		if (gw_addr_equal(a, &ice->other[i]))
			memset(&ice->other[i], 0, sizeof(ice->other[i]));
	if (gw_addr_equal(a, &ice->moved))
		memset(&ice->moved, 0, sizeof(ice->moved));
	gw_debug(ice->log, "ICE: an address of who is not the peer is "
			   "forgotten");
}

/* ---- the pair ---- */

static bool is_controlling(struct gw_ice_full *ice)
{
	gboolean controlling = FALSE;

	g_object_get(ice->agent, "controlling-mode", &controlling, NULL);
	return controlling;
}

/* libnice's socket at @local, or -1. */
static int find_socket(struct gw_ice_full *ice, const struct gw_addr *local)
{
	GPtrArray *socks = nice_agent_get_sockets(ice->agent, ice->stream,
						  GW_ICE_COMPONENT);
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

/* Under the names in force, which the pair has just proved itself under. */
static void start_consent(struct gw_ice_full *ice)
{
	gchar *ufrag = NULL;
	gchar *pwd = NULL;

	if (nice_agent_get_local_credentials(ice->agent, ice->stream, &ufrag,
					     &pwd)) {
		const struct gw_consent_keys keys = {
			.ufrag = ufrag,
			.pwd = pwd,
			.remote_ufrag = ice->ufrag,
			.remote_pwd = ice->pwd,
			.controlling = is_controlling(ice),
			.mark = ice->splits.mark,
			.patience_ms = ice->consent_ms,
		};

		if (gw_consent_start(&ice->consent, &keys))
			gw_warn(ice->log, "ICE: no memory for consent");
		g_free(ufrag);
		g_free(pwd);
	}
}

/* @out: of its splits, -1: by way of libnice. */
static void use_pair(struct gw_ice_full *ice, const struct gw_addr *local,
		     const struct gw_addr *peer, int out, int nice_fd)
{
	bool same = ice->connected && gw_addr_equal(local, &ice->local) &&
		    gw_addr_equal(peer, &ice->peer);

	ice->nice_fd = nice_fd;
	/* Also of the same pair: it may be that of a restart. */
	start_consent(ice);
	if (same)
		return;
	if (!gw_addr_equal(&ice->peer, peer))
		remember(ice, &ice->peer);
	ice->local = *local;
	ice->peer = *peer;
	ice->out = out;
	ice->connected = true;
	ice->news_pair = true;
	ice->news_failed = false;
}

static void found(unsigned at, const struct gw_addr *peer, void *arg)
{
	struct gw_ice_full *ice = arg;
	const struct gw_ice_split *split;

	GW_CHECK(ice, GW_ICE_FULL_MAGIC);
	assert(at < ice->splits.n);
	split = &ice->splits.split[at];
	gw_debug(ice->log, "ICE: a way is found before libnice has selected");
	ice->found = true;
	use_pair(ice, &split->local, peer, (int)at, split->nice_fd);
	gw_ice_full_stop_probe(ice);
	tell_news(ice);
}

static void send_probe(unsigned at, const struct gw_addr *to, const void *data,
		       size_t len, void *arg)
{
	struct gw_ice_full *ice = arg;

	GW_CHECK(ice, GW_ICE_FULL_MAGIC);
	/* What the kernel refuses is as good as lost on the way. */
	if (at < ice->splits.n)
		(void)gw_ice_split_send(&ice->splits, (int)at, to,
					GW_TOS_SOCKETS, data, len);
}

void gw_ice_full_stop_probe(struct gw_ice_full *ice)
{
	gw_probe_free(ice->probe);
	ice->probe = NULL;
}

/* Without memory, or a socket of our own, libnice is alone. */
void gw_ice_full_probe(struct gw_ice_full *ice)
{
	const struct gw_probe_handlers h = {
		.send = send_probe,
		.other = forget,
		.found = found,
		.arg = ice,
	};
	gchar *ufrag = NULL;
	gchar *pwd = NULL;

	gw_ice_full_stop_probe(ice);
	ice->found = false;
	if (!ice->splits.n || !nice_agent_get_local_credentials(
				      ice->agent, ice->stream, &ufrag, &pwd))
		return;
	(void)gw_probe_new(&ice->probe,
			   &(struct gw_probe_options){
				   .stun = ice->stun,
				   .timers = ice->timers,
				   .ufrag = ufrag,
				   .pwd = pwd,
				   .mark = ice->splits.mark,
			   },
			   &h);
	g_free(ufrag);
	g_free(pwd);
}

/* ---- signals of libnice, from inside its loop or a call of ours ---- */

static void on_state(NiceAgent *agent, guint stream, guint component,
		     guint state, gpointer arg)
{
	struct gw_ice_full *ice = arg;

	(void)agent;
	(void)stream;
	(void)component;
	GW_CHECK(ice, GW_ICE_FULL_MAGIC);
	gw_debug(ice->log, "ICE: %s",
		 nice_component_state_to_string((NiceComponentState)state));
	/* A pair that libnice has not selected is not its to lose. */
	if (state != NICE_COMPONENT_STATE_FAILED || ice->found)
		return;
	/* RFC 7675 5.1: without consent nothing may be sent. */
	ice->connected = false;
	gw_consent_stop(&ice->consent);
	ice->news_failed = true;
}

/* Peer-reflexive: learnt from a check that carried our password. */
static void on_remote_candidate(NiceAgent *agent, NiceCandidate *c,
				gpointer arg)
{
	struct gw_ice_full *ice = arg;
	struct gw_addr addr;

	(void)agent;
	GW_CHECK(ice, GW_ICE_FULL_MAGIC);
	gw_ice_from_nice(&addr, &c->addr);
	remember(ice, &addr);
	if (c->priority > ice->top_priority)
		ice->top_priority = c->priority;
	if (ice->connected && !ice->found)
		ice->moved = addr;
}

static void on_pair(NiceAgent *agent, guint stream, guint component,
		    NiceCandidate *l, NiceCandidate *r, gpointer arg)
{
	struct gw_ice_full *ice = arg;
	struct gw_addr local;
	struct gw_addr peer;

	(void)stream;
	(void)component;
	GW_CHECK(ice, GW_ICE_FULL_MAGIC);
	/* The socket is that of the base: a reflexive candidate has none. */
	gw_ice_from_nice(&local, &l->base_addr);
	gw_ice_from_nice(&peer, &r->addr);
	gw_ice_full_stop_probe(ice);
	ice->found = false;
	use_pair(ice, &local, &peer,
		 l->type == NICE_CANDIDATE_TYPE_RELAYED
			 ? -1
			 : gw_ice_split_find(&ice->splits, &local),
		 find_socket(ice, &local));
	/* Until this much is over without a check, libnice looks every 20 ms
	 * for something to do: 5 s by default, which costs more than the whole
	 * set-up.  Before there is a pair it waits for the browser's checks. */
	g_object_set(agent, "idle-timeout", IDLE_MS, NULL);
}

/* ---- what comes ---- */

/* The fall-back path; libnice has checked that the source is validated. */
static void on_packet(NiceAgent *agent, guint stream, guint component,
		      guint len, gchar *data, gpointer arg)
{
	struct gw_ice_full *ice = arg;
	uint8_t buf[GW_ICE_PACKET_ROOM];

	(void)agent;
	(void)stream;
	(void)component;
	GW_CHECK(ice, GW_ICE_FULL_MAGIC);
	gw_metric_add(&m_rx_nice, 1);
	if (len > GW_ICE_PACKET_MAX) {
		gw_discard(NULL, GW_DISCARD_OVERSIZED);
		return;
	}
	/* libnice's buffer has no room for what protecting adds. */
	memcpy(buf, data, len);
	ice->h.packet(&ice->peer, buf, len, sizeof(buf), ice->h.arg);
}

/* STUN, here, is what the kernel took for the answer to a check of ours. */
static bool take_reply(struct gw_ice_full *ice, unsigned at,
		       const struct gw_addr *from, uint8_t *data, size_t len)
{
	if (ice->probe && gw_probe_reply(ice->probe, at, from, data, len))
		return true;
	return ice->connected && gw_addr_equal(from, &ice->peer) &&
	       gw_consent_reply(&ice->consent, data, len);
}

static void split_packet(unsigned at, const struct gw_addr *from, uint8_t *data,
			 size_t len, size_t cap, void *arg)
{
	struct gw_ice_full *ice = arg;

	GW_CHECK(ice, GW_ICE_FULL_MAGIC);
	if (len && data[0] < 20 && take_reply(ice, at, from, data, len))
		return;
	ice->h.packet(from, data, len, cap, ice->h.arg);
}

/* Not the check of another endpoint under our name.  Several that wait for
 * libnice it reads at once, and so may hear one that we did not: what it learnt
 * from that is forgotten by the next. */
static bool is_heard(struct gw_ice_full *ice, int fd,
		     const struct gw_addr *from, uint8_t *data, size_t len)
{
	int at = ice->probe ? gw_ice_split_of(&ice->splits, fd) : -1;
	bool heard =
		at >= 0 ? gw_probe_look(ice->probe, (unsigned)at,
					is_controlling(ice), from, data, len)
			: !gw_consent_is_of_other(&ice->consent, data, len);

	if (!heard && is_other(ice, from))
		forget(from, ice);
	return heard;
}

/* A look at what has come for libnice.  What concerns only the consent to the
 * pair that it has selected is dealt with here; of the rest the probe learns
 * where the peer is.  Of several that wait only the first is seen: libnice then
 * reads them all. */
bool gw_ice_full_take(int fd, void *arg)
{
	struct gw_ice_full *ice = arg;
	uint8_t buf[GW_STUN_MAX];
	struct sockaddr_storage ss;
	socklen_t slen = sizeof(ss);
	struct gw_addr from;
	ssize_t n;
	bool ours;

	GW_CHECK(ice, GW_ICE_FULL_MAGIC);
	ours = ice->connected && !ice->found && fd == ice->nice_fd;
	if (!ice->connected && !ice->probe)
		return false;
	n = recvfrom(fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC,
		     (struct sockaddr *)&ss, &slen);
	if (n < 0 || (size_t)n > sizeof(buf) ||
	    gw_addr_from_sockaddr(&from, (struct sockaddr *)&ss))
		return false;
	if (ours && gw_addr_equal(&from, &ice->peer) &&
	    gw_consent_take(&ice->consent, &from, buf, (size_t)n)) {
		(void)recv(fd, buf, 0, MSG_DONTWAIT); /* all of it goes */
		return true;
	}
	if (is_heard(ice, fd, &from, buf, (size_t)n))
		return false;
	(void)recv(fd, buf, 0, MSG_DONTWAIT);
	return true;
}

/* ---- consent ---- */

static void send_consent(const void *data, size_t len, void *arg)
{
	struct gw_ice_full *ice = arg;

	GW_CHECK(ice, GW_ICE_FULL_MAGIC);
	/* A datagram that is lost here is as good as one lost on the way. */
	(void)gw_ice_full_send(&ice->base, NULL, GW_TOS_SOCKETS, data, len);
}

static void consent_lost(void *arg)
{
	struct gw_ice_full *ice = arg;

	GW_CHECK(ice, GW_ICE_FULL_MAGIC);
	ice->connected = false;
	ice->found = false;
	ice->news_failed = true;
	tell_news(ice);
}

/* ---- sockets ---- */

static void split_socket(struct gw_ice_full *ice, int nice_fd)
{
	int err = gw_ice_split_add(&ice->splits, ice->poller, nice_fd);

	if (!err)
		return;
	gw_metric_add(&m_no_split, 1);
	gw_info(ice->log, "ICE: packets of one address go through libnice: %s",
		strerror(-err));
}

void gw_ice_full_split(struct gw_ice_full *ice)
{
	GPtrArray *socks = nice_agent_get_sockets(ice->agent, ice->stream,
						  GW_ICE_COMPONENT);

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

/* ---- media/ice.h ---- */

void gw_ice_full_forget_peer(struct gw_ice *base)
{
	struct gw_ice_full *ice = (struct gw_ice_full *)base;

	ice->connected = false;
	ice->found = false;
	gw_consent_stop(&ice->consent);
	memset(&ice->peer, 0, sizeof(ice->peer));
	memset(ice->other, 0, sizeof(ice->other));
	ice->ncandidate = 0;
	ice->told = false;
}

bool gw_ice_full_is_connected(const struct gw_ice *base)
{
	const struct gw_ice_full *ice = (const struct gw_ice_full *)base;

	return ice->connected;
}

/* For each packet, so also for each of a flood: twenty comparisons, and no call
 * into libnice.  Signalled candidates came over TLS. */
bool gw_ice_full_accepts(struct gw_ice *base, const struct gw_addr *from)
{
	struct gw_ice_full *ice = (struct gw_ice_full *)base;

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

int gw_ice_full_send(struct gw_ice *base, const struct gw_addr *to, int tos,
		     const void *data, size_t len)
{
	struct gw_ice_full *ice = (struct gw_ice_full *)base;

	if (!ice->connected)
		return -ENOTCONN;
	if (ice->out >= 0)
		return gw_ice_split_send(&ice->splits, ice->out,
					 to ? to : &ice->peer, tos, data, len);
	if (nice_agent_send(ice->agent, ice->stream, GW_ICE_COMPONENT,
			    (guint)len, data) < 0)
		return -EIO;
	gw_metric_add(&m_tx_nice, 1);
	return 0;
}

/* ---- life ---- */

void gw_ice_full_path_init(struct gw_ice_full *ice)
{
	ice->out = -1;
	ice->nice_fd = -1;
	ice->splits.handler = split_packet;
	ice->splits.arg = ice;
	do
		ice->splits.mark = gw_random_u32();
	while (!ice->splits.mark);
	gw_consent_init(&ice->consent, ice->stun, ice->timers, ice->log,
			&(struct gw_consent_handlers){
				.send = send_consent,
				.lost = consent_lost,
				.arg = ice,
			});
}

int gw_ice_full_watch(struct gw_ice_full *ice)
{
	g_signal_connect(ice->agent, "component-state-changed",
			 G_CALLBACK(on_state), ice);
	g_signal_connect(ice->agent, "new-selected-pair-full",
			 G_CALLBACK(on_pair), ice);
	g_signal_connect(ice->agent, "new-remote-candidate-full",
			 G_CALLBACK(on_remote_candidate), ice);
	return nice_agent_attach_recv(ice->agent, ice->stream, GW_ICE_COMPONENT,
				      ice->loop.gctx, on_packet, ice)
		       ? 0
		       : -EINVAL;
}

void gw_ice_full_unwatch(struct gw_ice_full *ice)
{
	g_signal_handlers_disconnect_by_data(ice->agent, ice);
	if (ice->stream)
		nice_agent_attach_recv(ice->agent, ice->stream,
				       GW_ICE_COMPONENT, ice->loop.gctx, NULL,
				       NULL);
}
