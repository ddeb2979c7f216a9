/*
 * Every sequence of six events before a call is answered, where
 * test_call_early.c has none: a phone calls a browser (with an offer, without
 * one, asked for in a 18x, with preconditions), and a browser that offers
 * nothing calls a phone that is forked.
 *
 * What each leg is told is judged as it is told (RFC 3264 4, RFC 3262 5, RFC
 * 6337 2, gateway/leg.h).  However a sequence ends, the call is then up and
 * hears both ways, or time alone ends it, on both sides, with nothing left.
 */
#include "tests/unit/call_fakes.h"

#define PHONE(v, addr, port, more)                                             \
	"v=0\r\no=- 7 " v " IN IP4 " addr "\r\ns=-\r\nc=IN IP4 " addr          \
	"\r\nt=0 0\r\nm=audio " port " RTP/AVP 0 101\r\n"                      \
	"a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"        \
	"a=sendrecv\r\n" more
#define QOS(local, remote)                                                     \
	"a=curr:qos local " local "\r\na=curr:qos remote " remote "\r\n"       \
	"a=des:qos mandatory local sendrecv\r\n"                               \
	"a=des:qos mandatory remote sendrecv\r\n"

static const char first[] = PHONE("1", "198.51.100.1", "4001", "");
static const char moved[] = PHONE("2", "198.51.100.1", "4011", "");
static const char not_yet[] =
	PHONE("1", "198.51.100.1", "4001", QOS("none", "none"));
static const char ready[] =
	PHONE("2", "198.51.100.1", "4021", QOS("sendrecv", "sendrecv"));
static const char foreign[] =
	"v=0\r\no=- 7 2 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\n"
	"t=0 0\r\nm=audio 4011 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n";

/* ---- a leg as its peer sees it ---- */

#define BRANCHES 4

struct view {
	struct fake_leg *f;
	const char *who;
	bool calls; /* it is the caller */
	bool web;
	bool set_up; /* who is called has heard of it */
	/* offer/answer, in each early dialog; the session's is the first */
	struct talk {
		bool ours;   /* our offer waits for the peer */
		bool theirs; /* the peer's for us */
		bool firm;   /* an exchange is complete */
		bool over;   /* 199 */
	} talk[BRANCHES];
	bool early;    /* its offer has an answer that the 200 repeats */
	bool answered; /* told so, or said so */
	bool dying;    /* what it offered in a 18x was refused */
	bool ended;
};

static struct view v[2]; /* a, b */
static char path[96];    /* what happened, for a failure */
static bool must_wait;   /* nobody may be alerted yet */

#define ILLEGAL(w, what) fail_msg("%s: %s:%s", (w)->who, what, path)

static void hears_progress(struct view *w, const struct gw_msg *m)
{
	if (!w->calls || w->answered)
		ILLEGAL(w, "progress out of place");
	if (!m->desc.text)
		return;
	if (m->desc.role != GW_DESC_EARLY_ANSWER || !w->talk[0].theirs)
		ILLEGAL(w, "an early answer to nothing");
	w->talk[0].theirs = false;
	w->early = true;
}

static void hears_answer(struct view *w, const struct gw_msg *m)
{
	struct talk *t = &w->talk[0];

	if (!w->calls || w->answered || t->ours)
		ILLEGAL(w, "answered out of place");
	if (m->desc.role == GW_DESC_OFFER && (t->theirs || w->early || t->firm))
		ILLEGAL(w, "an offer where an answer belongs");
	if (m->desc.role == GW_DESC_ANSWER && !t->theirs && !w->early)
		ILLEGAL(w, "an answer to nothing");
	if (m->desc.role == GW_DESC_NONE && (t->theirs || !t->firm) &&
	    !(w->web && w->early))
		ILLEGAL(w, "no answer where one belongs");
	t->theirs = false;
	t->ours = m->desc.role == GW_DESC_OFFER;
	w->answered = true;
}

static bool is_up(void)
{
	return core.calls && core.calls->fsm.state == GW_CALL_UP;
}

