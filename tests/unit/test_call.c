/*
 * A call between two legs that say what the test tells them to, with media
 * that answers every reservation.  Clock, legs, media and front ends are
 * fakes; calls, offer/answer, sdp and routing are the real ones.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/call_priv.h"
#include "gateway/cdr.h"
#include "tests/unit/cm.h"

/* ---- fakes ---- */

struct gw_loop {
	struct gw_timers *timers;
};

static uint64_t now_us;
static struct gw_loop loop;
static struct gw_core core;
static struct gw_settings set;

static uint64_t fake_clock(void *arg)
{
	(void)arg;
	return now_us;
}

struct gw_timers *gw_loop_timers(struct gw_loop *l)
{
	return l->timers;
}

struct fake_leg {
	struct gw_leg leg;
	enum gw_verb said[64]; /* what the call told it */
	unsigned nsaid;
	struct gw_msg last;
	char text[4096]; /* the last description it got */
	char cause_text[160];
	int refuse; /* error that send() returns for an OFFER */
};

static struct fake_leg *caller, *called;
static unsigned legs_alive;

static int leg_send(struct gw_leg *leg, const struct gw_msg *msg)
{
	struct fake_leg *f = (struct fake_leg *)leg;

	if (msg->verb == GW_V_OFFER && f->refuse)
		return f->refuse;
	if (f->nsaid < 64)
		f->said[f->nsaid++] = msg->verb;
	f->last = *msg;
	if (msg->desc.text)
		(void)snprintf(f->text, sizeof(f->text), "%.*s",
			       (int)msg->desc.len, msg->desc.text);
	if (msg->cause.text)
		(void)snprintf(f->cause_text, sizeof(f->cause_text), "%s",
			       msg->cause.text);
	return 0;
}

static void leg_free(struct gw_leg *leg)
{
	/* The records stay for the test to read; only life ends. */
	struct fake_leg *f = (struct fake_leg *)leg;

	assert_non_null(f->leg.ops);
	f->leg.ops = NULL;
	legs_alive--;
}

static const struct gw_leg_ops web_ops = { "respect", GW_PROFILE_WEB, leg_send,
					   leg_free };
static const struct gw_leg_ops core_ops = { "ims", GW_PROFILE_CORE, leg_send,
					    leg_free };

static struct fake_leg *fake_leg(const struct gw_leg_ops *ops)
{
	struct fake_leg *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->leg.ops = ops;
	legs_alive++;
	return f;
}

int gw_ims_leg_new(struct gw_leg **out, struct gw_sip *sip)
{
	(void)sip;
	called = fake_leg(&core_ops);
	*out = &called->leg;
	return 0;
}

size_t gw_respect_endpoints(const struct gw_web *web, const char *uri,
			    const char *key,
			    char out[GW_WEB_ENDPOINTS][GW_WEB_KEY])
{
	(void)web;
	(void)uri;
	(void)snprintf(out[0], GW_WEB_KEY, "%s", key ? key : "one");
	return 1;
}
static int respect_error;

int gw_respect_leg_new(struct gw_leg **out, struct gw_web *web, const char *uri,
		       const char *key)
{
	(void)key;
	(void)web;
	(void)uri;
	if (respect_error)
		return respect_error;
	called = fake_leg(&web_ops);
	*out = &called->leg;
	return 0;
}

bool gw_web_is_registered(struct gw_web *web, const char *uri)
{
	(void)web;
	return !strcmp(uri, "sip:alice@home");
}

bool gw_web_is_user(struct gw_web *web, const char *uri)
{
	return gw_web_is_registered(web, uri);
}

void gw_web_set_draining(struct gw_web *web, uint16_t s)
{
	(void)web;
	(void)s;
}

void gw_sip_set_draining(struct gw_sip *sip, uint16_t s)
{
	(void)sip;
	(void)s;
}

static struct gw_media_cmd cmds[256];
static unsigned ncmd, nserved;
static bool overloaded;
static unsigned restarts;

gw_ctx_id gw_media_new_id(struct gw_media *m)
{
	static gw_ctx_id id;

	(void)m;
	return ++id;
}

int gw_media_post(struct gw_media *m, const struct gw_media_cmd *cmd)
{
	(void)m;
	if (overloaded)
		return -EAGAIN;
	assert_true(ncmd < 256);
	cmds[ncmd++] = *cmd;
	return 0;
}

