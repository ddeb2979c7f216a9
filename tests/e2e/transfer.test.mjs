// transfer.test.mjs - parties in place of others, as people hear it: Chromium and
// Firefox, in each part; a SIP side of several phones with a tone each.
import test, { after, afterEach, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchBrowser } from './lib/browser.mjs';
import { asBrowser, launchFirefox, ownAddress } from './lib/bidi.mjs';
import { startGateway } from './lib/gateway.mjs';
import { assertHears, openClient } from './lib/client.mjs';
import { until } from './lib/process.mjs';
import { audioOf, playTone } from './lib/rtp.mjs';
import { SipAnswerer } from '../lib/sip-answerer.mjs';

const PORT = 27400;
const CORE = 27460;
const RTP = 27470;

// Of the browser under test; Firefox' fake microphone has but one.
const TONE = { Chromium: 440, Firefox: 1000 };
const BOB = 700; // of another browser
const CAROL = 1300; // and a third one
const HZ = { desk: 850, sales: 600, boss: 1150 }; // of phones
const uri = (name) => `sip:${name}@127.0.0.1:${CORE}`;

let gateway;
let chromium;
let running;
let core;
let phones = {};
const browsers = {};
const clients = [];
const tones = [];

before(async () => {
	gateway = await startGateway({
		name: 'transfer', port: PORT, people: ['alice', 'bob', 'carol'], core: `sip:127.0.0.1:${CORE};transport=udp`,
		extra: { media: { quality_ms: 1000, web_address: ['127.0.0.1', ownAddress()] } },
	});
	core = await SipAnswerer.listen({ port: CORE });
	[chromium, running] = await Promise.all([
		launchBrowser(), launchFirefox({ dir: gateway.dir, port: PORT + 90 }),
	]);
	Object.assign(browsers, { Chromium: chromium, Firefox: asBrowser(running) });
});

after(async () => {
	await Promise.all([chromium?.close(), running?.stop()]);
	await core?.close();
	await gateway?.stop();
});

afterEach(async () => {
	for (const client of clients.splice(0))
		await client.close();
	for (const tone of tones.splice(0))
		await tone.stop();
	phones = {};
	await until(async () => await gateway.metric('isthmus_calls_live') === 0,
		'no call is left');
});

async function logIn(browser, user, hz, more = {}) {
	const client = await openClient(browser, { ...gateway, user, hz, ...more });
	clients.push(client);
	return client.registered();
}

/** A phone of the core's, with its tone; it says where it is to be sent. */
async function plug(name, call, far) {
	const port = RTP + 2 * Object.keys(HZ).indexOf(name);
	const tone = await playTone({ port, to: audioOf(far), hz: HZ[name] });

	tones.push(tone);
	phones[name] = { call, tone, port };
	return port;
}

const speech = (port) => core.sdp().replace(/^m=audio \d+ /m, `m=audio ${port} `);

/** Phones that are called answer; @busy do not. */
function answering(...busy) {
	core.onInvite = async (call) => {
		const name = Object.keys(HZ).find((n) => call.uri.startsWith(`sip:${n}@`));

		if (busy.includes(name)) {
			call.ring();
			call.refuse(486);
			return;
		}
		const port = await plug(name, call, call.offer);
		call.sdp = () => speech(port);
		call.ring();
		call.answer();
	};
}

const hears = (who, hz) => assertHears(who, hz);
const phone = (name) => phones[name].tone;

/** Both ways: what the new pair says is what the new pair hears. */
async function talk(a, aHz, b, bHz) {
	await Promise.all([hears(a, bHz), hears(b, aHz)]);
}

/** How the transfer fared, as the events of @client's session. */
const told = async (client) => (await client.seen())
	.filter(([n]) => n === 'transfer').map(([, e]) => e.state);

const connections = (client) => client.do(() =>
	[session.connection.localDescription.sdp.match(/a=fingerprint:.*/)[0],
		session.connection.iceConnectionState]);

