// register.test.mjs - who logs in is registered in the IMS core of the lab: with
// web credentials, with the client's own, with those that the gateway holds, or
// with an identity of the pool.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { PASSWORD } from '../e2e/lib/gateway.mjs';
import { until } from '../e2e/lib/process.mjs';
import { connect } from '../lib/respect.mjs';
import { digest, hss, startImsGateway } from './lib.mjs';

let gateway;
const open = () => connect(gateway.endpoint, { origin: `https://127.0.0.1:${gateway.port}` });
const stateOf = (user) => hss('list', `${user}@ims.test`).split(' ')[1];
const registered = (user) => until(() => stateOf(user) === 'registered', `${user} is registered`);
const gone = (user) => until(() => stateOf(user) !== 'registered', `${user} is not registered`);

before(async () => {
	gateway = await startImsGateway('register', 28500);
	for (const user of ['alice', 'ghost'])
		await gateway.add(`sip:${user}@ims.test`, '--enrol', 'web',
			'--impi', `${user}@ims.test`, '--impu', `sip:${user}@ims.test`);
	await gateway.add('sip:stranger@ims.test', '--enrol', 'web',
		'--impi', 'load7@ims.test', '--impu', 'sip:load8@ims.test');
	await gateway.add('sip:bob@ims.test', '--enrol', 'client',
		'--impi', 'bob@ims.test', '--impu', 'sip:bob@ims.test');
	for (const guest of ['guest1', 'guest2'])
		await gateway.add(`sip:${guest}@web.example`, '--enrol', 'pool');
	await gateway.run('pool', 'add', 'pool1@ims.test', 'sip:pool1@ims.test');
});
after(() => gateway?.stop());

/** A connection of @id, logged in by its password. */
async function logIn(id) {
	const client = await open();
	await client.authBasic(id, PASSWORD);
	return client;
}

const refusal = (promise) => promise.then(() => assert.fail('not refused'), (error) => error);

describe('web credentials', () => {
	test('are enough: the core is told auth-done, and knows the user', async () => {
		const alice = await logIn('sip:alice@ims.test');
		assert.equal(stateOf('alice'), 'registered');
		assert.equal(await gateway.metric('isthmus_enrolments'), 1);
		await alice.auth({ authType: 'basic', webrtcId: 'sip:alice@ims.test', expiration: 0 });
		await gone('alice');
		assert.equal(await gateway.metric('isthmus_enrolments'), 0);
	});

	test('of a second endpoint are a second contact', async () => {
		const one = await logIn('sip:alice@ims.test');
		const two = await logIn('sip:alice@ims.test');
		await one.auth({ authType: 'basic', webrtcId: 'sip:alice@ims.test', expiration: 0 });
		await until(async () => await gateway.metric('isthmus_enrolments') === 1, 'one is left');
		assert.equal(stateOf('alice'), 'registered');
		await two.auth({ authType: 'basic', webrtcId: 'sip:alice@ims.test', expiration: 0 });
		await gone('alice');
	});

	test('do not help whom the core does not know', async () => {
		const client = await open();
		const error = await refusal(client.authBasic('sip:ghost@ims.test', PASSWORD));
		assert.equal(error.status, 403);
		assert.equal(await gateway.metric('isthmus_enrolments'), 0);
		await client.close();
	});

	test('do not register an identity of somebody else', async () => {
		const client = await open();
		assert.equal((await refusal(client.authBasic('sip:stranger@ims.test', PASSWORD))).status, 403);
		assert.notEqual(stateOf('load7'), 'registered');
		await client.close();
	});

	test('that are wrong never reach the core', async () => {
		const before = await gateway.metric('isthmus_ims_registers_total');
		const client = await open();
		assert.equal((await refusal(client.authBasic('sip:alice@ims.test', 'wrong'))).status, 403);
		assert.equal(await gateway.metric('isthmus_ims_registers_total'), before);
		await client.close();
	});

	test('outlive the WebSocket for the time to live, and no longer', async () => {
		const client = await open();
		await client.authBasic('sip:alice@ims.test', PASSWORD, { disconnectionTtl: 2 });
		await client.vanish();
		await until(async () => await gateway.metric('isthmus_respect_registrations') === 1,
			'it is suspended');
		assert.equal(stateOf('alice'), 'registered');
		await gone('alice');
	});

	test('an RTR of the network ends the registration and the connection', async () => {
		const alice = await logIn('sip:alice@ims.test');
		hss('rtr', 'alice@ims.test');
		await until(() => alice.closeCode !== null, 'the connection is closed');
		assert.equal(alice.closeCode, 4003);
		assert.equal(await gateway.metric('isthmus_enrolments'), 0);
	});
});

