#include "gateway/base/call_info.h"

#include <string.h>
#include <strings.h>

bool gw_call_info_empty(const struct gw_call_info *i)
{
	return !i->subject[0] && !i->name[0] && !i->alert[0] && !i->icon[0] &&
	       !i->page[0] && !i->card[0] && !i->nforward &&
	       !i->forwarded_to[0];
}

/* Length of the character at @s (RFC 3629 4); 0: it is none, or a control
 * character, of which U+0080 to U+009F are some, too. */
static size_t printable(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (s[0] < ' ' || s[0] == 0x7f || (s[0] >= 0x80 && s[0] < 0xc2) ||
	    s[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xc2 && s[1] < 0xa0) || (s[0] == 0xe0 && s[1] < 0xa0) ||
	    (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

bool gw_call_info_text_ok(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n;

	if (strnlen(text, GW_CALL_INFO_TEXT) == GW_CALL_INFO_TEXT)
		return false;
	for (; *s; s += n) {
		n = printable(s);
		if (!n)
			return false;
	}
	return true;
}

/* Printable ASCII that no reader takes for anything else. */
static bool plain(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s >= 0x7f || strchr("<>\"\\^`{|}", *s))
			return false;
	return true;
}

bool gw_call_info_url_ok(const char *url)
{
	size_t skip = !strncasecmp(url, "https://", 8)  ? 8
		      : !strncasecmp(url, "http://", 7) ? 7
							: 0;

	/* User information would pass for the host (RFC 3986 7.6). */
	return skip && url[skip] && !strchr("/?#", url[skip]) &&
	       strnlen(url, GW_CALL_INFO_URI) < GW_CALL_INFO_URI &&
	       plain(url) &&
	       !memchr(url + skip, '@', strcspn(url + skip, "/?#"));
}

bool gw_call_info_alert_ok(const char *uri)
{
	if (gw_call_info_url_ok(uri))
		return true;
	return !strncasecmp(uri, "urn:alert:", 10) && uri[10] &&
	       strnlen(uri, GW_CALL_INFO_URI) < GW_CALL_INFO_URI && plain(uri);
}

void gw_call_info_add(struct gw_call_info *info,
		      const struct gw_call_forward *f)
{
	unsigned n = info->nforward;

	if (n == GW_CALL_INFO_FORWARDS) {
		memmove(info->forward + 1, info->forward + 2,
			(n - 2) * sizeof(*info->forward));
		n--;
	}
	info->forward[n] = *f;
	info->nforward = n + 1;
}
