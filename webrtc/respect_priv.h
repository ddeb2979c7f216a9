/*
 * webrtc/respect_priv.h - what the RESPECT files share among themselves
 *
 * web owns connections, registrations and, until the call frees them, nothing
 * of legs but their place in a registration.  A connection carries messages
 * and their transactions; a registration carries legs, and outlives
 * connections.  Signalling thread only.
 */
#ifndef GW_RESPECT_PRIV_H
#define GW_RESPECT_PRIV_H

#include <sys/queue.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "webrtc/auth_check.h"
#include "webrtc/introspect.h"
#include "webrtc/jwks.h"
#include "webrtc/registry.h"
#include "webrtc/respect_msg.h"
#include "webrtc/txn.h"
#include "webrtc/waf.h"
#include "webrtc/web.h"
#include "webrtc/ws_server.h"

#define GW_RESPECT_TIMEOUT_MS 10000 /* for responses to our requests */
/* RFC 3323 4.1.1.3: a host that nobody has. */
#define GW_RESPECT_NOBODY "anonymous.invalid"

struct gw_web {
	uint32_t magic;
	struct gw_loop *loop;
	struct gw_timers *timers;
	const struct gw_settings *set;
	struct gw_web_handlers h;
	struct gw_ws *ws;
	struct gw_registry *registry;
	struct gw_idmap *users; /* identity -> struct gw_set_user in set */
	struct gw_jwt_keys *set_keys; /* of the configuration */
	struct gw_jwt_keys *keys;     /* all that tokens are checked with */
	struct gw_fetch *fetch;
	struct gw_jwks *jwks;
	struct gw_introspect *introspect;
	struct gw_waf *waf;
	LIST_HEAD(gw_auth_jobs, gw_auth_job) waiting; /* for a key */
	unsigned nwaiting;
	char dummy_hash[GW_AUTH_HASH_SIZE];
	LIST_HEAD(, gw_auth_job) jobs; /* looked up, or in the pool */
	uint64_t last_ask;
	uint16_t draining_s;
	bool ending; /* gw_web_free() is under way */
	LIST_HEAD(gw_rconn_list, gw_rconn) conns;
	unsigned nleg; /* live ones */
	uint64_t leg_serial;
	LIST_HEAD(, gw_rask) messages; /* of clients, not answered yet */
	unsigned nmessage;
	uint64_t last_message;
};

/* Why a message was refused; one counter each. */
enum gw_rreject {
	GW_RJ_JSON,
	GW_RJ_NO_ID,
	GW_RJ_DEPTH,
	GW_RJ_MEMBER,
	GW_RJ_METHOD,
	GW_RJ_APP_METHOD,
	GW_RJ_TXN_ORDER,
	GW_RJ_TXN_GONE,
	GW_RJ_RESPONSE, /* to nothing of ours */
	GW_RJ_EXTENSION,
	GW_RJ_UNAUTHENTICATED,
	GW_RJ_AUTH_FAILED,
	GW_RJ_SESSION,
	GW_RJ_STATE,
	GW_RJ_GLARE,
	GW_RJ_IDENTITY,
	GW_RJ_LIMIT,
	GW_RJ_DRAINING,
	GW_RJ_UNSUPPORTED,
	GW_RJ_RATE,
	GW_RJ_AUTH_TIMEOUT,
	GW_RJ_STORE,      /* users cannot be looked up */
	GW_RJ_CORE,       /* the core does not register the client */
	GW_RJ_UNANSWERED, /* the client leaves our requests unanswered */
	GW_RJ_EMERGENCY,  /* emergency services, by policy */
	GW_NRREJECTS
};

/* ---- respect_conn.c ---- */

struct gw_rconn {
	uint32_t magic;
	LIST_ENTRY(gw_rconn) link;
	struct gw_web *web;
	struct gw_ws_conn *ws;
	struct gw_txn *txn;
	struct gw_reg *reg;      /* NULL before auth; see gw_rconn_reg() */
	struct gw_auth_job *job; /* the one auth being worked on */
	struct gw_timer auth_timer, txn_timer;
	uint64_t tokens_m, filled_us; /* bucket, in thousandths of a message */
	bool closing;
	uint8_t overdrawn; /* emergency calls beyond the rate */
	char name[32];
	struct gw_logctx log;
};

/* Its registration, once its auth has been answered with success: until then
 * it may be anybody's. */
