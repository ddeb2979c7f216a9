#include "webrtc/form.h"

#include <string.h>

#define UNRESERVED                                                             \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

void gw_form_escape(struct gw_buf *out, const char *text)
{
	for (gw_buf_str(out, ""); *text; text++) {
		if (strchr(UNRESERVED, *text))
			gw_buf_add(out, text, 1);
		else
			gw_buf_printf(out, "%%%02X", (unsigned char)*text);
	}
}

void gw_form_wipe(struct gw_buf *buf)
{
	if (buf->data)
		explicit_bzero(buf->data, buf->len);
	gw_buf_fini(buf);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* @len characters at @s.  False: see GW_FORM_BROKEN. */
static bool unescape(char *out, size_t size, const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)s[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			if (i + 2 >= len || digit(s[i + 1]) < 0 ||
			    digit(s[i + 2]) < 0)
				return false;
			c = digit(s[i + 1]) * 16 + digit(s[i + 2]);
			i += 2;
		}
		if (c < 0x20 || c == 0x7f || n + 1 >= size)
			return false;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return true;
}

enum gw_form_found gw_form_get(const char *form, const char *name, char *out,
			       size_t size)
{
	enum gw_form_found found = GW_FORM_ABSENT;
	size_t want = strlen(name);

	out[0] = '\0';
	for (const char *p = form; p && *p;) {
		size_t len = strcspn(p, "&");

		if (len > want && !memcmp(p, name, want) && p[want] == '=') {
			if (found != GW_FORM_ABSENT ||
			    !unescape(out, size, p + want + 1,
				      len - want - 1)) {
				out[0] = '\0';
				return GW_FORM_BROKEN;
			}
			found = out[0] ? GW_FORM_FOUND : GW_FORM_ABSENT;
		}
		p += len + (p[len] == '&');
	}
	return found;
}
