// store.test.mjs - subscribers of the store log in, are called, are removed;
// and what a store in trouble means to them and to others.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ctl } from './lib/ctl.mjs';
import { PASSWORD, ROOT, startGateway } from './lib/gateway.mjs';
import { mind, pause, stopProcess, until } from './lib/process.mjs';
import { browserSdp, connect } from '../lib/respect.mjs';

const ALICE = 'sip:alice@demo.example';
const CAROL = 'sip:carol@demo.example';
const SECRET = 'open sesame';
const open = (gateway) => connect(gateway.endpoint, { origin: `https://127.0.0.1:${gateway.port}` });

async function add(gateway, id, ...args) {
	const { status, stderr } = await ctl(gateway, ['subscriber', 'add', id, '--password', ...args],
		{ input: `${SECRET}\n` });
	assert.equal(status, 0, stderr);
}

/** The status of a log-in: 200, or that of its problem; .ms is how long it took. */
async function logIn(gateway, id, password, client) {
	const phone = client ?? await open(gateway);
	const began = performance.now();
	const status = await phone.authBasic(id, password).then(() => 200, (error) => error.status);
	return { status, ms: performance.now() - began, phone };
}

describe('a subscriber of the store', () => {
	let gateway;
	before(async () => {
		gateway = await startGateway({ name: 'store', port: 28200, extra: {
			routes: [{ match: 'echo', leg: 'echo' }],
			web: { auth_failures: 1000, messages_per_s: 100_000, messages_burst: 100_000 },
		} });
	});
	after(() => gateway?.stop());

	test('logs in with its password, from the moment it is added', async () => {
		const phone = await open(gateway);
		assert.equal((await logIn(gateway, CAROL, SECRET, phone)).status, 403);
		await add(gateway, CAROL, '--name', 'Carol', '--impu', 'tel:+15551003');
		assert.equal((await logIn(gateway, CAROL, 'wrong', phone)).status, 403);
		assert.equal((await logIn(gateway, CAROL, SECRET, phone)).status, 200);
		assert.ok(!gateway.log().includes(SECRET) && !gateway.log().includes('$y$'));
		await phone.close();
	});

	test('is called under its further identities, with its name', async () => {
		const { phone: carol } = await logIn(gateway, CAROL, SECRET);
		const { phone: alice } = await logIn(gateway, ALICE, PASSWORD);
		await alice.request('msetup', { resourceId: 'tel:+1-555-1003', preOffer: browserSdp() });
		const incoming = await carol.next(({ method }) => method === 'msetup');
		assert.ok(incoming.mediaSessionId !== undefined);
		await carol.close();
		await alice.close();
	});

	test('logs in with the new password after a change, and not with the old', async () => {
		await add(gateway, 'sip:dan@demo.example');
		assert.equal((await ctl(gateway, ['subscriber', 'passwd', 'sip:dan@demo.example'],
			{ input: 'changed\n' })).status, 0);
		assert.equal((await logIn(gateway, 'sip:dan@demo.example', SECRET)).status, 403);
		assert.equal((await logIn(gateway, 'sip:dan@demo.example', 'changed')).status, 200);
	});

	test('is out when it is removed, and stays out', async () => {
		await add(gateway, 'sip:erin@demo.example');
		const { phone } = await logIn(gateway, 'sip:erin@demo.example', SECRET);
		const { stdout } = await ctl(gateway, ['subscriber', 'remove', 'sip:erin@demo.example']);
		assert.equal(stdout, 'removed; registrations ended: 1\n');
		assert.equal((await phone.closed).code, 4003);
		assert.equal((await logIn(gateway, 'sip:erin@demo.example', SECRET)).status, 403);
	});

	test('a reload of the configuration does not put it out', async () => {
		const { phone } = await logIn(gateway, CAROL, SECRET);
		const times = () => gateway.log().split('configuration reloaded').length;
		const before = times();
		gateway.process.kill('SIGHUP');
		await until(() => times() > before, 'it is reloaded');
		assert.equal((await phone.request('getinfo')).success, true);
		assert.equal(phone.closeCode, null);
		await phone.close();
	});

	test('a wrong password, an unknown user and a user of the list take as long', async () => {
		const ids = { store: CAROL, unknown: 'sip:nobody@demo.example', list: ALICE };
		const took = { store: [], unknown: [], list: [] };
		const phone = await open(gateway);
		for (let i = 0; i < 15; i++)
			for (const [who, id] of Object.entries(ids)) {
				const { status, ms } = await logIn(gateway, id, 'wrong', phone);
				assert.equal(status, 403);
				took[who].push(ms);
			}
		const median = (all) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)];
		const ms = Object.fromEntries(Object.entries(took).map(([who, all]) => [who, median(all)]));
		/* Without the dummy hash an unknown user takes a hundredth. */
		for (const who of ['store', 'list'])
			assert.ok(ms.unknown > ms[who] / 2 && ms.unknown < ms[who] * 2, JSON.stringify(ms));
		console.log(`refused in ms, median of 15: ${JSON.stringify(ms)}`);
		await phone.close();
	});

	test('a hundred log-ins at once are all answered, and others are served meanwhile', async () => {
		const { phone: alice } = await logIn(gateway, ALICE, PASSWORD);
		const phones = await Promise.all(Array.from({ length: 100 }, () => open(gateway)));
		let over = false, served = 0;
		const storm = Promise.all(phones.map((phone) => logIn(gateway, CAROL, SECRET, phone)))
			.finally(() => { over = true; });
		while (!over) {
			await alice.request('getinfo');
			served++;
			await pause(5);
		}
		for (const { status } of await storm)
			assert.equal(status, 200);
		assert.ok(served >= 5, `${served} were served`);
		assert.equal(await gateway.metric('isthmus_respect_auth_jobs'), 0);
		assert.equal(await gateway.metric('isthmus_store_queue'), 0);
		await Promise.all([alice, ...phones].map((phone) => phone.close()));
	});
});

