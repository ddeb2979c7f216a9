#include "media/lag.h"

#include <stddef.h>

#include "gateway/base/check.h"
#include "gateway/base/metrics.h"

#define STALL_US 150000
#define SLOW_US  20000

#define BUCKET "isthmus_media_loop_lag_seconds_bucket"
#define HELP   "Passes of the media loops by the time that packets may wait"

GW_COUNTER(m_1ms, BUCKET, HELP, "le=\"0.001\"");
GW_COUNTER(m_5ms, BUCKET, HELP, "le=\"0.005\"");
GW_COUNTER(m_20ms, BUCKET, HELP, "le=\"0.02\"");
GW_COUNTER(m_50ms, BUCKET, HELP, "le=\"0.05\"");
GW_COUNTER(m_200ms, BUCKET, HELP, "le=\"0.2\"");
GW_COUNTER(m_all, BUCKET, HELP, "le=\"+Inf\"");
GW_COUNTER(m_slow, "isthmus_media_slow_passes_total",
	   "Passes of a media loop that took over 20 ms", "");

/* Buckets are cumulative, as Prometheus has them. */
static const struct {
	uint64_t limit_us;
	struct gw_metric *metric;
} buckets[] = {
	{UINT64_MAX, &m_all  },
        { 200000,    &m_200ms},
        { 50000,     &m_50ms },
	{ 20000,     &m_20ms },
        { 5000,      &m_5ms  },
        { 1000,      &m_1ms  },
};

bool gw_lag_pass(uint64_t us)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(buckets); i++) {
		if (us > buckets[i].limit_us)
			break;
		gw_metric_add(buckets[i].metric, 1);
	}
	if (us > SLOW_US)
		gw_metric_add(&m_slow, 1);
	return us > STALL_US;
}
