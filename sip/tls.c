#include "sip/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "gateway/base/check.h"
#include "gateway/base/metrics.h"
#include "sip/tls_files.h"

/* Of T1: 5 s by default.  A peer that takes the connection and says nothing
 * would else be waited for until timer B (RFC 3261 17.1.1.2) is over. */
#define PATIENCE_T1 10

#define TLS_MAGIC    0x53544c53 /* "STLS" */
#define MAX_CONTEXTS (2 * GW_SET_LISTEN)

#define BAD      "isthmus_sip_tls_refused_total"
#define BAD_HELP "TLS connections that did not come about, by reason"

GW_COUNTER(m_chain, BAD, BAD_HELP, "reason=\"chain\"");
GW_COUNTER(m_date, BAD, BAD_HELP, "reason=\"date\"");
GW_COUNTER(m_name, BAD, BAD_HELP, "reason=\"name\"");
GW_COUNTER(m_alert_out, BAD, BAD_HELP, "reason=\"handshake\"");
GW_COUNTER(m_alert_in, BAD, BAD_HELP, "reason=\"peer_refused\"");
GW_COUNTER(m_slow, BAD, BAD_HELP, "reason=\"timeout\"");
GW_COUNTER(m_lost, BAD, BAD_HELP, "reason=\"closed\"");
GW_GAUGE(m_live, "isthmus_sip_tls_connections",
	 "TLS connections with SIP peers", "");

/* One TLS connection of Sofia's. */
struct conn {
	LIST_ENTRY(conn) link;
	struct gw_tls *tls;
	SSL *ssl;
	struct gw_addr peer;
	char text[GW_ADDR_STRLEN];
	struct gw_timer patience; /* for the handshake */
	bool up;                  /* the handshake is done */
	bool told;                /* why it failed is in the log */
	bool over;                /* Sofia has let go of it */
};

struct gw_tls {
	uint32_t magic;
	struct gw_loop *loop;
	const struct gw_settings *set;
	gw_tls_refused_h *refused_h;
	void *arg;
	struct gw_logctx log;
	SSL_CTX *files; /* what the contexts use */
	SSL_CTX *ctx[MAX_CONTEXTS];
	size_t nctx, adopted;
	LIST_HEAD(, conn) conns;
	unsigned nconn;
	struct gw_timer sweep; /* what may not be done inside a callback */
};

/* The one that watches; OpenSSL's callbacks carry nothing of ours. */
static struct gw_tls *watching;
static int ctx_index = -1, ssl_index = -1;

/* ---- finding Sofia's contexts ---- */

static void on_ctx_made(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx,
			long argl, void *argp)
{
	struct gw_tls *tls = watching;

	(void)ptr;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	if (tls && tls->nctx < MAX_CONTEXTS)
		tls->ctx[tls->nctx++] = parent;
}

/* ---- the name ---- */

/* The host of "sip:host:port;...", "sips:[::1]", "host" or "[::1]". */
static void host_of(char *out, size_t size, const char *uri)
{
	const char *p = uri;
	const char *at;
	size_t n;

	if (!strncasecmp(p, "sip:", 4))
		p += 4;
	else if (!strncasecmp(p, "sips:", 5))
		p += 5;
	at = strchr(p, '@');
	p = at ? at + 1 : p;
	if (*p == '[') {
		p++;
		n = strcspn(p, "]");
	} else {
		n = strcspn(p, ":;?>");
	}
	(void)snprintf(out, size, "%.*s", (int)n, p);
}

static bool is_uri_of(const char *uri, size_t len, const char *name)
{
	size_t n = strlen(name);

	return len == n + 4 && !strncasecmp(uri, "sip:", 4) &&
	       !strncasecmp(uri + 4, name, n);
}

static bool has_uri(X509 *cert, const char *name)
{
	GENERAL_NAMES *all =
		X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; all && i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);

		if (g->type == GEN_URI &&
		    is_uri_of((const char *)ASN1_STRING_get0_data(
				      g->d.uniformResourceIdentifier),
			      (size_t)ASN1_STRING_length(
				      g->d.uniformResourceIdentifier),
			      name))
			found = true;
	}
	GENERAL_NAMES_free(all);
	return found;
}

