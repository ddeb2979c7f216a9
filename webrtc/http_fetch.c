#include "webrtc/http_fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/buf.h"
#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/metrics.h"

#define FETCH_MAGIC     0x66746368u
#define CONNECT_MS      3000L
#define MAX_AGE_S       INT64_C(31536000)
#define IDLE_SOCKETS    8L
#define WAIT_MS         1000
#define CACHE_CONTROL   "cache-control:"
#define REQUEST_TIMEOUT "no complete answer in time"
#define ENDING          "the gateway ends"

GW_COUNTER(m_ok, "isthmus_http_fetch_total",
	   "Requests to HTTPS servers of others, by result", "result=\"ok\"");
GW_COUNTER(m_failed, "isthmus_http_fetch_total",
	   "Requests to HTTPS servers of others, by result",
	   "result=\"failed\"");
GW_COUNTER(m_refused, "isthmus_http_fetch_total",
	   "Requests to HTTPS servers of others, by result",
	   "result=\"too_many\"");

/* Goes to the thread in a message and comes back in one: whoever has taken the
 * message owns it. */
struct job {
	struct job *next; /* thread's list of those under way */
	gw_fetch_h *handler;
	void *arg;
	char *url, *ca_file, *user, *password, *form;
	long timeout_ms;
	struct gw_buf body;
	bool too_long;
	int64_t max_age_s;
	long status;
	char fault[CURL_ERROR_SIZE];
	CURL *easy;
};

struct gw_fetch {
	uint32_t magic;
	struct gw_loop *loop;
	struct gw_mailbox *to, *from; /* struct job * */
	pthread_t thread;
	bool running;
	unsigned n; /* under way; signalling thread */
	atomic_bool stop;

	/* The thread's own. */
	CURLM *multi;
	struct job *jobs;
};

static void wipe(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

static void job_free(struct job *j)
{
	if (!j)
		return;
	free(j->url);
	free(j->ca_file);
	wipe(j->user);
	wipe(j->password);
	wipe(j->form);
	if (j->body.data)
		explicit_bzero(j->body.data, j->body.len);
	gw_buf_fini(&j->body);
	free(j);
}

/* ---- on the thread ---- */

static size_t on_body(char *data, size_t one, size_t n, void *arg)
{
	struct job *j = arg;

	gw_buf_add(&j->body, data, one * n);
	if (!gw_buf_error(&j->body))
		return n;
	j->too_long = true;
	return 0; /* libcurl gives it up */
}

int64_t gw_fetch_max_age(const char *field, size_t len)
{
	const char *p = field, *end = field + len;
	int64_t age = -1;

	while (p < end) {
		size_t n = 0;

		while (p < end && strchr(" \t,\r\n", *p))
			p++;
		while (p + n < end && p[n] != ',' && p[n] != '\r' &&
		       p[n] != '\n')
			n++;
		if ((n >= 8 && !strncasecmp(p, "no-store", 8)) ||
		    (n >= 8 && !strncasecmp(p, "no-cache", 8)))
			return 0;
		if (n > 8 && !strncasecmp(p, "max-age=", 8)) {
			int64_t v = 0;
			bool digits = false;

			for (size_t i = 8; i < n && p[i] >= '0' && p[i] <= '9';
			     i++, digits = true)
				v = v < MAX_AGE_S ? v * 10 + (p[i] - '0')
						  : MAX_AGE_S;
			if (digits && age < 0)
				age = v < MAX_AGE_S ? v : MAX_AGE_S;
		}
		p += n;
	}
	return age;
}

static size_t on_field(char *data, size_t one, size_t n, void *arg)
{
	size_t len = one * n, name = strlen(CACHE_CONTROL);
	struct job *j = arg;

	if (len > name && !strncasecmp(data, CACHE_CONTROL, name))
		j->max_age_s = gw_fetch_max_age(data + name, len - name);
	return n;
}

static bool set_up(struct job *j)
{
	CURL *e = j->easy;
	bool bad = false;

	bad |= curl_easy_setopt(e, CURLOPT_URL, j->url) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "https") != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_SSLVERSION,
				(long)CURL_SSLVERSION_TLSv1_2) != CURLE_OK;
	if (j->ca_file[0])
		bad |= curl_easy_setopt(e, CURLOPT_CAINFO, j->ca_file) !=
		       CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, j->timeout_ms) !=
	       CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) !=
	       CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE,
				(curl_off_t)j->body.limit) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_WRITEDATA, j) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_field) !=
	       CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_HEADERDATA, j) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, j->fault) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_PRIVATE, j) != CURLE_OK;
	if (j->user) {
		bad |= curl_easy_setopt(e, CURLOPT_HTTPAUTH,
					(long)CURLAUTH_BASIC) != CURLE_OK;
		bad |= curl_easy_setopt(e, CURLOPT_USERNAME, j->user) !=
		       CURLE_OK;
		bad |= curl_easy_setopt(e, CURLOPT_PASSWORD, j->password) !=
		       CURLE_OK;
	}
	if (j->form)
		bad |= curl_easy_setopt(e, CURLOPT_POSTFIELDS, j->form) !=
		       CURLE_OK;
	return !bad;
}

