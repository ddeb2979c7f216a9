#include "sdp/scan.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool gw_str_eq(struct gw_str s, const char *text)
{
	size_t n = strlen(text);

	return s.len == n && (n == 0 || memcmp(s.p, text, n) == 0);
}

bool gw_str_ieq(struct gw_str s, const char *text)
{
	size_t n = strlen(text);

	return s.len == n && (n == 0 || strncasecmp(s.p, text, n) == 0);
}

bool gw_str_has_prefix(struct gw_str s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= n && memcmp(s.p, prefix, n) == 0;
}

struct gw_str gw_str_token(struct gw_str *rest, char sep)
{
	struct gw_str tok;

	while (rest->len > 0 && *rest->p == sep) {
		rest->p++;
		rest->len--;
	}
	tok.p = rest->p;
	tok.len = 0;
	while (tok.len < rest->len && tok.p[tok.len] != sep)
		tok.len++;

	if (tok.len > 0) {
		rest->p += tok.len;
		rest->len -= tok.len;
	}
	return tok;
}

bool gw_str_u32(struct gw_str s, uint32_t max, uint32_t *out)
{
	uint64_t v = 0;
	size_t i;

	if (s.len == 0 || s.len > 10)
		return false;
	for (i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (v > max)
		return false;
	*out = (uint32_t)v;
	return true;
}

bool gw_str_u64_wrap(struct gw_str s, uint64_t *out)
{
	uint64_t v = 0;
	size_t i;

	if (s.len == 0)
		return false;
	for (i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*out = v;
	return true;
}

bool gw_str_copy(char *dst, size_t size, struct gw_str s)
{
	dst[0] = '\0';
	if (s.len >= size)
		return false;
	if (s.len > 0)
		memcpy(dst, s.p, s.len);
	dst[s.len] = '\0';
	return true;
}

bool gw_str_is_print(struct gw_str s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	}
	return true;
}

bool gw_str_is_token(struct gw_str s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.p[i] <= 0x20 || s.p[i] > 0x7e ||
		    strchr("\"(),/:;<=>?@[\\]", s.p[i]))
			return false;
	}
	return s.len > 0;
}

void gw_sdp_fail(struct gw_sdp_error *err, unsigned line, const char *text)
{
	if (!err)
		return;
	err->line = line;
	(void)snprintf(err->text, sizeof(err->text), "%s", text);
}
