#include "media/dtls_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "gateway/base/check.h"
#include "gateway/base/metrics.h"

#define DTLS_MAGIC 0x4474d715

/* RFC 6347 4.2.4.1 says 1 s, doubling, for the Internet of its day; ICE has
 * just shown this path to answer in less, and a lost flight delays the first
 * word.  OpenSSL gives a flight twelve repetitions, and at 30 % loss each way
 * half of those to a server are in vain: all are sent within 4 s, from DOUBLED
 * on twice, as two in three then come back answered.  The last is waited for as
 * long as a handshake may take. */
static const uint16_t rto_ms[] = { 80,  120, 200, 250, 300, 300, 300,
				   300, 350, 400, 500, 900, 6000 };
#define DOUBLED      2
#define NRTO         (sizeof(rto_ms) / sizeof(rto_ms[0]))
#define HANDSHAKE_MS 10000u

/* The last flight has no answer, so no timer of OpenSSL's: it is only sent
 * again when the peer asks, and browsers double their 50 ms without a bound, so
 * that at 30 % loss one in a hundred waits over 5 s.  Until the peer has shown
 * that it has the keys, it gets the same datagrams again: records that it has
 * seen before its replay check drops (RFC 6347 4.1.2.6), so nothing answers
 * them. */
static const uint16_t repeat_ms[] = { 50, 100, 200, 400, 400, 800, 1000, 1000 };
#define NREPEAT (sizeof(repeat_ms) / sizeof(repeat_ms[0]))

/* OpenSSL's part of an association is some 40 KB, and has little to do once
 * the keys are out: it goes after KEEP_SSL_MS.  The last flight may be asked
 * for until twice the maximum segment lifetime is over (RFC 6347 4.2.4). */
#define KEEP_SSL_MS    200u
#define KEEP_FLIGHT_MS 240000u
#define ASKED_MAX      16 /* times that it is sent again then */

/* Enough of a machine for a handshake; OpenSSL holds the rest. */
enum phase { WAITING, HANDSHAKE, UP, ENDED };

struct gw_dtls {
	uint32_t magic;
	enum phase phase;
	bool active;
	bool mismatch; /* the certificate was not the signalled one */
	SSL *ssl;      /* NULL: UP, and let go */
	struct gw_dtls_bio bio;
	struct gw_dtls_flight last; /* what we sent in the step under way */
	struct gw_dtls_flight bye;  /* close_notify, made before ssl went */
	uint8_t asked;
	uint8_t nretransmit; /* of the flight under way */
	uint8_t nrepeat;     /* of the last flight */
	uint8_t sha256[32];
	struct gw_timers *timers;
	struct gw_timer retransmit;
	struct gw_timer repeat;   /* the last flight, unasked */
	struct gw_timer deadline; /* of the handshake; then of what is kept */
	const struct gw_logctx *log;
	gw_dtls_state_h *state_h;
	void *arg;
};

GW_COUNTER(m_up, "isthmus_dtls_total", "DTLS associations, by outcome",
	   "result=\"established\"");
GW_COUNTER(m_fingerprint, "isthmus_dtls_total", "DTLS associations, by outcome",
	   "result=\"bad_fingerprint\"");
GW_COUNTER(m_failed, "isthmus_dtls_total", "DTLS associations, by outcome",
	   "result=\"handshake_failed\"");
GW_COUNTER(m_timeout, "isthmus_dtls_total", "DTLS associations, by outcome",
	   "result=\"timeout\"");
GW_COUNTER(m_closed, "isthmus_dtls_total", "DTLS associations, by outcome",
	   "result=\"closed\"");
GW_COUNTER(m_retransmits, "isthmus_dtls_retransmits_total",
	   "DTLS flights sent again because no answer came", "");
GW_COUNTER(m_repeats, "isthmus_dtls_repeats_total",
	   "Last DTLS flights sent again because no media came", "");

#define LATE      "isthmus_dtls_late_total"
#define LATE_HELP "Datagrams for associations whose DTLS keys are gone, by kind"

