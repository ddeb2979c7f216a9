/*
 * A SIP session, walked through every sequence of what its peer and its call
 * can do, from the first INVITE in either direction, with and without an
 * offer.  Dialogs and transactions are fakes that judge what is sent
 * (test_sip_wire.h); all above them is real.
 *
 * Then everybody hangs up, or falls silent, and neither a session nor an
 * unanswered request may be left.
 */
#include "tests/unit/test_sip_wire.h"
#include "tests/unit/test_sip_walk.h"

/* Who is called has more to do until the call is up.  Sanitizers make of
 * seconds minutes. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define LONGEST (uas && !is_up ? 5u : 4u)
#else
#define LONGEST (is_up ? 7u : uas ? 8u : 6u)
#endif
#define ROOM 8

/* ---- the call ---- */

static void on_told(struct gw_leg *l, const struct gw_msg *m, void *arg)
{
	(void)arg;
	switch (m->verb) {
	case GW_V_PROGRESS:
		if (m->desc.role == GW_DESC_OFFER)
			call_asked[m->branch - 1] = true;
		return;
	case GW_V_ANSWER:
		memset(call_asked, 0, sizeof(call_asked));
		call_owes = m->desc.role == GW_DESC_OFFER;
		call_offered = false;
		return;
	case GW_V_OFFER:
		if (call_owes)
			ILLEGAL("a second offer is told");
		if (call_offered && !m->branch)
			ILLEGAL("an offer is told into ours");
		call_owes = true;
		call_may_wait = m->reliable;
		return;
	case GW_V_ACCEPT:
	case GW_V_REFUSE:
		if (!call_offered)
			ILLEGAL("a reply to no offer is told");
		call_offered = false;
		return;
	case GW_V_RELEASE:
		leg = NULL;
		gw_leg_free(l);
		return;
	default:
		ILLEGAL("something odd is told");
	}
}

static void on_incoming(struct gw_leg *l, const struct gw_msg *setup, void *arg)
{
	(void)setup;
	(void)arg;
	leg = l;
	l->handler = on_told;
}

static bool waits; /* what is said next changes nothing yet */

static int say(enum gw_verb verb, unsigned branch, enum gw_desc_role role,
	       const char *sdp)
{
	struct gw_msg m = { .verb = verb, .branch = branch, .waits = waits };

	m.desc.role = role;
	m.desc.text = sdp;
	m.desc.len = sdp ? strlen(sdp) : 0;
	m.cause.status = verb == GW_V_REFUSE    ? 488
			 : verb == GW_V_RELEASE ? 486
						: 0;
	m.target.uri = "sip:bob@far.test";
	m.asserted.uri = "sip:alice@ims.test";
	return gw_leg_send(leg, &m);
}

static void call_ends(void)
{
	struct gw_leg *l = leg;

	(void)say(GW_V_RELEASE, 0, GW_DESC_NONE, NULL);
	leg = NULL;
	gw_leg_free(l);
}

/* ---- the peer ---- */

static struct irq *irq_new(sip_method_t method, bool offer)
{
	struct irq *q;

	assert_true(nirq < 64);
	q = &irqs[nirq++];
	*q = (struct irq){ .method = method, .dialog = fork_now };
	if (!offer)
		return q;
	q->extra = wire.dialog[fork_now].theirs;
	q->offer = !q->extra;
	wire.dialog[fork_now].theirs = true;
	return q;
}

static void asks(sip_method_t method, enum text t, bool offer)
{
	struct irq *q = irq_new(method, offer);
	struct gw_session *s = session();

	gw_session_enter(s);
	gw_session_on_request(s, leg_of(fork_now), (nta_incoming_t *)(void *)q,
			      text_of(t));
	gw_session_leave(s);
}

static void pracks(enum text t)
{
	struct gw_session *s = session();
	nta_reliable_t *rel = wire.rel;
	unsigned d = wire.rel_irq->dialog;
	bool answers = wire.dialog[d].ours && wire.rel_sdp;
	struct irq *q;

	fork_now = d;
	q = irq_new(sip_method_prack, t == PRACK_SDP && !answers);
	if (answers)
		wire.dialog[d].ours = false;
	wire.rel = NULL;
	wire.rel_sdp = false;
	gw_session_enter(s);
	gw_session_on_prack(s, rel, (nta_incoming_t *)(void *)q, text_of(t));
	gw_session_leave(s);
}

