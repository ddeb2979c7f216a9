// Chromium, and then Firefox, behind a core that forks: two phones send early
// media in reliable responses, with preconditions; each is heard in its turn,
// the one that answers stays, and the session is refreshed while they talk.  A
// caller with preconditions rings nobody before they are met.
import test, { after, afterEach, before, beforeEach, describe } from 'node:test';
import assert from 'node:assert/strict';
import { asBrowser, launchFirefox, ownAddress } from './lib/bidi.mjs';
import { launchBrowser } from './lib/browser.mjs';
import { assertHears, openClient } from './lib/client.mjs';
import { ForkingCore } from './lib/forking-core.mjs';
import { longestPause, record } from './lib/gap.mjs';
import { startGateway } from './lib/gateway.mjs';
import { pause, until } from './lib/process.mjs';
import { audioOf, playTone } from './lib/rtp.mjs';
import { SipAnswerer } from '../lib/sip-answerer.mjs';

const PORT = 25300;
const CORE = 25350;
const RTP = { one: 25360, two: 25362 };
const HZ = { one: 600, two: 1500 };
const MINE = { Chromium: 440, Firefox: 1000 }; // its microphone knows no other

let gateway;
let core;

before(async () => {
	gateway = await startGateway({
		name: 'early', port: PORT, core: `sip:127.0.0.1:${CORE};transport=udp`,
		extra: {
			sip: { precondition: 'supported', precondition_confirm: true },
			media: { web_address: ['127.0.0.1', ownAddress()] },
		},
	});
});

beforeEach(async () => {
	core = await ForkingCore.listen(CORE);
	core.rtp = RTP;
});

afterEach(() => core.close());
after(() => gateway?.stop());

/** Nobody who listens hears that anything was changed. */
function seamless(t, what, { gap, ms }, late) {
	t.diagnostic(`${what}: a gap of ${gap} ms in ${Math.round(ms)} (a tone was ${
		Math.round(late)} ms late)`);
	assert.ok(ms > 2000, `${ms} ms were heard`);
	assert.ok(gap < 100 + late, `a gap of ${gap} ms`);
}

/** Each phone of a forked call is heard in its turn, and the winner stays. */
async function forked(t, browser, mine) {
	const alice = await openClient(browser, { ...gateway, user: 'alice', hz: mine });
	const tones = [];

	try {
		await alice.registered();
		await alice.do(() => { ua.call('sip:bob@far.example'); });
		await until(() => core.invite, 'INVITE');
		assert.match(core.invite.headers.supported[0], /100rel.*precondition/);
		assert.match(core.invite.body, /a=curr:qos local none/);
		const to = audioOf(core.invite.body);

		// Both talk all the time; what is heard is the gateway's choice.
		for (const tag of ['one', 'two'])
			tones.push(await playTone({ port: RTP[tag], to, hz: HZ[tag] }));
		let tape;
		for (const tag of ['one', 'two']) {
			core.respond(183, tag, { reliable: true, body: core.sdp(tag),
				headers: ['P-Early-Media: sendrecv'] });
			await core.received('PRACK', tag);
			const update = await core.received('UPDATE', tag);
			assert.match(update.body, /a=curr:qos local sendrecv/);
			await assertHears(alice, HZ[tag], { not: mine });
			if (!tape) {
				tones.forEach((tone) => tone.watch());
				tape = await record(alice);
			}
		}
		assert.equal(await alice.state(), 'early');

		core.respond(199, 'two');
		await assertHears(alice, HZ.one);
		core.respond(200, 'one'); // its description was in the 183
		await core.received('ACK', 'one');
		await alice.event('confirmed');
		await assertHears(alice, HZ.one);
		await assertHears(tones[0], mine);
		await pause(1000); // of the winner alone
		await tape.halt();
		let late = Math.max(...tones.map((tone) => tone.late));
		seamless(t, 'the forks', await tape.stop(HZ.one, HZ.two), late);

		// The session is refreshed, which no browser hears of.
		const before = alice.page.traffic.length;
		await alice.do(() => {
			globalThis.moves = 0;
			session.connection.addEventListener('signalingstatechange', () => globalThis.moves++);
		});
		tape = await record(alice);
		const packets = tones[0].watch();
		await pause(500);
		const timer = ['Supported: timer', 'Session-Expires: 600;refresher=uac'];
		const update = await core.request('UPDATE', 'one', { headers: timer });
		assert.equal(update.status, 200);
		assert.equal(update.headers['session-expires'][0], '600;refresher=uac');
		assert.equal((await core.request('INVITE', 'one',
			{ headers: timer, body: core.sdp('one', 2) })).status, 200);
		assert.equal(alice.requests('mupdate', 's2c').filter((m) => m.sdpOffer).length, 0);
		assert.ok(alice.page.traffic.length - before <= 2, 'nothing of the refresh');
		await pause(2000); // of what follows
		await tape.halt();
		({ late } = tones[0]);
		seamless(t, 'the refresh, in the page', await tape.stop(HZ.one), late);
		seamless(t, 'the refresh, at the phone', longestPause(packets, mine), late);
		assert.equal(await alice.do(() => globalThis.moves), 0, 'JSEP sees nothing');

		// One description, whatever happened.
		const answers = alice.page.traffic.filter(({ msg }) => msg.sdpAnswer);
		assert.equal(answers.length, 1);
		await alice.hangUp();
		await core.received('BYE', 'one');
	} finally {
		for (const tone of tones)
			await tone.stop();
		await alice.close();
	}
	await until(async () => await gateway.metric('isthmus_calls_live') === 0, 'no call is left');
}

