// resume.test.mjs - registrations outlive the gateway: after kill -9 a client
// comes back to its own with its credential, is called as before, and who does
// not come back is let go.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ctl, ctlJson } from './lib/ctl.mjs';
import { PASSWORD, ROOT, startGateway } from './lib/gateway.mjs';
import { mind, stopProcess, until } from './lib/process.mjs';
import { browserSdp, connect } from '../lib/respect.mjs';

const ALICE = 'sip:alice@demo.example';
const BOB = 'sip:bob@demo.example';
const CAROL = 'sip:carol@demo.example';
const DAN = 'sip:dan@demo.example';
const NUMBER = 'tel:+15551003';

let gateway;
const open = () => connect(gateway.endpoint, { origin: `https://127.0.0.1:${gateway.port}` });
const registrations = async () => (await ctlJson(gateway, 'registrations')).json;
const count = (result) => gateway.metric(`isthmus_registrations_returned_total{result="${result}"}`);

async function logIn(id) {
	const client = await open();
	await client.authBasic(id, PASSWORD, { disconnectionTtl: 2 });
	return client;
}

async function add(id, ...args) {
	const { status, stderr } = await ctl(gateway, ['subscriber', 'add', id, '--password', ...args],
		{ input: `${PASSWORD}\n` });
	assert.equal(status, 0, stderr);
}

const call = (from, to) => from.request('msetup', { resourceId: to, preOffer: browserSdp() });

describe('after kill -9', () => {
	let alice, carol, bob;
	before(async () => {
		gateway = await startGateway({ name: 'resume', port: 29300, extra: {
			store: { resume_s: 4 },
		} });
		await add(CAROL, '--name', 'Carol', '--impu', NUMBER);
		await add(DAN);
	});
	after(() => gateway?.stop());

	test('who was registered is awaited, and calls to him are refused, not silent', async () => {
		alice = await logIn(ALICE);
		carol = await logIn(CAROL);
		bob = await logIn(BOB);
		/* Who was told that he is out is not put back. */
		const dan = [await logIn(DAN), await logIn(DAN)];
		assert.equal((await ctl(gateway, ['deregister', DAN])).status, 0);
		dan.push(await logIn(DAN));
		await dan[2].auth({ authType: 'basic', webrtcId: DAN, expiration: 0 });
		await gateway.crash();
		await gateway.again();
		const list = await registrations();
		assert.deepEqual(list.map(({ id, state }) => [id, state]).sort(),
			[[ALICE, 'awaited'], [BOB, 'awaited'], [CAROL, 'awaited']]);
		assert.deepEqual(list.find(({ id }) => id === CAROL).identities, [NUMBER]);
		assert.equal(list.find(({ id }) => id === CAROL).name, 'Carol');
		const back = await open();
		await back.reauth(BOB, bob.credential);
		bob = back;
		await call(bob, ALICE);
		const { problemDetails } = await bob.next(({ method }) => method === 'mdisc');
		assert.equal(problemDetails.status, 480);
	});

	test('he comes back with his credential, once, and is called as before', async () => {
		const old = carol.credential;
		const back = await open();
		const { expiration } = await back.reauth(CAROL, old);
		assert.ok(expiration > 3500);
		const { resources } = await back.request('getinfo', { resources: ['registration'] });
		assert.deepEqual(resources.registration.identities, [CAROL, NUMBER]);
		const thief = await open();
		await assert.rejects(thief.reauth(CAROL, old), ({ status }) => status === 403);
		await thief.close();
		await call(bob, NUMBER);
		const ringing = await back.next(({ method }) => method === 'msetup');
		assert.equal(ringing.assertedOriginatingId, BOB);
		await back.refuse(ringing, 486);
		assert.equal(await count('resumed'), 2);
		carol = back;
	});

	test('who does not come back is let go', async () => {
		await until(async () => (await registrations()).length === 2, 'Alice is given up');
		assert.equal(await count('lost'), 1);
		const late = await open();
		await assert.rejects(late.reauth(ALICE, alice.credential), ({ status }) => status === 403);
		await late.close();
		await call(bob, ALICE);
		const { problemDetails } = await bob.next(({ method }) => method === 'mdisc');
		assert.equal(problemDetails.status, 480);
	});

	test('the credential of after is good after the next one', async () => {
		await gateway.crash();
		await gateway.again();
		const back = await open();
		await back.reauth(CAROL, carol.credential);
		await back.close();
	});

	test('an end in order leaves nobody registered', async () => {
		await gateway.stop();
		await gateway.again();
		assert.deepEqual(await registrations(), []);
		assert.equal(await gateway.metric('isthmus_registrations_restored_total'), 0);
	});
});

test('a store that is locked fails nobody; what it missed is written later', async () => {
	gateway = await startGateway({ name: 'resume-locked', port: 29500, extra: {
		store: { lock_ms: 100 },
	} });
	const holder = mind(spawn('sqlite3', [path.join(gateway.dir, 'state/isthmus.db')],
		{ cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] }));
	holder.stdin.write("BEGIN IMMEDIATE; SELECT 'locked';\n");
	await new Promise((done) => holder.stdout.once('data', done));
	const alice = await logIn(ALICE);
	assert.ok(await gateway.metric('isthmus_registrations_kept_total{result="failed"}') > 0);
	assert.equal(await gateway.metric('isthmus_registrations_unkept'), 1);
	assert.match(gateway.log(), /registrations are not stored/);
	assert.equal((await alice.request('getinfo')).success, true);
	await stopProcess(holder);
	await until(async () => await gateway.metric('isthmus_registrations_unkept') === 0,
		'it is written after all');
	await gateway.crash();
	await gateway.again();
	const back = await open();
	await back.reauth(ALICE, alice.credential);
	await back.close();
	await gateway.stop();
});
