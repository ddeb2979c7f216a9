// The client library in Firefox: with Chromium at the other end, and with a SIP
// phone.  What differs there is here: early media (pranswer), offers that are
// set only with their answer, directions after a hold, video in mid-call.
import test, { after, afterEach, before } from 'node:test';
import assert from 'node:assert/strict';
import os from 'node:os';
import { launchBrowser } from './lib/browser.mjs';
import { asBrowser, isThere, launchFirefox } from './lib/firefox.mjs';
import { startGateway } from './lib/gateway.mjs';
import { assertHears, assertSilence, openClient } from './lib/client.mjs';
import { until } from './lib/process.mjs';
import { audioOf, playTone } from './lib/rtp.mjs';
import { SipAnswerer } from '../lib/sip-answerer.mjs';

const PORT = 25100;
const PHONE = 25160;
const RTP = 25170;
const PHONE_URI = `sip:phone@127.0.0.1:${PHONE}`;
const CAROL_URI = `sip:carol@127.0.0.1:${PHONE}`;

const FOX = 1000; // of its fake microphone
const CHROME = 700;
// It gathers nothing on a machine that has only loopback.
const external = Object.values(os.networkInterfaces()).flat()
	.filter((a) => !a.internal && a.family === 'IPv4').map((a) => a.address).slice(0, 1);
const skip = (!isThere || !external.length) && 'no Firefox, or nothing but loopback';

let gateway;
let chromium;
let firefox;
let running;
let phone;
const clients = [];
const tones = [];

before(async () => {
	if (skip)
		return;
	gateway = await startGateway({
		name: 'firefox-client', port: PORT, core: `sip:127.0.0.1:${PHONE};transport=udp`,
		extra: { media: { quality_ms: 1000, web_address: ['127.0.0.1', ...external] } },
	});
	phone = await SipAnswerer.listen({ port: PHONE });
	[chromium, running] = await Promise.all(
		[launchBrowser(), launchFirefox({ dir: gateway.dir, port: PORT + 90 })]);
	firefox = asBrowser(running);
});

after(async () => {
	await Promise.all([chromium?.close(), running?.stop()]);
	await phone?.close();
	await gateway?.stop();
});

afterEach(async () => {
	for (const client of clients.splice(0))
		await client.close();
	for (const tone of tones.splice(0))
		await tone.stop();
});

async function logIn(browser, user, hz, more = {}) {
	const client = await openClient(browser, { ...gateway, user, hz, ...more });
	clients.push(client);
	return client.registered();
}

/** Firefox gets sound: packets come in. */
async function arrives(fox) {
	const packets = () => fox.do(async () => (await session.getStats()).packetsReceived);
	const before = await packets();
	await until(async () => await packets() > before + 10, 'sound comes in');
}

async function sees(who, what) {
	const frames = () => who.do(async () => (await session.getStats()).video?.framesDecoded ?? 0);
	const before = await frames();
	await until(async () => await frames() > before + 3, what, 20_000);
}

test('a call with Chromium is held by each, muted, moved by ICE, and filmed', { skip }, async () => {
	const fox = await logIn(firefox, 'alice', FOX, { config: { qualityInterval: 1000 } });
	const chrome = await logIn(chromium, 'bob', CHROME);
	await fox.call('bob');
	await chrome.event('confirmed');
	const bothHear = async () => {
		await assertHears(chrome, FOX, { not: CHROME });
		await arrives(fox);
	};
	await bothHear();
	for (const who of [fox, chrome]) {
		await who.do(() => session.hold());
		await assertSilence(chrome);
		await who.do(() => session.unhold());
		await bothHear();
	}
	await fox.do(() => session.mute());
	await assertSilence(chrome);
	await fox.do(() => session.unmute());
	await fox.do(() => session.restartIce());
	await bothHear();
	const { near, heardHere } = await fox.event('quality', { nth: 2 });
	assert.ok(near.fromGateway.mos > 3 && heardHere > 3, JSON.stringify(near));
	await chrome.do(() => session.addVideo({ constraints: { video: { width: 320 } } }));
	await sees(fox, 'Firefox sees Chromium');
	await fox.do(() => session.addVideo({ constraints: { video: { width: 320 } } }));
	await sees(chrome, 'Chromium sees Firefox');
	await fox.do(() => session.removeVideo());
	await until(async () => !(await chrome.do(() => session.hasVideo())).remote, 'dark');
	await bothHear();
	await chrome.hangUp();
	assert.equal((await fox.event('ended')).originator, 'remote');
});

test('Chromium calls Firefox, which answers', { skip }, async () => {
	const fox = await logIn(firefox, 'alice', FOX);
	const chrome = await logIn(chromium, 'bob', CHROME);
	await chrome.call('alice');
	await fox.event('confirmed');
	await assertHears(chrome, FOX, { not: CHROME });
	await arrives(fox);
	await fox.hangUp();
	await chrome.event('ended');
});

test('early media, digits by INFO, and another party in the call', { skip }, async () => {
	const made = {};
	phone.onInvite = async (call) => {
		const carol = call.uri.startsWith('sip:carol');
		const port = carol ? RTP + 2 : RTP;
		made[carol ? 'carol' : 'phone'] = call;
		call.sdp = () => phone.sdp().replace(/^m=audio \d+ /m, `m=audio ${port} `);
		tones.push(await playTone({ port, to: audioOf(call.offer), hz: carol ? 600 : 800 }));
		if (carol)
			call.answer();
		else
			call.ring(183, ['P-Early-Media: sendonly'], call.sdp());
	};
	const fox = await logIn(firefox, 'alice', FOX, { config: { playback: true } });
	await fox.do((uri) => { ua.call(uri); }, PHONE_URI);
	await until(async () => await fox.state() === 'early', 'early media is told');
	await arrives(fox);
	assert.equal(await fox.do(() => session.isEstablished()), false);
	await made.phone.answer();
	await fox.event('confirmed');
	await arrives(fox);
	await fox.do(() => session.sendDTMF('5', { transport: 'info' }));
	await until(() => phone.received.some((line) => line.startsWith('INFO ')), 'INFO');
	await fox.do((uri) => session.transfer(uri), CAROL_URI);
	await made.phone.ended;
	await arrives(fox);
	await fox.hangUp();
	await made.carol.ended;
});