static void hears(struct view *w, const struct gw_msg *m)
{
	struct talk *t = &w->talk[m->branch];

	assert_true(m->branch < BRANCHES);
	if (w->ended)
		ILLEGAL(w, "told something after its end");
	switch (m->verb) {
	case GW_V_SETUP:
		if (w->calls || w->set_up || must_wait)
			ILLEGAL(w, "called out of place");
		w->set_up = true;
		t->ours = m->desc.text != NULL;
		return;
	case GW_V_PROGRESS:
		hears_progress(w, m);
		return;
	case GW_V_ANSWER:
		hears_answer(w, m);
		return;
	case GW_V_OFFER:
		if (t->ours || t->theirs || !m->desc.text ||
		    ((!w->calls || w->answered) && !is_up()))
			ILLEGAL(w, "an offer out of place");
		t->ours = true;
		return;
	case GW_V_ACCEPT:
	case GW_V_REFUSE:
		if (!t->theirs)
			ILLEGAL(w, "a reply to no offer");
		t->theirs = false;
		t->firm |= m->verb == GW_V_ACCEPT;
		w->dying |= m->verb == GW_V_REFUSE && m->branch && !t->firm;
		return;
	case GW_V_RELEASE:
		if (m->cause.status < 200)
			ILLEGAL(w, "released without a cause");
		w->ended = true;
		return;
	default:
		ILLEGAL(w, "told what has no place here");
	}
}

static int heard_send(struct gw_leg *leg, const struct gw_msg *m)
{
	int err = leg_send(leg, m);

	if (!err)
		hears(leg == &caller->leg ? &v[0] : &v[1], m);
	return err;
}

static const struct gw_leg_ops heard_web = { "respect", GW_PROFILE_WEB,
					     heard_send, leg_free };
static const struct gw_leg_ops heard_core = { "ims", GW_PROFILE_CORE,
					      heard_send, leg_free };

static void start(struct gw_msg *m, bool from_phone, const char *sdp)
{
	m->verb = GW_V_SETUP;
	m->asserted.uri = "sip:a@b";
	m->target.uri = from_phone ? "sip:alice@home" : "sip:phone@far";
	if (sdp)
		m->desc = (struct gw_desc){ GW_DESC_OFFER, sdp, strlen(sdp) };
	caller = fake_leg(from_phone ? &heard_core : &heard_web);
	v[0] = (struct view){ .f = caller, .calls = true, .web = !from_phone };
	v[1] = (struct view){ .web = from_phone };
	v[0].who = from_phone ? "phone" : "browser";
	v[1].who = from_phone ? "browser" : "phone";
	v[0].talk[0].theirs = sdp != NULL;
	gw_core_incoming(&caller->leg, m, &core);
	assert_non_null(called);
	called->leg.ops = from_phone ? &heard_web : &heard_core;
	v[1].f = called;
	media_works();
}

static void tells(struct view *w, struct gw_msg m, const char *text)
{
	if (text) {
		m.desc.text = text;
		m.desc.len = strlen(text);
	}
	w->f->leg.handler(&w->f->leg, &m, w->f->leg.arg);
	media_works();
}

static void goes(struct view *w, uint16_t status)
{
	w->ended = true;
	releases(w->f, status);
}

static void takes(struct view *w, const char *text)
{
	w->talk[0].ours = false;
	w->talk[0].firm = true;
	tells(w,
	      (struct gw_msg){ .verb = GW_V_ACCEPT,
			       .desc = { GW_DESC_ANSWER } },
	      text);
}

static void time_passes(void)
{
	pass_ms(63000);
	media_works();
}

/* ---- a phone calls a browser ---- */

enum {
	P_MOVES,
	P_IS_READY,
	P_ASKS_TOO_MUCH,
	P_TAKES,
	P_SPOILS,
	P_CANCELS,
	B_RINGS,
	B_IS_HEARD,
	B_ANSWERS,
	B_SPOILS,
	B_REFUSES,
	PB_TIME,
	PB_EVENTS
};

