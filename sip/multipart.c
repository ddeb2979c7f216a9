#include "sip/multipart.h"

#include <string.h>
#include <strings.h>

/* multipart/mixed with a multipart/alternative in it, and one to spare. */
#define DEPTH_MAX 3
#define PARTS_MAX 32

struct span {
	const char *p;
	size_t n;
};

/* ---- lines and header fields of a part ---- */

/* Takes the line at the front of @s, without its end. */
static struct span take_line(struct span *s)
{
	const char *nl = memchr(s->p, '\n', s->n);
	struct span line = { s->p, nl ? (size_t)(nl - s->p) : s->n };
	size_t all = nl ? line.n + 1 : line.n;

	s->p += all;
	s->n -= all;
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

/* A header field may be folded: what continues it begins with a blank (RFC 5322
 * 2.2.3).  The line ends are left in. */
static struct span take_field(struct span *s)
{
	struct span field = take_line(s), more;

	while (field.n && s->n && (*s->p == ' ' || *s->p == '\t')) {
		more = take_line(s);
		field.n = (size_t)(more.p + more.n - field.p);
	}
	return field;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span trim(struct span s)
{
	while (s.n && is_blank(*s.p)) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

static bool is(struct span s, const char *text)
{
	return s.n == strlen(text) && !strncasecmp(s.p, text, s.n);
}

/* What stands before the first @end, which is taken, too; quotes hide it. */
static struct span take_until(struct span *s, char end)
{
	struct span word = { s->p, 0 };
	bool quoted = false;
	size_t i;

	for (i = 0; i < s->n && (quoted || s->p[i] != end); i++) {
		if (s->p[i] == '\\' && quoted && i + 1 < s->n)
			i++;
		else if (s->p[i] == '"')
			quoted = !quoted;
	}
	word.n = i;
	if (i < s->n)
		i++;
	s->p += i;
	s->n -= i;
	return trim(word);
}

static struct span unquote(struct span s)
{
	if (s.n >= 2 && *s.p == '"' && s.p[s.n - 1] == '"') {
		s.p++;
		s.n -= 2;
	}
	return s;
}

/* The parameter @name behind a value; .p NULL: it has none. */
static struct span param(struct span params, const char *name)
{
	while (params.n) {
		struct span value = take_until(&params, ';');
		struct span key = take_until(&value, '=');

		if (is(key, name))
			return unquote(trim(value));
	}
	return (struct span){ NULL, 0 };
}

struct part {
	struct span type, type_params, disposition, handling;
	bool encoded; /* base64 or the like: not what SIP has (RFC 3261) */
	struct span content;
};

static void read_field(struct part *out, struct span line)
{
	struct span name = take_until(&line, ':');
	struct span value = take_until(&line, ';');

	if (is(name, "Content-Type") || is(name, "c")) {
		out->type = value;
		out->type_params = line;
	} else if (is(name, "Content-Disposition")) {
		out->disposition = value;
		out->handling = param(line, "handling");
	} else if (is(name, "Content-Transfer-Encoding")) {
		out->encoded = !is(value, "binary") && !is(value, "8bit") &&
			       !is(value, "7bit");
	} else if (is(name, "Content-Encoding") || is(name, "e")) {
		out->encoded |= !is(value, "identity");
	}
}

static struct part read_part(struct span s)
{
	struct part out = { .encoded = false };

	while (s.n) {
		struct span field = take_field(&s);

		if (!field.n)
			break;
		read_field(&out, field);
	}
	out.content = s;
	return out;
}

/* ---- the parts of a body ---- */

/* Is @line the delimiter "--boundary", or the last one? */
static bool delimits(struct span line, struct span boundary, bool *last)
{
	if (line.n < boundary.n + 2 || memcmp(line.p, "--", 2) != 0 ||
	    memcmp(line.p + 2, boundary.p, boundary.n) != 0)
		return false;
	line.p += boundary.n + 2;
	line.n -= boundary.n + 2;
	*last = line.n >= 2 && !memcmp(line.p, "--", 2);
	if (*last) {
		line.p += 2;
		line.n -= 2;
	}
	return !trim(line).n;
}

/* What stands up to the next delimiter; its line end belongs to that (RFC 2046
 * 5.1.1).  A part that nothing ends is none. */
static bool take_part(struct span *s, struct span boundary, struct span *part,
		      bool *last)
{
	const char *from = s->p;

	while (s->n) {
		struct span line = take_line(s);

		if (!delimits(line, boundary, last))
			continue;
		part->p = from;
		part->n = (size_t)(line.p - from);
		if (part->n && from[part->n - 1] == '\n')
			part->n--;
		if (part->n && from[part->n - 1] == '\r')
			part->n--;
		return true;
	}
	return false;
}

static enum gw_multipart find(struct span *found, struct span body,
			      struct span boundary, const char *want,
			      unsigned depth)
{
	bool last = false, refused = false;
	struct span text;
	unsigned n;

	if (!boundary.p || !boundary.n ||
	    boundary.n > GW_MULTIPART_BOUNDARY_MAX || !depth ||
	    !take_part(&body, boundary, &text, &last))
		return GW_MULTIPART_REFUSED;
	for (n = 0; n < PARTS_MAX && !last; n++) {
		enum gw_multipart inside;
		struct part p;

		if (!take_part(&body, boundary, &text, &last))
			break;
		p = read_part(text);
		if (is(p.type, want) && !p.encoded &&
		    (!p.disposition.n || is(p.disposition, "session"))) {
			if (!found->p)
				*found = p.content;
			continue;
		}
		if (p.type.n > 10 && !strncasecmp(p.type.p, "multipart/", 10)) {
			inside = find(found, p.content,
				      param(p.type_params, "boundary"), want,
				      depth - 1);
			refused |= inside == GW_MULTIPART_REFUSED &&
				   !is(p.handling, "optional");
			continue;
		}
		refused |= is(p.handling, "required");
	}
	if (refused)
		return GW_MULTIPART_REFUSED;
	return found->p ? GW_MULTIPART_FOUND : GW_MULTIPART_NONE;
}

enum gw_multipart gw_multipart_find(const char **part, size_t *part_len,
				    const char *body, size_t len,
				    const char *boundary, const char *want)
{
	struct span found = { NULL, 0 };
	struct span name = { boundary, boundary ? strlen(boundary) : 0 };
	enum gw_multipart r;

	r = find(&found, (struct span){ body, len }, unquote(name), want,
		 DEPTH_MAX);
	if (r == GW_MULTIPART_FOUND) {
		*part = found.p;
		*part_len = found.n;
	}
	return r;
}
