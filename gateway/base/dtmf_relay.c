#include "gateway/base/dtmf_relay.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_MS 160
#define MIN_MS     20
#define MAX_MS     10000
#define DIGITS_MAX 9 /* of a number, so that it fits */

static bool is_digit(char c)
{
	return c && strchr("0123456789*#ABCDabcd", c);
}

static size_t trim(const char **p, size_t n)
{
	while (n && isspace((unsigned char)**p)) {
		(*p)++;
		n--;
	}
	while (n && isspace((unsigned char)(*p)[n - 1]))
		n--;
	return n;
}

int gw_dtmf_digit_parse(struct gw_dtmf_relay *out, const void *text, size_t len)
{
	const char *p = text;

	len = trim(&p, len);
	if (len != 1 || !is_digit(*p))
		return -EINVAL;
	out->signal = (char)toupper((unsigned char)*p);
	out->duration_ms = DEFAULT_MS;
	return 0;
}

static int parse_ms(uint32_t *ms, const char *p, size_t n)
{
	uint32_t v = 0;

	if (!n || n > DIGITS_MAX)
		return -EINVAL;
	for (; n; n--, p++) {
		if (!isdigit((unsigned char)*p))
			return -EINVAL;
		v = v * 10 + (uint32_t)(*p - '0');
	}
	if (v >= MIN_MS && v <= MAX_MS)
		*ms = v;
	return 0;
}

static int parse_line(struct gw_dtmf_relay *out, const char *line, size_t n)
{
	const char *eq = memchr(line, '=', n);
	const char *name = line, *value;
	struct gw_dtmf_relay d;
	size_t nn, nv;

	if (!eq)
		return 0;
	value = eq + 1;
	nn = trim(&name, (size_t)(eq - line));
	nv = trim(&value, n - (size_t)(value - line));
	if (nn == 6 && !strncasecmp(name, "Signal", 6)) {
		if (gw_dtmf_digit_parse(&d, value, nv))
			return -EINVAL;
		out->signal = d.signal;
	} else if (nn == 8 && !strncasecmp(name, "Duration", 8)) {
		return parse_ms(&out->duration_ms, value, nv);
	}
	return 0;
}

int gw_dtmf_relay_parse(struct gw_dtmf_relay *out, const void *text, size_t len)
{
	const char *p = text, *end = p + len;

	out->signal = 0;
	out->duration_ms = DEFAULT_MS;
	while (p < end) {
		size_t n = 0;

		while (p + n < end && p[n] != '\r' && p[n] != '\n')
			n++;
		if (parse_line(out, p, n))
			return -EINVAL;
		p += n < (size_t)(end - p) ? n + 1 : n;
	}
	return out->signal ? 0 : -EINVAL;
}

size_t gw_dtmf_relay_print(char out[GW_DTMF_RELAY_SIZE],
			   const struct gw_dtmf_relay *d)
{
	return (size_t)snprintf(out, GW_DTMF_RELAY_SIZE,
				"Signal=%c\r\nDuration=%u\r\n", d->signal,
				d->duration_ms);
}
