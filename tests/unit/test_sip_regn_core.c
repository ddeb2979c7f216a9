/* Cores that die, come back, and are not to be stormed. */
#include "tests/unit/test_sip_regn.h"

#define PORT 22351 /* the second core's is one above */

static int other_fd;

/* The second core's socket for the first's: who plays. */
static void swap(struct rfix *x)
{
	int fd = x->f.fd;

	x->f.fd = other_fd;
	other_fd = fd;
}

static int open_core(uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

static int setup(void **state)
{
	struct rfix *x = rfix_new(PORT);

	(void)snprintf(x->f.set.ims.core[1], 128, "sip:127.0.0.1:%u", PORT + 1);
	x->f.set.ims.ncore = 2;
	rfix_start(x);
	other_fd = open_core(PORT + 1);
	*state = x;
	return 0;
}

static int setup_probing(void **state)
{
	struct rfix *x = rfix_new(PORT);

	x->f.set.ims.probe_s = 10;
	rfix_start(x);
	other_fd = -1;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	if (other_fd >= 0)
		(void)close(other_fd);
	return rfix_stop(state);
}

static void another_core_serves_when_the_first_does_not(void **state)
{
	static const int trouble[] = { 500, 480, 408, 504, 600 };
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	struct packet p, q;

	for (size_t i = 0; i < GW_ARRAY_LEN(trouble); i++) {
		(void)snprintf(req.key, sizeof(req.key), "k%zu", i);
		begin(x, &req);
		expect(&x->f, &p, "REGISTER ");
		reply(&x->f, &p, trouble[i], "t", NULL, NULL);
		swap(x);
		expect(&x->f, &q, "REGISTER ");
		assert_string_equal(header(&q, "Call-ID"),
				    header(&p, "Call-ID"));
		assert_string_equal(header(&q, "CSeq"), "2 REGISTER");
		grant(x, &q, "540", NULL);
		(void)hear(x, GW_RE_REGISTERED);
		swap(x);
	}
	/* It answers, so it is not dead. */
	assert_int_equal(metric("isthmus_ims_cores_dead"), 0);
}

static void a_dead_core_is_passed_over_and_come_back_to(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	int64_t over = metric("isthmus_ims_failovers_total");
	struct packet p;

	begin(x, &req);
	expect(&x->f, &p, "REGISTER ");
	pass_ms(x, 5001);
	swap(x);
	expect(&x->f, &p, "REGISTER ");
	grant(x, &p, "100", NULL);
	(void)hear(x, GW_RE_REGISTERED);
	assert_int_equal(metric("isthmus_ims_failovers_total"), over + 1);
	assert_int_equal(metric("isthmus_ims_cores_dead"), 1);
	/* Nobody waits for it again meanwhile. */
	pass_ms(x, 50001);
	expect(&x->f, &p, "REGISTER ");
	grant(x, &p, "100", NULL);
	expect_silence(&x->f, 50);
	/* After a minute it has its chance. */
	pass_ms(x, 50001);
	swap(x);
	expect(&x->f, &p, "REGISTER ");
	while (strcmp(header(&p, "CSeq"), "4 REGISTER") != 0)
		get_packet(&x->f, &p);
	grant(x, &p, "100", NULL);
	expect_silence(&x->f, 50);
	assert_int_equal(metric("isthmus_ims_cores_dead"), 0);
}

static void a_core_that_is_not_there_is_no_wait(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	struct packet p;

	(void)close(x->f.fd);
	x->f.fd = -1;
	begin(x, &req);
	swap(x);
	expect(&x->f, &p, "REGISTER ");
	grant(x, &p, "540", NULL);
	(void)hear(x, GW_RE_REGISTERED);
	assert_int_equal(metric("isthmus_ims_cores_dead"), 1);
}

static void a_core_that_dies_in_the_middle_is_replaced(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_secret s = { .password = "p" };
	struct gw_regn_request req = trusted_request();
	struct packet p;

	req.how = GW_REGN_HELD;
	req.secret = &s;
	begin(x, &req);
	expect(&x->f, &p, "REGISTER ");
	reply(&x->f, &p, 401, "t",
	      "WWW-Authenticate: Digest realm=\"ims.test\",nonce=\"n1\","
	      "qop=\"auth\"\r\n",
	      NULL);
	expect(&x->f, &p, "REGISTER ");
	pass_ms(x, 5001);
	swap(x);
	expect(&x->f, &p, "REGISTER ");
	reply(&x->f, &p, 401, "t",
	      "WWW-Authenticate: Digest realm=\"ims.test\",nonce=\"n2\","
	      "qop=\"auth\",stale=true\r\n",
	      NULL);
	expect(&x->f, &p, "REGISTER ");
	assert_non_null(strstr(p.text, "n2"));
	grant(x, &p, "540", NULL);
	(void)hear(x, GW_RE_REGISTERED);
}

static void when_all_are_dead_nobody_waits(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	const struct heard *h;
	struct packet p;

	begin(x, &req);
	expect(&x->f, &p, "REGISTER ");
	pass_ms(x, 5001);
	swap(x);
	expect(&x->f, &p, "REGISTER ");
	pass_ms(x, 5001);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 408);
	begin(x, &req);
	h = hear(x, GW_RE_ENDED);
	assert_int_equal(h->status, 503);
	/* when the first of them may live again, and by a half later */
	assert_in_range(h->retry_after_s, 55, 84);
}

