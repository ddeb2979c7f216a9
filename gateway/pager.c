#include "gateway/pager.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/base/timers.h"
#include "gateway/core.h"
#include "gateway/route.h"

#define UNDER_WAY_MAX 8192
/* Above what either side waits for its own answers: timer F of RFC 3261, and
 * the 10 s that a client has. */
#define ANSWER_MS 34000

#define TOTAL "isthmus_messages_total"
#define HELP  "Messages of text, by where they go and what became of them"
GW_COUNTER(m_core_ok, TOTAL, HELP, "to=\"core\",result=\"delivered\"");
GW_COUNTER(m_core_no, TOTAL, HELP, "to=\"core\",result=\"failed\"");
GW_COUNTER(m_web_ok, TOTAL, HELP, "to=\"web\",result=\"delivered\"");
GW_COUNTER(m_web_no, TOTAL, HELP, "to=\"web\",result=\"failed\"");
GW_COUNTER(m_refused, TOTAL, HELP, "to=\"nobody\",result=\"failed\"");

static const struct gw_logctx log_ctx = { .module = "pager" };

/* A message that was handed on and is not answered yet. */
struct page {
	uint64_t id;
	struct gw_pager *pager;
	bool from_sip, to_core;
	unsigned waiting;     /* endpoints that have not answered */
	struct gw_cause best; /* of those that have */
	char text[128];
	uint64_t ask; /* its name at the front end that it came from */
	struct gw_timer timer;
	UT_hash_handle hh;
};

struct gw_pager {
	struct gw_core *core;
	struct page *pages;
	unsigned n;
	uint64_t last;
};

int gw_pager_new(struct gw_pager **out, struct gw_core *core)
{
	struct gw_pager *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->core = core;
	*out = p;
	return 0;
}

static void forget(struct page *page)
{
	struct gw_pager *p = page->pager;

	HASH_DEL(p->pages, page);
	p->n--;
	gw_timer_stop(&page->timer);
	free(page);
}

void gw_pager_free(struct gw_pager *p)
{
	if (!p)
		return;
	while (p->pages)
		forget(p->pages);
	free(p);
}

/* To the front end that it came from; the other may be gone by now. */
static void answer(struct gw_core *core, bool from_sip, uint64_t ask,
		   const struct gw_cause *cause)
{
	if (from_sip && core->sip)
		gw_sip_message_answer(core->sip, ask, cause);
	else if (!from_sip && core->web)
		gw_web_message_answer(core->web, ask, cause);
}

static void done(struct page *page, const struct gw_cause *cause)
{
	struct gw_core *core = page->pager->core;
	bool ok = cause->status < 300, from_sip = page->from_sip;
	uint64_t ask = page->ask;

	if (page->to_core)
		gw_metric_add(ok ? &m_core_ok : &m_core_no, 1);
	else
		gw_metric_add(ok ? &m_web_ok : &m_web_no, 1);
	gw_info(&log_ctx, "message %llu %s: %u", (unsigned long long)page->id,
		ok ? "delivered" : "not delivered", cause->status);
	forget(page);
	answer(core, from_sip, ask, cause);
}

/* RFC 3261 16.7: a 6xx first; who declines says more than who is not there. */
static unsigned rank(uint16_t status)
{
	if (status >= 600)
		return 0;
	return status == 408 || status == 480 ? 2 : 1;
}

static void keep_best(struct page *page, const struct gw_cause *cause)
{
	if (page->best.status && rank(cause->status) >= rank(page->best.status))
		return;
	page->best = *cause;
	(void)snprintf(page->text, sizeof(page->text), "%s",
		       cause->text ? cause->text : "");
	page->best.text = page->text[0] ? page->text : NULL;
}

/* Nobody took it. */
static void end_of(struct page *page)
{
	struct gw_cause best = page->best;
	char text[sizeof(page->text)];

	memcpy(text, page->text, sizeof(text));
	best.text = text[0] ? text : NULL;
	done(page, &best); /* frees it */
}

void gw_pager_done(uint64_t id, const struct gw_cause *cause, void *arg)
{
	struct gw_core *core = arg;
	struct page *page;

	if (!core->pager)
		return;
	HASH_FIND(hh, core->pager->pages, &id, sizeof(id), page);
	if (!page)
		return; /* another endpoint was quicker */
	if (page->waiting)
		page->waiting--;
	if (cause->status < 300) {
		done(page, cause);
		return;
	}
	keep_best(page, cause);
	if (!page->waiting)
		end_of(page);
}

