/* REGISTER towards the core (TS 24.229 5.2.2), and what its answers mean. */
#include "sip/regn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/url.h>

#include "gateway/base/buf.h"
#include "gateway/base/ids.h"
#include "gateway/base/loop.h"
#include "gateway/base/metrics.h"
#include "sip/ident.h"
#include "sip/ims_cause.h"

#define HEADERS_MAX 4096
#define AUTH_MAX    2048
/* MMTEL, as RFC 6809 and TS 24.229 7.9.2 have it in a Contact. */
#define ICSI "urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"
/* A core that grants less than this is asked no more often all the same. */
#define REFRESH_MIN_MS 1000
#define BACKOFF_MS     2000
#define BACKOFF_MAX_MS 60000
/* More than that no core may demand, or keep us waiting. */
#define EXPIRES_MAX_S (30 * 86400u)
#define WAIT_MAX_S    3600u
/* A Retry-After for the owner, where the core has said nothing. */
#define RETRY_S 5

#define REG      "isthmus_ims_registers_total"
#define REG_HELP "REGISTERs to the core, by how they ended"

/* clang-format off */
GW_COUNTER(m_ok, REG, REG_HELP, "result=\"ok\"");
GW_COUNTER(m_challenged, REG, REG_HELP, "result=\"challenged\"");
GW_COUNTER(m_brief, REG, REG_HELP, "result=\"too_brief\"");
GW_COUNTER(m_refused, REG, REG_HELP, "result=\"refused\"");
GW_COUNTER(m_unavailable, REG, REG_HELP, "result=\"unavailable\"");
GW_COUNTER(m_timeout, REG, REG_HELP, "result=\"timeout\"");
GW_COUNTER(m_unsent, REG, REG_HELP, "result=\"unsent\"");
GW_COUNTER(m_malformed, REG, REG_HELP, "result=\"malformed\"");
GW_COUNTER(m_failover, "isthmus_ims_failovers_total",
	   "REGISTERs sent to another core because one did not serve", "");
GW_COUNTER(m_anew, "isthmus_ims_reregistrations_total",
	   "Registrations begun anew because the core had lost them", "");
/* clang-format on */

/* ---- the request ---- */

static void add_contact(struct gw_regn *r, char *buf, size_t size,
			const char *uri, uint32_t expires_s)
{
	const char *t = r->token;

	(void)snprintf(buf, size,
		       "<%s>;expires=%u;audio;+sip.instance=\"<urn:uuid:"
		       "%.8s-%.4s-%.4s-%.4s-%.12s>\";+g.3gpp.icsi-ref=\"%s\"",
		       uri, expires_s, t, t + 8, t + 12, t + 16, t + 20, ICSI);
}

static int add_headers(struct gw_regn *r, struct gw_buf *b, const char *contact,
		       const char *uri)
{
	const struct gw_set_ims *set = gw_regn_set(r);
	const char *visited =
		*set->visited_network ? set->visited_network : set->domain;
	char auth[AUTH_MAX], charging[400], access[256];
	int err;

	err = gw_regn_authorization(r, auth, sizeof(auth), uri);
	if (err)
		return err;
	gw_regn_charging(r->all->sip, charging, sizeof(charging), NULL, 0);
	gw_buf_printf(b,
		      "Path: <%s;lr>\r\nRequire: path\r\nSupported: path\r\n"
		      "P-Visited-Network-ID: \"%s\"\r\n%s",
		      contact, visited, charging);
	gw_regn_access(r, access, sizeof(access));
	gw_buf_printf(b, "%sAuthorization: %s\r\n", access, auth);
	explicit_bzero(auth, sizeof(auth));
	return gw_buf_error(b);
}

