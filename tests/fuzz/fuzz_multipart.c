/* Bodies of many parts: the first line is the boundary. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sip/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nl = size ? memchr(data, '\n', size) : NULL;
	const char *body, *part = NULL;
	char *boundary;
	size_t len = 0, n;

	if (!nl)
		return 0;
	boundary = strndup((const char *)data, (size_t)(nl - data));
	assert(boundary);
	body = (const char *)nl + 1;
	n = size - (size_t)(nl + 1 - data);
	if (gw_multipart_find(&part, &len, body, n, boundary,
			      "application/sdp") == GW_MULTIPART_FOUND)
		assert(part >= body && part + len <= body + n);
	free(boundary);
	return 0;
}
