/* tests/unit/media_webrtc.h - a bench for each test, on which browsers call */
#ifndef MEDIA_WEBRTC_H
#define MEDIA_WEBRTC_H

#include "tests/unit/media_bench.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "media/dtls.h"

static struct bench b;

#define DISCARDED(why) "isthmus_media_discarded_total{reason=\"" why "\"}"

static inline int start(void **state)
{
	struct gw_media_config cfg;

	(void)state;
	bench_config(&cfg);
	bench_start(&b, &cfg);
	return 0;
}

static inline int stop(void **state)
{
	(void)state;
	bench_stop(&b);
	return 0;
}

static inline void restart_bench(const struct gw_media_config *cfg)
{
	bench_stop(&b);
	bench_start(&b, cfg);
}

#endif
