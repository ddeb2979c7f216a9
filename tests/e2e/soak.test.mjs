// soak.test.mjs - calls that come and go leave nothing behind: no descriptor,
// no object, no memory.
//
// Two web users and one SIP phone call each other, CONCURRENT calls at a time,
// in every way a call can go (KINDS).  After a warm-up of 100 the daemon's
// descriptors and threads are counted at rest, and after all calls again.
//
// Memory needs more care: RFC 3261's timer D keeps a finished INVITE for 32 s
// whatever the other timers are, 5 to 8 KiB each, and malloc keeps its high
// water.  So two equal rounds of calls are compared, with the time of timer D
// between them: what the first needed at its peak, the second needs again,
// and anything above that is a leak.
//
//	ISTHMUS_SOAK=N   calls a round, default 500
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { PASSWORD, startGateway } from './lib/gateway.mjs';
import { pause, until } from './lib/process.mjs';
import { SipAnswerer } from '../lib/sip-answerer.mjs';
import { WebPhone } from '../lib/web-phone.mjs';
import { within } from '../lib/within.mjs';

const WARM_UP = 100;
const CALLS = Number(process.env.ISTHMUS_SOAK ?? 500);
const CONCURRENT = 8;
const ALICE = 'sip:alice@demo.example';
const BOB = 'sip:bob@demo.example';
const PHONE = 'sip:phone@phones.example';
const TIMER_D = 33_000;
const GROWTH_KIB = 2 * CALLS; // 2 KiB a call; one lost call object is more
const SANITIZED = Boolean(process.env.ASAN_OPTIONS || process.env.TSAN_OPTIONS);

const GAUGES = ['isthmus_calls_live', 'isthmus_media_contexts', 'isthmus_media_agents',
	'isthmus_media_sockets', 'isthmus_media_sessions', 'isthmus_respect_sessions',
	'isthmus_sip_legs', 'isthmus_sip_dialogs'];

let gateway, phone, alice, bob;
before(async () => {
	phone = await SipAnswerer.listen({ port: 26970 });
	gateway = await startGateway({ name: 'soak', port: 26800,
		core: 'sip:127.0.0.1:26970;transport=udp',
		extra: {
			log: { level: 'info' },
			// Finished SIP transactions stay for 64 T1.
			sip: { t1_ms: 100, t1x64_ms: 2000, listen: ['sip:127.0.0.1:26802;transport=udp'],
				core: 'sip:127.0.0.1:26970;transport=udp', domain: 'demo.example' },
			web: { messages_per_s: 2000, messages_burst: 4000, max_sessions: 64 },
			media: { workers: 2, port_min: 26810, port_max: 26889 },
		} });
	alice = await WebPhone.login(gateway.endpoint, ALICE, PASSWORD);
	bob = await WebPhone.login(gateway.endpoint, BOB, PASSWORD);
});
after(async () => {
	await gateway?.stop();
	await phone.close();
});

// What the called side does is the caller's plan for this one call; the user
// part of the called, or to bob of the calling URI, says which.
const plans = new Map();
const forgotten = []; // plans whose INVITE may or may not come
let number = 0;

function plan(callee) {
	const key = `plan${++number}`;
	return { key, uri: `sip:${key}@phones.example`,
		taken: new Promise((resolve) => plans.set(key, (call) => {
			plans.delete(key);
			callee(call);
			resolve(call);
		})) };
}

const take = (call) => {
	call.ring();
	call.answer();
};
const alerting = (call) => until(() => call.states.includes('alerting'), 'it rings', 15_000, 5);

const strays = []; // calls that nobody planned

function offered(uri, call) {
	const planned = plans.get(/sip:(plan\d+)@/.exec(uri)?.[1]);
	if (planned)
		planned(call);
	else
		strays.push(uri);
}

/** alice calls the phone, which does @callee. */
async function webToSip(callee) {
	const { uri, taken } = plan(callee);
	const web = await alice.call(uri);
	return { web, sip: await within(taken, 'the INVITE of a call') };
}

