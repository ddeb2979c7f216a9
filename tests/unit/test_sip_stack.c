/* What reaches the agent outside any dialog, and its life. */
#include "tests/unit/test_sip_peer.h"

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	f->port = 22121;
	fix_listen(f, NULL);
	fix_start(f);
	(void)snprintf(f->call_id, sizeof(f->call_id), "%d.%p@peer",
		       (int)getpid(), (void *)state);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fix_stop(*state);
	free(*state);
	return 0;
}

static void options_say_what_is_served(void **state)
{
	struct fix *f = *state;
	struct packet p;

	request(f, "OPTIONS", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	assert_non_null(strstr(header(&p, "Allow"), "UPDATE"));
	assert_string_equal(header(&p, "Accept"),
			    "application/sdp, multipart/mixed");
	assert_string_equal(header(&p, "Server"), "test");
}

static void options_within_a_lost_dialog_say_so(void **state)
{
	struct fix *f = *state;
	struct packet p;

	(void)snprintf(f->remote_tag, sizeof(f->remote_tag), "gone");
	request(f, "OPTIONS", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 481");
}

static void requests_without_a_dialog_are_refused(void **state)
{
	static const struct {
		const char *method, *headers, *start;
	} row[] = {
		{"REGISTER",    NULL,						"SIP/2.0 405"},
		{ "MESSAGE",    NULL,						"SIP/2.0 405"},
		{ "FROBNICATE", NULL,						"SIP/2.0 405"},
		{ "SUBSCRIBE",  "Event: presence\r\n",                               "SIP/2.0 489"},
		{ "PUBLISH",    "Event: presence\r\n",                               "SIP/2.0 489"},
		{ "NOTIFY",     "Event: presence\r\nSubscription-State: active\r\n",
                 "SIP/2.0 481"								    },
		{ "BYE",        NULL,						"SIP/2.0 481"},
		{ "UPDATE",     NULL,						"SIP/2.0 481"},
		{ "INFO",       NULL,						"SIP/2.0 481"},
		{ "PRACK",      "RAck: 1 1 INVITE\r\n",                              "SIP/2.0 481"},
		{ "INVITE",     "Require: 100rel, foo\r\n",                          "SIP/2.0 420"},
	};
	struct fix *f = *state;
	struct packet p;

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		(void)snprintf(f->call_id, sizeof(f->call_id), "r%zu", i);
		request(f, row[i].method, row[i].headers, NULL, NULL);
		expect(f, &p, row[i].start);
		if (!strncmp(row[i].start, "SIP/2.0 405", 11))
			assert_true(*header(&p, "Allow") != '\0');
		if (!strncmp(row[i].start, "SIP/2.0 420", 11))
			assert_string_equal(header(&p, "Unsupported"),
					    "100rel, foo");
	}
	nothing_told(f);
	assert_int_equal(gw_sip_live_legs(f->sip), 0);
}

static void invite_must_make_sense(void **state)
{
	static const struct {
		const char *line, *headers, *type, *start;
	} row[] = {
		{"http://x/",   "",                    NULL,        "SIP/2.0 4"  },
		{ "mailto:a@b", "",                    NULL,        "SIP/2.0 416"},
		{ "sip:a@b",    "Max-Forwards: 0\r\n", NULL,        "SIP/2.0 483"},
		{ "sip:a@b",    "",                    "text/html", "SIP/2.0 415"},
	};
	struct fix *f = *state;
	struct packet p;
	char text[1024];

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		(void)snprintf(
			text, sizeof(text),
			"INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u"
			";branch=z9hG4bKm%zu\r\nFrom: <sip:p@x>;tag=1\r\n"
			"To: <sip:a@b>\r\nCall-ID: m%zu\r\nCSeq: 1 INVITE\r\n"
			"Contact: <sip:p@127.0.0.1>\r\n%s%s%s%s"
			"Content-Length: %d\r\n\r\n%s",
			row[i].line, f->port, i, i, row[i].headers,
			row[i].type ? "Content-Type: " : "",
			row[i].type ? row[i].type : "",
			row[i].type ? "\r\n" : "", row[i].type ? 2 : 0,
			row[i].type ? "xx" : "");
		send_text(f, text);
		expect(f, &p, row[i].start);
	}
	nothing_told(f);
}

