/*
 * tests/unit/call_fakes.h - the world around a call, for tests of gateway/call
 *
 * Legs say what the test tells them to; media answers as media/context.c
 * does: a stream that was not reserved has no address, and to open its gate is
 * an error.  Clock, legs, media and front ends are fakes; calls, offer/answer,
 * sdp and routing are the real ones.  One test binary includes it.
 */
#ifndef CALL_FAKES_H
#define CALL_FAKES_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/call_priv.h"
#include "gateway/cdr.h"
#include "tests/unit/cm.h"

/* Events of a sequence, where all are tried; a sanitizer makes minutes of a
 * dozen seconds. */
#if defined(__SANITIZE_THREAD__)
#define LONGEST 4
#elif defined(__SANITIZE_ADDRESS__)
#define LONGEST 5
#else
#define LONGEST 6
#endif

/* ---- fakes ---- */

struct gw_loop {
	struct gw_timers *timers;
};

static uint64_t now_us;
static struct gw_loop loop;
static struct gw_core core;
static struct gw_settings set;

static inline uint64_t fake_clock(void *arg)
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
	char target[512];
	int refuse;     /* error that send() returns for an OFFER */
	bool cancelled; /* its own OFFER was taken back: the reply is dropped */
};

static struct fake_leg *caller, *called;
static unsigned legs_alive;

static inline int leg_send(struct gw_leg *leg, const struct gw_msg *msg)
{
	struct fake_leg *f = (struct fake_leg *)leg;

	if (msg->verb == GW_V_OFFER && f->refuse)
		return f->refuse;
	if (f->cancelled && msg->verb != GW_V_RELEASE) {
		f->cancelled = msg->verb == GW_V_OFFER;
		return msg->verb == GW_V_OFFER    ? -EAGAIN
		       : msg->verb == GW_V_ACCEPT ? -EPROTO
						  : 0;
	}
	if (f->nsaid < 64)
		f->said[f->nsaid++] = msg->verb;
	f->last = *msg;
	if (msg->desc.text)
		(void)snprintf(f->text, sizeof(f->text), "%.*s",
			       (int)msg->desc.len, msg->desc.text);
	if (msg->target.uri)
		(void)snprintf(f->target, sizeof(f->target), "%s",
			       msg->target.uri);
	if (msg->cause.text)
		(void)snprintf(f->cause_text, sizeof(f->cause_text), "%s",
			       msg->cause.text);
	return 0;
}

static inline void leg_free(struct gw_leg *leg)
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

static inline struct fake_leg *fake_leg(const struct gw_leg_ops *ops)
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

static int respect_error; /* of the next gw_respect_leg_new() */

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

/* What RESERVE made, as media/context.c keeps it. */
static unsigned reserved[GW_NTERMS + 1]; /* and the spare */

static inline void local_end(struct gw_end *end, const struct gw_media_cmd *cmd)
{
	unsigned t = cmd->term;

	*end = cmd->end;
	if (cmd->verb == GW_M_RESERVE)
		reserved[t] = cmd->end.nstream;
	end->nstream = (uint8_t)reserved[t];
	for (unsigned i = 0; i < end->nstream; i++) {
		struct gw_stream *st = &end->stream[i];

		st->ssrc = 1000 + i;
		if (cmd->end.transport != GW_TP_RTP || !st->ncodec)
			continue; /* a refused m-line gets no socket */
		(void)gw_addr_parse(&st->rtp, "192.0.2.1",
				    (uint16_t)(30000 + 100 * t + 2 * i));
		st->rtcp = st->rtp;
		st->rtcp.port++;
	}
	(void)snprintf(end->ufrag, sizeof(end->ufrag), "uf%u%u", t, restarts);
	(void)snprintf(end->pwd, sizeof(end->pwd), "passwordpasswordpassword%u",
		       restarts);
	memset(end->sha256, 0xab, sizeof(end->sha256));
	end->ncandidate = 1;
	(void)gw_addr_parse(&end->candidate[0].addr, "192.0.2.9", 40000);
	end->candidate[0].priority = 2130706431;
	(void)snprintf(end->candidate[0].foundation, 33, "1");
}

/* 0 or what the worker says in FAILED. */
static inline int gate_error(const struct gw_media_cmd *cmd)
{
	if (cmd->stream != 0xff && cmd->stream >= reserved[cmd->term] &&
	    cmd->gate)
		return -EINVAL;
	return 0;
}

