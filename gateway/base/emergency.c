#include "gateway/base/emergency.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define SOS_LEN (sizeof(GW_EMERGENCY_SOS) - 1)
#define XML_MAX 8192

static const struct gw_emergency_number everywhere[] = {
	{"112",  GW_EMERGENCY_SOS},
	{ "911", GW_EMERGENCY_SOS},
};

/* "." and a label: letters, digits, and hyphens that are not at its ends
 * (RFC 5031 4.2).  Its length; 0: there is none. */
static size_t label(const char *s)
{
	size_t n = 1;

	if (s[0] != '.')
		return 0;
	while (isalnum((unsigned char)s[n]) || s[n] == '-')
		n++;
	return n == 1 || s[1] == '-' || s[n - 1] == '-' ? 0 : n;
}

bool gw_emergency_is_urn(const char *uri)
{
	size_t n, at = SOS_LEN;

	if (strncasecmp(uri, GW_EMERGENCY_SOS, SOS_LEN) != 0)
		return false;
	while ((n = label(uri + at)))
		at += n;
	return !uri[at] && at < GW_EMERGENCY_URN_SIZE;
}

/* Any URN of the service, also one with something behind it. */
static bool take_urn(char *out, const char *uri)
{
	const char *end = uri + SOS_LEN;
	size_t i;

	if (strncasecmp(uri, GW_EMERGENCY_SOS, SOS_LEN) != 0 ||
	    isalnum((unsigned char)*end) || *end == '-')
		return false;
	if (!gw_emergency_is_urn(uri))
		uri = GW_EMERGENCY_SOS;
	for (i = 0; uri[i]; i++)
		out[i] = (char)tolower((unsigned char)uri[i]);
	out[i] = '\0';
	return true;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character at @s, of which *@used are its own (RFC 3986 2.1). */
static char unescaped(const char *s, const char *end, size_t *used)
{
	*used = 1;
	if (*s != '%' || end - s < 3 || hex(s[1]) < 0 || hex(s[2]) < 0)
		return *s;
	*used = 3;
	return (char)(hex(s[1]) * 16 + hex(s[2]));
}

/* Where the number in @target would be, *@end behind it; NULL: it is a URI of
 * another scheme. */
static const char *number_in(const char *target, const char **end)
{
	const char *p = target + strspn(target, " \t");
	const char *at;

	if (!strncasecmp(p, "tel:", 4)) {
		p += 4;
	} else if (!strncasecmp(p, "sip:", 4) || !strncasecmp(p, "sips:", 5)) {
		p = strchr(p, ':') + 1;
		at = strchr(p, '@');
		if (!at)
			return NULL;
		*end = p + strcspn(p, ";:?@");
		return *end <= at ? p : NULL;
	}
	if (!strncmp(p, "//", 2))
		p += 2;
	*end = p + strcspn(p, ";?");
	return p;
}

/* What is dialled, without visual separators (RFC 3966 3). */
static bool digits(char out[GW_EMERGENCY_NUMBER_SIZE], const char *target)
{
	const char *end, *p = number_in(target, &end);
	size_t used, n = 0;

	for (; p && p < end; p += used) {
		char c = unescaped(p, end, &used);

		if (c && strchr("-.() \t", c))
			continue;
		if (!c || !strchr("0123456789*#+", c) || (c == '+' && n) ||
		    n + 1 >= GW_EMERGENCY_NUMBER_SIZE)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return n > 0;
}

bool gw_emergency_find(char urn[GW_EMERGENCY_URN_SIZE],
		       const struct gw_emergency_number *list, size_t n,
		       const char *target)
{
	char number[GW_EMERGENCY_NUMBER_SIZE];

	if (take_urn(urn, target + strspn(target, " \t")))
		return true;
	if (!digits(number, target))
		return false;
	if (!n) {
		list = everywhere;
		n = sizeof(everywhere) / sizeof(everywhere[0]);
	}
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(list[i].number, number)) {
			memcpy(urn, list[i].urn, sizeof(list[i].urn));
			return true;
		}
	}
	return false;
}

bool gw_emergency_said(const char *xml, size_t len)
{
	static const char tag[] = "<type>", word[] = "emergency";
	const char *p, *end;

	if (!xml || len > XML_MAX)
		return false;
	end = xml + len;
	p = memmem(xml, len, tag, sizeof(tag) - 1);
	if (!p || !memmem(xml, (size_t)(p - xml), "alternative-service", 19))
		return false;
	p += sizeof(tag) - 1;
	while (p < end && isspace((unsigned char)*p))
		p++;
	return (size_t)(end - p) >= sizeof(word) - 1 &&
	       !memcmp(p, word, sizeof(word) - 1);
}
