#include "media/tos.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>

void gw_tos_set(int fd, uint8_t family, int tos)
{
	bool v6 = family == AF_INET6;

	(void)setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
			 v6 ? IPV6_TCLASS : IP_TOS, &tos, sizeof(tos));
}

static ssize_t send_marked(int fd, struct sockaddr *to, socklen_t to_len,
			   int tos, const void *data, size_t len)
{
	bool v6 = to->sa_family == AF_INET6;
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)data, /* it is only read */
		.iov_len = len,
	};
	struct msghdr msg = {
		.msg_name = to,
		.msg_namelen = to_len,
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	memset(control, 0, sizeof(control));
	c->cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	c->cmsg_type = v6 ? IPV6_TCLASS : IP_TOS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &tos, sizeof(tos));
	return sendmsg(fd, &msg, MSG_DONTWAIT);
}

int gw_tos_send(int fd, const struct gw_addr *to, int tos, int own,
		const void *data, size_t len)
{
	struct sockaddr_storage ss;
	socklen_t slen = gw_addr_to_sockaddr(to, &ss);
	struct sockaddr *sa = (struct sockaddr *)&ss;
	ssize_t n;

	if (tos < 0 || tos == own)
		n = sendto(fd, data, len, MSG_DONTWAIT, sa, slen);
	else
		n = send_marked(fd, sa, slen, tos, data, len);
	return n < 0 ? -errno : 0;
}
