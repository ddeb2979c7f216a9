// ims.mjs - users of an IMS at the gateway under test, and what is exact about
// the REGISTERs that SIPp has taken.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { runTool } from '../../tests/e2e/lib/ctl.mjs';
import { parse } from '../../tests/lib/sip-answerer.mjs';
import { milenage, sqnBytes, vector } from '../../lab/hss/milenage.mjs';
import { PASSWORD, PORT, until } from './bench.mjs';
import { Web } from './web.mjs';

/** Where the browsers are, and nothing else. */
export const BROWSER = '127.0.0.66';

/** What isthmusctl does to the store of this gateway. */
export async function ctl(gateway, ...args) {
	const tool = path.resolve(path.dirname(gateway.binary), 'isthmusctl');
	const { status, stderr } = await runTool(tool,
		['--socket', `${gateway.dir}/control.sock`, ...args], { input: `${PASSWORD}\n` });

	assert.equal(status, 0, stderr);
}

/** A subscriber of ims.example with these credentials, if any. */
export async function subscriber(gateway, name, how, ...secret) {
	const args = ['subscriber', 'add', `sip:${name}@web.example`, '--enrol', how,
		'--name', name[0].toUpperCase() + name.slice(1)];

	if (how !== 'pool')
		args.push('--impi', `${name}@ims.example`, '--impu', `sip:${name}@ims.example`);
	if (how !== 'client')
		args.push('--password');
	if (secret.length) {
		fs.writeFileSync(`${gateway.dir}/${name}.secret`, secret.join(''), { mode: 0o600 });
		args.push('--secret', `${gateway.dir}/${name}.secret`);
	}
	await ctl(gateway, ...args);
}

const clients = new Set();

/** A connection of its own, from BROWSER. */
export async function open() {
	const web = await Web.connect({ url: `ws://127.0.0.1:${PORT.web}/3gpp-respect/v1`,
		from: BROWSER });

	clients.add(web);
	return web;
}

/** @name, logged in with the password; rejects with what it was told. */
export async function logIn(name) {
	const web = await open();

	await web.client.authBasic(`sip:${name}@web.example`, PASSWORD);
	return web;
}

export const logOut = (web, authType = 'basic') =>
	web.client.auth({ authType, webrtcId: web.client.id, expiration: 0 });

/** What @promise was refused with: { status, retryAfter }. */
export const refusal = (promise) => promise.then(
	() => assert.fail('it was not refused'),
	(error) => ({ status: error.status, ...error.response, text: error.message }));

/** Nobody is logged in or registered any more, whatever became of the case. */
export async function leave(gateway) {
	for (const web of clients) {
		if (web.client.closeCode === null && web.client.id)
			await logOut(web).catch(() => {});
		await web.client.vanish();
	}
	clients.clear();
	if (gateway.alive())
		await until(async () => await gateway.metric('isthmus_ims_registrations_known') === 0,
			'no registration is left', 8000).catch((error) => console.log(error.message));
}

// ---- what SIPp took and sent ----

/** [{ at, sent, method, uri, status, headers, body }], as SIPp logged them. */
export function trace(peer) {
	return peer.messages().split(/^-{20,}.*\n/m).flatMap((part) => {
		const begin = part.search(/\r?\n\r?\n/);
		const text = part.slice(begin).replace(/^\s+/, '').replace(/\r?\n/g, '\r\n');
		const message = begin < 0 ? null : parse(text);

		return message ? [{ ...message, sent: /message sent/.test(part.slice(0, begin)) }] : [];
	});
}

/** Requests of @method, retransmissions of them included. */
export const heard = (peer, method) =>
	trace(peer).filter((m) => !m.sent && m.method === method);

/** Each once. */
export const taken = (peer, method) => heard(peer, method)
	.filter(({ branch }, i, all) => all.findIndex((m) => m.branch === branch) === i);

export const took = (peer, method, n) =>
	until(() => taken(peer, method).length >= n, `${n} ${method} at the core`);

