#include "webrtc/waf_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/ids.h"

#define P256_BYTES 32
#define B64_BYTES  44  /* of 32 bytes, with the NUL */
#define LEEWAY_S   300 /* the largest auth.leeway_s */
#define DAY_S      INT64_C(86400)
#define PATH_SIZE  264

struct key {
	EVP_PKEY *pkey; /* NULL: there is none */
	char x[B64_BYTES], y[B64_BYTES], kid[B64_BYTES];
};

struct gw_waf_keys {
	struct key now, old;
	int64_t until_s, old_until_s; /* 0: for ever */
};

/* ---- files ---- */

static int fail(char *err, size_t size, const char *file, int rc)
{
	(void)snprintf(err, size, "%s: %s", file, strerror(-rc));
	return rc;
}

/* Written beside, then renamed: a reader never sees half a file. */
static int write_key(const char *file, EVP_PKEY *pkey, bool private)
{
	char tmp[PATH_SIZE + 8];
	int fd, ok, err;
	FILE *f;

	(void)snprintf(tmp, sizeof(tmp), "%s.new", file);
	(void)unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return -errno;
	f = fdopen(fd, "w");
	if (!f) {
		err = -errno;
		(void)close(fd);
		return err;
	}
	ok = private ? PEM_write_PrivateKey(f, pkey, NULL, NULL, 0, NULL, NULL)
		     : PEM_write_PUBKEY(f, pkey);
	ok = ok && !fflush(f) && !fsync(fd);
	if (fclose(f) || !ok)
		return -EIO;
	return rename(tmp, file) ? -errno : 0;
}

/* -ENOENT: not there.  *@age_of: when it was written. */
static int read_key(const char *file, bool private, EVP_PKEY **out,
		    int64_t *written_s)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	FILE *f;

	if (fd < 0)
		return -errno;
	f = fdopen(fd, "r");
	if (!f) {
		(void)close(fd);
		return -ENOMEM;
	}
	*out = NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) &&
	    !(private && st.st_mode & 077)) {
		*written_s = st.st_mtim.tv_sec;
		*out = private ? PEM_read_PrivateKey(f, NULL, NULL, NULL)
			       : PEM_read_PUBKEY(f, NULL, NULL, NULL);
	} else {
		(void)fclose(f);
		return -EPERM;
	}
	(void)fclose(f);
	return *out ? 0 : -EINVAL;
}

/* ---- one key ---- */

static bool coordinate(EVP_PKEY *pkey, const char *name, char out[B64_BYTES])
{
	unsigned char raw[P256_BYTES];
	BIGNUM *bn = NULL;
	bool ok = EVP_PKEY_get_bn_param(pkey, name, &bn) == 1 &&
		  BN_bn2binpad(bn, raw, sizeof(raw)) == P256_BYTES;

	BN_free(bn);
	if (ok)
		gw_base64url_encode(out, raw, sizeof(raw));
	return ok;
}

/* Takes @pkey.  False: it is no P-256 key. */
static bool describe(struct key *k, EVP_PKEY *pkey)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	char text[256], group[32] = "";
	size_t len;

	k->pkey = pkey;
	if (!EVP_PKEY_is_a(pkey, "EC") ||
	    !EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) ||
	    strcmp(group, "prime256v1") != 0 ||
	    !coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_X, k->x) ||
	    !coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, k->y))
		return false;
	/* RFC 7638 3.2: these members, in this order. */
	(void)snprintf(text, sizeof(text),
		       "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\","
		       "\"y\":\"%s\"}",
		       k->x, k->y);
	SHA256((const unsigned char *)text, strlen(text), hash);
	gw_base64url_encode(k->kid, hash, sizeof(hash));
	return true;
}

/* The key of @file moves to @old, its public half, and another is made. */
static int replace(const char *file, const char *old, EVP_PKEY **pkey)
{
	EVP_PKEY *fresh = EVP_EC_gen("P-256");
	int rc = fresh ? 0 : -ENOMEM;

	if (!rc && *pkey)
		rc = write_key(old, *pkey, false);
	if (!rc)
		rc = write_key(file, fresh, true);
	if (rc) {
		EVP_PKEY_free(fresh);
		return rc;
	}
	EVP_PKEY_free(*pkey);
	*pkey = fresh;
	return 0;
}

