#include "media/dtls_priv.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "gateway/base/ids.h"

/* RFC 5280 4.1.2.5: no end is set.  Who checks the fingerprint asks for no dates
 * (RFC 8827 6.5), but a peer that does must not refuse us because the process
 * has lived for long; its key goes with it. */
#define NOT_AFTER "99991231235959Z"

static struct gw_dtls_cert the_cert;
static int the_error;

static X509 *make_cert(EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509_NAME *name;
	const unsigned char cn[] = "isthmus";

	if (!x)
		return NULL;
	name = X509_get_subject_name(x);
	/* A random serial, so that two runs of the gateway never show two
	 * certificates of one issuer and serial (RFC 5280 4.1.2.2). */
	if (!X509_set_version(x, X509_VERSION_3) ||
	    !ASN1_INTEGER_set_uint64(X509_get_serialNumber(x),
				     gw_random_u64() >> 1) ||
	    !X509_gmtime_adj(X509_getm_notBefore(x), -24L * 3600) ||
	    !ASN1_TIME_set_string(X509_getm_notAfter(x), NOT_AFTER) ||
	    !X509_set_pubkey(x, key) ||
	    !X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, cn, -1, -1,
					0) ||
	    !X509_set_issuer_name(x, name) ||
	    !X509_sign(x, key, EVP_sha256())) {
		X509_free(x);
		return NULL;
	}
	return x;
}

static void make_once(void)
{
	unsigned int n = sizeof(the_cert.sha256);

	the_cert.key = EVP_EC_gen("P-256");
	if (the_cert.key)
		the_cert.x509 = make_cert(the_cert.key);
	if (!the_cert.x509 ||
	    !X509_digest(the_cert.x509, EVP_sha256(), the_cert.sha256, &n))
		the_error = -EIO;
}

int gw_dtls_cert_get(const struct gw_dtls_cert **out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, make_once);
	if (the_error)
		return the_error;
	*out = &the_cert;
	return 0;
}

const uint8_t *gw_dtls_cert_sha256(const struct gw_dtls_cert *cert)
{
	return cert->sha256;
}
