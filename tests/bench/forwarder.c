/*
 * forwarder.c ADDR:PORT [clear] - the floor: epoll, one receive, SRTP (unless
 * clear), one send, and nothing that a call needs besides.  One socket a side
 * and call, as a relay has.  The same keys for all calls, each with contexts
 * of its own.  Control as in relay.c.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "media/srtp.h"
#include "tests/bench/ng.h"

#define CALLS 8192

struct half {
	int fd;
	bool web;
	struct sockaddr_in peer;
	struct half *other;
	struct gw_srtp *srtp; /* web */
};

struct one {
	char id[40];
	struct half web, phone;
};

static struct one *calls[CALLS];
static int poll_fd, control;
static bool clear, cm;
static struct in_addr address;

static unsigned slot(const char *id)
{
	unsigned n = 0;

	(void)sscanf(id, "bench-%u", &n);
	return n % CALLS;
}

static uint16_t open_half(struct half *h, bool web)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = address };
	struct epoll_event ev = { .events = EPOLLIN, .data = { .ptr = h } };
	socklen_t len = sizeof(at);

	h->web = web;
	h->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert(h->fd >= 0 && !bind(h->fd, (struct sockaddr *)&at, sizeof(at)));
	assert(!getsockname(h->fd, (struct sockaddr *)&at, &len));
	assert(!epoll_ctl(poll_fd, EPOLL_CTL_ADD, h->fd, &ev));
	return ntohs(at.sin_port);
}

static void address_of(const char *sdp, struct sockaddr_in *out)
{
	char line[256], addr[64] = "127.0.0.1";
	unsigned port = 0;

	if (sdp_line(sdp, "m=audio ", line, sizeof(line)))
		(void)sscanf(line, "%u", &port);
	(void)sdp_line(sdp, "c=IN IP4 ", addr, sizeof(addr));
	out->sin_family = AF_INET;
	out->sin_port = htons((uint16_t)port);
	(void)inet_pton(AF_INET, addr, &out->sin_addr);
}

static void connect_half(const struct half *h)
{
	assert(!connect(h->fd, (const struct sockaddr *)&h->peer,
			sizeof(h->peer)));
}

static void make(struct one *c)
{
	struct gw_srtp_keys keys = { .profile = cm ? GW_SRTP_AES128_CM_SHA1_80
						   : GW_SRTP_AEAD_AES_128_GCM };

	c->web.other = &c->phone;
	c->phone.other = &c->web;
	if (clear)
		return;
	memset(keys.local, 2, sizeof(keys.local));
	memset(keys.remote, 1, sizeof(keys.remote));
	assert(!gw_srtp_new(&c->web.srtp, &keys));
}

static void on_control(void)
{
	char data[NG_MAX + 1], cookie[64], command[16], id[40] = "", sdp[4096];
	char answer[512] = "";
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct ng_out o;
	struct one *c, **at;
	struct half *h = NULL;
	uint16_t port;
	ssize_t n = recvfrom(control, data, NG_MAX, 0, (struct sockaddr *)&from,
			     &len);

	if (n <= 0)
		return;
	data[n] = '\0';
	if (!ng_cookie(data, cookie, sizeof(cookie)) ||
	    !ng_get(data, (size_t)n, "command", command, sizeof(command)))
		return;
	(void)ng_get(data, (size_t)n, "call-id", id, sizeof(id));
	at = &calls[slot(id)];
	c = *at;
	if (!strcmp(command, "offer") && !c) {
		c = *at = calloc(1, sizeof(*c));
		assert(c);
		make(c);
		h = &c->phone;
		(void)ng_get(data, (size_t)n, "sdp", sdp, sizeof(sdp));
		address_of(sdp, &c->web.peer);
	} else if (!strcmp(command, "answer") && c && !c->web.fd) {
		h = &c->web;
		(void)ng_get(data, (size_t)n, "sdp", sdp, sizeof(sdp));
		address_of(sdp, &c->phone.peer);
	} else if (!strcmp(command, "delete") && c) {
		if (c->web.fd)
			(void)close(c->web.fd);
		(void)close(c->phone.fd);
		gw_srtp_free(c->web.srtp);
		free(c);
		*at = NULL;
	} else if (c) {
		return; /* asked again: the answer is on its way */
	}
	ng_begin(&o, cookie);
	ng_text(&o, "result", "ok");
	if (h) {
		port = open_half(h, h == &c->web);
		/* Both are known once the answer is here. */
		if (h == &c->web) {
			connect_half(&c->web);
			connect_half(&c->phone);
		}
		(void)snprintf(answer, sizeof(answer),
			       "v=0\r\nc=IN IP4 127.0.0.1\r\n"
			       "m=audio %u RTP/AVP 0\r\n",
			       port);
		ng_text(&o, "sdp", answer);
	}
	ng_end(&o);
	(void)sendto(control, o.data, o.len, 0, (struct sockaddr *)&from, len);
}

static void on_packet(struct half *h)
{
	uint8_t buf[2048];
	ssize_t n = recv(h->fd, buf, 1500, 0);
	size_t len = (size_t)n;

	if (n <= 0)
		return;
	if (h->srtp && gw_srtp_unprotect(h->srtp, buf, &len))
		return;
	h = h->other;
	if (h->srtp && gw_srtp_protect(h->srtp, buf, &len, sizeof(buf)))
		return;
	(void)send(h->fd, buf, len, 0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct epoll_event ev[256] = { { .events = EPOLLIN } };
	char host[64];
	unsigned port;

	if (argc < 2 || sscanf(argv[1], "%63[^:]:%u", host, &port) != 2)
		return 2;
	for (int i = 2; i < argc; i++) {
		clear |= !strcmp(argv[i], "clear");
		cm |= !strcmp(argv[i], "cm");
	}
	assert(!gw_srtp_init());
	(void)inet_pton(AF_INET, host, &address);
	poll_fd = epoll_create1(0);
	control = socket(AF_INET, SOCK_DGRAM, 0);
	at.sin_port = htons((uint16_t)port);
	at.sin_addr = address;
	if (bind(control, (struct sockaddr *)&at, sizeof(at))) {
		perror("bind");
		return 1;
	}
	assert(!epoll_ctl(poll_fd, EPOLL_CTL_ADD, control, &ev[0]));
	for (;;) {
		int n = epoll_wait(poll_fd, ev, 256, -1);

		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr)
				on_packet(ev[i].data.ptr);
			else
				on_control();
		}
	}
}
