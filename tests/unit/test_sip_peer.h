/*
 * A SIP peer made of one UDP socket and string handling, and a leg that notes
 * what it is told: both ends of sip/ in one thread, on loopback.
 *
 * The peer takes each packet once (retransmissions are byte for byte the same
 * and skipped); waiting always steps the loop, and fails the test in the end.
 */
#ifndef TEST_SIP_PEER_H
#define TEST_SIP_PEER_H

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "gateway/base/buf.h"
#include "gateway/base/log.h"
#include "gateway/base/loop.h"
#include "gateway/base/metrics.h"
#include "sip/sip.h"
#include "tests/unit/metric.h"

#define OFFER    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=offer\r\n"
#define ANSWER   "v=0\r\no=- 2 1 IN IP4 192.0.2.2\r\ns=answer\r\n"
#define SDP_TYPE "Content-Type: application/sdp\r\n"
#define WAIT_MS  6000
#define SEEN     64

struct packet {
	char text[8192];
};

struct told {
	enum gw_verb verb;
	uint32_t branch;
	enum gw_desc_role role;
	char sdp[256];
	char asserted[256], display[128], target[256];
	bool privacy, early_media, early_both, no_early_media;
	uint32_t early_mute, early_deaf;
	bool elsewhere, sip, firm, may_ask, emergency, reliable, waits;
	enum gw_alert alert;
	unsigned status, retry_after_s;
	char text[160];
	char type[64], content[128];
	char registration[24];
};

struct fix {
	struct gw_loop *loop;
	struct gw_sip *sip;
	struct gw_settings set;
	struct gw_leg *leg;
	struct told told[32];
	unsigned ntold, taken;
	int fd;
	uint16_t port; /* the peer's; the gateway's is one below */
	uint32_t seen[SEEN];
	unsigned nseen;
	/* the dialog as the peer knows it */
	char call_id[128], local_tag[32], remote_tag[64], target[160];
	unsigned cseq;
	gw_leg_incoming_h *incoming; /* NULL: on_incoming() */
	bool refuse_at_once;
	const char *answers; /* what an OFFER without description gets, at
				once; NULL: the test does it */
};

static inline void note(struct fix *f, const struct gw_msg *m)
{
	struct told *t = &f->told[f->ntold];

	assert_true(f->ntold < 32);
	memset(t, 0, sizeof(*t));
	f->ntold++;
	t->verb = m->verb;
	t->branch = m->branch;
	t->role = m->desc.role;
	if (m->desc.text)
		(void)snprintf(t->sdp, sizeof(t->sdp), "%.*s", (int)m->desc.len,
			       m->desc.text);
	if (m->asserted.uri)
		(void)snprintf(t->asserted, sizeof(t->asserted), "%s",
			       m->asserted.uri);
	if (m->asserted.display)
		(void)snprintf(t->display, sizeof(t->display), "%s",
			       m->asserted.display);
	if (m->target.uri)
		(void)snprintf(t->target, sizeof(t->target), "%s",
			       m->target.uri);
	if (m->registration)
		(void)snprintf(t->registration, sizeof(t->registration), "%s",
			       m->registration);
	t->privacy = m->privacy;
	t->early_media = m->early_media;
	t->early_both = m->early_both;
	t->no_early_media = m->no_early_media;
	t->early_mute = m->early_mute;
	t->early_deaf = m->early_deaf;
	t->firm = m->firm;
	t->may_ask = m->may_ask;
	t->reliable = m->reliable;
	t->waits = m->waits;
	t->alert = m->alert;
	t->status = m->cause.status;
	t->retry_after_s = m->cause.retry_after_s;
	t->elsewhere = m->cause.elsewhere;
	t->emergency = m->cause.emergency;
	t->sip = m->cause.sip;
	if (m->cause.text)
		(void)snprintf(t->text, sizeof(t->text), "%s", m->cause.text);
	if (m->content_type) {
		(void)snprintf(t->type, sizeof(t->type), "%s", m->content_type);
		(void)snprintf(t->content, sizeof(t->content), "%.*s",
			       (int)m->content_len, (const char *)m->content);
	}
}

