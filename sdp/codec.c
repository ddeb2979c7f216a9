#include "sdp/codec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/check.h"
#include "sdp/relay.h"
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
typedef bool(value_h)(struct gw_str a, struct gw_str b);

static bool same_h264_profile(struct gw_str a, struct gw_str b);

struct param {
	const char *key, *absent;
	value_h *same; /* NULL: the same text */
};
struct traits {
	const char *name; /* as IANA spells it */
	bool relayed;     /* false: not between different sessions */
	bool in_browsers;
	unsigned kbps;
	struct param param[4];
};

static const struct traits known[] = {
	{ "opus",   true,  true,  40, {{ 0 }} },
	{ "G722",   true,  true,  64, {{ 0 }} },
	{ "PCMU",   true,  true,  64, {{ 0 }} },
	{ "PCMA",   true,  true,  64, {{ 0 }} },
	{ "telephone-event", true, true, 0, {{ 0 }} },
	{ "AMR",    true,  false, 13, {
		{ "octet-align", "0", NULL }, { "crc", "0", NULL },
		{ "robust-sorting", "0", NULL } } },    /* RFC 4867 8.3.1 */
	{ "AMR-WB", true,  false, 24, {
		{ "octet-align", "0", NULL }, { "crc", "0", NULL },
		{ "robust-sorting", "0", NULL } } },
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
		{ "bitrate", "", NULL } } },            /* RFC 5577 4.1 */
	{ "iLBC",   true,  false, 16, {{ 0 }} },
	{ "speex",  true,  false, 45, {{ 0 }} },
	{ "SILK",   true,  false, 40, {{ 0 }} },
	{ "L16",    true,  false, 256, {{ 0 }} },
	{ "DVI4",   true,  false, 64, {{ 0 }} },
	{ "LPC",    true,  false, 6,  {{ 0 }} },
	/* Levels do not make H.264 streams incompatible: each side says what
	 * it takes, and level-asymmetry-allowed passes with the rest. */
	{ "H264",   true,  true,  0, {                /* RFC 6184 8.2.2 */
		{ "packetization-mode", "0", NULL },
		{ "profile-level-id", "42000a", same_h264_profile } } },
	{ "H265",   true,  true,  0, {                /* RFC 7798 7.1 */
		{ "profile-space", "0", NULL }, { "profile-id", "1", NULL },
		{ "tier-flag", "0", NULL }, { "tx-mode", "SRST", NULL } } },
	{ "VP8",    true,  true,  0, {{ 0 }} },
	{ "VP9",    true,  true,  0, {
		{ "profile-id", "0", NULL } } },      /* RFC 9628 6 */
	{ "AV1",    true,  true,  0, {                /* AV1 RTP payload 7.2 */
		{ "profile", "0", NULL }, { "tier", "0", NULL } } },
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
	{ 111, 2, 48000, "opus", "minptime=10;useinbandfec=1", 0 },
	{   9, 1,  8000, "G722", "", 0 },
	{   0, 1,  8000, "PCMU", "", 0 },
	{   8, 1,  8000, "PCMA", "", 0 },
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

static bool same_text(struct gw_str a, struct gw_str b)
{
	return a.len == b.len &&
	       (a.len == 0 || strncasecmp(a.p, b.p, a.len) == 0);
}

/* profile_idc and profile-iop, which together name a profile: 0 for what is
 * none of the table (RFC 6184 8.1, table 5). */
static unsigned h264_profile(struct gw_str v)
{
	static const struct {
		unsigned idc, mask, iop;
		unsigned profile;
	} rows[] = {
		{0x42,  0x4f, 0x40, 1}, /* constrained baseline */
		{ 0x4d, 0x8f, 0x80, 1},
                { 0x58, 0xcf, 0xc0, 1},
		{ 0x42, 0x4f, 0x00, 2}, /* baseline */
		{ 0x58, 0xcf, 0x80, 2},
                { 0x4d, 0xaf, 0x00, 3}, /* main */
		{ 0x58, 0xcf, 0x00, 4}, /* extended */
		{ 0x64, 0xff, 0x00, 5}, /* high */
		{ 0x64, 0xff, 0x0c, 6}, /* constrained high */
	};
	char text[7];
	unsigned long n;
	size_t i;
	char *end;

	if (v.len != 6 || !gw_str_copy(text, sizeof(text), v))
		return 0;
	n = strtoul(text, &end, 16);
	if (*end)
		return 0;
	for (i = 0; i < GW_ARRAY_LEN(rows); i++) {
		if (n >> 16 == rows[i].idc &&
		    (n >> 8 & rows[i].mask) == rows[i].iop)
			return rows[i].profile;
	}
	return 0;
}

