#include "tests/unit/respect_peer.h"

#include "tests/unit/cm.h"

#include <crypt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/ids.h"
#include "gateway/base/log.h"

#define MAX_SENT 2048

struct gw_ws_conn {
	struct gw_ws_conn *next;
	void *user;
	struct gw_addr addr;
	char name[16];
	unsigned nsent;
	char *sent[MAX_SENT];
	uint16_t code;
};

struct gw_ws {
	struct gw_ws_handlers h;
};

struct peer peer;

static struct gw_ws server;
static struct gw_ws_conn *conns;
static unsigned nconn, punished, punish_limit;
static uint64_t clock_us;

/* ---- the server ---- */

int gw_ws_new(struct gw_ws **out, struct gw_loop *loop,
	      const struct gw_settings *set,
	      const struct gw_ws_handlers *handlers)
{
	(void)loop;
	(void)set;
	server.h = *handlers;
	*out = &server;
	return 0;
}

static void drop(struct gw_ws_conn *c, uint16_t code)
{
	struct gw_ws_conn **p = &conns;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	server.h.closed(c, code, server.h.arg);
	for (unsigned i = 0; i < c->nsent; i++)
		free(c->sent[i]);
	free(c);
}

void gw_ws_free(struct gw_ws *ws)
{
	(void)ws;
	while (conns)
		drop(conns, 1001);
}

void gw_ws_reload(struct gw_ws *ws, const struct gw_settings *set)
{
	(void)ws;
	(void)set;
}

void gw_ws_set_draining(struct gw_ws *ws, bool draining)
{
	(void)ws;
	(void)draining;
}

int gw_ws_send(struct gw_ws_conn *c, const char *text, size_t len)
{
	assert_int_equal(0, c->code); /* nothing is sent after a close */
	assert_true(c->nsent < MAX_SENT);
	c->sent[c->nsent] = strndup(text, len);
	assert_non_null(c->sent[c->nsent]);
	c->nsent++;
	return 0;
}

void gw_ws_close(struct gw_ws_conn *c, enum gw_ws_close code,
		 const char *reason)
{
	assert_non_null(reason);
	if (!c->code)
		c->code = (uint16_t)code;
}

void gw_ws_set_user(struct gw_ws_conn *c, void *user)
{
	c->user = user;
}

void *gw_ws_user(const struct gw_ws_conn *c)
{
	return c->user;
}

const struct gw_addr *gw_ws_peer(const struct gw_ws_conn *c)
{
	return &c->addr;
}

const char *gw_ws_name(const struct gw_ws_conn *c)
{
	return c->name;
}

bool gw_ws_punish(struct gw_ws *ws, const struct gw_addr *addr, bool at_once)
{
	(void)ws;
	(void)at_once;
	assert_int_equal(AF_INET, addr->family);
	return ++punished == punish_limit;
}

unsigned gw_ws_connections(const struct gw_ws *ws)
{
	unsigned n = 0;

	(void)ws;
	for (const struct gw_ws_conn *c = conns; c; c = c->next)
		n++;
	return n;
}

/* ---- the client ---- */

struct gw_ws_conn *client_open(void)
{
	struct gw_ws_conn *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->addr.family = AF_INET;
	(void)snprintf(c->name, sizeof(c->name), "ws%u", ++nconn);
	c->next = conns;
	conns = c;
	server.h.opened(c, server.h.arg);
	return c;
}

void client_say(struct gw_ws_conn *c, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	assert_true(n >= 0);
	server.h.message(c, text, (size_t)n, server.h.arg);
	free(text);
}

void client_wait(struct gw_ws_conn *c, unsigned n)
{
	for (int i = 0; i < 500 && c->nsent < n; i++)
		gw_loop_step(peer.loop, 20);
	assert_true(c->nsent >= n);
}

unsigned client_count(const struct gw_ws_conn *c)
{
	return c->nsent;
}

const char *client_got(const struct gw_ws_conn *c, unsigned i)
{
	assert_true(i < c->nsent);
	return c->sent[i];
}

const char *client_last(const struct gw_ws_conn *c)
{
	return client_got(c, c->nsent - 1);
}

uint16_t client_code(const struct gw_ws_conn *c)
{
	return c->code;
}

void client_lose(struct gw_ws_conn **c, uint16_t code)
{
	drop(*c, code);
	*c = NULL;
}

unsigned client_punished(void)
{
	return punished;
}

