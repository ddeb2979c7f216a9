/*
 * sip/session.h - one INVITE session with a SIP peer, private to sip/
 *
 * Four floors, each looking only down:
 *
 *   ims_leg.c,     verbs of gateway/leg.h <-> SIP headers and bodies
 *   ims_tell.c,
 *   ims_read.c
 *   session*.c     what RFC 3261, 3264, 3311 and 3326 want done, and when
 *   dialog*.c      the words of NTA for it, with their traps
 *   NTA            transactions
 *
 * A session outlives its leg: what is still owed to the peer (an ACK, the end
 * of a BYE, a CANCEL's 200) is done without it.  It dies by itself when it is
 * DEAD and has no leg.  Signalling thread only.  Diagram: docs/sip.md.
 *
 * An int that is returned is 0 or -errno: -EPROTO where the state has no place
 * for it, -EAGAIN while another offer is under way, -ENOMEM.
 */
#ifndef GW_SIP_SESSION_H
#define GW_SIP_SESSION_H

#include "gateway/base/dtmf_relay.h"
#include "gateway/base/timers.h"
#include "gateway/registration.h"
#include "sip/digest.h"
#include "sip/ident.h"
#include "sip/session_fsm.h"
#include "sip/stack.h"

/* Early dialogs of one INVITE.  RFC 3261 sets no bound: provisional responses
 * of more are ignored, and of those only the first 2xx to come has a place, one
 * more than these; the others get ACK and BYE (dialog_orphan.c). */
#define GW_SESSION_BRANCHES 16

/* Whose offer, inside the established session, waits for its answer. */
enum gw_offer_state {
	GW_OFF_NONE,
	GW_OFF_QUEUED,    /* ours, not sent: glare, or an INVITE unfinished */
	GW_OFF_SENT,      /* ours, in a re-INVITE */
	GW_OFF_LATE,      /* our re-INVITE got an offer; ACK waits for answer */
	GW_OFF_PEER,      /* the peer's, given to the call */
	GW_OFF_PEER_LATE, /* the peer's INVITE asked for ours: it is in our
			     200, the answer comes in the ACK */
	GW_OFF_ASKED,     /* the call is asked what it would offer: a refresh
			     by re-INVITE */
	GW_OFF_EARLY,     /* ours, in a reliable 18x; the answer is in its
			     PRACK */
	GW_OFF_PEER_GONE, /* the peer's, cancelled while the call thinks: its
			     ACCEPT or REFUSE will be dropped */
};

struct gw_regn;

struct gw_branch {
	nta_leg_t *leg;         /* the dialog, one a To tag */
	nta_outgoing_t *tagged; /* NULL: the original transaction serves */
	bool acked;
	bool firm;       /* its answer came reliably: it is the answer */
	bool asks;       /* its reliable 18x offers; our PRACK answers */
	bool ended;      /* 199 (RFC 6228) */
	bool bye;        /* the peer hung up, maybe before its 200 came here */
	bool may_update; /* its Allow has UPDATE */
	uint32_t rseq;   /* of the last response that was acknowledged */
	const nta_outgoing_t *prack; /* the last one, until it is answered;
					only compared */
	nta_outgoing_t *update; /* ours, with an offer, before the answer */
	char *offer; /* what it will carry, until the PRACK is answered; owned */
	bool conditions;     /* and that has preconditions */
	unsigned challenges; /* of requests in it, one after the other */
};

struct gw_dialog_msg;

struct gw_body {
	char *data; /* owned */
	size_t len;
};

/* RFC 4028; session_timer.c. */
#define GW_TIMER_LINES 96
struct gw_session_timer {
	uint32_t expires_s; /* 0: the session has none */
	bool ours;          /* we refresh */
	/* The same by the peer's request, from when our 2xx is out. */
	uint32_t asked_s;
	bool asked_ours;
	bool may_update;   /* the peer's Allow has UPDATE */
	uint32_t min_se_s; /* by a 422; 0: none */
	unsigned raised, challenges;
	char line[GW_TIMER_LINES]; /* what our 2xx says */
	nta_outgoing_t *update;    /* our refresh */
	uint64_t ends_us;
	struct gw_timer timer;
};

