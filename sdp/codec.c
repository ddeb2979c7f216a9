#include "sdp/codec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/check.h"
#include "sdp/scan.h"

/* Payload types below 96 are fixed: they need no rtpmap. */
struct static_pt {
	uint8_t pt, channels;
	uint32_t clock_hz;
	const char *name;
};

/* clang-format off */
static const struct static_pt statics[] = { /* RFC 3551 6 */
	{  0, 1,  8000, "PCMU" },
	{  3, 1,  8000, "GSM"  },
	{  4, 1,  8000, "G723" },
	{  5, 1,  8000, "DVI4" },
	{  6, 1, 16000, "DVI4" },
	{  7, 1,  8000, "LPC"  },
	{  8, 1,  8000, "PCMA" },
	{  9, 1,  8000, "G722" }, /* 16 kHz sound; the clock is a historic slip */
	{ 10, 2, 44100, "L16"  },
	{ 11, 1, 44100, "L16"  },
	{ 12, 1,  8000, "QCELP" },
	{ 13, 1,  8000, "CN"   },
	{ 14, 1, 90000, "MPA"  },
	{ 15, 1,  8000, "G728" },
	{ 16, 1, 11025, "DVI4" },
	{ 17, 1, 22050, "DVI4" },
	{ 18, 1,  8000, "G729" },
	{ 25, 1, 90000, "CelB" },
	{ 26, 1, 90000, "JPEG" },
	{ 28, 1, 90000, "nv"   },
	{ 31, 1, 90000, "H261" },
	{ 32, 1, 90000, "MPV"  },
	{ 33, 1, 90000, "MP2T" },
	{ 34, 1, 90000, "H263" },
};

/*
 * What we know of an encoding beyond its name.  kbps is the largest rate of
 * the payload in ordinary telephony use; params make streams incompatible
 * when their values differ, an absent one having its default.
 */
struct param {
	const char *key, *absent;
	size_t prefix; /* compare only so many characters; 0: all */
};
struct traits {
	const char *name; /* as IANA spells it */
	bool relayed;     /* false: not between different sessions */
	bool in_browsers;
	unsigned kbps;
	struct param param[3];
};

static const struct traits known[] = {
	{ "opus",   true,  true,  40, {{ 0 }} },
	{ "G722",   true,  true,  64, {{ 0 }} },
	{ "PCMU",   true,  true,  64, {{ 0 }} },
	{ "PCMA",   true,  true,  64, {{ 0 }} },
	{ "telephone-event", true, true, 0, {{ 0 }} },
	{ "AMR",    true,  false, 13, {
		{ "octet-align", "0", 0 }, { "crc", "0", 0 },
		{ "robust-sorting", "0", 0 } } },    /* RFC 4867 8.3.1 */
	{ "AMR-WB", true,  false, 24, {
		{ "octet-align", "0", 0 }, { "crc", "0", 0 },
		{ "robust-sorting", "0", 0 } } },
	{ "EVS",    true,  false, 25, {{ 0 }} },
	{ "GSM",    true,  false, 14, {{ 0 }} },
	{ "GSM-EFR", true, false, 13, {{ 0 }} },
	{ "G723",   true,  false, 7,  {{ 0 }} },
	{ "G726-16", true, false, 16, {{ 0 }} },
	{ "G726-24", true, false, 24, {{ 0 }} },
	{ "G726-32", true, false, 32, {{ 0 }} },
	{ "G726-40", true, false, 40, {{ 0 }} },
	{ "G728",   true,  false, 16, {{ 0 }} },
	{ "G729",   true,  false, 8,  {{ 0 }} },
	{ "G7221",  true,  false, 48, {
		{ "bitrate", "", 0 } } },            /* RFC 5577 4.1 */
	{ "iLBC",   true,  false, 16, {{ 0 }} },
	{ "speex",  true,  false, 45, {{ 0 }} },
	{ "SILK",   true,  false, 40, {{ 0 }} },
	{ "L16",    true,  false, 256, {{ 0 }} },
	{ "DVI4",   true,  false, 64, {{ 0 }} },
	{ "LPC",    true,  false, 6,  {{ 0 }} },
	{ "H264",   true,  false, 0, {                /* RFC 6184 8.2.2 */
		{ "packetization-mode", "0", 0 },
		{ "profile-level-id", "42000a", 4 } } },
	{ "H265",   true,  false, 0, {                /* RFC 7798 7.1 */
		{ "profile-id", "1", 0 } } },
	{ "VP8",    true,  false, 0, {{ 0 }} },
	{ "VP9",    true,  false, 0, {
		{ "profile-id", "0", 0 } } },         /* RFC 9628 6 */
	{ "AV1",    true,  false, 0, {
		{ "profile", "0", 0 } } },
	{ "H261",   true,  false, 0, {{ 0 }} },
	{ "H263",   true,  false, 0, {{ 0 }} },
	{ "H263-1998", true, false, 0, {{ 0 }} },
	/* Meaningful only beside the stream, or in the session, that they
	 * repair: our streams have their own sequence and their own loss. */
	{ "CN",     false, false, 0, {{ 0 }} },
	{ "red",    false, false, 0, {{ 0 }} },
	{ "rtx",    false, false, 0, {{ 0 }} },
	{ "ulpfec", false, false, 0, {{ 0 }} },
	{ "flexfec", false, false, 0, {{ 0 }} },
	{ "flexfec-03", false, false, 0, {{ 0 }} },
	{ "parityfec", false, false, 0, {{ 0 }} },
	{ "1d-interleaved-parityfec", false, false, 0, {{ 0 }} },
	{ "rtploopback", false, false, 0, {{ 0 }} },
	{ "encaprtp", false, false, 0, {{ 0 }} },
};