static void begin_offer(void)
{
	struct gw_msg m = { .reliable = true };

	start(&m, true, first);
}

static void begin_bare(void)
{
	struct gw_msg m = { 0 };

	start(&m, true, NULL);
}

static void begin_asked(void)
{
	struct gw_msg m = { .may_ask = true };

	start(&m, true, NULL);
}

static void begin_waiting(void)
{
	struct gw_msg m = { .reliable = true };

	(void)snprintf(set.sip.precondition, 12, "supported");
	must_wait = true;
	start(&m, true, not_yet);
}

static bool phone_could(unsigned ev)
{
	const struct view *p = &v[0], *b = &v[1];
	bool free = !p->talk[0].ours && !p->talk[0].theirs;

	switch (ev) {
	case P_MOVES:
	case P_IS_READY:
	case P_ASKS_TOO_MUCH:
		/* sip/ answers by itself what comes before that */
		return free && (p->early || p->talk[0].firm);
	case P_TAKES:
	case P_SPOILS:
		return p->talk[0].ours;
	case B_RINGS:
	case B_IS_HEARD:
	case B_ANSWERS:
	case B_SPOILS:
	case B_REFUSES:
		return b->set_up && !b->answered;
	default:
		return true;
	}
}

static void phone_offers(const char *sdp)
{
	v[0].talk[0].theirs = true;
	tells(&v[0],
	      (struct gw_msg){ .verb = GW_V_OFFER, .desc = { GW_DESC_OFFER } },
	      sdp);
	if (v[0].talk[0].theirs)
		ILLEGAL(&v[0], "its offer was not answered");
}

static void browser_answers(const char *sdp)
{
	v[1].answered = true;
	v[1].talk[0].ours = false;
	tells(&v[1],
	      (struct gw_msg){ .verb = GW_V_ANSWER,
			       .desc = { GW_DESC_ANSWER } },
	      sdp);
}

static void phone_happens(unsigned ev)
{
	switch (ev) {
	case P_MOVES:
		phone_offers(must_wait ? not_yet : moved);
		return;
	case P_IS_READY:
		must_wait = false;
		phone_offers(ready);
		return;
	case P_ASKS_TOO_MUCH:
		phone_offers(foreign);
		return;
	case P_TAKES:
		takes(&v[0], first);
		return;
	case P_SPOILS:
		takes(&v[0], "nonsense");
		return;
	case P_CANCELS:
		goes(&v[0], 487);
		return;
	case B_RINGS:
		tells(&v[1],
		      (struct gw_msg){ .verb = GW_V_PROGRESS,
				       .alert = GW_ALERT_RINGING },
		      NULL);
		return;
	case B_IS_HEARD:
		tells(&v[1],
		      (struct gw_msg){ .verb = GW_V_PROGRESS,
				       .early_media = true,
				       .desc = { GW_DESC_EARLY_ANSWER } },
		      web_answer);
		return;
	case B_ANSWERS:
		browser_answers(web_answer);
		return;
	case B_SPOILS:
		browser_answers("nonsense");
		return;
	case B_REFUSES:
		goes(&v[1], 486);
		return;
	default:
		time_passes();
	}
}

/* ---- a browser that offers nothing calls phones ---- */

enum {
	W_TAKES,
	W_SPOILS,
	W_REFUSES,
	W_CANCELS,
	K_RINGS,
	K_ASKS_1,
	K_ASKS_2,
	K_MOVES_1,
	K_ENDED_1,
	K_ANSWERS_1,
	K_ANSWERS_2,
	K_ANSWERS_3, /* that has not spoken before */
	K_REFUSES,
	WK_TIME,
	WK_EVENTS
};

static void begin_late(void)
{
	struct gw_msg m = { 0 };

	(void)snprintf(set.calls.no_offer, 16, "late_offer");
	start(&m, false, NULL);
}