static void acks(void)
{
	struct gw_session *s = session();
	struct irq *q = unacked();
	bool answers = wire.dialog[q->dialog].ours;

	if (answers) {
		wire.dialog[q->dialog].ours = false;
		wire.dialog[q->dialog].done = true;
	}
	q->acked = true;
	if (q->dropped || !s)
		return;
	gw_session_enter(s);
	gw_session_on_ack(s, (nta_incoming_t *)(void *)q,
			  text_of(answers ? ACK_SDP : ACK_BARE));
	gw_session_leave(s);
}

static void cancels(void)
{
	struct irq *q = open_irq(sip_method_invite);
	struct gw_session *s = session();

	gw_session_enter(s);
	gw_session_on_cancel(s, (nta_incoming_t *)(void *)q, text_of(CANCEL));
	gw_session_leave(s);
	if (q->final != 487)
		ILLEGAL("a CANCEL without 487");
}

/* @t NTEXTS: nothing came, NTA says 408. */
static void answers(struct orq *q, int status, enum text t)
{
	const sip_t *response = t == NTEXTS ? NULL : text_of(t);
	nta_outgoing_t *orq = (nta_outgoing_t *)(void *)q;
	struct gw_session *s = session();
	unsigned d = q->dialog;

	if (status >= 200)
		q->final = status;
	if (status >= 200 && q->offer)
		wire.dialog[d].ours = false;
	if (status >= 200 && status < 300 && q->method == sip_method_invite &&
	    !q->offer)
		wire.dialog[d].theirs = true;
	if (!s || q->dropped)
		return;
	gw_session_enter(s);
	gw_session_on_response(s, orq, q->method, status, response);
	gw_session_leave(s);
}

/* The peer's INVITE got @status in the fork @d. */
static void invited(unsigned d, int status, enum text t)
{
	nta_outgoing_t *orq = (nta_outgoing_t *)(void *)&orqs[0];
	struct gw_session *s = session();

	fork_now = d;
	if (status >= 200)
		orqs[0].final = status;
	if (t == R_183_SDP || t == R_200_SDP) {
		wire.dialog[d].theirs = !orqs[0].offer;
		wire.dialog[d].ours = false;
		wire.dialog[d].done |= orqs[0].offer;
	}
	if (t == R_183_SDP || t == R_183) {
		sip_t *r = sip_object(texts[t]);

		wire.dialog[d].unpracked = true;
		wire.dialog[d].asks = t == R_183_SDP && !orqs[0].offer;
		r->sip_rseq->rs_response = ++wire.dialog[d].rseq;
		for (unsigned i = 0; i < norq; i++)
			orqs[i].seen |= orqs[i].dialog == d;
	}
	if (orqs[0].dropped)
		return;
	gw_session_enter(s);
	gw_session_on_invite_response(s, orq, status, text_of(t));
	gw_session_leave(s);
}

/* 64*T1 in which nobody says anything. */
static void time_passes(void)
{
	struct gw_session *s = session();
	struct irq *q = unacked();

	wire.given_up = true;
	if (s && wire.rel) {
		nta_reliable_t *rel = wire.rel;

		wire.rel = NULL;
		wire.rel_sdp = false;
		q = wire.rel_irq;
		gw_session_enter(s);
		gw_session_on_prack(s, rel, NULL, NULL);
		gw_session_leave(s);
	}
	s = session();
	if (s && q && !q->dropped) {
		q->acked = true;
		gw_session_enter(s);
		gw_session_on_ack(s, (nta_incoming_t *)(void *)q, NULL);
		gw_session_leave(s);
	}
	for (unsigned i = 0; i < norq; i++) {
		if (!orqs[i].final && !orqs[i].initial)
			answers(&orqs[i], 408, NTEXTS);
	}
	now_us += UINT64_C(33000000);
	(void)gw_timers_run(loop.timers);
	wire.given_up = false;
}

/* ---- events ---- */

enum event {
	/* the call */
	V_RINGS,
	V_IS_HEARD,
	V_ANSWERS,
	V_OFFERS,
	V_ACCEPTS,
	V_WAITS,
	V_REFUSES,
	V_UPDATES,      /* in the first fork */
	V_ACCEPTS_FORK, /* what one asks in a 18x */
	V_REFUSES_FORK,
	V_ENDS,
	/* requests of the peer */
	P_PRACKS,
	P_PRACKS_OFFER,
	P_UPDATES,
	P_INVITES,
	P_ASKS,
	P_ACKS,
	P_CANCELS,
	P_ENDS,
	/* and its responses */
	R_RINGS,
	R_FIRM_0,
	R_FIRM_1,
	R_OK_0,
	R_OK_1,
	R_FAILS,
	R_PRACKED,
	R_TAKES,
	R_GLARES,
	R_REFUSES,
	R_BYE,
	TIME,
	NEVENTS
};