static void invite_without_contact_is_bad(void **state)
{
	struct fix *f = *state;
	struct packet p;

	send_text(f, "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:"
		     "22121;branch=z9hG4bKc1\r\nFrom: <sip:p@x>;tag=1\r\n"
		     "To: <sip:a@b>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n"
		     "Content-Length: 0\r\n\r\n");
	expect(f, &p, "SIP/2.0 400");
}

static void merged_request_gets_482(void **state)
{
	static const char inv[] =
		"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:22121;"
		"branch=z9hG4bK%s\r\nFrom: <sip:p@x>;tag=1\r\n"
		"To: <sip:a@b>\r\nCall-ID: merged\r\nCSeq: 1 INVITE\r\n"
		"Contact: <sip:p@127.0.0.1>\r\nContent-Length: 0\r\n\r\n";
	struct fix *f = *state;
	struct packet p;
	char text[1024];

	(void)snprintf(text, sizeof(text), inv, "one");
	send_text(f, text);
	expect(f, &p, "SIP/2.0 100");
	(void)expect_told(f, GW_V_SETUP);
	(void)snprintf(text, sizeof(text), inv, "two");
	send_text(f, text);
	expect(f, &p, "SIP/2.0 482");
	release(f, 486);
}

static void draining_refuses_new_calls_with_a_time(void **state)
{
	struct fix *f = *state;
	struct packet p;

	gw_sip_set_draining(f->sip, 30);
	request(f, "INVITE", NULL, "application/sdp", OFFER);
	expect(f, &p, "SIP/2.0 503");
	assert_string_equal(header(&p, "Retry-After"), "30");
	dialog_from_response(f, &p);
	request(f, "ACK", NULL, NULL, NULL);
	f->remote_tag[0] = '\0';
	gw_sip_set_draining(f->sip, 0);
	request(f, "INVITE", NULL, "application/sdp", OFFER);
	expect(f, &p, "SIP/2.0 100");
	(void)expect_told(f, GW_V_SETUP);
	release(f, 486);
}

static void strangers_are_refused(void **state)
{
	struct fix *f = *state;
	struct gw_settings other = f->set;
	struct packet p;

	(void)snprintf(other.sip.allow_from[0], 64, "192.0.2.7");
	gw_sip_reload(f->sip, &other);
	request(f, "OPTIONS", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 403");
	(void)snprintf(other.sip.allow_from[1], 64, "127.0.0.1");
	request(f, "OPTIONS", NULL, NULL, NULL);
	expect(f, &p, "SIP/2.0 200");
	gw_sip_reload(f->sip, &f->set);
}

/* A flood fills no disk: five lines a second, and how many more. */
static void garbage_is_logged_and_a_flood_of_it_counted(void **state)
{
	struct fix *f = *state;
	FILE *log = tmpfile();
	char text[8192], from[40];
	unsigned lines = 0;
	size_t n;

	assert_non_null(log);
	gw_log_setup(GW_LOG_TEXT, GW_INFO, fileno(log));
	for (int i = 0; i < 200; i++)
		send_text(f, i & 1 ? "hello\r\n\r\n"
				   : "INVITE sip:a@b SIP/2.0\r\nX: y\r\n\r\n");
	do {
		gw_loop_step(f->loop, 10);
		n = (size_t)pread(fileno(log), text, sizeof(text) - 1, 0);
		text[n] = '\0';
	} while (!strstr(text, " more malformed messages"));
	gw_log_setup(GW_LOG_TEXT, GW_INFO, STDERR_FILENO);
	(void)fclose(log);
	/* Sofia names the listener that it came to. */
	(void)snprintf(from, sizeof(from), "127.0.0.1:%u", f->port - 1);
	assert_non_null(strstr(text, from));
	assert_non_null(strstr(text, "INVITE, a header is bad"));
	for (const char *p = text; (p = strstr(p, "malformed message:")); p++)
		lines++;
	assert_true(lines >= 1 && lines <= 10);
}

static void words_of_a_valid_request_are_no_garbage(void **state)
{
	struct fix *f = *state;
	FILE *log = tmpfile();
	char text[4096];
	struct packet p;
	size_t n;

	assert_non_null(log);
	gw_log_setup(GW_LOG_TEXT, GW_INFO, fileno(log));
	send_text(f, "OPTIONS sip:garbage@x;a=%20has%20bad%20 SIP/2.0\r\nVia: "
		     "SIP/2.0/UDP 127.0.0.1:22121;branch=z9hG4bKg1\r\nFrom: "
		     "\"nta: INVITE has bad From\" <sip:p@x>;tag=1\r\n"
		     "To: <sip:garbage@x>\r\nCall-ID: g1\r\nCSeq: 1 OPTIONS\r\n"
		     "Content-Length: 0\r\n\r\n");
	expect(f, &p, "SIP/2.0 200");
	n = (size_t)pread(fileno(log), text, sizeof(text) - 1, 0);
	text[n] = '\0';
	gw_log_setup(GW_LOG_TEXT, GW_INFO, STDERR_FILENO);
	(void)fclose(log);
	assert_null(strstr(text, "malformed"));
}

static void garbage_is_survived(void **state)
{
	static const char *const junk[] = {
		"\r\n\r\n",
		"hello",
		"INVITE\r\n\r\n",
		"INVITE sip:a@b SIP/2.0\r\n\r\n",
		"SIP/2.0 200 OK\r\n\r\n",
		"SIP/2.0 999 Odd\r\nVia: SIP/2.0/UDP 127.0.0.1:22120;"
		"branch=z9hG4bKnone\r\nFrom: <sip:a@b>;tag=1\r\n"
		"To: <sip:a@b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n",
		"ACK sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:22121;"
		"branch=z9hG4bKack\r\nFrom: <sip:p@x>;tag=1\r\n"
		"To: <sip:a@b>;tag=9\r\nCall-ID: z\r\nCSeq: 1 ACK\r\n\r\n",
	};
	struct fix *f = *state;
	char noise[600];
	struct packet p;
	unsigned seed = 7;

	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++)
		send_text(f, junk[i]);
	for (int i = 0; i < 300; i++) {
		size_t n = 1 + (seed >> 8) % (sizeof(noise) - 1);

		for (size_t k = 0; k < n; k++) {
			seed = seed * 1103515245u + 12345u;
			noise[k] = (char)(1 + (seed >> 16) % 255);
		}
		noise[n] = '\0';
		if (i & 1)
			memcpy(noise, "BYE sip:", n < 8 ? n : 8);
		send_text(f, noise);
		gw_loop_step(f->loop, 0);
	}
	while (poll_packet(f, &p))
		;
	request(f, "OPTIONS", NULL, NULL, NULL);
	do
		get_packet(f, &p);
	while (strncmp(p.text, "SIP/2.0 200", 11) != 0);
	nothing_told(f);
}

