/*
 * media/srtp_openssl.c - OpenSSL's ciphers behind libsrtp2's type interface
 *
 * Debian builds libsrtp2 on NSS, whose cost a packet grows with the number of
 * sessions alive in the process (13 us at 1,000 of them).  These types cost
 * the same at any number.  libsrtp2 runs its own self-tests on them, and
 * theirs, when they are registered.
 */

/* The one-shot HMAC of OpenSSL 3 allocates a packet; the SHA1_* functions let
 * the two pad states be computed once a key. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "media/srtp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <srtp2/auth.h>
#include <srtp2/cipher.h>
#include <srtp2/crypto_types.h>
#include <srtp2/srtp.h>

/* Fetched once: OpenSSL 3 is slow when a cipher is looked up at each use.
 * Written before the first worker starts, read-only after. */
static EVP_CIPHER *aes_ctr;
static EVP_CIPHER *aes_gcm;

/* One state for both ciphers. */
struct state {
	EVP_CIPHER_CTX *ctx;
	uint8_t offset[16]; /* counter mode: the session salt, shifted */
	int encrypt;        /* GCM */
	int tag_len;        /* GCM: self-tests use 8, SRTP 16 */
};

static const srtp_cipher_type_t icm_type;
static const srtp_cipher_type_t gcm_type;

static srtp_err_status_t cipher_alloc(srtp_cipher_t **out,
				      const srtp_cipher_type_t *type,
				      int key_len, int tag_len)
{
	srtp_cipher_t *c = calloc(1, sizeof(*c));
	struct state *s = calloc(1, sizeof(*s));
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (!c || !s || !ctx) {
		EVP_CIPHER_CTX_free(ctx);
		free(s);
		free(c);
		return srtp_err_status_alloc_fail;
	}
	s->ctx = ctx;
	s->tag_len = tag_len;
	c->type = type;
	c->state = s;
	c->key_len = key_len;
	c->algorithm = (int)type->id;
	*out = c;
	return srtp_err_status_ok;
}

static srtp_err_status_t cipher_dealloc(srtp_cipher_t *c)
{
	struct state *s = c->state;

	EVP_CIPHER_CTX_free(s->ctx);
	OPENSSL_cleanse(s, sizeof(*s));
	free(s);
	free(c);
	return srtp_err_status_ok;
}

static srtp_err_status_t icm_alloc(srtp_cipher_t **c, int key_len, int tag_len)
{
	/* 16 bytes of key and 14 of salt; the key derivation of GCM asks for
	 * the same. */
	if (key_len != 30)
		return srtp_err_status_bad_param;
	return cipher_alloc(c, &icm_type, key_len, tag_len);
}

static srtp_err_status_t icm_init(void *st, const uint8_t *key)
{
	struct state *s = st;

	memset(s->offset, 0, sizeof(s->offset));
	memcpy(s->offset, key + 16, 14);
	return EVP_EncryptInit_ex2(s->ctx, aes_ctr, key, NULL, NULL)
		       ? srtp_err_status_ok
		       : srtp_err_status_fail;
}

static srtp_err_status_t icm_set_iv(void *st, uint8_t *iv,
				    srtp_cipher_direction_t dir)
{
	struct state *s = st;
	uint8_t counter[16];

	(void)dir; /* counter mode is its own inverse */
	for (size_t i = 0; i < sizeof(counter); i++)
		counter[i] = s->offset[i] ^ iv[i];
	return EVP_EncryptInit_ex2(s->ctx, NULL, NULL, counter, NULL)
		       ? srtp_err_status_ok
		       : srtp_err_status_cipher_fail;
}

static srtp_err_status_t icm_crypt(void *st, uint8_t *buf, unsigned int *len)
{
	struct state *s = st;
	int n;

	return EVP_EncryptUpdate(s->ctx, buf, &n, buf, (int)*len)
		       ? srtp_err_status_ok
		       : srtp_err_status_cipher_fail;
}

static srtp_err_status_t gcm_alloc(srtp_cipher_t **c, int key_len, int tag_len)
{
	if (key_len != 28 || (tag_len != 8 && tag_len != 16))
		return srtp_err_status_bad_param;
	return cipher_alloc(c, &gcm_type, key_len, tag_len);
}

static srtp_err_status_t gcm_init(void *st, const uint8_t *key)
{
	struct state *s = st;

	return EVP_CipherInit_ex2(s->ctx, aes_gcm, key, NULL, 1, NULL)
		       ? srtp_err_status_ok
		       : srtp_err_status_fail;
}

static srtp_err_status_t gcm_set_iv(void *st, uint8_t *iv,
				    srtp_cipher_direction_t dir)
{
	struct state *s = st;

	s->encrypt = dir == srtp_direction_encrypt;
	return EVP_CipherInit_ex2(s->ctx, NULL, NULL, iv, s->encrypt, NULL)
		       ? srtp_err_status_ok
		       : srtp_err_status_cipher_fail;
}

