#include "webrtc/h2_hello.h"

#include <stdbool.h>
#include <string.h>

#define RECORD_HEAD  5 /* RFC 8446 5.1 */
#define HANDSHAKE    22
#define CLIENT_HELLO 1
#define EXT_ALPN     16

struct cursor {
	const uint8_t *p;
	size_t n;
};

static bool skip(struct cursor *c, size_t n)
{
	if (c->n < n)
		return false;
	c->p += n;
	c->n -= n;
	return true;
}

static bool number(struct cursor *c, size_t bytes, size_t *out)
{
	const uint8_t *p = c->p;

	if (!skip(c, bytes))
		return false;
	for (*out = 0; bytes; bytes--)
		*out = *out << 8 | *p++;
	return true;
}

/* A vector with a length of @bytes bytes in front. */
static bool vector(struct cursor *c, size_t bytes, struct cursor *out)
{
	size_t n;

	if (!number(c, bytes, &n) || c->n < n)
		return false;
	out->p = c->p;
	out->n = n;
	return skip(c, n);
}

static bool lists_h2(struct cursor alpn)
{
	struct cursor list, name;

	if (!vector(&alpn, 2, &list))
		return false;
	while (vector(&list, 1, &name)) {
		if (name.n == 2 && !memcmp(name.p, "h2", 2))
			return true;
	}
	return false;
}

/* @hello: the body of a whole ClientHello (RFC 8446 4.1.2). */
static bool offers_h2(struct cursor hello)
{
	struct cursor skipped, extensions, ext;
	size_t type;

	if (!skip(&hello, 2 + 32) ||        /* version, random */
	    !vector(&hello, 1, &skipped) || /* session id */
	    !vector(&hello, 2, &skipped) || /* cipher suites */
	    !vector(&hello, 1, &skipped) || /* compression */
	    !vector(&hello, 2, &extensions))
		return false;
	while (number(&extensions, 2, &type) && vector(&extensions, 2, &ext)) {
		if (type == EXT_ALPN)
			return lists_h2(ext);
	}
	return false;
}

enum gw_h2_hello gw_h2_hello_tls(const uint8_t *data, size_t len)
{
	static const uint8_t start[] = { HANDSHAKE, 3 };
	uint8_t hello[GW_H2_HELLO_MAX];
	struct cursor in = { data, len };
	size_t have = 0;

	if (memcmp(data, start, len < 2 ? len : 2) != 0)
		return GW_H2_HELLO_NO;
	/* A ClientHello may be spread over records (RFC 8446 5.1). */
	for (;;) {
		struct cursor record = in, body;
		size_t want, type, version, n;

		if (!number(&record, 1, &type) ||
		    !number(&record, 2, &version) || !number(&record, 2, &n))
			return GW_H2_HELLO_MORE;
		if (type != HANDSHAKE || !n || have + n > sizeof(hello))
			return GW_H2_HELLO_NO;
		if (record.n < n)
			return GW_H2_HELLO_MORE;
		memcpy(hello + have, record.p, n);
		have += n;
		(void)skip(&in, RECORD_HEAD + n);
		if (hello[0] != CLIENT_HELLO)
			return GW_H2_HELLO_NO;
		body = (struct cursor){ hello + 1, have - 1 };
		if (!number(&body, 3, &want))
			continue;
		if (want > sizeof(hello) - 4)
			return GW_H2_HELLO_NO;
		if (body.n < want)
			continue;
		body.n = want;
		return offers_h2(body) ? GW_H2_HELLO_YES : GW_H2_HELLO_NO;
	}
}

enum gw_h2_hello gw_h2_hello_plain(const uint8_t *data, size_t len)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	size_t n = sizeof(preface) - 1;

	if (memcmp(data, preface, len < n ? len : n) != 0)
		return GW_H2_HELLO_NO;
	return len < n ? GW_H2_HELLO_MORE : GW_H2_HELLO_YES;
}
