// random.test.mjs - calls of random scripts leave nothing behind, whatever both
// sides do: early dialogs, PRACK that is late or missing, offers that cross,
// video that comes and goes, refusals, silence, nonsense, lost datagrams, lost
// WebSockets.  A script is its seed (script-call.mjs), so that a call that
// failed can be made again, alone:
//
//	RANDOM_CALLS=N	how many, default 300
//	RANDOM_SEED=S	of the first; the others count up (1)
//	SEED=S		only this one, with all that was said
//	RANDOM_CONCURRENT=N  how many at a time (48)
//
// The seed also says which gateway it is for: they differ in how they reach the
// core (UDP, TCP, TLS), in preconditions and session timers.
//
// A run that fails leaves the logs of its gateways, and what was said in the
// calls that failed, in random-failed/, where no other run overwrites them.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { HASH, PASSWORD, ROOT, startGateway, workDir } from './lib/gateway.mjs';
import { until } from './lib/process.mjs';
import { SHARES, SLOW, ScriptCall, VARIANTS, variantOf } from './lib/script-call.mjs';
import { ScriptParty } from './lib/script-sip.mjs';
import { ScriptWeb } from './lib/script-web.mjs';
import { certificates } from './lib/script-wire.mjs';

const PORT = 30000; // of the first gateway; the others are STEP above each other
const STEP = 600;
const CORE = 50;
const ONLY = process.env.SEED ? Number(process.env.SEED) : null;
const FIRST = ONLY ?? Number(process.env.RANDOM_SEED ?? 1);
const CALLS = ONLY === null ? Number(process.env.RANDOM_CALLS ?? 300) : 1;
const CONCURRENT = Number(process.env.RANDOM_CONCURRENT ?? 48);
const BATCH = 2500; // then all must be at rest
const SHOWN = 5; // failed calls, with all that was said

const GAUGES = ['isthmus_calls_live', 'isthmus_media_contexts', 'isthmus_media_agents',
	'isthmus_media_sockets', 'isthmus_media_sessions', 'isthmus_respect_sessions',
	'isthmus_sip_legs', 'isthmus_sip_dialogs'];

// With leak sanitizer, what tests/lsan.supp knows of Sofia's TLS takes whole stacks.
const joined = (...options) => options.filter(Boolean).join(':');
const LEAKS_OF_SOFIA = ['env',
	`ASAN_OPTIONS=${joined(process.env.ASAN_OPTIONS, 'fast_unwind_on_malloc=0')}`,
	`LSAN_OPTIONS=${joined(process.env.LSAN_OPTIONS, `suppressions=${ROOT}/tests/lsan.supp`,
		'print_suppressions=0')}`];

const RUN = ONLY === null ? 'random' : `random-seed-${ONLY}`; // a run's own folders
const lanes = []; // one a gateway: { gateway, party, pairs of browsers }
let passed = false;
const socket = dgram.createSocket('udp4');
const failed = new Set();
const said = {};
let connected = 0;

