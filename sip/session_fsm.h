/*
 * sip/session_fsm.h - the life of a session with a SIP peer, as a table
 *
 * Pure; docs/sip.md shows it, and a test compares both.
 */
#ifndef GW_SIP_SESSION_FSM_H
#define GW_SIP_SESSION_FSM_H

#include <stdbool.h>

enum gw_ses_state {
	GW_SES_IDLE,       /* a leg that has not called yet */
	GW_SES_CALLING,    /* our INVITE is out */
	GW_SES_CANCELLING, /* our CANCEL too, or a 200 that we must undo */
	GW_SES_INCOMING,   /* the peer's INVITE waits for our final response */
	GW_SES_ANSWERED,   /* our 200 is out, its ACK not seen */
	GW_SES_ACKING, /* the peer's 200 offers; our ACK waits for the answer */
	GW_SES_UP,
	GW_SES_BYE_WAIT, /* RFC 3261 15: a callee's BYE waits for the ACK */
	GW_SES_ENDING,   /* our BYE is out */
	GW_SES_DEAD,
	GW_SES_NSTATES
};

enum gw_ses_event {
	GW_SEV_START,     /* we send INVITE */
	GW_SEV_INVITE,    /* the peer did */
	GW_SEV_OK,        /* 2xx to our INVITE */
	GW_SEV_OK_OFFER,  /* the same, its body is the offer */
	GW_SEV_FAIL,      /* other final, or none */
	GW_SEV_ANSWER,    /* we send 2xx */
	GW_SEV_ACK,       /* the ACK came, or goes out */
	GW_SEV_NO_ACK,    /* 64*T1 without it */
	GW_SEV_PEER_ENDS, /* BYE or CANCEL received, or the dialog is lost */
	GW_SEV_RELEASE,   /* we want it to end */
	GW_SEV_ENDED,     /* our BYE was answered, or nobody will */
	GW_NSEV
};

/* Where @ev leads from @st; false: it has no place there. */
bool gw_session_fsm_row(enum gw_ses_state st, enum gw_ses_event ev,
			enum gw_ses_state *next);
const char *gw_session_state_name(enum gw_ses_state st);
const char *gw_session_event_name(enum gw_ses_event ev);

#endif
