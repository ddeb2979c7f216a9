/*
 * webrtc/http_fetch.h - asks HTTPS servers of others, on a thread of its own
 *
 * For what a log-in needs from elsewhere: key sets (RFC 7517) and token
 * introspection (RFC 7662).  Only https:, certificates always checked, no
 * redirects, and size, time and number are bounded: a server that is slow or
 * endless costs nothing but its answer.  Only http_fetch.c knows libcurl.
 * Everything here is called on the signalling thread, handlers run there too.
 */
#ifndef GW_HTTP_FETCH_H
#define GW_HTTP_FETCH_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/loop.h"

#define GW_FETCH_MAX 128 /* under way at once */

struct gw_fetch;

/* Copied by gw_fetch_start(). */
struct gw_fetch_request {
	const char *url;
	const char *ca_file;  /* PEM; "": the system's */
	const char *user;     /* Basic, already encoded; NULL: none */
	const char *password; /* wiped when the request is over */
	const char *form;     /* POST application/x-www-form-urlencoded */
	uint32_t timeout_ms;  /* for all of it */
	size_t max_bytes;     /* of the body */
};

struct gw_fetch_result {
	const char *fault; /* NULL, or why there is no answer */
	long status;       /* of HTTP; 0 with a fault */
	const char *body;  /* @len bytes; valid in the handler only */
	size_t len;
	int64_t max_age_s; /* Cache-Control; 0: no-store, no-cache; -1: unsaid */
};

typedef void(gw_fetch_h)(const struct gw_fetch_result *result, void *arg);

/* Starts the thread.  0 or -errno. */
int gw_fetch_new(struct gw_fetch **out, struct gw_loop *loop);
/* Requests under way are given up: their handlers are told so. */
void gw_fetch_free(struct gw_fetch *f);

/* @handler runs exactly once, never from inside this call.  0, -EBUSY (too
 * many), -ENOMEM. */
int gw_fetch_start(struct gw_fetch *f, const struct gw_fetch_request *req,
		   gw_fetch_h *handler, void *arg);

/* "max-age=N" in a Cache-Control field (RFC 9111 5.2.2), as max_age_s. */
int64_t gw_fetch_max_age(const char *field, size_t len);

#endif
