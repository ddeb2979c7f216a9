#include "media/srtp.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <srtp2/srtp.h>

#include "gateway/base/bytes.h"
#include "media/worker_poll.h"

/* RFC 3711 3.3.2 asks for 64 at least; video bursts reorder further. */
#define REPLAY_WINDOW 256

/* libsrtp2 makes a stream for each SSRC that authenticates, and never drops
 * one: an authenticated but hostile peer must not grow it without bound. */
#define MAX_SSRCS 32

struct gw_srtp {
	srtp_t tx;
	srtp_t rx;
	size_t nssrc;
	uint32_t ssrc[MAX_SSRCS]; /* that have authenticated */
};

static int init_result;

static void init_once(void)
{
	if (srtp_init() != srtp_err_status_ok)
		init_result = -EIO;
	else
		init_result = gw_srtp_openssl_register();
}

int gw_srtp_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, init_once);
	return init_result;
}

int gw_srtp_key_bytes(enum gw_srtp_profile profile, size_t *key, size_t *salt)
{
	switch (profile) {
	case GW_SRTP_AES128_CM_SHA1_80: /* RFC 5764 4.1.2 */
		*key = 16;
		*salt = 14;
		return 0;
	case GW_SRTP_AEAD_AES_128_GCM: /* RFC 7714 12 */
		*key = 16;
		*salt = 12;
		return 0;
	}
	return -EINVAL;
}

static int create(srtp_t *out, const struct gw_srtp_keys *keys, bool inbound)
{
	uint8_t key[GW_SRTP_KEY_MAX];
	srtp_policy_t p;
	srtp_err_status_t st;

	memset(&p, 0, sizeof(p));
	if (keys->profile == GW_SRTP_AEAD_AES_128_GCM) {
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&p.rtp);
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&p.rtcp);
	} else {
		srtp_crypto_policy_set_rtp_default(&p.rtp);
		srtp_crypto_policy_set_rtcp_default(&p.rtcp);
	}

	memcpy(key, inbound ? keys->remote : keys->local, sizeof(key));
	p.key = key;
	p.ssrc.type = inbound ? ssrc_any_inbound : ssrc_any_outbound;
	p.window_size = REPLAY_WINDOW;
	/* A DTMF end packet and a generated RTCP never repeat an index. */
	p.allow_repeat_tx = 0;

	st = srtp_create(out, &p);
	explicit_bzero(key, sizeof(key));
	if (st == srtp_err_status_ok)
		return 0;
	return st == srtp_err_status_alloc_fail ? -ENOMEM : -EINVAL;
}

int gw_srtp_new(struct gw_srtp **out, const struct gw_srtp_keys *keys)
{
	struct gw_srtp *s;
	size_t key;
	size_t salt;
	int err;

	if (gw_srtp_key_bytes(keys->profile, &key, &salt))
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;

	err = create(&s->tx, keys, false);
	if (!err)
		err = create(&s->rx, keys, true);
	if (err) {
		gw_srtp_free(s);
		return err;
	}
	*out = s;
	return 0;
}

void gw_srtp_free(struct gw_srtp *s)
{
	if (!s)
		return;
	if (s->tx)
		(void)srtp_dealloc(s->tx);
	if (s->rx)
		(void)srtp_dealloc(s->rx);
	free(s);
}

static int map_status(srtp_err_status_t st)
{
	switch (st) {
	case srtp_err_status_ok:
		return 0;
	case srtp_err_status_replay_fail:
	case srtp_err_status_replay_old:
		return -EALREADY;
	case srtp_err_status_auth_fail:
		return -EBADMSG;
	case srtp_err_status_alloc_fail:
		return -ENOMEM;
	default:
		return -EINVAL;
	}
}

static bool ssrc_known(const struct gw_srtp *s, uint32_t ssrc)
{
	for (size_t i = 0; i < s->nssrc; i++)
		if (s->ssrc[i] == ssrc)
			return true;
	return false;
}

static int protect(srtp_err_status_t (*fn)(srtp_t, void *, int *), srtp_t tx,
		   uint8_t *pkt, size_t *len, size_t cap)
{
	int n;
	int err;

	if (*len > INT_MAX - GW_SRTP_OVERHEAD || cap < *len + GW_SRTP_OVERHEAD)
		return -EINVAL;
	n = (int)*len;
	err = map_status(fn(tx, pkt, &n));
	if (!err)
		*len = (size_t)n;
	return err;
}

int gw_srtp_protect(struct gw_srtp *s, uint8_t *pkt, size_t *len, size_t cap)
{
	return protect(srtp_protect, s->tx, pkt, len, cap);
}

int gw_srtp_protect_rtcp(struct gw_srtp *s, uint8_t *pkt, size_t *len,
			 size_t cap)
{
	return protect(srtp_protect_rtcp, s->tx, pkt, len, cap);
}

static int unprotect(srtp_err_status_t (*fn)(srtp_t, void *, int *),
		     struct gw_srtp *s, uint32_t ssrc, uint8_t *pkt,
		     size_t *len)
{
	bool known = ssrc_known(s, ssrc);
	int n;
	int err;

	if (!known && s->nssrc == MAX_SSRCS)
		return -ENOSPC;
	n = (int)*len;
	err = map_status(fn(s->rx, pkt, &n));
	if (err)
		return err;
	if (!known)
		s->ssrc[s->nssrc++] = ssrc;
	*len = (size_t)n;
	return 0;
}

int gw_srtp_unprotect(struct gw_srtp *s, uint8_t *pkt, size_t *len)
{
	if (*len < 12 || *len > INT_MAX)
		return -EINVAL;
	return unprotect(srtp_unprotect, s, gw_get32(pkt + 8), pkt, len);
}

int gw_srtp_unprotect_rtcp(struct gw_srtp *s, uint8_t *pkt, size_t *len)
{
	if (*len < 8 || *len > INT_MAX)
		return -EINVAL;
	return unprotect(srtp_unprotect_rtcp, s, gw_get32(pkt + 4), pkt, len);
}

void gw_srtp_add_hot(const struct gw_srtp *s, struct gw_hot *hot)
{
	if (!s)
		return;
	gw_hot_add(hot, s, offsetof(struct gw_srtp, ssrc) + sizeof(uint32_t));
	gw_hot_add(hot, s->tx, 1);
	gw_hot_add(hot, s->rx, 1);
}
