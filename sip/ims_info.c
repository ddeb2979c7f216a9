#include "sip/ims_info.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sofia-sip/url.h>

#include "gateway/base/metrics.h"
#include "sip/ims_read.h"

GW_COUNTER(m_unusable, "isthmus_sip_call_info_unusable_total",
	   "Entries of Call-Info, Alert-Info, History-Info that were left out",
	   "");

#define ITEMS_MAX 32 /* of one header */

/* One element of a list: ["name"] <uri> *(;parameter) */
struct item {
	char uri[512];
	char display[2 * GW_CALL_INFO_TEXT];
	char params[256];
};

static void copy(char *out, size_t size, const char *from, const char *to)
{
	size_t n = (size_t)(to - from);

	while (n && isspace((unsigned char)from[n - 1]))
		n--;
	/* Half of one is another one. */
	if (n >= size)
		n = 0;
	memcpy(out, from, n);
	out[n] = '\0';
}

/* To the first of @stop outside of quotes, or the end. */
static const char *until(const char *p, const char *stop)
{
	bool quoted = false;

	for (; *p; p++) {
		if (quoted && *p == '\\' && p[1])
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (!quoted && strchr(stop, *p))
			break;
	}
	return p;
}

/* False: there are no more.  One without brackets has no uri. */
static bool next_item(const char **at, struct item *it)
{
	const char *p = *at + strspn(*at, " \t\r\n,");
	const char *end, *close;

	memset(it, 0, sizeof(*it));
	if (!*p)
		return false;
	end = until(p, "<,");
	if (*end == '<') {
		copy(it->display, sizeof(it->display), p, end);
		close = strchr(end, '>');
		if (!close)
			return false;
		copy(it->uri, sizeof(it->uri), end + 1, close);
		p = close + 1;
		end = until(p, ",");
		copy(it->params, sizeof(it->params), p, end);
	}
	*at = end;
	return true;
}

/* The value of ;@name=, a token; "": none. */
static void parameter(char *out, size_t size, const char *params,
		      const char *name)
{
	size_t n = strlen(name), len;
	const char *p;

	out[0] = '\0';
	for (p = until(params, ";"); *p; p = until(p, ";")) {
		p += 1 + strspn(p + 1, " \t");
		if (strncasecmp(p, name, n) != 0 || p[n] != '=')
			continue;
		p += n + 1;
		len = strcspn(p, "; \t,\"");
		if (len < size) {
			memcpy(out, p, len);
			out[len] = '\0';
		}
		return;
	}
}

static void put(char out[GW_CALL_INFO_URI], const char *uri)
{
	if (!out[0])
		memcpy(out, uri, strlen(uri) + 1);
}

void gw_ims_info_call(struct gw_call_info *out, const char *url,
		      const char *purpose)
{
	if (!url || !gw_call_info_url_ok(url))
		gw_metric_add(&m_unusable, 1);
	else if (!purpose)
		return;
	else if (!strcasecmp(purpose, "icon"))
		put(out->icon, url);
	else if (!strcasecmp(purpose, "info"))
		put(out->page, url);
	else if (!strcasecmp(purpose, "card"))
		put(out->card, url);
}

void gw_ims_info_alert(struct gw_call_info *out, const char *value)
{
	struct item it;

	for (int i = 0; i < ITEMS_MAX && next_item(&value, &it); i++) {
		if (gw_call_info_alert_ok(it.uri))
			put(out->alert, it.uri);
		else
			gw_metric_add(&m_unusable, 1);
	}
}

/* ---- History-Info (RFC 7044) ---- */

