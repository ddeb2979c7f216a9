#include "webrtc/utf8.h"

void gw_utf8_init(struct gw_utf8 *u)
{
	*u = (struct gw_utf8){ .need = 0, .lo = 0x80, .hi = 0xbf };
}

/* RFC 3629 4: what may follow a first byte.  Only the first continuation byte
 * has a range of its own; that is what shuts out overlong forms (E0, F0),
 * surrogates (ED) and what lies above U+10FFFF (F4). */
static bool first_byte(struct gw_utf8 *u, uint8_t c)
{
	u->lo = 0x80;
	u->hi = 0xbf;
	if (c < 0x80) {
		u->need = 0;
	} else if (c >= 0xc2 && c <= 0xdf) {
		u->need = 1;
	} else if (c >= 0xe0 && c <= 0xef) {
		u->need = 2;
		if (c == 0xe0)
			u->lo = 0xa0;
		else if (c == 0xed)
			u->hi = 0x9f;
	} else if (c >= 0xf0 && c <= 0xf4) {
		u->need = 3;
		if (c == 0xf0)
			u->lo = 0x90;
		else if (c == 0xf4)
			u->hi = 0x8f;
	} else {
		return false;
	}
	return true;
}

bool gw_utf8_feed(struct gw_utf8 *u, const void *data, size_t len)
{
	const uint8_t *p = data;
	const uint8_t *end = p + len;

	if (u->bad)
		return false;
	for (; p < end; p++) {
		if (!u->need) {
			if (*p < 0x80)
				continue;
			if (!first_byte(u, *p))
				break;
		} else {
			if (*p < u->lo || *p > u->hi)
				break;
			u->need--;
			u->lo = 0x80;
			u->hi = 0xbf;
		}
	}
	u->bad = p < end;
	return !u->bad;
}

bool gw_utf8_complete(const struct gw_utf8 *u)
{
	return !u->bad && !u->need;
}
