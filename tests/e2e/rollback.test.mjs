// Changes of a call that come to nothing, from either side, leave it as it was
// in the browser, too (RFC 3264 8, JSEP): what is heard before is heard after.
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import { launchBrowser } from './lib/browser.mjs';
import { asBrowser, launchFirefox, ownAddress } from './lib/bidi.mjs';
import { startGateway } from './lib/gateway.mjs';
import { assertHears, openClient } from './lib/client.mjs';
import { audioOf, playTone } from './lib/rtp.mjs';
import { SipAnswerer } from '../lib/sip-answerer.mjs';

const PORT = 25300;
const PHONE = 25360;
const RTP = 25370;
const PHONE_URI = `sip:phone@127.0.0.1:${PHONE}`;
const HZ = { chromium: 700, firefox: 1000 }; // of Firefox's own microphone
const THEIRS = 800;

let gateway;
let phone;
let client;
let ear;

before(async () => {
	gateway = await startGateway({
		name: 'rollback', port: PORT, core: `sip:127.0.0.1:${PHONE};transport=udp`,
		extra: { media: { web_address: ['127.0.0.1', ownAddress()] } },
	});
	phone = await SipAnswerer.listen({ port: PHONE });
});

after(async () => {
	await phone?.close();
	await gateway?.stop();
});

/** The phone's description, with a picture or without. */
const described = (video) => phone.sdp().replace(/^m=audio \d+ /m, `m=audio ${RTP} `) + (video ?
	`m=video ${RTP + 2} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=sendrecv\r\n` : '');

const offers = (call, video) => call.request('INVITE', { body: described(video),
	headers: [phone.contact] });

/** What the browser's connection is made of. */
const shape = () => client.do(() => ({
	signaling: session.connection.signalingState,
	lines: session.connection.getTransceivers().filter((t) => !t.stopped &&
		!['stopped', 'inactive'].includes(t.direction))
		.map((t) => [t.mid, t.direction, t.currentDirection]),
	tracks: session.localStream.getTracks().map((t) => t.kind),
	video: session.hasVideo(),
	held: session.isOnHold?.() ?? null,
}));

const engines = {
	chromium: async () => ({ browser: await launchBrowser() }),
	async firefox() {
		const running = await launchFirefox({ dir: gateway.dir, port: PORT + 90 });

		return { browser: asBrowser(running), stop: () => running.stop() };
	},
};

for (const [engine, launch] of Object.entries(engines)) {
	describe(engine, () => {
		let launched;
		let call;

		before(async () => { launched = await launch(); });
		after(async () => {
			await (launched?.stop ? launched.stop() : launched?.browser.close());
		});

		/** A call in which both are heard, as long as @body runs. */
		async function inCall(body) {
			try {
				await connected();
				await body();
				await client.hangUp();
				assert.equal(await call.ended, 'bye-received');
			} finally {
				await call?.bye().catch(() => {});
				await client?.close();
				await ear?.stop();
				client = ear = null;
			}
		}

		async function connected() {
			phone.onInvite = async (made) => {
				call = made;
				// Of a picture that was refused a line is kept, inactive.
				call.sdp = () => {
					const [, audio, video] = call.offer.split(/^(?=m=)/m);
					const takes = /^m=video [1-9]/.test(video) && !/^a=inactive/m.test(video);

					return described(takes).replace('a=sendrecv',
						/^a=sendonly/m.test(audio) ? 'a=recvonly' : 'a=sendrecv') +
						(video && !takes ? 'm=video 0 RTP/AVP 96\r\n' : '');
				};
				ear = await playTone({ port: RTP, to: audioOf(call.offer), hz: THEIRS });
				call.ring();
				call.answer();
			};
			client = await openClient(launched.browser, { ...gateway, user: 'alice',
				hz: HZ[engine], config: { playback: true } });
			await client.registered();
			await client.call(PHONE_URI);
			await bothHear();
		}

		const bothHear = () => Promise.all([
			assertHears(ear, HZ[engine], { not: THEIRS }),
			assertHears(client, THEIRS, { not: HZ[engine] })]);

		test('what the phone refuses is taken back in the browser', () => inCall(async () => {
			const was = await shape();

			for (const [status, headers] of [[488], [500, ['Retry-After: 1']], [606]]) {
				call.refusal = { status, headers };
				const error = await client.do(() =>
					session.addVideo().then(() => null, (e) => e.status));
				assert.ok(error >= 400, `addVideo: ${error}`);
				assert.deepEqual(await shape(), was);
			}
			call.refusal = { status: 488 };
			assert.equal(await client.do(() =>
				session.hold().then(() => 0, (e) => e.status)), 488);
			assert.deepEqual(await shape(), was);
			await bothHear();
			// What is taken then goes through.
			call.refusal = null;
			await client.do(() => session.hold());
			// No picture without asking for it.
			const [, , ...video] = call.offer.split(/^(?=m=)/m);
			assert.ok(video.every((line) => /^a=inactive/m.test(line)), video.join());
			await client.do(() => session.unhold());
			await client.do(() => session.addVideo());
			assert.match(call.offer, /^m=video [1-9][^]*a=sendrecv/m);
			await bothHear();
		}));

		test('what the browser cannot take is taken back, and may come again', () => inCall(async () => {
			const was = await shape();

			await client.do(() => {
				const pc = session.connection;

				pc.createAnswer = () => {
					delete pc.createAnswer;
					return Promise.reject(new Error('not this time'));
				};
			});
			assert.equal((await offers(call, true)).status, 488);
			assert.deepEqual(await shape(), was);
			await bothHear();
			const again = await offers(call, true);
			assert.equal(again.status, 200);
			assert.match(again.body, /^m=video [1-9]/m);
			await bothHear();
			assert.match((await offers(call, false)).body, /^m=audio [1-9]/m);
			await bothHear();
		}));

		test('offers that cross are sorted out', () => inCall(async () => {
			for (let round = 0; round < 3; round++) {
				// Both at once; who meets 491 is asked to try again.
				const [mine, theirs] = await Promise.all([
					client.do((on) => (on ? session.hold() : session.unhold())
						.then(() => 'done', (e) => e.status), round % 2 === 0),
					offers(call, false)]);

				assert.equal(mine, 'done');
				assert.ok([200, 491, 500].includes(theirs.status), `${theirs.status}`);
			}
			await client.do(() => session.unhold());
			assert.equal((await offers(call, false)).status, 200);
			await bothHear();
			assert.equal((await shape()).signaling, 'stable');
		}));
	});
}