static srtp_err_status_t gcm_set_aad(void *st, const uint8_t *aad, uint32_t len)
{
	struct state *s = st;
	int n;

	if (!len || EVP_CipherUpdate(s->ctx, NULL, &n, aad, (int)len))
		return srtp_err_status_ok;
	return srtp_err_status_algo_fail;
}

static srtp_err_status_t gcm_encrypt(void *st, uint8_t *buf, unsigned int *len)
{
	struct state *s = st;
	int n;

	return EVP_CipherUpdate(s->ctx, buf, &n, buf, (int)*len)
		       ? srtp_err_status_ok
		       : srtp_err_status_algo_fail;
}

static srtp_err_status_t gcm_get_tag(void *st, uint8_t *tag, uint32_t *len)
{
	struct state *s = st;
	uint8_t none[16];
	int n;

	if (!EVP_CipherFinal_ex(s->ctx, none, &n) ||
	    EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_GET_TAG, s->tag_len,
				tag) <= 0)
		return srtp_err_status_algo_fail;
	*len = (uint32_t)s->tag_len;
	return srtp_err_status_ok;
}

static srtp_err_status_t gcm_decrypt(void *st, uint8_t *buf, unsigned int *len)
{
	struct state *s = st;
	unsigned int tag = (unsigned int)s->tag_len;
	uint8_t none[16];
	int n;

	if (*len < tag)
		return srtp_err_status_auth_fail;
	*len -= tag;
	if (EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_SET_TAG, s->tag_len,
				buf + *len) <= 0 ||
	    !EVP_CipherUpdate(s->ctx, buf, &n, buf, (int)*len) ||
	    EVP_CipherFinal_ex(s->ctx, none, &n) <= 0)
		return srtp_err_status_auth_fail;
	return srtp_err_status_ok;
}

struct hmac {
	SHA_CTX inner, outer; /* after the pads */
	SHA_CTX run;
};

static const srtp_auth_type_t hmac_type;

static srtp_err_status_t hmac_alloc(srtp_auth_t **out, int key_len, int out_len)
{
	srtp_auth_t *a;
	struct hmac *h;

	if (key_len < 0 || key_len > SHA_CBLOCK || out_len < 0 ||
	    out_len > SHA_DIGEST_LENGTH)
		return srtp_err_status_bad_param;
	a = calloc(1, sizeof(*a));
	h = calloc(1, sizeof(*h));
	if (!a || !h) {
		free(a);
		free(h);
		return srtp_err_status_alloc_fail;
	}
	a->type = &hmac_type;
	a->state = h;
	a->key_len = key_len;
	a->out_len = out_len;
	*out = a;
	return srtp_err_status_ok;
}

static srtp_err_status_t hmac_dealloc(srtp_auth_t *a)
{
	OPENSSL_cleanse(a->state, sizeof(struct hmac));
	free(a->state);
	free(a);
	return srtp_err_status_ok;
}

static void absorb_pad(SHA_CTX *ctx, const uint8_t *key, int key_len,
		       uint8_t pad)
{
	uint8_t block[SHA_CBLOCK];

	memset(block, pad, sizeof(block));
	for (int i = 0; i < key_len; i++)
		block[i] ^= key[i];
	SHA1_Init(ctx);
	SHA1_Update(ctx, block, sizeof(block));
	OPENSSL_cleanse(block, sizeof(block));
}

static srtp_err_status_t hmac_init(void *st, const uint8_t *key, int key_len)
{
	struct hmac *h = st;

	absorb_pad(&h->inner, key, key_len, 0x36); /* RFC 2104 2 */
	absorb_pad(&h->outer, key, key_len, 0x5c);
	h->run = h->inner;
	return srtp_err_status_ok;
}

static srtp_err_status_t hmac_start(void *st)
{
	struct hmac *h = st;

	h->run = h->inner;
	return srtp_err_status_ok;
}

static srtp_err_status_t hmac_update(void *st, const uint8_t *buf, int len)
{
	struct hmac *h = st;

	SHA1_Update(&h->run, buf, (size_t)len);
	return srtp_err_status_ok;
}

static srtp_err_status_t hmac_compute(void *st, const uint8_t *buf, int len,
				      int tag_len, uint8_t *tag)
{
	struct hmac *h = st;
	uint8_t digest[SHA_DIGEST_LENGTH];
	SHA_CTX outer = h->outer;

	if (tag_len < 0 || tag_len > SHA_DIGEST_LENGTH)
		return srtp_err_status_bad_param;
	SHA1_Update(&h->run, buf, (size_t)len);
	SHA1_Final(digest, &h->run);
	SHA1_Update(&outer, digest, sizeof(digest));
	SHA1_Final(digest, &outer);
	memcpy(tag, digest, (size_t)tag_len);
	return srtp_err_status_ok;
}

