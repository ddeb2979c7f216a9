/*
 * sip/regn.h - registrations in the core, private to sip/
 *
 *   regn.c           what gateway/registration.h promises; states, timers
 *   regn_register.c  REGISTER and what its answers mean
 *   regn_auth.c      Authorization: trusted, held, the client's
 *   regn_event.c     the reg event package: SUBSCRIBE, NOTIFY
 *   regn_core.c      the cores: which one lives, whose turn it is
 *   regn_call.c      calls through a registration
 *   regn_nta.c       the words of NTA for it
 *
 * NTA carries a registration's id, never a pointer.  Signalling thread only.
 */
#ifndef GW_SIP_REGN_H
#define GW_SIP_REGN_H

#include <uthash.h>

#include "gateway/registration.h"
#include "sip/digest.h"
#include "sip/regn_fsm.h"
#include "sip/stack.h"

#define GW_REGN_IMPUS 16 /* of an implicit set; more are not looked at */
#define GW_REGN_URI   128

/* One subscription to the reg event package a registration. */
struct gw_regn_sub {
	nta_leg_t *leg;
	nta_outgoing_t *orq;
	uint32_t version; /* of the last document */
	bool seen;        /* there was one */
	bool refused;     /* the core does not want to be subscribed to */
	bool lost;        /* it was gone, and no NOTIFY has come since */
	bool doubted;     /* a refused call makes us ask for it */
	uint32_t min_s;   /* what a 423 asked for */
	struct gw_timer again;
};

struct gw_regn {
	uint32_t magic;
	uint64_t id; /* what NTA carries */
	struct gw_regns *all;
	UT_hash_handle of_id, of_key, of_token;
	enum gw_regn_st state;
	unsigned busy; /* handlers on the stack: no burial */
	bool ended;    /* its owner has let go, or was told the end */
	gw_regn_h *handler;
	void *arg;
	struct gw_logctx log;
	char log_id[GW_CALL_ID_SIZE];
	char key[GW_REGN_KEY_SIZE];

	enum gw_regn_how how;
	char *impi, *impu;             /* owned */
	struct gw_regn_secret *secret; /* HELD; owned, wiped */
	char client_addr[48];
	uint32_t asked_s;

	/* REGISTER */
	char token[40]; /* user part of Contact and Path */
	char call_id[64];
	char from_tag[16];
	uint32_t cseq;
	nta_outgoing_t *orq;
	uint32_t sent_expires_s;
	unsigned core;       /* index of the one that it went to */
	unsigned tried;      /* bit mask of those that failed in this round */
	unsigned challenges; /* in this round */
	unsigned failures;   /* rounds without success, in a row */
	bool raised;         /* Min-Expires was followed once */
	bool anew;           /* the core had forgotten: as if the first */
	bool slotted;        /* its turn has come */
	bool bound;          /* the core has a binding, as far as we know */
	bool resumed;
	uint16_t last_status; /* of the round that failed */
	uint16_t retry_after_s;
	struct gw_timer turn;  /* the next REGISTER */
	struct gw_timer limit; /* patience: with the core, with the client */

	/* authentication */
	struct gw_digest *digest; /* HELD */
	uint8_t res[16];          /* AKA: the password of this challenge */
	size_t res_len;
	char *auts;   /* AKA: our SQN, to resynchronise */
	char *asked;  /* CLIENT: the challenge that waits */
	char *answer; /* CLIENT: its Authorization */
	bool akav2;   /* CLIENT: RFC 4169 over TLS */

	/* what the core granted */
	uint32_t granted_s;
	uint64_t until_us;
	uint64_t doubted_us; /* when a call made us ask again */
	uint64_t renewed_us; /* when the network did */
	char *service_route; /* owned; NULL: none */
	size_t nimpu;
	char (*impu_set)[GW_REGN_URI]; /* owned */

	struct gw_regn_sub sub;
};

struct gw_core {
	struct gw_regns *all;
	char uri[128];
	uint64_t dead_until_us; /* 0: it lives */
	nta_outgoing_t *probe;
	struct gw_timer timer;
	struct gw_timer out; /* runs while it is passed over */
};

struct gw_regns {
	uint32_t magic;
	struct gw_sip *sip;
	struct gw_regn *by_key, *by_token;
	struct gw_core core[GW_SET_CORES];
	unsigned ncore;
	uint64_t turn_us;      /* the next free turn */
	uint64_t resume_us;    /* the same, of those that are resumed */
	uint64_t forgotten_us; /* when a server had forgotten everybody */
};

/* ---- regn.c ---- */

int gw_regns_new(struct gw_regns **out, struct gw_sip *sip);
void gw_regns_free(struct gw_regns *all);

struct gw_regn *gw_regn_resolve(const void *ref);
void *gw_regn_ref(const struct gw_regn *r);
void gw_regn_enter(struct gw_regn *r);
void gw_regn_leave(struct gw_regn *r); /* may bury */
/* The only writer of state.  False, logged, when the table has no row. */
bool gw_regn_move(struct gw_regn *r, enum gw_regn_ev ev);
void gw_regn_tell(struct gw_regn *r, const struct gw_regn_event *ev);
/* The owner is told that it is over. */
void gw_regn_over(struct gw_regn *r, const struct gw_cause *cause,
		  bool by_network);
