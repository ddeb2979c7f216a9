/*
 * gateway/base/metrics.h - numbers that an operator can see at any time
 *
 * A metric is a static object that enters a list before main(); adding to it
 * is one relaxed atomic operation, from any thread.  Printed as Prometheus
 * text.  Labels are fixed at compile time: a peer can never make a new one.
 *
 *	GW_COUNTER(m_bad_json, "isthmus_respect_rejected_total",
 *		   "Messages refused, by reason", "reason=\"json\"");
 *	...
 *	gw_metric_add(&m_bad_json, 1);
 */
#ifndef GW_BASE_METRICS_H
#define GW_BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "gateway/base/buf.h"

enum gw_metric_kind {
	GW_METRIC_COUNTER,
	GW_METRIC_GAUGE,
	GW_METRIC_HISTOGRAM /* the head of a struct gw_histogram */
};

#define GW_HISTOGRAM_LIMITS 8

struct gw_metric {
	enum gw_metric_kind kind;
	const char *name;   /* isthmus_..., counters end in _total */
	const char *help;   /* the same text for each label set of a name */
	const char *labels; /* "a=\"x\",b=\"y\"", or "" */
	_Atomic int64_t value;
	struct gw_metric *next;
};

void gw_metric_register(struct gw_metric *m); /* by the macros below */

#define GW_METRIC_(sym, k, n, h, l)                                            \
	static struct gw_metric sym = {                                        \
		.kind = (k), .name = (n), .help = (h), .labels = (l)           \
	};                                                                     \
	__attribute__((constructor)) static void sym##_register(void)          \
	{                                                                      \
		gw_metric_register(&sym);                                      \
	}                                                                      \
	_Static_assert(sizeof(n) > 1, "a metric needs a name")
#define GW_COUNTER(sym, name, help, labels)                                    \
	GW_METRIC_(sym, GW_METRIC_COUNTER, name, help, labels)
#define GW_GAUGE(sym, name, help, labels)                                      \
	GW_METRIC_(sym, GW_METRIC_GAUGE, name, help, labels)

static inline void gw_metric_add(struct gw_metric *m, int64_t n)
{
	atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

static inline void gw_metric_set(struct gw_metric *m, int64_t v)
{
	atomic_store_explicit(&m->value, v, memory_order_relaxed);
}

static inline int64_t gw_metric_get(struct gw_metric *m)
{
	return atomic_load_explicit(&m->value, memory_order_relaxed);
}

/* Durations; printed in seconds, cumulative, as Prometheus has them. */
struct gw_histogram {
	struct gw_metric metric; /* first; its value is not used */
	uint64_t limit_us[GW_HISTOGRAM_LIMITS]; /* rising; 0 ends them */
	_Atomic int64_t count[GW_HISTOGRAM_LIMITS + 1]; /* the last: above */
	_Atomic uint64_t sum_us;
};

#define GW_HISTOGRAM(sym, n, h, ...)                                           \
	static struct gw_histogram sym = {                                     \
		.metric = {.kind = GW_METRIC_HISTOGRAM,                       \
                           .name = (n),                                       \
                           .help = (h),                                       \
                           .labels = "" },                                    \
		.limit_us = { __VA_ARGS__                }                                    \
	};                                                                     \
	__attribute__((constructor)) static void sym##_register(void)          \
	{                                                                      \
		gw_metric_register(&sym.metric);                               \
	}                                                                      \
	_Static_assert(sizeof(n) > 1, "a metric needs a name")

static inline void gw_histogram_add(struct gw_histogram *h, uint64_t us)
{
	unsigned i = 0;

	while (i < GW_HISTOGRAM_LIMITS && h->limit_us[i] && us > h->limit_us[i])
		i++;
	if (i < GW_HISTOGRAM_LIMITS && !h->limit_us[i])
		i = GW_HISTOGRAM_LIMITS;
	atomic_fetch_add_explicit(&h->count[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum_us, us, memory_order_relaxed);
}

/* All of them, grouped by name with one HELP and TYPE each. */
void gw_metrics_print(struct gw_buf *out);

#endif
