#include "media/media.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/metrics.h"
#include "media/dtls.h"
#include "media/srtp.h"
#include "media/worker.h"

#define MEDIA_MAGIC  0x3ed1a3ed
#define EVENTS       1024
#define MAX_WORKERS  64
#define WORKER_SHIFT 56

/* Fewer contexts than this hold too little to be worth giving back. */
#define TRIM_MIN 64
/* After so many handshakes and releases, when no more come. */
#define SETTLED_MIN 64
#define SETTLED_MS  1500
/* glibc grows a heap by this at a time. */
#define HEAP_STEP (1 << 20)

struct gw_media {
	uint32_t magic;
	struct gw_loop *loop;
	bool watched;
	struct gw_media_config cfg; /* the workers read it; never written */
	struct gw_mailbox *events;
	unsigned nworker;
	struct gw_worker *worker[MAX_WORKERS];
	unsigned next; /* where the search for the least loaded begins */
	uint64_t last_id;
	unsigned most;  /* contexts at once, since memory was given back */
	unsigned frees; /* handshakes and releases since then */
	struct gw_timer settled;
	gw_media_event_h *handler;
	void *arg;
	bool *gone; /* set when a handler frees us */
};

GW_COUNTER(m_full, "isthmus_media_commands_refused_total",
	   "Commands refused because a media worker is behind", "");

GW_COUNTER(m_trims, "isthmus_media_memory_returned_total",
	   "Times that memory of ended calls was given back to the system", "");

static const struct gw_logctx mlog = { .module = "media" };

/*
 * glibc keeps what lies between living blocks.  When half of the contexts of a
 * busy time have gone it is made to give that back: 4 ms for a thousand
 * contexts, on this thread and not on a worker's, and seldom, as the number
 * halves each time.
 */
static void return_memory(struct gw_media *m)
{
	unsigned live = 0;

	for (unsigned i = 0; i < m->nworker; i++)
		live += gw_worker_load(m->worker[i]);
	if (live > m->most)
		m->most = live;
	if (m->most < TRIM_MIN || live > m->most / 2)
		return;
	m->most = live;
	(void)malloc_trim(0);
	gw_metric_add(&m_trims, 1);
}

/* A handshake's memory lies between that of the calls, which last; and the
 * last calls of many leave what halving does not find. */
static void on_settled(struct gw_timer *t, void *arg)
{
	struct gw_media *m = arg;

	(void)t;
	GW_CHECK(m, MEDIA_MAGIC);
	m->frees = 0;
	(void)malloc_trim(0);
	gw_metric_add(&m_trims, 1);
}

static void count_free(struct gw_media *m)
{
	/* Not while more of them come: they take what the last ones left. */
	if (++m->frees >= SETTLED_MIN)
		(void)gw_timer_start_ms(gw_loop_timers(m->loop), &m->settled,
					SETTLED_MS);
}

static void events_ready(int fd, void *arg)
{
	struct gw_media *m = arg;
	struct gw_media_event ev;
	bool gone = false;
	bool began = false;
	bool ended = false;

	(void)fd;
	GW_CHECK(m, MEDIA_MAGIC);
	m->gone = &gone;
	gw_mailbox_quiet(m->events);
	while (!gone && gw_mailbox_take(m->events, &ev)) {
		ended = ended || ev.type == GW_E_RELEASED;
		began = began || ev.type == GW_E_RESERVED;
		if (ev.type == GW_E_RELEASED ||
		    (ev.type == GW_E_DTLS && ev.state == GW_DTLS_UP))
			count_free(m);
		m->handler(&ev, m->arg);
	}
	if (gone)
		return;
	m->gone = NULL;
	if (began || ended)
		return_memory(m);
}

static unsigned worker_count(unsigned wanted)
{
	long cores;

	if (!wanted) {
		cores = sysconf(_SC_NPROCESSORS_ONLN);
		wanted = cores > 0 ? (unsigned)cores : 1;
	}
	return wanted < MAX_WORKERS ? wanted : MAX_WORKERS;
}

