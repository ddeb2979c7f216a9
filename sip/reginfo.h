/*
 * sip/reginfo.h - what a reg event document says of one registration
 *
 * RFC 3680, application/reginfo+xml.  Reads for one contact and one set of
 * identities, and keeps nothing of others, so that its size does not matter.
 * The only module that knows expat.  Pure.
 */
#ifndef GW_SIP_REGINFO_H
#define GW_SIP_REGINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_REGINFO_TYPE "application/reginfo+xml"

/* RFC 3680 5.3; those that end something. */
enum gw_reginfo_event {
	GW_REGINFO_OTHER, /* none, or one that ends nothing */
	GW_REGINFO_EXPIRED,
	GW_REGINFO_DEACTIVATED,
	GW_REGINFO_PROBATION,
	GW_REGINFO_UNREGISTERED,
	GW_REGINFO_REJECTED,
	GW_REGINFO_NEVENTS
};

enum gw_reginfo_state {
	GW_REGINFO_ABSENT, /* it says nothing of it */
	GW_REGINFO_ACTIVE, /* or "init": on its way */
	GW_REGINFO_TERMINATED
};

struct gw_reginfo_who {
	const char *contact_user; /* user part of our contact */
	const char (*impu)[128];  /* the default identity first */
	size_t nimpu;
};

struct gw_reginfo {
	uint32_t version;
	bool full;
	/* The default identity; without it in the document, all others of the
	 * set together. */
	enum gw_reginfo_state identity;
	/* Ours, in any of these. */
	enum gw_reginfo_state contact;
	enum gw_reginfo_event event; /* of a contact that is TERMINATED */
	uint32_t retry_after_s;      /* of the same; 0: not said */
};

/* 0; -EINVAL: not such a document; -EMSGSIZE: too long, too deep; -ENOMEM. */
int gw_reginfo_read(struct gw_reginfo *out, const struct gw_reginfo_who *who,
		    const void *body, size_t len);

const char *gw_reginfo_event_name(enum gw_reginfo_event event);

#endif
