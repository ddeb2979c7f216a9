/*
 * sip/extension.h - option tags: what we understand, ask for and demand
 *
 * Pure (RFC 3261 19.2, 20.32, 20.37).
 */
#ifndef GW_SIP_EXTENSION_H
#define GW_SIP_EXTENSION_H

#include <stddef.h>

#include "gateway/settings.h"
#include "sip/stack.h"

enum {
	GW_EXT_100REL = 1,       /* RFC 3262 */
	GW_EXT_TIMER = 2,        /* RFC 4028 */
	GW_EXT_PRECONDITION = 4, /* RFC 3312 */
	GW_EXT_REPLACES = 8,     /* RFC 3891; always */
	GW_EXT_199 = 16,         /* RFC 6228; only INVITEs of ours say so */
};
#define GW_EXT_SIZE 56 /* of all their names */

/* What the configuration lets us understand, and what it makes us demand. */
unsigned gw_ext_ours(const struct gw_set_sip *set);
unsigned gw_ext_demanded(const struct gw_set_sip *set);

/* "100rel, timer"; "" for none. */
const char *gw_ext_print(char buf[GW_EXT_SIZE], unsigned extensions);
/* Those of ours that @list (Supported, Require) names. */
unsigned gw_ext_read(const msg_list_t *list);

#endif
