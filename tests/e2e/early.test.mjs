// Chromium, and then Firefox, behind a core that forks: two phones send early
// media in reliable responses, with preconditions; each is heard in its turn,
// the one that answers stays, and the session is refreshed while they talk.
import test, { after, afterEach, before, beforeEach } from 'node:test';
import assert from 'node:assert/strict';
import { asBrowser, launchFirefox, ownAddress } from './lib/bidi.mjs';
import { launchBrowser } from './lib/browser.mjs';
import { assertHears, openClient } from './lib/client.mjs';
import { ForkingCore } from './lib/forking-core.mjs';
import { startGateway } from './lib/gateway.mjs';
import { until } from './lib/process.mjs';
import { audioOf, playTone } from './lib/rtp.mjs';

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

/** Each phone of a forked call is heard in its turn, and the winner stays. */
async function forked(browser, mine) {
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
		for (const tag of ['one', 'two']) {
			core.respond(183, tag, { reliable: true, body: core.sdp(tag),
				headers: ['P-Early-Media: sendrecv'] });
			await core.received('PRACK', tag);
			const update = await core.received('UPDATE', tag);
			assert.match(update.body, /a=curr:qos local sendrecv/);
			await assertHears(alice, HZ[tag], { not: mine });
		}
		assert.equal(await alice.state(), 'early');

		core.respond(199, 'two');
		await assertHears(alice, HZ.one);
		core.respond(200, 'one'); // its description was in the 183
		await core.received('ACK', 'one');
		await alice.event('confirmed');
		await assertHears(alice, HZ.one);

		// The session is refreshed, which no browser hears of.
		const before = alice.page.traffic.length;
		const timer = ['Supported: timer', 'Session-Expires: 600;refresher=uac'];
		const update = await core.request('UPDATE', 'one', { headers: timer });
		assert.equal(update.status, 200);
		assert.equal(update.headers['session-expires'][0], '600;refresher=uac');
		assert.equal((await core.request('INVITE', 'one',
			{ headers: timer, body: core.sdp('one', 2) })).status, 200);
		assert.equal(alice.requests('mupdate', 's2c').filter((m) => m.sdpOffer).length, 0);
		assert.ok(alice.page.traffic.length - before <= 2, 'nothing of the refresh');
		await assertHears(alice, HZ.one);

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

test('Chromium hears each phone of a forked call, and the winner stays', async () => {
	const browser = await launchBrowser();
	try {
		await forked(browser, MINE.Chromium);
	} finally {
		await browser.close();
	}
});

test('so does Firefox', async () => {
	const firefox = await launchFirefox({ dir: gateway.dir, port: PORT + 90 });
	try {
		await forked(asBrowser(firefox), MINE.Firefox);
	} finally {
		await firefox.stop();
	}
});
