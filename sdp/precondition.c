#include "sdp/precondition.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/buf.h"
#include "gateway/base/check.h"

/* One attribute's value, cut at spaces: "qos", "local", "sendrecv" ... */
struct words {
	unsigned n;
	struct gw_str w[4];
};

static void cut(struct words *out, struct gw_str v)
{
	size_t at = 0;

	out->n = 0;
	while (at < v.len && out->n < GW_ARRAY_LEN(out->w)) {
		size_t from;

		while (at < v.len && v.p[at] == ' ')
			at++;
		from = at;
		while (at < v.len && v.p[at] != ' ')
			at++;
		if (at > from)
			out->w[out->n++] =
				(struct gw_str){ v.p + from, at - from };
	}
}

static bool direction(enum gw_dir *out, struct gw_str s)
{
	static const struct {
		const char *name;
		enum gw_dir dir;
	} row[] = {
		{"none",      GW_DIR_INACTIVE},
		{ "send",     GW_DIR_SENDONLY},
		{ "recv",     GW_DIR_RECVONLY},
		{ "sendrecv", GW_DIR_SENDRECV},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(row); i++) {
		if (gw_str_ieq(s, row[i].name)) {
			*out = row[i].dir;
			return true;
		}
	}
	return false;
}

static const char *name_of(enum gw_dir dir)
{
	static const char *const names[] = {
		[GW_DIR_INACTIVE] = "none",
		[GW_DIR_SENDONLY] = "send",
		[GW_DIR_RECVONLY] = "recv",
		[GW_DIR_SENDRECV] = "sendrecv",
	};

	return names[dir];
}

/* a=curr:qos local sendrecv */
static void read_curr(struct gw_precondition *p, const struct words *w)
{
	enum gw_dir dir;

	if (w->n != 3 || !gw_str_ieq(w->w[0], "qos") ||
	    !direction(&dir, w->w[2]))
		return;
	p->present = true;
	if (gw_str_ieq(w->w[1], "local"))
		p->have_local &= dir;
	else if (gw_str_ieq(w->w[1], "remote"))
		p->have_remote &= dir;
}

/* a=des:qos mandatory local sendrecv */
static void read_des(struct gw_precondition *p, const struct words *w)
{
	bool mandatory, failed;
	enum gw_dir dir;

	if (w->n != 4 || !direction(&dir, w->w[3]))
		return;
	mandatory = gw_str_ieq(w->w[1], "mandatory");
	failed = gw_str_ieq(w->w[1], "failure") ||
		 gw_str_ieq(w->w[1], "unknown");
	if (!gw_str_ieq(w->w[0], "qos") || gw_str_ieq(w->w[2], "e2e")) {
		p->impossible |= mandatory && dir;
		return;
	}
	p->present = true;
	p->impossible |= failed && dir;
	if (mandatory && gw_str_ieq(w->w[2], "local"))
		p->must_local |= dir;
	else if (mandatory && gw_str_ieq(w->w[2], "remote"))
		p->must_remote |= dir;
}

/* a=conf:qos remote sendrecv */
static void read_conf(struct gw_precondition *p, const struct words *w)
{
	enum gw_dir dir;

	if (w->n == 3 && gw_str_ieq(w->w[0], "qos") &&
	    gw_str_ieq(w->w[1], "remote") && direction(&dir, w->w[2]))
		p->confirm |= dir;
}

static void read_media(struct gw_precondition *p, const struct gw_sdp *sdp,
		       int media)
{
	static const struct {
		const char *name;
		void (*read)(struct gw_precondition *p, const struct words *w);
	} row[] = {
		{"curr",  read_curr}, /* RFC 3312 4 */
		{ "des",  read_des },
		{ "conf", read_conf},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(row); i++) {
		size_t iter = 0;
		struct gw_str value;
		struct words w;
		unsigned line;

		while (gw_sdp_attr(sdp, media, row[i].name, &iter, &value,
				   &line)) {
			cut(&w, value);
			row[i].read(p, &w);
		}
	}
}

/*
 * What all m-lines have counts; where some must have it, what those have: who
 * lacks what is only optional is waited for by nobody (RFC 3312 4).
 */
static void add_segment(enum gw_dir *have, enum gw_dir *must,
			enum gw_dir line_has, enum gw_dir line_must)
{
	if (*must && !line_must)
		return;
	if (line_must && !*must)
		*have = GW_DIR_SENDRECV;
	*have &= line_has;
	*must |= line_must;
}