/** The phone calls bob, who does @callee with the WebCall. */
async function sipToWeb(callee) {
	const { uri, taken } = plan(callee);
	const sip = phone.invite(BOB, { port: gateway.sipPort }, { from: uri });
	return { sip, web: await within(taken, 'the msetup of a call') };
}

const answerWeb = (call) => call.answer().catch(() => {});

const KINDS = {
	'web to SIP, ended by web': async () => {
		const { web, sip } = await webToSip(take);
		await web.connected;
		await web.hangup();
		assert.equal(await sip.ended, 'bye-received');
	},
	'web to SIP, ended by SIP': async () => {
		const { web, sip } = await webToSip(take);
		await web.connected;
		await sip.answered;
		await sip.bye();
		assert.equal(await web.ended, 200);
	},
	'web to SIP, busy': async () => {
		const { web } = await webToSip((call) => call.refuse(486));
		assert.equal(await web.ended, 486);
	},
	'web to SIP, cancelled while ringing': async () => {
		const { web, sip } = await webToSip((call) => call.ring());
		await alerting(web);
		await web.hangup();
		assert.equal(await sip.ended, 'cancelled');
	},
	'web to SIP, cancelled at once': async () => {
		const { key, uri } = plan((call) => call.ring()); // if it gets so far
		const web = await alice.call(uri);
		await web.hangup();
		forgotten.push(key);
	},
	'web to SIP, held and resumed by SIP': async () => {
		const { web, sip } = await webToSip(take);
		await web.connected;
		await sip.answered;
		const hold = await sip.request('INVITE', { body: phone.sdp().replace('sendrecv', 'sendonly'),
			headers: [phone.contact] });
		assert.equal(hold.status, 200);
		await sip.bye();
		assert.equal(await web.ended, 200);
	},
	'SIP to web, ended by SIP': async () => {
		const { sip, web } = await sipToWeb(answerWeb);
		await sip.answered;
		await sip.bye();
		assert.equal(await web.ended, 200);
	},
	'SIP to web, ended by web': async () => {
		const { sip, web } = await sipToWeb(answerWeb);
		await sip.answered;
		await web.hangup();
		assert.equal(await sip.ended, 'bye-received');
	},
	'SIP to web, declined': async () => {
		const { sip } = await sipToWeb((call) => call.hangup(486));
		assert.equal(await sip.ended, 486);
	},
	'SIP to web, cancelled': async () => {
		const { sip, web } = await sipToWeb(() => {});
		await until(() => sip.progress.includes(180), 'it rings', 15_000, 5);
		sip.cancel();
		assert.equal(await sip.ended, 487);
		assert.ok(await web.ended > 0);
	},
	'web to web': async () => {
		const web = await alice.call(BOB);
		await web.connected;
		await web.hangup();
	},
	'web to echo': async () => {
		const web = await alice.call('sip:echo@demo.example');
		await web.connected;
		await web.hangup();
	},
	'to nobody': async () => {
		const sip = phone.invite('sip:nobody@demo.example', { port: gateway.sipPort });
		assert.equal(await sip.ended, 404);
	},
	'with a description that cannot be read': async () => {
		const sip = phone.invite(BOB, { port: gateway.sipPort }, { body: 'v=0\r\nnonsense\r\n' });
		assert.equal(await sip.ended, 400);
	},
};

/** @calls of them, CONCURRENT at a time; {kind: count}. */
async function makeCalls(calls) {
	const kinds = Object.keys(KINDS);
	const made = {};
	let next = 0;
	await Promise.all(Array.from({ length: CONCURRENT }, async () => {
		while (next < calls) {
			const kind = kinds[next++ % kinds.length];
			try {
				await KINDS[kind]();
			} catch (error) {
				throw new Error(`call ${next}, ${kind}: ${error.message}`, { cause: error });
			}
			made[kind] = (made[kind] ?? 0) + 1;
		}
	}));
	return made;
}

const descriptors = () => fs.readdirSync(`/proc/${gateway.process.pid}/fd`).length;
const openFiles = () => fs.readdirSync(`/proc/${gateway.process.pid}/fd`)
	.map((n) => fs.readlinkSync(`/proc/${gateway.process.pid}/fd/${n}`));

