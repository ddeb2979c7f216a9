#include "gateway/reg_keep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/enrol.h"
#include "gateway/store.h"

#define AGAIN_MS 1000
/* Of those that could not be stored or forgotten; a million bytes of keys.
 * What is beyond would be put back after a crash, until it expires. */
#define MAX_DUE 16384
/* Commands to the store for those at once: others are to find room. */
#define BATCH_DUE 256
#define END_TRIES 100 /* of 10 ms, for a place in the queue */

#define KEPT      "isthmus_registrations_kept_total"
#define KEPT_HELP "Registrations written to the store, by result"
#define PUT       "isthmus_registrations_restored_total"
#define PUT_HELP                                                               \
	"Registrations that the last run has left, by what became of them"

/* clang-format off */
GW_COUNTER(m_stored, KEPT, KEPT_HELP, "result=\"stored\"");
GW_COUNTER(m_failed, KEPT, KEPT_HELP, "result=\"failed\"");
GW_COUNTER(m_restored, PUT, PUT_HELP, "result=\"restored\"");
GW_COUNTER(m_expired, PUT, PUT_HELP, "result=\"expired\"");
GW_COUNTER(m_unusable, PUT, PUT_HELP, "result=\"unusable\"");
GW_GAUGE(m_due, "isthmus_registrations_unkept",
	 "Registrations that differ from what the store has of them", "");
/* clang-format on */

_Static_assert(sizeof(((struct gw_stored_reg *)0)->key) >= GW_WEB_KEY,
	       "keys fit");
_Static_assert(sizeof(((struct gw_stored_reg *)0)->credential_sha256) ==
		       GW_WEB_HASH,
	       "hashes fit");
_Static_assert(GW_STORE_IMPUS <= GW_SET_IDENTITIES, "identities fit");

/* One write that the store has not answered. */
struct writing {
	LIST_ENTRY(writing) link;
	struct gw_keep *keep;
	struct gw_store_req *asked;
	bool tells; /* the web side waits for it */
	char key[GW_WEB_KEY];
};

/* One whose row is not as it should be. */
struct due {
	char key[GW_WEB_KEY];
	UT_hash_handle hh;
};

/* An identity of the pool that somebody has. */
struct lent {
	char impi[128], holder[128];
	UT_hash_handle hh;
};

struct gw_keep {
	struct gw_core *core;
	LIST_HEAD(, writing) writing;
	unsigned nwriting;
	struct due *due;
	struct gw_timer again;
	bool ended;
	bool failing; /* told so */
	/* What the last run has left, until it is put back. */
	struct gw_stored_reg *left;
	size_t nleft, room;
	struct lent *lent;
	bool reading;
	int read_error;
};

static const struct gw_logctx klog = { .module = "keep" };

/* ---- rows that are not as they should be ---- */

/* Nor is one whose write has not been answered. */
static void count_unkept(const struct gw_keep *k)
{
	gw_metric_set(&m_due, k->nwriting + HASH_COUNT(k->due));
}

static void try_again(struct gw_keep *k)
{
	if (k->due && !gw_timer_running(&k->again))
		(void)gw_timer_start_ms(gw_loop_timers(k->core->loop),
					&k->again, AGAIN_MS);
}

static void be_due(struct gw_keep *k, const char *key)
{
	struct due *d;

	HASH_FIND_STR(k->due, key, d);
	if (d || HASH_COUNT(k->due) >= MAX_DUE)
		return;
	d = calloc(1, sizeof(*d));
	if (!d)
		return;
	(void)snprintf(d->key, sizeof(d->key), "%s", key);
	HASH_ADD_STR(k->due, key, d);
	if (!d->hh.tbl)
		free(d);
	count_unkept(k);
	try_again(k);
}

static void be_done(struct gw_keep *k, struct due *d)
{
	HASH_DEL(k->due, d);
	free(d);
	count_unkept(k);
}

static void not_due(struct gw_keep *k, const char *key)
{
	struct due *d;

	HASH_FIND_STR(k->due, key, d);
	if (d)
		be_done(k, d);
}

/* ---- writing ---- */

static void tell_failed(struct gw_keep *k, int error)
{
	gw_metric_add(&m_failed, 1);
	if (k->failing)
		return;
	k->failing = true;
	gw_warn(&klog,
		"registrations are not stored: %s; a crash would lose them",
		strerror(-error));
}

static void tell_stored(struct gw_keep *k)
{
	gw_metric_add(&m_stored, 1);
	if (k->failing)
		gw_info(&klog, "registrations are stored again");
	k->failing = false;
}

