/*
 * gateway/message.h - a message of text outside of any call (RFC 3428)
 *
 * What both sides make of a MESSAGE and of RESPECT's message.isthmus.  A front
 * end gives each one it receives a number, and is told by it how that ended;
 * what it is told to send has a number of the gateway's.  Text is opaque UTF-8
 * here, and never logged.  Signalling thread only.
 */
#ifndef GW_MESSAGE_H
#define GW_MESSAGE_H

#include <string.h>
#include <strings.h>

#include "gateway/leg.h"
#include "gateway/settings.h"

#define GW_MESSAGE_MAX  4096 /* bytes that are taken from anybody */
#define GW_MESSAGE_TYPE "text/plain"

struct gw_message {
	struct gw_party from; /* who the network says it is of */
	const char *to;
	/* The key of a registration in the core, as in struct gw_msg. */
	const char *registration;
	bool privacy;     /* from is for the trust domain only */
	const char *type; /* of the text; NULL: GW_MESSAGE_TYPE */
	const char *text; /* not NUL-terminated; valid during the call */
	size_t len;
};

/*
 * The type that is carried for @type, which may have parameters: they are not,
 * as all text is UTF-8.  NULL: it is not taken.
 */
static inline const char *gw_message_type(const struct gw_set_messages *set,
					  const char *type)
{
	size_t n = strcspn(type, "; \t");

	if (n == strlen(GW_MESSAGE_TYPE) &&
	    !strncasecmp(type, GW_MESSAGE_TYPE, n))
		return GW_MESSAGE_TYPE;
	for (size_t i = 0; i < set->ntype; i++)
		if (strlen(set->type[i]) == n &&
		    !strncasecmp(type, set->type[i], n))
			return set->type[i];
	return NULL;
}

/* A front end received @m; the answer names @ask, and may come from inside this
 * call. */
typedef void(gw_message_h)(uint64_t ask, const struct gw_message *m, void *arg);

/* What was sent as @id is answered: status 200, or why not. */
typedef void(gw_message_done_h)(uint64_t id, const struct gw_cause *cause,
				void *arg);

#endif
