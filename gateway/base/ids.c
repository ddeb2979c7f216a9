#include "gateway/base/ids.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "abcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			  "abcdefghijklmnopqrstuvwxyz0123456789-_";

void gw_random(void *out, size_t bytes)
{
	uint8_t *p = out;

	while (bytes) {
		ssize_t n = getrandom(p, bytes, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			/* Guessable ids would be worse than no gateway. */
			perror("isthmus: getrandom");
			abort();
		}
		p += n;
		bytes -= (size_t)n;
	}
}

uint32_t gw_random_u32(void)
{
	/* Timers want one a few times a second each: not a system call. */
	static _Thread_local uint32_t pool[64];
	static _Thread_local size_t have;
	uint32_t v;

	if (!have) {
		gw_random(pool, sizeof(pool));
		have = sizeof(pool) / sizeof(pool[0]);
	}
	v = pool[--have];
	pool[have] = 0;
	return v;
}

uint64_t gw_random_u64(void)
{
	uint64_t v;

	gw_random(&v, sizeof(v));
	return v;
}

void gw_random_token(char *out, size_t size, size_t chars)
{
	uint8_t pool[64];
	size_t have = 0, made = 0;

	assert(chars < size);
	while (made < chars) {
		unsigned v;

		if (!have) {
			gw_random(pool, sizeof(pool));
			have = sizeof(pool);
		}
		/* 6 bits; the two that are no letter or digit are drawn
		 * again, so that all 62 stay equally likely. */
		v = pool[--have] & 63u;
		if (v < 62)
			out[made++] = plain[v];
	}
	out[made] = '\0';
}

static void encode(char *out, const void *in, size_t n, const char *digits,
		   bool pad)
{
	const uint8_t *p = in;

	while (n) {
		size_t take = n < 3 ? n : 3;
		uint32_t v = (uint32_t)p[0] << 16;

		if (take > 1)
			v |= (uint32_t)p[1] << 8;
		if (take > 2)
			v |= p[2];
		for (size_t i = 0; i <= take; i++)
			*out++ = digits[v >> (18 - 6 * i) & 63];
		for (size_t i = take; pad && i < 3; i++)
			*out++ = '=';
		p += take;
		n -= take;
	}
	*out = '\0';
}

static int value_of(char c, const char *digits)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == digits[62])
		return 62;
	return c == digits[63] ? 63 : -1;
}

/* @n digits without padding.  One text a value: bits that would be thrown
 * away must be 0 (RFC 4648 3.5), so that a signature has one spelling. */
static int decode(void *out, size_t size, const char *in, size_t n,
		  const char *digits)
{
	uint8_t *p = out;
	size_t bytes = n / 4 * 3 + (n % 4 ? n % 4 - 1 : 0);
	uint32_t acc = 0;
	unsigned bits = 0;

	if (n % 4 == 1 || bytes > INT32_MAX)
		return -EINVAL;
	if (bytes > size)
		return -ENOSPC;
	for (size_t i = 0; i < n; i++) {
		int v = value_of(in[i], digits);

		if (v < 0)
			return -EINVAL;
		acc = (acc << 6 | (uint32_t)v) & 0xffffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*p++ = (uint8_t)(acc >> bits);
		}
	}
	return acc & ((1u << bits) - 1) ? -EINVAL : (int)bytes;
}

void gw_base64url_encode(char *out, const void *in, size_t n)
{
	encode(out, in, n, url, false);
}

int gw_base64url_decode(void *out, size_t size, const char *in, size_t n)
{
	return decode(out, size, in, n, url);
}

void gw_base64_encode(char *out, const void *in, size_t n)
{
	encode(out, in, n, plain, true);
}

int gw_base64_decode(void *out, size_t size, const char *in, size_t n)
{
	if (n % 4)
		return -EINVAL;
	for (int i = 0; i < 2 && n && in[n - 1] == '='; i++)
		n--;
	return decode(out, size, in, n, plain);
}
