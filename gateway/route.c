#include "gateway/route.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* The user part of sip:user@host, or the number of tel:number. */
static void user_part(const char *uri, const char **user, size_t *len)
{
	const char *start = strchr(uri, ':');
	const char *at;

	start = start ? start + 1 : uri;
	at = strchr(start, '@');
	*user = start;
	*len = at ? (size_t)(at - start) : strcspn(start, ";?");
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What stands at @at before @end, an escape undone (RFC 3986 2.4); -1: end. */
static int next_char(const char **at, const char *end)
{
	const char *p = *at;

	if (p >= end)
		return -1;
	if (end - p >= 3 && *p == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0) {
		*at = p + 3;
		return hex(p[1]) * 16 + hex(p[2]);
	}
	*at = p + 1;
	return (unsigned char)*p;
}

#define VISUAL "-.()" /* RFC 3966 5.1.1: no part of the number */

static bool is_number(const char *user, size_t len)
{
	const char *end = user + len;
	int c;

	while ((c = next_char(&user, end)) >= 0) {
		if (!c || !strchr("+0123456789*#" VISUAL, c))
			return false;
	}
	return len > 0;
}

static int next_digit(const char **at, const char *end)
{
	int c;

	do
		c = next_char(at, end);
	while (c > 0 && strchr(VISUAL, c));
	return c;
}

/* However a number is written it is the same one: who is barred from it must
 * not reach it by %30 for 0 (RFC 3261 19.1.4), or by a hyphen. */
static bool matches(const char *pattern, const char *text, size_t len,
		    bool number)
{
	int (*next)(const char **, const char *) =
		number ? next_digit : next_char;
	size_t n = strlen(pattern);
	bool prefix = n && pattern[n - 1] == '*';
	const char *end = text + len;

	n -= prefix;
	for (size_t i = 0; i < n; i++) {
		int c = next(&text, end);

		if (c < 0 || tolower(c) != tolower((unsigned char)pattern[i]))
			return false;
	}
	return prefix || next(&text, end) < 0;
}

bool gw_route_matches(const char *pattern, const char *uri)
{
	const char *user;
	size_t len, number, scheme;

	if (matches(pattern, uri, strcspn(uri, ";?"), false))
		return true;
	user_part(uri, &user, &len);
	if (matches(pattern, user, len, false))
		return true;
	/* Without what may follow a number, ";phone-context=" or a password. */
	number = strcspn(user, ";:");
	if (number < len)
		len = number;
	if (!is_number(user, len))
		return false;
	/* "tel:+1900*" names the scheme, too. */
	scheme = (size_t)(user - uri);
	if (scheme && !strncasecmp(pattern, uri, scheme))
		pattern += scheme;
	return matches(pattern, user, len, true);
}

static struct gw_route refuse(uint16_t status, const char *why)
{
	return (struct gw_route){ GW_ROUTE_REFUSE, status, why };
}

static struct gw_route to_user(struct gw_web *web, const char *target)
{
	if (gw_web_is_registered(web, target))
		return (struct gw_route){ GW_ROUTE_USER, 0, NULL };
	if (gw_web_is_user(web, target))
		return refuse(480, "the user is not registered");
	return refuse(404, "no such user");
}

static struct gw_route to_core(const struct gw_settings *set, bool from_core)
{
	/* RFC 3261 16.3: what came from there would go round in a circle. */
	if (from_core)
		return refuse(404, "no such user");
	if (!set->sip.core[0])
		return refuse(404, "no route to this address");
	return (struct gw_route){ GW_ROUTE_CORE, 0, NULL };
}

static struct gw_route configured(const struct gw_settings *set,
				  const struct gw_set_route *r,
				  struct gw_web *web, const char *target,
				  bool from_core)
{
	if (!strcmp(r->leg, "echo"))
		return (struct gw_route){ GW_ROUTE_ECHO, 0, NULL };
	if (!strcmp(r->leg, "user"))
		return to_user(web, target);
	if (!strcmp(r->leg, "core"))
		return to_core(set, from_core);
	return refuse(r->status ? r->status : 403, "refused by a route");
}

struct gw_route gw_route_find(const struct gw_settings *set, struct gw_web *web,
			      const char *target, bool from_core,
			      const char *registration)
{
	if (!target || !target[0])
		return refuse(404, "no target");

	for (size_t i = 0; i < set->nroute; i++) {
		if (gw_route_matches(set->route[i].match, target))
			return configured(set, &set->route[i], web, target,
					  from_core);
	}

	if (registration)
		return from_core ? (struct gw_route){ GW_ROUTE_USER, 0, NULL }
				 : to_core(set, false);
	/* A bearer token's subject need not be a configured user. */
	if (gw_web_is_registered(web, target) || gw_web_is_user(web, target))
		return to_user(web, target);
	return to_core(set, from_core);
}
