/*
 * tests/bench/load.h - the load generator: N browsers and N phones, one thread
 *
 * Browsers share one UDP socket and one certificate, phones another socket; a
 * call is told by the relay's port.  So one core drives what a relay needs a
 * core for.  Everything received is authenticated, and its way is timed by the
 * clock that was written into the payload.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>
#include <poll.h>

#include <openssl/ssl.h>
#include <stun/usages/ice.h>

#include "media/srtp.h"

#define PAYLOAD    160
#define PHONE_SSRC 0x10000u /* and the call's index */
#define WEB_SSRC   0x20000u

#define NEVER UINT64_MAX

enum call_state {
	CALL_IDLE,
	CALL_OFFERED,  /* the relay's answer to the offer is awaited */
	CALL_ANSWERED, /* and to the answer */
	CALL_CHECKING, /* ICE */
	CALL_KEYING,   /* DTLS */
	CALL_UP,
	CALL_DELETED
};

struct call {
	enum call_state state;
	unsigned index, round; /* round: how often this place was used */
	struct sockaddr_in web, phone; /* the relay's, as each side sees it */
	char ufrag[64], pwd[64];       /* the relay's */
	uint64_t next_check_us, asked_us, began_us;
	bool controlled_ok;
	StunAgent stun;
	StunTransactionId id[8];
	unsigned nid;
	char session[64];           /* daemon: mediaSessionId */
	unsigned setup_id, disc_id; /* daemon: transactions */
	SSL *ssl;
	BIO *in, *out;
	uint64_t retransmit_us;
	struct gw_srtp *srtp;
	struct gw_srtp *mirror; /* --self: the other end's */
	uint16_t seq;
	uint32_t timestamp;
};

/* A histogram of delays: 10 us a step, up to two seconds. */
#define DELAY_STEPS 200000
struct delays {
	uint64_t count, sum_us, max_us;
	uint32_t step[DELAY_STEPS];
};
void delays_add(struct delays *d, uint64_t us);
uint64_t delays_at(const struct delays *d, double share);
void delays_print(const char *name, const struct delays *d);

struct options {
	const char *control;  /* ADDR:PORT of the relay's ng listener */
	const char *daemon;   /* or ADDR:WSPORT:SIPPORT of the whole gateway */
	const char *address;  /* of the browsers */
	unsigned calls, rate; /* set-ups a second */
	unsigned seconds;     /* how long the calls live */
	unsigned churn;       /* set-ups a second beside them */
	unsigned after;       /* seconds until the memory is read again */
	unsigned find_calls, find_rate; /* where the search begins */
	unsigned most;                  /* and where it ends at the latest */
	bool media, raw; /* raw: neither ICE nor DTLS, fixed keys */
	bool clear;      /* raw, and no SRTP */
	bool cm;         /* AES_CM_128_HMAC_SHA1_80 only, else GCM only */
	bool distinct;   /* each browser has an address of its own (127.1/16) */
	bool self;       /* raw, and no relay: browsers and phones directly */
	bool warm;       /* one call before all others, not counted */
	unsigned pid;    /* the relay's */
	unsigned core;   /* where it runs */
	unsigned beside; /* what runs on the load's core besides */
};

struct load {
	struct options opt;
	int web, phone, control;
	struct sockaddr_in web_addr, phone_addr;
	struct call *call;
	unsigned ncall; /* places: calls and those of the churn */
	uint16_t by_web_port[65536], by_phone_port[65536]; /* index + 1 */
	SSL_CTX *ctx;
	unsigned char sha256[32];
	uint64_t *due_us; /* of each call's next packets; NEVER: it is not up */
	uint64_t now_us, next_step_us, next_talk_us;
	bool mute; /* no media for now */

	unsigned up, failed, deleted;
	struct delays to_phone, to_web, setup;
	uint64_t sent_web, sent_phone, got_web, got_phone, bad;
};

/* What happened between two moments. */
struct window {
	uint64_t begin_us, sent, got;
	double seconds, cpu, own; /* own: the load's, with what is beside it */
	double foreign;           /* share of the busier core that others had */
	double busy[2];
};
void window_open(struct load *l, struct window *w);
void window_close(const struct load *l, struct window *w);

/* load.c */
void load_turn(struct load *l);
void load_run(struct load *l, uint64_t us);
/* Ends the calls from @first on; false: not all within five seconds. */
bool load_delete_from(struct load *l, unsigned first);

/* load_stat.c */
double load_cpu_of(unsigned pid);
long load_rss_kb(unsigned pid);
/* Seconds that this core was not idle here, for whomever, or other machines. */
double load_core_busy(unsigned core);

/* load_find.c */
void find_calls(struct load *l);
void find_rate(struct load *l);

/* load_wire.c */
void wire_open(struct load *l);
void wire_talk(struct load *l);
void wire_drain(struct load *l, bool web);
void wire_to_relay(struct load *l, struct call *c, const void *data,
		   size_t len);
struct sockaddr_in wire_browser(const struct load *l, const struct call *c);

/* load_call.c: one call's way up */
void call_offer(struct load *l, struct call *c);
void call_control(struct load *l, const char *data, size_t len);
void call_step(struct load *l, struct call *c);
void call_web_packet(struct load *l, struct call *c, uint8_t *data, size_t len);
void call_delete(struct load *l, struct call *c);
void load_make_certificate(struct load *l);
uint64_t load_now_us(void);
/* The relay's descriptions, for the phone and for the browser. */
void call_phone(struct load *l, struct call *c, const char *sdp);
void call_answered(struct load *l, struct call *c, const char *sdp);
void call_failed(struct load *l, struct call *c, const char *why);

/* load_daemon.c: the same calls by RESPECT and SIP */
#define DAEMON_FDS 256
void daemon_connect(struct load *l);
void daemon_offer(struct load *l, struct call *c, const char *sdp);
void daemon_delete(struct load *l, struct call *c);
int daemon_fds(struct pollfd *fds);
void daemon_turn(struct load *l, const struct pollfd *fds);

#endif
