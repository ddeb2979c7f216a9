/* media/dtls_priv.h - what dtls.c and its parts, dtls_*.c, share */
#ifndef GW_MEDIA_DTLS_PRIV_H
#define GW_MEDIA_DTLS_PRIV_H

#include <stdatomic.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "media/dtls.h"

struct gw_dtls_cert {
	_Atomic unsigned refs;
	uint64_t made_us;
	EVP_PKEY *key;
	X509 *x509;
	uint8_t sha256[32];
};

struct gw_dtls_ctx {
	unsigned refs; /* of one thread */
	struct gw_dtls_cert *cert;
	SSL_CTX *ssl;
	BIO_METHOD *bio;
};

/* Of the handshake of an association, which SSL's application data is. */
int gw_dtls_verify_peer(X509_STORE_CTX *store, void *unused);

/* Datagrams as they went out: the last flight of a server is CCS and Finished,
 * under 100 bytes; a close_notify is 39. */
#define GW_DTLS_FLIGHT_MAX 4

struct gw_dtls_flight {
	uint8_t n;
	bool too_big; /* not all of it is here */
	uint16_t bytes;
	uint16_t len[GW_DTLS_FLIGHT_MAX];
	uint8_t data[192];
};

void gw_dtls_flight_clear(struct gw_dtls_flight *f);
void gw_dtls_flight_add(struct gw_dtls_flight *f, const void *data, size_t len);
void gw_dtls_flight_send(const struct gw_dtls_flight *f, gw_dtls_send_h *send_h,
			 void *arg);

/* What a datagram is to an association whose keys are gone. */
enum gw_dtls_late {
	GW_DTLS_LATE_FINISHED, /* the peer asks for our last flight */
	GW_DTLS_LATE_ALERT,
	GW_DTLS_LATE_OTHER
};
enum gw_dtls_late gw_dtls_late(const void *data, size_t len);

/*
 * A BIO that keeps datagrams whole: a write goes straight to the handler, a
 * read takes the one datagram laid out for it.  OpenSSL's memory BIO is a
 * stream and would join two of them.
 */
struct gw_dtls_bio {
	const void *in; /* the datagram being received; NULL: none */
	size_t in_len;
	gw_dtls_send_h *send_h;
	void *arg;
	struct gw_dtls_flight *copy; /* of what is written; or NULL */
	bool held;                   /* only copied, not sent */
	bool twice;
	uint8_t *joined; /* GW_DTLS_MTU bytes; NULL: not now */
	size_t joined_len;
};

/* From here to part, records share datagrams as far as they fit.  OpenSSL does
 * so with a new flight, but one that it sends again has a datagram for each of
 * its four or five messages, and all of them must get there. */
void gw_dtls_bio_join(struct gw_dtls_bio *st, uint8_t room[GW_DTLS_MTU]);
void gw_dtls_bio_part(struct gw_dtls_bio *st);

int gw_dtls_bio_method_new(BIO_METHOD **out);
BIO *gw_dtls_bio_new(BIO_METHOD *method, struct gw_dtls_bio *state);

#endif