void gw_precondition_read(struct gw_precondition *out, const char *text,
			  size_t len)
{
	struct gw_precondition all = {
		.have_local = GW_DIR_SENDRECV,
		.have_remote = GW_DIR_SENDRECV,
	};
	struct gw_sdp *sdp;

	memset(out, 0, sizeof(*out));
	if (gw_sdp_parse(&sdp, text, len, NULL))
		return;
	for (size_t i = 0; i < sdp->nmedia; i++) {
		struct gw_precondition p = {
			.have_local = GW_DIR_SENDRECV,
			.have_remote = GW_DIR_SENDRECV,
		};

		if (!sdp->media[i].port)
			continue;
		read_media(&p, sdp, (int)i);
		all.present |= p.present;
		all.impossible |= p.impossible;
		all.confirm |= p.confirm;
		add_segment(&all.have_local, &all.must_local, p.have_local,
			    p.must_local);
		add_segment(&all.have_remote, &all.must_remote, p.have_remote,
			    p.must_remote);
	}
	gw_sdp_free(sdp);
	if (all.present || all.impossible)
		*out = all;
}

unsigned gw_precondition_read_each(struct gw_precondition *out, unsigned n,
				   const char *text, size_t len)
{
	struct gw_sdp *sdp;
	unsigned i;

	if (gw_sdp_parse(&sdp, text, len, NULL))
		return 0;
	for (i = 0; i < n && i < sdp->nmedia; i++) {
		struct gw_precondition p = {
			.have_local = GW_DIR_SENDRECV,
			.have_remote = GW_DIR_SENDRECV,
		};

		if (sdp->media[i].port)
			read_media(&p, sdp, (int)i);
		if (!p.present && !p.impossible)
			memset(&p, 0, sizeof(p));
		out[i] = p;
	}
	gw_sdp_free(sdp);
	return i;
}

void gw_precondition_learn(struct gw_precondition *ours,
			   const struct gw_precondition *theirs)
{
	ours->present |= theirs->present;
	ours->impossible |= theirs->impossible;
	if (!theirs->present)
		return;
	/* RFC 3312 5: segments change places, and so do directions. */
	ours->have_remote = gw_dir_reverse(theirs->have_local);
	ours->must_remote |= gw_dir_reverse(theirs->must_local);
	ours->must_local |= gw_dir_reverse(theirs->must_remote);
}

bool gw_precondition_met(const struct gw_precondition *p)
{
	return !(p->must_local & ~p->have_local) &&
	       !(p->must_remote & ~p->have_remote);
}

static void print_lines(struct gw_buf *b, const struct gw_precondition *p)
{
	gw_buf_printf(b,
		      "a=curr:qos local %s\r\na=curr:qos remote %s\r\n"
		      "a=des:qos mandatory local sendrecv\r\n"
		      "a=des:qos %s remote sendrecv\r\n",
		      name_of(p->have_local), name_of(p->have_remote),
		      p->must_remote ? "mandatory" : "optional");
	if (p->confirm)
		gw_buf_printf(b, "a=conf:qos remote %s\r\n",
			      name_of(p->confirm));
}

/* @p[i * @step] in the m-line i, of @n. */
static char *print(const char *text, const struct gw_precondition *p,
		   unsigned n, unsigned step)
{
	struct gw_buf b;
	struct gw_sdp *sdp;
	char *out;

	if (gw_sdp_parse(&sdp, text, strlen(text), NULL))
		return NULL;
	gw_buf_init(&b, GW_SDP_MAX_BYTES);
	for (size_t i = 0, m = 0; i < sdp->nline; i++) {
		const struct gw_sdp_line *l = &sdp->line[i];

		gw_buf_printf(&b, "%c=%.*s\r\n", l->type, (int)l->value.len,
			      l->value.p);
		while (m < sdp->nmedia &&
		       i + 1 == sdp->media[m].first + sdp->media[m].count) {
			if (m < n && sdp->media[m].port && p[m * step].present)
				print_lines(&b, &p[m * step]);
			m++;
		}
	}
	gw_sdp_free(sdp);
	out = gw_buf_take(&b);
	gw_buf_fini(&b);
	return out;
}

char *gw_precondition_print(const char *text, const struct gw_precondition *p)
{
	struct gw_precondition all = *p;

	all.present = true;
	return print(text, &all, UINT_MAX, 0);
}

char *gw_precondition_print_each(const char *text,
				 const struct gw_precondition *p, unsigned n)
{
	return print(text, p, n, 1);
}
