/*
 * Reads a YAML file by the table of keys.  Errors carry the line of what is
 * wrong and the whole path of its key; free text, which may be a secret, is not
 * quoted in them.
 * The only file that knows libyaml.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "gateway/base/buf.h"
#include "gateway/base/check.h"
#include "gateway/settings_priv.h"

#define MAX_VALUE 4096
#define MAX_PATH  128

struct reader {
	yaml_document_t doc;
	struct gw_settings *set;
	char *err;
	size_t err_size;
	size_t line[GW_SET_MAX_ROWS]; /* 0: not in the file */
};

/* One place in the file: for errors, "users[2].password", and for the table,
 * "users[].password". */
struct place {
	char shown[MAX_PATH];
	char row[MAX_PATH];
};

static int complain(struct reader *r, size_t line, const char *key,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static int complain(struct reader *r, size_t line, const char *key,
		    const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	(void)snprintf(r->err, r->err_size, "%s:%zu: %s: %s", r->set->file,
		       line, key, what);
	return -EINVAL;
}

static size_t line_of(const yaml_node_t *node)
{
	return node->start_mark.line + 1;
}

static const char *text_of(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static const char *kind_of(const yaml_node_t *node)
{
	if (node->type == YAML_SEQUENCE_NODE)
		return "a list";
	return node->type == YAML_MAPPING_NODE ? "a map" : "one value";
}

static bool is_null(const yaml_node_t *node)
{
	const char *s;

	if (node->type != YAML_SCALAR_NODE ||
	    node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	s = text_of(node);
	return !*s || !strcmp(s, "~") || !strcmp(s, "null");
}

/* ---- the nearest known key ---- */

static size_t distance(const char *a, const char *b)
{
	size_t row[MAX_PATH + 1], n = strlen(b);

	if (n > MAX_PATH || strlen(a) > MAX_PATH)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t d = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			if (row[j] + 1 < d)
				d = row[j] + 1;
			if (row[j - 1] + 1 < d)
				d = row[j - 1] + 1;
			row[j] = d;
		}
	}
	return row[n];
}

static int unknown(struct reader *r, const yaml_node_t *key,
		   const struct place *at)
{
	size_t best = 3 + strlen(at->row) / 8; /* further is no typo */
	char near[MAX_PATH] = "";

	for (size_t i = 0; i < gw_settings_nrow; i++) {
		char path[MAX_PATH];
		char *dot;
		size_t d;

		/* A section's name is a key too. */
		(void)snprintf(path, sizeof(path), "%s",
			       gw_settings_rows[i].path);
		dot = strchr(path, '.');
		if (dot && !strchr(at->row, '.'))
			*dot = '\0';
		d = distance(at->row, path);
		if (d < best) {
			best = d;
			(void)snprintf(near, sizeof(near), "%s", path);
		}
	}
	if (!near[0])
		return complain(r, line_of(key), at->shown, "unknown key");
	return complain(r, line_of(key), at->shown,
			"unknown key; did you mean %s?", near);
}

/* ---- values ---- */

/* Appends the value of "${NAME}" or "${NAME:-default}" at @s (behind the "${")
 * and returns what follows it; NULL after complaining. */
static const char *expand(struct reader *r, size_t line, const char *key,
			  const char *s, struct gw_buf *out)
{
	static const char name_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "abcdefghijklmnopqrstuvwxyz_"
					 "0123456789";
	size_t n = strspn(s, name_chars);
	const char *def = NULL, *end, *value;
	char name[128];

	if (!strncmp(s + n, ":-", 2))
		def = s + n + 2;
	end = def ? strchr(def, '}') : s + n;
	if (!n || n >= sizeof(name) || (*s >= '0' && *s <= '9') || !end ||
	    *end != '}') {
		(void)complain(r, line, key,
			       "${...} must be ${NAME} or ${NAME:-default}");
		return NULL;
	}
	memcpy(name, s, n);
	name[n] = '\0';
	value = getenv(name);
	if (value && (*value || !def)) {
		gw_buf_str(out, value);
	} else if (def) {
		gw_buf_add(out, def, (size_t)(end - def));
	} else {
		(void)complain(r, line, key,
			       "environment variable %s is not set", name);
		return NULL;
	}
	return end + 1;
}

/* The text of a scalar with its ${...} replaced, in @out. */
static int read_text(struct reader *r, const yaml_node_t *node, const char *key,
		     struct gw_buf *out)
{
	const char *s = text_of(node);
	size_t line = line_of(node);

	if (strlen(s) != node->data.scalar.length)
		return complain(r, line, key, "must not hold a NUL character");
	gw_buf_str(out, "");
	while (*s) {
		if (!strncmp(s, "$${", 3)) { /* "${" itself */
			gw_buf_str(out, "${");
			s += 3;
		} else if (!strncmp(s, "${", 2)) {
			s = expand(r, line, key, s + 2, out);
			if (!s)
				return -EINVAL;
		} else {
			gw_buf_add(out, s++, 1);
		}
	}
	if (gw_buf_error(out))
		return complain(r, line, key, "is too long");
	return 0;
}

static int read_value(struct reader *r, const yaml_node_t *node,
		      const struct gw_set_row *row, const char *key, void *base)
{
	bool text = row->type == GW_SET_STRING || row->type == GW_SET_STRINGS;
	char why[160];
	const char *wrong;
	struct gw_buf value;
	int err;

	if (is_null(node))
		return complain(r, line_of(node), key,
				"has no value; write \"\" for none");
	if (node->type != YAML_SCALAR_NODE)
		return complain(r, line_of(node), key,
				"must be one value, is %s", kind_of(node));
	/* "8" in quotes is a text in YAML, and so the wrong type for a number;
	 * but "${N}" needs its quotes inside [ ] and { }. */
	if (!text && node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE &&
	    !strstr(text_of(node), "${"))
		return complain(r, line_of(node), key,
				"must be %s, is a text in quotes",
				row->type == GW_SET_BOOL ? "true or false"
							 : "a whole number");

	gw_buf_init(&value, MAX_VALUE);
	err = read_text(r, node, key, &value);
	if (!err) {
		wrong = gw_settings_put(row, base, value.data, why,
					sizeof(why));
		if (wrong)
			err = complain(r, line_of(node), key, "%s", wrong);
	}
	if (value.data)
		explicit_bzero(value.data, value.len);
	gw_buf_fini(&value);
	return err;
}

static int read_map(struct reader *r, yaml_node_t *node, void *base,
		    const struct place *at);

static int read_strings(struct reader *r, const yaml_node_t *node,
			const struct gw_set_row *row, const struct place *at,
			void *base)
{
	const yaml_node_item_t *item;
	int err = 0;

	if (node->type != YAML_SEQUENCE_NODE)
		return complain(r, line_of(node), at->shown,
				"must be a list, is %s",
				is_null(node) ? "nothing" : kind_of(node));
	gw_settings_clear(row, base);
	for (item = node->data.sequence.items.start;
	     !err && item < node->data.sequence.items.top; item++) {
		const yaml_node_t *each =
			yaml_document_get_node(&r->doc, *item);

		err = read_value(r, each, row, at->shown, base);
	}
	return err;
}

/* Each key of an element that has no default is there. */
static int check_complete(struct reader *r, yaml_node_t *node,
			  const struct place *at)
{
	size_t len = strlen(at->row);

	for (size_t i = 0; i < gw_settings_nrow; i++) {
		const struct gw_set_row *row = &gw_settings_rows[i];
		const yaml_node_pair_t *pair;
		bool found = false;

		if (row->def || strncmp(row->path, at->row, len) != 0 ||
		    row->path[len] != '.')
			continue;
		for (pair = node->data.mapping.pairs.start;
		     pair < node->data.mapping.pairs.top; pair++)
			found |= !strcmp(text_of(yaml_document_get_node(
						 &r->doc, pair->key)),
					 row->path + len + 1);
		if (!found)
			return complain(r, line_of(node), at->shown,
					"needs the key %s",
					row->path + len + 1);
	}
	return 0;
}

static int read_element(struct reader *r, yaml_node_t *node,
			const struct gw_set_row *row, const struct place *at,
			void *element)
{
	const char *wrong;
	char prefix[MAX_PATH + 1];
	int err;

	if (node->type != YAML_MAPPING_NODE)
		return complain(r, line_of(node), at->shown,
				"must be a map, is %s", kind_of(node));
	(void)snprintf(prefix, sizeof(prefix), "%s.", at->row);
	gw_settings_defaults(element, prefix);
	err = read_map(r, node, element, at);
	if (err)
		return err;
	err = check_complete(r, node, at);
	if (err)
		return err;
	wrong = row->check_map ? row->check_map(element) : NULL;
	return wrong ? complain(r, line_of(node), at->shown, "%s", wrong) : 0;
}

static int read_maps(struct reader *r, const yaml_node_t *node,
		     const struct gw_set_row *row, const struct place *at,
		     char *base)
{
	size_t n, i;
	char *elements = base + row->offset;

	if (node->type != YAML_SEQUENCE_NODE)
		return complain(r, line_of(node), at->shown,
				"must be a list of maps, is %s",
				is_null(node) ? "nothing" : kind_of(node));
	n = (size_t)(node->data.sequence.items.top -
		     node->data.sequence.items.start);
	if (n > row->most)
		return complain(r, line_of(node), at->shown,
				"holds more than %zu elements", row->most);
	if (!n)
		return 0;
	if (row->on_heap) {
		void *mem = calloc(n, row->each);

		if (!mem)
			return complain(r, line_of(node), at->shown,
					"out of memory");
		memcpy(elements, &mem, sizeof(mem));
		elements = mem;
	}
	*(size_t *)(void *)(base + row->count_offset) = n;

	for (i = 0; i < n; i++) {
		struct place in;
		int err;

		(void)snprintf(in.shown, sizeof(in.shown), "%.100s[%zu]",
			       at->shown, i + 1);
		(void)snprintf(in.row, sizeof(in.row), "%.100s[]", at->row);
		err = read_element(
			r,
			yaml_document_get_node(
				&r->doc, node->data.sequence.items.start[i]),
			row, &in, elements + i * row->each);
		if (err)
			return err;
	}
	return 0;
}

static int read_levels(struct reader *r, const yaml_node_t *node,
		       const struct place *at)
{
	struct gw_set_log *log = &r->set->log;
	const yaml_node_pair_t *pair;

	if (node->type != YAML_MAPPING_NODE)
		return complain(r, line_of(node), at->shown,
				"must be a map of module to level, is %s",
				is_null(node) ? "nothing" : kind_of(node));
	for (pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++) {
		yaml_node_t *k = yaml_document_get_node(&r->doc, pair->key);
		yaml_node_t *v = yaml_document_get_node(&r->doc, pair->value);
		char shown[MAX_PATH];

		if (k->type != YAML_SCALAR_NODE || !*text_of(k) ||
		    strlen(text_of(k)) >= sizeof(log->levels[0].module))
			return complain(r, line_of(k), at->shown,
					"that is not a module's name");
		(void)snprintf(shown, sizeof(shown), "%.40s.%.40s", at->shown,
			       text_of(k));
		for (size_t i = 0; i < log->nlevel; i++)
			if (!strcmp(log->levels[i].module, text_of(k)))
				return complain(r, line_of(k), shown,
						"is given twice");
		if (log->nlevel == GW_ARRAY_LEN(log->levels))
			return complain(r, line_of(k), at->shown,
					"holds more than %zu modules",
					GW_ARRAY_LEN(log->levels));
		if (v->type != YAML_SCALAR_NODE ||
		    gw_log_level_parse(text_of(v)) < 0)
			return complain(r, line_of(v), shown,
					"must be one of "
					"error|warn|info|debug");
		(void)snprintf(log->levels[log->nlevel].module,
			       sizeof(log->levels[0].module), "%s", text_of(k));
		(void)snprintf(log->levels[log->nlevel].level,
			       sizeof(log->levels[0].level), "%s", text_of(v));
		log->nlevel++;
	}
	return 0;
}

/* ---- maps ---- */

static int read_row(struct reader *r, yaml_node_t *node,
		    const struct gw_set_row *row, const struct place *at,
		    void *base)
{
	switch (row->type) {
	case GW_SET_STRINGS:
		return read_strings(r, node, row, at, base);
	case GW_SET_MAPS:
		return read_maps(r, node, row, at, base);
	case GW_SET_LEVELS:
		return read_levels(r, node, at);
	case GW_SET_STRING:
	case GW_SET_BOOL:
	case GW_SET_U8:
	case GW_SET_U16:
	case GW_SET_U32:
		break;
	}
	return read_value(r, node, row, at->shown, base);
}

static bool is_section(const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < gw_settings_nrow; i++)
		if (!strncmp(gw_settings_rows[i].path, path, len) &&
		    gw_settings_rows[i].path[len] == '.')
			return true;
	return false;
}

