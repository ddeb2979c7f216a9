#include "sip/milenage.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <openssl/evp.h>

#define BLOCK 16

static void xor_block(uint8_t *out, const uint8_t *a, const uint8_t *b)
{
	for (unsigned i = 0; i < BLOCK; i++)
		out[i] = a[i] ^ b[i];
}

/* E[in]k: one block. */
static bool encrypt(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in)
{
	int len = 0;

	return EVP_EncryptUpdate(ctx, out, &len, in, BLOCK) == 1 &&
	       len == BLOCK;
}

static EVP_CIPHER_CTX *cipher(const uint8_t *k)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (ctx &&
	    EVP_EncryptInit_ex(ctx, EVP_aes_128_ecb(), NULL, k, NULL) == 1) {
		(void)EVP_CIPHER_CTX_set_padding(ctx, 0);
		return ctx;
	}
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

int gw_milenage_opc(uint8_t opc[16], const uint8_t k[16], const uint8_t op[16])
{
	EVP_CIPHER_CTX *ctx = cipher(k);
	uint8_t block[BLOCK];
	bool ok = ctx && encrypt(ctx, block, op);

	if (ok)
		xor_block(opc, block, op);
	explicit_bzero(block, sizeof(block));
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

/*
 * TS 35.206 4.1: OUT = E[rot(in, r) ^ c]k ^ OPc, where @in is TEMP ^ OPc (or
 * IN1 ^ OPc, and then TEMP comes in by @also), the rotation is by whole bytes
 * to the left, and of the constant only the last byte is not 0.
 */
static bool out_block(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in,
		      unsigned rotate, uint8_t c, const uint8_t *also,
		      const uint8_t *opc)
{
	uint8_t block[BLOCK];
	bool ok;

	for (unsigned i = 0; i < BLOCK; i++)
		block[i] = in[(i + rotate) % BLOCK];
	block[BLOCK - 1] ^= c;
	if (also)
		xor_block(block, block, also);
	ok = encrypt(ctx, out, block);
	xor_block(out, out, opc);
	explicit_bzero(block, sizeof(block));
	return ok;
}

static bool all_of_them(EVP_CIPHER_CTX *ctx, struct gw_milenage *m,
			const uint8_t *opc, const uint8_t *rand,
			const uint8_t *in1)
{
	uint8_t temp[BLOCK], t[BLOCK], o[BLOCK];
	bool ok;

	xor_block(t, rand, opc);
	ok = encrypt(ctx, temp, t);
	/* r1 = 64, c1 = 0 */
	xor_block(t, in1, opc);
	ok = ok && out_block(ctx, o, t, 8, 0, temp, opc);
	memcpy(m->mac_a, o, 8);
	memcpy(m->mac_s, o + 8, 8);
	/* r2 = 0, c2 = 1 */
	xor_block(t, temp, opc);
	ok = ok && out_block(ctx, o, t, 0, 1, NULL, opc);
	memcpy(m->res, o + 8, 8);
	memcpy(m->ak, o, 6);
	/* r3 = 32, c3 = 2; r4 = 64, c4 = 4; r5 = 96, c5 = 8 */
	ok = ok && out_block(ctx, m->ck, t, 4, 2, NULL, opc);
	ok = ok && out_block(ctx, m->ik, t, 8, 4, NULL, opc);
	ok = ok && out_block(ctx, o, t, 12, 8, NULL, opc);
	memcpy(m->ak_resync, o, 6);
	explicit_bzero(temp, sizeof(temp));
	explicit_bzero(t, sizeof(t));
	explicit_bzero(o, sizeof(o));
	return ok;
}

int gw_milenage(struct gw_milenage *out, const uint8_t k[16],
		const uint8_t opc[16], const uint8_t rand[16],
		const uint8_t sqn[6], const uint8_t amf[2])
{
	EVP_CIPHER_CTX *ctx = cipher(k);
	uint8_t in1[BLOCK];
	bool ok;

	memcpy(in1, sqn, 6);
	memcpy(in1 + 6, amf, 2);
	memcpy(in1 + 8, in1, 8);
	ok = ctx && all_of_them(ctx, out, opc, rand, in1);
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : -EIO;
}
