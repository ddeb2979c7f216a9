#include "gateway/call_fsm.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "gateway/base/check.h"

struct row {
	bool expected; /* false, the default: ignore the event */
	enum gw_call_state next;
	enum gw_call_effect fx;
};

/* clang-format off */
#define TO(next, fx) { true, GW_CALL_##next, GW_FX_##fx }

/* Every living state ends the same way. */
#define ENDS(st) \
	[GW_CALL_##st][GW_EV_HANGUP] = TO(ENDING, RELEASE), \
	[GW_CALL_##st][GW_EV_FAILED] = TO(ENDING, RELEASE)

/* The whole truth about the machine: nothing else writes fsm->state. */
static const struct row table[GW_CALL_NSTATES][GW_NEVENTS] = {
	[GW_CALL_NEW][GW_EV_READY]               = TO(CALLING, CALL),
	[GW_CALL_NEW][GW_EV_READY_TO_ASK]        = TO(ASKING, ASK),
	[GW_CALL_NEW][GW_EV_READY_TO_PREPARE]    = TO(PREPARING, PREPARE),
	ENDS(NEW),

	[GW_CALL_PREPARING][GW_EV_PREPARED]      = TO(CALLING, CALL),
	ENDS(PREPARING),

	[GW_CALL_ASKING][GW_EV_ASKED]            = TO(CALLING, CALL),
	ENDS(ASKING),

	[GW_CALL_CALLING][GW_EV_PROGRESS]        = TO(RINGING, PROGRESS),
	[GW_CALL_CALLING][GW_EV_ANSWER]          = TO(UP, CONNECT),
	[GW_CALL_CALLING][GW_EV_ANSWER_OPEN]     = TO(ANSWERING, OPEN),
	ENDS(CALLING),

	[GW_CALL_RINGING][GW_EV_PROGRESS]        = TO(RINGING, PROGRESS),
	[GW_CALL_RINGING][GW_EV_ANSWER]          = TO(UP, CONNECT),
	[GW_CALL_RINGING][GW_EV_ANSWER_OPEN]     = TO(ANSWERING, OPEN),
	ENDS(RINGING),

	[GW_CALL_ANSWERING][GW_EV_COMPLETE]      = TO(UP, FINISH),
	ENDS(ANSWERING),

	ENDS(UP),

	[GW_CALL_ENDING][GW_EV_CLEARED]          = TO(DEAD, BURY),
};
/* clang-format on */

const char *gw_call_state_name(enum gw_call_state st)
{
	static const char *const names[GW_CALL_NSTATES] = {
		"new",       "preparing", "asking", "calling", "ringing",
		"answering", "up",        "ending", "dead",
	};

	return names[st];
}

const char *gw_call_event_name(enum gw_call_event ev)
{
	static const char *const names[GW_NEVENTS] = {
		"ready",    "ready-to-ask", "ready-to-prepare", "prepared",
		"asked",    "progress",     "answer",           "answer-open",
		"complete", "hangup",       "failed",           "cleared",
	};

	return names[ev];
}

const char *gw_call_effect_name(enum gw_call_effect fx)
{
	static const char *const names[GW_NEFFECTS] = {
		"none",    "prepare", "ask",    "call",    "progress",
		"connect", "open",    "finish", "release", "bury",
	};

	return names[fx];
}

int gw_call_fsm_row(enum gw_call_state st, enum gw_call_event ev,
		    enum gw_call_state *next, enum gw_call_effect *fx)
{
	const struct row *row = &table[st][ev];

	if (!row->expected)
		return -ENOENT;
	*next = row->next;
	*fx = row->fx;
	return 0;
}

int gw_call_fsm_event(struct gw_call_fsm *fsm, enum gw_call_event ev)
{
	const struct row *row = &table[fsm->state][ev];
	int err;

	if (!row->expected) {
		gw_debug(&fsm->log, "%s ignored in %s", gw_call_event_name(ev),
			 gw_call_state_name(fsm->state));
		return -EPROTO;
	}

	gw_debug(&fsm->log, "%s: %s -> %s", gw_call_event_name(ev),
		 gw_call_state_name(fsm->state), gw_call_state_name(row->next));

	/* State before effect: the effect may feed the next event itself. */
	fsm->state = row->next;
	err = fsm->effect_h(row->fx, fsm->arg);
	if (row->fx == GW_FX_BURY || !err)
		return 0; /* fsm may be gone */

	gw_debug(&fsm->log, "%s: %s", gw_call_effect_name(row->fx),
		 strerror(-err));
	return gw_call_fsm_event(fsm, GW_EV_FAILED);
}

void gw_call_fsm_init(struct gw_call_fsm *fsm, const char *id,
		      gw_call_effect_h *effect_h, void *arg)
{
	*fsm = (struct gw_call_fsm){
		.state = GW_CALL_NEW,
		.effect_h = effect_h,
		.arg = arg,
		.log = {.module = "call", .id = id},
	};
}
