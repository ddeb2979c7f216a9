#include "tests/net/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/timers.h"

#define MAX_PACKET    2048
#define MAX_WAITING   65536 /* on the wire; more are lost, as on real ones */
#define NAT_PORTS     1024
#define NAT_FIRST     20000
#define NAT_LIFETIMES 20 /* blocks of external ports before they come again */

struct packet {
	uint64_t due_us, order; /* equal dues leave as they came */
	uint16_t len;
	uint8_t to;                           /* enum wire_end */
	_Alignas(4) uint8_t data[MAX_PACKET]; /* headers are read in place */
};

struct mapping {
	in_addr_t addr; /* network order, 0: free */
	in_port_t port;
};

struct wire {
	int original_ns, ns[WIRE_NENDS], tun[WIRE_NENDS];
	int wake[2];
	unsigned mtu;
	pthread_t thread;
	atomic_bool stop;

	pthread_mutex_t lock; /* of all below */
	uint64_t random;
	struct wire_terms terms[WIRE_NENDS];
	struct wire_counts counts[WIRE_NENDS];
	uint64_t last_due_us[WIRE_NENDS];
	bool nat, first_cut;
	unsigned lifetime;
	struct mapping map[NAT_PORTS];

	size_t nheap; /* thread only; a binary heap by due_us, order */
	uint64_t order;
	struct packet *heap[MAX_WAITING];
};

static void die(const char *what)
{
	(void)fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- namespaces ---- */

static int open_ns(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("namespace");
	return fd;
}

static int open_tun(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		die("/dev/net/tun");
	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "wire");
	if (ioctl(fd, TUNSETIFF, &ifr))
		die("TUNSETIFF");
	return fd;
}

static void run(const char *command)
{
	if (system(command))
		die(command);
}

static void make_end(struct wire *w, enum wire_end end)
{
	char command[512];

	if (unshare(CLONE_NEWNET))
		die("a network namespace");
	w->ns[end] = open_ns();
	w->tun[end] = open_tun();
	(void)snprintf(
		command, sizeof(command),
		"ip link set lo up && ip link set wire mtu %u up && "
		"ip addr add %s/32 dev wire && "
		"ip route add 10.77.0.0/16 dev wire src %s",
		w->mtu,
		end == WIRE_GATEWAY ? WIRE_GATEWAY_ADDR : WIRE_BROWSER_ADDR,
		end == WIRE_GATEWAY ? WIRE_GATEWAY_ADDR : WIRE_BROWSER_ADDR);
	run(command);
	if (end == WIRE_BROWSER)
		run("ip addr add " WIRE_BROWSER_ADDR2 "/32 dev wire");
}

/* ---- what waits on the wire ---- */

static bool before(const struct packet *a, const struct packet *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us
				      : a->order < b->order;
}

