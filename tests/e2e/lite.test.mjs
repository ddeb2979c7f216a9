// The same calls where the gateway is ICE-lite: one UDP port for all of them.
// A different tone each way, so silence, echo and crossed calls all fail.
import test, { after, afterEach, before } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { launchBrowser, openPage } from './lib/browser.mjs';
import { startBaresip } from './lib/baresip.mjs';
import { PASSWORD, startGateway } from './lib/gateway.mjs';
import { assertHears, Client, openClient } from './lib/client.mjs';
import { until } from './lib/process.mjs';

const PORT = 24500;
const PHONE = 24550;
const LITE = 24580;
const MINE = 440;
const THEIRS = 1000;
const PHONE_URI = `sip:phone@127.0.0.1:${PHONE}`;

let gateway;
let phone;
let browser;
const clients = [];

before(async () => {
	gateway = await startGateway({
		name: 'lite', port: PORT, core: `sip:127.0.0.1:${PHONE};transport=udp`,
		extra: { media: { ice: 'lite', lite_port: LITE } },
	});
	phone = await startBaresip({
		dir: path.join(gateway.dir, 'phone'), port: PHONE, hz: THEIRS,
	});
	browser = await launchBrowser();
});

after(async () => {
	await browser?.close();
	await phone?.stop();
	await gateway?.stop();
});

afterEach(async () => {
	for (const client of clients.splice(0))
		await client.close();
	await phone.hangup();
	phone.events.length = 0;
});

async function logIn(more = {}) {
	const client = await openClient(browser, { ...gateway, user: 'alice', hz: MINE, ...more });
	clients.push(client);
	return client.registered();
}

async function bothHear(alice) {
	await assertHears(alice, THEIRS, { not: MINE });
	await assertHears(phone, MINE, { not: THEIRS });
}

const remoteSdp = (client) => client.do(() => session.connection.remoteDescription.sdp);
/** Of the pair in use: what the browser sees at the other end. */
const remotePort = (client) => client.do(async () => {
	const stats = [...(await session.connection.getStats()).values()];
	const pair = stats.find((s) => s.type === 'candidate-pair' && s.nominated);
	return stats.find((s) => s.id === pair?.remoteCandidateId)?.port;
});

test('the browser calls the phone, and both hear each other', async () => {
	const alice = await logIn();
	await alice.call(PHONE_URI);
	await bothHear(alice);
	const sdp = await remoteSdp(alice);
	assert.match(sdp, /^a=ice-lite\r$/m);
	assert.deepEqual(sdp.match(/^a=candidate:.*$/gm).map((line) => line.split(' ')
		.slice(4, 8).join(' ')), [`127.0.0.1 ${LITE} typ host`]);
	assert.equal(await remotePort(alice), LITE);
	await alice.hangUp();
	await phone.event('CALL_CLOSED');
	assert.equal(await gateway.metric('isthmus_media_split_failed_total'), 0);
});

test('the phone calls the browser, and both hear each other', async () => {
	const alice = await logIn();
	await phone.dial(`sip:alice@127.0.0.1:${gateway.sipPort}`);
	await alice.event('confirmed');
	await bothHear(alice);
	await phone.hangup();
	assert.equal((await alice.event('ended')).originator, 'remote');
});

test('the gateway offers, and both hear each other', async () => {
	const alice = await logIn();
	await alice.call(PHONE_URI, { preOffer: false });
	await bothHear(alice);
	assert.match(await remoteSdp(alice), /^a=ice-lite\r$/m);
});

test('two calls on one port are not mixed up', async () => {
	const alice = await logIn({ hz: 440 });
	const bob = await logIn({ user: 'bob', hz: 700 });
	await alice.call('sip:bob@demo.example');
	await bob.event('confirmed');
	await assertHears(alice, 700, { not: 440 });
	await assertHears(bob, 440, { not: 700 });
	assert.equal(await remotePort(alice), LITE);
	assert.equal(await remotePort(bob), LITE);
});

test('an ICE restart keeps the call and its keys', async () => {
	const alice = await logIn();
	await alice.call(PHONE_URI);
	await bothHear(alice);
	const secured = () => gateway.log().split('media is secured').length - 1;
	const keys = secured();
	const ufrag = async () => /ice-ufrag:(\S+)/.exec(await remoteSdp(alice))[1];
	const earlier = await ufrag();
	await alice.do(() => session.restartIce());
	assert.notEqual(await ufrag(), earlier);
	await bothHear(alice);
	await until(() => alice.do(() => session.connection.connectionState === 'connected'),
		'connected after the restart');
	assert.equal(secured(), keys);
	assert.equal(await alice.state(), 'connected');
});

test('a browser that disappears is released, lite or full', async () => {
	const full = await startGateway({ name: 'lite-full', port: PORT + 300 });
	try {
		const ends = await Promise.all([gateway, full].map(async (its) => {
			const alice = await logIn(its);
			await alice.call('echo');
			await assertHears(alice, MINE);
			const before = Date.now();
			// The page is there and its transport is not.
			await alice.do(() => session.connection.close());
			const ended = await alice.event('ended', { timeout: 90_000 });
			return { its, ended, after: Date.now() - before };
		}));
		for (const { its, ended, after } of ends) {
			assert.equal(ended.originator, 'remote');
			// RFC 7675: 30 s at most (libnice gives up after some 10); and
			// 30 s to come back.
			assert.ok(after > (its === full ? 32_000 : 50_000) && after < 75_000,
				`after ${after} ms`);
			assert.equal(its.cdrs().at(-1).reason, 'media path to the browser lost');
		}
	} finally {
		await full.stop();
	}
});

test('a page that is reloaded takes its call over', async () => {
	const page = await openPage(browser, gateway.url, { hz: MINE, record: true });
	const ears = new Client(page);
	clients.push(ears);
	await page.fill('#user', 'alice@demo.example');
	await page.fill('#password', PASSWORD);
	await page.click('#login-form button');
	await page.waitForSelector('#dial-form >> visible=true');
	await page.fill('#target', PHONE_URI);
	await page.click('#dial-form button');
	await page.waitForSelector('.callcard[data-state=connected]');
	await bothHear(ears);
	await page.reload();
	await page.waitForSelector('.callcard[data-state=connected]');
	await bothHear(ears);
	assert.equal(phone.count('CALL_CLOSED'), 0);
});