static bool late_could(unsigned ev)
{
	const struct talk *t = v[1].talk;
	bool rings = v[1].set_up && !v[1].answered;

	switch (ev) {
	case W_TAKES:
	case W_SPOILS:
	case W_REFUSES:
		return v[0].talk[0].ours;
	case K_RINGS:
	case K_ANSWERS_1:
	case K_ANSWERS_2:
	case K_ANSWERS_3:
	case K_REFUSES:
		return rings;
	case K_ASKS_1:
	case K_ASKS_2:
		t += ev - K_ASKS_1 + 1;
		return rings && !t->theirs && !t->firm && !t->over;
	case K_MOVES_1:
		return rings && t[1].firm && !t[1].theirs && !t[1].over;
	case K_ENDED_1:
		return rings && !t[1].over;
	default:
		return true;
	}
}

static void fork_asks(unsigned n)
{
	v[1].talk[n].theirs = true;
	tells(&v[1],
	      (struct gw_msg){ .verb = GW_V_PROGRESS,
			       .branch = n,
			       .early_media = true,
			       .desc = { GW_DESC_OFFER } },
	      first);
}

/* The 200 offers, unless its dialog has had that already (RFC 3262 5). */
static void fork_answers(unsigned n)
{
	bool firm = v[1].talk[n].firm;

	memset(v[1].talk, 0, sizeof(v[1].talk));
	v[1].talk[0] = (struct talk){ .theirs = !firm, .firm = firm };
	v[1].answered = true;
	tells(&v[1],
	      (struct gw_msg){
		      .verb = GW_V_ANSWER,
		      .branch = n,
		      .desc = { firm ? GW_DESC_NONE : GW_DESC_OFFER } },
	      firm ? NULL : first);
}

static void fork_says(unsigned n, enum gw_alert alert)
{
	tells(&v[1],
	      (struct gw_msg){
		      .verb = GW_V_PROGRESS, .branch = n, .alert = alert },
	      NULL);
}

static void late_happens(unsigned ev)
{
	switch (ev) {
	case W_TAKES:
		takes(&v[0], web_answer);
		return;
	case W_SPOILS:
		takes(&v[0], "nonsense");
		return;
	case W_REFUSES:
		v[0].talk[0].ours = false;
		tells(&v[0],
		      (struct gw_msg){ .verb = GW_V_REFUSE,
				       .cause = { .status = 488 } },
		      NULL);
		return;
	case W_CANCELS:
		goes(&v[0], 487);
		return;
	case K_RINGS:
		fork_says(1, GW_ALERT_RINGING);
		return;
	case K_ASKS_1:
	case K_ASKS_2:
		fork_asks(ev - K_ASKS_1 + 1);
		return;
	case K_MOVES_1:
		v[1].talk[1].theirs = true;
		tells(&v[1],
		      (struct gw_msg){ .verb = GW_V_OFFER,
				       .branch = 1,
				       .desc = { GW_DESC_OFFER } },
		      moved);
		return;
	case K_ENDED_1:
		v[1].talk[1].over = true;
		fork_says(1, GW_ALERT_ENDED);
		return;
	case K_ANSWERS_1:
	case K_ANSWERS_2:
	case K_ANSWERS_3:
		fork_answers(ev - K_ANSWERS_1 + 1);
		return;
	case K_REFUSES:
		goes(&v[1], 486);
		return;
	default:
		time_passes();
	}
}

/* ---- all of it ---- */

/* Events after which the call may be over. */
static bool phone_ends(unsigned ev)
{
	return ev == P_SPOILS || ev == P_CANCELS || ev == B_SPOILS ||
	       ev == B_REFUSES || ev == PB_TIME;
}

static bool late_ends(unsigned ev)
{
	return ev == W_SPOILS || ev == W_REFUSES || ev == W_CANCELS ||
	       ev == K_REFUSES || ev == WK_TIME;
}

struct scene {
	void (*begin)(void);
	bool (*could)(unsigned ev);
	void (*happens)(unsigned ev);
	bool (*ends)(unsigned ev);
	unsigned nevents; /* the last one is always possible */
};

static bool is_over(void)
{
	return v[0].ended || v[1].ended || !core.calls ||
	       core.calls->fsm.state >= GW_CALL_ENDING;
}

