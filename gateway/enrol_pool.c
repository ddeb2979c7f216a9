#include "gateway/enrol_pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/store.h"

GW_GAUGE(m_lent, "isthmus_pool_lent", "Identities of the pool that users have",
	 "");

static const struct gw_logctx plog = { .module = "pool" };

/* One user. */
struct gw_loan {
	char id[128];
	UT_hash_handle hh;
	struct gw_loans *all;
	struct gw_store_req *asked; /* NULL: it is there */
	char impi[128], impu[128];
	LIST_HEAD(, gw_loan_use) uses;
};

struct gw_loans {
	struct gw_core *core;
	struct gw_loan *by_id;
};

static struct gw_loan *find(const struct gw_loans *all, const char *id)
{
	struct gw_loan *loan;

	HASH_FIND_STR(all->by_id, id, loan);
	return loan;
}

bool gw_loans_has(const struct gw_loans *loans, const char *holder)
{
	return find(loans, holder) != NULL;
}

static void forget(struct gw_loan *loan)
{
	if (loan->impi[0])
		gw_metric_add(&m_lent, -1);
	HASH_DEL(loan->all->by_id, loan);
	free(loan);
}

/* Also one that was only asked for: the store performs what it was given in
 * its order. */
static void give_back(struct gw_loan *loan)
{
	struct gw_core *core = loan->all->core;
	struct gw_store_cmd cmd = { .verb = GW_ST_POOL_RELEASE,
				    .number = core->set->ims.pool_cool_s };

	(void)snprintf(cmd.key, sizeof(cmd.key), "%s", loan->id);
	/* What is not given back now is, when the process begins anew. */
	if (gw_store_do(NULL, core->store, &cmd, NULL, NULL))
		gw_warn(&plog, "%s is not given back to the pool", loan->impi);
	else if (loan->impi[0])
		gw_info(&plog, "%s is given back", loan->impi);
	if (loan->asked)
		gw_store_cancel(loan->asked);
	forget(loan);
}

/* The first use that has not heard yet: a handler may end others. */
static struct gw_loan_use *next_to_tell(const struct gw_loan *loan)
{
	struct gw_loan_use *use = LIST_FIRST(&loan->uses);

	while (use && use->told)
		use = LIST_NEXT(use, link);
	return use;
}

static void end_all(struct gw_loan *loan, int error)
{
	struct gw_loan_use *use;

	while ((use = LIST_FIRST(&loan->uses))) {
		LIST_REMOVE(use, link);
		use->loan = NULL;
		use->handler(error, NULL, NULL, use->arg);
	}
	forget(loan);
}

static void on_lease(const struct gw_store_answer *a, void *arg)
{
	struct gw_loan *loan = arg;
	struct gw_loans *all = loan->all;
	struct gw_loan_use *use;
	char id[sizeof(loan->id)];

	loan->asked = NULL;
	if (a->error == -ENODATA)
		gw_warn(&plog, "no identity is free for %s", loan->id);
	if (a->error) {
		end_all(loan, a->error);
		return;
	}
	memcpy(loan->impi, a->pool->impi, sizeof(loan->impi));
	memcpy(loan->impu, a->pool->impu, sizeof(loan->impu));
	gw_metric_add(&m_lent, 1);
	gw_info(&plog, "%s is lent to %s", loan->impi, loan->id);
	memcpy(id, loan->id, sizeof(id));
	/* The last to hear may be the last to leave. */
	while ((loan = find(all, id)) && !loan->asked &&
	       (use = next_to_tell(loan))) {
		use->told = true;
		use->handler(0, loan->impi, loan->impu, use->arg);
	}
}

static struct gw_loan *add(struct gw_loans *all, const char *id)
{
	struct gw_loan *loan = calloc(1, sizeof(*loan));

	if (!loan)
		return NULL;
	loan->all = all;
	LIST_INIT(&loan->uses);
	(void)snprintf(loan->id, sizeof(loan->id), "%s", id);
	HASH_ADD_STR(all->by_id, id, loan);
	if (loan->hh.tbl)
		return loan;
	free(loan);
	return NULL;
}

static int new_loan(struct gw_loan **out, struct gw_loans *all, const char *id)
{
	struct gw_store_cmd cmd = { .verb = GW_ST_POOL_LEASE };
	struct gw_loan *loan = add(all, id);
	int err;

	if (!loan)
		return -ENOMEM;
	memcpy(cmd.key, loan->id, sizeof(cmd.key));
	err = gw_store_do(&loan->asked, all->core->store, &cmd, on_lease, loan);
	if (err) {
		forget(loan);
		return err;
	}
	*out = loan;
	return 0;
}

int gw_loan_take(struct gw_loans *loans, struct gw_loan_use *use,
		 const char *id, gw_loan_h *handler, void *arg)
{
	struct gw_loan *loan = find(loans, id);
	int err = loan ? 0 : new_loan(&loan, loans, id);

	if (err)
		return err;
	use->loan = loan;
	use->handler = handler;
	use->arg = arg;
	use->told = !loan->asked;
	LIST_INSERT_HEAD(&loan->uses, use, link);
	if (use->told)
		handler(0, loan->impi, loan->impu, arg);
	return 0;
}

int gw_loan_keep(struct gw_loans *loans, struct gw_loan_use *use,
		 const char *id, const char *impi, const char *impu)
{
	struct gw_loan *loan = find(loans, id);

	if (!loan) {
		loan = add(loans, id);
		if (!loan)
			return -ENOMEM;
		(void)snprintf(loan->impi, sizeof(loan->impi), "%s", impi);
		(void)snprintf(loan->impu, sizeof(loan->impu), "%s", impu);
		gw_metric_add(&m_lent, 1);
	}
	*use = (struct gw_loan_use){ .loan = loan, .told = true };
	LIST_INSERT_HEAD(&loan->uses, use, link);
	return 0;
}

void gw_loan_return(struct gw_loans *loans, struct gw_loan_use *use)
{
	struct gw_loan *loan = use->loan;

	if (!loan)
		return;
	assert(loan->all == loans);
	LIST_REMOVE(use, link);
	use->loan = NULL;
	if (LIST_EMPTY(&loan->uses))
		give_back(loan);
}

int gw_loans_new(struct gw_loans **out, struct gw_core *core)
{
	struct gw_loans *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	all->core = core;
	*out = all;
	return 0;
}

void gw_loans_free(struct gw_loans *loans)
{
	assert(!loans || !loans->by_id);
	free(loans);
}
