/*
 * tests/unit/media_peer.h - a browser as the media plane sees it
 *
 * Built from the libraries alone (libnice, OpenSSL, libsrtp2), not from the
 * gateway's modules: what both sides got wrong in the same way must not pass.
 * One thread; media_peer_step() does what is due and never blocks.
 */
#ifndef MEDIA_PEER_H
#define MEDIA_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/media.h"

struct media_peer;

struct media_peer_options {
	const char *address;  /* NULL: 127.0.0.1 */
	const char *profiles; /* NULL: both, GCM first */
	bool controlling;
	bool active; /* sends the ClientHello */
	bool waits;  /* says that it will, and does not */
	bool light;  /* ICE and DTLS at a browser's pace, no libnice */
	/* Longest wait for the answer to a flight of DTLS; 0: twice as long
	 * each time, without a bound, as browsers do. */
	unsigned dtls_wait_ms;
	bool no_candidates; /* found as peer-reflexive only */
	bool rsa; /* a certificate of 4096 bits, larger than a datagram */
	const struct media_peer *certificate_of; /* NULL: a new one */
};

#define MEDIA_PEER_KEEP 64

struct media_peer_packet {
	size_t len;
	uint8_t data[1600];
};

struct media_peer *media_peer_new(const struct media_peer_options *opt);
void media_peer_free(struct media_peer *p);

/* Our end, as signalling would tell it to the gateway; transport, ICE and DTLS
 * only. */
void media_peer_describe(struct media_peer *p, struct gw_end *end);
/* The gateway's end. */
void media_peer_set_remote(struct media_peer *p, const struct gw_end *end);
/* ICE restart on our side; describe and set_remote again after it. */
void media_peer_restart(struct media_peer *p);
/* Another network: what was at the old address is gone, ICE begins anew at
 * @address, keys stay.  describe and set_remote again after it. */
void media_peer_move(struct media_peer *p, const char *address);
/* Light: it neither checks nor answers checks any more. */
void media_peer_silence(struct media_peer *p);

void media_peer_step(struct media_peer *p);

bool media_peer_ice_up(const struct media_peer *p);
bool media_peer_dtls_up(const struct media_peer *p);
bool media_peer_dtls_failed(const struct media_peer *p);
bool media_peer_dtls_closed(const struct media_peer *p);
unsigned media_peer_pairs(const struct media_peer *p); /* selected so far */
const char *media_peer_profile(const struct media_peer *p);

/* Of the DTLS datagrams to come, lets @skip in and loses @n then. */
void media_peer_lose(struct media_peer *p, unsigned skip, unsigned n);
/* A ClientHello of a session that never was; its length. */
size_t media_peer_forge_hello(uint8_t *out, size_t size);
/* RFC 7675 5.2: the gateway may not send here any more. */
void media_peer_revoke_consent(struct media_peer *p);
/* A second handshake inside the association. */
void media_peer_renegotiate(struct media_peer *p);

/* The end, said by us. */
void media_peer_close_notify(struct media_peer *p);

/* Protected, as RTP or RTCP; @data is the plain packet. */
void media_peer_send(struct media_peer *p, const void *data, size_t len);
/* The same without sending it; @out has room for 148 bytes more. */
size_t media_peer_protect(struct media_peer *p, const void *data, size_t len,
			  void *out);
/* As it is, without protection. */
void media_peer_send_raw(struct media_peer *p, const void *data, size_t len);
/* The last protected datagram again. */
void media_peer_replay(struct media_peer *p);

/* Received, decrypted; the oldest first; NULL: none left. */
const struct media_peer_packet *media_peer_rtp(struct media_peer *p);
unsigned media_peer_rtp_count(const struct media_peer *p);
const struct media_peer_packet *media_peer_rtcp(struct media_peer *p);
unsigned media_peer_rtcp_count(const struct media_peer *p);
/* The next @n RTP packets are lost on the way here. */
void media_peer_miss(struct media_peer *p, unsigned n);
unsigned media_peer_bad(const struct media_peer *p); /* not decryptable */

#endif
