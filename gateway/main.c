/*
 * Isthmus: reads its configuration, starts both front ends and the media
 * workers, and turns the signalling loop until told to stop.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "gateway/admin.h"
#include "gateway/cdr.h"
#include "gateway/core.h"
#include "gateway/enrol.h"
#include "gateway/ctl.h"
#include "gateway/pager.h"
#include "gateway/reg_keep.h"
#include "gateway/registration.h"
#include "gateway/store.h"
#include "gateway/users.h"

#define DEFAULT_FILE  GW_SYSCONFDIR "/isthmus/isthmus.yaml"
#define RETRY_AFTER_S 30
#define SHUTDOWN_MS   4000
#define DEREGISTER_MS 60000

struct daemon {
	struct gw_core core;
	struct gw_settings *set;
	struct gw_ctl *ctl;
	int sigfd;
	int log_fd;
	bool up;                  /* it has begun to serve */
	struct gw_timer deadline; /* of a drain */
};

static const struct gw_logctx log_ctx = { .module = "main" };

static void usage(FILE *to)
{
	fputs("usage: isthmus [-c FILE] [--check-config] [--version]\n"
	      "  -c, --config FILE   configuration (default " DEFAULT_FILE ")\n"
	      "      --check-config  read it, say whether it is right, and "
	      "exit\n"
	      "      --version       print the version and exit\n"
	      "SIGTERM, SIGINT: take no new calls, end when the live ones "
	      "have;\n"
	      "again: end now.  SIGHUP: read configuration and certificates "
	      "again.\n",
	      to);
}

/* ---- log ---- */

static int apply_log(struct daemon *d, const struct gw_settings *set)
{
	const struct gw_set_log *log = &set->log;
	int level = gw_log_level_parse(log->level);
	int fd = STDERR_FILENO, old = d->log_fd;

	if (log->file[0]) {
		fd = open(log->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
			  0640);
		if (fd < 0)
			return -errno;
	}
	gw_log_setup(!strcmp(log->format, "json") ? GW_LOG_JSON : GW_LOG_TEXT,
		     level < 0 ? GW_INFO : (enum gw_log_level)level, fd);
	gw_log_clear_levels();
	for (size_t i = 0; i < log->nlevel; i++) {
		int lv = gw_log_level_parse(log->levels[i].level);

		if (lv >= 0)
			(void)gw_log_set_level(log->levels[i].module,
					       (enum gw_log_level)lv);
	}
	d->log_fd = fd;
	if (old > STDERR_FILENO)
		(void)close(old);
	return 0;
}

/* ---- reload: everything is checked before anything changes ---- */

static void reload(struct daemon *d)
{
	struct gw_settings *set, *old = d->set;
	char err[512];

	if (gw_settings_load(&set, d->set->file, err, sizeof(err))) {
		gw_error(&log_ctx, "configuration not reloaded: %s", err);
		return;
	}
	if (apply_log(d, set))
		gw_error(&log_ctx, "log file %s: %s", set->log.file,
			 strerror(errno));
	if (gw_cdr_reopen(d->core.cdr, set->calls.cdr_file))
		gw_error(&log_ctx, "CDR file %s not opened, the old one stays",
			 set->calls.cdr_file);
	d->set = set;
	d->core.set = set;
	if (d->core.sip)
		gw_sip_reload(d->core.sip, set);
	gw_web_reload(d->core.web, set);
	gw_settings_free(old);
	gw_info(&log_ctx, "configuration reloaded; listeners, media.*, store.* "
			  "and control.* keep their values until a restart");
}

/* ---- the end ---- */

static void stop(void *arg)
{
	struct daemon *d = arg;

	gw_loop_stop(d->core.loop);
}

static void on_deadline(struct gw_timer *t, void *arg)
{
	struct daemon *d = arg;

	(void)t;
	gw_warn(&log_ctx, "%u calls are still live after %u s: ending them",
		d->core.ncalls, d->set->calls.drain_s);
	stop(d);
}

static void terminate(struct daemon *d)
{
	if (d->core.draining) {
		gw_info(&log_ctx, "second signal: ending now");
		stop(d);
		return;
	}
	gw_info(&log_ctx, "draining: %u live calls", d->core.ncalls);
	gw_timer_start_ms(gw_loop_timers(d->core.loop), &d->deadline,
			  1000ull * d->set->calls.drain_s);
	gw_core_drain(&d->core, RETRY_AFTER_S, stop, d);
}

static void on_signal(int fd, void *arg)
{
	struct daemon *d = arg;
	struct signalfd_siginfo si;

	while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGHUP)
			reload(d);
		else
			terminate(d);
	}
}

