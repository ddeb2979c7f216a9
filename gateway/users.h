/*
 * gateway/users.h - subscribers of the store as users of the web side
 *
 * The web side asks for a user by its id, and gets what the configuration
 * would have held.  Signalling thread only.
 */
#ifndef GW_USERS_H
#define GW_USERS_H

#include "gateway/core.h"

struct gw_users;

/* @core->store is there.  0 or -ENOMEM. */
int gw_users_new(struct gw_users **out, struct gw_core *core);
/* After the store is closed. */
void gw_users_free(struct gw_users *users);

/* The web side's handler; @arg is the core.  0, -EAGAIN or -ENOMEM. */
gw_web_user_h gw_users_ask;

#endif
