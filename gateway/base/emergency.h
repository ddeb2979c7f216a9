/*
 * gateway/base/emergency.h - is this a call to the emergency services?
 *
 * Whom somebody dials, however it is written, against a list of numbers and
 * the service URNs of RFC 5031.  Rather one too many than one too few: who
 * writes "1-1-2", tel:%31%31%32 or sip:112@anywhere means the same.  Pure
 * functions.
 */
#ifndef GW_EMERGENCY_H
#define GW_EMERGENCY_H

#include <stdbool.h>
#include <stddef.h>

#define GW_EMERGENCY_SOS         "urn:service:sos"
#define GW_EMERGENCY_URN_SIZE    64
#define GW_EMERGENCY_NUMBER_SIZE 16 /* E.164 has 15 digits */

struct gw_emergency_number {
	char number[GW_EMERGENCY_NUMBER_SIZE]; /* 0-9 * #, + before them */
	char urn[GW_EMERGENCY_URN_SIZE];       /* urn:service:sos[.label]* */
};

/* RFC 5031 4.2: the service "sos", or one below it.  Of what follows the URN
 * nothing may. */
bool gw_emergency_is_urn(const char *uri);

/*
 * Whom @target (a URI, or a number as people write it) reaches: true with the
 * service in lower case, whose sub-service is left out where it is none that
 * could be written.  @n 0: 112 and 911 (TS 22.101 10.1.1).
 */
bool gw_emergency_find(char urn[GW_EMERGENCY_URN_SIZE],
		       const struct gw_emergency_number *list, size_t n,
		       const char *target);

/* Is the XML (TS 24.229 7.6.2) in the body of a 380 about emergencies?  Its
 * sender has recognised what we did not. */
bool gw_emergency_said(const char *xml, size_t len);

#endif