/* A provisional response behind one that is not acknowledged yet. */
#define GW_SESSION_HELD 4
struct gw_held {
	int status;
	char *headers; /* owned, may be NULL */
	struct gw_body body;
};

struct gw_session {
	uint32_t magic;
	uint64_t id; /* what NTA carries */
	struct gw_sip *sip;
	struct gw_session *next, **prev;
	struct gw_leg *leg; /* NULL once freed */
	bool released;      /* RELEASE was said, in whichever direction */
	enum gw_ses_state state;
	unsigned busy; /* handlers on the stack: no burial */
	bool uas;      /* the peer called */
	uint64_t fork; /* of its Call-ID and tag: the same in all branches of
			  a call that the core has forked to us; 0: none */
	struct gw_logctx log;
	char log_id[GW_CALL_ID_SIZE]; /* outlives the leg */
	char contact[200];

	/* through a registration in the core; all empty where there is none */
	char registration[GW_REGN_KEY_SIZE];
	char identity[GW_IDENT_URI_MAX + 1]; /* of its set: who is here */
	char *route;                         /* UAC: the Service-Route; owned */
	char next_hop[256]; /* UAC: where the INVITE goes, unless by route */
	/* P-Charging-Vector of the dialog (RFC 7315 5.6), in both directions;
	 * a header line, owned; NULL: none */
	char *charging;

	/* REFER of the peer (refer.c) */
	nta_incoming_t *refer_irq;  /* not answered yet */
	uint32_t refer_id;          /* its CSeq */
	bool refer_on, refer_quiet; /* accepted; without NOTIFYs (RFC 4488) */
	uint16_t refer_status;      /* as the last NOTIFY had it */
	unsigned refer_challenges;  /* since one of them was taken */
	struct gw_leg *instead_of;  /* whose place its INVITE takes */

	/* dialog */
	nta_leg_t *dialog; /* the one that counts; NULL until there is one */
	nta_leg_t *caller; /* UAC: the leg without To tag */
	nta_outgoing_t *invite; /* UAC: the original INVITE */
	/* Early dialogs, and then the one: made as they come, so that a pointer
	 * into them lasts until the next one does.  UAS: none. */
	struct gw_branch *branch;
	unsigned branch_room;
	unsigned nbranch, won;   /* index of the dialog that answered */
	unsigned byes;           /* of dialogs that nothing had come of */
	bool crowded;            /* more dialogs than GW_SESSION_BRANCHES */
	nta_incoming_t *inv_irq; /* the peer's INVITE or re-INVITE */
	bool inv_answered;       /* 2xx sent, ACK awaited */
	bool re_reliable; /* the re-INVITE takes reliable 1xx (RFC 3262) */
	bool suspended;   /* and its offer was answered in one */
	nta_incoming_t *upd_irq; /* the peer's UPDATE with an offer */
	nta_outgoing_t *re_invite;
	nta_outgoing_t *bye;

	/* offer/answer */
	enum gw_offer_state offer;
	bool late;             /* the initial INVITE had no description */
	bool knows_pem;        /* peer said P-Early-Media: supported */
	struct gw_body queued; /* GW_OFF_QUEUED, SENT: ours, for a retry */
	bool queued_late;      /* without a description */
	bool peer_late;        /* the peer's re-INVITE had none */
	struct gw_body early;  /* UAS: the answer given in a 18x */
	unsigned glares;

