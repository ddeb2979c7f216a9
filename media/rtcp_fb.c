/* Feedback that we give: RFC 4585, RFC 5104, and REMB. */
#include <errno.h>
#include <string.h>

#include "gateway/base/bytes.h"
#include "media/rtcp.h"

enum { PT_RTPFB = 205, PT_PSFB = 206 };
enum { RTPFB_NACK = 1, PSFB_PLI = 1, PSFB_FIR = 4, PSFB_APP = 15 };

#define HEAD_BYTES 12 /* of every feedback packet (RFC 4585 6.1) */

/* The head of one with @fci bytes behind it; NULL: it does not fit. */
static uint8_t *begin(uint8_t *out, size_t size, size_t len, unsigned fmt,
		      uint8_t pt, uint32_t sender, uint32_t media, size_t fci)
{
	uint8_t *p = out + len;

	if (len + HEAD_BYTES + fci > size)
		return NULL;
	p[0] = (uint8_t)(0x80 | fmt);
	p[1] = pt;
	p[2] = 0;
	p[3] = (uint8_t)((HEAD_BYTES + fci) / 4 - 1);
	return gw_put32(gw_put32(p + 4, sender), media);
}

int gw_rtcp_add_pli(uint8_t *out, size_t size, size_t len, uint32_t sender,
		    uint32_t media)
{
	uint8_t *p = begin(out, size, len, PSFB_PLI, PT_PSFB, sender, media, 0);

	return p ? (int)(p - out) : -ENOSPC;
}

int gw_rtcp_add_fir(uint8_t *out, size_t size, size_t len, uint32_t sender,
		    uint32_t media, uint8_t seq)
{
	/* RFC 5104 4.3.1.2: the media source of the head is not used. */
	uint8_t *p = begin(out, size, len, PSFB_FIR, PT_PSFB, sender, 0, 8);

	if (!p)
		return -ENOSPC;
	p = gw_put32(gw_put32(p, media), (uint32_t)seq << 24);
	return (int)(p - out);
}

int gw_rtcp_add_nack(uint8_t *out, size_t size, size_t len, uint32_t sender,
		     uint32_t media, const struct gw_rtcp_missing *missing,
		     unsigned n)
{
	uint8_t *p;

	if (n > GW_RTCP_MAX_NACKS)
		n = GW_RTCP_MAX_NACKS;
	p = begin(out, size, len, RTPFB_NACK, PT_RTPFB, sender, media, 4 * n);
	if (!p)
		return -ENOSPC;
	for (unsigned i = 0; i < n; i++)
		p = gw_put32(p, (uint32_t)missing[i].seq << 16 |
					missing[i].behind);
	return (int)(p - out);
}

/* 6 bits of exponent, 18 of mantissa, rounded down. */
int gw_rtcp_add_remb(uint8_t *out, size_t size, size_t len, uint32_t sender,
		     uint32_t media, uint64_t bps)
{
	uint8_t *p = begin(out, size, len, PSFB_APP, PT_PSFB, sender, 0, 12);
	uint32_t exponent = 0;

	if (!p)
		return -ENOSPC;
	while (bps >= 1u << 18) {
		bps >>= 1;
		exponent++;
	}
	memcpy(p, "REMB", 4);
	p = gw_put32(p + 4, 1u << 24 | exponent << 18 | (uint32_t)bps);
	p = gw_put32(p, media);
	return (int)(p - out);
}
