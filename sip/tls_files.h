/*
 * sip/tls_files.h - the certificate and the trust of the SIP side, from files
 *
 * Sofia starts a TLS listener without any certificate and says nothing, takes
 * one certificate of a chain, and never reads again.  So the files are read
 * here, and put into its contexts.
 */
#ifndef GW_SIP_TLS_FILES_H
#define GW_SIP_TLS_FILES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ssl_ctx_st SSL_CTX; /* OpenSSL's */
typedef struct ssl_st SSL;

/*
 * @dir must hold agent.pem (certificate chain and its key) and, when peers are
 * verified, cafile.pem.  0 with a context that carries them in *@out (the
 * caller's to free), or -errno with what is wrong in @why.
 */
int gw_tls_files_load(SSL_CTX **out, const char *dir, bool verify, char *why,
		      size_t why_size);

/* @to trusts whom @from trusts, for connections from now on.  0 or -ENOMEM:
 * nothing has changed. */
int gw_tls_files_trust(SSL_CTX *to, SSL_CTX *from);
/* @ssl shows the certificate of @from and no other: a context keeps one a key
 * type, and would go on showing an old one of another type.  0 or -ENOMEM. */
int gw_tls_files_show(SSL *ssl, SSL_CTX *from);

/* "SUBJECT, valid until DATE" of the certificate in @ctx. */
void gw_tls_files_describe(SSL_CTX *ctx, char *out, size_t size);

#endif
