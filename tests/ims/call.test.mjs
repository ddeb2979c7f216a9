// call.test.mjs - a browser and an IMS phone call each other through a real
// core, with a different tone each way.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { launchBrowser } from '../e2e/lib/browser.mjs';
import { assertHears, openClient } from '../e2e/lib/client.mjs';
import { until } from '../e2e/lib/process.mjs';
import { phone, startImsGateway } from './lib.mjs';

const MINE = 1000;
const CAROL = 440;
const DAVE = 700;
const BOB = 1600;

let browser;
before(async () => { browser = await launchBrowser(); });
after(() => browser?.close());

for (const [at, transport] of ['udp', 'tcp'].entries())
	describe(`over ${transport}`, () => {
		let gateway, alice;
		before(async () => {
			// One of the two with preconditions, which the phones do not know, and
			// a caller and a callee here both do.
			const listen = ['udp', 'tcp'].map((t) => `sip:127.0.0.50:5060;transport=${t}`);
			const qos = { precondition: 'supported', precondition_confirm: true };
			gateway = await startImsGateway(`call-${transport}`, 28600 + 200 * at, { transport,
				extra: transport === 'tcp' ? { sip: { listen, ...qos } } : {} });
			await gateway.add('sip:alice@ims.test', '--enrol', 'web', '--name', 'Alice',
				'--impi', 'alice@ims.test', '--impu', 'sip:alice@ims.test');
			await gateway.add('sip:bob@ims.test', '--enrol', 'web', '--name', 'Bob',
				'--impi', 'bob@ims.test', '--impu', 'sip:bob@ims.test');
		});
		after(() => gateway?.stop());
		afterEach(async () => {
			await alice?.close();
			alice = null;
		});

		async function logIn() {
			alice = await openClient(browser, { ...gateway, id: 'sip:alice@ims.test', hz: MINE });
			await alice.registered();
		}

		const phoneHears = (name, hz) =>
			until(() => phone('tone', name).trim() === `${hz} Hz`, `${name} hears ${hz} Hz`, 20_000);

		test('the browser calls the phone, and both hear each other', async () => {
			await logIn();
			await alice.call('sip:carol@ims.test');
			await assertHears(alice, CAROL, { not: MINE });
			await phoneHears('carol', MINE);
			await alice.hangUp();
			await until(() => gateway.cdrs().length === 1, 'a CDR');
			assert.ok(gateway.cdrs()[0].charging_id, 'the icid-value is in the CDR');
		});

		test('the phone calls the browser, and both hear each other', async () => {
			await logIn();
			phone('call', 'dave', 'sip:alice@ims.test');
			assert.equal((await alice.event('newSession')).originator, 'remote');
			await alice.event('confirmed');
			await assertHears(alice, DAVE, { not: MINE });
			await phoneHears('dave', MINE);
			assert.match(await alice.do(() => session.remoteIdentity.uri), /^sip:dave@ims\.test/);
			phone('hangup', 'dave');
			await alice.event('ended');
		});

		test('two of her browsers ring, and one answers', async () => {
			await logIn();
			const other = await openClient(browser, { ...gateway, id: 'sip:alice@ims.test',
				hz: MINE, autoAnswer: false });
			try {
				await other.registered();
				phone('call', 'dave', 'sip:alice@ims.test');
				assert.equal((await other.event('newSession')).originator, 'remote');
				await alice.event('confirmed');
				await assertHears(alice, DAVE, { not: MINE });
				const { cause } = await other.event('failed');
				assert.match(JSON.stringify(cause), /elsewhere/i);
				await alice.hangUp();
			} finally {
				await other.close();
			}
		});

		// The core brings the call back to the gateway that made it (RFC 3261
		// 16.3: a spiral): both its dialogs have the one Call-ID.
		test('the browser calls another browser through the core', async () => {
			await logIn();
			const bob = await openClient(browser, { ...gateway, id: 'sip:bob@ims.test', hz: BOB });
			try {
				const cdrs = gateway.cdrs().length;
				await bob.registered();
				await alice.call('sip:bob@ims.test');
				await bob.event('confirmed');
				assert.match(await bob.do(() => session.remoteIdentity.uri), /^sip:alice@ims\.test/);
				await assertHears(alice, BOB, { not: MINE });
				await assertHears(bob, MINE, { not: BOB });
				await alice.do(() => session.hold());
				await bob.event('hold');
				await alice.do(() => session.unhold());
				await bob.event('unhold');
				// At once: their re-INVITEs cross in the core.
				const both = (what) => Promise.all([alice, bob].map((who) => who.do(what)));
				await both(() => session.hold());
				await both(() => session.unhold());
				await assertHears(bob, MINE, { not: BOB });
				await assertHears(alice, BOB, { not: MINE });
				await bob.hangUp();
				await alice.event('ended');
				await until(() => gateway.cdrs().length === cdrs + 2, 'a CDR of each call');
				// What one call confirms, both have waited for.
				for (const [result, times] of Object.entries({ waited: 2, met: 2, confirmed: 1 }))
					assert.equal(await gateway.metric(
						`isthmus_calls_preconditions_total{result="${result}"}`),
					transport === 'tcp' ? times : 0, result);
			} finally {
				await bob.close();
			}
		});

		test('the phone calls her number', async () => {
			await logIn();
			phone('call', 'dave', 'sip:+15550101@ims.test');
			await alice.event('confirmed');
			await assertHears(alice, DAVE, { not: MINE });
			await alice.hangUp();
		});
	});
