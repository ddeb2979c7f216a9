/*
 * sip/tls_check.h - are the TLS files of a listener what they must be?
 *
 * Sofia starts a TLS listener without any certificate and says nothing; every
 * handshake then fails.  So the files are tried here first.
 */
#ifndef GW_SIP_TLS_CHECK_H
#define GW_SIP_TLS_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/*
 * @dir must hold agent.pem (certificate chain and its key) and, when peers are
 * verified, cafile.pem.  0, or -errno with what is wrong in @why.
 */
int gw_tls_check(const char *dir, bool verify, char *why, size_t why_size);

#endif