static inline void on_leg(struct gw_leg *leg, const struct gw_msg *m, void *arg)
{
	struct fix *f = arg;

	note(f, m);
	if (m->verb == GW_V_OFFER && !m->desc.text && f->answers) {
		const struct gw_msg yes = {
			.verb = GW_V_ACCEPT,
			.desc = {GW_DESC_OFFER, f->answers,
                                 strlen(f->answers)},
		};

		assert_int_equal(gw_leg_send(leg, &yes), 0);
	}
	if (m->verb == GW_V_RELEASE && leg == f->leg) {
		f->leg = NULL;
		gw_leg_free(leg);
	}
}

static inline void on_incoming(struct gw_leg *leg, const struct gw_msg *setup,
			       void *arg)
{
	struct fix *f = arg;
	struct gw_msg no = { .verb = GW_V_RELEASE };

	note(f, setup);
	if (f->refuse_at_once) {
		no.cause.status = 486;
		no.cause.text = "the \"line\" is busy";
		assert_int_equal(gw_leg_send(leg, &no), 0);
		gw_leg_free(leg);
		return;
	}
	assert_null(f->leg);
	f->leg = leg;
	leg->handler = on_leg;
	leg->arg = f;
}

static inline void fix_listen(struct fix *f, const char *more)
{
	char core[64];

	(void)snprintf(core, sizeof(core), "sip:127.0.0.1:%u", f->port);
	memset(&f->set, 0, sizeof(f->set));
	(void)snprintf(f->set.sip.listen[0], 96,
		       "sip:127.0.0.1:%u;transport=udp", f->port - 1);
	f->set.sip.nlisten = 1;
	if (more) {
		(void)snprintf(f->set.sip.listen[1], 96, "%s", more);
		f->set.sip.nlisten = 2;
	}
	(void)snprintf(f->set.sip.core, sizeof(f->set.sip.core), "%s", core);
	(void)snprintf(f->set.sip.domain, sizeof(f->set.sip.domain),
		       "ims.test");
	(void)snprintf(f->set.sip.user_agent, sizeof(f->set.sip.user_agent),
		       "test");
	f->set.sip.ring_timeout_s = 30;
	f->set.sip.t1_ms = 40;
	f->set.sip.t1x64_ms = 600;
}

static inline void fix_start(struct fix *f)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(f->port) };

	assert_int_equal(gw_loop_new(&f->loop, NULL, NULL), 0);
	assert_int_equal(gw_sip_new(&f->sip, f->loop, &f->set,
				    f->incoming ? f->incoming : on_incoming, f),
			 0);
	f->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(f->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	(void)snprintf(f->local_tag, sizeof(f->local_tag), "peer");
	f->cseq = 100;
}

static inline void fix_stop(struct fix *f)
{
	if (f->leg)
		gw_leg_free(f->leg);
	gw_sip_free(f->sip);
	gw_loop_free(f->loop);
	(void)close(f->fd);
}

/* --- packets --------------------------------------------------------------- */

static inline void send_text(struct fix *f, const char *text)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)(f->port - 1)) };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(sendto(f->fd, text, strlen(text), 0, (struct sockaddr *)&to,
			   sizeof(to)) > 0);
}

