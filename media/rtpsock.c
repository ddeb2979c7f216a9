#include "media/rtpsock_priv.h"

#include <errno.h>
#include <netinet/ip.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/metrics.h"
#include "media/discard.h"
#include "media/tos.h"

#define RTPSOCK_MAGIC 0x4745f00d
#define BIND_TRIES    64 /* pairs that others may hold, before we give up */
#define PACKET_MAX    2048
#define PACKET_ROOM   (PACKET_MAX + 256)
/*
 * About 100 ms of the stream: a longer queue is delay, not quality.  The kernel
 * doubles what it is asked for, and charges some 2.3 KB a packet that comes by
 * a network card: ten packets of audio at the densest usual rate (10 ms), 100
 * ms of video at 2.5 Mbit/s with a key frame among it.
 */
#define RCVBUF_AUDIO_BYTES (12 * 1024)
#define RCVBUF_VIDEO_BYTES (96 * 1024)
/* RTCP: a few a second. */
#define RCVBUF_RTCP_BYTES (8 * 1024)

/* One of the two sockets, and whom it listens to. */
struct half {
	struct gw_poll poll;
	struct gw_rtpsock *sock;
	int fd;
	bool rtcp;
	struct gw_addr local;
	struct gw_addr signalled; /* family 0: not known */
	struct gw_addr known;     /* the last that was real: see set_remote() */
	struct gw_addr source;    /* heard; family 0: none yet */
	struct gw_addr former;    /* of a peer before; family 0: none */
	bool locked;
	bool connected; /* to the source, which is locked */
	uint64_t window_end_us;
};

struct gw_rtpsock {
	uint32_t magic;
	struct gw_timers *timers;
	struct gw_ports *ports;
	uint16_t port;
	uint64_t learn_us;
	bool video;
	struct half half[2]; /* RTP, RTCP */
	uint32_t *discarded; /* the owner's counts; NULL: none */
	gw_rtpsock_h *handler;
	void *arg;
};

GW_GAUGE(m_sockets, "isthmus_media_sockets", "Open media sockets",
	 "kind=\"rtp\"");
GW_COUNTER(m_unreachable, "isthmus_media_unreachable_total",
	   "ICMP errors about packets to locked sources", "");
GW_COUNTER(m_learned, "isthmus_media_learned_total",
	   "Sources learned other than signalled", "");

/* Somewhere packets can go: 0.0.0.0 and port 0 mean hold or nothing. */
static bool is_real(const struct gw_addr *a)
{
	return a->family && a->port && !gw_addr_is_any(a);
}

/* RTCP is learned from the machine that sends the RTP, or from the signalled
 * one; alone it would be a second door. */
static bool may_learn(const struct half *h, const struct gw_addr *from)
{
	const struct half *rtp = &h->sock->half[0];

	if (from->family != h->local.family || gw_addr_equal(from, &h->former))
		return false;
	if (!h->rtcp)
		return true;
	return gw_addr_same_ip(from, &h->known) ||
	       (rtp->source.family && gw_addr_same_ip(from, &rtp->source));
}

/*
 * From here on the kernel keeps strangers away, and looks for the way to the
 * source once instead of for each packet.  What a stranger had in the queue
 * before is still refused by accept_source().  Where the kernel knows no way
 * the socket stays as it was.
 */
static void lock_source(struct half *h)
{
	struct sockaddr_storage ss;
	socklen_t len = gw_addr_to_sockaddr(&h->source, &ss);

	h->locked = true;
	h->connected = !connect(h->fd, (struct sockaddr *)&ss, len);
}

/* The port stays ours: it was bound by name (Linux keeps that over this). */
static void unlock_source(struct half *h)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	if (h->connected)
		(void)connect(h->fd, &none, sizeof(none));
	h->connected = false;
	h->locked = false;
	memset(&h->source, 0, sizeof(h->source));
}

/*
 * The lock.  The signalled source is always right, and ends the window at
 * once.  Any other one is taken only as the first that is heard, and only if
 * a window is configured; it is final when the window ends.
 */
static bool accept_source(struct half *h, const struct gw_addr *from)
{
	uint64_t now;

	if (h->locked)
		return gw_addr_equal(from, &h->source);
	if (gw_addr_equal(from, &h->known)) {
		h->source = *from;
		lock_source(h);
		return true;
	}
	if (!h->sock->learn_us)
		return false;

	now = gw_timers_now_us(h->sock->timers);
	if (!h->source.family) {
		if (!may_learn(h, from))
			return false;
		h->source = *from;
		h->window_end_us = now + h->sock->learn_us;
		gw_metric_add(&m_learned, 1);
		return true;
	}
	if (now >= h->window_end_us)
		lock_source(h);
	return gw_addr_equal(from, &h->source);
}

