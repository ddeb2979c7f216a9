/*
 * gateway/base/addr.h - an IP transport address as a small plain value
 *
 * Twenty bytes instead of sockaddr_storage's 128, so that it fits in messages
 * between threads.  No thread, no allocation.
 */
#ifndef GW_BASE_ADDR_H
#define GW_BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_addr {
	uint8_t family; /* AF_INET, AF_INET6, or 0: none */
	uint8_t ip[16]; /* network order; the first 4 bytes for AF_INET */
	uint16_t port;  /* host order */
};

#define GW_ADDR_STRLEN 56 /* "[" IPv6 "]:" port and NUL */

/* A literal address without port ("192.0.2.1", "2001:db8::1", "[::1]").
 * 0 or -EINVAL; names are never looked up. */
int gw_addr_parse(struct gw_addr *out, const char *ip, uint16_t port);

/* "192.0.2.1:5060", "[2001:db8::1]:5060".  0 or -EINVAL. */
int gw_addr_parse_hostport(struct gw_addr *out, const char *text);

/* The address alone, without brackets or port; returns @buf. */
const char *gw_addr_ip(const struct gw_addr *a, char *buf, size_t size);

/* Address and port, brackets round IPv6; returns @buf. */
const char *gw_addr_print(const struct gw_addr *a, char *buf, size_t size);

socklen_t gw_addr_to_sockaddr(const struct gw_addr *a,
			      struct sockaddr_storage *ss);
/* IPv4-mapped IPv6 becomes IPv4.  0 or -EAFNOSUPPORT. */
int gw_addr_from_sockaddr(struct gw_addr *out, const struct sockaddr *sa);

bool gw_addr_equal(const struct gw_addr *a, const struct gw_addr *b);
bool gw_addr_same_ip(const struct gw_addr *a, const struct gw_addr *b);
bool gw_addr_is_loopback(const struct gw_addr *a);
bool gw_addr_is_any(const struct gw_addr *a); /* 0.0.0.0, :: */

#endif
