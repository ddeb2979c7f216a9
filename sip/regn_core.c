/* The cores: which one lives, and whose turn it is to send REGISTER. */
#include "sip/regn.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/ids.h"
#include "gateway/base/loop.h"
#include "gateway/base/metrics.h"

/* REGISTERs that may go out at once, in parts of a second's worth. */
#define BURST_PART 10
/* Nobody begins while others wait longer than this for their turn. */
#define WAIT_MAX_US 10000000
/* A core that came back is not stormed by those that it has forgotten. */
#define COMEBACK_MIN_MS 2000
/* That a server has forgotten everybody is believed once in so long. */
#define FORGOTTEN_US 60000000ull
#define S_US         1000000ull

GW_GAUGE(m_dead, "isthmus_ims_cores_dead",
	 "Cores that are passed over: they did not answer, or asked for it",
	 "");
GW_COUNTER(m_deaths, "isthmus_ims_core_deaths_total",
	   "Times that a core was found dead", "");

GW_COUNTER(m_forgotten, "isthmus_ims_core_restarts_total",
	   "Times that a core was found to have forgotten its subscriptions",
	   "");

static const struct gw_logctx log_ctx = { .module = "regn" };

static uint64_t now_us(const struct gw_regns *all)
{
	return gw_timers_now_us(gw_loop_timers(all->sip->loop));
}

/* ---- turns ---- */

/* A bucket as a clock (GCRA): turn_us is when the last turn that was given is
 * over. */
uint64_t gw_cores_turn_us(struct gw_regns *all)
{
	uint64_t now = now_us(all),
		 step = S_US / all->sip->set->ims.register_rate;
	uint64_t ahead = S_US / BURST_PART;

	if (all->turn_us < now)
		all->turn_us = now;
	all->turn_us += step;
	return all->turn_us > now + ahead + step
		       ? all->turn_us - now - ahead - step
		       : 0;
}

uint64_t gw_cores_resume_us(struct gw_regns *all)
{
	uint64_t now = now_us(all);

	if (all->resume_us < now)
		all->resume_us = now;
	all->resume_us += 2 * S_US / all->sip->set->ims.register_rate;
	return all->resume_us - now;
}

bool gw_cores_busy(const struct gw_regns *all)
{
	return all->turn_us > now_us(all) + WAIT_MAX_US;
}

uint64_t gw_regn_jitter_ms(uint64_t ms)
{
	return ms / 2 + gw_random_u32() % (ms / 2 + 1);
}

/* ---- life of a core ---- */

static bool is_dead(const struct gw_core *core)
{
	return core->dead_until_us > now_us(core->all);
}

int gw_cores_pick(struct gw_regns *all, unsigned tried)
{
	for (unsigned i = 0; i < all->ncore; i++)
		if (!(tried & 1u << i) && !is_dead(&all->core[i]))
			return (int)i;
	return -1;
}

uint32_t gw_cores_wait_s(const struct gw_regns *all)
{
	uint64_t now = now_us(all), first = UINT64_MAX;

	for (unsigned i = 0; i < all->ncore; i++)
		if (all->core[i].dead_until_us < first)
			first = all->core[i].dead_until_us;
	return all->ncore && first > now
		       ? (uint32_t)((first - now + S_US - 1) / S_US)
		       : 0;
}

static void not_out(struct gw_core *core)
{
	if (gw_timer_running(&core->out))
		gw_metric_add(&m_dead, -1);
	gw_timer_stop(&core->out);
}

/* It is asked again, dead or not. */
static void on_out_over(struct gw_timer *t, void *arg)
{
	struct gw_core *core = arg;

	(void)t;
	gw_metric_add(&m_dead, -1);
	gw_debug(&log_ctx, "core %s is asked again", core->uri);
}

static void be_out(struct gw_core *core, uint32_t for_s)
{
	not_out(core);
	if (!gw_timer_start_ms(gw_loop_timers(core->all->sip->loop), &core->out,
			       for_s * 1000ull))
		gw_metric_add(&m_dead, 1);
}

/* A reload may have taken it away. */
static bool in_use(const struct gw_core *core)
{
	return core < core->all->core + core->all->ncore;
}