static void local_end(struct gw_end *end, const struct gw_media_cmd *cmd)
{
	static uint8_t nstream[GW_NTERMS];

	*end = cmd->end;
	if (cmd->verb == GW_M_RESERVE)
		nstream[cmd->term] = cmd->end.nstream;
	end->nstream = nstream[cmd->term];
	for (unsigned i = 0; i < GW_MAX_STREAMS; i++) {
		(void)gw_addr_parse(
			&end->stream[i].rtp, "192.0.2.1",
			(uint16_t)(30000 + 100 * cmd->term + 2 * i));
		end->stream[i].rtcp = end->stream[i].rtp;
		end->stream[i].rtcp.port++;
		end->stream[i].ssrc = 1000 + i;
	}
	(void)snprintf(end->ufrag, sizeof(end->ufrag), "uf%u%u", cmd->term,
		       restarts);
	(void)snprintf(end->pwd, sizeof(end->pwd), "passwordpasswordpassword%u",
		       restarts);
	memset(end->sha256, 0xab, sizeof(end->sha256));
	end->ncandidate = 1;
	(void)gw_addr_parse(&end->candidate[0].addr, "192.0.2.9", 40000);
	end->candidate[0].priority = 2130706431;
	(void)snprintf(end->candidate[0].foundation, 33, "1");
}

/* The worker does what it was told, in order. */
static void media_works(void)
{
	while (nserved < ncmd) {
		const struct gw_media_cmd *cmd = &cmds[nserved++];
		struct gw_media_event *ev = calloc(1, sizeof(*ev));

		ev->ctx = cmd->ctx;
		ev->term = cmd->term;
		ev->serial = cmd->serial;
		switch (cmd->verb) {
		case GW_M_RESTART:
			restarts++;
			/* fall through */
		case GW_M_RESERVE:
			ev->type = GW_E_RESERVED;
			local_end(&ev->end, cmd);
			break;
		case GW_M_RELEASE:
			ev->type = GW_E_RELEASED;
			break;
		default:
			ev->type = GW_E_CONFIGURED;
		}
		if (cmd->verb != GW_M_GATE)
			gw_core_media_event(ev, &core);
		free(ev);
	}
}

static void pass_ms(uint64_t ms)
{
	now_us += ms * 1000;
	(void)gw_timers_run(loop.timers);
}

static int setup(void **s)
{
	(void)s;
	memset(&set, 0, sizeof(set));
	set.calls.max = 100;
	set.calls.no_path_s = 60;
	set.calls.path_lost_s = 30;
	set.sip.ring_timeout_s = 60;
	set.sip.t1x64_ms = 32000;
	(void)snprintf(set.sip.core, sizeof(set.sip.core), "sip:core");
	(void)snprintf(set.calls.early_media, 8, "auto");
	(void)snprintf(set.calls.no_offer, 16, "gateway_offer");
	(void)snprintf(set.media.core_address, 46, "192.0.2.1");
	(void)snprintf(set.media.codec[0], 16, "opus");
	(void)snprintf(set.media.codec[1], 16, "PCMU");
	set.media.ncodec = 2;
	(void)snprintf(set.route[0].match, 128, "echo");
	(void)snprintf(set.route[0].leg, 16, "echo");
	set.nroute = 1;

	now_us = 1000000;
	assert_int_equal(0, gw_timers_new(&loop.timers, fake_clock, NULL));
	memset(&core, 0, sizeof(core));
	core.loop = &loop;
	core.set = &set;
	core.sip = (struct gw_sip *)&core; /* never looked into */
	assert_int_equal(0, gw_cdr_new(&core.cdr, ""));
	ncmd = nserved = restarts = 0;
	overloaded = false;
	respect_error = 0;
	caller = called = NULL;
	legs_alive = 0;
	return 0;
}

static int teardown(void **s)
{
	(void)s;
	gw_core_release_all(&core, 503, "test ends");
	media_works();
	pass_ms(10000);
	media_works();
	assert_int_equal(0, core.ncalls);
	assert_int_equal(0, legs_alive);
	assert_int_equal(0, gw_timers_count(loop.timers));
	gw_timers_free(loop.timers);
	gw_cdr_free(core.cdr);
	free(caller);
	free(called);
	return 0;
}

/* ---- what the peers say ---- */