struct gw_reg *gw_rconn_reg(const struct gw_rconn *c);
void gw_rconn_opened(struct gw_web *web, struct gw_ws_conn *ws);
void gw_rconn_message(struct gw_rconn *c, const char *text, size_t len);
void gw_rconn_closed(struct gw_rconn *c, uint16_t code);
void gw_rconn_close(struct gw_rconn *c, enum gw_ws_close code,
		    const char *reason);

/* Fills in the envelope, sends, and keeps it for retransmissions. */
void gw_rconn_respond(struct gw_rconn *c, uint64_t txn, const char *method,
		      struct gw_rout *o);
void gw_rconn_accept(struct gw_rconn *c, const struct gw_rmsg *m,
		     struct gw_rout *o);
/* success false; counts, and logs once.  @detail may be NULL. */
void gw_rconn_reject(struct gw_rconn *c, const struct gw_rmsg *m,
		     enum gw_rreject why, unsigned status, const char *detail);
void gw_rconn_reject_out(struct gw_rconn *c, const struct gw_rmsg *m,
			 enum gw_rreject why, struct gw_rout *o);
/* A request of ours; the response comes to gw_rleg_response() with @what. */
void gw_rconn_request(struct gw_rconn *c, enum gw_rmethod method,
		      struct gw_rout *o, uint64_t subject, uint32_t what);

void gw_respect_count(enum gw_rreject why);
void gw_respect_count_request(enum gw_rmethod method, bool from_client);

/* ---- respect_auth.c ---- */

void gw_rauth_request(struct gw_rconn *c, const struct gw_rmsg *m);
/* c->reg is registered: the auth of @txn is answered, once that is remembered. */
void gw_rauth_granted(struct gw_rconn *c, uint64_t txn, uint32_t expiration_s,
		      uint32_t ttl_s);
/* It is remembered, or could not be: now the client is told. */
void gw_rauth_answer(struct gw_rconn *c);
/* The log-out of reg->txn has been done: it is told, and ends. */
void gw_rauth_left(struct gw_web *web, struct gw_reg *reg);
/* One answer for a wrong user, password, token or credential: which it was is
 * for the log. */
void gw_rauth_deny(struct gw_rconn *c, uint64_t txn, struct gw_metric *metric,
		   const char *id, const char *why);

/* Releases its legs, closes its connection (when it has one), removes it. */
void gw_rauth_end(struct gw_web *web, struct gw_reg *reg, enum gw_ws_close code,
		  const char *why);
/* The configured user, or NULL. */
struct gw_set_user *gw_rauth_user(const struct gw_web *web, const char *uri);
void gw_rauth_gauge(const struct gw_web *web);

/* ---- respect_auth_job.c: passwords and tokens ---- */

/* auth with authType basic or bearer: answered now, or when it is checked. */
void gw_rauth_basic(struct gw_rconn *c, const struct gw_rmsg *m,
		    uint32_t expiration_s, uint32_t ttl_s);
void gw_rauth_bearer(struct gw_rconn *c, const struct gw_rmsg *m,
		     uint32_t expiration_s, uint32_t ttl_s);
/* The check of @job is over, whichever way.  It is gone on return. */
void gw_rauth_finish(struct gw_auth_job *job);
/* Nobody waits any more for what @c asked. */
void gw_rauth_conn_gone(struct gw_rconn *c);
/* Log-ins of @id that are under way fail. */
void gw_rauth_revoke(struct gw_web *web, const char *id);
/* Nobody waits for any log-in. */
void gw_rauth_forget_jobs(struct gw_web *web);

/* ---- respect_enrol.c: registrations in a core ---- */

/* What we understand, NULL ends it. */
const char *const *gw_rconn_extensions(const struct gw_web *web);

/* c->reg is new; @claims: of its token, or NULL.  0: its auth is answered
 * later; else now, as there is no core for it. */
int gw_enrol_new(struct gw_rconn *c, uint64_t txn, uint32_t expiration_s,
		 uint32_t ttl_s, enum gw_web_proof proof,
		 const struct gw_jwt_claims *claims);
/* auth with authType anonymous. */
void gw_enrol_anonymous(struct gw_rconn *c, const struct gw_rmsg *m,
			uint32_t expiration_s, uint32_t ttl_s);
/* auth with authType digest. */
void gw_enrol_digest(struct gw_rconn *c, const struct gw_rmsg *m,
		     uint32_t expiration_s, uint32_t ttl_s);
