// cases.mjs - what has to hold of the core, one sentence each, in this order.
import assert from 'node:assert/strict';
import { readSubscribers } from '../hss/subscribers.mjs';
import { Ue } from './ue.mjs';
import { EPCSCF, RUN, SCSCF, STRANGER, authorization, headers, hss, log, logSince, phone,
	sipp, state, until } from './tools.mjs';

const ALICE = 'sip:alice@ims.test';
const OP = '0xc1c2c3c4c5c6c7c8c9cacbcccdcecfd0';
const ERIN = readSubscribers().get('erin@ims.test');

const contactOf = (user) => `sip:${user}.lab@${EPCSCF}:5060`;
const registration = (user, more = {}) => ({
	IMPU: `sip:${user}@ims.test`, CONTACT: contactOf(user), CSEQ: 1,
	EXPIRES: 600, CODE: 200, FOUND: 'SIP/2.0', ABSENT: 'WWW-Authenticate', ...more });

// A REGISTER that the eP-CSCF vouches for.
function authDone(user, { more = {}, changed = {}, ...options } = {}) {
	const impi = changed.impi ?? `${user}@ims.test`;
	const { impi: ignored, ...rest } = changed;
	return sipp('register', registration(user, { HEADERS: headers({
		Authorization: authorization(impi, 'auth-done'), ...rest }), ...more }),
	options).done;
}

const deregister = (user, options = {}) =>
	authDone(user, { more: { EXPIRES: 0, CSEQ: 9 }, ...options });

function challenged(user, { credentials, challenge = 'algorithm=MD5', code = 200,
	expires = 600, found = 'SIP/2.0' }) {
	return sipp('challenge', registration(user, { IMPI: `${user}@ims.test`,
		HEADERS: headers(), CREDENTIALS: credentials, CHALLENGE: challenge,
		ALGORITHM: challenge, CODE: code, EXPIRES: expires, FOUND: found })).done;
}

const password = (user, secret = `${user}-secret`) =>
	`username=${user}@ims.test password=${secret}`;

// SIPp reads RES as scenario text, so that one with a 0x5b fails: a new vector.
async function aka(expires) {
	const { k, amf } = ERIN.aka;
	for (let left = 3; ; left--) {
		try {
			return await challenged('erin', { challenge: 'algorithm=AKAv1-MD5.* ck=',
				expires, credentials: `username=erin@ims.test aka_K=0x${k.toString('hex')}` +
				` aka_OP=${OP} aka_AMF=0x${amf.toString('hex')}` });
		} catch (error) {
			if (left === 0)
				throw error;
		}
	}
}

async function call(to) {
	await authDone('alice');
	await sipp('originating', { IMPU: ALICE, TO: to }, { to: SCSCF }).done;
}

async function refusedCall(more) {
	await authDone('alice');
	await sipp('refused_call', { IMPU: ALICE, TO: 'sip:carol@ims.test',
		HEADERS: `P-Asserted-Identity: <${ALICE}>`, ...more }, { to: SCSCF }).done;
}

// The core's part of Service-Route, P-Associated-URI and what it grants.
const GRANTED = 'P-Associated-URI: *&lt;sip:alice@ims.test&gt;, *&lt;tel:.15550101&gt;';

