#include "tests/unit/media_peer.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <nice/agent.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <srtp2/srtp.h>

#include "gateway/base/check.h"
#include "tests/unit/light_ice.h"

#define PEER_MTU 1200

struct queue {
	unsigned count; /* ever */
	unsigned read;
	struct media_peer_packet pkt[MEDIA_PEER_KEEP];
};

struct media_peer {
	struct media_peer_options opt;
	struct light_ice *light; /* instead of the agent */
	GMainContext *gctx;
	NiceAgent *agent;
	guint stream;
	bool gathered, ice_up;
	unsigned pairs;

	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out;
	uint8_t sha256[32];
	bool started, up, failed, closed;
	unsigned skip, lose;
	unsigned deaf;

	srtp_t tx, rx;
	uint8_t last[1600];
	size_t last_len;
	struct queue rtp, rtcp;
	unsigned bad;
};

static int accept_any(X509_STORE_CTX *store, void *arg)
{
	(void)store;
	(void)arg;
	return 1;
}

static void make_certificate(struct media_peer *p)
{
	EVP_PKEY *key = p->opt.rsa ? EVP_RSA_gen(4096) : EVP_EC_gen("P-256");
	X509 *x = X509_new();
	unsigned n = sizeof(p->sha256);

	p->ctx = SSL_CTX_new(DTLS_method());
	assert(key && x && p->ctx);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha256());
	assert(X509_digest(x, EVP_sha256(), p->sha256, &n));

	SSL_CTX_set_verify(p->ctx,
			   SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			   NULL);
	SSL_CTX_set_cert_verify_callback(p->ctx, accept_any, NULL);
	assert(SSL_CTX_use_certificate(p->ctx, x) == 1);
	assert(SSL_CTX_use_PrivateKey(p->ctx, key) == 1);
	assert(!SSL_CTX_set_tlsext_use_srtp(
		p->ctx,
		p->opt.profiles
			? p->opt.profiles
			: "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80"));
	X509_free(x);
	EVP_PKEY_free(key);
}

/* As Chromium: soon, then less and less often. */
static unsigned retransmit_us(SSL *ssl, unsigned last_us)
{
	const struct media_peer *p = SSL_get_app_data(ssl);
	unsigned us = last_us ? 2 * last_us : 50000;
	unsigned most = p->opt.dtls_wait_ms * 1000;

	return most && us > most ? most : us;
}

static void make_ssl(struct media_peer *p)
{
	const struct media_peer *like = p->opt.certificate_of;

	if (like) {
		p->ctx = like->ctx;
		assert(SSL_CTX_up_ref(p->ctx));
		memcpy(p->sha256, like->sha256, sizeof(p->sha256));
	} else {
		make_certificate(p);
	}
	p->ssl = SSL_new(p->ctx);
	p->in = BIO_new(BIO_s_mem());
	p->out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(p->in, -1);
	BIO_set_mem_eof_return(p->out, -1);
	SSL_set_bio(p->ssl, p->in, p->out);
	SSL_set_options(p->ssl, SSL_OP_NO_QUERY_MTU);
	SSL_set_mtu(p->ssl, PEER_MTU);
	SSL_set_app_data(p->ssl, p);
	if (p->opt.light)
		DTLS_set_timer_cb(p->ssl, retransmit_us);
	if (p->opt.active)
		SSL_set_connect_state(p->ssl);
	else
		SSL_set_accept_state(p->ssl);
}

static void send_raw(struct media_peer *p, const void *data, size_t len)
{
	if (p->light)
		light_ice_send(p->light, data, len);
	else
		(void)nice_agent_send(p->agent, p->stream, 1, (guint)len, data);
}

