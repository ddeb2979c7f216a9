#include "media/ice_addrs.h"

#include <dlfcn.h>
#include <nice/nice.h>
#include <nice/interfaces.h>
#include <stdio.h>
#include <string.h>

/* More than a machine has at a time; of an old one, nobody asks. */
#define LOCAL_MAX 32

static _Thread_local struct {
	unsigned n;
	char ip[LOCAL_MAX][INET6_ADDRSTRLEN];
} known;

void gw_ice_addrs_add(const char *ip)
{
	for (unsigned i = 0; i < known.n; i++)
		if (!strcmp(known.ip[i], ip))
			return;
	if (known.n == LOCAL_MAX)
		known.n = 0;
	snprintf(known.ip[known.n++], sizeof(known.ip[0]), "%s", ip);
}

/* libnice's own: what is up and running here. */
static GList *ask_libnice(gboolean include_loopback)
{
	GList *(*own)(gboolean);

	*(void **)&own = dlsym(RTLD_NEXT, "nice_interfaces_get_local_ips");
	return own ? own(include_loopback) : NULL;
}

/* Without loopback it is for an agent that was given no address, and gathers
 * at all there are; with it, for the place of one among them. */
GList *nice_interfaces_get_local_ips(gboolean include_loopback)
{
	GList *ips = NULL;

	if (!include_loopback) {
		ips = ask_libnice(FALSE);
		for (GList *l = ips; l; l = l->next)
			gw_ice_addrs_add(l->data);
		return ips;
	}
	/* libnice prefers those behind. */
	for (unsigned i = 0; i < known.n; i++)
		ips = g_list_prepend(ips, g_strdup(known.ip[i]));
	return ips;
}

guint nice_interfaces_get_if_index_by_addr(NiceAddress *addr)
{
	(void)addr;
	return 0;
}
