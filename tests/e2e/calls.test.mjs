// What the client library makes of calls, messages and statistics through the
// real gateway: call waiting with two calls, early media and ringback, text to
// and from browsers and a SIP phone, quality of both segments.
import test, { after, afterEach, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchBrowser } from './lib/browser.mjs';
import { startGateway } from './lib/gateway.mjs';
import { assertHears, assertSilence, openClient } from './lib/client.mjs';
import { until } from './lib/process.mjs';
import { audioOf, playTone } from './lib/rtp.mjs';
import { isSilent, isTone } from './lib/tone.mjs';
import { SipAnswerer } from '../lib/sip-answerer.mjs';

const PORT = 24900;
const PHONE = 24960;
const RTP = 24970;
const PHONE_URI = `sip:phone@127.0.0.1:${PHONE}`;
const MINE = 440;
const THEIRS = 1000;

let gateway;
let browser;
let phone;
let tone = null;
const clients = [];

before(async () => {
	gateway = await startGateway({
		name: 'calls', port: PORT, core: `sip:127.0.0.1:${PHONE};transport=udp`,
		extra: { media: { quality_ms: 1000 }, messages: { per_minute: 30, max_bytes: 100 } },
	});
	phone = await SipAnswerer.listen({ port: PHONE });
	phone.rtpPort = RTP;
	browser = await launchBrowser();
});

after(async () => {
	await browser?.close();
	await phone?.close();
	await gateway?.stop();
});

afterEach(async () => {
	for (const client of clients.splice(0))
		await client.close();
	await tone?.stop();
	tone = null;
	phone.onRequest = null;
	phone.onInvite = (call) => {
		call.ring();
		call.answer();
	};
});

async function logIn(user, hz, more = {}) {
	const client = await openClient(browser, { ...gateway, user, hz, ...more });
	clients.push(client);
	return client.registered();
}

async function readMessages(client) {
	await client.do(() => ua.on('message', (event) =>
		globalThis.seen.push(['message', JSON.parse(JSON.stringify(event))])));
	return client;
}

test('a second call waits, is taken, and the two are swapped', async () => {
	const bob = await logIn('bob', 700);
	// bob has the two calls: one of his own, and one that rings meanwhile
	await bob.call('echo');
	await assertHears(bob, 700);
	await bob.do(() => { globalThis.first = session; });
	const caller = await logIn('alice', MINE);
	await bob.do(() => ua.on('newSession', ({ session: s }) => { globalThis.second = s; }));
	await caller.do(() => { ua.call('bob'); });
	assert.equal((await bob.event('newSession', { nth: 1 })).waiting, true);
	await caller.event('confirmed'); // the page answers by itself
	await bob.do(() => ua.switchTo(globalThis.second));
	assert.deepEqual(await bob.do(() => [globalThis.first, globalThis.second]
		.map((s) => s.isOnHold().local)), [true, false]);
	await assertHears(caller, 700, { not: MINE });
	await bob.do(() => ua.switchTo(globalThis.first));
	await caller.event('hold');
	await assertSilence(caller);
	await bob.do(() => ua.switchTo(globalThis.second));
	await caller.event('unhold');
	await assertHears(caller, 700);
	await bob.do(() => globalThis.first.terminate());
	await assertHears(caller, 700);
});

async function sees(who, what) {
	const frames = () => who.do(async () => (await session.getStats()).video?.framesDecoded ?? 0);
	const before = await frames();
	await until(async () => await frames() > before + 3, what, 20_000);
}

test('cameras are switched on and off in mid-call by either side', async () => {
	const alice = await logIn('alice', MINE);
	const bob = await logIn('bob', 700);
	await alice.call('bob');
	await bob.event('confirmed');
	await alice.do(() => session.addVideo({ constraints: { video: { width: 320 } } }));
	await sees(bob, 'bob sees alice');
	assert.deepEqual(await bob.do(() => session.hasVideo()), { local: false, remote: true });
	await bob.do(() => session.addVideo({ constraints: { video: { width: 320 } } }));
	await sees(alice, 'alice sees bob');
	await sees(bob, 'bob still sees alice');
	await alice.do(() => session.hold());
	await bob.event('hold');
	await alice.do(() => session.unhold());
	await sees(alice, 'alice sees bob after the hold');
	await sees(bob, 'bob sees alice after the hold');
	await alice.do(() => session.removeVideo());
	await until(async () => !(await bob.do(() => session.hasVideo())).remote,
		'bob has no picture any more');
	await sees(alice, 'alice still sees bob');
	await assertHears(alice, 700, { not: MINE });
	await assertHears(bob, MINE, { not: 700 });
	await alice.hangUp();
});