describe('a store in trouble', () => {
	test('locked by another process: changes fail, log-ins and calls go on', async () => {
		const gateway = await startGateway({ name: 'store-locked', port: 28400, extra: {
			store: { lock_ms: 2000 },
		} });
		await add(gateway, CAROL);
		const { phone: live } = await logIn(gateway, ALICE, PASSWORD);
		const holder = mind(spawn('sqlite3', [path.join(gateway.dir, 'state/isthmus.db')],
			{ cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] }));
		holder.stdin.write("BEGIN IMMEDIATE; SELECT 'locked';\n");
		await new Promise((done) => holder.stdout.once('data', done));
		let failed = false;
		const change = ctl(gateway, ['subscriber', 'passwd', CAROL], { input: 'x\n' })
			.finally(() => { failed = true; });
		await until(async () => await gateway.metric('isthmus_store_queue') > 0, 'it waits for the lock');
		/* Only the store's thread waits. */
		for (let i = 0; i < 20; i++)
			await live.request('getinfo');
		assert.ok(!failed, 'twenty requests are answered while the lock is waited for');
		const { status, stderr } = await change;
		assert.equal(status, 6);
		assert.match(stderr, /locked by another process/);
		for (const [id, password] of [[CAROL, SECRET], [ALICE, PASSWORD]]) {
			const { status: code, phone } = await logIn(gateway, id, password);
			assert.equal(code, 200, id);
			await phone.close();
		}
		assert.ok(await gateway.metric('isthmus_store_errors_total') > 0);
		assert.equal(gateway.log().split('another process has it locked').length, 2);
		holder.stdin.end();
		await until(() => holder.exitCode !== null, 'the lock is gone');
		assert.equal((await ctl(gateway, ['subscriber', 'passwd', CAROL], { input: 'x\n' })).status, 0);
		assert.match(gateway.log(), /store.* works again/);
		await stopProcess(holder);
		await gateway.stop();
	});
});
