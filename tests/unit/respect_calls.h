/* tests/unit/respect_calls.h - a client in a media session, at each stage */
#ifndef RESPECT_CALLS_H
#define RESPECT_CALLS_H

#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whole, so that its server goes before the library's. */
#include "tests/unit/respect_peer.c"
#include "webrtc/respect_leg.h"

#define REQ(method, id)                                                        \
	"{\"messageType\":\"request\",\"method\":\"" method                    \
	"\",\"transactionId\":" id ","
#define OK(id)                                                                 \
	"{\"messageType\":\"response\",\"method\":\"mupdate\","                \
	"\"transactionId\":" id ",\"success\":true}"

static char session[64];

#define has(text, part)                                                        \
	do {                                                                   \
		if (!strstr((text), (part)))                                   \
			fail_msg("%s is not in %s", (part), (text));           \
	} while (0)
#define lacks(text, part)                                                      \
	do {                                                                   \
		if (strstr((text), (part)))                                    \
			fail_msg("%s is in %s", (part), (text));               \
	} while (0)

static inline void remember_session(const char *json)
{
	const char *id = json_value(json, "mediaSessionId");

	assert_non_null(id);
	(void)snprintf(session, sizeof(session), "%s", id);
}

/* Alice calls with a pre-offer; transaction 2. */
static inline struct gw_ws_conn *calling(void)
{
	struct gw_ws_conn *c = client_login(ALICE);

	client_say(c, REQ("msetup", "2") "\"resourceId\":\"tel:+15551230002\","
					 "\"preOffer\":\"pre\"}");
	assert_int_equal(2, client_count(c));
	remember_session(client_last(c));
	return c;
}

/* ... and the far end answered. */
static inline struct gw_ws_conn *connected(void)
{
	struct gw_ws_conn *c = calling();

	assert_int_equal(
		0, call_send(peer.leg, GW_V_ANSWER, GW_DESC_ANSWER, "answer1"));
	has(client_last(c), "\"mediaSessionState\":\"connected\"");
	client_say(c, OK("1"));
	return c;
}

/* A call rings at Alice's. */
static inline struct gw_ws_conn *ringing(void)
{
	struct gw_ws_conn *c = client_login(ALICE);
	struct gw_msg setup = {
		.verb = GW_V_SETUP,
		.desc = {GW_DESC_OFFER, "offer1", 6 },
		.asserted = { "tel:+15551230009",            "Carol \xff" },
	};

	assert_int_equal(0, gw_leg_send(call_new_leg(ALICE2), &setup));
	remember_session(client_last(c));
	return c;
}

#endif