GW_COUNTER(m_late_flight, LATE, LATE_HELP, "kind=\"flight\"");
GW_COUNTER(m_late_alert, LATE, LATE_HELP, "kind=\"alert\"");
GW_COUNTER(m_late_other, LATE, LATE_HELP, "kind=\"other\"");
GW_GAUGE(m_ssl, "isthmus_dtls_objects", "OpenSSL associations in memory", "");

GW_COUNTER(m_malformed, "isthmus_dtls_malformed_total",
	   "Datagrams that are no DTLS records", "");

/* RFC 8827 6.5: trust is the fingerprint alone, whatever the certificate's
 * issuer and dates; RFC 8122 5: over the DER form. */
int gw_dtls_verify_peer(X509_STORE_CTX *store, void *unused)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
		store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct gw_dtls *d = SSL_get_app_data(ssl);
	X509 *peer = X509_STORE_CTX_get0_cert(store);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	(void)unused;
	GW_CHECK(d, DTLS_MAGIC);
	if (peer && X509_digest(peer, EVP_sha256(), digest, &n) &&
	    n == sizeof(d->sha256) &&
	    !CRYPTO_memcmp(digest, d->sha256, sizeof(d->sha256))) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	d->mismatch = true;
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
	return 0;
}

static void end(struct gw_dtls *d, enum gw_dtls_state state)
{
	struct gw_metric *const metric[] = {
		[GW_DTLS_BAD_FINGERPRINT] = &m_fingerprint,
		[GW_DTLS_HANDSHAKE_FAILED] = &m_failed,
		[GW_DTLS_TIMEOUT] = &m_timeout,
		[GW_DTLS_CLOSED] = &m_closed,
	};

	d->phase = ENDED;
	gw_timer_stop(&d->retransmit);
	gw_timer_stop(&d->repeat);
	gw_timer_stop(&d->deadline);
	gw_metric_add(metric[state], 1);
	d->state_h(state, NULL, d->arg);
}

/* RFC 5764 4.2: client key, server key, client salt, server salt. */
static int export_keys(struct gw_dtls *d, struct gw_srtp_keys *keys)
{
	const SRTP_PROTECTION_PROFILE *p =
		SSL_get_selected_srtp_profile(d->ssl);
	uint8_t m[2 * GW_SRTP_KEY_MAX];
	uint8_t *client = d->active ? keys->local : keys->remote;
	uint8_t *server = d->active ? keys->remote : keys->local;
	size_t key;
	size_t salt;
	int ok;

	if (!p || gw_srtp_key_bytes((enum gw_srtp_profile)p->id, &key, &salt))
		return -EPROTO; /* the peer does no SRTP, or none of ours */
	ok = SSL_export_keying_material(d->ssl, m, 2 * (key + salt),
					"EXTRACTOR-dtls_srtp", 19, NULL, 0, 0);
	if (ok == 1) {
		keys->profile = (enum gw_srtp_profile)p->id;
		memcpy(client, m, key);
		memcpy(server, m + key, key);
		memcpy(client + key, m + 2 * key, salt);
		memcpy(server + key, m + 2 * key + salt, salt);
	}
	OPENSSL_cleanse(m, sizeof(m));
	return ok == 1 ? 0 : -EIO;
}

static void established(struct gw_dtls *d)
{
	struct gw_srtp_keys keys = { 0 };
	int err = export_keys(d, &keys);

	gw_timer_stop(&d->deadline);
	(void)gw_timer_start_ms(d->timers, &d->deadline, KEEP_SSL_MS);
	if (err) {
		gw_info(d->log, "DTLS: no common SRTP profile");
		end(d, GW_DTLS_HANDSHAKE_FAILED);
		return;
	}
	d->phase = UP;
	/* Whose flight was the last, the server's: a client has none here. */
	if (d->last.n && !d->last.too_big)
		(void)gw_timer_start_ms(d->timers, &d->repeat, repeat_ms[0]);
	gw_metric_add(&m_up, 1);
	gw_info(d->log, "DTLS established as %s: %s, %s",
		d->active ? "client" : "server", SSL_get_cipher_name(d->ssl),
		keys.profile == GW_SRTP_AEAD_AES_128_GCM
			? "AEAD_AES_128_GCM"
			: "AES_CM_128_HMAC_SHA1_80");
	d->state_h(GW_DTLS_UP, &keys, d->arg);
	OPENSSL_cleanse(&keys, sizeof(keys));
}

