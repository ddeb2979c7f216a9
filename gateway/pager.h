/*
 * gateway/pager.h - messages of text between the two sides
 *
 * Finds whom a message is for by the routes of calls, hands it to that front
 * end and the answer back to the one that it came from.  Keeps no text: who is
 * not there is not told later.  Signalling thread only.
 */
#ifndef GW_PAGER_H
#define GW_PAGER_H

#include "gateway/message.h"

struct gw_core;
struct gw_pager;

int gw_pager_new(struct gw_pager **out, struct gw_core *core); /* 0, -ENOMEM */
/* Before the front ends are asked for nothing any more; NULL is legal. */
void gw_pager_free(struct gw_pager *p);

/* The front ends' handlers; @arg is the core. */
gw_message_h gw_pager_from_web;
gw_message_h gw_pager_from_sip;
gw_message_done_h gw_pager_done;

#endif
