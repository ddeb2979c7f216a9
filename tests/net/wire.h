/*
 * tests/net/wire.h - a bad network between two namespaces
 *
 * Two network namespaces, GATEWAY and BROWSER, each with a TUN device; a
 * thread carries IP packets from one to the other and does to them what real
 * networks do: loses, repeats, delays and reorders them, puts a NAT in front
 * of the browser, forgets its mappings, or breaks.  Needs CAP_NET_ADMIN; no
 * netem.
 *
 * A socket belongs to the namespace that its thread was in when it was made:
 * wire_enter() before making one.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stdint.h>

enum wire_end { WIRE_GATEWAY, WIRE_BROWSER, WIRE_NENDS };

#define WIRE_GATEWAY_ADDR  "10.77.0.1"
#define WIRE_BROWSER_ADDR  "10.77.1.1"
#define WIRE_BROWSER_ADDR2 "10.77.1.2" /* its other network */
#define WIRE_NAT_ADDR      "10.77.2.1"

/* Of the packets that one end sends. */
struct wire_terms {
	unsigned loss, repeat, reorder; /* of a thousand */
	unsigned delay_ms, jitter_ms;   /* jitter alone keeps the order */
	bool cut;
};

struct wire_counts {
	uint64_t carried, lost, repeated, reordered, too_long;
	uint64_t fragments; /* of IP, which it does not carry */
};

struct wire;

/* Every packet passes, at once.  Exits the process, with a line saying why,
 * where namespaces or TUN devices cannot be made. */
struct wire *wire_new(unsigned mtu, uint64_t seed);
void wire_free(struct wire *w); /* back in the namespace of before */

/* Calling thread, and threads that it starts from now on. */
void wire_enter(const struct wire *w, enum wire_end end);

void wire_set(struct wire *w, enum wire_end from, const struct wire_terms *t);
void wire_set_both(struct wire *w, const struct wire_terms *t);
/* What the browser's end sends comes from WIRE_NAT_ADDR, by a mapping for each
 * of its ports; who sends to a mapping gets through. */
void wire_nat(struct wire *w, bool on);
/* New mappings for all; the old ones are dead. */
void wire_rebind(struct wire *w);
/* The browser's first network is gone, both ways. */
void wire_cut_first_network(struct wire *w, bool cut);

void wire_count(struct wire *w, enum wire_end from, struct wire_counts *out);

#endif
