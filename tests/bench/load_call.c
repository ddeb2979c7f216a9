/* A call's way up: ng, ICE, DTLS; and down. */
#include "tests/bench/load.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "tests/bench/ng.h"

#define UFRAG      "bnch"
#define PWD        "bench-password-bench-password"
#define CHECK_US   50000
#define CONSENT_US 5000000
#define ASK_US     500000 /* ng over UDP: asked again */
#define GIVE_UP_US 10000000

uint64_t load_now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int accept_any(X509_STORE_CTX *store, void *arg)
{
	(void)store;
	(void)arg;
	return 1;
}

void load_make_certificate(struct load *l)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	unsigned n = 32;

	l->ctx = SSL_CTX_new(DTLS_method());
	assert(key && x && l->ctx);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha256());
	assert(X509_digest(x, EVP_sha256(), l->sha256, &n));
	SSL_CTX_set_verify(l->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(l->ctx, accept_any, NULL);
	assert(SSL_CTX_use_certificate(l->ctx, x) == 1);
	assert(SSL_CTX_use_PrivateKey(l->ctx, key) == 1);
	assert(SSL_CTX_set1_groups_list(l->ctx, "X25519:P-256") == 1);
	assert(!SSL_CTX_set_tlsext_use_srtp(
		l->ctx, l->opt.cm ? "SRTP_AES128_CM_SHA1_80"
				  : "SRTP_AEAD_AES_128_GCM"));
	(void)SSL_CTX_set_session_cache_mode(l->ctx, SSL_SESS_CACHE_OFF);
	X509_free(x);
	EVP_PKEY_free(key);
}

/* ---- ng ---- */

static void call_id(const struct call *c, char out[40])
{
	/* A relay remembers ids for a while after their end. */
	(void)snprintf(out, 40, "bench-%u-%u-%d", c->index, c->round,
		       (int)getpid());
}

static void ask(struct load *l, struct call *c, const char *command,
		const char *sdp)
{
	static const char *const demux[] = { "demux", NULL };
	static const char *const require[] = { "offer", "require", NULL };
	static const char *const no_sdes[] = { "off", NULL };
	bool offer = !strcmp(command, "offer");
	struct ng_out o;
	char id[40], cookie[64];

	call_id(c, id);
	(void)snprintf(cookie, sizeof(cookie), "%c_%u_%u", *command, c->index,
		       c->round);
	ng_begin(&o, cookie);
	ng_text(&o, "command", command);
	ng_text(&o, "call-id", id);
	ng_text(&o, "from-tag", "browser");
	if (strcmp(command, "offer") != 0)
		ng_text(&o, "to-tag", "phone");
	if (sdp) {
		ng_text(&o, "ICE", offer ? "remove" : "force");
		ng_text(&o, "transport-protocol",
			offer ? "RTP/AVP" : "UDP/TLS/RTP/SAVPF");
		ng_list(&o, "rtcp-mux", offer ? demux : require);
		ng_list(&o, "SDES", no_sdes);
		if (!offer)
			ng_text(&o, "DTLS", "passive");
		ng_text(&o, "sdp", sdp);
	}
	ng_end(&o);
	(void)send(l->control, o.data, o.len, 0);
	c->asked_us = l->now_us;
}

static void ask_offer(struct load *l, struct call *c)
{
	const struct sockaddr_in web = wire_browser(l, c);
	char hash[96], sdp[2048], addr[32];

	sdp_print_hash(hash, l->sha256);
	(void)inet_ntop(AF_INET, &web.sin_addr, addr, sizeof(addr));
	(void)snprintf(sdp, sizeof(sdp),
		       "v=0\r\no=- %u 1 IN IP4 %s\r\ns=-\r\nt=0 0\r\n"
		       "m=audio %u UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 %s\r\n"
		       "a=rtpmap:0 "
		       "PCMU/8000\r\na=rtcp-mux\r\na=sendrecv\r\na=mid:0\r\n"
		       "a=setup:actpass\r\na=fingerprint:sha-256 %s\r\n"
		       "a=ice-ufrag:" UFRAG "\r\na=ice-pwd:" PWD "\r\n"
		       "a=candidate:1 1 UDP 2130706431 %s %u typ host\r\n"
		       "a=ssrc:%u cname:bench\r\n",
		       c->index + 1, addr, ntohs(web.sin_port), addr, hash,
		       addr, ntohs(web.sin_port), WEB_SSRC + c->index);
	if (l->opt.daemon)
		daemon_offer(l, c, sdp);
	else
		ask(l, c, "offer", sdp);
}