static void on_written(const struct gw_store_answer *a, void *arg)
{
	struct writing *w = arg;
	struct gw_keep *k = w->keep;
	char key[GW_WEB_KEY];
	bool tells = w->tells;

	memcpy(key, w->key, sizeof(key));
	LIST_REMOVE(w, link);
	k->nwriting--;
	free(w);
	/* What is to be forgotten need not have been there. */
	if (a->error && a->error != -ENOENT) {
		tell_failed(k, a->error);
		be_due(k, key);
	} else {
		tell_stored(k);
	}
	count_unkept(k);
	if (tells && k->core->web)
		gw_web_kept(k->core->web, key);
}

static int write_row(struct gw_keep *k, const char *key,
		     struct gw_store_cmd *cmd, bool tells)
{
	struct writing *w = calloc(1, sizeof(*w));
	int err = -ENOMEM;

	if (w) {
		w->keep = k;
		w->tells = tells;
		(void)snprintf(w->key, sizeof(w->key), "%s", key);
		err = gw_store_do(&w->asked, k->core->store, cmd, on_written,
				  w);
	}
	if (err) {
		free(w);
		tell_failed(k, err);
		be_due(k, key);
		return err;
	}
	LIST_INSERT_HEAD(&k->writing, w, link);
	k->nwriting++;
	not_due(k, key);
	count_unkept(k);
	return 0;
}

/* Identities beside the id; the first may have been set. */
static void add_identities(struct gw_stored_reg *row,
			   const struct gw_web_kept *reg)
{
	for (unsigned i = 0; i < reg->nidentity; i++) {
		if (row->nimpu && !strcmp(row->impu[0], reg->identity[i]))
			continue;
		if (row->nimpu < GW_STORE_IMPUS)
			memcpy(row->impu[row->nimpu++], reg->identity[i],
			       sizeof(row->impu[0]));
	}
}

static int put(struct gw_keep *k, const struct gw_web_kept *reg, bool tells)
{
	struct gw_store_cmd cmd = { .verb = GW_ST_REG_PUT };
	struct gw_stored_reg *row = &cmd.reg;
	int err;

	(void)snprintf(row->key, sizeof(row->key), "%s", reg->key);
	memcpy(row->id, reg->id, sizeof(row->id));
	memcpy(row->name, reg->name, sizeof(row->name));
	memcpy(row->credential_sha256, reg->credential_hash,
	       sizeof(row->credential_sha256));
	row->expires_s = reg->expires_s;
	row->lost_s = reg->lost_s;
	row->ttl_s = reg->ttl_s;
	row->configured = reg->configured;
	row->enrol = GW_ENROL_NONE;
	if (k->core->enrols)
		gw_enrol_describe(k->core->enrols, reg->key, row);
	add_identities(row, reg);
	err = write_row(k, reg->key, &cmd, tells);
	explicit_bzero(&cmd, sizeof(cmd));
	return err;
}

static int forget(struct gw_keep *k, const char *key, bool tells)
{
	struct gw_store_cmd cmd = { .verb = GW_ST_REG_DELETE };

	(void)snprintf(cmd.key, sizeof(cmd.key), "%s", key);
	return write_row(k, key, &cmd, tells);
}

/* As the web side has it now: there, or not any more. */
static void write_again(struct gw_keep *k, const char *key)
{
	struct gw_web_kept reg;

	if (gw_web_describe(k->core->web, key, &reg))
		(void)put(k, &reg, false);
	else
		(void)forget(k, key, false);
}

static void on_again(struct gw_timer *t, void *arg)
{
	struct gw_keep *k = arg;
	struct due *d, *next;
	unsigned n = 0;
	char key[GW_WEB_KEY];

	(void)t;
	HASH_ITER(hh, k->due, d, next)
	{
		if (n++ == BATCH_DUE)
			break;
		/* It comes back when it fails at once. */
		memcpy(key, d->key, sizeof(key));
		be_done(k, d);
		write_again(k, key);
	}
	try_again(k);
}

/* ---- what others tell ---- */

int gw_keep_put(const struct gw_web_kept *reg, void *arg)
{
	struct gw_keep *k = ((struct gw_core *)arg)->keep;

	return k->ended ? -ESHUTDOWN : put(k, reg, true);
}

int gw_keep_forget(const char *key, void *arg)
{
	struct gw_keep *k = ((struct gw_core *)arg)->keep;

	return k->ended ? -ESHUTDOWN : forget(k, key, true);
}

void gw_keep_refresh(struct gw_keep *k, const char *key)
{
	struct gw_web_kept reg;

	/* One that is not remembered yet will be, with what it is then. */
	if (k && !k->ended && gw_web_describe(k->core->web, key, &reg))
		(void)put(k, &reg, false);
}

