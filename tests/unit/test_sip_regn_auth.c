/* Registrations that the core challenges: held credentials, clients' own. */
#include "tests/unit/test_sip_regn.h"

#include <openssl/evp.h>

#include "gateway/base/ids.h"
#include "sip/milenage.h"

#define CHALLENGE(more)                                                        \
	"WWW-Authenticate: Digest realm=\"ims.test\",nonce=\"abc123\"," more   \
	"\r\n"

static const uint8_t key[16] = {
	0x46, 0x5b, 0x5c, 0xe8, 0xb1, 0x99, 0xb4, 0x9f,
	0xaa, 0x5f, 0x0a, 0x2e, 0xe2, 0x38, 0xa6, 0xbc
};
static const uint8_t op[16] = {
	0xcd, 0xc2, 0x02, 0xd5, 0x12, 0x3e, 0x20, 0xf6,
	0x2b, 0x6d, 0x67, 0x6a, 0xc7, 0x2c, 0xb3, 0x18
};

static int setup(void **state)
{
	struct rfix *x = rfix_new(22343);

	rfix_start(x);
	*state = x;
	return 0;
}

/* ---- what a registrar computes, by other means ---- */

static const char *hash(const EVP_MD *md, const void *data, size_t len)
{
	static char ring[4][2 * EVP_MAX_MD_SIZE + 1];
	static unsigned at;
	char *hex = ring[at++ % 4];
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n;

	assert_int_equal(EVP_Digest(data, len, sum, &n, md, NULL), 1);
	for (unsigned i = 0; i < n; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	return hex;
}

/* Parameter @name of the Authorization of @p, without quotes. */
static const char *param(const struct packet *p, const char *name)
{
	static char ring[8][600];
	static unsigned at;
	char *out = ring[at++ % 8];
	char text[1024], *tok, *save;
	size_t n = strlen(name);

	*out = '\0';
	(void)snprintf(text, sizeof(text), "%s", header(p, "Authorization"));
	assert_int_equal(strncmp(text, "Digest ", 7), 0);
	for (tok = strtok_r(text + 7, ",", &save); tok;
	     tok = strtok_r(NULL, ",", &save)) {
		tok += strspn(tok, " ");
		if (strncasecmp(tok, name, n) != 0 || tok[n] != '=')
			continue;
		tok += n + 1 + (tok[n + 1] == '"');
		(void)snprintf(out, 600, "%s", tok);
		out[strcspn(out, "\"")] = '\0';
	}
	return out;
}

/* The response that a client with this secret gives to what @p repeats. */
static void check_response(const struct packet *p, const EVP_MD *md,
			   const void *secret, size_t len)
{
	char a1[256], text[1024], ha1[80], ha2[80];
	int n = snprintf(a1, sizeof(a1), "%s:ims.test:", IMPI);

	memcpy(a1 + n, secret, len);
	(void)snprintf(ha1, sizeof(ha1), "%s", hash(md, a1, (size_t)n + len));
	n = snprintf(text, sizeof(text), "REGISTER:sip:ims.test");
	(void)snprintf(ha2, sizeof(ha2), "%s", hash(md, text, (size_t)n));
	n = snprintf(text, sizeof(text), "%s:%s:%s:%s:auth:%s", ha1,
		     param(p, "nonce"), param(p, "nc"), param(p, "cnonce"),
		     ha2);
	assert_string_equal(param(p, "username"), IMPI);
	assert_string_equal(param(p, "uri"), "sip:ims.test");
	assert_string_equal(param(p, "response"), hash(md, text, (size_t)n));
}

/* ---- held: SIP Digest ---- */

static struct gw_regn_secret secret = { .password = "open sesame" };

static void begin_held(struct rfix *x, struct gw_regn_secret *s,
		       struct packet *p)
{
	struct gw_regn_request req = trusted_request();

	req.how = GW_REGN_HELD;
	req.secret = s;
	begin(x, &req);
	expect(&x->f, p, "REGISTER ");
	assert_string_equal(param(p, "username"), IMPI);
	assert_string_equal(param(p, "nonce"), "");
	assert_string_equal(param(p, "response"), "");
}

static void a_held_password_answers(void **state)
{
	struct rfix *x = *state;
	struct packet p;

	begin_held(x, &secret, &p);
	assert_string_equal(param(&p, "integrity-protected"), "tls-pending");
	reply(&x->f, &p, 401, "t", CHALLENGE("algorithm=MD5,qop=\"auth\""),
	      NULL);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(header(&p, "CSeq"), "2 REGISTER");
	assert_string_equal(param(&p, "integrity-protected"), "tls-pending");
	check_response(&p, EVP_md5(), secret.password, 11);
	grant(x, &p, "540", NULL);
	(void)hear(x, GW_RE_REGISTERED);
	/* The nonce serves again. */
	pass_ms(x, 270001);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(param(&p, "nc"), "00000002");
	assert_string_equal(param(&p, "integrity-protected"), "tls-yes");
	check_response(&p, EVP_md5(), secret.password, 11);
	reply(&x->f, &p, 401, "t",
	      "WWW-Authenticate: Digest realm=\"ims.test\",nonce=\"new\","
	      "qop=\"auth\",stale=true\r\n",
	      NULL);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(param(&p, "nonce"), "new");
	check_response(&p, EVP_md5(), secret.password, 11);
	grant(x, &p, "540", NULL);
	expect_silence(&x->f, 50);
	nothing_heard(x);
	gw_regn_end(x->r);
	expect(&x->f, &p, "REGISTER ");
	reply(&x->f, &p, 401, "t", CHALLENGE("qop=\"auth\""), NULL);
	expect(&x->f, &p, "REGISTER ");
	assert_non_null(strstr(header(&p, "Contact"), "expires=0"));
	check_response(&p, EVP_md5(), secret.password, 11);
	grant(x, &p, "0", NULL);
	while (metric("isthmus_ims_registrations_known"))
		gw_loop_step(x->f.loop, 5);
}

static void the_cores_first_choice_is_taken(void **state)
{
	struct rfix *x = *state;
	struct packet p;

	begin_held(x, &secret, &p);
	reply(&x->f, &p, 401, "t",
	      "WWW-Authenticate: Digest realm=\"ims.test\",nonce=\"n1\","
	      "algorithm=SHA-256,qop=\"auth\"\r\n"
	      "WWW-Authenticate: Digest realm=\"ims.test\",nonce=\"n2\","
	      "algorithm=MD5,qop=\"auth\"\r\n",
	      NULL);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(param(&p, "nonce"), "n1");
	assert_string_equal(param(&p, "algorithm"), "SHA-256");
	check_response(&p, EVP_sha256(), secret.password, 11);
}

static void a_wrong_password_ends_it(void **state)
{
	struct rfix *x = *state;
	struct packet p;

	begin_held(x, &secret, &p);
	reply(&x->f, &p, 401, "t", CHALLENGE("qop=\"auth\""), NULL);
	expect(&x->f, &p, "REGISTER ");
	reply(&x->f, &p, 401, "t", CHALLENGE("qop=\"auth\""), NULL);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 403);
	expect_silence(&x->f, 50);
}

