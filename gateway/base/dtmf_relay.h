/*
 * gateway/base/dtmf_relay.h - a DTMF digit as text
 *
 * "Signal=5\r\nDuration=160\r\n" (application/dtmf-relay), as it stands in a
 * SIP INFO and as the legs pass digits to each other.  Pure functions.
 */
#ifndef GW_BASE_DTMF_RELAY_H
#define GW_BASE_DTMF_RELAY_H

#include <stddef.h>
#include <stdint.h>

#define GW_DTMF_RELAY_TYPE "application/dtmf-relay"
#define GW_DTMF_RELAY_SIZE 40

/* What is not said, or is out of bounds that make sense, is 160 ms. */
struct gw_dtmf_relay {
	char signal; /* 0-9 * # A-D */
	uint32_t duration_ms;
};

/* 0, or -EINVAL: no Signal that is one digit, or a Duration that is no
 * number. */
int gw_dtmf_relay_parse(struct gw_dtmf_relay *out, const void *text,
			size_t len);
/* The body of an application/dtmf: the digit alone.  0 or -EINVAL. */
int gw_dtmf_digit_parse(struct gw_dtmf_relay *out, const void *text,
			size_t len);
/* Returns the length. */
size_t gw_dtmf_relay_print(char out[GW_DTMF_RELAY_SIZE],
			   const struct gw_dtmf_relay *d);

#endif