/* What the gateway offers by itself: types that phones and browsers expect. */
static const struct gw_sess_codec defaults[] = {
	{ 111, 2, 48000, "opus", "minptime=10;useinbandfec=1" },
	{   9, 1,  8000, "G722", "" },
	{   0, 1,  8000, "PCMU", "" },
	{   8, 1,  8000, "PCMA", "" },
};
/* clang-format on */

static const struct traits *traits_of(const struct gw_sess_codec *c)
{
	size_t i;

	for (i = 0; i < GW_ARRAY_LEN(known); i++) {
		if (strcasecmp(known[i].name, c->name) == 0)
			return &known[i];
	}
	return NULL;
}

bool gw_codec_static(struct gw_sess_codec *out, uint8_t pt)
{
	size_t i;

	for (i = 0; i < GW_ARRAY_LEN(statics); i++) {
		if (statics[i].pt != pt)
			continue;
		memset(out, 0, sizeof(*out));
		out->pt = pt;
		out->channels = statics[i].channels;
		out->clock_hz = statics[i].clock_hz;
		(void)snprintf(out->name, sizeof(out->name), "%s",
			       statics[i].name);
		return true;
	}
	return false;
}

void gw_codec_normalise(struct gw_sess_codec *c)
{
	const struct traits *t = traits_of(c);

	if (!t)
		return;
	/* The same length: the table is compared without case only. */
	memcpy(c->name, t->name, strlen(t->name));
	if (strcmp(c->name, "opus") == 0 && c->clock_hz == 48000)
		c->channels = 2; /* RFC 7587 7: MUST be 2 */
	if (strcmp(c->name, "G722") == 0 && c->clock_hz == 16000)
		c->clock_hz = 8000;
}

bool gw_codec_param(const struct gw_sess_codec *c, const char *key,
		    struct gw_str *value)
{
	struct gw_str rest = { c->fmtp, strlen(c->fmtp) };

	while (rest.len > 0) {
		struct gw_str pair = gw_str_token(&rest, ';');
		struct gw_str name;

		while (pair.len > 0 && *pair.p == ' ') {
			pair.p++;
			pair.len--;
		}
		while (pair.len > 0 && pair.p[pair.len - 1] == ' ')
			pair.len--;
		name = gw_str_token(&pair, '=');
		if (!gw_str_ieq(name, key))
			continue;
		if (pair.len > 0) { /* the "=" itself */
			pair.p++;
			pair.len--;
		}
		*value = pair;
		return true;
	}
	return false;
}

static bool param_same(const struct gw_sess_codec *a,
		       const struct gw_sess_codec *b, const struct param *p)
{
	struct gw_str va = { p->absent, strlen(p->absent) }, vb = va;

	(void)gw_codec_param(a, p->key, &va);
	(void)gw_codec_param(b, p->key, &vb);
	if (p->prefix > 0 && va.len > p->prefix)
		va.len = p->prefix;
	if (p->prefix > 0 && vb.len > p->prefix)
		vb.len = p->prefix;
	return va.len == vb.len &&
	       (va.len == 0 || strncasecmp(va.p, vb.p, va.len) == 0);
}