static void challenges_that_make_no_sense_end_it(void **state)
{
	static const char *const bad[] = {
		NULL,
		"WWW-Authenticate: Digest realm=\"ims.test\"\r\n",
		"WWW-Authenticate: Basic realm=\"ims.test\"\r\n",
		"WWW-Authenticate: Digest realm=\"r\",nonce=\"n\","
		"algorithm=AKAv1-MD5\r\n",
		"WWW-Authenticate: Digest realm=\"r\",nonce=\"n\","
		"algorithm=ROT13\r\n",
	};
	struct rfix *x = *state;
	struct packet p;

	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++) {
		begin_held(x, &secret, &p);
		reply(&x->f, &p, 401, "t", bad[i], NULL);
		assert_int_equal(hear(x, GW_RE_ENDED)->status, 403);
	}
	expect_silence(&x->f, 50);
}

static void an_endless_stale_is_not_followed(void **state)
{
	struct rfix *x = *state;
	struct packet p;
	unsigned n = 0;

	begin_held(x, &secret, &p);
	while (!x->ended && n < 10) {
		reply(&x->f, &p, 401, "t", CHALLENGE("qop=\"auth\",stale=true"),
		      NULL);
		for (int i = 0; i < 10 && !x->ended; i++)
			gw_loop_step(x->f.loop, 5);
		if (!x->ended)
			expect(&x->f, &p, "REGISTER ");
		n++;
	}
	assert_in_range(n, 2, 5);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 403);
}

/* ---- held: AKA ---- */

static struct gw_regn_secret aka_secret(void)
{
	struct gw_regn_secret s = {
		.aka = true, .amf = {0x80, 0}
	};

	memcpy(s.k, key, 16);
	memcpy(s.op, op, 16);
	return s;
}