static int send_to(struct gw_regn *r, const struct gw_core *core)
{
	uint32_t expires_s = r->state == GW_RST_ENDING ? 0 : r->asked_s;
	char domain[160], uri[256], contact[512], from[GW_REGN_URI + 32];
	char to[GW_REGN_URI + 4];
	struct gw_regn_rq rq = {
		.uri = domain,
		.next_hop = core->uri,
		.from = from,
		.to = to,
		.call_id = r->call_id,
		.contact = contact,
		.cseq = ++r->cseq,
	};
	struct gw_buf headers;
	int err;

	(void)snprintf(domain, sizeof(domain), "sip:%s",
		       gw_regn_set(r)->domain);
	(void)snprintf(from, sizeof(from), "<%s>;tag=%s", r->impu, r->from_tag);
	(void)snprintf(to, sizeof(to), "<%s>", r->impu);
	err = gw_regn_uri(r, uri, sizeof(uri), core->uri);
	if (err)
		return err;
	add_contact(r, contact, sizeof(contact), uri, expires_s);
	gw_buf_init(&headers, HEADERS_MAX);
	err = add_headers(r, &headers, uri, domain);
	rq.headers = headers.data;
	if (!err)
		err = gw_regn_nta_register(r, &rq);
	if (headers.data)
		explicit_bzero(headers.data, headers.len);
	gw_buf_fini(&headers);
	if (err)
		return err;
	r->sent_expires_s = expires_s;
	return gw_timer_start_ms(gw_loop_timers(r->all->sip->loop), &r->limit,
				 gw_regn_set(r)->register_timeout_ms);
}

/* It has deregistered, or cannot. */
static void ended(struct gw_regn *r)
{
	static const struct gw_cause left = { .status = 200,
					      .text = "deregistered" };

	if (r->ended)
		(void)gw_regn_move(r, GW_REV_FAIL);
	else
		gw_regn_over(r, &left, false);
}

static void round_failed(struct gw_regn *r);

/* To the first core that lives and has not failed us in this round. */
static void try_cores(struct gw_regn *r)
{
	uint32_t wait_s;
	int i;

	while ((i = gw_cores_pick(r->all, r->tried)) >= 0) {
		int err;

		r->core = (unsigned)i;
		err = send_to(r, &r->all->core[i]);
		if (!err)
			return;
		gw_metric_add(&m_unsent, 1);
		gw_warn(&r->log, "REGISTER could not be sent to %s: %s",
			r->all->core[i].uri, strerror(-err));
		r->tried |= 1u << i;
	}
	if (!r->last_status)
		r->last_status = 503;
	wait_s = gw_cores_wait_s(r->all);
	if (wait_s > r->retry_after_s)
		r->retry_after_s = (uint16_t)wait_s;
	round_failed(r);
}

void gw_regn_send(struct gw_regn *r)
{
	bool answer = r->state == GW_RST_ASKED || r->state == GW_RST_REASKED ||
		      r->state == GW_RST_ENDASKED;

	if (r->orq || !gw_regn_move(r, GW_REV_SEND))
		return;
	/* An answer goes on with the round in which it was asked for. */
	if (!answer) {
		r->tried = 0;
		r->challenges = 0;
		r->last_status = 0;
		r->retry_after_s = 0;
	}
	try_cores(r);
}

/* ---- failures ---- */

static void tell_unreachable(struct gw_regn *r)
{
	uint32_t wait_s = r->retry_after_s;
	struct gw_cause cause = { .status = r->last_status,
				  .text = "no core serves" };

	if (wait_s < RETRY_S)
		wait_s = RETRY_S;
	/* Nobody's clients all come back at once. */
	wait_s += gw_random_u32() % (wait_s / 2 + 1);
	cause.retry_after_s = (uint16_t)wait_s;
	gw_regn_over(r, &cause, false);
}