static void on_timeout(struct gw_timer *t, void *arg)
{
	const struct gw_cause cause = { .status = 408, .text = "no answer" };
	struct page *page = arg;

	(void)t;
	/* An endpoint that went away never answers: what others said counts. */
	keep_best(page, &cause);
	end_of(page);
}

static struct page *new_page(struct gw_pager *p, uint64_t ask, bool from_sip)
{
	struct page *page;

	if (p->n >= UNDER_WAY_MAX)
		return NULL;
	page = calloc(1, sizeof(*page));
	if (!page)
		return NULL;
	page->id = ++p->last;
	page->pager = p;
	page->from_sip = from_sip;
	page->ask = ask;
	gw_timer_init(&page->timer, on_timeout, page);
	HASH_ADD(hh, p->pages, id, sizeof(page->id), page);
	p->n++;
	(void)gw_timer_start_ms(gw_loop_timers(p->core->loop), &page->timer,
				ANSWER_MS);
	return page;
}

/* Who it is for; a status when it can be nobody. */
static unsigned choose(struct gw_core *core, const struct gw_message *m,
		       bool from_sip, bool *to_core, const char **why)
{
	const struct gw_set_emergency *set = &core->set->emergency;
	char urn[GW_EMERGENCY_URN_SIZE];
	struct gw_route route;

	*why = "the emergency services read no messages";
	if (m->to && gw_emergency_find(urn, set->number, set->nnumber, m->to))
		return 403;
	*why = NULL;
	if (core->draining || !core->web) {
		*why = "the gateway is going down";
		return 503;
	}
	route = gw_route_find(core->set, core->web, m->to, from_sip,
			      m->registration);
	switch (route.leg) {
	case GW_ROUTE_USER:
		*to_core = false;
		return 0;
	case GW_ROUTE_CORE:
		*to_core = true;
		return core->sip ? 0 : 404;
	case GW_ROUTE_REFUSE:
		*why = route.why;
		return route.status;
	case GW_ROUTE_ECHO:
		break;
	}
	*why = "it takes no messages";
	return 404;
}

static void refuse(struct gw_core *core, uint64_t ask, bool from_sip,
		   unsigned status, uint16_t retry_after_s, const char *why)
{
	const struct gw_cause cause = { .status = (uint16_t)status,
					.retry_after_s = retry_after_s,
					.text = why };

	gw_metric_add(&m_refused, 1);
	gw_info(&log_ctx, "message from %s refused: %u%s%s",
		from_sip ? "SIP" : "a client", status, why ? ", " : "",
		why ? why : "");
	answer(core, from_sip, ask, &cause);
}

static void carry(struct gw_core *core, uint64_t ask,
		  const struct gw_message *m, bool from_sip)
{
	struct gw_message out = *m;
	const char *why;
	bool to_core = false;
	unsigned status = choose(core, m, from_sip, &to_core, &why);
	struct page *pg;
	uint64_t id;
	int copies;

	if (status) {
		refuse(core, ask, from_sip, status, status == 503 ? 30 : 0,
		       why);
		return;
	}
	pg = new_page(core->pager, ask, from_sip);
	if (!pg) {
		refuse(core, ask, from_sip, 503, 5, "too many messages");
		return;
	}
	pg->to_core = to_core;
	id = pg->id;
	/* A key is of the side that it came from, as with calls. */
	if (to_core == from_sip)
		out.registration = NULL;
	gw_info(&log_ctx, "message %llu, %zu bytes, from %s to %s",
		(unsigned long long)id, m->len, from_sip ? "SIP" : "a client",
		m->to);
	copies = to_core ? gw_sip_message_send(core->sip, id, &out)
			 : gw_web_message_send(core->web, id, &out);
	if (copies >= 0) {
		/* None has answered yet: that never comes from inside. */
		pg->waiting = to_core ? 1 : (unsigned)copies;
		return;
	}
	forget(pg);
	refuse(core, ask, from_sip, copies == -ENOMEM ? 500 : 480,
	       copies == -EBUSY ? 10 : 0,
	       copies == -EBUSY ? "too many messages for it" : "not connected");
}

void gw_pager_from_web(uint64_t ask, const struct gw_message *m, void *arg)
{
	carry(arg, ask, m, false);
}

void gw_pager_from_sip(uint64_t ask, const struct gw_message *m, void *arg)
{
	carry(arg, ask, m, true);
}
