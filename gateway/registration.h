/*
 * gateway/registration.h - an identity registered in the core for a client
 *
 * What leg.h is for calls, this page is for registrations: the web side knows
 * a core registration only by it; sip/regn*.c implements it with REGISTER,
 * Path, Service-Route and the reg event package (TS 24.229 5.2.2, 5.2.3).
 *
 *	         start               REGISTERED            refused, expired,
 *	(none) --------> REGISTERING ----------> REGISTERED ended by network
 *	                  | CHALLENGE ^           |  (refreshes itself)   |
 *	                  +-- answer -+           +-- end --> (gone) <----+
 *
 * One that is taken over after a crash (@resume) is REGISTERED as far as calls
 * go, from its start until the core says otherwise.  It asks the core when its
 * turn comes, so that a thousand of them do not storm it.
 *
 * It refreshes itself at half of what the core granted, moves to another core
 * when one is dead, comes back after a restart of the core, and deregisters
 * when it is ended; the web side sees none of that.  One contact and one Path
 * flow token each.
 *
 * Signalling thread only.  A handler never runs from inside a call.
 */
#ifndef GW_REGISTRATION_H
#define GW_REGISTRATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/leg.h"

#define GW_REGN_KEY_SIZE 24

struct gw_regn;
struct gw_sip;

/* TS 24.371 6.1, TS 33.203 annex X. */
enum gw_regn_how {
	GW_REGN_CLIENT, /* the client answers the core's challenge */
	GW_REGN_HELD,   /* the gateway holds the credentials (labs) */
	GW_REGN_TRUSTED /* trusted node authentication: "auth-done" */
};

/* Credentials held here.  Wiped by whoever is done with them. */
struct gw_regn_secret {
	bool aka;
	bool opc;          /* @op is OPc */
	char password[64]; /* SIP Digest */
	uint8_t k[16], op[16], amf[2];
	uint8_t sqn[6]; /* highest that was accepted (TS 33.102 annex C) */
};

enum gw_regn_event_type {
	/* GW_REGN_CLIENT: the core's WWW-Authenticate, without ck and ik.
	 * Also at a refresh. */
	GW_RE_CHALLENGE,
	/* And after each refresh that changed something, or that the client
	 * has authenticated. */
	GW_RE_REGISTERED,
	/* Any other refresh: all that is new is the binding's end, which
	 * gw_regn_describe() has. */
	GW_RE_REFRESHED,
	GW_RE_SQN, /* held AKA: @sqn is to be stored */
	/* The registration is over: the core refused it (cause.status 403,
	 * 404 ...), could not be reached (408, 503 with retry_after_s), or the
	 * network ended it (200, @by_network: NOTIFY terminated).  The last
	 * event: when the handler returns, the registration is gone, whether
	 * gw_regn_end() was called in there or not. */
	GW_RE_ENDED
};

struct gw_regn_event {
	enum gw_regn_event_type type;
	const char *challenge;
	uint32_t expires_s;
	size_t nimpu; /* P-Associated-URI; the first is the default identity */
	const char (*impu)[128];
	const uint8_t *sqn;
	struct gw_cause cause;
	bool by_network;
};

typedef void(gw_regn_h)(struct gw_regn *r, const struct gw_regn_event *ev,
			void *arg);

/* What a store keeps of a registration, to take over its binding in the core
 * after a crash. */
struct gw_regn_state {
	char contact[40]; /* token: user part of Contact and Path */
	char call_id[64]; /* of the REGISTERs */
	uint32_t cseq;
	char service_route[512];
	int64_t core_expires_s; /* wall clock: end of the binding */
};

struct gw_regn_request {
	char key[GW_REGN_KEY_SIZE];   /* the owner's name for it */
	char log_id[GW_CALL_ID_SIZE]; /* for log lines */
	enum gw_regn_how how;
	const char *impi, *impu;             /* copied */
	const struct gw_regn_secret *secret; /* HELD; copied */
	uint32_t expires_s;                  /* asked of the core */
	const char *client_addr; /* for P-Access-Network-Info; may be NULL */
	const struct gw_regn_state *resume; /* NULL: a new binding */
};

/* 0 and REGISTERING; -EAGAIN (too many at once, try later; never where one is
 * resumed), -EINVAL, -ENOMEM,
 * -ENOTCONN (no core configured). */
int gw_regn_start(struct gw_regn **out, struct gw_sip *sip,
		  const struct gw_regn_request *req, gw_regn_h *handler,
		  void *arg);
/* CLIENT: the client's Authorization ("Digest ...").  0, -EINVAL (malformed,
 * or of another identity), -EALREADY (no challenge waits). */
int gw_regn_answer(struct gw_regn *r, const char *authorization);
/* CLIENT: deregisters, and tells: CHALLENGE, where the core wants it
 * authenticated, and ENDED (200) whatever comes of it.  0, or -EALREADY: there
 * is nothing to deregister, or it is under way. */
int gw_regn_quit(struct gw_regn *r);
/* Deregisters (in the background) and forgets: no event after. */
void gw_regn_end(struct gw_regn *r);
void gw_regn_describe(const struct gw_regn *r, struct gw_regn_state *out);

/* Those that live, or of which the core has not been told yet that they do not:
 * a process that ends waits for them. */
unsigned gw_regn_count(const struct gw_sip *sip);

/*
 * Calls.  A terminating leg's SETUP names the registration whose Path token or
 * Contact it came to in gw_msg.registration (its key; NULL: none), and the
 * identity that was dialled (P-Called-Party-ID) as its target.  An originating
 * IMS leg that is given a key goes out by that registration's Service-Route
 * and core, with P-Asserted-Identity.
 */
struct gw_regn *gw_regn_find(struct gw_sip *sip, const char *key);

#endif