static void probes_find_the_dead_and_the_living(void **state)
{
	struct rfix *x = *state;
	struct packet p, q;

	pass_ms(x, 10001);
	expect(&x->f, &p, "OPTIONS sip:127.0.0.1:22351 SIP/2.0");
	reply(&x->f, &p, 405, "t", NULL, NULL);
	expect_silence(&x->f, 30);
	assert_int_equal(metric("isthmus_ims_cores_dead"), 0);
	pass_ms(x, 10001);
	expect(&x->f, &p, "OPTIONS ");
	pass_ms(x, 10001);
	expect(&x->f, &q, "OPTIONS ");
	assert_int_equal(metric("isthmus_ims_cores_dead"), 1);
	reply(&x->f, &q, 200, "t", NULL, NULL);
	expect_silence(&x->f, 30);
	assert_int_equal(metric("isthmus_ims_cores_dead"), 0);
	pass_ms(x, 10001);
	expect(&x->f, &q, "OPTIONS ");
	reply(&x->f, &q, 503, "t", NULL, NULL);
	expect_silence(&x->f, 30);
	assert_int_equal(metric("isthmus_ims_cores_dead"), 1);
}

#define MANY 40

/* Answers what comes; returns how many REGISTERs. */
static unsigned serve(struct rfix *x)
{
	unsigned n = 0;
	struct packet p;

	for (int i = 0; i < 3; i++) {
		gw_loop_step(x->f.loop, 1);
		while (poll_packet(&x->f, &p)) {
			if (!strncmp(p.text, "REGISTER ", 9)) {
				grant(x, &p, "540", NULL);
				n++;
			} else if (!strncmp(p.text, "OPTIONS ", 8)) {
				reply(&x->f, &p, 200, "t", NULL, NULL);
			}
			gw_loop_step(x->f.loop, 1);
		}
	}
	return n;
}

static void on_one_of_many(struct gw_regn *r, const struct gw_regn_event *ev,
			   void *arg)
{
	unsigned *registered = arg;

	(void)r;
	if (ev->type == GW_RE_REFRESHED)
		return;
	assert_int_equal(ev->type, GW_RE_REGISTERED);
	++*registered;
}

static void start_many(struct rfix *x, unsigned n, unsigned *registered)
{
	struct gw_regn_request req = trusted_request();
	struct gw_regn *r;

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(req.key, sizeof(req.key), "m%u", i);
		assert_int_equal(gw_regn_start(&r, x->f.sip, &req,
					       on_one_of_many, registered),
				 0);
	}
}

