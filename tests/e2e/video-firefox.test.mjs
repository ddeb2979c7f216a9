// Firefox through the gateway: its own offer and answer, sound and pictures,
// beside what Chromium does in the other suites.
import test, { after, afterEach, before } from 'node:test';
import assert from 'node:assert/strict';
import { asBrowser, launchFirefox, ownAddress } from './lib/bidi.mjs';
import { launchBrowser } from './lib/browser.mjs';
import { assertHears, openClient } from './lib/client.mjs';
import { startGateway } from './lib/gateway.mjs';
import { until } from './lib/process.mjs';
import { BLUE, GREEN, PAINT, RED, answersWithCamera, assertSees, assertStill, callsWithCamera,
	giveEyes, remoteSdp } from './lib/picture.mjs';
import { mediaOf, startVideoPhone } from './lib/videophone.mjs';

const PORT = 31600;
const PHONE = PORT + 50;
const PHONE_URI = `sip:phone@127.0.0.1:${PHONE}`;
const FOX = 1000; // Hz of its fake microphone
const CHROME = 700;
let gateway;
let firefox;
let chromium;
let phone;
const clients = [];

before(async () => {
	gateway = await startGateway({
		name: 'video-firefox', port: PORT, core: `sip:127.0.0.1:${PHONE};transport=udp`,
		extra: { media: { web_address: ['127.0.0.1', ownAddress()] } },
	});
	phone = await startVideoPhone({ port: PHONE, mediaPort: PORT + 60 });
	chromium = await launchBrowser();
	firefox = await launchFirefox({ dir: gateway.dir, port: PORT + 90 });
	await firefox.goto(new URL('favicon.svg', gateway.url).href);
	await firefox.do(logIn, { endpoint: gateway.endpoint });
});

after(async () => {
	await Promise.all([chromium?.close(), firefox?.stop()]);
	await phone?.close();
	await gateway?.stop();
});

afterEach(async () => {
	for (const client of clients.splice(0))
		await client.close();
});

async function open(browser, user, hz) {
	const client = await openClient(browser, { ...gateway, user, hz, autoAnswer: false });
	clients.push(client);
	await client.registered();
	await giveEyes(client);
	return client;
}

// In the page.
async function logIn({ endpoint }) {
	const { UA } = await import('/isthmus.js');
	const ua = globalThis.ua = new UA({
		endpoint, id: 'sip:alice@demo.example', password: 'demo',
	});
	globalThis.ended = [];
	ua.on('newSession', ({ session }) => {
		globalThis.session = session;
		session.on('failed', (event) => globalThis.ended.push(event.message ?? event.cause));
	});
	await new Promise((done, failed) => {
		ua.on('registered', done);
		ua.on('registrationFailed', (event) => failed(new Error(`status ${event.status}`)));
		ua.start();
	});
}

async function stats() {
	const all = [...(await globalThis.session.connection.getStats()).values()];
	const of = (type, kind) => all.find((s) => s.type === type && s.kind === kind) ?? {};
	const video = of('inbound-rtp', 'video');
	return {
		frames: video.framesDecoded ?? 0, width: video.frameWidth, height: video.frameHeight,
		sound: of('inbound-rtp', 'audio').packetsReceived ?? 0,
		failed: globalThis.ended,
	};
}

test('Firefox sees and hears the echo', async () => {
	await firefox.do(async () => {
		const stream = await navigator.mediaDevices.getUserMedia({
			audio: true, video: { width: 320, height: 240, frameRate: 15 },
		});
		globalThis.ua.call('echo', { mediaStream: stream });
	});
	let now = {};
	await until(async () => {
		now = await firefox.do(stats);
		return now.failed.length || now.frames > 20 && now.sound > 20;
	}, 'pictures and sound', 25_000).catch((error) => {
		throw new Error(`${error.message}: ${JSON.stringify(now)}`);
	});
	assert.deepEqual(now.failed, []);
	assert.equal(now.width / now.height, 4 / 3);

	// The picture moves: Firefox's camera changes its colour.
	const seen = () => firefox.do(async () => {
		const element = (name) =>
			document.createElementNS('http://www.w3.org/1999/xhtml', name);
		const { track } = globalThis.session.connection.getReceivers()
			.find((r) => r.track.kind === 'video');
		const screen = globalThis.screenOf ??= Object.assign(element('video'),
			{ muted: true, srcObject: new MediaStream([track]) });
		await screen.play();
		const paint = element('canvas').getContext('2d', { willReadFrequently: true });
		paint.drawImage(screen, 0, 0, 8, 6);
		return [...paint.getImageData(0, 0, 8, 6).data];
	});
	const first = await seen();
	await until(async () => (await seen()).some((p, i) => Math.abs(p - first[i]) > 16),
		'a picture that changes');
});

