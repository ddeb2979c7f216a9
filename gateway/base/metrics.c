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

void gw_metrics_print(struct gw_buf *out)
{
	const char *name = "";

	for (struct gw_metric *m = first; m; m = m->next) {
		if (strcmp(name, m->name) != 0) {
			name = m->name;
			gw_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name,
				      m->help, name,
				      m->kind == GW_METRIC_GAUGE ? "gauge"
								 : "counter");
		}
		if (m->labels[0])
			gw_buf_printf(out, "%s{%s} %" PRId64 "\n", name,
				      m->labels, gw_metric_get(m));
		else
			gw_buf_printf(out, "%s %" PRId64 "\n", name,
				      gw_metric_get(m));
	}
}
