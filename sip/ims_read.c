/*
 * What a message of the peer says, read: who speaks, who is meant, whether a
 * browser may know, and the description.  Nothing here changes anything.
 */
#include "sip/ims_read.h"

#include <string.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/url.h>

#include "sip/multipart.h"

#define SDP_TYPE "application/sdp"

enum body {
	BODY_NONE, /* or one that may be ignored (RFC 3261 20.11) */
	BODY_SDP,
	BODY_FOREIGN,
};

static const char *boundary_of(const sip_content_type_t *type)
{
	return msg_params_find(type->c_params, "boundary=");
}

static bool is_encoded(const sip_t *m)
{
	const sip_content_encoding_t *e = m->sip_content_encoding;

	for (size_t i = 0; e && e->k_items && e->k_items[i]; i++)
		if (strcasecmp(e->k_items[i], "identity") != 0)
			return true;
	return false;
}

/* What @m carries; of SDP where it is. */
static enum body body_of(const sip_t *m, const char **sdp, size_t *len)
{
	const sip_content_disposition_t *d;
	const sip_content_type_t *type;
	bool session;

	if (!m || !m->sip_payload || !m->sip_payload->pl_len)
		return BODY_NONE;
	d = m->sip_content_disposition;
	type = m->sip_content_type;
	*sdp = m->sip_payload->pl_data;
	*len = m->sip_payload->pl_len;
	if (is_encoded(m))
		return d && d->cd_optional ? BODY_NONE : BODY_FOREIGN;
	session = !d || !d->cd_type || strcasecmp(d->cd_type, "early-session");
	if (type && type->c_type && session &&
	    !strcasecmp(type->c_type, SDP_TYPE))
		return BODY_SDP;
	if (d && d->cd_optional)
		return BODY_NONE;
	if (!type || !type->c_type ||
	    strncasecmp(type->c_type, "multipart/", 10) != 0)
		return BODY_FOREIGN;
	switch (gw_multipart_find(sdp, len, *sdp, *len, boundary_of(type),
				  SDP_TYPE)) {
	case GW_MULTIPART_FOUND:
		return *len ? BODY_SDP : BODY_NONE;
	case GW_MULTIPART_NONE:
		return BODY_NONE;
	default:
		return BODY_FOREIGN;
	}
}

bool gw_ims_has_sdp(const sip_t *m)
{
	const char *sdp;
	size_t len;

	return body_of(m, &sdp, &len) == BODY_SDP;
}

bool gw_ims_body_is_foreign(const sip_t *m)
{
	const char *sdp;
	size_t len;

	return body_of(m, &sdp, &len) == BODY_FOREIGN;
}

bool gw_ims_allows_update(const sip_t *m)
{
	return m->sip_allow &&
	       sip_is_allowed(m->sip_allow, sip_method_update, "UPDATE");
}

const char *gw_ims_header(const sip_t *m, const char *name)
{
	const sip_unknown_t *u;

	for (u = m->sip_unknown; u; u = u->un_next) {
		if (u->un_name && !strcasecmp(u->un_name, name))
			return u->un_value;
	}
	return NULL;
}

static bool take_url(char *out, size_t size, const url_t *url)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	url_t bare = *url;
	const char *text;
	bool ok;

	bare.url_headers = NULL;
	/* Of a SIP URI its parameters say how to get there, not who it is. */
	if (bare.url_type == url_sip || bare.url_type == url_sips)
		bare.url_params = NULL;
	su_home_init(home);
	text = url_as_string(home, &bare);
	ok = gw_ident_uri_ok(text) && strlen(text) < size;
	if (ok)
		memcpy(out, text, strlen(text) + 1);
	su_home_deinit(home);
	return ok;
}

static struct gw_party party(struct gw_ims_who *w, const url_t *url,
			     const char *display)
{
	struct gw_party p = { NULL, NULL };

	if (take_url(w->uri, sizeof(w->uri), url))
		p.uri = w->uri;
	if (p.uri && gw_ident_unquote(w->name, sizeof(w->name), display))
		p.display = w->name;
	return p;
}

/* P-Asserted-Identity (RFC 3325 9.1: one or two values, the first counts), or
 * NULL URI. */
static struct gw_party asserted(struct gw_ims_who *w, const sip_t *m)
{
	const char *value = gw_ims_header(m, "P-Asserted-Identity");
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct gw_party p = { NULL, NULL };
	sip_contact_t *c;

	if (!value)
		return p;
	su_home_init(home);
	c = sip_contact_make(home, value);
	if (c)
		p = party(w, c->m_url, c->m_display);
	su_home_deinit(home);
	return p;
}

bool gw_ims_has_token(const char *list, const char *token)
{
	size_t n, want = strlen(token);

	for (; list && *list; list += n) {
		list += strspn(list, " \t,;");
		n = strcspn(list, " \t,;");
		if (n == want && !strncasecmp(list, token, n))
			return true;
	}
	return false;
}

bool gw_ims_wants_privacy(const sip_t *m)
{
	const msg_param_t *v;

	if (!m->sip_privacy)
		return false;
	for (v = m->sip_privacy->priv_values; v && *v; v++) {
		if (!strcasecmp(*v, "id") || !strcasecmp(*v, "user") ||
		    !strcasecmp(*v, "header"))
			return true;
	}
	return false;
}

struct gw_party gw_ims_connected(struct gw_ims_who *w, const sip_t *response)
{
	if (gw_ims_wants_privacy(response))
		return (struct gw_party){ NULL, NULL };
	return asserted(w, response);
}

struct gw_desc gw_ims_desc(const sip_t *m, enum gw_desc_role role)
{
	struct gw_desc d = { GW_DESC_NONE, NULL, 0 };

	if (body_of(m, &d.text, &d.len) != BODY_SDP)
		return (struct gw_desc){ GW_DESC_NONE, NULL, 0 };
	d.role = role;
	return d;
}

struct gw_party gw_ims_called(const struct gw_sip *sip, struct gw_ims_who *w,
			      const sip_t *request)
{
	const char *value = gw_ims_header(request, "P-Called-Party-ID");
	const url_t *url = request->sip_request->rq_url;
	const char *domain = sip->set->sip.domain;
	struct gw_party p = { NULL, NULL };
	su_home_t home[1] = { SU_HOME_INIT(home) };
	sip_contact_t *c;
	url_t ours;

	su_home_init(home);
	c = value ? sip_contact_make(home, value) : NULL;
	if (c) {
		p = party(w, c->m_url, NULL);
	} else {
		ours = *url;
		/* A user at our address is a user of our domain. */
		if (*domain && url->url_user &&
		    gw_stack_is_ours(sip, url->url_host)) {
			ours.url_host = domain;
			ours.url_port = NULL;
		}
		p = party(w, &ours, NULL);
	}
	su_home_deinit(home);
	return p;
}

struct gw_party gw_ims_originator(struct gw_ims_who *w, const sip_t *request)
{
	const url_t *from = request->sip_from->a_url;
	struct gw_party p = asserted(w, request);

	if (!p.uri && !(from->url_host &&
			!strcasecmp(from->url_host, "anonymous.invalid")))
		p = party(w, from, request->sip_from->a_display);
	return p;
}
