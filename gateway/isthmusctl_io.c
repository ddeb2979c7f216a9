/*
 * What isthmusctl asks: the daemon, over its socket, and the person, for
 * passwords.  A password leaves this process as a hash only.
 */
#include "gateway/isthmusctl.h"

#include <crypt.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/ctl_addr.h"

#define MAX_PASSWORD 512 /* as the daemon takes at log-in */
#define MAX_RESPONSE (1024 * 1024)
#define TIMEOUT_S    100 /* the daemon gives up before */

void gw_ctl_complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("isthmusctl: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

/* ---- the daemon ---- */

static int connect_to(const char *path)
{
	struct timeval tv = { .tv_sec = TIMEOUT_S };
	struct sockaddr_un addr;
	int dir_fd, fd, err = gw_ctl_addr(&addr, &dir_fd, path);

	if (err) {
		errno = -err;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		err = errno;
		(void)close(fd);
		fd = -1;
		errno = err;
	}
	if (fd >= 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	}
	err = errno;
	if (dir_fd >= 0)
		(void)close(dir_fd);
	errno = err;
	return fd;
}

static int send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A whole line, owned; NULL: there was none. */
static char *receive(int fd)
{
	char *line = NULL;
	size_t len = 0, cap = 0;

	for (;;) {
		ssize_t n;

		if (len + 1 >= cap) {
			char *more = realloc(line, cap ? cap * 2 : 65536);

			if (!more || cap >= MAX_RESPONSE) {
				free(more ? more : line);
				return NULL;
			}
			cap = cap ? cap * 2 : 65536;
			line = more;
		}
		n = recv(fd, line + len, cap - len - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (!len || line[len - 1] != '\n') {
		free(line);
		return NULL;
	}
	line[len - 1] = '\0';
	return line;
}

static struct json_object *converse(const struct gw_ctl_tool *t,
				    const char *request)
{
	struct json_object *o = NULL;
	int fd = connect_to(t->socket);
	char *line = NULL;

	if (fd < 0) {
		gw_ctl_complain("%s: %s; is the daemon running, and "
				"control.socket the same?",
				t->socket, strerror(errno));
		return NULL;
	}
	if (!send_all(fd, request, strlen(request)) && !send_all(fd, "\n", 1))
		line = receive(fd);
	if (line)
		o = json_tokener_parse(line);
	if (!json_object_is_type(o, json_type_object)) {
		gw_ctl_complain("%s: the daemon gave no answer", t->socket);
		json_object_put(o);
		o = NULL;
	}
	free(line);
	(void)close(fd);
	return o;
}

static const char *text(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v)
						     : "";
}

static int status_of(const char *error)
{
	static const struct {
		const char *error;
		int status;
	} all[] = {
		{"not_found", GW_CTL_NOT_FOUND},
		{ "exists",   GW_CTL_CONFLICT },
		{ "busy",     GW_CTL_CONFLICT },
		{ "store",    GW_CTL_STORE    },
		{ "no_store", GW_CTL_STORE    },
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(all); i++) {
		if (!strcmp(error, all[i].error))
			return all[i].status;
	}
	return GW_CTL_FAILED;
}

struct json_object *gw_ctl_ask(const struct gw_ctl_tool *t,
			       struct json_object *request, int *status)
{
	struct json_object *o, *ok;

	o = converse(t, json_object_to_json_string_ext(request,
						       JSON_C_TO_STRING_PLAIN));
	json_object_put(request);
	if (!o) {
		*status = GW_CTL_NO_DAEMON;
		return NULL;
	}
	if (json_object_object_get_ex(o, "ok", &ok) &&
	    json_object_get_boolean(ok))
		return o;
	*status = status_of(text(o, "error"));
	gw_ctl_complain("%s", text(o, "detail"));
	if (t->json)
		gw_ctl_print_json(o);
	json_object_put(o);
	return NULL;
}

/* ---- passwords ---- */

/* A line without its end; -1: none, or too long. */
static int read_line(FILE *in, char out[MAX_PASSWORD + 2])
{
	size_t n;

	if (!fgets(out, MAX_PASSWORD + 2, in))
		return -1;
	n = strlen(out);
	if (n && out[n - 1] == '\n')
		out[--n] = '\0';
	return n <= MAX_PASSWORD ? 0 : -1;
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

/* Without an echo.  A signal ends the read, so that the terminal is never left
 * without one. */
static int prompt(const char *what, char out[MAX_PASSWORD + 2])
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction act = { .sa_handler = on_signal };
	struct sigaction before[GW_ARRAY_LEN(ends)];
	struct termios old, quiet;
	FILE *tty = fopen("/dev/tty", "r+e");
	int rc = -1;

	if (!tty)
		return -1;
	/* Nothing stays in a buffer of ours. */
	(void)setvbuf(tty, NULL, _IONBF, 0);
	for (size_t i = 0; i < GW_ARRAY_LEN(ends); i++)
		(void)sigaction(ends[i], &act, &before[i]);
	if (tcgetattr(fileno(tty), &old) == 0) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(fileno(tty), TCSAFLUSH, &quiet);
		(void)fprintf(tty, "%s: ", what);
		rc = interrupted ? -1 : read_line(tty, out);
		(void)tcsetattr(fileno(tty), TCSAFLUSH, &old);
		(void)fputc('\n', tty);
	}
	for (size_t i = 0; i < GW_ARRAY_LEN(ends); i++)
		(void)sigaction(ends[i], &before[i], NULL);
	(void)fclose(tty);
	if (interrupted)
		(void)raise(interrupted);
	return rc;
}

static int ask_person(char out[MAX_PASSWORD + 2])
{
	char again[MAX_PASSWORD + 2] = "";
	int rc;

	if (!isatty(STDIN_FILENO)) {
		/* Only the line: the rest is somebody else's. */
		(void)setvbuf(stdin, NULL, _IONBF, 0);
		rc = read_line(stdin, out);
	} else {
		rc = prompt("New password", out);
		if (!rc)
			rc = prompt("Again", again);
		if (!rc && strcmp(out, again) != 0) {
			gw_ctl_complain("the two differ");
			explicit_bzero(again, sizeof(again));
			return -1;
		}
		explicit_bzero(again, sizeof(again));
	}
	if (rc || !out[0]) {
		gw_ctl_complain("a password of 1 to %d bytes is needed, from "
				"the terminal or as a line of standard input",
				MAX_PASSWORD);
		return -1;
	}
	return 0;
}

int gw_ctl_read_password(char hash[GW_CTL_HASH])
{
	char password[MAX_PASSWORD + 2] = "";
	struct crypt_data *data = calloc(1, sizeof(*data));
	char *setting = NULL;
	const char *got = NULL;
	int rc = -1;

	if (data && !ask_person(password)) {
		/* The cost that Debian's own passwords have. */
		setting = crypt_gensalt_ra("$y$", 0, NULL, 0);
		got = setting ? crypt_r(password, setting, data) : NULL;
		if (got && got[0] == '$' && strlen(got) < GW_CTL_HASH) {
			memcpy(hash, got, strlen(got) + 1);
			rc = 0;
		} else {
			gw_ctl_complain("the password cannot be hashed");
		}
	}
	free(setting);
	explicit_bzero(password, sizeof(password));
	if (data)
		explicit_bzero(data, sizeof(*data));
	free(data);
	return rc;
}

/* ---- credentials of the core ---- */

static int add_line(struct json_object *o, char *line)
{
	char *value = strchr(line, ':'), *end;

	while (isspace((unsigned char)*line))
		line++;
	if (!*line || *line == '#')
		return 0;
	if (!value)
		return -1;
	*value++ = '\0';
	while (isspace((unsigned char)*value))
		value++;
	end = value + strlen(value);
	while (end > value && isspace((unsigned char)end[-1]))
		*--end = '\0';
	json_object_object_add(o, line, json_object_new_string(value));
	return 0;
}

struct json_object *gw_ctl_read_secret(const char *file)
{
	FILE *in = strcmp(file, "-") ? fopen(file, "re") : stdin;
	struct json_object *o = json_object_new_object();
	char line[256];
	unsigned n = 0;
	int rc = 0;

	if (!in) {
		gw_ctl_complain("%s: %s", file, strerror(errno));
		json_object_put(o);
		return NULL;
	}
	while (!rc && fgets(line, sizeof(line), in)) {
		n++;
		rc = add_line(o, line);
	}
	explicit_bzero(line, sizeof(line));
	if (in != stdin)
		(void)fclose(in);
	if (rc) {
		gw_ctl_complain("%s:%u: is not NAME: VALUE", file, n);
		json_object_put(o);
		return NULL;
	}
	return o;
}
