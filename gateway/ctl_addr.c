#include "gateway/ctl_addr.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

int gw_ctl_addr(struct sockaddr_un *out, int *dir_fd, const char *path)
{
	const char *name = strrchr(path, '/');
	char dir[PATH_MAX];
	int n;

	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	*dir_fd = -1;
	n = snprintf(out->sun_path, sizeof(out->sun_path), "%s", path);
	if (n < (int)sizeof(out->sun_path))
		return 0;
	if (!name || (size_t)(name - path) >= sizeof(dir))
		return -ENAMETOOLONG;
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(name - path), path);
	*dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dir_fd < 0)
		return -errno;
	n = snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d%s",
		     *dir_fd, name);
	return n < (int)sizeof(out->sun_path) ? 0 : -ENAMETOOLONG;
}
