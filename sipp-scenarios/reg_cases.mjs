// reg_cases.mjs - users who are registered in an IMS core, and SIPp as that core:
// the I-CSCF on 127.0.0.9 takes REGISTER and SUBSCRIBE, the S-CSCF on 127.0.0.10
// the calls.  What every single REGISTER must look like is in the scenarios.
import assert from 'node:assert/strict';
import { PORT, pause, sipp, until } from './lib/bench.mjs';
import { assertRegisters, auts, challenge, ctl, header, heard, leave, logIn, logOut, open, params,
	refusal, response, subscriber, taken, tokenOf, took } from './lib/ims.mjs';
import { answer, description } from './lib/web.mjs';

const ICSCF = '127.0.0.9';
const SCSCF = '127.0.0.10';
const AT_ICSCF = { host: ICSCF, leave };
const AT_SCSCF = { host: SCSCF, port: PORT.scscf, remoteHost: '127.0.0.1', leave };
const CORE = `sip:${ICSCF}:${PORT.peer};transport=udp`;
const SECOND = `sip:127.0.0.11:${PORT.peer};transport=udp`;
const ims = (more = {}) => ({
	core: CORE,
	ims: { cores: [CORE], expires_s: 600, spread_percent: 0, register_timeout_ms: 1200,
		dead_s: 1, probe_s: 0, reg_event: false, ...more },
});

/** In the background of a case: a core that grants what it is asked. */
async function granting(gateway, host = ICSCF) {
	const core = sipp(gateway.dir, 'reg_granted', { name: 'background', host,
		calls: 1000, control: 22991, timeout: 60, keys: { who: 'carol', granted: 540 } });

	await pause(250); // SIPp tells nobody when it listens
	return core;
}

// ---- registered ----

/** Registered, refreshed by itself, and logged out. */
function registered(user, impi) {
	return async (web, gateway, core) => {
		const client = await logIn(user);

		assert.equal(await gateway.metric('isthmus_ims_registrations'), 1);
		await took(core, 'REGISTER', 2);
		await logOut(client);
		await core.done();
		assertRegisters(core, impi, 3);
	};
}

async function heldDigest(web, gateway, core) {
	const client = await logIn('dora');

	await took(core, 'REGISTER', 3);
	await logOut(client);
	await core.done();
	const all = assertRegisters(core, 'dora', 4);
	for (const request of all.slice(1)) {
		const value = header(request, 'Authorization');

		assert.equal(params(value).response, response(value, 'dora secret'));
		assert.doesNotMatch(value, /[^a-z][ci]k=/);
	}
}

// The first vector is older than what the store knows: 0x1000.
const VECTORS = [challenge(0x20), challenge(0x2000), challenge(0x2020)];

async function heldAka(web, gateway, core) {
	const client = await logIn('erin');

	await logOut(client);
	await core.done();
	const [, resync, good, , bye] = assertRegisters(core, 'erin', 5)
		.map((request) => params(header(request, 'Authorization')));
	assert.equal(resync.auts, auts(VECTORS[0].rand, 0x1000));
	for (const [request, vector] of [[good, VECTORS[1]], [bye, VECTORS[2]]]) {
		const value = Object.entries(request).map(([k, v]) => `${k}="${v}"`).join(',');

		assert.equal(request.nonce, vector.nonce);
		assert.equal(request.response, response(value, vector.xres));
	}
	assert.doesNotMatch(gateway.text(), new RegExp(VECTORS[1].xres.toString('hex'), 'i'));
}

async function clientDigest(web, gateway, core) {
	const webrtcId = 'sip:cleo@web.example';
	const client = await open();
	const { status, wwwAuthenticate } = await refusal(client.client.auth({
		authType: 'digest', webrtcId }));

	assert.equal(status, 401);
	assert.match(wwwAuthenticate, /^Digest realm="ims\.example",nonce="2f5c0ffee",/);
	assert.doesNotMatch(wwwAuthenticate, /[ci]k=|11223344/);
	const value = 'Digest username="cleo@ims.example",realm="ims.example",nonce="2f5c0ffee",' +
		'uri="sip:ims.example",qop=auth,nc=00000001,cnonce="c0ffee",algorithm=MD5,' +
		'integrity-protected="auth-done",ck="00"';
	await client.client.auth({ authType: 'digest', webrtcId,
		authorization: `${value},response="${response(value, 'cleo secret')}"` });
	await logOut(client, 'digest');
	await core.done();
	assertRegisters(core, 'cleo', 3);
}

