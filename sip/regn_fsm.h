/*
 * sip/regn_fsm.h - the life of a registration in the core, as a table
 *
 * Pure; docs/registration.md shows it, and a test compares both.
 */
#ifndef GW_SIP_REGN_FSM_H
#define GW_SIP_REGN_FSM_H

#include <stdbool.h>

enum gw_regn_st {
	GW_RST_WAITING,    /* for its turn: no binding yet */
	GW_RST_SENT,       /* the first REGISTER is out */
	GW_RST_ASKED,      /* its challenge is with the client */
	GW_RST_UP,         /* bound; the next REGISTER has its time */
	GW_RST_REFRESHING, /* that REGISTER is out */
	GW_RST_REASKED,    /* its challenge is with the client */
	GW_RST_ENDING,     /* deregisters */
	GW_RST_ENDASKED,   /* its challenge is with the client */
	GW_RST_DEAD,
	GW_RST_NSTATES
};

enum gw_regn_ev {
	GW_REV_SEND,      /* a REGISTER goes out */
	GW_REV_CHALLENGE, /* 401 for the client to answer */
	GW_REV_OK,        /* 2xx */
	GW_REV_RETRY,     /* no success, but another try will come */
	GW_REV_FAIL,      /* it is over */
	GW_REV_END,       /* its owner lets go of what is bound */
	GW_NREV
};

/* Where @ev leads from @st; false: it has no place there. */
bool gw_regn_fsm_row(enum gw_regn_st st, enum gw_regn_ev ev,
		     enum gw_regn_st *next);
const char *gw_regn_state_name(enum gw_regn_st st);
const char *gw_regn_event_name(enum gw_regn_ev ev);

#endif
