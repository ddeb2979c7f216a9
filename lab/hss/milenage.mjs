// milenage.mjs - f1 to f5* of TS 35.206, and the authentication vectors and
// resynchronisation of TS 33.102 on top of them.
import { createCipheriv, randomBytes, timingSafeEqual } from 'node:crypto';

function aes(key, block) {
	const cipher = createCipheriv('aes-128-ecb', key, null);
	cipher.setAutoPadding(false);
	return Buffer.concat([cipher.update(block), cipher.final()]);
}

function xor(a, b) {
	return Buffer.from(a.map((byte, i) => byte ^ b[i]));
}

/** OP of the operator to OPc of the subscriber (TS 35.206 4.1). */
export function opc(k, op) {
	return xor(aes(k, op), op);
}

// c1 to c5 and r1 to r5 of TS 35.206 4.1; rotations in bytes.
const CONSTANT = [0, 1, 2, 4, 8];
const ROTATION = [8, 0, 4, 8, 12];

function rotated(block, bytes) {
	return Buffer.concat([block.subarray(bytes), block.subarray(0, bytes)]);
}

// OUT2 to OUT5.
function out(k, opcValue, temp, n) {
	const block = rotated(xor(temp, opcValue), ROTATION[n - 1]);
	block[15] ^= CONSTANT[n - 1];
	return xor(aes(k, block), opcValue);
}

/** All functions at once; f1 and f1* only where @sqn and @amf are given. */
export function milenage({ k, opc: opcValue, rand, sqn, amf }) {
	const temp = aes(k, xor(rand, opcValue));
	const out2 = out(k, opcValue, temp, 2);
	const result = {
		res: out2.subarray(8), // f2
		ak: out2.subarray(0, 6), // f5
		ck: out(k, opcValue, temp, 3), // f3
		ik: out(k, opcValue, temp, 4), // f4
		akStar: out(k, opcValue, temp, 5).subarray(0, 6), // f5*
	};
	if (sqn && amf) {
		const in1 = Buffer.concat([sqn, amf, sqn, amf]);
		const block = xor(temp, rotated(xor(in1, opcValue), ROTATION[0]));
		const out1 = xor(aes(k, block), opcValue);
		result.macA = out1.subarray(0, 8); // f1
		result.macS = out1.subarray(8); // f1*
	}
	return result;
}

/** A vector for the sequence number @sqn (6 bytes): TS 33.102 6.3.2. */
export function vector({ k, opc: opcValue, amf }, sqn, rand = randomBytes(16)) {
	const m = milenage({ k, opc: opcValue, rand, sqn, amf });
	const autn = Buffer.concat([xor(sqn, m.ak), amf, m.macA]);
	return { rand, autn, xres: m.res, ck: m.ck, ik: m.ik };
}

/**
 * The terminal's sequence number out of AUTS, or null when AUTS does not come
 * from it: TS 33.102 6.3.3 and 6.3.5, where AMF counts as zero.
 */
export function resynchronise({ k, opc: opcValue }, rand, auts) {
	const { akStar } = milenage({ k, opc: opcValue, rand });
	const sqn = xor(auts.subarray(0, 6), akStar);
	const { macS } = milenage({ k, opc: opcValue, rand, sqn, amf: Buffer.alloc(2) });
	return timingSafeEqual(macS, auts.subarray(6, 14)) ? sqn : null;
}

/**
 * The number after @sqn (BigInt): SEQ and IND both go up by one (TS 33.102
 * C.1.1.1 with 5 bits of IND and C.3.2).
 */
export function nextSqn(sqn) {
	const ind = ((sqn & 31n) + 1n) & 31n;
	return BigInt.asUintN(48, (((sqn >> 5n) + 1n) << 5n) | ind);
}

export function sqnBytes(sqn) {
	return Buffer.from(sqn.toString(16).padStart(12, '0'), 'hex');
}