// ---- refused ----

/** Asks the core again until that is what it says; it may be left alone yet. */
async function refusedWith(told, waits) {
	let end;

	await until(async () => {
		end = await refusal(logIn('carol'));
		return end.status === told;
	}, `refused with ${told}`);
	if (waits)
		assert.ok(end.retryAfter >= waits && end.retryAfter <= waits * 1.5 + 1,
			`again in ${end.retryAfter} s`);
	else
		assert.equal(end.retryAfter, undefined);
}

function refused(status, told, { extra = 'X-Lab: nothing', waits } = {}) {
	return {
		name: `reg_refused_${status}`, scenario: 'reg_refused', ...AT_ICSCF,
		keys: { status, extra },
		async web(web, gateway, core) {
			await refusedWith(told, waits);
			await core.done();
			assertRegisters(core, 'carol', 1);
			assert.equal(await gateway.metric('isthmus_ims_registrations'), 0);
		},
	};
}

async function asksForMore(web, gateway, core) {
	await logOut(await logIn('carol'));
	await core.done();
	assertRegisters(core, 'carol', 3);
}

async function notOurs() {
	await refusedWith(500);
}

/** Silence: repeated, then told; the core is left alone for a while. */
async function silent(web, gateway, core) {
	const began = Date.now();

	await refusedWith(408, 5);
	assert.ok(Date.now() - began < 3000, 'after register_timeout_ms');
	assert.ok(heard(core, 'REGISTER').length > 1, 'it was repeated');
	assert.ok(await gateway.metric('isthmus_ims_core_deaths_total') > 0);
}

/** The first core has no time, so the second serves; and the first is left alone. */
async function failsOver(web, gateway, first, second) {
	await logOut(await logIn('carol'));
	await first.done();
	const [asked] = taken(first, 'REGISTER');
	await took(second, 'REGISTER', 2);
	const [granted, ended] = taken(second, 'REGISTER');
	assert.equal(header(granted, 'Call-ID'), header(asked, 'Call-ID'));
	assert.equal(header(granted, 'CSeq'), '2 REGISTER');
	assert.equal(header(ended, 'CSeq'), '3 REGISTER');
	assert.equal(tokenOf(granted), tokenOf(asked));
	assert.equal(await gateway.metric('isthmus_ims_failovers_total'), 1);
	assert.equal(await gateway.metric('isthmus_ims_cores_dead'), 1);
	await logOut(await logIn('carol'));
	await took(second, 'REGISTER', 4);
}

/** What the refresh of @carol meets; she hears nothing of it. */
function forgotten(status) {
	return {
		name: `reg_forgotten_${status}`, scenario: 'reg_forgotten', ...AT_ICSCF, calls: 2,
		keys: { who: 'carol', granted: 2, status },
		async web(web, gateway, core) {
			const client = await logIn('carol');

			await took(core, 'REGISTER', 3);
			assert.equal(client.client.closeCode, null);
			await logOut(client);
			await core.done();
			const all = taken(core, 'REGISTER');
			assert.equal(header(all[1], 'Call-ID'), header(all[0], 'Call-ID'));
			assert.notEqual(header(all[2], 'Call-ID'), header(all[0], 'Call-ID'));
			assert.equal(header(all[2], 'CSeq'), '1 REGISTER');
			assert.equal(tokenOf(all[2]), tokenOf(all[0]), 'the same contact');
		},
	};
}

// ---- reg events ----

/** A document that says @what of carol's contact; then @happens. */
function told(name, what, happens) {
	return {
		name: `reg_event_${name}`, scenario: 'reg_event', ...AT_ICSCF, calls: 100, open: true,
		keys: { who: 'carol', sub: 'active;expires=1200', doc: 'full', rstate: 'active',
			cstate: 'terminated', event: 'rejected', more: 'q="1"', ...what },
		async web(web, gateway, core) {
			await happens(await logIn('carol'), gateway, core);
		},
	};
}

