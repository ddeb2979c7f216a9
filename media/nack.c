#include "media/nack.h"

#include <string.h>

static void forget(struct gw_nack *k, unsigned i)
{
	k->n--;
	memmove(&k->missing[i], &k->missing[i + 1],
		(k->n - i) * sizeof(k->missing[0]));
}

enum gw_nack_verdict gw_nack_heard(struct gw_nack *k, uint16_t seq)
{
	uint16_t ahead = (uint16_t)(seq - k->highest);
	unsigned i;

	if (!k->started) {
		k->started = true;
		k->highest = seq;
		return GW_NACK_NOTHING;
	}
	if (ahead == 1) {
		k->highest = seq;
		return GW_NACK_NOTHING;
	}
	if (ahead == 0 || ahead >= 0x8000) {
		for (i = 0; i < k->n; i++) {
			if (k->missing[i].seq == seq) {
				forget(k, i);
				break;
			}
		}
		return GW_NACK_NOTHING;
	}
	/* A leap, or another numbering: what was missing no longer matters. */
	if (ahead - 1u > (unsigned)(GW_NACK_MAX - k->n)) {
		k->n = 0;
		k->highest = seq;
		return GW_NACK_LOST;
	}
	for (i = 1; i < ahead; i++) {
		k->missing[k->n].seq = (uint16_t)(k->highest + i);
		k->missing[k->n].times = 0;
		k->missing[k->n].asked_us = 0;
		k->n++;
	}
	k->highest = seq;
	return GW_NACK_ASK;
}

/* Joins @seq to the last entry where it is among the 16 behind it. */
static unsigned put(struct gw_rtcp_missing *out, unsigned n, unsigned max,
		    uint16_t seq)
{
	uint16_t after = n ? (uint16_t)(seq - out[n - 1].seq) : 0;

	if (n && after >= 1 && after <= 16) {
		out[n - 1].behind |= (uint16_t)(1u << (after - 1));
		return n;
	}
	if (n < max) {
		out[n].seq = seq;
		out[n].behind = 0;
		n++;
	}
	return n;
}

unsigned gw_nack_due(struct gw_nack *k, uint64_t now_us,
		     struct gw_rtcp_missing *out, unsigned max, bool *lost)
{
	unsigned i = 0, n = 0;

	*lost = false;
	while (i < k->n) {
		if (k->missing[i].times &&
		    now_us < k->missing[i].asked_us + GW_NACK_GAP_US) {
			i++;
			continue;
		}
		if (k->missing[i].times == GW_NACK_TIMES) {
			*lost = true;
			forget(k, i);
			continue;
		}
		n = put(out, n, max, k->missing[i].seq);
		k->missing[i].times++;
		k->missing[i].asked_us = now_us;
		i++;
	}
	return n;
}

uint64_t gw_nack_next_us(const struct gw_nack *k)
{
	uint64_t next = UINT64_MAX;
	unsigned i;

	for (i = 0; i < k->n; i++) {
		uint64_t due = k->missing[i].asked_us + GW_NACK_GAP_US;

		if (!k->missing[i].times)
			due = 0;
		if (due < next)
			next = due;
	}
	return next;
}
