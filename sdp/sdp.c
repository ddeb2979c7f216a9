/*
 * Text to lines and back.  Strict about what makes a description ambiguous or
 * unsafe to pass on (v= first, one v= and one o=, o= before any m=, no NUL or
 * lone CR, a well-formed m=), and tolerant of what deployed phones leave out
 * without harm: s= and t= (RFC 8866 wants both) may be missing, lines may end
 * in bare LF, the last one in nothing, empty lines may follow it, and lines
 * of a session or media part may come in any order.
 */
#include "sdp/sdp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sdp/scan.h"

static size_t count_lines(const char *text, size_t len)
{
	size_t i, n = 1;

	for (i = 0; i < len; i++) {
		if (text[i] == '\n')
			n++;
	}
	return n;
}

/* Empty lines at the end are a frequent slip of template-made bodies. */
static size_t trimmed(const char *text, size_t len)
{
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	return len;
}

static int line_fault(struct gw_sdp_error *err, size_t number, int code,
		      const char *text)
{
	gw_sdp_fail(err, (unsigned)number, text);
	return code;
}

/* m=<media> <port>[/<n>] <proto> <fmt> ... (RFC 8866 5.14) */
static int parse_media(struct gw_sdp_media *m, const struct gw_sdp_line *l,
		       struct gw_sdp_error *err)
{
	struct gw_str rest = l->value, port, n;
	uint32_t v;

	if (!gw_str_is_print(rest))
		return line_fault(err, l->number, -EINVAL,
				  "m= has characters that are not ASCII text");
	m->media = gw_str_token(&rest, ' ');
	port = gw_str_token(&rest, ' ');
	m->proto = gw_str_token(&rest, ' ');
	while (rest.len > 0 && *rest.p == ' ') {
		rest.p++;
		rest.len--;
	}
	while (rest.len > 0 && rest.p[rest.len - 1] == ' ')
		rest.len--;
	m->formats = rest;

	n = port;
	port = gw_str_token(&n, '/');
	if (!gw_str_u32(port, UINT16_MAX, &v))
		return line_fault(err, l->number, -EINVAL,
				  "m= has no valid port");
	m->port = (uint16_t)v;
	m->nports = 1;
	n = gw_str_token(&n, '/');
	if (n.len > 0) {
		if (!gw_str_u32(n, UINT16_MAX, &v) || v == 0)
			return line_fault(err, l->number, -EINVAL,
					  "m= has no valid number of ports");
		m->nports = (uint16_t)v;
	}
	if (!gw_str_is_token(m->media) || m->proto.len == 0)
		return line_fault(err, l->number, -EINVAL,
				  "m= has no media type or protocol");
	/* A refused m-line may come without formats: nobody reads them. */
	if (m->formats.len == 0 && m->port != 0)
		return line_fault(err, l->number, -EINVAL,
				  "m= lists no format");
	return 0;
}

static int add_line(struct gw_sdp *sdp, const char *p, size_t len,
		    struct gw_sdp_error *err)
{
	struct gw_sdp_line *l = &sdp->line[sdp->nline];
	size_t number = sdp->nline + 1;
	struct gw_sdp_media *m;
	int rc;

	if (len > GW_SDP_MAX_LINE)
		return line_fault(err, number, -EMSGSIZE, "line is too long");
	if (len < 2 || p[1] != '=' ||
	    !((p[0] >= 'a' && p[0] <= 'z') || (p[0] >= 'A' && p[0] <= 'Z')))
		return line_fault(err, number, -EINVAL,
				  "line is not of the form x=value");
	if (memchr(p, '\0', len) || memchr(p, '\r', len))
		return line_fault(err, number, -EINVAL,
				  "line has a control character");
	l->type = p[0];
	l->value.p = p + 2;
	l->value.len = len - 2;
	l->number = (uint16_t)number;

	if (l->type == 'm') {
		if (sdp->nmedia == GW_SDP_MAX_MEDIA)
			return line_fault(err, number, -EMSGSIZE,
					  "too many m= lines");
		m = &sdp->media[sdp->nmedia];
		rc = parse_media(m, l, err);
		if (rc)
			return rc;
		m->first = sdp->nline;
		sdp->nmedia++;
	}
	if (sdp->nmedia > 0)
		sdp->media[sdp->nmedia - 1].count++;
	sdp->nline++;
	return 0;
}

static int split(struct gw_sdp *sdp, size_t len, struct gw_sdp_error *err)
{
	const char *p = sdp->text, *end = sdp->text + len;
	int rc;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl ? nl : end;
		size_t n = (size_t)(stop - p);

		if (nl && n > 0 && p[n - 1] == '\r')
			n--;
		rc = add_line(sdp, p, n, err);
		if (rc)
			return rc;
		p = nl ? nl + 1 : end;
	}
	return 0;
}