test('early media is played before the answer, and stays after it', async () => {
	let call;
	phone.onInvite = async (made) => {
		call = made;
		tone = await playTone({ port: RTP, to: audioOf(made.offer), hz: THEIRS });
		made.ring(183, ['P-Early-Media: sendonly'], phone.sdp());
	};
	const alice = await logIn('alice', MINE, { config: { playback: true } });
	await alice.do((uri) => { ua.call(uri); }, PHONE_URI);
	await until(async () => await alice.state() === 'early', 'early media is told');
	await assertHears(alice, THEIRS);
	assert.deepEqual(await alice.do(() => ({
		ringing: session.playback.ringing, established: session.isEstablished(),
		plays: session.playback.element.srcObject === session.remoteStream &&
			!session.playback.element.paused,
	})), { ringing: false, established: false, plays: true });
	await call.answer();
	await alice.event('confirmed');
	await assertHears(alice, THEIRS);
	await alice.hangUp();
	await call.ended;
	assert.equal(await alice.do(() => session.playback.element), null);
});

test('a service that asks before it answers hears the browser and its digits', async () => {
	const infos = () => phone.received.filter((line) => line.startsWith('INFO ')).length;
	const before = infos();
	let call;
	phone.onInvite = async (made) => {
		call = made;
		tone = await playTone({ port: RTP, to: audioOf(made.offer), hz: THEIRS });
		made.ring(183, ['P-Early-Media: sendonly'], phone.sdp());
	};
	const alice = await logIn('alice', MINE);
	await alice.do((uri) => { ua.call(uri); }, PHONE_URI);
	await assertHears(alice, THEIRS);
	assert.ok(isSilent(await tone.listen()), 'it is not heard unless the network wants it');
	call.ring(183, ['P-Early-Media: sendrecv'], phone.sdp());
	await until(async () => isTone(await tone.listen(), MINE), 'the service hears the browser');
	assert.equal(await alice.state(), 'early');
	await alice.do(() => session.sendDTMF('5', { transport: 'info' }));
	await until(() => infos() === before + 1, 'INFO in the early dialog');
	await call.answer();
	await alice.event('confirmed');
	await assertHears(alice, THEIRS);
	assert.ok(isTone(await tone.listen(), MINE));
	await alice.hangUp();
	await call.ended;
});

test('without early media the library rings back, until the answer', async () => {
	let call;
	phone.onInvite = (made) => {
		call = made;
		made.ring();
	};
	const alice = await logIn('alice', MINE, { config: { playback: true } });
	await alice.do((uri) => { ua.call(uri); }, PHONE_URI);
	await until(() => alice.do(() => session.playback.ringing), 'ringback');
	await call.answer();
	await alice.event('confirmed');
	assert.equal(await alice.do(() => session.playback.ringing), false);
	await alice.hangUp();
});

// Two parties behind the same core: the phone plays THEIRS, carol OTHERS.
const OTHERS = 600;
const CAROL_URI = `sip:carol@127.0.0.1:${PHONE}`;

async function twoParties() {
	const made = {};
	const tones = [];
	phone.onInvite = async (call) => {
		const carol = call.uri.startsWith('sip:carol');
		made[carol ? 'carol' : 'phone'] = call;
		if (made.declines && carol) {
			call.refuse(486);
			return;
		}
		const port = carol ? RTP + 2 : RTP;
		tones.push(await playTone({ port, to: audioOf(call.offer),
			hz: carol ? OTHERS : THEIRS }));
		call.sdp = () => phone.sdp().replace(`m=audio ${RTP} `, `m=audio ${port} `);
		call.ring();
		call.answer();
	};
	tone = { stop: () => Promise.all(tones.map((t) => t.stop())) };
	return made;
}

