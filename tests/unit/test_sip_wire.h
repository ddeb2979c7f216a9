/*
 * The wire under a SIP session, for tests of sip/session*.c: a fake
 * sip/dialog.h that keeps what the peer knows and judges each message as it is
 * sent (RFC 3261 13-15, RFC 3262 3-5, RFC 3264 4, RFC 3311 5).
 *
 * A caller of ours has two forks; of what the peer calls there is one dialog.
 * One test binary includes it.
 */
#ifndef TEST_SIP_WIRE_H
#define TEST_SIP_WIRE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sofia-sip/msg.h>
#include <sofia-sip/sip_header.h>

#include "gateway/base/loop.h"
#include "sip/dialog.h"
#include "sip/regn.h"
#include "tests/unit/cm.h"

/* ---- the wire ---- */

#define FORKS 2

struct irq { /* of the peer */
	sip_method_t method;
	unsigned dialog;
	bool offer;   /* it has one, which counts in the dialog */
	bool extra;   /* it has one that it must not have */
	bool initial; /* INVITE */
	bool waits;   /* a re-INVITE, its offer was answered in a 183 */
	int final;
	bool acked, dropped;
};

struct orq { /* of ours */
	sip_method_t method;
	unsigned dialog;
	bool offer, initial, cancelled;
	bool seen; /* PRACK: the peer has sent what it may not before */
	int final;
	bool acked, dropped;
};

static struct irq irqs[64];
static struct orq orqs[64];
static char rels[16], legs[FORKS];
static unsigned nirq, norq, nrel;

static struct wire {
	struct {
		bool ours, theirs; /* offers that wait */
		bool done;         /* the first exchange is complete */
		bool unpracked;    /* the peer's reliable response */
		unsigned rseq;
		bool acked; /* we did its 2xx */
		bool asks;  /* ... and it offers: our PRACK answers */
	} dialog[FORKS];
	nta_reliable_t *rel; /* ours, not acknowledged */
	struct irq *rel_irq; /* of this INVITE */
	bool rel_sdp;
	bool bye; /* either side's */
	bool given_up;
} wire;

static bool uas;
static const void *ref;
static struct gw_sip sip;
static struct gw_settings set;
static struct gw_leg *leg;
static unsigned fork_now; /* whose message is being delivered */
static char path[128];

/* what the call knows */
static bool call_owes, call_offered, call_may_wait;
static bool call_asked[FORKS];

#define ILLEGAL(what) fail_msg("%s:%s", what, path)

static unsigned of_leg(const nta_leg_t *l)
{
	return (unsigned)((const char *)l - legs);
}

static nta_leg_t *leg_of(unsigned dialog)
{
	return (nta_leg_t *)(void *)&legs[dialog];
}

static struct gw_session *session(void)
{
	return gw_session_find(ref);
}

static struct orq *open_orq(sip_method_t method)
{
	for (unsigned i = norq; i-- > 0;) {
		if (orqs[i].method == method && !orqs[i].final &&
		    !orqs[i].initial && !orqs[i].dropped)
			return &orqs[i];
	}
	return NULL;
}

static struct irq *open_irq(sip_method_t method)
{
	for (unsigned i = nirq; i-- > 0;) {
		if (irqs[i].method == method && !irqs[i].final)
			return &irqs[i];
	}
	return NULL;
}

/* Its 2xx waits for the ACK. */
static struct irq *unacked(void)
{
	for (unsigned i = nirq; i-- > 0;) {
		struct irq *q = &irqs[i];

		if (q->method == sip_method_invite && q->final >= 200 &&
		    q->final < 300 && !q->acked)
			return q;
	}
	return NULL;
}

/* ---- sip/dialog.h ---- */

int gw_dialog_open(struct gw_session *s)
{
	s->caller = (nta_leg_t *)(void *)&sip;
	return 0;
}

static nta_outgoing_t *orq_new(sip_method_t method, unsigned dialog, bool offer)
{
	assert_true(norq < 64);
	orqs[norq] = (struct orq){ .method = method,
				   .dialog = dialog,
				   .offer = offer };
	return (nta_outgoing_t *)(void *)&orqs[norq++];
}

int gw_dialog_invite(struct gw_session *s)
{
	s->invite = orq_new(sip_method_invite, 0, s->sdp.data != NULL);
	orqs[norq - 1].initial = true;
	for (unsigned i = 0; i < FORKS; i++)
		wire.dialog[i].ours = s->sdp.data != NULL;
	return 0;
}

