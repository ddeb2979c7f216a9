/*
 * Calls between the peer of test_sip_peer.h and the gateway: the one way to
 * dial, to answer, to be offered something and to hang up.
 *
 * Every helper waits for what it names and fails the test if something else
 * comes.  Calls that the gateway makes are answered by the fork "b".
 */
#ifndef TEST_SIP_CALL_H
#define TEST_SIP_CALL_H

#include "tests/unit/test_sip_peer.h"

#define OTHER    "v=0\r\no=- 3 1 IN IP4 192.0.2.3\r\ns=other\r\n"
#define RELIABLE "Require: 100rel\r\nRSeq: "

/* --- before and after a test ------------------------------------------------ */

/* A peer at @port; the settings may be changed until fix_run(). */
static inline struct fix *fix_new(uint16_t port)
{
	struct fix *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->port = port;
	fix_listen(f, NULL);
	return f;
}

/* What the peer's challenges are answered with. */
static inline void fix_credentials(struct fix *f)
{
	(void)snprintf(f->set.sip.username, sizeof(f->set.sip.username), "gw");
	(void)snprintf(f->set.sip.password, sizeof(f->set.sip.password), "pw");
}

static inline int fix_run(struct fix *f, void **state)
{
	fix_start(f);
	(void)snprintf(f->call_id, sizeof(f->call_id), "%d.%p@peer",
		       (int)getpid(), (void *)f);
	*state = f;
	return 0;
}

static inline int fix_end(void **state)
{
	fix_stop(*state);
	free(*state);
	return 0;
}

/* --- calls that the gateway makes ------------------------------------------- */

/* A leg of ours is told @setup. */
static inline void call_out(struct fix *f, const struct gw_msg *setup)
{
	assert_int_equal(gw_ims_leg_new(&f->leg, f->sip), 0);
	f->leg->handler = on_leg;
	f->leg->arg = f;
	(void)snprintf(f->leg->call_id, GW_CALL_ID_SIZE, "test");
	assert_int_equal(gw_leg_send(f->leg, setup), 0);
}

/* @sdp: the offer; NULL asks for one. */
static inline void dial(struct fix *f, struct packet *inv, const char *sdp)
{
	struct gw_msg m = { .verb = GW_V_SETUP };

	m.desc = desc_of(sdp ? GW_DESC_OFFER : GW_DESC_NONE, sdp);
	m.asserted.uri = "sip:alice@ims.test";
	m.asserted.display = "Alice \"A\" \\";
	m.target.uri = "sip:bob@far.test;user=phone";
	call_out(f, &m);
	expect(f, inv, "INVITE ");
}

static inline void ring(struct fix *f, const struct packet *inv)
{
	reply(f, inv, 180, "b", NULL, NULL);
	(void)expect_told(f, GW_V_PROGRESS);
}

/* @inv is answered with what answers its offer. */
static inline void pick_up(struct fix *f, const struct packet *inv,
			   const char *headers)
{
	struct packet p;

	dialog_from_invite(f, inv, "b");
	reply(f, inv, 200, "b", headers, ANSWER);
	expect(f, &p, "ACK ");
	assert_int_equal(expect_told(f, GW_V_ANSWER)->role, GW_DESC_ANSWER);
}

static inline void connect_out(struct fix *f)
{
	struct packet inv;

	dial(f, &inv, OFFER);
	pick_up(f, &inv, NULL);
}

/* The peer refuses the INVITE @inv, by the fork @tag if it is a new one. */
static inline void refuse(struct fix *f, const struct packet *inv, int status,
			  const char *tag, const char *headers)
{
	struct packet p;

	reply(f, inv, status, tag, headers, NULL);
	expect(f, &p, "ACK ");
}

/* We give the INVITE @inv up, of which the fork "b" has said something. */
static inline void give_up(struct fix *f, const struct packet *inv)
{
	struct packet p;

	release(f, 487);
	expect(f, &p, "CANCEL ");
	reply(f, &p, 200, NULL, NULL, NULL);
	reply(f, inv, 487, "b", NULL, NULL);
	expect(f, &p, "ACK ");
	wait_live(f, 0);
}

/* --- calls that the peer makes ---------------------------------------------- */

/* What the peer sends next is in no dialog. */
static inline void new_dialog(struct fix *f)
{
	f->remote_tag[0] = f->target[0] = '\0';
}

/* A request with @sdp, if any. */
static inline void request_sdp(struct fix *f, const char *method,
			       const char *headers, const char *sdp)
{
	request(f, method, headers, sdp ? "application/sdp" : NULL, sdp);
}

static inline void ack(struct fix *f)
{
	request(f, "ACK", NULL, NULL, NULL);
}

static inline const struct told *invite(struct fix *f, const char *headers,
					const char *sdp)
{
	struct packet p;

	new_dialog(f);
	request_sdp(f, "INVITE", headers, sdp);
	expect(f, &p, "SIP/2.0 100");
	return expect_told(f, GW_V_SETUP);
}

