// Pictures over a line that loses a tenth of all packets, both ways: what is
// missing is sent again, what cannot be costs a key frame, which a phone is
// asked for by RTCP if it knows it (RTP/AVPF), else by SIP INFO.
import test, { after, afterEach, before } from 'node:test';
import assert from 'node:assert/strict';
import { asBrowser, launchFirefox, ownAddress } from './lib/bidi.mjs';
import { launchBrowser } from './lib/browser.mjs';
import { startGateway } from './lib/gateway.mjs';
import { assertHears, openClient } from './lib/client.mjs';
import { pause, until } from './lib/process.mjs';
import { redirect, startLossyLine } from './lib/lossy.mjs';
import { BLUE, assertSees, callsWithCamera, giveEyes, look, sent } from './lib/picture.mjs';
import { startVideoPhone } from './lib/videophone.mjs';

const PORT = 31400;
const PHONE = PORT + 50;
const LITE = PORT + 80;
const LINE = PORT + 90;
const LOSS = 0.1;
const WINDOW_MS = 10_000;
let gateway;
let browser;
let firefox;
let line;
let phone;
const clients = [];

before(async () => {
	gateway = await startGateway({
		name: 'video-loss', port: PORT, core: `sip:127.0.0.1:${PHONE};transport=udp`,
		extra: { media: { ice: 'lite', lite_port: LITE, quality_ms: 2000,
			web_address: [ownAddress()] } },
	});
	const seed = Number(process.env.SEED ?? 1);
	console.log(`SEED=${seed}`);
	line = await startLossyLine({ host: ownAddress(), port: LINE, to: LITE, seed });
	phone = await startVideoPhone({ port: PHONE, mediaPort: PORT + 60 });
	browser = await launchBrowser();
});

after(async () => {
	await browser?.close();
	await firefox?.stop();
	await phone?.close();
	await line?.close();
	await gateway?.stop();
});

afterEach(async () => {
	line.loss = 0;
	for (const client of clients.splice(0))
		await client.close();
});

/** The picture comes through @ms of loss: how it did. */
async function watch(client, ms) {
	const [before, sentBefore, resent] = [await look(client), await sent(client),
		await gateway.metric('isthmus_rtp_retransmitted_total')];
	const lost = line.lost;
	await pause(ms);
	const [now, sentNow] = [await look(client), await sent(client)];
	const of = (a, b, name) => (b[name] ?? 0) - (a[name] ?? 0);
	return {
		frames: of(before, now, 'frames'), frozen: of(before, now, 'frozen'),
		made: of(sentBefore, sentNow, 'framesEncoded'),
		asked: of(before, now, 'nacks'), wasAsked: of(sentBefore, sentNow, 'nackCount'),
		sentAgain: of(sentBefore, sentNow, 'retransmittedPacketsSent'),
		resent: await gateway.metric('isthmus_rtp_retransmitted_total') - resent,
		lost: line.lost - lost,
	};
}

/** A page whose media goes over the line. */
async function open(on, hz) {
	const client = await openClient(on, { ...gateway, user: 'alice', hz, autoAnswer: false });
	clients.push(client);
	await client.registered();
	await giveEyes(client);
	await client.do(redirect, [LITE, LINE]);
	return client;
}

for (const avpf of [true, false]) {
	const how = avpf ? 'RTCP' : 'INFO';

	test(`the picture of a phone that is asked by ${how} survives 10 % loss`, async (t) => {
		phone.avpf = avpf;
		phone.requests.length = 0;
		const alice = await open(browser, 440);
		await callsWithCamera(alice, `sip:phone@127.0.0.1:${PHONE}`, BLUE);
		await alice.event('confirmed');
		await assertSees(alice, { colour: BLUE });
		assert.ok(line.carried > 50, 'all of it goes over the line');

		line.loss = LOSS;
		const did = await watch(alice, WINDOW_MS);
		const said = JSON.stringify(did);
		t.diagnostic(said);
		assert.ok(did.lost > 20, said);
		// Both directions are repaired from what was kept of them.
		assert.ok(did.asked > 0 && did.resent > 0, said);
		assert.ok(did.wasAsked > 0 && did.sentAgain > 0, said);
		assert.ok(did.frames >= 0.5 * did.made && did.made > 60, said);
		assert.ok(did.frozen < 0.6 * WINDOW_MS / 1000, said);

		// For a while the phone sends nothing: what nobody has cannot be
		// repaired, and the one who makes pictures is asked for a whole one.
		const asked = () => avpf ? phone.plis : phone.fastUpdates();
		const before = asked();
		const began = Date.now();
		phone.lose = 60;
		await until(() => asked() > before, `a request for a key frame by ${how}`, 20_000);
		await until(() => phone.lose === 0, 'the loss is over', 20_000);
		await assertSees(alice, { colour: BLUE });
		line.loss = 0;
		await assertSees(alice, { colour: BLUE });
		await assertHears(alice, 440);
		// Throttled, whatever the browser asks: 300 ms by RTCP, a second by INFO.
		const seconds = (Date.now() - began) / 1000;
		assert.ok(asked() - before <= seconds / (avpf ? 0.3 : 1) + 1,
			`${asked() - before} in ${seconds} s`);
		assert.equal(avpf ? phone.fastUpdates() : phone.plis, 0);

		const records = gateway.cdrs().length;
		await alice.hangUp();
		await phone.ended();
		await until(() => gateway.cdrs().length > records, 'the record');
		const { a: { video: [web] }, b: { video: [core] } } = gateway.cdrs().at(-1);
		assert.ok(web.nacks_received > 0 && web.packets_resent > 0 && web.nacks_sent > 0,
			JSON.stringify(web));
		assert.ok(web.plis_received + web.firs_received > 0, JSON.stringify(web));
		assert.ok(avpf ? core.plis_sent > 0 && core.infos_sent === 0 :
			core.plis_sent === 0 && core.infos_sent > 0, JSON.stringify(core));
		phone.plis = 0;
	});
}

test('Firefox sees its echo through 10 % loss', async (t) => {
	firefox = await launchFirefox({ dir: gateway.dir, port: PORT + 95 });
	const fox = await open(asBrowser(firefox), 1000);
	await callsWithCamera(fox, 'echo', BLUE);
	await fox.event('confirmed');
	await assertSees(fox, { colour: BLUE });
	line.loss = LOSS;
	const did = await watch(fox, WINDOW_MS);
	const said = JSON.stringify(did);
	t.diagnostic(said);
	assert.ok(did.lost > 20 && did.resent > 0 && did.wasAsked > 0, said);
	assert.ok(did.frames >= 0.5 * did.made && did.made > 40, said);
	await assertSees(fox, { colour: BLUE });
	await fox.hangUp();
});

test('nothing is left behind', async () => {
	for (const metric of ['isthmus_calls_live', 'isthmus_media_contexts'])
		await until(async () => await gateway.metric(metric) === 0, `${metric} is 0`, 30_000);
});
