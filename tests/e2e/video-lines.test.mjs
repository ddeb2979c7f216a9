// What a browser offers beside its codecs: several encodings, several m-lines
// of one kind whose payload types are shared, header extensions, repair.  It
// goes on where both ends have it, and leaves no trace where one has not.
import test, { after, afterEach, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchBrowser } from './lib/browser.mjs';
import { startGateway } from './lib/gateway.mjs';
import { assertHears, openClient } from './lib/client.mjs';
import { until } from './lib/process.mjs';
import { BLUE, GREEN, PAINT, RED, WIDTH, answersWithCamera, assertSees, callsWithCamera,
	giveEyes, look, remoteSdp, sent } from './lib/picture.mjs';
import { mediaOf, startVideoPhone } from './lib/videophone.mjs';

const PORT = 31200;
const PHONE = PORT + 50;
const PHONE_URI = `sip:phone@127.0.0.1:${PHONE}`;
let gateway;
let browser;
let phone;
const clients = [];

before(async () => {
	gateway = await startGateway({
		name: 'video-lines', port: PORT, core: `sip:127.0.0.1:${PHONE};transport=udp`,
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

async function logIn(user, hz) {
	const client = await openClient(browser, { ...gateway, user, hz, autoAnswer: false });
	clients.push(client);
	await client.registered();
	await giveEyes(client);
	return client;
}

// What must be in no description of the gateway's.
const REPAIR = /rtx|red\/|ulpfec|flexfec|transport-wide-cc|transport-cc|simulcast|a=rid|rtp-stream-id|abs-send-time|toffset|video-content-type|playout-delay|color-space|ssrc-group/;

/** Alice offers three encodings, in @order; what she sends then. */
async function assertOneStream(alice, sees, order) {
	await alice.do(async ([colour, encodings]) => {
		const track = probe.painting(colour);
		session.connection.addTransceiver(track, {
			direction: 'sendrecv', streams: [new MediaStream([track])],
			sendEncodings: encodings,
		});
		globalThis.offered = (await session.connection.createOffer()).sdp;
		await session.renegotiate();
	}, [PAINT[RED], order]);
	assert.match(await alice.do(() => globalThis.offered), /^a=simulcast:send /m);
	assert.doesNotMatch(await remoteSdp(alice), REPAIR);
	const now = await sees();
	assert.equal(now.width, WIDTH);
	const streams = await alice.do(async () =>
		[...(await session.connection.getStats()).values()]
			.filter(({ type, kind, packetsSent }) => type === 'outbound-rtp' &&
				kind === 'video' && packetsSent > 0).length);
	assert.equal(streams, 1);
}

const SMALL_FIRST = [{ rid: 'q', scaleResolutionDownBy: 4 },
	{ rid: 'h', scaleResolutionDownBy: 2 }, { rid: 'f' }];

test('of several encodings one flows to a browser, in full size', async () => {
	const alice = await logIn('alice', 440);
	const bob = await logIn('bob', 700);
	await alice.do(() => { ua.call('bob'); });
	await bob.event('newSession');
	await bob.do(() => session.answer());
	await alice.event('confirmed');
	await assertOneStream(alice, () => assertSees(bob, { colour: RED, full: true }), SMALL_FIRST);
	assert.doesNotMatch(await remoteSdp(bob), REPAIR);
	await assertHears(bob, 440, { not: 700 });
	await alice.hangUp();
	await bob.event('ended');
});

test('of several encodings one flows to a phone, in full size', async () => {
	const alice = await logIn('alice', 440);
	phone.requests.length = 0;
	await alice.do((t) => { ua.call(t); }, PHONE_URI);
	await alice.event('confirmed');
	await assertOneStream(alice, () => assertSees(alice, { colour: RED, full: true }),
		[...SMALL_FIRST].reverse());
	assert.doesNotMatch(phone.offer, REPAIR);
	await alice.hangUp();
	await phone.ended();
});

test('two cameras and two microphones in one bundle are told apart', async () => {
	const alice = await logIn('alice', 440);
	const bob = await logIn('bob', 700);
	await callsWithCamera(alice, 'bob', RED);
	await answersWithCamera(bob, GREEN);
	await alice.event('confirmed');
	await assertSees(bob, { colour: RED });
	await alice.do(async (colour) => {
		const pc = session.connection;
		const film = probe.painting(colour);
		pc.addTransceiver(film, { direction: 'sendonly', streams: [new MediaStream([film])] });
		// Another tone than the first microphone's.
		const context = new AudioContext({ sampleRate: 48000 });
		const output = context.createMediaStreamDestination();
		const tone = new OscillatorNode(context, { frequency: 1200 });
		tone.connect(output);
		tone.start();
		const [sound] = output.stream.getAudioTracks();
		pc.addTransceiver(sound, { direction: 'sendonly', streams: [output.stream] });
		await session.renegotiate();
	}, PAINT[BLUE]);
	const offer = await remoteSdp(bob);
	const lines = mediaOf(offer);
	assert.deepEqual(lines.map(({ kind }) => kind), ['audio', 'video', 'video', 'audio']);
	// One payload type is one codec's in the whole bundle: both have it.
	assert.equal(lines[1].formats[0], lines[2].formats[0]);
	assert.match(offer, /^a=group:BUNDLE 0 1 2 3\r$/m);
	await assertSees(bob, { mid: '1', colour: RED });
	await assertSees(bob, { mid: '2', colour: BLUE });
	await assertHears(bob, 1200, { not: 440 }); // the newest track
	await bob.do(() => { probe.tracks.pop(); });
	await assertHears(bob, 440, { not: 1200 });
	await assertSees(alice, { mid: '1', colour: GREEN });

	// The first camera goes away for a while, the second does not.
	await alice.do(async () => {
		session.connection.getTransceivers().find(({ mid }) => mid === '1').direction = 'recvonly';
		await session.renegotiate();
	});
	await until(async () => mediaOf(await remoteSdp(bob))[1].lines.includes('a=recvonly'),
		'one of them is on hold');
	const before = (await look(bob, '1')).frames;
	await assertSees(bob, { mid: '2', colour: BLUE });
	assert.ok((await look(bob, '1')).frames - before < 3);
	await assertSees(alice, { mid: '1', colour: GREEN });
	await alice.hangUp();
	await bob.event('ended');
});

/** What packets say of how loud they are; null: they do not. */
async function levelsAt(client) {
	await client.listen(0.2); // Chromium tells of what is played
	return client.do(() => session.connection.getReceivers()
		.find(({ track }) => track.kind === 'audio').getSynchronizationSources()
		.map(({ audioLevel }) => audioLevel ?? null));
}

test('extensions go on where both sides have them', async () => {
	const alice = await logIn('alice', 440);
	const bob = await logIn('bob', 700);
	const level = 'urn:ietf:params:rtp-hdrext:ssrc-audio-level';
	const orientation = 'urn:3gpp:video-orientation';
	await callsWithCamera(alice, 'bob', RED);
	await answersWithCamera(bob, GREEN);
	await alice.event('confirmed');
	for (const who of [alice, bob]) {
		const [audio, video] = mediaOf(await remoteSdp(who)).map(({ lines }) => lines.join('\n'));
		assert.match(audio, /sdes:mid/);
		assert.match(audio, new RegExp(level));
		assert.match(video, new RegExp(orientation));
		assert.doesNotMatch(audio + video, REPAIR);
	}
	await assertSees(bob, { colour: RED });
	await assertHears(bob, 440, { not: 700 });
	let now = null;
	await until(async () => {
		now = await levelsAt(bob);
		return now[0] > 0.01;
	}, 'a level of what is said').catch((error) => {
		throw new Error(`${error.message}: ${JSON.stringify(now)}`);
	});
	await alice.hangUp();
	await bob.event('ended');
});

test('an extension that one side has not is gone for the other', async () => {
	const alice = await logIn('alice', 440);
	const bob = await logIn('bob', 700);
	await bob.do(() => {
		const { createAnswer } = RTCPeerConnection.prototype;
		RTCPeerConnection.prototype.createAnswer = async function (...args) {
			const answer = await createAnswer.apply(this, args);
			return { type: 'answer', sdp: answer.sdp.replace(
				/a=extmap:\d+ urn:(3gpp:video-orientation|ietf:params:rtp-hdrext:ssrc-audio-level)\r\n/g, '') };
		};
	});
	await callsWithCamera(alice, 'bob', RED);
	await answersWithCamera(bob, GREEN);
	await alice.event('confirmed');
	assert.doesNotMatch(await remoteSdp(alice), /video-orientation|audio-level/);
	await assertSees(bob, { colour: RED });
	await assertHears(bob, 440, { not: 700 });
	await assertSees(alice, { colour: GREEN });
	assert.deepEqual(await levelsAt(bob), [null]);
	await alice.hangUp();
	await bob.event('ended');
});

test('a phone is sent the orientation if it takes it, and no other extension', async () => {
	for (const takes of [true, false]) {
		const alice = await logIn('alice', 440);
		Object.assign(phone, { takesOrientation: takes, extensions: new Set() });
		phone.requests.length = 0;
		await callsWithCamera(alice, PHONE_URI, BLUE);
		await alice.event('confirmed');
		await assertSees(alice, { colour: BLUE });
		const [, video] = mediaOf(phone.offer);
		const id = Number(/^a=extmap:(\d+) urn:3gpp:video-orientation$/m
			.exec(video.lines.join('\n'))[1]);
		if (takes)
			await until(() => phone.extensions.has(id), 'how the camera is held');
		assert.deepEqual([...phone.extensions], takes ? [id] : []);
		assert.equal((await remoteSdp(alice)).includes('video-orientation'), takes);
		await alice.hangUp();
		await phone.ended();
	}
	phone.takesOrientation = true;
});

const FAX = ['m=image 22100 udptl t38', 'a=T38FaxVersion:0', 'a=T38FaxRateManagement:transferredTCF'];
const TEXTS = ['m=message 22102 TCP/MSRP *', 'a=accept-types:text/plain',
	'a=path:msrp://127.0.0.1:22102/x;tcp'];
const WHAT = ['m=control 22104 TCP/WHAT 1', 'a=hm:yes'];

test('fax, MSRP and what nobody knows are at port 0, and the call goes on', async () => {
	const alice = await logIn('alice', 440);
	phone.requests.length = 0;
	await callsWithCamera(alice, PHONE_URI, BLUE);
	await alice.event('confirmed');
	await assertSees(alice, { colour: BLUE });
	const answer = await phone.changeTo({ video: true, lines: [...FAX, ...TEXTS, ...WHAT] });
	assert.equal(answer.status, 200);
	assert.deepEqual(mediaOf(answer.body).map(({ kind, port, proto }) => [kind, port > 0, proto]), [
		['audio', true, 'RTP/AVP'], ['video', true, 'RTP/AVP'], ['image', false, 'udptl'],
		['message', false, 'TCP/MSRP'], ['control', false, 'TCP/WHAT']]);
	assert.doesNotMatch(await remoteSdp(alice), /t38|udptl|msrp|WHAT|22100|22102/i);
	await assertSees(alice, { colour: BLUE });
	// Fax instead of sound (T.38's usual offer): no, and all is as it was.
	const fax = await phone.changeTo({ audio: false, lines: [...FAX, ...TEXTS, ...WHAT] });
	assert.equal(fax.status, 488);
	await assertSees(alice, { colour: BLUE });
	await assertHears(alice, 440);
	await alice.hangUp();
	await phone.ended();
});

test('a data channel is refused to the browser, and the call goes on', async () => {
	const alice = await logIn('alice', 440);
	phone.requests.length = 0;
	await callsWithCamera(alice, PHONE_URI, BLUE);
	await alice.event('confirmed');
	await alice.do(async () => {
		globalThis.channel = session.connection.createDataChannel('chat');
		await session.renegotiate();
	});
	const lines = mediaOf(await remoteSdp(alice));
	assert.deepEqual(lines.map(({ kind, port }) => [kind, port > 0]),
		[['audio', true], ['video', true], ['application', false]]);
	assert.doesNotMatch(phone.offer, /application|sctp|datachannel/i);
	assert.equal(mediaOf(phone.offer).filter(({ port }) => port).length, 2);
	await assertSees(alice, { colour: BLUE });
	await assertHears(alice, 440);
	await alice.hangUp();
	await phone.ended();
});

test('nothing is left behind', async () => {
	for (const metric of ['isthmus_calls_live', 'isthmus_media_contexts',
		'isthmus_media_sockets', 'isthmus_media_agents'])
		await until(async () => await gateway.metric(metric) === 0, `${metric} is 0`, 30_000);
});
