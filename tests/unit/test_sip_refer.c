/* REFER within a dialog and its NOTIFYs, and INVITEs that replace a dialog. */
#include "tests/unit/test_sip_call.h"

static int setup(void **state)
{
	struct fix *f = fix_new(22441);

	return fix_run(f, state);
}

/* The call says @status as soon as it is asked. */
static uint16_t at_once;

static void on_asked(struct gw_leg *leg, const struct gw_msg *m, void *arg)
{
	struct fix *f = arg;
	struct told *t;

	on_leg(leg, m, arg);
	if (m->verb != GW_V_TRANSFER)
		return;
	t = &f->told[f->ntold - 1];
	(void)snprintf(t->content, sizeof(t->content), "%s",
		       m->replaces ? m->replaces : "");
	assert_false(m->stays);
	if (at_once)
		becomes(f, at_once);
}

static void expect_notify(struct fix *f, const char *frag, const char *state)
{
	struct packet p;

	expect(f, &p, "NOTIFY ");
	assert_non_null(strstr(header(&p, "Event"), "refer"));
	assert_non_null(strstr(header(&p, "Subscription-State"), state));
	assert_string_equal(header(&p, "Content-Type"),
			    "message/sipfrag;version=2.0");
	assert_true(*header(&p, "Contact") != '\0');
	assert_int_equal(strncmp(body(&p), frag, strlen(frag)), 0);
	reply(f, &p, 200, NULL, NULL, NULL);
}

static void the_operator_may_refuse_every_refer(void **state)
{
	int64_t before = metric("isthmus_sip_rejected_total{reason=\"refer\"}");
	struct fix *f = *state;
	struct packet p;

	connect_in(f);
	(void)snprintf(f->set.calls.refer, 8, "refuse");
	request(f, "REFER", "Refer-To: <sip:third@ims.test>\r\n", NULL, NULL);
	expect(f, &p, "SIP/2.0 403");
	nothing_told(f);
	assert_int_equal(metric("isthmus_sip_rejected_total{reason=\"refer\"}"),
			 before + 1);
	hang_up(f);
}

static void a_refer_is_accepted_and_its_progress_told(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet p;

	connect_in(f);
	f->leg->handler = on_asked;
	at_once = 100;
	request(f, "REFER", "Refer-To: <sip:third@ims.test;user=phone>\r\n",
		NULL, NULL);
	expect(f, &p, "SIP/2.0 202");
	assert_true(*header(&p, "Contact") != '\0');
	assert_string_equal(header(&p, "Refer-Sub"), "");
	t = expect_told(f, GW_V_TRANSFER);
	assert_string_equal(t->target, "sip:third@ims.test;user=phone");
	assert_string_equal(t->content, "");
	expect_notify(f, "SIP/2.0 100", "active;expires=");
	becomes(f, 180);
	expect_notify(f, "SIP/2.0 180 Ringing\r\n", "active;expires=");
	/* One at a time. */
	request(f, "REFER", "Refer-To: <sip:fourth@ims.test>\r\n", NULL, NULL);
	expect(f, &p, "SIP/2.0 491");
	becomes(f, 200);
	expect_notify(f, "SIP/2.0 200 OK\r\n", "terminated;reason=noresource");
	/* And what comes after that is of nobody's asking. */
	becomes(f, 200);
	expect_silence(f, 50);
	request(f, "REFER", "Refer-To: <sip:fourth@ims.test>\r\n", NULL, NULL);
	expect(f, &p, "SIP/2.0 202");
	expect_notify(f, "SIP/2.0 100", "active");
	becomes(f, 486);
	expect_notify(f, "SIP/2.0 486 Busy Here\r\n", "terminated");
	release(f, 200);
	expect_bye(f, &p);
}

static void the_replaces_of_an_attended_transfer_is_taken_along(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet p;

	connect_in(f);
	f->leg->handler = on_asked;
	at_once = 100;
	request(f, "REFER",
		"Refer-To: <sip:third@ims.test;gr=a;method=INVITE?Require="
		"replaces&Replaces=abc%40x%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n",
		NULL, NULL);
	expect(f, &p, "SIP/2.0 202");
	t = expect_told(f, GW_V_TRANSFER);
	assert_string_equal(t->target, "sip:third@ims.test;gr=a");
	assert_string_equal(t->content, "abc@x;to-tag=1;from-tag=2");
	expect_notify(f, "SIP/2.0 100", "active");
}

static void without_a_subscription_nothing_is_notified(void **state)
{
	struct fix *f = *state;
	struct packet p;

	connect_in(f);
	f->leg->handler = on_asked;
	at_once = 100;
	request(f, "REFER",
		"Refer-To: <sip:third@ims.test>\r\nRefer-Sub: false\r\n", NULL,
		NULL);
	expect(f, &p, "SIP/2.0 202");
	assert_string_equal(header(&p, "Refer-Sub"), "false");
	becomes(f, 180);
	becomes(f, 200);
	expect_silence(f, 50);
}

