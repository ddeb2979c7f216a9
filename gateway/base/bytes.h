/*
 * gateway/base/bytes.h - numbers in network order, at any alignment
 *
 * Any thread.  The caller has made sure that the bytes are there.
 */
#ifndef GW_BASE_BYTES_H
#define GW_BASE_BYTES_H

#include <stdint.h>

static inline uint16_t gw_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t gw_get32(const uint8_t *p)
{
	return (uint32_t)gw_get16(p) << 16 | gw_get16(p + 2);
}

/* Both return what is behind the number. */
static inline uint8_t *gw_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static inline uint8_t *gw_put32(uint8_t *p, uint32_t v)
{
	return gw_put16(gw_put16(p, (uint16_t)(v >> 16)), (uint16_t)v);
}

#endif
