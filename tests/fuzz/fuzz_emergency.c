/* Whom somebody dials, and the XML of a 380. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/emergency.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct gw_emergency_number list[] = {
		{"112",   "urn:service:sos"     },
		{ "*#+0", "urn:service:sos.fire"},
	};
	char urn[GW_EMERGENCY_URN_SIZE], *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	/* What is found can be written into a request. */
	if (gw_emergency_find(urn, list, 2, text))
		assert(gw_emergency_is_urn(urn));
	(void)gw_emergency_said(text, size);
	free(text);
	return 0;
}
