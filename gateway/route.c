#include "gateway/route.h"

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

static bool glob(const char *pattern, const char *text, size_t len)
{
	size_t n = strlen(pattern);

	if (n && pattern[n - 1] == '*')
		return len >= n - 1 && !strncasecmp(pattern, text, n - 1);
	return len == n && !strncasecmp(pattern, text, n);
}

bool gw_route_matches(const char *pattern, const char *uri)
{
	const char *user;
	size_t len;

	if (glob(pattern, uri, strcspn(uri, ";?")))
		return true;
	user_part(uri, &user, &len);
	return glob(pattern, user, len);
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
