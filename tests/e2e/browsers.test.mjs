// Browsers with each other through the gateway, the echo resource, and who is
// not let in.
import test, { after, afterEach, before } from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { LOOPBACK, launchBrowser, onlyLoopback, openPage } from './lib/browser.mjs';
import { startGateway } from './lib/gateway.mjs';
import { assertHears, assertSilence, openClient } from './lib/client.mjs';
import { until } from './lib/process.mjs';

const PORT = 24400;
let gateway;
let browser;
const clients = [];

before(async () => {
	gateway = await startGateway({ name: 'browsers', port: PORT });
	browser = await launchBrowser();
});

after(async () => {
	await browser?.close();
	await gateway?.stop();
});

afterEach(async () => {
	for (const client of clients.splice(0))
		await client.close();
});

async function logIn(user, hz, more = {}) {
	const client = await openClient(more.browser ?? browser,
		{ ...gateway, user, hz, ...more });
	clients.push(client);
	return client.registered();
}

async function pair(more) {
	const alice = await logIn('alice', 440, more);
	const bob = await logIn('bob', 700, more);
	await alice.call('bob');
	await bob.event('confirmed');
	await assertHears(alice, 700, { not: 440 });
	await assertHears(bob, 440, { not: 700 });
	return [alice, bob];
}

test('two browsers talk through the gateway', async () => {
	const [alice, bob] = await pair();
	assert.equal(await bob.do(() => session.remoteIdentity.uri), 'sip:alice@demo.example');
	assert.equal(await bob.do(() => session.remoteIdentity.displayName), 'Alice');
	// Neither sees the other's address: the gateway is in between.
	const remotes = await alice.do(async () =>
		[...(await session.connection.getStats()).values()]
			.filter((s) => s.type === 'remote-candidate').map((s) => s.address));
	assert.deepEqual([...new Set(remotes)], ['127.0.0.1']);
	await alice.hangUp();
	assert.equal((await bob.event('ended')).originator, 'remote');
});

test('hold stops both tones and both come back', async () => {
	const [alice, bob] = await pair();
	await alice.do(() => session.hold());
	assert.equal((await bob.event('hold')).originator, 'remote');
	await assertSilence(alice);
	await assertSilence(bob);
	await alice.do(() => session.unhold());
	await assertHears(alice, 700, { not: 440 });
	await assertHears(bob, 440, { not: 700 });
	assert.equal(await bob.state(), 'connected');
});

test('both hold at once, and both come back', async () => {
	const [alice, bob] = await pair();
	await Promise.all([alice, bob].map((c) => c.do(() => session.hold())));
	await assertSilence(alice);
	await assertSilence(bob);
	await alice.do(() => session.unhold());
	await bob.do(() => session.unhold());
	await assertHears(alice, 700, { not: 440, timeout: 20_000 });
	await assertHears(bob, 440, { not: 700 });
});

test('whoever held first, and whoever resumes first, both come back', async () => {
	const [alice, bob] = await pair();
	const held = (c) => c.do(() => session.isOnHold());
	for (const [first, second] of [[alice, bob], [bob, alice]]) {
		await alice.do(() => session.hold());
		await bob.do(() => session.hold());
		for (const c of [alice, bob])
			await until(async () => {
				const { local, remote } = await held(c);
				return local && remote;
			}, 'held from both sides');
		await alice.do(() => session.mute());
		await first.do(() => session.unhold());
		assert.deepEqual(await held(first), { local: false, remote: true });
		assert.equal(await first.state(), 'held');
		await assertSilence(first);
		await assertSilence(second);
		await second.do(() => session.unhold());
		for (const c of [alice, bob])
			await until(async () => await c.state() === 'connected', 'nobody holds');
		await assertHears(alice, 700, { not: 440 });
		await assertSilence(bob); // muted stays muted
		await alice.do(() => session.unmute());
		await assertHears(bob, 440, { not: 700 });
	}
});

test('an ICE restart keeps the call', async () => {
	const [alice, bob] = await pair();
	await alice.do(() => session.restartIce());
	await assertHears(alice, 700, { not: 440 });
	await assertHears(bob, 440, { not: 700 });
	await until(() => alice.do(() => session.connection.connectionState === 'connected'),
		'connected after the restart');
});

test('a browser with two ways to the gateway is heard on either', async () => {
	const twoWays = await launchBrowser({ args: [LOOPBACK] });
	try {
		await pair({ browser: twoWays });
	} finally {
		await twoWays.close();
	}
});

test('browsers that hide their addresses behind mDNS names are reached', {
	// a name is only given when it can be announced
	skip: onlyLoopback && 'nothing here carries multicast',
}, async () => {
	const [alice] = await pair({ permissions: false });
	const offer = alice.requests('msetup', 'c2s')[0].preOffer;
	assert.ok(!offer.includes('typ host') || offer.includes('.local'));
	const hidden = await alice.do(() => session.connection.localDescription.sdp
		.split('\n').filter((line) => line.includes('typ host')));
	assert.ok(hidden.length > 0 && hidden.every((line) => line.includes('.local ')),
		hidden.join());
});

