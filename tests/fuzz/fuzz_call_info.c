/* Call-Info, Alert-Info and History-Info of a core. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sip/ims_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_sound(const struct gw_call_info *i)
{
	assert(gw_call_info_text_ok(i->subject));
	assert(!i->alert[0] || gw_call_info_alert_ok(i->alert));
	assert(!i->icon[0] || gw_call_info_url_ok(i->icon));
	assert(!i->page[0] || gw_call_info_url_ok(i->page));
	assert(!i->card[0] || gw_call_info_url_ok(i->card));
	assert(i->nforward <= GW_CALL_INFO_FORWARDS);
	for (unsigned k = 0; k < i->nforward; k++) {
		const struct gw_call_forward *f = &i->forward[k];

		assert(!f->uri[0] || gw_ident_uri_ok(f->uri));
		assert(memchr(f->display, '\0', sizeof(f->display)));
		assert(!f->status || (f->status >= 300 && f->status <= 699));
	}
	assert(!i->forwarded_to[0] || gw_ident_uri_ok(i->forwarded_to));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_ims_history h = { .n = 0 };
	struct gw_call_info info = { .nforward = 0 };
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	gw_ims_info_call(&info, text, size & 1 ? "icon" : "card");
	gw_ims_info_alert(&info, text);
	gw_ims_info_history(&h, text);
	/* A second header of the name goes on where the first ended. */
	gw_ims_info_history(&h, text);
	gw_ims_info_forwards(&info, &h, size & 1);
	is_sound(&info);
	free(text);
	return 0;
}
