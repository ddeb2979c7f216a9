// endpoints.test.mjs - a user at several endpoints: all ring, the first answer
// wins, the others hear of it; and one too many ends the oldest.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { launchBrowser } from './lib/browser.mjs';
import { assertHears, openClient } from './lib/client.mjs';
import { PASSWORD, startGateway } from './lib/gateway.mjs';
import { until } from './lib/process.mjs';
import { browserSdp, connect } from '../lib/respect.mjs';

const ALICE = 'sip:alice@demo.example';
const BOB = 'sip:bob@demo.example';
const answer = () => browserSdp({ setup: 'active' });
const opened = [];
let gateway;

before(async () => {
	gateway = await startGateway({ name: 'endpoints', port: 29300,
		extra: { auth: { ttl_max_s: 20, max_endpoints: 3 } } });
});
after(() => gateway?.stop());
afterEach(async () => {
	await Promise.all(opened.splice(0).map((client) => client.closeCode === null &&
		client.auth({ authType: 'basic', webrtcId: client.id, expiration: 0 }).catch(() => {})));
	await until(async () => await gateway.metric('isthmus_respect_registrations') === 0, 'all have left');
	assert.equal(await gateway.metric('isthmus_respect_sessions'), 0);
});

async function logIn(id) {
	const client = await connect(gateway.endpoint, { origin: `https://127.0.0.1:${gateway.port}` });
	await client.authBasic(id, PASSWORD);
	opened.push(client);
	return client;
}

const many = (n, id) => Promise.all(Array.from({ length: n }, () => logIn(id)));
const ring = (client) => client.next(({ method }) => method === 'msetup');
const end = (client) => client.next(({ method }) => method === 'mdisc');

async function callBob(alice) {
	const { mediaSessionId } = await alice.request('msetup',
		{ resourceId: BOB, preOffer: browserSdp() });
	return mediaSessionId;
}

test('all ring; the first answer wins, and the others hear that', async () => {
	const [alice, ...bobs] = [await logIn(ALICE), ...await many(3, BOB)];
	const mediaSessionId = await callBob(alice);
	const rings = await Promise.all(bobs.map(ring));
	assert.equal(new Set(rings.map((m) => m.mediaSessionId)).size, 3);
	await alice.state('alerting');
	await bobs[1].request('mupdate',
		{ mediaSessionId: rings[1].mediaSessionId, sdpAnswer: answer() });
	for (const bob of [bobs[0], bobs[2]]) {
		const { problemDetails } = await end(bob);
		assert.equal(problemDetails.status, 200);
		assert.match(problemDetails.detail, /answered elsewhere/);
	}
	await alice.state('connected');
	assert.equal(alice.requests.filter((m) => m.mediaSessionState === 'alerting').length, 1);
	/* What is said now is between these two. */
	await alice.request('mupdate', { mediaSessionId, userData: { hello: 1 } });
	assert.deepEqual((await bobs[1].next((m) => m.userData)).userData, { hello: 1 });
	await bobs[1].request('mdisc', { mediaSessionId: rings[1].mediaSessionId });
	await end(alice);
	assert.equal(await gateway.metric('isthmus_calls_forked_total'), 1);
	await until(() => gateway.cdrs().length === 1, 'a CDR');
	assert.equal(gateway.cdrs()[0].b.leg, 'respect');
});

test('two answers at once: one is taken', async () => {
	const [alice, ...bobs] = [await logIn(ALICE), ...await many(2, BOB)];
	await callBob(alice);
	const rings = await Promise.all(bobs.map(ring));
	const results = await Promise.all(bobs.map((bob, i) => bob.transact('mupdate',
		{ mediaSessionId: rings[i].mediaSessionId, sdpAnswer: answer() })));
	assert.deepEqual(results.map(({ success }) => success).sort(), [false, true]);
	assert.equal(results.find(({ success }) => !success).problemDetails.status, 481);
	await alice.state('connected');
});

test('who is busy leaves the others ringing, who declines does it for all', async () => {
	const [alice, ...bobs] = [await logIn(ALICE), ...await many(3, BOB)];
	bobs[0].answers = ({ method }) => method === 'msetup' ?
		{ success: false, problemDetails: { type: 'about:blank', title: 'Busy', status: 486 } } : {};
	await callBob(alice);
	const rings = await Promise.all(bobs.map(ring));
	assert.equal(alice.requests.filter(({ method }) => method === 'mdisc').length, 0);
	await bobs[1].request('mdisc', { mediaSessionId: rings[1].mediaSessionId });
	assert.equal((await end(alice)).problemDetails.status, 603);
	assert.equal((await end(bobs[2])).problemDetails.status, 603);
});

test('the caller gives up: none rings on', async () => {
	const [alice, ...bobs] = [await logIn(ALICE), ...await many(2, BOB)];
	const mediaSessionId = await callBob(alice);
	await Promise.all(bobs.map(ring));
	await alice.request('mdisc', { mediaSessionId });
	await Promise.all(bobs.map(end));
});

test('one endpoint too many ends the oldest', async () => {
	const bobs = await many(3, BOB);
	const last = await logIn(BOB);
	const codes = () => bobs.map((bob) => bob.closeCode).filter(Boolean);
	await until(() => codes().length === 1, 'one is closed');
	assert.deepEqual(codes(), [4002]);
	assert.equal(last.closeCode, null);
	assert.equal(await gateway.metric('isthmus_respect_registrations'), 3);
	/* A refresh is none too many. */
	await last.authBasic(BOB, PASSWORD);
	assert.equal(codes().length, 1);
});

test('in browsers: who answers is heard, both ways, and the other page stops ringing', async () => {
	const browser = await launchBrowser();
	const pages = [];
	const page = async (id, hz, more = {}) => {
		const client = await openClient(browser, { ...gateway, id, hz, ...more });
		pages.push(client);
		await client.registered();
		return client;
	};
	try {
		const alice = await page(ALICE, 440);
		const silent = await page(BOB, 1000, { autoAnswer: false });
		const bob = await page(BOB, 700);
		await alice.call(BOB);
		assert.equal((await silent.event('newSession')).originator, 'remote');
		await bob.event('confirmed');
		await assertHears(alice, 700, { not: 440 });
		await assertHears(bob, 440, { not: 700 });
		assert.match(JSON.stringify((await silent.event('failed')).cause), /elsewhere/i);
		await alice.hangUp();
		await bob.event('ended');
	} finally {
		await Promise.all(pages.map((client) => client.do(() => globalThis.ua.stop())
			.finally(() => client.close())));
		await browser.close();
	}
});