bool gw_codec_same(const struct gw_sess_codec *a, const struct gw_sess_codec *b)
{
	const struct traits *t;
	size_t i;

	if (a->clock_hz != b->clock_hz || a->channels != b->channels ||
	    strcasecmp(a->name, b->name) != 0)
		return false;
	t = traits_of(a);
	for (i = 0; t && i < GW_ARRAY_LEN(t->param) && t->param[i].key; i++) {
		if (!param_same(a, b, &t->param[i]))
			return false;
	}
	return true;
}

bool gw_codec_is_event(const struct gw_sess_codec *c)
{
	return strcasecmp(c->name, "telephone-event") == 0;
}

bool gw_codec_supported(const struct gw_sess_codec *c)
{
	const struct traits *t = traits_of(c);

	return t ? t->relayed : c->name[0] != '\0' && c->clock_hz > 0;
}

bool gw_codec_in_browsers(const struct gw_sess_codec *c)
{
	const struct traits *t = traits_of(c);

	if (gw_codec_is_event(c))
		return c->clock_hz == 8000 || c->clock_hz == 48000;
	return t && t->in_browsers;
}

bool gw_codec_carries_audio(const struct gw_sess_codec *c)
{
	return !gw_codec_is_event(c) && gw_codec_supported(c);
}

const struct gw_sess_codec *gw_sess_main_codec(const struct gw_sess_stream *s)
{
	unsigned i;

	for (i = 0; i < s->ncodec; i++) {
		if (gw_codec_carries_audio(&s->codec[i]))
			return &s->codec[i];
	}
	return NULL;
}

bool gw_sess_servable(const struct gw_sess_stream *s)
{
	return s->kind == GW_KIND_AUDIO && !s->refused && gw_sess_main_codec(s);
}

const struct gw_sess_codec *gw_sess_find_same(const struct gw_sess_stream *s,
					      const struct gw_sess_codec *c)
{
	unsigned i;

	for (i = 0; i < s->ncodec; i++) {
		if (gw_codec_same(&s->codec[i], c))
			return &s->codec[i];
	}
	return NULL;
}

unsigned gw_codec_as_kbps(const struct gw_sess_codec *c, unsigned ptime_ms,
			  bool ipv6)
{
	const struct traits *t = traits_of(c);
	unsigned header_bytes = ipv6 ? 40 + 8 + 12 : 20 + 8 + 12;
	unsigned kbps = t && t->kbps ? t->kbps : 64;
	struct gw_str v;
	uint32_t bps;

	if (ptime_ms == 0)
		ptime_ms = 20;
	if (gw_codec_param(c, "maxaveragebitrate", &v) &&
	    gw_str_u32(v, 510000, &bps) && bps >= 6000)
		kbps = (bps + 999) / 1000; /* RFC 7587 6.1 */
	return kbps + (header_bytes * 8 + ptime_ms - 1) / ptime_ms;
}

int gw_sess_default_audio(struct gw_sess_stream *out, const char *const *names,
			  unsigned count)
{
	static const struct gw_sess_codec events[] = {
		{110,  1, 48000, "telephone-event", "0-15"},
		{ 101, 1, 8000,  "telephone-event", "0-15"},
	};
	struct gw_sess_stream s = { .kind = GW_KIND_AUDIO,
				    .dir = GW_DIR_SENDRECV };
	bool used[GW_ARRAY_LEN(events)] = { false };
	size_t i, j;

	if (count == 0)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		for (j = 0; j < GW_ARRAY_LEN(defaults); j++) {
			if (strcasecmp(names[i], defaults[j].name) == 0)
				break;
		}
		if (j == GW_ARRAY_LEN(defaults))
			return -EINVAL;
		if (gw_sess_find_same(&s, &defaults[j]))
			continue;
		s.codec[s.ncodec++] = defaults[j];
		used[defaults[j].clock_hz == 48000 ? 0 : 1] = true;
	}
	for (j = 0; j < GW_ARRAY_LEN(events); j++) {
		if (used[j])
			s.codec[s.ncodec++] = events[j];
	}
	(void)snprintf(s.media, sizeof(s.media), "audio");
	*out = s;
	return 0;
}