	/* UAS: reliable provisional responses (RFC 3262) */
	unsigned peer_knows, peer_demands; /* GW_EXT_... */
	nta_reliable_t *reliable; /* the one that is not acknowledged */
	bool describes;           /* and it has a description */
	bool firm;                /* our description in one was acknowledged */
	bool sdp_sent;            /* or is on its way: the 200 has none */
	bool answer_held;         /* the 200 waits for that */
	bool unpracked;           /* and nobody ever did */
	struct gw_held held[GW_SESSION_HELD]; /* what comes behind */
	unsigned nheld;
	char *answer_headers; /* of the 200 that waits; owned, may be NULL */

	struct gw_session_timer timer;

	/* our request, kept for a challenge */
	char *request_uri, *from, *to, *headers; /* owned */
	char *invite_auth; /* credentials of the last INVITE, for its ACK */
	struct gw_body sdp;
	struct gw_digest digest;
	unsigned challenges;
	bool re_challenged, bye_challenged;
	unsigned info_challenges;
	bool re_cancelled; /* ours, for it was overdue */

	struct gw_timer ring;    /* nobody answers */
	struct gw_timer guard;   /* 64*T1: after CANCEL; losing forks */
	struct gw_timer glare;   /* RFC 3261 14.1 */
	struct gw_timer overdue; /* our re-INVITE has no final response */
	struct gw_timer later;   /* a failure to be told outside send() */
	uint16_t later_status;
	const char *later_text; /* a constant; NULL: the status says it */
	char reason[160];       /* Reason of the BYE that waits */
};

/* ---- session.c: life, state ---- */

/* The session that @id names, or NULL: it is gone. */
struct gw_session *gw_session_find(const void *id);
void *gw_session_ref(const struct gw_session *s); /* for NTA */

int gw_session_new(struct gw_session **out, struct gw_sip *sip);
/* Every one of @sip at once, at shutdown: nothing more is sent. */
void gw_session_free_all(struct gw_sip *sip);

/* Bracket whatever may bury: timers, NTA's callbacks, the leg's verbs.  The
 * session may be gone after leave. */
void gw_session_enter(struct gw_session *s);
void gw_session_leave(struct gw_session *s);

/* The only writer of state.  False, logged, when the table has no row. */
bool gw_session_event(struct gw_session *s, enum gw_ses_event ev);

/* The next hop cannot be reached: an INVITE that nobody has answered yet fails
 * with 503 (RFC 3261 16.9). */
void gw_session_unreachable(struct gw_session *s);

/* The leg says nothing any more and is being freed. */
void gw_session_detach(struct gw_session *s);

int gw_body_set(struct gw_body *b, const void *data, size_t len);
void gw_body_clear(struct gw_body *b);

/* The end, from our side, in whatever state: CANCEL, response or BYE. */
void gw_session_release(struct gw_session *s, const struct gw_cause *cause);
/* Our BYE, now. */
void gw_session_bye(struct gw_session *s);
void gw_session_fail_later(struct gw_session *s, uint16_t status,
			   const char *text);

/* Milliseconds of 64*T1 as configured. */
uint32_t gw_session_t1x64(const struct gw_session *s);
void gw_session_start_timer(struct gw_session *s, struct gw_timer *t,
			    uint64_t ms);

/* ---- session_uac.c ---- */

int gw_session_call(struct gw_session *s);
/* CALLING: as if a final @status had come. */
void gw_session_uac_failed(struct gw_session *s, int status);
void gw_session_cancel(struct gw_session *s, const struct gw_cause *cause);
/* ACKING: the answer to the offer in the 200. */
int gw_session_ack_answer(struct gw_session *s, const void *sdp, size_t len);
/* BYE in another dialog of our INVITE than the one that answered: of one that
 * is known, and of one that nothing has come of. */
void gw_session_fork_gone(struct gw_session *s, struct gw_branch *b,
			  const sip_t *bye);
void gw_session_stranger_gone(struct gw_session *s, const sip_t *bye);
/* Losing forks are forgotten: NTA ends what still comes from them. */
void gw_session_drop_branches(struct gw_session *s);
/* Take the challenge that refused a request; @before: how many this request
 * had already.  True: try again. */
