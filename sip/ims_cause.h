/*
 * sip/ims_cause.h - what a SIP status means to a call, and the way back
 *
 * The one place where status codes are mapped.  Pure functions.
 */
#ifndef GW_IMS_CAUSE_H
#define GW_IMS_CAUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/leg.h"

/* The usual phrase of a status; never NULL. */
const char *gw_ims_cause_phrase(unsigned status);

/*
 * The final status of a peer's response, as the cause told to the call.
 * Redirections are not followed and challenges that we could not answer are
 * not the caller's to answer, so both become something else.
 */
uint16_t gw_ims_cause_from_sip(unsigned status);

/* A call's cause, as the final response to an INVITE nobody has answered:
 * always 400..699. */
uint16_t gw_ims_cause_reject(const struct gw_cause *cause);

/* A REFUSE's cause, as the final response to a re-INVITE or UPDATE: never one
 * that would end the dialog (RFC 5057). */
uint16_t gw_ims_cause_refuse(const struct gw_cause *cause);

/* Does this response to a request inside a dialog end the dialog?
 * RFC 5057 5.1, RFC 3261 12.2.1.2. */
bool gw_ims_cause_ends_dialog(unsigned status);

/*
 * The value of a Reason header (RFC 3326) for BYE or CANCEL, into @buf.
 * False when there is nothing to say.  @in_cancel: the request is a CANCEL,
 * where 487 says nothing new.
 */
bool gw_ims_cause_reason(char *buf, size_t size, const struct gw_cause *cause,
			 bool in_cancel);

/* Is this Reason ("SIP", "200") that of a call answered elsewhere? */
bool gw_ims_cause_elsewhere(const char *protocol, const char *cause);

#endif