/* The memory BIO has joined the datagrams: as many records as fit into each. */
static void flush(struct media_peer *p)
{
	uint8_t flight[16384];
	int n = BIO_read(p->out, flight, sizeof(flight));
	size_t len = n > 0 ? (size_t)n : 0;
	size_t from = 0, to = 0;

	while (to < len) {
		size_t record =
			13 + ((size_t)flight[to + 11] << 8 | flight[to + 12]);

		assert(to + record <= len);
		if (to > from && to + record - from > PEER_MTU) {
			send_raw(p, flight + from, to - from);
			from = to;
		}
		to += record;
	}
	if (to > from)
		send_raw(p, flight + from, to - from);
}

static void make_srtp(struct media_peer *p)
{
	const SRTP_PROTECTION_PROFILE *prof =
		SSL_get_selected_srtp_profile(p->ssl);
	bool gcm = prof && prof->id == SRTP_AEAD_AES_128_GCM;
	size_t salt = gcm ? 12 : 14;
	uint8_t m[60];
	uint8_t key[2][30];
	srtp_policy_t pol;

	assert(prof);
	assert(SSL_export_keying_material(p->ssl, m, 2 * (16 + salt),
					  "EXTRACTOR-dtls_srtp", 19, NULL, 0,
					  0) == 1);
	for (int i = 0; i < 2; i++) { /* 0: client's */
		memcpy(key[i], m + i * 16, 16);
		memcpy(key[i] + 16, m + 32 + (size_t)i * salt, salt);
	}
	memset(&pol, 0, sizeof(pol));
	if (gcm) {
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&pol.rtp);
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&pol.rtcp);
	} else {
		srtp_crypto_policy_set_rtp_default(&pol.rtp);
		srtp_crypto_policy_set_rtcp_default(&pol.rtcp);
	}
	pol.window_size = 128;
	pol.ssrc.type = ssrc_any_outbound;
	pol.key = key[p->opt.active ? 0 : 1];
	assert(!srtp_create(&p->tx, &pol));
	pol.ssrc.type = ssrc_any_inbound;
	pol.key = key[p->opt.active ? 1 : 0];
	assert(!srtp_create(&p->rx, &pol));
}

static void advance(struct media_peer *p)
{
	char buf[256];
	int n;

	ERR_clear_error();
	if (p->failed || p->closed)
		return;
	if (!p->up) {
		n = SSL_do_handshake(p->ssl);
		if (n == 1) {
			p->up = true;
			make_srtp(p);
		} else if (SSL_get_error(p->ssl, n) != SSL_ERROR_WANT_READ) {
			p->failed = true;
		}
	} else {
		do {
			n = SSL_read(p->ssl, buf, sizeof(buf));
		} while (n > 0);
		if (SSL_get_error(p->ssl, n) == SSL_ERROR_ZERO_RETURN)
			p->closed = true;
	}
	flush(p);
}

static void keep(struct media_peer *p, bool rtcp, const uint8_t *data,
		 size_t len)
{
	struct queue *q = rtcp ? &p->rtcp : &p->rtp;
	struct media_peer_packet *k = &q->pkt[q->count % MEDIA_PEER_KEEP];
	int n = (int)len;
	srtp_err_status_t st = srtp_err_status_no_ctx;

	if (len > sizeof(k->data))
		return;
	memcpy(k->data, data, len);
	if (p->rx)
		st = rtcp ? srtp_unprotect_rtcp(p->rx, k->data, &n)
			  : srtp_unprotect(p->rx, k->data, &n);
	if (st) {
		p->bad++;
		return;
	}
	k->len = (size_t)n;
	q->count++;
}

static void received(const uint8_t *data, size_t len, void *arg)
{
	struct media_peer *p = arg;
	uint8_t first = data[0];

	if (first >= 20 && first <= 63) {
		if (p->skip) {
			p->skip--;
		} else if (p->lose) {
			p->lose--;
			return;
		}
		BIO_write(p->in, data, (int)len);
		advance(p);
	} else if (len > 2) {
		uint8_t second = data[1];
		bool rtcp = second >= 192 && second <= 223;

		if (p->deaf && !rtcp) {
			p->deaf--;
			return;
		}
		keep(p, rtcp, data, len);
	}
}

