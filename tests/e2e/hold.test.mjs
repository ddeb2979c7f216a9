// hold.test.mjs - calls of Chromium and of Firefox with a phone that plays a
// tone, and with baresip, held by the browser, by the phone and by both, one
// after the other and at once: who is held hears nothing, and all is as before
// when nobody holds any more.
import test, { after, afterEach, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { startBaresip } from './lib/baresip.mjs';
import { asBrowser, launchFirefox, ownAddress } from './lib/bidi.mjs';
import { launchBrowser } from './lib/browser.mjs';
import { assertHears, assertSilence, openClient } from './lib/client.mjs';
import { startGateway } from './lib/gateway.mjs';
import { pause, until } from './lib/process.mjs';
import { audioOf, playTone } from './lib/rtp.mjs';
import { SipAnswerer } from '../lib/sip-answerer.mjs';

const PORT = 30300;
const PHONE = PORT + 50;
const RTP = PORT + 60;
const DESK = PORT + 200; // and 39 more
const THEIRS = 800;

let gateway;
let phone;
let desk;

before(async () => {
	gateway = await startGateway({
		name: 'hold', port: PORT, core: `sip:127.0.0.1:${PHONE};transport=udp`,
		extra: { media: { web_address: ['127.0.0.1', ownAddress()] } },
	});
	phone = await SipAnswerer.listen({ port: PHONE });
	phone.rtpPort = RTP;
	desk = await startBaresip({ dir: path.join(gateway.dir, 'desk'), port: DESK, hz: THEIRS });
});

after(async () => {
	await desk?.stop();
	await gateway?.stop();
	await phone?.close();
});

// RFC 3264 6.1 and 8.4: what may be answered to each direction by who holds
// (sendonly), and by who does not.
const ANSWER = {
	true: { sendrecv: 'sendonly', sendonly: 'inactive', recvonly: 'sendonly', inactive: 'inactive' },
	false: { sendrecv: 'sendrecv', sendonly: 'recvonly', recvonly: 'sendonly', inactive: 'inactive' },
};

/** A phone that takes part in holding: sip.hold(on), and again after a 491. */
function holder(sip) {
	const plain = sip.sdp.bind(sip);
	const inDirection = (direction) => plain().replace('a=sendrecv', `a=${direction}`);
	const offered = () => /^a=(sendrecv|sendonly|recvonly|inactive)/m.exec(sip.offer)?.[1] ??
		'sendrecv';

	sip.holds = false;
	sip.sdp = () => inDirection(ANSWER[sip.holds][offered()]);
	sip.hold = async (on) => {
		sip.holds = on;
		for (let tries = 0; tries < 5; tries++) {
			const { status, body } = await sip.request('INVITE', {
				body: inDirection(on ? 'sendonly' : 'sendrecv'),
				headers: [phone.contact],
			});
			if (status === 200)
				return body;
			assert.equal(status, 491);
			await pause(2100 + 1900 * Math.random()); // RFC 3261 14.1
		}
		throw new Error('491 for ever');
	};
}

const BROWSERS = {
	Chromium: { hz: 440, launch: () => launchBrowser(), close: (b) => b.close() },
	Firefox: {
		hz: 1000,
		launch: () => launchFirefox({ dir: gateway.dir, port: PORT + 90 }),
		close: (b) => b.stop(),
		use: asBrowser,
	},
};

for (const [name, { hz, launch, close, use = (b) => b }] of Object.entries(BROWSERS))
	describe(name, () => {
		let running;
		let client;
		let tone;
		let sip;

		before(async () => {
			running = await launch();
		});
		after(() => running && close(running));

		afterEach(async () => {
			await client?.close();
			await tone?.stop();
			client = tone = null;
		});

		async function logIn() {
			client = await openClient(use(running), { ...gateway, user: 'alice', hz });
			await client.registered();
		}

		async function talk() {
			phone.onInvite = async (call) => {
				sip = call;
				holder(call);
				tone = await playTone({ port: RTP, to: audioOf(call.offer), hz: THEIRS });
				call.ring();
				call.answer();
			};
			await logIn();
			await client.call('sip:phone@far.example');
			await bothHear();
		}

		const bothHear = () => Promise.all([
			assertHears(client, THEIRS, { not: hz }), assertHears(tone, hz, { not: THEIRS })]);
		const nobodyHears = () => Promise.all([assertSilence(client), assertSilence(tone)]);
		const holds = (local, remote) => until(async () => {
			const now = await client.do(() => session.isOnHold());
			return now.local === local && now.remote === remote;
		}, `held here: ${local}, there: ${remote}`);

		test('holds a phone, and is held by it', async () => {
			await talk();
			await client.do(() => session.hold());
			await nobodyHears();
			await client.do(() => session.unhold());
			await bothHear();
			const answer = await sip.hold(true);
			assert.match(answer, /^a=(recvonly|inactive)/m);
			await holds(false, true);
			await assertSilence(tone); // its own tone may be music on hold
			assert.match(await sip.hold(false), /^a=sendrecv/m);
			await holds(false, false);
			await bothHear();
			await client.hangUp();
			assert.equal(await sip.ended, 'bye-received');
		});

		test('both hold, whoever resumes first', async () => {
			await talk();
			for (const first of ['browser', 'phone']) {
				await client.do(() => session.hold());
				await sip.hold(true);
				await holds(true, true);
				await nobodyHears();
				if (first === 'browser')
					await client.do(() => session.unhold());
				else
					await sip.hold(false);
				await holds(first !== 'browser', first === 'browser');
				await assertSilence(tone);
				if (first === 'browser')
					await sip.hold(false);
				else
					await client.do(() => session.unhold());
				await holds(false, false);
				await bothHear();
			}
			await client.hangUp();
		});

		test('both hold and resume at once', async () => {
			await talk();
			await Promise.all([client.do(() => session.hold()), sip.hold(true)]);
			await holds(true, true);
			await nobodyHears();
			await Promise.all([client.do(() => session.unhold()), sip.hold(false)]);
			await holds(false, false);
			await bothHear();
			assert.equal(await client.state(), 'connected');
			await client.hangUp();
		});

		test('baresip holds, is held, and both at once', async () => {
			await logIn();
			desk.events.length = 0;
			await desk.dial(`sip:alice@127.0.0.1:${gateway.sipPort}`);
			await client.event('confirmed');
			await assertHears(client, THEIRS, { not: hz });
			await assertHears(desk, hz, { not: THEIRS });
			await desk.hold();
			await holds(false, true);
			await assertSilence(client);
			await desk.resume();
			await holds(false, false);
			await assertHears(client, THEIRS, { not: hz });
			await client.do(() => session.hold());
			await assertSilence(client);
			await desk.hold();
			await holds(true, true);
			await client.do(() => session.unhold());
			await holds(false, true);
			await assertSilence(client);
			await desk.resume();
			await holds(false, false);
			await assertHears(client, THEIRS, { not: hz });
			await desk.hangup();
			assert.equal((await client.event('ended')).originator, 'remote');
		});
	});

test('nothing is left behind', async () => {
	for (const metric of ['isthmus_calls_live', 'isthmus_media_contexts', 'isthmus_sip_dialogs'])
		await until(async () => await gateway.metric(metric) === 0, `${metric} is 0`, 40_000);
});
