/*
 * sip/ims_info.h - what a message says of its call, private to sip/
 *
 * Subject, Alert-Info, Call-Info and History-Info of the core, which is the
 * trust domain; checked and bounded, and without what is withheld.  Pure
 * functions.
 */
#ifndef GW_SIP_IMS_INFO_H
#define GW_SIP_IMS_INFO_H

#include "gateway/base/call_info.h"
#include "sip/session.h"

/* An element of Call-Info; @purpose may be NULL. */
void gw_ims_info_call(struct gw_call_info *out, const char *url,
		      const char *purpose);
/* The value of a header, a list as it was received.  What cannot be read is
 * left out. */
void gw_ims_info_alert(struct gw_call_info *out, const char *alert_info);

/* The entries of all History-Info headers, in order. */
#define GW_IMS_HISTORY 16
struct gw_ims_history {
	unsigned n;
	struct gw_ims_hop {
		struct gw_call_forward who; /* status: of its Reason */
		bool withheld;
		uint16_t cause;             /* of the URI (RFC 4458) */
		char index[24], mapped[24]; /* RFC 7044 10.1 */
	} hop[GW_IMS_HISTORY];
};
void gw_ims_info_history(struct gw_ims_history *h, const char *value);
/* Who has forwarded the call, and @moved: where it is now. */
void gw_ims_info_forwards(struct gw_call_info *out,
			  const struct gw_ims_history *h, bool moved);

/* All that @m says.  NULL: nothing. */
const struct gw_call_info *gw_ims_info(struct gw_call_info *out,
				       const sip_t *m);

#endif