/* RFC 8866 5.1, 5.2.  A second v= or o= would be a second description, and
 * which of them a reader follows would depend on the reader. */
static int check_frame(const struct gw_sdp *sdp, struct gw_sdp_error *err)
{
	size_t session = sdp->nmedia ? sdp->media[0].first : sdp->nline;
	bool have_o = false;
	size_t i;

	if (sdp->nline == 0)
		return line_fault(err, 0, -EINVAL, "description is empty");
	if (sdp->line[0].type != 'v' || !gw_str_eq(sdp->line[0].value, "0"))
		return line_fault(err, 1, -EINVAL, "first line is not v=0");
	for (i = 1; i < sdp->nline; i++) {
		char type = sdp->line[i].type;

		if (type == 'v' || (type == 'o' && have_o))
			return line_fault(err, i + 1, -EINVAL,
					  "second v= or o= line");
		if (type == 'o') {
			if (i >= session)
				return line_fault(err, i + 1, -EINVAL,
						  "o= inside a media part");
			have_o = true;
		}
	}
	if (!have_o)
		return line_fault(err, 0, -EINVAL, "no o= line");
	return 0;
}

int gw_sdp_parse(struct gw_sdp **out, const char *text, size_t len,
		 struct gw_sdp_error *err)
{
	struct gw_sdp *sdp;
	size_t nline;
	int rc = -ENOMEM;

	if (!out || (!text && len > 0))
		return -EINVAL;
	if (len > GW_SDP_MAX_BYTES) {
		gw_sdp_fail(err, 0, "description is too long");
		return -EMSGSIZE;
	}
	len = text ? trimmed(text, len) : 0;
	if (len == 0) {
		gw_sdp_fail(err, 0, "description is empty");
		return -EINVAL;
	}
	nline = count_lines(text, len);
	if (nline > GW_SDP_MAX_LINES) {
		gw_sdp_fail(err, GW_SDP_MAX_LINES, "too many lines");
		return -EMSGSIZE;
	}

	gw_sdp_fail(err, 0, "no memory");
	sdp = calloc(1, sizeof(*sdp));
	if (!sdp)
		return -ENOMEM;
	sdp->text = malloc(len);
	sdp->line = calloc(nline, sizeof(*sdp->line));
	if (!sdp->text || !sdp->line)
		goto out;
	memcpy(sdp->text, text, len);

	rc = split(sdp, len, err);
	if (!rc)
		rc = check_frame(sdp, err);
	if (rc)
		goto out;
	gw_sdp_fail(err, 0, "");
	*out = sdp;
	return 0;
out:
	gw_sdp_free(sdp);
	return rc;
}

void gw_sdp_free(struct gw_sdp *sdp)
{
	if (!sdp)
		return;
	free(sdp->line);
	free(sdp->text);
	free(sdp);
}

char *gw_sdp_print(const struct gw_sdp *sdp)
{
	size_t i, size = 1;
	char *out, *p;

	for (i = 0; i < sdp->nline; i++)
		size += sdp->line[i].value.len + 4;
	out = malloc(size);
	if (!out)
		return NULL;

	p = out;
	for (i = 0; i < sdp->nline; i++) {
		const struct gw_sdp_line *l = &sdp->line[i];

		*p++ = l->type;
		*p++ = '=';
		if (l->value.len > 0)
			memcpy(p, l->value.p, l->value.len);
		p += l->value.len;
		*p++ = '\r';
		*p++ = '\n';
	}
	*p = '\0';
	return out;
}

/* Attribute names are case-sensitive (RFC 8866 5.13). */
static bool attr_matches(const struct gw_sdp_line *l, const char *name,
			 size_t n, struct gw_str *value)
{
	if (l->type != 'a' || l->value.len < n ||
	    memcmp(l->value.p, name, n) != 0)
		return false;
	if (l->value.len == n) {
		*value = (struct gw_str){ l->value.p + n, 0 };
		return true;
	}
	if (l->value.p[n] != ':')
		return false;
	*value = (struct gw_str){ l->value.p + n + 1, l->value.len - n - 1 };
	return true;
}

bool gw_sdp_attr(const struct gw_sdp *sdp, int media, const char *name,
		 size_t *iter, struct gw_str *value, unsigned *line)
{
	size_t first = 0, count, i, n = strlen(name);
	struct gw_str v;

	if (media >= (int)sdp->nmedia)
		return false;
	count = sdp->nmedia ? sdp->media[0].first : sdp->nline;
	if (media >= 0) {
		first = sdp->media[media].first;
		count = sdp->media[media].count;
	}
	for (i = *iter; i < count; i++) {
		if (!attr_matches(&sdp->line[first + i], name, n, &v))
			continue;
		*iter = i + 1;
		if (value)
			*value = v;
		if (line)
			*line = sdp->line[first + i].number;
		return true;
	}
	*iter = count;
	return false;
}
