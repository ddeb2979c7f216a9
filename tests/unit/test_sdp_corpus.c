/*
 * Every description of corpus-sdp/ survives a round trip, and reads as the
 * table in corpus-sdp.h says, word for word.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/check.h"
#include "sdp/session.h"

#define FOLDER "tests/unit/corpus-sdp/"

struct golden {
	const char *file;
	bool web;
	enum gw_sess_fault fault;
	const char *reads; /* one line an m-line; for faults: the reason */
};

static const struct golden golden[] = {
#include "tests/unit/corpus-sdp/golden.h"
};

static char *load(const char *name, size_t *len)
{
	static char text[GW_SDP_MAX_BYTES];
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), FOLDER "%s", name);
	f = fopen(path, "rb");
	if (!f)
		fail_msg("%s cannot be opened", path);
	*len = fread(text, 1, sizeof(text), f);
	(void)fclose(f);
	assert_true(*len > 0);
	return text;
}

static const char *fault_name(enum gw_sess_fault f)
{
	static const char *const names[] = { "OK", "BROKEN", "UNUSABLE" };

	return names[f];
}

static void describe_transport(struct gw_buf *b, const struct gw_sess_stream *s)
{
	static const char *const setups[] = { "none", "actpass", "active",
					      "passive", "holdconn" };
	char ip[GW_ADDR_STRLEN];

	gw_buf_printf(b, " rtp %s",
		      s->rtp.family ? gw_addr_print(&s->rtp, ip, sizeof(ip))
				    : "-");
	gw_buf_printf(b, " rtcp %s",
		      s->rtcp.family ? gw_addr_print(&s->rtcp, ip, sizeof(ip))
				     : "-");
	if (s->rtcp_mux)
		gw_buf_str(b, " mux");
	if (s->mid[0])
		gw_buf_printf(b, " mid %s", s->mid);
	if (s->bundled)
		gw_buf_str(b, " bundled");
	if (s->ufrag[0])
		gw_buf_printf(b, " ice %s", s->ufrag);
	if (s->ice_lite)
		gw_buf_str(b, " lite");
	if (s->ncandidate)
		gw_buf_printf(b, " candidates %u", s->ncandidate);
	if (s->has_fingerprint)
		gw_buf_printf(b, " sha-256 %02x..%02x", s->sha256[0],
			      s->sha256[31]);
	if (s->setup)
		gw_buf_printf(b, " %s", setups[s->setup]);
	if (s->tls_id[0])
		gw_buf_printf(b, " tls-id %s", s->tls_id);
	if (s->ssrc)
		gw_buf_printf(b, " ssrc %u", s->ssrc);
}

static void describe(struct gw_buf *b, const struct gw_sess_stream *s)
{
	static const char *const kinds[] = { "audio", "video", "data",
					     "other" };
	unsigned i;

	gw_buf_str(b, kinds[s->kind]);
	if (s->refused) {
		gw_buf_printf(b, " refused %s %s\n", s->proto, s->formats);
		return;
	}
	gw_buf_printf(b, " %s", gw_dir_name(s->dir));
	if (s->ncodec == 0)
		gw_buf_printf(b, " no codec (%s %s)", s->proto, s->formats);
	for (i = 0; i < s->ncodec; i++) {
		const struct gw_sess_codec *c = &s->codec[i];

		gw_buf_printf(b, " %u=%s/%u", c->pt, c->name, c->clock_hz);
		if (c->channels != 1)
			gw_buf_printf(b, "/%u", c->channels);
		if (c->fmtp[0] && s->kind == GW_KIND_AUDIO)
			gw_buf_printf(b, "{%s}", c->fmtp);
	}
	if (s->ptime_ms || s->maxptime_ms)
		gw_buf_printf(b, " ptime %u-%u", s->ptime_ms, s->maxptime_ms);
	if (s->bandwidth_bps)
		gw_buf_printf(b, " %u bit/s", s->bandwidth_bps);
	describe_transport(b, s);
	gw_buf_str(b, "\n");
}

/* What @text reads as; the caller frees. */
static char *reading(const char *text, size_t len, bool web,
		     enum gw_sess_fault *fault)
{
	static struct gw_sess s;
	struct gw_sdp_error err;
	struct gw_buf b;
	unsigned i;

	gw_buf_init(&b, 65536);
	*fault = gw_sess_read(&s, text, len, web, &err);
	if (*fault != GW_SESS_OK)
		gw_buf_printf(&b, "line %u: %s\n", err.line, err.text);
	for (i = 0; *fault == GW_SESS_OK && i < s.nstream; i++)
		describe(&b, &s.stream[i]);
	return gw_buf_take(&b);
}