static void try_later(struct gw_regn *r)
{
	uint64_t ms = BACKOFF_MS, now = gw_regn_now_us(r);

	for (unsigned i = 0; i < r->failures && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	r->failures++;
	ms = gw_regn_jitter_ms(ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS);
	if (ms < r->retry_after_s * 1000ull)
		ms = r->retry_after_s * 1000ull + ms;
	if (!gw_regn_is_bound(r) || now + ms * 1000 >= r->until_us) {
		/* By then the core would have let go of it. */
		gw_regn_forget_binding(r);
		tell_unreachable(r);
		return;
	}
	(void)gw_regn_move(r, GW_REV_RETRY);
	gw_info(&r->log, "REGISTER failed (%u); again in %u ms", r->last_status,
		(unsigned)ms);
	gw_regn_later(r, ms);
}

/* No core served in this round. */
static void round_failed(struct gw_regn *r)
{
	gw_regn_auth_done(r, false);
	if (r->state == GW_RST_ENDING) {
		gw_info(&r->log,
			"deregistration failed: %u; the core's "
			"binding expires by itself",
			r->last_status);
		ended(r);
	} else {
		try_later(r);
	}
}

void gw_regn_failed(struct gw_regn *r, unsigned status, uint32_t retry_after_s)
{
	if (retry_after_s > WAIT_MAX_S)
		retry_after_s = WAIT_MAX_S;
	gw_metric_add(status == 408 ? &m_timeout : &m_unavailable, 1);
	gw_timer_stop(&r->limit);
	r->tried |= 1u << r->core;
	r->last_status = (uint16_t)status;
	if (retry_after_s > r->retry_after_s)
		r->retry_after_s = (uint16_t)retry_after_s;
	if (gw_cores_pick(r->all, r->tried) >= 0)
		gw_metric_add(&m_failover, 1);
	try_cores(r);
}

/* ---- 200 ---- */

/* "540", or "\"540\"" as some registrars write it. */
static bool number(const char *text, uint32_t *out)
{
	char *end;
	unsigned long v;

	if (!text)
		return false;
	if (*text == '"')
		text++;
	if (*text < '0' || *text > '9')
		return false;
	v = strtoul(text, &end, 10);
	*out = v > EXPIRES_MAX_S ? EXPIRES_MAX_S : (uint32_t)v;
	return *end == '\0' || *end == '"';
}

/* What is left of our contact: not of others of the same user.  False: it is
 * not among them. */
static bool granted(const struct gw_regn *r, const sip_t *ok, uint32_t *out_s)
{
	const sip_contact_t *c;

	*out_s = r->asked_s;
	if (ok->sip_expires && ok->sip_expires->ex_delta <= EXPIRES_MAX_S)
		*out_s = (uint32_t)ok->sip_expires->ex_delta;
	if (!ok->sip_contact)
		return true;
	for (c = ok->sip_contact; c; c = c->m_next) {
		if (!c->m_url->url_user ||
		    strcmp(c->m_url->url_user, r->token) != 0)
			continue;
		(void)number(c->m_expires, out_s);
		return *out_s > 0;
	}
	return false;
}

static void take_service_route(struct gw_regn *r, const sip_t *ok)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	const sip_route_t *route = (const sip_route_t *)ok->sip_service_route;
	struct gw_buf b;
	char *text = NULL;

	gw_buf_init(&b, HEADERS_MAX);
	su_home_init(home);
	for (; route; route = route->r_next) {
		const char *uri = url_as_string(home, route->r_url);

		if (uri && !strpbrk(uri, "<>\r\n"))
			gw_buf_printf(&b, "%s<%s>", b.len ? ", " : "", uri);
	}
	su_home_deinit(home);
	if (b.len)
		text = gw_buf_take(&b);
	gw_buf_fini(&b);
	free(r->service_route);
	r->service_route = text;
}

static bool add_impu(char (*set)[GW_REGN_URI], size_t *n, const url_t *url)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	const char *text;
	bool ok;

	su_home_init(home);
	text = url_as_string(home, url);
	ok = *n < GW_REGN_IMPUS && gw_ident_uri_ok(text) &&
	     strlen(text) < GW_REGN_URI;
	if (ok)
		(void)snprintf(set[(*n)++], GW_REGN_URI, "%s", text);
	su_home_deinit(home);
	return ok;
}