/* ---- what the last run has left ---- */

static int ask_page(struct gw_keep *k, enum gw_store_verb verb,
		    gw_store_h *handler, const char *after)
{
	struct gw_store_cmd cmd = { .verb = verb };
	int err;

	(void)snprintf(cmd.key, sizeof(cmd.key), "%s", after);
	err = gw_store_do(NULL, k->core->store, &cmd, handler, k);
	k->reading = !err;
	return err;
}

static void on_regs(const struct gw_store_answer *a, void *arg)
{
	struct gw_keep *k = arg;
	struct gw_stored_reg *more;

	k->reading = false;
	k->read_error = a->error;
	if (a->error || !a->n)
		return;
	if (k->nleft + a->n > k->room) {
		more = reallocarray(k->left, 2 * (k->room + a->n),
				    sizeof(*more));
		if (!more) {
			k->read_error = -ENOMEM;
			return;
		}
		k->left = more;
		k->room = 2 * (k->room + a->n);
	}
	memcpy(k->left + k->nleft, a->reg, a->n * sizeof(*a->reg));
	k->nleft += a->n;
	if (a->n == GW_STORE_PAGE)
		k->read_error = ask_page(k, GW_ST_REG_LIST, on_regs,
					 a->reg[a->n - 1].key);
}

static int add_lent(struct gw_keep *k, const struct gw_pool_entry *e)
{
	struct lent *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	memcpy(l->impi, e->impi, sizeof(l->impi));
	(void)snprintf(l->holder, sizeof(l->holder), "%s", e->holder);
	HASH_ADD_STR(k->lent, impi, l);
	if (l->hh.tbl)
		return 0;
	free(l);
	return -ENOMEM;
}

static void on_pool(const struct gw_store_answer *a, void *arg)
{
	struct gw_keep *k = arg;

	k->reading = false;
	k->read_error = a->error;
	for (size_t i = 0; i < a->n && !k->read_error; i++) {
		if (a->pool[i].state == GW_POOL_LEASED)
			k->read_error = add_lent(k, &a->pool[i]);
	}
	if (!k->read_error && a->n == GW_STORE_PAGE)
		k->read_error = ask_page(k, GW_ST_POOL_LIST, on_pool,
					 a->pool[a->n - 1].impi);
}

static void read_all(struct gw_keep *k, enum gw_store_verb verb,
		     gw_store_h *handler)
{
	k->read_error = ask_page(k, verb, handler, "");
	while (k->reading)
		gw_loop_step(k->core->loop, 100);
}

static void forget_left(struct gw_keep *k)
{
	struct lent *l, *next;

	HASH_ITER(hh, k->lent, l, next)
	{
		HASH_DEL(k->lent, l);
		free(l);
	}
	if (k->left)
		explicit_bzero(k->left, k->nleft * sizeof(*k->left));
	free(k->left);
	k->left = NULL;
	k->nleft = k->room = 0;
}

int gw_keep_new(struct gw_keep **out, struct gw_core *core)
{
	struct gw_keep *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->core = core;
	LIST_INIT(&k->writing);
	gw_timer_init(&k->again, on_again, k);
	read_all(k, GW_ST_REG_LIST, on_regs);
	if (!k->read_error)
		read_all(k, GW_ST_POOL_LIST, on_pool);
	if (k->read_error) {
		gw_error(&klog,
			 "registrations of the last run cannot be read (%s): "
			 "their clients have to log in anew",
			 strerror(-k->read_error));
		forget_left(k);
	}
	*out = k;
	return 0;
}

static void to_web(struct gw_web_kept *out, const struct gw_stored_reg *row)
{
	memset(out, 0, sizeof(*out));
	(void)snprintf(out->key, sizeof(out->key), "%.*s",
		       (int)sizeof(out->key) - 1, row->key);
	memcpy(out->id, row->id, sizeof(out->id));
	memcpy(out->name, row->name, sizeof(out->name));
	memcpy(out->credential_hash, row->credential_sha256,
	       sizeof(out->credential_hash));
	out->configured = row->configured;
	out->enrolled = row->enrol != GW_ENROL_NONE;
	out->client = row->enrol == GW_ENROL_CLIENT;
	memcpy(out->impi, row->impi, sizeof(out->impi));
	memcpy(out->peer, row->peer, sizeof(out->peer));
	out->expires_s = row->expires_s;
	out->lost_s = row->lost_s;
	out->ttl_s = row->ttl_s;
	for (uint8_t i = 0; i < row->nimpu; i++)
		memcpy(out->identity[out->nidentity++], row->impu[i],
		       sizeof(out->identity[0]));
}