static void on_recv(NiceAgent *agent, guint stream, guint comp, guint len,
		    gchar *data, gpointer arg)
{
	(void)agent;
	(void)stream;
	(void)comp;
	received((const uint8_t *)data, len, arg);
}

static void on_state(NiceAgent *agent, guint stream, guint comp, guint state,
		     gpointer arg)
{
	struct media_peer *p = arg;

	(void)agent;
	(void)stream;
	(void)comp;
	p->ice_up = state == NICE_COMPONENT_STATE_CONNECTED ||
		    state == NICE_COMPONENT_STATE_READY;
}

static void on_pair(NiceAgent *agent, guint stream, guint comp, gpointer l,
		    gpointer r, gpointer arg)
{
	struct media_peer *p = arg;

	(void)agent;
	(void)stream;
	(void)comp;
	(void)l;
	(void)r;
	p->pairs++;
}

static void on_gathered(NiceAgent *agent, guint stream, gpointer arg)
{
	struct media_peer *p = arg;

	(void)agent;
	(void)stream;
	p->gathered = true;
}

static void open_agent(struct media_peer *p, const char *address)
{
	NiceAddress a;

	if (p->opt.light) {
		p->light =
			light_ice_new(address, p->opt.controlling, received, p);
		return;
	}
	p->gathered = false;
	p->ice_up = false;
	p->gctx = g_main_context_new();
	p->agent = nice_agent_new_full(p->gctx, NICE_COMPATIBILITY_RFC5245,
				       NICE_AGENT_OPTION_CONSENT_FRESHNESS);
	g_object_set(p->agent, "controlling-mode", (gboolean)p->opt.controlling,
		     "upnp", FALSE, "ice-tcp", FALSE, NULL);
	nice_address_init(&a);
	assert(nice_address_set_from_string(&a, address));
	nice_agent_add_local_address(p->agent, &a);
	g_signal_connect(p->agent, "component-state-changed",
			 G_CALLBACK(on_state), p);
	g_signal_connect(p->agent, "new-selected-pair-full",
			 G_CALLBACK(on_pair), p);
	g_signal_connect(p->agent, "candidate-gathering-done",
			 G_CALLBACK(on_gathered), p);
	p->stream = nice_agent_add_stream(p->agent, 1);
	nice_agent_attach_recv(p->agent, p->stream, 1, p->gctx, on_recv, p);
	assert(nice_agent_gather_candidates(p->agent, p->stream));
	for (int i = 0; i < 1000 && !p->gathered; i++)
		(void)g_main_context_iteration(p->gctx, FALSE);
	assert(p->gathered);
}

struct media_peer *media_peer_new(const struct media_peer_options *opt)
{
	struct media_peer *p = calloc(1, sizeof(*p));

	assert(p);
	p->opt = *opt;
	make_ssl(p);
	open_agent(p, opt->address ? opt->address : "127.0.0.1");
	return p;
}

static void close_agent(struct media_peer *p)
{
	if (p->light) {
		light_ice_free(p->light);
		return;
	}
	nice_agent_attach_recv(p->agent, p->stream, 1, p->gctx, NULL, NULL);
	nice_agent_remove_stream(p->agent, p->stream);
	g_object_unref(p->agent);
	for (int i = 0; i < 100; i++)
		(void)g_main_context_iteration(p->gctx, FALSE);
	g_main_context_unref(p->gctx);
}

void media_peer_move(struct media_peer *p, const char *address)
{
	if (p->light) {
		light_ice_move(p->light, address);
		return;
	}
	close_agent(p);
	open_agent(p, address);
}

void media_peer_silence(struct media_peer *p)
{
	light_ice_silence(p->light);
}