static void arm_retransmit(struct gw_dtls *d)
{
	struct timeval tv;
	uint64_t us;

	if (d->phase == ENDED || !d->ssl ||
	    DTLSv1_get_timeout(d->ssl, &tv) != 1) {
		gw_timer_stop(&d->retransmit);
		return;
	}
	us = (uint64_t)tv.tv_sec * 1000000u + (uint64_t)tv.tv_usec;
	/* OpenSSL calls under 15 ms "now", on its own clock; a millisecond
	 * more spares a wake-up that finds nothing to do. */
	(void)gw_timer_start_us(d->timers, &d->retransmit, us + 1000);
}

static void handshake_failed(struct gw_dtls *d)
{
	unsigned long e = ERR_peek_last_error();
	const char *why = ERR_reason_error_string(e);

	if (d->mismatch) {
		gw_warn(d->log, "DTLS: the peer's certificate is not the one "
				"its signalling named");
		end(d, GW_DTLS_BAD_FINGERPRINT);
	} else {
		gw_warn(d->log, "DTLS handshake failed: %s",
			why ? why : "no reason given");
		end(d, GW_DTLS_HANDSHAKE_FAILED);
	}
}

/* After the handshake OpenSSL answers a retransmitted last flight from inside
 * SSL_read; application data is nobody's yet and is dropped. */
