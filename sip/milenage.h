/*
 * sip/milenage.h - the example algorithm set of TS 35.206, for AKA held here
 *
 * f1 to f5 and their starred forms on AES-128.  For labs: a USIM keeps its key
 * to itself.  Pure functions.
 */
#ifndef GW_SIP_MILENAGE_H
#define GW_SIP_MILENAGE_H

#include <stdint.h>

/* OPc of an operator's OP for this subscriber.  0, or -EIO: no cipher. */
int gw_milenage_opc(uint8_t opc[16], const uint8_t k[16], const uint8_t op[16]);

struct gw_milenage {
	uint8_t mac_a[8], mac_s[8];  /* f1, f1* */
	uint8_t res[8];              /* f2 */
	uint8_t ck[16], ik[16];      /* f3, f4 */
	uint8_t ak[6], ak_resync[6]; /* f5, f5* */
};

/* All of them.  @mac_s is of the same SQN and AMF; where it is for a
 * resynchronisation, call it with those.  0 or -EIO. */
int gw_milenage(struct gw_milenage *out, const uint8_t k[16],
		const uint8_t opc[16], const uint8_t rand[16],
		const uint8_t sqn[6], const uint8_t amf[2]);

#endif
