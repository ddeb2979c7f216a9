#include "tests/bench/ng.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct ng_out *o, const char *data, size_t n)
{
	assert(o->len + n < sizeof(o->data));
	memcpy(o->data + o->len, data, n);
	o->len += n;
	o->data[o->len] = '\0';
}

static void add_string(struct ng_out *o, const char *s)
{
	char head[24];

	(void)snprintf(head, sizeof(head), "%zu:", strlen(s));
	add(o, head, strlen(head));
	add(o, s, strlen(s));
}

void ng_begin(struct ng_out *o, const char *cookie)
{
	o->len = 0;
	add(o, cookie, strlen(cookie));
	add(o, " d", 2);
}

void ng_text(struct ng_out *o, const char *key, const char *value)
{
	add_string(o, key);
	add_string(o, value);
}

void ng_list(struct ng_out *o, const char *key, const char *const *values)
{
	add_string(o, key);
	add(o, "l", 1);
	for (; *values; values++)
		add_string(o, *values);
	add(o, "e", 1);
}

void ng_end(struct ng_out *o)
{
	add(o, "e", 1);
}

size_t ng_cookie(const char *data, char *cookie, size_t size)
{
	size_t n = strcspn(data, " ");

	if (!data[n] || n >= size)
		return 0;
	memcpy(cookie, data, n);
	cookie[n] = '\0';
	return n;
}

/* Past one value at @p; NULL: it is broken. */
static const char *skip(const char *p, const char *end)
{
	char *after;
	unsigned long n;

	if (p >= end)
		return NULL;
	if (*p == 'i') {
		p = memchr(p, 'e', (size_t)(end - p));
		return p ? p + 1 : NULL;
	}
	if (*p == 'l' || *p == 'd') {
		for (p++; p && p < end && *p != 'e';)
			p = skip(p, end);
		return p && p < end ? p + 1 : NULL;
	}
	n = strtoul(p, &after, 10);
	if (after == p || *after != ':' || n > (size_t)(end - after) - 1)
		return NULL;
	return after + 1 + n;
}

static bool is_string(const char *p, const char *end, const char **text,
		      size_t *len)
{
	const char *after = skip(p, end);
	const char *colon;

	if (!after || *p < '0' || *p > '9')
		return false;
	colon = strchr(p, ':');
	*text = colon + 1;
	*len = (size_t)(after - *text);
	return true;
}

bool ng_get(const char *data, size_t len, const char *key, char *out,
	    size_t size)
{
	const char *end = data + len;
	const char *p = strchr(data, ' ');
	const char *text;
	size_t n;

	if (!p || ++p >= end || *p++ != 'd')
		return false;
	while (p && p < end && *p != 'e') {
		bool found;

		if (!is_string(p, end, &text, &n))
			return false;
		found = n == strlen(key) && !memcmp(text, key, n);
		p = text + n;
		if (found) {
			if (!is_string(p, end, &text, &n) || n >= size)
				return false;
			memcpy(out, text, n);
			out[n] = '\0';
			return true;
		}
		p = skip(p, end);
	}
	return false;
}

bool sdp_line(const char *sdp, const char *prefix, char *out, size_t size)
{
	const char *p = sdp;
	size_t n;

	while (p && strncmp(p, prefix, strlen(prefix)) != 0) {
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	if (!p || !*p)
		return false;
	p += strlen(prefix);
	n = strcspn(p, "\r\n");
	if (n >= size)
		return false;
	memcpy(out, p, n);
	out[n] = '\0';
	return true;
}

bool sdp_hash(const char *text, unsigned char sha256[32])
{
	for (int i = 0; i < 32; i++) {
		unsigned v;

		if (sscanf(text + (size_t)i * 3, "%2x", &v) != 1)
			return false;
		sha256[i] = (unsigned char)v;
	}
	return true;
}

void sdp_print_hash(char out[96], const unsigned char sha256[32])
{
	for (int i = 0; i < 32; i++)
		(void)snprintf(out + (size_t)i * 3, 4, "%02X%s", sha256[i],
			       i < 31 ? ":" : "");
}
