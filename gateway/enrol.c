/*
 * Log-ins: from the web side by way of the store to the core, and what comes
 * back.  Those of the last run are taken over in enrol_resume.c.
 */
#include "gateway/enrol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/metrics.h"
#include "gateway/enrol_priv.h"
#include "gateway/reg_keep.h"

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

static const struct gw_logctx elog = { .module = "enrol" };

struct enrol *gw_enrol_find(const struct gw_enrols *all, const char *key)
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

void gw_enrol_bury(struct enrol *e)
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

void gw_enrol_tell(struct enrol *e, const struct gw_web_enrolled *res)
{
	struct gw_web *web = e->all->core->web;
	char key[GW_REGN_KEY_SIZE];

	memcpy(key, e->key, sizeof(key));
	if (res->status != 200 && res->status != 401)
		gw_enrol_bury(e);
	gw_web_enrolled(web, key, res);
}

void gw_enrol_refuse(struct enrol *e, uint16_t status, uint16_t retry_after_s,
		     const char *text)
{
	const struct gw_web_enrolled res = {
		.status = status,
		.retry_after_s = retry_after_s,
		.text = text,
	};

	gw_metric_add(&m_refused, 1);
	gw_enrol_tell(e, &res);
}

/* ---- the core ---- */

/* A token that claims what the core does not grant its bearer is wrong. */
static bool is_granted(const struct enrol *e, const struct gw_regn_event *ev)
{
	return !e->wish || e->wish->proof != GW_WEB_TOKEN ||
	       gw_enrol_is_granted(e->wish, ev->nimpu, ev->impu);
}

const struct gw_regn *gw_enrol_regn(const struct enrol *e)
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
		gw_enrol_refuse(e, 403, 0, "the core grants other identities");
		return;
	}
	free(e->wish);
	e->wish = NULL;
	if (!e->registered) {
		e->registered = true;
		gw_metric_add(&m_live, 1);
		gw_metric_add(&m_registered, 1);
	}
	gw_enrol_tell(e, &res);
	if (stored)
		gw_keep_refresh(core->keep, key);
}

/* What is stored is good for a while: a resumed binding skips many CSeqs. */
static void on_refreshed(struct enrol *e)
{
	struct gw_regn_state now;

	gw_regn_describe(gw_enrol_regn(e), &now);
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
		gw_enrol_tell(e, &res);
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
		gw_enrol_tell(e, &res);
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

void gw_enrol_start(struct enrol *e)
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
		gw_enrol_refuse(e, 503, 5, "too many registrations at once");
	else if (err)
		gw_enrol_refuse(e, 503, 0, "the core cannot be asked");
}

/* ---- the store ---- */

void gw_enrol_fault(struct enrol *e)
{
	gw_metric_add(&m_fault, 1);
	gw_enrol_refuse(e, 503, 5, "subscribers cannot be looked up");
}

static void on_loan(int error, const char *impi, const char *impu, void *arg)
{
	struct enrol *e = arg;

	if (error == -ENODATA) {
		gw_metric_add(&m_exhausted, 1);
		gw_enrol_refuse(e, 503, NO_IDENTITY_RETRY_S,
				"no identity is free");
		return;
	}
	if (error) {
		gw_enrol_fault(e);
		return;
	}
	(void)snprintf(e->who.impi, sizeof(e->who.impi), "%s", impi);
	(void)snprintf(e->who.impu, sizeof(e->who.impu), "%s", impu);
	gw_enrol_start(e);
}

static void lodge(struct enrol *e)
{
	if (gw_loan_take(e->all->loans, &e->loan, e->wish->id, on_loan, e))
		gw_enrol_fault(e);
}

int gw_enrol_take_secret(struct enrol *e, const struct gw_ims_secret *s)
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
		gw_enrol_refuse(e, status, 0, why);
	else if (e->who.how == GW_ENROL_NONE)
		gw_enrol_tell(e, &here_only);
	else if (e->who.how == GW_ENROL_POOL)
		lodge(e);
	else if (e->who.how == GW_ENROL_HELD &&
		 gw_enrol_take_secret(e, &s->secret))
		gw_enrol_fault(e);
	else
		gw_enrol_start(e);
}

static void on_subscriber(const struct gw_store_answer *a, void *arg)
{
	struct enrol *e = arg;

	e->asked = NULL;
	if (a->error && a->error != -ENOENT)
		gw_enrol_fault(e);
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
		gw_enrol_bury(e);
	return err;
}

int gw_enrol_answer(const char *key, const char *authorization, void *arg)
{
	struct gw_core *core = arg;
	struct enrol *e = gw_enrol_find(core->enrols, key);

	if (!e || !e->regn)
		return -EALREADY;
	return gw_regn_answer(e->regn, authorization);
}

int gw_enrol_quit(const char *key, void *arg)
{
	struct gw_core *core = arg;
	struct enrol *e = gw_enrol_find(core->enrols, key);

	return e && e->regn ? gw_regn_quit(e->regn) : -EALREADY;
}

void gw_enrol_leave(const char *key, void *arg)
{
	struct gw_core *core = arg;
	struct enrol *e = gw_enrol_find(core->enrols, key);

	if (e)
		gw_enrol_bury(e);
}

/* ---- all of them ---- */

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
	gw_enrol_bury(e);
	if (all->listing)
		gw_store_cancel(all->listing);
	gw_held_free(all->held);
	gw_shares_free(all->shares);
	gw_loans_free(all->loans);
	free(all);
}