static bool bare;  /* the first INVITE has no offer */
static bool is_up; /* it has been answered, and acknowledged */
static bool oked[FORKS];

static struct orq *our_offer(void)
{
	struct orq *q = open_orq(sip_method_invite);

	return q ? q : open_orq(sip_method_update);
}

/* The number of the fork's early dialog in the session; 0: none. */
static unsigned branch_of(unsigned fork)
{
	return gw_session_branch_of(session(), leg_of(fork));
}

static unsigned asking(void)
{
	return call_asked[0] ? 1 : call_asked[1] ? 2 : 0;
}

static bool call_could(enum event ev, enum gw_ses_state st)
{
	bool in = st == GW_SES_INCOMING, free = !call_owes && !call_offered;

	if (!leg)
		return false;
	switch (ev) {
	case V_RINGS:
		return in;
	case V_IS_HEARD:
		return in && !bare && !call_owes;
	case V_ANSWERS:
		return in && free;
	case V_OFFERS:
		return free && (st == GW_SES_UP || st == GW_SES_ANSWERED ||
				(in && bare && !wire.dialog[0].done));
	case V_ACCEPTS:
	case V_REFUSES:
		return call_owes;
	case V_WAITS:
		return call_owes && call_may_wait && st == GW_SES_UP;
	case V_UPDATES:
		return st == GW_SES_CALLING && free && branch_of(0) &&
		       wire.dialog[0].done;
	case V_ACCEPTS_FORK:
	case V_REFUSES_FORK:
		return st == GW_SES_CALLING && asking();
	default:
		return true;
	}
}

static bool asked_could(enum event ev, enum gw_ses_state st)
{
	bool up = st == GW_SES_UP || st == GW_SES_ANSWERED;
	unsigned d = uas || st != GW_SES_UP ? 0 : of_leg(session()->dialog);

	if (wire.bye)
		return ev == P_ACKS && unacked();
	switch (ev) {
	case P_PRACKS:
		return wire.rel && !wire.rel_irq->final;
	case P_PRACKS_OFFER:
		return wire.rel_sdp && !wire.rel_irq->final &&
		       !(bare && wire.rel_irq->initial) &&
		       !wire.dialog[d].theirs;
	case P_UPDATES:
		if (uas ? !up && st != GW_SES_INCOMING
			: !up && !(st == GW_SES_CALLING && branch_of(0)))
			return false;
		return !wire.dialog[d].theirs ||
		       (open_irq(sip_method_update) && !irqs[nirq - 1].extra);
	case P_INVITES:
	case P_ASKS:
		return st == GW_SES_UP && !unacked() &&
		       !open_irq(sip_method_invite) && !wire.dialog[d].theirs;
	case P_ACKS:
		return unacked();
	case P_CANCELS:
		return open_irq(sip_method_invite);
	default:
		return uas ? up || st == GW_SES_INCOMING
			   : st == GW_SES_UP || st == GW_SES_ACKING ||
				       (st == GW_SES_CALLING && branch_of(0));
	}
}

static bool answered_could(enum event ev)
{
	unsigned fork = ev == R_FIRM_1 || ev == R_OK_1;

	switch (ev) {
	case R_RINGS:
	case R_FAILS:
		return !uas && !orqs[0].final;
	case R_FIRM_0:
	case R_FIRM_1:
		return !uas && !orqs[0].final && !wire.dialog[fork].unpracked;
	case R_OK_0:
	case R_OK_1:
		return !uas && orqs[0].final < 300 && !orqs[0].dropped &&
		       !oked[fork] && !wire.dialog[fork].unpracked;
	case R_PRACKED:
		return open_orq(sip_method_prack);
	case R_BYE:
		return open_orq(sip_method_bye);
	default:
		return our_offer();
	}
}

static bool could(enum event ev)
{
	enum gw_ses_state st = session()->state;

	if (ev == TIME)
		return true;
	return ev <= V_ENDS   ? call_could(ev, st)
	       : ev <= P_ENDS ? asked_could(ev, st)
			      : answered_could(ev);
}

