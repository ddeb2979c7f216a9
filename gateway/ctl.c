/*
 * The control socket: who may connect, how much may be said, and how long it
 * may take.
 */
#include "gateway/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/check.h"
#include "gateway/base/metrics.h"
#include "gateway/ctl_addr.h"
#include "gateway/ctl_priv.h"

#define MAGIC          0xc7100001
#define CONN_MAGIC     0xc7100002
#define MAX_CONNS      6 /* the loop watches 32 descriptors in all */
#define MAX_REQUEST    16384
#define MAX_RESPONSE   (512 * 1024)
#define REQUEST_MS     5000  /* for the whole line to come */
#define RESPONSE_MS    90000 /* the store may wait a minute for a lock */
#define WRITE_MS       10000 /* for the response to be read */
#define WRITE_RETRY_MS 5     /* the peer reads slower than we write */

struct conn {
	uint32_t magic;
	LIST_ENTRY(conn) link;
	struct gw_ctl *ctl;
	int fd;
	bool reading;
	struct gw_timer deadline, retry;
	struct gw_ctl_req req;
	char in[MAX_REQUEST];
	size_t len;
	struct gw_buf out;
	size_t sent;
};

struct gw_ctl {
	uint32_t magic;
	struct gw_core *core;
	struct gw_timers *timers;
	int fd;
	bool accepting;
	char path[GW_SET_PATH];
	dev_t dev; /* of the socket in the file system */
	ino_t ino;
	LIST_HEAD(, conn) conns;
	unsigned nconn;
};

static const struct gw_logctx lc = { .module = "ctl" };

GW_COUNTER(m_requests, "isthmus_control_requests_total",
	   "Requests on the control socket", "");
GW_COUNTER(m_dropped, "isthmus_control_dropped_total",
	   "Connections of the control socket that were closed without a "
	   "response",
	   "");

static void on_accept(int fd, void *arg);

static void accept_more(struct gw_ctl *ctl, bool yes)
{
	if (yes == ctl->accepting)
		return;
	if (!yes)
		gw_loop_del_fd(ctl->core->loop, ctl->fd);
	else if (gw_loop_add_fd(ctl->core->loop, ctl->fd, on_accept, ctl))
		return; /* when the next connection ends */
	ctl->accepting = yes;
}

/* ---- a connection ---- */

static void stop_reading(struct conn *c)
{
	if (c->reading)
		gw_loop_del_fd(c->ctl->core->loop, c->fd);
	c->reading = false;
}

static void conn_free(struct conn *c)
{
	struct gw_ctl *ctl = c->ctl;

	GW_CHECK(c, CONN_MAGIC);
	stop_reading(c);
	gw_timer_stop(&c->deadline);
	gw_timer_stop(&c->retry);
	gw_store_cancel(c->req.waiting);
	(void)close(c->fd);
	if (c->out.data)
		explicit_bzero(c->out.data, c->out.len);
	gw_buf_fini(&c->out);
	LIST_REMOVE(c, link);
	ctl->nconn--;
	/* Password hashes, keys. */
	explicit_bzero(c, sizeof(*c));
	free(c);
	accept_more(ctl, true);
}

static void on_deadline(struct gw_timer *t, void *arg)
{
	struct conn *c = arg;

	(void)t;
	GW_CHECK(c, CONN_MAGIC);
	gw_metric_add(&m_dropped, 1);
	gw_warn(&lc, "a client of uid %u is too slow", (unsigned)c->req.uid);
	conn_free(c);
}

static void write_more(struct conn *c)
{
	while (c->sent < c->out.len) {
		ssize_t n =
			send(c->fd, c->out.data + c->sent, c->out.len - c->sent,
			     MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			c->sent += (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			if (gw_timer_start_ms(c->ctl->timers, &c->retry,
					      WRITE_RETRY_MS))
				break;
			return;
		} else if (n >= 0 || errno != EINTR) {
			break;
		}
	}
	conn_free(c);
}

static void on_retry(struct gw_timer *t, void *arg)
{
	struct conn *c = arg;

	(void)t;
	GW_CHECK(c, CONN_MAGIC);
	write_more(c);
}

void gw_ctl_respond(struct gw_ctl_req *req, struct json_object *o)
{
	struct conn *c = (struct conn *)(void *)((char *)req -
						 offsetof(struct conn, req));

	GW_CHECK(c, CONN_MAGIC);
	gw_buf_str(&c->out, json_object_to_json_string_ext(
				    o, JSON_C_TO_STRING_PLAIN |
					       JSON_C_TO_STRING_NOSLASHESCAPE));
	gw_buf_str(&c->out, "\n");
	json_object_put(o);
	if (gw_buf_error(&c->out) ||
	    gw_timer_start_ms(c->ctl->timers, &c->deadline, WRITE_MS)) {
		gw_error(&lc, "no memory for a response");
		gw_metric_add(&m_dropped, 1);
		conn_free(c);
		return;
	}
	write_more(c);
}

static void on_readable(int fd, void *arg)
{
	struct conn *c = arg;
	ssize_t n;
	char *end;

	GW_CHECK(c, CONN_MAGIC);
	n = recv(fd, c->in + c->len, sizeof(c->in) - c->len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		gw_metric_add(&m_dropped, 1);
		conn_free(c);
		return;
	}
	c->len += (size_t)n;
	end = memchr(c->in, '\n', c->len);
	if (!end && c->len < sizeof(c->in))
		return;
	stop_reading(c);
	gw_metric_add(&m_requests, 1);
	(void)gw_timer_start_ms(c->ctl->timers, &c->deadline, RESPONSE_MS);
	if (end)
		gw_ctl_perform(&c->req, c->in, (size_t)(end - c->in));
	else
		gw_ctl_fail(&c->req, "bad_request",
			    "a request is a line of %d bytes at most",
			    MAX_REQUEST);
}

/* The mode of the socket keeps others out; this keeps out who has the socket's
 * directory in a container of its own, say. */
static bool may_connect(int fd, uid_t *uid)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return false;
	*uid = who.uid;
	return who.uid == 0 || who.uid == geteuid();
}

