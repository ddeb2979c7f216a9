// faults.test.mjs - a core in trouble, and what its clients hear of it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PASSWORD } from '../e2e/lib/gateway.mjs';
import { until } from '../e2e/lib/process.mjs';
import { connect } from '../lib/respect.mjs';
import { digest, hss, startImsGateway } from './lib.mjs';

const ALICE = 'sip:alice@ims.test';
const OWN = 'sip:load31@ims.test'; // answers the core's challenges itself
let gateway;
const open = () => connect(gateway.endpoint, { origin: `https://127.0.0.1:${gateway.port}` });
const stateOf = (user) => hss('list', `${user}@ims.test`).split(' ')[1];

before(async () => {
	/* The core raises what is below 10 s, and grants a tenth less. */
	gateway = await startImsGateway('faults', 28900, { ims: { expires_s: 60, spread_percent: 0 } });
	for (const user of ['alice', 'bob'])
		await gateway.add(`sip:${user}@ims.test`, '--enrol', 'web',
			'--impi', `${user}@ims.test`, '--impu', `sip:${user}@ims.test`);
	await gateway.add(OWN, '--enrol', 'client', '--impi', 'load31@ims.test', '--impu', OWN);
});
after(() => gateway?.stop());

test('an HSS that is down: 408 or 503, and the log-in can be tried again', async () => {
	hss('down');
	const client = await open();
	try {
		await assert.rejects(client.authBasic(ALICE, PASSWORD),
			({ status }) => [408, 503, 504].includes(status));
	} finally {
		hss('up');
	}
	await until(async () => {
		const again = await open();
		try {
			await again.authBasic(ALICE, PASSWORD);
			await again.auth({ authType: 'basic', webrtcId: ALICE, expiration: 0 });
			return true;
		} catch {
			await again.close();
			return false;
		}
	}, 'alice is registered after all', 20_000);
});

/** auth of who has credentials of its own; the answer to @challenge. */
const answer = (client, challenge) => client.auth({
	authType: 'digest', webrtcId: OWN, ...challenge ?
		{ authorization: digest(challenge, 'load31@ims.test', 'load31-secret') } : {},
});

test('who is registered is refreshed, without a word of the client', async () => {
	const client = await open();
	await client.authBasic('sip:bob@ims.test', PASSWORD);
	const own = await open();
	const { response } = await answer(own).then(() => assert.fail('not asked'), (error) => error);
	await answer(own, response.wwwAuthenticate);
	const before = await gateway.metric('isthmus_ims_registers_total');
	/* Unless the core asks for one: it comes as a request of the gateway. */
	const asked = own.next(({ method }) => method === 'auth', 40_000);
	/* Half of 54 s. */
	await until(async () => await gateway.metric('isthmus_ims_registers_total') > before,
		'a refresh', 40_000);
	assert.equal(stateOf('bob'), 'registered');
	assert.equal(client.closeCode, null);
	await client.auth({ authType: 'basic', webrtcId: 'sip:bob@ims.test', expiration: 0 });
	const { authType, webrtcId, wwwAuthenticate } = await asked;
	assert.deepEqual([authType, webrtcId], ['digest', OWN]);
	assert.notEqual(wwwAuthenticate, response.wwwAuthenticate);
	const { expiration } = await answer(own, wwwAuthenticate);
	assert.ok(expiration > 0);
	assert.equal(stateOf('load31'), 'registered');
	await own.close(); // gone for good when its time to live is over
});
