#include "sip/regn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/ids.h"
#include "gateway/base/loop.h"
#include "gateway/base/metrics.h"
#include "sip/ident.h"

#define REGN_MAGIC  0x5245474e /* "REGN" */
#define REGNS_MAGIC 0x5245474c /* "REGL" */
/* Between the CSeq that a store remembers and the last that was sent. */
#define RESUME_CSEQ 1000
/* A resumed binding that has so little left is as good as gone. */
#define RESUME_MIN_S 2

#define ENDS      "isthmus_ims_registrations_ended_total"
#define ENDS_HELP "Registrations in the core that are over, by who ended them"

/* clang-format off */
GW_GAUGE(m_live, "isthmus_ims_registrations",
	 "Registrations that the core has granted", "");
GW_GAUGE(m_all, "isthmus_ims_registrations_known",
	 "Registrations granted, asked for, or being ended", "");
GW_COUNTER(m_again, "isthmus_ims_register_overload_total",
	   "Registrations not begun because too many were waiting", "");
GW_COUNTER(m_by_owner, ENDS, ENDS_HELP, "by=\"client\"");
GW_COUNTER(m_by_network, ENDS, ENDS_HELP, "by=\"network\"");
GW_COUNTER(m_by_failure, ENDS, ENDS_HELP, "by=\"failure\"");
/* clang-format on */

/* ---- names of registrations ---- */

/* One table for the process: NTA's callbacks bring nothing but the id. */
static struct gw_regn *by_id;
static uint64_t last_id;

void *gw_regn_ref(const struct gw_regn *r)
{
	_Static_assert(sizeof(void *) >= sizeof(uint64_t), "an id in a magic");
	return (void *)(uintptr_t)r->id;
}

struct gw_regn *gw_regn_resolve(const void *ref)
{
	uint64_t id = (uint64_t)(uintptr_t)ref;
	struct gw_regn *r;

	HASH_FIND(of_id, by_id, &id, sizeof(id), r);
	return r;
}

uint64_t gw_regn_now_us(const struct gw_regn *r)
{
	return gw_timers_now_us(gw_loop_timers(r->all->sip->loop));
}

const struct gw_set_ims *gw_regn_set(const struct gw_regn *r)
{
	return &r->all->sip->set->ims;
}

const char *gw_regn_default_impu(const struct gw_regn *r)
{
	return r->nimpu ? r->impu_set[0] : r->impu;
}

/* ---- state ---- */

bool gw_regn_move(struct gw_regn *r, enum gw_regn_ev ev)
{
	enum gw_regn_st next;

	if (!gw_regn_fsm_row(r->state, ev, &next)) {
		gw_debug(&r->log, "%s ignored in %s", gw_regn_event_name(ev),
			 gw_regn_state_name(r->state));
		return false;
	}
	gw_debug(&r->log, "%s: %s -> %s", gw_regn_event_name(ev),
		 gw_regn_state_name(r->state), gw_regn_state_name(next));
	r->state = next;
	return true;
}

void gw_regn_tell(struct gw_regn *r, const struct gw_regn_event *ev)
{
	if (!r->ended)
		r->handler(r, ev, r->arg);
}

static void let_go(struct gw_regn *r)
{
	r->ended = true;
	HASH_DELETE(of_key, r->all->by_key, r);
}

void gw_regn_over(struct gw_regn *r, const struct gw_cause *cause,
		  bool by_network)
{
	const struct gw_regn_event ev = { .type = GW_RE_ENDED,
					  .cause = *cause,
					  .by_network = by_network };

	if (!gw_regn_move(r, GW_REV_FAIL) || r->ended)
		return;
	gw_metric_add(by_network             ? &m_by_network
		      : cause->status == 200 ? &m_by_owner
					     : &m_by_failure,
		      1);
	gw_info(&r->log, "registration over: %u%s%s", cause->status,
		cause->text ? " " : "", cause->text ? cause->text : "");
	let_go(r);
	r->handler(r, &ev, r->arg);
}

/* ---- turns ---- */

static void start_timer(struct gw_regn *r, struct gw_timer *t, uint64_t ms)
{
	if (gw_timer_start_ms(gw_loop_timers(r->all->sip->loop), t, ms))
		gw_warn(&r->log, "no memory for a timer");
}

