// load.test.mjs - clients over TLS register through the core at a rate, refresh
// and deregister, without a loss; what each costs the gateway is printed.
//
//	LOAD_CLIENTS=2000 LOAD_RATE=100 tests/ims/run.sh build/isthmus tests/ims/load.test.mjs
//
// HSS, CSCFs and clients are on the same machine: CPU and memory are those of
// the gateway's process, but times to register are of all of them together.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from '../e2e/lib/gateway.mjs';
import { pause, until } from '../e2e/lib/process.mjs';
import { addSubscribers, assertAll, atRate, loadAuth, open, quantile, register, token, trusted,
	usage } from '../lib/register-load.mjs';
import { hss, startImsGateway } from './lib.mjs';

const N = Number(process.env.LOAD_CLIENTS ?? 200);
const RATE = Number(process.env.LOAD_RATE ?? 100);
const CPU_MS = Number(process.env.LOAD_CPU_MS ?? Infinity); // a registration
const WHOLE = N > 500;
// Resident, a registered client; with few, what is allocated once weighs more.
const KB = Number(process.env.LOAD_KB ?? (WHOLE ? 25 : 60));

let gateway;
const users = trusted(N);
const clients = new Map();
const result = { clients: N, rate: RATE };

const cost = () => usage(gateway.process.pid);
/* Of them; what another test left is its own. */
const impis = new Set(users.map(({ impi }) => impi));
const registered = () => hss('list').split('\n').map((line) => line.split(' '))
	.filter(([impi, state]) => impis.has(impi) && state === 'registered').length;
const oks = () => gateway.metric('isthmus_ims_registers_total{result="ok"}');
/* All at one moment: between two there would be more. */
const failures = async () => (await gateway.admin('/metrics')).body.split('\n')
	.filter((line) => /^isthmus_ims_registers_total\{(?!result="ok")/.test(line))
	.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);

/** Until nothing has been sent to the core, or come, for a while. */
async function quiet() {
	let last = -1;
	await until(async () => {
		const now = await gateway.metric('isthmus_ims_notifies_total') + await oks() +
			await gateway.metric('isthmus_ims_subscribes_total');
		const same = now === last;
		last = now;
		return same;
	}, 'the core is quiet', 60_000, 400);
}

before(async () => {
	gateway = await startImsGateway('load', 30300, {
		transport: process.env.LOAD_TRANSPORT ?? 'tcp',
		/* Granted are nine tenths, and half of that is when each is refreshed, or
		 * a small load in part, sooner; before that it is measured. */
		ims: { expires_s: Math.max(60, Math.ceil(6 * N / RATE)), spread_percent: WHOLE ? 10 : 50,
			register_rate: 2 * RATE },
		extra: {
			log: { level: process.env.LOAD_LOG ?? 'info' },
			auth: { ttl_max_s: 60, ...loadAuth(path.join(ROOT, 'build/e2e/load-key')) },
			web: { max_connections: 20_000, max_connections_ip: 20_000 },
		},
	});
	await addSubscribers(gateway, users);
	/* What is loaded and allocated once is not the clients'. */
	const first = await register(gateway, users[0]);
	await first.auth({ authType: 'bearer', webrtcId: users[0].id, expiration: 0 });
	await until(() => registered() === 0, 'the first has gone');
});
after(() => gateway?.stop());

test(`${N} clients register at ${RATE} a second`, async () => {
	const begun = cost();
	const results = await atRate(users, RATE, async (user) => {
		clients.set(user.id, await register(gateway, user));
	});
	assertAll(results, 'registered');
	await quiet();
	const done = cost();
	assert.equal(registered(), N);
	assert.equal(await gateway.metric('isthmus_enrolments'), N);
	assert.equal(await gateway.metric('isthmus_registrations_unkept'), 0);
	result.cpuMs = (done.cpu - begun.cpu) / N;
	result.kB = (done.rss - begun.rss) / N;
	result.registerMs = [0.5, 0.99, 1].map((q) => Math.round(quantile(results, q)));
	result.commits = await gateway.metric('isthmus_store_commits_total');
	assert.ok(result.kB <= KB, `${result.kB.toFixed(1)} kB a client`);
	assert.ok(result.cpuMs <= CPU_MS, `${result.cpuMs.toFixed(2)} ms a registration`);
});

test('the clients refresh their log-ins', async () => {
	const begun = cost();
	const results = await atRate(users, 2 * RATE, ({ id }) =>
		clients.get(id).authBearer(id, token(id)));
	assertAll(results, 'refreshed');
	result.authCpuMs = (cost().cpu - begun.cpu) / N;
	for (const client of clients.values())
		assert.equal(client.closeCode, null);
});

test('they are refreshed in the core, and none is lost', async () => {
	const failed = await failures();
	const begun = cost();
	const before = await oks();
	await until(async () => await oks() >= before + (WHOLE ? N : N / 4), 'refreshes', 90_000, 200);
	result.refreshCpuMs = (cost().cpu - begun.cpu) / (await oks() - before);
	assert.equal(await failures(), failed);
	assert.equal(await gateway.metric('isthmus_enrolments'), N);
	assert.equal(registered(), N);
});

test('all deregister', async () => {
	const begun = cost();
	const results = await atRate(users, 2 * RATE, async ({ id }) => {
		const client = clients.get(id);
		await client.auth({ authType: 'bearer', webrtcId: id, expiration: 0 });
		assert.equal((await client.closed).code, 1000);
	});
	assertAll(results, 'deregistered');
	await until(() => registered() === 0, 'the core has none of them', 30_000);
	assert.equal(await gateway.metric('isthmus_enrolments'), 0);
	assert.equal(await gateway.metric('isthmus_ims_registrations_known'), 0);
	await quiet();
	const end = cost();
	result.endCpuMs = (end.cpu - begun.cpu) / N;
	const late = await open(gateway);
	await assert.rejects(late.reauth(users[0].id, 'x'.repeat(32)), ({ status }) => status === 403);
	await late.close();
	await pause(0);
	for (const name of ['cpuMs', 'kB', 'refreshCpuMs', 'authCpuMs', 'endCpuMs'])
		result[name] = Number(result[name].toFixed(2));
	console.log(`load: ${JSON.stringify(result)}`);
	if (process.env.LOAD_OUT)
		fs.writeFileSync(process.env.LOAD_OUT, `${JSON.stringify(result)}\n`);
});
