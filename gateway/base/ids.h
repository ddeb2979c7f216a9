/*
 * gateway/base/ids.h - random names and numbers that nobody can guess
 *
 * From the kernel's generator (getrandom); failure to get randomness is fatal.
 * Any thread.
 */
#ifndef GW_BASE_IDS_H
#define GW_BASE_IDS_H

#include <stddef.h>
#include <stdint.h>

void gw_random(void *out, size_t bytes);
uint32_t gw_random_u32(void);
uint64_t gw_random_u64(void);

/* Fills @out with @chars random characters of [A-Za-z0-9] and a NUL; @size
 * must hold them.  22 characters are 131 bits. */
void gw_random_token(char *out, size_t size, size_t chars);

/* base64url without padding (RFC 4648 5), and plain base64 with it (4).
 * encode: @out needs 4*((n+2)/3)+1 bytes; decode: returns the bytes, or
 * -EINVAL, -ENOSPC. */
void gw_base64url_encode(char *out, const void *in, size_t n);
int gw_base64url_decode(void *out, size_t size, const char *in, size_t n);
void gw_base64_encode(char *out, const void *in, size_t n);
int gw_base64_decode(void *out, size_t size, const char *in, size_t n);

#endif