static int read_pair(struct reader *r, const yaml_node_t *key,
		     yaml_node_t *value, void *base, const struct place *at)
{
	for (size_t i = 0; i < gw_settings_nrow; i++) {
		if (strcmp(gw_settings_rows[i].path, at->row) != 0)
			continue;
		r->line[i] = line_of(key);
		return read_row(r, value, &gw_settings_rows[i], at, base);
	}
	if (!is_section(at->row))
		return unknown(r, key, at);
	/* "web:" with every key of it commented out */
	if (is_null(value))
		return 0;
	if (value->type != YAML_MAPPING_NODE)
		return complain(r, line_of(value), at->shown,
				"must be a map, is %s", kind_of(value));
	return read_map(r, value, base, at);
}

static int read_map(struct reader *r, yaml_node_t *node, void *base,
		    const struct place *at)
{
	const yaml_node_pair_t *first = node->data.mapping.pairs.start;
	const yaml_node_pair_t *pair, *seen;

	for (pair = first; pair < node->data.mapping.pairs.top; pair++) {
		yaml_node_t *k = yaml_document_get_node(&r->doc, pair->key);
		const char *dot = at->row[0] ? "." : "";
		struct place in;
		int err;

		if (k->type != YAML_SCALAR_NODE)
			return complain(r, line_of(k),
					at->shown[0] ? at->shown : "file",
					"a key must be a name");
		(void)snprintf(in.shown, sizeof(in.shown), "%.80s%s%.40s",
			       at->shown, dot, text_of(k));
		(void)snprintf(in.row, sizeof(in.row), "%.80s%s%.40s", at->row,
			       dot, text_of(k));
		for (seen = first; seen < pair; seen++)
			if (!strcmp(text_of(yaml_document_get_node(&r->doc,
								   seen->key)),
				    text_of(k)))
				return complain(r, line_of(k), in.shown,
						"is given twice");
		err = read_pair(r, k,
				yaml_document_get_node(&r->doc, pair->value),
				base, &in);
		if (err)
			return err;
	}
	return 0;
}

