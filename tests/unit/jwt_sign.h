/* Makes keys and signs tokens, for tests of those who check them. */
#ifndef JWT_SIGN_H
#define JWT_SIGN_H

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/ids.h"
#include "tests/unit/cm.h"

/* Writes the public half to a new file named in @file[256]. */
static inline EVP_PKEY *key_make(const char *type, const char *param,
				 char *file)
{
	EVP_PKEY *k = !strcmp(type, "RSA")
			      ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA",
						  (size_t)atoi(param))
		      : param ? EVP_PKEY_Q_keygen(NULL, NULL, type, param)
			      : EVP_PKEY_Q_keygen(NULL, NULL, type);
	FILE *f;
	int fd;

	assert_non_null(k);
	strcpy(file, "/tmp/isthmus-test-key-XXXXXX");
	fd = mkstemp(file);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	assert_int_equal(1, PEM_write_PUBKEY(f, k));
	assert_int_equal(0, fclose(f));
	return k;
}

/* ECDSA: DER -> r and s of 32 bytes each. */
static inline size_t raw_ecdsa(unsigned char *sig, size_t len)
{
	const unsigned char *p = sig;
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)len);

	assert_non_null(s);
	assert_int_equal(32, BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, 32));
	assert_int_equal(32, BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + 32, 32));
	ECDSA_SIG_free(s);
	return 64;
}

/* "header.claims.signature"; the caller frees. */
static inline char *token_make(EVP_PKEY *k, const char *header,
			       const char *claims)
{
	char *token = calloc(1, 16384);
	unsigned char sig[1024];
	size_t n, len = sizeof(sig);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const EVP_MD *md = EVP_PKEY_is_a(k, "ED25519") ? NULL : EVP_sha256();

	assert_non_null(token);
	gw_base64url_encode(token, header, strlen(header));
	strcat(token, ".");
	gw_base64url_encode(token + strlen(token), claims, strlen(claims));
	n = strlen(token);
	assert_int_equal(1, EVP_DigestSignInit(ctx, NULL, md, NULL, k));
	assert_int_equal(
		1, EVP_DigestSign(ctx, sig, &len, (unsigned char *)token, n));
	EVP_MD_CTX_free(ctx);
	if (EVP_PKEY_is_a(k, "EC"))
		len = raw_ecdsa(sig, len);
	strcat(token, ".");
	gw_base64url_encode(token + n + 1, sig, len);
	return token;
}

#endif