#define WEB_HEAD(v, uf, fp)                                                    \
	"v=0\r\no=- 5 " v " IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"              \
	"a=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 110 126\r\n"  \
	"c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:" uf       \
	"\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 " fp  \
	":8B:8C:8D:8E:8F:90:91:92:93:94:95:96:97:98:99:9A:9B:9C:9D:9E:9F:A0:"  \
	"A1:A2:A3:A4:A5:A6:A7:A8:A9\r\n"
#define WEB_CODECS                                                             \
	"a=mid:0\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"               \
	"a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:0 PCMU/8000\r\n"    \
	"a=rtpmap:8 PCMA/8000\r\na=rtpmap:110 telephone-event/48000\r\n"       \
	"a=rtpmap:126 telephone-event/8000\r\n"

static const char web_offer[] = WEB_HEAD(
	"1", "abcd", "8A") "a=setup:actpass\r\na=sendrecv\r\n" WEB_CODECS;
static const char web_answer[] = WEB_HEAD(
	"1", "abcd", "8A") "a=setup:active\r\na=sendrecv\r\n" WEB_CODECS;
static const char web_hold[] = WEB_HEAD(
	"2", "abcd", "8A") "a=setup:actpass\r\na=sendonly\r\n" WEB_CODECS;
static const char web_restart[] = WEB_HEAD(
	"3", "wxyz", "8A") "a=setup:actpass\r\na=sendrecv\r\n" WEB_CODECS;
static const char web_reload[] = WEB_HEAD(
	"1", "qqqq", "01") "a=setup:actpass\r\na=sendrecv\r\n" WEB_CODECS;

#define SIP_SDP(v, addr, dir)                                                  \
	"v=0\r\no=- 7 " v " IN IP4 " addr "\r\ns=-\r\nc=IN IP4 " addr          \
	"\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"  \
	"a=rtpmap:101 telephone-event/8000\r\na=" dir "\r\n"

static const char sip_sdp[] = SIP_SDP("1", "198.51.100.7", "sendrecv");
static const char sip_recvonly[] = SIP_SDP("2", "198.51.100.7", "recvonly");
static const char sip_hold[] = SIP_SDP("2", "198.51.100.7", "sendonly");

static void says(struct fake_leg *f, enum gw_verb verb, enum gw_desc_role role,
		 const char *text)
{
	struct gw_msg msg = { .verb = verb };

	if (text)
		msg.desc = (struct gw_desc){ role, text, strlen(text) };
	f->leg.handler(&f->leg, &msg, f->leg.arg);
	media_works();
}

static void releases(struct fake_leg *f, uint16_t status)
{
	struct gw_msg msg = { .verb = GW_V_RELEASE,
			      .cause = { .status = status } };

	f->leg.handler(&f->leg, &msg, f->leg.arg);
	media_works();
}

static void call_from(const struct gw_leg_ops *ops, const char *to,
		      const char *offer)
{
	struct gw_msg msg = {
		.verb = GW_V_SETUP,
		.asserted = {"sip:a@b", "A B"},
		.target = { to,       NULL },
	};

	if (offer)
		msg.desc =
			(struct gw_desc){ GW_DESC_OFFER, offer, strlen(offer) };
	caller = fake_leg(ops);
	gw_core_incoming(&caller->leg, &msg, &core);
	media_works();
}

static bool told(const struct fake_leg *f, enum gw_verb verb)
{
	return f->nsaid && f->said[f->nsaid - 1] == verb;
}

static unsigned times_told(const struct fake_leg *f, enum gw_verb verb)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->nsaid; i++)
		n += f->said[i] == verb;
	return n;
}

static enum gw_gate gate(enum gw_term term)
{
	enum gw_gate g = GW_GATE_CLOSED;

	for (unsigned i = 0; i < ncmd; i++) {
		if (cmds[i].verb == GW_M_GATE && cmds[i].term == term)
			g = (enum gw_gate)cmds[i].gate;
	}
	return g;
}

static const struct gw_media_cmd *configured(enum gw_term term)
{
	const struct gw_media_cmd *found = NULL;

	for (unsigned i = 0; i < ncmd; i++) {
		if (cmds[i].verb == GW_M_CONFIGURE && cmds[i].term == term)
			found = &cmds[i];
	}
	assert_non_null(found);
	return found;
}

static void browser_calls_phone(void)
{
	call_from(&web_ops, "sip:phone@far", web_offer);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
}

/* ---- set-up ---- */

