/*
 * gateway/settings_priv.h - the table of keys, shared by the settings files
 *
 * settings.c holds the table and the defaults, settings_yaml.c reads a file
 * by it, settings_check.c knows which values make sense.
 */
#ifndef GW_SETTINGS_PRIV_H
#define GW_SETTINGS_PRIV_H

#include "gateway/settings.h"

enum gw_set_type {
	GW_SET_STRING,  /* char[size] */
	GW_SET_STRINGS, /* char[size / each][each]; count, or "" ends it */
	GW_SET_BOOL,
	GW_SET_U8,
	GW_SET_U16,
	GW_SET_U32,
	GW_SET_LEVELS, /* log.levels: module to level */
	GW_SET_MAPS    /* list of maps; its keys are the rows "path[].key" */
};

#define GW_SET_NO_COUNT SIZE_MAX

/* NULL: fine; else what is wrong with it. */
typedef const char *(gw_set_check_h)(const char *value);
typedef const char *(gw_set_check_map_h)(const void *element);

struct gw_set_row {
	const char *path;
	enum gw_set_type type;
	size_t offset;       /* in struct gw_settings, or in the element */
	size_t size;         /* bytes of the member */
	size_t each;         /* lists: bytes of an element */
	size_t count_offset; /* lists: size_t, or GW_SET_NO_COUNT */
	size_t most;         /* GW_SET_MAPS: elements */
	uint32_t min, max;   /* numbers */
	const char *def;     /* NULL: must be given; lists: comma between */
	const char *choices; /* "a|b|c": one of them */
	gw_set_check_h *check;
	gw_set_check_map_h *check_map; /* GW_SET_MAPS: each element, whole */
	bool on_heap; /* GW_SET_MAPS: the member is a pointer to the elements */
	bool filled;  /* "" is no value */
};

extern const struct gw_set_row gw_settings_rows[];
extern const size_t gw_settings_nrow;
#define GW_SET_MAX_ROWS 192

/* Puts @value, which is checked, at its place in @base; lists: one more
 * element.  NULL or what is wrong, in @why. */
const char *gw_settings_put(const struct gw_set_row *row, void *base,
			    const char *value, char *why, size_t why_size);
void gw_settings_clear(const struct gw_set_row *row, void *base);

/* Defaults of every row under @prefix ("" or "users[]."). */
void gw_settings_defaults(void *base, const char *prefix);

/* Fills @set from the file.  0 or -errno with @err. */
int gw_settings_read(struct gw_settings *set, char *err, size_t err_size);

/* What no key shows alone.  NULL, or what is wrong, and at which @key. */
const char *gw_settings_cross_check(const struct gw_settings *set,
				    const char **key);

gw_set_check_h gw_settings_check_web_listen;
gw_set_check_h gw_settings_check_origin;
gw_set_check_h gw_settings_check_path;
gw_set_check_h gw_settings_check_https;
gw_set_check_h gw_settings_check_issuer;
gw_set_check_h gw_settings_check_client_id;
gw_set_check_h gw_settings_check_redirect;
gw_set_check_h gw_settings_check_sip_listen;
gw_set_check_h gw_settings_check_sip_uri;
gw_set_check_h gw_settings_check_host;
gw_set_check_h gw_settings_check_quotable;
gw_set_check_h gw_settings_check_message_type;
gw_set_check_h gw_settings_check_ip;
gw_set_check_h gw_settings_check_own_ip;
gw_set_check_h gw_settings_check_ip4;
gw_set_check_h gw_settings_check_ip6;
gw_set_check_h gw_settings_check_hostport;
gw_set_check_h gw_settings_check_identity;
gw_set_check_h gw_settings_check_hash;
gw_set_check_h gw_settings_check_ice_url;
gw_set_check_h gw_settings_check_match;
gw_set_check_h gw_settings_check_pattern;
gw_set_check_map_h gw_settings_check_ice_server;

/* ---- settings_emergency.c ---- */

gw_set_check_h gw_settings_check_emergency_number;
gw_set_check_h gw_settings_check_emergency_urn;
gw_set_check_h gw_settings_check_priority;
gw_set_check_h gw_settings_check_xml_text;
/* As gw_settings_cross_check(). */
const char *gw_settings_check_emergency(const struct gw_settings *set,
					const char **key);

#endif