/** Open descriptors once nothing closes any more (the connections that asked for
 * metrics do), or at once when there are @expected. */
function settled(expected) {
	let last = -1, since = 0;
	return until(() => {
		const n = descriptors();
		if (n !== last)
			[last, since] = [n, Date.now()];
		return (n === expected || Date.now() - since > 1000) && n;
	}, 'the descriptors settle');
}

const threads = () => fs.readdirSync(`/proc/${gateway.process.pid}/task`).length;
const rssKib = () => Number(/^VmRSS:\s+(\d+) kB/m
	.exec(fs.readFileSync(`/proc/${gateway.process.pid}/status`, 'utf8'))[1]);

/** Nothing lives: the gauges are 0. */
async function atRest() {
	const values = {};
	await until(async () => {
		for (const name of GAUGES)
			values[name] = await gateway.metric(name);
		return Object.values(values).every((value) => value === 0);
	}, 'all gauges are 0', 30_000).catch((error) => {
		throw new Error(`${error.message}: ${JSON.stringify(values)}`);
	});
	for (const key of forgotten.splice(0))
		plans.delete(key);
}

const results = async () => {
	const { body } = await gateway.admin('/metrics');
	return Object.fromEntries([...body.matchAll(/^isthmus_calls_total\{result="(\w+)"\} (\d+)$/gm)]
		.map(([, result, n]) => [result, Number(n)]));
};

test(`twice ${CALLS} calls leave no descriptor, no object and no memory`, { timeout: 300_000 }, async (t) => {
	phone.onInvite = (call) => offered(call.uri, call);
	bob.onCall = (call) => (call.setup.assertedOriginatingId === ALICE ? answerWeb(call) :
		offered(call.setup.assertedOriginatingId, call));

	await makeCalls(WARM_UP);
	await atRest();
	const before = { fds: await settled(0), threads: threads() };
	const resultsBefore = await results();

	const began = Date.now();
	const rss = [rssKib()];
	const made = await makeCalls(CALLS);
	const seconds = (Date.now() - began) / 1000;
	await atRest();
	rss.push(rssKib());
	await pause(TIMER_D);
	await makeCalls(CALLS);
	await atRest();
	rss.push(rssKib());
	const fds = await settled(before.fds);
	const growth = rss[2] - rss[1];

	for (const [kind, n] of Object.entries(made))
		t.diagnostic(`${String(n).padStart(4)}  ${kind}`);
	t.diagnostic(`${CALLS} calls in ${seconds.toFixed(1)} s, ${CONCURRENT} at a time`);
	t.diagnostic(`descriptors ${before.fds} -> ${fds}, threads ${before.threads} -> ${threads()}`);
	t.diagnostic(`RSS after ${WARM_UP} calls ${rss[0]} KiB, after ${CALLS} more ${rss[1]}, ` +
		`after another ${CALLS} ${rss[2]}: growth ${growth} KiB`);

	assert.equal(fds, before.fds, `open descriptors: ${openFiles().join(' ')}`);
	assert.deepEqual(strays, []);
	assert.equal(plans.size, 0, 'every planned call came');
	assert.equal(phone.live, 0);
	assert.deepEqual([alice.calls.size, bob.calls.size], [0, 0]);
	assert.equal(threads(), before.threads);
	const after = await results();
	const ended = Object.values(after).reduce((a, b) => a + b) -
		Object.values(resultsBefore).reduce((a, b) => a + b);
	assert.equal(ended, 2 * CALLS, 'each call ended once');
	if (!SANITIZED) // a sanitizer keeps freed memory in quarantine
		assert.ok(growth < GROWTH_KIB, `RSS grew by ${growth} KiB`);
	// The loop's own word about slow passes is about this machine's other work.
	assert.deepEqual(gateway.log().split('\n').filter((line) =>
		/ (warn |error) /.test(line) && !/ loop: a pass took /.test(line)).slice(0, 10), []);
});
