#include "gateway/base/media_control.h"

#include <string.h>

bool gw_media_control_asks(const void *text, size_t len)
{
	static const char element[] = "picture_fast_update";
	const char *at = text, *end = at + len;
	size_t n = sizeof(element) - 1;

	while ((at = memmem(at, (size_t)(end - at), element, n))) {
		/* Opens an element, with or without a prefix of its own. */
		const char *before = at;

		at += n;
		while (before > (const char *)text && before[-1] != '<' &&
		       before[-1] != '/' && before[-1] != '>' &&
		       before[-1] != ' ')
			before--;
		if (before > (const char *)text && before[-1] == '<' &&
		    at < end && strchr("/> \t\r\n", *at) && *at)
			return true;
	}
	return false;
}
