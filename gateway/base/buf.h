/*
 * gateway/base/buf.h - text that grows up to a limit
 *
 * A failed append (limit or memory) makes the buffer sticky-failed: later
 * appends do nothing and gw_buf_error() tells, so that builders check once,
 * at the end.  No thread of its own.
 */
#ifndef GW_BASE_BUF_H
#define GW_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

struct gw_buf {
	char *data; /* always NUL-terminated once something was appended */
	size_t len;
	size_t cap;
	size_t limit; /* bytes of text, without the NUL */
	int err;      /* 0, -ENOMEM, or -EMSGSIZE: the limit */
};

void gw_buf_init(struct gw_buf *b, size_t limit_bytes);
void gw_buf_fini(struct gw_buf *b);
void gw_buf_reset(struct gw_buf *b); /* empty, memory and limit kept */

void gw_buf_add(struct gw_buf *b, const void *data, size_t len);
void gw_buf_str(struct gw_buf *b, const char *s);
void gw_buf_printf(struct gw_buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

int gw_buf_error(const struct gw_buf *b);

/* The text, now the caller's to free(); the buffer is empty after.  NULL when
 * the buffer failed. */
char *gw_buf_take(struct gw_buf *b);

#endif
