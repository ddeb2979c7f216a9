// protocol.test.mjs - RESPECT against the real gateway, without a browser: what
// a client may say, what it must not, and what it then gets.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import dgram from 'node:dgram';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { PASSWORD, startGateway, workDir } from './lib/gateway.mjs';
import { stopProcess, until } from './lib/process.mjs';
import { browserSdp, connect, Refused } from '../lib/respect.mjs';

const PORT = 23500;
const ALICE = 'sip:alice@demo.example';
const BOB = 'sip:bob@demo.example';
const ECHO = 'sip:echo@demo.example';

const keyDir = workDir('protocol-keys');
const signer = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keyFile = path.join(keyDir, 'token.pem');
fs.writeFileSync(keyFile, signer.publicKey.export({ type: 'spki', format: 'pem' }));

function token(claims, header = { alg: 'ES256', kid: 'one' }) {
	const part = (o) => Buffer.from(JSON.stringify(o)).toString('base64url');
	const text = `${part(header)}.${part({
		iss: 'https://issuer.example', aud: 'isthmus', sub: ALICE,
		exp: Math.floor(Date.now() / 1000) + 60, ...claims,
	})}`;
	const signature = crypto.sign('sha256', Buffer.from(text),
		{ key: signer.privateKey, dsaEncoding: 'ieee-p1363' });
	return `${text}.${signature.toString('base64url')}`;
}

let gateway, strict, core;
const open = [];

/** A client that is closed when its test is over. */
async function client(options = {}, where = gateway) {
	const c = await connect(where.endpoint,
		{ origin: `https://127.0.0.1:${where.port}`, ...options });
	open.push(c);
	return c;
}

async function login(id = ALICE, options = {}, where = gateway) {
	const c = await client(options, where);
	await c.authBasic(id, PASSWORD);
	return c;
}

async function rejected(reason, where = gateway) {
	const { body } = await where.admin('/metrics');
	const line = body.split('\n').find((l) =>
		l.startsWith(`isthmus_respect_rejected_total{reason="${reason}"}`));
	return Number(line?.split(' ').at(-1));
}

/** The SIP side as bytes: keeps every datagram, rings, and is cancelled. */
class SipCore {
	texts = [];
	#socket;

	static async listen(port) {
		const made = new SipCore();
		made.#socket = dgram.createSocket('udp4');
		made.uri = `sip:127.0.0.1:${port};transport=udp`;
		made.port = port;
		made.#socket.on('message', (data, peer) => made.#take(String(data), peer));
		await new Promise((done) => made.#socket.bind(port, '127.0.0.1', done));
		return made;
	}

	/** The first datagram that @matches, from now on or before. */
	async heard(matches) {
		let found;
		await until(() => (found = this.texts.find((t) => matches.test(t))),
			`${matches} at the SIP core`);
		return found;
	}

	send(lines, port) {
		this.#socket.send([...lines, '', ''].join('\r\n'), port, '127.0.0.1');
	}

	#take(text, peer) {
		this.texts.push(text);
		const method = text.split(' ')[0];
		if (method.startsWith('SIP/') || method === 'ACK')
			return;
		const keep = text.split('\r\n').filter((l) => /^(via|from|call-id|cseq):/i.test(l));
		const to = /^To: *(.*)$/mi.exec(text)[1].trim();
		const answer = (status, headers = keep) => this.send([`SIP/2.0 ${status}`, ...headers,
			`To: ${to.includes(';tag=') ? to : `${to};tag=core`}`,
			`Contact: <sip:127.0.0.1:${this.port}>`, 'Content-Length: 0'], peer.port);
		answer(method === 'INVITE' ? '180 Ringing' : '200 OK');
		if (method === 'CANCEL')
			answer('487 Request Terminated', keep.map((l) =>
				l.replace(/^(cseq:.*)CANCEL$/i, '$1INVITE')));
	}

