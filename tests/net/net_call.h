/*
 * tests/net/net_call.h - calls through a bad network, and what is heard
 *
 * The gateway and its phone are at one end of the wire, browsers at the other.
 * Both ends say a tone of their own; who hears what is told by its frequency.
 */
#ifndef NET_CALL_H
#define NET_CALL_H

#include "tests/net/wire.h"
#include "tests/unit/media_bench.h"

#define NET_BROWSER_HZ 440
#define NET_PHONE_HZ   1000
#define NET_SECONDS    16 /* of audio kept */

struct net {
	struct wire *wire;
	struct bench bench;
	uint64_t seed;
};

/* What one side hears, laid out by the RTP timestamps. */
struct net_ear {
	bool started;
	uint32_t first_ts;
	unsigned packets, doubles;
	uint8_t seen[NET_SECONDS * 50];
	int16_t pcm[NET_SECONDS * 8000];
};

struct net_call {
	gw_ctx_id ctx;
	struct media_peer *peer;
	struct phone phone;
	struct gw_end local;
	uint64_t began_us, up_us;
	uint64_t browser_us, gateway_us, ice_us; /* ICE of each, and of both */
	uint16_t seq;
	uint32_t timestamp;
	struct net_ear at_phone, at_browser;
};

/* In the environment: NET_SEED, to have a run again. */
void net_start(struct net *n, unsigned mtu);
void net_stop(struct net *n);

/* Everything is reserved and configured; ICE and DTLS begin.  @address: of the
 * browser, which sends the ClientHello. */
void net_call_begin(struct net *n, struct net_call *c, const char *address);
/* The same with another browser; it is light in any case, and controls unless
 * bench_controls. */
void net_call_begin_as(struct net *n, struct net_call *c,
		       const struct media_peer_options *browser);
bool net_call_up(struct net *n, struct net_call *c); /* at both ends */
void net_call_end(struct net *n, struct net_call *c);
/* Until it is up; ten seconds without fail the test. */
void net_call_make(struct net *n, struct net_call *c, const char *address);

/* Both say their tone for @ms, in real time, and hear.  What was heard before
 * is forgotten. */
void net_talk(struct net *n, struct net_call *c, unsigned ms);

/* Share of the energy that is at @hz, 0 to 1, over what was heard. */
double net_tone(const struct net_ear *ear, int hz);
/* Share of 20 ms frames that were heard from first to last. */
double net_heard(const struct net_ear *ear);

void net_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
