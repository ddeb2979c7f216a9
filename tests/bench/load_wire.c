/*
 * The load's sockets and packets.  A delay runs from when a packet was made to
 * when the kernel had it in our socket (SO_TIMESTAMPNS): how long we take to
 * read it is none of the relay's.
 */
#include "tests/bench/load.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH     64
#define PACKET_US 20000
#define TALK_US   250 /* who is due is looked at so often */
#define SOCKBUF   (16 << 20)
/* With --distinct browser N is 127.1.0.1 + N. */
#define FIRST_BROWSER 0x7f010001u

/* ---- sockets ---- */

static int udp(struct sockaddr_in *out, const char *address)
{
	const int big = SOCKBUF, one = 1;
	socklen_t len = sizeof(*out);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert(fd >= 0);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big)))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big)))
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	assert(!setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)));
	memset(out, 0, sizeof(*out));
	out->sin_family = AF_INET;
	assert(inet_pton(AF_INET, address, &out->sin_addr) == 1);
	assert(!bind(fd, (struct sockaddr *)out, sizeof(*out)));
	assert(!getsockname(fd, (struct sockaddr *)out, &len));
	return fd;
}

static void open_control(struct load *l)
{
	struct sockaddr_in to = { .sin_family = AF_INET }, own;
	char host[64];
	unsigned port;

	if (sscanf(l->opt.control, "%63[^:]:%u", host, &port) != 2 ||
	    inet_pton(AF_INET, host, &to.sin_addr) != 1) {
		(void)fprintf(stderr, "--control ADDR:PORT\n");
		exit(2);
	}
	to.sin_port = htons((uint16_t)port);
	l->control = udp(&own, "127.0.0.1");
	assert(!connect(l->control, (struct sockaddr *)&to, sizeof(to)));
}

void wire_open(struct load *l)
{
	const int one = 1;

	l->control = -1;
	l->web =
		udp(&l->web_addr, l->opt.distinct ? "0.0.0.0" : l->opt.address);
	l->phone = udp(&l->phone_addr, "127.0.0.1");
	if (l->opt.distinct)
		assert(!setsockopt(l->web, IPPROTO_IP, IP_PKTINFO, &one,
				   sizeof(one)));
	if (l->opt.daemon)
		daemon_connect(l);
	else if (l->opt.control)
		open_control(l);
}

struct sockaddr_in wire_browser(const struct load *l, const struct call *c)
{
	struct sockaddr_in at = l->web_addr;

	if (l->opt.distinct)
		at.sin_addr.s_addr = htonl(FIRST_BROWSER + c->index);
	return at;
}

/* ---- sending ---- */

union source {
	struct cmsghdr align;
	uint8_t data[CMSG_SPACE(sizeof(struct in_pktinfo))];
};

struct burst {
	unsigned n;
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in to[BATCH];
	union source source[BATCH];
	uint8_t data[BATCH][512];
};

static struct burst web_burst, phone_burst;

static void set_source(const struct load *l, const struct call *c,
		       struct msghdr *msg, union source *source)
{
	struct in_pktinfo *info;
	struct cmsghdr *cm;

	if (!l->opt.distinct)
		return;
	msg->msg_control = source;
	msg->msg_controllen = sizeof(*source);
	memset(source, 0, sizeof(*source));
	cm = CMSG_FIRSTHDR(msg);
	cm->cmsg_level = IPPROTO_IP;
	cm->cmsg_type = IP_PKTINFO;
	cm->cmsg_len = CMSG_LEN(sizeof(*info));
	info = (struct in_pktinfo *)CMSG_DATA(cm);
	info->ipi_spec_dst = wire_browser(l, c).sin_addr;
}

void wire_to_relay(struct load *l, struct call *c, const void *data, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_name = &c->web,
			      .msg_namelen = sizeof(c->web),
			      .msg_iov = &iov,
			      .msg_iovlen = 1 };
	union source source;

	set_source(l, c, &msg, &source);
	(void)sendmsg(l->web, &msg, 0);
}

