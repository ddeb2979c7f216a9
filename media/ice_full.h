/*
 * media/ice_full.h - what the ice_full_*.c files share
 *
 * ice_full.c: the agent's life; ice_full_desc.c: descriptions, ours and the
 * peer's; ice_full_path.c: which pair carries packets, and the packets.
 * ice_loop.h says how libnice runs here.  An agent is one worker's.
 */
#ifndef GW_MEDIA_ICE_FULL_H
#define GW_MEDIA_ICE_FULL_H

#include "gateway/base/check.h"
#include "media/consent.h"
#include "media/ice_loop.h"
#include "media/ice_ops.h"
#include "media/ice_split.h"
#include "media/probe.h"

#define GW_ICE_FULL_MAGIC  0x1ce1ce1c
#define GW_ICE_COMPONENT   1
#define GW_ICE_FULL_OTHERS 8

struct _NiceAddress;

struct gw_ice_full {
	struct gw_ice base; /* first */

	/* What a packet needs, together: gw_ice_add_hot(). */
	uint32_t magic;
	bool connected;
	uint8_t ncandidate;
	int out; /* index of the split of the selected pair; -1: libnice */
	struct gw_addr peer; /* of the selected pair */
	struct gw_ice_handlers h;
	/* Further addresses that it sends from: RFC 8445 12 lets each side use
	 * any valid pair, and browsers do choose another one than libnice. */
	struct gw_addr other[GW_ICE_FULL_OTHERS];
	struct gw_ice_splits splits;

	struct _NiceAgent *agent; /* libnice's and GLib's headers stay in .c */
	unsigned stream;
	struct gw_ice_loop loop;
	struct gw_poller *poller;
	struct gw_timers *timers;
	struct gw_stun *stun;
	const struct gw_logctx *log;

	struct gw_timer gather; /* patience with the STUN server */
	bool gathered;
	bool told_gathered;
	bool closed; /* nice_agent_close_async() is done */

	struct gw_consent consent;
	uint32_t consent_ms;
	struct gw_probe *probe; /* until a pair is selected; NULL: none */
	bool found;  /* the pair is the probe's: libnice has not selected one */
	int nice_fd; /* libnice's socket of the selected pair; -1: none */

	bool was_connected;
	bool news_pair; /* to be told when libnice is left */
	bool news_failed;
	/* An address that the peer has begun to check from in mid-call, to be
	 * preferred when libnice is left; family 0: none. */
	struct gw_addr moved;
	uint32_t top_priority; /* of the candidates that libnice knows */
	struct gw_addr local;
	unsigned next_other;

	/* What the peer was last told to be. */
	bool told; /* since the last restart */
	char ufrag[257], pwd[257];
	struct gw_candidate *candidate; /* @ncandidate of them */
};

/* After every call into libnice from outside. */
void gw_ice_full_sync(struct gw_ice_full *ice);

/* ice_full_desc.c */
void gw_ice_from_nice(struct gw_addr *out, const struct _NiceAddress *a);
void gw_ice_to_nice(struct _NiceAddress *out, const struct gw_addr *a);
void gw_ice_full_local(struct gw_ice *base, struct gw_end *end);
int gw_ice_full_configure(struct gw_ice *base, const struct gw_end *remote);
bool gw_ice_full_is_peer(const struct gw_ice *base,
			 const struct gw_end *remote);
int gw_ice_full_restart(struct gw_ice *base);

/* ice_full_path.c */
void gw_ice_full_path_init(struct gw_ice_full *ice);
/* libnice's signals, and its packets on the fall-back path. */
int gw_ice_full_watch(struct gw_ice_full *ice);
void gw_ice_full_unwatch(struct gw_ice_full *ice);
/* Sockets beside libnice's own, which are there. */
void gw_ice_full_split(struct gw_ice_full *ice);
/* Checks of ours under our present names; what was before is forgotten. */
void gw_ice_full_probe(struct gw_ice_full *ice);
void gw_ice_full_stop_probe(struct gw_ice_full *ice);
/* libnice has been left: it signals from inside its own functions, also those
 * that we call, and what it said is told from here. */
void gw_ice_full_tell(struct gw_ice_full *ice);
gw_ice_loop_take_h gw_ice_full_take;

void gw_ice_full_forget_peer(struct gw_ice *base);
bool gw_ice_full_is_connected(const struct gw_ice *base);
bool gw_ice_full_accepts(struct gw_ice *base, const struct gw_addr *from);
int gw_ice_full_send(struct gw_ice *base, const struct gw_addr *to, int tos,
		     const void *data, size_t len);

#endif
