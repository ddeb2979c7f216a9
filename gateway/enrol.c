#include "gateway/enrol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "gateway/base/check.h"
#include "gateway/base/metrics.h"
#include "gateway/enrol_held.h"
#include "gateway/enrol_pool.h"
#include "gateway/enrol_share.h"
#include "gateway/enrol_who.h"
#include "gateway/reg_keep.h"
#include "gateway/registration.h"
#include "gateway/store.h"

#define NO_IDENTITY_RETRY_S 30
/* The end of a binding is stored no more often than this, however short a core
 * makes them. */
#define KEEP_S 10

#define NAME "isthmus_enrolments_total"
#define HELP "Log-ins that are registered in the core, by result"

GW_COUNTER(m_registered, NAME, HELP, "result=\"registered\"");
GW_COUNTER(m_refused, NAME, HELP, "result=\"refused\"");
GW_COUNTER(m_exhausted, NAME, HELP, "result=\"pool_empty\"");
GW_COUNTER(m_fault, NAME, HELP, "result=\"store_fault\"");
GW_GAUGE(m_live, "isthmus_enrolments", "Log-ins registered in the core", "");

/* One log-in. */
struct enrol {
	char key[GW_REGN_KEY_SIZE];
	UT_hash_handle hh;
	struct gw_enrols *all;
	struct gw_store_req *asked;   /* of the store; NULL: nothing */
	struct gw_held_read *reading; /* its secret, anew; NULL: it is not */
	struct gw_regn *regn;
	struct gw_share_use share; /* instead of regn: with other endpoints */
	bool registered;
	struct gw_loan_use loan;    /* its identity is of the pool */
	struct gw_enrol_wish *wish; /* until it is registered; owned */
	char peer[48];
	struct gw_enrol_who who;
	struct gw_regn_secret *secret; /* HELD; wiped */
	/* Of before a crash, until it is taken over; owned. */
	struct gw_regn_state *was;
	bool unwanted; /* taken over to be ended */
	/* What the store has of it. */
	int64_t kept_until_s;
	uint32_t kept_cseq;
};

struct gw_enrols {
	struct gw_core *core;
	struct gw_loans *loans;
	struct gw_shares *shares;
	struct gw_held *held;
	struct enrol *by_key;
	struct gw_store_req *listing; /* the pool, at the beginning */
};

static const struct gw_logctx elog = { .module = "enrol" };

static struct enrol *find(const struct gw_enrols *all, const char *key)
{
	struct enrol *e;

	HASH_FIND_STR(all->by_key, key, e);
	return e;
}

static void wipe_secret(struct enrol *e)
{
	if (e->secret)
		explicit_bzero(e->secret, sizeof(*e->secret));
	free(e->secret);
	e->secret = NULL;
}

static void bury(struct enrol *e)
{
	if (e->asked)
		gw_store_cancel(e->asked);
	gw_held_cancel(e->reading);
	gw_share_leave(&e->share);
	if (e->regn)
		gw_regn_end(e->regn);
	if (e->registered)
		gw_metric_add(&m_live, -1);
	gw_loan_return(e->all->loans, &e->loan);
	wipe_secret(e);
	free(e->was);
	free(e->wish);
	HASH_DEL(e->all->by_key, e);
	free(e);
}

/* Tells the web side; the enrolment is over when it is not good news. */
static void tell(struct enrol *e, const struct gw_web_enrolled *res)
{
	struct gw_web *web = e->all->core->web;
	char key[GW_REGN_KEY_SIZE];

	memcpy(key, e->key, sizeof(key));
	if (res->status != 200 && res->status != 401)
		bury(e);
	gw_web_enrolled(web, key, res);
}

static void refuse(struct enrol *e, uint16_t status, uint16_t retry_after_s,
		   const char *text)
{
	const struct gw_web_enrolled res = {
		.status = status,
		.retry_after_s = retry_after_s,
		.text = text,
	};

	gw_metric_add(&m_refused, 1);
	tell(e, &res);
}

/* ---- the core ---- */

/* A token that claims what the core does not grant its bearer is wrong. */
static bool is_granted(const struct enrol *e, const struct gw_regn_event *ev)
{
	return !e->wish || e->wish->proof != GW_WEB_TOKEN ||
	       gw_enrol_is_granted(e->wish, ev->nimpu, ev->impu);
}

