/*
 * gateway/call_priv.h - the inside of a call, shared by gateway/call*.c only
 *
 * Signalling thread only.
 */
#ifndef GW_CALL_PRIV_H
#define GW_CALL_PRIV_H

#include <uthash.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/timers.h"
#include "gateway/call.h"
#include "gateway/call_fsm.h"
#include "gateway/oa.h"
#include "gateway/quality.h"
#include "gateway/route.h"
#include "sdp/precondition.h"
#include "sdp/session.h"

#define CALL_MAGIC 0x43414c4cu

/* Of what media said of our end, what descriptions need: a fifth of it. */
struct own_end {
	uint8_t family, nstream, ncandidate;
	bool ice_lite;
	uint8_t sha256[32];
	char ufrag[257], pwd[257];
	struct {
		struct gw_addr rtp, rtcp;
		uint32_t ssrc;
	} stream[GW_MAX_STREAMS];
	struct gw_candidate candidate[]; /* @ncandidate of them */
};
_Static_assert(sizeof(struct own_end) <= 1024, "a call has two");

/* One of the two legs with its termination and its offer/answer state. */
struct side {
	struct gw_leg *leg; /* NULL: not there yet, or released */
	enum gw_profile profile;
	enum gw_term term;
	const char *kind; /* of the leg, also after its end: for the CDR */
	struct gw_oa oa;

	/*
	 * Descriptions are kept as text (a kilobyte) and read again when an
	 * offer within the session comes, which is rare: as values they would
	 * be 40 kB each.
	 */
	char *local;   /* what we said last, and holds */
	char *remote;  /* what the peer said last, and holds */
	char *pending; /* the outstanding offer of either, until answered */

	uint64_t o_id, o_version;
	struct own_end *end; /* our end of the transport, from media */
	uint32_t serial;     /* of the reservation that is awaited, 0 none */
	bool described;      /* the peer got a final answer of ours, or its
			       answer to our offer was taken */
	bool peer_is_dtls_client;
	char tls_id[33]; /* of our association, once the peer named its own */
	bool connected;  /* ICE found a path, once at least */
	bool lost;       /* and consent to use it has run out since */
	bool held;       /* the peer does not listen */
	bool answered;   /* remote is an answer, cut by what local offered */
	bool no_video;   /* the operator wants none */
	bool owed;     /* it changed in vain, and is to be offered what holds */
	bool newcomer; /* what media is told next is of another party */
	char *who;     /* who took the first party's place, "": unknown; NULL:
			  nobody did */
	bool withheld; /* who is for the trust domain only */
	/* m-lines, a bit each, whose gates stay closed whatever is described */
	uint32_t shut_in, shut_out;
	/* What our descriptions say of resources, until the call is up. */
	struct gw_precondition qos;
};

/* An offer within the session on its way: one a call, call_update*.c. */
enum update_state {
	UPD_IDLE,
	UPD_RESERVING,  /* x offered m-lines that media has to make first */
	UPD_FORWARDED,  /* x offered; y has our offer, its answer is awaited */
	UPD_RESTARTING, /* x offered new ICE credentials; media makes ours */
	UPD_LATE,       /* x asked for an offer and has it; answer awaited */
	UPD_OWN,        /* we offered to x on our own account */
	UPD_NSTATES
};

struct update {
	enum update_state state;
	struct side *x, *y;
	bool forwarded; /* y was asked for this change */
	char *offer_x;  /* x's offer, being answered */
	char *answer_y; /* y's answer to what we forwarded; NULL: not asked */
	char *offer_y;  /* what we forwarded */
	/* m-lines of offer_x, a bit each, that wait for resources of x; and
	 * those of them that y does not hear of yet: call_qos_update.c */
	uint32_t waits, held;
	bool may_wait; /* x's leg can answer, and change nothing yet */
	bool waited;   /* and has done so before */
	unsigned tries;
	struct gw_timer retry; /* of an own offer that met another one */
	bool wanted;           /* an own offer is owed to narrow_side */
	struct side *narrow;
};

