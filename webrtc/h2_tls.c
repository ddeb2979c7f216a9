/*
 * TLS of the sockets that speak HTTP/2.  The policy and the certificate are
 * those of ws_tls.c.  Signalling thread.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "webrtc/h2_priv.h"
#include "webrtc/ws_tls.h"

/* RFC 7301 3.2.  Its first bytes said that it offers h2. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		   const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char h2[] = "\2h2";

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto((unsigned char **)out, out_len, h2, 3, in,
				  in_len) == OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_OK;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void *gw_h2_tls_ctx_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx)
		return NULL;
	if (gw_ws_tls_policy(ctx)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	(void)SSL_CTX_set_mode(ctx,
			       SSL_MODE_ENABLE_PARTIAL_WRITE |
				       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				       SSL_MODE_RELEASE_BUFFERS);
	/* Tickets are with the clients: nothing is kept here. */
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	return ctx;
}

void gw_h2_tls_ctx_free(void *ssl_ctx)
{
	SSL_CTX_free(ssl_ctx);
}

void *gw_h2_tls_new(void *ssl_ctx, int fd)
{
	SSL *ssl = SSL_new(ssl_ctx);

	if (!ssl)
		return NULL;
	if (!SSL_set_fd(ssl, fd)) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_accept_state(ssl);
	return ssl;
}

void gw_h2_tls_free(void *ssl)
{
	if (!ssl)
		return;
	ERR_clear_error();
	/* Not after a fatal error, nor in a handshake: it would be one more. */
	if (SSL_is_init_finished(ssl))
		(void)SSL_shutdown(ssl);
	ERR_clear_error();
	SSL_free(ssl);
}

static ssize_t failed(void *ssl, int rc, bool *for_write)
{
	int saved = errno, e = SSL_get_error(ssl, rc);

	ERR_clear_error();
	*for_write = e == SSL_ERROR_WANT_WRITE;
	switch (e) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		SSL_set_quiet_shutdown(ssl, 1);
		return saved ? -saved : -ECONNRESET;
	default:
		SSL_set_quiet_shutdown(ssl, 1);
		return -EPROTO;
	}
}

int gw_h2_tls_accept(void *ssl, bool *for_write)
{
	ssize_t n;
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_do_handshake(ssl);
	if (rc == 1)
		return 0;
	n = failed(ssl, rc, for_write);
	return n ? (int)n : -ECONNRESET;
}

ssize_t gw_h2_tls_read(void *ssl, int fd, void *buf, size_t len,
		       bool *for_write)
{
	ssize_t n;

	errno = 0;
	if (!ssl) {
		*for_write = false;
		n = recv(fd, buf, len, MSG_DONTWAIT);
		return n < 0 ? -errno : n;
	}
	ERR_clear_error();
	n = SSL_read(ssl, buf, (int)len);
	return n > 0 ? n : failed(ssl, (int)n, for_write);
}

ssize_t gw_h2_tls_write(void *ssl, int fd, const void *buf, size_t len,
			bool *for_write)
{
	ssize_t n;

	errno = 0;
	if (!ssl) {
		*for_write = true;
		n = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		return n < 0 ? -errno : n;
	}
	ERR_clear_error();
	n = SSL_write(ssl, buf, (int)len);
	return n > 0 ? n : failed(ssl, (int)n, for_write);
}