static void heap_push(struct wire *w, struct packet *p)
{
	size_t i = w->nheap++;

	while (i && before(p, w->heap[(i - 1) / 2])) {
		w->heap[i] = w->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	w->heap[i] = p;
}

static struct packet *heap_pop(struct wire *w)
{
	struct packet *top = w->heap[0];
	struct packet *last = w->heap[--w->nheap];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= w->nheap)
			break;
		if (child + 1 < w->nheap &&
		    before(w->heap[child + 1], w->heap[child]))
			child++;
		if (!before(w->heap[child], last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

/* ---- what happens to a packet ---- */

/* xorshift64*: the seed is printed, so a run can be had again. */
static unsigned random_below(struct wire *w, unsigned n)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return (unsigned)((w->random * 0x2545f4914f6cdd1dull) >> 33) % n;
}

static bool happens(struct wire *w, unsigned thousandth)
{
	return thousandth && random_below(w, 1000) < thousandth;
}

/* RFC 1624: the sum after one 16-bit word has changed. */
static void fix_sum(uint16_t *sum, uint16_t was, uint16_t is)
{
	uint32_t s = (uint16_t) ~*sum + (uint32_t)(uint16_t)~was + is;

	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	*sum = (uint16_t)~s;
}

static void rewrite(struct iphdr *ip, struct udphdr *udp, in_addr_t *addr,
		    in_port_t *port, in_addr_t new_addr, in_port_t new_port)
{
	const in_addr_t old = *addr;

	fix_sum(&ip->check, (uint16_t)old, (uint16_t)new_addr);
	fix_sum(&ip->check, (uint16_t)(old >> 16), (uint16_t)(new_addr >> 16));
	fix_sum(&udp->check, (uint16_t)old, (uint16_t)new_addr);
	fix_sum(&udp->check, (uint16_t)(old >> 16), (uint16_t)(new_addr >> 16));
	fix_sum(&udp->check, *port, new_port);
	*addr = new_addr;
	*port = new_port;
}

static uint16_t external_port(const struct wire *w, unsigned slot)
{
	return (uint16_t)(NAT_FIRST + w->lifetime % NAT_LIFETIMES * NAT_PORTS +
			  slot);
}

static bool nat_out(struct wire *w, struct iphdr *ip, struct udphdr *udp)
{
	unsigned i;

	for (i = 0; i < NAT_PORTS && w->map[i].addr; i++)
		if (w->map[i].addr == ip->saddr &&
		    w->map[i].port == udp->source)
			break;
	if (i == NAT_PORTS)
		return false;
	w->map[i] = (struct mapping){ ip->saddr, udp->source };
	rewrite(ip, udp, &ip->saddr, &udp->source, inet_addr(WIRE_NAT_ADDR),
		htons(external_port(w, i)));
	return true;
}

static bool nat_in(struct wire *w, struct iphdr *ip, struct udphdr *udp)
{
	unsigned i = ntohs(udp->dest) - (unsigned)external_port(w, 0);

	if (ip->daddr != inet_addr(WIRE_NAT_ADDR) || i >= NAT_PORTS ||
	    !w->map[i].addr)
		return false;
	rewrite(ip, udp, &ip->daddr, &udp->dest, w->map[i].addr,
		w->map[i].port);
	return true;
}

/* Does @p get past the middle boxes?  Only UDP over IPv4 is of interest. */
static bool passes(struct wire *w, enum wire_end from, struct packet *p)
{
	struct iphdr *ip = (struct iphdr *)p->data;
	struct udphdr *udp = (struct udphdr *)(p->data + sizeof(*ip));
	const in_addr_t first = inet_addr(WIRE_BROWSER_ADDR);

	if (p->len < sizeof(*ip) + sizeof(*udp) || ip->version != 4)
		return false;
	if (ip->frag_off & htons(IP_MF | IP_OFFMASK)) {
		w->counts[from].fragments++;
		return false;
	}
	if (ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
		return false;
	/* The second network has no NAT. */
	if (from == WIRE_BROWSER) {
		if (ip->saddr != first)
			return true;
		return !w->first_cut && (!w->nat || nat_out(w, ip, udp));
	}
	if (ip->daddr == inet_addr(WIRE_BROWSER_ADDR2))
		return true;
	return !w->first_cut && (!w->nat || nat_in(w, ip, udp));
}

static void launch(struct wire *w, enum wire_end from, const struct packet *p,
		   uint64_t now_us)
{
	const struct wire_terms *t = &w->terms[from];
	struct packet *copy;
	uint64_t due = now_us + t->delay_ms * 1000u;

	if (w->nheap == MAX_WAITING || !(copy = malloc(sizeof(*copy)))) {
		w->counts[from].lost++;
		return;
	}
	if (t->jitter_ms)
		due += random_below(w, t->jitter_ms * 1000u);
	if (happens(w, t->reorder)) {
		/* Held back for two packets' time: those behind overtake. */
		due += 45000;
		w->counts[from].reordered++;
	} else {
		if (due < w->last_due_us[from])
			due = w->last_due_us[from];
		w->last_due_us[from] = due;
	}
	*copy = *p;
	copy->due_us = due;
	copy->order = w->order++;
	copy->to = from == WIRE_GATEWAY ? WIRE_BROWSER : WIRE_GATEWAY;
	heap_push(w, copy);
}

static void take(struct wire *w, enum wire_end from)
{
	struct packet p = { .len = 0 };
	const struct wire_terms *t = &w->terms[from];
	uint64_t now = gw_clock_monotonic_us(NULL);
	ssize_t n;

	while ((n = read(w->tun[from], p.data, sizeof(p.data))) > 0) {
		p.len = (uint16_t)n;
		if (t->cut || !passes(w, from, &p))
			continue;
		if ((size_t)n > w->mtu) {
			w->counts[from].too_long++;
			continue;
		}
		if (happens(w, t->loss)) {
			w->counts[from].lost++;
			continue;
		}
		launch(w, from, &p, now);
		if (happens(w, t->repeat)) {
			w->counts[from].repeated++;
			launch(w, from, &p, now);
		}
	}
}

static int deliver(struct wire *w)
{
	uint64_t now = gw_clock_monotonic_us(NULL);

	while (w->nheap && w->heap[0]->due_us <= now) {
		struct packet *p = heap_pop(w);
		enum wire_end from =
			p->to == WIRE_GATEWAY ? WIRE_BROWSER : WIRE_GATEWAY;

		if (write(w->tun[p->to], p->data, p->len) == p->len)
			w->counts[from].carried++;
		else
			w->counts[from].lost++;
		free(p);
	}
	if (!w->nheap)
		return -1;
	return (int)((w->heap[0]->due_us - now) / 1000) + 1;
}

static void *carry(void *arg)
{
	struct wire *w = arg;
	struct pollfd fds[WIRE_NENDS + 1] = {
		{.fd = w->tun[WIRE_GATEWAY],  .events = POLLIN},
		{ .fd = w->tun[WIRE_BROWSER], .events = POLLIN},
		{ .fd = w->wake[0],           .events = POLLIN},
	};
	int wait_ms = -1;

	while (!atomic_load(&w->stop)) {
		(void)poll(fds, WIRE_NENDS + 1, wait_ms);
		(void)pthread_mutex_lock(&w->lock);
		take(w, WIRE_GATEWAY);
		take(w, WIRE_BROWSER);
		wait_ms = deliver(w);
		(void)pthread_mutex_unlock(&w->lock);
	}
	return NULL;
}

/* ---- from outside ---- */

struct wire *wire_new(unsigned mtu, uint64_t seed)
{
	struct wire *w = calloc(1, sizeof(*w));

	assert(w && mtu <= MAX_PACKET);
	w->mtu = mtu;
	w->random = seed * 2 + 1;
	(void)printf("wire: seed %llu\n", (unsigned long long)seed);
	w->original_ns = open_ns();
	make_end(w, WIRE_BROWSER);
	make_end(w, WIRE_GATEWAY);
	if (pipe2(w->wake, O_CLOEXEC) || pthread_mutex_init(&w->lock, NULL) ||
	    pthread_create(&w->thread, NULL, carry, w))
		die("thread");
	return w;
}

void wire_free(struct wire *w)
{
	atomic_store(&w->stop, true);
	if (write(w->wake[1], "", 1) != 1)
		die("wake");
	(void)pthread_join(w->thread, NULL);
	while (w->nheap)
		free(heap_pop(w));
	if (setns(w->original_ns, CLONE_NEWNET))
		die("setns");
	(void)close(w->original_ns);
	for (int i = 0; i < WIRE_NENDS; i++) {
		(void)close(w->tun[i]);
		(void)close(w->ns[i]);
		(void)close(w->wake[i]);
	}
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
}

void wire_enter(const struct wire *w, enum wire_end end)
{
	if (setns(w->ns[end], CLONE_NEWNET))
		die("setns");
}

void wire_set(struct wire *w, enum wire_end from, const struct wire_terms *t)
{
	(void)pthread_mutex_lock(&w->lock);
	w->terms[from] = *t;
	(void)pthread_mutex_unlock(&w->lock);
}

void wire_set_both(struct wire *w, const struct wire_terms *t)
{
	wire_set(w, WIRE_GATEWAY, t);
	wire_set(w, WIRE_BROWSER, t);
}

void wire_nat(struct wire *w, bool on)
{
	(void)pthread_mutex_lock(&w->lock);
	w->nat = on;
	memset(w->map, 0, sizeof(w->map));
	(void)pthread_mutex_unlock(&w->lock);
}

void wire_rebind(struct wire *w)
{
	(void)pthread_mutex_lock(&w->lock);
	w->lifetime++;
	(void)pthread_mutex_unlock(&w->lock);
}

void wire_cut_first_network(struct wire *w, bool cut)
{
	(void)pthread_mutex_lock(&w->lock);
	w->first_cut = cut;
	(void)pthread_mutex_unlock(&w->lock);
}

void wire_count(struct wire *w, enum wire_end from, struct wire_counts *out)
{
	(void)pthread_mutex_lock(&w->lock);
	*out = w->counts[from];
	(void)pthread_mutex_unlock(&w->lock);
}
