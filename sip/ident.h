/*
 * sip/ident.h - who somebody is, as SIP writes it: URIs, name-addrs, quoting
 *
 * What comes from a peer, of either side, is checked here before it is put
 * into a message.  Pure functions.
 */
#ifndef GW_SIP_IDENT_H
#define GW_SIP_IDENT_H

#include <stdbool.h>
#include <stddef.h>

#define GW_IDENT_URI_MAX  256
#define GW_IDENT_NAME_MAX 128
/* A name-addr with both at their longest, every character escaped. */
#define GW_IDENT_ADDR_SIZE (GW_IDENT_URI_MAX + 2 * GW_IDENT_NAME_MAX + 8)

/*
 * Is @uri a sip:, sips: or tel: URI that may stand between angle brackets?
 * Headers ("?Name=value") are refused: Sofia would put them into the request
 * as header fields of our own.
 */
bool gw_ident_uri_ok(const char *uri);

/* @text as a quoted-string (RFC 3261 25.1) with its quotes; control
 * characters, and UTF-8 that is cut or not UTF-8, become '?'.  Cut to fit. */
void gw_ident_quote(char *buf, size_t size, const char *text);

/* "display" <uri>; 0, or -EINVAL when @uri is not ok. */
int gw_ident_addr(char *buf, size_t size, const char *display, const char *uri);

/*
 * A quoted-string or tokens as they were received, as plain text: quotes and
 * escapes removed, never longer than GW_IDENT_NAME_MAX.  False when nothing
 * is left.
 */
bool gw_ident_unquote(char *buf, size_t size, const char *quoted);

#endif