static void hears_both_ways(void)
{
	const struct gw_call *call = core.calls;

	if (gate(GW_TERM_A) != GW_GATE_BOTH || gate(GW_TERM_B) != GW_GATE_BOTH)
		fail_msg("up, and not heard:%s", path);
	if (call->a.oa.state != GW_OA_STABLE ||
	    call->b.oa.state != GW_OA_STABLE)
		fail_msg("up, and an offer is open:%s", path);
	for (unsigned i = 0; i < 2; i++) {
		if (v[i].talk[0].ours || v[i].talk[0].theirs || !v[i].answered)
			ILLEGAL(&v[i], "up, and it does not know");
	}
}

static void comes_to_an_end(void)
{
	if (is_up()) {
		/* what was agreed last may have to be said to the other */
		for (unsigned i = 0; i < 2; i++) {
			if (v[i].talk[0].ours)
				takes(&v[i], v[i].web ? web_answer : first);
		}
		hears_both_ways();
		goes(&v[0], 200);
	}
	for (unsigned i = 0; i < 3 && !is_over(); i++)
		time_passes();
	for (unsigned i = 0; i < 2; i++) {
		if (!v[i].ended)
			ILLEGAL(&v[i], "was left behind");
	}
	pass_ms(10000);
	media_works();
	if (core.ncalls || legs_alive)
		fail_msg("the call was left behind:%s", path);
}

/* Runs @ev, with the next event that is possible in place of one that is not.
 * How many of them it took. */
static unsigned run(const struct scene *scene, unsigned *ev)
{
	unsigned i;

	path[0] = '\0';
	must_wait = false;
	assert_int_equal(0, setup(NULL));
	set.media.video = false;
	scene->begin();
	for (i = 0; i < LONGEST && !is_up() && !is_over(); i++) {
		while (!scene->could(ev[i]))
			ev[i]++;
		(void)snprintf(path + strlen(path), sizeof(path) - strlen(path),
			       " %u", ev[i]);
		scene->happens(ev[i]);
		if (is_over() && !scene->ends(ev[i]))
			fail_msg("ended for nothing:%s", path);
		/* RFC 6337 3.1.1: its PRACK cannot say no */
		if (v[1].dying && !v[1].ended)
			goes(&v[1], 488);
	}
	comes_to_an_end();
	assert_int_equal(0, teardown(NULL));
	return i;
}

static unsigned every_sequence(const struct scene *scene)
{
	unsigned ev[LONGEST] = { 0 }, ran = 0, at, used;

	do {
		used = run(scene, ev);
		ran++;
		for (at = used; at < LONGEST; at++)
			ev[at] = 0;
		for (at = used; at > 0 && ev[at - 1] + 1 == scene->nevents;)
			ev[--at] = 0;
		if (at)
			ev[at - 1]++;
	} while (at);
	return ran;
}

#define SCENE(name, begin, of, events, least)                                  \
	static void name(void **s)                                             \
	{                                                                      \
		static const struct scene scene = {                            \
			begin, of##_could, of##_happens, of##_ends, events,    \
		};                                                             \
		(void)s;                                                       \
		assert_true(every_sequence(&scene) >                           \
			    (LONGEST == 6 ? (least) : 10));                    \
	}

SCENE(a_phone_offers_to_a_browser, begin_offer, phone, PB_EVENTS, 100)
SCENE(a_phone_asks_a_browser, begin_bare, phone, PB_EVENTS, 100)
SCENE(a_phone_is_asked_first, begin_asked, phone, PB_EVENTS, 100)
SCENE(a_phone_waits_for_its_resources, begin_waiting, phone, PB_EVENTS, 100)
SCENE(forked_phones_offer_to_a_browser, begin_late, late, WK_EVENTS, 100)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_phone_offers_to_a_browser),
		cmocka_unit_test(a_phone_asks_a_browser),
		cmocka_unit_test(a_phone_is_asked_first),
		cmocka_unit_test(a_phone_waits_for_its_resources),
		cmocka_unit_test(forked_phones_offer_to_a_browser),
	};

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