/* How long its client has; 0: too late.  A crash is none of the client's
 * doing, so it has some time even if it asked for less. */
static uint32_t wait_s(const struct gw_keep *k, const struct gw_stored_reg *row)
{
	int64_t now = gw_clock_wall_s();
	uint32_t least = k->core->set->store.resume_s;

	if (row->expires_s <= now || !least)
		return 0;
	if (row->lost_s && row->lost_s <= now)
		return 0;
	if (row->lost_s && row->lost_s - now <= row->ttl_s)
		return (uint32_t)(row->lost_s - now);
	return row->ttl_s > least ? row->ttl_s : least;
}

/* Is it nobody else's identity by now? */
static bool has_identity(const struct gw_keep *k,
			 const struct gw_stored_reg *row)
{
	char id[GW_WEB_IDENTITY];
	struct lent *l;

	if (row->enrol != GW_ENROL_POOL)
		return true;
	HASH_FIND_STR(k->lent, row->impi, l);
	return l && gw_web_identity(id, row->id) && !strcmp(l->holder, id);
}

/* 0, or why it is not put back. */
static int restore_web(struct gw_keep *k, const struct gw_stored_reg *row)
{
	struct gw_web_kept reg;
	uint32_t s = wait_s(k, row);

	if (row->enrol >= GW_NENROL || !has_identity(k, row) ||
	    (row->enrol != GW_ENROL_NONE && !k->core->enrols))
		return -EINVAL;
	if (!s)
		return -ETIME;
	to_web(&reg, row);
	return gw_web_restore(k->core->web, &reg, s);
}

static bool enrolled(const struct gw_keep *k, const struct gw_stored_reg *row)
{
	return k->core->enrols && row->enrol != GW_ENROL_NONE &&
	       row->enrol < GW_NENROL;
}

static int restore(struct gw_keep *k, const struct gw_stored_reg *row)
{
	int err = restore_web(k, row);

	if (err)
		return err;
	gw_metric_add(&m_restored, 1);
	if (enrolled(k, row))
		gw_enrol_resume(k->core->enrols, row, false);
	return 0;
}

static void give_up(struct gw_keep *k, const struct gw_stored_reg *row, int err)
{
	gw_metric_add(err == -ETIME ? &m_expired : &m_unusable, 1);
	gw_info(&klog, "%s is not put back: %s", row->id,
		err == -ETIME ? "its time is over" : strerror(-err));
	(void)forget(k, row->key, false);
	/* The core may believe in it still. */
	if (enrolled(k, row) && has_identity(k, row))
		gw_enrol_resume(k->core->enrols, row, true);
}

void gw_keep_restore(struct gw_keep *k)
{
	size_t over = 0;
	int err;

	if (k->nleft)
		gw_info(&klog,
			"%zu registrations were there when the last run ended",
			k->nleft);
	/* Those that stay come first: endpoints may share a binding. */
	for (size_t i = 0; i < k->nleft; i++) {
		err = restore(k, &k->left[i]);
		if (err && over != i)
			k->left[over] = k->left[i];
		over += err != 0;
	}
	for (size_t i = 0; i < over; i++) {
		err = restore(k, &k->left[i]);
		if (err)
			give_up(k, &k->left[i], err);
	}
	forget_left(k);
	/* Last, so that it knows who has an identity of the pool. */
	if (k->core->enrols)
		gw_enrols_reclaim(k->core->enrols);
}

/* ---- the end ---- */

static void forget_due(struct gw_keep *k)
{
	struct due *d, *next;

	gw_timer_stop(&k->again);
	HASH_ITER(hh, k->due, d, next)
	be_done(k, d);
}

void gw_keep_end(struct gw_keep *k)
{
	const struct gw_store_cmd all = { .verb = GW_ST_REG_DELETE,
					  .flag = true };
	unsigned tries = END_TRIES;
	int err;

	if (!k || k->ended)
		return;
	k->ended = true;
	forget_due(k);
	/* One command: the store would not take as many as there are
	 * registrations. */
	while ((err = gw_store_do(NULL, k->core->store, &all, NULL, NULL)) ==
		       -EAGAIN &&
	       tries--)
		gw_loop_step(k->core->loop, 10);
	if (err)
		gw_warn(&klog, "registrations are not forgotten: the next run "
			       "puts them back");
}

void gw_keep_free(struct gw_keep *k)
{
	struct writing *w;

	if (!k)
		return;
	forget_due(k);
	while ((w = LIST_FIRST(&k->writing))) {
		gw_store_cancel(w->asked);
		LIST_REMOVE(w, link);
		free(w);
	}
	forget_left(k);
	free(k);
}
