/* The reg event package (RFC 3680): the core tells when it ends something. */
#include "sip/regn.h"
void gw_regn_sub_init(struct gw_regn *r)
{
	(void)r;
}
void gw_regn_sub_free(struct gw_regn *r)
{
	(void)r;
}
void gw_regn_subscribe(struct gw_regn *r)
{
	(void)r;
}