/* P-Associated-URI (RFC 7315 4.1): the whole set, the default first. */
static size_t read_impus(char (*set)[GW_REGN_URI], const sip_t *ok)
{
	const sip_unknown_t *u;
	size_t n = 0;

	for (u = ok->sip_unknown; u; u = u->un_next) {
		su_home_t home[1] = { SU_HOME_INIT(home) };
		sip_contact_t *c;

		if (!u->un_name || !u->un_value ||
		    strcasecmp(u->un_name, "P-Associated-URI") != 0)
			continue;
		su_home_init(home);
		for (c = sip_contact_make(home, u->un_value); c; c = c->m_next)
			(void)add_impu(set, &n, c->m_url);
		su_home_deinit(home);
	}
	return n;
}

/* Has the set changed?  Without the header it is what was registered. */
static bool take_impus(struct gw_regn *r, const sip_t *ok)
{
	char set[GW_REGN_IMPUS][GW_REGN_URI];
	size_t n = read_impus(set, ok);
	void *copy;

	if (!n)
		(void)snprintf(set[n++], GW_REGN_URI, "%s", r->impu);
	if (n == r->nimpu) {
		size_t i = 0;

		while (i < n && !strcmp(set[i], r->impu_set[i]))
			i++;
		if (i == n)
			return false;
	}
	copy = malloc(n * GW_REGN_URI);
	if (!copy)
		return false;
	memcpy(copy, set, n * GW_REGN_URI);
	free(r->impu_set);
	r->impu_set = copy;
	r->nimpu = n;
	return true;
}

/* Half of what was granted, a little less at random: those that registered
 * together do not stay together. */
static uint64_t refresh_in_ms(const struct gw_regn *r, uint32_t granted_s)
{
	uint64_t half = granted_s * 500ull;
	uint64_t spread = half * gw_regn_set(r)->spread_percent / 100;

	if (spread)
		half -= gw_random_u32() % (uint32_t)(spread + 1);
	return half < REFRESH_MIN_MS ? REFRESH_MIN_MS : half;
}

static void tell_registered(struct gw_regn *r, enum gw_regn_event_type type,
			    uint32_t granted_s)
{
	const struct gw_regn_event ev = {
		.type = type,
		.expires_s = granted_s,
		.nimpu = r->nimpu,
		.impu = (const char(*)[GW_REGN_URI])r->impu_set,
	};

	gw_regn_tell(r, &ev);
}

static void on_bound(struct gw_regn *r, const sip_t *ok, uint32_t granted_s)
{
	bool first = !r->bound, changed;
	uint64_t until = gw_regn_now_us(r) + granted_s * 1000000ull;

	/* Who has answered a challenge waits for what comes of it. */
	changed = granted_s != r->granted_s || r->how == GW_REGN_CLIENT;
	r->granted_s = granted_s;
	r->until_us = until;
	take_service_route(r, ok);
	changed |= take_impus(r, ok);
	gw_regn_bind(r);
	r->failures = 0;
	r->anew = false;
	r->raised = false;
	r->resumed = false;
	(void)gw_regn_move(r, GW_REV_OK);
	gw_info(&r->log, "%s by %s for %u s",
		first ? "registered" : "refreshed", r->all->core[r->core].uri,
		granted_s);
	gw_regn_later(r, refresh_in_ms(r, granted_s));
	gw_regn_subscribe(r);
	tell_registered(r,
			first || changed ? GW_RE_REGISTERED : GW_RE_REFRESHED,
			granted_s);
}

static void refused(struct gw_regn *r, unsigned status, const char *text);

static void on_ok(struct gw_regn *r, const sip_t *ok)
{
	uint32_t granted_s;

	gw_regn_auth_done(r, true);
	if (r->state == GW_RST_ENDING) {
		if (r->sent_expires_s) {
			/* Its owner let go while it was on the way. */
			gw_regn_bind(r);
			gw_regn_later(r, 0);
			return;
		}
		gw_metric_add(&m_ok, 1);
		gw_info(&r->log, "deregistered");
		ended(r);
		return;
	}
	if (!granted(r, ok, &granted_s)) {
		gw_metric_add(&m_malformed, 1);
		gw_warn(&r->log, "200 to REGISTER without our contact");
		refused(r, 500, "the core did not keep the contact");
		return;
	}
	gw_metric_add(&m_ok, 1);
	on_bound(r, ok, granted_s);
}

/* ---- the other answers ---- */

