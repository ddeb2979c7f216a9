/*
 * sip/dialog.h - NTA's legs and transactions as the sessions want them
 *
 * dialog*.c, stack*.c, message.c and regn_nta.c are the only files that call
 * NTA.  What they keep, so that nobody else must think of it:
 * - NTA carries a session's id; one that no longer resolves is dropped.
 * - An ACK always names the branch of its INVITE (NTA aborts on an ACK without
 *   a known INVITE), and is sent before that INVITE is destroyed.
 * - Forks are destroyed before the original, transactions before legs.  One
 *   that has no final response is left instead (dialog_orphan.c): NTA drops a
 *   2xx to one that is destroyed.
 * - The 2xx recomputes the route set of its dialog.
 * - Credentials of an INVITE are repeated in its ACK.
 * - Nothing but a final failure is sent behind a reliable response that is not
 *   acknowledged (session_early.c): NTA forgets to repeat it, lets a 2xx out
 *   too early, and aborts when its timer finds the transaction elsewhere.
 *
 * Signalling thread only.  An int that is returned is 0 or -ENOMEM.
 */
#ifndef GW_SIP_DIALOG_H
#define GW_SIP_DIALOG_H

#include "sip/session.h"

struct gw_dialog_msg {
	const char *headers;      /* "Name: value\r\n" lines, or NULL */
	const char *content_type; /* NULL: application/sdp */
	const void *body;
	size_t len;
};

/* UAC: the leg without To tag, from s->from and s->to.  0 or -ENOMEM. */
int gw_dialog_open(struct gw_session *s);
/* UAC: s->invite from what the session keeps. */
int gw_dialog_invite(struct gw_session *s);
/* UAC: the branch that this response belongs to, made when new; a 2xx that may
 * answer the call has a place beside the early dialogs.  NULL: no To tag, too
 * many, or no memory. */
struct gw_branch *gw_dialog_branch(struct gw_session *s, nta_outgoing_t *orq,
				   const sip_t *response);
/* UAC: the same of a BYE that came before any response. */
struct gw_branch *gw_dialog_branch_of_bye(struct gw_session *s,
					  const sip_t *bye);
/* UAC: its 2xx: route set and target for good. */
void gw_dialog_confirm(struct gw_branch *b, const sip_t *response);
/* ACK to the 2xx of the initial INVITE, and a BYE at once for a late one. */
int gw_dialog_ack(struct gw_session *s, struct gw_branch *b,
		  const struct gw_dialog_msg *m);
void gw_dialog_ack_bye(struct gw_session *s, struct gw_branch *b);
/* One more 2xx after another branch's, or after CANCEL. */
void gw_dialog_count_late(void);
/* A 2xx to @orq that no branch takes: ACK and BYE, of no session. */
void gw_dialog_refuse_answer(struct gw_session *s, nta_outgoing_t *orq,
			     const sip_t *response);
/* Had this request credentials? */
bool gw_dialog_authorized(nta_outgoing_t *orq);
/* CANCEL; false when there is nothing left to cancel. */
bool gw_dialog_cancel(nta_outgoing_t *invite, const char *headers);

/* Has nobody answered @orq yet, not even with 100? */
bool gw_dialog_unheard(nta_outgoing_t *orq);

/* UAS: leg and tag for an INVITE; s->dialog and s->inv_irq. */
int gw_dialog_accept(struct gw_session *s, nta_incoming_t *irq,
		     const sip_t *request);

/* A request inside s->dialog.  The handle for gw_dialog_drop(); with
 * @forget none is kept and the answer is not reported.  NULL on failure. */
nta_outgoing_t *gw_dialog_request(struct gw_session *s, sip_method_t method,
				  const struct gw_dialog_msg *m, bool forget);
/* The same in an early dialog of the initial INVITE. */
nta_outgoing_t *gw_dialog_request_in(struct gw_session *s, nta_leg_t *leg,
				     sip_method_t method,
				     const struct gw_dialog_msg *m);
/* What @orq, which was challenged, asked for: once more in @leg, with what is
 * known of the challenge.  NULL on failure. */
nta_outgoing_t *gw_dialog_again(struct gw_session *s, nta_leg_t *leg,
				nta_outgoing_t *orq);
/* PRACK for the response b->rseq to our INVITE, noted in @b; @sdp: the answer
 * to its offer, or NULL. */
int gw_dialog_prack(struct gw_session *s, struct gw_branch *b, const void *sdp,
		    size_t len);
/* The reliable response @b->rseq has come: NTA drops its repetitions. */
void gw_dialog_saw_rseq(struct gw_branch *b);
/* ACK to the 2xx of a re-INVITE. */
int gw_dialog_ack_re(struct gw_session *s, nta_outgoing_t *re_invite,
		     const struct gw_dialog_msg *m);

/* A response.  Final ones leave @irq with NTA unless @keep (ACK awaited). */
int gw_dialog_reply(struct gw_session *s, nta_incoming_t *irq, int status,
		    const struct gw_dialog_msg *m, bool keep);
/* The same when NTA has given the INVITE up, from its own callback, in which it
 * would destroy it with all repetitions of the response: it lives until ACK. */
void gw_dialog_reply_given_up(struct gw_session *s, nta_incoming_t *irq,
			      int status);
/* A reliable provisional response to the initial INVITE; its PRACK goes to
 * gw_session_on_prack().  NULL on failure. */
nta_reliable_t *gw_dialog_reply_reliably(struct gw_session *s,
					 nta_incoming_t *irq, int status,
					 const struct gw_dialog_msg *m);
/* ACK and CANCEL of a re-INVITE are reported from now. */
void gw_dialog_watch(struct gw_session *s, nta_incoming_t *irq);

/* Target refresh by a peer's request or 2xx (RFC 3261 12.2). */
void gw_dialog_refresh(struct gw_session *s, nta_leg_t *leg, bool from_request,
		       const sip_t *message);
/* The same by the request of @irq, in s->dialog, when it has been accepted. */
void gw_dialog_refresh_by(struct gw_session *s, nta_incoming_t *irq);

/* The session of the dialog that @replaces names, NULL: none (RFC 3891 3). */
struct gw_session *gw_dialog_find(struct gw_sip *sip,
				  const sip_replaces_t *replaces);

/* Nothing more is reported about it; what NTA owes goes on. */
void gw_dialog_drop(nta_outgoing_t **orq);
void gw_dialog_drop_incoming(nta_incoming_t **irq);
void gw_dialog_drop_branch(struct gw_session *s, struct gw_branch *b);
/* All that the session holds, in the order that NTA needs. */
void gw_dialog_drop_all(struct gw_session *s);
/* What sessions have left to itself: at the end of @sip. */
void gw_dialog_forget_left(struct gw_sip *sip);

#endif