/** A gateway, its core, and the browsers that log in there. */
async function openLane(variant, dir) {
	const { name, kind, share } = variant;
	const port = PORT + STEP * VARIANTS.indexOf(variant);
	const width = ONLY === null ? Math.ceil(CONCURRENT * share / SHARES.length) : 1;
	const subscriber = (i) => `sip:w${i}@demo.example`;
	const sip = (at) => (kind === 'tls' ? `sips:127.0.0.1:${at}` : `sip:127.0.0.1:${at};transport=${kind}`);
	// Slow calls have browsers of their own, and hold nobody up.
	const lane = { name, calls: new Map(), pairs: [], slow: [] };
	lanes.push(lane);
	lane.gateway = await startGateway({ name: `${RUN}-${name}`, port, core: sip(port + CORE),
		...(kind === 'tls' ? { prefix: LEAKS_OF_SOFIA } : {}),
		extra: {
			log: { level: 'info' },
			sip: { listen: [sip(port + 2)], t1_ms: 100, t1x64_ms: 4000, ring_timeout_s: 5,
				...(kind === 'tls' ? { tls_dir: dir } : {}), ...variant.sip },
			web: { messages_per_s: 2000, messages_burst: 4000 },
			calls: { no_path_s: 120 }, // nobody has media: the session timer is faster
			media: { workers: 1, port_min: port + 100, port_max: port + STEP - 1 },
			users: Array.from({ length: 2 * width + 4 }, (_, i) => ({ id: subscriber(i), password: HASH })),
		} });
	lane.party = await ScriptParty.listen({ kind, port: port + CORE, gatewayPort: port + 2, dir });
	lane.party.onInvite = (request) => {
		const call = lane.calls.get(Number(/^sips?:[cxy](\d+)@/.exec(request.uri)?.[1]));
		call?.invited(request);
		return Boolean(call);
	};
	const login = (i, side) => ScriptWeb.login(lane.gateway.endpoint, subscriber(i), PASSWORD, side);
	for (let i = 0; i < width + 2; i++)
		(i < width ? lane.pairs : lane.slow).push([await login(2 * i, 'web'), await login(2 * i + 1, 'sip')]);
	lane.party.greet(); // the connection to it, and the one from it
	await lane.pairs[0][0].ask('message.isthmus', { resourceId: 'sip:m@phones.example', content: 'hello' });
}

before(async () => {
	const dir = certificates(path.join(workDir(`${RUN}-certificates`), 'tls'));
	for (const variant of VARIANTS)
		if (ONLY === null || variant === variantOf(ONLY))
			await openLane(variant, dir);
});

after(async () => {
	if (!passed)
		keep();
	for (const { gateway, party, pairs, slow } of lanes) {
		for (const web of [...pairs, ...slow].flat())
			await web.close();
		await gateway?.stop(); // a status but 0 is a failure
		await party?.close();
	}
	socket.close();
});

/** What explains a run that failed. */
function keep() {
	const stamp = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
	for (const { name, gateway } of lanes.filter((lane) => lane.gateway)) {
		const dir = path.join(path.dirname(gateway.dir), 'random-failed', `${FIRST}-${stamp}`);
		fs.mkdirSync(dir, { recursive: true });
		fs.copyFileSync(path.join(gateway.dir, 'isthmus.log'), path.join(dir, `${name}.log`));
		fs.writeFileSync(path.join(dir, 'failed.txt'), [...failed].map(report).join('\n\n'));
	}
}

async function make(seed, { calls, party }, [web, mate]) {
	const call = new ScriptCall({ seed, web, mate, party, socket, failed });
	calls.set(seed, call);
	await call.run().catch((error) => call.fault(error.stack));
	calls.delete(seed);
	count(call.trace);
	if (call.trace.some((line) => /web< .*connected/.test(line)))
		connected++;
	if (ONLY !== null)
		console.log(report(call));
}

const descriptors = ({ gateway }) => fs.readdirSync(`/proc/${gateway.process.pid}/fd`).length;

/** The calls that @gateway has, and the last that its log says of each. */
async function alive({ gateway }) {
	const { body } = await gateway.admin('/calls');
	const log = gateway.log().split('\n');
	const lines = JSON.parse(body).flatMap(({ call }) => log.filter((line) => line.includes(call)).slice(-60));
	return [body, ...lines].join('\n');
}

/** Nothing lives, nothing is owed, and there are no more descriptors than when
 * @lane was first at rest. */
async function atRest(lane) {
	const { gateway, party, fds = Infinity } = lane;
	const values = {};
	await until(async () => {
		for (const name of GAUGES)
			values[name] = await gateway.metric(name);
		values.owed = party.settled ? 0 : 1;
		return Object.values(values).every((value) => value === 0);
	}, 'nothing lives', 40_000, 200).catch(async (error) => {
		throw new Error(`${lane.name}: ${error.message}: ${JSON.stringify(values)}\n${await alive(lane)}`);
	});
	let last = -1, since = 0;
	lane.fds = await until(() => { // connections that asked for metrics close
		const n = descriptors(lane);
		if (n !== last)
			[last, since] = [n, Date.now()];
		return n <= fds && (n === fds || Date.now() - since > 1000) && n;
	}, `${lane.name}: there are ${fds} descriptors`).catch((error) => {
		throw new Error(`${error.message}, not ${last}`);
	});
}