for (const name of ['Chromium', 'Firefox']) {
	const MINE = TONE[name];

	test(`${name}: a phone hands it over to another phone`, async () => {
		answering();
		const alice = await logIn(browsers[name], 'alice', MINE);
		await alice.call(uri('desk'));
		await talk(alice, MINE, phone('desk'), HZ.desk);
		const before = await connections(alice);
		const { call } = phones.desk;
		assert.equal((await call.request('REFER',
			{ headers: [core.contact, `Refer-To: <${uri('sales')}>`] })).status, 202);
		assert.equal(await call.ended, 'bye-received');
		await talk(alice, MINE, phone('sales'), HZ.sales);
		assert.deepEqual(await connections(alice), before, 'one JSEP session');
		assert.deepEqual(await told(alice), ['done']);
		await alice.hangUp();
	});

	test(`${name}: a phone hands it over to another browser`, async () => {
		answering();
		const alice = await logIn(browsers[name], 'alice', MINE);
		const bob = await logIn(chromium, 'bob', BOB);
		await alice.call(uri('desk'));
		await talk(alice, MINE, phone('desk'), HZ.desk);
		const { call } = phones.desk;
		assert.equal((await call.request('REFER', { headers: [core.contact,
			'Refer-To: <sip:bob@demo.example>'] })).status, 202);
		await bob.event('confirmed');
		assert.equal(await call.ended, 'bye-received');
		await until(() => call.notifies?.some((n) => /^SIP\/2\.0 200/.test(n.body)),
			'NOTIFY of the success');
		assert.ok(call.notifies.some((n) => /^SIP\/2\.0 180/.test(n.body)), 'it rang');
		await talk(alice, MINE, bob, BOB);
		// What one changes, the other hears of.
		await bob.do(() => session.hold());
		await alice.event('hold');
		await bob.do(() => session.unhold());
		await talk(alice, MINE, bob, BOB);
		await bob.hangUp();
		assert.equal((await alice.event('ended')).originator, 'remote');
	});

	test(`${name}: in a call with a browser it asks for a phone instead`, async () => {
		answering('boss');
		const alice = await logIn(browsers[name], 'alice', MINE);
		const bob = await logIn(chromium, 'bob', BOB);
		await alice.call('bob');
		await bob.event('confirmed');
		await talk(alice, MINE, bob, BOB);
		const before = await connections(alice);
		// One that is busy changes nothing.
		assert.equal(await alice.do(async (to) =>
			(await session.transfer(to).catch((e) => e)).status, uri('boss')), 486);
		await talk(alice, MINE, bob, BOB);
		await alice.do((to) => session.transfer(to), uri('desk'));
		assert.equal((await bob.event('ended')).originator, 'remote');
		await talk(alice, MINE, phone('desk'), HZ.desk);
		assert.deepEqual(await connections(alice), before, 'one JSEP session');
		assert.deepEqual(await told(alice),
			['trying', 'alerting', 'failed', 'trying', 'alerting', 'done']);
		await alice.hangUp();
		assert.equal(await phones.desk.call.ended, 'bye-received');
	});

	test(`${name}: it leaves its phone to a browser`, async () => {
		answering();
		const alice = await logIn(browsers[name], 'alice', MINE);
		const bob = await logIn(chromium, 'bob', BOB);
		await alice.call(uri('desk'));
		await talk(alice, MINE, phone('desk'), HZ.desk);
		await alice.do(() => session.transfer('bob', { leave: true }));
		await bob.event('confirmed');
		assert.equal((await alice.event('ended')).originator, 'remote');
		assert.deepEqual((await told(alice)).at(-1), 'done');
		await talk(bob, BOB, phone('desk'), HZ.desk);
		assert.match(await bob.do(() => session.remoteIdentity.uri), /desk/);
		await bob.hangUp();
		assert.equal(await phones.desk.call.ended, 'bye-received');
	});

	test(`${name}: a browser leaves it to a third`, async () => {
		const alice = await logIn(browsers[name], 'alice', MINE);
		const bob = await logIn(chromium, 'bob', BOB);
		const carol = await logIn(chromium, 'carol', CAROL);
		await alice.call('bob');
		await talk(alice, MINE, bob, BOB);
		const before = await connections(alice);
		await bob.do(() => session.transfer('carol', { leave: true }));
		await carol.event('confirmed');
		await bob.event('ended');
		await talk(alice, MINE, carol, CAROL);
		assert.deepEqual(await connections(alice), before, 'one JSEP session');
		await carol.hangUp();
		await alice.event('ended');
	});

	test(`${name}: it joins the phone and the browser that it talks to`, async () => {
		answering();
		const alice = await logIn(browsers[name], 'alice', MINE);
		const bob = await logIn(chromium, 'bob', BOB);
		await alice.call(uri('desk'));
		await talk(alice, MINE, phone('desk'), HZ.desk);
		await alice.do(() => {
			globalThis.first = session;
			return session.hold();
		});
		await alice.do(() => { ua.call('bob'); });
		await bob.event('confirmed');
		await talk(alice, MINE, bob, BOB);
		await alice.do(() => first.joinWith(session));
		await until(async () => await alice.count('ended') === 2, 'both have ended here');
		await talk(bob, BOB, phone('desk'), HZ.desk);
		await bob.hangUp();
		assert.equal(await phones.desk.call.ended, 'bye-received');
	});

	test(`${name}: a phone joins it and another browser (REFER, Replaces)`, async () => {
		answering();
		const alice = await logIn(browsers[name], 'alice', MINE);
		const bob = await logIn(chromium, 'bob', BOB);
		await alice.call(uri('desk'));
		await bob.call(uri('sales'));
		await talk(alice, MINE, phone('desk'), HZ.desk);
		const { call } = phones.desk;
		const other = phones.sales.call;
		const theirs = /;tag=([^;]+)/.exec(other.remote)[1];
		const replaces = encodeURIComponent(
			`${other.id};to-tag=${theirs};from-tag=${other.localTag}`);
		assert.equal((await call.request('REFER', { headers: [core.contact,
			`Refer-To: <sip:bob@demo.example?Replaces=${replaces}>`] })).status, 202);
		assert.equal(await call.ended, 'bye-received');
		assert.equal(await other.ended, 'bye-received');
		await talk(alice, MINE, bob, BOB);
		await alice.hangUp();
		await bob.event('ended');
	});
}
