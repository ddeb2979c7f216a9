#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/addr.h"
#include "gateway/settings_priv.h"

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const char *after(const char *value, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncasecmp(value, prefix, n) ? NULL : value + n;
}

/* A literal address with a port that is not 0. */
static bool parse_listen(struct gw_addr *a, const char *text, size_t len)
{
	char copy[96];

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return !gw_addr_parse_hostport(a, copy) && a->port;
}

const char *gw_settings_check_web_listen(const char *value)
{
	const char *wss = after(value, "wss://");
	const char *ws = after(value, "ws://");
	const char *rest = wss ? wss : ws;
	struct gw_addr a;

	if (!rest || !parse_listen(&a, rest, strlen(rest)))
		return "must be wss://ADDRESS:PORT (ws:// on loopback), with "
		       "a literal address";
	if (ws && !gw_addr_is_loopback(&a))
		return "ws:// is not encrypted and only allowed on a loopback "
		       "address";
	return NULL;
}

/* "host", "host:port", "[IPv6]:port": nothing that could end the host. */
static bool is_authority(const char *s)
{
	size_t n = strcspn(s, ":");
	struct gw_addr a;

	if (s[0] == '[')
		return !gw_addr_parse(&a, s, 0) ||
		       !gw_addr_parse_hostport(&a, s);
	if (!n || strspn(s, ALNUM "-._") < n)
		return false;
	if (!s[n])
		return true;
	s += n + 1;
	return *s && strlen(s) <= 5 && strspn(s, "0123456789") == strlen(s) &&
	       atoi(s) > 0 && atoi(s) <= 65535;
}

const char *gw_settings_check_origin(const char *value)
{
	const char *rest = after(value, "https://");

	if (!strcmp(value, "self"))
		return NULL;
	if (!rest)
		rest = after(value, "http://");
	if (!rest || !is_authority(rest))
		return "must be \"self\" or an origin such as "
		       "https://app.example:8443, without a path";
	return NULL;
}

const char *gw_settings_check_path(const char *value)
{
	if (value[0] != '/' || !value[1] ||
	    strspn(value, ALNUM "/-._~") != strlen(value))
		return "must be a path of letters, digits, / - . _ ~";
	return NULL;
}

/* RFC 3986: authority, then printable characters; user information would be a
 * secret in a log line, a fragment is never sent. */
const char *gw_settings_check_https(const char *value)
{
	const char *rest = after(value, "https://");
	char host[128];
	size_t len;

	if (!rest)
		goto form;
	len = strcspn(rest, "/?");
	if (len >= sizeof(host))
		goto form;
	memcpy(host, rest, len);
	host[len] = '\0';
	if (!is_authority(host) || strpbrk(rest, " #<>\"\\"))
		goto form;
	for (; *rest; rest++)
		if ((unsigned char)*rest >= 0x7f)
			goto form;
	return NULL;
form:
	return "must be https://HOST[:PORT][/PATH], without a fragment";
}

/* "localhost", 127.0.0.0/8 and [::1], with or without a port. */
static bool is_loopback_authority(const char *s, size_t len)
{
	struct gw_addr a;
	char host[128];

	if (len >= sizeof(host))
		return false;
	memcpy(host, s, len);
	host[len] = '\0';
	if (!gw_addr_parse(&a, host, 0) || !gw_addr_parse_hostport(&a, host))
		return gw_addr_is_loopback(&a);
	return !strncmp(host, "localhost", 9) && (!host[9] || host[9] == ':') &&
	       is_authority(host);
}

/* RFC 8414 2, but without a path: an origin. */
const char *gw_settings_check_issuer(const char *value)
{
	const char *tls = after(value, "https://");
	const char *plain = after(value, "http://");

	if (tls ? is_authority(tls)
		: plain && is_loopback_authority(plain, strlen(plain)))
		return NULL;
	return "must be https://HOST[:PORT] without a path (http:// on "
	       "loopback)";
}

const char *gw_settings_check_client_id(const char *value)
{
	return strspn(value, ALNUM "-._~") == strlen(value)
		       ? NULL
		       : "must be of letters, digits, - . _ ~";
}

const char *gw_settings_check_redirect(const char *value)
{
	const char *plain = after(value, "http://");

	if (plain && is_loopback_authority(plain, strcspn(plain, "/?")) &&
	    !strpbrk(value, " #<>\"\\"))
		return NULL;
	return gw_settings_check_https(value) ? "must be https://HOST/PATH "
						"(http:// on loopback), "
						"without a fragment"
					      : NULL;
}

