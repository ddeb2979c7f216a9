/*
 * sip/multipart.h - the one part of a multipart body that is wanted
 *
 * Cores and phones put a location, ISUP or a list beside the description (RFC
 * 5621; TS 24.229 5.1.3.1).  Parts that are not known are left out, unless
 * their writer says that they must be understood.  Pure; points into the body.
 */
#ifndef GW_SIP_MULTIPART_H
#define GW_SIP_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

/* RFC 2046 5.1.1 */
#define GW_MULTIPART_BOUNDARY_MAX 70

enum gw_multipart {
	GW_MULTIPART_NONE,    /* no such part */
	GW_MULTIPART_FOUND,   /* the first one that is for the session */
	GW_MULTIPART_REFUSED, /* another part demands to be understood, or it
				 is no multipart body */
};

/*
 * The first part of type @want with disposition "session", in parts of parts
 * too (RFC 5621 4).  @boundary as the Content-Type has it, with or without
 * quotes; NULL: none.
 */
enum gw_multipart gw_multipart_find(const char **part, size_t *part_len,
				    const char *body, size_t len,
				    const char *boundary, const char *want);

#endif