/*
 * The core will not have it.  If it had once, it may only have forgotten: the
 * same again as a first registration, once.
 */
static void refused(struct gw_regn *r, unsigned status, const char *text)
{
	const struct gw_cause cause = { .status = (uint16_t)status,
					.text = text,
					.sip = true };

	gw_regn_auth_done(r, false);
	if (r->state == GW_RST_ENDING) {
		gw_info(&r->log,
			"deregistration refused: %u %s; the core's binding "
			"expires by itself",
			status, text);
		ended(r);
	} else if (gw_regn_is_bound(r) && !r->anew) {
		gw_metric_add(&m_anew, 1);
		gw_info(&r->log, "%u to a refresh: registering anew", status);
		r->anew = true;
		r->resumed = false;
		gw_regn_new_binding(r);
		(void)gw_regn_move(r, GW_REV_RETRY);
		gw_regn_later(r, 0);
	} else {
		gw_regn_forget_binding(r);
		gw_regn_over(r, &cause, false);
	}
}

static void on_challenge(struct gw_regn *r, const sip_t *response)
{
	gw_metric_add(&m_challenged, 1);
	switch (gw_regn_challenged(r, response)) {
	case GW_REGN_REPLY:
		/* Its owner may have let go when it was told the SQN. */
		if (r->state != GW_RST_DEAD && !gw_timer_running(&r->turn))
			try_cores(r);
		break;
	case GW_REGN_ASK:
		break;
	case GW_REGN_UNABLE:
		/* A first registration would be asked the same. */
		r->anew = true;
		refused(r, 403, "not authenticated");
		break;
	}
}

/* 423 (RFC 3261 10.3): what it wants, if that is sane, and not twice. */
static void on_too_brief(struct gw_regn *r, const sip_t *response)
{
	const sip_min_expires_t *me = response->sip_min_expires;

	gw_metric_add(&m_brief, 1);
	if (!me || r->raised || me->me_delta <= r->asked_s ||
	    me->me_delta > EXPIRES_MAX_S) {
		refused(r, 423, "no Min-Expires that can be followed");
		return;
	}
	gw_info(&r->log, "423: %lu s instead of %u", me->me_delta, r->asked_s);
	r->raised = true;
	r->asked_s = (uint32_t)me->me_delta;
	try_cores(r);
}

/* Not our fault, nor the user's: another core may serve, or this one later. */
static bool core_trouble(unsigned status)
{
	return status == 408 || status == 480 || status == 600 ||
	       (status >= 500 && status != 501 && status != 505 &&
		status != 513 && status < 600);
}

static uint32_t retry_after(const sip_t *response)
{
	const sip_retry_after_t *ra =
		response ? response->sip_retry_after : NULL;

	if (!ra)
		return 0;
	return ra->af_delta > WAIT_MAX_S ? WAIT_MAX_S : (uint32_t)ra->af_delta;
}

static void on_trouble(struct gw_regn *r, unsigned status,
		       const sip_t *response)
{
	struct gw_core *core = &r->all->core[r->core];
	uint32_t wait_s = retry_after(response);

	if (!response)
		gw_core_is_dead(core, gw_regn_set(r)->dead_s,
				"it cannot be reached");
	else if (status == 503 && wait_s)
		/* RFC 3261 21.5.4: nothing to it before. */
		gw_core_is_dead(core, wait_s, "503 with Retry-After");
	gw_regn_failed(r, status, wait_s);
}

void gw_regn_on_response(struct gw_regn *r, int code, const sip_t *response)
{
	unsigned status = (unsigned)code;

	gw_timer_stop(&r->limit);
	if (response && status != 503)
		gw_core_is_alive(&r->all->core[r->core]);
	if (!response || core_trouble(status)) {
		on_trouble(r, status, response);
	} else if (status < 300) {
		on_ok(r, response);
	} else if (status == 401) {
		on_challenge(r, response);
	} else if (status == 423) {
		on_too_brief(r, response);
	} else {
		gw_metric_add(&m_refused, 1);
		refused(r, status, gw_ims_cause_phrase(status));
	}
}
