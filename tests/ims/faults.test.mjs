// faults.test.mjs - a core in trouble, and what its clients hear of it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { PASSWORD } from '../e2e/lib/gateway.mjs';
import WebSocket from 'ws';
import { mind, until } from '../e2e/lib/process.mjs';
import { connect } from '../lib/respect.mjs';
import { UA } from '../../web/isthmus.js';
import { digest, hss, startImsGateway } from './lib.mjs';

const ALICE = 'sip:alice@ims.test';
const BOB = 'sip:bob@ims.test';
const GUEST = 'sip:guest@web.example';
const OWN = 'sip:load31@ims.test'; // answers the core's challenges itself
let gateway, bob, own, library;
const open = () => connect(gateway.endpoint, { origin: `https://127.0.0.1:${gateway.port}` });
const stateOf = (user) => hss('list', `${user}@ims.test`).split(' ')[1];

before(async () => {
	/* The core raises what is below 10 s, and grants a tenth less. */
	gateway = await startImsGateway('faults', 28900, { ims: { expires_s: 60, spread_percent: 0 },
		extra: { store: { lock_ms: 300 } } });
	for (const user of ['alice', 'bob'])
		await gateway.add(`sip:${user}@ims.test`, '--enrol', 'web',
			'--impi', `${user}@ims.test`, '--impu', `sip:${user}@ims.test`);
	for (const n of [31, 32])
		await gateway.add(`sip:load${n}@ims.test`, '--enrol', 'client',
			'--impi', `load${n}@ims.test`, '--impu', `sip:load${n}@ims.test`);
	await gateway.add(GUEST, '--enrol', 'pool');
	await gateway.run('pool', 'add', 'pool9@ims.test', 'sip:pool9@ims.test');
});
after(() => gateway?.stop());

/** auth of who has credentials of its own, as often as it is asked: a nonce may
 * be too old. */
async function prove(client, challenge) {
	for (let asked = 0; ; asked++) {
		const authorization = challenge && digest(challenge, 'load31@ims.test', 'load31-secret');
		const response = await client.transact('auth',
			{ authType: 'digest', webrtcId: OWN, ...challenge ? { authorization } : {} });
		if (response.success || asked === 3)
			return response;
		assert.equal(response.problemDetails.status, 401);
		challenge = response.wwwAuthenticate;
	}
}

/** The client library, with credentials of its own; not in a browser. */
function makeUA() {
	const asked = [];
	const ua = new UA({
		endpoint: gateway.endpoint, id: 'sip:load32@ims.test', storage: null,
		WebSocket: class extends WebSocket {
			constructor(url, protocol) {
				super(url, protocol, { rejectUnauthorized: false,
					origin: `https://127.0.0.1:${gateway.port}` });
			}
		},
		answerChallenge(challenge) {
			asked.push(challenge);
			return digest(challenge, 'load32@ims.test', 'load32-secret');
		},
	});
	const told = [];
	ua.on('registered', (event) => told.push(event));
	ua.start();
	return { ua, asked, told };
}

test('three are registered, and will live through what follows', async () => {
	bob = await open();
	await bob.authBasic(BOB, PASSWORD);
	own = await open();
	assert.ok((await prove(own)).success);
	library = makeUA();
	await until(() => library.told.length === 1, 'the library is registered');
	for (const user of ['bob', 'load31', 'load32'])
		assert.equal(stateOf(user), 'registered');
});

test('a store that another process has locked: no identity is lent, others log in', async () => {
	const holder = mind(spawn('sqlite3', [path.join(gateway.dir, 'state/isthmus.db')],
		{ stdio: ['pipe', 'pipe', 'inherit'] }));
	holder.stdin.write("BEGIN IMMEDIATE; SELECT 'locked';\n");
	await once(holder.stdout, 'data');
	const guest = await open();
	const error = await guest.authBasic(GUEST, PASSWORD).then(() => assert.fail('lent'), (e) => e);
	assert.equal(error.status, 503);
	assert.ok(error.response.retryAfter > 0);
	assert.equal(await gateway.metric('isthmus_enrolments_total{result="store_fault"}'), 1);
	const alice = await open();
	await alice.authBasic(ALICE, PASSWORD);
	await alice.auth({ authType: 'basic', webrtcId: ALICE, expiration: 0 });
	assert.equal(bob.closeCode, null);
	holder.stdin.end();
	await once(holder, 'exit');
	await guest.authBasic(GUEST, PASSWORD);
	assert.equal(stateOf('pool9'), 'registered');
	await guest.auth({ authType: 'basic', webrtcId: GUEST, expiration: 0 });
});

test('an HSS that is down: 408 or 503, and the log-in can be tried again', async () => {
	hss('down');
	const client = await open();
	try {
		await assert.rejects(client.authBasic(ALICE, PASSWORD),
			({ status }) => [408, 503, 504].includes(status));
	} finally {
		hss('up');
	}
	await until(async () => {
		const again = await open();
		try {
			await again.authBasic(ALICE, PASSWORD);
			await again.auth({ authType: 'basic', webrtcId: ALICE, expiration: 0 });
			return true;
		} catch {
			await again.close();
			return false;
		}
	}, 'alice is registered after all', 20_000);
});

test('who is registered is refreshed, without a word of the client', async () => {
	/* Unless the core asks for one: it comes as a request of the gateway. */
	const asked = own.next(({ method }) => method === 'auth', 40_000);
	/* Half of 54 s. */
	await until(() => / refreshed by sip:127\.0\.0\.41\S* for 54 s/.test(gateway.log()),
		'a refresh', 40_000);
	assert.equal(stateOf('bob'), 'registered');
	assert.equal(bob.closeCode, null);
	await bob.auth({ authType: 'basic', webrtcId: BOB, expiration: 0 });
	const { authType, webrtcId, wwwAuthenticate } = await asked;
	assert.deepEqual([authType, webrtcId], ['digest', OWN]);
	assert.ok((await prove(own, wwwAuthenticate)).expiration > 0);
	assert.equal(stateOf('load31'), 'registered');
	await until(() => library.told.length === 2, 'the library has answered', 20_000);
	assert.equal(library.told[1].refreshed, true);
	assert.ok(library.asked.length >= 2);
	assert.equal(stateOf('load32'), 'registered');
	await library.ua.stop();
	/* Without their clients' word the core would keep them, for who comes after us. */
	for (const user of ['load31', 'load32']) {
		if (stateOf(user) === 'registered')
			hss('rtr', `${user}@ims.test`);
		await until(() => stateOf(user) !== 'registered', `${user} is gone`);
	}
	assert.equal((await own.closed).code, 4003);
});