static const char *check_waf(const struct gw_set_waf *waf, const char **key)
{
	if (!waf->enabled)
		return NULL;
	*key = "waf.issuer";
	if (!waf->issuer[0])
		return "is needed by waf.enabled";
	*key = "waf.key_file";
	if (!waf->key_file[0])
		return "is needed by waf.enabled";
	*key = "waf.clients";
	if (!waf->nclient)
		return "needs at least one client";
	for (size_t i = 0; i < waf->nclient; i++)
		if (!waf->client[i].nredirect)
			return "a client needs at least one redirect URI";
	return NULL;
}

const char *gw_settings_check_sip_listen(const char *value)
{
	const char *sips = after(value, "sips:");
	const char *sip = after(value, "sip:");
	const char *rest = sips ? sips : sip;
	const char *params;
	struct gw_addr a;
	size_t len;

	if (!rest)
		goto form;
	len = strcspn(rest, ";");
	if (!parse_listen(&a, rest, len))
		goto form;
	params = rest + len;
	if (sips ? !*params || !strcmp(params, ";transport=tls")
		 : !strcmp(params, ";transport=udp") ||
			    !strcmp(params, ";transport=tcp"))
		return NULL;
form:
	return "must be sip:ADDRESS:PORT;transport=udp (or tcp), or "
	       "sips:ADDRESS:PORT, with a literal address";
}

const char *gw_settings_check_sip_uri(const char *value)
{
	static const char *const transports[] = {
		"",
		";transport=udp",
		";transport=tcp",
		";transport=tls",
	};
	const char *rest = after(value, "sips:");
	char host[128];
	size_t len;

	if (!rest)
		rest = after(value, "sip:");
	if (!rest)
		goto form;
	len = strcspn(rest, ";");
	if (len >= sizeof(host))
		goto form;
	memcpy(host, rest, len);
	host[len] = '\0';
	if (!is_authority(host))
		goto form;
	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++)
		if (!strcmp(rest + len, transports[i]))
			return NULL;
form:
	return "must be sip:HOST:PORT;transport=udp (or tcp, tls) or "
	       "sips:HOST:PORT";
}

const char *gw_settings_check_host(const char *value)
{
	if (!is_authority(value) || (value[0] != '[' && strchr(value, ':')))
		return "must be a host name";
	return NULL;
}

/* Goes between quotes into a SIP header. */
const char *gw_settings_check_quotable(const char *value)
{
	return strpbrk(value, "\"\\") ? "must not hold \" or \\" : NULL;
}

/* RFC 2045 5.1, without parameters: the parts of a multipart need theirs. */
const char *gw_settings_check_message_type(const char *value)
{
	static const char token[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789!#$%&'*+-.^_`|~";
	size_t type = strspn(value, token);
	const char *sub = value + type + 1;

	if (!type || value[type] != '/' || !*sub || sub[strspn(sub, token)])
		return "must be TYPE/SUBTYPE";
	if (!strncasecmp(value, "multipart/", 10))
		return "must have one part";
	return NULL;
}

const char *gw_settings_check_ip(const char *value)
{
	struct gw_addr a;

	return gw_addr_parse(&a, value, 0) ? "must be a literal IP address"
					   : NULL;
}

/* It goes into candidates and descriptions, so it has to be a real one. */
const char *gw_settings_check_own_ip(const char *value)
{
	struct gw_addr a;

	if (gw_addr_parse(&a, value, 0))
		return "must be a literal IP address";
	return gw_addr_is_any(&a) ? "must be one address, not all of them"
				  : NULL;
}

const char *gw_settings_check_ip4(const char *value)
{
	struct gw_addr a;

	if (gw_addr_parse(&a, value, 0) || a.family != AF_INET)
		return "must be a literal IPv4 address";
	return gw_settings_check_own_ip(value);
}

const char *gw_settings_check_ip6(const char *value)
{
	struct gw_addr a;

	if (gw_addr_parse(&a, value, 0) || a.family != AF_INET6)
		return "must be a literal IPv6 address";
	return gw_settings_check_own_ip(value);
}

const char *gw_settings_check_hostport(const char *value)
{
	struct gw_addr a;

	return parse_listen(&a, value, strlen(value))
		       ? NULL
		       : "must be ADDRESS:PORT, with a literal address";
}

const char *gw_settings_check_identity(const char *value)
{
	const char *tel = after(value, "tel:");
	const char *rest = after(value, "sips:");
	size_t user;

	if (tel) /* RFC 3966; the "+" is global numbers' */
		return strspn(tel, "+0123456789-.()*#ABCDabcd") ==
					       strcspn(tel, ";") &&
				       tel[0] && tel[0] != ';'
			       ? NULL
			       : "is not a tel: URI";
	if (!rest)
		rest = after(value, "sip:");
	if (!rest)
		return "must be a sip:, sips: or tel: URI";
	user = strcspn(rest, "@");
	if (!user || !rest[user] || strcspn(rest, " <>\"\\;?") < strlen(rest) ||
	    !is_authority(rest + user + 1))
		return "must be sip:USER@HOST, without parameters";
	return NULL;
}

/*
 * crypt(5): yescrypt, scrypt, SHA-512 crypt.  The weaker kinds, and a password
 * written down in the clear, are mistakes to be told at start.
 */
const char *gw_settings_check_hash(const char *value)
{
	static const struct {
		const char *prefix;
		size_t hash_len;
	} kinds[] = {
		{"$y$",  43},
                { "$7$", 43},
                { "$6$", 86}
	};
	const char *last = strrchr(value, '$');

	if (strspn(value, ALNUM "./$=,") != strlen(value))
		last = NULL;
	for (size_t i = 0; last && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strncmp(value, kinds[i].prefix, 3) != 0)
			continue;
		if (last > value + 3 && strlen(last + 1) == kinds[i].hash_len)
			return NULL;
	}
	return "must be a crypt(5) hash that begins with $y$, $7$ or $6$ "
	       "(mkpasswd -m yescrypt)";
}

