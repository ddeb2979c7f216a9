/*
 * tests/unit/respect_peer.h - both neighbours of the RESPECT files, faked
 *
 * Below: a WebSocket server without sockets (defines gw_ws_*), so that a test
 * says what a client sends and reads what it gets.  Above: a call that takes
 * each leg and writes down what it reports.  Time stands still until moved.
 */
#ifndef RESPECT_PEER_H
#define RESPECT_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/leg.h"
#include "tests/unit/metric.h"
#include "webrtc/web.h"
#include "webrtc/ws_server.h"

#define ALICE    "sip:alice@example.net"
#define ALICE2   "tel:+15551230001"
#define BOB      "sip:bob@example.net"
#define PASSWORD "s3cret:with colon"

struct gw_ws_conn; /* a client */

struct heard { /* what a leg reported to its call */
	enum gw_verb verb;
	struct gw_cause cause;
	enum gw_desc_role role;
	char text[256]; /* description, or cause, or INFO content */
	enum gw_alert alert;
	struct gw_leg *joins; /* TRANSFER */
	bool stays;
};

struct peer {
	struct gw_loop *loop;
	struct gw_settings set;
	struct gw_web *web;

	struct gw_leg *leg; /* the last that came in, or was made */
	char target[1024], asserted[256];
	char subject[GW_CALL_INFO_TEXT], name[GW_CALL_INFO_TEXT];
	enum gw_desc_role setup_role;
	char setup_text[256];
	bool refuse_at_once, emergency;
	unsigned nheard;
	struct heard heard[64];
	bool free_on_release;

	/* The last message of text of a client, and the last answer to one for
	 * a client; the last report. */
	unsigned nmessage, nmessage_done, nreport;
	uint64_t message_ask, message_id;
	char message_from[128], message_to[256], message_text[256];
	char message_type[64];
	unsigned message_status;
	struct gw_leg_report report;
	struct gw_leg_video video[8];
	unsigned nvideo;

	/* The last user that was asked for elsewhere. */
	int ask_error; /* what asking returns */
	uint64_t ask;
	unsigned nask;
	char ask_id[128];

	/* What was to be remembered last. */
	int keep_error, forget_error; /* what these return */
	unsigned nkept, nforgot;
	struct gw_web_kept kept;
	char forgot[32];

	/* The last that was to be registered in a core, and what was said to
	 * it since. */
	int enrol_error; /* what that returns */
	unsigned nenrol, nleave, nanswer, nquit;
	char key[24], enrol_id[128], left[24];
	enum gw_web_proof proof;
	char impi[128];
	size_t nimpu;
	char impu[GW_WEB_IMPUS][128];
	char answer[512];
};

extern struct peer peer;

int peer_setup(void **state);
int peer_setup_asking(void **state);  /* users are asked for elsewhere too */
int peer_setup_apps(void **state);    /* messages and reports are served */
int peer_setup_core(void **state);    /* and there is a core */
int peer_setup_keeping(void **state); /* registrations are remembered */
int peer_setup_keeping_core(void **state); /* and there is a core */
int peer_teardown(void **state);
void peer_advance_ms(uint64_t ms);

struct gw_ws_conn *client_open(void);
void client_say(struct gw_ws_conn *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Steps the loop until there are @n messages; fails after a while. */
void client_wait(struct gw_ws_conn *c, unsigned n);
unsigned client_count(const struct gw_ws_conn *c);
const char *client_got(const struct gw_ws_conn *c, unsigned i);
const char *client_last(const struct gw_ws_conn *c);
uint16_t client_code(const struct gw_ws_conn *c); /* 0: open */
/* The socket vanishes, or its close handshake ends; *@c is gone. */
void client_lose(struct gw_ws_conn **c, uint16_t code);
unsigned client_punished(void);
void client_forget_punishment(void);
/* The value of string or number @member in @json, copied to a static. */
const char *json_value(const char *json, const char *member);

/* Logs in with the password: transactions 0 and its answer. */
struct gw_ws_conn *client_login(const char *id);
char *basic_value(const char *user, const char *password); /* static */

/* The call's side */
struct gw_leg *call_new_leg(const char *uri);
int call_send(struct gw_leg *leg, enum gw_verb verb, enum gw_desc_role role,
	      const char *sdp);
const struct heard *call_last(void);

#endif
