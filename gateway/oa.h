/*
 * gateway/oa.h - where one leg stands in offer/answer, as a table
 *
 * RFC 3264: one offer at a time a dialogue; RFC 6337: which crossing is legal.
 * It knows no text and no protocol: the call tells it what happens and is told
 * whether that may happen.  Diagram: docs/offer-answer.md.
 * Signalling thread only.
 */
#ifndef GW_OA_H
#define GW_OA_H

enum gw_oa_state {
	GW_OA_IDLE,        /* nothing described yet */
	GW_OA_LOCAL,       /* our first offer is out */
	GW_OA_LOCAL_EARLY, /* ... and has an answer that may be replaced */
	GW_OA_LOCAL_EARLY_AGAIN, /* ... and we offered again (UPDATE) */
	GW_OA_LOCAL_EARLY_ASKED, /* ... or the peer did */
	GW_OA_REMOTE,            /* the peer's first offer waits for us */
	GW_OA_REMOTE_EARLY, /* ... and we gave an answer that we may repeat */
	GW_OA_REMOTE_EARLY_AGAIN, /* ... and we offered */
	GW_OA_REMOTE_EARLY_ASKED, /* ... or the peer did again */
	GW_OA_STABLE,
	GW_OA_LOCAL_AGAIN,  /* our offer within the session is out */
	GW_OA_REMOTE_AGAIN, /* the peer's offer within the session waits */
	GW_OA_NSTATES
};

enum gw_oa_event {
	GW_OA_PEER_OFFERS,
	GW_OA_PEER_ANSWERS,
	GW_OA_PEER_ANSWERS_EARLY,
	GW_OA_PEER_REFUSES,
	GW_OA_WE_OFFER,
	GW_OA_WE_ANSWER,
	GW_OA_WE_ANSWER_EARLY,
	GW_OA_WE_REFUSE,
	GW_OA_WE_REPLACE, /* a pre-offer by our own offer (RESPECT) */
	GW_OA_NEVENTS
};

struct gw_oa {
	enum gw_oa_state state;
};

/* 0 and moved, or -EPROTO and not moved: glare, or an answer nobody asked. */
int gw_oa_event(struct gw_oa *oa, enum gw_oa_event ev);

const char *gw_oa_state_name(enum gw_oa_state st);
const char *gw_oa_event_name(enum gw_oa_event ev);

#endif
