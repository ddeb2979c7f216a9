#include "webrtc/wire.h"

#include <string.h>

#include "gateway/base/check.h"

/* clang-format off */
static const struct {
	const char *name;
	const char *alias[2]; /* seen in drafts and in other implementations */
} keys[GW_NKEYS] = {
	[GW_K_MESSAGE_TYPE]      = { "messageType", { "type" } },
	[GW_K_METHOD]            = { "method", { "methodName" } },
	[GW_K_TRANSACTION_ID]    = { "transactionId", { "transactionID" } },
	[GW_K_SUCCESS]           = { "success", { NULL } },
	[GW_K_PROBLEM]           = { "problemDetails", { NULL } },
	[GW_K_RETRY_AFTER]       = { "retryAfter", { NULL } },
	[GW_K_SUPPORTED]         = { "supportedExtension", { "supportedFeature" } },
	[GW_K_REQUIRED]          = { "requiredExtension", { "requireFeature" } },
	[GW_K_UNSUPPORTED]       = { "unsupportedExtension", { "unsupportedFeature" } },
	[GW_K_AUTH_TYPE]         = { "authType", { "authenticationType" } },
	[GW_K_WEBRTC_ID]         = { "webrtcId", { "webrtcID" } },
	[GW_K_AUTHORIZATION]     = { "authorization", { NULL } },
	[GW_K_WWW_AUTHENTICATE]  = { "wwwAuthenticate", { "wwwAuthnticate" } },
	[GW_K_EXPIRATION]        = { "expiration", { "expires" } },
	[GW_K_REAUTH_CREDENTIAL] = { "reauthCredential", { NULL } },
	[GW_K_TTL]               = { "disconnectionTtl", { NULL } },
	[GW_K_RESOURCE_ID]       = { "resourceId", { "resourceID" } },
	[GW_K_SESSION_ID]        = { "mediaSessionId", { "mediaSessionID" } },
	[GW_K_SDP_OFFER]         = { "sdpOffer", { NULL } },
	[GW_K_SDP_ANSWER]        = { "sdpAnswer", { NULL } },
	[GW_K_PRE_OFFER]         = { "preOffer", { "preOfferDescription" } },
	[GW_K_SESSION_STATE]     = { "mediaSessionState", { NULL } },
	[GW_K_USER_DATA]         = { "userData", { NULL } },
	[GW_K_PREFERRED_ID]      = { "preferredOriginatingId", { NULL } },
	[GW_K_ASSERTED_ORIG_ID]  = { "assertedOriginatingId", { NULL } },
	[GW_K_ASSERTED_ORIG_NAME] = { "assertedOriginatingName", { NULL } },
	[GW_K_ASSERTED_TERM_ID]  = { "assertedTerminatingId", { NULL } },
	[GW_K_ASSERTED_TERM_NAME] = { "assertedTerminatingName", { NULL } },
	[GW_K_CALL_INFO]         = { "callInfo", { NULL } },
	[GW_K_RESOURCES]         = { "resources", { NULL } },
	[GW_K_CONTENT_TYPE]      = { "contentType", { NULL } },
	[GW_K_CONTENT]           = { "content", { NULL } },
	[GW_K_REPORT]            = { "report", { NULL } },
	[GW_K_QUALITY]           = { "quality", { NULL } },
	[GW_K_JOIN_ID]           = { "joinSessionId", { NULL } },
	[GW_K_TRANSFER_STATE]    = { "transferState", { NULL } },
};

static const char *const methods[GW_NRMETHODS] = {
	[GW_RM_AUTH] = "auth",
	[GW_RM_MSETUP] = "msetup",
	[GW_RM_MUPDATE] = "mupdate",
	[GW_RM_MDISC] = "mdisc",
	[GW_RM_GETINFO] = "getinfo",
	[GW_RM_MESSAGE] = "message.isthmus",
	[GW_RM_QUALITY] = "quality.isthmus",
	[GW_RM_TRANSFER] = "transfer.isthmus",
};

static const char *const states[GW_NRSTATES] = {
	[GW_RS_PROCEEDING] = "proceeding",
	[GW_RS_ALERTING] = "alerting",
	[GW_RS_EARLY] = "early",
	[GW_RS_CONNECTED] = "connected",
	[GW_RS_HELD] = "held",
	[GW_RS_UPDATING] = "updating",
	[GW_RS_DISCONNECTING] = "disconnecting",
	[GW_RS_DISCONNECTED] = "disconnected",
};

static const struct {
	unsigned status;
	const char *phrase;
} phrases[] = {
	{ 200, "OK" },
	{ 380, "Alternative Service" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 413, "Content Too Large" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Unsupported URI Scheme" },
	{ 420, "Bad Extension" },
	{ 429, "Too Many Requests" },
	{ 480, "Temporarily Unavailable" },
	{ 481, "Call/Transaction Does Not Exist" },
	{ 482, "Loop Detected" },
	{ 483, "Too Many Hops" },
	{ 484, "Address Incomplete" },
	{ 486, "Busy Here" },
	{ 487, "Request Terminated" },
	{ 488, "Not Acceptable Here" },
	{ 491, "Request Pending" },
	{ 500, "Server Internal Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Server Time-out" },
	{ 600, "Busy Everywhere" },
	{ 603, "Decline" },
	{ 604, "Does Not Exist Anywhere" },
	{ 606, "Not Acceptable" },
};
/* clang-format on */

const char *const *gw_wire_extensions(bool core, bool anonymous)
{
	static const char *const all[] = { "anonymous", "digest", "callInfo",
					   "dtmf", NULL };

	return !core ? all + 2 : anonymous ? all : all + 1;
}

const char *gw_wire_key(enum gw_key key)
{
	return keys[key].name;
}

int gw_wire_key_find(const char *name, int *alias)
{
	for (int k = 0; k < GW_NKEYS; k++) {
		if (!strcmp(keys[k].name, name)) {
			*alias = 0;
			return k;
		}
		for (size_t i = 0; i < 2 && keys[k].alias[i]; i++) {
			if (!strcmp(keys[k].alias[i], name)) {
				*alias = 1;
				return k;
			}
		}
	}
	return -1;
}

const char *gw_wire_method(enum gw_rmethod method)
{
	return methods[method];
}

enum gw_rmethod gw_wire_method_find(const char *name)
{
	const char *dot = strchr(name, '.');

	for (int m = 0; m < GW_NRMETHODS; m++) {
		if (methods[m] && !strcmp(methods[m], name))
			return (enum gw_rmethod)m;
	}
	return dot && dot != name && dot[1] ? GW_RM_APP : GW_RM_UNKNOWN;
}

const char *gw_wire_state(enum gw_rstate state)
{
	return states[state];
}

const char *gw_wire_phrase(unsigned status)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(phrases); i++) {
		if (phrases[i].status == status)
			return phrases[i].phrase;
	}
	if (status < 300)
		return "OK";
	if (status < 400)
		return "Redirected";
	if (status < 500)
		return "Request Failure";
	return status < 600 ? "Server Failure" : "Global Failure";
}
