// Firefox through the gateway: its own offer and answer, sound and pictures,
// beside what Chromium does in the other suites.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchFirefox, ownAddress } from './lib/bidi.mjs';
import { startGateway } from './lib/gateway.mjs';
import { until } from './lib/process.mjs';

const PORT = 24700;
let gateway;
let firefox;

before(async () => {
	gateway = await startGateway({
		name: 'video-firefox', port: PORT,
		extra: { media: { web_address: [ownAddress()] } },
	});
	firefox = await launchFirefox({ dir: gateway.dir, port: PORT + 60 });
	await firefox.goto(new URL('favicon.svg', gateway.url).href);
	await firefox.do(logIn, { endpoint: gateway.endpoint });
});

after(async () => {
	await firefox?.stop();
	await gateway?.stop();
});

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
