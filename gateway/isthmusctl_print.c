/*
 * What isthmusctl shows: tables for people, JSON for programs.
 */
#include "gateway/isthmusctl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static unsigned nrow;

static const char *text(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v)
						     : "-";
}

static bool yes(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) &&
	       json_object_get_boolean(v);
}

static void join(char *out, size_t size, struct json_object *o, const char *key)
{
	struct json_object *v;
	size_t n = 0, used = 0;

	out[0] = '\0';
	if (json_object_object_get_ex(o, key, &v))
		n = json_object_array_length(v);
	for (size_t i = 0; i < n && used < size; i++) {
		const char *each =
			json_object_get_string(json_object_array_get_idx(v, i));

		used += (size_t)snprintf(out + used, size - used, "%s%s",
					 i ? " " : "", each);
	}
	if (!n)
		(void)snprintf(out, size, "-");
}

void gw_ctl_print_json(struct json_object *o)
{
	puts(json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* ---- lists ---- */

#define SUBSCRIBER "%-32s %-7s %-8s %-28s %s\n"
#define POOL       "%-32s %-32s %-8s %s\n"
#define REG        "%-9s %-32s %-10s %8s %9s  %s\n"

void gw_ctl_list_begin(const struct gw_ctl_tool *t, enum gw_ctl_list kind)
{
	nrow = 0;
	if (t->json) {
		fputs("[", stdout);
		return;
	}
	switch (kind) {
	case GW_CTL_SUBSCRIBERS:
		printf(SUBSCRIBER, "ID", "ENROL", "PASSWORD", "IMPI", "IMPUS");
		break;
	case GW_CTL_POOL:
		printf(POOL, "IMPI", "IMPU", "STATE", "HOLDER, OR FREE AT");
		break;
	case GW_CTL_REGISTRATIONS:
		printf(REG, "ENDPOINT", "ID", "STATE", "EXPIRES", "SESSIONS",
		       "IDENTITIES");
		break;
	}
}

static void pool_row(struct json_object *row)
{
	const char *last = text(row, "holder");
	struct json_object *until;
	char when[32];
	struct tm tm;
	time_t at;

	if (json_object_object_get_ex(row, "until", &until)) {
		at = (time_t)json_object_get_int64(until);
		if (gmtime_r(&at, &tm) &&
		    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm))
			last = when;
	}
	printf(POOL, text(row, "impi"), text(row, "impu"), text(row, "state"),
	       last);
}

static void reg_row(struct json_object *row)
{
	char identities[1200], expires[24];

	join(identities, sizeof(identities), row, "identities");
	(void)snprintf(expires, sizeof(expires), "%s s",
		       text(row, "expires_s"));
	printf(REG, text(row, "endpoint"), text(row, "id"), text(row, "state"),
	       expires, text(row, "sessions"), identities);
}

void gw_ctl_list_row(const struct gw_ctl_tool *t, enum gw_ctl_list kind,
		     struct json_object *row)
{
	char impus[1200];

	if (t->json) {
		printf("%s\n  %s", nrow++ ? "," : "",
		       json_object_to_json_string_ext(
			       row, JSON_C_TO_STRING_PLAIN |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
		return;
	}
	switch (kind) {
	case GW_CTL_SUBSCRIBERS:
		join(impus, sizeof(impus), row, "impus");
		printf(SUBSCRIBER, text(row, "id"), text(row, "enrol"),
		       yes(row, "password") ? "yes" : "no", text(row, "impi"),
		       impus);
		break;
	case GW_CTL_POOL:
		pool_row(row);
		break;
	case GW_CTL_REGISTRATIONS:
		reg_row(row);
		break;
	}
}

void gw_ctl_list_end(const struct gw_ctl_tool *t)
{
	if (t->json)
		puts(nrow ? "\n]" : "]");
}

/* ---- one ---- */

void gw_ctl_print_subscriber(const struct gw_ctl_tool *t, struct json_object *s)
{
	char impus[1200];

	if (t->json) {
		gw_ctl_print_json(s);
		return;
	}
	join(impus, sizeof(impus), s, "impus");
	printf("id           %s\n", text(s, "id"));
	printf("name         %s\n", text(s, "name"));
	printf("subject      %s\n", text(s, "subject"));
	printf("password     %s\n", yes(s, "password") ? "yes" : "no");
	printf("enrol        %s\n", text(s, "enrol"));
	printf("impi         %s\n", text(s, "impi"));
	printf("impus        %s\n", impus);
	printf("credentials  %s\n", text(s, "credentials"));
}