void gw_regn_later(struct gw_regn *r, uint64_t ms)
{
	r->slotted = false;
	start_timer(r, &r->turn, ms);
}

void gw_regn_sooner(struct gw_regn *r, uint64_t ms)
{
	if (gw_timer_running(&r->turn) &&
	    r->turn.due_us <= gw_regn_now_us(r) + ms * 1000)
		return;
	gw_regn_later(r, ms);
}

static void on_turn(struct gw_timer *t, void *arg)
{
	struct gw_regn *r = arg;
	uint64_t wait_us;

	GW_CHECK(r, REGN_MAGIC);
	if (!r->slotted) {
		r->slotted = true;
		wait_us = gw_cores_turn_us(r->all);
		if (wait_us) {
			(void)gw_timer_start_us(
				gw_loop_timers(r->all->sip->loop), t, wait_us);
			return;
		}
	}
	r->slotted = false;
	gw_regn_enter(r);
	gw_regn_send(r);
	gw_regn_leave(r);
}

static void on_limit(struct gw_timer *t, void *arg)
{
	static const struct gw_cause silent = {
		.status = 408, .text = "the challenge was not answered"
	};
	struct gw_regn *r = arg;

	(void)t;
	GW_CHECK(r, REGN_MAGIC);
	gw_regn_enter(r);
	if (r->orq) {
		gw_regn_nta_drop(&r->orq);
		gw_core_is_dead(&r->all->core[r->core], gw_regn_set(r)->dead_s,
				"no answer");
		gw_regn_failed(r, 408, 0);
	} else {
		gw_regn_over(r, &silent, false);
	}
	gw_regn_leave(r);
}

/* ---- life ---- */

static void destroy(struct gw_regn *r)
{
	gw_timer_stop(&r->turn);
	gw_timer_stop(&r->limit);
	gw_regn_sub_free(r);
	gw_regn_nta_drop(&r->orq);
	gw_regn_forget_binding(r);
	if (!r->ended)
		let_go(r);
	HASH_DELETE(of_token, r->all->by_token, r);
	HASH_DELETE(of_id, by_id, r);
	gw_regn_auth_free(r);
	free(r->service_route);
	free(r->impu_set);
	free(r->impi);
	free(r->impu);
	gw_metric_add(&m_all, -1);
	r->magic = 0;
	free(r);
}

void gw_regn_enter(struct gw_regn *r)
{
	GW_CHECK(r, REGN_MAGIC);
	r->busy++;
}

void gw_regn_leave(struct gw_regn *r)
{
	GW_CHECK(r, REGN_MAGIC);
	if (!--r->busy && r->state == GW_RST_DEAD)
		destroy(r);
}

static bool token_ok(const char *token)
{
	return strlen(token) == 32 && strspn(token, "0123456789abcdef") == 32;
}

/* A random UUID (RFC 4122 4.4) without its hyphens: it names the contact, the
 * path and the instance. */
static void make_token(char *out, size_t size)
{
	uint8_t b[16];

	gw_random(b, sizeof(b));
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	for (size_t i = 0; i < sizeof(b); i++)
		(void)snprintf(out + 2 * i, size - 2 * i, "%02x", b[i]);
}

static bool plain(const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c <= ' ' || c >= 0x7f || strchr("\"\\<>,;", c))
			return false;
	}
	return true;
}

static bool request_ok(const struct gw_regns *all,
		       const struct gw_regn_request *req)
{
	struct gw_regn *other;

	if (!*req->key || !req->impi || !*req->impi || !plain(req->impi) ||
	    strlen(req->impi) >= GW_REGN_URI || !gw_ident_uri_ok(req->impu) ||
	    strlen(req->impu) >= GW_REGN_URI)
		return false;
	if ((req->how == GW_REGN_HELD) != (req->secret != NULL))
		return false;
	if (req->client_addr &&
	    (!plain(req->client_addr) || strlen(req->client_addr) >= 48))
		return false;
	if (req->resume &&
	    (!token_ok(req->resume->contact) || !plain(req->resume->call_id)))
		return false;
	HASH_FIND(of_key, all->by_key, req->key, strlen(req->key), other);
	if (other)
		return false;
	if (req->resume)
		HASH_FIND(of_token, all->by_token, req->resume->contact, 32,
			  other);
	return !other;
}

