/*
 * gateway/leg.h - one offer/answer dialogue with one peer, whatever its protocol
 *
 * A call joins two legs and knows them only by this page; a leg knows its own
 * peer and this page.  Both directions speak the same few verbs: what one
 * leg reports, the call performs on the other, after media and sdp have had
 * their say.  So a verb added here is at once thinkable on every kind of leg.
 *
 *            RESPECT                  SIP                       RFC 3264
 * SETUP      msetup request           INVITE                    may carry an offer
 * PROGRESS   state alerting, early    18x                       may carry an answer
 * ANSWER     state connected          200 to INVITE             answer, or the offer of a late-offer call
 * OFFER      mupdate request          re-INVITE, UPDATE, PRACK  offer inside the session
 * ACCEPT     mupdate with sdpAnswer   its 200, or ACK           answer to OFFER, or to an offer in ANSWER
 * REFUSE     problemDetails           488, 491, 504 ...         OFFER failed, nothing changes
 * INFO       userData                 INFO                      DTMF
 * TRANSFER   mupdate with resourceId  REFER, and its NOTIFYs    another party in place of one
 * REPORT     quality.isthmus          -                         what the peer counts
 * RELEASE    mdisc, failed response   BYE, CANCEL, 3xx-6xx      the end, from any state, exactly once
 *
 * Rules both sides keep:
 * - A leg never calls its handler from inside send() or a constructor.
 * - Descriptions are opaque here: text in, text out.
 * - INFO before ANSWER names the early dialog that is heard.
 * - An OFFER is answered by exactly one ACCEPT or REFUSE, unless RELEASE comes
 *   first.  An OFFER without a description is a late offer within the session
 *   (re-INVITE without SDP): its ACCEPT carries our *offer* (role OFFER), and
 *   the peer's answer comes back as a further ACCEPT (role ANSWER; the ACK).
 * - ANSWER with role OFFER (late-offer call): the receiver sends ACCEPT with
 *   the answer.  send(ANSWER, role OFFER) on an originating leg: its peer's
 *   answer comes back as ACCEPT.
 * - TRANSFER from a leg asks (target; stays: the other party is replaced, else
 *   the asking one; replaces; joins: the new party is whom that leg talks to,
 *   which goes too).  TRANSFER to a leg tells what became of it by
 *   cause.status: below 200 it goes on, 200 done, else failed and all is as
 *   before; the first comes at once, from inside the handler.  Who did not ask
 *   is told only that it is done.  TRANSFER from a leg with cause.status 200,
 *   which only a link says: its peer is another one from now.
 * - REPORT only comes from a leg; what is known of the session's quality is
 *   written to its quality, as a JSON object, before the handler returns.
 * - SETUP with instead_of is of a caller who takes the place of that leg.
 * - OFFER may be sent to an originating RESPECT leg before ANSWER (no
 *   pre-offer, or a pre-offer replaced), and to any whose SETUP said may_ask.
 * - Early dialogs: a branch whose PROGRESS was firm may send OFFER, and be sent
 *   OFFER, before ANSWER; so may the leg that called once a firm answer is
 *   out.  OFFER, ACCEPT and REFUSE then name the branch.
 *
 * Signalling thread only.
 */
#ifndef GW_LEG_H
#define GW_LEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/call_info.h"

struct gw_leg;

enum gw_verb {
	GW_V_SETUP,
	GW_V_PROGRESS,
	GW_V_ANSWER,
	GW_V_OFFER,
	GW_V_ACCEPT,
	GW_V_REFUSE,
	GW_V_INFO,
	GW_V_TRANSFER,
	GW_V_REPORT,
	GW_V_RELEASE,
	GW_NVERBS
};

/* What a description is in the offer/answer exchange, not where it travels. */
enum gw_desc_role {
	GW_DESC_NONE,
	GW_DESC_PRE_OFFER, /* RESPECT: an offer that we may replace by our own */
	GW_DESC_OFFER,
	GW_DESC_ANSWER,
	GW_DESC_EARLY_ANSWER /* another answer may follow (other fork, 200) */
};

