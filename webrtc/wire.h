/*
 * webrtc/wire.h - how RESPECT is spelled
 *
 * The one table of names on the wire (TR 26.930 6.4.5.5; what that text leaves
 * open is fixed in docs/protocol.md).  Nothing else spells a member, a method
 * or a state.  Aliases are understood and never sent.  No state, any thread.
 */
#ifndef GW_WIRE_H
#define GW_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gw_key {
	GW_K_MESSAGE_TYPE,
	GW_K_METHOD,
	GW_K_TRANSACTION_ID,
	GW_K_SUCCESS,
	GW_K_PROBLEM,
	GW_K_RETRY_AFTER,
	GW_K_SUPPORTED,
	GW_K_REQUIRED,
	GW_K_UNSUPPORTED,
	GW_K_AUTH_TYPE,
	GW_K_WEBRTC_ID,
	GW_K_AUTHORIZATION,
	GW_K_WWW_AUTHENTICATE,
	GW_K_EXPIRATION,
	GW_K_REAUTH_CREDENTIAL,
	GW_K_TTL,
	GW_K_RESOURCE_ID,
	GW_K_SESSION_ID,
	GW_K_SDP_OFFER,
	GW_K_SDP_ANSWER,
	GW_K_PRE_OFFER,
	GW_K_SESSION_STATE,
	GW_K_USER_DATA,
	GW_K_PREFERRED_ID,
	GW_K_ASSERTED_ORIG_ID,
	GW_K_ASSERTED_ORIG_NAME,
	GW_K_ASSERTED_TERM_ID,
	GW_K_ASSERTED_TERM_NAME,
	GW_K_CALL_INFO,
	GW_K_RESOURCES,
	GW_K_CONTENT_TYPE,
	GW_K_CONTENT,
	GW_K_REPORT,
	GW_K_QUALITY,
	GW_K_JOIN_ID,
	GW_K_TRANSFER_STATE,
	GW_NKEYS
};

#define GW_KEY_BIT(k) (UINT64_C(1) << (k))

enum gw_rmethod {
	GW_RM_AUTH,
	GW_RM_MSETUP,
	GW_RM_MUPDATE,
	GW_RM_MDISC,
	GW_RM_GETINFO,
	/* application-specific methods that are served here */
	GW_RM_MESSAGE,
	GW_RM_QUALITY,
	GW_RM_TRANSFER,
	GW_RM_APP,     /* name.authority: of an application */
	GW_RM_UNKNOWN, /* neither */
	GW_NRMETHODS
};

enum gw_rstate { /* mediaSessionState */
		 GW_RS_PROCEEDING,
		 GW_RS_ALERTING,
		 GW_RS_EARLY,
		 GW_RS_CONNECTED,
		 GW_RS_HELD,
		 GW_RS_UPDATING,
		 GW_RS_DISCONNECTING,
		 GW_RS_DISCONNECTED,
		 GW_NRSTATES
};

#define GW_WIRE_REQUEST  "request"
#define GW_WIRE_RESPONSE "response"

/* Members inside userData and problemDetails (RFC 9457 3.1). */
#define GW_WIRE_DTMF          "dtmf"
#define GW_WIRE_DTMF_SIGNAL   "signal"
#define GW_WIRE_DTMF_DURATION "duration"

/* userData of applications between the two legs of a call, and as SIP INFO. */
#define GW_WIRE_USER_DATA_TYPE "application/vnd.isthmus.user-data+json"
#define GW_WIRE_USER_DATA_MAX  4096

/* Members of callInfo. */
#define GW_WIRE_C_SUBJECT      "subject"
#define GW_WIRE_C_NAME         "displayName"
#define GW_WIRE_C_ALERT        "alert"
#define GW_WIRE_C_ICON         "icon"
#define GW_WIRE_C_PAGE         "info"
#define GW_WIRE_C_CARD         "card"
#define GW_WIRE_C_FORWARDED_BY "forwardedBy"
#define GW_WIRE_C_URI          "uri"
#define GW_WIRE_C_STATUS       "status"
#define GW_WIRE_C_FORWARDED    "forwarded"
#define GW_WIRE_C_FORWARDED_TO "forwardedTo"
#define GW_WIRE_C_QUEUED       "queued"

/* Members of a report (quality.isthmus). */
#define GW_WIRE_Q_SENT     "packetsSent"
#define GW_WIRE_Q_RECEIVED "packetsReceived"
#define GW_WIRE_Q_LOST     "packetsLost"
#define GW_WIRE_Q_JITTER   "jitterMs"
#define GW_WIRE_Q_RTT      "rttMs"
#define GW_WIRE_Q_BUFFER   "jitterBufferMs"
#define GW_WIRE_Q_VIDEO    "video" /* of objects, an m-line each */
#define GW_WIRE_Q_VIDEOS   8       /* of them, at most */
#define GW_WIRE_Q_MID      "mid"

#define GW_WIRE_P_TYPE   "type"
#define GW_WIRE_P_TITLE  "title"
#define GW_WIRE_P_STATUS "status"
#define GW_WIRE_P_DETAIL "detail"
/* An extension member, and the title that goes with it. */
#define GW_WIRE_P_EMERGENCY "emergency"
#define GW_WIRE_P_CALL_HELP "Call the emergency services by telephone"

const char *gw_wire_key(enum gw_key key);
/* Name or alias -> enum gw_key, with *@alias set accordingly; -1: unknown. */
int gw_wire_key_find(const char *name, int *alias);

const char *gw_wire_method(enum gw_rmethod method); /* NULL: APP, UNKNOWN */
/* A name with a dot is an application's. */
enum gw_rmethod gw_wire_method_find(const char *name);

const char *gw_wire_state(enum gw_rstate state);

/* The usual phrase of a SIP or HTTP status, for problemDetails.title. */
const char *gw_wire_phrase(unsigned status);

/* Extensional capabilities that we have, NULL ends them; @core: with those
 * that need one, @anonymous: and are allowed. */
const char *const *gw_wire_extensions(bool core, bool anonymous);

#endif