static void a_browser_calls_a_phone(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	assert_true(told(called, GW_V_SETUP));
	assert_non_null(strstr(called->text, "RTP/AVP"));
	assert_null(strstr(called->text, "fingerprint"));
	assert_null(strstr(called->text, "candidate"));
	says(called, GW_V_PROGRESS, GW_DESC_NONE, NULL);
	assert_true(told(caller, GW_V_PROGRESS));
	assert_int_equal(GW_GATE_CLOSED, gate(GW_TERM_A));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	assert_true(told(caller, GW_V_ANSWER));
	assert_int_equal(GW_DESC_ANSWER, caller->last.desc.role);
	assert_non_null(strstr(caller->text, "a=setup:passive"));
	assert_non_null(strstr(caller->text, "PCMU/8000"));
	assert_null(strstr(caller->text, "opus"));
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_A));
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
	assert_int_equal(GW_DTLS_ACTIVE, configured(GW_TERM_A)->end.setup);
	assert_int_equal(4000, configured(GW_TERM_B)->end.stream[0].rtp.port);
}

static void a_phone_calls_a_browser(void **s)
{
	(void)s;
	call_from(&core_ops, "sip:alice@home", sip_sdp);
	assert_true(told(called, GW_V_SETUP));
	assert_non_null(strstr(called->text, "a=setup:actpass"));
	assert_non_null(strstr(called->text, "a=fingerprint:sha-256"));
	says(called, GW_V_PROGRESS, GW_DESC_NONE, NULL);
	/* The browser answers with what it was offered. */
	says(called, GW_V_ANSWER, GW_DESC_ANSWER,
	     "v=0\r\no=- 5 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
	     "a=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0 101\r\n"
	     "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n"
	     "a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 "
	     "8A:8B:8C:8D:8E:8F:90:91:92:93:94:95:96:97:98:99:9A:9B:9C:9D:9E:"
	     "9F:A0:A1:A2:A3:A4:A5:A6:A7:A8:A9\r\na=setup:active\r\na=mid:0\r\n"
	     "a=sendrecv\r\na=rtcp-mux\r\na=rtpmap:0 PCMU/8000\r\n"
	     "a=rtpmap:101 telephone-event/8000\r\n");
	assert_true(told(caller, GW_V_ANSWER));
	assert_null(strstr(caller->text, "ice-"));
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
	releases(caller, 200);
	assert_true(told(called, GW_V_RELEASE));
	assert_int_equal(200, called->last.cause.status);
}

static void a_browser_without_an_offer_is_asked_first(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", NULL);
	assert_true(told(caller, GW_V_OFFER));
	assert_null(called->nsaid ? "set up too early" : NULL);
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	assert_true(told(called, GW_V_SETUP));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	/* It had agreed to Opus, the phone has PCMU: it is offered fewer. */
	assert_int_equal(1, times_told(caller, GW_V_ANSWER));
	assert_true(told(caller, GW_V_OFFER));
	assert_null(strstr(caller->text, "opus"));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
}

static void an_invite_without_sdp_gets_the_offer_in_its_200(void **s)
{
	(void)s;
	call_from(&core_ops, "sip:alice@home", NULL);
	assert_true(told(called, GW_V_SETUP));
	assert_non_null(strstr(called->text, "opus"));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_answer);
	assert_true(told(caller, GW_V_ANSWER));
	assert_int_equal(GW_DESC_OFFER, caller->last.desc.role);
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, sip_sdp);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
	assert_true(told(called, GW_V_OFFER)); /* narrowed to PCMU */
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_A));
}

static void a_late_offer_passes_through_when_configured(void **s)
{
	(void)s;
	(void)snprintf(set.calls.no_offer, 16, "late_offer");
	call_from(&web_ops, "sip:phone@far", NULL);
	assert_true(told(called, GW_V_SETUP));
	assert_int_equal(GW_DESC_NONE, called->last.desc.role);
	says(called, GW_V_ANSWER, GW_DESC_OFFER, sip_sdp);
	assert_true(told(caller, GW_V_OFFER));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	assert_true(told(called, GW_V_ACCEPT));
	assert_non_null(strstr(called->text, "m=audio 30100 RTP/AVP 0"));
	assert_true(told(caller, GW_V_ANSWER));
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
}