static bool has_name(X509 *cert, const char *name)
{
	unsigned flags = X509_CHECK_FLAG_NO_WILDCARDS;
	char ip[GW_ADDR_STRLEN], bare[128];
	struct gw_addr a;

	if (has_uri(cert, name))
		return true;
	host_of(bare, sizeof(bare), name);
	if (!gw_addr_parse(&a, bare, 0))
		return X509_check_ip_asc(cert, gw_addr_ip(&a, ip, sizeof(ip)),
					 0) == 1;
	/* RFC 5922 7.2: a wildcard matches nothing.  7.1: the common name is
	 * only for certificates that have no subjectAltName at all. */
	if (X509_get_ext_by_NID(cert, NID_subject_alt_name, -1) >= 0)
		flags |= X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
	return X509_check_host(cert, name, 0, flags, NULL) == 1;
}

/* A peer that calls us may be any of the configured names, or of the CA when
 * there is none; one that we call, also a core as we know it. */
static bool named_right(const struct gw_settings *set, X509 *cert, bool inbound)
{
	const struct gw_set_sip *sip = &set->sip;
	char core[128];

	if (inbound && !sip->ntls_name)
		return true;
	for (size_t i = 0; i < sip->ntls_name; i++)
		if (has_name(cert, sip->tls_name[i]))
			return true;
	for (size_t i = 0; !inbound && i < set->ims.ncore; i++) {
		host_of(core, sizeof(core), set->ims.core[i]);
		if (core[0] && has_name(cert, core))
			return true;
	}
	host_of(core, sizeof(core), sip->core);
	return !inbound && core[0] && has_name(cert, core);
}

static void print_names(X509 *cert, char *out, size_t size)
{
	GENERAL_NAMES *all =
		X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	BIO *bio = BIO_new(BIO_s_mem());
	int n = 0;

	for (int i = 0; bio && all && i < sk_GENERAL_NAME_num(all); i++) {
		if (i)
			(void)BIO_puts(bio, ", ");
		(void)GENERAL_NAME_print(bio, sk_GENERAL_NAME_value(all, i));
	}
	if (bio && !all)
		(void)X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0,
					 XN_FLAG_ONELINE);
	if (bio)
		n = BIO_read(bio, out, (int)size - 1);
	out[n > 0 ? n : 0] = '\0';
	/* The peer wrote it: it stays one line of the log. */
	for (char *p = out; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = '?';
	BIO_free(bio);
	GENERAL_NAMES_free(all);
}

/* ---- verification ---- */

static void refuse(struct conn *c, struct gw_metric *why, const char *text,
		   X509 *cert)
{
	char names[256] = "no certificate";

	if (cert)
		print_names(cert, names, sizeof(names));
	c->told = true;
	gw_metric_add(why, 1);
	gw_warn(&c->tls->log, "TLS %s %s refused: %s (certificate: %s)",
		SSL_is_server(c->ssl) ? "from" : "to", c->text, text, names);
}

static int on_verify(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
		store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct conn *c = SSL_get_ex_data(ssl, ssl_index);
	X509 *cert = X509_STORE_CTX_get0_cert(store);
	struct gw_tls *tls = arg;
	int err;

	if (!tls->set->sip.tls_verify)
		return 1;
	if (X509_verify_cert(store) == 1) {
		if (named_right(tls->set, cert, SSL_is_server(ssl)))
			return 1;
		X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
		if (c)
			refuse(c, &m_name, "another name", cert);
		return 0;
	}
	err = X509_STORE_CTX_get_error(store);
	if (c)
		refuse(c,
		       err == X509_V_ERR_CERT_HAS_EXPIRED ||
				       err == X509_V_ERR_CERT_NOT_YET_VALID
			       ? &m_date
			       : &m_chain,
		       X509_verify_cert_error_string(err), cert);
	return 0;
}

/* ---- the life of a connection ---- */

static void run_soon(struct gw_tls *tls)
{
	(void)gw_timer_start_us(gw_loop_timers(tls->loop), &tls->sweep, 0);
}

/*
 * Sofia ends with SSL_shutdown() and the last BIO_free() of the BIO that it
 * made; it never touches the SSL again, and never frees it.
 */
static long on_bio(BIO *bio, int op, const char *argp, size_t len, int argi,
		   long argl, int ret, size_t *processed)
{
	struct conn *c = (struct conn *)BIO_get_callback_arg(bio);

	(void)argp;
	(void)len;
	(void)argi;
	(void)argl;
	(void)processed;
	if (op == BIO_CB_FREE && c) {
		c->over = true;
		run_soon(c->tls);
	}
	return ret;
}