/* Another party on its way in place of one: gateway/call_transfer.c. */
struct transfer {
	struct side *out;     /* whose party is replaced; NULL: none is */
	bool asked_by_out;    /* by itself, else by the one that stays */
	bool incoming;        /* the new one called: nobody asked */
	struct gw_leg *leg;   /* of the new one */
	struct gw_timer ring; /* patience with it */
	struct side *in;      /* its own termination, the spare; NULL: it will
				 have out's */
	struct side *taking; /* whose place media gives the spare; NULL: none */
	uint32_t take_serial; /* ... as was asked */
	char *offer;          /* that it has, or that it made */
	char *replaces;       /* the dialog that it shall replace, or NULL */
	char *referred_by;    /* who sends the one that stays there, or NULL */
	char *early;     /* what a branch of it has answered for good ... */
	uint32_t branch; /* ... this one */
	bool withheld;   /* target is for the trust domain only */
	char target[257], done[257]; /* done: the last one that succeeded */
};

/* One early dialog of the called side: gateway/call_early.c. */
struct early {
	uint32_t branch;
	struct gw_oa oa;
	char *local;         /* what we said in it last, and holds */
	char *remote;        /* NULL: not described yet */
	uint64_t version;    /* of o= in local */
	bool firm;           /* its answer will not be replaced */
	bool asked;          /* remote is an offer that local answers */
	bool authorised;     /* its media may be heard (RFC 5009) */
	bool both;           /* and it may hear */
	uint32_t mute, deaf; /* m-lines, a bit each, that are not meant */
	bool ended;          /* RFC 6228 */
	/* Of preconditions: gateway/call_qos.c. */
	struct gw_precondition qos;
	char *pending; /* our offer that confirms ours, until answered */
	bool owes;     /* ... is still to be made */
	bool waits;    /* its resources, or ours in its eyes, are to come */
	bool rang;     /* so it had what it needs (RFC 3312 6) */
	unsigned tries;
};

struct gw_call {
	uint32_t magic;
	struct gw_core *core;
	char id[GW_CALL_ID_SIZE];
	struct gw_logctx log;
	gw_ctx_id ctx;
	UT_hash_handle hh; /* core->calls */
	struct gw_call_fsm fsm;
	struct side a, b;
	struct update upd;
	struct transfer transfer;
	struct gw_timer watch; /* reservation, ringing, media's last word */
	struct gw_timer lost;  /* patience with a side that is */
	struct gw_timer path;  /* a browser whose ICE never connects */
	struct gw_cause cause; /* of the end; text is in cause_text */
	char cause_text[160];
	/* The side whose description cannot be used is told what is wrong with
	 * it, the other one only that it was not its own. */
	struct side *blamed;
	struct gw_cause blame;
	char blame_text[160];
	const char *released_by; /* "a", "b", "gateway" */
	bool a_early;            /* A has an early answer of ours */
	bool prepare;            /* A's preconditions are to be met first */
	struct gw_timer qos_again;
	struct gw_timer
		qos_patience;    /* with all of B that waits; once it is up,
					 with m-lines of either side */
	bool rings;              /* somebody was alerted */
	bool may_ask;            /* A can be offered to before B is called */
	struct early *early;     /* until the call is answered */
	unsigned nearly, heard;  /* heard: its number from 1, 0 none */
	uint64_t invite_version; /* of o= in what B was offered first */
	bool b_open;             /* B's answer was an offer (late offer) */
	bool released;           /* the worker was told that it may forget us */
	unsigned release_tries;
	bool gone; /* said so by media: there is no context */
	char from[257], from_name[129], to[257];
	struct gw_call_info *info; /* of A, until B is called; may be NULL */
	bool privacy;
	bool emergency;                     /* to is the URN of the service */
	char registration[GW_CALL_ID_SIZE]; /* of the caller or the callee */
	char charging_id[GW_CHARGING_ID_SIZE];

	/* What B said, valid inside the effect that handles it. */
	const struct gw_msg *said;

	uint64_t began_us, answered_us, ended_us;
	int64_t began_wall_s;
	char codec[16];
	uint8_t audio; /* the m-line that codec and stats are of */
	char video[GW_MAX_STREAMS][16]; /* codecs of the others, "" none */
	struct gw_stream_stats stats[GW_NTERMS];           /* the latest */
	struct gw_stream_stats (*carried)[GW_MAX_STREAMS]; /* of parties that
				left; [GW_NTERMS], NULL: none did */
	struct gw_quality quality;
};