bool gw_session_challenged(struct gw_session *s, const sip_t *response,
			   unsigned before);
/* Likewise, of @orq in @leg, which was answered @status: it goes out again.
 * NULL: it was no challenge, or one that cannot be met. */
nta_outgoing_t *gw_session_repeat(struct gw_session *s, nta_leg_t *leg,
				  nta_outgoing_t *orq, int status,
				  const sip_t *response, unsigned *challenges);

/* ---- session_uas.c ---- */

int gw_session_accept_invite(struct gw_session *s, nta_incoming_t *irq,
			     const sip_t *request);
int gw_session_progress(struct gw_session *s, int status, const char *headers,
			const void *sdp, size_t len);
int gw_session_answer(struct gw_session *s, const char *headers,
		      const void *sdp, size_t len);

/* ---- session_early.c: before the call is answered ---- */

/* A provisional response in the dialog @b: PRACK, if it is reliable.  True:
 * what it describes is new, and counts. */
bool gw_session_early_response(struct gw_session *s, struct gw_branch *b,
			       const sip_t *response);
/* UAC: does the PRACK of @branch wait for our answer?  And that. */
bool gw_session_asks(const struct gw_session *s, unsigned branch);
int gw_session_answer_early(struct gw_session *s, unsigned branch,
			    const void *sdp, size_t len);
/* UAC: our offer in the early dialog @branch (from 1), by UPDATE; with
 * @conditions it has preconditions. */
int gw_session_offer_early(struct gw_session *s, unsigned branch,
			   const void *sdp, size_t len, bool conditions);
void gw_session_on_update_response(struct gw_session *s, nta_outgoing_t *orq,
				   int status, const sip_t *response);
void gw_session_on_prack_response(struct gw_session *s, nta_outgoing_t *orq,
				  int status, const sip_t *response);
/* UAS: a provisional response, reliable where it should be. */
int gw_session_provisional(struct gw_session *s, int status,
			   const struct gw_dialog_msg *m);
/* The 200 has to wait.  0 or -ENOMEM. */
bool gw_session_must_hold(const struct gw_session *s);
int gw_session_hold_answer(struct gw_session *s, const char *headers);
void gw_session_drop_held(struct gw_session *s);
/* @prack NULL: nobody acknowledged @rel, or nobody needs to any more. */
void gw_session_on_prack(struct gw_session *s, nta_reliable_t *rel,
			 nta_incoming_t *prack, const sip_t *request);
/* The number, from 1, of the early dialog @leg; 0: not one. */
unsigned gw_session_branch_of(const struct gw_session *s, const nta_leg_t *leg);
/* May the peer offer in @leg before the call is answered? */
bool gw_session_early_may_offer(const struct gw_session *s,
				const nta_leg_t *leg);
/* Is our early offer in the dialog that answered still unanswered? */
bool gw_session_early_offers(const struct gw_session *s);

/* ---- session_suspend.c: re-INVITEs that wait for resources ---- */

/* @request, a re-INVITE, has become inv_irq. */
void gw_session_suspend_asked(struct gw_session *s, const sip_t *request);
/* May the offer that the call thinks of be answered by gw_session_suspend()? */
bool gw_session_may_suspend(const struct gw_session *s);
/* Answers it, and leaves the session as it was. */
int gw_session_suspend(struct gw_session *s, const void *sdp, size_t len);
/* An offer within it was accepted: so is it, if it is suspended. */
void gw_session_resume(struct gw_session *s);
/* One was refused with @status. */
void gw_session_suspend_refused(struct gw_session *s, unsigned status);
/* sip.precondition_timeout_s have passed. */
void gw_session_suspend_over(struct gw_session *s);
/* inv_irq is gone: cancelled, or its 183 never acknowledged. */
void gw_session_suspend_cancelled(struct gw_session *s);

/* ---- session_offer.c ---- */

