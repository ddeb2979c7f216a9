/* load.c - see load.h.  Prints one JSON object of what was measured. */
#include "tests/bench/load.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH     64
#define PACKET_US 20000
#define SOCKBUF   (16 << 20)

/* ---- delays ---- */

void delays_add(struct delays *d, uint64_t us)
{
	uint64_t step = us / 10;

	d->count++;
	d->sum_us += us;
	if (us > d->max_us)
		d->max_us = us;
	d->step[step < DELAY_STEPS ? step : DELAY_STEPS - 1]++;
}

uint64_t delays_at(const struct delays *d, double share)
{
	uint64_t want = (uint64_t)((double)d->count * share), seen = 0;

	for (unsigned i = 0; i < DELAY_STEPS; i++) {
		seen += d->step[i];
		if (seen > want)
			return (uint64_t)i * 10;
	}
	return d->max_us;
}

/* ---- what the relay costs ---- */

static double cpu_of(int pid)
{
	struct timespec ts;
	clockid_t clock;

	if (pid <= 0 || clock_getcpuclockid(pid, &clock) ||
	    clock_gettime(clock, &ts))
		return 0;
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static long rss_kb(int pid)
{
	char path[64], line[256];
	long kb = 0;
	FILE *fp;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fp = fopen(path, "r");
	while (fp && fgets(line, sizeof(line), fp))
		(void)sscanf(line, "VmRSS: %ld", &kb);
	if (fp)
		(void)fclose(fp);
	return kb;
}

/* ---- sockets ---- */

static int udp(struct sockaddr_in *out, const char *address)
{
	const int big = SOCKBUF;
	socklen_t len = sizeof(*out);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert(fd >= 0);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big)))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big)))
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	memset(out, 0, sizeof(*out));
	out->sin_family = AF_INET;
	assert(inet_pton(AF_INET, address, &out->sin_addr) == 1);
	assert(!bind(fd, (struct sockaddr *)out, sizeof(*out)));
	assert(!getsockname(fd, (struct sockaddr *)out, &len));
	return fd;
}

static void connect_control(struct load *l)
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

/* ---- packets ---- */

struct burst {
	unsigned n;
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in to[BATCH];
	uint8_t data[BATCH][512];
};

static struct burst web_burst, phone_burst;

static void burst_send(struct load *l, struct burst *b, int fd)
{
	unsigned done = 0;

	(void)l;
	while (done < b->n) {
		int n = sendmmsg(fd, b->msg + done, b->n - done, 0);

		if (n <= 0)
			break;
		done += (unsigned)n;
	}
	b->n = 0;
}

static uint8_t *burst_next(struct load *l, struct burst *b, int fd,
			   const struct sockaddr_in *to)
{
	unsigned i;

	if (b->n == BATCH)
		burst_send(l, b, fd);
	i = b->n;
	b->to[i] = *to;
	return b->data[i];
}

static void burst_add(struct burst *b, size_t len)
{
	unsigned i = b->n++;

	b->iov[i] = (struct iovec){ b->data[i], len };
	b->msg[i].msg_hdr = (struct msghdr){ .msg_name = &b->to[i],
					     .msg_namelen = sizeof(b->to[i]),
					     .msg_iov = &b->iov[i],
					     .msg_iovlen = 1 };
}

static size_t make_packet(const struct call *c, uint8_t *p, uint32_t ssrc)
{
	uint64_t now = load_now_us();

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
	uint8_t *p;
	size_t len;

	c->seq++;
	c->timestamp += PAYLOAD;
	p = burst_next(l, &phone_burst, l->phone, &c->phone);
	burst_add(&phone_burst, make_packet(c, p, PHONE_SSRC + c->index));
	l->sent_phone++;

	p = burst_next(l, &web_burst, l->web, &c->web);
	len = make_packet(c, p, WEB_SSRC + c->index);
	if (c->srtp && gw_srtp_protect(c->srtp, p, &len, 512))
		return;
	burst_add(&web_burst, len);
	l->sent_web++;
}