static void burst_send(struct burst *b, int fd)
{
	unsigned done = 0;

	while (done < b->n) {
		int n = sendmmsg(fd, b->msg + done, b->n - done, 0);

		if (n <= 0)
			break;
		done += (unsigned)n;
	}
	b->n = 0;
}

static uint8_t *burst_next(struct burst *b, int fd,
			   const struct sockaddr_in *to)
{
	if (b->n == BATCH)
		burst_send(b, fd);
	b->to[b->n] = *to;
	return b->data[b->n];
}

static struct msghdr *burst_add(struct burst *b, size_t len)
{
	unsigned i = b->n++;

	b->iov[i] = (struct iovec){ b->data[i], len };
	b->msg[i].msg_hdr = (struct msghdr){ .msg_name = &b->to[i],
					     .msg_namelen = sizeof(b->to[i]),
					     .msg_iov = &b->iov[i],
					     .msg_iovlen = 1 };
	return &b->msg[i].msg_hdr;
}

/* The kernel's receive stamps are of this clock. */
static uint64_t wall_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static size_t make_packet(const struct call *c, uint8_t *p, uint32_t ssrc)
{
	uint64_t now = wall_us();

	memset(p, 0x55, 12 + PAYLOAD);
	p[0] = 0x80;
	p[1] = 0;
	p[2] = (uint8_t)(c->seq >> 8);
	p[3] = (uint8_t)c->seq;
	for (int i = 0; i < 4; i++) {
		p[4 + i] = (uint8_t)(c->timestamp >> (24 - 8 * i));
		p[8 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
	}
	memcpy(p + 12, &now, sizeof(now));
	return 12 + PAYLOAD;
}

static void talk(struct load *l, struct call *c)
{
	struct msghdr *msg;
	uint8_t *p;
	size_t len;

	c->seq++;
	c->timestamp += PAYLOAD;
	p = burst_next(&phone_burst, l->phone, &c->phone);
	(void)burst_add(&phone_burst, make_packet(c, p, PHONE_SSRC + c->index));
	l->sent_phone++;

	p = burst_next(&web_burst, l->web, &c->web);
	len = make_packet(c, p, WEB_SSRC + c->index);
	if (c->srtp && gw_srtp_protect(c->srtp, p, &len, 512))
		return;
	msg = burst_add(&web_burst, len);
	set_source(l, c, msg, &web_burst.source[web_burst.n - 1]);
	l->sent_web++;
}

void wire_talk(struct load *l)
{
	if (l->now_us < l->next_talk_us)
		return;
	l->next_talk_us = l->now_us + TALK_US;
	for (unsigned i = 0; i < l->ncall; i++) {
		uint64_t *due = &l->due_us[i];

		if (l->now_us < *due)
			continue;
		talk(l, &l->call[i]);
		*due += PACKET_US;
		/* Late by periods: they are left out, in step all the same. */
		if (*due + 5 * PACKET_US < l->now_us)
			*due += (l->now_us - *due) / PACKET_US * PACKET_US;
	}
	burst_send(&web_burst, l->web);
	burst_send(&phone_burst, l->phone);
}

/* ---- receiving ---- */

struct arrival {
	bool web;
	struct sockaddr_in from;
	struct in_addr to; /* --distinct */
	uint64_t at_us;
	uint8_t *data;
	size_t len;
};

static void heard(const struct load *l, const struct call *c, struct delays *d,
		  const struct arrival *a)
{
	uint64_t sent;

	/* Those that come and go beside the others are not measured. */
	if (l->opt.churn && c->index >= l->opt.calls)
		return;
	memcpy(&sent, a->data + 12, sizeof(sent));
	delays_add(d, a->at_us > sent ? a->at_us - sent : 0);
}

static bool is_rtp(const uint8_t *p, size_t len)
{
	return len >= 12 && p[0] >= 128 && p[0] < 192 &&
	       !((p[1] & 0x7f) >= 64 && (p[1] & 0x7f) < 96);
}

static void from_web(struct load *l, struct call *c, struct arrival *a)
{
	if (!is_rtp(a->data, a->len)) {
		call_web_packet(l, c, a->data, a->len);
		return;
	}
	if (c->state != CALL_UP)
		return;
	if (c->srtp && !l->opt.self &&
	    gw_srtp_unprotect(c->srtp, a->data, &a->len)) {
		l->bad++;
		return;
	}
	l->got_web++;
	if (a->len == 12 + PAYLOAD)
		heard(l, c, &l->to_web, a);
	else
		l->bad++;
}

static void from_phone(struct load *l, struct call *c, struct arrival *a)
{
	if (!is_rtp(a->data, a->len) || c->state != CALL_UP)
		return;
	if (c->mirror && gw_srtp_unprotect(c->mirror, a->data, &a->len)) {
		l->bad++;
		return;
	}
	l->got_phone++;
	if (a->len == 12 + PAYLOAD)
		heard(l, c, &l->to_phone, a);
	else
		l->bad++;
}

/* Whose it is: by the relay's port, by the browser's address, or, with no
 * relay between, by the source that the packet names. */
static struct call *call_of(struct load *l, const struct arrival *a)
{
	uint16_t port = ntohs(a->from.sin_port);
	uint32_t ssrc, i = 0;

	if (l->opt.self) {
		memcpy(&ssrc, a->data + 8, sizeof(ssrc));
		i = ntohl(ssrc) - (a->web ? PHONE_SSRC : WEB_SSRC) + 1;
	} else if (a->web && l->opt.distinct) {
		i = ntohl(a->to.s_addr) - FIRST_BROWSER + 1;
	} else {
		i = a->web ? l->by_web_port[port] : l->by_phone_port[port];
	}
	return i && i <= l->ncall ? &l->call[i - 1] : NULL;
}

static void read_control(struct msghdr *msg, struct arrival *a)
{
	struct cmsghdr *cm;

	for (cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm)) {
		if (cm->cmsg_level == SOL_SOCKET &&
		    cm->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec ts;

			memcpy(&ts, CMSG_DATA(cm), sizeof(ts));
			a->at_us = (uint64_t)ts.tv_sec * 1000000 +
				   (uint64_t)ts.tv_nsec / 1000;
		} else if (cm->cmsg_level == IPPROTO_IP &&
			   cm->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(cm), sizeof(info));
			a->to = info.ipi_addr;
		}
	}
}