static int catch_signals(struct daemon *d)
{
	sigset_t set;

	/* Before any thread starts: all of them inherit the mask. */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	d->sigfd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return d->sigfd < 0 ? -errno : 0;
}

/* ---- the beginning ---- */

static void media_config(struct gw_media_config *out,
			 const struct gw_set_media *set)
{
	*out = (struct gw_media_config){
		.workers = set->workers,
		.port_min = set->port_min,
		.port_max = set->port_max,
		.web_port_min = set->web_port_min,
		.web_port_max = set->web_port_max,
		.lite_port = strcmp(set->ice, "lite") ? 0 : set->lite_port,
		.learn_ms = set->learn_ms,
		.inactivity_ms = set->inactivity_s * 1000,
		.consent_ms = set->consent_s * 1000,
		.quality_ms = set->quality_ms,
		.tick_ms = set->tick_ms,
		.certificate_ms = set->certificate_days * 24 * 3600000ull,
		.prefer_x25519 = true,
	};
	memcpy(out->web_address, set->web_address, sizeof(out->web_address));
	memcpy(out->core_address, set->core_address, sizeof(out->core_address));
	memcpy(out->core_address6, set->core_address6,
	       sizeof(out->core_address6));
	memcpy(out->stun_server, set->stun_server, sizeof(out->stun_server));
}

static int open_store(struct daemon *d)
{
	const struct gw_settings *set = d->set;
	char file[GW_SET_PATH];
	int err;

	if (!set->store.file[0] && !set->control_socket[0])
		return 0;
	/* One level: the rest of the name is a mistake when it is not there. */
	if (mkdir(set->state_dir, 0750) < 0 && errno != EEXIST)
		gw_error(&log_ctx, "state_dir %s: %s", set->state_dir,
			 strerror(errno));
	if (!set->store.file[0])
		return 0;
	gw_settings_path(file, set, set->store.file);
	err = gw_store_open(&d->core.store, d->core.loop, file,
			    set->store.lock_ms);
	if (!err)
		err = gw_users_new(&d->core.users, &d->core);
	/* It turns the loop: signals, which need all of us, come later. */
	return err ? err : gw_keep_new(&d->core.keep, &d->core);
}

static int open_control(struct daemon *d)
{
	char path[GW_SET_PATH];

	if (!d->set->control_socket[0])
		return 0;
	gw_settings_path(path, d->set, d->set->control_socket);
	return gw_ctl_new(&d->ctl, &d->core, path);
}

static int start(struct daemon *d)
{
	struct gw_media_config media;
	struct gw_web_handlers web = {
		.incoming = gw_core_incoming,
		.admin = gw_admin_get,
		.message = gw_pager_from_web,
		.message_done = gw_pager_done,
		.arg = &d->core,
	};
	struct gw_core *core = &d->core;
	int err;

	core->set = d->set;
	err = catch_signals(d);
	if (!err)
		err = gw_cdr_new(&core->cdr, d->set->calls.cdr_file);
	if (err) {
		gw_error(&log_ctx, "calls.cdr_file %s: %s",
			 d->set->calls.cdr_file, strerror(-err));
		return err;
	}
	err = gw_loop_new(&core->loop, NULL, NULL);
	if (err)
		return err;
	gw_timer_init(&d->deadline, on_deadline, d);
	err = open_store(d);
	if (!err)
		err = gw_loop_add_fd(core->loop, d->sigfd, on_signal, d);
	if (err)
		return err;

	media_config(&media, &d->set->media);
	err = gw_media_new(&core->media, core->loop, &media,
			   gw_core_media_event, core);
	if (err) {
		gw_error(&log_ctx, "media workers: %s", strerror(-err));
		return err;
	}
	if (d->set->sip.nlisten) {
		err = gw_sip_new(&core->sip, core->loop, d->set,
				 gw_core_incoming, core);
		if (err)
			return err;
		gw_sip_serve_messages(core->sip, gw_pager_from_sip,
				      gw_pager_done, core);
	}
	err = gw_pager_new(&core->pager, core);
	if (err)
		return err;
	if (core->store)
		web.user = gw_users_ask;
	if (core->keep && d->set->store.resume_s) {
		web.keep = gw_keep_put;
		web.forget = gw_keep_forget;
	}
	if (core->store && core->sip && d->set->ims.enabled) {
		err = gw_enrols_new(&core->enrols, core);
		if (err)
			return err;
		web.enrol = gw_enrol_begin;
		web.enrol_answer = gw_enrol_answer;
		web.quit = gw_enrol_quit;
		web.leave = gw_enrol_leave;
	}
	err = gw_web_new(&core->web, core->loop, d->set, &web);
	if (!err)
		err = open_control(d);
	if (err)
		return err;
	/* Before the loop turns again: nobody finds half of it. */
	if (core->keep)
		gw_keep_restore(core->keep);
	d->up = true;
	return 0;
}

