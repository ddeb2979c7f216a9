// shared.test.mjs - endpoints of one identity behind one contact: the core sees
// one, the gateway rings them all.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { PASSWORD, ROOT } from '../e2e/lib/gateway.mjs';
import { until } from '../e2e/lib/process.mjs';
import { browserSdp, connect } from '../lib/respect.mjs';
import { hss, phone, startImsGateway } from './lib.mjs';

const BOB = 'sip:bob@ims.test';
let gateway;
let bobs;

async function logIn() {
	const client = await connect(gateway.endpoint, { origin: `https://127.0.0.1:${gateway.port}` });
	await client.authBasic(BOB, PASSWORD);
	return client;
}

/** phone(), while this process goes on. */
const phoneLater = (...args) => new Promise((resolve, reject) =>
	execFile(path.join(ROOT, 'lab/phone.sh'), args, (error) => error ? reject(error) : resolve()));
const leave = (client) => client.auth({ authType: 'basic', webrtcId: BOB, expiration: 0 });

before(async () => {
	gateway = await startImsGateway('shared', 29400, { ims: { contact_shared: true } });
	await gateway.add(BOB, '--enrol', 'web', '--impi', 'bob@ims.test', '--impu', BOB);
	bobs = [await logIn(), await logIn(), await logIn()];
});
after(() => gateway?.stop());

test('three log-ins are one registration in the core', async () => {
	assert.equal(await gateway.metric('isthmus_ims_registrations'), 1);
	assert.equal(await gateway.metric('isthmus_enrolments'), 3);
	assert.equal(hss('list', 'bob@ims.test').split(' ')[1], 'registered');
});

test('who began it may leave; a call rings the others, and one answers', async () => {
	await leave(bobs.shift());
	await until(async () => await gateway.metric('isthmus_enrolments') === 2, 'two are left');
	assert.equal(await gateway.metric('isthmus_ims_registrations'), 1);
	const answered = phoneLater('call', 'dave', BOB);
	const rings = await Promise.all(bobs.map((bob) => bob.next((m) => m.method === 'msetup')));
	await bobs[1].request('mupdate', {
		mediaSessionId: rings[1].mediaSessionId, sdpAnswer: browserSdp({ setup: 'active' }),
	});
	const { problemDetails } = await bobs[0].next((m) => m.method === 'mdisc');
	assert.match(problemDetails.detail, /answered elsewhere/);
	await answered;
	phone('hangup', 'dave');
	await bobs[1].next((m) => m.method === 'mdisc');
});

test('each of them calls by it', async () => {
	for (const bob of bobs) {
		await bob.request('msetup', { resourceId: 'sip:carol@ims.test', preOffer: browserSdp() });
		const { mediaSessionId } = await bob.state('connected', 10_000);
		await bob.request('mdisc', { mediaSessionId });
	}
});

test('the last to leave deregisters', async () => {
	await leave(bobs.shift());
	assert.equal(hss('list', 'bob@ims.test').split(' ')[1], 'registered');
	await leave(bobs.shift());
	await until(() => hss('list', 'bob@ims.test').split(' ')[1] !== 'registered', 'bob is gone');
});
