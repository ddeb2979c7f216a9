// path.test.mjs - a browser whose media path is gone, or never was: what both
// ends of the call are told, and what the operator finds.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser } from './lib/browser.mjs';
import { openClient } from './lib/client.mjs';
import { PASSWORD, startGateway } from './lib/gateway.mjs';
import { until } from './lib/process.mjs';
import { SipAnswerer } from '../lib/sip-answerer.mjs';
import { WebPhone } from '../lib/web-phone.mjs';
import { within } from '../lib/within.mjs';

const PORT = 28600;
const PHONE_PORT = 28650;
const PHONE = 'sip:phone@phones.example';
const ALICE = 'sip:alice@demo.example';
const BOB = 'sip:bob@demo.example';

let gateway, phone, browser;

before(async () => {
	phone = await SipAnswerer.listen({ port: PHONE_PORT });
	gateway = await startGateway({ name: 'path', port: PORT,
		core: `sip:127.0.0.1:${PHONE_PORT};transport=udp`,
		extra: { media: { consent_s: 6 }, calls: { no_path_s: 2, path_lost_s: 1 } } });
	browser = await launchBrowser();
});

after(async () => {
	await browser?.close();
	await gateway?.stop();
	await phone?.close();
});

/** The next INVITE, answered; its call when the ACK is there. */
const answered = () => within(new Promise((done) => {
	phone.onInvite = (sip) => {
		sip.ring();
		sip.answer();
		sip.answered.then(() => done(sip));
	};
}), 'the phone is called');

const byeOf = (sip) => within(sip.ended.then(() => sip), 'the phone is told');

/** RFC 3326: a BYE has no status of its own. */
const reasonOf = (sip) => String(sip.endMessage.headers.reason);

async function failed(reason) {
	const { body } = await gateway.admin('/metrics');
	const line = body.split('\n').find((l) =>
		l.startsWith(`isthmus_calls_media_failed_total{reason="${reason}"}`));
	return Number(line.split(' ')[1]);
}

const recordOf = (from) => until(() => gateway.cdrs().find((cdr) => cdr.from === from),
	`the record of ${from}`);

const said = (call, text) => gateway.log().split('\n')
	.filter((line) => line.includes(`[${call}]`) && text.test(line)).length;

// The page keeps its WebSocket, and its connection is closed: nothing answers
// checks any more, and nobody hangs up.
test('a browser that vanishes in mid-call ends it, and all are told why', async () => {
	const called = answered();
	const alice = await openClient(browser, { ...gateway, user: 'alice' });
	await alice.registered();
	await alice.call(PHONE);
	const sip = await called;
	await until(() => /respect leg: media is secured/.test(gateway.log()), 'media is secured');
	const began = Date.now();
	await alice.do(() => globalThis.probe.peers.at(-1).close());
	await byeOf(sip);
	const took = Date.now() - began;
	assert.ok(took > 3000 && took < 15_000, `after ${took} ms`);
	assert.match(reasonOf(sip), /^SIP;cause=408;/);

	const ended = await alice.event('ended');
	assert.deepEqual([ended.originator, ended.status], ['remote', 408], JSON.stringify(ended));
	const cdr = await recordOf(ALICE);
	assert.deepEqual([cdr.status, cdr.released_by, cdr.answered],
		[408, 'gateway', true], JSON.stringify(cdr));
	assert.match(cdr.reason, /media path to the browser lost/);
	assert.equal(await failed('path_lost'), 1);
	assert.equal(await failed('no_path'), 0);
	assert.equal(said(cdr.call, / info .*no consent for 6 s/), 1);
	assert.equal(said(cdr.call, / warn .*respect leg: ICE failed or lost consent/), 1);
	await alice.close();
});

test('a browser that never has a path ends its call, and all are told why', async () => {
	const called = answered();
	const bob = await WebPhone.login(gateway.endpoint, BOB, PASSWORD);
	const web = await bob.call(PHONE);
	await web.connected;
	const sip = await called;
	const began = Date.now();
	assert.equal(await web.ended, 408);
	await byeOf(sip);
	assert.ok(Date.now() - began < 6000);
	assert.match(reasonOf(sip), /^SIP;cause=408;/);
	const cdr = await recordOf(BOB);
	assert.deepEqual([cdr.status, cdr.released_by], [408, 'gateway'], JSON.stringify(cdr));
	assert.match(cdr.reason, /no media path to the browser/);
	assert.equal(await failed('no_path'), 1);
});
