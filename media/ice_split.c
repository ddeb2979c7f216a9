#include "media/ice_split.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/metrics.h"
#include "media/discard.h"
#include "media/tos.h"

/* About 100 ms of video, more of audio: a longer queue is delay, not
 * quality. */
#define RCVBUF_BYTES (96 * 1024)

GW_COUNTER(m_rx, "isthmus_media_ice_packets_total",
	   "Packets of ICE transports, by the path they took",
	   "direction=\"in\",path=\"kernel\"");
GW_COUNTER(m_tx, "isthmus_media_ice_packets_total",
	   "Packets of ICE transports, by the path they took",
	   "direction=\"out\",path=\"kernel\"");
GW_GAUGE(m_sockets, "isthmus_media_sockets", "Open media sockets",
	 "kind=\"ice\"");

/* One packet a turn, as in rtpsock.c. */
static void readable(struct gw_poll *p, void *arg)
{
	struct gw_ice_split *s = arg;
	struct gw_ice_splits *all = s->all;
	uint8_t buf[GW_ICE_PACKET_ROOM];
	struct sockaddr_storage ss;
	struct gw_addr from;
	socklen_t slen = sizeof(ss);
	ssize_t n = recvfrom(p->fd, buf, GW_ICE_PACKET_MAX, MSG_TRUNC,
			     (struct sockaddr *)&ss, &slen);

	if (n < 0)
		return;
	gw_metric_add(&m_rx, 1);
	if (n > GW_ICE_PACKET_MAX)
		gw_discard(NULL, GW_DISCARD_OVERSIZED);
	else if (!gw_addr_from_sockaddr(&from, (struct sockaddr *)&ss))
		all->handler((unsigned)(s - all->split), &from, buf, (size_t)n,
			     sizeof(buf), all->arg);
}

/* A load beyond the end of a datagram ends the program with 0: libnice. */
static int attach_program(int fd, uint32_t mark)
{
	struct sock_filter code[] = {
		/* RFC 7983 7 */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 20, 5, 0),
		/* Success or error of a Binding (RFC 8489 6)... */
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0101, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0111, 0, 3),
		/* ... and of a transaction of ours */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 8),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, mark, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog,
		       sizeof(prog)) < 0)
		return -errno;
	return 0;
}

/* libnice pins its socket to the interface that has its address.  Where that is
 * not the way to the peer, as with a service address on loopback or several
 * uplinks, its checks and answers would go nowhere, while ours are routed. */
static void unpin(int fd, int family)
{
	const int any = 0;

	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_IF, &any,
				 sizeof(any));
	else
		(void)setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &any,
				 sizeof(any));
}

/* A second socket at the address of @nice_fd; its fd, or -errno. */
static int join(int nice_fd, uint32_t mark, struct gw_addr *local)
{
	const int one = 1;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd;
	int err;

	if (getsockname(nice_fd, (struct sockaddr *)&ss, &len) < 0 ||
	    setsockopt(nice_fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) <
		    0)
		return -errno;
	err = gw_addr_from_sockaddr(local, (struct sockaddr *)&ss);
	if (err)
		return err;
	unpin(nice_fd, ss.ss_family);

	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
	    (ss.ss_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) <
		     0) ||
	    bind(fd, (struct sockaddr *)&ss, len) < 0)
		err = -errno;
	else
		err = attach_program(nice_fd, mark);
	if (err) {
		(void)close(fd);
		return err;
	}
	return fd;
}

int gw_ice_split_add(struct gw_ice_splits *s, struct gw_poller *poller,
		     int nice_fd)
{
	const int rcvbuf = RCVBUF_BYTES;
	struct gw_ice_split *new = &s->split[s->n];
	int fd;
	int err;

	if (s->n == GW_ICE_SPLITS)
		return -ENOSPC;
	fd = join(nice_fd, s->mark, &new->local);
	if (fd < 0)
		return fd;
	err = gw_poller_add(poller, &new->poll, fd, readable, new);
	if (err) {
		(void)close(fd);
		return err;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	new->all = s;
	new->fd = fd;
	new->nice_fd = nice_fd;
	s->n++;
	gw_metric_add(&m_sockets, 1);
	return 0;
}

void gw_ice_split_close(struct gw_ice_splits *s)
{
	for (size_t i = 0; i < s->n; i++) {
		gw_poller_del(&s->split[i].poll);
		(void)close(s->split[i].fd);
		gw_metric_add(&m_sockets, -1);
	}
	s->n = 0;
}

int gw_ice_split_find(const struct gw_ice_splits *s,
		      const struct gw_addr *local)
{
	for (size_t i = 0; i < s->n; i++)
		if (gw_addr_equal(&s->split[i].local, local))
			return (int)i;
	return -1;
}

int gw_ice_split_of(const struct gw_ice_splits *s, int nice_fd)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->split[i].nice_fd == nice_fd)
			return (int)i;
	return -1;
}

int gw_ice_split_send(struct gw_ice_splits *s, int i, const struct gw_addr *to,
		      int tos, const void *data, size_t len)
{
	int err = gw_tos_send(s->split[i].fd, to, tos, s->tos, data, len);

	if (!err)
		gw_metric_add(&m_tx, 1);
	return err;
}

void gw_ice_split_set_tos(struct gw_ice_splits *s, int tos)
{
	s->tos = tos;
	for (size_t i = 0; i < s->n; i++)
		gw_tos_set(s->split[i].fd, s->split[i].local.family, tos);
}
