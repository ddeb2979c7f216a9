/* The pages of the WAF: no script, nothing inline, every value escaped. */
#include <stdio.h>
#include <string.h>

#include "webrtc/waf_priv.h"

#define HEAD                                                                   \
	"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta "                  \
	"charset=\"utf-8\">\n"                                                 \
	"<meta name=\"viewport\" content=\"width=device-width, "               \
	"initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light "     \
	"dark\">\n<title>Log in</title>\n"                                     \
	"<link rel=\"icon\" href=\"/favicon.svg\">\n"                          \
	"<link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n<body>\n"     \
	"<main>\n<section id=\"login\" class=\"card\">\n<h1>Log in</h1>\n"
#define TAIL "</section>\n</main>\n</body>\n</html>\n"

static void escape(struct gw_buf *out, const char *text)
{
	for (; *text; text++) {
		const char *as = *text == '&'    ? "&amp;"
				 : *text == '<'  ? "&lt;"
				 : *text == '>'  ? "&gt;"
				 : *text == '"'  ? "&quot;"
				 : *text == '\'' ? "&#39;"
						 : NULL;

		if (as)
			gw_buf_str(out, as);
		else
			gw_buf_add(out, text, 1);
	}
}

static void hidden(struct gw_buf *out, const char *name, const char *value)
{
	gw_buf_printf(out, "<input type=\"hidden\" name=\"%s\" value=\"", name);
	escape(out, value);
	gw_buf_str(out, "\">\n");
}

/* form-action holds for where the form's answer redirects to, too. */
static void begin(struct gw_ws_app *a, unsigned status, const char *redirect)
{
	const char *path = redirect ? strstr(redirect, "://") : NULL;
	int n = path ? (int)(path - redirect + 3 + strcspn(path + 3, "/?")) : 0;

	a->status = status;
	a->content_type = "text/html; charset=utf-8";
	(void)snprintf(a->policy, sizeof(a->policy),
		       "default-src 'none'; style-src 'self'; img-src 'self'; "
		       "base-uri 'none'; frame-ancestors 'none'; "
		       "form-action 'self' %.*s",
		       n, redirect ? redirect : "");
	gw_buf_str(&a->body, HEAD);
}

static void say(struct gw_buf *out, const char *fault)
{
	gw_buf_str(out, "<p id=\"fault\" class=\"error\" role=\"alert\">");
	escape(out, fault);
	gw_buf_str(out, "</p>\n");
}

void gw_waf_page_form(struct gw_ws_app *a, const struct gw_waf_request *req,
		      const char *csrf, const char *user, unsigned status,
		      const char *fault)
{
	struct gw_buf *b = &a->body;

	begin(a, status, req->redirect);
	gw_buf_str(b,
		   "<form method=\"post\" action=\"" GW_WAF_AUTHORIZE "\">\n");
	hidden(b, "response_type", "code");
	hidden(b, "client_id", req->client->id);
	hidden(b, "redirect_uri", req->redirect);
	hidden(b, "code_challenge_method", "S256");
	hidden(b, "code_challenge", req->challenge);
	hidden(b, "state", req->state);
	hidden(b, "csrf", csrf);
	gw_buf_str(b, "<label for=\"username\">Address</label>\n"
		      "<input id=\"username\" name=\"username\" required "
		      "autocomplete=\"username\" autocapitalize=\"none\" "
		      "spellcheck=\"false\" value=\"");
	escape(b, user);
	gw_buf_str(b, "\">\n<label for=\"password\">Password</label>\n"
		      "<input id=\"password\" name=\"password\" "
		      "type=\"password\" required "
		      "autocomplete=\"current-password\">\n");
	if (fault)
		say(b, fault);
	gw_buf_str(b, "<button class=\"primary\" type=\"submit\">Log in"
		      "</button>\n</form>\n<p class=\"quiet\">You log in for ");
	escape(b, req->client->id);
	gw_buf_str(b, ".</p>\n" TAIL);
}

void gw_waf_page_fault(struct gw_ws_app *a, unsigned status, const char *fault)
{
	begin(a, status, NULL);
	say(&a->body, fault);
	gw_buf_str(&a->body, TAIL);
}
