#include "sip/tls_check.h"

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

int gw_tls_check(const char *dir, bool verify, char *why, size_t why_size)
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
	SSL_CTX_free(ctx);
	return r;
}
