/*
 * Where a relay's core is full: the most calls whose packets all come in time,
 * and the most set-ups a second.  One process is asked more and less: up by
 * quarters until it fails, then halves between, to four percent.
 */
#include "tests/bench/load.h"

#include <stdio.h>
#include <string.h>

#define SECOND_US 1000000ull
#define LATE_US   20000  /* p99 of packets */
#define SLOW_US   500000 /* p99 of set-ups */
/* Above this the load itself may be what is late. */
#define LOAD_FULL 0.93
#define MOST_RATE 5000
/* Others had so much of a core, or it was not full and yet late: no judge. */
#define DISTURBED   0.08
#define NOT_FULL    0.80
#define TRIES       3
#define AGAIN       2
#define PATIENCE_US (45 * SECOND_US) /* and no search lasts for ever */

struct probe {
	bool good;
	unsigned at;
	double cpu, load;    /* shares of a core */
	double foreign;      /* and what others took of one */
	uint64_t p99_us;     /* the worse direction, or of set-ups */
	unsigned failed;     /* calls that did not come up */
	double lost, unsent; /* shares of what was to be sent */
};

typedef void(probe_h)(struct load *l, unsigned at, struct probe *p);

static bool disturbed(const struct probe *p)
{
	return p->at && !p->good &&
	       (p->foreign >= DISTURBED || p->cpu < NOT_FULL);
}

static void log_probe(const struct probe *p)
{
	(void)fprintf(
		stderr,
		"%u: %s, p99 %.1f ms, core %.0f %%, load %.0f %%, "
		"others %.0f %%, %u failed, lost %.1f %%, unsent %.1f %%\n",
		p->at, p->good ? "good" : "too many", (double)p->p99_us / 1e3,
		p->cpu * 100, p->load * 100, p->foreign * 100, p->failed,
		p->lost * 100, p->unsent * 100);
}

static void print_found(const struct probe *good, const struct probe *bad,
			bool by_load)
{
	(void)printf("{\"found\":%u,\"cpu\":%.3f,\"load_cpu\":%.3f,"
		     "\"p99\":%llu,\"first_bad\":%u,\"bad_cpu\":%.3f,"
		     "\"bad_load_cpu\":%.3f,\"foreign\":%.3f,\"disturbed\":%s,"
		     "\"limited\":%s,"
		     "\"failed\":%u}\n",
		     good->at, good->cpu, good->load,
		     (unsigned long long)good->p99_us, bad->at, bad->cpu,
		     bad->load, bad->foreign, disturbed(bad) ? "true" : "false",
		     by_load ? "true" : "false", bad->failed);
}

/* What others spoil is asked again, until @end_us. */
static struct probe ask(struct load *l, unsigned at, probe_h *probe,
			uint64_t end_us)
{
	struct probe p;

	for (unsigned n = 0; n < TRIES; n++) {
		p = (struct probe){ .at = at };
		probe(l, at, &p);
		log_probe(&p);
		if (!disturbed(&p) || load_now_us() > end_us)
			break;
	}
	return p;
}

/* What to ask next; 0: it is known well enough. */
static unsigned next(unsigned good, unsigned bad, unsigned most)
{
	if (!bad)
		return good < most / 5 * 4 ? good * 5 / 4 + 1
		       : good < most       ? most
					   : 0;
	if (!good)
		return bad > 10 ? bad * 4 / 5 : 0;
	if (bad - good > 1 && (bad - good) * 25 > bad)
		return (good + bad) / 2;
	return 0;
}

static void find(struct load *l, unsigned from, unsigned most, probe_h *probe)
{
	struct probe good = { 0 }, bad = { 0 }, p;
	const uint64_t end_us = load_now_us() + PATIENCE_US;
	unsigned at = from, again = 0;

	while (at) {
		p = ask(l, at, probe, end_us);
		*(p.good ? &good : &bad) = p;
		at = next(good.at, bad.at, most);
		/* A limit that others made is none: upwards once more. */
		if (!at && good.at && disturbed(&bad) && again++ < AGAIN &&
		    load_now_us() < end_us) {
			bad = (struct probe){ 0 };
			at = next(good.at, 0, most);
		}
	}
	/* What failed here was asked too much: that is the answer. */
	l->failed = 0;
	print_found(&good, &bad,
		    bad.load > LOAD_FULL || bad.unsent > 0.02 || !bad.at);
}