static void an_echo_answers_by_itself(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:echo@home", web_offer);
	pass_ms(0);
	media_works();
	assert_true(told(caller, GW_V_ANSWER));
	assert_non_null(strstr(caller->text, "opus/48000/2"));
	assert_int_equal(GW_TP_RESOURCE, configured(GW_TERM_B)->end.transport);
	assert_true(configured(GW_TERM_B)->end.stream[0].ncodec > 0);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
}

static void two_browsers_are_joined(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:alice@home", web_offer);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_answer);
	assert_non_null(strstr(caller->text, "opus/48000/2"));
	assert_int_equal(GW_TP_DTLS, configured(GW_TERM_B)->end.transport);
}

/* ---- failure ---- */

static void a_refusal_reaches_the_caller_as_it_is(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	releases(called, 486);
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(486, caller->last.cause.status);
}

static void a_caller_who_gives_up_ends_the_called_leg(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	releases(caller, 487);
	assert_true(told(called, GW_V_RELEASE));
	assert_int_equal(0, core.ncalls);
}

static void nonsense_is_refused_before_anyone_rings(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", "garbage");
	assert_null(called);
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(400, caller->last.cause.status);
	assert_non_null(strstr(caller->cause_text, "SDP"));
}

static void an_unknown_target_is_refused(void **s)
{
	(void)s;
	set.sip.core[0] = '\0';
	call_from(&web_ops, "sip:nobody@far", web_offer);
	assert_int_equal(404, caller->last.cause.status);
}

static void who_is_not_back_after_a_crash_is_tried_later(void **s)
{
	(void)s;
	respect_error = -EHOSTDOWN;
	call_from(&core_ops, "sip:alice@home", sip_sdp);
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(480, caller->last.cause.status);
	assert_true(caller->last.cause.retry_after_s > 0);
	assert_null(called);
}

static void an_answer_without_a_common_codec_ends_both(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER,
	     "v=0\r\no=- 7 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\n"
	     "t=0 0\r\nm=audio 4000 RTP/AVP 3\r\n");
	assert_int_equal(488, caller->last.cause.status);
	assert_true(told(called, GW_V_RELEASE));
}

static void overloaded_media_is_503(void **s)
{
	(void)s;
	overloaded = true;
	call_from(&web_ops, "sip:phone@far", web_offer);
	assert_int_equal(503, caller->last.cause.status);
	pass_ms(1);
	assert_int_equal(0, core.ncalls);
}

static void nobody_answers_and_the_call_ends(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	pass_ms(63000);
	assert_int_equal(408, caller->last.cause.status);
	assert_true(told(called, GW_V_RELEASE));
}

static unsigned empty;

static void when_empty(void *arg)
{
	(void)arg;
	empty++;
}

static void draining_refuses_and_tells_when_empty(void **s)
{
	struct fake_leg *first_caller, *first;

	(void)s;
	empty = 0;
	browser_calls_phone();
	first_caller = caller;
	first = called;
	gw_core_drain(&core, 30, when_empty, NULL);
	call_from(&web_ops, "sip:phone@far", web_offer);
	assert_int_equal(503, caller->last.cause.status);
	assert_int_equal(30, caller->last.cause.retry_after_s);
	pass_ms(1);
	assert_int_equal(0, empty);
	releases(first, 200);
	assert_int_equal(0, core.ncalls);
	assert_int_equal(1, empty);
	free(first_caller);
}

/* ---- early media ---- */

static void progress(const char *sdp, bool authorised)
{
	struct gw_msg msg = {
		.verb = GW_V_PROGRESS,
		.early_media = authorised,
		.desc = {GW_DESC_EARLY_ANSWER, sdp, strlen(sdp)},
	};

	called->leg.handler(&called->leg, &msg, called->leg.arg);
	media_works();
}

static void early_media_waits_for_its_authorisation(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	progress(sip_sdp, false);
	assert_int_equal(GW_DESC_NONE, caller->last.desc.role);
	assert_int_equal(GW_GATE_CLOSED, gate(GW_TERM_A));
	progress(sip_sdp, true);
	assert_int_equal(GW_DESC_EARLY_ANSWER, caller->last.desc.role);
	assert_int_equal(GW_GATE_OUT, gate(GW_TERM_A));
	assert_int_equal(GW_GATE_IN, gate(GW_TERM_B));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	assert_true(told(caller, GW_V_ANSWER));
	assert_int_equal(GW_DESC_NONE, caller->last.desc.role);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_A));
}

