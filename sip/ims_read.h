/*
 * sip/ims_read.h - what a message of the peer says, private to sip/ims_*.c
 *
 * Texts point into the message or into a struct gw_ims_who, and live as long.
 * gw_ims_has_sdp() and gw_ims_allows_update(), which the sessions ask too, are
 * in session.h.  Signalling thread only.
 */
#ifndef GW_SIP_IMS_READ_H
#define GW_SIP_IMS_READ_H

#include "sip/session.h"

/* Text of a peer's message, checked and bounded, for the time of one tell. */
struct gw_ims_who {
	char uri[GW_IDENT_URI_MAX + 1];
	char name[GW_IDENT_NAME_MAX + 1];
};

/* The value of a header that Sofia has no struct for; NULL: it is not there. */
const char *gw_ims_header(const sip_t *m, const char *name);
/* Is @token in @list (NULL: no)?  Blanks, commas and semicolons separate. */
bool gw_ims_has_token(const char *list, const char *token);
/* What P-Early-Media (RFC 5009 8) says of each m-line, a bit each from 0: the
 * network @sends there, and @takes.  False: it says nothing. */
bool gw_ims_early_media(const sip_t *m, uint32_t *sends, uint32_t *takes);
/* RFC 3323 4.2, RFC 3325 9.3: is the identity for the trust domain only? */
bool gw_ims_wants_privacy(const sip_t *m);

/* Who answers, unless for the trust domain only: a browser is outside it. */
struct gw_party gw_ims_connected(struct gw_ims_who *w, const sip_t *response);
/* Whom the network asserts, or else who says that it is he; anonymous says
 * nothing. */
struct gw_party gw_ims_originator(struct gw_ims_who *w, const sip_t *request);
/* Whom the peer calls: P-Called-Party-ID where the core has put a contact into
 * the Request-URI (RFC 7315 4.2), else that. */
struct gw_party gw_ims_called(const struct gw_sip *sip, struct gw_ims_who *w,
			      const sip_t *request);

/* Its SDP as @role; without SDP: GW_DESC_NONE. */
struct gw_desc gw_ims_desc(const sip_t *m, enum gw_desc_role role);

#endif