async function ends(client, gateway, core) {
	await until(() => client.client.closeCode !== null, 'the connection is closed');
	assert.equal(client.client.closeCode, 4003);
	await until(async () => await gateway.metric('isthmus_ims_registrations_known') === 0,
		'nothing of it is left');
	// The core knows: it is not told.
	assert.equal(taken(core, 'REGISTER').length, 1);
}

async function begins(client, gateway, core) {
	await took(core, 'REGISTER', 2);
	const [first, second] = taken(core, 'REGISTER');
	assert.notEqual(header(first, 'Call-ID'), header(second, 'Call-ID'));
	assert.equal(tokenOf(first), tokenOf(second));
	await took(core, 'SUBSCRIBE', 2);
	const [before, anew] = taken(core, 'SUBSCRIBE');
	assert.notEqual(header(before, 'Call-ID'), header(anew, 'Call-ID'));
	assert.equal(client.client.closeCode, null);
}

async function staysAndSubscribes(client, gateway, core) {
	await took(core, 'SUBSCRIBE', 2);
	assert.equal(taken(core, 'REGISTER').length, 1);
	assert.equal(client.client.closeCode, null);
}

// ---- calls ----

const HIDDEN = new RegExp(['127\\.0\\.0\\.(9|10|97|98|99)\\b', 'icid', 'ccf=', '\\bP-[A-Z][a-z]', 'History',
	'utran', 'visited', ';lr', 'sescase', 'boss@', 'atcf', 'Route'].join('|'));

/** Nothing of the core, and no address of it, reaches a client. */
function assertHidden(client, more) {
	const text = client.client.messages.map((message) => JSON.stringify(message)).join('\n');

	assert.ok(text.length > 500);
	assert.doesNotMatch(text, HIDDEN);
	if (more)
		assert.doesNotMatch(text, more);
}

async function callsOut() {
	const client = await logIn('carol');
	const id = await client.call('sip:bob@far.example', description({
		candidates: 'a=candidate:1 1 udp 2113937151 203.0.113.77 54321 typ host\n' }));

	await client.state(id, 'connected');
	await pause(100);
	await client.hangUp(id);
	assertHidden(client);
}

/** Registered before SIPp calls: its contact is in the request. */
async function registeredFirst(gateway) {
	const core = await granting(gateway);
	const client = await logIn('carol');

	return { client, core, token: tokenOf(taken(core, 'REGISTER').at(-1)),
		stop: () => core.stop() };
}

function called(more, from) {
	return async (web, gateway, peer, { client }) => {
		const setup = await client.incoming();

		assert.equal(setup.assertedOriginatingId ?? null, from ?? null,
			JSON.stringify(setup));
		await client.update(setup.mediaSessionId, { sdpAnswer: answer(setup.sdpOffer) });
		await client.released(setup.mediaSessionId);
		assertHidden(client, more);
	};
}

const given = ({ token }) => ({ keys: { token } });

