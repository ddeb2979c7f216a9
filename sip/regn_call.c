/* Calls through a registration: whose an INVITE is, and what goes with one. */
#include "sip/regn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sofia-sip/url.h>

#include "gateway/base/ids.h"

#define TOKEN_LEN 32
/* After a refusal the core is asked again, but not for each call. */
#define DOUBT_US 60000000ull

int gw_regn_uri(struct gw_regn *r, char *buf, size_t size, const char *next_hop)
{
	char ours[160];
	int n;

	if (gw_stack_contact(r->all->sip, ours, sizeof(ours), next_hop, NULL,
			     false))
		return -ENOENT;
	/* "<sip:HOST...>" */
	ours[strcspn(ours, ">")] = '\0';
	n = snprintf(buf, size, "sip:%s@%s", r->token, ours + 5);
	return n < 0 || (size_t)n >= size ? -ENOENT : 0;
}

/* The host of "<sip:HOST:PORT...>". */
static void host_of(char *out, size_t size, const char *contact)
{
	size_t n;

	contact += 5;
	n = *contact == '[' ? strcspn(contact, "]") + 1
			    : strcspn(contact, ":;>");
	(void)snprintf(out, size, "%.*s", (int)n, contact);
}

void gw_regn_charging(struct gw_sip *sip, char *buf, size_t size, char *icid,
		      size_t icid_size)
{
	const struct gw_set_ims *set = &sip->set->ims;
	char value[33], ours[160], host[128] = "isthmus.invalid";

	/* TS 32.260 5.2.4.2: unique for 30 days at least; 190 bits are. */
	gw_random_token(value, sizeof(value), 32);
	if (set->ncore && !gw_stack_contact(sip, ours, sizeof(ours),
					    set->core[0], NULL, false))
		host_of(host, sizeof(host), ours);
	(void)snprintf(buf, size,
		       "P-Charging-Vector: icid-value=\"%s\";"
		       "icid-generated-at=%s;orig-ioi=\"Type 1%s\"\r\n",
		       value, host,
		       *set->visited_network ? set->visited_network
					     : set->domain);
	if (icid)
		(void)snprintf(icid, icid_size, "%s", value);
}

/* Is this the form of a token of ours, at an address of ours? */
static bool names_us(struct gw_sip *sip, const url_t *url)
{
	return url && url->url_user && strlen(url->url_user) == TOKEN_LEN &&
	       strspn(url->url_user, "0123456789abcdef") == TOKEN_LEN &&
	       gw_stack_is_ours(sip, url->url_host);
}

int gw_regn_route(struct gw_sip *sip, const sip_t *request,
		  struct gw_regn **out)
{
	const sip_route_t *route = request->sip_route;
	const url_t *url = request->sip_request->rq_url;
	struct gw_regn *r;

	for (; route; route = route->r_next)
		if (names_us(sip, route->r_url)) {
			url = route->r_url;
			break;
		}
	if (!names_us(sip, url))
		return 0;
	HASH_FIND(of_token, sip->regns->by_token, url->url_user, TOKEN_LEN, r);
	if (!r || r->ended)
		return -ENOENT;
	*out = r;
	return 1;
}

/*
 * 403, 404 and 504 may mean that the core no longer knows the caller (TS 24.229
 * 5.4.3.2, 5.2.7.2), or only that the callee is not there.  To ask is harmless.
 */
void gw_regn_doubt(struct gw_sip *sip, const char *key, unsigned status)
{
	struct gw_regn *r = gw_regn_find(sip, key);
	uint64_t now;

	if (!r || r->state != GW_RST_UP ||
	    (status != 403 && status != 404 && status != 504))
		return;
	now = gw_regn_now_us(r);
	if (r->doubted_us && now < r->doubted_us + DOUBT_US)
		return;
	r->doubted_us = now;
	gw_info(&r->log,
		"a call was refused with %u: REGISTER, lest the core "
		"has forgotten us",
		status);
	gw_regn_sooner(r, 0);
}