const char *gw_settings_check_ice_url(const char *value)
{
	static const char *const schemes[] = { "stun:", "stuns:", "turn:",
					       "turns:" };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		const char *rest = after(value, schemes[i]);
		char host[128];
		size_t len;

		if (!rest)
			continue;
		len = strcspn(rest, "?");
		if (len >= sizeof(host))
			break;
		memcpy(host, rest, len);
		host[len] = '\0';
		if (!is_authority(host))
			break;
		/* RFC 7065 3.1: only TURN has a transport. */
		if (!rest[len] ||
		    (i >= 2 && (!strcmp(rest + len, "?transport=udp") ||
				!strcmp(rest + len, "?transport=tcp"))))
			return NULL;
		break;
	}
	return "must be stun:HOST:PORT, or turn:HOST:PORT?transport=udp (or "
	       "tcp), or their stuns: and turns: forms";
}

const char *gw_settings_check_match(const char *value)
{
	const char *star = strchr(value, '*');

	if (star && star[1])
		return "may hold '*' only at its end";
	return strpbrk(value, " <>\"") ? "is neither a URI nor a user part"
				       : NULL;
}

/* fnmatch(3) without its brackets and escapes. */
const char *gw_settings_check_pattern(const char *value)
{
	return !value[0] || strpbrk(value, " <>\"[]\\")
		       ? "must be a WebRTC ID, where '*' stands for any text"
		       : NULL;
}

