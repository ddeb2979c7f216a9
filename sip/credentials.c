#include "sip/credentials.h"

#include <errno.h>

#include <sofia-sip/su_alloc.h>

#include "gateway/base/metrics.h"

GW_COUNTER(m_challenged, "isthmus_sip_challenges_total", "401 and 407 received",
	   "answered=\"yes\"");
GW_COUNTER(m_unanswerable, "isthmus_sip_challenges_total",
	   "401 and 407 received", "answered=\"no\"");

void gw_credentials_count(bool answered)
{
	gw_metric_add(answered ? &m_challenged : &m_unanswerable, 1);
}

bool gw_credentials_take(struct gw_digest *d, const struct gw_set_sip *set,
			 const sip_t *response, bool *stale)
{
	bool proxy = response->sip_status->st_status == 407;
	const msg_auth_t *a = proxy ? response->sip_proxy_authenticate
				    : response->sip_www_authenticate;
	int r = -ENOENT;

	*stale = false;
	/* Several may stand there: the first that we can answer, which by
	 * RFC 7616 3.7 is the one the peer prefers. */
	for (; *set->username && a && r; a = a->au_next)
		r = gw_digest_challenge(d, proxy, a->au_scheme,
					(const char *const *)a->au_params,
					stale);
	return !r;
}

char *gw_credentials_line(struct gw_digest *d, const struct gw_set_sip *set,
			  su_home_t *home, const char *method, const char *uri)
{
	const struct gw_digest_who who = { .username = set->username,
					   .password = set->password };
	char value[1536];

	if (!d->valid || !uri ||
	    gw_digest_answer(d, value, sizeof(value), &who, method, uri, NULL))
		return NULL;
	return su_sprintf(home, "%s: %s\r\n",
			  d->proxy ? "Proxy-Authorization" : "Authorization",
			  value);
}