test('Firefox drops its video and keeps the sound', async () => {
	await firefox.do(async () => {
		const [video] = globalThis.session.connection.getTransceivers()
			.filter(({ receiver }) => receiver.track.kind === 'video');
		video.stop();
		await globalThis.session.renegotiate();
	});
	assert.match(await firefox.do(() => globalThis.session.connection.remoteDescription.sdp),
		/^m=video 0 /m);
	const before = await firefox.do(stats);
	await until(async () => (await firefox.do(stats)).sound > before.sound + 20, 'sound');
	assert.deepEqual((await firefox.do(stats)).failed, []);
	await firefox.do(() => { globalThis.session.terminate(); });
	await until(async () => await gateway.metric('isthmus_calls_live') === 0, 'no call');
});

// Its H.264 is a plug-in that it downloads.
for (const codec of ['VP8', 'VP9', 'AV1']) {
	test(`${codec} between Firefox and Chromium, both ways`, async () => {
		const type = `video/${codec}`;
		const fox = await open(asBrowser(firefox), 'alice', FOX);
		const chrome = await open(chromium, 'bob', CHROME);
		// Who calls: the sender of an answer goes by the offer alone.
		await chrome.do((c) => probe.onlyCodecs([c]), type);
		await callsWithCamera(chrome, 'alice', GREEN);
		await answersWithCamera(fox, RED);
		await chrome.event('confirmed');
		const [seen, back] = await Promise.all([assertSees(chrome, { colour: RED }),
			assertSees(fox, { colour: GREEN })]);
		assert.deepEqual([seen.codec, back.codec], [type, type]);
		await assertHears(chrome, FOX, { not: CHROME });
		await fox.hangUp();
		await chrome.event('ended');
	});
}

// The m-lines of a call with the phone, by turns: each direction of the picture,
// then the sound, held and resumed by the page.
async function holdsEach(client) {
	const turn = (kind, direction) => client.do(async ([k, d]) => {
		session.connection.getTransceivers().find(({ receiver }) =>
			receiver.track.kind === k).direction = d;
		await session.renegotiate();
	}, [kind, direction]);
	const lineAtPhone = (kind) => mediaOf(phone.offer).find((m) => m.kind === kind).lines;

	await turn('video', 'inactive');
	assert.ok(lineAtPhone('video').includes('a=inactive'), phone.offer);
	await assertStill(client);
	await turn('video', 'sendrecv');
	await assertSees(client, { colour: BLUE });

	// The phone is a mirror: who does not send sees nothing.
	await turn('video', 'recvonly');
	assert.ok(lineAtPhone('video').includes('a=recvonly'), phone.offer);
	await assertStill(client);
	await turn('video', 'sendonly');
	assert.ok(lineAtPhone('video').includes('a=sendonly'), phone.offer);
	const { got } = phone.video;
	await until(() => phone.video.got > got + 20, 'pictures at the phone');
	await assertStill(client);
	await turn('video', 'sendrecv');
	await assertSees(client, { colour: BLUE });

	await turn('audio', 'inactive');
	assert.ok(lineAtPhone('audio').includes('a=inactive'), phone.offer);
	assert.ok(!lineAtPhone('video').includes('a=inactive'), phone.offer);
	const heard = phone.audio.got;
	await assertSees(client, { colour: BLUE });
	assert.ok(phone.audio.got - heard < 5, 'the sound is on hold');
	await turn('audio', 'sendrecv');
	await until(() => phone.audio.got > heard + 20, 'sound at the phone');
}

