/*
 * gateway/base/log.h - one line an event, with the id that joins it to a call
 *
 * Levels: error = an operator must act; warn = a call suffered; info = one
 * line a call event; debug = state moves and messages.  Credentials, ICE
 * passwords, keys and tokens are never printed, at any level.
 * Any thread may log.  The media path does not log a packet: it counts.
 */
#ifndef GW_BASE_LOG_H
#define GW_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum gw_log_level { GW_ERROR, GW_WARN, GW_INFO, GW_DEBUG };

/*
 * Who speaks: @module is a string constant and the name that `log.levels`
 * knows ("call", "sip", "respect" ...).  @id points into the object that owns
 * this context: the call's id on both of its legs; NULL where there is none.
 */
struct gw_logctx {
	const char *module;
	const char *id;
};

/* Text is for people, JSON (one object a line) for collectors. */
enum gw_log_format { GW_LOG_TEXT, GW_LOG_JSON };

/* Before threads start, and again on reload.  @fd is written to, not owned. */
void gw_log_setup(enum gw_log_format format, enum gw_log_level level, int fd);

/* Another level for one module; false when the table (32 modules) is full. */
bool gw_log_set_level(const char *module, enum gw_log_level level);

/* Back to the one level of gw_log_setup() for every module. */
void gw_log_clear_levels(void);

/* "error", "warn", "info", "debug" -> level; -EINVAL for anything else. */
int gw_log_level_parse(const char *name);

/* Would a line of @level be written?  For work done only to log it. */
bool gw_log_enabled(enum gw_log_level level, const struct gw_logctx *ctx);

void gw_log(enum gw_log_level level, const struct gw_logctx *ctx,
	    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define gw_error(c, ...) gw_log(GW_ERROR, (c), __VA_ARGS__)
#define gw_warn(c, ...)  gw_log(GW_WARN, (c), __VA_ARGS__)
#define gw_info(c, ...)  gw_log(GW_INFO, (c), __VA_ARGS__)
#define gw_debug(c, ...) gw_log(GW_DEBUG, (c), __VA_ARGS__)

#endif
