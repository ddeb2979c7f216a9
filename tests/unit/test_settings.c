#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/settings.h"
#include "gateway/settings_priv.h"

#define HASH                                                                   \
	"$y$j9T$aisthmusdemosalt./$rG.zQOX2C9T7JTJQP29KYeBpl27D0f7qrvU/"       \
	"CEhrzz1"

static char path[] = "/tmp/isthmus-settings-XXXXXX";
static char err[512];

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	if (fd >= 0)
		(void)close(fd);
	return fd < 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static struct gw_settings *load(const char *text, int *rc)
{
	struct gw_settings *set = NULL;
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(strlen(text), fwrite(text, 1, strlen(text), f));
	assert_int_equal(0, fclose(f));
	err[0] = '\0';
	*rc = gw_settings_load(&set, path, err, sizeof(err));
	return set;
}

static struct gw_settings *load_good(const char *text)
{
	int rc;
	struct gw_settings *set = load(text, &rc);

	if (rc)
		fail_msg("%s", err);
	return set;
}

/* @want is what follows "file:": "2: web.ping_ms: ..." */
static void assert_refused(const char *text, const char *want)
{
	char full[512];
	int rc;
	struct gw_settings *set = load(text, &rc);

	assert_null(set);
	assert_int_equal(-EINVAL, rc);
	(void)snprintf(full, sizeof(full), "%s:%s", path, want);
	if (strncmp(err, full, strlen(full)) != 0)
		fail_msg("got \"%s\", wanted \"%s\"", err, full);
}

static void the_sample_holds_exactly_the_defaults(void **state)
{
	struct gw_settings *sample = NULL, *plain = load_good("{}\n");

	(void)state;
	if (gw_settings_load(&sample, "conf/isthmus.yaml", err, sizeof(err)))
		fail_msg("%s", err);
	memset(sample->file, 0, sizeof(sample->file));
	memset(plain->file, 0, sizeof(plain->file));
	assert_memory_equal(plain, sample, sizeof(*plain));
	gw_settings_free(sample);
	gw_settings_free(plain);
}

