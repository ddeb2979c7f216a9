/*
 * gateway/base/check.h - where a void pointer becomes an object again
 *
 * Long-lived objects begin with a magic number.  It says "this is one of
 * mine, and it is alive"; a freed one has it cleared.  Our own mistakes abort
 * here, in release too.  Peer input never reaches this.
 */
#ifndef GW_BASE_CHECK_H
#define GW_BASE_CHECK_H

#include <assert.h>
#include <stdint.h>

#ifdef NDEBUG
#error "assertions of our own invariants stay on in release builds"
#endif

#define GW_CHECK(obj, value)                                                   \
	assert((obj) != NULL && (obj)->magic == (uint32_t)(value))

#define GW_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
