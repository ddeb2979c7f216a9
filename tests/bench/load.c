/* load.c - see load.h.  Prints one JSON object of what was measured. */
#include "tests/bench/load.h"

#include <assert.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECOND_US 1000000ull

static void drain_control(struct load *l)
{
	static char data[16384];
	ssize_t n;

	while (l->control >= 0 &&
	       (n = recv(l->control, data, sizeof(data) - 1, 0)) > 0) {
		data[n] = '\0';
		call_control(l, data, (size_t)n);
	}
}

void load_turn(struct load *l)
{
	struct pollfd fds[3 + DAEMON_FDS] = {
		{.fd = l->web,      .events = POLLIN},
		{ .fd = l->phone,   .events = POLLIN},
		{ .fd = l->control, .events = POLLIN},
	};
	int n = 3;

	if (l->opt.daemon)
		n += daemon_fds(fds + 3);
	(void)poll(fds, (nfds_t)n, 1);
	l->now_us = load_now_us();
	if (l->opt.daemon)
		daemon_turn(l, fds + 3);
	else
		drain_control(l);
	wire_drain(l, true);
	wire_drain(l, false);
	if (l->opt.media && !l->mute)
		wire_talk(l);
	if (l->now_us < l->next_step_us)
		return;
	l->next_step_us = l->now_us + 5000;
	for (unsigned i = 0; i < l->ncall; i++)
		call_step(l, &l->call[i]);
}

void load_run(struct load *l, uint64_t us)
{
	for (uint64_t end = load_now_us() + us; load_now_us() < end;)
		load_turn(l);
}

static void set_up_all(struct load *l)
{
	uint64_t begin = load_now_us();
	unsigned started = 0;

	while (l->up + l->failed < l->opt.calls) {
		l->now_us = load_now_us();
		while (started < l->opt.calls &&
		       (l->now_us - begin) * l->opt.rate >= started * SECOND_US)
			call_offer(l, &l->call[started++]);
		load_turn(l);
	}
}

/* Calls that come and go beside the others; each lives for half a second. */
static void churn(struct load *l, uint64_t begin, unsigned *started)
{
	for (unsigned i = l->opt.calls; i < l->ncall; i++) {
		struct call *c = &l->call[i];

		if (c->state == CALL_UP && l->now_us > c->began_us + 500000)
			call_delete(l, c);
		if (c->state == CALL_IDLE &&
		    (l->now_us - begin) * l->opt.churn >=
			    *started * SECOND_US) {
			(*started)++;
			call_offer(l, c);
		}
	}
}

bool load_delete_from(struct load *l, unsigned first)
{
	bool left = true;

	for (unsigned i = first; i < l->ncall; i++)
		if (l->call[i].state != CALL_IDLE &&
		    l->call[i].state != CALL_DELETED)
			call_delete(l, &l->call[i]);
	for (uint64_t end = load_now_us() + 5 * SECOND_US;
	     left && load_now_us() < end;) {
		load_turn(l);
		left = false;
		for (unsigned i = first; i < l->ncall; i++)
			left |= l->call[i].state != CALL_IDLE;
	}
	return !left;
}

/* What was released is not yet gone when the release is answered: until the
 * relay rests, or for five seconds. */
static void until_quiet(struct load *l)
{
	uint64_t end = load_now_us() + 5 * SECOND_US;
	unsigned quiet = 0;

	load_run(l, SECOND_US);
	while (quiet < 3 && load_now_us() < end) {
		double cpu = load_cpu_of(l->opt.pid);

		load_run(l, 100000);
		quiet = load_cpu_of(l->opt.pid) - cpu < 0.002 ? quiet + 1 : 0;
	}
}

void window_open(struct load *l, struct window *w)
{
	memset(&l->to_phone, 0, sizeof(l->to_phone));
	memset(&l->to_web, 0, sizeof(l->to_web));
	w->sent = l->sent_web + l->sent_phone;
	w->got = l->got_web + l->got_phone;
	w->own = load_cpu_of((unsigned)getpid()) + load_cpu_of(l->opt.beside);
	w->cpu = load_cpu_of(l->opt.pid);
	w->busy[0] = load_core_busy(l->opt.core);
	w->busy[1] = load_core_busy((unsigned)sched_getcpu());
	w->begin_us = load_now_us();
}