/* The next REGISTER, so much later, when its turn comes. */
void gw_regn_later(struct gw_regn *r, uint64_t ms);
/* The same, unless one is due earlier. */
void gw_regn_sooner(struct gw_regn *r, uint64_t ms);
uint64_t gw_regn_now_us(const struct gw_regn *r);
const struct gw_set_ims *gw_regn_set(const struct gw_regn *r);
/* Has the core a binding, as far as we know? */
bool gw_regn_is_bound(const struct gw_regn *r);
/* It has one, or none. */
void gw_regn_bind(struct gw_regn *r);
void gw_regn_forget_binding(struct gw_regn *r);
/* The next REGISTER is the first of its Call-ID. */
void gw_regn_new_binding(struct gw_regn *r);
/* The public identity that stands for this registration. */
const char *gw_regn_default_impu(const struct gw_regn *r);

/* ---- regn_register.c ---- */

void gw_regn_send(struct gw_regn *r);
/* This core did not serve us: another, or later. */
void gw_regn_failed(struct gw_regn *r, unsigned status, uint32_t retry_after_s);
void gw_regn_on_response(struct gw_regn *r, int status, const sip_t *response);

/* ---- regn_auth.c ---- */

/* The value of Authorization for a REGISTER to @uri.  0 or -errno. */
int gw_regn_authorization(struct gw_regn *r, char *buf, size_t size,
			  const char *uri);

enum gw_regn_reply {
	GW_REGN_REPLY, /* send the REGISTER again, it has credentials now */
	GW_REGN_ASK,   /* the client was asked */
	GW_REGN_UNABLE /* nobody can answer, or the answer was wrong */
};

enum gw_regn_reply gw_regn_challenged(struct gw_regn *r, const sip_t *response);
/* CLIENT: what the client says to it.  0 or -EINVAL. */
int gw_regn_take_answer(struct gw_regn *r, const char *authorization);
/* A round is over, well or not. */
void gw_regn_auth_done(struct gw_regn *r, bool well);
void gw_regn_auth_free(struct gw_regn *r);

/* ---- regn_core.c ---- */

void gw_cores_start(struct gw_regns *all);
void gw_cores_stop(struct gw_regns *all);
/* The first that lives and is not in @tried; -1: none. */
int gw_cores_pick(struct gw_regns *all, unsigned tried);
void gw_core_is_dead(struct gw_core *core, uint32_t for_s, const char *why);
void gw_core_is_alive(struct gw_core *core);
/* Seconds until one may live again. */
uint32_t gw_cores_wait_s(const struct gw_regns *all);
/* Takes a turn: how long to wait for it, in microseconds. */
uint64_t gw_cores_turn_us(struct gw_regns *all);
/* When one that was resumed asks the core, from now: they take half of the
 * rate, and leave the rest to those who come. */
uint64_t gw_cores_resume_us(struct gw_regns *all);
/* Would it be too long? */
bool gw_cores_busy(const struct gw_regns *all);
/* Between half of it and all of it. */
uint64_t gw_regn_jitter_ms(uint64_t ms);
/* The server behind @by's Service-Route has lost its subscription: it has
 * restarted, and forgotten the others too. */
void gw_regns_forgotten(struct gw_regn *by);
void gw_core_on_probe(struct gw_core *core, int status);

/* ---- regn_event.c ---- */

/* After a 200: subscribe, or refresh that when it is time. */
void gw_regn_subscribe(struct gw_regn *r);
/* Is it still there?  A core that restarted says no. */
void gw_regn_ask_subscription(struct gw_regn *r);
void gw_regn_sub_free(struct gw_regn *r);
void gw_regn_on_subscribed(struct gw_regn *r, int status,
			   const sip_t *response);
/* The status to answer. */
int gw_regn_on_notify(struct gw_regn *r, const sip_t *request);
void gw_regn_sub_init(struct gw_regn *r);

/* ---- regn_call.c ---- */

/* Our URI with this registration's token: "sip:TOKEN@HOST:PORT;..." for a next
 * hop.  0 or -ENOENT. */
int gw_regn_uri(struct gw_regn *r, char *buf, size_t size,
		const char *next_hop);
/* 1 with *@out: an INVITE for this registration; 0: for none; -ENOENT: for one
 * that is gone. */
int gw_regn_route(struct gw_sip *sip, const sip_t *request,
		  struct gw_regn **out);
/* An INVITE by way of @key was refused with @status; 504: nobody answered. */
void gw_regn_doubt(struct gw_sip *sip, const char *key, unsigned status);
/* A P-Access-Network-Info line, or "". */
void gw_regn_access(const struct gw_regn *r, char *buf, size_t size);
/* "P-Charging-Vector: ..." for a new dialog or transaction; @icid gets the
 * value alone. */
void gw_regn_charging(struct gw_sip *sip, char *buf, size_t size, char *icid,
		      size_t icid_size);

/* ---- regn_nta.c ---- */

struct gw_regn_rq {
	const char *uri, *next_hop, *from, *to, *call_id, *contact;
	const char *headers; /* "Name: value\r\n" lines */
	uint32_t cseq;
};

int gw_regn_nta_register(struct gw_regn *r, const struct gw_regn_rq *rq);
int gw_regn_nta_subscribe(struct gw_regn *r, const struct gw_regn_rq *rq);
int gw_regn_nta_probe(struct gw_core *core, const struct gw_regn_rq *rq);
/* The 2xx to SUBSCRIBE: tag, target and route set of its dialog. */
void gw_regn_nta_confirm(struct gw_regn *r, const sip_t *ok);
void gw_regn_nta_drop(nta_outgoing_t **orq);
void gw_regn_nta_drop_leg(nta_leg_t **leg);

#endif
