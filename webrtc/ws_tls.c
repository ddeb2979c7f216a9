#include "webrtc/ws_tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "gateway/base/addr.h"
#include "webrtc/selfsigned.h"

/* RFC 9325 4.2; TLS 1.3 has only such suites. */
#define CIPHERS                                                                \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"           \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"           \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"

bool gw_ws_tls_selfmade(const struct gw_settings *set)
{
	return !set->web.certificate[0] && !set->web.key[0];
}

int gw_ws_tls_policy(void *ssl_ctx)
{
	SSL_CTX *ctx = ssl_ctx;

	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	if (!SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) ||
	    !SSL_CTX_set_cipher_list(ctx, CIPHERS) ||
	    !SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384"))
		return -EINVAL;
	/* One certificate for every listener: nothing to choose by name. */
	SSL_CTX_set_tlsext_servername_callback(ctx, NULL);
	return 0;
}

static int fill(SSL_CTX *ctx, const char *cert, const char *key, char *err,
		size_t err_size)
{
	const char *file = cert;
	unsigned long e;

	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) == 1) {
		file = key;
		if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) ==
			    1 &&
		    SSL_CTX_check_private_key(ctx) == 1)
			return 0;
	}
	e = ERR_peek_error();
	(void)snprintf(err, err_size, "%s: %s", file,
		       access(file, R_OK) ? strerror(errno)
		       : e                ? ERR_reason_error_string(e)
					  : "not usable");
	ERR_clear_error();
	return -EINVAL;
}

/* "wss://[::1]:8443" -> "::1"; false when it is a wildcard address. */
static bool listen_name(char *out, size_t size, const char *listen)
{
	const char *p = strstr(listen, "://");
	struct gw_addr a;

	if (!p || gw_addr_parse_hostport(&a, p + 3) || gw_addr_is_any(&a))
		return false;
	gw_addr_ip(&a, out, size);
	return true;
}

static int own_files(struct gw_selfsigned *own, const struct gw_settings *set,
		     char *err, size_t err_size)
{
	const char *names[4 + GW_SET_LISTEN] = { "localhost", "127.0.0.1",
						 "::1" };
	char ips[GW_SET_LISTEN][GW_ADDR_STRLEN];
	char host[256];
	size_t n = 3;

	if (!gethostname(host, sizeof(host)) && host[0] &&
	    strcmp(host, "localhost") != 0) {
		host[sizeof(host) - 1] = '\0';
		names[n++] = host;
	}
	for (size_t i = 0; i < set->web.nlisten && i < GW_SET_LISTEN; i++) {
		if (listen_name(ips[i], sizeof(ips[i]), set->web.listen[i]))
			names[n++] = ips[i];
	}
	return gw_selfsigned_ensure(own, set->state_dir, names, n, err,
				    err_size);
}

int gw_ws_tls_load(void *ssl_ctx, const struct gw_settings *set, char *err,
		   size_t err_size)
{
	const char *cert = set->web.certificate, *key = set->web.key;
	struct gw_selfsigned own;
	SSL_CTX *trial;
	int rc;

	if (gw_ws_tls_selfmade(set)) {
		rc = own_files(&own, set, err, err_size);
		if (rc)
			return rc;
		cert = own.certificate;
		key = own.key;
	}
	trial = SSL_CTX_new(TLS_server_method());
	if (!trial) {
		(void)snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	rc = fill(trial, cert, key, err, err_size);
	SSL_CTX_free(trial);
	return rc ? rc : fill(ssl_ctx, cert, key, err, err_size);
}

void *gw_ws_tls_no_client(void)
{
	return SSL_CTX_new(TLS_client_method());
}

void gw_ws_tls_no_client_free(void *ssl_ctx)
{
	SSL_CTX_free(ssl_ctx);
}