/* Back to the loop.  There is a place for each that can be under way. */
static void give_back(struct gw_fetch *f, struct job *j)
{
	int err = gw_mailbox_post(f->from, &j);

	assert(!err);
}

static void begin(struct gw_fetch *f, struct job *j)
{
	j->easy = curl_easy_init();
	if (j->easy && set_up(j) &&
	    curl_multi_add_handle(f->multi, j->easy) == CURLM_OK) {
		j->next = f->jobs;
		f->jobs = j;
		return;
	}
	curl_easy_cleanup(j->easy);
	j->easy = NULL;
	(void)snprintf(j->fault, sizeof(j->fault), "cannot be started");
	give_back(f, j);
}

static void let_go(struct gw_fetch *f, struct job *j)
{
	struct job **p = &f->jobs;

	while (*p != j)
		p = &(*p)->next;
	*p = j->next;
	(void)curl_multi_remove_handle(f->multi, j->easy);
	curl_easy_cleanup(j->easy);
	j->easy = NULL;
}

static void ended(struct gw_fetch *f, CURL *easy, CURLcode code)
{
	struct job *j = NULL;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&j);
	assert(j);
	if (code == CURLE_OK)
		(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE,
					&j->status);
	else if (j->too_long || code == CURLE_FILESIZE_EXCEEDED)
		(void)snprintf(j->fault, sizeof(j->fault),
			       "longer than %zu bytes", j->body.limit);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		(void)snprintf(j->fault, sizeof(j->fault), REQUEST_TIMEOUT);
	else if (!j->fault[0])
		(void)snprintf(j->fault, sizeof(j->fault), "%s",
			       curl_easy_strerror(code));
	if (code == CURLE_OK)
		j->fault[0] = '\0';
	let_go(f, j);
	give_back(f, j);
}

static void *run(void *arg)
{
	struct gw_fetch *f = arg;
	struct curl_waitfd box = { .fd = gw_mailbox_fd(f->to),
				   .events = CURL_WAIT_POLLIN };
	struct job *j;
	CURLMsg *msg;
	int running = 0, left, ready;

	while (!atomic_load_explicit(&f->stop, memory_order_acquire)) {
		gw_mailbox_quiet(f->to);
		while (gw_mailbox_take(f->to, &j))
			begin(f, j);
		(void)curl_multi_perform(f->multi, &running);
		while ((msg = curl_multi_info_read(f->multi, &left)))
			if (msg->msg == CURLMSG_DONE)
				ended(f, msg->easy_handle, msg->data.result);
		box.revents = 0;
		(void)curl_multi_poll(f->multi, &box, 1, WAIT_MS, &ready);
	}
	while ((j = f->jobs)) {
		let_go(f, j);
		(void)snprintf(j->fault, sizeof(j->fault), ENDING);
		give_back(f, j);
	}
	return NULL;
}

/* ---- on the loop ---- */