static void read_records(struct gw_dtls *d)
{
	uint8_t room[GW_DTLS_MTU];
	uint8_t data[2048];
	int n;

	gw_dtls_bio_join(&d->bio, room);
	do {
		n = SSL_read(d->ssl, data, sizeof(data));
	} while (n > 0);
	gw_dtls_bio_part(&d->bio);

	switch (SSL_get_error(d->ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		break;
	case SSL_ERROR_ZERO_RETURN:
		gw_info(d->log, "DTLS closed by the peer");
		end(d, GW_DTLS_CLOSED);
		break;
	default:
		gw_info(d->log, "DTLS ended by a fatal alert");
		end(d, GW_DTLS_CLOSED);
	}
}

static int shake_hands(struct gw_dtls *d)
{
	uint8_t room[GW_DTLS_MTU];
	int n;

	gw_dtls_flight_clear(&d->last);
	/* Of a server: a client's last flight is answered. */
	d->bio.copy = d->active ? NULL : &d->last;
	gw_dtls_bio_join(&d->bio, room);
	n = SSL_do_handshake(d->ssl);
	gw_dtls_bio_part(&d->bio);
	d->bio.copy = NULL;
	return n;
}

static void advance(struct gw_dtls *d)
{
	int n;

	ERR_clear_error();
	if (d->phase == HANDSHAKE) {
		n = shake_hands(d);
		if (n == 1)
			established(d);
		else if (SSL_get_error(d->ssl, n) != SSL_ERROR_WANT_READ)
			handshake_failed(d);
	} else if (d->phase == UP) {
		read_records(d);
	}
	/* What is left in the queue would be read as the reason of another
	 * association's failure. */
	ERR_clear_error();
	arm_retransmit(d);
}

static void retransmit_due(struct gw_timer *t, void *arg)
{
	struct gw_dtls *d = arg;
	uint8_t room[GW_DTLS_MTU];
	long n;

	(void)t;
	GW_CHECK(d, DTLS_MAGIC);
	ERR_clear_error();
	gw_dtls_bio_join(&d->bio, room);
	d->bio.twice = d->nretransmit + 1 >= DOUBLED;
	n = DTLSv1_handle_timeout(d->ssl);
	gw_dtls_bio_part(&d->bio);
	d->bio.twice = false;
	if (n > 0)
		gw_metric_add(&m_retransmits, 1);
	else if (n < 0 && d->phase == HANDSHAKE) {
		gw_warn(d->log, "DTLS: no answer from the peer");
		end(d, GW_DTLS_TIMEOUT);
	}
	ERR_clear_error();
	arm_retransmit(d);
}

static void repeat_due(struct gw_timer *t, void *arg)
{
	struct gw_dtls *d = arg;

	(void)t;
	GW_CHECK(d, DTLS_MAGIC);
	gw_metric_add(&m_repeats, 1);
	gw_dtls_flight_send(&d->last, d->bio.send_h, d->bio.arg);
	if (++d->nrepeat < NREPEAT)
		(void)gw_timer_start_ms(d->timers, &d->repeat,
					repeat_ms[d->nrepeat]);
}

void gw_dtls_heard(struct gw_dtls *d)
{
	gw_timer_stop(&d->repeat);
}

static void free_ssl(struct gw_dtls *d)
{
	if (!d->ssl)
		return;
	SSL_free(d->ssl);
	d->ssl = NULL;
	gw_metric_add(&m_ssl, -1);
}

/* What we may still have to say is kept as datagrams: the last flight, and
 * goodbye. */
static void let_go(struct gw_dtls *d)
{
	if (d->last.too_big)
		return; /* never with our own parameters */
	d->bio.copy = &d->bye;
	d->bio.held = true;
	ERR_clear_error();
	(void)SSL_shutdown(d->ssl);
	ERR_clear_error();
	d->bio.copy = NULL;
	gw_timer_stop(&d->retransmit);
	free_ssl(d);
	(void)gw_timer_start_ms(d->timers, &d->deadline,
				KEEP_FLIGHT_MS - KEEP_SSL_MS);
}

/* Who asks proves nothing, but has an address that ICE has validated, and gets
 * less than he sent, a few times.  An alert proves nothing either, and ends
 * nothing: see dtls.h. */
static void receive_late(struct gw_dtls *d, const void *data, size_t len)
{
	switch (gw_dtls_late(data, len)) {
	case GW_DTLS_LATE_FINISHED:
		gw_metric_add(&m_late_flight, 1);
		if (d->asked++ < ASKED_MAX)
			gw_dtls_flight_send(&d->last, d->bio.send_h,
					    d->bio.arg);
		else
			d->asked = ASKED_MAX;
		break;
	case GW_DTLS_LATE_ALERT:
		gw_metric_add(&m_late_alert, 1);
		break;
	default:
		gw_metric_add(&m_late_other, 1);
	}
}

static void deadline_due(struct gw_timer *t, void *arg)
{
	struct gw_dtls *d = arg;

	(void)t;
	GW_CHECK(d, DTLS_MAGIC);
	if (d->phase == UP) {
		if (d->ssl)
			let_go(d);
		else
			gw_dtls_flight_clear(&d->last);
		return;
	}
	gw_warn(d->log, "DTLS: no handshake within %u ms", HANDSHAKE_MS);
	end(d, GW_DTLS_TIMEOUT);
}

static unsigned int next_rto(SSL *ssl, unsigned int last_us)
{
	struct gw_dtls *d = SSL_get_app_data(ssl);

	GW_CHECK(d, DTLS_MAGIC);
	if (!last_us)
		d->nretransmit = 0; /* another flight */
	else if (d->nretransmit < NRTO - 1)
		d->nretransmit++;
	return rto_ms[d->nretransmit] * 1000u;
}

int gw_dtls_new(struct gw_dtls **out, struct gw_dtls_ctx *ctx,
		struct gw_timers *timers, const struct gw_logctx *log,
		bool active, const uint8_t sha256[32], gw_dtls_send_h *send_h,
		gw_dtls_state_h *state_h, void *arg)
{
	struct gw_dtls *d = calloc(1, sizeof(*d));
	BIO *bio;

	if (!d)
		return -ENOMEM;
	d->magic = DTLS_MAGIC;
	d->active = active;
	d->timers = timers;
	d->log = log;
	d->state_h = state_h;
	d->arg = arg;
	d->bio = (struct gw_dtls_bio){ .send_h = send_h, .arg = arg };
	memcpy(d->sha256, sha256, sizeof(d->sha256));
	gw_timer_init(&d->retransmit, retransmit_due, d);
	gw_timer_init(&d->repeat, repeat_due, d);
	gw_timer_init(&d->deadline, deadline_due, d);

	d->ssl = SSL_new(ctx->ssl);
	bio = gw_dtls_bio_new(ctx->bio, &d->bio);
	if (!d->ssl || !bio) {
		BIO_free(bio);
		SSL_free(d->ssl);
		free(d);
		return -ENOMEM;
	}
	gw_metric_add(&m_ssl, 1);
	SSL_set_bio(d->ssl, bio, bio);
	SSL_set_app_data(d->ssl, d);
	(void)SSL_set_mtu(d->ssl, GW_DTLS_MTU);
	DTLS_set_timer_cb(d->ssl, next_rto);
	if (active)
		SSL_set_connect_state(d->ssl);
	else
		SSL_set_accept_state(d->ssl);
	*out = d;
	return 0;
}

void gw_dtls_free(struct gw_dtls *d)
{
	if (!d)
		return;
	if (d->phase == UP && d->ssl) {
		ERR_clear_error();
		(void)SSL_shutdown(d->ssl);
		ERR_clear_error();
	} else if (d->phase == UP) {
		gw_dtls_flight_send(&d->bye, d->bio.send_h, d->bio.arg);
	}
	gw_timer_stop(&d->retransmit);
	gw_timer_stop(&d->repeat);
	gw_timer_stop(&d->deadline);
	free_ssl(d);
	d->magic = 0;
	free(d);
}

void gw_dtls_start(struct gw_dtls *d)
{
	if (d->phase != WAITING)
		return;
	d->phase = HANDSHAKE;
	(void)gw_timer_start_ms(d->timers, &d->deadline, HANDSHAKE_MS);
	if (d->active)
		advance(d);
}

/* RFC 6347 4.1.2.7: what is not a record is silently dropped; OpenSSL would
 * end the handshake over an unknown type. */
static bool is_record(const uint8_t *data, size_t len)
{
	return len >= DTLS1_RT_HEADER_LENGTH &&
	       data[0] >= SSL3_RT_CHANGE_CIPHER_SPEC &&
	       data[0] <= SSL3_RT_APPLICATION_DATA;
}

void gw_dtls_receive(struct gw_dtls *d, const void *data, size_t len)
{
	if (d->phase == ENDED)
		return;
	if (!is_record(data, len)) {
		gw_metric_add(&m_malformed, 1);
		return;
	}
	if (d->phase == WAITING)
		gw_dtls_start(d);
	if (d->phase == ENDED)
		return;
	if (!d->ssl) {
		receive_late(d, data, len);
		return;
	}
	d->bio.in = data;
	d->bio.in_len = len;
	advance(d);
	d->bio.in = NULL; /* the datagram is the caller's again */
}

bool gw_dtls_is_active(const struct gw_dtls *d)
{
	return d->active;
}

bool gw_dtls_is_up(const struct gw_dtls *d)
{
	return d->phase == UP;
}

bool gw_dtls_is_over(const struct gw_dtls *d)
{
	return d->phase == ENDED;
}

/* RFC 6347 4.1, 4.2.2: a handshake record of epoch 0, and its first message. */
bool gw_dtls_is_client_hello(const void *data, size_t len)
{
	const uint8_t *p = data;

	return len > DTLS1_RT_HEADER_LENGTH && p[0] == SSL3_RT_HANDSHAKE &&
	       !p[3] && !p[4] &&
	       p[DTLS1_RT_HEADER_LENGTH] == SSL3_MT_CLIENT_HELLO;
}