/* ---- calls ---- */

/* Silence while they come and go: that is not what is asked here. */
static bool bring_to(struct load *l, unsigned calls)
{
	uint64_t begin = load_now_us(), end;
	unsigned started = 0, at = 0, missing = 0;

	for (unsigned i = 0; i < calls; i++)
		missing += l->call[i].state == CALL_IDLE;
	end = begin + missing * SECOND_US / l->opt.rate + 10 * SECOND_US;
	while (l->up < calls && !l->failed && load_now_us() < end) {
		l->now_us = load_now_us();
		for (; at < calls &&
		       (l->now_us - begin) * l->opt.rate >= started * SECOND_US;
		     at++)
			if (l->call[at].state == CALL_IDLE) {
				call_offer(l, &l->call[at]);
				started++;
			}
		load_turn(l);
	}
	return l->up == calls;
}

static void probe_calls(struct load *l, unsigned calls, struct probe *p)
{
	struct window w;
	uint64_t want;

	l->mute = true;
	l->failed = 0;
	load_run(l, SECOND_US / 2); /* what queues hold passes */
	(void)load_delete_from(l, calls);
	p->good = bring_to(l, calls);
	p->failed = calls - l->up;
	l->mute = false;
	load_run(l, SECOND_US);
	window_open(l, &w);
	load_run(l, l->opt.seconds * SECOND_US);
	window_close(l, &w);
	want = (uint64_t)(w.seconds * 100 * calls);
	p->cpu = w.cpu / w.seconds;
	p->load = w.own / w.seconds;
	p->foreign = w.foreign;
	p->p99_us = delays_at(&l->to_phone, 0.99);
	if (delays_at(&l->to_web, 0.99) > p->p99_us)
		p->p99_us = delays_at(&l->to_web, 0.99);
	p->lost = w.sent ? 1 - (double)w.got / (double)w.sent : 1;
	p->unsent = 1 - (double)w.sent / (double)want;
	p->good = p->good && p->p99_us < LATE_US && p->lost < 0.01 &&
		  p->unsent < 0.02;
}

void find_calls(struct load *l)
{
	l->opt.media = true;
	find(l, l->opt.find_calls, l->opt.most ? l->opt.most : l->ncall,
	     probe_calls);
}

/* ---- set-ups a second ---- */

static struct call *idle_call(struct load *l, unsigned *at)
{
	for (unsigned n = 0; n < l->ncall; n++) {
		struct call *c = &l->call[(*at)++ % l->ncall];

		if (c->state == CALL_IDLE)
			return c;
	}
	return NULL;
}

/* Each call is released as soon as it is up. */
static bool set_up_for(struct load *l, unsigned rate, uint64_t us)
{
	uint64_t begin = load_now_us();
	unsigned started = 0, at = 0;
	struct call *c;

	while (load_now_us() < begin + us) {
		l->now_us = load_now_us();
		while ((l->now_us - begin) * rate >= started * SECOND_US) {
			c = idle_call(l, &at);
			if (!c)
				return false;
			call_offer(l, c);
			started++;
		}
		load_turn(l);
		for (unsigned i = 0; l->up && i < l->ncall; i++)
			if (l->call[i].state == CALL_UP)
				call_delete(l, &l->call[i]);
	}
	return true;
}

static void probe_rate(struct load *l, unsigned rate, struct probe *p)
{
	struct window w;

	l->failed = 0;
	p->good = set_up_for(l, rate, SECOND_US);
	memset(&l->setup, 0, sizeof(l->setup));
	window_open(l, &w);
	p->good = p->good && set_up_for(l, rate, l->opt.seconds * SECOND_US);
	window_close(l, &w);
	p->cpu = w.cpu / w.seconds;
	p->load = w.own / w.seconds;
	p->foreign = w.foreign;
	p->p99_us = delays_at(&l->setup, 0.99);
	/* A queue that grows has not been heard of yet. */
	p->unsent = 0;
	p->good = p->good && l->setup.count >= w.seconds * rate * 0.97 &&
		  p->p99_us < SLOW_US && !l->failed;
	p->failed = l->failed;
	(void)load_delete_from(l, 0);
	load_run(l, SECOND_US / 2);
}

void find_rate(struct load *l)
{
	l->opt.media = false;
	find(l, l->opt.find_rate, l->opt.most ? l->opt.most : MOST_RATE,
	     probe_rate);
}