static void tell(struct gw_fetch *f, struct job *j)
{
	struct gw_fetch_result r = {
		.fault = j->fault[0] ? j->fault : NULL,
		.status = j->status,
		.body = j->body.data ? j->body.data : "",
		.len = j->body.len,
		.max_age_s = j->max_age_s,
	};

	f->n--;
	gw_metric_add(r.fault ? &m_failed : &m_ok, 1);
	j->handler(&r, j->arg);
	job_free(j);
}

static void on_done(int fd, void *arg)
{
	struct gw_fetch *f = arg;
	struct job *j;

	(void)fd;
	GW_CHECK(f, FETCH_MAGIC);
	gw_mailbox_quiet(f->from);
	while (gw_mailbox_take(f->from, &j))
		tell(f, j);
}

static int start_thread(struct gw_fetch *f)
{
	sigset_t all, old;
	int err;

	/* Signals are the signalling thread's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&f->thread, NULL, run, f);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return -err;
	(void)pthread_setname_np(f->thread, "fetch");
	f->running = true;
	return 0;
}

int gw_fetch_new(struct gw_fetch **out, struct gw_loop *loop)
{
	struct gw_fetch *f;
	int err;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	f = calloc(1, sizeof(*f));
	if (!f) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	f->magic = FETCH_MAGIC;
	f->loop = loop;
	atomic_init(&f->stop, false);
	f->multi = curl_multi_init();
	err = f->multi ? 0 : -ENOMEM;
	if (!err)
		(void)curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS,
					IDLE_SOCKETS);
	if (!err)
		err = gw_mailbox_new(&f->to, sizeof(struct job *),
				     GW_FETCH_MAX);
	if (!err)
		err = gw_mailbox_new(&f->from, sizeof(struct job *),
				     GW_FETCH_MAX);
	if (!err)
		err = gw_loop_add_fd(loop, gw_mailbox_fd(f->from), on_done, f);
	if (!err)
		err = start_thread(f);
	if (err) {
		gw_fetch_free(f);
		return err;
	}
	*out = f;
	return 0;
}

void gw_fetch_free(struct gw_fetch *f)
{
	struct job *j;

	if (!f)
		return;
	GW_CHECK(f, FETCH_MAGIC);
	if (f->running) {
		atomic_store_explicit(&f->stop, true, memory_order_release);
		(void)curl_multi_wakeup(f->multi);
		(void)pthread_join(f->thread, NULL);
	}
	f->running = false; /* what is asked now is refused */
	while (f->to && gw_mailbox_take(f->to, &j)) {
		(void)snprintf(j->fault, sizeof(j->fault), ENDING);
		tell(f, j);
	}
	while (f->from && gw_mailbox_take(f->from, &j))
		tell(f, j);
	if (f->from)
		gw_loop_del_fd(f->loop, gw_mailbox_fd(f->from));
	gw_mailbox_free(f->to);
	gw_mailbox_free(f->from);
	if (f->multi)
		(void)curl_multi_cleanup(f->multi);
	curl_global_cleanup();
	f->magic = 0;
	free(f);
}

/* NULL stays NULL. */
static bool copy(char **to, const char *text)
{
	*to = text ? strdup(text) : NULL;
	return !text || *to;
}

int gw_fetch_start(struct gw_fetch *f, const struct gw_fetch_request *req,
		   gw_fetch_h *handler, void *arg)
{
	struct job *j;

	GW_CHECK(f, FETCH_MAGIC);
	if (!f->running || f->n >= GW_FETCH_MAX) {
		gw_metric_add(&m_refused, 1);
		return -EBUSY;
	}
	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	gw_buf_init(&j->body, req->max_bytes);
	j->handler = handler;
	j->arg = arg;
	j->timeout_ms = (long)req->timeout_ms;
	j->max_age_s = -1;
	if (!copy(&j->url, req->url) || !copy(&j->ca_file, req->ca_file) ||
	    !copy(&j->user, req->user) || !copy(&j->password, req->password) ||
	    !copy(&j->form, req->form) || gw_mailbox_post(f->to, &j)) {
		job_free(j);
		return -ENOMEM;
	}
	f->n++;
	return 0;
}
