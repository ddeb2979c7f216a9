/*
 * gateway/isthmusctl.h - the parts of the operator's tool
 *
 * isthmusctl.c has the commands, isthmusctl_io.c what is asked of the daemon
 * and of the person, isthmusctl_print.c what is shown.
 */
#ifndef GW_ISTHMUSCTL_H
#define GW_ISTHMUSCTL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

enum gw_ctl_exit {
	GW_CTL_DONE = 0,
	GW_CTL_FAILED = 1,
	GW_CTL_USAGE = 2,
	GW_CTL_NO_DAEMON = 3,
	GW_CTL_NOT_FOUND = 4,
	GW_CTL_CONFLICT = 5,
	GW_CTL_STORE = 6
};

struct gw_ctl_tool {
	const char *socket;
	bool json;
};

/* ---- isthmusctl_io.c ---- */

/* The daemon's response to @request (taken), which is a success; else the
 * error has been told, and *@status is what to exit with. */
struct json_object *gw_ctl_ask(const struct gw_ctl_tool *t,
			       struct json_object *request, int *status);
void gw_ctl_complain(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

/* A new password, from the terminal (twice) or a line of standard input, as a
 * yescrypt hash.  The password is wiped.  0 or -1 after telling why. */
#define GW_CTL_HASH 160
int gw_ctl_read_password(char hash[GW_CTL_HASH]);
/* A file of lines "name: value", "-" for standard input, as an object; NULL
 * after telling why. */
struct json_object *gw_ctl_read_secret(const char *file);

/* ---- isthmusctl_print.c ---- */

enum gw_ctl_list { GW_CTL_SUBSCRIBERS, GW_CTL_POOL, GW_CTL_REGISTRATIONS };

/* Rows as they come: a table's line each, or the elements of one JSON array. */
void gw_ctl_list_begin(const struct gw_ctl_tool *t, enum gw_ctl_list kind);
void gw_ctl_list_row(const struct gw_ctl_tool *t, enum gw_ctl_list kind,
		     struct json_object *row);
void gw_ctl_list_end(const struct gw_ctl_tool *t);
void gw_ctl_print_subscriber(const struct gw_ctl_tool *t,
			     struct json_object *s);
void gw_ctl_print_json(struct json_object *o);

#endif
