#include "gateway/base/metrics.h"

#include <inttypes.h>
#include <string.h>

/* Sorted by name, then labels; complete before main() and constant after, so
 * any thread may walk it without a lock. */
static struct gw_metric *first;

static int order(const struct gw_metric *a, const struct gw_metric *b)
{
	int c = strcmp(a->name, b->name);

	return c ? c : strcmp(a->labels, b->labels);
}

void gw_metric_register(struct gw_metric *m)
{
	struct gw_metric **at = &first;

	while (*at && order(*at, m) < 0)
		at = &(*at)->next;
	m->next = *at;
	*at = m;
}

static const char *type_name(enum gw_metric_kind kind)
{
	switch (kind) {
	case GW_METRIC_GAUGE:
		return "gauge";
	case GW_METRIC_HISTOGRAM:
		return "histogram";
	case GW_METRIC_COUNTER:
		break;
	}
	return "counter";
}

static void print_histogram(struct gw_buf *out, struct gw_histogram *h)
{
	const char *name = h->metric.name;
	int64_t n = 0;

	for (unsigned i = 0; i < GW_HISTOGRAM_LIMITS && h->limit_us[i]; i++) {
		n += atomic_load_explicit(&h->count[i], memory_order_relaxed);
		gw_buf_printf(out, "%s_bucket{le=\"%g\"} %" PRId64 "\n", name,
			      (double)h->limit_us[i] / 1e6, n);
	}
	n += atomic_load_explicit(&h->count[GW_HISTOGRAM_LIMITS],
				  memory_order_relaxed);
	gw_buf_printf(
		out,
		"%s_bucket{le=\"+Inf\"} %" PRId64 "\n"
		"%s_sum %.6f\n%s_count %" PRId64 "\n",
		name, n, name,
		(double)atomic_load_explicit(&h->sum_us, memory_order_relaxed) /
			1e6,
		name, n);
}

static void print_sample(struct gw_buf *out, const struct gw_metric *m,
			 int64_t value)
{
	if (m->labels[0])
		gw_buf_printf(out, "%s{%s} %" PRId64 "\n", m->name, m->labels,
			      value);
	else
		gw_buf_printf(out, "%s %" PRId64 "\n", m->name, value);
}

void gw_metrics_print(struct gw_buf *out)
{
	const char *name = "";
	int64_t value = 0;

	for (struct gw_metric *m = first; m; m = m->next) {
		if (strcmp(name, m->name) != 0) {
			name = m->name;
			gw_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name,
				      m->help, name, type_name(m->kind));
		}
		if (m->kind == GW_METRIC_HISTOGRAM) {
			print_histogram(out, (struct gw_histogram *)m);
			continue;
		}
		/* What two files count is one sample: a scraper refuses the
		 * same one twice. */
		value += gw_metric_get(m);
		if (m->next && !order(m, m->next))
			continue;
		print_sample(out, m, value);
		value = 0;
	}
}