static void heard(struct load *l, struct delays *d, const uint8_t *p,
		  size_t len)
{
	uint64_t sent;

	if (len < 12 + PAYLOAD) {
		l->bad++;
		return;
	}
	memcpy(&sent, p + 12, sizeof(sent));
	if (sent > l->now_us) /* read a moment before it was taken out */
		sent = l->now_us;
	delays_add(d, l->now_us - sent);
}

static bool is_rtp(const uint8_t *p, size_t len)
{
	return len >= 12 && p[0] >= 128 && p[0] < 192 &&
	       !((p[1] & 0x7f) >= 64 && (p[1] & 0x7f) < 96);
}

static void from_web(struct load *l, struct call *c, uint8_t *p, size_t len)
{
	if (!is_rtp(p, len)) {
		call_web_packet(l, c, p, len);
		return;
	}
	if (c->state != CALL_UP)
		return;
	if (c->srtp && gw_srtp_unprotect(c->srtp, p, &len)) {
		l->bad++;
		return;
	}
	l->got_web++;
	heard(l, &l->to_web, p, len);
}

static void from_phone(struct load *l, struct call *c, const uint8_t *p,
		       size_t len)
{
	if (!is_rtp(p, len) || c->state != CALL_UP)
		return;
	l->got_phone++;
	heard(l, &l->to_phone, p, len);
}

static unsigned drain(struct load *l, bool web)
{
	static struct mmsghdr msg[BATCH];
	static struct iovec iov[BATCH];
	static struct sockaddr_in from[BATCH];
	static uint8_t data[BATCH][2048];
	unsigned total = 0;
	int n;

	do {
		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){ data[i], sizeof(data[i]) };
			msg[i].msg_hdr =
				(struct msghdr){ .msg_name = &from[i],
						 .msg_namelen = sizeof(from[i]),
						 .msg_iov = &iov[i],
						 .msg_iovlen = 1 };
		}
		n = recvmmsg(web ? l->web : l->phone, msg, BATCH, 0, NULL);
		l->now_us = load_now_us();
		for (int i = 0; i < n; i++) {
			uint16_t port = ntohs(from[i].sin_port);
			unsigned at = web ? l->by_web_port[port]
					  : l->by_phone_port[port];

			if (!at)
				continue;
			if (web)
				from_web(l, &l->call[at - 1], data[i],
					 msg[i].msg_len);
			else
				from_phone(l, &l->call[at - 1], data[i],
					   msg[i].msg_len);
		}
		total += n > 0 ? (unsigned)n : 0;
	} while (n == BATCH);
	return total;
}

static void drain_control(struct load *l)
{
	static char data[16384];
	ssize_t n;

	while ((n = recv(l->control, data, sizeof(data) - 1, 0)) > 0) {
		data[n] = '\0';
		call_control(l, data, (size_t)n);
	}
}

/* ---- the turn ---- */

static void turn(struct load *l)
{
	struct pollfd fds[3 + DAEMON_FDS] = {
		{.fd = l->web,                           .events = POLLIN},
		{ .fd = l->phone,                        .events = POLLIN},
		{ .fd = l->opt.daemon ? -1 : l->control, .events = POLLIN},
	};
	static uint64_t next_step_us;

	int n = 3;

	if (l->opt.daemon)
		n += daemon_fds(fds + 3);
	(void)poll(fds, (nfds_t)n, 1);
	l->now_us = load_now_us();
	if (l->opt.daemon)
		daemon_turn(l, fds + 3);
	else
		drain_control(l);
	(void)drain(l, true);
	(void)drain(l, false);
	if (l->opt.media) {
		for (unsigned i = 0; i < l->ncall; i++) {
			struct call *c = &l->call[i];

			if (c->state != CALL_UP ||
			    l->now_us < c->next_packet_us)
				continue;
			talk(l, c);
			c->next_packet_us += PACKET_US;
			if (c->next_packet_us + 100000 < l->now_us)
				c->next_packet_us = l->now_us;
		}
		burst_send(l, &web_burst, l->web);
		burst_send(l, &phone_burst, l->phone);
	}
	if (l->now_us < next_step_us)
		return;
	next_step_us = l->now_us + 5000;
	for (unsigned i = 0; i < l->ncall; i++)
		call_step(l, &l->call[i]);
}