static void tcp_serves_on_the_same_agent(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(22131) };
	char got[2048] = "";
	ssize_t n = -1;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	f->port = 22133;
	fix_listen(f, "sip:127.0.0.1:22131;transport=tcp");
	fix_start(f);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	static const char opt[] =
		"OPTIONS sip:x@y SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:22139;"
		"branch=z9hG4bKt\r\nFrom: <sip:p@x>;tag=1\r\nTo: <sip:x@y>\r\n"
		"Call-ID: t\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
	/* in two pieces */
	assert_int_equal(send(fd, opt, 40, 0), 40);
	gw_loop_step(f->loop, 20);
	assert_true(send(fd, opt + 40, sizeof(opt) - 41, 0) > 0);
	for (int i = 0; i < 200 && n <= 0; i++) {
		gw_loop_step(f->loop, 10);
		n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
	}
	assert_true(n > 0);
	assert_memory_equal(got, "SIP/2.0 200", 11);
	(void)close(fd);
	fix_stop(f);
	free(f);
}

static void busy_or_wrong_listener_fails_to_start(void **state)
{
	struct fix *f = *state;
	struct gw_settings bad = f->set;
	struct gw_sip *sip = NULL;

	assert_true(gw_sip_new(&sip, f->loop, &bad, on_incoming, f) < 0);
	(void)snprintf(bad.sip.listen[0], 96, "sips:127.0.0.1:22132");
	(void)snprintf(bad.sip.tls_dir, 256, "/nonexistent");
	assert_true(gw_sip_new(&sip, f->loop, &bad, on_incoming, f) < 0);
	assert_null(sip);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(options_say_what_is_served),
		T(options_within_a_lost_dialog_say_so),
		T(requests_without_a_dialog_are_refused),
		T(invite_must_make_sense),
		T(invite_without_contact_is_bad),
		T(merged_request_gets_482),
		T(draining_refuses_new_calls_with_a_time),
		T(strangers_are_refused),
		T(garbage_is_survived),
		T(garbage_is_logged_and_a_flood_of_it_counted),
		T(words_of_a_valid_request_are_no_garbage),
		cmocka_unit_test(tcp_serves_on_the_same_agent),
		T(busy_or_wrong_listener_fails_to_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