/* ---- gateway/call_text.c: descriptions, read and printed ---- */

static inline bool call_is_web(const struct side *s)
{
	return s->profile == GW_PROFILE_WEB;
}

static inline struct side *call_other(struct gw_call *call,
				      const struct side *s)
{
	return s == &call->a ? &call->b : &call->a;
}

/*
 * Reads what @s' peer described.  0, or -EINVAL with @cause telling the peer
 * what is wrong: 400 with the line, or 488.
 */
int gw_call_read(struct gw_call *call, struct side *s,
		 const struct gw_desc *desc, struct gw_sess *out,
		 struct gw_cause *cause);
/* Reads back one of our kept texts; they were read or printed before. */
void gw_call_reread(const struct side *s, const char *text,
		    struct gw_sess *out);

/*
 * Adds @s' own transport to @content and prints it for @s' profile.  @offer is
 * the peer's offer that this answers, NULL when we offer.  NULL: no memory.
 */
char *gw_call_print(struct gw_call *call, struct side *s,
		    struct gw_sess *content, const struct gw_sess *offer);

/* The session that the gateway offers when it has to begin: audio, and video
 * where calls.gateway_offer says so. */
int gw_call_default_offer(struct gw_call *call, struct gw_sess *out);

/* Takes @text over into @slot. */
void gw_call_keep(char **slot, char *text);
/* A copy that is the caller's; NULL: no text, or no memory. */
char *gw_call_dup(const struct gw_desc *desc);

/* ---- gateway/call_desc.c: descriptions, in media's terms ---- */

/* Is what @remote describes of the IP version that @s' sockets have? */
bool gw_call_reachable(const struct side *s, const struct gw_sess *remote);
/* Has the gateway an address of the version that a SIP @offer is of? */
bool gw_call_speaks(struct gw_call *call, const struct gw_sess *offer);
/* What the writer of a description takes of video: not more than the operator
 * allows, and never left open (0), since it fills any line.  Bit/s. */
uint32_t gw_call_video_bps(const struct gw_call *call, uint32_t asked_bps);
/* Has media made the m-line @i at @s' termination? */
bool gw_call_is_reserved(const struct side *s, unsigned i);
/* Post a command; failures of the mailbox are -EAGAIN.  @like NULL: for what
 * the gateway offers by itself. */
int gw_call_reserve(struct gw_call *call, struct side *s,
		    const struct gw_sess *like, bool offerer);
/* Has @offer m-lines that media has not made at @s' termination? */
bool gw_call_lacks_streams(const struct side *s, const struct gw_sess *offer);
int gw_call_restart(struct gw_call *call, struct side *s);
/* @s' peer shall send a key frame of each of its pictures. */
int gw_call_keyframe(struct gw_call *call, struct side *s);
int gw_call_configure(struct gw_call *call, struct side *s,
		      const struct gw_sess *local,
		      const struct gw_sess *remote);
/* The spare termination takes the place of @out's: TAKEN comes with *@serial. */
int gw_call_take_spare(struct gw_call *call, struct side *out,
		       uint32_t *serial);
int gw_call_drop_spare(struct gw_call *call);
/* An echo has no descriptions of its own: it takes the other side's. */
int gw_call_configure_resource(struct gw_call *call, struct side *s,
			       const struct gw_sess *other_local,
			       const struct gw_sess *other_remote);
enum gw_gate gw_call_gate_of(const struct gw_sess *local,
			     const struct gw_sess *remote, unsigned stream);
/* Does who wrote @said not listen?  The first m-line of audio tells. */
bool gw_call_holds(const struct gw_sess *said);
/* Gates of all streams as the two descriptions allow, and @mask too. */
void gw_call_set_gates(struct gw_call *call, struct side *s,
		       const struct gw_sess *local,
		       const struct gw_sess *remote, enum gw_gate mask);

/* ---- gateway/call_setup.c: what the machine's effects do ---- */

