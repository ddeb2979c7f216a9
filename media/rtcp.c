#include "media/rtcp.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "gateway/base/bytes.h"

enum {
	PT_SR = 200,
	PT_RR = 201,
	PT_SDES = 202,
	PT_BYE = 203,
	PT_APP = 204,
	PT_RTPFB = 205, /* RFC 4585 6.1 */
	PT_PSFB = 206,
	PT_XR = 207 /* RFC 3611 */
};

enum { RTPFB_NACK = 1, PSFB_PLI = 1, PSFB_FIR = 4 };

#define SDES_CNAME  1
#define SR_BYTES    28
#define RR_BYTES    8
#define BLOCK_BYTES 24
#define FB_BYTES    12
#define FIR_BYTES   8
#define CNAME_MAX   255

#define NTP_UNIX_OFFSET 2208988800u /* seconds from 1900 to 1970 */
#define RTT_MAX_US      60000000u
#define INTERVAL_US     5000000u /* RFC 3550 6.2 */

/* ---- reading ---- */

/* One RTCP packet of the compound: its bytes without padding. */
struct packet {
	const uint8_t *p;
	size_t len;
	uint8_t count; /* RC, SC, FMT */
	uint8_t pt;
};

struct reader {
	struct gw_rtcp_info *info;
	uint32_t our_ssrc;
	uint32_t peer_ssrc;
};

static void read_block(struct reader *r, const uint8_t *p, uint32_t from)
{
	uint32_t lost = gw_get32(p + 4) & 0xffffff;

	if (gw_get32(p) != r->our_ssrc)
		return;
	r->info->has_block = true;
	r->info->block_from = from;
	r->info->block = (struct gw_rtcp_block){
		.ssrc = r->our_ssrc,
		.fraction = p[4],
		.lost = (int32_t)(lost << 8) >> 8,
		.ext_seq = gw_get32(p + 8),
		.jitter = gw_get32(p + 12),
		.lsr = gw_get32(p + 16),
		.dlsr = gw_get32(p + 20),
	};
}

/* What follows the blocks is a profile's extension (RFC 3550 6.4.3). */
static int read_blocks(struct reader *r, const struct packet *k, size_t at)
{
	unsigned i;

	if (k->len < at + BLOCK_BYTES * (size_t)k->count)
		return -EBADMSG;
	for (i = 0; i < k->count; i++, at += BLOCK_BYTES)
		read_block(r, k->p + at, gw_get32(k->p + 4));
	return 0;
}

static int read_sr(struct reader *r, const struct packet *k)
{
	struct gw_rtcp_info *info = r->info;
	const uint8_t *p = k->p;
	uint32_t ssrc;

	info->nsr++;
	if (k->len < SR_BYTES)
		return -EBADMSG;

	ssrc = gw_get32(p + 4);
	if (r->peer_ssrc ? ssrc == r->peer_ssrc : !info->has_sr) {
		info->has_sr = true;
		info->sr = (struct gw_rtcp_sender){
			.ssrc = ssrc,
			.active = true,
			.ntp = (uint64_t)gw_get32(p + 8) << 32 |
			       gw_get32(p + 12),
			.rtp_ts = gw_get32(p + 16),
			.packets = gw_get32(p + 20),
			.octets = gw_get32(p + 24),
		};
	}
	return read_blocks(r, k, SR_BYTES);
}

static int read_rr(struct reader *r, const struct packet *k)
{
	r->info->nrr++;
	if (k->len < RR_BYTES)
		return -EBADMSG;
	return read_blocks(r, k, RR_BYTES);
}

static int read_sdes(struct reader *r, const struct packet *k)
{
	/* Whatever it says: names of a peer are of no use here. */
	(void)k;
	r->info->nsdes++;
	return 0;
}

static int read_bye(struct reader *r, const struct packet *k)
{
	unsigned i;

	r->info->nbye++;
	if (k->len < 4 + 4 * (size_t)k->count)
		return -EBADMSG;
	for (i = 0; i < k->count; i++) {
		if (r->peer_ssrc && gw_get32(k->p + 4 + 4 * i) == r->peer_ssrc)
			r->info->bye = true;
	}
	return 0;
}

static int read_app(struct reader *r, const struct packet *k)
{
	(void)k;
	r->info->napp++;
	return 0;
}