	close() { this.#socket.close(); }
}

async function refusal(promise, status) {
	const error = await promise.then(() => null, (e) => e);
	assert.ok(error instanceof Refused, `expected ${status}, got ${error ?? 'success'}`);
	assert.equal(error.status, status, error.message);
	assert.equal(typeof error.response.problemDetails.title, 'string');
	return error.response;
}

async function idle(where = gateway) {
	await until(async () =>
		await where.metric('isthmus_respect_sessions') === 0, 'no session is left');
}

before(async () => {
	core = await SipCore.listen(PORT + 190);
	gateway = await startGateway({
		name: 'protocol', port: PORT, core: core.uri,
		extra: {
			web: {
				auth_timeout_ms: 2000, max_sessions: 3,
				messages_per_s: 2000, messages_burst: 4000,
			},
			auth: {
				ttl_max_s: 20, issuer: 'https://issuer.example', audience: 'isthmus',
				keys: [{ kid: 'one', alg: 'ES256', file: keyFile }],
			},
			ice_servers: [
				{ url: 'stun:stun.example.net:3478' },
				{ url: 'turn:turn.example.net:3478', secret: 'north', ttl_s: 600 },
			],
		},
	});
	strict = await startGateway({
		name: 'protocol-strict', port: PORT + 200,
		extra: {
			web: {
				messages_per_s: 20, messages_burst: 20, auth_failures: 3,
				pause_ms: 700, queue_bytes: 65536,
			},
		},
	});
});

after(async () => {
	for (const c of open)
		c.socket.terminate();
	await gateway?.stop();
	await strict?.stop();
	core?.close();
});

// Whatever a test left behind ends with it.
afterEach(async () => {
	for (const c of open.splice(0)) {
		if (c.closeCode === null && c.id && !c.socket.isPaused)
			await c.request('auth', { authType: 'basic', webrtcId: c.id, expiration: 0 })
				.catch(() => {});
		c.socket.terminate();
	}
});

describe('the door', () => {
	test('another origin is refused', async () => {
		await assert.rejects(client({ origin: 'https://evil.example' }),
			(e) => e.status === 403);
	});
	test('the sub-protocol must be ours', async () => {
		await assert.rejects(client({ protocol: 'chat' }));
	});
	test('who does not authenticate in time is closed 1008', async () => {
		const c = await client();
		assert.equal((await c.closed).code, 1008);
	});
});

describe('bad input', () => {
	for (const [what, data, code] of [
		['text that is no JSON', 'hello', 1007],
		['JSON that is no object', '[1]', 1007],
		['a message without transaction id', '{"messageType":"request","method":"auth"}', 1007],
		['a binary message', Buffer.from('{}'), 1003],
		['a message of more than 64 KiB', JSON.stringify({ a: 'x'.repeat(70_000) }), 1009],
	]) {
		test(`${what} closes ${code}`, async () => {
			const c = await client();
			c.raw(data);
			assert.equal((await c.closed).code, code);
		});
	}

	test('text that is not UTF-8 closes 1007', async () => {
		const c = await client();
		c.socket.send(Buffer.from([0x7b, 0xff, 0x7d]), { binary: false });
		assert.equal((await c.closed).code, 1007);
	});

	test('everything else is answered, counted, and the connection lives', async () => {
		const c = await client();
		const cases = [
			['mdisc', {}, 400, 'member'],
			['auth', { authType: 'basic' }, 400, 'member'],
			['getinfo', { resources: 'all' }, 400, 'member'],
			['getinfo', { a: JSON.parse(`${'['.repeat(16)}1${']'.repeat(16)}`) }, 400, 'depth'],
			['dance', {}, 405, 'method'],
			['dance.example.net', {}, 501, 'application_method'],
			['msetup', { resourceId: ECHO }, 401, 'unauthenticated'],
			['mupdate', { mediaSessionId: 'x' }, 401, 'unauthenticated'],
			['getinfo', { requiredExtension: ['warp'] }, 420, 'extension'],
		];
		for (const [method, members, status, reason] of cases) {
			const was = await rejected(reason);
			const response = await c.transact(method, members, { wrong: true });
			assert.equal(response.success, false, method);
			assert.equal(response.problemDetails.status, status, method);
			assert.equal(await rejected(reason), was + 1, reason);
			if (status === 420)
				assert.deepEqual(response.unsupportedExtension, ['warp']);
		}
		await c.authBasic(ALICE, PASSWORD);
		await refusal(c.request('mdisc', { mediaSessionId: 'ms-none' }), 481);
		assert.equal(c.closeCode, null);
	});

	test('transaction ids: parity, order, and repetition', async () => {
		const c = await login();
		for (const id of [1, 99, 100]) {
			const response = await c.transact('getinfo', {}, { id, wrong: true });
			assert.equal(response.problemDetails.status, 400);
		}
		const id = c.nextId;
		const first = await c.transact('getinfo', { resources: ['registration'] });
		const again = await c.transact('getinfo', { resources: [] }, { id, wrong: true });
		assert.deepEqual(again, first);
		// Several at once, answered each.
		const all = await Promise.all([1, 2, 3, 4, 5].map(() => c.request('getinfo')));
		assert.equal(new Set(all.map((r) => r.transactionId)).size, 5);
		// As a decimal string.
		const text = c.expect(c.nextId);
		c.rawObject({ messageType: 'request', method: 'getinfo',
			transactionId: String(c.nextId) });
		assert.equal((await text).success, true);
	});

	test('a response to nothing is ignored', async () => {
		const c = await login();
		const was = await rejected('response');
		c.rawObject({ messageType: 'response', method: 'msetup', transactionId: 77, success: true });
		await c.request('getinfo');
		assert.equal(await rejected('response'), was + 1);
	});
});

describe('auth', () => {
	test('basic: challenge, refusal, success', async () => {
		const c = await client();
		const challenge = await refusal(
			c.request('auth', { authType: 'basic', webrtcId: ALICE }), 401);
		assert.match(challenge.wwwAuthenticate, /^Basic realm="isthmus", charset="UTF-8"$/);
		await refusal(c.authBasic(ALICE, 'wrong'), 403);
		await refusal(c.authBasic('sip:nobody@demo.example', PASSWORD), 403);
		const ok = await c.authBasic(ALICE, PASSWORD, { disconnectionTtl: 5 });
		assert.equal(ok.disconnectionTtl, 5);
		assert.ok(ok.reauthCredential.length >= 22);
		// A refresh on the same connection; another identity is refused.
		const refreshed = await c.authBasic(ALICE, PASSWORD);
		assert.notEqual(refreshed.reauthCredential, ok.reauthCredential);
		await refusal(c.authBasic(BOB, PASSWORD), 409);
	});

	test('bearer: signed, in time, and for this client', async () => {
		const now = Math.floor(Date.now() / 1000);
		for (const bad of [
			token({ exp: now - 100 }), token({ aud: 'other' }), token({ iss: 'x' }),
			token({ nbf: now + 1000 }), token({ sub: BOB }),
			token({}, { alg: 'ES256', kid: 'two' }), token({}, { alg: 'none', kid: 'one' }),
			`${token({}).slice(0, -8)}AAAAAAAA`, 'a.b.c',
		]) {
			const c = await client();
			await refusal(c.authBearer(ALICE, bad), 403);
			assert.equal((await c.closed).code, 1008);
		}
		const c = await client();
		const ok = await c.authBearer(ALICE, token({}));
		assert.ok(ok.expiration <= 60 && ok.expiration > 50);
		const other = await client();
		await other.authBearer(BOB, token({ sub: 'whoever', webrtcId: BOB }));
	});

	test('expiration 0 deregisters and closes 1000', async () => {
		const c = await login();
		const response = await c.request('auth',
			{ authType: 'basic', webrtcId: ALICE, expiration: 0 });
		assert.equal(response.expiration, 0);
		assert.equal((await c.closed).code, 1000);
		const d = await client();
		await refusal(d.reauth(ALICE, c.credential), 403);
	});

	test('a registration that expires closes 4001', async () => {
		const c = await client();
		await c.authBasic(ALICE, PASSWORD, { expiration: 1 });
		assert.equal((await c.closed).code, 4001);
	});

	test('a storm of log-ins holds nobody up', async () => {
		const talker = await login(BOB);
		// What so many cost one after the other, now and on this machine.
		const begun = performance.now();
		for (let i = 0; i < 4; i++)
			await (await login()).close();
		const row = 6 * (performance.now() - begun);
		const storm = Promise.all(Array.from({ length: 24 }, () => login()));
		let worst = 0, n = 0, over = false;
		storm.finally(() => { over = true; });
		while (!over) {
			const from = performance.now();
			await talker.request('getinfo', { resources: ['registration'] });
			worst = Math.max(worst, performance.now() - from);
			n++;
		}
		for (const c of await storm)
			await c.close();
		assert.ok(n > 5, `${n} answers meanwhile`);
		// 24 yescrypt hashes one after the other would take that.
		assert.ok(worst < Math.max(400, row / 2), `${worst} ms of ${row}`);
	});
});

describe('getinfo', () => {
	test('tells of servers, abilities, registration, sessions', async () => {
		const c = await login();
		const { resources } = await c.request('getinfo', {
			resources: ['iceServers', 'capabilities', 'registration', 'mediaSessions', 'nonsense'],
		});
		assert.equal(resources.nonsense, null);
		const [stun, turn] = resources.iceServers;
		assert.deepEqual(stun, { urls: ['stun:stun.example.net:3478'] });
		const [expiry, ...id] = turn.username.split(':');
		assert.equal(id.join(':'), ALICE);
		assert.ok(Math.abs(Number(expiry) - Date.now() / 1000 - 600) < 5);
		assert.equal(turn.credential,
			crypto.createHmac('sha1', 'north').update(turn.username).digest('base64'));
		assert.equal(resources.registration.webrtcId, ALICE);
		assert.deepEqual(resources.mediaSessions, []);
		assert.ok(resources.capabilities.methods.includes('msetup'));
	});

	test('gives nothing away before auth', async () => {
		const c = await client();
		const { resources } = await c.request('getinfo');
		assert.equal(resources.iceServers, null);
		assert.equal(resources.registration, null);
		assert.equal(resources.mediaSessions, null);
	});
});

describe('sessions', () => {
	test('the pre-offer is answered', async () => {
		const c = await login();
		const { mediaSessionId, mediaSessionState } = await c.request('msetup',
			{ resourceId: ECHO, preOffer: browserSdp() });
		assert.equal(mediaSessionState, 'proceeding');
		const update = await c.state('connected');
		assert.equal(update.mediaSessionId, mediaSessionId);
		assert.match(update.sdpAnswer, /m=audio [1-9]\d* UDP\/TLS\/RTP\/SAVPF/);
		assert.match(update.sdpAnswer, /a=fingerprint:sha-256 /);
		const { resources } = await c.request('getinfo', { resources: ['mediaSessions'] });
		assert.equal(resources.mediaSessions[0].mediaSessionId, mediaSessionId);
		assert.equal(resources.mediaSessions[0].mediaSessionState, 'connected');
		assert.equal(resources.mediaSessions[0].direction, 'originating');
		assert.equal(resources.mediaSessions[0].peer, ECHO);

		// Hold: the client's own offer.
		const held = await c.request('mupdate', {
			mediaSessionId, sdpOffer: browserSdp({ direction: 'sendonly', version: 2 }),
		});
		assert.equal(held.mediaSessionState, 'updating');
		const answer = await c.next((m) => m.sdpAnswer);
		assert.match(answer.sdpAnswer, /a=(recvonly|inactive)/);

		const bye = await c.request('mdisc', { mediaSessionId });
		assert.equal(bye.mediaSessionState, 'disconnected');
		await refusal(c.request('mdisc', { mediaSessionId }), 481);
		await idle();
	});

	test('without pre-offer the gateway offers', async () => {
		const c = await login(ALICE, {
			autoAnswer: () => browserSdp({ setup: 'active' }),
		});
		const { mediaSessionId } = await c.request('msetup', { resourceId: ECHO });
		const offer = await c.next((m) => m.sdpOffer);
		assert.match(offer.sdpOffer, /a=setup:actpass/);
		await c.state('connected');
		await c.request('mdisc', { mediaSessionId });
		await idle();
	});

	test('a description that nobody can use ends the call with its reason', async () => {
		const c = await login();
		await c.request('msetup', { resourceId: ECHO, preOffer: 'this is no SDP' });
		const broken = await c.next((m) => m.method === 'mdisc');
		assert.equal(broken.problemDetails.status, 400);
		await c.request('msetup', {
			resourceId: ECHO,
			preOffer: browserSdp().replace(/a=fingerprint:.*\r\n/, ''), // no DTLS, no media
		});
		const unusable = await c.next((m) => m.method === 'mdisc');
		assert.equal(unusable.problemDetails.status, 488);
		await idle();
	});

	test('a bad offer within a session changes nothing', async () => {
		const c = await login();
		const { mediaSessionId } = await c.request('msetup',
			{ resourceId: ECHO, preOffer: browserSdp() });
		await c.state('connected');
		await c.request('mupdate', { mediaSessionId, sdpOffer: 'nonsense' });
		const no = await c.next((m) => m.problemDetails);
		assert.equal(no.method, 'mupdate');
		assert.equal(no.problemDetails.status, 400);
		assert.equal(no.mediaSessionState, 'connected');
		await refusal(c.request('mupdate', { mediaSessionId, sdpAnswer: browserSdp() }), 409);
		await c.request('mdisc', { mediaSessionId });
		await idle();
	});

	test('only own identities may be shown', async () => {
		const c = await login();
		await refusal(c.request('msetup', {
			resourceId: ECHO, preOffer: browserSdp(), preferredOriginatingId: BOB,
		}), 403);
		assert.equal((await c.transact('msetup', { resourceId: 'nowhere' },
			{ wrong: true })).problemDetails.status, 400);
	});

	test('sessions are limited', async () => {
		const c = await login();
		const ids = [];
		for (let i = 0; i < 3; i++)
			ids.push((await c.request('msetup',
				{ resourceId: ECHO, preOffer: browserSdp() })).mediaSessionId);
		await refusal(c.request('msetup', { resourceId: ECHO, preOffer: browserSdp() }), 429);
		for (const mediaSessionId of ids)
			await c.request('mdisc', { mediaSessionId });
		await idle();
	});
});

describe('two clients', () => {
	test('one calls, the other rings, answers, and hangs up', async () => {
		const alice = await login(ALICE), bob = await login(BOB);
		const { mediaSessionId } = await alice.request('msetup',
			{ resourceId: BOB, preOffer: browserSdp() });
		const ring = await bob.next((m) => m.method === 'msetup');
		assert.equal(ring.resourceId, BOB);
		assert.equal(ring.assertedOriginatingId, ALICE);
		assert.notEqual(ring.mediaSessionId, mediaSessionId);
		assert.match(ring.sdpOffer, /UDP\/TLS\/RTP\/SAVPF/);
		await alice.state('alerting');
		await bob.request('mupdate', {
			mediaSessionId: ring.mediaSessionId, sdpAnswer: browserSdp({ setup: 'active' }),
		});
		const up = await alice.state('connected');
		assert.ok(up.sdpAnswer);
		// Hold by Alice is seen by Bob, and his answer comes back to her.
		await alice.request('mupdate', {
			mediaSessionId, sdpOffer: browserSdp({ direction: 'sendonly', version: 2 }),
		});
		const held = await bob.next((m) => m.sdpOffer);
		assert.match(held.sdpOffer, /a=sendonly/);
		await bob.request('mupdate', {
			mediaSessionId: ring.mediaSessionId,
			sdpAnswer: browserSdp({ setup: 'active', direction: 'recvonly', version: 2 }),
		});
		assert.match((await alice.next((m) => m.sdpAnswer)).sdpAnswer, /a=recvonly/);
		await bob.request('mdisc', { mediaSessionId: ring.mediaSessionId });
		const bye = await alice.next((m) => m.method === 'mdisc');
		assert.equal(bye.mediaSessionId, mediaSessionId);
		assert.equal(bye.problemDetails, undefined);
		await idle();
	});

	test('a refusal and its status reach the caller', async () => {
		const alice = await login(ALICE);
		const bob = await login(BOB, {
			answers: (m) => m.method === 'msetup' ? {
				success: false,
				problemDetails: { type: 'about:blank', title: 'Busy Here', status: 486 },
			} : {},
		});
		await alice.request('msetup', { resourceId: BOB, preOffer: browserSdp() });
		const no = await alice.next((m) => m.method === 'mdisc');
		assert.equal(no.problemDetails.status, 486);
		assert.equal(no.problemDetails.type, 'about:blank', 'no SIP here');
		await bob.close();
		await idle();
	});

	test('a caller that gives up stops the ringing', async () => {
		const alice = await login(ALICE), bob = await login(BOB);
		const { mediaSessionId } = await alice.request('msetup',
			{ resourceId: BOB, preOffer: browserSdp() });
		const ring = await bob.next((m) => m.method === 'msetup');
		await alice.request('mdisc', { mediaSessionId });
		const stop = await bob.next((m) => m.method === 'mdisc');
		assert.equal(stop.mediaSessionId, ring.mediaSessionId);
		await idle();
	});
});

describe('the other party', () => {
	test('userData of an application reaches its like', async () => {
		const alice = await login(ALICE), bob = await login(BOB);
		const setup = await alice.request('msetup',
			{ resourceId: BOB, preOffer: browserSdp(), userData: { subject: 'lunch' } });
		const { mediaSessionId } = setup;
		assert.deepEqual(setup.unsupportedExtension, ['userData']);
		const ring = await bob.next((m) => m.method === 'msetup');
		await bob.request('mupdate', {
			mediaSessionId: ring.mediaSessionId, sdpAnswer: browserSdp({ setup: 'active' }),
		});
		await alice.state('connected');
		const userData = { chat: 'a "quoted" line\r\nanother', list: [1, { deep: null }] };
		const sent = await alice.request('mupdate', { mediaSessionId, userData });
		assert.equal(sent.unsupportedExtension, undefined);
		const got = await bob.next((m) => m.userData);
		assert.deepEqual(got.userData, userData);
		await bob.request('mupdate', { mediaSessionId: ring.mediaSessionId, userData: { ok: true } });
		assert.deepEqual((await alice.next((m) => m.userData)).userData, { ok: true });
		await alice.request('mdisc', { mediaSessionId });
		await idle();
	});

	test('a number is called in the caller\'s domain', async () => {
		const c = await login();
		for (const [said, called] of [
			['100', 'tel:100;phone-context=demo.example'],
			['+1 (555) 010-0', 'tel:+15550100'],
			['tel:7;isub=2', 'tel:7;phone-context=demo.example;isub=2'],
		]) {
			const { mediaSessionId } = await c.request('msetup',
				{ resourceId: said, preOffer: browserSdp() });
			const escaped = called.replace(/[+.]/g, '[$&]');
			const invite = await core.heard(new RegExp(`^INVITE ${escaped} SIP/2.0\r\n`));
			assert.match(invite, new RegExp(`^To: *<${escaped}>`, 'm'));
			await c.state('alerting');
			await c.request('mdisc', { mediaSessionId });
		}
		await idle();
	});

	test('nothing a client says becomes a header on the SIP side', async () => {
		const evil = 'x\r\nInjected: 1\r\n\r\nInjected: 2';
		const anonymous = await client();
		await refusal(anonymous.transact('auth', {
			authType: 'basic', webrtcId: `${ALICE};${evil}`,
			authorization: `Basic ${Buffer.from(`alice@demo.example;${evil}:x`).toString('base64')}`,
		}, { wrong: true }).then((r) => { throw new Refused(r); }), 400);
		const c = await login();
		const shown = core.texts.length;
		for (const target of [`sip:${evil}@demo.example`, `sip:a@demo.example;${evil}`,
			`tel:+1;${evil}`, `100${evil}`, 'sip:a>;tag=1@b', 'sip:a@b"', 'sip:a b@c',
			'sip:a@b\u0000', 'sip:\u00e4@b']) {
			const response = await c.transact('msetup',
				{ resourceId: target, preOffer: browserSdp() }, { wrong: true });
			assert.equal(response.problemDetails?.status, 400, target);
		}
		await refusal(c.transact('msetup', {
			resourceId: '101', preOffer: browserSdp(),
			preferredOriginatingId: `${ALICE};${evil}`,
		}, { wrong: true }).then((r) => { throw new Refused(r); }), 403);
		// Legal as a URI, hardly as an address: refused, or sent as it is.
		for (const target of ['sip:a@b?Injected=1', 'sip:a%0d%0aInjected:1@demo.example',
			'sip:[::1', 'sip:@', 'sip:a@b;lr;maddr=127.0.0.1', 'tel:12\\', 'sip:a@b,sip:c@d']) {
			const response = await c.transact('msetup',
				{ resourceId: target, preOffer: browserSdp() }, { wrong: true });
			if (response.success) {
				await c.next((m) => m.mediaSessionId === response.mediaSessionId);
				await c.transact('mdisc', { mediaSessionId: response.mediaSessionId });
			}
		}
		// The reason of a hang-up.
		const { mediaSessionId } = await c.request('msetup',
			{ resourceId: '102', preOffer: browserSdp() });
		await c.state('alerting');
		await c.request('mdisc', { mediaSessionId, problemDetails:
			{ type: 'about:blank', title: 'Busy', status: 486, detail: evil } });
		await core.heard(/^CANCEL tel:102;/);

		// ... and of a refusal.
		const refused = c.next((m) => m.method === 'msetup');
		c.answers = (m) => m.method === 'msetup' ? { success: false, problemDetails:
			{ type: 'about:blank', title: evil, status: 486, detail: evil } } : {};
		const sdp = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0',
			'm=audio 4000 RTP/AVP 0', ''].join('\r\n');
		core.send([`INVITE ${ALICE} SIP/2.0`,
			`Via: SIP/2.0/UDP 127.0.0.1:${core.port};branch=z9hG4bKinject`, 'Max-Forwards: 70',
			'From: "Eve <b>\\"x\\"</b>" <sip:eve@core.example>;tag=eve', `To: <${ALICE}>`,
			'Call-ID: inject@core', 'CSeq: 1 INVITE', `Contact: <sip:127.0.0.1:${core.port}>`,
			'Content-Type: application/sdp', `Content-Length: ${sdp.length}`, '', sdp], PORT + 2);
		await refused;
		const final = await core.heard(/^SIP\/2.0 486 [^]*Call-ID: inject@core/i);
		core.send([`ACK ${ALICE} SIP/2.0`,
			`Via: SIP/2.0/UDP 127.0.0.1:${core.port};branch=z9hG4bKinject`,
			...final.split('\r\n').filter((l) => /^(from|to|call-id):/i.test(l)),
			'CSeq: 1 ACK', 'Content-Length: 0'], PORT + 2);
		for (const text of core.texts.slice(shown)) {
			assert.doesNotMatch(text, /^Injected/mi);
			assert.doesNotMatch(text, /\r\n\r\n[^]*Injected/);
		}
		await idle();
	});
});