/* What a connected socket tells of earlier packets, once: the port is closed,
 * a filter stands between, the protocol is not spoken, the path's MTU is
 * smaller (Linux, icmp_err_convert[] and udp_err()). */
static bool is_icmp_error(int err)
{
	return err == ECONNREFUSED || err == EHOSTUNREACH ||
	       err == ENOPROTOOPT || err == EMSGSIZE;
}

/*
 * One packet a turn: epoll tells of the next, together with those of the other
 * sockets, so that no call is spent on learning that there is none, and a flood
 * at one port waits its turn behind the others.
 */
static void half_readable(struct gw_poll *p, void *arg)
{
	struct half *h = arg;
	struct gw_rtpsock *s = h->sock;
	uint8_t buf[PACKET_ROOM];
	struct sockaddr_storage ss;
	struct gw_addr from;
	socklen_t slen = sizeof(ss);
	ssize_t n;

	GW_CHECK(s, RTPSOCK_MAGIC);
	n = recvfrom(p->fd, buf, PACKET_MAX, MSG_TRUNC, (struct sockaddr *)&ss,
		     &slen);
	if (n < 0) {
		/* Reading took it away. */
		if (is_icmp_error(errno))
			gw_metric_add(&m_unreachable, 1);
		return;
	}
	if (n > PACKET_MAX)
		gw_discard(s->discarded, GW_DISCARD_OVERSIZED);
	else if (!h->signalled.family)
		gw_discard(s->discarded, GW_DISCARD_NO_REMOTE);
	else if (gw_addr_from_sockaddr(&from, (struct sockaddr *)&ss) ||
		 !accept_source(h, &from))
		gw_discard(s->discarded, GW_DISCARD_STRANGER);
	else
		s->handler(h->rtcp, buf, (size_t)n, sizeof(buf), s->arg);
}

static int rcvbuf_bytes(const struct half *h)
{
	if (h->rtcp)
		return RCVBUF_RTCP_BYTES;
	return h->sock->video ? RCVBUF_VIDEO_BYTES : RCVBUF_AUDIO_BYTES;
}

static int open_half(struct half *h, const struct gw_addr *addr)
{
	const int one = 1;
	const int rcvbuf = rcvbuf_bytes(h);
	struct sockaddr_storage ss;
	socklen_t len = gw_addr_to_sockaddr(addr, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			0);
	int err;

	if (fd < 0)
		return -errno;
	if ((ss.ss_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) <
		     0) ||
	    bind(fd, (struct sockaddr *)&ss, len) < 0) {
		err = -errno;
		(void)close(fd);
		return err;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	h->fd = fd;
	h->local = *addr;
	gw_metric_add(&m_sockets, 1);
	return 0;
}

static void close_half(struct half *h)
{
	if (h->fd < 0)
		return;
	gw_poller_del(&h->poll);
	(void)close(h->fd);
	h->fd = -1;
	gw_metric_add(&m_sockets, -1);
}

/* RFC 3550 11: RTP on the even port, RTCP on the next one. */
static int open_pair(struct gw_rtpsock *s, struct gw_addr *addr, uint16_t port)
{
	int err;

	addr->port = port;
	err = open_half(&s->half[0], addr);
	if (err)
		return err;
	addr->port = (uint16_t)(port + 1);
	err = open_half(&s->half[1], addr);
	if (err)
		close_half(&s->half[0]);
	return err;
}

static int find_pair(struct gw_rtpsock *s, struct gw_addr *addr)
{
	size_t tries = gw_ports_available(s->ports);
	int err;

	if (tries > BIND_TRIES)
		tries = BIND_TRIES;
	while (tries--) {
		uint16_t port = gw_ports_take(s->ports);

		err = open_pair(s, addr, port);
		if (!err) {
			s->port = port;
			return 0;
		}
		gw_ports_give(s->ports, port);
		if (err != -EADDRINUSE)
			return err;
	}
	return -EADDRINUSE;
}

