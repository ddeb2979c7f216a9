/*
 * gateway/base/call_info.h - what is said of a call besides who is in it
 *
 * Of the network: subject, how it shall ring, pages and pictures of the caller,
 * and whom it was meant for before (RFC 7044); of a client: the first two
 * members.  A plain value, a few kilobytes: kept on the heap where it is kept,
 * and only if there is something in it.  Texts are UTF-8 without control
 * characters; "" is what was not said.
 */
#ifndef GW_CALL_INFO_H
#define GW_CALL_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_CALL_INFO_TEXT     129 /* with NUL */
#define GW_CALL_INFO_URI      257
#define GW_CALL_INFO_FORWARDS 4

struct gw_call_forward {
	char uri[GW_CALL_INFO_URI];      /* "": withheld */
	char display[GW_CALL_INFO_TEXT]; /* may be "" */
	uint16_t status; /* why, as SIP says it (302, 486 ..); 0: not said */
};

struct gw_call_info {
	char subject[GW_CALL_INFO_TEXT];
	/* Of a client that may say so: its name in From, where the network
	 * vouches for nothing. */
	char name[GW_CALL_INFO_TEXT];
	char alert[GW_CALL_INFO_URI]; /* urn:alert:..., http(s) */
	char icon[GW_CALL_INFO_URI], page[GW_CALL_INFO_URI],
		card[GW_CALL_INFO_URI]; /* http(s) */
	/* Who has forwarded it, the first one first; of many the first and the
	 * last ones. */
	unsigned nforward;
	struct gw_call_forward forward[GW_CALL_INFO_FORWARDS];
	char forwarded_to[GW_CALL_INFO_URI]; /* of a 181 */
};

bool gw_call_info_empty(const struct gw_call_info *info);

/* May @text be the subject or name that somebody gives: printable UTF-8 that
 * fits? */
bool gw_call_info_text_ok(const char *text);
/* Is @url of https or http, and nothing but a URL?  Whoever shows it decides
 * whether it is fetched. */
bool gw_call_info_url_ok(const char *url);
/* An URN of RFC 7462, or a URL. */
bool gw_call_info_alert_ok(const char *uri);

/* One more that has forwarded the call. */
void gw_call_info_add(struct gw_call_info *info,
		      const struct gw_call_forward *f);

#endif