/* ---- the file ---- */

static int load_document(struct reader *r, yaml_parser_t *parser)
{
	yaml_document_t more;
	bool another;

	if (!yaml_parser_load(parser, &r->doc))
		goto broken;
	if (!yaml_document_get_root_node(&r->doc)) {
		yaml_document_delete(&r->doc);
		return complain(r, 1, "file", "is empty");
	}
	if (!yaml_parser_load(parser, &more)) {
		yaml_document_delete(&r->doc);
		goto broken;
	}
	another = yaml_document_get_root_node(&more) != NULL;
	yaml_document_delete(&more);
	if (another) {
		yaml_document_delete(&r->doc);
		return complain(r, parser->mark.line, "file",
				"must hold one document");
	}
	return 0;

broken:
	if (parser->error == YAML_MEMORY_ERROR)
		return complain(r, 1, "file", "out of memory");
	return complain(r,
			(parser->problem_mark.line
				 ? parser->problem_mark.line
				 : parser->context_mark.line) +
				1,
			"YAML", "%s%s%s",
			parser->problem ? parser->problem : "cannot be read",
			parser->context ? ", " : "",
			parser->context ? parser->context : "");
}

static int cross_check(struct reader *r)
{
	const char *key, *wrong = gw_settings_cross_check(r->set, &key);
	size_t line = 1;

	if (!wrong)
		return 0;
	for (size_t i = 0; i < gw_settings_nrow; i++)
		if (!strcmp(gw_settings_rows[i].path, key) && r->line[i])
			line = r->line[i];
	return complain(r, line, key, "%s", wrong);
}