static char *slurp(const char *name)
{
	static char text[65536];
	FILE *f = fopen(name, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	assert_true(n > 0 && n < sizeof(text) - 1);
	text[n] = '\0';
	(void)fclose(f);
	return text;
}

/* Keys of list elements stand in a comment, the others in their section. */
static void the_sample_shows_every_key(void **state)
{
	const char *text = slurp("conf/isthmus.yaml");

	(void)state;
	for (size_t i = 0; i < gw_settings_nrow; i++) {
		const char *p = gw_settings_rows[i].path;
		const char *dot = strrchr(p, '.'), *at = text, *end;
		const char *brackets = strstr(p, "[]");
		char section[64], key[64];

		(void)snprintf(section, sizeof(section),
			       "\n%.*s:", (int)strcspn(p, ".["), p);
		at = strstr(text, section);
		if (!at)
			fail_msg("no section for %s", p);
		if (brackets && !strncmp(p, "auth", 4))
			at = strstr(text, "\nauth:");
		else if (brackets) /* the comment is above the empty list */
			at = at > text + 900 ? at - 900 : text;
		(void)snprintf(key, sizeof(key), "%s%s:",
			       brackets                ? " "
			       : dot != strchr(p, '.') ? "\n    "
			       : dot                   ? "\n  "
						       : "\n",
			       dot ? dot + 1 : p);
		end = strstr(at, key);
		if (!end)
			fail_msg("conf/isthmus.yaml does not show %s", p);
	}
}

static void the_demo_loads_and_its_passwords_are_demo(void **state)
{
	struct gw_settings *set = NULL;
	struct crypt_data data = { 0 };

	(void)state;
	if (gw_settings_load(&set, "conf/demo.yaml", err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(2, set->nuser);
	assert_string_equal("sip:alice@demo.example", set->user[0].id);
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(
			set->user[i].password,
			crypt_r("demo", set->user[i].password, &data));
	assert_string_equal("sip:127.0.0.1:5070;transport=udp", set->sip.core);
	assert_int_equal(1, set->nroute);
	assert_string_equal("echo", set->route[0].leg);
	gw_settings_free(set);
}

static void every_default_is_legal_and_within_its_limits(void **state)
{
	(void)state;
	for (size_t i = 0; i < gw_settings_nrow; i++) {
		const struct gw_set_row *row = &gw_settings_rows[i];
		unsigned long v;

		if (row->type != GW_SET_U8 && row->type != GW_SET_U16 &&
		    row->type != GW_SET_U32)
			continue;
		assert_non_null(row->def);
		v = strtoul(row->def, NULL, 10);
		assert_in_range(v, row->min, row->max);
		if (row->type == GW_SET_U8)
			assert_true(row->max <= UINT8_MAX);
		if (row->type == GW_SET_U16)
			assert_true(row->max <= UINT16_MAX);
	}
}

static void values_of_all_kinds_are_taken(void **state)
{
	struct gw_settings *set = load_good(
		"log: { level: warn, levels: { sip: debug, call: error } }\n"
		"web:\n"
		"  listen: [wss://192.0.2.1:443, 'wss://[2001:db8::1]:443',\n"
		"           ws://127.0.0.1:8080, 'ws://[::1]:8080']\n"
		"  ping_ms: 15000\n"
		"  origins: [self, 'https://app.example:8443']\n"
		"auth:\n"
		"  issuer: https://id.example\n"
		"  audience: isthmus\n"
		"  keys:\n"
		"    - { alg: ES256, file: /etc/a.pem }\n"
		"    - { kid: two, alg: EdDSA, file: /etc/b.pem }\n"
		"sip:\n"
		"  listen: ['sips:[::1]:5061', "
		"'sip:127.0.0.1:5060;transport=tcp']\n"
		"  core: sip:core.example;transport=tls\n"
		"  tls_dir: /etc/tls\n"
		"  tls_verify: false\n"
		"  allow_from: [127.0.0.1, '::1']\n"
		"media:\n"
		"  codecs: [PCMA]\n"
		"  dscp_audio: 0\n"
		"  dscp_video: 36\n"
		"  dscp_other: 10\n"
		"  web_address: [192.0.2.1, '2001:db8::1']\n"
		"admin: { listen: \"\" }\n"
		"ice_servers:\n"
		"  - { url: 'stun:192.0.2.9:3478' }\n"
		"  - { url: 'turn:t.example?transport=tcp', secret: s }\n"
		"routes:\n"
		"  - { match: 'sip:conf-*', leg: echo }\n"
		"  - { match: 'sip:no@x.example', leg: refuse, status: 404 }\n"
		"users:\n"
		"  - id: sip:a@x.example\n"
		"    password: " HASH "\n"
		"    identities: ['tel:+15551000', sip:a2@x.example]\n"
		"  - id: tel:+15551001\n");

	(void)state;
	assert_string_equal("warn", set->log.level);
	assert_int_equal(2, set->log.nlevel);
	assert_string_equal("call", set->log.levels[1].module);
	assert_string_equal("error", set->log.levels[1].level);
	assert_int_equal(4, set->web.nlisten);
	assert_string_equal("wss://[2001:db8::1]:443", set->web.listen[1]);
	assert_int_equal(15000, set->web.ping_ms);
	assert_int_equal(10000, set->web.auth_timeout_ms);
	assert_int_equal(2, set->web.norigin);
	assert_int_equal(2, set->auth.nkey);
	assert_string_equal("two", set->auth.key[1].kid);
	assert_string_equal("", set->auth.key[0].kid);
	assert_int_equal(2, set->sip.nlisten);
	assert_false(set->sip.tls_verify);
	assert_string_equal("::1", set->sip.allow_from[1]);
	assert_string_equal("", set->sip.allow_from[2]);
	assert_int_equal(1, set->media.ncodec);
	assert_string_equal("PCMA", set->media.codec[0]);
	assert_int_equal(0, set->media.dscp_audio);
	assert_int_equal(36, set->media.dscp_video);
	assert_int_equal(10, set->media.dscp_other);
	assert_string_equal("2001:db8::1", set->media.web_address[1]);
	assert_string_equal("", set->admin_listen);
	assert_int_equal(2, set->nice_server);
	assert_int_equal(3600, set->ice_server[1].ttl_s);
	assert_int_equal(2, set->nroute);
	assert_int_equal(403, set->route[0].status);
	assert_int_equal(404, set->route[1].status);
	assert_int_equal(2, set->nuser);
	assert_int_equal(2, set->user[0].nidentity);
	assert_string_equal("tel:+15551000", set->user[0].identity[0]);
	assert_string_equal("tel:+15551001", set->user[1].id);
	gw_settings_free(set);
}

static void an_unknown_key_names_the_nearest(void **state)
{
	(void)state;
	assert_refused(
		"web:\n  ping_sm: 1\n",
		"2: web.ping_sm: unknown key; did you mean web.ping_ms?");
	assert_refused("wbe:\n  ping_ms: 1\n",
		       "1: wbe: unknown key; did you mean web?");
	assert_refused("colour: blue\n", "1: colour: unknown key");
	assert_refused("users:\n  - id: sip:a@b\n    passwort: x\n",
		       "3: users[1].passwort: unknown key; did you mean "
		       "users[].password?");
}

static void a_wrong_type_is_told_with_its_line(void **state)
{
	(void)state;
	assert_refused("web:\n  ping_ms: soon\n",
		       "2: web.ping_ms: must be a whole number");
	assert_refused("web:\n  ping_ms: \"30000\"\n",
		       "2: web.ping_ms: must be a whole number, is a text");
	assert_refused("web:\n  ping_ms: -1\n",
		       "2: web.ping_ms: must be a whole number");
	assert_refused("web:\n  ping_ms: [1]\n",
		       "2: web.ping_ms: must be one value, is a list");
	assert_refused("web:\n  ping_ms:\n", "2: web.ping_ms: has no value");
	assert_refused("web:\n  listen: wss://127.0.0.1:1\n",
		       "2: web.listen: must be a list, is one value");
	assert_refused("web: yes\n", "1: web: must be a map");
	assert_refused("sip:\n  tls_verify: yes\n",
		       "2: sip.tls_verify: must be true or false");
	assert_refused("users: {}\n", "1: users: must be a list of maps");
	assert_refused("users: [x]\n", "1: users[1]: must be a map");
	assert_refused("log: { levels: [] }\n",
		       "1: log.levels: must be a map of module to level");
	assert_refused("log: { levels: { sip: loud } }\n",
		       "1: log.levels.sip: must be one of");
	assert_refused("- a\n", "1: file: must be a map, is a list");
	assert_refused("[a]: b\n", "1: file: a key must be a name");
}

static void a_number_out_of_range_is_told_with_the_range(void **state)
{
	(void)state;
	assert_refused("\n\nmedia:\n  dscp_audio: 64\n",
		       "4: media.dscp_audio: must be 0 to 63, is \"64\"");
	assert_refused("media:\n  port_min: 99999999999999999999\n",
		       "2: media.port_min: must be 1024 to 65534");
}

static void a_key_given_twice_is_refused(void **state)
{
	(void)state;
	assert_refused("web:\n  ping_ms: 1000\n  ping_ms: 2000\n",
		       "3: web.ping_ms: is given twice");
	assert_refused("web: {}\nsip: {}\nweb: {}\n", "3: web: is given twice");
	assert_refused("log: { levels: { a: info, a: warn } }\n",
		       "1: log.levels.a: is given twice");
}

static void a_missing_file_is_told(void **state)
{
	struct gw_settings *set = NULL;

	(void)state;
	assert_int_equal(-ENOENT, gw_settings_load(&set, "/nonexistent/x.yaml",
						   err, sizeof(err)));
	assert_string_equal("/nonexistent/x.yaml:0: file: No such file or "
			    "directory",
			    err);
	assert_int_not_equal(0,
			     gw_settings_load(&set, "/tmp", err, sizeof(err)));
	assert_null(set);
}

static void broken_yaml_is_told_with_its_line(void **state)
{
	(void)state;
	assert_refused("web:\n  ping_ms: [1\nsip:\n", "3: YAML: ");
	assert_refused("web:\n\tping_ms: 1\n", "2: YAML: ");
	assert_refused("", "1: file: is empty");
	assert_refused("web: {}\n---\nsip: {}\n", "");
	assert_non_null(strstr(err, "one document"));
	assert_refused("web: {ping_ms: 1000}\n---\n[\n", "");
	assert_refused("\x80\x81", "");
}

static void the_environment_is_put_in(void **state)
{
	struct gw_settings *set;

	(void)state;
	assert_int_equal(0, setenv("GW_T_PING", "4321", 1));
	assert_int_equal(0, setenv("GW_T_DIR", "var", 1));
	assert_int_equal(0, setenv("GW_T_EMPTY", "", 1));
	assert_int_equal(0, unsetenv("GW_T_NOT"));
	set = load_good("state_dir: /${GW_T_DIR}/${GW_T_NOT:-lib}/$${x}/$y\n"
			"web: { ping_ms: \"${GW_T_PING}\" }\n"
			"sip: { user_agent: '${GW_T_EMPTY}', "
			"domain: '${GW_T_EMPTY:-d.example}' }\n"
			"calls:\n  max: ${GW_T_NOT:-5}\n");
	assert_string_equal("/var/lib/${x}/$y", set->state_dir);
	assert_int_equal(4321, set->web.ping_ms);
	assert_int_equal(5, set->calls.max);
	assert_string_equal("", set->sip.user_agent);
	assert_string_equal("d.example", set->sip.domain);
	gw_settings_free(set);

	assert_refused("web:\n  root: ${GW_T_NOT}\n",
		       "2: web.root: environment variable GW_T_NOT is not set");
	assert_refused("web:\n  root: ${GW T}\n",
		       "2: web.root: ${...} must be");
	assert_refused("web:\n  root: ${GW_T_DIR\n",
		       "2: web.root: ${...} must be");
	assert_refused("web:\n  root: ${}\n", "2: web.root: ${...} must be");
	assert_refused("web:\n  ping_ms: ${GW_T_DIR}\n",
		       "2: web.ping_ms: must be a whole number");
}

static void the_store_and_the_socket_are_in_the_state_dir(void **state)
{
	struct gw_settings *set;
	char name[GW_SET_PATH];

	(void)state;
	set = load_good("state_dir: /s\n");
	gw_settings_path(name, set, set->store.file);
	assert_string_equal("/s/isthmus.db", name);
	gw_settings_path(name, set, set->control_socket);
	assert_string_equal("/s/control.sock", name);
	assert_int_equal(2000, set->store.lock_ms);
	assert_int_equal(60, set->store.resume_s);
	gw_settings_free(set);

	set = load_good("store: { file: \"\", lock_ms: 0 }\n"
			"control: { socket: /run/c }\n");
	assert_string_equal("", set->store.file);
	assert_int_equal(0, set->store.lock_ms);
	gw_settings_path(name, set, set->control_socket);
	assert_string_equal("/run/c", name);
	gw_settings_free(set);
	assert_refused("store:\n  lock_ms: 60001\n", "2: store.lock_ms: ");
	assert_refused("store:\n  resume_s: 3601\n", "2: store.resume_s: ");
}

static void texts_are_bounded_and_printable(void **state)
{
	char text[5000];

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "sip: { user_agent: ", 19);
	text[200] = '}';
	text[201] = '\0';
	assert_refused(text, "1: sip.user_agent: is longer than 63 bytes");
	text[200] = 'a';
	text[201] = 'a';
	text[4990] = '}';
	text[4991] = '\0';
	assert_refused(text, "1: sip.user_agent: is too long");
	assert_refused("sip:\n  user_agent: \"a\\r\\nVia: b\"\n",
		       "2: sip.user_agent: must not hold control characters");
	assert_refused("sip:\n  user_agent: \"a\\0b\"\n",
		       "2: sip.user_agent: must not hold a NUL");
}

static void lists_are_bounded(void **state)
{
	(void)state;
	assert_refused("sip: { allow_from: [10.0.0.1, 10.0.0.2, 10.0.0.3,\n"
		       " 10.0.0.4, 10.0.0.5] }\n",
		       "2: sip.allow_from: holds more than 4 elements");
	assert_refused("web: { listen: [] }\n",
		       "1: web.listen: needs at least one listener");
	assert_refused("media: { codecs: [] }\n",
		       "1: media.codecs: needs at least one codec");
	assert_refused("media: { web_address: [''] }\n",
		       "1: media.web_address: must not hold an empty element");
}

static void plain_ws_is_for_loopback_only(void **state)
{
	(void)state;
	assert_refused("web:\n  listen:\n    - ws://0.0.0.0:80\n",
		       "3: web.listen: ws:// is not encrypted");
	assert_refused("web: { listen: ['ws://[2001:db8::1]:80'] }",
		       "1: web.listen: ws:// is not encrypted");
	assert_refused("web: { listen: ['ws://localhost:80'] }",
		       "1: web.listen: must be wss://");
	assert_refused("web: { listen: ['wss://127.0.0.1:0'] }",
		       "1: web.listen: must be wss://");
	assert_refused("web: { listen: ['http://127.0.0.1:1'] }",
		       "1: web.listen: must be wss://");
}

static void values_that_make_no_sense_are_refused(void **state)
{
	static const char *const bad[][2] = {
		{"web: { origins: ['*'] }",                                   "web.origins"          },
		{ "web: { origins: ['https://a/b'] }",                        "web.origins"          },
		{ "web: { origins: [a.example] }",                            "web.origins"          },
		{ "web: { path: x }",					 "web.path"             },
		{ "web: { path: '' }",					"web.path"             },
		{ "sip: { listen: ['sip:127.0.0.1:5060'] }",                  "sip.listen"           },
		{ "sip: { listen: ['sip:h:5060;transport=udp'] }",
                 "sip.listen"									},
		{ "sip: { listen: ['sip:127.0.0.1:5060;transport=ws'] }",
                 "sip.listen"									},
		{ "sip: { core: core.example }",                              "sip.core"             },
		{ "sip: { core: 'sip:a b' }",                                 "sip.core"             },
		{ "sip: { core: 'sip:h:70000' }",                             "sip.core"             },
		{ "sip: { domain: 'a b' }",                                   "sip.domain"           },
		{ "sip: { domain: 'a:1' }",                                   "sip.domain"           },
		{ "sip: { domain: '' }",                                      "sip.domain"           },
		{ "sip: { allow_from: [host] }",                              "sip.allow_from"       },
		{ "media: { core_address: 0.0.0.0 }",                         "media.core_address"   },
		{ "media: { core_address: '::1' }",                           "media.core_address"   },
		{ "media: { core_address6: 10.0.0.1 }",                       "media.core_address6"  },
		{ "media: { web_address: ['::'] }",                           "media.web_address"    },
		{ "media: { stun_server: stun.example }",                     "media.stun_server"    },
		{ "media: { codecs: [PCMU, AMR] }",                           "media.codecs"         },
		{ "sip: { reliable: perhaps }",                               "sip.reliable"         },
		{ "sip: { reliable: off, precondition: supported }",
                 "sip.precondition"								  },
		{ "sip: { precondition_timeout_s: 0 }",
                 "sip.precondition_timeout_s"							},
		{ "sip: { session_expires_s: 60 }",                           "sip.session_expires_s"},
		{ "sip: { min_se_s: 30 }",                                    "sip.min_se_s"         },
		{ "calls: { early_media: maybe }",                            "calls.early_media"    },
		{ "calls: { no_offer: x }",                                   "calls.no_offer"       },
		{ "calls: { gateway_offer: both }",                           "calls.gateway_offer"  },
		{ "calls: { refer: no }",                                     "calls.refer"          },
		{ "log: { level: trace }",                                    "log.level"            },
		{ "admin: { listen: '9090' }",                                "admin.listen"         },
		{ "messages: { types: [text] }",                              "messages.types"       },
		{ "messages: { types: ['text/'] }",                           "messages.types"       },
		{ "messages: { types: ['text/html;a=b'] }",                   "messages.types"       },
		{ "messages: { types: [Multipart/mixed] }",                   "messages.types"       },
		{ "ice_servers: [ { url: 'http://x' } ]",
                 "ice_servers[1].url"								},
		{ "ice_servers: [ { url: 'stun:x?transport=udp' } ]",
                 "ice_servers[1].url"								},
		{ "ice_servers: [ { url: 'turn:x' } ]",                       "ice_servers[1]"       },
		{ "ice_servers: [ {} ]",                                      "ice_servers[1]"       },
		{ "routes: [ { match: 'a*b', leg: echo } ]",
                 "routes[1].match"								   },
		{ "routes: [ { match: '', leg: echo } ]",                     "routes[1].match"      },
		{ "routes: [ { match: a, leg: moon } ]",                      "routes[1].leg"        },
		{ "routes: [ { match: a } ]",                                 "routes[1]"            },
		{ "routes: [ { match: a, leg: refuse, status: 200 } ]",
                 "routes[1].status"								  },
		{ "users: [ { id: alice } ]",                                 "users[1].id"          },
		{ "users: [ { id: 'sip:a@b;x=y' } ]",                         "users[1].id"          },
		{ "users: [ { id: 'sip:a b@c' } ]",                           "users[1].id"          },
		{ "users: [ { id: 'tel:abc xyz' } ]",                         "users[1].id"          },
		{ "users: [ { id: 'tel:' } ]",                                "users[1].id"          },
		{ "users: [ { name: x } ]",                                   "users[1]"             },
		{ "users: [ { id: 'sip:a@b', password: demo } ]",
                 "users[1].password"								 },
		{ "users: [ { id: 'sip:a@b', password: $1$abc$def } ]",
                 "users[1].password"								 },
		{ "users: [ { id: 'sip:a@b', password: $y$j9T$abc$short } ]",
                 "users[1].password"								 },
		{ "auth: { keys: [ { alg: HS256, file: x } ] }",
                 "auth.keys[1].alg"								  },
		{ "auth: { keys: [ { alg: ES256 } ] }",                       "auth.keys[1]"         },
	};

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++) {
		char want[80];

		(void)snprintf(want, sizeof(want), "1: %s: ", bad[i][1]);
		assert_refused(bad[i][0], want);
	}
}

static void a_password_is_not_quoted_in_an_error(void **state)
{
	(void)state;
	assert_refused("users: [ { id: 'sip:a@b', password: hunter2 } ]",
		       "1: users[1].password: must be a crypt(5) hash");
	assert_null(strstr(err, "hunter2"));
}

static void keys_that_belong_together_are_checked(void **state)
{
	static const char *const bad[][2] = {
		{"auth:\n  keys: [ { alg: ES256, file: x } ]",
                 "2: auth.keys"											  },
		{ "web:\n  certificate: x",                                        "2: web.certificate"                  },
		{ "media:\n  port_min: 40000\n  port_max: 40000",
                 "3: media.port_max"										     },
		{ "media:\n  web_port_min: 2000",                                  "1: media.web_port_max"               },
		{ "media:\n  web_port_min: 2000\n  web_port_max: 1000",
                 "3: media.web_port_max"										 },
		{ "media:\n  ice: lite",					   "1: media.web_address"                },
		{ "media:\n  ice: lite\n  web_address: [127.0.0.1, 127.0.0.2]",
                 "3: media.web_address"										  },
		{ "media:\n  web_address: [127.0.0.1]\n  ice: lite\n"
		  "  stun_server: 127.0.0.1:3478",                "4: media.stun_server"                },
		{ "media:\n  web_address: [127.0.0.1]\n  ice: lite\n"
		  "  web_port_min: 50000\n  web_port_max: 50010", "4: media.web_port_min"               },
		{ "media:\n  web_address: [127.0.0.1]\n  ice: lite\n"
		  "  workers: 4\n  lite_port: 65533",             "5: media.lite_port"                  },
		{ "media:\n  web_address: [127.0.0.1]\n  ice: lite\n"
		  "  workers: 4\n  lite_port: 29997",             "5: media.lite_port"                  },
		{ "media:\n  web_port_min: 20000\n  web_port_max: 30000",
                 "3: media.web_port_max"										 },
		{ "sip:\n  listen: ['sips:127.0.0.1:5061']",                       "1: sip.tls_dir"                      },
		{ "sip:\n  core: 'sip:h;transport=tls'",                           "1: sip.tls_dir"                      },
		{ "sip:\n  username: x",					   "2: sip.username"                     },
		{ "sip:\n  t1_ms: 5000\n  t1x64_ms: 4000",                         "3: sip.t1x64_ms"                     },
		{ "ims: { enabled: true, cores: ['sip:h'] }",                      "1: ims.domain"                       },
		{ "ims: { enabled: true, domain: h }",                             "1: ims.cores"                        },
		{ "ims: { enabled: true, domain: h, cores: ['sips:h'] }",
                 "1: sip.tls_dir"											},
		{ "sip: { core: 'sip:h' }\nmedia:\n  core_address: ''",
                 "3: media.core_address"										 },
		{ "users:\n - id: sip:a@b\n - id: sip:c@d\n"
		  "   identities: [sip:a@b]",		     "1: users: an identity is given twice"},
	};

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++)
		assert_refused(bad[i][0], bad[i][1]);
}