// And by the phone.
async function isHeldByThePhone(client) {
	assert.equal((await phone.change({ video: true, direction: 'inactive' })).status, 200);
	await until(async () => mediaOf(await remoteSdp(client))[1].lines.includes('a=inactive'),
		'the picture is on hold');
	await assertStill(client);
	assert.notEqual(mediaOf(await remoteSdp(client))[0].lines.includes('a=inactive'), true);
	assert.equal((await phone.change({ video: true, direction: 'recvonly' })).status, 200);
	const { got } = phone.video;
	await until(() => phone.video.got > got + 20, 'pictures at the phone');
	assert.equal((await phone.change({ video: true })).status, 200);
	await assertSees(client, { colour: BLUE });
}

for (const name of ['Firefox', 'Chromium']) {
	test(`${name} adds video to a call with a phone, holds each m-line, takes it away`, async () => {
		const fox = name === 'Firefox';
		const client = await open(fox ? asBrowser(firefox) : chromium, 'alice', fox ? FOX : CHROME);
		phone.requests.length = 0;
		await client.do((target) => { ua.call(target); }, PHONE_URI);
		await client.event('confirmed');
		await assertHears(client, fox ? FOX : CHROME);
		await client.do(async (colour) => {
			const track = probe.painting(colour);
			await session.addVideo({ mediaStream: new MediaStream([track]) });
		}, PAINT[BLUE]);
		await assertSees(client, { colour: BLUE });
		await holdsEach(client);
		await isHeldByThePhone(client);
		await assertHears(client, fox ? FOX : CHROME);

		await client.do(() => session.removeVideo());
		await until(() => mediaOf(phone.offer)[1].port === 0 ||
			mediaOf(phone.offer)[1].lines.some((l) => /a=(inactive|recvonly)/.test(l)),
		'no more pictures');
		const { got } = phone.video;
		await assertHears(client, fox ? FOX : CHROME);
		assert.ok(phone.video.got - got < 5);
		await client.hangUp();
		await phone.ended();
	});
}

test('of several encodings of Firefox one flows to a phone, in full size', async () => {
	const fox = await open(asBrowser(firefox), 'alice', FOX);
	phone.requests.length = 0;
	await fox.do((target) => { ua.call(target); }, PHONE_URI);
	await fox.event('confirmed');
	await fox.do(async (colour) => {
		const track = probe.painting(colour);
		session.connection.addTransceiver(track, {
			direction: 'sendrecv', streams: [new MediaStream([track])],
			sendEncodings: [{ rid: 'q', scaleResolutionDownBy: 4 },
				{ rid: 'h', scaleResolutionDownBy: 2 }, { rid: 'f' }],
		});
		await session.renegotiate();
	}, PAINT[RED]);
	assert.doesNotMatch(phone.offer, /simulcast|rid/);
	await assertSees(fox, { colour: RED, full: true });
	await fox.hangUp();
	await phone.ended();
});

test('a phone adds video to a call of Firefox, and takes it away', async () => {
	const fox = await open(asBrowser(firefox), 'alice', FOX);
	phone.requests.length = 0;
	phone.wantsVideo = false;
	await fox.do((target) => { ua.call(target); }, PHONE_URI);
	await fox.event('confirmed');
	phone.wantsVideo = true;
	const answer = await phone.change({ video: true });
	assert.equal(answer.status, 200);
	assert.ok(mediaOf(answer.body)[1].lines.includes('a=recvonly'), answer.body);
	await fox.do(async (colour) => {
		const track = probe.painting(colour);
		await session.addVideo({ mediaStream: new MediaStream([track]) });
	}, PAINT[BLUE]);
	await assertSees(fox, { colour: BLUE });
	assert.equal((await phone.change({ video: false })).status, 200);
	await until(async () => /^m=video 0 /m.test(await remoteSdp(fox)), 'no video');
	await assertHears(fox, FOX);
	await fox.hangUp();
	await phone.ended();
});

test('nothing is left behind', async () => {
	for (const metric of ['isthmus_calls_live', 'isthmus_media_contexts',
		'isthmus_media_sockets', 'isthmus_media_agents'])
		await until(async () => await gateway.metric(metric) === 0, `${metric} is 0`, 30_000);
});