int gw_call_ask(struct gw_call *call);
int gw_call_call(struct gw_call *call);
int gw_call_progress(struct gw_call *call);
int gw_call_connect(struct gw_call *call);
int gw_call_open(struct gw_call *call);
int gw_call_finish(struct gw_call *call);
/* A's answer to what gw_call_ask() offered; 0, or -errno with the cause set. */
int gw_call_asked(struct gw_call *call, const struct gw_msg *msg);

/* Ends the call, unless it is ending: released by "a", "b" or "gateway".  May
 * free it. */
void gw_call_end(struct gw_call *call, const char *by, uint16_t status,
		 const char *text);
/* @s' description cannot be used: 400 or 488 with @text for it; 502 or
 * 488 without for the other side.  -EPROTO. */
int gw_call_blame(struct gw_call *call, struct side *s, uint16_t status,
		  const char *text);
/* Remember why the call ends, unless a reason is known; returns -EPROTO, for
 * effects that fail. */
int gw_call_because(struct gw_call *call, uint16_t status, const char *text);

/* 0, or not told: logged. */
void gw_call_say(struct gw_call *call, const struct side *s,
		 const struct gw_msg *msg);
/* Does @desc answer @offer_text of @s?  0 and *@answer, else the cause set. */
int gw_call_fits(struct gw_call *call, struct side *s, const char *offer_text,
		 const struct gw_desc *desc, struct gw_sess *answer);
/* A's offer answered with what B (@theirs; NULL: a resource) accepted; sets
 * A's local and remote. */
int gw_call_answer_a(struct gw_call *call, const struct gw_sess *theirs,
		     bool early);
/* Both sides are described: media through, as far as the masks. */
void gw_call_open_gates(struct gw_call *call, enum gw_gate a_mask,
			enum gw_gate b_mask);

/* ---- gateway/call_early.c ---- */

struct early *gw_call_early_find(struct gw_call *call, uint32_t branch);
/* What @e describes is what B as a whole is described by: media follows. */
int gw_call_early_adopt(struct gw_call *call, const struct early *e,
			struct gw_sess *answer);
/* @s' peer offers before the call is answered. */
void gw_call_early_offer(struct gw_call *call, struct side *s,
			 const struct gw_msg *msg);
void gw_call_early_fini(struct gw_call *call);
/* A has answered what an early dialog of B offered.  May end the call. */
void gw_call_early_answered(struct gw_call *call, const struct gw_msg *msg);
/* Offers to A what @theirs, an offer of B, has. */
int gw_call_ask_for(struct gw_call *call, const struct gw_sess *theirs);
/* Our description in @e, in its own count of versions; as gw_call_print(). */
char *gw_call_early_print(struct gw_call *call, struct side *s, struct early *e,
			  struct gw_sess *content, const struct gw_sess *offer);
/* Takes both texts over, and lets media follow where it is heard. */
void gw_call_early_commit(struct gw_call *call, struct side *s, struct early *e,
			  char *local, char *remote);
/* The early dialog of B that A hears; NULL: none. */
const struct early *gw_call_early_heard(const struct gw_call *call);
/* What an early dialog did wrong does not end the call. */
void gw_call_early_forgive(struct gw_call *call);

/* ---- gateway/call_qos.c ---- */

/* SETUP of a core: 0, or the cause is set. */
int gw_call_qos_setup(struct gw_call *call, const struct gw_msg *setup);
int gw_call_prepare(struct gw_call *call);
/* PREPARING: makes of A's @offer what B may take of it.  0 or -ENOENT. */
int gw_call_qos_guess(const struct gw_call *call, struct gw_sess *offer);
void gw_call_qos_failed(struct gw_call *call);
/* B is offered no codec that A's early answer has left out. */
void gw_call_qos_restrict(const struct gw_call *call, struct gw_sess *offer);
/* Before B is offered to: what its INVITE says. */
void gw_call_qos_invite(struct gw_call *call);
/* @ours follows what @desc of the peer says.  0, or -EINVAL: it wants what
 * nobody can meet (580), and ours stays as it was. */
int gw_call_qos_read(struct gw_precondition *ours, const struct gw_desc *desc);
/* PROGRESS of @e (NULL: of none that is described), @fresh: with an answer that
 * was taken.  True: it waits no more, or does now. */