void media_peer_free(struct media_peer *p)
{
	if (!p)
		return;
	close_agent(p);
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	if (p->tx)
		srtp_dealloc(p->tx);
	if (p->rx)
		srtp_dealloc(p->rx);
	free(p);
}

static void describe_agent(struct media_peer *p, struct gw_end *end)
{
	gchar *ufrag;
	gchar *pwd;
	GSList *list;

	assert(nice_agent_get_local_credentials(p->agent, p->stream, &ufrag,
						&pwd));
	(void)snprintf(end->ufrag, sizeof(end->ufrag), "%s", ufrag);
	(void)snprintf(end->pwd, sizeof(end->pwd), "%s", pwd);
	g_free(ufrag);
	g_free(pwd);
	end->ncandidate = 0;
	list = p->opt.no_candidates ? NULL
				    : nice_agent_get_local_candidates(
					      p->agent, p->stream, 1);
	for (GSList *l = list; l; l = l->next) {
		const NiceCandidate *c = l->data;
		struct gw_candidate *out = &end->candidate[end->ncandidate++];
		struct sockaddr_storage ss;

		memset(out, 0, sizeof(*out));
		nice_address_copy_to_sockaddr(&c->addr, (struct sockaddr *)&ss);
		assert(!gw_addr_from_sockaddr(&out->addr,
					      (struct sockaddr *)&ss));
		out->priority = c->priority;
		(void)snprintf(out->foundation, sizeof(out->foundation), "%s",
			       c->foundation);
	}
	g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
}

void media_peer_describe(struct media_peer *p, struct gw_end *end)
{
	end->transport = GW_TP_DTLS;
	if (p->light)
		light_ice_describe(p->light, end, p->opt.no_candidates);
	else
		describe_agent(p, end);
	memcpy(end->sha256, p->sha256, sizeof(end->sha256));
	end->setup = p->opt.active || p->opt.waits ? GW_DTLS_ACTIVE
						   : GW_DTLS_PASSIVE;
	end->controlling = p->opt.controlling;
}

void media_peer_set_remote(struct media_peer *p, const struct gw_end *end)
{
	GSList *list = NULL;

	if (p->light) {
		light_ice_set_remote(p->light, end);
		return;
	}
	assert(nice_agent_set_remote_credentials(p->agent, p->stream,
						 end->ufrag, end->pwd));
	for (unsigned i = 0; i < end->ncandidate; i++) {
		const struct gw_candidate *in = &end->candidate[i];
		NiceCandidate *c =
			nice_candidate_new((NiceCandidateType)in->type);
		struct sockaddr_storage ss;

		(void)gw_addr_to_sockaddr(&in->addr, &ss);
		nice_address_set_from_sockaddr(&c->addr,
					       (struct sockaddr *)&ss);
		c->base_addr = c->addr;
		c->transport = NICE_CANDIDATE_TRANSPORT_UDP;
		c->priority = in->priority;
		c->stream_id = p->stream;
		c->component_id = 1;
		(void)snprintf(c->foundation, sizeof(c->foundation), "%s",
			       in->foundation);
		list = g_slist_append(list, c);
	}
	assert(nice_agent_set_remote_candidates(p->agent, p->stream, 1, list) >
	       0);
	g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
}

void media_peer_restart(struct media_peer *p)
{
	if (p->light)
		light_ice_restart(p->light);
	else
		assert(nice_agent_restart(p->agent));
}

void media_peer_step(struct media_peer *p)
{
	if (p->light)
		light_ice_step(p->light);
	else
		for (int i = 0; i < 50; i++)
			if (!g_main_context_iteration(p->gctx, FALSE))
				break;
	if (media_peer_ice_up(p) && p->opt.active && !p->started) {
		p->started = true;
		advance(p);
	}
	if (!p->failed && !p->closed && DTLSv1_handle_timeout(p->ssl) > 0)
		flush(p);
}

