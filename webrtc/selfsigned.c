#include "webrtc/selfsigned.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "gateway/base/addr.h"

/* CA/Browser Forum limit, which browsers apply to private roots as well. */
#define VALID_DAYS 397
#define RENEW_DAYS 30
#define DAY_S      86400L

static bool is_address(const char *name)
{
	struct gw_addr a;

	return !gw_addr_parse(&a, name, 0);
}

static bool covers(X509 *x, const char *const *names, size_t nnames)
{
	for (size_t i = 0; i < nnames; i++) {
		int ok = is_address(names[i])
				 ? X509_check_ip_asc(x, names[i], 0)
				 : X509_check_host(x, names[i], 0, 0, NULL);

		if (ok != 1)
			return false;
	}
	return true;
}

static bool usable(const struct gw_selfsigned *s, const char *const *names,
		   size_t nnames)
{
	time_t soon = time(NULL) + RENEW_DAYS * DAY_S;
	FILE *cf = fopen(s->certificate, "re");
	FILE *kf = fopen(s->key, "re");
	X509 *x = cf ? PEM_read_X509(cf, NULL, NULL, NULL) : NULL;
	EVP_PKEY *k = kf ? PEM_read_PrivateKey(kf, NULL, NULL, NULL) : NULL;
	bool ok = x && k && X509_check_private_key(x, k) == 1 &&
		  X509_cmp_time(X509_get0_notAfter(x), &soon) > 0 &&
		  covers(x, names, nnames);

	EVP_PKEY_free(k);
	X509_free(x);
	if (kf)
		fclose(kf);
	if (cf)
		fclose(cf);
	return ok;
}

static int add_names(X509 *x, const char *const *names, size_t nnames)
{
	GENERAL_NAMES *list = GENERAL_NAMES_new();
	int ok = list != NULL;

	for (size_t i = 0; ok && i < nnames; i++) {
		GENERAL_NAME *gn = GENERAL_NAME_new();
		bool ip = is_address(names[i]);
		void *value = NULL;

		if (ip) {
			value = a2i_IPADDRESS(names[i]);
		} else {
			ASN1_IA5STRING *s = ASN1_IA5STRING_new();

			if (s && ASN1_STRING_set(s, names[i], -1))
				value = s;
			else
				ASN1_IA5STRING_free(s);
		}
		if (!gn || !value) {
			ok = 0;
		} else {
			GENERAL_NAME_set0_value(gn, ip ? GEN_IPADD : GEN_DNS,
						value);
			ok = sk_GENERAL_NAME_push(list, gn) > 0;
			gn = ok ? NULL : gn;
		}
		GENERAL_NAME_free(gn);
	}
	ok = ok && X509_add1_ext_i2d(x, NID_subject_alt_name, list, 0,
				     X509V3_ADD_DEFAULT) == 1;
	GENERAL_NAMES_free(list);
	return ok;
}

static int add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	int ok = ext && X509_add_ext(x, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return ok;
}

static X509 *make_certificate(EVP_PKEY *key, const char *const *names,
			      size_t nnames)
{
	unsigned char serial[16];
	X509 *x = X509_new();
	BIGNUM *bn = NULL;
	X509_NAME *dn;
	int ok;

	if (!x)
		return NULL;
	dn = X509_get_subject_name(x);
	ok = X509_set_version(x, X509_VERSION_3) &&
	     RAND_bytes(serial, sizeof(serial)) == 1;
	serial[0] &= 0x7f;
	bn = ok ? BN_bin2bn(serial, sizeof(serial), NULL) : NULL;
	ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) &&
	     X509_gmtime_adj(X509_getm_notBefore(x), -3600) &&
	     X509_gmtime_adj(X509_getm_notAfter(x), VALID_DAYS * DAY_S) &&
	     X509_set_pubkey(x, key) &&
	     X509_NAME_add_entry_by_txt(dn, "CN", MBSTRING_ASC,
					(const unsigned char *)"Isthmus", -1,
					-1, 0) &&
	     X509_set_issuer_name(x, dn) && add_names(x, names, nnames) &&
	     add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
	     add_extension(x, NID_key_usage, "critical,digitalSignature") &&
	     add_extension(x, NID_ext_key_usage, "serverAuth") &&
	     X509_sign(x, key, EVP_sha256()) > 0;
	BN_free(bn);
	if (!ok) {
		X509_free(x);
		return NULL;
	}
	return x;
}

/* Written beside, then renamed: a reader never sees half a file. */
static int write_pem(const char *path, mode_t mode, X509 *x, EVP_PKEY *key)
{
	char tmp[sizeof(((struct gw_selfsigned *)0)->key) + 8];
	FILE *f = NULL;
	int fd, ok, err;

	(void)snprintf(tmp, sizeof(tmp), "%s.new", path);
	(void)unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  mode);
	if (fd < 0)
		return -errno;
	f = fdopen(fd, "w");
	if (!f) {
		err = -errno;
		close(fd);
		return err;
	}
	ok = x ? PEM_write_X509(f, x)
	       : PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	if (fclose(f) || !ok)
		return -EIO;
	return rename(tmp, path) ? -errno : 0;
}

static int make(const struct gw_selfsigned *s, const char *const *names,
		size_t nnames)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = key ? make_certificate(key, names, nnames) : NULL;
	int err = -ENOMEM;

	if (x) {
		err = write_pem(s->key, 0600, NULL, key);
		if (!err)
			err = write_pem(s->certificate, 0644, x, NULL);
	}
	X509_free(x);
	EVP_PKEY_free(key);
	return err;
}

int gw_selfsigned_ensure(struct gw_selfsigned *out, const char *dir,
			 const char *const *names, size_t nnames, char *err,
			 size_t err_size)
{
	struct gw_selfsigned s;
	int rc = 0, a, b;

	if (!dir || !*dir) {
		(void)snprintf(err, err_size, "no state_dir to keep it in");
		return -EINVAL;
	}
	a = snprintf(s.certificate, sizeof(s.certificate), "%s/web-cert.pem",
		     dir);
	b = snprintf(s.key, sizeof(s.key), "%s/web-key.pem", dir);
	if (a < 0 || (size_t)a >= sizeof(s.certificate) || b < 0 ||
	    (size_t)b >= sizeof(s.key)) {
		(void)snprintf(err, err_size, "%s: path too long", dir);
		return -ENAMETOOLONG;
	}
	if (!usable(&s, names, nnames)) {
		if (mkdir(dir, 0750) < 0 && errno != EEXIST)
			rc = -errno;
		if (!rc)
			rc = make(&s, names, nnames);
		if (rc) {
			(void)snprintf(err, err_size, "%s: %s", dir,
				       strerror(-rc));
			return rc;
		}
	}
	*out = s;
	return 0;
}
