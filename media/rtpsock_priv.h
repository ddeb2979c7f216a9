/*
 * media/rtpsock_priv.h - what rtpsock.c and rtpsock_ports.c share
 *
 * A pair of sockets is one worker's.
 */
#ifndef GW_MEDIA_RTPSOCK_PRIV_H
#define GW_MEDIA_RTPSOCK_PRIV_H

#include "media/rtpsock.h"

/* An even port, or 0 when none is free. */
uint16_t gw_ports_take(struct gw_ports *ports);
void gw_ports_give(struct gw_ports *ports, uint16_t port);

#endif
