/*
 * isthmusctl: what an operator tells a running daemon, one command a run.
 * docs/isthmusctl.md.
 */
#include "gateway/isthmusctl.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "gateway/base/check.h"

#define DEFAULT_SOCKET "/var/lib/isthmus/control.sock"
#define MAX_IMPUS      8

static const char help[] =
	"usage: isthmusctl [--socket PATH] [--json] COMMAND\n"
	"\n"
	"Subscribers of the daemon's store:\n"
	"  subscriber add ID [OPTIONS]     ID is a sip:, sips: or tel: URI\n"
	"      --password                  ask for a password to log in with\n"
	"      --name NAME                 shown to others\n"
	"      --subject SUBJECT           in tokens; without it, the ID\n"
	"      --enrol HOW                 in the core: none (default), "
	"client,\n"
	"                                  held, web or pool\n"
	"      --impi IMPI --impu IMPU     private and public identities "
	"there;\n"
	"                                  --impu up to 8 times, the first is\n"
	"                                  registered\n"
	"      --secret FILE               for held: lines 'password: TEXT', "
	"or\n"
	"                                  'k: HEX' and 'op: HEX' or 'opc: "
	"HEX'\n"
	"                                  ('amf', 'sqn' may follow); - is\n"
	"                                  standard input\n"
	"      --replace                   also when ID is there already; "
	"what\n"
	"                                  is not given is lost\n"
	"  subscriber list\n"
	"  subscriber show ID\n"
	"  subscriber passwd ID [--none]   a new password; --none: no log-in\n"
	"                                  with one\n"
	"  subscriber remove ID            also ends its registrations\n"
	"\n"
	"Identities that are leased to users without one:\n"
	"  pool add IMPI IMPU\n"
	"  pool list\n"
	"  pool remove IMPI                not while it is leased\n"
	"\n"
	"Who is logged in:\n"
	"  registrations\n"
	"  deregister ID [--endpoint N]    all of ID, or the one that\n"
	"                                  'registrations' lists as N\n"
	"\n"
	"  version                         of the daemon and of this tool\n"
	"\n"
	"  -s, --socket PATH   control.socket of the daemon; else the "
	"variable\n"
	"                      ISTHMUS_SOCKET, else " DEFAULT_SOCKET "\n"
	"  -j, --json          print JSON\n"
	"  -h, --help          this\n"
	"\n"
	"A password is read from the terminal, or as a line of standard "
	"input,\n"
	"and leaves this tool as a hash (yescrypt).\n"
	"Exit status: 0 done, 1 refused, 2 wrong usage, 3 no daemon answers,\n"
	"4 not there, 5 there already or in use, 6 the store fails or is "
	"none.\n";

struct options {
	bool password, none, replace;
	const char *name, *subject, *enrol, *impi, *secret, *endpoint;
	const char *impu[MAX_IMPUS];
	size_t nimpu;
	unsigned given; /* bits of options, by allowed() */
	char **arg;
	int narg;
};

typedef int(command_h)(const struct gw_ctl_tool *t, const struct options *opt);

static struct json_object *request(const char *command)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "command", json_object_new_string(command));
	return o;
}

static void add(struct json_object *o, const char *key, const char *text)
{
	if (text)
		json_object_object_add(o, key, json_object_new_string(text));
}

/* A request whose success needs no words but @said. */
static int simple(const struct gw_ctl_tool *t, struct json_object *r,
		  const char *said)
{
	struct json_object *n, *o;
	int status = GW_CTL_DONE;

	o = gw_ctl_ask(t, r, &status);
	if (!o)
		return status;
	if (t->json)
		gw_ctl_print_json(o);
	else if (json_object_object_get_ex(o, "deregistered", &n))
		printf("%s; registrations ended: %s\n", said,
		       json_object_get_string(n));
	else
		puts(said);
	json_object_put(o);
	return status;
}