void gw_core_is_dead(struct gw_core *core, uint32_t for_s, const char *why)
{
	if (!in_use(core))
		return;
	if (!core->dead_until_us) {
		gw_metric_add(&m_deaths, 1);
		gw_warn(&log_ctx, "core %s is out for %u s: %s", core->uri,
			for_s, why);
	}
	core->dead_until_us = now_us(core->all) + for_s * S_US;
	be_out(core, for_s);
}

/* Those that a core may have forgotten ask it again, at their own times, and no
 * faster than it is allowed. */
static void spread(struct gw_regns *all, struct gw_regn *r)
{
	uint64_t many = HASH_CNT(of_token, all->by_token);
	uint64_t window_ms = COMEBACK_MIN_MS +
			     many * 2000 / all->sip->set->ims.register_rate;

	if (r->state == GW_RST_UP)
		gw_regn_sooner(r, gw_random_u32() % window_ms);
}

static void come_back(struct gw_core *core)
{
	struct gw_regns *all = core->all;
	struct gw_regn *r, *tmp;

	HASH_ITER(of_token, all->by_token, r, tmp)
	{
		if (&all->core[r->core] == core)
			spread(all, r);
	}
}

void gw_regns_forgotten(struct gw_regn *by)
{
	struct gw_regns *all = by->all;
	struct gw_regn *r, *tmp;
	uint64_t now = now_us(all);

	gw_regn_sooner(by, 0);
	if (!by->service_route ||
	    (all->forgotten_us && now < all->forgotten_us + FORGOTTEN_US))
		return;
	all->forgotten_us = now;
	gw_metric_add(&m_forgotten, 1);
	gw_warn(&log_ctx,
		"%s has forgotten what it told us: all that are "
		"registered there ask again",
		by->service_route);
	HASH_ITER(of_token, all->by_token, r, tmp)
	{
		if (r->service_route &&
		    !strcmp(r->service_route, by->service_route))
			spread(all, r);
	}
}

void gw_core_is_alive(struct gw_core *core)
{
	if (!core->dead_until_us || !in_use(core))
		return;
	core->dead_until_us = 0;
	not_out(core);
	gw_info(&log_ctx, "core %s is back", core->uri);
	come_back(core);
}

/* ---- probes ---- */

static void again(struct gw_core *core)
{
	const struct gw_set_ims *set = &core->all->sip->set->ims;

	if (set->probe_s)
		(void)gw_timer_start_ms(gw_loop_timers(core->all->sip->loop),
					&core->timer, set->probe_s * 1000ull);
}

static void on_probe_time(struct gw_timer *t, void *arg)
{
	struct gw_core *core = arg;
	struct gw_regns *all = core->all;
	char from[160], id[23];
	const struct gw_regn_rq rq = {
		.uri = core->uri,
		.next_hop = core->uri,
		.from = from,
		.to = core->uri,
		.call_id = id,
		.cseq = 1,
	};

	(void)t;
	if (core->probe) {
		gw_regn_nta_drop(&core->probe);
		gw_core_is_dead(core, all->sip->set->ims.dead_s,
				"OPTIONS not answered");
	}
	gw_random_token(id, sizeof(id), 22);
	if (!gw_stack_contact(all->sip, from, sizeof(from), core->uri, NULL,
			      false))
		(void)gw_regn_nta_probe(core, &rq);
	again(core);
}

/* Any answer but "not now" says that somebody is there. */
void gw_core_on_probe(struct gw_core *core, int status)
{
	if (status == 503 || status == 408)
		gw_core_is_dead(core, core->all->sip->set->ims.dead_s,
				"OPTIONS failed");
	else
		gw_core_is_alive(core);
}

void gw_cores_start(struct gw_regns *all)
{
	const struct gw_set_ims *set = &all->sip->set->ims;

	all->ncore = set->enabled ? (unsigned)set->ncore : 0;
	for (unsigned i = 0; i < all->ncore; i++) {
		struct gw_core *core = &all->core[i];

		*core = (struct gw_core){ .all = all };
		(void)snprintf(core->uri, sizeof(core->uri), "%s",
			       set->core[i]);
		gw_timer_init(&core->timer, on_probe_time, core);
		gw_timer_init(&core->out, on_out_over, core);
		again(core);
	}
}

void gw_cores_stop(struct gw_regns *all)
{
	for (unsigned i = 0; i < all->ncore; i++) {
		gw_timer_stop(&all->core[i].timer);
		gw_regn_nta_drop(&all->core[i].probe);
		not_out(&all->core[i]);
	}
	all->ncore = 0;
}