test('the browser moves its call to another party, or keeps it', async () => {
	const made = await twoParties();
	const alice = await logIn('alice', MINE);
	await alice.call(PHONE_URI);
	await assertHears(alice, THEIRS);
	made.declines = true;
	assert.deepEqual(await alice.do(async (uri) => {
		const error = await session.transfer(uri).catch((e) => e);
		return [error.status, session.state];
	}, CAROL_URI), [486, 'connected']);
	await assertHears(alice, THEIRS);
	made.declines = false;
	await alice.do((uri) => session.transfer(uri), CAROL_URI);
	assert.equal(await made.phone.ended, 'bye-received');
	await assertHears(alice, OTHERS, { not: THEIRS });
	assert.deepEqual((await alice.seen()).filter(([n]) => n === 'transfer')
		.map(([, e]) => e.state), ['trying', 'failed', 'trying', 'alerting', 'done']);
	// The page may be loaded anew, and hold, as before.
	await alice.do(() => session.hold());
	await alice.do(() => session.unhold());
	await assertHears(alice, OTHERS);
	assert.match(await alice.do(() => session.remoteIdentity.uri), /carol/);
	await alice.hangUp();
	assert.equal(await made.carol.ended, 'bye-received');
});

test('a phone hands the browser over (REFER), and hears how it goes', async () => {
	const made = await twoParties();
	const alice = await logIn('alice', MINE);
	await alice.call(PHONE_URI);
	await assertHears(alice, THEIRS);
	const accepted = await made.phone.request('REFER',
		{ headers: [phone.contact, `Refer-To: <${CAROL_URI}>`] });
	assert.equal(accepted.status, 202);
	await until(() => made.phone.notifies?.some((n) => /^SIP\/2\.0 200/.test(n.body)),
		'NOTIFY of the success');
	assert.match(made.phone.notifies[0].body, /^SIP\/2\.0 100/);
	assert.match(made.phone.notifies.at(-1).headers['subscription-state'][0], /^terminated/);
	assert.equal(await made.phone.ended, 'bye-received');
	await assertHears(alice, OTHERS, { not: THEIRS });
	assert.deepEqual(await alice.event('transfer'), { state: 'done', target: CAROL_URI });
	assert.equal(await alice.state(), 'connected');
	await alice.hangUp();
	await made.carol.ended;
	const record = await (async () => {
		await until(() => gateway.cdrs().some((r) => r.transferred_to), 'the record');
		return gateway.cdrs().filter((r) => r.transferred_to).at(-1);
	})();
	assert.equal(record.transferred_to, CAROL_URI);
});

test('a caller with Replaces takes the phone\'s place', async () => {
	const made = await twoParties();
	const alice = await logIn('alice', MINE);
	await alice.call(PHONE_URI);
	await assertHears(alice, THEIRS);
	// As the dialog is at the gateway: its own tag is the callee's remote one.
	const theirs = /;tag=([^;]+)/.exec(made.phone.remote)[1];
	const boss = phone.invite(`sip:alice@127.0.0.1:${gateway.sipPort}`,
		{ port: gateway.sipPort }, {
			from: 'sip:boss@far.example',
			headers: ['Require: replaces', `Replaces: ${made.phone.id};to-tag=${theirs};` +
				`from-tag=${made.phone.localTag}`],
			body: phone.sdp().replace(`m=audio ${RTP} `, `m=audio ${RTP + 4} `),
		});
	await boss.answered;
	assert.equal(await made.phone.ended, 'bye-received');
	const more = await playTone({ port: RTP + 4, to: audioOf(boss.answer200.body), hz: 800 });
	try {
		await assertHears(alice, 800, { not: THEIRS });
	} finally {
		await more.stop();
	}
	assert.match(await alice.do(() => session.remoteIdentity.uri), /boss/);
	await boss.bye();
	assert.equal((await alice.event('ended')).originator, 'remote');
	const nobody = phone.invite(`sip:alice@127.0.0.1:${gateway.sipPort}`,
		{ port: gateway.sipPort }, { headers: ['Replaces: x;to-tag=1;from-tag=2'] });
	await assert.rejects(nobody.answered, { status: 481 });
});

