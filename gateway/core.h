/*
 * gateway/core.h - what joins the two sides: calls, media, routing, draining
 *
 * Owns every call.  Takes new legs from both front ends and media events from
 * the workers, and finds the call they belong to by id.
 * Signalling thread only.
 */
#ifndef GW_CORE_H
#define GW_CORE_H

#include "gateway/base/buf.h"
#include "gateway/base/loop.h"
#include "gateway/leg.h"
#include "gateway/settings.h"
#include "media/media.h"
#include "sip/sip.h"
#include "webrtc/web.h"

struct gw_call;
struct gw_cdr;
struct gw_store;
struct gw_users;
struct gw_enrols;
struct gw_keep;
struct gw_pager;

struct gw_core {
	struct gw_loop *loop;
	const struct gw_settings *set;
	struct gw_media *media;
	struct gw_sip *sip; /* NULL: no SIP side configured */
	struct gw_web *web;
	struct gw_cdr *cdr;
	struct gw_store *store;   /* NULL: none configured */
	struct gw_users *users;   /* of the store; NULL with it */
	struct gw_enrols *enrols; /* NULL: without a core, or a store */
	struct gw_keep *keep;     /* NULL: without a store */
	struct gw_pager *pager;   /* messages of text */
	struct gw_call *calls;    /* by media context id */
	unsigned ncalls;
	bool draining;
	void (*drained)(void *arg); /* the last call of a drain has ended */
	void *drained_arg;
};

/* Both front ends' handler; @arg is the core. */
gw_leg_incoming_h gw_core_incoming;
/* Media's handler; @arg is the core. */
gw_media_event_h gw_core_media_event;

/* New calls are refused with 503 from now on; @done when none is left (at
 * once when none is). */
void gw_core_drain(struct gw_core *core, uint16_t retry_after_s,
		   void (*done)(void *), void *arg);

/* Ends every call with @status, for shutdown. */
void gw_core_release_all(struct gw_core *core, uint16_t status,
			 const char *text);

/* Live calls as a JSON array, for the admin view. */
void gw_core_print_calls(struct gw_core *core, struct gw_buf *out);

/* For gateway/call*.c: an ended call leaves the table and is freed. */
void gw_core_bury(struct gw_core *core, struct gw_call *call);

#endif