static void another_fork_wins_and_the_browser_keeps_its_description(void **s)
{
	static const char pcma[] =
		"v=0\r\no=- 9 1 IN IP4 198.51.100.8\r\ns=-\r\nc=IN IP4 "
		"198.51.100.8\r\nt=0 0\r\nm=audio 5000 RTP/AVP 8 101\r\n"
		"a=rtpmap:101 telephone-event/8000\r\n";

	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	progress(sip_sdp, true);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, pcma);
	assert_int_equal(5000, configured(GW_TERM_B)->end.stream[0].rtp.port);
	assert_int_equal(1, times_told(caller, GW_V_ANSWER));
	/* PCMU was agreed with the browser; the winner has PCMA. */
	assert_true(told(caller, GW_V_OFFER));
	assert_non_null(strstr(caller->text, "PCMA"));
	assert_non_null(strstr(caller->text, "a=ice-ufrag:uf00"));
}

/* ---- offers within the session ---- */

static void hold_is_forwarded_and_answered(void **s)
{
	(void)s;
	browser_calls_phone();
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(called, GW_V_OFFER));
	assert_true(called->last.held);
	assert_non_null(strstr(called->text, "a=sendonly"));
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, sip_recvonly);
	assert_true(told(caller, GW_V_ACCEPT));
	assert_non_null(strstr(caller->text, "a=recvonly"));
	assert_int_equal(GW_GATE_IN, gate(GW_TERM_A));
	assert_int_equal(GW_GATE_OUT, gate(GW_TERM_B));
}

static void a_phone_that_holds_is_shown_to_the_browser(void **s)
{
	(void)s;
	browser_calls_phone();
	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_hold);
	assert_true(told(caller, GW_V_OFFER));
	assert_true(caller->last.held);
	assert_non_null(strstr(caller->text, "a=sendonly"));
	assert_non_null(strstr(caller->text, "a=mid:0"));
}

static void an_ice_restart_stays_on_the_web_side(void **s)
{
	(void)s;
	browser_calls_phone();
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_restart);
	assert_int_equal(0, times_told(called, GW_V_OFFER));
	assert_int_equal(1, restarts);
	assert_true(told(caller, GW_V_ACCEPT));
	assert_non_null(strstr(caller->text, "a=ice-ufrag:uf01"));
	assert_string_equal("wxyz", configured(GW_TERM_A)->end.ufrag);
}

static void a_reloaded_page_gets_a_new_association(void **s)
{
	(void)s;
	browser_calls_phone();
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_reload);
	assert_int_equal(0, times_told(called, GW_V_OFFER));
	assert_true(told(caller, GW_V_ACCEPT));
	assert_int_equal(0x01, configured(GW_TERM_A)->end.sha256[0]);
	assert_non_null(strstr(caller->text, "a=setup:passive"));
}

static void a_refresh_is_answered_here(void **s)
{
	(void)s;
	browser_calls_phone();
	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_sdp);
	assert_true(told(called, GW_V_ACCEPT));
	assert_int_equal(0, times_told(caller, GW_V_OFFER));
}

static void a_refused_change_changes_nothing(void **s)
{
	struct gw_msg no = { .verb = GW_V_REFUSE, .cause = { .status = 488 } };

	(void)s;
	browser_calls_phone();
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	called->leg.handler(&called->leg, &no, called->leg.arg);
	media_works();
	assert_true(told(caller, GW_V_REFUSE));
	assert_int_equal(488, caller->last.cause.status);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_A));
	assert_int_equal(GW_OA_STABLE, core.calls->a.oa.state);
	assert_int_equal(GW_OA_STABLE, core.calls->b.oa.state);
	/* And the next one works. */
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(called, GW_V_OFFER));
}

static void crossing_offers_get_491(void **s)
{
	(void)s;
	browser_calls_phone();
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_hold);
	assert_true(told(called, GW_V_REFUSE));
	assert_int_equal(491, called->last.cause.status);
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, sip_recvonly);
	assert_true(told(caller, GW_V_ACCEPT));
}

static void a_leg_busy_with_its_own_offer_refuses_ours(void **s)
{
	(void)s;
	browser_calls_phone();
	called->refuse = -EAGAIN;
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(caller, GW_V_REFUSE));
	assert_int_equal(491, caller->last.cause.status);
	assert_int_equal(GW_OA_STABLE, core.calls->b.oa.state);
}