export const groups = [
	{
		name: 'ims',
		options: ims(),
		async ready(gateway) {
			await subscriber(gateway, 'carol', 'web');
			await subscriber(gateway, 'guest', 'pool');
			await ctl(gateway, 'pool', 'add', 'pool1@ims.example', 'sip:pool1@ims.example');
			await subscriber(gateway, 'cleo', 'client');
			await subscriber(gateway, 'dora', 'held', 'password: dora secret\n');
			await subscriber(gateway, 'erin', 'held', 'k: a1a2a3a4a5a6a7a8a9aaabacadaeafb0\n',
				'opc: e694fc9e90ee0b5c5268a20e5606744f\n', 'amf: 8000\n', 'sqn: 000000001000\n');
		},
		cases: [
			{ name: 'reg_trusted', scenario: 'reg_trusted', ...AT_ICSCF,
				keys: { who: 'carol', granted: 2 }, web: registered('carol', 'carol') },
			{ name: 'reg_pool', scenario: 'reg_trusted', ...AT_ICSCF,
				keys: { who: 'pool1', granted: 2 }, web: registered('guest', 'pool1') },
			{ name: 'reg_held_digest', scenario: 'reg_held_digest', ...AT_ICSCF,
				keys: { who: 'dora', granted: 2 }, web: heldDigest },
			{ name: 'reg_held_aka', scenario: 'reg_held_aka', ...AT_ICSCF,
				keys: { who: 'erin', granted: 540, nonce1: VECTORS[0].nonce,
					nonce2: VECTORS[1].nonce, nonce3: VECTORS[2].nonce }, web: heldAka },
			{ name: 'reg_client_digest', scenario: 'reg_client_digest', ...AT_ICSCF,
				keys: { who: 'cleo', granted: 540 }, web: clientDigest },
			{ name: 'reg_423', scenario: 'reg_423', ...AT_ICSCF,
				keys: { who: 'carol', granted: 1080 }, web: asksForMore },
			{ name: 'reg_not_ours', scenario: 'reg_not_ours', ...AT_ICSCF, web: notOurs },
			refused(403, 403), refused(404, 404),
			refused(420, 420, { extra: 'Unsupported: path' }),
			refused(494, 494, { extra: 'Security-Server: tls' }),
			refused(401, 403, { extra: 'WWW-Authenticate: Digest realm="ims.example", nonce="a"' }),
			refused(480, 480, { waits: 5 }), refused(500, 500, { waits: 5 }),
			refused(504, 504, { waits: 5 }),
			refused(503, 503, { extra: 'Retry-After: 6', waits: 6 }),
		],
	},
	{
		// Cores that are left alone are so for a while: their own gateway.
		name: 'ims_lost',
		options: ims(),
		ready: (gateway) => subscriber(gateway, 'carol', 'web'),
		cases: [
			forgotten(404), forgotten(403),
			{ name: 'orig_ims', scenario: 'orig_ims', ...AT_SCSCF, before: granting,
				web: callsOut },
			{ name: 'term_ims', scenario: 'term_ims', ...AT_SCSCF, before: registeredFirst,
				given, web: called(null, 'sip:bob@far.example') },
			{ name: 'term_ims_privacy', scenario: 'term_ims_privacy', ...AT_SCSCF,
				before: registeredFirst, given, web: called(/bob/i) },
			{ name: 'term_ims_gone', scenario: 'term_ims_gone', ...AT_SCSCF,
				keys: { token: '0123456789abcdef0123456789abcdef' } },
			{ name: 'reg_silent', scenario: 'reg_silent', ...AT_ICSCF, open: true, web: silent },
		],
	},
	{
		name: 'ims_two',
		options: ims({ cores: [CORE, SECOND], dead_s: 60 }),
		ready: (gateway) => subscriber(gateway, 'carol', 'web'),
		cases: [
			{ name: 'reg_failover', scenario: 'reg_refused', ...AT_ICSCF,
				keys: { status: 503, extra: 'Retry-After: 60' },
				before: (gateway) => granting(gateway, '127.0.0.11'), web: failsOver },
		],
	},
	{
		name: 'ims_event',
		options: ims({ reg_event: true }),
		ready: (gateway) => subscriber(gateway, 'carol', 'web'),
		cases: [
			told('rejected', {}, ends),
			told('partial', { doc: 'partial' }, ends),
			told('unregistered', { event: 'unregistered' }, ends),
			told('identity', { rstate: 'terminated', cstate: 'active', event: 'registered' }, ends),
			told('deactivated', { event: 'deactivated' }, begins),
			told('probation', { event: 'probation', more: 'retry-after="1"' }, begins),
			told('terminated', { cstate: 'active', event: 'refreshed',
				sub: 'terminated;reason=timeout;retry-after=1' }, staysAndSubscribes),
			{ ...told('gap', {}, staysAndSubscribes), scenario: 'reg_event_gap' },
			{ name: 'notify_unknown', scenario: 'term_notify_unknown', host: ICSCF,
				remoteHost: '127.0.0.1', leave,
				keys: { token: '0123456789abcdef0123456789abcdef' } },
		],
	},
];