/* Its own, or the one that it shares; NULL: none. */
static const struct gw_regn *regn_of(const struct enrol *e)
{
	return e->regn ? e->regn : gw_share_regn(&e->share);
}

static void on_registered(struct enrol *e, const struct gw_regn_event *ev)
{
	const struct gw_web_enrolled res = {
		.status = 200,
		.registration = gw_share_key(&e->share),
		.impi = e->who.impi,
		.nimpu = ev->nimpu,
		.impu = ev->impu,
	};
	struct gw_core *core = e->all->core;
	/* The first time, the answer to the client is what stores it. */
	bool stored = e->kept_until_s != 0;
	char key[GW_REGN_KEY_SIZE];

	memcpy(key, e->key, sizeof(key));
	if (!is_granted(e, ev)) {
		refuse(e, 403, 0, "the core grants other identities");
		return;
	}
	free(e->wish);
	e->wish = NULL;
	if (!e->registered) {
		e->registered = true;
		gw_metric_add(&m_live, 1);
		gw_metric_add(&m_registered, 1);
	}
	tell(e, &res);
	if (stored)
		gw_keep_refresh(core->keep, key);
}

/* What is stored is good for a while: a resumed binding skips many CSeqs. */
static void on_refreshed(struct enrol *e)
{
	struct gw_regn_state now;

	gw_regn_describe(regn_of(e), &now);
	if (now.cseq < e->kept_cseq ||
	    now.core_expires_s >= e->kept_until_s + KEEP_S)
		gw_keep_refresh(e->all->core->keep, e->key);
}

static void keep_sqn(const struct enrol *e, const uint8_t *sqn)
{
	struct gw_store_cmd cmd = { .verb = GW_ST_SQN_PUT };

	for (int i = 0; i < 6; i++)
		cmd.number = cmd.number << 8 | sqn[i];
	(void)snprintf(cmd.key, sizeof(cmd.key), "%s", e->who.impi);
	if (gw_store_do(NULL, e->all->core->store, &cmd, NULL, NULL))
		gw_warn(&elog, "the SQN of %s is not stored", e->who.impi);
}

static void on_regn(struct gw_regn *r, const struct gw_regn_event *ev,
		    void *arg)
{
	struct enrol *e = arg;
	struct gw_web_enrolled res = { 0 };

	(void)r;
	switch (ev->type) {
	case GW_RE_CHALLENGE:
		res.status = 401;
		res.challenge = ev->challenge;
		tell(e, &res);
		break;
	case GW_RE_REGISTERED:
		on_registered(e, ev);
		break;
	case GW_RE_REFRESHED:
		on_refreshed(e);
		break;
	case GW_RE_SQN:
		keep_sqn(e, ev->sqn);
		break;
	case GW_RE_ENDED:
		e->regn = NULL; /* it is gone */
		res.status = ev->by_network            ? 480
			     : ev->cause.status == 200 ? 410
						       : ev->cause.status;
		res.retry_after_s = ev->cause.retry_after_s;
		res.text = ev->by_network ? "deregistered by the network"
					  : ev->cause.text;
		gw_metric_add(&m_refused, !e->registered);
		tell(e, &res);
		break;
	}
}

static enum gw_regn_how how_of(enum gw_enrol how)
{
	return how == GW_ENROL_CLIENT ? GW_REGN_CLIENT
	       : how == GW_ENROL_HELD ? GW_REGN_HELD
				      : GW_REGN_TRUSTED;
}

static void on_share(const struct gw_regn_event *ev, void *arg)
{
	on_regn(NULL, ev, arg);
}

static int start(struct enrol *e, const struct gw_regn_request *req)
{
	struct gw_core *core = e->all->core;

	/* Each client answers the core's challenges for itself. */
	if (!core->set->ims.contact_shared || req->how == GW_REGN_CLIENT)
		return gw_regn_start(&e->regn, core->sip, req, on_regn, e);
	return gw_share_join(e->all->shares, &e->share, core->sip, req,
			     on_share, e);
}

