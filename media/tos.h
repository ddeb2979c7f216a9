/*
 * media/tos.h - the DSCP of one datagram (RFC 2474, RFC 8837 5)
 *
 * Keeps nothing, so any thread may.
 */
#ifndef GW_MEDIA_TOS_H
#define GW_MEDIA_TOS_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"

#define GW_TOS_SOCKETS (-1) /* whatever the socket has */

/* Of all that @fd sends from now on. */
void gw_tos_set(int fd, uint8_t family, int tos);

/* To @to, marked with @tos, where that is not @own, the socket's.  Bundled
 * media share a socket and not a class.  0 or -errno; never waits. */
int gw_tos_send(int fd, const struct gw_addr *to, int tos, int own,
		const void *data, size_t len);

#endif
