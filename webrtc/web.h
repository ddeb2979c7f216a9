/*
 * webrtc/web.h - the web side as the gateway sees it
 *
 * One libwebsockets context on the signalling loop: pages of the WWSF,
 * RESPECT over WebSocket, and the admin listener's HTTP.  A description is
 * opaque text here.  Signalling thread only.
 */
#ifndef GW_WEB_H
#define GW_WEB_H

#include "gateway/base/buf.h"
#include "gateway/base/loop.h"
#include "gateway/leg.h"
#include "gateway/message.h"
#include "gateway/settings.h"

struct gw_web;

#define GW_WEB_IDENTITY  128
#define GW_WEB_IMPUS     8  /* that a token may name */
#define GW_WEB_ENDPOINTS 16 /* of one user */
#define GW_WEB_KEY       24 /* of a registration */

/*
 * Answers a GET on the admin listener: fills @body, sets @content_type (a
 * constant) and returns the HTTP status.
 */
typedef unsigned(gw_admin_h)(const char *path, struct gw_buf *body,
			     const char **content_type, void *arg);

/*
 * Asks elsewhere for the user @id, in the form of gw_web_identity(), whether
 * the configuration has it or not: so nobody can tell by the time that takes.
 * gw_web_user_found() is the answer, never from inside this call.  0, or
 * -errno: there will be none.
 */
typedef int(gw_web_user_h)(uint64_t ask, const char *id, void *arg);

/*
 * A client has logged in, and may have to be registered in a core too.
 * gw_web_enrolled() is the answer, never from inside this call.  0, or -errno:
 * there will be none, and the log-in fails.
 */
enum gw_web_proof {
	GW_WEB_PASSWORD,
	GW_WEB_TOKEN,
	GW_WEB_DIGEST,   /* nothing is proved yet: the core will challenge */
	GW_WEB_ANONYMOUS /* nor ever will be: the id is made up */
};
struct gw_web_enrolment {
	const char *key;  /* of this registration: random, never reused */
	const char *id;   /* as gw_web_identity() makes it */
	const char *peer; /* its IP address */
	enum gw_web_proof proof;
	/* Who its token says that it is in the core; NULL or "", 0: it does
	 * not. */
	const char *impi;
	size_t nimpu;
	const char (*impu)[GW_WEB_IDENTITY];
};
typedef int(gw_web_enrol_h)(const struct gw_web_enrolment *who, void *arg);
/* The client's answer to a challenge.  0 and gw_web_enrolled() comes again, or
 * -errno. */
typedef int(gw_web_enrol_answer_h)(const char *key, const char *authorization,
				   void *arg);
/* The client logs out, and answers for that if the core wants it: 401 may
 * come, and then another status.  0, or -errno: it is to leave without. */
typedef int(gw_web_quit_h)(const char *key, void *arg);
/* It is registered no more.  Legal when it never was. */
typedef void(gw_web_leave_h)(const char *key, void *arg);

/*
 * What must be remembered of a registration, so that its client finds it again
 * when this process has died and another has begun.
 */
#define GW_WEB_HASH 32
struct gw_web_kept {
	char key[GW_WEB_KEY];
	char id[GW_WEB_IDENTITY];
	char name[64];
	uint8_t credential_hash[GW_WEB_HASH]; /* it itself is the client's */
	bool configured;                      /* a user of the configuration */
	bool enrolled;                        /* registered in the core */
	/* Of one that is put back: who it is there, and whether it answers the
	 * core's challenges itself. */
	bool client;
	char impi[GW_WEB_IDENTITY];
	char peer[48];     /* its IP address, "": not known */
	int64_t expires_s; /* wall clock */
	int64_t lost_s;    /* wall clock: its time to live ends; 0: connected */
	uint32_t ttl_s;
	unsigned nidentity; /* beside the id */
	char identity[GW_SET_IDENTITIES][GW_WEB_IDENTITY];
};
/*
 * Remembers @reg, instead of what it was.  Its client is answered when
 * gw_web_kept() is called, never from inside this call: whether that has come
 * about is for the other side to know and to tell.  Not 0: it is answered now.
 */
typedef int(gw_web_keep_h)(const struct gw_web_kept *reg, void *arg);
/* The one with @key is over.  0: gw_web_kept() is called when it is not
 * remembered any more, never from inside this call; else that is tried for, and
 * nobody hears of it. */
typedef int(gw_web_forget_h)(const char *key, void *arg);

struct gw_web_handlers {
	gw_leg_incoming_h *incoming; /* a client's msetup */
	gw_admin_h *admin;
	gw_web_user_h *user;   /* NULL: all users are in the configuration */
	gw_web_enrol_h *enrol; /* NULL, with those below: there is no core */
	gw_web_enrol_answer_h *enrol_answer;
	gw_web_quit_h *quit;
	gw_web_leave_h *leave;
	gw_message_h *message; /* NULL, with the next: messages are refused */
	gw_message_done_h *message_done;
	gw_web_keep_h *keep; /* NULL, with the next: they die with us */
	gw_web_forget_h *forget;
	void *arg;
};

/* Answers a message of a client; status 200: taken.  An @ask that nobody waits
 * for any more is ignored. */
void gw_web_message_answer(struct gw_web *web, uint64_t ask,
			   const struct gw_cause *cause);