export const cases = [
	['the phones are registered, and nothing was missing at Mw', async () => {
		for (const name of ['carol', 'dave'])
			assert.equal(await state(name), 'registered');
		assert.doesNotMatch(log('icscf'), /MWCHECK \w+ from 127\.0\.0\.43/);
	}],
	['phone calls phone: each hears the other\'s tone', async () => {
		await phone('call', 'dave', 'sip:carol@ims.test');
		assert.equal(await phone('tone', 'dave'), '440 Hz');
		assert.equal(await phone('tone', 'carol'), '700 Hz');
		await phone('hangup', 'dave');
	}],
	['a phone is found by its number', async () => {
		await phone('call', 'dave', 'sip:+15550103@ims.test');
		await phone('hangup', 'dave');
	}],
	['REGISTER with SIP Digest: 401, response, 200', () =>
		challenged('alice', { credentials: password('alice'), found: GRANTED })],
	['the registration is granted 10 % less than asked, with Service-Route', async () => {
		await challenged('alice', { credentials: password('alice'),
			found: 'expires=540' });
		await challenged('alice', { credentials: password('alice'),
			found: 'Service-Route: *&lt;sip:orig@127.0.0.42:5060;lr&gt;' });
		assert.equal(await state('alice'), 'registered');
	}],
	['de-registration with SIP Digest', async () => {
		await challenged('alice', { credentials: password('alice'), expires: 0 });
		await until(async () => await state('alice') === 'not-registered', 'the HSS knows');
	}],
	['a wrong password is refused with 403', () =>
		challenged('alice', { credentials: password('alice', 'wrong'), code: 403 })],
	['REGISTER with AKAv1-MD5, and de-registration', async () => {
		await aka(600);
		assert.equal(await state('erin'), 'registered');
		await aka(0);
	}],
	['AKA: AUTS moves the network behind the terminal', async () => {
		const ue = await new Ue(ERIN, 'sip:erin@ims.test').open(EPCSCF);
		try {
			const ahead = Buffer.from('7000000000a1', 'hex');
			await hss('sqn', ERIN.impi, '600000000000');
			const first = await ue.first();
			assert.equal(first.code, 401);
			const old = ue.usim(first.challenge, ahead);
			assert.ok(old.auts);
			const second = await ue.register(ue.answer(first.challenge, old));
			assert.equal(second.code, 401);
			const fresh = ue.usim(second.challenge, ahead);
			assert.ok(fresh.res, 'the new vector is still behind');
			assert.equal(fresh.sqn.toString('hex'), '7000000000c2');
			assert.equal((await ue.register(ue.answer(second.challenge, fresh))).code, 200);
		} finally {
			ue.close();
		}
		await aka(0);
	}],
	['auth-done: registered without a challenge', async () => {
		const since = logSince('icscf');
		await authDone('alice', { more: { FOUND: GRANTED } });
		assert.equal(await state('alice'), 'registered');
		assert.equal(since().includes('MWCHECK'), false);
	}],
	['auth-done: re-registration', async () => {
		const since = logSince('hss');
		await authDone('alice', { more: { CSEQ: 2 } });
		assert.match(since(), /SAR alice@ims.test .* type 2 -> 2001/);
	}],
	['auth-done over TCP', () => authDone('bob', { tcp: true })],
	['auth-done: de-registration', async () => {
		await deregister('bob');
		await until(async () => await state('bob') === 'not-registered', 'the HSS knows');
	}],
	['auth-done from an address that is no eP-CSCF: 403', () =>
		authDone('bob', { from: STRANGER, more: { CODE: 403 } })],
	['auth-done with a Path that is no eP-CSCF\'s: 403', () =>
		authDone('bob', { more: { CODE: 403 },
			changed: { Path: `<sip:term@${STRANGER}:5060;lr>` } })],
	['auth-done for a user with credentials only: 403', () =>
		authDone('erin', { more: { CODE: 403 } })],
	['auth-done for nobody: 403', () =>
		authDone('mallory', { more: { CODE: 403 } })],
	['auth-done for another user\'s identity: 403', () =>
		authDone('bob', { more: { CODE: 403 }, changed: { impi: 'alice@ims.test' } })],
	['integrity-protected="yes" without credentials: challenged', () =>
		authDone('bob', { more: { CODE: 401, ABSENT: '200 OK' },
			changed: { Authorization: authorization('bob@ims.test', 'yes') } })],
	['REGISTER without P-Visited-Network-ID: 400', () =>
		authDone('bob', { more: { CODE: 400 },
			changed: { 'P-Visited-Network-ID': null } })],
	['REGISTER without Supported: path: 420', async () => {
		await authDone('bob', { more: { CODE: 420 }, changed: { Supported: null } });
		await deregister('bob'); // it was stored all the same
	}],
	['what Mw misses is logged', async () => {
		const since = logSince('icscf');
		await authDone('bob', { changed: { 'P-Charging-Vector': null } });
		await deregister('bob');
		await until(() => since().includes('missing P-Charging-Vector'), 'MWCHECK');
	}],
	['the reg event: full state, and its end by RTR', async () => {
		const scenario = sipp('reg_event', { IMPU: ALICE, TEL: 'tel:.15550101' }, { to: SCSCF });
		await until(() => scenario.messages().includes(`<registration aor="${ALICE}"`),
			'the first NOTIFY');
		await hss('rtr', 'alice@ims.test');
		await scenario.done; // it saw the end
		assert.equal(await state('alice'), 'not-registered');
	}],
	['a user the HSS ended is not reached any more', async () => {
		await until(async () => /480|404/.test(await phone('call', 'dave', ALICE)
			.catch((error) => error.message)), 'the core says 480');
	}],
	['a call to a user of the eP-CSCF comes to its Path', async () => {
		await authDone('alice');
		const scenario = sipp('terminating', { IMPU: ALICE, CONTACT: contactOf('alice') },
			{ to: SCSCF });
		await scenario.ready();
		await phone('call', 'dave', ALICE);
		await phone('hangup', 'dave');
		await scenario.done;
	}],
	['the same over TCP', async () => {
		await authDone('alice', { changed: {
			Path: '<sip:term@127.0.0.50:5060;transport=tcp;lr>' } });
		const scenario = sipp('terminating', { IMPU: ALICE, CONTACT: contactOf('alice') },
			{ to: SCSCF, tcp: true });
		await scenario.ready();
		await phone('call', 'dave', ALICE);
		await phone('hangup', 'dave');
		await scenario.done;
	}],
	['a call of a registered user reaches a phone; BYE takes the recorded route', () =>
		call('sip:carol@ims.test')],
	['the same to a tel: number', () => call('tel:+1-555-0103')],
	['a call without P-Asserted-Identity: 403', () =>
		refusedCall({ CODE: 403, HEADERS: 'X-Lab: nobody' })],
	['a call of somebody who is not registered: 403', () =>
		refusedCall({ CODE: 403, HEADERS: 'P-Asserted-Identity: <sip:bob@ims.test>' })],
	['a call to a subscriber who is not registered: 480', () =>
		refusedCall({ CODE: 480, TO: 'sip:bob@ims.test' })],
	['a call to nobody: 604', () => refusedCall({ CODE: 604, TO: 'sip:nobody@ims.test' })],
	['a call to another network: 404', () =>
		refusedCall({ CODE: 404, TO: 'sip:bob@elsewhere.test' })],
	['two contacts of one user, both there', async () => {
		await authDone('pool1');
		await authDone('pool1', { more: { CONTACT: `sip:other@${EPCSCF}:5060` } });
		await deregister('pool1');
		assert.equal(await state('pool1'), 'registered');
		await deregister('pool1', { more: { EXPIRES: 0, CSEQ: 9,
			CONTACT: `sip:other@${EPCSCF}:5060` } });
		await until(async () => await state('pool1') === 'not-registered', 'both gone');
	}],
	['an HSS that says nothing: the REGISTER ends, with an error', async () => {
		await hss('mute');
		try {
			await authDone('pool2', { more: { CODE: '504', ABSENT: '200 OK' } });
		} finally {
			await hss('up');
		}
	}],
	['an HSS that is down: 408 after 8 s; back again, it is used', async () => {
		await hss('down');
		try {
			await authDone('pool3', { more: { CODE: 408, ABSENT: '200 OK' } });
		} finally {
			await hss('up');
		}
		await until(async () => (await hss('peers')).split('\n').length === 2 &&
			(await hss('peers')).includes('icscf'), 'both connect again', 20_000);
		await authDone('pool3');
		await deregister('pool3');
	}],
	['no crash, no secret in the logs', () => {
		for (const node of ['hss', 'icscf', 'scscf', 'pcscf']) {
			const text = log(node);
			assert.doesNotMatch(text, /signal|core was|CRITICAL/i, `${node} in ${RUN}`);
			assert.ok(!text.includes('-secret'), `${node}: a password`);
			assert.ok(!text.includes(ERIN.aka.k.toString('hex')), `${node}: a key`);
		}
	}],
	['alice leaves', () => deregister('alice')],
];