static int copy_request(struct gw_regn *r, const struct gw_regn_request *req)
{
	r->how = req->how;
	(void)snprintf(r->key, sizeof(r->key), "%s", req->key);
	(void)snprintf(r->log_id, sizeof(r->log_id), "%s", req->log_id);
	if (req->client_addr)
		(void)snprintf(r->client_addr, sizeof(r->client_addr), "%s",
			       req->client_addr);
	r->asked_s =
		req->expires_s ? req->expires_s : gw_regn_set(r)->expires_s;
	r->impi = strdup(req->impi);
	r->impu = strdup(req->impu);
	if (req->secret) {
		r->secret = malloc(sizeof(*r->secret));
		if (r->secret)
			*r->secret = *req->secret;
	}
	return r->impi && r->impu && (r->secret || !req->secret) ? 0 : -ENOMEM;
}

static int take_over(struct gw_regn *r, const struct gw_regn_state *was)
{
	int64_t left_s = was->core_expires_s - gw_clock_wall_s();

	(void)snprintf(r->token, sizeof(r->token), "%s", was->contact);
	if (left_s < RESUME_MIN_S || !*was->call_id)
		return 0;
	r->resumed = true;
	r->until_us = gw_regn_now_us(r) + (uint64_t)left_s * 1000000;
	(void)snprintf(r->call_id, sizeof(r->call_id), "%s", was->call_id);
	r->cseq = was->cseq + RESUME_CSEQ;
	if (*was->service_route) {
		r->service_route = strdup(was->service_route);
		if (!r->service_route)
			return -ENOMEM;
	}
	return 0;
}

/*
 * When the first REGISTER goes out.  Of a binding that is taken over: early
 * enough for the core to keep it, or when a refresh would have been due where
 * only the client can answer what the core will ask, and may not be back yet.
 */
static uint64_t first_turn_us(struct gw_regn *r, bool resume)
{
	uint64_t half_us, turn_us;

	if (!resume)
		return 0;
	if (!r->resumed)
		return gw_cores_resume_us(r->all);
	half_us = (r->until_us - gw_regn_now_us(r)) / 2;
	if (r->how == GW_REGN_CLIENT)
		return half_us;
	turn_us = gw_cores_resume_us(r->all);
	return turn_us < half_us ? turn_us : half_us;
}

void gw_regn_new_binding(struct gw_regn *r)
{
	gw_random_token(r->call_id, sizeof(r->call_id), 22);
	r->cseq = 0;
}