static void every_description_reads_as_the_table_says(void **state)
{
	enum gw_sess_fault fault;
	size_t i, len;
	char *text, *got;

	(void)state;
	for (i = 0; i < GW_ARRAY_LEN(golden); i++) {
		const struct golden *g = &golden[i];

		text = load(g->file, &len);
		got = reading(text, len, g->web, &fault);
		assert_non_null(got);
		if (fault != g->fault || strcmp(got, g->reads) != 0)
			fail_msg("%s (%s) reads as %s:\n%s", g->file,
				 g->web ? "web" : "core", fault_name(fault),
				 got);
		free(got);
	}
}

static bool in_table(const char *file, bool web)
{
	size_t i;

	for (i = 0; i < GW_ARRAY_LEN(golden); i++) {
		if (golden[i].web == web && strcmp(golden[i].file, file) == 0)
			return true;
	}
	return false;
}

/* With bare LF made CRLF and one line end at the end, as the printer does. */
static char *normal(const char *text, size_t len)
{
	char *out = malloc(2 * len + 3);
	size_t i, n = 0;

	assert_non_null(out);
	for (i = 0; i < len; i++) {
		if (text[i] == '\r')
			continue;
		if (text[i] == '\n')
			out[n++] = '\r';
		out[n++] = text[i];
	}
	while (n >= 2 && out[n - 1] == '\n')
		n -= 2;
	memcpy(out + n, "\r\n", 3);
	return out;
}

static void check_round_trip(const char *file)
{
	struct gw_sdp_error err;
	struct gw_sdp *sdp, *again;
	char *text, *want, *got, *twice;
	size_t len;

	text = load(file, &len);
	if (gw_sdp_parse(&sdp, text, len, &err))
		fail_msg("%s:%u: %s", file, err.line, err.text);
	got = gw_sdp_print(sdp);
	want = normal(text, len);
	assert_non_null(got);
	assert_string_equal(got, want);

	assert_int_equal(gw_sdp_parse(&again, got, strlen(got), &err), 0);
	twice = gw_sdp_print(again);
	assert_non_null(twice);
	assert_string_equal(twice, got);
	assert_int_equal(again->nmedia, sdp->nmedia);
	assert_int_equal(again->nline, sdp->nline);
	free(twice);
	free(got);
	free(want);
	gw_sdp_free(again);
	gw_sdp_free(sdp);
}

static void every_description_prints_back_byte_for_byte(void **state)
{
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	(void)state;
	d = opendir(FOLDER);
	assert_non_null(d);
	while ((e = readdir(d))) {
		size_t len = strlen(e->d_name);

		if (len < 4 || strcmp(e->d_name + len - 4, ".sdp") != 0)
			continue;
		check_round_trip(e->d_name);
		if (!in_table(e->d_name, false) || !in_table(e->d_name, true))
			fail_msg("%s is not in golden.h", e->d_name);
		n++;
	}
	(void)closedir(d);
	assert_true(n >= 30);
}

/* What a description says must not depend on whose line ends it has. */
static void line_ends_do_not_change_a_reading(void **state)
{
	enum gw_sess_fault fault;
	char *text, *other, *got;
	size_t i, len;

	(void)state;
	for (i = 0; i < GW_ARRAY_LEN(golden); i++) {
		text = load(golden[i].file, &len);
		other = normal(text, len);
		got = reading(other, strlen(other), golden[i].web, &fault);
		assert_non_null(got);
		assert_string_equal(got, golden[i].reads);
		free(got);
		free(other);
	}
}

/* A description cut anywhere is read or refused, and nothing worse. */
static void every_cut_description_is_read_or_refused(void **state)
{
	static struct gw_sess s;
	size_t i, cut, len;
	unsigned ok = 0, broken = 0;

	(void)state;
	for (i = 0; i < GW_ARRAY_LEN(golden); i++) {
		char *text = load(golden[i].file, &len);

		for (cut = 0; cut < len; cut += 7) {
			struct gw_sdp_error err = { 0, "" };
			/* Its own block, so that a sanitizer sees overruns. */
			char *part = malloc(cut + 1);

			assert_non_null(part);
			memcpy(part, text, cut);
			part[cut] = 'x';
			if (gw_sess_read(&s, part, cut, golden[i].web, &err) ==
			    GW_SESS_OK) {
				ok++;
			} else {
				assert_true(err.text[0] != '\0');
				broken++;
			}
			free(part);
		}
	}
	assert_true(ok > 0);
	assert_true(broken > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_description_reads_as_the_table_says),
		cmocka_unit_test(every_description_prints_back_byte_for_byte),
		cmocka_unit_test(line_ends_do_not_change_a_reading),
		cmocka_unit_test(every_cut_description_is_read_or_refused),
	};

	/* "print FILE web|core": an entry for golden.h, to be read by a
	 * person before it goes there. */
	if (argc == 4 && strcmp(argv[1], "print") == 0) {
		enum gw_sess_fault fault;
		size_t len;
		char *text = load(argv[2], &len);
		char *got = reading(text, len, argv[3][0] == 'w', &fault);

		printf("%s\n%s", fault_name(fault), got ? got : "");
		free(got);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