int gw_rtpsock_new(struct gw_rtpsock **out,
		   const struct gw_rtpsock_options *opt, gw_rtpsock_h *handler,
		   void *arg)
{
	struct gw_addr addr;
	struct gw_rtpsock *s;
	int err;

	if (!opt->address || gw_addr_parse(&addr, opt->address, 0))
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->magic = RTPSOCK_MAGIC;
	s->timers = opt->timers;
	s->ports = opt->ports;
	s->learn_us = (uint64_t)opt->learn_ms * 1000;
	s->discarded = opt->discarded;
	s->video = opt->video;
	s->handler = handler;
	s->arg = arg;
	for (int i = 0; i < 2; i++) {
		s->half[i].sock = s;
		s->half[i].fd = -1;
		s->half[i].rtcp = i == 1;
	}

	err = find_pair(s, &addr);
	for (int i = 0; i < 2 && !err; i++)
		err = gw_poller_add(opt->poller, &s->half[i].poll,
				    s->half[i].fd, half_readable, &s->half[i]);
	if (err) {
		gw_rtpsock_free(s);
		return err;
	}
	gw_rtpsock_set_dscp(s, opt->dscp);
	*out = s;
	return 0;
}

void gw_rtpsock_free(struct gw_rtpsock *s)
{
	if (!s)
		return;
	close_half(&s->half[0]);
	close_half(&s->half[1]);
	if (s->port)
		gw_ports_give(s->ports, s->port);
	s->magic = 0;
	free(s);
}

void gw_rtpsock_local(const struct gw_rtpsock *s, struct gw_addr *rtp,
		      struct gw_addr *rtcp)
{
	*rtp = s->half[0].local;
	*rtcp = s->half[1].local;
}

static void set_remote(struct half *h, const struct gw_addr *addr)
{
	h->signalled = *addr;
	/* Who holds by 0.0.0.0, or by none, wants nothing sent, and is still
	 * who it was: what it plays meanwhile is heard, and coming back is no
	 * chance for a stranger to be learned. */
	if (!is_real(addr) || gw_addr_equal(&h->known, addr))
		return;
	h->known = *addr;
	unlock_source(h);
}

void gw_rtpsock_remote(struct gw_rtpsock *s, const struct gw_addr *rtp,
		       const struct gw_addr *rtcp)
{
	set_remote(&s->half[0], rtp);
	set_remote(&s->half[1], rtcp);
}

void gw_rtpsock_forsake(struct gw_rtpsock *s)
{
	for (int i = 0; i < 2; i++) {
		struct half *h = &s->half[i];

		h->former = h->source.family ? h->source : h->known;
	}
}

/* An ICMP error about an earlier packet is told in place of sending this one:
 * a second time it goes. */
static int send_connected(int fd, const void *data, size_t len)
{
	if (send(fd, data, len, MSG_DONTWAIT) >= 0)
		return 0;
	if (!is_icmp_error(errno))
		return -errno;
	gw_metric_add(&m_unreachable, 1);
	return send(fd, data, len, MSG_DONTWAIT) < 0 ? -errno : 0;
}

int gw_rtpsock_send(struct gw_rtpsock *s, bool rtcp, const void *data,
		    size_t len)
{
	const struct half *h = &s->half[rtcp ? 1 : 0];
	/* Symmetric RTP (RFC 4961): where it comes from, there it goes. */
	const struct gw_addr *to =
		h->source.family ? &h->source : &h->signalled;
	struct sockaddr_storage ss;
	socklen_t slen;

	/* A peer on hold by 0.0.0.0 (RFC 3264 8.4) gets nothing. */
	if (!is_real(&h->signalled) || to->family != h->local.family)
		return -ENOTCONN;
	if (h->connected)
		return send_connected(h->fd, data, len);
	slen = gw_addr_to_sockaddr(to, &ss);
	if (sendto(h->fd, data, len, MSG_DONTWAIT, (struct sockaddr *)&ss,
		   slen) < 0)
		return -errno;
	return 0;
}

void gw_rtpsock_set_dscp(struct gw_rtpsock *s, uint8_t dscp)
{
	for (int i = 0; i < 2; i++)
		gw_tos_set(s->half[i].fd, s->half[i].local.family, dscp << 2);
}

void gw_rtpsock_set_hot(struct gw_rtpsock *s, const struct gw_hot *hot)
{
	if (s->half[0].poll.poller)
		s->half[0].poll.hot = hot;
}

void gw_rtpsock_add_hot(const struct gw_rtpsock *s, struct gw_hot *hot)
{
	gw_hot_add(hot, &s->half[0], sizeof(s->half[0]));
}
