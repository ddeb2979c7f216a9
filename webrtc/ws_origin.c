#include "webrtc/ws_origin.h"

#include <string.h>
#include <strings.h>

bool gw_ws_host_valid(const char *host)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789.-_:[]";

	return host && *host && !host[strspn(host, ok)];
}

/* The scheme's own port may be written or left out: compare without it. */
static size_t without_default_port(const char *host, bool https)
{
	const char *port = https ? ":443" : ":80";
	size_t n = strlen(host), p = strlen(port);

	if (n > p && !strcmp(host + n - p, port))
		return n - p;
	return n;
}

static bool same_host(const char *a, const char *b, bool https)
{
	size_t na = without_default_port(a, https);
	size_t nb = without_default_port(b, https);

	return na == nb && !strncasecmp(a, b, na);
}

/* "https://host[:port]" -> its host part; false for anything else, such as
 * the "null" of a sandboxed frame. */
static bool split(const char *origin, const char **host, bool *https)
{
	if (!strncasecmp(origin, "https://", 8)) {
		*host = origin + 8;
		*https = true;
	} else if (!strncasecmp(origin, "http://", 7)) {
		*host = origin + 7;
		*https = false;
	} else {
		return false;
	}
	return gw_ws_host_valid(*host);
}

static bool is_self(const char *origin, const char *host, bool tls)
{
	const char *ohost;
	bool https;

	if (!host || !split(origin, &ohost, &https))
		return false;
	/* On a plain (loopback) listener https is right too: a proxy in front
	 * ended the TLS.  The other way round it would be another origin. */
	if (tls && !https)
		return false;
	return same_host(ohost, host, https);
}

static bool is_entry(const char *origin, const char *entry)
{
	const char *ohost, *ehost;
	bool ohttps, ehttps;

	if (!split(origin, &ohost, &ohttps) || !split(entry, &ehost, &ehttps))
		return false;
	return ohttps == ehttps && same_host(ohost, ehost, ohttps);
}

bool gw_ws_origin_allowed(const struct gw_set_web *web, const char *origin,
			  const char *host, bool tls)
{
	if (!web->norigin)
		return origin && is_self(origin, host, tls);
	for (size_t i = 0; i < web->norigin; i++) {
		const char *entry = web->origin[i];

		if (!strcmp(entry, "*"))
			return true;
		if (!origin) {
			if (!strcmp(entry, "none"))
				return true;
		} else if (!strcmp(entry, "self")) {
			if (is_self(origin, host, tls))
				return true;
		} else if (is_entry(origin, entry)) {
			return true;
		}
	}
	return false;
}