struct gw_branch *gw_dialog_branch(struct gw_session *s, nta_outgoing_t *orq,
				   const sip_t *response)
{
	(void)orq;
	(void)response;
	for (unsigned i = 0; i < s->nbranch; i++) {
		if (s->branch[i].leg == leg_of(fork_now))
			return &s->branch[i];
	}
	if (!s->branch)
		s->branch = calloc(FORKS, sizeof(*s->branch));
	assert_true(s->branch && s->nbranch < FORKS);
	s->branch_room = FORKS;
	s->branch[s->nbranch] = (struct gw_branch){ .leg = leg_of(fork_now) };
	return &s->branch[s->nbranch++];
}

struct gw_branch *gw_dialog_branch_of_bye(struct gw_session *s,
					  const sip_t *bye)
{
	return gw_dialog_branch(s, NULL, bye);
}

void gw_dialog_confirm(struct gw_branch *b, const sip_t *response)
{
	(void)b;
	(void)response;
}

int gw_dialog_ack(struct gw_session *s, struct gw_branch *b,
		  const struct gw_dialog_msg *m)
{
	unsigned d = of_leg(b->leg);

	if (b->acked)
		return 0;
	b->acked = true;
	if (wire.dialog[d].acked)
		ILLEGAL("a second ACK");
	wire.dialog[d].acked = true;
	if (m && m->body && !wire.dialog[d].theirs)
		ILLEGAL("an answer to nothing in the ACK");
	if (!(m && m->body) && wire.dialog[d].theirs && s->state == GW_SES_UP &&
	    b == &s->branch[s->won])
		ILLEGAL("an ACK that owes the answer");
	wire.dialog[d].theirs = false;
	wire.dialog[d].done = true;
	return 0;
}

void gw_dialog_ack_bye(struct gw_session *s, struct gw_branch *b)
{
	(void)gw_dialog_ack(s, b, NULL);
}

void gw_dialog_count_late(void)
{
}

void gw_dialog_refuse_answer(struct gw_session *s, nta_outgoing_t *orq,
			     const sip_t *response)
{
	(void)s;
	(void)orq;
	(void)response;
	ILLEGAL("a fork too many"); /* of two */
}

bool gw_dialog_cancel(nta_outgoing_t *invite, const char *headers)
{
	struct orq *q = (struct orq *)(void *)invite;

	(void)headers;
	if (!q || q->final)
		return false;
	if (q->cancelled)
		ILLEGAL("a second CANCEL");
	q->cancelled = true;
	return true;
}

bool gw_dialog_unheard(nta_outgoing_t *orq)
{
	(void)orq;
	return false;
}

static bool prack_on_its_way(unsigned d)
{
	for (unsigned i = 0; i < norq; i++) {
		if (orqs[i].method == sip_method_prack && !orqs[i].final &&
		    orqs[i].dialog == d && !orqs[i].seen)
			return true;
	}
	return false;
}

static nta_outgoing_t *request_in(struct gw_session *s, unsigned d,
				  sip_method_t method,
				  const struct gw_dialog_msg *m)
{
	bool sdp = m && m->body;

	if (wire.bye)
		ILLEGAL("a request after BYE");
	if (method == sip_method_bye) {
		if (s->uas && unacked() == irqs && !wire.given_up)
			ILLEGAL("BYE before the ACK");
		if (!s->uas && !wire.dialog[d].acked)
			ILLEGAL("BYE of a caller in an early dialog");
		wire.bye = true;
	}
	if (method == sip_method_invite &&
	    (open_orq(sip_method_invite) || open_irq(sip_method_invite) ||
	     unacked()))
		ILLEGAL("an INVITE into another one");
	if (method == sip_method_update && sdp &&
	    (wire.dialog[d].unpracked || prack_on_its_way(d)))
		ILLEGAL("an UPDATE before the PRACK");
	if (method == sip_method_invite ||
	    (method == sip_method_update && sdp)) {
		if (wire.dialog[d].ours || wire.dialog[d].theirs ||
		    !wire.dialog[d].done)
			ILLEGAL("an offer into an open one");
		wire.dialog[d].ours = true;
	}
	return orq_new(method, d, sdp);
}

