/*
 * Every sequence of six events within a call that is up, made by a browser or
 * by a phone: offers of both sides that cross, ours that are taken or refused,
 * late ones, retries.  After each event what was sent must be lawful (RFC 3261
 * 14, RFC 3264 4 and 8), and at the end both sides must believe in the same
 * session and nothing may be left.  Before the answer: test_call_early.c and
 * test_call_early_all.c.
 */
#include "tests/unit/call_fakes.h"

/* ---- one leg, as its peer sees it ---- */

enum theirs { T_NONE, T_OFFER, T_LATE };

struct view {
	struct fake_leg *f;
	bool web;
	unsigned read;      /* of f->said */
	unsigned version;   /* of its own o= */
	enum theirs theirs; /* its offer that waits for us */
	bool ours;          /* our offer that waits for it */
	bool listens;       /* as it wants: false, it holds */
	bool wants;         /* by the offer that waits */
	bool late;          /* ours is what it asked for */
};

static struct view v[2]; /* a, b */
static char path[96];    /* what happened, for a failure */
static bool in_vain;     /* what we had to put right was refused for good */
static bool ends;        /* the call has to */

static const char *direction_in(const char *sdp)
{
	static const char *const names[] = { "sendrecv", "sendonly", "recvonly",
					     "inactive" };

	for (unsigned i = 0; i < 4; i++) {
		char line[16];

		(void)snprintf(line, sizeof(line), "a=%s\r\n", names[i]);
		if (strstr(sdp, line))
			return names[i];
	}
	return "sendrecv";
}

static const char *answer_to(const struct view *w, const char *offered)
{
	if (!strcmp(offered, "inactive"))
		return "inactive";
	if (!strcmp(offered, "sendonly"))
		return w->listens ? "recvonly" : "inactive";
	if (!strcmp(offered, "recvonly"))
		return "sendonly";
	return w->listens ? "sendrecv" : "sendonly";
}

static const char *describe(struct view *w, const char *dir, bool answer)
{
	static char text[2048];

	w->version++;
	if (!w->web) {
		(void)snprintf(text, sizeof(text),
			       "v=0\r\no=- 7 %u IN IP4 198.51.100.7\r\ns=-\r\n"
			       "c=IN IP4 198.51.100.7\r\nt=0 0\r\n"
			       "m=audio 4000 RTP/AVP 0\r\na=%s\r\n",
			       w->version, dir);
		return text;
	}
	(void)snprintf(
		text, sizeof(text),
		"v=0\r\no=- 5 %u IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
		"a=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
		"c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n"
		"a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 "
		"8A:8B:8C:8D:8E:8F:90:91:92:93:94:95:96:97:98:99:9A:9B:9C:9D:"
		"9E:9F:A0:A1:A2:A3:A4:A5:A6:A7:A8:A9\r\na=setup:%s\r\n"
		"a=rtcp-mux\r\na=mid:0\r\na=%s\r\na=rtpmap:0 PCMU/8000\r\n",
		w->version, answer ? "active" : "actpass", dir);
	return text;
}

/* What the gateway told the leg since: never two offers open on it. */
static void read_told(struct view *w)
{
	for (; w->read < w->f->nsaid; w->read++) {
		switch (w->f->said[w->read]) {
		case GW_V_OFFER:
			if (w->ours || w->theirs)
				fail_msg("an offer into an open one:%s", path);
			w->ours = true;
			break;
		case GW_V_ACCEPT:
			if (!w->theirs)
				fail_msg("an answer to nothing:%s", path);
			w->ours = w->late = w->theirs == T_LATE;
			if (!w->ours)
				w->listens = w->wants;
			w->theirs = T_NONE;
			break;
		case GW_V_REFUSE:
			if (!w->theirs)
				fail_msg("a refusal of nothing:%s", path);
			w->theirs = T_NONE;
			break;
		case GW_V_RELEASE:
			if (!ends)
				fail_msg("the call was ended:%s", path);
			break;
		default:
			break;
		}
	}
}

static void look(void)
{
	read_told(&v[0]);
	read_told(&v[1]);
}

static void refuses(struct view *w, uint16_t status)
{
	struct gw_msg msg = { .verb = GW_V_REFUSE,
			      .cause = { .status = status } };

	in_vain |= core.calls->upd.state == UPD_OWN && status != 491;
	w->ours = w->late = false;
	w->f->leg.handler(&w->f->leg, &msg, w->f->leg.arg);
	media_works();
}