/* To all endpoints of a client, by m->registration or m->to; message_done tells
 * @id's fate at each, unless that one goes away.  How many there are; -ENOENT
 * (none is connected), -EBUSY (too many for it). */
int gw_web_message_send(struct gw_web *web, uint64_t id,
			const struct gw_message *m);

/* @error: 0 with @user, which is copied; -ENOENT; or why nobody can tell.  An
 * @ask that nobody waits for any more is ignored. */
void gw_web_user_found(struct gw_web *web, uint64_t ask, int error,
		       const struct gw_set_user *user);

struct gw_web_enrolled {
	/* 0: known here only; 200: registered, now or anew; 401: @challenge is
	 * for the client; else it is not, or no longer (410: as it wished). */
	uint16_t status;
	uint16_t retry_after_s; /* 0: not said */
	const char *text;       /* may be NULL */
	const char *challenge;
	/* 200: the key of its registration in the core, which it may share;
	 * NULL: its own. */
	const char *registration;
	/* 200: as whom, and all public identities that the core grants it:
	 * beside its id it has no others; NULL: those that it had. */
	const char *impi;
	size_t nimpu;
	const char (*impu)[GW_WEB_IDENTITY];
};
/* A @key that nobody has any more is ignored. */
void gw_web_enrolled(struct gw_web *web, const char *key,
		     const struct gw_web_enrolled *res);

/* An answer to h.keep or h.forget.  A @key that nobody has any more is
 * ignored. */
void gw_web_kept(struct gw_web *web, const char *key);
/* What is to be remembered of the one with @key now; false: nothing. */
bool gw_web_describe(const struct gw_web *web, const char *key,
		     struct gw_web_kept *out);
/*
 * Puts one back, whose client may come with its credential within @wait_s; until
 * then calls to it are refused.  0; -ETIME (it has expired), -ESRCH (a user that
 * is not in the configuration any more, or only now), -EINVAL (no key, or one
 * that is there already; no identity), -ENOMEM.
 */
int gw_web_restore(struct gw_web *web, const struct gw_web_kept *kept,
		   uint32_t wait_s);

/* 0, or -errno after logging which listener or file failed and why. */
int gw_web_new(struct gw_web **out, struct gw_loop *loop,
	       const struct gw_settings *set,
	       const struct gw_web_handlers *handlers);
/* Legs must be gone; connections are closed with 1001. */
void gw_web_free(struct gw_web *web);

/* Users, origins, limits, keys and certificates follow @set; listeners and
 * connections stay. */
void gw_web_reload(struct gw_web *web, const struct gw_settings *set);

/* While draining, msetup gets 503 with retryAfter; 0: serve.  Connections are
 * closed with 1012 by gw_web_free(). */
void gw_web_set_draining(struct gw_web *web, uint16_t retry_after_s);

/* Is @uri an identity of a user that is registered here now (also one whose
 * WebSocket is lost but whose time to live runs)? */
bool gw_web_is_registered(struct gw_web *web, const char *uri);
/* Is @uri an identity of a configured user, registered or not? */
bool gw_web_is_user(struct gw_web *web, const char *uri);

/* A leg towards the registered user @uri, or to the endpoint of his whose key
 * is @key (NULL: the one to call first): the caller sets handler, arg, call_id,
 * and sends SETUP.  0, -ENOENT (not registered), -EBUSY (session limit),
 * -EHOSTDOWN (put back, and its client has not come yet), -ENOMEM. */
int gw_respect_leg_new(struct gw_leg **out, struct gw_web *web, const char *uri,
		       const char *key);

/* The keys of the endpoints that a call to @uri rings (NULL @key), or one for
 * the registration @key in the core: those that are connected, the newest
 * first, or if none is those that may come back.  How many. */
size_t gw_respect_endpoints(const struct gw_web *web, const char *uri,
			    const char *key,
			    char out[GW_WEB_ENDPOINTS][GW_WEB_KEY]);

/* The form of a SIP or tel URI that identities are compared in: no parameters,
 * one case.  False: @uri is none. */
bool gw_web_identity(char out[GW_WEB_IDENTITY], const char *uri);

/* A registration as an operator sees it. */
struct gw_web_reg {
	uint64_t serial; /* also names it; a new one when it is resumed */
	char id[GW_WEB_IDENTITY];
	char name[64];
	bool connected;
	bool awaited;         /* put back, and its client has not come yet */
	uint32_t remaining_s; /* until it expires */
	unsigned sessions;
	unsigned nidentity; /* beside the id */
	char identity[GW_SET_IDENTITIES][GW_WEB_IDENTITY];
};
/* Those with serials above @after, lowest first, @max at most; how many. */
size_t gw_web_registrations(const struct gw_web *web, uint64_t after,
			    struct gw_web_reg *out, size_t max);
/* Ends those of @id, or only the one with @serial when that is not 0; log-ins
 * of @id that are being checked fail.  How many ended. */
unsigned gw_web_deregister(struct gw_web *web, const char *id, uint64_t serial,
			   const char *why);

struct gw_web_counts {
	unsigned connections, registrations, suspended, sessions;
};
void gw_web_count(const struct gw_web *web, struct gw_web_counts *out);

#endif