describe('loss of the WebSocket', () => {
	test('reauth takes registration and calls over, once', async () => {
		const c = await login();
		const { mediaSessionId } = await c.request('msetup',
			{ resourceId: ECHO, preOffer: browserSdp() });
		await c.state('connected');
		await c.vanish();
		const d = await client();
		await refusal(d.reauth(BOB, c.credential), 403);
		const ok = await d.reauth(ALICE, c.credential);
		assert.notEqual(ok.reauthCredential, c.credential);
		const { resources } = await d.request('getinfo', { resources: ['mediaSessions'] });
		assert.deepEqual(resources.mediaSessions.map((s) => s.mediaSessionId), [mediaSessionId]);
		// The page was reloaded: a new connection for the old session.
		await d.request('mupdate', {
			mediaSessionId,
			sdpOffer: browserSdp({ ufrag: 'nEw1', pwd: 'zyxwvutsrqponmlkjihgfedc', version: 3 }),
		});
		assert.ok((await d.next((m) => m.sdpAnswer)).sdpAnswer);
		const e = await client();
		await refusal(e.reauth(ALICE, c.credential), 403);
		await e.reauth(ALICE, d.credential);
		assert.equal((await d.closed).code, 4002);
		await e.request('mdisc', { mediaSessionId });
		await idle();
	});

	test('a call that rang meanwhile rings again', async () => {
		const alice = await login(ALICE), bob = await login(BOB);
		await alice.request('msetup', { resourceId: BOB, preOffer: browserSdp() });
		const ring = await bob.next((m) => m.method === 'msetup');
		await bob.vanish();
		const back = await client({ autoAnswer: () => browserSdp({ setup: 'active' }) });
		await back.reauth(BOB, bob.credential);
		const again = await back.next((m) => m.method === 'msetup');
		assert.equal(again.mediaSessionId, ring.mediaSessionId);
		assert.equal(again.transactionId, 1);
		await alice.state('connected');
		await back.request('mdisc', { mediaSessionId: ring.mediaSessionId });
		await idle();
	});

	test('after the time to live its calls are released', async () => {
		const alice = await client(), bob = await login(BOB);
		await alice.authBasic(ALICE, PASSWORD, { disconnectionTtl: 1 });
		bob.autoAnswer = () => browserSdp({ setup: 'active' });
		await alice.request('msetup', { resourceId: BOB, preOffer: browserSdp() });
		await alice.state('connected');
		const lost = performance.now();
		await alice.vanish();
		await bob.next((m) => m.method === 'mdisc');
		assert.ok(performance.now() - lost > 900);
		await idle();
	});
});

