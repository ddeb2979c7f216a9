#include "media/rtpsock_priv.h"

#include <errno.h>
#include <stdlib.h>

/* A ring of free even ports: taken at the head, given back at the tail. */
struct gw_ports {
	size_t cap;
	size_t head;
	size_t count;
	uint16_t port[];
};

int gw_ports_new(struct gw_ports **out, uint16_t min, uint16_t max,
		 unsigned index, unsigned shares)
{
	unsigned first = min + (min & 1u);
	size_t pairs = first + 1 <= max ? (max - first + 1u) / 2 : 0;
	size_t from;
	size_t to;
	struct gw_ports *p;

	if (!min || !shares || index >= shares)
		return -EINVAL;
	from = pairs * index / shares;
	to = pairs * (index + 1) / shares;
	if (from == to)
		return -EINVAL;

	p = calloc(1, sizeof(*p) + (to - from) * sizeof(p->port[0]));
	if (!p)
		return -ENOMEM;
	for (size_t i = from; i < to; i++)
		p->port[p->cap++] = (uint16_t)(first + 2 * i);
	p->count = p->cap;
	*out = p;
	return 0;
}

void gw_ports_free(struct gw_ports *p)
{
	free(p);
}

size_t gw_ports_available(const struct gw_ports *p)
{
	return p->count;
}

uint16_t gw_ports_take(struct gw_ports *p)
{
	uint16_t port;

	if (!p->count)
		return 0;
	port = p->port[p->head];
	p->head = (p->head + 1) % p->cap;
	p->count--;
	return port;
}

void gw_ports_give(struct gw_ports *p, uint16_t port)
{
	p->port[(p->head + p->count) % p->cap] = port;
	p->count++;
}
