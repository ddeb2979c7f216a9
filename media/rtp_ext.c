#include "media/rtp_ext.h"

#include <string.h>

#include "gateway/base/bytes.h"

#define ONE_BYTE_FORM 0xbede
#define TWO_BYTE_FORM 0x1000 /* and any low four bits */

/* Where the extension is, without its own header; false: there is none. */
static bool bounds(const uint8_t *data, const struct gw_rtp *h, size_t *from,
		   unsigned *form)
{
	size_t at = GW_RTP_HEADER + 4 * (size_t)h->ncsrc;

	if (!h->extension)
		return false;
	*form = gw_get16(data + at);
	*from = at + 4;
	return *form == ONE_BYTE_FORM || (*form & 0xfff0) == TWO_BYTE_FORM;
}

bool gw_rtp_ext_next(const uint8_t *data, const struct gw_rtp *h, size_t *at,
		     struct gw_rtp_ext *out)
{
	size_t from, i, end = h->payload_at, head;
	unsigned form;

	if (!bounds(data, h, &from, &form))
		return false;
	for (i = *at ? *at : from; i < end; i++) {
		if (data[i] != 0) /* padding between elements */
			break;
	}
	head = form == ONE_BYTE_FORM ? 1 : 2;
	if (i + head > end)
		return false;
	if (form == ONE_BYTE_FORM) {
		out->id = data[i] >> 4;
		out->len = (uint8_t)((data[i] & 0x0f) + 1);
		if (out->id == 15)
			return false;
	} else {
		out->id = data[i];
		out->len = data[i + 1];
	}
	if (i + head + out->len > end)
		return false;
	out->data = data + i + head;
	*at = i + head + out->len;
	return true;
}

bool gw_rtp_ext_find(const uint8_t *data, const struct gw_rtp *h, uint8_t id,
		     struct gw_rtp_ext *out)
{
	size_t at = 0;

	while (gw_rtp_ext_next(data, h, &at, out)) {
		if (out->id == id)
			return true;
	}
	return false;
}

/* Into @out, of as many bytes as ids; each id once.  Its length. */
static size_t collect(uint8_t *out, const uint8_t *data, const struct gw_rtp *h,
		      const uint8_t map[GW_RTP_EXT_MAX_ID + 1])
{
	struct gw_rtp_ext e;
	uint32_t done = 0;
	size_t at = 0, n = 0;

	while (gw_rtp_ext_next(data, h, &at, &e)) {
		uint8_t id = e.id <= GW_RTP_EXT_MAX_ID ? map[e.id] : 0;

		if (!id || e.len < 1 || e.len > GW_RTP_EXT_MAX_BYTES ||
		    done >> id & 1)
			continue;
		done |= 1u << id;
		out[n++] = (uint8_t)(id << 4 | (e.len - 1));
		memcpy(out + n, e.data, e.len);
		n += e.len;
	}
	while (n % 4)
		out[n++] = 0;
	return n;
}

size_t gw_rtp_ext_map(uint8_t *data, struct gw_rtp *h,
		      const uint8_t map[GW_RTP_EXT_MAX_ID + 1])
{
	uint8_t kept[(GW_RTP_EXT_MAX_ID + 1) * (GW_RTP_EXT_MAX_BYTES + 1) + 3];
	size_t n = collect(kept, data, h, map);
	size_t at = GW_RTP_HEADER + 4 + n;

	/* What is kept was there, so there is room for it before the
	 * payload. */
	if (!n || at > h->payload_at)
		return gw_rtp_strip(data, h);
	if (at < h->payload_at)
		memmove(data + at, data + h->payload_at, h->payload_bytes);
	data[0] = 0x90;
	data[GW_RTP_HEADER] = ONE_BYTE_FORM >> 8;
	data[GW_RTP_HEADER + 1] = ONE_BYTE_FORM & 0xff;
	data[GW_RTP_HEADER + 2] = 0;
	data[GW_RTP_HEADER + 3] = (uint8_t)(n / 4);
	memcpy(data + GW_RTP_HEADER + 4, kept, n);
	h->payload_at = at;
	h->ncsrc = 0;
	h->padding_bytes = 0;
	return at + h->payload_bytes;
}