int gw_session_offer(struct gw_session *s, const void *sdp, size_t len);
/* Is a body there that is no description?  Then it has been refused. */
bool gw_session_body_understood(struct gw_session *s, nta_incoming_t *irq,
				const sip_t *request);
/* 500 with Retry-After: an offer of the peer waits already. */
void gw_session_reply_later(struct gw_session *s, nta_incoming_t *irq);
int gw_session_accept_offer(struct gw_session *s, const void *sdp, size_t len);
int gw_session_refuse_offer(struct gw_session *s, const struct gw_cause *cause);
/* @branch: of an early dialog, from 1; 0: the session's. */
int gw_session_info(struct gw_session *s, unsigned branch, const char *type,
		    const void *body, size_t len);
/* Something ended that a queued offer waited for. */
void gw_session_flush_offer(struct gw_session *s);
void gw_session_glare_over(struct gw_session *s);
/* Our re-INVITE has no final response in 64*T1. */
void gw_session_offer_overdue(struct gw_session *s);
/* Requests of the peer inside the dialog. */
void gw_session_peer_invite(struct gw_session *s, nta_leg_t *leg,
			    nta_incoming_t *irq, const sip_t *request);
void gw_session_peer_update(struct gw_session *s, nta_leg_t *leg,
			    nta_incoming_t *irq, const sip_t *request);

/* A refresh by re-INVITE: with what the call says that it offers. */
void gw_session_ask_offer(struct gw_session *s);
/* The peer does not know the dialog any more, or does not answer in it. */
void gw_session_lost(struct gw_session *s, int status);

/* ---- session_timer.c ---- */

/* Header lines of our INVITE or UPDATE; NULL: none. */
const char *gw_session_timer_ask(const struct gw_session *s,
				 char buf[GW_TIMER_LINES]);
/* 422: the interval is raised.  True: try again. */
bool gw_session_timer_raised(struct gw_session *s, const sip_t *response);
/* A 2xx to our INVITE or UPDATE. */
void gw_session_timer_answered(struct gw_session *s, const sip_t *response);
/* The same to a re-INVITE of ours, whatever it was for. */
void gw_session_timer_reinvited(struct gw_session *s, const sip_t *response);
/* Was it a refresh of ours? */
bool gw_session_timer_response(struct gw_session *s, nta_outgoing_t *orq,
			       int status, const sip_t *response);
/* The peer's INVITE or UPDATE: what our 2xx will say, in s->timer.line.  Until
 * then, and if it is refused, the session keeps the timer that it has. */
void gw_session_timer_asked(struct gw_session *s, const sip_t *request);
/* It has been refused, because its interval is below ours. */
bool gw_session_timer_too_short(struct gw_session *s, nta_incoming_t *irq,
				const sip_t *request);
/* And that 2xx is out. */
void gw_session_timer_replied(struct gw_session *s);
void gw_session_timer_due(struct gw_session *s);

/* ---- refer.c: another party in place of one ---- */

void gw_refer_incoming(struct gw_session *s, nta_leg_t *leg,
		       nta_incoming_t *irq, const sip_t *request);
/* The call says how it goes. */
int gw_refer_told(struct gw_session *s, const struct gw_cause *cause);
/* A NOTIFY of ours is answered. */
void gw_refer_notified(struct gw_session *s, nta_outgoing_t *sent, int status,
		       const sip_t *response);
/* An INVITE with Replaces or Join: 0 with the leg it replaces (NULL: neither
 * header is there), or the status that refuses it. */
int gw_refer_replaces(struct gw_sip *sip, const sip_t *request,
		      struct gw_leg **instead_of);

/* ---- called by dialog*.c, with the session entered ---- */

void gw_session_on_invite_response(struct gw_session *s, nta_outgoing_t *orq,
				   int status, const sip_t *response);
void gw_session_on_response(struct gw_session *s, nta_outgoing_t *orq,
			    sip_method_t method, int status,
			    const sip_t *response);
