#include "gateway/enrol_share.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"

GW_COUNTER(m_joined, "isthmus_enrolments_shared_total",
	   "Log-ins that joined a registration of the same identity", "");

static const struct gw_logctx slog = { .module = "enrol" };

#define ID_SIZE 260

struct gw_share {
	char id[ID_SIZE]; /* "IMPI IMPU" */
	UT_hash_handle hh;
	struct gw_shares *all;
	char key[GW_REGN_KEY_SIZE];
	struct gw_regn *regn; /* NULL: it has ended, and nobody joins it */
	bool registered;
	uint32_t expires_s;
	size_t nimpu;
	char (*set)[128]; /* owned: what the core grants */
	LIST_HEAD(, gw_share_use) uses;
	unsigned round; /* events told so far */
	unsigned busy;  /* handlers on the stack: not to be freed */
};

struct gw_shares {
	struct gw_share *by_id;
};

static void make_id(char id[ID_SIZE], const struct gw_regn_request *req)
{
	(void)snprintf(id, ID_SIZE, "%.128s %.128s", req->impi, req->impu);
}

/* ---- life ---- */

static void forget(struct gw_share *s)
{
	if (s->busy || !LIST_EMPTY(&s->uses))
		return;
	if (s->regn) {
		HASH_DEL(s->all->by_id, s);
		gw_regn_end(s->regn);
	}
	free(s->set);
	free(s);
}

void gw_share_leave(struct gw_share_use *use)
{
	struct gw_share *s = use->share;

	if (!s)
		return;
	LIST_REMOVE(use, link);
	use->share = NULL;
	forget(s);
}

const struct gw_regn *gw_share_regn(const struct gw_share_use *use)
{
	return use->share ? use->share->regn : NULL;
}

const char *gw_share_key(const struct gw_share_use *use)
{
	return use->share ? use->share->key : NULL;
}

/* ---- events ---- */

/* The next that has not heard of this round: a handler may end others. */
static struct gw_share_use *next_to_hear(const struct gw_share *s)
{
	struct gw_share_use *use = LIST_FIRST(&s->uses);

	while (use && use->heard == s->round)
		use = LIST_NEXT(use, link);
	return use;
}

static void tell_all(struct gw_share *s, const struct gw_regn_event *ev)
{
	struct gw_share_use *use;

	s->round++;
	while ((use = next_to_hear(s))) {
		use->heard = s->round;
		if (ev->type == GW_RE_ENDED) {
			LIST_REMOVE(use, link);
			use->share = NULL;
		}
		use->handler(ev, use->arg);
	}
}

static void keep_set(struct gw_share *s, const struct gw_regn_event *ev)
{
	char(*set)[128] = calloc(ev->nimpu ? ev->nimpu : 1, sizeof(*set));

	s->registered = true;
	s->expires_s = ev->expires_s;
	/* Without memory those who join later are told what was before. */
	if (!set)
		return;
	memcpy(set, ev->impu, ev->nimpu * sizeof(*set));
	free(s->set);
	s->set = set;
	s->nimpu = ev->nimpu;
}

static void on_regn(struct gw_regn *r, const struct gw_regn_event *ev,
		    void *arg)
{
	struct gw_share *s = arg;
	struct gw_share_use *first;

	assert(!s->regn || s->regn == r);
	s->busy++;
	switch (ev->type) {
	case GW_RE_ENDED:
		s->regn = NULL; /* it is gone */
		HASH_DEL(s->all->by_id, s);
		tell_all(s, ev);
		break;
	case GW_RE_SQN:
		first = LIST_FIRST(&s->uses);
		if (first)
			first->handler(ev, first->arg);
		break;
	case GW_RE_REGISTERED:
		keep_set(s, ev);
		tell_all(s, ev);
		break;
	default:
		tell_all(s, ev);
		break;
	}
	s->busy--;
	forget(s);
}

void gw_share_tell(struct gw_share_use *use)
{
	struct gw_share *s = use->share;
	const struct gw_regn_event ev = { .type = GW_RE_REGISTERED,
					  .expires_s = s->expires_s,
					  .nimpu = s->nimpu,
					  .impu = (const char(*)[128])s->set };

	assert(s->registered);
	s->busy++;
	use->handler(&ev, use->arg);
	s->busy--;
	forget(s);
}

/* ---- who joins ---- */

static int new_share(struct gw_share **out, struct gw_shares *all,
		     struct gw_sip *sip, const struct gw_regn_request *req)
{
	struct gw_share *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->all = all;
	LIST_INIT(&s->uses);
	make_id(s->id, req);
	memcpy(s->key, req->key, sizeof(s->key));
	HASH_ADD_STR(all->by_id, id, s);
	if (!s->hh.tbl) {
		free(s);
		return -ENOMEM;
	}
	err = gw_regn_start(&s->regn, sip, req, on_regn, s);
	if (err) {
		HASH_DEL(all->by_id, s);
		free(s);
		return err;
	}
	*out = s;
	return 0;
}

int gw_share_join(struct gw_shares *all, struct gw_share_use *use,
		  struct gw_sip *sip, const struct gw_regn_request *req,
		  gw_share_h *handler, void *arg)
{
	struct gw_share *s;
	char id[ID_SIZE];
	int err;

	make_id(id, req);
	HASH_FIND_STR(all->by_id, id, s);
	if (s) {
		gw_metric_add(&m_joined, 1);
		gw_info(&slog, "%s: one more endpoint of %s", s->key,
			req->impu);
	} else {
		err = new_share(&s, all, sip, req);
		if (err)
			return err;
	}
	use->share = s;
	use->handler = handler;
	use->arg = arg;
	use->heard = s->round;
	LIST_INSERT_HEAD(&s->uses, use, link);
	return s->registered;
}

int gw_shares_new(struct gw_shares **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void gw_shares_free(struct gw_shares *all)
{
	assert(!all || !all->by_id);
	free(all);
}