void window_close(const struct load *l, struct window *w)
{
	w->seconds = (double)(load_now_us() - w->begin_us + 1) / 1e6;
	w->cpu = load_cpu_of(l->opt.pid) - w->cpu;
	w->own = load_cpu_of((unsigned)getpid()) + load_cpu_of(l->opt.beside) -
		 w->own;
	w->busy[0] = load_core_busy(l->opt.core) - w->busy[0] - w->cpu;
	w->busy[1] =
		load_core_busy((unsigned)sched_getcpu()) - w->busy[1] - w->own;
	w->foreign = (w->busy[0] > w->busy[1] ? w->busy[0] : w->busy[1]) /
		     w->seconds;
	w->sent = l->sent_web + l->sent_phone - w->sent;
	w->got = l->got_web + l->got_phone - w->got;
}

static void print_window(const struct load *l, const struct window *w,
			 unsigned live)
{
	(void)printf(
		"\"seconds\":%.2f,\"sent\":%llu,\"got\":%llu,\"bad\":%llu,",
		w->seconds, (unsigned long long)w->sent,
		(unsigned long long)w->got, (unsigned long long)l->bad);
	(void)printf("\"cpu_s\":%.4f,\"us_a_packet\":%.3f,\"load_cpu\":%.3f,",
		     w->cpu, w->got ? w->cpu * 1e6 / (double)w->got : 0.0,
		     w->own / w->seconds);
	(void)printf("\"foreign\":%.3f,\"idle_us_a_call\":%.2f,", w->foreign,
		     live ? w->cpu * 1e6 / live / w->seconds : 0.0);
	delays_print("to_phone", &l->to_phone);
	delays_print("to_web", &l->to_web);
	delays_print("setup", &l->setup);
}

/* The first call of a process loads code and grows tables for all others: it is
 * no part of what a call costs. */
static void warm_up(struct load *l)
{
	l->now_us = load_now_us();
	call_offer(l, &l->call[0]);
	while (!l->up && !l->failed)
		load_turn(l);
	load_run(l, SECOND_US);
	(void)load_delete_from(l, 0);
	until_quiet(l);
	memset(&l->setup, 0, sizeof(l->setup));
}

static void measure(struct load *l)
{
	unsigned started = 0, live;
	double cpu0, cpu1;
	struct window w;
	long rss0, rss1;

	if (l->opt.warm)
		warm_up(l);
	cpu0 = load_cpu_of(l->opt.pid);
	rss0 = load_rss_kb(l->opt.pid);

	set_up_all(l);
	cpu1 = load_cpu_of(l->opt.pid);
	/* Let the first packets and the handshakes' last timers pass. */
	if (l->opt.seconds)
		load_run(l, SECOND_US);
	live = l->up;
	window_open(l, &w);
	while (load_now_us() < w.begin_us + l->opt.seconds * SECOND_US) {
		load_turn(l);
		if (l->opt.churn)
			churn(l, w.begin_us, &started);
	}
	window_close(l, &w);
	rss1 = load_rss_kb(l->opt.pid);
	(void)printf("{\"calls\":%u,\"up\":%u,\"failed\":%u,\"churned\":%u,"
		     "\"setup_cpu_ms\":%.4f,",
		     l->opt.calls, live, l->failed, started,
		     (cpu1 - cpu0) * 1e3 / l->opt.calls);
	print_window(l, &w, live);
	(void)load_delete_from(l, 0);
	if (!l->opt.seconds || l->opt.after)
		until_quiet(l);
	cpu1 = load_cpu_of(l->opt.pid);
	load_run(l, l->opt.after * SECOND_US);
	(void)printf("\"whole_cpu_ms\":%.4f,\"rss_kb\":[%ld,%ld,%ld],"
		     "\"rss_kb_a_call\":%.1f}\n",
		     (cpu1 - cpu0 - w.cpu) * 1e3 / l->opt.calls, rss0, rss1,
		     load_rss_kb(l->opt.pid),
		     live ? (double)(rss1 - rss0) / live : 0.0);
}