bool gw_call_qos_progress(struct gw_call *call, struct early *e, bool fresh);
/* @e brings the first offer.  0, or -EINVAL as above. */
int gw_call_qos_asked(struct gw_call *call, struct early *e,
		      const struct gw_desc *desc);
/* @e's status has changed, before its gates are set. */
void gw_call_qos_settle(struct gw_call *call, struct early *e);
/* @e has an answer: ours is confirmed, if that is due. */
void gw_call_qos_answered(struct gw_call *call, struct early *e,
			  const struct gw_desc *desc);
/* An early offer of @s was answered.  May move the call. */
void gw_call_qos_offered(struct gw_call *call, struct side *s);
/* ACCEPT and REFUSE to what we offered in an early dialog. */
void gw_call_qos_accepted(struct gw_call *call, const struct gw_msg *msg);
void gw_call_qos_refused(struct gw_call *call, const struct gw_msg *msg);
void gw_call_qos_init(struct gw_call *call);
/* Is the operator for preconditions? */
bool gw_call_qos_wanted(const struct gw_call *call);

/* ---- gateway/call_qos_update.c: preconditions in mid-call ---- */

/* The call is up: what is in use has its resources. */
void gw_call_qos_up(struct side *s);
/* x's @offer: which of its m-lines wait, and which of them y shall not hear
 * of.  0, or -1: one of them wants what nobody can meet (580). */
int gw_call_qos_judge(struct gw_call *call, const struct gw_sess *offer);
/* What y is offered has not what it shall not hear of; what x is answered has
 * it, as if y had taken it. */
void gw_call_qos_hold_back(const struct update *u, struct gw_sess *fwd);
void gw_call_qos_stand_in(const struct update *u, const struct gw_sess *offer,
			  struct gw_sess *theirs);
/* Our answer @text to @x's @offer with what that wants to know; takes @text,
 * NULL: no memory. */
char *gw_call_qos_answer(const struct gw_call *call, const struct side *x,
			 const char *offer, char *text);
/* x is told so, and the session stays as it was. */
void gw_call_qos_suspended(struct gw_call *call);
void gw_call_qos_resumed(struct gw_call *call);
/* Before @x's gates are set: these m-lines wait. */
void gw_call_qos_shut(struct gw_call *call, struct side *x, uint32_t waits);
/* @s' peer has answered an offer of ours: what does not wait any more? */
void gw_call_qos_told(struct gw_call *call, struct side *s);
/* sip.precondition_timeout_s: what still waits is taken back. */
void gw_call_qos_overdue(struct gw_call *call);

/* ---- gateway/call_media.c ---- */

/* INFO for @to, also when the one who called hears an early dialog already.
 * 0, or -errno: there is nobody who could take it. */
int gw_call_inform(struct gw_call *call, struct side *to, struct gw_msg *msg);
/* The call is up: browsers have a while to find a path to us. */
void gw_call_expect_media(struct gw_call *call);
/* Who is missed may be somebody else now, or nobody. */
void gw_call_watch_lost(struct gw_call *call);
/* What media made for @s, in place of what was said before; -ENOMEM: that
 * stays. */
int gw_call_keep_end(struct side *s, const struct gw_end *from);
/* @ev (TAKEN) tells what counters of a termination that is gone had. */
void gw_call_carry_stats(struct gw_call *call, const struct gw_media_event *ev);
void gw_call_media_init(struct gw_call *call);

/* ---- gateway/call_video.c: key frames by SIP INFO, figures ---- */

/* Does @msg (INFO) ask for a key frame?  Then the other side was asked. */
bool gw_call_video_info(struct gw_call *call, struct side *s,
			const struct gw_msg *msg);
/* Media wants one of @s' peer, which knows no RTCP feedback. */
void gw_call_video_ask(struct gw_call *call, struct side *s);
/* Counters of the whole call, @now's, become the quality of its video. */
void gw_call_video_take(
	struct gw_call *call,
	const struct gw_stream_stats now[GW_NTERMS][GW_MAX_STREAMS]);
/* What the client at @s says that it shows of each. */
void gw_call_video_report(struct gw_call *call, struct side *s,
			  const struct gw_msg *msg);

/* ---- gateway/call_compare.c: the two sides laid side by side ---- */