static void ask_answer(struct load *l, struct call *c)
{
	char sdp[1024], addr[32];

	(void)inet_ntop(AF_INET, &l->phone_addr.sin_addr, addr, sizeof(addr));
	(void)snprintf(sdp, sizeof(sdp),
		       "v=0\r\no=- %u 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\n"
		       "t=0 0\r\nm=audio %u RTP/AVP 0\r\n"
		       "a=rtpmap:0 PCMU/8000\r\na=sendrecv\r\na=rtcp:%u\r\n",
		       c->index + 1, addr, addr, ntohs(l->phone_addr.sin_port),
		       ntohs(l->phone_addr.sin_port));
	ask(l, c, "answer", sdp);
}

static void use_keys(struct load *l, struct call *c,
		     const struct gw_srtp_keys *keys)
{
	if (!l->opt.clear)
		assert(!gw_srtp_new(&c->srtp, keys));
	c->state = CALL_UP;
	l->due_us[c->index] = l->now_us + (c->index * 7919u) % 20000;
	c->seq = (uint16_t)(c->index * 31);
	l->up++;
	delays_add(&l->setup, l->now_us - c->began_us);
}

/* All alike: what the forwarder has too. */
static struct gw_srtp_keys fixed_keys(const struct load *l)
{
	struct gw_srtp_keys keys = {
		.profile = l->opt.cm ? GW_SRTP_AES128_CM_SHA1_80
				     : GW_SRTP_AEAD_AES_128_GCM
	};

	memset(keys.local, 1, sizeof(keys.local));
	memset(keys.remote, 2, sizeof(keys.remote));
	return keys;
}

/* The zero line: the browser's packets, protected, to the phone's socket and
 * unprotected there; the phone's to the browser's. */
static void no_relay(struct load *l, struct call *c)
{
	struct gw_srtp_keys keys = fixed_keys(l), theirs = keys;

	memcpy(theirs.local, keys.remote, sizeof(theirs.local));
	memcpy(theirs.remote, keys.local, sizeof(theirs.remote));
	if (!l->opt.clear)
		assert(!gw_srtp_new(&c->mirror, &theirs));
	c->web = l->phone_addr;
	c->phone = l->web_addr;
	use_keys(l, c, &keys);
}

void call_offer(struct load *l, struct call *c)
{
	c->state = CALL_OFFERED;
	c->began_us = l->now_us;
	c->round++;
	c->controlled_ok = false;
	c->nid = 0;
	stun_agent_init(&c->stun, STUN_ALL_KNOWN_ATTRIBUTES,
			STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS |
				STUN_AGENT_USAGE_USE_FINGERPRINT);
	if (l->opt.self)
		no_relay(l, c);
	else
		ask_offer(l, c);
}

void call_failed(struct load *l, struct call *c, const char *why)
{
	if (l->failed++ < 5)
		(void)fprintf(stderr, "call %u: %s\n", c->index, why);
	call_delete(l, c);
}

static bool media_address(const char *sdp, struct sockaddr_in *out)
{
	char line[256], addr[64] = "";
	unsigned port;

	/* The address of an ICE agent is in its candidate. */
	if (sdp_line(sdp, "a=candidate:", line, sizeof(line)) &&
	    sscanf(line, "%*s %*s %*s %*s %63s %u", addr, &port) == 2) {
		out->sin_family = AF_INET;
		out->sin_port = htons((uint16_t)port);
		return inet_pton(AF_INET, addr, &out->sin_addr) == 1;
	}
	if (!sdp_line(sdp, "m=audio ", line, sizeof(line)) ||
	    sscanf(line, "%u", &port) != 1 || !port ||
	    !sdp_line(sdp, "c=IN IP4 ", addr, sizeof(addr)))
		return false;
	out->sin_family = AF_INET;
	out->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, addr, &out->sin_addr) == 1;
}

static void start_keys(struct load *l, struct call *c, bool server)
{
	c->ssl = SSL_new(l->ctx);
	c->in = BIO_new(BIO_s_mem());
	c->out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(c->in, -1);
	BIO_set_mem_eof_return(c->out, -1);
	SSL_set_bio(c->ssl, c->in, c->out);
	SSL_set_options(c->ssl, SSL_OP_NO_QUERY_MTU);
	SSL_set_mtu(c->ssl, 1200);
	if (server)
		SSL_set_accept_state(c->ssl);
	else
		SSL_set_connect_state(c->ssl);
}

