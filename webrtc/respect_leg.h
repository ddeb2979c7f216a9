/*
 * webrtc/respect_leg.h - a media session with a web client (private)
 *
 * Two machines, each a table in respect_leg_fsm.c: the session, and its
 * offer/answer.  respect_leg.c is driven by the call (send), respect_leg_in.c
 * by the client.  Signalling thread only; the call owns the leg, the
 * registration lists it while it lives.
 */
#ifndef GW_RESPECT_LEG_H
#define GW_RESPECT_LEG_H

#include "webrtc/respect_priv.h"

enum gw_rleg_state {
	GW_RL_NEW,     /* terminating: nothing was sent yet */
	GW_RL_CALLING, /* originating, not answered */
	GW_RL_RINGING, /* terminating, msetup sent, not answered */
	GW_RL_UP,
	GW_RL_DEAD,
	GW_RL_NSTATES
};

enum gw_rleg_event {
	GW_RL_EV_SETUP,    /* the call: ring the client */
	GW_RL_EV_PROGRESS, /* the call: the far end rings */
	GW_RL_EV_ANSWER,   /* the call: the far end answered */
	GW_RL_EV_ANSWERED, /* the client answered */
	GW_RL_EV_END,      /* either side */
	GW_RL_NEVENTS
};

enum gw_rleg_oa {
	GW_OA_IDLE,
	GW_OA_PRE,    /* the client's pre-offer: answered, or replaced */
	GW_OA_OURS,   /* our sdpOffer is with the client */
	GW_OA_THEIRS, /* the client's sdpOffer is with the call */
	GW_OA_NSTATES
};

enum gw_rleg_oa_event {
	GW_OA_EV_OUR_OFFER,
	GW_OA_EV_OUR_ANSWER,
	GW_OA_EV_OUR_REFUSAL,
	GW_OA_EV_THEIR_OFFER,
	GW_OA_EV_THEIR_ANSWER,
	GW_OA_EV_THEIR_REFUSAL,
	GW_OA_NEVENTS
};

/* Of a party that nobody named. */
#define GW_ANONYMOUS "sip:anonymous@anonymous.invalid"

/* what: which parts of the session a request of ours told, for its response */
#define GW_RT_SETUP   1u
#define GW_RT_OFFER   2u
#define GW_RT_ANSWER  4u
#define GW_RT_STATE   8u
#define GW_RT_INITIAL 16u /* the answer to a pre-offer */
#define GW_RT_MESSAGE 32u /* a message of text; of no session */
#define GW_RLEG_GENS  0xffffffu
#define GW_RT_GEN(g)  (((g)&GW_RLEG_GENS) << 8)
#define GW_RT_FLAGS   0xffu

/* What became of a transfer. */
struct gw_rleg_outcome {
	char *target, *detail; /* the latter may be NULL */
	unsigned status;       /* 0: it is done */
	bool sip;
	uint32_t gen; /* of the request that told it last */
};

struct gw_rleg {
	struct gw_leg leg; /* first: what the call holds */
	uint32_t magic;
	struct gw_web *web;
	struct gw_reg *reg; /* NULL: dead */
	LIST_ENTRY(gw_rleg) link;
	uint64_t serial;
	char id[32]; /* mediaSessionId */
	bool originating;
	bool emergency;
	enum gw_rleg_state state;
	enum gw_rleg_oa oa;
	bool held, held_before; /* the latter while our offer is out */
	bool early_answered;    /* the one answer before the call was up */
	bool early_media;       /* authorised by the far end */
	bool alerted;           /* PROGRESS was reported */
	uint16_t transfer;      /* the last status of one that was told */
	/* Its outcome, until the client has it for sure; else NULL. */
	struct gw_rleg_outcome *outcome;
	int64_t since_s;
	char peer[256], peer_name[128];
	char resource[256];
	char *call_info; /* JSON that its msetup has, or was told last */
	uint64_t glare_until_us; /* RFC 3261 14.1 */
	uint64_t reported_us;    /* the last report of its quality */
	struct gw_timer answer_timer;

	/* The last description of ours and whether the client has it for
	 * sure; a new connection is told again. */
	char *sdp;
	size_t sdp_len;
	bool sdp_is_offer, sdp_unacked, state_unacked;
	uint32_t gen, sdp_gen; /* of the last request, of that with sdp */
	struct gw_logctx log;
};

#define GW_RLEG_MAGIC 0x524c4731u

/* 0, or -EPROTO: there is no row. */
int gw_rleg_event(struct gw_rleg *l, enum gw_rleg_event ev);
bool gw_rleg_expects(const struct gw_rleg *l, enum gw_rleg_event ev);
int gw_rleg_oa_event(struct gw_rleg *l, enum gw_rleg_oa_event ev);
const char *gw_rleg_state_name(enum gw_rleg_state st);
const char *gw_rleg_oa_name(enum gw_rleg_oa st);
/* The tables as text, for the test that holds the documentation to them. */
void gw_rleg_print_tables(struct gw_buf *out);

int gw_rleg_new(struct gw_rleg **out, struct gw_web *web, struct gw_reg *reg,
		bool originating);
struct gw_rleg *gw_rleg_of(struct gw_leg *leg);
struct gw_rleg *gw_rleg_find(struct gw_reg *reg, const char *session_id);
/* Out of its registration; the call may still hold it. */
void gw_rleg_detach(struct gw_rleg *l);
/* The handler; @l may be gone on return. */
void gw_rleg_deliver(struct gw_rleg *l, const struct gw_msg *msg);
/* To the call, exactly once; @l may be gone on return. */
void gw_rleg_deliver_release(struct gw_rleg *l, unsigned status,
			     const char *text);
/* What the session now looks like to the client. */
enum gw_rstate gw_rleg_shown(const struct gw_rleg *l);
void gw_rleg_sdp_done(struct gw_rleg *l);
void gw_rleg_send_setup(struct gw_rleg *l);
/* mupdate with the state and @o's members; @flags: GW_RT_*. */
void gw_rleg_tell(struct gw_rleg *l, struct gw_rout *o, uint32_t flags);
/* What @msg says of a transfer that is over, in place of an older outcome, which
 * matters no more.  0 or -ENOMEM. */
int gw_rleg_keep_outcome(struct gw_rleg *l, const struct gw_msg *msg);
/* mupdate with l->outcome, if there is one. */
void gw_rleg_tell_outcome(struct gw_rleg *l);
void gw_rleg_outcome_done(struct gw_rleg *l);
/* mdisc, unless the client never heard of the session or is away. */
void gw_rleg_send_disc(struct gw_rleg *l, const struct gw_cause *cause);
/* Our offer failed: the call is told, the session stays as it was. */
void gw_rleg_refused(struct gw_rleg *l, unsigned status, const char *text);
void gw_rleg_answer_timeout(struct gw_timer *t, void *arg);

#endif
