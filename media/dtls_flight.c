#include "media/dtls_priv.h"

#include <string.h>

#include <openssl/dtls1.h>
#include <openssl/ssl3.h>

#include "gateway/base/bytes.h"

void gw_dtls_flight_clear(struct gw_dtls_flight *f)
{
	f->n = 0;
	f->bytes = 0;
	f->too_big = false;
}

void gw_dtls_flight_add(struct gw_dtls_flight *f, const void *data, size_t len)
{
	if (f->n == GW_DTLS_FLIGHT_MAX || len > sizeof(f->data) - f->bytes) {
		f->too_big = true;
		return;
	}
	memcpy(f->data + f->bytes, data, len);
	f->len[f->n++] = (uint16_t)len;
	f->bytes = (uint16_t)(f->bytes + len);
}

void gw_dtls_flight_send(const struct gw_dtls_flight *f, gw_dtls_send_h *send_h,
			 void *arg)
{
	const uint8_t *at = f->data;

	for (unsigned i = 0; i < f->n; i++) {
		send_h(at, f->len[i], arg);
		at += f->len[i];
	}
}

/* RFC 6347 4.1: type, version, epoch, 48 bits of number, length. */
enum gw_dtls_late gw_dtls_late(const void *data, size_t len)
{
	const uint8_t *p = data;
	enum gw_dtls_late kind = GW_DTLS_LATE_OTHER;

	while (len >= DTLS1_RT_HEADER_LENGTH) {
		size_t record = DTLS1_RT_HEADER_LENGTH + gw_get16(p + 11);
		bool sealed = p[3] || p[4];

		if (sealed && p[0] == SSL3_RT_HANDSHAKE)
			return GW_DTLS_LATE_FINISHED;
		if (sealed && p[0] == SSL3_RT_ALERT)
			kind = GW_DTLS_LATE_ALERT;
		if (record > len)
			break;
		p += record;
		len -= record;
	}
	return kind;
}