static int list(const struct gw_ctl_tool *t, const char *command,
		const char *member, enum gw_ctl_list kind)
{
	struct json_object *next = NULL, *rows, *o, *r;
	bool first = true;
	int status = GW_CTL_DONE;

	do {
		r = request(command);
		if (next)
			json_object_object_add(r, "after", next);
		o = gw_ctl_ask(t, r, &status);
		if (!o)
			return status;
		if (first)
			gw_ctl_list_begin(t, kind);
		first = false;
		if (json_object_object_get_ex(o, member, &rows)) {
			size_t n = json_object_array_length(rows);

			for (size_t i = 0; i < n; i++)
				gw_ctl_list_row(
					t, kind,
					json_object_array_get_idx(rows, i));
		}
		next = NULL;
		if (json_object_object_get_ex(o, "next", &next))
			next = json_object_get(next);
		json_object_put(o);
	} while (next);
	gw_ctl_list_end(t);
	return status;
}

/* ---- subscribers ---- */

static int subscriber_add(const struct gw_ctl_tool *t,
			  const struct options *opt)
{
	struct json_object *r, *s, *impus, *secret = NULL;
	char hash[GW_CTL_HASH];

	if (opt->secret) {
		secret = gw_ctl_read_secret(opt->secret);
		if (!secret)
			return GW_CTL_FAILED;
	}
	if (opt->password && gw_ctl_read_password(hash)) {
		json_object_put(secret);
		return GW_CTL_FAILED;
	}
	r = request("subscriber.add");
	s = json_object_new_object();
	json_object_object_add(r, "subscriber", s);
	if (opt->replace)
		json_object_object_add(r, "replace",
				       json_object_new_boolean(true));
	add(s, "id", opt->arg[0]);
	add(s, "name", opt->name);
	add(s, "subject", opt->subject);
	add(s, "enrol", opt->enrol);
	add(s, "impi", opt->impi);
	if (opt->password)
		add(s, "password", hash);
	if (opt->nimpu) {
		impus = json_object_new_array();
		for (size_t i = 0; i < opt->nimpu; i++)
			json_object_array_add(
				impus, json_object_new_string(opt->impu[i]));
		json_object_object_add(s, "impus", impus);
	}
	if (secret)
		json_object_object_add(s, "secret", secret);
	return simple(t, r, "added");
}

static int subscriber_list(const struct gw_ctl_tool *t,
			   const struct options *opt)
{
	(void)opt;
	return list(t, "subscriber.list", "subscribers", GW_CTL_SUBSCRIBERS);
}

static int subscriber_show(const struct gw_ctl_tool *t,
			   const struct options *opt)
{
	struct json_object *r = request("subscriber.show"), *o, *s;
	int status = GW_CTL_DONE;

	add(r, "id", opt->arg[0]);
	o = gw_ctl_ask(t, r, &status);
	if (!o)
		return status;
	if (json_object_object_get_ex(o, "subscriber", &s))
		gw_ctl_print_subscriber(t, s);
	json_object_put(o);
	return status;
}

static int subscriber_passwd(const struct gw_ctl_tool *t,
			     const struct options *opt)
{
	struct json_object *r;
	char hash[GW_CTL_HASH] = "";

	if (!opt->none && gw_ctl_read_password(hash))
		return GW_CTL_FAILED;
	r = request("subscriber.passwd");
	add(r, "id", opt->arg[0]);
	add(r, "password", hash);
	return simple(t, r, opt->none ? "no password" : "changed");
}

static int subscriber_remove(const struct gw_ctl_tool *t,
			     const struct options *opt)
{
	struct json_object *r = request("subscriber.remove");

	add(r, "id", opt->arg[0]);
	return simple(t, r, "removed");
}

/* ---- the rest ---- */

static int pool_add(const struct gw_ctl_tool *t, const struct options *opt)
{
	struct json_object *r = request("pool.add");

	add(r, "impi", opt->arg[0]);
	add(r, "impu", opt->arg[1]);
	return simple(t, r, "added");
}