static int read_rtpfb(struct reader *r, const struct packet *k)
{
	struct gw_rtcp_info *info = r->info;
	size_t at;

	info->nrtpfb++;
	if (k->len < FB_BYTES)
		return -EBADMSG;
	if (k->count != RTPFB_NACK || gw_get32(k->p + 8) != r->our_ssrc)
		return 0;
	info->nnack++;
	for (at = FB_BYTES; at + 4 <= k->len; at += 4) {
		const uint8_t *p = k->p + at;

		if (info->nmissing == GW_RTCP_MAX_NACKS)
			break;
		info->missing[info->nmissing++] = (struct gw_rtcp_missing){
			.seq = gw_get16(p),
			.behind = gw_get16(p + 2),
		};
	}
	return 0;
}

static int read_psfb(struct reader *r, const struct packet *k)
{
	size_t at;

	r->info->npsfb++;
	if (k->len < FB_BYTES)
		return -EBADMSG;
	if (k->count == PSFB_PLI && gw_get32(k->p + 8) == r->our_ssrc)
		r->info->npli++;
	if (k->count != PSFB_FIR)
		return 0;
	/* RFC 5104 4.3.1.2: whom it is about stands in the entries. */
	for (at = FB_BYTES; at + FIR_BYTES <= k->len; at += FIR_BYTES) {
		if (gw_get32(k->p + at) == r->our_ssrc) {
			r->info->nfir++;
			break;
		}
	}
	return 0;
}

static int read_xr(struct reader *r, const struct packet *k)
{
	(void)k;
	r->info->nxr++;
	return 0;
}

static int (*const readers[])(struct reader *, const struct packet *) = {
	[PT_SR - PT_SR] = read_sr,     [PT_RR - PT_SR] = read_rr,
	[PT_SDES - PT_SR] = read_sdes, [PT_BYE - PT_SR] = read_bye,
	[PT_APP - PT_SR] = read_app,   [PT_RTPFB - PT_SR] = read_rtpfb,
	[PT_PSFB - PT_SR] = read_psfb, [PT_XR - PT_SR] = read_xr,
};

static int read_packet(struct reader *r, const struct packet *k)
{
	unsigned row = (unsigned)k->pt - PT_SR;

	if (k->pt >= PT_SR && row < sizeof(readers) / sizeof(readers[0]))
		return readers[row](r, k);
	r->info->nother++;
	return 0;
}

/* Cuts the next packet off @data.  Its whole length, or -EBADMSG. */
static int next_packet(struct packet *k, const uint8_t *data, size_t len)
{
	size_t bytes;
	uint8_t pad;

	if (len < 4 || data[0] >> 6 != 2)
		return -EBADMSG;
	bytes = 4 * ((size_t)gw_get16(data + 2) + 1);
	if (bytes > len)
		return -EBADMSG;

	*k = (struct packet){ data, bytes, data[0] & 0x1f, data[1] };
	if (data[0] & 0x20) {
		/* RFC 3550 6.4.1: only on the last of a compound. */
		pad = data[bytes - 1];
		if (bytes != len || !pad || pad % 4 || pad > bytes - 4)
			return -EBADMSG;
		k->len -= pad;
	}
	return (int)bytes;
}

int gw_rtcp_parse(struct gw_rtcp_info *out, const uint8_t *data, size_t len,
		  uint32_t our_ssrc, uint32_t peer_ssrc)
{
	struct gw_rtcp_info info;
	struct reader r = { &info, our_ssrc, peer_ssrc };
	struct packet k;
	unsigned n;
	int bytes;

	if (!len || len > GW_RTCP_MAX_BYTES)
		return -EBADMSG;
	/* What is missing is only read as far as it is counted. */
	memset(&info, 0, offsetof(struct gw_rtcp_info, missing));
	for (n = 0; len; n++) {
		if (n == GW_RTCP_MAX_PACKETS)
			return -EBADMSG;
		bytes = next_packet(&k, data, len);
		if (bytes < 0 || read_packet(&r, &k))
			return -EBADMSG;
		data += bytes;
		len -= (size_t)bytes;
	}
	memcpy(out, &info,
	       offsetof(struct gw_rtcp_info, missing) +
		       info.nmissing * sizeof(info.missing[0]));
	return 0;
}