/* The answer to what it asked for may hold, or resume. */
static void takes(struct view *w)
{
	const char *offered = direction_in(w->f->text);

	if (w->late)
		w->listens = !w->listens;
	w->ours = w->late = false;
	says(w->f, GW_V_ACCEPT, GW_DESC_ANSWER,
	     describe(w, answer_to(w, offered), true));
}

/* ---- events ---- */

enum what { OFFERS, ASKS, TAKES, REFUSES, GLARES, SPOILS, CANCELS, NWHAT };
#define E_TIME   (2 * NWHAT)
#define E_BUSY   (2 * NWHAT + 1) /* the phone's leg takes no offer now */
#define E_EVENTS (2 * NWHAT + 2)

/* Could its peer do so at all, by the rules of gateway/leg.h? */
static bool possible(unsigned ev)
{
	const struct view *w = &v[ev / NWHAT % 2];

	if (ev == E_TIME)
		return gw_timer_running(&core.calls->upd.retry);
	if (ev == E_BUSY)
		return true;
	switch (ev % NWHAT) {
	case OFFERS:
		/* sip/ answers glare itself; a browser may cross ours */
		return !w->theirs && (w->web || !w->ours) && !w->f->cancelled;
	case ASKS:
		return !w->web && !w->theirs && !w->ours && !w->f->cancelled;
	case CANCELS:
		return !w->web && w->theirs;
	default:
		return w->ours;
	}
}

static void happens(unsigned ev)
{
	struct view *w = &v[ev / NWHAT % 2];

	if (ev == E_TIME) {
		pass_ms(1000);
		media_works();
		return;
	}
	if (ev == E_BUSY) {
		struct view *phone = v[0].web ? &v[1] : &v[0];

		phone->f->refuse = phone->f->refuse ? 0 : -EAGAIN;
		return;
	}
	switch (ev % NWHAT) {
	case OFFERS:
		w->theirs = T_OFFER;
		w->wants = !w->listens;
		says(w->f, GW_V_OFFER, GW_DESC_OFFER,
		     describe(w, w->wants ? "sendrecv" : "sendonly", false));
		return;
	case ASKS:
		w->theirs = T_LATE;
		w->wants = w->listens;
		says(w->f, GW_V_OFFER, GW_DESC_NONE, NULL);
		return;
	case TAKES:
		takes(w);
		return;
	case SPOILS:
		/* both of UPD_OWN and UPD_LATE: nobody is asked again */
		in_vain |= core.calls->upd.state >= UPD_LATE;
		ends = w->late; /* it came in an ACK, which nothing refuses */
		w->ours = w->late = false;
		says(w->f, GW_V_ACCEPT, GW_DESC_ANSWER, "nonsense");
		return;
	case CANCELS:
		w->theirs = T_NONE;
		w->f->cancelled = true;
		return;
	case REFUSES:
		refuses(w, 488);
		return;
	default:
		refuses(w, 491);
	}
}

/* ---- what holds whenever nothing is open ---- */

static bool quiet(void)
{
	return !v[0].ours && !v[1].ours && !v[0].theirs && !v[1].theirs &&
	       core.calls->upd.state == UPD_IDLE && !core.calls->upd.wanted;
}

/* Who speaks is heard by who listens, and gates say what descriptions do. */
static void believes_the_same(void)
{
	struct gw_call *call = core.calls;
	struct gw_sess local[2], remote[2];
	const struct side *s[2] = { &call->a, &call->b };

	assert_int_equal(GW_CALL_UP, call->fsm.state);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(GW_OA_STABLE, s[i]->oa.state);
		gw_call_reread(s[i], s[i]->local, &local[i]);
		gw_call_reread(s[i], s[i]->remote, &remote[i]);
	}
	for (unsigned i = 0; i < 2; i++) {
		enum gw_dir mine = local[i].stream[0].dir;
		enum gw_dir theirs = remote[i].stream[0].dir;

		if (gate((enum gw_term)i) !=
		    gw_call_gate_of(&local[i], &remote[i], 0))
			fail_msg("%s: the gate is another:%s", s[i]->kind,
				 path);
		if (v[i].listens && !(theirs & GW_DIR_RECVONLY) &&
		    (mine & GW_DIR_SENDONLY) && !in_vain)
			fail_msg("%s listens, and is held to not:%s",
				 s[i]->kind, path);
	}
	for (unsigned i = 0; i < 2; i++) {
		enum gw_gate out = gate((enum gw_term)i) & GW_GATE_OUT;
		enum gw_gate in = gate((enum gw_term) !i) & GW_GATE_IN;

		if (!v[i].listens && in && !in_vain)
			fail_msg("who talks to %s is not told of the hold:%s",
				 s[i]->kind, path);
		if (v[i].listens && !in != !out && !in_vain)
			fail_msg("%s hears %s:%s", s[i]->kind,
				 in ? "not what comes" : "where nothing comes",
				 path);
	}
}