const char *gw_settings_check_ice_server(const void *element)
{
	const struct gw_set_ice_server *s = element;

	if (after(s->url, "turn") && !s->secret[0])
		return "a TURN server needs its shared secret";
	return NULL;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Two users with one identity would take each other's calls. */
static bool identities_differ(const struct gw_settings *set)
{
	size_t n = 0;
	const char **all;
	bool differ = true;

	for (size_t i = 0; i < set->nuser; i++)
		n += 1 + set->user[i].nidentity;
	if (!n)
		return true;
	all = malloc(n * sizeof(const char *));
	if (!all)
		return false;
	n = 0;
	for (size_t i = 0; i < set->nuser; i++) {
		all[n++] = set->user[i].id;
		for (size_t k = 0; k < set->user[i].nidentity; k++)
			all[n++] = set->user[i].identity[k];
	}
	qsort(all, n, sizeof(const char *), by_text);
	for (size_t i = 1; i < n && differ; i++)
		differ = strcmp(all[i - 1], all[i]) != 0;
	free((void *)all);
	return differ;
}

/* RFC 8445 2.5: lite is for who can be reached at an address of its own. */
static const char *check_lite(const struct gw_set_media *m, const char **key)
{
	/* 0: one a core, which another machine may have more of. */
	unsigned workers = m->workers ? m->workers : 64;
	unsigned last = m->lite_port + workers - 1;
	unsigned families = 0;

	*key = "media.web_address";
	if (!m->web_address[0][0])
		return "media.ice: lite needs the address that browsers reach";
	for (unsigned i = 0; i < 4 && m->web_address[i][0]; i++) {
		unsigned bit = strchr(m->web_address[i], ':') ? 2 : 1;

		if (families & bit)
			return "media.ice: lite takes one address a family";
		families |= bit;
	}
	*key = "media.stun_server";
	if (m->stun_server[0])
		return "is of no use with media.ice: lite, which tells "
		       "media.web_address and nothing else";
	*key = "media.web_port_min";
	if (m->web_port_min)
		return "is of no use with media.ice: lite, whose ports begin "
		       "at media.lite_port";
	*key = "media.lite_port";
	if (last > 65535)
		return "leaves no port for the last of media.workers";
	if (m->lite_port <= m->port_max && m->port_min <= last)
		return "the ports of the workers and media.port_min to "
		       "media.port_max overlap";
	return NULL;
}

static const char *check_media(const struct gw_set_media *m, const char **key)
{
	*key = "media.port_max";
	if (m->port_max <= m->port_min)
		return "must be above media.port_min";
	*key = "media.web_port_max";
	if (!m->web_port_min != !m->web_port_max)
		return "media.web_port_min and media.web_port_max go together";
	if (m->web_port_max < m->web_port_min)
		return "must not be below media.web_port_min";
	/* Both sides often share one address: a port can serve one of them. */
	if (m->web_port_max && m->web_port_min <= m->port_max &&
	    m->port_min <= m->web_port_max)
		return "the ports of the web side and media.port_min to "
		       "media.port_max overlap";
	return strcmp(m->ice, "lite") ? NULL : check_lite(m, key);
}

static const char *check_sip(const struct gw_settings *set, const char **key)
{
	const struct gw_set_sip *sip = &set->sip;
	bool tls = after(sip->core, "sips:") ||
		   strstr(sip->core, ";transport=tls");

	for (size_t i = 0; i < sip->nlisten; i++)
		tls |= after(sip->listen[i], "sips:") != NULL;
	*key = "sip.tls_dir";
	if (tls && !sip->tls_dir[0])
		return "is needed by sips: and transport=tls";
	*key = "sip.username";
	if (!sip->username[0] != !sip->password[0])
		return "sip.username and sip.password go together";
	*key = "sip.t1x64_ms";
	if (sip->t1x64_ms < sip->t1_ms)
		return "must not be below sip.t1_ms";
	*key = "sip.precondition";
	if (strcmp(sip->precondition, "off") != 0 &&
	    !strcmp(sip->reliable, "off"))
		return "needs sip.reliable (RFC 3312 4)";
	*key = "sip.session_expires_s";
	if (sip->session_expires_s && sip->session_expires_s < sip->min_se_s)
		return "must be 0, or not below sip.min_se_s";
	*key = "media.core_address";
	if (sip->core[0] && !set->media.core_address[0] &&
	    !set->media.core_address6[0])
		return "sip.core is set, so one of media.core_address and "
		       "media.core_address6 is needed";
	return NULL;
}

static const char *check_ims(const struct gw_settings *set, const char **key)
{
	const struct gw_set_ims *ims = &set->ims;

	if (!ims->enabled)
		return NULL;
	*key = "ims.domain";
	if (!ims->domain[0])
		return "is needed by ims.enabled: true";
	*key = "ims.cores";
	if (!ims->ncore)
		return "ims.enabled: true needs one core at least";
	*key = "store.file";
	if ((ims->pool_anonymous || ims->npool_user) && !set->store.file[0])
		return "is needed by ims.pool_anonymous and ims.pool_users: "
		       "the pool is in the store";
	*key = "sip.tls_dir";
	for (size_t i = 0; i < ims->ncore; i++)
		if ((after(ims->core[i], "sips:") ||
		     strstr(ims->core[i], ";transport=tls")) &&
		    !set->sip.tls_dir[0])
			return "is needed by sips: and transport=tls";
	*key = "media.core_address";
	if (!set->media.core_address[0] && !set->media.core_address6[0])
		return "ims.enabled is set, so one of media.core_address and "
		       "media.core_address6 is needed";
	return NULL;
}

const char *gw_settings_cross_check(const struct gw_settings *set,
				    const char **key)
{
	const char *wrong;

	*key = "web.listen";
	if (!set->web.nlisten)
		return "needs at least one listener";
	*key = "web.certificate";
	if (!set->web.certificate[0] != !set->web.key[0])
		return "web.certificate and web.key go together";
	*key = "auth.keys";
	if (set->auth.nkey && (!set->auth.issuer[0] || !set->auth.audience[0]))
		return "need auth.issuer and auth.audience, which tokens are "
		       "checked against";
	*key = "auth.jwks_url";
	if (set->auth.jwks_url[0] &&
	    (!set->auth.issuer[0] || !set->auth.audience[0]))
		return "needs auth.issuer and auth.audience, which tokens are "
		       "checked against";
	*key = "auth.introspection_client";
	if (set->auth.introspection_url[0] &&
	    (!set->auth.introspection_client[0] ||
	     !set->auth.introspection_secret[0]))
		return "auth.introspection_url needs introspection_client and "
		       "introspection_secret";
	*key = "media.codecs";
	if (!set->media.ncodec)
		return "needs at least one codec";
	wrong = check_waf(&set->waf, key);
	if (!wrong)
		wrong = check_media(&set->media, key);
	if (!wrong)
		wrong = check_sip(set, key);
	if (!wrong)
		wrong = check_ims(set, key);
	if (!wrong)
		wrong = gw_settings_check_emergency(set, key);
	if (wrong)
		return wrong;
	*key = "users";
	if (!identities_differ(set))
		return "an identity is given twice";
	return NULL;
}
