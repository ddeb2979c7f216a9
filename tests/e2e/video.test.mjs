// Pictures: browsers with a camera through the gateway to each other, to the
// echo and to a SIP phone that plays back what it sees.  A picture counts when
// frames are decoded, at the size that was sent, and when it moves.
import test, { after, afterEach, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchBrowser } from './lib/browser.mjs';
import { startGateway } from './lib/gateway.mjs';
import { assertHears, openClient } from './lib/client.mjs';
import { until } from './lib/process.mjs';
import { mediaOf, startVideoPhone } from './lib/videophone.mjs';

const PORT = 24500;
const PHONE = PORT + 50;
const KBPS = 300;
const WIDTH = 320;
const HEIGHT = 240;
let gateway;
let browser;
let phone;
const clients = [];

before(async () => {
	gateway = await startGateway({
		name: 'video', port: PORT, core: `sip:127.0.0.1:${PHONE};transport=udp`,
	});
	phone = await startVideoPhone({ port: PHONE, mediaPort: PORT + 60, kbps: KBPS });
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

// In the page: cameras, and eyes.
function instrument({ width, height }) {
	const { probe } = globalThis;
	// The page is an image, its elements would be none of HTML.
	const element = (name) => document.createElementNS('http://www.w3.org/1999/xhtml', name);
	/** Sound as ever, with Chromium's own moving camera, or one @colour that breathes. */
	probe.camera = async (colour) => {
		const stream = probe.microphone().clone();
		if (!colour) {
			const video = await navigator.mediaDevices.getUserMedia({
				video: { width, height, frameRate: 15 },
			});
			stream.addTrack(video.getVideoTracks()[0]);
			return stream;
		}
		const canvas = Object.assign(element('canvas'), { width, height });
		const paint = canvas.getContext('2d');
		let n = 0;
		setInterval(() => {
			paint.fillStyle = colour;
			paint.fillRect(0, 0, width, height);
			paint.fillStyle = n++ % 2 ? 'black' : 'white';
			paint.fillRect(10 * (n % 20), 10, 40, 40);
		}, 66);
		stream.addTrack(canvas.captureStream(15).getVideoTracks()[0]);
		return stream;
	};
	const screen = element('video');
	screen.muted = true;
	/** What is on the screen: its size, frames decoded, and 16 x 12 pixels. */
	probe.look = async () => {
		const pc = globalThis.session?.connection;
		const receiver = pc?.getReceivers().find(({ track }) => track?.kind === 'video' &&
			track.readyState === 'live');
		if (!receiver)
			return null;
		if (screen.srcObject?.getVideoTracks()[0] !== receiver.track) {
			screen.srcObject = new MediaStream([receiver.track]);
			screen.play().catch(() => {});
		}
		const stats = [...(await receiver.getStats()).values()]
			.find(({ type }) => type === 'inbound-rtp') ?? {};
		const canvas = Object.assign(element('canvas'), { width: 16, height: 12 });
		const paint = canvas.getContext('2d', { willReadFrequently: true });
		paint.drawImage(screen, 0, 0, 16, 12);
		const { data } = paint.getImageData(0, 0, 16, 12);
		const mean = [0, 0, 0];
		for (let i = 0; i < data.length; i += 4)
			for (let c = 0; c < 3; c++)
				mean[c] += data[i + c] / (data.length / 4);
		return {
			width: screen.videoWidth, height: screen.videoHeight,
			frames: stats.framesDecoded ?? 0, mean, pixels: [...data],
		};
	};
	/** Of what this page sends: the newest figures of its video. */
	probe.sent = async () => [...(await globalThis.session.connection.getStats()).values()]
		.find(({ type, kind }) => type === 'outbound-rtp' && kind === 'video') ?? null;
}

async function logIn(user, hz) {
	const client = await openClient(browser, { ...gateway, user, hz, autoAnswer: false });
	clients.push(client);
	await client.registered();
	await client.do(instrument, { width: WIDTH, height: HEIGHT });
	return client;
}

const look = (client) => client.do(() => probe.look());
const sent = (client) => client.do(() => probe.sent());

/** Moving pictures at @client, of the size that was sent, and new ones. */
async function assertSees(client, { colour } = {}) {
	let first = null;
	let now = null;
	await until(async () => {
		now = await look(client);
		if (!now?.frames || now.width < 2)
			return false;
		first ??= now;
		return now.frames >= first.frames + 5 &&
			now.pixels.some((p, i) => Math.abs(p - first.pixels[i]) > 24);
	}, 'pictures that move', 20_000).catch((error) => {
		throw new Error(`${error.message}: ${JSON.stringify({ ...now, pixels: undefined })}`);
	});
	assert.equal(now.width / now.height, WIDTH / HEIGHT);
	assert.ok(now.width <= WIDTH && now.width >= WIDTH / 4, `${now.width} wide`);
	if (colour !== undefined)
		assert.ok(now.mean.every((c, i) => i === colour || c < now.mean[colour] / 2),
			`colour ${now.mean.map(Math.round)}`);
}

async function answersWithCamera(client, colour) {
	await client.event('newSession');
	await client.do(async (c) => session.answer({ mediaStream: await probe.camera(c) }), colour);
}

async function callsWithCamera(client, target, colour) {
	await client.do(async ([t, c]) => {
		ua.call(t, { mediaStream: await probe.camera(c) });
	}, [target, colour]);
}

test('two browsers see and hear each other', async () => {
	const alice = await logIn('alice', 440);
	const bob = await logIn('bob', 700);
	await callsWithCamera(alice, 'bob');
	await answersWithCamera(bob, 'rgb(0,200,0)');
	await alice.event('confirmed');
	await assertSees(alice, { colour: 1 });
	await assertSees(bob);
	await assertHears(alice, 700, { not: 440 });
	await assertHears(bob, 440, { not: 700 });
	// Nothing that was agreed to is more than the gateway can do.
	const offer = await bob.do(() => session.connection.remoteDescription.sdp);
	assert.match(offer, /^a=group:BUNDLE 0 1\r$/m);
	assert.match(offer, /^a=rtcp-fb:\d+ nack pli\r$/m);
	assert.doesNotMatch(offer, /rtx|red\/|ulpfec|transport-cc|simulcast/);
	await alice.hangUp();
	await bob.event('ended');
});

test('video comes and goes in mid-call, and the sound stays', async () => {
	const alice = await logIn('alice', 440);
	const bob = await logIn('bob', 700);
	await alice.do(() => { ua.call('bob'); });
	await bob.event('newSession');
	await bob.do(() => session.answer());
	await alice.event('confirmed');
	assert.equal(await look(bob), null);

	await alice.do(async () => {
		const stream = await probe.camera('rgb(200,0,0)');
		globalThis.camera = session.connection.addTransceiver(stream.getVideoTracks()[0],
			{ direction: 'sendonly', streams: [stream] });
		await session.renegotiate();
	});
	await assertSees(bob, { colour: 0 });
	await assertHears(bob, 440, { not: 700 });

	// Put away for a while: one m-line on hold, the other is not.
	await alice.do(async () => {
		globalThis.camera.direction = 'inactive';
		await session.renegotiate();
	});
	await until(async () => (await bob.do(() =>
		session.connection.remoteDescription.sdp)).includes('a=inactive'), 'video on hold');
	assert.equal(await bob.state(), 'connected');
	await alice.do(async () => {
		globalThis.camera.direction = 'sendonly';
		await session.renegotiate();
	});
	await assertSees(bob, { colour: 0 });

	await alice.do(async () => {
		globalThis.camera.stop();
		await session.renegotiate();
	});
	await until(async () => /^m=video 0 /m.test(await bob.do(() =>
		session.connection.remoteDescription.sdp)), 'no video');
	await assertHears(bob, 440, { not: 700 });

	// And once more: the browser uses the m-line of the one that went.
	await bob.do(async () => {
		const stream = await probe.camera('rgb(0,200,0)');
		session.connection.addTransceiver(stream.getVideoTracks()[0],
			{ direction: 'sendonly', streams: [stream] });
		await session.renegotiate();
	});
	await assertSees(alice, { colour: 1 });
	assert.equal(mediaOf(await alice.do(() =>
		session.connection.remoteDescription.sdp)).length, 2);
	await assertHears(alice, 700, { not: 440 });
	await alice.hangUp();
	await bob.event('ended');
});

test('echo shows the picture back', async () => {
	const alice = await logIn('alice', 520);
	await callsWithCamera(alice, 'echo');
	await alice.event('confirmed');
	await assertSees(alice);
	await assertHears(alice, 520);
	await alice.hangUp();
});

test('a SIP phone gets video, and asks for key frames by INFO', async () => {
	const alice = await logIn('alice', 440);
	await callsWithCamera(alice, `sip:phone@127.0.0.1:${PHONE}`, 'rgb(0,0,220)');
	await alice.event('confirmed');
	await assertSees(alice, { colour: 2 }); // what the phone plays back
	await assertHears(alice, 440);

	const [audio, video] = mediaOf(phone.offer);
	assert.equal(audio.proto, 'RTP/AVP');
	assert.equal(video.proto, 'RTP/AVP');
	assert.ok(video.lines.includes('a=pcfg:1 t=1'));
	assert.doesNotMatch(phone.offer, /BUNDLE|candidate|fingerprint|rtx|a=mid|ssrc/);
	assert.notEqual(audio.port, video.port);

	// It asks: the browser makes a key frame.
	const before = await sent(alice);
	assert.equal((await phone.fastUpdate()).status, 200);
	await until(async () => (await sent(alice)).pliCount > before.pliCount, 'a PLI');
	await until(async () => (await sent(alice)).keyFramesEncoded > before.keyFramesEncoded,
		'a key frame');

	// It loses pictures: the browser asks, and the phone is asked by INFO.
	const asked = phone.fastUpdates();
	phone.lose = 60;
	await until(() => phone.fastUpdates() > asked, 'an INFO to the phone', 20_000);
	await until(() => phone.lose === 0, 'the loss is over');
	await assertSees(alice, { colour: 2 });

	// What the phone takes bounds what the browser sends (b=AS, and REMB).
	const answer = await alice.do(() => session.connection.remoteDescription.sdp);
	assert.match(answer, new RegExp(`^b=TIAS:${KBPS}000\\r$`, 'm'));
	const { targetBitrate } = await sent(alice);
	assert.ok(targetBitrate <= KBPS * 1000, `${targetBitrate} bit/s`);
	await alice.hangUp();
	await phone.ended();
});

test('H.264 passes where the phone has nothing else', async () => {
	const alice = await logIn('alice', 440);
	phone.codec = 'H264/90000';
	phone.requests.length = 0;
	try {
		await callsWithCamera(alice, `sip:phone@127.0.0.1:${PHONE}`, 'rgb(0,200,0)');
		await alice.event('confirmed');
		await assertSees(alice, { colour: 1 });
	} finally {
		phone.codec = 'VP8/90000';
	}
	const { codecId } = await sent(alice);
	assert.equal(await alice.do(async (id) => (await session.connection.getStats())
		.get(id).mimeType, codecId), 'video/H264');
	await alice.hangUp();
	await phone.ended();
});

test('a SIP phone adds video and takes it away', async () => {
	const alice = await logIn('alice', 440);
	phone.requests.length = 0;
	phone.wantsVideo = false;
	await alice.do((t) => { ua.call(t); }, `sip:phone@127.0.0.1:${PHONE}`);
	await alice.event('confirmed');
	await assertHears(alice, 440);
	phone.wantsVideo = true;
	const answer = await phone.change({ video: true });
	assert.equal(answer.status, 200);
	assert.ok(mediaOf(answer.body)[1].port, answer.body);
	// The page did not bring a camera: it could only watch.
	assert.ok(mediaOf(answer.body)[1].lines.includes('a=recvonly'), answer.body);
	await alice.do(async () => {
		const [transceiver] = session.connection.getTransceivers()
			.filter(({ receiver }) => receiver.track.kind === 'video');
		const stream = await probe.camera('rgb(0,0,220)');
		await transceiver.sender.replaceTrack(stream.getVideoTracks()[0]);
		transceiver.direction = 'sendrecv';
		await session.renegotiate();
	});
	await assertSees(alice, { colour: 2 });
	assert.equal((await phone.change({ video: false })).status, 200);
	await until(async () => /^m=video 0 /m.test(await alice.do(() =>
		session.connection.remoteDescription.sdp)), 'no video');
	await assertHears(alice, 440);
	await alice.hangUp();
	await phone.ended();
});

test('nothing is left behind', async () => {
	for (const metric of ['isthmus_calls_live', 'isthmus_media_contexts',
		'isthmus_media_sockets', 'isthmus_media_agents'])
		await until(async () => await gateway.metric(metric) === 0, `${metric} is 0`, 30_000);
});
