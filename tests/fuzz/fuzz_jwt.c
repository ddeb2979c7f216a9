/* Bearer tokens: raw text, and claims that carry a good signature. */
#include <assert.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/ids.h"
#include "webrtc/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gw_jwt_keys *keys;
static EVP_PKEY *signer;

static void start(void)
{
	static const unsigned char secret[32] = { 1, 2, 3 };
	struct gw_set_auth set = { .issuer = "i", .audience = "a", .nkey = 1 };
	char err[256];
	FILE *f;

	signer = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret,
					      sizeof(secret));
	assert(signer);
	(void)snprintf(set.key[0].file, sizeof(set.key[0].file),
		       "/tmp/isthmus-fuzz-jwt-%ld.pem", (long)getpid());
	strcpy(set.key[0].alg, "EdDSA");
	f = fopen(set.key[0].file, "we");
	assert(f && PEM_write_PUBKEY(f, signer) == 1);
	(void)fclose(f);
	assert(gw_jwt_keys_new(&keys, &set, err, sizeof(err)) == 0);
	(void)unlink(set.key[0].file);
}

static void signed_claims(const uint8_t *data, size_t size)
{
	static const char header[] = "{\"alg\":\"EdDSA\"}";
	struct gw_jwt_claims claims = { .subject = "" };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char sig[64];
	size_t n, len = sizeof(sig);
	char token[GW_JWT_MAX];

	if (!ctx || size > 4096) {
		EVP_MD_CTX_free(ctx);
		return;
	}
	gw_base64url_encode(token, header, sizeof(header) - 1);
	strcat(token, ".");
	gw_base64url_encode(token + strlen(token), data, size);
	n = strlen(token);
	assert(EVP_DigestSignInit(ctx, NULL, NULL, NULL, signer) == 1);
	assert(EVP_DigestSign(ctx, sig, &len, (unsigned char *)token, n) == 1);
	EVP_MD_CTX_free(ctx);
	token[n] = '.';
	gw_base64url_encode(token + n + 1, sig, len);
	if (gw_jwt_verify(keys, token, strlen(token), 1700000000, &claims) ==
	    GW_JWT_OK)
		assert(claims.subject[0] && claims.exp_s > 1700000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_jwt_claims claims;
	enum gw_jwt_fault fault;

	if (!keys)
		start();
	fault = gw_jwt_verify(keys, (const char *)data, size, 1700000000,
			      &claims);
	assert(fault != GW_JWT_OK); /* Ed25519 would be broken */
	assert(gw_jwt_fault_name(fault));
	signed_claims(data, size);
	return 0;
}