void client_forget_punishment(void)
{
	punished = 0;
}

const char *json_value(const char *json, const char *member)
{
	static char out[1024];
	char name[64];
	const char *p;
	size_t n = 0;

	(void)snprintf(name, sizeof(name), "\"%s\":", member);
	p = strstr(json, name);
	if (!p)
		return NULL;
	p += strlen(name);
	if (*p == '"') {
		n = strcspn(++p, "\"");
	} else {
		n = strcspn(p, ",}]");
	}
	assert_true(n < sizeof(out));
	memcpy(out, p, n);
	out[n] = '\0';
	return out;
}

char *basic_value(const char *user, const char *password)
{
	static char out[1024];
	char pair[512];

	(void)snprintf(pair, sizeof(pair), "%s:%s", user, password);
	strcpy(out, "Basic ");
	gw_base64_encode(out + 6, pair, strlen(pair));
	return out;
}

struct gw_ws_conn *client_login(const char *id)
{
	struct gw_ws_conn *c = client_open();

	client_say(c,
		   "{\"messageType\":\"request\",\"method\":\"auth\","
		   "\"transactionId\":0,\"authType\":\"basic\","
		   "\"webrtcId\":\"%s\",\"authorization\":\"%s\","
		   "\"disconnectionTtl\":30}",
		   id, basic_value(id, PASSWORD));
	client_wait(c, 1);
	assert_non_null(strstr(client_last(c), "\"success\":true"));
	return c;
}

/* ---- the call ---- */

static void on_leg(struct gw_leg *leg, const struct gw_msg *msg, void *arg)
{
	struct heard *h = &peer.heard[peer.nheard++];

	assert_ptr_equal(&peer, arg);
	assert_true(peer.nheard < 64);
	memset(h, 0, sizeof(*h));
	if (msg->verb == GW_V_REPORT) {
		peer.nreport++;
		peer.report = *msg->report;
		peer.nvideo = msg->nvideo;
		memcpy(peer.video, msg->video,
		       msg->nvideo * sizeof(peer.video[0]));
		gw_buf_str(msg->quality, "{\"heardHere\":4.10}");
	}
	h->verb = msg->verb;
	h->cause = msg->cause;
	h->role = msg->desc.role;
	h->alert = msg->alert;
	h->joins = msg->joins;
	h->stays = msg->stays;
	if (msg->desc.text)
		(void)snprintf(h->text, sizeof(h->text), "%.*s",
			       (int)msg->desc.len, msg->desc.text);
	else if (msg->verb == GW_V_INFO)
		(void)snprintf(h->text, sizeof(h->text), "%.*s",
			       (int)msg->content_len,
			       (const char *)msg->content);
	else if (msg->verb == GW_V_TRANSFER)
		(void)snprintf(h->text, sizeof(h->text), "%s",
			       msg->target.uri ? msg->target.uri : "");
	else if (msg->cause.text)
		(void)snprintf(h->text, sizeof(h->text), "%s", msg->cause.text);
	h->cause.text = NULL;
	if (msg->verb == GW_V_RELEASE && peer.free_on_release) {
		if (leg == peer.leg)
			peer.leg = NULL;
		gw_leg_free(leg);
	}
}

static void on_incoming(struct gw_leg *leg, const struct gw_msg *setup,
			void *arg)
{
	struct gw_msg no = { .verb = GW_V_RELEASE, .cause = { .status = 404 } };

	assert_ptr_equal(&peer, arg);
	assert_int_equal(GW_V_SETUP, setup->verb);
	if (peer.refuse_at_once) {
		assert_int_equal(0, gw_leg_send(leg, &no));
		gw_leg_free(leg);
		return;
	}
	leg->handler = on_leg;
	leg->arg = &peer;
	strcpy(leg->call_id, "call1");
	peer.leg = leg;
	(void)snprintf(peer.target, sizeof(peer.target), "%s",
		       setup->target.uri);
	(void)snprintf(peer.asserted, sizeof(peer.asserted), "%s",
		       setup->asserted.uri);
	peer.setup_role = setup->desc.role;
	peer.emergency = setup->emergency;
	(void)snprintf(peer.subject, sizeof(peer.subject), "%s",
		       setup->call_info ? setup->call_info->subject : "");
	(void)snprintf(peer.name, sizeof(peer.name), "%s",
		       setup->call_info ? setup->call_info->name : "");
	(void)snprintf(peer.setup_text, sizeof(peer.setup_text), "%.*s",
		       (int)setup->desc.len,
		       setup->desc.text ? setup->desc.text : "");
}

