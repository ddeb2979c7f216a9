/*
 * Sofia's own log: its lines become ours, and of what NTA could not read so
 * many are told a second, the others are counted.
 */
#include "sip/stack.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sofia-sip/su_log.h>

/* Exported by the library, declared by none of its public headers. */
extern su_log_t nta_log[];

static const struct gw_logctx sofia_log = { .module = "sofia" };
static const struct gw_logctx garbage_log = { .module = "sip" };

/* Of what cannot be answered, or only by NTA itself: so many lines a second,
 * the others are counted. */
#define GARBAGE_LINES 5
static unsigned garbage_lines;

/* NTA refuses, or drops, what it cannot read, and says so only here. */
static bool is_garbage(const char *line)
{
	const char *p = line + 5;

	if (!strncmp(line, "nta_agent: received garbage from ", 33))
		return true;
	if (strncmp(line, "nta: ", 5) != 0)
		return false;
	/* "nta: METHOD has bad ...", "nta: STATUS has bad ...": nothing else
	 * that a peer writes stands there. */
	while (isalnum((unsigned char)*p))
		p++;
	return p > line + 5 && !strncmp(p, " has bad ", 9);
}

static void say_sofia(const char *line)
{
	const char *bad = strstr(line, " has bad ");

	if (!is_garbage(line)) {
		gw_debug(&sofia_log, "%s", line);
	} else if (garbage_lines++ < GARBAGE_LINES) {
		/* Which header, it does not know for sure. */
		gw_info(&garbage_log, "malformed message: %.*s%s",
			bad ? (int)(bad - line) : (int)strlen(line), line,
			bad ? ", a header is bad or missing" : "");
	}
}

/* Sofia prints a line in pieces. */
static void on_sofia_log(void *unused, const char *fmt, va_list ap)
{
	static char line[512];
	static size_t at;
	char *nl;
	int n;

	(void)unused;
	n = vsnprintf(line + at, sizeof(line) - at, fmt, ap);
	if (n < 0)
		return;
	at += (size_t)n;
	if (at >= sizeof(line))
		at = sizeof(line) - 1;
	nl = strchr(line, '\n');
	if (!nl && at < sizeof(line) - 1)
		return;
	if (nl)
		*nl = '\0';
	say_sofia(line);
	at = 0;
}

void gw_stack_log_redirect(void)
{
	su_log_redirect(su_log_default, on_sofia_log, NULL);
	su_log_redirect(nta_log, on_sofia_log, NULL);
	su_log_set_level(su_log_default,
			 gw_log_enabled(GW_DEBUG, &sofia_log) ? 3 : 1);
	/* A line for each message sent and received, and for what is wrong in
	 * one, which is wanted at any level of ours. */
	su_log_set_level(nta_log, 5);
}

void gw_stack_log_start(void)
{
	gw_stack_log_redirect();
	garbage_lines = 0;
}

void gw_stack_log_second(const struct gw_logctx *log)
{
	if (garbage_lines > GARBAGE_LINES)
		gw_info(log, "%u more malformed messages",
			garbage_lines - GARBAGE_LINES);
	garbage_lines = 0;
}
