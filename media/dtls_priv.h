/* media/dtls_priv.h - what dtls.c, dtls_bio.c and dtls_cert.c share */
#ifndef GW_MEDIA_DTLS_PRIV_H
#define GW_MEDIA_DTLS_PRIV_H

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "media/dtls.h"

struct gw_dtls_cert {
	EVP_PKEY *key;
	X509 *x509;
	uint8_t sha256[32];
};

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
};

int gw_dtls_bio_method_new(BIO_METHOD **out);
BIO *gw_dtls_bio_new(BIO_METHOD *method, struct gw_dtls_bio *state);

#endif