static bool same_h264_profile(struct gw_str a, struct gw_str b)
{
	unsigned profile = h264_profile(a), other = h264_profile(b);

	if (profile || other)
		return profile == other;
	if (a.len > 4 && b.len > 4)
		a.len = b.len = 4; /* an unknown one, at any level */
	return same_text(a, b);
}

static bool param_same(const struct gw_sess_codec *a,
		       const struct gw_sess_codec *b, const struct param *p)
{
	struct gw_str va = { p->absent, strlen(p->absent) }, vb = va;

	(void)gw_codec_param(a, p->key, &va);
	(void)gw_codec_param(b, p->key, &vb);
	if (p->same)
		return p->same(va, vb);
	return same_text(va, vb);
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

/* FNV-1a, without case. */
static uint32_t hash(uint32_t h, struct gw_str v)
{
	size_t i;

	for (i = 0; i < v.len; i++) {
		h ^= (uint8_t)(v.p[i] | 0x20);
		h *= 16777619u;
	}
	return h * 31;
}

uint32_t gw_codec_variant(const struct gw_sess_codec *c)
{
	const struct traits *t = traits_of(c);
	uint32_t h = 2166136261u;
	size_t i;

	if (!t || !t->param[0].key)
		return 0;
	for (i = 0; i < GW_ARRAY_LEN(t->param) && t->param[i].key; i++) {
		const struct param *p = &t->param[i];
		struct gw_str v = { p->absent, strlen(p->absent) };
		unsigned profile;

		(void)gw_codec_param(c, p->key, &v);
		profile = p->same ? h264_profile(v) : 0;
		if (profile)
			h = h * 31 + profile;
		else if (p->same && v.len > 4)
			v.len = 4;
		if (!profile)
			h = hash(h, v);
	}
	return h;
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

bool gw_codec_carries_media(const struct gw_sess_codec *c)
{
	return !gw_codec_is_event(c) && gw_codec_supported(c);
}

const struct gw_sess_codec *gw_sess_main_codec(const struct gw_sess_stream *s)
{
	unsigned i;

	for (i = 0; i < s->ncodec; i++) {
		if (gw_codec_carries_media(&s->codec[i]))
			return &s->codec[i];
	}
	return NULL;
}

bool gw_sess_servable(const struct gw_sess_stream *s)
{
	return (s->kind == GW_KIND_AUDIO || s->kind == GW_KIND_VIDEO) &&
	       !s->refused && gw_sess_main_codec(s);
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
		{110,  1, 48000, "telephone-event", "0-15", 0},
		{ 101, 1, 8000,  "telephone-event", "0-15", 0},
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

int gw_sess_default_video(struct gw_sess *out)
{
	/* RFC 7742 5: every browser has H.264 constrained baseline and VP8; the
	 * former first, as TS 26.114 5.2.2 asks it of phones. */
	static const struct gw_sess_codec usual[] = {
		{106,  1, 90000, "H264",
                 "level-asymmetry-allowed=1;packetization-mode=1;"
		  "profile-level-id=42e01f",             GW_FB_ALL},
		{ 108, 1, 90000, "H264",
                 "level-asymmetry-allowed=1;packetization-mode=0;"
		  "profile-level-id=42e01f",             GW_FB_ALL},
		{ 96,  1, 90000, "VP8",  "",             GW_FB_ALL},
		{ 98,  1, 90000, "VP9",  "profile-id=0", GW_FB_ALL},
	};
	/* How the camera is held is for the other side to know. */
	const struct gw_sess_stream like = { .ext = { [GW_SESS_EXT_CVO] = 1 } };
	struct gw_sess_stream *s;
	unsigned i;

	if (out->nstream == GW_SESS_MAX_STREAMS)
		return -ENOSPC;
	s = &out->stream[out->nstream++];
	*s = (struct gw_sess_stream){ .kind = GW_KIND_VIDEO,
				      .dir = GW_DIR_SENDRECV };
	(void)snprintf(s->media, sizeof(s->media), "video");
	for (i = 0; i < GW_ARRAY_LEN(usual); i++)
		s->codec[s->ncodec++] = usual[i];
	/* In a bundle each m-line's packets have its name. */
	for (i = 0; i < out->nstream; i++)
		gw_relay_offer_ext(out, i, &like, NULL);
	gw_relay_offer_profile(s, NULL);
	return 0;
}