static int read_document(struct reader *r)
{
	static const struct place top;
	yaml_node_t *root = yaml_document_get_root_node(&r->doc);
	int err;

	if (root->type != YAML_MAPPING_NODE)
		return complain(r, line_of(root), "file",
				"must be a map, is %s", kind_of(root));
	err = read_map(r, root, r->set, &top);
	return err ? err : cross_check(r);
}

int gw_settings_read(struct gw_settings *set, char *err, size_t err_size)
{
	struct reader r = { .set = set, .err = err, .err_size = err_size };
	yaml_parser_t parser;
	FILE *f = fopen(set->file, "re");
	int rc;

	if (!f) {
		rc = -errno;
		(void)snprintf(err, err_size, "%s:0: file: %s", set->file,
			       strerror(-rc));
		return rc;
	}
	if (!yaml_parser_initialize(&parser)) {
		(void)fclose(f);
		(void)snprintf(err, err_size, "%s:0: file: out of memory",
			       set->file);
		return -ENOMEM;
	}
	yaml_parser_set_input_file(&parser, f);
	rc = load_document(&r, &parser);
	if (!rc) {
		rc = read_document(&r);
		yaml_document_delete(&r.doc);
	}
	yaml_parser_delete(&parser);
	(void)fclose(f);
	return rc;
}