static void set_up_all(struct load *l)
{
	uint64_t begin = load_now_us();
	unsigned started = 0;

	while (l->up + l->failed < l->opt.calls) {
		l->now_us = load_now_us();
		while (started < l->opt.calls &&
		       (l->now_us - begin) * l->opt.rate >=
			       started * 1000000ull)
			call_offer(l, &l->call[started++]);
		turn(l);
	}
}

/* Calls that come and go beside the others; each lives for half a second. */
static void churn(struct load *l, uint64_t begin, unsigned *started)
{
	for (unsigned i = l->opt.calls; i < l->ncall; i++) {
		struct call *c = &l->call[i];

		if (c->state == CALL_UP && l->now_us > c->began_us + 500000)
			call_delete(l, c);
		if (c->state == CALL_IDLE &&
		    (l->now_us - begin) * l->opt.churn >=
			    *started * 1000000ull) {
			(*started)++;
			call_offer(l, c);
		}
	}
}

static void tear_down(struct load *l)
{
	for (unsigned i = 0; i < l->ncall; i++)
		if (l->call[i].state != CALL_IDLE &&
		    l->call[i].state != CALL_DELETED)
			call_delete(l, &l->call[i]);
	for (uint64_t end = load_now_us() + 5000000; load_now_us() < end;) {
		bool left = false;

		turn(l);
		for (unsigned i = 0; i < l->ncall; i++)
			left |= l->call[i].state != CALL_IDLE;
		if (!left)
			break;
	}
}

static void print_delays(const char *name, const struct delays *d)
{
	(void)printf(
		"\"%s\":{\"n\":%llu,\"p50\":%llu,\"p99\":%llu,\"max\":%llu},",
		name, (unsigned long long)d->count,
		(unsigned long long)delays_at(d, 0.5),
		(unsigned long long)delays_at(d, 0.99),
		(unsigned long long)d->max_us);
}