/* The gateway answers; the peer has its dialog, and sends no ACK yet. */
static inline void answer(struct fix *f, struct packet *ok,
			  enum gw_desc_role role, const char *sdp)
{
	assert_int_equal(say(f, GW_V_ANSWER, role, sdp), 0);
	expect(f, ok, "SIP/2.0 200");
	dialog_from_response(f, ok);
}

static inline void connect_in(struct fix *f)
{
	struct packet p;

	(void)invite(f, NULL, OFFER);
	answer(f, &p, GW_DESC_ANSWER, ANSWER);
	assert_non_null(strstr(header(&p, "Allow"), "REFER"));
	ack(f);
	/* the ACK must have been seen: a message behind it is answered */
	request(f, "OPTIONS", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
}

/* --- within a call, whoever made it ----------------------------------------- */

/* We offer: @inv is what comes of it. */
static inline void reinvite(struct fix *f, struct packet *inv)
{
	assert_int_equal(say(f, GW_V_OFFER, GW_DESC_OFFER, OFFER), 0);
	expect(f, inv, "INVITE ");
}

/* The peer accepts what @inv offers. */
static inline void accepted(struct fix *f, const struct packet *inv)
{
	struct packet p;

	reply(f, inv, 200, NULL, NULL, ANSWER);
	expect(f, &p, "ACK ");
	assert_int_equal(expect_told(f, GW_V_ACCEPT)->role, GW_DESC_ANSWER);
}

/* The peer offers, or with NULL asks for an offer. */
static inline const struct told *offered(struct fix *f, const char *sdp)
{
	struct packet p;

	request_sdp(f, "INVITE", NULL, sdp);
	expect(f, &p, "SIP/2.0 100");
	return expect_told(f, GW_V_OFFER);
}

/* We accept what the peer offered. */
static inline void accept_offer(struct fix *f)
{
	assert_int_equal(say(f, GW_V_ACCEPT, GW_DESC_ANSWER, ANSWER), 0);
}

static inline void decline(struct fix *f)
{
	const struct gw_msg no = { .verb = GW_V_REFUSE,
				   .cause = { .status = 488 } };

	assert_int_equal(gw_leg_send(f->leg, &no), 0);
}

/* What the peer asked for by REFER has come to @status. */
static inline void becomes(struct fix *f, uint16_t status)
{
	const struct gw_msg m = { .verb = GW_V_TRANSFER,
				  .cause = { .status = status } };

	assert_int_equal(gw_leg_send(f->leg, &m), 0);
}

static inline void expect_bye(struct fix *f, struct packet *bye)
{
	expect(f, bye, "BYE ");
	reply(f, bye, 200, NULL, NULL, NULL);
}

static inline void hang_up(struct fix *f)
{
	struct packet p;

	release(f, 200);
	expect_bye(f, &p);
	wait_live(f, 0);
}

/* --- reliable responses ----------------------------------------------------- */

static inline void assert_rack(const struct packet *p, unsigned rseq,
			       const struct packet *inv)
{
	char want[64];

	(void)snprintf(want, sizeof(want), "%u %s", rseq, header(inv, "CSeq"));
	assert_string_equal(header(p, "RAck"), want);
}

/* We acknowledge the response @rseq to @inv; the peer is content. */
static inline void expect_prack(struct fix *f, struct packet *p, unsigned rseq,
				const struct packet *inv)
{
	expect(f, p, "PRACK ");
	assert_rack(p, rseq, inv);
	reply(f, p, 200, NULL, NULL, NULL);
}

/* The peer acknowledges @p. */
static inline void prack(struct fix *f, const struct packet *p, const char *sdp)
{
	char line[96];

	(void)snprintf(line, sizeof(line), "RAck: %s %s\r\n", header(p, "RSeq"),
		       header(p, "CSeq"));
	request_sdp(f, "PRACK", line, sdp);
}

/* Our side of a call that came in says how far it is. */
static inline int progress(struct fix *f, enum gw_alert alert, const char *sdp)
{
	struct gw_msg m = { .verb = GW_V_PROGRESS, .alert = alert };

	m.desc = desc_of(sdp ? GW_DESC_EARLY_ANSWER : GW_DESC_NONE, sdp);
	return gw_leg_send(f->leg, &m);
}

/* --- retransmissions -------------------------------------------------------- */

/* Waits for @n packets that begin with @start, repeated ones too. */
static inline void expect_copies(struct fix *f, const char *start, unsigned n)
{
	uint64_t end = gw_clock_monotonic_us(NULL) + WAIT_MS * 1000;
	char text[8192];
	ssize_t got;

	while (n) {
		if (gw_clock_monotonic_us(NULL) > end)
			fail_msg("%u more of %s did not come", n, start);
		gw_loop_step(f->loop, 5);
		while ((got = recv(f->fd, text, sizeof(text) - 1, 0)) > 0) {
			text[got] = '\0';
			n -= n && !strncmp(text, start, strlen(start));
		}
	}
}

#endif