static void out_of_patience(struct gw_timer *t, void *arg)
{
	struct conn *c = arg;

	(void)t;
	if (c->up || c->told)
		return;
	c->told = true;
	gw_metric_add(&m_slow, 1);
	gw_warn(&c->tls->log, "TLS %s %s: no handshake within %u ms",
		SSL_is_server(c->ssl) ? "from" : "to", c->text,
		PATIENCE_T1 * c->tls->set->sip.t1_ms);
	/* Sofia sees the end of the stream, closes, and connects anew for the
	 * next request. */
	(void)shutdown(SSL_get_fd(c->ssl), SHUT_RDWR);
	run_soon(c->tls);
}

static void find_peer(struct conn *c, int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (!getpeername(fd, (struct sockaddr *)&ss, &len))
		(void)gw_addr_from_sockaddr(&c->peer, (struct sockaddr *)&ss);
	(void)gw_addr_print(&c->peer, c->text, sizeof(c->text));
}

/* A handshake begins.  The SSL gets a BIO of its own, so that Sofia's is
 * Sofia's alone and its end is the end of the connection. */
static void begin(struct gw_tls *tls, SSL *ssl)
{
	BIO *theirs = SSL_get_rbio(ssl);
	struct conn *c = calloc(1, sizeof(*c));
	int fd = theirs ? (int)BIO_get_fd(theirs, NULL) : -1;
	BIO *ours = fd >= 0 ? BIO_new_socket(fd, BIO_NOCLOSE) : NULL;

	if (!c || !ours || SSL_set_ex_data(ssl, ssl_index, c) != 1) {
		BIO_free(ours);
		free(c);
		gw_warn(&tls->log, "no memory for a TLS connection");
		return;
	}
	(void)BIO_up_ref(theirs);
	/* Sofia, to which every connection is a master (it copies the type), lets go of the context
	 * once for each; the SSL that it leaves behind made up for that. */
	(void)SSL_CTX_up_ref(SSL_get_SSL_CTX(ssl));
	SSL_set_bio(ssl, ours, ours);
	BIO_set_callback_ex(theirs, on_bio);
	BIO_set_callback_arg(theirs, (char *)c);
	c->tls = tls;
	c->ssl = ssl;
	find_peer(c, fd);
	LIST_INSERT_HEAD(&tls->conns, c, link);
	gw_metric_set(&m_live, ++tls->nconn);
	gw_timer_init(&c->patience, out_of_patience, c);
	(void)gw_timer_start_ms(gw_loop_timers(tls->loop), &c->patience,
				PATIENCE_T1 * tls->set->sip.t1_ms);
}

static void on_alert(struct conn *c, bool sent, int value)
{
	if (value >> 8 != SSL3_AL_FATAL || c->told)
		return;
	c->told = true;
	gw_metric_add(sent ? &m_alert_out : &m_alert_in, 1);
	gw_warn(&c->tls->log, "TLS %s %s %s: %s",
		SSL_is_server(c->ssl) ? "from" : "to", c->text,
		sent ? "refused" : "refused by the peer",
		SSL_alert_desc_string_long(value));
}

static void on_info(const SSL *const_ssl, int where, int value)
{
	SSL *ssl = (SSL *)(uintptr_t)const_ssl;
	struct gw_tls *tls =
		SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ctx_index);
	struct conn *c = SSL_get_ex_data(ssl, ssl_index);

	GW_CHECK(tls, TLS_MAGIC);
	if (!c && where & SSL_CB_HANDSHAKE_START)
		begin(tls, ssl);
	else if (c && where & SSL_CB_HANDSHAKE_DONE) {
		c->up = true;
		gw_timer_stop(&c->patience);
	} else if (c && !c->up && where & SSL_CB_ALERT)
		on_alert(c, (where & SSL_CB_WRITE) != 0, value);
	if (c && c->told)
		run_soon(tls);
}

static void bury(struct conn *c)
{
	struct gw_tls *tls = c->tls;

	LIST_REMOVE(c, link);
	gw_timer_stop(&c->patience);
	gw_metric_set(&m_live, --tls->nconn);
	SSL_free(c->ssl);
	free(c);
}

static void on_sweep(struct gw_timer *t, void *arg)
{
	struct gw_tls *tls = arg;
	struct conn *c, *next;

	(void)t;
	GW_CHECK(tls, TLS_MAGIC);
	for (c = LIST_FIRST(&tls->conns); c; c = next) {
		bool failed = !c->up && (c->told || c->over);

		next = LIST_NEXT(c, link);
		if (failed && !c->told) {
			gw_metric_add(&m_lost, 1);
			gw_warn(&tls->log,
				"TLS %s %s: closed before it was set up",
				SSL_is_server(c->ssl) ? "from" : "to", c->text);
		}
		if (failed && !SSL_is_server(c->ssl))
			tls->refused_h(&c->peer, tls->arg);
		if (failed)
			c->up = true; /* told once */
		if (c->over)
			bury(c);
	}
}