/* The HSS: a vector of this sequence number. */
static void vector(char *nonce, struct gw_milenage *m, const uint8_t sqn[6],
		   bool forged)
{
	static const uint8_t amf[2] = { 0x80, 0 };
	uint8_t raw[32], opc[16];

	gw_random(raw, 16);
	assert_int_equal(gw_milenage_opc(opc, key, op), 0);
	assert_int_equal(gw_milenage(m, key, opc, raw, sqn, amf), 0);
	for (unsigned i = 0; i < 6; i++)
		raw[16 + i] = sqn[i] ^ m->ak[i];
	memcpy(raw + 22, amf, 2);
	memcpy(raw + 24, m->mac_a, 8);
	raw[24] ^= forged;
	gw_base64_encode(nonce, raw, sizeof(raw));
}

static void challenge_aka(struct rfix *x, struct packet *p, const char *nonce)
{
	char line[512];

	(void)snprintf(line, sizeof(line),
		       "WWW-Authenticate: Digest realm=\"ims.test\",nonce="
		       "\"%s\",algorithm=AKAv1-MD5,qop=\"auth\",ck=\"%032d\","
		       "ik=\"%032d\"\r\n",
		       nonce, 1, 2);
	reply(&x->f, p, 401, "t", line, NULL);
}

static void aka_held_here_answers(void **state)
{
	static const uint8_t sqn[6] = { 0, 0, 0, 0, 1, 32 };
	struct gw_regn_secret s = aka_secret();
	struct rfix *x = *state;
	struct gw_milenage m;
	struct packet p;
	char nonce[64];

	begin_held(x, &s, &p);
	assert_string_equal(param(&p, "integrity-protected"), "no");
	vector(nonce, &m, sqn, false);
	challenge_aka(x, &p, nonce);
	assert_memory_equal(hear(x, GW_RE_SQN)->sqn, sqn, 6);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(param(&p, "algorithm"), "AKAv1-MD5");
	assert_string_equal(param(&p, "nonce"), nonce);
	assert_string_equal(param(&p, "integrity-protected"), "yes");
	assert_null(strstr(p.text, "ck="));
	check_response(&p, EVP_md5(), m.res, 8);
	grant(x, &p, "540", NULL);
	(void)hear(x, GW_RE_REGISTERED);
	/* The vector was for once. */
	pass_ms(x, 270001);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(param(&p, "response"), "");
}

static void an_old_sequence_number_resynchronises(void **state)
{
	static const uint8_t old[6] = { 0, 0, 0, 0, 0, 1 };
	static const uint8_t new[6] = { 0, 0, 0, 0, 9, 1 };
	static const uint8_t no_amf[2];
	struct gw_regn_secret s = aka_secret();
	struct rfix *x = *state;
	uint8_t auts[14], raw[32], opc[16], sqn[6];
	struct gw_milenage m;
	struct packet p;
	char nonce[64];

	s.sqn[4] = 5;
	begin_held(x, &s, &p);
	vector(nonce, &m, old, false);
	challenge_aka(x, &p, nonce);
	expect(&x->f, &p, "REGISTER ");
	check_response(&p, EVP_md5(), "", 0);
	assert_int_equal(gw_base64_decode(auts, sizeof(auts), param(&p, "auts"),
					  strlen(param(&p, "auts"))),
			 14);
	assert_int_equal(gw_base64_decode(raw, 32, nonce, strlen(nonce)), 32);
	assert_int_equal(gw_milenage_opc(opc, key, op), 0);
	assert_int_equal(gw_milenage(&m, key, opc, raw, s.sqn, no_amf), 0);
	for (unsigned i = 0; i < 6; i++)
		sqn[i] = auts[i] ^ m.ak_resync[i];
	assert_memory_equal(sqn, s.sqn, 6);
	assert_memory_equal(auts + 6, m.mac_s, 8);
	/* The HSS has understood. */
	vector(nonce, &m, new, false);
	challenge_aka(x, &p, nonce);
	(void)hear(x, GW_RE_SQN);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(param(&p, "auts"), "");
	check_response(&p, EVP_md5(), m.res, 8);
	grant(x, &p, "540", NULL);
	(void)hear(x, GW_RE_REGISTERED);
}

