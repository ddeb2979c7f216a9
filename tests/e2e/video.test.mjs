// Pictures: browsers with a camera through the gateway to each other, to the
// echo and to a SIP phone that plays back what it sees.
import test, { after, afterEach, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchBrowser } from './lib/browser.mjs';
import { startGateway } from './lib/gateway.mjs';
import { assertHears, openClient } from './lib/client.mjs';
import { until } from './lib/process.mjs';
import { BLUE, GREEN, RED, answersWithCamera, assertSees, callsWithCamera, giveEyes, look,
	remoteSdp, sent } from './lib/picture.mjs';
import { mediaOf, startVideoPhone } from './lib/videophone.mjs';

const PORT = 24500;
const PHONE = PORT + 50;
const KBPS = 300;
let gateway;
let browser;
let phone;
const clients = [];

before(async () => {
	gateway = await startGateway({
		name: 'video', port: PORT, core: `sip:127.0.0.1:${PHONE};transport=udp`,
		extra: { media: { quality_ms: 2000 } },
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

async function logIn(user, hz, config = {}) {
	const client = await openClient(browser, { ...gateway, user, hz, config, autoAnswer: false });
	clients.push(client);
	await client.registered();
	await giveEyes(client);
	return client;
}

test('two browsers see and hear each other', async () => {
	const alice = await logIn('alice', 440);
	const bob = await logIn('bob', 700);
	await callsWithCamera(alice, 'bob');
	await answersWithCamera(bob, GREEN);
	await alice.event('confirmed');
	await assertSees(alice, { colour: GREEN });
	await assertSees(bob);
	await assertHears(alice, 700, { not: 440 });
	await assertHears(bob, 440, { not: 700 });
	// Nothing that was agreed to is more than the gateway can do.
	const offer = await remoteSdp(bob);
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
	await assertSees(bob, { colour: RED });
	await assertHears(bob, 440, { not: 700 });

	// Put away for a while: one m-line on hold, the other is not.
	await alice.do(async () => {
		globalThis.camera.direction = 'inactive';
		await session.renegotiate();
	});
	await until(async () => (await remoteSdp(bob)).includes('a=inactive'), 'video on hold');
	assert.equal(await bob.state(), 'connected');
	await alice.do(async () => {
		globalThis.camera.direction = 'sendonly';
		await session.renegotiate();
	});
	await assertSees(bob, { colour: RED });

	await alice.do(async () => {
		globalThis.camera.stop();
		await session.renegotiate();
	});
	await until(async () => /^m=video 0 /m.test(await remoteSdp(bob)), 'no video');
	await assertHears(bob, 440, { not: 700 });

	// And once more: the browser uses the m-line of the one that went.
	await bob.do(async () => {
		const stream = await probe.camera('rgb(0,200,0)');
		session.connection.addTransceiver(stream.getVideoTracks()[0],
			{ direction: 'sendonly', streams: [stream] });
		await session.renegotiate();
	});
	await assertSees(alice, { colour: GREEN });
	assert.equal(mediaOf(await remoteSdp(alice)).length, 2);
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
	await callsWithCamera(alice, `sip:phone@127.0.0.1:${PHONE}`, BLUE);
	await alice.event('confirmed');
	await assertSees(alice, { colour: BLUE }); // what the phone plays back
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
	await assertSees(alice, { colour: BLUE });

	// What the phone takes bounds what the browser sends (b=AS, and REMB).
	const answer = await remoteSdp(alice);
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
		await callsWithCamera(alice, `sip:phone@127.0.0.1:${PHONE}`, GREEN);
		await alice.event('confirmed');
		await assertSees(alice, { colour: GREEN });
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
	await assertSees(alice, { colour: BLUE });
	assert.equal((await phone.change({ video: false })).status, 200);
	await until(async () => /^m=video 0 /m.test(await remoteSdp(alice)), 'no video');
	await assertHears(alice, 440);
	await alice.hangUp();
	await phone.ended();
});

test('what is lost, asked for and seen of a picture is told to both and recorded', async () => {
	const config = { qualityInterval: 1000 };
	const alice = await logIn('alice', 440, config);
	const bob = await logIn('bob', 700, config);
	await callsWithCamera(alice, 'bob');
	await answersWithCamera(bob, GREEN);
	await alice.event('confirmed');
	let told = null;
	await until(async () => {
		told = (await alice.seen()).filter(([n]) => n === 'quality').at(-1)?.[1].video?.[0];
		return told?.near.seen?.framesDecoded > 30 && told.far.seen?.framesDecoded > 30 &&
			[told.near, told.far].every(({ toGateway, fromGateway }) =>
				toGateway.lossPercent !== null && fromGateway.lossPercent !== null &&
				toGateway.kbps > 10 && fromGateway.kbps > 10);
	}, 'the figures of the picture', 20_000).catch((error) => {
		throw new Error(`${error.message}: ${JSON.stringify(told)}`);
	});
	assert.equal(told.mid, '1');
	assert.equal(told.codec, 'VP8');
	assert.equal(told.near.seen.width / told.near.seen.height, 4 / 3);
	assert.ok(told.near.toGateway.lossPercent < 5);
	assert.ok(told.near.keyFrameRequests >= 0 && told.near.roundTripMs !== null);
	const [local] = (await alice.do(() => session.getStats())).videos;
	assert.ok(local.framesDecoded > 30 && local.sentWidth > 100, JSON.stringify(local));

	const frozen = await gateway.metric('isthmus_call_video_frozen_ratio_count');
	const records = gateway.cdrs().length;
	await alice.hangUp();
	await until(() => gateway.cdrs().length > records, 'the record');
	const record = gateway.cdrs().at(-1);
	for (const side of [record.a, record.b]) {
		const [video] = side.video;
		assert.equal(video.line, 1);
		assert.equal(video.codec, 'VP8');
		assert.ok(video.packets_received > 30 && video.packets_sent > 30);
		assert.ok(video.seen.frames_decoded > 30 && video.seen.key_frames >= 1);
		assert.ok(video.seen.width >= 80 && video.seen.sent_width >= 80);
		assert.ok(video.quality.to_gateway.loss_percent < 5);
		assert.ok(video.quality.kbps_max_to_gateway > 10);
	}
	await until(async () => await gateway.metric('isthmus_call_video_frozen_ratio_count') ===
		frozen + 2, 'both are in the histogram');
	assert.ok(await gateway.metric('isthmus_call_video_loss_web_ratio_count') >= 2);
});

test('nothing is left behind', async () => {
	for (const metric of ['isthmus_calls_live', 'isthmus_media_contexts',
		'isthmus_media_sockets', 'isthmus_media_agents'])
		await until(async () => await gateway.metric(metric) === 0, `${metric} is 0`, 30_000);
});
