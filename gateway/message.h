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

#include "gateway/leg.h"

#define GW_MESSAGE_MAX  4096 /* bytes that are taken from anybody */
#define GW_MESSAGE_TYPE "text/plain"

struct gw_message {
	struct gw_party from; /* who the network says it is of */
	const char *to;
	/* The key of a registration in the core, as in struct gw_msg. */
	const char *registration;
	bool privacy;     /* from is for the trust domain only */
	const char *text; /* not NUL-terminated; valid during the call */
	size_t len;
};

/* A front end received @m; the answer names @ask, and may come from inside this
 * call. */
typedef void(gw_message_h)(uint64_t ask, const struct gw_message *m, void *arg);

/* What was sent as @id is answered: status 200, or why not. */
typedef void(gw_message_done_h)(uint64_t id, const struct gw_cause *cause,
				void *arg);

#endif
