/*
 * media/rtcp.h - RTCP packets: read what a peer reports, write what we report
 *
 * RTCP is terminated at each termination, never relayed.  Pure: no I/O, no
 * allocation, no thread, time is an argument.  The parser takes hostile bytes,
 * compound (RFC 3550 6.1) or reduced-size (RFC 5506); the writer always makes
 * full compounds, which every peer takes.
 */
#ifndef GW_MEDIA_RTCP_H
#define GW_MEDIA_RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_RTCP_MAX_BYTES   1500 /* longer compounds are refused */
#define GW_RTCP_MAX_PACKETS 32   /* in one compound */
#define GW_RTCP_REPORT_MAX  328  /* what gw_rtcp_print() needs at most */
#define GW_RTCP_MAX_NACKS   32   /* of one compound that are looked at */

/* A report block (RFC 3550 6.4.1), wire values in host order. */
struct gw_rtcp_block {
	uint32_t ssrc; /* whom it is about */
	uint8_t fraction;
	int32_t lost; /* 24 bits signed */
	uint32_t ext_seq;
	uint32_t jitter; /* timestamp units */
	uint32_t lsr, dlsr;
};

/* Sender information, and who speaks. */
struct gw_rtcp_sender {
	uint32_t ssrc;
	bool active;     /* sent media lately: SR, else RR (RFC 3550 6.4) */
	uint64_t ntp;    /* now, 32.32 */
	uint32_t rtp_ts; /* the same instant on the media clock */
	uint32_t packets, octets;
};

/* What one compound said that matters to one stream. */
struct gw_rtcp_info {
	bool has_sr; /* about @peer_ssrc */
	struct gw_rtcp_sender sr;
	bool has_block; /* about @our_ssrc; the last one, if several */
	struct gw_rtcp_block block;
	uint32_t block_from; /* SSRC of the one who reports it */
	bool bye;            /* @peer_ssrc leaves */
	/* RTCP packets seen, by type. */
	uint8_t nsr, nrr, nsdes, nbye, napp, nrtpfb, npsfb, nxr, nother;
	/* Feedback about @our_ssrc (RFC 4585 6.2.1, 6.3.1; RFC 5104 4.3.1). */
	uint8_t nnack, npli, nfir;
	/* Of the NACKs: a packet that is missing, and which of the 16 behind it
	 * are too (RFC 4585 6.2.1); what exceeds the room waits to be asked
	 * for again. */
	uint8_t nmissing;
	struct gw_rtcp_missing {
		uint16_t seq, behind;
	} missing[GW_RTCP_MAX_NACKS];
};

/*
 * @peer_ssrc: the source whose SR and BYE count; 0: not known yet, the first
 * SR is taken and no BYE.  @our_ssrc: what we send to that peer.  A bundled
 * transport is asked once a stream.  0, or -EBADMSG: a length that does not
 * fit, wrong version, padding before the last packet, over a limit; then
 * nothing of the compound counts and *@out is not written.
 */
int gw_rtcp_parse(struct gw_rtcp_info *out, const uint8_t *data, size_t len,
		  uint32_t our_ssrc, uint32_t peer_ssrc);

/*
 * SR or RR, with @block unless NULL, then SDES with @cname (up to 255 bytes).
 * With @bye a BYE ends the compound.  Returns its length, or -ENOSPC, or
 * -EINVAL for a name that is too long.
 */
int gw_rtcp_print(uint8_t *out, size_t size, const struct gw_rtcp_sender *s,
		  const struct gw_rtcp_block *block, const char *cname,
		  bool bye);

/*
 * Feedback, appended to a compound of @len bytes in @out of @size; @sender is
 * our SSRC, @media whom it is about.  The new length, or -ENOSPC.
 */
int gw_rtcp_add_pli(uint8_t *out, size_t size, size_t len, uint32_t sender,
		    uint32_t media);
/* RFC 5104 4.3.1; @seq counts the requests. */
int gw_rtcp_add_fir(uint8_t *out, size_t size, size_t len, uint32_t sender,
		    uint32_t media, uint8_t seq);
int gw_rtcp_add_nack(uint8_t *out, size_t size, size_t len, uint32_t sender,
		     uint32_t media, const struct gw_rtcp_missing *missing,
		     unsigned n);
/* Not more than @bps (draft-alvestrand-rmcat-remb-03 2.2). */
int gw_rtcp_add_remb(uint8_t *out, size_t size, size_t len, uint32_t sender,
		     uint32_t media, uint64_t bps);

/* Unix time in microseconds -> NTP 32.32 (RFC 5905 6; eras wrap). */
uint64_t gw_rtcp_ntp(uint64_t unix_us);

/* Round trip from a block about us (RFC 3550 6.4.1); 0: not known, or not
 * believable (negative, over a minute).  A real one is at least 1. */
uint32_t gw_rtcp_rtt_us(const struct gw_rtcp_block *block, uint64_t ntp_now);

/* When to report next: 2.5 to 7.5 s (RFC 3550 6.2, A.7 for two members, where
 * bandwidth never exceeds the minimum interval); the first half of that. */
uint64_t gw_rtcp_interval_us(bool first, uint32_t random);

#endif