nta_outgoing_t *gw_dialog_request(struct gw_session *s, sip_method_t method,
				  const struct gw_dialog_msg *m, bool forget)
{
	(void)forget;
	return request_in(s, of_leg(s->dialog), method, m);
}

nta_outgoing_t *gw_dialog_request_in(struct gw_session *s, nta_leg_t *l,
				     sip_method_t method,
				     const struct gw_dialog_msg *m)
{
	return request_in(s, of_leg(l), method, m);
}

nta_outgoing_t *gw_dialog_again(struct gw_session *s, nta_leg_t *l,
				nta_outgoing_t *orq)
{
	(void)s;
	(void)l;
	(void)orq;
	return NULL;
}

int gw_dialog_prack(struct gw_session *s, struct gw_branch *b, const void *sdp,
		    size_t len)
{
	unsigned d = of_leg(b->leg);

	(void)s;
	(void)len;
	if (!wire.dialog[d].unpracked || b->rseq != wire.dialog[d].rseq)
		ILLEGAL("a PRACK of nothing");
	if (!sdp != !wire.dialog[d].asks)
		ILLEGAL(sdp ? "an answer to nothing in the PRACK"
			    : "a PRACK that owes the answer");
	wire.dialog[d].unpracked = wire.dialog[d].asks = false;
	if (sdp) {
		wire.dialog[d].theirs = false;
		wire.dialog[d].done = true;
	}
	b->prack = orq_new(sip_method_prack, d, false);
	return 0;
}

void gw_dialog_saw_rseq(struct gw_branch *b)
{
	(void)b;
}

int gw_dialog_ack_re(struct gw_session *s, nta_outgoing_t *re_invite,
		     const struct gw_dialog_msg *m)
{
	struct orq *q = (struct orq *)(void *)re_invite;
	unsigned d = q->dialog;

	if (q->final < 200 || q->final >= 300 || q->acked)
		ILLEGAL("an ACK of nothing");
	q->acked = true;
	if (m && m->body && !wire.dialog[d].theirs)
		ILLEGAL("an answer to nothing in the ACK");
	if (!(m && m->body) && wire.dialog[d].theirs && s->state == GW_SES_UP)
		ILLEGAL("an ACK that owes the answer");
	wire.dialog[d].theirs = false;
	return 0;
}

int gw_dialog_accept(struct gw_session *s, nta_incoming_t *irq,
		     const sip_t *request)
{
	(void)request;
	s->dialog = leg_of(0);
	s->inv_irq = irq;
	return 0;
}

static void ok_to_invite(const struct irq *q, unsigned d, bool sdp)
{
	if (q == wire.rel_irq && wire.rel_sdp)
		ILLEGAL("a 200 before its PRACK");
	if (wire.dialog[d].ours)
		ILLEGAL("a 2xx into our own offer");
	if (q->waits) {
		if (sdp || wire.dialog[d].theirs)
			ILLEGAL("a 200 that answers nothing");
		return;
	}
	if (wire.dialog[d].theirs) {
		if (!sdp)
			ILLEGAL("a 200 without the answer");
		wire.dialog[d].theirs = false;
		wire.dialog[d].done = true;
	} else if (q->initial && wire.dialog[d].done) {
		if (sdp)
			ILLEGAL("a description that nobody may read");
	} else {
		if (!sdp)
			ILLEGAL("a 200 without an offer");
		wire.dialog[d].ours = true;
	}
}

static void ok_to_offer(const struct irq *q, unsigned d, bool sdp)
{
	if (q->extra || (q->offer && wire.dialog[d].ours))
		ILLEGAL("two offers are answered");
	if (sdp != q->offer)
		ILLEGAL(sdp ? "an answer to nothing" : "no answer");
}

