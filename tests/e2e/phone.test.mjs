// A browser and a SIP phone (baresip) through the gateway: a different tone
// each way, so silence, echo and crossed calls all fail.
import test, { after, afterEach, before } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { launchBrowser } from './lib/browser.mjs';
import { startBaresip } from './lib/baresip.mjs';
import { startGateway } from './lib/gateway.mjs';
import { assertHears, assertSilence, openClient } from './lib/client.mjs';
import { until } from './lib/process.mjs';

const PORT = 24100;
const PHONE = 24150;
const MINE = 440;
const THEIRS = 1000;
const PHONE_URI = `sip:phone@127.0.0.1:${PHONE}`;

let gateway;
let phone;
let browser;
let alice;

before(async () => {
	gateway = await startGateway({
		name: 'phone', port: PORT, core: `sip:127.0.0.1:${PHONE};transport=udp`,
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
	await alice?.close();
	alice = null;
	await phone.hangup();
	phone.events.length = 0;
});

async function logIn(more = {}) {
	alice = await openClient(browser, { ...gateway, user: 'alice', hz: MINE, ...more });
	return alice.registered();
}

async function bothHear() {
	await assertHears(alice, THEIRS, { not: MINE });
	await assertHears(phone, MINE, { not: THEIRS });
}

test('the browser calls the phone, and both hear each other', async () => {
	await logIn();
	await alice.call(PHONE_URI);
	await bothHear();
	const states = (await alice.seen()).filter(([n]) => n === 'state').map(([, e]) => e.state);
	assert.equal(states[0], 'proceeding');
	assert.ok(states.includes('alerting'), states.join(' '));
	assert.equal(await alice.state(), 'connected');
	await alice.hangUp();
	await phone.event('CALL_CLOSED');
	await until(() => gateway.cdrs().length === 1, 'one CDR');
});

test('the phone calls the browser, and both hear each other', async () => {
	await logIn();
	await phone.dial(`sip:alice@127.0.0.1:${gateway.sipPort}`);
	assert.equal((await alice.event('newSession')).originator, 'remote');
	await alice.event('confirmed');
	await phone.event('CALL_ESTABLISHED');
	await bothHear();
	assert.match(await alice.do(() => session.remoteIdentity.uri), /^sip:phone@/);
	await phone.hangup();
	assert.equal((await alice.event('ended')).originator, 'remote');
});

test('without a pre-offer the gateway makes the offer', async () => {
	await logIn();
	await alice.call(PHONE_URI, { preOffer: false });
	await bothHear();
	assert.equal(alice.requests('msetup', 'c2s')[0].preOffer, undefined);
	assert.ok(alice.requests('mupdate', 's2c').some((m) => m.sdpOffer));
});

test('the phone hangs up', async () => {
	await logIn();
	await alice.call(PHONE_URI);
	await phone.event('CALL_ESTABLISHED');
	await phone.hangup();
	const ended = await alice.event('ended');
	assert.equal(ended.originator, 'remote');
	assert.equal(ended.cause, 'Terminated');
});

test('digits pressed in the browser are heard by the phone', async () => {
	await logIn();
	await alice.call(PHONE_URI);
	await bothHear();
	await alice.do(() => session.sendDTMF('159#*D'));
	await until(() => phone.digits === '159#*D', `digits arrive (${phone.digits})`);
});

test('the browser holds: the tone stops and comes back', async () => {
	await logIn();
	await alice.call(PHONE_URI);
	await bothHear();
	await alice.do(() => session.hold());
	await assertSilence(alice);
	await assertSilence(phone);
	assert.equal(await alice.state(), 'held');
	await alice.do(() => session.unhold());
	await assertHears(alice, THEIRS, { not: MINE });
	assert.equal(await alice.state(), 'connected');
});

test('the phone holds: the tone stops and comes back', async () => {
	await logIn();
	await alice.call(PHONE_URI);
	await bothHear();
	await phone.hold();
	assert.equal((await alice.event('hold')).originator, 'remote');
	await assertSilence(alice);
	await phone.resume();
	assert.equal((await alice.event('unhold')).originator, 'remote');
	await assertHears(alice, THEIRS, { not: MINE });
});

test('a lost WebSocket leaves the call alone, and the page takes it over', async () => {
	await logIn();
	await alice.call(PHONE_URI);
	await bothHear();
	await alice.do(() => probe.sockets.at(-1).close(3000, 'lost'));
	await alice.event('disconnected');
	await alice.event('reconnected');
	assert.equal((await alice.event('registered', { nth: 1 })).resumed, true);
	assert.equal(await alice.count('ended'), 0);
	await bothHear();
	// The new connection is as good as the first one.
	await alice.do(() => session.hold());
	await assertSilence(alice);
	await alice.do(() => session.unhold());
	await assertHears(alice, THEIRS, { not: MINE });
	await alice.hangUp();
	await phone.event('CALL_CLOSED');
});

test('hanging up while the WebSocket is lost reaches the phone afterwards', async () => {
	await logIn();
	await alice.call(PHONE_URI);
	await phone.event('CALL_ESTABLISHED');
	await alice.do(() => { probe.sockets.at(-1).close(3000); session.terminate(); });
	await phone.event('CALL_CLOSED');
});

test('a call comes in after the WebSocket was lost and replaced', async () => {
	await logIn();
	await alice.do(() => probe.sockets.at(-1).close(3000));
	await alice.event('registered', { nth: 1 });
	await phone.dial(`sip:alice@127.0.0.1:${gateway.sipPort}`);
	await alice.event('confirmed');
	await bothHear();
});

test('a caller nobody knows is told so', async () => {
	await logIn();
	await alice.do((uri) => { ua.call(uri); }, `sip:nobody@127.0.0.1:${PHONE}`);
	const failed = await alice.event('failed');
	assert.equal(failed.status, 404);
	assert.equal(failed.cause, 'Not Found');
});

test('a call to a user who is not here fails at the phone', async () => {
	await logIn();
	await phone.dial(`sip:bob@127.0.0.1:${gateway.sipPort}`);
	const closed = await phone.event('CALL_CLOSED');
	assert.match(closed.param, /^(480|404)/);
});

test('a rejected call is busy at the phone', async () => {
	await logIn({ autoAnswer: false });
	await phone.dial(`sip:alice@127.0.0.1:${gateway.sipPort}`);
	await alice.event('newSession');
	await alice.do(() => session.reject({ status: 486 }));
	assert.match((await phone.event('CALL_CLOSED')).param, /^486/);
});

test('a call given up while it rings is canceled in the browser', async () => {
	await logIn({ autoAnswer: false });
	await phone.dial(`sip:alice@127.0.0.1:${gateway.sipPort}`);
	await alice.event('newSession');
	await phone.event('CALL_RINGING');
	await phone.hangup();
	assert.equal((await alice.event('failed')).originator, 'remote');
});

test('nothing is left behind', async () => {
	for (const metric of ['isthmus_calls_live', 'isthmus_media_contexts',
		'isthmus_media_sockets', 'isthmus_media_agents', 'isthmus_sip_legs',
		'isthmus_respect_sessions'])
		await until(async () => await gateway.metric(metric) === 0, `${metric} is 0`);
});
