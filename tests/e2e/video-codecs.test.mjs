// Each video codec of Chromium's, browser to browser, from the echo and with a
// SIP phone that plays back what it sees.
import test, { after, afterEach, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchBrowser } from './lib/browser.mjs';
import { startGateway } from './lib/gateway.mjs';
import { assertHears, openClient } from './lib/client.mjs';
import { until } from './lib/process.mjs';
import { BLUE, GREEN, RED, answersWithCamera, assertSees, callsWithCamera, giveEyes, look,
	remoteSdp } from './lib/picture.mjs';
import { mediaOf, startVideoPhone } from './lib/videophone.mjs';

const PORT = 31000;
const PHONE = PORT + 50;
const PHONE_URI = `sip:phone@127.0.0.1:${PHONE}`;
let gateway;
let browser;
let phone;
const clients = [];

before(async () => {
	gateway = await startGateway({
		name: 'video-codecs', port: PORT, core: `sip:127.0.0.1:${PHONE};transport=udp`,
	});
	phone = await startVideoPhone({ port: PHONE, mediaPort: PORT + 60 });
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
});

async function logIn(user, hz, codec) {
	const client = await openClient(browser, { ...gateway, user, hz, autoAnswer: false });
	clients.push(client);
	await client.registered();
	await giveEyes(client);
	if (codec)
		await client.do((c) => probe.onlyCodecs([c]), codec);
	return client;
}

for (const codec of ['VP8', 'VP9', 'AV1', 'H264']) {
	const type = `video/${codec}`;

	test(`${codec} from browser to browser, both ways`, async () => {
		const alice = await logIn('alice', 440, type);
		const bob = await logIn('bob', 700);
		await callsWithCamera(alice, 'bob', RED);
		await answersWithCamera(bob, GREEN);
		await alice.event('confirmed');
		const [seen, back] = await Promise.all([assertSees(bob, { colour: RED }),
			assertSees(alice, { colour: GREEN })]);
		assert.equal(seen.codec, type);
		assert.equal(back.codec, type);
		await assertHears(bob, 440, { not: 700 });
		await alice.hangUp();
		await bob.event('ended');
	});

	test(`${codec} back from the echo`, async () => {
		const alice = await logIn('alice', 440, type);
		await callsWithCamera(alice, 'echo', BLUE);
		await alice.event('confirmed');
		assert.equal((await assertSees(alice, { colour: BLUE })).codec, type);
		await alice.hangUp();
	});

	test(`${codec} to a phone that has nothing else, and back`, async () => {
		const alice = await logIn('alice', 440);
		phone.codec = `${codec}/90000`;
		phone.requests.length = 0;
		await callsWithCamera(alice, PHONE_URI, GREEN);
		await alice.event('confirmed');
		assert.equal((await assertSees(alice, { colour: GREEN })).codec, type);
		await assertHears(alice, 440);
		// Of the offer all variants came, each with its parameters.
		const maps = (sdp) => mediaOf(sdp)[1].lines.filter((line) =>
			/^a=(rtpmap|fmtp):/.test(line) && !/rtx|red\/|ulpfec|flexfec|apt=/.test(line));
		const own = await alice.do(() => session.connection.localDescription.sdp);
		assert.deepEqual(maps(phone.offer).sort(), maps(own).sort());
		await alice.hangUp();
		await phone.ended();
	});
}

test('a phone that takes AV1 of a higher level is answered to', async () => {
	const alice = await logIn('alice', 440);
	phone.codec = 'AV1/90000';
	phone.fmtp = 'level-idx=8;profile=0;tier=0';
	phone.requests.length = 0;
	try {
		await callsWithCamera(alice, PHONE_URI, RED);
		await alice.event('confirmed');
		assert.match(await remoteSdp(alice), /^a=fmtp:\d+ level-idx=8;profile=0;tier=0\r$/m);
		assert.equal((await assertSees(alice, { colour: RED })).codec, 'video/AV1');
	} finally {
		phone.fmtp = null;
	}
	await alice.hangUp();
	await phone.ended();
});

test('H.264 of a lower level, asymmetric', async () => {
	const alice = await logIn('alice', 440);
	phone.codec = 'H264/90000';
	phone.fmtp = 'profile-level-id=42e00d;packetization-mode=1;level-asymmetry-allowed=1';
	phone.requests.length = 0;
	try {
		await callsWithCamera(alice, PHONE_URI, RED);
		await alice.event('confirmed');
		assert.match(await remoteSdp(alice), /profile-level-id=42e00d/);
		assert.equal((await assertSees(alice, { colour: RED })).codec, 'video/H264');
	} finally {
		phone.fmtp = null;
	}
	await alice.hangUp();
	await phone.ended();
});

test('browsers without a codec in common hear each other', async () => {
	const alice = await logIn('alice', 440, 'video/VP9');
	const bob = await logIn('bob', 700, 'video/AV1');
	await callsWithCamera(alice, 'bob', RED);
	await answersWithCamera(bob, GREEN);
	await alice.event('confirmed');
	assert.equal(mediaOf(await remoteSdp(alice))[1].port, 0);
	await assertHears(bob, 440, { not: 700 });
	assert.equal((await look(bob))?.frames ?? 0, 0);
	await alice.hangUp();
	await bob.event('ended');
});

test('nothing is left behind', async () => {
	for (const metric of ['isthmus_calls_live', 'isthmus_media_contexts',
		'isthmus_media_sockets', 'isthmus_media_agents'])
		await until(async () => await gateway.metric(metric) === 0, `${metric} is 0`, 30_000);
});