/* The worker does what it was told, in order. */
static inline void media_works(void)
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
		case GW_M_TAKE:
			ev->type = GW_E_TAKEN;
			reserved[cmd->term] = reserved[GW_TERM_SPARE];
			break;
		case GW_M_GATE:
			ev->type = GW_E_FAILED;
			ev->error = gate_error(cmd);
			break;
		default:
			ev->type = GW_E_CONFIGURED;
		}
		if (cmd->verb != GW_M_DROP &&
		    (cmd->verb != GW_M_GATE || ev->error))
			gw_core_media_event(ev, &core);
		free(ev);
	}
}

static inline void pass_ms(uint64_t ms)
{
	now_us += ms * 1000;
	(void)gw_timers_run(loop.timers);
}

static inline int setup(void **s)
{
	(void)s;
	memset(&set, 0, sizeof(set));
	set.calls.max = 100;
	set.sip.ring_timeout_s = 60;
	set.sip.t1x64_ms = 32000;
	set.sip.precondition_timeout_s = 20;
	(void)snprintf(set.sip.core, sizeof(set.sip.core), "sip:core");
	(void)snprintf(set.calls.early_media, 8, "auto");
	set.media.dscp_audio = 46;
	set.media.dscp_video = 34;
	set.calls.no_path_s = 60;
	set.calls.path_lost_s = 30;
	(void)snprintf(set.calls.no_offer, 16, "gateway_offer");
	(void)snprintf(set.media.core_address, 46, "192.0.2.1");
	(void)snprintf(set.media.codec[0], 16, "opus");
	(void)snprintf(set.media.codec[1], 16, "PCMU");
	set.media.ncodec = 2;
	set.media.video = true;
	set.media.video_kbps = 2000;
	set.media.dscp_audio = 46;
	set.media.dscp_video = 34;
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
	memset(reserved, 0, sizeof(reserved));
	overloaded = false;
	respect_error = 0;
	caller = called = NULL;
	legs_alive = 0;
	return 0;
}

static inline int teardown(void **s)
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

static inline void says(struct fake_leg *f, enum gw_verb verb,
			enum gw_desc_role role, const char *text)
{
	struct gw_msg msg = { .verb = verb };

	if (text)
		msg.desc = (struct gw_desc){ role, text, strlen(text) };
	f->leg.handler(&f->leg, &msg, f->leg.arg);
	media_works();
}

static inline void releases(struct fake_leg *f, uint16_t status)
{
	struct gw_msg msg = { .verb = GW_V_RELEASE,
			      .cause = { .status = status } };

	f->leg.handler(&f->leg, &msg, f->leg.arg);
	media_works();
}

static inline void call_from(const struct gw_leg_ops *ops, const char *to,
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

static inline bool told(const struct fake_leg *f, enum gw_verb verb)
{
	return f->nsaid && f->said[f->nsaid - 1] == verb;
}

static inline unsigned times_told(const struct fake_leg *f, enum gw_verb verb)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->nsaid; i++)
		n += f->said[i] == verb;
	return n;
}

static inline enum gw_gate gate(enum gw_term term)
{
	enum gw_gate g = GW_GATE_CLOSED;

	for (unsigned i = 0; i < ncmd; i++) {
		if (cmds[i].verb == GW_M_GATE && cmds[i].term == term)
			g = (enum gw_gate)cmds[i].gate;
	}
	return g;
}

static inline const struct gw_media_cmd *configured(enum gw_term term)
{
	const struct gw_media_cmd *found = NULL;

	for (unsigned i = 0; i < ncmd; i++) {
		if (cmds[i].verb == GW_M_CONFIGURE && cmds[i].term == term)
			found = &cmds[i];
	}
	assert_non_null(found);
	return found;
}

static inline void browser_calls_phone(void)
{
	call_from(&web_ops, "sip:phone@far", web_offer);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
}

/* A phone whose resources are not there yet (RFC 3312) calls with @offer. */
static inline void phone_waits(const char *offer)
{
	struct gw_msg m = {
		.verb = GW_V_SETUP,
		.reliable = true,
		.asserted = {"sip:a@b",      NULL},
		.target = {             "sip:alice@home",          NULL   },
		.desc = { GW_DESC_OFFER, offer,    strlen(offer) }
	};

	(void)snprintf(set.sip.precondition, 12, "supported");
	caller = fake_leg(&core_ops);
	gw_core_incoming(&caller->leg, &m, &core);
	media_works();
}

#endif
