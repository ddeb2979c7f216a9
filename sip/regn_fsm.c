#include "sip/regn_fsm.h"

struct row {
	bool expected;
	enum gw_regn_st next;
};

/* clang-format off */
#define TO(next) { true, GW_RST_##next }
#define AT(state, ev) [GW_RST_##state][GW_REV_##ev]
static const struct row table[GW_RST_NSTATES][GW_NREV] = {
	AT(WAITING, SEND) = TO(SENT),
	AT(WAITING, FAIL) = TO(DEAD),
	AT(WAITING, END) = TO(ENDING),

	AT(SENT, CHALLENGE) = TO(ASKED),
	AT(SENT, OK) = TO(UP),
	AT(SENT, RETRY) = TO(WAITING),
	AT(SENT, FAIL) = TO(DEAD),
	AT(SENT, END) = TO(ENDING),

	AT(ASKED, SEND) = TO(SENT),
	AT(ASKED, FAIL) = TO(DEAD),
	AT(ASKED, END) = TO(DEAD),

	AT(UP, SEND) = TO(REFRESHING),
	AT(UP, RETRY) = TO(WAITING),	/* the network unbound it */
	AT(UP, FAIL) = TO(DEAD),
	AT(UP, END) = TO(ENDING),

	AT(REFRESHING, CHALLENGE) = TO(REASKED),
	AT(REFRESHING, OK) = TO(UP),
	AT(REFRESHING, RETRY) = TO(UP),
	AT(REFRESHING, FAIL) = TO(DEAD),
	AT(REFRESHING, END) = TO(ENDING),

	AT(REASKED, SEND) = TO(REFRESHING),
	AT(REASKED, FAIL) = TO(DEAD),
	AT(REASKED, END) = TO(ENDING),

	AT(ENDING, SEND) = TO(ENDING),
	AT(ENDING, CHALLENGE) = TO(ENDASKED),
	AT(ENDING, FAIL) = TO(DEAD),

	AT(ENDASKED, SEND) = TO(ENDING),
	AT(ENDASKED, FAIL) = TO(DEAD),
	AT(ENDASKED, END) = TO(DEAD),
};
/* clang-format on */

bool gw_regn_fsm_row(enum gw_regn_st st, enum gw_regn_ev ev,
		     enum gw_regn_st *next)
{
	const struct row *row = &table[st][ev];

	*next = row->next;
	return row->expected;
}

const char *gw_regn_state_name(enum gw_regn_st st)
{
	static const char *const names[GW_RST_NSTATES] = {
		"WAITING", "SENT",   "ASKED",    "UP",   "REFRESHING",
		"REASKED", "ENDING", "ENDASKED", "DEAD",
	};

	return names[st];
}

const char *gw_regn_event_name(enum gw_regn_ev ev)
{
	static const char *const names[GW_NREV] = {
		"SEND", "CHALLENGE", "OK", "RETRY", "FAIL", "END",
	};

	return names[ev];
}
