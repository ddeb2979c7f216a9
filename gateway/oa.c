#include "gateway/oa.h"

#include <errno.h>
#include <stdbool.h>

#include "gateway/base/check.h"

struct row {
	bool legal; /* false, the default */
	enum gw_oa_state next;
};

/* clang-format off */
#define TO(st) { true, GW_OA_##st }

static const struct row table[GW_OA_NSTATES][GW_OA_NEVENTS] = {
	[GW_OA_IDLE][GW_OA_PEER_OFFERS]                = TO(REMOTE),
	[GW_OA_IDLE][GW_OA_WE_OFFER]                   = TO(LOCAL),

	[GW_OA_LOCAL][GW_OA_PEER_ANSWERS]              = TO(STABLE),
	[GW_OA_LOCAL][GW_OA_PEER_ANSWERS_EARLY]        = TO(LOCAL_EARLY),
	[GW_OA_LOCAL][GW_OA_PEER_REFUSES]              = TO(IDLE),

	/* Other forks answer again, and the 200 repeats or replaces it. */
	[GW_OA_LOCAL_EARLY][GW_OA_PEER_ANSWERS]        = TO(STABLE),
	[GW_OA_LOCAL_EARLY][GW_OA_PEER_ANSWERS_EARLY]  = TO(LOCAL_EARLY),

	/* RFC 3311 5, RFC 6337 2.2: once an early dialog has its answer in a
	 * reliable response, either end may offer anew in it. */
	[GW_OA_LOCAL_EARLY][GW_OA_WE_OFFER]            = TO(LOCAL_EARLY_AGAIN),
	[GW_OA_LOCAL_EARLY][GW_OA_PEER_OFFERS]         = TO(LOCAL_EARLY_ASKED),
	[GW_OA_LOCAL_EARLY_AGAIN][GW_OA_PEER_ANSWERS]  = TO(LOCAL_EARLY),
	[GW_OA_LOCAL_EARLY_AGAIN][GW_OA_PEER_REFUSES]  = TO(LOCAL_EARLY),
	[GW_OA_LOCAL_EARLY_ASKED][GW_OA_WE_ANSWER]     = TO(LOCAL_EARLY),
	[GW_OA_LOCAL_EARLY_ASKED][GW_OA_WE_REFUSE]     = TO(LOCAL_EARLY),
	[GW_OA_REMOTE_EARLY][GW_OA_WE_OFFER]           = TO(REMOTE_EARLY_AGAIN),
	[GW_OA_REMOTE_EARLY][GW_OA_PEER_OFFERS]        = TO(REMOTE_EARLY_ASKED),
	[GW_OA_REMOTE_EARLY_AGAIN][GW_OA_PEER_ANSWERS] = TO(REMOTE_EARLY),
	[GW_OA_REMOTE_EARLY_AGAIN][GW_OA_PEER_REFUSES] = TO(REMOTE_EARLY),
	[GW_OA_REMOTE_EARLY_ASKED][GW_OA_WE_ANSWER]    = TO(REMOTE_EARLY),
	[GW_OA_REMOTE_EARLY_ASKED][GW_OA_WE_REFUSE]    = TO(REMOTE_EARLY),

	[GW_OA_REMOTE][GW_OA_WE_ANSWER]                = TO(STABLE),
	[GW_OA_REMOTE][GW_OA_WE_ANSWER_EARLY]          = TO(REMOTE_EARLY),
	[GW_OA_REMOTE][GW_OA_WE_REFUSE]                = TO(IDLE),
	[GW_OA_REMOTE][GW_OA_WE_REPLACE]               = TO(LOCAL),
	[GW_OA_REMOTE_EARLY][GW_OA_WE_ANSWER]          = TO(STABLE),
	[GW_OA_REMOTE_EARLY][GW_OA_WE_ANSWER_EARLY]    = TO(REMOTE_EARLY),

	[GW_OA_STABLE][GW_OA_PEER_OFFERS]              = TO(REMOTE_AGAIN),
	[GW_OA_STABLE][GW_OA_WE_OFFER]                 = TO(LOCAL_AGAIN),

	/* RFC 3264 8: a refused offer leaves the session as it was. */
	[GW_OA_LOCAL_AGAIN][GW_OA_PEER_ANSWERS]        = TO(STABLE),
	[GW_OA_LOCAL_AGAIN][GW_OA_PEER_REFUSES]        = TO(STABLE),
	[GW_OA_REMOTE_AGAIN][GW_OA_WE_ANSWER]          = TO(STABLE),
	[GW_OA_REMOTE_AGAIN][GW_OA_WE_REFUSE]          = TO(STABLE),
};
/* clang-format on */

int gw_oa_event(struct gw_oa *oa, enum gw_oa_event ev)
{
	const struct row *row;

	assert(oa->state < GW_OA_NSTATES && ev < GW_OA_NEVENTS);
	row = &table[oa->state][ev];
	if (!row->legal)
		return -EPROTO;
	oa->state = row->next;
	return 0;
}

const char *gw_oa_state_name(enum gw_oa_state st)
{
	static const char *const names[GW_OA_NSTATES] = {
		"idle",
		"local",
		"local-early",
		"local-early-again",
		"local-early-asked",
		"remote",
		"remote-early",
		"remote-early-again",
		"remote-early-asked",
		"stable",
		"local-again",
		"remote-again",
	};

	return names[st];
}

const char *gw_oa_event_name(enum gw_oa_event ev)
{
	static const char *const names[GW_OA_NEVENTS] = {
		"peer-offers",     "peer-answers", "peer-answers-early",
		"peer-refuses",    "we-offer",     "we-answer",
		"we-answer-early", "we-refuse",    "we-replace",
	};

	return names[ev];
}
