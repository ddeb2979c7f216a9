#include "sip/extension.h"

#include <string.h>
#include <strings.h>

#include "gateway/base/check.h"

static const struct {
	unsigned bit;
	const char *tag;
} known[] = {
	{GW_EXT_100REL,        "100rel"      },
	{ GW_EXT_TIMER,        "timer"       },
	{ GW_EXT_PRECONDITION, "precondition"},
	{ GW_EXT_REPLACES,     "replaces"    },
	{ GW_EXT_199,          "199"         },
};

static bool on(const char *choice)
{
	return *choice && strcmp(choice, "off") != 0;
}

unsigned gw_ext_ours(const struct gw_set_sip *set)
{
	unsigned ours = GW_EXT_REPLACES;

	if (on(set->reliable))
		ours |= GW_EXT_100REL;
	if (set->session_expires_s)
		ours |= GW_EXT_TIMER;
	if (on(set->reliable) && on(set->precondition))
		ours |= GW_EXT_PRECONDITION;
	return ours;
}

unsigned gw_ext_demanded(const struct gw_set_sip *set)
{
	unsigned all = 0;

	if (!strcmp(set->reliable, "required"))
		all |= GW_EXT_100REL;
	/* RFC 3312 11: preconditions stand on reliable responses. */
	if (!strcmp(set->precondition, "required"))
		all |= GW_EXT_PRECONDITION | GW_EXT_100REL;
	return all & gw_ext_ours(set);
}

const char *gw_ext_print(char buf[GW_EXT_SIZE], unsigned extensions)
{
	buf[0] = '\0';
	for (size_t i = 0; i < GW_ARRAY_LEN(known); i++) {
		if (!(extensions & known[i].bit))
			continue;
		if (buf[0])
			strcat(buf, ", ");
		strcat(buf, known[i].tag);
	}
	return buf;
}

unsigned gw_ext_read(const msg_list_t *list)
{
	unsigned all = 0;

	for (; list; list = (const msg_list_t *)list->k_next) {
		for (const msg_param_t *v = list->k_items; v && *v; v++) {
			for (size_t i = 0; i < GW_ARRAY_LEN(known); i++) {
				if (!strcasecmp(*v, known[i].tag))
					all |= known[i].bit;
			}
		}
	}
	return all;
}