struct gw_desc {
	enum gw_desc_role role;
	const char *text; /* SDP, not NUL-terminated; valid during the call */
	size_t len;
};

/* Which kind of description the leg's peer speaks; the call picks the sdp
 * builder by it. */
enum gw_profile {
	GW_PROFILE_WEB,     /* ICE, DTLS-SRTP, BUNDLE, rtcp-mux (JSEP) */
	GW_PROFILE_CORE,    /* RTP/AVP, one port pair an m-line (IMS) */
	GW_PROFILE_RESOURCE /* no peer description: the gateway is the end */
};

/* Why something ended or failed.  SIP numbers, because every side maps to
 * them. */
struct gw_cause {
	uint16_t status;        /* 200 = normal end, else 300..699 */
	uint16_t retry_after_s; /* 0 = not said */
	const char *text;       /* for logs, problemDetails.detail, Warning and
				   Reason; NULL: the status' usual phrase */
	bool elsewhere;         /* answered by another endpoint (RFC 3326) */
	bool emergency;         /* who needs help has to call another way */
	bool sip;               /* the peer said so in SIP; else we did */
};

struct gw_party {
	const char *uri;     /* sip: or tel:, NULL where withheld (Privacy) */
	const char *display; /* may be NULL */
};

/* What a peer counts of the session since it began. */
#define GW_LEG_UNKNOWN UINT32_MAX
struct gw_leg_report {
	uint32_t packets_sent, packets_received, packets_lost;
	uint32_t jitter_ms, round_trip_ms, buffer_ms; /* of now */
};

/* And of the pictures of one m-line. */
#define GW_LEG_MID_SIZE 33
struct gw_leg_video {
	char mid[GW_LEG_MID_SIZE];    /* as in its own descriptions */
	struct gw_leg_report packets; /* no buffer_ms */
	/* what it shows: since the session began, and now */
	uint32_t decoded, dropped, key_frames, freezes, frozen_ms;
	uint32_t width, height, fps;
	/* what it sends, now */
	uint32_t sent_width, sent_height, sent_fps;
};

struct gw_buf;

enum gw_alert {
	GW_ALERT_NO,
	GW_ALERT_RINGING,
	GW_ALERT_FORWARDED, /* 181 */
	GW_ALERT_QUEUED,    /* 182 */
	GW_ALERT_ENDED,     /* 199: of this branch nothing more will come */
};