/** Calls of the seeds from @from to @to, each with the gateway that is its. */
async function batch(from, to) {
	const queues = new Map(lanes.map((lane) => [lane, { quick: [], slow: [] }]));
	for (let seed = from; seed < to; seed++) {
		const lane = lanes.find(({ name }) => name === variantOf(seed).name);
		queues.get(lane)[seed % SLOW === SLOW - 1 ? 'slow' : 'quick'].push(seed);
	}
	const work = async (lane, pair, seeds) => {
		while (seeds.length)
			await make(seeds.shift(), lane, pair);
	};
	await Promise.all(lanes.flatMap((lane) => [
		...lane.pairs.map((pair) => work(lane, pair, queues.get(lane).quick)),
		...lane.slow.map((pair) => work(lane, pair, queues.get(lane).slow))]));
}

/** What was said, each thing how often. */
function count(trace) {
	for (const line of trace) {
		const [, side, what] = /^ *\d+ (\S+) +(.*?)(?: leg \d+)?$/.exec(line) ?? [];
		if (!/[<>]/.test(side ?? ''))
			continue;
		const [, status, method] = /^(\d{3} )?(?:\d+ )?([A-Z]+)/.exec(what) ?? [];
		const key = `${side} ${side.startsWith('sip') ? `${status ?? ''}${method}` :
			what.split(' ').slice(0, 2).join(' ')}`;
		said[key] = (said[key] ?? 0) + 1;
	}
}

const faults = () => [...failed].map(({ plan, faults: list }) =>
	`SEED=${plan.seed}: ${list.join('; ')}`).join('\n');
const report = (call) => `SEED=${call.plan.seed}: ${call.faults.join('; ')}\n` +
	`${JSON.stringify(call.plan)}\n${call.trace.join('\n')}`;

test(`${CALLS} calls of random scripts, from seed ${FIRST}, leave nothing behind`, {
	timeout: 180_000 + CALLS * 200 }, async (t) => {
	const began = Date.now();
	const end = FIRST + CALLS;

	// The first few open what stays open.
	for (let from = FIRST, to = Math.min(end, from + CONCURRENT); from < end;
		[from, to] = [to, Math.min(end, to + BATCH)]) {
		await batch(from, to);
		await Promise.all(lanes.map(atRest)).catch((error) => {
			throw new Error(`seeds ${from} to ${to - 1}: ${error.message}\n` +
				[...failed].slice(0, SHOWN).map(report).join('\n'));
		});
	}
	t.diagnostic(`${CALLS} calls in ${((Date.now() - began) / 1000).toFixed(1)} s, ` +
		`${connected} connected, ${failed.size} failed: ` +
		`${[...failed].map(({ plan }) => plan.seed).join(' ')}`);
	t.diagnostic(Object.entries(said).sort(([a], [b]) => (a < b ? -1 : 1))
		.map(([what, n]) => `${what}: ${n}`).join(', '));
	if (ONLY === null)
		assert.ok(connected > CALLS / 5, `only ${connected} calls were connected`);
	assert.equal(failed.size, 0, `${faults()}\n` + [...failed].slice(0, SHOWN).map(report).join('\n'));
	for (const { gateway, party } of lanes) {
		assert.equal(gateway.process.exitCode, null);
		assert.deepEqual(party.strays, [], 'all that came was SIP');
		assert.deepEqual(gateway.log().split('\n').filter((line) =>
			/ error |assert|Sanitizer|runtime error/i.test(line)).slice(0, 10), []);
	}
	passed = true;
});
