/* tests/unit/udp.h - a socket of the test's own */
#ifndef TEST_UDP_H
#define TEST_UDP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "gateway/base/addr.h"

/* UDP, non-blocking, at a free port of @address; @out is where.  The caller
 * closes it. */
static inline int udp_open(const char *address, struct gw_addr *out)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	assert_int_equal(gw_addr_parse(out, address, 0), 0);
	len = gw_addr_to_sockaddr(out, &ss);
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(gw_addr_from_sockaddr(out, (struct sockaddr *)&ss), 0);
	return fd;
}

#endif