void call_answered(struct load *l, struct call *c, const char *sdp)
{
	char setup[16];
	const struct gw_srtp_keys keys = fixed_keys(l);

	if (!media_address(sdp, &c->web)) {
		call_failed(l, c, "no address for the browser");
		return;
	}
	l->by_web_port[ntohs(c->web.sin_port)] = (uint16_t)(c->index + 1);
	if (l->opt.raw) {
		use_keys(l, c, &keys);
		return;
	}
	if (!sdp_line(sdp, "a=ice-ufrag:", c->ufrag, sizeof(c->ufrag)) ||
	    !sdp_line(sdp, "a=ice-pwd:", c->pwd, sizeof(c->pwd))) {
		call_failed(l, c, "no ICE in the answer");
		return;
	}
	c->state = CALL_CHECKING;
	c->next_check_us = 0;
	start_keys(l, c,
		   sdp_line(sdp, "a=setup:", setup, sizeof(setup)) &&
			   !strcmp(setup, "active"));
}

void call_phone(struct load *l, struct call *c, const char *sdp)
{
	if (!media_address(sdp, &c->phone))
		call_failed(l, c, "no address for the phone");
	else
		l->by_phone_port[ntohs(c->phone.sin_port)] =
			(uint16_t)(c->index + 1);
}

void call_control(struct load *l, const char *data, size_t len)
{
	char cookie[64], result[32] = "", sdp[4096];
	unsigned index, round;
	struct call *c;
	char what;

	if (!ng_cookie(data, cookie, sizeof(cookie)) ||
	    sscanf(cookie, "%c_%u_%u", &what, &index, &round) != 3 ||
	    index >= l->ncall)
		return;
	c = &l->call[index];
	if (c->round != round)
		return;
	(void)ng_get(data, len, "result", result, sizeof(result));
	if (what == 'd') {
		if (c->state == CALL_DELETED) {
			c->state = CALL_IDLE;
			l->deleted++;
		}
		return;
	}
	if (strcmp(result, "ok") != 0 ||
	    !ng_get(data, len, "sdp", sdp, sizeof(sdp))) {
		(void)ng_get(data, len, "error-reason", sdp, sizeof(sdp));
		call_failed(l, c, sdp);
	} else if (what == 'o' && c->state == CALL_OFFERED) {
		call_phone(l, c, sdp);
		if (c->state != CALL_OFFERED)
			return;
		c->state = CALL_ANSWERED;
		ask_answer(l, c);
	} else if (what == 'a' && c->state == CALL_ANSWERED) {
		call_answered(l, c, sdp);
	}
}

void call_delete(struct load *l, struct call *c)
{
	if (c->state == CALL_UP)
		l->up--;
	l->due_us[c->index] = NEVER;
	if (c->web.sin_port)
		l->by_web_port[ntohs(c->web.sin_port)] = 0;
	if (c->phone.sin_port)
		l->by_phone_port[ntohs(c->phone.sin_port)] = 0;
	SSL_free(c->ssl);
	c->ssl = NULL;
	gw_srtp_free(c->srtp);
	c->srtp = NULL;
	gw_srtp_free(c->mirror);
	c->mirror = NULL;
	c->state = l->opt.self ? CALL_IDLE : CALL_DELETED;
	if (l->opt.self)
		return;
	if (l->opt.daemon)
		daemon_delete(l, c);
	else
		ask(l, c, "delete", NULL);
}

/* ---- ICE: controlling, every check nominates ---- */