static void start_regn(struct enrol *e)
{
	struct gw_core *core = e->all->core;
	struct gw_regn_request req = {
		.how = how_of(e->who.how),
		.impi = e->who.impi,
		.impu = e->who.impu,
		.secret = e->secret,
		.expires_s = core->set->ims.expires_s,
		.client_addr = e->peer[0] ? e->peer : NULL,
		.resume = e->was,
	};
	int err;

	memcpy(req.key, e->key, sizeof(req.key));
	(void)snprintf(req.log_id, sizeof(req.log_id), "%.*s",
		       (int)sizeof(req.log_id) - 1, e->key);
	err = start(e, &req);
	wipe_secret(e);
	free(e->was);
	e->was = NULL;
	if (err > 0)
		gw_share_tell(&e->share);
	else if (err == -EAGAIN)
		refuse(e, 503, 5, "too many registrations at once");
	else if (err)
		refuse(e, 503, 0, "the core cannot be asked");
}

/* ---- the store ---- */

static void fault(struct enrol *e)
{
	gw_metric_add(&m_fault, 1);
	refuse(e, 503, 5, "subscribers cannot be looked up");
}

static void on_loan(int error, const char *impi, const char *impu, void *arg)
{
	struct enrol *e = arg;

	if (error == -ENODATA) {
		gw_metric_add(&m_exhausted, 1);
		refuse(e, 503, NO_IDENTITY_RETRY_S, "no identity is free");
		return;
	}
	if (error) {
		fault(e);
		return;
	}
	(void)snprintf(e->who.impi, sizeof(e->who.impi), "%s", impi);
	(void)snprintf(e->who.impu, sizeof(e->who.impu), "%s", impu);
	start_regn(e);
}

static void lodge(struct enrol *e)
{
	if (gw_loan_take(e->all->loans, &e->loan, e->wish->id, on_loan, e))
		fault(e);
}

static int take_secret(struct enrol *e, const struct gw_ims_secret *s)
{
	e->secret = calloc(1, sizeof(*e->secret));
	if (!e->secret)
		return -ENOMEM;
	e->secret->aka = s->aka;
	e->secret->opc = s->opc;
	memcpy(e->secret->password, s->password, sizeof(s->password));
	memcpy(e->secret->k, s->k, sizeof(s->k));
	memcpy(e->secret->op, s->op, sizeof(s->op));
	memcpy(e->secret->amf, s->amf, sizeof(s->amf));
	memcpy(e->secret->sqn, s->sqn, sizeof(s->sqn));
	return 0;
}

static void enrol_as(struct enrol *e, const struct gw_subscriber *s)
{
	const struct gw_web_enrolled here_only = { .status = 0 };
	const char *why = NULL;
	uint16_t status = gw_enrol_decide(&e->who, e->wish, s,
					  &e->all->core->set->ims, &why);

	if (status)
		refuse(e, status, 0, why);
	else if (e->who.how == GW_ENROL_NONE)
		tell(e, &here_only);
	else if (e->who.how == GW_ENROL_POOL)
		lodge(e);
	else if (e->who.how == GW_ENROL_HELD && take_secret(e, &s->secret))
		fault(e);
	else
		start_regn(e);
}

static void on_subscriber(const struct gw_store_answer *a, void *arg)
{
	struct enrol *e = arg;

	e->asked = NULL;
	if (a->error && a->error != -ENOENT)
		fault(e);
	else
		enrol_as(e, a->error ? NULL : a->subscriber);
}

/* ---- the web side ---- */

static int take_wish(struct enrol *e, const struct gw_web_enrolment *who)
{
	struct gw_enrol_wish *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->proof = who->proof;
	(void)snprintf(w->id, sizeof(w->id), "%s", who->id);
	if (who->impi)
		(void)snprintf(w->impi, sizeof(w->impi), "%s", who->impi);
	for (size_t i = 0; i < who->nimpu && i < GW_WEB_IMPUS; i++)
		memcpy(w->impu[w->nimpu++], who->impu[i], sizeof(w->impu[0]));
	e->wish = w;
	return 0;
}

static int new_enrol(struct enrol **out, struct gw_enrols *all,
		     const struct gw_web_enrolment *who)
{
	struct enrol *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->all = all;
	(void)snprintf(e->key, sizeof(e->key), "%s", who->key);
	(void)snprintf(e->peer, sizeof(e->peer), "%s", who->peer);
	if (!take_wish(e, who)) {
		HASH_ADD_STR(all->by_key, key, e);
		if (e->hh.tbl) {
			*out = e;
			return 0;
		}
	}
	free(e->wish);
	free(e);
	return -ENOMEM;
}

