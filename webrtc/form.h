/*
 * webrtc/form.h - application/x-www-form-urlencoded: read and written
 *
 * Pure functions on bounded input, any thread.
 */
#ifndef GW_FORM_H
#define GW_FORM_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/buf.h"

/* Appends @text with all but RFC 3986's unreserved characters escaped. */
void gw_form_escape(struct gw_buf *out, const char *text);
/* Wipes the text, then frees it. */
void gw_form_wipe(struct gw_buf *buf);

enum gw_form_found {
	GW_FORM_ABSENT, /* @out is "" then */
	GW_FORM_FOUND,
	GW_FORM_BROKEN /* twice, longer than @size, bad escapes, controls */
};

/* The value of @name in "a=1&b=2", unescaped.  RFC 6749 3.1: a parameter must
 * not come twice, and one without a value is treated as if it were absent. */
enum gw_form_found gw_form_get(const char *form, const char *name, char *out,
			       size_t size);

#endif
