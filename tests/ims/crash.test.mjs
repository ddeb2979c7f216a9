// crash.test.mjs - kill -9 in the middle of a load of registrations: nobody's
// identity of the pool is lent twice, each client that had been answered comes
// back with its credential, and the core's view is ours.
//
//	CRASH_TRUSTED=1500 CRASH_POOLED=500 tests/ims/run.sh build/isthmus tests/ims/crash.test.mjs
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { ROOT } from '../e2e/lib/gateway.mjs';
import { until } from '../e2e/lib/process.mjs';
import { addPool, addSubscribers, assertAll, atRate, listAll, loadAuth, open, pooled,
	register, trusted } from '../lib/register-load.mjs';
import { digest, hss, startImsGateway } from './lib.mjs';

const TRUSTED = Number(process.env.CRASH_TRUSTED ?? 160);
const POOLED = Number(process.env.CRASH_POOLED ?? 60);
const FIRST = 2001; // of load1 ..., nobody else's: what was under way stays behind
const FIRST_POOLED = FIRST + TRUSTED; // whom the pool has
const RATE = 100;
const BACK_S = 9 + Math.ceil((TRUSTED + POOLED) / RATE); // to come back

let gateway;
let users;
const BOB = 'sip:bob@ims.test'; // whose credentials are the core's, and his own
const clients = new Map(); // id -> client that was answered
const underWay = []; // IMPIs of those that were not when it died

const isMine = (impi) => Number(/^load(\d+)@/.exec(impi)?.[1]) >= FIRST;
/** IMPIs that the core believes to be registered. */
const inCore = () => new Set(hss('list').split('\n').map((line) => line.split(' '))
	.filter(([impi, state]) => isMine(impi) && state === 'registered').map(([impi]) => impi));
const registrations = () => listAll(gateway, 'registrations', 'registrations');
const pool = () => listAll(gateway, 'pool.list', 'pool');

before(async () => {
	/* Both kinds by turns, all through the load. */
	users = [...trusted(TRUSTED, FIRST), ...pooled(POOLED)]
		.map((user, i) => ({ user, turn: i < TRUSTED ? i / TRUSTED : (i - TRUSTED) / POOLED }))
		.sort((a, b) => a.turn - b.turn).map(({ user }) => user);
	gateway = await startImsGateway('crash', 30100, {
		ims: { register_rate: 2 * RATE },
		extra: {
			log: { level: 'info' },
			auth: { ttl_max_s: 20, ...loadAuth(path.join(ROOT, 'build/e2e/crash-key')) },
			store: { resume_s: BACK_S - 1 },
			web: { max_connections: 20_000, max_connections_ip: 20_000, auth_failures: 20_000 },
		},
	});
	await addSubscribers(gateway, users);
	await addPool(gateway, FIRST_POOLED, POOLED);
	await gateway.add(BOB, '--enrol', 'client', '--impi', 'bob@ims.test', '--impu', BOB);
});
after(() => gateway?.stop());

/** Why dave's call to @id was not answered; this process serves its client. */
const refusal = (id) => promisify(execFile)(path.join(ROOT, 'lab/phone.sh'), ['call', 'dave', id])
	.then(() => 'answered', ({ stdout, stderr }) => stdout + stderr);

/* Each client's own identities in the core, and nobody has another's. */
async function checkPool() {
	const lent = (await pool()).filter(({ state }) => state === 'leased');
	const taken = new Map();
	for (const { id, identities } of await registrations()) {
		if (!id.startsWith('sip:guest'))
			continue;
		const own = identities.filter((uri) => isMine(uri.slice(4)));
		assert.equal(own.length, 1, `${id} has ${identities}`);
		assert.ok(!taken.has(own[0]), `${own[0]} is ${id}'s and ${taken.get(own[0])}'s`);
		taken.set(own[0], id);
	}
	assert.deepEqual(lent.map(({ impu }) => impu).sort(), [...taken.keys()].sort());
	return taken;
}

/** Says auth; the core's challenge is answered. */
async function answered(client, members) {
	const auth = { authType: 'digest', webrtcId: BOB, ...members };
	const { status, response } = await client.auth(auth).catch((error) => error);
	assert.equal(status, 401);
	return client.auth({ ...auth,
		authorization: digest(response.wwwAuthenticate, 'bob@ims.test', 'bob-secret') });
}

