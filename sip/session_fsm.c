#include "sip/session_fsm.h"

struct row {
	bool expected;
	enum gw_ses_state next;
};

/* clang-format off */
#define TO(next) { true, GW_SES_##next }
#define AT(state, ev) [GW_SES_##state][GW_SEV_##ev]
static const struct row table[GW_SES_NSTATES][GW_NSEV] = {
	AT(IDLE, START) = TO(CALLING),
	AT(IDLE, INVITE) = TO(INCOMING),
	AT(IDLE, RELEASE) = TO(DEAD),

	AT(CALLING, OK) = TO(UP),
	AT(CALLING, OK_OFFER) = TO(ACKING),
	AT(CALLING, FAIL) = TO(DEAD),
	AT(CALLING, RELEASE) = TO(CANCELLING),

	AT(CANCELLING, OK) = TO(ENDING),	/* RFC 3261 9.1: crossed */
	AT(CANCELLING, FAIL) = TO(DEAD),

	AT(INCOMING, ANSWER) = TO(ANSWERED),
	AT(INCOMING, RELEASE) = TO(DEAD),
	AT(INCOMING, PEER_ENDS) = TO(DEAD),

	AT(ANSWERED, ACK) = TO(UP),
	AT(ANSWERED, RELEASE) = TO(BYE_WAIT),
	AT(ANSWERED, NO_ACK) = TO(ENDING),	/* RFC 3261 13.3.1.4 */
	AT(ANSWERED, PEER_ENDS) = TO(DEAD),

	AT(ACKING, ACK) = TO(UP),
	AT(ACKING, RELEASE) = TO(ENDING),
	AT(ACKING, PEER_ENDS) = TO(DEAD),

	AT(UP, RELEASE) = TO(ENDING),
	AT(UP, NO_ACK) = TO(ENDING),		/* of a re-INVITE */
	AT(UP, PEER_ENDS) = TO(DEAD),

	AT(BYE_WAIT, ACK) = TO(ENDING),
	AT(BYE_WAIT, NO_ACK) = TO(ENDING),
	AT(BYE_WAIT, PEER_ENDS) = TO(DEAD),

	AT(ENDING, ENDED) = TO(DEAD),
	AT(ENDING, PEER_ENDS) = TO(DEAD),	/* BYEs crossed */
};
/* clang-format on */

bool gw_session_fsm_row(enum gw_ses_state st, enum gw_ses_event ev,
			enum gw_ses_state *next)
{
	const struct row *row = &table[st][ev];

	*next = row->next;
	return row->expected;
}

const char *gw_session_state_name(enum gw_ses_state st)
{
	static const char *const names[GW_SES_NSTATES] = {
		"IDLE",   "CALLING", "CANCELLING", "INCOMING", "ANSWERED",
		"ACKING", "UP",      "BYE_WAIT",   "ENDING",   "DEAD",
	};

	return names[st];
}

const char *gw_session_event_name(enum gw_ses_event ev)
{
	static const char *const names[GW_NSEV] = {
		"START", "INVITE", "OK",        "OK_OFFER", "FAIL",  "ANSWER",
		"ACK",   "NO_ACK", "PEER_ENDS", "RELEASE",  "ENDED",
	};

	return names[ev];
}
