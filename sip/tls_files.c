#include "sip/tls_files.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int readable(const char *path, char *why, size_t why_size)
{
	int err;

	if (!access(path, R_OK))
		return 0;
	err = errno;
	(void)snprintf(why, why_size, "%s: %s", path, strerror(err));
	return -err;
}

static int wrong(const char *path, char *why, size_t why_size)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	(void)snprintf(why, why_size, "%s: %s", path,
		       reason ? reason : "not usable");
	ERR_clear_error();
	return -EINVAL;
}

int gw_tls_files_load(SSL_CTX **out, const char *dir, bool verify, char *why,
		      size_t why_size)
{
	char agent[512], ca[512];
	SSL_CTX *ctx;
	int r;

	(void)snprintf(agent, sizeof(agent), "%s/agent.pem", dir);
	(void)snprintf(ca, sizeof(ca), "%s/cafile.pem", dir);
	r = readable(agent, why, why_size);
	if (!r && verify)
		r = readable(ca, why, why_size);
	if (r)
		return r;
	ERR_clear_error();
	ctx = SSL_CTX_new(TLS_method());
	if (!ctx)
		return wrong(agent, why, why_size);
	if (SSL_CTX_use_certificate_chain_file(ctx, agent) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, agent, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		r = wrong(agent, why, why_size);
	else if (verify && SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1)
		r = wrong(ca, why, why_size);
	if (!r && verify)
		SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(ca));
	if (r)
		SSL_CTX_free(ctx);
	else
		*out = ctx;
	return r;
}

int gw_tls_files_trust(SSL_CTX *to, SSL_CTX *from)
{
	const STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(from);
	STACK_OF(X509_NAME) *copy = NULL;

	if (names && !(copy = SSL_dup_CA_list(names)))
		return -ENOMEM;
	SSL_CTX_set1_cert_store(to, SSL_CTX_get_cert_store(from));
	SSL_CTX_set_client_CA_list(to, copy);
	return 0;
}

int gw_tls_files_show(SSL *ssl, SSL_CTX *from)
{
	STACK_OF(X509) *chain = NULL;

	(void)SSL_CTX_get0_chain_certs(from, &chain);
	SSL_certs_clear(ssl);
	if (SSL_use_cert_and_key(ssl, SSL_CTX_get0_certificate(from),
				 SSL_CTX_get0_privatekey(from), chain, 1) == 1)
		return 0;
	ERR_clear_error();
	return -ENOMEM;
}

void gw_tls_files_describe(SSL_CTX *ctx, char *out, size_t size)
{
	X509 *cert = SSL_CTX_get0_certificate(ctx);
	char subject[128] = "", until[40] = "";
	BIO *bio = BIO_new(BIO_s_mem());

	if (cert)
		(void)X509_NAME_oneline(X509_get_subject_name(cert), subject,
					sizeof(subject));
	if (cert && bio && ASN1_TIME_print(bio, X509_get0_notAfter(cert))) {
		int n = BIO_read(bio, until, sizeof(until) - 1);

		until[n > 0 ? n : 0] = '\0';
	}
	BIO_free(bio);
	(void)snprintf(out, size, "%s, valid until %s", subject, until);
}