void wire_drain(struct load *l, bool web)
{
	static struct mmsghdr msg[BATCH];
	static struct iovec iov[BATCH];
	static struct arrival in[BATCH];
	static uint8_t data[BATCH][2048];
	static _Alignas(struct cmsghdr) uint8_t ctl[BATCH][128];
	int n;

	do {
		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){ data[i], sizeof(data[i]) };
			msg[i].msg_hdr = (struct msghdr){
				.msg_name = &in[i].from,
				.msg_namelen = sizeof(in[i].from),
				.msg_iov = &iov[i],
				.msg_iovlen = 1,
				.msg_control = ctl[i],
				.msg_controllen = sizeof(ctl[i])
			};
		}
		n = recvmmsg(web ? l->web : l->phone, msg, BATCH, 0, NULL);
		l->now_us = load_now_us();
		for (int i = 0; i < n; i++) {
			struct arrival *a = &in[i];
			struct call *c;

			a->web = web;
			a->data = data[i];
			a->len = msg[i].msg_len;
			a->at_us = 0;
			if (a->len < 12)
				continue;
			read_control(&msg[i].msg_hdr, a);
			c = call_of(l, a);
			if (c && web)
				from_web(l, c, a);
			else if (c)
				from_phone(l, c, a);
		}
	} while (n == BATCH);
}