static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (*s == '%' && isxdigit((unsigned char)s[1]) &&
		    isxdigit((unsigned char)s[2])) {
			const char hex[3] = { s[1], s[2], '\0' };

			*out++ = (char)strtoul(hex, NULL, 16);
			s += 2;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

/* 300 to 699, or 0. */
static uint16_t status_of(const char *digits)
{
	unsigned long n = strtoul(digits, NULL, 10);

	return n >= 300 && n <= 699 ? (uint16_t)n : 0;
}

/* "Reason=SIP%3Bcause%3D302&Privacy=history": what stands behind the URI. */
static void read_headers(struct gw_ims_hop *hop, char *headers)
{
	char *save = NULL, cause[8];

	for (char *h = strtok_r(headers, "&", &save); h;
	     h = strtok_r(NULL, "&", &save)) {
		char *value = strchr(h, '=');

		if (!value)
			continue;
		*value++ = '\0';
		unescape(value);
		if (!strcasecmp(h, "Privacy")) {
			hop->withheld |= strcasecmp(value, "none") != 0;
		} else if (!strcasecmp(h, "Reason") &&
			   !strncasecmp(value, "SIP", 3)) {
			parameter(cause, sizeof(cause), value, "cause");
			hop->who.status = status_of(cause);
		}
	}
}

static bool read_hop(struct gw_ims_hop *hop, struct item *it)
{
	char *headers = strchr(it->uri, '?'), *params, cause[8];

	memset(hop, 0, sizeof(*hop));
	if (headers) {
		*headers++ = '\0';
		read_headers(hop, headers);
	}
	params = strchr(it->uri, ';');
	if (params) {
		parameter(cause, sizeof(cause), params, "cause");
		hop->cause = status_of(cause);
		/* They say how to get there, not who it is; but a tel: URI is
		 * no number without its context. */
		if (strncasecmp(it->uri, "tel:", 4) != 0)
			*params = '\0';
	}
	if (!gw_ident_uri_ok(it->uri) ||
	    strlen(it->uri) >= sizeof(hop->who.uri))
		return false;
	(void)strcpy(hop->who.uri, it->uri);
	(void)gw_ident_unquote(hop->who.display, sizeof(hop->who.display),
			       it->display);
	parameter(hop->index, sizeof(hop->index), it->params, "index");
	parameter(hop->mapped, sizeof(hop->mapped), it->params, "mp");
	return true;
}

void gw_ims_info_history(struct gw_ims_history *h, const char *value)
{
	struct item it;

	while (h->n < GW_IMS_HISTORY && next_item(&value, &it)) {
		if (read_hop(&h->hop[h->n], &it))
			h->n++;
		else
			gw_metric_add(&m_unusable, 1);
	}
}

/*
 * Has somebody at @i sent the call on?  A later entry was made for it ("mp"),
 * or the next one says why it was (RFC 4458), or this one what it answered.
 */
static bool forwards(const struct gw_ims_history *h, unsigned i,
		     uint16_t *status)
{
	const struct gw_ims_hop *hop = &h->hop[i];
	bool mapped = false;

	*status = hop->who.status;
	if (i + 1 == h->n)
		return false;
	for (unsigned k = i + 1; k < h->n && hop->index[0]; k++)
		mapped |= !strcmp(h->hop[k].mapped, hop->index);
	if (!*status)
		*status = h->hop[i + 1].cause;
	return mapped || *status;
}

void gw_ims_info_forwards(struct gw_call_info *out,
			  const struct gw_ims_history *h, bool moved)
{
	const struct gw_ims_hop *last = h->n ? &h->hop[h->n - 1] : NULL;
	uint16_t status;

	for (unsigned i = 0; i < h->n; i++) {
		struct gw_call_forward f = h->hop[i].who;

		if (!forwards(h, i, &status))
			continue;
		if (h->hop[i].withheld)
			f = (struct gw_call_forward){ .uri = "" };
		f.status = status;
		gw_call_info_add(out, &f);
	}
	if (moved && h->n > 1 && !last->withheld)
		memcpy(out->forwarded_to, last->who.uri,
		       sizeof(out->forwarded_to));
}

/* ---- a message ---- */

static void read_call_info(struct gw_call_info *out, const sip_t *m)
{
	const sip_call_info_t *ci = m->sip_call_info;
	su_home_t home[1] = { SU_HOME_INIT(home) };

	su_home_init(home);
	for (int i = 0; ci && i < ITEMS_MAX; i++, ci = ci->ci_next)
		gw_ims_info_call(out, url_as_string(home, ci->ci_url),
				 ci->ci_purpose);
	su_home_deinit(home);
}

/* RFC 7044 10.1.2: all of it, or each entry by its own Privacy. */
static bool hides_history(const sip_t *m)
{
	const msg_param_t *v =
		m->sip_privacy ? m->sip_privacy->priv_values : NULL;

	for (; v && *v; v++)
		if (!strcasecmp(*v, "history") || !strcasecmp(*v, "session") ||
		    !strcasecmp(*v, "header"))
			return true;
	return false;
}

const struct gw_call_info *gw_ims_info(struct gw_call_info *out, const sip_t *m)
{
	bool private = gw_ims_wants_privacy(m);
	struct gw_ims_history h;
	const sip_unknown_t *u;

	memset(out, 0, sizeof(*out));
	h.n = 0;
	for (u = m->sip_unknown; u; u = u->un_next) {
		if (!u->un_name || !u->un_value)
			continue;
		if (!strcasecmp(u->un_name, "History-Info"))
			gw_ims_info_history(&h, u->un_value);
		else if (!strcasecmp(u->un_name, "Alert-Info"))
			gw_ims_info_alert(out, u->un_value);
	}
	for (unsigned i = 0; i < h.n; i++)
		h.hop[i].withheld |= hides_history(m);
	gw_ims_info_forwards(out, &h, m->sip_status != NULL);
	if (!private)
		read_call_info(out, m);
	/* RFC 3323 4.1.1.2: what its user said of himself. */
	if (m->sip_subject && m->sip_subject->g_string && !private)
		(void)gw_ident_unquote(out->subject, sizeof(out->subject),
				       m->sip_subject->g_string);
	if (!gw_call_info_text_ok(out->subject))
		out->subject[0] = '\0';
	return gw_call_info_empty(out) ? NULL : out;
}
