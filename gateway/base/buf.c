#include "gateway/base/buf.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gw_buf_init(struct gw_buf *b, size_t limit_bytes)
{
	*b = (struct gw_buf){ .limit = limit_bytes };
}

void gw_buf_fini(struct gw_buf *b)
{
	free(b->data);
	gw_buf_init(b, b->limit);
}

void gw_buf_reset(struct gw_buf *b)
{
	b->len = 0;
	b->err = 0;
	if (b->data)
		b->data[0] = '\0';
}

/* Room for @len more bytes and the NUL; else the buffer has failed. */
static bool make_room(struct gw_buf *b, size_t len)
{
	size_t need, cap;
	char *data;

	if (b->err)
		return false;
	if (b->len > b->limit || len > b->limit - b->len ||
	    b->len + len == SIZE_MAX) {
		b->err = -EMSGSIZE;
		return false;
	}
	need = b->len + len + 1;
	if (need <= b->cap)
		return true;

	cap = b->cap ? b->cap : 128;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	data = realloc(b->data, cap);
	if (!data) {
		b->err = -ENOMEM;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

void gw_buf_add(struct gw_buf *b, const void *data, size_t len)
{
	if (!make_room(b, len))
		return;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void gw_buf_str(struct gw_buf *b, const char *s)
{
	gw_buf_add(b, s, strlen(s));
}

void gw_buf_printf(struct gw_buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->err = b->err ? b->err : -EMSGSIZE;
	} else if (make_room(b, (size_t)n)) {
		(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

int gw_buf_error(const struct gw_buf *b)
{
	return b->err;
}

char *gw_buf_take(struct gw_buf *b)
{
	char *text = NULL;

	gw_buf_add(b, "", 0); /* an empty text is one too */
	if (!b->err) {
		text = b->data;
		b->data = NULL;
	}
	gw_buf_fini(b);
	return text;
}