describe('limits', () => {
	test('too many messages a second close 1008 and pause the address', async () => {
		const c = await login(ALICE, {}, strict);
		const was = await rejected('rate', strict);
		for (let i = 0; i < 60; i++)
			c.transact('getinfo', { resources: [] }).catch(() => {});
		assert.equal((await c.closed).code, 1008);
		assert.equal(await rejected('rate', strict), was + 1);
		await assert.rejects(client({}, strict), (e) => e.status === 429);
		await until(() => client({}, strict).then(() => true, () => false),
			'the pause is over', 5000);
	});

	test('too many failed log-ins close 1008 and pause the address', async () => {
		const c = await client({}, strict);
		let error = null;
		for (let i = 0; i < 4 && !error; i++)
			error = await c.authBasic(ALICE, 'wrong').then(() => null,
				(e) => e instanceof Refused ? null : e);
		assert.equal((await c.closed).code, 1008);
		await assert.rejects(client({}, strict), (e) => e.status === 429);
		await until(() => client({}, strict).then(() => true, () => false),
			'the pause is over', 5000);
	});

	test('a client that does not read is closed and keeps its calls', async () => {
		const c = await login(ALICE, {}, gateway);
		const { mediaSessionId } = await c.request('msetup',
			{ resourceId: ECHO, preOffer: browserSdp() });
		await c.state('connected');
		const connections = 'isthmus_respect_connections';
		const others = await gateway.metric(connections) - 1;
		c.pause();
		// Each answer is 4 KB: past what the kernel holds, the gateway's queue fills.
		const resources = Array.from({ length: 16 }, (_, i) => `${i}`.padEnd(250, 'x'));
		await until(async () => {
			for (let k = 0; k < 100; k++)
				c.transact('getinfo', { resources }).catch(() => {});
			return await gateway.metric(connections) <= others;
		}, 'it is closed', 10_000, 60);
		c.socket.terminate();
		const d = await client();
		await d.reauth(ALICE, c.credential);
		const info = await d.request('getinfo', { resources: ['mediaSessions'] });
		assert.equal(info.resources.mediaSessions[0].mediaSessionId, mediaSessionId);
		await d.request('mdisc', { mediaSessionId });
		await idle();
	});
});

