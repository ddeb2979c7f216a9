#include "sip/ims_cause.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/check.h"
#include "sip/ident.h"

enum flag {
	ENDS_DIALOG = 1, /* RFC 5057 5.1: the dialog is destroyed */
};

struct row {
	uint16_t status;
	uint16_t told; /* to the call; 0: the same number */
	uint16_t flags;
	const char *phrase;
};

/* Sorted by status.  RFC 3261 21 and the RFCs named at the end of a line. */
/* clang-format off */
static const struct row table[] = {
	{ 100,   0, 0, "Trying" },
	{ 180,   0, 0, "Ringing" },
	{ 181,   0, 0, "Call Is Being Forwarded" },
	{ 182,   0, 0, "Queued" },
	{ 183,   0, 0, "Session Progress" },
	{ 199,   0, 0, "Early Dialog Terminated" },	/* RFC 6228 */
	{ 200,   0, 0, "OK" },
	{ 202,   0, 0, "Accepted" },
	{ 300, 480, 0, "Multiple Choices" },
	{ 301, 480, 0, "Moved Permanently" },
	{ 302, 480, 0, "Moved Temporarily" },
	{ 305, 480, 0, "Use Proxy" },
	{ 380, 480, 0, "Alternative Service" },
	{ 400,   0, 0, "Bad Request" },
	{ 401, 403, 0, "Unauthorized" },
	{ 402,   0, 0, "Payment Required" },
	{ 403,   0, 0, "Forbidden" },
	{ 404,   0, ENDS_DIALOG, "Not Found" },
	{ 405,   0, 0, "Method Not Allowed" },
	{ 406,   0, 0, "Not Acceptable" },
	{ 407, 403, 0, "Proxy Authentication Required" },
	{ 408,   0, ENDS_DIALOG, "Request Timeout" },
	{ 410,   0, ENDS_DIALOG, "Gone" },
	{ 413,   0, 0, "Request Entity Too Large" },
	{ 414,   0, 0, "Request-URI Too Long" },
	{ 415,   0, 0, "Unsupported Media Type" },
	{ 416,   0, ENDS_DIALOG, "Unsupported URI Scheme" },
	{ 420,   0, 0, "Bad Extension" },
	{ 421,   0, 0, "Extension Required" },
	{ 422,   0, 0, "Session Interval Too Small" },	/* RFC 4028 */
	{ 423,   0, 0, "Interval Too Brief" },
	{ 428,   0, 0, "Use Identity Header" },		/* RFC 8224 */
	{ 433,   0, 0, "Anonymity Disallowed" },	/* RFC 5079 */
	{ 469,   0, 0, "Bad Info Package" },		/* RFC 6086 */
	{ 480,   0, 0, "Temporarily Unavailable" },
	{ 481,   0, ENDS_DIALOG, "Call/Transaction Does Not Exist" },
	{ 482,   0, ENDS_DIALOG, "Loop Detected" },
	{ 483,   0, ENDS_DIALOG, "Too Many Hops" },
	{ 484,   0, ENDS_DIALOG, "Address Incomplete" },
	{ 485,   0, ENDS_DIALOG, "Ambiguous" },
	{ 486,   0, 0, "Busy Here" },
	{ 487,   0, 0, "Request Terminated" },
	{ 488,   0, 0, "Not Acceptable Here" },
	{ 489,   0, 0, "Bad Event" },			/* RFC 6665 */
	{ 491,   0, 0, "Request Pending" },
	{ 493,   0, 0, "Undecipherable" },
	{ 494,   0, 0, "Security Agreement Required" },	/* RFC 3329 */
	{ 500,   0, 0, "Server Internal Error" },
	{ 501,   0, 0, "Not Implemented" },
	{ 502,   0, ENDS_DIALOG, "Bad Gateway" },
	{ 503,   0, 0, "Service Unavailable" },
	{ 504,   0, 0, "Server Time-out" },
	{ 505,   0, 0, "Version Not Supported" },
	{ 513,   0, 0, "Message Too Large" },
	{ 580,   0, 0, "Precondition Failure" },	/* RFC 3312 */
	{ 600,   0, 0, "Busy Everywhere" },
	{ 603,   0, 0, "Decline" },
	{ 604,   0, ENDS_DIALOG, "Does Not Exist Anywhere" },
	{ 606,   0, 0, "Not Acceptable" },
	{ 607,   0, 0, "Unwanted" },			/* RFC 8197 */
	{ 608,   0, 0, "Rejected" },			/* RFC 8688 */
};
/* clang-format on */

static int cmp(const void *key, const void *row)
{
	return *(const int *)key - (int)((const struct row *)row)->status;
}

static const struct row *find(unsigned status)
{
	int key = status <= 699 ? (int)status : 0;

	return bsearch(&key, table, GW_ARRAY_LEN(table), sizeof(table[0]), cmp);
}

const char *gw_ims_cause_phrase(unsigned status)
{
	static const char *const classes[] = {
		"Unknown",        "Trying",          "OK",
		"Redirected",     "Request Failure", "Server Failure",
		"Global Failure",
	};
	const struct row *r = find(status);

	if (r)
		return r->phrase;
	return classes[status >= 100 && status <= 699 ? status / 100 : 0];
}

uint16_t gw_ims_cause_from_sip(unsigned status)
{
	const struct row *r = find(status);

	if (r && r->told)
		return r->told;
	if (status >= 300 && status <= 399)
		return 480;
	if (status >= 400 && status <= 699)
		return (uint16_t)status;
	return 500;
}

uint16_t gw_ims_cause_reject(const struct gw_cause *cause)
{
	/* Someone else took it: for this branch the call is over, and nothing
	 * failed.  The Reason header says the rest. */
	if (cause->elsewhere)
		return 487;
	/* A normal end of a call that nobody answered. */
	if (cause->status < 300)
		return 480;
	return gw_ims_cause_from_sip(cause->status);
}

uint16_t gw_ims_cause_refuse(const struct gw_cause *cause)
{
	unsigned status = cause->status;

	if (status < 400 || status > 699 || status == 401 || status == 407 ||
	    gw_ims_cause_ends_dialog(status))
		return 488;
	return (uint16_t)status;
}

bool gw_ims_cause_ends_dialog(unsigned status)
{
	const struct row *r = find(status);

	return r && r->flags & ENDS_DIALOG;
}

bool gw_ims_cause_reason(char *buf, size_t size, const struct gw_cause *cause,
			 bool in_cancel)
{
	unsigned status = cause->status;
	char text[96];

	if (cause->elsewhere) {
		(void)snprintf(
			buf, size,
			"SIP;cause=200;text=\"Call completed elsewhere\"");
		return true;
	}
	if (status < 300 || status > 699 || (in_cancel && status == 487))
		return false;
	gw_ident_quote(text, sizeof(text),
		       cause->text ? cause->text : gw_ims_cause_phrase(status));
	(void)snprintf(buf, size, "SIP;cause=%u;text=%s", status, text);
	return true;
}

bool gw_ims_cause_elsewhere(const char *protocol, const char *cause)
{
	return protocol && cause && !strcasecmp(protocol, "SIP") &&
	       !strcmp(cause, "200");
}