static void a_list_in_the_file_replaces_the_default(void **state)
{
	struct gw_settings *set =
		load_good("sip: { listen: [] }\nweb: { origins: [] }\n");

	(void)state;
	assert_int_equal(0, set->sip.nlisten);
	assert_int_equal(0, set->web.norigin);
	gw_settings_free(set);
}

static void a_section_may_be_empty(void **state)
{
	struct gw_settings *set = load_good("web:\nsip:\n");

	(void)state;
	assert_int_equal(30000, set->web.ping_ms);
	gw_settings_free(set);
}

static void thousands_of_users_are_read(void **state)
{
	static char text[4097 * 40];
	size_t len = (size_t)snprintf(text, sizeof(text), "users:\n");
	struct gw_settings *set;
	int rc;

	(void)state;
	for (int i = 0; i < 4096; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					" - id: sip:u%d@x.example\n", i);
	set = load_good(text);
	assert_int_equal(4096, set->nuser);
	assert_string_equal("sip:u4095@x.example", set->user[4095].id);
	gw_settings_free(set);

	(void)snprintf(text + len, sizeof(text) - len, " - id: sip:z@x\n");
	assert_null(load(text, &rc));
	assert_non_null(strstr(err, "users: holds more than 4096 elements"));
}

static void where_tokens_come_from_is_checked(void **state)
{
	(void)state;
	assert_refused("auth:\n  jwks_url: http://x/keys\n",
		       "2: auth.jwks_url: must be https://");
	assert_refused("auth:\n  jwks_url: https://u:p@x/keys\n",
		       "2: auth.jwks_url: must be https://");
	assert_refused("auth:\n  jwks_url: https://x/keys\n",
		       "2: auth.jwks_url: needs auth.issuer");
	assert_refused("auth:\n  introspection_url: https://x/i\n"
		       "  introspection_client: a\n",
		       "3: auth.introspection_client: ");
	assert_refused("auth:\n  claims:\n    impi: \"\"\n",
		       "3: auth.claims.impi: must not be empty");
	gw_settings_free(load_good("auth:\n  issuer: i\n  audience: a\n"
				   "  jwks_url: https://x:8443/keys?a=b\n"
				   "  claims:\n    webrtc_id: uri\n"));
}