test('kill -9 in the middle of the load', async () => {
	let crashed = null;
	const bob = await open(gateway);
	await answered(bob, { disconnectionTtl: 1 });
	await atRate(users, RATE, async (user) => {
		const client = await register(gateway, user, { disconnectionTtl: 1 });
		clients.set(user.id, client);
		if (clients.size === users.length / 2)
			crashed = gateway.crash();
	});
	assert.ok(crashed);
	await crashed;
	assert.ok(clients.size >= users.length / 2 && clients.size < users.length,
		`${clients.size} of ${users.length} had been answered`);
	await gateway.again();
	const back = await registrations();
	const known = new Set(back.map(({ id }) => id));
	clients.set(BOB, bob);
	for (const id of clients.keys())
		assert.ok(known.has(id), `${id} had been answered, and is not known any more`);
	assert.ok(back.every(({ state }) => state === 'awaited'));
	await checkPool();
});

test('a call to who has not come back yet is refused at once', async () => {
	const [id] = [...clients.keys()].filter((each) => each.startsWith('sip:load'));
	assert.match(await refusal(id), / 480 /);
});

test('who answers the core himself comes back, and logs out there', async () => {
	const client = await open(gateway);
	await client.reauth(BOB, clients.get(BOB).credential);
	clients.delete(BOB);
	const stateOf = () => hss('list', 'bob@ims.test').split(' ')[1];
	assert.equal(stateOf(), 'registered');
	await answered(client, { expiration: 0 });
	await until(() => stateOf() !== 'registered', 'bob is not registered');
});

test('each that had been answered comes back, and the others log in', async () => {
	const [away, ...comers] = [...clients.keys()].filter((id) => id.startsWith('sip:load'));
	const results = await atRate([...comers, ...[...clients.keys()].filter((id) =>
		id.startsWith('sip:guest'))].map((id) => ({ id })), RATE, async ({ id }) => {
		const client = await open(gateway);
		await client.reauth(id, clients.get(id).credential, { disconnectionTtl: 1 });
		clients.set(id, client);
	});
	assertAll(results, 'resumed');
	const impi = away.slice(4);
	assert.ok(inCore().has(impi));
	assert.equal(await gateway.metric('isthmus_registrations_returned_total{result="resumed"}'),
		results.length + 1);
	const others = users.filter(({ id }) => !clients.has(id) && id.startsWith('sip:load'));
	underWay.push(...others.map(({ impi }) => impi));
	assertAll(await atRate(others, RATE, async (user) => {
		clients.set(user.id, await register(gateway, user));
	}), 'registered');
	/* Who never returns is deregistered. */
	await until(() => !inCore().has(impi), `${impi} is given up`, 1000 * (BACK_S + 17));
	clients.delete(away);
});

test("the core's view and ours agree", async () => {
	const taken = await checkPool();
	const ours = await registrations();
	assert.equal(ours.length, clients.size);
	assert.ok(ours.every(({ state }) => state === 'connected'));
	await until(async () => await gateway.metric('isthmus_ims_registrations') === clients.size,
		'the core has confirmed all', 60_000);
	const expected = new Set([...taken.keys()].map((impu) => impu.slice(4)));
	for (const id of clients.keys())
		if (id.startsWith('sip:load'))
			expected.add(id.slice(4));
	/* What was under way at the crash cools down until the core forgets it. */
	const cooling = new Set((await pool()).filter(({ state }) => state === 'cooling')
		.map(({ impi }) => impi));
	const core = inCore();
	assert.deepEqual([...expected].filter((impi) => !core.has(impi)), []);
	assert.deepEqual([...core].filter((impi) => !expected.has(impi) && !cooling.has(impi)), []);
});

test('who came back is called as before', async () => {
	const id = [...clients.keys()].find((each) => each.startsWith('sip:load'));
	const client = clients.get(id);
	client.answers = () => ({ success: false, problemDetails:
		{ type: 'about:blank', title: 'Busy', status: 486 } });
	assert.match(await refusal(id), / 486 /);
	assert.equal(client.requests.at(-1).method, 'msetup');
});

test('an end in order leaves nobody in the core', async () => {
	/* A contact that the core granted while we died is nobody's, and expires. */
	const stale = new Set([...underWay, ...(await pool()).filter(({ state }) => state === 'cooling')
		.map(({ impi }) => impi)]);
	/* As long as it goes on: the rate decides. */
	await gateway.stop(60_000);
	await until(() => [...inCore()].every((impi) => stale.has(impi)), 'all are deregistered');
	gateway = null;
});