bool media_peer_ice_up(const struct media_peer *p)
{
	return p->light ? light_ice_up(p->light) : p->ice_up;
}

bool media_peer_dtls_up(const struct media_peer *p)
{
	return p->up;
}

bool media_peer_dtls_failed(const struct media_peer *p)
{
	return p->failed;
}

bool media_peer_dtls_closed(const struct media_peer *p)
{
	return p->closed;
}

unsigned media_peer_pairs(const struct media_peer *p)
{
	return p->light ? light_ice_pairs(p->light) : p->pairs;
}

const char *media_peer_profile(const struct media_peer *p)
{
	const SRTP_PROTECTION_PROFILE *prof =
		SSL_get_selected_srtp_profile(p->ssl);

	return prof ? prof->name : "";
}

void media_peer_lose(struct media_peer *p, unsigned skip, unsigned n)
{
	p->skip = skip;
	p->lose = n;
}

size_t media_peer_forge_hello(uint8_t *out, size_t size)
{
	SSL_CTX *ctx = SSL_CTX_new(DTLS_method());
	SSL *ssl = SSL_new(ctx);
	BIO *bio = BIO_new(BIO_s_mem());
	int n;

	BIO_set_mem_eof_return(bio, -1);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
	SSL_set_mtu(ssl, 1200);
	SSL_set_connect_state(ssl);
	assert(!SSL_CTX_set_tlsext_use_srtp(ctx, "SRTP_AEAD_AES_128_GCM"));
	(void)SSL_do_handshake(ssl);
	n = BIO_read(bio, out, (int)size);
	assert(n > 13);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return (size_t)n;
}

void media_peer_revoke_consent(struct media_peer *p)
{
	assert(nice_agent_consent_lost(p->agent, p->stream, 1));
}

void media_peer_renegotiate(struct media_peer *p)
{
	(void)SSL_renegotiate(p->ssl);
	(void)SSL_do_handshake(p->ssl);
	flush(p);
}

void media_peer_close_notify(struct media_peer *p)
{
	(void)SSL_shutdown(p->ssl);
	flush(p);
}

size_t media_peer_protect(struct media_peer *p, const void *data, size_t len,
			  void *out)
{
	const uint8_t *b = data;
	int n = (int)len;

	assert(p->tx && len + 148 <= sizeof(p->last));
	memcpy(out, data, len);
	if (b[1] >= 192 && b[1] <= 223)
		assert(!srtp_protect_rtcp(p->tx, out, &n));
	else
		assert(!srtp_protect(p->tx, out, &n));
	return (size_t)n;
}

void media_peer_send(struct media_peer *p, const void *data, size_t len)
{
	p->last_len = media_peer_protect(p, data, len, p->last);
	send_raw(p, p->last, p->last_len);
}

void media_peer_send_raw(struct media_peer *p, const void *data, size_t len)
{
	send_raw(p, data, len);
}

void media_peer_replay(struct media_peer *p)
{
	send_raw(p, p->last, p->last_len);
}

static const struct media_peer_packet *take(struct queue *q)
{
	if (q->read == q->count)
		return NULL;
	if (q->count - q->read > MEDIA_PEER_KEEP)
		q->read = q->count - MEDIA_PEER_KEEP;
	return &q->pkt[q->read++ % MEDIA_PEER_KEEP];
}

const struct media_peer_packet *media_peer_rtp(struct media_peer *p)
{
	return take(&p->rtp);
}

unsigned media_peer_rtp_count(const struct media_peer *p)
{
	return p->rtp.count;
}

const struct media_peer_packet *media_peer_rtcp(struct media_peer *p)
{
	return take(&p->rtcp);
}

unsigned media_peer_rtcp_count(const struct media_peer *p)
{
	return p->rtcp.count;
}

void media_peer_miss(struct media_peer *p, unsigned n)
{
	p->deaf = n;
}

unsigned media_peer_bad(const struct media_peer *p)
{
	return p->bad;
}