/* Everybody answers, and time passes: it must come to rest. */
static void comes_to_rest(void)
{
	v[0].f->refuse = v[1].f->refuse = 0;
	for (unsigned i = 0; i < 40 && !quiet(); i++) {
		for (unsigned k = 0; k < 2; k++) {
			if (v[k].ours)
				happens(k * NWHAT + TAKES);
			look();
		}
		if (!v[0].ours && !v[1].ours)
			happens(E_TIME);
		look();
	}
	if (!quiet())
		fail_msg("it never comes to rest:%s", path);
	believes_the_same();
}

static void has_ended(void)
{
	for (unsigned i = 0; i < 2; i++) {
		if (!told(v[i].f, GW_V_RELEASE))
			fail_msg("%s is not told of the end:%s",
				 v[i].web ? "the browser" : "the phone", path);
	}
	assert_int_equal(0, core.ncalls);
}

static bool phone_calls;

static void begin(void)
{
	assert_int_equal(0, setup(NULL));
	memset(v, 0, sizeof(v));
	v[phone_calls].web = true;
	v[0].listens = v[1].listens = true;
	v[0].version = v[1].version = 1;
	if (phone_calls) {
		call_from(&core_ops, "sip:alice@home",
			  describe(&v[0], "sendrecv", false));
		says(called, GW_V_ANSWER, GW_DESC_ANSWER,
		     describe(&v[1], "sendrecv", true));
	} else {
		call_from(&web_ops, "sip:phone@far",
			  describe(&v[0], "sendrecv", false));
		says(called, GW_V_ANSWER, GW_DESC_ANSWER,
		     describe(&v[1], "sendrecv", true));
	}
	v[0].f = caller;
	v[1].f = called;
	v[0].read = caller->nsaid;
	v[1].read = called->nsaid;
}

/* Runs @ev, with the next event that is possible in place of one that is not:
 * the last one always is. */
static void run(unsigned *ev)
{
	path[0] = '\0';
	in_vain = ends = false;
	begin();
	for (unsigned i = 0; i < LONGEST && !ends; i++) {
		while (!possible(ev[i]))
			ev[i]++;
		(void)snprintf(path + strlen(path), sizeof(path) - strlen(path),
			       " %c%u",
			       ev[i] < NWHAT       ? 'a'
			       : ev[i] < 2 * NWHAT ? 'b'
						   : 't',
			       ev[i] % NWHAT);
		happens(ev[i]);
		look();
		/* Whatever would follow is the same. */
		for (unsigned k = i + 1; ends && k < LONGEST; k++)
			ev[k] = E_EVENTS - 1;
	}
	if (ends)
		has_ended();
	else
		comes_to_rest();
	assert_int_equal(0, teardown(NULL));
}

static void every_sequence_within_a_call(void)
{
	unsigned ev[LONGEST] = { 0 }, ran = 0, at;

	do {
		run(ev);
		ran++;
		for (at = LONGEST; at > 0 && ev[at - 1] + 1 == E_EVENTS;)
			ev[--at] = 0;
		if (at)
			ev[at - 1]++;
	} while (at);
	assert_true(ran > (LONGEST == 6 ? 5000 : 100));
}

static void every_sequence_in_a_call_of_the_browser(void **s)
{
	(void)s;
	phone_calls = false;
	every_sequence_within_a_call();
}

static void every_sequence_in_a_call_of_the_phone(void **s)
{
	(void)s;
	phone_calls = true;
	every_sequence_within_a_call();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sequence_in_a_call_of_the_browser),
		cmocka_unit_test(every_sequence_in_a_call_of_the_phone),
	};

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
