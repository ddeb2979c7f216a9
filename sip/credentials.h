/*
 * sip/credentials.h - what the configured credentials say to a peer's challenge
 *
 * sip.username and sip.password, of requests in dialogs and of MESSAGE;
 * registrations have their own (regn_auth.c).  Signalling thread only.
 */
#ifndef GW_SIP_CREDENTIALS_H
#define GW_SIP_CREDENTIALS_H

#include <stdbool.h>

#include <sofia-sip/sip.h>

#include "gateway/settings.h"
#include "sip/digest.h"

/* Takes the first challenge of @response, 401 or 407, that we can answer.
 * @stale: only the nonce was too old.  False: there is none. */
bool gw_credentials_take(struct gw_digest *d, const struct gw_set_sip *set,
			 const sip_t *response, bool *stale);
/* A header line that answers what was taken last, in @home; NULL: nothing
 * was, or it failed. */
char *gw_credentials_line(struct gw_digest *d, const struct gw_set_sip *set,
			  su_home_t *home, const char *method, const char *uri);
/* A challenge within a dialog, and whether credentials went back. */
void gw_credentials_count(bool answered);

#endif