/* The core's question that waits for an answer, to its client, once more. */
void gw_enrol_remind(struct gw_reg *reg);
/* auth with expiration 0.  False: it can leave at once. */
bool gw_enrol_log_out(struct gw_rconn *c, const struct gw_rmsg *m);
/* Its client has gone, and wanted to. */
void gw_enrol_left(struct gw_reg *reg);
/* Its client has gone before the core has answered. */
void gw_enrol_drop(struct gw_reg *reg);
/* @reg goes. */
void gw_enrol_end(struct gw_web *web, struct gw_reg *reg);

/* ---- respect_keep.c: registrations outlive the process ---- */

/* True: gw_web_kept() comes; false: nobody remembers anything. */
bool gw_rkeep_ask(struct gw_web *web, struct gw_reg *reg);
/* Its client logs out, with reg->txn: answered, and over, when no crash could
 * put it back any more. */
void gw_rkeep_log_out(struct gw_web *web, struct gw_reg *reg);
/* @reg goes. */
void gw_rkeep_forget(struct gw_web *web, struct gw_reg *reg);
/* The client of @reg is there, perhaps again. */
void gw_rkeep_returned(const struct gw_reg *reg);

/* ---- respect_token.c: tokens that our keys alone do not settle ---- */

/* Is there anything that could tell whether a token is good? */
bool gw_rtoken_possible(const struct gw_web *web);
/* True: @job goes on, and gw_rauth_finish() comes later, or has come. */
bool gw_rtoken_goes_on(struct gw_auth_job *job);
/* Other keys are in force, or none will come: who waits is looked at again. */
void gw_rtoken_keys_changed(struct gw_web *web);
/* Sets web->keys anew from all their sources. */
int gw_rtoken_gather_keys(struct gw_web *web);

/* ---- respect_info.c ---- */

void gw_rinfo_request(struct gw_rconn *c, const struct gw_rmsg *m);

/* ---- respect_app.c: methods of the gateway's own ---- */

void gw_rapp_message(struct gw_rconn *c, const struct gw_rmsg *m);
void gw_rapp_quality(struct gw_rconn *c, const struct gw_rmsg *m);
void gw_rapp_transfer(struct gw_rconn *c, const struct gw_rmsg *m);
/* To a message of ours; @m NULL: no response in time. */
void gw_rapp_response(struct gw_rconn *c, const struct gw_txn_our *our,
		      const struct gw_rmsg *m);
void gw_rapp_conn_gone(struct gw_rconn *c);
void gw_rapp_fini(struct gw_web *web);

/* ---- respect_emergency.c: before anything else ---- */

/* True: @m asks for emergency services, and has been dealt with. */
bool gw_remerg_request(struct gw_rconn *c, const struct gw_rmsg *m);
/* May this message come beyond the rate?  A few emergency calls may. */
bool gw_remerg_overdraft(struct gw_rconn *c, const char *text, size_t len);

/* ---- respect_target.c ---- */

#define GW_TARGET_SIZE 1024 /* resourceId, escaped, and a phone-context */

/*
 * Numbers become tel: URIs, and local ones get the context without which they
 * mean nothing outside this gateway (RFC 3966 5.1.5, TS 24.229 5.1.2A.1.5).
 * False: nothing that could be called.
 */
bool gw_respect_target(char out[GW_TARGET_SIZE], struct gw_web *web,
		       const struct gw_reg *reg, const char *text);
/* Whom @m is from, preferredOriginatingId or the first identity; NULL: the
 * request was rejected, since it is no identity of this registration. */
const char *gw_respect_own(struct gw_rconn *c, const struct gw_rmsg *m);

/* ---- respect_leg.c, respect_leg_in.c ---- */

void gw_rleg_msetup(struct gw_rconn *c, const struct gw_rmsg *m);
/* An msetup of the emergency service @urn, which no limit holds up.  False:
 * its client has as many of them as it can use. */
bool gw_rleg_emergency(struct gw_rconn *c, const struct gw_rmsg *m,
		       const char *urn);
void gw_rleg_mupdate(struct gw_rconn *c, const struct gw_rmsg *m);
void gw_rleg_mdisc(struct gw_rconn *c, const struct gw_rmsg *m);
/* @m NULL: no response in time. */
void gw_rleg_response(struct gw_rconn *c, const struct gw_txn_our *our,
		      const struct gw_rmsg *m);
/* A new connection took the registration over: what its client cannot know
 * yet is said again. */
void gw_rleg_resume(struct gw_reg *reg);
void gw_rleg_release_all(struct gw_reg *reg, unsigned status, const char *text);
void gw_rleg_info(const struct gw_reg *reg, struct gw_buf *out);

#endif
