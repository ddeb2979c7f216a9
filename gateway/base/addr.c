#include "gateway/base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ::ffff:0:0/96 (RFC 4291 2.5.5.2) is the IPv4 peer of a dual-stack socket:
 * one spelling only, or comparisons would miss. */
static void set_ip6(struct gw_addr *out, const uint8_t ip[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (!memcmp(ip, mapped, sizeof(mapped))) {
		out->family = AF_INET;
		memcpy(out->ip, ip + 12, 4);
		return;
	}
	out->family = AF_INET6;
	memcpy(out->ip, ip, 16);
}

static int parse_ip(struct gw_addr *out, const char *ip, size_t len,
		    uint16_t port)
{
	struct gw_addr a = { .port = port };
	char text[INET6_ADDRSTRLEN];
	uint8_t ip6[16];

	if (len >= 2 && ip[0] == '[' && ip[len - 1] == ']') {
		ip++;
		len -= 2;
		if (!memchr(ip, ':', len))
			return -EINVAL;
	}
	if (len >= sizeof(text) || memchr(ip, '\0', len))
		return -EINVAL;
	memcpy(text, ip, len);
	text[len] = '\0';

	if (inet_pton(AF_INET, text, a.ip) == 1)
		a.family = AF_INET;
	else if (inet_pton(AF_INET6, text, ip6) == 1)
		set_ip6(&a, ip6);
	else
		return -EINVAL;
	*out = a;
	return 0;
}

int gw_addr_parse(struct gw_addr *out, const char *ip, uint16_t port)
{
	return parse_ip(out, ip, strlen(ip), port);
}

int gw_addr_parse_hostport(struct gw_addr *out, const char *text)
{
	const char *colon = strrchr(text, ':');
	size_t host_len;
	uint32_t port = 0;

	if (!colon || !colon[1] || strlen(colon + 1) > 5)
		return -EINVAL;
	for (const char *p = colon + 1; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		port = port * 10 + (uint32_t)(*p - '0');
	}
	if (port > 65535)
		return -EINVAL;

	host_len = (size_t)(colon - text);
	/* An IPv6 address needs its brackets here, or its last group would be
	 * taken for the port. */
	if (memchr(text, ':', host_len) && text[0] != '[')
		return -EINVAL;
	return parse_ip(out, text, host_len, (uint16_t)port);
}

const char *gw_addr_ip(const struct gw_addr *a, char *buf, size_t size)
{
	char text[INET6_ADDRSTRLEN] = "-";

	if (a->family == AF_INET || a->family == AF_INET6)
		(void)inet_ntop(a->family, a->ip, text, sizeof(text));
	(void)snprintf(buf, size, "%s", text);
	return buf;
}

const char *gw_addr_print(const struct gw_addr *a, char *buf, size_t size)
{
	char ip[INET6_ADDRSTRLEN];

	gw_addr_ip(a, ip, sizeof(ip));
	(void)snprintf(buf, size, a->family == AF_INET6 ? "[%s]:%u" : "%s:%u",
		       ip, a->port);
	return buf;
}

socklen_t gw_addr_to_sockaddr(const struct gw_addr *a,
			      struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (a->family == AF_INET) {
		struct sockaddr_in sin = { .sin_family = AF_INET,
					   .sin_port = htons(a->port) };

		memcpy(&sin.sin_addr, a->ip, 4);
		memcpy(ss, &sin, sizeof(sin));
		return sizeof(sin);
	}
	if (a->family == AF_INET6) {
		struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
					     .sin6_port = htons(a->port) };

		memcpy(&sin6.sin6_addr, a->ip, 16);
		memcpy(ss, &sin6, sizeof(sin6));
		return sizeof(sin6);
	}
	return 0;
}

int gw_addr_from_sockaddr(struct gw_addr *out, const struct sockaddr *sa)
{
	struct gw_addr a = { 0 };

	/* Copied, not cast: @sa may be a byte buffer of any alignment. */
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in sin;

		memcpy(&sin, sa, sizeof(sin));
		a.family = AF_INET;
		memcpy(a.ip, &sin.sin_addr, 4);
		a.port = ntohs(sin.sin_port);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 sin6;

		memcpy(&sin6, sa, sizeof(sin6));
		set_ip6(&a, sin6.sin6_addr.s6_addr);
		a.port = ntohs(sin6.sin6_port);
	} else {
		return -EAFNOSUPPORT;
	}
	*out = a;
	return 0;
}

static size_t ip_len(const struct gw_addr *a)
{
	if (a->family == AF_INET)
		return 4;
	return a->family == AF_INET6 ? 16 : 0;
}

bool gw_addr_same_ip(const struct gw_addr *a, const struct gw_addr *b)
{
	return a->family == b->family && !memcmp(a->ip, b->ip, ip_len(a));
}

bool gw_addr_equal(const struct gw_addr *a, const struct gw_addr *b)
{
	return a->port == b->port && gw_addr_same_ip(a, b);
}

bool gw_addr_is_loopback(const struct gw_addr *a)
{
	static const uint8_t ip6[16] = { [15] = 1 };

	if (a->family == AF_INET)
		return a->ip[0] == 127; /* RFC 1122 3.2.1.3 (g) */
	return a->family == AF_INET6 && !memcmp(a->ip, ip6, sizeof(ip6));
}

bool gw_addr_is_any(const struct gw_addr *a)
{
	static const uint8_t zero[16];

	return ip_len(a) && !memcmp(a->ip, zero, ip_len(a));
}