static void registers_are_no_faster_than_allowed(void **state)
{
	struct rfix *x = *state;
	unsigned registered = 0, n, total = 0, most = 0;
	struct gw_regn_request req = trusted_request();

	x->f.set.ims.register_rate = 10;
	start_many(x, MANY, &registered);
	for (int ms = 0; ms < 5000; ms += 100) {
		pass_ms(x, 100);
		n = serve(x);
		total += n;
		most = n > most ? n : most;
		/* Ten a second, one of them at once. */
		assert_true(total <= (unsigned)ms / 100 + 3);
	}
	assert_int_equal(total, MANY);
	assert_int_equal(registered, MANY);
	assert_in_range(most, 1, 3);
	/* Who would have to wait for over ten seconds is sent away. */
	for (unsigned i = 0; i < 200; i++) {
		int err;

		(void)snprintf(req.key, sizeof(req.key), "n%u", i);
		err = gw_regn_start(&x->r, x->f.sip, &req, on_one_of_many,
				    &registered);
		gw_loop_step(x->f.loop, 0);
		if (err) {
			assert_int_equal(err, -EAGAIN);
			assert_in_range(i, 95, 110);
			return;
		}
	}
	fail_msg("nobody was sent away");
}

static void a_core_that_restarted_is_not_stormed(void **state)
{
	struct rfix *x = *state;
	unsigned registered = 0, n, total = 0, most = 0, busy = 0;
	struct packet p;

	x->f.set.ims.register_rate = 20;
	start_many(x, MANY, &registered);
	for (int ms = 0; ms < 4000; ms += 100) {
		pass_ms(x, 100);
		(void)serve(x);
	}
	assert_int_equal(registered, MANY);
	/* It dies, a probe tells; and comes back, the next one tells. */
	pass_ms(x, 6100);
	expect(&x->f, &p, "OPTIONS ");
	pass_ms(x, 10001);
	expect(&x->f, &p, "OPTIONS ");
	assert_int_equal(metric("isthmus_ims_cores_dead"), 1);
	reply(&x->f, &p, 200, "t", NULL, NULL);
	expect_silence(&x->f, 30);
	for (int ms = 0; ms < 8000; ms += 100) {
		pass_ms(x, 100);
		n = serve(x);
		total += n;
		busy += n > 0;
		most = n > most ? n : most;
	}
	/* All of them, over some seconds, and nobody was told. */
	assert_int_equal(total, MANY);
	assert_in_range(most, 1, 6);
	assert_true(busy > 12);
	assert_int_equal(registered, MANY);
}

static void a_reload_may_bring_other_cores(void **state)
{
	struct rfix *x = *state;
	struct gw_settings other = x->f.set;
	struct packet p;

	register_trusted(x, &p);
	(void)snprintf(other.ims.core[0], 128, "sip:127.0.0.1:%u", PORT + 1);
	other.ims.ncore = 1;
	gw_sip_reload(x->f.sip, &other);
	pass_ms(x, 270001);
	swap(x);
	expect(&x->f, &p, "REGISTER ");
	grant(x, &p, "540", NULL);
	expect_silence(&x->f, 30);
	assert_int_equal(metric("isthmus_ims_registrations"), 1);
	/* None at all: what there is ends when it would. */
	other.ims.enabled = false;
	gw_sip_reload(x->f.sip, &other);
	pass_ms(x, 270001);
	for (int i = 0; i < 20 && !x->ended; i++)
		pass_ms(x, 60000);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 503);
	gw_sip_reload(x->f.sip, &x->f.set);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define P(name) cmocka_unit_test_setup_teardown(name, setup_probing, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(another_core_serves_when_the_first_does_not),
		T(a_dead_core_is_passed_over_and_come_back_to),
		T(a_core_that_is_not_there_is_no_wait),
		T(a_core_that_dies_in_the_middle_is_replaced),
		T(when_all_are_dead_nobody_waits),
		P(probes_find_the_dead_and_the_living),
		P(registers_are_no_faster_than_allowed),
		P(a_core_that_restarted_is_not_stormed),
		T(a_reload_may_bring_other_cores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
