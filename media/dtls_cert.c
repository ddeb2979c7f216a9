#include "media/dtls_priv.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "gateway/base/ids.h"
#include "gateway/base/metrics.h"

/* RFC 5280 4.1.2.5: no end is set.  Who checks the fingerprint asks for no dates
 * (RFC 8827 6.5), but a peer that does must not refuse us because the process
 * has lived for long; its key goes with it. */
#define NOT_AFTER "99991231235959Z"

GW_COUNTER(m_made, "isthmus_dtls_certificates_made_total",
	   "DTLS certificates this process has made", "");

/* The process's; the workers renew it, each by its own clock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct gw_dtls_cert *current;

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

static struct gw_dtls_cert *make(uint64_t now_us)
{
	struct gw_dtls_cert *c = calloc(1, sizeof(*c));
	unsigned int n = sizeof(c->sha256);

	if (!c)
		return NULL;
	atomic_init(&c->refs, 1);
	c->made_us = now_us;
	c->key = EVP_EC_gen("P-256");
	if (c->key)
		c->x509 = make_cert(c->key);
	if (!c->x509 || !X509_digest(c->x509, EVP_sha256(), c->sha256, &n)) {
		gw_dtls_cert_unref(c);
		return NULL;
	}
	gw_metric_add(&m_made, 1);
	return c;
}

int gw_dtls_cert_get(struct gw_dtls_cert **out, uint64_t max_age_us)
{
	uint64_t now_us = gw_clock_monotonic_us(NULL);
	struct gw_dtls_cert *c;
	int err = 0;

	(void)pthread_mutex_lock(&lock);
	if (!current ||
	    (max_age_us && now_us - current->made_us >= max_age_us)) {
		c = make(now_us);
		if (c) {
			gw_dtls_cert_unref(current);
			current = c;
		} else {
			err = -EIO;
		}
	}
	if (!err) {
		atomic_fetch_add(&current->refs, 1);
		*out = current;
	}
	(void)pthread_mutex_unlock(&lock);
	return err;
}

void gw_dtls_cert_unref(struct gw_dtls_cert *cert)
{
	if (!cert || atomic_fetch_sub(&cert->refs, 1) > 1)
		return;
	X509_free(cert->x509);
	EVP_PKEY_free(cert->key);
	free(cert);
}

/* Sanitizers look for what a process leaves behind. */
__attribute__((destructor)) static void forget_current(void)
{
	gw_dtls_cert_unref(current);
	current = NULL;
}

const uint8_t *gw_dtls_cert_sha256(const struct gw_dtls_cert *cert)
{
	return cert->sha256;
}
