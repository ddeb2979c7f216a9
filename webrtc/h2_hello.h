/*
 * webrtc/h2_hello.h - which protocol do a connection's first bytes ask for?
 *
 * Looked at before anyone else reads them: HTTP/2 and HTTP/1.1 are served by
 * different code.  Pure functions; nothing is kept.
 */
#ifndef GW_H2_HELLO_H
#define GW_H2_HELLO_H

#include <stddef.h>
#include <stdint.h>

enum gw_h2_hello {
	GW_H2_HELLO_MORE, /* cannot be told yet */
	GW_H2_HELLO_YES,
	GW_H2_HELLO_NO /* or not for us to judge: TLS will say what is wrong */
};

/* What is looked at; a longer ClientHello is a "no". */
#define GW_H2_HELLO_MAX 8192

/* TLS: a ClientHello whose ALPN extension lists "h2" (RFC 7301 3.1). */
enum gw_h2_hello gw_h2_hello_tls(const uint8_t *data, size_t len);

/* No TLS: the client connection preface (RFC 9113 3.4). */
enum gw_h2_hello gw_h2_hello_plain(const uint8_t *data, size_t len);

#endif