static void a_forged_vector_is_not_answered(void **state)
{
	static const uint8_t sqn[6] = { 0, 0, 0, 0, 1, 32 };
	struct gw_regn_secret s = aka_secret();
	struct rfix *x = *state;
	struct gw_milenage m;
	struct packet p;
	char nonce[64];

	begin_held(x, &s, &p);
	vector(nonce, &m, sqn, true);
	challenge_aka(x, &p, nonce);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 403);
	begin_held(x, &s, &p);
	challenge_aka(x, &p, "c2hvcnQ=");
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 403);
	expect_silence(&x->f, 50);
}

/* ---- the client's own ---- */

static const struct heard *begin_client(struct rfix *x, struct packet *p)
{
	struct gw_regn_request req = trusted_request();

	req.how = GW_REGN_CLIENT;
	begin(x, &req);
	expect(&x->f, p, "REGISTER ");
	assert_string_equal(param(p, "integrity-protected"), "tls-pending");
	reply(&x->f, p, 401, "t",
	      "WWW-Authenticate: Digest realm=\"ims.test\", nonce=\"abc\", "
	      "algorithm=AKAv1-MD5, ck=\"00\", ik=\"11\", qop=\"auth\"\r\n",
	      NULL);
	return hear(x, GW_RE_CHALLENGE);
}

#define ANSWERED                                                               \
	"Digest username=\"alice@ims.test\", realm=\"ims.test\", "             \
	"nonce=\"abc\", uri=\"sip:ims.test\", response=\"f00\""

static void the_challenge_is_the_clients_to_answer(void **state)
{
	struct rfix *x = *state;
	const struct heard *h;
	struct packet p;

	h = begin_client(x, &p);
	assert_string_equal(h->challenge,
			    "Digest realm=\"ims.test\",nonce=\"abc\","
			    "algorithm=AKAv1-MD5,qop=\"auth\"");
	expect_silence(&x->f, 50);
	assert_int_equal(gw_regn_answer(x->r, ANSWERED
					", integrity-protected=\"auth-done\""),
			 0);
	nothing_heard(x);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(param(&p, "response"), "f00");
	assert_null(strstr(p.text, "auth-done"));
	assert_string_equal(param(&p, "integrity-protected"), "tls-pending");
	grant(x, &p, "540", NULL);
	(void)hear(x, GW_RE_REGISTERED);
	assert_int_equal(gw_regn_answer(x->r, ANSWERED), -EALREADY);
	/* A refresh is asked about again. */
	pass_ms(x, 270001);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(param(&p, "response"), "");
	assert_string_equal(param(&p, "integrity-protected"), "tls-yes");
	reply(&x->f, &p, 401, "t",
	      "WWW-Authenticate: Digest realm=\"ims.test\",nonce=\"abc\"\r\n",
	      NULL);
	(void)hear(x, GW_RE_CHALLENGE);
	assert_int_equal(gw_regn_answer(x->r, ANSWERED), 0);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(param(&p, "integrity-protected"), "tls-yes");
	grant(x, &p, "540", NULL);
	/* Nothing has changed, but who answered is told. */
	(void)hear(x, GW_RE_REGISTERED);
	/* Nobody is there to answer any more. */
	expect_silence(&x->f, 50);
	gw_regn_end(x->r);
	expect(&x->f, &p, "REGISTER ");
	reply(&x->f, &p, 401, "t", CHALLENGE("qop=\"auth\""), NULL);
	while (metric("isthmus_ims_registrations_known"))
		gw_loop_step(x->f.loop, 5);
	nothing_heard(x);
}

/* Registered; what it is asked next is a deregistration. */
static void quit(struct rfix *x, struct packet *p)
{
	(void)begin_client(x, p);
	assert_int_equal(gw_regn_quit(x->r), -EALREADY);
	assert_int_equal(gw_regn_answer(x->r, ANSWERED), 0);
	expect(&x->f, p, "REGISTER ");
	grant(x, p, "540", NULL);
	(void)hear(x, GW_RE_REGISTERED);
	assert_int_equal(gw_regn_quit(x->r), 0);
	assert_int_equal(gw_regn_quit(x->r), -EALREADY);
	expect(&x->f, p, "REGISTER ");
	assert_non_null(strstr(header(p, "Contact"), ";expires=0"));
	reply(&x->f, p, 401, "t",
	      "WWW-Authenticate: Digest realm=\"ims.test\",nonce=\"abc\"\r\n",
	      NULL);
	(void)hear(x, GW_RE_CHALLENGE);
}