/* RFC 3711 B.2, the first two blocks of the key stream. */
static const uint8_t icm_key[30] = {
	0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7,
	0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c, 0xf0, 0xf1, 0xf2, 0xf3,
	0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd,
};
static const uint8_t icm_plain[32];
static const uint8_t icm_stream[32] = {
	0xe0, 0x3e, 0xad, 0x09, 0x35, 0xc9, 0x5e, 0x80, 0xe1, 0x66, 0xb1,
	0x6d, 0xd9, 0x2b, 0x4e, 0xb4, 0xd2, 0x35, 0x13, 0x16, 0x2b, 0x02,
	0xd0, 0xf7, 0x2a, 0x43, 0xa2, 0xfe, 0x4a, 0x5f, 0x97, 0xab,
};
static uint8_t zero_iv[16]; /* libsrtp2 takes it without const */
static const srtp_cipher_test_case_t icm_test = {
	.key_length_octets = sizeof(icm_key),
	.key = icm_key,
	.idx = zero_iv,
	.plaintext_length_octets = sizeof(icm_plain),
	.plaintext = icm_plain,
	.ciphertext_length_octets = sizeof(icm_stream),
	.ciphertext = icm_stream,
};

/* Test case 2 of the GCM specification (McGrew and Viega). */
static const uint8_t gcm_key[28];
static const uint8_t gcm_plain[16];
static const uint8_t gcm_sealed[32] = {
	0x03, 0x88, 0xda, 0xce, 0x60, 0xb6, 0xa3, 0x92, 0xf3, 0x28, 0xc2,
	0xb9, 0x71, 0xb2, 0xfe, 0x78, 0xab, 0x6e, 0x47, 0xd4, 0x2c, 0xec,
	0x13, 0xbd, 0xf5, 0x3a, 0x67, 0xb2, 0x12, 0x57, 0xbd, 0xdf,
};
static const srtp_cipher_test_case_t gcm_test = {
	.key_length_octets = sizeof(gcm_key),
	.key = gcm_key,
	.idx = zero_iv,
	.plaintext_length_octets = sizeof(gcm_plain),
	.plaintext = gcm_plain,
	.ciphertext_length_octets = sizeof(gcm_sealed),
	.ciphertext = gcm_sealed,
	.tag_length_octets = 16,
};

/* RFC 2202 3, test case 1. */
static const uint8_t hmac_key[20] = { [0 ... 19] = 0x0b };
static const uint8_t hmac_data[8] = { 'H', 'i', ' ', 'T', 'h', 'e', 'r', 'e' };
static const uint8_t hmac_tag[20] = {
	0xb6, 0x17, 0x31, 0x86, 0x55, 0x05, 0x72, 0x64, 0xe2, 0x8b,
	0xc0, 0xb6, 0xfb, 0x37, 0x8c, 0x8e, 0xf1, 0x46, 0xbe, 0x00,
};
static const srtp_auth_test_case_t hmac_test = {
	.key_length_octets = sizeof(hmac_key),
	.key = hmac_key,
	.data_length_octets = sizeof(hmac_data),
	.data = hmac_data,
	.tag_length_octets = sizeof(hmac_tag),
	.tag = hmac_tag,
};

static const srtp_cipher_type_t icm_type = {
	.alloc = icm_alloc,
	.dealloc = cipher_dealloc,
	.init = icm_init,
	.encrypt = icm_crypt,
	.decrypt = icm_crypt,
	.set_iv = icm_set_iv,
	.description = "AES-128 counter mode, OpenSSL",
	.test_data = &icm_test,
	.id = SRTP_AES_ICM_128,
};

static const srtp_cipher_type_t gcm_type = {
	.alloc = gcm_alloc,
	.dealloc = cipher_dealloc,
	.init = gcm_init,
	.set_aad = gcm_set_aad,
	.encrypt = gcm_encrypt,
	.decrypt = gcm_decrypt,
	.set_iv = gcm_set_iv,
	.get_tag = gcm_get_tag,
	.description = "AES-128 GCM, OpenSSL",
	.test_data = &gcm_test,
	.id = SRTP_AES_GCM_128,
};

static const srtp_auth_type_t hmac_type = {
	.alloc = hmac_alloc,
	.dealloc = hmac_dealloc,
	.init = hmac_init,
	.compute = hmac_compute,
	.update = hmac_update,
	.start = hmac_start,
	.description = "HMAC-SHA1, OpenSSL",
	.test_data = &hmac_test,
	.id = SRTP_HMAC_SHA1,
};

int gw_srtp_openssl_register(void)
{
	aes_ctr = EVP_CIPHER_fetch(NULL, "AES-128-CTR", NULL);
	aes_gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	if (!aes_ctr || !aes_gcm)
		return -EIO;
	if (srtp_replace_cipher_type(&icm_type, SRTP_AES_ICM_128) ||
	    srtp_replace_cipher_type(&gcm_type, SRTP_AES_GCM_128) ||
	    srtp_replace_auth_type(&hmac_type, SRTP_HMAC_SHA1))
		return -EIO;
	return 0;
}