static void a_reinvite_without_sdp_gets_an_offer(void **s)
{
	(void)s;
	browser_calls_phone();
	says(called, GW_V_OFFER, GW_DESC_NONE, NULL);
	assert_true(told(called, GW_V_ACCEPT));
	assert_int_equal(GW_DESC_OFFER, called->last.desc.role);
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, sip_sdp);
	assert_int_equal(GW_OA_STABLE, core.calls->b.oa.state);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
}

/* ---- everything at random ---- */

static uint32_t seed;

static unsigned roll(unsigned n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 10) % n;
}

static void random_event(void)
{
	static const char *const texts[] = {
		web_offer, web_answer, web_hold,     web_restart, web_reload,
		sip_sdp,   sip_hold,   sip_recvonly, "garbage",   NULL,
	};
	static const enum gw_verb verbs[] = {
		GW_V_PROGRESS, GW_V_ANSWER, GW_V_OFFER,
		GW_V_ACCEPT,   GW_V_REFUSE, GW_V_INFO,
	};
	struct fake_leg *f = roll(2) ? caller : called;
	struct gw_msg msg = { .verb = verbs[roll(6)] };
	const char *text = texts[roll(10)];

	if (!f || !f->leg.ops || !core.ncalls)
		return;
	if (roll(12) == 0)
		msg.verb = GW_V_RELEASE;
	if (text && msg.verb != GW_V_RELEASE) {
		msg.desc.text = text;
		msg.desc.len = strlen(text);
		msg.desc.role = roll(2) ? GW_DESC_OFFER : GW_DESC_ANSWER;
	}
	msg.cause.status = 491;
	f->refuse = roll(8) ? 0 : -EAGAIN;
	f->nsaid = 0;
	f->leg.handler(&f->leg, &msg, f->leg.arg);
	if (roll(3))
		media_works();
	if (roll(4) == 0)
		pass_ms(roll(5000));
}

static void random_scripts_leave_nothing_behind(void **s)
{
	(void)s;
	for (uint32_t n = 0; n < 3000; n++) {
		const struct gw_leg_ops *ops;
		static const char *const to[] = { "sip:phone@far",
						  "sip:alice@home",
						  "sip:echo@home" };

		seed = n + 1;
		free(caller);
		free(called);
		caller = called = NULL;
		ncmd = nserved = 0;
		(void)snprintf(set.calls.no_offer, 16, "%s",
			       roll(2) ? "late_offer" : "gateway_offer");
		ops = roll(2) ? &web_ops : &core_ops;
		call_from(ops, to[roll(3)],
			  roll(4) ? (ops == &web_ops ? web_offer : sip_sdp)
				  : NULL);
		for (unsigned i = 0; i < 12 && ncmd < 200; i++)
			random_event();
		gw_core_release_all(&core, 503, "over");
		media_works();
		pass_ms(5000);
		if (core.ncalls || legs_alive)
			fail_msg("script %u left %u calls, %u legs", n,
				 core.ncalls, legs_alive);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_browser_calls_a_phone),
		T(a_phone_calls_a_browser),
		T(a_browser_without_an_offer_is_asked_first),
		T(an_invite_without_sdp_gets_the_offer_in_its_200),
		T(a_late_offer_passes_through_when_configured),
		T(an_echo_answers_by_itself),
		T(two_browsers_are_joined),
		T(a_refusal_reaches_the_caller_as_it_is),
		T(a_caller_who_gives_up_ends_the_called_leg),
		T(nonsense_is_refused_before_anyone_rings),
		T(an_unknown_target_is_refused),
		T(an_answer_without_a_common_codec_ends_both),
		T(who_is_not_back_after_a_crash_is_tried_later),
		T(overloaded_media_is_503),
		T(nobody_answers_and_the_call_ends),
		T(draining_refuses_and_tells_when_empty),
		T(early_media_waits_for_its_authorisation),
		T(another_fork_wins_and_the_browser_keeps_its_description),
		T(hold_is_forwarded_and_answered),
		T(a_phone_that_holds_is_shown_to_the_browser),
		T(an_ice_restart_stays_on_the_web_side),
		T(a_reloaded_page_gets_a_new_association),
		T(a_refresh_is_answered_here),
		T(a_refused_change_changes_nothing),
		T(crossing_offers_get_491),
		T(a_leg_busy_with_its_own_offer_refuses_ours),
		T(a_reinvite_without_sdp_gets_an_offer),
		T(random_scripts_leave_nothing_behind),
	};

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