/* @request NULL: 64*T1 passed. */
void gw_session_on_ack(struct gw_session *s, nta_incoming_t *irq,
		       const sip_t *request);
void gw_session_on_cancel(struct gw_session *s, nta_incoming_t *irq,
			  const sip_t *request);
void gw_session_on_request(struct gw_session *s, nta_leg_t *leg,
			   nta_incoming_t *irq, const sip_t *request);

/* ---- regn_call.c: a call through a registration ---- */

/* UAC: the way, contact and identity of @key's; @wanted is the identity that
 * the caller chose, which counts if it is of the set.  0, -ENOENT: no such
 * registration, or -errno. */
int gw_session_originate(struct gw_session *s, const char *key,
			 const char *wanted);
/* UAS: whom this INVITE is for; @dialled: as P-Called-Party-ID says, or NULL. */
void gw_session_terminate(struct gw_session *s, const sip_t *request,
			  const char *dialled);
/* Keeps the peer's icid, for our responses and requests. */
void gw_session_charge(struct gw_session *s, const sip_t *request);

/* ---- ims_tell.c: what the peer did, told to the leg's owner ---- */

/* @fresh: what it describes counts. */
void gw_ims_tell_progress(struct gw_session *s, int status,
			  const struct gw_branch *b, const sip_t *response,
			  bool fresh);
/* P-Early-Media in an UPDATE of the early dialog @branch, from 1. */
void gw_ims_tell_early_media(struct gw_session *s, unsigned branch,
			     const sip_t *update);
void gw_ims_tell_answer(struct gw_session *s, unsigned branch,
			const sip_t *response, enum gw_desc_role role);
/* OFFER without description: what would the call offer? */
void gw_ims_tell_refresh(struct gw_session *s);
/* @branch: of an early dialog; 0: the session's. */
void gw_ims_tell_offer(struct gw_session *s, unsigned branch,
		       const sip_t *request);
void gw_ims_tell_accept(struct gw_session *s, unsigned branch,
			const sip_t *message, enum gw_desc_role role);
void gw_ims_tell_refuse(struct gw_session *s, unsigned branch, unsigned status,
			const sip_t *response);
void gw_ims_tell_digit(struct gw_session *s, const struct gw_dtmf_relay *d);
/* An INFO of another type that is taken, as it came. */
void gw_ims_tell_info(struct gw_session *s, const char *type, const void *body,
		      size_t len);
void gw_ims_tell_failure(struct gw_session *s, unsigned status,
			 const char *text);
/* @by: Referred-By's URI (RFC 3892), or NULL.  @joins: the leg of another call whose dialog @replaces names, or NULL. */
void gw_ims_tell_transfer(struct gw_session *s, const char *target,
			  const char *replaces, const char *by,
			  struct gw_leg *joins);
/* @message may be NULL.  @status 200: a normal end. */
void gw_ims_tell_release(struct gw_session *s, unsigned status,
			 const sip_t *message);
/* A MESSAGE for @regn (NULL: for a user of our domain), as @ask, to @handler. */
void gw_ims_message(struct gw_sip *sip, const sip_t *request,
		    const struct gw_regn *regn, const char *type,
		    gw_message_h *handler, uint64_t ask, void *arg);

/* ---- ims_leg.c ---- */

/* A leg for an INVITE, offered to the gateway. */
int gw_ims_leg_incoming(struct gw_session *s, const sip_t *request);

/* Was another branch of the call that the core has forked to us answered? */
bool gw_session_answered_elsewhere(const struct gw_session *s);

/* ---- ims_read.c ---- */

/* Does its Allow have UPDATE (RFC 3311 4)? */
bool gw_ims_allows_update(const sip_t *message);

/* Has this message an SDP body, be it a part of a multipart one?  Or one that
 * its sender demands to be understood, and that is not? */
bool gw_ims_has_sdp(const sip_t *message);
bool gw_ims_body_is_foreign(const sip_t *message);

#endif
