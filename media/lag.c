#include "media/lag.h"

#include "gateway/base/metrics.h"

#define STALL_US 150000
#define SLOW_US  20000

GW_HISTOGRAM(m_lag, "isthmus_media_loop_lag_seconds",
	     "Passes of the media loops by the time that packets may wait",
	     1000, 5000, 20000, 50000, 200000);
GW_COUNTER(m_slow, "isthmus_media_slow_passes_total",
	   "Passes of a media loop that took over 20 ms", "");

bool gw_lag_pass(uint64_t us)
{
	gw_histogram_add(&m_lag, us);
	if (us > SLOW_US)
		gw_metric_add(&m_slow, 1);
	return us > STALL_US;
}