static void refers_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		const char *headers, *start;
	} row[] = {
		{NULL,						  "SIP/2.0 400"},
		{ "Refer-To: <http://x/>\r\n",                          "SIP/2.0 416"},
		{ "Refer-To: <sip:a@b;method=BYE>\r\n",                 "SIP/2.0 501"},
		{ "Refer-To: <sip:a@b?Replaces=a%0D%0AX:y>\r\n",
                 "SIP/2.0 400"						       },
		{ "Refer-To: <sip:a@b>\r\nRequire: tdialog\r\n",
                 "SIP/2.0 420"						       },
		{ "Refer-To: <sip:a@b>\r\nRequire: multiple-refer\r\n",
                 "SIP/2.0 420"						       },
	};
	struct fix *f = *state;
	struct packet p;

	connect_in(f);
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		request(f, "REFER", row[i].headers, NULL, NULL);
		expect(f, &p, row[i].start);
	}
	nothing_told(f);
	/* The call itself refuses, or has no word for it. */
	f->leg->handler = on_asked;
	at_once = 488;
	request(f, "REFER", "Refer-To: <sip:a@b>\r\n", NULL, NULL);
	expect(f, &p, "SIP/2.0 488");
	(void)expect_told(f, GW_V_TRANSFER);
	at_once = 0;
	request(f, "REFER", "Refer-To: <sip:a@b>\r\n", NULL, NULL);
	expect(f, &p, "SIP/2.0 480");
	(void)expect_told(f, GW_V_TRANSFER);
}

static void a_refer_of_a_stranger_is_refused(void **state)
{
	struct fix *f = *state;
	struct packet p;

	request(f, "REFER", "Refer-To: <sip:a@b>\r\n", NULL, NULL);
	expect(f, &p, "SIP/2.0 403");
	(void)snprintf(f->remote_tag, sizeof(f->remote_tag), "gone");
	request(f, "REFER", "Refer-To: <sip:a@b>\r\n", NULL, NULL);
	expect(f, &p, "SIP/2.0 481");
}

/* ---- Replaces, Join ---- */

/* Another caller, with @headers. */
static void come(struct fix *f, struct packet *p, const char *headers)
{
	static unsigned n;
	char text[2048];

	n++;
	(void)snprintf(text, sizeof(text),
		       "INVITE sip:alice@ims.test SIP/2.0\r\nVia: SIP/2.0/UDP "
		       "127.0.0.1:%u;branch=z9hG4bKnew%d.%u\r\n"
		       "From: <sip:boss@ims.test>;tag=boss\r\n"
		       "To: <sip:alice@ims.test>\r\nCall-ID: new%d.%u\r\n"
		       "CSeq: 1 INVITE\r\nContact: <sip:boss@127.0.0.1:%u>\r\n"
		       "%sContent-Type: application/sdp\r\n"
		       "Content-Length: %zu\r\n\r\n%s",
		       f->port, (int)getpid(), n, (int)getpid(), n, f->port,
		       headers, strlen(OFFER), OFFER);
	send_text(f, text);
	get_packet(f, p);
}

static void expect_refused(struct fix *f, const char *headers,
			   const char *start)
{
	struct packet p;

	come(f, &p, headers);
	if (strncmp(p.text, start, strlen(start)) != 0)
		fail_msg("expected %s, got %s", start, p.text);
	nothing_told(f);
}

static struct gw_leg *newcomer, *in_place_of;

static void on_newcomer(struct gw_leg *leg, const struct gw_msg *m, void *arg)
{
	(void)leg;
	(void)m;
	(void)arg;
}

static void take_newcomer(struct gw_leg *leg, const struct gw_msg *m, void *arg)
{
	struct fix *f = arg;

	if (!m->instead_of) {
		on_incoming(leg, m, arg);
		return;
	}
	in_place_of = m->instead_of;
	newcomer = leg;
	leg->handler = on_newcomer;
	leg->arg = f;
}

/* An INVITE with @line goes to the call, with the leg that it replaces. */
static void is_in_its_place(struct fix *f, const char *line)
{
	struct packet p;

	come(f, &p, line);
	assert_int_equal(strncmp(p.text, "SIP/2.0 100", 11), 0);
	while (!newcomer)
		gw_loop_step(f->loop, 5);
	assert_ptr_equal(in_place_of, f->leg);
	gw_leg_free(newcomer);
	newcomer = NULL;
	get_packet(f, &p); /* refused, as nobody has answered it */
	assert_int_equal(strncmp(p.text, "SIP/2.0 503", 11), 0);
}