/* ---- writing ---- */

static uint8_t *put_head(uint8_t *p, unsigned count, uint8_t pt, size_t bytes)
{
	size_t words = bytes / 4 - 1;

	p[0] = (uint8_t)(0x80 | count);
	p[1] = pt;
	p[2] = (uint8_t)(words >> 8);
	p[3] = (uint8_t)words;
	return p + 4;
}

static uint8_t *put_report(uint8_t *p, const struct gw_rtcp_sender *s,
			   const struct gw_rtcp_block *b)
{
	size_t bytes =
		(s->active ? SR_BYTES : RR_BYTES) + (b ? BLOCK_BYTES : 0);

	p = put_head(p, b ? 1 : 0, s->active ? PT_SR : PT_RR, bytes);
	p = gw_put32(p, s->ssrc);
	if (s->active) {
		p = gw_put32(p, (uint32_t)(s->ntp >> 32));
		p = gw_put32(p, (uint32_t)s->ntp);
		p = gw_put32(p, s->rtp_ts);
		p = gw_put32(p, s->packets);
		p = gw_put32(p, s->octets);
	}
	if (!b)
		return p;
	p = gw_put32(p, b->ssrc);
	p = gw_put32(p, (uint32_t)b->fraction << 24 |
				((uint32_t)b->lost & 0xffffff));
	p = gw_put32(p, b->ext_seq);
	p = gw_put32(p, b->jitter);
	p = gw_put32(p, b->lsr);
	return gw_put32(p, b->dlsr);
}

/* RFC 3550 6.5: the item list ends with at least one zero byte, and fills up
 * to a word. */
static size_t sdes_bytes(size_t cname_len)
{
	return (4 + 4 + 2 + cname_len + 1 + 3) & ~(size_t)3;
}

static uint8_t *put_sdes(uint8_t *p, uint32_t ssrc, const char *cname,
			 size_t cname_len)
{
	size_t bytes = sdes_bytes(cname_len);

	memset(p, 0, bytes);
	gw_put32(put_head(p, 1, PT_SDES, bytes), ssrc);
	p[8] = SDES_CNAME;
	p[9] = (uint8_t)cname_len;
	memcpy(p + 10, cname, cname_len);
	return p + bytes;
}

int gw_rtcp_print(uint8_t *out, size_t size, const struct gw_rtcp_sender *s,
		  const struct gw_rtcp_block *block, const char *cname,
		  bool bye)
{
	size_t cname_len = strlen(cname);
	size_t need = s->active ? SR_BYTES : RR_BYTES;
	uint8_t *p = out;

	if (cname_len > CNAME_MAX)
		return -EINVAL;
	need += (block ? BLOCK_BYTES : 0) + sdes_bytes(cname_len) +
		(bye ? 8 : 0);
	if (need > size)
		return -ENOSPC;

	p = put_report(p, s, block);
	p = put_sdes(p, s->ssrc, cname, cname_len);
	if (bye)
		p = gw_put32(put_head(p, 1, PT_BYE, 8), s->ssrc);
	assert((size_t)(p - out) == need);
	return (int)need;
}

/* ---- time ---- */

uint64_t gw_rtcp_ntp(uint64_t unix_us)
{
	uint64_t s = unix_us / 1000000 + NTP_UNIX_OFFSET;
	uint64_t us = unix_us % 1000000;

	return s << 32 | (us << 32) / 1000000;
}

uint32_t gw_rtcp_rtt_us(const struct gw_rtcp_block *block, uint64_t ntp_now)
{
	uint32_t now = (uint32_t)(ntp_now >> 16);
	uint32_t rtt = now - block->lsr - block->dlsr; /* 1/65536 s */
	uint64_t us;

	if (!block->lsr)
		return 0;
	/* On one machine it may come out a tick below zero by rounding. */
	if (!rtt || rtt == UINT32_MAX)
		return 1;
	us = ((uint64_t)rtt * 1000000) >> 16;
	return us > RTT_MAX_US ? 0 : (uint32_t)us;
}

uint64_t gw_rtcp_interval_us(bool first, uint32_t random)
{
	uint64_t t = first ? INTERVAL_US / 2 : INTERVAL_US;

	return t / 2 + (t * random >> 32);
}
