#include "webrtc/txn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct kept {
	TAILQ_ENTRY(kept) link;
	uint64_t id;
	uint64_t at_ms; /* answered at */
	char *response; /* NULL: still being worked on */
	size_t len;
};

struct our {
	TAILQ_ENTRY(our) link;
	struct gw_txn_our o;
};

struct gw_txn {
	uint64_t our_next, peer_next;
	bool our_end, peer_end;           /* the 64 bits are used up */
	TAILQ_HEAD(kept_list, kept) kept; /* oldest first */
	size_t nkept, bytes;
	TAILQ_HEAD(our_list, our) our;
	size_t nour;
};

int gw_txn_new(struct gw_txn **out, bool we_opened)
{
	struct gw_txn *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->our_next = we_opened ? 0 : 1;
	t->peer_next = we_opened ? 1 : 0;
	TAILQ_INIT(&t->kept);
	TAILQ_INIT(&t->our);
	*out = t;
	return 0;
}

static void forget(struct gw_txn *t, struct kept *k)
{
	TAILQ_REMOVE(&t->kept, k, link);
	t->nkept--;
	t->bytes -= k->len;
	free(k->response);
	free(k);
}

void gw_txn_free(struct gw_txn *t)
{
	struct our *o;

	if (!t)
		return;
	while (!TAILQ_EMPTY(&t->kept))
		forget(t, TAILQ_FIRST(&t->kept));
	while ((o = TAILQ_FIRST(&t->our))) {
		TAILQ_REMOVE(&t->our, o, link);
		free(o);
	}
	free(t);
}

/* Answered ones only: a pending one must still be answered exactly once. */
static void purge(struct gw_txn *t, uint64_t now_ms)
{
	struct kept *k = TAILQ_FIRST(&t->kept);

	while (k) {
		struct kept *next = TAILQ_NEXT(k, link);
		bool over = t->nkept > GW_TXN_MAX_KEPT ||
			    t->bytes > GW_TXN_MAX_BYTES;

		if (k->response) {
			if (!over && now_ms - k->at_ms < GW_TXN_KEEP_MS)
				return;
			forget(t, k);
		}
		k = next;
	}
}

static struct kept *find(struct gw_txn *t, uint64_t id)
{
	struct kept *k;

	TAILQ_FOREACH_REVERSE(k, &t->kept, kept_list, link)
	{
		if (k->id == id)
			return k;
	}
	return NULL;
}

enum gw_txn_verdict gw_txn_request(struct gw_txn *t, uint64_t id,
				   uint64_t now_ms, const char **response,
				   size_t *len)
{
	struct kept *k;

	if ((id & 1) != (t->peer_next & 1))
		return GW_TXN_PARITY;

	purge(t, now_ms);
	if (t->peer_end || id < t->peer_next) {
		k = find(t, id);
		if (!k)
			return GW_TXN_GONE;
		if (!k->response)
			return GW_TXN_PENDING;
		*response = k->response;
		*len = k->len;
		return GW_TXN_REPEAT;
	}
	if (id != t->peer_next)
		return GW_TXN_SKIPPED;

	if (t->peer_next > UINT64_MAX - 2)
		t->peer_end = true;
	else
		t->peer_next += 2;
	k = calloc(1, sizeof(*k));
	if (k) { /* without memory a retransmission will be GONE */
		k->id = id;
		k->at_ms = now_ms;
		TAILQ_INSERT_TAIL(&t->kept, k, link);
		t->nkept++;
	}
	return GW_TXN_NEW;
}

int gw_txn_answer(struct gw_txn *t, uint64_t id, const char *response,
		  size_t len, uint64_t now_ms)
{
	struct kept *k = find(t, id);

	if (!k)
		return -ENOMEM;
	k->response = malloc(len + 1);
	if (!k->response) {
		forget(t, k);
		return -ENOMEM;
	}
	memcpy(k->response, response, len);
	k->response[len] = '\0';
	k->len = len;
	k->at_ms = now_ms;
	t->bytes += len;
	purge(t, now_ms);
	return 0;
}

int gw_txn_open(struct gw_txn *t, uint64_t subject, uint32_t what,
		uint64_t due_ms, uint64_t *id)
{
	struct our *o;

	if (t->our_end)
		return -EOVERFLOW;
	if (t->nour >= GW_TXN_MAX_OUR)
		return -ENOSPC;
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;

	o->o = (struct gw_txn_our){ .id = t->our_next,
				    .subject = subject,
				    .what = what,
				    .due_ms = due_ms };
	TAILQ_INSERT_TAIL(&t->our, o, link);
	t->nour++;
	*id = t->our_next;
	if (t->our_next > UINT64_MAX - 2)
		t->our_end = true;
	else
		t->our_next += 2;
	return 0;
}

static void take(struct gw_txn *t, struct our *o, struct gw_txn_our *out)
{
	*out = o->o;
	TAILQ_REMOVE(&t->our, o, link);
	t->nour--;
	free(o);
}

int gw_txn_close(struct gw_txn *t, uint64_t id, struct gw_txn_our *out)
{
	struct our *o;

	TAILQ_FOREACH(o, &t->our, link)
	{
		if (o->o.id == id) {
			take(t, o, out);
			return 0;
		}
	}
	return -ENOENT;
}

bool gw_txn_expired(struct gw_txn *t, uint64_t now_ms, struct gw_txn_our *out)
{
	struct our *o;

	TAILQ_FOREACH(o, &t->our, link)
	{
		if (o->o.due_ms <= now_ms) {
			take(t, o, out);
			return true;
		}
	}
	return false;
}

uint64_t gw_txn_next_due_ms(const struct gw_txn *t)
{
	uint64_t due = UINT64_MAX;
	const struct our *o = NULL;

	TAILQ_FOREACH(o, &t->our, link)
	{
		if (o->o.due_ms < due)
			due = o->o.due_ms;
	}
	return due;
}

size_t gw_txn_kept(const struct gw_txn *t, size_t *bytes)
{
	*bytes = t->bytes;
	return t->nkept;
}