enum kind { TEXT, NUMBER, FLAG };

static const struct {
	const char *name;
	enum kind kind;
	size_t at;
} options[] = {
	{"control",     TEXT,   offsetof(struct options, control)   },
	{ "daemon",     TEXT,   offsetof(struct options, daemon)    },
	{ "address",    TEXT,   offsetof(struct options, address)   },
	{ "calls",      NUMBER, offsetof(struct options, calls)     },
	{ "rate",       NUMBER, offsetof(struct options, rate)      },
	{ "seconds",    NUMBER, offsetof(struct options, seconds)   },
	{ "after",      NUMBER, offsetof(struct options, after)     },
	{ "churn",      NUMBER, offsetof(struct options, churn)     },
	{ "find-calls", NUMBER, offsetof(struct options, find_calls)},
	{ "find-rate",  NUMBER, offsetof(struct options, find_rate) },
	{ "most",       NUMBER, offsetof(struct options, most)      },
	{ "pid",        NUMBER, offsetof(struct options, pid)       },
	{ "beside",     NUMBER, offsetof(struct options, beside)    },
	{ "core",       NUMBER, offsetof(struct options, core)      },
	{ "media",      FLAG,   offsetof(struct options, media)     },
	{ "raw",        FLAG,   offsetof(struct options, raw)       },
	{ "clear",      FLAG,   offsetof(struct options, clear)     },
	{ "cm",         FLAG,   offsetof(struct options, cm)        },
	{ "distinct",   FLAG,   offsetof(struct options, distinct)  },
	{ "self",       FLAG,   offsetof(struct options, self)      },
	{ "warm",       FLAG,   offsetof(struct options, warm)      },
};
#define NOPTIONS (sizeof(options) / sizeof(options[0]))

static bool read_option(struct options *opt, const char *name,
			const char *value)
{
	for (size_t i = 0; i < NOPTIONS; i++) {
		void *at = (char *)opt + options[i].at;

		if (strcmp(name, options[i].name) != 0)
			continue;
		if (options[i].kind != FLAG && !value)
			return false;
		if (options[i].kind == TEXT)
			*(const char **)at = value;
		else if (options[i].kind == NUMBER)
			*(unsigned *)at = (unsigned)strtoul(value, NULL, 10);
		else
			*(bool *)at = true;
		return true;
	}
	return false;
}

static bool read_options(struct options *opt, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i];
		const char *value = NULL;

		if (strncmp(name, "--", 2) != 0)
			return false;
		if (i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0)
			value = argv[++i];
		if (!read_option(opt, name + 2, value))
			return false;
	}
	opt->raw |= opt->clear || opt->self;
	return opt->calls && opt->rate &&
	       !!opt->control + !!opt->daemon + opt->self == 1;
}

int main(int argc, char **argv)
{
	static struct load l = {
		.opt = {.address = "127.0.0.1", .calls = 10, .rate = 100}
	};

	if (!read_options(&l.opt, argc, argv)) {
		(void)fprintf(stderr, "load: see tests/bench/README.md\n");
		return 2;
	}
	assert(!gw_srtp_init());
	l.ncall = l.opt.calls + l.opt.churn;
	l.call = calloc(l.ncall, sizeof(*l.call));
	assert(l.call);
	l.due_us = calloc(l.ncall, sizeof(*l.due_us));
	assert(l.due_us);
	for (unsigned i = 0; i < l.ncall; i++) {
		l.call[i].index = i;
		l.due_us[i] = NEVER;
	}
	wire_open(&l);
	load_make_certificate(&l);
	if (l.opt.find_calls)
		find_calls(&l);
	else if (l.opt.find_rate)
		find_rate(&l);
	else
		measure(&l);
	return l.failed ? 1 : 0;
}
