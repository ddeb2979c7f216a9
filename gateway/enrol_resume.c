/*
 * Log-ins over a crash: what is stored of one, how the binding of the last run
 * is taken over, and what is left of the pool's leases.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/enrol_priv.h"

static const struct gw_logctx elog = { .module = "enrol" };

void gw_enrol_describe(const struct gw_enrols *all, const char *key,
		       struct gw_stored_reg *row)
{
	struct gw_regn_state now;
	struct enrol *e = gw_enrol_find(all, key);

	if (!e || (!gw_enrol_regn(e) && !e->was))
		return;
	if (gw_enrol_regn(e))
		gw_regn_describe(gw_enrol_regn(e), &now);
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
		gw_enrol_tell(e, &res);
}

static void take_over(struct enrol *e)
{
	char key[GW_REGN_KEY_SIZE];
	struct gw_enrols *all = e->all;

	memcpy(key, e->key, sizeof(key));
	gw_enrol_start(e);
	/* It may have ended. */
	e = gw_enrol_find(all, key);
	if (e && e->unwanted)
		gw_enrol_bury(e);
	else if (e)
		tell_shared(e);
}

static void on_held(const struct gw_store_answer *a, void *arg)
{
	const struct gw_subscriber *s = a->subscriber;
	struct enrol *e = arg;

	e->reading = NULL;
	if (gw_store_is_fault(a->error))
		gw_enrol_fault(e);
	else if (a->error || s->enrol != GW_ENROL_HELD ||
		 strcmp(s->impi, e->who.impi) != 0)
		gw_enrol_refuse(e, 403, 0, "not the subscriber that it was");
	else if (gw_enrol_take_secret(e, &s->secret))
		gw_enrol_fault(e);
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

	if (gw_enrol_find(all, row->key) || !row->nimpu ||
	    begin_again(all, row, &e)) {
		if (!unwanted)
			gw_web_enrolled(all->core->web, row->key, &lost);
		return;
	}
	e->unwanted = unwanted;
	if (e->who.how == GW_ENROL_POOL && keep_loan(e, row)) {
		gw_enrol_fault(e);
		return;
	}
	if (e->who.how != GW_ENROL_HELD) {
		take_over(e);
		return;
	}
	e->reading = gw_held_read(all->held, row->id, on_held, e);
	if (!e->reading)
		gw_enrol_fault(e);
}

/* ---- leases of the last run ---- */

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
