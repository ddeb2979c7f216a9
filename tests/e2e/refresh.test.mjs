// refresh.test.mjs - a call whose session the gateway has to refresh (RFC 4028),
// by UPDATE, and by re-INVITE to a phone that knows none: who talks does not
// notice.  Half of the shortest interval that may be is 45 s, so the calls of
// both browsers stand side by side.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { asBrowser, launchFirefox, ownAddress } from './lib/bidi.mjs';
import { launchBrowser } from './lib/browser.mjs';
import { assertHears, openClient } from './lib/client.mjs';
import { longestPause, record } from './lib/gap.mjs';
import { startGateway } from './lib/gateway.mjs';
import { pause, until } from './lib/process.mjs';
import { audioOf, playTone } from './lib/rtp.mjs';
import { SipAnswerer } from '../lib/sip-answerer.mjs';

const PORT = 30100;
const PHONE = PORT + 50;
const RTP = PORT + 60; // and the next ones
const SE_S = 90;

let gateway;
let phone;
let chromium;
let firefox;
const ended = [];

before(async () => {
	gateway = await startGateway({
		name: 'refresh', port: PORT, core: `sip:127.0.0.1:${PHONE};transport=udp`,
		extra: { media: { web_address: ['127.0.0.1', ownAddress()] } },
	});
	phone = await SipAnswerer.listen({ port: PHONE });
	[chromium, firefox] = await Promise.all([launchBrowser(),
		launchFirefox({ dir: gateway.dir, port: PORT + 90 })]);
});

after(async () => {
	for (const end of ended)
		await end();
	await chromium?.close();
	await firefox?.stop();
	await gateway?.stop();
	await phone?.close();
});

const CALLS = [
	{ name: 'Chromium, by UPDATE', browser: () => chromium, hz: 440, theirs: 800, update: true },
	{ name: 'Chromium, by re-INVITE', browser: () => chromium, hz: 600, theirs: 1200 },
	{ name: 'Firefox, by re-INVITE', browser: () => asBrowser(firefox), hz: 1000, theirs: 1500 },
];

async function call(how, i) {
	const client = await openClient(how.browser(), { ...gateway, user: 'alice', hz: how.hz });
	ended.push(() => client.close());
	const made = { ...how, client };

	phone.onInvite = async (sip) => {
		const port = RTP + 2 * i;
		made.sip = sip;
		const text = phone.sdp().replace(/^m=audio \d+ /m, `m=audio ${port} `);
		sip.sdp = () => text; // the same version, too
		sip.timer = ['Require: timer', `Session-Expires: ${SE_S};refresher=uac`];
		made.tone = await playTone({ port, to: audioOf(sip.offer), hz: how.theirs });
		ended.push(() => made.tone.stop());
		sip.ring();
		made.since = Date.now();
		sip.answer(sip.sdp(), [...sip.timer,
			`Allow: INVITE, ACK, BYE, CANCEL${how.update ? ', UPDATE' : ''}`]);
	};
	await client.registered();
	await client.call('sip:phone@far.example');
	await assertHears(client, how.theirs, { not: how.hz });
	await assertHears(made.tone, how.hz, { not: how.theirs });
	await client.do(() => {
		globalThis.moves = 0;
		session.connection.addEventListener('signalingstatechange', () => globalThis.moves++);
	});
	made.said = client.page.traffic.filter(({ msg }) => msg.sdpOffer || msg.sdpAnswer).length;
	return made;
}

/** What is heard on both sides from some seconds before the refresh. */
async function hearRefresh(made) {
	const { name, sip, since, update } = made;
	await until(() => Date.now() - since > SE_S * 500 - 7000, 'it is due', 60_000, 200);
	assert.ok(!sip.updates && !sip.reinvites, `${name}: not yet`);
	made.packets = made.tone.watch();
	made.tape = await record(made.client);
	await until(() => update ? sip.updates : sip.reinvites, `${name}: the refresh`, 60_000);
	assert.deepEqual([sip.updates ?? 0, sip.reinvites ?? 0], update ? [1, 0] : [0, 1], name);
	await pause(1500); // of what follows
	await made.tape.halt();
	made.late = made.tone.late;
}

test('a session that the gateway refreshes is heard without a gap', async (t) => {
	const calls = [];
	const heard = []; // each in its own time, however long the next takes to come up
	for (const [i, how] of CALLS.entries()) {
		calls.push(await call(how, i));
		heard.push(hearRefresh(calls[i]));
	}
	await Promise.all(heard);
	for (const { name, client, tone, tape, packets, late, hz, theirs, said } of calls) {
		const here = await tape.stop(theirs);
		const there = longestPause(packets, hz);
		t.diagnostic(`${name}: ${here.gap} ms in the page, ${there.gap} ms at the phone, of ${
			Math.round(here.ms)} (the tone was ${Math.round(late)} ms late)`);
		assert.ok(here.ms > 3000 && there.ms > 3000, name);
		assert.ok(here.gap < 100 + late, `${name}: a gap of ${here.gap} ms in the page`);
		assert.ok(there.gap < 100 + late, `${name}: a gap of ${there.gap} ms at the phone`);
		assert.equal(await client.do(() => globalThis.moves), 0, `${name}: JSEP sees nothing`);
		assert.equal(client.page.traffic.filter(({ msg }) =>
			msg.sdpOffer || msg.sdpAnswer).length, said, `${name}: nor does the page`);
		assert.equal(await client.state(), 'connected');
		await assertHears(client, theirs, { not: hz });
		await assertHears(tone, hz, { not: theirs });
	}
	for (const { client, sip } of calls) {
		await client.hangUp();
		assert.equal(await sip.ended, 'bye-received');
	}
});