describe("the client's own IMS credentials", () => {
	const webrtcId = 'sip:bob@ims.test';

	async function challenged() {
		const bob = await open();
		const error = await refusal(bob.auth({ authType: 'digest', webrtcId }));
		assert.equal(error.status, 401);
		assert.match(error.response.wwwAuthenticate, /^Digest .*realm="ims\.test"/);
		assert.doesNotMatch(error.response.wwwAuthenticate, /\b[ci]k=/);
		return { bob, challenge: error.response.wwwAuthenticate };
	}

	test("answer the core's challenge", async () => {
		const { bob, challenge } = await challenged();
		const { success } = await bob.auth({ authType: 'digest', webrtcId,
			authorization: digest(challenge, 'bob@ims.test', 'bob-secret') });
		assert.ok(success);
		await registered('bob');
		/* The core wants its end authenticated, too. */
		const error = await refusal(bob.auth({ authType: 'digest', webrtcId, expiration: 0 }));
		assert.equal(error.status, 401);
		assert.equal(stateOf('bob'), 'registered');
		const end = await bob.auth({ authType: 'digest', webrtcId, expiration: 0,
			authorization: digest(error.response.wwwAuthenticate, 'bob@ims.test', 'bob-secret') });
		assert.equal(end.expiration, 0);
		assert.equal((await bob.closed).code, 1000);
		assert.notEqual(stateOf('bob'), 'registered');
	});

	test('answer a log-out wrongly, and it is one all the same', async () => {
		const { bob, challenge } = await challenged();
		await bob.auth({ authType: 'digest', webrtcId,
			authorization: digest(challenge, 'bob@ims.test', 'bob-secret') });
		const error = await refusal(bob.auth({ authType: 'digest', webrtcId, expiration: 0 }));
		await bob.auth({ authType: 'digest', webrtcId, expiration: 0,
			authorization: digest(error.response.wwwAuthenticate, 'bob@ims.test', 'guess') });
		assert.equal((await bob.closed).code, 1000);
		assert.equal(await gateway.metric('isthmus_enrolments'), 0);
		/* His binding is the core's yet; those who come after us want none. */
		hss('rtr', 'bob@ims.test');
		await gone('bob');
	});

	test('that are wrong are refused', async () => {
		const { bob, challenge } = await challenged();
		const error = await refusal(bob.auth({ authType: 'digest', webrtcId,
			authorization: digest(challenge, 'bob@ims.test', 'guess') }));
		assert.equal(error.status, 403);
		await bob.close();
	});

	test('are not asked of who has a password here', async () => {
		const client = await open();
		const error = await refusal(client.auth({ authType: 'digest', webrtcId: 'sip:alice@ims.test' }));
		assert.equal(error.status, 403);
		await client.close();
	});
});

describe('credentials that the gateway holds', () => {
	async function holds(user, secret) {
		const file = path.join(gateway.dir, `${user}.secret`);
		fs.writeFileSync(file, secret, { mode: 0o600 });
		await gateway.add(`sip:${user}@web.example`, '--enrol', 'held',
			'--impi', `${user}@ims.test`, '--impu', `sip:${user}@ims.test`, '--secret', file);
		return `sip:${user}@web.example`;
	}

	test('SIP Digest', async () => {
		const client = await logIn(await holds('load21', 'password: load21-secret\n'));
		assert.equal(stateOf('load21'), 'registered');
		await client.auth({ authType: 'basic', webrtcId: 'sip:load21@web.example', expiration: 0 });
		await gone('load21');
	});

	test('that are wrong: the client is told', async () => {
		const id = await holds('load22', 'password: another\n');
		const client = await open();
		assert.equal((await refusal(client.authBasic(id, PASSWORD))).status, 403);
		await client.close();
	});

	test('AKA, twice, and with a sequence number that is out of step', async () => {
		const id = await holds('erin', 'k: a1a2a3a4a5a6a7a8a9aaabacadaeafb0\n' +
			'opc: e694fc9e90ee0b5c5268a20e5606744f\namf: 8000\n');
		for (let i = 0; i < 2; i++) {
			const client = await logIn(id);
			assert.equal(stateOf('erin'), 'registered');
			await client.auth({ authType: 'basic', webrtcId: id, expiration: 0 });
			await gone('erin');
		}
		hss('sqn', 'erin@ims.test', '000000000001');
		const client = await logIn(id);
		assert.equal(stateOf('erin'), 'registered');
		await client.auth({ authType: 'basic', webrtcId: id, expiration: 0 });
		await gone('erin');
	});
});

describe('the pool', () => {
	test('lends an identity, to one at a time', async () => {
		const first = await logIn('sip:guest1@web.example');
		assert.equal(stateOf('pool1'), 'registered');
		const other = await open();
		const error = await refusal(other.authBasic('sip:guest2@web.example', PASSWORD));
		assert.equal(error.status, 503);
		assert.ok(error.response.retryAfter > 0);
		await first.auth({ authType: 'basic', webrtcId: 'sip:guest1@web.example', expiration: 0 });
		await gone('pool1');
		/* It cools down first. */
		assert.equal((await refusal(other.authBasic('sip:guest2@web.example', PASSWORD))).status, 503);
		await other.close();
	});
});
