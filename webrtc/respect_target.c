/* Whom a client calls, resourceId as a URI, and who it calls as. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "webrtc/respect_priv.h"

/* scheme ":" and printable text without spaces; which schemes can be reached
 * is the router's business. */
static bool is_uri(const char *s)
{
	const char *p = s;

	if (!isalpha((unsigned char)*p))
		return false;
	while (isalnum((unsigned char)*p) || (*p && strchr("+-.", *p)))
		p++;
	if (*p++ != ':' || !*p)
		return false;
	for (; *p; p++) {
		if (!isgraph((unsigned char)*p) || strchr("<>\"", *p))
			return false;
	}
	return true;
}

/* A number as people write it, or the part of a tel: URI that is one. */
static bool is_number(const char *s, size_t len)
{
	size_t digits = 0;

	for (size_t i = 0; i < len; i++) {
		if (isdigit((unsigned char)s[i]) || s[i] == '*' || s[i] == '#')
			digits++;
		else if (!strchr("-.() ", s[i]) && (i || s[i] != '+'))
			return false;
	}
	return digits > 0;
}

/* Where local numbers of @reg's user are numbers (RFC 3966 5.1.5): the domain
 * of who calls. */
static void home_domain(char out[GW_IDENTITY_SIZE], const struct gw_reg *reg,
			const struct gw_settings *set)
{
	const char *at = NULL;

	for (size_t i = 0; !at && i < reg->nidentity; i++) {
		at = strchr(reg->identity[i], '@');
		if (at && at[1] == '[') /* a context is a name, no address */
			at = NULL;
	}
	(void)snprintf(out, GW_IDENTITY_SIZE, "%s",
		       at ? at + 1 : set->sip.domain);
	out[strcspn(out, ":;?[")] = '\0';
}

bool gw_respect_target(char out[GW_TARGET_SIZE], struct gw_web *web,
		       const struct gw_reg *reg, const char *text)
{
	char domain[GW_IDENTITY_SIZE];
	bool tel = !strncasecmp(text, "tel:", 4);
	const char *number = tel ? text + 4 : text;
	size_t n = 4, len = tel ? strcspn(number, ";") : strlen(number);

	if (!is_number(number, len)) {
		(void)snprintf(out, GW_TARGET_SIZE, "%s", text);
		return is_uri(text);
	}
	if (tel &&
	    (number[0] == '+' || !is_uri(text) ||
	     strcasestr(number, ";phone-context=") ||
	     gw_web_is_user(web, text) || gw_web_is_registered(web, text))) {
		(void)snprintf(out, GW_TARGET_SIZE, "%s", text);
		return is_uri(text);
	}
	memcpy(out, "tel:", 4);
	for (size_t i = 0; i < len; i++) {
		if (strchr("-.() ", number[i]))
			continue;
		/* A bare '#' would begin a fragment (RFC 3986 3.5). */
		if (number[i] == '#')
			memcpy(out + n, "%23", 3);
		else
			out[n] = number[i];
		n += number[i] == '#' ? 3 : 1;
	}
	out[n] = '\0';
	if (number[0] == '+')
		return true;
	home_domain(domain, reg, web->set);
	if (domain[0])
		(void)snprintf(out + n, GW_TARGET_SIZE - n,
			       ";phone-context=%s%s", domain, number + len);
	return domain[0];
}

const char *gw_respect_own(struct gw_rconn *c, const struct gw_rmsg *m)
{
	const char *own = c->reg->identity[0];

	if (gw_rmsg_has(m, GW_K_PREFERRED_ID))
		own = gw_reg_identity(c->reg, m->str[GW_K_PREFERRED_ID]);
	if (!own)
		gw_rconn_reject(c, m, GW_RJ_IDENTITY, 403,
				"preferredOriginatingId is not an identity of "
				"this registration");
	return own;
}
