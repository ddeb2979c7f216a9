// random.test.mjs - calls of random scripts leave nothing behind, whatever both
// sides do: early dialogs, PRACK that is late or missing, offers that cross,
// video that comes and goes, refusals, silence, nonsense, lost datagrams, lost
// WebSockets.  A script is its seed (script-call.mjs), so that a call that
// failed can be made again, alone:
//
//	RANDOM_CALLS=N	how many, default 300
//	RANDOM_SEED=S	of the first; the others count up (1)
//	SEED=S		only this one, with all that was said
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { HASH, PASSWORD, startGateway } from './lib/gateway.mjs';
import { until } from './lib/process.mjs';
import { ScriptCall } from './lib/script-call.mjs';
import { ScriptParty } from './lib/script-sip.mjs';
import { ScriptWeb } from './lib/script-web.mjs';

const PORT = 30000;
const CORE = 30050;
const ONLY = process.env.SEED ? Number(process.env.SEED) : null;
const FIRST = ONLY ?? Number(process.env.RANDOM_SEED ?? 1);
const CALLS = ONLY === null ? Number(process.env.RANDOM_CALLS ?? 300) : 1;
const CONCURRENT = Math.min(40, CALLS);
const BATCH = 1000; // then all must be at rest
const SHOWN = 5; // failed calls, with all that was said

const GAUGES = ['isthmus_calls_live', 'isthmus_media_contexts', 'isthmus_media_agents',
	'isthmus_media_sockets', 'isthmus_media_sessions', 'isthmus_respect_sessions',
	'isthmus_sip_legs', 'isthmus_sip_dialogs'];
const subscriber = (i) => `sip:w${i}@demo.example`;

let gateway, party;
const webs = [];
const failed = new Set();
const calls = new Map(); // seed -> ScriptCall that runs
const said = {};
let connected = 0;

before(async () => {
	gateway = await startGateway({ name: 'random', port: PORT,
		core: `sip:127.0.0.1:${CORE};transport=udp`,
		extra: {
			log: { level: 'info' },
			sip: { t1_ms: 100, t1x64_ms: 4000, ring_timeout_s: 5 },
			web: { messages_per_s: 2000, messages_burst: 4000 },
			media: { workers: 2, port_min: PORT + 100, port_max: PORT + 1999 },
			users: Array.from({ length: CONCURRENT }, (_, i) => ({ id: subscriber(i), password: HASH })),
		} });
	party = await ScriptParty.listen(CORE, gateway.sipPort);
	party.onInvite = (request) => {
		const call = calls.get(Number(/^sip:[cxy](\d+)@/.exec(request.uri)?.[1]));
		call?.invited(request);
		return Boolean(call);
	};
	for (let i = 0; i < CONCURRENT; i++)
		webs.push(await ScriptWeb.login(gateway.endpoint, subscriber(i), PASSWORD));
});

after(async () => {
	for (const web of webs)
		await web.close();
	await gateway?.stop(); // a status but 0 is a failure
	await party?.close();
});

async function make(seed, web) {
	const call = new ScriptCall({ seed, web, party, failed });
	calls.set(seed, call);
	await call.run().catch((error) => call.fault(error.stack));
	calls.delete(seed);
	count(call.trace);
	if (call.trace.some((line) => /web< .*connected/.test(line)))
		connected++;
	if (ONLY !== null)
		console.log(report(call));
}

const descriptors = () => fs.readdirSync(`/proc/${gateway.process.pid}/fd`).length;

/** Nothing lives, nothing is owed, and there are no more descriptors than @fds;
 * how many there are once nothing closes any more. */
async function atRest(fds = Infinity) {
	const values = {};
	await until(async () => {
		for (const name of GAUGES)
			values[name] = await gateway.metric(name);
		values.owed = party.settled ? 0 : 1;
		return Object.values(values).every((value) => value === 0);
	}, 'nothing lives', 40_000, 200).catch((error) => {
		throw new Error(`${error.message}: ${JSON.stringify(values)}`);
	});
	let last = -1, since = 0;
	return until(() => { // connections that asked for metrics close
		const n = descriptors();
		if (n !== last)
			[last, since] = [n, Date.now()];
		return n <= fds && (n === fds || Date.now() - since > 1000) && n;
	}, `there are ${fds} descriptors`);
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
	timeout: 60_000 + CALLS * 200 }, async (t) => {
	const began = Date.now();
	const end = FIRST + CALLS;
	let next = FIRST, fds;

	while (next < end) {
		// The first few open what stays open.
		const from = next;
		const to = Math.min(end, from + (fds ? BATCH : CONCURRENT));
		await Promise.all(webs.map(async (web) => {
			while (next < to)
				await make(next++, web);
		}));
		fds = await atRest(fds).catch((error) => {
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
	assert.equal(gateway.process.exitCode, null);
	assert.deepEqual(party.strays, [], 'all that came was SIP');
	assert.deepEqual(gateway.log().split('\n').filter((line) =>
		/ error |assert|Sanitizer|runtime error/i.test(line)).slice(0, 10), []);
});
