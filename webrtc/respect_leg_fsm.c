/* The two machines of a media session.  Diagram: docs/protocol.md. */
#include <errno.h>

#include "webrtc/respect_leg.h"

struct row {
	bool expected;
	unsigned char next;
};

/* clang-format off */
#define TO(next) { true, GW_RL_##next }
#define OA(next) { true, GW_OA_##next }

static const struct row table[GW_RL_NSTATES][GW_RL_NEVENTS] = {
	[GW_RL_NEW][GW_RL_EV_SETUP] = TO(RINGING),
	[GW_RL_NEW][GW_RL_EV_END] = TO(DEAD),

	[GW_RL_CALLING][GW_RL_EV_PROGRESS] = TO(CALLING),
	[GW_RL_CALLING][GW_RL_EV_ANSWER] = TO(UP),
	[GW_RL_CALLING][GW_RL_EV_END] = TO(DEAD),

	[GW_RL_RINGING][GW_RL_EV_ANSWERED] = TO(UP),
	[GW_RL_RINGING][GW_RL_EV_END] = TO(DEAD),

	[GW_RL_UP][GW_RL_EV_END] = TO(DEAD),
};

/* RFC 3264 4: one offer at a time; who meets a pending one gets 491. */
static const struct row oa_table[GW_OA_NSTATES][GW_OA_NEVENTS] = {
	[GW_OA_IDLE][GW_OA_EV_OUR_OFFER] = OA(OURS),
	[GW_OA_IDLE][GW_OA_EV_THEIR_OFFER] = OA(THEIRS),

	/* Replaced: the client drops its pre-offer and answers ours. */
	[GW_OA_PRE][GW_OA_EV_OUR_OFFER] = OA(OURS),
	[GW_OA_PRE][GW_OA_EV_OUR_ANSWER] = OA(IDLE),

	[GW_OA_OURS][GW_OA_EV_THEIR_ANSWER] = OA(IDLE),
	[GW_OA_OURS][GW_OA_EV_THEIR_REFUSAL] = OA(IDLE),

	[GW_OA_THEIRS][GW_OA_EV_OUR_ANSWER] = OA(IDLE),
	[GW_OA_THEIRS][GW_OA_EV_OUR_REFUSAL] = OA(IDLE),
};

static const char *const event_names[GW_RL_NEVENTS] = {
	"SETUP", "PROGRESS", "ANSWER", "ANSWERED", "END",
};

static const char *const oa_event_names[GW_OA_NEVENTS] = {
	"OUR_OFFER", "OUR_ANSWER", "OUR_REFUSAL",
	"THEIR_OFFER", "THEIR_ANSWER", "THEIR_REFUSAL",
};
/* clang-format on */

const char *gw_rleg_state_name(enum gw_rleg_state st)
{
	static const char *const names[GW_RL_NSTATES] = {
		"NEW", "CALLING", "RINGING", "UP", "DEAD",
	};

	return names[st];
}

const char *gw_rleg_oa_name(enum gw_rleg_oa st)
{
	static const char *const names[GW_OA_NSTATES] = {
		"IDLE",
		"PRE",
		"OURS",
		"THEIRS",
	};

	return names[st];
}

bool gw_rleg_expects(const struct gw_rleg *l, enum gw_rleg_event ev)
{
	return table[l->state][ev].expected;
}

int gw_rleg_event(struct gw_rleg *l, enum gw_rleg_event ev)
{
	const struct row *row = &table[l->state][ev];

	if (!row->expected) {
		gw_debug(&l->log, "%s: %s has no place in %s", l->id,
			 event_names[ev], gw_rleg_state_name(l->state));
		return -EPROTO;
	}
	gw_debug(&l->log, "%s: %s -> %s", l->id, gw_rleg_state_name(l->state),
		 gw_rleg_state_name((enum gw_rleg_state)row->next));
	l->state = (enum gw_rleg_state)row->next;
	return 0;
}

int gw_rleg_oa_event(struct gw_rleg *l, enum gw_rleg_oa_event ev)
{
	const struct row *row = &oa_table[l->oa][ev];

	if (!row->expected) {
		gw_debug(&l->log, "%s: %s has no place in %s", l->id,
			 oa_event_names[ev], gw_rleg_oa_name(l->oa));
		return -EPROTO;
	}
	gw_debug(&l->log, "%s: offer/answer %s -> %s", l->id,
		 gw_rleg_oa_name(l->oa),
		 gw_rleg_oa_name((enum gw_rleg_oa)row->next));
	l->oa = (enum gw_rleg_oa)row->next;
	return 0;
}

void gw_rleg_print_tables(struct gw_buf *out)
{
	for (int s = 0; s < GW_RL_NSTATES; s++) {
		for (int e = 0; e < GW_RL_NEVENTS; e++) {
			if (table[s][e].expected)
				gw_buf_printf(
					out, "%s + %s -> %s\n",
					gw_rleg_state_name(
						(enum gw_rleg_state)s),
					event_names[e],
					gw_rleg_state_name(
						(enum gw_rleg_state)table[s][e]
							.next));
		}
	}
	for (int s = 0; s < GW_OA_NSTATES; s++) {
		for (int e = 0; e < GW_OA_NEVENTS; e++) {
			if (oa_table[s][e].expected)
				gw_buf_printf(
					out, "%s + %s -> %s\n",
					gw_rleg_oa_name((enum gw_rleg_oa)s),
					oa_event_names[e],
					gw_rleg_oa_name(
						(enum gw_rleg_oa)oa_table[s][e]
							.next));
		}
	}
}