static void call_does(enum event ev)
{
	unsigned n = asking();
	int r;

	switch (ev) {
	case V_RINGS:
		(void)say(GW_V_PROGRESS, 0, GW_DESC_NONE, NULL);
		return;
	case V_IS_HEARD:
		(void)say(GW_V_PROGRESS, 0, GW_DESC_EARLY_ANSWER, ANSWER);
		return;
	case V_ANSWERS:
		call_offered = session()->late;
		r = say(GW_V_ANSWER, 0,
			call_offered ? GW_DESC_OFFER : GW_DESC_ANSWER, ANSWER);
		assert_int_equal(0, r);
		return;
	case V_OFFERS:
		r = say(GW_V_OFFER, 0, GW_DESC_OFFER, OFFER);
		if (r && r != -EAGAIN)
			ILLEGAL("an offer has no place");
		call_offered = !r;
		return;
	case V_ACCEPTS:
		call_owes = false;
		(void)say(GW_V_ACCEPT, 0, GW_DESC_ANSWER, ANSWER);
		/* what the peer asked for, which its ACK answers */
		call_offered = leg && session()->offer == GW_OFF_PEER_LATE;
		return;
	case V_WAITS:
		call_owes = false;
		waits = true;
		(void)say(GW_V_ACCEPT, 0, GW_DESC_ANSWER, ANSWER);
		waits = false;
		return;
	case V_REFUSES:
		call_owes = false;
		(void)say(GW_V_REFUSE, 0, GW_DESC_NONE, NULL);
		return;
	case V_UPDATES:
		call_offered =
			!say(GW_V_OFFER, branch_of(0), GW_DESC_OFFER, OFFER);
		return;
	case V_ACCEPTS_FORK:
	case V_REFUSES_FORK:
		call_asked[n - 1] = false;
		(void)say(ev == V_ACCEPTS_FORK ? GW_V_ACCEPT : GW_V_REFUSE, n,
			  GW_DESC_ANSWER, ANSWER);
		return;
	default:
		call_ends();
	}
}

static void peer_asks(enum event ev)
{
	enum gw_ses_state st = session()->state;

	fork_now = st == GW_SES_UP || st == GW_SES_ACKING
			   ? of_leg(session()->dialog)
			   : 0;
	switch (ev) {
	case P_PRACKS:
		pracks(wire.dialog[wire.rel_irq->dialog].ours ? PRACK_SDP
							      : PRACK_BARE);
		return;
	case P_PRACKS_OFFER:
		pracks(PRACK_SDP);
		return;
	case P_UPDATES:
		asks(sip_method_update, UPDATE_SDP, true);
		return;
	case P_INVITES:
		asks(sip_method_invite, INVITE_SDP, true);
		return;
	case P_ASKS:
		asks(sip_method_invite, INVITE_BARE, false);
		return;
	case P_ACKS:
		acks();
		return;
	case P_CANCELS:
		cancels();
		return;
	default:
		wire.bye = uas || st != GW_SES_CALLING;
		asks(sip_method_bye, BYE, false);
	}
}

static void peer_answers(enum event ev)
{
	unsigned fork = ev == R_FIRM_1 || ev == R_OK_1;
	bool done = wire.dialog[fork].done;

	switch (ev) {
	case R_RINGS:
		invited(0, 180, R_180);
		return;
	case R_FIRM_0:
	case R_FIRM_1:
		invited(fork, 183, done ? R_183 : R_183_SDP);
		return;
	case R_OK_0:
	case R_OK_1:
		oked[fork] = true;
		invited(fork, 200, done ? R_200 : R_200_SDP);
		return;
	case R_FAILS:
		if (orqs[0].cancelled)
			invited(0, 487, R_487);
		else
			invited(0, 486, R_486);
		return;
	case R_PRACKED:
		answers(open_orq(sip_method_prack), 200, R_200);
		return;
	case R_TAKES:
		answers(our_offer(), 200, R_200_SDP);
		return;
	case R_GLARES:
		answers(our_offer(), 491, R_491);
		return;
	case R_REFUSES:
		answers(our_offer(), 488, R_488);
		return;
	default:
		answers(open_orq(sip_method_bye), 200, R_200);
	}
}

static void happens(enum event ev)
{
	if (ev == TIME)
		time_passes();
	else if (ev <= V_ENDS)
		call_does(ev);
	else if (ev <= P_ENDS)
		peer_asks(ev);
	else
		peer_answers(ev);
}

/* ---- the walk ---- */