describe('calls.gateway_offer: video', () => {
	const NO_VIDEO = 'm=video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=inactive\r\n';
	const sound = (version) => browserSdp({ setup: 'active', version,
		codecs: ['0 PCMU/8000'] }) + NO_VIDEO;
	const picture = () => {
		const sdp = browserSdp({ setup: 'active', codecs: ['0 PCMU/8000'] });
		const transport = sdp.match(/^a=(ice-ufrag|ice-pwd|fingerprint|setup):.*\r\n/gm).join('');

		return `${sdp.replace('BUNDLE 0', 'BUNDLE 0 1')}m=video 9 UDP/TLS/RTP/SAVPF 96\r\n` +
			`c=IN IP4 0.0.0.0\r\n${transport}a=mid:1\r\na=sendrecv\r\na=rtcp-mux\r\n` +
			'a=rtpmap:96 VP8/90000\r\n';
	};
	const shows = (sdp) => /^m=video [1-9]/m.test(sdp);
	let own;

	before(async () => {
		own = await startGateway({ name: 'protocol-offer', port: PORT + 500,
			extra: { calls: { gateway_offer: 'video' } } });
	});
	after(() => own?.stop());

	test('who has no pre-offer is offered a picture, and may refuse it', async () => {
		const c = await login(ALICE, { autoAnswer: () => sound(1) }, own);
		const { mediaSessionId } = await c.request('msetup', { resourceId: ECHO });
		const { sdpOffer } = await c.next((m) => m.sdpOffer);

		assert.ok(shows(sdpOffer));
		assert.match(sdpOffer, /^a=group:BUNDLE 0 1\r$/m);
		assert.match(sdpOffer, /^a=rtpmap:\d+ H264\/90000\r$/m);
		await c.state('connected');
		await c.request('mdisc', { mediaSessionId });
		await idle(own);
	});

	test('who took a picture that the other one refuses is told', async () => {
		const alice = await login(ALICE, {}, own), bob = await login(BOB, {}, own);
		const { mediaSessionId } = await alice.request('msetup', { resourceId: BOB });

		assert.ok(shows((await alice.next((m) => m.sdpOffer)).sdpOffer));
		await alice.request('mupdate', { mediaSessionId, sdpAnswer: picture() });
		const ring = await bob.next((m) => m.method === 'msetup');
		assert.ok(shows(ring.sdpOffer));
		await bob.request('mupdate',
			{ mediaSessionId: ring.mediaSessionId, sdpAnswer: sound(1) });
		await alice.state('connected');
		const again = await alice.next((m) => m.sdpOffer);
		assert.ok(!shows(again.sdpOffer));
		await alice.request('mupdate', { mediaSessionId, sdpAnswer: sound(2) });
		await alice.request('mdisc', { mediaSessionId });
		await idle(own);
	});
});

describe('the end', () => {
	test('while draining, new calls get 503 and connections then 1012', async () => {
		const own = await startGateway({ name: 'protocol-drain', port: PORT + 350,
			extra: { calls: { drain_s: 20 } } });
		const c = await login(ALICE, {}, own);
		const { mediaSessionId } = await c.request('msetup',
			{ resourceId: ECHO, preOffer: browserSdp() });
		await c.state('connected');
		const ended = stopProcess(own.process);
		await until(async () => (await own.admin('/readyz')).status === 503, 'draining');
		const no = await refusal(c.request('msetup',
			{ resourceId: ECHO, preOffer: browserSdp() }), 503);
		assert.ok(no.retryAfter > 0);
		await c.request('mdisc', { mediaSessionId });
		assert.equal((await c.closed).code, 1012);
		assert.equal(await ended, 0);
		// Nothing secret was written down.
		const log = own.log();
		for (const secret of [PASSWORD, c.credential, 'abcdefghijklmnopqrstuvwx'])
			assert.ok(!log.includes(`"${secret}"`) && !(secret.length > 8 && log.includes(secret)),
				'a secret is in the log');
	});
});