int gw_dialog_reply(struct gw_session *s, nta_incoming_t *irq, int status,
		    const struct gw_dialog_msg *m, bool keep)
{
	struct irq *q = (struct irq *)(void *)irq;
	bool sdp = m && m->body;
	unsigned d;

	(void)s;
	if (!q)
		ILLEGAL("a reply to no request");
	d = q->dialog;
	if (q->final)
		ILLEGAL("a second final response");
	if (status < 200) {
		if (status > 100 && wire.rel)
			ILLEGAL("a 18x behind one that waits for PRACK");
		if (sdp && !wire.dialog[0].theirs)
			ILLEGAL("a description in a 18x that may be lost");
		return 0;
	}
	q->final = status;
	q->dropped = !keep;
	if (status >= 300) {
		if (sdp)
			ILLEGAL("a refusal with a description");
	} else if (q->method == sip_method_invite) {
		ok_to_invite(q, d, sdp);
	} else if (q->method == sip_method_update ||
		   q->method == sip_method_prack) {
		ok_to_offer(q, d, sdp);
	}
	/* RFC 3262 3: nobody waits for its PRACK any more. */
	if (q == wire.rel_irq) {
		wire.rel = NULL;
		wire.rel_sdp = false;
	}
	if (q->extra && status != 500 && status != 487 && status != 481)
		ILLEGAL("an offer into its own is not 500");
	if (status == 500 &&
	    (!m || !m->headers || !strstr(m->headers, "Retry-After")))
		ILLEGAL("500 without Retry-After");
	if (q->offer)
		wire.dialog[d].theirs = false;
	return 0;
}

void gw_dialog_reply_given_up(struct gw_session *s, nta_incoming_t *irq,
			      int status)
{
	(void)gw_dialog_reply(s, irq, status, NULL, false);
}

nta_reliable_t *gw_dialog_reply_reliably(struct gw_session *s,
					 nta_incoming_t *irq, int status,
					 const struct gw_dialog_msg *m)
{
	struct irq *q = (struct irq *)(void *)irq;

	unsigned d = q->dialog;

	(void)s;
	(void)status;
	assert_true(nrel < sizeof(rels));
	if (q->final || wire.rel)
		ILLEGAL("a reliable response out of place");
	if (!m->body && !wire.dialog[d].theirs && !wire.dialog[d].done)
		ILLEGAL("a first reliable response without the offer");
	if (m->body) {
		if (wire.dialog[d].ours ||
		    (q->initial ? wire.dialog[d].done : !q->offer || q->waits))
			ILLEGAL("a description too many");
		wire.dialog[d].ours = !wire.dialog[d].theirs;
		wire.dialog[d].theirs = false;
		wire.dialog[d].done = true;
		q->waits = !q->initial;
		/* what is open in the dialog is another one from now on */
		q->offer &= q->initial;
	}
	wire.rel_irq = q;
	wire.rel = (nta_reliable_t *)(void *)&rels[nrel++];
	wire.rel_sdp = m->body != NULL;
	return wire.rel;
}

void gw_dialog_watch(struct gw_session *s, nta_incoming_t *irq)
{
	(void)s;
	(void)irq;
}

void gw_dialog_refresh(struct gw_session *s, nta_leg_t *l, bool from_request,
		       const sip_t *message)
{
	(void)s;
	(void)l;
	(void)from_request;
	(void)message;
}

void gw_dialog_refresh_by(struct gw_session *s, nta_incoming_t *irq)
{
	(void)s;
	(void)irq;
}

void gw_dialog_drop(nta_outgoing_t **orq)
{
	if (*orq)
		((struct orq *)(void *)*orq)->dropped = true;
	*orq = NULL;
}

void gw_dialog_drop_incoming(nta_incoming_t **irq)
{
	struct irq *q = (struct irq *)(void *)*irq;

	*irq = NULL;
	if (!q)
		return;
	q->dropped = true;
	if (!q->final)
		ILLEGAL("a request is dropped unanswered"); /* NTA: 500 */
}

void gw_dialog_drop_branch(struct gw_session *s, struct gw_branch *b)
{
	(void)s;
	gw_dialog_drop(&b->update);
	free(b->offer);
	*b = (struct gw_branch){ 0 };
}

void gw_dialog_drop_all(struct gw_session *s)
{
	struct orq *re = (struct orq *)(void *)s->re_invite;

	gw_dialog_drop_incoming(&s->inv_irq);
	gw_dialog_drop_incoming(&s->upd_irq);
	gw_dialog_drop(&s->bye);
	/* dialog_orphan.c acknowledges it */
	if (re)
		re->acked = re->dropped = true;
	s->re_invite = NULL;
	gw_dialog_drop(&s->invite);
	s->dialog = NULL;
	s->reliable = NULL;
	for (unsigned i = 0; i < s->nbranch; i++)
		gw_dialog_drop_branch(s, &s->branch[i]);
	s->nbranch = 0;
	s->caller = NULL;
}

#endif
