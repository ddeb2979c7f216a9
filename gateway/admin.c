#include "gateway/admin.h"

#include <string.h>

#include "config.h"
#include "gateway/base/check.h"
#include "gateway/base/metrics.h"

#define TEXT "text/plain; charset=utf-8"
#define JSON "application/json"

GW_GAUGE(m_registered, "isthmus_registrations",
	 "Registrations held, those without a WebSocket included", "");
GW_GAUGE(m_suspended, "isthmus_registrations_suspended",
	 "Registrations whose WebSocket is lost", "");
GW_GAUGE(m_sessions, "isthmus_media_sessions", "RESPECT media sessions", "");
GW_GAUGE(m_dialogs, "isthmus_sip_legs", "SIP dialogs that the stack holds", "");
GW_GAUGE(m_draining, "isthmus_draining", "1 while new calls are refused", "");

struct page {
	const char *path;
	unsigned (*answer)(struct gw_core *core, struct gw_buf *body);
	const char *type;
};

static unsigned livez(struct gw_core *core, struct gw_buf *body)
{
	(void)core;
	gw_buf_str(body, "ok\n");
	return 200;
}

static unsigned readyz(struct gw_core *core, struct gw_buf *body)
{
	gw_buf_str(body, core->draining ? "draining\n" : "ok\n");
	return core->draining ? 503 : 200;
}

static unsigned metrics(struct gw_core *core, struct gw_buf *body)
{
	struct gw_web_counts n;

	gw_web_count(core->web, &n);
	gw_metric_set(&m_registered, n.registrations);
	gw_metric_set(&m_suspended, n.suspended);
	gw_metric_set(&m_sessions, n.sessions);
	gw_metric_set(&m_dialogs, core->sip ? gw_sip_live_legs(core->sip) : 0);
	gw_metric_set(&m_draining, core->draining);
	gw_metrics_print(body);
	return 200;
}

static unsigned calls(struct gw_core *core, struct gw_buf *body)
{
	gw_core_print_calls(core, body);
	return 200;
}

static unsigned status(struct gw_core *core, struct gw_buf *body)
{
	struct gw_web_counts n;

	gw_web_count(core->web, &n);
	gw_buf_printf(body,
		      "{\n  \"version\": \"%s\",\n  \"draining\": %s,\n"
		      "  \"calls\": %u,\n  \"connections\": %u,\n"
		      "  \"registrations\": %u,\n  \"suspended\": %u,\n"
		      "  \"sessions\": %u,\n  \"sip_legs\": %u\n}\n",
		      PACKAGE_VERSION, core->draining ? "true" : "false",
		      core->ncalls, n.connections, n.registrations, n.suspended,
		      n.sessions, core->sip ? gw_sip_live_legs(core->sip) : 0);
	return 200;
}

static const struct page pages[] = {
	{"/livez",    livez,   TEXT				      },
	{ "/readyz",  readyz,  TEXT				      },
	{ "/metrics", metrics, "text/plain; version=0.0.4; charset=utf-8"},
	{ "/calls",   calls,   JSON				      },
	{ "/status",  status,  JSON				      },
};

unsigned gw_admin_get(const char *path, struct gw_buf *body,
		      const char **content_type, void *arg)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(pages); i++) {
		if (strcmp(path, pages[i].path) != 0)
			continue;
		*content_type = pages[i].type;
		return pages[i].answer(arg, body);
	}
	*content_type = "application/problem+json";
	gw_buf_str(body, "{\"type\":\"about:blank\",\"title\":\"Not Found\","
			 "\"status\":404,\"detail\":\"livez, readyz, metrics, "
			 "calls, status\"}\n");
	return 404;
}
