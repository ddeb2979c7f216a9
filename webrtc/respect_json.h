/*
 * webrtc/respect_json.h - what the readers of RESPECT messages share
 *
 * Pure functions.
 */
#ifndef GW_RESPECT_JSON_H
#define GW_RESPECT_JSON_H

#include "webrtc/respect_msg.h"

struct json_object;

/* A string without inner NUL, of at most @max bytes; NULL: it is none. */
const char *gw_rjson_text(struct json_object *v, size_t max, size_t *len);
/* A whole number >= 0, also one that is written as a string of digits. */
bool gw_rjson_uint64(struct json_object *v, uint64_t *out);
/* A fault that is answered with @status and the sentence. */
enum gw_rfault gw_rmsg_bad(struct gw_rmsg *m, unsigned status, const char *fmt,
			   ...) __attribute__((format(printf, 3, 4)));

/* The report of m, which is an object. */
enum gw_rfault gw_rmsg_report(struct gw_rmsg *m, struct json_object *v);
/* callInfo of m, which is an object. */
enum gw_rfault gw_rmsg_call_info(struct gw_rmsg *m, struct json_object *v);

#endif