/* ---- from outside ---- */

int gw_tls_new(struct gw_tls **out, struct gw_loop *loop,
	       const struct gw_settings *set, gw_tls_refused_h *refused_h,
	       void *arg)
{
	struct gw_tls *tls = calloc(1, sizeof(*tls));

	if (ctx_index < 0)
		ctx_index =
			CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL_CTX, 0,
						NULL, on_ctx_made, NULL, NULL);
	if (ssl_index < 0)
		ssl_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (!tls || ctx_index < 0 || ssl_index < 0) {
		free(tls);
		return -ENOMEM;
	}
	tls->magic = TLS_MAGIC;
	tls->loop = loop;
	tls->set = set;
	tls->refused_h = refused_h;
	tls->arg = arg;
	tls->log = (struct gw_logctx){ .module = "sip" };
	LIST_INIT(&tls->conns);
	gw_timer_init(&tls->sweep, on_sweep, tls);
	*out = tls;
	return 0;
}

void gw_tls_free(struct gw_tls *tls)
{
	struct conn *c, *next;

	if (!tls)
		return;
	GW_CHECK(tls, TLS_MAGIC);
	for (c = LIST_FIRST(&tls->conns); c; c = next) {
		next = LIST_NEXT(c, link);
		bury(c);
	}
	gw_timer_stop(&tls->sweep);
	SSL_CTX_free(tls->files);
	tls->magic = 0;
	free(tls);
}

static int load(struct gw_tls *tls, const struct gw_settings *set,
		SSL_CTX **out)
{
	char why[640];
	int r = gw_tls_files_load(out, set->sip.tls_dir, set->sip.tls_verify,
				  why, sizeof(why));

	if (r)
		gw_error(&tls->log, "sip.tls_dir: %s", why);
	return r;
}

int gw_tls_watch(struct gw_tls *tls)
{
	int r = tls->files ? 0 : load(tls, tls->set, &tls->files);

	if (!r)
		watching = tls;
	return r;
}

/* A certificate is wanted, for either role. */
static int on_cert(SSL *ssl, void *arg)
{
	struct gw_tls *tls = arg;

	GW_CHECK(tls, TLS_MAGIC);
	return gw_tls_files_show(ssl, tls->files) ? 0 : 1;
}

/* What a reload may change. */
static int follow(struct gw_tls *tls, SSL_CTX *ctx, SSL_CTX *files)
{
	SSL_CTX_set_verify(ctx,
			   tls->set->sip.tls_verify
				   ? SSL_VERIFY_PEER |
					     SSL_VERIFY_FAIL_IF_NO_PEER_CERT
				   : SSL_VERIFY_NONE,
			   NULL);
	return gw_tls_files_trust(ctx, files);
}

static void equip(struct gw_tls *tls, SSL_CTX *ctx)
{
	SSL_CTX_set_ex_data(ctx, ctx_index, tls);
	SSL_CTX_set_info_callback(ctx, on_info);
	SSL_CTX_set_cert_verify_callback(ctx, on_verify, tls);
	SSL_CTX_set_cert_cb(ctx, on_cert, tls);
	(void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	/* A resumed session would carry a certificate that is not looked at
	 * again. */
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_options(ctx,
				  SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	if (follow(tls, ctx, tls->files))
		gw_error(&tls->log, "no memory for a certificate");
}

void gw_tls_adopt(struct gw_tls *tls)
{
	char text[256];

	watching = NULL;
	while (tls->adopted < tls->nctx)
		equip(tls, tls->ctx[tls->adopted++]);
	gw_tls_files_describe(tls->files, text, sizeof(text));
	gw_info(&tls->log, "TLS certificate: %s", text);
}

int gw_tls_reload(struct gw_tls *tls, const struct gw_settings *set)
{
	SSL_CTX *files = NULL;
	char text[256];
	int r;

	tls->set = set;
	if (!tls->nctx)
		return 0;
	r = load(tls, set, &files);
	for (size_t i = 0; !r && i < tls->nctx; i++)
		r = follow(tls, tls->ctx[i], files);
	if (r) {
		SSL_CTX_free(files);
		gw_error(&tls->log, "the TLS certificate of before stays");
		return r;
	}
	SSL_CTX_free(tls->files);
	tls->files = files;
	gw_tls_files_describe(files, text, sizeof(text));
	gw_info(&tls->log, "TLS certificate: %s", text);
	return 0;
}

unsigned gw_tls_connections(const struct gw_tls *tls)
{
	return tls->nconn;
}