/* The core would go on sending calls here.  It takes as long as
 * ims.register_rate makes it, but a core that is silent is not waited for. */
static void deregister_all(const struct gw_core *core)
{
	struct gw_timers *ts = gw_loop_timers(core->loop);
	uint64_t now = gw_timers_now_us(ts);
	const uint64_t last = now + DEREGISTER_MS * 1000ull;
	uint64_t until = now + SHUTDOWN_MS * 1000ull;
	unsigned left = gw_regn_count(core->sip);

	while (left && now < until && now < last) {
		unsigned before = left;

		gw_loop_step(core->loop, 10);
		now = gw_timers_now_us(ts);
		left = gw_regn_count(core->sip);
		if (left < before)
			until = now + SHUTDOWN_MS * 1000ull;
	}
	if (left)
		gw_warn(&log_ctx,
			"%u registrations stay in the core until "
			"they expire",
			left);
}

/* Every part in the reverse order of its beginning; legs end before the
 * stacks that carry them. */
static void finish(struct daemon *d)
{
	struct gw_core *core = &d->core;
	struct gw_timers *ts = core->loop ? gw_loop_timers(core->loop) : NULL;

	if (ts && core->media && core->web) {
		uint64_t until = gw_timers_now_us(ts) + SHUTDOWN_MS * 1000ull;

		gw_timer_stop(&d->deadline);
		gw_core_release_all(core, 503, "the gateway ends");
		/* BYEs are answered, or sent again where they were lost; media
		 * counts its last packets. */
		while ((core->ncalls ||
			(core->sip && gw_sip_live_legs(core->sip))) &&
		       gw_timers_now_us(ts) < until)
			gw_loop_step(core->loop, 10);
	}
	gw_ctl_free(d->ctl);
	if (d->up)
		gw_keep_end(core->keep);
	if (core->web)
		gw_web_free(core->web);
	core->web = NULL;
	gw_enrols_free(core->enrols);
	if (ts && core->sip)
		deregister_all(core);
	gw_keep_free(core->keep);
	core->keep = NULL;
	gw_store_close(core->store);
	gw_users_free(core->users);
	if (core->sip)
		gw_sip_free(core->sip);
	gw_pager_free(core->pager);
	if (core->media)
		gw_media_free(core->media);
	if (core->loop && d->sigfd >= 0)
		gw_loop_del_fd(core->loop, d->sigfd);
	if (core->loop)
		gw_loop_free(core->loop);
	gw_cdr_free(core->cdr);
	if (d->sigfd >= 0)
		(void)close(d->sigfd);
}

static int run(const char *file)
{
	static struct daemon d = { .sigfd = -1, .log_fd = STDERR_FILENO };
	char err[512];
	int rc;

	if (gw_settings_load(&d.set, file, err, sizeof(err))) {
		fprintf(stderr, "isthmus: %s\n", err);
		return 1;
	}
	if (apply_log(&d, d.set)) {
		fprintf(stderr, "isthmus: log.file %s: %s\n", d.set->log.file,
			strerror(errno));
		gw_settings_free(d.set);
		return 1;
	}
	rc = start(&d);
	if (!rc) {
		gw_info(&log_ctx, "Isthmus %s is ready, configuration %s",
			PACKAGE_VERSION, file);
		gw_loop_run(d.core.loop);
	}
	finish(&d);
	gw_info(&log_ctx, rc ? "not started" : "ended");
	gw_settings_free(d.set);
	return rc ? 1 : 0;
}

static int check(const char *file)
{
	struct gw_settings *set;
	char err[512];

	if (gw_settings_load(&set, file, err, sizeof(err))) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	printf("%s: the configuration is right\n", file);
	gw_settings_free(set);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config",     required_argument, NULL, 'c' },
		{ "check-config",        no_argument, NULL, 'k' },
		{ "version",           no_argument, NULL, 'V' },
		{ "help",no_argument, NULL, 'h' },
		{ 0        },
	};
	const char *file = DEFAULT_FILE;
	bool only_check = false;
	int opt;

	/* Files we make (logs, CDRs, a key) are nobody else's. */
	(void)umask(027);
	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			file = optarg;
			break;
		case 'k':
			only_check = true;
			break;
		case 'V':
			puts("isthmus " PACKAGE_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "isthmus: '%s' is not an option\n",
			argv[optind]);
		usage(stderr);
		return 2;
	}
	if (!only_check)
		gw_media_begin(argv);
	return only_check ? check(file) : run(file);
}