/*
 * For the whole process.  An arena of a worker's own grows a page at a time, by mprotect(): 16 of them
 * a call.  One heap for all threads grows by megabytes; its lock is no matter
 * to packets, which allocate nothing.
 */
static void tune_heap(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_TOP_PAD, HEAP_STEP);
}

static int start(struct gw_media *m)
{
	unsigned n = worker_count(m->cfg.workers);
	int err;

	err = gw_srtp_init();
	if (err) {
		gw_error(&mlog, "SRTP: the ciphers fail their self-test");
		return err;
	}
	err = gw_mailbox_new(&m->events, sizeof(struct gw_media_event), EVENTS);
	while (!err && m->nworker < n) {
		err = gw_worker_new(&m->worker[m->nworker], &m->cfg, m->events,
				    m->nworker, n);
		if (!err)
			m->nworker++;
	}
	if (!err)
		err = gw_loop_add_fd(m->loop, gw_mailbox_fd(m->events),
				     events_ready, m);
	m->watched = !err;
	return err;
}

void gw_media_begin(char *const argv[])
{
	char file[4096]; /* by its own name, as ps shows it */
	ssize_t n;

	if (getenv("G_SLICE"))
		return;
	n = readlink("/proc/self/exe", file, sizeof(file) - 1);
	if (n > 0 && !setenv("G_SLICE", "always-malloc", 1)) {
		file[n] = '\0';
		(void)execv(file, argv);
	}
	/* It costs memory, no more. */
	gw_warn(&mlog, "memory of ended calls will be kept: %s",
		strerror(errno));
}

int gw_media_new(struct gw_media **out, struct gw_loop *loop,
		 const struct gw_media_config *cfg, gw_media_event_h *handler,
		 void *arg)
{
	struct gw_media *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->magic = MEDIA_MAGIC;
	gw_timer_init(&m->settled, on_settled, m);
	tune_heap();
	m->loop = loop;
	m->cfg = *cfg;
	m->handler = handler;
	m->arg = arg;
	err = start(m);
	if (err) {
		gw_media_free(m);
		return err;
	}
	gw_info(&mlog, "%u media workers", m->nworker);
	*out = m;
	return 0;
}

void gw_media_free(struct gw_media *m)
{
	if (!m)
		return;
	if (m->gone)
		*m->gone = true;
	if (m->watched)
		gw_loop_del_fd(m->loop, gw_mailbox_fd(m->events));
	gw_timer_stop(&m->settled);
	for (unsigned i = 0; i < m->nworker; i++)
		gw_worker_free(m->worker[i]);
	gw_mailbox_free(m->events);
	m->magic = 0;
	free(m);
}

gw_ctx_id gw_media_new_id(struct gw_media *m)
{
	unsigned best = m->next % m->nworker;
	unsigned least = gw_worker_load(m->worker[best]);

	/* Beginning elsewhere each time spreads a burst of ids, which a
	 * worker's load does not show yet. */
	for (unsigned i = 1; i < m->nworker; i++) {
		unsigned at = (m->next + i) % m->nworker;
		unsigned load = gw_worker_load(m->worker[at]);

		if (load < least) {
			least = load;
			best = at;
		}
	}
	m->next = (m->next + 1) % m->nworker;
	return (gw_ctx_id)best << WORKER_SHIFT | ++m->last_id;
}

int gw_media_post(struct gw_media *m, const struct gw_media_cmd *cmd)
{
	uint64_t at = cmd->ctx >> WORKER_SHIFT;
	int err;

	/* An id that we never made is unknown to any worker: GONE. */
	err = gw_worker_post(m->worker[at < m->nworker ? at : 0], cmd);
	if (err)
		gw_metric_add(&m_full, 1);
	return err;
}
