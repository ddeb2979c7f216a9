/*
 * SDP end to end: the lossless round trip, then every description read both
 * ways, relayed as offer and as answer, printed both ways, and read back.
 * What we print must always be readable, and mean what was printed.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sdp/precondition.h"
#include "sdp/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const char *text, size_t size)
{
	struct gw_sdp *sdp, *again;
	struct gw_sdp_error err;
	char *out, *twice;

	if (gw_sdp_parse(&sdp, text, size, &err))
		return;
	out = gw_sdp_print(sdp);
	assert(out);
	/* CRLF may have made it longer than what is accepted. */
	if (strlen(out) <= GW_SDP_MAX_BYTES) {
		int rc = gw_sdp_parse(&again, out, strlen(out), &err);

		assert(rc == 0);
		assert(again->nline == sdp->nline);
		assert(again->nmedia == sdp->nmedia);
		twice = gw_sdp_print(again);
		assert(twice && strcmp(out, twice) == 0);
		free(twice);
		gw_sdp_free(again);
	}
	free(out);
	gw_sdp_free(sdp);
}

/* Where we are, as the call would fill it in. */
static void add_transport(struct gw_sess *s)
{
	unsigned i;

	s->id = 1;
	s->version = 1;
	for (i = 0; i < s->nstream; i++) {
		struct gw_sess_stream *m = &s->stream[i];

		(void)gw_addr_parse(&m->rtp, "192.0.2.1",
				    (uint16_t)(20000 + 2 * i));
		m->rtcp = m->rtp;
		m->rtcp.port++;
		m->rtcp_mux = true;
		strcpy(m->ufrag, "abcd");
		strcpy(m->pwd, "abcdefghijklmnopqrstuv");
		m->has_fingerprint = true;
		m->setup = GW_SETUP_ACTPASS;
	}
}

static void print_and_read(const struct gw_sess *s, bool web)
{
	static struct gw_sess back;
	struct gw_sdp_error err;
	enum gw_sess_fault fault;
	char *text;
	unsigned i;

	text = web ? gw_sess_print_web(s) : gw_sess_print_core(s);
	assert(text);
	fault = gw_sess_read(&back, text, strlen(text), web, &err);
	assert(fault == GW_SESS_OK);
	assert(back.nstream == s->nstream);
	for (i = 0; i < s->nstream; i++) {
		assert(back.stream[i].refused == s->stream[i].refused);
		if (!s->stream[i].refused)
			assert(back.stream[i].dir == s->stream[i].dir);
	}
	free(text);
}

static void relay(const char *text, size_t size, bool web)
{
	static struct gw_sess from, offer, again, answer, local;
	struct gw_sdp_error err;
	int rc;

	if (gw_sess_read(&from, text, size, web, &err) != GW_SESS_OK)
		return;
	if (gw_sess_relay_offer(&offer, &from, NULL))
		return;
	add_transport(&offer);
	print_and_read(&offer, true);
	print_and_read(&offer, false);

	/* A re-offer of the same keeps every number. */
	rc = gw_sess_relay_offer(&again, &from, &offer);
	assert(rc == 0);
	assert(!(gw_sess_changes(&offer, &again) & GW_CHANGE_CODECS));

	/* The other side takes all of it: our answer must then be legal. */
	rc = gw_sess_relay_answer(&answer, &from, &offer);
	assert(rc == 0);
	assert(gw_sess_check_answer(&from, &answer, &err) == 0);
	assert(err.text[0] == '\0');
	add_transport(&answer);
	print_and_read(&answer, web);

	rc = gw_sess_local_answer(&local, &from, GW_DIR_SENDRECV, NULL);
	assert(rc == 0);
	assert(gw_sess_check_answer(&from, &local, &err) == 0);
	assert(err.text[0] == '\0');
	add_transport(&local);
	print_and_read(&local, web);
	assert(gw_sess_is_refresh(&from, &from));
}

/* What a peer wants, learnt and said back, says the same. */
static void preconditions(const char *text, size_t size)
{
	struct gw_precondition theirs, ours = { .have_local = GW_DIR_SENDRECV },
				       back;
	static const char plain[] =
		"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"
		"c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n";
	struct gw_precondition each[8], first[8];
	unsigned n = gw_precondition_read_each(each, 8, text, size);
	char *out;

	assert(n <= 8);
	out = gw_precondition_print_each(plain, each, n);
	assert(out);
	assert(gw_precondition_read_each(first, 8, out, strlen(out)) == 1);
	assert(first[0].present == (n && each[0].present));
	assert(!first[0].present || first[0].have_local == each[0].have_local);
	free(out);

	gw_precondition_read(&theirs, text, size);
	gw_precondition_learn(&ours, &theirs);
	if (!ours.present)
		return;
	out = gw_precondition_print(plain, &ours);
	assert(out);
	gw_precondition_read(&back, out, strlen(out));
	assert(back.present && !back.impossible);
	assert(back.have_local == ours.have_local);
	assert(back.have_remote == ours.have_remote);
	assert(!ours.must_remote == !back.must_remote);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	preconditions((const char *)data, size);
	round_trip((const char *)data, size);
	relay((const char *)data, size, true);
	relay((const char *)data, size, false);
	return 0;
}