struct gw_leg *call_new_leg(const char *uri)
{
	struct gw_leg *leg = NULL;

	assert_int_equal(0, gw_respect_leg_new(&leg, peer.web, uri, NULL));
	leg->handler = on_leg;
	leg->arg = &peer;
	strcpy(leg->call_id, "call2");
	peer.leg = leg;
	return leg;
}

int call_send(struct gw_leg *leg, enum gw_verb verb, enum gw_desc_role role,
	      const char *sdp)
{
	struct gw_msg msg = { .verb = verb };

	msg.cause.status = 200;
	if (role != GW_DESC_NONE)
		msg.desc = (struct gw_desc){ role, sdp, strlen(sdp) };
	return gw_leg_send(leg, &msg);
}

const struct heard *call_last(void)
{
	assert_true(peer.nheard > 0);
	return &peer.heard[peer.nheard - 1];
}

/* ---- the world ---- */

static uint64_t fake_clock(void *arg)
{
	(void)arg;
	return clock_us;
}

void peer_advance_ms(uint64_t ms)
{
	clock_us += ms * 1000;
	gw_loop_step(peer.loop, 0);
}

static void add_user(struct gw_set_user *u, const char *id, const char *hash)
{
	(void)snprintf(u->id, sizeof(u->id), "%s", id);
	(void)snprintf(u->password, sizeof(u->password), "%s", hash);
	(void)snprintf(u->name, sizeof(u->name), "User of %.20s", id + 4);
}

static int on_ask(uint64_t ask, const char *id, void *arg)
{
	assert_ptr_equal(&peer, arg);
	peer.nask++;
	peer.ask = ask;
	(void)snprintf(peer.ask_id, sizeof(peer.ask_id), "%s", id);
	return peer.ask_error;
}

static int on_keep(const struct gw_web_kept *reg, void *arg)
{
	assert_ptr_equal(&peer, arg);
	peer.nkept++;
	peer.kept = *reg;
	return peer.keep_error;
}

static int on_forget(const char *key, void *arg)
{
	assert_ptr_equal(&peer, arg);
	peer.nforgot++;
	(void)snprintf(peer.forgot, sizeof(peer.forgot), "%s", key);
	return peer.forget_error;
}

static void on_message(uint64_t ask, const struct gw_message *m, void *arg)
{
	assert_ptr_equal(&peer, arg);
	peer.nmessage++;
	peer.message_ask = ask;
	(void)snprintf(peer.message_from, sizeof(peer.message_from), "%s %s",
		       m->from.uri, m->from.display ? m->from.display : "-");
	(void)snprintf(peer.message_to, sizeof(peer.message_to), "%s", m->to);
	(void)snprintf(peer.message_type, sizeof(peer.message_type), "%s",
		       m->type);
	(void)snprintf(peer.message_text, sizeof(peer.message_text), "%.*s",
		       (int)m->len, m->text);
}

static void on_message_done(uint64_t id, const struct gw_cause *cause,
			    void *arg)
{
	assert_ptr_equal(&peer, arg);
	peer.nmessage_done++;
	peer.message_id = id;
	peer.message_status = cause->status;
}

static bool asking, serving, with_core, keeping;

static int on_enrol(const struct gw_web_enrolment *who, void *arg)
{
	assert_ptr_equal(&peer, arg);
	peer.nenrol++;
	(void)snprintf(peer.key, sizeof(peer.key), "%s", who->key);
	(void)snprintf(peer.enrol_id, sizeof(peer.enrol_id), "%s", who->id);
	peer.proof = who->proof;
	(void)snprintf(peer.impi, sizeof(peer.impi), "%s",
		       who->impi ? who->impi : "");
	peer.nimpu = who->nimpu;
	for (size_t i = 0; i < who->nimpu; i++)
		memcpy(peer.impu[i], who->impu[i], sizeof(peer.impu[i]));
	return peer.enrol_error;
}

static int on_enrol_answer(const char *key, const char *authorization,
			   void *arg)
{
	assert_ptr_equal(&peer, arg);
	assert_string_equal(peer.key, key);
	peer.nanswer++;
	(void)snprintf(peer.answer, sizeof(peer.answer), "%s", authorization);
	return peer.enrol_error;
}

