#include "gateway/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/metrics.h"

#define MAX_MODULES 32
#define MAX_MESSAGE 4096 /* longer ones are cut, and say so */
#define MAX_LINE    8192
#define NO_LEVEL    (-1)
#define CUT         "..."

/*
 * Readers hold no lock: a name is written once, before the count that makes
 * it visible, and never changes after; clearing only takes its level away.
 */
struct module_level {
	char name[32];
	_Atomic int level;
};

static struct module_level modules[MAX_MODULES];
static _Atomic size_t nmodule;
static _Atomic int base_level = GW_INFO;
static _Atomic int out_format = GW_LOG_TEXT;
static _Atomic int out_fd = STDERR_FILENO;

static const char *const level_names[] = { "error", "warn", "info", "debug" };

GW_COUNTER(m_errors, "isthmus_log_lines_total", "Lines logged, by level",
	   "level=\"error\"");
GW_COUNTER(m_warns, "isthmus_log_lines_total", "Lines logged, by level",
	   "level=\"warn\"");
GW_COUNTER(m_infos, "isthmus_log_lines_total", "Lines logged, by level",
	   "level=\"info\"");
GW_COUNTER(m_debugs, "isthmus_log_lines_total", "Lines logged, by level",
	   "level=\"debug\"");
GW_COUNTER(m_lost, "isthmus_log_lost_total", "Lines that could not be written",
	   "");

void gw_log_setup(enum gw_log_format format, enum gw_log_level level, int fd)
{
	atomic_store(&out_format, (int)format);
	atomic_store(&base_level, (int)level);
	atomic_store(&out_fd, fd);
}

/* The level of @module alone, or NULL. */
static struct module_level *find_module(const char *module)
{
	size_t n = atomic_load_explicit(&nmodule, memory_order_acquire);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(modules[i].name, module))
			return &modules[i];
	return NULL;
}

bool gw_log_set_level(const char *module, enum gw_log_level level)
{
	struct module_level *ml = find_module(module);
	size_t n = atomic_load(&nmodule);

	if (!ml) {
		if (n == MAX_MODULES || strlen(module) >= sizeof(ml->name))
			return false;
		ml = &modules[n];
		(void)snprintf(ml->name, sizeof(ml->name), "%s", module);
		atomic_store(&ml->level, (int)level);
		atomic_store_explicit(&nmodule, n + 1, memory_order_release);
		return true;
	}
	atomic_store(&ml->level, (int)level);
	return true;
}

void gw_log_clear_levels(void)
{
	for (size_t i = 0; i < MAX_MODULES; i++)
		atomic_store(&modules[i].level, NO_LEVEL);
}

int gw_log_level_parse(const char *name)
{
	for (int i = 0; i <= GW_DEBUG; i++)
		if (!strcmp(level_names[i], name))
			return i;
	return -EINVAL;
}

bool gw_log_enabled(enum gw_log_level level, const struct gw_logctx *ctx)
{
	int limit = NO_LEVEL;

	if (ctx && ctx->module) {
		struct module_level *ml = find_module(ctx->module);

		if (ml)
			limit = atomic_load_explicit(&ml->level,
						     memory_order_relaxed);
	}
	if (limit == NO_LEVEL)
		limit = atomic_load_explicit(&base_level, memory_order_relaxed);
	return (int)level <= limit;
}

struct line {
	char text[MAX_LINE];
	size_t len;
	size_t end; /* nothing beyond; what is left is kept for the end */
};

static void put(struct line *l, const char *s, size_t n)
{
	if (n > l->end - l->len)
		return;
	memcpy(l->text + l->len, s, n);
	l->len += n;
}

