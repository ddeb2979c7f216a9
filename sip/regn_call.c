/* Calls through a registration: whose an INVITE is, and what goes with one. */
#include "sip/regn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sofia-sip/url.h>

#include "gateway/base/ids.h"
#include "sip/session.h"

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

void gw_regn_access(const struct gw_regn *r, char *buf, size_t size)
{
	const char *info = gw_regn_set(r)->access_network_info;

	*buf = '\0';
	/* RFC 7315 4.4; an address alone says nothing of the access. */
	if (*info)
		(void)snprintf(buf, size,
			       "P-Access-Network-Info: %s;network-provided\r\n",
			       info);
	else if (*r->client_addr)
		(void)snprintf(buf, size,
			       "P-Access-Network-Info: "
			       "untrusted-non-3GPP-VIRTUAL-EPC;"
			       "UE-local-IP-address=\"%s\";network-provided"
			       "\r\n",
			       r->client_addr);
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

/* ---- the session of a call ---- */

/* @wanted if it is of the set, else the default identity. */
static const char *identity_of(const struct gw_regn *r, const char *wanted)
{
	for (size_t i = 0; wanted && i < r->nimpu; i++)
		if (!strcmp(r->impu_set[i], wanted))
			return r->impu_set[i];
	return gw_regn_default_impu(r);
}

static void belong_to(struct gw_session *s, const struct gw_regn *r,
		      const char *wanted)
{
	(void)snprintf(s->registration, sizeof(s->registration), "%s", r->key);
	(void)snprintf(s->identity, sizeof(s->identity), "%s",
		       identity_of(r, wanted));
}

static int charge(struct gw_session *s, const char *line, const char *icid)
{
	free(s->charging);
	s->charging = strdup(line);
	if (s->leg)
		(void)snprintf(s->leg->charging_id, sizeof(s->leg->charging_id),
			       "%s", icid);
	return s->charging ? 0 : -ENOMEM;
}

int gw_session_originate(struct gw_session *s, const char *key,
			 const char *wanted)
{
	struct gw_regn *r = gw_regn_find(s->sip, key);
	char uri[sizeof(s->contact) - 2], icid[GW_CHARGING_ID_SIZE];
	char charging[400];
	size_t n;

	if (!r || !gw_regn_is_bound(r))
		return -ENOENT;
	/* Its S-CSCF, or what stands for it (RFC 3608 5.2). */
	if (r->service_route) {
		n = strcspn(r->service_route + 1, ">");
		(void)snprintf(s->next_hop, sizeof(s->next_hop), "%.*s", (int)n,
			       r->service_route + 1);
		s->route = strdup(r->service_route);
		if (!s->route)
			return -ENOMEM;
	} else {
		(void)snprintf(s->next_hop, sizeof(s->next_hop), "%s",
			       r->all->core[r->core].uri);
	}
	if (gw_regn_uri(r, uri, sizeof(uri), s->next_hop))
		return -EADDRNOTAVAIL;
	(void)snprintf(s->contact, sizeof(s->contact), "<%s>", uri);
	belong_to(s, r, wanted);
	gw_regn_charging(s->sip, charging, sizeof(charging), icid,
			 sizeof(icid));
	return charge(s, charging, icid);
}

/* Our Contact for this dialog is the one that is registered. */
static void name_contact(struct gw_session *s, const struct gw_regn *r)
{
	char plain[sizeof(s->contact)];

	(void)snprintf(plain, sizeof(plain), "%s", s->contact);
	if (!strncmp(plain, "<sip:", 5))
		(void)snprintf(s->contact, sizeof(s->contact), "<sip:%s@%.*s",
			       r->token, (int)sizeof(plain) - 48, plain + 5);
}

void gw_session_terminate(struct gw_session *s, const sip_t *request,
			  const char *dialled)
{
	struct gw_regn *r;

	if (gw_regn_route(s->sip, request, &r) <= 0)
		return;
	name_contact(s, r);
	belong_to(s, r, NULL);
	/* Where the set differs from what the core dials (RFC 7315 4.2), it is
	 * the core that knows. */
	if (dialled)
		(void)snprintf(s->identity, sizeof(s->identity), "%s", dialled);
}

/* RFC 7315 5.6: the same icid-value in all that belongs to the dialog. */
void gw_session_charge(struct gw_session *s, const sip_t *request)
{
	const sip_unknown_t *u;
	const char *at, *end;
	char icid[GW_CHARGING_ID_SIZE], line[GW_CHARGING_ID_SIZE + 48];

	for (u = request->sip_unknown; u; u = u->un_next)
		if (u->un_name && u->un_value &&
		    !strcasecmp(u->un_name, "P-Charging-Vector"))
			break;
	at = u ? strcasestr(u->un_value, "icid-value=") : NULL;
	if (!at)
		return;
	at += strlen("icid-value=");
	at += *at == '"';
	end = at + strcspn(at, "\";, \t");
	if (end == at || (size_t)(end - at) >= sizeof(icid))
		return;
	(void)snprintf(icid, sizeof(icid), "%.*s", (int)(end - at), at);
	if (strpbrk(icid, "\\<>"))
		return;
	(void)snprintf(line, sizeof(line),
		       "P-Charging-Vector: icid-value=\"%s\"\r\n", icid);
	(void)charge(s, line, icid);
}

/* ---- what calls tell of the registration ---- */

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
	if (status != 404)
		gw_regn_ask_subscription(r);
}