static void replaces_finds_its_dialog_or_is_refused(void **state)
{
	struct fix *f = *state;
	char line[480];

	gw_sip_free(f->sip);
	assert_int_equal(
		gw_sip_new(&f->sip, f->loop, &f->set, take_newcomer, f), 0);
	connect_in(f);
	expect_refused(f, "Replaces: none@x;to-tag=1;from-tag=2\r\n",
		       "SIP/2.0 481");
	(void)snprintf(line, sizeof(line),
		       "Replaces: %s;to-tag=%s;from-tag=wrong\r\n", f->call_id,
		       f->remote_tag);
	expect_refused(f, line, "SIP/2.0 481");
	(void)snprintf(line, sizeof(line),
		       "Replaces: %s;to-tag=%s;from-tag=peer;early-only\r\n",
		       f->call_id, f->remote_tag);
	expect_refused(f, line, "SIP/2.0 486");
	(void)snprintf(line, sizeof(line),
		       "Join: %s;to-tag=%s;from-tag=peer\r\n", f->call_id,
		       f->remote_tag);
	expect_refused(f, line, "SIP/2.0 488");
	(void)snprintf(line, sizeof(line),
		       "Join: %s;to-tag=%s;from-tag=peer\r\n"
		       "Replaces: %s;to-tag=%s;from-tag=peer\r\n",
		       f->call_id, f->remote_tag, f->call_id, f->remote_tag);
	expect_refused(f, line, "SIP/2.0 400");
	(void)snprintf(line, sizeof(line),
		       "Require: replaces\r\nReplaces: %s;to-tag=%s;from-tag="
		       "peer\r\n",
		       f->call_id, f->remote_tag);
	is_in_its_place(f, line);
}

/* A call of ours: NTA's leg of its INVITE has no remote tag. */
static void replaces_of_our_call_needs_both_tags(void **state)
{
	struct fix *f = *state;
	struct gw_msg m = {
		.verb = GW_V_SETUP,
		.target = {"sip:bob@ims.test", NULL},
		.desc = desc_of(GW_DESC_OFFER, OFFER)
	};
	char line[400];
	struct packet p;

	gw_sip_free(f->sip);
	assert_int_equal(
		gw_sip_new(&f->sip, f->loop, &f->set, take_newcomer, f), 0);
	call_out(f, &m);
	expect(f, &p, "INVITE sip:bob@ims.test");
	dialog_from_invite(f, &p, "bob");
	reply(f, &p, 200, "bob", NULL, ANSWER);
	expect(f, &p, "ACK ");
	(void)expect_told(f, GW_V_ANSWER);
	(void)snprintf(line, sizeof(line),
		       "Replaces: %s;to-tag=%s;from-tag=wrong\r\n", f->call_id,
		       f->remote_tag);
	expect_refused(f, line, "SIP/2.0 481");
	(void)snprintf(line, sizeof(line),
		       "Replaces: %s;to-tag=%s;from-tag=bob\r\n", f->call_id,
		       f->remote_tag);
	is_in_its_place(f, line);
	release(f, 200);
	expect_bye(f, &p);
}

static void a_call_that_rings_is_not_replaced(void **state)
{
	struct fix *f = *state;
	char line[400];
	struct packet p;

	(void)invite(f, NULL, OFFER);
	assert_int_equal(
		gw_leg_send(f->leg,
			    &(struct gw_msg){ .verb = GW_V_PROGRESS,
					      .alert = GW_ALERT_RINGING }),
		0);
	expect(f, &p, "SIP/2.0 180");
	dialog_from_response(f, &p);
	(void)snprintf(line, sizeof(line),
		       "Replaces: %s;to-tag=%s;from-tag=peer\r\n", f->call_id,
		       f->remote_tag);
	expect_refused(f, line, "SIP/2.0 481");
	release(f, 486);
}

static void our_invite_takes_replaces_along(void **state)
{
	struct fix *f = *state;
	struct gw_msg m = {
		.verb = GW_V_SETUP,
		.target = {"sip:third@ims.test", NULL},
		.replaces = "abc@x;to-tag=1;from-tag=2",
		.desc = desc_of(GW_DESC_OFFER, OFFER)
	};
	struct packet p;

	call_out(f, &m);
	expect(f, &p, "INVITE sip:third@ims.test");
	assert_string_equal(header(&p, "Replaces"),
			    "abc@x;to-tag=1;from-tag=2");
	refuse(f, &p, 481, "x", NULL);
	(void)expect_told(f, GW_V_RELEASE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_operator_may_refuse_every_refer),
		T(a_refer_is_accepted_and_its_progress_told),
		T(the_replaces_of_an_attended_transfer_is_taken_along),
		T(without_a_subscription_nothing_is_notified),
		T(refers_that_make_no_sense_are_refused),
		T(a_refer_of_a_stranger_is_refused),
		T(replaces_finds_its_dialog_or_is_refused),
		T(replaces_of_our_call_needs_both_tags),
		T(a_call_that_rings_is_not_replaced),
		T(our_invite_takes_replaces_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