static inline bool call_live(const struct gw_sess *s, unsigned i)
{
	return i < s->nstream && !s->stream[i].refused;
}

/* The codec that a peer will send on stream @i: its first that both
 * descriptions of the leg have. */
const struct gw_sess_codec *gw_call_agreed(const struct gw_sess *local,
					   const struct gw_sess *remote,
					   unsigned i);
/*
 * gw_sess_relay_offer() towards @to: a browser is offered what browsers have.
 * 0, or -ENOENT when nothing is left to offer (488).
 */
int gw_call_relay_offer(const struct side *to, struct gw_sess *out,
			const struct gw_sess *from,
			const struct gw_sess *previous);
/* For the record: what A's audio is in now. */
void gw_call_note_codec(struct gw_call *call);
/* Would @s' peer send what the other side cannot take? */
bool gw_call_too_wide(struct gw_call *call, struct side *s);
/* Does @s' peer believe in media that the other side has not agreed to?  So it
 * is where it was answered before that one was heard. */
bool gw_call_is_misled(struct gw_call *call, struct side *s);
/* What @s' peer would say if it were free to: an answer was cut by our offer,
 * so that who is held does not look like somebody who holds. */
void gw_call_wish(const struct side *s, struct gw_sess *out);

/* ---- gateway/call_transfer.c: another party in place of one ---- */

/* X's peer asks for it.  May free the call. */
void gw_call_transfer(struct gw_call *call, struct side *x,
		      const struct gw_msg *msg);
bool gw_call_transferring(const struct gw_call *call);
/* @s' leg has gone while another party is called in its place: no end yet. */
bool gw_call_transfer_waits(struct gw_call *call, const struct side *s);
void gw_call_transfer_fini(struct gw_call *call);
/* True: @ev was for us, or is of a termination that is no more; else *@s is the
 * side that it is of. */
bool gw_call_transfer_event(struct gw_call *call,
			    const struct gw_media_event *ev, struct side **s);
/* call_newcomer.c: the termination that waits for the new party, if any. */
void gw_call_spare_drop(struct gw_call *call);
/* The identity of @s' party of now; "": not known. */
const char *gw_call_who(const struct gw_call *call, const struct side *s);
/* May only the trust domain hear it (RFC 3325 7)? */
bool gw_call_withheld(const struct gw_call *call, const struct side *s);
/* gateway/call.c: @s->leg is the call's from now. */
void gw_call_take_leg(struct gw_call *call, struct side *s);
/* gateway/call_route.c: B's leg; 0, or -errno with the cause set. */
int gw_call_find_b(struct gw_call *call);
/* A leg to @target, nobody's yet.  @registration, or NULL: the one that the
 * core calls through. */
int gw_call_make_leg(struct gw_call *call, struct gw_leg **out,
		     enum gw_route_leg kind, const char *target,
		     const char *registration);
/* All but the leg. */
void gw_call_side_fini(struct side *s);

/* ---- gateway/call_update.c: offers within the session ---- */

/* X's peer sent OFFER, ACCEPT or REFUSE while the call is up. */
void gw_call_update_offer(struct gw_call *call, struct side *x,
			  const struct gw_msg *msg);
void gw_call_update_accept(struct gw_call *call, struct side *s,
			   const struct gw_msg *msg);
void gw_call_update_refuse(struct gw_call *call, struct side *s,
			   const struct gw_msg *msg);
/* Media has new ICE credentials, or further m-lines, for @s. */
void gw_call_update_reserved(struct gw_call *call, struct side *s);
/* It has not.  False: nobody waits for that here. */
bool gw_call_update_not_reserved(struct gw_call *call);
void gw_call_update_fini(struct gw_call *call);

/* ---- gateway/call_update_own.c: our own offers within the session ---- */

/* When both sides are described: does the browser's codec suit the other?  If
 * not, offer it fewer. */
void gw_call_update_narrow(struct gw_call *call);
/* Offers @s on our own account what the other side has now. */
void gw_call_offer_again(struct gw_call *call, struct side *s);
/* @s has another party, which was offered what holds: none is owed to it. */
void gw_call_update_left(struct gw_call *call, struct side *s);
void gw_call_update_init(struct gw_call *call);

#endif