int gw_enrol_begin(const struct gw_web_enrolment *who, void *arg)
{
	struct gw_core *core = arg;
	struct gw_store_cmd cmd = { .verb = GW_ST_SUBSCRIBER_GET };
	struct enrol *e;
	int err = new_enrol(&e, core->enrols, who);

	if (err)
		return err;
	/* Asked for, too, of who is nobody: it has no entry, and its turn. */
	(void)snprintf(cmd.key, sizeof(cmd.key), "%s", who->id);
	err = gw_store_do(&e->asked, core->store, &cmd, on_subscriber, e);
	if (err)
		bury(e);
	return err;
}

int gw_enrol_answer(const char *key, const char *authorization, void *arg)
{
	struct gw_core *core = arg;
	struct enrol *e = find(core->enrols, key);

	if (!e || !e->regn)
		return -EALREADY;
	return gw_regn_answer(e->regn, authorization);
}

int gw_enrol_quit(const char *key, void *arg)
{
	struct gw_core *core = arg;
	struct enrol *e = find(core->enrols, key);

	return e && e->regn ? gw_regn_quit(e->regn) : -EALREADY;
}

void gw_enrol_leave(const char *key, void *arg)
{
	struct gw_core *core = arg;
	struct enrol *e = find(core->enrols, key);

	if (e)
		bury(e);
}

/* ---- over a crash ---- */

void gw_enrol_describe(const struct gw_enrols *all, const char *key,
		       struct gw_stored_reg *row)
{
	struct gw_regn_state now;
	struct enrol *e = find(all, key);

	if (!e || (!regn_of(e) && !e->was))
		return;
	if (regn_of(e))
		gw_regn_describe(regn_of(e), &now);
	else
		now = *e->was;
	row->enrol = (uint8_t)e->who.how;
	memcpy(row->impi, e->who.impi, sizeof(row->impi));
	memcpy(row->impu[0], e->who.impu, sizeof(row->impu[0]));
	row->nimpu = 1;
	(void)snprintf(row->peer, sizeof(row->peer), "%s", e->peer);
	(void)snprintf(row->contact, sizeof(row->contact), "%s", now.contact);
	memcpy(row->call_id, now.call_id, sizeof(row->call_id));
	memcpy(row->service_route, now.service_route,
	       sizeof(row->service_route));
	row->cseq = e->kept_cseq = now.cseq;
	row->core_expires_s = e->kept_until_s = now.core_expires_s;
}

static struct gw_regn_state *state_of(const struct gw_stored_reg *row)
{
	struct gw_regn_state *was = calloc(1, sizeof(*was));

	if (!was)
		return NULL;
	(void)snprintf(was->contact, sizeof(was->contact), "%.*s",
		       (int)sizeof(was->contact) - 1, row->contact);
	memcpy(was->call_id, row->call_id, sizeof(was->call_id));
	memcpy(was->service_route, row->service_route,
	       sizeof(was->service_route));
	was->cseq = row->cseq;
	was->core_expires_s = row->core_expires_s;
	return was;
}

/* Calls come by the key of what it shares before the core is asked again. */
static void tell_shared(struct enrol *e)
{
	const struct gw_web_enrolled res = {
		.status = 200,
		.registration = gw_share_key(&e->share),
		.impi = e->who.impi,
	};

	if (res.registration)
		tell(e, &res);
}

static void take_over(struct enrol *e)
{
	char key[GW_REGN_KEY_SIZE];
	struct gw_enrols *all = e->all;

	memcpy(key, e->key, sizeof(key));
	start_regn(e);
	/* It may have ended. */
	e = find(all, key);
	if (e && e->unwanted)
		bury(e);
	else if (e)
		tell_shared(e);
}

static void on_held(const struct gw_store_answer *a, void *arg)
{
	const struct gw_subscriber *s = a->subscriber;
	struct enrol *e = arg;

	e->reading = NULL;
	if (gw_store_is_fault(a->error))
		fault(e);
	else if (a->error || s->enrol != GW_ENROL_HELD ||
		 strcmp(s->impi, e->who.impi) != 0)
		refuse(e, 403, 0, "not the subscriber that it was");
	else if (take_secret(e, &s->secret))
		fault(e);
	else
		take_over(e);
}

