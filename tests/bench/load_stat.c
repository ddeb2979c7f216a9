/* What is counted: delays, and what processes cost. */
#include "tests/bench/load.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- delays ---- */

void delays_add(struct delays *d, uint64_t us)
{
	uint64_t step = us / 10;

	d->count++;
	d->sum_us += us;
	if (us > d->max_us)
		d->max_us = us;
	d->step[step < DELAY_STEPS ? step : DELAY_STEPS - 1]++;
}

uint64_t delays_at(const struct delays *d, double share)
{
	uint64_t want = (uint64_t)((double)d->count * share), seen = 0;

	for (unsigned i = 0; i < DELAY_STEPS; i++) {
		seen += d->step[i];
		if (seen > want)
			return (uint64_t)i * 10;
	}
	return d->max_us;
}

void delays_print(const char *name, const struct delays *d)
{
	(void)printf(
		"\"%s\":{\"n\":%llu,\"p50\":%llu,\"p99\":%llu,\"max\":%llu},",
		name, (unsigned long long)d->count,
		(unsigned long long)delays_at(d, 0.5),
		(unsigned long long)delays_at(d, 0.99),
		(unsigned long long)d->max_us);
}

/* ---- what the relay costs ---- */

double load_cpu_of(unsigned pid)
{
	struct timespec ts;
	clockid_t clock;

	if (!pid || clock_getcpuclockid((pid_t)pid, &clock) ||
	    clock_gettime(clock, &ts))
		return 0;
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

double load_core_busy(unsigned core)
{
	unsigned long long user, nice, system, idle, wait, irq, soft, steal;
	char line[256], name[16];
	double busy = 0;
	FILE *fp = fopen("/proc/stat", "r");

	(void)snprintf(name, sizeof(name), "cpu%u ", core);
	while (fp && fgets(line, sizeof(line), fp))
		if (!strncmp(line, name, strlen(name)) &&
		    sscanf(line, "%*s %llu %llu %llu %llu %llu %llu %llu %llu",
			   &user, &nice, &system, &idle, &wait, &irq, &soft,
			   &steal) == 8)
			busy = (double)(user + nice + system + irq + soft +
					steal) /
			       (double)sysconf(_SC_CLK_TCK);
	if (fp)
		(void)fclose(fp);
	return busy;
}

long load_rss_kb(unsigned pid)
{
	char path[64], line[256];
	long kb = 0;
	FILE *fp;

	(void)snprintf(path, sizeof(path), "/proc/%u/status", pid);
	fp = fopen(path, "r");
	while (fp && fgets(line, sizeof(line), fp))
		(void)sscanf(line, "VmRSS: %ld", &kb);
	if (fp)
		(void)fclose(fp);
	return kb;
}