static int load(struct gw_waf_keys *k, const struct gw_set_waf *set,
		int64_t now_s, char *err, size_t err_size)
{
	int64_t written = now_s, life = set->key_days * DAY_S;
	EVP_PKEY *pkey = NULL;
	char old[PATH_SIZE];
	int rc;

	(void)snprintf(old, sizeof(old), "%s.old", set->key_file);
	rc = read_key(set->key_file, true, &pkey, &written);
	if (rc == -EPERM)
		(void)snprintf(err, err_size,
			       "%s: must be a file that nobody else may read",
			       set->key_file);
	else if (rc && rc != -ENOENT)
		(void)fail(err, err_size, set->key_file, rc);
	if (rc && rc != -ENOENT)
		return rc;
	if (!pkey || (life && now_s - written >= life)) {
		rc = replace(set->key_file, old, &pkey);
		written = now_s;
		if (rc) {
			EVP_PKEY_free(pkey);
			return fail(err, err_size, set->key_file, rc);
		}
	}
	k->until_s = life ? written + life : 0;
	if (!describe(&k->now, pkey)) {
		(void)snprintf(err, err_size, "%s: is not a P-256 key",
			       set->key_file);
		return -EINVAL;
	}
	/* The old one is of use only while its tokens live. */
	if (!read_key(old, false, &pkey, &written)) {
		k->old_until_s = written + set->access_token_s + LEEWAY_S;
		if (!describe(&k->old, pkey) || k->old_until_s <= now_s) {
			EVP_PKEY_free(k->old.pkey);
			k->old.pkey = NULL;
		}
	}
	return 0;
}

int gw_waf_keys_new(struct gw_waf_keys **out, const struct gw_set_waf *set,
		    int64_t now_s, char *err, size_t err_size)
{
	struct gw_waf_keys *k = calloc(1, sizeof(*k));
	int rc;

	if (!k) {
		(void)snprintf(err, err_size, "out of memory");
		return -ENOMEM;
	}
	rc = load(k, set, now_s, err, err_size);
	if (rc) {
		gw_waf_keys_free(k);
		return rc;
	}
	*out = k;
	return 0;
}

void gw_waf_keys_free(struct gw_waf_keys *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->now.pkey);
	EVP_PKEY_free(k->old.pkey);
	free(k);
}

bool gw_waf_keys_due(const struct gw_waf_keys *k, int64_t now_s)
{
	return (k->until_s && now_s >= k->until_s) ||
	       (k->old.pkey && now_s >= k->old_until_s);
}

/* ---- signing ---- */

/* DER into r and s side by side (RFC 7518 3.4). */
static bool flat(const unsigned char *der, size_t len,
		 unsigned char raw[2 * P256_BYTES])
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
	bool ok = sig &&
		  BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, P256_BYTES) ==
			  P256_BYTES &&
		  BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + P256_BYTES,
			       P256_BYTES) == P256_BYTES;

	ECDSA_SIG_free(sig);
	return ok;
}

static void add_base64url(struct gw_buf *out, const void *data, size_t len)
{
	char *text = malloc(4 * ((len + 2) / 3) + 1);

	if (text)
		gw_base64url_encode(text, data, len);
	gw_buf_str(out, text ? text : "");
	if (!text && !out->err)
		out->err = -ENOMEM;
	free(text);
}

int gw_waf_keys_sign(const struct gw_waf_keys *k, const char *claims,
		     struct gw_buf *out)
{
	unsigned char der[128], raw[2 * P256_BYTES];
	size_t from = out->len, len = sizeof(der);
	char header[128];
	EVP_MD_CTX *ctx;
	bool ok;

	/* RFC 9068 2.1 */
	(void)snprintf(header, sizeof(header),
		       "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
		       k->now.kid);
	add_base64url(out, header, strlen(header));
	gw_buf_str(out, ".");
	add_base64url(out, claims, strlen(claims));
	if (gw_buf_error(out))
		return gw_buf_error(out);
	ctx = EVP_MD_CTX_new();
	ok = ctx &&
	     EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k->now.pkey) ==
		     1 &&
	     EVP_DigestSign(ctx, der, &len,
			    (const unsigned char *)out->data + from,
			    out->len - from) == 1 &&
	     flat(der, len, raw);
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return -EIO;
	gw_buf_str(out, ".");
	add_base64url(out, raw, sizeof(raw));
	return gw_buf_error(out);
}

static void publish(const struct key *k, struct gw_buf *out)
{
	gw_buf_printf(out,
		      "{\"kty\":\"EC\",\"crv\":\"P-256\",\"use\":\"sig\","
		      "\"alg\":\"ES256\",\"kid\":\"%s\",\"x\":\"%s\","
		      "\"y\":\"%s\"}",
		      k->kid, k->x, k->y);
}

void gw_waf_keys_publish(const struct gw_waf_keys *k, struct gw_buf *out)
{
	gw_buf_str(out, "{\"keys\":[");
	publish(&k->now, out);
	if (k->old.pkey) {
		gw_buf_str(out, ",");
		publish(&k->old, out);
	}
	gw_buf_str(out, "]}");
}

void gw_waf_keys_trust(const struct gw_waf_keys *k, struct gw_jwt_keys *to)
{
	(void)gw_jwt_keys_add(to, k->now.kid, "ES256", k->now.pkey, GW_JWT_WAF);
	if (k->old.pkey)
		(void)gw_jwt_keys_add(to, k->old.kid, "ES256", k->old.pkey,
				      GW_JWT_WAF);
}