// RFC 3312 5.1: the caller has no resources yet, and wants none to be alerted.
async function met(t, browser, mine) {
	const phone = await SipAnswerer.listen({ port: CORE + 1 });
	const alice = await openClient(browser, { ...gateway, user: 'alice', hz: mine });
	let tone;

	const describe = (local, remote, version) => ['v=0',
		`o=phone 1 ${version} IN IP4 127.0.0.1`, 's=-', 'c=IN IP4 127.0.0.1', 't=0 0',
		`m=audio ${RTP.one} RTP/AVP 0`, 'a=rtpmap:0 PCMU/8000', 'a=sendrecv',
		`a=curr:qos local ${local}`, `a=curr:qos remote ${remote}`,
		'a=des:qos mandatory local sendrecv', 'a=des:qos mandatory remote sendrecv', '']
		.join('\r\n');

	try {
		await alice.registered();
		const call = phone.invite(`sip:alice@127.0.0.1:${gateway.sipPort}`,
			{ port: gateway.sipPort }, {
				headers: ['Supported: 100rel, precondition',
					'Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE'],
				body: describe('none', 'none', 1),
			});
		const progress = [];
		call.onProgress = (response) => progress.push(response);
		const session = await until(() => progress.find(({ status }) => status === 183), '183');
		assert.match(session.headers.require[0], /100rel/);
		assert.match(session.body, /a=curr:qos local sendrecv/);
		assert.match(session.body, /a=conf:qos remote sendrecv/);
		assert.equal((await call.prack(session)).status, 200);
		tone = await playTone({ port: RTP.one, to: audioOf(session.body), hz: HZ.one });
		await pause(500); // in which nobody rings
		assert.equal(await alice.count('newSession'), 0);
		assert.deepEqual(alice.requests('msetup', 's2c'), []);
		assert.ok(!call.progress.includes(180));

		const update = await call.request('UPDATE',
			{ body: describe('sendrecv', 'sendrecv', 2), headers: [phone.contact] });
		assert.equal(update.status, 200);
		assert.match(update.body, /a=curr:qos remote sendrecv/);
		await alice.event('newSession'); // which the page answers
		const ringing = progress.find(({ status, headers }) => status === 180 && headers.rseq);
		if (ringing)
			await call.prack(ringing);
		await alice.event('confirmed');
		await call.answered;
		assert.ok(call.progress.includes(180));
		await assertHears(alice, HZ.one, { not: mine });
		await assertHears(tone, mine, { not: HZ.one });
		await call.bye();
		assert.equal((await alice.event('ended')).originator, 'remote');
	} finally {
		await tone?.stop();
		await alice.close();
		await phone.close();
	}
	await until(async () => await gateway.metric('isthmus_calls_live') === 0, 'no call is left');
}

const TESTS = [
	['hears each phone of a forked call, and the winner stays', forked],
	['is called with preconditions, and rings once they are met', met],
];

describe('Chromium', () => {
	let browser;

	before(async () => {
		browser = await launchBrowser();
	});
	after(() => browser?.close());
	for (const [name, play] of TESTS)
		test(name, (t) => play(t, browser, MINE.Chromium));
});

describe('Firefox', () => {
	let firefox;

	before(async () => {
		firefox = await launchFirefox({ dir: gateway.dir, port: PORT + 90 });
	});
	after(() => firefox?.stop());
	for (const [name, play] of TESTS)
		test(name, (t) => play(t, asBrowser(firefox), MINE.Firefox));
});