static void puts_plain(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

/*
 * Bytes of the character at @s (1..4), or 0 where it is not well-formed UTF-8
 * (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF).
 */
static size_t utf8_len(const unsigned char *s)
{
	static const struct {
		unsigned char first, last, second_min, second_max, len;
	} forms[] = {
		{0xc2,  0xdf, 0x80, 0xbf, 2},
                { 0xe0, 0xe0, 0xa0, 0xbf, 3},
		{ 0xe1, 0xec, 0x80, 0xbf, 3},
                { 0xed, 0xed, 0x80, 0x9f, 3},
		{ 0xee, 0xef, 0x80, 0xbf, 3},
                { 0xf0, 0xf0, 0x90, 0xbf, 4},
		{ 0xf1, 0xf3, 0x80, 0xbf, 4},
                { 0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	if (s[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s[0] < forms[i].first || s[0] > forms[i].last)
			continue;
		if (s[1] < forms[i].second_min || s[1] > forms[i].second_max)
			return 0;
		for (size_t k = 2; k < forms[i].len; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].len;
	}
	return 0;
}

/* A control character (C0, DEL, C1) can forge a line or drive a terminal. */
static bool is_control(const unsigned char *s, size_t len)
{
	return (len == 1 && (s[0] < 0x20 || s[0] == 0x7f)) ||
	       (len == 2 && s[0] == 0xc2 && s[1] < 0xa0);
}

static void escape_one(struct line *l, const unsigned char *s, size_t len,
		       bool json)
{
	char esc[12];
	const char *short_form = NULL;

	if (s[0] == '\n')
		short_form = "\\n";
	else if (s[0] == '\r')
		short_form = "\\r";
	else if (s[0] == '\t')
		short_form = "\\t";
	else if (s[0] == '"')
		short_form = "\\\"";
	else if (s[0] == '\\')
		short_form = "\\\\";
	if (short_form)
		(void)snprintf(esc, sizeof(esc), "%s", short_form);
	else if (!json)
		(void)snprintf(esc, sizeof(esc), "\\x%02x",
			       len == 2 ? s[1] : s[0]);
	else if (!len)
		(void)snprintf(esc, sizeof(esc), "\\ufffd");
	else
		(void)snprintf(esc, sizeof(esc), "\\u%04x",
			       len == 2 ? s[1] : s[0]);
	puts_plain(l, esc);
}

/* Text keeps quotes and single backslashes as they are, for readers. */
static void put_escaped(struct line *l, const char *text, bool json)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s) {
		size_t len = utf8_len(s);
		size_t before = l->len;

		if (!len || is_control(s, len) ||
		    (json && (*s == '"' || *s == '\\')))
			escape_one(l, s, len, json);
		else
			put(l, (const char *)s, len);
		if (l->len == before) { /* no room */
			l->end += sizeof(CUT) - 1;
			puts_plain(l, CUT);
			return;
		}
		s += len ? len : 1;
	}
}

static void timestamp(char out[32])
{
	struct timespec ts;
	struct tm tm;
	size_t n;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	(void)gmtime_r(&ts.tv_sec, &tm);
	n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out + n, 32 - n, ".%03dZ", (int)(ts.tv_nsec / 1000000));
}

static void format_text(struct line *l, const char *level,
			const struct gw_logctx *ctx, const char *msg)
{
	char when[32], who[16] = "", head[96];

	timestamp(when);
	(void)prctl(PR_GET_NAME, who);
	(void)snprintf(head, sizeof(head), "%s %-5s ", when, level);
	puts_plain(l, head);
	put_escaped(l, who, false);
	puts_plain(l, " ");
	put_escaped(l, ctx && ctx->module ? ctx->module : "-", false);
	if (ctx && ctx->id && ctx->id[0]) {
		puts_plain(l, " [");
		put_escaped(l, ctx->id, false);
		puts_plain(l, "]");
	}
	puts_plain(l, ": ");
	put_escaped(l, msg, false);
	l->end = MAX_LINE;
	puts_plain(l, "\n");
}

static void json_member(struct line *l, const char *key, const char *value)
{
	puts_plain(l, ",\"");
	puts_plain(l, key);
	puts_plain(l, "\":\"");
	put_escaped(l, value, true);
	puts_plain(l, "\"");
}

static void format_json(struct line *l, const char *level,
			const struct gw_logctx *ctx, const char *msg)
{
	char when[32], who[16] = "";

	timestamp(when);
	(void)prctl(PR_GET_NAME, who);
	puts_plain(l, "{\"time\":\"");
	puts_plain(l, when);
	puts_plain(l, "\"");
	json_member(l, "level", level);
	json_member(l, "thread", who);
	json_member(l, "module", ctx && ctx->module ? ctx->module : "-");
	if (ctx && ctx->id && ctx->id[0])
		json_member(l, "call", ctx->id);
	puts_plain(l, ",\"msg\":\"");
	put_escaped(l, msg, true);
	l->end = MAX_LINE;
	puts_plain(l, "\"}\n");
}

static struct gw_metric *line_metric(enum gw_log_level level)
{
	struct gw_metric *const by_level[] = { &m_errors, &m_warns, &m_infos,
					       &m_debugs };

	return by_level[level];
}

void gw_log(enum gw_log_level level, const struct gw_logctx *ctx,
	    const char *fmt, ...)
{
	int saved = errno;
	char msg[MAX_MESSAGE];
	struct line l;
	va_list ap;
	ssize_t n;
	int len;

	if (!gw_log_enabled(level, ctx))
		return;
	l.len = 0;
	/* Less the mark of a cut, and the closing quote and brace. */
	l.end = sizeof(l.text) - 16;

	va_start(ap, fmt);
	len = vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (len < 0)
		(void)snprintf(msg, sizeof(msg), "(message not printable)");
	else if ((size_t)len >= sizeof(msg))
		memcpy(msg + sizeof(msg) - sizeof(CUT), CUT, sizeof(CUT));

	if (atomic_load_explicit(&out_format, memory_order_relaxed) ==
	    GW_LOG_JSON)
		format_json(&l, level_names[level], ctx, msg);
	else
		format_text(&l, level_names[level], ctx, msg);

	/* One write a line: lines of several threads never mix.  A collector
	 * that does not read must not stop the gateway: a line that finds no
	 * room (O_NONBLOCK) is lost, and counted. */
	do
		n = write(atomic_load_explicit(&out_fd, memory_order_relaxed),
			  l.text, l.len);
	while (n < 0 && errno == EINTR);
	gw_metric_add(n == (ssize_t)l.len ? line_metric(level) : &m_lost, 1);
	errno = saved;
}