static void a_log_out_is_authenticated_by_the_client(void **state)
{
	struct rfix *x = *state;
	struct packet p;

	quit(x, &p);
	assert_int_equal(gw_regn_answer(x->r, ANSWERED), 0);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(param(&p, "response"), "f00");
	assert_non_null(strstr(header(&p, "Contact"), ";expires=0"));
	reply(&x->f, &p, 200, "t", NULL, NULL);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 200);
	assert_int_equal(metric("isthmus_ims_registrations_known"), 0);
}

static void who_is_taken_over_after_a_crash_logs_out_likewise(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_state was = {
		.contact = "0123456789abcdef0123456789abcdef",
		.call_id = "of-before",
		.cseq = 7,
		.core_expires_s = gw_clock_wall_s() + 300,
	};
	struct gw_regn_request req = trusted_request();
	struct packet p;

	req.how = GW_REGN_CLIENT;
	req.resume = &was;
	begin(x, &req);
	assert_int_equal(gw_regn_quit(x->r), 0);
	pass_ms(x, 1);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(header(&p, "Call-ID"), "of-before");
	assert_string_equal(param(&p, "integrity-protected"), "tls-yes");
	assert_non_null(strstr(header(&p, "Contact"), ";expires=0"));
	reply(&x->f, &p, 401, "t",
	      "WWW-Authenticate: Digest realm=\"ims.test\",nonce=\"abc\"\r\n",
	      NULL);
	(void)hear(x, GW_RE_CHALLENGE);
	assert_int_equal(gw_regn_answer(x->r, ANSWERED), 0);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(param(&p, "response"), "f00");
	reply(&x->f, &p, 200, "t", NULL, NULL);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 200);
	assert_int_equal(metric("isthmus_ims_registrations_known"), 0);
}

static void a_log_out_that_fails_is_one_all_the_same(void **state)
{
	struct rfix *x = *state;
	struct packet p;

	/* Refused. */
	quit(x, &p);
	assert_int_equal(gw_regn_answer(x->r, ANSWERED), 0);
	expect(&x->f, &p, "REGISTER ");
	reply(&x->f, &p, 403, "t", NULL, NULL);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 200);
	/* Not answered by the client. */
	quit(x, &p);
	pass_ms(x, 240001);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 408);
	/* Given up by it. */
	quit(x, &p);
	gw_regn_end(x->r);
	assert_int_equal(metric("isthmus_ims_registrations_known"), 0);
	expect_silence(&x->f, 50);
}

static void answers_of_others_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"Basic YTpi",
		"Digest",
		"Digest username=\"bob@ims.test\", realm=\"ims.test\", "
		"nonce=\"abc\", uri=\"sip:ims.test\", response=\"f00\"",
		"Digest username=\"alice@ims.test\", realm=\"ims.test\", "
		"nonce=\"old\", uri=\"sip:ims.test\", response=\"f00\"",
		"Digest username=\"alice@ims.test\", realm=\"other\", "
		"nonce=\"abc\", uri=\"sip:ims.test\", response=\"f00\"",
		"Digest username=\"alice@ims.test\", realm=\"ims.test\", "
		"nonce=\"abc\", uri=\"sip:ims.test\"",
		ANSWERED "\r\nX: y",
	};
	struct rfix *x = *state;
	struct packet p;

	(void)begin_client(x, &p);
	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++)
		assert_int_equal(gw_regn_answer(x->r, bad[i]), -EINVAL);
	expect_silence(&x->f, 50);
	assert_int_equal(gw_regn_answer(x->r, ANSWERED), 0);
	expect(&x->f, &p, "REGISTER ");
}

static void a_client_that_never_answers_is_given_up(void **state)
{
	struct rfix *x = *state;
	struct packet p;

	(void)begin_client(x, &p);
	pass_ms(x, 239000);
	nothing_heard(x);
	pass_ms(x, 1001);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 408);
	assert_int_equal(metric("isthmus_ims_cores_dead"), 0);
}

static void a_client_that_leaves_when_asked_sends_nothing(void **state)
{
	struct rfix *x = *state;
	struct packet p;

	(void)begin_client(x, &p);
	gw_regn_end(x->r);
	assert_int_equal(metric("isthmus_ims_registrations_known"), 0);
	expect_silence(&x->f, 50);
}

static void wait_gone(void)
{
	assert_int_equal(metric("isthmus_ims_registrations_known"), 0);
}