static void check(struct load *l, struct call *c)
{
	StunTransactionId *id = &c->id[c->nid++ % 8];
	uint8_t buf[512];
	char name[128];
	StunMessage msg;
	size_t len;

	if (c->nid > 8)
		(void)stun_agent_forget_transaction(&c->stun, *id);
	(void)snprintf(name, sizeof(name), "%s:" UFRAG, c->ufrag);
	len = stun_usage_ice_conncheck_create(
		&c->stun, &msg, buf, sizeof(buf), (uint8_t *)name, strlen(name),
		(uint8_t *)c->pwd, strlen(c->pwd), true, true, 0x6effffff,
		c->index + 1, NULL, STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
	assert(len);
	stun_message_id(&msg, *id);
	wire_to_relay(l, c, buf, len);
}

static bool password(StunAgent *agent, StunMessage *msg, uint8_t *username,
		     uint16_t username_len, uint8_t **out, size_t *out_len,
		     void *arg)
{
	(void)agent;
	(void)msg;
	(void)username;
	(void)username_len;
	(void)arg;
	*out = (uint8_t *)PWD;
	*out_len = strlen(PWD);
	return true;
}

static void keep_shaking(struct load *l, struct call *c);

static void on_stun(struct load *l, struct call *c, const uint8_t *data,
		    size_t len)
{
	uint8_t buf[512];
	size_t n = sizeof(buf);
	StunMessage msg, reply;
	bool control = true;

	if (stun_agent_validate(&c->stun, &msg, data, len, password, c) !=
	    STUN_VALIDATION_SUCCESS)
		return;
	if (stun_message_get_class(&msg) == STUN_REQUEST) {
		if (stun_usage_ice_conncheck_create_reply(
			    &c->stun, &msg, &reply, buf, &n,
			    (struct sockaddr_storage *)&c->web, sizeof(c->web),
			    &control, c->index + 1,
			    STUN_USAGE_ICE_COMPATIBILITY_RFC5245) ==
		    STUN_USAGE_ICE_RETURN_SUCCESS)
			wire_to_relay(l, c, buf, n);
	} else if (stun_message_get_class(&msg) == STUN_RESPONSE &&
		   c->state == CALL_CHECKING) {
		c->state = CALL_KEYING;
		keep_shaking(l, c);
	}
}

/* ---- DTLS ---- */

static void flush(struct load *l, struct call *c)
{
	uint8_t flight[4096];
	int n = BIO_read(c->out, flight, sizeof(flight));

	if (n > 0)
		wire_to_relay(l, c, flight, (size_t)n);
}

static void take_keys(struct load *l, struct call *c)
{
	const SRTP_PROTECTION_PROFILE *prof =
		SSL_get_selected_srtp_profile(c->ssl);
	struct gw_srtp_keys keys = { .profile = GW_SRTP_AES128_CM_SHA1_80 };
	size_t salt = 14;
	uint8_t m[60], *mine, *theirs;

	if (!prof) {
		call_failed(l, c, "no SRTP profile agreed");
		return;
	}
	if (prof->id == SRTP_AEAD_AES_128_GCM) {
		keys.profile = GW_SRTP_AEAD_AES_128_GCM;
		salt = 12;
	}
	assert(SSL_export_keying_material(c->ssl, m, 2 * (16 + salt),
					  "EXTRACTOR-dtls_srtp", 19, NULL, 0,
					  0) == 1);
	mine = SSL_is_server(c->ssl) ? keys.remote : keys.local;
	theirs = SSL_is_server(c->ssl) ? keys.local : keys.remote;
	memcpy(mine, m, 16);
	memcpy(mine + 16, m + 32, salt);
	memcpy(theirs, m + 16, 16);
	memcpy(theirs + 16, m + 32 + salt, salt);
	use_keys(l, c, &keys);
}

static void keep_shaking(struct load *l, struct call *c)
{
	int n;

	ERR_clear_error();
	n = SSL_do_handshake(c->ssl);
	flush(l, c);
	c->retransmit_us = l->now_us + 1000000;
	if (n == 1)
		take_keys(l, c);
	else if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ)
		call_failed(l, c, "the handshake failed");
}

void call_web_packet(struct load *l, struct call *c, uint8_t *data, size_t len)
{
	if (data[0] < 2) {
		on_stun(l, c, data, len);
	} else if (data[0] >= 20 && data[0] <= 63 && c->ssl) {
		(void)BIO_write(c->in, data, (int)len);
		if (c->state == CALL_KEYING)
			keep_shaking(l, c);
		else if (c->state == CALL_UP)
			(void)SSL_read(c->ssl, data, 1);
	}
}

void call_step(struct load *l, struct call *c)
{
	switch (c->state) {
	case CALL_OFFERED:
	case CALL_ANSWERED:
	case CALL_DELETED:
		if (l->opt.daemon)
			break;
		if (l->now_us < c->asked_us + ASK_US)
			return;
		if (c->state == CALL_OFFERED)
			ask_offer(l, c);
		else if (c->state == CALL_ANSWERED)
			ask_answer(l, c);
		else
			ask(l, c, "delete", NULL);
		break;
	case CALL_CHECKING:
	case CALL_KEYING:
	case CALL_UP:
		if (!l->opt.raw && l->now_us >= c->next_check_us) {
			check(l, c);
			c->next_check_us =
				l->now_us + (c->state == CALL_CHECKING
						     ? CHECK_US
						     : CONSENT_US);
		}
		if (c->state == CALL_KEYING && l->now_us >= c->retransmit_us) {
			c->retransmit_us = l->now_us + 1000000;
			if (DTLSv1_handle_timeout(c->ssl) > 0)
				flush(l, c);
		}
		break;
	default:
		return;
	}
	if (c->state != CALL_UP && c->state != CALL_DELETED &&
	    l->now_us > c->began_us + GIVE_UP_US)
		call_failed(l, c, "not up within 10 s");
}
