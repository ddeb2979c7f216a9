/* Which values of the section emergency: make sense. */
#include <string.h>
#include <strings.h>

#include "gateway/settings_priv.h"

#define DIGITS "0123456789*#"

const char *gw_settings_check_emergency_number(const char *value)
{
	const char *digits = value + (*value == '+');

	return *digits && strspn(digits, DIGITS) == strlen(digits)
		       ? NULL
		       : "must be digits, * or #, a + only before them";
}

const char *gw_settings_check_emergency_urn(const char *value)
{
	/* Labels are compared without case, but written in one. */
	if (gw_emergency_is_urn(value) &&
	    strcspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(value))
		return NULL;
	return "must be urn:service:sos or a service below it "
	       "(urn:service:sos.fire), in small letters";
}

/* RFC 4412 3.1: namespace "." priority, each a token without dots. */
const char *gw_settings_check_priority(const char *value)
{
	static const char token[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-!%*_+`'~";
	size_t name = strspn(value, token);
	size_t rank = value[name] == '.' ? strspn(value + name + 1, token) : 0;

	return name && rank && !value[name + 1 + rank]
		       ? NULL
		       : "must be NAMESPACE.PRIORITY, such as esnet.1";
}

/* It is put into XML and into a Warning as it is. */
const char *gw_settings_check_xml_text(const char *value)
{
	return strpbrk(value, "<>&\"\\") ? "must not hold < > & \" or \\"
					 : NULL;
}

static bool is_tls(const char *uri)
{
	return !strncasecmp(uri, "sips:", 5) || strstr(uri, ";transport=tls");
}

const char *gw_settings_check_emergency(const struct gw_settings *set,
					const char **key)
{
	const struct gw_set_emergency *e = &set->emergency;

	*key = "emergency.numbers";
	for (size_t i = 1; i < e->nnumber; i++)
		for (size_t k = 0; k < i; k++)
			if (!strcmp(e->number[i].number, e->number[k].number))
				return "a number is given twice";
	if (strcmp(e->policy, "route") != 0)
		return NULL;
	*key = "emergency.policy";
	if (!e->target[0] && !set->sip.core[0] && !set->ims.enabled)
		return "route needs somewhere to go: emergency.target, "
		       "sip.core or ims.enabled";
	*key = "emergency.target";
	if (is_tls(e->target) && !set->sip.tls_dir[0])
		return "is reached by TLS, which needs sip.tls_dir";
	return NULL;
}