static void measure(struct load *l)
{
	double cpu0 = cpu_of(l->opt.pid), own0, cpu1, cpu2, own1;
	long rss0 = rss_kb(l->opt.pid), rss1, rss2;
	uint64_t begin, end, sent, got;
	unsigned started = 0, live;

	set_up_all(l);
	cpu1 = cpu_of(l->opt.pid);
	/* Let the first packets and the handshakes' last timers pass. */
	if (l->opt.seconds)
		for (end = load_now_us() + 1000000; load_now_us() < end;)
			turn(l);
	rss1 = rss_kb(l->opt.pid);
	live = l->up;
	memset(&l->to_phone, 0, sizeof(l->to_phone));
	memset(&l->to_web, 0, sizeof(l->to_web));
	sent = l->sent_web + l->sent_phone;
	got = l->got_web + l->got_phone;
	begin = load_now_us();
	own0 = cpu_of(getpid());
	cpu2 = cpu_of(l->opt.pid);
	while (load_now_us() < begin + l->opt.seconds * 1000000ull) {
		turn(l);
		if (l->opt.churn)
			churn(l, begin, &started);
	}
	end = load_now_us();
	cpu2 = cpu_of(l->opt.pid) - cpu2;
	own1 = cpu_of(getpid()) - own0;
	sent = l->sent_web + l->sent_phone - sent;
	got = l->got_web + l->got_phone - got;
	(void)printf("{\"calls\":%u,\"up\":%u,\"failed\":%u,", l->opt.calls,
		     live, l->failed);
	(void)printf("\"setup_cpu_ms\":%.4f,",
		     (cpu1 - cpu0) * 1e3 / (l->opt.calls ? l->opt.calls : 1));
	(void)printf(
		"\"seconds\":%.2f,\"sent\":%llu,\"got\":%llu,\"bad\":%llu,",
		(double)(end - begin) / 1e6, (unsigned long long)sent,
		(unsigned long long)got, (unsigned long long)l->bad);
	(void)printf("\"cpu_s\":%.4f,\"us_a_packet\":%.3f,\"load_cpu\":%.3f,",
		     cpu2, got ? cpu2 * 1e6 / (double)got : 0.0,
		     own1 * 1e6 / (double)(end - begin + 1));
	(void)printf("\"idle_us_a_call\":%.2f,\"churned\":%u,",
		     live ? cpu2 * 1e6 / live /
				     (l->opt.seconds ? l->opt.seconds : 1)
			  : 0.0,
		     started);
	print_delays("to_phone", &l->to_phone);
	print_delays("to_web", &l->to_web);
	print_delays("setup", &l->setup);
	tear_down(l);
	cpu1 = cpu_of(l->opt.pid);
	rss2 = rss_kb(l->opt.pid);
	(void)printf(
		"\"whole_cpu_ms\":%.4f,\"rss_kb\":[%ld,%ld,%ld],"
		"\"rss_kb_a_call\":%.1f}\n",
		(cpu1 - cpu0 - cpu2) * 1e3 / (l->opt.calls ? l->opt.calls : 1),
		rss0, rss1, rss2, live ? (double)(rss1 - rss0) / live : 0.0);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"control",  required_argument, NULL, 'c'},
		{ "daemon",  required_argument, NULL, 'd'},
		{ "address", required_argument, NULL, 'a'},
		{ "calls",   required_argument, NULL, 'n'},
		{ "rate",    required_argument, NULL, 'r'},
		{ "seconds", required_argument, NULL, 's'},
		{ "churn",   required_argument, NULL, 'u'},
		{ "pid",     required_argument, NULL, 'p'},
		{ "media",   no_argument,       NULL, 'm'},
		{ "raw",     no_argument,       NULL, 'w'},
		{ "clear",   no_argument,       NULL, 'l'},
		{ "cm",      no_argument,       NULL, 'k'},
		{ NULL,      0,                 NULL, 0  },
	};
	static struct load l = {
		.opt = {.address = "127.0.0.1", .calls = 10, .rate = 100}
	};
	int o;

	while ((o = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (o) {
		case 'c':
			l.opt.control = optarg;
			break;
		case 'd':
			l.opt.daemon = optarg;
			break;
		case 'a':
			l.opt.address = optarg;
			break;
		case 'n':
			l.opt.calls = (unsigned)atoi(optarg);
			break;
		case 'r':
			l.opt.rate = (unsigned)atoi(optarg);
			break;
		case 's':
			l.opt.seconds = (unsigned)atoi(optarg);
			break;
		case 'u':
			l.opt.churn = (unsigned)atoi(optarg);
			break;
		case 'p':
			l.opt.pid = atoi(optarg);
			break;
		case 'm':
			l.opt.media = true;
			break;
		case 'w':
			l.opt.raw = true;
			break;
		case 'l':
			l.opt.raw = l.opt.clear = true;
			break;
		case 'k':
			l.opt.cm = true;
			break;
		default:
			return 2;
		}
	}
	if (!l.opt.control == !l.opt.daemon)
		return 2;
	assert(!gw_srtp_init());
	l.ncall = l.opt.calls + l.opt.churn;
	l.call = calloc(l.ncall, sizeof(*l.call));
	assert(l.call);
	for (unsigned i = 0; i < l.ncall; i++)
		l.call[i].index = i;
	l.web = udp(&l.web_addr, l.opt.address);
	l.phone = udp(&l.phone_addr, "127.0.0.1");
	if (l.opt.daemon)
		daemon_connect(&l);
	else
		connect_control(&l);
	load_make_certificate(&l);
	measure(&l);
	return l.failed ? 1 : 0;
}
