#include "webrtc/ws_limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway/base/ids.h"

#define BUCKETS   4096
#define WINDOW_US 60000000u

struct gw_ws_limits {
	struct gw_ws_ip *bucket[BUCKETS];
	struct gw_ws_ip lru; /* head: next = most recently used */
	size_t idle, idle_max, count;
	uint64_t seed; /* nobody outside can aim at one bucket */
};

int gw_ws_limits_new(struct gw_ws_limits **out, size_t idle_max)
{
	struct gw_ws_limits *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->lru.lru_next = l->lru.lru_prev = &l->lru;
	l->idle_max = idle_max;
	l->seed = gw_random_u64();
	*out = l;
	return 0;
}

void gw_ws_limits_free(struct gw_ws_limits *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (l->bucket[i]) {
			struct gw_ws_ip *ip = l->bucket[i];

			l->bucket[i] = ip->hash_next;
			free(ip);
		}
	}
	free(l);
}

static void make_key(uint8_t key[16], const struct gw_addr *addr)
{
	memset(key, 0, 16);
	memcpy(key, addr->ip, addr->family == AF_INET6 ? 8 : 4);
}

static struct gw_ws_ip **find_slot(struct gw_ws_limits *l,
				   const struct gw_addr *addr, uint8_t key[16])
{
	uint64_t h = l->seed ^ addr->family;
	struct gw_ws_ip **slot;

	make_key(key, addr);
	for (size_t i = 0; i < 8; i++) {
		h = (h ^ key[i]) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	slot = &l->bucket[h % BUCKETS];
	while (*slot && ((*slot)->family != addr->family ||
			 memcmp((*slot)->key, key, 16) != 0))
		slot = &(*slot)->hash_next;
	return slot;
}

static bool in_use(const struct gw_ws_ip *ip)
{
	return ip->sockets || ip->websockets;
}

static void lru_remove(struct gw_ws_limits *l, struct gw_ws_ip *ip)
{
	if (!ip->lru_next)
		return;
	ip->lru_next->lru_prev = ip->lru_prev;
	ip->lru_prev->lru_next = ip->lru_next;
	ip->lru_next = ip->lru_prev = NULL;
	l->idle--;
}

static void drop(struct gw_ws_limits *l, struct gw_ws_ip *ip)
{
	struct gw_addr addr = { .family = ip->family };
	struct gw_ws_ip **slot;
	uint8_t key[16];

	memcpy(addr.ip, ip->key, sizeof(addr.ip));
	slot = find_slot(l, &addr, key);
	lru_remove(l, ip);
	if (*slot == ip) {
		*slot = ip->hash_next;
		l->count--;
	}
	free(ip);
}

/* Nothing open: remember it while there is room, at the young end. */
static void lru_touch(struct gw_ws_limits *l, struct gw_ws_ip *ip)
{
	lru_remove(l, ip);
	ip->lru_next = l->lru.lru_next;
	ip->lru_prev = &l->lru;
	ip->lru_next->lru_prev = ip;
	l->lru.lru_next = ip;
	l->idle++;
	if (l->idle > l->idle_max)
		drop(l, l->lru.lru_prev);
}

static struct gw_ws_ip *get(struct gw_ws_limits *l, const struct gw_addr *addr)
{
	uint8_t key[16];
	struct gw_ws_ip **slot = find_slot(l, addr, key), *ip = *slot;

	if (ip)
		return ip;
	ip = calloc(1, sizeof(*ip));
	if (!ip)
		return NULL;
	memcpy(ip->key, key, sizeof(key));
	ip->family = addr->family;
	l->count++;
	*slot = ip;
	return ip;
}

struct gw_ws_ip *gw_ws_limits_open(struct gw_ws_limits *l,
				   const struct gw_addr *addr)
{
	struct gw_ws_ip *ip = get(l, addr);

	if (!ip)
		return NULL;
	lru_remove(l, ip);
	ip->sockets++;
	return ip;
}

void gw_ws_limits_close(struct gw_ws_limits *l, struct gw_ws_ip *ip)
{
	ip->sockets--;
	if (in_use(ip))
		return;
	if (ip->failures || ip->paused_until_us)
		lru_touch(l, ip);
	else
		drop(l, ip);
}

bool gw_ws_limits_fail(struct gw_ws_limits *l, const struct gw_addr *addr,
		       uint64_t now_us, unsigned max, uint32_t pause_ms)
{
	struct gw_ws_ip *ip = get(l, addr);

	if (!ip)
		return false;
	if (!ip->failures || now_us - ip->window_us > WINDOW_US) {
		ip->failures = 0;
		ip->window_us = now_us;
	}
	ip->failures++;
	if (!in_use(ip))
		lru_touch(l, ip);
	if (!max || ip->failures < max || !pause_ms)
		return false;
	ip->failures = 0;
	if (ip->paused_until_us > now_us)
		return false; /* what was under way when the pause began */
	ip->paused_until_us = now_us + (uint64_t)pause_ms * 1000;
	return true;
}

uint64_t gw_ws_limits_wait_ms(const struct gw_ws_ip *ip, uint64_t now_us)
{
	if (ip->paused_until_us <= now_us)
		return 0;
	return (ip->paused_until_us - now_us + 999) / 1000;
}

size_t gw_ws_limits_count(const struct gw_ws_limits *l)
{
	return l->count;
}
