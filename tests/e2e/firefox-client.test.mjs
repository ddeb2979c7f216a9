// The client library in Firefox: with Chromium at the other end, and with a SIP
// phone.  What differs there is here: early media (pranswer), offers that are
// set only with their answer, directions after a hold, video in mid-call.
import test, { after, afterEach, before } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { startBaresip } from './lib/baresip.mjs';
import { launchBrowser } from './lib/browser.mjs';
import { asBrowser, launchFirefox, ownAddress } from './lib/bidi.mjs';
import { startGateway } from './lib/gateway.mjs';
import { assertHears, assertSilence, openClient } from './lib/client.mjs';
import { until } from './lib/process.mjs';
import { audioOf, playTone } from './lib/rtp.mjs';
import { SipAnswerer } from '../lib/sip-answerer.mjs';

const PORT = 25100;
const PHONE = 25160;
const RTP = 25170;
const DESK = 25200; // and 39 more
const PHONE_URI = `sip:phone@127.0.0.1:${PHONE}`;
const CAROL_URI = `sip:carol@127.0.0.1:${PHONE}`;

const FOX = 1000; // of its fake microphone
const CHROME = 700;
const THEIRS = 800; // a phone's
const CAROL = 600; // another's

let gateway;
let chromium;
let firefox;
let running;
let phone; // the core
let desk;
const clients = [];
const tones = [];

before(async () => {
	gateway = await startGateway({
		name: 'firefox-client', port: PORT, core: `sip:127.0.0.1:${PHONE};transport=udp`,
		extra: { media: { quality_ms: 1000, web_address: ['127.0.0.1', ownAddress()] } },
	});
	phone = await SipAnswerer.listen({ port: PHONE });
	[chromium, running, desk] = await Promise.all([
		launchBrowser(), launchFirefox({ dir: gateway.dir, port: PORT + 90 }),
		startBaresip({ dir: path.join(gateway.dir, 'desk'), port: DESK, hz: THEIRS }),
	]);
	firefox = asBrowser(running);
});

after(async () => {
	await Promise.all([chromium?.close(), running?.stop()]);
	await phone?.close();
	await desk?.stop();
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

async function sees(who, what) {
	const frames = () => who.do(async () => (await session.getStats()).video?.framesDecoded ?? 0);
	const before = await frames();
	await until(async () => await frames() > before + 3, what, 20_000);
}

test('a call with Chromium is held by each, muted, moved by ICE, and filmed', async () => {
	const fox = await logIn(firefox, 'alice', FOX, { config: { qualityInterval: 1000 } });
	const chrome = await logIn(chromium, 'bob', CHROME);
	await fox.call('bob');
	await chrome.event('confirmed');
	const bothHear = () => Promise.all([assertHears(chrome, FOX, { not: CHROME }),
		assertHears(fox, CHROME, { not: FOX })]);
	await bothHear();
	for (const who of [fox, chrome]) {
		await who.do(() => session.hold());
		await Promise.all([assertSilence(chrome), assertSilence(fox)]);
		await who.do(() => session.unhold());
		await bothHear();
	}
	await fox.do(() => session.mute());
	await assertSilence(chrome);
	await fox.do(() => session.unmute());
	await fox.do(() => session.restartIce());
	await bothHear();
	// An interval of silence is not judged: until one is.
	await until(async () => {
		const last = (await fox.seen()).filter(([n]) => n === 'quality').at(-1)?.[1];
		return last?.near.fromGateway.mos > 3 && last.heardHere > 3;
	}, 'the quality is seen');
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

test('Chromium calls Firefox, which answers', async () => {
	const fox = await logIn(firefox, 'alice', FOX);
	const chrome = await logIn(chromium, 'bob', CHROME);
	await chrome.call('alice');
	await fox.event('confirmed');
	await assertHears(chrome, FOX, { not: CHROME });
	await assertHears(fox, CHROME, { not: FOX });
	await fox.hangUp();
	await chrome.event('ended');
});

test('a SIP phone calls Firefox, and holds the call', async () => {
	const fox = await logIn(firefox, 'alice', FOX, { config: { playback: true } });
	await desk.dial(`sip:alice@127.0.0.1:${gateway.sipPort}`);
	await fox.event('confirmed');
	await assertHears(desk, FOX, { not: THEIRS });
	await assertHears(fox, THEIRS);
	await desk.hold();
	await fox.event('hold');
	await assertSilence(fox);
	await desk.resume();
	await fox.event('unhold');
	await assertHears(fox, THEIRS);
	await desk.hangup();
	assert.equal((await fox.event('ended')).originator, 'remote');
});

test('Firefox calls a SIP phone, holds it, and finds another path', async () => {
	let ear;
	let made;
	phone.onInvite = async (call) => {
		made = call;
		// RFC 3264 6.1: who is sent to only does not send.
		call.sdp = () => phone.sdp().replace(/^m=audio \d+ /m, `m=audio ${RTP + 4} `)
			.replace('a=sendrecv', /^a=sendonly/m.test(call.offer) ? 'a=recvonly' : 'a=sendrecv');
		ear = await playTone({ port: RTP + 4, to: audioOf(call.offer), hz: THEIRS });
		tones.push(ear);
		call.ring();
		call.answer();
	};
	const fox = await logIn(firefox, 'alice', FOX, { config: { playback: true } });
	await fox.call(PHONE_URI);
	const bothHear = () => Promise.all([assertHears(ear, FOX, { not: THEIRS }),
		assertHears(fox, THEIRS, { not: FOX })]);
	await bothHear();
	await fox.do(() => session.hold());
	await Promise.all([assertSilence(ear), assertSilence(fox)]);
	await fox.do(() => session.unhold());
	await bothHear();
	const asked = made.reinvites;
	await fox.do(() => session.restartIce());
	await bothHear();
	assert.equal(made.reinvites, asked, 'the phone is not told of another path');
	await fox.hangUp();
	assert.equal(await made.ended, 'bye-received');
});

test('early media, digits by INFO, and another party in the call', async () => {
	const made = {};
	phone.onInvite = async (call) => {
		const carol = call.uri.startsWith('sip:carol');
		const port = carol ? RTP + 2 : RTP;
		made[carol ? 'carol' : 'phone'] = call;
		call.sdp = () => phone.sdp().replace(/^m=audio \d+ /m, `m=audio ${port} `);
		tones.push(await playTone({ port, to: audioOf(call.offer), hz: carol ? CAROL : THEIRS }));
		if (carol)
			call.answer();
		else
			call.ring(183, ['P-Early-Media: sendonly'], call.sdp());
	};
	const fox = await logIn(firefox, 'alice', FOX, { config: { playback: true } });
	await fox.do((uri) => { ua.call(uri); }, PHONE_URI);
	await until(async () => await fox.state() === 'early', 'early media is told');
	await assertHears(fox, THEIRS);
	assert.equal(await fox.do(() => session.isEstablished()), false);
	await made.phone.answer();
	await fox.event('confirmed');
	await assertHears(fox, THEIRS);
	await fox.do(() => session.sendDTMF('5', { transport: 'info' }));
	await until(() => phone.received.some((line) => line.startsWith('INFO ')), 'INFO');
	await fox.do((uri) => session.transfer(uri), CAROL_URI);
	await made.phone.ended;
	await assertHears(fox, CAROL);
	await fox.hangUp();
	await made.carol.ended;
});
