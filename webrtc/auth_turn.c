/* Short-lived TURN credentials from a secret shared with the TURN server. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/ids.h"
#include "webrtc/auth_check.h"

void gw_auth_turn(char *username, size_t size,
		  char credential[GW_AUTH_TURN_CREDENTIAL], const char *secret,
		  const char *id, int64_t expiry_s)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	(void)snprintf(username, size, "%lld:%s", (long long)expiry_s, id);
	credential[0] = '\0';
	if (HMAC(EVP_sha1(), secret, (int)strlen(secret),
		 (const unsigned char *)username, strlen(username), mac, &n))
		gw_base64_encode(credential, mac, n);
}