static int on_quit(const char *key, void *arg)
{
	assert_ptr_equal(&peer, arg);
	assert_string_equal(peer.key, key);
	peer.nquit++;
	return peer.enrol_error;
}

static void on_leave(const char *key, void *arg)
{
	assert_ptr_equal(&peer, arg);
	peer.nleave++;
	(void)snprintf(peer.left, sizeof(peer.left), "%s", key);
}

int peer_setup_core(void **state)
{
	int rc;

	with_core = true;
	rc = peer_setup_asking(state);
	with_core = false;
	return rc;
}

int peer_setup_asking(void **state)
{
	int rc;

	asking = true;
	rc = peer_setup(state);
	asking = false;
	return rc;
}

int peer_setup_keeping(void **state)
{
	int rc;

	keeping = true;
	rc = peer_setup(state);
	keeping = false;
	return rc;
}

int peer_setup_keeping_core(void **state)
{
	int rc;

	with_core = true;
	rc = peer_setup_keeping(state);
	with_core = false;
	return rc;
}

int peer_setup_apps(void **state)
{
	int rc;

	serving = true;
	rc = peer_setup(state);
	serving = false;
	return rc;
}

int peer_setup(void **state)
{
	struct gw_web_handlers h = { .incoming = on_incoming,
				     .user = asking ? on_ask : NULL,
				     .keep = keeping ? on_keep : NULL,
				     .forget = keeping ? on_forget : NULL,
				     .message = serving ? on_message : NULL,
				     .message_done = on_message_done,
				     .enrol = with_core ? on_enrol : NULL,
				     .enrol_answer = on_enrol_answer,
				     .quit = on_quit,
				     .leave = on_leave,
				     .arg = &peer };
	/* sha256crypt at its least cost: a test, not a password file */
	const char *hash = crypt(PASSWORD, "$5$rounds=1000$abcdefgh");
	struct gw_settings *set = &peer.set;

	(void)state;
	gw_log_setup(GW_LOG_TEXT, getenv("V") ? GW_DEBUG : GW_ERROR, 2);
	memset(&peer, 0, sizeof(peer));
	clock_us = 1000000;
	punished = 0;
	punish_limit = 3;
	set->web.auth_timeout_ms = 10000;
	set->web.messages_per_s = 1000;
	set->web.messages_burst = 1000;
	set->web.max_sessions = 3;
	set->messages.max_bytes = 20;
	set->messages.per_minute = 60;
	strcpy(set->auth.realm, "test.example");
	set->auth.expiration_s = 3600;
	set->auth.ttl_max_s = 60;
	set->auth.max_endpoints = 16;
	set->ims.pool_anonymous_ip = 8;
	strcpy(set->auth.issuer, "https://issuer.example");
	strcpy(set->auth.audience, "isthmus");
	strcpy(set->auth.claims.webrtc_id, "webrtcId");
	strcpy(set->auth.claims.impi, "impi");
	strcpy(set->auth.claims.impus, "impus");
	strcpy(set->auth.claims.name, "name");
	set->nuser = 2;
	set->user = calloc(2, sizeof(*set->user));
	assert_non_null(set->user);
	add_user(&set->user[0], ALICE, hash);
	set->user[0].nidentity = 1;
	strcpy(set->user[0].identity[0], ALICE2);
	add_user(&set->user[1], BOB, hash);
	set->nice_server = 2;
	strcpy(set->ice_server[0].url, "stun:stun.example.net:3478");
	strcpy(set->ice_server[1].url, "turn:turn.example.net:3478");
	strcpy(set->ice_server[1].secret, "north");
	set->ice_server[1].ttl_s = 600;
	set->media.ncodec = 1;
	strcpy(set->media.codec[0], "opus");
	assert_int_equal(0, gw_loop_new(&peer.loop, fake_clock, NULL));
	assert_int_equal(0, gw_web_new(&peer.web, peer.loop, set, &h));
	return 0;
}

int peer_teardown(void **state)
{
	(void)state;
	gw_leg_free(peer.leg);
	gw_web_free(peer.web);
	gw_loop_free(peer.loop);
	free(peer.set.user);
	/* Nothing of it is left. */
	assert_int_equal(0, metric("isthmus_respect_sessions"));
	assert_int_equal(0, metric("isthmus_respect_connections"));
	assert_int_equal(0, metric("isthmus_respect_registrations{"
				   "state=\"registered\"}"));
	return 0;
}
