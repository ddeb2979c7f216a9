/*
 * media/rtp.h - RTP packets as bytes: classify, check, strip, rewrite; and what
 * RFC 3550 appendix A tells of a source
 *
 * Pure: no I/O, no allocation, no thread.  Time is an argument (monotonic us).
 * Everything here takes hostile bytes; a packet is used only after
 * gw_rtp_parse() accepted it.
 */
#ifndef GW_MEDIA_RTP_H
#define GW_MEDIA_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_RTP_HEADER 12 /* bytes of the fixed header */

/* What one UDP datagram of a multiplexed socket is: RFC 7983 7 by its first
 * byte, RFC 5761 4 between RTP and RTCP. */
enum gw_pkt_class {
	GW_PKT_UNKNOWN, /* empty, or a range that nobody owns: drop */
	GW_PKT_STUN,    /* 0..3 */
	GW_PKT_ZRTP,    /* 16..19 */
	GW_PKT_DTLS,    /* 20..63 */
	GW_PKT_TURN,    /* 64..79, ChannelData */
	GW_PKT_RTP,     /* 128..191 */
	GW_PKT_RTCP     /* 128..191 with second byte 192..223 */
};

/* By the first two bytes only; no promise that the rest is well-formed. */
enum gw_pkt_class gw_pkt_classify(const uint8_t *data, size_t len);

/* A header that was checked, in host order.  All of it lies in the packet. */
struct gw_rtp {
	uint8_t pt;
	bool marker;
	bool extension; /* RFC 3550 5.3.1 */
	uint8_t ncsrc;
	uint8_t padding_bytes; /* at the end, its count byte included */
	uint16_t seq;
	uint32_t timestamp;
	uint32_t ssrc;
	size_t payload_at;    /* after CSRCs and extension */
	size_t payload_bytes; /* without padding; may be 0 */
};

/* @len bytes, already decrypted.  0, or -EBADMSG: too short, not version 2, or
 * CSRCs, extension or padding that reach over the end. */
int gw_rtp_parse(struct gw_rtp *out, const uint8_t *data, size_t len);

/*
 * Takes CSRCs, header extension and padding away, in place; @h, parsed from
 * the same bytes, is kept in step.  Returns the new length.  They were agreed
 * with the other side only: ids of extensions differ between two sessions
 * (RFC 8285 7), and a CSRC would name sources that this side never sees.
 */
size_t gw_rtp_strip(uint8_t *data, struct gw_rtp *h);

/* Marker, pt, seq, timestamp and ssrc of @h into an existing header; the
 * first byte (version, padding, extension, CSRC count) stays. */
void gw_rtp_rewrite(uint8_t *data, const struct gw_rtp *h);

/* ---- one source, as its receiver sees it (RFC 3550 A.1, A.3, A.8) ---- */

/* A.1.  The first packet is taken at once: there is no probation, because who
 * may send is decided before (ICE and DTLS, or the locked address). */
#define GW_RTP_MAX_DROPOUT  3000
#define GW_RTP_MAX_MISORDER 100
#define GW_RTP_CYCLE        0x10000u /* where extended numbers start counting */

enum gw_rtp_order {
	GW_RTP_NEWEST, /* ahead of all before it; ext is the new highest */
	GW_RTP_LATE,   /* at or behind the highest: reordered or duplicate */
	GW_RTP_JUMP,   /* implausible; believed if its successor comes next */
	GW_RTP_RESTART /* that successor: the numbering began anew here */
};

/* Owner: whoever embeds it.  Zeroed: no packet yet. */
struct gw_rtp_source {
	bool started;
	uint32_t ssrc;
	uint64_t highest;  /* extended sequence number */
	uint64_t base;     /* extended number of the first packet */
	uint32_t bad_seq;  /* awaited after a jump; above 0xffff: none */
	uint64_t received; /* since base; duplicates count, as in A.3 */
	uint64_t expected_prior, received_prior;
	int64_t lost_before; /* by numberings that ended in a restart */

	bool has_transit; /* jitter, A.8 */
	uint32_t last_ts, last_clock_hz;
	uint64_t last_us;
	uint64_t jitter_q4_us; /* times 16 */
};

void gw_rtp_source_init(struct gw_rtp_source *s, uint32_t ssrc, uint16_t seq);

/* Counts one packet.  *@ext is its extended sequence number, comparable with
 * others since the last RESTART; not set for a JUMP, which is not counted. */
enum gw_rtp_order gw_rtp_source_seq(struct gw_rtp_source *s, uint16_t seq,
				    uint64_t *ext);

/*
 * Jitter, from packets of ordinary media only: those of a telephone-event all
 * carry the time of its start.  A packet at another clock begins anew.
 */
void gw_rtp_source_time(struct gw_rtp_source *s, uint32_t timestamp,
			uint32_t clock_hz, uint64_t now_us);

/* Highest extended sequence number as reports carry it. */
uint32_t gw_rtp_source_ext_seq(const struct gw_rtp_source *s);
/* Over all numberings of this source. */
int64_t gw_rtp_source_lost_total(const struct gw_rtp_source *s);
/* Since the last restart: A.3, clamped to 24 bits signed.  May be negative:
 * duplicates. */
int32_t gw_rtp_source_lost(const struct gw_rtp_source *s);
/* A.3: lost share in 1/256 since the last call; moves the interval on. */
uint8_t gw_rtp_source_fraction(struct gw_rtp_source *s);
uint32_t gw_rtp_source_jitter_us(const struct gw_rtp_source *s);

#endif