struct gw_msg {
	enum gw_verb verb;
	uint32_t
		branch; /* early dialog of a forked SETUP; 0 where there is one */
	struct gw_desc desc;
	struct gw_party asserted; /* who the network says is there */
	struct gw_party target;   /* SETUP, TRANSFER: whom */
	/* SETUP, TRANSFER: the dialog that shall be replaced there (RFC 3891),
	 * as the header has it; NULL: none */
	const char *replaces;
	bool stays;           /* TRANSFER: the peer does, the other goes */
	struct gw_leg *joins; /* TRANSFER: a leg of another call, or NULL */
	/* SETUP, TRANSFER: who sends the caller there (RFC 3892); NULL: nobody,
	 * or one that shall not be named */
	const char *referred_by;
	struct gw_leg *instead_of; /* SETUP: NULL, but for Replaces */
	/* SETUP: the key of a registration in the core (gateway/
	 * registration.h): the one that was called, or through which to call.
	 * NULL: none. */
	const char *registration;
	/* SETUP: the target is a service URN (RFC 5031), and the call is not
	 * counted, barred or refused for anything but what it cannot do
	 * without. */
	bool emergency;
	/* SETUP, PROGRESS: what else is said of the call; NULL: nothing. */
	const struct gw_call_info *call_info;
	bool privacy;        /* SETUP: asserted is for the trust domain only */
	enum gw_alert alert; /* PROGRESS */
	bool early_media; /* PROGRESS: authorised (RFC 5009), not just there */
	bool no_early_media; /* PROGRESS: and not any more */
	bool early_both;     /* PROGRESS: authorised in both directions */
	/* PROGRESS: m-lines, a bit each from 0, that are not meant by that: not
	 * to be heard, and not to hear. */
	uint32_t early_mute, early_deaf;
	/* PROGRESS: its answer is the one of this branch (RFC 3262 5): an
	 * ANSWER of it brings none, and offers may follow. */
	bool firm;
	/* SETUP without description: OFFER may be sent at once, and is
	 * answered before anybody rings (RFC 3262: in a 18x and its PRACK). */
	bool may_ask;
	bool reliable; /* SETUP: an early answer can be made firm; OFFER within
			  the session: ACCEPT may say that it waits */
	/* ACCEPT: the session stays as it was until a further OFFER of the peer
	 * is accepted, which says that it waited (RFC 3312 6); where none comes
	 * nothing is told, for nothing has changed. */
	bool waits;
	/* PROGRESS, OFFER before ANSWER: the description has preconditions
	 * (RFC 3312). */
	bool conditions;
	bool held; /* OFFER, ACCEPT, ANSWER: the other party does not
				     listen; for a state shown to people */
	struct gw_cause cause; /* REFUSE, RELEASE, TRANSFER to a leg */
	const struct gw_leg_report *report; /* REPORT */
	const struct gw_leg_video *video;   /* REPORT: @nvideo of them */
	unsigned nvideo;
	struct gw_buf *quality;   /* REPORT: the answer */
	const char *content_type; /* INFO */
	const void *content;
	size_t content_len;
};

/*
 * The leg's peer did @msg.  After GW_V_RELEASE the leg says nothing more; the
 * receiver then frees it (also legal from inside this handler).  @leg may be
 * gone on return.
 */
typedef void(gw_leg_h)(struct gw_leg *leg, const struct gw_msg *msg, void *arg);

/* What each kind of leg implements: webrtc/respect_leg.c, sip/ims_leg.c ... */
struct gw_leg_ops {
	const char *kind; /* "respect", "ims", "echo": for logs and metrics */
	enum gw_profile profile;

	/*
	 * Tell the peer @msg.  0, or -EPROTO when the dialogue's state has no
	 * place for it (the caller's table is wrong), -EAGAIN on glare (an
	 * offer of the peer is pending, or our last one was refused with 491
	 * and its timer runs), -ENOMEM.  Whatever the peer replies comes back
	 * through the handler, never from inside this call.
	 * RELEASE is always accepted; after it the leg is only to be freed.
	 */
	int (*send)(struct gw_leg *leg, const struct gw_msg *msg);

	/* Releases first (cause 200, or 503 before an answer) if the peer still
	 * believes in the session.  What its protocol still owes the peer
	 * (retransmissions, the BYE's answer) goes on without the leg. */
	void (*free)(struct gw_leg *leg);
};

#define GW_CALL_ID_SIZE     24
#define GW_CHARGING_ID_SIZE 72

struct gw_leg {
	const struct gw_leg_ops *ops;
	gw_leg_h *handler;
	void *arg;
	char call_id[GW_CALL_ID_SIZE]; /* of the call that holds it; set by the
					  call, used in every log line */
	/* What the network's charging knows the call by (P-Charging-Vector,
	 * icid-value); set by the leg, "" where there is none. */
	char charging_id[GW_CHARGING_ID_SIZE];
};

static inline int gw_leg_send(struct gw_leg *leg, const struct gw_msg *msg)
{
	return leg->ops->send(leg, msg);
}

static inline void gw_leg_free(struct gw_leg *leg)
{
	if (leg)
		leg->ops->free(leg);
}

/*
 * A front end met a new peer that wants a call.  @setup has verb SETUP.  The
 * receiver takes the leg: sets handler, arg and call_id, and answers it in
 * time by send().  To refuse it at once: send RELEASE, free.
 */
typedef void(gw_leg_incoming_h)(struct gw_leg *leg, const struct gw_msg *setup,
				void *arg);

#endif
