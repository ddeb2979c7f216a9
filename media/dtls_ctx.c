/* What all associations under one certificate share: the rules of DTLS that
 * they are made by. */
#include "media/dtls_priv.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

static int setup_ssl_ctx(SSL_CTX *c, const struct gw_dtls_cert *cert,
			 bool prefer_x25519)
{
	/* RFC 8827 6.5 forbids renegotiation; tickets and the session cache
	 * would let a key outlive its fingerprint check. */
	SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
				       SSL_OP_NO_COMPRESSION |
				       SSL_OP_NO_QUERY_MTU |
				       SSL_OP_CIPHER_SERVER_PREFERENCE);
	(void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(c, 1);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			   NULL);
	SSL_CTX_set_cert_verify_callback(c, gw_dtls_verify_peer, NULL);

	if (!SSL_CTX_set_min_proto_version(c, DTLS1_2_VERSION) ||
	    !SSL_CTX_set_max_proto_version(c, DTLS1_2_VERSION) ||
	    !SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20:"
					"ECDHE+AES128:!aNULL:!eNULL:!PSK") ||
	    !SSL_CTX_set1_groups_list(c, prefer_x25519 ? "X25519:P-256"
						       : "P-256:X25519") ||
	    SSL_CTX_use_certificate(c, cert->x509) != 1 ||
	    SSL_CTX_use_PrivateKey(c, cert->key) != 1)
		return -EIO;
	/* 0 is success, alone among its neighbours. */
	if (SSL_CTX_set_tlsext_use_srtp(
		    c, "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80"))
		return -EIO;
	return 0;
}

int gw_dtls_ctx_new(struct gw_dtls_ctx **out, struct gw_dtls_cert *cert,
		    bool prefer_x25519)
{
	struct gw_dtls_ctx *ctx = calloc(1, sizeof(*ctx));
	int err;

	if (!ctx)
		return -ENOMEM;
	ctx->refs = 1;
	atomic_fetch_add(&cert->refs, 1);
	ctx->cert = cert;
	err = gw_dtls_bio_method_new(&ctx->bio);
	if (!err) {
		ctx->ssl = SSL_CTX_new(DTLS_method());
		err = ctx->ssl ? setup_ssl_ctx(ctx->ssl, cert, prefer_x25519)
			       : -ENOMEM;
	}
	if (err) {
		ERR_clear_error();
		gw_dtls_ctx_unref(ctx);
		return err;
	}
	*out = ctx;
	return 0;
}

struct gw_dtls_ctx *gw_dtls_ctx_ref(struct gw_dtls_ctx *ctx)
{
	ctx->refs++;
	return ctx;
}

const struct gw_dtls_cert *gw_dtls_ctx_cert(const struct gw_dtls_ctx *ctx)
{
	return ctx->cert;
}

void gw_dtls_ctx_unref(struct gw_dtls_ctx *ctx)
{
	if (!ctx || --ctx->refs)
		return;
	gw_dtls_cert_unref(ctx->cert);
	SSL_CTX_free(ctx->ssl);
	BIO_meth_free(ctx->bio);
	free(ctx);
}