test('text goes between browsers, to a SIP phone and back', async () => {
	const alice = await readMessages(await logIn('alice', MINE));
	const bob = await readMessages(await logIn('bob', 700));
	await alice.do(() => ua.sendMessage('bob', 'h\u00e9llo "bob"'));
	assert.deepEqual(await bob.event('message'), { from: 'sip:alice@demo.example',
		displayName: 'Alice', to: 'sip:bob@demo.example', text: 'h\u00e9llo "bob"',
		contentType: 'text/plain' });

	const got = [];
	phone.onRequest = (message) => {
		got.push(message);
		return message.body === 'no' ? 603 : 200;
	};
	await alice.do((uri) => ua.sendMessage(uri, 'h\u00e9llo phone'), PHONE_URI);
	assert.equal(got[0].method, 'MESSAGE');
	assert.equal(got[0].body, 'h\u00e9llo phone');
	assert.match(got[0].headers['p-asserted-identity'][0], /sip:alice@demo\.example/);
	assert.equal(await alice.do((uri) => ua.sendMessage(uri, 'no').catch((e) => e.status),
		PHONE_URI), 603);

	const peer = { port: gateway.sipPort };
	const answer = await phone.message('sip:alice@demo.example', peer, 'from the phone');
	assert.equal(answer.status, 200);
	const heard = await alice.event('message');
	assert.equal(heard.text, 'from the phone');
	assert.equal(heard.from, PHONE_URI.replace(/:\d+$/, `:${PHONE}`));
	await alice.do(() => ua.on('message', ({ reject }) => reject(486)));
	assert.equal((await phone.message('sip:alice@demo.example', peer, 'again')).status, 486);
	assert.equal((await phone.message('sip:carol@demo.example', peer, 'x')).status, 404);
	assert.equal((await phone.message('sip:alice@demo.example', peer, '<b>', {
		type: 'text/html' })).status, 415);
	await bob.do(() => ua.stop());
	assert.equal((await phone.message('sip:bob@demo.example', peer, 'x')).status, 480);
	assert.ok(!gateway.log().includes('from the phone'), 'no text in the log');
	assert.equal(await gateway.metric('isthmus_messages_total{to="web",result="delivered"}'), 2);
});

test('too long and too many messages are refused with the reason', async () => {
	const alice = await logIn('alice', MINE);
	const refusals = await alice.do(async () => {
		const long = await ua.sendMessage('bob', 'x'.repeat(101)).catch((e) => e.status);
		let last;
		for (let i = 0; i < 31; i++)
			last = await ua.sendMessage('bob', 'x').catch((e) => e);
		return { long, status: last.status, retryAfter: last.retryAfter };
	});
	assert.equal(refusals.long, 413);
	assert.equal(refusals.status, 429);
	assert.ok(refusals.retryAfter > 0 && refusals.retryAfter < 10);
});

test('the quality of both segments is seen here, in the metrics and in the record', async () => {
	const alice = await logIn('alice', MINE, { config: { qualityInterval: 1000 } });
	const bob = await logIn('bob', 700, { config: { qualityInterval: 1000 } });
	await alice.call('bob');
	await bob.event('confirmed');
	// Known from all four directions, once both have reported.
	await until(async () => {
		const seen = (await alice.seen()).filter(([n]) => n === 'quality').at(-1)?.[1];
		return seen?.near.fromGateway.mos && seen.far.fromGateway.mos &&
			seen.near.toGateway.mos && seen.far.toGateway.mos && seen.heardThere;
	}, 'all directions are judged', 20_000);
	const { near, far, heardHere, local } = (await alice.seen())
		.filter(([n]) => n === 'quality').at(-1)[1];
	for (const path of [near.toGateway, near.fromGateway, far.toGateway, far.fromGateway]) {
		assert.ok(path.mos > 3.5 && path.mos <= 4.5, JSON.stringify(path));
		assert.ok(path.lossPercent < 5);
	}
	assert.ok(heardHere > 3.5 && heardHere <= near.fromGateway.mos);
	assert.ok(local.packetsReceived > 20);
	const before = await gateway.metric('isthmus_call_mos_heard_count');
	await alice.hangUp();
	await until(() => gateway.cdrs().some((r) => r.a.quality && r.b.leg === 'respect'),
		'the record');
	const record = gateway.cdrs().filter((r) => r.a.quality && r.b.leg === 'respect').at(-1);
	for (const side of [record.a, record.b]) {
		assert.ok(side.quality.to_gateway.mos > 3.5);
		assert.ok(side.quality.from_gateway.mos_min > 1);
		assert.ok(side.quality.mos_heard > 3.5);
	}
	await until(async () => await gateway.metric('isthmus_call_mos_heard_count') === before + 2,
		'both ends are in the histogram');
	assert.ok(await gateway.metric('isthmus_call_mos_web_count') >= 2);
});

test('nothing is left behind', async () => {
	for (const metric of ['isthmus_calls_live', 'isthmus_media_contexts',
		'isthmus_respect_sessions', 'isthmus_sip_dialogs'])
		await until(async () => await gateway.metric(metric) === 0, `${metric} is 0`, 40_000);
});
