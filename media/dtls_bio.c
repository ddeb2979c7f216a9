#include "media/dtls_priv.h"

#include <errno.h>
#include <string.h>

#include <openssl/ssl3.h>

/* A datagram that the kernel refuses is a lost one: the handshake's own
 * retransmission covers it. */
static void emit(struct gw_dtls_bio *st, const void *data, size_t len)
{
	if (st->copy)
		gw_dtls_flight_add(st->copy, data, len);
	if (!st->held)
		st->send_h(data, len, st->arg);
	/* Whichever comes first, the other is a replay and dropped (RFC 6347
	 * 4.1.2.6). */
	if (!st->held && st->twice)
		st->send_h(data, len, st->arg);
}

static void emit_joined(struct gw_dtls_bio *st)
{
	size_t len = st->joined_len;

	st->joined_len = 0;
	if (len)
		emit(st, st->joined, len);
}

void gw_dtls_bio_join(struct gw_dtls_bio *st, uint8_t room[GW_DTLS_MTU])
{
	st->joined = room;
	st->joined_len = 0;
}

void gw_dtls_bio_part(struct gw_dtls_bio *st)
{
	emit_joined(st);
	st->joined = NULL;
}

static int bio_write(BIO *b, const char *data, size_t len, size_t *written)
{
	struct gw_dtls_bio *st = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	*written = len;
	/* The last flight begins; OpenSSL may just have sent the one before
	 * again, as it was due. */
	if (st->copy && len && *data == SSL3_RT_CHANGE_CIPHER_SPEC) {
		emit_joined(st);
		gw_dtls_flight_clear(st->copy);
	}
	if (st->joined && st->joined_len + len > GW_DTLS_MTU)
		emit_joined(st);
	if (st->joined && len <= GW_DTLS_MTU) {
		memcpy(st->joined + st->joined_len, data, len);
		st->joined_len += len;
	} else {
		emit(st, data, len);
	}
	return 1;
}

static int bio_read(BIO *b, char *out, size_t size, size_t *got)
{
	struct gw_dtls_bio *st = BIO_get_data(b);
	size_t n = st->in_len;

	BIO_clear_retry_flags(b);
	if (!st->in) {
		BIO_set_retry_read(b);
		return 0;
	}
	if (n > size)
		n = size; /* as a socket: the rest of the datagram is lost */
	memcpy(out, st->in, n);
	st->in = NULL;
	*got = n;
	return 1;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	(void)b;
	(void)num;
	(void)ptr;
	switch (cmd) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_DGRAM_QUERY_MTU:
	case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
		return GW_DTLS_MTU;
	default:
		return 0;
	}
}

int gw_dtls_bio_method_new(BIO_METHOD **out)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
				     "datagram handlers");

	if (!m)
		return -ENOMEM;
	if (!BIO_meth_set_write_ex(m, bio_write) ||
	    !BIO_meth_set_read_ex(m, bio_read) ||
	    !BIO_meth_set_ctrl(m, bio_ctrl)) {
		BIO_meth_free(m);
		return -ENOMEM;
	}
	*out = m;
	return 0;
}

BIO *gw_dtls_bio_new(BIO_METHOD *method, struct gw_dtls_bio *state)
{
	BIO *b = BIO_new(method);

	if (!b)
		return NULL;
	BIO_set_data(b, state);
	BIO_set_init(b, 1);
	return b;
}