static int conn_new(struct gw_ctl *ctl, int fd, uid_t uid)
{
	struct conn *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->magic = CONN_MAGIC;
	c->ctl = ctl;
	c->fd = fd;
	c->req.core = ctl->core;
	c->req.log = &lc;
	c->req.uid = uid;
	gw_timer_init(&c->deadline, on_deadline, c);
	gw_timer_init(&c->retry, on_retry, c);
	err = gw_timer_start_ms(ctl->timers, &c->deadline, REQUEST_MS);
	if (!err)
		err = gw_loop_add_fd(ctl->core->loop, fd, on_readable, c);
	if (err) {
		gw_timer_stop(&c->deadline);
		free(c);
		return err;
	}
	c->reading = true;
	gw_buf_init(&c->out, MAX_RESPONSE);
	LIST_INSERT_HEAD(&ctl->conns, c, link);
	ctl->nconn++;
	return 0;
}

static void on_accept(int fd, void *arg)
{
	struct gw_ctl *ctl = arg;
	uid_t uid = (uid_t)-1;
	int peer, err;

	GW_CHECK(ctl, MAGIC);
	peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (peer < 0)
		return;
	err = may_connect(peer, &uid) ? conn_new(ctl, peer, uid) : -EPERM;
	if (err) {
		gw_metric_add(&m_dropped, 1);
		gw_warn(&lc, "a client of uid %d is not served: %s", (int)uid,
			strerror(-err));
		(void)close(peer);
	}
	if (ctl->nconn >= MAX_CONNS)
		accept_more(ctl, false);
}

/* ---- the listener ---- */

/* What a daemon that was killed left is taken away; a live one's is not. */
static int clear_stale(const struct sockaddr_un *addr, const char *path)
{
	struct stat st;
	int fd, err;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0
		      ? errno
		      : 0;
	(void)close(fd);
	if (err != ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(path) < 0 ? -errno : 0;
}

static int listen_on(struct gw_ctl *ctl)
{
	struct sockaddr_un addr;
	struct stat st;
	mode_t mask;
	int dir_fd, err;

	err = gw_ctl_addr(&addr, &dir_fd, ctl->path);
	if (!err)
		err = clear_stale(&addr, ctl->path);
	if (err)
		goto out;
	ctl->fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* No instant in which others could connect. */
	mask = umask(0177);
	if (ctl->fd < 0 ||
	    bind(ctl->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		err = -errno;
	(void)umask(mask);
	if (!err && (listen(ctl->fd, 16) < 0 || lstat(ctl->path, &st) < 0))
		err = -errno;
	if (!err) {
		ctl->dev = st.st_dev;
		ctl->ino = st.st_ino;
	}
out:
	if (dir_fd >= 0)
		(void)close(dir_fd);
	return err;
}

int gw_ctl_new(struct gw_ctl **out, struct gw_core *core, const char *path)
{
	struct gw_ctl *ctl = calloc(1, sizeof(*ctl));
	int err;

	if (!ctl)
		return -ENOMEM;
	ctl->magic = MAGIC;
	ctl->core = core;
	ctl->timers = gw_loop_timers(core->loop);
	ctl->fd = -1;
	LIST_INIT(&ctl->conns);
	(void)snprintf(ctl->path, sizeof(ctl->path), "%s", path);
	err = listen_on(ctl);
	if (!err) {
		accept_more(ctl, true);
		err = ctl->accepting ? 0 : -ENOSPC;
	}
	if (err) {
		gw_error(&lc, "control socket %s: %s", path, strerror(-err));
		gw_ctl_free(ctl);
		return err;
	}
	*out = ctl;
	return 0;
}

void gw_ctl_free(struct gw_ctl *ctl)
{
	struct conn *c;
	struct stat st;

	if (!ctl)
		return;
	GW_CHECK(ctl, MAGIC);
	while ((c = LIST_FIRST(&ctl->conns)))
		conn_free(c);
	accept_more(ctl, false);
	if (ctl->fd >= 0)
		(void)close(ctl->fd);
	/* Unless another daemon has put its own there. */
	if (ctl->ino && lstat(ctl->path, &st) == 0 && st.st_dev == ctl->dev &&
	    st.st_ino == ctl->ino)
		(void)unlink(ctl->path);
	ctl->magic = 0;
	free(ctl);
}