static int pool_list(const struct gw_ctl_tool *t, const struct options *opt)
{
	(void)opt;
	return list(t, "pool.list", "pool", GW_CTL_POOL);
}

static int pool_remove(const struct gw_ctl_tool *t, const struct options *opt)
{
	struct json_object *r = request("pool.remove");

	add(r, "impi", opt->arg[0]);
	return simple(t, r, "removed");
}

static int registrations(const struct gw_ctl_tool *t, const struct options *opt)
{
	(void)opt;
	return list(t, "registrations", "registrations", GW_CTL_REGISTRATIONS);
}

static int deregister(const struct gw_ctl_tool *t, const struct options *opt)
{
	struct json_object *r = request("deregister");

	add(r, "id", opt->arg[0]);
	if (opt->endpoint)
		json_object_object_add(r, "endpoint",
				       json_object_new_uint64(strtoull(
					       opt->endpoint, NULL, 10)));
	return simple(t, r, "deregistered");
}

static int version(const struct gw_ctl_tool *t, const struct options *opt)
{
	struct json_object *o, *v;
	int status = GW_CTL_DONE;

	(void)opt;
	o = gw_ctl_ask(t, request("version"), &status);
	if (!t->json)
		puts("isthmusctl " PACKAGE_VERSION);
	if (!o)
		return status;
	if (t->json) {
		add(o, "tool", PACKAGE_VERSION);
		gw_ctl_print_json(o);
	} else if (json_object_object_get_ex(o, "version", &v)) {
		printf("isthmus %s\n", json_object_get_string(v));
	}
	json_object_put(o);
	return status;
}

/* ---- the command line ---- */

enum {
	O_PASSWORD = 256,
	O_NAME,
	O_SUBJECT,
	O_ENROL,
	O_IMPI,
	O_IMPU,
	O_SECRET,
	O_REPLACE,
	O_NONE,
	O_ENDPOINT
};
#define BIT(o) (1u << ((o)-O_PASSWORD))

static const struct {
	const char *words[2];
	int narg;
	unsigned options;
	command_h *run;
} commands[] = {
	{{ "subscriber", "add" },
         1,			      BIT(O_PASSWORD) | BIT(O_NAME) | BIT(O_SUBJECT) | BIT(O_ENROL) |
		  BIT(O_IMPI) | BIT(O_IMPU) | BIT(O_SECRET) | BIT(O_REPLACE),
         subscriber_add										   },
	{ { "subscriber", "list" },   0, 0,					      subscriber_list  },
	{ { "subscriber", "show" },   1, 0,					      subscriber_show  },
	{ { "subscriber", "passwd" }, 1, BIT(O_NONE),                                    subscriber_passwd},
	{ { "subscriber", "remove" }, 1, 0,					      subscriber_remove},
	{ { "pool", "add" },          2, 0,					      pool_add         },
	{ { "pool", "list" },         0, 0,					      pool_list        },
	{ { "pool", "remove" },       1, 0,					      pool_remove      },
	{ { "registrations", NULL },  0, 0,					      registrations    },
	{ { "deregister", NULL },     1, BIT(O_ENDPOINT),                                deregister       },
	{ { "version", NULL },        0, 0,					      version          },
};

static int misused(const char *what, const char *which)
{
	gw_ctl_complain("%s%s%s; see isthmusctl --help", which,
			*which ? ": " : "", what);
	return GW_CTL_USAGE;
}

static int dispatch(const struct gw_ctl_tool *t, struct options *opt)
{
	if (!opt->narg)
		return misused("a command is missing", "");
	for (size_t i = 0; i < GW_ARRAY_LEN(commands); i++) {
		const char *second = commands[i].words[1];
		int nword = second ? 2 : 1;

		if (strcmp(opt->arg[0], commands[i].words[0]) != 0 ||
		    (second &&
		     (opt->narg < 2 || strcmp(opt->arg[1], second) != 0)))
			continue;
		opt->arg += nword;
		opt->narg -= nword;
		if (opt->narg != commands[i].narg)
			return misused(
				opt->narg < commands[i].narg
					? "an argument is missing"
					: "there is an argument too many",
				opt->arg[-1]);
		if (opt->given & ~commands[i].options)
			return misused("has no such option", opt->arg[-1]);
		return commands[i].run(t, opt);
	}
	return misused("is no command", opt->arg[0]);
}

