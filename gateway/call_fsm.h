/*
 * gateway/call_fsm.h - the life of one call, as a table
 *
 * The machine decides and never sends: each effect is handed to the owner, so
 * the whole table runs in a unit test without SIP, WebSocket or media.  Offers
 * within the session are another machine's business (gateway/call_update.c).
 * Signalling thread only.  Diagram: docs/call-fsm.md.
 */
#ifndef GW_CALL_FSM_H
#define GW_CALL_FSM_H

#include "gateway/base/log.h"

enum gw_call_state {
	GW_CALL_NEW,       /* the caller is known; media is being reserved   */
	GW_CALL_PREPARING, /* it has our answer; its resources are awaited   */
	GW_CALL_ASKING,    /* the caller offered nothing: our offer is out   */
	GW_CALL_CALLING,   /* SETUP went to the called leg                   */
	GW_CALL_RINGING,   /* it made progress, with or without early media  */
	GW_CALL_ANSWERING, /* it answered; a description is still on its way */
	GW_CALL_UP,        /* both sides described, media flows              */
	GW_CALL_ENDING,    /* legs released; media's last word is awaited    */
	GW_CALL_DEAD,      /* terminal                                       */
	GW_CALL_NSTATES
};

enum gw_call_event {
	GW_EV_READY,        /* media reserved, and the caller offered (or the
			       called side shall)                            */
	GW_EV_READY_TO_ASK, /* media reserved, and the gateway shall offer    */
	GW_EV_READY_TO_PREPARE, /* ... or it has preconditions to be met     */
	GW_EV_PREPARED, /* they are                                      */
	GW_EV_ASKED,    /* the caller answered our offer                  */
	GW_EV_PROGRESS,
	GW_EV_ANSWER,      /* the called side answered, all is described     */
	GW_EV_ANSWER_OPEN, /* it answered, but the caller has to describe    */
	GW_EV_COMPLETE,    /* now the caller has                             */
	GW_EV_HANGUP,      /* a leg released, or we decided to               */
	GW_EV_FAILED,      /* an effect failed                               */
	GW_EV_CLEARED,     /* media said its last word, or never will        */
	GW_NEVENTS
};

enum gw_call_effect {
	GW_FX_NONE,
	GW_FX_PREPARE, /* answer the caller early                         */
	GW_FX_ASK,     /* offer to the caller                                 */
	GW_FX_CALL,    /* SETUP to the called leg                             */
	GW_FX_PROGRESS, /* tell the caller */
	GW_FX_CONNECT, /* apply the answer, tell the caller, open the gates   */
	GW_FX_OPEN,    /* pass the open question to the caller                */
	GW_FX_FINISH,  /* apply the caller's answer, open the gates           */
	GW_FX_RELEASE, /* release legs and media                              */
	GW_FX_BURY,    /* the last call ever made                             */
	GW_NEFFECTS
};

/*
 * Perform @fx.  Return 0 or -errno; an error is fed back as GW_EV_FAILED.
 * GW_FX_BURY may free the machine.
 */
typedef int(gw_call_effect_h)(enum gw_call_effect fx, void *arg);

struct gw_call_fsm {
	enum gw_call_state state;
	gw_call_effect_h *effect_h;
	void *arg;
	struct gw_logctx log;
};

void gw_call_fsm_init(struct gw_call_fsm *fsm, const char *id,
		      gw_call_effect_h *effect_h, void *arg);

/* 0, or -EPROTO if the state has no row for @ev: late responses and glare are
 * normal on a network, so that is logged and ignored.  The machine may be
 * gone on return. */
int gw_call_fsm_event(struct gw_call_fsm *fsm, enum gw_call_event ev);

const char *gw_call_state_name(enum gw_call_state st);
const char *gw_call_event_name(enum gw_call_event ev);
const char *gw_call_effect_name(enum gw_call_effect fx);

/* The table itself, for the test that compares it with docs/call-fsm.md. */
int gw_call_fsm_row(enum gw_call_state st, enum gw_call_event ev,
		    enum gw_call_state *next, enum gw_call_effect *fx);

#endif
