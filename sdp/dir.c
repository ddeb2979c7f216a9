#include "sdp/session.h"

#include "gateway/base/check.h"

enum gw_dir gw_dir_reverse(enum gw_dir d)
{
	unsigned sends = (unsigned)d & GW_DIR_SENDONLY;
	unsigned receives = (unsigned)d & GW_DIR_RECVONLY;

	return (enum gw_dir)((receives ? GW_DIR_SENDONLY : 0) |
			     (sends ? GW_DIR_RECVONLY : 0));
}

/* RFC 3264 6.1: an answer sends only what the offer receives, and receives
 * only what it sends. */
enum gw_dir gw_dir_answer(enum gw_dir offer, enum gw_dir want)
{
	return (enum gw_dir)((unsigned)gw_dir_reverse(offer) & (unsigned)want);
}

const char *gw_dir_name(enum gw_dir d)
{
	static const char *const names[] = { "inactive", "sendonly", "recvonly",
					     "sendrecv" };

	return (unsigned)d < GW_ARRAY_LEN(names) ? names[d] : "?";
}