static void begin(void)
{
	struct gw_session *s;

	nirq = norq = nrel = fork_now = 0;
	memset(&wire, 0, sizeof(wire));
	memset(oked, 0, sizeof(oked));
	memset(call_asked, 0, sizeof(call_asked));
	call_owes = call_offered = false;
	leg = NULL;
	if (!uas) {
		assert_int_equal(0, gw_ims_leg_new(&leg, &sip));
		leg->handler = on_told;
		ref = gw_session_ref(sip.sessions);
		assert_int_equal(0, say(GW_V_SETUP, 0,
					bare ? GW_DESC_NONE : GW_DESC_OFFER,
					OFFER));
		return;
	}
	assert_int_equal(0, gw_session_new(&s, &sip));
	ref = gw_session_ref(s);
	irq_new(sip_method_invite, !bare)->initial = true;
	gw_session_enter(s);
	assert_int_equal(0, gw_session_accept_invite(
				    s, (nta_incoming_t *)(void *)&irqs[0],
				    text_of(bare ? INVITE_BARE : INVITE_SDP)));
	assert_int_equal(0, gw_ims_leg_incoming(s, text_of(bare ? INVITE_BARE
								: INVITE_SDP)));
	gw_session_leave(s);
	if (!is_up)
		return;
	assert_int_equal(0, say(GW_V_ANSWER, 0, GW_DESC_ANSWER, ANSWER));
	acks();
}

static void comes_to_an_end(void)
{
	if (leg)
		call_ends();
	for (unsigned i = 0; i < 8 && session(); i++)
		time_passes();
	if (session() || sip.nsession)
		ILLEGAL("a session is left behind");
	if (gw_timers_count(loop.timers))
		ILLEGAL("a timer is left behind");
	for (unsigned i = 0; i < nirq; i++) {
		if (!irqs[i].final)
			ILLEGAL("a request was never answered");
	}
	for (unsigned i = 0; i < FORKS; i++) {
		if (oked[i] && !wire.dialog[i].acked)
			ILLEGAL("a 200 was never acknowledged");
	}
	for (unsigned i = 1; i < norq; i++) {
		if (orqs[i].method == sip_method_invite &&
		    orqs[i].final == 200 && !orqs[i].acked)
			ILLEGAL("a 200 was never acknowledged");
	}
}

static unsigned run(unsigned *ev)
{
	unsigned i;

	path[0] = '\0';
	begin();
	for (i = 0; i < LONGEST && session(); i++) {
		while (!could(ev[i]))
			ev[i]++;
		(void)snprintf(path + strlen(path), sizeof(path) - strlen(path),
			       " %u", ev[i]);
		happens(ev[i]);
	}
	comes_to_an_end();
	return i;
}

static void every_sequence(void)
{
	unsigned ev[ROOM] = { 0 }, ran = 0, at, used;

	assert_int_equal(0, gw_timers_new(&loop.timers, fake_clock, NULL));
	sip = (struct gw_sip){ .magic = GW_SIP_MAGIC,
			       .loop = &loop,
			       .set = &set,
			       .incoming = on_incoming };
	(void)snprintf(set.sip.core, sizeof(set.sip.core), "sip:core");
	(void)snprintf(set.sip.reliable, sizeof(set.sip.reliable), "supported");
	set.sip.ring_timeout_s = 60;
	set.sip.t1x64_ms = 32000;
	set.sip.precondition_timeout_s = 30;
	do {
		used = run(ev);
		ran++;
		for (at = used; at < LONGEST; at++)
			ev[at] = 0;
		for (at = used; at > 0 && ev[at - 1] + 1 == NEVENTS;)
			ev[--at] = 0;
		if (at)
			ev[at - 1]++;
	} while (at);
	gw_session_free_all(&sip);
	gw_timers_free(loop.timers);
	assert_true(ran > (LONGEST > 5 ? 10000 : 100));
}

static void every_call_of_the_peer_with_an_offer(void **state)
{
	(void)state;
	uas = true;
	bare = false;
	every_sequence();
}

static void every_call_of_the_peer_without(void **state)
{
	(void)state;
	uas = bare = true;
	every_sequence();
}

static void every_change_of_a_call_that_is_up(void **state)
{
	(void)state;
	uas = is_up = true;
	bare = false;
	every_sequence();
	is_up = false;
}

static void every_call_of_ours_with_an_offer(void **state)
{
	(void)state;
	uas = bare = false;
	every_sequence();
}

static void every_call_of_ours_without(void **state)
{
	(void)state;
	uas = false;
	bare = true;
	every_sequence();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_of_the_peer_with_an_offer),
		cmocka_unit_test(every_call_of_the_peer_without),
		cmocka_unit_test(every_change_of_a_call_that_is_up),
		cmocka_unit_test(every_call_of_ours_with_an_offer),
		cmocka_unit_test(every_call_of_ours_without),
	};

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	return cmocka_run_group_tests(tests, parse_all, free_all);
}