const one = (message, name) => {
	const values = message.headers[name.toLowerCase()];

	assert.equal(values?.length, 1, `one ${name}: ${values}`);
	return values[0];
};
export const header = one;
export const tokenOf = (message) => /sip:([0-9a-f]{32})@/.exec(one(message, 'Contact'))[1];

const IN_A_REGISTER = ['authorization', 'call-id', 'contact', 'content-length', 'cseq', 'from',
	'max-forwards', 'p-access-network-info', 'p-charging-vector', 'p-visited-network-id', 'path',
	'require', 'supported', 'to', 'user-agent', 'via'];

/**
 * REGISTERs of one Call-ID and of @user: these headers and no others, and what
 * ties them together.
 */
export function assertRegisters(peer, user, n) {
	const all = taken(peer, 'REGISTER');
	const seen = new Set();

	assert.equal(all.length, n, `${n} REGISTERs`);
	for (const [i, request] of all.entries()) {
		assert.deepEqual(Object.keys(request.headers).sort(), IN_A_REGISTER);
		assert.equal(one(request, 'To'), `<sip:${user}@ims.example>`);
		assert.equal(one(request, 'From'), one(all[0], 'From'));
		assert.ok(one(request, 'From').startsWith(`${one(request, 'To')};tag=`));
		assert.equal(one(request, 'Call-ID'), one(all[0], 'Call-ID'));
		assert.equal(one(request, 'CSeq'), `${i + 1} REGISTER`);
		assert.equal(one(request, 'Path'), one(all[0], 'Path'));
		assert.match(one(request, 'Authorization'), new RegExp(`username="${user}@ims.example"`));
		const token = tokenOf(request);
		const uuid = /urn:uuid:([0-9a-f-]{36})/.exec(one(request, 'Contact'))[1];
		assert.equal(uuid.replaceAll('-', ''), token);
		assert.match(uuid, /^.{14}4.{4}[89ab]/, 'a random UUID, RFC 4122 4.4');
		seen.add(/icid-value="([^"]+)"/.exec(one(request, 'P-Charging-Vector'))[1]);
	}
	assert.equal(seen.size, n, 'an icid-value each');
	return all;
}

// ---- credentials ----

const md5 = (...parts) => crypto.createHash('md5')
	.update(Buffer.concat(parts.map((part) => Buffer.from(part)))).digest('hex');

/** The parameters of a Digest header field value. */
export const params = (value) => Object.fromEntries(
	[...value.matchAll(/([\w-]+)=(?:"([^"]*)"|([^",\s]+))/g)].map(([, k, q, v]) => [k, q ?? v]));

/** The response that Authorization @value has to have (RFC 7616, qop auth). */
export function response(value, password, method = 'REGISTER') {
	const { username, realm, nonce, uri, nc, cnonce } = params(value);

	return md5(`${md5(`${username}:${realm}:`, password)}:${nonce}:${nc}:${cnonce}:auth:` +
		md5(`${method}:${uri}`));
}

export const USIM = {
	k: Buffer.from('a1a2a3a4a5a6a7a8a9aaabacadaeafb0', 'hex'),
	opc: Buffer.from('e694fc9e90ee0b5c5268a20e5606744f', 'hex'),
	amf: Buffer.from('8000', 'hex'),
};

/** A vector as a nonce (RFC 3310 3.2), and what a terminal knows of it. */
export function challenge(sqn) {
	const v = vector(USIM, sqnBytes(BigInt(sqn)));

	return { ...v, nonce: Buffer.concat([v.rand, v.autn]).toString('base64') };
}

/** AUTS for @rand of a terminal that has accepted @sqn (TS 33.102 6.3.3). */
export function auts(rand, sqn) {
	const bytes = sqnBytes(BigInt(sqn));
	const { akStar, macS } = milenage({ ...USIM, rand, sqn: bytes, amf: Buffer.alloc(2) });

	return Buffer.concat([bytes.map((b, i) => b ^ akStar[i]), macS]).toString('base64');
}
