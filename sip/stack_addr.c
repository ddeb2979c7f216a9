/*
 * Our addresses as peers are told them, and which listener reaches whom.
 */
#include "sip/stack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/tport.h>
#include <sofia-sip/url.h>

static int contact_print(char *buf, size_t size, const char *proto,
			 const char *host, const char *port, bool sips)
{
	bool v6 = strchr(host, ':') && *host != '[';
	const char *how = "";
	int n;

	if (strstr(proto, "TLS") || strstr(proto, "tls"))
		how = sips ? "" : ";transport=tls";
	else if (strstr(proto, "TCP") || strstr(proto, "tcp"))
		how = ";transport=tcp";
	n = snprintf(buf, size, "<%s:%s%s%s%s%s%s>", sips ? "sips" : "sip",
		     v6 ? "[" : "", host, v6 ? "]" : "", port ? ":" : "",
		     port ? port : "", how);
	return n < 0 || (size_t)n >= size ? -ENOENT : 0;
}

static bool is_any(const char *host)
{
	return !strcmp(host, "*") || !strcmp(host, "0.0.0.0") ||
	       !strcmp(host, "::") || !strcmp(host, "[::]");
}

/* The listener of @proto ("UDP", "TCP", "TLS"), of the right family if there
 * is one. */
static const sip_via_t *listener(const struct gw_sip *sip, const char *proto,
				 bool v6)
{
	const sip_via_t *v, *other = NULL;

	for (v = nta_agent_via(sip->agent); v; v = v->v_next) {
		const char *p = strrchr(v->v_protocol, '/');

		if (!p || strcasecmp(p + 1, proto) != 0)
			continue;
		if ((*v->v_host == '[') == v6)
			return v;
		other = v;
	}
	return other;
}

static int contact_for_uri(struct gw_sip *sip, char *buf, size_t size,
			   const char *uri, bool sips)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	const char *proto = "UDP";
	const sip_via_t *v = NULL;
	char transport[8] = "";
	url_t *url;

	su_home_init(home);
	url = url_make(home, uri);
	if (url && url->url_host) {
		(void)url_param(url->url_params, "transport", transport,
				sizeof(transport));
		if (url->url_type == url_sips || !strcasecmp(transport, "tls"))
			proto = "TLS";
		else if (!strcasecmp(transport, "tcp"))
			proto = "TCP";
		v = listener(sip, proto, *url->url_host == '[');
	}
	su_home_deinit(home);
	return v ? contact_print(buf, size, proto, v->v_host, v->v_port, sips)
		 : -ENOENT;
}

static int contact_for_request(struct gw_sip *sip, char *buf, size_t size,
			       nta_incoming_t *irq, bool sips)
{
	tport_t *tp = nta_incoming_transport(sip->agent, irq, NULL);
	const tp_name_t *name;
	const sip_via_t *v;
	int r = -ENOENT;

	if (!tp)
		return -ENOENT;
	name = tport_name(tport_parent(tp));
	if (name && name->tpn_host && !is_any(name->tpn_host)) {
		r = contact_print(buf, size, name->tpn_proto, name->tpn_host,
				  name->tpn_port, sips);
	} else if (name) {
		v = listener(sip, name->tpn_proto,
			     tport_name(tp)->tpn_host &&
				     strchr(tport_name(tp)->tpn_host, ':'));
		if (v)
			r = contact_print(buf, size, name->tpn_proto, v->v_host,
					  v->v_port, sips);
	}
	tport_unref(tp);
	return r;
}

int gw_stack_contact(struct gw_sip *sip, char *buf, size_t size,
		     const char *uri, nta_incoming_t *irq, bool sips)
{
	return irq ? contact_for_request(sip, buf, size, irq, sips)
		   : contact_for_uri(sip, buf, size, uri, sips);
}

bool gw_stack_core_is_tls(const struct gw_sip *sip)
{
	const char *core = sip->set->sip.core;

	return !strncasecmp(core, "sips:", 5) ||
	       strcasestr(core, ";transport=tls");
}

const char *gw_stack_ident(const char *host)
{
	if (!host || !*host)
		return NULL;
	if (*host == '[' || strchr(host, ':'))
		return "ip6";
	return strspn(host, "0123456789.") == strlen(host) ? "ip4" : NULL;
}

bool gw_stack_is_ours(const struct gw_sip *sip, const char *host)
{
	const sip_via_t *v;

	if (!host)
		return false;
	for (v = nta_agent_via(sip->agent); v; v = v->v_next) {
		if (!strcasecmp(v->v_host, host))
			return true;
	}
	return false;
}
