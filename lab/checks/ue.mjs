// ue.mjs - a UE with a USIM, for what SIPp's AKA cannot do: it checks AUTN, keeps
// a sequence number of its own, and asks for resynchronisation with AUTS.
import dgram from 'node:dgram';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { milenage } from '../hss/milenage.mjs';
import { authorization, headers, newCallId } from './tools.mjs';

const ANSWER_MS = 12_000;
const md5 = (...parts) => createHash('md5').update(Buffer.concat(
	parts.map((p) => Buffer.from(p)))).digest('hex');
const xor = (a, b) => Buffer.from(a.map((byte, i) => byte ^ b[i]));
const parameter = (header, name) => new RegExp(`${name}="?([^",]*)"?`).exec(header)?.[1];

/** AKA at the UE: { res } of a fresh vector, or { auts } of an old one. */
export function usim({ k, opc }, sqnMs, challenge) {
	const [rand, autn] = [challenge.subarray(0, 16), challenge.subarray(16, 32)];
	const { ak } = milenage({ k, opc, rand });
	const sqn = xor(autn.subarray(0, 6), ak);
	const m = milenage({ k, opc, rand, sqn, amf: autn.subarray(6, 8) });
	if (!m.macA.equals(autn.subarray(8)))
		throw new Error('AUTN is not of our network');
	if (Buffer.compare(sqn, sqnMs) > 0)
		return { res: m.res, sqn };
	const { macS } = milenage({ k, opc, rand, sqn: sqnMs, amf: Buffer.alloc(2) });
	return { auts: Buffer.concat([xor(sqnMs, m.akStar), macS]) };
}

export class Ue {
	#socket = dgram.createSocket('udp4');
	#cseq = 0;
	#callId = newCallId();

	constructor(user, impu) {
		Object.assign(this, { user, impu });
	}

	async open(address) {
		this.address = address;
		this.#socket.bind(5060, address);
		await once(this.#socket, 'listening');
		return this;
	}

	close() {
		this.#socket.close();
	}

	/** Sends REGISTER; the final response. */
	async register(authorizationHeader, expires = 600) {
		const cseq = ++this.#cseq;
		const text = ['REGISTER sip:ims.test SIP/2.0',
			`Via: SIP/2.0/UDP ${this.address}:5060;branch=z9hG4bK${this.#callId}${cseq}`,
			'Max-Forwards: 69', `From: <${this.impu}>;tag=ue`, `To: <${this.impu}>`,
			`Call-ID: ${this.#callId}`, `CSeq: ${cseq} REGISTER`,
			`Contact: <sip:ue@${this.address}:5060>;expires=${expires}`,
			...headers({ 'P-Charging-Vector': `icid-value="${this.#callId}-${cseq}"` })
				.split('\n').map((line) => line.trim()),
			`Authorization: ${authorizationHeader}`, 'Content-Length: 0', '', ''].join('\r\n');
		this.#socket.send(text, 5060, '127.0.0.41');
		const signal = AbortSignal.timeout(ANSWER_MS);
		for (;;) {
			const [answer] = await once(this.#socket, 'message', { signal });
			const lines = answer.toString().split('\r\n');
			const code = Number(lines[0].split(' ')[1]);
			if (code >= 200 && lines.some((l) => l === `CSeq: ${cseq} REGISTER`))
				return { code, challenge: lines.find((l) => /^WWW-Authenticate:/i.test(l)) };
		}
	}

	first() {
		return this.register(authorization(this.user.impi, 'no'));
	}

	/** The Authorization for @challenge with RES as the password (RFC 3310). */
	answer(challenge, { res, auts }) {
		const nonce = parameter(challenge, 'nonce');
		const ha1 = md5(`${this.user.impi}:ims.test:`, res ?? '');
		const ha2 = md5('REGISTER:sip:ims.test');
		const response = md5(`${ha1}:${nonce}:00000001:0a4f113b:auth:${ha2}`);
		return `Digest username="${this.user.impi}",realm="ims.test",nonce="${nonce}",` +
			`uri="sip:ims.test",response="${response}",algorithm=AKAv1-MD5,qop=auth,` +
			`nc=00000001,cnonce="0a4f113b",integrity-protected="no"` +
			(auts ? `,auts="${auts.toString('base64')}"` : '');
	}

	usim(challenge, sqnMs) {
		return usim(this.user.aka, sqnMs,
			Buffer.from(parameter(challenge, 'nonce'), 'base64'));
	}
}