test('echo plays back what it hears', async () => {
	const alice = await logIn('alice', 520);
	await alice.call('echo');
	await assertHears(alice, 520);
	await alice.do(() => session.mute());
	await assertSilence(alice);
	await alice.do(() => session.unmute());
	await assertHears(alice, 520);
	await alice.hangUp();
});

test('echo is held and taken back', async () => {
	const alice = await logIn('alice', 520);
	await alice.call('echo');
	await assertHears(alice, 520);
	await alice.do(() => session.hold());
	await assertSilence(alice);
	await alice.do(() => session.unhold());
	await assertHears(alice, 520);
});

test('several calls live on one connection', async () => {
	const alice = await logIn('alice', 520);
	await alice.call('echo');
	await alice.do(() => { globalThis.first = session; ua.call('echo'); });
	await alice.event('confirmed', { nth: 1 });
	assert.equal(await alice.do(() => ua.sessions.length), 2);
	await alice.do(() => globalThis.first.terminate());
	await assertHears(alice, 520);
	assert.equal(await alice.do(() => ua.sessions.length), 1);
});

test('a data channel line is refused and the audio lives', async () => {
	const alice = await logIn('alice', 520);
	await alice.do(() => {
		const made = ua.call('echo');
		made.on('peerconnection', ({ connection }) => connection.createDataChannel('chat'));
	});
	await alice.event('confirmed');
	assert.match(await alice.do(() => session.connection.remoteDescription.sdp),
		/^m=application 0 /m);
	await assertHears(alice, 520);
});

test('a wrong password is refused, once and for all', async () => {
	const eve = await openClient(browser, {
		...gateway, user: 'alice', config: { password: 'guess' },
	});
	clients.push(eve);
	const failure = await eve.event('registrationFailed');
	assert.ok([401, 403].includes(failure.status), String(failure.status));
	assert.equal(failure.willRetry, false);
	assert.equal((await eve.event('disconnected')).reconnecting, false);
});

test('a user nobody configured is refused like a wrong password', async () => {
	const eve = await openClient(browser, { ...gateway, user: 'eve' });
	clients.push(eve);
	assert.ok([401, 403].includes((await eve.event('registrationFailed')).status));
});

test('a page of another origin is not let in', async () => {
	const elsewhere = http.createServer((request, response) => {
		response.writeHead(200, { 'Content-Type': 'text/html' }).end('<p>elsewhere');
	});
	await new Promise((done) => elsewhere.listen(PORT + 60, '127.0.0.1', done));
	const refused = await gateway.metric('isthmus_ws_refused_total');
	try {
		const page = await openPage(browser, `http://127.0.0.1:${PORT + 60}/`);
		const code = await page.evaluate((endpoint) => new Promise((done) => {
			const socket = new WebSocket(endpoint, '3gpp.RESPECT.v1');
			socket.onopen = () => done('open');
			socket.onclose = (event) => done(event.code);
		}), gateway.endpoint);
		assert.equal(code, 1006);
		await page.context().close();
	} finally {
		elsewhere.closeAllConnections();
		await new Promise((done) => elsewhere.close(done));
	}
	assert.equal(await gateway.metric('isthmus_ws_refused_total'), refused + 1);
});

test('calling a user who is not logged in fails with its reason', async () => {
	const alice = await logIn('alice', 440);
	await alice.do(() => { ua.call('bob'); });
	const failed = await alice.event('failed');
	assert.ok([404, 480].includes(failed.status), String(failed.status));
});

test('the gateway tells what it can', async () => {
	const alice = await logIn('alice', 440);
	const info = await alice.do(() => ua.getInfo(['capabilities', 'registration',
		'mediaSessions', 'weather']));
	assert.ok(info.capabilities.methods.includes('msetup'));
	assert.deepEqual(info.mediaSessions, []);
	assert.equal(info.weather, null);
	assert.ok(info.registration.identities.includes('sip:alice@demo.example') ||
		info.registration.webrtcId === 'sip:alice@demo.example');
});

test('logging out ends the registration at once', async () => {
	const registered = 'isthmus_respect_registrations{state="registered"}';
	await until(async () => await gateway.metric(registered) === 0, 'nobody is here');
	const alice = await logIn('alice', 440);
	assert.equal(await gateway.metric(registered), 1);
	const suspended = 'isthmus_respect_registrations{state="suspended"}';
	const before = await gateway.metric(suspended);
	await alice.do(() => ua.stop());
	await alice.event('unregistered');
	await until(async () => await gateway.metric(registered) === 0, 'deregistered');
	assert.ok(await gateway.metric(suspended) <= before);
});

test('nothing is left behind', async () => {
	for (const metric of ['isthmus_calls_live', 'isthmus_media_contexts',
		'isthmus_media_sockets', 'isthmus_media_agents', 'isthmus_respect_sessions'])
		await until(async () => await gateway.metric(metric) === 0, `${metric} is 0`, 30_000);
});