/* An owner may let go in the middle of being told something. */
static void letting_go_inside_an_event_leaves_nothing_behind(void **state)
{
	static const uint8_t sqn[6] = { 0, 0, 0, 0, 1, 32 };
	struct gw_regn_secret s = aka_secret();
	struct rfix *x = *state;
	struct gw_milenage m;
	struct packet p;
	char nonce[64];

	x->leave_at = GW_RE_SQN;
	begin_held(x, &s, &p);
	vector(nonce, &m, sqn, false);
	challenge_aka(x, &p, nonce);
	(void)hear(x, GW_RE_SQN);
	expect_silence(&x->f, 50);
	wait_gone();

	x->leave_at = GW_RE_CHALLENGE;
	(void)begin_client(x, &p);
	expect_silence(&x->f, 50);
	wait_gone();

	x->leave_at = GW_RE_REGISTERED;
	begin_held(x, &secret, &p);
	grant(x, &p, "540", NULL);
	(void)hear(x, GW_RE_REGISTERED);
	expect(&x->f, &p, "REGISTER ");
	assert_non_null(strstr(header(&p, "Contact"), "expires=0"));
	grant(x, &p, "0", NULL);
	expect_silence(&x->f, 30);
	wait_gone();

	x->leave_at = GW_RE_ENDED;
	begin_held(x, &secret, &p);
	reply(&x->f, &p, 404, "t", NULL, NULL);
	(void)hear(x, GW_RE_ENDED);
	wait_gone();
}

/* Bytes of answers changed at random, by a generator that repeats. */
static void mutated_answers_do_no_harm(void **state)
{
	static const char letters[] = "<>\";,=:@ \r\n%ae0\\*";
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	uint32_t seed = 1;

	req.how = GW_REGN_HELD;
	req.secret = &secret;
	for (unsigned i = 0; i < 200; i++) {
		char text[2048];
		struct packet p;
		size_t n;

		(void)snprintf(req.key, sizeof(req.key), "m%u", i);
		x->nheard = x->htaken = 0;
		x->ended = false;
		begin(x, &req);
		expect(&x->f, &p, "REGISTER ");
		(void)snprintf(
			text, sizeof(text),
			"SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=c\r\n"
			"Call-ID: %s\r\nCSeq: %s\r\n"
			"Contact: <sip:%s@h>;expires=\"540\"\r\n" ROUTES SET
			"WWW-Authenticate: Digest realm=\"ims.test\","
			"nonce=\"abc\",algorithm=MD5,qop=\"auth\"\r\n"
			"Min-Expires: 900\r\nRetry-After: 3\r\n"
			"Content-Length: 0\r\n\r\n",
			i % 3 == 0   ? "200 OK"
			: i % 3 == 1 ? "401 Who"
				     : "423 Brief",
			header(&p, "Via"), header(&p, "From"), header(&p, "To"),
			header(&p, "Call-ID"), header(&p, "CSeq"), token_of(&p),
			x->f.port);
		n = strlen(text);
		for (unsigned k = 0; k < 1 + i % 7; k++) {
			size_t at;

			seed = seed * 1664525u + 1013904223u;
			/* Past the lines by which it is found. */
			at = n / 2 + (seed >> 8) % (n / 2 - 4);
			text[at] = letters[(seed >> 4) % (sizeof(letters) - 1)];
		}
		send_text(&x->f, text);
		for (int k = 0; k < 4; k++)
			gw_loop_step(x->f.loop, 1);
		if (!x->ended)
			gw_regn_end(x->r);
		/* Whatever it waits for, it does not wait for ever. */
		for (int k = 0;
		     k < 200 && metric("isthmus_ims_registrations_known"); k++)
			pass_ms(x, 200);
		assert_int_equal(metric("isthmus_ims_registrations_known"), 0);
		pass_ms(x, 61000);
		while (poll_packet(&x->f, &p))
			;
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, rfix_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_held_password_answers),
		T(the_cores_first_choice_is_taken),
		T(a_wrong_password_ends_it),
		T(challenges_that_make_no_sense_end_it),
		T(an_endless_stale_is_not_followed),
		T(aka_held_here_answers),
		T(an_old_sequence_number_resynchronises),
		T(a_forged_vector_is_not_answered),
		T(the_challenge_is_the_clients_to_answer),
		T(a_log_out_is_authenticated_by_the_client),
		T(who_is_taken_over_after_a_crash_logs_out_likewise),
		T(a_log_out_that_fails_is_one_all_the_same),
		T(answers_of_others_are_refused),
		T(a_client_that_never_answers_is_given_up),
		T(a_client_that_leaves_when_asked_sends_nothing),
		T(letting_go_inside_an_event_leaves_nothing_behind),
		T(mutated_answers_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
