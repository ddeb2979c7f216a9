#include "sip/ident.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool gw_ident_uri_ok(const char *uri)
{
	static const char *const schemes[] = { "sip:", "sips:", "tel:" };
	size_t i, skip = 0, n;

	if (!uri)
		return false;
	n = strnlen(uri, GW_IDENT_URI_MAX + 1);
	if (n > GW_IDENT_URI_MAX)
		return false;
	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]) && !skip; i++) {
		if (!strncasecmp(uri, schemes[i], strlen(schemes[i])))
			skip = strlen(schemes[i]);
	}
	if (!skip || n == skip)
		return false;
	for (i = skip; i < n; i++) {
		unsigned char c = (unsigned char)uri[i];

		if (c <= ' ' || c >= 0x7f || strchr("<>\"\\?{}|^`,", c))
			return false;
	}
	return true;
}

/* Length of the UTF-8 character at @s, 0 when it is none (RFC 3629). */
static size_t utf8_len(const char *s)
{
	unsigned char c = (unsigned char)s[0];
	size_t i, n = c < 0x80   ? 1
		      : c < 0xc2 ? 0
		      : c < 0xe0 ? 2
		      : c < 0xf0 ? 3
		      : c < 0xf5 ? 4
				 : 0;

	for (i = 1; i < n; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

void gw_ident_quote(char *buf, size_t size, const char *text)
{
	size_t at = 0, n;

	if (size < 3) {
		if (size)
			buf[0] = '\0';
		return;
	}
	buf[at++] = '"';
	for (; *text; text += n ? n : 1) {
		n = utf8_len(text);
		/* an escape, or a character, and then quote and NUL */
		if (at + (n > 2 ? n : 2) + 2 > size)
			break;
		if (!n || (unsigned char)*text < ' ' || *text == 0x7f) {
			buf[at++] = '?';
		} else {
			if (*text == '"' || *text == '\\')
				buf[at++] = '\\';
			memcpy(buf + at, text, n);
			at += n;
		}
	}
	buf[at++] = '"';
	buf[at] = '\0';
}

int gw_ident_addr(char *buf, size_t size, const char *display, const char *uri)
{
	char name[2 * GW_IDENT_NAME_MAX + 4] = "";
	int n;

	if (!gw_ident_uri_ok(uri))
		return -EINVAL;
	if (display && *display)
		gw_ident_quote(name, sizeof(name), display);
	n = snprintf(buf, size, "%s%s<%s>", name, *name ? " " : "", uri);
	return n < 0 || (size_t)n >= size ? -EINVAL : 0;
}

bool gw_ident_unquote(char *buf, size_t size, const char *quoted)
{
	size_t at = 0, n;
	bool in_quotes;

	if (!quoted || !size)
		return false;
	in_quotes = *quoted == '"';
	if (in_quotes)
		quoted++;
	if (size > GW_IDENT_NAME_MAX + 1)
		size = GW_IDENT_NAME_MAX + 1;
	for (; *quoted; quoted += n ? n : 1) {
		if (in_quotes && *quoted == '"')
			break;
		if (in_quotes && *quoted == '\\' && quoted[1])
			quoted++;
		n = utf8_len(quoted);
		if (at + (n ? n : 1) + 1 > size)
			break;
		if (!n || (unsigned char)*quoted < ' ' || *quoted == 0x7f) {
			buf[at++] = '?';
			continue;
		}
		memcpy(buf + at, quoted, n);
		at += n;
	}
	while (at && buf[at - 1] == ' ')
		at--;
	buf[at] = '\0';
	return at > 0;
}
