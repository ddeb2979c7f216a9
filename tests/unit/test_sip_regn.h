/*
 * Registrations against the SIP peer of the unit tests, on a clock that the
 * test moves: the peer is the core, the test is the owner.
 */
#ifndef TEST_SIP_REGN_H
#define TEST_SIP_REGN_H

#include "tests/unit/test_sip_peer.h"

#include "gateway/base/check.h"
#include "gateway/registration.h"

#define IMPU   "sip:alice@ims.test"
#define IMPI   "alice@ims.test"
#define ROUTES "Service-Route: <sip:orig@127.0.0.1:%u;lr>\r\n"
#define SET                                                                    \
	"P-Associated-URI: <sip:alice@ims.test>, <tel:+15551000>\r\n"          \
	"P-Associated-URI: <sip:al@ims.test>\r\n"

struct heard {
	enum gw_regn_event_type type;
	uint32_t expires_s;
	size_t nimpu;
	char impu[4][128], challenge[512], text[96];
	uint8_t sqn[6];
	unsigned status, retry_after_s;
	bool by_network;
};

struct rfix {
	struct fix f; /* first: its helpers take it */
	struct gw_regn *r;
	struct heard heard[16];
	unsigned nheard, htaken;
	unsigned nrefreshed; /* that changed nothing */
	bool ended;
	int leave_at; /* event at which the owner lets go, -1: none */
};

static uint64_t fake_us;

static inline uint64_t fake_clock(void *arg)
{
	(void)arg;
	return fake_us;
}

static inline void pass_ms(struct rfix *x, uint64_t ms)
{
	fake_us += ms * 1000;
	gw_loop_step(x->f.loop, 1);
}

static inline void on_regn(struct gw_regn *r, const struct gw_regn_event *ev,
			   void *arg)
{
	struct rfix *x = arg;
	struct heard *h = &x->heard[x->nheard];

	if (ev->type == GW_RE_REFRESHED) {
		x->nrefreshed++;
		return;
	}
	assert_true(x->nheard < GW_ARRAY_LEN(x->heard));
	memset(h, 0, sizeof(*h));
	x->nheard++;
	h->type = ev->type;
	h->expires_s = ev->expires_s;
	h->nimpu = ev->nimpu;
	for (size_t i = 0; i < ev->nimpu && i < 4; i++)
		(void)snprintf(h->impu[i], 128, "%s", ev->impu[i]);
	if (ev->challenge)
		(void)snprintf(h->challenge, sizeof(h->challenge), "%s",
			       ev->challenge);
	if (ev->sqn)
		memcpy(h->sqn, ev->sqn, 6);
	h->status = ev->cause.status;
	h->retry_after_s = ev->cause.retry_after_s;
	if (ev->cause.text)
		(void)snprintf(h->text, sizeof(h->text), "%s", ev->cause.text);
	h->by_network = ev->by_network;
	if ((int)ev->type == x->leave_at)
		gw_regn_end(r);
	if (ev->type == GW_RE_ENDED && r == x->r) {
		x->r = NULL;
		x->ended = true;
	}
}

static inline const struct heard *hear(struct rfix *x,
				       enum gw_regn_event_type type)
{
	uint64_t end = gw_clock_monotonic_us(NULL) + WAIT_MS * 1000;

	while (x->htaken == x->nheard) {
		if (gw_clock_monotonic_us(NULL) > end)
			fail_msg("event %d was not told", type);
		gw_loop_step(x->f.loop, 5);
	}
	assert_int_equal(x->heard[x->htaken].type, type);
	return &x->heard[x->htaken++];
}

static inline void nothing_heard(struct rfix *x)
{
	assert_int_equal(x->htaken, x->nheard);
}

/* Settings of a core at the peer; the test may change them before start. */
static inline struct rfix *rfix_new(uint16_t port)
{
	struct rfix *x = calloc(1, sizeof(*x));

	x->leave_at = -1;
	x->f.port = port;
	fix_listen(&x->f, NULL);
	x->f.set.ims.enabled = true;
	(void)snprintf(x->f.set.ims.domain, 128, "ims.test");
	(void)snprintf(x->f.set.ims.core[0], 128, "sip:127.0.0.1:%u", port);
	x->f.set.ims.ncore = 1;
	x->f.set.ims.expires_s = 600;
	x->f.set.ims.register_rate = 1000;
	x->f.set.ims.register_timeout_ms = 5000;
	x->f.set.ims.dead_s = 60;
	return x;
}

static inline void rfix_start(struct rfix *x)
{
	struct fix *f = &x->f;
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(f->port) };

	fake_us = 1000000000;
	assert_int_equal(gw_loop_new(&f->loop, fake_clock, NULL), 0);
	assert_int_equal(gw_sip_new(&f->sip, f->loop, &f->set, on_incoming, f),
			 0);
	f->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(f->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	(void)snprintf(f->local_tag, sizeof(f->local_tag), "peer");
	f->cseq = 100;
}

static inline struct gw_regn_request trusted_request(void)
{
	return (struct gw_regn_request){
		.key = "reg1",
		.log_id = "r1",
		.how = GW_REGN_TRUSTED,
		.impi = IMPI,
		.impu = IMPU,
		.client_addr = "203.0.113.9",
	};
}

static inline void begin(struct rfix *x, const struct gw_regn_request *req)
{
	assert_int_equal(gw_regn_start(&x->r, x->f.sip, req, on_regn, x), 0);
}

/* The token in a REGISTER's Contact. */
static inline const char *token_of(const struct packet *p)
{
	static char out[64];
	const char *c = header(p, "Contact");

	assert_int_equal(strncmp(c, "<sip:", 5), 0);
	(void)snprintf(out, sizeof(out), "%.40s", c + 5);
	out[strcspn(out, "@")] = '\0';
	return out;
}

/* 200 that grants @expires, as a registrar that reorders and quotes writes it.
 * @more: further header lines. */
static inline void grant(struct rfix *x, const struct packet *reg,
			 const char *expires, const char *more)
{
	char text[4096], lines[1024];

	(void)snprintf(lines, sizeof(lines), ROUTES SET "%s", x->f.port,
		       more ? more : "");
	(void)snprintf(
		text, sizeof(text),
		"SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=core\r\n"
		"Call-ID: %s\r\nCSeq: %s\r\n"
		"Contact: <sip:other@192.0.2.1>;expires=11,"
		"<sip:%s@127.0.0.1:%u>;reg-id=\"1\";expires=%s\r\n"
		"%sContent-Length: 0\r\n\r\n",
		header(reg, "Via"), header(reg, "From"), header(reg, "To"),
		header(reg, "Call-ID"), header(reg, "CSeq"), token_of(reg),
		x->f.port - 1, expires, lines);
	send_text(&x->f, text);
}

/* A registration that is UP, granted 540 s; @token gets its token. */
static inline void register_trusted(struct rfix *x, struct packet *reg)
{
	struct gw_regn_request req = trusted_request();

	begin(x, &req);
	expect(&x->f, reg, "REGISTER ");
	grant(x, reg, "\"540\"", NULL);
	(void)hear(x, GW_RE_REGISTERED);
}

static inline int rfix_stop(void **state)
{
	struct rfix *x = *state;

	fix_stop(&x->f);
	free(x);
	/* The gauge is the process's: nobody is left behind. */
	assert_int_equal(metric("isthmus_ims_registrations"), 0);
	assert_int_equal(metric("isthmus_ims_registrations_known"), 0);
	return 0;
}

#endif