static int begin_again(struct gw_enrols *all, const struct gw_stored_reg *row,
		       struct enrol **out)
{
	struct enrol *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->all = all;
	e->was = state_of(row);
	(void)snprintf(e->key, sizeof(e->key), "%s", row->key);
	if (e->was)
		HASH_ADD_STR(all->by_key, key, e);
	if (!e->was || !e->hh.tbl) {
		free(e->was);
		free(e);
		return -ENOMEM;
	}
	(void)snprintf(e->peer, sizeof(e->peer), "%s", row->peer);
	memcpy(e->who.impi, row->impi, sizeof(e->who.impi));
	memcpy(e->who.impu, row->impu[0], sizeof(e->who.impu));
	e->who.how = row->enrol;
	e->kept_cseq = row->cseq;
	e->kept_until_s = row->core_expires_s ? row->core_expires_s : 1;
	*out = e;
	return 0;
}

/* It was the user's before, and is. */
static int keep_loan(struct enrol *e, const struct gw_stored_reg *row)
{
	char id[GW_WEB_IDENTITY];

	if (!gw_web_identity(id, row->id))
		return -EINVAL;
	return gw_loan_keep(e->all->loans, &e->loan, id, row->impi,
			    row->impu[0]);
}

void gw_enrol_resume(struct gw_enrols *all, const struct gw_stored_reg *row,
		     bool unwanted)
{
	const struct gw_web_enrolled lost = { .status = 503 };
	struct enrol *e;

	if (find(all, row->key) || !row->nimpu || begin_again(all, row, &e)) {
		if (!unwanted)
			gw_web_enrolled(all->core->web, row->key, &lost);
		return;
	}
	e->unwanted = unwanted;
	if (e->who.how == GW_ENROL_POOL && keep_loan(e, row)) {
		fault(e);
		return;
	}
	if (e->who.how != GW_ENROL_HELD) {
		take_over(e);
		return;
	}
	e->reading = gw_held_read(all->held, row->id, on_held, e);
	if (!e->reading)
		fault(e);
}

/* ---- the beginning ---- */

static int list_pool(struct gw_enrols *all, const char *after);

static void on_pool(const struct gw_store_answer *a, void *arg)
{
	struct gw_enrols *all = arg;
	char last[128] = "";

	all->listing = NULL;
	if (a->error) {
		gw_error(&elog, "the pool cannot be read: leases of the last "
				"run stay");
		return;
	}
	for (size_t i = 0; i < a->n; i++) {
		const struct gw_pool_entry *p = &a->pool[i];
		struct gw_store_cmd cmd = {
			.verb = GW_ST_POOL_RELEASE,
			.number = all->core->set->ims.expires_s,
		};

		memcpy(last, p->impi, sizeof(last));
		if (p->state != GW_POOL_LEASED ||
		    gw_loans_has(all->loans, p->holder))
			continue;
		(void)snprintf(cmd.key, sizeof(cmd.key), "%s", p->holder);
		gw_info(&elog, "%s was leased when the last run ended",
			p->impi);
		(void)gw_store_do(NULL, all->core->store, &cmd, NULL, NULL);
	}
	if (a->n == GW_STORE_PAGE)
		(void)list_pool(all, last);
}

static int list_pool(struct gw_enrols *all, const char *after)
{
	struct gw_store_cmd cmd = { .verb = GW_ST_POOL_LIST };

	(void)snprintf(cmd.key, sizeof(cmd.key), "%s", after);
	return gw_store_do(&all->listing, all->core->store, &cmd, on_pool, all);
}

void gw_enrols_reclaim(struct gw_enrols *all)
{
	if (list_pool(all, ""))
		gw_error(&elog, "the pool cannot be read: leases of the last "
				"run stay");
}

int gw_enrols_new(struct gw_enrols **out, struct gw_core *core)
{
	struct gw_enrols *all = calloc(1, sizeof(*all));
	int err;

	if (!all)
		return -ENOMEM;
	all->core = core;
	err = gw_loans_new(&all->loans, core);
	if (!err)
		err = gw_shares_new(&all->shares);
	if (!err)
		err = gw_held_new(&all->held, core);
	if (err) {
		gw_shares_free(all->shares);
		gw_loans_free(all->loans);
		free(all);
		return err;
	}
	*out = all;
	return 0;
}

void gw_enrols_free(struct gw_enrols *all)
{
	struct enrol *e;
	struct enrol *next;

	if (!all)
		return;
	HASH_ITER(hh, all->by_key, e, next)
	bury(e);
	if (all->listing)
		gw_store_cancel(all->listing);
	gw_held_free(all->held);
	gw_shares_free(all->shares);
	gw_loans_free(all->loans);
	free(all);
}