int gw_regn_start(struct gw_regn **out, struct gw_sip *sip,
		  const struct gw_regn_request *req, gw_regn_h *handler,
		  void *arg)
{
	struct gw_regns *all = sip->regns;
	struct gw_regn *r;

	if (!sip->set->ims.enabled || !all->ncore)
		return -ENOTCONN;
	if (!request_ok(all, req))
		return -EINVAL;
	if (!req->resume && gw_cores_busy(all)) {
		gw_metric_add(&m_again, 1);
		return -EAGAIN;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->magic = REGN_MAGIC;
	r->id = ++last_id;
	r->all = all;
	r->handler = handler;
	r->arg = arg;
	r->log = (struct gw_logctx){ .module = "regn", .id = r->log_id };
	gw_timer_init(&r->turn, on_turn, r);
	gw_timer_init(&r->limit, on_limit, r);
	gw_regn_sub_init(r);
	gw_random_token(r->from_tag, sizeof(r->from_tag), 12);
	make_token(r->token, sizeof(r->token));
	gw_regn_new_binding(r);
	if (copy_request(r, req) ||
	    (req->resume && take_over(r, req->resume)) ||
	    gw_timer_start_us(gw_loop_timers(sip->loop), &r->turn,
			      first_turn_us(r, req->resume != NULL))) {
		gw_regn_auth_free(r);
		free(r->impi);
		free(r->impu);
		free(r->service_route);
		free(r);
		return -ENOMEM;
	}
	HASH_ADD(of_id, by_id, id, sizeof(r->id), r);
	HASH_ADD_KEYPTR(of_key, all->by_key, r->key, strlen(r->key), r);
	HASH_ADD_KEYPTR(of_token, all->by_token, r->token, 32, r);
	gw_metric_add(&m_all, 1);
	*out = r;
	return 0;
}

int gw_regn_answer(struct gw_regn *r, const char *authorization)
{
	int err;

	GW_CHECK(r, REGN_MAGIC);
	if (r->ended || !r->asked)
		return -EALREADY;
	err = gw_regn_take_answer(r, authorization);
	if (err)
		return err;
	gw_timer_stop(&r->limit);
	/* Of the turn that its REGISTER had. */
	gw_regn_later(r, 0);
	r->slotted = true;
	return 0;
}

int gw_regn_quit(struct gw_regn *r)
{
	GW_CHECK(r, REGN_MAGIC);
	if (r->ended || r->how != GW_REGN_CLIENT || !gw_regn_is_bound(r) ||
	    r->orq ||
	    (r->state != GW_RST_UP && r->state != GW_RST_REASKED &&
	     !(r->resumed && r->state == GW_RST_WAITING)))
		return -EALREADY;
	(void)gw_regn_move(r, GW_REV_END);
	gw_regn_auth_done(r, false);
	gw_timer_stop(&r->limit);
	gw_info(&r->log, "registration is ended by its client");
	gw_regn_later(r, 0);
	return 0;
}

void gw_regn_end(struct gw_regn *r)
{
	GW_CHECK(r, REGN_MAGIC);
	if (r->ended)
		return;
	gw_metric_add(&m_by_owner, 1);
	gw_regn_enter(r);
	let_go(r);
	(void)gw_regn_move(r, GW_REV_END);
	if (r->state == GW_RST_ENDING && !gw_regn_is_bound(r) && !r->orq)
		(void)gw_regn_move(r, GW_REV_FAIL);
	gw_timer_stop(&r->turn);
	if (r->state == GW_RST_ENDING) {
		gw_info(&r->log, "registration ended by its client");
		/* A REGISTER that is out is waited for (RFC 3261 10.2). */
		if (!r->orq) {
			gw_timer_stop(&r->limit);
			gw_regn_later(r, 0);
		}
	}
	gw_regn_leave(r);
}

void gw_regn_describe(const struct gw_regn *r, struct gw_regn_state *out)
{
	int64_t left_s = 0;
	uint64_t now = gw_regn_now_us(r);

	memset(out, 0, sizeof(*out));
	(void)snprintf(out->contact, sizeof(out->contact), "%s", r->token);
	(void)snprintf(out->call_id, sizeof(out->call_id), "%s", r->call_id);
	out->cseq = r->cseq;
	/* Cut, it would lead elsewhere. */
	if (r->service_route &&
	    strlen(r->service_route) < sizeof(out->service_route))
		(void)snprintf(out->service_route, sizeof(out->service_route),
			       "%s", r->service_route);
	if (gw_regn_is_bound(r) && r->until_us > now)
		left_s = (int64_t)((r->until_us - now) / 1000000);
	out->core_expires_s = left_s ? gw_clock_wall_s() + left_s : 0;
}

struct gw_regn *gw_regn_find(struct gw_sip *sip, const char *key)
{
	struct gw_regn *r;

	HASH_FIND(of_key, sip->regns->by_key, key, strlen(key), r);
	return r;
}

bool gw_regn_is_bound(const struct gw_regn *r)
{
	return r->bound || r->resumed;
}

void gw_regn_bind(struct gw_regn *r)
{
	if (!r->bound)
		gw_metric_add(&m_live, 1);
	r->bound = true;
}

void gw_regn_forget_binding(struct gw_regn *r)
{
	if (r->bound)
		gw_metric_add(&m_live, -1);
	r->bound = false;
	r->resumed = false;
}

int gw_regns_new(struct gw_regns **out, struct gw_sip *sip)
{
	struct gw_regns *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	all->magic = REGNS_MAGIC;
	all->sip = sip;
	gw_cores_start(all);
	*out = all;
	return 0;
}

void gw_regns_free(struct gw_regns *all)
{
	struct gw_regn *r, *tmp;

	if (!all)
		return;
	GW_CHECK(all, REGNS_MAGIC);
	gw_cores_stop(all);
	HASH_ITER(of_token, all->by_token, r, tmp)
	{
		destroy(r);
	}
	all->magic = 0;
	free(all);
}

unsigned gw_regn_count(const struct gw_sip *sip)
{
	return sip->regns ? HASH_CNT(of_token, sip->regns->by_token) : 0;
}