static void the_waf_is_checked(void **state)
{
	(void)state;
	assert_refused("waf:\n  enabled: true\n", "1: waf.issuer: is needed");
	assert_refused("waf:\n  issuer: https://x/path\n",
		       "2: waf.issuer: must be https://HOST");
	assert_refused("waf:\n  issuer: http://x\n",
		       "2: waf.issuer: must be https://HOST");
	assert_refused("waf:\n  issuer: http://localhost.evil.example\n",
		       "2: waf.issuer: must be https://HOST");
	assert_refused("waf:\n  enabled: true\n  issuer: https://x\n",
		       "1: waf.key_file: is needed");
	assert_refused("waf:\n  enabled: true\n  issuer: https://x\n"
		       "  key_file: k\n",
		       "1: waf.clients: needs at least one");
	assert_refused("waf:\n  clients:\n"
		       "    - { id: \"a b\", redirect_uris: [] }\n",
		       "3: waf.clients[1].id: must be of letters");
	assert_refused("waf:\n  clients:\n    - { id: a, redirect_uris: "
		       "[\"http://x/\"] }\n",
		       "3: waf.clients[1].redirect_uris: must be https://");
	gw_settings_free(
		load_good("waf:\n  enabled: true\n"
			  "  issuer: http://localhost:8080\n  key_file: k\n"
			  "  clients:\n    - { id: a, redirect_uris: "
			  "[\"https://x/\", \"http://[::1]:80/b?c\"] }\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sample_holds_exactly_the_defaults),
		cmocka_unit_test(the_sample_shows_every_key),
		cmocka_unit_test(the_demo_loads_and_its_passwords_are_demo),
		cmocka_unit_test(every_default_is_legal_and_within_its_limits),
		cmocka_unit_test(values_of_all_kinds_are_taken),
		cmocka_unit_test(an_unknown_key_names_the_nearest),
		cmocka_unit_test(a_wrong_type_is_told_with_its_line),
		cmocka_unit_test(a_number_out_of_range_is_told_with_the_range),
		cmocka_unit_test(a_key_given_twice_is_refused),
		cmocka_unit_test(a_missing_file_is_told),
		cmocka_unit_test(broken_yaml_is_told_with_its_line),
		cmocka_unit_test(the_environment_is_put_in),
		cmocka_unit_test(texts_are_bounded_and_printable),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(plain_ws_is_for_loopback_only),
		cmocka_unit_test(values_that_make_no_sense_are_refused),
		cmocka_unit_test(a_password_is_not_quoted_in_an_error),
		cmocka_unit_test(keys_that_belong_together_are_checked),
		cmocka_unit_test(a_list_in_the_file_replaces_the_default),
		cmocka_unit_test(a_section_may_be_empty),
		cmocka_unit_test(the_store_and_the_socket_are_in_the_state_dir),
		cmocka_unit_test(thousands_of_users_are_read),
		cmocka_unit_test(where_tokens_come_from_is_checked),
		cmocka_unit_test(the_waf_is_checked),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