/* 0, or what to exit with. */
static int take_option(struct gw_ctl_tool *t, struct options *opt, int o)
{
	const char **text[] = {
		[O_NAME - O_PASSWORD] = &opt->name,
		[O_SUBJECT - O_PASSWORD] = &opt->subject,
		[O_ENROL - O_PASSWORD] = &opt->enrol,
		[O_IMPI - O_PASSWORD] = &opt->impi,
		[O_SECRET - O_PASSWORD] = &opt->secret,
		[O_ENDPOINT - O_PASSWORD] = &opt->endpoint,
	};

	if (o >= O_PASSWORD)
		opt->given |= BIT(o);
	switch (o) {
	case 's':
		t->socket = optarg;
		return 0;
	case 'j':
		t->json = true;
		return 0;
	case O_PASSWORD:
		opt->password = true;
		return 0;
	case O_REPLACE:
		opt->replace = true;
		return 0;
	case O_NONE:
		opt->none = true;
		return 0;
	case O_IMPU:
		if (opt->nimpu == MAX_IMPUS)
			return misused("8 at most", "--impu");
		opt->impu[opt->nimpu++] = optarg;
		return 0;
	case '?':
		return misused("the command line is wrong", "");
	default:
		*text[o - O_PASSWORD] = optarg;
		return 0;
	}
}

static const char *contradiction(const struct options *opt)
{
	if (opt->password && opt->secret && !strcmp(opt->secret, "-"))
		return "--password and --secret - cannot both be standard "
		       "input";
	if (opt->endpoint &&
	    (!opt->endpoint[0] || strlen(opt->endpoint) > 18 ||
	     strspn(opt->endpoint, "0123456789") != strlen(opt->endpoint) ||
	     !strtoull(opt->endpoint, NULL, 10)))
		return "--endpoint is a number of the list of registrations";
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"socket",           required_argument, NULL, 's' },
		{ "json",              no_argument, NULL, 'j' },
		{ "help",                 no_argument, NULL, 'h' },
		{ "password",no_argument, NULL, O_PASSWORD },
		{ "name",               required_argument, NULL, O_NAME },
		{ "subject",            required_argument, NULL, O_SUBJECT },
		{ "enrol",              required_argument, NULL, O_ENROL },
		{ "impi",                 required_argument, NULL, O_IMPI },
		{ "impu",              required_argument, NULL, O_IMPU },
		{ "secret",        required_argument, NULL, O_SECRET },
		{ "replace",            no_argument, NULL, O_REPLACE },
		{ "none",              no_argument, NULL, O_NONE },
		{ "endpoint",                 required_argument, NULL, O_ENDPOINT },
		{ 0},
	};
	const char *env = getenv("ISTHMUS_SOCKET");
	struct gw_ctl_tool t = { .socket = env && *env ? env : DEFAULT_SOCKET };
	struct options opt = { 0 };
	const char *wrong;
	int o, status;

	while ((o = getopt_long(argc, argv, "s:jh", options, NULL)) != -1) {
		if (o == 'h') {
			fputs(help, stdout);
			return GW_CTL_DONE;
		}
		status = take_option(&t, &opt, o);
		if (status)
			return status;
	}
	opt.arg = argv + optind;
	opt.narg = argc - optind;
	wrong = contradiction(&opt);
	if (wrong)
		return misused(wrong, "");
	status = dispatch(&t, &opt);
	/* A list that did not get out whole is none. */
	if (fflush(stdout) || ferror(stdout)) {
		gw_ctl_complain("standard output cannot be written");
		return status ? status : GW_CTL_FAILED;
	}
	return status;
}