static inline bool first_time(struct fix *f, const char *text)
{
	uint32_t h = 2166136261u;

	for (const char *p = text; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	for (unsigned i = 0; i < f->nseen && i < SEEN; i++) {
		if (f->seen[i] == h)
			return false;
	}
	f->seen[f->nseen++ % SEEN] = h;
	return true;
}

static inline bool poll_packet(struct fix *f, struct packet *p)
{
	ssize_t n;

	while ((n = recv(f->fd, p->text, sizeof(p->text) - 1, 0)) > 0) {
		p->text[n] = '\0';
		if (first_time(f, p->text))
			return true;
	}
	return false;
}

static inline void get_packet(struct fix *f, struct packet *p)
{
	uint64_t end = gw_clock_monotonic_us(NULL) + WAIT_MS * 1000;

	while (!poll_packet(f, p)) {
		if (gw_clock_monotonic_us(NULL) > end)
			fail_msg("no packet came");
		gw_loop_step(f->loop, 5);
	}
}

/* The next new packet begins with @start. */
static inline void expect(struct fix *f, struct packet *p, const char *start)
{
	get_packet(f, p);
	if (strncmp(p->text, start, strlen(start)) != 0)
		fail_msg("expected %s, got %s", start, p->text);
}

/* Nothing new for @ms. */
static inline void expect_silence(struct fix *f, unsigned ms)
{
	uint64_t end = gw_clock_monotonic_us(NULL) + ms * 1000;
	struct packet p;

	while (gw_clock_monotonic_us(NULL) < end) {
		if (poll_packet(f, &p))
			fail_msg("unexpected %s", p.text);
		gw_loop_step(f->loop, 5);
	}
}

/* Value of the first header @name, in a static ring of buffers; "" if none. */
static inline const char *header(const struct packet *p, const char *name)
{
	static char ring[8][1024];
	static unsigned at;
	char *out = ring[at++ % 8], *eol;
	size_t n = strlen(name);
	const char *line = p->text;

	*out = '\0';
	while ((line = strstr(line, "\r\n")) && strncmp(line, "\r\n\r\n", 4)) {
		line += 2;
		if (!strncasecmp(line, name, n) && line[n] == ':') {
			line += n + 1;
			line += strspn(line, " ");
			(void)snprintf(out, 1024, "%.1000s", line);
			eol = strstr(out, "\r\n");
			if (eol)
				*eol = '\0';
			break;
		}
	}
	return out;
}

static inline const char *body(const struct packet *p)
{
	const char *at = strstr(p->text, "\r\n\r\n");

	return at ? at + 4 : "";
}

static inline const char *uri_of(const char *name_addr)
{
	static char out[160];
	const char *lt = strchr(name_addr, '<');

	(void)snprintf(out, sizeof(out), "%s", lt ? lt + 1 : name_addr);
	out[strcspn(out, ">")] = '\0';
	return out;
}

static inline void tag_of(char *out, size_t size, const char *name_addr)
{
	const char *at = strstr(name_addr, ";tag=");

	(void)snprintf(out, size, "%s", at ? at + 5 : "");
	out[strcspn(out, ";")] = '\0';
}

/* Answer @rq.  @tag: our To tag when the request has none. */
static inline void reply(struct fix *f, const struct packet *rq, int status,
			 const char *tag, const char *headers, const char *sdp)
{
	const char *to = header(rq, "To");
	char text[8192];

	(void)snprintf(
		text, sizeof(text),
		"SIP/2.0 %d Whatever\r\nVia: %s\r\nFrom: %s\r\nTo: %s%s%s\r\n"
		"Call-ID: %s\r\nCSeq: %s\r\nContact: "
		"<sip:peer@127.0.0.1:%u>\r\n"
		"%s%sContent-Length: %zu\r\n\r\n%s",
		status, header(rq, "Via"), header(rq, "From"), to,
		tag && !strstr(to, ";tag=") ? ";tag=" : "",
		tag && !strstr(to, ";tag=") ? tag : "", header(rq, "Call-ID"),
		header(rq, "CSeq"), f->port, headers ? headers : "",
		sdp ? SDP_TYPE : "", sdp ? strlen(sdp) : 0, sdp ? sdp : "");
	send_text(f, text);
}

/* The dialog of a call that the gateway made, with the fork @tag. */
static inline void dialog_from_invite(struct fix *f, const struct packet *inv,
				      const char *tag)
{
	(void)snprintf(f->call_id, sizeof(f->call_id), "%s",
		       header(inv, "Call-ID"));
	tag_of(f->remote_tag, sizeof(f->remote_tag), header(inv, "From"));
	(void)snprintf(f->local_tag, sizeof(f->local_tag), "%s", tag);
	(void)snprintf(f->target, sizeof(f->target), "%s",
		       uri_of(header(inv, "Contact")));
}

/* The dialog of a call that the peer made, from a response with a tag. */
static inline void dialog_from_response(struct fix *f, const struct packet *r)
{
	tag_of(f->remote_tag, sizeof(f->remote_tag), header(r, "To"));
	(void)snprintf(f->target, sizeof(f->target), "%s",
		       uri_of(header(r, "Contact")));
}

/* A request of the peer.  ACK and CANCEL keep the CSeq and CANCEL the branch
 * of the last one. */
static inline void request(struct fix *f, const char *method,
			   const char *headers, const char *type,
			   const char *content)
{
	static unsigned branch;
	bool same = !strcmp(method, "ACK") || !strcmp(method, "CANCEL");
	char text[8192], to[128] = "";

	if (!same)
		f->cseq++;
	if (strcmp(method, "CANCEL") != 0)
		branch++;
	if (*f->remote_tag && strcmp(method, "CANCEL") != 0)
		(void)snprintf(to, sizeof(to), ";tag=%s", f->remote_tag);
	(void)snprintf(
		text, sizeof(text),
		"%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u"
		";branch=z9hG4bK%d.%u;rport\r\n"
		"From: \"Peer \\\"P\\\"\" <sip:peer@ims.test>;tag=%s\r\n"
		"To: <sip:alice@ims.test>%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n"
		"Contact: <sip:peer@127.0.0.1:%u>\r\nMax-Forwards: 70\r\n"
		"%s%s%s%sContent-Length: %zu\r\n\r\n%s",
		method, *f->target ? f->target : "sip:alice@ims.test", f->port,
		(int)getpid(), branch, f->local_tag, to, f->call_id, f->cseq,
		method, f->port, headers ? headers : "",
		type ? "Content-Type: " : "", type ? type : "",
		type ? "\r\n" : "", content ? strlen(content) : 0,
		content ? content : "");
	send_text(f, text);
}

/* --- the leg's side ---------------------------------------------------------- */

static inline const struct told *expect_told(struct fix *f, enum gw_verb verb)
{
	uint64_t end = gw_clock_monotonic_us(NULL) + WAIT_MS * 1000;

	while (f->taken == f->ntold) {
		if (gw_clock_monotonic_us(NULL) > end)
			fail_msg("verb %d was not told", verb);
		gw_loop_step(f->loop, 5);
	}
	assert_int_equal(f->told[f->taken].verb, verb);
	return &f->told[f->taken++];
}

static inline void nothing_told(struct fix *f)
{
	assert_int_equal(f->taken, f->ntold);
}

static inline struct gw_desc desc_of(enum gw_desc_role role, const char *sdp)
{
	struct gw_desc d = { role, sdp, sdp ? strlen(sdp) : 0 };

	return d;
}

static inline int say(struct fix *f, enum gw_verb verb, enum gw_desc_role role,
		      const char *sdp)
{
	struct gw_msg m = { .verb = verb, .desc = desc_of(role, sdp) };

	return gw_leg_send(f->leg, &m);
}

static inline void release(struct fix *f, uint16_t status)
{
	struct gw_msg m = { .verb = GW_V_RELEASE,
			    .cause = { .status = status } };

	assert_int_equal(gw_leg_send(f->leg, &m), 0);
	gw_leg_free(f->leg);
	f->leg = NULL;
}

static inline void wait_live(struct fix *f, unsigned n)
{
	uint64_t end = gw_clock_monotonic_us(NULL) + WAIT_MS * 1000;

	while (gw_sip_live_legs(f->sip) != n) {
		if (gw_clock_monotonic_us(NULL) > end)
			fail_msg("%u sessions live, not %u",
				 gw_sip_live_legs(f->sip), n);
		gw_loop_step(f->loop, 5);
	}
}

#endif
