/*
 * gateway/ctl_addr.h - a Unix socket's address, however long its name is
 *
 * For the daemon and for isthmusctl, which is why it knows nothing else.
 * Pure.
 */
#ifndef GW_CTL_ADDR_H
#define GW_CTL_ADDR_H

#include <sys/socket.h>
#include <sys/un.h>

/*
 * sun_path holds 107 bytes; a longer name is reached by way of its opened
 * directory.  @dir_fd: to be closed after bind() or connect(), -1 when there is
 * none.  0 or -errno.
 */
int gw_ctl_addr(struct sockaddr_un *out, int *dir_fd, const char *path);

#endif
